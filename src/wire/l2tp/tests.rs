//! Messages there and back, and everything that must be refused.

use super::avp::{AttributeType, AvpError};
use super::message::MessageType;
use super::*;
use crate::base::ids::RouterId;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use proptest::prelude::*;

const VECTOR: &[u8] = b"sixteen octets!!";

fn secret() -> SharedSecret {
    SharedSecret::derive(b"wood without nails")
}

fn session() -> impl Strategy<Value = SessionId> {
    (1_u32..).prop_map(|number| SessionId::new(number).unwrap())
}

fn connection() -> impl Strategy<Value = ConnectionId> {
    (1_u32..).prop_map(|number| ConnectionId::new(number).unwrap())
}

fn cookie() -> impl Strategy<Value = Cookie> {
    prop_oneof![Just(0_usize), Just(4), Just(8)]
        .prop_flat_map(|octets| prop::collection::vec(any::<u8>(), octets))
        .prop_map(|octets| Cookie::new(&octets).unwrap())
}

fn sublayer() -> impl Strategy<Value = Sublayer> {
    prop_oneof![Just(Sublayer::None), Just(Sublayer::Default)]
}

fn sequencing() -> impl Strategy<Value = Sequencing> {
    prop_oneof![Just(Sequencing::None), Just(Sequencing::NonIp), Just(Sequencing::All)]
}

fn circuit() -> impl Strategy<Value = CircuitStatus> {
    any::<u16>().prop_map(CircuitStatus::of)
}

fn reason<C: From<u16> + core::fmt::Debug>() -> impl Strategy<Value = Reason<C>> {
    (any::<u16>(), prop::option::of((any::<u16>(), ".{0,40}"))).prop_map(
        |(code, error)| match error {
            Some((error, text)) => Reason::with_error(C::from(code), ErrorCode(error), &text),
            None => Reason::new(C::from(code)),
        },
    )
}

fn start() -> impl Strategy<Value = Start> {
    let names = ("[a-z0-9.]{1,40}", prop::option::of("[ -~]{0,40}"));
    let types = prop::collection::vec(any::<u16>(), 0..9);
    let nonce = prop::option::of(prop::collection::vec(any::<u8>(), 0..40));
    let options = prop::option::of(any::<u64>());
    let window = prop::option::of(any::<u16>());
    (names, any::<u32>(), connection(), (types, nonce), (options, window)).prop_map(
        |(names, router_id, connection, (types, nonce), (tie_breaker, receive_window))| Start {
            host_name: names.0,
            router_id: RouterId(router_id),
            connection,
            capabilities: types.into_iter().map(PseudowireType).collect(),
            nonce,
            tie_breaker,
            vendor_name: names.1,
            receive_window,
        },
    )
}

fn request() -> impl Strategy<Value = CallRequest> {
    let end = prop::collection::vec(any::<u8>(), 0..20);
    let numbers = (any::<u32>(), any::<u16>(), prop::option::of(any::<u64>()));
    (session(), numbers, (end, circuit()), (cookie(), sublayer(), sequencing())).prop_map(
        |(local, numbers, (remote_end, circuit), (cookie, sublayer, sequencing))| CallRequest {
            local,
            serial: numbers.0,
            pseudowire: PseudowireType(numbers.1),
            remote_end,
            circuit,
            cookie,
            tie_breaker: numbers.2,
            sublayer,
            sequencing,
        },
    )
}

fn reply() -> impl Strategy<Value = CallReply> {
    let remote = prop::option::of(session());
    (session(), remote, circuit(), (cookie(), sublayer(), sequencing())).prop_map(
        |(local, remote, circuit, (cookie, sublayer, sequencing))| CallReply {
            local,
            remote,
            circuit,
            cookie,
            sublayer,
            sequencing,
        },
    )
}

fn of_sessions() -> impl Strategy<Value = Message> {
    let ids = || (prop::option::of(session()), prop::option::of(session()));
    let options =
        (prop::option::of(circuit()), prop::option::of(sublayer()), prop::option::of(sequencing()));
    let connected = (session(), prop::option::of(session()), options);
    let connected = connected.prop_map(|(local, remote, (circuit, sublayer, sequencing))| {
        CallConnected { local, remote, circuit, sublayer, sequencing }
    });
    let disconnect = (ids(), reason()).prop_map(|((local, remote), reason)| Disconnect {
        ids: CallIds { local, remote },
        reason,
    });
    let info = (session(), prop::option::of(session()), prop::option::of(circuit()));
    let foreign = [MessageType::Ocrq, MessageType::Ocrp, MessageType::Occn, MessageType::Wen];
    prop_oneof![
        request().prop_map(Message::Icrq),
        reply().prop_map(Message::Icrp),
        connected.prop_map(Message::Iccn),
        disconnect.prop_map(Message::Cdn),
        info.prop_map(|(local, remote, circuit)| {
            Message::Sli(LinkInfo { local, remote, circuit })
        }),
        (prop::sample::select(foreign.to_vec()), ids()).prop_map(|(kind, (local, remote))| {
            Message::Foreign { kind, ids: CallIds { local, remote } }
        }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        start().prop_map(Message::Sccrq),
        start().prop_map(|start| Message::Sccrp(Start { tie_breaker: None, ..start })),
        Just(Message::Scccn),
        (reason(), prop::option::of(connection()))
            .prop_map(|(reason, connection)| Message::StopCcn(Stop { reason, connection })),
        Just(Message::Hello),
        Just(Message::Ack),
        Just(Message::ZeroLengthBody),
        of_sessions(),
    ]
}

fn header() -> impl Strategy<Value = ControlHeader> {
    (prop::option::of(connection()), any::<u16>(), any::<u16>())
        .prop_map(|(connection, ns, nr)| ControlHeader { connection, ns, nr })
}

fn received(message: Message) -> Result<Received, Box<Refused>> {
    Ok(Received { message, ignored_avps: 0 })
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(message in message(), header in header()) {
        let octets = message.encode(&header, &Encoding::default());
        prop_assert!(octets.len() <= limits::MESSAGE_OCTETS_MAX);
        let frame = ControlFrame::read(&octets).unwrap();
        prop_assert_eq!(frame.header, header);
        prop_assert_eq!(decode(&frame, None), received(message));
    }

    #[test]
    fn what_is_signed_and_hidden_is_accepted_and_read(
        message in message().prop_filter("a type", |message| message.kind().is_some()),
        header in header(),
        kind in prop::sample::select(DigestKind::ALL.to_vec()),
    ) {
        let secret = secret();
        let nonces = Nonces { sender: b"mine", receiver: b"yours" };
        let signer = Some(Signer { kind, secret: &secret, nonces });
        let encoding = Encoding { signer, hiding: Some((&secret, VECTOR)) };
        let octets = message.encode(&header, &encoding);
        let frame = ControlFrame::read(&octets).unwrap();
        let others = [SharedSecret::derive(b"other"), secret];
        prop_assert_eq!(check(&frame, &others, nonces), Ok(&secret));
        prop_assert_eq!(decode(&frame, Some(&secret)), received(message));
    }

    #[test]
    fn a_message_in_which_anything_was_changed_is_not_accepted(
        message in message().prop_filter("a type", |message| message.kind().is_some()),
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let secret = [secret()];
        let nonces = Nonces { sender: b"mine", receiver: b"yours" };
        let signer = Signer { kind: DigestKind::HmacSha1, secret: &secret[0], nonces };
        let header = ControlHeader { connection: None, ns: 1, nr: 2 };
        let encoding = Encoding { signer: Some(signer), hiding: None };
        let mut octets = message.encode(&header, &encoding);
        let at = at.index(octets.len());
        octets[at] ^= 1 << bit;
        if let Ok(frame) = ControlFrame::read(&octets) {
            prop_assert!(check(&frame, &secret, nonces).is_err());
        }
    }

    #[test]
    fn any_octets_are_read_without_panic(
        body in prop::collection::vec(any::<u8>(), 0..80),
        kind in 0_u8..22,
    ) {
        let header = [0xc8, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x80, 8, 0, 0, 0, 0, 0, kind];
        let mut octets = [&header[..], &body].concat();
        octets[3] = u8::try_from(octets.len()).unwrap();
        let frame = ControlFrame::read(&octets).unwrap();
        let _ = check(&frame, &[secret()], Nonces::default());
        let _ = digest::nonce(&frame);
        let _ = decode(&frame, Some(&secret()));
    }
}

/// A message with these AVPs: flags, vendor, type, value.
fn with(avps: &[(u16, u16, u16, &[u8])]) -> Vec<u8> {
    let mut octets = vec![0xc8, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    for (flags, vendor, kind, value) in avps {
        let length = u16::try_from(6 + value.len()).unwrap();
        for field in [flags | length, *vendor, *kind] {
            octets.extend(field.to_be_bytes());
        }
        octets.extend(*value);
    }
    let length = u16::try_from(octets.len()).unwrap();
    octets[2..4].copy_from_slice(&length.to_be_bytes());
    octets
}

const M: u16 = 0x8000;
const H: u16 = 0x4000;
const HELLO: (u16, u16, u16, &[u8]) = (M, 0, 0, &[0, 6]);

fn fault(avps: &[(u16, u16, u16, &[u8])]) -> Fault {
    let octets = with(avps);
    decode(&ControlFrame::read(&octets).unwrap(), None).unwrap_err().fault
}

/// AVPs, each with its flags and length, vendor, type and value.
type Avps = Vec<(u16, u16, u16, &'static [u8])>;

#[test]
fn every_fault_is_named() {
    let unknown = |vendor, kind| Fault::UnknownAvp { vendor, kind: AttributeType(kind) };
    let stop = (M, 0, 0, &[0, 4][..]);
    let table: [(&str, Fault, Avps); 17] = [
        ("no type", Fault::NoMessageType, vec![(M, 0, 7, b"s01")]),
        ("hidden type", Fault::NoMessageType, vec![(M | H, 0, 0, &[0, 6])]),
        ("long type", Fault::AvpLength(AttributeType(0)), vec![(M, 0, 0, &[0, 0, 6])]),
        ("type 99", Fault::UnknownType { vendor: 0, number: 99 }, vec![(M, 0, 0, &[0, 99])]),
        ("of a vendor", Fault::UnknownType { vendor: 9, number: 6 }, vec![(M, 9, 0, &[0, 6])]),
        ("type 99 without M", Fault::UnknownOptionalType, vec![(0, 0, 0, &[0, 99])]),
        ("AVP 999", unknown(0, 999), vec![HELLO, (M, 0, 999, &[])]),
        ("AVP of a vendor", unknown(9, 7), vec![HELLO, (M, 9, 7, &[1])]),
        ("of a long vendor", unknown(0, 58), vec![HELLO, (M, 0, 58, &[0; 6])]),
        ("hidden", Fault::Hidden(AttributeType::ASSIGNED_COOKIE), vec![HELLO, (M | H, 0, 65, &[])]),
        ("hidden name", Fault::AvpRange(AttributeType(7)), vec![HELLO, (M | H, 0, 7, &[1])]),
        ("no name", Fault::AvpLength(AttributeType(7)), vec![HELLO, (M, 0, 7, &[])]),
        ("connection zero", Fault::AvpRange(AttributeType(61)), vec![HELLO, (M, 0, 61, &[0; 4])]),
        ("odd list", Fault::AvpLength(AttributeType(62)), vec![HELLO, (M, 0, 62, &[0, 5, 0])]),
        ("sublayer 2", Fault::AvpRange(AttributeType(69)), vec![HELLO, (M, 0, 69, &[0, 2])]),
        ("no result", Fault::Missing(AttributeType(1)), vec![stop]),
        ("short result", Fault::AvpLength(AttributeType(1)), vec![stop, (M, 0, 1, &[1])]),
    ];
    for (name, expected, avps) in table {
        assert_eq!(fault(&avps), expected, "{name}");
        assert!(!expected.to_string().is_empty());
    }
    let mut broken = with(&[HELLO, (M, 0, 7, b"s01")]);
    broken[21] = 99;
    let refused = decode(&ControlFrame::read(&broken).unwrap(), None).unwrap_err();
    assert_eq!(refused.fault, Fault::Avp(AvpError::Length { length: 99, offset: 8 }));
    assert_eq!(refused.kind, Some(MessageType::Hello));
    let many = vec![HELLO; limits::AVPS_MAX + 2];
    assert_eq!(fault(&many), Fault::TooManyAvps);
}

#[test]
fn every_avp_of_a_request_that_must_be_there_is_missed() {
    let all: [(u16, u16, u16, &[u8]); 7] = [
        (M, 0, 0, &[0, 10]),
        (M, 0, 63, &[0, 0, 0, 1]),
        (M, 0, 64, &[0; 4]),
        (0, 0, 15, &[0, 0, 0, 1]),
        (M, 0, 68, &[0, 5]),
        (M, 0, 66, b"blue"),
        (M, 0, 71, &[0, 3]),
    ];
    let octets = with(&all);
    assert!(decode(&ControlFrame::read(&octets).unwrap(), None).is_ok());
    for left_out in 1..all.len() {
        let mut avps = all.to_vec();
        let (.., kind, _) = avps.remove(left_out);
        assert_eq!(fault(&avps), Fault::Missing(AttributeType(kind)));
    }
    // §5.4.4: "The Local Session ID is a 4-octet non-zero unsigned integer."
    let mut zero = all;
    zero[1].3 = &[0; 4];
    assert_eq!(fault(&zero), Fault::AvpRange(AttributeType::LOCAL_SESSION_ID));
}

#[test]
fn what_has_no_m_bit_is_passed_over_and_counted() {
    // §5.2: "the AVP MUST be ignored when received, processing the control message as if the AVP
    // were not present"; §7.1 for malformed ones.
    let octets = with(&[
        HELLO,
        (0, 0, 999, &[1]),
        (0, 9, 1, &[]),
        (H, 0, 65, &[1, 2]),
        (0, 0, 75, &[0; 4]),
        (0, 0, 74, &[0; 8]),
    ]);
    let read = decode(&ControlFrame::read(&octets).unwrap(), None);
    assert_eq!(read, Ok(Received { message: Message::Hello, ignored_avps: 4 }));
}

#[test]
fn whom_to_tell_is_found_behind_the_fault() {
    let octets = with(&[
        (M, 0, 0, &[0, 11]),
        (M, 0, 999, &[]),
        (M, 0, 63, &[0, 0, 0, 5]),
        (M, 0, 64, &[0, 0, 0, 6]),
    ]);
    let refused = decode(&ControlFrame::read(&octets).unwrap(), None).unwrap_err();
    assert_eq!(refused.fault.error_code(), ErrorCode::UNKNOWN_MANDATORY_AVP);
    assert_eq!(refused.kind, Some(MessageType::Icrp));
    let ids = CallIds { local: SessionId::new(5), remote: SessionId::new(6) };
    assert_eq!(refused.ids, ids);
}

#[test]
fn an_sccrq_for_both_versions_is_read() {
    // §4.7.3; the AVPs 2 to 4 and 9 are of RFC 2661 only.
    let mut octets = with(&[
        (M, 0, 0, &[0, 1]),
        (M, 0, 2, &[1, 0]),
        (M, 0, 3, &[0, 0, 0, 3]),
        (M, 0, 9, &[0, 1]),
        (M, 0, 7, b"old"),
        (0, 0, 60, &[1, 2, 3, 4]),
        (0, 0, 61, &[0, 0, 0, 9]),
        (0, 0, 62, &[0, 5]),
    ]);
    let unknown = Fault::UnknownAvp { vendor: 0, kind: AttributeType(2) };
    let strict = decode(&ControlFrame::read(&octets).unwrap(), None);
    assert_eq!(strict.unwrap_err().fault, unknown);
    octets[1] = 2;
    let read = decode(&ControlFrame::read(&octets).unwrap(), None).unwrap();
    let Message::Sccrq(start) = read.message else { panic!("an SCCRQ") };
    assert_eq!((start.host_name.as_str(), read.ignored_avps), ("old", 3));
    assert_eq!(start.capabilities, [PseudowireType::ETHERNET]);
}

#[test]
fn digests_are_those_of_an_independent_calculation() {
    // Calculated with the hmac module of Python: the key from the password, then the digest over
    // nonces and message, its digest zero.
    let secret = SharedSecret::derive(b"secret");
    let nonces = Nonces { sender: b"AAAA", receiver: b"BBBB" };
    let header = ControlHeader { connection: ConnectionId::new(0x0102_0304), ns: 1, nr: 1 };
    let made = |kind| {
        let signer = Some(Signer { kind, secret: &secret, nonces });
        let octets = Message::Hello.encode(&header, &Encoding { signer, hiding: None });
        octets[27..].iter().map(|octet| format!("{octet:02x}")).collect::<String>()
    };
    assert_eq!(made(DigestKind::HmacMd5), "e76ab1e48833125b53203454c7a479dc");
    assert_eq!(made(DigestKind::HmacSha1), "feacaa5224c08ec4285b3f4944e58422648012d7");
}

#[test]
fn who_lacks_a_digest_or_has_it_elsewhere_is_not_accepted() {
    let secrets = [secret()];
    let judge = |octets: &[u8]| {
        check(&ControlFrame::read(octets).unwrap(), &secrets, Nonces::default()).map(|_| ())
    };
    assert_eq!(judge(&with(&[HELLO])), Err(DigestError::Missing));
    assert_eq!(judge(&with(&[])), Err(DigestError::Missing));
    let digest = (M, 0, 59, &[0; 17][..]);
    assert_eq!(judge(&with(&[HELLO, (0, 0, 36, &[1]), digest])), Err(DigestError::Missing));
    assert_eq!(judge(&with(&[digest, HELLO])), Err(DigestError::Missing));
    assert_eq!(judge(&with(&[HELLO, digest])), Err(DigestError::Wrong));
    // A kind that is not known, or is not as long as its kind.
    assert_eq!(judge(&with(&[HELLO, (M, 0, 59, &[7; 17])])), Err(DigestError::Wrong));
    assert_eq!(judge(&with(&[HELLO, (M, 0, 59, &[0; 16])])), Err(DigestError::Wrong));
}

#[test]
fn one_right_digest_of_two_is_enough() {
    // §5.4.1: "the message MUST be accepted if either Message Digest is valid".
    let secrets = [secret()];
    let zeros = [0; 17];
    let two = |value: &[u8]| with(&[HELLO, (M, 0, 59, &[1; 21]), (M, 0, 59, value)]);
    let mut cleared = two(&zeros);
    cleared[27..47].fill(0);
    let mut key = Hmac::<Md5>::new_from_slice(b"wood without nails").unwrap();
    key.update(&[2]);
    let mut digest = Hmac::<Md5>::new_from_slice(&key.finalize().into_bytes()).unwrap();
    digest.update(&cleared);
    let sum = digest.finalize().into_bytes();
    let signed = [&[0][..], &sum].concat();
    let octets = two(&signed);
    let frame = ControlFrame::read(&octets).unwrap();
    assert_eq!(check(&frame, &secrets, Nonces::default()), Ok(&secrets[0]));
    let octets = two(&zeros);
    let frame = ControlFrame::read(&octets).unwrap();
    assert_eq!(check(&frame, &secrets, Nonces::default()), Err(DigestError::Wrong));
}
