//! A frame as one line.
//!
//! Owns [`line`](fn@line), and [`summary`] for everything that says what is in a frame.

use crate::api::watch::PacketRow;
use crate::filter::Facts;
use crate::filter::facts::Ipv6Facts;

/// Types of ICMPv6 that have a name here.
const MESSAGES: &[(u8, &str)] = &[
    (1, "destination unreachable"),
    (2, "packet too big"),
    (3, "time exceeded"),
    (4, "parameter problem"),
    (128, "echo request"),
    (129, "echo reply"),
    (130, "listener query"),
    (131, "listener report"),
    (133, "router solicitation"),
    (134, "router advertisement"),
    (135, "neighbor solicitation"),
    (136, "neighbor advertisement"),
    (137, "redirect"),
    (143, "listener report v2"),
];

/// Time, port, way, addresses, protocol, length and reason.
pub fn line(row: &PacketRow) -> String {
    let port = row.port.as_deref().unwrap_or("router");
    let way = row.direction.word();
    let time = time_of_day(row.time_ns);
    let facts = Facts::of_frame(&row.octets.0, row.length);
    let facts = row.vlan.map_or(facts, |vlan| facts.tagged(vlan));
    let mut line = format!("{time} {port} {way} {}", summary(&facts));
    if let Some(reason) = &row.drop_reason {
        line.push_str(", dropped: ");
        line.push_str(reason);
    }
    line
}

/// The time of day in UTC, with nanoseconds.
pub fn time_of_day(time_ns: u64) -> String {
    let (seconds, nanos) = (time_ns / 1_000_000_000, time_ns % 1_000_000_000);
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{nanos:09}", seconds % 60)
}

/// What is in a frame.
pub fn summary(facts: &Facts<'_>) -> String {
    let content = match (facts.ipv6, facts.ethernet) {
        (Some(ipv6), _) => packet(&ipv6),
        (None, Some(ethernet)) => format!(
            "{} > {} ethertype 0x{:04x}",
            ethernet.source, ethernet.destination, ethernet.ether_type
        ),
        (None, None) => "no whole Ethernet header".to_owned(),
    };
    let vlan = facts.vlan.map_or_else(String::new, |vlan| format!(" vlan {vlan}"));
    format!("{content}{vlan}, {} octets", facts.length)
}

fn packet(ipv6: &Ipv6Facts) -> String {
    let (source, destination) = (ipv6.source, ipv6.destination);
    let ends = match ipv6.ports {
        Some((from, to)) => format!("{source}.{from} > {destination}.{to}"),
        None => format!("{source} > {destination}"),
    };
    let message = ipv6.message.map_or_else(String::new, |(kind, code)| {
        match MESSAGES.iter().find(|(number, _)| *number == kind) {
            Some((_, name)) if code == 0 => format!(" {name}"),
            Some((_, name)) => format!(" {name} code {code}"),
            None => format!(" type {kind} code {code}"),
        }
    });
    format!("{ends} {}{message}, hop limit {}", ipv6.protocol_name(), ipv6.hop_limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::watch::{Direction, Octets};

    fn row(octets: Vec<u8>) -> PacketRow {
        PacketRow {
            time_ns: 3_723_000_000_005,
            port: Some("p1".to_owned()),
            direction: Direction::In,
            drop_reason: None,
            vlan: None,
            length: u32::try_from(octets.len()).unwrap(),
            octets: Octets(octets),
        }
    }

    fn ipv6(protocol: u8, rest: &[u8]) -> Vec<u8> {
        let mut frame = vec![2; 12];
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, protocol, 63]);
        frame.extend([0; 15].into_iter().chain([1]).chain([0; 15]).chain([2]));
        frame.extend(rest);
        frame
    }

    #[test]
    fn a_packet_is_a_line() {
        assert_eq!(
            line(&row(ipv6(17, &[0, 53, 1, 0, 0, 8, 0, 0]))),
            "01:02:03.000000005 p1 in ::1.53 > ::2.256 udp, hop limit 63, 62 octets"
        );
        let mut dropped = row(ipv6(58, &[1, 3, 0, 0]));
        dropped.direction = Direction::Drop;
        dropped.drop_reason = Some("no_route".to_owned());
        dropped.port = None;
        dropped.vlan = Some(7);
        assert_eq!(
            line(&dropped),
            "01:02:03.000000005 router drop ::1 > ::2 icmp6 destination unreachable code 3, \
             hop limit 63 vlan 7, 58 octets, dropped: no_route"
        );
    }

    #[test]
    fn what_is_no_ipv6_is_said_too() {
        let arp = [vec![2; 12], vec![8, 6]].concat();
        assert!(
            line(&row(arp))
                .ends_with("02:02:02:02:02:02 > 02:02:02:02:02:02 ethertype 0x0806, 14 octets")
        );
        assert!(line(&row(vec![1])).ends_with("no whole Ethernet header, 1 octets"));
    }
}
