//! Checksum and segmentation offloads of a device.
//!
//! On a virtual cable nobody finishes what an offload left open: a 14,000-octet segment reached a
//! router's packet ring as one truncated frame. Hosts beside such a router switch them off.
//!
//! *Invariants*: a switch that a device does not have is not an error.

use super::socket::NetlinkError;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// `SIOCETHTOOL` of linux/sockios.h.
const SIOCETHTOOL: libc::Ioctl = 0x8946;
/// An offload: what it is called, and the command of linux/ethtool.h that switches it. The command
/// that asks for it is the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offload(&'static str, u32);

/// Every offload, in the order in which they depend on each other.
const OFFLOADS: [Offload; 7] = [
    Offload("tcp segmentation", 0x1f),
    Offload("udp fragmentation", 0x22),
    Offload("generic segmentation", 0x24),
    Offload("generic receive", 0x2c),
    Offload("scatter-gather", 0x19),
    Offload("transmit checksum", 0x17),
    Offload("receive checksum", 0x15),
];

/// `struct ethtool_value` of linux/ethtool.h.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// The offloads of the device that are on, in the calling thread's namespace.
pub fn offloads(name: &str) -> Result<Vec<Offload>, NetlinkError> {
    let socket = device_socket()?;
    let mut found = Vec::new();
    for offload in OFFLOADS {
        let Offload(what, switch) = offload;
        match command(&socket, name, (switch - 1, 0)) {
            Ok(0) => {}
            Ok(_) => found.push(offload),
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            Err(error) => return Err(NetlinkError::new(format!("ask {name} for {what}"), error)),
        }
    }
    Ok(found)
}

/// Switches all offloads of the device off, in the calling thread's namespace.
pub fn offloads_off(name: &str) -> Result<(), NetlinkError> {
    switch(name, OFFLOADS.into_iter(), "off")
}

/// Switches these offloads of the device on, in the calling thread's namespace.
pub fn offloads_on(name: &str, offloads: &[Offload]) -> Result<(), NetlinkError> {
    switch(name, offloads.iter().rev().copied(), "on")
}

fn switch(
    name: &str,
    offloads: impl Iterator<Item = Offload>,
    to: &str,
) -> Result<(), NetlinkError> {
    let socket = device_socket()?;
    for Offload(what, switch) in offloads {
        match command(&socket, name, (switch, u32::from(to == "on"))) {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            Err(error) => {
                return Err(NetlinkError::new(format!("switch {what} {to} on {name}"), error));
            }
        }
    }
    Ok(())
}

fn device_socket() -> Result<OwnedFd, NetlinkError> {
    open_datagram_socket().map_err(|e| NetlinkError::new("open a socket for device settings", e))
}

fn open_datagram_socket() -> io::Result<OwnedFd> {
    // SAFETY: socket(2) takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_INET6, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just opened and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// One command with its value; gives the value that the kernel left.
fn command(socket: &OwnedFd, name: &str, (command, data): (u32, u32)) -> io::Result<u32> {
    let mut value = EthtoolValue { command, data };
    let mut request = interface_request(name)?;
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: SIOCETHTOOL reads an ifreq whose ifru_data points to a value of the command's type;
    // both live on this stack until the call returns.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(value.data) }
}

/// An `ifreq` with the name filled in, all else zero.
pub(crate) fn interface_request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: ifreq is plain data; all zero is a value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last octet stays zero: the kernel wants a terminated name.
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{name}` is not an interface name of 1 to 15 octets"),
        ));
    }
    for (slot, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = byte.cast_signed();
    }
    Ok(request)
}
