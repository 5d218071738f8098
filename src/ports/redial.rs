//! Looks after ports whose other end comes and goes, in a thread of its own.
//!
//! Owns the thread and its patience, and the removal of sockets that nobody listens on any more. A
//! thread of its own because connecting may block, where the other end is there but does not take
//! it; nobody waits for this one.
//!
//! *Invariants*: it ends with its port.

use crate::dpdk::Redial;
use crate::dpdk::redial::LineState;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// Between two looks at the device: how soon a cable is found that came back.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How long the other end may take to answer, once it has taken the connection. Each attempt costs
/// it one, so there are few.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(3);

/// What the thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    End,
    Wait,
    Dial,
}

/// What is remembered between two looks.
#[derive(Clone, Copy, Debug)]
struct Line {
    dialled_at: Instant,
    /// Whether there was a link since it was dialled.
    was_linked: bool,
}

impl Line {
    fn look(&mut self, state: LineState, now: Instant) -> Step {
        match state {
            LineState::Gone => return Step::End,
            LineState::Linked => {
                self.was_linked = true;
                return Step::Wait;
            }
            LineState::Dialled if !self.was_linked && now < self.dialled_at + ANSWER_TIME_MAX => {
                return Step::Wait;
            }
            LineState::Idle | LineState::Dialled => {}
        }
        *self = Self { dialled_at: now, was_linked: false };
        Step::Dial
    }
}

/// Starts the thread.
pub(super) fn look_after(redial: Redial) -> io::Result<()> {
    let mut line = Line { dialled_at: Instant::now(), was_linked: false };
    let body = move || {
        loop {
            match line.look(redial.state(), Instant::now()) {
                Step::End => return,
                Step::Wait => {}
                Step::Dial => redial.attempt(),
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
    };
    std::thread::Builder::new().name("redial".to_owned()).spawn(body).map(drop)
}

/// Removes a socket that a process left behind which was killed: the driver would refuse the name.
/// One on which somebody listens, maybe another port of this process, stays.
pub(super) fn remove_stale(path: &Path) {
    let refused = || -> rustix::io::Result<()> {
        let kind = SocketType::SEQPACKET;
        let socket = socket_with(AddressFamily::UNIX, kind, SocketFlags::NONBLOCK, None)?;
        connect(socket, &SocketAddrUnix::new(path)?)
    };
    if matches!(refused(), Err(Errno::CONNREFUSED | Errno::PROTOTYPE)) {
        // The driver says what is wrong, if it stays.
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_link_is_dialled_at_once_and_a_slow_answer_waited_for() {
        let start = Instant::now();
        let mut line = Line { dialled_at: start, was_linked: false };
        assert_eq!(line.look(LineState::Idle, start), Step::Dial, "there was nobody");
        assert_eq!(line.look(LineState::Dialled, start), Step::Wait);
        assert_eq!(line.look(LineState::Linked, start), Step::Wait);
        assert_eq!(line.look(LineState::Dialled, start), Step::Dial, "the other end went");
        assert_eq!(line.look(LineState::Dialled, start), Step::Wait);
        let late = start + ANSWER_TIME_MAX;
        assert_eq!(line.look(LineState::Dialled, late), Step::Dial, "nobody answered");
        assert_eq!(line.look(LineState::Gone, late), Step::End);
    }
}
