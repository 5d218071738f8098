//! What another router has announced, and which of it is used.
//!
//! Owns [`Peer`]. Whether an endpoint is that router's is decided in `members`, which knows those
//! of all.
//!
//! *Invariants*: of a tenant that is announced twice the one in the LSA with the lowest Link State
//! ID counts, and in it the first.

use super::action::Refusal;
use super::limits::TENANT_MTU_MIN;
use crate::base::ids::{RouterId, TenantId};
use crate::wire::ospf::{MembershipLsa, TenantEntry, TenantFormat};
use core::net::Ipv6Addr;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What there is to know to send to a router for a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub endpoint: Ipv6Addr,
    pub epoch: u32,
    pub mtu: u16,
    pub format: TenantFormat,
    pub salt: u32,
}

/// Why parts are not used: a tenant, or all of an LSA.
pub(super) type Refusals = BTreeMap<Option<TenantId>, Refusal>;

/// A router that has announced something.
#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    lsas: BTreeMap<u32, Result<MembershipLsa, Refusal>>,
    offers: BTreeMap<TenantId, Offer>,
}

impl Peer {
    /// Takes what it says in one LSA in place of what it said there before.
    pub(super) fn hear(&mut self, link_state_id: u32, body: &[u8]) {
        let lsa = match MembershipLsa::decode(body) {
            Ok(Some(lsa)) => Ok(lsa),
            Ok(None) => Err(Refusal::OtherVersion),
            Err(error) => Err(Refusal::Unreadable(error)),
        };
        self.lsas.insert(link_state_id, lsa);
    }

    /// Forgets what it said in one LSA; whether it says nothing at all any more.
    pub(super) fn forget(&mut self, link_state_id: u32) -> bool {
        self.lsas.remove(&link_state_id);
        self.lsas.is_empty()
    }

    pub(super) fn has(&self, link_state_id: u32) -> bool {
        self.lsas.contains_key(&link_state_id)
    }

    pub(super) fn lsa_count(&self) -> usize {
        self.lsas.len()
    }

    /// The tenants that it says, used or not.
    pub(super) fn entries(&self) -> impl Iterator<Item = &TenantEntry> {
        self.lsas.values().filter_map(|lsa| lsa.as_ref().ok()).flat_map(|lsa| &lsa.tenants)
    }

    /// Where it says that tunnels end, used or not.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = Ipv6Addr> {
        self.lsas.values().filter_map(|lsa| lsa.as_ref().ok()).map(|lsa| lsa.endpoint)
    }

    /// The tenants for which something can be sent to it.
    pub(super) const fn offers(&self) -> &BTreeMap<TenantId, Offer> {
        &self.offers
    }

    /// Reads its LSAs anew, where `own` is this router and `check` says whether an endpoint can be
    /// used; returns what is not.
    pub(super) fn read(
        &mut self,
        own: RouterId,
        mut check: impl FnMut(Ipv6Addr) -> Result<(), Refusal>,
    ) -> Refusals {
        let (mut refusals, mut salts) = (Refusals::new(), BTreeMap::new());
        self.offers.clear();
        for lsa in self.lsas.values() {
            let lsa = match lsa {
                Ok(lsa) => check(lsa.endpoint).map(|()| lsa),
                Err(refusal) => Err(refusal.clone()),
            };
            let lsa = match lsa {
                Ok(lsa) => lsa,
                Err(refusal) => {
                    refusals.insert(None, refusal);
                    continue;
                }
            };
            for tenant in &lsa.tenants {
                let refused = match (offer(lsa.endpoint, tenant), self.offers.entry(tenant.id)) {
                    (Err(refusal), _) => Some(refusal),
                    (Ok(_), Entry::Occupied(_)) => Some(Refusal::Repeated),
                    (Ok(offer), Entry::Vacant(place)) => {
                        place.insert(offer);
                        None
                    }
                };
                let name = Some(tenant.id).filter(|id| *id != NO_TENANT);
                refusals.extend(refused.map(|refusal| (name, refusal)));
            }
            let ours = lsa.renumberings.iter().filter(|other| other.sender == own);
            salts.extend(ours.map(|other| (other.id, other.salt)));
        }
        for (id, salt) in salts {
            if let Some(offer) = self.offers.get_mut(&id) {
                offer.salt = salt;
            }
        }
        refusals
    }
}

const NO_TENANT: TenantId = TenantId(0);

fn offer(endpoint: Ipv6Addr, tenant: &TenantEntry) -> Result<Offer, Refusal> {
    let TenantEntry { id, epoch, mtu, format } = *tenant;
    if id == NO_TENANT {
        return Err(Refusal::NoTenant);
    }
    if mtu < TENANT_MTU_MIN {
        return Err(Refusal::MtuTooSmall(mtu));
    }
    let format = format.ok_or(Refusal::UnknownFormat)?;
    Ok(Offer { endpoint, epoch, mtu, format, salt: 0 })
}

/// Whether tunnels can end at an address.
pub(super) fn check_endpoint(endpoint: Ipv6Addr) -> Result<(), Refusal> {
    let is_unicast = !endpoint.is_unspecified()
        && !endpoint.is_loopback()
        && !endpoint.is_multicast()
        && !endpoint.is_unicast_link_local()
        && endpoint.to_ipv4_mapped().is_none();
    if is_unicast { Ok(()) } else { Err(Refusal::EndpointNotUnicast(endpoint)) }
}
