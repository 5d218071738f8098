//! Plans a cluster before anyone buys a cable.
//!
//! Read [`families`]: which server is cabled to which, from one word such as `ring` or `torus:4x3`.
//!
//! *Invariants*: pure: text and numbers in, values out; the same input gives the same plan.
//!
//! Gap: inventory, rack layout, cost, failure figures and configuration of every node (DESIGN.md
//! §2, `kumiki plan`).
#![forbid(unsafe_code)]

pub mod families;

pub use families::{Topology, TopologyError, TopologySpec, server_index, server_name};
