//! What the daemon knows by itself: workers, devices, the process. It completes the answers of the
//! control plane.
//!
//! Owns the list of ports as readers see it. *Invariants*: reading costs the workers nothing; their
//! counters are cells that anybody may read.

use crate::api::ShowQuery;
use crate::api::show::{
    BfdRow, ErrorRow, LcoreRow, MempoolRow, PortRow, ShowReply, StageRow, VersionRow,
};
use crate::api::show_tenant::{MacPage, MacQuery, MacRow, TenantRow};
use crate::base::ids::{LcoreId, MemberId, PortId};
use crate::base::time::Instant;
use crate::daemon::clock::Clock;
use crate::daemon::counters::{DaemonCounter, DaemonCounters};
use crate::daemon::devices::{DeviceStats, PacketMemory};
use crate::dataplane::counters::{BfdCounts, PortCounts};
use crate::dataplane::mac_table::{MacKey, Tick};
use crate::dataplane::{
    DropReason, LcoreCounters, LcoreSnapshot, MacTable, MemberCounts, NodeId, SilenceReason,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A worker, for readers.
#[derive(Clone, Debug)]
pub struct ObservedWorker {
    /// Its number.
    pub lcore: LcoreId,
    /// Its CPU.
    pub cpu: u16,
    /// Its cells.
    pub counters: Arc<LcoreCounters>,
}

/// A port, for readers.
#[derive(Clone, Debug)]
struct ObservedPort {
    name: String,
    stats: Arc<dyn DeviceStats>,
    /// What a port of the same number had counted before this one.
    before: PortCounts,
}

/// The observer; one per process, shared by `Arc`.
#[derive(Debug)]
pub struct Observer {
    clock: Clock,
    name: String,
    dpdk: String,
    workers: Vec<ObservedWorker>,
    /// Locked by readers and by the main thread, never by a worker.
    ports: Mutex<BTreeMap<PortId, ObservedPort>>,
    counters: Arc<DaemonCounters>,
    memory: Arc<dyn PacketMemory>,
    /// Of tenants; none where nothing is bridged.
    macs: Option<Arc<MacTable>>,
}

/// Buckets of the table of MACs that a page is about: some thousand MACs where it is full, found
/// within a millisecond.
const MAC_PAGE_BUCKETS: usize = 1024;

/// The counter of a device that tells of buffers it found none of.
const NO_BUFFER: &str = "rx_no_buffer";

impl Observer {
    /// An observer of these workers; `dpdk` is its version.
    pub fn new(
        clock: Clock,
        name: String,
        dpdk: String,
        workers: Vec<ObservedWorker>,
        counters: Arc<DaemonCounters>,
    ) -> Self {
        let (ports, memory) = (Mutex::default(), Arc::new(()));
        Self { clock, name, dpdk, workers, ports, counters, memory, macs: None }
    }

    /// The same, with the packet memory.
    #[must_use]
    pub fn with_memory(self, memory: Arc<dyn PacketMemory>) -> Self {
        Self { memory, ..self }
    }

    /// The same, with the MACs of tenants.
    #[must_use]
    pub fn with_macs(self, macs: Arc<MacTable>) -> Self {
        Self { macs: Some(macs), ..self }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    fn ports(&self) -> MutexGuard<'_, BTreeMap<PortId, ObservedPort>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Name of the router.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ports that are open, with their names.
    pub fn port_names(&self) -> BTreeMap<PortId, String> {
        self.ports().iter().map(|(id, port)| (*id, port.name.clone())).collect()
    }

    /// A port was opened.
    pub fn add_port(&self, port: PortId, name: String, stats: Arc<dyn DeviceStats>) {
        let before = self.sum().port(port);
        self.ports().insert(port, ObservedPort { name, stats, before });
    }

    /// A port has this name from now on.
    pub fn name_port(&self, port: PortId, name: &str) {
        if let Some(port) = self.ports().get_mut(&port) {
            name.clone_into(&mut port.name);
        }
    }

    /// A port was closed.
    pub fn remove_port(&self, port: PortId) {
        self.ports().remove(&port);
    }

    fn sum(&self) -> LcoreSnapshot {
        let mut sum = LcoreSnapshot::default();
        self.workers.iter().for_each(|worker| sum.add(&worker.counters.snapshot()));
        sum
    }

    /// What can be said without the control plane: all of `show runtime`, `show mempool` and MACs;
    /// of version and errors the daemon's part, for when the control plane does not answer.
    pub fn alone(&self, query: &ShowQuery) -> Option<ShowReply> {
        match query {
            ShowQuery::Runtime => Some(ShowReply::Runtime(self.lcore_rows())),
            ShowQuery::Mempool => Some(ShowReply::Mempool(self.mempool_rows())),
            ShowQuery::BridgeMac(asked) => Some(ShowReply::BridgeMac(self.mac_page(asked))),
            ShowQuery::Version => Some(self.complete(
                query,
                ShowReply::Version(VersionRow { name: self.name.clone(), ..VersionRow::default() }),
            )),
            ShowQuery::Errors { .. } => Some(self.complete(query, ShowReply::Errors(Vec::new()))),
            _ => None,
        }
    }

    /// Adds the daemon's part to an answer of the control plane.
    pub fn complete(&self, query: &ShowQuery, mut reply: ShowReply) -> ShowReply {
        match &mut reply {
            ShowReply::Version(row) => {
                row.version = env!("CARGO_PKG_VERSION").to_owned();
                row.dpdk = self.dpdk.clone();
                let uptime = self.clock.now() - Instant::ZERO;
                row.uptime_ms = u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX);
                row.pid = std::process::id();
            }
            ShowReply::Ospf(row) => row.transit_packet_count = self.sum().transit,
            ShowReply::Port(rows) => rows.iter_mut().for_each(|row| self.fill_port(row)),
            ShowReply::Bfd(rows) => self.fill_bfd(rows),
            ShowReply::Tenant(rows) => rows.iter_mut().for_each(|row| self.fill_tenant(row)),
            ShowReply::Errors(rows) => {
                let all = matches!(query, ShowQuery::Errors { all: true });
                rows.extend(self.error_rows().into_iter().filter(|row| all || row.count > 0));
            }
            _ => {}
        }
        reply
    }

    fn fill_port(&self, row: &mut PortRow) {
        let now = self.sum().port(row.port);
        let ports = self.ports();
        let Some(port) = ports.get(&row.port) else { return };
        row.rx_packets = now.rx_packets.saturating_sub(port.before.rx_packets);
        row.rx_bytes = now.rx_bytes.saturating_sub(port.before.rx_bytes);
        row.tx_packets = now.tx_packets.saturating_sub(port.before.tx_packets);
        row.tx_bytes = now.tx_bytes.saturating_sub(port.before.tx_bytes);
        row.tx_dropped_packets = now.tx_dropped.saturating_sub(port.before.tx_dropped);
        row.rx_missed_packets = port.stats.missed();
        row.abilities = port.stats.abilities();
    }

    fn fill_tenant(&self, row: &mut TenantRow) {
        let Some(macs) = &self.macs else { return };
        let workers: Vec<_> =
            self.workers.iter().map(|worker| Arc::clone(&worker.counters)).collect();
        for member in &mut row.members {
            member.mac_count = macs.count_of(member.member);
            let counts = MemberCounts::of(&workers, member.member);
            member.rx_frames = counts.rx_frames;
            member.rx_octets = counts.rx_octets;
            member.tx_frames = counts.tx_frames;
            member.tx_octets = counts.tx_octets;
        }
        row.mac_count = row.members.iter().map(|member| member.mac_count).sum();
    }

    /// A page of the MACs that are known.
    fn mac_page(&self, asked: &MacQuery) -> MacPage {
        let Some(table) = &self.macs else { return MacPage::default() };
        let (from, tick) = (asked.from as usize, Tick::at(self.clock.now()));
        let is_wanted = |key: MacKey| asked.domain.is_none_or(|domain| domain == key.domain());
        let found = table
            .entries_from(from, tick)
            .take_while(|(bucket, _)| *bucket < from.saturating_add(MAC_PAGE_BUCKETS));
        let row = |(key, member, is_static): (MacKey, MemberId, bool)| MacRow {
            mac: key.mac(),
            domain: key.domain(),
            member,
            is_static,
            tenant: None,
            behind: None,
        };
        let macs = found.map(|(_, entry)| entry).filter(|entry| is_wanted(entry.0)).map(row);
        let next = from.saturating_add(MAC_PAGE_BUCKETS);
        let next = u32::try_from(next).ok().filter(|_| next < table.bucket_count());
        MacPage { macs: macs.collect(), next }
    }

    /// The control plane knows the names of ports only.
    fn fill_bfd(&self, rows: &mut [BfdRow]) {
        let (sum, names) = (self.sum(), self.port_names());
        for row in rows {
            let port = names.iter().find(|(_, name)| **name == row.port).map(|(port, _)| *port);
            let counts = port.map(|port| sum.bfd(port)).unwrap_or_default();
            row.sent_packets = counts.sent;
            row.received_packets = counts.received;
            row.refused_packets = counts.refused;
            row.unsent_packets = counts.unsent;
            row.late_extension_count = counts.late_extensions;
        }
    }

    fn mempool_rows(&self) -> Vec<MempoolRow> {
        let of_device = |port: &ObservedPort| {
            let losses = port.stats.losses().into_iter();
            losses.filter(|(name, ..)| *name == NO_BUFFER).map(|(_, count, _)| count).sum::<u64>()
        };
        let of_devices: u64 = self.ports().values().map(of_device).sum();
        let shortage_count = of_devices + self.counters.get(DaemonCounter::InjectNoBuffer);
        let pools = self.memory.pools().into_iter();
        pools.map(|row| MempoolRow { shortage_count, ..row }).collect()
    }

    fn error_rows(&self) -> Vec<ErrorRow> {
        let row = |place: &str, name: &str, count, help: &str| ErrorRow {
            place: place.to_owned(),
            name: name.to_owned(),
            count,
            help: help.to_owned(),
        };
        let sum = self.sum();
        let drops = DropReason::ALL
            .iter()
            .map(|reason| (reason.name(), sum.dropped(*reason), reason.help()));
        let silences = SilenceReason::ALL
            .iter()
            .map(|reason| (reason.name(), sum.silenced(*reason), reason.help()));
        let mut rows: Vec<_> = drops
            .chain(silences)
            .map(|(name, count, help)| row("dataplane", name, count, help))
            .collect();
        let help = "Copies for captures and traces that did not keep up; no packet was lost.";
        rows.push(row("dataplane", "capture_lost", sum.capture_lost, help));
        let of_bfd = |count: fn(&BfdCounts) -> u64| sum.bfd.iter().map(count).sum();
        let help = "BFD packets that could not be sent for want of a buffer; see `show mempool`.";
        rows.push(row("bfd", "unsent", of_bfd(|counts| counts.unsent), help));
        let help = "BFD neighbours given more time because this router's worker was late itself; \
                    it lacks CPU time.";
        rows.push(row("bfd", "late_extensions", of_bfd(|counts| counts.late_extensions), help));
        for port in self.ports().values() {
            let place = format!("port {}", port.name);
            let losses = port.stats.losses().into_iter();
            rows.extend(losses.map(|(name, count, help)| row(&place, name, count, help)));
        }
        for counter in DaemonCounter::ALL {
            let count = self.counters.get(*counter);
            rows.push(row("daemon", counter.name(), count, counter.help()));
        }
        rows
    }

    fn lcore_rows(&self) -> Vec<LcoreRow> {
        let rows = self.workers.iter().map(|worker| {
            let counts = worker.counters.snapshot();
            let stage = |node: &NodeId| {
                let cells = counts.node(*node);
                StageRow {
                    node: node.name().to_owned(),
                    call_count: cells.calls,
                    packet_count: cells.packets,
                    cycle_count: cells.cycles,
                }
            };
            LcoreRow {
                lcore: worker.lcore.0,
                cpu: Some(worker.cpu),
                loop_count: counts.loops,
                idle_loop_count: counts.idle_loops,
                sleep_count: counts.sleeps,
                handed_over_count: counts.handed_over,
                taken_over_count: counts.taken_over,
                repaired_count: counts.repaired,
                decapsulated_count: counts.decapsulated,
                stages: NodeId::ALL.iter().map(stage).collect(),
            }
        });
        rows.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observer() -> Observer {
        let counters = Arc::new(LcoreCounters::new(1));
        counters.count_drops(DropReason::NoRoute, 3);
        let worker = ObservedWorker { lcore: LcoreId(0), cpu: 1, counters };
        let name = "s01".to_owned();
        Observer::new(Clock::start(), name, "DPDK 1".to_owned(), vec![worker], Arc::default())
    }

    #[test]
    fn errors_show_what_is_not_zero_or_all() {
        let observer = observer();
        let Some(ShowReply::Errors(rows)) = observer.alone(&ShowQuery::Errors { all: false })
        else {
            unreachable!("the daemon answers")
        };
        assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["no_route"]);
        let Some(ShowReply::Errors(rows)) = observer.alone(&ShowQuery::Errors { all: true }) else {
            unreachable!("the daemon answers")
        };
        let is_shown = |name: &str| rows.iter().any(|row| row.name == name);
        assert!(DropReason::ALL.iter().all(|reason| is_shown(reason.name())));
        assert!(SilenceReason::ALL.iter().all(|reason| is_shown(reason.name())));
        assert!(rows.iter().all(|row| row.help.ends_with('.')));
    }

    #[test]
    fn the_version_is_answered_without_the_control_plane() {
        let Some(ShowReply::Version(row)) = observer().alone(&ShowQuery::Version) else {
            unreachable!("the daemon answers")
        };
        assert_eq!((row.name.as_str(), row.dpdk.as_str()), ("s01", "DPDK 1"));
    }
}
