//! The file that the life of the control plane is written to: `kumiki run --record`.
//!
//! Owns [`Recorder`], the end that the control thread has, and the thread that writes. What the
//! lines are is `control::recording`'s. The control thread never waits: lines go through a bounded
//! queue, and a recording that cannot follow ends there, because one with a gap is worth nothing.
//!
//! *Invariants*: the file is at most [`FILE_OCTETS_MAX`] and a line long, for its owner only, and
//! says why it ends unless the process was killed. What stood in it before is kept as `FILE.1`, so
//! that a router that failed and was started again does not write over the reason. The queue holds
//! [`QUEUE_LINES_MAX`] lines.

use crate::control::recording::{EndReason, Line, Sink};
use crate::daemon::counters::{DaemonCounter, DaemonCounters};
use core::sync::atomic::{AtomicBool, Ordering};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

/// The longest recording: some days of a router in a quiet cluster.
pub const FILE_OCTETS_MAX: u64 = 1 << 30;
/// Lines that wait to be written: the frames of a flood in a large cluster.
pub const QUEUE_LINES_MAX: usize = 8192;

/// Where the control thread puts lines; clones write to the same file. Without a file it takes
/// none.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Option<Queue>);

#[derive(Clone, Debug)]
struct Queue {
    lines: SyncSender<Line>,
    /// No more is wanted: the file is full, or failed, or a line was lost.
    is_closed: Arc<AtomicBool>,
    counters: Arc<DaemonCounters>,
}

impl Sink for Recorder {
    fn is_open(&self) -> bool {
        // Relaxed: a line too many is lost without harm.
        self.0.as_ref().is_some_and(|queue| !queue.is_closed.load(Ordering::Relaxed))
    }

    fn take(&mut self, line: Line) {
        let Some(queue) = &self.0 else { return };
        if self.is_open() && queue.lines.try_send(line).is_err() {
            queue.is_closed.store(true, Ordering::Relaxed);
            queue.counters.count(DaemonCounter::RecordingEnded);
        }
    }
}

/// What the thread that writes is made of.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: File,
    limit: u64,
    lines: Receiver<Line>,
    is_closed: Arc<AtomicBool>,
    counters: Arc<DaemonCounters>,
}

/// Makes the file, and both ends of the way to it.
pub fn open(path: &Path, counters: &Arc<DaemonCounters>) -> io::Result<(Recorder, Writer)> {
    open_with(path, counters, (QUEUE_LINES_MAX, FILE_OCTETS_MAX))
}

fn open_with(
    path: &Path,
    counters: &Arc<DaemonCounters>,
    (room, limit): (usize, u64),
) -> io::Result<(Recorder, Writer)> {
    if path.metadata().is_ok_and(|facts| facts.is_file() && facts.len() > 0) {
        let mut earlier = path.as_os_str().to_owned();
        earlier.push(".1");
        std::fs::rename(path, earlier)?;
    }
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let (sender, lines) = sync_channel(room);
    let is_closed = Arc::new(AtomicBool::new(false));
    let (counters, path) = (Arc::clone(counters), path.to_owned());
    let writer = Writer {
        path,
        file,
        limit,
        lines,
        is_closed: Arc::clone(&is_closed),
        counters: Arc::clone(&counters),
    };
    Ok((Recorder(Some(Queue { lines: sender, is_closed, counters })), writer))
}

/// Writes what comes until the router ends or the recording does.
pub fn run(writer: Writer) {
    let Writer { path, file, limit, lines, is_closed, counters } = writer;
    let mut file = BufWriter::new(file);
    let outcome = write(&mut file, limit, &lines, &is_closed).and_then(|reason| {
        write_line(&mut file, &Line::End { reason })?;
        file.flush()?;
        Ok(reason)
    });
    let path = path.display();
    match outcome {
        Ok(EndReason::Ended) => {}
        Ok(EndReason::TooFast) => {
            tracing::warn!(topic = "daemon.record", "{path} ends: lines came too fast for it");
        }
        Ok(EndReason::Full) => {
            counters.count(DaemonCounter::RecordingEnded);
            tracing::warn!(topic = "daemon.record", "{path} ends: it has {limit} octets");
        }
        Err(error) => {
            counters.count(DaemonCounter::RecordingEnded);
            tracing::error!(topic = "daemon.record", "{path} ends: {error}");
        }
    }
    is_closed.store(true, Ordering::Relaxed);
}

/// Writes lines; what is not written yet goes out whenever none waits.
fn write(
    file: &mut impl Write,
    limit: u64,
    lines: &Receiver<Line>,
    is_closed: &AtomicBool,
) -> io::Result<EndReason> {
    let mut octets = 0;
    loop {
        let line = match lines.try_recv() {
            Ok(line) => line,
            // A line was lost behind the last one of these.
            Err(_) if is_closed.load(Ordering::Relaxed) => return Ok(EndReason::TooFast),
            Err(TryRecvError::Disconnected) => return Ok(EndReason::Ended),
            Err(TryRecvError::Empty) => {
                file.flush()?;
                match lines.recv() {
                    Ok(line) => line,
                    Err(_) => return Ok(EndReason::Ended),
                }
            }
        };
        octets += write_line(file, &line)?;
        if octets >= limit {
            return Ok(EndReason::Full);
        }
    }
}

fn write_line(file: &mut impl Write, line: &Line) -> io::Result<u64> {
    let mut text = serde_json::to_vec(line).map_err(io::Error::other)?;
    text.push(b'\n');
    file.write_all(&text)?;
    Ok(text.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Instant;
    use std::os::unix::fs::PermissionsExt;

    fn line(number: u64) -> Line {
        Line::Timeout { at: Instant::from_nanos(number) }
    }

    fn lines_of(path: &Path) -> Vec<Line> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn lines_are_written_in_order_and_the_earlier_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("router.jsonl");
        let counters: Arc<DaemonCounters> = Arc::default();
        for life in 0..2 {
            let (mut recorder, writer) = open(&path, &counters).unwrap();
            (0..3).for_each(|number| recorder.take(line(10 * life + number)));
            drop(recorder);
            run(writer);
        }
        let ended = Line::End { reason: EndReason::Ended };
        assert_eq!(lines_of(&path), [line(10), line(11), line(12), ended.clone()]);
        let earlier = folder.path().join("router.jsonl.1");
        assert_eq!(lines_of(&earlier), [line(0), line(1), line(2), ended]);
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "frames and configuration are in it");
    }

    #[test]
    fn a_recording_that_cannot_follow_ends_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("router.jsonl");
        let counters: Arc<DaemonCounters> = Arc::default();
        let (mut recorder, writer) = open_with(&path, &counters, (2, u64::MAX)).unwrap();
        (0..5).for_each(|number| recorder.take(line(number)));
        assert!(!recorder.is_open());
        run(writer);
        let end = Line::End { reason: EndReason::TooFast };
        assert_eq!(lines_of(&path), [line(0), line(1), end]);
        assert_eq!(counters.get(DaemonCounter::RecordingEnded), 1);
    }

    #[test]
    fn a_recording_that_is_full_ends_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("router.jsonl");
        let counters: Arc<DaemonCounters> = Arc::default();
        let (mut recorder, writer) = open_with(&path, &counters, (10, 1)).unwrap();
        (0..5).for_each(|number| recorder.take(line(number)));
        run(writer);
        assert!(!recorder.is_open());
        assert_eq!(lines_of(&path), [line(0), Line::End { reason: EndReason::Full }]);
        assert_eq!(counters.get(DaemonCounter::RecordingEnded), 1);
    }
}
