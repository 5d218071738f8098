//! `show route` (the RIB) and `show fib` (what the workers read).

use crate::api::show::{FibRow, NextHopRow, RepairRow, RouteRow};
use crate::cli::show::look::{Look, Mood, Table, cell, state};

/// Next hops, a line each: `ADDRESS on PORT`, with what is wrong with them.
pub fn ways(next_hops: &[NextHopRow]) -> String {
    let way = |hop: &NextHopRow| {
        let mut text = match hop.address {
            Some(address) => format!("{address} on {}", hop.port),
            None => format!("on {}", hop.port),
        };
        if !hop.is_alive {
            text.push_str(" (dead)");
        }
        text
    };
    next_hops.iter().map(way).collect::<Vec<_>>().join("\n")
}

/// Next hops with their MAC addresses, as the workers need them.
fn ways_with_mac(next_hops: &[NextHopRow]) -> String {
    let lines = ways(next_hops);
    let pairs = lines.lines().zip(next_hops).map(|(line, hop)| match hop.mac {
        Some(mac) => format!("{line} {mac}"),
        None => format!("{line} unresolved"),
    });
    pairs.collect::<Vec<_>>().join("\n")
}

/// With `--detail` the repair, behind the next hops: `repair: ADDRESS on PORT, in ADDRESS`, the
/// outermost tunnel first.
fn with_repair(ways: String, repair: Option<&RepairRow>, look: Look) -> String {
    let Some(repair) = repair.filter(|_| look.has_detail) else { return ways };
    let mut text = format!("{ways}\nrepair: {}", self::ways(core::slice::from_ref(&repair.via)));
    for (index, segment) in repair.segments.iter().enumerate() {
        text.push_str(if index == 0 { ", in " } else { ", " });
        text.push_str(&segment.to_string());
    }
    text
}

/// `show route`: `*` marks the route that is in the FIB.
pub fn rib_table(rows: &[RouteRow], look: Look) -> String {
    let headings = ["", "PREFIX", "SOURCE", "DISTANCE", "METRIC", "TARGET", "NEXT HOPS"];
    let mut table = Table::new(look, &headings).numbers_in(&[3, 4]);
    for row in rows {
        let mark = if row.is_selected { state("*", Mood::Good) } else { cell("") };
        table.row(vec![
            mark,
            cell(row.prefix),
            cell(row.source),
            cell(row.distance),
            cell(row.metric),
            cell(&row.target),
            cell(with_repair(ways(&row.next_hops), row.repair.as_ref(), look)),
        ]);
    }
    table.finish("No routes.")
}

/// `show fib`.
pub fn fib_table(rows: &[FibRow], look: Look) -> String {
    let mut table = Table::new(look, &["PREFIX", "GROUP", "TARGET", "NEXT HOPS"]).numbers_in(&[1]);
    for row in rows {
        let next_hops = with_repair(ways_with_mac(&row.next_hops), row.repair.as_ref(), look);
        table.row(vec![cell(row.prefix), cell(row.group), cell(&row.target), cell(next_hops)]);
    }
    table.finish("The FIB is empty.")
}
