//! What a world is made of: who is cabled to whom, who is called what.
//!
//! Owns [`WorldSetup`] (the knobs of a scenario) and what follows from it without any event: the
//! ports of each router, their MAC addresses, the configuration that an administrator would write.
//!
//! *Invariants*: fabric ports are numbered from zero in the order of the cables, then comes the LAN
//! port, and at an edge the uplink. Links between routers stand before uplinks.

use crate::base::ids::{MacAddress, PORT_MAX, PortId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::prng::Prng;
use crate::base::time::Duration;
use crate::config::{
    BfdSettings, ClusterSettings, Config, OspfSettings, PortBfd, PortDevice, PortRole,
    PortSettings, RouterSettings, addressing,
};
use crate::control::AttachedPort;
use crate::planner::families::{Topology, server_name};
use crate::sim::clock::Clock;
use crate::sim::edges::Edges;
use crate::sim::link::{End, Link, Quality};
use core::net::Ipv6Addr;

/// The numbers of every simulated cluster.
pub const ULA: Ipv6Prefix =
    Ipv6Prefix::containing(Ipv6Addr::new(0xfd4b, 0x756d, 0x696b, 0, 0, 0, 0, 0), 48);

/// The largest cost that [`Costs::Mixed`] draws.
pub const MIXED_COST_MAX: u16 = 20;

/// An administrator leaves `spf_delay_long_ms` as it is in clusters of up to so many routers; in
/// larger ones it is a millisecond for each four of them.
pub const USUAL_DELAY_ROUTERS_MAX: usize = 256;

/// What links cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Costs {
    /// Every end the same: many equal ways.
    Uniform(u16),
    /// Each end by chance, 1 to [`MIXED_COST_MAX`]: the two ends of a link differ.
    Mixed,
}

/// Whether the servers agree on the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocks {
    /// All show the time of the world.
    True,
    /// Each is wrong in its own way, see [`Clock`].
    Wrong,
}

/// The knobs of a scenario.
#[derive(Clone, Debug)]
pub struct WorldSetup {
    /// Routers and cables.
    pub topology: Topology,
    /// Everything by chance follows from it.
    pub seed: u64,
    /// How good links are.
    pub quality: Quality,
    /// What they cost.
    pub costs: Costs,
    /// `[ospf]` of every router.
    pub ospf: OspfSettings,
    /// `[bfd]` of every router.
    pub bfd: BfdSettings,
    /// Routers without BFD, whatever `[bfd]` says.
    pub without_bfd: Vec<usize>,
    /// Whether the servers agree on the time.
    pub clocks: Clocks,
    /// Routers start within this time, in an order by chance.
    pub start_spread: Duration,
    /// Numbers of routers that are not index + 1: index and number.
    pub renumbered: Vec<(usize, u16)>,
    /// Routers with an uplink.
    pub edge_count: usize,
}

/// `[ospf]` as the manual advises for so many routers.
fn ospf_settings(router_count: usize) -> OspfSettings {
    let usual = OspfSettings::default();
    if router_count <= USUAL_DELAY_ROUTERS_MAX {
        return usual;
    }
    let quarters = u64::try_from(router_count / 4).unwrap_or(u64::MAX);
    OspfSettings { spf_delay_long: Duration::from_millis(quarters), ..usual }
}

impl WorldSetup {
    /// A cluster with everything as an administrator finds it.
    pub fn new(topology: Topology, seed: u64) -> Self {
        let ospf = ospf_settings(topology.server_count());
        Self {
            topology,
            seed,
            quality: Quality::GOOD,
            costs: Costs::Uniform(10),
            ospf,
            bfd: BfdSettings::default(),
            without_bfd: Vec::new(),
            clocks: Clocks::Wrong,
            start_spread: Duration::from_secs(2),
            renumbered: Vec::new(),
            edge_count: 0,
        }
    }

    /// The edges and the providers behind them.
    pub fn edges(&self) -> Edges {
        Edges::new(self.edge_count, self.topology.server_count())
    }

    /// The clock of a server.
    pub fn clock(&self, prng: &mut Prng) -> Clock {
        match self.clocks {
            Clocks::True => Clock::default(),
            Clocks::Wrong => Clock::draw(prng),
        }
    }

    /// The number of a router.
    pub fn number(&self, router: usize) -> u16 {
        let other = self.renumbered.iter().find(|(index, _)| *index == router);
        other.map_or_else(
            || u16::try_from(router + 1).unwrap_or_else(|_| unreachable!("at most 1024 servers")),
            |(_, number)| *number,
        )
    }

    /// The loopback address of a router.
    pub fn loopback(&self, router: usize) -> Ipv6Addr {
        addressing::loopback(ULA, self.number(router))
    }

    /// The router's own address on its LAN.
    pub fn lan_address(&self, router: usize) -> Ipv6Addr {
        addressing::lan_address(ULA, self.number(router))
    }

    /// The address of a host on the LAN of a router.
    pub fn lan_host(&self, router: usize) -> Ipv6Addr {
        let lan = addressing::lan_prefix(ULA, self.number(router));
        Ipv6Addr::from_bits(lan.bits() | 0x1234_5678)
    }

    /// The links, in the order of the cables, then the uplinks.
    pub fn links(&self, prng: &mut Prng) -> Vec<Link> {
        let mut port_counts = vec![0; self.topology.server_count()];
        let mut next_end = |router: usize| {
            let port = PortId(port_counts[router]);
            port_counts[router] += 1;
            End { router, port }
        };
        let mut cost = || match self.costs {
            Costs::Uniform(cost) => cost,
            Costs::Mixed => {
                1 + u16::try_from(prng.below(u64::from(MIXED_COST_MAX))).unwrap_or_default()
            }
        };
        let cables = self.topology.cables().iter().map(|&(a, b)| {
            let ends = [next_end(a), next_end(b)];
            Link::new(ends, [cost(), cost()], self.quality)
        });
        let edges = self.edges();
        let uplinks = (0..edges.count()).map(|edge| {
            let near = End { router: edges.router(edge), port: self.uplink_port(edge) };
            Link::new([near, provider_end(edges, edge)], [0; 2], self.quality)
        });
        cables.chain(uplinks).collect()
    }

    /// The port of an edge's uplink.
    pub fn uplink_port(&self, edge: usize) -> PortId {
        PortId(self.lan_port(self.edges().router(edge)).0 + 1)
    }

    /// The port of a router's LAN.
    pub fn lan_port(&self, router: usize) -> PortId {
        let count = self.topology.neighbors(router).count();
        assert!(count < PORT_MAX, "the topology sees to that");
        PortId(u16::try_from(count).unwrap_or(u16::MAX))
    }

    /// The configuration of a router; `costs` are those of its fabric ports, in order.
    pub fn config(&self, router: usize, costs: &[u16]) -> Config {
        let port = |name: String, role, cost| PortSettings {
            device: PortDevice::Tap(name.clone()),
            name,
            role,
            address: None,
            mtu: 9000,
            cost,
            bfd: PortBfd::default(),
            vlan: None,
            mac: None,
        };
        let fabric = (0..).zip(costs).map(|(index, cost): (u16, _)| {
            port(format!("f{index}"), PortRole::Fabric, Some(*cost))
        });
        let lan = port("lan".to_owned(), PortRole::Lan, None);
        let enabled = self.bfd.enabled && !self.without_bfd.contains(&router);
        let bfd = BfdSettings { enabled, ..self.bfd.clone() };
        Config {
            router: RouterSettings { name: server_name(router) },
            cluster: Some(ClusterSettings {
                secret: crate::config::schema::Secret::default(),
                ula: ULA,
                prefix: None,
                number: self.number(router),
                key: None,
            }),
            ospf: self.ospf.clone(),
            bfd,
            ports: fabric.chain([lan]).collect(),
            ..Config::default()
        }
    }

    /// The ports of a router as the driver opens them; `is_up` says which have carrier.
    pub fn attached(
        router: usize,
        config: &Config,
        is_up: impl Fn(PortId) -> bool,
    ) -> Vec<AttachedPort> {
        (0..)
            .map(PortId)
            .zip(&config.ports)
            .map(|(port, settings)| AttachedPort {
                port,
                settings: settings.clone(),
                mac: mac(router, port),
                mtu_max: 9000,
                speed_mbps: Some(100_000),
                is_up: is_up(port),
            })
            .collect()
    }
}

/// The provider's end of an uplink.
pub fn provider_end(edges: Edges, edge: usize) -> End {
    End { router: edges.slot(edges.provider(edge)), port: edges.provider_port(edge) }
}

/// The MAC of a port.
pub fn mac(router: usize, port: PortId) -> MacAddress {
    let [.., high, low] = router.to_be_bytes();
    let [_, port] = port.0.to_be_bytes();
    MacAddress([2, 0, 0, high, low, port])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::validate::validate;
    use std::collections::BTreeSet;

    fn setup() -> WorldSetup {
        let topology = "circulant:1,3".parse::<crate::planner::families::TopologySpec>().unwrap();
        WorldSetup::new(topology.build(Some(8)).unwrap(), 1)
    }

    #[test]
    fn every_port_of_a_router_has_one_cable() {
        let setup = setup();
        let links = setup.links(&mut Prng::new(1));
        let ends: BTreeSet<End> = links.iter().flat_map(|link| link.ends).collect();
        let expected: BTreeSet<End> = (0..8)
            .flat_map(|router| (0..4).map(move |port| End { router, port: PortId(port) }))
            .collect();
        assert_eq!(ends, expected);
        assert_eq!(setup.lan_port(3), PortId(4));
    }

    #[test]
    fn only_large_clusters_wait_longer_when_events_keep_coming() {
        let usual = OspfSettings::default();
        assert_eq!(ospf_settings(USUAL_DELAY_ROUTERS_MAX), usual);
        let large = ospf_settings(1000);
        assert_eq!(large.spf_delay_long, Duration::from_millis(250));
        assert_eq!(OspfSettings { spf_delay_long: usual.spf_delay_long, ..large }, usual);
    }

    #[test]
    fn the_configuration_is_one_that_the_router_accepts() {
        let setup = WorldSetup { costs: Costs::Mixed, ..setup() };
        let config = setup.config(2, &[1, 2, 3, 4]);
        assert_eq!(validate(&config), []);
        let attached = WorldSetup::attached(2, &config, |port| port != PortId(1));
        assert_eq!(attached.len(), 5);
        assert!(!attached[1].is_up && attached[4].settings.role == PortRole::Lan);
        let costs = setup.links(&mut Prng::new(2)).into_iter().flat_map(|link| link.costs);
        assert!(costs.into_iter().all(|cost| (1..=MIXED_COST_MAX).contains(&cost)));
    }
}
