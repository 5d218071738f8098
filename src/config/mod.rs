//! The configuration: one TOML file that serves every server of a cluster.
//!
//! Read [`schema`] (one file a feature: every key with default, unit and reason), [`mod@load`]
//! (text to value, with the place of every error), [`validate`] (what can never run is refused
//! here), [`delta`] (what changed between two configurations), [`addressing`] (router number to
//! addresses), [`device`] (which device a port takes), [`mod@render`] (value to text),
//! [`document`] (the manual of all keys), [`mod@advice`] (what can run and is probably not meant).
//! [`problem`] is what is said when something is wrong,
//! [`read`] how one block is read.
//!
//! Absent on purpose: files and the environment. Text comes in as an argument.
#![forbid(unsafe_code)]

pub mod addressing;
pub mod advice;
pub mod delta;
pub mod device;
pub mod document;
pub mod load;
pub mod problem;
pub mod read;
pub mod render;
pub mod schema;
pub mod validate;

pub use advice::{Advice, advice};
pub use delta::{Delta, PortChange, PortReference};
pub use load::{FileError, FileSource, NoFiles, Overrides, Source, lines, load};
pub use problem::{ConfigErrors, KeyPath, Problem, ProblemKind};
pub use read::did_you_mean;
pub use render::{RenderedBlock, blocks, clause_block, render};
pub use schema::{
    BfdAuth, BfdSettings, BgpSettings, ClusterSettings, Config, DpdkSettings, HostSettings,
    IdlePolicy, OspfSettings, PortBfd, PortDevice, PortRole, PortSettings, RedistributeSettings,
    RouterSettings, StaticNeighbor, StaticRoute, StaticRouteTarget,
};
