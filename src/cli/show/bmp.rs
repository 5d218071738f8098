//! `show bmp`: stations and how far they are.
//!
//! Owns one table.

use crate::api::show_bmp::BmpStationRow;
use crate::cli::show::look::{Look, Mood, Table, age, cell, optional, state};
use core::fmt::Write;

/// `show bmp`.
pub fn table(rows: &[BmpStationRow], look: Look) -> String {
    let headings =
        ["STATION", "STATE", "SINCE", "TOLD OF", "WAITING", "IN FLIGHT", "NEXT", "ADDRESS", "PORT"];
    let shown = if look.has_detail { headings.len() } else { headings.len() - 2 };
    let numbers: Vec<usize> =
        [2, 4, 5, 6, 8].into_iter().filter(|column| *column < shown).collect();
    let mut table = Table::new(look, &headings[..shown]).numbers_in(&numbers);
    for row in rows {
        let (word, mood) = match (row.state.as_str(), row.is_filling) {
            ("up", true) => ("filling", Mood::Changing),
            ("up", false) => ("up", Mood::Good),
            ("idle", _) => ("idle", Mood::Bad),
            (other, _) => (other, Mood::Changing),
        };
        let mut cells = vec![
            cell(&row.name),
            state(word, mood),
            cell(age(row.state_age_ms)),
            cell(row.monitor.join(" ")),
            cell(row.waiting_count),
            cell(row.in_flight_octets),
            optional(row.next_in_ms.map(age)),
            cell(row.address),
            cell(row.port),
        ];
        cells.truncate(shown);
        table.row(cells);
    }
    let mut text = table.finish("No BMP stations.");
    for row in rows {
        // Writing to a string cannot fail.
        if let Some(failure) = &row.last_failure {
            let _ = writeln!(text, "{}: {failure}", row.name);
        }
        if look.has_detail {
            let counted = row.counters.iter().filter(|(_, count)| *count > 0);
            let counted: Vec<String> =
                counted.map(|(name, count)| format!("{name} {count}")).collect();
            let _ = writeln!(text, "{}: {}", row.name, counted.join(", "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_station_that_is_told_everything_is_filling_and_failures_are_said() {
        let row = BmpStationRow {
            name: "noc".to_owned(),
            address: "fd00::1".parse().unwrap(),
            port: 5000,
            monitor: vec!["pre_policy".to_owned(), "loc_rib".to_owned()],
            state: "up".to_owned(),
            state_age_ms: 5,
            is_filling: true,
            waiting_count: 7,
            in_flight_octets: 9,
            next_in_ms: None,
            last_failure: Some("the station reads nothing".to_owned()),
            counters: vec![("up".to_owned(), 2)],
        };
        let text = table(&[row], Look::PLAIN);
        assert!(text.contains("filling") && text.contains("pre_policy loc_rib"), "{text}");
        assert!(text.contains("noc: the station reads nothing\n"), "{text}");
        assert_eq!(table(&[], Look::PLAIN), "No BMP stations.\n");
    }
}
