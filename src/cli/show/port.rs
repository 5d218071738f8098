//! `show port`: ports with state, addresses and counters.

use crate::api::show::PortRow;
use crate::cli::show::look::{Look, Table, cell, should_be_zero, up_or_down};
use crate::config::schema::role_word;

/// The table; with `--detail` also octets, MAC, device and what that does.
pub fn table(rows: &[PortRow], look: Look) -> String {
    let mut headings =
        vec!["PORT", "ROLE", "STATE", "MTU", "RX PACKETS", "TX PACKETS", "MISSED", "DROPPED"];
    let mut numbers = vec![3, 4, 5, 6, 7];
    if look.has_detail {
        headings.extend(["RX BYTES", "TX BYTES", "MAC", "DEVICE", "WHICH HAS"]);
        numbers.extend([8, 9]);
    }
    headings.push("ADDRESSES");
    let mut table = Table::new(look, &headings).numbers_in(&numbers);
    for row in rows {
        let mut cells = vec![
            cell(&row.name),
            cell(role_word(row.role)),
            up_or_down(row.is_up),
            cell(row.mtu),
            cell(row.rx_packets),
            cell(row.tx_packets),
            should_be_zero(row.rx_missed_packets),
            should_be_zero(row.tx_dropped_packets),
        ];
        if look.has_detail {
            let bytes = [row.rx_bytes, row.tx_bytes];
            cells.extend(bytes.map(cell));
            let abilities = cell(row.abilities.join("\n"));
            cells.extend([cell(row.mac), cell(&row.device), abilities]);
        }
        let mut addresses: Vec<_> = row.addresses.iter().map(ToString::to_string).collect();
        let refused = row.refused_addresses.iter();
        addresses.extend(refused.map(|address| format!("{address} not used: a duplicate")));
        cells.push(cell(addresses.join("\n")));
        table.row(cells);
    }
    table.finish("No ports.")
}
