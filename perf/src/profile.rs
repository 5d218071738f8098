//! The same traffic, written for the generators of others: TRex (Python) and Pktgen-DPDK (Lua).
//!
//! Owns the two texts. Both are made from the [`Traffic`] that our own generator sends, so that
//! results of the three stand beside each other.
//!
//! *Standards*: TRex stateless API v3 (`trex.stl.api`), Pktgen-DPDK 22 and later.
//! Neither can do everything: TRex varies the lower 64 bits of a destination, Pktgen-DPDK has
//! sixteen packets in its sequence and no L2TPv3. What is left out is said in the text.

use crate::traffic::mix::FCS_OCTETS;
use crate::traffic::rate::Rate;
use crate::traffic::stream::{PORT_DESTINATION, PORT_FIRST, Payload, Traffic};
use kumiki::base::prefix::{Ipv6Prefix, mask};
use std::fmt::Write;
use std::net::Ipv6Addr;

/// Prefixes that a TRex profile has streams for.
const TREX_PREFIXES_MAX: usize = 64;
/// Ethernet, IPv6, UDP and FCS: TRex makes no smaller frame of a whole header.
const TREX_UDP_OCTETS_MIN: u16 = 66;
/// Packets of a sequence in Pktgen-DPDK.
const PKTGEN_PACKETS_MAX: usize = 16;

/// How it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// How fast.
    pub rate: Rate,
    /// For how long, in seconds.
    pub seconds: f64,
}

/// Why there is no profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Pktgen-DPDK and tunnels.
    #[error("Pktgen-DPDK has no L2TPv3; use --for trex, or leave --l2tpv3 out")]
    Tunnel,
    /// Pktgen-DPDK and rates.
    #[error("Pktgen-DPDK takes per cent of the line only; write the rate like 10%")]
    Percent,
}

/// Evenly chosen entries, `most` at most.
fn chosen<T: Copy>(all: &[T], most: usize) -> Vec<T> {
    let count = all.len().min(most);
    (0..count).filter_map(|place| all.get(place * all.len() / count).copied()).collect()
}

/// A profile for TRex.
pub fn trex(traffic: &Traffic, prefixes: &[Ipv6Prefix], course: Course) -> String {
    let rate = match course.rate {
        Rate::Max => "100%".to_owned(),
        Rate::Percent(percent) => format!("{percent}%"),
        Rate::Packets(packets) => format!("{packets}pps"),
        Rate::Bits(bits) => format!("{bits}bps"),
    };
    let some = chosen(prefixes, TREX_PREFIXES_MAX);
    let mut text = format!(
        "# {}, sizes {}, {} streams, to {}.\n\
         # Made by kumiki-perf profile --for trex. In trex-console:\n\
         #   start -f THIS_FILE -p 0 -m {rate} -d {}\n",
        traffic.payload.word(),
        traffic.mix,
        traffic.streams,
        traffic.destinations.name,
        course.seconds
    );
    if some.len() < prefixes.len() {
        let _ = writeln!(text, "# {} of {} prefixes, evenly chosen.", some.len(), prefixes.len());
    }
    text.push_str("import socket\nimport struct\n\nfrom trex.stl.api import *\n\n");
    let _ = writeln!(text, "# Octets of a frame with FCS, and how often in a cycle.");
    let mut mix = traffic.mix.clone();
    if traffic.payload == Payload::Udp && mix.raise_to(TREX_UDP_OCTETS_MIN) {
        let _ = writeln!(text, "# IPv6/UDP has {TREX_UDP_OCTETS_MIN} at least.");
    }
    let sizes = mix.sizes();
    let sizes: Vec<_> =
        sizes.iter().map(|octets| format!("({octets}, {})", mix.count(*octets))).collect();
    let _ = writeln!(text, "SIZES = [{}]", sizes.join(", "));
    let _ = writeln!(text, "# First and last destination of each prefix.");
    text.push_str("DESTINATIONS = [\n");
    for prefix in some {
        // TRex varies 64 bits: those of the host, the upper ones stay.
        let last = prefix.bits() | (!mask(prefix.length()) & u128::from(u64::MAX));
        let (first, last) = (prefix.address(), Ipv6Addr::from_bits(last));
        let _ = writeln!(text, "    (\"{first}\", \"{last}\"),");
    }
    text.push_str("]\n\n\n");
    text.push_str(&trex_functions(traffic));
    text
}

fn trex_functions(traffic: &Traffic) -> String {
    let Traffic { source, source_mac, next_hop_mac, streams, hop_limit, .. } = traffic;
    let (layers, varied) = match &traffic.payload {
        Payload::Udp => (
            format!("/ UDP(sport={PORT_FIRST}, dport={PORT_DESTINATION})"),
            format!(
                "    vm.var(name=\"stream\", min_value={PORT_FIRST}, max_value={}, size=2, \
                 op=\"inc\")\n    vm.write(fv_name=\"stream\", pkt_offset=\"UDP.sport\")\n    \
                 vm.fix_chksum_hw(l3_offset=\"IPv6\", l4_offset=\"UDP\",\n                     \
                 l4_type=CTRexVmInsFixHwCs.L4_TYPE_UDP)\n",
                u32::from(PORT_FIRST) + u32::from(*streams) - 1
            ),
        ),
        Payload::L2tpv3 { session, cookie } => {
            let octets: String = cookie.iter().map(|octet| format!("\\x{octet:02x}")).collect();
            (
                format!(
                    "/ Raw(struct.pack(\"!I\", {session}) + b\"{octets}\")\n            \
                     / Ether(src=\"02:00:00:00:00:01\", dst=\"02:00:00:00:00:02\", type=0x88B5)"
                ),
                format!(
                    "    vm.var(name=\"stream\", min_value={session}, max_value={}, size=4, \
                     op=\"inc\")\n    vm.write(fv_name=\"stream\", pkt_offset=54)\n",
                    u64::from(*session) + u64::from(*streams) - 1
                ),
            )
        }
    };
    let next_header = match traffic.payload {
        Payload::Udp => 17,
        Payload::L2tpv3 { .. } => 115,
    };
    format!(
        "def low(address):\n    \
             return struct.unpack(\"!QQ\", socket.inet_pton(socket.AF_INET6, address))[1]\n\n\n\
         def packet(octets, first, last):\n    \
             base = (Ether(src=\"{source_mac}\", dst=\"{next_hop_mac}\")\n            \
             / IPv6(src=\"{source}\", dst=first, nh={next_header}, hlim={hop_limit})\n            \
             {layers})\n    \
             pad = max(0, octets - {FCS_OCTETS} - len(base))\n    \
             vm = STLVM()\n    \
             vm.var(name=\"host\", min_value=low(first), max_value=low(last), size=8,\n           \
             op=\"random\")\n    \
             vm.write(fv_name=\"host\", pkt_offset=\"IPv6.dst\", offset_fixup=8)\n\
         {varied}    \
             return STLPktBuilder(pkt=base / Raw(b\"\\x00\" * pad), vm=vm)\n\n\n\
         class Kumiki(object):\n    \
             def get_streams(self, port_id=0, direction=0, **kwargs):\n        \
                 # -m scales these to the rate; only their proportions count.\n        \
                 return [STLStream(packet=packet(octets, first, last),\n                          \
                 mode=STLTXCont(pps=count))\n                \
                 for octets, count in SIZES for first, last in DESTINATIONS]\n\n\n\
         def register():\n    \
             return Kumiki()\n"
    )
}

/// A script for Pktgen-DPDK.
pub fn pktgen(traffic: &Traffic, course: Course) -> Result<String, ProfileError> {
    if traffic.payload != Payload::Udp {
        return Err(ProfileError::Tunnel);
    }
    let percent = match course.rate {
        Rate::Max => 100.0,
        Rate::Percent(percent) => percent,
        Rate::Packets(_) | Rate::Bits(_) => return Err(ProfileError::Percent),
    };
    let cycle = traffic.mix.cycle();
    let count = match cycle.len() {
        length if length >= PKTGEN_PACKETS_MAX => PKTGEN_PACKETS_MAX,
        length => length * (PKTGEN_PACKETS_MAX / length),
    };
    let destinations = chosen(&traffic.destinations.addresses, count);
    let mut text = format!(
        "-- {}, sizes {}, {} streams, to {}.\n\
         -- Made by kumiki-perf profile --for pktgen. Start with: pktgen … -- … -f THIS_FILE\n\
         -- The sequence has {count} packets: {} of {} destinations, {} of {} sizes of the \
         cycle.\n\
         package.path = package.path .. \";?.lua;test/?.lua;app/?.lua;../?.lua\"\n\
         require \"Pktgen\"\n\nlocal port = \"0\"\nlocal packets = {{\n",
        traffic.payload.word(),
        traffic.mix,
        traffic.streams,
        traffic.destinations.name,
        destinations.len(),
        traffic.destinations.addresses.len(),
        count.min(cycle.len()),
        cycle.len()
    );
    for (number, octets) in cycle.iter().cycle().take(count).enumerate() {
        let Some(destination) = destinations.get(number % destinations.len().max(1)) else { break };
        let stream = u16::try_from(number).unwrap_or(0) % traffic.streams.max(1);
        let _ = writeln!(
            text,
            "  {{ size = {octets}, dst = \"{destination}\", sport = {} }},",
            PORT_FIRST + stream
        );
    }
    let _ = write!(
        text,
        "}}\n\npktgen.stop(port)\nfor number, packet in ipairs(packets) do\n  \
         pktgen.seqTable(number - 1, port, {{\n    \
         [\"eth_dst_addr\"] = \"{}\",\n    [\"eth_src_addr\"] = \"{}\",\n    \
         [\"ip_dst_addr\"] = packet.dst,\n    [\"ip_src_addr\"] = \"{}/64\",\n    \
         [\"sport\"] = packet.sport,\n    [\"dport\"] = {PORT_DESTINATION},\n    \
         [\"ethType\"] = \"ipv6\",\n    [\"ipProto\"] = \"udp\",\n    \
         [\"pktSize\"] = packet.size,\n  }})\nend\n\
         pktgen.set(port, \"seq_cnt\", #packets)\npktgen.set(port, \"rate\", {percent})\n\
         pktgen.set(port, \"count\", 0)\npktgen.clr()\npktgen.start(port)\n\
         pktgen.delay({:.0})\npktgen.stop(port)\n",
        traffic.next_hop_mac,
        traffic.source_mac,
        traffic.source,
        course.seconds * 1000.0
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::stream::Destinations;
    use kumiki::base::ids::MacAddress;
    use std::path::Path;

    const COURSE: Course = Course { rate: Rate::Percent(10.0), seconds: 30.0 };

    fn traffic(payload: Payload, streams: u16) -> (Traffic, Vec<Ipv6Prefix>) {
        let prefixes: Vec<Ipv6Prefix> =
            ["2001:db8:1::/64", "2001:db8:ff00::/40"].map(|text| text.parse().unwrap()).into();
        let traffic = Traffic {
            payload,
            mix: "imix".parse().unwrap(),
            source: "2001:db8:0:1::2".parse().unwrap(),
            destinations: Destinations::within("two prefixes", &prefixes, 100),
            streams,
            source_mac: MacAddress([2, 0, 0, 0, 0, 1]),
            next_hop_mac: MacAddress([2, 0, 0, 0, 0, 2]),
            hop_limit: 64,
        };
        (traffic, prefixes)
    }

    /// `UPDATE_GOLDEN=1` rewrites; review the difference.
    fn golden(name: &str, text: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/profile/data");
        let path = folder.join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, expected, "UPDATE_GOLDEN=1 rewrites {name}");
    }

    #[test]
    fn profiles_for_trex_are_as_reviewed() {
        let (udp, prefixes) = traffic(Payload::Udp, 4);
        golden("udp.py", &trex(&udp, &prefixes, COURSE));
        let cookie = vec![0, 0x11, 0x22, 0x33];
        let (tunnel, prefixes) = traffic(Payload::L2tpv3 { session: 7, cookie }, 2);
        golden("l2tpv3.py", &trex(&tunnel, &prefixes, COURSE));
    }

    #[test]
    fn python_takes_profiles_for_trex() {
        let (udp, prefixes) = traffic(Payload::Udp, 4);
        let text = trex(&udp, &prefixes, COURSE);
        let python = std::process::Command::new("python3")
            .args(["-c", "import ast, sys; ast.parse(sys.argv[1])", &text])
            .status();
        match python {
            Ok(status) => assert!(status.success(), "python does not take it"),
            Err(error) => println!("skipped: no python3 here: {error}"),
        }
    }

    #[test]
    fn scripts_for_pktgen_are_as_reviewed() {
        let (udp, _) = traffic(Payload::Udp, 4);
        golden("udp.lua", &pktgen(&udp, COURSE).unwrap());
        let (tunnel, _) = traffic(Payload::L2tpv3 { session: 7, cookie: Vec::new() }, 1);
        assert_eq!(pktgen(&tunnel, COURSE), Err(ProfileError::Tunnel));
        let course = Course { rate: Rate::Packets(1e6), ..COURSE };
        assert_eq!(pktgen(&udp, course), Err(ProfileError::Percent));
    }
}
