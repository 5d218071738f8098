//! What a worker does when nothing comes.

use crate::packets::udp;
use crate::router::Router;
use kumiki::base::time::Duration;
use kumiki::dataplane::lcore::{EMPTY_LOOPS_MAX, SLEEP_MAX};
use kumiki::dataplane::{IdlePolicy, IdleWait, Injected, Ring};
use kumiki::packet::HeapBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Counts the waits; during the first one the control thread injects a packet.
struct Waiter {
    waits: u32,
    inject: Arc<Ring<Injected<HeapBuf>>>,
    was_woken: bool,
}

impl IdleWait for Waiter {
    fn wait(&mut self, at_most: Duration) {
        assert_eq!(at_most, SLEEP_MAX);
        self.waits += 1;
        if self.waits == 1 {
            let packet = HeapBuf::new(&udp("2001:db8:2::1", 5));
            assert!(self.inject.push(Injected::Packet { packet }).is_ok());
            self.was_woken = self.inject.must_wake();
        }
    }
}

fn idle(policy: IdlePolicy, loops: u32) -> (Router, Waiter) {
    let mut router = Router::new();
    let inject = Arc::clone(&router.rings.inject);
    let mut waiter = Waiter { waits: 0, inject, was_woken: false };
    router.run_loop(policy, loops, &AtomicBool::new(false), &mut waiter);
    (router, waiter)
}

#[test]
fn an_adaptive_worker_sleeps_after_empty_loops_and_wakes_for_a_packet() {
    // Empty loops, two looks and a sleep, a packet, empty loops, two looks and a second sleep.
    let (router, waiter) = idle(IdlePolicy::Adaptive, 2 * EMPTY_LOOPS_MAX + 5);
    assert_eq!((waiter.waits, router.counts().sleeps), (2, 2));
    assert!(waiter.was_woken, "the writer was told that the worker sleeps");
    assert!(!router.rings.inject.must_wake(), "awake again");
    assert_eq!(router.sent(2).len(), 1);
}

#[test]
fn a_busy_worker_never_sleeps() {
    let (router, waiter) = idle(IdlePolicy::Busy, 10 * EMPTY_LOOPS_MAX);
    assert_eq!((waiter.waits, router.counts().sleeps), (0, 0));
    assert_eq!(router.counts().idle_loops, u64::from(10 * EMPTY_LOOPS_MAX));
}

#[test]
fn a_worker_that_is_told_to_stop_stops() {
    let mut router = Router::new();
    let inject = Arc::clone(&router.rings.inject);
    let mut waiter = Waiter { waits: 0, inject, was_woken: false };
    let stop = AtomicBool::new(true);
    router.run_loop(IdlePolicy::Adaptive, 1, &stop, &mut waiter);
    assert!(stop.load(Ordering::Relaxed));
    assert_eq!(router.counts().loops, 0);
}
