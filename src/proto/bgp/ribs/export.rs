//! The way out: who may be told of a path, and what it carries then.
//!
//! Owns [`ExportSettings`], `may_pass`, `prepare` (before the policy) and `finish` (after
//! it). All know nothing of tables.
//!
//! *Invariants*: a path from an internal peer goes to another one by reflection only. What is meant
//! for this AS (LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST, communities that are not transitive) never
//! leaves it; a MULTI_EXIT_DISC leaves it only where this router or the policy has set it, or where
//! routes are served to others.
//! *Standards*: RFC 4271 §5.1 and §9.2, RFC 1997 (well-known communities), RFC 2545 §3, RFC 4360
//! §6, RFC 4456 §6 and §8, RFC 7947 §2.2 (route servers), RFC 7999 §3.2, RFC 9234 §5 (egress).
//! Gap: RFC 5065: this router is in no confederation, so that NO_EXPORT_SUBCONFED is as NO_EXPORT.

use super::RibSettings;
use super::attributes::LOCAL_PREF_DEFAULT;
use super::peer::{PeerKind, RibPeer};
use super::policy::{PolicyId, Route};
use crate::base::ids::RouterId;
use crate::wire::bgp::{Community, NextHop, PathAttributes, Role};

/// Which next hop peers are told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NextHopMode {
    /// This router, but for what it reflects (RFC 4456 §10).
    Own,
    /// The one of the path, where it means something beyond its link.
    Unchanged,
}

/// Whether this router shows in the path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AsPathMode {
    /// Its AS is put in front.
    Prepend,
    /// RFC 7947 §2.2.2.1: it serves routes and carries no packets.
    Transparent,
}

/// What makes a group: peers with the same are told the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ExportSettings {
    /// Where they stand.
    pub kind: PeerKind,
    /// RFC 9234: what this router is to them.
    pub role: Option<Role>,
    /// What is done with paths; without one, external peers are told none (RFC 8212).
    pub policy: Option<PolicyId>,
    /// Which next hop.
    pub next_hop: NextHopMode,
    /// Which path.
    pub as_path: AsPathMode,
    /// RFC 7911: paths of each prefix, one where no Path Identifiers were agreed on; at most
    /// [`ADD_PATHS_MAX`](super::limits::ADD_PATHS_MAX).
    pub paths_max: u8,
}

/// RFC 4456 §6: whether paths of peers that stand there go to those that stand here.
pub(super) const fn may_pass(from: PeerKind, to: PeerKind) -> bool {
    !matches!((from, to), (PeerKind::Internal, PeerKind::Internal) | (_, PeerKind::Local))
}

/// A route as the policy sees it; `None` where these peers must not have it.
pub(super) fn prepare(to: &ExportSettings, from: &RibPeer, mut route: Route) -> Option<Route> {
    let attributes = &mut route.attributes;
    let has = |attributes: &PathAttributes, community| {
        attributes.communities.binary_search(&community).is_ok()
    };
    if has(attributes, Community::NO_ADVERTISE) {
        return None;
    }
    if to.kind == PeerKind::External {
        let within = [Community::NO_EXPORT, Community::NO_EXPORT_SUBCONFED, Community::BLACKHOLE];
        if within.into_iter().any(|community| has(attributes, community)) {
            return None;
        }
        // RFC 9234 §5, egress 2.
        let is_upward =
            matches!(to.role, Some(Role::Customer | Role::Peer | Role::RouteServerClient));
        if is_upward && attributes.only_to_customer.is_some() {
            return None;
        }
        // RFC 4271 §5.1.4: "MUST NOT be propagated to other neighboring ASes". RFC 7947 §2.2.3: a
        // route server is none: its clients compare what the others have said.
        if from.kind != PeerKind::Local && to.as_path == AsPathMode::Prepend {
            attributes.med = None;
        }
        attributes.local_pref = None;
        attributes.originator_id = None;
        attributes.cluster_list.clear();
        attributes.extended_communities.retain(|community| community.is_transitive());
    }
    let is_reflected = from.kind.is_internal() && to.kind.is_internal();
    let is_own = to.next_hop == NextHopMode::Own && !is_reflected;
    // RFC 2545 §3: a link-local address is for those on the link.
    let global = route.next_hop.filter(|_| !is_own).and_then(|next_hop| next_hop.global);
    route.next_hop = global.map(|global| NextHop { global: Some(global), link_local: None });
    Some(route)
}

/// A route as these peers get it.
pub(super) fn finish(
    settings: &RibSettings,
    to: &ExportSettings,
    from: &RibPeer,
    route: &mut Route,
) {
    let attributes = &mut route.attributes;
    if to.kind == PeerKind::External {
        // RFC 5065 §5: what this AS has of a confederation is an error to others.
        if attributes.as_path.has_confederations() {
            attributes.as_path = attributes.as_path.without_confederations();
        }
        if to.as_path == AsPathMode::Prepend {
            attributes.as_path = attributes.as_path.prepended(settings.asn, 1);
        }
        // RFC 9234 §5, egress 1.
        if matches!(to.role, Some(Role::Provider | Role::Peer | Role::RouteServer)) {
            attributes.only_to_customer.get_or_insert(settings.asn);
        }
        // The policy may have set what is not for others.
        attributes.local_pref = None;
        return;
    }
    attributes.local_pref.get_or_insert(LOCAL_PREF_DEFAULT);
    if from.kind.is_internal() {
        reflect(settings.cluster_id, from.router_id, attributes);
    }
}

/// RFC 4456 §8.
fn reflect(cluster_id: RouterId, originator_id: RouterId, attributes: &mut PathAttributes) {
    attributes.originator_id.get_or_insert(originator_id);
    attributes.cluster_list.insert(0, cluster_id);
}
