//! The binary from outside: what the shell gets back, and what goes over the socket.
//!
//! A stand-in router answers on a socket in a temporary folder; nothing here needs a real one.

use kumiki::api::show::{ShowReply, VersionRow};
use kumiki::api::{
    API_VERSION, ApiError, Event, Reply, ReplyBody, Request, RequestBody, Severity, ShowQuery,
};
use kumiki::base::time::Instant;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::JoinHandle;

fn kumiki(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kumiki"))
        .args(arguments)
        .env_remove("KUMIKI_SOCKET")
        .env_remove("KUMIKI_NAME")
        .env_remove("KUMIKI_NUMBER")
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn data(case: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/config/data").join(case).join("input.toml").display().to_string()
}

/// A router that takes one client, answers its line with `replies`, and gives the request back.
struct StandIn {
    socket: PathBuf,
    _folder: tempfile::TempDir,
    thread: JoinHandle<Request>,
}

impl StandIn {
    fn start(replies: Vec<ReplyBody>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("control.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            stream.read_line(&mut line).expect("a request");
            for body in replies {
                let reply = Reply { version: API_VERSION, body };
                let line = serde_json::to_string(&reply).expect("JSON") + "\n";
                stream.get_mut().write_all(line.as_bytes()).expect("the client reads");
            }
            serde_json::from_str(&line).expect("a request")
        });
        Self { socket, _folder: folder, thread }
    }

    /// Runs the client against it: the output, and what was asked.
    fn asked_by(self, arguments: &[&str]) -> (Output, RequestBody) {
        let socket = self.socket.display().to_string();
        let output = kumiki(&[arguments, &["--socket", &socket]].concat());
        (output, self.thread.join().expect("the stand-in ends").body)
    }
}

#[test]
fn each_failure_has_its_exit_code() {
    let design = data("design-example");
    let wrong = data("wrong-types");
    let cases: &[(&[&str], i32)] = &[
        (&["config", "check", &design], 0),
        (&["run", "--check", "-c", &design], 0),
        (&["--version"], 0),
        (&["config", "schema"], 0),
        (&["policy", "test", "exits", "--route", "::/0", "--config", &data("bgp")], 0),
        (&["policy", "test", "exit", "--route", "::/0", "--config", &data("bgp")], 3),
        (&["policy", "test", "exits", "--route", "10.0.0.0/8"], 2),
        (&["policy", "test", "exits", "--route", "::/0", "--config", &wrong], 78),
        (&["frobnicate"], 2),
        (&["show", "route", "10.0.0.0/8"], 2),
        (&["show", "bgp", "summary", "--socket", "/nonexistent/s"], 69),
        (&["show", "bridge-domain", "--socket", "/nonexistent/s"], 69),
        (&["show", "l2tpv3", "--socket", "/nonexistent/s"], 69),
        (&["show", "version", "--socket", "/nonexistent/s"], 69),
        (&["monitor", "--socket", "/nonexistent/s"], 69),
        (&["config", "check", &wrong], 78),
        (&["run", "--check", "-c", &wrong], 78),
        (&["config", "check", "/nonexistent.toml"], 78),
        (&["run", "-c", "/nonexistent.toml"], if kumiki::ports::HAS_DPDK { 78 } else { 1 }),
        (&["run", "-c", &design, "--log", "a=b=c"], if kumiki::ports::HAS_DPDK { 2 } else { 1 }),
    ];
    for (arguments, code) in cases {
        let output = kumiki(arguments);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}\n{}", text(&output.stderr));
    }
}

#[test]
fn a_recording_that_is_not_there_is_an_error_and_nothing_else() {
    let output = kumiki(&["sim", "--replay", "/nonexistent.jsonl"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).starts_with("kumiki: /nonexistent.jsonl: cannot be read"));
}

#[test]
fn a_file_that_may_not_be_read_is_exit_77_whoever_reads_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kumiki.toml");
    std::fs::write(&file, "[router]\n").expect("a file");
    for (path, mode) in [(folder.path(), 0o711), (file.as_path(), 0o000)] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, permissions).expect("its owner");
    }
    let file = file.display().to_string();
    for arguments in [["config", "check", &file], ["run", "--config", &file]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kumiki"));
        command.args(arguments);
        if rustix::process::getuid().is_root() {
            // Root may read everything; nobody may not.
            command.uid(65_534).gid(65_534);
        }
        let output = match command.output() {
            Ok(output) => output,
            Err(error) => return println!("skipped: nobody may not run the binary: {error}"),
        };
        let has_code = arguments[0] == "config" || kumiki::ports::HAS_DPDK;
        let code = if has_code { 77 } else { 1 };
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    }
}

#[test]
fn a_router_that_does_not_run_is_a_sentence_with_a_remedy() {
    let output = kumiki(&["show", "ospf", "neighbor", "--socket", "/nonexistent/s"]);
    let said = text(&output.stderr);
    assert!(said.contains("/nonexistent/s") && said.contains("kumiki run -c FILE"), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn policy_test_shows_which_clause_matched_and_what_became_of_the_route() {
    let file = data("bgp");
    let test = |policy: &str, more: &[&str]| {
        let arguments = ["policy", "test", policy, "--config", &file];
        kumiki(&[&arguments[..], more].concat())
    };
    let route = ["--route", "2001:db9::/32", "--as-path", "6939 3356 2914"];
    let output = test("from-providers", &[&route[..], &["--community", "64500:7"]].concat());
    assert_eq!(
        text(&output.stdout),
        "clause 1 (martians): no match: prefix_list\n\
         clause 2: no match: as_path\n\
         clause 3: matches: next\n\
         clause 4: matches: accept\n\
         2001:db9::/32 is accepted by clause 4 of from-providers\n  \
         local_pref: none → 200\n  \
         communities: 64500:7 → 64500:7 64512:1 64512:1:7\n",
        "{}",
        text(&output.stderr)
    );
    let output = test("exits", &["--route", "2000::/3"]);
    assert_eq!(
        text(&output.stdout),
        "clause 1: no match: prefixes\ndefault: no clause has decided\n\
         2000::/3 is rejected by the default of exits\n"
    );
    let output = test("exits", &["--route", "::/0", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["schema"], "kumiki.policy.test/1");
    assert_eq!(report["is_accepted"], true);
    assert_eq!(report["decided_by"], 1);
    assert_eq!(report["redistribution"]["metric"], 10);
    assert_eq!(report["redistribution"]["tag"], 7);
}

#[test]
fn what_is_right_and_probably_not_meant_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kumiki.toml");
    let bgp = "[router]\nname = \"a\"\n[bgp]\nasn = 1\nrouter_id = \"10.0.0.1\"\n\
               [[bgp.neighbor]]\naddress = \"2001:db8::1\"\nasn = 2\n";
    std::fs::write(&file, bgp).expect("a file");
    let file = file.display().to_string();
    let output = kumiki(&["config", "check", &file]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let warning = format!("1 BGP neighbour\nwarning: {file}:6: [[bgp.neighbor]] 1: without");
    assert!(said.contains(&warning), "{said}");
    let output = kumiki(&["config", "check", &file, "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["is_right"], true);
    assert_eq!(report["warnings"][0]["key"], "[[bgp.neighbor]] 1");
    assert_eq!(report["warnings"][0]["line"], 6);
}

#[test]
fn a_number_from_the_command_line_wins() {
    let output = kumiki(&["config", "check", &data("smallest"), "--number", "9", "--name", "s09"]);
    let said = text(&output.stdout);
    assert!(said.contains("router s09, number 9"), "{said}");
}

fn version() -> ReplyBody {
    let row = VersionRow { name: "s07".to_owned(), ..VersionRow::default() };
    ReplyBody::Show(Box::new(ShowReply::Version(row)))
}

#[test]
fn show_asks_and_prints_a_table() {
    let (output, asked) = StandIn::start(vec![version()]).asked_by(&["show", "version"]);
    assert_eq!(asked, RequestBody::Show(ShowQuery::Version));
    assert!(text(&output.stdout).contains("s07"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn show_prints_json_with_schema_and_rows() {
    let (output, _) = StandIn::start(vec![version()]).asked_by(&["show", "version", "json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(value["schema"], "kumiki.show.version/1");
    assert_eq!(value["rows"][0]["name"], "s07");
}

#[test]
fn apply_sends_the_file_and_tells_what_needs_a_restart() {
    let applied = ReplyBody::Applied {
        changes: vec!["port p1 mtu: 9000 → 1500".to_owned()],
        needs_restart: vec!["[dpdk] lcores: [] → [1]".to_owned()],
        failures: Vec::new(),
    };
    let file = data("smallest");
    let (output, asked) = StandIn::start(vec![applied]).asked_by(&["config", "apply", &file]);
    let sent = std::fs::read_to_string(&file).expect("the case");
    assert_eq!(asked, RequestBody::ConfigApply { text: sent, file: Some(file) });
    assert_eq!(
        text(&output.stdout),
        "port p1 mtu: 9000 → 1500\nneeds a restart: [dpdk] lcores: [] → [1]\n",
    );
}

#[test]
fn what_could_not_be_applied_is_said_and_is_exit_1() {
    let applied = ReplyBody::Applied {
        changes: vec!["port p1 mtu: 9000 → 1500".to_owned()],
        needs_restart: Vec::new(),
        failures: vec!["port p1: no such device".to_owned()],
    };
    let (output, _) =
        StandIn::start(vec![applied]).asked_by(&["config", "apply", &data("smallest")]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "port p1 mtu: 9000 → 1500\n");
    assert_eq!(text(&output.stderr), "kumiki: not done: port p1: no such device\n");
}

#[test]
fn a_refused_configuration_is_exit_78_with_the_text_of_the_router() {
    let refused = ReplyBody::Error(ApiError::Configuration("error: [ospf] cost".to_owned()));
    let file = data("smallest");
    let (output, _) = StandIn::start(vec![refused]).asked_by(&["config", "apply", &file]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("[ospf] cost"));
}

#[test]
fn diff_lets_the_router_compare_and_says_where_the_file_stands() {
    let reply = ReplyBody::Difference {
        changes: vec!["[ospf] cost: 20 → 10".to_owned()],
        needs_restart: Vec::new(),
    };
    let file = data("smallest");
    let (output, asked) = StandIn::start(vec![reply]).asked_by(&["config", "diff", &file]);
    let sent = std::fs::read_to_string(&file).expect("the case");
    assert_eq!(asked, RequestBody::ConfigDiff { text: sent, file: Some(file) });
    assert_eq!(text(&output.stdout), "[ospf] cost: 20 → 10\n", "{}", text(&output.stderr));
}

#[test]
fn monitor_prints_a_line_an_event_until_the_router_ends() {
    let event = Event {
        at: Instant::from_millis(1500),
        severity: Severity::Info,
        topic: "ospf.neighbor".to_owned(),
        text: "s02 on p1 is Full".to_owned(),
        fields: Vec::new(),
    };
    let (output, asked) = StandIn::start(vec![ReplyBody::Event(event)]).asked_by(&["monitor"]);
    assert_eq!(asked, RequestBody::Monitor);
    let line = text(&output.stdout);
    let (time, rest) = line.split_once(' ').unwrap();
    assert_eq!(rest, "info    ospf.neighbor: s02 on p1 is Full\n");
    assert!(time.ends_with('Z') && time.contains('T'), "no time of day: {time}");
    assert_eq!(output.status.code(), Some(69));
}
