//! What is written is read back: by the library, and by tshark where it is installed.

use super::*;
use crate::api::watch::{Direction, Octets};
use pcap_file::pcapng::{Block, PcapNgReader};
use std::process::Command;

/// An echo request, as a frame.
fn ping() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8];
    frame.extend([58, 64]);
    frame.extend("fd00::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    frame.extend("fd00::2".parse::<std::net::Ipv6Addr>().unwrap().octets());
    frame.extend([128, 0, 0, 0, 0, 7, 0, 9]);
    frame
}

fn rows() -> [PacketRow; 3] {
    let row = PacketRow {
        time_ns: 1_764_000_000_123_456_789,
        port: Some("p1".to_owned()),
        direction: Direction::In,
        drop_reason: None,
        vlan: None,
        length: 62,
        octets: Octets(ping()),
    };
    let sent = PacketRow { direction: Direction::Out, port: Some("p2".to_owned()), ..row.clone() };
    let dropped = PacketRow {
        direction: Direction::Drop,
        drop_reason: Some("no_route".to_owned()),
        port: None,
        vlan: Some(30),
        octets: Octets(ping()[..50].to_vec()),
        ..row.clone()
    };
    [row, sent, dropped]
}

fn file() -> Vec<u8> {
    let mut bytes = Vec::new();
    let ports = ["p1".to_owned(), "p2".to_owned()];
    let mut file = CaptureFile::create(&mut bytes, "s07", 9234, &ports).unwrap();
    rows().iter().for_each(|row| file.write(row).unwrap());
    file.flush().unwrap();
    bytes
}

#[test]
fn what_is_written_is_read_back() {
    let bytes = file();
    let mut reader = PcapNgReader::new(&bytes[..]).unwrap();
    let mut names = Vec::new();
    let mut packets = Vec::new();
    while let Some(block) = reader.next_block() {
        match block.unwrap().0.into_owned() {
            Block::InterfaceDescription(block) => {
                assert_eq!(block.ts_resolution(), InterfaceTsResolution::NANO);
                names.extend(block.options.into_iter().filter_map(|option| match option {
                    InterfaceDescriptionOption::IfName(name) => Some(name.into_owned()),
                    _ => None,
                }));
            }
            Block::EnhancedPacket(block) => packets.push(block),
            _ => {}
        }
    }
    assert_eq!(names, ["p1", "p2", "router"]);
    let ids: Vec<u32> = packets.iter().map(|packet| packet.interface_id).collect();
    assert_eq!(ids, [0, 1, 2]);
    assert_eq!(packets[0].timestamp.as_nanos(), 1_764_000_000_123_456_789);
    assert_eq!(packets[0].options, [EnhancedPacketOption::Flags(1)]);
    assert_eq!(packets[1].options, [EnhancedPacketOption::Flags(2)]);
    let comment = EnhancedPacketOption::Common(CommonOption::Comment("drop: no_route".into()));
    assert_eq!(packets[2].options[0], comment);
    assert_eq!((packets[2].data.len(), packets[2].original_len), (50, 62));
}

#[test]
fn tshark_sees_ports_directions_and_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pcapng");
    std::fs::write(&path, file()).unwrap();
    let fields = ["frame.interface_name", "frame.packet_flags_direction", "frame.comment"];
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&path).args(["-T", "fields", "-E", "separator=|", "-e", "ipv6.dst"]);
    fields.iter().for_each(|field| {
        tshark.args(["-e", field]);
    });
    let Ok(output) = tshark.output() else {
        println!("skipped: tshark is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(lines.len(), 3, "{text}{errors}");
    assert!(lines[0].starts_with("fd00::2|p1|0x0000"), "{text}");
    assert!(lines[1].starts_with("fd00::2|p2|0x0000"), "{text}");
    assert!(lines[2].contains("|router|") && lines[2].contains("drop: no_route"), "{text}");
}
