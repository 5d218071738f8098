//! Two clusters that reach each other through a provider, and lose exits: the scenario of the lab.

use crate::routers::needs_router;
use crate::{BIRD, FRR, cannot_run, directory, lab, leftovers, report, skip};
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt;

const BGPD: &str = "/usr/lib/frr/bgpd";
/// What the clusters announce.
const AGGREGATES: [&str; 2] = ["fd4b:756d:696b::/48", "fd4b:756d:696c::/48"];
/// Milliseconds within which every flow has another exit, with room for a machine that is busy:
/// BFD takes 150.
const MOVED_MS_MAX: f64 = 1500.0;

/// What the provider has to hear while these edges are left.
fn table(edges: [&[&str]; 2]) -> Value {
    json!({ AGGREGATES[0]: edges[0], AGGREGATES[1]: edges[1] })
}

/// Asserts what holds whatever was broken.
fn assert_clean(report: &Value) {
    assert_eq!(report["scenario"], "two-clusters");
    assert_eq!(report["ospf_routes_in_bgp"], 0, "{report:#}");
    assert_eq!(report["reachable"], true, "{report:#}");
    for stage in report["stages"].as_array().unwrap() {
        for (found, wanted) in [
            ("answered", "pairs"),
            ("outside_answered", "outside_hosts"),
            ("routers_with_exits", "routers"),
        ] {
            assert_eq!(stage[found], stage[wanted], "{stage:#}");
        }
        assert_eq!(stage["leaked_routes"], 0, "{stage:#}");
    }
    let moved = report["exits_moved_ms"].as_f64().unwrap();
    assert!(moved > 0.0 && moved < MOVED_MS_MAX, "{report:#}");
}

/// The paper's design, and its figure of an edge that dies together with two more servers.
#[test]
fn exits_move_when_edges_die_and_nothing_of_ospf_gets_out() {
    if cannot_run(&[BIRD]) || needs_router() {
        return;
    }
    let directory = directory();
    let output = lab(&directory, "test --scenario two-clusters --json").output().unwrap();
    let report = report(&output);
    assert_clean(&report);
    let stages = report["stages"].as_array().unwrap();
    let seen: Vec<_> = stages
        .iter()
        .map(|stage| (stage["stage"].as_str().unwrap(), &stage["pairs"], &stage["isp_routes"]))
        .collect();
    let whole = table([&["s01", "s03"], &["s05", "s07"]]);
    let first = table([&["s03"], &["s05", "s07"]]);
    let second = table([&["s01"], &["s05", "s07"]]);
    // Of eight hosts there are 56 pairs, of seven 42, of five 20.
    let (all, seven, five) = (json!(56), json!(42), json!(20));
    let expected = [
        ("start", &all, &whole),
        ("kill:s01", &seven, &first),
        ("kill:s01 mended", &all, &whole),
        ("kill:s03", &seven, &second),
        ("kill:s03 mended", &all, &whole),
        ("kill:s01+kill:s02+kill:s06", &five, &first),
        ("kill:s01+kill:s02+kill:s06 mended", &all, &whole),
    ];
    assert_eq!(seen, expected);
    for exit in report["exits"].as_array().unwrap() {
        assert!(exit["lost_packets"].as_u64().unwrap() > 0, "a flow crosses it: {exit:#}");
    }
    assert!(leftovers(&directory).is_empty(), "{:?}", leftovers(&directory));
}

#[test]
fn frr_is_a_provider_too() {
    if cannot_run(&[FRR, BGPD]) || needs_router() {
        return;
    }
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        skip("FRR needs root");
        return;
    }
    let directory = directory();
    let arguments = "test --scenario two-clusters --isp frr --fault kill:s05 --json";
    let report = report(&lab(&directory, arguments).output().unwrap());
    assert_clean(&report);
    assert_eq!(report["isp"], "frr");
    let stages = report["stages"].as_array().unwrap();
    assert_eq!(stages[1]["isp_routes"], table([&["s01", "s03"], &["s07"]]));
    assert_eq!(stages[2]["isp_routes"], table([&["s01", "s03"], &["s05", "s07"]]));
    assert!(leftovers(&directory).is_empty(), "{:?}", leftovers(&directory));
}
