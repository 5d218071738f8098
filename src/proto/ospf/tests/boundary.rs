//! What a router announces from outside the AS, over its whole life.

use super::harness::{LATENCY, Network, address, id, settings};
use crate::base::ids::{PortId, RouterId};
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Duration;
use crate::proto::ospf::boundary::first_id;
use crate::proto::ospf::limits::{
    EXTERNAL_LSAS_MAX, EXTERNAL_METRIC_STUB, EXTERNALS_BURST, EXTERNALS_KEPT, EXTERNALS_MAX,
    EXTERNALS_PAUSE,
};
use crate::proto::ospf::lsdb::Scope;
use crate::proto::ospf::{Action, ExternalChanges, ExternalRoute, Input, Notice, Ospf, Verified};
use crate::wire::ospf::lsa::MAX_AGE_S;
use crate::wire::ospf::packet::ALL_SPF_ROUTERS;
use crate::wire::ospf::{
    AsExternalLsa, ExternalMetric, LinkStateUpdate, LsType, Lsa, LsaBody, LsaKey, Packet,
    PacketBody, PrefixOptions, RouterFlags, SequenceNumber,
};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

fn prefix(n: u32) -> Ipv6Prefix {
    let [_, high, low, lowest] = n.to_be_bytes();
    let words = [0x2001, 0xdb8, u16::from(high), u16::from_be_bytes([low, lowest]), 0, 0, 0, 0];
    Ipv6Prefix::containing(Ipv6Addr::from_segments(words), 64)
}

fn at(n: u32, metric: ExternalMetric) -> ExternalRoute {
    ExternalRoute { prefix: prefix(n), metric, forwarding_address: None, tag: Some(n) }
}

fn type_2(n: u32, metric: u32) -> ExternalRoute {
    at(n, ExternalMetric::Type2(metric))
}

fn announce(routes: impl IntoIterator<Item = ExternalRoute>) -> Input {
    let announced = routes.into_iter().collect();
    Input::Externals(ExternalChanges { withdrawn: Vec::new(), announced })
}

fn withdraw(numbers: impl IntoIterator<Item = u32>) -> Input {
    let withdrawn = numbers.into_iter().map(prefix).collect();
    Input::Externals(ExternalChanges { withdrawn, announced: Vec::new() })
}

/// The AS-external-LSAs of one router in the database of another: Link State ID and body.
fn externals(network: &Network, at: usize, from: RouterId) -> BTreeMap<u32, AsExternalLsa> {
    let entries = network.routers[at].lsdb.of_router(Scope::As, LsType::AS_EXTERNAL, from);
    let alive = entries.map(|entry| entry.lsa(network.now)).filter(|lsa| !lsa.header.is_max_age());
    alive
        .map(|lsa| match lsa.body() {
            Ok(LsaBody::AsExternal(body)) => (lsa.header.link_state_id, body),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn has_e_bit(network: &Network, at: usize, from: RouterId) -> bool {
    let mut entries = network.routers[at].lsdb.of_router(Scope::Area, LsType::ROUTER, from);
    let Ok(LsaBody::Router(body)) = entries.next().unwrap().as_installed().body() else {
        panic!("a router-LSA");
    };
    body.flags.contains(RouterFlags::EXTERNAL)
}

fn metric(network: &Network, router: usize, n: u32) -> Option<usize> {
    network.routes[router].get(&prefix(n)).copied()
}

fn ring(count: usize) -> Network {
    let mut network = Network::ring(count, 71);
    network.seconds(10);
    network.assert_converged();
    network
}

fn external_key(from: RouterId, link_state_id: u32) -> LsaKey {
    LsaKey { ls_type: LsType::AS_EXTERNAL, advertising_router: from, link_state_id }
}

fn body(n: u32, metric: u32) -> LsaBody {
    LsaBody::AsExternal(AsExternalLsa {
        metric: ExternalMetric::Type2(metric),
        prefix: prefix(n),
        options: PrefixOptions::default(),
        forwarding_address: None,
        tag: None,
        referenced: None,
    })
}

/// Lets router 1's end of the cable at its port 1 send LSAs to router 0.
fn send(network: &mut Network, lsas: Vec<Lsa>) {
    let body = PacketBody::LinkStateUpdate(LinkStateUpdate { lsas });
    let packet = Packet { router_id: id(1), area: RouterId(0), instance_id: 0, body };
    let bytes = packet.encode(address((1, 1)), ALL_SPF_ROUTERS);
    network.launch((1, 1), ALL_SPF_ROUTERS, bytes);
}

#[test]
fn a_route_from_outside_reaches_everybody_and_goes_at_once() {
    let mut network = ring(5);
    network.input(0, announce([at(1, ExternalMetric::Type1(7)), type_2(2, 30)]));
    network.run(Duration::from_millis(100));
    for (router, cost) in [(1, 17), (2, 27), (3, 27), (4, 17)] {
        assert_eq!(
            (metric(&network, router, 1), metric(&network, router, 2)),
            (Some(cost), Some(30))
        );
    }
    assert_eq!(metric(&network, 0, 1), None, "own");
    assert!((0..5).all(|at| has_e_bit(&network, at, id(0))));
    network.input(0, withdraw([1]));
    network.run(LATENCY * 4);
    assert!((0..5).all(|at| externals(&network, at, id(0)).len() == 1));
    network.run(Duration::from_millis(100));
    assert!(
        (1..5).all(|at| metric(&network, at, 1).is_none() && metric(&network, at, 2).is_some())
    );
    assert!((0..5).all(|at| has_e_bit(&network, at, id(0))));
    network.input(0, withdraw([2, 3]));
    network.run(Duration::from_millis(100));
    assert!((1..5).all(|at| metric(&network, at, 2).is_none()));
    assert!((0..5).all(|at| !has_e_bit(&network, at, id(0))), "exactly while there are any");
    network.seconds(5);
    assert!((0..5).all(|at| externals(&network, at, id(0)).is_empty()));
    network.assert_converged();
}

#[test]
fn what_is_said_is_what_was_asked_for() {
    let mut network = ring(3);
    let route = |forwarding_address: &str| ExternalRoute {
        prefix: prefix(1),
        metric: ExternalMetric::Type1(0x0123_4567),
        forwarding_address: Some(forwarding_address.parse().unwrap()),
        tag: Some(9),
    };
    for (address, is_said) in [("fd00::7", true), ("fe80::7", false), ("::", false)] {
        network.input(0, announce([route(address)]));
        network.seconds(1);
        let said = externals(&network, 2, id(0)).remove(&first_id(prefix(1))).unwrap();
        assert_eq!(said.forwarding_address.is_some(), is_said, "{address}");
        // 24 bits, and never LSInfinity.
        assert_eq!((said.metric, said.tag), (ExternalMetric::Type1(0x00ff_fffe), Some(9)));
    }
}

#[test]
fn a_change_of_externals_is_no_reason_for_a_tree() {
    let mut network = ring(4);
    network.input(0, announce([type_2(0, 1)]));
    network.seconds(5);
    let runs = network.routers[2].run_count();
    let mut changes = 0;
    for n in 1..40 {
        network.input(0, announce([type_2(n, 1)]));
        network.input(0, withdraw([n - 1]));
        network.run(Duration::from_millis(30));
        changes += usize::from(metric(&network, 2, n).is_some());
    }
    assert_eq!(network.routers[2].run_count(), runs);
    assert!(changes >= 35, "each is there within 30 ms, not after the back-off: {changes}");
}

#[test]
fn of_two_edges_the_nearer_one_is_used_and_the_other_when_it_dies() {
    let mut network = ring(6);
    network.input(0, announce([at(1, ExternalMetric::Type1(5)), type_2(2, 5)]));
    network.input(3, announce([at(1, ExternalMetric::Type1(5)), type_2(2, 5)]));
    network.seconds(2);
    assert_eq!((metric(&network, 1, 1), metric(&network, 2, 1)), (Some(15), Some(15)));
    network.cut((3, 0), false);
    network.cut((3, 1), false);
    network.seconds(2);
    assert_eq!((metric(&network, 2, 1), metric(&network, 4, 1)), (Some(25), Some(25)));
    assert_eq!(metric(&network, 2, 2), Some(5));
}

// RFC 6987: who asks to be avoided is avoided as an exit as well, and used where there is no other.
#[test]
fn a_drained_edge_gives_way_to_the_other_one() {
    let mut network = ring(5);
    let costly = [at(1, ExternalMetric::Type1(1)), type_2(2, 1), type_2(3, 0x00ff_8000)];
    network.input(0, announce(costly));
    network.input(2, announce([at(1, ExternalMetric::Type1(900)), type_2(2, 900)]));
    network.seconds(2);
    assert_eq!((metric(&network, 1, 1), metric(&network, 1, 2)), (Some(11), Some(1)));
    network.input(0, Input::StubRouter { is_stub: true });
    network.seconds(2);
    assert_eq!((metric(&network, 1, 1), metric(&network, 1, 2)), (Some(910), Some(900)));
    assert_eq!(metric(&network, 1, 3), Some(0x00ff_8000), "worse already");
    network.input(2, withdraw([1, 2]));
    network.seconds(2);
    let stub = usize::try_from(EXTERNAL_METRIC_STUB).unwrap();
    assert_eq!((metric(&network, 1, 1), metric(&network, 1, 2)), (Some(stub), Some(stub)));
    network.input(0, Input::StubRouter { is_stub: false });
    network.seconds(2);
    assert_eq!((metric(&network, 1, 1), metric(&network, 1, 2)), (Some(11), Some(1)));
}

#[test]
fn link_state_ids_outlive_a_restart_and_what_is_announced_no_more_goes() {
    let mut network = ring(4);
    network.input(0, announce((0..50).map(|n| type_2(n, 1))));
    network.seconds(2);
    let before = externals(&network, 2, id(0));
    assert_eq!(before.len(), 50);
    network.restart(0);
    // In another order, and ten of them no more.
    for n in (10..50).rev() {
        network.input(0, announce([type_2(n, 1)]));
    }
    network.seconds(20);
    network.assert_converged();
    let after = externals(&network, 2, id(0));
    assert_eq!(after.len(), 40);
    assert!(after.iter().all(|(id, body)| before.get(id) == Some(body)));
    assert!((0..10).all(|n| metric(&network, 2, n).is_none()));
    assert!((10..50).all(|n| metric(&network, 2, n).is_some()));
}

/// Two prefixes that come to the same Link State ID.
fn twins() -> (u32, u32) {
    let mut known = BTreeMap::new();
    let mut all = (0..1 << 22).map(|n| (first_id(prefix(n)), n));
    let (id, n) = all.find(|(id, n)| known.insert(*id, *n).is_some()).unwrap();
    let first = (0..n).find(|n| first_id(prefix(*n)) == id).unwrap();
    (first, n)
}

#[test]
fn prefixes_that_come_to_the_same_id_are_told_apart_whatever_the_order() {
    let (one, other) = twins();
    let mut network = ring(4);
    let check = |network: &Network, costs: [Option<usize>; 2]| {
        assert_eq!([metric(network, 2, one), metric(network, 2, other)], costs);
        let said = externals(network, 2, id(0));
        assert_eq!(said.len(), costs.iter().flatten().count());
    };
    network.input(0, announce([type_2(one, 1)]));
    network.input(0, announce([type_2(other, 2)]));
    network.seconds(2);
    check(&network, [Some(1), Some(2)]);
    // The other order after a restart: the id of each has an older LSA of the other.
    network.restart(0);
    network.input(0, announce([type_2(other, 2)]));
    network.input(0, announce([type_2(one, 1)]));
    network.seconds(20);
    network.assert_converged();
    check(&network, [Some(1), Some(2)]);
    // One takes the place of the other, while the LSA of that is being withdrawn.
    network.input(0, withdraw([one]));
    network.seconds(2);
    check(&network, [None, Some(2)]);
    network.input(
        0,
        Input::Externals(ExternalChanges {
            withdrawn: vec![prefix(other)],
            announced: vec![type_2(one, 3)],
        }),
    );
    network.seconds(2);
    check(&network, [Some(3), None]);
}

#[test]
fn an_id_is_not_given_to_another_prefix_while_its_old_lsa_may_live() {
    let (one, other) = twins();
    let mut network = ring(3);
    network.input(0, announce([type_2(one, 1)]));
    network.seconds(2);
    network.input(
        0,
        Input::Externals(ExternalChanges {
            withdrawn: vec![prefix(one)],
            announced: vec![type_2(other, 2)],
        }),
    );
    network.seconds(2);
    let said: Vec<u32> = externals(&network, 1, id(0)).into_keys().collect();
    assert_eq!(said, [first_id(prefix(other)).wrapping_add(1)]);
}

#[test]
fn an_lsa_of_an_earlier_life_with_another_prefix_is_withdrawn_and_the_route_moves() {
    let mut network = ring(4);
    network.input(0, announce([type_2(1, 1)]));
    network.seconds(2);
    let key = external_key(id(0), first_id(prefix(1)));
    send(&mut network, vec![Lsa::build(key, SequenceNumber(7), 1, &body(99, 5)).unwrap()]);
    network.seconds(5);
    assert_eq!((metric(&network, 2, 1), metric(&network, 2, 99)), (Some(1), None));
    let said: Vec<u32> = externals(&network, 2, id(0)).into_keys().collect();
    assert_eq!(said, [first_id(prefix(1)).wrapping_add(1)]);
    assert!(network.are_databases_equal());
}

#[test]
fn the_sequence_number_of_an_external_wraps_without_losing_the_route() {
    let mut network = ring(4);
    network.input(0, announce([type_2(1, 1)]));
    network.seconds(2);
    let key = external_key(id(0), first_id(prefix(1)));
    let body = network.routers[0].lsdb.get(&(Scope::As, key)).unwrap().as_installed().body();
    send(&mut network, vec![Lsa::build(key, SequenceNumber::MAX, 1, &body.unwrap()).unwrap()]);
    network.seconds(10);
    assert_eq!(metric(&network, 2, 1), Some(1));
    let entry = network.routers[2].lsdb.get(&(Scope::As, key)).unwrap();
    assert!(entry.as_installed().header.sequence < SequenceNumber(i32::MIN + 10));
}

#[test]
fn externals_are_refreshed_for_hours_and_go_when_nobody_does() {
    let mut network = ring(4);
    network.input(0, announce((0..20).map(|n| type_2(n, 1))));
    let key = external_key(RouterId(0x0b00_0001), 3);
    send(&mut network, vec![Lsa::build(key, SequenceNumber::INITIAL, 1, &body(99, 5)).unwrap()]);
    network.seconds(2 * 3600);
    assert_eq!(externals(&network, 2, id(0)).len(), 20);
    assert!((0..20).all(|n| metric(&network, 2, n).is_some()));
    assert!(network.routers.iter().all(|router| router.lsdb.get(&(Scope::As, key)).is_none()));
}

#[test]
fn a_router_that_leaves_withdraws_its_externals() {
    let mut network = ring(4);
    network.input(0, announce((0..20).map(|n| type_2(n, 1))));
    network.seconds(2);
    network.input(0, Input::Shutdown);
    network.seconds(2);
    assert!((1..4).all(|at| externals(&network, at, id(0)).is_empty()));
    network.input(0, announce([type_2(77, 1)]));
    network.seconds(2);
    assert!((1..4).all(|at| externals(&network, at, id(0)).is_empty()), "who leaves is silent");
}

#[test]
fn a_router_with_a_new_name_says_everything_in_it() {
    let mut network = ring(4);
    network.input(0, announce((0..20).map(|n| type_2(n, 1))));
    network.seconds(2);
    let Input::Settings(mut renamed) = settings(0) else { unreachable!("settings") };
    renamed.router_id = id(40);
    network.input(0, Input::Settings(renamed));
    network.seconds(20);
    assert!((1..4).all(|at| externals(&network, at, id(0)).is_empty()));
    assert!((1..4).all(|at| externals(&network, at, id(40)).len() == 20));
    assert!((1..4).all(|at| metric(&network, at, 5) == Some(1)));
}

#[test]
fn many_at_once_go_out_in_full_packets_and_in_bursts() {
    let mut network = ring(3);
    let count = u32::try_from(EXTERNALS_BURST).unwrap() * 3;
    let before = network.packets;
    network.input(0, announce((0..count).map(|n| type_2(n, 1))));
    let said = |network: &Network, at| externals(network, at, id(0)).len();
    assert_eq!(said(&network, 0), EXTERNALS_BURST);
    network.run(EXTERNALS_PAUSE);
    assert_eq!(said(&network, 0), 2 * EXTERNALS_BURST);
    network.run(EXTERNALS_PAUSE * 2);
    assert_eq!((said(&network, 0), said(&network, 1)), (count as usize, count as usize));
    network.seconds(2);
    // 40 octets each: 35 share a packet of 1452; acknowledgments are half as long. Each goes over
    // three cables, one of them in both directions.
    let packets = network.packets - before;
    assert!(packets < count as usize * 4 / 30 * 2, "{packets} packets");
    assert!((1..3).all(|at| (0..count).all(|n| metric(&network, at, n).is_some())));
    network.input(0, withdraw(0..count));
    assert_eq!(said(&network, 0), 2 * EXTERNALS_BURST);
    network.seconds(2);
    assert!((0..3).all(|at| said(&network, at) == 0) && metric(&network, 1, 0).is_none());
    assert!((0..3).all(|at| !has_e_bit(&network, at, id(0))));
}

#[test]
fn a_route_that_flaps_is_said_as_often_as_its_budget_allows() {
    let mut network = ring(3);
    let before = network.routers[0].counters().lsa_originated;
    for _ in 0..1000 {
        network.input(0, announce([type_2(1, 1)]));
        network.run(Duration::from_millis(20));
        network.input(0, withdraw([1]));
        network.run(Duration::from_millis(20));
    }
    // 40 s: a burst of 32, and one a second; the E-bit has a budget of its own.
    let made = network.routers[0].counters().lsa_originated - before;
    assert!(made < 2 * (32 + 45), "{made} instances");
    network.input(0, announce([type_2(1, 1)]));
    network.seconds(3);
    assert_eq!(metric(&network, 1, 1), Some(1));
}

#[test]
fn no_more_than_the_maximum_is_announced_and_that_is_said_once() {
    let network = ring(3);
    let mut lone = Ospf::new(1);
    let now = network.now;
    lone.handle(now, settings(0));
    let max = u32::try_from(EXTERNALS_MAX).unwrap();
    lone.handle(now, announce((0..max + 3).map(|n| type_2(n, 1))));
    assert_eq!(lone.counters().externals_refused, 3);
    // One that is known may change, and where one goes another one comes.
    lone.handle(now, announce([type_2(5, 2)]));
    lone.handle(now, withdraw([5]));
    lone.handle(now, announce([type_2(max + 9, 2)]));
    assert_eq!(lone.counters().externals_refused, 3);
    let actions: Vec<Action> = core::iter::from_fn(|| lone.poll_action()).collect();
    let notice = Action::Notice(Notice::TooManyExternals { prefix: prefix(max), max });
    assert_eq!(actions.iter().filter(|action| matches!(action, Action::Notice(_))).count(), 1);
    assert!(actions.contains(&notice));
}

#[test]
fn a_full_table_from_elsewhere_leaves_room_for_routers() {
    let mut network = ring(3);
    let from = RouterId(0x0b00_0001);
    let max = u32::try_from(EXTERNAL_LSAS_MAX).unwrap();
    let lsas: Vec<Lsa> = (0..max + 10)
        .map(|n| {
            let key = external_key(from, n);
            Lsa::build(key, SequenceNumber::INITIAL, 1, &body(n, 1)).unwrap()
        })
        .collect();
    for lsas in lsas.chunks(1000) {
        send(&mut network, lsas.to_vec());
        network.run(Duration::from_millis(20));
    }
    assert_eq!(network.routers[0].counters().lsa_refused, 10);
    assert_eq!(externals(&network, 0, from).len(), EXTERNAL_LSAS_MAX);
    let key = LsaKey { ls_type: LsType(0xbff1), advertising_router: from, link_state_id: 1 };
    let unknown = LsaBody::Unknown(vec![1, 2, 3, 4]);
    send(&mut network, vec![Lsa::build(key, SequenceNumber::INITIAL, 1, &unknown).unwrap()]);
    network.run(Duration::from_millis(20));
    assert!(network.routers[0].lsdb.get(&(Scope::Area, key)).is_some());
    // And own ones have their own place.
    network.input(0, announce([type_2(1 << 20, 1)]));
    assert_eq!(externals(&network, 0, id(0)).len(), 1);
}

/// Router 0 fails, and is back before its neighbours notice.
fn crash(network: &mut Network) {
    network.crash(0, Duration::from_secs(30));
    network.seconds(3);
    assert!(!network.routers[0].is_restarting());
}

#[test]
fn after_a_graceful_restart_externals_stay_until_all_are_said() {
    let mut network = ring(4);
    network.input(0, announce((0..20).map(|n| type_2(n, 1))));
    network.seconds(2);
    let before = externals(&network, 2, id(0));
    crash(&mut network);
    assert_eq!(externals(&network, 2, id(0)), before);
    assert!(has_e_bit(&network, 2, id(0)) && (0..20).all(|n| metric(&network, 2, n) == Some(1)));
    network.input(0, announce((5..25).map(|n| type_2(n, 1))));
    network.seconds(1);
    assert_eq!(externals(&network, 2, id(0)).len(), 25);
    network.input(0, Input::ExternalsComplete);
    network.seconds(1);
    let after = externals(&network, 2, id(0));
    assert_eq!(after.len(), 20);
    assert_eq!(after.iter().filter(|(id, body)| before.get(id) == Some(body)).count(), 15);
    assert!((0..5).all(|n| metric(&network, 2, n).is_none()));
    network.input(0, withdraw(5..25));
    network.seconds(1);
    assert!(!has_e_bit(&network, 2, id(0)));
}

#[test]
fn externals_that_nobody_says_again_after_a_graceful_restart_go_in_time() {
    let mut network = ring(4);
    network.input(0, announce((0..20).map(|n| type_2(n, 1))));
    network.seconds(2);
    crash(&mut network);
    network.run(EXTERNALS_KEPT - Duration::from_secs(5));
    assert_eq!(externals(&network, 2, id(0)).len(), 20);
    network.seconds(10);
    assert!(externals(&network, 2, id(0)).is_empty() && metric(&network, 2, 1).is_none());
    assert!(!has_e_bit(&network, 2, id(0)));
    network.assert_converged();
}

#[test]
fn a_restart_that_is_no_graceful_one_keeps_nothing() {
    let mut network = ring(4);
    network.input(0, announce((0..20).map(|n| type_2(n, 1))));
    network.seconds(2);
    network.restart(0);
    network.seconds(15);
    network.assert_converged();
    assert!((0..4).all(|at| externals(&network, at, id(0)).is_empty()));
    assert!((1..4).all(|at| metric(&network, at, 1).is_none()));
}

#[test]
fn a_look_at_itself_sees_routes_from_outside() {
    let mut network = ring(4);
    network.input(2, announce((0..20).map(|n| type_2(n, 1))));
    network.seconds(2);
    let verify = |router: &mut Ospf| loop {
        match router.verify(usize::MAX) {
            Verified::Nothing => return None,
            Verified::Part => {}
            Verified::All(wrong) => return Some(wrong),
        }
    };
    assert_eq!(verify(&mut network.routers[0]), Some(Vec::new()));
    let router = &mut network.routers[0];
    let key = external_key(id(2), first_id(prefix(3)));
    let lsa = router.lsdb.get(&(Scope::As, key)).unwrap().as_installed().at_age(MAX_AGE_S);
    router.table.learn(&lsa);
    router.table.calculate_externals();
    assert_eq!(verify(&mut network.routers[0]), Some(vec![prefix(3)]));
    assert_eq!(verify(&mut network.routers[0]), Some(Vec::new()));
    // A change while it looks is no fault.
    let parts = network.routers[0].lsdb.shared(None).count();
    for _ in 0..parts {
        assert_eq!(network.routers[0].verify(1), Verified::Part);
    }
    network.input(2, withdraw([0]));
    network.run(Duration::from_millis(100));
    assert_eq!(verify(&mut network.routers[0]), Some(Vec::new()));
}

#[test]
fn externals_are_shown_in_words() {
    let mut network = ring(3);
    let route = ExternalRoute {
        prefix: prefix(1),
        metric: ExternalMetric::Type2(20),
        forwarding_address: Some("fd00::2".parse().unwrap()),
        tag: Some(65001),
    };
    network.input(0, announce([route, at(2, ExternalMetric::Type1(5))]));
    network.seconds(2);
    let rows = network.routers[1].database(network.now);
    let external = rows.iter().find(|row| row.id == first_id(prefix(1))).unwrap();
    assert_eq!((external.kind.as_str(), external.port, external.area), ("as-external", None, None));
    let expected =
        ["2001:db8:0:1::/64, type 2, metric 20", "forwarding address fd00::2", "tag 65001"];
    assert_eq!(external.body, expected);
    let is_said = |row: &&crate::proto::ospf::LsaView| row.kind == "router" && row.router == id(0);
    assert_eq!(rows.iter().find(is_said).unwrap().body[0], "AS boundary router");
    let kinds: BTreeSet<&str> = network.routers[2].routes().iter().map(|row| row.kind).collect();
    assert_eq!(kinds, ["external type 1", "external type 2", "intra-area"].into());
    assert_eq!(network.routers[2].neighbors()[0].port, PortId(0));
}
