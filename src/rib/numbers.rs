//! Numbers for next hops and groups, handed out and taken back.
//!
//! Owns [`NextHops`] (one number for each [`Path`] that a group uses, its rewrite, its flag) and
//! [`Groups`] (one number for each [`Way`] that a prefix takes). A tunnel is a next hop like any
//! other: its flag falls with its port and its neighbour.
//!
//! A world is read with its own tables, so a group number may mean something else in the next
//! world. The liveness flags are shared by all worlds: a next-hop number that went out of use is
//! kept back until every world that knew it is gone ([`NextHops::reclaimed`]).
//!
//! *Invariants*: a number in use has one key. A next hop is in use while a group has it, a group
//! while a prefix has it. Group 0 is "no route" and never freed. A flag is up when port and
//! neighbour both are, and BFD does not say otherwise. Repairs take at most as many numbers as they
//! are given, so that they cannot take those of the neighbours.

use crate::base::ids::{GroupId, MacAddress, NextHopId, PortId};
use crate::base::route::{ExitsId, RouteNextHop};
use crate::fib::{
    Adjacency, Encapsulation, GROUP_NO_ROUTE, GroupTable, Liveness, NextHop, NextHopGroup, Witness,
};
use crate::rib::resolve::{Path, Way};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The next hops of all groups.
#[derive(Debug)]
pub(super) struct NextHops {
    /// What readers see; shared with the last world until it changes.
    pub(super) table: Arc<Vec<NextHop>>,
    pub(super) liveness: Arc<Liveness>,
    /// Whether `table` changed since the last world.
    pub(super) is_changed: bool,
    /// Numbers in use or kept back.
    numbers: BTreeMap<Path, NextHopId>,
    /// How each number is used.
    uses: Vec<Use>,
    free: Vec<NextHopId>,
    /// Kept back, each with the first world without it; oldest first.
    kept_back: VecDeque<(u64, NextHopId)>,
    rewrites: BTreeMap<RouteNextHop, Adjacency>,
    ports_up: BTreeSet<PortId>,
    ports_dead: BTreeSet<PortId>,
    /// Ports whose BFD session failed, as far as the control thread has heard.
    ports_failed: BTreeSet<PortId>,
    dead: BTreeSet<RouteNextHop>,
    /// Where repaired packets come from.
    source: Option<Ipv6Addr>,
    /// Numbers of tunnels.
    tunnel_count: usize,
    limit: usize,
    tunnels_max: usize,
}

#[derive(Clone, Debug)]
struct Use {
    key: Path,
    references: u32,
    /// The first world without it, when nobody uses it.
    released_in: u64,
}

impl NextHops {
    /// Room for `limit` next hops, of which `tunnels_max` may be tunnels.
    pub(super) fn new(limit: usize, tunnels_max: usize) -> Self {
        Self {
            table: Arc::default(),
            liveness: Arc::new(Liveness::new(limit)),
            is_changed: false,
            numbers: BTreeMap::new(),
            uses: Vec::new(),
            free: Vec::new(),
            kept_back: VecDeque::new(),
            rewrites: BTreeMap::new(),
            ports_up: BTreeSet::new(),
            ports_dead: BTreeSet::new(),
            ports_failed: BTreeSet::new(),
            dead: BTreeSet::new(),
            source: None,
            tunnel_count: 0,
            limit,
            tunnels_max,
        }
    }

    /// Numbers in use or kept back.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether packets go to a neighbour; `None` where it has no number, because no group uses it.
    pub(super) fn is_alive(&self, key: RouteNextHop) -> Option<bool> {
        let number = self.paths_by(key).next().map(|(_, number)| number);
        number.map(|number| self.liveness.is_alive(number))
    }

    /// Sets or forgets the MAC addresses towards a neighbour: its own and ours. Yields whether
    /// there was room.
    pub(super) fn set_rewrite(
        &mut self,
        key: RouteNextHop,
        macs: Option<(MacAddress, MacAddress)>,
    ) -> bool {
        let is_full = self.rewrites.len() >= self.limit && !self.rewrites.contains_key(&key);
        if macs.is_some() && is_full {
            return false;
        }
        let rewrite = macs.map(|(neighbor, own)| Adjacency::ipv6(neighbor, own));
        let before = match rewrite {
            Some(rewrite) => self.rewrites.insert(key, rewrite),
            None => self.rewrites.remove(&key),
        };
        if before != rewrite {
            let paths: Vec<Path> = self.paths_by(key).map(|(path, _)| path.clone()).collect();
            paths.iter().for_each(|path| self.write(path));
        }
        true
    }

    /// Whether the port exists and is up; its flags change at once.
    pub(super) fn set_port_up(&mut self, port: PortId, is_up: bool) {
        mark(&mut self.ports_up, port, is_up);
        self.flag_port(port);
    }

    /// Whether the port carries packets, as carrier and BFD see it; its flags change at once.
    pub(super) fn set_port_alive(&mut self, port: PortId, is_alive: bool) {
        mark(&mut self.ports_dead, port, !is_alive);
        self.flag_port(port);
    }

    /// Whether the BFD session of the port failed. The flags of numbers in use are the worker's
    /// that runs the session; new numbers begin with this.
    pub(super) fn set_port_failed(&mut self, port: PortId, is_failed: bool) {
        mark(&mut self.ports_failed, port, is_failed);
    }

    /// Whether a neighbour answers; its flag changes at once. Yields whether there was room:
    /// neighbours that have a number always have it.
    pub(super) fn set_neighbor_alive(&mut self, key: RouteNextHop, is_alive: bool) -> bool {
        let is_full = self.dead.len() >= self.limit && self.paths_by(key).next().is_none();
        if !is_alive && is_full {
            return false;
        }
        mark(&mut self.dead, key, !is_alive);
        self.flag(key);
        true
    }

    /// Forgets what was said about the neighbours of a port.
    pub(super) fn forget_port(&mut self, port: PortId) {
        self.set_port_up(port, false);
        self.ports_dead.remove(&port);
        self.ports_failed.remove(&port);
        self.dead.retain(|key| key.port != port);
        let (first, last) = ends_of(port);
        let gone: Vec<RouteNextHop> =
            self.rewrites.range(first..=last).map(|(key, _)| *key).collect();
        for key in gone {
            self.set_rewrite(key, None);
        }
    }

    /// Sets the address that repaired packets come from.
    pub(super) fn set_source(&mut self, source: Option<Ipv6Addr>) {
        if core::mem::replace(&mut self.source, source) == source {
            return;
        }
        let is_tunnel = |path: &&Path| !path.segments.is_empty();
        let tunnels: Vec<Path> = self.numbers.keys().filter(is_tunnel).cloned().collect();
        tunnels.iter().for_each(|path| self.write(path));
    }

    /// The paths by a neighbour that have a number, the plain one first.
    fn paths_by(&self, via: RouteNextHop) -> impl Iterator<Item = (&Path, NextHopId)> {
        let paths = self.numbers.range(Path::from(via)..);
        paths.take_while(move |(path, _)| path.via == via).map(|(path, number)| (path, *number))
    }

    fn flag_port(&self, port: PortId) {
        let paths = self.numbers.range(Path::from(ends_of(port).0)..);
        for (path, number) in paths.take_while(|(path, _)| path.via.port == port) {
            self.liveness.set(*number, self.is_usable(path.via));
        }
    }

    fn flag(&self, via: RouteNextHop) {
        for (_, number) in self.paths_by(via) {
            self.liveness.set(number, self.is_usable(via));
        }
    }

    /// What the flag of a neighbour's paths says.
    fn is_usable(&self, via: RouteNextHop) -> bool {
        self.ports_up.contains(&via.port)
            && !self.ports_dead.contains(&via.port)
            && !self.dead.contains(&via)
    }

    /// One more use of a path; `None` when all numbers are taken.
    fn acquire(&mut self, path: &Path) -> Option<NextHopId> {
        let number = match self.numbers.get(path) {
            Some(number) => *number,
            None => self.take_number(path)?,
        };
        self.uses[number.index()].references += 1;
        Some(number)
    }

    fn take_number(&mut self, path: &Path) -> Option<NextHopId> {
        let is_tunnel = !path.segments.is_empty();
        if is_tunnel && self.tunnel_count >= self.tunnels_max {
            return None;
        }
        let number = match self.free.pop() {
            Some(number) => number,
            None if self.uses.len() < self.limit => NextHopId(u16::try_from(self.uses.len()).ok()?),
            None => return None,
        };
        self.tunnel_count += usize::from(is_tunnel);
        let unused = Use { key: path.clone(), references: 0, released_in: 0 };
        match self.uses.get_mut(number.index()) {
            Some(used) => *used = unused,
            None => self.uses.push(unused),
        }
        self.numbers.insert(path.clone(), number);
        // No world has the number, so that no worker has a word on it: what BFD said of it last was
        // about another neighbour.
        let is_failed = self.ports_failed.contains(&path.via.port);
        self.liveness.tell(number, Witness::Bfd, !is_failed);
        self.liveness.set(number, self.is_usable(path.via));
        self.write(path);
        Some(number)
    }

    /// Brings the table up to date for one path that has a number.
    fn write(&mut self, path: &Path) {
        let Some(number) = self.numbers.get(path) else { return };
        let next_hop = self.next_hop(path);
        let table = Arc::make_mut(&mut self.table);
        match table.get_mut(number.index()) {
            Some(slot) => *slot = next_hop,
            None => table.push(next_hop),
        }
        self.is_changed = true;
    }

    /// What the table has to say of a path.
    fn next_hop(&self, path: &Path) -> NextHop {
        let RouteNextHop { port, address } = path.via;
        let adjacency = self.rewrites.get(&path.via).copied();
        let made = self.source.and_then(|source| Encapsulation::new(source, &path.segments));
        NextHop { port, address, adjacency, encapsulation: made.map(Arc::new) }
    }

    /// Whether a number is that of a path, and the table says of it what it has to.
    fn is_right(&self, number: NextHopId, path: &Path) -> bool {
        let is_its_own = self.uses.get(number.index()).is_some_and(|used| used.key == *path);
        is_its_own && self.table.get(number.index()) == Some(&self.next_hop(path))
    }

    /// One use less; `epoch` is the first world that does without.
    fn release(&mut self, number: NextHopId, epoch: u64) {
        let used = &mut self.uses[number.index()];
        assert!(used.references > 0, "a next hop is released once for each use");
        used.references -= 1;
        if used.references == 0 {
            used.released_in = epoch;
            self.kept_back.push_back((epoch, number));
        }
    }

    /// Frees numbers that no world from `oldest` on knows; yields how many.
    pub(super) fn reclaimed(&mut self, oldest: u64) -> usize {
        let mut freed = 0;
        while let Some((_, number)) = self.kept_back.pop_front_if(|(epoch, _)| *epoch <= oldest) {
            let used = &self.uses[number.index()];
            // Used again since, or released again later: a younger note in the queue speaks for it.
            let is_unused = used.references == 0 && used.released_in <= oldest;
            if is_unused && self.numbers.get(&used.key) == Some(&number) {
                self.tunnel_count -= usize::from(!used.key.segments.is_empty());
                self.numbers.remove(&used.key);
                self.free.push(number);
                freed += 1;
            }
        }
        freed
    }
}

/// Puts a key in, or takes it out.
fn mark<K: Ord>(set: &mut BTreeSet<K>, key: K, is_in: bool) {
    if is_in {
        set.insert(key);
    } else {
        set.remove(&key);
    }
}

/// The first and the last neighbour that a port can have.
fn ends_of(port: PortId) -> (RouteNextHop, RouteNextHop) {
    let end = |address| RouteNextHop { port, address };
    (end(Ipv6Addr::UNSPECIFIED), end(Ipv6Addr::from_bits(u128::MAX)))
}

/// The groups of all prefixes.
#[derive(Debug)]
pub(super) struct Groups {
    /// What readers see; shared with the last world until it changes.
    pub(super) table: Arc<GroupTable>,
    numbers: BTreeMap<Way, GroupId>,
    /// The way of each number and the prefixes that take it.
    uses: Vec<(Way, u32)>,
    /// Where the exits lead that routes share.
    contents: BTreeMap<ExitsId, Way>,
    free: Vec<GroupId>,
    /// Groups with a repair.
    repaired_count: usize,
    limit: usize,
    repaired_max: usize,
}

impl Groups {
    /// Room for `limit` groups, of which `repaired_max` may have a repair.
    pub(super) fn new(limit: usize, repaired_max: usize) -> Self {
        Self {
            table: Arc::default(),
            numbers: BTreeMap::from([(Way::Unreachable, GROUP_NO_ROUTE)]),
            // One use of its own, so that group 0 stays.
            uses: vec![(Way::Unreachable, 1)],
            contents: BTreeMap::new(),
            free: Vec::new(),
            repaired_count: 0,
            limit,
            repaired_max,
        }
    }

    /// The way of a group in use.
    pub(super) fn way(&self, number: GroupId) -> Option<&Way> {
        self.uses.get(number.index()).map(|(way, _)| way)
    }

    /// What a way is made of: itself, or what the exits are that it names.
    pub(super) fn content<'a>(&'a self, way: &'a Way) -> &'a Way {
        match way {
            Way::Exits(id) => self.contents.get(id).unwrap_or(&Way::Unreachable),
            way => way,
        }
    }

    /// Exits lead elsewhere now; the group of all prefixes that take them is written anew, and
    /// keeps its number and its flows. `None`, with the exits leading nowhere, where next hops ran
    /// out; else whether anything changed. `epoch` is the first world with it.
    pub(super) fn lead(
        &mut self,
        id: ExitsId,
        content: Way,
        next_hops: &mut NextHops,
        epoch: u64,
    ) -> Option<bool> {
        let before = self.contents.insert(id, content);
        let after = self.contents.get(&id).unwrap_or(&Way::Unreachable);
        if before.as_ref() == Some(after) {
            return Some(false);
        }
        let Some(number) = self.numbers.get(&Way::Exits(id)).copied() else { return Some(false) };
        let old = self.table.get(number.index()).cloned().unwrap_or(NextHopGroup::Unreachable);
        let made = make(after, &old, next_hops, epoch);
        let is_made = made.is_some();
        self.repaired_count -= usize::from(before.as_ref().is_some_and(has_repair));
        match is_made {
            true => self.repaired_count += usize::from(has_repair(after)),
            false => {
                self.contents.insert(id, Way::Unreachable);
            }
        }
        let group = made.unwrap_or(NextHopGroup::Unreachable);
        Arc::make_mut(&mut self.table).set(number, group);
        give_back(&old, next_hops, epoch);
        is_made.then_some(true)
    }

    /// Exits that are no more; says whether no group has them.
    pub(super) fn forget(&mut self, id: ExitsId) -> bool {
        let is_unused = !self.numbers.contains_key(&Way::Exits(id));
        if is_unused {
            self.contents.remove(&id);
        }
        is_unused
    }

    /// How many next hops stand behind a group.
    pub(super) fn width(&self, number: GroupId) -> usize {
        self.way(number).map_or(0, |way| paths_of(self.content(way)).count())
    }

    /// Groups in use.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// One more use of `way`; a new group inherits the flows of `old`. `None` when numbers ran out.
    pub(super) fn acquire(
        &mut self,
        way: &Way,
        old: Option<GroupId>,
        next_hops: &mut NextHops,
        epoch: u64,
    ) -> Option<GroupId> {
        if let Some(number) = self.numbers.get(way) {
            self.uses[number.index()].1 += 1;
            return Some(*number);
        }
        if self.free.is_empty() && self.uses.len() >= self.limit
            || has_repair(way) && self.repaired_count >= self.repaired_max
        {
            return None;
        }
        let old = old.and_then(|old| self.table.get(old.index()));
        let content = self.content(way);
        let is_repaired = has_repair(content);
        let group = make(content, old.unwrap_or(&NextHopGroup::Unreachable), next_hops, epoch)?;
        let table = Arc::make_mut(&mut self.table);
        let number = match self.free.pop() {
            Some(number) => {
                table.set(number, group);
                self.uses[number.index()] = (way.clone(), 1);
                number
            }
            None => {
                let number = GroupId(u16::try_from(table.len()).ok()?);
                table.push(group);
                self.uses.push((way.clone(), 1));
                number
            }
        };
        self.numbers.insert(way.clone(), number);
        self.repaired_count += usize::from(is_repaired);
        Some(number)
    }

    /// One use less, and whether it was the last; `epoch` is the first world that does without.
    pub(super) fn release(
        &mut self,
        number: GroupId,
        next_hops: &mut NextHops,
        epoch: u64,
    ) -> bool {
        let (way, references) = &mut self.uses[number.index()];
        assert!(*references > 0, "a group is released once for each use");
        *references -= 1;
        if *references > 0 {
            return false;
        }
        let way = way.clone();
        self.repaired_count -= usize::from(has_repair(self.content(&way)));
        self.numbers.remove(&way);
        self.free.push(number);
        if let Some(group) = self.table.get(number.index()) {
            give_back(group, next_hops, epoch);
        }
        true
    }

    /// Whether workers find behind a number what its way says: the group, its head and its buckets,
    /// and the rewrite of each of its next hops.
    pub(super) fn is_right(&self, number: GroupId, next_hops: &NextHops) -> bool {
        let (Some(way), Some(group)) = (self.way(number), self.table.get(number.index())) else {
            return false;
        };
        let is_right = match (self.content(way), group) {
            (Way::Forward { members, repair }, NextHopGroup::Forward { .. }) => {
                leads_to(group, members, repair.as_ref(), next_hops)
            }
            (Way::Cross(via), NextHopGroup::Cross(next_hop)) => {
                next_hops.is_right(*next_hop, &Path::from(*via))
            }
            (Way::OnLink(port), NextHopGroup::OnLink(on)) => port == on,
            (Way::Local, NextHopGroup::Local)
            | (Way::Unreachable, NextHopGroup::Unreachable)
            | (Way::Blackhole, NextHopGroup::Blackhole) => true,
            _ => false,
        };
        is_right && self.table.is_sound(number)
    }

    /// Writes a group and its next hops anew, from its way and with the numbers that these have.
    pub(super) fn set_right(&mut self, number: GroupId, next_hops: &mut NextHops) {
        let Some((way, _)) = self.uses.get(number.index()) else { return };
        let way = self.content(way);
        paths_of(way).for_each(|path| next_hops.write(&path));
        let group =
            assemble(way, &NextHopGroup::Unreachable, |path| next_hops.numbers.get(path).copied());
        if let Some(group) = group {
            Arc::make_mut(&mut self.table).set(number, group);
        }
    }
}

/// The next hops of a group are used once less each.
fn give_back(group: &NextHopGroup, next_hops: &mut NextHops, epoch: u64) {
    match group {
        NextHopGroup::Forward { members, backup, .. } => {
            members.iter().chain(backup).for_each(|used| next_hops.release(*used, epoch));
        }
        NextHopGroup::Cross(next_hop) => next_hops.release(*next_hop, epoch),
        _ => {}
    }
}

const fn has_repair(way: &Way) -> bool {
    matches!(way, Way::Forward { repair: Some(_), .. })
}

/// Whether a group that forwards has these members and this backup, all of them as they have to be.
fn leads_to(
    group: &NextHopGroup,
    neighbors: &[RouteNextHop],
    repair: Option<&Path>,
    next_hops: &NextHops,
) -> bool {
    let NextHopGroup::Forward { members, backup, .. } = group else { return false };
    let is_member = |via: &RouteNextHop| {
        let path = Path::from(*via);
        let number = next_hops.numbers.get(&path);
        number.is_some_and(|number| members.contains(number) && next_hops.is_right(*number, &path))
    };
    let is_backup = match (backup, repair) {
        (None, None) => true,
        (Some(number), Some(path)) => next_hops.is_right(*number, path),
        _ => false,
    };
    is_backup && members.len() == neighbors.len() && neighbors.iter().all(is_member)
}

/// The paths of a way: its neighbours, then its repair.
fn paths_of(way: &Way) -> impl Iterator<Item = Path> {
    let (neighbors, repair) = match way {
        Way::Forward { members, repair } => (members.as_slice(), repair.clone()),
        Way::Cross(neighbor) => (core::slice::from_ref(neighbor), None),
        Way::OnLink(_) | Way::Local | Way::Unreachable | Way::Blackhole | Way::Exits(_) => {
            (&[][..], None)
        }
    };
    neighbors.iter().copied().map(Path::from).chain(repair)
}

/// The group for a way; `None`, with nothing taken, when the next hops ran out.
fn make(
    way: &Way,
    old: &NextHopGroup,
    next_hops: &mut NextHops,
    epoch: u64,
) -> Option<NextHopGroup> {
    let mut taken = Vec::new();
    let group = assemble(way, old, |path| {
        let number = next_hops.acquire(path)?;
        taken.push(number);
        Some(number)
    });
    assert!(taken.iter().all(|number| number.index() < next_hops.table.len()));
    if group.is_none() {
        taken.into_iter().for_each(|number| next_hops.release(number, epoch));
    }
    group
}

/// The group for a way with these numbers; `None` where a path has none. The flows of `old` stay
/// where they are, also where only the repair is another.
fn assemble(
    way: &Way,
    old: &NextHopGroup,
    mut number: impl FnMut(&Path) -> Option<NextHopId>,
) -> Option<NextHopGroup> {
    match way {
        Way::Forward { members, repair } => {
            let members = members.iter().map(|via| number(&Path::from(*via)));
            let members = members.collect::<Option<Vec<NextHopId>>>()?;
            let backup = match repair {
                Some(path) => Some(number(path)?),
                None => None,
            };
            Some(NextHopGroup::forward_after(members, old).with_backup(backup))
        }
        Way::Cross(via) => number(&Path::from(*via)).map(NextHopGroup::Cross),
        Way::OnLink(port) => Some(NextHopGroup::OnLink(*port)),
        Way::Local => Some(NextHopGroup::Local),
        Way::Unreachable => Some(NextHopGroup::Unreachable),
        Way::Blackhole => Some(NextHopGroup::Blackhole),
        // Never asked: it is what the exits lead to that groups are made of.
        Way::Exits(_) => Some(NextHopGroup::Unreachable),
    }
}
