//! Who may change labs: one command at a time.
//!
//! Owns two locks of the kernel's (flock), which go with the process however it ends: `BASE/.lock`,
//! under which labs are made, and the directory of a lab itself, under which it is changed and
//! ended. Who only looks takes neither: the state file is replaced as a whole.
//!
//! *Invariants*: who holds the lock of a lab never asks for that of all labs, so that no two wait
//! for each other; every wait can be interrupted.

use crate::lab::error::LabError;
use crate::lab::session::{Session, complain};
use crate::lab::state::LabDirectory;
use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Time between two tries.
const TRY_INTERVAL: Duration = Duration::from_millis(20);

/// What is done between two tries; an error ends the wait.
pub type Patience<'a> = &'a mut dyn FnMut() -> Result<(), LabError>;

/// For a command without a [`Session`], which ctrl-C ends at once: says once what is waited for.
pub fn say_and_wait(lab: &str) -> impl FnMut() -> Result<(), LabError> {
    let mut is_said = false;
    move || {
        if !is_said {
            complain(format_args!(
                "kumiki lab: another command changes lab `{lab}`; waiting for it"
            ));
            is_said = true;
        }
        std::thread::sleep(TRY_INTERVAL);
        Ok(())
    }
}

/// For a command with a session, in which ctrl-C is an error.
pub fn wait_in(session: &Session) -> impl FnMut() -> Result<(), LabError> {
    || {
        session.doing("another command makes or ends a lab");
        session.sleep(TRY_INTERVAL)
    }
}

/// The right to make labs, and to remove those that nobody needs.
pub struct AllLabsLock {
    _file: File,
}

impl AllLabsLock {
    /// Waits for it.
    pub fn take(patience: Patience<'_>) -> Result<Self, LabError> {
        let path = LabDirectory::lock_file()?;
        let file = File::create(&path).map_err(|e| LabError::file("open", &path, e))?;
        while !is_taken(&file, &path)? {
            patience()?;
        }
        Ok(Self { _file: file })
    }
}

/// The sole right to change a lab and to end it. Clones share it.
#[derive(Clone, Debug)]
pub struct LabLock {
    directory: LabDirectory,
    _file: Arc<File>,
}

impl LabLock {
    /// Waits for it; `None` where there is no lab, or it has ended meanwhile.
    pub fn take(
        directory: &LabDirectory,
        patience: Patience<'_>,
    ) -> Result<Option<Self>, LabError> {
        let path = directory.path();
        let Some(file) = open(path)? else { return Ok(None) };
        while !is_taken(&file, path)? {
            patience()?;
        }
        Ok(Self::taken(directory, file))
    }

    /// Does not wait for it: `None` also where somebody else has it.
    pub fn take_if_free(directory: &LabDirectory) -> Result<Option<Self>, LabError> {
        let path = directory.path();
        let Some(file) = open(path)? else { return Ok(None) };
        Ok(if is_taken(&file, path)? { Self::taken(directory, file) } else { None })
    }

    /// Who had it before may have ended the lab, and another may have made one of the same name.
    fn taken(directory: &LabDirectory, file: File) -> Option<Self> {
        let is_same = directory.is_lab() && is_still(&file, directory.path());
        is_same.then(|| Self { directory: directory.clone(), _file: Arc::new(file) })
    }

    /// Whose it is.
    pub fn directory(&self) -> &LabDirectory {
        &self.directory
    }
}

/// Whether nobody else has this directory's lock just now.
pub fn is_free(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| is_taken(&file, path).unwrap_or(false))
}

fn open(path: &Path) -> Result<Option<File>, LabError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LabError::file("open", path, error)),
    }
}

fn is_taken(file: &File, path: &Path) -> Result<bool, LabError> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(LabError::file("lock", path, error)),
    }
}

fn is_still(file: &File, path: &Path) -> bool {
    let identity = |found: std::io::Result<std::fs::Metadata>| found.map(|m| (m.dev(), m.ino()));
    match (identity(file.metadata()), identity(std::fs::metadata(path))) {
        (Ok(ours), Ok(there)) => ours == there,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::state::{Driver, LabState};

    fn lab_in(directory: &tempfile::TempDir) -> LabDirectory {
        let lab = LabDirectory::at(directory.path().join("lab"));
        lab.create(&LabState::new("lab", "ring".to_owned(), Driver::AfPacket)).unwrap();
        lab
    }

    fn refuse() -> Result<(), LabError> {
        Err(LabError::Interrupted)
    }

    #[test]
    fn the_second_waits_for_the_first_and_can_be_interrupted() {
        let directory = tempfile::tempdir().unwrap();
        let lab = lab_in(&directory);
        let first = LabLock::take(&lab, &mut refuse).unwrap().unwrap();
        let second = LabLock::take(&lab, &mut refuse);
        assert!(matches!(second, Err(LabError::Interrupted)));
        assert!(LabLock::take_if_free(&lab).unwrap().is_none());
        let mut first = Some(first);
        let mut let_go = || {
            first = None;
            Ok(())
        };
        assert!(LabLock::take(&lab, &mut let_go).unwrap().is_some());
    }

    #[test]
    fn who_waited_for_a_lab_that_ended_gets_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let lab = lab_in(&directory);
        let mut first = LabLock::take(&lab, &mut refuse).unwrap();
        // It ends, and another of its name begins.
        let mut replace = || {
            if first.take().is_some() {
                lab.remove().unwrap();
                lab_in(&directory);
            }
            Ok(())
        };
        assert!(LabLock::take(&lab, &mut replace).unwrap().is_none());
        assert!(LabLock::take(&lab, &mut refuse).unwrap().is_some());
        lab.remove().unwrap();
        assert!(LabLock::take(&lab, &mut refuse).unwrap().is_none());
    }
}
