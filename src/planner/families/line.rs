//! Every server cabled to the next: a chain for measuring hops. Survives nothing.

use super::{Cable, Family, TopologyError, at_least, no_arguments};

/// `line`.
pub const FAMILY: Family = Family {
    name: "line",
    syntax: "line",
    help: "a chain, for measuring the cost of hops; survives no failure",
    server_count: |arguments| no_arguments(&FAMILY, arguments),
    cables,
};

fn cables(_arguments: &str, count: usize) -> Result<Vec<Cable>, TopologyError> {
    at_least(&FAMILY, 2, count)?;
    Ok((1..count).map(|server| (server - 1, server)).collect())
}
