//! Clusters of the real control plane on the real packet path, in simulated time.
//!
//! A scenario is a seed and a few knobs: chaos, then heal, then it must converge in bounded time,
//! be right in the eyes of independent judges, and fall silent. A failure prints the seed and the
//! command to see it again.

mod bfd;
mod chaos;
mod edges;
mod faults;
mod replay;
mod restart;
mod run;
mod start;
mod tenants;
