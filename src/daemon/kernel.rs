//! The kernel's side of a port: MTU, state, and silence.
//!
//! Owns what is set on an interface whose packets the router takes. *Invariants*: an MTU that is
//! large enough stays. The kernel itself says nothing on such an interface (`disable_ipv6`), and
//! nothing joins packets on it (offloads).

use crate::config::PortSettings;
use crate::daemon::error::PortProblem;
use crate::os::netlink::sysctl::disable_ipv6;
use crate::os::netlink::{Link, NetlinkError, RouteSocket, offloads_off};
use crate::ports::DeviceSpec;

/// Largest IPv6 packet that buffers hold beside their headers.
pub const MTU_MAX: u16 = 9216;

/// What the kernel says of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelSide {
    /// MTU in octets.
    pub mtu: u16,
    /// Enabled and with carrier.
    pub is_up: bool,
}

/// Makes an interface ready; before the device is opened, or, for a TAP, as soon as it is there.
pub fn prepare(interface: &str, settings: &PortSettings) -> Result<KernelSide, PortProblem> {
    let mut socket = RouteSocket::open().map_err(PortProblem::Kernel)?;
    let link = find(&mut socket, interface)?;
    for (what, result) in [
        ("answers neighbours", disable_ipv6(interface)),
        ("joins packets", offloads_off(interface)),
    ] {
        match result {
            Err(error) if !error.is_missing() => {
                let port = &settings.name;
                tracing::warn!(topic = "port.kernel", "port {port}: the kernel {what}: {error}");
            }
            _ => {}
        }
    }
    if link.mtu < u32::from(settings.mtu) {
        socket.set_mtu(link.ifindex, u32::from(settings.mtu)).map_err(|source| {
            match PortProblem::of_kernel(source) {
                PortProblem::Kernel(source) => PortProblem::Mtu { mtu: settings.mtu, source },
                other => other,
            }
        })?;
    }
    if !link.is_enabled {
        socket.set_up(link.ifindex).map_err(PortProblem::of_kernel)?;
    }
    let link = find(&mut socket, interface)?;
    let mtu = u16::try_from(link.mtu).unwrap_or(u16::MAX).min(MTU_MAX);
    Ok(KernelSide { mtu, is_up: link.is_up() })
}

fn find(socket: &mut RouteSocket, interface: &str) -> Result<Link, PortProblem> {
    let missing = |error: NetlinkError| match error.is_missing() {
        true => PortProblem::Missing { interface: interface.to_owned() },
        false => PortProblem::Kernel(error),
    };
    socket.link_by_name(interface).map_err(missing)
}

/// Whether the interface is there before its device is opened; a TAP's comes with it.
pub const fn exists_before(spec: &DeviceSpec) -> bool {
    matches!(spec, DeviceSpec::AfPacket(_) | DeviceSpec::AfXdp(_))
}
