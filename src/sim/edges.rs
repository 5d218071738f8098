//! The edges of a cluster and the providers behind them: who is one, what each announces.
//!
//! Owns [`Edges`] and what follows from it without any event: which routers have an uplink, to
//! which provider, which prefixes a provider announces there and how, and the configurations that
//! the administrators of both would write. What is right at a moment is for [`crate::sim::exits`]
//! to say, what the world tells the providers for [`crate::sim::feed`].
//!
//! A provider is a router like the others: a whole control plane on a whole data plane, with BGP
//! and nothing else. It stands behind the routers of the cluster in the numbering of the world, has
//! a port for each of its edges and one, `core`, that leads to the rest of the world. Uplinks of
//! even edges have addresses; those of odd ones have none, and both ends find each other by router
//! advertisements.
//!
//! *Invariants*: an edge has one uplink, its last port. Prefixes of three kinds come in turn: by
//! all edges alike, by all edges with different MEDs, by one edge alone.

use crate::base::ids::{MacAddress, PortId};
use crate::base::prefix::Ipv6Prefix;
use crate::config::{Config, NoFiles, Overrides, Source, load};
use crate::planner::families::server_name;
use crate::sim::plan::ULA;
use core::fmt::Write as _;
use core::net::{Ipv6Addr, SocketAddrV6};
use serde::{Deserialize, Serialize};

/// Edges of a cluster: more servers than that seldom have an uplink, and each adds a table.
pub const EDGES_MAX: u16 = 16;
/// Providers: two where there are two edges, so that neither is the way out of all.
pub const PROVIDERS_MAX: usize = 2;
/// Prefixes of the rest of the world: eight of each kind.
pub const PREFIXES: usize = 24;
/// The AS of the cluster.
pub const CLUSTER_ASN: u32 = 64512;
/// The hold time of every session, seconds: three keepalives of three seconds.
pub const HOLD_TIME_S: u64 = 9;
/// How long a failed peer's routes are kept, seconds.
pub const RESTART_TIME_S: u64 = 10;
/// How long after a failed try to connect the next one comes, seconds.
pub const CONNECT_RETRY_S: u64 = 5;

/// The MED and metric of the first class, and the step to the next.
const METRIC_STEP: u32 = 10;
/// What [`Filter::Dear`] adds: more than any MED here.
const METRIC_DEAR: u32 = 1000;

/// What an edge lets into the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Everything, by its MED.
    #[default]
    Open,
    /// Every second prefix.
    Half,
    /// Everything, at a metric that is worse than those of the other edges.
    Dear,
    /// Nothing.
    Closed,
}

impl Filter {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Open, Self::Half, Self::Dear, Self::Closed];

    /// What a file calls it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Half => "half",
            Self::Dear => "dear",
            Self::Closed => "closed",
        }
    }

    /// The metric at which a prefix with this MED goes into OSPF; `None` where it does not.
    pub const fn metric(self, prefix: usize, med: u32) -> Option<u32> {
        match self {
            Self::Open => Some(med),
            Self::Half if prefix.is_multiple_of(2) => Some(med),
            Self::Dear => Some(med + METRIC_DEAR),
            Self::Half | Self::Closed => None,
        }
    }
}

/// Who is an edge; a value that every part of a world computes with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edges {
    count: usize,
    router_count: usize,
}

impl Edges {
    /// No edges and no providers.
    pub const NONE: Self = Self { count: 0, router_count: 0 };

    /// `count` edges in a cluster of so many routers, evenly among them; at most [`EDGES_MAX`], and
    /// no more than routers.
    pub fn new(count: usize, router_count: usize) -> Self {
        Self { count: count.min(usize::from(EDGES_MAX)).min(router_count), router_count }
    }

    /// How many.
    pub const fn count(self) -> usize {
        self.count
    }

    /// Which router an edge is.
    pub const fn router(self, edge: usize) -> usize {
        match self.count {
            0 => self.router_count,
            count => edge * self.router_count / count,
        }
    }

    /// Which edge a router is.
    pub fn edge(self, router: usize) -> Option<usize> {
        (0..self.count).find(|edge| self.router(*edge) == router)
    }

    /// How many providers.
    pub fn provider_count(self) -> usize {
        self.count.min(PROVIDERS_MAX)
    }

    /// The provider of an edge.
    pub fn provider(self, edge: usize) -> usize {
        edge % self.provider_count().max(1)
    }

    /// The place of a provider among the routers of the world.
    pub const fn slot(self, provider: usize) -> usize {
        self.router_count + provider
    }

    /// The provider at a place.
    pub fn provider_at(self, slot: usize) -> Option<usize> {
        slot.checked_sub(self.router_count).filter(|provider| *provider < self.provider_count())
    }

    /// The edges of a provider, in the order of its ports.
    pub fn of_provider(self, provider: usize) -> impl Iterator<Item = usize> {
        (0..self.count).filter(move |edge| self.provider(*edge) == provider)
    }

    /// The port of a provider that leads to an edge.
    pub fn provider_port(self, edge: usize) -> PortId {
        let before = self.of_provider(self.provider(edge)).take_while(|other| *other < edge);
        PortId(u16::try_from(before.count()).unwrap_or(u16::MAX))
    }

    /// The port of a provider that leads to the rest of the world.
    pub fn core_port(self, provider: usize) -> PortId {
        PortId(u16::try_from(self.of_provider(provider).count()).unwrap_or(u16::MAX))
    }

    /// What a router or provider is called.
    pub fn name(self, slot: usize) -> String {
        match self.provider_at(slot) {
            Some(provider) => format!("isp{}", provider + 1),
            None => server_name(slot),
        }
    }

    /// The place of whoever is called so.
    pub fn place(self, name: &str) -> Option<usize> {
        (0..self.provider_count()).map(|isp| self.slot(isp)).find(|slot| self.name(*slot) == name)
    }

    /// The MED of a prefix at an edge; `None` where it is not announced there.
    pub fn med(self, prefix: usize, edge: usize) -> Option<u32> {
        let (kind, row) = (prefix % 3, prefix / 3);
        match kind {
            0 => Some(METRIC_STEP),
            1 => {
                let class = (edge + row) % self.count.max(1);
                Some(METRIC_STEP * (1 + u32::try_from(class).unwrap_or(0)))
            }
            _ => (row % self.count.max(1) == edge).then_some(METRIC_STEP),
        }
    }

    /// Prefixes that a provider announces at all.
    pub fn prefixes_of(self, provider: usize) -> impl Iterator<Item = usize> {
        (0..PREFIXES).filter(move |prefix| {
            self.of_provider(provider).any(|edge| self.med(*prefix, edge).is_some())
        })
    }

    /// Whether the uplink of an edge has no addresses but those of the link.
    const fn is_on_link(edge: usize) -> bool {
        edge % 2 == 1
    }

    /// The configuration of an edge's BGP is put into that of the router.
    pub fn add_to(self, config: &mut Config, router: usize, filter: Filter) {
        let Some(edge) = self.edge(router) else { return };
        let text = self.edge_text(edge, filter);
        let with_bgp = read(&text);
        config.bgp = with_bgp.bgp;
        config.redistribute = with_bgp.redistribute;
        config.policies = with_bgp.policies;
        config.prefix_lists = with_bgp.prefix_lists;
        config.ports.extend(with_bgp.ports);
    }

    /// The configuration of a provider.
    pub fn provider_config(self, provider: usize) -> Config {
        read(&self.provider_text(provider))
    }

    fn edge_text(self, edge: usize, filter: Filter) -> String {
        let asn = provider_asn(self.provider(edge));
        let (address, neighbor) = match Self::is_on_link(edge) {
            true => (String::new(), "port = \"up\"".to_owned()),
            false => {
                let (near, far) = (edge_address(edge), isp_address(edge));
                (format!("address = \"{near}/64\"\n"), format!("address = \"{far}\""))
            }
        };
        let mut text = format!(
            "[router]\nname = \"edge\"\n\n\
             [cluster]\nula = \"{ULA}\"\nnumber = 1\n\n\
             [[port]]\nname = \"up\"\ndevice = \"tap:up\"\nrole = \"uplink\"\nmtu = 9000\n\
             {address}\n\
             [bgp]\nasn = {CLUSTER_ASN}\naggregates = [\"{ULA}\"]\n{TIMES}\n\
             [[bgp.neighbor]]\n{neighbor}\nname = \"isp\"\nasn = {asn}\n\
             ttl_security_hops = 1\nimport = \"from-providers\"\nexport = \"aggregates\"\n\n\
             [[policy]]\nname = \"from-providers\"\n\n\
             [[policy.clause]]\nmatch.prefixes = \"2001:db8:100::/40 ge 48 le 48\"\n\
             action = \"accept\"\n\n\
             [[policy]]\nname = \"aggregates\"\n\n\
             [[policy.clause]]\nmatch.as_path = \"\"\naction = \"accept\"\n\n\
             [ospf.redistribute]\npolicy = \"into-the-cluster\"\n\n\
             [[policy]]\nname = \"into-the-cluster\"\n",
        );
        let classes = (1..=self.count).map(|class| METRIC_STEP * u32::try_from(class).unwrap_or(0));
        for med in classes {
            let within = (0..PREFIXES).filter(|prefix| filter.metric(*prefix, med).is_some());
            let within: Vec<String> = within.map(|number| quoted(prefix(number))).collect();
            let metric = (0..PREFIXES).find_map(|prefix| filter.metric(prefix, med));
            let Some(metric) = metric else { continue };
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n[[policy.clause]]\nmatch.med = {med}\nmatch.prefixes = [{}]\n\
                 set.med = {metric}\naction = \"accept\"\n",
                within.join(", ")
            );
        }
        text
    }

    fn provider_text(self, provider: usize) -> String {
        let (name, asn) = (self.name(self.slot(provider)), provider_asn(provider));
        let (local, world) = (core_address(provider), world_address(provider));
        let mut text = format!(
            "[router]\nname = \"{name}\"\n\n\
             [bgp]\nasn = {asn}\nrouter_id = \"192.0.2.{}\"\n{TIMES}\n\
             [[bgp.neighbor]]\naddress = \"{world}\"\nname = \"world\"\nasn = {WORLD_ASN}\n\
             passive = true\nhold_time = 0\nimport = \"all\"\nexport = \"none\"\n\n\
             [[policy]]\nname = \"all\"\ndefault = \"accept\"\n\n\
             [[policy]]\nname = \"none\"\n\n",
            provider + 1
        );
        let mut port = |name: &str, address: Option<Ipv6Addr>| {
            let address = address.map_or_else(String::new, |it| format!("address = \"{it}/64\"\n"));
            let _ = write!(
                text,
                "[[port]]\nname = \"{name}\"\ndevice = \"tap:{name}\"\nrole = \"routed\"\n\
                 mtu = 9000\n{address}\n"
            );
        };
        for edge in self.of_provider(provider) {
            let address = (!Self::is_on_link(edge)).then(|| isp_address(edge));
            port(&format!("e{edge}"), address);
        }
        port("core", Some(local));
        let mac = WORLD_MAC;
        let _ = write!(
            text,
            "[[neighbor]]\naddress = \"{world}\"\nmac = \"{mac}\"\nport = \"core\"\n\n"
        );
        for edge in self.of_provider(provider) {
            let name = server_name(self.router(edge));
            let neighbor = match Self::is_on_link(edge) {
                true => format!("port = \"e{edge}\""),
                false => format!("address = \"{}\"", edge_address(edge)),
            };
            let _ = write!(
                text,
                "[[bgp.neighbor]]\n{neighbor}\nname = \"{name}\"\n\
                 asn = {CLUSTER_ASN}\nttl_security_hops = 1\nimport = \"all\"\n\
                 export = \"to-{name}\"\n\n[[policy]]\nname = \"to-{name}\"\n\n"
            );
            for number in 0..PREFIXES {
                let Some(med) = self.med(number, edge) else { continue };
                let _ = write!(
                    text,
                    "[[policy.clause]]\nmatch.prefixes = {}\nset.med = {med}\n\
                     action = \"accept\"\n\n",
                    quoted(prefix(number))
                );
            }
        }
        text
    }
}

/// `[bgp]` of both sides; the numbers are checked against their constants below.
const TIMES: &str =
    "hold_time = 9\nkeepalive_time = 3\nconnect_retry_time = 5\nrestart_time = 10\n";
/// The AS of the rest of the world.
pub const WORLD_ASN: u32 = 64999;
/// The MAC of the rest of the world.
const WORLD_MAC: MacAddress = MacAddress([2, 0xff, 0, 0, 0, 1]);

/// The AS of a provider.
fn provider_asn(provider: usize) -> u32 {
    64501 + u32::try_from(provider).unwrap_or(0)
}

/// A prefix of the rest of the world.
pub fn prefix(number: usize) -> Ipv6Prefix {
    let number = 0x100 + u16::try_from(number).unwrap_or(0);
    Ipv6Prefix::containing(Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 0), 48)
}

/// A host in it.
pub fn host(number: usize) -> Ipv6Addr {
    Ipv6Addr::from_bits(prefix(number).bits() | 0x9)
}

/// The address of an edge on its uplink.
pub fn edge_address(edge: usize) -> Ipv6Addr {
    on_uplink(edge, 2)
}

/// The address of the provider there.
pub fn isp_address(edge: usize) -> Ipv6Addr {
    on_uplink(edge, 1)
}

fn on_uplink(edge: usize, host: u16) -> Ipv6Addr {
    let edge = u16::try_from(edge).unwrap_or(u16::MAX);
    Ipv6Addr::new(0x2001, 0xdb8, 0xffff, edge, 0, 0, 0, host)
}

/// The address of a provider towards the rest of the world.
fn core_address(provider: usize) -> Ipv6Addr {
    let provider = u16::try_from(provider).unwrap_or(u16::MAX);
    Ipv6Addr::new(0x2001, 0xdb8, 0xfffe, provider, 0, 0, 0, 1)
}

/// The address of the rest of the world there.
fn world_address(provider: usize) -> Ipv6Addr {
    Ipv6Addr::from_bits(core_address(provider).to_bits() + 1)
}

/// Both ends of the connection between a provider and the rest of the world.
pub fn world_connection(provider: usize) -> (SocketAddrV6, SocketAddrV6) {
    let end = |address| SocketAddrV6::new(address, 179, 0, 0);
    (end(core_address(provider)), end(world_address(provider)))
}

fn quoted(prefix: Ipv6Prefix) -> String {
    format!("\"{prefix}\"")
}

fn read(text: &str) -> Config {
    let overrides = Overrides::default();
    let source = Source { origin: "edge", text, overrides: &overrides, files: &NoFiles };
    load(&source).unwrap_or_else(|errors| unreachable!("a made-up configuration: {errors:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;

    #[test]
    fn edges_and_providers_have_places_and_names() {
        let edges = Edges::new(3, 12);
        let routers: Vec<usize> = (0..3).map(|edge| edges.router(edge)).collect();
        assert_eq!((routers, edges.edge(4), edges.edge(5)), (vec![0, 4, 8], Some(1), None));
        assert_eq!(
            (edges.slot(0), edges.provider_at(13), edges.provider_at(14)),
            (12, Some(1), None)
        );
        assert_eq!((edges.name(12), edges.name(4)), ("isp1".to_owned(), "s05".to_owned()));
        assert_eq!((edges.place("isp2"), edges.place("isp3")), (Some(13), None));
        assert_eq!((edges.provider_port(2), edges.core_port(0)), (PortId(1), PortId(2)));
        let none = Edges::new(0, 12);
        assert_eq!((none.edge(0), none.provider_count(), none.place("isp1")), (None, 0, None));
    }

    #[test]
    fn some_prefixes_come_by_all_edges_and_some_by_one() {
        let edges = Edges::new(3, 12);
        let meds = |prefix| (0..3).map(|edge| edges.med(prefix, edge)).collect::<Vec<_>>();
        assert_eq!(meds(0), [Some(10); 3]);
        assert_eq!(meds(4), [Some(20), Some(30), Some(10)]);
        assert_eq!(meds(5), [None, Some(10), None]);
        assert!((0..PREFIXES).all(|prefix| meds(prefix).iter().any(Option::is_some)));
    }

    #[test]
    fn configurations_are_such_as_a_router_accepts() {
        let edges = Edges::new(5, 12);
        for filter in Filter::ALL {
            let mut config = Config::default();
            edges.add_to(&mut config, edges.router(4), filter);
            let bgp = config.bgp.unwrap();
            assert_eq!(bgp.hold_time, Duration::from_secs(HOLD_TIME_S));
            assert_eq!(bgp.restart_time, Duration::from_secs(RESTART_TIME_S));
            assert_eq!(bgp.connect_retry_time, Duration::from_secs(CONNECT_RETRY_S));
            let policy = config.policies.iter().find(|policy| policy.name == "into-the-cluster");
            assert_eq!(policy.unwrap().clauses.is_empty(), filter == Filter::Closed);
        }
        let provider = edges.provider_config(1);
        assert_eq!((provider.ports.len(), provider.bgp.unwrap().neighbors.len()), (3, 3));
    }
}
