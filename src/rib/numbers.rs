//! Numbers for next hops and groups, handed out and taken back.
//!
//! Owns [`NextHops`] (one number for each neighbour that a group uses, its rewrite, its flag) and
//! [`Groups`] (one number for each [`Way`] that a prefix takes).
//!
//! A world is read with its own tables, so a group number may mean something else in the next
//! world. The liveness flags are shared by all worlds: a next-hop number that went out of use is
//! kept back until every world that knew it is gone ([`NextHops::reclaimed`]).
//!
//! *Invariants*: a number in use has one key. A next hop is in use while a group has it, a group
//! while a prefix has it. Group 0 is "no route" and never freed. A flag is up when port and
//! neighbour both are.

use crate::base::ids::{GroupId, MacAddress, NextHopId, PortId};
use crate::base::route::RouteNextHop;
use crate::fib::{Adjacency, GROUP_NO_ROUTE, GroupTable, Liveness, NextHop, NextHopGroup};
use crate::rib::resolve::Way;
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
    numbers: BTreeMap<RouteNextHop, NextHopId>,
    /// How each number is used.
    uses: Vec<Use>,
    free: Vec<NextHopId>,
    /// Kept back, each with the first world without it; oldest first.
    kept_back: VecDeque<(u64, NextHopId)>,
    rewrites: BTreeMap<RouteNextHop, Adjacency>,
    ports_up: BTreeSet<PortId>,
    ports_dead: BTreeSet<PortId>,
    dead: BTreeSet<RouteNextHop>,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Use {
    key: RouteNextHop,
    references: u32,
    /// The first world without it, when nobody uses it.
    released_in: u64,
}

impl NextHops {
    pub(super) fn new(limit: usize) -> Self {
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
            dead: BTreeSet::new(),
            limit,
        }
    }

    /// Numbers in use or kept back.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether packets go to a neighbour; `None` where it has no number, because no group uses it.
    pub(super) fn is_alive(&self, key: RouteNextHop) -> Option<bool> {
        self.numbers.get(&key).map(|number| self.liveness.is_alive(*number))
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
        if before != rewrite && self.numbers.contains_key(&key) {
            self.write(key);
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

    /// Whether a neighbour answers; its flag changes at once. Yields whether there was room:
    /// neighbours that have a number always have it.
    pub(super) fn set_neighbor_alive(&mut self, key: RouteNextHop, is_alive: bool) -> bool {
        let is_full = self.dead.len() >= self.limit && !self.numbers.contains_key(&key);
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
        self.dead.retain(|key| key.port != port);
        let gone: Vec<RouteNextHop> = of_port(&self.rewrites, port).collect();
        for key in gone {
            self.set_rewrite(key, None);
        }
    }

    fn flag_port(&self, port: PortId) {
        for key in of_port(&self.numbers, port) {
            self.flag(key);
        }
    }

    fn flag(&self, key: RouteNextHop) {
        let is_alive = self.ports_up.contains(&key.port)
            && !self.ports_dead.contains(&key.port)
            && !self.dead.contains(&key);
        if let Some(number) = self.numbers.get(&key) {
            self.liveness.set(*number, is_alive);
        }
    }

    /// One more use of a neighbour; `None` when all numbers are taken.
    fn acquire(&mut self, key: RouteNextHop) -> Option<NextHopId> {
        let number = match self.numbers.get(&key) {
            Some(number) => *number,
            None => self.take_number(key)?,
        };
        self.uses[number.index()].references += 1;
        Some(number)
    }

    fn take_number(&mut self, key: RouteNextHop) -> Option<NextHopId> {
        let number = match self.free.pop() {
            Some(number) => number,
            None if self.uses.len() < self.limit => NextHopId(u16::try_from(self.uses.len()).ok()?),
            None => return None,
        };
        let unused = Use { key, references: 0, released_in: 0 };
        match self.uses.get_mut(number.index()) {
            Some(used) => *used = unused,
            None => self.uses.push(unused),
        }
        self.numbers.insert(key, number);
        self.flag(key);
        self.write(key);
        Some(number)
    }

    /// Brings the table up to date for one neighbour that has a number.
    fn write(&mut self, key: RouteNextHop) {
        let Some(number) = self.numbers.get(&key) else { return };
        let adjacency = self.rewrites.get(&key).copied();
        let next_hop = NextHop { port: key.port, address: key.address, adjacency };
        let table = Arc::make_mut(&mut self.table);
        match table.get_mut(number.index()) {
            Some(slot) => *slot = next_hop,
            None => table.push(next_hop),
        }
        self.is_changed = true;
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
            let used = self.uses[number.index()];
            // Used again since, or released again later: a younger note in the queue speaks for it.
            let is_unused = used.references == 0 && used.released_in <= oldest;
            if is_unused && self.numbers.get(&used.key) == Some(&number) {
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

/// The keys of `map` on one port.
fn of_port<V>(
    map: &BTreeMap<RouteNextHop, V>,
    port: PortId,
) -> impl Iterator<Item = RouteNextHop> + '_ {
    let first = RouteNextHop { port, address: Ipv6Addr::UNSPECIFIED };
    let last = RouteNextHop { port, address: Ipv6Addr::from_bits(u128::MAX) };
    map.range(first..=last).map(|(key, _)| *key)
}

/// The groups of all prefixes.
#[derive(Debug)]
pub(super) struct Groups {
    /// What readers see; shared with the last world until it changes.
    pub(super) table: Arc<GroupTable>,
    numbers: BTreeMap<Way, GroupId>,
    /// The way of each number and the prefixes that take it.
    uses: Vec<(Way, u32)>,
    free: Vec<GroupId>,
    limit: usize,
}

impl Groups {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            table: Arc::default(),
            numbers: BTreeMap::from([(Way::Unreachable, GROUP_NO_ROUTE)]),
            // One use of its own, so that group 0 stays.
            uses: vec![(Way::Unreachable, 1)],
            free: Vec::new(),
            limit,
        }
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
        if self.free.is_empty() && self.uses.len() >= self.limit {
            return None;
        }
        let old = old.and_then(|old| self.table.get(old.index()));
        let group = make(way, old.unwrap_or(&NextHopGroup::Unreachable), next_hops, epoch)?;
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
        Some(number)
    }

    /// One use less; `epoch` is the first world that does without.
    pub(super) fn release(&mut self, number: GroupId, next_hops: &mut NextHops, epoch: u64) {
        let (way, references) = &mut self.uses[number.index()];
        assert!(*references > 0, "a group is released once for each use");
        *references -= 1;
        if *references > 0 {
            return;
        }
        self.numbers.remove(way);
        self.free.push(number);
        if let Some(NextHopGroup::Forward { members, .. }) = self.table.get(number.index()) {
            for member in members.iter() {
                next_hops.release(*member, epoch);
            }
        }
    }
}

/// The group for a way; `None`, with nothing taken, when the next hops ran out.
fn make(
    way: &Way,
    old: &NextHopGroup,
    next_hops: &mut NextHops,
    epoch: u64,
) -> Option<NextHopGroup> {
    let neighbors = match way {
        Way::Forward(neighbors) => neighbors,
        Way::OnLink(port) => return Some(NextHopGroup::OnLink(*port)),
        Way::Local => return Some(NextHopGroup::Local),
        Way::Unreachable => return Some(NextHopGroup::Unreachable),
        Way::Blackhole => return Some(NextHopGroup::Blackhole),
    };
    let mut members = Vec::with_capacity(neighbors.len());
    for neighbor in neighbors {
        match next_hops.acquire(*neighbor) {
            Some(member) => members.push(member),
            None => {
                members.into_iter().for_each(|member| next_hops.release(member, epoch));
                return None;
            }
        }
    }
    assert!(members.iter().all(|member| member.index() < next_hops.table.len()));
    Some(NextHopGroup::forward_after(members, old))
}
