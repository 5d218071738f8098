//! What a lab remembers between two commands: one JSON file in its directory.
//!
//! Owns the directory `BASE/NAME` with `state.json`, the namespaces bound under `net/`, and every
//! router's configuration, socket and log. BASE is `$KUMIKI_LAB_DIR`, else `/run/kumiki-lab` for
//! root, else `$XDG_RUNTIME_DIR/kumiki-lab`, else `/tmp/kumiki-lab-UID`.
//!
//! *Invariants*: the file is replaced as a whole, never half-written; what is in the file before it
//! is in the kernel can be cleaned up after a crash. BASE may be anybody's directory: a lab is what
//! has a state file, it comes and goes by one `rename`, and nothing else in BASE is touched.

use crate::lab::error::LabError;
use crate::lab::layout::{CABLE_MTU_BYTES, Numbering};
use crate::lab::lock::is_free;
use crate::lab::process::ProcessRecord;
use crate::os::xdp;
use crate::planner::families::SERVER_COUNT_MAX;
use crate::planner::server_name;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The default of the product.
pub const BFD_INTERVAL_MS_DEFAULT: u16 = 50;
/// Version of the file; another version is not read.
const STATE_VERSION: u32 = 4;
/// The file.
const STATE_FILE: &str = "state.json";
/// How the directories of labs begin that are not there yet or no more.
const REMAINS_PREFIX: &str = ".kumiki-lab-";

/// How routers get at their packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Driver {
    /// DPDK's AF_PACKET device on a veth: works everywhere, also without root.
    #[default]
    AfPacket,
    /// DPDK's AF_XDP device on a veth: root only, no jumbo frames.
    AfXdp,
    /// Shared memory between the routers: no kernel on the cable, so no way to cut it.
    Memif,
    /// DPDK's TAP device, bridged to the veth; no jumbo frames.
    Tap,
}

impl Driver {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::AfPacket => "af_packet",
            Self::AfXdp => "af_xdp",
            Self::Memif => "memif",
            Self::Tap => "tap",
        }
    }

    /// MTU of fabric and LAN with this driver, in octets.
    pub fn mtu_bytes(self) -> u16 {
        match self {
            Self::AfXdp => xdp::MTU_BYTES_MAX,
            // The driver sends nothing longer.
            Self::Tap => 1500,
            Self::AfPacket | Self::Memif => 9000,
        }
    }

    /// MTU of the cables themselves, in octets. The kernel refuses an XDP program on a veth whose
    /// other end has a larger one than a page holds.
    pub fn cable_mtu_bytes(self) -> u32 {
        match self {
            Self::AfXdp => u32::from(self.mtu_bytes()),
            Self::AfPacket | Self::Memif | Self::Tap => CABLE_MTU_BYTES,
        }
    }
}

/// What runs on a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerKind {
    /// This program.
    #[default]
    Kumiki,
    /// zebra and ospf6d of FRR, forwarding by the kernel.
    Frr,
    /// BIRD 2 or 3, forwarding by the kernel.
    Bird,
}

impl ServerKind {
    /// As in `--peer s03=frr` and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kumiki => "kumiki",
            Self::Frr => "frr",
            Self::Bird => "bird",
        }
    }
}

/// Whether packets pass a cable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CableStatus {
    /// They do.
    #[default]
    Connected,
    /// No carrier at both ends.
    Cut,
    /// Carrier, but nothing arrives.
    Silent,
}

/// A cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CableState {
    /// The two servers by index, the smaller first.
    pub ends: (usize, usize),
    /// Its status.
    pub status: CableStatus,
}

/// A server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerState {
    /// What runs on it.
    pub kind: ServerKind,
    /// Its processes; empty when it was killed.
    pub processes: Vec<ProcessRecord>,
}

/// The router outside, to which the edges of clusters have uplinks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderState {
    /// What runs on it: FRR or BIRD.
    pub kind: ServerKind,
    /// The servers that are edges, in order.
    pub edges: Vec<usize>,
    /// Its processes.
    pub processes: Vec<ProcessRecord>,
}

/// Where a router of the lab runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a server.
    Server(usize),
    /// Outside of the clusters.
    Provider,
}

impl Place {
    /// The name of the provider's namespace, log and files.
    pub const PROVIDER_NAME: &str = "isp";

    /// As in names of files and in words.
    pub fn name(self) -> String {
        match self {
            Self::Server(server) => server_name(server),
            Self::Provider => Self::PROVIDER_NAME.to_owned(),
        }
    }
}

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabState {
    /// Version of the file.
    pub version: u32,
    /// Name of the lab.
    pub name: String,
    /// The topology as it was asked for.
    pub topology: String,
    /// The driver.
    pub driver: Driver,
    /// Time between two BFD packets, in milliseconds; 0 where there is no BFD.
    pub bfd_interval_ms: u16,
    /// Which servers are a cluster.
    pub numbering: Numbering,
    /// The router outside, where there is one.
    pub provider: Option<ProviderState>,
    /// The process that made it, or makes it still.
    pub owner: Option<ProcessRecord>,
    /// Whether it stays when its owner has ended, until `lab down`.
    pub is_kept: bool,
    /// Whether all of it was made and started once; half a lab is kept by nobody.
    pub is_started: bool,
    /// The process that keeps the user namespace, in a lab without root.
    pub holder: Option<ProcessRecord>,
    /// Servers in order.
    pub servers: Vec<ServerState>,
    /// Cables in order.
    pub cables: Vec<CableState>,
}

impl LabState {
    /// A state of this process with nothing running yet.
    pub fn new(name: &str, topology: String, driver: Driver) -> Self {
        Self {
            version: STATE_VERSION,
            name: name.to_owned(),
            topology,
            driver,
            bfd_interval_ms: BFD_INTERVAL_MS_DEFAULT,
            numbering: Numbering::single(SERVER_COUNT_MAX),
            provider: None,
            owner: ProcessRecord::own(),
            is_kept: false,
            is_started: false,
            holder: None,
            servers: Vec::new(),
            cables: Vec::new(),
        }
    }

    /// Every process.
    pub fn processes(&self) -> Vec<ProcessRecord> {
        let routers = self.servers.iter().flat_map(|server| &server.processes);
        let outside = self.provider.iter().flat_map(|provider| &provider.processes);
        routers.chain(outside).copied().chain(self.holder).collect()
    }

    /// The processes of the router at a place; none where there is no such place.
    pub fn processes_at(&self, place: Place) -> &[ProcessRecord] {
        match place {
            Place::Server(server) => &self.servers[server].processes,
            Place::Provider => self.provider.as_ref().map_or(&[], |found| &found.processes),
        }
    }

    /// The same, to change them.
    pub fn processes_at_mut(&mut self, place: Place) -> Option<&mut Vec<ProcessRecord>> {
        match place {
            Place::Server(server) => Some(&mut self.servers[server].processes),
            Place::Provider => self.provider.as_mut().map(|found| &mut found.processes),
        }
    }

    /// The servers with an uplink, in order.
    pub fn edges(&self) -> &[usize] {
        self.provider.as_ref().map_or(&[], |provider| &provider.edges)
    }
}

/// The directory of one lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabDirectory {
    path: PathBuf,
}

impl LabDirectory {
    /// The directory of the lab `name`, which need not exist.
    pub fn of(name: &str) -> Self {
        Self::at(base_directory().join(name))
    }

    /// The directory of a lab at this place.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Every lab.
    pub fn all() -> Vec<(String, Self)> {
        // What starts with a dot is no lab: the lock, logs of a failure, what a crash left half.
        let labs = names_in(base_directory()).into_iter().filter(|name| !name.starts_with('.'));
        let labs = labs.map(|name| (name.clone(), Self::of(&name)));
        labs.filter(|(_, directory)| directory.is_lab()).collect()
    }

    /// Removes what commands left that crashed while they made or removed a directory. Only under
    /// the lock.
    pub fn remove_remains() -> Result<(), LabError> {
        let base = base_directory();
        let remains = names_in(base).into_iter().filter(|name| name.starts_with(REMAINS_PREFIX));
        let mut remains = remains.map(|name| base.join(name));
        // Who removes a directory keeps the lock on it.
        remains.try_for_each(|path| if is_free(&path) { remove_tree(&path) } else { Ok(()) })
    }

    /// Whether somebody still needs the lab of this state: its owner lives, or it is kept and
    /// anything of it is there. Its routers may all have been killed, to be started again.
    pub fn is_alive(&self, state: &LabState) -> bool {
        let is_owned = state.owner.is_some_and(|owner| owner.is_alive());
        let is_there = || self.is_bound() || state.processes().iter().any(ProcessRecord::is_alive);
        is_owned || (state.is_kept && state.is_started && is_there())
    }

    /// Whether its namespaces are bound here. Without root they are so in the holder's mounts only.
    fn is_bound(&self) -> bool {
        let of = |path: PathBuf| std::fs::metadata(path).map(|found| found.dev()).ok();
        let device = of(self.namespace("fabric"));
        device.is_some() && device != of(self.path.join("net"))
    }

    /// Whether there is a lab.
    pub fn is_lab(&self) -> bool {
        self.file(STATE_FILE).exists()
    }

    /// The file that stands for all labs, in a directory that is there.
    pub fn lock_file() -> Result<PathBuf, LabError> {
        let base = base_directory();
        std::fs::create_dir_all(base).map_err(|e| LabError::file("create", base, e))?;
        Ok(base.join(".lock"))
    }

    /// Makes it with its state.
    pub fn create(&self, state: &LabState) -> Result<(), LabError> {
        let fresh = Self::at(self.remains("new"));
        remove_tree(&fresh.path)?;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(fresh.path.join("net"))
            .map_err(|e| LabError::file("create", &fresh.path, e))?;
        fresh.save(state)?;
        // A directory of that name that is no lab is not empty, and stays.
        std::fs::rename(&fresh.path, &self.path).map_err(|error| {
            let _ = remove_tree(&fresh.path);
            LabError::file("create", &self.path, error)
        })
    }

    /// Removes it with all that is in it.
    pub fn remove(&self) -> Result<(), LabError> {
        let gone = self.remains("old");
        remove_tree(&gone)?;
        match std::fs::rename(&self.path, &gone) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(LabError::file("remove", &self.path, error)),
            Ok(()) => remove_tree(&gone),
        }
    }

    /// Where it is before it is whole, and when it is no more: no other process's place.
    fn remains(&self, what: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let own = std::process::id();
        self.path.with_file_name(format!("{REMAINS_PREFIX}{what}-{name}-{own}"))
    }

    /// Moves logs and configurations to where the last failure is kept; returns the place.
    pub fn keep_logs(&self) -> Result<PathBuf, LabError> {
        let kept = base_directory().join(".failed");
        self.move_logs_to(&kept).map_err(|e| LabError::file("keep the logs in", &kept, e))?;
        Ok(kept)
    }

    fn move_logs_to(&self, kept: &Path) -> io::Result<()> {
        std::fs::create_dir_all(kept)?;
        // Two labs may fail at the same time: what is kept is whole, and the later one's.
        let directory = File::open(kept)?;
        directory.lock()?;
        for old in logs_in(kept)? {
            std::fs::remove_file(old)?;
        }
        for log in logs_in(&self.path)? {
            let name = log.file_name().unwrap_or_default().to_owned();
            std::fs::rename(&log, kept.join(name))?;
        }
        Ok(())
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Where a namespace is bound.
    pub fn namespace(&self, name: &str) -> PathBuf {
        self.path.join("net").join(name)
    }

    /// Names of every namespace that is bound.
    pub fn namespaces(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path.join("net"));
        entries.map_or_else(
            |_| Vec::new(),
            |entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        )
    }

    /// The log of a server.
    pub fn log(&self, server: usize) -> PathBuf {
        self.log_at(Place::Server(server))
    }

    /// The log of a router.
    pub fn log_at(&self, place: Place) -> PathBuf {
        self.file(format!("{}.log", place.name()))
    }

    /// The control socket of a server.
    pub fn socket(&self, server: usize) -> PathBuf {
        self.file(format!("{}.sock", server_name(server)))
    }

    /// Reads the state; `None` where there is no file.
    pub fn load(&self) -> Result<Option<LabState>, LabError> {
        let path = self.file(STATE_FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LabError::file("read", path, error)),
        };
        match serde_json::from_str::<LabState>(&text) {
            Ok(state) if state.version == STATE_VERSION => Ok(Some(state)),
            Ok(state) => {
                let reason = format!("version {}, not {STATE_VERSION}", state.version);
                Err(LabError::State { path, reason })
            }
            Err(error) => Err(LabError::State { path, reason: error.to_string() }),
        }
    }

    /// Writes the state.
    pub fn save(&self, state: &LabState) -> Result<(), LabError> {
        let path = self.file(STATE_FILE);
        let fresh = self.file("state.json.new");
        let text = serde_json::to_string_pretty(state)
            .map_err(|e| LabError::file("write", &path, io::Error::other(e)))?;
        std::fs::write(&fresh, text)
            .and_then(|()| std::fs::rename(&fresh, &path))
            .map_err(|e| LabError::file("write", path, e))
    }
}

/// Logs and configurations of routers in a directory.
fn logs_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let is_kept = |path: &PathBuf| path.extension().is_some_and(|e| e == "log" || e == "toml");
    let paths = std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
    paths.filter(|path| path.as_ref().map_or(true, is_kept)).collect()
}

/// Names in a directory, sorted; none where there is no directory.
fn names_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn remove_tree(path: &Path) -> Result<(), LabError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LabError::file("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// Found once, before the process may enter a user namespace in which it is root.
fn base_directory() -> &'static Path {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    BASE.get_or_init(find_base_directory)
}

fn find_base_directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("KUMIKI_LAB_DIR") {
        return PathBuf::from(directory);
    }
    let uid = rustix::process::geteuid();
    if uid.is_root() {
        return PathBuf::from("/run/kumiki-lab");
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(directory) => PathBuf::from(directory).join("kumiki-lab"),
        None => PathBuf::from(format!("/tmp/kumiki-lab-{}", uid.as_raw())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_survives_the_file_and_a_dead_owner_makes_it_stale() {
        let directory = tempfile::tempdir().unwrap();
        let lab = LabDirectory::at(directory.path().join("lab"));
        assert_eq!(lab.load().unwrap(), None);
        let mut state = LabState::new("lab", "ring".to_owned(), Driver::AfPacket);
        state.servers = vec![ServerState { kind: ServerKind::Bird, processes: Vec::new() }];
        state.cables = vec![CableState { ends: (0, 1), status: CableStatus::Cut }];
        lab.create(&state).unwrap();
        assert!(lab.is_lab());
        assert_eq!(lab.load().unwrap(), Some(state.clone()));
        assert!(lab.is_alive(&state));
        state.owner = Some(ProcessRecord { pid: u32::MAX, start_ticks: 0 });
        assert!(!lab.is_alive(&state));
        // A process of it lives, but nobody keeps it, or not half of it.
        state.servers[0].processes.extend(ProcessRecord::own());
        assert!(!lab.is_alive(&state));
        state.is_kept = true;
        assert!(!lab.is_alive(&state));
        state.is_started = true;
        assert!(lab.is_alive(&state));
        state.servers[0].processes.clear();
        std::fs::write(lab.namespace("fabric"), "").unwrap();
        assert!(!lab.is_alive(&state));
        lab.remove().unwrap();
        lab.remove().unwrap();
        assert_eq!(names_in(directory.path()), Vec::<String>::new());
    }

    #[test]
    fn logs_of_two_failures_at_once_do_not_mix() {
        let directory = tempfile::tempdir().unwrap();
        let kept = directory.path().join(".failed");
        let labs = ["a", "b", "c", "d"].map(|name| {
            let lab = LabDirectory::at(directory.path().join(name));
            lab.create(&LabState::new(name, "ring".to_owned(), Driver::AfPacket)).unwrap();
            for server in 0..40 {
                std::fs::write(lab.log(server), name).unwrap();
            }
            lab
        });
        std::thread::scope(|scope| {
            for lab in &labs {
                scope.spawn(|| lab.move_logs_to(&kept).unwrap());
            }
        });
        let texts = logs_in(&kept).unwrap().into_iter().map(|log| std::fs::read(log).unwrap());
        let mut texts: Vec<Vec<u8>> = texts.collect();
        assert_eq!(texts.len(), 40);
        texts.dedup();
        assert_eq!(texts.len(), 1, "{texts:?}");
    }

    #[test]
    fn a_directory_that_is_no_lab_is_not_replaced_by_one() {
        let directory = tempfile::tempdir().unwrap();
        let lab = LabDirectory::at(directory.path().join("home"));
        std::fs::create_dir_all(lab.file("mine")).unwrap();
        assert!(!lab.is_lab());
        let state = LabState::new("home", "ring".to_owned(), Driver::AfPacket);
        assert!(lab.create(&state).is_err());
        assert!(lab.file("mine").exists());
        assert_eq!(names_in(directory.path()), ["home"]);
    }

    #[test]
    fn a_state_of_another_version_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let lab = LabDirectory::at(directory.path().to_owned());
        let mut state = LabState::new("lab", "ring".to_owned(), Driver::Tap);
        state.version = 99;
        lab.save(&state).unwrap();
        assert!(lab.load().unwrap_err().to_string().contains("version 99, not 4"));
    }
}
