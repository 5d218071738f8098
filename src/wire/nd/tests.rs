//! Every message there and back, every check of RFC 4861 with one packet that fails it.

use super::option::NONCE_OCTETS;
use super::*;
use crate::base::checksum::ipv6_upper_layer;
use crate::base::ids::MacAddress;
use crate::base::prefix::Ipv6Prefix;
use crate::wire::ipv6::{ALL_NODES, HEADER_OCTETS, NEXT_ICMPV6, solicited_node};
use core::net::Ipv6Addr;
use proptest::prelude::*;

const HERE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const THERE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

fn prefix() -> impl Strategy<Value = Ipv6Prefix> {
    (any::<u128>(), 0..=128_u8)
        .prop_map(|(bits, length)| Ipv6Prefix::containing(Ipv6Addr::from_bits(bits), length))
}

fn preference() -> impl Strategy<Value = RouterPreference> {
    use RouterPreference::{High, Low, Medium};
    prop::sample::select(vec![Low, Medium, High])
}

fn option() -> impl Strategy<Value = NdOption> {
    let mac = || any::<[u8; 5]>().prop_map(|[a, b, c, d, e]| MacAddress([2, a, b, c, d, e]));
    let information = (prefix(), any::<(bool, bool, u32, u32)>()).prop_map(|(prefix, rest)| {
        let (is_on_link, is_autonomous, valid_lifetime_s, preferred_lifetime_s) = rest;
        NdOption::Prefix(PrefixInformation {
            prefix,
            is_on_link,
            is_autonomous,
            valid_lifetime_s,
            preferred_lifetime_s,
        })
    });
    let route =
        (prefix(), preference(), any::<u32>()).prop_map(|(prefix, preference, lifetime_s)| {
            NdOption::Route(RouteInformation { prefix, preference, lifetime_s })
        });
    let unknown = (25_u8.., 0_usize..40, any::<u8>()).prop_map(|(kind, units, octet)| {
        NdOption::Unknown { kind, body: vec![octet; units * 8 + 6] }
    });
    prop_oneof![
        mac().prop_map(NdOption::SourceLinkLayer),
        mac().prop_map(NdOption::TargetLinkLayer),
        information,
        (0_usize..20).prop_map(|units| NdOption::RedirectedHeader(vec![0x60; units * 8])),
        any::<u32>().prop_map(NdOption::Mtu),
        any::<[u8; NONCE_OCTETS]>().prop_map(NdOption::Nonce),
        route,
        unknown,
    ]
}

fn message() -> impl Strategy<Value = NdMessage> {
    let options = || prop::collection::vec(option(), 0..8);
    let unicast = || any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits & !(1 << 127)));
    let advertisement = (any::<(u8, bool, bool, u16, u32, u32)>(), preference(), options());
    prop_oneof![
        options()
            .prop_map(|options| { NdMessage::RouterSolicitation(RouterSolicitation { options }) }),
        advertisement.prop_map(|(fields, preference, options)| {
            NdMessage::RouterAdvertisement(RouterAdvertisement {
                hop_limit: fields.0,
                is_managed: fields.1,
                has_other: fields.2,
                preference,
                lifetime_s: fields.3,
                reachable_time_ms: fields.4,
                retransmit_time_ms: fields.5,
                options,
            })
        }),
        (unicast(), options()).prop_map(|(target, options)| {
            NdMessage::NeighborSolicitation(NeighborSolicitation { target, options })
        }),
        (any::<(bool, bool, bool)>(), unicast(), options()).prop_map(|(flags, target, options)| {
            NdMessage::NeighborAdvertisement(NeighborAdvertisement {
                is_router: flags.0,
                is_solicited: flags.1,
                is_override: flags.2,
                target,
                options,
            })
        }),
        (unicast(), options()).prop_map(|(target, options)| {
            NdMessage::Redirect(Redirect { target, destination: target, options })
        }),
    ]
}

/// Puts the right checksum into a packet without extension headers.
fn seal(packet: &mut [u8]) {
    let address = |from: usize| {
        let octets: [u8; 16] = packet[from..from + 16].try_into().unwrap();
        Ipv6Addr::from(octets)
    };
    let (source, destination) = (address(8), address(24));
    packet[HEADER_OCTETS + 2..HEADER_OCTETS + 4].fill(0);
    let sum = ipv6_upper_layer(source, destination, NEXT_ICMPV6, &packet[HEADER_OCTETS..]);
    packet[HEADER_OCTETS + 2..HEADER_OCTETS + 4].copy_from_slice(&sum.to_be_bytes());
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(message in message()) {
        let packet = NdPacket { source: HERE, destination: THERE, message };
        prop_assert_eq!(NdPacket::decode(&packet.encode()), Ok(packet));
    }

    #[test]
    fn any_octets_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = NdPacket::decode(&bytes);
    }

    #[test]
    fn a_damaged_message_with_a_right_checksum_is_read_without_panic(
        message in message(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = NdPacket { source: HERE, destination: THERE, message }.encode();
        let length = HEADER_OCTETS + 4 + cut.index(bytes.len() - HEADER_OCTETS - 3);
        bytes.truncate(length);
        bytes[4..6].copy_from_slice(&u16::try_from(length - HEADER_OCTETS).unwrap().to_be_bytes());
        for (place, octet) in damage {
            let place = HEADER_OCTETS + 4 + place.index((length - HEADER_OCTETS - 4).max(1));
            if let Some(field) = bytes.get_mut(place) {
                *field = octet;
            }
        }
        seal(&mut bytes);
        if let Ok(packet) = NdPacket::decode(&bytes) {
            // What was understood is said again in the same words, reserved bits aside.
            prop_assert_eq!(NdPacket::decode(&packet.encode()), Ok(packet));
        }
    }
}

fn solicitation(options: Vec<NdOption>) -> NdPacket {
    let message = NdMessage::NeighborSolicitation(NeighborSolicitation { target: THERE, options });
    NdPacket { source: HERE, destination: solicited_node(THERE), message }
}

fn refusal(packet: &NdPacket) -> NdError {
    NdPacket::decode(&packet.encode()).unwrap_err()
}

#[test]
fn a_solicitation_has_the_octets_of_the_rfc() {
    let bytes = solicitation(vec![NdOption::SourceLinkLayer(MAC)]).encode();
    let mut expected = vec![0x6c, 0, 0, 0, 0, 32, 58, 255];
    expected.extend(HERE.octets());
    expected.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 2]);
    expected.extend([135, 0]);
    expected.extend(&bytes[42..44]);
    expected.extend([0; 4]);
    expected.extend(THERE.octets());
    expected.extend([1, 1, 2, 0, 0, 0, 0, 1]);
    assert_eq!(bytes, expected);
}

#[test]
fn padding_of_the_frame_is_not_read() {
    let packet = solicitation(vec![]);
    let mut bytes = packet.encode();
    bytes.extend([0; 6]);
    assert_eq!(NdPacket::decode(&bytes), Ok(packet));
}

#[test]
fn fields_that_every_message_has_are_checked() {
    let good = solicitation(vec![NdOption::SourceLinkLayer(MAC)]).encode();
    let refused = |at: usize, octet: u8| {
        let mut bytes = good.clone();
        bytes[at] = octet;
        if at != 42 {
            seal(&mut bytes);
        }
        NdPacket::decode(&bytes).unwrap_err()
    };
    assert_eq!(refused(0, 0x40), NdError::Version(4));
    assert_eq!(refused(6, 17), NdError::Protocol(17));
    assert_eq!(refused(7, 254), NdError::HopLimit(254));
    assert_eq!(refused(40, 128), NdError::Kind(128));
    assert_eq!(refused(41, 1), NdError::Code(1));
    assert_eq!(refused(42, good[42] ^ 1), NdError::Checksum);
    assert_eq!(refused(65, 0), NdError::OptionLengthZero { kind: 1 });
    assert!(matches!(refused(65, 2), NdError::Truncated(_)));
    assert!(matches!(refused(5, 33), NdError::Truncated(_)));
    let group = MacAddress([3, 0, 0, 0, 0, 1]);
    assert_eq!(refused(66, 3), NdError::LinkLayerAddress(group));
    let mut short = good.clone();
    short.truncate(HEADER_OCTETS + 20);
    short[5] = 20;
    seal(&mut short);
    assert!(matches!(NdPacket::decode(&short), Err(NdError::Truncated(_))));
}

#[test]
fn a_message_in_a_fragment_is_refused() {
    // RFC 6980 §5: nodes MUST silently ignore ND messages with a fragment header.
    let mut bytes = solicitation(vec![]).encode();
    bytes[6] = 44;
    bytes[5] += 8;
    let fragment = [58, 0, 0, 0, 0, 0, 0, 1];
    bytes.splice(HEADER_OCTETS..HEADER_OCTETS, fragment);
    assert_eq!(NdPacket::decode(&bytes), Err(NdError::Fragment));
}

#[test]
fn options_with_a_length_of_another_type_are_refused() {
    let mut bytes = solicitation(vec![NdOption::Mtu(1500), NdOption::Mtu(1500)]).encode();
    bytes[65] = 2;
    seal(&mut bytes);
    assert_eq!(NdPacket::decode(&bytes), Err(NdError::OptionLength { kind: 5, units: 2 }));
    let wide = Ipv6Prefix::containing(GLOBAL, 96);
    let preference = RouterPreference::High;
    let route = RouteInformation { prefix: wide, preference, lifetime_s: 9 };
    let mut bytes = solicitation(vec![NdOption::Route(route)]).encode();
    bytes[66] = 129;
    seal(&mut bytes);
    assert_eq!(NdPacket::decode(&bytes), Err(NdError::PrefixLength(129)));
}

#[test]
fn a_route_with_the_reserved_preference_is_ignored() {
    // RFC 4191 §2.3: "If the Reserved (10) value is received, the Route Information Option MUST be
    // ignored."
    let preference = RouterPreference::Medium;
    let route = RouteInformation { prefix: Ipv6Prefix::DEFAULT, preference, lifetime_s: 9 };
    let mut bytes = solicitation(vec![NdOption::Route(route)]).encode();
    bytes[67] = 0x10;
    seal(&mut bytes);
    let options = NdPacket::decode(&bytes).unwrap().message.options().to_vec();
    assert_eq!(options, [NdOption::Unknown { kind: 24, body: vec![0, 0x10, 0, 0, 0, 9] }]);
}

#[test]
fn addresses_are_checked_as_the_rfc_asks() {
    let message = |source, destination, message| NdPacket { source, destination, message };
    let options = vec![NdOption::SourceLinkLayer(MAC)];
    let nobody = Ipv6Addr::UNSPECIFIED;

    let ask = NdMessage::RouterSolicitation(RouterSolicitation { options: options.clone() });
    assert_eq!(refusal(&message(nobody, ALL_NODES, ask)), NdError::LinkLayerWithoutSource);

    let advertisement = NdMessage::RouterAdvertisement(RouterAdvertisement::default());
    assert_eq!(refusal(&message(GLOBAL, ALL_NODES, advertisement)), NdError::SourceNotLinkLocal);

    let mut packet = solicitation(options);
    packet.source = nobody;
    assert_eq!(refusal(&packet), NdError::LinkLayerWithoutSource);
    packet.destination = THERE;
    assert_eq!(refusal(&packet), NdError::ProbeDestination);
    packet.source = ALL_NODES;
    assert_eq!(refusal(&packet), NdError::SourceMulticast);
    let group = NeighborSolicitation { target: ALL_NODES, options: vec![] };
    let group = NdMessage::NeighborSolicitation(group);
    assert_eq!(refusal(&message(HERE, THERE, group)), NdError::TargetMulticast);

    let mut answer = NeighborAdvertisement {
        is_router: true,
        is_solicited: true,
        is_override: true,
        target: HERE,
        options: vec![],
    };
    let packet = message(HERE, ALL_NODES, NdMessage::NeighborAdvertisement(answer.clone()));
    assert_eq!(refusal(&packet), NdError::SolicitedToMulticast);
    answer.target = ALL_NODES;
    let packet = message(HERE, THERE, NdMessage::NeighborAdvertisement(answer));
    assert_eq!(refusal(&packet), NdError::TargetMulticast);

    let redirect = |target, destination| {
        NdMessage::Redirect(Redirect { target, destination, options: vec![] })
    };
    let other: Ipv6Addr = "2001:db8::2".parse().unwrap();
    let packet = message(GLOBAL, THERE, redirect(HERE, GLOBAL));
    assert_eq!(refusal(&packet), NdError::SourceNotLinkLocal);
    let packet = message(HERE, THERE, redirect(HERE, ALL_NODES));
    assert_eq!(refusal(&packet), NdError::RedirectDestinationMulticast);
    let packet = message(HERE, THERE, redirect(GLOBAL, other));
    assert_eq!(refusal(&packet), NdError::RedirectTarget);
}
