//! Events in words: what the log and `kumiki monitor` say of the control plane.
//!
//! Owns the sentences; that there is one a change and none a packet is the care of the machines.

use super::port::PortState;
use super::stub::Missing;
use crate::api::request::ClearWhat;
use crate::api::show::SelfCheckRow;
use crate::api::{Event, Severity};
use crate::base::ids::{MacAddress, PortId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::RouteNextHop;
use crate::base::time::{Duration, Instant};
use crate::proto::bfd;
use crate::proto::bgp::action::StateChange;
use crate::proto::bgp::fsm::State as SessionState;
use crate::proto::bgp::ribs::RibError as Shortage;
use crate::proto::bgp::speaker::Refusal;
use crate::proto::bgp::transport::Failure;
use crate::proto::bmp;
use crate::proto::ospf::{HelpEnd, NeighborChange, NeighborState, Notice, RestartEnd};
use crate::proto::rtr;
use crate::rib::RibError;
use crate::wire::bfd::{Diagnostic, State};
use crate::wire::ospf::GraceReason;
use core::fmt::Display;
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// EADDRINUSE of Linux.
const ERRNO_IN_USE: i32 = 98;
/// EACCES of Linux.
const ERRNO_NO_PERMISSION: i32 = 13;

type Ports = BTreeMap<PortId, PortState>;

/// An event under construction.
pub(super) struct Draft(Event);

impl Draft {
    pub(super) fn new(at: Instant, severity: Severity, topic: &str, text: String) -> Self {
        Self(Event { at, severity, topic: topic.to_owned(), text, fields: Vec::new() })
    }

    pub(super) fn with(mut self, key: &str, value: impl Display) -> Self {
        self.0.fields.push((key.to_owned(), value.to_string()));
        self
    }

    /// The event.
    pub(super) fn finish(self) -> Event {
        self.0
    }
}

/// The name of a port in messages; its number where it is gone.
pub(super) fn port_name(port: PortId, ports: &Ports) -> String {
    let name = ports.get(&port).map(|state| state.attached.settings.name.clone());
    name.unwrap_or_else(|| format!("port {port}"))
}

/// Carrier came or went.
pub(super) fn carrier(now: Instant, state: &PortState) -> Event {
    let name = &state.attached.settings.name;
    let (severity, what) = match state.is_up {
        true => (Severity::Info, "has carrier"),
        false => (Severity::Warning, "lost carrier"),
    };
    Draft::new(now, severity, "port.carrier", format!("{name} {what}"))
        .with("port", name)
        .with("is_up", state.is_up)
        .0
}

/// An OSPF neighbour in a new state.
pub(super) fn neighbor_changed(now: Instant, change: &NeighborChange, ports: &Ports) -> Event {
    let name = port_name(change.port, ports);
    let severity = match (change.from, change.to) {
        (NeighborState::Full, _) => Severity::Warning,
        _ => Severity::Info,
    };
    let NeighborChange { router_id, from, to, event, .. } = change;
    let text = format!("neighbour {router_id} on {name}: {from} -> {to} ({event})");
    Draft::new(now, severity, "ospf.neighbor", text)
        .with("port", &name)
        .with("router_id", router_id)
        .with("address", change.address)
        .with("from", from)
        .with("to", to)
        .with("event", event)
        .0
}

/// A BFD session in a new state.
pub(super) fn bfd_changed(now: Instant, report: &bfd::Report, from: State, ports: &Ports) -> Event {
    let name = port_name(report.port, ports);
    let view = &report.view;
    let severity = if view.is_failed { Severity::Warning } else { Severity::Info };
    let to = view.state;
    let why = match view.diagnostic {
        Diagnostic::NONE => String::new(),
        why => format!(" ({})", why.name()),
    };
    let text = format!("BFD with {} on {name}: {from} -> {to}{why}", report.neighbor);
    Draft::new(now, severity, "bfd.session", text)
        .with("port", &name)
        .with("address", report.neighbor)
        .with("from", from)
        .with("to", to)
        .with("diagnostic", view.diagnostic.name())
        .with("remote_state", view.remote_state)
        .0
}

/// A BGP session in a new state.
pub(super) fn bgp_session(
    now: Instant,
    name: &str,
    change: &StateChange,
    objection: Option<&str>,
) -> Event {
    let StateChange { from, to, event, reason } = change;
    let severity = match (from, to) {
        (SessionState::Established, _) => Severity::Warning,
        _ => Severity::Info,
    };
    let why = reason.as_ref().map_or_else(|| event.to_string(), ToString::to_string);
    let about = objection.map_or_else(String::new, |words| format!(": {words}"));
    let text = format!("BGP with {name}: {from} -> {to} ({why}{about})");
    Draft::new(now, severity, "bgp.session", text)
        .with("neighbor", name)
        .with("from", from)
        .with("to", to)
        .with("event", event)
        .0
}

/// The session with a BGP neighbour ends with the carrier of its port.
pub(super) fn bgp_link_down(now: Instant, name: &str, port: PortId, ports: &Ports) -> Event {
    let port = port_name(port, ports);
    let text = format!("BGP with {name} ends: {port} has lost its carrier");
    Draft::new(now, Severity::Warning, "bgp.link", text).with("neighbor", name).with("port", port).0
}

/// More routes should go into OSPF than may.
pub(super) fn redistribution_full(now: Instant, prefix: Ipv6Prefix, max: usize) -> Event {
    let text = format!(
        "{max} routes of BGP are in OSPF, and no more may be: {prefix} is left out; let the policy \
         take fewer, or raise max_prefix in [ospf.redistribute]"
    );
    Draft::new(now, Severity::Error, "ospf.redistribute", text)
        .with("prefix", prefix)
        .with("max", max)
        .0
}

/// A route of BGP comes and goes, and waits.
pub(super) fn redistribution_damped(now: Instant, prefix: Ipv6Prefix, max: Duration) -> Event {
    let text = format!(
        "{prefix} comes and goes in BGP: its returns into OSPF wait from now on, for up to {} s \
         (damping_max in [ospf.redistribute]); `show bgp neighbor --detail` says which session \
         falls",
        max.as_secs()
    );
    Draft::new(now, Severity::Warning, "ospf.redistribute", text).with("prefix", prefix).0
}

/// Routes of a BGP neighbour are not taken.
pub(super) fn bgp_refused(
    now: Instant,
    name: &str,
    (reason, back): (&Refusal, Option<Duration>),
) -> Event {
    let rest = match (reason, back) {
        (Refusal::Paths(_), Some(time)) => {
            format!(": its session ends, and is tried again in {} s", time.as_secs())
        }
        (Refusal::Paths(_), None) => {
            format!(
                ": its session ends until max_prefix is raised, a max_prefix_restart_time given, \
                 or `kumiki clear bgp neighbor {name}` said"
            )
        }
        // The session goes on; it is asked again when there is room.
        (Refusal::Tables(Shortage::RoutesExhausted), _) => {
            ": they are left out, and it is asked for them again when there is room; see `show bgp \
             summary`"
                .to_owned()
        }
        (Refusal::Tables(_), _) => {
            format!(": its session ends until `kumiki clear bgp neighbor {name}` is said")
        }
    };
    let text = format!("BGP with {name}: {reason}{rest}");
    Draft::new(now, Severity::Error, "bgp.refused", text).with("neighbor", name).0
}

/// A BGP neighbour has nearly as many paths as it may.
pub(super) fn bgp_many_paths(now: Instant, name: &str, (count, most): (u32, u32)) -> Event {
    let text = format!(
        "BGP with {name}: {count} paths of {most} that it may have; with more its session ends"
    );
    Draft::new(now, Severity::Warning, "bgp.many_paths", text)
        .with("neighbor", name)
        .with("count", count)
        .with("max", most)
        .0
}

/// Somebody wanted sessions of BGP anew.
pub(super) fn bgp_cleared(now: Instant, name: &str, what: ClearWhat) -> Event {
    let text = match what {
        ClearWhat::Session => "its session begins anew, as was asked",
        ClearWhat::In => "is asked for all its routes, as was wanted",
        ClearWhat::Out => "is told of all routes again, as was wanted",
    };
    Draft::new(now, Severity::Info, "bgp.clear", format!("BGP with {name}: {text}"))
        .with("neighbor", name)
        .0
}

/// BGP neighbours cannot connect to an address of this router.
pub(super) fn bgp_deaf(now: Instant, local: &str, failure: Failure) -> Event {
    let remedy = match failure {
        Failure::System(errno) if errno == ERRNO_IN_USE => {
            "another program has the port: is there another BGP daemon on this host?"
        }
        Failure::System(errno) if errno == ERRNO_NO_PERMISSION => {
            "the router may not use the port: it needs CAP_NET_BIND_SERVICE"
        }
        Failure::AddressAbsent => "the host has not got the address: is the TUN device up?",
        _ => "see what the kernel says",
    };
    let text = format!(
        "BGP neighbours cannot connect to {local} ({failure}): {remedy}; it is tried again, and \
         this router connects to them"
    );
    Draft::new(now, Severity::Error, "bgp.deaf", text).with("local", local).0
}

/// More neighbours come from a prefix than may.
pub(super) fn bgp_dynamic_full(now: Instant, prefix: Ipv6Prefix, most: usize) -> Event {
    let text = format!(
        "{most} BGP neighbours have come from {prefix}, and no more may: further ones are turned \
         away; raise max_neighbors of its [[bgp.dynamic]]"
    );
    Draft::new(now, Severity::Warning, "bgp.dynamic", text)
        .with("prefix", prefix)
        .with("max", most)
        .0
}

/// The BGP neighbour on a link was found.
pub(super) fn bgp_found(
    now: Instant,
    (port, address): (PortId, Ipv6Addr),
    before: Option<Ipv6Addr>,
    ports: &Ports,
) -> Event {
    let name = port_name(port, ports);
    let instead = before.map_or_else(String::new, |before| format!(" in place of {before}"));
    let text = format!("the BGP neighbour on {name} is {address}{instead}");
    Draft::new(now, Severity::Info, "bgp.link", text).with("port", &name).with("address", address).0
}

/// A second router is on a link where one neighbour is looked for.
pub(super) fn bgp_stranger(
    now: Instant,
    (port, address): (PortId, Ipv6Addr),
    kept: Ipv6Addr,
    ports: &Ports,
) -> Event {
    let name = port_name(port, ports);
    let text = format!(
        "{address} is a second router on {name}: the BGP neighbour there stays {kept} while it is \
         heard; give a [[bgp.neighbor]] for each its `address`"
    );
    Draft::new(now, Severity::Warning, "bgp.link", text)
        .with("port", &name)
        .with("address", address)
        .with("kept", kept)
        .0
}

/// They can again.
pub(super) fn bgp_hears(now: Instant, local: &str) -> Event {
    let text = format!("BGP neighbours can connect to {local} again");
    Draft::new(now, Severity::Info, "bgp.deaf", text).with("local", local).0
}

/// A monitoring station is told from now on.
pub(super) fn bmp_station_up(now: Instant, station: &str) -> Event {
    let text = format!("BMP station {station} is up, and is told everything from the beginning");
    Draft::new(now, Severity::Info, "bmp.station", text).with("station", station).0
}

/// It has fallen behind, and is told everything again.
pub(super) fn bmp_station_behind(now: Instant, station: &str) -> Event {
    let text = format!(
        "BMP station {station} reads more slowly than routes change: it is told everything from \
         the beginning again"
    );
    Draft::new(now, Severity::Warning, "bmp.station", text).with("station", station).0
}

/// It is not told any more.
pub(super) fn bmp_station_lost(now: Instant, station: &str, why: bmp::Failure) -> Event {
    let text = format!("BMP station {station}: {why}; it is tried again");
    Draft::new(now, Severity::Warning, "bmp.station", text)
        .with("station", station)
        .with("reason", why)
        .0
}

/// The data of an RPKI cache are here.
pub(super) fn rpki_synchronised(now: Instant, cache: &str) -> Event {
    let text = format!("RPKI cache {cache}: its data are here");
    Draft::new(now, Severity::Info, "rpki.cache", text).with("cache", cache).0
}

/// What is left of a cache that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Its data, until they expire.
    Data,
    /// Nothing: it has sent none, or they are dropped.
    Nothing,
}

/// An RPKI cache is lost, or cannot be reached.
pub(super) fn rpki_failed(now: Instant, cache: &str, why: &rtr::Failure, kept: Kept) -> Event {
    let rest = match kept {
        Kept::Data => "its data hold until they expire",
        Kept::Nothing => "none of its data are here",
    };
    let text = format!("RPKI cache {cache}: {why}; {rest}");
    Draft::new(now, Severity::Warning, "rpki.cache", text)
        .with("cache", cache)
        .with("reason", why)
        .0
}

/// The data of an RPKI cache are too old.
pub(super) fn rpki_expired(now: Instant, cache: &str) -> Event {
    let text = format!(
        "RPKI cache {cache}: its data have expired and are dropped; routes that only it knew of \
         are not_found from now on"
    );
    Draft::new(now, Severity::Error, "rpki.expired", text).with("cache", cache).0
}

/// Caches have more payloads than there is room for.
pub(super) fn rpki_full(now: Instant, count: usize) -> Event {
    let text = format!(
        "RPKI caches have more payloads than there is room for: {count} are used, the others wait \
         for room, and routes that only they are about are judged without them"
    );
    Draft::new(now, Severity::Error, "rpki.full", text).with("count", count).0
}

/// Something an administrator should know.
pub(super) fn notice(now: Instant, notice: &Notice, ports: &Ports) -> Event {
    let warn = |topic: &str, text: String| Draft::new(now, Severity::Warning, topic, text);
    let draft = match notice {
        Notice::MtuMismatch { port, router_id, ours, theirs } => {
            let name = port_name(*port, ports);
            let text = format!(
                "MTU mismatch on {name}: {ours} here, {theirs} at {router_id}; the adjacency waits \
                 until both ends have the same mtu"
            );
            warn("ospf.mtu_mismatch", text)
                .with("port", name)
                .with("router_id", router_id)
                .with("ours", ours)
                .with("theirs", theirs)
        }
        Notice::HelloMismatch { port, router_id, field, ours, theirs } => {
            let name = port_name(*port, ports);
            let text = format!(
                "hellos of {router_id} on {name} are not accepted: {field} is {ours} here and \
                 {theirs} there; make both ends equal"
            );
            warn("ospf.hello_mismatch", text)
                .with("port", name)
                .with("router_id", router_id)
                .with("field", field)
        }
        Notice::DuplicateRouterId { port, router_id, ours, theirs } => {
            let name = port_name(*port, ports);
            let text = format!(
                "router-id {router_id} exists twice: this router ({ours} on {name}) and the one \
                 heard through {theirs}; give one of them another number"
            );
            Draft::new(now, Severity::Error, "ospf.duplicate_router_id", text)
                .with("port", name)
                .with("router_id", router_id)
                .with("ours", ours)
                .with("theirs", theirs)
        }
        _ => cable_notice(now, notice, ports),
    };
    draft.0
}

/// The same of cables that lead where they should not.
fn cable_notice(now: Instant, notice: &Notice, ports: &Ports) -> Draft {
    let warn = |topic: &str, text: String| Draft::new(now, Severity::Warning, topic, text);
    match notice {
        Notice::SecondNeighbor { port, kept, ignored } => {
            let name = port_name(*port, ports);
            let text = format!(
                "two routers answer on the cable at {name}: {kept} is kept, {ignored} ignored; a \
                 fabric port takes one cable to one router"
            );
            warn("ospf.second_neighbor", text)
                .with("port", name)
                .with("kept", kept)
                .with("ignored", ignored)
        }
        Notice::SecondPort { port, router_id, kept, ignored } => {
            let name = port_name(*port, ports);
            let text = format!(
                "{router_id} answers twice on the cable at {name}: {kept} is kept, {ignored} \
                 ignored; a fabric port takes one cable to one port"
            );
            warn("ospf.second_port", text)
                .with("port", name)
                .with("router_id", router_id)
                .with("kept", kept)
                .with("ignored", ignored)
        }
        Notice::OwnPorts { port, other } => {
            let (name, other) = (port_name(*port, ports), port_name(*other, ports));
            let text = format!(
                "{name} and {other} of this router are cabled together; the cable carries nothing"
            );
            warn("ospf.own_ports", text).with("port", name).with("other", other)
        }
        _ => grace_notice(now, notice, ports),
    }
}

/// The same of neighbours that restart gracefully.
fn grace_notice(now: Instant, notice: &Notice, ports: &Ports) -> Draft {
    let draft = |severity, text| Draft::new(now, severity, "ospf.graceful_restart", text);
    match notice {
        Notice::RestartEnded { end } => {
            let (severity, text) = match end {
                RestartEnd::Completed => (Severity::Info, "restarted gracefully"),
                _ => (Severity::Warning, "the graceful restart was given up"),
            };
            draft(severity, format!("{text}: {}", end.name())).with("end", end.name())
        }
        Notice::HelpBegun { port, router_id, reason, left_s } => {
            let name = port_name(*port, ports);
            let reason = GraceReason(*reason);
            let text = format!(
                "{router_id} on {name} restarts gracefully ({reason}) and is helped for {left_s} s"
            );
            draft(Severity::Info, text)
                .with("port", name)
                .with("router_id", router_id)
                .with("reason", reason)
                .with("left_s", left_s)
        }
        Notice::HelpRefused { port, router_id, why } => {
            let (name, why) = (port_name(*port, ports), why.name());
            let text = format!("{router_id} on {name} restarts gracefully without help: {why}");
            draft(Severity::Warning, text).with("port", name).with("router_id", router_id)
        }
        Notice::HelpEnded { port, router_id, end } => {
            let name = port_name(*port, ports);
            let severity = match end {
                HelpEnd::Completed => Severity::Info,
                _ => Severity::Warning,
            };
            let text = format!("{router_id} on {name} is helped no more: {}", end.name());
            draft(severity, text).with("port", name).with("router_id", router_id)
        }
        _ => lsa_notice(now, notice, ports),
    }
}

/// The same of LSAs and their database.
fn lsa_notice(now: Instant, notice: &Notice, ports: &Ports) -> Draft {
    let warn = |topic: &str, text: String| Draft::new(now, Severity::Warning, topic, text);
    match notice {
        Notice::LsaTooLarge { port, router_id, kind, id, octets, mtu } => {
            let name = port_name(*port, ports);
            let text = format!(
                "the {kind} LSA {id} of {router_id} has {octets} octets and is not sent by {name}, \
                 whose MTU is {mtu}; routers behind it do not know it"
            );
            warn("ospf.lsa_too_large", text)
                .with("port", name)
                .with("router_id", router_id)
                .with("octets", octets)
                .with("mtu", mtu)
        }
        Notice::DatabaseFull { lsas, octets } => {
            let text = format!(
                "the link-state database is full with {lsas} LSAs of {octets} octets; more are \
                 refused"
            );
            Draft::new(now, Severity::Error, "ospf.database_full", text)
                .with("lsas", lsas)
                .with("octets", octets)
        }
        Notice::TooManyExternals { prefix, max } => {
            let text = format!(
                "{max} routes are announced from outside the AS, and no more: {prefix} is left out"
            );
            Draft::new(now, Severity::Error, "ospf.too_many_externals", text)
                .with("prefix", prefix)
                .with("max", max)
        }
        Notice::UnreadableLsa { port, router_id, kind, id } => {
            let name = port_name(*port, ports);
            let text = format!(
                "the {kind} LSA {id} of {router_id} that came in by {name} cannot be read; it is \
                 left out, here and in what this router passes on"
            );
            warn("ospf.unreadable_lsa", text).with("port", name).with("router_id", router_id)
        }
        _ => unreachable!("said before it came here"),
    }
}

/// Somebody else has one of the router's addresses.
pub(super) fn duplicate_address(
    now: Instant,
    (port, address, mac): (PortId, Ipv6Addr, Option<MacAddress>),
    ports: &Ports,
) -> Event {
    let name = port_name(port, ports);
    let who = mac.map_or_else(|| "somebody".to_owned(), |mac| mac.to_string());
    let text = format!("{who} on {name} has {address} as well; it is not used there");
    Draft::new(now, Severity::Error, "nd.duplicate_address", text)
        .with("port", name)
        .with("address", address)
        .with("mac", who)
        .0
}

/// Another router on a LAN advertises something else.
pub(super) fn inconsistent(
    now: Instant,
    (port, router, field): (PortId, Ipv6Addr, &str),
    ports: &Ports,
) -> Event {
    let name = port_name(port, ports);
    let text = format!("router {router} on {name} advertises another {field} (RFC 4861 §6.2.7)");
    Draft::new(now, Severity::Warning, "nd.inconsistent_advertisement", text)
        .with("port", name)
        .with("router", router)
        .with("field", field)
        .0
}

/// The routes of a control plane that failed are no longer used.
pub(super) fn inheritance_ended(
    now: Instant,
    route_count: usize,
    missing: &BTreeSet<RouteNextHop>,
    ports: &Ports,
) -> Event {
    let routes = format!("{route_count} routes from before the failure of the control plane");
    let (severity, text) = match missing.is_empty() {
        true => (Severity::Info, format!("{routes} are replaced: every neighbour is back or gone")),
        false => {
            let names: BTreeSet<String> =
                missing.iter().map(|way| port_name(way.port, ports)).collect();
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            let why = format!("the neighbours on {names} are not back in time");
            (Severity::Warning, format!("{routes} are given up: {why}"))
        }
    };
    Draft::new(now, severity, "control.inheritance", text)
        .with("routes", route_count)
        .with("missing", missing.len())
        .0
}

/// The start is over: others may send through this router.
pub(super) fn start_over(now: Instant, missing: &Missing, ports: &Ports) -> Event {
    let names: Vec<String> = missing.ports.iter().map(|port| port_name(*port, ports)).collect();
    let (severity, text) = match (names.is_empty(), missing.has_forwarding) {
        (true, true) => (
            Severity::Info,
            "others may send through this router: every neighbour is Full and workers forward by \
             what OSPF knows"
                .to_owned(),
        ),
        (true, false) => (
            Severity::Warning,
            "others may send through this router, although its workers do not yet forward by all \
             that OSPF knows"
                .to_owned(),
        ),
        (false, _) => (
            Severity::Warning,
            format!(
                "others may send through this router, although neighbours on {} are not Full",
                names.join(", ")
            ),
        ),
    };
    Draft::new(now, severity, "control.stub_router", text).with("missing", names.len()).0
}

/// The router looked at itself and found something.
pub(super) fn self_check(now: Instant, found: &SelfCheckRow) -> Event {
    let first = found.first_wrong.map(|prefix| prefix.to_string()).unwrap_or_default();
    let text = format!(
        "this router did not forward as it believed and has set that right: {} prefixes wrong, \
         first {first}; please report it",
        found.wrong_count()
    );
    Draft::new(now, Severity::Error, "control.self_check", text)
        .with("routes", found.wrong_route_count)
        .with("table", found.wrong_table_count)
        .with("forwarding", found.wrong_forwarding_count)
        .with("first", first)
        .0
}

/// The router was drained, or is so no more.
pub(super) fn drained(now: Instant, is_drained: bool) -> Event {
    let text = match is_drained {
        true => "drained: others are asked to send around this router",
        false => "no longer drained: others may send through this router",
    };
    Draft::new(now, Severity::Info, "control.drain", text.to_owned())
        .with("is_drained", is_drained)
        .0
}

/// The routing table refused a route.
pub(super) fn table_full(now: Instant, error: &RibError) -> Event {
    let text = format!("route refused: {error}; further ones are only counted");
    Draft::new(now, Severity::Error, "rib.full", text).0
}
