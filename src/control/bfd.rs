//! BFD sessions as the control plane wants them, and what follows from them.
//!
//! Owns [`BfdClients`], a client for each port that has or had a neighbour, and the meeting of OSPF
//! and BFD; that of BGP and BFD is `bgp_watch`'s. OSPF finds a neighbour, a session with it is
//! wanted; the session fails, OSPF hears of it. Sessions run on the workers (`dataplane::bfd`),
//! which have moved packets to other next hops by then.
//!
//! A session is wanted as soon as a hello was heard. It ends when the neighbour is gone for another
//! reason than BFD, or with the port; one that failed stays, so that it can come back. When OSPF
//! hears a neighbour again though its session failed, the neighbour runs without BFD, and what the
//! session knew is forgotten.
//!
//! *Invariants*: what is wanted of a port was ordered; an order that would say nothing new is not
//! given. A new control plane asks the workers for all sessions and adopts them: those of
//! neighbours that it does not hear for a dead interval end.
//! *Standards*: RFC 5882 §3.2 (AdminDown), §4.1 (when sessions are made), §4.2 and §4.3 (what
//! follows), RFC 5881 §6 (the address of a session).

use super::action::Action;
use super::plane::ControlPlane;
use super::report;
use crate::base::ids::{MacAddress, PortId};
use crate::base::machine::Machine;
use crate::base::route::PortRole;
use crate::base::time::Instant;
use crate::config::{BfdAuth, BfdSettings};
use crate::proto::bfd::{Key, KeyKind, Order, Report, Settings, View, Wanted};
use crate::proto::ospf::{self, BfdVerdict, NeighborChange, NeighborState};
use crate::wire::bfd::{Diagnostic, DigestKind, State};
use core::net::Ipv6Addr;
use std::collections::BTreeMap;

/// What is wanted and known of the session of one port.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub neighbor: Ipv6Addr,
    /// What was ordered last; `None` for one that was adopted.
    wanted: Option<Wanted>,
    /// What the worker said last.
    pub view: Option<View>,
    /// When it ends unless its neighbour is heard.
    ends_at: Option<Instant>,
}

/// How often sessions of a port went down from Up, and the last time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Falls {
    pub count: u64,
    pub last: Option<(Instant, Diagnostic)>,
}

/// The clients by port; at most one a port.
#[derive(Clone, Debug, Default)]
pub(super) struct BfdClients {
    pub clients: BTreeMap<PortId, Client>,
    /// Discriminators of sessions that were ended: reports that were under way are not heard.
    ended: BTreeMap<PortId, u32>,
    /// What became of sessions of a port, those that ended included.
    pub falls: BTreeMap<PortId, Falls>,
    /// Who spoke OSPF last on a port.
    speakers: BTreeMap<PortId, (Ipv6Addr, MacAddress)>,
}

impl BfdClients {
    /// Who spoke OSPF on a port just now.
    pub(super) fn note_speaker(&mut self, port: PortId, address: Ipv6Addr, mac: MacAddress) {
        self.speakers.insert(port, (address, mac));
    }

    /// A port is gone, and with it everything that happened there. Reports that are under way are
    /// of sessions that ended.
    pub(super) fn forget(&mut self, port: PortId) {
        self.speakers.remove(&port);
        self.falls.remove(&port);
    }

    /// When an adopted session ends.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.clients.values().filter_map(|client| client.ends_at).min()
    }

    /// Whether the session with a neighbour failed.
    fn has_failed(&self, port: PortId, neighbor: Ipv6Addr) -> bool {
        let client = self.clients.get(&port).filter(|client| client.neighbor == neighbor);
        client.and_then(|client| client.view).is_some_and(|view| view.is_failed)
    }
}

/// How a session shall run, and from which address its packets go.
#[derive(Clone, Copy, Debug)]
pub(super) struct SettingsFrom {
    pub settings: Settings,
    pub local: Ipv6Addr,
}

impl ControlPlane {
    fn order(&mut self, order: Order) {
        self.actions.push_back(Action::Bfd(order));
    }

    /// How the session with a neighbour shall run; `None` where there shall be none.
    fn bfd_of(&self, port: PortId, neighbor: Ipv6Addr) -> Option<SettingsFrom> {
        match self.bfd_settings(port) {
            Some(settings) => {
                Some(SettingsFrom { settings, local: self.ports.get(&port)?.link_local() })
            }
            None => self.bgp_bfd_settings(port, neighbor),
        }
    }

    /// How the session of a fabric port shall run; `None` where there shall be none.
    fn bfd_settings(&self, port: PortId) -> Option<Settings> {
        let state = self.ports.get(&port)?;
        let (bfd, settings) = (&self.config.bfd, &state.attached.settings);
        let is_wanted = state.role() == PortRole::Fabric
            && state.has_ospf
            && state.is_up
            && settings.bfd.enabled.unwrap_or(bfd.enabled);
        let interval = settings.bfd.interval.unwrap_or(bfd.interval);
        is_wanted.then(|| Settings {
            is_enabled: true,
            desired_min_tx: interval,
            required_min_rx: interval,
            multiplier: bfd.multiplier,
            key: key_of(bfd),
        })
    }

    /// Whether a neighbour on this port would get a session.
    pub(super) fn is_bfd_wanted(&self, port: PortId) -> bool {
        self.bfd_settings(port).is_some() || self.is_bgp_watched(port)
    }

    /// The MAC of a neighbour: that of the frame that said hello, or what ND knows.
    fn bfd_mac(&self, port: PortId, neighbor: Ipv6Addr) -> Option<MacAddress> {
        let speaker = self.bfd.speakers.get(&port).filter(|(address, _)| *address == neighbor);
        speaker.map(|(_, mac)| *mac).or_else(|| self.nd.mac_of(port, neighbor))
    }

    /// There shall be a session with this neighbour, where the configuration has it.
    pub(super) fn want_bfd(&mut self, port: PortId, neighbor: Ipv6Addr) {
        if self.is_leaving {
            return;
        }
        let Some(SettingsFrom { settings, local }) = self.bfd_of(port, neighbor) else {
            return self.end_bfd(port);
        };
        let client = self.bfd.clients.get(&port).filter(|client| client.neighbor == neighbor);
        let before = client.and_then(|client| client.wanted);
        let view = client.and_then(|client| client.view);
        let known = before.map(|before| before.mac).filter(|_| view.is_some());
        let Some(mac) = known.or_else(|| self.bfd_mac(port, neighbor)) else { return };
        let wanted = Wanted { port, local, neighbor, mac, settings };
        let client = Client { neighbor, wanted: Some(wanted), view, ends_at: None };
        self.bfd.clients.insert(port, client);
        if before != Some(wanted) {
            self.order(Order::Want(wanted));
        }
    }

    /// There shall be no session on a port.
    pub(super) fn end_bfd(&mut self, port: PortId) {
        if let Some(client) = self.bfd.clients.remove(&port) {
            self.bfd.ended.extend(client.view.map(|view| (port, view.discriminator)));
            self.rib.set_port_failed(port, false);
            self.order(Order::End { port });
        }
    }

    /// Ports or the configuration changed: sessions go on as they shall from now on.
    pub(super) fn tell_bfd(&mut self, now: Instant) {
        let clients: Vec<(PortId, Ipv6Addr)> =
            self.bfd.clients.iter().map(|(port, client)| (*port, client.neighbor)).collect();
        for (port, neighbor) in clients {
            let was_failed = self.bfd.has_failed(port, neighbor);
            if self.bfd_of(port, neighbor).is_none() {
                self.end_bfd(port);
                // Nobody says any more that the way does not work.
                if was_failed {
                    self.tell_ospf_of_bfd(now, port, BfdVerdict::Alive);
                }
            } else {
                self.want_bfd(port, neighbor);
            }
        }
        let neighbors: Vec<(PortId, Ipv6Addr)> = self.ospf_neighbors.keys().copied().collect();
        for (port, neighbor) in neighbors {
            if !self.bfd.clients.contains_key(&port) {
                self.want_bfd(port, neighbor);
            }
        }
    }

    /// OSPF found or lost a neighbour.
    pub(super) fn bfd_neighbor_changed(&mut self, change: &NeighborChange) {
        let (port, neighbor) = (change.port, change.address);
        if change.to == NeighborState::Down {
            let is_ours = self.bfd.clients.get(&port).is_some_and(|c| c.neighbor == neighbor);
            // One that failed can only come back while it goes on.
            if is_ours && !self.bfd.has_failed(port, neighbor) && !self.is_leaving {
                self.end_bfd(port);
            }
        } else if change.from == NeighborState::Down {
            if self.bfd.has_failed(port, neighbor) {
                self.renew_bfd(port);
            }
            self.want_bfd(port, neighbor);
        }
    }

    /// OSPF was told to take a neighbour whose session failed: it runs without BFD.
    fn renew_bfd(&mut self, port: PortId) {
        let Some(client) = self.bfd.clients.get_mut(&port) else { return };
        let view = client.view.take();
        self.bfd.ended.extend(view.map(|view| (port, view.discriminator)));
        self.rib.set_port_failed(port, false);
        match client.wanted {
            Some(wanted) => self.order(Order::Renew(wanted)),
            None => self.end_bfd(port),
        }
    }

    /// A neighbour speaks from another address: its session is another one.
    pub(super) fn bfd_neighbor_moved(&mut self, port: PortId, to: Ipv6Addr) {
        self.end_bfd(port);
        self.want_bfd(port, to);
    }

    /// A worker says how a session is.
    pub(super) fn bfd_report(&mut self, now: Instant, report: &Report) {
        let Report { port, neighbor, view } = *report;
        let is_wanted = self.bfd_of(port, neighbor).is_some();
        // A BGP neighbour is heard when its session is up again.
        let silence = match (neighbor.is_unicast_link_local(), &self.config.bgp) {
            (false, Some(bgp)) => bgp.restart_time,
            _ => self.config.ospf.dead_interval,
        };
        if self.bfd.ended.get(&port) == Some(&view.discriminator) {
            return;
        }
        let client = match self.bfd.clients.get_mut(&port) {
            Some(client) if client.neighbor == neighbor => client,
            // Of a session that was ended since.
            Some(_) => return,
            None if self.is_leaving => return,
            None if !is_wanted => return self.order(Order::End { port }),
            None => {
                let ends_at = Some(now + silence);
                let client = Client { neighbor, wanted: None, view: None, ends_at };
                self.bfd.clients.entry(port).or_insert(client)
            }
        };
        let is_adopted = client.wanted.is_none();
        let before = client.view.replace(view);
        // What is not on a cable may have others beside it.
        if neighbor.is_unicast_link_local() {
            self.rib.set_port_failed(port, view.is_failed);
        }
        let first = if is_adopted { view.state } else { State::Down };
        let from = before.map_or(first, |before| before.state);
        if from != view.state {
            let event = report::bfd_changed(now, report, from, &self.ports);
            self.event(event);
            if from == State::Up {
                let falls = self.bfd.falls.entry(port).or_default();
                falls.count += 1;
                falls.last = Some((now, view.diagnostic));
            }
        }
        let verdict = |view: &View| match (view.is_failed, view.is_silent) {
            (false, _) => BfdVerdict::Alive,
            (true, false) => BfdVerdict::Failed,
            (true, true) => BfdVerdict::Silent,
        };
        let was = before.as_ref().map_or(BfdVerdict::Alive, verdict);
        if was != verdict(&view) {
            self.tell_ospf_of_bfd(now, port, verdict(&view));
        }
        if view.is_failed && before.is_none_or(|before| !before.is_failed) {
            self.bgp_way_failed(now, port, neighbor);
        }
    }

    fn tell_ospf_of_bfd(&mut self, now: Instant, port: PortId, verdict: BfdVerdict) {
        self.ospf.handle(now, ospf::Input::Bfd { port, verdict });
    }

    /// Adopted sessions whose neighbours were not heard end.
    pub(super) fn expire_bfd(&mut self, now: Instant) {
        let is_over = |client: &Client| client.ends_at.is_some_and(|at| at <= now);
        let clients = self.bfd.clients.iter().filter(|(_, client)| is_over(client));
        let ports: Vec<PortId> = clients.map(|(port, _)| *port).collect();
        for port in ports {
            let client = self.bfd.clients.get_mut(&port);
            let Some(client) = client else { continue };
            client.ends_at = None;
            // The neighbour may be held back because of it.
            if !client.view.is_some_and(|view| view.is_failed) {
                self.end_bfd(port);
            }
        }
    }

    /// The router leaves: neighbours hear that it is no failure.
    pub(super) fn leave_bfd(&mut self) {
        self.order(Order::Leave);
    }

    /// A control plane before this one failed; its sessions live.
    pub(super) fn adopt_bfd(&mut self) {
        self.order(Order::Describe);
    }
}

/// The key of the configuration.
fn key_of(bfd: &BfdSettings) -> Option<Key> {
    let kind = match bfd.auth {
        BfdAuth::None => return None,
        BfdAuth::SimplePassword => KeyKind::SimplePassword,
        BfdAuth::KeyedMd5 => KeyKind::Digest(DigestKind::KeyedMd5),
        BfdAuth::MeticulousKeyedMd5 => KeyKind::Digest(DigestKind::MeticulousKeyedMd5),
        BfdAuth::KeyedSha1 => KeyKind::Digest(DigestKind::KeyedSha1),
        BfdAuth::MeticulousKeyedSha1 => KeyKind::Digest(DigestKind::MeticulousKeyedSha1),
    };
    Key::new(kind, bfd.key_id, &bfd.secret.0)
}
