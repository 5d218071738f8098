//! Which members there shall be, and what each of them is.
//!
//! Owns [`Wanted`]: a circuit or a pseudowire with all that the forwarding state needs of it, and
//! [`Obstacle`], why it does not forward. Numbers are given out by `numbers`, the overlay is built
//! by `tenant`.
//!
//! The MTU of a pseudowire is that of the way there, less exactly what its encapsulation takes: the
//! least of the ports that the route leads to. What comes behind the first link is not known here;
//! a fabric has one MTU, and elsewhere `mtu` of the pseudowire says it.
//!
//! *Standards*: RFC 4719 §2.1 (MTU), RFC 6040 §4.1 (compatibility mode, for ends that know nothing
//! of ECN in tunnels: Linux copies nothing back).

use super::members::carrier;
use super::numbers::MemberKey;
use crate::base::ids::PortId;
use crate::base::time::Instant;
use crate::config::schema::{
    Tenant, TenantCookie, TenantEncapsulation, TenantPseudowire, TenantSublayer, TenantUdpSum,
    TenantVlan,
};
use crate::fib::bridge_table::{Circuit, CircuitVlan, MemberState, StormLimit, VlanSet};
use crate::fib::overlay::{MemberOptions, Mss, Pseudowire};
use crate::fib::session_table::SessionEnds;
use crate::fib::tunnel_header::{
    Carrier, Cookie, L2TP_PORT, OuterClass, Sublayer, TunnelEnds, UdpSum, inner_mtu,
};
use crate::fib::{Forwarding, NextHopGroup};
use crate::proto::tenant::{Pseudowire as Announced, PseudowireName};
use crate::wire::l2tp as wire;
use crate::wire::ospf::TenantFormat;
use core::fmt;
use core::net::Ipv6Addr;

/// Octets of a tag in the frames of a tenant with a trunk.
pub(super) const VLAN_OCTETS: u16 = 4;
/// The smallest packet that a link must carry (RFC 791): below it nothing works.
const INNER_MTU_MIN: u16 = 68;

/// Why a member does not forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::control) enum Obstacle {
    /// Its port has none.
    Carrier,
    /// Nothing leads to the peer.
    Route,
    /// The peer's address is one of this router.
    Own,
    /// The address to send from is not here.
    Local,
    /// Nothing fits the way there.
    Small,
    /// Another pseudowire has the session id.
    Session,
    /// MACs moved between it and others again and again; until then.
    Loop(Instant),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Carrier => "no carrier",
            Self::Route => "no route to the peer",
            Self::Own => "the peer's address is one of this router",
            Self::Local => "the address to send from is not one of this router now",
            Self::Small => "the way there carries too small packets",
            Self::Session => "another pseudowire has its session id",
            Self::Loop(_) => "blocked: a loop",
        })
    }
}

/// What a member is to the forwarding state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) enum Body {
    /// Frames of a port.
    Circuit(Circuit),
    /// A tunnel.
    Pseudowire(Box<Pseudowire>),
}

/// How the MTU of a pseudowire comes about, in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct MtuSum {
    /// The largest outer packet; 0 where nothing leads there.
    pub outer: u16,
    /// What the encapsulation takes of it, a tag included where frames may have one.
    pub overhead: u16,
    /// What the configuration allows at most.
    pub most: Option<u16>,
}

impl MtuSum {
    /// Largest IP packet in a frame.
    pub(in crate::control) fn inner(self) -> u16 {
        let fits = self.outer.saturating_sub(self.overhead);
        self.most.map_or(fits, |most| most.min(fits))
    }
}

/// A member that shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) struct Wanted {
    pub key: MemberKey,
    /// What it is called.
    pub name: String,
    pub body: Body,
    pub options: MemberOptions,
    pub obstacle: Option<Obstacle>,
    /// Of pseudowires.
    pub mtu: MtuSum,
}

impl Wanted {
    fn new(key: MemberKey, name: String, body: Body, options: MemberOptions) -> Self {
        Self { key, name, body, options, obstacle: None, mtu: MtuSum::default() }
    }

    /// The same, hindered by this.
    pub(super) fn hindered(mut self, obstacle: Option<Obstacle>) -> Self {
        if let Some(obstacle) = obstacle {
            // Who has no session of its own is nowhere, whatever else hinders it.
            self.obstacle = match obstacle {
                Obstacle::Session => Some(obstacle),
                _ => self.obstacle.or(Some(obstacle)),
            };
            self.options.state = MemberState::Blocked;
        }
        self
    }
}

/// What the members of a tenant have in common.
fn options(tenant: &Tenant, mtu: u16) -> MemberOptions {
    let storm = StormLimit {
        frames_per_second: tenant.flood_limit,
        burst: (tenant.flood_limit / 2).max(1),
    };
    let mss = if tenant.clamp_mss { Mss::Clamped } else { Mss::Kept };
    MemberOptions { mac_limit: tenant.mac_limit, storm, mss, ..MemberOptions::of_mtu(mtu) }
}

/// A port, or some of its frames, as a member; `mtu` is that of the port.
pub(super) fn circuit(tenant: &Tenant, vlan: TenantVlan, port: PortId, mtu: u16) -> Wanted {
    let key = MemberKey::Circuit { tenant: tenant.id, port, vlan };
    let vlan = match vlan {
        TenantVlan::Trunk => CircuitVlan::Trunk(VlanSet::all()),
        TenantVlan::Untagged => CircuitVlan::Untagged,
        TenantVlan::Tagged(vlan) => CircuitVlan::Tagged(vlan),
    };
    let body = Body::Circuit(Circuit { port, vlan });
    Wanted::new(key, String::new(), body, options(tenant, mtu))
}

/// What a way to a peer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Packets of so many octets.
    Octets(u16),
    /// To nowhere.
    Nowhere,
    /// To this router.
    Here,
}

/// The way to an address in the world that is read.
pub(super) fn way_to(world: &Forwarding, address: Ipv6Addr) -> Way {
    let mtu_of = |port| world.interfaces.get(port).map(|interface| interface.mtu);
    match world.group(world.table.lookup(address.to_bits())) {
        NextHopGroup::Forward { members, .. } => {
            let next_hops = members.iter().filter_map(|member| world.next_hop(*member));
            let least = next_hops.filter_map(|next_hop| mtu_of(next_hop.port)).min();
            least.map_or(Way::Nowhere, Way::Octets)
        }
        NextHopGroup::OnLink(port) => mtu_of(*port).map_or(Way::Nowhere, Way::Octets),
        NextHopGroup::Local => Way::Here,
        NextHopGroup::Cross(_) | NextHopGroup::Unreachable | NextHopGroup::Blackhole => {
            Way::Nowhere
        }
    }
}

fn cookie(cookie: &TenantCookie) -> Cookie {
    match *cookie.octets.0.as_slice() {
        [a, b, c, d] => Cookie::Four([a, b, c, d]),
        [a, b, c, d, e, f, g, h] => Cookie::Eight([a, b, c, d, e, f, g, h]),
        _ => Cookie::None,
    }
}

/// Both ends of a pseudowire of the configuration.
fn ends(settings: &TenantPseudowire, local: Ipv6Addr) -> Pseudowire {
    let carrier = match settings.encapsulation {
        TenantEncapsulation::Ip => Carrier::Ip,
        TenantEncapsulation::Udp => Carrier::Udp {
            local_port: L2TP_PORT,
            remote_port: settings.remote_port,
            sum: match settings.udp_checksum {
                TenantUdpSum::Full => UdpSum::Full,
                TenantUdpSum::Zero => UdpSum::Zero,
            },
        },
    };
    let sublayer = match (settings.sublayer, settings.sequencing) {
        (TenantSublayer::None, _) => Sublayer::None,
        (TenantSublayer::Default, false) => Sublayer::Default,
        (TenantSublayer::Default, true) => Sublayer::Sequenced,
    };
    let remote = settings.address;
    Pseudowire {
        session: settings.session_id,
        incoming: SessionEnds {
            remote,
            local,
            carrier,
            cookie: cookie(&settings.cookie),
            other_cookie: None,
            sublayer,
        },
        outgoing: TunnelEnds {
            local,
            remote,
            carrier,
            session: settings.remote_session_id,
            cookie: cookie(&settings.remote_cookie),
            sublayer,
            class: OuterClass::CopyDscp,
        },
    }
}

/// Whether frames may have a tag, which their MTU does not count: those of a trunk.
pub(super) fn has_tags(tenant: &Tenant) -> bool {
    tenant.ports.iter().any(|entry| entry.vlan == TenantVlan::Trunk)
}

/// What the encapsulation takes of an outer packet.
fn overhead(tenant: &Tenant, outgoing: &TunnelEnds) -> u16 {
    let tag = if has_tags(tenant) { VLAN_OCTETS } else { 0 };
    (u16::MAX - inner_mtu(u16::MAX, outgoing)).saturating_add(tag)
}

/// A pseudowire of the configuration as a member.
pub(super) fn pseudowire(
    tenant: &Tenant,
    settings: &TenantPseudowire,
    local: Ipv6Addr,
    world: &Forwarding,
) -> Wanted {
    let key = MemberKey::Static { tenant: tenant.id, name: settings.name.clone() };
    let both = ends(settings, local);
    tunnel(tenant, (key, settings.name.clone()), both, (settings.mtu, world))
}

/// A pseudowire as a member: what fits it, and what hinders it.
fn tunnel(
    tenant: &Tenant,
    (key, name): (MemberKey, String),
    both: Pseudowire,
    (most, world): (Option<u16>, &Forwarding),
) -> Wanted {
    let TunnelEnds { local, remote, .. } = both.outgoing;
    let (outer, obstacle) = match way_to(world, remote) {
        Way::Octets(outer) => (outer, None),
        Way::Nowhere => (0, Some(Obstacle::Route)),
        Way::Here => (0, Some(Obstacle::Own)),
    };
    let overhead = overhead(tenant, &both.outgoing);
    let sum = MtuSum { outer, overhead, most };
    let is_here = way_to(world, local) == Way::Here;
    let obstacle = obstacle
        .or((!is_here).then_some(Obstacle::Local))
        .or((sum.inner() < INNER_MTU_MIN).then_some(Obstacle::Small));
    let body = Body::Pseudowire(Box::new(both));
    let wanted = Wanted::new(key, name, body, options(tenant, sum.inner()));
    Wanted { mtu: sum, ..wanted }.hindered(obstacle)
}

fn wire_cookie(cookie: wire::Cookie) -> Cookie {
    match *cookie.as_slice() {
        [a, b, c, d] => Cookie::Four([a, b, c, d]),
        [a, b, c, d, e, f, g, h] => Cookie::Eight([a, b, c, d, e, f, g, h]),
        _ => Cookie::None,
    }
}

fn wire_sublayer(format: TenantFormat) -> Sublayer {
    match (format.sublayer, format.sequencing) {
        (wire::Sublayer::None, _) => Sublayer::None,
        (wire::Sublayer::Default, wire::Sequencing::All) => Sublayer::Sequenced,
        // Gap: RFC 3931 §5.4.4, level 1 wants numbers in what is no IP; nobody of ours asks for it.
        (wire::Sublayer::Default, _) => Sublayer::Default,
    }
}

/// The pseudowire to a member of the cluster as a member of the segment.
pub(super) fn remote(
    tenant: &Tenant,
    name: PseudowireName,
    told: &Announced,
    world: &Forwarding,
) -> Wanted {
    let (local, remote) = (told.local_endpoint, told.remote_endpoint);
    let both = Pseudowire {
        session: told.local_session.get(),
        incoming: SessionEnds {
            remote,
            local,
            carrier: carrier(told.receive),
            cookie: wire_cookie(told.local_cookie),
            other_cookie: told.other_local_cookie.map(wire_cookie),
            sublayer: wire_sublayer(told.receive),
        },
        outgoing: TunnelEnds {
            local,
            remote,
            carrier: carrier(told.transmit),
            session: told.remote_session.get(),
            cookie: wire_cookie(told.remote_cookie),
            sublayer: wire_sublayer(told.transmit),
            class: OuterClass::Copy,
        },
    };
    let key = MemberKey::Remote { tenant: tenant.id, router: name.remote };
    tunnel(tenant, (key, name.remote.to_string()), both, (Some(told.mtu), world))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::TenantPort;
    use crate::fib::Liveness;

    fn tenant(port: &str) -> Tenant {
        let ports = vec![port.parse::<TenantPort>().unwrap()];
        Tenant { id: 7, name: "blue".to_owned(), ports, ..Tenant::default() }
    }

    fn settings() -> TenantPseudowire {
        TenantPseudowire {
            name: "peer".to_owned(),
            address: "2001:db8::2".parse().unwrap(),
            local_address: None,
            session_id: 1,
            remote_session_id: 2,
            cookie: TenantCookie::from_hex("00112233").unwrap(),
            remote_cookie: TenantCookie::from_hex("0011223344556677").unwrap(),
            encapsulation: TenantEncapsulation::Ip,
            remote_port: 1701,
            udp_checksum: TenantUdpSum::Full,
            sublayer: TenantSublayer::Default,
            sequencing: false,
            mtu: None,
        }
    }

    #[test]
    fn the_overhead_is_that_of_what_is_sent() {
        let local = "fd00::1".parse().unwrap();
        let of = |port: &str, settings: &TenantPseudowire| {
            overhead(&tenant(port), &ends(settings, local).outgoing)
        };
        // IPv6, session id, their cookie of eight octets, sublayer, Ethernet.
        assert_eq!(of("lan.10", &settings()), 40 + 4 + 8 + 4 + 14);
        assert_eq!(of("vm", &settings()), 40 + 4 + 8 + 4 + 14 + 4, "a tag");
        let udp = TenantPseudowire {
            encapsulation: TenantEncapsulation::Udp,
            sublayer: TenantSublayer::None,
            remote_cookie: TenantCookie::default(),
            ..settings()
        };
        assert_eq!(of("lan.10", &udp), 40 + 8 + 4 + 4 + 14);
    }

    #[test]
    fn a_peer_that_nothing_leads_to_is_blocked_with_its_reason() {
        let world = Forwarding::empty(std::sync::Arc::new(Liveness::new(0)));
        let local = "fd00::1".parse().unwrap();
        let wanted = pseudowire(&tenant("lan.10"), &settings(), local, &world);
        assert_eq!(wanted.obstacle, Some(Obstacle::Route));
        assert_eq!(wanted.options.state, MemberState::Blocked);
        let Body::Pseudowire(ends) = wanted.body else { unreachable!("it is one") };
        assert_eq!((ends.session, ends.outgoing.session), (1, 2));
        assert_eq!(ends.incoming.cookie, Cookie::Four([0, 0x11, 0x22, 0x33]));
    }
}
