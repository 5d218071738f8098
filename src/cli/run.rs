//! The arguments of `kumiki run`.
//!
//! Owns their words; running is `daemon`'s.

use crate::cli::arguments::host_name;
use crate::config::Overrides;
use clap::Args;
use std::path::PathBuf;

/// Who this router is, where the file does not say it or says it for another server.
#[derive(Clone, Debug, Default, Args)]
pub struct IdentityArguments {
    /// Name of this router, instead of `[router] name`
    #[arg(long, env = "KUMIKI_NAME")]
    pub name: Option<String>,
    /// Number of this router in the cluster, instead of `[cluster] number`
    #[arg(long, env = "KUMIKI_NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub number: Option<u16>,
}

impl IdentityArguments {
    /// As the loader wants them, with the host name of the system as the last resort.
    pub fn overrides(&self) -> Overrides {
        Overrides { name: self.name.clone(), number: self.number, host_name: host_name() }
    }
}

/// `kumiki run`.
#[derive(Clone, Debug, Args)]
pub struct RunArguments {
    /// Configuration file
    #[arg(short, long, default_value = "/etc/kumiki/kumiki.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// Name and number.
    #[command(flatten)]
    pub identity: IdentityArguments,
    /// Write down all that happens to the control plane, for `kumiki sim --replay`
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub record: Option<PathBuf>,
    /// Check the configuration and stop
    #[arg(long)]
    pub check: bool,
    /// What to log, such as info or kumiki::proto::ospf=debug
    #[arg(long, env = "KUMIKI_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// Log JSON objects instead of lines
    #[arg(long, env = "KUMIKI_LOG_JSON")]
    pub log_json: bool,
    /// Allow `kumiki debug`, which breaks things on purpose
    #[arg(long, env = "KUMIKI_DEBUG_COMMANDS")]
    pub debug_commands: bool,
}
