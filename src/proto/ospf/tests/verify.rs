//! A table that went wrong is found by the database, and announced anew.

use super::harness::Network;
use crate::base::prefix::Ipv6Prefix;
use crate::proto::ospf::calculate::RoutingTable;
use crate::proto::ospf::{Action, Input, Ospf, Verified};

/// All parts of a look; `None` while there is nothing to compare.
fn verify(router: &mut Ospf) -> Option<Vec<Ipv6Prefix>> {
    loop {
        match router.verify(usize::MAX) {
            Verified::Nothing => return None,
            Verified::Part => {}
            Verified::All(wrong) => return Some(wrong),
        }
    }
}

#[test]
fn a_look_is_taken_lsa_by_lsa_and_begins_anew_after_a_calculation() {
    let mut network = Network::ring(5, 1);
    network.seconds(10);
    let router = &mut network.routers[0];
    let count = router.lsdb.shared(None).count();
    assert!(count >= 10);
    let parts = count + 4;
    for part in 0..parts {
        assert_eq!(router.verify(1), Verified::Part, "{part}");
    }
    network.cut((2, 0), false);
    network.seconds(1);
    let router = &mut network.routers[0];
    for part in 0..parts {
        assert_eq!(router.verify(1), Verified::Part, "{part}");
    }
    assert_eq!(router.verify(1), Verified::All(Vec::new()));
}

#[test]
fn a_table_that_nothing_happened_to_is_what_the_database_says() {
    let mut network = Network::ring(5, 1);
    assert_eq!(verify(&mut network.routers[0]), None, "it has not begun");
    network.seconds(10);
    network.assert_converged();
    for router in &mut network.routers {
        assert_eq!(verify(router), Some(Vec::new()));
    }
    network.input(0, Input::Shutdown);
    assert_eq!(verify(&mut network.routers[0]), None, "who leaves forwards as before");
}

#[test]
fn a_table_that_forgot_everything_is_found_and_announced_anew() {
    let mut network = Network::ring(5, 1);
    network.seconds(10);
    let router = &mut network.routers[0];
    let before = router.announcements();
    router.table = RoutingTable::default();
    let wrong = verify(router).unwrap();
    let prefixes: Vec<Ipv6Prefix> = before.keys().copied().collect();
    assert_eq!(wrong, prefixes);
    let actions = core::iter::from_fn(|| router.actions.pop_front());
    let announced = actions.filter(|action| matches!(action, Action::Route(_))).count();
    assert_eq!(announced, prefixes.len());
    assert_eq!(router.announcements(), before);
    assert_eq!(verify(router), Some(Vec::new()));
}
