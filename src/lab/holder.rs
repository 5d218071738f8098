//! The process that keeps a rootless lab's user namespace for later commands.
//!
//! *Invariants*: it is in the state file before it becomes permanent; until then it ends with the
//! process that starts it, however that ends.

use crate::lab::error::LabError;
use crate::lab::process::ProcessRecord;
use crate::os::namespace::{die_with_parent, start_detached};
use std::io::Write;
use std::process::{Command, Stdio};

/// A line on its input says that it is recorded; an end of the input, that nobody will do so.
const WAIT_AND_STAY: &str = "read -r recorded && exec sleep infinity </dev/null";

/// Starts it in the namespaces of this process; `record` notes it.
pub fn start(
    is_kept: bool,
    record: impl FnOnce(ProcessRecord) -> Result<(), LabError>,
) -> Result<(), LabError> {
    let program = "sh";
    let mut command = Command::new(program);
    // Somebody may wait for the end of this process's output: the holder must not keep it open.
    command.args(["-c", WAIT_AND_STAY]).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    start_detached(&mut command);
    if !is_kept {
        die_with_parent(&mut command, libc::SIGKILL);
    }
    let failed = |source| LabError::Start { program: program.into(), source, hint: "" };
    let mut child = command.spawn().map_err(failed)?;
    let gone = || failed(std::io::Error::from(std::io::ErrorKind::NotFound));
    record(ProcessRecord::of_pid(child.id()).ok_or_else(gone)?)?;
    let mut input = child.stdin.take().ok_or_else(gone)?;
    input.write_all(b"recorded\n").map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::process::end_all;
    use std::time::{Duration, Instant};

    /// Far beyond what a shell takes to end.
    const ENDED_WITHIN: Duration = Duration::from_secs(20);

    #[test]
    fn a_holder_that_is_not_recorded_ends() {
        let mut seen = None;
        let started = start(true, |process| {
            seen = Some(process);
            Err(LabError::Interrupted)
        });
        assert!(started.is_err());
        let (process, deadline) = (seen.unwrap(), Instant::now() + ENDED_WITHIN);
        while process.is_alive() {
            assert!(Instant::now() < deadline, "it stays");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_recorded_holder_stays_until_it_is_ended() {
        let mut seen = None;
        start(true, |process| {
            seen = Some(process);
            Ok(())
        })
        .unwrap();
        let process = seen.unwrap();
        let name = || std::fs::read_to_string(format!("/proc/{}/comm", process.pid)).unwrap();
        while name() != "sleep\n" {
            assert!(process.is_alive());
            std::thread::yield_now();
        }
        end_all(&[process]);
        assert!(!process.is_alive());
    }
}
