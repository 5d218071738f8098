//! Whole tables, both ways through each daemon.
//!
//! ```text
//!   world (AS 65001) === kumiki === daemon (AS 6450x) === world (AS 65002)
//! ```
//!
//! What the one end of the world announces goes through the router and then the daemon, what the
//! other end announces the other way. At every place the whole table is compared.

use super::bird::Bird;
use super::frr::Frr;
use super::gobgp::Gobgp;
use super::peer::{Kind, Wish, present};
use super::route::{Half, Table, assert_same, changed, made};
use super::speaker::{Heard, Speaker, Who};
use super::world::{ASN, BGP, World};
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::wire::bgp::{AsPath, Community, LargeCommunity, Origin, PathAttributes};
use std::net::Ipv6Addr;

/// Prefixes in each direction: a full table, where the router is built to carry one.
const COUNT: u32 = if cfg!(debug_assertions) { 20_000 } else { 250_000 };
pub const NEAR: u32 = 65_001;
pub const FAR: u32 = 65_002;

/// The two ends of the world and what they announce.
pub struct Exchange {
    near: Speaker,
    far: Speaker,
    from_near: Table,
    from_far: Table,
}

impl Exchange {
    /// Both ends speak; `addresses` are those of the daemon and of the far end on their cable.
    pub fn start(world: &World, addresses: [Ipv6Addr; 2]) -> Self {
        let from_near = made(Half::Low, COUNT, NEAR, world.address("world"));
        let from_far = made(Half::High, COUNT, FAR, addresses[1]);
        let mut far = Speaker::establish(world, "world", addresses[0], &Who::of(FAR));
        far.announce(&from_far);
        let mut near = Speaker::establish(world, "world", world.kumiki("world"), &Who::of(NEAR));
        near.announce(&from_near);
        Self { near, far, from_near, from_far }
    }

    /// The tables as they are at the end of each way: behind the router and the daemon.
    pub fn check_ends(&self, world: &World, (asn, address): (u32, Ipv6Addr)) {
        // Daemons announce networks of their own as well, and FRR what it has heard to everybody.
        let of = |heard: &Heard, table: &Table| -> Table {
            let known = heard.table.iter().filter(|(prefix, _)| table.contains_key(*prefix));
            known.map(|(prefix, route)| (*prefix, route.clone())).collect()
        };
        let is_whole = |heard: &Heard, table: &Table| {
            heard.table.len() >= table.len()
                && table.keys().all(|prefix| heard.table.contains_key(prefix))
        };
        self.near.wait("the table of the far end", |heard| is_whole(heard, &self.from_far));
        self.far.wait("the table of the near end", |heard| is_whole(heard, &self.from_near));
        let wanted = self.behind(&self.from_far, &[asn, ASN], world.kumiki("world"));
        self.near.ask(|heard| assert_same("daemon to router", &of(heard, &wanted), &wanted));
        let wanted = self.behind(&self.from_near, &[ASN, asn], address);
        self.far.ask(|heard| assert_same("router to daemon", &of(heard, &wanted), &wanted));
    }

    /// A table after these ASes.
    fn behind(&self, table: &Table, asns: &[u32], next_hop: Ipv6Addr) -> Table {
        changed(table, &|route| {
            route.next_hop = next_hop;
            for asn in asns {
                route.attributes.as_path = route.attributes.as_path.prepended(*asn, 1);
            }
        })
    }
}

/// What the router says of all routes of a neighbour.
fn table_of_router(world: &World, name: &str) -> Table {
    let rows = world.rows("bgp route");
    let rows = rows.iter().filter(|row| row["from"] == name);
    let route = |row: &serde_json::Value| {
        let text = |key: &str| row[key].as_str().unwrap();
        let path: Vec<u32> =
            text("as_path").split_whitespace().map(|asn| asn.parse().unwrap()).collect();
        let marks = row["communities"].as_array().unwrap();
        let marks = || marks.iter().map(|mark| mark.as_str().unwrap());
        let attributes = PathAttributes {
            origin: match text("origin") {
                "igp" => Origin::Igp,
                "egp" => Origin::Egp,
                _ => Origin::Incomplete,
            },
            as_path: AsPath::sequence(&path),
            communities: marks().filter_map(|mark| mark.parse::<Community>().ok()).collect(),
            large_communities: marks()
                .filter_map(|mark| mark.parse::<LargeCommunity>().ok())
                .collect(),
            ..PathAttributes::default()
        };
        let next_hop = text("next_hop").parse().unwrap();
        (
            text("prefix").parse::<Ipv6Prefix>().unwrap(),
            super::route::Route { next_hop, attributes },
        )
    };
    rows.map(route).collect()
}

/// The world and the router; the daemon is started by the caller.
fn prepare(kind: Kind) -> (World, [Ipv6Addr; 2]) {
    let world = World::new(&[kind.name(), "world"]);
    let addresses = world.join(kind.name(), "world");
    let near = world.neighbor_block("world", NEAR, "passive = true");
    let daemon = world.neighbor_block(kind.name(), kind.asn(), "");
    world.start_kumiki(&format!("{BGP}{near}{daemon}"));
    (world, addresses)
}

fn wish(addresses: [Ipv6Addr; 2]) -> Wish<'static> {
    Wish { far: Some((addresses, FAR)), ..Wish::default() }
}

#[test]
fn bird_and_kumiki_have_all_of_each_others_table() {
    if present(&[Kind::Bird]).is_empty() {
        return;
    }
    let (world, addresses) = prepare(Kind::Bird);
    let bird = Bird::start(&world, &wish(addresses));
    let exchange = Exchange::start(&world, addresses);
    exchange.check_ends(&world, (Kind::Bird.asn(), addresses[0]));
    let wanted = exchange.behind(&exchange.from_near, &[ASN], world.kumiki("bird"));
    let wanted = changed(&wanted, &|route| route.attributes.local_pref = Some(100));
    assert_same("BIRD", &bird.table("kumiki"), &wanted);
    let wanted = exchange.behind(&exchange.from_far, &[Kind::Bird.asn()], world.address("bird"));
    let wanted = changed(&wanted, &|route| {
        // What is not shown.
        let attributes = &mut route.attributes;
        attributes.is_atomic_aggregate = false;
        attributes.aggregator = None;
        attributes.extended_communities = Vec::new();
    });
    assert_same("the router", &table_of_router(&world, "bird"), &wanted);
}

#[test]
fn frr_and_kumiki_have_all_of_each_others_table() {
    if present(&[Kind::Frr]).is_empty() {
        return;
    }
    let (world, addresses) = prepare(Kind::Frr);
    let frr = Frr::start(&world, &wish(addresses));
    let exchange = Exchange::start(&world, addresses);
    exchange.check_ends(&world, (Kind::Frr.asn(), addresses[0]));
    let wanted = exchange.behind(&exchange.from_near, &[ASN], world.kumiki("frr"));
    let wanted = changed(&wanted, &|route| {
        let PathAttributes { origin, as_path, .. } = route.attributes.clone();
        route.attributes = PathAttributes { origin, as_path, ..PathAttributes::default() };
    });
    assert_same("FRR", &frr.table(), &wanted);
}

#[test]
fn gobgp_and_kumiki_have_all_of_each_others_table() {
    if present(&[Kind::Gobgp]).is_empty() {
        return;
    }
    let (world, addresses) = prepare(Kind::Gobgp);
    let gobgp = Gobgp::start(&world, &wish(addresses));
    let exchange = Exchange::start(&world, addresses);
    exchange.check_ends(&world, (Kind::Gobgp.asn(), addresses[0]));
    let wanted = exchange.behind(&exchange.from_near, &[ASN], world.kumiki("gobgp"));
    assert_same("GoBGP", &gobgp.table(world.kumiki("gobgp")), &wanted);
}
