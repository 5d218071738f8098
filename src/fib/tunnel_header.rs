//! What stands before a frame in a pseudowire: outer IPv6, UDP where asked for, L2TPv3.
//!
//! Owns [`TunnelHeader`], a template made when the pseudowire is, and [`TunnelEnds`], what it is
//! made from. What a packet adds (length, flow label, traffic class, sequence number, checksum) is
//! written by `dataplane`; what is checked on the way in is [`crate::fib::session_table`]'s.
//!
//! *Invariants*: the octets end at the end of the template, whatever their number: a frame gets all
//! of it in one copy of a fixed size, of which the front is cut off. The first octets are room for
//! an Ethernet header. Fields that differ from packet to packet are zero.
//! *Standards*: RFC 3931 §4.1.1.1 and §4.1.2.1 (session header over IP and over UDP), §4.6
//! (default L2-specific sublayer), RFC 4719 §2 (Ethernet in it), RFC 8200 §3.

use core::net::Ipv6Addr;

/// Octets of the longest header, room for Ethernet included.
pub const TUNNEL_OCTETS_MAX: usize = ETHERNET_OCTETS + IPV6_OCTETS + UDP_OCTETS + L2TP_OCTETS_MAX;
/// UDP port of L2TP (RFC 3931 §4.1.2).
pub const L2TP_PORT: u16 = 1701;
/// Hop limit of outer packets: what every host begins with.
const HOP_LIMIT: u8 = 64;
const ETHERNET_OCTETS: usize = 14;
const ETHERNET_ROOM: u16 = 14;
const _: () = assert!(ETHERNET_ROOM as usize == ETHERNET_OCTETS);
const IPV6_OCTETS: usize = 40;
/// UDP and the word of flags and version that L2TP has over UDP only.
const UDP_OCTETS: usize = 12;
/// Session id, cookie, sublayer.
const L2TP_OCTETS_MAX: usize = 4 + 8 + SUBLAYER_OCTETS;
/// Octets of the default L2-specific sublayer.
pub const SUBLAYER_OCTETS: usize = 4;
/// "The S (Sequence) bit is set to 1 when the Sequence Number contains a valid number".
pub const SEQUENCE_BIT: u32 = 1 << 30;
/// Bits of a sequence number.
pub const SEQUENCE_MASK: u32 = 0x00ff_ffff;
const NEXT_UDP: u8 = 17;
const NEXT_L2TP: u8 = 115;
/// Version 3, no control message (RFC 3931 §4.1.2.1).
const UDP_FLAGS: [u8; 4] = [0, 3, 0, 0];

/// What carries L2TP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// IPv6, protocol 115.
    Ip,
    /// UDP between these ports.
    Udp {
        /// Ours.
        local_port: u16,
        /// The other end's.
        remote_port: u16,
        /// What stands in the checksum field.
        sum: UdpSum,
    },
}

/// Whether datagrams have a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UdpSum {
    /// Over everything (RFC 8200 §8.1).
    Full,
    /// None, as RFC 6935 allows tunnels whose frames have their own sums (RFC 6936 §5).
    Zero,
}

/// A cookie: 0, 4 or 8 octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cookie {
    /// None.
    #[default]
    None,
    /// Four octets.
    Four([u8; 4]),
    /// Eight octets.
    Eight([u8; 8]),
}

impl Cookie {
    /// Octets of it.
    pub const fn octets(self) -> usize {
        match self {
            Self::None => 0,
            Self::Four(_) => 4,
            Self::Eight(_) => 8,
        }
    }

    /// The octets, then zeros.
    pub const fn padded(self) -> [u8; 8] {
        match self {
            Self::None => [0; 8],
            Self::Four([a, b, c, d]) => [a, b, c, d, 0, 0, 0, 0],
            Self::Eight(octets) => octets,
        }
    }
}

/// What stands between the cookie and the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sublayer {
    /// Nothing.
    #[default]
    None,
    /// The default L2-specific sublayer, without numbers.
    Default,
    /// The same with sequence numbers.
    Sequenced,
}

impl Sublayer {
    /// Octets of it.
    pub const fn octets(self) -> usize {
        match self {
            Self::None => 0,
            Self::Default | Self::Sequenced => SUBLAYER_OCTETS,
        }
    }
}

/// Which class outer packets have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OuterClass {
    /// The one of the packet in the frame, or zero; the other end puts congestion back (RFC 9601).
    #[default]
    Copy,
    /// Its six bits of DSCP only: the other end knows nothing of RFC 6040 (its §4.1, compatibility
    /// mode).
    CopyDscp,
    /// This one, for all.
    Fixed(u8),
}

/// What a header is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelEnds {
    /// Our address.
    pub local: Ipv6Addr,
    /// Theirs.
    pub remote: Ipv6Addr,
    /// What carries it.
    pub carrier: Carrier,
    /// Their session id.
    pub session: u32,
    /// The cookie that they want.
    pub cookie: Cookie,
    /// The sublayer that they want.
    pub sublayer: Sublayer,
    /// Class of the outer packets.
    pub class: OuterClass,
}

/// The template; one a pseudowire, written by the control thread.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct TunnelHeader {
    octets: [u8; TUNNEL_OCTETS_MAX],
    /// How many of them count, from the end.
    used: u8,
    /// What stands in the checksum field, where there is one.
    pub sum: Option<UdpSum>,
    /// What stands before the frame.
    pub sublayer: Sublayer,
    /// Class of the outer packets.
    pub class: OuterClass,
    /// The MTU that TCP connections are told by their MSS; `None` where they are let alone.
    pub mss_mtu: Option<u16>,
}

impl TunnelHeader {
    /// The template of a pseudowire.
    pub fn new(ends: &TunnelEnds) -> Self {
        let mut behind = Vec::with_capacity(TUNNEL_OCTETS_MAX);
        if let Carrier::Udp { local_port, remote_port, .. } = ends.carrier {
            behind.extend(local_port.to_be_bytes());
            behind.extend(remote_port.to_be_bytes());
            behind.extend([0; 4]);
            behind.extend(UDP_FLAGS);
        }
        behind.extend(ends.session.to_be_bytes());
        behind.extend(ends.cookie.padded().iter().take(ends.cookie.octets()));
        behind.extend(core::iter::repeat_n(0, ends.sublayer.octets()));
        let mut octets = [0; TUNNEL_OCTETS_MAX];
        let start = TUNNEL_OCTETS_MAX - behind.len();
        octets[start..].copy_from_slice(&behind);
        let header = &mut octets[start - IPV6_OCTETS..start];
        header[0] = 6 << 4;
        (header[6], header[7]) = match ends.carrier {
            Carrier::Ip => (NEXT_L2TP, HOP_LIMIT),
            Carrier::Udp { .. } => (NEXT_UDP, HOP_LIMIT),
        };
        header[8..24].copy_from_slice(&ends.local.octets());
        header[24..].copy_from_slice(&ends.remote.octets());
        let used = ETHERNET_OCTETS + IPV6_OCTETS + behind.len();
        let sum = match ends.carrier {
            Carrier::Ip => None,
            Carrier::Udp { sum, .. } => Some(sum),
        };
        let used = u8::try_from(used).unwrap_or(u8::MAX);
        let (sublayer, class) = (ends.sublayer, ends.class);
        Self { octets, used, sum, sublayer, class, mss_mtu: None }
    }

    /// The template, of which the last [`Self::used`] octets count.
    #[inline]
    pub const fn template(&self) -> &[u8; TUNNEL_OCTETS_MAX] {
        &self.octets
    }

    /// Octets that it puts before a frame, room for Ethernet included.
    #[inline]
    pub const fn used(&self) -> u16 {
        self.used as u16
    }

    /// How much larger than the frame the outer IPv6 packet is.
    #[inline]
    pub const fn overhead(&self) -> u16 {
        (self.used as u16).saturating_sub(ETHERNET_ROOM)
    }
}

/// The largest untagged IP packet that fits a pseudowire whose outer packets have `outer_mtu`
/// octets at most; zero where none does.
pub fn inner_mtu(outer_mtu: u16, ends: &TunnelEnds) -> u16 {
    let overhead = usize::from(TunnelHeader::new(ends).overhead()) + ETHERNET_OCTETS;
    outer_mtu.saturating_sub(u16::try_from(overhead).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(carrier: Carrier, cookie: Cookie, sublayer: Sublayer) -> TunnelEnds {
        TunnelEnds {
            local: "fd00::1".parse().unwrap(),
            remote: "fd00::2".parse().unwrap(),
            carrier,
            session: 0x0102_0304,
            cookie,
            sublayer,
            class: OuterClass::Copy,
        }
    }

    const UDP: Carrier = Carrier::Udp { local_port: 1701, remote_port: 1702, sum: UdpSum::Zero };

    #[test]
    fn the_shortest_header_is_a_session_id_behind_ipv6() {
        let header = TunnelHeader::new(&ends(Carrier::Ip, Cookie::None, Sublayer::None));
        assert_eq!((header.used(), header.overhead()), (58, 44));
        let octets = &header.template()[TUNNEL_OCTETS_MAX - 58..];
        assert_eq!(octets[14..22], [0x60, 0, 0, 0, 0, 0, 115, 64]);
        assert_eq!((octets[37], octets[53]), (1, 2), "addresses");
        assert_eq!(octets[54..], [1, 2, 3, 4]);
    }

    #[test]
    fn the_longest_header_fills_the_template() {
        let cookie = Cookie::Eight([1, 2, 3, 4, 5, 6, 7, 8]);
        let header = TunnelHeader::new(&ends(UDP, cookie, Sublayer::Sequenced));
        assert_eq!(usize::from(header.used()), TUNNEL_OCTETS_MAX);
        let udp = [6, 165, 6, 166, 0, 0, 0, 0, 0, 3, 0, 0, 1, 2, 3, 4];
        let rest = [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0];
        assert_eq!(header.template()[54..], [&udp[..], &rest[..]].concat());
    }

    #[test]
    fn the_inner_mtu_is_what_exactly_this_encapsulation_leaves() {
        // Underlay 9000: 40 + 4 + 8 + 14 octets go, and 12 more with UDP.
        let cookie = Cookie::Eight([7; 8]);
        assert_eq!(inner_mtu(9000, &ends(Carrier::Ip, cookie, Sublayer::None)), 8934);
        assert_eq!(inner_mtu(9000, &ends(UDP, cookie, Sublayer::None)), 8922);
        assert_eq!(inner_mtu(9000, &ends(Carrier::Ip, cookie, Sublayer::Default)), 8930);
        let four = Cookie::Four([7; 4]);
        assert_eq!(inner_mtu(1500, &ends(Carrier::Ip, four, Sublayer::None)), 1438);
        assert_eq!(inner_mtu(60, &ends(UDP, cookie, Sublayer::Default)), 0);
    }
}
