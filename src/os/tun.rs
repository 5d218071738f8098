//! The TUN device: how IPv6 packets reach the kernel of the machine the router runs on, and come
//! back.
//!
//! Owns the device while open; the kernel deletes it with the descriptor. Addresses and routes are
//! set through [`super::netlink`].
//!
//! *Invariants*: one read or write is one IPv6 packet without any header before it; nothing blocks.
//! The kernel neither solicits routers on the device nor gives it a link-local address.
//! *Standards*: linux/Documentation/networking/tuntap.rst.

use super::netlink::offload::interface_request;
use super::netlink::{NetlinkError, RouteSocket, sysctl_write};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

/// MTU of the device of the router, in octets: that of the fabric.
pub const TUN_MTU_BYTES: u32 = 9000;

/// An open TUN device; one for each router, owned by the host I/O thread.
pub struct Tun {
    file: File,
    name: String,
    ifindex: u32,
}

impl Tun {
    /// Makes the device `name` (or takes over a persistent one) with an MTU in octets and enables
    /// it.
    pub fn open(name: &str, mtu: u32) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")?;
        let name = attach(&file, name)?;
        let mut socket = RouteSocket::open().map_err(io_error)?;
        let ifindex = socket.link_by_name(&name).map_err(io_error)?.ifindex;
        // Router solicitations and a link-local address would be noise inside the cluster. Kernels
        // without IPv6 per-device settings have none of both.
        let conf = format!("net/ipv6/conf/{name}");
        for (key, value) in [("accept_ra", "0"), ("addr_gen_mode", "1"), ("autoconf", "0")] {
            match sysctl_write(&format!("{conf}/{key}"), value) {
                Err(error) if !error.is_missing() => return Err(io_error(error)),
                _ => {}
            }
        }
        socket.set_mtu(ifindex, mtu).map_err(io_error)?;
        socket.set_up(ifindex).map_err(io_error)?;
        Ok(Self { file, name, ifindex })
    }

    /// The name the kernel gave.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Interface index.
    pub fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// Readable when the host has a packet for the router.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// One packet of the host; `WouldBlock` when there is none. A packet longer than `buffer` is
    /// cut.
    pub fn read_packet(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.file).read(buffer)
    }

    /// Hands the host a packet; `WouldBlock` when its queue is full.
    pub fn write_packet(&self, packet: &[u8]) -> io::Result<()> {
        (&self.file).write(packet).map(drop)
    }
}

impl AsRawFd for Tun {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

fn io_error(error: NetlinkError) -> io::Error {
    io::Error::new(error.source.kind(), error.to_string())
}

/// Binds the descriptor to a device and returns its name.
fn attach(file: &File, name: &str) -> io::Result<String> {
    let mut request = interface_request(name)?;
    let flags = libc::IFF_TUN | libc::IFF_NO_PI;
    request.ifr_ifru.ifru_flags =
        libc::c_short::try_from(flags).map_err(|_| io::Error::other("TUN flags do not fit"))?;
    // SAFETY: TUNSETIFF reads and writes one ifreq, which lives on this stack until the call
    // returns.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let octets: Vec<u8> = request
        .ifr_name
        .iter()
        .map(|c| c.cast_unsigned())
        .take_while(|octet| *octet != 0)
        .collect();
    Ok(String::from_utf8_lossy(&octets).into_owned())
}
