//! `show neighbor`: the ND cache (RFC 4861 §7.3.2).

use crate::api::show::NeighborRow;
use crate::cli::show::look::{Look, Mood, Table, cell, optional, state};

fn mood(word: &str) -> Mood {
    match word {
        "reachable" | "static" => Mood::Good,
        "incomplete" | "unreachable" | "failed" => Mood::Bad,
        "stale" => Mood::Quiet,
        _ => Mood::Changing,
    }
}

/// The table.
pub fn table(rows: &[NeighborRow], look: Look) -> String {
    let mut table = Table::new(look, &["ADDRESS", "PORT", "MAC", "STATE", "ROUTER", "QUEUED"]);
    table = table.numbers_in(&[5]);
    for row in rows {
        table.row(vec![
            cell(row.address),
            cell(&row.port),
            optional(row.mac),
            state(&row.state, mood(&row.state)),
            cell(if row.is_router { "yes" } else { "no" }),
            cell(row.queued_packets),
        ]);
    }
    table.finish("No neighbours.")
}
