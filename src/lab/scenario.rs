//! The beginning of a lab: bring it up and wait until everything works.
//!
//! Owns the order of steps and their time limits. What comes then is [`super::trial`]'s.
//!
//! *Invariants*: a lab is ready only when every adjacency is Full, every router knows what it has
//! to, and every pair of hosts answers both sizes of ping; with a provider, when it hears from
//! every edge, too, and answers every host.

use crate::lab::cleanup;
use crate::lab::error::LabError;
use crate::lab::fabric::Lab;
use crate::lab::holder;
use crate::lab::layout::{self, Numbering};
use crate::lab::lock::{LabLock, wait_in};
use crate::lab::ping::{HostPair, PingRound, Pinger, pairs_of};
use crate::lab::provider_table::Heard;
use crate::lab::report::{PingReport, TestReport};
use crate::lab::session::{Progress, Session};
use crate::lab::site::Site;
use crate::lab::state::{
    CableState, CableStatus, Driver, LabDirectory, LabState, Place, ProviderState, ServerKind,
    ServerState,
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
/// Time for the sessions of edges and for what their provider hears.
const SESSION_LIMIT: Duration = Duration::from_secs(60);
/// How long one echo may take.
pub const ECHO_WAIT: Duration = Duration::from_millis(300);
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
    /// Cables of a cluster.
    pub topology: Topology,
    /// Several clusters of that topology, and what runs on the provider between them; else one.
    pub outside: Option<(Site, ServerKind)>,
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

impl LabOptions {
    /// Servers of all clusters.
    pub fn server_count(&self) -> usize {
        self.outside.as_ref().map_or(self.topology.server_count(), |(site, _)| site.server_count)
    }

    /// Cables of all clusters.
    fn cables(&self) -> &[(usize, usize)] {
        self.outside.as_ref().map_or(self.topology.cables(), |(site, _)| &site.cables)
    }
}

/// Makes the lab and starts its servers. On an error nothing of it stays. The lock, which the lab
/// shares, is the right to end it.
pub fn bring_up(session: &Session, options: &LabOptions) -> Result<(LabLock, Lab), LabError> {
    let directory = LabDirectory::of(&options.name);
    let mut state = LabState::new(&options.name, options.topology_text.clone(), options.driver);
    state.is_kept = options.is_kept;
    state.bfd_interval_ms = options.bfd_interval_ms;
    state.servers = (0..options.server_count())
        .map(|server| ServerState {
            kind: options.peers.get(&server).copied().unwrap_or_default(),
            processes: Vec::new(),
        })
        .collect();
    state.cables = options
        .cables()
        .iter()
        .map(|&ends| CableState { ends, status: CableStatus::Connected })
        .collect();
    state.numbering = Numbering::single(options.server_count());
    if let Some((site, kind)) = &options.outside {
        state.numbering = site.numbering;
        state.provider =
            Some(ProviderState { kind: *kind, edges: site.edges.clone(), processes: Vec::new() });
    }
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
    let mut text = format!("fabric    {count} servers, {cables} cables, {count} hosts");
    if !lab.state.edges().is_empty() {
        text.push_str(&format!(", {} uplinks", lab.state.edges().len()));
    }
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
    let outside = lab.state.provider.as_ref().map(|found| format!("{} outside", found.kind.name()));
    words.into_iter().chain(outside).collect::<Vec<_>>().join(", ")
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

    wait_for_provider(session, lab)?;
    let routes = session.wait("routes are missing", REACH_LIMIT, || route_progress(lab))?;
    report.routed_ms = elapsed_ms(start);
    let prefix_count = lab.expected_prefixes(0).len();
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
    if lab.provider().is_some() {
        let hosts: Vec<usize> = (0..lab.server_count()).collect();
        let took = session.wait("hosts do not reach the world", REACH_LIMIT, || {
            let round = pinger.outside(&hosts, layout::outside_address(), ECHO_WAIT);
            Ok(ping_progress(&round, SMALL_PING_OCTETS))
        })?;
        let address = layout::outside_address();
        session.step(&format!("outside   {address} answers all {} hosts", hosts.len()), took);
    }
    report.ready_ms = elapsed_ms(start);
    Ok(())
}

/// Waits until the provider hears from every edge; nothing where there is none.
fn wait_for_provider(session: &Session, lab: &Lab) -> Result<(), LabError> {
    let edges = lab.state.edges();
    if edges.is_empty() {
        return Ok(());
    }
    let none = BTreeSet::new();
    let took = session.wait("the provider does not hear from every edge", SESSION_LIMIT, || {
        check_alive(lab, &none)?;
        Ok(provider_progress(lab, edges))
    })?;
    let count = edges.len();
    session.step(&format!("bgp       {count} of {count} edges announce their cluster"), took);
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

/// How far the answers of a round of echoes are.
pub fn ping_progress(round: &PingRound, octets: usize) -> Progress {
    if round.is_complete() {
        return Progress::Done;
    }
    let named = |&(from, to): &HostPair| {
        let to = if from == to { "the world".to_owned() } else { layout::host_name(to) };
        format!("{}→{to}", layout::host_name(from))
    };
    let some: Vec<String> = round.missing.iter().take(8).map(named).collect();
    let count = round.missing.len();
    Progress::Waiting(format!(
        "  no answer to {octets} octets in {count} pairs: {}\n",
        some.join(", ")
    ))
}

/// How far adjacencies are those of the cables that are there.
pub fn adjacency_progress(lab: &Lab) -> Progress {
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

/// How far the provider hears from these edges and from no other; what else it hears is not waited
/// for.
pub fn provider_progress(lab: &Lab, announcing: &[usize]) -> Progress {
    let heard = match lab.heard() {
        Ok(heard) => heard,
        Err(error) => return Progress::Waiting(format!("  {error}\n")),
    };
    let expected = lab.announced_by(announcing);
    let of_aggregates: BTreeSet<Heard> =
        heard.into_iter().filter(|(prefix, _)| lab.is_aggregate(*prefix)).collect();
    let line = |word: &str, &(prefix, edge): &Heard| {
        format!("  the provider {word} {prefix} from {}\n", server_name(edge))
    };
    let missing = expected.difference(&of_aggregates).map(|heard| line("does not hear", heard));
    let wrong = of_aggregates.difference(&expected).map(|heard| line("still hears", heard));
    let text: String = missing.chain(wrong).collect();
    if text.is_empty() { Progress::Done } else { Progress::Waiting(text) }
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
pub fn check_alive(lab: &Lab, killed: &BTreeSet<usize>) -> Result<(), LabError> {
    for server in 0..lab.server_count() {
        if !killed.contains(&server) && !lab.is_running(server) {
            return Err(lab.router_error(server, "its router ended".to_owned()));
        }
    }
    if !lab.is_provider_well() {
        return Err(lab.place_error(Place::Provider, "the provider ended".to_owned()));
    }
    Ok(())
}
