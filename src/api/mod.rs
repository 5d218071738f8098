//! The control API: what can be asked of a running router, and what it answers.
//!
//! Read [`request`] and [`reply`], then the rows each `show` answers with in [`show`], and
//! [`event`] for what `monitor` streams and [`watch`] for what `capture` and `trace` do; [`pages`]
//! makes one line of a long answer. One JSON object a line over a Unix socket; both ends are this
//! crate's types.
//!
//! *Invariants*: [`API_VERSION`] grows with every incompatible change; fields are only ever added
//! within one version. Absent on purpose: the socket (it lives in `daemon` and `cli`).
#![forbid(unsafe_code)]

pub mod event;
pub mod pages;
pub mod reply;
pub mod request;
pub mod show;
pub mod show_bgp;
pub mod show_bmp;
pub mod show_rpki;
pub mod show_tenant;
pub mod watch;

pub use event::{Event, Severity};
pub use reply::{ApiError, Reply, ReplyBody};
pub use request::{Request, RequestBody, ShowQuery};
pub use watch::{PacketRow, PathRow, WatchEnd, WatchRequest, WatchStart};

/// Version of requests and replies.
pub const API_VERSION: u32 = 1;
