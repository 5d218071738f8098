//! Graceful restarts (RFC 5187) beside FRR and BIRD: theirs with Kumiki's help, Kumiki's with
//! theirs.

use crate::routers::{KUMIKI, Kept, needs_router};
use crate::{BIRD, FRR, cannot_run, directory, lab, report};
use serde_json::Value;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How long FRR may take to be back, BIRD as well.
const BACK_WITHIN: Duration = Duration::from_secs(40);

#[test]
fn a_control_plane_that_fails_between_frr_and_bird_costs_no_packet() {
    if cannot_run(&[FRR, BIRD]) || needs_router() {
        return;
    }
    let directory = directory();
    let arguments = "test --servers 4 --topology ring --peer s02=frr --peer s04=bird --bfd 200 \
                     --fault panic:s01 --json";
    let report = report(&lab(&directory, arguments).output().unwrap());
    let fault = &report["faults"][0];
    assert_eq!(
        (&fault["recovered"], &fault["lost_packets"]),
        (&true.into(), &0.into()),
        "{report:#}"
    );
    let streams = fault["streams"].as_array().unwrap();
    for own in ["h02-h01", "h01-h02"] {
        assert!(streams.contains(&own.into()), "{report:#}");
    }
}

/// What Kumiki on s01 says of its neighbour s02.
fn neighbor(kept: &Kept) -> Value {
    let shown = kept.json(&format!("exec s01 {KUMIKI} show ospf neighbor --json"));
    let rows = shown["rows"].as_array().unwrap();
    rows.iter().find(|row| row["port"] == "p-s02").cloned().unwrap_or_default()
}

/// Waits until the neighbour is as it should be, and never something else than Full.
fn wait_full(kept: &Kept, what: &str, is_there: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + BACK_WITHIN;
    loop {
        let row = neighbor(kept);
        assert_eq!(row["state"], "Full", "{what}: {row:#}");
        if is_there(&row) {
            return row;
        }
        assert!(Instant::now() < deadline, "{what}: {row:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until the neighbour has been Full for some seconds and owes nothing: FRR acknowledges in
/// its own time, and who owes an LSA that changed is not helped. Says since when it surely was.
fn wait_settled(kept: &Kept) -> Instant {
    let deadline = Instant::now() + BACK_WITHIN;
    loop {
        let (now, row) = (Instant::now(), neighbor(kept));
        let is_old = row["state_age_ms"].as_u64().is_some_and(|age| age > 5000);
        if row["state"] == "Full" && is_old && row["retransmit_count"] == 0 {
            return now;
        }
        assert!(now < deadline, "{row:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Commands to FRR's ospf6d.
pub fn tell_ospf6d(kept: &Kept, commands: &[&str]) {
    crate::interop::frr::tell(&kept.directory.path().join("lab/s02.frr/ospf6d.vty"), commands);
}

#[test]
fn frr_that_restarts_gracefully_stays_full() {
    if cannot_run(&[FRR]) || needs_router() {
        return;
    }
    let kept = Kept::up("up --servers 3 --topology ring --peer s02=frr --bfd 0");
    let began = wait_settled(&kept);
    tell_ospf6d(&kept, &["enable", "graceful-restart prepare ipv6 ospf"]);
    wait_full(&kept, "its Grace-LSA", |row| row["helped_for_ms"].as_u64().is_some());
    assert!(kept.run("kill s02").status().unwrap().success());
    // Longer than a dead interval.
    std::thread::sleep(Duration::from_secs(5));
    let row = wait_full(&kept, "away", |_| true);
    assert!(row["helped_for_ms"].as_u64().is_some_and(|left| left > 10_000), "{row:#}");
    assert!(kept.run("start s02").status().unwrap().success());
    let row = wait_full(&kept, "back", |row| row["helped_for_ms"].is_null());
    let since = began.elapsed().as_millis();
    assert!(u128::from(row["state_age_ms"].as_u64().unwrap()) >= since, "{row:#}");
}

#[test]
fn bird_that_restarts_gracefully_stays_full() {
    const BIRDC: &str = "/usr/sbin/birdc";
    if cannot_run(&[BIRD, BIRDC]) || needs_router() {
        return;
    }
    let kept = Kept::up("up --servers 3 --topology ring --peer s02=bird --bfd 0");
    let folder = kept.directory.path().join("lab/s02.bird");
    let (config, socket) = (folder.join("bird.conf"), folder.join("bird.ctl"));
    let (config, socket) = (config.display().to_string(), socket.display().to_string());
    let text = std::fs::read_to_string(&config).unwrap();
    let protocol = "protocol ospf v3 fabric {";
    assert!(text.contains(protocol), "{text}");
    let text = text.replace(protocol, &format!("{protocol} graceful restart yes;"));
    std::fs::write(&config, text).unwrap();
    let birdc = |words: &str| {
        let output = kept.run(&format!("exec s02 {BIRDC} -s {socket} {words}")).output().unwrap();
        assert!(output.status.success(), "{words}: {output:?}");
    };
    birdc("configure");
    // It says so before it is done.
    std::thread::sleep(Duration::from_secs(3));
    let began = wait_settled(&kept);
    birdc("graceful restart");
    wait_full(&kept, "its Grace-LSA", |row| row["helped_for_ms"].as_u64().is_some());
    std::thread::sleep(Duration::from_secs(5));
    wait_full(&kept, "away", |row| row["helped_for_ms"].as_u64().is_some());
    let again = format!("exec s02 {BIRD} -R -f -c {config} -s {socket}");
    let mut bird = kept.run(&again).stderr(Stdio::null()).spawn().unwrap();
    let row = wait_full(&kept, "back", |row| row["helped_for_ms"].is_null());
    let since = began.elapsed().as_millis();
    assert!(u128::from(row["state_age_ms"].as_u64().unwrap()) >= since, "{row:#}");
    bird.kill().unwrap();
    bird.wait().unwrap();
}
