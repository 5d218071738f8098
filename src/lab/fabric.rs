//! The wires: namespaces, cables, LANs and hosts.
//!
//! Owns making them and changing the status of a cable; what runs on a server is
//! [`super::server`]'s, uplinks and what is at their other end are [`super::provider`]'s.
//!
//! ```text
//!   s01                fabric                  s02
//!   f-s02 ===veth=== c0a -bridge c0- c0b ===veth=== f-s01
//! ```
//!
//! *Invariants*: *cut* disables both fabric ends, so that both servers lose carrier; *silent* takes
//! them out of the bridge, so that nobody does. Filters could not make a cable silent: packet rings
//! tap before them. On a device that the data plane owns, the kernel has no IPv6; on no device it
//! has offloads.

use crate::lab::error::LabError;
use crate::lab::layout::{self, CablePart};
use crate::lab::lock::LabLock;
use crate::lab::state::{CableStatus, Driver, LabDirectory, LabState, Place, ServerKind};
use crate::os::namespace::Namespace;
use crate::os::netlink::address::HostRoute;
use crate::os::netlink::sysctl::disable_ipv6;
use crate::os::netlink::{NetlinkError, NewVeth, RouteSocket, VethEnd, offloads_off, sysctl_write};
use crate::planner::server_name;

/// Interface index of the loopback device in every namespace.
pub(super) const LOOPBACK_IFINDEX: u32 = 1;

/// A lab whose namespaces are open.
pub struct Lab {
    /// Where its files are.
    pub directory: LabDirectory,
    /// What it remembers.
    pub state: LabState,
    /// The right to change it; `None` for commands that only look.
    lock: Option<LabLock>,
    servers: Vec<Namespace>,
    hosts: Vec<Namespace>,
    provider: Option<Namespace>,
    fabric_links: RouteSocket,
}

impl Lab {
    /// Makes every namespace, cable and host of `state`. What exists after an error is removed by
    /// [`super::cleanup`].
    pub fn build(lock: LabLock, state: LabState) -> Result<Self, LabError> {
        let directory = lock.directory().clone();
        let fabric = Namespace::create(&directory.namespace("fabric"))?;
        let make = |name: String| Namespace::create(&directory.namespace(&name));
        let count = state.servers.len();
        let servers = (0..count).map(|s| make(server_name(s))).collect::<Result<Vec<_>, _>>()?;
        let hosts =
            (0..count).map(|s| make(layout::host_name(s))).collect::<Result<Vec<_>, _>>()?;
        let wanted = state.provider.as_ref().map(|_| make(Place::Provider.name()));
        let provider = wanted.transpose()?;
        let fabric_links = fabric.run(prepare_fabric)??;
        let lock = Some(lock);
        let mut lab = Self { directory, state, lock, servers, hosts, provider, fabric_links };
        for server in 0..count {
            lab.build_lan(server)?;
        }
        for cable in 0..lab.state.cables.len() {
            lab.build_cable(cable)?;
        }
        lab.build_uplinks()?;
        for server in 0..count {
            lab.prepare_server(server)?;
            lab.prepare_host(server)?;
        }
        Ok(lab)
    }

    /// Opens the lab that another process made, to look at it.
    pub fn open(directory: LabDirectory, state: LabState) -> Result<Self, LabError> {
        let open = |name: String| Namespace::open(&directory.namespace(&name));
        let count = state.servers.len();
        let servers = (0..count).map(|s| open(server_name(s))).collect::<Result<Vec<_>, _>>()?;
        let hosts =
            (0..count).map(|s| open(layout::host_name(s))).collect::<Result<Vec<_>, _>>()?;
        let wanted = state.provider.as_ref().map(|_| open(Place::Provider.name()));
        let provider = wanted.transpose()?;
        let fabric_links = open("fabric".to_owned())?.run(RouteSocket::open)??;
        Ok(Self { directory, state, lock: None, servers, hosts, provider, fabric_links })
    }

    /// The same, to change it. `state` was read under `lock`.
    pub fn open_locked(lock: LabLock, state: LabState) -> Result<Self, LabError> {
        let lab = Self::open(lock.directory().clone(), state)?;
        Ok(Self { lock: Some(lock), ..lab })
    }

    /// The namespace of a server.
    pub fn server(&self, server: usize) -> &Namespace {
        &self.servers[server]
    }

    /// The namespace of the host behind a server.
    pub fn host(&self, server: usize) -> &Namespace {
        &self.hosts[server]
    }

    /// The namespace of the provider, where there is one.
    pub fn provider(&self) -> Option<&Namespace> {
        self.provider.as_ref()
    }

    /// Number of servers.
    pub fn server_count(&self) -> usize {
        self.servers.len()
    }

    /// Writes the state file.
    pub fn save(&self) -> Result<(), LabError> {
        assert!(self.lock.is_some(), "a command that only looks at a lab changes it");
        self.directory.save(&self.state)
    }

    /// Gives a cable another status, in the kernel and in the state file. Whatever interrupts it,
    /// a cable that is broken in the kernel is so in the file, where `lab heal` finds it.
    pub fn set_cable(&mut self, cable: usize, status: CableStatus) -> Result<(), LabError> {
        if status != CableStatus::Connected {
            self.note_cable(cable, status)?;
        }
        self.set_cable_links(cable, status)?;
        if self.state.driver == Driver::Tap {
            self.set_tap_carriers(cable, status)?;
        }
        self.note_cable(cable, status)
    }

    fn note_cable(&mut self, cable: usize, status: CableStatus) -> Result<(), LabError> {
        self.state.cables[cable].status = status;
        self.save()
    }

    fn set_cable_links(&mut self, cable: usize, status: CableStatus) -> Result<(), LabError> {
        let ends = [CablePart::NearFabric, CablePart::FarFabric]
            .map(|part| layout::cable_ifindex(cable, part));
        let bridge = layout::cable_ifindex(cable, CablePart::Bridge);
        let links = &mut self.fabric_links;
        match status {
            CableStatus::Connected => {
                for end in ends {
                    links.set_controller(end, Some(bridge))?;
                }
                for end in ends {
                    links.set_up(end)?;
                }
            }
            CableStatus::Cut => {
                for end in ends {
                    links.set_down(end)?;
                }
            }
            CableStatus::Silent => {
                for end in ends {
                    links.set_controller(end, None)?;
                }
                for end in ends {
                    links.set_up(end)?;
                }
            }
        }
        Ok(())
    }

    /// A TAP has no other end that could take its carrier along: the lab does it.
    fn set_tap_carriers(&self, cable: usize, status: CableStatus) -> Result<(), LabError> {
        let (a, b) = self.state.cables[cable].ends;
        for (server, peer) in [(a, b), (b, a)] {
            if self.state.servers[server].kind == ServerKind::Kumiki {
                let mut socket = self.server(server).run(RouteSocket::open)??;
                match socket.link_by_name(&layout::tap_port(peer)) {
                    Ok(tap) => socket.set_carrier(tap.ifindex, status != CableStatus::Cut)?,
                    // Its router does not run.
                    Err(error) if error.is_missing() => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn build_cable(&mut self, cable: usize) -> Result<(), LabError> {
        let (a, b) = self.state.cables[cable].ends;
        let mtu = self.state.driver.cable_mtu_bytes();
        let bridge = layout::cable_ifindex(cable, CablePart::Bridge);
        self.fabric_links.create_bridge(&format!("c{cable}"), bridge, mtu)?;
        let sides = [
            ("a", CablePart::NearFabric, CablePart::NearServer, a, b),
            ("b", CablePart::FarFabric, CablePart::FarServer, b, a),
        ];
        for (letter, fabric_part, server_part, server, peer) in sides {
            let fabric_index = layout::cable_ifindex(cable, fabric_part);
            let fabric_end = VethEnd {
                name: &format!("c{cable}{letter}"),
                ifindex: fabric_index,
                namespace: None,
            };
            let server_end = VethEnd {
                name: &layout::fabric_port(peer),
                ifindex: layout::cable_ifindex(cable, server_part),
                namespace: Some(self.servers[server].fd()),
            };
            self.fabric_links.create_veth(&NewVeth { ends: [fabric_end, server_end], mtu })?;
            self.fabric_links.set_controller(fabric_index, Some(bridge))?;
            self.fabric_links.set_up(fabric_index)?;
        }
        self.fabric_links.set_up(bridge)?;
        Ok(())
    }

    fn build_lan(&self, server: usize) -> Result<(), LabError> {
        let kind = self.state.servers[server].kind;
        let mtu_bytes = u32::from(self.state.driver.mtu_bytes());
        // Settings for devices still to be made are inherited from `default`.
        self.hosts[server].run(|| -> Result<(), NetlinkError> {
            for (key, value) in [
                ("accept_dad", "0"),
                ("accept_ra", "1"),
                ("use_tempaddr", "0"),
                ("router_solicitations", "-1"),
                ("router_solicitation_delay", "0"),
                ("router_solicitation_interval", "1"),
                ("router_solicitation_max_interval", "1"),
            ] {
                sysctl_write(&format!("net/ipv6/conf/default/{key}"), value)?;
            }
            Ok(())
        })??;
        self.servers[server].run(|| prepare_kernel(kind))??;
        let mut socket = self.servers[server].run(RouteSocket::open)??;
        let host_index = layout::host_ifindex(server);
        let ends = [
            VethEnd {
                name: layout::LAN_PORT,
                ifindex: layout::lan_ifindex(server),
                namespace: None,
            },
            VethEnd {
                name: layout::HOST_PORT,
                ifindex: host_index,
                namespace: Some(self.hosts[server].fd()),
            },
        ];
        socket.create_veth(&NewVeth { ends, mtu: layout::CABLE_MTU_BYTES })?;
        let mut host = self.hosts[server].run(RouteSocket::open)??;
        host.set_mtu(host_index, mtu_bytes)?;
        host.set_mac(host_index, layout::host_mac(server))?;
        Ok(())
    }

    fn prepare_server(&self, server: usize) -> Result<(), LabError> {
        let kind = self.state.servers[server].kind;
        let mtu_bytes = u32::from(self.state.driver.mtu_bytes());
        let numbering = self.state.numbering;
        let prepare = || -> Result<(), NetlinkError> {
            let mut socket = RouteSocket::open()?;
            for link in socket.links()? {
                if link.ifindex != LOOPBACK_IFINDEX {
                    offloads_off(&link.name)?;
                    match kind {
                        ServerKind::Kumiki => disable_ipv6(&link.name)?,
                        ServerKind::Frr | ServerKind::Bird => {
                            socket.set_mtu(link.ifindex, mtu_bytes)?;
                        }
                    }
                }
                socket.set_up(link.ifindex)?;
            }
            if kind != ServerKind::Kumiki {
                socket.add_address(LOOPBACK_IFINDEX, numbering.loopback(server), 128)?;
                let lan = layout::lan_ifindex(server);
                socket.add_address(lan, numbering.lan_address(server), 64)?;
            }
            Ok(())
        };
        self.servers[server].run(prepare)??;
        Ok(())
    }

    /// Lets the kernel of a server forward or not, where it does so for the router.
    pub fn set_kernel_forwarding(&self, server: usize, is_on: bool) -> Result<(), LabError> {
        if self.state.servers[server].kind == ServerKind::Kumiki {
            return Ok(());
        }
        let value = if is_on { "1" } else { "0" };
        self.servers[server].run(|| sysctl_write("net/ipv6/conf/all/forwarding", value))??;
        Ok(())
    }

    fn prepare_host(&self, server: usize) -> Result<(), LabError> {
        let kind = self.state.servers[server].kind;
        let numbering = self.state.numbering;
        let prepare = || -> Result<(), NetlinkError> {
            let mut socket = RouteSocket::open()?;
            let ifindex = layout::host_ifindex(server);
            offloads_off(layout::HOST_PORT)?;
            // Echo sockets for the lab's own ping, which asks for no privilege beyond the
            // namespace.
            sysctl_write("net/ipv4/ping_group_range", "0 0")?;
            socket.set_up(LOOPBACK_IFINDEX)?;
            socket.set_up(ifindex)?;
            // Only Kumiki advertises itself here; behind other routers the host is told.
            if kind != ServerKind::Kumiki {
                socket.add_address(ifindex, numbering.host_address(server), 64)?;
                socket.add_route(&HostRoute {
                    gateway: Some(numbering.lan_address(server)),
                    ..HostRoute::on_link(crate::base::prefix::Ipv6Prefix::DEFAULT, ifindex)
                })?;
            }
            Ok(())
        };
        self.hosts[server].run(prepare)??;
        Ok(())
    }
}

/// No device of the fabric speaks IPv6.
fn prepare_fabric() -> Result<RouteSocket, NetlinkError> {
    sysctl_write("net/ipv6/conf/all/disable_ipv6", "1")?;
    sysctl_write("net/ipv6/conf/default/disable_ipv6", "1")?;
    RouteSocket::open()
}

/// Before a server gets devices: where the kernel forwards, it must be told to.
fn prepare_kernel(kind: ServerKind) -> Result<(), NetlinkError> {
    if kind == ServerKind::Kumiki {
        return Ok(());
    }
    for key in ["all/forwarding", "default/forwarding"] {
        sysctl_write(&format!("net/ipv6/conf/{key}"), "1")?;
    }
    sysctl_write("net/ipv6/conf/default/accept_dad", "0")
}
