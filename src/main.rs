//! The `kumiki` binary: which commands there are, and whose they are.
//!
//! Owns the list of commands; each is carried out by the folder it names. Exit codes are those of
//! `base::exit`.
#![forbid(unsafe_code)]

use clap::{CommandFactory, Parser, Subcommand};
use kumiki::cli;
use kumiki::cli::bgp::BgpCommand;
use kumiki::cli::capture::CaptureArguments;
use kumiki::cli::clear::ClearCommand;
use kumiki::cli::config::{CheckArguments, ConfigCommand};
use kumiki::cli::debug::DebugCommand;
use kumiki::cli::drain::DrainArguments;
use kumiki::cli::monitor::MonitorArguments;
use kumiki::cli::policy::PolicyCommand;
use kumiki::cli::run::RunArguments;
use kumiki::cli::show::ShowArguments;
use kumiki::cli::sim::SimArguments;
use kumiki::cli::trace::TraceArguments;
use kumiki::cli::verify::VerifyCommand;
use kumiki::daemon::{self, RunOptions};
use kumiki::lab::LabCommand;
use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

/// A full table is a million small allocations, from several threads: told on a seventh earlier
/// than with the allocator of the C library, for a tenth more memory (`kumiki-perf bgp`).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// A router that replaces the switch: servers cabled directly to each other.
#[derive(Debug, Parser)]
#[command(name = "kumiki", version, infer_subcommands = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the router
    Run(RunArguments),
    /// Show the state of a running router
    Show(ShowArguments),
    /// Show events as they happen
    Monitor(MonitorArguments),
    /// Show or record frames as they come, go or are dropped
    Capture(CaptureArguments),
    /// Follow packets through the router, node by node
    Trace(TraceArguments),
    /// Check, compare and apply configurations
    #[command(subcommand, infer_subcommands = true)]
    Config(ConfigCommand),
    /// Try policies on routes that nobody has sent
    #[command(subcommand, infer_subcommands = true)]
    Policy(PolicyCommand),
    /// Write a table of BGP for the tools of others
    #[command(subcommand, infer_subcommands = true)]
    Bgp(BgpCommand),
    /// Ask other servers to send around this one, without loss, until undrained or restarted
    Drain(DrainArguments),
    /// Carry the traffic of other servers again
    Undrain(DrainArguments),
    /// Begin sessions anew, or exchange their routes again
    #[command(subcommand, infer_subcommands = true, alias = "reset")]
    Clear(ClearCommand),
    /// Whether this router forwards as it believes
    #[command(subcommand)]
    Verify(VerifyCommand),
    /// Break things on purpose, to see what happens
    #[command(subcommand, hide = true)]
    Debug(DebugCommand),
    /// A whole cluster of real routers on this machine, in network namespaces
    Lab(LabCommand),
    /// A whole cluster in simulated time, with faults and judges
    Sim(SimArguments),
}

fn main() -> ExitCode {
    let words = cli::accept_habits(std::env::args_os());
    if let Some(what) = cli::asks_for_later(&words) {
        eprintln!("kumiki: {what} is not part of this version");
        return cli::Exit::Unknown.code().into();
    }
    let arguments = Arguments::try_parse_from(words)
        .unwrap_or_else(|error| cli::without_aliases(error, &Arguments::command()).exit());
    let code = match arguments.command {
        Command::Run(arguments) => run(arguments),
        Command::Show(arguments) => cli::show::show(&arguments).code(),
        Command::Monitor(arguments) => cli::monitor::monitor(&arguments).code(),
        Command::Capture(arguments) => cli::capture::capture(&arguments).code(),
        Command::Trace(arguments) => cli::trace::trace(&arguments).code(),
        Command::Config(command) => cli::config::config(&command).code(),
        Command::Policy(command) => cli::policy::policy(&command).code(),
        Command::Bgp(command) => cli::bgp::bgp(&command).code(),
        Command::Drain(arguments) => cli::drain::drain(&arguments).code(),
        Command::Undrain(arguments) => cli::drain::undrain(&arguments).code(),
        Command::Clear(command) => cli::clear::clear(&command).code(),
        Command::Verify(command) => cli::verify::verify(&command).code(),
        Command::Debug(command) => cli::debug::debug(&command).code(),
        Command::Lab(command) => kumiki::lab::run(command),
        Command::Sim(arguments) => cli::sim::sim(&arguments).code(),
    };
    code.into()
}

fn run(arguments: RunArguments) -> u8 {
    let check =
        CheckArguments { file: arguments.config, identity: arguments.identity, json: false };
    if arguments.check {
        return cli::config::check(&check).code();
    }
    let options = RunOptions {
        config: check.file,
        overrides: check.identity.overrides(),
        log_filter: arguments.log,
        is_log_json: arguments.log_json,
        record: arguments.record,
        has_debug_commands: arguments.debug_commands,
    };
    match daemon::run(&options) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("kumiki: {error}");
            error.exit().code()
        }
    }
}
