//! Whole clusters in one thread: simulated time, bad cables, dying routers, judges.
//!
//! Read [`plan`] (what a world is made of), [`node`] (one server: the real control plane on the
//! real data plane), [`link`] (what a cable does to frames), [`world`] (time, events, who hears of
//! what), [`faults`] (what goes wrong and when). Then the judges: [`oracle`] (shortest ways, by
//! other means than the routers'), [`checkers`], [`traffic`]. [`trace`] says what happened and how
//! to see it again; [`replay`] runs one router again, alone. [`fuzz`] has the bodies of the fuzz
//! targets.
//!
//! *Invariants*: one seed, one run, bit for bit. A scenario is a setup, a schedule of faults and
//! checks; the scenarios stand in `tests/sim`.
//!
//! Absent on purpose: hosts on the LANs (a LAN port leads nowhere) and the time that a router needs
//! for its work.
#![forbid(unsafe_code)]

pub mod checkers;
pub mod faults;
pub mod fuzz;
pub mod link;
pub mod node;
pub mod oracle;
pub mod plan;
pub mod replay;
pub mod trace;
pub mod traffic;
pub mod world;
