//! Ends labs: by command, after ctrl-C, and what a crashed run left.
//!
//! *Invariants*: only processes recorded in a lab's state, with the recorded start time, get a
//! signal; only namespaces bound in a lab's own directory are deleted, and only what has a state is
//! a lab. Ending what is not there is no error.

use crate::lab::error::LabError;
use crate::lab::process::end_all;
use crate::lab::state::{LabDirectory, LabState};
use crate::os::namespace::Namespace;

/// Ends a lab: its processes, its namespaces and the devices in them, its directory.
pub fn end(directory: &LabDirectory) -> Result<(), LabError> {
    end_processes_and_namespaces(directory)?;
    directory.remove()
}

/// Ends a lab in which something failed: logs and configurations are kept, in place of those of the
/// failure before. Returns the error with the logs' new place.
pub fn end_failed(directory: &LabDirectory, error: LabError) -> LabError {
    // The first error is the one to report; what cannot be kept is not kept.
    if end_processes_and_namespaces(directory).is_err() {
        return error;
    }
    let kept = match error {
        LabError::Interrupted => None,
        _ => directory.keep_logs().ok(),
    };
    let _ = directory.remove();
    match kept {
        Some(kept) => error.with_logs_in(&kept),
        None => error,
    }
}

fn end_processes_and_namespaces(directory: &LabDirectory) -> Result<(), LabError> {
    // A damaged file hides processes, but not namespaces; the rest is still removed.
    let state = directory.load();
    if let Ok(Some(state)) = &state {
        end_all(&state.processes());
    }
    let mut result = Ok(());
    for namespace in directory.namespaces() {
        let deleted = Namespace::delete(&namespace).map_err(LabError::from);
        result = result.and(deleted);
    }
    result
}

/// Makes the directory of a new lab and writes its state, after removing what crashed runs left.
pub fn claim(directory: &LabDirectory, state: &LabState) -> Result<(), LabError> {
    let _lock = LabDirectory::lock_all()?;
    LabDirectory::remove_remains()?;
    for (name, other) in LabDirectory::all() {
        let is_this = other == *directory;
        match other.load() {
            Ok(Some(found)) if found.is_alive() && is_this => return Err(LabError::Runs(name)),
            Ok(Some(found)) if !found.is_alive() => end(&other)?,
            Err(error) if is_this => return Err(error),
            // Somebody else's that lives, or one that cannot be judged.
            _ => {}
        }
    }
    directory.create(state)
}
