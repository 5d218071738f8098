//! `kumiki lab up` and `kumiki lab test`: a lab from its first cable to its report.
//!
//! *Invariants*: a test leaves nothing behind, whatever happens, unless it is asked to keep the
//! lab.

use crate::lab::actions::check_breakable;
use crate::lab::cleanup;
use crate::lab::error::LabError;
use crate::lab::exits_report::ExitsReport;
use crate::lab::fabric::Lab;
use crate::lab::fault::{Fault, FaultError, FaultPart};
use crate::lab::report::{TEST_SCHEMA, TestReport, fault_table};
use crate::lab::scenario::{self, LabOptions};
use crate::lab::session::{Narration, Session, say};
use crate::lab::state::ServerKind;
use crate::lab::summary::{summarise, summary_table};
use crate::lab::trial::Trial;
use crate::lab::two_clusters;
use crate::planner::server_name;
use serde::Serialize;
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
    let parse = |text: &String| match &options.outside {
        Some((site, _)) => site.parse_fault(text),
        None => Fault::parse(text, &options.topology),
    };
    let faults = match &options.outside {
        Some((site, _)) if faults.is_empty() => site.default_faults()?,
        _ => faults.iter().map(parse).collect::<Result<Vec<_>, _>>()?,
    };
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

impl Course {
    fn rounds(&self) -> Vec<&Fault> {
        (0..self.repeat).flat_map(|_| &self.faults).collect()
    }
}

/// What a test found.
trait Findings: Serialize {
    /// Whether everything is as it has to be.
    fn is_passed(&self) -> bool;
    /// For people, on standard output.
    fn tell(&self);
}

/// How the findings are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table.
    Table,
    /// JSON.
    Json,
}

/// Starts a lab, breaks and mends it, and reports; returns 0 when everything recovered.
pub fn test(options: &LabOptions, course: &Course, format: Format) -> Result<u8, LabError> {
    match &options.outside {
        None => run(options, format, |session, lab| run_faults(session, lab, options, course)),
        Some((site, _)) => run(options, format, |session, lab| {
            let test = TestReport::of(lab);
            let rounds = course.rounds();
            let mut report = two_clusters::run(session, lab, (site, &rounds), test)?;
            finish(lab, &mut report.test)?;
            let is_clean = report.stages.iter().all(|stage| stage.leaked_routes == 0);
            report.test.is_passed &= report.reachable && is_clean && report.ospf_routes_in_bgp == 0;
            Ok(report)
        }),
    }
}

fn run<R: Findings>(
    options: &LabOptions,
    format: Format,
    course: impl FnOnce(&Session, &mut Lab) -> Result<R, LabError>,
) -> Result<u8, LabError> {
    let session = Session::start(Narration::Error)?;
    let (lock, mut lab) = scenario::bring_up(&session, options)?;
    let result = course(&session, &mut lab);
    session.finish();
    drop(lab);
    let report = match result {
        Ok(report) => report,
        Err(error) if options.is_kept => return Err(error),
        Err(error) => return Err(cleanup::end_failed(&lock, error)),
    };
    if !options.is_kept {
        let wanted = (!report.is_passed()).then(|| lock.directory().keep_logs());
        // Logs that could not be kept are no reason to leave the lab.
        cleanup::end(&lock)?;
        if let Some(kept) = wanted.transpose()? {
            session.line(&format!("  logs and configurations: {}", kept.display()));
        }
    }
    match format {
        Format::Json => {
            let text = serde_json::to_string_pretty(&report).map_err(std::io::Error::other);
            say(text.map_err(|e| LabError::file("write", "standard output", e))?);
        }
        Format::Table => report.tell(),
    }
    Ok(u8::from(!report.is_passed()))
}

fn run_faults(
    session: &Session,
    lab: &mut Lab,
    options: &LabOptions,
    course: &Course,
) -> Result<TestReport, LabError> {
    let mut report = TestReport::of(lab);
    scenario::wait_ready(session, lab, &mut report)?;
    for fault in course.rounds() {
        session.doing(&format!("fault {}", fault.text));
        let start = Instant::now();
        let trial = Trial::of(fault, &options.topology);
        let found = trial.run(session, lab, |_| Ok(()))?.report;
        let text = format!("{}: {}", found.fault, found.sentence());
        if found.recovered && found.restored {
            session.step(&text, start.elapsed());
        } else {
            session.failed(&text);
        }
        report.faults.push(found);
    }
    finish(lab, &mut report)?;
    Ok(report)
}

/// The state at the end.
fn finish(lab: &Lab, report: &mut TestReport) -> Result<(), LabError> {
    report.summaries = summarise(&report.faults);
    report.adjacencies_full = lab.full_count_total();
    report.bfd_up = lab.bfd_up_count();
    let is_complete = report.adjacencies_full == report.adjacencies_expected;
    let is_mended = report.faults.iter().all(|fault| fault.recovered && fault.restored);
    let has_routes = lab.missing_routes()?.is_empty();
    report.is_passed = is_complete && is_mended && has_routes;
    Ok(())
}

impl TestReport {
    /// Of a lab that has just started.
    fn of(lab: &Lab) -> Self {
        Self {
            schema: TEST_SCHEMA,
            servers: lab.server_count(),
            topology: lab.state.topology.clone(),
            driver: lab.state.driver.name(),
            kinds: lab.state.servers.iter().map(|server| server.kind.name()).collect(),
            adjacencies_expected: lab.adjacencies_expected(),
            ..Self::default()
        }
    }

    fn tell_summaries(&self) {
        say(summary_table(&self.summaries));
        say("each time: median / nine tenths / worst of all runs");
    }

    fn is_repeated(&self) -> bool {
        self.summaries.iter().any(|summary| summary.runs > 1)
    }
}

impl Findings for TestReport {
    fn is_passed(&self) -> bool {
        self.is_passed
    }

    fn tell(&self) {
        if self.is_repeated() {
            self.tell_summaries();
        } else if !self.faults.is_empty() {
            say(fault_table(&self.faults));
        }
        say(format_args!(
            "{}: {} of {} adjacencies Full",
            if self.is_passed { "passed" } else { "FAILED" },
            self.adjacencies_full,
            self.adjacencies_expected
        ));
    }
}

impl Findings for ExitsReport {
    fn is_passed(&self) -> bool {
        self.test.is_passed
    }

    fn tell(&self) {
        if self.test.is_repeated() {
            self.test.tell_summaries();
        } else if !self.exits.is_empty() {
            say(self.table());
        }
        say(self.verdict());
    }
}
