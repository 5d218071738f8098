//! The segments of tenants: domains, members and sessions in one immutable value.
//!
//! Owns [`Overlay`], published as a part of [`crate::fib::Forwarding`], and [`OverlayBuilder`], by
//! which the control plane makes one. It makes a new one when a member comes, goes or changes; what
//! is learned and numbered meanwhile (MACs, sequence numbers) lives outside and stays.
//!
//! A number of a member means the same member as long as it is in use, across publications: MACs
//! point to it. Who takes a number away calls `MacTable::flush` before it gives it to another one.
//!
//! *Invariants*: the domain of every member is there, and every member is in the list of its domain
//! once. Session ids are unique. A frame of a port belongs to one circuit at most. Checked as they
//! are built; the packet path need not.

use crate::base::ids::{DomainId, MEMBER_MAX, MemberId, PORT_MAX, PortId};
use crate::base::prefetch::prefetch_index;
use crate::fib::bridge_table::{
    BridgeDomain, Circuit, CircuitVlan, MACS_PER_MEMBER_DEFAULT, Member, MemberKind, MemberState,
    PortCircuits, StormLimit,
};
use crate::fib::session_table::{Session, SessionEnds, SessionTable};
use crate::fib::tunnel_header::{TunnelEnds, TunnelHeader};
use core::net::Ipv6Addr;
use core::sync::atomic::{AtomicU32, Ordering};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bridge domains of a router: a tenant each, and far more than one server has.
pub const DOMAIN_MAX: usize = 4096;
/// Own addresses at which tunnels end: the loopback, and a few for peers that know another one.
pub const ENDPOINT_MAX: usize = 16;

/// The sequence numbers of pseudowires that have them; one a router, shared by all publications.
#[derive(Debug, Default)]
pub struct Sequences {
    sent: Box<[AtomicU32]>,
    seen: Box<[AtomicU32]>,
}

/// "Seen" before anything was.
const NOTHING_SEEN: u32 = u32::MAX;
/// How many numbers behind a packet must be to count as a new start instead of as old: a peer that
/// has started again counts from zero.
const REORDER_MAX: u32 = 1024;
/// Bits of a sequence number (RFC 3931 §4.6).
const SEQUENCE_MASK: u32 = 0x00ff_ffff;

impl Sequences {
    /// Numbers for every member there may be.
    pub fn new() -> Self {
        let table = |value| (0..MEMBER_MAX).map(|_| AtomicU32::new(value)).collect();
        Self { sent: table(0), seen: table(NOTHING_SEEN) }
    }

    /// Whether it has a place for nobody.
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// The number of the next packet of a member; 24 bits, from 0 on.
    #[inline]
    pub fn next(&self, member: MemberId) -> u32 {
        // Relaxed: a number that stands for itself; each worker gets another one.
        let sent = self.sent.get(member.index());
        sent.map_or(0, |sent| sent.fetch_add(1, Ordering::Relaxed) & SEQUENCE_MASK)
    }

    /// Whether a packet with this number comes after those that were seen (RFC 3931 §4.6.1); one
    /// that does is the last seen from then on.
    #[inline]
    pub fn accept(&self, member: MemberId, number: u32) -> bool {
        let Some(seen) = self.seen.get(member.index()) else { return false };
        let mut last = seen.load(Ordering::Relaxed);
        loop {
            let behind = last.wrapping_sub(number) & SEQUENCE_MASK;
            if last != NOTHING_SEEN && behind < REORDER_MAX {
                return false;
            }
            match seen.compare_exchange_weak(last, number, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(newer) => last = newer,
            }
        }
    }

    /// Forgets what a member sent and saw; when its number is given to another one.
    pub fn reset(&self, member: MemberId) {
        if let (Some(sent), Some(seen)) =
            (self.sent.get(member.index()), self.seen.get(member.index()))
        {
            sent.store(0, Ordering::Relaxed);
            seen.store(NOTHING_SEEN, Ordering::Relaxed);
        }
    }
}

/// Everything of the overlay that the packet path reads but what is learned.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    members: Box<[Member]>,
    headers: Box<[TunnelHeader]>,
    domains: Box<[BridgeDomain]>,
    ports: Box<[Option<Box<PortCircuits>>]>,
    endpoints: Box<[u128]>,
    /// By local session id.
    pub sessions: SessionTable,
    /// Of pseudowires that have them.
    pub sequences: Arc<Sequences>,
}

impl Overlay {
    /// Whether an own address is one at which tunnels end.
    #[inline]
    pub fn is_endpoint(&self, address: u128) -> bool {
        self.endpoints.contains(&address)
    }

    /// What of a port is bridged.
    #[inline]
    pub fn port(&self, port: PortId) -> Option<&PortCircuits> {
        self.ports.get(port.index())?.as_deref()
    }

    /// A member; `None` where there is none with this number.
    #[inline]
    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.members.get(id.index()).filter(|member| member.kind != MemberKind::Absent)
    }

    /// Hints that a member will be looked at.
    #[inline]
    pub fn prefetch_member(&self, id: MemberId) {
        prefetch_index(&self.members, id.index());
    }

    /// The header of a pseudowire.
    #[inline]
    pub fn header(&self, number: u16) -> Option<&TunnelHeader> {
        self.headers.get(usize::from(number))
    }

    /// Who is in a domain.
    #[inline]
    pub fn domain(&self, id: DomainId) -> Option<&BridgeDomain> {
        self.domains.get(id.index())
    }

    /// The members that there are.
    pub fn members(&self) -> impl Iterator<Item = (MemberId, &Member)> {
        let numbered = (0_u16..).map(MemberId).zip(self.members.iter());
        numbered.filter(|(_, member)| member.kind != MemberKind::Absent)
    }
}

/// Why something cannot be a part of the overlay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverlayError {
    /// The number of the member is 0, too large, or given already.
    #[error("member {0} is not a free number from 1 to {max}", max = MEMBER_MAX - 1)]
    Member(MemberId),
    /// The number of the domain is 0 or too large.
    #[error("domain {0} is not a number from 1 to {max}", max = DOMAIN_MAX - 1)]
    Domain(DomainId),
    /// The port is not one.
    #[error("port {0} is beyond the limit of {PORT_MAX}")]
    Port(PortId),
    /// Another circuit has frames that this one shall have.
    #[error("frames of port {0} belong to another circuit already")]
    CircuitTaken(PortId),
    /// A session id that is 0 or given already.
    #[error("session id {0} is 0 or given twice")]
    Session(u32),
    /// Two cookies of one session differ in length.
    #[error("the two cookies of session {0} differ in length")]
    Cookies(u32),
    /// Tunnels at too many addresses.
    #[error("tunnels end at more than {ENDPOINT_MAX} addresses")]
    Endpoints,
}

/// What every member has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberOptions {
    /// What it may do.
    pub state: MemberState,
    /// Largest IP packet in the frames that it takes, in octets.
    pub mtu: u16,
    /// MACs that are learned from it, at most.
    pub mac_limit: u32,
    /// What it may flood.
    pub storm: StormLimit,
    /// What becomes of the MSS of TCP connections; of pseudowires only.
    pub mss: Mss,
}

/// What becomes of the MSS of TCP connections that leave by a pseudowire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mss {
    /// Nothing.
    #[default]
    Kept,
    /// It is lowered to what the MTU of the pseudowire allows.
    Clamped,
}

impl MemberOptions {
    /// The usual limits, and this MTU.
    pub fn of_mtu(mtu: u16) -> Self {
        Self {
            state: MemberState::Forwarding,
            mtu,
            mac_limit: MACS_PER_MEMBER_DEFAULT,
            storm: StormLimit::default(),
            mss: Mss::Kept,
        }
    }
}

/// A session bound to a bridge domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pseudowire {
    /// Our session id, by which packets come.
    pub session: u32,
    /// What they must have.
    pub incoming: SessionEnds,
    /// What goes before frames that leave.
    pub outgoing: TunnelEnds,
}

/// Puts an overlay together; see [`Overlay`].
#[derive(Debug, Default)]
pub struct OverlayBuilder {
    members: BTreeMap<MemberId, Member>,
    headers: Vec<TunnelHeader>,
    sessions: Vec<(u32, Session)>,
    ports: BTreeMap<PortId, PortCircuits>,
}

impl OverlayBuilder {
    /// Binds a circuit to a domain.
    pub fn circuit(
        &mut self,
        id: MemberId,
        domain: DomainId,
        circuit: &Circuit,
        options: MemberOptions,
    ) -> Result<(), OverlayError> {
        self.check(id, domain)?;
        if circuit.port.index() >= PORT_MAX {
            return Err(OverlayError::Port(circuit.port));
        }
        if !self.ports.entry(circuit.port).or_default().add(&circuit.vlan, id) {
            return Err(OverlayError::CircuitTaken(circuit.port));
        }
        let vlan = match circuit.vlan {
            CircuitVlan::Tagged(vlan) => vlan,
            CircuitVlan::Untagged | CircuitVlan::Trunk(_) => 0,
        };
        let kind = MemberKind::Circuit { port: circuit.port, vlan };
        self.members.insert(id, member(domain, kind, options));
        Ok(())
    }

    /// Binds a pseudowire to a domain.
    pub fn pseudowire(
        &mut self,
        id: MemberId,
        domain: DomainId,
        pseudowire: &Pseudowire,
        options: MemberOptions,
    ) -> Result<(), OverlayError> {
        self.check(id, domain)?;
        // What comes to a blocked member is in no domain.
        let open = match options.state {
            MemberState::Forwarding => domain,
            MemberState::Blocked => DomainId(0),
        };
        let session = Session::new(&pseudowire.incoming, open, id)
            .ok_or(OverlayError::Cookies(pseudowire.session))?;
        let number = u16::try_from(self.headers.len()).map_err(|_| OverlayError::Member(id))?;
        let mut header = TunnelHeader::new(&pseudowire.outgoing);
        header.mss_mtu = (options.mss == Mss::Clamped).then_some(options.mtu);
        self.headers.push(header);
        self.sessions.push((pseudowire.session, session));
        self.members.insert(id, member(domain, MemberKind::Pseudowire(number), options));
        Ok(())
    }

    fn check(&self, id: MemberId, domain: DomainId) -> Result<(), OverlayError> {
        if id.0 == 0 || id.index() >= MEMBER_MAX || self.members.contains_key(&id) {
            return Err(OverlayError::Member(id));
        }
        if domain.0 == 0 || domain.index() >= DOMAIN_MAX {
            return Err(OverlayError::Domain(domain));
        }
        Ok(())
    }

    /// The overlay; `sequences` are those of the one before it.
    pub fn build(self, sequences: Arc<Sequences>) -> Result<Overlay, OverlayError> {
        let mut endpoints: Vec<u128> =
            self.sessions.iter().map(|(_, session)| bits(session.local)).collect();
        endpoints.sort_unstable();
        endpoints.dedup();
        if endpoints.len() > ENDPOINT_MAX {
            return Err(OverlayError::Endpoints);
        }
        let member_count = self.members.keys().next_back().map_or(0, |last| last.index() + 1);
        let mut members = vec![Member::ABSENT; member_count];
        let mut lists: BTreeMap<DomainId, (Vec<MemberId>, Vec<MemberId>)> = BTreeMap::new();
        for (id, member) in self.members {
            members[id.index()] = member;
            let (circuits, pseudowires) = lists.entry(member.domain).or_default();
            let list = if member.is_pseudowire() { pseudowires } else { circuits };
            if member.state == MemberState::Forwarding {
                list.push(id);
            }
        }
        let domain_count = lists.keys().next_back().map_or(0, |last| last.index() + 1);
        let mut domains = vec![BridgeDomain::default(); domain_count];
        for (id, (circuits, pseudowires)) in lists {
            let circuit_count = circuits.len();
            let members = circuits.into_iter().chain(pseudowires).collect();
            domains[id.index()] = BridgeDomain { members, circuit_count };
        }
        let port_count = self.ports.keys().next_back().map_or(0, |last| last.index() + 1);
        let mut ports: Vec<Option<Box<PortCircuits>>> = vec![None; port_count];
        for (id, circuits) in self.ports {
            ports[id.index()] = Some(Box::new(circuits));
        }
        Ok(Overlay {
            members: members.into(),
            headers: self.headers.into(),
            domains: domains.into(),
            ports: ports.into(),
            endpoints: endpoints.into(),
            sessions: SessionTable::new(&self.sessions).map_err(OverlayError::Session)?,
            sequences,
        })
    }
}

fn member(domain: DomainId, kind: MemberKind, options: MemberOptions) -> Member {
    let MemberOptions { state, mtu, mac_limit, storm, .. } = options;
    Member { domain, kind, state, mtu, mac_limit, storm }
}

const fn bits(address: Ipv6Addr) -> u128 {
    address.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fib::tunnel_header::{Carrier, Cookie, OuterClass, Sublayer};

    fn pseudowire(session: u32) -> Pseudowire {
        let (local, remote) = ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap());
        let (carrier, cookie, sublayer) = (Carrier::Ip, Cookie::None, Sublayer::None);
        let class = OuterClass::Copy;
        Pseudowire {
            session,
            incoming: SessionEnds { remote, local, carrier, cookie, other_cookie: None, sublayer },
            outgoing: TunnelEnds { local, remote, carrier, session, cookie, sublayer, class },
        }
    }

    fn circuit(port: u16) -> Circuit {
        Circuit { port: PortId(port), vlan: CircuitVlan::Untagged }
    }

    const DOMAIN: DomainId = DomainId(1);

    #[test]
    fn circuits_come_first_and_blocked_members_get_nothing() {
        let mut builder = OverlayBuilder::default();
        let options = MemberOptions::of_mtu(1500);
        let blocked = MemberOptions { state: MemberState::Blocked, ..options };
        builder.pseudowire(MemberId(1), DOMAIN, &pseudowire(7), options).unwrap();
        builder.circuit(MemberId(2), DOMAIN, &circuit(1), options).unwrap();
        builder.circuit(MemberId(3), DOMAIN, &circuit(2), blocked).unwrap();
        let overlay = builder.build(Arc::default()).unwrap();
        let domain = overlay.domain(DOMAIN).unwrap();
        assert_eq!((&*domain.members, domain.circuit_count), (&[MemberId(2), MemberId(1)][..], 1));
        assert!(overlay.is_endpoint("fd00::1".parse::<Ipv6Addr>().unwrap().to_bits()));
        assert!(overlay.member(MemberId(1)).unwrap().is_pseudowire());
        assert!(overlay.member(MemberId(0)).is_none() && overlay.member(MemberId(9)).is_none());
        assert!(overlay.port(PortId(0)).is_none() && overlay.port(PortId(2)).is_some());
        assert_eq!(overlay.members().count(), 3);
    }

    #[test]
    fn what_contradicts_itself_is_named() {
        let mut builder = OverlayBuilder::default();
        let options = MemberOptions::of_mtu(1500);
        let mut add = |id: u16, domain: u16, port: u16| {
            builder.circuit(MemberId(id), DomainId(domain), &circuit(port), options)
        };
        assert_eq!(add(1, 1, 1), Ok(()));
        assert_eq!(add(1, 1, 2), Err(OverlayError::Member(MemberId(1))));
        assert_eq!(add(0, 1, 2), Err(OverlayError::Member(MemberId(0))));
        assert_eq!(add(16_384, 1, 2), Err(OverlayError::Member(MemberId(16_384))));
        assert_eq!(add(2, 0, 2), Err(OverlayError::Domain(DomainId(0))));
        assert_eq!(add(2, 1, 64), Err(OverlayError::Port(PortId(64))));
        assert_eq!(add(2, 1, 1), Err(OverlayError::CircuitTaken(PortId(1))));
        for id in [4, 5] {
            builder.pseudowire(MemberId(id), DOMAIN, &pseudowire(7), options).unwrap();
        }
        assert_eq!(builder.build(Arc::default()).unwrap_err(), OverlayError::Session(7));
    }

    #[test]
    fn numbers_that_were_seen_are_refused_and_a_new_start_is_not() {
        let sequences = Sequences::new();
        let member = MemberId(3);
        assert_eq!([sequences.next(member), sequences.next(member)], [0, 1]);
        let order = [0, 1, 5, 3, 5, 6, 0x00f0_0000, 0, 0x00ff_ffff, 1];
        let taken = order.map(|number| sequences.accept(member, number));
        // A number far behind is a peer that begins anew; one that wraps goes on.
        let expected = [true, true, true, false, false, true, true, true, false, true];
        assert_eq!(taken, expected);
        sequences.reset(member);
        assert!(sequences.accept(member, 1) && sequences.next(member) == 0);
        assert!(!sequences.accept(MemberId(60_000), 1), "no such member");
    }
}
