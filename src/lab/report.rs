//! What a lab test found: a table for people, JSON for programs.
//!
//! *Invariants*: the names of JSON fields are stable within [`TEST_SCHEMA`]; fields are only ever
//! added. Counts are plain numbers, times are in the unit of their name.

use crate::lab::ping::PingRound;
use crate::lab::probe::Figures;
use crate::lab::summary::FaultSummary;
use comfy_table::{Cell, CellAlignment, LineStyle, Table, TableStyle};
use serde::Serialize;

/// A line under the header and no other.
pub const TABLE_STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
/// Name and version of the JSON.
pub const TEST_SCHEMA: &str = "kumiki.lab.test/1";

/// A whole test.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TestReport {
    /// [`TEST_SCHEMA`].
    pub schema: &'static str,
    /// Whether every fault recovered, and everything works at the end.
    pub is_passed: bool,
    /// Servers.
    pub servers: usize,
    /// The topology as it was asked for.
    pub topology: String,
    /// Driver of Kumiki's ports.
    pub driver: &'static str,
    /// What runs on each server, in order.
    pub kinds: Vec<&'static str>,
    /// Adjacencies in state Full at the end, counted at each end.
    pub adjacencies_full: usize,
    /// Adjacencies of the whole topology.
    pub adjacencies_expected: usize,
    /// BFD sessions in state Up at the end, counted at each end.
    pub bfd_up: usize,
    /// From the start of the last router until every adjacency was Full.
    pub adjacent_ms: u64,
    /// From the same start until every router knew every prefix.
    pub routed_ms: u64,
    /// From the same start until every pair of hosts answered both sizes.
    pub ready_ms: u64,
    /// Pings before the first fault.
    pub pings: Vec<PingReport>,
    /// Each fault in order.
    pub faults: Vec<FaultReport>,
    /// Each fault once, over all its repetitions.
    pub summaries: Vec<FaultSummary>,
}

/// One size of ping between all pairs of hosts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PingReport {
    /// Octets of ICMPv6 data.
    pub octets: usize,
    /// Ordered pairs asked.
    pub pairs: usize,
    /// Pairs that answered.
    pub answered: usize,
    /// Median round-trip time in microseconds.
    pub median_us: Option<u64>,
}

impl PingReport {
    /// From a round.
    pub fn new(octets: usize, pairs: usize, round: &PingRound) -> Self {
        let answered = pairs - round.missing.len();
        Self { octets, pairs, answered, median_us: round.median_us() }
    }

    /// In words.
    pub fn sentence(&self) -> String {
        let Self { octets, pairs, answered, .. } = self;
        let median = match self.median_us {
            Some(us) => format!(", median {us} µs"),
            None => String::new(),
        };
        format!("ping      {octets:>4} octets: {answered} of {pairs} host pairs answered{median}")
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FaultReport {
    /// As it was asked for.
    pub fault: String,
    /// Whether everything that is still connected worked again in time.
    pub recovered: bool,
    /// Whether everything worked again in time after the repair.
    pub restored: bool,
    /// The streams that probed it, source and sink.
    pub streams: Vec<String>,
    /// Parts of the fault that no stream crosses; the counts say nothing about them.
    pub not_measured: Vec<String>,
    /// Packets sent from the fault to the repair.
    pub sent_packets: u64,
    /// Of these, those that never arrived.
    pub lost_packets: u64,
    /// The same of the stream that lost most.
    pub stream_lost_packets: u64,
    /// The longest run of lost packets of one stream, in milliseconds.
    pub outage_ms: f64,
    /// The longest time without an arrival in one stream, in milliseconds.
    pub gap_ms: f64,
    /// Packets sent after the repair that never arrived.
    pub restore_lost_packets: u64,
    /// The longest run of these, in milliseconds.
    pub restore_outage_ms: f64,
    /// Packets that arrived twice, from the fault to the end.
    pub duplicates: u64,
    /// Packets that arrived after a later one, from the fault to the end.
    pub reordered: u64,
}

impl FaultReport {
    /// From the figures of fault and repair.
    pub fn new(
        (fault, streams, not_measured): (&str, Vec<String>, Vec<String>),
        (recovered, restored): (bool, bool),
        broken: Figures,
        mended: Figures,
    ) -> Self {
        Self {
            fault: fault.to_owned(),
            recovered,
            restored,
            streams,
            not_measured,
            sent_packets: broken.sent_packets,
            lost_packets: broken.lost_packets,
            stream_lost_packets: broken.stream_lost_packets,
            outage_ms: milliseconds(broken.outage_ns),
            gap_ms: milliseconds(broken.gap_ns),
            restore_lost_packets: mended.lost_packets,
            restore_outage_ms: milliseconds(mended.outage_ns),
            duplicates: broken.duplicates + mended.duplicates,
            reordered: broken.reordered + mended.reordered,
        }
    }
}

impl FaultReport {
    /// What was measured, in words.
    pub fn sentence(&self) -> String {
        let mut text = match self.streams.is_empty() {
            true => "not measured, nothing crosses it".to_owned(),
            false => format!(
                "{} lost, outage {:.1} ms; at restore {} lost",
                self.lost_packets, self.outage_ms, self.restore_lost_packets
            ),
        };
        if !self.streams.is_empty() && !self.not_measured.is_empty() {
            text.push_str(&format!("; not measured: {}", self.not_measured.join(", ")));
        }
        text
    }

    /// The streams, each once, as the table has them.
    fn probed(&self) -> String {
        let mut names = self.streams.clone();
        names.sort();
        names.dedup();
        let missing = self.not_measured.iter().map(|part| format!("not {part}"));
        names.into_iter().chain(missing).collect::<Vec<_>>().join("\n")
    }
}

/// Milliseconds with one decimal, for reading.
pub fn milliseconds(nanoseconds: u64) -> f64 {
    let tenths = u32::try_from(nanoseconds / 100_000).unwrap_or(u32::MAX);
    f64::from(tenths) / 10.0
}

/// The faults as a table.
pub fn fault_table(faults: &[FaultReport]) -> Table {
    let mut table = Table::new();
    table.load_style(TABLE_STYLE);
    table.set_header([
        "fault",
        "recovered",
        "lost",
        "outage",
        "restored",
        "lost then",
        "twice",
        "late",
        "measured",
    ]);
    for fault in faults {
        let word = |is_true| Cell::new(if is_true { "yes" } else { "NO" });
        // Zero would be a result.
        let measured = |text: String| match fault.streams.is_empty() {
            true => Cell::new("-").set_alignment(CellAlignment::Right),
            false => Cell::new(text).set_alignment(CellAlignment::Right),
        };
        let number = |count: u64| measured(count.to_string());
        table.add_row([
            Cell::new(fault.fault.replace('+', "\n+")),
            word(fault.recovered),
            number(fault.lost_packets),
            measured(format!("{:.1} ms", fault.outage_ms)),
            word(fault.restored),
            number(fault.restore_lost_packets),
            number(fault.duplicates),
            number(fault.reordered),
            Cell::new(fault.probed()),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_the_promised_fields() {
        let broken = Figures { lost_packets: 3, outage_ns: 3_140_000, ..Figures::default() };
        let mended = Figures { lost_packets: 1, duplicates: 2, ..Figures::default() };
        let fault =
            FaultReport::new(("cut:s01-s02", Vec::new(), Vec::new()), (true, true), broken, mended);
        let report = TestReport {
            schema: TEST_SCHEMA,
            adjacencies_full: 8,
            adjacencies_expected: 8,
            faults: vec![fault],
            ..TestReport::default()
        };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["schema"], "kumiki.lab.test/1");
        assert_eq!(
            (&json["adjacencies_full"], &json["adjacencies_expected"]),
            (&8.into(), &8.into())
        );
        let fault = &json["faults"][0];
        assert_eq!(fault["fault"], "cut:s01-s02");
        assert_eq!(fault["recovered"], true);
        assert_eq!(fault["lost_packets"], 3);
        assert_eq!(fault["outage_ms"], 3.1);
        assert_eq!(fault["restore_lost_packets"], 1);
        assert_eq!((&fault["duplicates"], &fault["reordered"]), (&2.into(), &0.into()));
    }

    #[test]
    fn the_table_fits_the_terminal() {
        let fault = FaultReport::new(
            ("cut:s01-s02+kill:s05", vec!["h01-h02".to_owned()], vec!["kill:s05".to_owned()]),
            (true, false),
            Figures { lost_packets: 30_000, outage_ns: 30_000_000_000, ..Figures::default() },
            Figures::default(),
        );
        let text = fault_table(&[fault]).to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.contains("30000") && text.contains("h01-h02"), "{text}");
        assert!(text.contains("not kill:s05"), "{text}");
    }

    #[test]
    fn what_no_stream_crosses_is_not_measured_instead_of_zero() {
        let fault = FaultReport::new(
            ("kill:s02", Vec::new(), vec!["kill:s02".to_owned()]),
            (true, true),
            Figures::default(),
            Figures::default(),
        );
        assert_eq!(fault.sentence(), "not measured, nothing crosses it");
        let text = fault_table(&[fault]).to_string();
        let row = text.lines().find(|line| line.contains("not kill:s02")).unwrap();
        assert!(row.contains(" - ") && !row.contains(" 0"), "{text}");
    }
}
