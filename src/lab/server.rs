//! Starts and kills what runs on a server.
//!
//! The configuration file of a Kumiki router is [`super::router_file`]'s; those of other routers
//! are [`super::peer`]'s.
//!
//! *Invariants*: every process starts in its server's namespace, with its output in the server's
//! log, in a session of its own, so that ctrl-C reaches the lab only, which then ends them. It is
//! in the state file before the next one starts, so that nothing that fails later can hide it.

use crate::api::ShowQuery;
use crate::api::show::ShowReply;
use crate::lab::error::LabError;
use crate::lab::fabric::Lab;
use crate::lab::layout::{self, LAN_PORT, UPLINK_PORT, fabric_port};
use crate::lab::peer;
use crate::lab::process::{ProcessRecord, end_all};
use crate::lab::provider::{EDGE_WATCH, PASSWORD_FILE};
use crate::lab::router_file::{EdgeFile, FilePort, RouterFile, UPLINK_NAME};
use crate::lab::session::{Progress, Session};
use crate::lab::state::{Driver, Place, ServerKind};
use crate::os::namespace::{Namespace, die_with_parent, mount_over, start_detached};
use crate::os::netlink::RouteSocket;
use crate::planner::server_name;
use rustix::process::Signal;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long SIGKILL may take; the memory of a router is freed within it.
const KILL_WAIT: Duration = Duration::from_secs(10);
/// How long a router may take to open its ports.
const START_WAIT: Duration = Duration::from_secs(20);
/// Lines of a log that are shown when its router failed.
const LOG_TAIL_LINES: usize = 15;

/// A program to start on a server.
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How to get it; empty or starts with `; `.
    pub hint: &'static str,
    /// Directories of the lab that it shall see in place of those of the system.
    pub mounted_over: Vec<(PathBuf, PathBuf)>,
}

impl Lab {
    /// Starts every router.
    pub fn start_all(&mut self, session: &Session) -> Result<(), LabError> {
        self.start_provider(session)?;
        (0..self.server_count()).try_for_each(|server| self.start_process(session, server))?;
        (0..self.server_count()).try_for_each(|server| self.attach_taps(session, server))
    }

    /// Starts a server that does not run.
    pub fn start(&mut self, session: &Session, server: usize) -> Result<(), LabError> {
        self.connect_uplink(server)?;
        self.set_kernel_forwarding(server, true)?;
        self.start_process(session, server)?;
        self.attach_taps(session, server)?;
        self.wait_for_ports(session, server)
    }

    /// Waits until a Kumiki router has opened its ports: after that it stays, before that it may
    /// end for want of something.
    fn wait_for_ports(&self, session: &Session, server: usize) -> Result<(), LabError> {
        if self.state.servers[server].kind != ServerKind::Kumiki {
            return Ok(());
        }
        let wanted = self.cables_of(server).len() + 1 + usize::from(self.is_edge(server));
        let what = format!("{} has not opened its ports", server_name(server));
        let opened = session.wait(&what, START_WAIT, || {
            let opened = match self.ask(server, ShowQuery::Port) {
                Ok(ShowReply::Port(rows)) => rows.len(),
                _ if !self.is_running(server) => {
                    return Err(self.router_error(server, "its router ended".to_owned()));
                }
                _ => 0,
            };
            Ok(match opened >= wanted {
                true => Progress::Done,
                false => Progress::Waiting(format!("  {opened} of {wanted} are open\n")),
            })
        });
        opened.map(drop)
    }

    fn start_process(&mut self, session: &Session, server: usize) -> Result<(), LabError> {
        session.check()?;
        if self.is_running(server) {
            return Ok(());
        }
        // A router of two processes may have lost one of them.
        self.stop(server)?;
        let started = match self.state.servers[server].kind {
            ServerKind::Kumiki => self.start_kumiki(server),
            ServerKind::Frr => peer::start_frr(self, session, server),
            ServerKind::Bird => peer::start_bird(self, server),
        };
        if started.is_err() {
            // Half a router would pass for a whole one. The first error is the one to report; what
            // cannot be ended stays in the state.
            let _ = self.stop(server);
        }
        started
    }

    /// Kills the router of a server as a crash would: SIGKILL, its namespace and cables stay. The
    /// uplink of an edge loses its carrier: no BFD tells the provider.
    pub fn kill(&mut self, server: usize) -> Result<(), LabError> {
        self.disconnect_uplink(server)?;
        let processes = &self.state.servers[server].processes;
        for process in processes {
            process.signal(Signal::KILL);
        }
        let deadline = Instant::now() + KILL_WAIT;
        while processes.iter().any(ProcessRecord::is_alive) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        let is_gone = !processes.iter().any(ProcessRecord::is_alive);
        self.forget_ended(server)?;
        match is_gone {
            true => Ok(()),
            false => Err(self.router_error(server, "it does not end, also by SIGKILL".to_owned())),
        }
    }

    /// Kills the router of a server together with what forwards for it: beside other routers than
    /// Kumiki the kernel would go on without them, which a dead server does not.
    pub fn kill_forwarding(&mut self, server: usize) -> Result<(), LabError> {
        self.set_kernel_forwarding(server, false)?;
        self.kill(server)
    }

    /// Ends the router of a server in order.
    pub fn stop(&mut self, server: usize) -> Result<(), LabError> {
        end_all(&self.state.servers[server].processes);
        self.forget_ended(server)
    }

    /// A process that did not end in time is still the lab's to end.
    fn forget_ended(&mut self, server: usize) -> Result<(), LabError> {
        self.state.servers[server].processes.retain(ProcessRecord::is_alive);
        self.save()
    }

    /// Whether the processes of a server all run.
    pub fn is_running(&self, server: usize) -> bool {
        let processes = &self.state.servers[server].processes;
        !processes.is_empty() && processes.iter().all(ProcessRecord::is_alive)
    }

    /// The peers a server is cabled to, with the number of the cable.
    pub fn cables_of(&self, server: usize) -> Vec<(usize, usize)> {
        let cables = self.state.cables.iter().enumerate();
        cables
            .filter_map(|(cable, state)| match state.ends {
                (a, b) if a == server => Some((cable, b)),
                (a, b) if b == server => Some((cable, a)),
                _ => None,
            })
            .collect()
    }

    /// The namespace of a router.
    fn namespace_at(&self, place: Place) -> Option<&Namespace> {
        match place {
            Place::Server(server) => Some(self.server(server)),
            Place::Provider => self.provider(),
        }
    }

    /// Starts a program of a router and notes it in the state file.
    pub fn spawn(&mut self, place: Place, program: &Program) -> Result<ProcessRecord, LabError> {
        let log = self.directory.log_at(place);
        let output = append_to(&log)?;
        let errors = output.try_clone().map_err(|e| LabError::file("open", &log, e))?;
        let mut command = Command::new(&program.path);
        command.args(&program.arguments).stdin(Stdio::null()).stdout(output).stderr(errors);
        // DPDK keeps its run-time files there instead of in the system's directory.
        command.env("RUNTIME_DIRECTORY", self.directory.path());
        // Scenarios break what only a router itself can break.
        command.env("KUMIKI_DEBUG_COMMANDS", "true");
        let missing = || self.place_error(place, "is not part of this lab".to_owned());
        self.namespace_at(place).ok_or_else(missing)?.start_inside(&mut command);
        if !program.mounted_over.is_empty() {
            mount_over(&mut command, &program.mounted_over)
                .map_err(|e| LabError::file("mount directories for", &program.path, e))?;
        }
        start_detached(&mut command);
        if !self.state.is_kept {
            die_with_parent(&mut command, libc::SIGKILL);
        }
        let failed =
            |source| LabError::Start { program: program.path.clone(), source, hint: program.hint };
        let child = command.spawn().map_err(failed)?;
        // Not waited for: a zombie counts as ended, and ends with this process.
        let Some(process) = ProcessRecord::of_pid(child.id()) else {
            return Err(self.place_error(place, "ended as soon as it started".to_owned()));
        };
        self.state.processes_at_mut(place).into_iter().for_each(|found| found.push(process));
        self.save().inspect_err(|_| process.signal(Signal::KILL))?;
        Ok(process)
    }

    /// A router that was killed leaves its XDP programs attached, and the next one could not attach
    /// its own.
    fn remove_stale_programs(&self, server: usize) -> Result<(), LabError> {
        if self.state.driver != Driver::AfXdp {
            return Ok(());
        }
        let mut socket = self.server(server).run(RouteSocket::open)??;
        for (_, peer) in self.cables_of(server) {
            let link = socket.link_by_name(&fabric_port(peer))?;
            socket.remove_xdp(link.ifindex)?;
        }
        Ok(())
    }

    /// An error of a router with the last lines of its log.
    pub fn router_error(&self, server: usize, what: String) -> LabError {
        self.place_error(Place::Server(server), what)
    }

    /// The same of any router of the lab.
    pub fn place_error(&self, place: Place, what: String) -> LabError {
        let log = self.directory.log_at(place);
        LabError::Router { server: place.name(), what, log_tail: log_tail(&log), log }
    }

    fn start_kumiki(&mut self, server: usize) -> Result<(), LabError> {
        let name = server_name(server);
        let file = self.directory.file(format!("{name}.toml"));
        let text = router_file(self, server).render();
        std::fs::write(&file, text).map_err(|e| LabError::file("write", &file, e))?;
        // A killed router leaves its socket.
        let _ = std::fs::remove_file(self.directory.socket(server));
        self.remove_stale_programs(server)?;
        let arguments = [
            "run".to_owned(),
            "-c".to_owned(),
            file.display().to_string(),
            "--name".to_owned(),
            name,
            "--number".to_owned(),
            layout::server_number(server).to_string(),
        ];
        let program = Program {
            path: kumiki_program()?,
            arguments: arguments.to_vec(),
            hint: "; KUMIKI_BIN names another one",
            mounted_over: Vec::new(),
        };
        self.spawn(Place::Server(server), &program).map(|_| ())
    }
}

/// The program that runs as router: `$KUMIKI_BIN`, else this one.
fn kumiki_program() -> Result<PathBuf, LabError> {
    match std::env::var_os("KUMIKI_BIN") {
        Some(path) => Ok(PathBuf::from(path)),
        None => std::env::current_exe().map_err(|e| LabError::file("find", "this program", e)),
    }
}

fn append_to(log: &Path) -> Result<File, LabError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .map_err(|e| LabError::file("open", log, e))
}

/// The last lines of a log, indented; a sentence where it is empty.
pub fn log_tail(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return "  its log is empty\n".to_owned();
    }
    let start = lines.len().saturating_sub(LOG_TAIL_LINES);
    lines.iter().skip(start).map(|line| format!("  | {line}\n")).collect()
}

/// What the configuration of a Kumiki router says.
fn router_file(lab: &Lab, server: usize) -> RouterFile {
    let fabric_ports = lab.cables_of(server).into_iter().map(|(cable, peer)| FilePort {
        name: format!("p-{}", server_name(peer)),
        device: fabric_device(lab, server, peer, cable),
        role: "fabric",
        address: None,
    });
    let lan = FilePort {
        name: "lan".to_owned(),
        device: format!("af_packet:{LAN_PORT}"),
        role: "lan",
        address: None,
    };
    let edge = lab.is_edge(server).then(|| edge_file(lab, server));
    let uplink = edge.as_ref().map(|_| FilePort {
        name: UPLINK_NAME.to_owned(),
        device: format!("af_packet:{UPLINK_PORT}"),
        role: "uplink",
        address: Some(format!("{}/64", layout::uplink_address(server))),
    });
    RouterFile {
        server,
        worker_cpu: worker_cpu(server),
        socket: lab.directory.socket(server),
        mtu_bytes: lab.state.driver.mtu_bytes(),
        bfd_interval_ms: lab.state.bfd_interval_ms,
        ula: lab.state.numbering.ula_of(server),
        ports: fabric_ports.chain([lan]).chain(uplink).collect(),
        edge,
    }
}

/// What the router of an edge has to know of the provider and of the other clusters.
fn edge_file(lab: &Lab, edge: usize) -> EdgeFile {
    let numbering = lab.state.numbering;
    let own = numbering.cluster(edge);
    EdgeFile {
        asn: layout::cluster_asn(own),
        aggregate: numbering.ula(own),
        provider: layout::provider_address(edge),
        password_file: PASSWORD_FILE,
        watch: EDGE_WATCH,
        taken_in: lab.outside_of(own),
    }
}

fn fabric_device(lab: &Lab, server: usize, peer: usize, cable: usize) -> String {
    match lab.state.driver {
        Driver::AfPacket => format!("af_packet:{}", fabric_port(peer)),
        Driver::AfXdp => format!("af_xdp:{}", fabric_port(peer)),
        Driver::Tap => format!("tap:{}", layout::tap_port(peer)),
        Driver::Memif => {
            // An abstract socket would be bound to the server's own network namespace.
            let role = if server < peer { "server" } else { "client" };
            let socket = lab.directory.file(format!("c{cable}.memif"));
            format!("memif:{},role={role},socket-abstract=no", socket.display())
        }
    }
}

/// Workers are spread over the cores.
fn worker_cpu(server: usize) -> usize {
    match core_affinity::get_core_ids() {
        Some(cores) if !cores.is_empty() => cores[server % cores.len()].id,
        _ => 0,
    }
}
