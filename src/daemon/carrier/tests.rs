//! Claims about carrier, told by a kernel and drivers that are made up.

use super::*;
use crate::daemon::devices::DeviceStats;
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

fn port(number: u16, interface: Option<&str>, driver: &Arc<Driver>) -> WatchedPort {
    WatchedPort {
        port: PortId(number),
        interface: interface.map(str::to_owned),
        stats: Arc::<Driver>::clone(driver),
        is_up: true,
    }
}

#[test]
fn a_driver_is_asked_within_ten_milliseconds_again() {
    let driver = Arc::new(Driver(AtomicBool::new(true)));
    let mut watch = CarrierWatch::on(None);
    assert_eq!(watch.due_at(), None, "nobody to ask");
    watch.watch(port(3, None, &driver));
    let mut said = Vec::new();
    let mut say = |port, is_up| {
        said.push((port, is_up));
        true
    };
    watch.ask_drivers(|| Instant::from_millis(100), &mut say);
    driver.0.store(false, Ordering::Relaxed);
    assert_eq!(watch.due_at(), Some(Instant::from_millis(110)));
    watch.ask_drivers(|| Instant::from_millis(110), &mut say);
    watch.ask_drivers(|| Instant::from_millis(120), &mut say);
    assert_eq!(said, [(PortId(3), false)]);
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
