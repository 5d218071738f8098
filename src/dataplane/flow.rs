//! The hashes that keep a flow on one path and with one worker.
//!
//! Owns [`flow_hash`]: addresses, flow label, protocol and ports, and [`spread_hash`], which is the
//! same for both directions. Which path a hash means belongs to `fib`, which worker to
//! `hand_over`.
//!
//! *Invariants*: all packets of one flow get one hash, and so do all fragments of one packet,
//! because a fragment's ports are never read. Never zero: zero means "not computed". What one
//! router chooses says nothing about the choice of another: of the flows that reach the second by
//! one of the first's ways, each of its own ways gets its share (no polarisation).
//! *Standards*: RFC 6438 (flow label in the hash), RFC 6437 §3 (the label may be zero: then ports
//! decide).

use crate::wire::ipv6::{
    Ipv6View, NEXT_FRAGMENT, NEXT_ICMPV6, NEXT_SCTP, NEXT_TCP, NEXT_UDP, UpperLayer, is_extension,
};

const MULTIPLIERS: [u64; 4] =
    [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0xd6e8_feb8_6659_fd93];

/// The hash of the flow that the packet belongs to. `seed` differs between routers, so that the
/// second router of a path does not repeat the choice of the first.
#[inline]
pub fn flow_hash(view: &Ipv6View<'_>, seed: u64) -> u32 {
    let [m0, m1, m2, m3] = MULTIPLIERS;
    let (source, destination) = (halves(view.source_bits()), halves(view.destination_bits()));
    let (protocol, ports) = ports(view);
    let label = u64::from(view.flow_label()) << 8 | u64::from(protocol);
    let mixed = fold(source.0 ^ m0, source.1 ^ m1)
        ^ fold(destination.0 ^ m2, destination.1 ^ m3)
        ^ fold(label ^ m1, u64::from(ports) ^ m2);
    // The seed goes into a multiplication of everything. As a summand of the sum above it would
    // turn the same bits for all flows of a source, and the choices of two routers would be one
    // choice. It is spread first, because two seeds may differ in one bit; that part waits for no
    // packet.
    let hash = fold(mixed ^ fold(seed ^ m2, m0), m3);
    let (high, low) = (hash >> 32, hash & 0xffff_ffff);
    u32::try_from(high ^ low).unwrap_or(0).max(1)
}

/// The hash by which workers share the flows of one queue: the same for both directions, so that
/// they meet in one worker's caches. The flow label is not in it, as each direction has its own.
#[inline]
pub fn spread_hash(view: &Ipv6View<'_>, seed: u64) -> u32 {
    let [m0, m1, m2, m3] = MULTIPLIERS;
    let (source, destination) = (halves(view.source_bits()), halves(view.destination_bits()));
    let end = |(high, low): (u64, u64)| fold(high ^ m0, low ^ m1);
    let (protocol, ports) = ports(view);
    let (first, second) = (ports >> 16, ports & 0xffff);
    let both = u64::from(first.max(second)) << 16 | u64::from(first.min(second));
    // A sum does not ask which end is which.
    let mixed =
        end(source).wrapping_add(end(destination)) ^ fold(both ^ m2, u64::from(protocol) ^ m3);
    let hash = fold(mixed ^ fold(seed ^ m1, m2), m0);
    let (high, low) = (hash >> 32, hash & 0xffff_ffff);
    u32::try_from(high ^ low).unwrap_or(0)
}

/// The hash of the flow of an IPv4 packet, from its header on; zero where that is not whole. All
/// fragments of a packet have one hash.
#[inline]
pub fn ipv4_flow_hash(packet: &[u8], seed: u64) -> u32 {
    let Some((header, rest)) = packet.split_first_chunk::<IPV4_OCTETS>() else { return 0 };
    let [first, _, _, _, _, _, high, low, _, protocol, _, _, addresses @ ..] = *header;
    let options = usize::from(first & 0x0f) * 4;
    let is_fragment = u16::from_be_bytes([high, low]) & IPV4_FRAGMENT_MASK != 0;
    let ports = match options.checked_sub(IPV4_OCTETS) {
        Some(options) if !is_fragment && protocol != NEXT_ICMPV6 => {
            read_ports(protocol, rest.get(options..).unwrap_or(&[]))
        }
        _ => 0,
    };
    let rest = u64::from(ports) << 8 | u64::from(protocol);
    few_hash(u64::from_be_bytes(addresses), rest, seed)
}

/// Octets of an IPv4 header without options (RFC 791 §3.1).
const IPV4_OCTETS: usize = 20;
/// "More fragments" and the offset of a fragment.
const IPV4_FRAGMENT_MASK: u16 = 0x3fff;

/// The hash of what two words say; for frames that hold no IP.
#[inline]
pub fn few_hash(one: u64, two: u64, seed: u64) -> u32 {
    let [m0, m1, m2, m3] = MULTIPLIERS;
    let hash = fold(fold(one ^ m0, two ^ m1) ^ fold(seed ^ m2, m0), m3);
    let (high, low) = (hash >> 32, hash & 0xffff_ffff);
    u32::try_from(high ^ low).unwrap_or(0).max(1)
}

#[inline]
fn halves(bits: u128) -> (u64, u64) {
    let [high, low] = [bits >> 64, bits & u128::from(u64::MAX)];
    (u64::try_from(high).unwrap_or(0), u64::try_from(low).unwrap_or(0))
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let (high, low) = halves(u128::from(a) * u128::from(b));
    high ^ low
}

/// The protocol and its two ports as one number; zero where there are none to be read.
#[inline]
fn ports(view: &Ipv6View<'_>) -> (u8, u32) {
    let direct = view.next_header();
    if !is_extension(direct) {
        return (direct, read_ports(direct, view.rest()));
    }
    match view.upper_layer() {
        // What follows differs between the first fragment and the others.
        Ok(UpperLayer { fragment: Some(_), .. }) => (NEXT_FRAGMENT, 0),
        Ok(found) => {
            let rest = view.rest().get(found.offset..).unwrap_or(&[]);
            (found.protocol, read_ports(found.protocol, rest))
        }
        Err(_) => (0, 0),
    }
}

#[inline]
fn read_ports(protocol: u8, rest: &[u8]) -> u32 {
    let words = match protocol {
        NEXT_TCP | NEXT_UDP | NEXT_SCTP => rest.first_chunk(),
        // The identifier of an echo stands where it keeps one ping on one path.
        NEXT_ICMPV6 => rest.get(4..).and_then(<[u8]>::first_chunk),
        _ => None,
    };
    let ports = words.map_or(0, |octets| u32::from_be_bytes(*octets));
    if protocol == NEXT_ICMPV6 { ports >> 16 } else { ports }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::NextHopId;
    use crate::fib::NextHopGroup;
    use crate::fib::next_hop::pick;
    use crate::wire::ipv6::{Ipv6Header, NEXT_DESTINATION_OPTIONS};

    fn packet(label: u32, next_header: u8, rest: &[u8]) -> Vec<u8> {
        let header = Ipv6Header {
            traffic_class: 0,
            flow_label: label,
            payload_length: 0,
            next_header,
            hop_limit: 64,
            source: "fd00::1".parse().unwrap(),
            destination: "fd00::2".parse().unwrap(),
        };
        [&header.to_octets(), rest].concat()
    }

    fn hash_at(packet: &[u8], seed: u64) -> u32 {
        flow_hash(&Ipv6View::new(packet).unwrap(), seed)
    }

    fn hash(packet: &[u8]) -> u32 {
        hash_at(packet, 1)
    }

    /// Flows between two hosts, told apart by their ports only.
    fn flows(count: u32) -> Vec<Vec<u8>> {
        (0..count).map(|number| packet(0, NEXT_UDP, &number.to_be_bytes())).collect()
    }

    #[test]
    fn ports_and_label_tell_flows_apart() {
        let base = hash(&packet(0, NEXT_UDP, &[0, 1, 0, 2]));
        assert_ne!(base, hash(&packet(0, NEXT_UDP, &[0, 1, 0, 3])));
        assert_ne!(base, hash(&packet(9, NEXT_UDP, &[0, 1, 0, 2])));
        assert_ne!(base, hash(&packet(0, NEXT_TCP, &[0, 1, 0, 2])));
    }

    #[test]
    fn both_directions_of_a_flow_spread_alike_and_flows_evenly() {
        let turned = |packet: &[u8]| {
            let mut turned = packet.to_vec();
            turned[8..24].copy_from_slice(&packet[24..40]);
            turned[24..40].copy_from_slice(&packet[8..24]);
            turned[40..42].copy_from_slice(&packet[42..44]);
            turned[42..44].copy_from_slice(&packet[40..42]);
            turned
        };
        let spread = |packet: &[u8]| spread_hash(&Ipv6View::new(packet).unwrap(), 5);
        let mut shares = [0_u32; 3];
        for flow in flows(9000) {
            let hash = spread(&flow);
            assert_eq!(hash, spread(&turned(&flow)));
            shares[usize::try_from((u64::from(hash) * 3) >> 32).unwrap()] += 1;
        }
        assert!(shares.iter().all(|count| (2750..3250).contains(count)), "{shares:?}");
    }

    #[test]
    fn flows_of_ipv4_are_told_apart_and_fragments_stay_together() {
        let packet = |first: u8, fragment: [u8; 2], rest: &[u8]| {
            let head = [first, 0, 0, 0, 0, 0, fragment[0], fragment[1], 64, 17, 0, 0];
            [&head[..], &[192, 0, 2, 1, 192, 0, 2, 2], rest].concat()
        };
        let hash = |octets: &[u8]| ipv4_flow_hash(octets, 3);
        let plain = hash(&packet(0x45, [0x40, 0], &[0, 1, 0, 2]));
        assert_ne!(plain, hash(&packet(0x45, [0x40, 0], &[0, 1, 0, 3])));
        assert_eq!(plain, hash(&packet(0x46, [0, 0], &[9, 9, 9, 9, 0, 1, 0, 2])), "options");
        let fragments = [[0x20, 0], [0, 7]].map(|at| hash(&packet(0x45, at, &[at[1], 1, 0, 2])));
        assert_eq!(fragments[0], fragments[1]);
        assert_eq!(hash(&[0x45; 19]), 0);
        assert_ne!(hash(&packet(0x40, [0, 0], &[])), 0, "a length of nothing harms nobody");
    }

    #[test]
    fn options_do_not_hide_the_ports() {
        let options = [NEXT_UDP, 0, 1, 4, 0, 0, 0, 0];
        let one = packet(0, NEXT_DESTINATION_OPTIONS, &[&options[..], &[0, 1, 0, 2]].concat());
        assert_eq!(hash(&one), hash(&packet(0, NEXT_UDP, &[0, 1, 0, 2])));
    }

    #[test]
    fn fragments_of_one_packet_stay_together() {
        let first = [NEXT_UDP, 0, 0, 1, 0, 0, 0, 7, 0, 1, 0, 2];
        let later = [NEXT_UDP, 0, 0x05, 0xa8, 0, 0, 0, 7, 9, 9, 9, 9];
        let hashes = [first, later].map(|rest| hash(&packet(0, NEXT_FRAGMENT, &rest)));
        assert_eq!(hashes[0], hashes[1]);
    }

    #[test]
    fn sequence_numbers_of_a_ping_do_not_move_it() {
        let one = packet(0, NEXT_ICMPV6, &[128, 0, 0, 0, 0, 7, 0, 1]);
        let two = packet(0, NEXT_ICMPV6, &[128, 0, 0, 0, 0, 7, 0, 2]);
        assert_eq!(hash(&one), hash(&two));
    }

    #[test]
    fn flows_spread_evenly_over_buckets() {
        let mut buckets = [0_u32; 64];
        for number in 0..64_000_u32 {
            let bytes = packet(0, NEXT_UDP, &number.to_be_bytes());
            buckets[usize::try_from(hash(&bytes) & 63).unwrap()] += 1;
        }
        assert!(buckets.iter().all(|count| (800..1200).contains(count)), "{buckets:?}");
    }

    #[test]
    fn choices_of_two_routers_have_nothing_to_do_with_each_other() {
        let flows = flows(16_000);
        // Seeds at random, and seeds that differ in one bit.
        for (near, far) in
            [(0xd1b5_4a32_d192_ed03, 0x2545_f491_4f6c_dd1d), (6, 7), (7, 7 | 1 << 63)]
        {
            let mut pairs = [0_u32; 16];
            for flow in &flows {
                let pair = hash_at(flow, near) & 3 | (hash_at(flow, far) & 3) << 2;
                pairs[usize::try_from(pair).unwrap()] += 1;
            }
            // A thousand of each on average, give or take five times its deviation.
            assert!(pairs.iter().all(|count| (845..1155).contains(count)), "{pairs:?}");
        }
    }

    #[test]
    fn every_hop_of_a_chain_halves_the_flows_that_reach_it() {
        let members = [1, 2].map(NextHopId);
        let NextHopGroup::Forward { buckets, .. } = NextHopGroup::forward(members.to_vec()) else {
            unreachable!("two members forward")
        };
        let mut flows = flows(64_000);
        for hop in 0..6 {
            let before = flows.len();
            flows.retain(|flow| pick(&buckets, hash_at(flow, hop), |_| true) == Some(members[0]));
            let share = flows.len() * 100 / before;
            assert!((40..60).contains(&share), "hop {hop}: {share} % of {before} flows");
        }
    }
}
