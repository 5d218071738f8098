//! The MSS of TCP connections that a pseudowire carries, lowered to what fits it.
//!
//! For hosts that never hear of a smaller MTU, because something between them and this router drops
//! ICMP. Only what opens a connection is looked at, where TCP stands right behind the IP header.
//!
//! *Invariants*: an MSS is never raised; nothing else is changed but the checksum.
//! *Standards*: RFC 9293 §3.1 (header), §3.7.1 (MSS), RFC 6691 §2 (MTU less the fixed headers), RFC
//! 1624 §3 (checksum).

use crate::dataplane::node::inner::Network;
use crate::wire::icmpv6::update_checksum;
use crate::wire::ipv6::{HEADER_OCTETS as IPV6_OCTETS, NEXT_TCP};

/// Octets of a TCP header without options.
const TCP_OCTETS: usize = 20;
/// Octets of IP and TCP without options: what an MSS leaves out.
const IPV6_TCP_OCTETS: u16 = 60;
const IPV4_TCP_OCTETS: u16 = 40;
const CHECKSUM_OFFSET: usize = 16;
const FLAGS_OFFSET: usize = 13;
const FLAG_SYN: u8 = 0x02;
const OPTION_END: u8 = 0;
const OPTION_NOTHING: u8 = 1;
const OPTION_MSS: u8 = 2;
/// Options of one segment: each has an octet at least, and all have forty.
const OPTIONS_MAX: usize = 40;

/// Lowers the MSS of a segment that opens a connection through a link with this MTU.
pub(super) fn clamp(frame: &mut [u8], network: Network, mtu: u16) {
    let (at, limit) = match tcp_of(frame, network) {
        Some((at, headers)) => (at, mtu.saturating_sub(headers)),
        None => return,
    };
    let Some(segment) = frame.get_mut(at..) else { return };
    let Some(place) = mss_of(segment) else { return };
    // The words of the sum begin at even offsets; the value may not. Four octets from here have it,
    // and end with the header at the latest, which most such segments do.
    let start = place.saturating_sub(1) & !1;
    let Some(old) = segment.get(start..).and_then(<[u8]>::first_chunk::<4>).copied() else {
        return;
    };
    let Some(value) = segment.get_mut(place..).and_then(<[u8]>::first_chunk_mut::<2>) else {
        return;
    };
    if u16::from_be_bytes(*value) <= limit {
        return;
    }
    *value = limit.to_be_bytes();
    let new = segment.get(start..).and_then(<[u8]>::first_chunk::<4>).copied();
    let sum = segment.get_mut(CHECKSUM_OFFSET..).and_then(<[u8]>::first_chunk_mut::<2>);
    if let (Some(new), Some(sum)) = (new, sum) {
        *sum = update_checksum(u16::from_be_bytes(*sum), &old, &new).to_be_bytes();
    }
}

/// Where a TCP header stands that is whole, and the octets that its MSS leaves out.
fn tcp_of(frame: &[u8], network: Network) -> Option<(usize, u16)> {
    match network {
        Network::Ipv6(at) => {
            let is_tcp = frame.get(at + 6) == Some(&NEXT_TCP);
            is_tcp.then_some((at + IPV6_OCTETS, IPV6_TCP_OCTETS))
        }
        Network::Ipv4(at) => {
            let header: &[u8; TCP_OCTETS] = frame.get(at..)?.first_chunk()?;
            let [first, _, _, _, _, _, high, low, _, protocol, ..] = *header;
            let is_first = u16::from_be_bytes([high, low]) & 0x1fff == 0;
            let octets = usize::from(first & 0x0f) * 4;
            let is_tcp = protocol == NEXT_TCP && is_first && octets >= TCP_OCTETS;
            is_tcp.then_some((at + octets, IPV4_TCP_OCTETS))
        }
        Network::Other => None,
    }
}

/// Where the value of the MSS stands in a segment that opens a connection.
fn mss_of(segment: &[u8]) -> Option<usize> {
    if segment.get(FLAGS_OFFSET)? & FLAG_SYN == 0 {
        return None;
    }
    let end = usize::from(segment.get(FLAGS_OFFSET - 1)? >> 4) * 4;
    let header = segment.get(..end)?;
    let mut at = TCP_OCTETS;
    for _ in 0..OPTIONS_MAX {
        match *header.get(at..)? {
            [OPTION_NOTHING, ..] => at += 1,
            [OPTION_MSS, 4, _, _, ..] => return Some(at + 2),
            [] | [OPTION_END, ..] | [_, 0 | 1, ..] | [_] => return None,
            [_, length, ..] => at += usize::from(length),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::checksum::{InternetSum, ipv6_upper_layer};
    use crate::wire::ipv6::Ipv6Header;
    use proptest::prelude::*;

    /// A frame with a segment that has these flags and options, its checksum right.
    fn frame(flags: u8, options: &[u8]) -> Vec<u8> {
        let mut segment = vec![0x12; TCP_OCTETS];
        segment[12] = u8::try_from((TCP_OCTETS + options.len()) / 4).unwrap() << 4;
        segment[FLAGS_OFFSET] = flags;
        segment[16..18].fill(0);
        segment.extend(options);
        let (source, destination) = ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap());
        let sum = ipv6_upper_layer(source, destination, NEXT_TCP, &segment);
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        let header = Ipv6Header {
            traffic_class: 0,
            flow_label: 0,
            payload_length: u16::try_from(segment.len()).unwrap(),
            next_header: NEXT_TCP,
            hop_limit: 64,
            source,
            destination,
        };
        [&[2; 12][..], &[0x86, 0xdd], &header.to_octets(), &segment].concat()
    }

    fn is_right(frame: &[u8]) -> bool {
        let (source, destination) = ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap());
        ipv6_upper_layer(source, destination, NEXT_TCP, &frame[54..]) == 0
    }

    fn clamped(frame: &[u8], mtu: u16) -> Vec<u8> {
        let mut frame = frame.to_vec();
        let network = Network::of(&frame);
        clamp(&mut frame, network, mtu);
        frame
    }

    #[test]
    fn an_mss_that_does_not_fit_is_lowered_wherever_it_stands() {
        for options in [
            &[2, 4, 0x22, 0xc4][..],
            &[1, 2, 4, 0x22, 0xc4, 0, 0, 0],
            &[8, 10, 1, 1, 1, 1, 2, 2, 2, 2, 1, 2, 4, 0x22, 0xc4, 1],
        ] {
            let before = frame(FLAG_SYN, options);
            let after = clamped(&before, 1400);
            let at = before.windows(2).position(|two| two == [0x22, 0xc4]).unwrap();
            assert_eq!(after[at..at + 2], 1340_u16.to_be_bytes());
            assert!(is_right(&after), "{options:?}");
            assert_eq!(clamped(&before, 9000), before, "it fits");
        }
    }

    #[test]
    fn ipv4_has_smaller_headers() {
        let segment = &frame(FLAG_SYN, &[2, 4, 0x22, 0xc4])[54..];
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0];
        packet.extend([192, 0, 2, 1, 192, 0, 2, 2]);
        packet.extend(segment);
        let mut four = [&[2; 12][..], &[8, 0], &packet].concat();
        let sum = |frame: &[u8]| InternetSum::default().plus(&frame[34..]).finish();
        let before = sum(&four);
        clamp(&mut four, Network::Ipv4(14), 1400);
        assert_eq!(four[56..58], 1360_u16.to_be_bytes());
        assert_eq!(sum(&four), before, "the sum over the segment is the same");
        four[20] = 0x20;
        four[21] = 1;
        assert_eq!(tcp_of(&four, Network::Ipv4(14)), None, "a later fragment");
    }

    #[test]
    fn only_what_opens_a_connection_is_changed() {
        let before = frame(0x10, &[2, 4, 0x22, 0xc4]);
        assert_eq!(clamped(&before, 1400), before);
        let without = frame(FLAG_SYN, &[3, 3, 7, 0]);
        assert_eq!(clamped(&without, 1400), without);
    }

    proptest! {
        #[test]
        fn any_options_are_walked_without_panic_and_leave_the_sum_right(
            options in prop::collection::vec(any::<u8>(), 0..10),
            cut in 0_usize..120,
        ) {
            let mut padded = options.repeat(4);
            padded.truncate(40);
            let before = frame(FLAG_SYN, &padded);
            prop_assert!(is_right(&clamped(&before, 1280)));
            let short = before.get(..cut).unwrap_or(&before);
            let _ = clamped(short, 1280);
        }
    }
}
