//! Route refresh (RFC 2918, RFC 7313) and changed policies: all routes again, and no session ends.

use super::peer::{Announced, Kind, Wish, present};
use super::route::{Half, made};
use super::speaker::{Speaker, Who};
use super::world::{BGP, World};
use kumiki::wire::bgp::{AddressFamily, Community, Message, RefreshKind, RouteRefresh};
use std::collections::BTreeMap;

const COUNT: u32 = 50;
const OUTSIDE: u32 = 65_001;
const PREFIX: &str = "2001:db8:a00::/48";

/// A policy of this name that does this with everything.
fn policy(name: &str, clause: &str) -> String {
    format!("\n[[policy]]\nname = \"{name}\"\n\n[[policy.clause]]\n{clause}\n")
}

#[test]
fn a_changed_policy_is_felt_by_each_daemon_and_ends_no_session() {
    for kind in present(&Kind::ALL) {
        let name = kind.name();
        let world = World::new(&[name, "world"]);
        let near = world.neighbor_block("world", OUTSIDE, "passive = true");
        let keys = "import = \"in\"\nexport = \"out\"";
        let blocks = format!("{BGP}{near}{}", world.neighbor_block(name, kind.asn(), keys));
        let config = |import: &str, export: &str| {
            format!("{blocks}{}{}", policy("in", import), policy("out", export))
        };
        let accept = "action = \"accept\"";
        world.start_kumiki(&config(accept, accept));
        let announces = [Announced::plain(PREFIX)];
        let peer = kind.start(&world, &Wish { announces: &announces, ..Wish::default() });
        let to = world.kumiki("world");
        let mut speaker = Speaker::establish(&world, "world", to, &Who::of(OUTSIDE));
        let table = made(Half::Low, COUNT, OUTSIDE, world.address("world"));
        speaker.announce(&table);
        world.wait("the table", || peer.count() == COUNT as usize);
        let received = |key: &str| world.rows(&format!("bgp route {PREFIX}"))[0][key].clone();
        world.wait("its route", || world.neighbor(name)["accepted_count"] == 1);
        assert_eq!(received("local_pref"), serde_json::Value::Null);

        let marked = "set.add_communities = \"65000:1\"\naction = \"accept\"";
        world.apply(&config("set.local_pref = 200\naction = \"accept\"", marked));
        let prefix = table.keys().next().unwrap().to_string();
        let mark = Community(65_000 << 16 | 1);
        world.wait("the mark", || {
            peer.route(&prefix).is_some_and(|route| route.attributes.communities.contains(&mark))
        });
        assert_eq!(received("local_pref"), 200);

        world.apply(&config("action = \"reject\"", "action = \"reject\""));
        world.wait("nothing any more", || peer.count() == 0);
        assert_eq!(received("standing"), "refused");
        world.apply(&config(accept, accept));
        world.wait("the table again", || peer.count() == COUNT as usize);
        let row = world.neighbor(name);
        assert_eq!((&row["lost_count"], &row["accepted_count"]), (&0.into(), &1.into()));
    }
}

#[test]
fn each_daemon_gets_all_routes_again_when_it_asks() {
    for kind in present(&Kind::ALL) {
        let name = kind.name();
        let world = World::new(&[name, "world"]);
        let near = world.neighbor_block("world", OUTSIDE, "passive = true");
        world.start_kumiki(&format!("{BGP}{near}{}", world.neighbor_block(name, kind.asn(), "")));
        let peer = kind.start(&world, &Wish::default());
        let to = world.kumiki("world");
        let mut speaker = Speaker::establish(&world, "world", to, &Who::of(OUTSIDE));
        speaker.announce(&made(Half::Low, COUNT, OUTSIDE, world.address("world")));
        world.wait("the table", || peer.count() == COUNT as usize);
        let row = world.neighbor(name);
        let has = |words: &str| {
            row["capabilities"].as_array().unwrap().iter().any(|capability| capability == words)
        };
        assert!(has("route refresh"), "{row:#}");
        // Two groups of attributes, and the bounds where they were agreed on.
        let bounds = if has("enhanced route refresh") { 2 } else { 0 };
        let sent = || world.neighbor(name)["messages_out"].as_u64().unwrap();
        let before = sent();
        peer.soft_in();
        world.wait("all of them again", || sent() >= before + 2 + bounds);
        assert_eq!(peer.count(), COUNT as usize);
        assert_eq!(world.neighbor(name)["lost_count"], 0);
    }
}

// RFC 7313 §4: "BoRR", the routes, "EoRR", and who bounds its own forgets what was not among them.
#[test]
fn an_answer_to_a_refresh_has_bounds_and_a_bounded_one_replaces_the_table() {
    if super::cannot_interoperate(&[]) {
        return;
    }
    let world = World::new(&["world", "other"]);
    let near = world.neighbor_block("world", OUTSIDE, "passive = true");
    let far = world.neighbor_block("other", 65_002, "passive = true");
    world.start_kumiki(&format!("{BGP}{near}{far}"));
    let speak = |name, asn| Speaker::establish(&world, name, world.kumiki(name), &Who::of(asn));
    let (mut near, mut far) = (speak("world", OUTSIDE), speak("other", 65_002));
    let table = made(Half::Low, COUNT, OUTSIDE, world.address("world"));
    near.announce(&table);
    far.wait("the table", |heard| heard.table.len() == COUNT as usize);

    let before = far.ask(|heard| heard.update_count);
    far.ask_for_routes();
    far.wait("both bounds", |heard| heard.refreshes.len() == 2);
    let bounds = far.ask(|heard| heard.refreshes.clone());
    let kinds: Vec<RefreshKind> = bounds.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [RefreshKind::Begin, RefreshKind::End]);
    let counts: Vec<usize> = bounds.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts[0], before, "nothing of it is before its begin");
    assert!(counts[1] >= before + 2, "all of it is before its end: {counts:?}");

    let half: BTreeMap<_, _> =
        table.into_iter().enumerate().filter(|(n, _)| n % 2 == 0).map(|(_, route)| route).collect();
    let bound =
        |kind| Message::RouteRefresh(RouteRefresh { family: AddressFamily::IPV6_UNICAST, kind });
    near.say(&bound(RefreshKind::Begin));
    near.announce_only(&half);
    assert_eq!(world.neighbor("world")["received_count"], COUNT);
    near.say(&bound(RefreshKind::End));
    far.wait("half of the table", |heard| heard.table.len() == half.len());
    far.ask(|heard| assert!(heard.table.keys().eq(half.keys())));
    assert_eq!(world.neighbor("world")["lost_count"], 0);
}
