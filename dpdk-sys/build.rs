//! Build script: finds libdpdk, compiles the shim, writes the bindings.
//!
//! Owns the meaning of the environment variable `DPDK`: `auto` (default: use libdpdk where it is
//! there), `require` (its absence is an error), `off` (do not look). Reports `enabled` and
//! `version` through the `links` metadata; the dependent's build script makes `cfg(dpdk)` of it.
//!
//! *Invariants*: DPDK is linked shared, so that EAL can load driver plugins; only the libraries
//! whose symbols we use are named, the drivers are loaded by EAL from its plugin folder.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Oldest release that the shim is written for.
const VERSION_MIN: &str = "22.11";

/// Libraries whose symbols the shim or the bindings use; releases without one simply lack it
/// (`rte_log` left `rte_eal` in 23.11).
const LIBRARIES: &[&str] = &[
    "rte_ethdev",
    "rte_fib",
    "rte_lpm",
    "rte_mbuf",
    "rte_mempool",
    "rte_ring",
    "rte_eal",
    "rte_log",
];

/// The shim: what the router needs, the tables that ours is measured against, and the meter.
const SHIM: &[&str] = &[
    "shim/shim.h",
    "shim/shim.c",
    "shim/tables.h",
    "shim/tables.c",
    "shim/meter.h",
    "shim/meter.c",
];

/// The meter as a library that is loaded before somebody else's router.
const PRELOAD: &[&str] = &["shim/meter.c", "shim/preload.c"];

/// Functions bound; everything inline goes through `shim.c`.
const FUNCTIONS: &[&str] = &[
    "kumiki_.*",
    "rte_dev_probe",
    "rte_eal_init",
    "rte_eth_allmulticast_enable",
    "rte_eth_dev_close",
    "rte_eth_dev_default_mac_addr_set",
    "rte_eth_dev_rx_intr_ctl_q_get_fd",
    "rte_eth_dev_rx_intr_disable",
    "rte_eth_dev_rx_intr_enable",
    "rte_eth_dev_set_mtu",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_macaddr_get",
    "rte_eth_promiscuous_disable",
    "rte_eth_promiscuous_enable",
    "rte_eth_xstats_get",
    "rte_eth_xstats_get_names",
    "rte_get_tsc_hz",
    "rte_mempool_avail_count",
    "rte_mempool_in_use_count",
    "rte_pktmbuf_pool_create",
    "rte_strerror",
    "rte_thread_register",
    "rte_thread_unregister",
    "rte_version",
];

/// Constants bound.
const CONSTANTS: &[&str] =
    &["KUMIKI_.*", "RTE_MAX_ETHPORTS", "RTE_MEMPOOL_CACHE_MAX_SIZE", "RTE_PKTMBUF_HEADROOM"];

/// What the environment asks for.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Auto,
    Require,
    Off,
}

fn main() {
    println!("cargo:rerun-if-env-changed=DPDK");
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    for file in ["build.rs", "shim/bindings.h"].iter().chain(SHIM).chain(PRELOAD) {
        println!("cargo:rerun-if-changed={file}");
    }
    let mode = match env::var("DPDK").as_deref() {
        Err(_) | Ok("" | "auto") => Mode::Auto,
        Ok("require") => Mode::Require,
        Ok("off") => Mode::Off,
        Ok(other) => fail(&format!("DPDK={other} is unknown; use auto, require or off")),
    };
    if mode == Mode::Off {
        println!("cargo:enabled=0");
        return;
    }
    match build() {
        Ok(version) => {
            println!("cargo:enabled=1");
            println!("cargo:version={version}");
            println!("cargo:rustc-cfg=dpdk");
        }
        Err(reason) if mode == Mode::Require => fail(&format!(
            "DPDK=require, but {reason}; on Debian: apt install libdpdk-dev dpdk clang libclang-dev"
        )),
        Err(reason) => {
            println!("cargo:warning=building without DPDK: {reason}");
            println!("cargo:enabled=0");
        }
    }
}

/// Ends the build with a sentence instead of a backtrace.
fn fail(message: &str) -> ! {
    println!("cargo:error={message}");
    std::process::exit(1);
}

/// Does all of it and gives DPDK's version.
fn build() -> Result<String, String> {
    let library = pkg_config::Config::new()
        .atleast_version(VERSION_MIN)
        .cargo_metadata(false)
        .probe("libdpdk")
        .map_err(|_| format!("pkg-config does not find libdpdk {VERSION_MIN} or later"))?;
    let cflags = compiler_flags()?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    write_bindings(&cflags, &out)?;
    // DPDK is there: a shim that does not fit it is our defect and must not pass for its absence.
    compile_shim(&cflags).unwrap_or_else(|error| fail(&error));
    let preload = compile_preload(&cflags, &out).unwrap_or_else(|error| fail(&error));
    println!("cargo:meter={}", preload.display());
    for path in &library.link_paths {
        println!("cargo:rustc-link-search=native={}", path.display());
    }
    for name in LIBRARIES.iter().filter(|name| library.libs.iter().any(|lib| lib == *name)) {
        println!("cargo:rustc-link-lib=dylib={name}");
    }
    Ok(library.version)
}

/// The flags DPDK's headers need, `-include rte_config.h` and `-march` among them, which the
/// `pkg-config` crate leaves out.
fn compiler_flags() -> Result<Vec<String>, String> {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_owned());
    let output = Command::new(&program)
        .args(["--cflags", "libdpdk"])
        .output()
        .map_err(|error| format!("{program} does not run: {error}"))?;
    let text = String::from_utf8(output.stdout).map_err(|_| "pkg-config does not print UTF-8")?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// Writes `bindings.rs`.
fn write_bindings(cflags: &[String], out: &Path) -> Result<(), String> {
    let mut builder = bindgen::Builder::default()
        .header("shim/bindings.h")
        .clang_args(cflags)
        .opaque_type("rte_mempool")
        .opaque_type("rte_device")
        // Packed inside packed, which Rust cannot lay out.
        .opaque_type("rte_ether_hdr|rte_arp_.*|rte_l2tpv2_.*|rte_gtp_.*")
        .default_enum_style(bindgen::EnumVariation::Consts)
        .derive_default(true)
        .generate_comments(false)
        .layout_tests(true)
        .use_core();
    for name in FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in CONSTANTS {
        builder = builder.allowlist_var(name);
    }
    // A missing libclang is a panic inside bindgen; in `auto` it only means: no DPDK.
    let generate = std::panic::AssertUnwindSafe(|| builder.generate());
    let bindings = std::panic::catch_unwind(generate)
        .map_err(|_| "libclang is missing".to_owned())?
        .map_err(|error| format!("bindgen fails: {error}"))?;
    bindings.write_to_file(out.join("bindings.rs")).map_err(|error| error.to_string())
}

/// Compiles the C shim into a static library.
fn compile_shim(cflags: &[String]) -> Result<(), String> {
    let mut shim = cc::Build::new();
    shim.files(SHIM.iter().filter(|file| file.ends_with(".c"))).opt_level(3).warnings(true);
    for flag in cflags {
        shim.flag(flag);
    }
    shim.try_compile("kumiki_dpdk_shim").map_err(|error| format!("the shim fails: {error}"))
}

/// Compiles the meter into a shared library, with the symbols of DPDK left to who loads it.
fn compile_preload(cflags: &[String], out: &Path) -> Result<PathBuf, String> {
    let library = out.join("libkumiki_meter.so");
    let compiler = cc::Build::new().opt_level(3).try_get_compiler();
    let mut command = compiler.map_err(|error| error.to_string())?.to_command();
    command.args(["-shared", "-fPIC", "-o"]).arg(&library).args(cflags).args(PRELOAD).arg("-ldl");
    match command.status() {
        Ok(status) if status.success() => Ok(library),
        Ok(status) => Err(format!("the meter fails: {status}")),
        Err(error) => Err(format!("the compiler does not run: {error}")),
    }
}
