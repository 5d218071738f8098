//! BGP neighbours that nobody names: who connects from the prefix of a `[[bgp.dynamic]]` is one.
//!
//! Owns [`Dynamic`], who has come. A neighbour that came has the session that a block of its own
//! would give it; it is forgotten when it was away for [`PATIENCE`] and nothing of it is kept for a
//! restart.
//!
//! *Invariants*: at most as many of a block as it says; whoever comes then is told that it is not
//! wanted (RFC 4486 §4). A `[[bgp.neighbor]]` goes before every prefix.
//! Who was there when the control plane failed is a neighbour of the next one at once, which waits
//! for it as for every other.

use super::bgp_link::scope_of;
use super::bgp_settings::{Neighbor, dynamic_of};
use super::plane::ControlPlane;
use super::report;
use crate::base::ids::PortId;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::{Duration, Instant};
use crate::proto::bgp::State;
use crate::proto::bgp::ribs::PeerId;
use core::net::{Ipv6Addr, SocketAddrV6};
use std::collections::{BTreeMap, BTreeSet};

/// How long a neighbour may be away before it is forgotten: longer than it takes to start a
/// daemon anew, shorter than anybody looks for it in a list.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// Who has come; one exists, in the control plane.
#[derive(Clone, Debug, Default)]
pub(super) struct Dynamic {
    /// With the time at which it is seen whether it is still there.
    neighbors: BTreeMap<Ipv6Addr, Instant>,
    /// Blocks of which it was said that they are full.
    full: BTreeSet<Ipv6Prefix>,
}

impl Dynamic {
    /// Everybody.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Ipv6Addr> + '_ {
        self.neighbors.keys().copied()
    }

    /// Those of a control plane before this one are expected back.
    pub(super) fn expect(&mut self, now: Instant, addresses: BTreeSet<Ipv6Addr>) {
        self.neighbors.extend(addresses.into_iter().map(|address| (address, now + PATIENCE)));
    }

    /// When somebody may have to be forgotten.
    pub(super) fn review_at(&self) -> Option<Instant> {
        self.neighbors.values().min().copied()
    }
}

impl ControlPlane {
    /// Somebody connected. Who is not known and comes from the right prefix is a neighbour from now
    /// on.
    pub(super) fn welcome(&mut self, now: Instant, remote: SocketAddrV6) {
        let address = *remote.ip();
        let of_link = |port: &PortId| scope_of(*port) == remote.scope_id();
        if let Some(port) = self.ports.keys().copied().find(of_link) {
            return self.router_heard(now, port, address);
        }
        let Some(bgp) = &self.config.bgp else { return };
        let is_known = |neighbor: &Neighbor| neighbor.id.address == Some(address);
        if self.bgp.neighbors().iter().any(is_known) {
            return;
        }
        let Some(block) = dynamic_of(bgp, address) else { return };
        let (prefix, most) = (block.prefix, usize::from(block.max_neighbors));
        let of_block =
            |other: &Ipv6Addr| dynamic_of(bgp, *other).is_some_and(|block| block.prefix == prefix);
        if self.bgp.dynamic.addresses().filter(of_block).count() >= most {
            if self.bgp.dynamic.full.insert(prefix) {
                let event = report::bgp_dynamic_full(now, prefix, most);
                self.event(event);
            }
            return;
        }
        self.bgp.dynamic.neighbors.insert(address, now + PATIENCE);
        self.review_bgp(now);
    }

    /// Forgets whom no block wants any more, or one of its own.
    pub(super) fn forget_unwanted(&mut self) {
        let Some(bgp) = &self.config.bgp else { return self.bgp.dynamic.neighbors.clear() };
        let is_named =
            |address: &Ipv6Addr| bgp.neighbors.iter().any(|other| other.address == Some(*address));
        self.bgp
            .dynamic
            .neighbors
            .retain(|address, _| !is_named(address) && dynamic_of(bgp, *address).is_some());
    }

    /// Those who are there.
    pub(super) fn dynamic_there(&self) -> BTreeSet<Ipv6Addr> {
        let came = self.bgp.dynamic.addresses();
        came.filter(|address| self.is_dynamic_there(*address)).collect()
    }

    /// Forgets who is gone.
    pub(super) fn review_dynamic(&mut self, now: Instant) {
        let due = self.bgp.dynamic.neighbors.iter().filter(|(_, at)| **at <= now);
        let due: Vec<Ipv6Addr> = due.map(|(address, _)| *address).collect();
        let mut is_gone = false;
        for address in due {
            if self.is_dynamic_there(address) {
                self.bgp.dynamic.neighbors.insert(address, now + PATIENCE);
            } else {
                self.bgp.dynamic.neighbors.remove(&address);
                self.bgp.dynamic.full.clear();
                is_gone = true;
            }
        }
        if is_gone {
            self.review_bgp(now);
        }
    }

    /// Whether a neighbour is connected, its routes are kept, or it is kept from connecting.
    fn is_dynamic_there(&self, address: Ipv6Addr) -> bool {
        let mut neighbors = self.bgp.neighbors().iter();
        let found = neighbors.find(|neighbor| neighbor.id.address == Some(address));
        let peer: Option<PeerId> = found.and_then(|neighbor| self.bgp.number(&neighbor.id));
        let Some((peer, speaker)) = peer.zip(self.bgp.speaker()) else { return false };
        let state = speaker.session(peer).map_or(State::Idle, |session| session.state());
        let is_held = speaker.held(peer).is_some();
        is_held || state.is_connected() || speaker.ribs().peer_counts(peer).received > 0
    }
}
