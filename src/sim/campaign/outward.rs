//! The campaign's view of what leads out of the cluster.
//!
//! Owns [`Outward`]: whether the ways out are right, since when they are not, how long they took.
//! They are looked at beside the tables of the cluster and not among them: BGP takes seconds where
//! OSPF takes milliseconds, and the cluster must be right meanwhile.
//!
//! *Invariants*: a cluster without edges costs nothing here, and no chance is drawn for it.

use super::{Campaign, DRAWS_MAX, Finding, HEAL_LIMIT, Pair};
use crate::base::time::{Duration, Instant};
use crate::sim::checkers::Violation;
use crate::sim::edge_checkers;
use crate::sim::edges::{CONNECT_RETRY_S, HOLD_TIME_S, PREFIXES, RESTART_TIME_S};
use crate::sim::exits::Exits;
use crate::sim::faults::Fault;
use crate::sim::node::Control;
use crate::sim::oracle::Map;
use crate::sim::probes::Goal;
use std::rc::Rc;

/// How long ways out may be wrong while what works stays the same. A peer that says nothing is
/// found dead by the hold time, and its routes are kept for the restart time; then one that was
/// given up is called again, with a lost SYN or two; and the cluster has its own time after that.
pub const EXIT_LIMIT: Duration = Duration::from_secs(
    HOLD_TIME_S + RESTART_TIME_S + 2 * CONNECT_RETRY_S + HEAL_LIMIT.as_secs() / 2,
);
/// Pairs to the rest of the world that are probed at once.
const PAIRS_MAX: usize = 3;

/// What is known of the ways out.
#[derive(Default)]
pub(super) struct Outward {
    /// The last event of the schedule, if they were wrong since.
    event: Option<Instant>,
    was_wrong: bool,
    /// Since when they have been wrong for this.
    wrong: Option<(Instant, Rc<Map>, Rc<Exits>)>,
    /// Whether that was noted already.
    is_told: bool,
    /// From an event that made them wrong until they were right.
    pub(super) spans: Vec<Duration>,
    /// What was last judged, and how.
    judged: Option<(Rc<Map>, Rc<Exits>, u64, bool)>,
    /// What providers must never hear and did.
    leaks: Vec<Violation>,
}

impl Outward {
    /// An event happens. What the one before it led to is not known any more.
    pub(super) fn begin(&mut self, now: Instant) {
        (self.event, self.was_wrong) = (Some(now), false);
    }
}

impl<C: Control> Campaign<'_, C> {
    /// How long all may take to be right after the last event.
    pub(super) fn heal_limit(&self) -> Duration {
        if self.world.edges().count() == 0 { HEAL_LIMIT } else { EXIT_LIMIT }
    }

    /// Whether every router sends packets for the rest of the world where it should; looked at once
    /// for each state of the world.
    pub(super) fn are_exits_right(&mut self) -> bool {
        if self.world.edges().count() == 0 {
            return true;
        }
        let (map, exits) = (self.world.map(), self.world.exits());
        let publications = self.world.work().publications;
        if let Some((for_map, for_exits, count, is_right)) = &self.outward.judged
            && Rc::ptr_eq(for_map, &map)
            && Rc::ptr_eq(for_exits, &exits)
            && *count == publications
        {
            return *is_right;
        }
        let is_right = edge_checkers::answers(&self.world, 1).is_empty()
            && edge_checkers::returns(&self.world).is_empty();
        self.outward.judged = Some((map, exits, publications, is_right));
        is_right
    }

    /// Looks at the ways out, after a step.
    pub(super) fn look_outward(&mut self) {
        if self.world.edges().count() == 0 {
            return;
        }
        self.watch_leaks();
        let (now, is_right) = (self.world.now(), self.are_exits_right());
        if is_right {
            self.world.hold_exits();
            self.outward.wrong = None;
            self.note_right_exits();
            return;
        }
        self.outward.was_wrong = true;
        let (map, exits) = (self.world.map(), self.world.exits());
        let same = self.outward.wrong.as_ref().filter(|(_, for_map, for_exits)| {
            for_map.hops() == map.hops() && *for_exits == exits && !self.is_degraded()
        });
        match same {
            Some((since, ..)) if now - *since < EXIT_LIMIT || self.outward.is_told => {}
            Some(_) => {
                self.outward.is_told = true;
                self.judge_exits(EXIT_LIMIT);
            }
            None => (self.outward.wrong, self.outward.is_told) = (Some((now, map, exits)), false),
        }
    }

    /// All ways out are right: notes how long that took, if one was wrong.
    pub(super) fn note_right_exits(&mut self) {
        let event = self.outward.event;
        if let Some(event) = event.filter(|_| core::mem::take(&mut self.outward.was_wrong)) {
            self.outward.spans.push(self.world.last_publication().max(event) - event);
        }
    }

    /// Notes once what a provider has heard and must not hear.
    fn watch_leaks(&mut self) {
        for leak in edge_checkers::leaks(&self.world) {
            if !self.outward.leaks.contains(&leak) {
                let now = self.world.now();
                self.find(Finding::of(&leak, self.world.edges(), now));
                self.outward.leaks.push(leak);
            }
        }
    }

    /// Notes what is wrong with the ways out now.
    pub(super) fn judge_exits(&mut self, limit: Duration) {
        let now = self.world.now();
        for violation in edge_checkers::check(&self.world) {
            let mut finding = Finding::of(&violation, self.world.edges(), now);
            finding.text = format!("{} (after {limit:?})", finding.text);
            self.find(finding);
        }
    }

    /// Notes groups of exits that nobody uses, at rest.
    pub(super) fn judge_groups(&mut self) {
        let now = self.world.now();
        for violation in edge_checkers::groups(&self.world) {
            self.find(Finding::of(&violation, self.world.edges(), now));
        }
    }

    /// Routers that a fault may cut off from the rest of the world: an edge that it hits, some that
    /// leave there, and one by chance.
    pub(super) fn choose_outward(&mut self, fault: &Fault) -> Vec<Pair> {
        let edges = self.world.edges();
        if edges.count() == 0 {
            return Vec::new();
        }
        let (map, exits) = (self.world.map(), self.world.exits());
        let of_link = fault.link().and_then(|link| link.checked_sub(self.world.cable_count()));
        let of_router = fault.router().and_then(|router| edges.edge(router));
        let provider = fault.router().and_then(|router| edges.provider_at(router));
        let of_provider = provider.and_then(|provider| edges.of_provider(provider).next());
        let hit = of_link.or(of_router).or(of_provider).map(|edge| edges.router(edge));
        let count = self.world.router_count();
        let mut pairs: Vec<Pair> = Vec::new();
        for number in 0..DRAWS_MAX {
            if pairs.len() >= PAIRS_MAX {
                break;
            }
            let mut draw = |most: usize| usize::try_from(self.prng.below(most as u64)).unwrap_or(0);
            let (mut from, prefix) = (draw(count), draw(PREFIXES));
            if let Some(edge) = hit.filter(|_| number == 0) {
                from = edge;
            }
            let chosen = exits.chosen(&map, from, prefix);
            let is_near = hit.is_none_or(|edge| chosen.contains(&edge));
            let pair = (from, Goal::Outside(prefix));
            let is_starting = *fault == Fault::Restart { router: from };
            if !chosen.is_empty() && is_near && !is_starting && !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        pairs
    }
}
