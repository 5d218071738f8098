//! Build script: turns what `dpdk-sys` found into `cfg(dpdk)`.
//!
//! Passes on where the meter of `perf` is. Owns nothing else; looking for libdpdk, compiling, and
//! the variable `DPDK` (`auto`, `require`, `off`) are the business of `dpdk-sys/build.rs`, which
//! reports through Cargo's `links` metadata.

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
}
