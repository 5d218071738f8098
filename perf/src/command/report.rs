//! `kumiki-perf report`: several results on one page.

use crate::command::Outcome;
use crate::document::Document;
use crate::html;
use crate::plot::number;
use clap::Args;
use std::path::PathBuf;

/// Several results on one page with plots
#[derive(Args, Debug)]
pub struct ReportArguments {
    /// Results, as `--json` wrote them
    #[arg(required = true)]
    results: Vec<PathBuf>,
    /// Where the page goes
    #[arg(long, value_name = "FILE", required = true)]
    html: PathBuf,
    /// What stands above it
    #[arg(long, default_value = "Kumiki, measured")]
    title: String,
}

/// Runs the command.
pub fn run(arguments: &ReportArguments) -> Outcome {
    let read = |path: &PathBuf| Document::read(path);
    let documents = arguments.results.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    html::write(&arguments.html, &arguments.title, &documents)?;
    let mut table = crate::command::table(&["result", "series", "p50", "p10 .. p90", "unit"]);
    for document in &documents {
        let name = document.schema.trim_start_matches(crate::document::SCHEMA_FAMILY);
        for series in &document.series {
            let spread = series.spread;
            table.add_row([
                name.split('/').next().unwrap_or(name).to_owned(),
                series.name.clone(),
                number(spread.p50),
                format!("{} .. {}", number(spread.p10), number(spread.p90)),
                series.unit.clone(),
            ]);
        }
    }
    println!("{table}");
    Ok(())
}
