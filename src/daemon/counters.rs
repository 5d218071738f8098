//! What the daemon itself counts: queues that were full, clients that were too slow.
//!
//! Owns [`DaemonCounter`] and its cells. *Invariants*: any thread counts, `show errors` reads.

use core::sync::atomic::{AtomicU64, Ordering};

macro_rules! daemon_counters {
    ($($variant:ident: $name:literal, $help:literal;)*) => {
        /// Something the daemon counts.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum DaemonCounter {
            $(#[doc = $help] $variant,)*
        }

        impl DaemonCounter {
            /// Every counter, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means and what to do.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)* }
            }
        }
    };
}

daemon_counters! {
    ControlPanic: "control_panic",
        "The control plane failed and was started again. Please report it.";
    TimersHeld: "timers_held",
        "Timers waited as this router was late itself; its threads lack CPU time.";
    BfdOrderLost: "bfd_order_lost",
        "A worker did not take what was wanted of its BFD sessions; it hangs. Restart the router.";
    InjectRingFull: "inject_ring_full", "A worker did not take what it should send; it is behind.";
    InjectNoBuffer: "inject_no_buffer", "No packet buffer was free for a frame of the router.";
    InjectTooLong: "inject_too_long", "A packet of the router or of the host fits no buffer.";
    TunWriteFull: "tun_write_full", "The kernel did not take a packet for the host.";
    TunLost: "tun_lost", "The TUN device was taken away; it is made again.";
    TunAbsent: "tun_absent", "Packets for the host without a TUN device: see `[host] tun`.";
    LinkTunAbsent: "link_tun_absent",
        "Packets for the link-local address of a port without BGP over such addresses.";
    LinkTunUnwanted: "link_tun_unwanted",
        "Packets of the host from the link-local address of a port that are no TCP to a neighbour; \
         the kernel greets groups.";
    BgpStranger: "bgp_stranger",
        "BGP connections of somebody who is no neighbour, or beyond the number that is served.";
    BgpAcceptFailed: "bgp_accept_failed",
        "BGP connections could not be taken in: see the limit on open files.";
    EventLost: "event_lost", "Events came faster than they could be logged.";
    ReplyLost: "reply_lost", "Answers came faster than they could be handed on.";
    ClientSlow: "client_slow", "Clients that were cut off because they did not read.";
    ClientRefused: "client_refused", "Clients beyond the number that is served at a time.";
    AcceptFailed: "accept_failed",
        "Clients that the kernel had no descriptor for; raise the limit of open files.";
    RequestTooLong: "request_too_long", "Requests beyond the longest line that is read.";
    QueryUnanswered: "query_unanswered", "Questions that the control plane did not answer in time.";
    ReloadRefused: "reload_refused", "Configurations that were refused; the old one runs on.";
    ApplyIncomplete: "apply_incomplete",
        "Configurations of which a part could not be done; the log says which part.";
    RecordingEnded: "recording_ended",
        "The recording ended before the router: it was full, or could not follow; see the log.";
    MessageDropped: "message_dropped",
        "Messages that a thread did not take for seconds; it hangs. Restart the router.";
}

/// The cells; one set per process, shared by `Arc`.
#[derive(Debug)]
pub struct DaemonCounters {
    cells: [AtomicU64; DaemonCounter::ALL.len()],
}

impl Default for DaemonCounters {
    fn default() -> Self {
        Self { cells: core::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl DaemonCounters {
    /// Counts one.
    pub fn count(&self, counter: DaemonCounter) {
        if let Some(cell) = self.cells.get(counter as usize) {
            // Relaxed: nothing depends on it.
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The count.
    pub fn get(&self, counter: DaemonCounter) -> u64 {
        self.cells.get(counter as usize).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }
}
