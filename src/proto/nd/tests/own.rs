//! Own addresses: probes for duplicates and answers to solicitations.

use super::*;
use crate::wire::ipv6::{ALL_NODES, ALL_ROUTERS, solicited_node};
use crate::wire::nd::{Redirect, RouterSolicitation};

fn optimistic(mac: MacAddress) -> NdInterface {
    NdInterface { is_optimistic: true, ..interface(mac) }
}

fn duplicates(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::DuplicateAddress { .. })).count()
}

#[test]
fn groups_are_joined_before_the_address_is_probed_once() {
    let mut a = Node::new(1);
    a.up(Instant::ZERO, interface(MAC_A));
    a.run(Instant::from_millis(5_000));
    let here = local(MAC_A);
    let groups: Vec<Ipv6Addr> = (a.actions.iter())
        .filter_map(|action| match action {
            Action::JoinMulticast { group, .. } => Some(*group),
            _ => None,
        })
        .collect();
    assert_eq!(groups, [ALL_NODES, ALL_ROUTERS, solicited_node(here)]);
    let sent = a.take_sent();
    assert_eq!(sent.len(), 2);
    let (mac, probe) = &sent[0];
    assert_eq!(*mac, MacAddress::for_multicast(solicited_node(here)));
    assert!(probe.source.is_unspecified() && probe.destination == solicited_node(here));
    assert!(matches!(probe.message.options(), [NdOption::Nonce(_)]));
    let announced = advertisement(here, ALL_NODES, "RO", MAC_A);
    assert_eq!(sent[1].1, announced);
    assert_eq!(a.nd.next_deadline(), None, "silent when idle");
}

#[test]
fn two_that_probe_the_same_address_both_give_it_up() {
    let shared = address("fe80::1");
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    for (node, mac) in [(&mut a, MAC_A), (&mut b, MAC_B)] {
        node.up(Instant::ZERO, NdInterface { addresses: vec![shared], ..optimistic(mac) });
    }
    cable(&mut a, &mut b, Instant::ZERO, Instant::from_millis(5_000));
    assert_eq!((duplicates(&a.take()), duplicates(&b.take())), (1, 1));
    // The same interface again does not probe a duplicate anew.
    a.up(
        Instant::from_millis(6_000),
        NdInterface { addresses: vec![shared], mtu: 9000, ..optimistic(MAC_A) },
    );
    assert!(a.take().is_empty());
    assert_eq!(a.nd.next_deadline(), None);
}

#[test]
fn an_established_address_is_defended() {
    let shared = address("fe80::1");
    let with = |mac| NdInterface { addresses: vec![shared], ..interface(mac) };
    let (mut a, now) = Node::settled(with(MAC_A));
    let mut b = Node::new(2);
    b.up(now, with(MAC_B));
    cable(&mut a, &mut b, now, now + SECOND * 5);
    assert_eq!(duplicates(&a.take()), 0);
    let lost = Action::DuplicateAddress { port: PORT, address: shared, mac: Some(MAC_A) };
    assert!(b.take().contains(&lost));
    b.message(now + SECOND * 6, MAC_C, &solicitation(local(MAC_C), shared, vec![]));
    assert!(b.take().is_empty(), "a duplicate is not answered for");
    assert_eq!(b.nd.counters().tentative_target, 1);
}

#[test]
fn an_own_probe_that_comes_back_is_no_duplicate() {
    let mut a = Node::new(1);
    a.up(Instant::ZERO, optimistic(MAC_A));
    let (_, probe) = a.take_sent().remove(0);
    a.message(Instant::ZERO, MAC_A, &probe);
    a.run(Instant::from_millis(10_000));
    assert_eq!(a.nd.counters().probe_looped, 1);
    assert_eq!(a.nd.counters().duplicates, 0);
    assert_eq!(a.take_sent().len(), 4, "three probes more (RFC 7527), then the announcement");
}

#[test]
fn an_optimistic_address_is_used_at_once_and_with_care() {
    let mut a = Node::new(1);
    let now = Instant::ZERO;
    a.up(now, optimistic(MAC_A));
    a.take();
    // RFC 4429: no MAC in solicitations, override clear in advertisements.
    a.resolve(now, local(MAC_B), 1);
    assert_eq!(a.take_sent()[0].1, solicitation(local(MAC_A), local(MAC_B), vec![]));
    a.message(now, MAC_B, &solicitation(local(MAC_B), local(MAC_A), vec![]));
    let answer = advertisement(local(MAC_A), local(MAC_B), "RS", MAC_A);
    assert_eq!(a.take_sent(), [(MAC_B, answer)]);
    assert_eq!(a.nd.mac_of(PORT, local(MAC_B)), None, "the frame's MAC is not cached");
}

#[test]
fn two_optimistic_routers_resolve_each_other_at_once() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    a.up(Instant::ZERO, optimistic(MAC_A));
    b.up(Instant::ZERO, optimistic(MAC_B));
    a.resolve(Instant::ZERO, local(MAC_B), 1);
    cable(&mut a, &mut b, Instant::ZERO, Instant::ZERO);
    assert_eq!(a.nd.mac_of(PORT, local(MAC_B)), Some(MAC_B));
}

#[test]
fn a_tentative_address_is_silent() {
    let mut a = Node::new(1);
    a.up(Instant::ZERO, interface(MAC_A));
    a.take();
    let asked = solicitation(local(MAC_B), local(MAC_A), vec![NdOption::SourceLinkLayer(MAC_B)]);
    a.message(Instant::ZERO, MAC_B, &asked);
    a.resolve(Instant::ZERO, local(MAC_C), 1);
    assert!(a.take().is_empty());
    assert_eq!(a.nd.counters().tentative_target, 1);
    // Once it is probed, who waits is asked for, three times.
    a.run(Instant::from_millis(2_000));
    let asked = solicitation(local(MAC_A), local(MAC_C), vec![NdOption::SourceLinkLayer(MAC_A)]);
    assert!(a.take_sent().iter().any(|(_, packet)| *packet == asked));
}

#[test]
fn solicitations_are_answered_with_the_right_flags() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    let named = vec![NdOption::SourceLinkLayer(MAC_B)];
    a.message(now, MAC_B, &solicitation(local(MAC_B), local(MAC_A), named));
    let answer = advertisement(local(MAC_A), local(MAC_B), "RSO", MAC_A);
    assert_eq!(a.take_sent(), [(MAC_B, answer)]);
    assert_eq!(a.state(local(MAC_B)), Some(NdState::Stale));
    // RFC 4861 §7.2.4: without a source the answer goes to all nodes and is not solicited.
    a.message(now, MAC_C, &solicitation(Ipv6Addr::UNSPECIFIED, local(MAC_A), vec![]));
    let answer = advertisement(local(MAC_A), ALL_NODES, "RO", MAC_A);
    assert_eq!(a.take_sent(), [(MacAddress::for_multicast(ALL_NODES), answer)]);
    a.message(now, MAC_C, &solicitation(local(MAC_C), address("fe80::99"), vec![]));
    assert!(a.take().is_empty());
    assert_eq!(a.nd.counters().other_target, 1);
}

#[test]
fn a_new_mac_is_announced_three_times_and_entries_stay() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    a.confirm(now, local(MAC_B), MAC_B);
    a.take();
    a.up(now, NdInterface { mac: MAC_C, ..interface(MAC_A) });
    a.run(now + SECOND * 10);
    let announced = advertisement(local(MAC_A), ALL_NODES, "RO", MAC_C);
    let sent: Vec<NdPacket> = a.take_sent().into_iter().map(|(_, packet)| packet).collect();
    assert_eq!(sent, vec![announced; 3]);
    assert_eq!(a.nd.mac_of(PORT, local(MAC_B)), Some(MAC_B));
}

#[test]
fn redirects_are_counted_and_ignored() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    let options = vec![NdOption::TargetLinkLayer(MAC_C)];
    let (target, destination) = (local(MAC_C), address("2001:db8::1"));
    let message = NdMessage::Redirect(Redirect { target, destination, options });
    let packet = NdPacket { source: local(MAC_B), destination: local(MAC_A), message };
    a.message(now, MAC_B, &packet);
    assert!(a.take().is_empty() && a.nd.entries().is_empty());
    assert_eq!(a.nd.counters().redirects_ignored, 1);
}

#[test]
fn own_messages_that_come_back_are_counted() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    let options = vec![NdOption::SourceLinkLayer(MAC_A)];
    let message = NdMessage::RouterSolicitation(RouterSolicitation { options });
    let packet = NdPacket { source: local(MAC_A), destination: ALL_ROUTERS, message };
    a.message(now, MAC_A, &packet);
    assert!(a.nd.entries().is_empty());
    assert_eq!(a.nd.counters().looped, 1);
}

#[test]
fn a_claim_to_an_established_address_is_counted_and_not_answered() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    a.message(now, MAC_B, &advertisement(local(MAC_A), ALL_NODES, "O", MAC_B));
    assert!(a.take().is_empty() && a.nd.entries().is_empty());
    assert_eq!((a.nd.counters().address_claimed, a.nd.next_deadline()), (1, None));
}
