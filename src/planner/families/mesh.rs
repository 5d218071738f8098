//! Every server cabled to every other: one hop everywhere, as many ports as there are other
//! servers.

use super::{Cable, Family, TopologyError, at_least, no_arguments};

/// `mesh`.
pub const FAMILY: Family = Family {
    name: "mesh",
    syntax: "mesh",
    help: "every server to every other: one hop, as many ports as other servers",
    server_count: |arguments| no_arguments(&FAMILY, arguments),
    cables,
};

fn cables(_arguments: &str, count: usize) -> Result<Vec<Cable>, TopologyError> {
    at_least(&FAMILY, 2, count)?;
    Ok((0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b))).collect())
}
