//! Processes that the lab started, known by id and start time.
//!
//! *Invariants*: no signal is sent to a process whose start time differs from the recorded one: ids
//! are reused, and a lab ends only what was started in it.

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a process may take to end after SIGTERM: a router drains for up to four seconds.
const END_WAIT: Duration = Duration::from_secs(7);

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

    /// Whether it still runs; one that ended but was not waited for does not, one of which a thread
    /// still ends does.
    pub fn is_alive(&self) -> bool {
        start_ticks(self.pid) == Some(self.start_ticks)
    }

    /// Sends a signal, if it still is the same process.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else { return };
        // What a descriptor stands for stays the same: what is checked now gets the signal. It may
        // have ended by then; that is what was wanted.
        let _ = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) if self.is_alive() => pidfd_send_signal(process, signal),
            // Some containers forbid the call; the id is good enough then.
            Err(error) if error != Errno::SRCH && self.is_alive() => kill_process(pid, signal),
            Ok(_) | Err(_) => return,
        };
    }

    /// Processes whose main thread is in one of these network namespaces, this one left out.
    pub fn all_inside(namespaces: &[NamespaceId]) -> Vec<Self> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid| *pid != std::process::id())
            .filter(|pid| {
                // Those of other users cannot be asked, and are none of the lab's.
                let namespace = NamespaceId::of(Path::new(&format!("/proc/{pid}/ns/net")));
                namespace.is_some_and(|namespace| namespaces.contains(&namespace))
            })
            .filter_map(Self::of_pid)
            .collect()
    }
}

/// A namespace as the kernel tells them apart: device and inode of the file that stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespaceId(u64, u64);

impl NamespaceId {
    /// That of the namespace bound to `path`, or of a process (`/proc/PID/ns/net`).
    pub fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|found| Self(found.dev(), found.ino()))
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

/// When a process started; `None` when there is no such process or it has ended.
fn start_ticks(pid: u32) -> Option<u64> {
    start_ticks_in(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22 of `/proc/PID/stat`, unless the process is a zombie.
fn start_ticks_in(stat: &str) -> Option<u64> {
    // The second field is the name in parentheses, which may hold spaces and parentheses.
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).copied();
    let thread_count: u32 = field(20)?.parse().ok()?;
    // The state is that of the main thread. While another one still ends, the process has its
    // files: a TUN device of its name cannot be made.
    if matches!(field(3)?, "Z" | "X") && thread_count <= 1 {
        return None;
    }
    field(22)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::namespace::{Namespace, may_create_namespaces};

    #[test]
    fn a_process_is_known_by_its_start_time() {
        let own = ProcessRecord::own().unwrap();
        assert!(own.is_alive());
        assert!(!ProcessRecord { start_ticks: own.start_ticks + 1, ..own }.is_alive());
    }

    #[test]
    fn a_process_has_ended_when_its_last_thread_has() {
        let stat = |state: &str, thread_count: u32| {
            format!(
                "7 (a) b) {state} 1 7 7 0 -1 4227084 9 0 0 0 0 0 0 0 20 0 {thread_count} 0 4711 0"
            )
        };
        assert_eq!(start_ticks_in(&stat("S", 3)), Some(4711));
        assert_eq!(start_ticks_in(&stat("Z", 3)), Some(4711));
        assert_eq!(start_ticks_in(&stat("Z", 1)), None);
        assert_eq!(start_ticks_in(&stat("X", 0)), None);
        assert_eq!(start_ticks_in("7 (a"), None);
    }

    #[test]
    fn who_is_in_a_namespace_is_found_there() {
        if !may_create_namespaces() {
            return println!("skipped: this user may not make network namespaces");
        }
        let directory = tempfile::tempdir().unwrap();
        let make = |name| Namespace::create(&directory.path().join(name)).unwrap();
        let (empty, inhabited) = (make("empty"), make("inhabited"));
        let mut command = std::process::Command::new("sleep");
        inhabited.start_inside(command.arg("60"));
        let mut child = command.spawn().unwrap();
        let inside = |namespace: &Namespace| {
            ProcessRecord::all_inside(&[NamespaceId::of(namespace.path()).unwrap()])
        };
        let record = ProcessRecord::of_pid(child.id()).unwrap();
        assert_eq!(inside(&inhabited), [record]);
        assert_eq!(inside(&empty), []);
        end_all(&[record]);
        assert_eq!(inside(&inhabited), []);
        child.wait().unwrap();
        for namespace in [empty, inhabited] {
            Namespace::delete(namespace.path()).unwrap();
        }
    }

    #[test]
    fn a_process_lives_as_long_as_one_of_its_threads() {
        // Python ends the main thread alone by the system call itself.
        let code = "import ctypes, threading, time\n\
                    threading.Thread(target=time.sleep, args=(60,)).start()\n\
                    ctypes.CDLL(None).syscall(60, 0)";
        let program = std::process::Command::new("python3").args(["-c", code]).spawn();
        let Ok(mut child) = program else { return println!("skipped: there is no python3") };
        let record = ProcessRecord::of_pid(child.id()).unwrap();
        let stat = || std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        while !stat().contains(") Z ") {
            std::thread::yield_now();
        }
        assert!(record.is_alive(), "a thread still sleeps");
        end_all(&[record]);
        assert!(!record.is_alive());
        child.wait().unwrap();
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
