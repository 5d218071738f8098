//! The routers that are compared: how each is configured, started, weighed and ended.
//!
//! Owns [`Kind`] and [`Daemon`]. All get the same words: three neighbours in other ASes, everything
//! taken from two of them, everything told to the third.
//!
//! *Invariants*: nothing of the system's own routing is touched: each runs in the bench's namespace
//! with its files in the bench's folder, and ends with the value. GoBGP has no forwarding table of
//! its own here; Kumiki always has one.

use super::network::{Forwarder, Network};
use super::{Neighbour, ROUTER_ASN};
use clap::ValueEnum;
use kumiki::os::namespace::{die_with_parent, mount_over};
use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const KILL: i32 = 9;
/// How long a router may take to end.
const END_PATIENCE: Duration = Duration::from_secs(10);
/// How long zebra may take until bgpd can reach it.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// Where distributions put the daemons of FRR.
const FRR_FOLDERS: [&str; 2] = ["/usr/lib/frr", "/usr/libexec/frr"];

/// A router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// This one
    Kumiki,
    /// BIRD, whichever version is installed
    Bird,
    /// FRR: bgpd and zebra
    Frr,
    /// GoBGP, without zebra
    Gobgp,
}

/// Whether routes shall become forwarding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarding {
    /// They stay in BGP, where the router can do so.
    Left,
    /// They go into the table by which packets are forwarded.
    Filled,
}

/// Why a router does not run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// A file.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// It is not there.
    #[error("there is no {0}")]
    Missing(&'static str),
    /// It ended, or did not begin.
    #[error("{kind} does not run; what it said:\n{log}")]
    Ended {
        /// Which.
        kind: &'static str,
        /// The end of its log.
        log: String,
    },
}

impl Kind {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 4] = [Self::Kumiki, Self::Bird, Self::Frr, Self::Gobgp];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kumiki => "kumiki",
            Self::Bird => "bird",
            Self::Frr => "frr",
            Self::Gobgp => "gobgp",
        }
    }

    /// The program that speaks BGP, where it is installed.
    pub fn program(self, kumiki: &Path) -> Option<PathBuf> {
        let found = match self {
            Self::Kumiki => Some(kumiki.to_owned()),
            Self::Bird => in_path("bird"),
            Self::Frr => frr_program("bgpd"),
            Self::Gobgp => in_path("gobgpd"),
        };
        found.filter(|path| path.exists())
    }

    /// The Debian package that brings it.
    pub const fn package(self) -> &'static str {
        match self {
            Self::Kumiki => "kumiki",
            Self::Bird => "bird2",
            Self::Frr => "frr",
            Self::Gobgp => "gobgpd",
        }
    }

    /// What it says of its version.
    pub fn version(self, kumiki: &Path) -> String {
        let Some(program) = self.program(kumiki) else { return String::new() };
        let Ok(output) = Command::new(program).arg("--version").output() else {
            return String::new();
        };
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
    }

    /// Whether it can fill a forwarding table here.
    pub const fn forwards(self) -> bool {
        !matches!(self, Self::Gobgp)
    }

    /// Who forwards.
    pub const fn forwarder(self) -> Forwarder {
        match self {
            Self::Kumiki => Forwarder::Program,
            _ => Forwarder::Kernel,
        }
    }
}

/// A router that runs.
#[derive(Debug)]
pub struct Daemon {
    kind: Kind,
    folder: PathBuf,
    children: Vec<Child>,
}

impl Daemon {
    /// Starts one in the network's namespace.
    pub fn start(
        kind: Kind,
        kumiki: &Path,
        (network, folder): (&Network, &Path),
        forwarding: Forwarding,
    ) -> Result<Self, DaemonError> {
        let program = kind.program(kumiki).ok_or(DaemonError::Missing(kind.name()))?;
        let mut daemon = Self { kind, folder: folder.to_owned(), children: Vec::new() };
        match kind {
            Kind::Kumiki => daemon.start_kumiki(network, &program)?,
            Kind::Bird => daemon.start_bird(network, &program, forwarding)?,
            Kind::Frr => daemon.start_frr(network, &program, forwarding)?,
            Kind::Gobgp => {
                daemon.write("gobgpd.toml", &gobgp_configuration())?;
                let mut command = Command::new(program);
                daemon.spawn(network, command.arg("-f").arg(daemon.path("gobgpd.toml")))?;
            }
        }
        Ok(daemon)
    }

    fn start_kumiki(&mut self, network: &Network, program: &Path) -> Result<(), DaemonError> {
        let socket = self.kumiki_socket();
        self.write("kumiki.toml", &kumiki_configuration(&socket))?;
        let mut command = Command::new(program);
        command.args(["run", "--config"]).arg(self.path("kumiki.toml"));
        self.spawn(network, &mut command)?;
        self.wait_for(&socket)
    }

    fn start_bird(
        &mut self,
        network: &Network,
        program: &Path,
        forwarding: Forwarding,
    ) -> Result<(), DaemonError> {
        self.write("bird.conf", &bird_configuration(forwarding))?;
        let mut command = Command::new(program);
        command.arg("-f").arg("-c").arg(self.path("bird.conf"));
        command.arg("-s").arg(self.path("bird.ctl")).arg("-P").arg(self.path("bird.pid"));
        self.spawn(network, &mut command)?;
        self.wait_for(&self.path("bird.ctl"))
    }

    fn start_frr(
        &mut self,
        network: &Network,
        program: &Path,
        forwarding: Forwarding,
    ) -> Result<(), DaemonError> {
        let zebra = frr_program("zebra").ok_or(DaemonError::Missing("zebra"))?;
        let temporary = self.path("tmp");
        std::fs::create_dir_all(&temporary)
            .map_err(|error| DaemonError::File(temporary.clone(), error))?;
        for folder in [&self.folder, &temporary] {
            give_to_frr(folder)?;
        }
        self.write("zebra.conf", "hostname router\nipv6 forwarding\n")?;
        self.write("bgpd.conf", &frr_configuration())?;
        self.spawn(network, &mut self.frr_command(&zebra, "zebra")?)?;
        self.wait_for(&self.path("zserv.api"))?;
        let mut command = self.frr_command(program, "bgpd")?;
        if forwarding == Forwarding::Left {
            command.arg("--no_kernel");
        }
        self.spawn(network, &mut command)
    }

    /// A daemon of FRR with everything it writes in the folder.
    fn frr_command(&self, program: &Path, name: &str) -> Result<Command, DaemonError> {
        let mut command = Command::new(program);
        command.arg("-f").arg(self.path(&format!("{name}.conf")));
        command.arg("-i").arg(self.path(&format!("{name}.pid")));
        command.arg("-z").arg(self.path("zserv.api"));
        command.arg("--vty_socket").arg(&self.folder);
        command.args(["--log", "stdout"]);
        if name == "zebra" {
            command.args(["-P", "0"]);
        } else {
            command.args(["-P", "0", "-p", "179"]);
        }
        let system = PathBuf::from("/var/tmp");
        mount_over(&mut command, &[(self.path("tmp"), system.clone())])
            .map_err(|error| DaemonError::File(system, error))?;
        Ok(command)
    }

    fn spawn(&mut self, network: &Network, command: &mut Command) -> Result<(), DaemonError> {
        let path = self.path("router.log");
        let failed = |error| DaemonError::File(path.clone(), error);
        let log = File::options().create(true).append(true).open(&path).map_err(failed)?;
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log);
        network.router().start_inside(command);
        die_with_parent(command, KILL);
        let program = PathBuf::from(command.get_program());
        self.children.push(command.spawn().map_err(|error| DaemonError::File(program, error))?);
        Ok(())
    }

    /// Waits until a router has made its socket.
    fn wait_for(&mut self, socket: &Path) -> Result<(), DaemonError> {
        let deadline = Instant::now() + START_PATIENCE;
        while !socket.exists() {
            self.check()?;
            if Instant::now() > deadline {
                return Err(self.ended());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// An error where it has ended.
    pub fn check(&mut self) -> Result<(), DaemonError> {
        let has_ended = |child: &mut Child| !matches!(child.try_wait(), Ok(None));
        if self.children.iter_mut().any(has_ended) { Err(self.ended()) } else { Ok(()) }
    }

    fn ended(&self) -> DaemonError {
        let log = std::fs::read_to_string(self.path("router.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n");
        DaemonError::Ended { kind: self.kind.name(), log: end }
    }

    /// Octets of memory that its processes have for themselves, and their part of what they share.
    pub fn memory_bytes(&self) -> u64 {
        self.children.iter().map(|child| pss_bytes(child.id())).sum()
    }

    /// Processor time of its processes so far.
    pub fn cpu_seconds(&self) -> f64 {
        self.children.iter().map(|child| cpu_seconds(child.id())).sum()
    }

    /// What Kumiki has said at its end of the turns of its control thread, in milliseconds.
    pub fn turns_ms(&self, name: &str) -> Option<f64> {
        let log = std::fs::read_to_string(self.path("router.log")).ok()?;
        turns_us(&log, name).map(|microseconds| microseconds / 1e3)
    }

    /// Ends it, and waits for that.
    pub fn end(&mut self) {
        for child in &mut self.children {
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        }
        let deadline = Instant::now() + END_PATIENCE;
        for child in &mut self.children {
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        self.children.clear();
    }

    /// The socket of Kumiki's API.
    pub fn kumiki_socket(&self) -> PathBuf {
        self.path("kumiki.sock")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), DaemonError> {
        let path = self.path(name);
        std::fs::write(&path, text).map_err(|error| DaemonError::File(path, error))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

/// A program of the search path, or of where routers of the system are.
fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let folders = std::env::split_paths(&path).chain(system.map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn frr_program(name: &str) -> Option<PathBuf> {
    FRR_FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// FRR's daemons drop to the user `frr` and make their sockets as such.
fn give_to_frr(folder: &Path) -> Result<(), DaemonError> {
    let users = PathBuf::from("/etc/passwd");
    let text = std::fs::read_to_string(&users).map_err(|error| DaemonError::File(users, error))?;
    let ids = text.lines().find_map(|line| {
        let mut fields = line.strip_prefix("frr:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    let (uid, gid) = ids.ok_or(DaemonError::Missing("user `frr`"))?;
    std::os::unix::fs::chown(folder, Some(uid), Some(gid))
        .map_err(|error| DaemonError::File(folder.to_owned(), error))
}

/// The proportional set size of a process (proc(5), smaps_rollup).
fn pss_bytes(id: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// User and system time of a process (proc(5), stat), at the usual hundred ticks a second.
fn cpu_seconds(id: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name of the program may hold anything, in parentheses.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// A number in the last line about turns.
fn turns_us(log: &str, name: &str) -> Option<f64> {
    let line = log.lines().rev().find(|line| line.contains("p999_us="))?;
    let words = line.split_whitespace();
    words.filter_map(|word| word.split_once('=')).find(|(key, _)| *key == name)?.1.parse().ok()
}

/// The router's file of Kumiki.
fn kumiki_configuration(socket: &Path) -> String {
    // One worker on the last core, as without a word.
    let cpu = core_affinity::get_core_ids().unwrap_or_default().last().map_or(0, |core| core.id);
    let mut text = format!(
        "[router]\nname = \"router\"\n\n[cluster]\nula = \"fd4b:756d:696b::/48\"\nnumber = 1\n\n\
         [dpdk]\nlcores = [{cpu}]\nhugepages = false\nidle = \"adaptive\"\n\n\
         [host]\nsocket = \"{}\"\n\n[bgp]\nasn = {ROUTER_ASN}\n\n\
         [[policy]]\nname = \"all\"\ndefault = \"accept\"\n\n[[policy]]\nname = \"none\"\n",
        socket.display()
    );
    for neighbour in Neighbour::ALL {
        let (number, name, asn) = (neighbour.number(), neighbour.name(), neighbour.asn());
        let (own, address) = (neighbour.router_address(), neighbour.address());
        let (import, export) = match neighbour {
            Neighbour::Sink => ("none", "all"),
            _ => ("all", "none"),
        };
        let _ = write!(
            text,
            "\n[[port]]\nname = \"d{number}\"\ndevice = \"af_packet:d{number}\"\n\
             role = \"uplink\"\naddress = \"{own}/64\"\nmtu = 9000\n\n\
             [[bgp.neighbor]]\naddress = \"{address}\"\nname = \"{name}\"\nasn = {asn}\n\
             import = \"{import}\"\nexport = \"{export}\"\n"
        );
    }
    text
}

fn bird_configuration(forwarding: Forwarding) -> String {
    let mut text = "log stderr { warning, error, fatal, bug };\nrouter id 10.0.0.10;\n\
                    protocol device { scan time 600; }\n"
        .to_owned();
    if forwarding == Forwarding::Filled {
        text.push_str(
            "protocol kernel { scan time 600; ipv6 { import none; export where source = RTS_BGP; \
             }; }\n",
        );
    }
    for neighbour in Neighbour::ALL {
        let (name, asn) = (neighbour.name(), neighbour.asn());
        let (own, address) = (neighbour.router_address(), neighbour.address());
        let (import, export) = match neighbour {
            Neighbour::Sink => ("none", "all"),
            _ => ("all", "none"),
        };
        let _ = writeln!(
            text,
            "protocol bgp to_{name} {{ local {own} as {ROUTER_ASN}; neighbor {address} as {asn}; \
             passive on; ipv6 {{ import {import}; export {export}; }}; }}"
        );
    }
    text
}

fn frr_configuration() -> String {
    let mut text = format!(
        "hostname router\nroute-map none deny 10\nexit\nrouter bgp {ROUTER_ASN}\n \
         bgp router-id 10.0.0.10\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n"
    );
    for neighbour in Neighbour::ALL {
        let (address, asn) = (neighbour.address(), neighbour.asn());
        let _ = write!(text, " neighbor {address} remote-as {asn}\n neighbor {address} passive\n");
    }
    text.push_str(" address-family ipv6 unicast\n");
    for neighbour in Neighbour::ALL {
        let address = neighbour.address();
        let direction = if neighbour == Neighbour::Sink { "in" } else { "out" };
        let _ = write!(
            text,
            "  neighbor {address} activate\n  neighbor {address} route-map none {direction}\n"
        );
    }
    text.push_str(" exit-address-family\nexit\n");
    text
}

fn gobgp_configuration() -> String {
    let mut text = format!("[global.config]\nas = {ROUTER_ASN}\nrouter-id = \"10.0.0.10\"\n");
    for neighbour in Neighbour::ALL {
        let (address, asn) = (neighbour.address(), neighbour.asn());
        let _ = write!(
            text,
            "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{address}\"\n\
             peer-as = {asn}\n[neighbors.transport.config]\npassive-mode = true\n\
             [[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\n\
             afi-safi-name = \"ipv6-unicast\"\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use kumiki::config::{FileError, FileSource, Overrides, Source, load};

    struct NoFiles;

    impl FileSource for NoFiles {
        fn read(&self, _: &str) -> Result<String, FileError> {
            unreachable!("the file names no other")
        }
    }

    #[test]
    fn the_file_of_kumiki_passes_its_loader() {
        let text = kumiki_configuration(Path::new("/run/router.sock"));
        let overrides = Overrides::default();
        let source =
            Source { origin: "kumiki.toml", text: &text, overrides: &overrides, files: &NoFiles };
        let config = load(&source).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
        assert_eq!(config.ports.len(), 3);
        assert_eq!(config.bgp.map(|bgp| bgp.neighbors.len()), Some(3));
    }

    #[test]
    fn every_router_is_told_of_every_neighbour() {
        let texts = [bird_configuration(Forwarding::Filled), frr_configuration()];
        for text in texts.into_iter().chain([gobgp_configuration()]) {
            for neighbour in Neighbour::ALL {
                assert!(text.contains(&neighbour.address().to_string()), "{text}");
                assert!(text.contains(&neighbour.asn().to_string()), "{text}");
            }
        }
    }

    #[test]
    fn turns_are_those_of_the_last_line_about_them() {
        let log = "turns topic=\"x\" count=7 p999_us=1 max_us=2\nINFO turns count=900 \
                   p999_us=4100 max_us=9000\nthe end\n";
        assert_eq!(turns_us(log, "p999_us"), Some(4100.0));
        assert_eq!(turns_us(log, "max_us"), Some(9000.0));
        assert_eq!(turns_us("the end\n", "max_us"), None);
    }

    #[test]
    fn a_process_has_memory_and_has_used_its_processor() {
        assert!(pss_bytes(std::process::id()) > 100_000);
        assert!(cpu_seconds(std::process::id()) >= 0.0);
        assert_eq!(pss_bytes(u32::MAX), 0);
    }
}
