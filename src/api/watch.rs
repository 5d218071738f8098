//! Looking on: what `kumiki capture` and `kumiki trace` ask for, and what they get.
//!
//! Owns the requests and the rows of their streams. *Invariants*: fields are only ever added. A
//! stream begins with [`WatchStart`], ends with [`WatchEnd`], and is bounded by what the request
//! says.

use crate::base::hex::{self, HexError};
use core::fmt;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// Most packets that one capture or trace may ask for.
pub const PACKETS_MAX: u64 = 1_000_000_000;
/// Longest time that one may take: a week.
pub const TIME_MS_MAX: u64 = 7 * 24 * 3600 * 1000;

/// What is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchKind {
    /// Frames as they come and go, answered with [`PacketRow`]s.
    Traffic,
    /// Packets as they are dropped, the same.
    Drops,
    /// The ways of packets, answered with [`PathRow`]s.
    Paths,
}

/// A capture or a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchRequest {
    /// What is to be shown.
    pub kind: WatchKind,
    /// Only this port.
    pub port: Option<String>,
    /// Only what this filter lets through; empty for everything.
    pub filter: String,
    /// Octets of each frame.
    pub snap_octets: u16,
    /// End after so many packets.
    pub packets_max: u64,
    /// End before there are more octets of frames than these.
    pub bytes_max: u64,
    /// End after this time.
    pub time_ms_max: u64,
}

/// The stream begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchStart {
    /// Name of the router.
    pub router: String,
    /// Its ports, as far as they are looked at.
    pub ports: Vec<String>,
}

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchEndReason {
    /// As many packets as were asked for.
    Packets,
    /// As many octets.
    Bytes,
    /// The time is over.
    Time,
    /// The client wants no more.
    Client,
}

impl WatchEndReason {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Packets => "as many packets as asked for (--count)",
            Self::Bytes => "as many octets as asked for (--bytes)",
            Self::Time => "the time is over (--seconds)",
            Self::Client => "interrupted",
        }
    }
}

/// The stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchEnd {
    /// Why.
    pub reason: WatchEndReason,
    /// Packets that were shown.
    pub packet_count: u64,
    /// Packets that the filter let through and that are not shown, because the client or the
    /// router did not keep up.
    pub lost_count: u64,
}

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// It came in.
    In,
    /// It went out.
    Out,
    /// It was dropped.
    Drop,
}

impl Direction {
    /// The word in a line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Drop => "drop",
        }
    }
}

/// Octets, as hexadecimal digits in JSON.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Octets(pub Vec<u8>);

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from(self.clone()))
    }
}

impl From<Octets> for String {
    fn from(octets: Octets) -> Self {
        hex::encode(&octets.0)
    }
}

impl TryFrom<String> for Octets {
    type Error = HexError;

    fn try_from(text: String) -> Result<Self, HexError> {
        hex::decode(&text).map(Self)
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketRow {
    /// When, in nanoseconds since 1970 (UTC).
    pub time_ns: u64,
    /// Where; `None` for packets of the router and its host that have not reached a port.
    pub port: Option<String>,
    /// Which way.
    pub direction: Direction,
    /// Why it was dropped.
    pub drop_reason: Option<String>,
    /// The VLAN tag that was taken off before it was dropped.
    pub vlan: Option<u16>,
    /// Octets of the frame.
    pub length: u32,
    /// The first ones.
    pub octets: Octets,
}

/// A packet and the nodes that it passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathRow {
    /// When, in nanoseconds since 1970 (UTC).
    pub time_ns: u64,
    /// Where it came in; `None` for packets of the router and its host.
    pub port: Option<String>,
    /// Octets of the frame.
    pub length: u32,
    /// The first ones.
    pub octets: Octets,
    /// The nodes, in order.
    pub steps: Vec<StepRow>,
}

/// One node on the way of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRow {
    /// Its name, as in `docs/graph.md`.
    pub node: String,
    /// What it found, in words; empty where there is nothing to be told.
    pub detail: String,
    /// What a lookup found.
    pub lookup: Option<LookupRow>,
    /// Where the packet went.
    pub outcome: Outcome,
    /// The next node, the port or the kind of punt.
    pub to: Option<String>,
    /// Why it was dropped, or not answered.
    pub reason: Option<String>,
    /// What that means.
    pub help: Option<String>,
}

/// Where a packet went from a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// To the next node.
    #[default]
    Passed,
    /// To be answered with an error, and counted as dropped.
    Refused,
    /// It was dropped.
    Dropped,
    /// No error answers it; it had been counted before.
    Silent,
    /// Up to the control thread or to the host.
    Punted,
    /// Out by a port.
    Sent,
}

/// What a lookup found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupRow {
    /// The longest prefix that has the destination.
    pub prefix: Option<String>,
    /// Number of its group.
    pub group: u16,
    /// `next_hop`, `dead`, `on_link`, `adjacency`, `local`, `unreachable` or
    /// `blackhole`.
    pub target: String,
    /// Number of the next hop.
    pub next_hop: Option<u16>,
    /// How many next hops the group has.
    pub member_count: Option<u16>,
    /// The next hop is none of them, but who stands in while none of them lives.
    pub is_backup: bool,
    /// The port.
    pub port: Option<String>,
    /// Address of the next hop.
    pub gateway: Option<Ipv6Addr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_digits_in_json() {
        let octets = Octets(vec![0, 0x9f, 0xff]);
        let text = serde_json::to_string(&octets).unwrap();
        assert_eq!(text, "\"009fff\"");
        assert_eq!(serde_json::from_str::<Octets>(&text).unwrap(), octets);
        assert!(serde_json::from_str::<Octets>("\"0\"").is_err());
        assert!(serde_json::from_str::<Octets>("\"0g\"").is_err());
        assert!(serde_json::from_str::<Octets>("\"\u{e9}\"").is_err());
    }
}
