//! A table that went wrong is found by the database, and announced anew.

use super::harness::Network;
use crate::base::prefix::Ipv6Prefix;
use crate::proto::ospf::calculate::RoutingTable;
use crate::proto::ospf::{Action, Input};

#[test]
fn a_table_that_nothing_happened_to_is_what_the_database_says() {
    let mut network = Network::ring(5, 1);
    assert_eq!(network.routers[0].verify(), None, "it has not begun");
    network.seconds(10);
    network.assert_converged();
    for router in &mut network.routers {
        assert_eq!(router.verify(), Some(Vec::new()));
    }
    network.input(0, Input::Shutdown);
    assert_eq!(network.routers[0].verify(), None, "who leaves forwards as before");
}

#[test]
fn a_table_that_forgot_everything_is_found_and_announced_anew() {
    let mut network = Network::ring(5, 1);
    network.seconds(10);
    let router = &mut network.routers[0];
    let before = router.announcements();
    router.table = RoutingTable::default();
    let wrong = router.verify().unwrap();
    let prefixes: Vec<Ipv6Prefix> = before.keys().copied().collect();
    assert_eq!(wrong, prefixes);
    let actions = core::iter::from_fn(|| router.actions.pop_front());
    let announced = actions.filter(|action| matches!(action, Action::Route(_))).count();
    assert_eq!(announced, prefixes.len());
    assert_eq!(router.announcements(), before);
    assert_eq!(router.verify(), Some(Vec::new()));
}
