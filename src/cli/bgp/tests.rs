//! Pages become a file that an implementation which is not ours reads.

use super::*;
use crate::api::show_bgp::BgpNeighborRow;
use crate::wire::bgp::{Agreement, AsPath, PathAttributes};
use bgpkit_parser::BgpkitParser;

fn summary() -> BgpSummaryRow {
    let neighbor = BgpNeighborRow {
        name: "isp".to_owned(),
        address: Some("fd00::9".parse().unwrap()),
        asn: Some(64501),
        router_id: Some(RouterId(9)),
        ..BgpNeighborRow::default()
    };
    BgpSummaryRow {
        asn: Some(64500),
        router_id: Some(RouterId(1)),
        neighbors: vec![neighbor],
        ..BgpSummaryRow::default()
    }
}

fn path(prefix: &str, from: Option<&str>) -> BgpTablePath {
    let agreement = Agreement { has_four_octet_asn: true, ..Agreement::default() };
    let mut writer = Writer::default();
    let attributes =
        PathAttributes { as_path: AsPath::sequence(&[64501]), ..PathAttributes::default() };
    attributes.encode(agreement, &mut writer).unwrap();
    BgpTablePath {
        prefix: prefix.parse().unwrap(),
        from: from.map(str::to_owned),
        path_id: 0,
        age_s: 60,
        next_hop: from.map(|_| "fd00::9".parse().unwrap()),
        link_local: from.map(|_| "fe80::9".parse().unwrap()),
        attributes: writer.into_vec(),
    }
}

#[test]
fn pages_become_one_file_and_strangers_are_counted() {
    let mut dump = Dump::begin(&summary(), (BgpTable::LocRib, 1000)).unwrap();
    let first = vec![path("2001:db8:1::/48", Some("isp")), path("2001:db8:2::/48", None)];
    dump.add(&BgpTablePage { paths: first, next: Some(7) });
    let second = vec![path("2001:db8:3::/48", Some("isp")), path("2001:db8:3::/48", Some("new"))];
    dump.add(&BgpTablePage { paths: second, next: None });
    assert_eq!(dump.tally, Tally { prefixes: 3, paths: 3, left_out: 1 });
    assert_eq!(dump.sequence, 3);
    let file = io::Cursor::new(dump.take_octets());
    let read: Vec<_> = BgpkitParser::from_reader(file).into_iter().collect();
    let prefixes: Vec<String> = read.iter().map(|one| one.prefix.to_string()).collect();
    assert_eq!(prefixes, ["2001:db8:1::/48", "2001:db8:2::/48", "2001:db8:3::/48"]);
    assert_eq!(read[0].timestamp, 940.0);
    assert_eq!(read[0].next_hop.unwrap().to_string(), "fd00::9");
    assert_eq!(read[1].peer_asn.to_u32(), 64500, "this router announces it itself");
}

#[test]
fn a_router_without_bgp_has_nothing_to_dump() {
    let begun = Dump::begin(&BgpSummaryRow::default(), (BgpTable::LocRib, 0));
    assert!(matches!(begun, Err(DumpError::NoBgp)));
}

#[test]
fn a_file_gets_its_name_when_it_is_whole_and_is_packed_where_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for (name, first) in [("t.mrt", b"ta"), ("t.mrt.gz", &[0x1f, 0x8b])] {
        let path = folder.path().join(name);
        let mut output = Output::open(&path).unwrap();
        output.write(b"table").unwrap();
        assert!(!path.exists(), "{name}");
        output.finish().unwrap();
        assert!(fs::read(&path).unwrap().starts_with(first), "{name}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}
