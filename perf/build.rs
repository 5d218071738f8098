//! Build script: `cfg(dpdk)` and the meter from what `dpdk-sys` found, and the commit.
//!
//! Owns the variables `KUMIKI_METER` and `KUMIKI_COMMIT`, which results carry: that of the sources
//! the program was built from, not of those that lie there when it runs.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DEP_DPDK_ENABLED");
    println!("cargo:rerun-if-env-changed=DEP_DPDK_METER");
    if let Ok(path) = std::env::var("DEP_DPDK_METER") {
        println!("cargo:rustc-env=KUMIKI_METER={path}");
    }
    if std::env::var("DEP_DPDK_ENABLED").is_ok_and(|value| value == "1") {
        println!("cargo:rustc-cfg=dpdk");
    }
    // The log of HEAD grows with every commit.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=KUMIKI_COMMIT={commit}");
}

/// What git says; nothing where it is not there or this is no clone.
fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
}
