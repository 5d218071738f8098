//! The search for the highest rate at which no more than a part of the frames is lost.
//!
//! Owns [`Search`]: asked for the next trial, told its result, until it says what it found.
//!
//! ```text
//!            ┌── loss: bisect below ──┐
//!  first ──► narrow (short trials) ───┴──► confirm (full length, `repeats` times at one rate)
//!  at the most, then where frames came out      │ loss: step down, twice as far each time
//!                                               └──► refine (full length) ──► confirm again
//! ```
//!
//! *Invariants*: what is reported passed every one of `repeats` trials of full length. A trial
//! counts at the rate that was offered: a generator that is late three times in a row is itself the
//! limit, and the result says so. The number of trials is bounded.
//! *Standards*: RFC 2544 §26.1 (binary search, full-length trials at the end), RFC 8219 §5.3.1
//! (NDR and PDR). Short trials first are those of MLRsearch (draft-ietf-bmwg-mlrsearch), without
//! its several goals at once: what one goal's trials showed starts the next one's.

use crate::measure::Spread;
use serde::Serialize;
use std::time::Duration;

/// Trials of one search, at most.
const TRIALS_MAX: usize = 60;
/// Part of the asked rate that must be offered; below, the generator was late.
const OFFERED_MIN: f64 = 0.98;
/// Part of a rate that a step down takes at most.
const STEP_MAX: f64 = 0.5;
/// Times a generator may be late at one rate before it is the limit.
const LATE_MAX: u32 = 3;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Goal {
    /// NDR, PDR.
    pub name: &'static str,
    /// Part of the frames that may be lost.
    pub loss_ratio_max: f64,
}

/// No drop rate.
pub const NDR: Goal = Goal { name: "NDR", loss_ratio_max: 0.0 };
/// Partial drop rate: half a per cent.
pub const PDR: Goal = Goal { name: "PDR", loss_ratio_max: 0.005 };

/// Where and how carefully.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Highest rate, in packets a second.
    pub rate_max: f64,
    /// Lowest rate that is worth a trial.
    pub rate_min: f64,
    /// Part of the rate that the bounds may be apart.
    pub resolution: f64,
    /// Length of early trials.
    pub short: Duration,
    /// Length of those that count.
    pub long: Duration,
    /// How many of those must pass.
    pub repeats: usize,
}

/// What is to be tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// Packets a second.
    pub rate: f64,
    /// How long.
    pub duration: Duration,
    /// Whether it is one of full length.
    pub is_long: bool,
}

/// What a trial showed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Packets a second asked for.
    pub asked: f64,
    /// Packets a second that the device took.
    pub offered: f64,
    /// Packets a second that came back.
    pub received: f64,
    /// Part that did not.
    pub loss_ratio: f64,
    /// Whether it was one of full length.
    pub is_long: bool,
}

impl Measured {
    fn is_late(&self) -> bool {
        self.offered < self.asked * OFFERED_MIN
    }

    /// The rate that it speaks for.
    fn rate(&self) -> f64 {
        if self.is_late() { self.offered } else { self.asked }
    }
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// There is a passing rate, and one just above that does not pass.
    Between,
    /// The highest rate passed.
    AtTheMost,
    /// More could not be offered: the generator is at its end, or its port pushes back.
    GeneratorLimit,
    /// Even the lowest rate lost too much.
    Nothing,
    /// The bounds did not come together in the trials there are: the device is not steady.
    Unsteady,
}

impl Ending {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Between => "found",
            Self::AtTheMost => "not below the highest rate",
            Self::GeneratorLimit => "no more could be offered",
            Self::Nothing => "loss at the lowest rate",
            Self::Unsteady => "not steady: the bounds did not meet",
        }
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// What was looked for.
    pub goal: Goal,
    /// How it ended.
    pub ending: Ending,
    /// The highest rate that passed all its trials; 0 where there is none.
    pub rate: f64,
    /// The lowest rate above it that did not pass.
    pub above: Option<f64>,
    /// The trials of full length that passed at this rate.
    pub confirmations: Vec<Measured>,
    /// All trials.
    pub trials: usize,
}

impl Found {
    /// Packets a second that came back in the trials that count.
    pub fn received(&self) -> Spread {
        Spread::of(self.confirmations.iter().map(|trial| trial.received).collect())
    }
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// This trial; its result is to be recorded.
    Try(Trial),
    /// Nothing: this was found.
    Done(Found),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Narrow,
    Confirm,
    Refine,
}

/// A search; one for each goal.
#[derive(Clone, Debug)]
pub struct Search {
    goal: Goal,
    options: Options,
    phase: Phase,
    /// Highest rate that passed; 0 before any.
    lower: f64,
    /// Lowest that did not.
    upper: Option<f64>,
    /// Where the last overload came out, or just above where it did.
    guess: Option<f64>,
    /// Part of the rate to step down by when a confirmation fails.
    step: f64,
    confirmations: Vec<Measured>,
    late: u32,
    /// The best of the late ones.
    late_best: Option<Measured>,
    is_generator_limit: bool,
    trials: Vec<Measured>,
    ending: Option<Ending>,
}

impl Search {
    /// A search that knows nothing yet.
    pub fn new(goal: Goal, options: Options) -> Self {
        Self {
            goal,
            options,
            phase: Phase::Narrow,
            lower: 0.0,
            upper: None,
            guess: None,
            step: options.resolution,
            confirmations: Vec::new(),
            late: 0,
            late_best: None,
            is_generator_limit: false,
            trials: Vec::new(),
            ending: None,
        }
    }

    /// A search that starts from what the trials of another one showed.
    pub fn after(goal: Goal, options: Options, trials: &[Measured]) -> Self {
        let mut search = Self::new(goal, options);
        let passes = |trial: &&Measured| trial.loss_ratio <= goal.loss_ratio_max;
        let failed = trials.iter().filter(|trial| !passes(trial)).map(Measured::rate);
        search.upper = failed.reduce(f64::min);
        let below = |rate: &f64| search.upper.is_none_or(|upper| *rate < upper);
        let passed = trials.iter().filter(passes).map(Measured::rate).filter(below);
        search.lower = passed.fold(0.0, f64::max);
        if search.is_narrow() {
            search.phase = Phase::Confirm;
        }
        search
    }

    /// All trials of this search.
    pub fn trials(&self) -> &[Measured] {
        &self.trials
    }

    fn is_narrow(&self) -> bool {
        match self.upper {
            Some(upper) => {
                self.lower > 0.0 && upper - self.lower <= upper * self.options.resolution
            }
            None => self.lower >= self.options.rate_max * OFFERED_MIN || self.is_generator_limit,
        }
    }

    /// What comes next.
    pub fn next(&self) -> Next {
        if let Some(ending) = self.ending {
            return Next::Done(self.found(ending));
        }
        if self.trials.len() >= TRIALS_MAX {
            return Next::Done(self.found(Ending::Unsteady));
        }
        let rate = match (self.phase, self.upper) {
            (Phase::Confirm, _) => self.lower,
            (_, None) => self.options.rate_max,
            (_, Some(upper)) => self.between(upper),
        };
        let is_long = self.phase != Phase::Narrow;
        let duration = if is_long { self.options.long } else { self.options.short };
        Next::Try(Trial { rate: rate.max(self.options.rate_min), duration, is_long })
    }

    /// A rate between the bounds: the guess, if that is between, else the middle.
    fn between(&self, upper: f64) -> f64 {
        let margin = self.options.resolution / 4.0;
        let middle = (self.lower + upper) / 2.0;
        let is_inside =
            |guess: &f64| *guess > self.lower * (1.0 + margin) && *guess < upper * (1.0 - margin);
        self.guess.filter(is_inside).unwrap_or(middle)
    }

    fn found(&self, ending: Ending) -> Found {
        let rate = self.confirmations.iter().map(Measured::rate).reduce(f64::min);
        Found {
            goal: self.goal,
            ending,
            rate: rate.unwrap_or(0.0),
            above: self.upper,
            confirmations: self.confirmations.clone(),
            trials: self.trials.len(),
        }
    }

    /// Takes the result of the trial that [`Search::next`] named.
    pub fn record(&mut self, measured: Measured) {
        self.trials.push(measured);
        let is_pass = measured.loss_ratio <= self.goal.loss_ratio_max;
        let mut measured = measured;
        if is_pass && measured.is_late() {
            self.late += 1;
            let best = self.late_best.filter(|best| best.offered >= measured.offered);
            self.late_best = Some(best.unwrap_or(measured));
            if self.late < LATE_MAX {
                return;
            }
            measured = self.late_best.unwrap_or(measured);
            self.is_generator_limit = true;
        }
        (self.late, self.late_best) = (0, None);
        match (self.phase, is_pass) {
            (Phase::Narrow | Phase::Refine, true) => {
                self.raise(&measured);
                if self.phase == Phase::Refine {
                    self.confirmations = vec![measured];
                    // Nearer to the bound, smaller steps are enough again.
                    self.step = (self.step / 4.0).max(self.options.resolution);
                }
            }
            (Phase::Narrow | Phase::Refine, false) => self.bound(&measured),
            (Phase::Confirm, true) => {
                self.confirmations.push(measured);
                if self.upper.is_some_and(|_| !self.is_narrow() && !self.is_generator_limit) {
                    self.phase = Phase::Refine;
                } else if self.confirmations.len() >= self.options.repeats {
                    self.ending = Some(match self.upper {
                        _ if self.is_generator_limit => Ending::GeneratorLimit,
                        Some(_) => Ending::Between,
                        None => Ending::AtTheMost,
                    });
                }
            }
            (Phase::Confirm, false) => self.step_down(&measured),
        }
        if self.phase != Phase::Confirm && (self.is_narrow() || self.is_generator_limit) {
            self.phase = Phase::Confirm;
        }
    }

    fn raise(&mut self, measured: &Measured) {
        // A guess that was right is tried a little above once: then the bounds are near.
        let was_guess = self.guess.is_some_and(|guess| (guess - measured.asked).abs() < 0.5);
        self.guess = was_guess.then_some(measured.asked * (1.0 + self.options.resolution * 0.9));
        self.lower = measured.rate();
        if measured.is_late() {
            // What is above cannot be offered.
            self.upper = self.upper.filter(|upper| *upper <= measured.asked);
        }
    }

    fn bound(&mut self, measured: &Measured) {
        let rate = measured.rate();
        // Only where the first overload came out is a guess: a device that always loses a little
        // would lead it down by that little.
        self.guess = self.upper.is_none().then_some(measured.received);
        self.upper = Some(rate);
        self.lower = if self.lower < rate { self.lower } else { 0.0 };
        if rate <= self.options.rate_min {
            self.ending = Some(Ending::Nothing);
        }
    }

    fn step_down(&mut self, measured: &Measured) {
        self.confirmations.clear();
        self.is_generator_limit = false;
        let rate = measured.rate();
        self.upper = Some(rate);
        if rate <= self.options.rate_min {
            self.ending = Some(Ending::Nothing);
        }
        self.lower = (rate * (1.0 - self.step)).max(self.options.rate_min);
        self.step = (self.step * 2.0).min(STEP_MAX);
    }
}

#[cfg(test)]
mod tests;
