//! One port: its interface, its neighbours, its own addresses.
//!
//! Owns [`NdPort`] and what happens when a port comes, changes or goes. Neighbours are handled in
//! [`super::solicit`] and [`super::receive`], own addresses in [`super::dad`], router
//! advertisements in [`super::advertise`].
//!
//! *Invariants*: a port without interface has no timers and no entries but static ones.
//! *Standards*: RFC 4861 §7.2.1 (groups to join), §7.2.6 (announcing a new MAC).

use super::action::Action;
use super::advertise::Advertiser;
use super::cache::{NdCache, NdEntry};
use super::dad::{AddressState, OwnAddress};
use super::input::NdInterface;
use super::limits::{
    ADDRESSES_PER_PORT_MAX, ANNOUNCEMENTS_MAX, ENTRIES_PER_PORT_MAX, FABRIC_ENTRIES_PER_PORT_MAX,
};
use super::outbox::{NdTimer, Outbox};
use crate::base::ids::{MacAddress, PortId};
use crate::wire::ipv6::{ALL_NODES, ALL_ROUTERS, solicited_node};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// A port; one exists for each that came up or has static entries.
#[derive(Clone, Debug)]
pub(super) struct NdPort {
    pub(super) id: PortId,
    /// `None` while it is down.
    pub(super) interface: Option<NdInterface>,
    pub(super) cache: NdCache,
    /// Own addresses and how far their probes are.
    pub(super) own: BTreeMap<Ipv6Addr, OwnAddress>,
    pub(super) advertiser: Advertiser,
    /// Rounds of unsolicited advertisements still to send.
    pub(super) announcements_left: u8,
    groups: BTreeSet<Ipv6Addr>,
}

impl NdPort {
    pub(super) fn new(id: PortId) -> Self {
        Self {
            id,
            interface: None,
            cache: NdCache::default(),
            own: BTreeMap::new(),
            advertiser: Advertiser::default(),
            announcements_left: 0,
            groups: BTreeSet::new(),
        }
    }

    /// The port is up, or something about it changed.
    pub(super) fn up(&mut self, out: &mut Outbox, mut interface: NdInterface) {
        let excess = interface.addresses.len().saturating_sub(ADDRESSES_PER_PORT_MAX);
        out.counters.addresses_refused += u64::try_from(excess).unwrap_or(u64::MAX);
        interface.addresses.truncate(ADDRESSES_PER_PORT_MAX);
        let before = self.interface.clone();
        if before.as_ref() == Some(&interface) {
            return;
        }
        self.withdraw_changed(out, &interface);
        self.interface = Some(interface.clone());
        if before.is_none() {
            self.groups.clear();
            self.announce_static(out);
        }
        for group in [ALL_NODES, ALL_ROUTERS] {
            self.join(out, group);
        }
        let id = self.id;
        self.own.retain(|address, _| {
            let is_kept = interface.addresses.contains(address);
            if !is_kept {
                out.timers.clear(NdTimer::Probe(id, *address));
            }
            is_kept
        });
        let state = match interface.is_optimistic {
            true => AddressState::Optimistic,
            false => AddressState::Tentative,
        };
        for address in &interface.addresses {
            if !self.own.contains_key(address) {
                self.forget(out, *address);
                self.join(out, solicited_node(*address));
                self.start_probing(out, *address, state);
            }
        }
        // RFC 4861 §7.2.6: a node whose link-layer address changed MAY tell all nodes.
        if before.as_ref().is_some_and(|before| before.mac != interface.mac) {
            self.announcements_left = ANNOUNCEMENTS_MAX;
            self.announce(out);
        }
        if before.is_none_or(|before| {
            before.advertise != interface.advertise
                || before.mac != interface.mac
                || before.addresses.first() != interface.addresses.first()
        }) {
            self.start_advertising(out);
        }
    }

    /// The port lost carrier or was closed.
    pub(super) fn down(&mut self, out: &mut Outbox) {
        self.interface = None;
        self.own.clear();
        self.announcements_left = 0;
        self.advertiser.stop();
        let id = self.id;
        out.timers.retain(|timer| timer.port() != id);
        for (address, entry) in self.cache.take_dynamic() {
            self.bury(out, address, entry);
        }
    }

    /// An entry from the configuration.
    pub(super) fn add_static(&mut self, out: &mut Outbox, address: Ipv6Addr, mac: MacAddress) {
        out.timers.clear(NdTimer::Entry(self.id, address));
        if self.cache.get(address).is_none() {
            self.create(out, address);
        }
        self.cache.make_static(address);
        self.want(out, address);
        self.record(out, address, mac);
    }

    /// An entry of the configuration is gone.
    pub(super) fn remove_static(&mut self, out: &mut Outbox, address: Ipv6Addr) {
        if self.cache.get(address).is_some_and(NdEntry::is_static) {
            self.forget(out, address);
        }
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_blank(&self) -> bool {
        self.interface.is_none() && self.cache.static_count() == 0
    }

    /// Ends an entry, whatever its state.
    pub(super) fn forget(&mut self, out: &mut Outbox, address: Ipv6Addr) {
        out.timers.clear(NdTimer::Entry(self.id, address));
        if let Some(entry) = self.cache.remove(address) {
            self.bury(out, address, entry);
        }
    }

    /// Tells that an entry is gone and what waited for it.
    pub(super) fn bury(&self, out: &mut Outbox, address: Ipv6Addr, mut entry: NdEntry) {
        let port = self.id;
        if entry.is_told() {
            out.actions.push_back(Action::Unresolved { port, address });
        }
        let packets: Vec<Vec<u8>> = entry.queue.drain().collect();
        if !packets.is_empty() {
            out.queued_packets -= packets.len();
            out.actions.push_back(Action::Unreachable { port, address, packets });
        }
    }

    /// Makes an incomplete entry; another may have to go for it.
    pub(super) fn create(&mut self, out: &mut Outbox, address: Ipv6Addr) {
        let limit = match self.is_fabric() {
            true => FABRIC_ENTRIES_PER_PORT_MAX,
            false => ENTRIES_PER_PORT_MAX,
        };
        if let Some((gone, entry)) = self.cache.create(out.now, address, limit) {
            self.evict(out, gone, &entry);
        }
    }

    /// Whether it is a cable between two routers.
    pub(super) fn is_fabric(&self) -> bool {
        self.interface.as_ref().is_some_and(|interface| interface.is_optimistic)
    }

    /// Gives up the entry that can best be spared.
    pub(super) fn shed(&mut self, out: &mut Outbox) {
        if let Some((gone, entry)) = self.cache.take_oldest() {
            self.evict(out, gone, &entry);
        }
    }

    /// Tells that an entry made room for another.
    fn evict(&self, out: &mut Outbox, gone: Ipv6Addr, entry: &NdEntry) {
        out.counters.entries_evicted += 1;
        out.timers.clear(NdTimer::Entry(self.id, gone));
        // Under a scan an ICMPv6 error for each would feed it: the packets are only counted.
        out.queued_packets -= entry.queue.len();
        out.counters.queue_evicted += u64::try_from(entry.queue.len()).unwrap_or(u64::MAX);
        if entry.is_told() {
            out.actions.push_back(Action::Unresolved { port: self.id, address: gone });
        }
    }

    /// Says the static entries again, for an owner that forgot them with the port.
    fn announce_static(&self, out: &mut Outbox) {
        for (address, entry) in self.cache.iter() {
            if let Some(mac) = entry.mac {
                out.actions.push_back(Action::Resolved { port: self.id, address, mac });
            }
        }
    }

    fn join(&mut self, out: &mut Outbox, group: Ipv6Addr) {
        if self.groups.insert(group) {
            out.actions.push_back(Action::JoinMulticast { port: self.id, group });
        }
    }
}
