//! All that an lcore reads: prefixes, next hops, ports, in one immutable snapshot.
//!
//! Read [`forwarding`] (the snapshot), [`table`] (longest-prefix match: its shape), then `lookup`
//! (the search in a block) and `update` (changes), [`next_hop`] (groups, rewrites, liveness) with
//! [`group_table`], [`repair`] (the headers of a repair), [`interface_table`]. [`oracle`] is what
//! the table is compared with.
//!
//! Absent on purpose: who wrote it and why. Routes with their sources live in `rib`.

mod arena;
mod build;
pub mod forwarding;
pub mod group_table;
pub mod interface_table;
mod lookup;
pub mod next_hop;
pub mod oracle;
pub mod repair;
mod routes;
pub mod simd;
pub mod table;
mod update;

pub use forwarding::Forwarding;
pub use group_table::GroupTable;
pub use interface_table::{Interface, InterfaceTable};
pub use next_hop::{Adjacency, GROUP_NO_ROUTE, Liveness, NextHop, NextHopGroup, Witness};
pub use repair::{Encapsulation, RepairAddresses, RepairScope};
pub use table::Fib;
