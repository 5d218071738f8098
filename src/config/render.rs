//! From a configuration to text: every key with the value that holds, defaults included.
//!
//! Owns [`blocks`], a configuration as blocks of keys and texts, and [`render`], which prints them.
//! `delta` compares the same blocks, so what is shown is what is compared. The blocks of BGP are
//! made in `render/bgp.rs`, those of RPKI and BMP in `render/feeds.rs`, those of tenants in
//! `render/tenant.rs`.
//!
//! *Invariants*: loading the rendered text gives the same configuration (for routes from a file: as
//! long as the file is the same). Keys stand in the order of the documentation; a key that holds no
//! value is left out.

use crate::base::time::Duration;
use crate::config::schema::keys::{self, BlockDoc};
use crate::config::schema::{
    BfdSettings, ClusterSettings, Config, DpdkSettings, HostSettings, IdlePolicy, OspfSettings,
    PolicyClause, PortDevice, PortSettings, StaticNeighbor, StaticRoute, StaticRouteTarget,
    role_word,
};
use core::fmt::Write;

mod bgp;
mod feeds;
mod tenant;

/// A block as text: each key with its value as TOML, or `None` where it holds none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedBlock {
    /// Its documentation.
    pub doc: &'static BlockDoc,
    /// Keys and values, in the order of the documentation.
    pub entries: Vec<(&'static str, Option<String>)>,
}

impl RenderedBlock {
    fn new(name: &str, entries: Vec<(&'static str, Option<String>)>) -> Self {
        let doc = keys::block(name).unwrap_or_else(|| unreachable!("[{name}] is documented"));
        debug_assert!(
            entries.iter().map(|(key, _)| *key).eq(doc.keys.iter().map(|key| key.name)),
            "[{name}]: rendered keys differ from documented ones",
        );
        Self { doc, entries }
    }
}

/// A configuration as TOML, with defaults.
pub fn render(config: &Config) -> String {
    let mut text = String::new();
    for block in blocks(config) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&block.doc.header());
        text.push('\n');
        for (key, value) in block.entries {
            if let Some(value) = value {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{key} = {value}");
            }
        }
    }
    text
}

/// A clause of a policy as a block.
pub fn clause_block(clause: &PolicyClause) -> RenderedBlock {
    bgp::clause_block(clause)
}

/// A configuration as blocks, in the order of the documentation.
pub fn blocks(config: &Config) -> Vec<RenderedBlock> {
    let name = quoted(&config.router.name);
    let mut blocks = vec![RenderedBlock::new("router", vec![("name", Some(name))])];
    blocks.extend(config.cluster.as_ref().map(cluster_block));
    blocks.push(dpdk_block(&config.dpdk));
    blocks.push(host_block(&config.host));
    blocks.push(ospf_block(&config.ospf));
    blocks.extend(config.redistribute.as_ref().map(bgp::redistribute_block));
    blocks.push(bfd_block(&config.bfd));
    if let Some(settings) = &config.bgp {
        blocks.push(bgp::bgp_block(settings));
        blocks.extend(settings.groups.iter().map(bgp::group_block));
        blocks.extend(settings.neighbors.iter().map(bgp::neighbor_block));
        blocks.extend(settings.dynamics.iter().map(bgp::dynamic_block));
    }
    if let Some(settings) = &config.rpki {
        blocks.push(feeds::rpki_block(settings));
        blocks.extend(settings.caches.iter().map(feeds::cache_block));
    }
    if let Some(settings) = &config.bmp {
        blocks.push(feeds::bmp_block(settings));
        blocks.extend(settings.stations.iter().map(feeds::station_block));
    }
    blocks.extend(config.prefix_lists.iter().map(bgp::prefix_list_block));
    blocks.extend(config.policies.iter().flat_map(bgp::policy_blocks));
    blocks.extend(config.ports.iter().map(port_block));
    blocks.extend(config.routes.iter().flat_map(route_blocks));
    blocks.extend(config.neighbors.iter().map(neighbor_block));
    blocks.extend(config.tenants.iter().flat_map(tenant::tenant_blocks));
    blocks
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn shown(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

fn shown_quoted(value: impl ToString) -> Option<String> {
    Some(quoted(&value.to_string()))
}

fn list(items: impl Iterator<Item = String>) -> Option<String> {
    Some(format!("[{}]", items.collect::<Vec<_>>().join(", ")))
}

fn cluster_block(cluster: &ClusterSettings) -> RenderedBlock {
    RenderedBlock::new(
        "cluster",
        vec![
            ("ula", shown_quoted(cluster.ula)),
            ("prefix", cluster.prefix.and_then(shown_quoted)),
            ("number", shown(cluster.number)),
            ("key", cluster.key.as_ref().and_then(shown_quoted)),
        ],
    )
}

fn dpdk_block(dpdk: &DpdkSettings) -> RenderedBlock {
    let idle = match dpdk.idle {
        IdlePolicy::Adaptive => "adaptive",
        IdlePolicy::Busy => "busy",
    };
    RenderedBlock::new(
        "dpdk",
        vec![
            ("lcores", list(dpdk.lcores.iter().map(u16::to_string))),
            ("hugepages", dpdk.hugepages.and_then(shown)),
            ("eal_args", list(dpdk.eal_args.iter().map(|argument| quoted(argument)))),
            ("buffers", dpdk.buffers.and_then(shown)),
            ("descriptors", dpdk.descriptors.and_then(shown)),
            ("idle", shown_quoted(idle)),
        ],
    )
}

fn host_block(host: &HostSettings) -> RenderedBlock {
    let entries = vec![("tun", shown_quoted(&host.tun)), ("socket", shown_quoted(&host.socket))];
    RenderedBlock::new("host", entries)
}

fn ospf_block(ospf: &OspfSettings) -> RenderedBlock {
    let seconds = |interval: Duration| shown(interval.as_secs());
    let millis = |delay: Duration| shown(delay.as_millis());
    RenderedBlock::new(
        "ospf",
        vec![
            ("router_id", ospf.router_id.and_then(shown_quoted)),
            ("hello_interval", seconds(ospf.hello_interval)),
            ("dead_interval", seconds(ospf.dead_interval)),
            ("retransmit_interval", seconds(ospf.retransmit_interval)),
            ("cost", shown(ospf.cost)),
            ("mtu_ignore", shown(ospf.mtu_ignore)),
            ("graceful_restart_helper", shown(ospf.graceful_restart_helper)),
            ("spf_delay_initial_ms", millis(ospf.spf_delay_initial)),
            ("spf_delay_short_ms", millis(ospf.spf_delay_short)),
            ("spf_delay_long_ms", millis(ospf.spf_delay_long)),
            ("order_step_ms", millis(ospf.order_step)),
        ],
    )
}

fn bfd_block(bfd: &BfdSettings) -> RenderedBlock {
    RenderedBlock::new(
        "bfd",
        vec![
            ("enabled", shown(bfd.enabled)),
            ("interval_ms", shown(bfd.interval.as_millis())),
            ("multiplier", shown(bfd.multiplier)),
            ("auth", shown_quoted(bfd.auth.word())),
            ("key_id", shown(bfd.key_id)),
            ("key", bfd.key.as_ref().and_then(shown_quoted)),
        ],
    )
}

fn port_block(port: &PortSettings) -> RenderedBlock {
    let device = shown_quoted(&port.device);
    let (matched, device) = match port.device {
        PortDevice::Match { .. } => (device, None),
        _ => (None, device),
    };
    let address = port.address.map(|(address, length)| quoted(&format!("{address}/{length}")));
    RenderedBlock::new(
        "port",
        vec![
            ("match", matched),
            ("device", device),
            ("name", shown_quoted(&port.name)),
            ("role", shown_quoted(role_word(port.role))),
            ("address", address),
            ("mtu", shown(port.mtu)),
            ("cost", port.cost.and_then(shown)),
            ("bfd", port.bfd.enabled.and_then(shown)),
            ("bfd_interval_ms", port.bfd.interval.and_then(|i| shown(i.as_millis()))),
            ("vlan", port.vlan.and_then(shown)),
            ("mac", port.mac.and_then(shown_quoted)),
        ],
    )
}

/// One block for a file; else one for each prefix.
fn route_blocks(route: &StaticRoute) -> Vec<RenderedBlock> {
    let (via, port) = match &route.target {
        StaticRouteTarget::Via { address, port } => (address.to_string(), port.clone()),
        StaticRouteTarget::Blackhole => ("blackhole".to_owned(), None),
        StaticRouteTarget::Unreachable => ("unreachable".to_owned(), None),
    };
    let block = |prefix, prefixes| {
        let port = port.as_ref().and_then(shown_quoted);
        let via = shown_quoted(&via);
        let entries =
            vec![("prefix", prefix), ("prefixes", prefixes), ("via", via), ("port", port)];
        RenderedBlock::new("route", entries)
    };
    match &route.file {
        Some(file) => vec![block(None, shown_quoted(file))],
        None => route.prefixes.iter().map(|prefix| block(shown_quoted(prefix), None)).collect(),
    }
}

fn neighbor_block(neighbor: &StaticNeighbor) -> RenderedBlock {
    RenderedBlock::new(
        "neighbor",
        vec![
            ("address", shown_quoted(neighbor.address)),
            ("mac", shown_quoted(neighbor.mac)),
            ("port", shown_quoted(&neighbor.port)),
        ],
    )
}

#[cfg(test)]
mod tests;
