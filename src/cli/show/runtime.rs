//! `show runtime`: where the cycles of the workers go.

use crate::api::show::{LcoreRow, StageRow};
use crate::cli::show::look::{Look, Table, cell, optional};

/// A ratio in tenths, `-` where nothing was counted. Integers, so that the text is the same
/// everywhere.
fn ratio(sum: u64, count: u64) -> String {
    match sum.saturating_mul(10).checked_div(count) {
        Some(tenths) => format!("{}.{}", tenths / 10, tenths % 10),
        None => "-".to_owned(),
    }
}

fn stage_cells(row: &LcoreRow, stage: &StageRow) -> Vec<comfy_table::Cell> {
    vec![
        cell(row.lcore),
        cell(&stage.node),
        cell(stage.call_count),
        cell(stage.packet_count),
        cell(ratio(stage.packet_count, stage.call_count)),
        cell(ratio(stage.cycle_count, stage.packet_count)),
    ]
}

/// The tables: workers, then the stages that ran (all of them with `--detail`).
pub fn table(rows: &[LcoreRow], look: Look) -> String {
    let headings = ["WORKER", "CPU", "LOOPS", "IDLE LOOPS", "IDLE %", "SLEEPS", "HANDED OVER"];
    let headings = [&headings[..], &["TAKEN OVER", "REPAIRED", "OUT OF TUNNELS"]].concat();
    let mut workers = Table::new(look, &headings).numbers_in(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let headings = ["WORKER", "STAGE", "CALLS", "PACKETS", "PACKETS/CALL", "CYCLES/PACKET"];
    let mut stages = Table::new(look, &headings).numbers_in(&[0, 2, 3, 4, 5]);
    let mut stage_count = 0;
    for row in rows {
        workers.row(vec![
            cell(row.lcore),
            optional(row.cpu),
            cell(row.loop_count),
            cell(row.idle_loop_count),
            cell(ratio(row.idle_loop_count.saturating_mul(100), row.loop_count)),
            cell(row.sleep_count),
            cell(row.handed_over_count),
            cell(row.taken_over_count),
            cell(row.repaired_count),
            cell(row.decapsulated_count),
        ]);
        for stage in row.stages.iter().filter(|stage| look.has_detail || stage.call_count > 0) {
            stages.row(stage_cells(row, stage));
            stage_count += 1;
        }
    }
    let mut text = workers.finish("No workers.");
    if stage_count > 0 {
        text.push('\n');
        text.push_str(&stages.finish(""));
    }
    text
}
