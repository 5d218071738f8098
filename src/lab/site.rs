//! Clusters with exits to one provider, by the cables alone: who has an exit, and what a fault
//! leaves of that.
//!
//! ```text
//!        s02          isp          s06
//!       ╱   ╲      ╱  ╱ ╲  ╲      ╱   ╲
//!   s01       s03            s05       s07      uplinks: s01 s03 s05 s07
//!       ╲   ╱                     ╲   ╱
//!        s04                       s08
//! ```
//!
//! Owns [`Site`]: which servers are edges, which faults are made when none is asked for, and which
//! pairs of hosts have to reach each other then.
//!
//! *Invariants*: clusters have no cable between them. An edge announces its cluster while it
//! reaches another router of it. A server counts as having an exit only while it reaches every edge
//! that announces its cluster: to which part of a cluster in pieces the provider sends, no topology
//! says.

use crate::lab::fabric::Lab;
use crate::lab::fault::{Fault, FaultError, FaultPart, STREAM_MAX, parse_cable};
use crate::lab::layout::Numbering;
use crate::lab::ping::{HostPair, pairs_of};
use crate::planner::{Topology, TopologyError, server_name};
use std::collections::BTreeSet;

/// Clusters of a site.
const CLUSTER_COUNT: usize = 2;
/// The least servers of a cluster: two edges, one that dies beside an edge, and one that stays.
const CLUSTER_SIZE_MIN: usize = 4;

/// Servers, cables and edges of several clusters of the same topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Which server is in which cluster.
    pub numbering: Numbering,
    /// Servers of all clusters.
    pub server_count: usize,
    /// Servers with an uplink, in order.
    pub edges: Vec<usize>,
    /// Cables of all clusters, sorted.
    pub cables: Vec<(usize, usize)>,
}

/// What a fault leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Pairs of hosts that reach each other, of one cluster or of two.
    pub pairs: Vec<HostPair>,
    /// Hosts that reach the world.
    pub outside: Vec<usize>,
    /// Edges that announce their cluster.
    pub announcing: Vec<usize>,
}

impl Site {
    /// Two clusters of a topology. Edges are the first server and the one furthest from it.
    pub fn new(topology: &Topology) -> Result<Self, TopologyError> {
        let cluster_size = topology.server_count();
        if cluster_size < CLUSTER_SIZE_MIN {
            let needed = format!("at least {CLUSTER_SIZE_MIN}");
            let family = "cluster with two exits";
            return Err(TopologyError::ServerCount { family, needed, given: cluster_size });
        }
        let hops = topology.distances(0, |_| true);
        // The first of those at that distance: `max_by_key` takes the last.
        let furthest = (0..cluster_size).rev().max_by_key(|&server| hops[server]).unwrap_or(0);
        let of_all = |servers: &[usize]| -> Vec<usize> {
            let of_one = |cluster: usize| servers.iter().map(move |s| s + cluster * cluster_size);
            (0..CLUSTER_COUNT).flat_map(of_one).collect()
        };
        let ends = of_all(&topology.cables().iter().map(|cable| cable.0).collect::<Vec<_>>());
        let others = of_all(&topology.cables().iter().map(|cable| cable.1).collect::<Vec<_>>());
        Ok(Self {
            numbering: Numbering { cluster_size },
            server_count: cluster_size * CLUSTER_COUNT,
            edges: of_all(&[0, furthest]),
            cables: ends.into_iter().zip(others).collect(),
        })
    }

    /// That of a lab with a provider.
    pub fn of(lab: &Lab) -> Option<Self> {
        lab.state.provider.as_ref().map(|provider| Self {
            numbering: lab.state.numbering,
            server_count: lab.server_count(),
            edges: provider.edges.clone(),
            cables: lab.state.cables.iter().map(|cable| cable.ends).collect(),
        })
    }

    /// Reads a fault of servers and cables of the clusters; the number of a cable is that in
    /// [`Self::cables`].
    pub fn parse_fault(&self, text: &str) -> Result<Fault, FaultError> {
        let whole = self.whole()?;
        let mut fault = Fault::parse(text, &whole)?;
        for part in &mut fault.parts {
            match part {
                FaultPart::Cable(cable, _) => *cable = self.own_cable(&whole, *cable)?,
                FaultPart::Kill(server) | FaultPart::Stop(server) | FaultPart::Panic(server) => {
                    if *server == self.server_count {
                        return Err(self.is_no_server());
                    }
                }
            }
        }
        Ok(fault)
    }

    /// `s01-s02` in either order; its number in [`Self::cables`].
    pub fn parse_cable(&self, text: &str) -> Result<usize, FaultError> {
        let whole = self.whole()?;
        self.own_cable(&whole, parse_cable(text, &whole)?)
    }

    /// A topology has no parts without a way between them: here the provider is one more server,
    /// the last, which nobody may break.
    fn whole(&self) -> Result<Topology, FaultError> {
        let uplinks = self.edges.iter().map(|&edge| (edge, self.server_count));
        let cables = self.cables.iter().copied().chain(uplinks).collect();
        Topology::new(self.server_count + 1, cables).map_err(|_| self.is_no_server())
    }

    fn own_cable(&self, whole: &Topology, cable: usize) -> Result<usize, FaultError> {
        let ends = whole.cables().get(cable);
        let own = self.cables.iter().position(|found| Some(found) == ends);
        own.ok_or_else(|| self.is_no_server())
    }

    fn is_no_server(&self) -> FaultError {
        FaultError::Server(server_name(self.server_count), self.server_count)
    }

    /// The faults that are made when none is asked for: each edge of the first cluster dies, then
    /// the first one together with the two servers that leave the most between the clusters.
    pub fn default_faults(&self) -> Result<Vec<Fault>, FaultError> {
        let of_first = |edge: &&usize| self.numbering.cluster(**edge) == 0;
        let edges: Vec<String> = self
            .edges
            .iter()
            .filter(of_first)
            .map(|&e| format!("kill:{}", server_name(e)))
            .collect();
        let inner: Vec<usize> =
            (0..self.server_count).filter(|s| !self.edges.contains(s)).collect();
        let mut best: Option<(usize, Fault)> = None;
        for (index, &a) in inner.iter().enumerate() {
            for &b in inner.iter().skip(index + 1) {
                let Some(edge) = edges.first() else { continue };
                let text = format!("{edge}+kill:{}+kill:{}", server_name(a), server_name(b));
                let fault = self.parse_fault(&text)?;
                let count = self.left(&fault).pairs.iter().filter(|p| self.is_across(p)).count();
                if best.as_ref().is_none_or(|(most, _)| count > *most) {
                    best = Some((count, fault));
                }
            }
        }
        let single = edges.iter().map(|edge| self.parse_fault(edge));
        let several = best.into_iter().map(|(_, fault)| Ok(fault));
        single.chain(several).collect()
    }

    /// What a fault leaves; of one without parts, everything.
    pub fn left(&self, fault: &Fault) -> Left {
        let ended = fault.ended();
        let parts = self.parts_of(fault);
        let together = |a: usize, b: usize| parts[a].is_some() && parts[a] == parts[b];
        let is_company = |edge: usize| {
            (0..self.server_count).any(|other| other != edge && together(edge, other))
        };
        let announcing: Vec<usize> =
            self.edges.iter().copied().filter(|&edge| is_company(edge)).collect();
        let has_exit = |server: usize| {
            let cluster = self.numbering.cluster(server);
            let mut own =
                announcing.iter().filter(|&&e| self.numbering.cluster(e) == cluster).peekable();
            own.peek().is_some() && own.all(|&edge| together(server, edge))
        };
        let pairs = pairs_of(self.server_count, |a, b| match self.is_across(&(a, b)) {
            true => has_exit(a) && has_exit(b),
            false => together(a, b),
        });
        let outside =
            (0..self.server_count).filter(|s| !ended.contains(s) && has_exit(*s)).collect();
        Left { pairs, outside, announcing }
    }

    /// Streams between the clusters, in both directions, for what a fault leaves. Hosts whose
    /// server is an edge have no exit to choose and come last; a pair that comes again is another
    /// flow.
    pub fn streams(&self, left: &Left) -> Vec<HostPair> {
        let hosts = |cluster: usize| -> Vec<usize> {
            let own = left.outside.iter().copied();
            let own: Vec<usize> = own.filter(|&s| self.numbering.cluster(s) == cluster).collect();
            let inner: Vec<usize> =
                own.iter().copied().filter(|server| !self.edges.contains(server)).collect();
            if inner.is_empty() { own } else { inner }
        };
        let (near, far) = (hosts(0), hosts(1));
        if near.is_empty() || far.is_empty() {
            return Vec::new();
        }
        (0..STREAM_MAX / 2)
            .flat_map(|turn| {
                let a = near[turn % near.len()];
                let b = far[(turn + turn / near.len()) % far.len()];
                [(a, b), (b, a)]
            })
            .collect()
    }

    /// For each stream the edge of its source's cluster that a fault ends: by that it has to leave,
    /// or its move measures nothing. A host whose own server is an edge has no choice.
    pub fn exits_lost(&self, fault: &Fault, streams: &[HostPair]) -> Vec<Option<usize>> {
        let ended = fault.ended();
        let lost = |&(from, _): &HostPair| {
            let cluster = self.numbering.cluster(from);
            let mut own =
                self.edges.iter().copied().filter(|&e| self.numbering.cluster(e) == cluster);
            own.find(|edge| ended.contains(edge))
        };
        let is_inner = |pair: &HostPair| !self.edges.contains(&pair.0);
        streams.iter().map(|pair| is_inner(pair).then(|| lost(pair)).flatten()).collect()
    }

    /// Whether two hosts are in different clusters.
    pub fn is_across(&self, &(a, b): &HostPair) -> bool {
        self.numbering.cluster(a) != self.numbering.cluster(b)
    }

    /// For each server the first of those it is still cabled to; `None` for one that ended.
    fn parts_of(&self, fault: &Fault) -> Vec<Option<usize>> {
        let ended = fault.ended();
        let broken: BTreeSet<usize> = fault
            .parts
            .iter()
            .filter_map(|part| match part {
                FaultPart::Cable(cable, _) => Some(*cable),
                _ => None,
            })
            .collect();
        let usable: Vec<(usize, usize)> = (0..)
            .zip(&self.cables)
            .filter(|(cable, (a, b))| {
                !broken.contains(cable) && !ended.contains(a) && !ended.contains(b)
            })
            .map(|(_, ends)| *ends)
            .collect();
        let mut parts: Vec<Option<usize>> =
            (0..self.server_count).map(|s| (!ended.contains(&s)).then_some(s)).collect();
        // Each round carries the least number one cable further.
        for _ in 0..self.server_count {
            for &(a, b) in &usable {
                let least = parts[a].min(parts[b]);
                (parts[a], parts[b]) = (least, least);
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::TopologySpec;

    fn site(spec: &str, count: usize) -> Site {
        Site::new(&spec.parse::<TopologySpec>().unwrap().build(Some(count)).unwrap()).unwrap()
    }

    fn left(site: &Site, fault: &str) -> Left {
        site.left(&site.parse_fault(fault).unwrap())
    }

    #[test]
    fn a_ring_has_its_exits_on_opposite_sides() {
        let site = site("ring", 4);
        assert_eq!(site.edges, [0, 2, 4, 6]);
        assert_eq!(site.cables.len(), 8);
        assert!(site.cables.contains(&(4, 7)) && site.cables.is_sorted());
        assert_eq!(self::site("line", 5).edges, [0, 4, 5, 9]);
    }

    #[test]
    fn too_few_servers_are_no_cluster_with_two_exits() {
        let ring = "ring".parse::<TopologySpec>().unwrap().build(Some(3)).unwrap();
        let refused = Site::new(&ring).unwrap_err().to_string();
        assert_eq!(refused, "a cluster with two exits needs at least 4 servers, not 3");
    }

    #[test]
    fn a_lost_edge_leaves_everybody_else_an_exit() {
        let site = site("ring", 4);
        let all = site.left(&Fault { text: String::new(), parts: Vec::new() });
        assert_eq!((all.pairs.len(), all.outside.len(), all.announcing.len()), (56, 8, 4));
        let left = left(&site, "kill:s01");
        assert_eq!((left.pairs.len(), left.announcing), (42, vec![2, 4, 6]));
        assert_eq!(left.outside, [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn an_edge_alone_announces_nothing_and_halves_are_not_relied_upon() {
        let site = site("ring", 4);
        let alone = left(&site, "kill:s02+kill:s03+kill:s04");
        assert_eq!(alone.announcing, [4, 6]);
        assert_eq!(alone.outside, [4, 5, 6, 7]);
        let halves = left(&site, "cut:s01-s02+cut:s03-s04");
        assert_eq!(halves.announcing, [0, 2, 4, 6]);
        assert_eq!(halves.outside, [4, 5, 6, 7]);
        assert!(halves.pairs.contains(&(0, 3)) && !halves.pairs.contains(&(0, 1)));
    }

    #[test]
    fn the_faults_are_each_edge_and_an_edge_with_two_more_servers() {
        let faults = site("ring", 4).default_faults().unwrap();
        let texts: Vec<&str> = faults.iter().map(|fault| fault.text.as_str()).collect();
        assert_eq!(texts, ["kill:s01", "kill:s03", "kill:s01+kill:s02+kill:s06"]);
    }

    #[test]
    fn streams_cross_the_clusters_and_prefer_those_that_choose_an_exit() {
        let site = site("ring", 4);
        let streams = site.streams(&left(&site, "kill:s01"));
        assert_eq!(streams, [(1, 5), (5, 1), (3, 7), (7, 3), (1, 7), (7, 1)]);
        let few = site.streams(&left(&site, "kill:s01+kill:s02+kill:s06"));
        assert_eq!(few, [(3, 7), (7, 3), (3, 7), (7, 3), (3, 7), (7, 3)]);
    }

    #[test]
    fn what_leaves_a_cluster_that_loses_an_edge_leaves_by_that_edge() {
        let site = site("ring", 4);
        let fault = site.parse_fault("kill:s07+kill:s02").unwrap();
        let exits = site.exits_lost(&fault, &[(3, 7), (7, 3), (4, 3)]);
        assert_eq!(exits, [None, Some(6), None]);
    }

    #[test]
    fn the_provider_is_not_the_labs_to_break() {
        let site = site("ring", 4);
        let refused = |text| site.parse_fault(text).unwrap_err().to_string();
        assert_eq!(refused("kill:s09"), "there is no server s09; they are s01 to s08");
        assert_eq!(refused("cut:s01-s09"), "there is no server s09; they are s01 to s08");
        let cut = site.parse_fault("cut:s05-s06").unwrap();
        let FaultPart::Cable(cable, _) = cut.parts[0] else { panic!("{cut:?}") };
        assert_eq!(site.cables[cable], (4, 5));
    }
}
