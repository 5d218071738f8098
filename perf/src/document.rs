//! The result of a command as data: what JSON files hold, reports draw and comparisons read.
//!
//! Owns [`Document`] and its parts. Every command fills one; [`crate::html`] draws it,
//! [`crate::comparison`] holds two of them against each other.
//!
//! *Invariants*: names of series are unique in a document. A reader takes any document whose schema
//! begins with [`SCHEMA_FAMILY`]; one without `series` (written by hand or by an older version) is
//! searched for spreads.

use crate::measure::Spread;
use crate::report::Environment;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How every schema of ours begins: `kumiki.perf.<command>/<version>`.
pub const SCHEMA_FAMILY: &str = "kumiki.perf.";

/// Which way a figure should go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// Neither.
    #[default]
    Neither,
}

/// A figure with a name that stays the same from run to run.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its unit, in words of tables: `Mpps`, `µs`.
    pub unit: String,
    /// Which way it should go.
    #[serde(default)]
    pub better: Better,
    /// Median and tenths.
    #[serde(flatten)]
    pub spread: Spread,
}

impl Series {
    /// A figure.
    pub fn new(name: impl Into<String>, unit: &str, better: Better, spread: Spread) -> Self {
        Self { name: name.into(), unit: unit.to_owned(), better, spread }
    }

    /// A figure that was measured once.
    pub fn single(name: impl Into<String>, unit: &str, better: Better, value: f64) -> Self {
        Self::new(name, unit, better, Spread { p10: value, p50: value, p90: value })
    }
}

/// A table of words; the first column names the rows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Sheet {
    /// What stands above it.
    pub title: String,
    /// The columns.
    pub header: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

impl Sheet {
    /// A table without rows.
    pub fn new(title: impl Into<String>, header: &[&str]) -> Self {
        let header = header.iter().map(|word| (*word).to_owned()).collect();
        Self { title: title.into(), header, rows: Vec::new() }
    }

    /// For the terminal.
    pub fn print(&self) {
        if !self.title.is_empty() {
            println!("{}", self.title);
        }
        let header: Vec<&str> = self.header.iter().map(String::as_str).collect();
        let mut table = crate::command::table(&header);
        for row in &self.rows {
            table.add_row(row);
        }
        println!("{table}\n");
    }
}

/// An axis of a plot.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Axis {
    /// What it shows, with the unit.
    pub label: String,
    /// Powers of ten in equal steps.
    #[serde(default)]
    pub is_logarithmic: bool,
}

impl Axis {
    /// In equal steps.
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), is_logarithmic: false }
    }

    /// In powers of ten.
    pub fn logarithmic(label: &str) -> Self {
        Self { label: label.to_owned(), is_logarithmic: true }
    }
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stroke {
    /// Points in order, joined.
    #[default]
    Line,
    /// Points alone.
    Dots,
}

/// Points with a name.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Curve {
    /// What the legend says.
    pub name: String,
    /// How it is drawn.
    #[serde(default)]
    pub stroke: Stroke,
    /// The points, in order.
    pub points: Vec<[f64; 2]>,
}

/// A bar with its spread.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Bar {
    /// What stands beside it.
    pub name: String,
    /// How long it is.
    pub spread: Spread,
}

/// A plot, as data.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Figure {
    /// Bars from zero.
    Bars {
        /// What stands above it.
        title: String,
        /// Unit of the lengths.
        unit: String,
        /// The bars, from the top.
        bars: Vec<Bar>,
    },
    /// Curves over an axis.
    Curves {
        /// What stands above it.
        title: String,
        /// To the right.
        x: Axis,
        /// Upwards.
        y: Axis,
        /// The curves.
        curves: Vec<Curve>,
    },
}

/// The result of a command.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Document {
    /// `kumiki.perf.<command>/<version>`.
    pub schema: String,
    /// What it is, in a few words.
    pub title: String,
    /// What it was made on.
    pub environment: Environment,
    /// What a reader must know.
    pub notes: Vec<String>,
    /// What is compared from run to run.
    pub series: Vec<Series>,
    /// Tables.
    pub sheets: Vec<Sheet>,
    /// Plots.
    pub figures: Vec<Figure>,
    /// What else the command has to say, by name.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

/// Why a file is no result.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It cannot be read or written.
    #[error("cannot {verb} {path}: {error}")]
    File {
        /// What was tried.
        verb: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// It is no JSON of the right form.
    #[error("{path} is no result of kumiki-perf: {error}")]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// It is JSON, but not ours.
    #[error(
        "{path} has the schema `{found}`; results of kumiki-perf have `{SCHEMA_FAMILY}COMMAND/1`"
    )]
    Schema {
        /// Which file.
        path: PathBuf,
        /// What it says it is.
        found: String,
    },
}

impl Document {
    /// A result of this run, of the command with this name.
    pub fn of_this_run(command: &str, title: &str) -> Self {
        Self {
            schema: format!("{SCHEMA_FAMILY}{command}/1"),
            title: title.to_owned(),
            environment: Environment::of_this_run(),
            ..Self::default()
        }
    }

    /// Adds what a structure says, field by field.
    pub fn add_details(&mut self, details: &impl Serialize) {
        if let Ok(Value::Object(fields)) = serde_json::to_value(details) {
            self.details.extend(fields);
        }
    }

    /// Reads one.
    pub fn read(path: &Path) -> Result<Self, DocumentError> {
        let text = std::fs::read_to_string(path).map_err(|error| DocumentError::File {
            verb: "read",
            path: path.to_owned(),
            error,
        })?;
        let form = |error| DocumentError::Form { path: path.to_owned(), error };
        let value: Value = serde_json::from_str(&text).map_err(form)?;
        let schema = value.get("schema").and_then(Value::as_str).unwrap_or("none");
        if !schema.starts_with(SCHEMA_FAMILY) {
            return Err(DocumentError::Schema { path: path.to_owned(), found: schema.to_owned() });
        }
        let mut document: Self = serde_json::from_value(value).map_err(form)?;
        if document.series.is_empty() {
            document.series = find_series(&document.details);
        }
        Ok(document)
    }

    /// Writes it.
    pub fn write(&self, path: &Path) -> Result<(), DocumentError> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| DocumentError::Form { path: path.to_owned(), error })?;
        write_file(path, &(text + "\n"))
    }
}

/// Writes a file; its folder is made.
pub fn write_file(path: &Path, text: &str) -> Result<(), DocumentError> {
    let failed = |error| DocumentError::File { verb: "write", path: path.to_owned(), error };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)
}

/// Spreads anywhere in a document, named by the words around them.
fn find_series(details: &Map<String, Value>) -> Vec<Series> {
    let mut series = Vec::new();
    for (key, value) in details {
        walk(value, key, &mut series);
    }
    let mut seen = BTreeSet::new();
    for entry in &mut series {
        let mut number = 1;
        let name = entry.name.clone();
        while !seen.insert(entry.name.clone()) {
            number += 1;
            entry.name = format!("{name} #{number}");
        }
    }
    series
}

fn walk(value: &Value, name: &str, series: &mut Vec<Series>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| walk(value, name, series)),
        Value::Object(fields) => {
            let number = |key: &str| fields.get(key).and_then(Value::as_f64);
            if let (Some(p10), Some(p50), Some(p90)) = (number("p10"), number("p50"), number("p90"))
            {
                let better = direction(name);
                series.push(Series::new(name, "", better, Spread { p10, p50, p90 }));
                return;
            }
            let words: Vec<&str> = fields.values().filter_map(Value::as_str).collect();
            let words = words.join(", ");
            for (key, value) in fields.iter().filter(|(_, value)| !value.is_string()) {
                let name = [name, &words, key].map(str::to_owned);
                let name: Vec<_> = name.into_iter().filter(|word| !word.is_empty()).collect();
                walk(value, &name.join(": "), series);
            }
        }
        _ => {}
    }
}

/// Which way a figure should go, by its name.
fn direction(name: &str) -> Better {
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if has(&["per_second", "mpps", "gbps", "speed", "rate"]) {
        Better::Higher
    } else if has(&["cycles", "_ns", "_us", "_ms", "latency", "loss", "instructions"]) {
        Better::Lower
    } else {
        Better::Neither
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/result.json");
        let mut document = Document::of_this_run("pktgen", "a run");
        document.series.push(Series::single("rate", "Mpps", Better::Higher, 1.5));
        document.figures.push(Figure::Bars {
            title: "t".into(),
            unit: "u".into(),
            bars: vec![Bar { name: "n".into(), spread: Spread::default() }],
        });
        document.details.insert("own".into(), Value::from(7));
        document.write(&path).unwrap();
        let read = Document::read(&path).unwrap();
        assert_eq!(read.schema, "kumiki.perf.pktgen/1");
        assert_eq!((&read.series, &read.figures), (&document.series, &document.figures));
        assert_eq!(read.details["own"], Value::from(7));
    }

    #[test]
    fn a_document_without_series_is_searched_for_spreads() {
        let text = r#"{"lines": [
            {"router": "kumiki", "cycles": {"p10": 1, "p50": 2, "p90": 3}},
            {"router": "kumiki", "cycles": {"p10": 4, "p50": 5, "p90": 6}}]}"#;
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else { panic!("no object") };
        let series = find_series(&fields);
        let names: Vec<_> = series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["lines: kumiki: cycles", "lines: kumiki: cycles #2"]);
        assert_eq!(series[0].better, Better::Lower);
    }

    #[test]
    fn files_of_others_are_refused_with_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        std::fs::write(&path, r#"{"schema": "other/1"}"#).unwrap();
        let error = Document::read(&path).unwrap_err().to_string();
        assert!(error.contains("has the schema `other/1`"), "{error}");
        std::fs::write(&path, "{").unwrap();
        assert!(Document::read(&path).unwrap_err().to_string().contains("no result"));
    }
}
