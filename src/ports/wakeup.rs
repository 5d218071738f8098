//! How an idle worker waits for traffic on a port.
//!
//! Owns the choice between a driver's interrupt, a companion descriptor, and nothing.
//!
//! *Invariants*: the protocol of a worker is: poll; if idle, [`Wakeup::arm`] every port; poll once
//! more; if still idle, `Poller::wait`; then [`Wakeup::settle`] for each reported port, and poll.
//! Whatever arrives at any point of it is seen by a poll or ends the wait. Where [`Wakeup::fd`] is
//! `None` the wait is bounded by [`BLIND_WAIT_MAX`], or shorter where a deadline asks for it.

#[cfg(dpdk)]
use crate::dpdk::RxInterrupt;
use crate::os::companion::Companion;
use core::time::Duration;
use std::os::fd::BorrowedFd;

/// How long a worker with a port that cannot wake it (memif, vdev) may sleep: with the timer's
/// slack within the 200 µs that an idle hop may add.
pub const BLIND_WAIT_MAX: Duration = Duration::from_micros(100);

/// How one receive queue wakes its worker; owned by that worker.
#[derive(Debug)]
pub enum Wakeup {
    /// A descriptor that is readable while the port has packets.
    Companion(Companion),
    /// The driver's interrupt.
    #[cfg(dpdk)]
    Interrupt(RxInterrupt),
    /// It does not: the worker sleeps no longer than [`BLIND_WAIT_MAX`].
    Blind,
}

impl Wakeup {
    /// What to watch; `None` when the worker must look by itself.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Companion(companion) => Some(companion.fd()),
            #[cfg(dpdk)]
            Self::Interrupt(interrupt) => Some(interrupt.fd()),
            Self::Blind => None,
        }
    }

    /// To be called before sleeping; poll the port once more afterwards. Says whether the port will
    /// wake the worker; if not, the sleep is bounded by [`BLIND_WAIT_MAX`].
    pub fn arm(&self) -> bool {
        match self {
            Self::Companion(_) => true,
            #[cfg(dpdk)]
            Self::Interrupt(interrupt) => interrupt.arm().is_ok(),
            Self::Blind => false,
        }
    }

    /// To be called after the wait, before the port is polled: on ports the poller reported, and on
    /// those with an interrupt always.
    pub fn settle(&self) {
        match self {
            Self::Companion(companion) => companion.drain(),
            #[cfg(dpdk)]
            Self::Interrupt(interrupt) => {
                // One that cannot be disarmed costs interrupts, nothing else.
                let _ = interrupt.disarm();
            }
            Self::Blind => {}
        }
    }

    /// Whether [`Self::settle`] is due after every wait, reported or not.
    pub const fn settles_always(&self) -> bool {
        match self {
            Self::Companion(_) | Self::Blind => false,
            #[cfg(dpdk)]
            Self::Interrupt(_) => true,
        }
    }
}
