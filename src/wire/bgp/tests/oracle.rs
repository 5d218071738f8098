//! Messages as bgpkit-parser reads them: another decoder, by other people, for the same octets.
//!
//! What is compared are the values of both, and that both write the same octets again.

use super::*;
use bgpkit_parser::models as theirs;
use bgpkit_parser::parser::bgp::parse_bgp_message;
use core::net::Ipv4Addr;

/// The other decoder's reading.
fn read_there(octets: &[u8], agreement: Agreement) -> theirs::BgpMessage {
    let width = match agreement.has_four_octet_asn {
        true => theirs::AsnLength::Bits32,
        false => theirs::AsnLength::Bits16,
    };
    let mut octets = octets.to_vec().into();
    parse_bgp_message(&mut octets, agreement.has_path_ids, &width).unwrap()
}

/// What the other one writes for what it has read.
fn written_there(message: &theirs::BgpMessage, agreement: Agreement) -> Vec<u8> {
    let width = match agreement.has_four_octet_asn {
        true => theirs::AsnLength::Bits32,
        false => theirs::AsnLength::Bits16,
    };
    message.encode(width).unwrap().to_vec()
}

fn identifier(address: Ipv4Addr) -> RouterId {
    RouterId(address.to_bits())
}

fn path(path: &theirs::AsPath) -> AsPath {
    let asns = |asns: &[theirs::Asn]| asns.iter().map(theirs::Asn::to_u32).collect::<Vec<u32>>();
    let segment = |segment: &theirs::AsPathSegment| match segment {
        theirs::AsPathSegment::AsSequence(all) => AsPathSegment::Sequence(asns(all)),
        theirs::AsPathSegment::AsSet(all) => AsPathSegment::Set(asns(all)),
        theirs::AsPathSegment::ConfedSequence(all) => AsPathSegment::ConfedSequence(asns(all)),
        theirs::AsPathSegment::ConfedSet(all) => AsPathSegment::ConfedSet(asns(all)),
    };
    AsPath::from_segments(path.segments.iter().map(segment).collect())
}

fn community(community: theirs::Community) -> Community {
    match community {
        theirs::Community::NoExport => Community::NO_EXPORT,
        theirs::Community::NoAdvertise => Community::NO_ADVERTISE,
        theirs::Community::NoExportSubConfed => Community::NO_EXPORT_SUBCONFED,
        theirs::Community::Custom(asn, value) => Community(asn.to_u32() << 16 | u32::from(value)),
    }
}

/// Of the kinds that are generated here.
fn extended(community: theirs::ExtendedCommunity) -> ExtendedCommunity {
    use theirs::ExtendedCommunity as There;
    let octets = match community {
        There::TransitiveTwoOctetAs(it) => {
            let asn = u16::try_from(it.global_admin.to_u32()).unwrap().to_be_bytes();
            [&[0, it.subtype][..], &asn, &it.local_admin].concat()
        }
        There::Raw(octets) => octets.to_vec(),
        other => panic!("{other:?} is not generated"),
    };
    ExtendedCommunity(u64::from_be_bytes(octets.try_into().unwrap()))
}

/// All attributes, but for the lists of prefixes.
fn attributes_there(all: &theirs::Attributes) -> PathAttributes {
    let mut attributes = PathAttributes {
        origin: match all.origin() {
            theirs::Origin::IGP => Origin::Igp,
            theirs::Origin::EGP => Origin::Egp,
            theirs::Origin::INCOMPLETE => Origin::Incomplete,
        },
        as_path: all.effective_as_path().as_ref().map(path).unwrap_or_default(),
        med: all.multi_exit_discriminator(),
        local_pref: all.local_preference(),
        is_atomic_aggregate: all.atomic_aggregate(),
        aggregator: all
            .aggregator()
            .map(|(asn, id)| Aggregator { asn: asn.to_u32(), identifier: identifier(id) }),
        originator_id: all.origin_id().map(identifier),
        cluster_list: all.clusters().unwrap_or_default().iter().copied().map(RouterId).collect(),
        only_to_customer: all.only_to_customer().map(|asn| asn.to_u32()),
        ..PathAttributes::default()
    };
    for mark in all.iter_communities() {
        match mark {
            theirs::MetaCommunity::Plain(mark) => attributes.communities.push(community(mark)),
            theirs::MetaCommunity::Extended(mark) => {
                attributes.extended_communities.push(extended(mark));
            }
            theirs::MetaCommunity::Large(mark) => {
                let [first, second] = mark.local_data;
                let mark = LargeCommunity([mark.global_admin, first, second]);
                attributes.large_communities.push(mark);
            }
            theirs::MetaCommunity::Ipv6Extended(mark) => panic!("{mark:?} is not generated"),
        }
    }
    attributes
}

fn nlri_there(list: &theirs::Nlri) -> Vec<Nlri> {
    let one = |there: &theirs::NetworkPrefix| Nlri {
        prefix: there.prefix.to_string().parse().unwrap(),
        path_id: there.path_id.unwrap_or(0),
    };
    list.prefixes.iter().map(one).collect()
}

fn next_hop_there(list: &theirs::Nlri) -> NextHop {
    match list.next_hop {
        Some(theirs::NextHopAddress::Ipv6(global)) => {
            NextHop { global: Some(global), link_local: None }
        }
        Some(theirs::NextHopAddress::Ipv6LinkLocal(global, link_local)) => {
            NextHop { global: Some(global), link_local: Some(link_local) }
        }
        other => panic!("{other:?} is no next hop of IPv6"),
    }
}

/// The other one's UPDATE as one of ours.
fn update_there(message: &theirs::BgpMessage) -> Update {
    let theirs::BgpMessage::Update(update) = message else { panic!("{message:?}") };
    let all = &update.attributes;
    let announced = all.get_reachable_nlri().map(|list| Announcement {
        nlri: nlri_there(list),
        next_hop: next_hop_there(list),
        attributes: attributes_there(all),
    });
    let withdrawn = all.get_unreachable_nlri().map(nlri_there).unwrap_or_default();
    Update { withdrawn, announced, ..Update::default() }
}

/// A list that the other one does not guess about: it takes one that begins with an octet of zero,
/// which is ::/0, for one with Path Identifiers.
fn readable(mut list: Vec<Nlri>, agreement: Agreement) -> Vec<Nlri> {
    list.retain(|nlri| agreement.has_path_ids || nlri.prefix.length() > 0);
    if list.is_empty() {
        list.push(Nlri::of(prefix("2001:db8::/32")));
    }
    list
}

/// Both read the same, and both write what they have read.
fn agree(update: Update, agreement: Agreement) {
    let message = Message::Update(Box::new(update.clone()));
    let octets = encoded(&message, agreement);
    let here = decoded(&octets, agreement).unwrap();
    assert_eq!(encoded(&here, agreement), octets, "{update:?}");
    let there = read_there(&octets, agreement);
    assert_eq!(update_there(&there), update);
    assert_eq!(here, message);
    // The other one may write attributes in another order or with longer lengths: it is read.
    let again = decoded(&written_there(&there, agreement), agreement);
    assert_eq!(again, Ok(message));
}

proptest! {
    #[test]
    fn another_decoder_reads_the_same_updates(
        attributes in attributes(),
        (has_path_ids, nlri, withdrawn) in any::<bool>()
            .prop_flat_map(|has| (Just(has), nlri(has), nlri(has))),
        link_local in any::<bool>(),
        (is_external, local_pref, clusters) in (
            any::<bool>(), any::<u32>(), proptest::collection::vec(any::<u32>(), 1..4),
        ),
    ) {
        let agreement = Agreement {
            has_path_ids,
            has_extended_messages: true,
            is_external,
            ..EXTERNAL
        };
        let attributes = match is_external {
            true => attributes,
            false => PathAttributes {
                local_pref: Some(local_pref),
                originator_id: Some(RouterId(local_pref)),
                cluster_list: clusters.into_iter().map(RouterId).collect(),
                ..attributes
            },
        };
        let link_local = link_local.then(|| "fe80::1".parse().unwrap());
        let next_hop = NextHop { global: Some("2001:db8::1".parse().unwrap()), link_local };
        let [nlri, withdrawn] = [nlri, withdrawn].map(|list| readable(list, agreement));
        let announced = Some(Announcement { nlri, next_hop, attributes });
        agree(Update { announced: announced.clone(), ..Update::default() }, agreement);
        agree(Update { withdrawn: withdrawn.clone(), ..Update::default() }, agreement);
        agree(Update { withdrawn, announced, ..Update::default() }, agreement);
    }
}

// RFC 6793 §4.2.3: AS_PATH and AS4_PATH together.
#[test]
fn another_decoder_finds_the_large_numbers_of_an_old_speaker() {
    for asns in [&[64500, 4_200_000_001, 7][..], &[4_200_000_001; 300], &[1, 2, 3]] {
        let attributes =
            PathAttributes { as_path: AsPath::sequence(asns), ..PathAttributes::default() };
        let next_hop = NextHop { global: Some("2001:db8::1".parse().unwrap()), link_local: None };
        let nlri = vec![Nlri::of(prefix("2001:db8::/32"))];
        let announced = Some(Announcement { nlri, next_hop, attributes });
        let message = Message::Update(Box::new(Update { announced, ..Update::default() }));
        let octets = encoded(&message, OLD);
        let there = update_there(&read_there(&octets, OLD));
        assert_eq!(decoded(&octets, OLD), Ok(message));
        let path = there.announced.unwrap().attributes.as_path;
        assert_eq!(path.to_string(), AsPath::sequence(asns).to_string());
    }
}

#[test]
fn another_decoder_reads_the_same_messages_beside_updates() {
    let text = Notification::with_text(NotificationCode::ADMINISTRATIVE_SHUTDOWN, "until noon");
    let family = AddressFamily::IPV6_UNICAST;
    let refresh = |kind| Message::RouteRefresh(RouteRefresh { family, kind });
    // The other one does not know RFC 8538.
    let mut open = open();
    for capability in &mut open.capabilities {
        if let Capability::GracefulRestart(restart) = capability {
            restart.survives_notifications = false;
        }
    }
    let messages = [
        Message::Open(open),
        Message::Keepalive,
        Message::Notification(text),
        Message::Notification(Notification::new(NotificationCode::HOLD_TIMER_EXPIRED)),
        refresh(RefreshKind::Request),
        refresh(RefreshKind::Begin),
        refresh(RefreshKind::End),
    ];
    for message in messages {
        let octets = encoded(&message, EXTERNAL);
        assert_eq!(decoded(&octets, EXTERNAL), Ok(message.clone()));
        let there = read_there(&octets, EXTERNAL);
        assert_eq!(written_there(&there, EXTERNAL), octets, "{message:?}");
        match (&message, &there) {
            (Message::Open(ours), theirs::BgpMessage::Open(other)) => {
                assert_eq!(other.hold_time, ours.hold_time_s);
                assert_eq!(identifier(other.bgp_identifier), ours.identifier);
            }
            (Message::Keepalive, theirs::BgpMessage::KeepAlive) => {}
            (Message::Notification(ours), theirs::BgpMessage::Notification(other)) => {
                assert_eq!(other.data, ours.data);
            }
            (Message::RouteRefresh(_), theirs::BgpMessage::RouteRefresh(other)) => {
                assert_eq!((other.afi, other.safi), (family.afi, family.safi));
            }
            other => panic!("not the same message: {other:?}"),
        }
    }
}
