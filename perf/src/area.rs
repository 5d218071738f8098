//! An OSPF area of any size, made up: what all of its routers say, without the routers.
//!
//! Owns [`MadeUpArea`]: cables, costs and the LSAs that routers on them originate. Kumiki's routers
//! say three things each: their links, their prefixes, and where tunnels of repairs end.
//!
//! *Invariants*: deterministic, the same on every machine; router 0 is who is measured, and its
//! neighbours are those at the other ends of its cables.

use kumiki::base::ids::{PortId, RouterId};
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::base::prng::Prng;
use kumiki::base::route::RouteNextHop;
use kumiki::proto::ospf::calculate::Adjacency;
use kumiki::wire::ospf::{
    IntraAreaPrefix, IntraAreaPrefixLsa, LsType, Lsa, LsaBody, LsaKey, Options, PrefixOptions,
    RepairFlags, RepairLsa, RouterFlags, RouterLink, RouterLinkType, RouterLsa, SequenceNumber,
};
use std::net::Ipv6Addr;

/// Routers of an area: as many as fit the LSAs that a database holds, three each.
pub const ROUTERS_MAX: usize = 20_000;

/// Which router is cabled to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// Rows and columns, each a ring; as near to a square as the number allows.
    Torus,
    /// One ring.
    Ring,
}

/// What cables cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Costs {
    /// All the same: many equal-cost paths.
    Equal,
    /// Anything from 1 to 100, another in each direction: hardly any.
    Random,
}

/// Why there is no such area.
#[derive(Debug, thiserror::Error)]
pub enum AreaError {
    /// Too few or too many.
    #[error("an area has 3 to {ROUTERS_MAX} routers here, not {0}")]
    RouterCount(usize),
    /// A prime number and the like.
    #[error("{0} routers make no torus of at least 3 by 3; try {1}")]
    NoTorus(usize, usize),
    /// Our error in an LSA.
    #[error("an LSA cannot be made: {0}")]
    Lsa(#[from] kumiki::wire::ospf::LsaTooLong),
}

/// One end of a cable.
#[derive(Clone, Copy, Debug)]
struct End {
    neighbor: usize,
    interface_id: u32,
    neighbor_interface_id: u32,
    cost: u16,
}

/// The area. One exists a run.
#[derive(Clone, Debug)]
pub struct MadeUpArea {
    /// What each router is cabled to.
    ends: Vec<Vec<End>>,
}

impl MadeUpArea {
    /// An area of this many routers.
    pub fn new(routers: usize, shape: Shape, costs: Costs) -> Result<Self, AreaError> {
        if !(3..=ROUTERS_MAX).contains(&routers) {
            return Err(AreaError::RouterCount(routers));
        }
        let cables: Vec<(usize, usize)> = match shape {
            Shape::Ring => (0..routers).map(|router| (router, (router + 1) % routers)).collect(),
            Shape::Torus => torus(routers)?,
        };
        let mut random = Prng::new(0x6b75_6d69_6b69_0003);
        let mut cost = || match costs {
            Costs::Equal => 10,
            Costs::Random => u16::try_from(1 + random.below(100)).unwrap_or(1),
        };
        let mut ends: Vec<Vec<End>> = vec![Vec::new(); routers];
        for (a, b) in cables {
            let next_id = |of: &Vec<End>| u32::try_from(of.len() + 1).unwrap_or(u32::MAX);
            let (id_a, id_b) = (next_id(&ends[a]), next_id(&ends[b]));
            let end = |neighbor, interface_id, neighbor_interface_id, cost| End {
                neighbor,
                interface_id,
                neighbor_interface_id,
                cost,
            };
            ends[a].push(end(b, id_a, id_b, cost()));
            ends[b].push(end(a, id_b, id_a, cost()));
        }
        Ok(Self { ends })
    }

    /// How many routers.
    pub fn router_count(&self) -> usize {
        self.ends.len()
    }

    /// How many cables.
    pub fn cable_count(&self) -> usize {
        self.ends.iter().map(Vec::len).sum::<usize>() / 2
    }

    /// All LSAs of a router.
    pub fn lsas(&self, router: usize) -> Result<Vec<Lsa>, AreaError> {
        let said = RepairLsa {
            flags: RepairFlags::default(),
            endpoint: loopback(router),
            adjacencies: adjacency_addresses(router),
        };
        Ok(vec![
            self.router_lsa(router, 1)?,
            prefix_lsa(router, 0)?,
            lsa(router, LsType::REPAIR, 1, &LsaBody::Repair(said))?,
        ])
    }

    /// The router-LSA of a router whose links all cost as many times more.
    pub fn router_lsa(&self, router: usize, factor: u16) -> Result<Lsa, AreaError> {
        let links = self.ends[router].iter().map(|end| RouterLink {
            link_type: RouterLinkType::PointToPoint,
            metric: end.cost.saturating_mul(factor),
            interface_id: end.interface_id,
            neighbor_interface_id: end.neighbor_interface_id,
            neighbor_router_id: router_id(end.neighbor),
        });
        let options = Options::V6.with(Options::R);
        let body = RouterLsa { flags: RouterFlags::default(), options, links: links.collect() };
        lsa(router, LsType::ROUTER, i32::from(factor), &LsaBody::Router(body))
    }

    /// The neighbours of router 0, all in Full.
    pub fn adjacencies(&self) -> Vec<Adjacency> {
        let adjacency = |end: &End| Adjacency {
            port: way(end.interface_id).port,
            interface_id: end.interface_id,
            neighbor_router_id: router_id(end.neighbor),
            neighbor_interface_id: end.neighbor_interface_id,
            address: way(end.interface_id).address,
        };
        self.ends[0].iter().map(adjacency).collect()
    }

    /// The cable of router 0 that leads to the neighbour of least number: that neighbour, the
    /// Interface ID here and there.
    pub fn first_cable(&self) -> (usize, u32, u32) {
        let end = self.ends[0].iter().min_by_key(|end| end.neighbor);
        end.map_or((0, 0, 0), |end| (end.neighbor, end.interface_id, end.neighbor_interface_id))
    }
}

/// The way out of an interface of router 0.
pub fn way(interface_id: u32) -> RouteNextHop {
    let number = u16::try_from(interface_id).unwrap_or(u16::MAX);
    RouteNextHop { port: PortId(number), address: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number) }
}

/// 10.0.0.1 and on.
pub fn router_id(router: usize) -> RouterId {
    RouterId(0x0a00_0001 + u32::try_from(router).unwrap_or(u32::MAX >> 8))
}

/// Its address.
pub fn loopback(router: usize) -> Ipv6Addr {
    Ipv6Addr::from_bits(0xfd4b_756d_696b << 80 | (router as u128 + 1))
}

/// Its /112.
pub fn adjacency_addresses(router: usize) -> Ipv6Prefix {
    let bits = 0xfd4b_756d_696b << 80 | (router as u128 + 1) << 16;
    Ipv6Prefix::containing(Ipv6Addr::from_bits(bits), 112)
}

/// The intra-area-prefix-LSA of a router: its address at this metric, and its /112.
pub fn prefix_lsa(router: usize, metric: u16) -> Result<Lsa, AreaError> {
    let prefix = |prefix, options, metric| IntraAreaPrefix { prefix, options, metric };
    let body = IntraAreaPrefixLsa {
        referenced_ls_type: LsType::ROUTER,
        referenced_link_state_id: 0,
        referenced_advertising_router: router_id(router),
        prefixes: vec![
            prefix(Ipv6Prefix::host(loopback(router)), PrefixOptions::LA, metric),
            prefix(adjacency_addresses(router), PrefixOptions::default(), 0),
        ],
    };
    let sequence = i32::from(metric) + 1;
    lsa(router, LsType::INTRA_AREA_PREFIX, sequence, &LsaBody::IntraAreaPrefix(body))
}

fn lsa(router: usize, ls_type: LsType, sequence: i32, body: &LsaBody) -> Result<Lsa, AreaError> {
    let key = LsaKey { ls_type, advertising_router: router_id(router), link_state_id: 0 };
    Ok(Lsa::build(key, SequenceNumber(SequenceNumber::INITIAL.0 + sequence), 1, body)?)
}

/// Every router to the next in its row and in its column.
fn torus(routers: usize) -> Result<Vec<(usize, usize)>, AreaError> {
    let square = (1..).take_while(|side| side * side <= routers).last().unwrap_or(1);
    let Some(width) = (3..=square).rev().find(|width| routers.is_multiple_of(*width)) else {
        return Err(AreaError::NoTorus(routers, square.max(3) * (square.max(3) + 1)));
    };
    let height = routers / width;
    let at = |x: usize, y: usize| y % height * width + x % width;
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    Ok(places.flat_map(|(x, y)| [(at(x, y), at(x + 1, y)), (at(x, y), at(x, y + 1))]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torus_has_two_cables_a_router_and_four_ends() {
        let area = MadeUpArea::new(5000, Shape::Torus, Costs::Equal).unwrap();
        assert_eq!((area.router_count(), area.cable_count()), (5000, 10_000));
        assert!(area.ends.iter().all(|ends| ends.len() == 4));
        assert_eq!(area.adjacencies().len(), 4);
    }

    #[test]
    fn numbers_that_make_no_torus_are_refused_with_one_that_does() {
        let error = MadeUpArea::new(5003, Shape::Torus, Costs::Equal).unwrap_err().to_string();
        assert_eq!(error, "5003 routers make no torus of at least 3 by 3; try 4970");
        assert!(MadeUpArea::new(2, Shape::Ring, Costs::Equal).is_err());
    }
}
