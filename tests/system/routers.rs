//! Kumiki in the lab: alone, beside FRR and BIRD, and as the way for real traffic.

use crate::{BIRD, FRR, Place, cannot_run, directory, lab, leftovers, report, skip};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const IPERF: &str = "/usr/bin/iperf3";

fn needs_router() -> bool {
    !kumiki::ports::HAS_DPDK && skip("this build has no DPDK")
}

/// A lab that stays until it is dropped.
struct Kept {
    directory: Place,
}

impl Kept {
    fn up(arguments: &str) -> Self {
        let kept = Self { directory: directory() };
        let output = lab(&kept.directory, arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        kept
    }

    fn run(&self, arguments: &str) -> Command {
        lab(&self.directory, arguments)
    }

    fn json(&self, arguments: &str) -> Value {
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
