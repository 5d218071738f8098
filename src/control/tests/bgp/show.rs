//! What is shown of BGP, page by page.

use super::*;
use crate::api::request::NeighborRoutes;
use crate::api::show_bgp::{BgpAdvertisedRow, BgpPolicyRow, BgpReceivedRow};
use crate::control::bgp_listing::RUN_PREFIXES_MAX;
use crate::control::query::PAGE_PREFIXES_MAX;
use crate::proto::bgp::ribs::Route;
use crate::wire::bgp::PathAttributes;

/// More than are looked for at once.
const ROUTES: u32 = 9000;
const _: () = assert!(ROUTES as usize > 2 * RUN_PREFIXES_MAX);

fn prefix(number: u32) -> Ipv6Prefix {
    let [_, _, high, low] = number.wrapping_mul(40_503).to_be_bytes();
    let word = u16::from_be_bytes([high, low]);
    Ipv6Prefix::containing(Ipv6Addr::new(0x2001, 0xdb9, word, 0, 0, 0, 0, 0), 48)
}

impl Edges {
    pub(super) fn originate_all(
        &mut self,
        place: usize,
        prefixes: impl Iterator<Item = Ipv6Prefix>,
    ) {
        let route = Route { next_hop: None, attributes: PathAttributes::default() };
        let now = self.now;
        let (speaker, _) = self.planes[place].bgp.parts().unwrap();
        for prefix in prefixes {
            speaker.ribs_mut().originate(now, prefix, &route).unwrap();
        }
        speaker.touch(now);
    }

    /// Every page of an answer.
    fn pages(&mut self, place: usize, query: &ShowQuery) -> Vec<ShowReply> {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            self.tell(place, Input::Query { id: 1, query: query.clone(), after });
            pages.push(self.replies.pop().unwrap());
            after = self.rest;
            if after.is_none() {
                return pages;
            }
        }
    }
}

fn asked(neighbor: &str) -> NeighborRoutes {
    NeighborRoutes { neighbor: neighbor.to_owned(), routes: RouteFilter::default() }
}

fn received(pages: Vec<ShowReply>) -> Vec<BgpReceivedRow> {
    let rows = |page| match page {
        ShowReply::BgpReceived(rows) => rows,
        other => unreachable!("{other:?}"),
    };
    pages.into_iter().flat_map(rows).collect()
}

fn advertised(pages: Vec<ShowReply>) -> Vec<BgpAdvertisedRow> {
    let rows = |page| match page {
        ShowReply::BgpAdvertised(rows) => rows,
        other => unreachable!("{other:?}"),
    };
    pages.into_iter().flat_map(rows).collect()
}

#[test]
fn a_long_table_comes_in_pages_that_are_in_order_and_together_the_whole() {
    let mut edges = Edges::new("");
    edges.originate_all(0, (0..ROUTES).map(prefix));
    edges.run(Duration::from_secs(1));
    let pages = edges.pages(0, &ShowQuery::BgpRoute(RouteFilter::default()));
    let mut all = Vec::new();
    for page in pages {
        let ShowReply::BgpRoute(rows) = page else { unreachable!("{page:?}") };
        assert!(rows.len() <= PAGE_PREFIXES_MAX);
        all.extend(rows.into_iter().map(|row| row.prefix));
    }
    assert!(all.is_sorted_by(|a, b| a < b));
    let mut wanted: Vec<Ipv6Prefix> = (0..ROUTES).map(prefix).collect();
    wanted.sort();
    wanted.dedup();
    assert_eq!(all, wanted);
}

#[test]
fn what_goes_while_it_is_listed_is_left_out_and_what_follows_is_not() {
    let mut edges = Edges::new("");
    edges.originate_all(0, (0..1000).map(prefix));
    edges.run(Duration::from_secs(1));
    let query = ShowQuery::BgpRoute(RouteFilter::default());
    edges.tell(0, Input::Query { id: 1, query: query.clone(), after: None });
    let end = edges.rest.unwrap();
    let behind: Vec<Ipv6Prefix> = {
        let mut all: Vec<_> = (0..1000).map(prefix).filter(|prefix| *prefix > end).collect();
        all.sort();
        all
    };
    let now = edges.now;
    let (speaker, _) = edges.planes[0].bgp.parts().unwrap();
    speaker.ribs_mut().withdraw_origin(behind[0]);
    speaker.touch(now);
    edges.run(Duration::from_secs(1));
    edges.tell(0, Input::Query { id: 1, query, after: Some(end) });
    let Some(ShowReply::BgpRoute(rows)) = edges.replies.pop() else { unreachable!("paths") };
    assert_eq!(rows[0].prefix, behind[1]);
}

#[test]
fn what_one_is_told_the_other_has_received() {
    let mut edges = Edges::new("");
    edges.reach(0, true);
    edges.run(SOON);
    let told = advertised(edges.pages(0, &ShowQuery::BgpAdvertised(asked("peer"))));
    let heard = received(edges.pages(1, &ShowQuery::BgpReceived(asked("peer"))));
    let ([told], [heard]) = (&told[..], &heard[..]) else { unreachable!("{told:?} {heard:?}") };
    assert_eq!((told.prefix, told.is_told, &*told.from), (heard.prefix, true, "local"));
    assert_eq!(told.attributes, heard.attributes);
    assert_eq!(told.attributes.next_hop, Some("2001:db8:f::1".parse().unwrap()));
    assert_eq!(
        (heard.is_accepted, heard.policy.as_deref(), heard.clause),
        (true, Some("all"), None)
    );
    // By address, for one prefix, and of nobody.
    let one = NeighborRoutes {
        neighbor: "2001:db8:f::1".to_owned(),
        routes: RouteFilter { prefix: None, address: Some("fd00:0:1::5".parse().unwrap()) },
    };
    assert_eq!(received(edges.pages(1, &ShowQuery::BgpReceived(one.clone()))).len(), 1);
    let stranger = NeighborRoutes { neighbor: "nobody".to_owned(), ..one };
    assert!(received(edges.pages(1, &ShowQuery::BgpReceived(stranger))).is_empty());
}

#[test]
fn what_was_refused_is_shown_with_the_clause_that_did_it() {
    let mut edges = Edges::new("");
    edges.reach(0, true);
    edges.run(SOON);
    let mut config = config_of(1, "");
    config.bgp.as_mut().unwrap().neighbors[0].keys.import = Some("none".to_owned());
    let mut none = config.policies[1].clone();
    none.name = "none".to_owned();
    none.clauses[0].name = Some("nobody".to_owned());
    none.clauses[0].action = crate::config::schema::PolicyAction::Reject;
    config.policies.push(none);
    edges.configure(1, config);
    edges.run(Duration::from_secs(1));
    let rows = received(edges.pages(1, &ShowQuery::BgpReceived(asked("peer"))));
    let [row] = &rows[..] else { unreachable!("{rows:?}") };
    assert!(!row.is_accepted && row.changes.is_empty());
    assert_eq!((row.clause, row.clause_name.as_deref()), (Some(1), Some("nobody")));
    assert_eq!(
        (row.policy.as_deref(), row.reason.as_deref()),
        (Some("none"), Some("the policy says no"))
    );
    assert_eq!(edges.summary(1).neighbors[0].lost_count, 0, "the session has gone on");
}

#[test]
fn policies_say_who_asks_them_and_count() {
    let mut edges = Edges::new("[ospf.redistribute]\npolicy = \"cheap\"\n");
    edges.reach(0, true);
    edges.run(SOON);
    let ask = |edges: &mut Edges, name: Option<&str>| -> Vec<BgpPolicyRow> {
        match edges.ask(1, ShowQuery::BgpPolicy { name: name.map(str::to_owned) }) {
            ShowReply::BgpPolicy(rows) => rows,
            other => unreachable!("{other:?}"),
        }
    };
    let rows = ask(&mut edges, None);
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["all", "cheap"]);
    assert_eq!(rows[0].used_by, ["import of peer", "export to peer"]);
    assert!(rows[0].default_count > 0 && rows[0].clauses.is_empty(), "{rows:?}");
    let cheap = &ask(&mut edges, Some("cheap"))[0];
    assert_eq!(cheap.used_by, ["redistribution into OSPF"]);
    let clause = &cheap.clauses[0];
    assert_eq!(
        (clause.action.as_str(), clause.changes.as_slice()),
        ("accept", &["med = 7".to_owned()][..])
    );
    assert!(clause.match_count > 0 && cheap.default_count == 0);
    assert!(ask(&mut edges, Some("none")).is_empty());
}

#[test]
fn a_refused_path_names_the_clause_and_a_neighbor_its_policies() {
    let refusing = "[[policy]]\nname = \"none\"\n\n[[policy.clause]]\nname = \"nothing\"\n\
                    match.prefixes = \"::/0 le 128\"\naction = \"reject\"\n";
    let mut edges = Edges::new(refusing);
    let mut config = config_of(1, refusing);
    config.bgp.as_mut().unwrap().neighbors[0].keys.import = Some("none".to_owned());
    edges.configure(1, config);
    edges.reach(0, true);
    edges.run(SOON);
    let path = edges.paths(1).remove(0);
    assert_eq!(path.standing, "refused");
    assert_eq!(path.decided_by.as_deref(), Some("clause 1 (nothing) of none"));
    let row = edges.summary(1).neighbors[0].clone();
    let settings = row.settings.unwrap();
    let policies = (settings.import.as_deref(), settings.export.as_deref());
    assert_eq!(policies, (Some("none"), Some("all")));
    assert_eq!((row.remote_as.as_deref(), settings.is_external), (Some("64512"), true));
    let came: u64 = row.messages.iter().map(|row| row.received_count).sum();
    assert_eq!(came, row.messages_in);
}
