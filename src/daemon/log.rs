//! The log: one line an event, on standard error.
//!
//! Owns the start of `tracing` and the way of an [`Event`] into it; lines of the router's own
//! program go there directly. `RUST_LOG` wins over the filter of the command line.

use crate::api::{Event, Severity};
use crate::daemon::error::RunError;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts the log; once per process.
pub fn start(filter: &str, is_json: bool) -> Result<(), RunError> {
    let text = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let text = text.as_deref().unwrap_or(filter);
    let filter = EnvFilter::try_new(text).map_err(|error| RunError::LogFilter {
        filter: text.to_owned(),
        reason: error.to_string(),
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start (in tests) keeps the first log.
    let _ = match is_json {
        true => builder.json().flatten_event(true).try_init(),
        false => builder.try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed");
        tracing::error!(topic = "daemon.panic", "thread {name}: {panic}");
    }));
    Ok(())
}

/// Writes an event.
pub fn write(event: &Event) {
    let mut text = event.text.clone();
    for (key, value) in &event.fields {
        let is_word = !value.is_empty() && !value.contains(char::is_whitespace);
        text += &if is_word { format!(" {key}={value}") } else { format!(" {key}={value:?}") };
    }
    let topic = event.topic.as_str();
    match event.severity {
        Severity::Error => tracing::error!(topic, "{text}"),
        Severity::Warning => tracing::warn!(topic, "{text}"),
        Severity::Info => tracing::info!(topic, "{text}"),
    }
}
