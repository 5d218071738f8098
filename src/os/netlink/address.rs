//! IPv6 addresses and routes of the kernel.
//!
//! Owns the requests of `RTM_*ADDR` and `RTM_*ROUTE`. IPv4 does not exist here.
//!
//! *Invariants*: adding what is there and deleting what is not there are no errors.
//! *Deviation*: addresses are added without duplicate address detection (RFC 4862 §5.4): they come
//! from a numbering plan, and detection costs a second at each start.

use super::socket::{NetlinkError, RouteSocket};
use crate::base::prefix::Ipv6Prefix;
use core::net::Ipv6Addr;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage},
    route::{
        RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteProtocol,
        RouteScope, RouteType,
    },
};
use std::net::IpAddr;

/// A route of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostRoute {
    /// Destinations.
    pub prefix: Ipv6Prefix,
    /// Device it leaves by.
    pub ifindex: u32,
    /// Next hop; `None`: everybody is on the link.
    pub gateway: Option<Ipv6Addr>,
    /// Source address for packets of the host's own (RFC 6724 is not asked).
    pub source: Option<Ipv6Addr>,
    /// MTU in octets towards these destinations; `None`: the device's.
    pub mtu: Option<u32>,
}

impl HostRoute {
    /// A route through a device, with everybody on the link.
    pub fn on_link(prefix: Ipv6Prefix, ifindex: u32) -> Self {
        Self { prefix, ifindex, gateway: None, source: None, mtu: None }
    }
}

impl RouteSocket {
    /// Adds an address, usable at once.
    pub fn add_address(
        &mut self,
        ifindex: u32,
        address: Ipv6Addr,
        prefix_length: u8,
    ) -> Result<(), NetlinkError> {
        let action = format!("add {address}/{prefix_length} to link {ifindex}");
        let message = address_message(ifindex, address, prefix_length);
        self.request(
            &action,
            RouteNetlinkMessage::NewAddress(message),
            NLM_F_CREATE | NLM_F_REPLACE,
        )
    }

    /// Removes an address.
    pub fn delete_address(
        &mut self,
        ifindex: u32,
        address: Ipv6Addr,
        prefix_length: u8,
    ) -> Result<(), NetlinkError> {
        let action = format!("remove {address}/{prefix_length} from link {ifindex}");
        let message = address_message(ifindex, address, prefix_length);
        match self.request(&action, RouteNetlinkMessage::DelAddress(message), 0) {
            Err(error) if error.errno() == Some(libc::EADDRNOTAVAIL) => Ok(()),
            other => other,
        }
    }

    /// Every IPv6 address of a device that is usable (duplicate address detection done), with its
    /// length.
    pub fn addresses(&mut self, ifindex: u32) -> Result<Vec<(Ipv6Addr, u8)>, NetlinkError> {
        let mut request = AddressMessage::default();
        request.header.family = AddressFamily::Inet6;
        let answers = self.dump("list the addresses", RouteNetlinkMessage::GetAddress(request))?;
        Ok(answers
            .iter()
            .filter_map(|answer| match answer {
                RouteNetlinkMessage::NewAddress(message) => usable_address(message, ifindex),
                _ => None,
            })
            .collect())
    }

    /// Adds a route, replacing one to the same destinations.
    pub fn add_route(&mut self, route: &HostRoute) -> Result<(), NetlinkError> {
        let action = format!("add the route {} through link {}", route.prefix, route.ifindex);
        let message = RouteNetlinkMessage::NewRoute(route_message(route));
        self.request(&action, message, NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Removes a route.
    pub fn delete_route(&mut self, route: &HostRoute) -> Result<(), NetlinkError> {
        let action = format!("remove the route {} through link {}", route.prefix, route.ifindex);
        let message = RouteNetlinkMessage::DelRoute(route_message(route));
        match self.request(&action, message, 0) {
            Err(error) if error.is_missing() => Ok(()),
            other => other,
        }
    }

    /// Every unicast route of the main table as (destinations, device).
    pub fn routes(&mut self) -> Result<Vec<(Ipv6Prefix, Option<u32>)>, NetlinkError> {
        let mut request = RouteMessage::default();
        request.header.address_family = AddressFamily::Inet6;
        let answers = self.dump("list the routes", RouteNetlinkMessage::GetRoute(request))?;
        Ok(answers
            .iter()
            .filter_map(|answer| match answer {
                RouteNetlinkMessage::NewRoute(message) => main_unicast_route(message),
                _ => None,
            })
            .collect())
    }
}

fn address_message(ifindex: u32, address: Ipv6Addr, prefix_length: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet6;
    message.header.prefix_len = prefix_length;
    message.header.index = ifindex;
    message.header.flags = AddressHeaderFlags::Nodad;
    message.attributes.push(AddressAttribute::Address(IpAddr::V6(address)));
    message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    message
}

fn usable_address(message: &AddressMessage, ifindex: u32) -> Option<(Ipv6Addr, u8)> {
    if message.header.index != ifindex {
        return None;
    }
    let unusable = AddressHeaderFlags::Tentative | AddressHeaderFlags::Dadfailed;
    if message.header.flags.intersects(unusable) {
        return None;
    }
    message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(IpAddr::V6(address)) => {
            Some((*address, message.header.prefix_len))
        }
        _ => None,
    })
}

fn route_message(route: &HostRoute) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet6;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.header.destination_prefix_length = route.prefix.length();
    if route.prefix.length() > 0 {
        let destination = RouteAddress::Inet6(route.prefix.address());
        message.attributes.push(RouteAttribute::Destination(destination));
    }
    message.attributes.push(RouteAttribute::Oif(route.ifindex));
    if let Some(gateway) = route.gateway {
        message.attributes.push(RouteAttribute::Gateway(RouteAddress::Inet6(gateway)));
    }
    if let Some(source) = route.source {
        message.attributes.push(RouteAttribute::PrefSource(RouteAddress::Inet6(source)));
    }
    if let Some(mtu) = route.mtu {
        message.attributes.push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]));
    }
    message
}

fn main_unicast_route(message: &RouteMessage) -> Option<(Ipv6Prefix, Option<u32>)> {
    let header = &message.header;
    if header.table != RouteHeader::RT_TABLE_MAIN || header.kind != RouteType::Unicast {
        return None;
    }
    let mut destination = Ipv6Addr::UNSPECIFIED;
    let mut ifindex = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => destination = *address,
            RouteAttribute::Oif(index) => ifindex = Some(*index),
            _ => {}
        }
    }
    Some((Ipv6Prefix::containing(destination, header.destination_prefix_length), ifindex))
}
