//! LSAs that OSPF carries for others in this router, and does not read.
//!
//! Owns `Opaque`: what this router says in such LSAs, and whose its owner was told. The owner
//! gives the whole of what it wants to say; what is said, refreshed, withdrawn, and begun anew
//! after the end of the sequence numbers is `originate`'s. It is told of what others say, and of
//! what this router said in a life before, when that comes from elsewhere.
//!
//! *What holds*: an LSA lives in the databases for an hour after its router has died. So it counts
//! only as long as the last calculation reached the router (RFC 5340 §4.8.1); RFC 5250 §5 has the
//! same for the opaque LSAs of OSPFv2. What a router said is told again when it is reached again.
//!
//! *Invariants*: the owner was told of an LSA of another router exactly where the database has it,
//! not at MaxAge, and the router was reached; a refresh that says the same is not told.
//! *Standards*: RFC 5340 §4.5.2, §A.4.2.1 (U-bit, scope). Stub areas do not have LSAs of AS scope:
//! what others say does not get there, nor what is said there out of it; a cluster is one area,
//! which is none.

use super::action::Action;
use super::limits::{OPAQUE_LSAS_MAX, OWN_LSA_OCTETS_MAX};
use super::lsdb::{Entry, Place, Scope};
use super::machine::{Ospf, Staleness};
use crate::base::ids::RouterId;
use crate::wire::ospf::lsa::LSA_HEADER_OCTETS;
use crate::wire::ospf::{LsType, Lsa, LsaBody, LsaKey};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The types that are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpaqueKind {
    /// Tenants and their members, of AS scope.
    Membership,
}

impl OpaqueKind {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Membership];

    /// As it stands in the header.
    pub const fn ls_type(self) -> LsType {
        match self {
            Self::Membership => LsType::MEMBERSHIP,
        }
    }

    /// The kind of an LS type; `None` where OSPF reads it, or nobody here does.
    pub fn of(ls_type: LsType) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.ls_type() == ls_type)
    }

    const fn scope(self) -> Scope {
        match self {
            Self::Membership => Scope::As,
        }
    }
}

/// What a router says in one LSA has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpaqueUpdate {
    /// Of which type.
    pub kind: OpaqueKind,
    /// Who says it. This router itself: it said so in a life before, and others go by it until
    /// they have heard what it says now.
    pub router_id: RouterId,
    /// Link State ID.
    pub link_state_id: u32,
    /// What became of it.
    pub news: OpaqueNews,
}

/// What became of an LSA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpaqueNews {
    /// It says this now: the octets behind its header.
    Said(Vec<u8>),
    /// It was taken back, or nobody refreshed it.
    Withdrawn,
    /// It is there, and no path leads to its router.
    Unreachable,
}

/// What is carried; one exists.
#[derive(Clone, Debug, Default)]
pub(super) struct Opaque {
    /// What this router says, by Link State ID.
    contents: BTreeMap<(OpaqueKind, u32), Vec<u8>>,
    /// What others say, reached or not.
    known: BTreeMap<RouterId, BTreeSet<(OpaqueKind, u32)>>,
    /// Those of them that the last calculation reached.
    reached: BTreeSet<RouterId>,
}

impl Opaque {
    /// What this router wants to say.
    pub(super) fn wanted(
        &self,
        advertising_router: RouterId,
    ) -> impl Iterator<Item = (Place, LsaBody)> {
        self.contents.iter().map(move |((kind, link_state_id), body)| {
            let place = place(*kind, advertising_router, *link_state_id);
            (place, LsaBody::Unknown(body.clone()))
        })
    }

    /// Whether an owner must see an own LSA of an earlier life before it is outlived.
    pub(super) fn is_carried(key: &LsaKey) -> bool {
        OpaqueKind::of(key.ls_type).is_some()
    }
}

impl Ospf {
    /// What all routers that are reached say in LSAs of a kind, this one left out: by router and
    /// Link State ID.
    pub fn opaque(&self, kind: OpaqueKind) -> impl Iterator<Item = (RouterId, u32, &[u8])> {
        let reached = self.opaque.reached.iter();
        reached.flat_map(move |router_id| {
            let lsas = self.lsdb.of_router(kind.scope(), kind.ls_type(), *router_id);
            lsas.map(Entry::as_installed)
                .filter(|lsa| !lsa.header.is_max_age())
                .map(|lsa| (*router_id, lsa.header.link_state_id, lsa.body_bytes()))
        })
    }

    /// This router says something else in LSAs of a kind: `bodies` by Link State ID. What is too
    /// long or too many is counted and not said; so is a body that does not end with a word of four
    /// octets, because BIRD begins the adjacency anew when it meets one.
    pub(super) fn change_opaque(&mut self, kind: OpaqueKind, bodies: BTreeMap<u32, Vec<u8>>) {
        self.opaque.contents.retain(|(other, _), _| *other != kind);
        let octets_max = OWN_LSA_OCTETS_MAX - LSA_HEADER_OCTETS;
        for (link_state_id, body) in bodies {
            let is_full = self.opaque.contents.len() >= OPAQUE_LSAS_MAX;
            if is_full || body.len() > octets_max || !body.len().is_multiple_of(4) {
                self.counters.opaque_refused += 1;
                continue;
            }
            self.opaque.contents.insert((kind, link_state_id), body);
        }
        self.origination.is_due = true;
    }

    /// An instance takes the place of one that said something else. `is_own` where this router has
    /// made it.
    pub(super) fn note_opaque(&mut self, place: &Place, lsa: &Lsa, is_own: bool) {
        let LsaKey { ls_type, advertising_router: router_id, link_state_id } = place.1;
        let Some(kind) = OpaqueKind::of(ls_type) else { return };
        let said = || OpaqueNews::Said(lsa.body_bytes().to_vec());
        let is_gone = lsa.header.is_max_age();
        if Some(router_id) == self.router_id {
            if !is_own && !is_gone {
                self.tell_opaque(router_id, (kind, link_state_id), said());
            }
            return;
        }
        let known = self.opaque.known.entry(router_id).or_default();
        if !is_gone {
            known.insert((kind, link_state_id));
            self.reach_opaque(router_id);
            if self.opaque.reached.contains(&router_id) {
                self.tell_opaque(router_id, (kind, link_state_id), said());
            }
            return;
        }
        let was_known = known.remove(&(kind, link_state_id));
        let is_last = known.is_empty();
        if was_known && self.opaque.reached.contains(&router_id) {
            self.tell_opaque(router_id, (kind, link_state_id), OpaqueNews::Withdrawn);
        }
        if is_last {
            self.opaque.known.remove(&router_id);
            self.opaque.reached.remove(&router_id);
        }
    }

    /// Looks whether a router that says something for the first time is reached. Where the tree is
    /// older than the database that is left to the next calculation.
    fn reach_opaque(&mut self, router_id: RouterId) {
        let is_first = self.opaque.known.get(&router_id).is_some_and(|known| known.len() == 1);
        let is_current = self.staleness != Staleness::Topology;
        if is_first && is_current && self.table.reaches(router_id) {
            self.opaque.reached.insert(router_id);
        }
    }

    /// The tree is a new one: some routers are reached that were not, some are not that were.
    pub(super) fn review_opaque(&mut self) {
        let routers: Vec<RouterId> = self.opaque.known.keys().copied().collect();
        for router_id in routers {
            let is_reached = self.table.reaches(router_id);
            let was_reached = self.opaque.reached.contains(&router_id);
            if is_reached == was_reached {
                continue;
            }
            if is_reached {
                self.opaque.reached.insert(router_id);
            } else {
                self.opaque.reached.remove(&router_id);
            }
            let known = self.opaque.known.get(&router_id).cloned().unwrap_or_default();
            for (kind, link_state_id) in known {
                let place = place(kind, router_id, link_state_id);
                let news = match self.lsdb.get(&place) {
                    Some(entry) if is_reached => {
                        OpaqueNews::Said(entry.as_installed().body_bytes().to_vec())
                    }
                    _ => OpaqueNews::Unreachable,
                };
                self.tell_opaque(router_id, (kind, link_state_id), news);
            }
        }
    }

    /// All LSAs are gone.
    pub(super) fn forget_opaque(&mut self) {
        let reached = core::mem::take(&mut self.opaque.reached);
        for (router_id, known) in core::mem::take(&mut self.opaque.known) {
            if reached.contains(&router_id) {
                for lsa in known {
                    self.tell_opaque(router_id, lsa, OpaqueNews::Withdrawn);
                }
            }
        }
    }

    fn tell_opaque(
        &mut self,
        router_id: RouterId,
        (kind, link_state_id): (OpaqueKind, u32),
        news: OpaqueNews,
    ) {
        let update = OpaqueUpdate { kind, router_id, link_state_id, news };
        self.actions.push_back(Action::Opaque(update));
    }
}

const fn place(kind: OpaqueKind, advertising_router: RouterId, link_state_id: u32) -> Place {
    (kind.scope(), LsaKey { ls_type: kind.ls_type(), advertising_router, link_state_id })
}
