//! Why a router does not start: each with the place and the way out.
//!
//! Owns [`RunError`]. What goes wrong later does not end the router, but for the loss of a thread:
//! it becomes a log line and a counter.

use crate::base::exit::Exit;
use crate::base::ids::PORT_MAX;
use crate::config::ConfigErrors;
use crate::os::netlink::NetlinkError;
use std::io;
use std::path::PathBuf;

/// Why the router does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Built without DPDK.
    #[error(
        "this kumiki was built without DPDK and cannot forward packets; install DPDK's \
         development files (Debian: `apt install libdpdk-dev`) and build again with \
         `DPDK=require cargo build --release`"
    )]
    NoDpdk,
    /// The configuration cannot be read.
    #[error("cannot read {path}: {source}; name the file with -c", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// In the words of the system.
        source: io::Error,
    },
    /// The recording cannot be written.
    #[error(
        "cannot record to {path}: {source}; name another file with --record, or leave it out",
        path = path.display()
    )]
    Recording {
        /// The file.
        path: PathBuf,
        /// In the words of the system.
        source: io::Error,
    },
    /// The configuration is wrong.
    #[error("{0}")]
    Configuration(#[from] ConfigErrors),
    /// The filter of the log is not understood.
    #[error("--log {filter}: {reason}; write a level such as info, or kumiki::daemon=debug")]
    LogFilter {
        /// The filter.
        filter: String,
        /// Why not.
        reason: String,
    },
    /// Another router listens on the socket.
    #[error(
        "another router (answering on {socket}) runs already; stop it, or give this one another \
         `[host] socket`",
        socket = socket.display()
    )]
    SocketInUse {
        /// The socket.
        socket: PathBuf,
    },
    /// The socket cannot be made.
    #[error(
        "cannot listen on {socket}: {source}; make the folder writable or set `[host] socket`",
        socket = socket.display()
    )]
    Socket {
        /// The socket.
        socket: PathBuf,
        /// In the words of the system.
        source: io::Error,
    },
    /// The TUN device cannot be made.
    #[error(
        "cannot make the TUN device {name}: {source}; {advice}, or set `[host] tun = \"\"` to do \
         without",
        advice = tun_advice(source)
    )]
    Tun {
        /// Its name.
        name: String,
        /// In the words of the system.
        source: io::Error,
    },
    /// A worker's CPU is not there.
    #[error(
        "[dpdk] lcores: CPU {cpu} may not be used by this process; allowed: {allowed}; change \
         the list, or the affinity that the router is started with"
    )]
    Cpu {
        /// The CPU.
        cpu: u16,
        /// Those that may.
        allowed: String,
    },
    /// A port cannot be used.
    #[error("port {port}: {problem}")]
    Port {
        /// Its name.
        port: String,
        /// What is wrong.
        problem: PortProblem,
    },
    /// More ports than numbers.
    #[error("{count} ports are configured; a router has at most {max}", max = PORT_MAX)]
    PortCount {
        /// How many.
        count: usize,
    },
    /// Ports that the packet memory is not enough for.
    #[error(transparent)]
    Pool(#[from] crate::daemon::pool_plan::PoolProblem),
    /// DPDK does not start.
    #[cfg(dpdk)]
    #[error(transparent)]
    Eal(#[from] crate::dpdk::EalError),
    /// No memory for packets.
    #[cfg(dpdk)]
    #[error(
        "{0}; lower `[dpdk] buffers`, reserve more hugepages, or set `[dpdk] hugepages = false`"
    )]
    Memory(#[from] crate::dpdk::mempool::MempoolError),
    /// A thread is no more; the others cannot do its work.
    #[error("the {thread} thread has failed: {reason}; start the router again, and report it")]
    Thread {
        /// Which.
        thread: String,
        /// Why.
        reason: String,
    },
    /// The kernel refuses something the router cannot do without.
    #[error("cannot {action}: {source}")]
    System {
        /// What, in words that follow "cannot".
        action: &'static str,
        /// In the words of the system.
        source: io::Error,
    },
}

/// What is wrong with one port.
#[derive(Debug, thiserror::Error)]
pub enum PortProblem {
    /// The kernel interface is not there.
    #[error("there is no interface `{interface}`; `ip link` lists them, `device` names another")]
    Missing {
        /// The interface.
        interface: String,
    },
    /// Not allowed.
    #[error("{0}; run as root, or with CAP_NET_ADMIN and CAP_NET_RAW")]
    Permission(NetlinkError),
    /// The device does not carry the MTU.
    #[error("{source}; the device does not carry an MTU of {mtu}: set `mtu` of the port")]
    Mtu {
        /// The MTU wanted.
        mtu: u16,
        /// The kernel's answer.
        source: NetlinkError,
    },
    /// Another refusal of the kernel.
    #[error(transparent)]
    Kernel(NetlinkError),
    /// The device does not open.
    #[error("{0}")]
    Device(String),
    /// The device does not open to this user.
    #[error("{0}")]
    Denied(String),
}

/// What helps against a refusal of the TUN device.
fn tun_advice(source: &io::Error) -> &'static str {
    match source.raw_os_error() {
        Some(libc::EBUSY) => {
            "another router or program has it: stop that one, or name another device with \
             `[host] tun`"
        }
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => "`modprobe tun`",
        _ => "run as root (or with CAP_NET_ADMIN)",
    }
}

impl PortProblem {
    /// What the kernel's refusal means for a port.
    pub fn of_kernel(error: NetlinkError) -> Self {
        match error.errno() {
            Some(libc::EPERM | libc::EACCES) => Self::Permission(error),
            _ => Self::Kernel(error),
        }
    }
}

impl RunError {
    /// A refusal of the kernel that ends the start.
    pub fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }

    /// What the shell gets back: whoever starts the router again must know whether the command, the
    /// configuration or the permissions have to change first.
    pub fn exit(&self) -> Exit {
        let is_denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        match self {
            Self::LogFilter { .. } => Exit::Usage,
            Self::File { source, .. }
            | Self::Recording { source, .. }
            | Self::Socket { source, .. }
            | Self::Tun { source, .. }
            | Self::System { source, .. }
                if is_denied(source) =>
            {
                Exit::Permission
            }
            Self::Port { problem: PortProblem::Permission(_) | PortProblem::Denied(_), .. } => {
                Exit::Permission
            }
            Self::File { .. }
            | Self::Configuration(_)
            | Self::Cpu { .. }
            | Self::PortCount { .. } => Exit::Configuration,
            _ => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_not_to_start_has_its_exit_code() {
        let system = |errno| io::Error::from_raw_os_error(errno);
        let (path, name) = (PathBuf::from("k.toml"), "x".to_owned());
        let port = |problem| RunError::Port { port: "p1".to_owned(), problem };
        let refused = |errno| NetlinkError::new("set the MTU", system(errno));
        let cases = [
            (RunError::LogFilter { filter: name.clone(), reason: name.clone() }, 2),
            (RunError::File { path: path.clone(), source: system(libc::EACCES) }, 77),
            (RunError::File { path: path.clone(), source: system(libc::ENOENT) }, 78),
            (RunError::Socket { socket: path.clone(), source: system(libc::EACCES) }, 77),
            (RunError::Socket { socket: path, source: system(libc::EROFS) }, 1),
            (RunError::Tun { name: name.clone(), source: system(libc::EPERM) }, 77),
            (RunError::Tun { name, source: system(libc::ENOENT) }, 1),
            (RunError::system("start a thread")(system(libc::EPERM)), 77),
            (RunError::system("start a thread")(system(libc::EAGAIN)), 1),
            (port(PortProblem::of_kernel(refused(libc::EPERM))), 77),
            (port(PortProblem::of_kernel(refused(libc::EINVAL))), 1),
            (port(PortProblem::Denied(String::new())), 77),
            (port(PortProblem::Device(String::new())), 1),
            (RunError::PortCount { count: 1000 }, 78),
            (RunError::Thread { thread: String::new(), reason: String::new() }, 1),
            (RunError::NoDpdk, 1),
        ];
        for (error, code) in cases {
            assert_eq!(error.exit().code(), code, "{error}");
        }
    }

    #[test]
    fn the_advice_fits_what_the_kernel_said_of_the_tun_device() {
        let text = |code| {
            let source = io::Error::from_raw_os_error(code);
            RunError::Tun { name: "kumiki0".to_owned(), source }.to_string()
        };
        assert!(
            text(libc::EBUSY).contains("another router") && !text(libc::EBUSY).contains("root")
        );
        assert!(text(libc::ENOENT).contains("modprobe"));
        assert!(text(libc::EPERM).contains("root") && !text(libc::EPERM).contains("modprobe"));
    }
}
