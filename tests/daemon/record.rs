//! A router whose control plane's life is written down, and the same life again.

use crate::bench::{Bench, CONFIG, MAC};
use kumiki::api::{RequestBody, ShowQuery};
use kumiki::cli::client::Client;
use std::process::{Command, Output};

/// A Neighbor Solicitation, as broken as any frame of a stranger may be.
fn frame(number: u8) -> Vec<u8> {
    let mut frame = [&MAC.0[..], &[2, 0, 0, 0, 1, 1], &[0x86, 0xdd]].concat();
    frame.extend([0x60, 0, 0, 0, 0, 8, 58, 255]);
    frame.extend("fe80::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    frame.extend("ff02::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    frame.extend([135, 0, 0, number, 0, 0, 0, 0]);
    frame
}

fn replay(file: &std::path::Path, more: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kumiki"));
    let output = command.args(["sim", "--replay"]).arg(file).args(more).output().unwrap();
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into();
    (output, text)
}

#[test]
fn a_router_that_was_recorded_lives_again_the_same_way() {
    let mut bench = Bench::new();
    let file = bench.path("router.jsonl");
    bench.record = Some(file.clone());
    bench.source.frames.lock().unwrap().extend((0..40).map(frame));
    bench.run(CONFIG, |socket| {
        let ask = |body| Client::connect(socket).unwrap().ask(body).unwrap();
        for query in [ShowQuery::OspfInterface, ShowQuery::Neighbor, ShowQuery::OspfDatabase] {
            ask(RequestBody::Show(query));
        }
        let text = format!("{CONFIG}[ospf]\ncost = 20\n");
        ask(RequestBody::ConfigApply { text, file: None });
        ask(RequestBody::Show(ShowQuery::OspfInterface));
        bench.blow_up();
    });
    let (output, text) = replay(&file, &[]);
    assert!(output.status.success() && text.contains("no difference"), "{text}");
    assert!(!text.contains("the recording"), "it is whole: {text}");

    let (output, text) = replay(&file, &["--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(answer["steps"].as_u64() > Some(5) && answer["error"].is_null(), "{text}");
    assert_eq!((&answer["end"], &answer["is_torn"]), (&"ended".into(), &false.into()), "{text}");

    let recorded = std::fs::read_to_string(&file).unwrap();
    let changed = bench.path("changed.jsonl");
    std::fs::write(&changed, recorded.replacen("\"cost\":20", "\"cost\":21", 1)).unwrap();
    let (output, text) = replay(&changed, &[]);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("recorded:") && text.contains("now:"), "{text}");
    let (output, text) = replay(&bench.path("none.jsonl"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("none.jsonl: cannot be read"), "{text}");
}
