//! What a run was made on, and how results are shown.

use serde::{Deserialize, Serialize};

/// The machine and the versions.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Environment {
    /// The processor's name.
    pub cpu: String,
    /// The kernel's release.
    pub kernel: String,
    /// DPDK's version, or `none`.
    pub dpdk: String,
    /// Version of the program.
    pub version: String,
    /// The commit of the sources, where git knows it.
    pub commit: String,
    /// The command line.
    pub command: Vec<String>,
}

impl Environment {
    /// Of this run.
    pub fn of_this_run() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            cpu: cpu.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned()),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            dpdk: dpdk_version(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: env!("KUMIKI_COMMIT").to_owned(),
            command: std::env::args().skip(1).collect(),
        }
    }
}

#[cfg(dpdk)]
fn dpdk_version() -> String {
    kumiki::dpdk::eal::version()
}

#[cfg(not(dpdk))]
fn dpdk_version() -> String {
    "none".to_owned()
}
