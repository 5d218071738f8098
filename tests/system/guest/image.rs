//! What a guest starts from: a kernel of Debian, and the file system it unpacks at its beginning.
//!
//! Owns [`Image`]. The file system has busybox, `ip` with its libraries, both this system's, and
//! the kernel's modules with those that they depend on. The first process loads the modules, and
//! then carries out what it reads on the second serial port: a command a line. It answers with what
//! the command said and a line with [`MARK`] and its exit code.
//!
//! *Invariants*: nothing is installed and nothing outside the target folder is written.

use super::archive::Archive;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A shell, a web server and what reads from one, in one program without libraries.
pub const BUSYBOX: &str = "/bin/busybox";
/// Begins the line that ends the answer to a command; the exit code follows.
pub const MARK: &str = "---- ended with ";
/// What the guest says when it carries out commands.
pub const READY: &str = "---- ready";
/// What it speaks L2TPv3 with, over the NIC that QEMU gives it.
const MODULES: [&str; 8] = [
    "virtio_pci",
    "virtio_net",
    "l2tp_core",
    "l2tp_netlink",
    "l2tp_eth",
    "l2tp_ip6",
    "8021q",
    "bridge",
];

const INIT: &str = r#"#!/bin/busybox sh
export PATH=/sbin:/bin
/bin/busybox mkdir -p /proc /sys /dev /tmp /www
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in $(cat /lib/modules/order); do
    insmod "/lib/modules/$module" || echo "no module $module"
done
# The shell takes its own programs for these of a name.
ip() { /sbin/ip "$@"; }
ip link set lo up
stty -F /dev/ttyS1 raw -echo
{
    echo "READY"
    while read -r line; do
        (eval "$line") </dev/null >/tmp/said 2>&1
        code=$?
        cat /tmp/said
        echo
        echo "MARK$code"
    done
} </dev/ttyS1 >/dev/ttyS1
poweroff -f
"#;

/// A kernel and its first file system.
pub struct Image {
    pub kernel: PathBuf,
    /// As the kernel calls itself.
    pub version: String,
    octets: Vec<u8>,
}

impl Image {
    /// The image of the kernel that `./dev test` fetched; `None` where there is none.
    pub fn find() -> Option<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join("guest");
        let kernels = fs::read_dir(folder.join("boot")).ok()?;
        let mut kernels: Vec<PathBuf> = kernels.map(|entry| entry.unwrap().path()).collect();
        kernels.sort();
        let kernel = kernels.pop()?;
        let name = kernel.file_name()?.to_str()?;
        let version = name.strip_prefix("vmlinuz-")?.to_owned();
        let modules = Modules::read(&folder.join("lib/modules").join(&version));
        let octets = file_system(&modules);
        Some(Self { kernel, version, octets })
    }

    /// Writes the file system to a file.
    pub fn write(&self, path: &Path) {
        fs::write(path, &self.octets).unwrap();
    }
}

fn file_system(modules: &Modules) -> Vec<u8> {
    let mut archive = Archive::default();
    archive.directory("dev");
    archive.console("dev/console");
    archive.file("init", INIT.replace("READY", READY).replace("MARK", MARK).as_bytes());
    archive.file("bin/busybox", &fs::read(BUSYBOX).unwrap());
    let ip = fs::canonicalize("/sbin/ip").unwrap();
    archive.file("sbin/ip", &fs::read(&ip).unwrap());
    for library in libraries(&ip) {
        archive.file(library.trim_start_matches('/'), &fs::read(&library).unwrap());
    }
    let mut order = Vec::new();
    for module in MODULES {
        modules.add(module, &mut order);
    }
    for name in &order {
        archive.file(&format!("lib/modules/{name}"), &modules.octets(name));
    }
    archive.file("lib/modules/order", order.join("\n").as_bytes());
    archive.finish()
}

/// The libraries of a program, by the system's own word.
fn libraries(program: &Path) -> Vec<String> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let path =
        |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(str::to_owned);
    text.lines().filter_map(path).collect()
}

/// The modules of a kernel by name.
struct Modules(BTreeMap<String, PathBuf>);

impl Modules {
    fn read(folder: &Path) -> Self {
        let mut found = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                let file = path.file_name().unwrap().to_string_lossy().replace('-', "_");
                match file.split_once(".ko") {
                    _ if path.is_dir() => folders.push(path),
                    Some((name, _)) => drop(found.insert(name.to_owned(), path)),
                    None => {}
                }
            }
        }
        Self(found)
    }

    /// A module; Debian 13 has them compressed.
    fn octets(&self, name: &str) -> Vec<u8> {
        let path = &self.0[name];
        if path.extension().is_some_and(|end| end == "ko") {
            return fs::read(path).unwrap();
        }
        let output = Command::new("xz").args(["-d", "-c"]).arg(path).output().unwrap();
        assert!(output.status.success(), "xz cannot read {}", path.display());
        output.stdout
    }

    /// Adds a module behind those that it depends on. One that is not there is part of the kernel.
    fn add(&self, name: &str, order: &mut Vec<String>) {
        let is_there = order.iter().any(|other| other == name);
        if is_there || !self.0.contains_key(name) {
            return;
        }
        for other in depends(&self.octets(name)) {
            self.add(&other, order);
        }
        order.push(name.to_owned());
    }
}

/// The modules that one depends on, as it says itself.
fn depends(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|window| window == KEY) else {
        return Vec::new();
    };
    let rest = &module[at + KEY.len()..];
    let end = rest.iter().position(|octet| *octet == 0).unwrap_or(rest.len());
    let names = String::from_utf8_lossy(&rest[..end]).replace('-', "_");
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn a_module_says_what_it_depends_on() {
    let module = b"\x7fELF\0license=GPL\0depends=l2tp_core,ip6-udp-tunnel\0name=l2tp_ip6\0";
    assert_eq!(depends(module), ["l2tp_core", "ip6_udp_tunnel"]);
    assert!(depends(b"\0depends=\0").is_empty());
}
