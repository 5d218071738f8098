//! BFD sessions of a worker: their packets, their timers, and what their failure does at once.
//!
//! Owns [`BfdTable`], the sessions of the ports that belong to this worker ([`owner`]), and the
//! ends of the two rings to the control thread. What a session decides is `proto::bfd`'s, which
//! sessions there are the control plane's. A control plane that is busy, fails or starts again
//! changes nothing here: sessions go on until somebody orders otherwise.
//!
//! A session that fails flips the liveness of every next hop on its port in the loop in which it
//! fails, before the control thread hears of it. Its word stands until the session is Up again, is
//! switched off by the neighbour's administrator, is renewed, or ends; the control thread marks a
//! neighbour as dead by its own bit before it lets a session end. With each new world the word is
//! said again, because next hops may have numbers that they did not have before.
//!
//! A session that was ended says AdminDown for a detection time more, without a word to the control
//! thread, and is forgotten then; or at once where the port gets another one.
//! Gap: RFC 5880 §6.8.16: a router that ends is gone before a second packet would be due.
//!
//! *Invariants*: one worker runs all sessions of a port. Nothing is allocated but packet buffers,
//! which come from the pool. Timers expire after the packets of the same loop. A report that finds
//! no room in its ring is made again.
//! *Standards*: RFC 5881 §4 (ports), §5 (hop limit), RFC 5882 §4 (what follows from a failure),
//! RFC 5880 §6.8.16 (AdminDown at the end).

use crate::base::checksum::ipv6_upper_layer;
use crate::base::ids::{MacAddress, NextHopId, PORT_MAX, PortId};
use crate::base::machine::Machine;
use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};
use crate::dataplane::counters::LcoreCounters;
use crate::dataplane::drop::DropReason;
use crate::dataplane::ports::Ports;
use crate::dataplane::ring::Ring;
use crate::fib::{Adjacency, Forwarding, Interface, Witness};
use crate::packet::{PacketAlloc, PacketBuf, PacketMeta};
use crate::proto::bfd::{Action, Input, Refusal, Session, Settings, View, Wanted};
use crate::wire::bfd::{CONTROL_PORT, ControlPacket, OCTETS_MAX, Octets, SOURCE_PORT_MIN};
use crate::wire::ipv6::{HEADER_OCTETS, HOP_LIMIT_LINK, Ipv6Header, NEXT_UDP};
use crate::wire::udp;
use core::net::Ipv6Addr;
use std::sync::Arc;

pub use crate::proto::bfd::{Order, Report};

/// Orders that wait for a worker: every port, again and again, as a configuration is changed.
pub const ORDER_RING_MAX: usize = PORT_MAX * 16;
/// Reports that wait for the control thread: every port, from Up to Down and back.
pub const REPORT_RING_MAX: usize = PORT_MAX * 16;
/// When a report that found no room is tried again.
const REPORT_RETRY: Duration = Duration::from_millis(1);
/// Octets of a frame: Ethernet, IPv6, UDP, control packet.
const FRAME_OCTETS_MAX: usize = L3_OFFSET + HEADER_OCTETS + udp::HEADER_OCTETS + OCTETS_MAX;
const L3_OFFSET: usize = 14;

const _: () = assert!(PORT_MAX <= u64::BITS as usize, "a port has a bit");
const _: () = assert!(PORT_MAX <= 0x100, "a discriminator has eight bits for the port");

/// The place among `workers` of the one that runs the sessions of a port: the one that has its
/// first queue.
pub const fn owner(port: PortId, workers: usize) -> usize {
    match port.index().checked_rem(workers) {
        Some(place) => place,
        None => 0,
    }
}

/// The rings of one worker; the daemon keeps the other ends.
#[derive(Clone, Debug)]
pub struct BfdRings {
    /// From the control thread.
    pub orders: Arc<Ring<Order>>,
    /// To it.
    pub reports: Arc<Ring<Report>>,
}

impl BfdRings {
    /// Empty rings of the usual sizes.
    pub fn new() -> Self {
        Self {
            orders: Arc::new(Ring::new(ORDER_RING_MAX)),
            reports: Arc::new(Ring::new(REPORT_RING_MAX)),
        }
    }
}

impl Default for BfdRings {
    fn default() -> Self {
        Self::new()
    }
}

/// What a worker needs to run sessions.
pub struct BfdSetup<B> {
    /// The rings.
    pub rings: BfdRings,
    /// Buffers for packets.
    pub alloc: Box<dyn PacketAlloc<B>>,
    /// Wakes the control thread.
    pub wake: Box<dyn FnMut() + Send>,
    /// Starts discriminators and jitter.
    pub seed: u64,
}

/// A session and where its packets go.
struct Slot {
    local: Ipv6Addr,
    neighbor: Ipv6Addr,
    mac: MacAddress,
    session: Session,
    /// What next hops were told.
    is_failed: bool,
    /// The control thread has not heard of it as it is.
    is_unreported: bool,
    /// The timers must be looked at, whatever they say.
    is_touched: bool,
    /// Extensions counted so far.
    late_extensions: u64,
    /// When it is forgotten: it was ended, and says AdminDown until then.
    ends_at: Option<Instant>,
}

impl Slot {
    /// Whether the port's next hops are dead: the session has failed, and its neighbour is the
    /// other end of a cable. On a link with a prefix there may be others, and what is dead there is
    /// for BGP to say.
    const fn kills_port(&self) -> bool {
        self.is_failed && self.neighbor.is_unicast_link_local()
    }

    /// Whether the control thread has to hear of it; what was ended is no concern of its any more.
    const fn must_report(&self) -> bool {
        self.is_unreported && self.ends_at.is_none()
    }
}

/// What is there to send with.
pub struct Outlet<'a, B> {
    /// The forwarding state of this loop.
    pub world: &'a Forwarding,
    /// The worker's counters.
    pub counters: &'a LcoreCounters,
    /// The worker's ports.
    pub ports: &'a mut Ports<B>,
}

/// The sessions of one worker, at the index of their ports; owned by its thread.
pub struct BfdTable<B> {
    slots: Box<[Option<Slot>]>,
    setup: Option<BfdSetup<B>>,
    prng: Prng,
    /// When there is something to do.
    due_at: Instant,
    /// A bit for each port that has a session.
    ports: u64,
    /// Which world next hops were told in.
    told: (u64, usize),
    is_leaving: bool,
    has_reported: bool,
}

impl<B: PacketBuf> Default for BfdTable<B> {
    /// A table that takes no orders.
    fn default() -> Self {
        Self {
            slots: Box::default(),
            setup: None,
            prng: Prng::new(0),
            due_at: Instant::MAX,
            ports: 0,
            told: (0, 0),
            is_leaving: false,
            has_reported: false,
        }
    }
}

impl<B: PacketBuf> BfdTable<B> {
    /// A table without sessions.
    pub fn new(setup: BfdSetup<B>) -> Self {
        let slots = (0..PORT_MAX).map(|_| None).collect();
        let prng = Prng::new(setup.seed);
        Self { slots, setup: Some(setup), prng, ..Self::default() }
    }

    /// When [`Self::tick`] has something to do.
    #[inline]
    pub const fn due_at(&self) -> Instant {
        self.due_at
    }

    /// Whether orders wait.
    #[inline]
    pub fn has_orders(&self) -> bool {
        self.setup.as_ref().is_some_and(|setup| !setup.rings.orders.is_empty())
    }

    /// Says that the worker goes to sleep. False when an order waits: then it must not.
    pub fn announce_sleep(&self) -> bool {
        self.setup.as_ref().is_none_or(|setup| setup.rings.orders.announce_sleep())
    }

    /// Says that it is awake again.
    pub fn announce_awake(&self) {
        if let Some(setup) = &self.setup {
            setup.rings.orders.announce_awake();
        }
    }

    /// Tells next hops in a new world what the sessions of their ports say.
    #[inline]
    pub fn look_at(&mut self, world: &Forwarding) {
        // A control plane that starts again counts worlds from the beginning, but has flags of its
        // own; those of the world before are not freed as long as a worker may look at them.
        let told = (world.epoch, Arc::as_ptr(&world.liveness).addr());
        if self.ports != 0 && told != self.told {
            self.told = told;
            self.tell_all(world);
        }
    }

    #[cold]
    fn tell_all(&self, world: &Forwarding) {
        for (number, next_hop) in (0..).map(NextHopId).zip(world.next_hops.iter()) {
            if let Some(slot) = self.slot(next_hop.port) {
                world.liveness.tell(number, Witness::Bfd, !slot.kills_port());
            }
        }
    }

    /// Carries out what the control plane ordered; says how many packets that made.
    #[cold]
    pub fn obey(&mut self, now: Instant, outlet: &mut Outlet<'_, B>) -> usize {
        let mut sent = 0;
        for _ in 0..ORDER_RING_MAX {
            let order = self.setup.as_ref().and_then(|setup| setup.rings.orders.pop());
            match order {
                Some(Order::Want(wanted)) => sent += self.want(now, wanted, outlet),
                Some(Order::Renew(wanted)) => {
                    self.forget(wanted.port, outlet.world);
                    sent += self.want(now, wanted, outlet);
                }
                Some(Order::End { port }) => sent += self.end(now, port, outlet),
                Some(Order::Leave) => {
                    self.is_leaving = true;
                    sent += self.leave(now, outlet);
                }
                Some(Order::Describe) => {
                    self.slots.iter_mut().flatten().for_each(|slot| slot.is_unreported = true);
                }
                None => break,
            }
        }
        self.due_at = now;
        sent
    }

    /// Switches every session off.
    fn leave(&mut self, now: Instant, outlet: &mut Outlet<'_, B>) -> usize {
        let Self { slots, setup: Some(setup), .. } = self else { return 0 };
        let mut sent = 0;
        for (port, slot) in (0..).map(PortId).zip(slots.iter_mut()) {
            let Some(slot) = slot else { continue };
            let settings = Settings { is_enabled: false, ..*slot.session.settings() };
            slot.session.handle(now, Input::Settings(settings));
            sent += carry_out(port, slot, setup, outlet);
        }
        sent
    }

    fn want(&mut self, now: Instant, wanted: Wanted, outlet: &mut Outlet<'_, B>) -> usize {
        let Wanted { port, local, neighbor, mac, settings } = wanted;
        let settings = Settings { is_enabled: settings.is_enabled && !self.is_leaving, ..settings };
        let is_another = self.slot(port).is_some_and(|slot| slot.neighbor != neighbor);
        let mut sent = if is_another { self.end(now, port, outlet) } else { 0 };
        if self.slot(port).is_some_and(|slot| slot.ends_at.is_some()) {
            self.forget(port, outlet.world);
        }
        let (seed, random) = (self.prng.next_u64(), self.prng.next_u64());
        let Self { slots, setup: Some(setup), .. } = self else { return sent };
        let Some(place) = slots.get_mut(port.index()) else { return sent };
        match place {
            Some(slot) => {
                slot.local = local;
                if slot.session.view().remote_discriminator == 0 {
                    slot.mac = mac;
                }
                slot.session.handle(now, Input::Settings(settings));
                sent += carry_out(port, slot, setup, outlet);
                slot.is_unreported = true;
            }
            None => {
                let session = Session::new(now, settings, discriminator(port, random), seed);
                self.ports |= 1 << port.index();
                let slot = place.insert(Slot {
                    local,
                    neighbor,
                    mac,
                    session,
                    is_failed: false,
                    is_unreported: true,
                    is_touched: false,
                    late_extensions: 0,
                    ends_at: None,
                });
                sent += carry_out(port, slot, setup, outlet);
            }
        }
        sent
    }

    /// Ends a session in order: the neighbour hears that it is no failure, and next hops are as if
    /// there were none.
    fn end(&mut self, now: Instant, port: PortId, outlet: &mut Outlet<'_, B>) -> usize {
        let Self { slots, setup: Some(setup), .. } = self else { return 0 };
        let Some(Some(slot)) = slots.get_mut(port.index()) else { return 0 };
        if slot.ends_at.is_some() {
            return 0;
        }
        let settings = Settings { is_enabled: false, ..*slot.session.settings() };
        slot.session.handle(now, Input::Settings(settings));
        let sent = carry_out(port, slot, setup, outlet);
        slot.ends_at = Some(now + farewell(&slot.session));
        sent
    }

    /// Takes a session out, and back what it said of next hops.
    fn forget(&mut self, port: PortId, world: &Forwarding) {
        let Some(slot) = self.slots.get_mut(port.index()).and_then(Option::take) else { return };
        self.ports &= !(1 << port.index());
        if slot.kills_port() {
            tell(port, true, world);
        }
    }

    /// A control packet came in by a port of this worker; `source` is who sent it.
    pub fn receive(
        &mut self,
        now: Instant,
        port: PortId,
        source: (MacAddress, Ipv6Addr),
        (packet, octets): (&ControlPacket, &Octets),
    ) -> Result<(), DropReason> {
        let slot = self.slots.get_mut(port.index()).and_then(Option::as_mut);
        // RFC 5881 §4, §6: what is for a port and from its neighbour is for its session.
        let slot = slot.filter(|slot| slot.neighbor == source.1).ok_or(DropReason::BfdNoSession)?;
        slot.session.receive(now, packet, octets).map_err(|refusal| match refusal {
            Refusal::Discriminator(_) => DropReason::BfdDiscriminator,
            Refusal::Authentication(_) => DropReason::BfdAuthentication,
        })?;
        slot.mac = source.0;
        slot.is_touched = true;
        self.due_at = now;
        Ok(())
    }

    /// Lets timers expire and sends what is due; says how many packets.
    pub fn tick(&mut self, now: Instant, outlet: &mut Outlet<'_, B>) -> usize {
        let Self { slots, setup: Some(setup), ports, .. } = self else { return 0 };
        let (mut sent, mut due_at) = (0, Instant::MAX);
        for port in ports_in(*ports) {
            let Some(place) = slots.get_mut(port.index()) else { continue };
            let is_over = |slot: &mut Slot| slot.ends_at.is_some_and(|at| at <= now);
            if place.take_if(is_over).is_some() {
                *ports &= !(1 << port.index());
            }
            let Some(slot) = place else { continue };
            let is_due = slot.session.next_deadline().is_some_and(|due_at| due_at <= now);
            if is_due || core::mem::take(&mut slot.is_touched) {
                slot.session.handle_timeout(now);
                sent += carry_out(port, slot, setup, outlet);
            }
            if slot.must_report() {
                let report = Report { port, neighbor: slot.neighbor, view: slot.session.view() };
                slot.is_unreported = setup.rings.reports.push(report).is_err();
                self.has_reported = true;
            }
            let retry = slot.must_report().then_some(now + REPORT_RETRY);
            due_at = [Some(due_at), slot.session.next_deadline(), retry, slot.ends_at]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(due_at);
        }
        self.due_at = due_at;
        if core::mem::take(&mut self.has_reported) && setup.rings.reports.must_wake() {
            (setup.wake)();
        }
        sent
    }

    fn slot(&self, port: PortId) -> Option<&Slot> {
        self.slots.get(port.index()).and_then(Option::as_ref)
    }
}

/// The ports whose bit is set.
fn ports_in(mut bits: u64) -> impl Iterator<Item = PortId> {
    core::iter::from_fn(move || {
        let first = u16::try_from(bits.trailing_zeros()).unwrap_or(u16::MAX);
        bits &= bits.wrapping_sub(1);
        (u32::from(first) < u64::BITS).then_some(PortId(first))
    })
}

/// Does what a session wants; says how many packets it sent.
fn carry_out<B: PacketBuf>(
    port: PortId,
    slot: &mut Slot,
    setup: &mut BfdSetup<B>,
    outlet: &mut Outlet<'_, B>,
) -> usize {
    let mut sent = 0;
    while let Some(action) = slot.session.poll_action() {
        match action {
            Action::Send(octets) => {
                sent += usize::from(send(port, slot, &octets, setup.alloc.as_mut(), outlet));
            }
            Action::Changed(view) => {
                slot.is_unreported = true;
                if view.is_failed != slot.is_failed {
                    slot.is_failed = view.is_failed;
                    if slot.neighbor.is_unicast_link_local() {
                        tell(port, !view.is_failed, outlet.world);
                    }
                }
            }
        }
    }
    let extensions = slot.session.late_extensions();
    let new = extensions - core::mem::replace(&mut slot.late_extensions, extensions);
    if let Some(cells) = outlet.counters.bfd(port).filter(|_| new > 0) {
        cells.late_extensions.add(new);
    }
    sent
}

/// How long an ended session says so. RFC 5880 §6.8.16: "BFD Control packets SHOULD be transmitted
/// for at least a Detection Time after transitioning to AdminDown state in order to ensure that the
/// remote system is aware of the state change." It is the neighbour's, of the packets that it gets
/// now; none where it wants no packets.
fn farewell(session: &Session) -> Duration {
    let View { transmit_interval, multiplier, .. } = session.view();
    transmit_interval.map_or(Duration::ZERO, |interval| interval * u32::from(multiplier))
}

/// Tells every next hop on a port whether BFD thinks that it lives.
fn tell(port: PortId, is_alive: bool, world: &Forwarding) {
    let numbered = (0..).map(NextHopId).zip(world.next_hops.iter());
    for (number, _) in numbered.filter(|(_, next_hop)| next_hop.port == port) {
        world.liveness.tell(number, Witness::Bfd, is_alive);
    }
}

/// Unlike any other of this router, also on other workers, and unlike the one that the port had
/// before: RFC 5880 §6.3 wants them unique, §10 hard to guess.
fn discriminator(port: PortId, random: u64) -> u32 {
    let [.., low] = port.0.to_be_bytes();
    let random = u32::try_from(random >> 40).unwrap_or_default().max(1);
    random << 8 | u32::from(low)
}

/// RFC 5881 §4: one for each session, the same for all of its packets.
fn source_port(port: PortId) -> u16 {
    SOURCE_PORT_MIN.saturating_add(port.0)
}

/// Sends a packet of a session; false where it could not be made.
fn send<B: PacketBuf>(
    port: PortId,
    slot: &Slot,
    octets: &Octets,
    alloc: &mut dyn PacketAlloc<B>,
    outlet: &mut Outlet<'_, B>,
) -> bool {
    let Outlet { world, counters, ports } = outlet;
    let Some(interface) = world.interfaces.get(port) else { return false };
    let made = alloc.alloc().and_then(|packet| fill(packet, interface, slot, octets));
    let Some(mut packet) = made else {
        if let Some(cells) = counters.bfd(port) {
            cells.unsent.add(1);
        }
        return false;
    };
    *packet.meta_mut() = PacketMeta::arrived(port);
    packet.meta_mut().out_port = port;
    packet.meta_mut().flags = PacketMeta::INJECTED;
    counters.originated.add(1);
    match ports.send(packet, world, counters) {
        Ok(()) => {
            if let Some(cells) = counters.bfd(port) {
                cells.sent.add(1);
            }
        }
        Err(packet) => {
            counters.count_drops(DropReason::PortGone, 1);
            drop(packet);
        }
    }
    true
}

/// The frame around a control packet.
fn fill<B: PacketBuf>(
    mut packet: B,
    interface: &Interface,
    slot: &Slot,
    octets: &Octets,
) -> Option<B> {
    let (source, destination) = (slot.local, slot.neighbor);
    let length = u16::try_from(udp::HEADER_OCTETS + octets.as_slice().len()).ok()?;
    let header = Ipv6Header {
        traffic_class: Ipv6Header::CLASS_CONTROL,
        flow_label: 0,
        payload_length: length,
        next_header: NEXT_UDP,
        // RFC 5881 §5: "all BFD Control packets … MUST be sent with a … Hop Limit value of 255."
        hop_limit: HOP_LIMIT_LINK,
        source,
        destination,
    };
    let mut frame = [0; FRAME_OCTETS_MAX];
    let (ethernet, rest) = frame.split_first_chunk_mut()?;
    *ethernet = Adjacency::ipv6(slot.mac, interface.mac).rewrite;
    let (ipv6, rest) = rest.split_first_chunk_mut()?;
    *ipv6 = header.to_octets();
    let datagram = rest.get_mut(..usize::from(length))?;
    let (head, payload) = datagram.split_first_chunk_mut::<{ udp::HEADER_OCTETS }>()?;
    payload.copy_from_slice(octets.as_slice());
    let [ports @ .., _, _, _, _] = head;
    let [a, b] = source_port(interface.port).to_be_bytes();
    let [c, d] = CONTROL_PORT.to_be_bytes();
    *ports = [a, b, c, d];
    let [.., high, low, _, _] = head;
    [*high, *low] = length.to_be_bytes();
    // RFC 8200 §8.1: zero is sent as all ones.
    let sum = match ipv6_upper_layer(source, destination, NEXT_UDP, datagram) {
        0 => u16::MAX,
        sum => sum,
    };
    let [high, low] = sum.to_be_bytes();
    *datagram.first_chunk_mut::<{ udp::HEADER_OCTETS }>()?.last_chunk_mut()? = [high, low];
    let whole = L3_OFFSET + HEADER_OCTETS + usize::from(length);
    packet.append(frame.get(..whole)?).ok()?;
    Some(packet)
}
