//! Members of tenants in this cluster: what `proto::tenant` is told and what becomes of its wishes.
//!
//! Owns [`Membership`]: the machine, what it was told last, and the pseudowires that it wants.
//! Announcements go to OSPF and come from there; pseudowires become members of the overlay in the
//! next review.
//!
//! Every tenant that is active here is announced, also one that has static pseudowires beside.
//! Without a key of the cluster nobody is told and nobody is heard: ids and cookies follow from it.
//!
//! What fits a pseudowire is known before there is one: the least MTU of the fabric ports less what
//! frames to this router need. A way that leads out by another port counts with its own MTU as
//! well, when it is looked at (`plan`).
//!
//! *Invariants*: what the machine wants is carried out before the input that caused it is over.

use super::events;
use super::plan::{VLAN_OCTETS, has_tags};
use crate::base::ids::TenantId;
use crate::base::machine::Machine;
use crate::base::route::PortRole;
use crate::base::time::Instant;
use crate::config::schema::{Tenant, TenantEncapsulation, TenantUdpSum};
use crate::control::plane::ControlPlane;
use crate::fib::tunnel_header::{Carrier, L2TP_PORT, UdpSum};
use crate::proto::ospf::{self, OpaqueKind, OpaqueNews, OpaqueUpdate};
use crate::proto::tenant::{self, ClusterKey, Members, Pseudowire, PseudowireName};
use crate::proto::tenant::{Gone, Settings, TenantSettings, View};
use crate::wire::l2tp::{Sequencing, SessionId, Sublayer};
use crate::wire::ospf::{CookieLength, TenantCarrier, TenantFormat};
use std::collections::BTreeMap;

/// MTU where there is no port to look at.
const MTU_UNKNOWN: u16 = 1500;
/// IPv6, session id, Ethernet of the frame.
const OVERHEAD_LEAST: u16 = 40 + 4 + 14;
/// UDP, and the word of L2TP behind it.
const OVERHEAD_UDP: u16 = 8 + 4;

/// Members of this cluster; one exists, in [`super::Tenants`].
#[derive(Debug)]
pub(in crate::control) struct Membership {
    machine: Members,
    told: Option<Settings>,
    pub(super) pseudowires: BTreeMap<PseudowireName, Pseudowire>,
}

impl Membership {
    pub(super) fn new(seed: u64) -> Self {
        Self { machine: Members::new(seed), told: None, pseudowires: BTreeMap::new() }
    }

    /// When the machine wants to be woken.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.machine.next_deadline()
    }

    /// What the machine shows.
    pub(in crate::control) fn view(&self) -> View {
        self.machine.view()
    }

    /// What it counted.
    pub(in crate::control) const fn counters(&self) -> &tenant::Counters {
        self.machine.counters()
    }
}

/// What frames to this router have before them.
pub(super) fn format(tenant: &Tenant) -> TenantFormat {
    let carrier = match (tenant.encapsulation, tenant.udp_checksum) {
        (TenantEncapsulation::Ip, _) => TenantCarrier::Ip,
        (TenantEncapsulation::Udp, TenantUdpSum::Full) => TenantCarrier::Udp,
        (TenantEncapsulation::Udp, TenantUdpSum::Zero) => TenantCarrier::UdpZero,
    };
    let (sublayer, sequencing) = match tenant.sequencing {
        true => (Sublayer::Default, Sequencing::All),
        false => (Sublayer::None, Sequencing::None),
    };
    TenantFormat { carrier, cookie: CookieLength::Eight, sublayer, sequencing }
}

/// What carries frames of a format.
pub(super) const fn carrier(format: TenantFormat) -> Carrier {
    let sum = match format.carrier {
        TenantCarrier::Ip => return Carrier::Ip,
        TenantCarrier::Udp => UdpSum::Full,
        TenantCarrier::UdpZero => UdpSum::Zero,
    };
    Carrier::Udp { local_port: L2TP_PORT, remote_port: L2TP_PORT, sum }
}

/// Octets that a format takes of an outer packet.
fn overhead(format: TenantFormat) -> u16 {
    let udp = if carrier(format) == Carrier::Ip { 0 } else { OVERHEAD_UDP };
    let rest = format.cookie.octets() + format.sublayer.octets();
    OVERHEAD_LEAST + udp + u16::try_from(rest).unwrap_or(u16::MAX)
}

impl ControlPlane {
    /// Tells the machine who this router is and which tenants it has, where that is news.
    pub(super) fn tell_membership(&mut self, now: Instant) {
        let settings = self.membership_settings();
        if self.tenants.membership.told == settings {
            return;
        }
        let input = match &settings {
            Some(settings) => tenant::Input::Settings(Box::new(settings.clone())),
            None => tenant::Input::Leave,
        };
        self.tenants.membership.told = settings;
        self.tenants.membership.machine.handle(now, input);
        self.deliver_membership(now);
    }

    /// `None` where this router cannot be a member of anything.
    fn membership_settings(&self) -> Option<Settings> {
        if self.is_leaving || self.config.tenants.is_empty() {
            return None;
        }
        let cluster = self.config.cluster.as_ref()?;
        let key = ClusterKey::new(&cluster.secret.0)?;
        let mut settings = Settings::new(self.identity.router_id?, key, self.identity.loopback?);
        let outer = self.fabric_mtu();
        for tenant in self.config.tenants.iter().filter(|tenant| self.is_tenant_active(tenant)) {
            let format = format(tenant);
            let tag = if has_tags(tenant) { VLAN_OCTETS } else { 0 };
            let mtu = outer.saturating_sub(overhead(format)).saturating_sub(tag);
            settings.tenants.insert(TenantId(tenant.id), TenantSettings { mtu, format });
            let ids = tenant.pseudowires.iter().map(|it| SessionId::new(it.session_id));
            settings.taken.extend(ids.flatten());
        }
        Some(settings)
    }

    /// The largest packet that every fabric port carries.
    fn fabric_mtu(&self) -> u16 {
        let ports = || self.ports.values().filter(|port| port.role() != PortRole::Tenant);
        let fabric = ports().filter(|port| port.role() == PortRole::Fabric);
        let least = fabric.map(|port| port.mtu()).min();
        least.or_else(|| ports().map(|port| port.mtu()).min()).unwrap_or(MTU_UNKNOWN)
    }

    /// OSPF says what a router announces.
    pub(in crate::control) fn hear_membership(&mut self, now: Instant, update: OpaqueUpdate) {
        let OpaqueUpdate { kind: OpaqueKind::Membership, router_id, link_state_id, news } = update;
        let gone = |why| tenant::Input::Gone { router_id, link_state_id, why };
        let input = match news {
            OpaqueNews::Said(body) => tenant::Input::Said { router_id, link_state_id, body },
            OpaqueNews::Withdrawn => gone(Gone::Withdrawn),
            OpaqueNews::Unreachable => gone(Gone::Unreachable),
        };
        self.tenants.membership.machine.handle(now, input);
        self.deliver_membership(now);
    }

    /// Lets timers of the machine expire.
    pub(in crate::control) fn work_membership(&mut self, now: Instant) {
        if self.tenants.membership.next_deadline().is_some_and(|due| due <= now) {
            self.tenants.membership.machine.handle_timeout(now);
            self.deliver_membership(now);
        }
    }

    /// This router leaves: others tear their pseudowires down at once.
    pub(in crate::control) fn leave_membership(&mut self, now: Instant) {
        if self.tenants.membership.told.take().is_some() {
            self.tenants.membership.machine.handle(now, tenant::Input::Leave);
            self.deliver_membership(now);
        }
    }

    fn deliver_membership(&mut self, now: Instant) {
        while let Some(action) = self.tenants.membership.machine.poll_action() {
            let pseudowires = &mut self.tenants.membership.pseudowires;
            match action {
                tenant::Action::Announce(bodies) => {
                    let kind = OpaqueKind::Membership;
                    self.ospf.handle(now, ospf::Input::Opaque { kind, bodies });
                }
                tenant::Action::Up { name, pseudowire }
                | tenant::Action::Changed { name, pseudowire } => {
                    pseudowires.insert(name, *pseudowire);
                    self.tenants.note_members();
                }
                tenant::Action::Down { name, reason } => {
                    pseudowires.remove(&name);
                    self.tenants.note_members();
                    let tenant = self.tenant_name(name.tenant.0);
                    self.event(events::member_down(now, &tenant, name.remote, &reason));
                }
                tenant::Action::Notice(notice) => {
                    let id = match &notice {
                        tenant::Notice::Refused { tenant, .. } => *tenant,
                        tenant::Notice::Renumbered { name, .. } => Some(name.tenant),
                        tenant::Notice::TooManyTenants { .. } => None,
                    };
                    let tenant = id.map(|id| self.tenant_name(id.0));
                    self.event(events::membership_notice(now, tenant.as_deref(), &notice));
                }
            }
        }
    }
}
