//! Sessions that the control plane wants, and what OSPF makes of theirs.

use super::*;
use crate::api::show::{BfdRow, OspfNeighborRow};
use crate::proto::bfd::{Order, Report, View};
use crate::wire::bfd::{Diagnostic, State};

/// Two routers with a cable between their ports 1.
struct Pair([Bench; 2]);

fn blocks(bfd: &str) -> String {
    format!("{bfd}[[port]]\ndevice = \"af_packet:p1\"\nname = \"p1\"\nrole = \"fabric\"\n")
}

impl Pair {
    fn new(bfd: &str) -> Self {
        let bench = |number: u8| {
            let mut bench = Bench::blank();
            let mut config = config(&blocks(bfd));
            config.cluster.as_mut().expect("a cluster").number = u16::from(number);
            bench.input(Input::Configure(Box::new(config)));
            let mut attached = port(1, PortRole::Fabric);
            attached.mac = MacAddress([2, 0, 0, 0, number, 1]);
            bench.attach(attached);
            bench
        };
        let mut pair = Self([bench(1), bench(2)]);
        pair.run();
        pair
    }

    /// Carries frames until nobody says anything.
    fn run(&mut self) {
        while self.0.iter().any(|bench| !bench.frames.is_empty()) {
            for end in 0..2 {
                for (port, bytes) in core::mem::take(&mut self.0[end].frames) {
                    self.0[1 - end].input(Input::Frame { port, bytes });
                }
            }
        }
    }

    fn neighbor(&self) -> Ipv6Addr {
        MacAddress([2, 0, 0, 0, 2, 1]).link_local()
    }

    /// A worker of the first router reports.
    fn report(&mut self, state: State, is_failed: bool, is_silent: bool) {
        let second = crate::base::time::Duration::from_secs(1);
        let view = View {
            state,
            remote_state: state,
            diagnostic: match is_failed {
                true => Diagnostic::DETECTION_TIME_EXPIRED,
                false => Diagnostic::NONE,
            },
            remote_diagnostic: Diagnostic::NONE,
            discriminator: 7,
            remote_discriminator: 8,
            is_failed,
            is_silent,
            since: NOW,
            transmit_interval: Some(second),
            receive_interval: second,
            detection_time: second,
            multiplier: 3,
            remote_multiplier: 3,
            is_polling: false,
            is_authenticated: false,
        };
        let report = Report { port: PortId(1), neighbor: self.neighbor(), view };
        self.0[0].input(Input::Bfd(Box::new(report)));
        self.run();
    }

    fn orders(&mut self) -> Vec<Order> {
        core::mem::take(&mut self.0[0].orders)
    }

    fn is_adjacent(&self) -> bool {
        let neighbors = self.0[0].plane.ospf.neighbors();
        neighbors.iter().any(|neighbor| neighbor.state == crate::proto::ospf::NeighborState::Full)
    }
}

#[test]
fn a_session_is_wanted_with_the_mac_of_the_hello_once_a_neighbour_is_heard() {
    let mut pair = Pair::new("");
    let orders = pair.orders();
    let [Order::Want(wanted)] = orders.as_slice() else { unreachable!("{orders:?}") };
    assert_eq!((wanted.port, wanted.neighbor), (PortId(1), pair.neighbor()));
    assert_eq!(wanted.mac, MacAddress([2, 0, 0, 0, 2, 1]));
    assert_eq!(wanted.settings.desired_min_tx, Duration::from_millis(50));
    assert_eq!((wanted.settings.multiplier, wanted.settings.key), (3, None));
    assert!(pair.is_adjacent(), "BFD that is not Up yet holds nothing back");
}

#[test]
fn changes_of_the_configuration_reach_the_session_that_runs() {
    let mut pair = Pair::new("");
    pair.report(State::Up, false, false);
    pair.orders();
    let mut change = |text: &str| {
        let mut config = config(&blocks(text));
        config.cluster.as_mut().expect("a cluster").number = 1;
        pair.0[0].input(Input::Configure(Box::new(config)));
        pair.orders()
    };
    assert_eq!(change(""), [], "nothing new is not ordered");
    let orders = change("[bfd]\ninterval_ms = 20\nmultiplier = 5\n");
    let [Order::Want(wanted)] = orders.as_slice() else { unreachable!("{orders:?}") };
    assert_eq!(wanted.settings.required_min_rx, Duration::from_millis(20));
    assert_eq!(wanted.settings.multiplier, 5);
    assert_eq!(change("[bfd]\nenabled = false\n"), [Order::End { port: PortId(1) }]);
    assert!(matches!(change("").as_slice(), [Order::Want(_)]));
}

#[test]
fn a_port_may_say_otherwise_than_bfd() {
    let mut pair = Pair::new("[bfd]\nenabled = false\n");
    assert_eq!(pair.orders(), []);
    let mut attached = port(1, PortRole::Fabric);
    attached.mac = MacAddress([2, 0, 0, 0, 1, 1]);
    attached.settings.bfd.enabled = Some(true);
    attached.settings.bfd.interval = Some(Duration::from_millis(300));
    pair.0[0].attach(attached);
    let orders = pair.orders();
    let [Order::Want(wanted)] = orders.as_slice() else { unreachable!("{orders:?}") };
    assert_eq!(wanted.settings.desired_min_tx, Duration::from_millis(300));
}

#[test]
fn a_failure_takes_the_adjacency_and_keeps_the_session() {
    let mut pair = Pair::new("");
    pair.report(State::Up, false, false);
    pair.orders();
    pair.report(State::Down, true, false);
    assert!(!pair.is_adjacent());
    assert_eq!(pair.orders(), [], "it can only come back while it goes on");
    assert!(pair.0[0].events.iter().any(|topic| topic == "bfd.session"));
    // Hellos still come.
    pair.0[1]
        .plane
        .ospf
        .handle(NOW, crate::proto::ospf::Input::Carrier { port: PortId(1), is_up: true });
    pair.run();
    assert!(!pair.is_adjacent());
}

#[test]
fn a_session_that_an_administrator_ended_takes_nothing() {
    let mut pair = Pair::new("");
    pair.report(State::Up, false, false);
    pair.report(State::Down, false, false);
    assert!(pair.is_adjacent());
}

#[test]
fn a_session_that_never_came_up_takes_nothing() {
    let mut pair = Pair::new("");
    pair.report(State::Down, false, true);
    assert!(pair.is_adjacent());
}

#[test]
fn sessions_are_shown_with_their_last_fall() {
    let mut pair = Pair::new("");
    pair.report(State::Up, false, false);
    pair.report(State::Down, true, false);
    let query = Input::Query { id: 1, query: ShowQuery::Bfd, after: None };
    let Some(ShowReply::Bfd(rows)) = pair.0[0].input(query).pop() else {
        unreachable!("an answer about BFD")
    };
    assert_eq!((rows[0].port.as_str(), rows[0].state.as_str()), ("p1", "Down"));
    assert_eq!((rows[0].down_count, rows[0].is_failed), (1, true));
    let reason = rows[0].last_down.as_ref().map(|down| down.reason.as_str());
    assert_eq!(reason, Some("control detection time expired"));
}

fn neighbor_rows(bench: &mut Bench) -> Vec<OspfNeighborRow> {
    let query = Input::Query { id: 1, query: ShowQuery::OspfNeighbor, after: None };
    match bench.input(query).pop() {
        Some(ShowReply::OspfNeighbor(rows)) => rows,
        other => unreachable!("an answer about neighbours, not {other:?}"),
    }
}

fn bfd_rows(bench: &mut Bench) -> Vec<BfdRow> {
    let query = Input::Query { id: 1, query: ShowQuery::Bfd, after: None };
    match bench.input(query).pop() {
        Some(ShowReply::Bfd(rows)) => rows,
        other => unreachable!("an answer about BFD, not {other:?}"),
    }
}

/// State, problem and who was there before, of the only row.
fn only(mut rows: Vec<OspfNeighborRow>) -> (String, String, Option<RouterId>) {
    assert_eq!(rows.len(), 1, "one port, one row");
    let Some(row) = rows.pop() else { unreachable!("one row") };
    assert_eq!(row.router_id.is_some(), row.address.is_some());
    (row.state, row.problem.unwrap_or_default(), row.last.map(|last| last.router_id))
}

#[test]
fn a_fabric_port_without_a_neighbour_has_a_row_with_the_reason() {
    let mut pair = Pair::new("");
    pair.report(State::Up, false, false);
    assert_eq!(only(neighbor_rows(&mut pair.0[0])).0, "Full");
    pair.0[0].input(Input::Carrier { port: PortId(1), is_up: false });
    let other = Some(RouterId(0x0a00_0002));
    let (state, problem, last) = only(neighbor_rows(&mut pair.0[0]));
    assert!(state == "Down" && problem.starts_with("no carrier"), "{problem}");
    assert_eq!(last, other);
    let rows = bfd_rows(&mut pair.0[0]);
    assert_eq!((rows[0].state.as_str(), rows[0].reason.as_deref()), ("none", Some("no carrier")));
    assert_eq!((rows.len(), rows[0].address, rows[0].down_count), (1, None, 0));
    pair.0[0].frames.clear();
    pair.0[0].input(Input::Carrier { port: PortId(1), is_up: true });
    let (_, problem, last) = only(neighbor_rows(&mut pair.0[0]));
    assert_eq!((problem.as_str(), last), ("no hello is heard any more", other));
    let reason = bfd_rows(&mut pair.0[0]).pop().and_then(|row| row.reason);
    assert_eq!(reason.as_deref(), Some("no hello of a neighbour is heard"));
}

#[test]
fn a_port_that_fell_silent_says_that_bfd_failed() {
    let mut pair = Pair::new("");
    pair.report(State::Up, false, false);
    pair.report(State::Down, true, false);
    let (state, problem, last) = only(neighbor_rows(&mut pair.0[0]));
    assert!(state == "Down" && problem.starts_with("BFD failed"), "{problem}");
    assert_eq!(last, Some(RouterId(0x0a00_0002)));
}

#[test]
fn a_port_that_never_heard_anybody_asks_for_a_router_there() {
    let mut pair = Pair::new("");
    let mut attached = port(2, PortRole::Fabric);
    attached.mac = MacAddress([2, 0, 0, 0, 1, 2]);
    pair.0[0].attach(attached);
    let rows = neighbor_rows(&mut pair.0[0]);
    assert_eq!((rows.len(), rows[0].state.as_str()), (2, "Full"));
    assert!(rows[1].port == "p2" && rows[1].last.is_none());
    assert!(rows[1].problem.as_ref().is_some_and(|text| text.starts_with("no hello was heard")));
}

#[test]
fn sessions_leave_before_ospf_does() {
    let mut pair = Pair::new("");
    pair.orders();
    pair.0[0].input(Input::Shutdown);
    assert_eq!(pair.orders(), [Order::Leave]);
}

#[test]
fn a_port_that_is_gone_has_no_session() {
    let mut pair = Pair::new("");
    pair.report(State::Up, false, false);
    pair.orders();
    pair.0[0].input(Input::PortDetached(PortId(1)));
    assert_eq!(pair.orders(), [Order::End { port: PortId(1) }]);
    // What was under way is not heard.
    pair.report(State::Down, true, false);
    assert_eq!(pair.orders(), []);
}
