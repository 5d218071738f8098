//! What can be broken: cables, with and without loss of carrier, routers and control planes;
//! several at once with `+`.
//!
//! Owns the words of `--fault` and what follows from a fault by the topology alone: who can still
//! reach whom, and which streams cross what fails.
//!
//! *Invariants*: the text given is the text reported.

use crate::config::did_you_mean;
use crate::lab::ping::{HostPair, pairs_of};
use crate::lab::state::CableStatus;
use crate::planner::{Topology, server_index, server_name};
use std::collections::BTreeSet;

/// Streams that probe one fault, at most: each is 1000 packets a second at every hop.
pub const STREAM_MAX: usize = 6;
/// Flows between two neighbours of a killed router: equal-cost ways take their share.
const FLOWS_PER_KILL_MAX: usize = 4;

/// The words of faults.
const VERBS: [&str; 5] = ["cut", "silent", "kill", "stop", "panic"];

/// Why a fault cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// Not one of the forms.
    #[error(
        "`{0}` is no fault{meant}; write cut:s01-s02, silent:s01-s02, kill:s03, stop:s03 or \
         panic:s03, several with `+`",
        meant = did_you_mean(.0.split(':').next().unwrap_or_default(), &VERBS)
    )]
    Syntax(String),
    /// Not two servers with a dash.
    #[error("`{0}` is no cable; write it by its ends, like s01-s02")]
    CableSyntax(String),
    /// No such server.
    #[error("there is no server {0}; they are s01 to {last}", last = server_name(*.1 - 1))]
    Server(String, usize),
    /// Another router than Kumiki does not fail on demand.
    #[error("{0} is no Kumiki router; only the control plane of one can be made to fail")]
    Foreign(String),
    /// No such cable.
    #[error("{a} and {b} have no cable; {a} has {cables}", cables = .cables.join(", "))]
    Cable {
        /// One server.
        a: String,
        /// The other.
        b: String,
        /// The cables of the first.
        cables: Vec<String>,
    },
    /// No such host.
    #[error("there is no host {0}; they are h01 to h{count:02}", count = .1)]
    Host(String, usize),
}

/// One thing that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPart {
    /// A cable by number, [`CableStatus::Cut`] or [`CableStatus::Silent`].
    Cable(usize, CableStatus),
    /// The router of a server is killed, and nothing forwards in its place.
    Kill(usize),
    /// The router of a server is asked to end in order.
    Stop(usize),
    /// The control plane of a server's router, which must be Kumiki, fails.
    Panic(usize),
}

/// Everything that fails at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// As it was given.
    pub text: String,
    /// Its parts.
    pub parts: Vec<FaultPart>,
}

impl Fault {
    /// Reads `cut:s01-s02+kill:s05` for a topology.
    pub fn parse(text: &str, topology: &Topology) -> Result<Self, FaultError> {
        let parts = text
            .split('+')
            .map(|part| parse_part(part.trim(), topology))
            .collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), parts })
    }

    /// Servers without a router until it is mended.
    pub fn ended(&self) -> BTreeSet<usize> {
        let ended = self.parts.iter().filter_map(|part| match part {
            FaultPart::Kill(server) | FaultPart::Stop(server) => Some(*server),
            FaultPart::Cable(..) | FaultPart::Panic(_) => None,
        });
        ended.collect()
    }

    /// Pairs of hosts that can reach each other with what is left.
    pub fn reachable_pairs(&self, topology: &Topology) -> Vec<HostPair> {
        let ended = self.ended();
        let failed: BTreeSet<_> = self
            .parts
            .iter()
            .filter_map(|part| match part {
                FaultPart::Cable(cable, _) => topology.cables().get(*cable).copied(),
                _ => None,
            })
            .collect();
        let is_usable = |cable: (usize, usize)| {
            !failed.contains(&cable) && !ended.contains(&cable.0) && !ended.contains(&cable.1)
        };
        let count = topology.server_count();
        let hops: Vec<_> = (0..count).map(|start| topology.distances(start, is_usable)).collect();
        pairs_of(count, |from, to| {
            !ended.contains(&from) && !ended.contains(&to) && hops[from][to].is_some()
        })
    }

    /// Streams whose way crosses what fails, both ends of which stay reachable; each part gets its
    /// first before any gets its second.
    pub fn probes(&self, topology: &Topology) -> Probes {
        let reachable: BTreeSet<HostPair> = self.reachable_pairs(topology).into_iter().collect();
        let crossing = self.parts.iter().map(|part| {
            let mut wanted = match *part {
                FaultPart::Cable(cable, _) => {
                    let (a, b) = topology.cables()[cable];
                    vec![(a, b), (b, a)]
                }
                FaultPart::Kill(server) | FaultPart::Stop(server) => {
                    streams_through(server, topology, &reachable)
                }
                FaultPart::Panic(server) => {
                    let through = streams_through(server, topology, &reachable).into_iter();
                    through.chain(streams_of(server, topology)).collect()
                }
            };
            wanted.retain(|pair| reachable.contains(pair));
            wanted
        });
        let crossing: Vec<Vec<HostPair>> = crossing.collect();
        let longest = crossing.iter().map(Vec::len).max().unwrap_or(0);
        let in_turns = (0..longest).flat_map(|turn| {
            crossing
                .iter()
                .enumerate()
                .filter_map(move |(part, pairs)| pairs.get(turn).map(|pair| (part, *pair)))
        });
        let chosen: Vec<(usize, HostPair)> = in_turns.take(STREAM_MAX).collect();
        let texts = self.text.split('+').map(str::trim).enumerate();
        Probes {
            not_measured: texts
                .filter(|(part, _)| !chosen.iter().any(|(of, _)| of == part))
                .map(|(_, text)| text.to_owned())
                .collect(),
            streams: chosen.into_iter().map(|(_, pair)| pair).collect(),
        }
    }
}

/// What can be measured of a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// Source and sink of each stream; the same pair twice is two flows.
    pub streams: Vec<HostPair>,
    /// Parts that nothing crosses which stays reachable, as they were given.
    pub not_measured: Vec<String>,
}

/// Flows between the two neighbours of `server` that have the fewest other ways of two hops.
fn streams_through(
    server: usize,
    topology: &Topology,
    reachable: &BTreeSet<HostPair>,
) -> Vec<HostPair> {
    let neighbors: Vec<usize> = topology.neighbors(server).collect();
    let ways = |a: usize, b: usize| {
        let of_a: BTreeSet<usize> = topology.neighbors(a).collect();
        // A cable of their own is shorter than any way through `server`.
        if of_a.contains(&b) {
            usize::MAX
        } else {
            topology.neighbors(b).filter(|n| of_a.contains(n)).count()
        }
    };
    let best = pairs_of(neighbors.len(), |a, b| a < b)
        .into_iter()
        .map(|(a, b)| (neighbors[a], neighbors[b]))
        .filter(|pair| reachable.contains(pair) && ways(pair.0, pair.1) < usize::MAX)
        .min_by_key(|&(a, b)| (ways(a, b), a, b));
    let Some((a, b)) = best else { return Vec::new() };
    let flows = ways(a, b).clamp(1, FLOWS_PER_KILL_MAX / 2);
    [(a, b), (b, a)].repeat(flows)
}

/// Flows from and to the host of `server` itself, over a cable that has one.
fn streams_of(server: usize, topology: &Topology) -> Vec<HostPair> {
    let neighbor = topology.neighbors(server).next();
    neighbor.map_or_else(Vec::new, |neighbor| vec![(neighbor, server), (server, neighbor)])
}

fn parse_part(text: &str, topology: &Topology) -> Result<FaultPart, FaultError> {
    let syntax = || FaultError::Syntax(text.to_owned());
    let (verb, target) = text.split_once(':').ok_or_else(syntax)?;
    match verb {
        "cut" => Ok(FaultPart::Cable(parse_cable(target, topology)?, CableStatus::Cut)),
        "silent" => Ok(FaultPart::Cable(parse_cable(target, topology)?, CableStatus::Silent)),
        "kill" => Ok(FaultPart::Kill(parse_server(target, topology.server_count())?)),
        "stop" => Ok(FaultPart::Stop(parse_server(target, topology.server_count())?)),
        "panic" => Ok(FaultPart::Panic(parse_server(target, topology.server_count())?)),
        _ => Err(syntax()),
    }
}

/// `s05` of `count` servers.
pub fn parse_server(text: &str, count: usize) -> Result<usize, FaultError> {
    server_index(text)
        .filter(|index| *index < count)
        .ok_or_else(|| FaultError::Server(text.to_owned(), count))
}

/// `s01-s02` in either order; the number of the cable.
pub fn parse_cable(text: &str, topology: &Topology) -> Result<usize, FaultError> {
    let (a, b) = text.split_once('-').ok_or_else(|| FaultError::CableSyntax(text.to_owned()))?;
    let index_a = parse_server(a, topology.server_count())?;
    let index_b = parse_server(b, topology.server_count())?;
    let ends = (index_a.min(index_b), index_a.max(index_b));
    topology.cables().iter().position(|cable| *cable == ends).ok_or_else(|| {
        let neighbors = topology.neighbors(index_a);
        let cables = neighbors.map(|other| {
            let (first, second) = (index_a.min(other), index_a.max(other));
            format!("{}-{}", server_name(first), server_name(second))
        });
        FaultError::Cable { a: a.to_owned(), b: b.to_owned(), cables: cables.collect() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::TopologySpec;

    fn topology(spec: &str, count: usize) -> Topology {
        spec.parse::<TopologySpec>().unwrap().build(Some(count)).unwrap()
    }

    #[test]
    fn several_faults_at_once_keep_their_text() {
        let ring = topology("ring", 6);
        let fault = Fault::parse("cut:s02-s01+kill:s05", &ring).unwrap();
        assert_eq!(fault.text, "cut:s02-s01+kill:s05");
        assert_eq!(fault.parts, [FaultPart::Cable(0, CableStatus::Cut), FaultPart::Kill(4)]);
    }

    #[test]
    fn what_is_not_there_cannot_fail() {
        let ring = topology("ring", 4);
        let refuse = |text| Fault::parse(text, &ring).unwrap_err().to_string();
        assert_eq!(refuse("cut:s01-s03"), "s01 and s03 have no cable; s01 has s01-s02, s01-s04");
        assert_eq!(refuse("kill:s05"), "there is no server s05; they are s01 to s04");
        assert!(refuse("burn:s01").starts_with("`burn:s01` is no fault; write"));
        assert!(refuse("pnic:s01").contains("is no fault (did you mean `panic`?); write"));
        assert_eq!(refuse("cut:s01"), "`s01` is no cable; write it by its ends, like s01-s02");
    }

    #[test]
    fn a_cut_is_probed_by_the_hosts_at_its_ends_in_both_directions() {
        let ring = topology("ring", 4);
        let fault = Fault::parse("cut:s01-s02", &ring).unwrap();
        assert_eq!(fault.probes(&ring).streams, [(0, 1), (1, 0)]);
        assert_eq!(fault.reachable_pairs(&ring).len(), 12);
    }

    #[test]
    fn a_kill_is_probed_through_the_killed_router() {
        let ring = topology("ring", 6);
        let fault = Fault::parse("kill:s03", &ring).unwrap();
        assert_eq!(fault.probes(&ring).streams, [(1, 3), (3, 1)]);
        assert_eq!(fault.reachable_pairs(&ring).len(), 20);
    }

    #[test]
    fn a_kill_among_equal_ways_is_probed_by_several_flows() {
        let circulant = topology("circulant:1,3", 8);
        let fault = Fault::parse("kill:s05", &circulant).unwrap();
        let Probes { streams, not_measured } = fault.probes(&circulant);
        assert!(not_measured.is_empty());
        assert_eq!(streams.len(), 4);
        assert!(streams.iter().all(|(a, b)| circulant.neighbors(4).any(|n| n == *a)
            && circulant.neighbors(4).any(|n| n == *b)));
    }

    #[test]
    fn a_control_plane_that_fails_takes_no_router_away() {
        let ring = topology("ring", 6);
        let panic = Fault::parse("panic:s03", &ring).unwrap();
        assert_eq!(panic.probes(&ring).streams, [(1, 3), (3, 1), (1, 2), (2, 1)]);
        assert_eq!(panic.reachable_pairs(&ring).len(), 30);
        let stop = Fault::parse("stop:s03", &ring).unwrap();
        assert_eq!(stop.probes(&ring).streams, [(1, 3), (3, 1)]);
        assert_eq!(stop.reachable_pairs(&ring).len(), 20);
    }

    #[test]
    fn two_cuts_split_a_ring_and_only_the_halves_talk() {
        let ring = topology("ring", 4);
        let fault = Fault::parse("cut:s01-s02+cut:s03-s04", &ring).unwrap();
        assert_eq!(fault.reachable_pairs(&ring), [(0, 3), (1, 2), (2, 1), (3, 0)]);
        assert_eq!(fault.probes(&ring).streams, []);
    }

    #[test]
    fn a_part_that_nothing_crosses_is_not_measured() {
        let ring = topology("ring", 6);
        let text = "cut:s01-s02+silent:s03-s04+kill:s06";
        let probes = Fault::parse(text, &ring).unwrap().probes(&ring);
        assert_eq!(probes.streams, []);
        assert_eq!(probes.not_measured, ["cut:s01-s02", "silent:s03-s04", "kill:s06"]);
        // In a mesh everybody has a cable of its own to everybody.
        let mesh = topology("mesh", 4);
        let probes = Fault::parse("kill:s02+cut:s01-s03", &mesh).unwrap().probes(&mesh);
        assert_eq!(probes.streams, [(0, 2), (2, 0)]);
        assert_eq!(probes.not_measured, ["kill:s02"]);
    }

    #[test]
    fn every_part_of_a_fault_gets_a_stream_before_any_gets_two() {
        let circulant = topology("circulant:1,3", 8);
        let text = "kill:s05+cut:s01-s02+cut:s02-s03";
        let Probes { streams, not_measured } =
            Fault::parse(text, &circulant).unwrap().probes(&circulant);
        assert_eq!(streams.len(), STREAM_MAX);
        assert_eq!(streams.get(1..3), Some([(0, 1), (1, 2)].as_slice()));
        assert!(not_measured.is_empty());
    }
}
