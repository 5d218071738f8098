//! Claims about publication: with real threads, and as loom models under `--cfg loom`.

use super::*;

#[cfg(not(loom))]
mod real {
    use super::*;
    use core::sync::atomic::{AtomicBool, AtomicUsize};
    use std::thread;

    /// Counts its drops and remembers on which thread they may happen.
    struct Canary {
        value: u64,
        drops: Arc<AtomicUsize>,
        owner: thread::ThreadId,
    }

    impl Drop for Canary {
        fn drop(&mut self) {
            assert_eq!(thread::current().id(), self.owner, "dropped on a reader's thread");
            self.value = u64::MAX;
            self.drops.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn canaries() -> (Arc<AtomicUsize>, impl Fn(u64) -> Canary) {
        let drops = Arc::new(AtomicUsize::new(0));
        let made = Arc::clone(&drops);
        let owner = thread::current().id();
        (drops, move |value| Canary { value, drops: Arc::clone(&made), owner })
    }

    #[test]
    fn a_reader_sees_the_newest_value() {
        let mut publisher = Publisher::new(1_u64);
        let mut reader = publisher.reader().unwrap();
        assert_eq!(*reader.enter(), 1);
        publisher.publish(2);
        publisher.publish(Box::new(3));
        assert_eq!((*reader.enter(), *publisher.current(), *publisher.oldest()), (3, 3, 1));
    }

    #[test]
    fn a_value_lives_until_every_unparked_reader_has_moved_on() {
        let (drops, canary) = canaries();
        let mut publisher = Publisher::new(canary(0));
        let mut fast = publisher.reader().unwrap();
        let mut slow = publisher.reader().unwrap();
        let held = slow.enter();
        assert_eq!(fast.enter().value, 0);
        publisher.publish(canary(1));
        publisher.publish(canary(2));
        assert_eq!(fast.enter().value, 2);
        assert_eq!((publisher.reclaim(), publisher.pending()), (0, 2));
        assert_eq!((held.value, publisher.oldest().value), (0, 0));
        slow.park();
        assert_eq!((publisher.reclaim(), publisher.pending()), (2, 0));
        assert_eq!((drops.load(Ordering::Relaxed), publisher.oldest().value), (2, 2));
    }

    #[test]
    fn slots_of_dropped_readers_are_used_again_and_bounded() {
        let mut publisher = Publisher::new(0_u8);
        let mut readers: Vec<_> = (0..READER_MAX).map(|_| publisher.reader().unwrap()).collect();
        assert_eq!(publisher.reader().err(), Some(ReadersExhausted));
        readers.pop();
        assert!(publisher.reader().is_ok());
    }

    #[test]
    fn dropping_the_publisher_last_frees_everything() {
        let (drops, canary) = canaries();
        let mut publisher = Publisher::new(canary(0));
        let mut reader = publisher.reader().unwrap();
        reader.enter();
        publisher.publish(canary(1));
        drop((reader, publisher));
        assert_eq!(drops.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn readers_outlive_the_publisher_unharmed() {
        let mut publisher = Publisher::new(7_u64);
        let mut reader = publisher.reader().unwrap();
        drop(publisher);
        assert_eq!(*reader.enter(), 7);
        // The value is left behind on purpose; give it back so that leak checkers stay quiet.
        let value = reader.shared.newest.current.load(Ordering::Acquire);
        drop(reader);
        // SAFETY: publisher and reader are gone and neither freed it.
        drop(unsafe { Box::from_raw(value) });
    }

    #[test]
    fn threads_see_values_in_order_and_none_is_read_after_its_end() {
        const PUBLICATIONS: u64 = 20_000;
        let (drops, canary) = canaries();
        let mut publisher = Publisher::new(canary(0));
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for park_every in [0_u64, 3] {
                let mut reader = publisher.reader().unwrap();
                let stop = &stop;
                scope.spawn(move || {
                    let (mut last, mut loops) = (0, 0_u64);
                    while !stop.load(Ordering::Relaxed) {
                        let value = reader.enter().value;
                        assert!(value >= last && value <= PUBLICATIONS, "{last} then {value}");
                        last = value;
                        loops += 1;
                        if park_every != 0 && loops.is_multiple_of(park_every) {
                            reader.park();
                        }
                    }
                });
            }
            for value in 1..=PUBLICATIONS {
                publisher.publish(canary(value));
                publisher.reclaim();
            }
            stop.store(true, Ordering::Relaxed);
        });
        publisher.reclaim();
        assert_eq!(publisher.pending(), 0, "all readers are gone");
        drop(publisher);
        assert_eq!(drops.load(Ordering::Relaxed) as u64, PUBLICATIONS + 1);
    }
}

/// The models. A [`Cell`] is written when made and when dropped and read by readers: loom fails
/// when a read is not ordered after the making and before the dropping.
#[cfg(loom)]
mod model {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::thread;

    struct Cell(UnsafeCell<u64>);

    // SAFETY: loom's cell reports every access that is not ordered, which is what the models are
    // for.
    unsafe impl Sync for Cell {}

    impl Cell {
        fn new(value: u64) -> Self {
            Self(UnsafeCell::new(value))
        }

        fn read(&self) -> u64 {
            // SAFETY: loom panics before the access if it races.
            self.0.with(|value| unsafe { *value })
        }
    }

    impl Drop for Cell {
        fn drop(&mut self) {
            // SAFETY: as above.
            self.0.with_mut(|value| unsafe { *value = u64::MAX });
        }
    }

    /// One publication is reclaimed while a reader goes its way; then the rest.
    fn explore(read: fn(&mut Reader<Cell>), publications: u64) {
        loom::model(move || {
            let mut publisher = Publisher::new(Cell::new(0));
            let mut reader = publisher.reader().unwrap();
            let thread = thread::spawn(move || read(&mut reader));
            for value in 1..=publications {
                publisher.publish(Cell::new(value));
                publisher.reclaim();
            }
            publisher.reclaim();
            thread.join().unwrap();
            publisher.reclaim();
            assert_eq!(publisher.pending(), 0);
        });
    }

    fn enter(reader: &mut Reader<Cell>) -> u64 {
        let value = reader.enter().read();
        assert_ne!(value, u64::MAX, "read after the end");
        value
    }

    fn enter_once(reader: &mut Reader<Cell>) {
        enter(reader);
    }

    #[test]
    fn a_reader_that_wakes_up_never_sees_a_freed_value() {
        explore(enter_once, 2);
    }

    #[test]
    fn a_reader_that_moves_on_never_sees_a_freed_value() {
        explore(
            |reader| {
                let first = enter(reader);
                let second = enter(reader);
                assert!(first <= second, "{first} then {second}");
            },
            2,
        );
    }

    #[test]
    fn a_reader_that_parks_and_wakes_never_sees_a_freed_value() {
        explore(
            |reader| {
                enter(reader);
                reader.park();
                enter(reader);
            },
            1,
        );
    }

    #[test]
    fn two_readers_hold_a_value_each_on_their_own() {
        // Three threads have too many interleavings to see all; those with up to three forced
        // switches are a second's work.
        let mut bounded = loom::model::Builder::new();
        bounded.preemption_bound = Some(3);
        bounded.check(|| {
            let mut publisher = Publisher::new(Cell::new(0));
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let mut reader = publisher.reader().unwrap();
                    thread::spawn(move || enter_once(&mut reader))
                })
                .collect();
            publisher.publish(Cell::new(1));
            publisher.reclaim();
            for thread in threads {
                thread.join().unwrap();
            }
            assert!(publisher.reclaim() <= 1 && publisher.pending() == 0);
        });
    }

    #[test]
    fn a_slot_taken_again_keeps_the_order_of_its_last_reader() {
        loom::model(|| {
            let mut publisher = Publisher::new(Cell::new(0));
            let mut reader = publisher.reader().unwrap();
            let thread = thread::spawn(move || enter_once(&mut reader));
            publisher.publish(Cell::new(1));
            let others: Vec<_> = (0..READER_MAX).map_while(|_| publisher.reader().ok()).collect();
            // No `reclaim`, whose fence would order it as well.
            drop(others);
            drop(publisher);
            thread.join().unwrap();
        });
    }

    #[test]
    fn a_publisher_that_goes_first_leaves_the_value() {
        loom::model(|| {
            let mut publisher = Publisher::new(Cell::new(0));
            let mut reader = publisher.reader().unwrap();
            let thread = thread::spawn(move || enter_once(&mut reader));
            drop(publisher);
            thread.join().unwrap();
        });
    }
}
