//! A configuration of BGP becomes settings of its speaker.
//!
//! Owns the translation of `[bgp]`, its groups and neighbours into [`PeerSettings`], and the
//! numbers of neighbours ([`PeerNumbers`]). Policies are translated in `policies`, tried in
//! `trial`. What is done with all of it, and when, is for the control plane to say.
//!
//! A block whose neighbour no port leads to, whose own address is not here, or that names this
//! router itself, is inactive: one file serves every server of a cluster.
//!
//! *Invariants*: a neighbour keeps its number as long as it is configured. Nothing of OSPF is in
//! any of these values.
//! *Standards*: RFC 5082 §3 (hop limits), RFC 4271 §6.3 (hop limit of one to a neighbour on the
//! link), RFC 7947 §2.2 (route servers), RFC 2545 §3 (next hops).

mod policies;
#[cfg(test)]
mod tests;
mod trial;

pub use policies::{PolicyTable, Redistribution};
pub use trial::{
    Trial, TrialChange, TrialClause, TrialError, TrialRedistribution, TrialReport, TrialRoute,
    try_policy,
};
pub(super) use trial::{changes, in_words};

use crate::base::ids::{PortId, RouterId};
use crate::base::prefix::Ipv6Prefix;
use crate::config::schema::bgp_keys::{BGP_NEIGHBORS_MAX, MAX_PREFIX_MAX};
use crate::config::schema::{
    BgpAddPath, BgpDynamic, BgpNeighbor, BgpRemoteAs, BgpRestart, BgpRole, BgpSettings,
    NeighborKeys,
};
use crate::proto::bgp::ribs::decision::{MedComparison, MultipathNeighbor};
use crate::proto::bgp::ribs::limits::{
    ADD_PATHS_MAX, MULTIPATH_MAX, PATHS_PER_PEER_MAX, PEERS_MAX,
};
use crate::proto::bgp::ribs::{
    AsPathMode, Blackhole, DecisionSettings, FirstAs, NextHopMode, PeerId, PeerKind, RibSettings,
};
use crate::proto::bgp::settings::{
    Opening, RemoteAs, RestartMode, RestartSettings, RoleMode, Settings,
};
use crate::proto::bgp::speaker::PeerSettings;
use crate::proto::bgp::transport::{BGP_PORT, Expected, Key, Security};
use crate::proto::ospf::limits::EXTERNALS_MAX;
use crate::wire::bgp::{AddPathMode, NextHop, Role};
use core::fmt;
use core::net::{Ipv6Addr, SocketAddrV6};
use std::collections::{BTreeMap, BTreeSet};

const _: () = assert!(BGP_NEIGHBORS_MAX <= PEERS_MAX);
// One more than it may have must fit, or nobody would see it.
const _: () = assert!((MAX_PREFIX_MAX as usize) < PATHS_PER_PEER_MAX);
const _: () =
    assert!(EXTERNALS_MAX == 16_384, "the most that `max_prefix` of redistribution takes");
const _: () = assert!(MULTIPATH_MAX == 64, "the documentation of `multipath` says so");
const _: () = assert!(ADD_PATHS_MAX == 8, "the documentation of `add_path_max` says so");

/// Of max_prefix, where nothing else is said.
const WARNING_PERCENT: u32 = 75;

/// RFC 4291 §2.5.6.
const LINK_LOCAL: Ipv6Prefix =
    Ipv6Prefix::containing(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);

/// A port as BGP sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which.
    pub port: PortId,
    /// What it is called.
    pub name: String,
    /// The scope of its link-local addresses.
    pub scope_id: u32,
    /// The router's link-local address on it.
    pub link_local: Ipv6Addr,
    /// The other router on the link, where one was found.
    pub found: Option<Ipv6Addr>,
    /// Its prefixes, with the router's own address in each.
    pub addresses: Vec<(Ipv6Prefix, Ipv6Addr)>,
}

impl Link {
    /// The router's own address beside that of a neighbour.
    fn beside(&self, neighbor: Ipv6Addr) -> Option<Ipv6Addr> {
        let mut addresses = self.addresses.iter();
        addresses.find(|(prefix, _)| prefix.contains(neighbor)).map(|(_, own)| *own)
    }
}

/// Where this router is.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Its router-id in OSPF, which is its BGP identifier unless `[bgp]` says another.
    pub router_id: RouterId,
    /// Its loopback address.
    pub loopback: Option<Ipv6Addr>,
    /// Its ports that are here.
    pub links: &'a [Link],
}

impl<'a> Site<'a> {
    /// The port that a neighbour's block names.
    fn link(&self, block: &BgpNeighbor) -> Option<&'a Link> {
        let name = block.port.as_ref()?;
        self.links.iter().find(|link| link.name == *name)
    }

    /// The address that a neighbour has, or was found to have.
    fn address_of(&self, block: &BgpNeighbor) -> Option<Ipv6Addr> {
        block.address.or_else(|| self.link(block)?.found)
    }

    fn owns(&self, address: Ipv6Addr) -> bool {
        let mut own = self.links.iter().flat_map(|link| &link.addresses);
        self.loopback == Some(address) || own.any(|(_, own)| *own == address)
    }
}

/// What makes a neighbour the same neighbour: its address, and the port of a link-local one; or the
/// port alone, whoever is on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NeighborId {
    /// Its address, where that is said.
    pub address: Option<Ipv6Addr>,
    /// Name of its port, where that is said.
    pub port: Option<String>,
}

impl NeighborId {
    /// Of a block.
    pub fn of(neighbor: &BgpNeighbor) -> Self {
        Self { address: neighbor.address, port: neighbor.port.clone() }
    }
}

/// Why a neighbour's block says nothing on this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inactive {
    /// Its port is not here.
    PortAbsent,
    /// It is on the link of no port, and must be.
    NotOnLink,
    /// Its address is this router's own.
    Itself,
    /// The local address is not this router's.
    LocalAddressAbsent,
    /// The router has no address that the neighbour could connect to.
    NoLocalAddress,
    /// Its address is that of whoever is on the link, where nobody was heard yet.
    NobodyHeard,
    /// The same, and it shall have no session.
    ShutDown,
}

impl fmt::Display for Inactive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PortAbsent => "its port is not on this server",
            Self::NotOnLink => "it is on the link of no port of this server",
            Self::Itself => "it is this router",
            Self::LocalAddressAbsent => "its local_address is not one of this server",
            Self::NoLocalAddress => "this server has no address to speak from",
            Self::NobodyHeard => {
                "no router was heard on its port: it has to send router advertisements there, or \
                 to connect"
            }
            Self::ShutDown => "shut down by the configuration",
        })
    }
}

/// A neighbour that this router speaks with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveNeighbor {
    /// For the speaker.
    pub settings: PeerSettings,
    /// RFC 9003: its session is kept down, for this reason; may be empty.
    pub shutdown: Option<String>,
    /// Whether BFD watches it.
    pub has_bfd: bool,
}

/// A neighbour's block on this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// Which.
    pub id: NeighborId,
    /// Its address, once it is known.
    pub address: Option<Ipv6Addr>,
    /// What it is called.
    pub name: String,
    /// A word for people.
    pub description: Option<String>,
    /// What it is here.
    pub state: Result<Box<ActiveNeighbor>, Inactive>,
}

impl Neighbor {
    /// Whether this is its address, in words.
    pub fn is_at(&self, text: &str) -> bool {
        self.address.is_some_and(|address| text.parse() == Ok(address))
    }
}

/// The numbers of neighbours; kept from one configuration to the next.
#[derive(Clone, Debug, Default)]
pub struct PeerNumbers {
    numbers: BTreeMap<NeighborId, PeerId>,
}

impl PeerNumbers {
    /// Gives each of these a number: those that have one keep it, those that are not among them
    /// lose it.
    pub fn assign(&mut self, neighbors: &[Neighbor]) {
        let ids: BTreeSet<&NeighborId> = neighbors.iter().map(|neighbor| &neighbor.id).collect();
        // Nobody takes over the number of one that goes at the same time: what is said to a number
        // is said to whom it meant.
        let mut taken: BTreeSet<PeerId> = self.numbers.values().copied().collect();
        self.numbers.retain(|id, _| ids.contains(id));
        let mut free = (0..u16::MAX).map(PeerId);
        for id in ids {
            if !self.numbers.contains_key(id)
                && let Some(number) = free.find(|number| !taken.contains(number))
            {
                taken.insert(number);
                self.numbers.insert(id.clone(), number);
            }
        }
    }

    /// The number of a neighbour.
    pub fn number(&self, id: &NeighborId) -> Option<PeerId> {
        self.numbers.get(id).copied()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&NeighborId, PeerId)> {
        self.numbers.iter().map(|(id, number)| (id, *number))
    }
}

/// The BGP identifier of this router.
pub fn router_id(bgp: &BgpSettings, site: &Site<'_>) -> RouterId {
    bgp.router_id.unwrap_or(site.router_id)
}

/// What the tables of the speaker are made with; `seed` keys their hashes.
pub fn rib_settings(bgp: &BgpSettings, site: &Site<'_>, seed: u64) -> RibSettings {
    let router_id = router_id(bgp, site);
    let decision = DecisionSettings {
        med: match bgp.always_compare_med {
            true => MedComparison::Always,
            false => MedComparison::SameNeighbor,
        },
        multipath_neighbor: match bgp.multipath_any_as {
            true => MultipathNeighbor::Any,
            false => MultipathNeighbor::Same,
        },
        external_paths_max: bgp.multipath,
        internal_paths_max: bgp.multipath,
        ..DecisionSettings::default()
    };
    let cluster_id = bgp.cluster_id.unwrap_or(router_id);
    RibSettings { asn: bgp.asn, router_id, cluster_id, decision, seed }
}

/// Every neighbour of the configuration, as it is on this server.
pub fn neighbors(bgp: &BgpSettings, site: &Site<'_>, policies: &PolicyTable) -> Vec<Neighbor> {
    let neighbor = |block: &BgpNeighbor| Neighbor {
        id: NeighborId::of(block),
        address: site.address_of(block),
        name: name_of(block),
        description: block.description.clone(),
        state: active(bgp, block, site, policies).map(Box::new),
    };
    bgp.neighbors.iter().map(neighbor).collect()
}

fn name_of(block: &BgpNeighbor) -> String {
    let address = || block.address.map(|address| address.to_string());
    let port = || block.port.clone();
    block.name.clone().or_else(address).or_else(port).unwrap_or_default()
}

/// Neighbours that have come by themselves, as they are on this server; those that no block wants
/// any more, or that have one of their own, are left out.
pub fn dynamic_neighbors(
    bgp: &BgpSettings,
    site: &Site<'_>,
    policies: &PolicyTable,
    addresses: impl Iterator<Item = Ipv6Addr>,
) -> Vec<Neighbor> {
    let named =
        |address: Ipv6Addr| bgp.neighbors.iter().any(|other| other.address == Some(address));
    let neighbor = |address: Ipv6Addr| {
        let block = dynamic_of(bgp, address)?.neighbor(address);
        Some(Neighbor {
            id: NeighborId::of(&block),
            address: Some(address),
            name: address.to_string(),
            description: block.description.clone(),
            state: active(bgp, &block, site, policies).map(Box::new),
        })
    };
    addresses.filter(|address| !named(*address)).filter_map(neighbor).collect()
}

/// The block that wants a neighbour that comes from an address: the one of the longest prefix.
pub fn dynamic_of(bgp: &BgpSettings, address: Ipv6Addr) -> Option<&BgpDynamic> {
    let wants = bgp.dynamics.iter().filter(|dynamic| dynamic.prefix.contains(address));
    wants.max_by_key(|dynamic| dynamic.prefix.length())
}

/// Where neighbours of dynamic blocks may connect, and how their packets must look.
pub fn dynamic_listeners(bgp: &BgpSettings, site: &Site<'_>) -> Vec<(SocketAddrV6, Expected)> {
    let mut expected = Vec::new();
    for dynamic in bgp.dynamics.iter().filter(|dynamic| dynamic.keys.shutdown.is_none()) {
        let block = dynamic.neighbor(dynamic.prefix.address());
        let keys = bgp.keys_of(&block);
        let is_internal = bgp.is_internal(&keys).unwrap_or(false);
        let security = security(&keys, is_internal);
        let shares = |prefix: Ipv6Prefix| {
            prefix.contains(dynamic.prefix.address()) || dynamic.prefix.contains(prefix.address())
        };
        let links = site.links.iter().flat_map(|link| &link.addresses);
        let near = links.filter(|(prefix, _)| shares(*prefix)).map(|(_, own)| *own);
        let is_far = is_internal || keys.multihop.is_some() || keys.ttl_security_hops > Some(1);
        let far = site.loopback.filter(|_| is_far);
        let own: Vec<Ipv6Addr> = match keys.local_address {
            Some(local) => site.owns(local).then_some(local).into_iter().collect(),
            None => near.chain(far).collect(),
        };
        expected.extend(own.into_iter().map(|own| {
            let local = SocketAddrV6::new(own, BGP_PORT, 0, 0);
            (local, Expected { peers: dynamic.prefix, security: security.clone() })
        }));
    }
    expected
}

/// Where neighbours may connect that are found on a link, and how their packets must look.
pub fn link_listeners(bgp: &BgpSettings, site: &Site<'_>) -> Vec<(SocketAddrV6, Expected)> {
    let listener = |block: &BgpNeighbor| {
        let keys = bgp.keys_of(block);
        let is_wanted = block.address.is_none() && keys.shutdown.is_none();
        let link = site.link(block).filter(|_| is_wanted)?;
        let local = SocketAddrV6::new(link.link_local, BGP_PORT, 0, link.scope_id);
        let is_internal = bgp.is_internal(&keys).unwrap_or(false);
        let security = security(&keys, is_internal);
        Some((local, Expected { peers: LINK_LOCAL, security }))
    };
    bgp.neighbors.iter().filter_map(listener).collect()
}

/// The two ends of a session.
struct Ends<'a> {
    link: Option<&'a Link>,
    local: Ipv6Addr,
    remote: SocketAddrV6,
}

fn active(
    bgp: &BgpSettings,
    block: &BgpNeighbor,
    site: &Site<'_>,
    policies: &PolicyTable,
) -> Result<ActiveNeighbor, Inactive> {
    let keys = bgp.keys_of(block);
    let is_internal = bgp.is_internal(&keys).unwrap_or(false);
    let ends = ends(block, &keys, site, is_internal)?;
    let policy = |name: &Option<String>| name.as_deref().and_then(|name| policies.number(name));
    let role = keys.role.map(role);
    let kind = match (is_internal, keys.route_reflector_client == Some(true)) {
        (false, _) => PeerKind::External,
        (true, false) => PeerKind::Internal,
        (true, true) => PeerKind::Client,
    };
    let is_server = role == Some(Role::RouteServer);
    let is_own_next_hop = keys.next_hop_self.unwrap_or(!is_internal && !is_server);
    let is_free = role == Some(Role::RouteServerClient) || keys.enforce_first_as == Some(false);
    let percent = keys.max_prefix_warning_percent.map_or(WARNING_PERCENT, u32::from);
    let warning = |max: u32| u64::from(max) * u64::from(percent) / 100;
    let settings = PeerSettings {
        remote: ends.remote,
        local: ends.local,
        security: security(&keys, is_internal),
        session: session(bgp, &keys, role, router_id(bgp, site)),
        kind,
        port: ends.link.map(|link| link.port),
        on_link: next_hop_prefixes(&ends, &keys, is_internal),
        own_next_hop: own_next_hop(&ends),
        import: policy(&keys.import),
        export: policy(&keys.export),
        next_hop: if is_own_next_hop { NextHopMode::Own } else { NextHopMode::Unchanged },
        as_path: if is_server { AsPathMode::Transparent } else { AsPathMode::Prepend },
        first_as: if is_free { FirstAs::Free } else { FirstAs::Enforced },
        blackhole: match keys.blackhole {
            Some(true) => Blackhole::Honoured,
            _ => Blackhole::Ignored,
        },
        own_as_max: keys.allow_own_as.unwrap_or(0),
        paths_max: keys.max_prefix,
        paths_warning: keys.max_prefix.map(|max| u32::try_from(warning(max)).unwrap_or(max).max(1)),
        paths_restart: keys.max_prefix_restart_time,
        add_paths_max: keys.add_path_max.unwrap_or(ADD_PATHS_MAX),
    };
    Ok(ActiveNeighbor { settings, shutdown: keys.shutdown, has_bfd: keys.bfd == Some(true) })
}

fn ends<'a>(
    block: &BgpNeighbor,
    keys: &NeighborKeys,
    site: &Site<'a>,
    is_internal: bool,
) -> Result<Ends<'a>, Inactive> {
    let of_block = match &block.port {
        Some(_) => Some(site.link(block).ok_or(Inactive::PortAbsent)?),
        None => None,
    };
    let unknown = match keys.shutdown {
        Some(_) => Inactive::ShutDown,
        None => Inactive::NobodyHeard,
    };
    let address = site.address_of(block).ok_or(unknown)?;
    if site.owns(address) {
        return Err(Inactive::Itself);
    }
    let link = match of_block {
        Some(link) => Some(link),
        None => site.links.iter().find(|link| link.beside(address).is_some()),
    };
    let is_near = !is_internal && keys.multihop.is_none_or(|hops| hops == 1);
    let may_be_far = keys.ttl_security_hops.is_some_and(|hops| hops > 1);
    if link.is_none() && is_near && !may_be_far {
        return Err(Inactive::NotOnLink);
    }
    let is_link_local = address.is_unicast_link_local();
    let of_link = link.and_then(|link| match is_link_local {
        true => Some(link.link_local),
        false => link.beside(address),
    });
    let local = match keys.local_address.filter(|_| !is_link_local) {
        Some(local) if site.owns(local) => local,
        Some(_) => return Err(Inactive::LocalAddressAbsent),
        None => of_link.or(site.loopback).ok_or(Inactive::NoLocalAddress)?,
    };
    let scope_id = if is_link_local { link.map_or(0, |link| link.scope_id) } else { 0 };
    Ok(Ends { link, local, remote: SocketAddrV6::new(address, BGP_PORT, 0, scope_id) })
}

/// RFC 4271 §6.3: where the next hops of an external neighbour are that is one hop away.
fn next_hop_prefixes(ends: &Ends<'_>, keys: &NeighborKeys, is_internal: bool) -> Vec<Ipv6Prefix> {
    let is_far = keys.multihop.is_some_and(|hops| hops > 1);
    let link = ends.link.filter(|_| !is_internal && !is_far);
    link.map_or_else(Vec::new, |link| link.addresses.iter().map(|(prefix, _)| *prefix).collect())
}

/// RFC 2545 §3: the global address of this router, and that of the link where it is shared. On a
/// link without other addresses that one stands alone: a loopback would be an address to which the
/// neighbour has no route but by what it is told here.
fn own_next_hop(ends: &Ends<'_>) -> NextHop {
    let first = || ends.link.and_then(|link| link.addresses.first()).map(|(_, own)| *own);
    let global = match ends.local.is_unicast_link_local() {
        false => Some(ends.local),
        true => first(),
    };
    NextHop { global, link_local: ends.link.map(|link| link.link_local) }
}

fn security(keys: &NeighborKeys, is_internal: bool) -> Security {
    let key = keys.password.as_ref().map(|_| Key(keys.secret.0.clone()));
    let (hop_limit_sent, hop_limit_least) = match (keys.ttl_security_hops, keys.multihop) {
        // RFC 5082 §3: each hop takes one.
        (Some(hops), _) => (Some(u8::MAX), u8::MAX - (hops - 1).min(u8::MAX - 1)),
        (None, Some(hops)) => (Some(hops), 0),
        (None, None) if is_internal => (None, 0),
        (None, None) => (Some(1), 0),
    };
    Security { hop_limit_sent, hop_limit_least, key }
}

fn session(
    bgp: &BgpSettings,
    keys: &NeighborKeys,
    role: Option<Role>,
    identifier: RouterId,
) -> Settings {
    let remote_as = match keys.asn {
        Some(BgpRemoteAs::Number(asn)) => RemoteAs::Exactly(asn),
        Some(BgpRemoteAs::Internal) => RemoteAs::Internal,
        Some(BgpRemoteAs::External) | None => RemoteAs::External,
    };
    let add_path = keys.add_path.unwrap_or_default();
    let hold_time = keys.hold_time.unwrap_or(bgp.hold_time);
    Settings {
        opening: if keys.passive == Some(true) { Opening::Passive } else { Opening::Active },
        hold_time_s: u16::try_from(hold_time.as_secs()).unwrap_or(u16::MAX),
        keepalive_time: keys.keepalive_time.or(bgp.keepalive_time),
        send_hold_time: keys.send_hold_time,
        connect_retry_time: keys.connect_retry_time.unwrap_or(bgp.connect_retry_time),
        role,
        role_mode: match keys.role_strict {
            Some(true) => RoleMode::Strict,
            _ => RoleMode::Lenient,
        },
        restart: RestartSettings {
            mode: match keys.graceful_restart.unwrap_or(bgp.graceful_restart) {
                BgpRestart::Off => RestartMode::Off,
                BgpRestart::Helper => RestartMode::Helper,
                BgpRestart::Full => RestartMode::Full,
            },
            restart_time_s: u16::try_from(bgp.restart_time.as_secs()).unwrap_or(u16::MAX),
            survives_notifications: true,
        },
        add_path: AddPathMode {
            receives: matches!(add_path, BgpAddPath::Receive | BgpAddPath::Both),
            sends: matches!(add_path, BgpAddPath::Send | BgpAddPath::Both),
        },
        ..Settings::new(bgp.asn, identifier, remote_as)
    }
    .bounded()
}

const fn role(role: BgpRole) -> Role {
    match role {
        BgpRole::Provider => Role::Provider,
        BgpRole::RouteServer => Role::RouteServer,
        BgpRole::RouteServerClient => Role::RouteServerClient,
        BgpRole::Customer => Role::Customer,
        BgpRole::Peer => Role::Peer,
    }
}
