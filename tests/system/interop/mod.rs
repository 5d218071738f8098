//! The router and other speakers of BGP: FRR 8.4, BIRD 2.0.12 and GoBGP 3.10 as Debian has them.
//!
//! Read [`world`] (namespaces, cables, the router) and [`peer`] (what a test wishes of a daemon),
//! then a file for each daemon: [`bird`], [`frr`], [`gobgp`]; and [`speaker`], which says what a
//! test wants octet by octet. [`route`] is what all of them are compared in, [`probe`] are packets
//! that pass meanwhile. The tests: [`tables`], [`refresh`], [`restarts`], [`security`],
//! [`attributes`], [`internal`], [`limits`], [`links`], [`liveness`]; and what no daemon does,
//! [`malformed`] and [`flood`].

mod attributes;
mod bird;
mod flood;
pub mod frr;
mod gobgp;
mod internal;
mod limits;
mod links;
mod liveness;
mod malformed;
mod peer;
mod probe;
mod refresh;
mod restarts;
mod route;
mod security;
mod speaker;
mod tables;
pub mod world;

use crate::routers::needs_router;
use crate::{cannot_run, skip};
use std::os::unix::fs::MetadataExt;

/// Whether the router or one of these programs cannot run here; says why.
fn cannot_interoperate(programs: &[&str]) -> bool {
    if needs_router() || cannot_run(programs) {
        return true;
    }
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    !is_root && skip("network namespaces without a lab need root")
}
