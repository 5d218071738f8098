//! `kumiki-perf pktgen`: sends, receives, and says what became of it.

use crate::command::Outcome;
use crate::command::output::OutputArguments;
use crate::command::traffic::{PortArguments, TrafficArguments};
use crate::traffic::rate::Rate;
use clap::Args;

/// A packet generator and sink over any DPDK port
#[derive(Args, Debug)]
pub struct PktgenArguments {
    #[command(flatten)]
    ports: PortArguments,
    #[command(flatten)]
    traffic: TrafficArguments,
    /// How fast: 10%, 1Mpps, 2Gbps or max
    #[arg(long, value_name = "RATE", default_value = "10%", help_heading = "Trial")]
    rate: Rate,
    /// Seconds of a trial
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, help_heading = "Trial")]
    duration: f64,
    /// Trials; the spread is that of their results
    #[arg(long, value_name = "COUNT", default_value_t = 3, help_heading = "Trial",
        value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    #[command(flatten)]
    output: OutputArguments,
}

/// Runs the command.
#[cfg(not(dpdk))]
pub fn run(_: &PktgenArguments) -> Outcome {
    Err(crate::command::traffic::NO_DPDK.into())
}

/// Runs the command.
#[cfg(dpdk)]
pub fn run(arguments: &PktgenArguments) -> Outcome {
    dpdk::run(arguments)
}

#[cfg(dpdk)]
mod dpdk {
    use super::{Outcome, PktgenArguments, Rate};
    use crate::command::traffic::Rig;
    use crate::document::{Better, Document, Series, Sheet};
    use crate::lab::Lab;
    use crate::measure::Spread;
    use crate::plot::number;
    use crate::traffic::engine::{self, Plan};
    use crate::traffic::report::{delays, loss_series, time_line};
    use std::time::Duration;

    /// Seconds of a trial, at most: sequence numbers and time lines have limits.
    const SECONDS_MAX: f64 = 900.0;
    /// Seconds of the trial that warms caches, neighbours and flow tables.
    const WARM_SECONDS: f64 = 0.5;

    pub fn run(arguments: &PktgenArguments) -> Outcome {
        let seconds = arguments.duration;
        if !(seconds > 0.0 && seconds <= SECONDS_MAX) {
            return Err(format!("a trial takes more than 0 and at most {SECONDS_MAX} s").into());
        }
        let Some((ports, _lab)) = Lab::of(&arguments.ports, &arguments.traffic)? else {
            return Ok(());
        };
        let mut rig = Rig::open(&ports, &arguments.traffic)?;
        let rate = arguments.rate.packets_per_second(rig.bench.line_bits, &rig.traffic.mix)?;
        let warm = Plan::timed(rate, Duration::from_secs_f64(WARM_SECONDS));
        rig.bench.engine.run(&rig.traffic, warm, &mut |_| {});
        let plan = Plan::timed(rate, Duration::from_secs_f64(seconds));
        let trials: Vec<_> = (0..arguments.repeat.max(1))
            .map(|_| rig.bench.engine.run(&rig.traffic, plan, &mut |_| {}))
            .collect();
        let document = document(arguments, &rig, &trials);
        document.sheets.iter().for_each(Sheet::print);
        for note in &document.notes {
            println!("{note}");
        }
        arguments.output.write(&document)
    }

    fn document(arguments: &PktgenArguments, rig: &Rig, trials: &[engine::Outcome]) -> Document {
        let traffic = &rig.traffic;
        let what = match arguments.ports.lab {
            Some(cable) => cable.word(),
            None if arguments.ports.loopback => "loopback",
            None => "traffic",
        };
        let name = format!("{what}, {}, {}", traffic.payload.word(), traffic.mix);
        let mut document = Document::of_this_run("pktgen", &format!("Packet generator: {name}"));
        document.notes.clone_from(&rig.notes);
        document.notes.push(format!(
            "Destinations: {} of {}; {} streams; rate {}.",
            traffic.destinations.addresses.len(),
            traffic.destinations.name,
            traffic.streams,
            arguments.rate
        ));
        document.sheets.push(sheet(&name, trials));
        let spread = |value: &dyn Fn(&engine::Outcome) -> f64| {
            Spread::of(trials.iter().map(value).collect())
        };
        let series = |what: &str, unit: &str, better, value: &dyn Fn(&engine::Outcome) -> f64| {
            Series::new(format!("{name}: {what}"), unit, better, spread(value))
        };
        document.series = vec![
            series("sent", "Mpps", Better::Higher, &|o| o.sent_per_second() / 1e6),
            series("received", "Mpps", Better::Higher, &|o| o.received_per_second() / 1e6),
        ];
        document.series.extend(loss_series(&name, trials));
        for (label, percentile) in [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)] {
            let value = |outcome: &engine::Outcome| outcome.ledger.latency_us(percentile);
            document.series.push(series(&format!("latency {label}"), "µs", Better::Lower, &value));
        }
        let named: Vec<_> = trials
            .iter()
            .enumerate()
            .map(|(place, trial)| (format!("trial {}", place + 1), trial))
            .collect();
        document.figures.push(delays("One-way delay", &named));
        if let Some(last) = trials.last() {
            document.figures.push(time_line("The last trial", last));
        }
        if matches!(arguments.rate, Rate::Max) {
            document.notes.push(
                "At rate max, delay is that of full queues, those of the generator included."
                    .to_owned(),
            );
        }
        document
    }

    fn sheet(name: &str, trials: &[engine::Outcome]) -> Sheet {
        let header = [
            "trial",
            "sent",
            "Mpps",
            "Gbps",
            "lost",
            "loss",
            "reordered",
            "doubles",
            "p50 µs",
            "p90",
            "p99",
            "p99.9",
            "max",
            "late",
            "pushed back",
        ];
        let mut sheet = Sheet::new(name, &header);
        for (place, trial) in trials.iter().enumerate() {
            let ledger = &trial.ledger;
            #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
            let bits = ledger.sent_octets as f64 * 8.0 / trial.seconds;
            let mut row = vec![
                (place + 1).to_string(),
                ledger.sent.to_string(),
                format!("{:.4}", trial.sent_per_second() / 1e6),
                format!("{:.3}", bits / 1e9),
                ledger.lost().to_string(),
                format!("{:.4} %", ledger.loss_ratio() * 100.0),
                ledger.reordered.to_string(),
                ledger.doubles.to_string(),
            ];
            row.extend([50.0, 90.0, 99.0, 99.9, 100.0].map(|part| number(ledger.latency_us(part))));
            row.push(format!("{:.0}", trial.missed));
            row.push(trial.pushed_back.to_string());
            sheet.rows.push(row);
        }
        sheet
    }
}
