//! Readers look up without a pause while the writer changes the table and drops old versions.

use super::{Change, burst};
use crate::base::ids::GroupId;
use crate::base::prefix::Ipv6Prefix;
use crate::base::prng::Prng;
use crate::base::rcu::{Publisher, Reader};
use crate::fib::oracle::Oracle;
use crate::fib::table::Fib;
use core::net::Ipv6Addr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const VERSIONS: u64 = 500;
const READERS: u64 = 2;
/// Routes that the changes choose from.
const PREFIXES: u64 = 200;
/// Old versions that the writer keeps and looks into, at most.
const KEPT_MAX: usize = 8;

/// A table and what it should answer.
#[derive(Clone, Default)]
struct Version {
    fib: Fib,
    oracle: Oracle,
}

impl Version {
    fn change(&mut self, changes: &[Change]) {
        self.fib.apply(changes);
        self.oracle.apply(changes);
    }

    /// One burst of addresses, each answer held against the oracle.
    fn check(&self, prng: &mut Prng) {
        let addresses: Vec<u128> = (0..16).map(|_| address(prng)).collect();
        for (address, group) in addresses.iter().zip(burst(&self.fib, &addresses)) {
            let expected = self.oracle.lookup(*address);
            assert_eq!(group, expected, "at {}", Ipv6Addr::from_bits(*address));
            assert_eq!(self.fib.lookup(*address), expected);
        }
    }
}

/// One of the prefixes: nested ones in a few blocks, so that covers and neighbours change.
fn prefix(prng: &mut Prng) -> Ipv6Prefix {
    let mut own = Prng::new(prng.below(PREFIXES) + 1);
    let lengths = [0, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 128];
    let length = lengths[usize::try_from(own.below(14)).unwrap()];
    Ipv6Prefix::containing(Ipv6Addr::from_bits(address(&mut own)), length)
}

/// An address whose bits differ in few places from those of others.
fn address(prng: &mut Prng) -> u128 {
    let places = [126, 108, 99, 96, 90, 84, 77, 70, 65, 64, 50, 1, 0];
    let bits = places.iter().filter(|_| prng.below(4) == 0);
    bits.fold(0x2001_0db8 << 96, |address, place| address ^ 1_u128 << place)
}

fn changes(prng: &mut Prng) -> Vec<Change> {
    // Now and then many at once.
    let count = if prng.below(50) == 0 { 150 } else { 1 + prng.below(12) };
    let one = |prng: &mut Prng| {
        let group = GroupId(u16::try_from(1 + prng.below(60)).unwrap());
        (prefix(prng), (prng.below(5) > 1).then_some(group))
    };
    (0..count).map(|_| one(prng)).collect()
}

fn read(mut reader: Reader<Version>, seed: u64, stop: &AtomicBool, count: &AtomicU64) {
    let mut prng = Prng::new(seed);
    while !stop.load(Ordering::Relaxed) {
        reader.enter().check(&mut prng);
        count.fetch_add(1, Ordering::Relaxed);
        std::thread::yield_now();
        if prng.below(100) == 0 {
            reader.park();
        }
    }
}

fn write(mut publisher: Publisher<Version>, count: &AtomicU64) {
    let mut prng = Prng::new(7);
    let mut newest = Version::default();
    let mut kept: Vec<Version> = Vec::new();
    for number in 0..VERSIONS {
        newest.change(&changes(&mut prng));
        publisher.publish(newest.clone());
        publisher.reclaim();
        // Old versions outlive newer ones, and go in any order; changes of one do not show in it.
        if kept.len() < KEPT_MAX {
            kept.push(newest.clone());
        }
        let place = usize::try_from(prng.below(KEPT_MAX as u64)).unwrap();
        if let Some(version) = kept.get(place) {
            version.check(&mut prng);
            kept.swap_remove(place);
        }
        // Now and then an older one goes on: everything is built anew, in lines of its own.
        if prng.below(200) == 0
            && let Some(version) = kept.pop()
        {
            newest = version;
        }
        // Readers that see no version of their own prove nothing.
        while count.load(Ordering::Relaxed) < number / 10 {
            std::thread::yield_now();
        }
    }
    while publisher.pending() > 0 {
        publisher.reclaim();
        std::thread::yield_now();
    }
}

#[test]
fn every_answer_is_that_of_the_version_that_was_asked() {
    let mut publisher = Publisher::new(Version::default());
    let readers: Vec<_> = (0..READERS).map(|_| publisher.reader().unwrap()).collect();
    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let (stop, count) = (&stop, &count);
        for (seed, reader) in (1..).zip(readers) {
            scope.spawn(move || read(reader, seed, stop, count));
        }
        // Stops the readers also when it fails.
        let writer = scope.spawn(move || write(publisher, count));
        let outcome = writer.join();
        stop.store(true, Ordering::Relaxed);
        assert!(outcome.is_ok(), "the writer has failed");
    });
    println!("{} bursts against {VERSIONS} versions", count.load(Ordering::Relaxed));
}
