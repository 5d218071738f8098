//! A grid whose rows and columns are rings: even degradation and easy coordinates.
//!
//! Server number = x + width·(y + height·z …). A side of two has one cable, not two.

use super::{Cable, Family, SERVER_COUNT_MAX, TopologyError, bad_arguments};

/// `torus:4x3`.
pub const FAMILY: Family = Family {
    name: "torus",
    syntax: "torus:4x3",
    help: "a grid closed to rings in each direction; the number of servers is the product",
    server_count: |arguments| sides(arguments).map(|sides| Some(sides.iter().product())),
    cables,
};

fn cables(arguments: &str, count: usize) -> Result<Vec<Cable>, TopologyError> {
    let mut cables = Vec::new();
    let mut stride = 1;
    for side in sides(arguments)? {
        for server in 0..count {
            let position = server / stride % side;
            let next = server - position * stride + (position + 1) % side * stride;
            cables.push((server, next));
        }
        stride *= side;
    }
    Ok(cables)
}

fn sides(arguments: &str) -> Result<Vec<usize>, TopologyError> {
    let refused = || bad_arguments(&FAMILY, arguments);
    let sides = arguments
        .split('x')
        .map(|part| match part.trim().parse() {
            Ok(side) if side >= 2 => Ok(side),
            _ => Err(refused()),
        })
        .collect::<Result<Vec<usize>, _>>()?;
    let product = sides.iter().try_fold(1_usize, |all, side| all.checked_mul(*side));
    match product {
        // One side alone is a ring, which has a name of its own.
        Some(count) if count <= SERVER_COUNT_MAX && sides.len() > 1 => Ok(sides),
        _ => Err(refused()),
    }
}
