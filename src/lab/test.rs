//! `kumiki lab up` and `kumiki lab test`: a lab from its first cable to its report.
//!
//! *Invariants*: a test leaves nothing behind, whatever happens, unless it is asked to keep the
//! lab.

use crate::lab::actions::check_breakable;
use crate::lab::cleanup;
use crate::lab::error::LabError;
use crate::lab::fabric::Lab;
use crate::lab::fault::{Fault, FaultError, FaultPart};
use crate::lab::report::{TEST_SCHEMA, TestReport, fault_table};
use crate::lab::scenario::{self, LabOptions};
use crate::lab::session::{Narration, Session, say};
use crate::lab::state::ServerKind;
use crate::lab::summary::{summarise, summary_table};
use crate::planner::server_name;
use std::time::Instant;

/// Starts a lab that stays.
pub fn up(options: &LabOptions) -> Result<u8, LabError> {
    let session = Session::start(Narration::Output)?;
    let (lock, lab) = scenario::bring_up(&session, options)?;
    let mut report = TestReport::default();
    let ready = scenario::wait_ready(&session, &lab, &mut report);
    session.finish();
    if let Err(LabError::Interrupted) = ready {
        drop(lab);
        cleanup::end(&lock)?;
        return Err(LabError::Interrupted);
    }
    if let Err(error) = ready {
        session.line("  the lab stays for a look; `kumiki lab down` ends it");
        return Err(error);
    }
    session
        .line(&format!("  configurations, sockets and logs: {}", lab.directory.path().display()));
    Ok(0)
}

/// The faults of a test; those that cannot be made are refused.
pub fn parse_faults(options: &LabOptions, faults: &[String]) -> Result<Vec<Fault>, LabError> {
    let topology = &options.topology;
    let faults =
        faults.iter().map(|fault| Fault::parse(fault, topology)).collect::<Result<Vec<_>, _>>()?;
    let is_kumiki = |server| matches!(options.peers.get(server), None | Some(ServerKind::Kumiki));
    for part in faults.iter().flat_map(|fault| &fault.parts) {
        if let FaultPart::Panic(server) = part
            && !is_kumiki(server)
        {
            return Err(FaultError::Foreign(server_name(*server)).into());
        }
    }
    let breaks_cables =
        |fault: &Fault| fault.parts.iter().any(|part| matches!(part, FaultPart::Cable(..)));
    if faults.iter().any(breaks_cables) {
        check_breakable(options.driver)?;
    }
    Ok(faults)
}

/// What is broken in a test, and how often.
pub struct Course {
    /// One after the other.
    pub faults: Vec<Fault>,
    /// How often all of them, at least once.
    pub repeat: u32,
}

/// Starts a lab, breaks and mends it, and reports; returns 0 when everything recovered.
pub fn test(options: &LabOptions, course: &Course, json: bool) -> Result<u8, LabError> {
    let session = Session::start(Narration::Error)?;
    let (lock, mut lab) = scenario::bring_up(&session, options)?;
    let result = run_faults(&session, &mut lab, options, course);
    session.finish();
    drop(lab);
    let report = match result {
        Ok(report) => report,
        Err(error) if options.is_kept => return Err(error),
        Err(error) => return Err(cleanup::end_failed(&lock, error)),
    };
    if !options.is_kept {
        let wanted = (!report.is_passed).then(|| lock.directory().keep_logs());
        // Logs that could not be kept are no reason to leave the lab.
        cleanup::end(&lock)?;
        if let Some(kept) = wanted.transpose()? {
            session.line(&format!("  logs and configurations: {}", kept.display()));
        }
    }
    if json {
        let text = serde_json::to_string_pretty(&report)
            .map_err(|e| LabError::file("write", "standard output", std::io::Error::other(e)))?;
        say(&text);
    } else {
        print_report(&report);
    }
    Ok(u8::from(!report.is_passed))
}

fn run_faults(
    session: &Session,
    lab: &mut Lab,
    options: &LabOptions,
    course: &Course,
) -> Result<TestReport, LabError> {
    let mut report = TestReport {
        schema: TEST_SCHEMA,
        servers: lab.server_count(),
        topology: options.topology_text.clone(),
        driver: options.driver.name(),
        kinds: lab.state.servers.iter().map(|server| server.kind.name()).collect(),
        adjacencies_expected: lab.adjacencies_expected(),
        ..TestReport::default()
    };
    scenario::wait_ready(session, lab, &mut report)?;
    let rounds = (0..course.repeat).flat_map(|_| &course.faults);
    for fault in rounds {
        session.doing(&format!("fault {}", fault.text));
        let start = Instant::now();
        let found = scenario::run_fault(session, lab, &options.topology, fault, |_| {})?;
        let text = format!("{}: {}", found.fault, found.sentence());
        if found.recovered && found.restored {
            session.step(&text, start.elapsed());
        } else {
            session.failed(&text);
        }
        report.faults.push(found);
    }
    report.summaries = summarise(&report.faults);
    report.adjacencies_full = lab.full_count_total();
    report.bfd_up = lab.bfd_up_count();
    let is_complete = report.adjacencies_full == report.adjacencies_expected;
    let is_mended = report.faults.iter().all(|fault| fault.recovered && fault.restored);
    let has_routes = lab.missing_routes()?.is_empty();
    report.is_passed = is_complete && is_mended && has_routes;
    Ok(report)
}

fn print_report(report: &TestReport) {
    if report.summaries.iter().any(|summary| summary.runs > 1) {
        say(summary_table(&report.summaries));
        say("each time: median / nine tenths / worst of all runs");
    } else if !report.faults.is_empty() {
        say(fault_table(&report.faults));
    }
    say(format_args!(
        "{}: {} of {} adjacencies Full",
        if report.is_passed { "passed" } else { "FAILED" },
        report.adjacencies_full,
        report.adjacencies_expected
    ));
}
