//! Out of a pseudowire: one lookup, the checks of its session, and the frame goes on to the bridge.
//!
//! Control messages, whose session id is 0 or whose T bit is set, go up. The lookups of a burst are
//! asked for ahead: first the places of the table, then the sessions.
//!
//! *Invariants*: comes from `ipv6_input` (over IP, right behind the header) or from `ipv6_local`,
//! which has set where the upper layer begins; it is for an end of the router's tunnels and as long
//! as its header says. What passes is a frame of at least an Ethernet header, with `domain` and
//! `member` set. Each check has its reason, in the order in which they tell most: a session, its
//! carrier and addresses, the sum, the cookie, the number. What fails one changes nothing, the last
//! number seen included.
//! *Standards*: RFC 3931 §4.1 (headers), §4.6.1 (numbers), §8.2 (cookies); RFC 6936 §4 and §5 (a
//! checksum of zero: only where the session has said so, from and to its addresses); RFC 6040 §4.2,
//! RFC 9601 §3 (congestion).

use crate::base::checksum::ipv6_upper_layer;
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next};
use crate::dataplane::node::inner::Network;
use crate::dataplane::node::{L2_OCTETS, ipv6_octets};
use crate::dataplane::punt::PuntClass;
use crate::fib::session_table::{SESSION_CONTROL, SessionCarrier};
use crate::fib::tunnel_header::{SEQUENCE_BIT, SEQUENCE_MASK, SUBLAYER_OCTETS, Sublayer};
use crate::fib::{Overlay, Session};
use crate::packet::{BURST_MAX, Burst, PacketBuf, PacketMeta};
use crate::wire::ecn::{self, ECN_MASK};
use crate::wire::ipv6::{HEADER_OCTETS, Ipv6View, NEXT_UDP};
use crate::wire::udp::{self, UdpView};

/// Where the upper layer begins without extension headers.
const UPPER_OFFSET: usize = L2_OCTETS as usize + HEADER_OCTETS;
/// UDP and the word of flags and version behind it.
const UDP_OCTETS: usize = udp::HEADER_OCTETS + 4;
/// T: a control message (RFC 3931 §3.2.1).
const FLAG_CONTROL: u16 = 0x8000;
const VERSION_MASK: u16 = 0x000f;
const VERSION: u16 = 3;
/// Octets that a frame has at least.
const FRAME_OCTETS_MIN: usize = L2_OCTETS as usize;

/// Takes a burst out of its pseudowires; see the file.
pub fn l2tpv3_decap<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    let overlay = &*ctx.world.overlay;
    let sessions = &overlay.sessions;
    let mut ids = [SESSION_CONTROL; BURST_MAX];
    let mut numbers = [None; BURST_MAX];
    for (packet, id) in burst.iter().zip(&mut ids) {
        *id = session_id(packet);
        sessions.prefetch(*id);
    }
    for (id, number) in ids.iter().zip(&mut numbers).take(burst.len()) {
        *number = sessions.find(*id);
    }
    let mut found = numbers.iter();
    let mut count = 0;
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        let session = found.next().copied().flatten().and_then(|number| sessions.session(number));
        match take_off(packet, session, overlay) {
            Ok(()) => count += 1,
            Err(Refusal::Control) => next.punt(slot, PuntClass::L2tp),
            Err(Refusal::Drop(reason)) => next.discard(slot, reason),
        }
    });
    ctx.counters.overlay.decapsulated.add(count);
}

enum Refusal {
    /// A control message, for the control thread.
    Control,
    Drop(DropReason),
}

impl From<DropReason> for Refusal {
    fn from(reason: DropReason) -> Self {
        Self::Drop(reason)
    }
}

/// Where the upper layer begins.
#[inline]
fn upper_offset<B: PacketBuf>(packet: &B) -> usize {
    match packet.meta().l4_offset {
        0 => UPPER_OFFSET,
        offset => usize::from(offset),
    }
}

/// Where the session id stands.
#[inline]
fn id_offset<B: PacketBuf>(packet: &B) -> usize {
    let over_udp = packet.meta().l4_protocol == NEXT_UDP;
    upper_offset(packet) + if over_udp { UDP_OCTETS } else { 0 }
}

/// The session id; 0 where there is none, which no session has.
#[inline]
fn session_id<B: PacketBuf>(packet: &B) -> u32 {
    let octets = packet.data().get(id_offset(packet)..).and_then(<[u8]>::first_chunk);
    octets.map_or(SESSION_CONTROL, |octets| u32::from_be_bytes(*octets))
}

/// Makes the frame out of the packet, where every check passes.
#[inline]
fn take_off<B: PacketBuf>(
    packet: &mut B,
    session: Option<&Session>,
    overlay: &Overlay,
) -> Result<(), Refusal> {
    let over_udp = packet.meta().l4_protocol == NEXT_UDP;
    if over_udp {
        check_datagram(packet)?;
    }
    let Some(session) = session else { return Err(without_session(packet)) };
    let body = id_offset(packet) + 4;
    let start = body + usize::from(session.header_octets());
    let short = DropReason::L2tpTruncated;
    if packet.data().len() < start + FRAME_OCTETS_MIN {
        let wanted = u16::try_from(start + FRAME_OCTETS_MIN).map_err(|_| short)?;
        packet.pull_up(wanted).map_err(|_| short)?;
    }
    let view = Ipv6View::new(ipv6_octets(packet)).map_err(|_| short)?;
    if (session.carrier() == SessionCarrier::Ip) == over_udp {
        return Err(DropReason::L2tpCarrier.into());
    }
    let class = view.traffic_class();
    if (view.source(), view.destination()) != (session.remote, session.local) {
        return Err(DropReason::L2tpAddress.into());
    }
    if over_udp {
        check_sum(packet, session)?;
    }
    let cookie = packet.data().get(body..).and_then(<[u8]>::first_chunk).ok_or(short)?;
    if !session.accepts_cookie(*cookie) {
        return Err(DropReason::L2tpCookie.into());
    }
    if session.sublayer() == Sublayer::Sequenced {
        check_number(packet, start, (session, overlay))?;
    }
    let meta = packet.meta();
    let mut fresh = PacketMeta::arrived(meta.in_port);
    fresh.l3_offset = L2_OCTETS;
    fresh.flags = PacketMeta::FROM_PSEUDOWIRE;
    (fresh.domain, fresh.member) = (session.domain, session.member);
    packet.trim_front(u16::try_from(start).map_err(|_| short)?).map_err(|_| short)?;
    *packet.meta_mut() = fresh;
    if class & ECN_MASK != 0 { take_over_congestion(packet, class) } else { Ok(()) }
}

/// What has no session here is for the control thread, or nobody's.
#[cold]
fn without_session<B: PacketBuf>(packet: &B) -> Refusal {
    let offset = id_offset(packet);
    let over_udp = packet.meta().l4_protocol == NEXT_UDP;
    match packet.data().get(offset..offset + 4) {
        None => Refusal::Drop(DropReason::L2tpTruncated),
        Some([0, 0, 0, 0]) if !over_udp => Refusal::Control,
        Some(_) => Refusal::Drop(DropReason::L2tpSession),
    }
}

/// Length and version over UDP.
fn check_datagram<B: PacketBuf>(packet: &mut B) -> Result<(), Refusal> {
    let offset = upper_offset(packet);
    let length = packet.len();
    let short = DropReason::L2tpTruncated;
    let udp = packet.data().get(offset..).map(UdpView::new);
    let Some(Ok(udp)) = udp else { return Err(short.into()) };
    let stated = u32::from(udp.length());
    let found = length.saturating_sub(u32::try_from(offset).unwrap_or(u32::MAX));
    if stated < u32::try_from(UDP_OCTETS).unwrap_or(0) || stated > found {
        return Err(DropReason::L2tpUdp.into());
    }
    let flags = udp.rest().first_chunk().map(|flags| u16::from_be_bytes(*flags)).ok_or(short)?;
    if flags & VERSION_MASK != VERSION {
        return Err(DropReason::L2tpVersion.into());
    }
    if flags & FLAG_CONTROL != 0 {
        return Err(Refusal::Control);
    }
    // What stands behind the datagram is no part of the frame.
    packet.truncate(length - (found - stated));
    Ok(())
}

/// The checksum over UDP, or that there may be none.
fn check_sum<B: PacketBuf>(packet: &mut B, session: &Session) -> Result<(), DropReason> {
    let wrong = DropReason::L2tpUdpChecksum;
    let offset = upper_offset(packet);
    let whole = u16::try_from(packet.len()).map_err(|_| DropReason::SegmentSplit)?;
    packet.pull_up(whole).map_err(|_| DropReason::SegmentSplit)?;
    let datagram = packet.data().get(offset..).ok_or(wrong)?;
    let udp = UdpView::new(datagram).map_err(|_| wrong)?;
    if !session.accepts_port(udp.source_port()) {
        return Err(DropReason::L2tpPort);
    }
    if udp.checksum() == 0 {
        let may_be = session.carrier() == SessionCarrier::UdpZero;
        return if may_be { Ok(()) } else { Err(wrong) };
    }
    match ipv6_upper_layer(session.remote, session.local, NEXT_UDP, datagram) {
        0 => Ok(()),
        _ => Err(wrong),
    }
}

/// The number in the sublayer, which ends at `start`.
fn check_number<B: PacketBuf>(
    packet: &B,
    start: usize,
    (session, overlay): (&Session, &Overlay),
) -> Result<(), DropReason> {
    let place = start.checked_sub(SUBLAYER_OCTETS).and_then(|at| packet.data().get(at..start));
    let octets = place.and_then(<[u8]>::first_chunk).ok_or(DropReason::L2tpTruncated)?;
    let word = u32::from_be_bytes(*octets);
    if word & SEQUENCE_BIT == 0 {
        return Err(DropReason::L2tpSublayer);
    }
    match overlay.sequences.accept(session.member, word & SEQUENCE_MASK) {
        true => Ok(()),
        false => Err(DropReason::L2tpSequence),
    }
}

/// Tells congestion that the outer header knows of to the packet in the frame.
#[cold]
fn take_over_congestion<B: PacketBuf>(packet: &mut B, outer: u8) -> Result<(), Refusal> {
    let network = Network::of(packet.data());
    let inner = network.class(packet.data());
    let class = ecn::leave_tunnel(outer, inner).ok_or(DropReason::L2tpCongestion)?;
    if class != inner {
        let is_set = network.set_class(packet.data_mut(), class);
        is_set.map_err(|_| DropReason::L2tpTruncated)?;
    }
    Ok(())
}
