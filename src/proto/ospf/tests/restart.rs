//! Graceful restarts from both sides (RFC 3623, RFC 5187).

use super::harness::{Network, address, id, settings};
use crate::base::ids::PortId;
use crate::base::time::{Duration, Instant};
use crate::proto::ospf::lsdb::{Entry, Place, Scope};
use crate::proto::ospf::machine::Timer;
use crate::proto::ospf::{
    BACKBONE, BfdVerdict, HelpEnd, HelpRefusal, Input, NeighborState, Notice, RestartEnd,
};
use crate::wire::ospf::lsa::MAX_AGE_S;
use crate::wire::ospf::packet::ALL_SPF_ROUTERS;
use crate::wire::ospf::{
    GraceLsa, GraceReason, LinkStateUpdate, LsType, Lsa, LsaBody, LsaKey, Packet, PacketBody,
    SequenceNumber,
};

const GRACE: Duration = Duration::from_secs(13);
/// Grace-LSAs have arrived, and nothing after them.
const ANNOUNCED: Duration = Duration::from_micros(150);

fn ring(count: usize) -> Network {
    let mut network = Network::ring(count, 5);
    network.seconds(5);
    network.assert_converged();
    network.changes.clear();
    network
}

/// What others said of neighbours since.
fn changes_elsewhere(network: &Network, router: usize) -> usize {
    network.changes.iter().filter(|(who, _)| *who != router).count()
}

fn ends(network: &Network, router: usize) -> Vec<RestartEnd> {
    let notices = network.notices.iter().filter(|(who, _)| *who == router);
    let ends = notices.filter_map(|(_, notice)| match notice {
        Notice::RestartEnded { end } => Some(*end),
        _ => None,
    });
    ends.collect()
}

fn help_ends(network: &Network, router: usize) -> Vec<HelpEnd> {
    let notices = network.notices.iter().filter(|(who, _)| *who == router);
    let ends = notices.filter_map(|(_, notice)| match notice {
        Notice::HelpEnded { end, .. } => Some(*end),
        _ => None,
    });
    ends.collect()
}

fn grace_lsa_count(network: &Network) -> usize {
    let all = network.routers.iter().flat_map(|router| router.database(network.now));
    all.filter(|lsa| lsa.kind == "grace").count()
}

#[test]
fn neighbours_notice_nothing_of_a_graceful_restart() {
    let mut network = ring(5);
    let runs: Vec<u64> = network.routers.iter().map(|router| router.run_count()).collect();
    network.crash(2, GRACE);
    network.seconds(3);
    network.assert_converged();
    assert_eq!(ends(&network, 2), [RestartEnd::Completed]);
    assert_eq!(changes_elsewhere(&network, 2), 0);
    for router in [0, 1, 3, 4] {
        assert_eq!(network.routers[router].run_count(), runs[router], "at {router}");
    }
    for helper in [1, 3] {
        assert_eq!(help_ends(&network, helper), [HelpEnd::Completed]);
        assert_eq!(network.routers[helper].counters().help_completed, 1);
    }
    assert_eq!(grace_lsa_count(&network), 0, "Grace-LSAs are flushed");
}

#[test]
fn a_restart_is_over_before_a_hello_interval_is() {
    let mut network = ring(4);
    network.crash(0, GRACE);
    assert!(network.routers[0].is_restarting());
    network.run(Duration::from_millis(50));
    assert!(!network.routers[0].is_restarting());
    network.assert_converged();
}

#[test]
fn after_a_restart_a_failure_is_calculated_as_soon_as_everybody_else_does() {
    let mut network = ring(4);
    network.crash(0, GRACE);
    network.run(Duration::from_millis(200));
    assert!(!network.routers[0].is_restarting());
    assert_eq!(network.routers[0].spf().backoff, "quiet");
    network.assert_converged();
}

#[test]
fn nothing_but_grace_lsas_leaves_a_port_before_they_are_acknowledged() {
    let mut network = ring(3);
    network.cut((0, 0), true);
    network.crash(0, GRACE);
    network.run(Duration::from_millis(190));
    let sent = network.routers[0].counters().sent;
    network.run(Duration::from_millis(20));
    assert!(network.routers[0].counters().sent > sent, "hellos begin where nobody answers");
    assert!(network.routers[0].is_restarting());
}

#[test]
fn a_restart_goes_well_where_packets_are_lost() {
    for seed in 0..20 {
        let mut network = Network::ring(4, seed);
        network.seconds(5);
        network.changes.clear();
        network.loss = 20;
        network.crash(1, GRACE);
        network.seconds(12);
        network.loss = 0;
        network.seconds(20);
        network.assert_converged();
        assert_eq!(ends(&network, 1).len(), 1, "seed {seed}");
        assert_eq!(grace_lsa_count(&network), 0, "seed {seed}");
    }
}

#[test]
fn one_restart_after_the_other_is_helped() {
    let mut network = ring(4);
    for _ in 0..3 {
        network.crash(1, GRACE);
        network.run(Duration::from_millis(300));
    }
    network.seconds(1);
    network.assert_converged();
    assert_eq!(changes_elsewhere(&network, 1), 0);
    assert_eq!(network.routers[0].counters().help_completed, 3);
}

#[test]
fn a_control_plane_that_fails_again_while_it_is_helped_is_helped_on() {
    let mut network = ring(4);
    network.crash(1, GRACE);
    network.run(ANNOUNCED);
    network.crash(1, GRACE);
    network.seconds(2);
    network.assert_converged();
    assert_eq!(changes_elsewhere(&network, 1), 0);
}

#[test]
fn without_help_a_restart_is_given_up_at_once() {
    let mut network = ring(4);
    let Input::Settings(mut own) = settings(2) else { unreachable!() };
    own.helps_restarts = false;
    network.input(2, Input::Settings(own));
    network.crash(1, GRACE);
    network.seconds(2);
    network.assert_converged();
    assert_eq!(ends(&network, 1), [RestartEnd::Inconsistent]);
    let refused =
        Notice::HelpRefused { port: PortId(1), router_id: id(1), why: HelpRefusal::Policy };
    assert!(network.notices.contains(&(2, refused)));
    assert_eq!(network.routers[2].counters().help_refused, 1);
}

#[test]
fn two_neighbours_that_restart_at_once_find_each_other() {
    let mut network = ring(4);
    network.crash(1, GRACE);
    network.crash(2, GRACE);
    network.seconds(3);
    network.assert_converged();
    for router in [1, 2] {
        assert_eq!(ends(&network, router), [RestartEnd::Completed]);
    }
    let elsewhere = network.changes.iter().filter(|(who, _)| [0, 3].contains(who)).count();
    assert_eq!(elsewhere, 0);
}

#[test]
fn a_neighbour_that_does_not_come_back_is_helped_for_its_grace_period() {
    let mut network = ring(4);
    network.crash(1, GRACE);
    network.run(ANNOUNCED);
    network.cut((1, 0), true);
    network.cut((1, 1), true);
    network.seconds(12);
    assert_eq!(network.state(0, 0), NeighborState::Full, "longer than a dead interval");
    assert_eq!(changes_elsewhere(&network, 1), 0);
    let view = &network.routers[0].neighbors()[0];
    assert!(view.helped.is_some_and(|helped| helped.until > network.now));
    network.seconds(3);
    assert_eq!(network.state(0, 0), NeighborState::Down);
    assert_eq!(help_ends(&network, 0), [HelpEnd::Expired]);
    assert_eq!(ends(&network, 1), [RestartEnd::NeighborLost], "nobody was heard");
    assert_eq!(network.routers[0].counters().help_expired, 1);
}

#[test]
fn help_ends_when_the_topology_changes() {
    let mut network = ring(6);
    network.crash(1, GRACE);
    network.run(ANNOUNCED);
    network.cut((1, 0), true);
    network.cut((1, 1), true);
    network.seconds(1);
    assert_eq!(network.state(0, 0), NeighborState::Full);
    network.cut((3, 0), false);
    network.run(Duration::from_millis(10));
    for (helper, port) in [(0, 0), (2, 1)] {
        assert_eq!(help_ends(&network, helper), [HelpEnd::TopologyChanged]);
        // Its hellos are awaited as those of any neighbour are.
        assert_eq!(network.state(helper, port), NeighborState::Full);
    }
    network.seconds(4);
    assert_eq!(network.state(0, 0), NeighborState::Down);
}

#[test]
fn a_restart_is_given_up_when_the_topology_changes() {
    let mut network = ring(6);
    network.cut((1, 1), true);
    network.crash(1, GRACE);
    network.run(Duration::from_millis(300));
    assert!(network.routers[1].is_restarting(), "a neighbour is missing");
    assert_eq!(network.state(1, 0), NeighborState::Full);
    network.cut((3, 0), false);
    network.run(Duration::from_millis(10));
    assert_eq!(ends(&network, 1), [RestartEnd::TopologyChanged]);
    network.heal((3, 0));
    network.heal((1, 1));
    network.seconds(20);
    network.assert_converged();
}

#[test]
fn carrier_and_bfd_end_help_at_once() {
    for has_bfd in [false, true] {
        let mut network = ring(4);
        network.crash(1, GRACE);
        network.run(ANNOUNCED);
        match has_bfd {
            true => network.input(0, Input::Bfd { port: PortId(0), verdict: BfdVerdict::Failed }),
            false => network.cut((1, 1), false),
        }
        assert_eq!(network.state(0, 0), NeighborState::Down);
        assert_eq!(help_ends(&network, 0), [HelpEnd::NeighborLost]);
    }
}

#[test]
fn a_router_that_leaves_while_it_restarts_takes_everything_back() {
    let mut network = ring(4);
    network.cut((1, 1), true);
    network.crash(1, GRACE);
    network.run(Duration::from_millis(300));
    assert!(network.routers[1].is_restarting());
    network.input(1, Input::Shutdown);
    network.seconds(1);
    let left = network.routers[2].database(network.now);
    assert!(left.iter().all(|lsa| lsa.router != id(1)), "{left:?}");
    assert_eq!(ends(&network, 1), [RestartEnd::Leaving]);
    assert_eq!(network.routers[1].counters().restarts_abandoned, 1);
}

#[test]
fn a_router_that_is_renamed_while_it_restarts_gives_the_restart_up() {
    let mut network = ring(4);
    network.cut((1, 1), true);
    network.crash(1, GRACE);
    network.input(1, settings(7));
    let timers = &network.routers[1].timers;
    assert!(!timers.is_set(Timer::Restart) && !timers.is_set(Timer::Grace(PortId(1))));
    assert_eq!(ends(&network, 1), [RestartEnd::Renamed]);
    assert_eq!(network.routers[1].counters().restarts_abandoned, 1);
    network.heal((1, 1));
    network.seconds(10);
    network.assert_converged();
}

#[test]
fn a_restart_without_time_or_too_late_is_none() {
    let mut network = ring(3);
    network.input(0, Input::Restart { until: network.now + GRACE });
    assert!(!network.routers[0].is_restarting(), "it has spoken already");
    network.crash(0, Duration::ZERO);
    assert!(!network.routers[0].is_restarting());
    network.input(1, Input::Restart { until: Instant::ZERO });
    network.seconds(10);
    network.assert_converged();
}

/// Lets router 1 send an LSA to router 0, whatever became of the cable.
fn deliver(network: &mut Network, lsa: Lsa) {
    let body = PacketBody::LinkStateUpdate(LinkStateUpdate { lsas: vec![lsa] });
    let packet = Packet { router_id: id(1), area: BACKBONE, instance_id: 0, body };
    let (source, destination) = (address((1, 1)), ALL_SPF_ROUTERS);
    let bytes = packet.encode(source, destination);
    network.input(0, Input::Packet { port: PortId(0), source, destination, bytes });
}

#[test]
fn help_that_is_over_before_the_neighbour_is_full_is_not_counted_as_completed() {
    let mut network = ring(4);
    network.crash(1, GRACE);
    network.run(ANNOUNCED);
    network.cut((1, 0), true);
    network.cut((1, 1), true);
    let router = &mut network.routers[0];
    let is_grace = |(place, _): &(&Place, &Entry)| {
        place.0 == Scope::Link(PortId(0)) && place.1.ls_type == LsType::GRACE
    };
    let (_, grace) = router.lsdb.iter().find(is_grace).unwrap();
    let flushed = grace.as_installed().at_age(MAX_AGE_S);
    let interface = router.interfaces.get_mut(&PortId(0)).unwrap();
    interface.neighbor.as_mut().unwrap().state = NeighborState::Loading;
    deliver(&mut network, flushed);
    network.seconds(1);
    assert_eq!(help_ends(&network, 0), []);
    network.run(Duration::from_millis(1100));
    assert_eq!(help_ends(&network, 0), [HelpEnd::Unfinished]);
    let counters = network.routers[0].counters();
    assert_eq!((counters.help_completed, counters.help_unfinished), (0, 1));
}

#[test]
fn a_router_that_is_no_neighbour_is_not_helped_and_counted() {
    let mut network = ring(3);
    let key = LsaKey { ls_type: LsType::GRACE, advertising_router: id(9), link_state_id: 1 };
    let body = LsaBody::Grace(GraceLsa { period_s: 60, reason: GraceReason::UNKNOWN });
    let lsa = Lsa::build(key, SequenceNumber::INITIAL, 1, &body).unwrap();
    deliver(&mut network, lsa.clone());
    assert_eq!(network.routers[0].counters().help_refused, 1);
    network.seconds(1);
    deliver(&mut network, lsa.at_age(MAX_AGE_S));
    assert_eq!(network.routers[0].counters().help_refused, 1);
}
