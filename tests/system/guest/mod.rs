//! A Debian guest under QEMU as the other end of L2TPv3: the kernel's `l2tp_ip6` and `l2tp_eth`.
//!
//! Read [`archive`] (the file system a kernel starts with), [`mod@image`] (kernel, modules and
//! programs), [`machine`] (one guest, its cable and its words), [`tunnel`] (what both ends of a
//! pseudowire agree on), then the tests: [`linux`] has a
//! guest at either end, and shows that what is asked of guests holds without Kumiki; [`tenant`] has
//! the router at the other end.
//!
//! Guests are emulated (TCG): they need no virtualisation of the processor, only patience. Their
//! kernel is Debian's, fetched by `./dev test` into `target/guest` and never installed. What they
//! measure is whether something works; their rates say nothing.
//!
//! *Invariants*: a guest ends with the test that booted it; its network is the test's namespace.

mod archive;
mod image;
mod linux;
mod machine;
mod tenant;
mod tunnel;

use crate::{cannot_run, skip};
use image::{BUSYBOX, Image};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The emulator.
const QEMU: &str = "/usr/bin/qemu-system-x86_64";
/// The device that cables of guests are made with.
const TUN: &str = "/dev/net/tun";

/// What guests start from; `None`, with a printed reason, where they cannot run here.
fn image() -> Option<Image> {
    if cannot_run(&[QEMU, BUSYBOX]) {
        return None;
    }
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is_root || !Path::new(TUN).exists() {
        skip("cables of guests need root and /dev/net/tun");
        return None;
    }
    let image = Image::find();
    if image.is_none() {
        skip("there is no kernel for guests under target/guest; ./dev test fetches one");
    }
    image
}
