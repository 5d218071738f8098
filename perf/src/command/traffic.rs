//! Words about traffic and ports that several commands share.
//!
//! Owns [`TrafficArguments`] (what is sent), [`PortArguments`] (where, and to whom) and what they
//! become: a [`Traffic`] and, with DPDK, a `Rig`.

use crate::lab::Cable;
use crate::rib::{BrokenLines, Rib};
use crate::traffic::frame::octets_min;
use crate::traffic::mix::Mix;
use crate::traffic::rate::Rate;
use crate::traffic::stream::{DESTINATIONS_MAX, Destinations, Payload, STREAMS_MAX, Traffic};
use clap::Args;
use kumiki::base::ids::MacAddress;
use kumiki::base::prefix::Ipv6Prefix;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

/// Routes of the table that is made up where there is no file.
const MADE_UP_ROUTES: usize = 246_175;

/// Why traffic cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// L2TPv3.
    #[error("`{0}` is no tunnel; write SESSION or SESSION,COOKIE with 8 or 16 hexadecimal digits")]
    Tunnel(String),
    /// Streams.
    #[error("{0} streams are not between 1 and {STREAMS_MAX}")]
    Streams(u16),
    /// Destinations.
    #[error("{0} destinations are not between 1 and {DESTINATIONS_MAX}")]
    Destinations(usize),
    /// The table of prefixes.
    #[error(transparent)]
    Rib(#[from] crate::rib::RibError),
}

/// What is sent.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Traffic")]
pub struct TrafficArguments {
    /// Octets of a frame with FCS; a mixture (64:7,570:4,1518:1), imix, or genome:aaag (RFC 6985)
    #[arg(long, value_name = "SIZE", default_value = "128")]
    pub size: Mix,
    /// Destinations: an address or any address in a prefix; repeatable
    #[arg(long, value_name = "PREFIX", default_value = "2001:db8:1::/64")]
    pub to: Vec<Ipv6Prefix>,
    /// Destinations within the routes of a table, one prefix a line (.xz too); `made-up` makes one
    #[arg(long, value_name = "FILE")]
    pub rib: Option<PathBuf>,
    /// How many different destinations
    #[arg(long, value_name = "COUNT", default_value_t = 4096)]
    pub destinations: usize,
    /// Source address
    #[arg(long, value_name = "ADDRESS", default_value = "2001:db8:0:1::2")]
    pub from: Ipv6Addr,
    /// Streams, told apart by their UDP port or their session
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub streams: u16,
    /// L2TPv3 over IPv6 in place of UDP: the session and, if any, the cookie
    #[arg(long, value_name = "SESSION[,COOKIE]")]
    pub l2tpv3: Option<String>,
}

impl TrafficArguments {
    /// Whether destinations come from a table that is made up.
    fn is_made_up(&self) -> bool {
        self.rib.as_deref() == Some(Path::new("made-up"))
    }

    fn payload(&self) -> Result<Payload, TrafficError> {
        let Some(words) = &self.l2tpv3 else { return Ok(Payload::Udp) };
        let wrong = || TrafficError::Tunnel(words.clone());
        let (session, cookie) = words.split_once(',').unwrap_or((words, ""));
        let session = match session.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => session.parse(),
        };
        let session = session.ok().filter(|session| *session != 0).ok_or_else(wrong)?;
        let octet = |at: usize| u8::from_str_radix(cookie.get(at..at + 2)?, 16).ok();
        let octets = (0..cookie.len()).step_by(2).map(octet).collect::<Option<Vec<u8>>>();
        let cookie = octets.filter(|octets| [0, 4, 8].contains(&octets.len())).ok_or_else(wrong)?;
        Ok(Payload::L2tpv3 { session, cookie })
    }

    /// The traffic, without MAC addresses, and what is to be said about it.
    pub fn build(&self) -> Result<(Traffic, Vec<String>), TrafficError> {
        if !(1..=STREAMS_MAX).contains(&self.streams) {
            return Err(TrafficError::Streams(self.streams));
        }
        if !(1..=DESTINATIONS_MAX).contains(&self.destinations) {
            return Err(TrafficError::Destinations(self.destinations));
        }
        let mut notes = Vec::new();
        let payload = self.payload()?;
        let mut mix = self.size.clone();
        let least = octets_min(&payload);
        if mix.raise_to(least) {
            notes.push(format!(
                "Frames of {} have {least} octets at least; smaller ones are made as large.",
                payload.word()
            ));
        }
        let destinations = match &self.rib {
            Some(_) if self.is_made_up() => {
                notes.push(format!(
                    "Destinations lie in a table that is made up in the shape of the public one \
                     ({MADE_UP_ROUTES} routes), the same on every machine."
                ));
                Destinations::of_rib(&made_up(), self.destinations)
            }
            Some(path) => {
                Destinations::of_rib(&Rib::read(path, BrokenLines::Refuse)?, self.destinations)
            }
            None => {
                let names: Vec<_> = self.to.iter().map(ToString::to_string).collect();
                Destinations::within(&names.join(", "), &self.to, self.destinations)
            }
        };
        let traffic = Traffic {
            payload,
            mix,
            source: self.from,
            destinations,
            streams: self.streams,
            source_mac: MacAddress([0x02, 0x6b, 0x70, 0, 0, 1]),
            next_hop_mac: MacAddress([0x02, 0x6b, 0x70, 0, 0, 2]),
            hop_limit: 64,
        };
        Ok((traffic, notes))
    }
}

/// Where traffic goes out and comes back.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Ports")]
pub struct PortArguments {
    /// The port that sends, in the router's words: af_packet:eth1, pci:0000:81:00.0, memif:…
    #[arg(long, value_name = "DEVICE", required_unless_present_any = ["loopback", "lab"])]
    pub tx: Option<String>,
    /// The port that receives; default: the one that sends
    #[arg(long, value_name = "DEVICE")]
    pub rx: Option<String>,
    /// Send to ourselves through a ring in memory: a test of the generator
    #[arg(long, conflicts_with_all = ["tx", "rx"])]
    pub loopback: bool,
    /// Start a Kumiki router on this machine, in a network namespace, and send through it
    #[arg(long, value_name = "CABLE", num_args = 0..=1, default_missing_value = "veth",
          conflicts_with_all = ["tx", "rx", "loopback"])]
    pub lab: Option<Cable>,
    /// The router's program for --lab; default: the one beside this
    #[arg(long, value_name = "FILE")]
    pub router: Option<PathBuf>,
    /// MAC address of the device under test
    #[arg(long, value_name = "MAC", conflicts_with = "next_hop")]
    pub mac: Option<MacAddress>,
    /// Address of the device under test, whose MAC is asked for by neighbour discovery
    #[arg(long, value_name = "ADDRESS")]
    pub next_hop: Option<Ipv6Addr>,
    /// Addresses for which the sending port answers
    #[arg(long, value_name = "ADDRESS")]
    pub tx_address: Vec<Ipv6Addr>,
    /// Addresses for which the receiving port answers
    #[arg(long, value_name = "ADDRESS")]
    pub rx_address: Vec<Ipv6Addr>,
    /// Speed of the ports, where they do not say it or say it wrong
    #[arg(long, value_name = "RATE", value_parser = line)]
    pub line: Option<f64>,
    /// The core of the generator
    #[arg(long, value_name = "CPU", default_value_t = 1)]
    pub cpu: u16,
    /// Buffers in hugepages; default: where there are any
    #[arg(long, value_name = "BOOL")]
    pub hugepages: Option<bool>,
}

/// The table that is used where there is no file.
pub fn made_up() -> Rib {
    Rib::public_shape(MADE_UP_ROUTES)
}

/// A speed in bits a second.
fn line(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(Rate::Bits(bits)) => Ok(bits),
        _ => Err("a speed is written like 10Gbps".to_owned()),
    }
}

/// Ports that run, and the traffic with its MAC addresses.
#[cfg(dpdk)]
pub struct Rig {
    /// The generator.
    pub bench: crate::traffic::bench::Bench,
    /// What it sends.
    pub traffic: Traffic,
    /// What is to be said about it.
    pub notes: Vec<String>,
}

#[cfg(dpdk)]
impl Rig {
    /// Opens the ports and asks for the MAC of the device under test.
    pub fn open(
        ports: &PortArguments,
        traffic: &TrafficArguments,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        use crate::traffic::bench::{Bench, BenchOptions, EndOptions};
        let (mut traffic, mut notes) = traffic.build()?;
        let end = |device: &str, addresses: &[Ipv6Addr]| EndOptions {
            device: device.to_owned(),
            addresses: addresses.to_vec(),
        };
        let tx = match &ports.tx {
            Some(device) => end(device, &ports.tx_address),
            None => end("vdev:net_ring0", &ports.tx_address),
        };
        let rx = ports.rx.as_ref().map(|device| end(device, &ports.rx_address));
        if ports.mac.is_none() && ports.next_hop.is_none() && !ports.loopback {
            return Err("say where frames go: --next-hop ADDRESS (its MAC is asked for) \
                        or --mac MAC"
                .into());
        }
        let mut bench = Bench::open(&BenchOptions {
            ends: [tx].into_iter().chain(rx).collect(),
            cpu: ports.cpu,
            hugepages: ports.hugepages,
        })?;
        bench.line_bits = ports.line.or(bench.line_bits);
        traffic.source_mac = bench.macs.first().copied().unwrap_or(traffic.source_mac);
        traffic.next_hop_mac = match (ports.mac, ports.next_hop) {
            (Some(mac), _) => mac,
            (None, Some(address)) => bench.engine.resolve(address).ok_or_else(|| {
                format!("nobody on the sending port answers for {address}; see --next-hop")
            })?,
            (None, None) => traffic.source_mac,
        };
        if ports.loopback {
            notes.push(
                "A loopback through a ring in memory: what the generator itself can do, \
                 no device between."
                    .to_owned(),
            );
        }
        notes.push(format!("Ports: {}.", bench.drivers.join(" to ")));
        Ok(Self { bench, traffic, notes })
    }
}

/// What a build without DPDK says.
#[cfg(not(dpdk))]
pub const NO_DPDK: &str = "this kumiki-perf was built without DPDK, which sends and receives; \
                           install libdpdk-dev (./dev setup) and build again";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        traffic: TrafficArguments,
    }

    fn build(words: &[&str]) -> Result<(Traffic, Vec<String>), TrafficError> {
        let words = ["test"].iter().chain(words);
        Words::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).traffic.build()
    }

    #[test]
    fn a_tunnel_has_a_session_and_a_cookie() {
        let (traffic, notes) = build(&["--l2tpv3", "0x10,00112233", "--size", "64"]).unwrap();
        let cookie = vec![0, 0x11, 0x22, 0x33];
        assert_eq!(traffic.payload, Payload::L2tpv3 { session: 16, cookie });
        assert_eq!((traffic.mix.sizes(), notes.len()), (vec![100], 1));
        for words in ["", "0", "1,001", "1,001122", "x", "1,zz112233"] {
            assert!(build(&["--l2tpv3", words]).is_err(), "{words}");
        }
    }

    #[test]
    fn a_made_up_table_says_so() {
        let (traffic, notes) = build(&["--rib", "made-up", "--destinations", "7"]).unwrap();
        assert_eq!(traffic.destinations.addresses.len(), 7);
        assert!(notes[0].contains("made up"), "{notes:?}");
        assert!(build(&["--rib", "missing.txt"]).is_err());
        assert!(build(&["--streams", "0"]).is_err());
    }
}
