//! DPDK's `testpmd` under the same meter: what forwarding costs without routing.
//!
//! Owns [`measure`]. The program runs as it is, with the meter loaded before it; frames, buffers
//! under way and windows are those of our own run.

use crate::measure::Spread;
use kumiki::dpdk::MeterFrames;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The meter as a library, where the build put it.
const METER: &str = env!("KUMIKI_METER");
/// The program.
const PROGRAM: &str = "dpdk-testpmd";
/// Its memory; in hugepages where there are so many, as ours is.
const MEMORY_MIB: u64 = 512;
/// The share of the windows that warm the caches.
const WARM_SHARE: usize = 4;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum TestpmdError {
    /// It is not there.
    #[error("{PROGRAM} does not run: {0}; on Debian it is in the package dpdk-dev")]
    Start(std::io::Error),
    /// Files could not be written or read.
    #[error("files of the meter: {0}")]
    Files(#[from] std::io::Error),
    /// It ended without a window.
    #[error("{PROGRAM} measured nothing: {0}")]
    Nothing(String),
}

/// What it does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing at all.
    Io,
    /// Swaps the MAC addresses.
    MacSwap,
}

impl Mode {
    /// Its name there.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::MacSwap => "macswap",
        }
    }
}

/// Where it runs.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The processor that forwards.
    pub cpu: usize,
    /// Another one, for its command line.
    pub other_cpu: usize,
}

/// TSC cycles a packet over `time`.
pub fn measure(
    mode: Mode,
    place: Place,
    frames: &MeterFrames,
    time: Duration,
) -> Result<Spread, TestpmdError> {
    let directory = std::env::temp_dir().join(format!("kumiki-perf-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let outcome = run(mode, place, frames, time, &directory);
    std::fs::remove_dir_all(&directory)?;
    outcome
}

fn run(
    mode: Mode,
    place: Place,
    frames: &MeterFrames,
    time: Duration,
    directory: &Path,
) -> Result<Spread, TestpmdError> {
    let (sent, result) = (directory.join("frames"), directory.join("result"));
    std::fs::write(&sent, frames.file().unwrap_or_default())?;
    let Place { cpu, other_cpu } = place;
    let mut child = Command::new(PROGRAM)
        .args(["-l", &format!("{other_cpu},{cpu}"), "--main-lcore", &other_cpu.to_string()])
        .args(match kumiki::dpdk::eal::free_hugepages_mib() {
            0..MEMORY_MIB => ["--no-shconf", "--no-huge"],
            MEMORY_MIB.. => ["--no-telemetry", "--in-memory"],
        })
        .args(["-m", &MEMORY_MIB.to_string(), "--no-pci", "--log-level=error"])
        .args(["--vdev", "net_null0", "--vdev", "net_null1", "--"])
        .args([&format!("--forward-mode={}", mode.name()), "--total-num-mbufs=16384"])
        .env("LD_PRELOAD", METER)
        .env("KUMIKI_METER_FRAMES", &sent)
        .env("KUMIKI_METER_RESULT", &result)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(TestpmdError::Start)?;
    std::thread::sleep(time);
    if let Some(input) = child.stdin.as_mut() {
        // A line ends it.
        let _ = input.write_all(b"\n");
    }
    let output = child.wait_with_output()?;
    let text = std::fs::read_to_string(&result).unwrap_or_default();
    let windows: Vec<f64> = text.lines().filter_map(cycles_of).collect();
    if windows.is_empty() {
        let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(TestpmdError::Nothing(complaint));
    }
    Ok(Spread::of(windows[windows.len() / WARM_SHARE..].to_vec()))
}

/// A line of the meter: router and pool.
fn cycles_of(line: &str) -> Option<f64> {
    let (router, pool) = line.split_once(' ')?;
    Some(router.parse::<f64>().ok()? + pool.parse::<f64>().ok()?)
}
