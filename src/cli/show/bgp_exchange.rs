//! `show bgp advertised`, `show bgp received` and `show bgp policy`: what goes to neighbours, what
//! comes from them, and what stands in between.
//!
//! Owns three tables.

use crate::api::show_bgp::{
    BgpAdvertisedRow, BgpAttributesRow, BgpPolicyRow, BgpPrefixListRow, BgpReceivedRow,
};
use crate::cli::show::look::{Look, Mood, Table, age, cell, optional, state};
use core::fmt::Write;

fn path(row: &BgpAttributesRow) -> String {
    match row.as_path.as_str() {
        "" => row.origin.clone(),
        path => format!("{path} {}", row.origin),
    }
}

/// `show bgp advertised`; a path that the neighbour has not read yet is marked.
pub fn advertised_table(rows: &[BgpAdvertisedRow], look: Look) -> String {
    let headings =
        ["", "PREFIX", "NEXT HOP", "PREF", "MED", "AS PATH", "FROM", "PATH ID", "COMMUNITIES"];
    let shown = if look.has_detail { headings.len() } else { headings.len() - 2 };
    let numbers: &[usize] = if look.has_detail { &[3, 4, 7] } else { &[3, 4] };
    let mut table = Table::new(look, &headings[..shown]).numbers_in(numbers);
    for row in rows {
        let attributes = &row.attributes;
        let mut cells = vec![
            cell(if row.is_told { "" } else { "waits" }),
            cell(row.prefix),
            optional(attributes.next_hop),
            optional(attributes.local_pref),
            optional(attributes.med),
            cell(path(attributes)),
            cell(&row.from),
            optional(row.path_id),
            cell(attributes.communities.join(" ")),
        ];
        cells.truncate(shown);
        table.row(cells);
    }
    table.finish("It is told of nothing.")
}

/// Which clause decided, or why none was asked.
fn verdict(row: &BgpReceivedRow) -> String {
    let Some(policy) = &row.policy else {
        return row.reason.clone().unwrap_or_else(|| "no policy is asked".to_owned());
    };
    match (row.clause, &row.clause_name) {
        (Some(number), Some(name)) => format!("clause {number} ({name}) of {policy}"),
        (Some(number), None) => format!("clause {number} of {policy}"),
        (None, _) => format!("the default of {policy}"),
    }
}

/// `show bgp received`.
pub fn received_table(rows: &[BgpReceivedRow], look: Look) -> String {
    let headings = [
        "PREFIX",
        "NEXT HOP",
        "PREF",
        "MED",
        "AS PATH",
        "SINCE",
        "VERDICT",
        "BY",
        "PATH ID",
        "COMMUNITIES",
        "CHANGES",
    ];
    let shown = if look.has_detail { headings.len() } else { headings.len() - 3 };
    let numbers: &[usize] = if look.has_detail { &[2, 3, 5, 8] } else { &[2, 3, 5] };
    let mut table = Table::new(look, &headings[..shown]).numbers_in(numbers);
    for row in rows {
        let attributes = &row.attributes;
        let (word, mood) = match (row.is_accepted, row.is_stale) {
            (true, false) => ("accepted", Mood::Good),
            (true, true) => ("stale", Mood::Changing),
            (false, _) => ("refused", Mood::Bad),
        };
        let blank = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
        let changes = row.changes.iter().map(|change| {
            format!("{}: {} → {}", change.attribute, blank(&change.before), blank(&change.after))
        });
        let mut cells = vec![
            cell(row.prefix),
            optional(attributes.next_hop),
            optional(attributes.local_pref),
            optional(attributes.med),
            cell(path(attributes)),
            cell(age(row.age_ms)),
            state(word, mood),
            cell(verdict(row)),
            optional(row.path_id),
            cell(attributes.communities.join(" ")),
            cell(changes.collect::<Vec<_>>().join("; ")),
        ];
        cells.truncate(shown);
        table.row(cells);
    }
    table.finish("It has sent nothing.")
}

/// `show bgp policy`.
pub fn policy_text(rows: &[BgpPolicyRow], look: Look) -> String {
    if rows.is_empty() {
        return "No policies.\n".to_owned();
    }
    let texts: Vec<String> = rows.iter().map(|row| one_policy(row, look)).collect();
    texts.join("\n")
}

fn one_policy(row: &BgpPolicyRow, look: Look) -> String {
    let mut text = String::new();
    let users = match row.used_by.is_empty() {
        true => "nobody asks it".to_owned(),
        false => row.used_by.join(", "),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}: {users}", row.name);
    let counted = match row.looks_at_prefix {
        true => "each route counts",
        false => "routes with the same attributes count once",
    };
    if row.clauses.is_empty() && row.clause_count > 0 {
        let _ = writeln!(text, "{} clauses; name the policy to see them", row.clause_count);
    } else {
        let mut table = Table::new(look, &["CLAUSE", "NAME", "MATCH", "SET", "ACTION", "MATCHES"])
            .numbers_in(&[0, 5]);
        for clause in &row.clauses {
            let all = clause.conditions.is_empty();
            table.row(vec![
                cell(clause.number),
                optional(clause.name.as_ref()),
                cell(if all { "everything".to_owned() } else { clause.conditions.join("; ") }),
                cell(clause.changes.join("; ")),
                cell(&clause.action),
                cell(clause.match_count),
            ]);
        }
        text.push_str(&table.finish("No clauses."));
    }
    let _ = writeln!(text, "default: {}, {} times; {counted}", row.default, row.default_count);
    for list in &row.prefix_lists {
        let _ = writeln!(text, "{}", list_line(list));
    }
    text
}

fn list_line(list: &BgpPrefixListRow) -> String {
    let origin = list.file.as_ref().map_or_else(String::new, |file| format!(" from {file}"));
    let rest = match list.entry_count.checked_sub(list.entries.len() as u64) {
        None | Some(0) => String::new(),
        Some(more) => format!(" and {more} more"),
    };
    format!("prefix list {}{origin}: {}{rest}", list.name, list.entries.join(", "))
}
