//! The cluster as text: a ring as a ring, everything else as a list of cables.
//!
//! *Invariants*: no line is longer than 100 columns.

use crate::lab::state::{CableState, CableStatus};
use crate::planner::server_name;

/// Columns from one server of the upper row to the next.
const CELL_COLUMNS: usize = 14;
/// Servers of the upper row that fit 100 columns.
const ROW_MAX: usize = 6;
/// Cables of a list that fit 100 columns.
const LIST_COLUMNS: usize = 7;

/// The cluster, a string a line.
pub fn cluster(server_count: usize, cables: &[CableState]) -> Vec<String> {
    let upper = server_count.div_ceil(2);
    if is_ring(server_count, cables) && upper <= ROW_MAX && server_count > 3 {
        ring(server_count, cables)
    } else {
        list(cables)
    }
}

fn is_ring(server_count: usize, cables: &[CableState]) -> bool {
    cables.len() == server_count
        && (0..server_count).all(|s| status(cables, s, (s + 1) % server_count).is_some())
}

fn status(cables: &[CableState], a: usize, b: usize) -> Option<CableStatus> {
    let ends = (a.min(b), a.max(b));
    cables.iter().find(|cable| cable.ends == ends).map(|cable| cable.status)
}

/// The upper row runs from left to right, the lower one back.
fn ring(server_count: usize, cables: &[CableState]) -> Vec<String> {
    let upper: Vec<usize> = (0..server_count.div_ceil(2)).collect();
    let lower: Vec<usize> = (server_count.div_ceil(2)..server_count).rev().collect();
    let columns = (upper.len() - 1) * CELL_COLUMNS;
    let right = (*upper.last().unwrap_or(&0), *lower.last().unwrap_or(&0));
    let left = (0, server_count - 1);
    let upright = |(a, b): (usize, usize)| match status(cables, a, b) {
        Some(CableStatus::Cut) => '╳',
        Some(CableStatus::Silent) => '┊',
        _ => '│',
    };
    let sides = format!("    {}{}{}", upright(left), " ".repeat(columns - 1), upright(right));
    vec![row(&upper, columns, cables), sides.clone(), sides, row(&lower, columns, cables)]
}

fn row(servers: &[usize], columns: usize, cables: &[CableState]) -> String {
    let mut text = format!("   {}", server_name(servers[0]));
    for (index, pair) in servers.windows(2).enumerate() {
        let gaps = servers.len() - 1;
        let width = columns * (index + 1) / gaps - columns * index / gaps;
        let inner = width - 5;
        let line = match status(cables, pair[0], pair[1]) {
            Some(CableStatus::Cut) => {
                let left = (inner - 3) / 2;
                format!("{} ╳ {}", "─".repeat(left), "─".repeat(inner - 3 - left))
            }
            Some(CableStatus::Silent) => "╌".repeat(inner),
            _ => "─".repeat(inner),
        };
        text.push_str(&format!(" {line} {}", server_name(pair[1])));
    }
    text
}

fn list(cables: &[CableState]) -> Vec<String> {
    let words: Vec<String> = cables
        .iter()
        .map(|cable| {
            let mark = match cable.status {
                CableStatus::Connected => '─',
                CableStatus::Cut => '╳',
                CableStatus::Silent => '╌',
            };
            format!("{}{mark}{}", server_name(cable.ends.0), server_name(cable.ends.1))
        })
        .collect();
    words.chunks(LIST_COLUMNS).map(|line| format!("   {}", line.join("   "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring_of(count: usize, broken: &[(usize, CableStatus)]) -> String {
        let mut cables: Vec<CableState> = (0..count)
            .map(|s| (s, (s + 1) % count))
            .map(|(a, b)| CableState { ends: (a.min(b), a.max(b)), status: CableStatus::Connected })
            .collect();
        for (cable, status) in broken {
            cables[*cable].status = *status;
        }
        cluster(count, &cables).join("\n")
    }

    #[test]
    fn a_ring_of_four_is_drawn_as_a_square() {
        let expected = "   s01 ───────── s02\n    │             │\n    │             │\n   \
                        s04 ───────── s03";
        assert_eq!(ring_of(4, &[]), expected);
    }

    #[test]
    fn broken_cables_are_marked() {
        let text = ring_of(5, &[(0, CableStatus::Cut), (4, CableStatus::Silent)]);
        assert!(text.starts_with("   s01 ─── ╳ ─── s02 ───────── s03\n    ┊"), "{text}");
    }

    #[test]
    fn no_ring_is_wider_than_the_terminal() {
        for count in 4..20 {
            assert!(ring_of(count, &[]).lines().all(|line| line.chars().count() <= 100));
        }
    }
}
