//! Kumiki in the lab: alone, beside FRR and BIRD, and as the way for real traffic.

use crate::{BIRD, FRR, Place, cannot_run, directory, lab, leftovers, report, skip};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const IPERF: &str = "/usr/bin/iperf3";
const BFDD: &str = "/usr/lib/frr/bfdd";
pub const KUMIKI: &str = env!("CARGO_BIN_EXE_kumiki");

pub fn needs_router() -> bool {
    !kumiki::ports::HAS_DPDK && skip("this build has no DPDK")
}

/// A lab that stays until it is dropped.
pub struct Kept {
    pub directory: Place,
}

impl Kept {
    pub fn up(arguments: &str) -> Self {
        let kept = Self { directory: directory() };
        let output = lab(&kept.directory, arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        kept
    }

    pub fn run(&self, arguments: &str) -> Command {
        lab(&self.directory, arguments)
    }

    pub fn json(&self, arguments: &str) -> Value {
        report(&self.run(arguments).output().unwrap())
    }

    fn address(&self, server: usize, key: &str) -> String {
        self.json("status --json")["servers"][server - 1][key].as_str().unwrap().to_owned()
    }

    /// Starts a server process inside and waits for the line that says it listens.
    fn listen(&self, place: &str, program: &str) -> Child {
        let mut command = self.run(&format!("exec {place} {program}"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("listening")), "{program} does not listen");
        std::thread::spawn(move || lines.for_each(drop));
        child
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let output = self.run("down").output().unwrap();
        if !std::thread::panicking() {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert!(leftovers(&self.directory).is_empty(), "{:?}", leftovers(&self.directory));
        }
    }
}

fn all_recovered(report: &Value) -> bool {
    let faults = report["faults"].as_array().unwrap();
    report["is_passed"] == true
        && report["adjacencies_full"] == report["adjacencies_expected"]
        && faults.iter().all(|fault| fault["recovered"] == true && fault["restored"] == true)
}

#[test]
fn eight_routers_recover_from_a_cut_a_silent_cable_and_a_killed_router() {
    if cannot_run(&[]) || needs_router() {
        return;
    }
    let directory = directory();
    let arguments = "test --servers 8 --topology circulant:1,3 --fault cut:s01-s02 \
                     --fault silent:s02-s03 --fault kill:s05 --json";
    let report = report(&lab(&directory, arguments).output().unwrap());
    assert!(all_recovered(&report), "{report:#}");
    assert_eq!(report["faults"].as_array().unwrap().len(), 3);
    assert!(leftovers(&directory).is_empty(), "{:?}", leftovers(&directory));
}

#[test]
fn frr_and_bird_are_neighbours_with_the_same_routes_and_traffic() {
    if cannot_run(&[FRR, BIRD]) || needs_router() {
        return;
    }
    let directory = directory();
    let arguments = "test --servers 6 --topology ring --peer s02=frr --peer s05=bird --json \
                     --fault cut:s03-s04";
    let report = report(&lab(&directory, arguments).output().unwrap());
    assert!(all_recovered(&report), "{report:#}");
    let pings = report["pings"].as_array().unwrap();
    assert!(pings.iter().all(|ping| ping["answered"] == ping["pairs"]), "{report:#}");
    assert!(leftovers(&directory).is_empty(), "{:?}", leftovers(&directory));
}

#[test]
fn frr_and_bird_keep_bfd_sessions_up_with_kumiki_and_lose_them_with_the_cable() {
    if cannot_run(&[FRR, BFDD, BIRD]) || needs_router() {
        return;
    }
    // Slower than the default: a test must pass on a machine that does much else.
    let shape = "--servers 4 --topology ring --peer s02=frr --peer s04=bird --bfd 200";
    let kept = Kept::up(&format!("up {shape}"));
    let sessions = |kept: &Kept, server: &str| -> Vec<Value> {
        let shown = kept.json(&format!("exec {server} {KUMIKI} show bfd --json"));
        shown["rows"].as_array().unwrap().clone()
    };
    // A session is there for as long as OSPF has the neighbour: a row may be missing.
    let of_peer = |rows: &[Value], port: &str| -> Value {
        rows.iter().find(|row| row["port"] == port).cloned().unwrap_or_default()
    };
    // Some hundred packets in each direction.
    std::thread::sleep(Duration::from_secs(20));
    for (server, peers) in [("s01", ["p-s02", "p-s04"]), ("s03", ["p-s02", "p-s04"])] {
        let rows = sessions(&kept, server);
        for port in peers {
            let row = of_peer(&rows, port);
            assert_eq!((&row["state"], &row["remote_state"]), (&"Up".into(), &"Up".into()));
            assert_eq!((&row["down_count"], &row["is_polling"]), (&0.into(), &false.into()));
            assert_eq!(row["detection_time_us"], 600_000, "{row:#}");
            assert!(row["received_packets"].as_u64().unwrap() >= 60, "{row:#}");
        }
    }
    for cable in ["s01-s02", "s01-s04"] {
        assert!(kept.run(&format!("silence {cable}")).status().unwrap().success());
        let port = format!("p-{}", &cable[4..]);
        let deadline = Instant::now() + Duration::from_secs(10);
        while of_peer(&sessions(&kept, "s01"), &port)["is_failed"] != true {
            assert!(Instant::now() < deadline, "{cable}");
        }
        assert!(kept.run(&format!("heal {cable}")).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(30);
        while of_peer(&sessions(&kept, "s01"), &port)["state"] != "Up" {
            assert!(Instant::now() < deadline, "{cable}");
        }
    }
}

#[test]
fn a_router_that_is_killed_can_be_started_at_once() {
    if cannot_run(&[]) || needs_router() {
        return;
    }
    let kept = Kept::up("up --servers 2 --topology line");
    for _ in 0..5 {
        for change in ["kill s01", "start s01"] {
            assert!(kept.run(change).status().unwrap().success());
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let status = kept.run("status --json").output().unwrap().stdout;
            let status: Value = serde_json::from_slice(&status).unwrap();
            let router = &status["servers"][0];
            assert_eq!(router["is_running"], true, "{router:#}");
            if router["adjacencies_full"] == 1 {
                break;
            }
            assert!(Instant::now() < deadline, "{router:#}");
        }
    }
}

#[test]
fn tcp_runs_three_hops_far_and_to_the_routers_own_kernel() {
    if cannot_run(&[IPERF]) || needs_router() {
        return;
    }
    let kept = Kept::up("up --servers 6 --topology ring");
    let far = ("h04", kept.address(4, "host_address"));
    let router = ("s03", kept.address(3, "loopback"));
    for (place, address) in [far, router] {
        let mut server = kept.listen(place, "iperf3 -6 -s -1 --forceflush");
        let client = kept.json(&format!("exec h01 iperf3 -6 -J -t 3 -c {address}"));
        assert!(server.wait().unwrap().success());
        let received = client["end"]["sum_received"]["bytes"].as_u64().unwrap();
        assert!(received > 1_000_000, "{received} octets to {address}");
    }
}

#[test]
fn a_capture_file_has_what_passes_and_a_trace_where_it_goes() {
    if cannot_run(&[]) || needs_router() {
        return;
    }
    let kept = Kept::up("up --servers 2 --topology line");
    let far = kept.address(2, "host_address");
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("capture.pcapng");
    let kumiki = env!("CARGO_BIN_EXE_kumiki");
    let watch = |arguments: &str| {
        let mut command = kept.run(&format!("exec s01 -- {kumiki} {arguments} --filter"));
        command.arg(format!("icmp6 and host {far}"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    // Two echoes and their answers, each as it comes and as it goes.
    let capture = watch(&format!("capture -w {} --count 8", file.display()));
    let trace = watch("trace --json --count 2 --port lan");
    let mut children = [capture, trace];
    let deadline = Instant::now() + Duration::from_secs(60);
    while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        // Who begins to look on misses what came before.
        kept.run(&format!("exec h01 ping -c 1 {far}")).output().unwrap();
        assert!(Instant::now() < deadline, "no end");
    }
    let [capture, trace] = children.map(|child| child.wait_with_output().unwrap());
    let errors = String::from_utf8_lossy(&capture.stderr);
    assert!(capture.status.success() && errors.starts_with("8 packets; "), "{errors}");
    let paths: Vec<Value> = String::from_utf8_lossy(&trace.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(paths.len(), 2);
    let last = paths[0]["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["node"], &last["to"]), (&"port-output".into(), &"p-s02".into()), "{last:#}");
    let mut seen = std::collections::BTreeSet::new();
    let bytes = std::fs::read(&file).unwrap();
    let mut reader = PcapNgReader::new(&bytes[..]).unwrap();
    let mut names = Vec::new();
    while let Some(block) = reader.next_block() {
        match block.unwrap().0 {
            Block::InterfaceDescription(interface) => {
                names.extend(interface.options.iter().find_map(|option| match option {
                    InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
                    _ => None,
                }));
            }
            Block::EnhancedPacket(packet) => {
                let name = &names[usize::try_from(packet.interface_id).unwrap()];
                let flags = packet.options.iter().find_map(|option| match option {
                    EnhancedPacketOption::Flags(flags) => Some(*flags),
                    _ => None,
                });
                seen.insert((name.clone(), flags.unwrap()));
            }
            _ => {}
        }
    }
    let expected = [("lan", 1), ("lan", 2), ("p-s02", 1), ("p-s02", 2)];
    assert_eq!(seen, expected.map(|(name, flags)| (name.to_owned(), flags)).into());
    let Ok(tshark) = Command::new("tshark").arg("-r").arg(&file).output() else {
        skip("tshark is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&tshark.stdout);
    assert_eq!(text.lines().filter(|line| line.contains("Echo (ping)")).count(), 8, "{text}");
}

/// Configuration of a lab's first router with `ROUTES_EACH` more routes, one of two sets.
fn with_routes(kept: &Kept, set: u16, via: &str) -> PathBuf {
    let folder = kept.directory.path().join("lab");
    let prefixes = folder.join(format!("{set}.prefixes"));
    let lines = (0..ROUTES_EACH).map(|number| marker(set, number) + "\n");
    std::fs::write(&prefixes, lines.collect::<String>()).unwrap();
    let base = std::fs::read_to_string(folder.join("s01.toml")).unwrap();
    let text = format!(
        "{base}\n[[route]]\nprefixes = \"{}\"\nvia = \"{via}\"\nport = \"p-s02\"\n",
        prefixes.display()
    );
    let file = folder.join(format!("{set}.toml"));
    std::fs::write(&file, text).unwrap();
    file
}

/// Routes of each set, spread over blocks of the table.
const ROUTES_EACH: u16 = 5000;

/// A prefix of a set.
fn marker(set: u16, number: u16) -> String {
    format!("2001:{:x}:{:x}::/48", 0x1000 + number / 16, set * 0x100 + number % 16)
}

#[test]
fn a_hundred_thousand_changes_of_routes_lose_no_packet_of_a_router() {
    const PING: &str = "/usr/bin/ping";
    if cannot_run(&[PING]) || needs_router() {
        return;
    }
    let kept = Kept::up("up --servers 2 --topology line");
    let far = kept.address(2, "host_address");
    let inside = |words: &str| kept.json(&format!("exec s01 {} {words}", KUMIKI));
    let neighbors = inside("show ospf neighbor --json");
    let via = neighbors["rows"][0]["address"].as_str().unwrap();
    let files = [1, 2].map(|set| with_routes(&kept, set, via));
    // A host's kernel says what nobody wants to hear, and a port that starts is not known at first.
    let losses = || {
        let errors = inside("show errors --json");
        let rows = errors["rows"].as_array().unwrap().clone();
        let is_loss = |row: &Value| {
            let place = row["place"].as_str().unwrap();
            let name = row["name"].as_str().unwrap();
            (place == "dataplane" || place.starts_with("port "))
                && !["mld_ignored", "multicast_unwanted", "multicast_not_member"].contains(&name)
        };
        let rows = rows.into_iter().filter(is_loss);
        rows.map(|row| (row["name"].to_string(), row["count"].as_u64())).collect::<Vec<_>>()
    };
    let before = losses();
    // It waits for the last answers before it ends.
    let mut ping = kept.run(&format!("exec h01 {PING} -6 -q -i 0.002 -c 1000 {far}"));
    let mut ping = ping.stdout(Stdio::piped()).spawn().unwrap();
    // The first set, then one for the other, each time 5000 go and 5000 come: ten times, and until
    // the last packet was sent.
    let mut round = 0;
    while round <= 10 || ping.try_wait().unwrap().is_none() {
        let (set, file) = (1 + round % 2, &files[usize::from(round % 2)]);
        let apply = format!("exec s01 {KUMIKI} config apply {}", file.display());
        assert!(kept.run(&apply).output().unwrap().status.success());
        // Not before the workers have them, or several steps could be one.
        let fib = format!("exec s01 {KUMIKI} show fib {} --json", marker(set, ROUTES_EACH - 1));
        let deadline = Instant::now() + Duration::from_secs(60);
        while kept.run(&fib).output().unwrap().status.code() != Some(0) {
            assert!(Instant::now() < deadline, "round {round}: the routes do not come");
        }
        round += 1;
    }
    let output = ping.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{} changes\n{text}", u32::from(round - 1) * 2 * u32::from(ROUTES_EACH));
    assert!(text.contains(" 0% packet loss"), "{text}");
    assert_eq!(losses(), before);
}
