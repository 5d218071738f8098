//! Every format reads back what it wrote, and no octets make a decoder panic.

use super::*;
use crate::base::cursor::{Reader, Writer};
use crate::base::ids::RouterId;
use crate::base::prefix::Ipv6Prefix;
use core::cmp::Ordering;
use core::net::Ipv6Addr;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const SOURCE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

fn router() -> impl Strategy<Value = RouterId> {
    any::<u32>().prop_map(RouterId)
}

fn options() -> impl Strategy<Value = Options> {
    any::<u32>().prop_map(Options::from_bits)
}

fn prefix_options() -> impl Strategy<Value = PrefixOptions> {
    any::<u8>().prop_map(PrefixOptions::from_bits)
}

fn prefix() -> impl Strategy<Value = Ipv6Prefix> {
    (any::<u128>(), 0..=128_u8)
        .prop_map(|(bits, length)| Ipv6Prefix::containing(Ipv6Addr::from_bits(bits), length))
}

fn address() -> impl Strategy<Value = Ipv6Addr> {
    any::<u128>().prop_map(Ipv6Addr::from_bits)
}

fn metric_24() -> impl Strategy<Value = u32> {
    0..1_u32 << 24
}

fn header() -> impl Strategy<Value = LsaHeader> {
    (key(), any::<u16>(), any::<u32>(), any::<u16>(), any::<u16>()).prop_map(
        |(key, age_s, sequence, checksum, length)| LsaHeader {
            age_s,
            ls_type: key.ls_type,
            link_state_id: key.link_state_id,
            advertising_router: key.advertising_router,
            sequence: SequenceNumber::from_bits(sequence),
            checksum,
            length,
        },
    )
}

fn key() -> impl Strategy<Value = LsaKey> {
    (any::<u16>(), router(), any::<u32>()).prop_map(|(ls_type, advertising_router, id)| LsaKey {
        ls_type: LsType(ls_type),
        advertising_router,
        link_state_id: id,
    })
}

fn router_lsa() -> impl Strategy<Value = RouterLsa> {
    let kind = prop_oneof![
        Just(RouterLinkType::PointToPoint),
        Just(RouterLinkType::Transit),
        Just(RouterLinkType::Virtual),
        (5..=255_u8).prop_map(RouterLinkType::Other),
    ];
    let link = (kind, any::<u16>(), any::<u32>(), any::<u32>(), router()).prop_map(
        |(link_type, metric, interface_id, neighbor_interface_id, neighbor_router_id)| RouterLink {
            link_type,
            metric,
            interface_id,
            neighbor_interface_id,
            neighbor_router_id,
        },
    );
    (any::<u8>(), options(), vec(link, 0..20)).prop_map(|(flags, options, links)| RouterLsa {
        flags: RouterFlags::from_bits(flags),
        options,
        links,
    })
}

fn external_lsa() -> impl Strategy<Value = AsExternalLsa> {
    let metric = prop_oneof![
        metric_24().prop_map(ExternalMetric::Type1),
        metric_24().prop_map(ExternalMetric::Type2),
    ];
    let referenced = option::of((1..=u16::MAX, any::<u32>()));
    (
        metric,
        prefix(),
        prefix_options(),
        option::of(address()),
        option::of(any::<u32>()),
        referenced,
    )
        .prop_map(|(metric, prefix, options, forwarding_address, tag, referenced)| {
            AsExternalLsa {
                metric,
                prefix,
                options,
                forwarding_address,
                tag,
                referenced: referenced.map(|(ls_type, id)| (LsType(ls_type), id)),
            }
        })
}

fn link_lsa() -> impl Strategy<Value = LinkLsa> {
    let prefixes = vec((prefix(), prefix_options()), 0..20);
    (any::<u8>(), options(), address(), prefixes).prop_map(
        |(priority, options, link_local, prefixes)| LinkLsa {
            priority,
            options,
            link_local,
            prefixes: prefixes
                .into_iter()
                .map(|(prefix, options)| LinkPrefix { prefix, options })
                .collect(),
        },
    )
}

fn intra_area_prefix_lsa() -> impl Strategy<Value = IntraAreaPrefixLsa> {
    let prefixes = vec((prefix(), prefix_options(), any::<u16>()), 0..20);
    (key(), prefixes).prop_map(|(key, prefixes)| IntraAreaPrefixLsa {
        referenced_ls_type: key.ls_type,
        referenced_link_state_id: key.link_state_id,
        referenced_advertising_router: key.advertising_router,
        prefixes: prefixes
            .into_iter()
            .map(|(prefix, options, metric)| IntraAreaPrefix { prefix, options, metric })
            .collect(),
    })
}

fn body() -> impl Strategy<Value = (LsType, LsaBody)> {
    prop_oneof![
        router_lsa().prop_map(|lsa| (LsType::ROUTER, LsaBody::Router(lsa))),
        (options(), vec(router(), 0..20)).prop_map(|(options, attached_routers)| (
            LsType::NETWORK,
            LsaBody::Network(NetworkLsa { options, attached_routers })
        )),
        (metric_24(), prefix(), prefix_options()).prop_map(|(metric, prefix, options)| (
            LsType::INTER_AREA_PREFIX,
            LsaBody::InterAreaPrefix(InterAreaPrefixLsa { metric, prefix, options })
        )),
        (metric_24(), options(), router()).prop_map(|(metric, options, destination)| (
            LsType::INTER_AREA_ROUTER,
            LsaBody::InterAreaRouter(InterAreaRouterLsa { options, metric, destination })
        )),
        external_lsa().prop_map(|lsa| (LsType::AS_EXTERNAL, LsaBody::AsExternal(lsa))),
        external_lsa().prop_map(|lsa| (LsType::NSSA, LsaBody::AsExternal(lsa))),
        link_lsa().prop_map(|lsa| (LsType::LINK, LsaBody::Link(lsa))),
        intra_area_prefix_lsa()
            .prop_map(|lsa| (LsType::INTRA_AREA_PREFIX, LsaBody::IntraAreaPrefix(lsa))),
        (any::<u32>(), any::<u8>()).prop_map(|(period_s, reason)| (
            LsType::GRACE,
            LsaBody::Grace(GraceLsa { period_s, reason: GraceReason(reason) })
        )),
        (any::<u8>(), address(), address()).prop_map(|(flags, endpoint, adjacencies)| (
            LsType::REPAIR,
            LsaBody::Repair(RepairLsa {
                flags: RepairFlags::from_bits(flags),
                endpoint,
                adjacencies: Ipv6Prefix::containing(adjacencies, 112),
            })
        )),
        vec(any::<u8>(), 0..100).prop_map(|bytes| (LsType(0xbff9), LsaBody::Unknown(bytes))),
    ]
}

fn lsa() -> impl Strategy<Value = Lsa> {
    (body(), key(), any::<i32>(), any::<u16>()).prop_map(|((ls_type, body), key, sequence, age)| {
        Lsa::build(LsaKey { ls_type, ..key }, SequenceNumber(sequence), age, &body).unwrap()
    })
}

fn packet_body() -> impl Strategy<Value = PacketBody> {
    let hello = (any::<[u32; 3]>(), any::<[u16; 2]>(), any::<u8>(), options(), vec(router(), 0..9))
        .prop_map(
            |([id, dr, bdr], [hello_interval_s, dead_interval_s], priority, options, neighbors)| {
                PacketBody::Hello(Hello {
                    interface_id: id,
                    priority,
                    options,
                    hello_interval_s,
                    dead_interval_s,
                    designated_router: RouterId(dr),
                    backup_designated_router: RouterId(bdr),
                    neighbors,
                })
            },
        );
    let description =
        (options(), any::<u16>(), any::<[bool; 3]>(), any::<u32>(), vec(header(), 0..9)).prop_map(
            |(options, mtu, [is_init, has_more, is_master], sequence, headers)| {
                PacketBody::DatabaseDescription(DatabaseDescription {
                    options,
                    mtu,
                    is_init,
                    has_more,
                    is_master,
                    sequence,
                    headers,
                })
            },
        );
    prop_oneof![
        hello,
        description,
        vec(key(), 0..20).prop_map(|keys| PacketBody::LinkStateRequest(LinkStateRequest { keys })),
        vec(lsa(), 0..9).prop_map(|lsas| PacketBody::LinkStateUpdate(LinkStateUpdate { lsas })),
        vec(header(), 0..9).prop_map(|headers| PacketBody::LinkStateAcknowledgment(
            LinkStateAcknowledgment { headers }
        )),
    ]
}

proptest! {
    #[test]
    fn packets_read_back_as_written(
        (router_id, area, instance_id) in (router(), router(), any::<u8>()),
        body in packet_body(),
    ) {
        let packet = Packet { router_id, area, instance_id, body };
        let bytes = packet.encode(SOURCE, packet::ALL_SPF_ROUTERS);
        let header = PacketHeader::decode(&bytes).unwrap();
        prop_assert_eq!(Packet::decode(&bytes), Ok(packet));
        let is_valid = |bytes: &[u8]| {
            packet::has_valid_checksum(SOURCE, packet::ALL_SPF_ROUTERS, &header, bytes)
        };
        prop_assert!(is_valid(&bytes));
        let mut wrong = bytes.clone();
        wrong[4] ^= 0x40;
        prop_assert!(!is_valid(&wrong));
        let mut with_trailer = bytes;
        with_trailer.extend([1, 2, 3]);
        prop_assert!(is_valid(&with_trailer));
    }

    #[test]
    fn lsa_bodies_read_back_as_written((ls_type, body) in body(), key in key()) {
        let key = LsaKey { ls_type, ..key };
        let lsa = Lsa::build(key, SequenceNumber::INITIAL, 7, &body).unwrap();
        prop_assert!(lsa.has_valid_checksum());
        prop_assert!(lsa.at_age(9).has_valid_checksum());
        prop_assert_eq!(lsa.body(), Ok(body));
        let mut writer = Writer::default();
        lsa.encode(&mut writer);
        prop_assert_eq!(Lsa::decode(&mut Reader::new(writer.as_slice())), Ok(lsa));
    }

    #[test]
    fn cut_packets_are_refused(body in packet_body(), cut in 1..40_usize) {
        let packet = Packet { router_id: RouterId(1), area: RouterId(0), instance_id: 0, body };
        let mut bytes = packet.encode(SOURCE, SOURCE);
        bytes.truncate(bytes.len().saturating_sub(cut));
        prop_assert!(Packet::decode(&bytes).is_err());
    }

    #[test]
    fn arbitrary_octets_never_panic(bytes in vec(any::<u8>(), 0..300), number in 0..7_u8) {
        let mut framed = vec![3, number, 0, 0];
        framed.extend(&bytes);
        let length = u16::try_from(framed.len()).unwrap();
        framed[2..4].copy_from_slice(&length.to_be_bytes());
        let _ = Packet::decode(&framed);
        let _ = Packet::decode(&bytes);
        let _ = Lsa::decode(&mut Reader::new(&bytes)).map(|lsa| lsa.body());
    }

    #[test]
    fn arbitrary_lsa_bodies_never_panic(code in 0..12_u16, bytes in vec(any::<u8>(), 0..120)) {
        for scope in [0_u16, 0x2000, 0x4000] {
            let _ = LsaBody::decode(LsType(scope | code), &bytes);
        }
    }

    #[test]
    fn comparing_instances_is_antisymmetric(
        a in header(),
        b in header(),
        ages in any::<[u16; 2]>(),
    ) {
        let b = LsaHeader { sequence: a.sequence, checksum: a.checksum, age_s: ages[0], ..b };
        let a = LsaHeader { age_s: ages[1], ..a };
        prop_assert_eq!(a.compare_age(&b), b.compare_age(&a).reverse());
    }
}

fn instance(sequence: i32, checksum: u16, age_s: u16) -> LsaHeader {
    LsaHeader {
        age_s,
        ls_type: LsType::ROUTER,
        link_state_id: 0,
        advertising_router: RouterId(1),
        sequence: SequenceNumber(sequence),
        checksum,
        length: 24,
    }
}

#[test]
fn newer_instances_are_told_by_sequence_checksum_then_age() {
    let old = instance(-5, 100, 100);
    assert_eq!(instance(-4, 1, 3600).compare_age(&old), Ordering::Greater);
    assert_eq!(instance(-5, 101, 3600).compare_age(&old), Ordering::Greater);
    assert_eq!(instance(-5, 100, 3600).compare_age(&old), Ordering::Greater);
    assert_eq!(instance(-5, 100, 1001).compare_age(&old), Ordering::Less);
    assert_eq!(instance(-5, 100, 1000).compare_age(&old), Ordering::Equal);
    assert_eq!(instance(1, 0, 0).compare_age(&instance(-1, 0, 0)), Ordering::Greater);
}

#[test]
fn a_repair_lsa_of_others_stays_as_it_came() {
    let body = LsaBody::Repair(RepairLsa {
        flags: RepairFlags::ORDERS,
        endpoint: "fd00::7".parse().unwrap(),
        adjacencies: "fd00::7:0/112".parse().unwrap(),
    });
    let mut writer = Writer::default();
    body.encode(&mut writer);
    let octets = writer.into_vec();
    assert_eq!(octets.len(), repair_lsa::OCTETS);
    assert_eq!(octets[..8], [0, 0, 0x7e, 0xd9, 1, 1, 0, 0]);
    assert_eq!(LsaBody::decode(LsType::REPAIR, &octets), Ok(body));
    for at in [3, 4] {
        let mut others = octets.clone();
        others[at] ^= 2;
        let kept = LsaBody::Unknown(others.clone());
        assert_eq!(LsaBody::decode(LsType::REPAIR, &others), Ok(kept), "octet {at} differs");
    }
    let cut = LsaBody::decode(LsType::REPAIR, &octets[..39]).unwrap_err();
    assert_eq!(cut.fault, Fault::Truncated);
}

#[test]
fn a_grace_lsa_has_the_octets_of_the_rfc() {
    let octets = [0, 1, 0, 4, 0, 0, 0, 120, 0, 2, 0, 1, 1, 0, 0, 0];
    let reason = GraceReason::SOFTWARE_RESTART;
    let body = LsaBody::Grace(GraceLsa { period_s: 120, reason });
    let mut writer = Writer::default();
    body.encode(&mut writer);
    assert_eq!(writer.into_vec(), octets);
    assert_eq!(LsaBody::decode(LsType::GRACE, &octets), Ok(body.clone()));
    // An address as in OSPFv2, and a TLV that nobody knows, whose length is odd.
    let mut more = vec![0, 3, 0, 4, 192, 0, 2, 1, 0, 99, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0];
    more.extend(octets);
    assert_eq!(LsaBody::decode(LsType::GRACE, &more), Ok(body));
    assert_eq!(LsType::GRACE.flooding_scope(), LsaScope::Link);
}

#[test]
fn a_grace_lsa_without_period_or_reason_is_refused() {
    let octets = [0, 1, 0, 4, 0, 0, 0, 120, 0, 2, 0, 1, 1, 0, 0, 0];
    let fault = |bytes: &[u8]| LsaBody::decode(LsType::GRACE, bytes).unwrap_err().fault;
    assert_eq!(fault(&octets[..8]), Fault::Missing);
    assert_eq!(fault(&octets[8..]), Fault::Missing);
    assert_eq!(fault(&[]), Fault::Missing);
    assert_eq!(fault(&octets[..13]), Fault::Truncated, "without its padding");
    let mut wrong = octets;
    wrong[3] = 3;
    assert_eq!(fault(&wrong), Fault::Length);
}

#[test]
fn sequence_numbers_end_at_the_maximum() {
    assert_eq!(SequenceNumber::INITIAL.bits(), 0x8000_0001);
    assert_eq!(SequenceNumber::MAX.next(), None);
    assert_eq!(SequenceNumber::from_bits(0xffff_ffff).next(), Some(SequenceNumber(0)));
}

#[test]
fn unknown_types_without_u_bit_stay_on_their_link() {
    assert_eq!(LsType(0x2fff).flooding_scope(), LsaScope::Link);
    assert_eq!(LsType(0xafff).flooding_scope(), LsaScope::Area);
    assert_eq!(LsType(0xdff8).flooding_scope(), LsaScope::As);
    assert_eq!(LsType(0x6001).flooding_scope(), LsaScope::Reserved);
    assert_eq!(LsType::AS_EXTERNAL.flooding_scope(), LsaScope::As);
}

#[test]
fn counts_beyond_the_octets_are_refused_before_use() {
    let mut link = vec![0; 20];
    link.extend(u32::MAX.to_be_bytes());
    assert_eq!(LsaBody::decode(LsType::LINK, &link), Err(DecodeError::new(Fault::Count, 24)));
}

#[test]
fn a_hello_has_the_octets_of_the_rfc() {
    let hello = Packet {
        router_id: RouterId(0x0a00_0007),
        area: RouterId(0),
        instance_id: 0,
        body: PacketBody::Hello(Hello {
            interface_id: 5,
            priority: 1,
            options: Options::V6.with(Options::E).with(Options::R),
            hello_interval_s: 1,
            dead_interval_s: 3,
            neighbors: vec![RouterId(0x0a00_0008)],
            ..Hello::default()
        }),
    };
    let bytes = hello.encode(SOURCE, packet::ALL_SPF_ROUTERS);
    assert_eq!(bytes[..4], [3, 1, 0, 40]);
    assert_eq!(bytes[4..12], [10, 0, 0, 7, 0, 0, 0, 0]);
    assert_eq!(
        bytes[14..],
        [0, 0, 0, 0, 0, 5, 1, 0, 0, 0x13, 0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 8]
    );
}
