//! Namespaces and cables of a bench of BGP.
//!
//! Owns [`Network`]: a namespace for the router, one for each neighbour, a veth between. What the
//! kernel does on the router's ends depends on who routes: a router of the kernel's has addresses
//! there and forwarding, ours takes the frames and leaves the kernel deaf.
//!
//! *Invariants*: offloads are off on both ends of every cable, so that every router gets frames as
//! a NIC brings them. Everything is gone with the value.

use super::Neighbour;
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::os::namespace::{Namespace, NamespaceError};
use kumiki::os::netlink::address::HostRoute;
use kumiki::os::netlink::sysctl::disable_ipv6;
use kumiki::os::netlink::{
    NetlinkError, NewVeth, RouteSocket, VethEnd, offloads_off, sysctl_write,
};
use std::net::Ipv6Addr;
use std::path::Path;
use std::process::Command;

const MTU: u32 = 9000;
const LOOPBACK: u32 = 1;

/// Who forwards in the router's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarder {
    /// The kernel, by routes that a daemon gives it.
    Kernel,
    /// A program that has the frames of the ports.
    Program,
}

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Namespaces.
    #[error("{0}; run as root")]
    Namespace(#[from] NamespaceError),
    /// Devices, addresses, routes.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// `ip`, for a route that delivers everything to a socket.
    #[error("`ip {0}` failed; iproute2 is needed")]
    Ip(&'static str),
}

/// The namespaces of a run.
#[derive(Debug)]
pub struct Network {
    router: Namespace,
    neighbours: [Namespace; 3],
}

impl Network {
    /// Makes it; names of namespaces are in `folder`.
    pub fn new(folder: &Path, forwarder: Forwarder) -> Result<Self, NetworkError> {
        let create = |name: &str| Namespace::create(&folder.join(format!("{name}.net")));
        let router = create("router")?;
        let [first, second, sink] = Neighbour::ALL.map(|neighbour| create(neighbour.name()));
        let network = Self { router, neighbours: [first?, second?, sink?] };
        network.router.run(|| prepare_router(forwarder))??;
        for neighbour in Neighbour::ALL {
            network.lay(neighbour, forwarder)?;
        }
        for neighbour in [Neighbour::First, Neighbour::Second] {
            network.swallow_everything(neighbour)?;
        }
        Ok(network)
    }

    /// Where the router runs.
    pub const fn router(&self) -> &Namespace {
        &self.router
    }

    /// Where a neighbour is.
    pub const fn space(&self, neighbour: Neighbour) -> &Namespace {
        let [first, second, sink] = &self.neighbours;
        match neighbour {
            Neighbour::First => first,
            Neighbour::Second => second,
            Neighbour::Sink => sink,
        }
    }

    /// Lays the cable of a neighbour. Equal interface numbers on both ends would delay the
    /// carrier's news.
    fn lay(&self, neighbour: Neighbour, forwarder: Forwarder) -> Result<(), NetworkError> {
        let number = neighbour.number();
        let (near, far) = (100 + u32::from(number), 200 + u32::from(number));
        let (near_name, far_name) = (format!("d{number}"), format!("g{number}"));
        let space = self.space(neighbour);
        self.router.run(|| -> Result<(), NetlinkError> {
            let mut socket = RouteSocket::open()?;
            let near_end = VethEnd { name: &near_name, ifindex: near, namespace: None };
            let far_end = VethEnd { name: &far_name, ifindex: far, namespace: Some(space.fd()) };
            socket.create_veth(&NewVeth { ends: [near_end, far_end], mtu: MTU })?;
            offloads_off(&near_name)?;
            match forwarder {
                Forwarder::Program => disable_ipv6(&near_name)?,
                Forwarder::Kernel => socket.add_address(near, neighbour.router_address(), 64)?,
            }
            socket.set_up(near)
        })??;
        space.run(|| -> Result<(), NetlinkError> {
            let mut socket = RouteSocket::open()?;
            offloads_off(&far_name)?;
            socket.set_up(LOOPBACK)?;
            socket.add_address(far, neighbour.address(), 64)?;
            socket.set_up(far)?;
            let everywhere = Ipv6Prefix::containing(Ipv6Addr::UNSPECIFIED, 0);
            let gateway = Some(neighbour.router_address());
            socket.add_route(&HostRoute { gateway, ..HostRoute::on_link(everywhere, far) })
        })??;
        Ok(())
    }

    /// Whatever the router forwards to a neighbour ends in a socket there.
    fn swallow_everything(&self, neighbour: Neighbour) -> Result<(), NetworkError> {
        // In the main table, behind the route of the cable, which is longer.
        let words = "-6 route add local 2000::/3 dev lo table main";
        let mut command = Command::new("ip");
        self.space(neighbour).start_inside(command.args(words.split(' ')));
        let is_done = command.status().is_ok_and(|status| status.success());
        if is_done { Ok(()) } else { Err(NetworkError::Ip(words)) }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for space in self.neighbours.iter().chain([&self.router]) {
            let _ = Namespace::delete(space.path());
        }
    }
}

fn prepare_router(forwarder: Forwarder) -> Result<(), NetlinkError> {
    RouteSocket::open()?.set_up(LOOPBACK)?;
    if forwarder == Forwarder::Kernel {
        sysctl_write("net/ipv6/conf/all/forwarding", "1")?;
    }
    Ok(())
}
