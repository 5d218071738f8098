//! The provider: a router outside, to which the edges of clusters speak BGP.
//!
//! ```text
//!   s01 up0 ===veth=== u-s01 isp u-s05 ===veth=== up0 s05
//! ```
//!
//! Owns the uplinks, the namespace of the provider, and the configuration and the start of the BIRD
//! or FRR in it. What it has heard is [`super::provider_table`]'s.
//!
//! *Invariants*: the provider announces two prefixes and gives each cluster what the others
//! announce; one of the two is for no cluster to take in. Each session has a password (RFC 2385)
//! and asks for packets of the link itself (RFC 5082).

use crate::base::prefix::Ipv6Prefix;
use crate::lab::error::LabError;
use crate::lab::fabric::{LOOPBACK_IFINDEX, Lab};
use crate::lab::layout::{self, PROVIDER_ASN, UPLINK_PORT};
use crate::lab::peer;
use crate::lab::session::Session;
use crate::lab::state::{Place, ProviderState, ServerKind};
use crate::os::netlink::{NetlinkError, NewVeth, RouteSocket, VethEnd, offloads_off, sysctl_write};
use crate::planner::server_name;
use core::net::Ipv6Addr;

/// File of the sessions' password, in the lab's directory.
pub const PASSWORD_FILE: &str = "isp.password";
/// What is in it.
const PASSWORD: &str = "between-us";
/// BGP identifier of the provider.
const PROVIDER_ROUTER_ID: &str = "10.255.0.1";
/// How the two ends of a session find out that the other is gone.
pub const EDGE_WATCH: Watch = Watch::Link;

/// What tells one end of a session that the other is gone, before the hold time does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// The carrier of the uplink, which goes with a server.
    Link,
    /// BFD (RFC 5882 §10.2), also where the carrier stays.
    Bfd,
}

/// A session, as the provider sees it.
struct Peer {
    name: String,
    asn: u32,
    own_address: Ipv6Addr,
    address: Ipv6Addr,
}

/// Everything that a configuration of the provider depends on.
struct ProviderFile {
    peers: Vec<Peer>,
    /// Time between two BFD packets, in milliseconds; 0 where there is no BFD.
    bfd_interval_ms: u16,
}

impl Lab {
    /// Whether a server has an uplink.
    pub fn is_edge(&self, server: usize) -> bool {
        self.state.edges().contains(&server)
    }

    /// Prefixes of the world that the routers of a cluster have to know: what the other clusters
    /// announce, and what the provider does.
    pub fn outside_of(&self, cluster: usize) -> Vec<Ipv6Prefix> {
        let numbering = self.state.numbering;
        let mut clusters: Vec<usize> =
            self.state.edges().iter().map(|&edge| numbering.cluster(edge)).collect();
        clusters.dedup();
        if clusters.is_empty() {
            return Vec::new();
        }
        let others = clusters.into_iter().filter(|other| *other != cluster);
        others.map(|other| numbering.ula(other)).chain([layout::outside_prefix()]).collect()
    }

    /// Makes the uplinks and the provider's ends of them; nothing where there is no provider.
    pub(super) fn build_uplinks(&self) -> Result<(), LabError> {
        let Some(provider) = self.provider() else { return Ok(()) };
        provider.run(prepare_provider)??;
        let mtu_bytes = u32::from(self.state.driver.mtu_bytes());
        for &edge in self.state.edges() {
            let mut socket = self.server(edge).run(RouteSocket::open)??;
            let ends = [
                VethEnd {
                    name: UPLINK_PORT,
                    ifindex: layout::uplink_ifindex(edge),
                    namespace: None,
                },
                VethEnd {
                    name: &layout::provider_port(edge),
                    ifindex: layout::provider_ifindex(edge),
                    namespace: Some(provider.fd()),
                },
            ];
            socket.create_veth(&NewVeth { ends, mtu: layout::CABLE_MTU_BYTES })?;
            provider.run(|| prepare_uplink(edge, mtu_bytes))??;
        }
        Ok(())
    }

    /// Starts the provider, where there is one.
    pub(super) fn start_provider(&mut self, session: &Session) -> Result<(), LabError> {
        let Some(ProviderState { kind, edges, .. }) = &self.state.provider else { return Ok(()) };
        let file = ProviderFile {
            peers: edges.iter().map(|&edge| self.peer_of(edge)).collect(),
            bfd_interval_ms: match EDGE_WATCH {
                Watch::Link => 0,
                Watch::Bfd => self.state.bfd_interval_ms,
            },
        };
        // Beside the configurations of the edges, which start later and read it.
        peer::write_file(&self.directory.file(PASSWORD_FILE), PASSWORD)?;
        match *kind {
            ServerKind::Frr => start_frr(self, session, &file),
            ServerKind::Bird | ServerKind::Kumiki => {
                peer::spawn_bird(self, Place::Provider, &file.bird())
            }
        }
    }

    /// Whether the provider runs, or there is none.
    pub fn is_provider_well(&self) -> bool {
        let processes = self.state.processes_at(Place::Provider);
        self.state.provider.is_none()
            || !processes.is_empty() && processes.iter().all(|process| process.is_alive())
    }

    /// Takes the carrier of an edge's uplink away, as a server without power would; nothing on
    /// other servers, or where BFD has to notice.
    pub(super) fn disconnect_uplink(&self, server: usize) -> Result<(), LabError> {
        if self.is_edge(server) && EDGE_WATCH == Watch::Link {
            let mut socket = self.server(server).run(RouteSocket::open)??;
            socket.set_down(layout::uplink_ifindex(server))?;
        }
        Ok(())
    }

    /// Gives it back.
    pub(super) fn connect_uplink(&self, server: usize) -> Result<(), LabError> {
        if self.is_edge(server) {
            let mut socket = self.server(server).run(RouteSocket::open)??;
            socket.set_up(layout::uplink_ifindex(server))?;
        }
        Ok(())
    }

    fn peer_of(&self, edge: usize) -> Peer {
        Peer {
            name: server_name(edge),
            asn: layout::cluster_asn(self.state.numbering.cluster(edge)),
            own_address: layout::provider_address(edge),
            address: layout::uplink_address(edge),
        }
    }
}

/// The provider's kernel forwards, and answers for an address of its own.
fn prepare_provider() -> Result<(), NetlinkError> {
    for key in ["all/forwarding", "default/forwarding"] {
        sysctl_write(&format!("net/ipv6/conf/{key}"), "1")?;
    }
    sysctl_write("net/ipv6/conf/default/accept_dad", "0")?;
    let mut socket = RouteSocket::open()?;
    socket.set_up(LOOPBACK_IFINDEX)?;
    socket.add_address(LOOPBACK_IFINDEX, layout::outside_address(), 128)
}

/// The provider's end of an uplink.
fn prepare_uplink(edge: usize, mtu_bytes: u32) -> Result<(), NetlinkError> {
    let mut socket = RouteSocket::open()?;
    let ifindex = layout::provider_ifindex(edge);
    offloads_off(&layout::provider_port(edge))?;
    socket.set_mtu(ifindex, mtu_bytes)?;
    socket.set_up(ifindex)?;
    socket.add_address(ifindex, layout::provider_address(edge), 64)
}

fn start_frr(lab: &mut Lab, session: &Session, file: &ProviderFile) -> Result<(), LabError> {
    let place = Place::Provider;
    let directory = peer::make_directory(lab, place, "frr")?;
    peer::start_zebra(lab, session, place)?;
    peer::write_file(&directory.join("bgpd.conf"), &file.bgpd())?;
    if file.bfd_interval_ms > 0 {
        peer::start_bfdd(lab, place, file.bfd_interval_ms)?;
    }
    lab.spawn(place, &peer::frr_daemon(&directory, "bgpd")).map(|_| ())
}

impl ProviderFile {
    /// For BIRD. What waits after an error waits a second, not a minute: a lab has no flood to
    /// fear.
    fn bird(&self) -> String {
        let (bfd, use_bfd) = match self.bfd_interval_ms {
            0 => (String::new(), ""),
            ms => (
                format!(
                    "protocol bfd {{ interface \"u-*\" {{ min rx interval {ms} ms; \
                     min tx interval {ms} ms; multiplier 3; }}; }}\n"
                ),
                " bfd on;",
            ),
        };
        let mut text = format!(
            "log stderr all;\nrouter id {PROVIDER_ROUTER_ID};\n\
             protocol device {{ scan time 1; }}\n{bfd}\
             protocol kernel {{ ipv6 {{ import none; export where source = RTS_BGP; }}; }}\n\
             protocol static own {{\n  ipv6;\n  route {} unreachable;\n  \
             route {} unreachable;\n}}\n\
             template bgp edge {{\n  local as {PROVIDER_ASN};\n  password \"{PASSWORD}\";\n  \
             ttl security on;\n  check link on;{use_bfd}\n  connect delay time 1;\n  \
             error wait time 1, 1;\n  \
             ipv6 {{ import all; export where source ~ [RTS_STATIC, RTS_BGP]; }};\n}}\n",
            layout::outside_prefix(),
            layout::held_back_prefix(),
        );
        for Peer { name, asn, own_address, address } in &self.peers {
            text.push_str(&format!(
                "protocol bgp {name} from edge {{\n  local {own_address};\n  \
                 neighbor {address} as {asn};\n}}\n"
            ));
        }
        text
    }

    /// For FRR. Routes of an edge that is gone are not kept: that it comes back soon is not known.
    fn bgpd(&self) -> String {
        let mut text = format!(
            "hostname {}\nrouter bgp {PROVIDER_ASN}\n bgp router-id {PROVIDER_ROUTER_ID}\n \
             no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n \
             no bgp network import-check\n bgp graceful-restart-disable\n",
            Place::PROVIDER_NAME
        );
        for Peer { name, asn, address, .. } in &self.peers {
            text.push_str(&format!(
                " neighbor {address} remote-as {asn}\n neighbor {address} description {name}\n \
                 neighbor {address} password {PASSWORD}\n \
                 neighbor {address} ttl-security hops 1\n neighbor {address} timers connect 1\n"
            ));
            if self.bfd_interval_ms > 0 {
                text.push_str(&format!(" neighbor {address} bfd profile lab\n"));
            }
        }
        text.push_str(" address-family ipv6 unicast\n");
        for prefix in [layout::outside_prefix(), layout::held_back_prefix()] {
            text.push_str(&format!("  network {prefix}\n"));
        }
        for Peer { address, .. } in &self.peers {
            text.push_str(&format!("  neighbor {address} activate\n"));
        }
        text.push_str(" exit-address-family\nexit\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bfd_interval_ms: u16) -> ProviderFile {
        let peer = |edge| Peer {
            name: server_name(edge),
            asn: 64_512,
            own_address: layout::provider_address(edge),
            address: layout::uplink_address(edge),
        };
        ProviderFile { peers: vec![peer(0), peer(2)], bfd_interval_ms }
    }

    #[test]
    fn each_edge_has_a_session_of_its_name() {
        let bird = file(0).bird();
        assert!(bird.contains("protocol bgp s01 from edge"), "{bird}");
        assert!(bird.contains("neighbor 2001:db8:ffff:3::2 as 64512;"), "{bird}");
        let bgpd = file(0).bgpd();
        assert!(bgpd.contains(" neighbor 2001:db8:ffff:1::2 remote-as 64512\n"), "{bgpd}");
        assert!(bgpd.contains("  neighbor 2001:db8:ffff:3::2 activate\n"), "{bgpd}");
    }

    #[test]
    fn bfd_is_asked_for_where_it_watches_the_edges() {
        assert!(!file(0).bird().contains("bfd") && !file(0).bgpd().contains("bfd"));
        assert!(file(50).bird().contains("bfd on;") && file(50).bird().contains("50 ms"));
        assert!(file(50).bgpd().contains(" neighbor 2001:db8:ffff:1::2 bfd profile lab\n"));
    }
}
