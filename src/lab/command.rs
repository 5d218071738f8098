//! The words of `kumiki lab` and what each does.
//!
//! Owns the command line; the course of a test is [`super::scenario`]'s.
//!
//! *Invariants*: everything that can be refused is refused before the first process starts; the
//! user namespace, where one is needed, is entered before the first thread starts.

use crate::lab::actions::Pinged;
use crate::lab::error::LabError;
use crate::lab::fault::parse_server;
use crate::lab::scenario::LabOptions;
use crate::lab::session::complain;
use crate::lab::site::Site;
use crate::lab::state::{BFD_INTERVAL_MS_DEFAULT, CableStatus, Driver, LabDirectory, ServerKind};
use crate::lab::test::{Course, Format};
use crate::lab::two_clusters::TWO_CLUSTERS;
use crate::lab::{actions, demo, status, test};
use crate::os::namespace::{enter_user_namespace, may_create_namespaces};
use crate::planner::families::file;
use crate::planner::{Topology, TopologyError, TopologySpec, server_name};
use clap::{Args, Subcommand};
use core::ops::Range;
use std::collections::BTreeMap;

/// Servers when neither `--servers` nor the topology says how many.
const SERVER_COUNT_DEFAULT: usize = 4;
/// Repetitions of the faults of a test: a night of them.
const REPEAT_MAX: i64 = 1000;
/// Octets of a lab's name: it is part of the path of sockets, which have 107.
const LAB_NAME_OCTETS_MAX: usize = 40;

/// A whole cluster of real routers on this machine, in network namespaces.
#[derive(Args, Debug)]
pub struct LabCommand {
    /// Name of the lab; several may run side by side.
    #[arg(long, global = true, value_parser = lab_name)]
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
    /// Run a program on a server (s01), a host (h01), in the fabric or at the provider (isp).
    Exec {
        /// s01, h01, fabric or isp.
        place: String,
        /// The program and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Every host pings every other, one host all others, or one another.
    Ping {
        /// Host that asks, such as h01.
        from: Option<String>,
        /// Host that answers.
        to: Option<String>,
        /// Octets of data; several sizes separated by commas. Default: 64 and the largest that
        /// passes.
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
        /// cut:s01-s02, silent:s01-s02, kill:s03, stop:s03 (in order) or panic:s03 (its control
        /// plane fails); several at once joined with `+`. Repeatable.
        #[arg(long = "fault")]
        faults: Vec<String>,
        /// Break and mend everything this often; medians, nine tenths and the worst are reported.
        #[arg(long, value_name = "TIMES", default_value_t = 1,
              value_parser = clap::value_parser!(u32).range(1..=REPEAT_MAX))]
        repeat: u32,
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
    /// two-clusters: two clusters of that shape, each with an AS, a ULA and two edges of its own,
    /// and a provider between them. A test of it makes exits die and come back, looks at who
    /// reaches whom at every stage, and counts routes of OSPF in the provider's table.
    #[arg(long, value_enum)]
    scenario: Option<Scenario>,
    /// What the provider of a scenario runs: bird or frr.
    #[arg(long, value_enum, default_value_t, requires = "scenario")]
    isp: Isp,
    /// Number of servers, of each cluster. Default: what the topology says, else 4.
    #[arg(long)]
    servers: Option<usize>,
    /// ring, line, mesh, circulant:1,3, torus:4x3, or a file with a cable a line (`s01 s02`).
    #[arg(long, default_value = "ring")]
    topology: String,
    /// Device under the routers' fabric ports.
    #[arg(long, value_enum, default_value_t)]
    driver: Driver,
    /// Another router in place of Kumiki: s03=frr or s03=bird, all=frr for every server.
    /// Repeatable; the last word on a server holds.
    #[arg(long = "peer")]
    peers: Vec<String>,
    /// Milliseconds between two BFD packets, of which three may be missing; 0: no BFD.
    #[arg(long, value_name = "MS", default_value_t = BFD_INTERVAL_MS_DEFAULT,
          value_parser = bfd_interval)]
    bfd: u16,
}

/// A lab that is more than one cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Scenario {
    /// Two clusters with exits to one provider.
    #[value(name = TWO_CLUSTERS)]
    TwoClusters,
}

/// A router outside of the clusters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
enum Isp {
    /// BIRD 2 or 3.
    #[default]
    Bird,
    /// FRR; as root only.
    Frr,
}

impl Isp {
    fn kind(self) -> ServerKind {
        match self {
            Self::Bird => ServerKind::Bird,
            Self::Frr => ServerKind::Frr,
        }
    }
}

/// What routers take: nothing, or 10 ms and more.
fn bfd_interval(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(ms @ (0 | 10..=60_000)) => Ok(ms),
        _ => Err("0, or 10 to 60000".to_owned()),
    }
}

/// Runs the command; errors are told on standard error. Returns the exit code.
pub fn run(command: LabCommand) -> u8 {
    match dispatch(command) {
        Ok(code) => code,
        Err(error) => {
            complain(format_args!("kumiki lab: {error}"));
            error.exit_code()
        }
    }
}

fn dispatch(command: LabCommand) -> Result<u8, LabError> {
    let name = command.lab;
    let kept = name.clone().unwrap_or_else(|| "lab".to_owned());
    let own = name.unwrap_or_else(|| format!("test-{}", std::process::id()));
    match command.action {
        LabAction::Up { shape } => {
            let options = options(&kept, &shape, true)?;
            enter(&options)?;
            test::up(&options)
        }
        LabAction::Status { json } => status::print(&actions::open(&kept)?, json),
        LabAction::Cut { cables } => actions::set_cables(&kept, &cables, CableStatus::Cut),
        LabAction::Silence { cables } => actions::set_cables(&kept, &cables, CableStatus::Silent),
        LabAction::Heal { cables } => actions::heal(&kept, &cables),
        LabAction::Kill { servers } => actions::kill(&kept, &servers),
        LabAction::Start { servers } => actions::start(&kept, &servers),
        LabAction::Exec { place, command } => actions::exec(&kept, &place, &command),
        LabAction::Ping { from, to, size } => actions::ping(&kept, &Pinged { from, to }, &size),
        LabAction::Down { all: false } => actions::down(&kept),
        LabAction::Down { all: true } => actions::down_all(),
        LabAction::Test { shape, faults, repeat, json, keep } => {
            let name = if keep { kept } else { own };
            let options = options(&name, &shape, keep)?;
            let faults = test::parse_faults(&options, &faults)?;
            enter(&options)?;
            let format = if json { Format::Json } else { Format::Table };
            test::test(&options, &Course { faults, repeat }, format)
        }
        LabAction::Demo { peers } => {
            let options = options(&own, &Shape::demo(peers), false)?;
            enter(&options)?;
            demo::run(&options)
        }
    }
}

impl Shape {
    fn demo(peers: Vec<String>) -> Self {
        Self {
            servers: Some(SERVER_COUNT_DEFAULT),
            topology: "ring".to_owned(),
            driver: Driver::AfPacket,
            peers,
            bfd: BFD_INTERVAL_MS_DEFAULT,
            scenario: None,
            isp: Isp::Bird,
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

/// The name becomes that of a directory, which `lab down` removes: it must not lead elsewhere.
fn lab_name(given: &str) -> Result<String, LabError> {
    let is_fit = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if given.is_empty() || given.len() > LAB_NAME_OCTETS_MAX || !given.bytes().all(is_fit) {
        return Err(LabError::Name {
            given: given.to_owned(),
            expected: format!(
                "no name for a lab: use up to {LAB_NAME_OCTETS_MAX} letters, digits, `-` and `_`"
            ),
        });
    }
    Ok(given.to_owned())
}

/// Reads the command line and refuses what cannot be.
fn options(name: &str, shape: &Shape, is_kept: bool) -> Result<LabOptions, LabError> {
    let topology = shape.build()?;
    let outside = match shape.scenario {
        Some(Scenario::TwoClusters) => Some((Site::new(&topology)?, shape.isp.kind())),
        None => None,
    };
    let count = outside.as_ref().map_or(topology.server_count(), |(site, _)| site.server_count);
    let mut peers = BTreeMap::new();
    for text in &shape.peers {
        let (servers, kind) = parse_peer(text, count)?;
        peers.extend(servers.map(|server| (server, kind)));
    }
    peers.retain(|_, kind| *kind != ServerKind::Kumiki);
    let is_rootless = !(rustix::process::geteuid().is_root() && may_create_namespaces());
    check_driver(shape.driver, is_rootless, &peers)?;
    check_peers(is_rootless, &peers)?;
    if let Some((site, provider)) = &outside {
        check_peers(is_rootless, &BTreeMap::from([(count, *provider)]))?;
        check_edges(site, &peers)?;
    }
    Ok(LabOptions {
        name: name.to_owned(),
        topology,
        outside,
        topology_text: shape.topology.clone(),
        driver: shape.driver,
        bfd_interval_ms: shape.bfd,
        peers,
        is_kept,
        is_rootless,
    })
}

/// Enters a user namespace where that is the only way.
fn enter(options: &LabOptions) -> Result<(), LabError> {
    // The directory is chosen by the user's own id, before that becomes root.
    let _ = LabDirectory::of(&options.name);
    if options.is_rootless {
        enter_user_namespace()?;
    }
    Ok(())
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

/// What a peer cannot do, the same.
fn check_peers(is_rootless: bool, peers: &BTreeMap<usize, ServerKind>) -> Result<(), LabError> {
    if is_rootless && peers.values().any(|kind| *kind == ServerKind::Frr) {
        let reason = "its daemons want to become user `frr`, which a user namespace does not have; \
                      run the lab as root, or take bird";
        return Err(LabError::Peer { kind: "frr", reason: reason.to_owned() });
    }
    Ok(())
}

/// Only Kumiki is configured as an edge.
fn check_edges(site: &Site, peers: &BTreeMap<usize, ServerKind>) -> Result<(), LabError> {
    match site.edges.iter().find_map(|edge| peers.get(edge).map(|kind| (*edge, kind.name()))) {
        None => Ok(()),
        Some((edge, kind)) => {
            let reason = format!("{} is an edge, which is Kumiki's place", server_name(edge));
            Err(LabError::Peer { kind, reason })
        }
    }
}

fn parse_peer(text: &str, count: usize) -> Result<(Range<usize>, ServerKind), LabError> {
    let refused = || LabError::Name {
        given: text.to_owned(),
        expected: "no peer; write s03=frr, s03=bird or all=frr".to_owned(),
    };
    let (servers, kind) = text.split_once('=').ok_or_else(refused)?;
    let kind = match kind {
        "frr" => ServerKind::Frr,
        "bird" => ServerKind::Bird,
        "kumiki" => ServerKind::Kumiki,
        _ => return Err(refused()),
    };
    if servers == "all" {
        return Ok((0..count, kind));
    }
    let server = parse_server(servers, count)?;
    Ok((server..server + 1, kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        lab: LabCommand,
    }

    #[test]
    fn the_words_of_the_issue_are_understood() {
        Program::command().debug_assert();
        for line in [
            "lab up --servers 8 --topology circulant:1,3 --driver af_packet",
            "lab test --servers 6 --topology ring --peer s02=frr --peer s05=bird",
            "lab test --servers 8 --peer all=frr --fault cut:s01-s02 --repeat 10",
            "lab test --fault cut:s01-s02 --fault silent:s02-s03+kill:s05 --json --keep",
            "lab test --bfd 10 --fault silent:s01-s02",
            "lab test --scenario two-clusters --isp frr --topology mesh --servers 6 --json",
            "lab up --scenario two-clusters",
            "lab status --json --lab other",
            "lab exec h01 ping -c 1 ::1",
            "lab ping h01 h02 --size 64,8900",
            "lab silence s01-s02",
            "lab heal",
            "lab down --all",
            "lab demo",
        ] {
            assert!(Program::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }

    #[test]
    fn no_name_of_a_lab_leads_out_of_its_directory() {
        for name in ["", ".", "..", "../home", "/etc", "a/b", ".failed", &"x".repeat(41)] {
            for action in ["down", "status", "up"] {
                let line = ["lab", "--lab", name, action];
                assert!(Program::try_parse_from(line).is_err(), "{name} {action}");
            }
        }
        assert!(Program::try_parse_from(["lab", "down", "--lab", "test-4_b"]).is_ok());
    }

    #[test]
    fn a_peer_is_one_server_or_all() {
        let servers = |text| parse_peer(text, 4).map(|(servers, kind)| (servers, kind.name()));
        assert_eq!(servers("s03=bird").unwrap(), (2..3, "bird"));
        assert_eq!(servers("all=frr").unwrap(), (0..4, "frr"));
        for wrong in ["s05=frr", "all", "all=quagga", "=frr"] {
            assert!(servers(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_driver_that_cannot_is_refused_with_the_reason() {
        let nobody = BTreeMap::new();
        let peers = BTreeMap::from([(0, ServerKind::Frr)]);
        assert!(check_driver(Driver::AfPacket, true, &peers).is_ok());
        let rootless = check_driver(Driver::AfXdp, true, &nobody).unwrap_err();
        assert!(rootless.to_string().contains("needs root"));
        assert_eq!(rootless.exit_code(), 2);
        assert!(check_driver(Driver::Memif, false, &peers).is_err());
    }

    #[test]
    fn an_edge_is_kumikis_place() {
        let ring = "ring".parse::<TopologySpec>().unwrap().build(Some(4)).unwrap();
        let site = Site::new(&ring).unwrap();
        assert!(check_edges(&site, &BTreeMap::from([(1, ServerKind::Frr)])).is_ok());
        let refused = check_edges(&site, &BTreeMap::from([(6, ServerKind::Bird)])).unwrap_err();
        assert_eq!(refused.to_string(), "peer bird: s07 is an edge, which is Kumiki's place");
    }

    #[test]
    fn frr_is_refused_without_root() {
        let peers = BTreeMap::from([(0, ServerKind::Bird), (2, ServerKind::Frr)]);
        assert!(check_peers(false, &peers).is_ok());
        assert!(check_peers(true, &peers).unwrap_err().to_string().contains("take bird"));
    }
}
