//! The program as people meet it: sentences, exit codes, and whole runs where they are permitted.
//!
//! *Invariants*: nothing is timed. What needs DPDK, a namespace or the router's program is skipped
//! with a printed reason where that is not there.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn perf(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kumiki-perf")).args(words).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Exit code 2 and a sentence with this in it.
#[track_caller]
fn refuses(words: &[&str], sentence: &str) {
    let output = perf(words);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{words:?}: {text}");
    assert!(text.contains(sentence), "{words:?}: {text}");
}

/// Whether this build sends packets here; where not, a build without DPDK must say so.
fn can_send() -> bool {
    let probe = ["pktgen", "--loopback", "--cpu", "0", "--duration", "0.01", "--repeat", "1"];
    let output = perf(&probe);
    if output.status.success() {
        return true;
    }
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    if !cfg!(dpdk) {
        assert!(text.contains("without DPDK"), "{text}");
    }
    println!("skipped: no packets can be sent here: {text}");
    false
}

fn write(folder: &Path, name: &str, schema: &str, value: f64) -> String {
    let path = folder.join(name);
    let text = format!(
        r#"{{"schema": "{schema}", "series": [{{"name": "rate", "unit": "Mpps",
             "better": "higher", "p10": {value}, "p50": {value}, "p90": {value}}}]}}"#
    );
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn results_are_compared_and_strangers_refused() {
    let folder = tempfile::tempdir().unwrap();
    let one = write(folder.path(), "one.json", "kumiki.perf.pktgen/1", 1.0);
    let two = write(folder.path(), "two.json", "kumiki.perf.pktgen/1", 2.0);
    let other = write(folder.path(), "other.json", "kumiki.perf.rfc/1", 2.0);
    let foreign = write(folder.path(), "foreign.json", "another/1", 2.0);
    let page = folder.path().join("page.html");
    let output = perf(&["compare", &one, &two, "--html", &page.display().to_string()]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("2.000 ×"), "{text}");
    assert!(text.contains("1 better, 0 worse"), "{text}");
    assert!(std::fs::read_to_string(page).unwrap().contains("<svg"));
    refuses(&["compare", &one, &other], "only equal ones compare");
    refuses(&["compare", &one, &foreign], "has the schema `another/1`");
    refuses(&["compare", &one, "missing.json"], "cannot read missing.json");
}

#[test]
fn what_cannot_be_measured_is_said() {
    if !can_send() {
        return;
    }
    let mac = ["--mac", "02:00:00:00:00:01"];
    let with = |words: &[&'static str]| [&["pktgen"], words, &mac[..]].concat();
    refuses(&with(&["--tx", "af_packet:nobody0", "--cpu", "0"]), "no interface `nobody0`");
    refuses(&with(&["--tx", "eth0", "--cpu", "0"]), "`eth0` is no device");
    refuses(&["pktgen", "--loopback", "--cpu", "9999"], "core 9999 is not there");
    refuses(&["pktgen", "--tx", "vdev:net_ring0", "--cpu", "0"], "say where frames go");
    let above = ["pktgen", "--loopback", "--cpu", "0", "--line", "1Gbps", "--rate", "2Gbps"];
    refuses(&above, "more than the device carries");
    refuses(&["rfc", "failover", "--loopback"], "needs --event");
    refuses(&["pktgen", "--loopback", "--rate", "fast"], "is no rate");
}

#[test]
fn a_loopback_loses_nothing() {
    if !can_send() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("result.json").display().to_string();
    for size in ["64", "imix", "9000"] {
        let run = ["--rate", "20kpps", "--duration", "0.3", "--repeat", "1", "--cpu", "0"];
        let words = ["pktgen", "--loopback", "--size", size, "--streams", "4", "--json", &file];
        let output = perf(&[&words[..], &run].concat());
        assert!(output.status.success(), "{size}: {}", said(&output));
        let text = std::fs::read_to_string(&file).unwrap();
        let result: serde_json::Value = serde_json::from_str(&text).unwrap();
        let series = result["series"].as_array().unwrap();
        let of = |name: &str| {
            let found = series.iter().find(|s| s["name"].as_str().unwrap().ends_with(name));
            found.unwrap()["p50"].as_f64().unwrap()
        };
        assert!(of(": sent") > 0.0);
        assert_eq!((of("lost"), of("reordered"), of("doubles")), (0.0, 0.0, 0.0), "{size}");
    }
}

#[test]
fn a_router_in_a_lab_forwards() {
    if !can_send() {
        return;
    }
    let router = PathBuf::from(env!("CARGO_BIN_EXE_kumiki-perf")).with_file_name("kumiki");
    if !router.exists() {
        println!("skipped: the router's program is not built");
        return;
    }
    for cable in ["memif", "veth"] {
        let lab = ["pktgen", "--lab", cable, "--cpu", "0", "--size", "64", "--rate", "1kpps"];
        let output = perf(&[&lab[..], &["--duration", "0.5", "--repeat", "2"]].concat());
        let text = said(&output);
        if text.contains("no network namespace can be made") {
            println!("skipped: no network namespace can be made here");
            return;
        }
        assert!(output.status.success(), "{cable}: {text}");
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(shown.contains(&format!("{cable}, IPv6/UDP, 64")), "{shown}");
    }
}
