//! Ports over DPDK's virtual drivers, on veth pairs in network namespaces of their own.
//!
//! Owns the way into such a namespace: each test starts this binary again inside one, with only
//! that test to run, because EAL starts once per process. Skipped with a printed reason where that
//! is not permitted, and empty without DPDK.
#![cfg(dpdk)]
#![forbid(unsafe_code)]

mod exhaust;
mod forward;
mod memif;
mod offload;
mod router;
mod traffic;

use kumiki::dpdk::{Eal, EalOptions, EalThread, MbufAlloc, Mempool};
use kumiki::ports::DeviceSpec;
use kumiki::ports::dpdk::{DESCRIPTORS_DEFAULT, OpenOptions, OpenPort, open};
use std::process::Command;

/// Set for the copy of this binary that runs inside.
const INSIDE: &str = "KUMIKI_TEST_INSIDE";

/// Buffers of the tests' pool.
const BUFFERS: u32 = 4096;
/// Those of AF_XDP ports: two with full rings.
const PAGED_BUFFERS: u32 = 16_384;

/// Runs `claim` inside a fresh network namespace with `veth1` and `veth2` joined; `name` is the
/// path of the test as the test harness prints it.
fn inside(name: &str, claim: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        claim();
        return;
    }
    let unshare = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(arguments);
        command
    };
    let ways: [&[&str]; 2] = [&["--net"], &["--net", "--user", "--map-root-user"]];
    let permitted = |way: &&&[&str]| {
        let probe = unshare(way).args(["ip", "link", "add", "type", "veth"]).output();
        probe.is_ok_and(|output| output.status.success())
    };
    let Some(way) = ways.iter().find(permitted) else {
        println!("skipped: no network namespace with a veth pair may be made here");
        return;
    };
    let itself = std::env::current_exe().unwrap();
    let status = unshare(way)
        .arg(itself)
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "the claim does not hold inside the namespace");
}

/// Everything a test needs inside.
struct Bench {
    eal: Eal,
    pool: Mempool,
    alloc: MbufAlloc,
    /// Buffers in use before the first port.
    at_rest: u32,
    _thread: EalThread,
}

impl Bench {
    fn new() -> Self {
        add_cable(1);
        let eal = Eal::init(&EalOptions {
            memory_mib: Mempool::memory_mib(BUFFERS, 9000)
                + Mempool::paged_memory_mib(PAGED_BUFFERS),
            hugepages: Some(false),
            ..EalOptions::default()
        })
        .unwrap();
        let pool = Mempool::create(&eal, "packets", BUFFERS, 9000).unwrap();
        let thread = EalThread::register(&eal).unwrap();
        let alloc = MbufAlloc::new(pool, &thread);
        Self { eal, pool, alloc, at_rest: pool.in_use_count(), _thread: thread }
    }

    fn open(&self, interface: &str, workers: u16) -> OpenPort {
        let spec = DeviceSpec::AfPacket(interface.to_owned());
        open(&self.eal, &spec, &OpenOptions { workers, ..options() }, self.pool).unwrap()
    }
}

/// Joins `veth<first>` and the next one, each with an ifindex of its own (equal ones delay what the
/// kernel says of a link) and with the kernel deaf on them.
fn add_cable(first: u32) {
    let second = first + 1;
    let (left, right) = (100 + first, 100 + second);
    ip(&format!(
        "link add veth{first} index {left} type veth peer name veth{second} index {right}"
    ));
    for name in [format!("veth{first}"), format!("veth{second}")] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1").unwrap();
        ip(&format!("link set {name} mtu 9000 up"));
    }
}

/// Runs `ip` with these words.
fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status().unwrap();
    assert!(status.success(), "ip {words}");
}

/// The usual way to open a port, for one worker.
fn options() -> OpenOptions {
    OpenOptions {
        workers: 1,
        descriptors: DESCRIPTORS_DEFAULT,
        mtu: 9000,
        mtu_room: 0,
        mac: None,
        is_promiscuous: false,
        has_vlan: false,
        paged_buffers: PAGED_BUFFERS,
    }
}

/// Closes a port that was not taken apart.
fn close(port: OpenPort) {
    OpenPort::close(port.port, &port.stats, port.queues).unwrap();
}
