//! LSAs over their whole life.

use super::harness::{Network, config, id};
use crate::base::ids::{PortId, RouterId};
use crate::base::machine::Machine;
use crate::base::time::Duration;
use crate::proto::ospf::limits::{
    COMPLAINT_QUIET, DATABASE_LSAS_MAX, EARLY_MAX, ORIGINATION_BURST,
};
use crate::proto::ospf::lsdb::Scope;
use crate::proto::ospf::{Input, Notice};
use crate::wire::ospf::lsa::MAX_AGE_S;
use crate::wire::ospf::packet::ALL_SPF_ROUTERS;
use crate::wire::ospf::{
    LinkStateUpdate, LsType, Lsa, LsaBody, LsaKey, Packet, PacketBody, RepairFlags, RepairLsa,
    SequenceNumber,
};

const STRANGER: RouterId = RouterId(0x0b00_0001);

/// Lets router 1's end of the cable at port 0 send `lsa` to router 0.
fn send(network: &mut Network, lsa: Lsa) {
    send_from(network, 1, lsa);
}

fn send_from(network: &mut Network, router: usize, lsa: Lsa) {
    let body = PacketBody::LinkStateUpdate(LinkStateUpdate { lsas: vec![lsa] });
    let packet = Packet { router_id: id(router), area: RouterId(0), instance_id: 0, body };
    let bytes = packet.encode(super::harness::address((router, 0)), ALL_SPF_ROUTERS);
    network.launch((router, 0), ALL_SPF_ROUTERS, bytes);
}

fn unknown(ls_type: u16, sequence: i32) -> Lsa {
    let key = LsaKey { ls_type: LsType(ls_type), advertising_router: STRANGER, link_state_id: 1 };
    let body = LsaBody::decode(LsType(ls_type), &[1, 2, 3, 4]).unwrap();
    Lsa::build(key, SequenceNumber(i32::MIN + sequence), 1, &body).unwrap()
}

/// Router 0 between router 1 and router 2.
fn line() -> Network {
    let mut network = Network::new(3, 11);
    network.cable((0, 0), (1, 0));
    network.cable((0, 1), (2, 0));
    network.seconds(10);
    network
}

fn has(network: &Network, router: usize, ls_type: u16) -> Option<bool> {
    let kind = LsType(ls_type).to_string();
    let rows = network.routers[router].database(network.now);
    rows.iter().find(|row| row.kind == kind).map(|row| row.port.is_some())
}

#[test]
fn unknown_types_go_as_far_as_their_u_bit_and_scope_say() {
    // RFC 5340 §A.4.2.1 and §2.10: U, scope bits, and where the LSA is expected to be.
    let cases: [(u16, Option<bool>, Option<bool>); 8] = [
        (0x9ff1, Some(true), None),
        (0xbff1, Some(false), Some(false)),
        (0xdff1, Some(false), Some(false)),
        (0xfff1, None, None),
        (0x1ff1, Some(true), None),
        (0x3ff1, Some(true), None),
        (0x5ff1, Some(true), None),
        (0x7ff1, None, None),
    ];
    for (ls_type, near, far) in cases {
        let mut network = line();
        send(&mut network, unknown(ls_type, 1));
        network.seconds(2);
        assert_eq!(has(&network, 0, ls_type), near, "{ls_type:#06x} at the neighbour");
        assert_eq!(has(&network, 2, ls_type), far, "{ls_type:#06x} one hop on");
    }
}

#[test]
fn an_instance_with_a_wrong_checksum_is_counted_and_not_kept() {
    let mut network = line();
    let mut lsa = unknown(0xbff1, 1);
    lsa.header.sequence = SequenceNumber(i32::MIN + 2);
    lsa.header.checksum ^= 1;
    let mut bytes = crate::base::cursor::Writer::default();
    lsa.encode(&mut bytes);
    let mut bytes = bytes.into_vec();
    bytes[20] ^= 0xff;
    let lsa = Lsa::decode(&mut crate::base::cursor::Reader::new(&bytes)).unwrap();
    send(&mut network, lsa);
    network.seconds(2);
    assert_eq!(has(&network, 0, 0xbff1), None);
    assert_eq!(network.routers[0].counters().lsa_bad_checksum, 1);
}

#[test]
fn own_lsas_are_refreshed_and_the_network_stays_as_it_is() {
    let mut network = Network::ring(4, 12);
    network.seconds(10);
    let routes = network.routes.clone();
    network.seconds(2 * 3600);
    network.assert_converged();
    assert_eq!(network.routes, routes);
    let rows = network.routers[0].database(network.now);
    assert!(rows.iter().all(|row| row.age_s < 1810), "{rows:?}");
}

#[test]
fn an_lsa_that_nobody_refreshes_goes() {
    let mut network = line();
    send(&mut network, unknown(0xbff1, 1));
    network.seconds(3500);
    assert!(has(&network, 2, 0xbff1).is_some());
    network.seconds(150);
    assert_eq!(has(&network, 2, 0xbff1), None);
    assert_eq!(has(&network, 0, 0xbff1), None);
}

#[test]
fn the_sequence_number_wraps_without_losing_the_route() {
    let mut network = line();
    let key = LsaKey { ls_type: LsType::ROUTER, advertising_router: id(0), link_state_id: 0 };
    let body = network.routers[0].lsdb.get(&(Scope::Area, key)).unwrap();
    let body = body.as_installed().body().unwrap();
    send(&mut network, Lsa::build(key, SequenceNumber::MAX, 1, &body).unwrap());
    network.seconds(10);
    network.assert_converged();
    let entry = network.routers[2].lsdb.get(&(Scope::Area, key)).unwrap();
    let sequence = entry.as_installed().header.sequence;
    assert!(sequence < SequenceNumber(i32::MIN + 10), "{sequence:?}");
}

#[test]
fn an_old_lsa_of_this_router_is_withdrawn() {
    let mut network = line();
    let key =
        LsaKey { ls_type: LsType::INTRA_AREA_PREFIX, advertising_router: id(0), link_state_id: 77 };
    let place = (Scope::Area, LsaKey { link_state_id: 0, ..key });
    let body = network.routers[0].lsdb.get(&place).unwrap().as_installed().body().unwrap();
    send(&mut network, Lsa::build(key, SequenceNumber::INITIAL, 1, &body).unwrap());
    network.seconds(5);
    assert!(network.routers.iter().all(|r| r.lsdb.get(&(Scope::Area, key)).is_none()));
}

#[test]
fn a_duplicate_router_id_elsewhere_is_noticed_and_does_not_melt_the_network() {
    let mut network = Network::new(4, 13);
    for router in 0..3 {
        network.cable((router, 0), (router + 1, 1));
    }
    network.input(3, super::harness::settings(0));
    network.seconds(60);
    let is_said =
        |(_, notice): &(usize, Notice)| matches!(notice, Notice::DuplicateRouterId { .. });
    assert!(network.notices.iter().any(is_said));
    let before = network.packets;
    network.seconds(60);
    let rate = (network.packets - before) / 60;
    assert!(rate < 50, "{rate} packets a second");
}

#[test]
fn a_twin_is_named_once_however_long_it_stays() {
    let mut network = Network::new(4, 13);
    for router in 0..3 {
        network.cable((router, 0), (router + 1, 1));
    }
    network.input(3, super::harness::settings(0));
    network.seconds(600);
    for router in [0, 3] {
        let is_said = |(who, notice): &&(usize, Notice)| {
            *who == router && matches!(notice, Notice::DuplicateRouterId { .. })
        };
        let count = network.notices.iter().filter(is_said).count();
        assert!(count <= 1, "router {router} said it {count} times");
    }
}

#[test]
fn old_lsas_met_once_each_are_a_restart_and_no_twin() {
    let mut network = line();
    for link_state_id in 70..90 {
        let key = LsaKey { link_state_id, ..own_prefixes(&network, 0).key() };
        let body = own_prefixes(&network, 0).body().unwrap();
        send(&mut network, Lsa::build(key, SequenceNumber::INITIAL, 1, &body).unwrap());
    }
    network.seconds(5);
    assert_eq!(network.routers[0].counters().own_foreign, 20);
    assert!(network.notices.is_empty(), "{:?}", network.notices);
}

#[test]
fn an_lsa_that_does_not_fit_a_link_is_left_out_there_and_named() {
    let mut network = line();
    let key = unknown(0xbff1, 1).key();
    let body = LsaBody::Unknown(vec![0; 1500]);
    send(&mut network, Lsa::build(key, SequenceNumber::INITIAL, 1, &body).unwrap());
    network.seconds(2);
    assert!(has(&network, 0, 0xbff1).is_some());
    network.restart(2);
    network.seconds(10);
    assert!(network.are_all_full(), "nobody waits for it");
    assert_eq!(has(&network, 2, 0xbff1), None);
    let [(0, Notice::LsaTooLarge { port: PortId(1), octets: 1520, mtu: 1500, .. })] =
        network.notices[..]
    else {
        unreachable!("said once: {:?}", network.notices)
    };
    assert!(network.routers[0].counters().lsa_too_large > 0);
}

#[test]
fn a_port_that_is_removed_takes_its_link_along() {
    let mut network = line();
    network.input(0, Input::InterfaceRemoved { port: PortId(1) });
    network.run(Duration::from_millis(200));
    assert!(network.routers[0].neighbors().iter().all(|view| view.port != PortId(1)));
    assert!(network.routes[1].len() == 1, "{:?}", network.routes[1]);
    assert!(network.routers[0].next_deadline().is_some());
    network.add((0, 1), config((0, 1)));
    network.seconds(5);
    network.assert_converged();
}

#[test]
fn acknowledgments_clock_out_what_was_lost() {
    let mut network = line();
    network.cut((0, 1), true);
    let body = unknown(0xbff1, 1).body().unwrap();
    for number in 0..2000 {
        let key = LsaKey { link_state_id: number, ..unknown(0xbff1, 1).key() };
        let lsa = Lsa::build(key, SequenceNumber::INITIAL, 1, &body).unwrap();
        send(&mut network, lsa);
    }
    network.run(Duration::from_millis(100));
    network.heal((0, 1));
    network.run(Duration::from_millis(1900));
    let rows = network.routers[2].database(network.now);
    let count = rows.iter().filter(|row| row.router == STRANGER).count();
    assert_eq!(count, 2000, "a burst a second would take eight");
}

#[test]
fn a_healthy_ring_sends_nothing_again() {
    let mut network = Network::ring(6, 14);
    network.jitter = Duration::from_millis(30);
    network.seconds(10);
    for cost in 1..40 {
        let mut other = config((0, 0));
        other.cost = cost;
        network.change((0, 0), other);
        network.run(Duration::from_millis(5 * u64::from(cost)));
    }
    network.seconds(20);
    let early = network.routers.iter().map(|router| router.counters().lsa_too_soon);
    assert!(early.sum::<u64>() > 0, "nothing came too soon");
    let again = network.routers.iter().map(|router| router.counters().lsa_retransmitted);
    assert_eq!(again.sum::<u64>(), 0);
}

#[test]
fn an_instance_that_waited_is_acknowledged_to_all_who_sent_it() {
    let mut network = line();
    let unknown_acks = |network: &Network| {
        [1, 2].map(|router: usize| network.routers[router].counters().acks_unknown)
    };
    let before = unknown_acks(&network);
    send(&mut network, unknown(0xbff1, 1));
    network.run(Duration::from_millis(4));
    send(&mut network, unknown(0xbff1, 2));
    send_from(&mut network, 2, unknown(0xbff1, 2));
    network.run(Duration::from_millis(300));
    assert_eq!(network.routers[0].counters().lsa_too_soon, 2);
    // They know nothing of what was sent in their names.
    let after = unknown_acks(&network);
    assert_eq!([after[0] - before[0], after[1] - before[1]], [2, 1]);
}

#[test]
fn a_cut_is_told_at_once_however_often_the_cable_was_mended_before() {
    let mut network = line();
    for _ in 0..8 {
        network.cut((0, 0), false);
        network.run(Duration::from_millis(25));
        assert_eq!(links_of(&network, 2, 0), 1);
        network.heal((0, 0));
        network.seconds(3);
        assert!(network.are_all_full());
    }
}

#[test]
fn a_router_that_changes_without_end_is_held_to_its_budget() {
    let mut network = line();
    network.seconds(60);
    let before = network.routers[0].counters().lsa_originated;
    for round in 0..1000 {
        let mut other = config((0, 0));
        other.cost = 20 + round;
        network.change((0, 0), other);
        network.run(Duration::from_millis(10));
    }
    let said = network.routers[0].counters().lsa_originated - before;
    let whole = u64::from(ORIGINATION_BURST);
    assert!((whole..=whole + 10).contains(&said), "{said}");
    network.seconds(2);
    assert!(network.are_databases_equal());
}

/// Links in the router-LSA of `of` as `router` has it.
fn links_of(network: &Network, router: usize, of: usize) -> usize {
    let key = LsaKey { ls_type: LsType::ROUTER, advertising_router: id(of), link_state_id: 0 };
    let entry = network.routers[router].lsdb.get(&(Scope::Area, key)).unwrap();
    let LsaBody::Router(body) = entry.as_installed().body().unwrap() else { unreachable!() };
    body.links.len()
}

#[test]
fn no_more_than_the_limit_wait_for_their_time() {
    let mut network = line();
    for sequence in 1..3 {
        for number in 0..u32::try_from(EARLY_MAX + 3).unwrap() {
            let key = LsaKey { link_state_id: number, ..unknown(0xbff1, 1).key() };
            let body = unknown(0xbff1, 1).body().unwrap();
            let lsa = Lsa::build(key, SequenceNumber(i32::MIN + sequence), 1, &body).unwrap();
            send(&mut network, lsa);
        }
        network.run(Duration::from_millis(2));
    }
    let router = &network.routers[0];
    assert_eq!((router.early.len(), router.counters().lsa_early_refused), (EARLY_MAX, 3));
}

/// A router-LSA with a right checksum whose body is too short.
fn unreadable() -> Lsa {
    let key = LsaKey { ls_type: LsType::ROUTER, ..unknown(0xbff1, 1).key() };
    let body = LsaBody::Unknown(vec![0, 0]);
    Lsa::build(key, SequenceNumber::INITIAL, 1, &body).unwrap()
}

#[test]
fn an_lsa_that_cannot_be_read_is_named_once_and_nobody_waits_for_it() {
    let mut network = line();
    // Router 1 has it in its database, as a router would that reads more than this one.
    let (now, place) = (network.now, (Scope::Area, unreadable().key()));
    network.routers[1].lsdb.install(now, place, unreadable(), false, Duration::ZERO);
    network.restart(0);
    network.seconds(10);
    assert!(network.are_all_full());
    assert!(network.routers[0].counters().lsa_malformed > 0);
    assert!(network.routers[0].lsdb.get(&place).is_none());
    let is_said = |(_, notice): &&(usize, Notice)| matches!(notice, Notice::UnreadableLsa { .. });
    assert_eq!(network.notices.iter().filter(is_said).count(), 1);
}

/// Router 0's first intra-area-prefix-LSA, `ahead` instances further.
fn own_prefixes(network: &Network, ahead: i32) -> Lsa {
    let key =
        LsaKey { ls_type: LsType::INTRA_AREA_PREFIX, advertising_router: id(0), link_state_id: 0 };
    let ours = network.routers[0].lsdb.get(&(Scope::Area, key)).unwrap().as_installed();
    let sequence = SequenceNumber(ours.header.sequence.0 + ahead);
    Lsa::build(key, sequence, 1, &ours.body().unwrap()).unwrap()
}

#[test]
fn an_own_lsa_from_elsewhere_that_is_no_longer_wanted_goes_too() {
    let mut network = line();
    let old = own_prefixes(&network, 5);
    let place = (Scope::Area, old.key());
    send(&mut network, old);
    network.run(Duration::from_millis(20));
    let newer = own_prefixes(&network, 5);
    send(&mut network, newer);
    network.run(Duration::from_millis(20));
    network.input(0, Input::Prefixes(Vec::new()));
    network.seconds(10);
    assert!(network.routers.iter().all(|router| router.lsdb.get(&place).is_none()));
}

#[test]
fn an_older_instance_is_answered_once_in_an_interval() {
    // RFC 2328 §13 step 8.
    let mut network = line();
    let ahead = own_prefixes(&network, 5);
    send(&mut network, ahead);
    network.seconds(5);
    let before = network.routers[0].counters().sent;
    for _ in 0..10 {
        let stale = own_prefixes(&network, -1);
        send(&mut network, stale);
        network.run(Duration::from_millis(2));
    }
    let counters = network.routers[0].counters();
    assert_eq!(counters.lsa_older, 10);
    let hellos_at_most = 2;
    assert!(counters.sent - before <= 1 + hellos_at_most, "{}", counters.sent - before);
}

#[test]
fn a_full_database_says_so_and_keeps_its_adjacencies() {
    let mut network = line();
    fill(&mut network);
    send(&mut network, unknown(0xbff1, 1));
    network.run(Duration::from_millis(50));
    assert_eq!(network.routers[0].counters().lsa_refused, 1);
    let is_said = |(_, notice): &(usize, Notice)| matches!(notice, Notice::DatabaseFull { .. });
    assert_eq!(network.notices.iter().filter(|n| is_said(n)).count(), 1);
    assert!(network.are_all_full());
    // Said again when it was quiet for a while.
    send(&mut network, unknown(0xbff1, 2));
    network.run(Duration::from_millis(50));
    assert_eq!(network.notices.iter().filter(|n| is_said(n)).count(), 1);
    network.run(COMPLAINT_QUIET);
    send(&mut network, unknown(0xbff1, 2));
    network.run(Duration::from_millis(50));
    assert_eq!(network.notices.iter().filter(|n| is_said(n)).count(), 2);
}

#[test]
fn a_repair_lsa_beyond_the_one_of_a_router_is_counted() {
    let mut network = line();
    let body = LsaBody::Repair(RepairLsa {
        flags: RepairFlags::default(),
        endpoint: "fd00::9".parse().unwrap(),
        adjacencies: "fd00:9::/112".parse().unwrap(),
    });
    for (link_state_id, count) in [(0, 0), (7, 1)] {
        let key = LsaKey { ls_type: LsType::REPAIR, advertising_router: STRANGER, link_state_id };
        send(&mut network, Lsa::build(key, SequenceNumber::INITIAL, 1, &body).unwrap());
        network.seconds(1);
        assert_eq!(network.routers[0].counters().repairs_ignored, count);
    }
}

/// Router 0's database is as full as it gets.
fn fill(network: &mut Network) {
    let body = unknown(0xbff1, 1).body().unwrap();
    for number in 0..u32::try_from(DATABASE_LSAS_MAX).unwrap() {
        let key = LsaKey { link_state_id: number + 2, ..unknown(0xbff1, 1).key() };
        let lsa = Lsa::build(key, SequenceNumber::INITIAL, 1, &body).unwrap();
        let (now, jitter) = (network.now, Duration::ZERO);
        network.routers[0].lsdb.install(now, (Scope::Area, key), lsa, false, jitter);
    }
}

#[test]
fn lsas_in_the_name_of_a_router_whose_database_is_full_are_taken_back_and_not_kept() {
    let mut network = line();
    fill(&mut network);
    let len = network.routers[0].lsdb.len();
    for link_state_id in 70..90 {
        let old = own_prefixes(&network, 0);
        let key = LsaKey { link_state_id, ..old.key() };
        let lsa = Lsa::build(key, SequenceNumber::INITIAL, 1, &old.body().unwrap()).unwrap();
        let (now, jitter) = (network.now, Duration::ZERO);
        network.routers[1].lsdb.install(now, (Scope::Area, key), lsa.clone(), false, jitter);
        send(&mut network, lsa);
    }
    network.run(Duration::from_millis(50));
    assert_eq!(network.routers[0].lsdb.len(), len);
    assert_eq!(network.routers[0].counters().lsa_refused, 20);
    let is_left = |row: &crate::proto::ospf::LsaView| row.router == id(0) && row.age_s < MAX_AGE_S;
    let rows = network.routers[1].database(network.now);
    let prefixes = rows.iter().filter(|row| row.kind == LsType::INTRA_AREA_PREFIX.to_string());
    assert_eq!(prefixes.filter(|row| is_left(row)).count(), 1, "the one that is wanted");
    assert!(network.are_all_full());
}

#[test]
fn a_full_database_has_room_for_what_this_router_wants_to_say() {
    let mut network = line();
    fill(&mut network);
    let old = own_prefixes(&network, 5);
    let place = (Scope::Area, old.key());
    network.routers[0].lsdb.remove(&place);
    let sequence = old.header.sequence;
    send(&mut network, old);
    network.seconds(2);
    assert_eq!(network.routers[0].counters().lsa_refused, 0);
    let entry = network.routers[0].lsdb.get(&place).unwrap();
    assert!(entry.is_own && entry.as_installed().header.sequence > sequence);
}
