//! A cabling that follows no rule: one cable a line, `s01 s02`; `#` starts a comment.

use super::{Topology, TopologyError, server_index};

/// Reads the text of a cabling file. The highest server named says how many there are, if
/// `server_count` does not.
pub fn parse(text: &str, server_count: Option<usize>) -> Result<Topology, TopologyError> {
    let mut cables = Vec::new();
    let mut highest = 0;
    for (index, line) in text.lines().enumerate() {
        let content = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = content.split_whitespace().collect();
        let refused = || TopologyError::Line { line: index + 1, text: line.trim().to_owned() };
        match words.as_slice() {
            [] => {}
            [a, b] => {
                let a = server_index(a).ok_or_else(refused)?;
                let b = server_index(b).ok_or_else(refused)?;
                highest = highest.max(a).max(b);
                cables.push((a, b));
            }
            _ => return Err(refused()),
        }
    }
    let named = highest + 1;
    let count = server_count.unwrap_or(named);
    if count < named || cables.is_empty() {
        let needed = format!("at least {}", named.max(2));
        return Err(TopologyError::ServerCount { family: "cabling file", needed, given: count });
    }
    Topology::new(count, cables)
}
