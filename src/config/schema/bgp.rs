//! `[bgp]`: BGP-4 at the edge, with its neighbours and groups of them.
//!
//! Owns the values; the tables of their keys stand in [`super::bgp_keys`]. What a neighbour does
//! not say, its group says ([`BgpSettings::keys_of`]); what neither says has the default that
//! stands beside each key.
//!
//! *Standards*: RFC 4271 §8.1 and §10, RFC 9234 §4 (roles), RFC 8212 (no policy, no routes).

use super::secret::Secret;
use crate::base::ids::RouterId;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Duration;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// In which AS a neighbour is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BgpRemoteAs {
    /// In this one.
    Number(u32),
    /// In any but ours.
    External,
    /// In ours.
    Internal,
}

/// RFC 9234 §4: what this router is to a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BgpRole {
    /// Sells transit to it.
    Provider,
    /// Serves it routes at an exchange.
    RouteServer,
    /// Is served by it.
    RouteServerClient,
    /// Buys transit from it.
    Customer,
    /// Exchanges own and customers' routes with it.
    Peer,
}

impl BgpRole {
    /// Every role, with its word in the file.
    pub const WORDS: &[(&str, Self)] = &[
        ("provider", Self::Provider),
        ("route_server", Self::RouteServer),
        ("route_server_client", Self::RouteServerClient),
        ("customer", Self::Customer),
        ("peer", Self::Peer),
    ];

    /// The word in the file.
    pub fn word(self) -> &'static str {
        word_of(Self::WORDS, self)
    }
}

/// What is done for graceful restarts (RFC 4724).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BgpRestart {
    /// Nothing.
    Off,
    /// Routes of a neighbour are kept while it restarts.
    Helper,
    /// That, and this router asks for the same.
    #[default]
    Full,
}

impl BgpRestart {
    /// Every way, with its word in the file.
    pub const WORDS: &[(&str, Self)] =
        &[("off", Self::Off), ("helper", Self::Helper), ("full", Self::Full)];

    /// The word in the file.
    pub fn word(self) -> &'static str {
        word_of(Self::WORDS, self)
    }
}

/// What is done with several paths of one prefix (RFC 7911).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BgpAddPath {
    /// There are none.
    #[default]
    Off,
    /// They are taken.
    Receive,
    /// They are sent.
    Send,
    /// Both.
    Both,
}

impl BgpAddPath {
    /// Every way, with its word in the file.
    pub const WORDS: &[(&str, Self)] = &[
        ("off", Self::Off),
        ("receive", Self::Receive),
        ("send", Self::Send),
        ("both", Self::Both),
    ];

    /// The word in the file.
    pub fn word(self) -> &'static str {
        word_of(Self::WORDS, self)
    }
}

fn word_of<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, other)| *other == value).map_or("", |(word, _)| word)
}

/// What a neighbour says, or its group for all that are in it; `None` where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NeighborKeys {
    /// Its AS.
    pub asn: Option<BgpRemoteAs>,
    /// Own address on the session. Default: that on the link, else the loopback.
    pub local_address: Option<Ipv6Addr>,
    /// Whether only the neighbour opens the connection. Default: false.
    pub passive: Option<bool>,
    /// `file:PATH` of the password of TCP-MD5 (RFC 2385).
    pub password: Option<String>,
    /// What is in that file.
    #[serde(rename = "secret_octets")]
    pub secret: Secret,
    /// Hops to an external neighbour, 1 to 255. Default: 1.
    pub multihop: Option<u8>,
    /// GTSM (RFC 5082): hops within which packets must have been sent, 1 to 254. Default: not
    /// asked.
    pub ttl_security_hops: Option<u8>,
    /// Hold time, zero or 3 s and more. Default: that of `[bgp]`.
    pub hold_time: Option<Duration>,
    /// Time between keepalives. Default: that of `[bgp]`.
    pub keepalive_time: Option<Duration>,
    /// RFC 9687: time in which it may read nothing, the hold time at least. Default: twice the hold
    /// time, 480 s at least.
    pub send_hold_time: Option<Duration>,
    /// Time between two tries to connect. Default: that of `[bgp]`.
    pub connect_retry_time: Option<Duration>,
    /// Graceful restart. Default: that of `[bgp]`.
    pub graceful_restart: Option<BgpRestart>,
    /// What this router is to it.
    pub role: Option<BgpRole>,
    /// Whether a neighbour without a role is refused. Default: false.
    pub role_strict: Option<bool>,
    /// Name of the policy for its routes.
    pub import: Option<String>,
    /// Name of the policy for routes to it.
    pub export: Option<String>,
    /// Whether it is told this router as next hop. Default: true for other ASes, false within ours.
    pub next_hop_self: Option<bool>,
    /// RFC 4456: whether routes of other internal neighbours are reflected to it. Default: false.
    pub route_reflector_client: Option<bool>,
    /// RFC 7911. Default: off.
    pub add_path: Option<BgpAddPath>,
    /// Paths of one prefix that it is sent. Default: 8.
    pub add_path_max: Option<u8>,
    /// Prefixes that it may send. Default: as many as fit.
    pub max_prefix: Option<u32>,
    /// When to warn, of that. Default: 75 %.
    pub max_prefix_warning_percent: Option<u8>,
    /// When a session with too many comes back. Default: when it is told to.
    pub max_prefix_restart_time: Option<Duration>,
    /// Whether its paths must begin with its AS. Default: true.
    pub enforce_first_as: Option<bool>,
    /// How often our AS may be in its paths. Default: 0.
    pub allow_own_as: Option<u8>,
    /// RFC 7999: whether its BLACKHOLE discards packets. Default: false.
    pub blackhole: Option<bool>,
    /// Whether BFD watches it. Default: false.
    pub bfd: Option<bool>,
    /// Why it is shut down (RFC 9003), an empty text for no reason; `None`: it is not.
    pub shutdown: Option<String>,
}

impl NeighborKeys {
    /// These, and what they do not say from a group.
    #[must_use]
    pub fn or(self, group: &Self) -> Self {
        // The two exclude each other: who says one says no to the other.
        let has_hops = self.multihop.is_some() || self.ttl_security_hops.is_some();
        let hops = if has_hops { &self } else { group };
        let (multihop, ttl_security_hops) = (hops.multihop, hops.ttl_security_hops);
        let keyed = if self.password.is_some() { &self } else { group };
        let (password, secret) = (keyed.password.clone(), keyed.secret.clone());
        Self {
            asn: self.asn.or(group.asn),
            local_address: self.local_address.or(group.local_address),
            passive: self.passive.or(group.passive),
            password,
            secret,
            multihop,
            ttl_security_hops,
            hold_time: self.hold_time.or(group.hold_time),
            keepalive_time: self.keepalive_time.or(group.keepalive_time),
            send_hold_time: self.send_hold_time.or(group.send_hold_time),
            connect_retry_time: self.connect_retry_time.or(group.connect_retry_time),
            graceful_restart: self.graceful_restart.or(group.graceful_restart),
            role: self.role.or(group.role),
            role_strict: self.role_strict.or(group.role_strict),
            import: self.import.or_else(|| group.import.clone()),
            export: self.export.or_else(|| group.export.clone()),
            next_hop_self: self.next_hop_self.or(group.next_hop_self),
            route_reflector_client: self.route_reflector_client.or(group.route_reflector_client),
            add_path: self.add_path.or(group.add_path),
            add_path_max: self.add_path_max.or(group.add_path_max),
            max_prefix: self.max_prefix.or(group.max_prefix),
            max_prefix_warning_percent: self
                .max_prefix_warning_percent
                .or(group.max_prefix_warning_percent),
            max_prefix_restart_time: self.max_prefix_restart_time.or(group.max_prefix_restart_time),
            enforce_first_as: self.enforce_first_as.or(group.enforce_first_as),
            allow_own_as: self.allow_own_as.or(group.allow_own_as),
            blackhole: self.blackhole.or(group.blackhole),
            bfd: self.bfd.or(group.bfd),
            shutdown: self.shutdown.or_else(|| group.shutdown.clone()),
        }
    }
}

/// `[[bgp.group]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpGroup {
    /// Its name.
    pub name: String,
    /// What its neighbours have in common.
    pub keys: NeighborKeys,
}

/// `[[bgp.neighbor]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpNeighbor {
    /// Its address; `None`: whoever is the other router on the link of the port.
    pub address: Option<Ipv6Addr>,
    /// Name of the port that it is on. Default: the one whose prefix holds the address.
    pub port: Option<String>,
    /// What it is called. Default: its address, or its port where it has none.
    pub name: Option<String>,
    /// A word for people.
    pub description: Option<String>,
    /// Name of its group.
    pub group: Option<String>,
    /// What it says itself.
    pub keys: NeighborKeys,
}

impl BgpNeighbor {
    /// Whether its session runs over the link-local addresses of its port.
    pub fn is_link_local(&self) -> bool {
        self.address.is_none_or(|address| address.is_unicast_link_local())
    }
}

/// `[[bgp.dynamic]]`: neighbours that nobody names; they come by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpDynamic {
    /// From where they come.
    pub prefix: Ipv6Prefix,
    /// A word for people.
    pub description: Option<String>,
    /// Name of their group.
    pub group: Option<String>,
    /// How many there may be at once. Default: 64.
    pub max_neighbors: u16,
    /// What they have in common.
    pub keys: NeighborKeys,
}

impl BgpDynamic {
    /// One that has come, as if it had a block of its own. It opened the connection, and only it
    /// does.
    pub fn neighbor(&self, address: Ipv6Addr) -> BgpNeighbor {
        let description = self.description.clone();
        let keys = NeighborKeys { passive: Some(true), ..self.keys.clone() };
        let (port, name, group) = (None, None, self.group.clone());
        let address = Some(address);
        BgpNeighbor { address, port, name, description, group, keys }
    }
}

/// `[bgp]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpSettings {
    /// Our AS.
    pub asn: u32,
    /// BGP identifier. Default: the router-id of OSPF.
    pub router_id: Option<RouterId>,
    /// RFC 4456 §7: of the group of reflectors that this router is in. Default: the BGP identifier.
    pub cluster_id: Option<RouterId>,
    /// What the cluster announces to the world.
    pub aggregates: Vec<Ipv6Prefix>,
    /// Hold time that is proposed, zero or 3 s and more. Default: 90 s.
    pub hold_time: Duration,
    /// Time between keepalives. Default: a third of the hold time that was agreed on.
    pub keepalive_time: Option<Duration>,
    /// Time between two tries to connect. Default: 15 s.
    pub connect_retry_time: Duration,
    /// Graceful restart. Default: full.
    pub graceful_restart: BgpRestart,
    /// How long neighbours shall wait for this router. Default: 90 s.
    pub restart_time: Duration,
    /// Equal paths that share traffic, 1 to 64. Default: 8.
    pub multipath: u8,
    /// Whether they may be from different ASes. Default: true.
    pub multipath_any_as: bool,
    /// Whether MULTI_EXIT_DISC of different ASes are compared. Default: false.
    pub always_compare_med: bool,
    /// `[[bgp.group]]`.
    pub groups: Vec<BgpGroup>,
    /// `[[bgp.neighbor]]`.
    pub neighbors: Vec<BgpNeighbor>,
    /// `[[bgp.dynamic]]`.
    #[serde(default)]
    pub dynamics: Vec<BgpDynamic>,
}

impl Default for BgpSettings {
    fn default() -> Self {
        Self {
            asn: 0,
            router_id: None,
            cluster_id: None,
            aggregates: Vec::new(),
            hold_time: Duration::from_secs(90),
            keepalive_time: None,
            connect_retry_time: Duration::from_secs(15),
            graceful_restart: BgpRestart::Full,
            restart_time: Duration::from_secs(90),
            multipath: 8,
            multipath_any_as: true,
            always_compare_med: false,
            groups: Vec::new(),
            neighbors: Vec::new(),
            dynamics: Vec::new(),
        }
    }
}

impl BgpSettings {
    /// The group of this name.
    pub fn group(&self, name: &str) -> Option<&BgpGroup> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// What holds for a neighbour: its own keys, else those of its group.
    pub fn keys_of(&self, neighbor: &BgpNeighbor) -> NeighborKeys {
        let own = neighbor.keys.clone();
        match neighbor.group.as_deref().and_then(|name| self.group(name)) {
            Some(group) => own.or(&group.keys),
            None => own,
        }
    }

    /// All blocks of keys, those of groups first.
    pub fn all_keys(&self) -> impl Iterator<Item = &NeighborKeys> {
        let groups = self.groups.iter().map(|group| &group.keys);
        let neighbors = self.neighbors.iter().map(|neighbor| &neighbor.keys);
        groups.chain(neighbors).chain(self.dynamics.iter().map(|dynamic| &dynamic.keys))
    }

    /// Whether a session runs over link-local addresses of the port of this name.
    pub fn speaks_on_link(&self, port: &str) -> bool {
        let mut neighbors = self.neighbors.iter();
        neighbors.any(|it| it.is_link_local() && it.port.as_deref() == Some(port))
    }

    /// Whether a neighbour with these keys is in our AS; `None` where it has no AS.
    pub fn is_internal(&self, keys: &NeighborKeys) -> Option<bool> {
        Some(match keys.asn? {
            BgpRemoteAs::Number(asn) => asn == self.asn,
            BgpRemoteAs::External => false,
            BgpRemoteAs::Internal => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_neighbor_does_not_say_its_group_says() {
        let group = NeighborKeys {
            asn: Some(BgpRemoteAs::Number(64500)),
            import: Some("exits".to_owned()),
            ttl_security_hops: Some(1),
            ..NeighborKeys::default()
        };
        let own = NeighborKeys {
            import: Some("other".to_owned()),
            multihop: Some(2),
            ..NeighborKeys::default()
        };
        let settings = BgpSettings {
            groups: vec![BgpGroup { name: "isp".to_owned(), keys: group }],
            ..BgpSettings::default()
        };
        let neighbor = |group: Option<&str>| BgpNeighbor {
            address: Some(Ipv6Addr::LOCALHOST),
            port: None,
            name: None,
            description: None,
            group: group.map(str::to_owned),
            keys: own.clone(),
        };
        let keys = settings.keys_of(&neighbor(Some("isp")));
        assert_eq!(keys.asn, Some(BgpRemoteAs::Number(64500)));
        assert_eq!(keys.import.as_deref(), Some("other"));
        assert_eq!(
            (keys.multihop, keys.ttl_security_hops),
            (Some(2), None),
            "one excludes another"
        );
        assert_eq!(settings.keys_of(&neighbor(None)), own);
    }
}
