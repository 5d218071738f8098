//! What a person sees while a lab works, and how they stop it.
//!
//! Owns the flag that signals set, the spinner, and waiting for something to become true.
//!
//! *Invariants*: every wait ends: when it is true, when its time is over, or on ctrl-C. Without a
//! terminal there is one plain line for each finished step and no spinner; colour respects
//! `NO_COLOR`.

use crate::lab::error::LabError;
use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time between two looks at what is waited for.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Column at which the time of a step starts.
const TIME_COLUMN: usize = 80;

/// A line on standard output. A closed pipe is no reason to stop: who reads no further may still
/// want to know whether it went well.
pub fn say(text: impl core::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line on standard error, the same.
pub fn complain(text: impl core::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Where finished steps are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Narration {
    /// Standard output: the steps are the output.
    Output,
    /// Standard error: the output is a table or JSON.
    Error,
}

/// What a wait found.
pub enum Progress {
    /// It is true.
    Done,
    /// What is missing, in words.
    Waiting(String),
}

/// One command's run.
pub struct Session {
    interrupted: Arc<AtomicBool>,
    narration: Narration,
    spinner: Option<ProgressBar>,
    is_coloured: bool,
}

impl Session {
    /// Starts listening to signals. After this the process must not enter a user namespace any
    /// more.
    pub fn start(narration: Narration) -> Result<Self, LabError> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&interrupted)).map_err(|source| {
                LabError::Socket { action: "listen to signals".to_owned(), source }
            })?;
        }
        let is_terminal = match narration {
            Narration::Output => std::io::stdout().is_terminal(),
            Narration::Error => std::io::stderr().is_terminal(),
        };
        let is_coloured = is_terminal && std::env::var_os("NO_COLOR").is_none();
        let spinner = std::io::stderr().is_terminal().then(spinner);
        Ok(Self { interrupted, narration, spinner, is_coloured })
    }

    /// An error once a signal asked to end.
    pub fn check(&self) -> Result<(), LabError> {
        if self.interrupted.load(Ordering::Relaxed) { Err(LabError::Interrupted) } else { Ok(()) }
    }

    /// Sleeps, unless a signal asks to end.
    pub fn sleep(&self, duration: Duration) -> Result<(), LabError> {
        let end = Instant::now() + duration;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(POLL_INTERVAL));
        }
    }

    /// Looks again and again until `look` finds it true; returns how long that took.
    pub fn wait(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut() -> Result<Progress, LabError>,
    ) -> Result<Duration, LabError> {
        let start = Instant::now();
        loop {
            self.check()?;
            match look()? {
                Progress::Done => return Ok(start.elapsed()),
                Progress::Waiting(missing) if start.elapsed() > limit => {
                    return Err(LabError::Late {
                        what: what.to_owned(),
                        waited_s: limit.as_secs(),
                        detail: missing,
                    });
                }
                Progress::Waiting(missing) => {
                    self.doing(missing.lines().next().unwrap_or(what).trim());
                }
            }
            self.sleep(POLL_INTERVAL)?;
        }
    }

    /// Says what is under way; only seen on a terminal.
    pub fn doing(&self, text: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(text.to_owned());
        }
    }

    /// A finished step with the time it took.
    pub fn step(&self, text: &str, took: Duration) {
        let time = format!("{:.2} s", took.as_secs_f64());
        let mark = self.paint("32", "✓");
        let time = self.paint("2", &format!("{time:>9}"));
        self.line(&format!("  {mark} {text:<width$} {time}", width = TIME_COLUMN - 4));
    }

    /// A step that failed.
    pub fn failed(&self, text: &str) {
        let mark = self.paint("31", "✗");
        self.line(&format!("  {mark} {text}"));
    }

    /// A line as it is.
    pub fn line(&self, text: &str) {
        let write = || {
            // A closed pipe is no reason to leave a lab behind.
            let _ = match self.narration {
                Narration::Output => writeln!(std::io::stdout(), "{text}"),
                Narration::Error => writeln!(std::io::stderr(), "{text}"),
            };
        };
        match &self.spinner {
            Some(spinner) => spinner.suspend(write),
            None => write(),
        }
    }

    /// The text in a colour of SGR, where colours are wanted.
    pub fn paint(&self, code: &str, text: &str) -> String {
        if self.is_coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Removes the spinner.
    pub fn finish(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("  {spinner} {msg:.dim}");
    let bar = ProgressBar::new_spinner()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
