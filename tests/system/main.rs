//! The binary in network namespaces: labs of real routers.
//!
//! Each test is skipped with a printed reason where the kernel does not permit namespaces, or where
//! a program it needs is not installed.
//!
//! Here are the ways to a lab and the tests of the lab itself; [`routers`] has those of Kumiki in
//! it, [`graceful`] those of graceful restarts, [`bgp`] those of edges, [`exits`] those of clusters
//! that lose some, [`interop`] those of other speakers of BGP, [`outside`] those of routes from
//! outside the AS, [`guest`] those of Linux at the other end of a pseudowire.

mod bgp;
mod exits;
mod graceful;
mod guest;
mod interop;
mod outside;
mod routers;

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lab command with a directory of its own, so that no test meets another's lab.
fn lab(directory: &tempfile::TempDir, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kumiki"));
    command.arg("lab").args(arguments.split(' ')).env("KUMIKI_LAB_DIR", directory.path());
    command
}

/// The same by a user who is not root: this one, or else one that owns nothing. `None`, with a
/// printed reason, where that one may not run the program or make a user namespace.
fn without_root(directory: &tempfile::TempDir, arguments: &str) -> Option<Command> {
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    let mut may_make = Command::new("/usr/bin/unshare");
    may_make.args(["--user", "--map-root-user", "--net", env!("CARGO_BIN_EXE_kumiki"), "--help"]);
    let mut command = lab(directory, arguments);
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        std::os::unix::fs::chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        for command in [&mut may_make, &mut command] {
            command.uid(NOBODY).gid(NOBODY);
        }
    }
    let is_possible = may_make.output().is_ok_and(|output| output.status.success());
    if !is_possible {
        skip("a user who is not root may not run this program in a user namespace");
    }
    is_possible.then_some(command)
}

/// A directory for the labs of one test, whose turn it is while it has it.
struct Place {
    directory: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl std::ops::Deref for Place {
    type Target = tempfile::TempDir;

    fn deref(&self) -> &Self::Target {
        &self.directory
    }
}

fn directory() -> Place {
    // Tests run on as many threads as there are processors. Eight routers that share two of them
    // with another lab may starve beyond their dead interval, which is no defect of theirs.
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed has had its turn.
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    // Daemons that drop their privileges have to reach their sockets.
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), permissions).unwrap();
    Place { directory, _turn: turn }
}

fn skip(reason: &str) -> bool {
    println!("skipped: {reason}");
    true
}

fn cannot_run(programs: &[&str]) -> bool {
    if !kumiki::os::namespace::may_create_namespaces() {
        return skip("this user may not make network namespaces");
    }
    let missing = programs.iter().find(|program| !Path::new(program).exists());
    missing.is_some_and(|program| skip(&format!("{program} is not installed")))
}

fn report(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}\n{errors}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

const FRR: &str = "/usr/lib/frr/ospf6d";
const BIRD: &str = "/usr/sbin/bird";

/// That a ring of other routers is whole again after a repair is not asserted here, for it is not
/// ours: in BIRD 2.0.12, an adjacency that comes back before the router-LSA without it has left
/// (MinLSInterval, five seconds) makes no new calculation of routes, and it keeps sending to its
/// neighbour the long way round; in FRR 8.4.4, zebra believes a nexthop group complete out of which
/// the kernel took what lost its carrier. Kumiki beside both is asserted in [`routers`].
#[test]
fn a_ring_of_frr_and_bird_is_broken_mended_and_measured() {
    if cannot_run(&[FRR, BIRD]) {
        return;
    }
    let directory = directory();
    let arguments = "test --servers 4 --topology ring --peer s01=frr --peer s02=bird \
                     --peer s03=frr --peer s04=bird --bfd 0 --json --fault silent:s02-s03 \
                     --fault cut:s01-s02";
    let output = lab(&directory, arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).expect(&errors);
    assert_eq!(report["schema"], "kumiki.lab.test/1");
    assert_eq!(report["kinds"], serde_json::json!(["frr", "bird", "frr", "bird"]));
    assert_eq!(report["adjacencies_expected"], 8);
    let pings = report["pings"].as_array().unwrap();
    assert!(pings.iter().all(|ping| ping["pairs"] == 12 && ping["answered"] == 12), "{report:#}");
    let faults = report["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 2);
    for (fault, (text, streams)) in faults
        .iter()
        .zip([("silent:s02-s03", ["h02-h03", "h03-h02"]), ("cut:s01-s02", ["h01-h02", "h02-h01"])])
    {
        assert_eq!(fault["fault"], text);
        assert_eq!(fault["streams"], serde_json::json!(streams));
        let number = |key: &str| fault[key].as_f64().unwrap();
        // Each of two streams sends a thousand packets a second, for a second after the recovery.
        assert!(number("sent_packets") > number("outage_ms") + 1000.0, "{report:#}");
        assert!(number("lost_packets") <= number("sent_packets"), "{report:#}");
    }
    // The first fault meets routers that nothing has disturbed. A silent cable is noticed by the
    // dead interval of three seconds only, less the time since the last hello.
    assert_eq!(faults[0]["recovered"], true, "{report:#}");
    assert!(faults[0]["outage_ms"].as_f64().unwrap() > 1000.0, "{report:#}");
    let is_good = |fault: &Value| fault["recovered"] == true && fault["restored"] == true;
    let is_whole = report["adjacencies_full"] == 8 && faults.iter().all(is_good);
    assert!(is_whole || report["is_passed"] == false, "{report:#}");
    assert_eq!(output.status.success(), report["is_passed"] == true, "{report:#}");
    assert!(leftovers(&directory).is_empty(), "{:?}", leftovers(&directory));
}

#[test]
fn a_lab_answers_to_its_commands_and_is_gone_after_down() {
    if cannot_run(&[BIRD]) {
        return;
    }
    let directory = directory();
    let run = |arguments: &str| lab(&directory, arguments).output().unwrap();
    three_birds(&directory);
    assert!(!run("up --servers 3").status.success());
    // What each status of a cable is to the servers at its ends, and to its bridge.
    let has = |place: &str, port: &str, word: &str| {
        let links = run(&format!("exec {place} ip -o link show {port}"));
        String::from_utf8_lossy(&links.stdout).contains(word)
    };
    for (command, name, has_carrier, is_bridged) in [
        ("silence s01-s02", "silent", true, false),
        ("cut s01-s02", "cut", false, false),
        ("heal", "connected", true, true),
        ("cut s01-s02", "cut", false, true),
        ("heal s02-s01", "connected", true, true),
    ] {
        assert!(run(command).status.success());
        let status: Value = serde_json::from_slice(&run("status --json").stdout).unwrap();
        assert_eq!(status["cables"][0]["status"], name);
        for (server, port, end) in [("s01", "f-s02", "c0a"), ("s02", "f-s01", "c0b")] {
            assert_eq!(has(server, port, "LOWER_UP"), has_carrier, "{command}: {server}");
            assert_eq!(has("fabric", end, "master c0"), is_bridged, "{command}: {end}");
        }
    }
    assert_eq!(run("exec s01 false").status.code(), Some(1));
    assert_eq!(run("exec s09 true").status.code(), Some(2));
    let missing = run("exec s01 no-such-program");
    assert!(String::from_utf8_lossy(&missing.stderr).contains("cannot start no-such-program"));
    // With every router killed it still is the user's.
    assert!(run("kill s01 s02 s03").status.success());
    assert_eq!(run("status").status.code(), Some(1));
    let other =
        lab(&directory, "test --servers 3").env("KUMIKI_BIN", "/bin/false").output().unwrap();
    assert_eq!(other.status.code(), Some(1));
    assert!(!run("up --servers 3").status.success());
    assert!(run("start").status.success());
    assert_eq!(run("status").status.code(), Some(0));
    assert!(run("down").status.success());
    assert_eq!(run("status").status.code(), Some(69));
    assert!(run("down --all").status.success());
    assert!(leftovers(&directory).is_empty(), "{:?}", leftovers(&directory));
}

/// A lab of three BIRDs that stays.
fn three_birds(directory: &tempfile::TempDir) {
    let up = "up --servers 3 --peer s01=bird --peer s02=bird --peer s03=bird";
    let output = lab(directory, up).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Starts a command and waits until it says that it waits for another one.
fn waiting(mut command: Command) -> Child {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("waiting for it"), "{line}");
    child
}

#[test]
fn commands_at_the_same_time_wait_for_each_other_and_none_is_lost() {
    if cannot_run(&[BIRD]) {
        return;
    }
    let directory = directory();
    three_birds(&directory);
    let run = |arguments: &str| lab(&directory, arguments).output().unwrap();
    assert!(run("kill s01 s02").status.success());
    // The test itself is one more command that changes the lab.
    let own = std::fs::File::open(directory.path().join("lab")).unwrap();
    own.lock().unwrap();
    let changes = ["start s01", "start s02", "silence s01-s02", "cut s02-s03"];
    let children = changes.map(|arguments| waiting(lab(&directory, arguments)));
    let mut given_up = waiting(lab(&directory, "kill s03"));
    interrupt(&given_up);
    assert_eq!(given_up.wait().unwrap().signal(), Some(2));
    own.unlock().unwrap();
    assert!(children.map(|mut child| child.wait().unwrap().success()).iter().all(|done| *done));
    let status: Value = serde_json::from_slice(&run("status --json").stdout).unwrap();
    let is_running = |server: usize| status["servers"][server]["is_running"] == true;
    assert!((0..3).all(is_running), "{status:#}");
    assert_eq!(status["cables"][0]["status"], "silent");
    assert_eq!(status["cables"][2]["status"], "cut");
    assert_eq!(processes_of(directory.path()).len(), 3);
    assert!(run("down").status.success());
    let left = processes_of(directory.path());
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn down_ends_a_lab_under_test() {
    if cannot_run(&[BIRD]) {
        return;
    }
    let directory = directory();
    let peers = "test --servers 3 --peer s01=bird --peer s02=bird --peer s03=bird";
    let mut test = lab(&directory, peers).spawn().unwrap();
    let name = format!("test-{}", test.id());
    while !directory.path().join(&name).join("s03.log").exists() {
        assert!(test.try_wait().unwrap().is_none(), "it ended before it started its routers");
        std::thread::yield_now();
    }
    let down = lab(&directory, &format!("down --lab {name}")).output().unwrap();
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    assert_eq!(test.wait().unwrap().code(), Some(130));
    assert!(leftovers(&directory).is_empty(), "{:?}", leftovers(&directory));
    let left = processes_of(directory.path());
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_failure_names_the_log_and_keeps_it() {
    if cannot_run(&[]) {
        return;
    }
    let directory = directory();
    let output =
        lab(&directory, "test --servers 3").env("KUMIKI_BIN", "/bin/false").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    // All three end at once; whichever is seen first is named.
    let errors = String::from_utf8_lossy(&output.stderr);
    let logs = ["s01", "s02", "s03"].map(|s| directory.path().join(format!(".failed/{s}.log")));
    let named = logs.iter().find(|log| errors.contains(&log.display().to_string()));
    let log = named.unwrap_or_else(|| panic!("no log is named: {errors}"));
    assert!(log.exists());
    assert!(lab(&directory, "down --all").status().unwrap().success());
    assert!(log.exists());
    assert!(leftovers(&directory).is_empty(), "{:?}", leftovers(&directory));
}

#[test]
fn what_is_no_lab_is_left_alone() {
    if cannot_run(&[]) {
        return;
    }
    let directory = directory();
    let mine = directory.path().join("home/mine");
    std::fs::create_dir_all(&mine).unwrap();
    let code = |arguments: &str| {
        lab(&directory, arguments).env("KUMIKI_BIN", "/bin/false").output().unwrap().status.code()
    };
    assert_eq!(code("down --lab home"), Some(69));
    assert_eq!(code("down --all"), Some(0));
    // One that fails, and so removes what it made.
    assert_eq!(code("test --servers 3"), Some(1));
    assert_eq!(code("up --servers 3 --lab home"), Some(1));
    assert!(mine.exists());
    assert_eq!(leftovers(&directory), ["home"]);
}

#[test]
fn what_is_refused_starts_no_process() {
    let directory = directory();
    for (arguments, reason) in [
        ("up --driver af_xdp", "it needs root"),
        ("up --servers 2 --topology line --peer s01=frr", "take bird"),
        ("test --keep --fault bad", "`bad` is no fault"),
    ] {
        let Some(mut command) = without_root(&directory, arguments) else { return };
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(reason), "{arguments}: {errors}");
        assert!(leftovers(&directory).is_empty(), "{:?}", leftovers(&directory));
        let left = processes_of(directory.path());
        assert!(left.is_empty(), "{arguments}: {left:?}");
    }
}

#[test]
fn a_lab_without_root_stays_until_down_and_leaves_nothing() {
    if cannot_run(&[BIRD]) {
        return;
    }
    let directory = directory();
    let up = "up --servers 2 --topology line --peer s01=bird --peer s02=bird";
    let Some(mut command) = without_root(&directory, up) else { return };
    // The end of the output is waited for as well: what stays must not keep it open.
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(processes_of(directory.path()).len(), 3);
    let run = |arguments: &str| without_root(&directory, arguments).unwrap().output().unwrap();
    assert!(run("ping h01 h02 --size 64").status.success());
    // Down ends what was started inside as well: it would keep the namespace.
    let mut inside = without_root(&directory, "exec h01").unwrap();
    let mut inside = inside
        .args(["sh", "-c", "echo in; exec sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(inside.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "in\n");
    assert!(run("down").status.success());
    // The command had become the program, and ended by the same signal.
    assert_eq!(inside.wait().unwrap().signal(), Some(15));
    assert!(leftovers(&directory).is_empty(), "{:?}", leftovers(&directory));
    let left = processes_of(directory.path());
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn half_a_router_that_failed_to_start_is_ended() {
    if cannot_run(&[FRR]) {
        return;
    }
    let directory = directory();
    let (mut command, long) = deaf_zebra(&directory);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("zebra does not open its socket"), "{errors}");
    let left = processes_of(&long);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn ctrl_c_ends_the_wait_for_a_router_and_what_it_started() {
    if cannot_run(&[FRR]) {
        return;
    }
    let directory = directory();
    let (mut command, long) = deaf_zebra(&directory);
    let mut test = command.spawn().unwrap();
    let log = long.join(format!("test-{}/s01.log", test.id()));
    while std::fs::metadata(&log).map_or(0, |found| found.len()) == 0 {
        assert!(test.try_wait().unwrap().is_none(), "it ended before zebra wrote to its log");
        std::thread::yield_now();
    }
    interrupt(&test);
    assert_eq!(test.wait().unwrap().code(), Some(130));
    let left = processes_of(&long);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn frr_that_is_killed_leaves_nothing_outside_of_the_lab() {
    if cannot_run(&[FRR, BIRD]) {
        return;
    }
    let directory = directory();
    let up = "up --servers 2 --topology line --peer s01=frr --peer s02=bird";
    assert!(lab(&directory, up).status().unwrap().success());
    let status: Value =
        serde_json::from_slice(&lab(&directory, "status --json").output().unwrap().stdout).unwrap();
    let pids = status["servers"][0]["pids"].as_array().unwrap().clone();
    assert_eq!(pids.len(), 3, "zebra, bfdd, ospf6d");
    assert!(lab(&directory, "kill s01").status().unwrap().success());
    assert!(lab(&directory, "down").status().unwrap().success());
    for place in ["/var/tmp/frr", "/run/frr"] {
        let entries = std::fs::read_dir(place).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let left: Vec<String> = names
            .filter(|name| pids.iter().any(|pid| name.ends_with(&format!(".{pid}"))))
            .collect();
        assert!(left.is_empty(), "{place}: {left:?}");
    }
}

/// A lab in which zebra starts, but can never be reached by ospf6d: the name of a socket has 107
/// octets at most. Returns the lab's directory too.
fn deaf_zebra(directory: &tempfile::TempDir) -> (Command, PathBuf) {
    let long = directory.path().join("l".repeat(90));
    let arguments = "test --servers 2 --topology line --peer s01=frr --peer s02=frr";
    let mut command = lab(directory, arguments);
    command.env("KUMIKI_LAB_DIR", &long);
    (command, long)
}

/// Ctrl-C.
fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

#[test]
fn what_a_crashed_test_left_is_removed_by_the_next() {
    if cannot_run(&[BIRD]) {
        return;
    }
    let directory = directory();
    let peers = "test --servers 3 --peer s01=bird --peer s02=bird --peer s03=bird --json";
    // Once before and once after there are namespaces and processes.
    for sign_of_life in ["", "s03.log"] {
        let mut crashed = lab(&directory, peers).spawn().unwrap();
        let own = directory.path().join(format!("test-{}", crashed.id()));
        while !own.join(sign_of_life).exists() {
            assert!(crashed.try_wait().unwrap().is_none(), "it ended before it made anything");
            std::thread::yield_now();
        }
        crashed.kill().unwrap();
        crashed.wait().unwrap();
        assert!(own.exists());
    }
    report(&lab(&directory, peers).output().unwrap());
    assert!(leftovers(&directory).is_empty(), "{:?}", leftovers(&directory));
}

/// Command lines of processes that run and have a path among their arguments or variables.
fn processes_of(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap();
    let words = entries.filter_map(|entry| {
        let process = entry.ok()?.path();
        let read = |file| {
            Some(String::from_utf8_lossy(&std::fs::read(process.join(file)).ok()?).into_owned())
        };
        let arguments: String = read("cmdline")?;
        Some((arguments.replace('\0', " "), read("environ").unwrap_or_default()))
    });
    let path = path.to_string_lossy();
    words
        .filter(|(arguments, variables)| arguments.contains(&*path) || variables.contains(&*path))
        .map(|(arguments, _)| arguments)
        .collect()
}

/// Labs that are in the directory.
fn leftovers(directory: &tempfile::TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(directory.path()).unwrap();
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect()
}
