//! FRR and BIRD in a router's place: their configuration, their start, and what they answer.
//!
//! Owns a directory `sNN.frr` or `sNN.bird` in the lab's directory with configuration, sockets and
//! whatever else they write; what they are configured for outside of a cluster is
//! [`super::provider`]'s. Nothing of a system-wide installation is read or written, but for the
//! programs.
//!
//! *Invariants*: the same timers as Kumiki's defaults: point-to-point, hello 1 s, dead 3 s, area 0,
//! BFD as the lab has it; the kernel forwards.

use crate::config::addressing;
use crate::lab::error::LabError;
use crate::lab::fabric::Lab;
use crate::lab::layout::{self, Numbering};
use crate::lab::server::Program;
use crate::lab::session::Session;
use crate::lab::state::Place;
use crate::planner::server_name;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where Debian and the FRR packages put the daemons.
const FRR_DIRECTORIES: [&str; 3] = ["/usr/lib/frr", "/usr/libexec/frr", "/usr/sbin"];
/// Where ospf6d keeps sequence numbers, whatever it is told: a system's FRR must not find ours.
const FRR_RUN_DIRECTORY: &str = "/run/frr";
/// What FRR's daemons see as the system's directory of temporary files.
const TEMPORARY_DIRECTORY: &str = "tmp";
/// Where each daemon makes a directory `frr/NAME.PID` for its log, which stays when it is killed.
const FRR_TEMPORARY_DIRECTORY: &str = "/var/tmp";
/// The socket by which ospf6d reaches zebra.
const ZEBRA_SOCKET: &str = "zserv.api";
/// The socket of bfdd's own protocol, which nothing uses here.
const BFDD_SOCKET: &str = "bfdd.sock";
/// How long zebra may take to open it.
const ZEBRA_WAIT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// Octets of an answer, at most.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Starts zebra, bfdd and ospf6d.
pub fn start_frr(lab: &mut Lab, session: &Session, server: usize) -> Result<(), LabError> {
    let place = Place::Server(server);
    let directory = make_directory(lab, place, "frr")?;
    start_zebra(lab, session, place)?;
    write_file(&directory.join("ospf6d.conf"), &ospf6d_config(lab, server))?;
    if lab.state.bfd_interval_ms > 0 {
        start_bfdd(lab, place, lab.state.bfd_interval_ms)?;
    }
    lab.spawn(place, &frr_daemon(&directory, "ospf6d")).map(|_| ())
}

/// Starts zebra, which every daemon of FRR needs, and waits until they can reach it.
pub fn start_zebra(lab: &mut Lab, session: &Session, place: Place) -> Result<(), LabError> {
    let directory = make_directory(lab, place, "frr")?;
    let temporary = directory.join(TEMPORARY_DIRECTORY);
    std::fs::create_dir_all(&temporary).map_err(|e| LabError::file("create", &temporary, e))?;
    for directory in [&directory, &temporary] {
        give_to_frr(directory)?;
    }
    let name = place.name();
    let zebra_socket = directory.join(ZEBRA_SOCKET);
    for stale in [ZEBRA_SOCKET, "zebra.vty", "bfdd.vty", BFDD_SOCKET, "ospf6d.vty", "bgpd.vty"] {
        let _ = std::fs::remove_file(directory.join(stale));
    }
    write_file(&directory.join("zebra.conf"), &format!("hostname {name}\nipv6 forwarding\n"))?;
    let zebra = lab.spawn(place, &frr_daemon(&directory, "zebra"))?;
    let deadline = Instant::now() + ZEBRA_WAIT;
    while !zebra_socket.exists() {
        session.check()?;
        if !zebra.is_alive() || Instant::now() > deadline {
            return Err(lab.place_error(place, "zebra does not open its socket".to_owned()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Starts bfdd, with the profile `lab` for other daemons to name.
pub fn start_bfdd(lab: &mut Lab, place: Place, interval_ms: u16) -> Result<(), LabError> {
    let directory = make_directory(lab, place, "frr")?;
    write_file(&directory.join("bfdd.conf"), &bfdd_config(&place.name(), interval_ms))?;
    let mut bfdd = frr_daemon(&directory, "bfdd");
    let socket = directory.join(BFDD_SOCKET).display().to_string();
    bfdd.arguments.extend(["--bfdctl".to_owned(), socket]);
    lab.spawn(place, &bfdd).map(|_| ())
}

/// A daemon of FRR with everything it writes in `directory`.
pub fn frr_daemon(directory: &Path, daemon: &str) -> Program {
    let arguments = [
        ("-f", directory.join(format!("{daemon}.conf")).display().to_string()),
        ("-i", directory.join(format!("{daemon}.pid")).display().to_string()),
        ("-z", directory.join(ZEBRA_SOCKET).display().to_string()),
        ("--vty_socket", directory.display().to_string()),
        ("--log", "stdout".to_owned()),
        ("-P", "0".to_owned()),
    ];
    let over = [
        (directory.to_owned(), FRR_RUN_DIRECTORY),
        (directory.join(TEMPORARY_DIRECTORY), FRR_TEMPORARY_DIRECTORY),
    ];
    Program {
        path: frr_program(daemon),
        arguments: arguments
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_owned(), value])
            .collect(),
        hint: "; `apt-get install frr` brings it",
        mounted_over: over
            .into_iter()
            .map(|(own, system)| (own, PathBuf::from(system)))
            .filter(|(own, system)| may_be_covered(own, system))
            .collect(),
    }
}

/// Whether a directory of the system is there and does not hold the lab itself.
fn may_be_covered(own: &Path, system: &Path) -> bool {
    match (own.canonicalize(), system.canonicalize()) {
        (Ok(own), Ok(system)) => !own.starts_with(system),
        _ => false,
    }
}

/// Starts bird.
pub fn start_bird(lab: &mut Lab, server: usize) -> Result<(), LabError> {
    let config = bird_config(lab.state.numbering, server, lab.state.bfd_interval_ms);
    spawn_bird(lab, Place::Server(server), &config)
}

/// Starts bird with a configuration.
pub fn spawn_bird(lab: &mut Lab, place: Place, text: &str) -> Result<(), LabError> {
    let directory = make_directory(lab, place, "bird")?;
    let config = directory.join("bird.conf");
    write_file(&config, text)?;
    let arguments = [
        "-f".to_owned(),
        "-c".to_owned(),
        config.display().to_string(),
        "-s".to_owned(),
        directory.join("bird.ctl").display().to_string(),
        "-P".to_owned(),
        directory.join("bird.pid").display().to_string(),
    ];
    let program = ["/usr/sbin/bird", "/usr/local/sbin/bird"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from("bird"));
    let program = Program {
        path: program,
        arguments: arguments.to_vec(),
        hint: "; `apt-get install bird2` brings it",
        mounted_over: Vec::new(),
    };
    lab.spawn(place, &program).map(|_| ())
}

/// Adjacencies of a FRR or BIRD server in state Full.
pub fn full_count_frr(lab: &Lab, server: usize) -> Result<usize, LabError> {
    let socket = lab.directory.file(format!("{}.frr/ospf6d.vty", server_name(server)));
    let text = ask_frr(&socket, "show ipv6 ospf6 neighbor").map_err(|e| answer(server, &e))?;
    // Columns: Neighbor ID, Pri, DeadTime, State/IfState, Duration, I/F[State].
    Ok(text.lines().filter(|line| line.contains("Full/")).count())
}

/// Adjacencies of a BIRD server in state Full.
pub fn full_count_bird(lab: &Lab, server: usize) -> Result<usize, LabError> {
    let socket = lab.directory.file(format!("{}.bird/bird.ctl", server_name(server)));
    let text = ask_bird(&socket, "show ospf neighbors").map_err(|e| answer(server, &e))?;
    // Columns: Router ID, Pri, State, DTime, Interface, Router IP.
    Ok(text.lines().filter(|line| line.contains("Full/")).count())
}

/// BFD sessions of a FRR server in state Up.
pub fn bfd_up_count_frr(lab: &Lab, server: usize) -> Result<usize, LabError> {
    let socket = lab.directory.file(format!("{}.frr/bfdd.vty", server_name(server)));
    let text = ask_frr(&socket, "show bfd peers brief").map_err(|e| answer(server, &e))?;
    // Columns: SessionId, LocalAddress, PeerAddress, Status.
    Ok(text.lines().filter(|line| line.trim_end().ends_with(" up")).count())
}

/// BFD sessions of a BIRD server in state Up.
pub fn bfd_up_count_bird(lab: &Lab, server: usize) -> Result<usize, LabError> {
    let socket = lab.directory.file(format!("{}.bird/bird.ctl", server_name(server)));
    let text = ask_bird(&socket, "show bfd sessions").map_err(|e| answer(server, &e))?;
    // Columns: IP address, Interface, State, Since, Interval, Timeout.
    Ok(text.lines().filter(|line| line.split_whitespace().nth(2) == Some("Up")).count())
}

fn answer(server: usize, error: &io::Error) -> LabError {
    LabError::Answer { server: server_name(server), reason: error.to_string() }
}

/// One command on a VTY socket: it goes out ending with a zero octet, the answer ends with three
/// zero octets and the status.
pub fn ask_frr(socket: &Path, command: &str) -> io::Result<String> {
    let mut stream = connect(socket)?;
    let mut text = Vec::new();
    for line in ["enable", command] {
        stream.write_all(line.as_bytes())?;
        stream.write_all(&[0])?;
        text.clear();
        let is_complete =
            |bytes: &[u8]| bytes.len() >= 4 && bytes[bytes.len() - 4..bytes.len() - 1] == [0, 0, 0];
        read_until(&mut stream, &mut text, is_complete)?;
    }
    text.truncate(text.len().saturating_sub(4));
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// One command on a BIRD control socket: a line out; the answer's last line starts with four digits
/// and a space, lines before with four digits and a minus, or a space.
pub fn ask_bird(socket: &Path, command: &str) -> io::Result<String> {
    let mut stream = connect(socket)?;
    let mut text = Vec::new();
    read_until(&mut stream, &mut text, ends_bird_answer)?;
    stream.write_all(command.as_bytes())?;
    stream.write_all(b"\n")?;
    text.clear();
    read_until(&mut stream, &mut text, ends_bird_answer)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn ends_bird_answer(bytes: &[u8]) -> bool {
    let Some(lines) = bytes.strip_suffix(b"\n") else { return false };
    let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    last.len() >= 5 && last[..4].iter().all(u8::is_ascii_digit) && last[4] == b' '
}

fn connect(socket: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_WAIT))?;
    stream.set_write_timeout(Some(ANSWER_WAIT))?;
    Ok(stream)
}

fn read_until(
    stream: &mut UnixStream,
    text: &mut Vec<u8>,
    is_complete: impl Fn(&[u8]) -> bool,
) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while !is_complete(text) {
        let length = stream.read(&mut buffer)?;
        if length == 0 || text.len() > ANSWER_BYTES_MAX {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        text.extend_from_slice(&buffer[..length]);
    }
    Ok(())
}

fn frr_program(daemon: &str) -> PathBuf {
    FRR_DIRECTORIES
        .iter()
        .map(|directory| Path::new(directory).join(daemon))
        .find(|path| path.exists())
        .unwrap_or_else(|| Path::new(FRR_DIRECTORIES[0]).join(daemon))
}

/// The directory of a router with everything it writes.
pub fn make_directory(lab: &Lab, place: Place, kind: &str) -> Result<PathBuf, LabError> {
    let directory = lab.directory.file(format!("{}.{kind}", place.name()));
    std::fs::create_dir_all(&directory).map_err(|e| LabError::file("create", &directory, e))?;
    Ok(directory)
}

/// FRR's daemons drop to the user `frr` and make their sockets as such.
fn give_to_frr(directory: &Path) -> Result<(), LabError> {
    let users = Path::new("/etc/passwd");
    let text = std::fs::read_to_string(users).map_err(|e| LabError::file("read", users, e))?;
    let ids = text.lines().find_map(|line| {
        let mut fields = line.strip_prefix("frr:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    let Some((uid, gid)) = ids else {
        let reason = "there is no user `frr`; `apt-get install frr` makes it".to_owned();
        return Err(LabError::Peer { kind: "frr", reason });
    };
    std::os::unix::fs::chown(directory, Some(uid), Some(gid))
        .map_err(|e| LabError::file("give to frr", directory, e))
}

/// Writes a file of a router.
pub fn write_file(path: &Path, text: &str) -> Result<(), LabError> {
    std::fs::write(path, text).map_err(|e| LabError::file("write", path, e))
}

fn ospf6d_config(lab: &Lab, server: usize) -> String {
    let router_id = addressing::router_id(layout::server_number(server));
    let mut text = format!("hostname {}\n", server_name(server));
    let bfd = match lab.state.bfd_interval_ms {
        0 => "",
        _ => " ipv6 ospf6 bfd profile lab\n",
    };
    for (_, peer) in lab.cables_of(server) {
        text.push_str(&format!(
            "interface {}\n ipv6 ospf6 area 0\n ipv6 ospf6 network point-to-point\n \
             ipv6 ospf6 hello-interval 1\n ipv6 ospf6 dead-interval 3\n ipv6 ospf6 cost 10\n\
             {bfd}exit\n",
            layout::fabric_port(peer)
        ));
    }
    for passive in ["lo", layout::LAN_PORT] {
        text.push_str(&format!(
            "interface {passive}\n ipv6 ospf6 area 0\n ipv6 ospf6 passive\nexit\n"
        ));
    }
    // Last, and left with `exit`: nothing after it is read as an interface.
    text.push_str(&format!(
        "router ospf6\n ospf6 router-id {router_id}\n graceful-restart helper enable\n \
         graceful-restart grace-period 60\nexit\n"
    ));
    text
}

/// The daemon of FRR that speaks BFD.
fn bfdd_config(name: &str, interval_ms: u16) -> String {
    format!(
        "hostname {name}\nbfd\n profile lab\n  detect-multiplier 3\n  \
         transmit-interval {interval_ms}\n  receive-interval {interval_ms}\n exit\nexit\n"
    )
}

fn bird_config(numbering: Numbering, server: usize, bfd_interval_ms: u16) -> String {
    let (protocol, bfd) = match bfd_interval_ms {
        0 => (String::new(), ""),
        ms => (
            format!(
                "protocol bfd {{ interface \"f-*\" {{ min rx interval {ms} ms; \
                 min tx interval {ms} ms; multiplier 3; }}; }}\n"
            ),
            " bfd yes;",
        ),
    };
    let router_id = addressing::router_id(layout::server_number(server));
    format!(
        "log stderr all;\nrouter id {router_id};\n\
         protocol device {{ scan time 1; }}\n{protocol}\
         protocol kernel {{ ipv6 {{ import none; export all; }}; merge paths on; }}\n\
         protocol ospf v3 fabric {{\n  ipv6 {{ import all; export none; }};\n  area 0 {{\n    \
         interface \"f-*\" {{ type ptp; hello 1; dead 3; cost 10;{bfd} }};\n    \
         interface \"{}\" {{ stub; }};\n    \
         stubnet {}/128 {{ cost 0; }};\n  }};\n}}\n",
        layout::LAN_PORT,
        numbering.loopback(server)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bird_answer_ends_with_a_code_and_a_space() {
        assert!(ends_bird_answer(b"0001 BIRD 2.0.12 ready.\n"));
        assert!(ends_bird_answer(b"1013-fabric:\n1013-Router ID\n 10.0.0.1\n0000 \n"));
        assert!(!ends_bird_answer(b"1013-fabric:\n"));
        assert!(!ends_bird_answer(b"0001 BIRD"));
        assert!(!ends_bird_answer(b""));
    }

    #[test]
    fn a_directory_that_holds_the_lab_is_not_covered() {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().join("s01.frr");
        assert!(!may_be_covered(&own, Path::new("/proc")));
        std::fs::create_dir(&own).unwrap();
        assert!(may_be_covered(&own, Path::new("/proc")));
        assert!(!may_be_covered(&own, directory.path()));
        assert!(!may_be_covered(&own, &directory.path().join("never")));
    }
}
