//! What arrived, held against what was sent: loss, order, doubles, delay, and when.
//!
//! Owns [`Ledger`]. One trial has one.
//!
//! *Invariants*: received = arrived once + doubles; lost = sent − arrived once.
//! *Standards*: RFC 4737 §3.3 (a packet is reordered when its sequence number is smaller than one
//! that came before; doubles do not count), §4.2.1 in part: the largest distance is told, not the
//! whole distribution.

use crate::traffic::frame::Stamp;
use hdrhistogram::Histogram;

/// Sequence numbers back for which doubles are known; what is later counts as reordered.
pub const WINDOW: u32 = 1 << 15;
/// The longest delay that is told apart, in nanoseconds.
const LATENCY_NS_MAX: u64 = 60_000_000_000;
/// Length of a step of the time line, in milliseconds.
pub const STEP_MS: u64 = 50;
/// Steps of the time line.
const STEPS_MAX: usize = 20_000;

/// One stream.
#[derive(Clone, Debug)]
struct StreamRecord {
    /// RFC 4737 §3.3: NextExp.
    next: u32,
    /// Which of the last [`WINDOW`] numbers were seen.
    seen: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    InOrder,
    Reordered { distance: u32 },
    Double,
}

impl StreamRecord {
    fn new() -> Self {
        Self { next: 0, seen: vec![0; WINDOW as usize / 64] }
    }

    fn bit(&mut self, sequence: u32) -> (&mut u64, u64) {
        let place = (sequence % WINDOW) as usize;
        (&mut self.seen[place / 64], 1 << (place % 64))
    }

    fn arrive(&mut self, sequence: u32) -> Arrival {
        if sequence >= self.next {
            if sequence - self.next >= WINDOW {
                self.seen.fill(0);
            } else {
                for skipped in self.next..sequence {
                    let (word, bit) = self.bit(skipped);
                    *word &= !bit;
                }
            }
            let (word, bit) = self.bit(sequence);
            *word |= bit;
            self.next = sequence.saturating_add(1);
            return Arrival::InOrder;
        }
        let distance = self.next - sequence;
        if distance > WINDOW {
            return Arrival::Reordered { distance };
        }
        let (word, bit) = self.bit(sequence);
        if *word & bit != 0 {
            return Arrival::Double;
        }
        *word |= bit;
        Arrival::Reordered { distance }
    }
}

/// A step of the time line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Frames sent in it.
    pub sent: u64,
    /// Frames that arrived in it.
    pub received: u64,
}

/// The books of one trial.
#[derive(Clone, Debug)]
pub struct Ledger {
    epoch: u8,
    begin: u64,
    ns_per_tick: f64,
    streams: Vec<StreamRecord>,
    /// Frames sent.
    pub sent: u64,
    /// Octets sent, FCS included.
    pub sent_octets: u64,
    /// Frames of this trial that arrived.
    pub received: u64,
    /// Octets of them, FCS included.
    pub received_octets: u64,
    /// Frames that arrived again.
    pub doubles: u64,
    /// Frames that were overtaken.
    pub reordered: u64,
    /// How far at most, in sequence numbers.
    pub reordered_distance_max: u32,
    /// Frames of an earlier trial.
    pub stale: u64,
    /// Frames of others.
    pub foreign: u64,
    /// Delay, in nanoseconds.
    pub latency_ns: Histogram<u64>,
    /// When frames went and came.
    pub steps: Vec<Step>,
    /// First and last arrival, in ticks.
    arrivals: Option<(u64, u64)>,
    /// Longest time without any arrival, in ticks, and when it began.
    gap: (u64, u64),
}

impl Ledger {
    /// Empty books for a trial that begins at `begin`.
    #[expect(clippy::cast_precision_loss, reason = "a clock's frequency")]
    pub fn new(epoch: u8, streams: u16, begin: u64, ticks_per_second: u64) -> Self {
        let latency_ns = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)
            .unwrap_or_else(|_| unreachable!("the bounds are constants in order"));
        Self {
            epoch,
            begin,
            ns_per_tick: 1e9 / ticks_per_second.max(1) as f64,
            streams: (0..streams).map(|_| StreamRecord::new()).collect(),
            sent: 0,
            sent_octets: 0,
            received: 0,
            received_octets: 0,
            doubles: 0,
            reordered: 0,
            reordered_distance_max: 0,
            stale: 0,
            foreign: 0,
            latency_ns,
            steps: Vec::new(),
            arrivals: None,
            gap: (0, 0),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times of a trial are far below 2^52 nanoseconds and not negative"
    )]
    fn nanoseconds(&self, ticks: u64) -> u64 {
        (ticks as f64 * self.ns_per_tick) as u64
    }

    fn step(&mut self, now: u64) -> Option<&mut Step> {
        let since = self.nanoseconds(now.saturating_sub(self.begin));
        let place = usize::try_from(since / (STEP_MS * 1_000_000)).ok()?;
        if place >= self.steps.len() && place < STEPS_MAX {
            self.steps.resize(place + 1, Step::default());
        }
        self.steps.get_mut(place)
    }

    /// A device took `count` frames of `octets` together, FCS included.
    pub fn note_sent(&mut self, now: u64, count: u64, octets: u64) {
        self.sent += count;
        self.sent_octets += octets;
        if let Some(step) = self.step(now) {
            step.sent += count;
        }
    }

    /// A frame of ours came; `octets` without FCS, as in a buffer.
    pub fn note_received(&mut self, now: u64, stamp: Stamp, octets: u32) {
        if stamp.epoch != self.epoch {
            self.stale += 1;
            return;
        }
        let Some(stream) = self.streams.get_mut(usize::from(stamp.stream)) else {
            self.foreign += 1;
            return;
        };
        self.received += 1;
        self.received_octets += u64::from(octets) + u64::from(crate::traffic::mix::FCS_OCTETS);
        match stream.arrive(stamp.sequence) {
            Arrival::InOrder => {}
            Arrival::Double => self.doubles += 1,
            Arrival::Reordered { distance } => {
                self.reordered += 1;
                self.reordered_distance_max = self.reordered_distance_max.max(distance);
            }
        }
        let delay = self.nanoseconds(stamp.age(now));
        self.latency_ns.saturating_record(delay.max(1));
        match &mut self.arrivals {
            Some((_, last)) => {
                let gap = now.saturating_sub(*last);
                if gap > self.gap.0 {
                    self.gap = (gap, *last);
                }
                *last = now;
            }
            None => self.arrivals = Some((now, now)),
        }
        if let Some(step) = self.step(now) {
            step.received += 1;
        }
    }

    /// Frames that arrived, each counted once.
    pub const fn arrived(&self) -> u64 {
        self.received - self.doubles
    }

    /// Frames that did not arrive.
    pub const fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.arrived())
    }

    /// Part of the frames that did not arrive.
    #[expect(clippy::cast_precision_loss, reason = "a ratio of counts")]
    pub fn loss_ratio(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { self.lost() as f64 / self.sent as f64 }
    }

    /// A percentile of the delay, in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "at most a minute in nanoseconds")]
    pub fn latency_us(&self, percentile: f64) -> f64 {
        self.latency_ns.value_at_percentile(percentile) as f64 / 1e3
    }

    /// The longest time without any arrival and when it began, in seconds of the trial.
    #[expect(clippy::cast_precision_loss, reason = "times of a trial")]
    pub fn longest_gap_seconds(&self) -> (f64, f64) {
        let seconds = |ticks: u64| ticks as f64 * self.ns_per_tick / 1e9;
        (seconds(self.gap.0), seconds(self.gap.1.saturating_sub(self.begin)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERTZ: u64 = 1_000_000_000;

    fn arrivals(sequences: &[u32]) -> Ledger {
        let mut ledger = Ledger::new(1, 1, 0, HERTZ);
        for (now, sequence) in (1000..).zip(sequences) {
            let stamp = Stamp { epoch: 1, stream: 0, sequence: *sequence, ticks: now - 500 };
            ledger.note_received(now, stamp, 60);
        }
        ledger
    }

    #[test]
    fn order_is_judged_as_rfc_4737_does() {
        // §3.3 and its figure: 4 comes late, 5 to 8 before it are in order.
        let ledger = arrivals(&[1, 2, 3, 5, 6, 7, 8, 4, 9, 10]);
        assert_eq!((ledger.reordered, ledger.reordered_distance_max), (1, 5));
        // Losses are no reordering.
        assert_eq!(arrivals(&[0, 5, 9]).reordered, 0);
        assert_eq!(arrivals(&[3, 2, 1, 0]).reordered, 3);
    }

    #[test]
    fn doubles_are_neither_arrivals_nor_reordered() {
        let ledger = arrivals(&[0, 1, 1, 0, 2, 2]);
        assert_eq!((ledger.received, ledger.doubles, ledger.arrived()), (6, 3, 3));
        assert_eq!(ledger.reordered, 0);
    }

    #[test]
    fn a_long_jump_forgets_what_was_seen() {
        let far = WINDOW * 3 + 5;
        let ledger = arrivals(&[5, far, far - 1, far - 1, 6]);
        assert_eq!((ledger.reordered, ledger.doubles), (2, 1));
    }

    #[test]
    fn loss_and_delay_are_those_of_this_trial() {
        let mut ledger = arrivals(&[0, 1, 2]);
        ledger.note_sent(2_000_000, 4, 256);
        ledger.note_received(1, Stamp { epoch: 2, stream: 0, sequence: 3, ticks: 0 }, 60);
        ledger.note_received(1, Stamp { epoch: 1, stream: 9, sequence: 3, ticks: 0 }, 60);
        assert_eq!((ledger.lost(), ledger.loss_ratio()), (1, 0.25));
        assert_eq!((ledger.stale, ledger.foreign), (1, 1));
        assert_eq!(ledger.latency_us(50.0), 0.5);
        assert_eq!(ledger.steps, [Step { sent: 4, received: 3 }]);
    }

    #[test]
    fn the_longest_silence_is_found() {
        let mut ledger = Ledger::new(0, 1, 0, HERTZ);
        for (sequence, now) in [(0, 0), (1, HERTZ), (2, 3 * HERTZ), (3, 3 * HERTZ + 1)] {
            ledger.note_received(now, Stamp { epoch: 0, stream: 0, sequence, ticks: now }, 60);
        }
        let (length, begin) = ledger.longest_gap_seconds();
        assert!((length - 2.0).abs() < 1e-9 && (begin - 1.0).abs() < 1e-9, "{length} {begin}");
    }
}
