//! `show version`: who answers.

use crate::api::show::VersionRow;
use crate::cli::show::look::{Look, Table, age, cell, optional};

/// The table.
pub fn table(row: &VersionRow, look: Look) -> String {
    let headings = ["NAME", "VERSION", "DPDK", "UPTIME", "PID", "ROUTER-ID", "LOOPBACK"];
    let mut table = Table::new(look, &headings);
    table.row(vec![
        cell(&row.name),
        cell(&row.version),
        cell(&row.dpdk),
        cell(age(row.uptime_ms)),
        cell(row.pid),
        optional(row.router_id),
        optional(row.loopback),
    ]);
    table.finish("no version")
}
