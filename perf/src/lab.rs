//! One router of ours between two ports of the generator, on this machine.
//!
//! Owns [`Lab`]: a network namespace of its own, two cables (veth or memif), the router's file and
//! its process. The program runs itself once more inside the namespace.
//!
//! ```text
//!   generator g1 ═══ d1 router d2 ═══ g2 generator
//!   2001:db8:0:1::2   ::1      ::1     2001:db8:0:2::2
//! ```
//!
//! *Invariants*: nothing outlives the run: the router is ended with the lab, the namespace with the
//! process, the folder with both.

use crate::command::traffic::{PortArguments, TrafficArguments};
use crate::rib::{BrokenLines, Rib};
use clap::ValueEnum;
use std::fmt::Write;
use std::fs::File;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Set for the copy of this program that runs inside the namespace.
const INSIDE: &str = "KUMIKI_PERF_LAB";
/// How long a router may take until its socket is there.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a router may take to end.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// What joins generator and router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Cable {
    /// A veth pair, with AF_PACKET on both ends: the kernel carries every frame
    Veth,
    /// Shared memory
    Memif,
}

impl Cable {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Veth => "veth",
            Self::Memif => "memif",
        }
    }
}

/// Why there is no lab.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Namespaces.
    #[error("no network namespace can be made here; run as root or permit user namespaces")]
    Namespace,
    /// A tool of the system.
    #[error("`{0}` failed: {1}")]
    Tool(String, String),
    /// A file.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// The router's program.
    #[error("the router is not at {0}; build it (./dev build) or name it with --router")]
    NoRouter(PathBuf),
    /// It ended.
    #[error("the router did not start; its log:\n{0}")]
    Router(String),
    /// The table of prefixes.
    #[error(transparent)]
    Rib(#[from] crate::rib::RibError),
}

/// A router that runs.
#[derive(Debug)]
pub struct Lab {
    router: Child,
    folder: PathBuf,
}

/// The ports of a run, and the lab they lead to, where there is one.
pub type Ready = Option<(PortArguments, Option<Lab>)>;

impl Lab {
    /// The ports to use: those of a lab where one is asked for. `None` when everything has run in
    /// a copy of this program.
    pub fn of(ports: &PortArguments, traffic: &TrafficArguments) -> Result<Ready, LabError> {
        let Some(cable) = ports.lab else { return Ok(Some((ports.clone(), None))) };
        if std::env::var_os(INSIDE).is_none() {
            run_inside()?;
            return Ok(None);
        }
        let lab = Self::start(cable, ports, traffic)?;
        let device = |number: u32| match cable {
            Cable::Veth => format!("af_packet:g{number}"),
            // The driver keeps sockets by their names, so that each end writes them its own way.
            Cable::Memif => format!("memif:{}/c{number}.memif,role=client", lab.folder.display()),
        };
        let mut inside = ports.clone();
        inside.tx = Some(device(1));
        inside.rx = Some(device(2));
        inside.next_hop = Some(address(1, 1));
        inside.tx_address = vec![address(1, 2)];
        inside.rx_address = vec![address(2, 2)];
        Ok(Some((inside, Some(lab))))
    }

    /// The process of the router.
    pub fn router_id(&self) -> u32 {
        self.router.id()
    }

    fn start(
        cable: Cable,
        ports: &PortArguments,
        traffic: &TrafficArguments,
    ) -> Result<Self, LabError> {
        let program = router_program(ports.router.as_deref())?;
        let folder = std::env::temp_dir().join(format!("kumiki-perf-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|e| LabError::File(folder.clone(), e))?;
        tool("ip link set lo up")?;
        if cable == Cable::Veth {
            lay_veth(1)?;
            lay_veth(2)?;
        }
        write(&folder.join("routes.txt"), &routes(traffic)?)?;
        let file = folder.join("kumiki.toml");
        write(&file, &configuration(cable, &folder, router_cpu(ports.cpu)))?;
        let log_path = folder.join("router.log");
        let log = || File::create(&log_path).map_err(|e| LabError::File(log_path.clone(), e));
        // The router ends with this program, also where that is killed.
        let router = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .arg(&program)
            .arg("run")
            .arg("-c")
            .arg(&file)
            .stdout(log()?)
            .stderr(log()?)
            .spawn()
            .map_err(|error| LabError::File(program, error))?;
        let mut lab = Self { router, folder };
        lab.wait(&log_path)?;
        Ok(lab)
    }

    fn wait(&mut self, log: &Path) -> Result<(), LabError> {
        let deadline = Instant::now() + PATIENCE;
        while !self.folder.join("control.sock").exists() {
            let has_ended = matches!(self.router.try_wait(), Ok(Some(_)) | Err(_));
            if has_ended || Instant::now() > deadline {
                return Err(LabError::Router(std::fs::read_to_string(log).unwrap_or_default()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let id = self.router.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let deadline = Instant::now() + END_PATIENCE;
        while matches!(self.router.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.router.kill();
        let _ = self.router.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// `2001:db8:0:LINK::HOST`.
fn address(link: u16, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, link, 0, 0, 0, host)
}

/// The core of the router's worker: the first that is not the generator's.
fn router_cpu(generator: u16) -> usize {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let other = cores.iter().find(|core| core.id != usize::from(generator));
    other.map_or(0, |core| core.id)
}

/// Runs this program again in a namespace; ends it where that one failed.
fn run_inside() -> Result<(), LabError> {
    let ways: [&[&str]; 2] = [&["--net"], &["--net", "--user", "--map-root-user"]];
    let permitted = |way: &&&[&str]| {
        let mut probe = Command::new("unshare");
        probe.args(**way).args(["ip", "link", "add", "type", "veth"]);
        probe.output().is_ok_and(|output| output.status.success())
    };
    let way = ways.iter().find(permitted).ok_or(LabError::Namespace)?;
    let itself = std::env::current_exe().map_err(|e| LabError::File(PathBuf::from("self"), e))?;
    let status = Command::new("unshare")
        .args(*way)
        .arg(itself)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .status()
        .map_err(|e| LabError::Tool("unshare".to_owned(), e.to_string()))?;
    if !status.success() {
        // What was wrong has been said inside.
        std::process::exit(status.code().unwrap_or(2));
    }
    Ok(())
}

fn tool(words: &str) -> Result<(), LabError> {
    let mut parts = words.split(' ');
    let failed = |reason: String| LabError::Tool(words.to_owned(), reason);
    let output = Command::new(parts.next().unwrap_or_default())
        .args(parts)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

fn write(path: &Path, text: &str) -> Result<(), LabError> {
    std::fs::write(path, text).map_err(|error| LabError::File(path.to_owned(), error))
}

/// A veth pair between generator and router, on which the kernel is deaf. Equal interface numbers
/// on both ends would delay the carrier's news.
fn lay_veth(number: u32) -> Result<(), LabError> {
    let (near, far) = (100 + number, 200 + number);
    tool(&format!("ip link add g{number} index {near} type veth peer name d{number} index {far}"))?;
    for end in ["g", "d"] {
        let knob = format!("/proc/sys/net/ipv6/conf/{end}{number}/disable_ipv6");
        write(Path::new(&knob), "1")?;
        tool(&format!("ip link set {end}{number} mtu 9216 up"))?;
    }
    Ok(())
}

/// The program of the router: the one named, else the one beside this program.
pub fn router_program(named: Option<&Path>) -> Result<PathBuf, LabError> {
    let beside = || {
        let itself = std::env::current_exe().unwrap_or_default();
        itself.with_file_name("kumiki")
    };
    let path = named.map_or_else(beside, Path::to_owned);
    if path.exists() { Ok(path) } else { Err(LabError::NoRouter(path)) }
}

/// The routes that the traffic needs, one a line.
fn routes(traffic: &TrafficArguments) -> Result<String, LabError> {
    let prefixes = match traffic.rib.as_deref() {
        None => traffic.to.clone(),
        Some(path) if path == Path::new("made-up") => crate::command::traffic::made_up().prefixes,
        Some(path) => Rib::read(path, BrokenLines::Refuse)?.prefixes,
    };
    let mut text = String::new();
    for prefix in prefixes {
        let _ = writeln!(text, "{prefix}");
    }
    Ok(text)
}

/// The router's file.
fn configuration(cable: Cable, folder: &Path, cpu: usize) -> String {
    let folder = folder.display();
    let device = |number: u32| match cable {
        Cable::Veth => format!("af_packet:d{number}"),
        Cable::Memif => format!("memif:{folder}/c{number}.memif,role=server"),
    };
    let mut text = format!(
        "[router]\nname = \"dut\"\n\n[dpdk]\nlcores = [{cpu}]\nhugepages = false\n\n\
         [host]\ntun = \"kumiki0\"\nsocket = \"{folder}/control.sock\"\n"
    );
    for (number, name) in [(1, "in"), (2, "out")] {
        let (device, own) = (device(u32::from(number)), address(number, 1));
        let _ = write!(
            text,
            "\n[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\nrole = \"routed\"\n\
             address = \"{own}/64\"\nmtu = 9000\n"
        );
    }
    let via = address(2, 2);
    let _ = write!(text, "\n[[route]]\nprefixes = \"routes.txt\"\nvia = \"{via}\"\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use kumiki::config::{FileError, FileSource, Overrides, Source, load};

    struct OneRoute;

    impl FileSource for OneRoute {
        fn read(&self, _: &str) -> Result<String, FileError> {
            Ok("2001:db8:1::/64\n".to_owned())
        }
    }

    #[test]
    fn the_file_of_the_router_passes_its_loader() {
        for cable in [Cable::Veth, Cable::Memif] {
            let text = configuration(cable, Path::new("/run/lab"), 0);
            let overrides = Overrides::default();
            let source =
                Source { origin: "dut.toml", text: &text, overrides: &overrides, files: &OneRoute };
            let config = load(&source).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
            assert_eq!((config.ports.len(), config.routes.len()), (2, 1));
        }
    }
}
