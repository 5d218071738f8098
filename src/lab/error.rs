//! Why a lab did not do what was asked.
//!
//! *Invariants*: every variant says what would be right, or where to look; [`LabError::exit_code`]
//! is the process's exit code (0 ok, 1 failed, 2 usage, 69 not running, 77 permission, 130
//! interrupted).

use crate::lab::fault::FaultError;
use crate::os::namespace::NamespaceError;
use crate::os::netlink::NetlinkError;
use crate::planner::TopologyError;
use std::io;
use std::path::{Path, PathBuf};

/// Everything that can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Ctrl-C, or a signal that asks to end.
    #[error("interrupted")]
    Interrupted,
    /// Links.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// Namespaces.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The topology asked for.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The fault asked for.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// A file.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// `read`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A socket of the probes.
    #[error("cannot {action}: {source}")]
    Socket {
        /// What was tried.
        action: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A lab of this name runs already.
    #[error("lab `{0}` runs already; `kumiki lab down --lab {0}` ends it")]
    Runs(String),
    /// There is none.
    #[error("no lab `{0}` runs; `kumiki lab up --lab {0}` starts one")]
    NotRunning(String),
    /// Its state file is of another version, or damaged.
    #[error("{path} cannot be understood ({reason}); `kumiki lab down` removes what it can")]
    State {
        /// The state file.
        path: PathBuf,
        /// The parser's word.
        reason: String,
    },
    /// A name on the command line names no server or cable.
    #[error("`{given}` is {expected}")]
    Name {
        /// What was given.
        given: String,
        /// What it is not, and what would be right.
        expected: String,
    },
    /// The driver cannot do that.
    #[error("driver {driver}: {reason}")]
    Driver {
        /// The driver.
        driver: &'static str,
        /// Why not, and what can.
        reason: String,
    },
    /// A peer cannot run here.
    #[error("peer {kind}: {reason}")]
    Peer {
        /// `frr` or `bird`.
        kind: &'static str,
        /// Why not, and what can.
        reason: String,
    },
    /// A program did not start.
    #[error("cannot start {program}: {source}{hint}")]
    Start {
        /// The program.
        program: PathBuf,
        /// The system's answer.
        source: io::Error,
        /// How to get it; empty or starts with `; `.
        hint: &'static str,
    },
    /// A router ended or stayed silent; the last lines of its log say why.
    #[error("{server}: {what}\n{log_tail}  the whole log: {log}")]
    Router {
        /// The server.
        server: String,
        /// What happened.
        what: String,
        /// Its log.
        log: PathBuf,
        /// The last lines, indented.
        log_tail: String,
    },
    /// A router answered nonsense or an error.
    #[error("{server} does not answer: {reason}")]
    Answer {
        /// The server.
        server: String,
        /// Why.
        reason: String,
    },
    /// Something did not become true in time.
    #[error("after {waited_s} s still {what}\n{detail}")]
    Late {
        /// What is missing.
        what: String,
        /// How long the lab waited.
        waited_s: u64,
        /// More lines, indented.
        detail: String,
    },
}

impl LabError {
    /// An error of a file.
    pub fn file(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { action, path: path.into(), source }
    }

    /// The same error, with the logs it points to moved to `directory`.
    pub fn with_logs_in(mut self, directory: &Path) -> Self {
        if let Self::Router { log, .. } = &mut self
            && let Some(name) = log.file_name()
        {
            *log = directory.join(name);
        }
        self
    }

    /// What the process exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Topology(_) | Self::Fault(_) | Self::Name { .. } | Self::Driver { .. } => 2,
            Self::NotRunning(_) => 69,
            Self::Namespace(_) => 77,
            Self::Netlink(error) if error.errno() == Some(libc::EPERM) => 77,
            Self::Interrupted => 130,
            _ => 1,
        }
    }
}
