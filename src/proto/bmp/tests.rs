//! A station that reads, one that does not, and one that is not there.

use super::limits::{
    CONNECT_TIME_MAX, IN_FLIGHT_OCTETS_MAX, ITEM_OCTETS_MAX, ITEMS_MAX, RECONNECT_TIME_MAX,
    RECONNECT_TIME_MIN, STALL_TIME_MAX,
};
use super::*;
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::{Duration, Instant};

const START: Instant = Instant::from_millis(1000);

fn actions(station: &mut Station) -> Vec<Action> {
    core::iter::from_fn(|| station.poll_action()).collect()
}

fn up() -> Station {
    let mut station = Station::new(START);
    station.handle(START, Input::Start);
    station.handle(START, Input::Connected);
    assert_eq!(actions(&mut station), [Action::Connect, Action::Begin]);
    station
}

#[test]
fn what_waits_leaves_in_its_order_and_only_while_there_is_room() {
    let mut station = up();
    let best = Item::Best(Ipv6Prefix::DEFAULT);
    station.push(START, Item::Octets(vec![1]));
    station.push(START, best.clone());
    assert_eq!(station.peek(), Some(&Item::Octets(vec![1])));
    assert_eq!((station.pop(), station.pop()), (Some(Item::Octets(vec![1])), Some(best)));
    assert!(station.is_drained() && station.has_room());
    station.send(START, vec![0; IN_FLIGHT_OCTETS_MAX]);
    assert!(!station.has_room());
    station.handle(START, Input::Sent { octet_count: 1 });
    assert!(station.has_room());
}

#[test]
fn a_station_that_reads_nothing_is_given_up_and_tried_again_later() {
    let mut station = up();
    station.send(START, vec![1]);
    actions(&mut station);
    let at = START + STALL_TIME_MAX;
    assert_eq!(station.next_deadline(), Some(at));
    station.handle_timeout(at);
    assert_eq!(actions(&mut station), [Action::Close, Action::End(Failure::Stalled)]);
    assert_eq!(station.view().counters.stalled, 1);
    station.handle_timeout(at + RECONNECT_TIME_MIN);
    assert_eq!(actions(&mut station), [Action::Connect]);
}

#[test]
fn more_than_may_wait_ends_the_connection_and_frees_the_queue() {
    let mut station = up();
    for _ in 0..=ITEMS_MAX {
        station.push(START, Item::Best(Ipv6Prefix::DEFAULT));
    }
    assert_eq!(actions(&mut station), [Action::Close, Action::End(Failure::Overflow)]);
    assert_eq!((station.view().waiting_count, station.view().counters.overflowed), (0, 1));
    let mut station = up();
    station.push(START, Item::Octets(vec![0; ITEM_OCTETS_MAX + 1]));
    assert_eq!(actions(&mut station), [Action::Close, Action::End(Failure::Overflow)]);
    station.push(START, Item::Octets(vec![1]));
    assert!(station.is_drained(), "nothing is kept for who is not there");
}

#[test]
fn waits_double_up_to_their_most_and_begin_anew_with_one_that_reads() {
    let mut station = Station::new(START);
    station.handle(START, Input::Start);
    let mut waits = Vec::new();
    let mut now = START;
    for _ in 0..7 {
        station.handle(now, Input::ConnectFailed);
        let at = station.next_deadline().unwrap();
        waits.push(at - now);
        now = at;
        station.handle_timeout(now);
    }
    assert_eq!(waits[..3], [30, 60, 120].map(Duration::from_secs));
    assert_eq!(waits.last(), Some(&RECONNECT_TIME_MAX));
    station.handle(now, Input::Connected);
    station.send(now, vec![1, 2]);
    station.handle(now, Input::Sent { octet_count: 2 });
    station.handle(now, Input::Closed);
    assert_eq!(station.next_deadline(), Some(now + RECONNECT_TIME_MIN));
}

#[test]
fn a_connection_that_does_not_come_up_is_given_up() {
    let mut station = Station::new(START);
    station.handle(START, Input::Start);
    actions(&mut station);
    station.handle_timeout(START + CONNECT_TIME_MAX);
    assert_eq!(actions(&mut station), [Action::Close, Action::End(Failure::Connect)]);
}

#[test]
fn a_station_that_is_stopped_hears_the_last_word() {
    let mut station = up();
    station.handle(START, Input::Stop(vec![7]));
    assert_eq!(actions(&mut station), [Action::Send { octets: vec![7] }, Action::Close]);
    assert_eq!(station.next_deadline(), None);
}
