//! One fault: break, measure, mend, measure.
//!
//! Owns what has to work after a fault and after its repair, and the limits of time for both. What
//! is reported is [`super::report`]'s.
//!
//! *Invariants*: a fault counts as recovered only when every pair of hosts that the rest of the
//! topology connects answers, every probe stream flows, the routers' adjacencies are exactly those
//! that are left, and the provider, where there is one, hears from exactly the edges that are left.

use crate::base::prefix::Ipv6Prefix;
use crate::lab::error::LabError;
use crate::lab::fabric::Lab;
use crate::lab::fault::{Fault, FaultPart, Probes};
use crate::lab::layout;
use crate::lab::observe::Way;
use crate::lab::ping::{HostPair, Pinger, pairs_of};
use crate::lab::probe::{Figures, Probe, StreamLog};
use crate::lab::report::FaultReport;
use crate::lab::scenario::{
    ECHO_WAIT, SMALL_PING_OCTETS, adjacency_progress, check_alive, ping_progress, provider_progress,
};
use crate::lab::session::{Progress, Session};
use crate::lab::state::{CableStatus, ServerKind};
use crate::planner::{Topology, server_name};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Time for a fault to be routed around, and for its repair.
const RECOVERY_LIMIT: Duration = Duration::from_secs(60);
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

/// The ways of routers to prefixes outside of their cluster.
pub type Ways = BTreeMap<(usize, Ipv6Prefix), Option<Way>>;

/// What has to work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Hosts that reach each other.
    pub pairs: Vec<HostPair>,
    /// Servers without a router.
    pub ended: BTreeSet<usize>,
    /// Hosts that reach the world.
    pub outside: Vec<usize>,
    /// Edges from which the provider hears.
    pub announcing: Vec<usize>,
    /// How routers go to the world.
    pub ways: Ways,
}

/// A fault, what measures it, and what has to work then.
pub struct Trial {
    /// What is broken.
    pub fault: Fault,
    /// What measures it.
    pub probes: Probes,
    /// Edges by which its streams leave their cluster, where they have to cross one.
    pub exits: Vec<Option<usize>>,
    /// While it is broken.
    pub broken: Expected,
    /// Once it is mended.
    pub mended: Expected,
}

/// What became of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamFigures {
    /// Source and sink.
    pub hosts: HostPair,
    /// From the fault to the repair.
    pub broken: Figures,
    /// From the repair to the end.
    pub mended: Figures,
}

/// All that was found.
pub struct Found {
    /// Of the whole fault.
    pub report: FaultReport,
    /// Of each stream.
    pub streams: Vec<StreamFigures>,
}

impl Trial {
    /// Of a fault in a single cluster.
    pub fn of(fault: &Fault, topology: &Topology) -> Self {
        let pairs = fault.reachable_pairs(topology);
        let broken = Expected { pairs, ended: fault.ended(), ..Expected::default() };
        let pairs = pairs_of(topology.server_count(), |_, _| true);
        let mended = Expected { pairs, ..Expected::default() };
        let probes = fault.probes(topology);
        Self { fault: fault.clone(), probes, exits: Vec::new(), broken, mended }
    }

    /// Breaks, measures, mends, measures. A recovery that does not come is reported, not an error.
    pub fn run(
        &self,
        session: &Session,
        lab: &mut Lab,
        mut on_recovery: impl FnMut(&Lab) -> Result<(), LabError>,
    ) -> Result<Found, LabError> {
        let mut pinger = Pinger::open(lab)?;
        let probe = Probe::start(lab, &self.probes.streams, &self.exits)?;
        let course = (|| -> Result<_, LabError> {
            session.sleep(BASELINE)?;
            let broken_ns = probe.now_ns();
            apply(lab, &self.fault)?;
            let recovery = wait_for(session, lab, (&mut pinger, &probe), &self.broken);
            let is_recovered = is_in_time(session, recovery)?;
            session.sleep(settle(lab))?;
            on_recovery(lab)?;
            let mended_ns = probe.now_ns();
            restore(session, lab, &self.fault)?;
            let repair = wait_for(session, lab, (&mut pinger, &probe), &self.mended);
            let is_restored = is_in_time(session, repair)?;
            session.sleep(settle(lab))?;
            Ok(((is_recovered, is_restored), [broken_ns, mended_ns, probe.now_ns()]))
        })();
        let logs = probe.finish();
        let (outcome, times) = course?;
        Ok(self.found(outcome, times, &logs))
    }

    fn found(
        &self,
        outcome: (bool, bool),
        [broken_ns, mended_ns, end_ns]: [u64; 3],
        logs: &[StreamLog],
    ) -> Found {
        let Probes { streams, not_measured } = &self.probes;
        let figures = |(&hosts, log): (&HostPair, &StreamLog)| StreamFigures {
            hosts,
            broken: log.figures(&(broken_ns..mended_ns)),
            mended: log.figures(&(mended_ns..end_ns)),
        };
        let streams: Vec<StreamFigures> = streams.iter().zip(logs).map(figures).collect();
        let sum = |part: fn(&StreamFigures) -> Figures| {
            streams.iter().map(part).fold(Figures::default(), Figures::merge)
        };
        let names = streams.iter().map(StreamFigures::name).collect();
        let report = FaultReport::new(
            (&self.fault.text, names, not_measured.clone()),
            outcome,
            sum(|stream| stream.broken),
            sum(|stream| stream.mended),
        );
        Found { report, streams }
    }
}

impl StreamFigures {
    /// `h01-h05`.
    pub fn name(&self) -> String {
        let (from, to) = self.hosts;
        format!("{}-{}", layout::host_name(from), layout::host_name(to))
    }
}

/// Breaks what the fault says.
fn apply(lab: &mut Lab, fault: &Fault) -> Result<(), LabError> {
    fault.parts.iter().try_for_each(|part| match *part {
        FaultPart::Cable(cable, status) => lab.set_cable(cable, status),
        FaultPart::Kill(server) => lab.kill_forwarding(server),
        FaultPart::Stop(server) => lab.stop(server),
        FaultPart::Panic(server) => lab.fail_control(server),
    })
}

/// Mends it again.
fn restore(session: &Session, lab: &mut Lab, fault: &Fault) -> Result<(), LabError> {
    fault.parts.iter().try_for_each(|part| match *part {
        FaultPart::Cable(cable, _) => lab.set_cable(cable, CableStatus::Connected),
        FaultPart::Kill(server) | FaultPart::Stop(server) => lab.start(session, server),
        FaultPart::Panic(_) => Ok(()),
    })
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

fn wait_for(
    session: &Session,
    lab: &Lab,
    (pinger, probe): (&mut Pinger, &Probe),
    expected: &Expected,
) -> Result<Duration, LabError> {
    session.wait("not everything works", RECOVERY_LIMIT, || {
        check_alive(lab, &expected.ended)?;
        let round = pinger.round(&expected.pairs, SMALL_PING_OCTETS, ECHO_WAIT);
        if let waiting @ Progress::Waiting(_) = ping_progress(&round, SMALL_PING_OCTETS) {
            return Ok(waiting);
        }
        for progress in [adjacency_progress(lab), provider_progress(lab, &expected.announcing)] {
            if let waiting @ Progress::Waiting(_) = progress {
                return Ok(waiting);
            }
        }
        if let waiting @ Progress::Waiting(_) = way_progress(lab, &expected.ways)? {
            return Ok(waiting);
        }
        if !probe.is_flowing(FLOWING_WITHIN) {
            return Ok(Progress::Waiting("  a probe stream does not arrive\n".to_owned()));
        }
        let round = pinger.outside(&expected.outside, layout::outside_address(), ECHO_WAIT);
        Ok(ping_progress(&round, SMALL_PING_OCTETS))
    })
}

/// Whether routers go to the world as they did before.
fn way_progress(lab: &Lab, ways: &Ways) -> Result<Progress, LabError> {
    for ((server, prefix), way) in ways {
        if lab.way_to(*server, *prefix)? != *way {
            let server = server_name(*server);
            let text = format!("  {server} goes another way to {prefix} than before\n");
            return Ok(Progress::Waiting(text));
        }
    }
    Ok(Progress::Done)
}
