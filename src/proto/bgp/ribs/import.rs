//! The way in: what is judged before a peer's path may be used.
//!
//! Owns [`judge`] (loops, leaks, the first AS) and [`finish`] (what every route gets after its
//! policy). Both know nothing of tables.
//!
//! *Standards*: RFC 4271 §9.1.2 (AS loops) and §6.3 (first AS), RFC 4456 §8, RFC 7607 §2, RFC 8326
//! §4 (GRACEFUL_SHUTDOWN), RFC 9234 §5 (ingress).

use super::RibSettings;
use super::adj_rib_in::Validity;
use super::peer::{FirstAs, PeerKind, RibPeer};
use super::policy::Route;
use crate::wire::bgp::{Community, NextHop, Role};
use core::net::Ipv6Addr;

/// Whether a route may go on to the policy.
pub(super) fn judge(settings: &RibSettings, peer: &RibPeer, route: &Route) -> Result<(), Validity> {
    let attributes = &route.attributes;
    let path = &attributes.as_path;
    if path.count(settings.asn) > usize::from(peer.own_as_max) {
        return Err(Validity::AsLoop);
    }
    if path.count(0) > 0 {
        return Err(Validity::AsZero);
    }
    let is_external = peer.kind == PeerKind::External;
    // Whatever begins nowhere would pass for what begins here.
    if is_external && path.first().is_none() {
        return Err(Validity::FirstAs);
    }
    if is_external && peer.first_as == FirstAs::Enforced && path.first() != Some(peer.asn) {
        return Err(Validity::FirstAs);
    }
    if is_external && !is_on_link(peer, route.next_hop) {
        return Err(Validity::ForeignNextHop);
    }
    if is_external && is_leak(peer, attributes.only_to_customer) {
        return Err(Validity::RouteLeak);
    }
    if peer.kind.is_internal() && attributes.originator_id == Some(settings.router_id) {
        return Err(Validity::OriginatorLoop);
    }
    if peer.kind.is_internal() && attributes.cluster_list.contains(&settings.cluster_id) {
        return Err(Validity::ClusterLoop);
    }
    Ok(())
}

/// RFC 4271 §6.3: the next hop of a peer on an own link is there, too, or the peer would lead
/// packets wherever it likes. RFC 2545 §3 has a link-local one beside it only if so; over a session
/// between link-local addresses that one is where packets go, whatever stands beside it.
fn is_on_link(peer: &RibPeer, next_hop: Option<NextHop>) -> bool {
    let global = next_hop.and_then(|next_hop| next_hop.global);
    if peer.address.is_unicast_link_local() {
        let is_there = |address| peer.on_link.iter().any(|link| link.contains(address));
        let has_link_local = next_hop.is_none_or(|next_hop| next_hop.link_local.is_some());
        return has_link_local || global.is_none_or(is_there);
    }
    let is_there = |address: Ipv6Addr| {
        address == peer.address || peer.on_link.iter().any(|link| link.contains(address))
    };
    peer.on_link.is_empty() || global.is_none_or(is_there)
}

/// RFC 9234 §5, ingress 1 and 2.
fn is_leak(peer: &RibPeer, only_to_customer: Option<u32>) -> bool {
    match (peer.role, only_to_customer) {
        (Some(Role::Provider | Role::RouteServer), Some(_)) => true,
        (Some(Role::Peer), Some(asn)) => asn != peer.asn,
        _ => false,
    }
}

/// RFC 9234 §5, ingress 3: marks a route that only customers may have; says whether it had to.
/// Before the policy.
pub(super) fn mark(peer: &RibPeer, route: &mut Route) -> bool {
    let is_marked =
        matches!(peer.role, Some(Role::Customer | Role::Peer | Role::RouteServerClient));
    let is_due = is_marked && peer.kind == PeerKind::External;
    if is_due && route.attributes.only_to_customer.is_none() {
        route.attributes.only_to_customer = Some(peer.asn);
        return true;
    }
    false
}

/// Whether [`finish`] changes a route.
pub(super) fn is_ending(peer: &RibPeer, route: &Route) -> bool {
    let communities = &route.attributes.communities;
    peer.kind == PeerKind::External
        && communities.binary_search(&Community::GRACEFUL_SHUTDOWN).is_ok()
}

/// RFC 8326 §4: a way that is about to end is the last one to be used. After the policy.
pub(super) fn finish(peer: &RibPeer, route: &mut Route) {
    if is_ending(peer, route) {
        route.attributes.local_pref = Some(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::RouterId;

    fn next_hop(global: Option<&str>, link_local: Option<&str>) -> Option<NextHop> {
        let address = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        Some(NextHop { global: address(global), link_local: address(link_local) })
    }

    #[test]
    fn over_a_link_local_session_the_link_local_next_hop_counts() {
        let address = "fe80::7".parse().unwrap();
        let peer = RibPeer { address, ..RibPeer::local(64500, RouterId(1)) };
        let far = Some("2001:db8:9::1");
        assert!(is_on_link(&peer, next_hop(None, Some("fe80::7"))));
        assert!(is_on_link(&peer, next_hop(far, Some("fe80::7"))), "where its loopback is");
        assert!(!is_on_link(&peer, next_hop(far, None)), "packets would go anywhere");
        let on_link = vec!["2001:db8:9::/64".parse().unwrap()];
        let peer = RibPeer { on_link, ..peer };
        assert!(is_on_link(&peer, next_hop(far, None)));
        assert!(!is_on_link(&peer, next_hop(Some("2001:db8:8::1"), None)));
    }
}
