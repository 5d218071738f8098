//! Devices: list, make, change and delete them.
//!
//! Owns the requests of `RTM_*LINK`; addresses are [`super::address`]'s.
//!
//! *Invariants*: both ends of a veth pair are made with the interface index the caller chose. The
//! kernel reports loss of carrier after half a second instead of at once when both ends have the
//! same index, which is what fresh namespaces give by default.

use super::socket::{NetlinkError, RouteSocket};
use crate::base::ids::MacAddress;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    link::{
        InfoBridge, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
        LinkXdp,
    },
};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A device of the kernel, as it was when asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Interface index.
    pub ifindex: u32,
    /// Name.
    pub name: String,
    /// MAC address; zero where the device has none.
    pub mac: MacAddress,
    /// MTU in octets.
    pub mtu: u32,
    /// Switched on by the administrator (`IFF_UP`).
    pub is_enabled: bool,
    /// The other end is there (`IFF_LOWER_UP`).
    pub has_carrier: bool,
    /// Takes frames for any address, by the wish of a program (`IFF_PROMISC`).
    pub is_promiscuous: bool,
    /// Takes frames for any group, by the wish of a program (`IFF_ALLMULTI`).
    pub is_all_groups: bool,
    /// Interface index of the bridge it is a port of.
    pub controller: Option<u32>,
    /// `veth`, `bridge`, `tun`, …; empty for hardware.
    pub kind: String,
}

impl Link {
    /// Whether packets can pass: enabled and with carrier.
    pub fn is_up(&self) -> bool {
        self.is_enabled && self.has_carrier
    }

    /// Reads a link message.
    pub(super) fn from_message(message: &LinkMessage) -> Self {
        let flags = message.header.flags;
        let mut link = Self {
            ifindex: message.header.index,
            name: String::new(),
            mac: MacAddress::default(),
            mtu: 0,
            is_enabled: flags.contains(LinkFlags::Up),
            has_carrier: flags.contains(LinkFlags::LowerUp),
            is_promiscuous: flags.contains(LinkFlags::Promisc),
            is_all_groups: flags.contains(LinkFlags::Allmulti),
            controller: None,
            kind: String::new(),
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::Controller(index) => link.controller = Some(*index),
                LinkAttribute::Address(bytes) => {
                    link.mac =
                        <[u8; 6]>::try_from(bytes.as_slice()).map(MacAddress).unwrap_or_default();
                }
                LinkAttribute::LinkInfo(infos) => {
                    for info in infos {
                        if let LinkInfo::Kind(kind) = info {
                            link.kind = kind.to_string();
                        }
                    }
                }
                _ => {}
            }
        }
        link
    }
}

/// One end of a veth pair to be made.
#[derive(Clone, Copy, Debug)]
pub struct VethEnd<'a> {
    /// Name, at most 15 octets.
    pub name: &'a str,
    /// Interface index; choose it different from the other end's.
    pub ifindex: u32,
    /// Namespace to put it in; `None`: the socket's own.
    pub namespace: Option<BorrowedFd<'a>>,
}

/// A veth pair to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewVeth<'a> {
    /// The ends.
    pub ends: [VethEnd<'a>; 2],
    /// MTU of both ends, in octets.
    pub mtu: u32,
}

impl RouteSocket {
    /// Every device.
    pub fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let answers = self.dump("list the links", request)?;
        Ok(answers
            .iter()
            .filter_map(|answer| match answer {
                RouteNetlinkMessage::NewLink(message) => Some(Link::from_message(message)),
                _ => None,
            })
            .collect())
    }

    /// The device of that name.
    pub fn link_by_name(&mut self, name: &str) -> Result<Link, NetlinkError> {
        let found = self.links()?.into_iter().find(|link| link.name == name);
        found.ok_or_else(|| {
            NetlinkError::new(
                format!("find the link {name}"),
                io::Error::from_raw_os_error(libc::ENODEV),
            )
        })
    }

    /// Makes a veth pair; both ends start disabled.
    pub fn create_veth(&mut self, new: &NewVeth<'_>) -> Result<(), NetlinkError> {
        let [near, far] = &new.ends;
        let mut message = veth_end(near, new.mtu);
        let peer = veth_end(far, new.mtu);
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]));
        let action = format!("create the veth pair {}–{}", near.name, far.name);
        self.request(&action, RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Makes a bridge without spanning tree and without multicast snooping: it shall be as
    /// transparent as a cable.
    pub fn create_bridge(
        &mut self,
        name: &str,
        ifindex: u32,
        mtu: u32,
    ) -> Result<(), NetlinkError> {
        let mut message = LinkMessage::default();
        message.header.index = ifindex;
        message.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::Mtu(mtu),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Bridge),
                LinkInfo::Data(InfoData::Bridge(vec![InfoBridge::MulticastSnooping(false)])),
            ]),
        ];
        let action = format!("create the bridge {name}");
        self.request(&action, RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Makes `ifindex` a port of the bridge `controller`, or of none.
    pub fn set_controller(
        &mut self,
        ifindex: u32,
        controller: Option<u32>,
    ) -> Result<(), NetlinkError> {
        let attribute = LinkAttribute::Controller(controller.unwrap_or(0));
        self.change(&format!("set the bridge of link {ifindex}"), ifindex, attribute)
    }

    /// Sets the MTU.
    pub fn set_mtu(&mut self, ifindex: u32, mtu: u32) -> Result<(), NetlinkError> {
        let action = format!("set the MTU of link {ifindex} to {mtu}");
        self.change(&action, ifindex, LinkAttribute::Mtu(mtu))
    }

    /// Sets the MAC address.
    pub fn set_mac(&mut self, ifindex: u32, mac: MacAddress) -> Result<(), NetlinkError> {
        let action = format!("set the MAC address of link {ifindex} to {mac}");
        self.change(&action, ifindex, LinkAttribute::Address(mac.0.to_vec()))
    }

    /// Gives or takes the carrier of a device that has no other end, such as a TAP.
    pub fn set_carrier(&mut self, ifindex: u32, has_carrier: bool) -> Result<(), NetlinkError> {
        let action = format!("set the carrier of link {ifindex}");
        self.change(&action, ifindex, LinkAttribute::Carrier(u8::from(has_carrier)))
    }

    /// Detaches the XDP program of a device, if it has one.
    pub fn remove_xdp(&mut self, ifindex: u32) -> Result<(), NetlinkError> {
        let action = format!("detach the XDP program of link {ifindex}");
        // A program of -1 is none.
        self.change(&action, ifindex, LinkAttribute::Xdp(vec![LinkXdp::Fd(-1)]))
    }

    /// Enables the device.
    pub fn set_up(&mut self, ifindex: u32) -> Result<(), NetlinkError> {
        let action = format!("enable link {ifindex}");
        self.set_flags(&action, ifindex, (LinkFlags::Up, LinkFlags::Up))
    }

    /// Disables the device; the other end of a veth pair loses its carrier.
    pub fn set_down(&mut self, ifindex: u32) -> Result<(), NetlinkError> {
        let action = format!("disable link {ifindex}");
        self.set_flags(&action, ifindex, (LinkFlags::empty(), LinkFlags::Up))
    }

    /// Takes frames for any address, and for any group, as `like` does.
    pub fn set_filters(&mut self, ifindex: u32, like: &Link) -> Result<(), NetlinkError> {
        let mut flags = LinkFlags::empty();
        flags.set(LinkFlags::Promisc, like.is_promiscuous);
        flags.set(LinkFlags::Allmulti, like.is_all_groups);
        let action = format!("set the filters of link {ifindex}");
        self.set_flags(&action, ifindex, (flags, LinkFlags::Promisc | LinkFlags::Allmulti))
    }

    /// Deletes the device, and the other end of a veth pair with it.
    pub fn delete_link(&mut self, ifindex: u32) -> Result<(), NetlinkError> {
        let mut message = LinkMessage::default();
        message.header.index = ifindex;
        let action = format!("delete link {ifindex}");
        self.request(&action, RouteNetlinkMessage::DelLink(message), 0)
    }

    /// Sets those flags that are in the mask.
    fn set_flags(
        &mut self,
        action: &str,
        ifindex: u32,
        (flags, mask): (LinkFlags, LinkFlags),
    ) -> Result<(), NetlinkError> {
        let mut message = LinkMessage::default();
        message.header.index = ifindex;
        message.header.flags = flags;
        message.header.change_mask = mask;
        self.request(action, RouteNetlinkMessage::SetLink(message), 0)
    }

    fn change(
        &mut self,
        action: &str,
        ifindex: u32,
        attribute: LinkAttribute,
    ) -> Result<(), NetlinkError> {
        let mut message = LinkMessage::default();
        message.header.interface_family = AddressFamily::Unspec;
        message.header.index = ifindex;
        message.attributes.push(attribute);
        self.request(action, RouteNetlinkMessage::SetLink(message), 0)
    }
}

/// The index of a device, in the calling thread's namespace; `None` where there is no such device.
pub fn link_index(name: &str) -> Option<u32> {
    let (family, kind) = (rustix::net::AddressFamily::UNIX, rustix::net::SocketType::DGRAM);
    let socket = rustix::net::socket(family, kind, None).ok()?;
    rustix::net::netdevice::name_to_index(socket, name).ok()
}

fn veth_end(end: &VethEnd<'_>, mtu: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = end.ifindex;
    message.attributes.push(LinkAttribute::IfName(end.name.to_owned()));
    message.attributes.push(LinkAttribute::Mtu(mtu));
    if let Some(namespace) = end.namespace {
        message.attributes.push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
    }
    message
}
