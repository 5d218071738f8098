//! A router that looks at itself.

use super::*;
use crate::api::show::SelfCheckRow;
use crate::base::route::{RouteBody, RouteSource, RouteTarget, RouteUpdate};
use crate::control::self_check::INTERVAL;

impl Bench {
    /// A router whose calculations are done.
    fn settled() -> Self {
        let mut bench = Self::new("");
        bench.plane.handle_timeout(NOW + Duration::from_secs(1));
        bench.drain();
        bench
    }

    fn check(&mut self) -> SelfCheckRow {
        let query = ShowQuery::SelfCheck;
        match self.input(Input::Query { id: 1, query, after: None }).pop() {
            Some(ShowReply::SelfCheck(row)) => row,
            other => unreachable!("what was found: {other:?}"),
        }
    }

    /// A route in the table that OSPF never announced.
    fn insert_stray(&mut self) {
        let prefix = "fd4b:756d:696b:9::/64".parse().unwrap();
        let route = Some(RouteBody::new(1, RouteTarget::Blackhole));
        let update = RouteUpdate { prefix, source: RouteSource::Ospf, route };
        self.plane.rib.apply(update).unwrap();
        self.input(Input::Flush);
    }
}

#[test]
fn who_asks_hears_what_was_wrong_and_the_next_one_that_it_is_right() {
    let mut bench = Bench::settled();
    let right = bench.check();
    assert_eq!((right.is_complete, right.wrong_count()), (true, 0));
    assert_eq!(right.prefix_count, 2, "loopback and adjacencies");
    bench.insert_stray();
    bench.events.clear();
    let wrong = bench.check();
    assert_eq!((wrong.wrong_table_count, wrong.wrong_count()), (1, 1));
    assert_eq!(wrong.first_wrong, Some("fd4b:756d:696b:9::/64".parse().unwrap()));
    assert_eq!(bench.events, ["control.self_check"]);
    assert_eq!(bench.check(), right);
    assert!(!bench.routes().iter().any(|row| row.source == RouteSource::Ospf));
    assert_eq!(bench.plane.counters.self_check_faults, 1);
}

#[test]
fn a_router_looks_at_itself_every_minute() {
    let mut bench = Bench::settled();
    bench.insert_stray();
    let look = |bench: &mut Bench, at: Instant| {
        // A part each time.
        for _ in 0..20 {
            let Some(next) = bench.plane.self_check.deadline().filter(|next| *next <= at) else {
                break;
            };
            bench.plane.handle_timeout(next);
        }
    };
    look(&mut bench, NOW + INTERVAL * 9 / 10);
    assert_eq!(bench.plane.counters.self_checks, 0);
    assert!(bench.plane.next_deadline().is_some_and(|at| at <= NOW + INTERVAL));
    bench.plane.handle_timeout(NOW + INTERVAL);
    assert_eq!(bench.plane.counters.self_checks, 0, "others work between two looks");
    look(&mut bench, NOW + INTERVAL + Duration::from_secs(1));
    assert_eq!(bench.plane.counters.self_checks, 1);
    assert_eq!(bench.plane.counters.self_check_faults, 1);
    bench.drain();
    look(&mut bench, NOW + INTERVAL * 2 + Duration::from_secs(1));
    assert_eq!(bench.plane.counters.self_checks, 2);
    assert_eq!(bench.plane.counters.self_check_faults, 1, "set right");
}
