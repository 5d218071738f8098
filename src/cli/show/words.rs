//! The words after `kumiki show`, ours and those of FRR, BIRD, IOS and VPP.
//!
//! Owns the grammar and its translation to [`ShowQuery`]. Unambiguous beginnings of words are
//! enough.
//!
//! *Invariants*: an alias asks exactly what our own word asks.

use crate::api::ShowQuery;
use crate::api::request::{NeighborRoutes, RouteFilter};
use crate::api::show_tenant::MacQuery;
use crate::base::prefix::{Ipv6Prefix, ParsePrefixError};
use crate::cli::show::narrow::Narrow;
use clap::{Args, Subcommand, ValueEnum};
use core::net::Ipv6Addr;
use core::str::FromStr;

/// A prefix or an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Only this prefix.
    Prefix(Ipv6Prefix),
    /// The longest match for this address.
    Address(Ipv6Addr),
}

/// The text is neither.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDestinationError {
    /// A slash, but no prefix.
    #[error("{0}")]
    Prefix(#[from] ParsePrefixError),
    /// No address.
    #[error("neither an IPv6 prefix such as 2001:db8::/32 nor an address such as 2001:db8::1")]
    Address,
}

impl FromStr for Destination {
    type Err = ParseDestinationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('/') {
            return Ok(Self::Prefix(text.parse()?));
        }
        text.parse().map(Self::Address).map_err(|_| ParseDestinationError::Address)
    }
}

/// Which routes.
#[derive(Clone, Debug, Default, Args)]
pub struct RouteWords {
    /// Only this prefix, or the longest match for this address
    #[arg(value_name = "PREFIX|ADDRESS")]
    destination: Option<Destination>,
}

impl RouteWords {
    fn filter(&self) -> RouteFilter {
        match self.destination {
            None => RouteFilter::default(),
            Some(Destination::Prefix(prefix)) => {
                RouteFilter { prefix: Some(prefix), address: None }
            }
            Some(Destination::Address(address)) => {
                RouteFilter { prefix: None, address: Some(address) }
            }
        }
    }

    fn narrow(&self) -> Narrow {
        Narrow { destination: self.destination, ..Narrow::default() }
    }
}

/// Routes of which neighbour.
#[derive(Clone, Debug, Default, Args)]
pub struct ExchangeWords {
    /// Name or address of the neighbour
    #[arg(value_name = "NEIGHBOR")]
    neighbor: String,
    /// Which of them.
    #[command(flatten)]
    routes: RouteWords,
}

impl ExchangeWords {
    fn asked(&self) -> NeighborRoutes {
        // An address is written in many ways; the router knows one.
        let address = self.neighbor.parse::<Ipv6Addr>();
        let neighbor = address.map_or_else(|_| self.neighbor.clone(), |one| one.to_string());
        NeighborRoutes { neighbor, routes: self.routes.filter() }
    }

    fn narrow(&self) -> Narrow {
        Narrow { neighbor: Some(self.asked().neighbor), ..self.routes.narrow() }
    }
}

/// Which port.
#[derive(Clone, Debug, Default, Args)]
pub struct PortWords {
    /// Only this port
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl PortWords {
    fn narrow(&self) -> Narrow {
        Narrow { port: self.name.clone(), ..Narrow::default() }
    }
}

/// Which tenant.
#[derive(Clone, Debug, Default, Args)]
pub struct TenantWords {
    /// Only this tenant, with its members
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl TenantWords {
    fn narrow(&self) -> Narrow {
        Narrow { tenant: self.name.clone(), ..Narrow::default() }
    }
}

/// Which segment, and whether its MACs are wanted.
#[derive(Clone, Debug, Default, Args)]
pub struct BridgeWords {
    /// Only the segment of this tenant
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Its MACs; those of all segments where no name stands before it
    #[arg(value_enum)]
    what: Option<BridgeWord>,
}

/// What of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BridgeWord {
    /// Where MACs were heard
    #[value(aliases = ["macs", "mac-table", "fdb"])]
    Mac,
}

impl BridgeWords {
    /// `mac` without a name is all MACs.
    fn is_all_macs(&self) -> bool {
        self.what.is_none() && self.name.as_deref() == Some("mac")
    }

    fn query(&self) -> ShowQuery {
        match self.what.is_some() || self.is_all_macs() {
            true => ShowQuery::BridgeMac(MacQuery::default()),
            false => ShowQuery::Tenant,
        }
    }

    fn narrow(&self) -> Narrow {
        let tenant = self.name.clone().filter(|_| !self.is_all_macs());
        Narrow { tenant, ..Narrow::default() }
    }
}

/// What to show.
#[derive(Clone, Debug, Subcommand)]
#[command(infer_subcommands = true)]
pub enum ShowWords {
    /// Ports with state, addresses and counters
    #[command(aliases = ["ports", "interface", "interfaces"])]
    Port(PortWords),
    /// Neighbours of the links: address, MAC, state
    #[command(aliases = ["neighbors", "neighbour", "neighbours", "nd"])]
    Neighbor,
    /// OSPFv3: neighbours, interfaces, database, routes, SPF; without a word, all in a few lines
    #[command(aliases = ["ospfv3", "ospf6"])]
    Ospf {
        /// What of OSPF.
        #[command(subcommand)]
        words: Option<OspfWords>,
    },
    /// BFD sessions with neighbours on fabric ports
    Bfd {
        /// What of BFD; its sessions where nothing is said.
        #[command(subcommand)]
        words: Option<BfdWords>,
    },
    /// BMP: stations that watch BGP
    Bmp,
    /// RPKI: caches and what they say
    Rpki {
        /// What of RPKI; its caches where nothing is said.
        #[command(subcommand)]
        words: Option<RpkiWords>,
    },
    /// Routes of all sources; the selected ones are marked
    #[command(aliases = ["routes", "rib"])]
    Route(RouteWords),
    /// Routes as the workers see them
    Fib(RouteWords),
    /// Workers: cycles and packets of each stage
    Runtime,
    /// Pools of packet buffers: what is free, and how their sizes come about
    #[command(aliases = ["mempools", "buffers"])]
    Mempool,
    /// Counters of everything that went wrong, with what to do
    #[command(aliases = ["error", "drops"])]
    Errors {
        /// Also the counters that are zero
        #[arg(long)]
        all: bool,
    },
    /// The configuration that runs, with defaults
    #[command(aliases = ["configuration", "running-config"])]
    Config,
    /// Name, version, uptime
    Version,
    /// Spellings of FRR
    #[command(hide = true)]
    Ipv6 {
        /// What of IPv6.
        #[command(subcommand)]
        words: Ipv6Words,
    },
    /// BGP: neighbours, paths and why they are best; without a word, the summary
    #[command(aliases = ["protocols"])]
    Bgp {
        /// What of BGP.
        #[command(subcommand)]
        words: Option<BgpWords>,
    },
    /// Tenants: their segments and who is in them
    #[command(aliases = ["tenants"])]
    Tenant(TenantWords),
    /// L2TPv3 sessions: ids, encapsulation, MTU; everything with a session id or --detail
    #[command(aliases = ["l2tun", "l2tp"])]
    L2tpv3 {
        /// Only the session of this id here
        #[arg(value_name = "SESSION")]
        session: Option<u32>,
    },
    /// Segments and where their MACs are
    #[command(aliases = ["bridge", "xconnect"])]
    BridgeDomain(BridgeWords),
}

/// What to show of OSPF.
#[derive(Clone, Debug, Subcommand)]
#[command(infer_subcommands = true)]
pub enum OspfWords {
    /// Neighbours and what hinders them
    #[command(aliases = ["neighbors", "neighbour", "neighbours"])]
    Neighbor,
    /// Interfaces with cost and timers
    #[command(aliases = ["interfaces", "port"])]
    Interface(PortWords),
    /// The link-state database
    #[command(aliases = ["lsadb", "lsdb"])]
    Database,
    /// Routes that OSPF computed
    #[command(aliases = ["routes"])]
    Route(RouteWords),
    /// What protects each route when a link or a neighbour dies
    #[command(aliases = ["repairs", "backup", "fast-reroute", "ti-lfa"])]
    Repair(RouteWords),
    /// SPF runs and delays
    Spf,
}

/// What to show of BFD.
#[derive(Clone, Debug, Subcommand)]
#[command(infer_subcommands = true)]
pub enum BfdWords {
    /// Sessions: state, intervals, why they went down; counters with --detail
    #[command(aliases = ["peer", "sessions", "session", "neighbors", "neighbor"])]
    Peers(PortWords),
}

/// What to show of BGP.
#[derive(Clone, Debug, Subcommand)]
#[command(infer_subcommands = true)]
pub enum BgpWords {
    /// Our AS, the size of the tables, the neighbours
    Summary,
    /// Neighbours; everything that is known with a name or --detail
    #[command(aliases = ["neighbors", "neighbour", "neighbours"])]
    Neighbor(BgpNeighborWords),
    /// Paths, and the rule that decided
    #[command(aliases = ["routes", "rib"])]
    Route(RouteWords),
    /// What a neighbour was told of
    #[command(aliases = ["advertised-routes", "adj-rib-out"])]
    Advertised(ExchangeWords),
    /// What a neighbour has sent, and what the policy made of it
    #[command(aliases = ["received-routes", "adj-rib-in"])]
    Received(ExchangeWords),
    /// Policies: what they ask, who asks them, how often they matched
    #[command(aliases = ["policies", "route-map", "filter"])]
    Policy {
        /// Only this policy
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
}

/// Which BGP neighbour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct BgpNeighborWords {
    /// Only the neighbour of this name or address, with everything that is known of it
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// What is exchanged with it, in the words of FRR
    #[arg(value_enum, hide = true)]
    pub routes: Option<ExchangeDirection>,
}

/// Routes that are exchanged with a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExchangeDirection {
    /// What it was told of
    #[value(alias = "advertised")]
    AdvertisedRoutes,
    /// What it has sent
    #[value(aliases = ["received", "routes"])]
    ReceivedRoutes,
}

impl BgpNeighborWords {
    fn query(&self) -> ShowQuery {
        let neighbor = self.name.clone().unwrap_or_default();
        let asked = NeighborRoutes { neighbor, routes: RouteFilter::default() };
        match self.routes {
            None => ShowQuery::BgpNeighbor,
            Some(ExchangeDirection::AdvertisedRoutes) => ShowQuery::BgpAdvertised(asked),
            Some(ExchangeDirection::ReceivedRoutes) => ShowQuery::BgpReceived(asked),
        }
    }
}

/// What of RPKI.
#[derive(Clone, Debug, Subcommand)]
#[command(infer_subcommands = true)]
pub enum RpkiWords {
    /// Caches, and how much they have said
    #[command(aliases = ["caches", "cache-server", "cache-connection", "server"])]
    Cache,
    /// Validated payloads; with a prefix, what they say of it and of its paths
    #[command(aliases = ["prefixes", "prefix-table", "vrp", "vrps"])]
    Prefix {
        /// Only what is about this prefix
        #[arg(value_name = "PREFIX")]
        prefix: Option<Ipv6Prefix>,
    },
}

/// What to show in the words of FRR.
#[derive(Clone, Debug, Subcommand)]
#[command(infer_subcommands = true)]
pub enum Ipv6Words {
    /// Routes
    Route(RouteWords),
    /// OSPFv3
    #[command(alias = "ospf")]
    Ospf6 {
        /// What of OSPF.
        #[command(subcommand)]
        words: Option<OspfWords>,
    },
    /// Neighbours of the links
    #[command(aliases = ["neighbors", "neighbour", "neighbours"])]
    Neighbor,
    /// Ports
    #[command(alias = "interfaces")]
    Interface(PortWords),
    /// The FIB
    Fib(RouteWords),
    /// BGP
    Bgp {
        /// What of BGP.
        #[command(subcommand)]
        words: Option<BgpWords>,
    },
}

fn ospf_query(words: Option<&OspfWords>) -> ShowQuery {
    words.map_or(ShowQuery::Ospf, OspfWords::query)
}

fn bgp_query(words: Option<&BgpWords>) -> ShowQuery {
    match words {
        None | Some(BgpWords::Summary) => ShowQuery::Bgp,
        Some(BgpWords::Neighbor(words)) => words.query(),
        Some(BgpWords::Route(words)) => ShowQuery::BgpRoute(words.filter()),
        Some(BgpWords::Advertised(words)) => ShowQuery::BgpAdvertised(words.asked()),
        Some(BgpWords::Received(words)) => ShowQuery::BgpReceived(words.asked()),
        Some(BgpWords::Policy { name }) => ShowQuery::BgpPolicy { name: name.clone() },
    }
}

impl BgpWords {
    fn narrow(&self) -> Narrow {
        match self {
            Self::Route(words) => words.narrow(),
            Self::Advertised(words) | Self::Received(words) => words.narrow(),
            Self::Policy { name } => Narrow { policy: name.clone(), ..Narrow::default() },
            Self::Neighbor(words) => Narrow { neighbor: words.name.clone(), ..Narrow::default() },
            Self::Summary => Narrow::default(),
        }
    }
}

impl OspfWords {
    fn query(&self) -> ShowQuery {
        match self {
            Self::Neighbor => ShowQuery::OspfNeighbor,
            Self::Interface(_) => ShowQuery::OspfInterface,
            Self::Database => ShowQuery::OspfDatabase,
            Self::Route(_) => ShowQuery::OspfRoute,
            Self::Repair(_) => ShowQuery::OspfRepair,
            Self::Spf => ShowQuery::OspfSpf,
        }
    }

    fn narrow(&self) -> Narrow {
        match self {
            Self::Interface(words) => words.narrow(),
            Self::Route(words) | Self::Repair(words) => words.narrow(),
            Self::Neighbor | Self::Database | Self::Spf => Narrow::default(),
        }
    }
}

impl ShowWords {
    /// What is asked.
    pub fn query(&self) -> ShowQuery {
        match self {
            Self::Port(_) => ShowQuery::Port,
            Self::Neighbor => ShowQuery::Neighbor,
            Self::Ospf { words } => ospf_query(words.as_ref()),
            Self::Bfd { .. } => ShowQuery::Bfd,
            Self::Route(words) => ShowQuery::Route(words.filter()),
            Self::Fib(words) => ShowQuery::Fib(words.filter()),
            Self::Runtime => ShowQuery::Runtime,
            Self::Mempool => ShowQuery::Mempool,
            Self::Errors { all } => ShowQuery::Errors { all: *all },
            Self::Config => ShowQuery::Config,
            Self::Version => ShowQuery::Version,
            Self::Ipv6 { words } => match words {
                Ipv6Words::Route(words) => ShowQuery::Route(words.filter()),
                Ipv6Words::Fib(words) => ShowQuery::Fib(words.filter()),
                Ipv6Words::Ospf6 { words } => ospf_query(words.as_ref()),
                Ipv6Words::Neighbor => ShowQuery::Neighbor,
                Ipv6Words::Interface(_) => ShowQuery::Port,
                Ipv6Words::Bgp { words } => bgp_query(words.as_ref()),
            },
            Self::Bgp { words } => bgp_query(words.as_ref()),
            Self::Bmp => ShowQuery::Bmp,
            Self::Rpki { words } => match words {
                None | Some(RpkiWords::Cache) => ShowQuery::Rpki,
                Some(RpkiWords::Prefix { prefix: None }) => ShowQuery::RpkiVrp,
                Some(RpkiWords::Prefix { prefix: Some(prefix) }) => ShowQuery::RpkiPrefix(*prefix),
            },
            Self::Tenant(_) => ShowQuery::Tenant,
            Self::L2tpv3 { .. } => ShowQuery::L2tpv3,
            Self::BridgeDomain(words) => words.query(),
        }
    }

    /// What of the answer is wanted.
    pub fn narrow(&self) -> Narrow {
        match self {
            Self::Port(words) => words.narrow(),
            Self::Ospf { words: Some(words) } => words.narrow(),
            Self::Bfd { words: Some(BfdWords::Peers(words)) } => words.narrow(),
            Self::Route(words) | Self::Fib(words) => words.narrow(),
            Self::Bgp { words: Some(words) } => words.narrow(),
            Self::Tenant(words) => words.narrow(),
            Self::BridgeDomain(words) => words.narrow(),
            Self::L2tpv3 { session } => Narrow { session: *session, ..Narrow::default() },
            Self::Ipv6 { words } => match words {
                Ipv6Words::Route(words) | Ipv6Words::Fib(words) => words.narrow(),
                Ipv6Words::Ospf6 { words: Some(words) } => words.narrow(),
                Ipv6Words::Interface(words) => words.narrow(),
                Ipv6Words::Bgp { words: Some(words) } => words.narrow(),
                Ipv6Words::Neighbor | Ipv6Words::Ospf6 { .. } | Ipv6Words::Bgp { .. } => {
                    Narrow::default()
                }
            },
            _ => Narrow::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        words: ShowWords,
    }

    fn query(line: &str) -> ShowQuery {
        let words = core::iter::once("show").chain(line.split(' '));
        Line::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}")).words.query()
    }

    #[test]
    fn spellings_of_other_routers_ask_the_same() {
        let pairs = [
            ("ipv6 route", "route"),
            ("ipv6 ospf6 neighbor", "ospf neighbor"),
            ("ospf neighbors", "ospf neighbor"),
            ("ospfv3 neighbor", "ospf neighbor"),
            ("ipv6 ospf6 database", "ospf database"),
            ("ipv6 ospf6 spf", "ospf spf"),
            ("ipv6 ospf6", "ospf"),
            ("ospf ti-lfa", "ospf repair"),
            ("ospf lsadb", "ospf database"),
            ("interface", "port"),
            ("bfd peers", "bfd"),
            ("bfd sessions", "bfd"),
            ("buffers", "mempool"),
            ("interfaces", "port"),
            ("ipv6 neighbors", "neighbor"),
            ("running-config", "config"),
            ("ipv6 route 2001:db8::/32", "route 2001:db8::/32"),
            ("bgp advertised-routes isp", "bgp advertised isp"),
            ("ipv6 bgp received-routes 2001:db8:0::1", "bgp received 2001:db8::1"),
            ("bgp route-map out", "bgp policy out"),
            ("rpki cache-connection", "rpki"),
            ("rpki prefix-table", "rpki prefix"),
        ];
        for (theirs, ours) in pairs {
            assert_eq!(query(theirs), query(ours), "{theirs}");
        }
    }

    #[test]
    fn one_port_or_one_route_can_be_asked_for() {
        let narrow = |line: &str| {
            let words = core::iter::once("show").chain(line.split(' '));
            Line::try_parse_from(words).unwrap().words.narrow()
        };
        assert_eq!(narrow("port p1").port.as_deref(), Some("p1"));
        assert_eq!(narrow("int p1").port.as_deref(), Some("p1"));
        assert_eq!(narrow("bfd peers p1").port.as_deref(), Some("p1"));
        assert_eq!(narrow("ospf interface p1").port.as_deref(), Some("p1"));
        let address = Some(Destination::Address("fd00::1".parse().unwrap()));
        assert_eq!(narrow("ospf route fd00::1").destination, address);
        assert_eq!(narrow("ipv6 ospf6 route fd00::1").destination, address);
        assert_eq!(narrow("port"), Narrow::default());
    }

    #[test]
    fn beginnings_of_words_are_enough() {
        assert_eq!(query("os n"), ShowQuery::OspfNeighbor);
        assert_eq!(query("ver"), ShowQuery::Version);
        assert_eq!(query("ip ro"), query("route"));
    }

    #[test]
    fn a_segment_is_shown_and_its_macs_are() {
        let all = ShowQuery::BridgeMac(MacQuery::default());
        for line in ["bridge-domain blue mac", "bridge-domain mac", "bridge blue macs"] {
            assert_eq!(query(line), all, "{line}");
        }
        assert_eq!(query("bridge-domain blue"), query("tenant blue"));
        let narrow = |line: &str| {
            let words = core::iter::once("show").chain(line.split(' '));
            Line::try_parse_from(words).unwrap().words.narrow()
        };
        assert_eq!(narrow("bridge-domain blue mac").tenant.as_deref(), Some("blue"));
        assert_eq!(narrow("bridge-domain mac").tenant, None);
        assert_eq!(narrow("l2tpv3 7").session, Some(7));
        assert_eq!(query("l2tp"), ShowQuery::L2tpv3);
    }

    #[test]
    fn a_route_is_asked_by_prefix_or_by_address() {
        let by_address = RouteFilter { prefix: None, address: Some("fd00::1".parse().unwrap()) };
        assert_eq!(query("fib fd00::1"), ShowQuery::Fib(by_address));
        assert!("10.0.0.0/8".parse::<Destination>().is_err());
        assert!(
            "fd00::1/64".parse::<Destination>().unwrap_err().to_string().contains("did you mean")
        );
    }
}
