//! An independent reading of Membership-LSAs: Wireshark's of OSPFv3, and the dissector in `docs`
//! on top of it, where tshark is installed.

use super::harness::{address, id};
use crate::base::ids::{RouterId, TenantId};
use crate::wire::ipv6::{Ipv6Header, NEXT_OSPF};
use crate::wire::l2tp::{Sequencing, Sublayer};
use crate::wire::ospf::packet::ALL_SPF_ROUTERS;
use crate::wire::ospf::{
    CookieLength, LinkStateUpdate, LsType, Lsa, LsaBody, LsaKey, MembershipLsa, Packet, PacketBody,
    Renumbering, SequenceNumber, TenantCarrier, TenantEntry, TenantFormat,
};
use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use std::path::Path;
use std::process::Command;

const DISSECTOR: &str = "docs/wireshark/kumiki.lua";

fn lsa(ls_type: LsType, link_state_id: u32, body: &[u8]) -> Lsa {
    let key = LsaKey { ls_type, advertising_router: id(6), link_state_id };
    Lsa::build(key, SequenceNumber::INITIAL, 1, &LsaBody::Unknown(body.to_vec())).unwrap()
}

fn update(lsas: Vec<Lsa>) -> Vec<u8> {
    let source = address((6, 0));
    let body = PacketBody::LinkStateUpdate(LinkStateUpdate { lsas });
    let packet = Packet { router_id: id(6), area: RouterId(0), instance_id: 0, body };
    let octets = packet.encode(source, ALL_SPF_ROUTERS);
    let header = Ipv6Header {
        traffic_class: 0xc0,
        flow_label: 0,
        payload_length: u16::try_from(octets.len()).unwrap(),
        next_header: NEXT_OSPF,
        hop_limit: 1,
        source,
        destination: ALL_SPF_ROUTERS,
    };
    [&header.to_octets()[..], &octets].concat()
}

/// What tshark says of these fields, a row a packet; `None` where it is not installed.
fn read(packets: &[Vec<u8>], fields: &[&str]) -> Option<Vec<Vec<String>>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ospf.pcap");
    let header = PcapHeader { datalink: DataLink::RAW, ..PcapHeader::default() };
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = PcapWriter::with_header(file, header).unwrap();
    for (second, packet) in (1..).zip(packets) {
        let length = u32::try_from(packet.len()).unwrap();
        let time = std::time::Duration::from_secs(second);
        writer.write_packet(&PcapPacket::new(time, length, packet).unwrap()).unwrap();
    }
    drop(writer);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(DISSECTOR);
    let mut tshark = Command::new("tshark");
    tshark.arg("-X").arg(format!("lua_script:{}", script.display())).arg("-r").arg(&path);
    tshark.args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=a"]);
    for field in fields {
        tshark.args(["-e", field]);
    }
    let Ok(output) = tshark.output() else {
        println!("skipped: tshark is not installed");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !errors.contains("Lua"), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows: Vec<Vec<String>> =
        text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect();
    assert_eq!(rows.len(), packets.len(), "{errors}");
    Some(rows)
}

fn known() -> MembershipLsa {
    let of = |id, epoch, carrier, cookie| TenantEntry {
        id: TenantId(id),
        epoch,
        mtu: 8930,
        format: Some(TenantFormat {
            carrier,
            cookie,
            sublayer: Sublayer::Default,
            sequencing: Sequencing::All,
        }),
    };
    MembershipLsa {
        endpoint: "fd4b:756d:696b:7::".parse().unwrap(),
        tenants: vec![
            of(10, 3, TenantCarrier::Ip, CookieLength::Eight),
            of(20, 4, TenantCarrier::UdpZero, CookieLength::Four),
        ],
        renumberings: vec![Renumbering { id: TenantId(10), sender: id(2), salt: 1 }],
    }
}

#[test]
fn tshark_reads_every_field_of_a_membership_lsa() {
    let fields = [
        "_ws.malformed",
        "_ws.expert.message",
        "ospf.v3.lsa",
        "kumiki.membership.router",
        "kumiki.membership.endpoint",
        "kumiki.membership.tenant",
        "kumiki.membership.epoch",
        "kumiki.membership.mtu",
        "kumiki.membership.carrier",
        "kumiki.membership.cookie",
        "kumiki.membership.sublayer",
        "kumiki.membership.sequencing",
        "kumiki.membership.sender",
        "kumiki.membership.salt",
    ];
    let body = known().encode();
    let others = lsa(LsType(0xbff1), 1, &[1, 2, 3]);
    let packets = [update(vec![others, lsa(LsType::MEMBERSHIP, 0, &body)])];
    let Some(rows) = read(&packets, &fields) else { return };
    let expected = [
        "",
        // What Wireshark itself says of types that it does not know.
        "Unknown LSA Type 8177,Unknown LSA Type 8184",
        "0xbff1,0xdff8",
        "10.0.0.7",
        "fd4b:756d:696b:7::",
        "10,20,10",
        "0x00000003,0x00000004",
        "8930,8930",
        "0,2",
        "8,4",
        "1,1",
        "2,2",
        "10.0.0.3",
        "1",
    ];
    for ((field, found), expected) in fields.iter().zip(&rows[0]).zip(expected) {
        assert_eq!(found, expected, "{field}");
    }
}

#[test]
fn tshark_marks_what_is_cut_or_of_others() {
    let body = known().encode();
    let mut later = body.clone();
    later[4] = 2;
    let mut long = body.clone();
    long[27] = 20;
    let unknown = [&body[..24], &[0, 99, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0], &body[24..]].concat();
    let bodies = [&[][..], &body[..30], &body[..46], &long, &later, &unknown];
    let packets = bodies.map(|body| update(vec![lsa(LsType::MEMBERSHIP, 0, body)]));
    let fields = [
        "kumiki.membership.malformed",
        "kumiki.membership.foreign",
        "_ws.expert.message",
        "kumiki.membership.tenant",
    ];
    let Some(rows) = read(&packets, &fields) else { return };
    let marks: Vec<[bool; 2]> =
        rows.iter().map(|row| [!row[0].is_empty(), !row[1].is_empty()]).collect();
    let (malformed, foreign, right) = ([true, false], [false, true], [false, false]);
    assert_eq!(marks, [malformed, malformed, malformed, malformed, foreign, right]);
    assert!(rows.iter().all(|row| !row[2].contains("Lua")), "the dissector itself fails nowhere");
    let found: Vec<&str> = rows.iter().map(|row| row[3].as_str()).collect();
    assert_eq!(found, ["", "", "10", "", "", "10,20,10"]);
}
