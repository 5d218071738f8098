//! `show ospf …`: neighbours, interfaces, database, routes, their repairs, and SPF.
//!
//! Owns one function a table. What hinders an adjacency stands under its row, as a sentence.

use crate::api::show::{
    LsaRow, OspfInterfaceRow, OspfNeighborRow, OspfRepairs, OspfRouteRow, OspfRow, SpfRow,
};
use crate::cli::show::look::{Look, Mood, Table, age, cell, optional, state};
use crate::cli::show::route::ways;
use core::fmt::Write;

fn neighbor_mood(word: &str) -> Mood {
    match word.to_ascii_lowercase().as_str() {
        "full" => Mood::Good,
        "down" => Mood::Bad,
        _ => Mood::Changing,
    }
}

/// `show ospf`.
pub fn summary(row: &OspfRow, look: Look) -> String {
    let mut table = Table::new(look, &["OSPF", ""]);
    let Some(router_id) = row.router_id else {
        return table.finish("OSPF does not run: the configuration gives no router-id.");
    };
    let neighbors = format!("{} Full of {}", row.full_count, row.neighbor_count);
    let is_complete = row.full_count == row.neighbor_count;
    let database = format!("{} LSAs, digest {}", row.lsa_count, row.digest);
    let (transit, mood) = match (row.is_drained, row.is_starting) {
        (true, _) => ("drained: others are asked to send around this router", Mood::Changing),
        (_, true) => ("starting: others are asked to send around this router", Mood::Changing),
        _ => ("yes", Mood::Good),
    };
    table.row(vec![cell("router-id"), cell(router_id)]);
    table.row(vec![cell("interfaces up"), cell(row.interface_count)]);
    let neighbor_mood = if is_complete { Mood::Good } else { Mood::Changing };
    table.row(vec![cell("neighbors"), state(&neighbors, neighbor_mood)]);
    table.row(vec![cell("database"), cell(database)]);
    table.row(vec![cell("transit"), state(transit, mood)]);
    table.row(vec![cell("transit packets"), cell(row.transit_packet_count)]);
    table.finish("")
}

/// `show ospf neighbor`: neighbours, and ports that have none.
///
/// Gap: no names yet, for want of RFC 5642's; a column for them comes with them.
pub fn neighbor_table(rows: &[OspfNeighborRow], look: Look) -> String {
    let headings =
        ["ROUTER-ID", "PORT", "STATE", "SINCE", "DEAD IN", "RETRANSMIT", "REQUEST", "ADDRESS"];
    let mut table = Table::new(look, &headings).numbers_in(&[3, 4, 5, 6]);
    let mut problems = String::new();
    for row in rows {
        table.row(vec![
            optional(row.router_id),
            cell(&row.port),
            state(&row.state, neighbor_mood(&row.state)),
            cell(age(row.state_age_ms)),
            optional(row.router_id.map(|_| age(row.dead_in_ms))),
            cell(row.retransmit_count),
            cell(row.request_count),
            optional(row.address),
        ]);
        problems.push_str(&neighbor_sentences(row));
    }
    let mut text = table.finish("No OSPF neighbours.");
    if !problems.is_empty() {
        text.push('\n');
        text.push_str(&problems);
    }
    text
}

/// What is to be said of a neighbour, or of a port without one, beyond its row.
fn neighbor_sentences(row: &OspfNeighborRow) -> String {
    let mut text = String::new();
    let who = match row.router_id {
        Some(router_id) => format!("{router_id} on {}", row.port),
        None => row.port.clone(),
    };
    // Writing to a string cannot fail.
    if let Some(left_ms) = row.helped_for_ms {
        let left = age(left_ms);
        let _ = writeln!(text, "{who}: restarts gracefully, and is helped for {left} more");
    }
    if let Some(problem) = &row.problem {
        let last = row.last.as_ref().map(|last| {
            let (router_id, ago) = (last.router_id, age(last.heard_ago_ms));
            format!("; {router_id} was there, its last hello came {ago} ago")
        });
        let _ = writeln!(text, "{who}: {problem}{}", last.unwrap_or_default());
    }
    text
}

/// `show ospf interface`.
pub fn interface_table(rows: &[OspfInterfaceRow], look: Look) -> String {
    let headings =
        ["PORT", "ID", "KIND", "STATE", "AREA", "COST", "HELLO", "DEAD", "FULL", "NEIGHBORS"];
    let mut table = Table::new(look, &headings).numbers_in(&[1, 5, 6, 7, 8, 9]);
    for row in rows {
        let mood = if row.state.eq_ignore_ascii_case("down") { Mood::Bad } else { Mood::Good };
        table.row(vec![
            cell(&row.port),
            cell(row.interface_id),
            cell(&row.kind),
            state(&row.state, mood),
            cell(row.area),
            cell(row.cost),
            cell(age(row.hello_interval_ms)),
            cell(age(row.dead_interval_ms)),
            cell(row.full_count),
            cell(row.neighbor_count),
        ]);
    }
    table.finish("No OSPF interfaces.")
}

/// `show ospf database`; with `--detail` the body of each LSA.
pub fn database_table(rows: &[LsaRow], look: Look) -> String {
    let headings =
        ["SCOPE", "TYPE", "ID", "ROUTER", "AGE", "SEQUENCE", "CHECKSUM", "OCTETS", "BODY"];
    let shown = if look.has_detail { headings.len() } else { headings.len() - 1 };
    let mut table = Table::new(look, &headings[..shown]).numbers_in(&[2, 4, 7]);
    for row in rows {
        let mut cells = vec![
            cell(&row.scope),
            cell(&row.kind),
            cell(row.id),
            cell(row.router),
            cell(format!("{}s", row.age_s)),
            cell(&row.sequence),
            cell(&row.checksum),
            cell(row.length),
        ];
        if look.has_detail {
            cells.push(cell(row.body.join("\n")));
        }
        table.row(cells);
    }
    table.finish("The link-state database is empty.")
}

/// `show ospf route`.
pub fn route_table(rows: &[OspfRouteRow], look: Look) -> String {
    let mut table = Table::new(look, &["PREFIX", "KIND", "COST", "NEXT HOPS"]).numbers_in(&[2]);
    for row in rows {
        let next_hops = ways(&row.next_hops);
        table.row(vec![cell(row.prefix), cell(&row.kind), cell(row.cost), cell(next_hops)]);
    }
    table.finish("No OSPF routes.")
}

/// `show ospf repair`: the routes, then how many of them are protected.
pub fn repair_table(repairs: &OspfRepairs, look: Look) -> String {
    let headings = ["PREFIX", "NEXT HOPS", "REPAIR", "PROTECTS", "VIA", "HEADERS TO"];
    let mut table = Table::new(look, &headings);
    for row in &repairs.rows {
        let mood = match row.protects.as_deref() {
            Some("node") => Mood::Good,
            Some(_) => Mood::Changing,
            None => Mood::Bad,
        };
        let segments: Vec<String> = row.segments.iter().map(ToString::to_string).collect();
        table.row(vec![
            cell(row.prefix),
            cell(ways(&row.next_hops)),
            cell(&row.kind),
            state(row.protects.as_deref().or(row.reason.as_deref()).unwrap_or("-"), mood),
            optional(row.via.as_ref().map(|via| ways(core::slice::from_ref(via)))),
            cell(if segments.is_empty() { "-".to_owned() } else { segments.join("\n") }),
        ]);
    }
    let mut text = table.finish("No OSPF routes over neighbours.");
    text.push_str(&repair_sentence(repairs));
    text
}

/// How many routes are protected, of those that can be.
fn repair_sentence(repairs: &OspfRepairs) -> String {
    let routes = repairs.route_count;
    if routes == 0 {
        return String::new();
    }
    let around = |what, possible, protected, percent: Option<u32>| match percent {
        None => format!("Around a dead {what}: no route has another way, nothing to protect.\n"),
        Some(percent) => format!(
            "Around a dead {what}: {possible} of {routes} routes have another way, {protected} of \
             these are protected ({percent} %).\n"
        ),
    };
    let (links, nodes) = (repairs.link_protectable_count, repairs.node_protectable_count);
    format!(
        "\n{}{}",
        around("link", links, repairs.link_count, repairs.link_coverage_percent),
        around("neighbour", nodes, repairs.node_count, repairs.node_coverage_percent),
    )
}

/// `show ospf spf`.
pub fn spf_table(row: &SpfRow, look: Look) -> String {
    let headings =
        ["RUNS", "LAST RUN", "DURATION", "ROUTERS", "PREFIXES", "BACK-OFF", "LAST TRIGGER"];
    let mut table = Table::new(look, &headings).numbers_in(&[0, 1, 2, 3, 4]);
    let mood = if row.backoff == "quiet" { Mood::Good } else { Mood::Changing };
    table.row(vec![
        cell(row.run_count),
        optional(row.last_run_ago_ms.map(|ago| format!("{} ago", age(ago)))),
        cell(format!("{}us", row.last_duration_us)),
        cell(row.router_count),
        cell(row.prefix_count),
        state(&row.backoff, mood),
        cell(&row.last_trigger),
    ]);
    table.finish("No SPF.")
}
