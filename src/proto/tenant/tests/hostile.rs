//! Announcements that are wrong: each is counted and named, and the rest does not notice.

use super::super::limits::{
    ANNOUNCEMENTS_MAX, ANNOUNCEMENTS_PER_ROUTER_MAX, PSEUDOWIRES_MAX, REFUSALS_MAX,
};
use super::super::*;
use super::cluster::{Cluster, endpoint, id, name, settings};
use crate::base::ids::{RouterId, TenantId};
use crate::base::machine::Machine;
use crate::base::time::Instant;
use crate::wire::ospf::{DecodeError, Fault, MembershipLsa, TenantEntry, TenantFormat};
use core::net::Ipv6Addr;
use proptest::collection::vec;
use proptest::prelude::*;

const STRANGER: RouterId = RouterId(0x0b00_0001);

fn entry(id: u32) -> TenantEntry {
    let format = Some(TenantFormat::default());
    TenantEntry { id: TenantId(id), epoch: 1, mtu: 8900, format }
}

fn lsa(endpoint: Ipv6Addr, tenants: &[TenantEntry]) -> Vec<u8> {
    let (tenants, renumberings) = (tenants.to_vec(), Vec::new());
    MembershipLsa { endpoint, tenants, renumberings }.encode()
}

fn said(router_id: RouterId, link_state_id: u32, body: Vec<u8>) -> Input {
    Input::Said { router_id, link_state_id, body }
}

fn gone(router_id: RouterId, link_state_id: u32) -> Input {
    Input::Gone { router_id, link_state_id, why: Gone::Withdrawn }
}

/// Two members with tenants 10 and 20; the first hears the stranger.
fn hear(bodies: &[Vec<u8>]) -> Cluster {
    let mut cluster = Cluster::of(2, 31, &[10, 20]);
    for (link_state_id, body) in (0..).zip(bodies) {
        cluster.input(0, said(STRANGER, link_state_id, body.clone()));
    }
    cluster
}

fn refused(tenant: Option<u32>, refusal: Refusal) -> Notice {
    Notice::Refused { router_id: STRANGER, tenant: tenant.map(TenantId), refusal }
}

#[test]
fn what_cannot_be_used_of_a_whole_announcement_is_counted_and_named() {
    let of = |address: &str| address.parse::<Ipv6Addr>().unwrap();
    let not_unicast = ["::", "::1", "ff02::1", "fe80::1", "::ffff:192.0.2.1"];
    let mut cases: Vec<(Vec<u8>, Refusal, &str)> = not_unicast
        .into_iter()
        .map(|address| {
            let refusal = Refusal::EndpointNotUnicast(of(address));
            (lsa(of(address), &[entry(10)]), refusal, "endpoint_not_unicast")
        })
        .collect();
    let own = endpoint(0);
    cases.push((lsa(own, &[entry(10)]), Refusal::EndpointOwn(own), "endpoint_own"));
    let taken = Refusal::EndpointTaken { address: endpoint(1), other: id(1) };
    cases.push((lsa(endpoint(1), &[entry(10)]), taken, "endpoint_taken"));
    let cut = lsa(endpoint(7), &[entry(10)])[..30].to_vec();
    let error = DecodeError::new(Fault::Truncated, 28);
    cases.push((cut, Refusal::Unreadable(error), "unreadable"));
    let mut later = lsa(endpoint(7), &[entry(10)]);
    later[4] = 2;
    cases.push((later, Refusal::OtherVersion, "other_version"));
    for (body, refusal, counter) in cases {
        let cluster = hear(&[body]);
        assert_eq!(cluster.notices[0], [refused(None, refusal.clone())]);
        let counts = cluster.members[0].counters().entries();
        assert_eq!(counts.iter().find(|(name, _)| *name == counter).unwrap().1, 1, "{counter}");
        assert!(!cluster.wires[0].contains_key(&name(10, STRANGER)));
        cluster.assert_agreed();
        let view = cluster.members[0].view();
        let stranger = view.members.iter().find(|member| member.router_id == STRANGER).unwrap();
        assert_eq!(stranger.refusals, [(None, refusal)]);
    }
}

#[test]
fn a_tenant_that_cannot_be_used_leaves_the_others_of_its_lsa_as_they_are() {
    let cases = [
        (TenantEntry { mtu: 1279, ..entry(10) }, Refusal::MtuTooSmall(1279), "mtu_too_small"),
        (TenantEntry { format: None, ..entry(10) }, Refusal::UnknownFormat, "unknown_format"),
    ];
    for (wrong, refusal, counter) in cases {
        let cluster = hear(&[lsa(endpoint(7), &[wrong, entry(20)])]);
        assert_eq!(cluster.notices[0], [refused(Some(10), refusal)]);
        let counts = cluster.members[0].counters().entries();
        assert_eq!(counts.iter().find(|(name, _)| *name == counter).unwrap().1, 1, "{counter}");
        assert!(!cluster.wires[0].contains_key(&name(10, STRANGER)));
        assert!(cluster.wires[0].contains_key(&name(20, STRANGER)));
    }
    let cluster = hear(&[lsa(endpoint(7), &[entry(0), entry(20)])]);
    assert_eq!(cluster.notices[0], [refused(None, Refusal::NoTenant)]);
    assert_eq!(cluster.members[0].counters().no_tenant, 1);
    assert!(cluster.wires[0].contains_key(&name(20, STRANGER)));
}

#[test]
fn of_a_tenant_that_is_said_twice_the_first_counts() {
    let small = TenantEntry { mtu: 1400, ..entry(10) };
    for bodies in [
        vec![lsa(endpoint(7), &[small, entry(10)])],
        vec![lsa(endpoint(7), &[small]), lsa(endpoint(7), &[entry(10)])],
    ] {
        let cluster = hear(&bodies);
        assert_eq!(cluster.notices[0], [refused(Some(10), Refusal::Repeated)]);
        assert_eq!(cluster.members[0].counters().repeated, 1);
        assert_eq!(cluster.wires[0][&name(10, STRANGER)].mtu, 1400);
    }
}

#[test]
fn a_pseudowire_whose_other_end_says_nonsense_goes_with_the_reason() {
    let mut cluster = hear(&[lsa(endpoint(7), &[entry(10)])]);
    assert!(cluster.wires[0].contains_key(&name(10, STRANGER)));
    let small = TenantEntry { mtu: 68, ..entry(10) };
    cluster.input(0, said(STRANGER, 0, lsa(endpoint(7), &[small])));
    let reason = DownReason::Refused(Refusal::MtuTooSmall(68));
    assert_eq!(cluster.downs[0], [(name(10, STRANGER), reason)]);
    // It comes to its senses, and what was refused is forgotten.
    cluster.input(0, said(STRANGER, 0, lsa(endpoint(7), &[entry(10)])));
    assert!(cluster.wires[0].contains_key(&name(10, STRANGER)));
    assert!(cluster.members[0].view().members.iter().all(|member| member.refusals.is_empty()));
}

#[test]
fn an_endpoint_is_of_who_said_it_first_and_then_of_the_next() {
    let mut cluster = hear(&[lsa(endpoint(1), &[entry(10)])]);
    assert!(!cluster.wires[0].contains_key(&name(10, STRANGER)));
    assert!(cluster.wires[0].contains_key(&name(10, id(1))), "who was first keeps it");
    cluster.input(0, gone(id(1), 0));
    assert!(cluster.wires[0].contains_key(&name(10, STRANGER)));
    assert!(!cluster.wires[0].contains_key(&name(10, id(1))));
    cluster.input(0, said(id(1), 0, lsa(endpoint(1), &[entry(10)])));
    let taken = Refusal::EndpointTaken { address: endpoint(1), other: STRANGER };
    let last = cluster.notices[0].last().cloned();
    assert_eq!(last, Some(Notice::Refused { router_id: id(1), tenant: None, refusal: taken }));
    // It moves away, and the other has it again.
    cluster.input(0, said(STRANGER, 0, lsa(endpoint(7), &[entry(10)])));
    assert!(cluster.wires[0].contains_key(&name(10, id(1))));
}

#[test]
fn what_goes_on_being_wrong_is_told_once() {
    let mut cluster = hear(&[]);
    for epoch in 0..50 {
        let wrong = TenantEntry { mtu: 100, epoch, ..entry(10) };
        cluster.input(0, said(STRANGER, 0, lsa(endpoint(7), &[wrong])));
    }
    assert_eq!(cluster.notices[0].len(), 1);
    assert_eq!(cluster.members[0].counters().mtu_too_small, 1);
}

#[test]
fn tenants_that_are_not_here_concern_nobody() {
    let wrong = TenantEntry { mtu: 100, ..entry(99) };
    let cluster = hear(&[lsa(endpoint(7), &[wrong, wrong])]);
    assert!(cluster.notices[0].is_empty());
    assert!(cluster.members[0].view().members[1].refusals.is_empty());
}

#[test]
fn announcements_beyond_the_limit_are_counted() {
    let mut members = Members::new(1);
    members.handle(Instant::ZERO, Input::Settings(Box::new(settings(0, &[10]))));
    let count = u32::try_from(ANNOUNCEMENTS_MAX).unwrap();
    for number in 0..count + 2 {
        let body = lsa(Ipv6Addr::UNSPECIFIED, &[]);
        let router_id = RouterId(0x0b00_0000 + number % 256);
        members.handle(Instant::ZERO, said(router_id, number / 256, body));
    }
    assert_eq!(members.counters().no_room, 2);
    assert_eq!(members.counters().heard, u64::from(count));
    members.handle(Instant::ZERO, gone(RouterId(0x0b00_0000), 0));
    members.handle(Instant::ZERO, said(STRANGER, 0, lsa(endpoint(7), &[entry(10)])));
    assert_eq!(members.view().pseudowires.len(), 1, "there is room again");
}

#[test]
fn one_router_has_no_more_announcements_than_a_full_one_needs() {
    let mut cluster = hear(&[]);
    let count = u32::try_from(ANNOUNCEMENTS_PER_ROUTER_MAX).unwrap();
    for link_state_id in 0..=count {
        let tenants = if link_state_id == count { vec![entry(10)] } else { Vec::new() };
        cluster.input(0, said(STRANGER, link_state_id, lsa(endpoint(7), &tenants)));
    }
    assert_eq!(cluster.notices[0], [refused(None, Refusal::NoRoom)]);
    assert!(!cluster.wires[0].contains_key(&name(10, STRANGER)));
    cluster.assert_agreed();
}

#[test]
fn refusals_beyond_the_limit_are_counted_and_not_kept() {
    let mut members = Members::new(1);
    members.handle(Instant::ZERO, Input::Settings(Box::new(settings(0, &[10]))));
    let count = u32::try_from(REFUSALS_MAX).unwrap() + 10;
    for number in 0..count {
        members.handle(Instant::ZERO, said(RouterId(0x0b00_0000 + number), 0, vec![0]));
    }
    assert_eq!(members.counters().unreadable, u64::from(count));
    let kept: usize = members.view().members.iter().map(|member| member.refusals.len()).sum();
    assert_eq!(kept, REFUSALS_MAX);
}

#[test]
fn pseudowires_end_at_the_limit_and_go_on_when_others_go() {
    let mut members = Members::new(1);
    let tenants: Vec<u32> = (1..=1000).collect();
    members.handle(Instant::ZERO, Input::Settings(Box::new(settings(0, &tenants))));
    let entries: Vec<TenantEntry> = tenants.iter().map(|id| entry(*id)).collect();
    for number in 0..17_u16 {
        let endpoint = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, number);
        let router_id = RouterId(0x0b00_0000 + u32::from(number));
        members.handle(Instant::ZERO, said(router_id, 0, lsa(endpoint, &entries)));
    }
    assert_eq!(members.view().pseudowires.len(), PSEUDOWIRES_MAX);
    assert_eq!(members.counters().no_room, 17_000 - u64::try_from(PSEUDOWIRES_MAX).unwrap());
    members.handle(Instant::ZERO, gone(RouterId(0x0b00_0000), 0));
    assert_eq!(members.view().pseudowires.len(), 16_000);
    assert!(members.view().members.iter().all(|member| member.refusals.is_empty()));
}

proptest! {
    /// Whatever is said in the name of whomever, the members that are right have their pseudowires.
    #[test]
    fn no_announcement_disturbs_those_that_are_right(
        bodies in vec((0..4_u32, 0..3_u32, vec(any::<u8>(), 0..80), any::<bool>()), 0..40),
    ) {
        let mut cluster = Cluster::of(2, 32, &[10, 20]);
        for (router, link_state_id, octets, is_framed) in bodies {
            // Octets alone seldom get past the beginning.
            let beginning = if is_framed { lsa(endpoint(50), &[]) } else { Vec::new() };
            let body = [beginning, octets].concat();
            let router_id = RouterId(STRANGER.0 + router);
            cluster.input(0, said(router_id, link_state_id, body));
        }
        prop_assert!(cluster.wires[0].contains_key(&name(10, id(1))));
        prop_assert!(cluster.downs[0].is_empty());
        for router in 0..4 {
            for link_state_id in 0..3 {
                cluster.input(0, gone(RouterId(STRANGER.0 + router), link_state_id));
            }
        }
        cluster.assert_agreed();
        prop_assert_eq!(cluster.members[0].view().members.len(), 1);
    }
}
