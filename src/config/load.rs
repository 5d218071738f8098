//! From text to a configuration, with the place of every error.
//!
//! Owns the reading of each block and the order of the steps: TOML, blocks, keys, then `validate`.
//! What belongs to BGP stands in `load/bgp.rs`, policies in `load/policy.rs`, RPKI and BMP in
//! `load/feeds.rs`, tenants in `load/tenant.rs`.
//! Files that a key names are read through a [`FileSource`] that the caller brings; name and number
//! may come from the caller too ([`Overrides`]).
//!
//! *Invariants*: either a validated [`Config`] or a report of everything found wrong; nothing
//! half-way.

use crate::base::ids::RouterId;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Duration;
use crate::config::problem::{
    ConfigErrors, Excerpt, KeyPath, PROBLEM_MAX, Problem, ProblemKind, line_and_column,
};
use crate::config::read::{BlockReader, Findings, has_shape, nearest, wrong_shape};
use crate::config::schema::keys::{BLOCKS, BlockDoc, absence};
use crate::config::schema::{
    BfdAuth, BfdSettings, ClusterSettings, Config, DpdkSettings, HostSettings, IdlePolicy,
    OspfSettings, PortBfd, PortDevice, PortRole, PortSettings, RouterSettings, Secret,
    StaticNeighbor, StaticRoute, StaticRouteTarget, bfd, bgp_keys, bmp, cluster, default_mtu, dpdk,
    host, ospf, policy as schema_policy, port, redistribute, role_word, route, router, rpki,
    tenant as schema_tenant,
};
use crate::config::validate::validate;
use core::fmt::Display;
use core::net::Ipv6Addr;
use core::ops::Range;
use core::str::FromStr;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

mod bgp;
mod feeds;
mod policy;
mod tenant;

/// Prefixes one `prefixes` file may hold: four times the global table of 2026.
pub const FILE_PREFIXES_MAX: usize = 1_000_000;

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FileError {
    /// In the words of the system.
    pub reason: String,
}

/// Reads files that the configuration names.
pub trait FileSource {
    /// The text of the file; a relative path starts at the configuration's folder.
    fn read(&self, path: &str) -> Result<String, FileError>;
}

impl<F: Fn(&str) -> Result<String, FileError>> FileSource for F {
    fn read(&self, path: &str) -> Result<String, FileError> {
        self(path)
    }
}

/// A [`FileSource`] without files.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl FileSource for NoFiles {
    fn read(&self, _path: &str) -> Result<String, FileError> {
        Err(FileError { reason: "no files can be read here".to_owned() })
    }
}

/// What the command line, the environment or the hypervisor say instead of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Wins over `[router] name`.
    pub name: Option<String>,
    /// Wins over `[cluster] number`.
    pub number: Option<u16>,
    /// The name where neither says one: the host name of the system.
    pub host_name: Option<String>,
}

/// A text to load.
pub struct Source<'a> {
    /// What people know it as, usually its path.
    pub origin: &'a str,
    /// The text.
    pub text: &'a str,
    /// Name and number from elsewhere.
    pub overrides: &'a Overrides,
    /// For `prefixes` and `key`.
    pub files: &'a dyn FileSource,
}

/// Reads and validates a configuration.
pub fn load(source: &Source<'_>) -> Result<Config, ConfigErrors> {
    let (document, syntax_errors) = DeTable::parse_recoverable(source.text);
    let report = |problems| Err(ConfigErrors::new(source.origin, source.text, problems));
    if !syntax_errors.is_empty() {
        // What was recovered from broken TOML would only bring errors that are none.
        return report(syntax_errors.iter().map(syntax_problem).collect());
    }
    let mut findings = Findings::default();
    check_block_names(document.get_ref(), &mut findings);
    let config = read_config(document.get_ref(), source, &mut findings);
    // A value that could not be read was replaced by its default: no more errors from that block.
    let found = validate(&config)
        .into_iter()
        .filter(|problem| !problem.path.as_ref().is_some_and(|path| findings.is_broken(path)));
    for problem in found.collect::<Vec<_>>() {
        findings.add(problem);
    }
    if findings.problems.is_empty() { Ok(config) } else { report(findings.problems) }
}

/// The line of each block and key of a text, from one; of broken TOML none.
pub fn lines(source: &Source<'_>) -> BTreeMap<KeyPath, usize> {
    let (document, _) = DeTable::parse_recoverable(source.text);
    let mut findings = Findings::default();
    read_config(document.get_ref(), source, &mut findings);
    let line = |place: Range<usize>| line_and_column(source.text, place.start).0;
    findings.places.into_iter().map(|(path, place)| (path, line(place))).collect()
}

fn syntax_problem(error: &toml::de::Error) -> Problem {
    Problem {
        kind: ProblemKind::Syntax,
        path: None,
        message: format!("not TOML: {}", error.message()),
        expected: "here".to_owned(),
        help: None,
        span: error.span(),
        excerpt: None,
    }
}

fn check_block_names(document: &DeTable<'_>, findings: &mut Findings) {
    for (name, value) in document {
        let doc = BLOCKS.iter().find(|block| block.name == name.get_ref());
        let (kind, message, expected) = match doc {
            Some(doc) if has_shape(doc, value.get_ref()) => continue,
            Some(doc) => {
                let (message, expected) = wrong_shape(doc);
                (ProblemKind::Value, message, expected)
            }
            None => unknown_block(name.get_ref(), value.get_ref()),
        };
        findings.add(Problem {
            kind,
            path: None,
            message,
            expected,
            help: None,
            span: Some(name.span()),
            excerpt: None,
        });
    }
}

fn unknown_block(name: &str, value: &DeValue<'_>) -> (ProblemKind, String, String) {
    if let Some(absence) = absence("", name) {
        return (ProblemKind::Unknown, absence.reason.to_owned(), absence.instead.to_owned());
    }
    let known = BLOCKS.iter().map(|block| block.name);
    let is_block = value.is_table() || value.is_array();
    let what = if is_block { "block" } else { "key" };
    let expected = match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None if is_block => {
            let headers: Vec<_> = BLOCKS.iter().map(|block| block.header()).collect();
            format!("known: {}", headers.join(", "))
        }
        None => "every key stands in a block such as [router]".to_owned(),
    };
    (ProblemKind::Unknown, format!("there is no {what} `{name}`"), expected)
}

type Block<'a> = (&'a DeTable<'a>, Range<usize>);

/// What stands under a name, in other blocks where there are dots in it.
fn under<'a>(document: &'a DeTable<'a>, name: &str) -> Option<(Range<usize>, &'a DeValue<'a>)> {
    match name.split_once('.') {
        None => document.get_key_value(name).map(|(name, value)| (name.span(), value.get_ref())),
        Some((outer, inner)) => under(document.get(outer)?.get_ref().as_table()?, inner),
    }
}

/// The block of this name, if written.
fn single<'a>(document: &'a DeTable<'a>, doc: &BlockDoc) -> Option<Block<'a>> {
    let (span, value) = under(document, doc.name)?;
    value.as_table().map(|table| (table, span))
}

/// All blocks of this name, in order.
fn listed<'a>(document: &'a DeTable<'a>, doc: &BlockDoc) -> Vec<Block<'a>> {
    let list = under(document, doc.name).and_then(|(_, value)| value.as_array());
    list.into_iter()
        .flat_map(|list| list.iter())
        .filter_map(|item| item.get_ref().as_table().map(|table| (table, item.span())))
        .collect()
}

fn read_config(document: &DeTable<'_>, source: &Source<'_>, findings: &mut Findings) -> Config {
    let mut config = Config {
        router: read_router(single(document, &router::ROUTER), source.overrides, findings),
        ..Config::default()
    };
    if let Some(block) = single(document, &cluster::CLUSTER) {
        config.cluster = Some(read_cluster(block, source, findings));
    }
    if let Some(block) = single(document, &dpdk::DPDK) {
        config.dpdk = read_dpdk(block, findings);
    }
    if let Some(block) = single(document, &host::HOST) {
        config.host = read_host(block, findings);
    }
    if let Some(block) = single(document, &ospf::OSPF) {
        config.ospf = read_ospf(block, findings);
    }
    if let Some(block) = single(document, &redistribute::REDISTRIBUTE) {
        config.redistribute = Some(policy::read_redistribute(block, findings));
    }
    if let Some(block) = single(document, &bfd::BFD) {
        config.bfd = read_bfd(block, source, findings);
    }
    if let Some(block) = single(document, &bgp_keys::BGP) {
        config.bgp = Some(bgp::read_bgp(block, document, source, findings));
    }
    if let Some(block) = single(document, &rpki::RPKI) {
        config.rpki = Some(feeds::read_rpki(block, document, findings));
    }
    if let Some(block) = single(document, &bmp::BMP) {
        config.bmp = Some(feeds::read_bmp(block, document, findings));
    }
    for (index, block) in listed(document, &schema_policy::PREFIX_LIST).into_iter().enumerate() {
        config.prefix_lists.push(policy::read_prefix_list(index, block, source, findings));
    }
    for (index, block) in listed(document, &schema_policy::POLICY).into_iter().enumerate() {
        config.policies.push(policy::read_policy(index, block, findings));
    }
    for (index, block) in listed(document, &port::PORT).into_iter().enumerate() {
        config.ports.push(read_port(index, block, findings));
    }
    for (index, block) in listed(document, &route::ROUTE).into_iter().enumerate() {
        config.routes.push(read_route(index, block, source, findings));
    }
    for (index, block) in listed(document, &route::NEIGHBOR).into_iter().enumerate() {
        config.neighbors.push(read_neighbor(index, block, findings));
    }
    for (index, block) in listed(document, &schema_tenant::TENANT).into_iter().enumerate() {
        config.tenants.push(tenant::read_tenant(index, block, source, findings));
    }
    config
}

fn read_router(
    block: Option<Block<'_>>,
    overrides: &Overrides,
    findings: &mut Findings,
) -> RouterSettings {
    let mut name = None;
    if let Some(block) = block {
        let mut reader = BlockReader::new(&router::ROUTER, None, block, findings);
        name = reader.text("name");
        reader.finish();
    }
    let name = overrides.name.clone().or(name).or_else(|| overrides.host_name.clone());
    RouterSettings { name: name.unwrap_or_default() }
}

fn read_cluster(block: Block<'_>, source: &Source<'_>, findings: &mut Findings) -> ClusterSettings {
    let mut reader = BlockReader::new(&cluster::CLUSTER, None, block, findings);
    reader.missing("ula");
    let settings = ClusterSettings {
        ula: reader.parsed("ula").unwrap_or_default(),
        prefix: reader.parsed("prefix"),
        number: 0,
        key: reader.text("key"),
        secret: Secret::default(),
    };
    let written: Option<u16> = reader.integer("number");
    let number = source.overrides.number.or(written);
    if number.is_none() && !reader.has("number") {
        reader.missing("number");
        let path = reader.path("number");
        reader.amend_last(
            &path,
            "or give --number or KUMIKI_NUMBER, so that all servers share the file",
        );
    }
    let secret = settings.key.as_ref().and_then(|key| read_key("key", key, source, &mut reader));
    reader.finish();
    let secret = Secret(secret.unwrap_or_default().into_bytes());
    ClusterSettings { number: number.unwrap_or_default(), secret, ..settings }
}

/// The secret in a file that a key names, without the white space around it.
fn read_key(
    name: &'static str,
    key: &str,
    source: &Source<'_>,
    reader: &mut BlockReader<'_>,
) -> Option<String> {
    let Some(path) = key.strip_prefix("file:").filter(|path| !path.is_empty()) else {
        reader.wrong(name, "the secret itself does not belong into this file");
        return None;
    };
    let (message, expected) = match source.files.read(path) {
        Ok(text) if text.trim().is_empty() => (format!("`{path}` is empty"), "must hold a secret"),
        Ok(text) => return Some(text.trim().to_owned()),
        Err(error) => (format!("cannot read `{path}`: {error}"), "must be a readable file"),
    };
    let at = reader.path(name);
    reader.add(Problem::new(ProblemKind::File, at, message, expected));
    None
}

fn read_dpdk(block: Block<'_>, findings: &mut Findings) -> DpdkSettings {
    let mut reader = BlockReader::new(&dpdk::DPDK, None, block, findings);
    let idle = [("adaptive", IdlePolicy::Adaptive), ("busy", IdlePolicy::Busy)];
    let settings = DpdkSettings {
        lcores: reader.integers("lcores").unwrap_or_default(),
        hugepages: reader.boolean("hugepages"),
        eal_args: reader.texts("eal_args").unwrap_or_default(),
        buffers: reader.integer("buffers"),
        descriptors: reader.integer("descriptors"),
        idle: reader.choice("idle", &idle).unwrap_or_default(),
    };
    reader.finish();
    settings
}

fn read_host(block: Block<'_>, findings: &mut Findings) -> HostSettings {
    let mut reader = BlockReader::new(&host::HOST, None, block, findings);
    let default = HostSettings::default();
    let settings = HostSettings {
        tun: reader.text("tun").unwrap_or(default.tun),
        socket: reader.text("socket").unwrap_or(default.socket),
    };
    reader.finish();
    settings
}

fn read_ospf(block: Block<'_>, findings: &mut Findings) -> OspfSettings {
    let mut reader = BlockReader::new(&ospf::OSPF, None, block, findings);
    let default = OspfSettings::default();
    let mut seconds = |key, default| reader.integer(key).map_or(default, Duration::from_secs);
    let hello_interval = seconds("hello_interval", default.hello_interval);
    let dead_interval = seconds("dead_interval", default.dead_interval);
    let retransmit_interval = seconds("retransmit_interval", default.retransmit_interval);
    let mut millis = |key, default| reader.integer(key).map_or(default, Duration::from_millis);
    let spf_delay_initial = millis("spf_delay_initial_ms", default.spf_delay_initial);
    let spf_delay_short = millis("spf_delay_short_ms", default.spf_delay_short);
    let spf_delay_long = millis("spf_delay_long_ms", default.spf_delay_long);
    let order_step = millis("order_step_ms", default.order_step);
    let settings = OspfSettings {
        router_id: reader.parsed::<RouterId>("router_id"),
        hello_interval,
        dead_interval,
        retransmit_interval,
        cost: reader.integer("cost").unwrap_or(default.cost),
        mtu_ignore: reader.boolean("mtu_ignore").unwrap_or(default.mtu_ignore),
        graceful_restart_helper: reader
            .boolean("graceful_restart_helper")
            .unwrap_or(default.graceful_restart_helper),
        spf_delay_initial,
        spf_delay_short,
        spf_delay_long,
        order_step,
    };
    reader.finish();
    settings
}

fn read_bfd(block: Block<'_>, source: &Source<'_>, findings: &mut Findings) -> BfdSettings {
    let mut reader = BlockReader::new(&bfd::BFD, None, block, findings);
    let default = BfdSettings::default();
    let key = reader.text("key");
    let secret = key.as_ref().and_then(|key| read_key("key", key, source, &mut reader));
    let settings = BfdSettings {
        enabled: reader.boolean("enabled").unwrap_or(default.enabled),
        interval: reader.integer("interval_ms").map_or(default.interval, Duration::from_millis),
        multiplier: reader.integer("multiplier").unwrap_or(default.multiplier),
        auth: reader.choice("auth", BfdAuth::WORDS).unwrap_or_default(),
        key_id: reader.integer("key_id").unwrap_or(default.key_id),
        key,
        secret: Secret(secret.unwrap_or_default().into_bytes()),
    };
    reader.finish();
    settings
}

/// The words of `role`.
const ROLES: &[(&str, PortRole)] = &[
    ("fabric", PortRole::Fabric),
    ("lan", PortRole::Lan),
    ("uplink", PortRole::Uplink),
    ("routed", PortRole::Routed),
    ("tenant", PortRole::Tenant),
];

fn read_port(index: usize, block: Block<'_>, findings: &mut Findings) -> PortSettings {
    let mut reader = BlockReader::new(&port::PORT, Some(index), block, findings);
    let device = read_device(&mut reader);
    reader.missing("role");
    let role = reader.choice("role", ROLES);
    let name = reader.text("name").unwrap_or_else(|| match (&device, role) {
        (Some(PortDevice::Match { .. }), Some(role)) => role_word(role).to_owned(),
        (Some(PortDevice::Match { .. }) | None, _) => format!("port {}", index + 1),
        (Some(device), _) => device.default_name(),
    });
    let role = role.unwrap_or(PortRole::Routed);
    let settings = PortSettings {
        name,
        device: device.unwrap_or(PortDevice::Vdev(String::new())),
        role,
        address: read_address(&mut reader),
        mtu: reader.integer("mtu").unwrap_or(default_mtu(role)),
        cost: reader.integer("cost"),
        bfd: PortBfd {
            enabled: reader.boolean("bfd"),
            interval: reader.integer("bfd_interval_ms").map(Duration::from_millis),
        },
        vlan: reader.integer("vlan"),
        mac: reader.parsed("mac"),
    };
    reader.finish();
    settings
}

fn read_device(reader: &mut BlockReader<'_>) -> Option<PortDevice> {
    let matched = reader.text("match");
    let device = reader.parsed::<PortDevice>("device");
    match (reader.has("match"), reader.has("device")) {
        (true, true) => {
            let (path, message) =
                (reader.path("device"), "`match` and `device` exclude each other");
            reader.add(Problem::new(ProblemKind::Conflict, path, message, "remove one of the two"));
            None
        }
        (false, false) => {
            let expected = "add `match = \"driver=*\"` or `device = \"af_packet:eth1\"`";
            let (path, message) = (reader.path(""), "neither `match` nor `device` is given");
            reader.add(Problem::new(ProblemKind::Missing, path, message, expected));
            None
        }
        (true, false) => match PortDevice::from_match(&matched?) {
            Ok(device) => Some(device),
            Err(error) => {
                reader.wrong("match", error.to_string());
                None
            }
        },
        (false, true) => device,
    }
}

/// An address without a length.
fn read_ipv6(reader: &mut BlockReader<'_>, key: &'static str) -> Option<Ipv6Addr> {
    let text = reader.text(key)?;
    let parsed = text.parse().ok();
    if parsed.is_none() {
        reader.wrong(key, format!("`{text}` is not an address"));
    }
    parsed
}

fn read_address(reader: &mut BlockReader<'_>) -> Option<(Ipv6Addr, u8)> {
    let text = reader.text("address")?;
    let parsed = text.split_once('/').and_then(|(address, length)| {
        let length = length.parse().ok().filter(|length| (1..=128).contains(length))?;
        Some((address.parse().ok()?, length))
    });
    if parsed.is_none() {
        let is_bare = text.parse::<Ipv6Addr>().is_ok();
        let reason =
            if is_bare { "has no length after it" } else { "is not an address with length" };
        reader.wrong("address", format!("`{text}` {reason}"));
    }
    parsed
}

fn read_route(
    index: usize,
    block: Block<'_>,
    source: &Source<'_>,
    findings: &mut Findings,
) -> StaticRoute {
    let mut reader = BlockReader::new(&route::ROUTE, Some(index), block, findings);
    let prefix = reader.parsed::<Ipv6Prefix>("prefix");
    let file = reader.text("prefixes");
    let prefixes = match (reader.has("prefix"), reader.has("prefixes")) {
        (true, true) => {
            let message = "`prefix` and `prefixes` exclude each other";
            let path = reader.path("prefixes");
            reader.add(Problem::new(ProblemKind::Conflict, path, message, "remove one of the two"));
            Vec::new()
        }
        (false, false) => {
            let expected = "add `prefix = \"2001:db8::/32\"` or `prefixes = \"FILE\"`";
            let (path, message) = (reader.path(""), "neither `prefix` nor `prefixes` is given");
            reader.add(Problem::new(ProblemKind::Missing, path, message, expected));
            Vec::new()
        }
        (true, false) => prefix.into_iter().collect(),
        (false, true) => match &file {
            Some(file) => read_lines("prefixes", file, source, &mut reader),
            None => Vec::new(),
        },
    };
    let target = read_target(&mut reader);
    reader.finish();
    StaticRoute { prefixes, file, target }
}

fn read_target(reader: &mut BlockReader<'_>) -> StaticRouteTarget {
    reader.missing("via");
    let port = reader.text("port");
    let target = match reader.text("via").as_deref() {
        Some("blackhole") => StaticRouteTarget::Blackhole,
        Some("unreachable") => StaticRouteTarget::Unreachable,
        Some(text) => match text.parse() {
            Ok(address) => return StaticRouteTarget::Via { address, port },
            Err(_) => {
                reader.wrong("via", format!("`{text}` is not an address"));
                StaticRouteTarget::Blackhole
            }
        },
        None => StaticRouteTarget::Blackhole,
    };
    if port.is_some() && !reader.is_broken() {
        let (path, message) = (reader.path("port"), "packets that are discarded leave by no port");
        reader.add(Problem::new(ProblemKind::Conflict, path, message, "remove `port`"));
    }
    target
}

/// Prefixes or ranges of them, one a line of the file that a key names.
fn read_lines<T: FromStr<Err: Display>>(
    key: &'static str,
    file: &str,
    source: &Source<'_>,
    reader: &mut BlockReader<'_>,
) -> Vec<T> {
    let at = reader.path(key);
    let problem = |message: String, expected: &str| {
        Problem::new(ProblemKind::File, at.clone(), message, expected)
    };
    let text = match source.files.read(file) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("cannot read `{file}`: {error}");
            reader.add(problem(message, "must be a readable file"));
            return Vec::new();
        }
    };
    let (mut values, mut wrong_count) = (Vec::new(), 0);
    for (number, line) in text.lines().enumerate() {
        let content = line.split('#').next().unwrap_or("").trim();
        if content.is_empty() {
            continue;
        }
        match content.parse::<T>() {
            Ok(value) => values.push(value),
            Err(error) => {
                let mut problem = problem(error.to_string(), "must be one IPv6 prefix a line");
                let text = content.to_owned();
                problem.excerpt = Some(Excerpt { origin: file.to_owned(), line: number + 1, text });
                reader.add(problem);
                wrong_count += 1;
            }
        }
        if wrong_count >= PROBLEM_MAX || values.len() > FILE_PREFIXES_MAX {
            break;
        }
    }
    if values.is_empty() && wrong_count == 0 {
        reader.add(problem(format!("`{file}` holds no prefix"), "must hold one prefix a line"));
    } else if values.len() > FILE_PREFIXES_MAX {
        let message = format!("`{file}` holds more than {FILE_PREFIXES_MAX} prefixes");
        reader.add(problem(message, "must be shorter"));
    }
    values
}

fn read_neighbor(index: usize, block: Block<'_>, findings: &mut Findings) -> StaticNeighbor {
    let mut reader = BlockReader::new(&route::NEIGHBOR, Some(index), block, findings);
    for key in ["address", "mac", "port"] {
        reader.missing(key);
    }
    let neighbor = StaticNeighbor {
        address: read_ipv6(&mut reader, "address").unwrap_or(Ipv6Addr::UNSPECIFIED),
        mac: reader.parsed("mac").unwrap_or_default(),
        port: reader.text("port").unwrap_or_default(),
    };
    reader.finish();
    neighbor
}
