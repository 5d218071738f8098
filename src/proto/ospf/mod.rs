//! OSPFv3 (RFC 5340, with RFC 2328 where it refers to it) as a pure machine.
//!
//! Read [`input`] and [`action`] first: they are the border. [`view`] is what `show` sees.

pub mod action;
pub mod input;
pub mod machine;
pub mod spf;
pub mod view;

pub use action::{Action, NeighborChange, Notice};
pub use input::{
    AdvertisedPrefix, BACKBONE, Input, InterfaceConfig, InterfaceKind, Settings, SpfDelays,
};
pub use machine::{Ospf, OspfCounters};
pub use view::{InterfaceView, LsaView, NeighborState, NeighborView, RouteView, SpfView};
