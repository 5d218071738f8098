//! `show bgp`: the summary, neighbours, and paths with the rule that decided.
//!
//! Owns three tables.

use crate::api::show_bgp::{BgpNeighborRow, BgpPathRow, BgpSummaryRow};
use crate::cli::show::bgp_neighbor;
use crate::cli::show::look::{Look, Mood, Table, age, cell, optional, should_be_zero, state};
use crate::config::did_you_mean;
use core::fmt::Write;

fn mood(row: &BgpNeighborRow) -> Mood {
    match row.state.as_str() {
        "Established" => Mood::Good,
        "Idle" => Mood::Bad,
        _ => Mood::Changing,
    }
}

/// `show bgp summary`.
pub fn summary(row: &BgpSummaryRow, look: Look) -> String {
    let (Some(asn), Some(router_id)) = (row.asn, row.router_id) else {
        return "BGP is not configured: there is no [bgp] block.\n".to_owned();
    };
    let counts = [
        counted(row.prefix_count, "prefix", "prefixes"),
        counted(row.path_count, "path", "paths"),
        counted(row.attribute_set_count, "set of attributes", "sets of attributes"),
        counted(row.exit_group_count, "group of exits", "groups of exits"),
        format!("{} KiB", row.memory_bytes / 1024),
    ];
    let mut text = format!("AS {asn}, router id {router_id}: {}\n", counts.join(", "));
    let aggregates: Vec<String> = row.aggregates.iter().map(ToString::to_string).collect();
    // Writing to a string cannot fail.
    let _ = match aggregates.as_slice() {
        [] => writeln!(text, "Nothing of the cluster is announced."),
        all => writeln!(text, "Announced of the cluster: {}", all.join(", ")),
    };
    if !row.aggregates_waiting.is_empty() {
        let waiting: Vec<String> = row.aggregates_waiting.iter().map(ToString::to_string).collect();
        let waiting = waiting.join(", ");
        let _ = writeln!(text, "Not announced: {waiting}: OSPF reaches no other router in there");
    }
    let _ = match row.damped_count {
        0 => writeln!(text, "Routes in OSPF: {}\n", row.redistributed_count),
        held => writeln!(
            text,
            "Routes in OSPF: {}; {held} more wait because they come and go\n",
            row.redistributed_count
        ),
    };
    text + &neighbor_table(&row.neighbors, look)
}

/// How many, with the right word.
fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `show bgp neighbor`; everything with `--detail`.
pub fn neighbor_table(rows: &[BgpNeighborRow], look: Look) -> String {
    let headings = [
        "NEIGHBOR",
        "AS",
        "STATE",
        "SINCE",
        "RECEIVED",
        "ACCEPTED",
        "ADVERTISED",
        "LOST",
        "ADDRESS",
        "STALE",
        "HOLD",
        "IN",
        "OUT",
        "QUEUE",
    ];
    let shown = if look.has_detail { headings.len() } else { headings.len() - 5 };
    let numbers = [1, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13];
    let numbers: Vec<usize> = numbers.into_iter().filter(|column| *column < shown).collect();
    let mut table = Table::new(look, &headings[..shown]).numbers_in(&numbers);
    for row in rows {
        let mut cells = vec![
            cell(&row.name),
            cell(asn(row)),
            state(&row.state, mood(row)),
            cell(age(row.state_age_ms)),
            cell(row.received_count),
            cell(row.accepted_count),
            cell(row.advertised_count),
            should_be_zero(row.lost_count),
            cell(place(row)),
            cell(row.stale_count),
            optional(row.hold_time_ms.map(age)),
            cell(row.messages_in),
            cell(row.messages_out),
            cell(row.queue_octets),
        ];
        cells.truncate(shown);
        table.row(cells);
    }
    let mut text = table.finish("No BGP neighbours.");
    let sentences: String = match look.has_detail {
        true => rows.iter().map(bgp_neighbor::details).collect::<Vec<_>>().join("\n"),
        false => rows.iter().map(sentences).collect(),
    };
    if !sentences.is_empty() {
        text.push('\n');
        text.push_str(&sentences);
    }
    text
}

/// Where a neighbour is: its address, and the port of a link-local one.
fn place(row: &BgpNeighborRow) -> String {
    let address = row.address.map(|address| address.to_string());
    let is_of_link = row.address.is_none_or(|address| address.is_unicast_link_local());
    match (row.port.as_ref().filter(|_| is_of_link), address) {
        (Some(port), Some(address)) => format!("{port} ({address})"),
        (Some(port), None) => port.clone(),
        (None, address) => address.unwrap_or_else(|| "-".to_owned()),
    }
}

/// What is to be said of a neighbour beyond its row.
fn sentences(row: &BgpNeighborRow) -> String {
    let mut text = String::new();
    let mut say = |sentence: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {sentence}", row.name);
    };
    if let Some(reason) = &row.reason {
        say(reason.clone());
    }
    if let Some(reason) = &row.last_down {
        say(format!("last down: {reason}"));
    }
    if let Some(state) = row.bfd.as_ref().filter(|state| *state != "Up") {
        say(format!("BFD: {state}"));
    }
    if let Some(settings) = &row.settings
        && let Some(sentence) = bgp_neighbor::without_policies(settings)
    {
        say(sentence.to_owned());
    }
    text
}

/// The AS of a neighbour: the one that it says, else the one that its block does.
fn asn(row: &BgpNeighborRow) -> String {
    let said = row.asn.map(|asn| asn.to_string());
    said.or_else(|| row.remote_as.clone()).unwrap_or_else(|| "-".to_owned())
}

/// Why nothing is exchanged with a neighbour; `None` where its session is up.
pub fn why_silent(name: &str, rows: &[BgpNeighborRow]) -> Option<String> {
    let Some(row) = rows.iter().find(|row| row.is_called(name)) else {
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        return Some(format!("there is no BGP neighbour `{name}`{}", did_you_mean(name, &names)));
    };
    if row.state == "Established" {
        return None;
    }
    let why = row.reason.as_ref().or(row.last_down.as_ref());
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    Some(format!("nothing is exchanged with {name}, which is {}{why}", row.state))
}

/// `show bgp route`; the best path of each prefix is marked.
pub fn route_table(rows: &[BgpPathRow], look: Look) -> String {
    let headings = [
        "",
        "PREFIX",
        "NEXT HOP",
        "FROM",
        "PREF",
        "MED",
        "AS PATH",
        "WHY",
        "AGE",
        "RPKI",
        "COMMUNITIES",
    ];
    let shown = if look.has_detail { headings.len() } else { headings.len() - 3 };
    let numbers: &[usize] = if look.has_detail { &[4, 5, 8] } else { &[4, 5] };
    let mut table = Table::new(look, &headings[..shown]).numbers_in(numbers);
    for row in rows {
        let why = match &row.decided_by {
            Some(rule) => format!("{}: {rule}", row.standing),
            None => row.standing.clone(),
        };
        let path = match row.as_path.as_str() {
            "" => row.origin.clone(),
            path => format!("{path} {}", row.origin),
        };
        let mut cells = vec![
            cell(if row.is_best { "*" } else { "" }),
            cell(row.prefix),
            optional(row.next_hop),
            cell(&row.from),
            optional(row.local_pref),
            optional(row.med),
            cell(path),
            cell(why),
            cell(age(row.age_ms)),
            optional(row.rpki.as_deref()),
            cell(row.communities.join(" ")),
        ];
        cells.truncate(shown);
        table.row(cells);
    }
    table.finish("No paths.")
}
