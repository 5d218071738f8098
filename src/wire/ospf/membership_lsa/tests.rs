//! What is written is read, and what is wrong is told.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn entry() -> impl Strategy<Value = TenantEntry> {
    (any::<u32>(), any::<u32>(), any::<u16>(), any::<[u8; 4]>(), 0..36_usize).prop_map(
        |(id, epoch, mtu, octets, known)| {
            // Every format that can be said, and what other octets come to.
            let carrier = u8::try_from(known % 3).unwrap();
            let cookie = [0, 4, 8][known / 3 % 3];
            let (sublayer, sequencing) = [(0, 0), (1, 0), (1, 1), (1, 2)][known / 9];
            let said = format_of([carrier, cookie, sublayer, sequencing]);
            let format = if octets[0] < 128 { said } else { format_of(octets) };
            TenantEntry { id: TenantId(id), epoch, mtu, format }
        },
    )
}

fn renumbering() -> impl Strategy<Value = Renumbering> {
    any::<[u32; 3]>().prop_map(|[id, sender, salt]| Renumbering {
        id: TenantId(id),
        sender: RouterId(sender),
        salt,
    })
}

fn lsa() -> impl Strategy<Value = MembershipLsa> {
    (any::<u128>(), vec(entry(), 0..60), vec(renumbering(), 0..9)).prop_map(
        |(endpoint, tenants, renumberings)| MembershipLsa {
            endpoint: Ipv6Addr::from_bits(endpoint),
            tenants,
            renumberings,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(lsa in lsa()) {
        let octets = lsa.encode();
        let count = (lsa.tenants.len(), lsa.renumberings.len());
        prop_assert_eq!(
            octets.len(),
            FIXED_OCTETS + count.0 * TENANT_OCTETS + count.1 * RENUMBERING_OCTETS
        );
        prop_assert_eq!(MembershipLsa::decode(&octets), Ok(Some(lsa)));
    }

    #[test]
    fn a_cut_or_changed_body_is_read_or_refused(
        lsa in lsa(),
        cut in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
        bits in 1..=255_u8,
    ) {
        let mut octets = lsa.encode();
        let at = flip.index(octets.len());
        octets[at] ^= bits;
        if let Ok(Some(read)) = MembershipLsa::decode(&octets) {
            // TLVs of other types are not there any more.
            prop_assert!(read.encode().len() <= octets.len());
        }
        octets[at] ^= bits;
        octets.truncate(cut.index(octets.len()));
        match MembershipLsa::decode(&octets) {
            Ok(None) => prop_assert!(false, "it begins as it did"),
            Ok(Some(read)) => prop_assert_eq!(read.encode(), octets, "cut between two TLVs"),
            Err(error) => prop_assert_eq!(error.fault, Fault::Truncated),
        }
    }
}

const BODY: [u8; 60] = [
    0, 0, 0x7e, 0xd9, 1, 0, 0, 0, // enterprise, version
    0xfd, 0x4b, 0x75, 0x6d, 0x69, 0x6b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, // endpoint
    0, 1, 0, 16, 0, 0, 0, 10, 0, 0, 1, 2, 0x22, 0xf2, 1, 8, 1, 2, 0, 0, // tenant 10
    0, 2, 0, 12, 0, 0, 0, 10, 10, 0, 0, 3, 0, 0, 0, 1, // from router 10.0.0.3
];

fn known() -> MembershipLsa {
    let format = TenantFormat {
        carrier: TenantCarrier::Udp,
        cookie: CookieLength::Eight,
        sublayer: Sublayer::Default,
        sequencing: Sequencing::All,
    };
    MembershipLsa {
        endpoint: "fd4b:756d:696b::7".parse().unwrap(),
        tenants: vec![TenantEntry {
            id: TenantId(10),
            epoch: 258,
            mtu: 8946,
            format: Some(format),
        }],
        renumberings: vec![Renumbering {
            id: TenantId(10),
            sender: RouterId(0x0a00_0003),
            salt: 1,
        }],
    }
}

#[test]
fn a_membership_lsa_has_the_octets_of_the_drawing() {
    assert_eq!(known().encode(), BODY);
    assert_eq!(MembershipLsa::decode(&BODY), Ok(Some(known())));
}

#[test]
fn that_of_others_and_of_later_versions_is_none_of_ours() {
    for at in [0, 3, 4] {
        let mut others = BODY;
        others[at] ^= 2;
        assert_eq!(MembershipLsa::decode(&others), Ok(None), "octet {at} differs");
    }
}

#[test]
fn tlvs_that_nobody_knows_are_passed_over() {
    let mut octets = BODY[..FIXED_OCTETS].to_vec();
    octets.extend([0, 99, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0]);
    octets.extend(&BODY[FIXED_OCTETS..]);
    octets.extend([0x80, 1, 0, 0]);
    assert_eq!(MembershipLsa::decode(&octets), Ok(Some(known())));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let error = |octets: &[u8]| MembershipLsa::decode(octets).unwrap_err();
    assert_eq!(error(&BODY[..3]), DecodeError::new(Fault::Truncated, 0));
    assert_eq!(error(&BODY[..23]), DecodeError::new(Fault::Truncated, 8));
    assert_eq!(error(&BODY[..43]), DecodeError::new(Fault::Truncated, 28));
    for (at, length, place) in [(27, 12, 24), (47, 8, 44)] {
        let mut wrong = BODY;
        wrong[at] = length;
        assert_eq!(error(&wrong), DecodeError::new(Fault::Length, place));
    }
}

#[test]
fn a_format_of_a_later_version_leaves_the_rest_of_the_lsa_as_it_is() {
    for (at, value) in [(38, 3), (39, 5), (40, 2), (41, 3)] {
        let mut later = BODY;
        later[at] = value;
        let read = MembershipLsa::decode(&later).unwrap().unwrap();
        assert_eq!(read.tenants[0].format, None, "octet {at} is {value}");
        assert_eq!(read.renumberings, known().renumberings);
    }
    let mut unnumbered = BODY;
    unnumbered[40] = 0;
    let read = MembershipLsa::decode(&unnumbered).unwrap().unwrap();
    assert_eq!(read.tenants[0].format, None, "numbers without a sublayer");
}
