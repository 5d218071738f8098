//! Who may use whom: the table in the architecture text of `src/lib.rs`.
//!
//! Code for tests may use everything, so that a test can hold one layer against another.

use crate::Finding;
use crate::house::source::{Named, Source, Tree, paths};
use std::collections::{BTreeMap, BTreeSet};

/// The architecture text; made-up trees are judged by the real one.
const MAP: &str = include_str!("../../src/lib.rs");

/// Crates that `base` uses beside `std`: recordings, errors, and in `rcu` the model of its
/// concurrency and the padding of its cells.
const CRATES_OF_BASE: &[&str] = &["serde", "thiserror", "loom", "crossbeam_utils"];

/// What `base` may be seen to begin a `use` with, beside these crates and its own modules.
const ROOTS_OF_BASE: &[&str] = &["std", "core", "alloc", "crate", "self", "super", "sync"];

/// Macros, which Rust keeps at the root of the crate; all of them are written in `base`.
const MACROS: &[&str] = &["counters"];

/// Arrows, from each folder to those it may use.
fn table() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut arrows: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in MAP.lines() {
        let Some((from, to)) = line.strip_prefix("//! ").and_then(|line| line.split_once(" -> "))
        else {
            continue;
        };
        let to = to.split('(').next().unwrap_or(to);
        for from in from.split(',').map(str::trim) {
            arrows.entry(from).or_default().extend(to.split(',').map(str::trim));
        }
    }
    assert!(arrows.len() > 15, "the table of src/lib.rs has moved: {arrows:?}");
    arrows
}

/// Arrows that are not in the table, and folders that are not on the map.
pub fn arrows(tree: &Tree) -> Vec<Finding> {
    let table = table();
    let mut findings = Vec::new();
    for file in tree.rust() {
        let Some(layer) = file.layer().filter(|layer| *layer != "lib") else { continue };
        let Some(allowed) = table.get(layer) else {
            findings.push(format!(
                "{}:1: the folder {layer} is not on the map; give it a line in the table of \
                 src/lib.rs, with the reason in the commit",
                file.path
            ));
            continue;
        };
        for path in paths(&file.product_text()) {
            if let Some(why) = judge(file, layer, allowed, &path) {
                findings.push(format!("{}:{}: {why}", file.path, path.line));
            }
        }
    }
    findings
}

/// Why this path must not stand in this file.
fn judge(file: &Source, layer: &str, allowed: &BTreeSet<&str>, path: &Named) -> Option<String> {
    let (path, is_use) = (path.path.as_str(), path.is_use);
    let words: Vec<&str> = path.split("::").collect();
    let first = words[0];
    let target = match first {
        "crate" | "kumiki" => *words.get(1)?,
        "super" => return leaves_protocol(file, &words),
        "dpdk_sys" => "dpdk_sys",
        _ if layer == "base" && is_use && is_foreign(path) => {
            return Some(format!(
                "base uses the crate {first}; it has nothing but std, so that everything may use it"
            ));
        }
        _ => return None,
    };
    if target == layer && (first == "crate" || layer == "main") {
        return leaves_protocol(file, &words);
    }
    // A macro of the crate lives at its root, wherever it is written.
    let is_macro = words.len() == 2 && MACROS.contains(&target);
    let is_module =
        !is_macro && target.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
    (is_module && !allowed.contains(target)).then(|| {
        let allowed: Vec<&str> = allowed.iter().copied().collect();
        format!(
            "{layer} -> {target} is no arrow of the house ({layer} may use {}); pass a value in, \
             move the type down, or add the arrow to src/lib.rs with its reason",
            allowed.join(", ")
        )
    })
}

/// One protocol that names another one.
fn leaves_protocol(file: &Source, words: &[&str]) -> Option<String> {
    let below = file.path.strip_prefix("src/proto/")?;
    let (own, rest) = below.split_once('/')?;
    let supers = words.iter().take_while(|word| **word == "super").count();
    let depth = rest.split('/').count() - usize::from(rest.ends_with("mod.rs"));
    let other = match words[0] {
        "crate" => *words.get(2)?,
        _ if supers > depth => *words.get(supers)?,
        _ => return None,
    };
    (other != own).then(|| {
        format!("{own} uses {other}; protocols meet in control only, or through a type of base")
    })
}

/// Whether a `use` of base names a crate that is not on its short list.
fn is_foreign(path: &str) -> bool {
    let first = path.split("::").next().unwrap_or(path);
    let is_name = first.starts_with(|letter: char| letter.is_ascii_lowercase());
    is_name && !ROOTS_OF_BASE.contains(&first) && !CRATES_OF_BASE.contains(&first)
}
