//! Packets for the control thread: classes, policers, the way up.
//!
//! Owns [`PuntClass`], [`Punted`] and [`PuntSender`], the worker's end of the rings. What the
//! control plane makes of a packet is its business; the daemon turns a [`Punted`] into an input or
//! gives it to the TUN.
//!
//! *Invariants*: a punted packet passed the policer of its class and port; what did not is a drop
//! with a reason. What floods one port is refused there, while the neighbours of the others are
//! heard. Packets for the host share one policer: its TUN is one whatever port they came in by.
//! *Standards*: the idea of RFC 6192 (protection of the control plane).

use crate::base::ids::{PORT_MAX, PortId};
use crate::base::time::Instant;
use crate::dataplane::drop::DropReason;
use crate::dataplane::limit::TokenBucket;
use crate::dataplane::ring::Ring;
use core::net::Ipv6Addr;
use std::sync::Arc;

/// Packets that wait for the control thread, per worker: a burst of flooding from 16 neighbours
/// fits.
pub const PUNT_RING_MAX: usize = 4096;
/// No port can fill more than this part of a ring at once.
const PUNT_RING_SHARE: usize = 4;
const _: () = {
    let mut class = 0;
    while class < PUNT_CLASS_COUNT {
        let (_, depth) = PuntClass::ALL[class].limits();
        let is_per_port = PuntClass::ALL[class].is_per_port();
        assert!(!is_per_port || depth as usize * PUNT_RING_SHARE <= PUNT_RING_MAX);
        class += 1;
    }
};

/// Why a packet goes up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum PuntClass {
    /// OSPFv3 for this router; a whole frame.
    Ospf,
    /// Neighbour Discovery for this router; a whole frame.
    Nd,
    /// The next hop has no MAC; from the IPv6 header on, hop limit decremented.
    Unresolved,
    /// For the kernel of the host, through the TUN; from the IPv6 header on.
    Host,
}

/// How many classes there are.
pub const PUNT_CLASS_COUNT: usize = PuntClass::ALL.len();

impl PuntClass {
    /// Every class, in order.
    pub const ALL: &'static [Self] = &[Self::Ospf, Self::Nd, Self::Unresolved, Self::Host];

    /// Name of the counter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ospf => "ospf",
            Self::Nd => "nd",
            Self::Unresolved => "unresolved",
            Self::Host => "host",
        }
    }

    /// The class as an index into a table.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether the packet is handed over with its Ethernet header.
    pub const fn is_frame(self) -> bool {
        matches!(self, Self::Ospf | Self::Nd)
    }

    /// The class behind a number.
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// Whether each port has a policer of its own.
    const fn is_per_port(self) -> bool {
        !matches!(self, Self::Host)
    }

    /// Packets per second and at once, of a port where [`Self::is_per_port`].
    const fn limits(self) -> (u32, u32) {
        match self {
            // One neighbour: the database of some hundreds of routers, their LSAs all at once.
            Self::Ospf => (5_000, 512),
            // The hosts of a LAN, all of which ask after a power cut.
            Self::Nd => (2_000, 256),
            // Each makes the control thread work; ND keeps a few packets per neighbour anyway.
            Self::Unresolved => (2_000, 256),
            // TCP to the host: some Gb/s with 9000-octet packets.
            Self::Host => (200_000, 8_192),
        }
    }

    const fn policed(self) -> DropReason {
        match self {
            Self::Ospf => DropReason::PuntPolicedOspf,
            Self::Nd => DropReason::PuntPolicedNd,
            Self::Unresolved => DropReason::PuntPolicedUnresolved,
            Self::Host => DropReason::PuntPolicedHost,
        }
    }
}

/// A packet on its way up.
#[derive(Debug)]
pub struct Punted<B> {
    /// Why.
    pub class: PuntClass,
    /// Where it came in; for [`PuntClass::Unresolved`] where it would leave.
    pub port: PortId,
    /// The neighbour to resolve; `::` in the other classes.
    pub neighbor: Ipv6Addr,
    /// The octets: see the class.
    pub packet: B,
}

/// One way up: a ring and how its reader is woken.
struct Way<B> {
    ring: Arc<Ring<Punted<B>>>,
    wake: Box<dyn FnMut() + Send>,
    has_pushed: bool,
}

impl<B> Way<B> {
    fn new(ring: Arc<Ring<Punted<B>>>, wake: Box<dyn FnMut() + Send>) -> Self {
        Self { ring, wake, has_pushed: false }
    }

    fn finish(&mut self) {
        if core::mem::take(&mut self.has_pushed) && self.ring.must_wake() {
            (self.wake)();
        }
    }
}

/// The worker's end of the ways up: to the control thread, and to the host thread where that has a
/// way of its own.
pub struct PuntSender<B> {
    control: Way<B>,
    host: Option<Way<B>>,
    /// By class, then by port; a class that is not per port uses the first.
    policers: Box<[[TokenBucket; PORT_MAX]]>,
}

impl<B> PuntSender<B> {
    /// A sender into `ring`; `wake` wakes its reader and is called at most once a loop, and only
    /// when the reader sleeps.
    pub fn new(ring: Arc<Ring<Punted<B>>>, wake: Box<dyn FnMut() + Send>) -> Self {
        let policers = PuntClass::ALL.iter().map(|class| {
            let (rate, depth) = class.limits();
            core::array::from_fn(|_| TokenBucket::new(rate, depth))
        });
        Self { control: Way::new(ring, wake), host: None, policers: policers.collect() }
    }

    /// Sends [`PuntClass::Host`] into `ring` instead: TCP of the host does not queue behind
    /// protocols, nor they behind it.
    #[must_use]
    pub fn with_host_ring(
        mut self,
        ring: Arc<Ring<Punted<B>>>,
        wake: Box<dyn FnMut() + Send>,
    ) -> Self {
        self.host = Some(Way::new(ring, wake));
        self
    }

    /// Sends a packet up, or gives it back with the reason to drop it.
    pub fn offer(&mut self, punted: Punted<B>, now: Instant) -> Result<(), (B, DropReason)> {
        let class = punted.class;
        let place = if class.is_per_port() { punted.port.index() } else { 0 };
        let policers = self.policers.get_mut(class.index());
        let policer = policers.and_then(|of_class| of_class.get_mut(place));
        if !policer.is_some_and(|policer| policer.take(now)) {
            return Err((punted.packet, class.policed()));
        }
        let way = match &mut self.host {
            Some(host) if class == PuntClass::Host => host,
            _ => &mut self.control,
        };
        way.has_pushed = true;
        way.ring.push(punted).map_err(|punted| (punted.packet, DropReason::PuntRingFull))
    }

    /// Wakes the readers that sleep and were sent something since the last call.
    pub fn finish(&mut self) {
        self.control.finish();
        if let Some(host) = &mut self.host {
            host.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicU32, Ordering};

    fn punted_on(port: u16, class: PuntClass) -> Punted<u32> {
        Punted { class, port: PortId(port), neighbor: Ipv6Addr::UNSPECIFIED, packet: 7 }
    }

    fn punted(class: PuntClass) -> Punted<u32> {
        punted_on(1, class)
    }

    #[test]
    fn classes_are_numbered_in_order() {
        let numbered = PuntClass::ALL.iter().enumerate();
        assert!(numbered.into_iter().all(|(n, class)| class.index() == n));
    }

    #[test]
    fn each_class_has_its_own_policer() {
        let mut sender = PuntSender::new(Arc::new(Ring::new(10_000)), Box::new(|| ()));
        let (_, depth) = PuntClass::Unresolved.limits();
        for _ in 0..depth {
            assert!(sender.offer(punted(PuntClass::Unresolved), Instant::ZERO).is_ok());
        }
        let refused = sender.offer(punted(PuntClass::Unresolved), Instant::ZERO);
        assert_eq!(refused, Err((7, DropReason::PuntPolicedUnresolved)));
        assert!(sender.offer(punted(PuntClass::Ospf), Instant::ZERO).is_ok());
    }

    #[test]
    fn each_port_has_its_own_policer_but_not_for_the_host() {
        for class in PuntClass::ALL {
            let mut sender = PuntSender::new(Arc::new(Ring::new(10_000)), Box::new(|| ()));
            let (_, depth) = class.limits();
            for _ in 0..depth {
                assert!(sender.offer(punted_on(1, *class), Instant::ZERO).is_ok());
            }
            let refused = Err((7, class.policed()));
            assert_eq!(sender.offer(punted_on(1, *class), Instant::ZERO), refused);
            for port in [0, 2, 63] {
                let answer = sender.offer(punted_on(port, *class), Instant::ZERO);
                assert_eq!(answer.is_ok(), class.is_per_port(), "{class:?} on {port}");
            }
        }
    }

    #[test]
    fn packets_of_the_host_take_its_own_ring() {
        let (control, host) = (Arc::new(Ring::new(8)), Arc::new(Ring::new(8)));
        let mut sender = PuntSender::new(Arc::clone(&control), Box::new(|| ()))
            .with_host_ring(Arc::clone(&host), Box::new(|| ()));
        for class in PuntClass::ALL {
            assert!(sender.offer(punted(*class), Instant::ZERO).is_ok());
        }
        assert_eq!((control.len(), host.len()), (3, 1));
    }

    #[test]
    fn a_full_ring_is_a_drop_and_a_sleeping_reader_is_woken() {
        let ring = Arc::new(Ring::new(1));
        let woken = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&woken);
        let wake = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let mut sender = PuntSender::new(Arc::clone(&ring), wake);
        assert!(ring.announce_sleep());
        assert!(sender.offer(punted(PuntClass::Nd), Instant::ZERO).is_ok());
        let refused = sender.offer(punted(PuntClass::Nd), Instant::ZERO);
        assert_eq!(refused, Err((7, DropReason::PuntRingFull)));
        sender.finish();
        sender.finish();
        assert_eq!(woken.load(Ordering::Relaxed), 1);
    }
}
