//! `kumiki drain` and `kumiki undrain`: a server out of transit and back.
//!
//! Owns the commands and the wait for the traffic to go. The router does the rest: it stays drained
//! until it is told otherwise or ends, whatever becomes of this process.
//!
//! *Invariants*: a drain is reported as done only when the router says that it is drained and
//! nothing passed for half a second; its end only when the router says so.

use crate::api::show::{OspfRow, ShowReply};
use crate::api::{ReplyBody, RequestBody, ShowQuery};
use crate::base::exit::Exit;
use crate::cli::client::{Client, ClientError, SOCKET_DEFAULT};
use crate::cli::output::emit;
use crate::cli::show::ask;
use clap::Args;
use serde::Serialize;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long nothing may pass before a server counts as drained.
const QUIET_TIME: Duration = Duration::from_millis(500);
/// How often the router is asked.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// `kumiki drain` and `kumiki undrain`.
#[derive(Clone, Debug, Args)]
pub struct DrainArguments {
    /// How many seconds to wait for the traffic to go
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub wait: u16,
    /// JSON, with what came of it
    #[arg(short = 'j', long)]
    pub json: bool,
    /// Control socket of the router
    #[arg(long, env = "KUMIKI_SOCKET", default_value = SOCKET_DEFAULT, value_name = "PATH")]
    pub socket: PathBuf,
}

/// What came of a drain or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Outcome {
    schema: &'static str,
    is_drained: bool,
    /// Whether the router is as it was asked to be, and nothing passes through a drained one.
    is_quiet: bool,
    /// Packets that passed since it was asked.
    transit_packet_count: u64,
    waited_ms: u64,
}

impl Outcome {
    fn sentence(&self) -> String {
        let Self { transit_packet_count: packets, waited_ms: waited, .. } = *self;
        match (self.is_drained, self.is_quiet) {
            (false, true) => "undrained: other servers may send through this one\n".to_owned(),
            (false, false) => format!(
                "the router does not say after {waited} ms that it is undrained; its log \
                 says what it does\n"
            ),
            (true, true) => {
                format!("drained: nothing passes any more ({packets} packets in {waited} ms)\n")
            }
            (true, false) => format!(
                "draining: {packets} packets passed in {waited} ms and more may follow; this \
                 server may be the only way between others, see `kumiki show ospf`\n"
            ),
        }
    }
}

/// Runs `kumiki drain`.
pub fn drain(arguments: &DrainArguments) -> Exit {
    finish(arguments, true)
}

/// Runs `kumiki undrain`.
pub fn undrain(arguments: &DrainArguments) -> Exit {
    finish(arguments, false)
}

fn finish(arguments: &DrainArguments, is_drained: bool) -> Exit {
    let outcome = match carry_out(arguments, is_drained) {
        Ok(outcome) => outcome,
        Err(error) => return error.report(),
    };
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&outcome).map(|text| text + "\n"),
        false => Ok(outcome.sentence()),
    };
    let text = match text {
        Ok(text) => text,
        Err(error) => return ClientError::Syntax(error).report(),
    };
    match emit(&text) {
        Err(exit) => exit,
        Ok(()) if !outcome.is_quiet => Exit::Failed,
        Ok(()) => Exit::Ok,
    }
}

fn carry_out(arguments: &DrainArguments, is_drained: bool) -> Result<Outcome, ClientError> {
    let socket = &arguments.socket;
    let first = look(socket)?.transit_packet_count;
    match Client::connect(socket)?.ask(RequestBody::Drain { is_drained })? {
        ReplyBody::Done => {}
        _ => return Err(ClientError::Unexpected),
    }
    let began = Instant::now();
    let mut outcome = Outcome {
        schema: "kumiki.drain/1",
        is_drained,
        is_quiet: false,
        transit_packet_count: 0,
        waited_ms: 0,
    };
    let limit = Duration::from_secs(arguments.wait.into());
    let has_progress = is_drained && !arguments.json && std::io::stderr().is_terminal();
    let mut quiet_since = began;
    loop {
        std::thread::sleep(LOOK_INTERVAL);
        let row = look(socket)?;
        let passed = row.transit_packet_count.saturating_sub(first);
        if core::mem::replace(&mut outcome.transit_packet_count, passed) != passed {
            quiet_since = Instant::now();
        }
        let has_quieted = !is_drained || quiet_since.elapsed() >= QUIET_TIME;
        outcome.is_quiet = row.is_drained == is_drained && has_quieted;
        outcome.waited_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if has_progress {
            let Outcome { waited_ms, .. } = outcome;
            eprint!("\rdraining: {passed} packets passed in {waited_ms} ms");
        }
        if outcome.is_quiet || began.elapsed() >= limit {
            break;
        }
    }
    if has_progress {
        eprintln!();
    }
    Ok(outcome)
}

fn look(socket: &Path) -> Result<OspfRow, ClientError> {
    match ask(socket, ShowQuery::Ospf)? {
        ShowReply::Ospf(row) => Ok(row),
        _ => Err(ClientError::Unexpected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_that_does_not_become_quiet_says_why_that_may_be() {
        let outcome = Outcome {
            schema: "kumiki.drain/1",
            is_drained: true,
            is_quiet: false,
            transit_packet_count: 7,
            waited_ms: 10_000,
        };
        assert!(outcome.sentence().contains("the only way between others"));
        let undrained = Outcome { is_drained: false, ..outcome };
        assert!(undrained.sentence().starts_with("the router does not say"));
        let quiet = Outcome { is_quiet: true, ..outcome };
        assert!(quiet.sentence().starts_with("drained: nothing passes any more (7 packets"));
    }
}
