//! Neighbour Unreachability Detection: one table.
//!
//! ```text
//!              answer                    time            used            5 s
//! Incomplete ---------> Reachable ---------------> Stale ------> Delay --------> Probe
//!     | no answer           ^  ^                     |             |               |
//!     v                     |  +---- confirmed ------+-------------+---------------+
//!    gone                   no answer to three probes: gone  <---------------------+
//! ```
//!
//! Owns [`step`]; MACs, timers and messages belong to `solicit`.
//!
//! *Invariants*: a state other than Incomplete has a MAC; only [`NudEffect::Fail`] ends an entry.
//! *Standards*: RFC 4861 §7.2.5, §7.3.2, §7.3.3 and Appendix C, which the rows follow. Deviation:
//! an answer without MAC does not change the R-flag of an incomplete entry (§7.2.5 has it so).

use super::view::NdState;
use NdState::{Delay, Incomplete, Probe, Reachable, Stale, Static};

/// What a message says about the MAC of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkLayer {
    /// Nothing.
    Absent,
    /// What the entry has.
    Same,
    /// Something else; always so for an incomplete entry.
    Different,
}

/// What happens to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NudEvent {
    /// Packets were sent to it.
    Used,
    /// An upper layer heard from it.
    Confirmed,
    /// The state's timer fired, with solicitations left.
    Timeout,
    /// The state's timer fired after the last solicitation.
    LastTimeout,
    /// A solicitation or router message came from it, with its MAC.
    Heard(LinkLayer),
    /// An advertisement.
    Advertised {
        /// Its target link-layer address.
        link_layer: LinkLayer,
        /// S-flag.
        is_solicited: bool,
        /// O-flag.
        is_override: bool,
    },
}

impl NudEvent {
    /// Whether the event proves that the way there works.
    pub const fn is_confirmation(self) -> bool {
        matches!(self, Self::Confirmed | Self::Advertised { is_solicited: true, .. })
    }
}

/// What is to be done, besides the timer of the new state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NudEffect {
    /// Nothing.
    Nothing,
    /// Take the MAC of the message, send what waits.
    Record,
    /// Ask the group.
    Ask,
    /// Ask the neighbour itself.
    AskDirectly,
    /// End the entry.
    Fail,
}

/// The state after `event`, and what is to be done.
pub fn step(state: NdState, event: NudEvent) -> (NdState, NudEffect) {
    use LinkLayer::{Absent, Different, Same};
    use NudEffect::{Ask, AskDirectly, Fail, Nothing, Record};
    use NudEvent::{Advertised, Confirmed, Heard, LastTimeout, Timeout, Used};
    match (state, event) {
        (Static, _) => (Static, Nothing),

        (Incomplete, Timeout) => (Incomplete, Ask),
        (Incomplete, LastTimeout) => (Incomplete, Fail),
        (Incomplete, Advertised { link_layer: Absent, .. } | Heard(Absent)) => {
            (Incomplete, Nothing)
        }
        (Incomplete, Advertised { is_solicited: true, .. }) => (Reachable, Record),
        (Incomplete, Advertised { is_solicited: false, .. }) => (Stale, Record),
        (Incomplete, Heard(Same | Different)) => (Stale, Record),
        (Incomplete, Used | Confirmed) => (Incomplete, Nothing),

        (_, Confirmed) => (Reachable, Nothing),
        (_, Advertised { link_layer: Absent | Same, is_solicited: true, .. }) => {
            (Reachable, Nothing)
        }
        (_, Advertised { link_layer: Different, is_solicited: true, is_override: true }) => {
            (Reachable, Record)
        }
        (_, Advertised { link_layer: Different, is_solicited: false, is_override: true }) => {
            (Stale, Record)
        }
        (Reachable, Advertised { link_layer: Different, is_override: false, .. }) => {
            (Stale, Nothing)
        }
        (same, Advertised { link_layer: Different, is_override: false, .. }) => (same, Nothing),
        (same, Advertised { link_layer: Absent | Same, is_solicited: false, .. }) => {
            (same, Nothing)
        }
        (_, Heard(Different)) => (Stale, Record),
        (same, Heard(Absent | Same)) => (same, Nothing),

        (Reachable, Timeout | LastTimeout) => (Stale, Nothing),
        (Stale, Used) => (Delay, Nothing),
        (Stale, Timeout | LastTimeout) => (Stale, Nothing),
        (Delay, Timeout | LastTimeout) => (Probe, AskDirectly),
        (Probe, Timeout) => (Probe, AskDirectly),
        (Probe, LastTimeout) => (Probe, Fail),
        (same @ (Reachable | Delay | Probe), Used) => (same, Nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_answers_every_event_as_appendix_c_says() {
        use LinkLayer::{Absent, Different, Same};
        use NudEffect::{Ask, AskDirectly, Fail, Nothing, Record};
        const fn told(link_layer: LinkLayer, flags: &str) -> NudEvent {
            let [solicited, replaces] = *flags.as_bytes() else { panic!("two flags") };
            let (is_solicited, is_override) = (solicited == b'S', replaces == b'O');
            NudEvent::Advertised { link_layer, is_solicited, is_override }
        }
        type Cell = (NdState, NudEffect);
        const SAME: NudEffect = Nothing;
        // Columns: Incomplete, Reachable, Stale, Delay, Probe.
        let stay = [Incomplete, Reachable, Stale, Delay, Probe].map(|state| (state, SAME));
        let confirmed: [Cell; 5] = [Reachable; 5].map(|state| (state, SAME));
        let row = |incomplete: Cell, others: [Cell; 5]| {
            let [_, reachable, stale, delay, probe] = others;
            [incomplete, reachable, stale, delay, probe]
        };
        let table: [(NudEvent, [Cell; 5]); 19] = [
            (NudEvent::Used, [stay[0], stay[1], (Delay, Nothing), stay[3], stay[4]]),
            (NudEvent::Confirmed, row(stay[0], confirmed)),
            (
                NudEvent::Timeout,
                [
                    (Incomplete, Ask),
                    (Stale, Nothing),
                    stay[2],
                    (Probe, AskDirectly),
                    (Probe, AskDirectly),
                ],
            ),
            (
                NudEvent::LastTimeout,
                [
                    (Incomplete, Fail),
                    (Stale, Nothing),
                    stay[2],
                    (Probe, AskDirectly),
                    (Probe, Fail),
                ],
            ),
            (NudEvent::Heard(Absent), stay),
            (NudEvent::Heard(Same), row((Stale, Record), stay)),
            (NudEvent::Heard(Different), [(Stale, Record); 5]),
            (told(Absent, "--"), stay),
            (told(Absent, "-O"), stay),
            (told(Absent, "S-"), row(stay[0], confirmed)),
            (told(Absent, "SO"), row(stay[0], confirmed)),
            (told(Same, "--"), row((Stale, Record), stay)),
            (told(Same, "-O"), row((Stale, Record), stay)),
            (told(Same, "S-"), row((Reachable, Record), confirmed)),
            (told(Same, "SO"), row((Reachable, Record), confirmed)),
            (told(Different, "--"), [(Stale, Record), (Stale, Nothing), stay[2], stay[3], stay[4]]),
            (told(Different, "-O"), [(Stale, Record); 5]),
            (
                told(Different, "S-"),
                [(Reachable, Record), (Stale, Nothing), stay[2], stay[3], stay[4]],
            ),
            (told(Different, "SO"), [(Reachable, Record); 5]),
        ];
        for (event, cells) in table {
            for (state, expected) in [Incomplete, Reachable, Stale, Delay, Probe].iter().zip(cells)
            {
                assert_eq!(step(*state, event), expected, "{state} and {event:?}");
            }
            assert_eq!(step(Static, event), (Static, Nothing));
        }
    }
}
