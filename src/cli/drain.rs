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

/// What was asked of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Asked {
    Drain,
    Undrain,
}

/// What came of a drain or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Outcome {
    schema: &'static str,
    asked: Asked,
    /// What the router said before.
    was_drained: bool,
    /// What it says now.
    is_drained: bool,
    /// Whether it is as it was asked to be, and nothing passes through a drained one.
    is_done: bool,
    /// Packets that passed since it was asked.
    transit_packet_count: u64,
    waited_ms: u64,
}

impl Outcome {
    fn sentence(&self) -> String {
        let Self { transit_packet_count: packets, waited_ms: waited, .. } = *self;
        let silent = |word: &str| {
            format!(
                "the router does not say after {waited} ms that it is {word}; its log and \
                 `kumiki show ospf` say what it does\n"
            )
        };
        match (self.asked, self.is_drained) {
            (Asked::Undrain, true) => silent("undrained"),
            (Asked::Drain, false) => silent("drained"),
            (Asked::Undrain, false) if !self.was_drained => {
                "it was not drained: other servers may send through this one\n".to_owned()
            }
            (Asked::Undrain, false) => {
                "undrained: other servers may send through this one\n".to_owned()
            }
            (Asked::Drain, true) if !self.is_done => format!(
                "draining: {packets} packets passed in {waited} ms and more may follow; this \
                 server may be the only way between others, see `kumiki show ospf`\n"
            ),
            (Asked::Drain, true) => {
                let word = if self.was_drained { "it was drained already" } else { "drained" };
                format!("{word}: nothing passes any more ({packets} packets in {waited} ms)\n")
            }
        }
    }
}

/// Runs `kumiki drain`.
pub fn drain(arguments: &DrainArguments) -> Exit {
    finish(arguments, Asked::Drain)
}

/// Runs `kumiki undrain`.
pub fn undrain(arguments: &DrainArguments) -> Exit {
    finish(arguments, Asked::Undrain)
}

fn finish(arguments: &DrainArguments, asked: Asked) -> Exit {
    let outcome = match carry_out(arguments, asked) {
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
        Ok(()) if !outcome.is_done => Exit::Failed,
        Ok(()) => Exit::Ok,
    }
}

fn carry_out(arguments: &DrainArguments, asked: Asked) -> Result<Outcome, ClientError> {
    let socket = &arguments.socket;
    let is_drain = asked == Asked::Drain;
    let before = look(socket)?;
    let first = before.transit_packet_count;
    match Client::connect(socket)?.ask(RequestBody::Drain { is_drained: is_drain })? {
        ReplyBody::Done => {}
        _ => return Err(ClientError::Unexpected),
    }
    let began = Instant::now();
    let mut outcome = Outcome {
        schema: "kumiki.drain/1",
        asked,
        was_drained: before.is_drained,
        is_drained: before.is_drained,
        is_done: false,
        transit_packet_count: 0,
        waited_ms: 0,
    };
    let limit = Duration::from_secs(arguments.wait.into());
    let has_progress = is_drain && !arguments.json && std::io::stderr().is_terminal();
    let mut quiet_since = began;
    loop {
        std::thread::sleep(LOOK_INTERVAL);
        let row = look(socket)?;
        let passed = row.transit_packet_count.saturating_sub(first);
        if core::mem::replace(&mut outcome.transit_packet_count, passed) != passed {
            quiet_since = Instant::now();
        }
        let has_quieted = !is_drain || quiet_since.elapsed() >= QUIET_TIME;
        outcome.is_drained = row.is_drained;
        outcome.is_done = row.is_drained == is_drain && has_quieted;
        outcome.waited_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if has_progress {
            let Outcome { waited_ms, .. } = outcome;
            eprint!("\rdraining: {passed} packets passed in {waited_ms} ms");
        }
        if outcome.is_done || began.elapsed() >= limit {
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

    const PASSING: Outcome = Outcome {
        schema: "kumiki.drain/1",
        asked: Asked::Drain,
        was_drained: false,
        is_drained: true,
        is_done: false,
        transit_packet_count: 7,
        waited_ms: 10_000,
    };

    #[test]
    fn a_drain_that_does_not_become_quiet_says_why_that_may_be() {
        assert!(PASSING.sentence().contains("the only way between others"));
        let done = Outcome { is_done: true, ..PASSING };
        assert!(done.sentence().starts_with("drained: nothing passes any more (7 packets"));
    }

    #[test]
    fn a_router_that_never_says_so_is_not_told_as_packets_that_pass() {
        let never = Outcome { is_drained: false, ..PASSING };
        let text = never.sentence();
        assert!(text.starts_with("the router does not say after 10000 ms that it is drained"));
        let undrain = Outcome { asked: Asked::Undrain, was_drained: true, ..PASSING };
        assert!(undrain.sentence().contains("that it is undrained"), "{}", undrain.sentence());
    }

    #[test]
    fn what_was_so_before_is_said() {
        let again = Outcome { was_drained: true, is_done: true, ..PASSING };
        assert!(again.sentence().starts_with("it was drained already: nothing passes"));
        let undrain =
            Outcome { asked: Asked::Undrain, is_drained: false, is_done: true, ..PASSING };
        assert!(undrain.sentence().starts_with("it was not drained"));
        let json = serde_json::to_value(undrain).unwrap();
        assert_eq!((&json["asked"], &json["is_drained"]), (&"undrain".into(), &false.into()));
    }
}
