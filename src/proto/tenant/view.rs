//! What members of tenants show of themselves.
//!
//! Owns plain values copied out of the machine, for `show` and for checkers; cookies are left out.

use super::action::{Pseudowire, PseudowireName, Refusal};
use super::epoch::{Epoch, Phase};
use super::input::TenantSettings;
use super::members::{Members, Timer};
use crate::base::ids::{RouterId, TenantId};
use crate::base::time::Instant;
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The tenants of this router, by id.
    pub tenants: Vec<TenantView>,
    /// Other routers that announce tenants, by router-id.
    pub members: Vec<MemberView>,
    /// Pseudowires, by router and tenant.
    pub pseudowires: Vec<PseudowireView>,
}

/// A tenant of this router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantView {
    /// Which.
    pub id: TenantId,
    /// What is configured.
    pub settings: TenantSettings,
    /// What others are told to derive cookies with.
    pub epoch: u32,
    /// Whether cookies are changing.
    pub phase: Phase,
    /// When that goes on, or the next change begins; `None` where there is none.
    pub phase_ends: Option<Instant>,
    /// Pseudowires that it has.
    pub pseudowire_count: u32,
}

/// Another router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Who.
    pub router_id: RouterId,
    /// Where it says that its tunnels end: one address, unless it is in error.
    pub endpoints: BTreeSet<Ipv6Addr>,
    /// The tenants that it announces in a form that can be used.
    pub tenants: Vec<TenantId>,
    /// What of it is not used: of a tenant of this router, or of all of an LSA.
    pub refusals: Vec<(Option<TenantId>, Refusal)>,
}

/// A pseudowire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PseudowireView {
    /// Which.
    pub name: PseudowireName,
    /// What the owner was told of it last.
    pub pseudowire: Pseudowire,
    /// Since when it is there.
    pub since: Instant,
}

impl Members {
    /// What it shows.
    pub fn view(&self) -> View {
        let mut counts: BTreeMap<TenantId, u32> = BTreeMap::new();
        for name in self.pairs.keys() {
            *counts.entry(name.tenant).or_default() += 1;
        }
        let tenants = self.tenants.iter().map(|(id, tenant)| {
            let Epoch { said, phase, .. } = tenant.epoch;
            TenantView {
                id: *id,
                settings: tenant.settings,
                epoch: said,
                phase,
                phase_ends: self.timers.deadline(Timer::Epoch(*id)),
                pseudowire_count: counts.get(id).copied().unwrap_or(0),
            }
        });
        let members = self.peers.iter().map(|(router_id, peer)| {
            let all = (*router_id, None)..=(*router_id, Some(TenantId(u32::MAX)));
            let refusals = self.refusals.range(all);
            MemberView {
                router_id: *router_id,
                endpoints: peer.endpoints().collect(),
                tenants: peer.offers().keys().copied().collect(),
                refusals: refusals.map(|((_, id), refusal)| (*id, refusal.clone())).collect(),
            }
        });
        let pseudowires = self.pairs.iter().map(|(name, pair)| PseudowireView {
            name: *name,
            pseudowire: pair.pseudowire.clone(),
            since: pair.since,
        });
        View {
            tenants: tenants.collect(),
            members: members.collect(),
            pseudowires: pseudowires.collect(),
        }
    }
}
