//! The world's side of probes: it sends them, and sees what every router and link does to them.

use super::{Event, World};
use crate::base::ids::PortId;
use crate::dataplane::drop::DropReason;
use crate::fib::NextHopGroup;
use crate::sim::edges;
use crate::sim::exits::Exits;
use crate::sim::link::{End, Link};
use crate::sim::node::{Control, Node, Sent};
use crate::sim::oracle::Map;
use crate::sim::probes::{Goal, PROBE_INTERVAL, Pair, packet, read};
use std::collections::{BTreeMap, BTreeSet};

/// What has been there ever since all was right.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// Routers with the same number here have been joined all the time; `None` before somebody says
    /// that all is right.
    parts: Option<Vec<Option<usize>>>,
    /// The edges that have announced each prefix all the time; `None` before somebody says so.
    exits: Option<Vec<BTreeSet<usize>>>,
}

impl<C: Control> World<C> {
    /// Sends packets between these pairs from now on, and no longer between others.
    pub fn probe(&mut self, pairs: Vec<Pair>) {
        if self.probes.aim(pairs) {
            self.push(self.now, Event::Probe);
        }
    }

    /// Ends it: what is still under way then will not arrive.
    pub fn give_up_probes(&mut self) {
        self.notice_parts();
        self.probes.aim(Vec::new());
        let (map, exits, held) = (self.map(), self.exits(), &self.held);
        self.probes.give_up(|pair| held.owes(&map, &exits, pair));
    }

    /// All is right: what is joined now is owed a way from now on, until something separates it.
    pub fn hold_parts(&mut self) {
        let map = self.map();
        self.held.parts = Some((0..self.router_count()).map(|router| map.part(router)).collect());
    }

    /// All ways out are right: the edges that announce a prefix now are owed to it from now on,
    /// until they do so no more.
    pub fn hold_exits(&mut self) {
        let exits = self.exits();
        self.held.exits = Some((0..exits.len()).map(|prefix| exits.announcers(prefix)).collect());
    }

    /// What works has changed: pairs that nothing joins now are owed no way before all is right
    /// again, also where a repair joins them sooner.
    pub(super) fn notice_parts(&mut self) {
        let (map, exits) = (self.map(), self.exits());
        for (prefix, held) in self.held.exits.iter_mut().flatten().enumerate() {
            let announcers = exits.announcers(prefix);
            held.retain(|router| announcers.contains(router));
        }
        let Some(parts) = &mut self.held.parts else { return };
        let mut first: BTreeMap<_, usize> = BTreeMap::new();
        for (router, part) in parts.iter_mut().enumerate() {
            let both = (*part, map.part(router));
            *part = Some(*first.entry(both).or_insert(router));
        }
    }

    /// A frame leaves the world by a port without a cable: into a LAN, or, behind a provider, to
    /// where packets for the rest of the world shall go.
    pub(super) fn leave(&mut self, router: usize, bytes: &[u8]) {
        self.lan_frames += 1;
        let Some((number, _)) = self.probes.find(bytes) else { return };
        match self.probes.pair(number) {
            Some((_, Goal::Outside(_))) if self.edges().provider_at(router).is_some() => {
                self.probes.arrive(number);
            }
            _ => self.lose_probe(number, "wrong_host"),
        }
    }

    pub(super) fn send_probes(&mut self) {
        if !self.probes.ticks_on() {
            return;
        }
        self.push(self.now + PROBE_INTERVAL, Event::Probe);
        let (now, map) = (self.now, self.map());
        for (from, goal) in self.probes.pairs().to_vec() {
            let is_there = is_there(&map, &self.exits(), (from, goal));
            if !is_there || self.node(from).is_none() {
                continue;
            }
            let (source, target) = (self.setup.loopback(from), self.address(goal));
            let Some(number) = self.probes.depart((from, goal)) else { continue };
            self.probes.visit(number, from, target);
            let packet = packet(source, target, number);
            self.follow(from, number, |node| node.send_from_host(now, &packet));
        }
    }

    /// A frame came to a router: what it does, and what becomes of the probe in it.
    pub(super) fn receive(&mut self, to: End, bytes: &[u8]) {
        let (now, port) = (self.now, to.port);
        match self.probes.find(bytes) {
            None => self.with_node(to.router, |node| node.receive(now, port, bytes)),
            Some((number, destination)) => {
                self.probes.visit(number, to.router, destination);
                self.follow(to.router, number, |node| node.receive(now, port, bytes));
            }
        }
    }

    /// Lets a router do something with a probe, and sees what.
    fn follow(&mut self, router: usize, number: u32, act: impl FnOnce(&mut Node<C>) -> Vec<Sent>) {
        let departures = self.probes.departures(number);
        let before = self.node(router).map(Node::drops);
        self.with_node(router, act);
        let Some(node) = self.slots[router].node.as_mut() else { return };
        let after = node.drops();
        let mut delivered = Vec::new();
        node.host_packets.retain(|packet| match read(packet) {
            Some((number, _)) => {
                delivered.push(number);
                false
            }
            None => true,
        });
        for number in delivered {
            match self.probes.pair(number) {
                Some((_, goal)) if goal != Goal::Router(router) => {
                    self.lose_probe(number, "wrong_host");
                }
                _ => self.probes.arrive(number),
            }
        }
        // Gone by a link, delivered, or sent on: nothing was dropped here.
        if self.probes.departures(number).is_none_or(|now| Some(now) != departures) {
            return;
        }
        let reasons = before.iter().flatten().zip(&after).zip(DropReason::ALL);
        let reason =
            reasons.filter(|((before, after), _)| before < after).map(|(_, reason)| reason);
        if let Some(reason) = reason.last() {
            self.lose_probe(number, reason.name());
        }
    }

    /// While probes fly, throws away what else comes for a host: copies that links made of them,
    /// and errors about them.
    pub(super) fn forget_host_packets(&mut self, router: usize) {
        if self.probes.is_active()
            && let Some(node) = self.slots[router].node.as_mut()
        {
            node.host_packets.clear();
        }
    }

    pub(super) fn lose_probe(&mut self, number: u32, cause: &'static str) {
        let Some(pair) = self.probes.pair(number) else { return };
        let is_owed = self.held.owes(&self.map(), &self.exits(), pair);
        self.probes.lose(number, cause, !is_owed);
    }

    fn address(&self, goal: Goal) -> core::net::Ipv6Addr {
        match goal {
            Goal::Router(router) => self.setup.loopback(router),
            Goal::Outside(prefix) => edges::host(prefix),
        }
    }

    /// The probe in a frame was lost on a link or at the end of it.
    pub(super) fn lose_frame(&mut self, bytes: &[u8], cause: &'static str) {
        if let Some((number, _)) = self.probes.find(bytes) {
            self.lose_probe(number, cause);
        }
    }

    /// A router reads a new world: whether packets that leave it for a router that is probed can
    /// come back to it.
    pub(super) fn look_for_loops(&mut self, router: usize) {
        let targets = self.probes.targets();
        let loops = targets.into_iter().filter(|to| *to != router && self.comes_back(router, *to));
        let count = loops.count() as u64;
        self.probes.count_loops(count);
    }

    fn comes_back(&self, router: usize, to: usize) -> bool {
        let address = self.setup.loopback(to).to_bits();
        let mut is_seen = vec![false; self.slots.len()];
        let mut waiting = vec![router];
        while let Some(here) = waiting.pop() {
            let Some(node) = self.node(here) else { continue };
            let forwarding = node.forwarding();
            let NextHopGroup::Forward { members, .. } =
                forwarding.group(forwarding.table.lookup(address))
            else {
                continue;
            };
            let alive = members.iter().filter(|member| forwarding.liveness.is_alive(**member));
            for next_hop in alive.filter_map(|member| forwarding.next_hop(*member)) {
                let Some(next) = self.next(here, next_hop.port) else { continue };
                if next == router {
                    return true;
                }
                if !core::mem::replace(&mut is_seen[next], true) {
                    waiting.push(next);
                }
            }
        }
        false
    }

    /// The router at the other end of a cable that carries.
    fn next(&self, router: usize, port: PortId) -> Option<usize> {
        let end = End { router, port };
        let link = self.slots[router].links.get(&port).map(|link| &self.links[*link])?;
        link.is_usable().then(|| self.peer(end).map(|peer| peer.router))?
    }
}

impl Held {
    /// Whether a pair has had a way ever since all was right.
    fn owes(&self, map: &Map, exits: &Exits, (from, goal): Pair) -> bool {
        is_there(map, exits, (from, goal))
            && match goal {
                Goal::Router(to) => self.has_joined(from, to),
                Goal::Outside(prefix) => {
                    let held = self.exits.as_ref().and_then(|exits| exits.get(prefix));
                    held.is_none_or(|edges| {
                        let is_owed = |edge: &usize| {
                            map.is_joined(from, *edge) && self.has_joined(from, *edge)
                        };
                        edges.iter().any(is_owed)
                    })
                }
            }
    }

    /// Whether two routers have been in one part all the time.
    fn has_joined(&self, from: usize, to: usize) -> bool {
        self.parts.as_ref().is_none_or(|parts| parts.get(from) == parts.get(to))
    }
}

/// Whether there is a way now.
fn is_there(map: &Map, exits: &Exits, (from, goal): Pair) -> bool {
    match goal {
        Goal::Router(to) => map.is_joined(from, to),
        Goal::Outside(prefix) => !exits.chosen(map, from, prefix).is_empty(),
    }
}

/// Why a link that makes nothing of a frame does so.
pub(super) fn cause_on(link: &Link, is_silent: bool) -> &'static str {
    match (link.is_cut(), is_silent) {
        (true, _) => "link_cut",
        (false, true) => "link_silent",
        (false, false) => "link_chance",
    }
}
