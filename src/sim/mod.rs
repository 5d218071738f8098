//! Whole clusters in one thread: simulated time, bad cables, dying routers, judges.
//!
//! Read [`plan`] (what a world is made of), [`node`] (one server: the real control plane on the
//! real data plane), [`link`] (what a cable does to frames), [`world`] (time, events, who hears of
//! what; its helpers are [`queue`] and [`clock`]), [`faults`] (what goes wrong and when). Then the
//! judges: [`oracle`] (shortest ways, by other means than the routers'), [`checkers`], [`traffic`],
//! [`probes`] (what becomes of packets meanwhile). [`scenario`] is all of a run as a file,
//! [`campaign`] runs it, [`report`] is what that found. [`trace`] says what happened and how to see
//! it again; [`replay`] runs one router again, alone. [`fuzz`] has the bodies of the fuzz targets.
//!
//! *Invariants*: one seed, one run, bit for bit. Scenarios with a name of their own stand in
//! `tests/sim`; those of `kumiki sim` follow from a seed.
//!
//! Absent on purpose: hosts on the LANs (a LAN port leads nowhere) and the time that a router needs
//! for its work.
#![forbid(unsafe_code)]

pub mod campaign;
pub mod checkers;
pub mod clock;
pub mod edge_checkers;
pub mod edges;
pub mod exits;
pub mod faults;
pub mod feed;
pub mod fuzz;
pub mod link;
pub mod node;
pub mod oracle;
pub mod plan;
pub mod policy;
pub mod probes;
pub mod queue;
pub mod replay;
pub mod report;
pub mod scenario;
pub mod tcp;
pub mod trace;
pub mod traffic;
pub mod world;
