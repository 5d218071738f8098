//! The configuration: one TOML file that serves every server of a cluster.
//!
//! Read [`schema`] (one file a feature: every key with default, unit and reason), [`load`] (text to
//! value, with the place of every error), [`validate`] (what can never run is refused here), [`delta`]
//! (what changed between two configurations), [`addressing`] (router number to addresses), [`render`]
//! (value to text).
//!
//! Absent on purpose: files and the environment. Text comes in as an argument.
#![forbid(unsafe_code)]

pub mod addressing;
pub mod schema;

pub use schema::{
    ClusterSettings, Config, DpdkSettings, HostSettings, IdlePolicy, OspfSettings, PortDevice,
    PortSettings, RouterSettings, StaticNeighbor, StaticRoute, StaticRouteTarget,
};
