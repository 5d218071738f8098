//! Neighbour Discovery (RFC 4861, RFC 4862 §5.4, RFC 4429, RFC 4191) as a pure machine.
//!
//! Read [`input`] and [`action`] first: they are the border. [`view`] is what `show` sees. Then
//! [`nud`] (the table), `cache` (what is known), `solicit` (asking), `receive` (what others say),
//! `dad` (own addresses), `advertise` (router advertisements), and `port` and [`machine`], which
//! hold them together. [`limits`] has every number.
//!
//! Absent on purpose: acting on redirects and on what other routers offer (a router takes its
//! routes from OSPF and BGP), multicast listener reports (they belong to whoever joins groups),
//! proxy advertisements.
#![forbid(unsafe_code)]

pub mod action;
mod advertise;
mod cache;
mod counters;
mod dad;
pub mod input;
pub mod limits;
pub mod machine;
pub mod nud;
mod outbox;
mod port;
mod receive;
mod solicit;
#[cfg(test)]
mod tests;
pub mod view;

pub use action::Action;
pub use counters::NdCounters;
pub use input::{Input, NdInterface, RaSettings};
pub use machine::Nd;
pub use view::{EntryView, NdState};
