//! `kumiki sim --replay FILE`: what a router lived through, once more.
//!
//! Owns the reading of the file, the progress and the answer; what is run is
//! [`crate::sim::replay`].
//!
//! *Invariants*: a file is read line by line, however long it is; a line is at most
//! [`LINE_OCTETS_MAX`]. The last line may be torn: the process that wrote it was killed.

use crate::base::exit::Exit;
use crate::sim::replay::{EndReason, Line, ReplayError, Replayed, RouterReplayer};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// The longest line: an inheritance with a quarter of a million routes, several times.
pub const LINE_OCTETS_MAX: u64 = 64 << 20;

/// Why a replay did not come to the end of its file.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("line {number} is longer than {LINE_OCTETS_MAX} octets: this is no recording")]
    Long { number: u64 },
    #[error("line {number} is not one of a recording of this version: {source}")]
    Form { number: u64, source: serde_json::Error },
    #[error("line {number}: {source}")]
    Replay { number: u64, source: ReplayError },
    #[error("line {number}: the control plane panics here, as said above")]
    Panic { number: u64 },
    #[error("is empty: nothing was recorded")]
    Empty,
}

/// The answer.
#[derive(Serialize)]
struct Printed<'a> {
    schema: &'static str,
    file: String,
    #[serde(flatten)]
    replayed: &'a Replayed,
    is_torn: bool,
    /// `null` where nothing is different.
    error: Option<String>,
}

/// Runs a recording again.
pub fn replay(path: &Path, is_json: bool) -> Exit {
    let mut replayer = RouterReplayer::default();
    let outcome = read(path, &mut replayer, is_json);
    let replayed = replayer.so_far();
    let error = outcome.as_ref().err().map(ToString::to_string);
    let is_torn = matches!(outcome, Ok(true));
    if is_json {
        let file = path.display().to_string();
        let (schema, replayed) = ("kumiki.replay/1", &replayed);
        let printed = Printed { schema, file, replayed, is_torn, error: error.clone() };
        match serde_json::to_string(&printed) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("kumiki: the answer cannot be written: {error}"),
        }
    } else if replayed.starts > 0 {
        println!("{}", words(&replayed));
    }
    match error {
        Some(error) => {
            eprintln!("kumiki: {}: {error}", path.display());
            Exit::Failed
        }
        None => {
            if !is_json {
                println!("{}", ending(&replayed, is_torn));
            }
            Exit::Ok
        }
    }
}

/// Feeds a file to a replayer; whether its last line is torn.
fn read(path: &Path, replayer: &mut RouterReplayer, is_quiet: bool) -> Result<bool, FileError> {
    let file = File::open(path)?;
    let bar = match is_quiet {
        true => ProgressBar::hidden(),
        false => ProgressBar::new(file.metadata()?.len()),
    };
    if let Ok(style) = ProgressStyle::with_template("  {bar:40} {bytes} of {total_bytes}") {
        bar.set_style(style);
    }
    let outcome = read_lines(&mut BufReader::new(file), replayer, |octets| bar.inc(octets));
    bar.finish_and_clear();
    outcome
}

fn read_lines(
    reader: &mut impl BufRead,
    replayer: &mut RouterReplayer,
    mut progress: impl FnMut(u64),
) -> Result<bool, FileError> {
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        let octets = reader.by_ref().take(LINE_OCTETS_MAX).read_until(b'\n', &mut text)? as u64;
        progress(octets);
        let line = match (octets, text.ends_with(b"\n")) {
            (0, _) if number == 1 => return Err(FileError::Empty),
            (0, _) => return Ok(false),
            (LINE_OCTETS_MAX, false) => return Err(FileError::Long { number }),
            (_, is_whole) => match serde_json::from_slice::<Line>(&text) {
                Ok(line) => line,
                Err(_) if !is_whole && number > 1 => return Ok(true),
                Err(source) => return Err(FileError::Form { number, source }),
            },
        };
        match catch_unwind(AssertUnwindSafe(|| replayer.take(line))) {
            Ok(Ok(())) => {}
            Ok(Err(source)) => return Err(FileError::Replay { number, source }),
            Err(_) => return Err(FileError::Panic { number }),
        }
    }
    Ok(false)
}

fn words(replayed: &Replayed) -> String {
    let Replayed { starts, steps, actions, span_ms, .. } = replayed;
    let planes = if *starts == 1 { "control plane" } else { "control planes" };
    format!("{starts} {planes}, {steps} steps in {span_ms} ms, {actions} actions compared")
}

fn ending(replayed: &Replayed, is_torn: bool) -> String {
    let mut text = "no difference".to_owned();
    if replayed.survived > 0 {
        let count = replayed.survived;
        text += &format!("; {count} times it failed when it was recorded, and not now");
    }
    text += match (replayed.end, is_torn) {
        (_, true) => "; the last line is torn: the router was killed",
        (Some(EndReason::Ended), _) => "",
        (Some(EndReason::Full), _) => "; the recording ends before the router: it was full",
        (Some(EndReason::TooFast), _) => {
            "; the recording ends before the router: lines came faster than they could be written"
        }
        (None, _) => "; the recording does not say why it ends: the router runs, or was killed",
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;
    use crate::planner::families::TopologySpec;
    use crate::sim::plan::WorldSetup;
    use crate::sim::replay::RecordedWorld;

    fn recording() -> String {
        let rule: TopologySpec = "ring".parse().unwrap();
        let setup = WorldSetup::new(rule.build(Some(3)).unwrap(), 1);
        let mut world = RecordedWorld::new(setup);
        world.run_for(Duration::from_secs(5));
        let lines = world.node(0).unwrap().control().sink().iter();
        lines.map(|line| serde_json::to_string(line).unwrap() + "\n").collect()
    }

    fn run(text: &str) -> Result<bool, FileError> {
        read_lines(&mut text.as_bytes(), &mut RouterReplayer::default(), |_| ())
    }

    #[test]
    fn a_file_runs_as_the_router_did_and_may_be_torn() {
        let text = recording();
        assert!(!run(&text).unwrap());
        assert!(run(&text[..text.len() - 3]).unwrap());
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_line() {
        let text = recording();
        assert!(matches!(run(""), Err(FileError::Empty)));
        assert!(matches!(run("hello"), Err(FileError::Form { number: 1, .. })));
        let broken = text.replacen("\n", "\n{\"more\": 1}\n", 1);
        assert!(run(&broken).unwrap_err().to_string().starts_with("line 2 is not one"));
        let other = text.replacen("send_frame port 0", "send_frame port 9", 1);
        let error = run(&other).unwrap_err().to_string();
        assert!(error.contains("recorded: send_frame port 9"), "{error}");
        assert!(error.contains("now:      send_frame port 0"), "{error}");
    }
}
