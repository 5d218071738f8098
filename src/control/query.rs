//! Answers to `show`, as far as the control plane knows them.
//!
//! Owns the rows of protocols, routes and forwarding. Of ports, errors, version and configuration
//! it gives its part; counters of devices and workers, process and uptime are added by the driver.
//!
//! *Invariants*: tables of routes are answered a page at a time, [`PAGE_PREFIXES_MAX`] prefixes
//! each, in order. A page is of one moment; when routes change meanwhile, the next one is of a
//! later one, and no prefix appears twice.
//!
//! Gap: the link-state database and the ND cache are answered in one step; they have limits, but
//! high ones.

use super::plane::{ControlCounters, ControlPlane};
use super::port::PortState;
use super::report::port_name;
use crate::api::ShowQuery;
use crate::api::request::RouteFilter;
use crate::api::show::{
    BfdDownRow, BfdRow, ConfigRow, ErrorRow, FibRow, LastNeighborRow, LsaRow, NeighborRow,
    NextHopRow, OspfInterfaceRow, OspfNeighborRow, OspfRepairRow, OspfRepairs, OspfRouteRow,
    OspfRow, PortRow, RepairRow, RouteRow, SelfCheckRow, ShowReply, SpfRow, VersionRow,
};
use crate::base::counters::CounterInfo;
use crate::base::ids::{GroupId, NextHopId, PortId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{PortRole, Protection, RouteNextHop, RouteTarget};
use crate::base::time::{Duration, Instant};
use crate::config::render;
use crate::fib::NextHopGroup;
use crate::proto::nd::NdCounters;
use crate::proto::ospf::repair::NO_WAY;
use crate::proto::ospf::{
    CoverView, Loneliness, NeighborState, NeighborView, OspfCounters, RouteView,
};
use crate::proto::tenant::Counters as MemberCounters;
use crate::rib::{RibCounters, RibRoute, Way};
use core::net::Ipv6Addr;

/// Prefixes that one page of an answer is about: built and sent within a millisecond or two, so
/// that no hello waits for somebody who looks at a full table.
pub(super) const PAGE_PREFIXES_MAX: usize = 256;

pub(super) fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn microseconds(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn count<T>(counted: impl Iterator<Item = T>) -> u32 {
    u32::try_from(counted.count()).unwrap_or(u32::MAX)
}

/// Rounded down, so that 100 means all; `None` of nothing.
fn percent(part: u32, whole: u32) -> Option<u32> {
    let hundredths = (u64::from(part) * 100).checked_div(whole.into())?;
    u32::try_from(hundredths).ok()
}

fn neighbor_row(now: Instant, control: &ControlPlane, neighbor: NeighborView) -> OspfNeighborRow {
    OspfNeighborRow {
        router_id: Some(neighbor.router_id),
        name: None,
        port: control.name(neighbor.port),
        address: Some(neighbor.address),
        state: neighbor.state.to_string(),
        state_age_ms: milliseconds(now - neighbor.since),
        dead_in_ms: neighbor.dead_at.map_or(0, |dead_at| milliseconds(dead_at - now)),
        retransmit_count: neighbor.retransmit_count,
        request_count: neighbor.request_count,
        helped_for_ms: neighbor.helped.map(|helped| milliseconds(helped.until - now)),
        problem: neighbor.problem,
        last: None,
    }
}

/// The row of a port of which nothing is known.
fn empty_row(port: String) -> OspfNeighborRow {
    OspfNeighborRow {
        router_id: None,
        name: None,
        port,
        address: None,
        state: NeighborState::Down.to_string(),
        state_age_ms: 0,
        dead_in_ms: 0,
        retransmit_count: 0,
        request_count: 0,
        helped_for_ms: None,
        problem: None,
        last: None,
    }
}

/// The row of a port with OSPF on which nobody is heard.
fn lonely_row(now: Instant, port: String, lonely: Loneliness) -> OspfNeighborRow {
    let problem = match (lonely.is_up, lonely.has_bfd_failed, lonely.last) {
        (false, ..) => "no carrier: the cable is cut, or the other end is off",
        (true, true, _) => "BFD failed, and no hello is heard: nothing arrives",
        (true, false, Some(_)) => "no hello is heard any more",
        (true, false, None) => {
            "no hello was heard yet: is there a router that runs OSPF at the other end?"
        }
    };
    OspfNeighborRow {
        state_age_ms: milliseconds(now - lonely.since),
        problem: Some(problem.to_owned()),
        last: lonely.last.map(|(router_id, heard_at)| LastNeighborRow {
            router_id,
            heard_ago_ms: milliseconds(now - heard_at),
        }),
        ..empty_row(port)
    }
}

fn is_fabric(state: &PortState) -> bool {
    state.role() == PortRole::Fabric
}

impl ControlPlane {
    /// The answer to one question; of a long one the page behind `after`, and where the next page
    /// begins.
    pub(super) fn answer(
        &self,
        now: Instant,
        query: &ShowQuery,
        after: Option<Ipv6Prefix>,
    ) -> (ShowReply, Option<Ipv6Prefix>) {
        let whole = match query {
            ShowQuery::Route(filter) => {
                let (rows, rest) = self.route_page(filter, after);
                return (ShowReply::Route(rows), rest);
            }
            ShowQuery::Fib(filter) => {
                let (rows, rest) = self.fib_page(filter, after);
                return (ShowReply::Fib(rows), rest);
            }
            ShowQuery::BgpRoute(filter) => {
                let (rows, rest) = self.bgp_route_page(now, filter, after);
                return (ShowReply::BgpRoute(rows), rest);
            }
            ShowQuery::BgpAdvertised(asked) => {
                let (rows, rest) = self.bgp_advertised_page(asked, after);
                return (ShowReply::BgpAdvertised(rows), rest);
            }
            ShowQuery::BgpReceived(asked) => {
                let (rows, rest) = self.bgp_received_page(now, asked, after);
                return (ShowReply::BgpReceived(rows), rest);
            }
            ShowQuery::BgpPolicy { name } => {
                ShowReply::BgpPolicy(self.bgp_policy_rows(name.as_deref()))
            }
            ShowQuery::RpkiVrp => {
                let (rows, rest) = self.rpki_vrp_page(after);
                return (ShowReply::RpkiVrp(rows), rest);
            }
            ShowQuery::Bmp => ShowReply::Bmp(self.bmp_rows(now)),
            ShowQuery::Tenant | ShowQuery::L2tpv3 | ShowQuery::BridgeMac(_) => {
                self.tenant_answer(now, query)
            }
            ShowQuery::Rpki => ShowReply::Rpki(self.rpki_row(now)),
            ShowQuery::RpkiPrefix(prefix) => ShowReply::RpkiPrefix(self.rpki_prefix_row(*prefix)),
            ShowQuery::BgpTable(query) => ShowReply::BgpTable(self.bgp_table_page(now, query)),
            ShowQuery::Bgp => ShowReply::Bgp(self.bgp_summary(now)),
            ShowQuery::BgpNeighbor => ShowReply::BgpNeighbor(self.bgp_neighbor_rows(now)),
            ShowQuery::Version => ShowReply::Version(VersionRow {
                name: self.config.router.name.clone(),
                router_id: self.identity.router_id,
                loopback: self.identity.loopback,
                ..VersionRow::default()
            }),
            ShowQuery::Port => ShowReply::Port(self.port_rows()),
            ShowQuery::Neighbor => ShowReply::Neighbor(self.neighbor_rows()),
            ShowQuery::Ospf => ShowReply::Ospf(self.ospf_row()),
            ShowQuery::OspfNeighbor => ShowReply::OspfNeighbor(self.ospf_neighbor_rows(now)),
            ShowQuery::OspfInterface => ShowReply::OspfInterface(self.ospf_interface_rows()),
            ShowQuery::OspfDatabase => ShowReply::OspfDatabase(self.lsa_rows(now)),
            ShowQuery::OspfRoute => ShowReply::OspfRoute(self.ospf_route_rows()),
            // Needs more than a look: see `plane`.
            ShowQuery::SelfCheck => ShowReply::SelfCheck(SelfCheckRow::default()),
            ShowQuery::OspfRepair => ShowReply::OspfRepair(self.ospf_repairs()),
            ShowQuery::Bfd => ShowReply::Bfd(self.bfd_rows(now)),
            ShowQuery::OspfSpf => ShowReply::OspfSpf(self.spf_row(now)),
            ShowQuery::Runtime => ShowReply::Runtime(Vec::new()),
            ShowQuery::Mempool => ShowReply::Mempool(Vec::new()),
            ShowQuery::Errors { all } => ShowReply::Errors(self.error_rows(*all)),
            ShowQuery::Config => ShowReply::Config(self.config_row()),
        };
        (whole, None)
    }

    fn config_row(&self) -> ConfigRow {
        ConfigRow { text: render(&self.config), inactive: self.inactive_blocks() }
    }

    fn name(&self, port: PortId) -> String {
        port_name(port, &self.ports)
    }

    fn port_rows(&self) -> Vec<PortRow> {
        let rows = self.ports.values().map(|state| PortRow {
            port: state.id(),
            name: state.attached.settings.name.clone(),
            device: state.attached.settings.device.to_string(),
            role: state.role(),
            is_up: state.is_up,
            mac: state.attached.mac,
            mtu: state.mtu(),
            addresses: state.addresses(),
            refused_addresses: state.refused.iter().copied().collect(),
            rx_packets: 0,
            rx_bytes: 0,
            tx_packets: 0,
            tx_bytes: 0,
            rx_missed_packets: 0,
            tx_dropped_packets: 0,
            abilities: Vec::new(),
        });
        rows.collect()
    }

    /// Who speaks OSPF with us is a router, also one that never said so in an advertisement.
    fn neighbor_rows(&self) -> Vec<NeighborRow> {
        let adjacent = self.ospf.neighbors();
        let is_adjacent = |port: PortId, address: Ipv6Addr| {
            adjacent.iter().any(|router| router.port == port && router.address == address)
        };
        let rows = self.nd.entries().into_iter().map(|entry| NeighborRow {
            address: entry.address,
            port: self.name(entry.port),
            mac: entry.mac,
            state: entry.state.to_string(),
            is_router: entry.is_router || is_adjacent(entry.port, entry.address),
            queued_packets: entry.queued_packets,
        });
        rows.collect()
    }

    fn ospf_row(&self) -> OspfRow {
        let interfaces = self.ospf.interfaces();
        let up = interfaces.iter().filter(|i| self.ports.get(&i.port).is_some_and(|p| p.is_up));
        OspfRow {
            router_id: self.identity.router_id,
            interface_count: u32::try_from(up.count()).unwrap_or(u32::MAX),
            full_count: interfaces.iter().map(|interface| interface.full_count).sum(),
            neighbor_count: interfaces.iter().map(|interface| interface.neighbor_count).sum(),
            lsa_count: self.ospf.shared_lsa_count(),
            digest: format!("{:016x}", self.ospf.area_digest()),
            is_starting: self.stub.is_starting(),
            is_drained: self.stub.is_drained(),
            // Workers count it, the daemon knows them.
            transit_packet_count: 0,
        }
    }

    /// Neighbours, and a row for each fabric port that has none; by port.
    fn ospf_neighbor_rows(&self, now: Instant) -> Vec<OspfNeighborRow> {
        let heard = self.ospf.neighbors().into_iter();
        let heard = heard.map(|neighbor| (neighbor.port, neighbor_row(now, self, neighbor)));
        let mut rows: Vec<(PortId, OspfNeighborRow)> = heard.collect();
        let lonely = self.ospf.interfaces().into_iter().filter_map(|interface| {
            let row = lonely_row(now, self.name(interface.port), interface.loneliness?);
            Some((interface.port, row))
        });
        rows.extend(lonely);
        let without = self.ports.values().filter(|state| is_fabric(state) && !state.has_ospf);
        rows.extend(without.map(|state| (state.id(), self.row_without_ospf(state))));
        // Stable: a stranger stays behind the neighbour of its port.
        rows.sort_by_key(|(port, _)| *port);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn row_without_ospf(&self, state: &PortState) -> OspfNeighborRow {
        let problem = match self.identity.router_id {
            None => "OSPF does not run: the configuration gives no router-id",
            Some(_) => "OSPF does not run here: somebody else has the port's link-local address",
        };
        let port = state.attached.settings.name.clone();
        OspfNeighborRow { problem: Some(problem.to_owned()), ..empty_row(port) }
    }

    /// The session of each port that shall have one, or why it has none. Counters of packets are
    /// the driver's.
    fn bfd_rows(&self, now: Instant) -> Vec<BfdRow> {
        self.ports
            .values()
            .filter(|state| is_fabric(state) || self.is_bgp_watched(state.id()))
            .map(|state| self.bfd_row(now, state))
            .collect()
    }

    fn bfd_row(&self, now: Instant, state: &PortState) -> BfdRow {
        let port = state.attached.settings.name.clone();
        let fall = self.bfd.falls.get(&state.id()).copied().unwrap_or_default();
        let last_down = fall.last.map(|(at, diagnostic)| BfdDownRow {
            age_ms: milliseconds(now - at),
            reason: diagnostic.name().to_owned(),
        });
        let session = self.bfd.clients.get(&state.id());
        let Some((client, view)) = session.and_then(|client| Some((client, client.view?))) else {
            let reason = match (state.is_up, self.is_bfd_wanted(state.id()), session) {
                (false, ..) => "no carrier",
                (true, false, _) => "the configuration has no BFD here, or OSPF does not run",
                (true, true, Some(_)) => "it is about to begin",
                (true, true, None) if !is_fabric(state) => "the BGP session was not up yet",
                (true, true, None) => "no hello of a neighbour is heard",
            };
            let (state, reason) = ("none".to_owned(), Some(reason.to_owned()));
            let down_count = fall.count;
            return BfdRow { port, state, reason, down_count, last_down, ..BfdRow::default() };
        };
        BfdRow {
            port,
            address: Some(client.neighbor),
            reason: None,
            state: view.state.to_string(),
            state_age_ms: milliseconds(now - view.since),
            remote_state: view.remote_state.to_string(),
            diagnostic: view.diagnostic.name().to_owned(),
            remote_diagnostic: view.remote_diagnostic.name().to_owned(),
            is_failed: view.is_failed,
            is_silent: view.is_silent,
            transmit_interval_us: view.transmit_interval.map(microseconds),
            receive_interval_us: microseconds(view.receive_interval),
            detection_time_us: microseconds(view.detection_time),
            multiplier: view.multiplier,
            remote_multiplier: view.remote_multiplier,
            discriminator: view.discriminator,
            remote_discriminator: view.remote_discriminator,
            is_polling: view.is_polling,
            is_authenticated: view.is_authenticated,
            down_count: fall.count,
            last_down,
            sent_packets: 0,
            received_packets: 0,
            refused_packets: 0,
            unsent_packets: 0,
            late_extension_count: 0,
        }
    }

    fn ospf_interface_rows(&self) -> Vec<OspfInterfaceRow> {
        let rows = self.ospf.interfaces().into_iter().map(|interface| OspfInterfaceRow {
            port: self.name(interface.port),
            interface_id: interface.interface_id,
            kind: "point-to-point".to_owned(),
            state: interface.state.to_owned(),
            area: interface.area,
            cost: interface.cost,
            hello_interval_ms: milliseconds(interface.hello_interval),
            dead_interval_ms: milliseconds(interface.dead_interval),
            full_count: interface.full_count,
            neighbor_count: interface.neighbor_count,
        });
        rows.collect()
    }

    fn lsa_rows(&self, now: Instant) -> Vec<LsaRow> {
        let scope = |port: Option<PortId>, area| match (port, area) {
            (Some(port), _) => format!("link {}", self.name(port)),
            (None, Some(area)) => format!("area {area}"),
            (None, None) => "as".to_owned(),
        };
        let rows = self.ospf.database(now).into_iter().map(|lsa| LsaRow {
            scope: scope(lsa.port, lsa.area),
            kind: lsa.kind,
            id: lsa.id,
            router: lsa.router,
            age_s: lsa.age_s,
            sequence: format!("{:#010x}", lsa.sequence),
            checksum: format!("{:#06x}", lsa.checksum),
            length: lsa.length,
            body: lsa.body,
        });
        rows.collect()
    }

    fn ospf_route_rows(&self) -> Vec<OspfRouteRow> {
        let rows = self.ospf.routes().into_iter().map(|route| OspfRouteRow {
            prefix: route.prefix,
            cost: route.cost,
            kind: route.kind.to_owned(),
            next_hops: self.next_hop_rows(&route.next_hops),
        });
        rows.collect()
    }

    /// Equal-cost ways are counted as protecting the link only: one of them may lead through the
    /// neighbour of another.
    fn ospf_repairs(&self) -> OspfRepairs {
        let all = self.ospf.routes().into_iter();
        let (own, routes): (Vec<_>, Vec<_>) = all.partition(|route| route.cover == CoverView::Own);
        let node_protectable_count = count(routes.iter().filter(|r| r.has_way_past_neighbor));
        let rows: Vec<OspfRepairRow> =
            routes.into_iter().map(|route| self.ospf_repair_row(route)).collect();
        let has_way = |row: &&OspfRepairRow| row.reason.as_deref() != Some(NO_WAY);
        let is_node = |row: &&OspfRepairRow| row.protects.as_deref() == Some("node");
        let link_protectable_count = count(rows.iter().filter(has_way));
        let link_count = count(rows.iter().filter(|row| row.protects.is_some()));
        let node_count = count(rows.iter().filter(is_node));
        OspfRepairs {
            route_count: count(rows.iter()),
            link_protectable_count,
            link_count,
            link_coverage_percent: percent(link_count, link_protectable_count),
            node_protectable_count,
            node_count,
            node_coverage_percent: percent(node_count, node_protectable_count),
            own_prefixes: own.into_iter().map(|route| route.prefix).collect(),
            rows,
        }
    }

    fn ospf_repair_row(&self, route: RouteView) -> OspfRepairRow {
        let mut row = OspfRepairRow {
            prefix: route.prefix,
            next_hops: self.next_hop_rows(&route.next_hops),
            kind: "none".to_owned(),
            via: None,
            segments: Vec::new(),
            protects: None,
            reason: None,
        };
        match route.cover {
            CoverView::Own => {}
            CoverView::EqualCost => {
                row.kind = "equal-cost".to_owned();
                row.protects = Some("link".to_owned());
            }
            CoverView::Repair(repair) => {
                let is_plain = repair.segments.is_empty();
                row.kind = if is_plain { "alternate" } else { "tunnel" }.to_owned();
                row.via = self.next_hop_rows(&[repair.via]).pop();
                row.segments = repair.segments;
                row.protects = Some(match repair.protects {
                    Protection::Link => "link".to_owned(),
                    Protection::Node => "node".to_owned(),
                });
            }
            CoverView::None(reason) => row.reason = Some(reason.to_owned()),
        }
        row
    }

    fn spf_row(&self, now: Instant) -> SpfRow {
        let spf = self.ospf.spf();
        SpfRow {
            run_count: spf.run_count,
            last_run_ago_ms: spf.last_run.map(|run| milliseconds(now - run)),
            // The control plane has no clock: the driver times the runs.
            last_duration_us: 0,
            router_count: spf.router_count,
            prefix_count: spf.prefix_count,
            backoff: spf.backoff.to_owned(),
            last_trigger: spf.last_trigger.to_owned(),
        }
    }

    fn next_hop_rows(&self, ways: &[RouteNextHop]) -> Vec<NextHopRow> {
        ways.iter().map(|way| self.next_hop_row(*way)).collect()
    }

    fn next_hop_row(&self, way: RouteNextHop) -> NextHopRow {
        NextHopRow {
            port: self.name(way.port),
            address: Some(way.address),
            mac: self.nd.mac_of(way.port, way.address),
            is_alive: self.is_alive(way),
        }
    }

    /// The liveness flag; a next hop that no group uses is judged by its port.
    fn is_alive(&self, way: RouteNextHop) -> bool {
        let flag = self.rib.is_alive(way);
        flag.unwrap_or_else(|| self.ports.get(&way.port).is_some_and(|state| state.is_up))
    }

    /// The prefixes of one page, and where the next one begins.
    fn page(&self, after: Option<Ipv6Prefix>) -> (Vec<Ipv6Prefix>, Option<Ipv6Prefix>) {
        let mut behind = self.rib.prefixes_after(after);
        let page: Vec<Ipv6Prefix> = behind.by_ref().take(PAGE_PREFIXES_MAX).collect();
        let rest = page.last().copied().filter(|_| behind.next().is_some());
        (page, rest)
    }

    fn route_page(
        &self,
        filter: &RouteFilter,
        after: Option<Ipv6Prefix>,
    ) -> (Vec<RouteRow>, Option<Ipv6Prefix>) {
        if let Some(address) = filter.address {
            return (self.rib.lookup(address).map(|route| self.route_row(&route)).collect(), None);
        }
        let (page, rest) = match filter.prefix {
            Some(prefix) => (vec![prefix], None),
            None => self.page(after),
        };
        let routes = page.into_iter().flat_map(|prefix| self.rib.routes_of(prefix));
        (routes.map(|route| self.route_row(&route)).collect(), rest)
    }

    fn route_row(&self, route: &RibRoute<'_>) -> RouteRow {
        let target = match &route.body.target {
            RouteTarget::Via(_) | RouteTarget::Recursive(_) | RouteTarget::Exits(_) => "via",
            RouteTarget::OnLink(_) => "on-link",
            RouteTarget::Cross(_) => "adjacency",
            RouteTarget::Local => "local",
            RouteTarget::Unreachable => "unreachable",
            RouteTarget::Blackhole => "blackhole",
        };
        let next_hops = match (&route.way, &route.body.target) {
            (Some(Way::Forward { members, .. }), _) => self.next_hop_rows(members),
            (_, RouteTarget::Cross(way)) => self.next_hop_rows(&[*way]),
            (Some(Way::OnLink(port)), _) | (None, RouteTarget::OnLink(port)) => {
                vec![self.port_hop(*port)]
            }
            (None, RouteTarget::Via(ways)) => self.next_hop_rows(ways),
            (None, RouteTarget::Recursive(gateways)) => {
                let gone = |address| NextHopRow {
                    port: String::new(),
                    address: Some(address),
                    mac: None,
                    is_alive: false,
                };
                gateways.iter().copied().map(gone).collect()
            }
            _ => Vec::new(),
        };
        RouteRow {
            prefix: route.prefix,
            source: route.source,
            distance: route.source.distance(),
            metric: route.body.metric,
            is_selected: route.is_selected,
            target: target.to_owned(),
            next_hops,
            repair: match &route.way {
                Some(Way::Forward { repair: Some(path), .. }) => {
                    Some(self.repair_row(path.via, &path.segments))
                }
                _ => None,
            },
        }
    }

    fn repair_row(&self, via: RouteNextHop, segments: &[Ipv6Addr]) -> RepairRow {
        RepairRow { via: self.next_hop_row(via), segments: segments.to_vec() }
    }

    fn port_hop(&self, port: PortId) -> NextHopRow {
        let is_alive = self.ports.get(&port).is_some_and(|state| state.is_up);
        NextHopRow { port: self.name(port), address: None, mac: None, is_alive }
    }

    fn fib_page(
        &self,
        filter: &RouteFilter,
        after: Option<Ipv6Prefix>,
    ) -> (Vec<FibRow>, Option<Ipv6Prefix>) {
        let row = |prefix| Some(self.fib_row(prefix, self.world.table.get(prefix)?));
        if let Some(address) = filter.address {
            let mut shorter = (0..=128).rev().map(|length| Ipv6Prefix::containing(address, length));
            return (shorter.find_map(row).into_iter().collect(), None);
        }
        // Every prefix of the world stands in the RIB (`rib::compile`), which can be entered
        // anywhere.
        let (page, rest) = match filter.prefix {
            Some(prefix) => (vec![prefix], None),
            None => self.page(after),
        };
        (page.into_iter().filter_map(row).collect(), rest)
    }

    fn fib_row(&self, prefix: Ipv6Prefix, group: GroupId) -> FibRow {
        let (target, next_hops) = match self.world.group(group) {
            NextHopGroup::Forward { members, .. } => ("forward", self.hop_rows(members)),
            NextHopGroup::Cross(next_hop) => ("adjacency", self.hop_rows(&[*next_hop])),
            NextHopGroup::OnLink(port) => ("on-link", vec![self.port_hop(*port)]),
            NextHopGroup::Local => ("local", Vec::new()),
            NextHopGroup::Unreachable => ("unreachable", Vec::new()),
            NextHopGroup::Blackhole => ("blackhole", Vec::new()),
        };
        let repair = match self.world.group(group) {
            NextHopGroup::Forward { backup, .. } => *backup,
            _ => None,
        };
        let repair = repair.and_then(|backup| self.world.next_hop(backup)).map(|hop| {
            let via = RouteNextHop { port: hop.port, address: hop.address };
            self.repair_row(via, hop.encapsulation.as_ref().map_or(&[], |all| all.segments()))
        });
        FibRow { prefix, group: group.0, target: target.to_owned(), next_hops, repair }
    }

    fn hop_rows(&self, numbers: &[NextHopId]) -> Vec<NextHopRow> {
        let hops = numbers.iter().filter_map(|number| self.world.next_hop(*number));
        let ways = hops.map(|hop| RouteNextHop { port: hop.port, address: hop.address });
        self.next_hop_rows(&ways.collect::<Vec<_>>())
    }

    fn error_rows(&self, all: bool) -> Vec<ErrorRow> {
        let mut blocks: Vec<(&str, &[CounterInfo], Vec<u64>)> = vec![
            ("control", ControlCounters::INFO, self.counters.values()),
            ("ospf", OspfCounters::INFO, self.ospf.counters().values()),
            ("nd", NdCounters::INFO, self.nd.counters().values()),
            ("rib", RibCounters::INFO, self.rib.counters().values()),
            ("tenant", MemberCounters::INFO, self.tenants.membership.counters().values()),
        ];
        if let Some(speaker) = self.bgp.speaker() {
            let ribs = speaker.ribs().counters();
            blocks.push(("bgp", crate::proto::bgp::ribs::RibCounters::INFO, ribs.values()));
        }
        let mut rows = Vec::new();
        for (place, infos, values) in blocks {
            let is_wanted = |info: &CounterInfo, count| all || (count > 0 && !info.is_normal);
            let counted = infos.iter().zip(values).filter(|(info, count)| is_wanted(info, *count));
            rows.extend(counted.map(|(info, count)| ErrorRow {
                place: place.to_owned(),
                name: info.name.to_owned(),
                count,
                help: info.help.to_owned(),
            }));
        }
        rows
    }

    /// Blocks of the configuration whose port is not on this server.
    fn inactive_blocks(&self) -> Vec<String> {
        let missing = |name: &str| self.port_named(name).is_none();
        let mut inactive = Vec::new();
        for (index, port) in self.config.ports.iter().enumerate() {
            let is_match = matches!(port.device, crate::config::PortDevice::Match { .. });
            if !is_match && missing(&port.name) {
                inactive.push(format!("[[port]] {}: port {} is not open", index + 1, port.name));
            }
        }
        for (index, route) in self.config.routes.iter().enumerate() {
            if let crate::config::StaticRouteTarget::Via { port: Some(port), .. } = &route.target
                && missing(port)
            {
                let place = index + 1;
                inactive.push(format!("[[route]] {place}: port {port} is not on this server"));
            }
        }
        for (index, neighbor) in self.config.neighbors.iter().enumerate() {
            if missing(&neighbor.port) {
                let (place, port) = (index + 1, &neighbor.port);
                inactive.push(format!("[[neighbor]] {place}: port {port} is not on this server"));
            }
        }
        for (index, tenant) in self.config.tenants.iter().enumerate() {
            if !self.is_tenant_active(tenant) {
                let (place, name) = (index + 1, &tenant.name);
                inactive.push(format!("[[tenant]] {place}: no port of {name} is on this server"));
            }
        }
        inactive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_there_is_no_percentage_and_100_means_all() {
        assert_eq!(percent(0, 0), None);
        assert_eq!(
            (percent(0, 4), percent(199, 200), percent(3, 3)),
            (Some(0), Some(99), Some(100))
        );
    }
}
