//! A station that reads, one that does not, and one that is not there.

use super::limits::{
    CONNECT_TIME_MAX, IN_FLIGHT_OCTETS_MAX, MESSAGE_OCTETS_MAX, NAMES_MAX, RECONNECT_TIME_MAX,
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

fn best(number: u128) -> Name {
    let address = core::net::Ipv6Addr::from_bits(0x2001 << 112 | number);
    Name::Best(Ipv6Prefix::containing(address, 128))
}

#[test]
fn messages_leave_before_names_and_only_while_there_is_room() {
    let mut station = up();
    station.push_name(best(2));
    station.push_name(best(1));
    station.push_message(START, vec![1]);
    let items: Vec<Item> = core::iter::from_fn(|| station.pop()).collect();
    assert_eq!(items, [Item::Message(vec![1]), Item::Name(best(2)), Item::Name(best(1))]);
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
fn what_flaps_waits_once_and_comes_again_when_it_was_told() {
    let mut station = up();
    for _ in 0..2 {
        for _ in 0..=NAMES_MAX {
            station.push_name(best(1));
        }
        assert_eq!(station.view().waiting_count, 1);
        assert_eq!(station.pop(), Some(Item::Name(best(1))));
        assert!(station.is_drained());
    }
    assert_eq!((actions(&mut station), station.view().counters.overflowed), (vec![], 0));
}

#[test]
fn more_news_than_may_wait_are_everything_from_the_beginning() {
    let mut station = up();
    (0..=NAMES_MAX as u128).for_each(|number| station.push_name(best(number)));
    assert_eq!(actions(&mut station), [Action::Renew]);
    assert_eq!((station.view().waiting_count, station.view().counters.renewed), (0, 1));
    station.push_name(best(1));
    assert_eq!((station.pop(), station.is_up()), (Some(Item::Name(best(1))), true));
}

#[test]
fn more_messages_than_may_wait_end_the_connection() {
    let mut station = up();
    station.push_message(START, vec![0; MESSAGE_OCTETS_MAX]);
    station.push_name(best(1));
    assert_eq!(actions(&mut station), []);
    station.push_message(START, vec![0]);
    assert_eq!(actions(&mut station), [Action::Close, Action::End(Failure::Overflow)]);
    assert_eq!((station.view().waiting_count, station.view().counters.overflowed), (0, 1));
    station.push_message(START, vec![1]);
    station.push_name(best(1));
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
