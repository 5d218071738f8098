//! Processes that the lab started, known by id and start time.
//!
//! *Invariants*: no signal is sent to a process whose start time differs from the recorded one: ids
//! are reused, and a lab ends only what it started.

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How long a process may take to end after SIGTERM.
const END_WAIT: Duration = Duration::from_secs(3);

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot, from `/proc/PID/stat`.
    pub start_ticks: u64,
}

impl ProcessRecord {
    /// The process with this id, if there is one.
    pub fn of_pid(pid: u32) -> Option<Self> {
        start_ticks(pid).map(|start_ticks| Self { pid, start_ticks })
    }

    /// This process.
    pub fn own() -> Option<Self> {
        Self::of_pid(std::process::id())
    }

    /// Whether it still runs; one that ended but was not waited for does not.
    pub fn is_alive(&self) -> bool {
        start_ticks(self.pid) == Some(self.start_ticks)
    }

    /// Sends a signal, if it still is the same process.
    pub fn signal(&self, signal: Signal) {
        if !self.is_alive() {
            return;
        }
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may end between check and signal; that is what was wanted.
            let _ = kill_process(pid, signal);
        }
    }
}

/// Ends processes: SIGTERM, and SIGKILL for those that stay.
pub fn end_all(processes: &[ProcessRecord]) {
    for process in processes {
        process.signal(Signal::TERM);
    }
    let deadline = Instant::now() + END_WAIT;
    while processes.iter().any(ProcessRecord::is_alive) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    for process in processes {
        process.signal(Signal::KILL);
    }
    let deadline = Instant::now() + END_WAIT;
    while processes.iter().any(ProcessRecord::is_alive) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Field 22 of `/proc/PID/stat`; `None` when there is no such process or it is a zombie.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in parentheses, which may hold spaces and parentheses.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_time() {
        let own = ProcessRecord::own().unwrap();
        assert!(own.is_alive());
        assert!(!ProcessRecord { start_ticks: own.start_ticks + 1, ..own }.is_alive());
    }

    #[test]
    fn a_child_that_ended_is_not_alive_even_before_it_is_waited_for() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let record = ProcessRecord::of_pid(child.id()).unwrap();
        end_all(&[record]);
        assert!(!record.is_alive());
        child.wait().unwrap();
    }
}
