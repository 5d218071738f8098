//! Single faults: how fast the cluster is right again.

use crate::run::{HEAL_LIMIT, scenario};
use core::net::Ipv6Addr;
use kumiki::base::cursor::Writer;
use kumiki::base::time::Duration;
use kumiki::sim::checkers;
use kumiki::sim::faults::{Death, Fault};
use kumiki::sim::link::Direction;
use kumiki::sim::world::World;
use kumiki::wire::ipv6::{Ipv6Header, NEXT_UDP};
use kumiki::wire::udp::UdpHeader;

/// Carrier is seen within milliseconds, the flood crosses a small ring in less, and the first SPF
/// after a quiet time waits for nothing (RFC 8405, INITIAL_SPF_DELAY 0); one more waits 50 ms.
const CUT_LIMIT: Duration = Duration::from_millis(300);
/// The detection time of BFD, and the same work as after a cut.
const SILENT_CUT_LIMIT: Duration = Duration::from_millis(500);
/// Packets to each router after a crash, 5 ms apart: until every neighbour is back, and longer.
const PACKETS_AFTER_CRASH: u16 = 200;

#[test]
fn a_ring_of_8_turns_round_at_once_when_a_cable_is_cut() {
    scenario("faults::a_ring_of_8_turns_round_at_once_when_a_cable_is_cut", 2, |start| {
        let mut run = start.cluster("ring", 8);
        run.settles();
        run.cut(2, 3);
        run.world.run_for(Duration::from_millis(10));
        run.converges(CUT_LIMIT);
        run.is_right();
        run.falls_silent();
        run.heal(2, 3);
        run.converges(HEAL_LIMIT);
        run.is_right();
        run.falls_silent();
    });
}

#[test]
fn a_silent_cut_is_found_by_bfd() {
    scenario("faults::a_silent_cut_is_found_by_bfd", 2, |start| {
        for direction in [None, Some(Direction::Forth)] {
            let mut run = start.cluster("ring", 6);
            run.settles();
            let link = run.link(1, 2);
            run.world.apply(Fault::Silence { link, direction });
            run.world.run_for(Duration::from_millis(95));
            assert!(!checkers::check(&run.world).is_empty(), "nobody can know of it yet");
            run.converges(SILENT_CUT_LIMIT);
            run.is_right();
            run.world.apply(Fault::Heal { link });
            run.converges(HEAL_LIMIT);
            run.falls_silent();
        }
    });
}

#[test]
fn a_control_plane_that_fails_stops_nothing_that_its_router_sends() {
    scenario(
        "faults::a_control_plane_that_fails_stops_nothing_that_its_router_sends",
        3,
        |start| {
            let mut run = start.cluster("circulant:1,3", 8);
            run.settles();
            let (from, failed_at) = (1, run.world.now());
            let others: Vec<usize> = (0..8).filter(|router| *router != from).collect();
            others.iter().for_each(|router| drop(run.world.take_host_packets(*router)));
            run.world.apply(Fault::Crash { router: from });
            for number in 0..PACKETS_AFTER_CRASH {
                for to in &others {
                    let setup = run.world.setup();
                    let packet = datagram(setup.loopback(from), setup.loopback(*to), number);
                    run.world.send_from_host(from, &packet);
                }
                run.world.run_for(Duration::from_millis(5));
            }
            run.world.run_for(Duration::from_millis(50));
            for router in others {
                let arrived = run.world.take_host_packets(router).len();
                let sent = usize::from(PACKETS_AFTER_CRASH);
                assert_eq!(arrived, sent, "from s{:02} to s{:02}", from + 1, router + 1);
            }
            run.converges(HEAL_LIMIT);
            assert!(run.has_said(from, "every neighbour is back or gone", failed_at));
            run.is_right();
            run.falls_silent();
        },
    );
}

#[test]
fn a_router_whose_neighbours_die_with_its_control_plane_gives_up_what_it_inherited() {
    let name = "faults::a_router_whose_neighbours_die_with_its_control_plane_gives_up_what_it_\
                inherited";
    scenario(name, 2, |start| {
        let mut run = start.cluster("ring", 6);
        run.settles();
        for router in [0, 2] {
            run.world.apply(Fault::Kill { router, death: Death::Process });
        }
        run.world.apply(Fault::Crash { router: 1 });
        run.converges(HEAL_LIMIT);
        run.is_right();
        run.world.apply(Fault::Crash { router: 4 });
        run.cut(4, 5);
        run.converges(HEAL_LIMIT);
        run.falls_silent();
        run.is_right();
    });
}

#[test]
fn parts_of_a_cluster_go_on_and_grow_together_again() {
    scenario("faults::parts_of_a_cluster_go_on_and_grow_together_again", 2, |start| {
        let mut run = start.cluster("ring", 8);
        run.settles();
        run.cut(0, 1);
        run.cut(4, 5);
        run.converges(HEAL_LIMIT);
        assert_eq!(run.world.map().distance(1, 5), None);
        run.is_right();
        // Both parts change while they are apart.
        run.cut(2, 3);
        run.converges(HEAL_LIMIT);
        run.heal(2, 3);
        run.converges(HEAL_LIMIT);
        run.falls_silent();
        run.heal(0, 1);
        run.heal(4, 5);
        run.converges(HEAL_LIMIT);
        run.is_right();
        run.falls_silent();
    });
}

#[test]
fn a_router_that_dies_is_left_and_comes_back() {
    scenario("faults::a_router_that_dies_is_left_and_comes_back", 2, |start| {
        for death in [Death::Process, Death::Power] {
            let mut run = start.cluster("circulant:1,3", 12);
            run.settles();
            run.world.apply(Fault::Kill { router: 5, death });
            run.converges(HEAL_LIMIT);
            run.is_right();
            run.world.apply(Fault::Restart { router: 5 });
            run.converges(HEAL_LIMIT);
            run.is_right();
            run.falls_silent();
        }
    });
}

#[test]
fn a_router_that_restarts_at_once_is_not_mistaken_for_its_old_self() {
    let name = "faults::a_router_that_restarts_at_once_is_not_mistaken_for_its_old_self";
    scenario(name, 3, |start| {
        let mut run = start.cluster("ring", 5);
        run.settles();
        for router in [1, 3] {
            run.world.apply(Fault::Kill { router, death: Death::Process });
            run.world.run_for(Duration::from_millis(200));
            run.world.apply(Fault::Restart { router });
            run.world.run_for(Duration::from_millis(500));
        }
        run.converges(HEAL_LIMIT);
        run.is_right();
        run.falls_silent();
    });
}

/// A packet without an answer for the host of another router; `number` makes it a flow of its own.
pub fn datagram(source: Ipv6Addr, destination: Ipv6Addr, number: u16) -> Vec<u8> {
    let header = UdpHeader { source_port: 1000 + number, destination_port: 9 };
    let payload = header.encode(source, destination, &number.to_be_bytes());
    let header = Ipv6Header {
        traffic_class: 0,
        flow_label: u32::from(number),
        payload_length: u16::try_from(payload.len()).unwrap(),
        next_header: NEXT_UDP,
        hop_limit: 64,
        source,
        destination,
    };
    let mut writer = Writer::default();
    header.encode(&mut writer);
    writer.put(&payload);
    writer.into_vec()
}

#[test]
fn a_planned_stop_loses_nothing_that_is_on_its_way() {
    scenario("faults::a_planned_stop_loses_nothing_that_is_on_its_way", 3, |start| {
        const PACKETS: u16 = 800;
        let mut run = start.cluster("ring", 4);
        run.settles();
        run.world.take_host_packets(2);
        let (source, destination) = (run.world.setup().loopback(0), run.world.setup().loopback(2));
        let through = |world: &World| world.node(1).map_or(0, |node| node.counts().came_in());
        let before = through(&run.world);
        for number in 0..PACKETS {
            if number == 50 {
                assert!(through(&run.world) - before > 10, "some go through router 1");
                run.world.apply(Fault::Stop { router: 1 });
            }
            let packet = datagram(source, destination, number);
            run.world.send_from_host(0, &packet);
            run.world.run_for(Duration::from_millis(1));
        }
        run.world.run_for(Duration::from_millis(50));
        assert!(run.world.node(1).is_none(), "it has ended");
        assert_eq!(run.world.take_host_packets(2).len(), usize::from(PACKETS));
        run.converges(CUT_LIMIT);
        run.is_right();
        run.falls_silent();
        run.world.apply(Fault::Restart { router: 1 });
        run.converges(HEAL_LIMIT);
        run.is_right();
        run.falls_silent();
    });
}

#[test]
fn a_port_that_is_closed_is_left_at_once_by_both_ends() {
    scenario("faults::a_port_that_is_closed_is_left_at_once_by_both_ends", 2, |start| {
        for end in Direction::ALL {
            let mut run = start.cluster("ring", 6);
            run.settles();
            let link = run.link(2, 3);
            run.world.apply(Fault::Detach { link, end });
            run.converges(CUT_LIMIT);
            run.is_right();
            run.falls_silent();
            run.world.apply(Fault::Attach { link, end });
            run.converges(HEAL_LIMIT);
            run.is_right();
            run.falls_silent();
        }
    });
}

#[test]
fn another_cost_in_the_configuration_keeps_every_adjacency() {
    scenario("faults::another_cost_in_the_configuration_keeps_every_adjacency", 2, |start| {
        let mut run = start.cluster("circulant:1,3", 10);
        run.settles();
        let since = run.world.now();
        for cost in [30, 3, 10] {
            run.world.apply(Fault::Reconfigure { router: 4, cost });
            run.converges(HEAL_LIMIT);
            run.is_right();
        }
        run.falls_silent();
        assert!((0..10).all(|router| !run.has_said(router, "ospf.neighbor", since)));
    });
}
