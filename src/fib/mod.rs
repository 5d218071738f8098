//! All that an lcore reads: prefixes, next hops, ports, in one immutable snapshot.
//!
//! Read [`forwarding`] (the snapshot), [`table`] (longest-prefix match), [`next_hop`] (groups, rewrites,
//! liveness), [`interface_table`].
//!
//! Absent on purpose: who wrote it and why. Routes with their sources live in `rib`.

pub mod forwarding;
pub mod interface_table;
pub mod next_hop;
pub mod table;

pub use forwarding::Forwarding;
pub use interface_table::{Interface, InterfaceTable};
pub use next_hop::{Adjacency, GROUP_NO_ROUTE, Liveness, NextHop, NextHopGroup};
pub use table::Fib;
