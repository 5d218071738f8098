//! Sessions that are held, and sessions that somebody wants anew.

use super::*;
use crate::api::request::{ClearBgp, ClearWhat};
use crate::api::show_bgp::{BgpCleared, BgpNeighborRow};

/// The neighbour may have so many paths.
fn limited(max_prefix: Option<u32>) -> Config {
    let mut config = config_of(0, "");
    config.bgp.as_mut().unwrap().neighbors[0].keys.max_prefix = max_prefix;
    config
}

/// Edge 0 has ended its session because edge 1 sent three paths and not two.
fn held() -> Edges {
    let mut edges = Edges::new("");
    edges.configure(0, limited(Some(2)));
    edges.run(SOON);
    edges.originate(1, 3);
    edges.run(SOON);
    assert_eq!(row(&mut edges).state, "Idle");
    edges
}

fn row(edges: &mut Edges) -> BgpNeighborRow {
    edges.summary(0).neighbors[0].clone()
}

fn clear(edges: &mut Edges, neighbor: Option<&str>, what: ClearWhat) -> BgpCleared {
    let asked = ClearBgp { neighbor: neighbor.map(str::to_owned), what };
    edges.tell(0, Input::ClearBgp { id: 1, asked });
    match edges.replies.pop().unwrap() {
        ShowReply::BgpCleared(cleared) => cleared,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_session_that_is_held_says_why_and_comes_back_when_its_block_allows_more() {
    let mut edges = held();
    let reason = row(&mut edges).reason.unwrap();
    assert_eq!(
        reason,
        "it sent more than 2 paths (max_prefix): it stays down until max_prefix is raised or \
         removed, or `kumiki clear bgp neighbor peer` is said"
    );
    let said = edges.said(0, "bgp.refused");
    assert!(said[0].contains("`kumiki clear bgp neighbor peer`"), "{said:?}");
    edges.configure(0, limited(Some(10)));
    edges.run(SOON);
    let row = row(&mut edges);
    assert_eq!((row.state.as_str(), row.received_count), ("Established", 3));
    assert_eq!(row.reason, None);
}

#[test]
fn a_session_that_waits_says_for_how_long() {
    let mut edges = held();
    let mut config = limited(Some(2));
    let keys = &mut config.bgp.as_mut().unwrap().neighbors[0].keys;
    keys.max_prefix_restart_time = Some(Duration::from_secs(60));
    edges.configure(0, config);
    edges.run(Duration::from_secs(10));
    let reason = row(&mut edges).reason.unwrap();
    assert!(reason.contains("tried again in 50 s, or by `kumiki clear"), "{reason}");
}

#[test]
fn a_session_is_cleared_by_name_or_address_and_others_are_refused_with_the_list() {
    let mut edges = held();
    let refused = clear(&mut edges, Some("pear"), ClearWhat::Session);
    assert_eq!(
        refused.refusal.as_deref(),
        Some("there is no BGP neighbour `pear` (did you mean `peer`?); there are: peer")
    );
    let soft = clear(&mut edges, Some("peer"), ClearWhat::In);
    assert_eq!(soft.neighbors[0].problem.as_deref(), Some("its session is not up"));
    edges.said(0, "bgp.refused");
    let cleared = clear(&mut edges, Some("2001:db8:f::2"), ClearWhat::Session);
    assert_eq!((cleared.refusal, cleared.neighbors[0].problem.clone()), (None, None));
    assert_eq!(edges.said(0, "bgp.clear").len(), 1);
    edges.run(SOON);
    assert_eq!(edges.said(0, "bgp.refused").len(), 1, "it sent as many as before");
    assert_eq!(row(&mut edges).lost_count, 2);
}

#[test]
fn softly_cleared_sessions_go_on_and_exchange_their_routes_again() {
    let mut edges = Edges::new("");
    edges.run(SOON);
    edges.originate(1, 3);
    edges.run(SOON);
    for what in [ClearWhat::In, ClearWhat::Out] {
        let before = edges.summary(1).neighbors[0].messages_in;
        let cleared = clear(&mut edges, None, what);
        assert_eq!((cleared.refusal, cleared.neighbors.len()), (None, 1));
        edges.run(Duration::from_secs(1));
        assert!(edges.summary(1).neighbors[0].messages_in > before, "{what:?}");
    }
    let row = row(&mut edges);
    assert_eq!((row.state.as_str(), row.lost_count, row.received_count), ("Established", 0, 3));
}

#[test]
fn what_the_configuration_keeps_down_stays_down() {
    let mut edges = Edges::new("");
    let mut config = config_of(0, "");
    config.bgp.as_mut().unwrap().neighbors[0].keys.shutdown = Some(String::new());
    edges.configure(0, config);
    let cleared = clear(&mut edges, Some("peer"), ClearWhat::Session);
    let problem = cleared.neighbors[0].problem.clone();
    assert_eq!(problem.as_deref(), Some("its block shuts it down: remove `shutdown`"));
    let all = clear(&mut edges, None, ClearWhat::Session);
    assert_eq!(all.refusal.as_deref(), Some("no BGP neighbour has a session on this server"));
}
