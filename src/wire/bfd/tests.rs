//! Packets there and back, and everything that must be refused.

use super::*;
use proptest::prelude::*;

fn authentication() -> impl Strategy<Value = Option<Authentication>> {
    let password = prop::collection::vec(any::<u8>(), 1..=16);
    let simple = (any::<u8>(), password).prop_map(|(key_id, password)| {
        let password = Password::new(&password).unwrap();
        Authentication::SimplePassword { key_id, password }
    });
    let digest = (0_usize..4, any::<u8>(), any::<u32>(), any::<[u8; 20]>()).prop_map(
        |(kind, key_id, sequence, mut digest)| {
            let kind = DigestKind::ALL[kind];
            digest[kind.octets()..].fill(0);
            Authentication::Digest { kind, key_id, sequence, digest }
        },
    );
    prop::option::of(prop_oneof![simple, digest])
}

fn packet() -> impl Strategy<Value = ControlPacket> {
    let flags = any::<[bool; 4]>();
    let numbers = (1_u32.., 1_u32.., any::<[u32; 3]>());
    (0_u8..32, 0_usize..4, flags, 1_u8.., numbers, authentication()).prop_map(
        |(diagnostic, state, flags, multiplier, (my, your, intervals), authentication)| {
            ControlPacket {
                diagnostic: Diagnostic(diagnostic),
                state: State::ALL[state],
                is_poll: flags[0],
                is_final: flags[1],
                is_control_plane_independent: flags[2],
                is_demand: flags[3],
                multiplier,
                my_discriminator: my,
                your_discriminator: your,
                desired_min_tx_us: intervals[0],
                required_min_rx_us: intervals[1],
                required_min_echo_rx_us: intervals[2],
                authentication,
            }
        },
    )
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(
        packet in packet(),
        padding in 0_usize..8,
    ) {
        let octets = packet.encode();
        let mut bytes = octets.as_slice().to_vec();
        bytes.extend(std::iter::repeat_n(0, padding));
        let (decoded, kept) = ControlPacket::decode(&bytes).unwrap();
        prop_assert_eq!(decoded, packet);
        if packet.authentication.is_some() {
            prop_assert_eq!(kept, octets);
        }
    }

    #[test]
    fn any_octets_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok((packet, _)) = ControlPacket::decode(&bytes) {
            prop_assert!(packet.multiplier > 0 && packet.my_discriminator > 0);
        }
    }

    #[test]
    fn a_changed_octet_is_refused_or_read(
        packet in packet(),
        at in 0_usize..OCTETS_MAX,
        octet in any::<u8>(),
    ) {
        let mut bytes = packet.encode().as_slice().to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = octet;
        }
        let _ = ControlPacket::decode(&bytes);
    }
}

/// RFC 5880 §4.1, field by field.
const GOOD: [u8; 24] =
    [0x20, 0x48, 3, 24, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0x0f, 0x42, 0x40, 0, 0, 0xc3, 0x50, 0, 0, 0, 0];

#[test]
fn the_fields_stand_where_the_rfc_has_them() {
    let (packet, octets) = ControlPacket::decode(&GOOD).unwrap();
    let expected = ControlPacket {
        diagnostic: Diagnostic::NONE,
        state: State::Down,
        is_poll: false,
        is_final: false,
        is_control_plane_independent: true,
        is_demand: false,
        multiplier: 3,
        my_discriminator: 1,
        your_discriminator: 2,
        desired_min_tx_us: 1_000_000,
        required_min_rx_us: 50_000,
        required_min_echo_rx_us: 0,
        authentication: None,
    };
    assert_eq!((packet, octets), (expected, Octets::EMPTY));
    assert_eq!(packet.encode().as_slice(), GOOD);
}

fn refused(change: impl FnOnce(&mut Vec<u8>)) -> DecodeError {
    let mut bytes = GOOD.to_vec();
    change(&mut bytes);
    ControlPacket::decode(&bytes).unwrap_err()
}

#[test]
fn what_must_be_discarded_is_named() {
    assert_eq!(refused(|bytes| bytes[0] = 0), DecodeError::Version(0));
    assert_eq!(refused(|bytes| bytes[3] = 23), DecodeError::Length(23));
    assert_eq!(refused(|bytes| bytes[3] = 25), DecodeError::Length(25));
    assert_eq!(refused(|bytes| bytes[2] = 0), DecodeError::Multiplier);
    assert_eq!(refused(|bytes| bytes[1] |= 1), DecodeError::Multipoint);
    assert_eq!(refused(|bytes| bytes[7] = 0), DecodeError::MyDiscriminator);
    let without = |bytes: &mut Vec<u8>| (bytes[1], bytes[11]) = (0xc0, 0);
    assert_eq!(refused(without), DecodeError::YourDiscriminator(State::Up));
    assert!(matches!(refused(|bytes| bytes.truncate(3)), DecodeError::Truncated(_)));
    assert_eq!(refused(|bytes| bytes[1] |= 4), DecodeError::Length(24));
}

#[test]
fn authentication_sections_of_a_wrong_length_or_kind_are_named() {
    let with = |section: &[u8]| {
        refused(|bytes| {
            bytes[1] |= 4;
            bytes.extend_from_slice(section);
            bytes[3] = u8::try_from(bytes.len()).unwrap();
        })
    };
    assert_eq!(with(&[9, 4, 1, 1]), DecodeError::AuthenticationType(9));
    assert_eq!(with(&[1, 3, 1]), DecodeError::AuthenticationLength(3));
    assert_eq!(with(&[1, 5, 1, 1]), DecodeError::AuthenticationLength(5));
    assert_eq!(with(&[2, 23, 1, 0].map(|o| o)), DecodeError::AuthenticationLength(23));
    let mut sha1 = vec![4, 24, 1, 0];
    sha1.resize(24, 0);
    assert_eq!(with(&sha1), DecodeError::AuthenticationLength(24));
    assert!(with(&sha1).is_about_authentication());
    let mut password = vec![1, 20, 1];
    password.resize(20, 7);
    assert_eq!(with(&password), DecodeError::AuthenticationLength(20));
}
