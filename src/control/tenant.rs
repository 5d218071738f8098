//! Tenants: which segments this router has, who is in them, and what the data plane is told.
//!
//! Owns [`Tenants`]: the numbers of members (`numbers`), what they shall be (`plan`), which are
//! blocked, and the overlay that follows. A tenant is active where one of its ports is; its
//! pseudowires exist only there. Frames and MACs are the workers'.
//!
//! A review compares what shall be with what is. It follows whatever may change the outcome:
//! configuration, ports, carrier, a block that ends, and a new world, whose routes say whether and
//! with which MTU peers are reached. A world that comes soon after the last one waits
//! ([`WORLD_GAP`]): while a table comes in there are many, and nothing is lost, because packets to
//! a peer without a route are dropped where they are.
//!
//! A MAC that moves between two members again and again is the sign of a loop in the tenant's own
//! wiring. The port where it was heard last is blocked; a pseudowire is not, since the loop is
//! behind the router at its other end, which has the port. The block ends by itself, and is longer
//! when the loop is still there.
//!
//! *Invariants*: an overlay is set only when it differs from the last one. A member that ceases to
//! forward is flushed, so that its MACs are looked for elsewhere.
//! *Standards*: RFC 7432 §15.1 (MACs that move too often).

mod events;
mod members;
mod numbers;
mod plan;

use super::action::Action;
use super::plane::ControlPlane;
use crate::api::show_tenant::TenantCleared;
use crate::base::ids::{DomainId, MacAddress, MemberId};
use crate::base::time::{Duration, Instant};
use crate::config::schema::Tenant;
use crate::fib::Overlay;
use crate::fib::bridge_table::MemberState;
use crate::fib::overlay::{MemberOptions, OverlayBuilder, OverlayError, Sequences};
use members::Membership;
use numbers::Numbers;
pub use numbers::{MemberKey, TenantNumbers};
use plan::Wanted;
pub(super) use plan::{Body, Obstacle};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The least time between two reviews that only a new world asks for.
const WORLD_GAP: Duration = Duration::from_millis(100);
/// The least time between two reviews that only members of the cluster ask for: they come by the
/// hundred when OSPF finds its neighbours. Cookies are accepted long before anybody uses them
/// (`ROTATION_LEAD` of `proto::tenant`).
const MEMBERS_GAP: Duration = Duration::from_millis(20);
/// How long a port is blocked for a loop at first, and at most: long enough for somebody who pulls
/// a cable to see what it was, short enough for a mistake that is over.
const BLOCK_TIME: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(480));
/// Events of members that one review tells of one by one; of more only the count.
const MEMBER_EVENTS_MAX: usize = 32;

/// A member as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MemberView {
    pub id: MemberId,
    pub domain: DomainId,
    pub wanted: Wanted,
    /// Since when it forwards or does not.
    pub since: Instant,
}

/// A port that is blocked, or was not long ago.
#[derive(Clone, Copy, Debug)]
struct Block {
    until: Instant,
    span: Duration,
}

/// All tenants of the router; one exists, in the control plane.
#[derive(Debug)]
pub(super) struct Tenants {
    numbers: Numbers,
    /// Empty until there is a member.
    sequences: Arc<Sequences>,
    /// As of the last review, by key.
    members: BTreeMap<MemberKey, MemberView>,
    blocks: BTreeMap<MemberKey, Block>,
    testament: Arc<TenantNumbers>,
    pub(super) membership: Membership,
    /// Something changed that a review must see.
    is_stale: bool,
    /// A new world, which a review must see before long.
    is_world_new: bool,
    /// Members of the cluster came, went or changed, which a review must see soon.
    are_members_new: bool,
    reviewed_at: Instant,
    /// Members for which there were no numbers, at the last review.
    refused_count: usize,
    /// What the data plane has comes from another control plane.
    is_inherited: bool,
}

impl Tenants {
    /// No tenants; `seed` begins the epochs of cookies.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            numbers: Numbers::default(),
            sequences: Arc::default(),
            members: BTreeMap::new(),
            blocks: BTreeMap::new(),
            testament: Arc::default(),
            membership: Membership::new(seed),
            is_stale: false,
            is_world_new: false,
            are_members_new: false,
            reviewed_at: Instant::ZERO,
            refused_count: 0,
            is_inherited: false,
        }
    }

    /// The next review looks at everything.
    pub(super) const fn note_change(&mut self) {
        self.is_stale = true;
    }

    /// Members of the cluster came, went or changed; many do at once.
    pub(super) fn note_members(&mut self) {
        self.are_members_new = true;
    }

    /// A world was published.
    pub(super) fn note_world(&mut self, epoch: u64) {
        self.numbers.published(epoch);
        self.is_world_new |= !self.members.is_empty();
    }

    /// When a review is due, if nothing happens.
    fn review_deadline(&self) -> Option<Instant> {
        let world = self.is_world_new.then(|| self.reviewed_at + WORLD_GAP);
        let blocks = self.blocks.values().map(|block| block.until);
        let ends = blocks.filter(|until| *until > self.reviewed_at);
        let members = self.are_members_new.then(|| self.reviewed_at + MEMBERS_GAP);
        ends.chain(world).chain(members).min()
    }

    fn is_due(&self, now: Instant) -> bool {
        self.is_stale || self.review_deadline().is_some_and(|due| due <= now)
    }

    /// What of the numbers outlives this control plane.
    pub(super) fn testament(&self) -> Arc<TenantNumbers> {
        Arc::clone(&self.testament)
    }

    /// The members, by key.
    pub(super) fn members(&self) -> impl Iterator<Item = &MemberView> {
        self.members.values()
    }

    /// The member of this number.
    pub(super) fn member(&self, id: MemberId) -> Option<&MemberView> {
        self.members.get(self.numbers.key_of(id)?)
    }

    /// Until when a member is blocked.
    fn block_of(&self, now: Instant, key: &MemberKey) -> Option<Obstacle> {
        let block = self.blocks.get(key).filter(|block| block.until > now)?;
        Some(Obstacle::Loop(block.until))
    }

    /// Blocks a member from now on; the time.
    fn block(&mut self, now: Instant, key: &MemberKey) -> Duration {
        let (shortest, longest) = BLOCK_TIME;
        // A loop that comes back within the time that it was blocked for has not gone.
        let again = self.blocks.get(key).filter(|block| now < block.until + block.span);
        let span = again.map_or(shortest, |block| (block.span * 2).min(longest));
        self.blocks.insert(key.clone(), Block { until: now + span, span });
        self.is_stale = true;
        span
    }

    /// Puts together what the data plane is told.
    fn build(&self) -> Result<Overlay, OverlayError> {
        let mut builder = OverlayBuilder::default();
        let views = self.members.values();
        // The data plane would not know whose a packet of a session is that two have.
        let are_known = |view: &&MemberView| view.wanted.obstacle != Some(Obstacle::Session);
        for MemberView { id, domain, wanted, .. } in views.filter(are_known) {
            match &wanted.body {
                Body::Circuit(circuit) => {
                    builder.circuit(*id, *domain, circuit, wanted.options)?;
                }
                Body::Pseudowire(ends) => {
                    builder.pseudowire(*id, *domain, ends, wanted.options)?;
                }
            }
        }
        builder.build(Arc::clone(&self.sequences))
    }
}

/// What the overlay is made from, of one member.
fn essence(view: &MemberView) -> (MemberId, DomainId, &Body, &MemberOptions) {
    (view.id, view.domain, &view.wanted.body, &view.wanted.options)
}

impl ControlPlane {
    /// Goes on with the members of a control plane that failed; until the first review the data
    /// plane has what it had.
    pub(super) fn inherit_tenants(&mut self, numbers: &TenantNumbers, overlay: Arc<Overlay>) {
        self.tenants.numbers.inherit(numbers);
        self.tenants.testament = Arc::new(numbers.clone());
        self.tenants.sequences = Arc::clone(&overlay.sequences);
        self.tenants.is_inherited = true;
        self.rib.set_overlay(overlay);
    }

    /// Whether one of a tenant's ports is here.
    pub(super) fn is_tenant_active(&self, tenant: &Tenant) -> bool {
        tenant.ports.iter().any(|entry| self.port_named(&entry.port).is_some())
    }

    /// What shall be in the segments, by key.
    fn wanted_members(&self, now: Instant) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        for tenant in self.config.tenants.iter().filter(|tenant| self.is_tenant_active(tenant)) {
            for entry in &tenant.ports {
                let found = self.port_named(&entry.port).and_then(|port| self.ports.get(&port));
                let Some(port) = found else { continue };
                let member = plan::circuit(tenant, entry.vlan, port.id(), port.mtu());
                let carrier = (!port.is_up).then_some(Obstacle::Carrier);
                let block = self.tenants.block_of(now, &member.key);
                let name = entry.to_string();
                wanted.push(Wanted { name, ..member.hindered(carrier).hindered(block) });
            }
            for settings in &tenant.pseudowires {
                let local = settings.local_address.or(self.identity.loopback);
                let Some(local) = local else { continue };
                wanted.push(plan::pseudowire(tenant, settings, local, &self.world));
            }
        }
        for (name, told) in &self.tenants.membership.pseudowires {
            let mut tenants = self.config.tenants.iter();
            if let Some(tenant) = tenants.find(|tenant| tenant.id == name.tenant.0) {
                wanted.push(plan::remote(tenant, *name, told, &self.world));
            }
        }
        without_twins(wanted)
    }

    /// Without a world nothing is known of ways; the one that is read stays until then. So it does
    /// until OSPF has found the members again that a failed control plane knew.
    fn is_early_for_tenants(&self) -> bool {
        self.world.epoch == 0
            || self.tenants.is_inherited
                && self.inheritance.is_some()
                && self.tenants.numbers.has_remotes()
    }

    /// When tenants have something to do at the latest.
    pub(super) fn tenants_deadline(&self) -> Option<Instant> {
        let review = self.tenants.review_deadline().filter(|_| !self.is_early_for_tenants());
        review.into_iter().chain(self.tenants.membership.next_deadline()).min()
    }

    /// Brings the segments up to date where something may have changed; at the end of every input.
    pub(super) fn review_tenants(&mut self, now: Instant) {
        if self.is_leaving {
            return;
        }
        if self.tenants.is_stale {
            self.tell_membership(now);
        }
        if self.is_early_for_tenants() || !self.tenants.is_due(now) {
            return;
        }
        self.tenants.is_stale = false;
        self.tenants.is_world_new = false;
        self.tenants.are_members_new = false;
        self.tenants.reviewed_at = now;
        let wanted = self.wanted_members(now);
        let is_inherited = core::mem::take(&mut self.tenants.is_inherited);
        if wanted.is_empty() && self.tenants.members.is_empty() && !is_inherited {
            return;
        }
        let keys: BTreeSet<MemberKey> = wanted.iter().map(|one| one.key.clone()).collect();
        for id in self.tenants.numbers.keep(&keys) {
            self.actions.push_back(Action::FlushMacs(id));
        }
        let is_fresh = |block: &Block| now < block.until + block.span;
        self.tenants.blocks.retain(|key, block| keys.contains(key) && is_fresh(block));
        let before = core::mem::take(&mut self.tenants.members);
        self.number_members(now, wanted, &before);
        self.tell_of_members(now, &before);
        let is_same = before.len() == self.tenants.members.len()
            && before.values().map(essence).eq(self.tenants.members.values().map(essence));
        if is_inherited || !is_same {
            self.set_overlay(now);
        }
    }

    /// Gives each member its number.
    fn number_members(
        &mut self,
        now: Instant,
        wanted: Vec<Wanted>,
        before: &BTreeMap<MemberKey, MemberView>,
    ) {
        let mut refused_count = 0;
        for wanted in wanted {
            let numbers = &mut self.tenants.numbers;
            let (Some(domain), Some(id)) =
                (numbers.domain(wanted.key.tenant()), numbers.member(&wanted.key))
            else {
                refused_count += 1;
                continue;
            };
            let old = before.get(&wanted.key);
            let is_same =
                |old: &&MemberView| old.wanted.obstacle.is_none() == wanted.obstacle.is_none();
            let since = old.filter(is_same).map_or(now, |old| old.since);
            let view = MemberView { id, domain, wanted, since };
            self.tenants.members.insert(view.wanted.key.clone(), view);
        }
        if refused_count > 0 && self.tenants.refused_count == 0 {
            self.event(events::members_full(now, refused_count));
        }
        self.tenants.refused_count = refused_count;
    }

    /// Says who forwards now and who does not any more, and flushes those.
    fn tell_of_members(&mut self, now: Instant, before: &BTreeMap<MemberKey, MemberView>) {
        let mut events = Vec::new();
        let mut count = 0;
        for (key, view) in &self.tenants.members {
            let old = before.get(key);
            let was_open = old.is_some_and(|old| old.wanted.obstacle.is_none());
            let is_open = view.wanted.obstacle.is_none();
            if was_open && !is_open {
                self.actions.push_back(Action::FlushMacs(view.id));
            }
            let was_said = old.map(|old| (old.wanted.obstacle, old.wanted.mtu.inner()));
            if was_said == Some((view.wanted.obstacle, view.wanted.mtu.inner())) {
                continue;
            }
            count += 1;
            if events.len() < MEMBER_EVENTS_MAX {
                let tenant = self.tenant_name(key.tenant());
                events.push(events::tenant_member(now, &tenant, view));
            }
        }
        let rest = count - events.len();
        events.into_iter().for_each(|event| self.event(event));
        if rest > 0 {
            self.event(events::more_members(now, rest));
        }
    }

    /// What a tenant is called; its id where it is gone.
    pub(super) fn tenant_name(&self, id: u32) -> String {
        let found = self.config.tenants.iter().find(|tenant| tenant.id == id);
        found.map_or_else(|| id.to_string(), |tenant| tenant.name.clone())
    }

    /// Gives the data plane what there is now.
    fn set_overlay(&mut self, now: Instant) {
        if self.tenants.sequences.is_empty() {
            self.tenants.sequences = Arc::new(Sequences::new());
        }
        match self.tenants.build() {
            Ok(overlay) => self.rib.set_overlay(Arc::new(overlay)),
            // Everything that contradicts itself was refused before.
            Err(error) => self.event(events::overlay_refused(now, &error)),
        }
        self.tenants.testament = Arc::new(self.tenants.numbers.testament());
        self.draw_testament();
    }

    /// Workers read no world before this epoch: numbers that are free from now on begin anew.
    pub(super) fn tenants_reclaimed(&mut self, oldest: u64) {
        let free = self.tenants.numbers.reclaimed(oldest);
        if free.is_empty() {
            return;
        }
        for id in free {
            // MACs that a worker learned by an old world go too.
            self.actions.push_back(Action::FlushMacs(id));
            self.tenants.sequences.reset(id);
        }
        self.tenants.testament = Arc::new(self.tenants.numbers.testament());
        self.draw_testament();
    }

    /// A worker says that a MAC moves between two members again and again.
    pub(super) fn mac_moves(&mut self, now: Instant, mac: MacAddress, between: [MemberId; 2]) {
        let found = between.map(|id| self.tenants.member(id).cloned());
        let [Some(from), Some(to)] = &found else { return };
        let is_circuit = |view: &&MemberView| matches!(view.wanted.body, Body::Circuit(_));
        let tenant = self.tenant_name(to.wanted.key.tenant());
        let names = [from.wanted.name.clone(), to.wanted.name.clone()];
        let victim = [to, from].into_iter().find(is_circuit);
        let blocked = victim.filter(|view| view.wanted.options.state == MemberState::Forwarding);
        let blocked = blocked.map(|view| {
            let span = self.tenants.block(now, &view.wanted.key);
            (view.wanted.name.clone(), span)
        });
        self.event(events::mac_moves(now, &tenant, mac, (&names, blocked)));
    }

    /// Ends the blocks of a tenant's ports, or of all.
    pub(super) fn clear_tenant(&mut self, now: Instant, name: Option<&str>) -> TenantCleared {
        let ids: BTreeSet<u32> = self
            .config
            .tenants
            .iter()
            .filter(|tenant| name.is_none_or(|name| tenant.name == name))
            .map(|tenant| tenant.id)
            .collect();
        let is_meant =
            |key: &MemberKey, block: &mut Block| ids.contains(&key.tenant()) && block.until > now;
        let count = self.tenants.blocks.extract_if(.., is_meant).count();
        if count > 0 {
            self.tenants.note_change();
            self.event(events::cleared(now, count));
        }
        let is_known = !ids.is_empty() || name.is_none();
        TenantCleared { is_known, count: u32::try_from(count).unwrap_or(u32::MAX) }
    }
}

/// Lets the first of several pseudowires with one session id have it, and none of the others.
fn without_twins(wanted: Vec<Wanted>) -> Vec<Wanted> {
    let mut taken = BTreeSet::new();
    let wanted = wanted.into_iter().map(|one| {
        let is_twin = match &one.body {
            Body::Pseudowire(ends) => !taken.insert(ends.session),
            Body::Circuit(_) => false,
        };
        if is_twin { one.hindered(Some(Obstacle::Session)) } else { one }
    });
    wanted.collect()
}
