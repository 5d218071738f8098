//! Build script: turns what `dpdk-sys` found into `cfg(dpdk)`.
//!
//! Owns nothing else; looking for libdpdk, compiling, and the variable `DPDK` (`auto`, `require`,
//! `off`) are the business of `dpdk-sys/build.rs`, which reports through Cargo's `links` metadata.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DEP_DPDK_ENABLED");
    if std::env::var("DEP_DPDK_ENABLED").is_ok_and(|value| value == "1") {
        println!("cargo:rustc-cfg=dpdk");
    }
}
