//! Replays the corpus of every fuzz target: what once was found stays found.
//!
//! The targets stand in `targets`, a package of their own for cargo-fuzz; their bodies are in
//! `sim::fuzz`. A failure of a fuzzer becomes a file of the corpus, with a name that says what it
//! was.

use kumiki::sim::fuzz;
use std::path::Path;

/// Hands every file of a corpus to a body.
fn replay(target: &str, body: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&corpus).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus in {}", corpus.display());
    for file in files {
        println!("{}", file.display());
        body(&std::fs::read(&file).unwrap());
    }
}

#[test]
fn any_frames_leave_the_graph_with_a_reason() {
    replay("graph", fuzz::graph);
}

#[test]
fn any_filter_is_understood_or_refused() {
    replay("filter", fuzz::filter);
}

#[test]
fn any_life_of_a_control_plane_can_be_lived_again() {
    replay("control", fuzz::control::control);
}

#[test]
fn any_life_of_an_l2tp_peer_ends_in_silence() {
    replay("l2tp", fuzz::l2tp::l2tp);
}

#[test]
fn any_announcements_leave_members_with_what_is_right() {
    replay("members", fuzz::members::members);
}

#[test]
fn lives_at_random_are_lived_too() {
    // More of them: KUMIKI_LIVES=100000 cargo test --release --test fuzz lives
    let count = std::env::var("KUMIKI_LIVES").map_or(30, |text| text.parse().unwrap());
    for seed in 0..count {
        let life = fuzz::control::life(&mut kumiki::base::prng::Prng::new(seed));
        let lived = std::panic::catch_unwind(|| fuzz::control::control(&life));
        assert!(lived.is_ok(), "the life of seed {seed}");
    }
}

#[test]
fn octets_at_random_are_replayed_too() {
    let mut random = kumiki::base::prng::Prng::new(20);
    for _ in 0..40 {
        let length = random.below(2000);
        let octets: Vec<u8> =
            (0..length).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        fuzz::graph(&octets);
        fuzz::filter(&octets);
        fuzz::l2tp::l2tp(&octets);
        fuzz::members::members(&octets);
    }
}
