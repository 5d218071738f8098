//! What a test of clusters with exits found: tables for people, JSON for programs.
//!
//! Owns what comes on top of [`super::report`]: the looks at every stage, and what each fault did
//! to the exits.
//!
//! *Invariants*: the names of JSON fields are stable within [`super::report::TEST_SCHEMA`]; fields
//! are only ever added. Counts are plain numbers, times are in the unit of their name.

use crate::base::prefix::Ipv6Prefix;
use crate::lab::report::{TABLE_STYLE, TestReport, milliseconds};
use crate::lab::trial::{Found, StreamFigures};
use comfy_table::{Cell, CellAlignment, Table};
use serde::Serialize;
use std::collections::BTreeMap;

/// A whole test of two clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ExitsReport {
    /// What every test has.
    #[serde(flatten)]
    pub test: TestReport,
    /// Name of the scenario.
    pub scenario: &'static str,
    /// What runs on the provider.
    pub isp: &'static str,
    /// The clusters in order.
    pub clusters: Vec<ClusterRow>,
    /// Whether everybody who has to be reached was, at every stage.
    pub reachable: bool,
    /// Prefixes in the provider's table that came from a cluster and are not its aggregate: the
    /// most at any stage.
    pub ospf_routes_in_bgp: usize,
    /// Milliseconds until the last flow had moved to another exit: the worst of all faults. `None`
    /// where no fault was made.
    pub exits_moved_ms: Option<f64>,
    /// Packets lost while edges came back, in all.
    pub lost_at_return: u64,
    /// Each fault in order.
    pub exits: Vec<ExitFault>,
    /// What was seen at the start, during each fault and after its repair.
    pub stages: Vec<Stage>,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterRow {
    /// Its AS.
    pub asn: u32,
    /// What it announces.
    pub aggregate: Ipv6Prefix,
    /// Its servers.
    pub servers: Vec<String>,
    /// Those with an uplink.
    pub edges: Vec<String>,
}

/// What was seen at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// `start`, a fault, or a fault and `mended`.
    pub stage: String,
    /// Whether all the counts below are what they have to be.
    pub reachable: bool,
    /// Pairs of hosts, of one cluster and of two, that have to reach each other.
    pub pairs: usize,
    /// Those that do.
    pub answered: usize,
    /// Hosts that have to reach the provider's own network.
    pub outside_hosts: usize,
    /// Those that do.
    pub outside_answered: usize,
    /// Routers that have to know the way out.
    pub routers: usize,
    /// Those that do: from OSPF, or from BGP on an edge.
    pub routers_with_exits: usize,
    /// Routes to parts of another cluster, or to what no policy lets in, over all routers.
    pub leaked_routes: usize,
    /// The provider's table: each prefix that came from a cluster, and the edges that announced it.
    pub isp_routes: BTreeMap<Ipv6Prefix, Vec<String>>,
    /// Of these prefixes, those that are no configured aggregate.
    pub ospf_routes_in_bgp: usize,
}

/// What a fault did to the exits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExitFault {
    /// As it was asked for.
    pub fault: String,
    /// Milliseconds until the last flow had moved: the longest run of lost packets of any.
    pub exits_moved_ms: f64,
    /// Packets lost by it.
    pub lost_packets: u64,
    /// Packets lost when it was mended.
    pub lost_at_return: u64,
    /// Each flow between the clusters.
    pub flows: Vec<Flow>,
}

/// A flow between the clusters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flow {
    /// Source and sink.
    pub flow: String,
    /// Milliseconds of the longest run of lost packets; zero where its way did not cross the fault.
    pub moved_ms: f64,
    /// Packets lost by the fault.
    pub lost_packets: u64,
    /// Packets lost when it was mended.
    pub lost_at_return: u64,
}

impl ExitFault {
    /// From what was found.
    pub fn new(found: &Found) -> Self {
        let flow = |stream: &StreamFigures| Flow {
            flow: stream.name(),
            moved_ms: milliseconds(stream.broken.outage_ns),
            lost_packets: stream.broken.lost_packets,
            lost_at_return: stream.mended.lost_packets,
        };
        Self {
            fault: found.report.fault.clone(),
            exits_moved_ms: found.report.outage_ms,
            lost_packets: found.report.lost_packets,
            lost_at_return: found.report.restore_lost_packets,
            flows: found.streams.iter().map(flow).collect(),
        }
    }

    /// In words.
    pub fn sentence(&self) -> String {
        format!(
            "{}: exits moved in {:.1} ms, {} lost in {}; at return {} lost",
            self.fault,
            self.exits_moved_ms,
            self.lost_packets,
            self.flows_hit(),
            self.lost_at_return
        )
    }

    fn flows_hit(&self) -> String {
        let hit = self.flows.iter().filter(|flow| flow.lost_packets > 0).count();
        format!("{hit} of {} flows", self.flows.len())
    }
}

impl Stage {
    /// The provider's table in words.
    pub fn isp_sentence(&self) -> String {
        let rows: Vec<String> = self
            .isp_routes
            .iter()
            .map(|(prefix, edges)| format!("{prefix} from {}", edges.join(" ")))
            .collect();
        format!(
            "isp       hears {}",
            if rows.is_empty() { "nothing".into() } else { rows.join(", ") }
        )
    }

    /// What is not as it has to be, in words.
    pub fn complaint(&self) -> String {
        let mut text = format!(
            "{}: {} of {} host pairs, {} of {} hosts reach the world, {} of {} routers know it",
            self.stage,
            self.answered,
            self.pairs,
            self.outside_answered,
            self.outside_hosts,
            self.routers_with_exits,
            self.routers
        );
        if self.leaked_routes + self.ospf_routes_in_bgp > 0 {
            let (leaked, found) = (self.leaked_routes, self.ospf_routes_in_bgp);
            text.push_str(&format!("; {leaked} routes too many inside, {found} of OSPF in BGP"));
        }
        text
    }
}

impl ExitsReport {
    /// Sums up what the stages and the faults say.
    pub fn sum_up(&mut self) {
        self.reachable = self.stages.iter().all(|stage| stage.reachable);
        let strangers = self.stages.iter().map(|stage| stage.ospf_routes_in_bgp);
        self.ospf_routes_in_bgp = strangers.max().unwrap_or(0);
        let moved = self.exits.iter().map(|exit| exit.exits_moved_ms);
        self.exits_moved_ms = moved.max_by(f64::total_cmp);
        self.lost_at_return = self.exits.iter().map(|exit| exit.lost_at_return).sum();
    }

    /// The last line.
    pub fn verdict(&self) -> String {
        let well = self.stages.iter().filter(|stage| stage.reachable).count();
        let moved = match self.exits_moved_ms {
            Some(ms) => format!(
                "exits moved within {ms:.1} ms, {} packets lost at their return; ",
                self.lost_at_return
            ),
            None => String::new(),
        };
        format!(
            "{}: all reached at {well} of {} looks; {moved}{} routes of OSPF in BGP",
            if self.test.is_passed { "passed" } else { "FAILED" },
            self.stages.len(),
            self.ospf_routes_in_bgp
        )
    }

    /// Each fault a row.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(TABLE_STYLE);
        table.set_header([
            "fault",
            "exits moved",
            "lost",
            "hit",
            "host pairs",
            "world",
            "isp hears",
            "back",
            "lost then",
        ]);
        for (exit, report) in self.exits.iter().zip(&self.test.faults) {
            let during = self.stages.iter().find(|stage| stage.stage == exit.fault);
            let of = |count: fn(&Stage) -> (usize, usize)| {
                let text = during.map(count).map(|(found, of)| format!("{found} of {of}"));
                right(text.unwrap_or_else(|| "-".to_owned()))
            };
            let hears: Vec<&str> = during
                .into_iter()
                .flat_map(|stage| stage.isp_routes.values().flatten())
                .map(String::as_str)
                .collect();
            table.add_row([
                Cell::new(exit.fault.replace('+', "\n+")),
                right(format!("{:.1} ms", exit.exits_moved_ms)),
                right(exit.lost_packets.to_string()),
                right(exit.flows_hit()),
                of(|stage| (stage.answered, stage.pairs)),
                of(|stage| (stage.outside_answered, stage.outside_hosts)),
                Cell::new(hears.join(" ")),
                Cell::new(if report.recovered && report.restored { "yes" } else { "NO" }),
                right(exit.lost_at_return.to_string()),
            ]);
        }
        table
    }
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::probe::Figures;
    use crate::lab::report::{FaultReport, TEST_SCHEMA};

    fn found(fault: &str, lost: [u64; 2]) -> Found {
        let streams = lost.map(|lost_packets| StreamFigures {
            hosts: (1, 5),
            broken: Figures {
                lost_packets,
                outage_ns: lost_packets * 1_000_000,
                ..Figures::default()
            },
            mended: Figures { lost_packets: 1, ..Figures::default() },
        });
        let [broken, mended] = [streams[0].broken, streams[0].mended];
        let (broken, mended) = (broken.merge(streams[1].broken), mended.merge(streams[1].mended));
        let names = streams.iter().map(StreamFigures::name).collect();
        let report = FaultReport::new((fault, names, Vec::new()), (true, true), broken, mended);
        Found { report, streams: streams.to_vec() }
    }

    fn stage(name: &str, ospf_routes_in_bgp: usize) -> Stage {
        let aggregate = "fd4b:756d:696b::/48".parse().unwrap();
        let edges = ["s01", "s03", "s05", "s07"].map(str::to_owned).to_vec();
        Stage {
            stage: name.to_owned(),
            reachable: true,
            pairs: 42,
            answered: 42,
            isp_routes: BTreeMap::from([(aggregate, edges)]),
            ospf_routes_in_bgp,
            ..Stage::default()
        }
    }

    fn report() -> ExitsReport {
        let all = [found("kill:s01+kill:s02+kill:s06", [150, 0]), found("kill:s03", [0, 7])];
        let mut report = ExitsReport {
            test: TestReport { schema: TEST_SCHEMA, is_passed: true, ..TestReport::default() },
            exits: all.iter().map(ExitFault::new).collect(),
            stages: vec![stage("start", 0), stage("kill:s01+kill:s02+kill:s06", 2)],
            ..ExitsReport::default()
        };
        report.test.faults = all.into_iter().map(|found| found.report).collect();
        report.sum_up();
        report
    }

    #[test]
    fn json_has_the_promised_fields_beside_those_of_every_test() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!((&json["schema"], &json["reachable"]), (&TEST_SCHEMA.into(), &true.into()));
        assert_eq!(json["exits_moved_ms"], 150.0);
        assert_eq!(json["exits"][1]["exits_moved_ms"], 7.0);
        assert_eq!(json["exits"][0]["flows"][0]["flow"], "h02-h06");
        assert_eq!((&json["ospf_routes_in_bgp"], &json["lost_at_return"]), (&2.into(), &4.into()));
        assert_eq!(json["stages"][0]["isp_routes"]["fd4b:756d:696b::/48"][1], "s03");
        assert_eq!(json["faults"][0]["recovered"], true);
    }

    #[test]
    fn the_table_fits_the_terminal() {
        let text = report().table().to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
        assert!(text.contains("150.0 ms") && text.contains("1 of 2 flows"), "{text}");
        assert!(text.contains("s01 s03 s05 s07"), "{text}");
    }

    #[test]
    fn the_verdict_has_the_worst_of_everything() {
        let expected = "passed: all reached at 2 of 2 looks; exits moved within 150.0 ms, \
                        4 packets lost at their return; 2 routes of OSPF in BGP";
        assert_eq!(report().verdict(), expected);
    }
}
