//! `kumiki-perf rfc`: the device under test is whatever is between the two ports.
//!
//! Owns the words of the command. The tests' logic is [`crate::rfc`]; carrying it to the generator
//! is `run`'s business, which needs DPDK.

use crate::command::Outcome;
use crate::command::output::OutputArguments;
use crate::command::traffic::{PortArguments, TrafficArguments};
use crate::traffic::rate::Rate;
use clap::{Args, ValueEnum};

#[cfg(dpdk)]
mod render;
#[cfg(dpdk)]
mod run;

/// A test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Test {
    /// RFC 2544 §26.1, RFC 8219 §5.3: NDR and PDR (0.5 %) by binary search
    Throughput,
    /// RFC 2544 §26.2, RFC 8219 §7.2: delay at 10, 50 and 90 % of the NDR
    Latency,
    /// RFC 9004: the longest burst without loss, and the buffer it shows
    BackToBack,
    /// RFC 6201: how long traffic stands still while --event resets the device
    Reset,
    /// RFC 6412, RFC 6413: loss-derived time of convergence while --event breaks something
    Failover,
}

/// Throughput, delay, bursts and outages as the RFCs measure them
#[derive(Args, Debug)]
pub struct RfcArguments {
    /// Which tests
    #[arg(value_enum, default_values = ["throughput", "latency"])]
    tests: Vec<Test>,
    #[command(flatten)]
    ports: PortArguments,
    #[command(flatten)]
    traffic: TrafficArguments,
    /// All sizes of RFC 5180 §5.1.1 and imix in place of --size
    #[arg(long, help_heading = "Traffic")]
    standard_sizes: bool,
    /// The highest rate that is tried
    #[arg(long, value_name = "RATE", default_value = "100%", help_heading = "Trials")]
    rate_max: Rate,
    /// Seconds of the trials that count (RFC 2544 §24: 60)
    #[arg(long, value_name = "SECONDS", help_heading = "Trials")]
    duration: Option<f64>,
    /// Seconds of the trials that narrow the search
    #[arg(long, value_name = "SECONDS", help_heading = "Trials")]
    short: Option<f64>,
    /// Trials of full length that a rate must pass
    #[arg(long, value_name = "COUNT", help_heading = "Trials")]
    repeat: Option<usize>,
    /// Per cent that the bounds may be apart
    #[arg(long, value_name = "PERCENT", help_heading = "Trials")]
    resolution: Option<f64>,
    /// Searches for the longest burst that are averaged (RFC 9004 §5.4: 50)
    #[arg(long, value_name = "COUNT", help_heading = "Trials")]
    bursts: Option<usize>,
    /// What happens in a reset or failover test, for sh -c; KUMIKI_PERF_ROUTER is the process of a
    /// lab's router
    #[arg(long, value_name = "COMMAND", help_heading = "Trials")]
    event: Option<String>,
    /// The constant rate of a reset or failover test
    #[arg(long, value_name = "RATE", default_value = "10kpps", help_heading = "Trials")]
    event_rate: Rate,
    /// Trials of two seconds and fewer of them: minutes in place of hours
    #[arg(long, help_heading = "Trials")]
    quick: bool,
    #[command(flatten)]
    output: OutputArguments,
}

impl RfcArguments {
    /// What cannot be run.
    fn check(&self) -> Outcome {
        let needs_event = |test: &Test| matches!(test, Test::Reset | Test::Failover);
        if self.tests.iter().any(needs_event) && self.event.is_none() {
            return Err("a reset or failover test needs --event 'COMMAND', which makes it".into());
        }
        let has_rate =
            matches!(self.event_rate, Rate::Packets(_) | Rate::Bits(_) | Rate::Percent(_));
        if !has_rate {
            return Err("--event-rate is a constant rate, such as 10kpps".into());
        }
        let is_good = |seconds: &f64| *seconds > 0.0 && *seconds <= 900.0;
        if ![self.duration, self.short].iter().flatten().all(is_good) {
            return Err("a trial takes more than 0 and at most 900 s".into());
        }
        let is_part = |percent: f64| (0.01..=50.0).contains(&percent);
        if !self.resolution.is_none_or(is_part) {
            return Err("--resolution is 0.01 to 50 per cent".into());
        }
        Ok(())
    }
}

/// Runs the command.
#[cfg(not(dpdk))]
pub fn run(arguments: &RfcArguments) -> Outcome {
    arguments.check()?;
    Err(crate::command::traffic::NO_DPDK.into())
}

/// Runs the command.
#[cfg(dpdk)]
pub fn run(arguments: &RfcArguments) -> Outcome {
    arguments.check()?;
    run::run(arguments)
}
