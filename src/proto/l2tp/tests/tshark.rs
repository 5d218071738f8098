//! An independent reading of what goes on the wire: tshark's, where it is installed.

use super::super::*;
use super::link::{World, end, secret, session, settings};
use crate::wire::ipv6::{Ipv6Header, NEXT_L2TP, NEXT_UDP};
use crate::wire::l2tp::{
    Cookie, DataHeader, DigestKind, Encapsulation, HeaderTemplate, MessageType, Sequencing,
    Sublayer, UDP_PORT, packet_of,
};
use crate::wire::udp::UdpHeader;
use core::net::Ipv6Addr;
use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use std::collections::BTreeSet;
use std::process::Command;

const ADDRESSES: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2)];
/// A frame of an own Ethernet type, which tshark leaves as it is.
const FRAME: &[u8] =
    b"\x02\0\0\0\0\x09\x02\0\0\0\0\x08\x88\xb5a tenant's frame of sixty octets, padded......";

/// A message of an end as an IPv6 packet.
fn packet(encapsulation: Encapsulation, from: usize, message: &[u8]) -> Vec<u8> {
    let (source, destination) = (ADDRESSES[from], ADDRESSES[1 - from]);
    let (next_header, payload) = match encapsulation {
        Encapsulation::Ip => (NEXT_L2TP, message.to_vec()),
        Encapsulation::Udp => {
            let ports = UdpHeader { source_port: UDP_PORT, destination_port: UDP_PORT };
            (NEXT_UDP, ports.encode(source, destination, message))
        }
    };
    let header = Ipv6Header {
        traffic_class: 0,
        flow_label: 0,
        payload_length: u16::try_from(payload.len()).unwrap(),
        next_header,
        hop_limit: 64,
        source,
        destination,
    };
    [&header.to_octets()[..], &payload].concat()
}

/// A life with every control message, and data on its session, towards which messages have so many
/// octets of cookie and such a sublayer. There is one session: of several tshark mixes up those
/// that are asked for at the same time.
fn conversation(
    encapsulation: Encapsulation,
    authentication: Option<Authentication>,
    (octets, sublayer): (usize, Sublayer),
) -> World {
    // One end asks: of requests that meet tshark does not know which one goes on.
    let initiatives = [Initiative::Active, Initiative::Passive];
    let both = [0, 1].map(|number| {
        let initiative = initiatives[number];
        Settings { authentication, initiative, ..settings(number) }
    });
    let mut world = World::with(51, both);
    for number in [0, 1] {
        let cookie = Cookie::new(&[0xc0 + u8::try_from(number).unwrap(); 8][..octets]).unwrap();
        let sequencing = match sublayer {
            Sublayer::None => Sequencing::None,
            Sublayer::Default => Sequencing::All,
        };
        let receive = DataFormat { cookie, sublayer, sequencing };
        let initiative = initiatives[number];
        let local = 100 + u32::try_from(number).unwrap();
        let settings = SessionSettings { receive, initiative, ..session("blue", local) };
        world.input(number, Input::Session(settings));
    }
    world.both(&Input::Start);
    world.run(20);
    assert!(world.is_whole(1));
    for (number, told) in world.told.clone().into_iter().enumerate() {
        let ups = told.into_iter().filter_map(|action| match action {
            Action::SessionUp(up) => Some(up),
            _ => None,
        });
        for up in ups {
            let header = DataHeader {
                encapsulation,
                session: up.remote,
                cookie: up.transmit.cookie,
                sublayer: up.transmit.sublayer,
            };
            let template = HeaderTemplate::new(&header);
            let mut octets = vec![0; template.len()];
            template.write(&mut octets, Some(70_000)).unwrap();
            octets.extend(FRAME);
            world.sent.push((number + DATA, octets));
        }
    }
    world.input(0, Input::Circuit { end: end("blue"), circuit: Circuit::Inactive });
    world.run(100);
    world.input(1, Input::RemoveSession(end("blue")));
    world.run(5);
    world.both(&Input::Stop);
    world.run(20);
    world
}

/// What is added to the sender of a data message.
const DATA: usize = 2;

/// Octets of cookie, and sublayer.
const KINDS: [(usize, Sublayer); 6] = [
    (0, Sublayer::None),
    (4, Sublayer::None),
    (8, Sublayer::None),
    (0, Sublayer::Default),
    (4, Sublayer::Default),
    (8, Sublayer::Default),
];

/// What tshark says, a row a packet: these fields; `None` where it is not installed.
fn read(encapsulation: Encapsulation, world: &World, secret: &str) -> Option<Vec<Vec<String>>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l2tp.pcap");
    let header = PcapHeader { datalink: DataLink::RAW, ..PcapHeader::default() };
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = PcapWriter::with_header(file, header).unwrap();
    for (second, (from, octets)) in (1..).zip(&world.sent) {
        let packet = match from.checked_sub(DATA) {
            Some(from) => packet(encapsulation, from, octets),
            None => packet(encapsulation, *from, &packet_of(encapsulation, octets)),
        };
        let length = u32::try_from(packet.len()).unwrap();
        let time = std::time::Duration::from_secs(second);
        writer.write_packet(&PcapPacket::new(time, length, &packet).unwrap()).unwrap();
    }
    drop(writer);
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&path).args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=a"]);
    tshark.args(["-o", &format!("l2tp.shared_secret:{secret}"), "-o", "udp.check_checksum:TRUE"]);
    let fields = [
        "frame.protocols",
        "_ws.malformed",
        "_ws.expert.message",
        "l2tp.avp.message_type",
        "l2tp.sid",
        "l2tp.cookie",
        "l2tp.l2_spec_sequence",
        "eth.type",
        "l2tp.version",
    ];
    for field in fields {
        tshark.args(["-e", field]);
    }
    let Ok(output) = tshark.output() else {
        println!("skipped: tshark is not installed");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows: Vec<Vec<String>> =
        text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect();
    assert_eq!(rows.len(), world.sent.len(), "{errors}");
    Some(rows)
}

#[test]
fn every_control_and_data_message_is_what_tshark_knows() {
    let all: BTreeSet<u16> = MessageType::ALL
        .into_iter()
        .filter(|kind| {
            use MessageType::{Occn, Ocrp, Ocrq, Wen};
            !matches!(kind, Ocrq | Ocrp | Occn | Wen)
        })
        .map(MessageType::number)
        .collect();
    for encapsulation in [Encapsulation::Ip, Encapsulation::Udp] {
        for kind in KINDS {
            let world = conversation(encapsulation, None, kind);
            let Some(rows) = read(encapsulation, &world, "") else { return };
            let mut types = BTreeSet::new();
            for ((from, _), row) in world.sent.iter().zip(&rows) {
                assert!(row[0].starts_with("raw:ipv6") && row[0].contains("l2tp"), "{row:?}");
                assert!(row[1].is_empty() && !row[2].contains("alformed"), "{row:?}");
                match from.checked_sub(DATA) {
                    Some(from) => is_data(from, kind, row),
                    None => {
                        assert_eq!(row[8], "3", "{row:?}");
                        types.insert(row[3].parse().unwrap());
                    }
                }
            }
            assert_eq!(types, all, "{encapsulation:?}");
        }
    }
}

/// What tshark has to find in a data message of an end.
fn is_data(from: usize, (cookie_octets, sublayer): (usize, Sublayer), row: &[String]) {
    let [_, _, _, _, session, cookie, sequence, ether_type, _] = row else { panic!("{row:?}") };
    assert_eq!(ether_type, "0x88b5", "{row:?}");
    assert_eq!(session, if from == 0 { "0x00000065" } else { "0x00000064" }, "{row:?}");
    let cookie_octet = if from == 0 { "c1" } else { "c0" };
    assert_eq!(*cookie, cookie_octet.repeat(cookie_octets), "{row:?}");
    assert_eq!(sequence, if sublayer == Sublayer::None { "" } else { "70000" }, "{row:?}");
}

#[test]
fn tshark_finds_every_digest_right_with_the_secret_and_wrong_without() {
    for digest in DigestKind::ALL {
        let authentication = Authentication { digest, ..secret("wood") };
        let world = conversation(Encapsulation::Ip, Some(authentication), KINDS[2]);
        let wrong = |secret: &str| -> Option<Vec<bool>> {
            let rows = read(Encapsulation::Ip, &world, secret)?;
            let control = world.sent.iter().zip(rows).filter(|((from, _), _)| *from < DATA);
            Some(control.map(|(_, row)| row[2].contains("igest")).collect())
        };
        let (Some(right), Some(others)) = (wrong("wood"), wrong("nails")) else { return };
        assert!(right.iter().all(|is_wrong| !is_wrong), "{digest:?}: {right:?}");
        assert!(others.iter().all(|is_wrong| *is_wrong), "{digest:?}: {others:?}");
    }
}
