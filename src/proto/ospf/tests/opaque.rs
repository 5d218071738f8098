//! LSAs that are only carried, over their whole life.

use super::harness::{Network, address, id, settings};
use crate::base::ids::{PortId, RouterId};
use crate::base::prng::Prng;
use crate::base::time::Duration;
use crate::proto::ospf::limits::{OPAQUE_LSAS_MAX, OWN_LSA_OCTETS_MAX};
use crate::proto::ospf::lsdb::{Entry, Scope};
use crate::proto::ospf::{Input, OpaqueKind, OpaqueNews, OpaqueUpdate, RestartEnd};
use crate::wire::ospf::lsa::MAX_AGE_S;
use crate::wire::ospf::packet::ALL_SPF_ROUTERS;
use crate::wire::ospf::{
    LinkStateUpdate, LsType, Lsa, LsaBody, LsaKey, MembershipLsa, Packet, PacketBody,
    SequenceNumber, TenantEntry,
};
use core::net::Ipv6Addr;
use std::collections::BTreeMap;

const KIND: OpaqueKind = OpaqueKind::Membership;
const STRANGER: RouterId = RouterId(0x0b00_0001);

pub type Contents = BTreeMap<(RouterId, u32), Vec<u8>>;

fn contents(bodies: &[(u32, &[u8])]) -> Input {
    let bodies = bodies.iter().map(|(id, body)| (*id, body.to_vec())).collect();
    Input::Opaque { kind: KIND, bodies }
}

fn say(network: &mut Network, router: usize, bodies: &[(u32, &[u8])]) {
    network.input(router, contents(bodies));
}

/// What a router was told of others comes to this, and it says the same when asked.
#[track_caller]
pub fn held(network: &Network, router: usize) -> Contents {
    let mut held = Contents::new();
    for update in &network.opaque[router] {
        let OpaqueUpdate { kind, router_id, link_state_id, news } = update;
        assert_eq!(*kind, KIND);
        if *router_id == id(router) {
            continue;
        }
        let name = (*router_id, *link_state_id);
        match news {
            OpaqueNews::Said(body) => {
                let before = held.insert(name, body.clone());
                assert_ne!(before.as_ref(), Some(body), "told twice at {router}");
            }
            OpaqueNews::Withdrawn | OpaqueNews::Unreachable => {
                assert!(held.remove(&name).is_some(), "{update:?} at {router}, which had none");
            }
        }
    }
    let asked = network.routers[router].opaque(KIND);
    let asked: Contents = asked.map(|(from, id, body)| ((from, id), body.to_vec())).collect();
    assert_eq!(asked, held, "at {router}");
    held
}

/// The last that a router was told of another.
fn last(network: &Network, router: usize, from: RouterId) -> Option<OpaqueNews> {
    let updates = network.opaque[router].iter().rev();
    updates
        .map(|update| (update.router_id, &update.news))
        .find(|(who, _)| *who == from)
        .map(|(_, news)| news.clone())
}

/// What a router said in a life before, as it is told.
fn own(network: &Network, router: usize) -> Vec<OpaqueNews> {
    let own = network.opaque[router].iter().filter(|update| update.router_id == id(router));
    own.map(|update| update.news.clone()).collect()
}

fn in_database(network: &Network, at: usize, from: RouterId) -> Vec<Lsa> {
    let entries = network.routers[at].lsdb.of_router(Scope::As, LsType::MEMBERSHIP, from);
    entries.map(Entry::as_installed).cloned().collect()
}

fn key(from: RouterId, link_state_id: u32) -> LsaKey {
    LsaKey { ls_type: LsType::MEMBERSHIP, advertising_router: from, link_state_id }
}

fn lsa(key: LsaKey, sequence: SequenceNumber, body: &[u8]) -> Lsa {
    Lsa::build(key, sequence, 1, &LsaBody::Unknown(body.to_vec())).unwrap()
}

/// Lets router 1's end of the cable at port 1 send LSAs to router 0.
fn send(network: &mut Network, lsas: Vec<Lsa>) {
    let body = PacketBody::LinkStateUpdate(LinkStateUpdate { lsas });
    let packet = Packet { router_id: id(1), area: RouterId(0), instance_id: 0, body };
    let bytes = packet.encode(address((1, 1)), ALL_SPF_ROUTERS);
    network.launch((1, 1), ALL_SPF_ROUTERS, bytes);
}

fn ring(count: usize) -> Network {
    let mut network = Network::ring(count, 17);
    network.seconds(10);
    network.assert_converged();
    network
}

/// Routers in a row: port 0 leads to the next.
fn line(count: usize) -> Network {
    let mut network = Network::new(count, 18);
    for router in 1..count {
        network.cable((router - 1, 0), (router, 1));
    }
    network.seconds(10);
    network.assert_converged();
    network
}

#[test]
fn what_a_router_says_is_told_to_every_other_until_it_takes_it_back() {
    let mut network = ring(5);
    let runs: Vec<u64> = network.routers.iter().map(|router| router.run_count()).collect();
    say(&mut network, 2, &[(0, b"blue"), (7, b"pink")]);
    network.run(Duration::from_millis(50));
    let both = Contents::from([((id(2), 0), b"blue".to_vec()), ((id(2), 7), b"pink".to_vec())]);
    for router in [0, 1, 3, 4] {
        assert_eq!(held(&network, router), both);
    }
    assert!(network.opaque[2].is_empty(), "who says it knows");
    say(&mut network, 2, &[(7, b"grey")]);
    network.seconds(2);
    for router in [0, 1, 3, 4] {
        assert_eq!(held(&network, router), Contents::from([((id(2), 7), b"grey".to_vec())]));
    }
    say(&mut network, 2, &[]);
    network.seconds(2);
    for (router, runs) in runs.into_iter().enumerate() {
        assert!(held(&network, router).is_empty());
        assert!(in_database(&network, router, id(2)).is_empty());
        assert_eq!(network.routers[router].run_count(), runs, "no reason for a tree");
    }
    assert_eq!(last(&network, 0, id(2)), Some(OpaqueNews::Withdrawn));
}

#[test]
fn a_refresh_keeps_what_is_said_and_is_not_told() {
    let mut network = ring(3);
    say(&mut network, 0, &[(0, b"blue")]);
    network.seconds(3 * 3600);
    network.assert_converged();
    assert_eq!(network.opaque[1].len(), 1);
    assert_eq!(held(&network, 1).len(), 1);
    assert!(in_database(&network, 1, id(0))[0].header.sequence > SequenceNumber::INITIAL);
}

#[test]
fn what_is_said_before_there_is_anybody_is_told_to_who_comes() {
    let mut network = Network::new(3, 19);
    for router in 0..3 {
        say(&mut network, router, &[(0, &[u8::try_from(router).unwrap(); 4])]);
    }
    network.cable((0, 0), (1, 1));
    network.cable((1, 0), (2, 1));
    network.seconds(10);
    for router in 0..3 {
        assert_eq!(held(&network, router).len(), 2);
    }
}

#[test]
fn a_router_that_died_counts_no_more_though_its_lsas_linger() {
    let mut network = ring(4);
    say(&mut network, 2, &[(0, b"blue"), (1, b"pink")]);
    network.seconds(2);
    network.cut((2, 0), false);
    network.cut((2, 1), false);
    network.seconds(2);
    for router in [0, 1, 3] {
        assert_eq!(last(&network, router, id(2)), Some(OpaqueNews::Unreachable));
        assert!(held(&network, router).is_empty());
        assert_eq!(in_database(&network, router, id(2)).len(), 2, "for an hour");
    }
    network.seconds(2 * 3600);
    for router in [0, 1, 3] {
        assert!(in_database(&network, router, id(2)).is_empty());
        assert_eq!(network.opaque[router].len(), 4, "its end is no news");
    }
    network.heal((2, 0));
    network.seconds(10);
    for router in [0, 1, 3] {
        assert_eq!(held(&network, router).len(), 2, "it is back");
    }
}

#[test]
fn a_way_round_keeps_what_a_router_says() {
    let mut network = ring(4);
    say(&mut network, 2, &[(0, b"blue")]);
    network.seconds(2);
    network.cut((2, 0), false);
    network.seconds(5);
    network.heal((2, 0));
    network.seconds(5);
    for router in [0, 1, 3] {
        assert_eq!(network.opaque[router].len(), 1, "it was reached all the time");
    }
}

#[test]
fn parts_of_a_network_hear_of_each_other_when_they_are_joined_again() {
    let mut network = line(4);
    for router in 0..4 {
        say(&mut network, router, &[(0, b"then")]);
    }
    network.seconds(2);
    network.cut((1, 0), true);
    network.seconds(10);
    for router in 0..4 {
        let other = router ^ 1;
        assert_eq!(held(&network, router), Contents::from([((id(other), 0), b"then".into())]));
    }
    say(&mut network, 0, &[(0, b"here")]);
    say(&mut network, 3, &[]);
    network.seconds(2);
    assert_eq!(in_database(&network, 2, id(0))[0].body_bytes(), b"then");
    network.heal((1, 0));
    network.seconds(10);
    let at_2 = [((id(0), 0), b"here".to_vec()), ((id(1), 0), b"then".to_vec())];
    assert_eq!(held(&network, 2), Contents::from(at_2));
    assert_eq!(held(&network, 1).get(&(id(3), 0)), None);
    assert_eq!(held(&network, 1).len(), 2);
}

#[test]
fn who_is_in_no_tree_is_flooded_and_not_heard() {
    let mut network = ring(4);
    send(&mut network, vec![lsa(key(STRANGER, 0), SequenceNumber::INITIAL, b"blue")]);
    network.seconds(5);
    for router in 0..4 {
        assert_eq!(in_database(&network, router, STRANGER).len(), 1);
        assert!(held(&network, router).is_empty());
    }
}

#[test]
fn a_router_of_which_an_lsa_is_known_before_its_link_is_told_with_the_tree() {
    // Router 3 hangs on 2; its LSA is here before the first tree with it is.
    let mut network = line(4);
    network.cut((2, 0), true);
    network.seconds(10);
    say(&mut network, 3, &[(0, b"blue")]);
    network.heal((2, 0));
    network.seconds(10);
    let first = network.opaque[0].iter().position(|update| update.router_id == id(3));
    assert!(first.is_some() && held(&network, 0).len() == 1);
}

#[test]
fn octets_that_nobody_can_read_are_carried_all_the_same() {
    let mut network = line(3);
    say(&mut network, 0, &[(0, &[0, 0, 0x7e, 0xd9, 1, 9, 0, 0])]);
    network.seconds(2);
    assert_eq!(held(&network, 2).len(), 1);
    let rows = network.routers[2].database(network.now);
    let row = rows.iter().find(|row| row.kind == "membership").unwrap();
    assert_eq!(row.body, ["unreadable: truncated at offset 8"]);
}

#[test]
fn an_lsa_of_tenants_is_shown_in_words() {
    let mut network = line(2);
    let lsa = MembershipLsa {
        endpoint: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1),
        tenants: vec![
            TenantEntry { id: crate::base::ids::TenantId(10), epoch: 3, mtu: 8946, format: None },
            TenantEntry {
                id: crate::base::ids::TenantId(11),
                epoch: 4,
                mtu: 1442,
                format: Some(crate::wire::ospf::TenantFormat::default()),
            },
        ],
        renumberings: Vec::new(),
    };
    say(&mut network, 0, &[(0, &lsa.encode())]);
    network.seconds(2);
    let rows = network.routers[1].database(network.now);
    let row = rows.iter().find(|row| row.kind == "membership").unwrap();
    let lines = [
        "endpoint fd00::1",
        "tenant 10, epoch 3, MTU 8946, unknown format",
        "tenant 11, epoch 4, MTU 1442, over IPv6, cookie of 8 octets",
    ];
    assert_eq!(row.body, lines);
    assert!(row.area.is_none() && row.port.is_none(), "of the AS");
}

#[test]
fn the_sequence_number_wraps_without_losing_what_is_said() {
    let mut network = ring(3);
    say(&mut network, 0, &[(0, b"blue")]);
    network.seconds(2);
    send(&mut network, vec![lsa(key(id(0), 0), SequenceNumber::MAX, b"of old")]);
    network.seconds(10);
    for router in [1, 2] {
        assert_eq!(held(&network, router), Contents::from([((id(0), 0), b"blue".to_vec())]));
        let sequence = in_database(&network, router, id(0))[0].header.sequence;
        assert!(sequence < SequenceNumber(i32::MIN + 10), "{sequence:?}");
    }
}

#[test]
fn a_withdrawal_that_others_make_up_is_answered() {
    let mut network = ring(3);
    say(&mut network, 0, &[(0, b"blue")]);
    network.seconds(2);
    let forged = lsa(key(id(0), 0), SequenceNumber(i32::MIN + 50), b"blue").at_age(MAX_AGE_S);
    send(&mut network, vec![forged]);
    network.seconds(5);
    for router in [1, 2] {
        assert_eq!(held(&network, router).len(), 1);
    }
    assert!(own(&network, 0).is_empty(), "nothing was said");
}

#[test]
fn after_a_restart_the_owner_is_told_what_the_life_before_said() {
    let mut network = ring(4);
    say(&mut network, 1, &[(0, b"life one"), (5, b"no more.")]);
    network.seconds(5);
    network.restart(1);
    say(&mut network, 1, &[(0, b"life two")]);
    network.seconds(10);
    network.assert_converged();
    let told = own(&network, 1);
    for body in [&b"life one"[..], b"no more."] {
        assert!(told.contains(&OpaqueNews::Said(body.to_vec())), "{told:?}");
    }
    for router in [0, 2, 3] {
        let expected = Contents::from([((id(1), 0), b"life two".to_vec())]);
        assert_eq!(held(&network, router), expected);
    }
}

#[test]
fn a_graceful_restart_takes_nothing_back() {
    let mut network = ring(4);
    say(&mut network, 1, &[(0, b"blue"), (5, b"pink")]);
    network.seconds(5);
    let before: Vec<usize> = network.opaque.iter().map(Vec::len).collect();
    network.opaque[1].clear();
    network.crash(1, Duration::from_secs(13));
    say(&mut network, 1, &[(0, b"blue"), (5, b"grey")]);
    network.seconds(3);
    network.assert_converged();
    let is_over = |notice: &crate::proto::ospf::Notice| {
        matches!(notice, crate::proto::ospf::Notice::RestartEnded { end: RestartEnd::Completed })
    };
    assert!(network.notices.iter().any(|(who, notice)| *who == 1 && is_over(notice)));
    let said = |body: &[u8]| OpaqueNews::Said(body.to_vec());
    let told = own(&network, 1);
    assert!(told.contains(&said(b"blue")) && told.contains(&said(b"pink")), "{told:?}");
    for router in [0, 2, 3] {
        let news: Vec<_> =
            network.opaque[router][before[router]..].iter().map(|u| u.news.clone()).collect();
        assert_eq!(news, [said(b"grey")], "one change, and nothing went, at {router}");
    }
}

#[test]
fn a_router_that_leaves_takes_back_what_it_said() {
    let mut network = ring(3);
    say(&mut network, 0, &[(0, b"blue")]);
    network.seconds(2);
    network.input(0, Input::Shutdown);
    network.run(Duration::from_millis(50));
    for router in [1, 2] {
        assert_eq!(last(&network, router, id(0)), Some(OpaqueNews::Withdrawn));
    }
}

#[test]
fn a_router_with_a_new_name_hears_and_says_everything_anew() {
    let mut network = ring(3);
    for router in 0..3 {
        say(&mut network, router, &[(0, b"blue")]);
    }
    network.seconds(2);
    network.input(0, settings(9));
    assert!(network.routers[0].opaque(KIND).next().is_none());
    network.seconds(10);
    for router in [1, 2] {
        let others = held(&network, router);
        let names: Vec<RouterId> = others.keys().map(|(router_id, _)| *router_id).collect();
        assert_eq!(names, [id(3 - router), id(9)]);
    }
    assert_eq!(held(&network, 0).len(), 2);
}

#[test]
fn changes_without_end_are_held_to_the_budget_of_an_lsa() {
    let mut network = ring(3);
    network.seconds(60);
    let before = network.routers[0].counters().lsa_originated;
    for number in 0..600_u32 {
        say(&mut network, 0, &[(0, &number.to_be_bytes())]);
        network.run(Duration::from_millis(10));
    }
    let made = network.routers[0].counters().lsa_originated - before;
    assert!((32..=40).contains(&made), "{made} in six seconds");
    network.seconds(5);
    let latest = 599_u32.to_be_bytes().to_vec();
    assert_eq!(held(&network, 1), Contents::from([((id(0), 0), latest)]));
}

#[test]
fn what_has_a_wrong_length_or_is_too_much_is_counted_and_not_said() {
    let mut network = line(2);
    let most = OWN_LSA_OCTETS_MAX - 20;
    say(&mut network, 0, &[(0, &vec![1; most]), (1, &vec![1; most + 4]), (2, b"red")]);
    network.seconds(2);
    assert_eq!(held(&network, 1).len(), 1);
    assert_eq!(network.routers[0].counters().opaque_refused, 2);
    let many: Vec<(u32, &[u8])> =
        (0..u32::try_from(OPAQUE_LSAS_MAX).unwrap() + 3).map(|id| (id, &b"blue"[..])).collect();
    say(&mut network, 0, &many);
    network.seconds(5);
    assert_eq!(held(&network, 1).len(), OPAQUE_LSAS_MAX);
    assert_eq!(network.routers[0].counters().opaque_refused, 2 + 3);
}

#[test]
fn after_any_chaos_everybody_is_told_what_everybody_says() {
    for seed in 0..12 {
        let mut network = Network::ring(6, seed);
        let mut prng = Prng::new(seed);
        let mut expected = Contents::new();
        (network.loss, network.doubled, network.jitter) = (15, 10, Duration::from_millis(2));
        let mut cuts = Vec::new();
        for step in 0..40_u32 {
            let router = usize::try_from(prng.below(6)).unwrap();
            let link_state_id = u32::try_from(prng.below(2)).unwrap();
            match prng.below(4) {
                0 => {
                    expected.remove(&(id(router), link_state_id));
                }
                1 if cuts.len() < 3 => {
                    network.cut((router, 0), prng.below(2) == 0);
                    cuts.push((router, 0));
                }
                _ => {
                    let body = step.to_be_bytes().to_vec();
                    expected.insert((id(router), link_state_id), body);
                }
            }
            if prng.below(3) == 0
                && let Some(end) = cuts.pop()
            {
                network.heal(end);
            }
            let own = expected.iter().filter(|((who, _), _)| *who == id(router));
            let own: Vec<(u32, &[u8])> = own.map(|((_, id), body)| (*id, &body[..])).collect();
            say(&mut network, router, &own);
            let pause = Duration::from_millis(prng.below(1500));
            network.run(pause);
        }
        network.loss = 0;
        for end in cuts {
            network.heal(end);
        }
        network.seconds(60);
        network.assert_converged();
        for router in 0..6 {
            let mut others = expected.clone();
            others.retain(|(who, _), _| *who != id(router));
            assert_eq!(held(&network, router), others, "seed {seed}");
        }
        assert_eq!(network.state(0, PortId(0).0), crate::proto::ospf::NeighborState::Full);
    }
}
