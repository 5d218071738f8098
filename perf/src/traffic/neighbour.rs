//! MAC addresses: asking for that of the device under test, and answering when it asks for ours.
//!
//! *Standards*: RFC 4861 §7.2 in what a host with one address on a cable needs.

use kumiki::base::ids::MacAddress;
use kumiki::wire::ethernet::{ETHERTYPE_IPV6, EthernetView};
use kumiki::wire::ipv6::solicited_node;
use kumiki::wire::nd::{
    NdMessage, NdOption, NdPacket, NeighborAdvertisement, NeighborSolicitation,
};
use std::net::Ipv6Addr;

fn frame(from: MacAddress, to: MacAddress, packet: &NdPacket) -> Vec<u8> {
    let mut octets = [&to.0[..], &from.0, &ETHERTYPE_IPV6.to_be_bytes()].concat();
    octets.extend(packet.encode());
    octets
}

/// A frame that asks who has `target`.
pub fn solicitation(mac: MacAddress, own: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let group = solicited_node(target);
    let options = vec![NdOption::SourceLinkLayer(mac)];
    let message = NdMessage::NeighborSolicitation(NeighborSolicitation { target, options });
    let packet = NdPacket { source: own, destination: group, message };
    frame(mac, MacAddress::for_multicast(group), &packet)
}

/// What a frame of neighbour discovery is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Somebody asks for one of our addresses: the answer.
    Asked(Vec<u8>),
    /// Somebody says whose MAC it is.
    Told {
        /// The address.
        address: Ipv6Addr,
        /// Its MAC.
        mac: MacAddress,
    },
}

/// Reads a frame that is none of ours.
pub fn hear(frame_heard: &[u8], mac: MacAddress, own: &[Ipv6Addr]) -> Option<Heard> {
    let view = EthernetView::new(frame_heard).ok()?;
    if view.ether_type() != ETHERTYPE_IPV6 {
        return None;
    }
    let packet = NdPacket::decode(frame_heard.get(view.len()..)?).ok()?;
    match &packet.message {
        NdMessage::NeighborSolicitation(asked) if own.contains(&asked.target) => {
            let is_solicited = !packet.source.is_unspecified();
            let all_nodes = kumiki::wire::ipv6::ALL_NODES;
            let to = if is_solicited { packet.source } else { all_nodes };
            let to_mac = match is_solicited {
                true => view.source(),
                false => MacAddress::for_multicast(all_nodes),
            };
            let message = NdMessage::NeighborAdvertisement(NeighborAdvertisement {
                is_router: false,
                is_solicited,
                is_override: true,
                target: asked.target,
                options: vec![NdOption::TargetLinkLayer(mac)],
            });
            let answer = NdPacket { source: asked.target, destination: to, message };
            Some(Heard::Asked(frame(mac, to_mac, &answer)))
        }
        NdMessage::NeighborAdvertisement(told) => {
            let mac = packet.message.target_mac().unwrap_or_else(|| view.source());
            Some(Heard::Told { address: told.target, mac })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MacAddress = MacAddress([2, 0, 0, 0, 0, 0xa]);
    const B: MacAddress = MacAddress([2, 0, 0, 0, 0, 0xb]);

    #[test]
    fn two_of_us_find_each_other() {
        let (one, two) = (A.link_local(), "fd00::2".parse().unwrap());
        let question = solicitation(A, one, two);
        assert_eq!(hear(&question, B, &[one]), None, "not ours");
        let Some(Heard::Asked(answer)) = hear(&question, B, &[two]) else {
            panic!("no answer");
        };
        assert_eq!(hear(&answer, A, &[one]), Some(Heard::Told { address: two, mac: B }));
    }
}
