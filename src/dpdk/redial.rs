//! Starts a device whose other end comes and goes.
//!
//! Owns [`Redial`]. A client of `net_memif` connects to its server when it is started, fails where
//! there is none, and does not connect again when the server has been away; the device is then
//! stopped and started once more.
//!
//! *Invariants*: no worker is inside a burst while the device stops or starts (`gate`). A redial
//! does not keep a device open but during an attempt.
//!
//! Gap: when the other end goes, the driver unmaps the shared memory from EAL's interrupt thread
//! without regard to the queues; a worker that is between two instructions of a burst then would
//! fail. The door cannot help, as nobody is told before.

use super::gate::Gate;
use super::port::Lease;
use std::sync::{Arc, PoisonError, Weak};

/// Starts the device again; one for each port whose other end may be missing.
#[derive(Debug)]
pub struct Redial {
    lease: Weak<Lease>,
    gate: Arc<Gate>,
}

/// How the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineState {
    /// It is closed, or about to be.
    Gone,
    /// Not started: there is no other end.
    Idle,
    /// Started, but the other end has not answered, or has gone.
    Dialled,
    /// Packets pass.
    Linked,
}

impl Redial {
    pub(super) fn new(lease: &Arc<Lease>, gate: Arc<Gate>) -> Self {
        Self { lease: Arc::downgrade(lease), gate }
    }

    /// How the device is now.
    pub fn state(&self) -> LineState {
        let Some(lease) = self.lease.upgrade() else { return LineState::Gone };
        if !self.gate.is_open() {
            return LineState::Idle;
        }
        let mut link = dpdk_sys::kumiki_link::default();
        // SAFETY: the shim fills the structure, which lives on this stack; the lease keeps the port
        // open.
        let result = unsafe { dpdk_sys::kumiki_port_link(lease.port(), &raw mut link) };
        if result == 0 && link.is_up != 0 { LineState::Linked } else { LineState::Dialled }
    }

    /// Stops the device and starts it; may block as long as the other end is there but does not
    /// answer.
    pub fn attempt(&self) {
        let Some(lease) = self.lease.upgrade() else { return };
        let at_work = lease.redialling.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.gate.close() {
            // A worker hangs; the device stays as it is.
            self.gate.open();
            return;
        }
        // SAFETY: a plain number; all queues are set up, and none of them is in use.
        let result = unsafe {
            dpdk_sys::rte_eth_dev_stop(lease.port());
            dpdk_sys::rte_eth_dev_start(lease.port())
        };
        if result == 0 {
            self.gate.open();
        }
        drop(at_work);
    }
}
