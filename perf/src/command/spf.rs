//! `kumiki-perf spf`: OSPF in a large area: routes after a change, repairs, loading, memory.
//!
//! Owns the words of the command and the rounds. The area is [`crate::area`], the neighbour that
//! tells of it [`crate::speaker`].
//!
//! *Invariants*: every round changes something that routes depend on, so that no round is idle; the
//! parts of a round are measured in the same round.

use crate::area::{AreaError, Costs, MadeUpArea, Shape, prefix_lsa, router_id};
use crate::command::output::OutputArguments;
use crate::command::{Outcome, at_least_one};
use crate::document::{Better, Document, Series, Sheet};
use crate::measure::{Spread, nanoseconds};
use crate::speaker::load;
use clap::Args;
use kumiki::base::prng::Prng;
use kumiki::base::route::Protection;
use kumiki::proto::ospf::CoverView;
use kumiki::proto::ospf::calculate::RoutingTable;
use serde::Serialize;
use std::collections::BTreeMap;

/// OSPF in a large area: routes, repairs, loading
#[derive(Args, Debug)]
pub struct SpfArguments {
    /// How many routers
    #[arg(long, default_value_t = 5000)]
    routers: usize,
    /// How they are cabled
    #[arg(long, value_enum, default_value_t = Shape::Torus)]
    topology: Shape,
    /// What the cables cost
    #[arg(long, value_enum, default_value_t = Costs::Equal)]
    costs: Costs,
    /// Rounds of each measurement
    #[arg(long, default_value_t = 101, value_parser = at_least_one())]
    rounds: usize,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Serialize)]
struct SpfReport {
    routers: usize,
    cables: usize,
    routes: usize,
    spf_ms_p50: f64,
    spf_ms_p99: f64,
    repair_ms_p50: f64,
    repair_ms_p99: f64,
    leaf_ms_p50: f64,
    leaf_ms_p99: f64,
    lsdb_bytes: usize,
    load_ms: f64,
    load_with_routes_ms: f64,
    load_repetitions: u64,
    load_packets: u64,
    lsas: usize,
    routes_with_several_next_hops: usize,
    routes_that_survive_a_node: usize,
    routes_that_survive_a_link: usize,
    routes_unprotected: usize,
    repairs: usize,
    headers_max: usize,
}

/// Milliseconds, one a round.
#[derive(Default)]
struct Times {
    spf: Vec<f64>,
    repair: Vec<f64>,
    leaf: Vec<f64>,
}

/// Runs the command.
pub fn run(arguments: &SpfArguments) -> Outcome {
    let area = MadeUpArea::new(arguments.routers, arguments.topology, arguments.costs)?;
    let (load, ospf) = load(&area)?;
    let lsdb_bytes = ospf.heap_bytes();
    drop(ospf);
    let mut table = RoutingTable::default();
    for router in 0..area.router_count() {
        area.lsas(router)?.iter().for_each(|lsa| table.learn(lsa));
    }
    table.calculate(router_id(0), &area.adjacencies());
    let times = measure(&area, &mut table, arguments.rounds)?;
    let (spf, repair, leaf) = (
        Spread::of(times.spf.clone()),
        Spread::of(times.repair.clone()),
        Spread::of(times.leaf.clone()),
    );
    let mut report = SpfReport {
        routers: area.router_count(),
        cables: area.cable_count(),
        routes: 0,
        spf_ms_p50: spf.p50,
        spf_ms_p99: p99(times.spf),
        repair_ms_p50: repair.p50,
        repair_ms_p99: p99(times.repair),
        leaf_ms_p50: leaf.p50,
        leaf_ms_p99: p99(times.leaf),
        lsdb_bytes,
        load_ms: load.full_ms,
        load_with_routes_ms: load.routes_ms,
        load_repetitions: load.repetitions,
        load_packets: load.packets,
        lsas: load.lsas,
        routes_with_several_next_hops: 0,
        routes_that_survive_a_node: 0,
        routes_that_survive_a_link: 0,
        routes_unprotected: 0,
        repairs: 0,
        headers_max: 0,
    };
    report.count(&table);
    let mut document = Document::of_this_run("spf", "OSPF in a large area");
    let lower = Better::Lower;
    let mebibytes = lsdb_bytes as f64 / f64::from(1 << 20);
    document.series = vec![
        Series::new("tree and routes after a change", "ms", lower, spf),
        Series::new("repairs after a change", "ms", lower, repair),
        Series::new("routes after a changed prefix", "ms", lower, leaf),
        Series::single("loading until Full", "ms", lower, load.full_ms),
        Series::single("databases and routes", "MiB", lower, mebibytes),
    ];
    document.sheets.push(report.sheet(&document.series));
    document.sheets.iter().for_each(Sheet::print);
    document.add_details(&report);
    arguments.output.write(&document)
}

/// Changes the links of one router after the other, all over the area, and prefixes.
fn measure(area: &MadeUpArea, table: &mut RoutingTable, rounds: usize) -> Result<Times, AreaError> {
    let mut random = Prng::new(0x6b75_6d69_6b69_0004);
    let (adjacencies, mut times) = (area.adjacencies(), Times::default());
    for round in 0..rounds {
        let others = area.router_count() - 1;
        let router = 1 + usize::try_from(random.below(others as u64)).unwrap_or(0);
        let changed = [area.router_lsa(router, 2)?, area.router_lsa(router, 1)?];
        for lsa in changed {
            let tree = nanoseconds(&mut || {
                table.learn(&lsa);
                table.calculate_tree(router_id(0), &adjacencies);
            });
            let repair = nanoseconds(&mut || table.calculate_repairs());
            let routes = nanoseconds(&mut || drop(table.calculate_routes()));
            times.spf.push((tree + routes) / 1e6);
            times.repair.push(repair / 1e6);
        }
        let lsa = prefix_lsa(router, u16::try_from(1 + round % 2).unwrap_or(1))?;
        times.leaf.push(
            nanoseconds(&mut || {
                table.learn(&lsa);
                drop(table.calculate_prefixes());
            }) / 1e6,
        );
    }
    Ok(times)
}

impl SpfReport {
    /// Counts routes by what protects them.
    fn count(&mut self, table: &RoutingTable) {
        let mut repairs = BTreeMap::new();
        for route in table.routes() {
            match route.cover {
                CoverView::Own => continue,
                CoverView::EqualCost => self.routes_with_several_next_hops += 1,
                CoverView::None(_) => self.routes_unprotected += 1,
                CoverView::Repair(repair) => {
                    match repair.protects {
                        Protection::Node => self.routes_that_survive_a_node += 1,
                        Protection::Link => self.routes_that_survive_a_link += 1,
                    }
                    self.headers_max = self.headers_max.max(repair.segments.len());
                    *repairs.entry(repair).or_insert(0_usize) += 1;
                }
            }
            self.routes += 1;
        }
        self.repairs = repairs.len();
    }

    fn sheet(&self, series: &[Series]) -> Sheet {
        let title = format!(
            "{} routers, {} cables, {} routes, {} LSAs",
            self.routers, self.cables, self.routes, self.lsas
        );
        let mut sheet = Sheet::new(title, &["what", "unit", "p50", "p10 .. p90"]);
        for Series { name, unit, spread, .. } in series {
            let tenths = format!("{:.2} .. {:.2}", spread.p10, spread.p90);
            let row = [name.clone(), unit.clone(), format!("{:.2}", spread.p50), tenths];
            sheet.rows.push(row.to_vec());
        }
        let repeated = ("packets and LSAs repeated while loading", self.load_repetitions);
        let counts = [
            ("routes with several next hops", self.routes_with_several_next_hops),
            ("routes that survive their neighbour", self.routes_that_survive_a_node),
            ("routes that survive their link", self.routes_that_survive_a_link),
            ("routes unprotected", self.routes_unprotected),
            ("different repairs", self.repairs),
            ("headers of a repair at most", self.headers_max),
        ];
        let counts = counts.map(|(name, count)| (name, count as u64));
        for (name, count) in core::iter::once(repeated).chain(counts) {
            let row = [name.to_owned(), String::new(), count.to_string(), String::new()];
            sheet.rows.push(row.to_vec());
        }
        sheet
    }
}

/// Of a hundred values, the second greatest.
fn p99(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() * 99).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or(0.0)
}
