//! `show rpki`: caches, payloads, and what they say of a prefix.
//!
//! Owns three tables.

use crate::api::show_rpki::{RpkiCacheRow, RpkiPrefixRow, RpkiRow, RpkiVrpRow};
use crate::cli::show::look::{Look, Mood, Table, age, cell, optional, state};
use core::fmt::Write;

fn mood(row: &RpkiCacheRow) -> Mood {
    match row.state.as_str() {
        "synchronised" | "unused" => Mood::Good,
        "idle" => Mood::Bad,
        _ => Mood::Changing,
    }
}

/// `show rpki`.
pub fn summary(row: &RpkiRow, look: Look) -> String {
    if row.caches.is_empty() {
        return "No RPKI cache is configured: every route is not_found.\n".to_owned();
    }
    let what = match row.vrp_count {
        0 => "No payloads are known: every route is not_found".to_owned(),
        count => format!("{count} payloads of IPv6"),
    };
    let asked = match row.policy_count {
        0 => "no policy asks for them".to_owned(),
        count => format!("policies that ask for them: {count}"),
    };
    let mut text = format!("{what}; {asked}.\n");
    // Writing to a string cannot fail.
    if row.refused_count > 0 {
        let _ = writeln!(text, "Payloads without room: {}.", row.refused_count);
    }
    if row.is_revalidating {
        let _ = writeln!(text, "Routes are being looked at again.");
    }
    text.push('\n');
    text + &cache_table(&row.caches, look)
}

fn cache_table(rows: &[RpkiCacheRow], look: Look) -> String {
    let headings = [
        "CACHE",
        "PREFERENCE",
        "STATE",
        "SINCE",
        "PAYLOADS",
        "SERIAL",
        "CONFIRMED",
        "EXPIRES",
        "NEXT",
        "VERSION",
        "ADDRESS",
        "PORT",
    ];
    let shown = if look.has_detail { headings.len() } else { headings.len() - 4 };
    let numbers = [1, 3, 4, 5, 6, 7, 8, 9, 11];
    let numbers: Vec<usize> = numbers.into_iter().filter(|column| *column < shown).collect();
    let mut table = Table::new(look, &headings[..shown]).numbers_in(&numbers);
    for row in rows {
        let mut cells = vec![
            cell(&row.name),
            cell(row.preference),
            state(&row.state, mood(row)),
            cell(age(row.state_age_ms)),
            cell(row.vrp_count),
            optional(row.serial),
            optional(row.confirmed_ago_ms.map(age)),
            optional(row.expires_in_ms.map(age)),
            optional(row.next_in_ms.map(age)),
            cell(&row.version),
            cell(row.address),
            cell(row.port),
        ];
        cells.truncate(shown);
        table.row(cells);
    }
    let mut text = table.finish("No RPKI caches.");
    for row in rows {
        if let Some(failure) = &row.last_failure {
            let _ = writeln!(text, "{}: {failure}", row.name);
        }
        if look.has_detail {
            let counted: Vec<String> = row
                .counters
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            let _ = writeln!(text, "{}: {}", row.name, counted.join(", "));
        }
    }
    text
}

/// `show rpki prefix`.
pub fn vrp_table(rows: &[RpkiVrpRow], look: Look) -> String {
    let mut table = Table::new(look, &["PREFIX", "UP TO", "AS"]).numbers_in(&[1, 2]);
    for row in rows {
        table.row(vec![cell(row.prefix), cell(row.length_max), cell(row.asn)]);
        if row.more_count > 0 {
            let more = format!("and {} more", row.more_count);
            table.row(vec![cell(row.prefix), cell(""), cell(more)]);
        }
    }
    table.finish("No payloads.")
}

/// `show rpki prefix PREFIX`.
pub fn prefix_table(row: &RpkiPrefixRow, look: Look) -> String {
    let mut text = match row.vrps.as_slice() {
        [] => format!("No payload covers {}: it is not_found.\n", row.prefix),
        vrps => vrp_table(vrps, look),
    };
    if !row.paths.is_empty() {
        let mut table = Table::new(look, &["FROM", "STATE", "AS PATH"]);
        for path in &row.paths {
            let mood = match path.state.as_str() {
                "valid" => Mood::Good,
                "invalid" => Mood::Bad,
                _ => Mood::Changing,
            };
            table.row(vec![cell(&path.from), state(&path.state, mood), cell(&path.as_path)]);
        }
        text.push('\n');
        text.push_str(&table.finish("No paths."));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_without_payloads_is_said() {
        let look = Look::PLAIN;
        assert!(summary(&RpkiRow::default(), look).starts_with("No RPKI cache is configured"));
        let cache = RpkiCacheRow {
            name: "one".to_owned(),
            address: "fd00::1".parse().unwrap(),
            port: 323,
            preference: 1,
            state: "idle".to_owned(),
            state_age_ms: 5,
            version: "1".to_owned(),
            session: None,
            serial: None,
            vrp_count: 0,
            confirmed_ago_ms: None,
            expires_in_ms: None,
            next_in_ms: Some(5000),
            last_failure: Some("no connection".to_owned()),
            counters: vec![("connects".to_owned(), 3)],
        };
        let row = RpkiRow { caches: vec![cache], ..RpkiRow::default() };
        let text = summary(&row, look);
        assert!(text.starts_with("No payloads are known: every route is not_found"), "{text}");
        assert!(text.contains("one: no connection\n") && !text.contains("connects"), "{text}");
    }
}
