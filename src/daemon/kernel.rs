//! The kernel's side of a port: MTU, state, and silence.
//!
//! Owns what is set on an interface whose packets the router takes, and how it was before.
//! *Invariants*: an MTU that is large enough stays; one of a fabric port has room for the headers
//! of repairs where the interface takes it. The kernel itself says nothing on such an
//! interface (`disable_ipv6`), and nothing joins packets on it (offloads). What a port changed is
//! put back when it is closed, but for what somebody else has changed since.
//!
//! Gap: a router that is killed puts nothing back, and what it left is how the next one finds the
//! interface.

use crate::base::ids::MacAddress;
use crate::daemon::devices::PlannedPort;
use crate::daemon::error::PortProblem;
use crate::os::netlink::sysctl::{disable_ipv6, enable_ipv6, has_ipv6};
use crate::os::netlink::{
    Link, NetlinkError, Offload, RouteSocket, link_index, offloads, offloads_off, offloads_on,
};
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

/// How an interface was before a port was opened on it, and what the port set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    link: Link,
    mtu_set: Option<u32>,
    /// Set by the driver.
    mac_set: Option<MacAddress>,
    has_ipv6: bool,
    offloads: Vec<Offload>,
}

/// Makes an interface ready; before the device is opened, or, for a TAP, as soon as it is there.
/// `original` is filled once and stays, also when something then fails.
pub fn prepare(
    interface: &str,
    planned: &PlannedPort,
    original: &mut Option<Original>,
) -> Result<KernelSide, PortProblem> {
    let settings = &planned.settings;
    let mut socket = RouteSocket::open().map_err(PortProblem::Kernel)?;
    let link = find(&mut socket, interface)?;
    let original = original.get_or_insert_with(|| Original {
        // Without IPv6 in the kernel there is nothing to put back.
        has_ipv6: has_ipv6(interface).unwrap_or(false),
        offloads: offloads(interface).unwrap_or_default(),
        link: link.clone(),
        mtu_set: None,
        mac_set: None,
    });
    original.mac_set = settings.mac;
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
    let roomy = u32::from(settings.mtu.saturating_add(planned.mtu_room()));
    if link.mtu < roomy && socket.set_mtu(link.ifindex, roomy).is_ok() {
        original.mtu_set = Some(roomy);
    } else if link.mtu < u32::from(settings.mtu) {
        socket.set_mtu(link.ifindex, u32::from(settings.mtu)).map_err(|source| {
            match PortProblem::of_kernel(source) {
                PortProblem::Kernel(source) => PortProblem::Mtu { mtu: settings.mtu, source },
                other => other,
            }
        })?;
        original.mtu_set = Some(u32::from(settings.mtu));
    }
    if !link.is_enabled {
        socket.set_up(link.ifindex).map_err(PortProblem::of_kernel)?;
    }
    let link = find(&mut socket, interface)?;
    let mtu = u16::try_from(link.mtu).unwrap_or(u16::MAX).min(MTU_MAX);
    Ok(KernelSide { mtu, is_up: link.is_up() })
}

impl Original {
    /// Index of the interface.
    pub const fn ifindex(&self) -> u32 {
        self.link.ifindex
    }

    /// The address.
    pub const fn mac(&self) -> MacAddress {
        self.link.mac
    }

    /// Puts everything back that is still as the port set it. An interface that has gone needs
    /// nothing.
    pub fn restore(&self) {
        let mut socket = match RouteSocket::open() {
            Ok(socket) => socket,
            Err(error) => return self.complain(&error),
        };
        let links = match socket.links() {
            Ok(links) => links,
            Err(error) => return self.complain(&error),
        };
        // By index: the name may be another's by now, or this one's may have changed.
        let Some(now) = links.into_iter().find(|link| link.ifindex == self.link.ifindex) else {
            return;
        };
        for result in self.steps(&mut socket, &now) {
            match result {
                Err(error) if !error.is_missing() => self.complain(&error),
                _ => {}
            }
        }
    }

    fn complain(&self, error: &NetlinkError) {
        let name = &self.link.name;
        tracing::warn!(topic = "port.kernel", "{name} does not become what it was: {error}");
    }

    fn steps(&self, socket: &mut RouteSocket, now: &Link) -> Vec<Result<(), NetlinkError>> {
        let (ifindex, name, before) = (now.ifindex, &now.name, &self.link);
        // The filters are the driver's work; both are what a port needs, so nobody else's.
        let mut done = vec![socket.set_filters(ifindex, before)];
        done.push(offloads_on(name, &self.offloads));
        if self.mtu_set == Some(now.mtu) {
            done.push(socket.set_mtu(ifindex, before.mtu));
        }
        if self.mac_set == Some(now.mac) && now.mac != before.mac {
            done.push(socket.set_mac(ifindex, before.mac));
        }
        if self.has_ipv6 {
            done.push(enable_ipv6(name));
        }
        if now.is_enabled && !before.is_enabled {
            done.push(socket.set_down(ifindex));
        }
        done
    }
}

fn find(socket: &mut RouteSocket, interface: &str) -> Result<Link, PortProblem> {
    let missing = |error: NetlinkError| match error.is_missing() {
        true => PortProblem::Missing { interface: interface.to_owned() },
        false => PortProblem::Kernel(error),
    };
    socket.link_by_name(interface).map_err(missing)
}

/// What a device cannot be opened without: its interface, unless the device brings it.
pub fn missing(spec: &DeviceSpec) -> Option<PortProblem> {
    let interface = spec.kernel_interface().filter(|_| exists_before(spec))?;
    let is_there = link_index(interface).is_some();
    (!is_there).then(|| PortProblem::Missing { interface: interface.to_owned() })
}

/// Whether the interface is there before its device is opened; a TAP's comes with it.
pub const fn exists_before(spec: &DeviceSpec) -> bool {
    matches!(spec, DeviceSpec::AfPacket(_) | DeviceSpec::AfXdp(_))
}

#[cfg(test)]
mod tests;
