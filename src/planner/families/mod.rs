//! Topology families: rules that say which servers are cabled to each other.
//!
//! Read [`FAMILIES`], the list of all; then one file a family: [`ring`], [`line`](mod@line),
//! [`mesh`], [`circulant`], [`torus`], and [`file`](mod@file) for a cabling that follows no rule.
//!
//! *Invariants*: a [`Topology`] is connected, has no cable twice and none from a server to itself,
//! its cables are sorted, and no server needs more than [`PORT_MAX`] ports.

pub mod circulant;
pub mod file;
pub mod line;
pub mod mesh;
pub mod ring;
pub mod torus;

use crate::base::ids::PORT_MAX;
use crate::config::did_you_mean;
use core::fmt;
use core::str::FromStr;
use std::collections::BTreeSet;

/// Servers a topology may have: "3 to some hundreds" (DESIGN.md §1), and their numbers fit the ULA.
pub const SERVER_COUNT_MAX: usize = 1024;

/// Two servers by index, the smaller first.
pub type Cable = (usize, usize);

/// A rule: arguments after the colon and number of servers in, cables out.
pub struct Family {
    /// First word of the specification.
    pub name: &'static str,
    /// How to write it.
    pub syntax: &'static str,
    /// What it is good for, in a sentence.
    pub help: &'static str,
    /// The number of servers that the arguments fix, if they do.
    pub server_count: fn(&str) -> Result<Option<usize>, TopologyError>,
    /// The cables, in any order and direction, doubles allowed.
    pub cables: fn(&str, usize) -> Result<Vec<Cable>, TopologyError>,
}

/// Every family there is.
pub const FAMILIES: [Family; 5] =
    [ring::FAMILY, line::FAMILY, mesh::FAMILY, circulant::FAMILY, torus::FAMILY];

/// Why there is no such topology.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// The first word names no family.
    #[error(
        "`{0}` is no topology{meant}; known are {known}",
        meant = meant(.0), known = family_names()
    )]
    Unknown(String),
    /// The arguments after the colon do not fit the family.
    #[error("`{family}:{arguments}` is not understood; write it like `{syntax}`: {meaning}")]
    Arguments {
        /// The family.
        family: &'static str,
        /// What was given.
        arguments: String,
        /// What is right.
        syntax: &'static str,
        /// What the family does with it.
        meaning: &'static str,
    },
    /// Too few or too many servers for the family.
    #[error("a {family} needs {needed} servers, not {given}")]
    ServerCount {
        /// The family.
        family: &'static str,
        /// How many are right, in words.
        needed: String,
        /// How many were asked for.
        given: usize,
    },
    /// Nobody said how many servers.
    #[error("a {0} can have any number of servers: say how many")]
    CountMissing(&'static str),
    /// A line of a cabling file is no pair of servers.
    #[error("line {line}: `{text}` is no cable; write two servers, like `s01 s02`")]
    Line {
        /// Counted from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// Somebody cannot be reached.
    #[error("{0} cannot be reached from s01")]
    Disconnected(String),
    /// A cable from a server to itself.
    #[error("{0} is cabled to itself")]
    Loop(String),
    /// A server with more cables than a router has ports.
    #[error("{server} has {degree} cables; a router has at most {PORT_MAX} ports, one for its LAN")]
    Degree {
        /// The server.
        server: String,
        /// Its cables.
        degree: usize,
    },
}

/// Servers and the cables between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    servers: usize,
    cables: Vec<Cable>,
}

impl Topology {
    /// Checks and sorts `cables`; doubles become one.
    pub fn new(servers: usize, cables: Vec<Cable>) -> Result<Self, TopologyError> {
        let mut sorted = BTreeSet::new();
        for (a, b) in cables {
            if a == b {
                return Err(TopologyError::Loop(server_name(a)));
            }
            sorted.insert((a.min(b), a.max(b)));
        }
        let topology = Self { servers, cables: sorted.into_iter().collect() };
        topology.check_degrees()?;
        topology.check_connected()?;
        Ok(topology)
    }

    /// Number of servers.
    pub fn server_count(&self) -> usize {
        self.servers
    }

    /// The cables, sorted, each with the smaller index first.
    pub fn cables(&self) -> &[Cable] {
        &self.cables
    }

    /// The servers cabled to `server`, in order.
    pub fn neighbors(&self, server: usize) -> impl Iterator<Item = usize> + '_ {
        self.cables.iter().filter_map(move |&(a, b)| match server {
            s if s == a => Some(b),
            s if s == b => Some(a),
            _ => None,
        })
    }

    /// Hops from `start` to every server when `is_usable` cables are left; `None` where there is no
    /// way.
    pub fn distances(&self, start: usize, is_usable: impl Fn(Cable) -> bool) -> Vec<Option<u32>> {
        let mut hops = vec![None; self.servers];
        let mut frontier = vec![start];
        let mut distance = 0;
        while !frontier.is_empty() {
            let mut next = Vec::new();
            for server in frontier {
                match hops.get_mut(server) {
                    Some(slot @ None) => *slot = Some(distance),
                    _ => continue,
                }
                next.extend(
                    self.neighbors(server)
                        .filter(|&peer| is_usable((server.min(peer), server.max(peer)))),
                );
            }
            frontier = next;
            distance += 1;
        }
        hops
    }

    fn check_degrees(&self) -> Result<(), TopologyError> {
        for server in 0..self.servers {
            let degree = self.neighbors(server).count();
            if degree >= PORT_MAX {
                return Err(TopologyError::Degree { server: server_name(server), degree });
            }
        }
        Ok(())
    }

    fn check_connected(&self) -> Result<(), TopologyError> {
        let hops = self.distances(0, |_| true);
        match hops.iter().position(Option::is_none) {
            Some(lost) => Err(TopologyError::Disconnected(server_name(lost))),
            None => Ok(()),
        }
    }
}

/// A family with its arguments, as in `torus:4x3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologySpec {
    family: usize,
    arguments: String,
}

impl TopologySpec {
    /// The cables for `server_count` servers, or for the number that the arguments fix.
    pub fn build(&self, server_count: Option<usize>) -> Result<Topology, TopologyError> {
        let family = &FAMILIES[self.family];
        let fixed = (family.server_count)(&self.arguments)?;
        let count = match (server_count, fixed) {
            (Some(given), Some(fixed)) if given != fixed => {
                return Err(TopologyError::ServerCount {
                    family: family.name,
                    needed: fixed.to_string(),
                    given,
                });
            }
            (Some(count), _) | (None, Some(count)) => count,
            (None, None) => return Err(TopologyError::CountMissing(family.name)),
        };
        if count > SERVER_COUNT_MAX {
            let needed = format!("at most {SERVER_COUNT_MAX}");
            return Err(TopologyError::ServerCount { family: family.name, needed, given: count });
        }
        Topology::new(count, (family.cables)(&self.arguments, count)?)
    }
}

impl FromStr for TopologySpec {
    type Err = TopologyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, arguments) = text.split_once(':').unwrap_or((text, ""));
        let family = FAMILIES
            .iter()
            .position(|family| family.name == name)
            .ok_or_else(|| TopologyError::Unknown(name.to_owned()))?;
        Ok(Self { family, arguments: arguments.to_owned() })
    }
}

impl fmt::Display for TopologySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FAMILIES[self.family].name;
        match self.arguments.as_str() {
            "" => f.write_str(name),
            arguments => write!(f, "{name}:{arguments}"),
        }
    }
}

/// `s01` for index 0.
pub fn server_name(index: usize) -> String {
    format!("s{:02}", index + 1)
}

/// Index 0 for `s01`; leading zeros do not matter.
pub fn server_index(name: &str) -> Option<usize> {
    let digits = name.strip_prefix('s')?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<usize>().ok()?.checked_sub(1).filter(|index| *index < SERVER_COUNT_MAX)
}

fn meant(word: &str) -> String {
    did_you_mean(word, &FAMILIES.map(|family| family.name))
}

fn family_names() -> String {
    let mut names: Vec<&str> = FAMILIES.iter().map(|family| family.syntax).collect();
    names.push("the path of a file with a cable a line, `s01 s02`");
    names.join(", ")
}

/// For families without arguments: refuses any, fixes no count.
fn no_arguments(family: &Family, arguments: &str) -> Result<Option<usize>, TopologyError> {
    if arguments.is_empty() { Ok(None) } else { Err(bad_arguments(family, arguments)) }
}

fn bad_arguments(family: &Family, arguments: &str) -> TopologyError {
    TopologyError::Arguments {
        family: family.name,
        arguments: arguments.to_owned(),
        syntax: family.syntax,
        meaning: family.help,
    }
}

fn at_least(family: &Family, least: usize, given: usize) -> Result<(), TopologyError> {
    if given >= least {
        return Ok(());
    }
    let needed = format!("at least {least}");
    Err(TopologyError::ServerCount { family: family.name, needed, given })
}

#[cfg(test)]
mod tests;
