//! What the command line decides about a run of the router.
//!
//! Owns [`RunOptions`]. Everything else stands in the configuration.

use crate::config::Overrides;
use std::path::PathBuf;

/// How the router shall run; one per process.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// The configuration file; read again at SIGHUP.
    pub config: PathBuf,
    /// Name and number from outside the file.
    pub overrides: Overrides,
    /// What to log, in the words of `tracing_subscriber::EnvFilter`.
    pub log_filter: String,
    /// Log lines are JSON objects.
    pub is_log_json: bool,
    /// The file that everything is written to that happens to the control plane.
    pub record: Option<PathBuf>,
    /// Whether clients may break things on purpose.
    pub has_debug_commands: bool,
}
