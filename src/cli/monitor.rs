//! `kumiki monitor`: events as they happen.
//!
//! Owns the line of an event. Ends with ctrl-C, or when the router ends (exit 69).

use crate::api::{Event, Severity};
use crate::base::exit::Exit;
use crate::cli::client::{Client, ClientError, SOCKET_DEFAULT};
use crate::cli::show::look::Look;
use clap::Args;
use core::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// `kumiki monitor`.
#[derive(Clone, Debug, Args)]
pub struct MonitorArguments {
    /// One JSON object a line
    #[arg(short = 'j', long)]
    pub json: bool,
    /// Control socket of the router
    #[arg(long, env = "KUMIKI_SOCKET", default_value = SOCKET_DEFAULT, value_name = "PATH")]
    pub socket: PathBuf,
}

/// Runs the command.
pub fn monitor(arguments: &MonitorArguments) -> Exit {
    let look = Look::of_terminal();
    let result = Client::connect(&arguments.socket).and_then(|client| {
        client.events(|event| {
            let line = match arguments.json {
                true => json(event)?,
                false => text(&wall_time(), event, look),
            };
            let mut output = io::stdout().lock();
            writeln!(output, "{line}")?;
            output.flush()
        })
    });
    match result {
        Ok(()) => Exit::Ok,
        // Who closes the pipe has seen enough.
        Err(ClientError::Broken(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(ClientError::Closed) => {
            eprintln!("kumiki: the router has ended");
            Exit::Unreachable
        }
        Err(error) => error.report(),
    }
}

/// An event as one JSON object.
pub fn json(event: &Event) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(event)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("schema".to_owned(), "kumiki.event/1".into());
    }
    serde_json::to_string(&value)
}

/// The time of day as the log has it. An event is printed when it happens, and its own time is that
/// since the start of the router, which nobody can compare with anything.
fn wall_time() -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// An event as one line.
pub fn text(time: &str, event: &Event, look: Look) -> String {
    let (word, colour) = match event.severity {
        Severity::Error => ("error", "31"),
        Severity::Warning => ("warning", "33"),
        Severity::Info => ("info", "32"),
    };
    let padded = format!("{word:<7}");
    let severity = match look.is_coloured {
        true => format!("\u{1b}[{colour}m{padded}\u{1b}[0m"),
        false => padded,
    };
    let mut line = format!("{time} {severity} {}: {}", event.topic, event.text);
    for (key, value) in &event.fields {
        // Writing to a string cannot fail.
        let _ = match value.is_empty() || value.contains(char::is_whitespace) {
            true => write!(line, " {key}={value:?}"),
            false => write!(line, " {key}={value}"),
        };
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Instant;

    fn event() -> Event {
        Event {
            at: Instant::from_millis(1500),
            severity: Severity::Warning,
            topic: "ospf.neighbor".to_owned(),
            text: "neighbour s02 on p1 is down".to_owned(),
            fields: vec![
                ("port".to_owned(), "p1".to_owned()),
                ("reason".to_owned(), "dead timer".to_owned()),
            ],
        }
    }

    #[test]
    fn an_event_is_a_line_of_keys_and_values() {
        assert_eq!(
            text("2026-11-25T14:59:44Z", &event(), Look::PLAIN),
            "2026-11-25T14:59:44Z warning ospf.neighbor: neighbour s02 on p1 is down port=p1 \
             reason=\"dead timer\"",
        );
    }

    #[test]
    fn an_event_in_json_names_its_schema() {
        let line = json(&event()).unwrap();
        assert!(line.contains("\"schema\":\"kumiki.event/1\"") && !line.contains('\n'), "{line}");
    }
}
