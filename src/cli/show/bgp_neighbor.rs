//! `show bgp neighbor NAME`: everything that is known of a neighbour, a line for each subject.
//!
//! Owns the lines; the table above them is [`super::bgp`]'s. What is not so for a neighbour has no
//! line, but for policies: a neighbour of another AS without them hears and says nothing.
//!
//! *Standards*: RFC 8212 (no policy, no routes).

use crate::api::show_bgp::{BgpNeighborRow, BgpNeighborSettings};
use crate::cli::show::look::age;
use core::fmt::Write;

/// Room for the subjects, so that what is said of them begins in one column.
const SUBJECT_WIDTH: usize = 11;

/// RFC 8212: what does not go to or come from a neighbour of another AS without policies.
pub fn without_policies(settings: &BgpNeighborSettings) -> Option<&'static str> {
    if !settings.is_external {
        return None;
    }
    match (&settings.import, &settings.export) {
        (None, None) => {
            Some("without policies nothing is taken from it and nothing told to it (RFC 8212)")
        }
        (None, Some(_)) => Some("without an import policy nothing is taken from it (RFC 8212)"),
        (Some(_), None) => Some("without an export policy nothing is told to it (RFC 8212)"),
        (Some(_), Some(_)) => None,
    }
}

/// A neighbour in full.
pub fn details(row: &BgpNeighborRow) -> String {
    let mut text = format!("{}:", row.name);
    if let Some(address) = row.address {
        let _ = write!(text, " {address}");
    }
    if let Some(description) = &row.description {
        let _ = write!(text, ", {description}");
    }
    text.push('\n');
    let mut say = |subject: &str, words: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {subject:SUBJECT_WIDTH$} {words}");
    };
    say("session", session(row));
    if row.settings.is_none() {
        return text;
    }
    if let Some(reason) = &row.last_down {
        let ago = row.last_down_ago_ms.map_or_else(String::new, |ms| format!("{} ago, ", age(ms)));
        say("last down", format!("{ago}{reason}; {} times in all", row.lost_count));
    }
    say("AS", who(row));
    if let Some(local) = row.local_address {
        say("from here", local.to_string());
    }
    if let Some(settings) = &row.settings {
        for (subject, words) in configured(row, settings) {
            say(subject, words);
        }
    }
    if let Some(state) = &row.bfd {
        say("BFD", state.clone());
    }
    say("paths", paths(row));
    if let Some(hold) = row.hold_time_ms {
        say("times", times(row, hold));
    }
    let counts = |of: fn(&crate::api::show_bgp::BgpMessageRow) -> u64| {
        let there = row.messages.iter().filter(|row| of(row) > 0);
        let words = there.map(|row| format!("{} {}", of(row), row.kind));
        words.collect::<Vec<_>>().join(", ")
    };
    let (received, sent) = (counts(|row| row.received_count), counts(|row| row.sent_count));
    if !received.is_empty() || !sent.is_empty() {
        let none = |words: String| if words.is_empty() { "none".to_owned() } else { words };
        say("messages", format!("in: {}; out: {}", none(received), none(sent)));
    }
    if row.queue_octets > 0 {
        say("waiting", format!("{} octets that its socket has not taken", row.queue_octets));
    }
    if !row.capabilities.is_empty() {
        say("agreed on", row.capabilities.join(", "));
    }
    text
}

fn session(row: &BgpNeighborRow) -> String {
    let mut words = match row.state.as_str() {
        "inactive" => row.state.clone(),
        state => format!("{state} for {}", age(row.state_age_ms)),
    };
    if let Some(reason) = &row.reason {
        let _ = write!(words, ": {reason}");
    }
    if let Some(retry) = row.retry_in_ms.filter(|_| row.state != "Established") {
        let _ = write!(words, "; the next try in {}", age(retry));
    }
    words
}

/// The AS of both ends of what is said, and the neighbour's identifier.
fn who(row: &BgpNeighborRow) -> String {
    let block = row.remote_as.as_deref().unwrap_or("-");
    match (row.asn, row.router_id) {
        (Some(asn), Some(router_id)) => {
            format!("{asn}, router id {router_id}; its block says {block}")
        }
        (Some(asn), None) => format!("{asn}; its block says {block}"),
        (None, _) => format!("not known yet; its block says {block}"),
    }
}

/// What its block says, a subject and words each.
fn configured(row: &BgpNeighborRow, settings: &BgpNeighborSettings) -> Vec<(&'static str, String)> {
    let name = |policy: &Option<String>| policy.as_deref().unwrap_or("none").to_owned();
    let (import, export) = (name(&settings.import), name(&settings.export));
    let mut lines = vec![("policies", format!("import {import}, export {export}"))];
    if let Some(sentence) = without_policies(settings) {
        lines.push(("", sentence.to_owned()));
    }
    match (&settings.role, &row.peer_role) {
        (None, None) => {}
        (ours, theirs) => {
            let word = |role: &Option<String>| role.as_deref().unwrap_or("none").to_owned();
            let words = format!("this router is {}, it says {}", word(ours), word(theirs));
            lines.push(("role", words));
        }
    }
    let mut guards = Vec::new();
    if settings.has_password {
        guards.push("a password (RFC 2385)".to_owned());
    }
    if settings.hop_limit_least > 0 {
        guards.push(match 256 - u32::from(settings.hop_limit_least) {
            1 => "one hop away at most (RFC 5082)".to_owned(),
            hops => format!("{hops} hops away at most (RFC 5082)"),
        });
    }
    if settings.is_passive {
        guards.push("this router only listens".to_owned());
    }
    if settings.is_client {
        guards.push("a client of this reflector (RFC 4456)".to_owned());
    }
    if !guards.is_empty() {
        lines.push(("connection", guards.join(", ")));
    }
    lines
}

fn paths(row: &BgpNeighborRow) -> String {
    let mut words = format!(
        "{} received, {} accepted, {} told",
        row.received_count, row.accepted_count, row.advertised_count
    );
    if row.stale_count > 0 {
        let _ = write!(words, ", {} kept of an earlier session", row.stale_count);
    }
    let Some(settings) = &row.settings else { return words };
    let _ = match (settings.max_prefix, settings.max_prefix_restart_time_ms) {
        (None, _) => write!(words, "; no max_prefix"),
        (Some(most), None) => write!(words, "; with more than {most} the session ends"),
        (Some(most), Some(time)) => {
            write!(words, "; with more than {most} the session ends for {}", age(time))
        }
    };
    words
}

fn times(row: &BgpNeighborRow, hold_ms: u64) -> String {
    let mut words = match hold_ms {
        0 => "no hold time".to_owned(),
        hold => format!("hold {}", age(hold)),
    };
    if let Some(keepalive) = row.keepalive_time_ms.filter(|time| *time > 0) {
        let _ = write!(words, ", keepalive {}", age(keepalive));
    }
    if let Some(restart) = row.peer_restart_time_ms {
        let _ = write!(words, "; its restart may take {}", age(restart));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::show_bgp::BgpMessageRow;

    fn row() -> BgpNeighborRow {
        BgpNeighborRow {
            name: "isp".to_owned(),
            description: Some("transit".to_owned()),
            address: Some("2001:db8::1".parse().unwrap()),
            state: "Idle".to_owned(),
            state_age_ms: 35_500,
            reason: Some("it sent more than 2 paths".to_owned()),
            retry_in_ms: Some(4000),
            remote_as: Some("external".to_owned()),
            last_down: Some("we sent: maximum number of prefixes reached".to_owned()),
            last_down_ago_ms: Some(35_500),
            lost_count: 3,
            messages: vec![BgpMessageRow {
                kind: "open".to_owned(),
                received_count: 3,
                sent_count: 0,
            }],
            settings: Some(BgpNeighborSettings {
                is_external: true,
                export: Some("aggregates".to_owned()),
                role: Some("customer".to_owned()),
                hop_limit_least: 255,
                max_prefix: Some(2),
                ..BgpNeighborSettings::default()
            }),
            ..BgpNeighborRow::default()
        }
    }

    #[test]
    fn everything_of_a_neighbor_has_its_line() {
        let expected = "\
isp: 2001:db8::1, transit
  session     Idle for 35.5s: it sent more than 2 paths; the next try in 4.0s
  last down   35.5s ago, we sent: maximum number of prefixes reached; 3 times in all
  AS          not known yet; its block says external
  policies    import none, export aggregates
              without an import policy nothing is taken from it (RFC 8212)
  role        this router is customer, it says none
  connection  one hop away at most (RFC 5082)
  paths       0 received, 0 accepted, 0 told; with more than 2 the session ends
  messages    in: 3 open; out: none
";
        assert_eq!(details(&row()), expected);
    }

    #[test]
    fn within_an_as_nobody_needs_policies() {
        let inside = BgpNeighborSettings::default();
        assert_eq!(without_policies(&inside), None);
        let outside = BgpNeighborSettings { is_external: true, ..inside };
        assert!(without_policies(&outside).unwrap().contains("RFC 8212"));
    }
}
