//! The words of `kumiki lab` and what each does.
//!
//! Owns the command line; the course of a test is [`super::scenario`]'s.
//!
//! *Invariants*: the user namespace, where one is needed, is entered before the first thread starts.

use crate::lab::cleanup;
use crate::lab::error::LabError;
use crate::lab::fabric::Lab;
use crate::lab::fault::{Fault, parse_cable, parse_server};
use crate::lab::layout;
use crate::lab::ping::{Pinger, pairs_of};
use crate::lab::process::ProcessRecord;
use crate::lab::report::{PingReport, TEST_SCHEMA, TestReport, fault_table};
use crate::lab::scenario::{self, LabOptions};
use crate::lab::session::{Narration, Session};
use crate::lab::state::{CableStatus, Driver, LabDirectory, ServerKind};
use crate::lab::{demo, status};
use crate::os::namespace::{
    Namespace, enter_user_namespace, join_user_namespace, may_create_namespaces,
};
use crate::planner::families::file;
use crate::planner::{Topology, TopologyError, TopologySpec, server_name};
use clap::{Args, Subcommand};
use std::collections::BTreeMap;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// Servers when neither `--servers` nor the topology says how many.
const SERVER_COUNT_DEFAULT: usize = 4;
/// How long one echo of `lab ping` may take.
const ECHO_WAIT: Duration = Duration::from_secs(1);

/// A whole cluster of real routers on this machine, in network namespaces.
#[derive(Args, Debug)]
pub struct LabCommand {
    /// Name of the lab; several may run side by side.
    #[arg(long, global = true)]
    lab: Option<String>,
    #[command(subcommand)]
    action: LabAction,
}

#[derive(Subcommand, Debug)]
enum LabAction {
    /// Start a lab that stays until `lab down`.
    Up {
        #[command(flatten)]
        shape: Shape,
    },
    /// Servers, hosts and cables of the lab.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Cut cables: both ends lose carrier.
    Cut {
        /// Cables, such as s01-s02.
        #[arg(required = true)]
        cables: Vec<String>,
    },
    /// Make cables silent: nothing arrives, but carrier stays.
    Silence {
        /// Cables, such as s01-s02.
        #[arg(required = true)]
        cables: Vec<String>,
    },
    /// Mend cables; all that are broken when none is named.
    Heal {
        /// Cables, such as s01-s02.
        cables: Vec<String>,
    },
    /// Kill routers as a crash would; their hosts and cables stay.
    Kill {
        /// Servers, such as s03.
        #[arg(required = true)]
        servers: Vec<String>,
    },
    /// Start routers that were killed; all of them when none is named.
    Start {
        /// Servers, such as s03.
        servers: Vec<String>,
    },
    /// Run a program on a server (s01), a host (h01) or in the fabric.
    Exec {
        /// s01, h01 or fabric.
        place: String,
        /// The program and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Every host pings every other, or one host another.
    Ping {
        /// Host that asks, such as h01.
        from: Option<String>,
        /// Host that answers.
        to: Option<String>,
        /// Octets of data; several sizes separated by commas. Default: 64 and the largest that passes.
        #[arg(long, value_delimiter = ',')]
        size: Vec<usize>,
    },
    /// End the lab and remove everything of it.
    Down {
        /// Every lab of this user.
        #[arg(long)]
        all: bool,
    },
    /// Start a lab, break and mend it, measure, and end it.
    Test {
        #[command(flatten)]
        shape: Shape,
        /// cut:s01-s02, silent:s01-s02 or kill:s03; several at once joined with `+`. Repeatable.
        #[arg(long = "fault")]
        faults: Vec<String>,
        /// The result as JSON on standard output.
        #[arg(long)]
        json: bool,
        /// Leave the lab running.
        #[arg(long)]
        keep: bool,
    },
    /// A guided tour: four routers in a ring, a cable cut and mended.
    Demo {
        /// Another router in place of Kumiki: s03=frr or s03=bird. Repeatable.
        #[arg(long = "peer")]
        peers: Vec<String>,
    },
}

#[derive(Args, Debug)]
struct Shape {
    /// Number of servers. Default: what the topology says, else 4.
    #[arg(long)]
    servers: Option<usize>,
    /// ring, line, mesh, circulant:1,3, torus:4x3, or a file with a cable a line (`s01 s02`).
    #[arg(long, default_value = "ring")]
    topology: String,
    /// Device under the routers' fabric ports.
    #[arg(long, value_enum, default_value_t)]
    driver: Driver,
    /// Another router in place of Kumiki: s03=frr or s03=bird. Repeatable.
    #[arg(long = "peer")]
    peers: Vec<String>,
}

/// Runs the command; errors are told on standard error. Returns the exit code.
pub fn run(command: LabCommand) -> u8 {
    match dispatch(command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("kumiki lab: {error}");
            error.exit_code()
        }
    }
}

fn dispatch(command: LabCommand) -> Result<u8, LabError> {
    let name = command.lab;
    let kept = name.clone().unwrap_or_else(|| "lab".to_owned());
    let own = name.unwrap_or_else(|| format!("test-{}", std::process::id()));
    match command.action {
        LabAction::Up { shape } => up(&kept, &shape),
        LabAction::Status { json } => status::print(&open(&kept)?, json),
        LabAction::Cut { cables } => set_cables(&kept, &cables, CableStatus::Cut),
        LabAction::Silence { cables } => set_cables(&kept, &cables, CableStatus::Silent),
        LabAction::Heal { cables } => heal(&kept, &cables),
        LabAction::Kill { servers } => kill(&kept, &servers),
        LabAction::Start { servers } => start(&kept, &servers),
        LabAction::Exec { place, command } => exec(&kept, &place, &command),
        LabAction::Ping { from, to, size } => ping(&kept, from.zip(to), &size),
        LabAction::Down { all: false } => down(&kept),
        LabAction::Down { all: true } => {
            LabDirectory::all().iter().try_for_each(|(_, lab)| cleanup::end(lab)).map(|()| 0)
        }
        LabAction::Test { shape, faults, json, keep } => {
            let name = if keep { kept } else { own };
            test(options(&name, &shape, keep)?, &faults, json)
        }
        LabAction::Demo { peers } => demo::run(options(&own, &Shape::demo(peers), false)?),
    }
}

impl Shape {
    fn demo(peers: Vec<String>) -> Self {
        Self {
            servers: Some(SERVER_COUNT_DEFAULT),
            topology: "ring".to_owned(),
            driver: Driver::AfPacket,
            peers,
        }
    }

    fn build(&self) -> Result<Topology, LabError> {
        match self.topology.parse::<TopologySpec>() {
            Ok(spec) => match spec.build(self.servers) {
                Err(TopologyError::CountMissing(_)) => Ok(spec.build(Some(SERVER_COUNT_DEFAULT))?),
                other => Ok(other?),
            },
            Err(unknown) => match std::fs::read_to_string(&self.topology) {
                Ok(text) => Ok(file::parse(&text, self.servers)?),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(unknown.into()),
                Err(error) => Err(LabError::file("read", &self.topology, error)),
            },
        }
    }
}

/// Reads the command line, and enters a user namespace where that is the only way.
fn options(name: &str, shape: &Shape, is_kept: bool) -> Result<LabOptions, LabError> {
    let topology = shape.build()?;
    let mut peers = BTreeMap::new();
    for text in &shape.peers {
        let (server, kind) = parse_peer(text, topology.server_count())?;
        peers.insert(server, kind);
    }
    let is_lab_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if name.is_empty() || name.len() > 40 || !is_lab_name {
        return Err(LabError::Name {
            given: name.to_owned(),
            expected: "no name for a lab: use up to 40 letters, digits, `-` and `_`".to_owned(),
        });
    }
    // The directory is chosen by the user's own id, before that becomes root.
    let _ = LabDirectory::of(name);
    let is_root = rustix::process::geteuid().is_root();
    let mut holder = None;
    if !(is_root && may_create_namespaces()) {
        enter_user_namespace()?;
        holder = Some(start_holder(is_kept)?);
    }
    check_driver(shape.driver, holder.is_some(), &peers)?;
    Ok(LabOptions {
        name: name.to_owned(),
        topology,
        topology_text: shape.topology.clone(),
        driver: shape.driver,
        peers,
        is_kept,
        holder,
    })
}

/// What a driver cannot do is refused before anything is made.
fn check_driver(
    driver: Driver,
    is_rootless: bool,
    peers: &BTreeMap<usize, ServerKind>,
) -> Result<(), LabError> {
    let refuse =
        |reason: &str| Err(LabError::Driver { driver: driver.name(), reason: reason.to_owned() });
    match driver {
        Driver::AfXdp if is_rootless => {
            refuse("it needs root; the kernel gives no XDP socket in a user namespace")
        }
        Driver::Memif if !peers.is_empty() => {
            refuse("a memif cable joins two Kumiki routers only; use af_packet with --peer")
        }
        _ => Ok(()),
    }
}

/// A process that does nothing but keep the user namespace for later commands.
fn start_holder(is_kept: bool) -> Result<ProcessRecord, LabError> {
    let program = "sleep";
    let mut command = Command::new(program);
    command.arg("infinity");
    crate::os::namespace::start_detached(&mut command);
    if !is_kept {
        crate::os::namespace::die_with_parent(&mut command, libc::SIGKILL);
    }
    let failed = |source| LabError::Start { program: program.into(), source, hint: "" };
    let child = command.spawn().map_err(failed)?;
    ProcessRecord::of_pid(child.id())
        .ok_or_else(|| failed(std::io::Error::from(std::io::ErrorKind::NotFound)))
}

fn parse_peer(text: &str, count: usize) -> Result<(usize, ServerKind), LabError> {
    let refused = || LabError::Name {
        given: text.to_owned(),
        expected: "no peer; write s03=frr or s03=bird".to_owned(),
    };
    let (server, kind) = text.split_once('=').ok_or_else(refused)?;
    let kind = match kind {
        "frr" => ServerKind::Frr,
        "bird" => ServerKind::Bird,
        "kumiki" => ServerKind::Kumiki,
        _ => return Err(refused()),
    };
    Ok((parse_server(server, count)?, kind))
}

/// Opens a lab that another command started.
fn open(name: &str) -> Result<Lab, LabError> {
    let directory = LabDirectory::of(name);
    let state = directory.load()?.ok_or_else(|| LabError::NotRunning(name.to_owned()))?;
    if let Some(holder) = state.holder {
        if !holder.is_alive() {
            return Err(LabError::NotRunning(name.to_owned()));
        }
        join_user_namespace(holder.pid)?;
    }
    Lab::open(directory, state)
}

fn topology_of(lab: &Lab) -> Result<Topology, LabError> {
    let cables = lab.state.cables.iter().map(|cable| cable.ends).collect();
    Ok(Topology::new(lab.server_count(), cables)?)
}

fn up(name: &str, shape: &Shape) -> Result<u8, LabError> {
    let options = options(name, shape, true)?;
    let session = Session::start(Narration::Output)?;
    let lab = scenario::bring_up(&session, &options)?;
    let mut report = TestReport::default();
    let ready = scenario::wait_ready(&session, &lab, &mut report);
    session.finish();
    if let Err(LabError::Interrupted) = ready {
        cleanup::end(&lab.directory)?;
    }
    if let Err(error) = ready {
        if !matches!(error, LabError::Interrupted) {
            session.line("  the lab stays for a look; `kumiki lab down` ends it");
        }
        return Err(error);
    }
    session
        .line(&format!("  configurations, sockets and logs: {}", lab.directory.path().display()));
    Ok(0)
}

fn down(name: &str) -> Result<u8, LabError> {
    let directory = LabDirectory::of(name);
    if !directory.path().exists() {
        return Err(LabError::NotRunning(name.to_owned()));
    }
    cleanup::end(&directory)?;
    println!("lab {name} ended");
    Ok(0)
}

fn set_cables(name: &str, cables: &[String], status: CableStatus) -> Result<u8, LabError> {
    let mut lab = open(name)?;
    let topology = topology_of(&lab)?;
    let cables =
        cables.iter().map(|cable| parse_cable(cable, &topology)).collect::<Result<Vec<_>, _>>()?;
    for cable in cables {
        check_breakable(&lab)?;
        lab.set_cable(cable, status)?;
    }
    Ok(0)
}

/// A memif cable is memory shared by two processes: nothing between them can be cut.
fn check_breakable(lab: &Lab) -> Result<(), LabError> {
    match lab.state.driver {
        Driver::Memif => Err(LabError::Driver {
            driver: "memif",
            reason: "its cables are shared memory and cannot be cut; `lab kill` a router instead"
                .to_owned(),
        }),
        _ => Ok(()),
    }
}

fn heal(name: &str, cables: &[String]) -> Result<u8, LabError> {
    if !cables.is_empty() {
        return set_cables(name, cables, CableStatus::Connected);
    }
    let mut lab = open(name)?;
    for cable in 0..lab.state.cables.len() {
        if lab.state.cables[cable].status != CableStatus::Connected {
            lab.set_cable(cable, CableStatus::Connected)?;
        }
    }
    Ok(0)
}

fn kill(name: &str, servers: &[String]) -> Result<u8, LabError> {
    let mut lab = open(name)?;
    let count = lab.server_count();
    let servers =
        servers.iter().map(|server| parse_server(server, count)).collect::<Result<Vec<_>, _>>()?;
    servers.into_iter().try_for_each(|server| lab.kill(server)).map(|()| 0)
}

fn start(name: &str, servers: &[String]) -> Result<u8, LabError> {
    let mut lab = open(name)?;
    let count = lab.server_count();
    let servers = match servers {
        [] => (0..count).filter(|server| !lab.is_running(*server)).collect(),
        named => {
            named.iter().map(|server| parse_server(server, count)).collect::<Result<Vec<_>, _>>()?
        }
    };
    servers.into_iter().try_for_each(|server| lab.start(server)).map(|()| 0)
}

fn exec(name: &str, place: &str, words: &[String]) -> Result<u8, LabError> {
    let lab = open(name)?;
    let path = lab.directory.namespace(place);
    if !path.exists() {
        let last = server_name(lab.server_count() - 1);
        return Err(LabError::Name {
            given: place.to_owned(),
            expected: format!("no place of this lab; use s01 to {last}, h01 …, or fabric"),
        });
    }
    let namespace = Namespace::open(&path)?;
    let Some((program, arguments)) = words.split_first() else { return Ok(2) };
    let mut command = Command::new(program);
    command.args(arguments);
    namespace.start_inside(&mut command);
    let status = command.status().map_err(|source| LabError::Start {
        program: program.into(),
        source,
        hint: "",
    })?;
    Ok(exit_code(status))
}

/// The program's own code, or 128 and the signal as shells have it.
fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn ping(name: &str, pair: Option<(String, String)>, sizes: &[usize]) -> Result<u8, LabError> {
    let lab = open(name)?;
    let count = lab.server_count();
    let pairs = match pair {
        None => pairs_of(count, |_, _| true),
        Some((from, to)) => vec![(parse_host(&from, count)?, parse_host(&to, count)?)],
    };
    let defaults = [scenario::SMALL_PING_OCTETS, scenario::large_ping_octets(&lab)];
    let sizes = if sizes.is_empty() { &defaults } else { sizes };
    let mut pinger = Pinger::open(&lab)?;
    let mut is_complete = true;
    for &octets in sizes {
        let round = pinger.round(&pairs, octets, ECHO_WAIT);
        println!("{}", PingReport::new(octets, pairs.len(), &round).sentence());
        for (from, to) in &round.missing {
            let (from, to) = (layout::host_name(*from), layout::host_name(*to));
            println!("  {from} gets no answer from {to}");
        }
        is_complete &= round.is_complete();
    }
    Ok(u8::from(!is_complete))
}

/// Hosts are called h01 and, for convenience, by their server's name.
fn parse_host(text: &str, count: usize) -> Result<usize, LabError> {
    let as_server = match text.strip_prefix('h') {
        Some(number) => format!("s{number}"),
        None => text.to_owned(),
    };
    Ok(parse_server(&as_server, count)?)
}

fn test(options: LabOptions, faults: &[String], json: bool) -> Result<u8, LabError> {
    let topology = &options.topology;
    let faults =
        faults.iter().map(|fault| Fault::parse(fault, topology)).collect::<Result<Vec<_>, _>>()?;
    let session = Session::start(Narration::Error)?;
    let mut lab = scenario::bring_up(&session, &options)?;
    let result = run_faults(&session, &mut lab, &options, &faults);
    session.finish();
    let directory = lab.directory.clone();
    drop(lab);
    let ended = if options.is_kept { Ok(()) } else { cleanup::end(&directory) };
    let report = result?;
    ended?;
    if json {
        let text = serde_json::to_string_pretty(&report)
            .map_err(|e| LabError::file("write", "standard output", std::io::Error::other(e)))?;
        println!("{text}");
    } else {
        print_report(&report);
    }
    Ok(u8::from(!report.is_passed))
}

fn run_faults(
    session: &Session,
    lab: &mut Lab,
    options: &LabOptions,
    faults: &[Fault],
) -> Result<TestReport, LabError> {
    let mut report = TestReport {
        schema: TEST_SCHEMA,
        servers: lab.server_count(),
        topology: options.topology_text.clone(),
        driver: options.driver.name(),
        kinds: lab.state.servers.iter().map(|server| server.kind.name()).collect(),
        adjacencies_expected: lab.adjacencies_expected(),
        ..TestReport::default()
    };
    if !faults.iter().all(|fault| fault.killed().len() == fault.parts.len()) {
        check_breakable(lab)?;
    }
    scenario::wait_ready(session, lab, &mut report)?;
    for fault in faults {
        session.doing(&format!("fault {}", fault.text));
        let start = std::time::Instant::now();
        let found = scenario::run_fault(session, lab, &options.topology, fault, |_| {})?;
        let text = format!(
            "{}: {} lost, outage {:.1} ms; at restore {} lost",
            found.fault, found.lost_packets, found.outage_ms, found.restore_lost_packets
        );
        if found.recovered && found.restored {
            session.step(&text, start.elapsed());
        } else {
            session.failed(&text);
        }
        report.faults.push(found);
    }
    report.adjacencies_full = lab.full_count_total();
    let is_complete = report.adjacencies_full == report.adjacencies_expected;
    let is_mended = report.faults.iter().all(|fault| fault.recovered && fault.restored);
    let has_routes = lab.missing_routes()?.is_empty();
    report.is_passed = is_complete && is_mended && has_routes;
    Ok(report)
}

fn print_report(report: &TestReport) {
    if !report.faults.is_empty() {
        println!("{}", fault_table(&report.faults));
    }
    println!(
        "{}: {} of {} adjacencies Full",
        if report.is_passed { "passed" } else { "FAILED" },
        report.adjacencies_full,
        report.adjacencies_expected
    );
}
