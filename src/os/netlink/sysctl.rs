//! Settings of the kernel's network stack that have no netlink message.
//!
//! *Invariants*: `/proc/sys/net` shows the network namespace of the thread that opens the file, so
//! a write acts where the calling thread is.

use super::socket::NetlinkError;
use std::path::Path;

/// Writes `/proc/sys/net/ipv6/conf/NAME/KEY` and the like; `path` is relative to `/proc/sys`.
pub fn sysctl_write(path: &str, value: &str) -> Result<(), NetlinkError> {
    let file = Path::new("/proc/sys").join(path);
    std::fs::write(&file, value)
        .map_err(|e| NetlinkError::new(format!("write {value} to {}", file.display()), e))
}

/// Makes the kernel deaf and mute for IPv6 on a device that the data plane owns. It sent router
/// solicitations, neighbour solicitations and MLD reports there otherwise.
pub fn disable_ipv6(name: &str) -> Result<(), NetlinkError> {
    sysctl_write(&format!("net/ipv6/conf/{name}/disable_ipv6"), "1")
}

/// Undoes [`disable_ipv6`].
pub fn enable_ipv6(name: &str) -> Result<(), NetlinkError> {
    sysctl_write(&format!("net/ipv6/conf/{name}/disable_ipv6"), "0")
}

/// Whether the kernel speaks IPv6 on a device.
pub fn has_ipv6(name: &str) -> Result<bool, NetlinkError> {
    let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
    let text =
        std::fs::read_to_string(&path).map_err(|e| NetlinkError::new(format!("read {path}"), e))?;
    Ok(text.trim_end() == "0")
}
