//! The tests, carried to the generator one trial at a time.

use super::render::{Delay, Event, Results, Sized, document};
use super::{RfcArguments, Test};
use crate::command::Outcome;
use crate::command::traffic::Rig;
use crate::document::Sheet;
use crate::lab::Lab;
use crate::rfc::burst::{Buffers, BurstSearch};
use crate::rfc::outage::Outage;
use crate::rfc::search::{self, Goal, Measured, NDR, Next, PDR, Search};
use crate::traffic::engine::{self, Plan};
use crate::traffic::frame::octets_min;
use crate::traffic::mix::{Mix, SIMPLE, STANDARD_OCTETS};
use crate::traffic::stream::Traffic;
use std::process::{Child, Command};
use std::time::Duration;

/// Seconds of the trials that warm caches, neighbours and flow tables (RFC 2544 §23: learning).
const WARM_SECONDS: f64 = 0.5;
/// How many of those there are, at most.
const LEARNING_MAX: u32 = 20;
/// Seconds into a trial at which the event happens.
const EVENT_SECONDS: f64 = 1.0;
/// The longest burst that is tried: two seconds at the rate that can be offered (RFC 9004 §5.3).
const BURST_SECONDS: f64 = 2.0;
/// Parts of the NDR at which delay is measured.
const LOADS: [f64; 3] = [0.1, 0.5, 0.9];
/// The lowest rate that is tried, as a part of the highest.
const LOWEST: f64 = 1e-4;

pub fn run(arguments: &RfcArguments) -> Outcome {
    let Some((ports, lab)) = Lab::of(&arguments.ports, &arguments.traffic)? else {
        return Ok(());
    };
    let rig = Rig::open(&ports, &arguments.traffic)?;
    let router = lab.as_ref().map(Lab::router_id);
    let mut session = Session { arguments, rig, router, pushed_back: 0 };
    let place = match arguments.ports.lab {
        Some(cable) => format!("{}, ", cable.word()),
        None if arguments.ports.loopback => "loopback, ".to_owned(),
        None => String::new(),
    };
    let mut results = Results { notes: session.rig.notes.clone(), place, ..Results::default() };
    for mix in session.mixes() {
        let traffic = Traffic { mix, ..session.rig.traffic.clone() };
        results.sizes.push(session.measure(&traffic)?);
    }
    if session.pushed_back > 0 {
        results.notes.push(format!(
            "The sending port pushed back {} times: frames waited in the generator in place of \
             being lost, so that a limit of the device shows as one of what can be offered.",
            session.pushed_back
        ));
    }
    let document = document(arguments, &session.rig, &results);
    document.sheets.iter().for_each(Sheet::print);
    for note in &document.notes {
        println!("{note}");
    }
    arguments.output.write(&document)
}

struct Session<'a> {
    arguments: &'a RfcArguments,
    rig: Rig,
    router: Option<u32>,
    /// Times the sending port took less than was offered.
    pushed_back: u64,
}

impl Session<'_> {
    /// What is sent, one mixture after the other.
    fn mixes(&self) -> Vec<Mix> {
        if !self.arguments.standard_sizes {
            return vec![self.rig.traffic.mix.clone()];
        }
        let mut mixes: Vec<Mix> = STANDARD_OCTETS.into_iter().map(Mix::of).collect();
        mixes.extend(SIMPLE.parse::<Mix>());
        let least = octets_min(&self.rig.traffic.payload);
        for mix in &mut mixes {
            mix.raise_to(least);
        }
        mixes.dedup_by(|a, b| a.cycle() == b.cycle());
        mixes
    }

    fn has(&self, test: Test) -> bool {
        self.arguments.tests.contains(&test)
    }

    fn run(&mut self, traffic: &Traffic, plan: Plan) -> engine::Outcome {
        let outcome = self.rig.bench.engine.run(traffic, plan, &mut |_| {});
        self.pushed_back += outcome.pushed_back;
        outcome
    }

    /// Everything for one mixture.
    fn measure(&mut self, traffic: &Traffic) -> Result<Sized, Box<dyn std::error::Error>> {
        eprintln!("frames of {} octets", traffic.mix);
        self.learn(traffic)?;
        let mut sized = Sized::new(traffic.mix.clone());
        let line = self.rig.bench.line_bits;
        sized.line =
            line.map(|bits| crate::traffic::rate::line_packets_per_second(bits, &traffic.mix));
        let most = self.arguments.rate_max.packets_per_second(line, &traffic.mix)?;
        // Without a rate of the medium, what the generator can do is the most.
        let most = match most {
            Some(rate) => rate,
            None => self.offered(traffic),
        };
        if self.has(Test::Throughput) || self.has(Test::Latency) || self.has(Test::BackToBack) {
            self.throughput(traffic, most, &mut sized);
        }
        if self.has(Test::Latency) {
            self.latency(traffic, &mut sized);
        }
        if self.has(Test::BackToBack) {
            self.bursts(traffic, &mut sized);
        }
        for test in [Test::Reset, Test::Failover] {
            if self.has(test) {
                let event = self.event(test, traffic)?;
                sized.events.push(event);
            }
        }
        Ok(sized)
    }

    /// Sends until frames come back: neighbours are found, links come up, tables are filled.
    fn learn(&mut self, traffic: &Traffic) -> Outcome {
        let warm = Duration::from_secs_f64(WARM_SECONDS);
        let mut sent = 0;
        for _ in 0..LEARNING_MAX {
            let outcome = self.run(traffic, Plan::timed(Some(1000.0), warm));
            sent += outcome.ledger.sent;
            if outcome.ledger.arrived() > 0 && outcome.ledger.lost() == 0 {
                return Ok(());
            }
        }
        let last = self.run(traffic, Plan::timed(Some(1000.0), warm));
        // A device that loses some is measured; one that loses all cannot be.
        if last.ledger.arrived() > 0 {
            return Ok(());
        }
        Err(format!(
            "of {sent} frames none came back: is there a way from the sending to the receiving \
             port, and do the addresses fit?"
        )
        .into())
    }

    /// Packets a second that the generator and its port can offer.
    fn offered(&mut self, traffic: &Traffic) -> f64 {
        let warm = Duration::from_secs_f64(WARM_SECONDS);
        self.run(traffic, Plan::timed(None, warm)).sent_per_second()
    }

    fn options(&self, rate_max: f64) -> search::Options {
        let RfcArguments { duration, short, repeat, resolution, quick, .. } = self.arguments;
        let seconds = |given: Option<f64>, quick_one: f64, full: f64| {
            Duration::from_secs_f64(given.unwrap_or(if *quick { quick_one } else { full }))
        };
        search::Options {
            rate_max,
            rate_min: rate_max * LOWEST,
            resolution: resolution.unwrap_or(if *quick { 2.0 } else { 0.5 }) / 100.0,
            short: seconds(*short, 0.5, 2.0),
            long: seconds(*duration, 2.0, 60.0),
            repeats: repeat.unwrap_or(if *quick { 2 } else { 3 }).max(1),
        }
    }

    fn throughput(&mut self, traffic: &Traffic, most: f64, sized: &mut Sized) {
        let options = self.options(most);
        let mut all: Vec<Measured> = Vec::new();
        // The easier goal first: its trials narrow the other one.
        for goal in [PDR, NDR] {
            let search = Search::after(goal, options, &all);
            let (found, trials) = self.search(search, traffic, goal);
            all.extend(trials);
            eprintln!("  {}: {:.0} packets/s, {}", goal.name, found.rate, found.ending.words());
            sized.found.push(found);
        }
        sized.trials = all;
        sized.found.reverse();
    }

    fn search(
        &mut self,
        mut search: Search,
        traffic: &Traffic,
        goal: Goal,
    ) -> (search::Found, Vec<Measured>) {
        loop {
            match search.next() {
                Next::Done(found) => return (found, search.trials().to_vec()),
                Next::Try(trial) => {
                    let outcome = self.run(traffic, Plan::timed(Some(trial.rate), trial.duration));
                    let measured = Measured {
                        asked: trial.rate,
                        offered: outcome.sent_per_second(),
                        received: outcome.received_per_second(),
                        loss_ratio: outcome.ledger.loss_ratio(),
                        is_long: trial.is_long,
                    };
                    eprintln!(
                        "  {} {:>5.1} s at {:>11.0}: offered {:>11.0}, lost {:.4} %",
                        goal.name,
                        trial.duration.as_secs_f64(),
                        trial.rate,
                        measured.offered,
                        measured.loss_ratio * 100.0
                    );
                    search.record(measured);
                }
            }
        }
    }

    fn latency(&mut self, traffic: &Traffic, sized: &mut Sized) {
        let Some(ndr) = sized.found.iter().find(|found| found.goal == NDR) else { return };
        let pdr = sized.found.iter().find(|found| found.goal == PDR);
        let is_without = ndr.rate <= 0.0;
        let base = if is_without { pdr.map_or(0.0, |found| found.rate) } else { ndr.rate };
        if base <= 0.0 {
            return;
        }
        let long = self.options(base).long;
        for load in LOADS {
            let outcome = self.run(traffic, Plan::timed(Some(base * load), long));
            let of = if is_without { PDR.name } else { NDR.name };
            sized.delays.push(Delay { load, of, outcome });
        }
    }

    fn bursts(&mut self, traffic: &Traffic, sized: &mut Sized) {
        let most = self.offered(traffic);
        let count = self.arguments.bursts.unwrap_or(if self.arguments.quick { 3 } else { 50 });
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive count of frames"
        )]
        let longest = (most * BURST_SECONDS) as u64;
        let (mut found, mut rates) = (Vec::new(), Vec::new());
        for _ in 0..count.max(1) {
            let mut search = BurstSearch::new(longest.max(1));
            while let Some(length) = search.next() {
                let plan = Plan {
                    packets_per_second: None,
                    duration: Duration::from_secs(60),
                    packets_max: length,
                };
                let outcome = self.run(traffic, plan);
                rates.push(outcome.sent_per_second());
                search.record(length, outcome.ledger.lost());
            }
            #[expect(clippy::cast_precision_loss, reason = "a count of frames")]
            found.push(search.longest() as f64);
        }
        let spread = crate::measure::Spread::of(found.clone());
        #[expect(clippy::cast_precision_loss, reason = "a count of searches")]
        let average = found.iter().sum::<f64>() / found.len() as f64;
        let rate = crate::measure::Spread::of(rates).p50;
        let throughput = sized.found.iter().find(|found| found.goal == NDR);
        let throughput = throughput.map_or(0.0, |found| found.rate);
        #[expect(clippy::cast_precision_loss, reason = "a count of frames")]
        let is_limit = average >= longest as f64 * 0.99;
        sized.burst = Some((Buffers::of(average, rate, throughput), spread, is_limit));
    }

    fn event(
        &mut self,
        test: Test,
        traffic: &Traffic,
    ) -> Result<Event, Box<dyn std::error::Error>> {
        let command = self.arguments.event.clone().unwrap_or_default();
        let line = self.rig.bench.line_bits;
        let rate = self.arguments.event_rate.packets_per_second(line, &traffic.mix)?;
        let long = self.options(rate.unwrap_or(1.0)).long.max(Duration::from_secs(5));
        let (mut child, mut failure): (Option<Child>, Option<String>) = (None, None);
        let router = self.router;
        let outcome = self.rig.bench.engine.run(traffic, Plan::timed(rate, long), &mut |seconds| {
            if seconds < EVENT_SECONDS || child.is_some() || failure.is_some() {
                return;
            }
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(&command);
            if let Some(router) = router {
                shell.env("KUMIKI_PERF_ROUTER", router.to_string());
            }
            match shell.spawn() {
                Ok(started) => child = Some(started),
                Err(error) => failure = Some(format!("the event did not start: {error}")),
            }
        });
        if let Some(mut child) = child {
            let status = child.wait()?;
            if !status.success() {
                failure = Some(format!("the event ended with {status}"));
            }
        }
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        let steps = &outcome.ledger.steps;
        let tail = steps.iter().rev().skip(1).take(4);
        let (sent, received) = tail
            .fold((0, 0), |(sent, received), step| (sent + step.sent, received + step.received));
        let (silence, _) = outcome.ledger.longest_gap_seconds();
        let outage = Outage::of(
            outcome.ledger.lost(),
            outcome.missed,
            rate.unwrap_or_else(|| outcome.sent_per_second()),
            silence,
        );
        Ok(Event { test, command, outage, has_recovered: received * 10 >= sent * 9, outcome })
    }
}
