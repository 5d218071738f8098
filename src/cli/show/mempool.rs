//! `show mempool`: packet buffers, who has them, and why there are so many.

use crate::api::show::MempoolRow;
use crate::cli::show::look::{Look, Table, cell, optional, should_be_zero};

/// Octets as MiB with one digit behind the point, rounded up.
fn mebibytes(octets: u64) -> String {
    let tenths = octets.saturating_mul(10).div_ceil(1 << 20);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// The tables: pools, the caches of threads, and the arithmetic of each pool.
pub fn table(rows: &[MempoolRow], look: Look) -> String {
    let headings = [
        "POOL",
        "BUFFERS",
        "IN USE",
        "FREE",
        "NONE LEFT",
        "OCTETS",
        "HEADROOM",
        "DATA ROOM",
        "MTU",
        "MIB",
        "HUGEPAGES",
    ];
    let mut pools = Table::new(look, &headings).numbers_in(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let headings = ["POOL", "THREAD", "CACHED", "OF"];
    let mut caches = Table::new(look, &headings).numbers_in(&[2, 3]);
    let headings = ["POOL", "FOR", "BUFFERS", "ARITHMETIC"];
    let mut needs = Table::new(look, &headings).numbers_in(&[2]);
    for row in rows {
        pools.row(vec![
            cell(&row.name),
            cell(row.element_count),
            cell(row.in_use_count),
            cell(row.available_count),
            should_be_zero(row.shortage_count),
            cell(row.element_bytes),
            cell(row.headroom_bytes),
            cell(row.data_room_bytes),
            cell(row.mtu_bytes),
            cell(mebibytes(row.memory_bytes)),
            optional(row.hugepage_count),
        ]);
        for cache in &row.caches {
            let counts = [cache.cached_count, cache.size].map(cell);
            let mut cells = vec![cell(&row.name), cell(&cache.thread)];
            cells.extend(counts);
            caches.row(cells);
        }
        for need in &row.needs {
            needs.row(vec![
                cell(&row.name),
                cell(&need.what),
                cell(need.buffer_count),
                cell(&need.arithmetic),
            ]);
        }
    }
    let mut text = pools.finish("No pools: packets live in ordinary memory.");
    if !rows.is_empty() {
        for table in [caches.finish("No caches."), needs.finish("No arithmetic.")] {
            text.push('\n');
            text.push_str(&table);
        }
    }
    text
}
