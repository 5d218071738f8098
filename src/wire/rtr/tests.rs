//! Every PDU is what it was written from, and what an implementation that is not ours makes of it.

use super::*;
use proptest::prelude::*;

fn octets(pdu: &Pdu, version: Version) -> Vec<u8> {
    let mut writer = Writer::default();
    pdu.encode(version, &mut writer);
    writer.into_vec()
}

fn payload(text: &str, length_max: u8, asn: u32) -> Payload {
    Payload { prefix: text.parse().unwrap(), length_max, asn }
}

fn pdus(version: Version) -> Vec<Pdu> {
    let intervals = Intervals { refresh_s: 3600, retry_s: 600, expire_s: 7200 };
    let one = payload("2001:db8::/32", 48, 64500);
    vec![
        Pdu::SerialNotify { session: 7, serial: 9 },
        Pdu::SerialQuery { session: 7, serial: u32::MAX },
        Pdu::ResetQuery,
        Pdu::CacheResponse { session: 7 },
        Pdu::Prefix { change: Change::Announce, payload: one },
        Pdu::Prefix { change: Change::Withdraw, payload: payload("::/0", 0, 0) },
        Pdu::Foreign,
        Pdu::EndOfData {
            session: 7,
            serial: 9,
            intervals: (version == Version::One).then_some(intervals),
        },
        Pdu::CacheReset,
        Pdu::ErrorReport { code: ErrorCode::NO_DATA, text: "not yet".to_owned() },
    ]
}

#[test]
fn every_pdu_is_read_as_it_was_written() {
    for version in [Version::Zero, Version::One] {
        for pdu in pdus(version) {
            let octets = octets(&pdu, version);
            assert_eq!(frame(&octets), Ok(Some(octets.as_slice())));
            assert_eq!(Pdu::decode(&octets), Ok((version, pdu)));
        }
    }
}

#[test]
fn a_prefix_looks_as_in_the_rfc() {
    let pdu = Pdu::Prefix {
        change: Change::Announce,
        payload: payload("2001:db8::/32", 48, 0x0001_0203),
    };
    let expected = [
        1, 6, 0, 0, 0, 0, 0, 32, 1, 32, 48, 0, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 1, 2, 3,
    ];
    assert_eq!(octets(&pdu, Version::One), expected);
}

#[test]
fn what_is_not_whole_waits_and_what_is_too_long_ends() {
    let octets = octets(&Pdu::ResetQuery, Version::One);
    for end in 0..octets.len() {
        assert_eq!(frame(&octets[..end]), Ok(None));
    }
    assert_eq!(frame(&[1, 3, 0, 0, 0, 0, 0, 7]), Err(ErrorCode::CORRUPT_DATA));
    assert_eq!(frame(&[1, 3, 0, 0, 1, 0, 0, 0]), Err(ErrorCode::CORRUPT_DATA));
}

#[test]
fn wrong_versions_types_lengths_and_prefixes_have_their_error() {
    let read = |octets: &[u8]| Pdu::decode(octets).map(|(_, pdu)| pdu);
    assert_eq!(read(&[2, 8, 0, 0, 0, 0, 0, 8]), Err(ErrorCode::UNSUPPORTED_VERSION));
    assert_eq!(read(&[1, 5, 0, 0, 0, 0, 0, 8]), Err(ErrorCode::UNSUPPORTED_TYPE));
    assert_eq!(read(&[0, 9, 0, 0, 0, 0, 0, 8]), Err(ErrorCode::UNSUPPORTED_TYPE));
    assert_eq!(read(&[1, 8, 0, 0, 0, 0, 0, 9, 0]), Err(ErrorCode::CORRUPT_DATA));
    assert_eq!(read(&[1, 7, 0, 0, 0, 0, 0, 12, 0, 0, 0, 1]), Err(ErrorCode::CORRUPT_DATA));
    let pdu = Pdu::Prefix { change: Change::Announce, payload: payload("2001:db8::/32", 31, 1) };
    assert_eq!(read(&octets(&pdu, Version::One)), Err(ErrorCode::CORRUPT_DATA));
    let pdu = Pdu::Prefix { change: Change::Announce, payload: payload("2001:db8::/32", 129, 1) };
    assert_eq!(read(&octets(&pdu, Version::One)), Err(ErrorCode::CORRUPT_DATA));
}

#[test]
fn an_error_report_names_the_pdu_that_it_is_about() {
    let mut writer = Writer::default();
    let pdu = octets(&Pdu::CacheReset, Version::One);
    put_error_report(&mut writer, Version::One, ErrorCode::INVALID_REQUEST, &pdu);
    let report = writer.into_vec();
    assert!(is_error_report(&report) && !is_error_report(&pdu));
    assert_eq!(&report[12..20], pdu);
    let read =
        Pdu::ErrorReport { code: ErrorCode::INVALID_REQUEST, text: "invalid request".to_owned() };
    assert_eq!(Pdu::decode(&report), Ok((Version::One, read)));
}

proptest! {
    #[test]
    fn no_octets_end_in_more_than_an_error(
        octets in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        if let Ok(Some(pdu)) = frame(&octets) {
            let _ = Pdu::decode(pdu);
        }
        let _ = Pdu::decode(&octets);
    }

    #[test]
    fn payloads_of_all_kinds_survive(
        bits: u128,
        length in 0_u8..=128,
        more in 0_u8..=128,
        asn: u32,
    ) {
        let prefix = Ipv6Prefix::containing(core::net::Ipv6Addr::from_bits(bits), length);
        let length_max = length.saturating_add(more).min(128);
        let payload = Payload { prefix, length_max, asn };
        let pdu = Pdu::Prefix { change: Change::Withdraw, payload };
        let octets = octets(&pdu, Version::Zero);
        prop_assert_eq!(Pdu::decode(&octets), Ok((Version::Zero, pdu)));
    }
}
