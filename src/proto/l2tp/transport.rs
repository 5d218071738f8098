//! Reliable delivery: numbers, acknowledgements, the window and repetition.
//!
//! Owns [`Transport`], the two halves of one control connection: what waits to be acknowledged by
//! the peer, and which message of the peer is due. Time, octets and what messages mean are
//! [`super::connection`]'s.
//!
//! ```text
//!     queue:   | base | ...          |            | ...          |
//!              |<--- in flight ----->|<-- sent before, lost? --->|<--- never sent --->|
//!              |<------------------- sent ---------------------->|
//! ```
//!
//! *Invariants*: `in_flight <= sent <= queue.len() <= QUEUE_MAX`; the number of a message never
//! changes; no more are in flight than the peer's window, SEND_WINDOW_MAX and the congestion window
//! allow. After a timeout one message is repeated, the others when it was acknowledged.
//! *Standards*: RFC 3931 §4.2, Appendix A (slow start). What comes too early waits in
//! [`super::connection`].

use super::limits::{
    QUEUE_MAX, RECEIVE_WINDOW, RETRANSMIT_TIME, RETRANSMIT_TIME_MAX, SEND_WINDOW_MAX,
    WINDOW_DEFAULT,
};
use crate::base::time::Duration;
use crate::wire::l2tp::Message;
use std::collections::VecDeque;

/// Half of the numbers: what is less than so far behind is old.
const HALF: u16 = 1 << 15;

/// There is no room for another message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// It acknowledges what was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrongNr;

/// When a message of the peer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// It is due.
    Due,
    /// It was there before.
    Old,
    /// One that was sent earlier is missing.
    Early,
    /// It is further ahead than a peer that keeps to our window can be.
    Beyond,
}

/// One connection's numbers and what waits.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    queue: VecDeque<Message>,
    /// The number of the first one.
    base: u16,
    in_flight: usize,
    sent: usize,
    /// The number that is due from the peer.
    expected: u16,
    /// What the peer takes at once.
    peer_window: usize,
    congestion_window: usize,
    threshold: usize,
    /// Acknowledged messages that have not made the window larger, in congestion avoidance.
    credit: usize,
    /// How often the first one was repeated.
    repetitions: u32,
    /// The peer has sent something that no message since has acknowledged.
    pub(super) must_acknowledge: bool,
}

impl Transport {
    pub(super) fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            base: 0,
            in_flight: 0,
            sent: 0,
            expected: 0,
            peer_window: usize::from(WINDOW_DEFAULT),
            congestion_window: 1,
            threshold: usize::from(WINDOW_DEFAULT),
            credit: 0,
            repetitions: 0,
            must_acknowledge: false,
        }
    }

    /// Forgets every message: only acknowledgements follow.
    pub(super) fn abandon(&mut self) {
        self.base = self.next_number();
        self.queue.clear();
        (self.in_flight, self.sent, self.repetitions) = (0, 0, 0);
    }

    /// §5.4.3: what the peer takes at once; `None` where it does not say.
    pub(super) fn set_peer_window(&mut self, window: Option<u16>) {
        // A window of zero would stop everything; RFC 3931 has none.
        let window = usize::from(window.unwrap_or(WINDOW_DEFAULT)).clamp(1, SEND_WINDOW_MAX);
        self.peer_window = window;
        // Appendix A: the threshold is "initialized to the advertised window size".
        self.threshold = window;
    }

    /// Appends a message.
    pub(super) fn push(&mut self, message: Message) -> Result<(), Full> {
        if self.queue.len() >= QUEUE_MAX {
            return Err(Full);
        }
        self.queue.push_back(message);
        Ok(())
    }

    /// Forgets what the peer has not heard of: the connection ends with what is sent next.
    pub(super) fn forget_unsent(&mut self) {
        self.queue.truncate(self.sent);
    }

    /// Whether the peer has acknowledged everything.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether something waits to be acknowledged.
    pub(super) const fn is_waiting(&self) -> bool {
        self.in_flight > 0
    }

    /// The number that is due from the peer: Nr.
    pub(super) const fn expected(&self) -> u16 {
        self.expected
    }

    /// The number that an acknowledgement is sent with, which it does not use up.
    pub(super) fn next_number(&self) -> u16 {
        self.number(self.sent)
    }

    fn number(&self, place: usize) -> u16 {
        // The queue is shorter than the space of numbers.
        self.base.wrapping_add(u16::try_from(place).unwrap_or(u16::MAX))
    }

    /// The next message that may go, with its number and whether it goes once more.
    pub(super) fn take_next(&mut self) -> Option<(u16, &Message, Attempt)> {
        let window = self.peer_window.min(self.congestion_window);
        if self.in_flight >= window {
            return None;
        }
        let (place, number) = (self.in_flight, self.number(self.in_flight));
        let message = self.queue.get(place)?;
        let attempt = if place < self.sent { Attempt::Again } else { Attempt::First };
        self.in_flight += 1;
        self.sent = self.sent.max(self.in_flight);
        Some((number, message, attempt))
    }

    /// The peer waits for `nr`; says whether that is news.
    pub(super) fn acknowledge(&mut self, nr: u16) -> Result<Progress, WrongNr> {
        let count = usize::from(nr.wrapping_sub(self.base));
        if count == 0 {
            return Ok(Progress::None);
        }
        if count > self.sent {
            // An old one, from before what was acknowledged already, or one of nothing that we
            // sent: "the control message is clearly invalid".
            let is_old = self.base.wrapping_sub(nr) < HALF;
            return if is_old { Ok(Progress::None) } else { Err(WrongNr) };
        }
        self.queue.drain(..count);
        self.base = nr;
        self.in_flight = self.in_flight.saturating_sub(count);
        self.sent -= count;
        self.repetitions = 0;
        for _ in 0..count {
            self.grow();
        }
        Ok(Progress::Some)
    }

    /// Appendix A: slow start to the threshold, congestion avoidance behind it.
    const fn grow(&mut self) {
        if self.congestion_window >= self.peer_window {
            return;
        }
        if self.congestion_window < self.threshold {
            self.congestion_window += 1;
            return;
        }
        self.credit += 1;
        if self.credit >= self.congestion_window {
            self.credit = 0;
            self.congestion_window += 1;
        }
    }

    /// How long the first message waits to be acknowledged.
    pub(super) fn patience(&self) -> Duration {
        let doublings = self.repetitions.min(16);
        RETRANSMIT_TIME.saturating_mul(1 << doublings).min(RETRANSMIT_TIME_MAX)
    }

    /// The first message was not acknowledged in time: it may go again, unless it went so often.
    pub(super) fn expire(&mut self, repetitions_max: u32) -> Verdict {
        if self.repetitions >= repetitions_max {
            return Verdict::Dead;
        }
        self.repetitions += 1;
        // "one half of the congestion window is saved as" the threshold.
        self.threshold = (self.congestion_window / 2).max(1);
        self.congestion_window = 1;
        self.credit = 0;
        self.in_flight = 0;
        Verdict::Again
    }

    /// When a message of this number comes.
    pub(super) const fn order_of(&self, ns: u16) -> Order {
        let ahead = ns.wrapping_sub(self.expected);
        match ahead {
            0 => Order::Due,
            1..RECEIVE_WINDOW => Order::Early,
            RECEIVE_WINDOW..HALF => Order::Beyond,
            _ => Order::Old,
        }
    }

    /// The message that was due is here.
    pub(super) const fn accept(&mut self) {
        self.expected = self.expected.wrapping_add(1);
        self.must_acknowledge = true;
    }
}

/// Whether a message goes for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    First,
    Again,
}

/// Whether an acknowledgement says something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    None,
    Some,
}

/// What is done about a message that nobody acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Again,
    Dead,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(count: usize) -> Transport {
        let mut transport = Transport::new();
        transport.set_peer_window(Some(64));
        for _ in 0..count {
            transport.push(Message::Hello).unwrap();
        }
        transport
    }

    fn sent(transport: &mut Transport) -> Vec<(u16, Attempt)> {
        core::iter::from_fn(|| transport.take_next().map(|(ns, _, attempt)| (ns, attempt)))
            .collect()
    }

    #[test]
    fn numbers_are_judged_as_the_rfc_does() {
        // §4.2: "if the last received sequence number was 15, then messages with sequence numbers 0
        // through 15, as well as 32784 through 65535, would be considered less than or equal."
        let mut transport = Transport::new();
        transport.expected = 16;
        for ns in [0, 15, 32784, 65535] {
            assert_eq!(transport.order_of(ns), Order::Old, "{ns}");
        }
        assert_eq!(transport.order_of(16), Order::Due);
        assert_eq!(transport.order_of(16 + RECEIVE_WINDOW - 1), Order::Early);
        assert_eq!(transport.order_of(16 + RECEIVE_WINDOW), Order::Beyond);
        assert_eq!(transport.order_of(32783), Order::Beyond);
    }

    #[test]
    fn the_window_opens_with_acknowledgements_and_shrinks_with_loss() {
        let mut transport = filled(20);
        assert_eq!(sent(&mut transport), [(0, Attempt::First)]);
        assert_eq!(transport.acknowledge(1), Ok(Progress::Some));
        assert_eq!(sent(&mut transport), [(1, Attempt::First), (2, Attempt::First)]);
        assert_eq!(transport.acknowledge(3), Ok(Progress::Some));
        assert_eq!(sent(&mut transport).len(), 4);
        assert_eq!(transport.expire(10), Verdict::Again);
        assert_eq!(sent(&mut transport), [(3, Attempt::Again)]);
        // What was sent before the loss may be acknowledged at once.
        assert_eq!(transport.acknowledge(7), Ok(Progress::Some));
        assert_eq!(sent(&mut transport)[0], (7, Attempt::First));
    }

    #[test]
    fn what_was_never_sent_cannot_be_acknowledged() {
        let mut transport = filled(3);
        let _ = sent(&mut transport);
        assert_eq!(transport.acknowledge(2), Err(WrongNr));
        assert_eq!(transport.acknowledge(0), Ok(Progress::None));
        assert_eq!(transport.acknowledge(1), Ok(Progress::Some));
        assert_eq!(transport.acknowledge(0), Ok(Progress::None));
        assert_eq!(transport.acknowledge(1 + HALF - 1), Err(WrongNr));
    }

    #[test]
    fn patience_doubles_to_its_cap_and_ends() {
        let mut transport = filled(1);
        let _ = sent(&mut transport);
        let mut waits = Vec::new();
        loop {
            waits.push(transport.patience().as_secs());
            if transport.expire(5) == Verdict::Dead {
                break;
            }
            assert_eq!(sent(&mut transport), [(0, Attempt::Again)]);
        }
        assert_eq!(waits, [1, 2, 4, 8, 8, 8]);
    }

    #[test]
    fn numbers_wrap_around() {
        let mut transport = filled(0);
        for round in 0..70_000_u32 {
            transport.push(Message::Hello).unwrap();
            let (ns, ..) = transport.take_next().unwrap();
            assert_eq!(u32::from(ns), round % 65_536);
            assert_eq!(transport.acknowledge(ns.wrapping_add(1)), Ok(Progress::Some));
        }
        assert!(transport.is_idle() && !transport.is_waiting());
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let mut transport = filled(QUEUE_MAX);
        assert_eq!(transport.push(Message::Hello), Err(Full));
    }
}
