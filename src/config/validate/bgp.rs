//! What is wrong with the blocks of BGP.
//!
//! Owns the rules of `[bgp]`, its groups and its neighbours. A rule about one key is held against
//! the block that says it, group or neighbour; a rule between keys against what holds for a
//! neighbour in the end.
//!
//! *Standards*: RFC 4271 §4.2 (hold time), RFC 6793 §9 and RFC 7300 (numbers of ASes), RFC 5082,
//! RFC 5881 §2 (one hop), RFC 9003 §2, RFC 9234 §4.1 (roles are for other ASes).

use super::{Problems, check_port_reference, conflict, is_routable, value};
use crate::base::ids::RouterId;
use crate::base::time::Duration;
use crate::config::problem::{KeyPath, Problem, ProblemKind};
use crate::config::read::nearest;
use crate::config::schema::bgp_keys::{BGP_NEIGHBORS_MAX, HOLD_TIME_S_MIN, SHUTDOWN_OCTETS_MAX};
use crate::config::schema::keys::{self, KeyKind};
use crate::config::schema::secret::SECRET_OCTETS_MAX;
use crate::config::schema::{
    BgpNeighbor, BgpRemoteAs, BgpSettings, Config, NeighborKeys, Policy, PolicyNextHop, PortRole,
    role_word,
};
use core::net::Ipv6Addr;
use std::collections::BTreeMap;

/// RFC 6793 §9: stands for numbers that old speakers do not know.
const AS_TRANS: u32 = 23456;

/// Everything about BGP.
pub(super) fn check_bgp(config: &Config, problems: &mut Problems) {
    let Some(bgp) = &config.bgp else { return };
    check_speaker(config, bgp, problems);
    check_aggregates(bgp, problems);
    let mut names = BTreeMap::new();
    for (index, group) in bgp.groups.iter().enumerate() {
        let path = |key| KeyPath::listed("bgp.group", index, key);
        check_name(&group.name, (index, &mut names), path("name"), problems);
        check_keys(config, bgp, (&group.keys, &path), problems);
    }
    if bgp.neighbors.len() > BGP_NEIGHBORS_MAX {
        let message = format!("{} neighbours are too many", bgp.neighbors.len());
        let path = KeyPath::listed("bgp.neighbor", bgp.neighbors.len() - 1, "");
        problems.push(value(path, message, format!("at most {BGP_NEIGHBORS_MAX}")));
    }
    let (mut addresses, mut names) = (BTreeMap::new(), BTreeMap::new());
    for (index, neighbor) in bgp.neighbors.iter().enumerate() {
        let path = |key| KeyPath::listed("bgp.neighbor", index, key);
        check_address(config, neighbor, &path, problems);
        check_link(config, bgp, (index, neighbor), problems);
        let link = neighbor.port.as_ref().filter(|_| neighbor.is_link_local());
        if let Some(address) = neighbor.address
            && let Some(first) = addresses.insert((address, link), index)
        {
            let message = format!("[[bgp.neighbor]] {} has {address} already", first + 1);
            problems.push(conflict(path("address"), message, "one block a neighbour"));
        }
        if let Some(name) = &neighbor.name {
            check_name(name, (index, &mut names), path("name"), problems);
            check_word(name, path("name"), problems);
        }
        if let Some(group) = &neighbor.group {
            let known = bgp.groups.iter().map(|group| group.name.as_str());
            check_reference(group, known, "bgp.group", path("group"), problems);
        }
        check_keys(config, bgp, (&neighbor.keys, &path), problems);
        check_together(bgp, neighbor, &path, problems);
    }
    check_dynamics(config, bgp, problems);
    if config.host.tun.is_empty() && bgp.neighbors.iter().any(BgpNeighbor::is_link_local) {
        let message = "BGP over link-local addresses reaches the kernel by TUN devices";
        let expected = "give it a name, such as `kumiki0`, which theirs begin with";
        problems.push(conflict(KeyPath::single("host", "tun"), message, expected));
    }
}

fn check_dynamics(config: &Config, bgp: &BgpSettings, problems: &mut Problems) {
    let mut prefixes = BTreeMap::new();
    for (index, dynamic) in bgp.dynamics.iter().enumerate() {
        let path = |key| KeyPath::listed("bgp.dynamic", index, key);
        let prefix = dynamic.prefix;
        if prefix.length() == 0 || !is_routable(prefix) {
            let message = format!("{prefix} is no prefix of neighbours");
            let expected = "must be a unicast prefix that is not link-local";
            problems.push(value(path("prefix"), message, expected));
        }
        if let Some(first) = prefixes.insert(prefix, index) {
            let message = format!("[[bgp.dynamic]] {} has {prefix} already", first + 1);
            problems.push(conflict(path("prefix"), message, "one block a prefix"));
        }
        check_range(dynamic.max_neighbors.into(), path("max_neighbors"), problems);
        if let Some(group) = &dynamic.group {
            let known = bgp.groups.iter().map(|group| group.name.as_str());
            check_reference(group, known, "bgp.group", path("group"), problems);
        }
        if dynamic.keys.passive == Some(false) {
            let message = "this router does not know whom to connect to";
            problems.push(conflict(path("passive"), message, "remove `passive`"));
        }
        check_keys(config, bgp, (&dynamic.keys, &path), problems);
        check_together(bgp, &dynamic.neighbor(prefix.address()), &path, problems);
    }
}

/// Holds a number against the documentation of its key.
pub(super) fn check_range(number: u64, path: KeyPath, problems: &mut Problems) {
    let doc = keys::block(path.block).and_then(|block| block.key(path.key));
    let Some(KeyKind::Integer { minimum, maximum }) = doc.map(|doc| doc.kind) else {
        unreachable!("{path} is a number")
    };
    if !i64::try_from(number).is_ok_and(|number| (minimum..=maximum).contains(&number)) {
        let expected = format!("must be {minimum} to {maximum}");
        problems.push(value(path, format!("{number} is out of range"), expected));
    }
}

/// A name by which others refer to a block.
pub(super) fn check_name<'c>(
    name: &'c str,
    (index, seen): (usize, &mut BTreeMap<&'c str, usize>),
    path: KeyPath,
    problems: &mut Problems,
) {
    if name.trim().is_empty() {
        problems.push(value(path, "an empty text is no name", "give it a name"));
    } else if let Some(first) = seen.insert(name, index) {
        let message = format!("[[{}]] {} is called `{name}` already", path.block, first + 1);
        problems.push(conflict(path, message, "names must be unique"));
    }
}

/// A name by which commands know a neighbour.
fn check_word(name: &str, path: KeyPath, problems: &mut Problems) {
    if name.contains(char::is_whitespace) {
        let message = format!("`{name}` is more than one word in a command");
        problems.push(value(path, message, "give it a name without blanks"));
    } else if matches!(name, "all" | "*") {
        let message = format!("`{name}` means every neighbour in commands");
        problems.push(value(path, message, "give it another name"));
    }
}

/// A name that must be that of a block.
pub(super) fn check_reference<'c>(
    name: &str,
    known: impl Iterator<Item = &'c str> + Clone,
    block: &str,
    path: KeyPath,
    problems: &mut Problems,
) {
    if known.clone().any(|other| other == name) {
        return;
    }
    let expected = match nearest(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => match known.collect::<Vec<_>>() {
            known if known.is_empty() => format!("add a [[{block}]] with this name"),
            known => format!("known: {}", known.join(", ")),
        },
    };
    problems.push(conflict(path, format!("there is no [[{block}]] `{name}`"), expected));
}

fn check_asn(asn: u32, path: KeyPath, problems: &mut Problems) {
    // RFC 7607, RFC 7300: neither zero nor the last one is anybody's.
    if matches!(asn, 0 | AS_TRANS | u32::MAX) {
        let message = format!("{asn} is the number of no AS");
        problems.push(value(path, message, "must be another number from 1 to 4294967294"));
    }
}

fn check_speaker(config: &Config, bgp: &BgpSettings, problems: &mut Problems) {
    let path = |key| KeyPath::single("bgp", key);
    check_asn(bgp.asn, path("asn"), problems);
    for (key, id) in [("router_id", bgp.router_id), ("cluster_id", bgp.cluster_id)] {
        if id == Some(RouterId(0)) {
            let message = "0.0.0.0 is no identifier";
            problems.push(value(path(key), message, "must be another dotted quad"));
        }
    }
    let has_identity = config.cluster.is_some() || config.ospf.router_id.is_some();
    if bgp.router_id.is_none() && !has_identity {
        let message = "the router has no router-id";
        let expected = "add `router_id = \"10.0.0.7\"` here, or a [cluster] block";
        problems.push(Problem::new(ProblemKind::Missing, path("router_id"), message, expected));
    }
    check_hold_time(bgp.hold_time, path("hold_time"), problems);
    check_keepalive(bgp.keepalive_time, bgp.hold_time, path("keepalive_time"), problems);
    check_range(bgp.connect_retry_time.as_secs(), path("connect_retry_time"), problems);
    check_range(bgp.restart_time.as_secs(), path("restart_time"), problems);
    check_range(bgp.multipath.into(), path("multipath"), problems);
}

fn check_hold_time(hold_time: Duration, path: KeyPath, problems: &mut Problems) {
    let seconds = hold_time.as_secs();
    if (1..HOLD_TIME_S_MIN).contains(&seconds) {
        let message = format!("{seconds} s is too short for a hold time");
        problems.push(value(path, message, "must be 0, or 3 and more"));
    } else {
        check_range(seconds, path, problems);
    }
}

fn check_keepalive(
    keepalive: Option<Duration>,
    hold_time: Duration,
    path: KeyPath,
    problems: &mut Problems,
) {
    let Some(keepalive) = keepalive else { return };
    let third = hold_time.as_secs() / 3;
    match (hold_time.is_zero(), keepalive.as_secs()) {
        (true, _) => {
            let message = "a hold time of 0 needs no keepalives";
            problems.push(conflict(path, message, "remove `keepalive_time`"));
        }
        (false, seconds) if seconds > third => {
            let hold_time = hold_time.as_secs();
            let message = format!("{seconds} s is more than a third of hold_time ({hold_time} s)");
            problems.push(conflict(path, message, format!("must be {third} or less")));
        }
        (false, seconds) => check_range(seconds, path, problems),
    }
}

fn check_aggregates(bgp: &BgpSettings, problems: &mut Problems) {
    let path = || KeyPath::single("bgp", "aggregates");
    for (index, prefix) in bgp.aggregates.iter().enumerate() {
        if prefix.length() == 0 {
            let message = "::/0 is everything, and no aggregate of this cluster";
            problems.push(value(path(), message, "must be prefixes of this cluster"));
        } else if !is_routable(*prefix) {
            let message = format!("{prefix} is multicast or link-local and cannot be routed");
            problems.push(value(path(), message, "must be unicast prefixes"));
        }
        if bgp.aggregates.iter().take(index).any(|earlier| earlier == prefix) {
            let message = format!("{prefix} is there twice");
            problems.push(conflict(path(), message, "once is enough"));
        }
    }
}

fn is_unicast(address: Ipv6Addr) -> bool {
    let is_one = !address.is_unspecified() && !address.is_loopback();
    is_one && !address.is_multicast() && address.to_ipv4_mapped().is_none()
}

fn check_address(
    config: &Config,
    neighbor: &BgpNeighbor,
    path: &dyn Fn(&'static str) -> KeyPath,
    problems: &mut Problems,
) {
    if let Some(address) = neighbor.address
        && !is_unicast(address)
    {
        let message = format!("{address} is not the address of a neighbour");
        problems.push(value(path("address"), message, "must be a unicast address"));
    }
    match (&neighbor.port, neighbor.address) {
        (Some(port), _) => check_port_reference(config, port, path("port"), problems),
        (None, Some(address)) if address.is_unicast_link_local() => {
            let message = format!("{address} is link-local and may be on any port");
            problems.push(conflict(path("address"), message, "add `port = \"NAME\"`"));
        }
        (None, Some(_)) => {}
        (None, None) => {
            let message = "nothing says where the neighbour is";
            let expected = "add `address = …`, or `port = \"NAME\"` for the router on that link";
            problems.push(Problem::new(ProblemKind::Missing, path("address"), message, expected));
        }
    }
}

/// A neighbour over link-local addresses: its port leads to another network, and one that is found
/// has the link for itself.
fn check_link(
    config: &Config,
    bgp: &BgpSettings,
    (index, neighbor): (usize, &BgpNeighbor),
    problems: &mut Problems,
) {
    let path = |key| KeyPath::listed("bgp.neighbor", index, key);
    let Some(port) = neighbor.port.as_deref().filter(|_| neighbor.is_link_local()) else { return };
    let key = if neighbor.address.is_some() { "address" } else { "port" };
    let block = config.ports.iter().find(|block| block.name == port);
    let is_edge = |role| matches!(role, PortRole::Uplink | PortRole::Routed);
    if let Some(block) = block.filter(|block| !is_edge(block.role)) {
        let message = format!("`{port}` has the role `{}`", role_word(block.role));
        let expected = "BGP over link-local addresses needs an `uplink` or a `routed` port";
        problems.push(conflict(path("port"), message, expected));
    }
    let same_link = |other: &BgpNeighbor| {
        let is_one_found = other.address.is_none() || neighbor.address.is_none();
        is_one_found && other.is_link_local() && other.port.as_deref() == Some(port)
    };
    if let Some(first) = bgp.neighbors.iter().take(index).position(same_link) {
        let message = format!("[[bgp.neighbor]] {} is on the link of `{port}` already", first + 1);
        let expected = "a neighbour without `address` is the only one on its port";
        problems.push(conflict(path(key), message, expected));
    }
}

/// Rules about single keys.
fn check_keys(
    config: &Config,
    bgp: &BgpSettings,
    (keys, path): (&NeighborKeys, &dyn Fn(&'static str) -> KeyPath),
    problems: &mut Problems,
) {
    if let Some(BgpRemoteAs::Number(asn)) = keys.asn {
        check_asn(asn, path("asn"), problems);
    }
    if let Some(address) = keys.local_address
        && (!is_unicast(address) || address.is_unicast_link_local())
    {
        let message = format!("{address} is no address of this router");
        let expected = "must be a global or unique local address; link-local needs no key";
        problems.push(value(path("local_address"), message, expected));
    }
    if keys.multihop.is_some() && keys.ttl_security_hops.is_some() {
        let message = "`multihop` and `ttl_security_hops` exclude each other";
        problems.push(conflict(path("ttl_security_hops"), message, "remove one of the two"));
    }
    if keys.password.is_some() && !(1..=SECRET_OCTETS_MAX).contains(&keys.secret.0.len()) {
        let message = format!("the password has {} octets", keys.secret.0.len());
        problems.push(value(path("password"), message, "must have 1 to 80"));
    }
    if let Some(text) = &keys.shutdown
        && text.len() > SHUTDOWN_OCTETS_MAX
    {
        let message = format!("the text has {} octets", text.len());
        problems.push(value(path("shutdown"), message, "must have 255 at most"));
    }
    if let Some(hold_time) = keys.hold_time {
        check_hold_time(hold_time, path("hold_time"), problems);
    }
    let numbers = [
        ("multihop", keys.multihop.map(u64::from)),
        ("ttl_security_hops", keys.ttl_security_hops.map(u64::from)),
        ("connect_retry_time", keys.connect_retry_time.map(|time| time.as_secs())),
        ("add_path_max", keys.add_path_max.map(u64::from)),
        ("max_prefix", keys.max_prefix.map(u64::from)),
        ("max_prefix_warning_percent", keys.max_prefix_warning_percent.map(u64::from)),
        ("max_prefix_restart_time", keys.max_prefix_restart_time.map(|time| time.as_secs())),
        ("allow_own_as", keys.allow_own_as.map(u64::from)),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            check_range(number, path(key), problems);
        }
    }
    let names = || config.policies.iter().map(|policy| policy.name.as_str());
    for (key, name) in [("import", &keys.import), ("export", &keys.export)] {
        if let Some(name) = name {
            check_reference(name, names(), "policy", path(key), problems);
        }
    }
    if let Some(policy) = policy_of(config, keys.import.as_deref())
        && policy.clauses.iter().any(|clause| clause.set.next_hop == Some(PolicyNextHop::Own))
    {
        let message = format!("`{}` sets the next hop to this router", policy.name);
        let expected = "packets would come back here; do so in an export policy";
        problems.push(conflict(path("import"), message, expected));
    }
    check_keepalive(
        keys.keepalive_time,
        keys.hold_time.unwrap_or(bgp.hold_time),
        path("keepalive_time"),
        problems,
    );
}

fn policy_of<'c>(config: &'c Config, name: Option<&str>) -> Option<&'c Policy> {
    config.policies.iter().find(|policy| Some(policy.name.as_str()) == name)
}

/// Rules between keys, of the neighbour or of its group.
fn check_together(
    bgp: &BgpSettings,
    neighbor: &BgpNeighbor,
    path: &dyn Fn(&'static str) -> KeyPath,
    problems: &mut Problems,
) {
    let keys = bgp.keys_of(neighbor);
    let Some(is_internal) = bgp.is_internal(&keys) else {
        let message = "the AS of the neighbour is not said";
        let expected = "add `asn = …`: a number, \"external\" or \"internal\"";
        problems.push(Problem::new(ProblemKind::Missing, path("asn"), message, expected));
        return;
    };
    if keys.role.is_some() && is_internal {
        let message = "roles are for neighbours in other ASes";
        problems.push(conflict(path("role"), message, "remove `role`"));
    }
    if keys.role_strict == Some(true) && keys.role.is_none() {
        let message = "`role_strict` without a role asks for nothing";
        problems.push(conflict(path("role_strict"), message, "add `role`, or remove it"));
    }
    if keys.route_reflector_client == Some(true) && !is_internal {
        let message = "routes are reflected within an AS only";
        let expected = "remove `route_reflector_client`";
        problems.push(conflict(path("route_reflector_client"), message, expected));
    }
    let is_far = keys.multihop.is_some_and(|hops| hops > 1);
    if neighbor.address.is_none() && is_internal {
        let message = "only a neighbour in another AS is found by itself";
        problems.push(conflict(path("asn"), message, "add `address = …`"));
    }
    if is_far && neighbor.is_link_local() {
        let message = "a link-local address is never more than one hop away";
        problems.push(conflict(path("multihop"), message, "remove `multihop`"));
    }
    if is_far && keys.bfd == Some(true) {
        let message = "BFD watches neighbours that are one hop away (RFC 5881)";
        problems.push(conflict(path("bfd"), message, "remove `bfd` or `multihop`"));
    }
    let of_max = [
        ("max_prefix_warning_percent", keys.max_prefix_warning_percent.is_some()),
        ("max_prefix_restart_time", keys.max_prefix_restart_time.is_some()),
    ];
    for (key, is_set) in of_max {
        if is_set && keys.max_prefix.is_none() {
            let message = format!("`{key}` without `max_prefix` says nothing");
            problems.push(conflict(path(key), message, "add `max_prefix`, or remove it"));
        }
    }
}
