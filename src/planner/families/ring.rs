//! Every server cabled to the next, the last to the first: two ports, one spare way.
//!
//! Good up to six servers; above that its throughput falls below that of one switch port a server.

use super::{Cable, Family, TopologyError, at_least, no_arguments};

/// `ring`.
pub const FAMILY: Family = Family {
    name: "ring",
    syntax: "ring",
    help: "two ports a server, survives one failure; good up to six servers",
    server_count: |arguments| no_arguments(&FAMILY, arguments),
    cables,
};

fn cables(_arguments: &str, count: usize) -> Result<Vec<Cable>, TopologyError> {
    at_least(&FAMILY, 3, count)?;
    Ok((0..count).map(|server| (server, (server + 1) % count)).collect())
}
