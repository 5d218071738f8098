//! The course of a lab: bring it up, wait until everything works, break it, mend it, measure.
//!
//! Owns the order of steps and their time limits. What is reported is [`super::report`]'s.
//!
//! *Invariants*: a fault counts as recovered only when every pair of hosts that the rest of the
//! topology connects answers, every probe stream flows, and the routers' adjacencies are exactly
//! those that are left.

use crate::lab::cleanup;
use crate::lab::error::LabError;
use crate::lab::fabric::Lab;
use crate::lab::fault::{Fault, FaultPart, Probes};
use crate::lab::holder;
use crate::lab::layout;
use crate::lab::lock::{LabLock, wait_in};
use crate::lab::ping::{HostPair, PingRound, Pinger, pairs_of};
use crate::lab::probe::{Figures, Probe};
use crate::lab::report::{FaultReport, PingReport, TestReport};
use crate::lab::session::{Progress, Session};
use crate::lab::state::{
    CableState, CableStatus, Driver, LabDirectory, LabState, ServerKind, ServerState,
};
use crate::planner::{Topology, server_name};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Time for adjacencies: BIRD may take 15 s, a large lab on few cores more.
const ADJACENCY_LIMIT: Duration = Duration::from_secs(90);
/// Time for BFD sessions once adjacencies are there: some packets at the slow interval of 1 s.
const BFD_LIMIT: Duration = Duration::from_secs(20);
/// Time for routes and pings once adjacencies are there.
const REACH_LIMIT: Duration = Duration::from_secs(45);
/// Time for a fault to be routed around, and for its repair.
const RECOVERY_LIMIT: Duration = Duration::from_secs(60);
/// How long one echo may take.
const ECHO_WAIT: Duration = Duration::from_millis(300);
/// Undisturbed traffic before a fault.
const BASELINE: Duration = Duration::from_millis(500);
/// Traffic after a recovery, so that a second loss counts too.
const SETTLE: Duration = Duration::from_millis(1000);
/// The same where FRR or BIRD take part: until then routers may wait for them
/// (two seconds and a half, and their own turn), and the next
/// fault would be a second one.
const SETTLE_MIXED: Duration = Duration::from_millis(4000);
/// A stream without arrivals for this long does not flow.
const FLOWING_WITHIN: Duration = Duration::from_millis(100);
/// Data octets of the small ping.
pub const SMALL_PING_OCTETS: usize = 64;
/// Octets of the headers of an echo: IPv6 and ICMPv6.
const ECHO_HEADER_OCTETS: usize = 40 + 8;
/// Data octets of the large ping, with an MTU of 9000.
const LARGE_PING_OCTETS: usize = 8900;

/// What lab to make.
pub struct LabOptions {
    /// Name.
    pub name: String,
    /// Cables.
    pub topology: Topology,
    /// As it was asked for.
    pub topology_text: String,
    /// Driver of Kumiki's fabric ports.
    pub driver: Driver,
    /// Time between two BFD packets, in milliseconds; 0 where there is no BFD.
    pub bfd_interval_ms: u16,
    /// Servers that run something else than Kumiki.
    pub peers: BTreeMap<usize, ServerKind>,
    /// Whether it stays when this process ends.
    pub is_kept: bool,
    /// Whether it lives in a user namespace, which a process has to keep.
    pub is_rootless: bool,
}

/// Makes the lab and starts its servers. On an error nothing of it stays. The lock, which the lab
/// shares, is the right to end it.
pub fn bring_up(session: &Session, options: &LabOptions) -> Result<(LabLock, Lab), LabError> {
    let directory = LabDirectory::of(&options.name);
    let mut state = LabState::new(&options.name, options.topology_text.clone(), options.driver);
    state.is_kept = options.is_kept;
    state.bfd_interval_ms = options.bfd_interval_ms;
    state.servers = (0..options.topology.server_count())
        .map(|server| ServerState {
            kind: options.peers.get(&server).copied().unwrap_or_default(),
            processes: Vec::new(),
        })
        .collect();
    state.cables = options
        .topology
        .cables()
        .iter()
        .map(|&ends| CableState { ends, status: CableStatus::Connected })
        .collect();
    let lock = cleanup::claim(&directory, &state, &mut wait_in(session))?;
    match build_and_start(session, options, lock.clone(), state) {
        Ok(lab) => Ok((lock, lab)),
        Err(error) => Err(cleanup::end_failed(&lock, error)),
    }
}

fn build_and_start(
    session: &Session,
    options: &LabOptions,
    lock: LabLock,
    mut state: LabState,
) -> Result<Lab, LabError> {
    let start = Instant::now();
    let (cables, count) = (state.cables.len(), state.servers.len());
    session.doing(&format!("making {count} servers and {cables} cables"));
    if options.is_rootless {
        holder::start(options.is_kept, |process| {
            state.holder = Some(process);
            lock.directory().save(&state)
        })?;
    }
    let mut lab = Lab::build(lock, state)?;
    let text = format!("fabric    {count} servers, {cables} cables, {count} hosts");
    session.step(&text, start.elapsed());
    session.check()?;
    let start = Instant::now();
    session.doing("starting the routers");
    lab.start_all(session)?;
    lab.state.is_started = true;
    lab.save()?;
    session.step(&format!("routers   {}", kinds(&lab)), start.elapsed());
    Ok(lab)
}

/// `2 × kumiki, 1 × frr`.
fn kinds(lab: &Lab) -> String {
    let mut counts = BTreeMap::new();
    for server in &lab.state.servers {
        *counts.entry(server.kind.name()).or_insert(0_usize) += 1;
    }
    let words: Vec<String> =
        counts.iter().rev().map(|(name, count)| format!("{count} × {name}")).collect();
    words.join(", ")
}

/// Waits until adjacencies, routes and both sizes of ping are complete, and says so step by step.
pub fn wait_ready(session: &Session, lab: &Lab, report: &mut TestReport) -> Result<(), LabError> {
    let start = Instant::now();
    let none = BTreeSet::new();
    session.wait("adjacencies are missing", ADJACENCY_LIMIT, || {
        check_alive(lab, &none)?;
        Ok(adjacency_progress(lab))
    })?;
    report.adjacencies_full = lab.full_count_total();
    report.adjacent_ms = elapsed_ms(start);
    let text =
        format!("adjacency {} of {} Full", report.adjacencies_full, lab.adjacencies_expected());
    session.step(&text, start.elapsed());

    let routes = session.wait("routes are missing", REACH_LIMIT, || route_progress(lab))?;
    report.routed_ms = elapsed_ms(start);
    let prefix_count = layout::expected_prefixes(lab.server_count()).len();
    let text = format!("routes    {prefix_count} prefixes known to all {}", lab.server_count());
    session.step(&text, routes);

    if lab.state.bfd_interval_ms > 0 {
        let bfd = session.wait("BFD sessions are not Up", BFD_LIMIT, || Ok(bfd_progress(lab)))?;
        let text = format!("bfd       {} of {} Up", lab.bfd_up_count(), lab.adjacencies_expected());
        session.step(&text, bfd);
    }

    let mut pinger = Pinger::open(lab)?;
    let pairs = pairs_of(lab.server_count(), |_, _| true);
    for octets in [SMALL_PING_OCTETS, large_ping_octets(lab)] {
        let (round, took) = wait_pings(session, &mut pinger, &pairs, octets)?;
        let ping = PingReport::new(octets, pairs.len(), &round);
        session.step(&ping.sentence(), took);
        report.pings.push(ping);
    }
    report.ready_ms = elapsed_ms(start);
    Ok(())
}

fn elapsed_ms(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The largest ping that the driver's MTU passes, at most 8900.
pub fn large_ping_octets(lab: &Lab) -> usize {
    LARGE_PING_OCTETS.min(usize::from(lab.state.driver.mtu_bytes()) - ECHO_HEADER_OCTETS)
}

fn wait_pings(
    session: &Session,
    pinger: &mut Pinger,
    pairs: &[HostPair],
    octets: usize,
) -> Result<(PingRound, Duration), LabError> {
    let mut last = PingRound::default();
    let what = format!("pings of {octets} octets stay unanswered");
    let took = session.wait(&what, REACH_LIMIT, || {
        last = pinger.round(pairs, octets, ECHO_WAIT);
        Ok(ping_progress(&last, octets))
    })?;
    Ok((last, took))
}

fn ping_progress(round: &PingRound, octets: usize) -> Progress {
    if round.is_complete() {
        return Progress::Done;
    }
    let named =
        |&(from, to): &HostPair| format!("{}→{}", layout::host_name(from), layout::host_name(to));
    let some: Vec<String> = round.missing.iter().take(8).map(named).collect();
    let count = round.missing.len();
    Progress::Waiting(format!(
        "  no answer to {octets} octets in {count} pairs: {}\n",
        some.join(", ")
    ))
}

fn adjacency_progress(lab: &Lab) -> Progress {
    let full: Vec<_> = (0..lab.server_count()).map(|server| lab.full_count(server)).collect();
    let count: usize = full.iter().map(|count| count.as_ref().copied().unwrap_or(0)).sum();
    let possible = lab.adjacencies_possible();
    if count == possible && full.iter().zip(0..).all(|(c, s)| c.is_ok() || !lab.is_running(s)) {
        return Progress::Done;
    }
    let mut text = format!("  {count} of {possible} adjacencies Full\n");
    for (server, found) in full.iter().enumerate() {
        let name = server_name(server);
        let kind = lab.state.servers[server].kind.name();
        match found {
            Ok(found) => {
                let cables = lab.cables_of(server).len();
                text.push_str(&format!("  {name} ({kind}): {found} Full, {cables} cables\n"));
            }
            Err(error) => text.push_str(&format!("  {error}\n")),
        }
    }
    Progress::Waiting(text)
}

fn bfd_progress(lab: &Lab) -> Progress {
    let (count, possible) = (lab.bfd_up_count(), lab.adjacencies_possible());
    match count == possible {
        true => Progress::Done,
        false => Progress::Waiting(format!("  {count} of {possible} BFD sessions Up\n")),
    }
}

fn route_progress(lab: &Lab) -> Result<Progress, LabError> {
    let missing = lab.missing_routes()?;
    if missing.is_empty() {
        return Ok(Progress::Done);
    }
    let lines = missing.iter().map(|missing| {
        let some: Vec<String> = missing.prefixes.iter().take(4).map(ToString::to_string).collect();
        let count = missing.prefixes.len();
        format!("  {} does not know {count}: {}\n", server_name(missing.server), some.join(" "))
    });
    Ok(Progress::Waiting(lines.collect()))
}

/// An error when a router ended that was not killed.
fn check_alive(lab: &Lab, killed: &BTreeSet<usize>) -> Result<(), LabError> {
    for server in 0..lab.server_count() {
        if !killed.contains(&server) && !lab.is_running(server) {
            return Err(lab.router_error(server, "its router ended".to_owned()));
        }
    }
    Ok(())
}

/// Breaks what the fault says.
pub fn apply(lab: &mut Lab, fault: &Fault) -> Result<(), LabError> {
    fault.parts.iter().try_for_each(|part| match *part {
        FaultPart::Cable(cable, status) => lab.set_cable(cable, status),
        FaultPart::Kill(server) => lab.kill_forwarding(server),
        FaultPart::Stop(server) => lab.stop(server),
        FaultPart::Panic(server) => lab.fail_control(server),
    })
}

/// Mends it again.
pub fn restore(session: &Session, lab: &mut Lab, fault: &Fault) -> Result<(), LabError> {
    fault.parts.iter().try_for_each(|part| match *part {
        FaultPart::Cable(cable, _) => lab.set_cable(cable, CableStatus::Connected),
        FaultPart::Kill(server) | FaultPart::Stop(server) => lab.start(session, server),
        FaultPart::Panic(_) => Ok(()),
    })
}

/// Breaks, measures, mends, measures. A recovery that does not come is reported, not an error.
pub fn run_fault(
    session: &Session,
    lab: &mut Lab,
    topology: &Topology,
    fault: &Fault,
    mut on_recovery: impl FnMut(&Lab),
) -> Result<FaultReport, LabError> {
    let mut pinger = Pinger::open(lab)?;
    let Probes { streams, not_measured } = fault.probes(topology);
    let probe = Probe::start(lab, &streams)?;
    let course = (|| -> Result<_, LabError> {
        session.sleep(BASELINE)?;
        let broken_ns = probe.now_ns();
        apply(lab, fault)?;
        let reachable = fault.reachable_pairs(topology);
        let ended = fault.ended();
        let recovery = wait_recovered(session, lab, &mut pinger, &probe, (&reachable, &ended));
        let is_recovered = is_in_time(session, recovery)?;
        session.sleep(settle(lab))?;
        on_recovery(lab);
        let mended_ns = probe.now_ns();
        restore(session, lab, fault)?;
        let everybody = pairs_of(lab.server_count(), |_, _| true);
        let nobody = BTreeSet::new();
        let repair = wait_recovered(session, lab, &mut pinger, &probe, (&everybody, &nobody));
        let is_restored = is_in_time(session, repair)?;
        session.sleep(settle(lab))?;
        Ok((is_recovered, is_restored, broken_ns, mended_ns, probe.now_ns()))
    })();
    let logs = probe.finish();
    let (is_recovered, is_restored, broken_ns, mended_ns, end_ns) = course?;
    let sum = |from: u64, to: u64| {
        let figures = logs.iter().map(|log| log.figures(&(from..to)));
        figures.fold(Figures::default(), Figures::merge)
    };
    let names: Vec<String> = streams
        .iter()
        .map(|&(from, to)| format!("{}-{}", layout::host_name(from), layout::host_name(to)))
        .collect();
    Ok(FaultReport::new(
        (&fault.text, names, not_measured),
        (is_recovered, is_restored),
        sum(broken_ns, mended_ns),
        sum(mended_ns, end_ns),
    ))
}

/// How long traffic is watched after a recovery.
fn settle(lab: &Lab) -> Duration {
    let are_alike = lab.state.servers.iter().all(|server| server.kind == ServerKind::Kumiki);
    if are_alike { SETTLE } else { SETTLE_MIXED }
}

/// A recovery that is late is an answer; everything else stays an error.
fn is_in_time(session: &Session, recovery: Result<Duration, LabError>) -> Result<bool, LabError> {
    match recovery {
        Ok(_) => Ok(true),
        Err(error @ LabError::Late { .. }) => {
            session.failed(&error.to_string());
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn wait_recovered(
    session: &Session,
    lab: &Lab,
    pinger: &mut Pinger,
    probe: &Probe,
    (reachable, killed): (&[HostPair], &BTreeSet<usize>),
) -> Result<Duration, LabError> {
    session.wait("not everything works", RECOVERY_LIMIT, || {
        check_alive(lab, killed)?;
        let round = pinger.round(reachable, SMALL_PING_OCTETS, ECHO_WAIT);
        if let waiting @ Progress::Waiting(_) = ping_progress(&round, SMALL_PING_OCTETS) {
            return Ok(waiting);
        }
        if let waiting @ Progress::Waiting(_) = adjacency_progress(lab) {
            return Ok(waiting);
        }
        if !probe.is_flowing(FLOWING_WITHIN) {
            return Ok(Progress::Waiting("  a probe stream does not arrive\n".to_owned()));
        }
        Ok(Progress::Done)
    })
}
