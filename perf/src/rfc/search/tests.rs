//! Searches against devices that are made up: what a device can do is known here.

use super::*;
use kumiki::base::prng::Prng;

fn options() -> Options {
    Options {
        rate_max: 10e6,
        rate_min: 1e3,
        resolution: 0.005,
        short: Duration::from_secs(1),
        long: Duration::from_secs(10),
        repeats: 3,
    }
}

/// Frames lost of those sent, whole ones.
fn measured(trial: Trial, offered: f64, loss: f64) -> Measured {
    let sent = (offered * trial.duration.as_secs_f64()).round();
    let lost = (sent * loss.max(0.0)).round();
    let loss_ratio = lost / sent;
    let received = offered * (1.0 - loss_ratio);
    Measured { asked: trial.rate, offered, received, loss_ratio, is_long: trial.is_long }
}

fn run(mut search: Search, mut device: impl FnMut(Trial) -> Measured) -> (Found, Search) {
    loop {
        match search.next() {
            Next::Done(found) => return (found, search),
            Next::Try(trial) => search.record(device(trial)),
        }
    }
}

fn search(goal: Goal, device: impl FnMut(Trial) -> Measured) -> Found {
    run(Search::new(goal, options()), device).0
}

/// Loses what is above its limit.
fn hard(limit: f64) -> impl FnMut(Trial) -> Measured {
    move |trial| measured(trial, trial.rate, 1.0 - limit / trial.rate)
}

#[track_caller]
fn is_near(rate: f64, expected: f64, tolerance: f64) {
    assert!((rate / expected - 1.0).abs() <= tolerance, "{rate} is not near {expected}");
}

#[test]
fn a_hard_limit_is_found_from_below() {
    for limit in [3e3, 123_456.0, 1e6, 7.77e6, 9.99e6] {
        let found = search(NDR, hard(limit));
        assert_eq!(found.ending, Ending::Between, "{found:?}");
        is_near(found.rate, limit, 0.006);
        // Frames are whole: a fraction of one above the limit is no loss.
        assert!(found.rate <= limit + 1.0);
        assert!(found.above.is_some_and(|above| above > limit - 1.0));
        assert_eq!(found.confirmations.len(), 3);
        assert!(found.confirmations.iter().all(|trial| trial.is_long));
        assert!(found.trials < 16, "{}", found.trials);
        let found = search(PDR, hard(limit));
        is_near(found.rate, limit / 0.995, 0.006);
    }
}

#[test]
fn a_device_without_a_limit_passes_at_the_most() {
    let found = search(NDR, hard(1e9));
    assert_eq!((found.ending, found.rate, found.above), (Ending::AtTheMost, 10e6, None));
    assert_eq!(found.trials, 4, "one short, three long");
}

#[test]
fn noise_makes_the_result_careful() {
    for seed in 0..20 {
        let mut random = Prng::new(seed);
        let found = search(NDR, |trial| {
            let noise = f64::from(u32::try_from(random.below(2001)).unwrap()) / 1000.0 - 1.0;
            let limit = 4e6 * (1.0 + noise / 50.0);
            measured(trial, trial.rate, 1.0 - limit / trial.rate)
        });
        assert!(
            found.rate <= 4.08e6 && found.rate >= 3.6e6,
            "seed {seed}: {} {:?}",
            found.rate,
            found.ending
        );
    }
}

#[test]
fn constant_background_loss_leaves_no_ndr_but_a_pdr() {
    let device = |trial: Trial| {
        let above = 1.0 - 2e6 / trial.rate;
        measured(trial, trial.rate, above.max(0.0) + 1e-3)
    };
    let found = search(NDR, device);
    assert!(found.rate < 2e6 / 50.0, "{found:?}");
    let found = search(PDR, device);
    assert_eq!(found.ending, Ending::Between);
    is_near(found.rate, 2e6 / (1.0 - 0.004), 0.006);
}

#[test]
fn a_device_that_loses_everything_has_no_rate() {
    let found = search(PDR, |trial| measured(trial, trial.rate, 1.0));
    assert_eq!((found.ending, found.rate), (Ending::Nothing, 0.0));
}

#[test]
fn a_generator_that_is_late_is_the_limit() {
    let found = search(NDR, |trial| measured(trial, trial.rate.min(3e6), 0.0));
    assert_eq!(found.ending, Ending::GeneratorLimit);
    is_near(found.rate, 3e6, 0.001);
    // A device below that limit is still found.
    let found = search(NDR, |trial| {
        let offered = trial.rate.min(3e6);
        measured(trial, offered, 1.0 - 1e6 / offered)
    });
    assert_eq!(found.ending, Ending::Between);
    is_near(found.rate, 1e6, 0.006);
}

#[test]
fn a_device_that_loses_little_is_not_followed_down_little_by_little() {
    let found = search(PDR, |trial| {
        measured(trial, trial.rate, if trial.rate > 150e3 { 0.02 } else { 0.0 })
    });
    is_near(found.rate, 150e3, 0.006);
    assert!(found.trials < 25, "{}", found.trials);
}

#[test]
fn a_generator_that_is_late_once_is_asked_again() {
    let mut count = 0;
    let found = search(NDR, |trial| {
        count += 1;
        let offered = if count == 1 { trial.rate / 2.0 } else { trial.rate };
        measured(trial, offered, 1.0 - 4e6 / offered)
    });
    is_near(found.rate, 4e6, 0.006);
}

#[test]
fn short_trials_that_flatter_are_corrected_by_long_ones() {
    let found = search(NDR, |trial| {
        let limit = if trial.is_long { 3e6 } else { 4e6 };
        measured(trial, trial.rate, 1.0 - limit / trial.rate)
    });
    assert_eq!(found.ending, Ending::Between);
    is_near(found.rate, 3e6, 0.006);
}

#[test]
fn what_one_goal_showed_saves_trials_for_the_next() {
    let (found, first) = run(Search::new(PDR, options()), hard(2e6));
    let (second, _) = run(Search::after(NDR, options(), first.trials()), hard(2e6));
    is_near(second.rate, 2e6, 0.006);
    assert!(second.trials < found.trials, "{} {}", second.trials, found.trials);
}

#[test]
fn a_search_always_ends() {
    for seed in 0..200 {
        let mut random = Prng::new(seed);
        let found = search(NDR, |trial| {
            let mut part = || f64::from(u32::try_from(random.below(1001)).unwrap()) / 1000.0;
            let loss = if part() < 0.5 { 0.0 } else { part() };
            measured(trial, trial.rate * (0.5 + part() / 2.0), loss)
        });
        assert!(found.trials <= TRIALS_MAX);
    }
}
