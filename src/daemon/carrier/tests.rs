//! Claims about carrier, told by a kernel and drivers that are made up.

use super::*;
use crate::base::ids::MacAddress;
use crate::daemon::devices::DeviceStats;
use crate::os::netlink::LinkEvent;
use core::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug)]
struct Driver(AtomicBool);

impl DeviceStats for Driver {
    fn losses(&self) -> Vec<(&'static str, u64, &'static str)> {
        Vec::new()
    }

    fn missed(&self) -> u64 {
        0
    }

    fn is_up(&self) -> Option<bool> {
        Some(self.0.load(Ordering::Relaxed))
    }
}

fn port(number: u16, ifindex: Option<u32>, driver: &Arc<Driver>) -> WatchedPort {
    WatchedPort {
        port: PortId(number),
        ifindex,
        stats: Arc::<Driver>::clone(driver),
        carrier: Carrier::Up,
    }
}

fn link(ifindex: u32, name: &str, is_up: bool) -> LinkEvent {
    let name = name.to_owned();
    let mac = MacAddress::default();
    LinkEvent { ifindex, name, is_up, mtu: 9000, mac, is_removed: false }
}

/// What is said of port 1 with interface v1, number 7, as these things are heard.
fn said(heard: &[Heard]) -> Vec<Carrier> {
    let mut watch = CarrierWatch::on(None);
    watch.watch(port(1, Some(7), &Arc::new(Driver(AtomicBool::new(true)))));
    let mut said = Vec::new();
    for heard in heard {
        watch.hear(heard, |_, carrier| {
            said.push(carrier);
            true
        });
    }
    said
}

fn changes(links: Vec<LinkEvent>) -> Heard {
    Heard { links, is_complete: false }
}

#[test]
fn an_interface_made_again_under_the_name_is_another_one() {
    let removed = LinkEvent { is_removed: true, ..link(7, "v1", false) };
    let heard = [changes(vec![link(7, "v1", false), removed]), changes(vec![link(9, "v1", true)])];
    assert_eq!(said(&heard), [Carrier::Down, Carrier::Gone]);
}

#[test]
fn an_interface_that_is_not_in_a_complete_list_is_gone() {
    let complete = |links| Heard { links, is_complete: true };
    assert_eq!(said(&[complete(vec![link(7, "v1", true)])]), []);
    assert_eq!(said(&[complete(vec![link(9, "v1", true)])]), [Carrier::Gone]);
    assert_eq!(said(&[changes(vec![link(9, "v1", false)])]), []);
}

#[test]
fn an_interface_with_a_new_name_is_the_same_one() {
    assert_eq!(said(&[changes(vec![link(7, "v8", false)])]), [Carrier::Down]);
}

#[test]
fn what_could_not_be_said_is_said_again() {
    let mut watch = CarrierWatch::on(None);
    watch.watch(port(1, Some(7), &Arc::new(Driver(AtomicBool::new(true)))));
    let gone = Heard { links: Vec::new(), is_complete: true };
    let mut said = Vec::new();
    for has_room in [false, true, true] {
        watch.hear(&gone, |_, carrier| {
            said.push((carrier, has_room));
            has_room
        });
    }
    assert_eq!(said, [(Carrier::Gone, false), (Carrier::Gone, true)]);
}

#[test]
fn a_driver_is_asked_within_ten_milliseconds_again() {
    let driver = Arc::new(Driver(AtomicBool::new(true)));
    let mut watch = CarrierWatch::on(None);
    assert_eq!(watch.due_at(), None, "nobody to ask");
    watch.watch(port(3, None, &driver));
    let mut said = Vec::new();
    let mut say = |port, carrier| {
        said.push((port, carrier));
        true
    };
    watch.ask_drivers(|| Instant::from_millis(100), &mut say);
    driver.0.store(false, Ordering::Relaxed);
    assert_eq!(watch.due_at(), Some(Instant::from_millis(110)));
    watch.ask_drivers(|| Instant::from_millis(110), &mut say);
    watch.ask_drivers(|| Instant::from_millis(120), &mut say);
    assert_eq!(said, [(PortId(3), Carrier::Down)]);
}

#[test]
fn slow_drivers_are_asked_less_often_and_one_slow_answer_is_forgiven() {
    let driver = Arc::new(Driver(AtomicBool::new(true)));
    let mut watch = CarrierWatch::on(None);
    watch.watch(port(0, None, &driver));
    let now = Cell::new(Instant::ZERO);
    // Each look at the clock comes `step` after the one before.
    let mut ask = |step: Duration| {
        let clock = || now.replace(now.get() + step);
        watch.ask_drivers(clock, |_, _| true);
        let due_at = watch.due_at().unwrap();
        let pause = due_at + step - now.get();
        now.set(due_at);
        pause
    };
    assert_eq!(ask(Duration::from_millis(8)), Duration::from_millis(100));
    assert_eq!(ask(Duration::from_micros(3)), ASK_INTERVAL);
    let pauses: Vec<_> = (0..64).map(|_| ask(Duration::from_millis(2))).collect();
    assert!(pauses[63] > Duration::from_millis(199) && pauses[63] <= Duration::from_millis(200));
    for _ in 0..64 {
        assert!(ask(Duration::from_millis(50)) <= ASK_INTERVAL_MAX);
    }
}
