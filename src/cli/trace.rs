//! `kumiki trace`: the way of single packets through the nodes of the packet path.
//!
//! Owns the tree of a path. The nodes are those of `docs/graph.md`.

use crate::api::ReplyBody;
use crate::api::watch::{Outcome, PathRow, StepRow, WatchKind, WatchRequest};
use crate::base::exit::Exit;
use crate::cli::capture::line::{summary, time_of_day};
use crate::cli::watch::{self, LookArguments};
use crate::filter::Facts;
use clap::Args;
use core::fmt::Write as _;

/// Octets of each packet: all headers that a line shows.
const SNAP_OCTETS: u16 = 256;

/// `kumiki trace`.
#[derive(Clone, Debug, Args)]
#[command(after_help = watch::FILTER_HELP)]
pub struct TraceArguments {
    /// What is looked at
    #[command(flatten)]
    pub look: LookArguments,
    /// End after so many packets
    #[arg(short, long, default_value_t = 10, value_name = "PACKETS",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub count: u64,
}

/// Runs the command.
pub fn trace(arguments: &TraceArguments) -> Exit {
    let text = arguments.look.filter();
    match watch::read_filter(text) {
        Ok(false) => {}
        Ok(true) => {
            eprintln!(
                "kumiki: a packet has no `reason` before it is dropped, so nothing would be \
                 followed\nUse `kumiki capture --drops`, or follow it by its addresses."
            );
            return Exit::Usage;
        }
        Err(exit) => return exit,
    }
    let request = WatchRequest {
        kind: WatchKind::Paths,
        port: arguments.look.port.clone(),
        filter: text.to_owned(),
        snap_octets: SNAP_OCTETS,
        packets_max: arguments.count,
        bytes_max: u64::MAX,
        time_ms_max: arguments.look.time_ms(),
    };
    let mut number = 0_u64;
    let result = watch::run(&arguments.look.socket, request, |body| {
        let ReplyBody::Path(row) = body else { return Ok(()) };
        number += 1;
        watch::print(&match arguments.look.json {
            true => watch::json(row, "kumiki.path/1")?,
            false => tree(number, row),
        })
    });
    watch::end(result, Ok(()))
}

/// A path as a tree.
fn tree(number: u64, row: &PathRow) -> String {
    let facts = Facts::of_frame(&row.octets.0, row.length);
    let port = match &row.port {
        Some(port) => format!("in by {port}"),
        None => "from the router or its host".to_owned(),
    };
    let time = time_of_day(row.time_ns);
    let mut text = format!("packet {number}, {time}, {port}: {}", summary(&facts));
    for (place, step) in row.steps.iter().enumerate() {
        let is_last = place + 1 == row.steps.len();
        let branch = if is_last { "└─" } else { "├─" };
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{branch} {:<16}{}", step.node, words(step));
        if let Some(help) = &step.help {
            let bar = if is_last { " " } else { "│" };
            let _ = write!(text, "\n{bar}  {:<16}{help}", "");
        }
    }
    text
}

/// What a node found, and where it sent the packet unless that is the next line.
fn words(step: &StepRow) -> String {
    let to = step.to.as_deref().unwrap_or("");
    let reason = step.reason.as_deref().unwrap_or("");
    let outcome = match step.outcome {
        Outcome::Passed => String::new(),
        Outcome::Refused => format!("dropped: {reason}, to be answered"),
        Outcome::Dropped => format!("dropped: {reason}"),
        Outcome::Silent => format!("no answer: {reason}"),
        Outcome::Punted if to == "host" => "handed to the kernel of the host".to_owned(),
        Outcome::Punted => format!("handed to the control thread ({to})"),
        Outcome::Sent => format!("sent by {to}"),
    };
    let parts = [step.detail.as_str(), outcome.as_str()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "passed".to_owned() } else { parts.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::watch::Octets;

    #[test]
    fn a_path_is_a_tree_with_the_sentence_of_a_drop() {
        let step = |node: &str, detail: &str, outcome| StepRow {
            node: node.to_owned(),
            detail: detail.to_owned(),
            outcome,
            ..StepRow::default()
        };
        let mut refused = step("ipv6-lookup", "no prefix, group 0", Outcome::Refused);
        refused.reason = Some("no_route".to_owned());
        refused.help = Some("No route.".to_owned());
        let mut sent = step("port-output", "", Outcome::Sent);
        sent.to = Some("p1".to_owned());
        let row = PathRow {
            time_ns: 5,
            port: Some("p1".to_owned()),
            length: 3,
            octets: Octets(vec![1, 2, 3]),
            steps: vec![step("ipv6-input", "", Outcome::Passed), refused, sent],
        };
        assert_eq!(
            tree(1, &row),
            "packet 1, 00:00:00.000000005, in by p1: no whole Ethernet header, 3 octets\n\
             ├─ ipv6-input      passed\n\
             ├─ ipv6-lookup     no prefix, group 0; dropped: no_route, to be answered\n\
             │                  No route.\n\
             └─ port-output     sent by p1"
        );
    }
}
