//! The table of RFC 8405 §5.2, and what it does over time.

use super::BackoffEvent::{Fired, Igp};
use super::BackoffState::{LongWait, Quiet, ShortWait};
use super::BackoffTimer::{Holddown, Learn, Spf};
use super::*;

const DELAYS: SpfDelays = SpfDelays {
    initial: Duration::from_millis(0),
    short: Duration::from_millis(50),
    long: Duration::from_millis(2000),
    time_to_learn: Duration::from_millis(500),
    holddown: Duration::from_millis(3000),
};

const NONE: Effect = Effect {
    spf: None,
    restarts_holddown: false,
    starts_learn: false,
    stops_learn: false,
    runs: false,
};

const fn held(spf: Duration) -> Effect {
    Effect { spf: Some(spf), restarts_holddown: true, ..NONE }
}

#[test]
fn every_state_answers_every_event_as_rfc_8405_says() {
    let first = Effect { starts_learn: true, ..held(DELAYS.initial) };
    let runs = Effect { runs: true, ..NONE };
    let table = [
        (Quiet, Igp, ShortWait, first),
        (Quiet, Fired(Spf), Quiet, runs),
        (Quiet, Fired(Holddown), Quiet, NONE),
        (Quiet, Fired(Learn), Quiet, NONE),
        (ShortWait, Igp, ShortWait, held(DELAYS.short)),
        (ShortWait, Fired(Spf), ShortWait, runs),
        (ShortWait, Fired(Holddown), Quiet, Effect { stops_learn: true, ..NONE }),
        (ShortWait, Fired(Learn), LongWait, NONE),
        (LongWait, Igp, LongWait, held(DELAYS.long)),
        (LongWait, Fired(Spf), LongWait, runs),
        (LongWait, Fired(Holddown), Quiet, NONE),
        (LongWait, Fired(Learn), LongWait, NONE),
    ];
    for (state, event, next, effect) in table {
        assert_eq!(step(state, event, &DELAYS), (next, effect), "{state:?} {event:?}");
    }
}

/// Runs of the calculation, in milliseconds, for events at these times.
fn runs(events_ms: &[u64]) -> (Vec<u64>, BackoffState) {
    let mut backoff = SpfBackoff::new(DELAYS);
    let mut runs = Vec::new();
    let mut fire = |backoff: &mut SpfBackoff, until: Instant| {
        while let Some(at) = backoff.next_deadline().filter(|at| *at <= until) {
            if backoff.handle_timeout(at) {
                runs.push(at.as_nanos() / 1_000_000);
            }
        }
    };
    for event in events_ms {
        fire(&mut backoff, Instant::from_millis(*event));
        backoff.igp_event(Instant::from_millis(*event));
    }
    fire(&mut backoff, Instant::from_millis(60_000));
    assert_eq!(backoff.next_deadline(), None, "a quiet network sets no timer");
    (runs, backoff.state())
}

#[test]
fn single_event_is_answered_after_the_initial_delay() {
    assert_eq!(runs(&[1000]), (vec![1000], Quiet));
}

#[test]
fn second_event_waits_the_short_delay_and_gathers_others() {
    assert_eq!(runs(&[1000, 1005, 1020, 1040]), (vec![1000, 1055], Quiet));
}

#[test]
fn events_beyond_the_learning_time_wait_the_long_delay() {
    assert_eq!(runs(&[1000, 1400, 1600, 1700, 3500]), (vec![1000, 1450, 3600], Quiet));
}

#[test]
fn quiet_is_reached_after_the_holddown_only() {
    // The last event restarts the hold-down: 1000 + 2900 is within, 3900 + 3001 is beyond.
    assert_eq!(runs(&[1000, 3900, 6901]), (vec![1000, 5900, 6901], Quiet));
}

#[test]
fn event_after_an_overdue_holddown_finds_the_network_quiet() {
    let mut backoff = SpfBackoff::new(DELAYS);
    backoff.igp_event(Instant::ZERO);
    assert!(backoff.handle_timeout(Instant::ZERO) && !backoff.is_pending());
    backoff.igp_event(Instant::from_millis(9000));
    assert_eq!((backoff.state(), backoff.is_pending()), (ShortWait, true));
    assert!(backoff.handle_timeout(Instant::from_millis(9000)));
}

#[test]
fn event_before_an_overdue_calculation_does_not_lose_it() {
    let mut backoff = SpfBackoff::new(DELAYS);
    backoff.igp_event(Instant::ZERO);
    backoff.igp_event(Instant::from_millis(700));
    assert_eq!((backoff.state(), backoff.is_pending()), (LongWait, true));
    assert!(backoff.handle_timeout(Instant::from_millis(700)));
}
