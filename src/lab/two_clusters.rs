//! The scenario `two-clusters`: clusters that reach each other through a provider, and lose exits.
//!
//! Owns its course: who has to know what at which stage, the faults with flows between the
//! clusters, and the looks at the provider's table.
//!
//! *Invariants*: a stage counts as reachable only when every host that the fault leaves an exit
//! reaches every other one of both clusters and the provider's network, every router in between
//! knows the way from OSPF (from BGP on an edge) and nothing of the other cluster but its
//! aggregate, and the provider hears every aggregate from every edge that is left. After a repair
//! every router goes out as it did before the fault.

use crate::base::prefix::Ipv6Prefix;
use crate::base::route::RouteSource;
use crate::lab::error::LabError;
use crate::lab::exits_report::{ClusterRow, ExitFault, ExitsReport, Stage};
use crate::lab::fabric::Lab;
use crate::lab::fault::{Fault, Probes};
use crate::lab::layout;
use crate::lab::ping::{PingRound, Pinger};
use crate::lab::report::TestReport;
use crate::lab::scenario::{self, ECHO_WAIT, SMALL_PING_OCTETS};
use crate::lab::session::Session;
use crate::lab::site::{Left, Site};
use crate::lab::state::ServerKind;
use crate::lab::trial::{Expected, Trial, Ways};
use crate::planner::server_name;
use std::collections::BTreeSet;
use std::time::Instant;

/// Name of the scenario.
pub const TWO_CLUSTERS: &str = "two-clusters";
/// Rounds of echoes of a look, at most: some are lost on a machine that is busy with streams.
const ROUND_MAX: usize = 10;

/// Brings exits down and back, and looks at every stage.
pub fn run(
    session: &Session,
    lab: &mut Lab,
    (site, faults): (&Site, &[&Fault]),
    test: TestReport,
) -> Result<ExitsReport, LabError> {
    let mut report = ExitsReport {
        test,
        scenario: TWO_CLUSTERS,
        isp: lab.state.provider.as_ref().map_or("", |provider| provider.kind.name()),
        clusters: clusters(lab, site),
        ..ExitsReport::default()
    };
    scenario::wait_ready(session, lab, &mut report.test)?;
    let ways = ways(lab)?;
    let none = Fault { text: "start".to_owned(), parts: Vec::new() };
    let whole = Expected { ways, ..expected(site.left(&none), &none) };
    report.stages.push(look(session, lab, "start", &whole)?);
    for &fault in faults {
        let start = Instant::now();
        session.doing(&format!("fault {}", fault.text));
        let trial = trial(site, fault, &whole);
        let mut during = None;
        let found = trial.run(session, lab, |lab| {
            during = Some(look(session, lab, &fault.text, &trial.broken)?);
            Ok(())
        })?;
        let exit = ExitFault::new(&found);
        let text = exit.sentence();
        match found.report.recovered && found.report.restored {
            true => session.step(&text, start.elapsed()),
            false => session.failed(&text),
        }
        report.stages.extend(during);
        let mended = format!("{} mended", fault.text);
        report.stages.push(look(session, lab, &mended, &whole)?);
        report.exits.push(exit);
        report.test.faults.push(found.report);
    }
    report.sum_up();
    Ok(report)
}

fn clusters(lab: &Lab, site: &Site) -> Vec<ClusterRow> {
    let numbering = site.numbering;
    let names = |cluster: usize, of: &[usize]| -> Vec<String> {
        let own = of.iter().filter(|&&server| numbering.cluster(server) == cluster);
        own.map(|&server| server_name(server)).collect()
    };
    let all: Vec<usize> = (0..lab.server_count()).collect();
    let count = numbering.cluster(lab.server_count().saturating_sub(1)) + 1;
    let row = |cluster| ClusterRow {
        asn: layout::cluster_asn(cluster),
        aggregate: numbering.ula(cluster),
        servers: names(cluster, &all),
        edges: names(cluster, &site.edges),
    };
    (0..count).map(row).collect()
}

fn expected(left: Left, fault: &Fault) -> Expected {
    let Left { pairs, outside, announcing } = left;
    Expected { pairs, outside, announcing, ended: fault.ended(), ways: Ways::new() }
}

fn trial(site: &Site, fault: &Fault, whole: &Expected) -> Trial {
    let left = site.left(fault);
    let streams = site.streams(&left);
    let not_measured = if streams.is_empty() { vec![fault.text.clone()] } else { Vec::new() };
    Trial {
        fault: fault.clone(),
        exits: site.exits_lost(fault, &streams),
        probes: Probes { streams, not_measured },
        broken: expected(left, fault),
        mended: whole.clone(),
    }
}

/// How every Kumiki router goes to what is outside of its cluster.
fn ways(lab: &Lab) -> Result<Ways, LabError> {
    let mut ways = Ways::new();
    for server in 0..lab.server_count() {
        if lab.state.servers[server].kind == ServerKind::Kumiki {
            for prefix in lab.outside_of(lab.state.numbering.cluster(server)) {
                ways.insert((server, prefix), lab.way_to(server, prefix)?);
            }
        }
    }
    Ok(ways)
}

/// Looks at everything once.
fn look(session: &Session, lab: &Lab, name: &str, expected: &Expected) -> Result<Stage, LabError> {
    let start = Instant::now();
    session.doing(&format!("looking at everything: {name}"));
    let mut stage = Stage {
        stage: name.to_owned(),
        pairs: expected.pairs.len(),
        outside_hosts: expected.outside.len(),
        routers: expected.outside.len(),
        ..Stage::default()
    };
    let mut pinger = Pinger::open(lab)?;
    stage.answered = stage.pairs
        - missing(&expected.pairs, |pairs| pinger.round(pairs, SMALL_PING_OCTETS, ECHO_WAIT));
    let hosts: Vec<(usize, usize)> = expected.outside.iter().map(|&host| (host, host)).collect();
    stage.outside_answered = stage.outside_hosts
        - missing(&hosts, |pairs| {
            let hosts: Vec<usize> = pairs.iter().map(|pair| pair.0).collect();
            pinger.outside(&hosts, layout::outside_address(), ECHO_WAIT)
        });
    for server in (0..lab.server_count()).filter(|server| !expected.ended.contains(server)) {
        stage.leaked_routes += leaked_routes(lab, server)?;
        let has_to = expected.outside.contains(&server);
        stage.routers_with_exits += usize::from(has_to && knows_exits(lab, server)?);
    }
    let heard = lab.heard()?;
    let announced = lab.announced_by(&expected.announcing);
    for &(prefix, edge) in &heard {
        stage.isp_routes.entry(prefix).or_default().push(server_name(edge));
    }
    let strangers = stage.isp_routes.keys().filter(|prefix| !lab.is_aggregate(**prefix));
    stage.ospf_routes_in_bgp = strangers.count();
    stage.reachable = stage.answered == stage.pairs
        && stage.outside_answered == stage.outside_hosts
        && stage.routers_with_exits == stage.routers
        && announced.is_subset(&heard);
    match stage.reachable && stage.leaked_routes + stage.ospf_routes_in_bgp == 0 {
        true => session.step(&stage.isp_sentence(), start.elapsed()),
        false => session.failed(&stage.complaint()),
    }
    Ok(stage)
}

/// How many stay without an answer in all rounds.
fn missing(
    pairs: &[(usize, usize)],
    mut round: impl FnMut(&[(usize, usize)]) -> PingRound,
) -> usize {
    let mut left = pairs.to_vec();
    for _ in 0..ROUND_MAX {
        if !left.is_empty() {
            left = round(&left).missing;
        }
    }
    left.len()
}

/// Whether a router knows all of what is outside, from whom it has to.
fn knows_exits(lab: &Lab, server: usize) -> Result<bool, LabError> {
    let wanted = lab.outside_of(lab.state.numbering.cluster(server));
    if lab.state.servers[server].kind != ServerKind::Kumiki {
        let known = lab.known_prefixes(server)?;
        return Ok(wanted.iter().all(|prefix| known.contains(prefix)));
    }
    let source = if lab.is_edge(server) { RouteSource::Ebgp } else { RouteSource::Ospf };
    for prefix in wanted {
        if lab.way_to(server, prefix)?.is_none_or(|way| way.source != source) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Routes of a router that it should not have: to parts of another cluster, and inside also to what
/// the edges' policy holds back.
fn leaked_routes(lab: &Lab, server: usize) -> Result<usize, LabError> {
    let numbering = lab.state.numbering;
    let own = numbering.ula_of(server);
    let others: BTreeSet<_> =
        lab.state.edges().iter().map(|&e| numbering.ula_of(e)).filter(|ula| *ula != own).collect();
    let held_back = layout::held_back_prefix();
    let is_leaked = |prefix: &&Ipv6Prefix| {
        let is_part = others.iter().any(|ula| ula.covers(**prefix) && ula != *prefix);
        is_part || (held_back.covers(**prefix) && !lab.is_edge(server))
    };
    Ok(lab.known_prefixes(server)?.iter().filter(is_leaked).count())
}
