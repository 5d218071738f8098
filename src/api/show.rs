//! The rows of every `show`.
//!
//! Times are ages in milliseconds, rates are not computed here. Names of fields are stable within
//! one [`crate::api::API_VERSION`].

use super::show_bgp::{
    BgpAdvertisedRow, BgpCleared, BgpNeighborRow, BgpPathRow, BgpPolicyRow, BgpReceivedRow,
    BgpSummaryRow, BgpTablePage,
};
use super::show_bmp::BmpStationRow;
use super::show_rpki::{RpkiPrefixRow, RpkiRow, RpkiVrpRow};
use super::show_tenant::{MacPage, PseudowireRow, TenantCleared, TenantRow};
use crate::base::ids::{AreaId, MacAddress, PortId, RouterId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{PortRole, RouteSource};
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// The answer to a [`crate::api::ShowQuery`], same names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "rows")]
pub enum ShowReply {
    /// `show version`.
    Version(VersionRow),
    /// `show port`.
    Port(Vec<PortRow>),
    /// `show neighbor`.
    Neighbor(Vec<NeighborRow>),
    /// `show ospf`.
    Ospf(OspfRow),
    /// `show ospf neighbor`.
    OspfNeighbor(Vec<OspfNeighborRow>),
    /// `show ospf interface`.
    OspfInterface(Vec<OspfInterfaceRow>),
    /// `show ospf database`.
    OspfDatabase(Vec<LsaRow>),
    /// `show ospf route`.
    OspfRoute(Vec<OspfRouteRow>),
    /// `show ospf repair`.
    OspfRepair(OspfRepairs),
    /// `verify self`.
    SelfCheck(SelfCheckRow),
    /// `show ospf spf`.
    OspfSpf(SpfRow),
    /// `show bfd`.
    Bfd(Vec<BfdRow>),
    /// `show bgp summary`.
    Bgp(BgpSummaryRow),
    /// `show bgp neighbor`.
    BgpNeighbor(Vec<BgpNeighborRow>),
    /// `show bgp route`.
    BgpRoute(Vec<BgpPathRow>),
    /// `show bgp advertised`.
    BgpAdvertised(Vec<BgpAdvertisedRow>),
    /// `show bgp received`.
    BgpReceived(Vec<BgpReceivedRow>),
    /// `show bgp policy`.
    BgpPolicy(Vec<BgpPolicyRow>),
    /// A page for `bgp dump`.
    BgpTable(BgpTablePage),
    /// `clear bgp neighbor`.
    BgpCleared(BgpCleared),
    /// `show bmp`.
    Bmp(Vec<BmpStationRow>),
    /// `show rpki`.
    Rpki(RpkiRow),
    /// `show rpki prefix`.
    RpkiVrp(Vec<RpkiVrpRow>),
    /// `show rpki prefix PREFIX`.
    RpkiPrefix(RpkiPrefixRow),
    /// `show tenant`, `show bridge-domain`.
    Tenant(Vec<TenantRow>),
    /// `show l2tpv3`.
    L2tpv3(Vec<PseudowireRow>),
    /// A page for `show bridge-domain NAME mac`.
    BridgeMac(MacPage),
    /// `clear tenant`.
    TenantCleared(TenantCleared),
    /// `show route`.
    Route(Vec<RouteRow>),
    /// `show fib`.
    Fib(Vec<FibRow>),
    /// `show runtime`.
    Runtime(Vec<LcoreRow>),
    /// `show mempool`.
    Mempool(Vec<MempoolRow>),
    /// `show errors`.
    Errors(Vec<ErrorRow>),
    /// `show config`.
    Config(ConfigRow),
}

/// What the router found when it looked at itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfCheckRow {
    /// Whether everything was compared; not so while routes change.
    pub is_complete: bool,
    /// Prefixes of the table.
    pub prefix_count: u64,
    /// Prefixes whose OSPF route was not what the database says.
    pub wrong_route_count: u64,
    /// Prefixes whose OSPF route was not in the table as announced.
    pub wrong_table_count: u64,
    /// Prefixes that packets did not take as the table says.
    pub wrong_forwarding_count: u64,
    /// The first of all these.
    pub first_wrong: Option<Ipv6Prefix>,
}

impl SelfCheckRow {
    /// Everything that was wrong.
    pub const fn wrong_count(&self) -> u64 {
        self.wrong_route_count + self.wrong_table_count + self.wrong_forwarding_count
    }
}

/// Who answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRow {
    /// Router name.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// Version of DPDK, or why there is none.
    pub dpdk: String,
    /// Since when, in milliseconds.
    pub uptime_ms: u64,
    /// Process id.
    pub pid: u32,
    /// Router-id.
    pub router_id: Option<RouterId>,
    /// Loopback address.
    pub loopback: Option<Ipv6Addr>,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRow {
    /// Number.
    pub port: PortId,
    /// Name.
    pub name: String,
    /// Device string.
    pub device: String,
    /// Role.
    pub role: PortRole,
    /// Carrier.
    pub is_up: bool,
    /// MAC.
    pub mac: MacAddress,
    /// MTU in octets.
    pub mtu: u16,
    /// Own addresses, link-local first.
    pub addresses: Vec<Ipv6Addr>,
    /// Own addresses that are not used because somebody else has them as well.
    #[serde(default)]
    pub refused_addresses: Vec<Ipv6Addr>,
    /// Packets received.
    pub rx_packets: u64,
    /// Octets received.
    pub rx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Octets sent.
    pub tx_bytes: u64,
    /// Drops of device and kernel before the router saw the packet.
    pub rx_missed_packets: u64,
    /// Packets the device did not take.
    pub tx_dropped_packets: u64,
    /// What the device does by itself, a phrase each: its queues, and what it was found to offer.
    #[serde(default)]
    pub abilities: Vec<String>,
}

/// An entry of the ND cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighborRow {
    /// Its address.
    pub address: Ipv6Addr,
    /// Port name.
    pub port: String,
    /// MAC, once known.
    pub mac: Option<MacAddress>,
    /// State of RFC 4861 §7.3.2, lower case, or `static`.
    pub state: String,
    /// Whether it said that it is a router.
    pub is_router: bool,
    /// Packets that wait for its MAC.
    pub queued_packets: u32,
}

/// OSPF in a few lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OspfRow {
    /// Own router-id; `None` where OSPF does not run.
    pub router_id: Option<RouterId>,
    /// Interfaces that are up.
    pub interface_count: u32,
    /// Neighbours in state Full.
    pub full_count: u32,
    /// Neighbours of any state.
    pub neighbor_count: u32,
    /// LSAs of the area and of the AS; those of links are not among them.
    pub lsa_count: u32,
    /// Digest over their identities, sequence numbers and checksums, hexadecimal: equal on two
    /// routers whose databases are.
    pub digest: String,
    /// Whether others are asked to send around this router because it starts.
    pub is_starting: bool,
    /// Whether they are asked so because it is drained.
    pub is_drained: bool,
    /// Packets from port to port of the fabric since the start.
    pub transit_packet_count: u64,
}

/// An OSPF neighbour, or a fabric port that has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OspfNeighborRow {
    /// Its router-id; none where nobody is there.
    pub router_id: Option<RouterId>,
    /// Its name, where known.
    pub name: Option<String>,
    /// Port name.
    pub port: String,
    /// Its link-local address; none where nobody is there.
    pub address: Option<Ipv6Addr>,
    /// State of RFC 2328 §10.1; `Down` where nobody is there.
    pub state: String,
    /// Time in this state; where nobody is there, since carrier changed or the last one went.
    pub state_age_ms: u64,
    /// Time left until it is declared dead.
    pub dead_in_ms: u64,
    /// LSAs to be acknowledged by it.
    pub retransmit_count: u32,
    /// LSAs to be asked of it.
    pub request_count: u32,
    /// Time left of its graceful restart, through which it is helped.
    pub helped_for_ms: Option<u64>,
    /// What hinders the adjacency, in words: MTU mismatch, duplicate router-id with both ends
    /// named, no carrier, no hello.
    pub problem: Option<String>,
    /// Where nobody is there: who was, and when its last hello came.
    #[serde(default)]
    pub last: Option<LastNeighborRow>,
}

/// The neighbour that a port had last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastNeighborRow {
    /// Its router-id.
    pub router_id: RouterId,
    /// Time since its last hello.
    pub heard_ago_ms: u64,
}

/// A BFD session, or a fabric port that has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BfdRow {
    /// Port name.
    pub port: String,
    /// The neighbour's link-local address; none where there is no session.
    pub address: Option<Ipv6Addr>,
    /// State of RFC 5880 §4.1, or `none` where there is no session; nothing but the reason and what
    /// became of earlier sessions is known then.
    pub state: String,
    /// Why there is no session, where there is none.
    #[serde(default)]
    pub reason: Option<String>,
    /// Time in this state.
    pub state_age_ms: u64,
    /// The neighbour's state.
    pub remote_state: String,
    /// Why this end left the state Up last.
    pub diagnostic: String,
    /// Why the other end did.
    pub remote_diagnostic: String,
    /// Whether it was Up and failed: its next hops are not used, and OSPF waits for it.
    pub is_failed: bool,
    /// Whether the neighbour speaks no BFD.
    pub is_silent: bool,
    /// Time between two packets to it, before jitter; none where none are sent.
    pub transmit_interval_us: Option<u64>,
    /// Time between two packets from it, before jitter.
    pub receive_interval_us: u64,
    /// Silence after which it is dead; zero before it was heard.
    pub detection_time_us: u64,
    /// Detection multiplier.
    pub multiplier: u8,
    /// The neighbour's.
    pub remote_multiplier: u8,
    /// Own discriminator.
    pub discriminator: u32,
    /// The neighbour's; zero where it is not known.
    pub remote_discriminator: u32,
    /// Whether new intervals are being agreed on (RFC 5880 §6.5).
    pub is_polling: bool,
    /// Whether packets are authenticated.
    pub is_authenticated: bool,
    /// How often sessions of this port went down from Up.
    pub down_count: u64,
    /// The last time.
    pub last_down: Option<BfdDownRow>,
    /// Packets sent by the port's sessions.
    pub sent_packets: u64,
    /// Packets that they accepted.
    pub received_packets: u64,
    /// Packets that were refused; `show errors` says why.
    pub refused_packets: u64,
    /// Packets that could not be made.
    pub unsent_packets: u64,
    /// Detection times extended because the worker was late itself.
    pub late_extension_count: u64,
}

/// A session that went down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BfdDownRow {
    /// How long ago.
    pub age_ms: u64,
    /// Why, in the words of RFC 5880 §4.1.
    pub reason: String,
}

/// An OSPF interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OspfInterfaceRow {
    /// Port name.
    pub port: String,
    /// Interface id in LSAs.
    pub interface_id: u32,
    /// `point-to-point`, `passive`, `loopback`.
    pub kind: String,
    /// State of RFC 2328 §9.1.
    pub state: String,
    /// Area.
    pub area: AreaId,
    /// Cost.
    pub cost: u16,
    /// Hello interval.
    pub hello_interval_ms: u64,
    /// Dead interval.
    pub dead_interval_ms: u64,
    /// Neighbours in state Full.
    pub full_count: u32,
    /// Neighbours of any state.
    pub neighbor_count: u32,
}

/// An LSA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LsaRow {
    /// Scope: `link PORT`, `area A`, `as`.
    pub scope: String,
    /// LS type in words, or hexadecimal where unknown.
    pub kind: String,
    /// Link state id.
    pub id: u32,
    /// Advertising router.
    pub router: RouterId,
    /// Age in seconds.
    pub age_s: u16,
    /// Sequence number, hexadecimal.
    pub sequence: String,
    /// Checksum, hexadecimal.
    pub checksum: String,
    /// Length in octets.
    pub length: u16,
    /// Body in words, a line each.
    pub body: Vec<String>,
}

/// One way out, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextHopRow {
    /// Port name.
    pub port: String,
    /// Neighbour's address.
    pub address: Option<Ipv6Addr>,
    /// Its MAC where resolved.
    pub mac: Option<MacAddress>,
    /// Liveness flag.
    pub is_alive: bool,
}

/// A route of OSPF.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OspfRouteRow {
    /// Destinations.
    pub prefix: Ipv6Prefix,
    /// Cost.
    pub cost: u32,
    /// `intra-area`, …
    pub kind: String,
    /// Ways.
    pub next_hops: Vec<NextHopRow>,
}

/// What protects the routes of OSPF.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OspfRepairs {
    /// Routes over neighbours.
    pub route_count: u32,
    /// Those with another way around a dead link of this router, whether or not it can be taken.
    #[serde(default)]
    pub link_protectable_count: u32,
    /// Those that survive the death of a link of this router.
    pub link_count: u32,
    /// Hundredths of those with another way that survive a link; 100 for all of them only, `None`
    /// where no route has another way.
    pub link_coverage_percent: Option<u32>,
    /// Those over one neighbour with another way around it when it is dead. None leads to the
    /// neighbour itself, and equal-cost ways are not counted, which may share a router.
    #[serde(default)]
    pub node_protectable_count: u32,
    /// Those with a repair that survives the death of the neighbour.
    pub node_count: u32,
    /// Hundredths of those with another way that survive the neighbour, as for links.
    pub node_coverage_percent: Option<u32>,
    /// Destinations on this router itself or on a network of its ports, which need no repair.
    #[serde(default)]
    pub own_prefixes: Vec<Ipv6Prefix>,
    /// Each of them.
    pub rows: Vec<OspfRepairRow>,
}

/// What protects one route of OSPF.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OspfRepairRow {
    /// Destinations.
    pub prefix: Ipv6Prefix,
    /// Ways.
    pub next_hops: Vec<NextHopRow>,
    /// `equal-cost` (the other ways), `alternate` (RFC 5286), `tunnel`, or `none`.
    pub kind: String,
    /// Who takes the packets of a repair.
    pub via: Option<NextHopRow>,
    /// Destinations of the headers put in front of them, the outermost first.
    pub segments: Vec<Ipv6Addr>,
    /// What may die: `link` or `node`; `None` where nothing may.
    pub protects: Option<String>,
    /// Why there is no repair.
    pub reason: Option<String>,
}

/// SPF statistics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpfRow {
    /// Runs since the start.
    pub run_count: u64,
    /// Time since the last one.
    pub last_run_ago_ms: Option<u64>,
    /// How long the last one took, microseconds.
    pub last_duration_us: u64,
    /// Routers in the last tree.
    pub router_count: u32,
    /// Prefixes it found.
    pub prefix_count: u32,
    /// Back-off state of RFC 8405 §5: `quiet`, `short wait`, `long wait`.
    pub backoff: String,
    /// What triggered it.
    pub last_trigger: String,
}

/// A route of the RIB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteRow {
    /// Destinations.
    pub prefix: Ipv6Prefix,
    /// Who says it.
    pub source: RouteSource,
    /// Administrative distance.
    pub distance: u8,
    /// Metric.
    pub metric: u32,
    /// Whether it is the one in the FIB.
    pub is_selected: bool,
    /// `via`, `on-link`, `adjacency`, `local`, `unreachable`, `blackhole`.
    pub target: String,
    /// Ways.
    pub next_hops: Vec<NextHopRow>,
    /// The way while none of them lives.
    #[serde(default)]
    pub repair: Option<RepairRow>,
}

/// The way of packets while every next hop of a route is dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairRow {
    /// The neighbour that gets them.
    pub via: NextHopRow,
    /// Ends of the tunnels that they travel in, the outermost first; none of a plain alternate.
    pub segments: Vec<Ipv6Addr>,
}

/// A prefix of the FIB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FibRow {
    /// Destinations.
    pub prefix: Ipv6Prefix,
    /// Group number.
    pub group: u16,
    /// `forward`, `on-link`, `adjacency`, `local`, `unreachable`, `blackhole`.
    pub target: String,
    /// Ways.
    pub next_hops: Vec<NextHopRow>,
    /// The way while none of them lives.
    #[serde(default)]
    pub repair: Option<RepairRow>,
}

/// A worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LcoreRow {
    /// Number.
    pub lcore: u16,
    /// CPU it is pinned to.
    pub cpu: Option<u16>,
    /// Loops run.
    pub loop_count: u64,
    /// Loops that found nothing.
    pub idle_loop_count: u64,
    /// Times it slept.
    pub sleep_count: u64,
    /// Packets given to other workers, where a port has fewer queues than there are workers.
    #[serde(default)]
    pub handed_over_count: u64,
    /// Packets got from other workers.
    #[serde(default)]
    pub taken_over_count: u64,
    /// Packets that went by a repair, since every next hop of their route was dead.
    #[serde(default)]
    pub repaired_count: u64,
    /// Packets taken out of the tunnel of somebody's repair.
    #[serde(default)]
    pub decapsulated_count: u64,
    /// Stages in graph order.
    pub stages: Vec<StageRow>,
}

/// A stage of the graph.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageRow {
    /// Node name.
    pub node: String,
    /// Times it ran.
    pub call_count: u64,
    /// Packets it saw.
    pub packet_count: u64,
    /// TSC cycles it took.
    pub cycle_count: u64,
}

/// A pool of packet buffers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MempoolRow {
    /// Name.
    pub name: String,
    /// Octets of one buffer, with everything around it.
    pub element_bytes: u32,
    /// Octets that stay free before a frame, for encapsulations.
    pub headroom_bytes: u16,
    /// Octets of a buffer, headroom included.
    pub data_room_bytes: u16,
    /// The longest packet that fits into one buffer.
    pub mtu_bytes: u16,
    /// Buffers.
    pub element_count: u32,
    /// Buffers in devices, bursts and rings.
    pub in_use_count: u32,
    /// Buffers that are free, those in the caches included.
    pub available_count: u32,
    /// Times that a buffer was wanted and none was there, over all pools.
    pub shortage_count: u64,
    /// Octets of all its memory.
    pub memory_bytes: u64,
    /// Hugepages of 2 MiB that it fills; `None` where it lies in ordinary memory.
    pub hugepage_count: Option<u64>,
    /// Caches of threads.
    pub caches: Vec<PoolCacheRow>,
    /// How its size comes about.
    pub needs: Vec<PoolNeedRow>,
}

/// The free buffers that a thread keeps for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolCacheRow {
    /// Name of the thread.
    pub thread: String,
    /// Buffers in it now.
    pub cached_count: u32,
    /// Buffers that it is filled up to.
    pub size: u32,
}

/// A line of the arithmetic of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolNeedRow {
    /// Who needs them: `port NAME`, `rings`, …; last `pool`, what it was made with.
    pub what: String,
    /// How many, as a calculation.
    pub arithmetic: String,
    /// How many.
    pub buffer_count: u32,
}

/// A counter of something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorRow {
    /// Where: `dataplane`, `ospf`, `nd`, `port NAME`, …
    pub place: String,
    /// Counter name.
    pub name: String,
    /// Count.
    pub count: u64,
    /// What it means and what to do.
    pub help: String,
}

/// The configuration that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigRow {
    /// As TOML, with defaults.
    pub text: String,
    /// Blocks that are inactive here, with the reason.
    pub inactive: Vec<String>,
}
