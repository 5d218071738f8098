//! What a bridged frame holds: its network header, behind any tags, and the flow it belongs to.
//!
//! *Invariants*: two tags are looked behind, as providers stack them; what stands behind more is no
//! IP. Nothing is changed but by [`Network::set_class`].
//! *Standards*: IEEE 802.1Q clause 9; RFC 791 §3.1, RFC 8200 §3 (where the class stands).

use crate::base::cursor::Truncated;
use crate::dataplane::flow::{few_hash, flow_hash, ipv4_flow_hash};
use crate::dataplane::node::L2_OCTETS;
use crate::wire::ethernet::{ETHERTYPE_IPV6, VLAN_TAG_OCTETS, is_tag};
use crate::wire::icmpv6::update_checksum;
use crate::wire::ipv6::{Ipv6Fields, Ipv6View};

/// IPv4 (RFC 894).
pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
/// Octets of an IPv4 header without options.
pub(super) const IPV4_OCTETS: usize = 20;
/// Tags that are looked behind.
const TAGS_MAX: usize = 2;

/// The network header of a frame, by where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    Ipv6(usize),
    Ipv4(usize),
    /// None that is looked at.
    Other,
}

impl Network {
    /// What a frame holds.
    #[inline]
    pub fn of(frame: &[u8]) -> Self {
        let mut at = usize::from(L2_OCTETS);
        for _ in 0..=TAGS_MAX {
            let kind = at.checked_sub(2).and_then(|place| frame.get(place..at));
            let Some([high, low]) = kind else { return Self::Other };
            match u16::from_be_bytes([*high, *low]) {
                ETHERTYPE_IPV6 => return Self::ipv6(frame, at),
                ETHERTYPE_IPV4 => return Self::ipv4(frame, at),
                tag if is_tag(tag) => at += VLAN_TAG_OCTETS,
                _ => return Self::Other,
            }
        }
        Self::Other
    }

    #[inline]
    fn ipv6(frame: &[u8], at: usize) -> Self {
        match frame.get(at..).map(Ipv6View::new) {
            Some(Ok(view)) if view.version() == 6 => Self::Ipv6(at),
            _ => Self::Other,
        }
    }

    #[inline]
    fn ipv4(frame: &[u8], at: usize) -> Self {
        match frame.get(at..at + IPV4_OCTETS) {
            Some([first, ..]) if first >> 4 == 4 => Self::Ipv4(at),
            _ => Self::Other,
        }
    }

    /// Traffic class or type of service; zero where there is neither.
    #[inline]
    pub fn class(self, frame: &[u8]) -> u8 {
        match self {
            Self::Ipv6(at) => match frame.get(at..at + 2) {
                Some([first, second]) => first << 4 | second >> 4,
                _ => 0,
            },
            Self::Ipv4(at) => frame.get(at + 1).copied().unwrap_or(0),
            Self::Other => 0,
        }
    }

    /// Writes the class, with the checksum of an IPv4 header.
    pub fn set_class(self, frame: &mut [u8], class: u8) -> Result<(), Truncated> {
        match self {
            Self::Ipv6(at) => {
                let octets = frame.get_mut(at..).unwrap_or(&mut []);
                Ipv6Fields::new(octets)?.set_traffic_class(class);
            }
            Self::Ipv4(at) => {
                if let Some([first, old, _, _, _, _, _, _, _, _, high, low]) =
                    frame.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<12>)
                {
                    let stored = u16::from_be_bytes([*high, *low]);
                    let sum = update_checksum(stored, &[*first, *old], &[*first, class]);
                    [*high, *low] = sum.to_be_bytes();
                    *old = class;
                }
            }
            Self::Other => {}
        }
        Ok(())
    }

    /// The hash of the flow that a frame belongs to; of its MACs where it holds no IP.
    #[inline]
    pub fn flow(self, frame: &[u8], seed: u64) -> u32 {
        let octets = |at: usize| frame.get(at..).unwrap_or(&[]);
        match self {
            Self::Ipv6(at) => Ipv6View::new(octets(at)).map_or(0, |view| flow_hash(&view, seed)),
            Self::Ipv4(at) => ipv4_flow_hash(octets(at), seed),
            Self::Other => {
                let word =
                    |at: usize| octets(at).first_chunk().map_or(0, |w| u64::from_be_bytes(*w));
                few_hash(word(0), word(6), seed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kinds: &[u16], rest: &[u8]) -> Vec<u8> {
        let mut frame = vec![2; 12];
        for kind in kinds {
            frame.extend(kind.to_be_bytes());
            if is_tag(*kind) {
                frame.extend([0, 7]);
            }
        }
        frame.extend(rest);
        frame
    }

    #[test]
    fn a_network_header_is_found_behind_up_to_two_tags() {
        let six = [0x60; 40];
        assert_eq!(Network::of(&frame(&[0x86dd], &six)), Network::Ipv6(14));
        assert_eq!(Network::of(&frame(&[0x8100, 0x86dd], &six)), Network::Ipv6(18));
        assert_eq!(Network::of(&frame(&[0x88a8, 0x8100, 0x0800], &[0x45; 20])), Network::Ipv4(22));
        let deep = frame(&[0x88a8, 0x88a8, 0x8100, 0x86dd], &six);
        assert_eq!(Network::of(&deep), Network::Other);
    }

    #[test]
    fn what_only_looks_like_ip_is_other() {
        assert_eq!(Network::of(&frame(&[0x86dd], &[0x60; 39])), Network::Other);
        assert_eq!(Network::of(&frame(&[0x86dd], &[0x45; 40])), Network::Other);
        assert_eq!(Network::of(&frame(&[0x0800], &[0x45; 19])), Network::Other);
        assert_eq!(Network::of(&frame(&[0x0806], &[0; 28])), Network::Other);
        assert_eq!(Network::of(&[0; 13]), Network::Other);
    }

    #[test]
    fn a_class_is_read_back_and_the_checksum_of_ipv4_stays_right() {
        let mut six = frame(&[0x86dd], &[0x60; 40]);
        Network::of(&six).set_class(&mut six, 0xab).unwrap();
        assert_eq!(Network::of(&six).class(&six), 0xab);
        let mut header = [0x45, 2, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        let sum = crate::base::checksum::InternetSum::default().plus(&header).finish();
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        let mut four = frame(&[0x0800], &header);
        Network::of(&four).set_class(&mut four, 0x03).unwrap();
        assert_eq!(Network::of(&four).class(&four), 3);
        let sum = crate::base::checksum::InternetSum::default().plus(&four[14..]).finish();
        assert_eq!(sum, 0);
    }
}
