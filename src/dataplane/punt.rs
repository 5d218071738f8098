//! Packets for the control thread: classes, policers, the way up.
//!
//! Owns [`PuntClass`], [`Punted`], [`PuntRings`] and [`PuntSender`], the worker's end of the rings.
//! What the control plane makes of a packet is its business; the daemon turns a [`Punted`] into an
//! input or gives it to the TUN.
//!
//! There are three rings. OSPF has one alone, because hellos that find no room cost an adjacency:
//! nothing that hosts send can fill it, and the control thread empties it first. ND, packets to
//! unresolved neighbours and control messages of L2TP share the second. What is for the host goes
//! to another thread, by the third: TCP does not queue behind protocols, nor they behind it.
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
use crate::packet::PacketBuf;
use crate::wire::ipv6::{Ipv6View, is_link_local};
use core::net::Ipv6Addr;
use std::sync::Arc;

/// OSPF packets that wait for the control thread, per worker: what several neighbours flood at once
/// after a large change.
pub const OSPF_RING_MAX: usize = 2048;
/// Other packets that wait for the control thread, per worker.
pub const CONTROL_RING_MAX: usize = 3072;
/// Packets that wait for the host thread, per worker: windows of some TCP connections.
pub const HOST_RING_MAX: usize = 4096;
/// At once, a port can fill this part of a ring at most.
const RING_SHARE: usize = 4;
const _: () = {
    let [ospf, nd] = [PuntClass::Ospf.limits().1, PuntClass::Nd.limits().1];
    let [unresolved, l2tp] = [PuntClass::Unresolved.limits().1, PuntClass::L2tp.limits().1];
    assert!(ospf as usize * RING_SHARE <= OSPF_RING_MAX);
    assert!((nd + unresolved + l2tp) as usize * RING_SHARE <= CONTROL_RING_MAX);
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
    /// A control message of L2TPv3 for this router; from the IPv6 header on.
    L2tp,
    /// For the kernel of the host, through the TUN; from the IPv6 header on.
    Host,
}

/// How many classes there are.
pub const PUNT_CLASS_COUNT: usize = PuntClass::ALL.len();

impl PuntClass {
    /// Every class, in order.
    pub const ALL: &'static [Self] =
        &[Self::Ospf, Self::Nd, Self::Unresolved, Self::L2tp, Self::Host];

    /// Name of the counter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ospf => "ospf",
            Self::Nd => "nd",
            Self::Unresolved => "unresolved",
            Self::L2tp => "l2tp",
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
            // Control connections with some hundred peers, all of which begin again.
            Self::L2tp => (1_000, 256),
            // TCP to the host: some Gb/s with 9000-octet packets.
            Self::Host => (200_000, 8_192),
        }
    }

    const fn policed(self) -> DropReason {
        match self {
            Self::Ospf => DropReason::PuntPolicedOspf,
            Self::Nd => DropReason::PuntPolicedNd,
            Self::Unresolved => DropReason::PuntPolicedUnresolved,
            Self::L2tp => DropReason::PuntPolicedL2tp,
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

impl<B: PacketBuf> Punted<B> {
    /// Whether it is for the host's end of the link of [`Self::port`], whose link-local address its
    /// destination is.
    pub fn is_for_link(&self) -> bool {
        let view = Ipv6View::new(self.packet.data());
        self.class == PuntClass::Host && view.is_ok_and(|it| is_link_local(it.destination_bits()))
    }
}

/// The rings by which one worker sends packets up; the daemon keeps the other ends.
pub struct PuntRings<B> {
    /// OSPF for the control thread.
    pub ospf: Arc<Ring<Punted<B>>>,
    /// Everything else for the control thread.
    pub control: Arc<Ring<Punted<B>>>,
    /// What is for the host.
    pub host: Arc<Ring<Punted<B>>>,
}

/// Rings that lead to the control thread.
pub const CONTROL_RING_COUNT: usize = 2;

impl<B> PuntRings<B> {
    /// Empty rings of the usual sizes.
    pub fn new() -> Self {
        Self {
            ospf: Arc::new(Ring::new(OSPF_RING_MAX)),
            control: Arc::new(Ring::new(CONTROL_RING_MAX)),
            host: Arc::new(Ring::new(HOST_RING_MAX)),
        }
    }

    /// The rings of the control thread, in the order in which it empties them.
    pub fn of_control(&self) -> [&Ring<Punted<B>>; CONTROL_RING_COUNT] {
        [&self.ospf, &self.control]
    }
}

impl<B> Default for PuntRings<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Clone for PuntRings<B> {
    fn clone(&self) -> Self {
        Self {
            ospf: Arc::clone(&self.ospf),
            control: Arc::clone(&self.control),
            host: Arc::clone(&self.host),
        }
    }
}

/// One way up: a ring, and why packets die for which it has no room.
struct Way<B> {
    ring: Arc<Ring<Punted<B>>>,
    full: DropReason,
    has_pushed: bool,
}

impl<B> Way<B> {
    fn new(ring: Arc<Ring<Punted<B>>>, full: DropReason) -> Self {
        Self { ring, full, has_pushed: false }
    }

    /// Whether the reader sleeps and was sent something since the last call.
    fn must_wake(&mut self) -> bool {
        core::mem::take(&mut self.has_pushed) && self.ring.must_wake()
    }
}

/// Wakes a reader.
type Wake = Box<dyn FnMut() + Send>;

/// The worker's end of the ways up.
pub struct PuntSender<B> {
    ospf: Way<B>,
    control: Way<B>,
    host: Way<B>,
    wake_control: Wake,
    wake_host: Wake,
    /// By class, then by port; a class that is not per port uses the first.
    policers: Box<[[TokenBucket; PORT_MAX]]>,
}

impl<B> PuntSender<B> {
    /// A sender into `rings`. The other two wake their readers; each is called at most once a loop,
    /// and only when its reader sleeps.
    pub fn new(rings: PuntRings<B>, wake_control: Wake, wake_host: Wake) -> Self {
        let policers = PuntClass::ALL.iter().map(|class| {
            let (rate, depth) = class.limits();
            core::array::from_fn(|_| TokenBucket::new(rate, depth))
        });
        Self {
            ospf: Way::new(rings.ospf, DropReason::PuntRingFullOspf),
            control: Way::new(rings.control, DropReason::PuntRingFull),
            host: Way::new(rings.host, DropReason::PuntRingFullHost),
            wake_control,
            wake_host,
            policers: policers.collect(),
        }
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
        let way = match class {
            PuntClass::Ospf => &mut self.ospf,
            PuntClass::Nd | PuntClass::Unresolved | PuntClass::L2tp => &mut self.control,
            PuntClass::Host => &mut self.host,
        };
        way.has_pushed = true;
        way.ring.push(punted).map_err(|punted| (punted.packet, way.full))
    }

    /// Wakes the readers that sleep and were sent something since the last call.
    pub fn finish(&mut self) {
        // Both are asked: each ring has its own flag, and one reader.
        let (ospf, control) = (self.ospf.must_wake(), self.control.must_wake());
        if ospf || control {
            (self.wake_control)();
        }
        if self.host.must_wake() {
            (self.wake_host)();
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

    fn rings(limit: usize) -> PuntRings<u32> {
        let ring = || Arc::new(Ring::new(limit));
        PuntRings { ospf: ring(), control: ring(), host: ring() }
    }

    fn sender(rings: &PuntRings<u32>) -> PuntSender<u32> {
        PuntSender::new(rings.clone(), Box::new(|| ()), Box::new(|| ()))
    }

    #[test]
    fn classes_are_numbered_in_order() {
        let numbered = PuntClass::ALL.iter().enumerate();
        assert!(numbered.into_iter().all(|(n, class)| class.index() == n));
    }

    #[test]
    fn each_class_has_its_own_policer() {
        let mut sender = sender(&rings(10_000));
        let (_, depth) = PuntClass::Unresolved.limits();
        for _ in 0..depth {
            assert!(sender.offer(punted(PuntClass::Unresolved), Instant::ZERO).is_ok());
        }
        let refused = sender.offer(punted(PuntClass::Unresolved), Instant::ZERO);
        assert_eq!(refused, Err((7, DropReason::PuntPolicedUnresolved)));
        assert!(sender.offer(punted(PuntClass::Nd), Instant::ZERO).is_ok());
    }

    #[test]
    fn each_port_has_its_own_policer_but_not_for_the_host() {
        for class in PuntClass::ALL {
            let mut sender = sender(&rings(10_000));
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
    fn ospf_finds_room_where_nothing_else_does_and_is_read_first() {
        let rings = rings(8);
        let mut sender = sender(&rings);
        for class in [PuntClass::Nd, PuntClass::Unresolved, PuntClass::Host] {
            for _ in 0..9 {
                let _ = sender.offer(punted(class), Instant::ZERO);
            }
        }
        let refused = sender.offer(punted(PuntClass::Nd), Instant::ZERO);
        assert_eq!(refused, Err((7, DropReason::PuntRingFull)));
        let refused = sender.offer(punted(PuntClass::Host), Instant::ZERO);
        assert_eq!(refused, Err((7, DropReason::PuntRingFullHost)));
        assert!(sender.offer(punted(PuntClass::Ospf), Instant::ZERO).is_ok());
        assert_eq!(rings.of_control().map(Ring::len), [1, 8]);
        assert_eq!(rings.host.len(), 8);
        let first = rings.of_control()[0].pop();
        assert_eq!(first.map(|punted| punted.class), Some(PuntClass::Ospf));
    }

    #[test]
    fn packets_of_the_host_take_its_own_ring() {
        let rings = rings(8);
        let mut sender = sender(&rings);
        for class in PuntClass::ALL {
            assert!(sender.offer(punted(*class), Instant::ZERO).is_ok());
        }
        assert_eq!((rings.ospf.len(), rings.control.len(), rings.host.len()), (1, 3, 1));
    }

    #[test]
    fn a_full_ring_is_a_drop() {
        let mut sender = sender(&rings(1));
        assert!(sender.offer(punted(PuntClass::Ospf), Instant::ZERO).is_ok());
        let refused = sender.offer(punted(PuntClass::Ospf), Instant::ZERO);
        assert_eq!(refused, Err((7, DropReason::PuntRingFullOspf)));
    }

    #[test]
    fn a_sleeping_reader_is_woken_once_whatever_ring_it_was_sent_something_by() {
        let wakes = [const { AtomicU32::new(0) }; 2].map(Arc::new);
        let [control, host] = wakes.clone().map(|count| {
            let wake = move || {
                count.fetch_add(1, Ordering::Relaxed);
            };
            Box::new(wake) as Wake
        });
        let rings = rings(8);
        let mut sender = PuntSender::new(rings.clone(), control, host);
        let woken = || wakes.each_ref().map(|count| count.swap(0, Ordering::Relaxed));
        for (classes, expected) in [
            (&[PuntClass::Ospf][..], [1, 0]),
            (&[PuntClass::Nd], [1, 0]),
            (&[PuntClass::Ospf, PuntClass::Unresolved], [1, 0]),
            (&[PuntClass::Host], [0, 1]),
            (&[], [0, 0]),
        ] {
            let mut readers = rings.of_control().into_iter().chain([&*rings.host]);
            assert!(readers.all(Ring::announce_sleep));
            for class in classes {
                assert!(sender.offer(punted(*class), Instant::ZERO).is_ok());
            }
            sender.finish();
            sender.finish();
            assert_eq!(woken(), expected, "{classes:?}");
            for ring in rings.of_control().into_iter().chain([&*rings.host]) {
                while ring.pop().is_some() {}
            }
        }
    }
}
