//! `kumiki-perf profile`: the same traffic, for the generators of others.

use crate::command::Outcome;
use crate::command::traffic::{TrafficArguments, made_up};
use crate::document::write_file;
use crate::profile::{Course, pktgen, trex};
use crate::rib::{BrokenLines, Rib};
use crate::traffic::rate::Rate;
use clap::{Args, ValueEnum};
use kumiki::base::ids::MacAddress;
use std::path::{Path, PathBuf};

/// A generator of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Generator {
    /// TRex, stateless, Python
    Trex,
    /// Pktgen-DPDK, Lua
    Pktgen,
}

/// The same traffic as a profile for TRex or Pktgen-DPDK
#[derive(Args, Debug)]
pub struct ProfileArguments {
    /// For whom
    #[arg(long = "for", value_enum)]
    generator: Generator,
    #[command(flatten)]
    traffic: TrafficArguments,
    /// MAC address of the device under test
    #[arg(long, value_name = "MAC")]
    mac: MacAddress,
    /// MAC address of the generator's port
    #[arg(long, value_name = "MAC", default_value = "02:6b:70:00:00:01")]
    source_mac: MacAddress,
    /// How fast: 10%, 1Mpps, 2Gbps or max
    #[arg(long, value_name = "RATE", default_value = "10%")]
    rate: Rate,
    /// Seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    duration: f64,
    /// Write it there; default: to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &ProfileArguments) -> Outcome {
    let (mut traffic, notes) = arguments.traffic.build()?;
    (traffic.next_hop_mac, traffic.source_mac) = (arguments.mac, arguments.source_mac);
    let course = Course { rate: arguments.rate, seconds: arguments.duration };
    let text = match arguments.generator {
        Generator::Pktgen => pktgen(&traffic, course)?,
        Generator::Trex => {
            let prefixes = match arguments.traffic.rib.as_deref() {
                None => arguments.traffic.to.clone(),
                Some(path) if path == Path::new("made-up") => made_up().prefixes,
                Some(path) => Rib::read(path, BrokenLines::Refuse)?.prefixes,
            };
            trex(&traffic, &prefixes, course)
        }
    };
    for note in notes {
        eprintln!("{note}");
    }
    match &arguments.output {
        Some(path) => write_file(path, &text)?,
        None => print!("{text}"),
    }
    Ok(())
}
