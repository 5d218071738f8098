//! `show errors`: counters of everything that went wrong, with what they mean.

use crate::api::show::ErrorRow;
use crate::cli::show::look::{Look, Table, cell, should_be_zero};

/// The table.
pub fn table(rows: &[ErrorRow], look: Look) -> String {
    let mut table = Table::new(look, &["COUNT", "PLACE", "NAME", "MEANING"]);
    table = table.numbers_in(&[0]).prose_in(3);
    for row in rows {
        let count = should_be_zero(row.count);
        table.row(vec![count, cell(&row.place), cell(&row.name), cell(&row.help)]);
    }
    table.finish("No errors.")
}
