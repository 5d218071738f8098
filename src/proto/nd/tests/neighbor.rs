//! Resolution, queues and NUD.

use super::*;
use crate::proto::nd::limits::{
    ENTRIES_PER_PORT_MAX, FABRIC_ENTRIES_PER_PORT_MAX, GUESTS_MAX, QUEUED_PACKETS_MAX,
};

#[test]
fn two_machines_resolve_each_other_and_release_in_order() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    let (mut b, _) = Node::settled(interface(MAC_B));
    let there = local(MAC_B);
    for packet in 1..=5 {
        a.resolve(now, there, packet);
    }
    cable(&mut a, &mut b, now, now);
    let told: Vec<Action> =
        a.take().into_iter().filter(|action| !matches!(action, Action::Send { .. })).collect();
    assert_eq!(
        told,
        [
            Action::Resolved { port: PORT, address: there, mac: MAC_B },
            Action::Release { port: PORT, mac: MAC_B, packets: vec![vec![3], vec![4], vec![5]] },
        ]
    );
    assert_eq!(a.nd.counters().queue_replaced, 2);
    assert_eq!(a.state(there), Some(NdState::Reachable));
    assert!(a.nd.entries()[0].is_router);
    assert_eq!(b.state(local(MAC_A)), Some(NdState::Stale), "learnt from the solicitation");
    assert_eq!(b.nd.mac_of(PORT, local(MAC_A)), Some(MAC_A));
}

#[test]
fn a_solicitation_goes_to_the_group_with_the_own_mac() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    a.resolve(now, local(MAC_B), 1);
    let expected = solicitation(local(MAC_A), local(MAC_B), vec![NdOption::SourceLinkLayer(MAC_A)]);
    let group = MacAddress::for_multicast(expected.destination);
    assert_eq!(a.take_sent(), [(group, expected)]);
}

#[test]
fn who_does_not_answer_is_unreachable_after_three_solicitations() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    let there = local(MAC_B);
    a.resolve(now, there, 1);
    a.resolve(now, there, 2);
    a.run(now + SECOND * 3);
    let actions = a.take();
    assert_eq!(actions.len(), 4);
    assert!(actions[..3].iter().all(|action| matches!(action, Action::Send { .. })));
    let packets = vec![vec![1], vec![2]];
    assert_eq!(actions[3], Action::Unreachable { port: PORT, address: there, packets });
    assert_eq!(a.state(there), None);
    assert_eq!(a.nd.counters().resolutions_failed, 1);
    assert_eq!(a.nd.next_deadline(), None, "silent again");
}

#[test]
fn an_unused_neighbor_grows_stale_and_stays_usable_in_silence() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    a.confirm(now, local(MAC_B), MAC_B);
    assert_eq!(a.state(local(MAC_B)), Some(NdState::Reachable));
    a.run(now + SECOND * 14);
    assert_eq!(a.state(local(MAC_B)), Some(NdState::Reachable));
    a.run(now + SECOND * 45);
    assert_eq!(a.state(local(MAC_B)), Some(NdState::Stale));
    assert_eq!(a.nd.next_deadline(), None);
    assert_eq!(a.nd.mac_of(PORT, local(MAC_B)), Some(MAC_B));
    assert_eq!(a.take(), [Action::Resolved { port: PORT, address: local(MAC_B), mac: MAC_B }]);
}

#[test]
fn a_confirmed_neighbor_is_never_asked() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    for second in 0..300 {
        let now = now + SECOND * second;
        a.run(now);
        a.confirm(now, local(MAC_B), MAC_B);
        a.used(now, local(MAC_B));
        assert_eq!(a.state(local(MAC_B)), Some(NdState::Reachable));
    }
    assert!(a.take_sent().is_empty());
}

#[test]
fn a_used_stale_neighbor_is_probed_and_lost_only_after_three_probes() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    let there = local(MAC_B);
    a.confirm(now, there, MAC_B);
    a.run(now + SECOND * 45);
    a.take();
    let now = now + SECOND * 45;
    a.used(now, there);
    assert_eq!(a.state(there), Some(NdState::Delay));
    a.run(now + SECOND * 7);
    assert_eq!(a.state(there), Some(NdState::Probe));
    assert_eq!(a.nd.mac_of(PORT, there), Some(MAC_B), "usable while it is probed");
    let sent = a.take_sent();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|(mac, packet)| *mac == MAC_B && packet.destination == there));
    a.run(now + SECOND * 8);
    assert_eq!(a.take(), [Action::Unresolved { port: PORT, address: there }]);
    assert_eq!(a.nd.counters().probes_failed, 1);
    assert_eq!(a.nd.next_deadline(), None);
}

#[test]
fn an_answered_probe_confirms() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    let (mut b, _) = Node::settled(interface(MAC_B));
    a.confirm(now, local(MAC_B), MAC_B);
    a.run(now + SECOND * 45);
    a.used(now + SECOND * 45, local(MAC_B));
    a.take();
    cable(&mut a, &mut b, now + SECOND * 45, now + SECOND * 51);
    assert_eq!(a.state(local(MAC_B)), Some(NdState::Reachable));
    assert!(a.take().iter().all(|action| matches!(action, Action::Send { .. })));
}

#[test]
fn a_new_mac_is_told_anew_and_an_unsure_one_is_not() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    let there = local(MAC_B);
    a.confirm(now, there, MAC_B);
    a.take();
    // RFC 4861 §7.2.5: without O, another MAC only makes a reachable entry stale.
    a.message(now, MAC_C, &advertisement(there, local(MAC_A), "S", MAC_C));
    assert_eq!((a.state(there), a.take()), (Some(NdState::Stale), vec![]));
    assert_eq!(a.nd.next_deadline(), None, "nothing runs for a stale entry");
    assert!(!a.nd.entries()[0].is_router);
    a.message(now, MAC_C, &advertisement(there, local(MAC_A), "R", MAC_C));
    assert!(!a.nd.entries()[0].is_router, "what is not believed changes nothing");
    a.message(now, MAC_C, &advertisement(there, local(MAC_A), "RSO", MAC_C));
    assert_eq!(a.state(there), Some(NdState::Reachable));
    assert!(a.nd.entries()[0].is_router);
    assert_eq!(a.take(), [Action::Resolved { port: PORT, address: there, mac: MAC_C }]);
    a.confirm(now, there, MAC_B);
    assert_eq!(a.take(), [Action::Resolved { port: PORT, address: there, mac: MAC_B }]);
    assert_eq!(a.nd.counters().mac_changed, 2);
}

#[test]
fn an_advertisement_of_a_stranger_makes_no_entry() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    a.message(now, MAC_B, &advertisement(local(MAC_B), local(MAC_A), "SO", MAC_B));
    assert!(a.nd.entries().is_empty() && a.take().is_empty());
    assert_eq!(a.nd.counters().advertiser_unknown, 1);
}

#[test]
fn static_entries_outlive_the_port_and_are_never_asked() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    let there = local(MAC_B);
    a.resolve(now, there, 9);
    a.take();
    a.input(now, Input::StaticEntry { port: PORT, address: there, mac: MAC_C });
    let resolved = Action::Resolved { port: PORT, address: there, mac: MAC_C };
    let packets = vec![vec![9]];
    assert_eq!(a.take(), [resolved.clone(), Action::Release { port: PORT, mac: MAC_C, packets }]);
    a.confirm(now, there, MAC_B);
    a.used(now, there);
    a.message(now, MAC_B, &advertisement(there, local(MAC_A), "SO", MAC_B));
    a.input(now, Input::InterfaceDown { port: PORT });
    assert!(a.take().is_empty());
    assert_eq!(a.nd.mac_of(PORT, there), Some(MAC_C));
    a.up(now, interface(MAC_A));
    assert!(a.take().contains(&resolved));
    a.input(now, Input::StaticRemoved { port: PORT, address: there });
    assert_eq!(a.take(), [Action::Unresolved { port: PORT, address: there }]);
}

#[test]
fn a_port_that_goes_down_gives_everything_back() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    a.confirm(now, local(MAC_B), MAC_B);
    a.resolve(now, local(MAC_C), 1);
    a.take();
    a.input(now, Input::InterfaceDown { port: PORT });
    let actions = a.take();
    assert!(actions.contains(&Action::Unresolved { port: PORT, address: local(MAC_B) }));
    let packets = vec![vec![1]];
    let lost = Action::Unreachable { port: PORT, address: local(MAC_C), packets };
    assert!(actions.contains(&lost) && actions.len() == 2);
    assert_eq!((a.nd.entries(), a.nd.next_deadline()), (vec![], None));
    a.resolve(now, local(MAC_B), 2);
    assert!(matches!(a.take()[..], [Action::Unreachable { .. }]));
}

#[test]
fn the_same_interface_again_changes_nothing() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    a.confirm(now, local(MAC_B), MAC_B);
    a.take();
    a.up(now, interface(MAC_A));
    let mut larger = interface(MAC_A);
    larger.mtu = 9000;
    a.up(now, larger);
    assert!(a.take().is_empty());
    assert_eq!(a.state(local(MAC_B)), Some(NdState::Reachable));
}

#[test]
fn a_scan_of_the_prefix_stays_within_the_limits_and_leaves_who_answers() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    a.confirm(now, local(MAC_B), MAC_B);
    let scanned = u64::try_from(ENTRIES_PER_PORT_MAX).unwrap() + 500;
    for number in 0..scanned {
        let target = Ipv6Addr::from_bits(0xfd00 << 112 | u128::from(number));
        a.resolve(now, target, 1);
    }
    let entries = a.nd.entries();
    assert_eq!(entries.len(), ENTRIES_PER_PORT_MAX);
    let queued: u32 = entries.iter().map(|entry| entry.queued_packets).sum();
    assert_eq!(usize::try_from(queued).unwrap(), a.nd.out.queued_packets);
    assert!(a.nd.out.queued_packets <= QUEUED_PACKETS_MAX);
    let counters = a.nd.counters();
    assert_eq!(counters.entries_evicted, 501);
    assert!(counters.queue_refused > 0 && counters.queue_evicted > 0);
    assert_eq!(a.nd.mac_of(PORT, local(MAC_B)), Some(MAC_B));
}

#[test]
fn scans_on_every_lan_leave_room_for_each_and_for_the_fabric() {
    let mut nd = Nd::new(1);
    let now = Instant::from_millis(5_000);
    let lans = [PortId(0), PortId(1), PortId(2)];
    for port in lans {
        let interface = Box::new(interface(MAC_A));
        nd.handle(Instant::ZERO, Input::InterfaceUp { port, interface });
    }
    let cable = PortId(9);
    let interface = Box::new(NdInterface { is_optimistic: true, ..interface(MAC_A) });
    nd.handle(Instant::ZERO, Input::InterfaceUp { port: cable, interface });
    let on = |nd: &Nd, port| nd.entries().iter().filter(|entry| entry.port == port).count();
    let scan = |nd: &mut Nd, port, count: usize| {
        for number in 0..count {
            let address = Ipv6Addr::from_bits(0xfd00 << 112 | u128::try_from(number).unwrap());
            nd.handle(now, Input::Resolve { port, address, packet: vec![1] });
        }
    };
    scan(&mut nd, lans[2], 5);
    nd.handle(now, Input::Confirmed { port: cable, address: local(MAC_B), mac: MAC_B });
    scan(&mut nd, lans[0], ENTRIES_PER_PORT_MAX + 10);
    scan(&mut nd, lans[1], ENTRIES_PER_PORT_MAX + 10);
    scan(&mut nd, cable, 100);
    assert_eq!(lans.map(|port| on(&nd, port)).iter().sum::<usize>(), GUESTS_MAX);
    assert_eq!(on(&nd, lans[2]), 5, "a small LAN keeps what it has");
    assert_eq!(on(&nd, cable), FABRIC_ENTRIES_PER_PORT_MAX);
    assert_eq!(nd.mac_of(cable, local(MAC_B)), Some(MAC_B));
}

#[test]
fn a_neighbour_of_an_earlier_run_is_told_at_once_and_asked_when_it_is_used() {
    let mut nd = Nd::new(1);
    let now = Instant::from_millis(5_000);
    nd.handle(
        Instant::ZERO,
        Input::InterfaceUp { port: PORT, interface: Box::new(interface(MAC_A)) },
    );
    let address = local(MAC_B);
    nd.handle(now, Input::Remembered { port: PORT, address, mac: MAC_B });
    assert!(nd.is_told(PORT, address));
    let state = |nd: &Nd| nd.entries().first().map(|entry| entry.state);
    assert_eq!(state(&nd), Some(NdState::Stale));
    nd.handle(now, Input::Used { port: PORT, address });
    assert_eq!(state(&nd), Some(NdState::Delay));
    nd.handle(now, Input::Remembered { port: PORT, address, mac: MAC_C });
    assert_eq!(nd.mac_of(PORT, address), Some(MAC_B), "what this run knows is newer");
}
