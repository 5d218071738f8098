//! The rules of the house that a program can check: who may use whom, what the pure half must not
//! touch, where `unsafe` lives, how long things may be, which words never stay.
//!
//! Read `house/source.rs` (a file as code, comments and tests), then a file for each kind of rule.
//! Every rule has a test on the whole tree and a test that a violation of it is found.
//!
//! *Invariants*: only files are read; neither git nor the network is asked.
#![forbid(unsafe_code)]

mod house {
    pub mod layers;
    pub mod purity;
    pub mod shape;
    pub mod source;
    pub mod unsafety;
    pub mod words;
}

use house::source::Tree;
use house::{layers, purity, shape, unsafety, words};

/// One place that breaks a rule: `src/wire/nd.rs:12: what is wrong; what to do`.
type Finding = String;

/// Fails with every finding, one a line.
fn assert_none(findings: &[Finding]) {
    assert!(
        findings.is_empty(),
        "{} against the rules of the house:\n\n{}\n",
        findings.len(),
        findings.join("\n")
    );
}

/// Runs a check on the whole tree.
fn hold(check: impl Fn(&Tree) -> Vec<Finding>) {
    let tree = Tree::read();
    assert!(tree.files.len() > 100, "the walk found {} files only", tree.files.len());
    assert_none(&check(&tree));
}

/// Runs a check on one made-up file; a violation has to be found, at this line.
#[track_caller]
fn catches(check: impl Fn(&Tree) -> Vec<Finding>, path: &str, line: usize, text: &str) {
    let findings = check(&Tree::of(&[(path, text)]));
    let place = format!("{path}:{line}: ");
    assert!(
        findings.iter().any(|finding| finding.starts_with(&place)),
        "nothing at {place}{findings:?}"
    );
}

/// Runs a check on one made-up file that is right.
#[track_caller]
fn accepts(check: impl Fn(&Tree) -> Vec<Finding>, path: &str, text: &str) {
    assert_none(&check(&Tree::of(&[(path, text)])));
}

#[test]
fn arrows_point_down() {
    hold(layers::arrows);
}

#[test]
fn arrows_up_are_found() {
    catches(layers::arrows, "src/wire/nd.rs", 2, "//! x\nuse crate::proto::nd::NdCache;\n");
    catches(layers::arrows, "src/fib/table.rs", 1, "use crate::{base::ids, rib::Rib};\n");
    catches(layers::arrows, "src/rib/table.rs", 2, "fn f() {\n    crate::wire::g()\n}\n");
    catches(layers::arrows, "src/proto/ospf/lsdb.rs", 1, "use crate::proto::bfd::Session;\n");
    catches(layers::arrows, "src/proto/ospf/lsdb.rs", 1, "use super::super::bfd::Session;\n");
    catches(layers::arrows, "src/main.rs", 1, "use kumiki::rib::Rib;\n");
    catches(layers::arrows, "src/rib/table.rs", 1, "use dpdk_sys::rte_mbuf;\n");
    catches(layers::arrows, "src/base/time.rs", 1, "use serde_json::Value;\n");
    catches(layers::arrows, "src/utils/mod.rs", 1, "//! x\n");
}

#[test]
fn arrows_down_are_accepted() {
    let text = "use crate::{base::ids, wire::ospf};\nuse crate::proto::ospf::Lsa;\n\
                use super::lsdb;\n// crate::rib is only named here\n";
    accepts(layers::arrows, "src/proto/ospf/machine.rs", text);
    let text = "use crate::fib::Fib;\n#[cfg(test)]\nmod tests {\n    use crate::sim::World;\n}\n";
    accepts(layers::arrows, "src/rib/table.rs", text);
}

#[test]
fn the_pure_half_is_pure() {
    hold(purity::impurities);
}

#[test]
fn impurities_are_found() {
    let cases = [
        "use std::time::{Duration, Instant};\n",
        "use std::{collections::BTreeMap, time::SystemTime};\n",
        "use std::collections::HashMap;\n",
        "type T = std::collections::HashSet<u8>;\n",
        "use std::net::{Ipv6Addr, UdpSocket};\n",
        "const F: fn() = || std::thread::yield_now();\n",
        "use std::env;\n",
        "use std::fs::File;\n",
        "use std::process::Command;\n",
        "static COUNT: AtomicU64 = AtomicU64::new(0);\n",
        "static mut COUNT: u64 = 0;\n",
        "thread_local! { }\n",
        "use rustix::net::socket;\n",
    ];
    for text in cases {
        catches(purity::impurities, "src/proto/nd/cache.rs", 1, text);
    }
}

#[test]
fn what_only_looks_impure_is_accepted() {
    let text = "use std::time::Duration;\nuse std::net::Ipv6Addr;\n\
                use crate::base::time::Instant;\n\
                static NAMES: [&str; 1] = [\"std::fs\"];\n\
                // std::thread is for others\n\
                #[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
    accepts(purity::impurities, "src/proto/nd/cache.rs", text);
    accepts(purity::impurities, "src/daemon/clock.rs", "use std::time::Instant;\n");
}

#[test]
fn unsafe_stays_in_its_rooms() {
    hold(unsafety::rooms);
}

#[test]
fn unsafe_elsewhere_is_found() {
    catches(unsafety::rooms, "src/rib/table.rs", 1, "fn f() { unsafe { g() } }\n");
    catches(unsafety::rooms, "tests/ports/main.rs", 1, "unsafe fn f() {}\n");
    catches(unsafety::rooms, "src/fib/table.rs", 1, "unsafe impl Send for Fib {}\n");
    accepts(unsafety::rooms, "src/os/tun.rs", "fn f() { unsafe { g() } }\n");
    accepts(unsafety::rooms, "src/rib/table.rs", "// unsafe\nconst S: &str = \"unsafe\";\n");
}

#[test]
fn chapters_without_a_room_forbid_unsafe() {
    hold(unsafety::forbidden);
}

#[test]
fn chapters_that_forget_to_forbid_are_found() {
    catches(unsafety::forbidden, "src/rib/mod.rs", 1, "//! Routes.\npub mod table;\n");
    catches(unsafety::forbidden, "src/main.rs", 1, "fn main() {}\n");
    catches(unsafety::forbidden, "perf/src/lib.rs", 1, "//! x\n");
    accepts(unsafety::forbidden, "src/rib/mod.rs", "//! Routes.\n#![forbid(unsafe_code)]\n");
    accepts(unsafety::forbidden, "src/os/mod.rs", "//! Verbs.\n");
}

#[test]
fn unsafe_says_why_it_is_sound() {
    hold(unsafety::reasons);
}

#[test]
fn unsafe_without_a_reason_is_found() {
    let path = "src/os/tun.rs";
    catches(unsafety::reasons, path, 2, "fn f() {\n    unsafe { g() }\n}\n");
    catches(unsafety::reasons, path, 2, "// It is.\nunsafe impl Send for T {}\n");
    catches(unsafety::reasons, path, 3, "// SAFETY: a.\nlet a = unsafe { f() };\nunsafe { f() }\n");
    catches(unsafety::reasons, path, 1, "pub unsafe fn f() {}\n");
    accepts(unsafety::reasons, path, "// SAFETY: a fact\n// in two lines.\nunsafe { g() }\n");
    accepts(unsafety::reasons, path, "// SAFETY: a fact.\nlet fd =\n    unsafe { g() };\n");
    accepts(unsafety::reasons, path, "/// # Safety\n///\n/// Once.\npub unsafe fn f() {}\n");
}

#[test]
fn every_file_says_what_it_is() {
    hold(shape::headers);
}

#[test]
fn files_without_a_header_are_found() {
    catches(shape::headers, "src/rib/table.rs", 1, "use std::fmt;\n");
    catches(shape::headers, "src/rib/table.rs", 1, "//! Chapter.\n");
    accepts(shape::headers, "src/rib/table.rs", "//! The table of all routes.\n");
}

#[test]
fn files_stay_readable() {
    hold(shape::files);
}

#[test]
fn long_files_are_found() {
    let long = "//! x\n".to_owned() + &"fn f() {}\n".repeat(800);
    catches(shape::files, "src/rib/table.rs", 801, &long);
    let tests = "#[cfg(test)]\nmod tests {\n".to_owned() + &"    // x\n".repeat(160) + "}\n";
    catches(shape::files, "src/rib/table.rs", 1, &tests);
    accepts(shape::files, "src/rib/table/tests.rs", &long);
}

#[test]
fn functions_fit_a_screen() {
    hold(shape::functions);
}

#[test]
fn long_functions_are_found() {
    let long = "fn f() {\n".to_owned() + &"    g();\n".repeat(69) + "}\n";
    catches(shape::functions, "src/rib/table.rs", 1, &long);
    let fits = "fn f() {\n".to_owned() + &"    g();\n".repeat(68) + "}\n";
    accepts(shape::functions, "src/rib/table.rs", &fits);
    let six = "fn f(a: A, b: B, c: C,\n    d: D, e: E, f: F) {}\n";
    catches(shape::functions, "src/rib/table.rs", 1, six);
    let five = "fn f<A: Fn(u8, u8) -> u8>(&self, a: A, b: (u8, u8), c: &[u8; 3], d: D, e: E);\n";
    accepts(shape::functions, "src/rib/table.rs", five);
    let five = "fn f(a: fn(u8) -> u8, b: B<u8, C<u8, u8>>, c: C, d: D, e: E,) {}\n";
    accepts(shape::functions, "src/rib/table.rs", five);
}

#[test]
fn lines_fit_the_window() {
    hold(shape::lines);
}

#[test]
fn long_lines_are_found() {
    catches(shape::lines, "src/rib/table.rs", 2, &format!("//! x\n// {}\n", "x".repeat(98)));
    catches(shape::lines, "dev", 1, &format!("# {}\n", "x".repeat(99)));
    catches(shape::lines, "src/rib/table.rs", 1, "fn f() {} \n");
    accepts(shape::lines, "src/rib/table.rs", &format!("// {}\n", "─".repeat(97)));
}

#[test]
fn nothing_is_left_unsaid() {
    hold(words::banned);
}

#[test]
fn banned_words_are_found() {
    for word in words::BANNED {
        catches(words::banned, "src/rib/table.rs", 2, &format!("//! x\n// It is {word} here.\n"));
        catches(words::banned, "docs/a.md", 1, &format!("It is {} here.\n", word.to_uppercase()));
    }
    catches(words::banned, "src/rib/table.rs", 1, "// It is only for\n// now like this.\n");
    accepts(words::banned, "src/rib/table.rs", "// Gap: RFC 5340 §4.4: for nowadays' networks.\n");
}

#[test]
fn no_test_is_switched_off() {
    hold(words::ignored_tests);
}

#[test]
fn ignored_tests_are_found() {
    let text = format!("#[test]\n#[{}]\nfn f() {{}}\n", concat!("ign", "ore"));
    catches(words::ignored_tests, "tests/cli/main.rs", 2, &text);
    let text = format!("#[{} = \"slow\"]\nfn f() {{}}\n", concat!("ign", "ore"));
    catches(words::ignored_tests, "src/rib/tests.rs", 1, &text);
    accepts(words::ignored_tests, "src/rib/tests.rs", "// #[ignored] is a word of others\n");
}

#[test]
fn no_machine_is_named() {
    hold(words::machine_paths);
}

#[test]
fn paths_of_a_machine_are_found() {
    let home = format!("// see {}someone/notes\n", concat!("/ho", "me/"));
    catches(words::machine_paths, "src/rib/table.rs", 1, &home);
    let root = format!("PATH={}.cargo/bin\n", concat!("/ro", "ot/"));
    catches(words::machine_paths, "dev", 1, &root);
    let from = |tree: &Tree| words::machine_paths_from(tree, "/builds/kumiki");
    catches(from, "docs/a.md", 1, "# /builds/kumiki/src\n");
    accepts(from, "docs/a.md", "# builds/kumiki/src\n");
    accepts(words::machine_paths, "src/rib/table.rs", "// see src/wire/root/x and the root/\n");
}

#[test]
fn a_lexer_that_is_wrong_would_find_nothing() {
    let text = "let a = '\"'; let b = \"unsafe // x\"; /* unsafe /* */ */ \
                let c = r#\"\"unsafe\"#;\n\
                fn f<'a>(x: &'a str) -> char { '\\'' } // unsafe\nunsafe fn g() {}\n";
    catches(unsafety::rooms, "src/rib/table.rs", 3, text);
    let findings = unsafety::rooms(&Tree::of(&[("src/rib/table.rs", text)]));
    assert_eq!(findings.len(), 1, "{findings:?}");
}
