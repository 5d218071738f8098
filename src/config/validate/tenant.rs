//! What is wrong with tenants.
//!
//! Owns the rules of `[[tenant]]` with its ports and pseudowires. Whether a port is on this server
//! is not asked: the file is the same on all.
//!
//! *Standards*: RFC 3931 §4.1 (session id 0 is that of control messages), §4.6.1 (numbers stand in
//! the sublayer).

use super::bgp::{check_name, check_range};
use super::{Problems, check_port_reference, conflict, not_assignable, value};
use crate::config::addressing;
use crate::config::problem::{KeyPath, Problem, ProblemKind};
use crate::config::schema::cluster::KEY_OCTETS_MIN;
use crate::config::schema::tenant::{TENANT_PORTS_MAX, TENANT_PSEUDOWIRES_MAX, TENANTS_MAX};
use crate::config::schema::{
    Config, PortRole, PortSettings, Tenant, TenantPort, TenantPseudowire, TenantSublayer,
    TenantVlan, role_word,
};
use core::net::Ipv6Addr;
use std::collections::BTreeMap;

/// What earlier blocks have said.
#[derive(Default)]
struct Seen<'c> {
    names: BTreeMap<&'c str, usize>,
    ids: BTreeMap<u32, usize>,
    /// By port: who has which of its frames.
    ports: BTreeMap<&'c str, Vec<(TenantVlan, usize)>>,
    /// Session ids, with the tenant.
    sessions: BTreeMap<u32, usize>,
}

/// Everything about tenants.
pub(super) fn check_tenants(config: &Config, problems: &mut Problems) {
    let count = config.tenants.len();
    if count > TENANTS_MAX {
        let path = KeyPath::listed("tenant", count - 1, "");
        let expected = format!("at most {TENANTS_MAX}");
        problems.push(value(path, format!("{count} tenants are too many"), expected));
        return;
    }
    check_key(config, problems);
    let mut seen = Seen::default();
    for (index, tenant) in config.tenants.iter().enumerate() {
        check_tenant(config, (index, tenant), &mut seen, problems);
    }
    check_idle_ports(config, problems);
}

/// Members find each other by the key of the cluster. Who has static pseudowires may want no
/// members.
fn check_key(config: &Config, problems: &mut Problems) {
    let key = config.cluster.as_ref().filter(|cluster| cluster.key.is_some());
    if let Some(cluster) = key {
        let octets = cluster.secret.0.len();
        if !config.tenants.is_empty() && octets < KEY_OCTETS_MIN {
            let message =
                format!("the key has {octets} octets, and tenants derive cookies from it");
            let expected = format!("must have {KEY_OCTETS_MIN} or more");
            let path = KeyPath::single("cluster", "key");
            let help = "`head -c 32 /dev/urandom | base64` makes one";
            problems.push(value(path, message, expected).with_help(help));
        }
        return;
    }
    let lonely = |tenant: &Tenant| tenant.pseudowires.is_empty();
    if let Some(index) = config.tenants.iter().position(lonely) {
        let message = "its members find each other by the key of the cluster, and there is none";
        let expected = "add `key = \"file:PATH\"` to [cluster]";
        let help = "or give it a [[tenant.pseudowire]] for each peer";
        let path = KeyPath::listed("tenant", index, "");
        let problem = Problem::new(ProblemKind::Missing, path, message, expected);
        problems.push(problem.with_help(help));
    }
}

fn check_tenant<'c>(
    config: &Config,
    (index, tenant): (usize, &'c Tenant),
    seen: &mut Seen<'c>,
    problems: &mut Problems,
) {
    let path = |key| KeyPath::listed("tenant", index, key);
    check_name(&tenant.name, (index, &mut seen.names), path("name"), problems);
    check_range(tenant.id.into(), path("id"), problems);
    check_range(tenant.mac_limit.into(), path("mac_limit"), problems);
    check_range(tenant.flood_limit.into(), path("flood_limit"), problems);
    if let Some(first) = seen.ids.insert(tenant.id, index) {
        let message = format!("[[tenant]] {} has the id {} already", first + 1, tenant.id);
        problems.push(conflict(path("id"), message, "an id is one tenant's, on all servers"));
    }
    let counts = [
        ("ports", tenant.ports.len(), TENANT_PORTS_MAX),
        ("", tenant.pseudowires.len(), TENANT_PSEUDOWIRES_MAX),
    ];
    for (key, count, most) in counts {
        if count > most {
            let what = if key.is_empty() { "pseudowires" } else { key };
            let message = format!("{count} {what} are too many");
            problems.push(value(path(key), message, format!("at most {most}")));
            return;
        }
    }
    for entry in &tenant.ports {
        check_entry(config, (index, entry), seen, problems);
    }
    let mut names = BTreeMap::new();
    for (number, pseudowire) in tenant.pseudowires.iter().enumerate() {
        let path = |key| KeyPath::nested("tenant.pseudowire", (index, number), key);
        check_name(&pseudowire.name, (number, &mut names), path("name"), problems);
        check_ends(config, pseudowire, path, problems);
        check_session(pseudowire, (index, &mut seen.sessions), path, problems);
    }
}

/// The block that a port of this name falls under.
fn port_block<'c>(config: &'c Config, name: &str) -> Option<&'c PortSettings> {
    let exact = config.ports.iter().find(|port| port.name == name);
    let is_numbered = |port: &&PortSettings| {
        let rest = name.strip_prefix(port.name.as_str());
        rest.is_some_and(|rest| rest.parse::<u32>().is_ok())
    };
    exact.or_else(|| config.ports.iter().find(is_numbered))
}

/// One entry of `ports`: the port must be one, and its frames nobody else's.
fn check_entry<'c>(
    config: &Config,
    (index, entry): (usize, &'c TenantPort),
    seen: &mut Seen<'c>,
    problems: &mut Problems,
) {
    let path = || KeyPath::listed("tenant", index, "ports");
    let before = problems.len();
    check_port_reference(config, &entry.port, path(), problems);
    if problems.len() > before {
        if config.ports.iter().any(|port| port.name == entry.to_string()) {
            let help = "what stands behind the last dot is a VLAN: give that port another `name`";
            if let Some(problem) = problems.last_mut() {
                problem.help = Some(help.to_owned());
            }
        }
        return;
    }
    let Some(port) = port_block(config, &entry.port) else { return };
    let word = role_word(port.role);
    match (port.role, entry.vlan) {
        (PortRole::Fabric, _) => {
            let message = format!("`{}` is a fabric port, which leads to other routers", port.name);
            let expected = "must be a port of another role";
            let help = "members of a tenant are reached through the fabric by themselves";
            problems.push(conflict(path(), message, expected).with_help(help));
        }
        (PortRole::Tenant, _) | (_, TenantVlan::Tagged(_)) => {}
        (_, TenantVlan::Trunk | TenantVlan::Untagged) => {
            let message =
                format!("`{}` has the role `{word}`: it routes untagged frames", entry.port);
            let expected =
                format!("write `{}.VLAN`, or give the port the role `tenant`", entry.port);
            problems.push(conflict(path(), message, expected));
        }
    }
    if let Some(vlan) = port.vlan {
        let message = format!("every frame of `{}` has the tag of its `vlan` {vlan}", entry.port);
        problems.push(conflict(path(), message, "remove `vlan` from that [[port]]"));
    }
    let taken = seen.ports.entry(&entry.port).or_default();
    let overlaps = |other: &TenantVlan| {
        use TenantVlan::{Tagged, Trunk, Untagged};
        match (*other, entry.vlan) {
            (Trunk, _) | (_, Trunk) | (Untagged, Untagged) => true,
            (Tagged(one), Tagged(other)) => one == other,
            (Tagged(_), Untagged) | (Untagged, Tagged(_)) => false,
        }
    };
    if let Some((other, owner)) = taken.iter().find(|(other, _)| overlaps(other)) {
        let other = TenantPort { port: entry.port.clone(), vlan: *other };
        let message =
            format!("frames of `{entry}` are those of `{other}` in [[tenant]] {}", owner + 1);
        problems.push(conflict(path(), message, "a frame belongs to one tenant"));
    }
    taken.push((entry.vlan, index));
}

/// The addresses at both ends.
fn check_ends(
    config: &Config,
    pseudowire: &TenantPseudowire,
    path: impl Fn(&'static str) -> KeyPath,
    problems: &mut Problems,
) {
    if let Some(what) = not_assignable(pseudowire.address) {
        let message = format!("{} is {what}", pseudowire.address);
        let expected = "must be a global or unique local address";
        problems.push(value(path("address"), message, expected));
    }
    let loopback = config.cluster.as_ref().map(|it| addressing::loopback(it.ula, it.number));
    let of_ports = config.ports.iter().filter_map(|port| port.address.map(|(own, _)| own));
    let own: Vec<Ipv6Addr> = of_ports.chain(loopback).collect();
    if own.contains(&pseudowire.address) {
        let message = format!("{} is an address of this router", pseudowire.address);
        problems.push(conflict(path("address"), message, "must be that of the peer"));
    }
    match pseudowire.local_address {
        Some(local) if !own.contains(&local) => {
            let message = format!("{local} is not an address of this router");
            let expected = "must be the loopback or the `address` of a [[port]]";
            problems.push(conflict(path("local_address"), message, expected));
        }
        None if loopback.is_none() => {
            let message = "without [cluster] there is no loopback to send from";
            let expected = "add `local_address = \"…\"`, the `address` of a [[port]]";
            let kind = ProblemKind::Missing;
            problems.push(Problem::new(kind, path("local_address"), message, expected));
        }
        _ => {}
    }
}

/// Session ids, cookies and what stands before a frame.
fn check_session(
    pseudowire: &TenantPseudowire,
    (index, seen): (usize, &mut BTreeMap<u32, usize>),
    path: impl Fn(&'static str) -> KeyPath,
    problems: &mut Problems,
) {
    let ids = [
        ("session_id", pseudowire.session_id),
        ("remote_session_id", pseudowire.remote_session_id),
    ];
    for (key, id) in ids {
        check_range(id.into(), path(key), problems);
    }
    if let Some(first) = seen.insert(pseudowire.session_id, index) {
        let message =
            format!("session {} is in [[tenant]] {} already", pseudowire.session_id, first + 1);
        let expected = "packets are known by it: one pseudowire of the router has it";
        problems.push(conflict(path("session_id"), message, expected));
    }
    let cookies = [("cookie", &pseudowire.cookie), ("remote_cookie", &pseudowire.remote_cookie)];
    for (key, cookie) in cookies {
        let octets = cookie.octets.0.len();
        if !matches!(octets, 0 | 4 | 8) {
            let message = format!("a cookie of {octets} octets");
            problems.push(value(path(key), message, "must have 0, 4 or 8 octets"));
        }
    }
    check_range(pseudowire.remote_port.into(), path("remote_port"), problems);
    if let Some(mtu) = pseudowire.mtu {
        check_range(mtu.into(), path("mtu"), problems);
    }
    if pseudowire.sequencing && pseudowire.sublayer == TenantSublayer::None {
        let message = "numbers stand in the sublayer, and there is none";
        problems.push(conflict(path("sequencing"), message, "remove `sublayer = \"none\"`"));
    }
}

/// A port that only tenants can use and none does takes frames for nobody: allowed, because the
/// tenant may come later. A port of this role has no address.
fn check_idle_ports(config: &Config, problems: &mut Problems) {
    for (index, port) in config.ports.iter().enumerate() {
        let path = |key| KeyPath::listed("port", index, key);
        if port.role != PortRole::Tenant {
            continue;
        }
        if port.vlan.is_some() {
            let message = "the VLANs of a port of this role stand in [[tenant]]";
            let expected = format!("remove `vlan` and write \"{}.VLAN\" there", port.name);
            problems.push(conflict(path("vlan"), message, expected));
        }
    }
}
