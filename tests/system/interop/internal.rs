//! Within one AS: next-hop-self, and route reflection (RFC 4456) with daemons as clients.

use super::peer::{Announced, Kind, Wish, present};
use super::route::{Route, Table};
use super::speaker::{Speaker, Who};
use super::world::{ASN, BGP, World};
use kumiki::base::ids::RouterId;
use kumiki::wire::bgp::{AsPath, PathAttributes};

const OUTSIDE: u32 = 65_001;
const PREFIX: &str = "2001:db8:a00::/48";
const OUTER: &str = "2001:db8:b00::/48";

/// Two clients, one of them with a prefix, and the outside.
#[test]
fn routes_are_reflected_between_clients_and_exits_are_the_router() {
    for kind in present(&Kind::ALL) {
        let world = World::new(&[kind.name(), "client", "world"]);
        let keys = "route_reflector_client = true\nnext_hop_self = true";
        let blocks = [
            world.neighbor_block(kind.name(), ASN, keys),
            world.neighbor_block("client", ASN, "route_reflector_client = true\npassive = true"),
            world.neighbor_block("world", OUTSIDE, "passive = true"),
        ];
        world.start_kumiki(&format!("{BGP}router_id = \"10.0.1.1\"\n{}", blocks.concat()));
        let announces = [Announced::plain(PREFIX)];
        let wish = Wish { asn: Some(ASN), announces: &announces, ..Wish::default() };
        let peer = kind.start(&world, &wish);
        let speak = |name, asn| Speaker::establish(&world, name, world.kumiki(name), &Who::of(asn));
        let client = speak("client", ASN);
        let mut outside = speak("world", OUTSIDE);
        let attributes =
            PathAttributes { as_path: AsPath::sequence(&[OUTSIDE]), ..PathAttributes::default() };
        let route = Route { next_hop: world.address("world"), attributes };
        outside.announce(&Table::from([(OUTER.parse().unwrap(), route)]));

        // Next-hop-self, and the path as it was.
        world.wait("the outer route", || peer.route(OUTER).is_some());
        let outer = peer.route(OUTER).unwrap();
        assert_eq!(outer.next_hop, world.kumiki(kind.name()));
        assert_eq!(outer.attributes.as_path, AsPath::sequence(&[OUTSIDE]));
        assert_eq!(outer.attributes.local_pref, Some(100));

        // RFC 4456 §8: who began it, and through which clusters it went; the next hop stays.
        client.wait("both routes", |heard| heard.table.len() == 2);
        let reflected = client.ask(|heard| heard.table[&PREFIX.parse().unwrap()].clone());
        let number = u32::try_from(world.number(kind.name())).unwrap();
        assert_eq!(reflected.attributes.originator_id, Some(RouterId(0x0a09_0000 + number)));
        assert_eq!(reflected.attributes.cluster_list, [RouterId(0x0a00_0101)]);
        assert_eq!(reflected.next_hop, world.address(kind.name()));
        assert!(reflected.attributes.as_path.is_empty());
        outside.wait("the inner route", |heard| heard.table.len() == 1);
        let seen = outside.ask(|heard| heard.table[&PREFIX.parse().unwrap()].clone());
        assert_eq!(seen.attributes.as_path, AsPath::sequence(&[ASN]));
        assert_eq!(seen.attributes.originator_id, None);
    }
}

// RFC 4456 §8: an own ORIGINATOR_ID and an own CLUSTER_ID are loops.
#[test]
fn what_was_reflected_here_before_is_refused() {
    if super::cannot_interoperate(&[]) {
        return;
    }
    let world = World::new(&["client", "world"]);
    let blocks = [
        world.neighbor_block("client", ASN, "route_reflector_client = true\npassive = true"),
        world.neighbor_block("world", OUTSIDE, "passive = true"),
    ];
    world.start_kumiki(&format!("{BGP}router_id = \"10.0.1.1\"\n{}", blocks.concat()));
    let speak = |name, asn| Speaker::establish(&world, name, world.kumiki(name), &Who::of(asn));
    let (mut client, outside) = (speak("client", ASN), speak("world", OUTSIDE));
    let own = RouterId(0x0a00_0101);
    let plain = PathAttributes { local_pref: Some(100), ..PathAttributes::default() };
    let begun = PathAttributes { originator_id: Some(own), ..plain.clone() };
    let passed = PathAttributes { cluster_list: vec![RouterId(7), own], ..plain.clone() };
    let all = [("2001:db8:c01::/48", begun), ("2001:db8:c02::/48", passed), (PREFIX, plain)];
    let next_hop = world.address("client");
    let table =
        all.map(|(prefix, attributes)| (prefix.parse().unwrap(), Route { next_hop, attributes }));
    client.announce(&Table::from(table));
    outside.wait("the good one", |heard| !heard.table.is_empty());
    let row = world.neighbor("client");
    assert_eq!((&row["received_count"], &row["accepted_count"]), (&3.into(), &1.into()));
    assert_eq!(outside.ask(|heard| heard.table.len()), 1);
}
