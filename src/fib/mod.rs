//! All that an lcore reads: prefixes, next hops, ports, in one immutable snapshot.
//!
//! Read [`forwarding`] (the snapshot), [`table`] (longest-prefix match: its shape), then `lookup`
//! (the search in a block) and `update` (changes), [`next_hop`] (groups, rewrites, liveness) with
//! [`group_table`], [`repair`] (the headers of a repair), [`interface_table`]. The segments of
//! tenants are in [`overlay`], with [`bridge_table`] (domains, members, VLANs of ports),
//! [`session_table`] (what comes by L2TPv3) and [`tunnel_header`] (what goes by
//! it). [`oracle`] is
//! what the table is compared with.
//!
//! Absent on purpose: who wrote it and why. Routes with their sources live in `rib`.

mod arena;
pub mod bridge_table;
mod build;
pub mod forwarding;
pub mod group_table;
pub mod interface_table;
mod lookup;
pub mod next_hop;
pub mod oracle;
pub mod overlay;
pub mod repair;
mod routes;
pub mod session_table;
pub mod simd;
pub mod table;
pub mod tunnel_header;
mod update;

pub use bridge_table::{BridgeDomain, Circuit, CircuitVlan, Member, MemberKind, PortCircuits};
pub use forwarding::Forwarding;
pub use group_table::GroupTable;
pub use interface_table::{Interface, InterfaceTable};
pub use next_hop::{Adjacency, GROUP_NO_ROUTE, Liveness, NextHop, NextHopGroup, Witness};
pub use overlay::{MemberOptions, Overlay, OverlayBuilder, OverlayError, Pseudowire};
pub use repair::{Encapsulation, RepairAddresses, RepairScope};
pub use session_table::{Session, SessionTable};
pub use table::Fib;
pub use tunnel_header::{TunnelEnds, TunnelHeader};
