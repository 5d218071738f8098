//! What routes carry, and what follows: well-known communities, loops, old speakers, long messages,
//! several paths.

use super::peer::{Announced, Kind, Wish, present};
use super::route::{Half, Route, Table, assert_same, changed, made};
use super::speaker::{Speaker, Who};
use super::world::{ASN, BGP, World};
use kumiki::wire::bgp::message::MESSAGE_OCTETS_MAX;
use kumiki::wire::bgp::{
    AddPathMode, AddressFamily, AsPath, Capability, Community, PathAttributes,
};
use std::collections::BTreeSet;

const OUTSIDE: u32 = 65_001;
const USUAL: &str = "2001:db8:a00::/48";
const SPECIAL: &str = "2001:db8:a01::/48";

/// A route of the outside with this path and nothing else.
fn route(world: &World, path: &[u32]) -> Route {
    let attributes =
        PathAttributes { as_path: AsPath::sequence(path), ..PathAttributes::default() };
    Route { next_hop: world.address("world"), attributes }
}

/// A daemon, the router and the outside.
fn both(kind: Kind, keys: &str) -> World {
    let world = World::new(&[kind.name(), "world"]);
    let near = world.neighbor_block("world", OUTSIDE, "passive = true");
    let daemon = world.neighbor_block(kind.name(), kind.asn(), keys);
    world.start_kumiki(&format!("{BGP}{near}{daemon}"));
    world
}

fn outside(world: &World) -> Speaker {
    Speaker::establish(world, "world", world.kumiki("world"), &Who::of(OUTSIDE))
}

// RFC 1997: "MUST NOT be advertised outside", "MUST NOT be advertised to other BGP peers".
#[test]
fn what_a_daemon_marks_as_its_own_goes_no_further() {
    for kind in present(&Kind::ALL) {
        for (mark, name) in [("65535:65281", "no-export"), ("65535:65282", "no-advertise")] {
            let world = both(kind, "");
            let special = Announced { community: Some(mark), ..Announced::plain(SPECIAL) };
            let announces = [special, Announced::plain(USUAL)];
            let _peer = kind.start(&world, &Wish { announces: &announces, ..Wish::default() });
            let best = || world.rows(&format!("bgp route {USUAL}"));
            world.wait("its other route", || !best().is_empty());
            // FRR and GoBGP keep their own to themselves as well, as they should.
            let special = || world.rows(&format!("bgp route {SPECIAL}")).into_iter().next();
            if kind == Kind::Bird {
                world.wait("its route", || special().is_some());
            }
            if let Some(row) = special() {
                assert_eq!(row["communities"], serde_json::json!([name]), "{row:#}");
            }
            let speaker = outside(&world);
            speaker.wait("the end", |heard| heard.end_of_rib_count > 0);
            let heard: Vec<String> =
                speaker.ask(|heard| heard.table.keys().map(ToString::to_string).collect());
            assert_eq!(heard, [USUAL], "{}", kind.name());
        }
    }
}

#[test]
fn a_daemon_keeps_for_itself_what_the_router_marks_so() {
    for kind in present(&Kind::ALL) {
        let world = World::new(&[kind.name(), "world"]);
        let near = world.neighbor_block("world", OUTSIDE, "passive = true");
        let daemon = world.neighbor_block(kind.name(), kind.asn(), "export = \"marked\"");
        let policy = "\n[[policy]]\nname = \"marked\"\n\n[[policy.clause]]\n\
                      set.add_communities = [\"no-export\", \"64512:7\", \"4200000001:1:2\"]\n\
                      set.med = 50\naction = \"accept\"\n";
        world.start_kumiki(&format!("{BGP}{near}{daemon}{policy}"));
        let peer = kind.start(&world, &Wish::default());
        let mut speaker = outside(&world);
        let table = Table::from([(USUAL.parse().unwrap(), route(&world, &[OUTSIDE]))]);
        speaker.announce(&table);
        world.wait("the route", || peer.route(USUAL).is_some());
        let attributes = peer.route(USUAL).unwrap().attributes;
        assert_eq!(attributes.med, Some(50));
        assert_eq!(attributes.communities, [Community(64512 << 16 | 7), Community::NO_EXPORT]);
        assert_eq!(attributes.large_communities[0].to_string(), "4200000001:1:2");
    }
}

#[test]
fn a_blackhole_of_a_daemon_is_one_where_the_configuration_says_so() {
    for kind in present(&Kind::ALL) {
        let world = both(kind, "blackhole = true");
        let special = Announced { community: Some("65535:666"), ..Announced::plain(SPECIAL) };
        let announces = [special, Announced::plain(USUAL)];
        let _peer = kind.start(&world, &Wish { announces: &announces, ..Wish::default() });
        let target = |prefix: &str| {
            let rows = world.rows(&format!("route {prefix}"));
            rows.first().map_or(serde_json::Value::Null, |row| row["target"].clone())
        };
        world.wait("both", || [SPECIAL, USUAL].iter().all(|prefix| !target(prefix).is_null()));
        assert_eq!((target(SPECIAL), target(USUAL)), ("blackhole".into(), "via".into()));
    }
}

#[test]
fn a_path_with_the_own_as_is_refused_at_both_ends() {
    for kind in present(&Kind::ALL) {
        let world = both(kind, "");
        let looped = Announced { behind: Some(ASN), ..Announced::plain(SPECIAL) };
        let announces = [looped, Announced::plain(USUAL)];
        let peer = kind.start(&world, &Wish { announces: &announces, ..Wish::default() });
        // FRR and GoBGP look at the path before they send it.
        world.wait("its route", || world.neighbor(kind.name())["accepted_count"] == 1);
        if let Some(row) = world.rows(&format!("bgp route {SPECIAL}")).first() {
            assert_eq!(row["standing"], "refused", "{row:#}");
        }
        let mut speaker = outside(&world);
        speaker.announce(&Table::from([
            ("2001:db8:b00::/48".parse().unwrap(), route(&world, &[OUTSIDE, kind.asn()])),
            ("2001:db8:b01::/48".parse().unwrap(), route(&world, &[OUTSIDE, 65_009])),
        ]));
        world.wait("the good one", || peer.route("2001:db8:b01::/48").is_some());
        assert_eq!(peer.count(), 1, "{}", peer.words());
    }
}

#[test]
fn an_own_as_that_is_allowed_is_taken() {
    let Some(kind) = present(&[Kind::Bird]).pop() else { return };
    let world = both(kind, "allow_own_as = 1");
    let announces = [Announced { behind: Some(ASN), ..Announced::plain(SPECIAL) }];
    let _peer = kind.start(&world, &Wish { announces: &announces, ..Wish::default() });
    world.wait("its route", || world.neighbor(kind.name())["accepted_count"] == 1);
}

// RFC 6793 §4.2.2: AS_TRANS in AS_PATH, the numbers in AS4_PATH; both ways.
#[test]
fn an_old_speaker_gets_and_gives_large_as_numbers_beside_the_path() {
    if super::cannot_interoperate(&[]) {
        return;
    }
    let world = World::new(&["world", "old"]);
    let near = world.neighbor_block("world", OUTSIDE, "passive = true");
    let far = world.neighbor_block("old", 65_002, "passive = true");
    world.start_kumiki(&format!("{BGP}{near}{far}"));
    let mut near = outside(&world);
    let to = world.kumiki("old");
    let mut old = Speaker::establish(&world, "old", to, &Who::old(65_002));
    assert!(!old.agreement().has_four_octet_asn);
    let table = made(Half::Low, 100, OUTSIDE, world.address("world"));
    near.announce(&table);
    old.wait("the table", |heard| heard.table.len() == 100);
    let behind = |next_hop| {
        move |route: &mut Route| {
            route.next_hop = next_hop;
            route.attributes.as_path = route.attributes.as_path.prepended(ASN, 1);
        }
    };
    let wanted = changed(&table, &behind(to));
    old.ask(|heard| assert_same("router to old", &heard.table, &wanted));
    let table = made(Half::High, 100, 65_002, world.address("old"));
    old.announce(&table);
    near.wait("the table", |heard| heard.table.len() == 100);
    let wanted = changed(&table, &behind(world.kumiki("world")));
    near.ask(|heard| assert_same("old to router", &heard.table, &wanted));
}

// RFC 8654.
#[test]
fn long_messages_go_both_ways_where_they_were_agreed_on() {
    if super::cannot_interoperate(&[]) {
        return;
    }
    let world = World::new(&["world", "other"]);
    let near = world.neighbor_block("world", OUTSIDE, "passive = true");
    let far = world.neighbor_block("other", 65_002, "passive = true");
    world.start_kumiki(&format!("{BGP}{near}{far}"));
    let speak = |name, asn| {
        let who = Who::of(asn).with(Capability::ExtendedMessage);
        Speaker::establish(&world, name, world.kumiki(name), &who)
    };
    let (mut near, mut far) = (speak("world", OUTSIDE), speak("other", 65_002));
    // All with the same attributes, in messages as long as may be.
    let table = made(Half::Low, 10_000, OUTSIDE, world.address("world"));
    let table = changed(&table, &|changed| *changed = route(&world, &[OUTSIDE, 65_009]));
    near.announce(&table);
    far.wait("the table", |heard| heard.table.len() == table.len());
    far.ask(|heard| assert!(heard.table.keys().eq(table.keys())));
    // All at once, and not as slices of work decide them.
    far.ask_for_routes();
    far.wait("a long message", |heard| heard.octets_max > MESSAGE_OCTETS_MAX);
}

/// BIRD and FRR say that they take them; GoBGP 3.10 does not.
#[test]
fn long_messages_are_agreed_on_with_bird_and_frr() {
    for kind in present(&[Kind::Bird, Kind::Frr]) {
        let world = both(kind, "");
        let peer = kind.start(&world, &Wish::default());
        world.wait("established", || world.is_established(kind.name()));
        let row = world.neighbor(kind.name());
        let names = row["capabilities"].as_array().unwrap();
        assert!(names.iter().any(|name| name == "extended messages"), "{row:#}");
        let mut speaker = outside(&world);
        let table = made(Half::Low, 10_000, OUTSIDE, world.address("world"));
        speaker.announce(&changed(&table, &|changed| *changed = route(&world, &[OUTSIDE, 65_009])));
        world.wait("the table", || peer.count() == table.len());
    }
}

// RFC 7911.
#[test]
fn several_paths_of_a_prefix_go_to_each_daemon() {
    for kind in present(&Kind::ALL) {
        let world = World::new(&[kind.name(), "world", "other"]);
        let blocks = [
            world.neighbor_block(kind.name(), kind.asn(), "add_path = \"both\""),
            world.neighbor_block("world", OUTSIDE, "passive = true"),
            world.neighbor_block("other", 65_002, "passive = true\nadd_path = \"both\""),
        ];
        world.start_kumiki(&format!("{BGP}{}", blocks.concat()));
        let announces = [Announced::plain(USUAL)];
        let wish = Wish { announces: &announces, has_add_path: true, ..Wish::default() };
        let peer = kind.start(&world, &wish);
        world.wait("established", || world.is_established(kind.name()));
        let row = world.neighbor(kind.name());
        let names = row["capabilities"].as_array().unwrap();
        assert!(names.iter().any(|name| name == "additional paths"), "{row:#}");
        let mode = AddPathMode { receives: true, sends: true };
        let paths = Capability::AddPath(vec![(AddressFamily::IPV6_UNICAST, mode)]);
        let mut near = outside(&world);
        let who = Who::of(65_002).with(paths);
        let mut other = Speaker::establish(&world, "other", world.kumiki("other"), &who);
        near.announce(&Table::from([(SPECIAL.parse().unwrap(), route(&world, &[OUTSIDE]))]));
        let mut longer = route(&world, &[65_002, 65_009]);
        longer.next_hop = world.address("other");
        other.announce(&Table::from([(SPECIAL.parse().unwrap(), longer)]));
        world.wait("both paths", || world.neighbor(kind.name())["advertised_count"] == 2);
        world.wait("two paths there", || peer.path_count(SPECIAL) == 2);
        // The other end of the same: the daemon's own and that of the near end.
        let heard = |heard: &super::speaker::Heard| {
            heard.paths.keys().map(|nlri| nlri.prefix.to_string()).collect::<BTreeSet<_>>()
        };
        other.wait("its path and the near one", |all| heard(all).len() == 2);
    }
}
