//! The words of `kumiki-perf`, one file a command.
//!
//! Each command has its arguments as a type and a function `run`; a new one is a file here, a
//! variant of [`Command`] and an arm of [`Command::run`].
//!
//! *Invariants*: what cannot be done is a sentence on standard error and exit code 2.

pub mod baseline;
pub mod bgp;
pub mod compare;
pub mod failover;
pub mod fib;
#[cfg(dpdk)]
pub mod forward;
pub mod output;
pub mod pktgen;
pub mod profile;
pub mod report;
pub mod rfc;
pub mod spf;
pub mod traffic;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, Subcommand};
use comfy_table::{CellAlignment, Table, presets};

/// How a command ends: what could not be done is said in a sentence.
pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Measures Kumiki against others, in one run on one machine.
#[derive(Debug, Parser)]
#[command(name = "kumiki-perf", version)]
pub struct Arguments {
    /// What to measure.
    #[command(subcommand)]
    pub command: Command,
}

/// What there is to measure.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The table of prefixes beside rte_fib6 and rte_lpm6
    Fib(fib::FibArguments),
    /// Cycles a packet of the whole data path, beside testpmd
    #[cfg(dpdk)]
    Forward(forward::ForwardArguments),
    /// A packet generator and sink over any DPDK port
    Pktgen(Box<pktgen::PktgenArguments>),
    /// Throughput, delay, bursts and outages as the RFCs measure them
    Rfc(Box<rfc::RfcArguments>),
    /// What failures cost, beside other routers in the same labs
    Failover(failover::FailoverArguments),
    /// OSPF in a large area: routes, repairs, loading
    Spf(spf::SpfArguments),
    /// A full table through Kumiki, BIRD, FRR and GoBGP
    Bgp(bgp::BgpArguments),
    /// The same traffic as a profile for TRex or Pktgen-DPDK
    Profile(Box<profile::ProfileArguments>),
    /// Instructions a packet, beside those in perf/BASELINE.md (valgrind)
    Baseline(baseline::BaselineArguments),
    /// One kernel, for callgrind
    #[command(hide = true)]
    Kernel(baseline::KernelArguments),
    /// Two results of the same command, figure by figure
    Compare(compare::CompareArguments),
    /// Several results on one page with plots
    Report(report::ReportArguments),
}

impl Command {
    /// Runs it.
    pub fn run(&self) -> Outcome {
        match self {
            Self::Fib(arguments) => fib::run(arguments),
            #[cfg(dpdk)]
            Self::Forward(arguments) => forward::run(arguments),
            Self::Pktgen(arguments) => pktgen::run(arguments),
            Self::Rfc(arguments) => rfc::run(arguments),
            Self::Failover(arguments) => failover::run(arguments),
            Self::Spf(arguments) => spf::run(arguments),
            Self::Bgp(arguments) => bgp::run(arguments),
            Self::Profile(arguments) => profile::run(arguments),
            Self::Baseline(arguments) => baseline::run(arguments),
            Self::Kernel(arguments) => baseline::run_kernel(arguments),
            Self::Compare(arguments) => compare::run(arguments),
            Self::Report(arguments) => report::run(arguments),
        }
    }
}

/// A number that is not zero.
fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// A table for people: the first column is of words, the others are of numbers.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header(header.to_vec());
    for column in 1..header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
