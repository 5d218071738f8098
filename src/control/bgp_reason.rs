//! Why a BGP session is not up, in words for people.
//!
//! Owns the sentences. What a session knows is in its view; what follows from silence is a guess,
//! and said as one.
//!
//! *Standards*: RFC 2385 §2.0 and RFC 5082 §3 (segments that are thrown away without a word), RFC
//! 4271 §8.2.2 (OpenConfirm).

use super::bgp_settings::ActiveNeighbor;
use crate::base::time::{Duration, Instant};
use crate::proto::bgp::speaker::{Held, Refusal};
use crate::proto::bgp::transport::Security;
use crate::proto::bgp::{State, View};

/// Connections without an answer from which on something is thrown away, and it is not that a
/// neighbour starts anew.
const UNANSWERED_LEAST: u32 = 3;
/// How long a neighbour may leave an OPEN without an answer: longer than every path takes.
const OPEN_PATIENCE: Duration = Duration::from_secs(5);

/// Why a neighbour that is here has no session.
pub(super) fn why_without_session(active: &ActiveNeighbor) -> String {
    match active.shutdown.as_deref() {
        Some("") => "shut down by the configuration".to_owned(),
        Some(text) => format!("shut down by the configuration: {text}"),
        None => "it has no session yet".to_owned(),
    }
}

/// Why a session is kept down, and what wakes it.
pub(super) fn why_held(now: Instant, name: &str, held: Held) -> String {
    let clear = format!("`kumiki clear bgp neighbor {name}`");
    match (held.why, held.until) {
        (Refusal::Paths(exceeded), Some(until)) => {
            let left = (until - now).as_secs();
            format!("it sent {exceeded} (max_prefix): tried again in {left} s, or by {clear}")
        }
        (Refusal::Paths(exceeded), None) => format!(
            "it sent {exceeded} (max_prefix): it stays down until max_prefix is raised or removed, \
             or {clear} is said"
        ),
        (Refusal::Tables(error), _) => {
            format!("{error}: it stays down until {clear} is said")
        }
    }
}

/// What the last try has told of why a session is not up; `None` where it is, and where nothing is
/// known beyond what it was last down for.
pub(super) fn why_not_up(now: Instant, view: &View, security: &Security) -> Option<String> {
    if view.state == State::Established {
        return None;
    }
    if view.unanswered > 0 {
        return Some(why_unanswered(view.unanswered, security));
    }
    let waited = now - view.since;
    if matches!(view.state, State::OpenSent | State::OpenConfirm) && waited >= OPEN_PATIENCE {
        return Some(why_unheard(view.state, waited, security));
    }
    let sent = view.last_sent.iter().map(|error| ("we sent", error));
    let received = view.last_received.iter().map(|error| ("the peer sent", error));
    let (who, error) = sent.chain(received).max_by_key(|(_, error)| error.at)?;
    let is_told = view.last_down.as_ref().is_some_and(|(at, _)| *at >= error.at);
    let text = error.text.as_ref().or(error.detail.as_ref());
    let text = text.map_or_else(String::new, |text| format!(": {text}"));
    (!is_told).then(|| format!("{who}: {}{text}", error.words))
}

/// What no answer to connections may mean.
fn why_unanswered(count: u32, security: &Security) -> String {
    if count < UNANSWERED_LEAST {
        return "the last connection had no answer".to_owned();
    }
    let mut causes = Vec::new();
    if security.key.is_some() {
        causes.push("the neighbour has another password, or none");
    }
    if security.hop_limit_least > 0 {
        causes.push("the neighbour is more hops away than ttl_security_hops says");
    }
    let text = format!("the last {count} connections had no answer");
    match causes.as_slice() {
        [] => text + ": nobody has the address, or packets do not get there or back",
        causes => format!("{text}: so it is where {}", causes.join(", or where ")),
    }
}

/// What an OPEN may mean after which nothing comes.
fn why_unheard(state: State, waited: Duration, security: &Security) -> String {
    let what = match state {
        State::OpenSent => "our OPEN has had no answer",
        _ => "its OPEN came, and nothing after it",
    };
    let text = format!("{what} for {} s", waited.as_secs());
    if security.hop_limit_least > 0 {
        return text
            + ": so it is where the neighbour is more hops away than ttl_security_hops \
                       says, or does not send with a hop limit of 255 (RFC 5082)";
    }
    match security.hop_limit_sent {
        Some(255) => text,
        _ => {
            text + ": so it is where the neighbour takes packets from nearby only (RFC 5082) and \
                    this block has no ttl_security_hops"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::bgp::transport::Key;

    #[test]
    fn one_connection_without_an_answer_blames_nobody() {
        let security = Security { key: Some(Key::default()), ..Security::default() };
        assert_eq!(why_unanswered(1, &security), "the last connection had no answer");
    }

    #[test]
    fn many_connections_without_an_answer_name_what_this_block_asks_for() {
        let none = Security::default();
        let key = Security { key: Some(Key::default()), ..Security::default() };
        let both = Security { hop_limit_least: 255, ..key.clone() };
        let begin = "the last 4 connections had no answer: ";
        let said = |security: &Security| why_unanswered(4, security);
        assert!(said(&none).ends_with("or packets do not get there or back"));
        assert_eq!(
            said(&key),
            format!("{begin}so it is where the neighbour has another password, or none")
        );
        assert!(said(&both).ends_with(
            "or none, or where the neighbour is more hops away than ttl_security_hops says"
        ));
    }

    #[test]
    fn an_open_without_more_tells_of_packets_from_nearby() {
        let near = Security { hop_limit_sent: Some(255), ..Security::default() };
        let waited = Duration::from_secs(12);
        let said = why_unheard(State::OpenConfirm, waited, &Security::default());
        assert!(said.starts_with("its OPEN came, and nothing after it for 12 s: so it is where"));
        assert!(said.ends_with("this block has no ttl_security_hops"), "{said}");
        assert_eq!(
            why_unheard(State::OpenSent, waited, &near),
            "our OPEN has had no answer for 12 s"
        );
        let far = Security { hop_limit_least: 255, ..near };
        assert!(why_unheard(State::OpenSent, waited, &far).contains("than ttl_security_hops says"));
    }
}
