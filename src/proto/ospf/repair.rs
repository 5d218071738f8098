//! Repairs: where packets go while what lies ahead of them is dead and nobody else knows yet.
//!
//! Owns [`Repairs`], computed with every tree. For each own link that alone carries routes there is
//! one answer for the death of the link, and one for the death of the neighbour for each vertex
//! right behind it: a handful of answers, however many prefixes there are. Of several links that
//! lead to one neighbour any protects the others, so that only its death is answered for.
//!
//! An answer leads to a *target*: the neighbour itself where only the link died, the vertex behind
//! it where the neighbour died. From a router whose shortest paths to the target avoid the failure,
//! those to everything behind the target do, too: any way over the failure could be cut short.
//! Such a router *releases* packets. First choice is a neighbour that releases (a loop-free
//! alternate): plainly where it is nearer to the target than this router, else in a header to the
//! neighbour itself, so that it does not repair again and a second failure makes no circle. Else
//! packets follow the shortest path that is left to the target, in tunnels: to a router on it that
//! releases, and where none is reached by plain forwarding, across the link where plain forwarding
//! would turn back.
//!
//! A neighbour that is an AS boundary router is an end as well: no way leads around it to itself.
//! What leaves the AS there may leave by another one that announces the same prefix. Such a
//! *detour* goes in a header to the other one, all the way: routers between would send plain
//! packets to the exit that died.
//!
//! *Invariants*: every leg between two turns avoids the failure on all equal-cost paths of the
//! graph before it; a segment belongs to a router that says it ends tunnels; the same graph gives
//! the same answers, whatever the numbers of its vertices.
//!
//! *Standards*: RFC 5286 §3 (loop-free alternates, inequality 2 for those without a header,
//! inequality 3 with strict comparison, §3.5 for routers that ask to be avoided), RFC 7490
//! §5 (P and Q space), RFC 8102 §2 (node protection), RFC 9855 §6 (adjacency segments between
//! disjoint spaces).

use super::area::Area;
use super::distances::{Direction, Distances, UNREACHED};
use super::spf::{FirstHop, Graph, Link, NextHopSet, Tree, VertexId, VertexKind};
use crate::base::route::{Protection, REPAIR_SEGMENTS_MAX, Repair, RouteNextHop};
use crate::wire::ospf::router_lsa::METRIC_MAX;
use core::cmp::Reverse;
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BinaryHeap};

#[cfg(test)]
mod tests;

/// Repairs of earlier trees that keep their numbers beside those of the present one.
const LIST_KEPT_MAX: usize = 64;

/// Other exits to which detours are looked for where one may die: the nearest. Each costs a walk
/// through the area.
const EXITS_MAX: usize = 8;

/// Detours of one router: eight neighbours that are exits. A fabric has few edges.
const DETOURS_MAX: usize = 64;

/// The reason of a route that nothing can protect.
pub const NO_WAY: &str = "no other way";

/// Why there is no repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bare {
    /// No other way leads there.
    NoWay,
    /// A way leads there, but no router on it ends tunnels where packets have to turn.
    NoTurn,
    /// Packets would need more than [`REPAIR_SEGMENTS_MAX`] headers.
    TooDeep,
    /// There are more repairs than 16 bits number.
    TooMany,
}

impl Bare {
    /// In words, for `show`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoWay => NO_WAY,
            Self::NoTurn => "no router to turn at",
            Self::TooDeep => "too many headers",
            Self::TooMany => "too many repairs",
        }
    }
}

/// The number of a repair in [`Repairs::list`], or why there is none.
pub type Answer = Result<u16, Bare>;

/// What to do when a link or a router next to this one dies. One exists per tree.
#[derive(Clone, Debug, Default)]
pub struct Repairs {
    /// What the answers number.
    pub list: Vec<Repair>,
    neighbors: Vec<VertexId>,
    /// For each own adjacency: when its link dies.
    links: Vec<Answer>,
    /// For an adjacency and a vertex right behind its neighbour: when the neighbour dies.
    nodes: BTreeMap<(usize, VertexId), Answer>,
    /// For every vertex, the one right behind the neighbour on the way there.
    behind: Vec<VertexId>,
    /// For an adjacency with an exit, the ways to other exits without it.
    detours: BTreeMap<(usize, VertexId), Answer>,
}

/// What is asked of an adjacency.
#[derive(Debug, Default)]
struct Question {
    /// Whether it is the only next hop of anything.
    is_of_link: bool,
    /// The vertices right behind its neighbour.
    targets: Vec<VertexId>,
}

/// The first of the adjacencies `next_hops` where all of them lead to the same neighbour.
pub(super) fn common(neighbors: &[VertexId], next_hops: NextHopSet) -> Option<usize> {
    let mut positions = next_hops.positions();
    let first = positions.next()?;
    let neighbor = neighbors.get(first)?;
    positions.all(|position| neighbors.get(position) == Some(neighbor)).then_some(first)
}

/// What the answers come from.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The area behind the graph.
    pub area: &'a Area,
    /// All links that both ends tell.
    pub graph: &'a Graph,
    /// The shortest paths from `root`.
    pub tree: &'a Tree,
    /// This router.
    pub root: VertexId,
    /// Own adjacencies, as the tree numbers them.
    pub first_hops: &'a [FirstHop],
    /// Their ways, in the same order.
    pub ways: &'a [RouteNextHop],
    /// Place of every vertex in the order of names.
    pub ranks: &'a [u32],
    /// The AS boundary routers, in any order.
    pub exits: &'a [VertexId],
}

/// What dies.
#[derive(Clone, Copy, Debug)]
enum Failure {
    /// An own link.
    Link(Link),
    /// A neighbour.
    Node(VertexId),
}

impl Repairs {
    /// Computes every answer that a route may ask for.
    pub fn calculate(ground: Ground<'_>) -> Self {
        let behind = behind_neighbors(&ground);
        let mut asked = BTreeMap::new();
        let neighbors: Vec<VertexId> = ground.first_hops.iter().map(|hop| hop.neighbor).collect();
        for vertex in ground.tree.reached() {
            let Some(reach) = ground.tree.reach(vertex) else { continue };
            let Some(position) = common(&neighbors, reach.next_hops) else { continue };
            let is_alone = reach.next_hops.only().is_some();
            let question: &mut Question = asked.entry(position).or_default();
            question.is_of_link |= is_alone;
            let target = behind[vertex.index()];
            if vertex != neighbors[position] && !question.targets.contains(&target) {
                question.targets.push(target);
            }
        }
        let mut repairs = Self {
            list: Vec::new(),
            neighbors,
            links: vec![Err(Bare::NoWay); ground.first_hops.len()],
            nodes: BTreeMap::new(),
            behind,
            detours: BTreeMap::new(),
        };
        if !asked.is_empty() {
            let mut search = Search::new(ground);
            for (position, question) in asked {
                repairs.answer(&mut search, position, &question);
                repairs.find_detours(&mut search, position);
            }
        }
        repairs
    }

    /// The ways to other exits, where the neighbour is one.
    fn find_detours(&mut self, search: &mut Search<'_>, position: usize) {
        let Ground { exits, root, tree, ranks, .. } = search.ground;
        let Some(dead) = self.neighbors.get(position).copied() else { return };
        if !exits.contains(&dead) {
            return;
        }
        let others = exits.iter().copied().filter(|exit| *exit != dead && *exit != root);
        let reached = others.filter_map(|exit| Some((tree.reach(exit)?.distance(), exit)));
        let mut nearest: Vec<(u32, VertexId)> = reached.collect();
        nearest.sort_unstable_by_key(|(distance, exit)| (*distance, ranks[exit.index()]));
        let room = DETOURS_MAX.saturating_sub(self.detours.len()).min(EXITS_MAX);
        for (_, exit) in nearest.into_iter().take(room) {
            let found = search.detour(position, dead, exit);
            let answer = self.keep(found, Protection::Node);
            self.detours.insert((position, exit), answer);
        }
    }

    /// What is done when the exit dies that all of `next_hops` lead to: packets go to `other`
    /// instead. `None` where no detour is needed, since others are on the way, or was looked for.
    pub fn detour(&self, exit: VertexId, next_hops: NextHopSet, other: VertexId) -> Option<Answer> {
        let position = common(&self.neighbors, next_hops)?;
        let is_exit = self.neighbors.get(position) == Some(&exit);
        self.detours.get(&(position, other)).copied().filter(|_| is_exit)
    }

    /// Every detour: the exit that dies, the adjacency, the other exit, and how.
    pub fn detours(&self) -> BTreeMap<(VertexId, usize, VertexId), Answer> {
        let dead = |position: usize| self.neighbors.get(position).copied();
        let all = self.detours.iter();
        all.filter_map(|((at, other), answer)| Some(((dead(*at)?, *at, *other), *answer))).collect()
    }

    /// The same answers, in numbers that mean what they meant before: repairs that were there keep
    /// theirs, new ones come behind.
    #[must_use]
    pub fn numbered_as(mut self, before: &Self) -> Self {
        if before.list.len() > LIST_KEPT_MAX + self.list.len() {
            return self;
        }
        let mut list = before.list.clone();
        let number = |repair: Repair| {
            let known = list.iter().position(|other| *other == repair);
            let place = known.unwrap_or_else(|| {
                list.push(repair);
                list.len() - 1
            });
            u16::try_from(place).map_err(|_| Bare::TooMany)
        };
        let numbers: Vec<Answer> = self.list.drain(..).map(number).collect();
        let nodes = self.nodes.values_mut().chain(self.detours.values_mut());
        for answer in self.links.iter_mut().chain(nodes) {
            *answer =
                answer.and_then(|old| numbers.get(usize::from(old)).copied().unwrap_or(Ok(old)));
        }
        self.list = list;
        self
    }

    /// What protects the way to `vertex` over `next_hops`; `None` where these protect each other
    /// and nothing more is known.
    pub fn of(&self, vertex: VertexId, next_hops: NextHopSet) -> Option<Answer> {
        let position = common(&self.neighbors, next_hops)?;
        let is_behind = self.neighbors.get(position) != Some(&vertex);
        let behind = self.behind.get(vertex.index()).copied().unwrap_or(vertex);
        let node = self.nodes.get(&(position, behind)).filter(|_| is_behind);
        let node = node.copied().filter(Result::is_ok);
        let link = || self.links.get(position).copied().unwrap_or(Err(Bare::NoWay));
        node.or_else(|| next_hops.only().map(|_| link()))
    }

    /// Whether a way leads to `vertex` that avoids the neighbour which all of `next_hops` lead to.
    /// None does to that neighbour, and of several neighbours each stands for the others.
    pub fn has_way_past_neighbor(&self, vertex: VertexId, next_hops: NextHopSet) -> bool {
        let Some(position) = common(&self.neighbors, next_hops) else { return false };
        let behind = self.behind.get(vertex.index()).copied().unwrap_or(vertex);
        let answer = self.nodes.get(&(position, behind));
        self.neighbors.get(position) != Some(&vertex)
            && answer.is_some_and(|answer| *answer != Err(Bare::NoWay))
    }

    fn answer(&mut self, search: &mut Search<'_>, position: usize, question: &Question) {
        let Some(link) = search.own_link(position) else { return };
        if question.is_of_link {
            let found = search.repair(position, Failure::Link(link), link.to);
            self.links[position] = self.keep(found, Protection::Link);
        }
        for target in &question.targets {
            let found = search.repair(position, Failure::Node(link.to), *target);
            let answer = self.keep(found, Protection::Node);
            self.nodes.insert((position, *target), answer);
        }
    }

    fn keep(
        &mut self,
        found: Result<(RouteNextHop, Vec<Ipv6Addr>), Bare>,
        protects: Protection,
    ) -> Answer {
        let (via, segments) = found?;
        let number = u16::try_from(self.list.len()).map_err(|_| Bare::TooMany)?;
        self.list.push(Repair { via, segments, protects });
        Ok(number)
    }
}

/// For every vertex the one right behind the first router on a shortest path to it, where there is
/// one, else itself. Of several shortest paths that of the least name counts.
fn behind_neighbors(ground: &Ground<'_>) -> Vec<VertexId> {
    let Ground { graph, tree, root, ranks, .. } = *ground;
    let distance = |vertex| tree.reach(vertex).map_or(UNREACHED, |reach| reach.distance());
    let mut order: Vec<VertexId> = tree.reached().filter(|vertex| *vertex != root).collect();
    order.sort_unstable_by_key(|vertex| {
        (distance(*vertex), !graph.is_network(*vertex), ranks[vertex.index()])
    });
    let mut behind: Vec<VertexId> = (0..).map(VertexId).take(graph.vertex_count()).collect();
    // Routers passed on the way, this one not counted; two are as good as more.
    let mut depths = vec![0_u8; graph.vertex_count()];
    for vertex in order {
        let leads = |link: &&Link| {
            let before = link.to == root || graph.kind(link.to) != Some(VertexKind::EndRouter);
            before && distance(link.to).saturating_add(link.cost_back.into()) == distance(vertex)
        };
        let before = graph.links_of(vertex).iter().filter(leads);
        let Some(before) = before.min_by_key(|link| ranks[link.to.index()]) else { continue };
        let depth = depths[before.to.index()];
        if depth >= 2 {
            behind[vertex.index()] = behind[before.to.index()];
        }
        depths[vertex.index()] = (depth + u8::from(depth == 1 || !graph.is_network(vertex))).min(2);
    }
    behind
}

/// The search for answers, with the distances that several of them need.
struct Search<'a> {
    ground: Ground<'a>,
    to_root: Distances,
    /// From each neighbour, and to it.
    neighbors: BTreeMap<VertexId, (Distances, Distances)>,
    /// From the ends of adjacency segments.
    turns: BTreeMap<VertexId, Distances>,
}

impl<'a> Search<'a> {
    fn new(ground: Ground<'a>) -> Self {
        let Ground { graph, root, first_hops, .. } = ground;
        let mut neighbors = BTreeMap::new();
        for hop in first_hops {
            neighbors.entry(hop.neighbor).or_insert_with(|| {
                let from = Distances::all(graph, hop.neighbor, Direction::From);
                (from, Distances::all(graph, hop.neighbor, Direction::Towards))
            });
        }
        Self {
            ground,
            to_root: Distances::all(graph, root, Direction::Towards),
            neighbors,
            turns: BTreeMap::new(),
        }
    }

    /// The link of an own adjacency.
    fn own_link(&self, position: usize) -> Option<Link> {
        let hop = self.ground.first_hops.get(position)?;
        let links = self.ground.graph.links_of(self.ground.root);
        links.iter().copied().find(|link| is_over(link, hop))
    }

    /// Where packets over the adjacency `position` go instead, and in which headers.
    fn repair(
        &mut self,
        position: usize,
        failure: Failure,
        target: VertexId,
    ) -> Result<(RouteNextHop, Vec<Ipv6Addr>), Bare> {
        if let Some((neighbor, via)) = self.alternate(position, failure, target) {
            return Ok((via, self.mark(neighbor, target).into_iter().collect()));
        }
        let (first, via, mut segments) = self.around(position, failure, target)?;
        if segments.is_empty() {
            segments.extend(self.mark(first, target));
        }
        Ok((via, segments))
    }

    /// The shortest path that is left: its first vertex, the way there, and the headers that keep
    /// packets on it.
    fn around(
        &mut self,
        position: usize,
        failure: Failure,
        target: VertexId,
    ) -> Result<(VertexId, RouteNextHop, Vec<Ipv6Addr>), Bare> {
        let path = self.path_around(position, failure, target).ok_or(Bare::NoWay)?;
        let (first, _) = path.first().ok_or(Bare::NoWay)?;
        let mut hops = self.ground.first_hops.iter().zip(self.ground.ways);
        let (_, via) = hops.find(|(hop, _)| is_over(first, hop)).ok_or(Bare::NoWay)?;
        let segments = self.segments(&path, failure, target)?;
        Ok((first.to, *via, segments))
    }

    /// Where packets over the adjacency `position` go when the exit at its end is dead: to another
    /// one, in a header to that.
    fn detour(
        &mut self,
        position: usize,
        dead: VertexId,
        exit: VertexId,
    ) -> Result<(RouteNextHop, Vec<Ipv6Addr>), Bare> {
        let Ground { area, root, graph, .. } = self.ground;
        let failure = Failure::Node(dead);
        let (via, mut segments) = match self.alternate(position, failure, exit) {
            Some((_, via)) => (via, Vec::new()),
            None => {
                let (_, via, segments) = self.around(position, failure, exit)?;
                (via, segments)
            }
        };
        let has_end = graph.kind(exit) == Some(VertexKind::Router) && area.repair(root).is_some();
        let end = area.repair(exit).filter(|_| has_end).ok_or(Bare::NoTurn)?.endpoint;
        if segments.last() != Some(&end) {
            if segments.len() == REPAIR_SEGMENTS_MAX {
                return Err(Bare::TooDeep);
            }
            segments.push(end);
        }
        Ok((via, segments))
    }

    /// RFC 5286: of the neighbours that release packets one that is nearer to the target than this
    /// router, of several the nearest. Where there is none, the nearest.
    fn alternate(
        &self,
        position: usize,
        failure: Failure,
        target: VertexId,
    ) -> Option<(VertexId, RouteNextHop)> {
        let Ground { graph, first_hops, ways, .. } = self.ground;
        let candidates = first_hops.iter().zip(ways).enumerate().filter_map(|(at, (hop, way))| {
            let neighbor = hop.neighbor;
            let is_dead = matches!(failure, Failure::Node(node) if node == neighbor);
            let (from, _) = self.neighbors.get(&neighbor)?;
            let link = self.own_link(at)?;
            // RFC 5286 §3.5: the neighbour asks to be avoided, or its routes are not complete yet.
            let may_pass =
                graph.kind(neighbor) == Some(VertexKind::Router) && link.cost_back != METRIC_MAX;
            let may_pass = may_pass || neighbor == target;
            if at == position || is_dead || !may_pass || !self.is_clear(from, target, failure) {
                return None;
            }
            let cost = u32::from(link.cost).saturating_add(from[target]);
            Some((!self.is_downstream(neighbor, target), cost, at, neighbor, *way))
        });
        let nearest = candidates.min_by_key(|(is_up, cost, at, ..)| (*is_up, *cost, *at))?;
        Some((nearest.3, nearest.4))
    }

    /// RFC 5286 §3.1, inequality 2: packets that only go to such neighbours come nearer with every
    /// hop, whatever else is dead.
    fn is_downstream(&self, neighbor: VertexId, target: VertexId) -> bool {
        let from = self.neighbors.get(&neighbor);
        from.is_some_and(|(from, _)| from[target] < self.own_distance(target))
    }

    /// The header that tells a neighbour that packets are repaired, where they could come back if
    /// it repaired them again. One that ends no tunnels gets them without.
    fn mark(&self, neighbor: VertexId, target: VertexId) -> Option<Ipv6Addr> {
        let Ground { area, root, .. } = self.ground;
        let is_needed = !self.is_downstream(neighbor, target) && area.repair(root).is_some();
        is_needed.then(|| area.repair(neighbor)).flatten().map(|end| end.endpoint)
    }

    /// Whether all shortest paths to `end` avoid the failure, where `from` are the distances from
    /// their start.
    fn is_clear(&self, from: &Distances, end: VertexId, failure: Failure) -> bool {
        let direct = from[end];
        let after = |vertex: VertexId| self.neighbors.get(&vertex).map(|(from, _)| from);
        let over = |first: u32, cost: u16, rest: u32| {
            first.saturating_add(cost.into()).saturating_add(rest)
        };
        if direct == UNREACHED {
            return false;
        }
        match failure {
            Failure::Node(node) => {
                after(node).is_some_and(|rest| direct < over(from[node], 0, rest[end]))
            }
            Failure::Link(link) => after(link.to).is_some_and(|rest| {
                let root = self.ground.root;
                direct < over(from[root], link.cost, rest[end])
                    && direct < over(from[link.to], link.cost_back, self.own_distance(end))
            }),
        }
    }

    /// The shortest path from this router to the target without what died, each link with the
    /// vertex that it leads to; of several that of the least names.
    fn path_around(
        &self,
        position: usize,
        failure: Failure,
        target: VertexId,
    ) -> Option<Vec<(Link, VertexId)>> {
        let Ground { graph, root, first_hops, ranks, .. } = self.ground;
        let is_usable = |from: VertexId, link: &Link| match failure {
            Failure::Node(node) if link.to == node => false,
            _ if from != root => true,
            _ => {
                let mut hops = first_hops.iter().enumerate();
                let is_network = graph.is_network(link.to);
                is_network || hops.any(|(at, hop)| at != position && is_over(link, hop))
            }
        };
        let mut best: Vec<(u32, Option<(VertexId, Link)>)> =
            vec![(UNREACHED, None); graph.vertex_count()];
        let mut candidates = BinaryHeap::from([Reverse((0_u32, root))]);
        best[root.index()].0 = 0;
        while let Some(Reverse((distance, vertex))) = candidates.pop() {
            if vertex == target {
                break;
            }
            let is_end = vertex != root && graph.kind(vertex) == Some(VertexKind::EndRouter);
            if best[vertex.index()].0 != distance || is_end {
                continue;
            }
            for link in graph.links_of(vertex).iter().filter(|link| is_usable(vertex, link)) {
                let next = distance.saturating_add(link.cost.into());
                let (known, way) = &mut best[link.to.index()];
                let rank = |from: VertexId, link: &Link| (ranks[from.index()], link.interface_id);
                let is_first = way.is_none_or(|(from, old)| rank(vertex, link) < rank(from, &old));
                if next < *known || next == *known && is_first && link.to != root {
                    if next < *known {
                        candidates.push(Reverse((next, link.to)));
                    }
                    (*known, *way) = (next, Some((vertex, *link)));
                }
            }
        }
        let mut path = Vec::new();
        let mut at = target;
        while let Some((from, link)) = best[at.index()].1 {
            path.push((link, at));
            at = from;
        }
        path.reverse();
        (!path.is_empty()).then_some(path)
    }

    /// The headers that keep packets on `path` until somebody releases them.
    fn segments(
        &mut self,
        path: &[(Link, VertexId)],
        failure: Failure,
        target: VertexId,
    ) -> Result<Vec<Ipv6Addr>, Bare> {
        let Ground { graph, area, root, .. } = self.ground;
        let vertices: Vec<VertexId> = path.iter().map(|(_, vertex)| *vertex).collect();
        let to_target = Distances::until(graph, target, Direction::Towards, &vertices);
        let releases: Vec<bool> =
            vertices.iter().map(|v| self.releases(*v, target, &to_target, failure)).collect();
        let mut segments = Vec::new();
        let mut at = 0;
        while !releases[at] {
            // Without an address of its own this router makes no tunnels.
            if segments.is_empty() && area.repair(root).is_none() {
                return Err(Bare::NoTurn);
            }
            if segments.len() == REPAIR_SEGMENTS_MAX {
                return Err(Bare::TooDeep);
            }
            self.learn(vertices[at]);
            let from = self.from(vertices[at]).ok_or(Bare::NoTurn)?;
            let is_within = |to: usize| to == at || self.is_clear(from, vertices[to], failure);
            let (segment, next) = self.turn(path, at, &releases, is_within).ok_or(Bare::NoTurn)?;
            segments.push(segment);
            at = next;
        }
        Ok(segments)
    }

    /// The next header for packets at `path[at]`, and how far along the path it takes them.
    fn turn(
        &self,
        path: &[(Link, VertexId)],
        at: usize,
        releases: &[bool],
        is_within: impl Fn(usize) -> bool,
    ) -> Option<(Ipv6Addr, usize)> {
        let area = self.ground.area;
        let mut furthest = None;
        for to in (at..path.len()).filter(|to| is_within(*to)) {
            let Some(end) = area.repair(path[to].1) else { continue };
            if to > at && releases[to] {
                return Some((end.endpoint, to));
            }
            if to > at {
                furthest = Some((end.endpoint, to));
            }
            let across = path.get(to + 1).map(|(link, _)| link.interface_id);
            if let Some(address) = across.and_then(|id| end.adjacency_address(id)) {
                if releases[to + 1] {
                    return Some((address, to + 1));
                }
                furthest = Some((address, to + 1));
            }
        }
        furthest
    }

    /// Whether plain forwarding from `vertex` to the target avoids the failure. With a dead link
    /// the target is the neighbour, so that only one direction of the link counts.
    fn releases(
        &self,
        vertex: VertexId,
        target: VertexId,
        to_target: &Distances,
        failure: Failure,
    ) -> bool {
        let over = match failure {
            Failure::Link(link) => self.to_root[vertex].saturating_add(link.cost.into()),
            Failure::Node(node) => self
                .neighbors
                .get(&node)
                .map_or(0, |(from, to)| to[vertex].saturating_add(from[target])),
        };
        vertex == target || to_target[vertex] < over
    }

    /// Sees to it that the distances from `vertex` are known.
    fn learn(&mut self, vertex: VertexId) {
        let graph = self.ground.graph;
        if !self.neighbors.contains_key(&vertex) {
            let turn = self.turns.entry(vertex);
            turn.or_insert_with(|| Distances::all(graph, vertex, Direction::From));
        }
    }

    /// The distances from a neighbour, or from a vertex that was learned.
    fn from(&self, vertex: VertexId) -> Option<&Distances> {
        let neighbor = self.neighbors.get(&vertex).map(|(from, _)| from);
        neighbor.or_else(|| self.turns.get(&vertex))
    }

    /// The distance of `vertex` over the adjacencies that are there.
    fn own_distance(&self, vertex: VertexId) -> u32 {
        self.ground.tree.reach(vertex).map_or(UNREACHED, |reach| reach.distance())
    }
}

fn is_over(link: &Link, hop: &FirstHop) -> bool {
    link.to == hop.neighbor
        && link.interface_id == hop.interface_id
        && link.neighbor_interface_id == hop.neighbor_interface_id
}
