//! Ethernet II headers with at most one VLAN tag.
//!
//! Owns [`EthernetView`] (the packet path), [`EthernetHeader`] (the control plane) and the
//! EtherTypes of the house. What a MAC is belongs to `base::ids`; which tags a port accepts to
//! `dataplane`.
//!
//! *Invariants*: a view exists only over a whole header, tag included.
//! *Standards*: IEEE 802.3 clause 3, IEEE 802.1Q clause 9 (customer tag 0x8100, service tag
//! 0x88a8). A second tag is not looked for: it shows as an EtherType of [`ETHERTYPE_VLAN`].

use crate::base::cursor::{Reader, Truncated, Writer};
use crate::base::ids::MacAddress;

/// Octets of a header without tag.
pub const HEADER_OCTETS: usize = 14;
/// Octets that a tag adds.
pub const VLAN_TAG_OCTETS: usize = 4;
/// IPv6 (RFC 2464 §3).
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// A customer tag follows (IEEE 802.1Q).
pub const ETHERTYPE_VLAN: u16 = 0x8100;
/// A service tag follows (IEEE 802.1ad).
pub const ETHERTYPE_SERVICE_VLAN: u16 = 0x88a8;
/// EtherTypes below this are lengths of IEEE 802.3 frames.
pub const ETHERTYPE_MIN: u16 = 0x0600;
/// The part of the tag that is the VLAN id.
pub const VLAN_ID_MASK: u16 = 0x0fff;

/// Whether a tag follows this EtherType.
#[inline]
pub const fn is_tag(ether_type: u16) -> bool {
    matches!(ether_type, ETHERTYPE_VLAN | ETHERTYPE_SERVICE_VLAN)
}

/// A header, tag included, read in place.
#[derive(Clone, Copy, Debug)]
pub struct EthernetView<'a> {
    macs: &'a [u8; 12],
    outer_type: u16,
    tag: Option<&'a [u8; 4]>,
}

impl<'a> EthernetView<'a> {
    /// The header at the start of `frame`.
    #[inline]
    pub fn new(frame: &'a [u8]) -> Result<Self, Truncated> {
        let short = |wanted| Truncated { offset: 0, wanted, left: frame.len() };
        let (macs, rest) = frame.split_first_chunk().ok_or(short(HEADER_OCTETS))?;
        let (outer, rest) = rest.split_first_chunk().ok_or(short(HEADER_OCTETS))?;
        let outer_type = u16::from_be_bytes(*outer);
        let tag = if is_tag(outer_type) {
            Some(rest.first_chunk().ok_or(short(HEADER_OCTETS + VLAN_TAG_OCTETS))?)
        } else {
            None
        };
        Ok(Self { macs, outer_type, tag })
    }

    /// Destination.
    #[inline]
    pub const fn destination(&self) -> MacAddress {
        let [a, b, c, d, e, f, ..] = *self.macs;
        MacAddress([a, b, c, d, e, f])
    }

    /// Source.
    #[inline]
    pub const fn source(&self) -> MacAddress {
        let [.., a, b, c, d, e, f] = *self.macs;
        MacAddress([a, b, c, d, e, f])
    }

    /// The tag's control information (priority, drop bit, VLAN id), where there is a tag.
    #[inline]
    pub fn tag_control(&self) -> Option<u16> {
        self.tag.map(|[a, b, ..]| u16::from_be_bytes([*a, *b]))
    }

    /// The VLAN id, where there is a tag; 0 is a tag that carries only a priority.
    #[inline]
    pub fn vlan_id(&self) -> Option<u16> {
        self.tag_control().map(|control| control & VLAN_ID_MASK)
    }

    /// What follows the header, behind the tag.
    #[inline]
    pub fn ether_type(&self) -> u16 {
        match self.tag {
            Some([.., a, b]) => u16::from_be_bytes([*a, *b]),
            None => self.outer_type,
        }
    }

    /// Octets of the header.
    #[inline]
    pub const fn len(&self) -> usize {
        match self.tag {
            Some(_) => HEADER_OCTETS + VLAN_TAG_OCTETS,
            None => HEADER_OCTETS,
        }
    }

    /// Never: a view exists only over a header.
    pub const fn is_empty(&self) -> bool {
        false
    }
}

/// A VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanTag {
    /// [`ETHERTYPE_VLAN`] or [`ETHERTYPE_SERVICE_VLAN`].
    pub tag_type: u16,
    /// Priority, drop bit and VLAN id.
    pub control: u16,
}

/// A header as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetHeader {
    /// Destination.
    pub destination: MacAddress,
    /// Source.
    pub source: MacAddress,
    /// The tag, where there is one.
    pub tag: Option<VlanTag>,
    /// What follows.
    pub ether_type: u16,
}

impl EthernetHeader {
    /// An untagged header before an IPv6 packet.
    pub const fn ipv6(destination: MacAddress, source: MacAddress) -> Self {
        Self { destination, source, tag: None, ether_type: ETHERTYPE_IPV6 }
    }

    /// Takes a header off the front.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        let view = EthernetView::new(reader.rest())?;
        reader.skip(view.len())?;
        Ok(Self {
            destination: view.destination(),
            source: view.source(),
            tag: view.tag_control().map(|control| VlanTag { tag_type: view.outer_type, control }),
            ether_type: view.ether_type(),
        })
    }

    /// Appends the header.
    pub fn encode(&self, writer: &mut Writer) {
        writer.put(&self.destination.0);
        writer.put(&self.source.0);
        if let Some(tag) = self.tag {
            writer.u16(tag.tag_type);
            writer.u16(tag.control);
        }
        writer.u16(self.ether_type);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> impl Strategy<Value = EthernetHeader> {
        let tag = (any::<bool>(), any::<u16>()).prop_map(|(is_service, control)| VlanTag {
            tag_type: if is_service { ETHERTYPE_SERVICE_VLAN } else { ETHERTYPE_VLAN },
            control,
        });
        (any::<[u8; 6]>(), any::<[u8; 6]>(), prop::option::of(tag), any::<u16>())
            .prop_filter("an untagged header names no tag", |(_, _, tag, kind)| {
                tag.is_some() || !is_tag(*kind)
            })
            .prop_map(|(destination, source, tag, ether_type)| EthernetHeader {
                destination: MacAddress(destination),
                source: MacAddress(source),
                tag,
                ether_type,
            })
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(value in header()) {
            let mut writer = Writer::default();
            value.encode(&mut writer);
            let mut reader = Reader::new(writer.as_slice());
            prop_assert_eq!(EthernetHeader::decode(&mut reader), Ok(value));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_octets_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(view) = EthernetView::new(&bytes) {
                prop_assert!(view.len() <= bytes.len());
                let _ = (view.destination(), view.source(), view.vlan_id(), view.ether_type());
            }
        }
    }

    #[test]
    fn a_tag_without_its_octets_is_truncated() {
        let mut frame = [0; 16];
        frame[12..14].copy_from_slice(&ETHERTYPE_VLAN.to_be_bytes());
        let error = EthernetView::new(&frame).unwrap_err();
        assert_eq!(error, Truncated { offset: 0, wanted: 18, left: 16 });
    }

    #[test]
    fn the_vlan_id_leaves_the_priority_out() {
        let mut frame = [0; 18];
        frame[12..18].copy_from_slice(&[0x81, 0, 0xe0, 0x0a, 0x86, 0xdd]);
        let view = EthernetView::new(&frame).unwrap();
        assert_eq!((view.vlan_id(), view.ether_type()), (Some(10), ETHERTYPE_IPV6));
    }
}
