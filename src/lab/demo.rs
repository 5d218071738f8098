//! `kumiki lab demo`: a cluster comes up, loses a cable and gets it back, in half a minute.
//!
//! *Invariants*: what is shown was measured in this run; exit code 0 only when all of it worked.

use crate::lab::cleanup;
use crate::lab::draw;
use crate::lab::error::LabError;
use crate::lab::fabric::Lab;
use crate::lab::fault::Fault;
use crate::lab::report::{FaultReport, TestReport};
use crate::lab::scenario::{self, LabOptions};
use crate::lab::session::{Narration, Session};
use crate::lab::trial::Trial;
use std::time::Instant;

/// The cable that is cut.
const DEMO_FAULT: &str = "cut:s01-s02";

/// Runs the tour; returns the exit code.
pub fn run(options: &LabOptions) -> Result<u8, LabError> {
    let session = Session::start(Narration::Output)?;
    session.line("");
    session.line(&session.paint(
        "1",
        "  Kumiki: four servers in a ring, no switch; each a real router in its own namespace.",
    ));
    session.line("");
    let (lock, mut lab) = scenario::bring_up(&session, options)?;
    let result = tour(&session, &mut lab, options);
    session.finish();
    drop(lab);
    let is_good = result.map_err(|error| cleanup::end_failed(&lock, error))?;
    cleanup::end(&lock)?;
    Ok(u8::from(!is_good))
}

fn tour(session: &Session, lab: &mut Lab, options: &LabOptions) -> Result<bool, LabError> {
    let start = Instant::now();
    let mut report = TestReport::default();
    scenario::wait_ready(session, lab, &mut report)?;
    show_cluster(session, lab);
    session.line(&session.paint("1", "  Cut the cable s01–s02 under 1000 packets a second:"));
    let fault = Fault::parse(DEMO_FAULT, &options.topology)?;
    session.doing("cutting s01–s02");
    let trial = Trial::of(&fault, &options.topology);
    let found = trial.run(session, lab, |lab| {
        show_cluster(session, lab);
        Ok(())
    })?;
    let found = found.report;
    tell(session, &found);
    let full = lab.full_count_total();
    let expected = lab.adjacencies_expected();
    let is_good = found.recovered && found.restored && full == expected;
    show_cluster(session, lab);
    let pairs = report.pings.first().map_or(0, |ping| ping.pairs);
    let summary = format!(
        "  {}: {full} of {expected} adjacencies Full, all {pairs} host pairs reached, {:.0} s.",
        if is_good { "Everything works" } else { "NOT everything works" },
        start.elapsed().as_secs_f64()
    );
    session.line(&session.paint(if is_good { "1;32" } else { "1;31" }, &summary));
    session.line("");
    session.line("  Your own: kumiki lab up --servers 8 --topology circulant:1,3");
    session.line("            kumiki lab exec h01 -- ping fd4b:756d:696b:3::1");
    session.line("            kumiki lab cut s01-s02, kumiki lab status, kumiki lab down");
    session.line("");
    Ok(is_good)
}

fn show_cluster(session: &Session, lab: &Lab) {
    session.line("");
    for line in draw::cluster(lab.server_count(), &lab.state.cables) {
        session.line(&format!("   {line}"));
    }
    session.line("");
}

fn tell(session: &Session, found: &FaultReport) {
    let mark = |is_good| {
        if is_good { session.paint("32", "✓") } else { session.paint("31", "✗") }
    };
    session.line(&format!(
        "  {} cut       outage {:.1} ms, {} of {} packets lost; traffic goes the other way round",
        mark(found.recovered),
        found.outage_ms,
        found.lost_packets,
        found.sent_packets
    ));
    session.line(&format!(
        "  {} heal      outage {:.1} ms, {} packets lost on the way back to the short path",
        mark(found.restored),
        found.restore_outage_ms,
        found.restore_lost_packets
    ));
    session.line(&format!(
        "  {} order     {} packets twice, {} reordered",
        mark(true),
        found.duplicates,
        found.reordered
    ));
}
