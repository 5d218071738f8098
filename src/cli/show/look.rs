//! How tables look: columns, colours, units.
//!
//! Owns [`Look`], [`Table`] and the spelling of ages and counts. What stands in a table is the
//! business of the file of that table.
//!
//! *Invariants*: without colour the text has no escape codes; columns are separated by two spaces
//! or more. Only sentences are broken to fit a terminal: of an address that stands in two lines
//! neither can be copied, so a line rather runs over.

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Width, presets,
};
use std::io::IsTerminal;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether colours are wanted.
    pub is_coloured: bool,
    /// Columns of the terminal; `None` where lines may have any length.
    pub width: Option<u16>,
    /// Whether everything is wanted, not only the line of each row.
    pub has_detail: bool,
}

impl Look {
    /// For files and pipes.
    pub const PLAIN: Self = Self { is_coloured: false, width: None, has_detail: false };

    /// For standard output as it is: colour on a terminal, unless `NO_COLOR` is set.
    pub fn of_terminal() -> Self {
        let output = std::io::stdout();
        if !output.is_terminal() {
            return Self::PLAIN;
        }
        let is_coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let width = rustix::termios::tcgetwinsize(&output).ok().map(|size| size.ws_col);
        Self { is_coloured, width: width.filter(|width| *width > 0), has_detail: false }
    }
}

/// What a word says of the state of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As it should be.
    Good,
    /// On the way.
    Changing,
    /// Needs a look.
    Bad,
    /// Says nothing.
    Quiet,
}

/// A table under construction.
#[derive(Debug)]
pub struct Table {
    table: comfy_table::Table,
    look: Look,
    /// The column of sentences.
    prose: Option<usize>,
}

/// Columns of the terminal that sentences get at least.
const PROSE_COLUMNS_MIN: u16 = 24;

impl Table {
    /// A table with these headings.
    pub fn new(look: Look, headings: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        match look.is_coloured {
            true => table.enforce_styling(),
            false => table.force_no_tty(),
        };
        match look.width {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width)
            }
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        table
            .set_header(headings.iter().map(|text| Cell::new(text).add_attribute(Attribute::Bold)));
        Self { table, look, prose: None }
    }

    /// Aligns these columns to the right: numbers.
    #[must_use]
    pub fn numbers_in(mut self, columns: &[usize]) -> Self {
        for column in columns {
            if let Some(column) = self.table.column_mut(*column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self
    }

    /// Lets the sentences of a column be broken into lines.
    #[must_use]
    pub const fn prose_in(mut self, column: usize) -> Self {
        self.prose = Some(column);
        self
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.table.add_row(cells);
    }

    /// The text, without spaces at the ends of lines; `empty` when there is no row.
    pub fn finish(mut self, empty: &str) -> String {
        if self.table.is_empty() {
            return format!("{empty}\n");
        }
        for (place, column) in self.table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            column.set_constraint(match self.prose == Some(place) {
                true => ColumnConstraint::LowerBoundary(Width::Fixed(PROSE_COLUMNS_MIN)),
                false => ColumnConstraint::ContentWidth,
            });
        }
        let mut text = String::new();
        for line in self.table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        debug_assert!(
            self.look.is_coloured || !text.contains('\u{1b}'),
            "escape codes in plain text"
        );
        text
    }
}

/// A plain cell.
pub fn cell(value: impl ToString) -> Cell {
    Cell::new(value.to_string())
}

/// A cell for something that may be absent.
pub fn optional(value: Option<impl ToString>) -> Cell {
    cell(value.map_or_else(|| "-".to_owned(), |value| value.to_string()))
}

/// A coloured word.
pub fn state(word: &str, mood: Mood) -> Cell {
    let cell = Cell::new(word);
    match mood {
        Mood::Good => cell.fg(Color::Green),
        Mood::Changing => cell.fg(Color::Yellow),
        Mood::Bad => cell.fg(Color::Red),
        Mood::Quiet => cell.fg(Color::DarkGrey),
    }
}

/// `up` or `down`.
pub fn up_or_down(is_up: bool) -> Cell {
    if is_up { state("up", Mood::Good) } else { state("down", Mood::Bad) }
}

/// A count that should be zero.
pub fn should_be_zero(count: u64) -> Cell {
    if count == 0 { cell(count) } else { state(&count.to_string(), Mood::Changing) }
}

/// An age: `350ms`, `12.3s`, `5m02s`, `3h04m`, `2d05h`.
pub fn age(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0 => format!("{milliseconds}ms"),
        1..60 => format!("{seconds}.{}s", milliseconds % 1000 / 100),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_two_units_at_most() {
        let ages = [0, 350, 12_345, 302_000, 11_040_000, 190_000_000].map(age);
        assert_eq!(ages, ["0ms", "350ms", "12.3s", "5m02s", "3h04m", "2d04h"]);
    }

    #[test]
    fn sentences_are_broken_and_addresses_are_not() {
        let look = Look { width: Some(40), ..Look::PLAIN };
        let address = "fe80::f88b:cfff:fe08:7ff6 on p-s02";
        let mut table = Table::new(look, &["ADDRESS", "MEANING"]).prose_in(1);
        table.row(vec![cell(address), cell("a sentence of several words that is long")]);
        let text = table.finish("none");
        assert!(text.lines().count() > 2 && text.contains(address), "{text}");
        let mut table = Table::new(look, &["ADDRESS", "AND", "ANOTHER"]);
        table.row(vec![cell(address), cell("with"), cell(address)]);
        let text = table.finish("none");
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    #[test]
    fn colours_appear_only_where_wanted() {
        let text = |is_coloured| {
            let look = Look { is_coloured, ..Look::PLAIN };
            let mut table = Table::new(look, &["STATE"]);
            table.row(vec![up_or_down(false)]);
            table.finish("none")
        };
        assert_eq!(text(false), "STATE\ndown\n");
        assert!(text(true).contains("\u{1b}["));
    }
}
