//! The world's side of probes: it sends them, and sees what every router and link does to them.

use super::{Event, World};
use crate::base::ids::PortId;
use crate::dataplane::drop::DropReason;
use crate::fib::NextHopGroup;
use crate::sim::link::{End, Link};
use crate::sim::node::{Control, Node, Sent};
use crate::sim::probes::{PROBE_INTERVAL, packet, read};
use std::collections::BTreeMap;

impl<C: Control> World<C> {
    /// Sends packets between these pairs from now on, and no longer between others.
    pub fn probe(&mut self, pairs: Vec<(usize, usize)>) {
        if self.probes.aim(pairs) {
            self.push(self.now, Event::Probe);
        }
    }

    /// Ends it: what is still under way then will not arrive.
    pub fn give_up_probes(&mut self) {
        self.notice_parts();
        self.probes.aim(Vec::new());
        let (map, parts) = (self.map(), self.parts.clone());
        self.probes
            .give_up(|(from, to)| map.is_joined(from, to) && is_held(parts.as_deref(), from, to));
    }

    /// All is right: what is joined now is owed a way from now on, until something separates it.
    pub fn hold_parts(&mut self) {
        let map = self.map();
        self.parts = Some((0..self.slots.len()).map(|router| map.part(router)).collect());
    }

    /// What works has changed: pairs that nothing joins now are owed no way before all is right
    /// again, also where a repair joins them sooner.
    pub(super) fn notice_parts(&mut self) {
        let map = self.map();
        let Some(parts) = &mut self.parts else { return };
        let mut first: BTreeMap<_, usize> = BTreeMap::new();
        for (router, part) in parts.iter_mut().enumerate() {
            let both = (*part, map.part(router));
            *part = Some(*first.entry(both).or_insert(router));
        }
    }

    pub(super) fn send_probes(&mut self) {
        if !self.probes.ticks_on() {
            return;
        }
        self.push(self.now + PROBE_INTERVAL, Event::Probe);
        let (now, map) = (self.now, self.map());
        for (from, to) in self.probes.pairs().to_vec() {
            if !map.is_joined(from, to) || self.node(from).is_none() {
                continue;
            }
            let (source, target) = (self.setup.loopback(from), self.setup.loopback(to));
            let Some(number) = self.probes.depart((from, to)) else { continue };
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
                Some((_, to)) if to != router => self.lose_probe(number, "wrong_host"),
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
        let Some((from, to)) = self.probes.pair(number) else { return };
        let is_joined = self.map().is_joined(from, to) && is_held(self.parts.as_deref(), from, to);
        self.probes.lose(number, cause, !is_joined);
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

/// Whether two routers have been in one part all the time; `None` when nobody keeps account.
fn is_held(parts: Option<&[Option<usize>]>, from: usize, to: usize) -> bool {
    parts.is_none_or(|parts| parts.get(from) == parts.get(to))
}

/// Why a link that makes nothing of a frame does so.
pub(super) fn cause_on(link: &Link, is_silent: bool) -> &'static str {
    match (link.is_cut(), is_silent) {
        (true, _) => "link_cut",
        (false, true) => "link_silent",
        (false, false) => "link_chance",
    }
}
