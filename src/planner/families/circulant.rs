//! Server i cabled to i±a, i±b, …: one rule for every server, and the best choice for most sizes.

use super::{Cable, Family, TopologyError, at_least, bad_arguments};

/// `circulant:1,3`.
pub const FAMILY: Family = Family {
    name: "circulant",
    syntax: "circulant:1,3",
    help: "server i to i±a, i±b, …: the same rule everywhere, few hops; the default above six",
    server_count: |arguments| steps(arguments).map(|_| None),
    cables,
};

fn cables(arguments: &str, count: usize) -> Result<Vec<Cable>, TopologyError> {
    let steps = steps(arguments)?;
    let largest = steps.iter().copied().max().unwrap_or(0);
    // A step of half the ring or less; a longer one is the same as a shorter one the other way
    // round.
    at_least(&FAMILY, (2 * largest).max(3), count)?;
    Ok((0..count)
        .flat_map(|server| steps.iter().map(move |step| (server, (server + step) % count)))
        .collect())
}

fn steps(arguments: &str) -> Result<Vec<usize>, TopologyError> {
    arguments
        .split(',')
        .map(|part| match part.trim().parse() {
            Ok(step) if (1..=super::SERVER_COUNT_MAX).contains(&step) => Ok(step),
            _ => Err(bad_arguments(&FAMILY, arguments)),
        })
        .collect()
}
