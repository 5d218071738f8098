//! `show port`: ports with state, addresses and counters.

use crate::api::show::PortRow;
use crate::cli::show::look::{Look, Table, cell, should_be_zero, up_or_down};
use crate::config::schema::role_word;

/// The table.
pub fn table(rows: &[PortRow], look: Look) -> String {
    let headings = [
        "PORT",
        "ROLE",
        "STATE",
        "MTU",
        "RX PACKETS",
        "RX BYTES",
        "TX PACKETS",
        "TX BYTES",
        "MISSED",
        "DROPPED",
        "MAC",
        "DEVICE",
        "ADDRESSES",
    ];
    let mut table = Table::new(look, &headings).numbers_in(&[3, 4, 5, 6, 7, 8, 9]);
    for row in rows {
        let addresses: Vec<_> = row.addresses.iter().map(ToString::to_string).collect();
        table.row(vec![
            cell(&row.name),
            cell(role_word(row.role)),
            up_or_down(row.is_up),
            cell(row.mtu),
            cell(row.rx_packets),
            cell(row.rx_bytes),
            cell(row.tx_packets),
            cell(row.tx_bytes),
            should_be_zero(row.rx_missed_packets),
            should_be_zero(row.tx_dropped_packets),
            cell(row.mac),
            cell(&row.device),
            cell(addresses.join("\n")),
        ]);
    }
    table.finish("No ports.")
}
