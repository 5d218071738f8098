//! OSPFv3 (RFC 5340, with RFC 2328 where it refers to it) as a pure machine.
//!
//! Read [`input`] and [`action`] first: they are the border; [`view`] is what `show` sees. Then
//! [`machine`] (the whole and the way of an input through it), [`interface`], [`neighbor`] (its
//! state machine), [`lsdb`], and what the machine does, one file a chapter of the RFC: `receive`,
//! `hello`, `bfd`, [`helper`], [`restart`], `exchange`, `flood`, `retransmission`, `originate`,
//! `boundary`, [`opaque`] (LSAs that are only carried), `routes`. [`area`] keeps what LSAs tell,
//! [`calculate`] turns it into routes over [`spf`] and into detours over [`repair`], [`backoff`]
//! says when and [`order`] in whose turn (`coverage` whether there is time for that), the detours
//! and the turns by `distances` from other routers. [`limits`] has every bound.
//!
//! Absent on purpose: broadcast links and designated routers (a cable has two ends), several areas
//! and with them stub areas and NSSAs, and authentication.

pub mod action;
pub mod area;
pub mod backoff;
mod bfd;
mod boundary;
pub mod calculate;
mod complaint;
mod coverage;
mod distances;
mod exchange;
mod flood;
mod hello;
pub mod helper;
pub mod input;
pub mod interface;
pub mod limits;
pub mod lsdb;
pub mod machine;
pub mod neighbor;
pub mod opaque;
pub mod order;
mod originate;
mod receive;
pub mod repair;
pub mod restart;
mod retransmission;
mod routes;
mod show;
pub mod spf;
mod verify;
pub mod view;

#[cfg(test)]
mod tests;

pub use action::{Action, NeighborChange, Notice};
pub use helper::{HelpEnd, HelpRefusal};
pub use input::{
    AdvertisedPrefix, BACKBONE, BfdVerdict, ExternalChanges, ExternalRoute, Input, InterfaceConfig,
    InterfaceKind, RepairEndpoint, Settings, SpfDelays,
};
pub use machine::{Ospf, OspfCounters};
pub use opaque::{OpaqueKind, OpaqueNews, OpaqueUpdate};
pub use restart::RestartEnd;
pub use verify::{Verified, differences};
pub use view::{
    CoverView, InterfaceView, Loneliness, LsaView, NeighborState, NeighborView, RouteView, SpfView,
};
