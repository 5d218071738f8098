//! Router advertisements: when they are sent, what they say, and what others say instead.
//!
//! Owns [`Advertiser`]. Settings come from [`super::input::RaSettings`].
//!
//! *Invariants*: nothing is advertised before the link-local address passed its probe; two
//! advertisements to all nodes are at least three seconds apart, the final one aside.
//! *Standards*: RFC 4861 §6.2.1 to §6.2.7, RFC 4191 §2.3, RFC 4862 §5.5.3 e (withdrawn prefixes).
//! Deviations: solicitations are answered to all nodes, never to one; the final advertisement is
//! sent once and at once, for the process ends.

use super::action::Action;
use super::dad::AddressState;
use super::input::{NdInterface, RaSettings};
use super::limits::{
    ADVERTISED_MAX, ADVERTISEMENT_GAP, INCONSISTENCIES_MAX, INITIAL_ADVERTISEMENTS,
    INITIAL_INTERVAL_MAX, INTERVAL_MAX_LEAST, INTERVAL_MIN_LEAST, SOLICITED_DELAY_MAX,
    WITHDRAWN_VALID_TIME_S,
};
use super::outbox::{NdTimer, Outbox};
use super::port::NdPort;
use crate::base::ids::MacAddress;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::{Duration, Instant};
use crate::wire::ipv6::{ALL_NODES, is_link_local};
use crate::wire::nd::{
    NdMessage, NdOption, NdPacket, PrefixInformation, RouteInformation, RouterAdvertisement,
    RouterPreference,
};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// Octets of an advertisement without prefixes and routes: IPv6 header, message, MAC, MTU.
const FIXED_OCTETS: usize = 40 + 16 + 8 + 8;
/// Octets of the largest option that repeats.
const OPTION_OCTETS_MAX: usize = 32;

/// The advertising side of a port.
#[derive(Clone, Debug, Default)]
pub(super) struct Advertiser {
    /// Advertisements that still come fast.
    initial_left: u8,
    /// When all nodes were told last.
    last_sent: Option<Instant>,
    /// Prefixes and routes that are gone, and how often that is still to be said.
    withdrawn: BTreeMap<Withdrawn, u8>,
    /// Disagreements already told.
    told: BTreeSet<(Ipv6Addr, &'static str)>,
    /// The router leaves: no more advertisements.
    is_closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Withdrawn {
    Prefix(Ipv6Prefix),
    Route(Ipv6Prefix),
}

impl Advertiser {
    /// The port is down; what was said is forgotten, but not when.
    pub(super) fn stop(&mut self) {
        let (last_sent, is_closed) = (self.last_sent, self.is_closed);
        *self = Self { last_sent, is_closed, ..Self::default() };
    }
}

/// How an advertisement is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Farewell {
    No,
    Yes,
}

impl NdPort {
    /// The address routers speak from: link-local and past its probe.
    pub(super) fn router_source(&self) -> Option<Ipv6Addr> {
        let is_preferred = |address: &&Ipv6Addr| {
            is_link_local(address.to_bits())
                && self.own.get(address).is_some_and(|own| own.state == AddressState::Preferred)
        };
        self.interface.as_ref()?.addresses.iter().find(is_preferred).copied()
    }

    /// Whether advertisements are being sent.
    pub(super) fn is_advertising(&self) -> bool {
        let is_wanted = self.interface.as_ref().is_some_and(|port| port.advertise.is_some());
        is_wanted && !self.advertiser.is_closed && self.router_source().is_some()
    }

    /// The first advertisements, or the first after a change (RFC 4861 §6.2.4).
    pub(super) fn start_advertising(&mut self, out: &mut Outbox) {
        if !self.is_advertising() {
            out.timers.clear(NdTimer::Advertise(self.id));
            return;
        }
        self.advertiser.initial_left = INITIAL_ADVERTISEMENTS;
        out.timers.set(NdTimer::Advertise(self.id), self.advertiser.earliest(out.now));
    }

    /// Before the settings change: what is no longer offered is withdrawn.
    pub(super) fn withdraw_changed(&mut self, out: &mut Outbox, next: &NdInterface) {
        let before = self.interface.as_ref().and_then(|port| port.advertise.clone());
        let Some(before) = before else { return };
        let Some(after) = &next.advertise else {
            self.farewell(out);
            self.advertiser.withdrawn.clear();
            out.timers.clear(NdTimer::Advertise(self.id));
            return;
        };
        let withdrawn = &mut self.advertiser.withdrawn;
        let gone = |old: &[Ipv6Prefix], new: &[Ipv6Prefix]| -> Vec<Ipv6Prefix> {
            old.iter().filter(|prefix| !new.contains(prefix)).copied().collect()
        };
        for prefix in gone(&before.prefixes, &after.prefixes) {
            withdrawn.insert(Withdrawn::Prefix(prefix), INITIAL_ADVERTISEMENTS);
        }
        for prefix in gone(&before.routes, &after.routes) {
            withdrawn.insert(Withdrawn::Route(prefix), INITIAL_ADVERTISEMENTS);
        }
        withdrawn.retain(|what, _| match what {
            Withdrawn::Prefix(prefix) => !after.prefixes.contains(prefix),
            Withdrawn::Route(prefix) => !after.routes.contains(prefix),
        });
        while withdrawn.len() > ADVERTISED_MAX {
            withdrawn.pop_first();
        }
    }

    /// The router leaves (RFC 4861 §6.2.5): lifetime 0, then silence.
    pub(super) fn shut_down(&mut self, out: &mut Outbox) {
        self.farewell(out);
        self.advertiser.is_closed = true;
        out.timers.clear(NdTimer::Advertise(self.id));
    }

    fn farewell(&mut self, out: &mut Outbox) {
        if self.is_advertising() && self.advertiser.last_sent.is_some() {
            self.send_advertisements(out, Farewell::Yes);
        }
    }

    /// A host asks (RFC 4861 §6.2.6).
    pub(super) fn answer_router_solicitation(&mut self, out: &mut Outbox) {
        if !self.is_advertising() {
            out.counters.not_advertising += 1;
            return;
        }
        let wait = out.prng.between(Duration::ZERO, SOLICITED_DELAY_MAX);
        let due = self.advertiser.earliest(out.now) + wait;
        let timer = NdTimer::Advertise(self.id);
        if out.timers.deadline(timer).is_none_or(|planned| due < planned) {
            out.timers.set(timer, due);
        }
    }

    /// The next advertisement is due.
    pub(super) fn advertise_timeout(&mut self, out: &mut Outbox) {
        if !self.is_advertising() {
            return;
        }
        self.send_advertisements(out, Farewell::No);
        self.advertiser.last_sent = Some(out.now);
        self.advertiser.withdrawn.retain(|_, left| {
            *left = left.saturating_sub(1);
            *left > 0
        });
        let Some(settings) = self.interface.as_ref().and_then(|port| port.advertise.as_ref())
        else {
            return;
        };
        let longest = settings.interval_max.max(INTERVAL_MAX_LEAST);
        let shortest = settings.interval_min.clamp(INTERVAL_MIN_LEAST, longest * 3 / 4);
        let mut interval = out.prng.between(shortest, longest);
        self.advertiser.initial_left = self.advertiser.initial_left.saturating_sub(1);
        if self.advertiser.initial_left > 0 {
            interval = interval.min(INITIAL_INTERVAL_MAX);
        }
        out.after(NdTimer::Advertise(self.id), interval);
    }

    /// One advertisement, or more where the options do not fit the MTU (RFC 4861 §6.2.3).
    fn send_advertisements(&self, out: &mut Outbox, farewell: Farewell) {
        let (Some(interface), Some(source)) = (&self.interface, self.router_source()) else {
            return;
        };
        let Some(settings) = &interface.advertise else { return };
        let options = repeating_options(settings, &self.advertiser.withdrawn, farewell);
        let room = usize::from(interface.mtu).saturating_sub(FIXED_OCTETS) / OPTION_OCTETS_MAX;
        let mut parts: Vec<&[NdOption]> = options.chunks(room.max(1)).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        for part in parts {
            let mut options = vec![NdOption::SourceLinkLayer(interface.mac)];
            options.extend(settings.mtu.map(|mtu| NdOption::Mtu(u32::from(mtu))));
            options.extend_from_slice(part);
            let message = RouterAdvertisement {
                hop_limit: settings.hop_limit,
                lifetime_s: if farewell == Farewell::Yes { 0 } else { lifetime_s(settings) },
                options,
                ..RouterAdvertisement::default()
            };
            let message = NdMessage::RouterAdvertisement(message);
            let packet = NdPacket { source, destination: ALL_NODES, message };
            out.send(self.id, MacAddress::for_multicast(ALL_NODES), &packet);
        }
    }

    /// Compares another router's advertisement with the own one (RFC 4861 §6.2.7).
    pub(super) fn compare_advertisement(
        &mut self,
        out: &mut Outbox,
        router: Ipv6Addr,
        theirs: &RouterAdvertisement,
    ) {
        let ours = self.interface.as_ref().and_then(|port| port.advertise.as_ref());
        // Who is no default router says nothing that hosts could get in two ways.
        let Some(ours) = ours.filter(|ours| !ours.lifetime.is_zero()) else { return };
        for field in disagreements(ours, theirs) {
            out.counters.inconsistent += 1;
            let told = &mut self.advertiser.told;
            if told.len() < INCONSISTENCIES_MAX && told.insert((router, field)) {
                out.actions.push_back(Action::Inconsistent { port: self.id, router, field });
            }
        }
    }
}

impl Advertiser {
    /// When all nodes may be told again.
    fn earliest(&self, now: Instant) -> Instant {
        self.last_sent.map_or(now, |last| now.max(last + ADVERTISEMENT_GAP))
    }
}

fn lifetime_s(settings: &RaSettings) -> u16 {
    u16::try_from(settings.lifetime.as_secs()).unwrap_or(u16::MAX)
}

fn seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

/// Prefixes and routes, then what is withdrawn.
fn repeating_options(
    settings: &RaSettings,
    withdrawn: &BTreeMap<Withdrawn, u8>,
    farewell: Farewell,
) -> Vec<NdOption> {
    let prefix = |prefix: Ipv6Prefix, valid_lifetime_s, preferred_lifetime_s| {
        NdOption::Prefix(PrefixInformation {
            prefix,
            is_on_link: true,
            is_autonomous: true,
            valid_lifetime_s,
            preferred_lifetime_s,
        })
    };
    let route = |prefix: Ipv6Prefix, lifetime_s| {
        let preference = RouterPreference::Medium;
        NdOption::Route(RouteInformation { prefix, preference, lifetime_s })
    };
    let (valid, preferred) =
        (seconds(settings.valid_lifetime), seconds(settings.preferred_lifetime));
    let route_lifetime_s =
        if farewell == Farewell::Yes { 0 } else { u32::from(lifetime_s(settings)) };
    let prefixes = settings.prefixes.iter().take(ADVERTISED_MAX);
    let routes = settings.routes.iter().take(ADVERTISED_MAX);
    prefixes
        .map(|offered| prefix(*offered, valid, preferred.min(valid)))
        .chain(routes.map(|offered| route(*offered, route_lifetime_s)))
        .chain(withdrawn.keys().map(|gone| match gone {
            Withdrawn::Prefix(gone) => prefix(*gone, valid.min(WITHDRAWN_VALID_TIME_S), 0),
            Withdrawn::Route(gone) => route(*gone, 0),
        }))
        .collect()
}

/// The fields of RFC 4861 §6.2.7 in which two routers of a link disagree; what either leaves
/// unsaid is no disagreement.
fn disagreements(ours: &RaSettings, theirs: &RouterAdvertisement) -> Vec<&'static str> {
    let mut fields = Vec::new();
    let mut note = |differs: bool, field: &'static str| {
        if differs && !fields.contains(&field) {
            fields.push(field);
        }
    };
    let both_say = theirs.hop_limit != 0 && ours.hop_limit != 0;
    note(both_say && theirs.hop_limit != ours.hop_limit, "hop limit");
    note(theirs.is_managed, "managed flag");
    note(theirs.has_other, "other flag");
    for option in &theirs.options {
        match option {
            NdOption::Mtu(mtu) => {
                note(ours.mtu.is_some_and(|own| u32::from(own) != *mtu), "mtu");
            }
            NdOption::Prefix(prefix) if ours.prefixes.contains(&prefix.prefix) => {
                let (valid, preferred) =
                    (seconds(ours.valid_lifetime), seconds(ours.preferred_lifetime));
                note(prefix.valid_lifetime_s != valid, "valid lifetime");
                note(prefix.preferred_lifetime_s != preferred.min(valid), "preferred lifetime");
            }
            _ => {}
        }
    }
    fields
}
