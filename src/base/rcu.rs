//! Publication: one thread writes whole values, many threads read the newest without waiting.
//!
//! Owns [`Publisher`] (one, on the control thread) and [`Reader`] (one per worker):
//! read-copy-update with quiescent states. What is published, and how often, belongs to the owner;
//! so does calling [`Publisher::reclaim`] now and then.
//!
//! *Invariants*: a value is freed on the publisher's thread, and only when no reader can hold it. A
//! reader never waits, never allocates and writes one word of its own, only when there is news.
//!
//! # Why it is sound: the memory-order argument
//!
//! Shared words: `current` (the newest value), `epoch` (its number) and for each reader a `slot`,
//! which holds the epoch at which the reader last looked, or `PARKED`, or `FREE`; both of these are
//! greater than every epoch.
//!
//! - *publish*: (P1) swap `current`; (P2) store `epoch + 1` with release. The old value is retired
//!   with this new epoch as its stamp.
//! - *enter*: (R1) load `epoch` with acquire; (R2) store it in the slot with release; (R3) when the
//!   slot said `PARKED` before, a sequentially consistent fence; (R4) load `current` with acquire.
//! - *reclaim*: (C1) a sequentially consistent fence; (C2) load all slots with acquire; free what
//!   is retired with a stamp of at most their minimum.
//!
//! Let a value be retired with stamp `s`, and let reclaim read `v >= s` in a slot:
//!
//! 1. *`v` is an epoch.* The reader stored it at R2 after it read an epoch of at least `s` at R1,
//!    which P2 wrote after the swap P1: P2 to R1 is a release-acquire pair, so R4 and every later
//!    load of the reader see that swap or a newer one, never the retired value. Whatever the reader
//!    did with the retired value in earlier loops stands before R2 in its program, and R2 to C2 is
//!    a release-acquire pair, so all of it happens before the free.
//! 2. *`v` is `PARKED` or `FREE`.* What the reader did before it parked happens before the free, by
//!    the same pair (the stores of `PARKED` and `FREE` are releases; who takes a free slot for a
//!    new reader acquires first). It may be waking up at this moment: its R2 was not seen by C2. Of
//!    the two fences R3 and C1 one comes first. If R3 did, C2 would have seen R2, against the
//!    assumption. So C1 did, and R4 sees the swap P1, which stands before C1 in the publisher's
//!    program. Without R3 the store R2 could linger while R4 already reads.
//!
//! When the slot held an epoch, no fence is needed: until R2 is seen, reclaim reads the older epoch
//! and keeps more than it must. And when the epoch has not changed, R2 itself is left out.
//! The pointee is written before P1, whose release half pairs with R4.
//!
//! The argument is modelled below with loom: `RUSTFLAGS="--cfg loom" cargo test --release --lib
//! base::rcu`, with a target directory of its own. Each ordering named here, weakened alone, makes
//! a model fail.

use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;
use crossbeam_utils::CachePadded;
use std::collections::VecDeque;
use sync::{Arc, AtomicPtr, AtomicU64, Ordering, fence};

/// The primitives: the real ones, or those whose interleavings loom explores.
#[cfg(not(loom))]
mod sync {
    pub use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};
    pub use std::sync::Arc;
}
#[cfg(loom)]
mod sync {
    pub use loom::sync::Arc;
    pub use loom::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};
}

/// Readers at one time: a worker per core of the largest servers. The model needs two.
pub const READER_MAX: usize = if cfg!(loom) { 2 } else { 128 };

/// A slot nobody owns.
const FREE: u64 = u64::MAX;
/// A slot whose reader holds nothing.
const PARKED: u64 = u64::MAX - 1;

/// Every slot has its reader already ([`READER_MAX`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {READER_MAX} readers of one publication")]
pub struct ReadersExhausted;

/// What both sides see. The newest value and its number change together and share a line; each slot
/// has its own, because its reader writes it.
struct Shared<T> {
    newest: CachePadded<Newest<T>>,
    slots: [CachePadded<AtomicU64>; READER_MAX],
}

struct Newest<T> {
    current: AtomicPtr<T>,
    epoch: AtomicU64,
}

/// The writing side; one per publication, owned by the control thread.
///
/// Drop the readers first. A publisher that goes earlier leaves behind what they may still read: it
/// must not free it, and they must not, because destructors run on this side only.
pub struct Publisher<T> {
    shared: Arc<Shared<T>>,
    current: NonNull<T>,
    epoch: u64,
    /// Values that readers may still hold, oldest first, each with the epoch that replaced it.
    retired: VecDeque<(u64, NonNull<T>)>,
    /// The publisher owns values of `T`.
    owns: PhantomData<Box<T>>,
}

impl<T: Send + Sync> Publisher<T> {
    /// Publishes `initial`; there are no readers yet.
    pub fn new(initial: impl Into<Box<T>>) -> Self {
        let current = NonNull::from(Box::leak(initial.into()));
        let newest = Newest { current: AtomicPtr::new(current.as_ptr()), epoch: AtomicU64::new(0) };
        let slots = core::array::from_fn(|_| CachePadded::new(AtomicU64::new(FREE)));
        let shared = Arc::new(Shared { newest: CachePadded::new(newest), slots });
        Self { shared, current, epoch: 0, retired: VecDeque::new(), owns: PhantomData }
    }

    /// A reader, parked, to be given to its thread.
    pub fn reader(&mut self) -> Result<Reader<T>, ReadersExhausted> {
        // Acquire: the store of PARKED below hides FREE from `reclaim` and `drop`, so what the last
        // reader of the slot did must be ordered here.
        let free = |slot: &CachePadded<AtomicU64>| slot.load(Ordering::Acquire) == FREE;
        let index = self.shared.slots.iter().position(free).ok_or(ReadersExhausted)?;
        self.shared.slots[index].store(PARKED, Ordering::Release);
        Ok(Reader { shared: Arc::clone(&self.shared), index, seen: PARKED, not_sync: PhantomData })
    }

    /// Replaces the newest value; readers see it at their next [`Reader::enter`].
    pub fn publish(&mut self, next: impl Into<Box<T>>) {
        let next = NonNull::from(Box::leak(next.into()));
        let newest = &self.shared.newest;
        newest.current.swap(next.as_ptr(), Ordering::AcqRel); // P1
        self.epoch += 1;
        newest.epoch.store(self.epoch, Ordering::Release); // P2
        self.retired.push_back((self.epoch, self.current));
        self.current = next;
    }

    /// Frees what no reader can hold any more, and says how many values that were.
    pub fn reclaim(&mut self) -> usize {
        if self.retired.is_empty() {
            return 0;
        }
        fence(Ordering::SeqCst); // C1
        let entered = self.shared.slots.iter().map(|slot| slot.load(Ordering::Acquire)); // C2
        let entered_by_all = entered.min().unwrap_or(FREE);
        let mut freed = 0;
        while let Some(&(stamp, value)) = self.retired.front() {
            if stamp > entered_by_all {
                break;
            }
            self.retired.pop_front();
            // SAFETY: the pointer comes from `Box::leak`, was swapped out of `current` and is in
            // `retired` once; every slot is at its stamp or beyond, so by the argument at the top
            // no reader has it or can still load it.
            drop(unsafe { Box::from_raw(value.as_ptr()) });
            freed += 1;
        }
        freed
    }

    /// Values that wait to be freed.
    pub fn pending(&self) -> usize {
        self.retired.len()
    }

    /// The newest value.
    pub fn current(&self) -> &T {
        // SAFETY: only `publish` and `drop` retire it, both borrow the publisher mutably.
        unsafe { self.current.as_ref() }
    }

    /// The oldest value that a reader may still hold; everything older is gone.
    pub fn oldest(&self) -> &T {
        let oldest = self.retired.front().map_or(self.current, |(_, value)| *value);
        // SAFETY: values in `retired` are freed by `reclaim` and `drop` alone, both borrow mutably.
        unsafe { oldest.as_ref() }
    }
}

impl<T> Drop for Publisher<T> {
    fn drop(&mut self) {
        let free = |slot: &CachePadded<AtomicU64>| slot.load(Ordering::Acquire) == FREE;
        if !self.shared.slots.iter().all(free) {
            return;
        }
        for (_, value) in self.retired.drain(..).chain([(0, self.current)]) {
            // SAFETY: from `Box::leak`, held once. All slots are free and only `reader` takes one,
            // so no reader exists; the acquire loads order what the last ones did.
            drop(unsafe { Box::from_raw(value.as_ptr()) });
        }
    }
}

/// The reading side; one per worker, moved to its thread.
pub struct Reader<T> {
    shared: Arc<Shared<T>>,
    index: usize,
    /// What the slot holds; only this reader writes it while it lives.
    seen: u64,
    /// One thread at a time.
    not_sync: PhantomData<core::cell::Cell<()>>,
}

impl<T: Send + Sync> Reader<T> {
    /// The newest value; what an earlier guard showed may be freed from now on, which is why that
    /// guard must be gone.
    #[inline]
    pub fn enter(&mut self) -> Guard<'_, T> {
        let epoch = self.shared.newest.epoch.load(Ordering::Acquire); // R1
        if epoch != self.seen {
            self.note(epoch);
        }
        let current = self.shared.newest.current.load(Ordering::Acquire); // R4
        // SAFETY: `current` is never null. It was loaded after the slot said `epoch`, so by the
        // argument at the top it is not freed before the slot changes, which needs `&mut self`, and
        // the guard borrows that.
        Guard { entered: unsafe { &*current } }
    }

    /// Says that nothing is read until the next [`Self::enter`]; to be called before any sleep, or
    /// nothing is freed meanwhile.
    pub fn park(&mut self) {
        if self.seen != PARKED {
            self.seen = PARKED;
            self.shared.slots[self.index].store(PARKED, Ordering::Release);
        }
    }

    #[cold]
    fn note(&mut self, epoch: u64) {
        let was_parked = self.seen == PARKED;
        self.seen = epoch;
        self.shared.slots[self.index].store(epoch, Ordering::Release); // R2
        if was_parked {
            fence(Ordering::SeqCst); // R3
        }
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        self.shared.slots[self.index].store(FREE, Ordering::Release);
    }
}

/// The world a reader has entered.
pub struct Guard<'reader, T> {
    entered: &'reader T,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.entered
    }
}

// SAFETY: the publisher owns its values and nothing in it is bound to a thread; `T: Send` lets them
// be dropped where it goes, `T: Sync` because readers elsewhere share them.
unsafe impl<T: Send + Sync> Send for Publisher<T> {}

/// What each side may do, checked by the compiler: both move between threads, a guard stays with
/// its reader, and a reader is used by one thread at a time.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Publisher<u64>>();
    is_send::<Reader<u64>>();

    /// Has one `check` for every type and a second one for those that are `Sync`; naming `check` is
    /// ambiguous, and an error, for the latter.
    trait NotSync<Marker> {
        const CHECK: () = ();
    }
    struct IsSync;
    impl<T: ?Sized> NotSync<()> for T {}
    impl<T: ?Sized + Sync> NotSync<IsSync> for T {}
    let () = <Publisher<u64> as NotSync<_>>::CHECK;
    let () = <Reader<u64> as NotSync<_>>::CHECK;
};

#[cfg(test)]
mod tests;
