//! `show bfd`: the sessions with the neighbours of the fabric ports, and the ports without one.
//!
//! Owns one table. What a row cannot say in a word stands under it, as a sentence.

use crate::api::show::BfdRow;
use crate::cli::show::look::{Look, Mood, Table, age, cell, optional, should_be_zero, state};
use comfy_table::Cell;
use core::fmt::Write;

fn mood(row: &BfdRow) -> Mood {
    match row.state.as_str() {
        "Up" => Mood::Good,
        "Down" if row.is_failed => Mood::Bad,
        "none" => Mood::Bad,
        _ => Mood::Changing,
    }
}

/// What is known of a session only; `-` where there is none.
fn of_session(row: &BfdRow, value: impl ToString) -> Cell {
    optional(row.address.is_some().then_some(value))
}

/// `show bfd`; with `--detail` the neighbour's side and the counters.
pub fn table(rows: &[BfdRow], look: Look) -> String {
    let headings = [
        "PORT",
        "STATE",
        "SINCE",
        "TRANSMIT",
        "RECEIVE",
        "DETECTION",
        "DOWNS",
        "ADDRESS",
        "THERE",
        "ID HERE",
        "ID THERE",
        "SENT",
        "RECEIVED",
        "REFUSED",
        "LATE",
    ];
    let shown = if look.has_detail { headings.len() } else { headings.len() - 7 };
    let numbers = [2, 3, 4, 5, 6, 11, 12, 13, 14].into_iter().filter(|column| *column < shown);
    let numbers: Vec<usize> = numbers.collect();
    let mut table = Table::new(look, &headings[..shown]).numbers_in(&numbers);
    for row in rows {
        let mut cells = vec![
            cell(&row.port),
            state(&row.state, mood(row)),
            of_session(row, age(row.state_age_ms)),
            optional(row.transmit_interval_us.map(span)),
            of_session(row, span(row.receive_interval_us)),
            of_session(row, span(row.detection_time_us)),
            should_be_zero(row.down_count),
            optional(row.address),
            of_session(row, &row.remote_state),
            of_session(row, format!("{:#010x}", row.discriminator)),
            of_session(row, format!("{:#010x}", row.remote_discriminator)),
            cell(row.sent_packets),
            cell(row.received_packets),
            should_be_zero(row.refused_packets),
            should_be_zero(row.late_extension_count),
        ];
        cells.truncate(shown);
        table.row(cells);
    }
    let mut text = table.finish("No BFD sessions.");
    let sentences: String = rows.iter().map(sentences).collect();
    if !sentences.is_empty() {
        text.push('\n');
        text.push_str(&sentences);
    }
    text
}

/// What is to be said of a session beyond its row.
fn sentences(row: &BfdRow) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut say = |sentence: String| {
        let _ = match row.address {
            Some(address) => writeln!(text, "{address} on {}: {sentence}", row.port),
            None => writeln!(text, "{}: {sentence}", row.port),
        };
    };
    if let Some(reason) = &row.reason {
        say(format!("no session: {reason}"));
    }
    if row.is_failed {
        say("the way to it failed, and OSPF waits for BFD".to_owned());
    }
    if row.is_silent {
        say("speaks no BFD; only the timers of OSPF or BGP watch it".to_owned());
    }
    if row.remote_state == "AdminDown" {
        say("its administrator switched BFD off".to_owned());
    }
    if let Some(down) = &row.last_down {
        say(format!("last down {} ago: {}", age(down.age_ms), down.reason));
    }
    text
}

/// A span of some microseconds: `50ms`, `37.5ms`, `1s`.
fn span(micros: u64) -> String {
    match (micros / 1000, micros % 1000) {
        (millis, 0) if millis > 0 && millis % 1000 == 0 => format!("{}s", millis / 1000),
        (millis, 0) => format!("{millis}ms"),
        (millis, rest) => format!("{millis}.{}ms", rest / 100),
    }
}
