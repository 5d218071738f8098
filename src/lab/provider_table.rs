//! What the provider has heard from the edges, as its own program says.
//!
//! Owns reading BIRD's and FRR's tables.
//!
//! *Invariants*: every route that came by a session with an edge is there, not only the best one of
//! a prefix; what the provider announces itself is not.

use crate::base::prefix::Ipv6Prefix;
use crate::lab::error::LabError;
use crate::lab::fabric::Lab;
use crate::lab::layout;
use crate::lab::peer::{ask_bird, ask_frr};
use crate::lab::state::{Place, ServerKind};
use crate::planner::server_index;
use core::net::Ipv6Addr;
use serde_json::Value;
use std::collections::BTreeSet;

/// A route in the provider's table: the prefix, and the edge from which it came.
pub type Heard = (Ipv6Prefix, usize);

impl Lab {
    /// What the provider has heard; nothing where there is no provider.
    pub fn heard(&self) -> Result<BTreeSet<Heard>, LabError> {
        let Some(provider) = &self.state.provider else { return Ok(BTreeSet::new()) };
        let name = Place::PROVIDER_NAME;
        let failed = |reason: String| LabError::Answer { server: name.to_owned(), reason };
        if provider.kind == ServerKind::Frr {
            let socket = self.directory.file(format!("{name}.frr/bgpd.vty"));
            let text = ask_frr(&socket, "show bgp ipv6 unicast json");
            let text = text.map_err(|e| failed(e.to_string()))?;
            return heard_by_frr(&text, &provider.edges).map_err(|e| failed(e.to_string()));
        }
        let socket = self.directory.file(format!("{name}.bird/bird.ctl"));
        let text = ask_bird(&socket, "show route where source = RTS_BGP");
        Ok(heard_by_bird(&text.map_err(|e| failed(e.to_string()))?))
    }

    /// What the provider has to have heard: from each of these edges the aggregate of its cluster.
    pub fn announced_by(&self, edges: &[usize]) -> BTreeSet<Heard> {
        let numbering = self.state.numbering;
        edges.iter().map(|&edge| (numbering.ula_of(edge), edge)).collect()
    }

    /// Whether a prefix is one that the configuration of a cluster announces.
    pub fn is_aggregate(&self, prefix: Ipv6Prefix) -> bool {
        let numbering = self.state.numbering;
        self.state.edges().iter().any(|&edge| numbering.ula_of(edge) == prefix)
    }
}

/// A row begins with the prefix, or with blanks where it is that of the row before; then comes the
/// session in brackets. Rows of next hops have none.
fn heard_by_bird(text: &str) -> BTreeSet<Heard> {
    let mut heard = BTreeSet::new();
    let mut prefix = None;
    for line in text.lines() {
        // Before the row stands the code of the answer and a minus, or a blank for the same code.
        let row = match line.split_at_checked(5) {
            Some((code, row)) if code.ends_with('-') => row,
            _ => line.strip_prefix(' ').unwrap_or(line),
        };
        let Some((begin, session)) = row.split_once(" [") else { continue };
        if let Some(word) = begin.split(' ').next().filter(|word| !word.is_empty()) {
            prefix = word.parse::<Ipv6Prefix>().ok();
        }
        let edge = session.split([' ', ']']).next().and_then(server_index);
        heard.extend(prefix.zip(edge));
    }
    heard
}

/// An object of prefixes, each with a list of paths that name the neighbour by address.
fn heard_by_frr(text: &str, edges: &[usize]) -> Result<BTreeSet<Heard>, serde_json::Error> {
    let table: Value = serde_json::from_str(text)?;
    let routes = table.get("routes").and_then(Value::as_object).into_iter().flatten();
    let paths = routes.flat_map(|(prefix, paths)| {
        let prefix = prefix.parse::<Ipv6Prefix>().ok();
        paths.as_array().into_iter().flatten().map(move |path| (prefix, path))
    });
    let edge_of = |path: &Value| {
        let address: Ipv6Addr = path.get("peerId")?.as_str()?.parse().ok()?;
        edges.iter().copied().find(|&edge| layout::uplink_address(edge) == address)
    };
    Ok(paths.filter_map(|(prefix, path)| prefix.zip(edge_of(path))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(rows: &[(&str, usize)]) -> BTreeSet<Heard> {
        rows.iter().map(|(prefix, edge)| (prefix.parse().unwrap(), *edge)).collect()
    }

    #[test]
    fn every_route_of_bird_counts_not_only_the_best() {
        let text = "1007-Table master6:\n \
            fd4b:756d:696b::/48  unicast [s01 02:11:22.123] * (100) [AS64512i]\n \
            \tvia 2001:db8:ffff:1::2 on u-s01\n                      \
            unicast [s03 02:11:23.456] (100) [AS64512i]\n \
            \tvia 2001:db8:ffff:3::2 on u-s03\n \
            fd4b:756d:696c:7::/64 unicast [s05 02:11:22.123] * (100) [AS64513?]\n \
            \tvia 2001:db8:ffff:5::2 on u-s05\n0000 \n";
        let expected = heard(&[
            ("fd4b:756d:696b::/48", 0),
            ("fd4b:756d:696b::/48", 2),
            ("fd4b:756d:696c:7::/64", 4),
        ]);
        assert_eq!(heard_by_bird(text), expected);
        assert_eq!(heard_by_bird("0000 \n"), heard(&[]));
    }

    #[test]
    fn a_first_row_of_bird_may_follow_the_code() {
        let text = "1007-fd4b:756d:696b::/48  unicast [s01 02:11:22.123] * (100) [AS64512i]\n";
        assert_eq!(heard_by_bird(text), heard(&[("fd4b:756d:696b::/48", 0)]));
    }

    #[test]
    fn paths_of_frr_are_told_by_the_neighbour_and_its_own_are_not_heard() {
        let text = r#"{"vrfName": "default", "localAS": 64500, "routes": {
            "2001:db8:a::/48": [{"valid": true, "bestpath": true, "peerId": "(unspec)"}],
            "fd4b:756d:696b::/48": [
                {"valid": true, "bestpath": true, "peerId": "2001:db8:ffff:1::2"},
                {"valid": true, "peerId": "2001:db8:ffff:3::2"}]}}"#;
        let expected = heard(&[("fd4b:756d:696b::/48", 0), ("fd4b:756d:696b::/48", 2)]);
        assert_eq!(heard_by_frr(text, &[0, 2, 4, 6]).unwrap(), expected);
        assert!(heard_by_frr("% Unknown command", &[0]).is_err());
    }
}
