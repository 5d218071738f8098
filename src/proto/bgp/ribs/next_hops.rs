//! Next hops of paths, and whether and how far this router reaches them.
//!
//! Owns `NextHops`, one for each speaker. How a next hop is reached is found elsewhere and told
//! by value; here it is numbered, counted by reference, and remembered.
//!
//! *Invariants*: a next hop is known while an attribute set has it. Whoever resolves next hops is
//! told of the first set and of the last.
//! *Standards*: RFC 4271 §9.1.2.1 (a path whose next hop is not reachable is no candidate), RFC
//! 2545 §3 (a link-local next hop means something on its link only).

use super::limits::{NEXT_HOPS_MAX, NEXT_HOPS_PER_PEER_MAX, is_roomy};
use super::peer::PeerId;
use crate::base::ids::PortId;
use crate::wire::bgp::NextHop;
use std::collections::BTreeMap;

/// A next hop, by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NextHopId(pub(super) u32);

impl NextHopId {
    /// This router's own address, whichever the peer sees.
    pub(super) const OWN: Self = Self(0);

    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A next hop with the link that it is on, where it is of one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Gateway {
    /// Its addresses.
    pub next_hop: NextHop,
    /// The port, for one with a link-local address.
    pub port: Option<PortId>,
}

impl Gateway {
    /// The next hop that a peer on `port` has named.
    pub fn new(next_hop: NextHop, port: Option<PortId>) -> Self {
        Self { next_hop, port: port.filter(|_| next_hop.link_local.is_some()) }
    }
}

/// How this router reaches a next hop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Resolution {
    /// Nobody has said.
    #[default]
    Unknown,
    /// Not at all.
    Unreachable,
    /// At this cost of the interior protocol; zero on an own link.
    Reachable {
        /// The cost.
        cost: u32,
    },
}

#[derive(Clone, Debug)]
struct Entry {
    gateway: Gateway,
    references: u32,
    resolution: Resolution,
    /// Its cost when it was last reached.
    last_cost: Option<u32>,
    is_changed: bool,
    /// Who was the first to name it.
    owner: PeerId,
}

/// All next hops.
#[derive(Clone, Debug)]
pub(super) struct NextHops {
    entries: Vec<Option<Entry>>,
    numbers: BTreeMap<Gateway, NextHopId>,
    free: Vec<NextHopId>,
    /// How many each peer was the first to name.
    owned: BTreeMap<PeerId, usize>,
}

/// Whether a reference was the first or the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Edge {
    /// It was.
    Reached(Gateway),
    /// It was one of several.
    Between,
}

impl NextHops {
    pub(super) fn new() -> Self {
        let (numbers, owned) = (BTreeMap::new(), BTreeMap::new());
        Self { entries: vec![None], numbers, free: Vec::new(), owned }
    }

    /// The number of a next hop, with a reference for the caller; `None` where there are too many,
    /// or too many that `owner` named first. This router's own share is the table.
    pub(super) fn intern(&mut self, gateway: Gateway, owner: PeerId) -> Option<(NextHopId, Edge)> {
        if let Some(id) = self.numbers.get(&gateway).copied() {
            self.retain(id);
            return Some((id, Edge::Between));
        }
        let owned = self.owned.entry(owner).or_default();
        let share = if owner == PeerId::LOCAL { NEXT_HOPS_MAX } else { NEXT_HOPS_PER_PEER_MAX };
        if self.numbers.len() >= NEXT_HOPS_MAX || *owned >= share {
            return None;
        }
        *owned += 1;
        let entry = Entry {
            gateway,
            references: 1,
            resolution: Resolution::Unknown,
            last_cost: None,
            is_changed: false,
            owner,
        };
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            NextHopId(u32::try_from(self.entries.len() - 1).unwrap_or_else(|_| unreachable!()))
        });
        self.entries[id.index()] = Some(entry);
        self.numbers.insert(gateway, id);
        Some((id, Edge::Reached(gateway)))
    }

    pub(super) fn retain(&mut self, id: NextHopId) {
        if let Some(entry) = self.entries[id.index()].as_mut() {
            entry.references += 1;
        }
    }

    /// Takes a reference away.
    pub(super) fn release(&mut self, id: NextHopId) -> Edge {
        let Some(entry) = self.entries[id.index()].as_mut() else { return Edge::Between };
        entry.references -= 1;
        if entry.references > 0 {
            return Edge::Between;
        }
        let (gateway, owner) = (entry.gateway, entry.owner);
        if let Some(owned) = self.owned.get_mut(&owner) {
            *owned -= 1;
        }
        self.entries[id.index()] = None;
        self.numbers.remove(&gateway);
        self.free.push(id);
        Edge::Reached(gateway)
    }

    /// Whether a peer may name others that nobody has named.
    pub(super) fn is_roomy(&self, peer: PeerId) -> bool {
        let owned = self.owned.get(&peer).copied().unwrap_or(0);
        is_roomy(self.numbers.len(), NEXT_HOPS_MAX) && is_roomy(owned, NEXT_HOPS_PER_PEER_MAX)
    }

    /// Remembers how a next hop is reached; its number where that is news.
    pub(super) fn resolve(
        &mut self,
        gateway: Gateway,
        resolution: Resolution,
    ) -> Option<NextHopId> {
        let id = *self.numbers.get(&gateway)?;
        let entry = self.entries[id.index()].as_mut()?;
        if entry.resolution == resolution {
            return None;
        }
        entry.resolution = resolution;
        entry.is_changed = true;
        if let Resolution::Reachable { cost } = resolution {
            entry.last_cost = Some(cost);
        }
        Some(id)
    }

    /// The next hop of a number; `None` for this router's own address.
    pub(super) fn gateway(&self, id: NextHopId) -> Option<Gateway> {
        self.entries[id.index()].as_ref().map(|entry| entry.gateway)
    }

    /// Its cost, where it is reached. This router reaches itself.
    pub(super) fn cost(&self, id: NextHopId) -> Option<u32> {
        match self.entries[id.index()].as_ref().map(|entry| entry.resolution) {
            None => Some(0),
            Some(Resolution::Reachable { cost }) => Some(cost),
            Some(Resolution::Unknown | Resolution::Unreachable) => None,
        }
    }

    /// Its cost when it was last reached.
    pub(super) fn last_cost(&self, id: NextHopId) -> Option<u32> {
        self.entries[id.index()].as_ref().and_then(|entry| entry.last_cost)
    }

    /// Whether its resolution has changed since [`Self::settle`].
    pub(super) fn is_changed(&self, id: NextHopId) -> bool {
        self.entries[id.index()].as_ref().is_some_and(|entry| entry.is_changed)
    }

    /// All paths know.
    pub(super) fn settle(&mut self) {
        self.entries.iter_mut().flatten().for_each(|entry| entry.is_changed = false);
    }

    /// All of them with what is known, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Gateway, Resolution)> + '_ {
        let resolution = |id: &NextHopId| {
            self.entries[id.index()].as_ref().map_or(Resolution::Unknown, |entry| entry.resolution)
        };
        self.numbers.iter().map(move |(gateway, id)| (*gateway, resolution(id)))
    }
}
