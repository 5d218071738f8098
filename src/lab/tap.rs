//! Joins a router's TAP devices to its cables.
//!
//! DPDK makes the device when the router starts, so it cannot be an end of the cable itself: a
//! bridge in the server's namespace joins the two.
//!
//! ```text
//!   router - t-s02 -bridge b-s02- f-s02 ===veth=== fabric
//! ```
//!
//! *Invariants*: the kernel has no IPv6 on any of them; the bridge stays when the router is killed
//! and takes the next router's device. The device has the MAC of the kernel's side before it joins
//! the bridge, for good: a bridge keeps to itself what is sent to the MAC of one of its ports, and
//! the driver sets that of the router's port when it makes the device and once more when it starts
//! it.

use crate::lab::error::LabError;
use crate::lab::fabric::Lab;
use crate::lab::layout::{self, CABLE_MTU_BYTES, fabric_port, tap_port};
use crate::lab::session::Session;
use crate::lab::state::{Driver, ServerKind};
use crate::os::netlink::sysctl::disable_ipv6;
use crate::os::netlink::{Link, NetlinkError, RouteSocket};
use std::time::{Duration, Instant};

/// How long a router may take to make its devices.
const DEVICE_WAIT: Duration = Duration::from_secs(15);

impl Lab {
    /// Waits for the TAP devices of a server and joins each to its cable; nothing to do with other
    /// drivers.
    pub(super) fn attach_taps(&self, session: &Session, server: usize) -> Result<(), LabError> {
        let kind = self.state.servers[server].kind;
        if self.state.driver != Driver::Tap || kind != ServerKind::Kumiki {
            return Ok(());
        }
        let mut socket = self.server(server).run(RouteSocket::open)??;
        for (cable, peer) in self.cables_of(server) {
            let tap = self.wait_for_tap(session, server, &mut socket, &tap_port(peer))?;
            let side = usize::from(server > peer);
            let bridge = layout::tap_bridge_ifindex(cable, side);
            let attach = || -> Result<(), NetlinkError> {
                let mut socket = RouteSocket::open()?;
                let name = layout::tap_bridge(peer);
                match socket.create_bridge(&name, bridge, CABLE_MTU_BYTES) {
                    Err(error) if !error.is_exists() => return Err(error),
                    _ => disable_ipv6(&name)?,
                }
                disable_ipv6(&tap.name)?;
                socket.set_mac(tap.ifindex, layout::tap_mac(cable, side))?;
                socket.set_mtu(tap.ifindex, CABLE_MTU_BYTES)?;
                let cable_end = socket.link_by_name(&fabric_port(peer))?;
                for ifindex in [tap.ifindex, cable_end.ifindex] {
                    socket.set_controller(ifindex, Some(bridge))?;
                    socket.set_up(ifindex)?;
                }
                socket.set_up(bridge)
            };
            self.server(server).run(attach)??;
        }
        Ok(())
    }

    fn wait_for_tap(
        &self,
        session: &Session,
        server: usize,
        socket: &mut RouteSocket,
        name: &str,
    ) -> Result<Link, LabError> {
        let deadline = Instant::now() + DEVICE_WAIT;
        loop {
            match socket.link_by_name(name) {
                Ok(link) if has_router_finished(&link) => return Ok(link),
                Err(error) if !error.is_missing() => return Err(error.into()),
                _ if !self.is_running(server) => {
                    return Err(self.router_error(server, "its router ended".to_owned()));
                }
                _ if Instant::now() > deadline => {
                    let what = format!("its router does not make the device {name}");
                    return Err(self.router_error(server, what));
                }
                _ => session.sleep(Duration::from_millis(20))?,
            }
        }
    }
}

/// Whether the driver has set the MAC address for the last time: a router asks for all groups when
/// its port has started (`dpdk::port`).
fn has_router_finished(link: &Link) -> bool {
    link.is_enabled && link.is_all_groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::MacAddress;

    #[test]
    fn a_device_that_the_driver_has_just_made_is_not_joined_yet() {
        let mut link = Link {
            ifindex: 7,
            name: "t-s02".to_owned(),
            mac: MacAddress::default(),
            mtu: 1500,
            is_enabled: false,
            has_carrier: false,
            is_promiscuous: false,
            is_all_groups: false,
            controller: None,
            kind: "tun".to_owned(),
        };
        assert!(!has_router_finished(&link));
        link.is_enabled = true;
        assert!(!has_router_finished(&link), "the driver may still set its MAC");
        link.is_all_groups = true;
        assert!(has_router_finished(&link));
    }
}
