//! What can never run is refused here, before anything changes.
//!
//! Owns every rule between keys, and every rule about a value that its type does not say; those of
//! BGP stand in `validate/bgp.rs`, those of policies in `validate/policy.rs`, those of RPKI and BMP
//! in `validate/feeds.rs`, those of tenants in `validate/tenant.rs`. It looks at the value, not at
//! the text, so that configurations made by programs pass through it too; the loader adds the
//! places.
//!
//! *Invariants*: a [`Config`] without problems can be run by every part of the router without
//! re-checking.
//! *Standards*: RFC 4193 §3 (unique local addresses), RFC 4291 §2.4 (kinds of addresses), RFC 4862
//! §5.5.3 (a LAN prefix has 64 bits), RFC 5340 App. C.3 (intervals), RFC 8405 §5 (order of delays).

use crate::base::ids::{MacAddress, PORT_MAX, RouterId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Duration;
use crate::config::addressing;
use crate::config::device::is_interface_name;
use crate::config::problem::{KeyPath, Problem, ProblemKind};
use crate::config::read::nearest;
use crate::config::schema::bfd::BFD_INTERVAL_MS;
use crate::config::schema::{
    BfdAuth, BfdSettings, Config, OspfSettings, PortDevice, PortRole, PortSettings,
    StaticRouteTarget, default_mtu, role_word,
};
use core::net::Ipv6Addr;
use std::collections::BTreeMap;

mod bgp;
mod feeds;
mod policy;
mod tenant;

/// Octets of a router's name: one label of a host name (RFC 1035 §2.3.4).
pub const ROUTER_NAME_OCTETS_MAX: usize = 63;
/// Octets of a port's name.
pub const PORT_NAME_OCTETS_MAX: usize = 31;
/// Octets of a Unix socket's path (`sun_path` less the final zero).
pub const SOCKET_PATH_OCTETS_MAX: usize = 107;

type Problems = Vec<Problem>;

fn value(path: KeyPath, message: impl Into<String>, expected: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Value, path, message, expected)
}

fn conflict(path: KeyPath, message: impl Into<String>, expected: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Conflict, path, message, expected)
}

/// Everything that is wrong with a configuration; empty when it can run.
pub fn validate(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    check_router(config, &mut problems);
    check_cluster(config, &mut problems);
    check_dpdk(config, &mut problems);
    check_host(config, &mut problems);
    check_ospf(&config.ospf, &mut problems);
    check_bfd(&config.bfd, &mut problems);
    bgp::check_bgp(config, &mut problems);
    feeds::check_rpki(config, &mut problems);
    feeds::check_bmp(config, &mut problems);
    policy::check_policies(config, &mut problems);
    for (index, port) in config.ports.iter().enumerate() {
        check_port(config, index, port, &mut problems);
    }
    check_port_names(config, &mut problems);
    check_port_addresses(config, &mut problems);
    check_routes(config, &mut problems);
    check_neighbors(config, &mut problems);
    tenant::check_tenants(config, &mut problems);
    problems
}

fn check_router(config: &Config, problems: &mut Problems) {
    let name = &config.router.name;
    let path = KeyPath::single("router", "name");
    if name.is_empty() {
        let expected = "give [router] name, --name or KUMIKI_NAME";
        problems.push(Problem::new(ProblemKind::Missing, path, "the router has no name", expected));
        return;
    }
    let is_right = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if name.len() > ROUTER_NAME_OCTETS_MAX || !name.chars().all(is_right) {
        let expected = "must be 1 to 63 letters, digits, hyphens and dots";
        problems.push(value(path, format!("`{name}` is no host name"), expected));
    }
}

fn check_cluster(config: &Config, problems: &mut Problems) {
    let Some(cluster) = &config.cluster else { return };
    let ula = KeyPath::single("cluster", "ula");
    // RFC 4193 §3.1: fc00::/7.
    if cluster.ula.bits() >> 121 != 0x7e {
        let message = format!("{} is not a unique local prefix", cluster.ula);
        let expected = "must start with fd, such as fd4b:756d:696b::/48";
        problems.push(value(ula.clone(), message, expected));
    }
    check_numbering_length(cluster.ula, ula, problems);
    if let Some(prefix) = cluster.prefix {
        let path = KeyPath::single("cluster", "prefix");
        if prefix.bits() >> 125 != 1 {
            let message = format!("{prefix} is not a global prefix");
            problems.push(value(path.clone(), message, "must lie inside 2000::/3"));
        }
        check_numbering_length(prefix, path, problems);
    }
    if cluster.number == 0 {
        let path = KeyPath::single("cluster", "number");
        problems.push(value(path, "0 is no router number", "must be 1 to 65535"));
    }
}

fn check_numbering_length(prefix: Ipv6Prefix, path: KeyPath, problems: &mut Problems) {
    // 16 bits of subnet for the router number, 64 for the interface identifier.
    if !(32..=48).contains(&prefix.length()) {
        let message = format!("/{} leaves the wrong room for subnets", prefix.length());
        problems.push(value(path, message, "the length must be /32 to /48"));
    }
}

fn check_dpdk(config: &Config, problems: &mut Problems) {
    let dpdk = &config.dpdk;
    for (index, cpu) in dpdk.lcores.iter().enumerate() {
        if dpdk.lcores.iter().take(index).any(|earlier| earlier == cpu) {
            let message = format!("CPU {cpu} is listed twice");
            problems.push(conflict(KeyPath::single("dpdk", "lcores"), message, "one worker a CPU"));
        }
    }
    if let Some(count) = dpdk.descriptors
        && !count.is_power_of_two()
    {
        let message = format!("{count} is no power of two");
        let near = u32::from(count).next_power_of_two().min(32768);
        let path = KeyPath::single("dpdk", "descriptors");
        problems.push(value(path, message, format!("{near} would be right")));
    }
}

fn check_host(config: &Config, problems: &mut Problems) {
    let host = &config.host;
    if !host.tun.is_empty() && !is_interface_name(&host.tun) {
        let message = format!("`{}` is not the name of an interface", host.tun);
        let expected =
            "must be at most 15 characters without slash, colon or space; empty for none";
        problems.push(value(KeyPath::single("host", "tun"), message, expected));
    }
    if !host.socket.starts_with('/') || host.socket.len() > SOCKET_PATH_OCTETS_MAX {
        let message = format!("`{}` is no path for a socket", host.socket);
        let expected = "must start with / and have at most 107 octets";
        problems.push(value(KeyPath::single("host", "socket"), message, expected));
    }
}

fn check_ospf(ospf: &OspfSettings, problems: &mut Problems) {
    let path = |key| KeyPath::single("ospf", key);
    if ospf.router_id == Some(RouterId(0)) {
        let message = "0.0.0.0 is no router-id";
        problems.push(value(path("router_id"), message, "must be another dotted quad"));
    }
    let intervals = [
        ("hello_interval", ospf.hello_interval),
        ("dead_interval", ospf.dead_interval),
        ("retransmit_interval", ospf.retransmit_interval),
    ];
    for (key, interval) in intervals {
        // RFC 5340 App. A.3.2: both intervals travel as 16-bit seconds.
        let is_whole = interval.subsec_nanos() == 0 && !interval.is_zero();
        if !is_whole || interval > Duration::from_secs(65535) {
            let message = format!("{interval:?} is no whole number of seconds");
            problems.push(value(path(key), message, "must be 1 to 65535 seconds"));
        }
    }
    if ospf.dead_interval <= ospf.hello_interval {
        let (dead, hello) = (ospf.dead_interval.as_secs(), ospf.hello_interval.as_secs());
        let message = format!("{dead} s is not longer than hello_interval ({hello} s)");
        let expected = format!("must be more than {hello}; {} is usual", hello.saturating_mul(3));
        problems.push(conflict(path("dead_interval"), message, expected));
    }
    if ospf.cost == 0 {
        problems.push(value(path("cost"), "0 is no cost", "must be 1 to 65535"));
    }
    let delays = [
        (
            "spf_delay_short_ms",
            ospf.spf_delay_short,
            "spf_delay_initial_ms",
            ospf.spf_delay_initial,
        ),
        ("spf_delay_long_ms", ospf.spf_delay_long, "spf_delay_short_ms", ospf.spf_delay_short),
    ];
    for (key, delay, shorter_key, shorter) in delays {
        if delay < shorter {
            let (delay, shorter) = (delay.as_millis(), shorter.as_millis());
            let message = format!("{delay} ms is shorter than {shorter_key} ({shorter} ms)");
            problems.push(conflict(path(key), message, format!("must be {shorter} or more")));
        }
    }
}

fn check_bfd(bfd: &BfdSettings, problems: &mut Problems) {
    let path = |key| KeyPath::single("bfd", key);
    check_bfd_interval(bfd.interval, path("interval_ms"), problems);
    if bfd.multiplier == 0 {
        let message = "0 packets are never missing";
        problems.push(value(path("multiplier"), message, "must be 1 to 255; 3 is usual"));
    }
    match (bfd.auth, &bfd.key) {
        (BfdAuth::None, None) => {}
        (BfdAuth::None, Some(_)) => {
            let message = "a key without `auth` is not used";
            problems.push(conflict(path("key"), message, "add `auth`, or remove `key`"));
        }
        (auth, None) => {
            let message = format!("`{}` needs a key", auth.word());
            problems.push(conflict(path("auth"), message, "add `key = \"file:PATH\"`"));
        }
        (auth, Some(_)) => {
            let (octets, most) = (bfd.secret.0.len(), auth.key_octets_max());
            if !(1..=most).contains(&octets) {
                let message = format!("the key has {octets} octets");
                let expected = format!("must have 1 to {most} with `{}`", auth.word());
                problems.push(value(path("key"), message, expected));
            }
        }
    }
}

fn check_bfd_interval(interval: Duration, path: KeyPath, problems: &mut Problems) {
    let (least, most) = BFD_INTERVAL_MS;
    let is_right = i64::try_from(interval.as_millis()).is_ok_and(|ms| (least..=most).contains(&ms));
    if !is_right || !interval.subsec_nanos().is_multiple_of(1_000_000) {
        let message = format!("{interval:?} is no interval of BFD");
        problems.push(value(path, message, format!("must be {least} to {most} ms")));
    }
}

fn check_port_bfd(
    port: &PortSettings,
    path: impl Fn(&'static str) -> KeyPath,
    problems: &mut Problems,
) {
    let keys =
        [("bfd", port.bfd.enabled == Some(true)), ("bfd_interval_ms", port.bfd.interval.is_some())];
    for (key, is_set) in keys {
        if is_set && port.role != PortRole::Fabric {
            let message = format!("the role `{}` has no BFD", role_word(port.role));
            let expected = format!("remove `{key}`: only fabric ports have it");
            problems.push(conflict(path(key), message, expected));
        }
    }
    if let Some(interval) = port.bfd.interval {
        check_bfd_interval(interval, path("bfd_interval_ms"), problems);
    }
}

fn check_port(config: &Config, index: usize, port: &PortSettings, problems: &mut Problems) {
    let path = |key| KeyPath::listed("port", index, key);
    let word = role_word(port.role);
    check_role_address(config, index, port, problems);
    if !(1280..=9216).contains(&port.mtu) {
        let expected =
            format!("must be 1280 to 9216; {} is the default here", default_mtu(port.role));
        problems.push(value(path("mtu"), format!("{} is out of range", port.mtu), expected));
    }
    if port.vlan.is_some_and(|vlan| !(1..=4094).contains(&vlan)) {
        problems.push(value(path("vlan"), "this is no VLAN id", "must be 1 to 4094"));
    }
    if port.cost == Some(0) {
        problems.push(value(path("cost"), "0 is no cost", "must be 1 to 65535"));
    }
    if port.cost.is_some() && port.role != PortRole::Fabric {
        let message = format!("the role `{word}` has no OSPF cost");
        problems.push(conflict(path("cost"), message, "remove `cost`: only fabric ports have one"));
    }
    check_port_bfd(port, path, problems);
    if let Some(mac) = port.mac {
        check_mac(mac, path("mac"), problems);
    }
    let is_name_right = |c: char| c.is_ascii_alphanumeric() || ".:_-".contains(c);
    let name = &port.name;
    if name.is_empty() || name.len() > PORT_NAME_OCTETS_MAX || !name.chars().all(is_name_right) {
        let expected = "must be 1 to 31 letters, digits, dots, underscores, hyphens and colons";
        let problem = value(path("name"), format!("`{name}` is no name for a port"), expected);
        problems.push(problem.with_help("give the port a `name`"));
    }
}

fn check_mac(mac: MacAddress, path: KeyPath, problems: &mut Problems) {
    if mac.is_multicast() || mac == MacAddress::default() {
        let message = format!("{mac} is not the address of one device");
        problems.push(value(path, message, "the first octet must be even and not all zero"));
    }
}

fn check_role_address(config: &Config, index: usize, port: &PortSettings, problems: &mut Problems) {
    let path = |key| KeyPath::listed("port", index, key);
    let needs_cluster = matches!(port.role, PortRole::Fabric | PortRole::Lan);
    let word = role_word(port.role);
    match (port.role, port.address) {
        (PortRole::Fabric, Some(_)) => {
            let message = "a fabric port has link-local addresses only";
            let help = "use role = \"routed\" for an address without OSPF";
            let expected = "remove `address`";
            problems.push(conflict(path("address"), message, expected).with_help(help));
        }
        (PortRole::Tenant, Some(_)) => {
            let message = "a port of tenants routes nothing";
            let help = "a port with an address can have VLANs of tenants beside it";
            problems.push(conflict(path("address"), message, "remove `address`").with_help(help));
        }
        (PortRole::Uplink | PortRole::Routed, None) if !speaks_on_link(config, port) => {
            let message = format!("the role `{word}` needs an address");
            let expected = "add `address = \"2001:db8::1/64\"`";
            let help = "a port needs none where a [[bgp.neighbor]] names it and has no `address`";
            let problem = Problem::new(ProblemKind::Missing, path("address"), message, expected);
            problems.push(problem.with_help(help));
        }
        (PortRole::Lan, Some((_, length))) if length != 64 => {
            let message = format!("hosts cannot configure themselves in a /{length}");
            problems.push(value(path("address"), message, "the length must be /64 on a LAN"));
        }
        (PortRole::Lan, Some(_)) => {}
        (_, None) if needs_cluster && config.cluster.is_none() => {
            let message = format!("the role `{word}` takes its numbers from [cluster]");
            let expected = "add a [cluster] block with `ula` and `number`";
            problems.push(Problem::new(ProblemKind::Missing, path("role"), message, expected));
        }
        _ => {}
    }
    if let Some((address, _)) = port.address
        && let Some(what) = not_assignable(address)
    {
        let message = format!("{address} is {what}");
        problems.push(value(path("address"), message, "must be a global or unique local address"));
    }
}

/// Whether BGP runs over the link-local addresses of a port, which then needs no other.
fn speaks_on_link(config: &Config, port: &PortSettings) -> bool {
    config.bgp.as_ref().is_some_and(|bgp| bgp.speaks_on_link(&port.name))
}

/// Why an address cannot be given to a port, in words.
fn not_assignable(address: Ipv6Addr) -> Option<&'static str> {
    match address {
        _ if address.is_unspecified() => Some("the unspecified address"),
        _ if address.is_loopback() => Some("the address of the host itself"),
        _ if address.is_multicast() => Some("a multicast address"),
        _ if address.is_unicast_link_local() => Some("link-local; every port makes its own"),
        _ if address.to_ipv4_mapped().is_some() => Some("an IPv4-mapped address"),
        _ => None,
    }
}

fn check_port_names(config: &Config, problems: &mut Problems) {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut devices: BTreeMap<&PortDevice, usize> = BTreeMap::new();
    let mut device_count = 0;
    for (index, port) in config.ports.iter().enumerate() {
        let is_match = matches!(port.device, PortDevice::Match { .. });
        device_count += usize::from(!is_match);
        // Blocks that match share the word of their role as a base; their devices are numbered.
        let is_shared = is_match && port.name == role_word(port.role);
        if !is_shared && let Some(first) = names.insert(&port.name, index) {
            let path = KeyPath::listed("port", index, "name");
            let message = format!("[[port]] {} is called `{}` already", first + 1, port.name);
            problems.push(conflict(path, message, "names must be unique"));
        }
        if let Some(first) = devices.insert(&port.device, index) {
            let key = if is_match { "match" } else { "device" };
            let path = KeyPath::listed("port", index, key);
            let message = format!("[[port]] {} takes `{}` already", first + 1, port.device);
            problems.push(conflict(path, message, "one [[port]] a device"));
        }
    }
    if device_count > PORT_MAX {
        let path = KeyPath::listed("port", config.ports.len() - 1, "");
        let message = format!("{device_count} ports are too many");
        problems.push(value(path, message, format!("a router has at most {PORT_MAX}")));
    }
}

fn check_port_addresses(config: &Config, problems: &mut Problems) {
    let on_link = |port: &PortSettings| {
        port.address.map(|(address, length)| Ipv6Prefix::containing(address, length))
    };
    for (index, port) in config.ports.iter().enumerate() {
        let Some(prefix) = on_link(port) else { continue };
        let earlier = config.ports.iter().take(index).enumerate();
        let overlap = earlier.filter_map(|(i, port)| Some((i, on_link(port)?)));
        let mut overlap =
            overlap.filter(|(_, other)| prefix.covers(*other) || other.covers(prefix));
        if let Some((first, other)) = overlap.next() {
            let path = KeyPath::listed("port", index, "address");
            let message = format!("{prefix} overlaps {other} of [[port]] {}", first + 1);
            problems.push(conflict(path, message, "each link needs a prefix of its own"));
        }
    }
}

/// Whether a block bears this name, or one of its devices may at run time (`fabric`, `fabric2`).
fn port_exists(config: &Config, name: &str) -> bool {
    config.ports.iter().any(|port| {
        let is_match = matches!(port.device, PortDevice::Match { .. });
        let is_numbered = |rest: &str| is_match && rest.parse::<u32>().is_ok();
        name == port.name || name.strip_prefix(port.name.as_str()).is_some_and(is_numbered)
    })
}

fn check_port_reference(config: &Config, name: &str, path: KeyPath, problems: &mut Problems) {
    if port_exists(config, name) {
        return;
    }
    let names = config.ports.iter().map(|port| port.name.as_str());
    let expected = match nearest(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if config.ports.is_empty() => "there is no [[port]]".to_owned(),
        None => format!("ports: {}", names.collect::<Vec<_>>().join(", ")),
    };
    problems.push(conflict(path, format!("there is no port `{name}`"), expected));
}

/// Prefixes on the links of this router, as far as the configuration tells.
fn links(config: &Config) -> Vec<Ipv6Prefix> {
    let mut links: Vec<_> = config
        .ports
        .iter()
        .filter_map(|port| port.address)
        .map(|(address, length)| Ipv6Prefix::containing(address, length))
        .collect();
    if let Some(cluster) = &config.cluster
        && config.ports.iter().any(|port| port.role == PortRole::Lan)
    {
        let whole = [Some(cluster.ula), cluster.prefix];
        let lan = |prefix: Ipv6Prefix| addressing::lan_prefix(prefix, cluster.number);
        links.extend(whole.into_iter().flatten().map(lan));
    }
    links
}

fn check_routes(config: &Config, problems: &mut Problems) {
    let links = links(config);
    let mut seen: BTreeMap<Ipv6Prefix, usize> = BTreeMap::new();
    for (index, route) in config.routes.iter().enumerate() {
        let key = if route.file.is_some() { "prefixes" } else { "prefix" };
        let path = || KeyPath::listed("route", index, key);
        // One problem a block: a file given twice would fill the report.
        let twice = route.prefixes.iter().find_map(|p| Some((*p, seen.insert(*p, index)?)));
        if let Some((prefix, first)) = twice {
            let message = format!("{prefix} has a static route already, [[route]] {}", first + 1);
            problems.push(conflict(path(), message, "one static route a prefix"));
        }
        if let Some(prefix) = route.prefixes.iter().find(|p| !is_routable(**p)) {
            let message = format!("{prefix} is multicast or link-local and cannot be routed");
            problems.push(value(path(), message, "must be a unicast prefix"));
        }
        if let StaticRouteTarget::Via { address, port } = &route.target {
            check_via(config, index, (*address, port.as_deref()), &links, problems);
        }
    }
}

fn is_routable(prefix: Ipv6Prefix) -> bool {
    let first = prefix.address();
    prefix.length() < 8 || !first.is_multicast() && !first.is_unicast_link_local()
}

fn check_via(
    config: &Config,
    index: usize,
    (address, port): (Ipv6Addr, Option<&str>),
    links: &[Ipv6Prefix],
    problems: &mut Problems,
) {
    let path = |key| KeyPath::listed("route", index, key);
    if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
        let message = format!("{address} is not the address of a neighbour");
        problems.push(value(path("via"), message, "must be a unicast address on a link"));
        return;
    }
    match port {
        Some(name) => check_port_reference(config, name, path("port"), problems),
        None if address.is_unicast_link_local() => {
            let message = format!("{address} is link-local and may be on any port");
            problems.push(conflict(path("via"), message, "add `port = \"NAME\"`"));
        }
        None if !links.iter().any(|link| link.contains(address)) => {
            let message = format!("{address} is on the link of no port");
            let expected = "add `port = \"NAME\"`, or give that port an address beside it";
            problems.push(conflict(path("via"), message, expected));
        }
        None => {}
    }
    if config.ports.iter().any(|own| own.address.is_some_and(|(own, _)| own == address)) {
        let message = format!("{address} is an address of this router");
        problems.push(conflict(path("via"), message, "must be that of a neighbour"));
    }
}

fn check_neighbors(config: &Config, problems: &mut Problems) {
    let mut seen = BTreeMap::new();
    for (index, neighbor) in config.neighbors.iter().enumerate() {
        let path = |key| KeyPath::listed("neighbor", index, key);
        let address = neighbor.address;
        if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
            let message = format!("{address} is not the address of a neighbour");
            problems.push(value(path("address"), message, "must be a unicast address"));
        }
        check_mac(neighbor.mac, path("mac"), problems);
        check_port_reference(config, &neighbor.port, path("port"), problems);
        if let Some(first) = seen.insert((address, &neighbor.port), index) {
            let message = format!("{address} has an entry already, [[neighbor]] {}", first + 1);
            problems.push(conflict(path("address"), message, "one entry a neighbour"));
        }
    }
}
