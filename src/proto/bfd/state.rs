//! The state machine of a session.
//!
//! ```text
//!                              +--+
//!                              |  | UP, ADMIN DOWN, TIMER
//!                              |  V
//!                      DOWN  +------+  INIT
//!               +------------|      |------------+
//!               |            | DOWN |            |
//!               |  +-------->|      |<--------+  |
//!               |  |         +------+         |  |
//!               |  |                          |  |
//!               |  |               ADMIN DOWN,|  |
//!               |  |ADMIN DOWN,          DOWN,|  |
//!               |  |TIMER                TIMER|  |
//!               V  |                          |  V
//!             +------+                      +------+
//!        +----|      |                      |      |----+
//!    DOWN|    | INIT |--------------------->|  UP  |    |INIT, UP
//!        +--->|      | INIT, UP             |      |<---+
//!             +------+                      +------+
//! ```
//!
//! Owns [`step`], the table of RFC 5880 §6.2 with the diagnostics of §6.8.4, §6.8.6 and §6.8.16.

use crate::wire::bfd::{Diagnostic, State};

/// What may happen to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet says that the neighbour is in this state.
    Received(State),
    /// TIMER: the detection time is over.
    Expired,
    /// An administrator switches it off …
    Disabled,
    /// … and on again.
    Enabled,
}

/// The new state and why; `None` where it stays.
pub const fn step(state: State, event: Event) -> Option<(State, Diagnostic)> {
    use Event as E;
    use State::{AdminDown, Down, Init, Up};
    Some(match (state, event) {
        (Down | Init | Up, E::Disabled) => (AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN),
        (AdminDown, E::Enabled) => (Down, Diagnostic::NONE),
        (Down, E::Received(Down)) => (Init, Diagnostic::NONE),
        (Down, E::Received(Init)) => (Up, Diagnostic::NONE),
        (Init, E::Received(Init | Up)) => (Up, Diagnostic::NONE),
        (Init, E::Received(AdminDown)) => (Down, Diagnostic::NEIGHBOR_SIGNALED_DOWN),
        (Up, E::Received(AdminDown | Down)) => (Down, Diagnostic::NEIGHBOR_SIGNALED_DOWN),
        (Init | Up, E::Expired) => (Down, Diagnostic::DETECTION_TIME_EXPIRED),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event as E;
    use State::{AdminDown, Down, Init, Up};

    /// RFC 5880 §6.2: a row an event, a column a state from AdminDown to Up; `no` where it stays.
    #[test]
    fn the_whole_table() {
        let no = None;
        let table: [(Event, [Option<State>; 4]); 7] = [
            (E::Received(AdminDown), [no, no, Some(Down), Some(Down)]),
            (E::Received(Down), [no, Some(Init), no, Some(Down)]),
            (E::Received(Init), [no, Some(Up), Some(Up), no]),
            (E::Received(Up), [no, no, Some(Up), no]),
            (E::Expired, [no, no, Some(Down), Some(Down)]),
            (E::Disabled, [no, Some(AdminDown), Some(AdminDown), Some(AdminDown)]),
            (E::Enabled, [Some(Down), no, no, no]),
        ];
        for (event, row) in table {
            for (state, expected) in State::ALL.into_iter().zip(row) {
                let found = step(state, event).map(|(state, _)| state);
                assert_eq!(found, expected, "{event:?} in {state}");
            }
        }
    }

    #[test]
    fn the_reason_to_leave_up_is_told() {
        let why = |event| step(Up, event).map(|(_, why)| why);
        assert_eq!(why(E::Expired), Some(Diagnostic::DETECTION_TIME_EXPIRED));
        assert_eq!(why(E::Received(Down)), Some(Diagnostic::NEIGHBOR_SIGNALED_DOWN));
        assert_eq!(why(E::Received(AdminDown)), Some(Diagnostic::NEIGHBOR_SIGNALED_DOWN));
        assert_eq!(why(E::Disabled), Some(Diagnostic::ADMINISTRATIVELY_DOWN));
    }
}
