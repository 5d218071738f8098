//! What a worker needs for bridging beside the snapshot: MACs, limits, buffers for copies.
//!
//! Owns [`OverlayWork`], one a worker; [`OverlaySetup`], what it is made from; and
//! [`OverlayEvent`], what the control thread is told. The table of MACs is shared by all workers
//! ([`crate::dataplane::mac_table`]); what there is to bridge stands in [`crate::fib::overlay`].
//!
//! A MAC that moves more than [`MOVES_PER_SECOND_MAX`] times in a second is the sign of a loop in
//! the tenant's own wiring: it is held where it is until the second is over, and the control thread
//! hears of it, which may block a member.
//!
//! *Invariants*: nothing is allocated after the setup but buffers, which come from the pool. Limits
//! are each worker's own: as many workers, as many times the rate. A worker without a setup bridges
//! nothing.
//! *Standards*: RFC 7432 §15.1 (a MAC that moves too often).

use crate::base::ids::{DomainId, MEMBER_MAX, MacAddress, MemberId};
use crate::base::time::{Duration, Instant};
use crate::dataplane::counters::LcoreCounters;
use crate::dataplane::limit::TokenBucket;
use crate::dataplane::mac_table::{Heard, Learned, MacKey, MacTable, MayMove, Tick};
use crate::dataplane::ring::Ring;
use crate::fib::bridge_table::StormLimit;
use crate::packet::{BURST_MAX, PacketAlloc, PacketBuf};
use std::sync::Arc;

/// Copies that a worker makes in one loop: a burst of broadcasts to 64 members each, which takes
/// less than a millisecond, so that no neighbour's BFD session is late.
pub const FLOOD_COPIES_MAX: u32 = 4096;
const _: () = assert!(FLOOD_COPIES_MAX as usize == 64 * BURST_MAX);
/// Times that a MAC may change its member in one second: a virtual machine moves once, a loop makes
/// it move with every broadcast.
pub const MOVES_PER_SECOND_MAX: u8 = 5;
/// Events that wait for the control thread, of all workers.
pub const EVENT_RING_MAX: usize = 256;
/// MACs whose moves are counted at a time, at each worker.
const MOVERS_MAX: usize = 64;
const _: () = assert!(MOVERS_MAX.is_power_of_two());
/// The window in which moves are counted.
const MOVE_WINDOW: Duration = Duration::from_secs(1);
/// How often a part of the table is swept and the tick is looked at.
const SWEEP_PERIOD: Duration = Duration::from_millis(10);

/// What the control thread is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlayEvent {
    /// A MAC moves between members again and again: a loop, or the same MAC twice.
    MacMoves {
        /// The domain.
        domain: DomainId,
        /// The MAC.
        mac: MacAddress,
        /// Where it is held.
        from: MemberId,
        /// Where it was heard as well.
        to: MemberId,
    },
}

/// What a worker bridges with.
pub struct OverlaySetup<B> {
    /// The table of the router.
    pub macs: Arc<MacTable>,
    /// Buffers for copies.
    pub alloc: Box<dyn PacketAlloc<B>>,
    /// To the control thread; all workers write to one.
    pub events: Arc<Ring<OverlayEvent>>,
    /// Wakes the control thread; called only when it sleeps.
    pub wake: Box<dyn FnMut() + Send>,
}

impl<B> OverlaySetup<B> {
    /// An empty ring of events of the usual size.
    pub fn event_ring() -> Arc<Ring<OverlayEvent>> {
        Arc::new(Ring::new(EVENT_RING_MAX))
    }
}

/// The moves of one MAC within a window.
#[derive(Clone, Copy)]
struct Mover {
    key: MacKey,
    since: Instant,
    count: u8,
}

/// The bridging of one worker; owned by its thread.
pub struct OverlayWork<B> {
    setup: Option<OverlaySetup<B>>,
    /// By member.
    storms: Box<[TokenBucket]>,
    movers: [Option<Mover>; MOVERS_MAX],
    tick: Tick,
    due_at: Instant,
    copies_left: u32,
}

impl<B> Default for OverlayWork<B> {
    fn default() -> Self {
        Self {
            setup: None,
            storms: Box::default(),
            movers: [None; MOVERS_MAX],
            tick: Tick::at(Instant::ZERO),
            due_at: Instant::MAX,
            copies_left: 0,
        }
    }
}

impl<B: PacketBuf> OverlayWork<B> {
    /// The bridging of a worker that does any.
    pub fn new(setup: OverlaySetup<B>) -> Self {
        let limit = StormLimit::default();
        let bucket = TokenBucket::new(limit.frames_per_second, limit.burst);
        let storms = vec![bucket; MEMBER_MAX].into_boxed_slice();
        Self { setup: Some(setup), storms, due_at: Instant::ZERO, ..Self::default() }
    }

    /// To be called once a loop; nearly always a comparison.
    #[inline]
    pub fn begin_loop(&mut self, now: Instant) {
        self.copies_left = FLOOD_COPIES_MAX;
        if now >= self.due_at {
            self.look_at_clock(now);
        }
    }

    #[cold]
    fn look_at_clock(&mut self, now: Instant) {
        self.tick = Tick::at(now);
        self.due_at = now + SWEEP_PERIOD;
        if let Some(setup) = &self.setup {
            setup.macs.sweep(self.tick);
        }
    }

    /// The table, where this worker bridges.
    #[inline]
    pub fn macs(&self) -> Option<&MacTable> {
        self.setup.as_ref().map(|setup| &*setup.macs)
    }

    /// The tick of this loop.
    #[inline]
    pub const fn tick(&self) -> Tick {
        self.tick
    }

    /// Takes note of a MAC that was heard where it is not known to be.
    #[cold]
    pub fn learn(&mut self, heard: &Heard, now: Instant, counters: &LcoreCounters) -> Learned {
        let Some(macs) = self.setup.as_ref().map(|setup| Arc::clone(&setup.macs)) else {
            return Learned::Busy;
        };
        let may_move = match macs.elsewhere(heard) {
            Some(from) => self.judge_move(heard, from, now, counters),
            None => MayMove::Yes,
        };
        let learned = macs.learn(heard, may_move);
        let cell = match learned {
            Learned::New => &counters.overlay.macs_learned,
            Learned::Moved(_) => &counters.overlay.macs_moved,
            Learned::Held(_) => &counters.overlay.macs_held,
            Learned::Limit => &counters.overlay.macs_limited,
            Learned::Full => &counters.overlay.macs_unplaced,
            Learned::Known | Learned::Static(_) | Learned::Busy => return learned,
        };
        cell.add(1);
        learned
    }

    fn judge_move(
        &mut self,
        heard: &Heard,
        from: MemberId,
        now: Instant,
        counters: &LcoreCounters,
    ) -> MayMove {
        let [.., c, d, e, f] = heard.key.mac().0;
        let place = usize::from(c ^ d ^ e ^ f) & (MOVERS_MAX - 1);
        let Some(slot) = self.movers.get_mut(place) else { return MayMove::Yes };
        let count = match slot {
            Some(mover) if mover.key == heard.key && now - mover.since < MOVE_WINDOW => {
                mover.count = mover.count.saturating_add(1);
                mover.count
            }
            _ => {
                *slot = Some(Mover { key: heard.key, since: now, count: 1 });
                1
            }
        };
        if count <= MOVES_PER_SECOND_MAX {
            return MayMove::Yes;
        }
        if count == MOVES_PER_SECOND_MAX + 1 {
            let (domain, mac) = (heard.key.domain(), heard.key.mac());
            self.tell(OverlayEvent::MacMoves { domain, mac, from, to: heard.member }, counters);
        }
        MayMove::No
    }

    fn tell(&mut self, event: OverlayEvent, counters: &LcoreCounters) {
        let Some(setup) = &mut self.setup else { return };
        if setup.events.push(event).is_err() {
            counters.overlay.events_lost.add(1);
        }
        if setup.events.must_wake() {
            (setup.wake)();
        }
    }

    /// Whether a member may flood one more frame.
    #[inline]
    pub fn may_flood(&mut self, member: MemberId, limit: StormLimit, now: Instant) -> bool {
        let Some(bucket) = self.storms.get_mut(member.index()) else { return false };
        if !bucket.has_limits(limit.frames_per_second, limit.burst) {
            *bucket = TokenBucket::new(limit.frames_per_second, limit.burst);
            bucket.start(now);
        }
        bucket.take(now)
    }

    /// Whether one more copy may be made in this loop.
    #[inline]
    pub const fn take_copy(&mut self) -> bool {
        match self.copies_left.checked_sub(1) {
            Some(left) => {
                self.copies_left = left;
                true
            }
            None => false,
        }
    }

    /// A copy of a packet, its facts included; `None` where the pool is dry or the packet is not in
    /// one piece.
    pub fn copy(&mut self, packet: &B) -> Option<B> {
        let octets = packet.data();
        if u32::try_from(octets.len()).ok() != Some(packet.len()) {
            return None;
        }
        let mut copy = self.setup.as_mut()?.alloc.alloc()?;
        copy.append(octets).ok()?;
        *copy.meta_mut() = *packet.meta();
        Some(copy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{HeapAlloc, HeapBuf};

    fn work() -> (OverlayWork<HeapBuf>, Arc<Ring<OverlayEvent>>) {
        let events = OverlaySetup::<HeapBuf>::event_ring();
        let setup = OverlaySetup {
            macs: Arc::new(MacTable::new(4, 7)),
            alloc: Box::new(HeapAlloc),
            events: Arc::clone(&events),
            wake: Box::new(|| ()),
        };
        (OverlayWork::new(setup), events)
    }

    fn heard(member: u16) -> Heard {
        let key = MacKey::new(DomainId(1), MacAddress([2, 0, 0, 0, 0, 9]));
        Heard { key, member: MemberId(member), limit: 10, tick: Tick::at(Instant::ZERO) }
    }

    #[test]
    fn a_mac_that_moves_too_often_is_held_and_told_of_once_a_second() {
        let (mut work, events) = work();
        let counters = LcoreCounters::new(1);
        let at = Instant::from_millis;
        assert_eq!(work.learn(&heard(1), at(1), &counters), Learned::New);
        for number in 0..20_u16 {
            work.learn(&heard(number % 2 + 2), at(2), &counters);
        }
        let counts = counters.snapshot().overlay;
        assert_eq!((counts.macs_moved, counts.macs_learned), (5, 1));
        assert!(counts.macs_held > 5);
        let (domain, mac) = (DomainId(1), MacAddress([2, 0, 0, 0, 0, 9]));
        let (from, to) = (MemberId(2), MemberId(3));
        assert_eq!(events.pop(), Some(OverlayEvent::MacMoves { domain, mac, from, to }));
        assert_eq!(events.pop(), None);
        let later = work.learn(&heard(3), at(1500), &counters);
        assert_eq!(later, Learned::Moved(MemberId(2)), "a second later it may move again");
    }

    #[test]
    fn a_limit_that_is_changed_holds_from_then_on() {
        let (mut work, _) = work();
        let now = Instant::from_millis(5);
        let mut passed = |frames_per_second, burst| {
            let limit = StormLimit { frames_per_second, burst };
            (0..100).filter(|_| work.may_flood(MemberId(1), limit, now)).count()
        };
        assert_eq!([passed(10, 7), passed(10, 7), passed(10, 3)], [7, 0, 3]);
        assert!(!work.may_flood(MemberId(60_000), StormLimit::default(), now));
    }

    #[test]
    fn a_worker_without_a_setup_does_nothing() {
        let mut work = OverlayWork::<HeapBuf>::default();
        work.begin_loop(Instant::from_millis(9));
        assert!(work.macs().is_none() && work.copy(&HeapBuf::new(b"x")).is_none());
    }
}
