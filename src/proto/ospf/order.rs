//! In which order routers take a change over, so that packets meet no loop on the way.
//!
//! Owns `order`: from the graph that the routes stand on and the one that the database tells now,
//! how many steps this router waits before it calculates. Each router finds its own place without
//! asking anybody, because all of them see the same two graphs. The length of a step and the timer
//! are `routes`' business.
//!
//! When something gets worse, those furthest from it go first and the routers at it last: until
//! then they send what still comes over their repairs. When something gets better, those at it go
//! first. A router then never sends packets to one that is nearer to the change and would send them
//! back by its old routes.
//!
//! A router that keeps no order, FRR or BIRD, takes a change over when it likes, and those whose
//! turn comes after its own give it time. Where that is no remedy nobody waits for it:
//!
//! - After something died at such a router, or where a router at the failure has no repair for all
//!   that went over it (`coverage`): waiting would lose what is not repaired.
//! - Where there is something new to reach, which no old route leads to.
//!
//! Where a router loses some of its links it may be dead, and nobody knows yet: a short wait.
//!
//! Between two of them there is no long wait: the one whose turn is later would send back what it
//! gets from here, for longer than the other one may need. For the same reason those whose turn
//! comes before that of one take short steps.
//!
//! *Invariants*: only the change of one link or of links that share one router is ordered; what is
//! left of all others is [`Order::Now`], as without this file. The graphs number routers alike.
//! *Standards*: RFC 6976 §4 (ranks), §8 (several changes at once). Deviation: a rank is counted
//! over all equal-cost paths, and nobody sends completion messages (RFC 6976 §6): a router that is
//! late by more than a step may meet a loop for that long.

use super::distances::{Direction, Distances, UNREACHED};
use super::spf::{Graph, Link, VertexId, VertexKind};
use crate::wire::ospf::router_lsa::METRIC_MAX;
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// When this router takes a change over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// At once.
    Now,
    /// When all those have done so whose turn comes before; never nobody.
    After(Rank),
}

/// The routers whose turn comes before that of this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rank {
    /// For those among them that keep no order.
    pub patience: Patience,
    /// The others.
    pub steps: u32,
    /// How long a step of theirs is.
    pub pace: Pace,
}

/// How long routers that keep the order give each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// No longer than needed: a router that keeps no order should come later and may be fast.
    Brisk,
    /// As configured.
    #[default]
    Usual,
}

/// How long a router that keeps no order is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Patience {
    /// There is none.
    #[default]
    None,
    /// As long as a fast one needs.
    Short,
    /// As long as any needs.
    Long,
}

impl Rank {
    /// The rank behind one more router.
    const fn behind(self, is_stranger: bool) -> Self {
        match is_stranger {
            true => Self { patience: Patience::Long, ..self },
            false => Self { steps: self.steps.saturating_add(1), ..self },
        }
    }

    /// The rank behind all that come before either.
    fn later(self, other: Self) -> Self {
        let patience = self.patience.max(other.patience);
        let pace = match (patience, self.steps, other.steps) {
            (Patience::None, 0, _) => other.pace,
            (Patience::None, _, 0) => self.pace,
            (Patience::None, ..) => self.pace.max(other.pace),
            _ => Pace::Usual,
        };
        Self { patience, steps: self.steps.max(other.steps), pace }
    }

    /// The rank of a router before one that keeps no order, and that may be early.
    fn hurried_if(self, is_before_stranger: bool) -> Self {
        match (is_before_stranger, self.patience) {
            (false, _) => self,
            (true, Patience::None) => Self { pace: Pace::Brisk, ..self },
            (true, _) => Self { patience: Patience::Short, ..self },
        }
    }
}

impl From<Option<Rank>> for Order {
    fn from(rank: Option<Rank>) -> Self {
        let is_late = |rank: &Rank| rank.patience != Patience::None || rank.steps > 0;
        rank.filter(is_late).map_or(Self::Now, Self::After)
    }
}

/// The place of router `own` in the change from the graph `old` to `new`; `is_stranger` says who
/// keeps no order, by the numbers of either, `is_covered` whether all is repaired that went over
/// what died at a site.
pub(super) fn order(
    (old, new): (&Graph, &Graph),
    own: VertexId,
    is_stranger: impl Fn(VertexId) -> bool,
    is_covered: impl FnOnce(Site) -> bool,
) -> Order {
    let Some(change) = Change::between(old, new) else { return Order::Now };
    if own.index() >= old.vertex_count() || own.index() >= new.vertex_count() {
        return Order::Now;
    }
    let place = Place { old, new, own, is_stranger };
    match change.trend {
        Trend::Worse => place.worse(change.site, is_covered).into(),
        Trend::Better => place.better(change.site).into(),
    }
}

/// A router in a change.
struct Place<'a, F> {
    old: &'a Graph,
    new: &'a Graph,
    own: VertexId,
    is_stranger: F,
}

impl<F: Fn(VertexId) -> bool> Place<'_, F> {
    /// The furthest first.
    fn worse(&self, site: Site, is_covered: impl FnOnce(Site) -> bool) -> Option<Rank> {
        let Self { old, new, own, .. } = *self;
        let mut ways = walks_over(old, site);
        ways.retain(|(_, members)| members[own.index()]);
        if ways.is_empty() {
            return None;
        }
        let strangers = self.strangers(&Walk::from(old, own));
        if !strangers.is_empty() && self.goes_first(site) {
            return None;
        }
        if !strangers.is_empty() && !is_alive(old, new, site) {
            if !self.is_among_us(site) {
                return None;
            }
            if is_told_in_part(new, site) {
                return Some(Rank { patience: Patience::Short, ..Rank::default() });
            }
            if !is_covered(site) {
                return None;
            }
        }
        let ranks = ways.into_iter().map(|(walk, members)| {
            let rank = walk.rank_behind(&members, own, &self.is_stranger);
            let is_hurried = strangers.iter().any(|stranger| {
                *stranger != own
                    && members[stranger.index()]
                    && walk.members_behind(*stranger)[own.index()]
            });
            rank.hurried_if(is_hurried)
        });
        ranks.reduce(Rank::later)
    }

    /// The nearest first.
    fn better(&self, site: Site) -> Option<Rank> {
        let Self { old, new, own, .. } = *self;
        let walk = Walk::from(new, own);
        let rank = match site {
            Site::Link(one, other) => {
                let ways = [(one, other), (other, one)];
                let before = |(from, to)| walk.rank_before(from, to, &self.is_stranger);
                ways.into_iter().filter_map(before).reduce(Rank::later)
            }
            Site::Router(router) if is_new_end(old, new, router) => None,
            Site::Router(router) => walk.rank(router, &self.is_stranger),
        }?;
        let strangers = self.strangers(&walk);
        let is_new_reached =
            || walk.distances.settled().len() != Walk::from(old, own).distances.settled().len();
        if !strangers.is_empty() && is_new_reached() {
            return None;
        }
        let is_hurried = walks_over(new, site).into_iter().any(|(walk, members)| {
            let behind = walk.members_behind(own);
            let is_behind = |s: &VertexId| *s != own && members[s.index()] && behind[s.index()];
            members[own.index()] && strangers.iter().any(is_behind)
        });
        Some(rank.hurried_if(is_hurried))
    }

    /// Those of the walk that keep no order.
    fn strangers(&self, walk: &Walk<'_>) -> Vec<VertexId> {
        let settled = walk.distances.settled().iter().copied();
        settled.filter(|vertex| (self.is_stranger)(*vertex)).collect()
    }

    /// Whether a router that keeps no order tells of the change itself, and so knows of it before
    /// everybody whose turn comes before its own.
    fn goes_first(&self, site: Site) -> bool {
        let Site::Link(one, other) = site else { return false };
        [(one, other), (other, one)].into_iter().any(|(from, to)| {
            let changed = || changed_neighbors(self.old, self.new, from);
            (self.is_stranger)(from) && changed().iter().any(|(neighbor, _)| *neighbor == to)
        })
    }

    /// Whether all routers at `site` that live on keep the order.
    fn is_among_us(&self, site: Site) -> bool {
        match site {
            Site::Link(one, other) => !(self.is_stranger)(one) && !(self.is_stranger)(other),
            Site::Router(router) => {
                links(self.old, router).iter().all(|link| !(self.is_stranger)(link.to))
            }
        }
    }
}

/// Whether packets still get through what is to be avoided.
fn is_alive(old: &Graph, new: &Graph, site: Site) -> bool {
    let has = |from: VertexId, to: VertexId| links(new, from).iter().any(|link| link.to == to);
    match site {
        Site::Link(one, other) => has(one, other),
        Site::Router(router) => links(old, router).iter().all(|link| has(router, link.to)),
    }
}

/// Whether a router that may be dead has still links: its neighbours notice one after the other,
/// and who has heard of all must not wait while others no longer do.
fn is_told_in_part(new: &Graph, site: Site) -> bool {
    matches!(site, Site::Router(router) if !links(new, router).is_empty())
}

/// RFC 6976 §4.3: for each way over `site` the walk towards what lies behind it, and the routers
/// that send packets there over it.
fn walks_over(graph: &Graph, site: Site) -> Vec<(Walk<'_>, Vec<bool>)> {
    let over = |(from, to): (VertexId, VertexId)| {
        if from.index() >= graph.vertex_count() || to.index() >= graph.vertex_count() {
            return None;
        }
        let walk = Walk::towards(graph, to);
        let mut links = graph.links_of(to).iter().filter(|link| link.to == from);
        let members = links.any(|link| walk.is_used(to, link)).then(|| walk.members_behind(from));
        members.map(|members| (walk, members))
    };
    match site {
        Site::Link(one, other) => {
            [(one, other), (other, one)].into_iter().filter_map(over).collect()
        }
        Site::Router(router) if router.index() >= graph.vertex_count() => Vec::new(),
        // Everybody may send packets through it.
        Site::Router(router) => {
            let walk = Walk::towards(graph, router);
            let mut members = walk.members_behind(router);
            members[router.index()] = false;
            Vec::from([(walk, members)])
        }
    }
}

/// Which way a change goes, for paths over what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trend {
    Worse,
    Better,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// Links between two routers.
    Link(VertexId, VertexId),
    /// Links of one router, or whether it forwards.
    Router(VertexId),
}

/// A change that can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    trend: Trend,
    site: Site,
}

impl Change {
    /// `None` where there is none, several, or one that is neither better nor worse.
    fn between(old: &Graph, new: &Graph) -> Option<Self> {
        let mut trends = BTreeSet::new();
        let mut pairs: BTreeSet<(VertexId, VertexId)> = BTreeSet::new();
        let mut routers = BTreeSet::new();
        let count = old.vertex_count().max(new.vertex_count());
        for vertex in (0..).map(VertexId).take(count) {
            match (old.kind(vertex), new.kind(vertex)) {
                // Gap: RFC 6976 orders broadcast links too; a cable is none.
                (Some(VertexKind::Network), _) | (_, Some(VertexKind::Network))
                    if links(old, vertex) != links(new, vertex) =>
                {
                    return None;
                }
                (Some(VertexKind::Router), Some(VertexKind::EndRouter)) => {
                    trends.insert(Trend::Worse);
                    routers.insert(vertex);
                }
                (Some(VertexKind::EndRouter), Some(VertexKind::Router)) => {
                    trends.insert(Trend::Better);
                    routers.insert(vertex);
                }
                _ => {}
            }
            for (neighbor, trend) in changed_neighbors(old, new, vertex) {
                trends.insert(trend);
                pairs.insert((vertex.min(neighbor), vertex.max(neighbor)));
            }
        }
        let &trend = trends.first().filter(|_| trends.len() == 1)?;
        Some(Self { trend, site: site_of(&pairs, &routers)? })
    }
}

/// The one link, or the one router that everything has to do with.
fn site_of(pairs: &BTreeSet<(VertexId, VertexId)>, routers: &BTreeSet<VertexId>) -> Option<Site> {
    match (pairs.len(), routers.len()) {
        (1, 0) => pairs.first().map(|(one, other)| Site::Link(*one, *other)),
        (_, 0) => {
            let &(one, other) = pairs.first()?;
            let is_shared =
                |router: &VertexId| pairs.iter().all(|(a, b)| a == router || b == router);
            [one, other].into_iter().find(is_shared).map(Site::Router)
        }
        (_, 1) => {
            let router = *routers.first()?;
            let is_shared = pairs.iter().all(|(a, b)| *a == router || *b == router);
            is_shared.then_some(Site::Router(router))
        }
        _ => None,
    }
}

fn links(graph: &Graph, vertex: VertexId) -> &[Link] {
    if vertex.index() < graph.vertex_count() { graph.links_of(vertex) } else { &[] }
}

/// The neighbours that `vertex` reaches more or less cheaply than before. Of parallel links the
/// cheapest counts: losing another one of them moves nobody's distance.
fn changed_neighbors(old: &Graph, new: &Graph, vertex: VertexId) -> Vec<(VertexId, Trend)> {
    let (before, after) = (links(old, vertex), links(new, vertex));
    if before == after {
        return Vec::new();
    }
    let cheapest = |links: &[Link]| {
        let mut costs: BTreeMap<VertexId, u16> = BTreeMap::new();
        for link in links {
            let cost = costs.entry(link.to).or_insert(u16::MAX);
            *cost = link.cost.min(*cost);
        }
        costs
    };
    let (before, after) = (cheapest(before), cheapest(after));
    let neighbors: BTreeSet<VertexId> = before.keys().chain(after.keys()).copied().collect();
    let trend = |neighbor: &VertexId| match (before.get(neighbor), after.get(neighbor)) {
        (Some(old), Some(new)) if old == new => None,
        (Some(old), Some(new)) if old < new => Some(Trend::Worse),
        (Some(_), None) => Some(Trend::Worse),
        _ => Some(Trend::Better),
    };
    neighbors.iter().filter_map(|n| trend(n).map(|trend| (*n, trend))).collect()
}

/// A router that nobody knew and that leads nowhere yet, because it asks to be avoided (RFC 6987):
/// no packet takes a new way because of it.
fn is_new_end(old: &Graph, new: &Graph, router: VertexId) -> bool {
    let is_end = new.kind(router) == Some(VertexKind::EndRouter)
        || links(new, router).iter().all(|link| link.cost == METRIC_MAX)
        || links(new, router).len() == 1;
    links(old, router).is_empty() && is_end
}

/// Distances in a graph, from or towards one vertex.
struct Walk<'a> {
    graph: &'a Graph,
    distances: Distances,
    direction: Direction,
}

impl<'a> Walk<'a> {
    /// The distances from `root` to everybody.
    fn from(graph: &'a Graph, root: VertexId) -> Self {
        Self::run(graph, root, Direction::From)
    }

    /// The distances from everybody to `root`.
    fn towards(graph: &'a Graph, root: VertexId) -> Self {
        Self::run(graph, root, Direction::Towards)
    }

    fn run(graph: &'a Graph, root: VertexId, direction: Direction) -> Self {
        Self { graph, distances: Distances::all(graph, root, direction), direction }
    }

    /// Whether the shortest paths use `link` of `vertex` (away from the root of the walk).
    fn is_used(&self, vertex: VertexId, link: &Link) -> bool {
        let (here, there) = (self.distances[vertex], self.distances[link.to]);
        let may_be_passed = here == 0 || self.graph.kind(vertex) != Some(VertexKind::EndRouter);
        may_be_passed
            && here != UNREACHED
            && here.saturating_add(self.direction.cost(link)) == there
    }

    /// For each vertex who is passed on the way there, itself included: the longest of the shortest
    /// paths, in the time that it takes to go before.
    fn ranks(&self, is_stranger: impl Fn(VertexId) -> bool) -> Vec<Rank> {
        let mut ranks = vec![Rank::default(); self.graph.vertex_count()];
        for vertex in self.distances.settled() {
            for link in self.graph.links_of(*vertex) {
                if self.is_used(*vertex, link) {
                    let rank = ranks[vertex.index()].behind(is_stranger(link.to));
                    ranks[link.to.index()] = ranks[link.to.index()].later(rank);
                }
            }
        }
        ranks
    }

    /// Who is passed on the way to `router`; `None` where it is not reached.
    fn rank(&self, router: VertexId, is_stranger: impl Fn(VertexId) -> bool) -> Option<Rank> {
        (self.distances[router] != UNREACHED).then(|| self.ranks(is_stranger)[router.index()])
    }

    /// Who is passed on the way to the near end of a link from `from` to `to`; `None` where no
    /// shortest path uses it.
    fn rank_before(
        &self,
        from: VertexId,
        to: VertexId,
        is_stranger: impl Fn(VertexId) -> bool,
    ) -> Option<Rank> {
        let mut links = self.graph.links_of(from).iter().filter(|link| link.to == to);
        links.any(|link| self.is_used(from, link)).then(|| self.rank(from, is_stranger))?
    }

    /// For a walk towards its root: the routers whose shortest paths lead by `first`, itself
    /// included.
    fn members_behind(&self, first: VertexId) -> Vec<bool> {
        let mut members = vec![false; self.graph.vertex_count()];
        members[first.index()] = true;
        for vertex in self.distances.settled() {
            if !members[vertex.index()] {
                continue;
            }
            for link in self.graph.links_of(*vertex) {
                if self.is_used(*vertex, link) {
                    members[link.to.index()] = true;
                }
            }
        }
        members
    }

    /// For a walk towards its root: the longest chain of routers among `members` that send their
    /// packets to `own`, one over the other.
    fn rank_behind(
        &self,
        members: &[bool],
        own: VertexId,
        is_stranger: impl Fn(VertexId) -> bool,
    ) -> Rank {
        let mut ranks = vec![Rank::default(); self.graph.vertex_count()];
        for vertex in self.distances.settled().iter().rev().filter(|v| members[v.index()]) {
            for link in self.graph.links_of(*vertex) {
                let further = link.to.index();
                if members[further] && self.is_used(*vertex, link) {
                    let rank = ranks[further].behind(is_stranger(link.to));
                    ranks[vertex.index()] = ranks[vertex.index()].later(rank);
                }
            }
        }
        ranks[own.index()]
    }
}
