//! What the pure half must not touch: clocks, sockets, threads, the environment, files, the order
//! of a hash map, and anything that remembers outside of a value.
//!
//! Code for tests may: it reads golden files and prints reasons.

use crate::Finding;
use crate::house::source::{Named, Source, Tree, identifiers, paths};

/// Folders of the pure half.
const PURE: &[&str] =
    &["wire", "proto", "rib", "control", "planner", "config", "api", "sim", "filter", "base"];

/// Files of pure folders that are not: the cell between threads, with its argument and its model.
const EXCEPT: &[&str] = &["src/base/rcu.rs", "src/base/prefetch.rs"];

/// What is not allowed and what to do instead.
const IMPURE: &[(&str, &str)] = &[
    ("std::time::Instant", "take `now: base::time::Instant` as an argument"),
    ("std::time::SystemTime", "take the time as an argument"),
    ("std::time::UNIX_EPOCH", "take the time as an argument"),
    ("std::net::TcpStream", "give out an action; daemon has the sockets"),
    ("std::net::TcpListener", "give out an action; daemon has the sockets"),
    ("std::net::UdpSocket", "give out an action; daemon has the sockets"),
    ("std::net::ToSocketAddrs", "take addresses as arguments"),
    ("std::os", "give out an action; os and daemon speak to the system"),
    ("std::thread", "stay on the thread of the caller"),
    ("std::sync::Mutex", "own the value; parents own their children"),
    ("std::sync::RwLock", "own the value; parents own their children"),
    ("std::sync::mpsc", "give out actions instead of sending"),
    ("std::env", "take what you need as an argument"),
    ("std::fs", "take the text as an argument"),
    ("std::process", "give out an action"),
    ("std::io::stdin", "take the text as an argument"),
    ("std::collections::HashMap", "use BTreeMap: its order is the same in every run"),
    ("std::collections::HashSet", "use BTreeSet: its order is the same in every run"),
    ("std::collections::hash_map", "use BTreeMap: its order is the same in every run"),
    ("std::hash::RandomState", "use base::prng with a seed"),
    ("rustix", "system calls live in os"),
    ("libc", "system calls live in os"),
    ("mio", "waiting lives in os and daemon"),
    ("signal_hook", "signals live in daemon"),
    ("netlink_sys", "netlink lives in os"),
];

/// Types that change behind a shared reference.
const MUTABLE: &[&str] = &[
    "Cell",
    "RefCell",
    "OnceCell",
    "UnsafeCell",
    "Mutex",
    "RwLock",
    "OnceLock",
    "LazyLock",
    "mut",
    "thread_local",
];

/// Everything impure in the pure half.
pub fn impurities(tree: &Tree) -> Vec<Finding> {
    let pure = tree.rust().filter(|file| {
        file.layer().is_some_and(|layer| PURE.contains(&layer))
            && !EXCEPT.contains(&file.path.as_str())
    });
    pure.flat_map(|file| outside_world(file).into_iter().chain(statics(file))).collect()
}

fn outside_world(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Named { line, path, .. } in paths(&file.product_text()) {
        let path = path.replacen("core::", "std::", usize::from(path.starts_with("core::")));
        let is_in = |bad: &str| path == bad || path.starts_with(&format!("{bad}::"));
        if let Some((bad, instead)) = IMPURE.iter().find(|(bad, _)| is_in(bad)) {
            findings.push(format!("{}:{line}: {bad} in the pure half; {instead}", file.path));
        }
        if path == "std::time::*" || path == "std::net::*" || path == "std::collections::*" {
            findings.push(format!("{}:{line}: `use {path}` hides what comes in", file.path));
        }
    }
    findings
}

fn statics(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, code) in file.product() {
        let declaration = code.trim_start().trim_start_matches("pub ");
        let is_static = declaration.starts_with("static ");
        let is_local = identifiers(code).any(|word| word == "thread_local");
        let is_mutable =
            |word: &str| MUTABLE.contains(&word) || (word.starts_with("Atomic") && word.len() > 6);
        if is_local || (is_static && identifiers(declaration).any(is_mutable)) {
            findings.push(format!(
                "{}:{line}: a static that changes; keep the state in the value that owns it",
                file.path
            ));
        }
    }
    findings
}
