//! `show config`: the configuration that runs, as a file that can be loaded again.

use crate::api::show::ConfigRow;

/// The text; what is inactive on this server comes first, as comments.
pub fn text(row: &ConfigRow) -> String {
    let mut text = String::new();
    for line in row.inactive.iter().flat_map(|reason| reason.lines()) {
        text.push_str("# inactive here: ");
        text.push_str(line);
        text.push('\n');
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(row.text.trim_end());
    text.push('\n');
    text
}
