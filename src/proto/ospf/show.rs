//! What the machine shows of itself: copies for `show` and for checkers.
//!
//! Owns the reading; the rows are declared in [`super::view`].

use super::input::BACKBONE;
use super::interface::Interface;
use super::lsdb::Scope;
use super::machine::Ospf;
use super::neighbor::Neighbor;
use super::view::{
    InterfaceView, Loneliness, LsaView, NeighborState, NeighborView, RouteView, SpfView,
};
use crate::base::ids::PortId;
use crate::base::time::Instant;
use crate::wire::ospf::{
    AsExternalLsa, ExternalMetric, LsType, Lsa, LsaBody, MembershipLsa, PrefixOptions, RouterFlags,
};

impl Ospf {
    /// Every neighbour, by port; also whoever is on a cable and not accepted, with the reason.
    pub fn neighbors(&self) -> Vec<NeighborView> {
        let mut views = Vec::new();
        for (port, interface) in &self.interfaces {
            if let Some(neighbor) = &interface.neighbor {
                views.push(NeighborView {
                    port: *port,
                    router_id: neighbor.router_id,
                    address: neighbor.address,
                    interface_id: neighbor.interface_id,
                    state: neighbor.told_state(),
                    since: neighbor.since,
                    dead_at: self.timers.deadline(super::machine::Timer::Inactivity(*port)),
                    retransmit_count: count(neighbor.retransmissions.len()),
                    request_count: count(neighbor.requests.len()),
                    helped: neighbor.helped,
                    problem: neighbor.problem.clone(),
                });
            }
            if let Some(stranger) = &interface.stranger {
                views.push(NeighborView {
                    port: *port,
                    router_id: stranger.router_id,
                    address: stranger.address,
                    interface_id: 0,
                    state: NeighborState::Down,
                    since: Instant::ZERO,
                    dead_at: self.timers.deadline(super::machine::Timer::Stranger(*port)),
                    retransmit_count: 0,
                    request_count: 0,
                    helped: None,
                    problem: Some(stranger.problem.clone()),
                });
            }
        }
        views
    }

    /// Every interface, by port.
    pub fn interfaces(&self) -> Vec<InterfaceView> {
        let views = self.interfaces.iter().map(|(port, interface)| {
            let config = &interface.config;
            let state = interface.neighbor.as_ref().map(Neighbor::told_state);
            InterfaceView {
                port: *port,
                interface_id: config.interface_id,
                state: if config.is_up { "Point-to-point" } else { "Down" },
                area: config.area,
                cost: config.cost,
                hello_interval: config.hello_interval,
                dead_interval: config.dead_interval,
                neighbor_count: u32::from(state.is_some()),
                full_count: u32::from(state == Some(NeighborState::Full)),
                loneliness: loneliness(interface),
            }
        });
        views.collect()
    }

    /// Whether the link on `port` can carry routes: its neighbour is Full, and the router-LSAs of
    /// both ends name each other. RFC 5340 §4.8.1 (RFC 2328 §16.1 (2) (b)) uses no other links.
    pub fn is_mutual(&self, port: PortId) -> bool {
        let Some(interface) = self.interfaces.get(&port) else { return false };
        let (Some(own_id), Some(neighbor)) = (self.router_id, &interface.neighbor) else {
            return false;
        };
        let here = (own_id, interface.config.interface_id);
        let there = (neighbor.router_id, neighbor.interface_id);
        neighbor.is_adjacent() && self.table.area().has_link(here, there)
    }

    /// Ports with a neighbour whose link cannot carry routes yet, though nothing is said against
    /// it.
    pub fn awaited_ports(&self) -> impl Iterator<Item = PortId> {
        let is_awaited = |(port, interface): (&PortId, &Interface)| {
            let is_sound = interface.neighbor.as_ref()?.problem.is_none();
            (is_sound && !self.is_mutual(*port)).then_some(*port)
        };
        self.interfaces.iter().filter_map(is_awaited)
    }

    /// The link-state database in order of scope, type, router, id; ages as of `now`.
    pub fn database(&self, now: Instant) -> Vec<LsaView> {
        let views = self.lsdb.iter().map(|((scope, key), entry)| {
            let header = entry.header(now);
            LsaView {
                port: match scope {
                    Scope::Link(port) => Some(*port),
                    Scope::Area | Scope::As => None,
                },
                area: (*scope == Scope::Area).then_some(BACKBONE),
                kind: key.ls_type.to_string(),
                id: key.link_state_id,
                router: key.advertising_router,
                age_s: header.age_s,
                sequence: header.sequence.bits(),
                checksum: header.checksum,
                length: header.length,
                body: in_words(entry.as_installed()),
            }
        });
        views.collect()
    }

    /// The routing table, by prefix.
    pub fn routes(&self) -> Vec<RouteView> {
        self.table.routes()
    }

    /// LSAs in all databases.
    pub fn lsa_count(&self) -> usize {
        self.lsdb.len()
    }

    /// Octets on the heap for the databases and what is read out of them, about.
    pub fn heap_bytes(&self) -> usize {
        self.lsdb.heap_bytes() + self.table.heap_bytes()
    }

    /// SPF runs since the start.
    pub const fn run_count(&self) -> u64 {
        self.runs.count
    }

    /// SPF so far.
    pub fn spf(&self) -> SpfView {
        SpfView {
            run_count: self.runs.count,
            last_run: self.runs.last,
            router_count: self.table.router_count(),
            prefix_count: self.table.prefix_count(),
            backoff: self.backoff.state().name(),
            last_trigger: self.runs.trigger,
        }
    }

    /// LSAs of the area's and the AS's database.
    pub fn shared_lsa_count(&self) -> u32 {
        let shared = self.lsdb.iter().filter(|((scope, _), _)| !matches!(scope, Scope::Link(_)));
        count(shared.count())
    }

    /// A digest of the area's and the AS's database (identities, sequence numbers, checksums):
    /// equal on two routers whose databases are.
    pub fn area_digest(&self) -> u64 {
        let shared = self.lsdb.iter().filter(|((scope, _), _)| !matches!(scope, Scope::Link(_)));
        shared.fold(0xcbf2_9ce4_8422_2325, |digest, ((_, key), entry)| {
            let header = &entry.as_installed().header;
            let words = [
                u64::from(key.ls_type.0),
                u64::from(key.advertising_router.0),
                u64::from(key.link_state_id),
                u64::from(header.sequence.bits()),
                u64::from(header.checksum),
            ];
            // FNV-1a over words instead of octets.
            words
                .iter()
                .fold(digest, |digest, word| (digest ^ word).wrapping_mul(0x0000_0100_0000_01b3))
        })
    }
}

fn loneliness(interface: &Interface) -> Option<Loneliness> {
    let is_lonely = interface.neighbor.is_none() && interface.stranger.is_none();
    is_lonely.then(|| Loneliness {
        since: interface.lonely_since,
        is_up: interface.config.is_up,
        has_bfd_failed: interface.hold.is_some(),
        last: interface.gone.map(|gone| (gone.router_id, gone.heard_at)),
    })
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// An AS-external-LSA, a line a part.
fn external_in_words(body: &AsExternalLsa) -> Vec<String> {
    let (kind, metric) = match body.metric {
        ExternalMetric::Type1(metric) => (1, metric),
        ExternalMetric::Type2(metric) => (2, metric),
    };
    let mut lines = vec![format!("{}, type {kind}, metric {metric}", body.prefix)];
    lines.extend(body.forwarding_address.map(|address| format!("forwarding address {address}")));
    lines.extend(body.tag.map(|tag| format!("tag {tag}")));
    let is_unused = body.options.contains(PrefixOptions::NU);
    lines.extend(is_unused.then(|| "not for unicast".to_owned()));
    lines
}

/// A Membership-LSA, a line a part.
fn membership_in_words(body: &[u8]) -> Vec<String> {
    let lsa = match MembershipLsa::decode(body) {
        Ok(Some(lsa)) => lsa,
        Ok(None) => return vec!["of another version".to_owned()],
        Err(error) => return vec![format!("unreadable: {error}")],
    };
    let tenants = lsa.tenants.iter().map(|tenant| {
        let format = tenant.format.map_or("unknown format".to_owned(), |known| known.to_string());
        let (id, epoch, mtu) = (tenant.id, tenant.epoch, tenant.mtu);
        format!("tenant {id}, epoch {epoch}, MTU {mtu}, {format}")
    });
    let others = lsa.renumberings.iter().map(|other| {
        format!("tenant {}, session from {} with salt {}", other.id, other.sender, other.salt)
    });
    core::iter::once(format!("endpoint {}", lsa.endpoint)).chain(tenants).chain(others).collect()
}

/// A body, a line a part.
fn in_words(lsa: &Lsa) -> Vec<String> {
    match lsa.body() {
        Ok(LsaBody::Router(body)) => {
            let links = body.links.iter().map(|link| {
                format!(
                    "link {} -> {} interface {}, metric {}",
                    link.interface_id,
                    link.neighbor_router_id,
                    link.neighbor_interface_id,
                    link.metric
                )
            });
            let is_boundary = body.flags.contains(RouterFlags::EXTERNAL);
            let role = is_boundary.then(|| "AS boundary router".to_owned());
            role.into_iter().chain(links).collect()
        }
        Ok(LsaBody::Network(body)) => {
            body.attached_routers.iter().map(|router| format!("attached {router}")).collect()
        }
        Ok(LsaBody::Link(body)) => {
            let own = core::iter::once(format!("link-local {}", body.link_local));
            own.chain(body.prefixes.iter().map(|p| format!("prefix {}", p.prefix))).collect()
        }
        Ok(LsaBody::IntraAreaPrefix(body)) => {
            let of = format!(
                "of {} {} id {}",
                body.referenced_ls_type,
                body.referenced_advertising_router,
                body.referenced_link_state_id
            );
            let prefixes =
                body.prefixes.iter().map(|p| format!("{}, metric {}", p.prefix, p.metric));
            core::iter::once(of).chain(prefixes).collect()
        }
        Ok(LsaBody::Grace(body)) => {
            vec![format!("grace period {} s, {}", body.period_s, body.reason)]
        }
        Ok(LsaBody::AsExternal(body)) => external_in_words(&body),
        Ok(LsaBody::Unknown(body)) if lsa.header.ls_type == LsType::MEMBERSHIP => {
            membership_in_words(&body)
        }
        Ok(_) => vec![format!("{} octets", lsa.body_bytes().len())],
        Err(error) => vec![format!("unreadable: {error}")],
    }
}
