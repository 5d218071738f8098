//! What ends sessions of BGP besides BGP: BFD, the carrier, the configuration.

use super::*;
use crate::proto::bgp::transport::Failure;
use crate::wire::bfd::{Diagnostic, State};

const NEIGHBOR: &str =
    "[[neighbor]]\naddress = \"2001:db8:f::2\"\nmac = \"02:00:00:00:00:01\"\nport = \"up\"\n";

fn peer_address() -> Ipv6Addr {
    "2001:db8:f::2".parse().unwrap()
}

fn watched(place: usize) -> Config {
    let mut config = config_of(place, if place == 0 { NEIGHBOR } else { "" });
    config.bgp.as_mut().unwrap().neighbors[0].keys.bfd = Some(true);
    config
}

impl Edges {
    /// Edge 0 watches its neighbour.
    fn watching() -> Self {
        let mut edges = Self::new("");
        edges.configure(0, watched(0));
        edges.reach(1, true);
        edges.run(SOON);
        assert_eq!(edges.state(0), "Established");
        edges
    }

    fn state(&mut self, place: usize) -> String {
        self.summary(place).neighbors[0].state.clone()
    }

    fn orders(&mut self) -> Vec<bfd::Order> {
        let orders = core::mem::take(&mut self.bfd);
        orders.into_iter().filter(|(place, _)| *place == 0).map(|(_, order)| order).collect()
    }

    /// A worker of edge 0 reports.
    fn bfd_says(&mut self, state: State, is_failed: bool) {
        let second = Duration::from_secs(1);
        let view = bfd::View {
            state,
            remote_state: state,
            diagnostic: Diagnostic::NONE,
            remote_diagnostic: Diagnostic::NONE,
            discriminator: 7,
            remote_discriminator: 8,
            is_failed,
            is_silent: false,
            since: self.now,
            transmit_interval: Some(second),
            receive_interval: second,
            detection_time: second,
            multiplier: 3,
            remote_multiplier: 3,
            is_polling: false,
            is_authenticated: false,
        };
        let report = bfd::Report { port: PortId(1), neighbor: peer_address(), view };
        self.tell(0, Input::Bfd(Box::new(report)));
    }
}

#[test]
fn bfd_is_wanted_once_the_session_is_up_and_holds_nothing_back() {
    let mut edges = Edges::watching();
    let orders = edges.orders();
    let [bfd::Order::Want(wanted)] = orders.as_slice() else { unreachable!("{orders:?}") };
    assert_eq!((wanted.port, wanted.neighbor), (PortId(1), peer_address()));
    assert_eq!(wanted.local, "2001:db8:f::1".parse::<Ipv6Addr>().unwrap());
    assert_eq!((wanted.settings.key, wanted.settings.multiplier), (None, 3));
    assert_eq!(wanted.settings.required_min_rx, Duration::from_millis(300));
    edges.run(SOON);
    assert_eq!(edges.state(0), "Established", "a neighbour without BFD is as good");
    assert_eq!(edges.summary(0).neighbors[0].bfd.as_deref(), Some("Down"));
}

#[test]
fn a_session_ends_when_bfd_fails_and_its_routes_go_with_it() {
    let mut edges = Edges::watching();
    edges.bfd_says(State::Up, false);
    assert_eq!(edges.paths(0).len(), 1);
    let lookup = "fd00:0:2::5";
    assert!(matches!(edges.group(0, lookup), NextHopGroup::Forward { .. }));
    edges.bfd_says(State::Down, true);
    edges.tell(0, Input::Flush);
    // RFC 5882 §10.2: at once, although graceful restart was agreed on.
    assert!(matches!(edges.group(0, lookup), NextHopGroup::Unreachable));
    let row = &edges.summary(0).neighbors[0];
    assert_eq!(row.lost_count, 1);
    assert!(row.last_down.as_deref().is_some_and(|why| why.contains("BFD down")), "{row:?}");
    // BFD goes on, and BGP comes up again without it.
    assert!(edges.orders().iter().all(|order| !matches!(order, bfd::Order::End { .. })));
    edges.run(SOON);
    assert_eq!(edges.state(0), "Established");
}

#[test]
fn bfd_that_is_switched_off_at_the_other_end_is_no_failure() {
    let mut edges = Edges::watching();
    edges.bfd_says(State::Up, false);
    edges.bfd_says(State::Down, false);
    edges.run(Duration::from_secs(1));
    assert_eq!((edges.state(0).as_str(), edges.paths(0).len()), ("Established", 1));
}

#[test]
fn the_configuration_takes_bfd_away_and_leaves_the_session_alone() {
    let mut edges = Edges::watching();
    edges.orders();
    edges.configure(0, config_of(0, NEIGHBOR));
    assert_eq!(edges.orders(), [bfd::Order::End { port: PortId(1) }]);
    assert_eq!(
        (edges.state(0).as_str(), edges.summary(0).neighbors[0].lost_count),
        ("Established", 0)
    );
    edges.configure(0, watched(0));
    assert!(matches!(edges.orders().as_slice(), [bfd::Order::Want(_)]));
}

#[test]
fn a_session_falls_with_the_carrier_and_comes_back_with_it() {
    let mut edges = Edges::watching();
    let port = PortId(1);
    edges.tell(0, Input::Carrier { port, is_up: false });
    edges.tell(0, Input::Flush);
    let row = &edges.summary(0).neighbors[0];
    assert_eq!((row.lost_count, row.accepted_count), (1, 0), "{row:?}");
    assert!(edges.paths(0).is_empty());
    assert_eq!(edges.said(0, "bgp.link"), ["BGP with peer ends: up has lost its carrier"]);
    edges.tell(0, Input::Carrier { port, is_up: true });
    edges.run(Duration::from_secs(2));
    assert_eq!((edges.state(0).as_str(), edges.paths(0).len()), ("Established", 1));
}

#[test]
fn a_neighbor_within_the_as_outlives_the_carrier_of_a_port() {
    let mut edges = Edges::new("");
    for place in 0..2 {
        let mut config = config_of(place, "");
        let bgp = config.bgp.as_mut().unwrap();
        bgp.asn = 64512;
        bgp.neighbors[0].keys.asn = Some(crate::config::schema::BgpRemoteAs::Internal);
        edges.configure(place, config);
    }
    edges.run(SOON);
    assert_eq!(edges.state(0), "Established");
    edges.tell(0, Input::Carrier { port: PortId(1), is_up: false });
    assert_eq!(edges.state(0), "Established", "there may be another way");
}

#[test]
fn what_changes_nothing_that_was_agreed_on_leaves_the_session_alone() {
    let mut edges = Edges::new("");
    edges.reach(1, true);
    edges.run(SOON);
    let mut config = config_of(0, "");
    let neighbor = &mut config.bgp.as_mut().unwrap().neighbors[0];
    neighbor.description = Some("across the street".to_owned());
    neighbor.keys.max_prefix = Some(10);
    neighbor.keys.max_prefix_warning_percent = Some(50);
    neighbor.keys.import = Some("cheap".to_owned());
    edges.configure(0, config.clone());
    edges.run(Duration::from_secs(1));
    let row = edges.summary(0).neighbors[0].clone();
    assert_eq!((row.state.as_str(), row.lost_count, row.accepted_count), ("Established", 0, 1));
    assert_eq!(edges.paths(0)[0].med, Some(7), "the other policy holds");
    // What is agreed on in OPENs needs another session.
    let keys = &mut config.bgp.as_mut().unwrap().neighbors[0].keys;
    keys.hold_time = Some(Duration::from_secs(30));
    edges.configure(0, config);
    edges.run(SOON);
    let row = &edges.summary(0).neighbors[0];
    assert_eq!((row.state.as_str(), row.hold_time_ms), ("Established", Some(30_000)));
}

#[test]
fn a_neighbor_that_nobody_can_connect_to_is_said_once_and_tried_again() {
    let mut edges = Edges::new("");
    edges.run(Duration::from_secs(1));
    let local = "[2001:db8:f::1]:179".parse().unwrap();
    let before = edges.listens[0];
    for _ in 0..2 {
        let report = Report::Deaf { local, failure: Failure::System(98) };
        edges.tell(0, Input::Bgp(Box::new(report)));
    }
    let said = edges.said(0, "bgp.deaf");
    assert!(said.len() == 1 && said[0].contains("another BGP daemon"), "{said:?}");
    let reason = edges.summary(0).neighbors[0].reason.clone();
    assert!(reason.is_some_and(|reason| reason.contains("cannot connect to [2001:db8:f::1]:179")));
    edges.run(Duration::from_secs(11));
    assert_eq!(edges.listens[0], before + 1);
    edges.run(Duration::from_secs(11));
    assert_eq!(edges.said(0, "bgp.deaf").len(), 1, "it works again");
    assert_eq!(edges.summary(0).neighbors[0].reason, None);
    edges.run(Duration::from_secs(30));
    assert_eq!(edges.listens[0], before + 1, "nothing is tried any more");
}

#[test]
fn a_neighbor_with_nearly_too_many_routes_is_warned_of_once() {
    let mut edges = Edges::new("");
    let mut config = config_of(0, "");
    let keys = &mut config.bgp.as_mut().unwrap().neighbors[0].keys;
    (keys.max_prefix, keys.max_prefix_warning_percent) = (Some(10), Some(80));
    keys.max_prefix_restart_time = Some(Duration::from_secs(60));
    edges.configure(0, config);
    edges.run(SOON);
    let prefix = |number: u16| {
        Ipv6Prefix::containing(Ipv6Addr::new(0x2001, 0xdb9, number, 0, 0, 0, 0, 0), 48)
    };
    edges.originate_all(1, (0..7).map(prefix));
    edges.run(Duration::from_secs(1));
    assert!(edges.said(0, "bgp.many_paths").is_empty());
    edges.originate_all(1, (7..9).map(prefix));
    edges.run(Duration::from_secs(1));
    let said = edges.said(0, "bgp.many_paths");
    assert!(said.len() == 1 && said[0].contains("of 10 that it may have"), "{said:?}");
    edges.originate_all(1, (9..12).map(prefix));
    edges.run(Duration::from_secs(1));
    let said = edges.said(0, "bgp.refused");
    assert!(said.len() == 1 && said[0].contains("tried again in 60 s"), "{said:?}");
    assert_eq!(edges.state(0), "Idle");
    // Fewer again by then.
    let now = edges.now;
    let (speaker, _) = edges.planes[1].bgp.parts().unwrap();
    (4..12).for_each(|number| speaker.ribs_mut().withdraw_origin(prefix(number)));
    speaker.touch(now);
    edges.run(Duration::from_secs(120));
    assert_eq!((edges.state(0).as_str(), edges.paths(0).len()), ("Established", 4));
}

#[test]
fn another_export_policy_takes_back_and_tells_without_a_new_session() {
    let mut edges = Edges::new("");
    edges.reach(0, true);
    edges.run(SOON);
    assert_eq!(edges.paths(1).len(), 1);
    let mut config = config_of(0, "");
    let mut none = config.policies[0].clone();
    (none.name, none.default) = ("none".to_owned(), crate::config::schema::PolicyDefault::Reject);
    config.policies.push(none);
    for (export, count) in [("none", 0), ("cheap", 1), ("none", 0), ("all", 1)] {
        config.bgp.as_mut().unwrap().neighbors[0].keys.export = Some(export.to_owned());
        edges.configure(0, config.clone());
        edges.run(Duration::from_secs(1));
        assert_eq!(edges.paths(1).len(), count, "{export}");
        assert_eq!(edges.summary(0).neighbors[0].advertised_count, count as u64);
    }
    assert_eq!(edges.summary(0).neighbors[0].lost_count, 0);
}
