//! `kumiki-perf`: the benches of the product.
#![forbid(unsafe_code)]

use clap::Parser;
use kumiki_perf::command::Arguments;
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = Arguments::parse().command.run();
    // EAL leaves its directory there.
    let _ = std::fs::remove_dir(format!("/var/run/dpdk/kumiki-perf-{}", std::process::id()));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kumiki-perf: {error}");
            ExitCode::from(2)
        }
    }
}
