//! Results as one page that needs nothing else: style and plots are inside, no scripts.

use crate::document::{Better, Document, Series, Sheet, write_file};
use crate::plot::{draw, escape, number};
use std::fmt::Write;
use std::path::Path;

/// Light and dark by the reader's own setting; the plots use the same variables.
const STYLE: &str = include_str!("report.css");

/// A page of results, in the given order.
pub fn page(title: &str, documents: &[Document]) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style></head><body>\n<main>\n<header>\
         <h1>{title}</h1>\n",
        title = escape(title)
    );
    if let Some(first) = documents.first() {
        html += &environment(first);
    }
    html += "</header>\n";
    if documents.len() > 1 {
        html += &contents(documents);
    }
    for (number, document) in documents.iter().enumerate() {
        html += &section(number, document);
    }
    html + "</main></body></html>\n"
}

/// Writes a page of results.
pub fn write(
    path: &Path,
    title: &str,
    documents: &[Document],
) -> Result<(), crate::document::DocumentError> {
    write_file(path, &page(title, documents))
}

fn environment(document: &Document) -> String {
    let environment = &document.environment;
    let facts = [
        ("processor", &environment.cpu),
        ("kernel", &environment.kernel),
        ("DPDK", &environment.dpdk),
        ("version", &environment.version),
        ("commit", &environment.commit),
    ];
    let mut html = String::from("<dl>");
    for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(html, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(value));
    }
    html + "</dl>\n"
}

fn contents(documents: &[Document]) -> String {
    let mut html = String::from("<nav>");
    for (number, document) in documents.iter().enumerate() {
        let _ = write!(html, "<a href=\"#r{number}\">{}</a>", escape(&title_of(document)));
    }
    html + "</nav>\n"
}

fn title_of(document: &Document) -> String {
    if document.title.is_empty() { document.schema.clone() } else { document.title.clone() }
}

fn section(number: usize, document: &Document) -> String {
    let words = document.environment.command.join(" ");
    let mut html = format!(
        "<section id=\"r{number}\"><h2>{}</h2>\n<p class=\"command\"><code>kumiki-perf {}</code> \
         <span>{}</span></p>\n",
        escape(&title_of(document)),
        escape(&words),
        escape(&document.schema)
    );
    for note in &document.notes {
        let _ = writeln!(html, "<p class=\"note\">{}</p>", escape(note));
    }
    html.extend(document.figures.iter().map(draw));
    html.extend(document.sheets.iter().map(sheet));
    if document.sheets.is_empty() {
        html += &sheet(&sheet_of(&document.series));
    }
    html + "</section>\n"
}

/// The series of a document without tables of its own.
fn sheet_of(series: &[Series]) -> Sheet {
    let mut sheet = Sheet::new("", &["series", "p10", "p50", "p90", "unit", "better"]);
    for Series { name, unit, better, spread } in series {
        let better = match better {
            Better::Higher => "higher",
            Better::Lower => "lower",
            Better::Neither => "",
        };
        let figures = [spread.p10, spread.p50, spread.p90].map(number);
        let mut row = vec![name.clone()];
        row.extend(figures);
        row.extend([unit.clone(), better.to_owned()]);
        sheet.rows.push(row);
    }
    sheet
}

fn sheet(sheet: &Sheet) -> String {
    let mut html = String::new();
    if !sheet.title.is_empty() {
        let _ = writeln!(html, "<h3>{}</h3>", escape(&sheet.title));
    }
    html += "<div class=\"scroll\"><table><thead><tr>";
    for word in &sheet.header {
        let _ = write!(html, "<th>{}</th>", escape(word));
    }
    html += "</tr></thead>\n<tbody>";
    for row in &sheet.rows {
        html += "<tr>";
        for word in row {
            let _ = write!(html, "<td>{}</td>", escape(word));
        }
        html += "</tr>\n";
    }
    html + "</tbody></table></div>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Series;

    #[test]
    fn a_page_stands_alone_and_shows_what_it_was_given() {
        let mut document = Document::of_this_run("fib", "A <title>");
        document.notes.push("a note".into());
        document.series.push(Series::single("lookups & more", "M/s", Better::Higher, 12.0));
        let html = page("Kumiki", &[document.clone(), document]);
        for wanted in ["A &lt;title&gt;", "a note", "lookups &amp; more", "prefers-color-scheme"] {
            assert!(html.contains(wanted), "{wanted}");
        }
        for foreign in ["<script", "http://", "https://", "url("] {
            assert!(!html.contains(foreign), "{foreign}");
        }
        let opened = html.matches("<section").count();
        assert_eq!((opened, html.matches("</section>").count()), (2, 2));
    }
}
