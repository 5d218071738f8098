//! Records are read by an implementation that is not ours.

use super::*;
use crate::wire::bgp::{Agreement, AsPath, Community, PathAttributes};
use bgpkit_parser::models::{MrtMessage, TableDumpV2Message, TableDumpV2Type};
use bgpkit_parser::{BgpkitParser, parse_mrt_record};
use proptest::prelude::*;
use std::io::Cursor;
use std::net::IpAddr;

const STORED: Agreement = Agreement {
    has_four_octet_asn: true,
    has_path_ids: false,
    has_extended_messages: true,
    is_external: false,
};
const ROUTER_ID: RouterId = RouterId(0x0a00_0007);
const AT_S: u32 = 1_800_000_000;

fn address(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number)
}

fn octets(attributes: &PathAttributes) -> Vec<u8> {
    let mut writer = Writer::default();
    attributes.encode(STORED, &mut writer).unwrap();
    writer.into_vec()
}

fn attributes(asns: &[u32]) -> PathAttributes {
    PathAttributes {
        as_path: AsPath::sequence(asns),
        local_pref: Some(200),
        med: Some(7),
        communities: vec![Community(0xfbf4_0007)],
        ..PathAttributes::default()
    }
}

fn peers() -> Vec<Peer> {
    let own = Peer { router_id: ROUTER_ID, address: Ipv6Addr::UNSPECIFIED, asn: 64500 };
    let peer = Peer { router_id: RouterId(9), address: address(1), asn: 4_200_000_001 };
    vec![own, peer]
}

fn path(attributes: &[u8]) -> Path<'_> {
    let next_hop = Some(NextHop { global: Some(address(2)), link_local: None });
    Path { peer: 1, path_id: 0, since_s: AT_S - 5, next_hop, attributes }
}

fn dump(prefix: Ipv6Prefix, paths: &[Path<'_>]) -> (Vec<u8>, u32) {
    let mut writer = Writer::default();
    put_peers(&mut writer, AT_S, (ROUTER_ID, "adj-rib-in"), &peers()).unwrap();
    let count = put_prefix(&mut writer, (AT_S, 40), prefix, paths).unwrap();
    (writer.into_vec(), count)
}

#[test]
fn another_reader_finds_peer_path_and_attributes() {
    let octets = octets(&attributes(&[4_200_000_001, 64501]));
    let (file, count) = dump("2001:db8:7::/48".parse().unwrap(), &[path(&octets)]);
    assert_eq!(count, 1);
    let read: Vec<_> = BgpkitParser::from_reader(Cursor::new(file)).into_iter().collect();
    let [one] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(one.prefix.to_string(), "2001:db8:7::/48");
    assert_eq!(one.peer_ip, IpAddr::V6(address(1)));
    assert_eq!(one.peer_asn.to_u32(), 4_200_000_001);
    assert_eq!(one.next_hop, Some(IpAddr::V6(address(2))));
    assert_eq!(one.as_path.as_ref().unwrap().to_string(), "4200000001 64501");
    assert_eq!((one.local_pref, one.med), (Some(200), Some(7)));
    assert_eq!(one.communities.as_ref().unwrap()[0].to_string(), "64500:7");
    assert_eq!(one.timestamp, f64::from(AT_S - 5));
}

#[test]
fn paths_with_path_identifiers_are_a_record_of_their_own() {
    let octets = octets(&attributes(&[64501]));
    let numbered = Path { path_id: 3, peer: 0, next_hop: None, ..path(&octets) };
    let (file, count) = dump("2001:db8::/32".parse().unwrap(), &[path(&octets), numbered]);
    assert_eq!(count, 2);
    let mut file = Cursor::new(file);
    let peers = parse_mrt_record(&mut file).unwrap();
    let MrtMessage::TableDumpV2Message(TableDumpV2Message::PeerIndexTable(peers)) = peers.message
    else {
        panic!("peers come first")
    };
    assert_eq!((peers.view_name.as_str(), peers.id_peer_map.len()), ("adj-rib-in", 2));
    let mut next = || match parse_mrt_record(&mut file).unwrap().message {
        MrtMessage::TableDumpV2Message(TableDumpV2Message::RibAfi(entries)) => entries,
        other => panic!("{other:?}"),
    };
    let (plain, numbered) = (next(), next());
    assert_eq!(plain.rib_type, TableDumpV2Type::RibIpv6Unicast);
    assert_eq!(numbered.rib_type, TableDumpV2Type::RibIpv6UnicastAddPath);
    assert_eq!((plain.sequence_number, numbered.sequence_number), (40, 41));
    assert_eq!(numbered.rib_entries[0].path_id, Some(3));
    assert_eq!(plain.rib_entries[0].path_id, None);
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_nothing_behind() {
    let long = vec![0; 65_520];
    let mut writer = Writer::default();
    let refused = put_prefix(&mut writer, (0, 0), Ipv6Prefix::DEFAULT, &[path(&long)]);
    assert_eq!(refused, Err(MrtError::Attributes(65_520 + 21)));
    assert!(writer.is_empty());
}

proptest! {
    #[test]
    fn every_prefix_is_read_as_it_was_written(bits: u128, length in 0_u8..=128, count in 1_u16..4) {
        let prefix = Ipv6Prefix::containing(Ipv6Addr::from_bits(bits), length);
        let octets = octets(&attributes(&[64501, 64502]));
        let paths: Vec<Path<'_>> = (0..count).map(|_| path(&octets)).collect();
        let (file, _) = dump(prefix, &paths);
        let read: Vec<_> = BgpkitParser::from_reader(Cursor::new(file)).into_iter().collect();
        prop_assert_eq!(read.len(), usize::from(count));
        for one in read {
            prop_assert_eq!(one.prefix.prefix.to_string(), prefix.to_string());
        }
    }
}
