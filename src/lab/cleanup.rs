//! Ends labs: by command, after ctrl-C, and what a crashed run left.
//!
//! *Invariants*: only processes recorded in a lab's state, with the recorded start time, and those
//! inside its namespaces get a signal; only namespaces bound in a lab's own directory are deleted,
//! and only what has a state is a lab. A lab is ended under its lock.

use crate::lab::error::LabError;
use crate::lab::lock::{AllLabsLock, LabLock, Patience};
use crate::lab::process::{NamespaceId, ProcessRecord, end_all};
use crate::lab::state::{LabDirectory, LabState};
use crate::os::namespace::Namespace;
use rustix::process::Signal;
use std::path::Path;

/// Looks for processes inside a lab that ends: those that end may have started others meanwhile.
const SWEEP_MAX: usize = 3;

/// Ends a lab: its processes, its namespaces and the devices in them, its directory.
pub fn end(lock: &LabLock) -> Result<(), LabError> {
    end_processes_and_namespaces(lock.directory())?;
    lock.directory().remove()
}

/// Ends a lab from outside. `lab up` and `lab test` keep the lock while they work: they are asked
/// to stop, and end their lab themselves unless it is to be kept.
pub fn end_from_outside(directory: &LabDirectory, patience: Patience<'_>) -> Result<(), LabError> {
    // A damaged file does not say who made it; the rest is still removed.
    let owner = directory.load().ok().flatten().and_then(|state| state.owner);
    if let Some(owner) = owner.filter(|owner| ProcessRecord::own() != Some(*owner)) {
        owner.signal(Signal::TERM);
        // One that was stopped by ctrl-Z would never hear it.
        owner.signal(Signal::CONT);
    }
    match LabLock::take(directory, patience)? {
        Some(lock) => end(&lock),
        None => Ok(()),
    }
}

/// Ends a lab in which something failed: logs and configurations are kept, in place of those of the
/// failure before. Returns the error with the logs' new place.
pub fn end_failed(lock: &LabLock, error: LabError) -> LabError {
    let directory = lock.directory();
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
    let state = directory.load().ok().flatten();
    end_inside(directory, state.as_ref().and_then(|state| state.holder));
    if let Some(state) = &state {
        end_all(&state.processes());
    }
    let mut result = Ok(());
    for namespace in directory.namespaces() {
        let deleted = Namespace::delete(&namespace).map_err(LabError::from);
        result = result.and(deleted);
    }
    result
}

/// Ends what runs in the namespaces: the recorded routers, one whose maker crashed before it was
/// recorded, and what `lab exec` started there. Any of them would keep its namespace, with all the
/// devices in it, when nobody can find it any more.
fn end_inside(directory: &LabDirectory, holder: Option<ProcessRecord>) {
    let holder = holder.filter(ProcessRecord::is_alive);
    let namespaces: Vec<NamespaceId> = directory
        .namespaces()
        .iter()
        .filter_map(|path| match holder {
            None => NamespaceId::of(path),
            // They are bound in the holder's mount namespace, which shows them below its root.
            Some(ProcessRecord { pid, .. }) => {
                let path = path.strip_prefix("/").unwrap_or(path);
                NamespaceId::of(&Path::new(&format!("/proc/{pid}/root")).join(path))
            }
        })
        .collect();
    for _ in 0..SWEEP_MAX {
        let inside = ProcessRecord::all_inside(&namespaces);
        if inside.is_empty() {
            break;
        }
        end_all(&inside);
    }
}

/// Makes the directory of a new lab and writes its state, after removing what crashed runs left.
pub fn claim(
    directory: &LabDirectory,
    state: &LabState,
    patience: Patience<'_>,
) -> Result<LabLock, LabError> {
    let _all = AllLabsLock::take(patience)?;
    LabDirectory::remove_remains()?;
    for (name, other) in LabDirectory::all() {
        let is_this = other == *directory;
        match other.load() {
            Ok(Some(found)) if other.is_alive(&found) && is_this => {
                return Err(LabError::Runs(name));
            }
            Ok(Some(found)) if !other.is_alive(&found) => {
                let lock = if is_this {
                    LabLock::take(&other, patience)?
                } else {
                    // Somebody who is at work on it needs it after all.
                    LabLock::take_if_free(&other)?
                };
                lock.map_or(Ok(()), |lock| end_if_stale(&lock))?;
            }
            Err(error) if is_this => return Err(error),
            // Somebody else's that lives, or one that cannot be judged.
            _ => {}
        }
    }
    directory.create(state)?;
    // `lab down` may have been faster.
    LabLock::take(directory, patience)?.ok_or_else(|| LabError::NotRunning(state.name.clone()))
}

/// Whether it is nobody's was judged before the lock was there.
fn end_if_stale(lock: &LabLock) -> Result<(), LabError> {
    match lock.directory().load()? {
        Some(found) if lock.directory().is_alive(&found) => Ok(()),
        _ => end(lock),
    }
}
