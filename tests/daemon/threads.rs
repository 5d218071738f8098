//! A thread that dies takes the router along, and the router says so.

use crate::bench::{Bench, CONFIG, pass};
use kumiki::daemon::error::RunError;
use std::sync::Arc;

fn thread_of(error: &RunError) -> &str {
    assert_eq!(error.exit().code(), 1);
    match error {
        RunError::Thread { thread, .. } => thread,
        other => panic!("not the loss of a thread: {other}"),
    }
}

#[test]
fn a_worker_that_panics_ends_the_router_with_an_error() {
    let bench = Bench::new();
    bench.blow_up();
    assert_eq!(thread_of(&bench.run(CONFIG, |_| ())), "worker-0");
}

#[test]
fn a_thread_that_is_not_let_in_ends_the_router_with_an_error() {
    for name in ["control", "host"] {
        let admission = move || match std::thread::current().name() == Some(name) {
            true => Err(RunError::NoDpdk),
            false => Ok(pass()),
        };
        let mut bench = Bench::new();
        bench.admission = Arc::new(admission);
        let error = bench.run(CONFIG, |_| ());
        assert!(error.to_string().contains("without DPDK"), "the reason is said: {error}");
        assert_eq!(thread_of(&error), name);
    }
}

#[test]
fn a_thread_that_panics_ends_the_router_with_an_error() {
    for name in ["control", "host"] {
        let admission = move || match std::thread::current().name() == Some(name) {
            true => panic!("as it must"),
            false => Ok(pass()),
        };
        let mut bench = Bench::new();
        bench.admission = Arc::new(admission);
        assert_eq!(thread_of(&bench.run(CONFIG, |_| ())), name);
    }
}
