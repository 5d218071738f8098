//! `kumiki-perf`: the benches of the product.
#![forbid(unsafe_code)]

use clap::Parser;
use kumiki_perf::command::Arguments;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Arguments::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kumiki-perf: {error}");
            ExitCode::from(2)
        }
    }
}
