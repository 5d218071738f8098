//! `kumiki-perf baseline`: instructions a packet, counted by callgrind, beside those on file.
//!
//! Owns the course: this program runs under valgrind once for each [`crate::kernels`], which counts
//! inside of `counted_pass` only. Counts are those of one build: another compiler gives others.

use crate::command::Outcome;
use crate::command::output::OutputArguments;
use crate::document::{Bar, Better, Document, Figure, Series, Sheet, write_file};
use crate::kernels::{self, counted_pass};
use crate::measure::Spread;
use clap::Args;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Passes that are counted.
const PASSES: u64 = 10;
/// Where the table is kept.
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/BASELINE.md");

/// Instructions a packet, beside those in perf/BASELINE.md (valgrind)
#[derive(Args, Debug)]
pub struct BaselineArguments {
    /// Write the table there; without it only the differences are shown
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = BASELINE)]
    write: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

/// One kernel, for callgrind
#[derive(Args, Debug)]
pub struct KernelArguments {
    /// Its number
    number: usize,
}

/// Runs a kernel: once to warm what is built lazily, then those passes that are counted.
pub fn run_kernel(arguments: &KernelArguments) -> Outcome {
    let maker = kernels::ALL.get(arguments.number).ok_or("there is no kernel of this number")?;
    let mut kernel = maker.make();
    (kernel.pass)();
    for _ in 0..PASSES {
        counted_pass(&mut kernel);
    }
    Ok(())
}

/// Runs the command.
pub fn run(arguments: &BaselineArguments) -> Outcome {
    if cfg!(debug_assertions) {
        return Err("counts of a debug build mean nothing; use ./dev bench --baseline".into());
    }
    let kept = std::fs::read_to_string(BASELINE).map(|text| parse(&text)).unwrap_or_default();
    let mut document = Document::of_this_run("baseline", "Instructions a packet");
    document.notes.push(
        "Counted by callgrind: the portable path, as valgrind does not run AVX-512; counts \
         depend on the compiler, not on the machine."
            .to_owned(),
    );
    let mut sheet = Sheet::new("", &["work", "instructions", "on file", "difference"]);
    let mut counts = Vec::new();
    for (place, maker) in kernels::ALL.iter().enumerate() {
        let count = count(place)?;
        let before = kept.get(maker.name);
        let difference = |before: &f64| format!("{:+.2} %", (count / before - 1.0) * 100.0);
        sheet.rows.push(vec![
            maker.name.to_owned(),
            format!("{count:.1}"),
            before.map_or_else(|| "–".to_owned(), |count| format!("{count:.1}")),
            before.map_or_else(|| "–".to_owned(), difference),
        ]);
        let unit = "instructions/packet";
        document.series.push(Series::single(maker.name, unit, Better::Lower, count));
        counts.push((maker.name, count));
    }
    let bar = |(name, count): &(&str, f64)| Bar {
        name: (*name).to_owned(),
        spread: Spread { p10: *count, p50: *count, p90: *count },
    };
    document.figures.push(Figure::Bars {
        title: "Instructions a packet".to_owned(),
        unit: "instructions".to_owned(),
        bars: counts.iter().map(bar).collect(),
    });
    sheet.print();
    document.sheets.push(sheet);
    if let Some(path) = &arguments.write {
        write_file(path, &render(&counts))?;
    }
    arguments.output.write(&document)
}

/// Instructions a packet of a kernel.
fn count(place: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let itself = std::env::current_exe()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*counted_pass*"])
        .arg("--callgrind-out-file=/dev/null")
        .arg(itself)
        .args(["kernel", &place.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}; install it (apt-get install valgrind)"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = collected(&said).filter(|_| output.status.success());
    let Some(collected) = collected else {
        return Err(format!("valgrind did not count:\n{said}").into());
    };
    let packets = PASSES * kernels::ALL[place].make().packets;
    #[expect(clippy::cast_precision_loss, reason = "a count of instructions")]
    Ok(collected as f64 / packets as f64)
}

/// The number behind `Collected :` in callgrind's words.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(':').next()?.trim().split(' ').next()?.parse().ok().filter(|count| *count > 0)
}

/// The file: a table with a head.
fn render(counts: &[(&str, f64)]) -> String {
    let mut text = String::from(
        "# Instructions a packet\n\n\
         Made by `./dev bench --baseline`: valgrind counts what each piece of work executes for \
         a packet.\nThe portable path is counted, as valgrind does not run AVX-512; the vector \
         lookup of a real\nrun executes fewer. `./dev bench` says what differs from this table. \
         Counts change with the\ncompiler; a change of the code that raises them says why.\n\n\
         | work | instructions |\n|---|---:|\n",
    );
    for (name, count) in counts {
        let _ = writeln!(text, "| {name} | {count:.1} |");
    }
    let _ = writeln!(text, "\nCompiler: rustc {}.", rustc());
    text
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.split(' ').nth(1).unwrap_or("unknown").to_owned()
}

/// The counts of a file, by name.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let row = |line: &str| {
        let mut cells = line.trim().trim_matches('|').split('|').map(str::trim);
        let (name, count) = (cells.next()?, cells.next()?);
        Some((name.to_owned(), count.parse().ok()?))
    };
    text.lines().filter(|line| line.starts_with('|')).filter_map(row).collect()
}

/// The file that is in the repository, for tests.
pub fn kept() -> &'static Path {
    Path::new(BASELINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let text = render(&[("lookup, cluster", 12.34), ("flow hash", 100.0)]);
        let counts = parse(&text);
        assert_eq!(counts.len(), 2);
        assert_eq!((counts["lookup, cluster"], counts["flow hash"]), (12.3, 100.0));
        assert!(text.lines().all(|line| line.chars().count() <= 100));
    }

    #[test]
    fn callgrind_is_understood() {
        let said = "==1== Events    : Ir\n==1== Collected : 123456\n==1== \n";
        assert_eq!(collected(said), Some(123_456));
        assert_eq!(collected("==1== Collected : 0\n"), None);
        assert_eq!(collected("valgrind: no\n"), None);
    }

    #[test]
    fn the_kept_table_names_every_kernel() {
        let text = std::fs::read_to_string(kept()).unwrap();
        let counts = parse(&text);
        let missing = kernels::ALL.iter().find(|maker| !counts.contains_key(maker.name));
        assert!(missing.is_none(), "{:?} is not in BASELINE.md", missing.map(|maker| maker.name));
    }
}
