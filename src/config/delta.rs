//! What changed between two configurations, so that the rest is left alone.
//!
//! Owns [`Delta`]: which ports came, went or changed, which blocks differ, the sentences for
//! people, and what only a restart can do (keys whose documentation says so). It compares the
//! blocks that `render` prints. Acting on it is the business of `daemon` and `control`.
//!
//! *Invariants*: two equal configurations give an empty delta; a port is the same port when its
//! name is the same, a `match` block when its pattern is; a BGP neighbour when its address is, a
//! group, a prefix list, a policy, a tenant and a pseudowire of it when its name is.

use crate::base::prefix::Ipv6Prefix;
use crate::base::prefix_range::PrefixRange;
use crate::config::render::{RenderedBlock, blocks};
use crate::config::schema::{
    Config, PortDevice, PortSettings, PrefixList, Secret, StaticRoute, StaticRouteTarget, role_word,
};
use std::collections::{BTreeMap, BTreeSet};

mod tenant;

/// A `[[port]]` block of the old or the new configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortReference {
    /// Its name.
    pub name: String,
    /// Its place among the port blocks: of the old configuration where it was removed, else of the
    /// new.
    pub index: usize,
}

/// A port that is still there with other settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortChange {
    /// The block in the new configuration.
    pub port: PortReference,
    /// Its place among the port blocks of the old configuration.
    pub old_index: usize,
    /// Keys whose value changed.
    pub keys: Vec<&'static str>,
}

/// What changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Port blocks that are new.
    pub ports_added: Vec<PortReference>,
    /// Port blocks that are gone.
    pub ports_removed: Vec<PortReference>,
    /// Port blocks that changed.
    pub ports_changed: Vec<PortChange>,
    /// Names of all blocks with a change, such as `ospf` or `route`.
    pub blocks: BTreeSet<&'static str>,
    changes: Vec<String>,
    needs_restart: Vec<String>,
}

impl Delta {
    /// What leads from `old` to `new`.
    pub fn between(old: &Config, new: &Config) -> Self {
        let mut delta = Self::default();
        if old == new {
            return delta;
        }
        let (old_blocks, new_blocks) = (blocks(old), blocks(new));
        let singles = [
            "router",
            "cluster",
            "dpdk",
            "host",
            "ospf",
            "ospf.redistribute",
            "bfd",
            "bgp",
            "rpki",
            "bmp",
        ];
        for name in singles {
            let find = |blocks: &[RenderedBlock]| {
                blocks.iter().find(|block| block.doc.name == name).cloned()
            };
            delta.compare_single(find(&old_blocks), find(&new_blocks));
        }
        if old.bfd.secret != new.bfd.secret && old.bfd.key == new.bfd.key {
            delta.change("bfd", "[bfd] key: another key in the same file".to_owned());
        }
        let named_blocks = [
            "bgp.group",
            "bgp.neighbor",
            "bgp.dynamic",
            "rpki.cache",
            "bmp.station",
            "prefix_list",
            "policy",
            "tenant",
        ];
        for name in named_blocks {
            delta.compare_named(named(&old_blocks, name), named(&new_blocks, name));
        }
        delta.compare_prefix_files(old, new);
        delta.compare_passwords(old, new);
        delta.compare_cookie_files(old, new);
        delta.compare_ports(old, new, (&ports_of(&old_blocks), &ports_of(&new_blocks)));
        delta.compare_routes(old, new);
        delta.compare_neighbors(old, new);
        delta
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.needs_restart.is_empty()
    }

    /// What changes at once, a sentence each.
    pub fn changes(&self) -> &[String] {
        &self.changes
    }

    /// What only a restart can do, a sentence each.
    pub fn needs_restart(&self) -> &[String] {
        &self.needs_restart
    }

    fn change(&mut self, block: &'static str, sentence: String) {
        self.blocks.insert(block);
        self.changes.push(sentence);
    }

    fn compare_single(&mut self, old: Option<RenderedBlock>, new: Option<RenderedBlock>) {
        match (old, new) {
            (None, None) => {}
            (None, Some(new)) => self.change(new.doc.name, format!("{} added", new.doc.header())),
            (Some(old), None) => self.change(old.doc.name, format!("{} removed", old.doc.header())),
            (Some(old), Some(new)) => {
                for ((key, before), (_, after)) in old.entries.iter().zip(&new.entries) {
                    if before == after {
                        continue;
                    }
                    let header = new.doc.header();
                    let sentence = format!("{header} {key}: {}", from_to(before, after));
                    if new.doc.key(key).is_some_and(|key| key.needs_restart) {
                        self.blocks.insert(new.doc.name);
                        self.needs_restart.push(sentence);
                    } else {
                        self.change(new.doc.name, sentence);
                    }
                }
            }
        }
    }

    /// Blocks that are the same when their name is.
    fn compare_named(&mut self, old: Named<'_>, new: Named<'_>) {
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let (before, after) = match (old.get(name), new.get(name)) {
                (Some(before), Some(after)) => (before, after),
                (None, Some(after)) => {
                    self.change(after.block.doc.name, format!("{name} added"));
                    continue;
                }
                (Some(before), None) => {
                    self.change(before.block.doc.name, format!("{name} removed"));
                    continue;
                }
                (None, None) => continue,
            };
            let block = after.block.doc.name;
            let entries = before.block.entries.iter().zip(&after.block.entries);
            for ((key, before), (_, after)) in entries {
                if before != after {
                    self.change(block, format!("{name} {key}: {}", from_to(before, after)));
                }
            }
            if block == "tenant" {
                self.compare_pseudowires(name, &before.within, &after.within);
            } else if before.within != after.within {
                self.change(block, format!("{name}: its clauses changed"));
            }
        }
    }

    /// Prefix lists whose file has the same name and other lines.
    fn compare_prefix_files(&mut self, old: &Config, new: &Config) {
        for list in new.prefix_lists.iter().filter(|list| list.file.is_some()) {
            let is_it = |other: &&PrefixList| other.name == list.name && other.file == list.file;
            let Some(before) = old.prefix_lists.iter().find(is_it) else { continue };
            let entries = |list: &PrefixList| -> BTreeSet<PrefixRange> {
                list.entries.iter().copied().collect()
            };
            let (before, after) = (entries(before), entries(list));
            let (added, removed) = (&after - &before, &before - &after);
            if !added.is_empty() || !removed.is_empty() {
                let (added, removed) = (added.len(), removed.len());
                let name = &list.name;
                let sentence = format!("prefix list {name}: {added} added, {removed} removed");
                self.change("prefix_list", sentence);
            }
        }
    }

    /// Passwords that changed in files of the same name.
    fn compare_passwords(&mut self, old: &Config, new: &Config) {
        let passwords = |config: &Config| -> BTreeMap<String, Secret> {
            let bgp = config.bgp.iter();
            let keys = bgp.flat_map(|bgp| bgp.all_keys());
            keys.filter_map(|keys| Some((keys.password.clone()?, keys.secret.clone()))).collect()
        };
        let before = passwords(old);
        for (file, secret) in passwords(new) {
            if before.get(&file).is_some_and(|before| *before != secret) {
                self.change("bgp", format!("[bgp] password: another one in {file}"));
            }
        }
    }

    fn compare_ports(
        &mut self,
        old: &Config,
        new: &Config,
        (old_blocks, new_blocks): (&[&RenderedBlock], &[&RenderedBlock]),
    ) {
        let place = |ports: &[PortSettings], wanted: &PortSettings| {
            ports.iter().position(|port| identity(port) == identity(wanted))
        };
        for (index, port) in old.ports.iter().enumerate() {
            if place(&new.ports, port).is_none() {
                self.ports_removed.push(PortReference { name: port.name.clone(), index });
                self.change("port", format!("port {} removed", label(port)));
            }
        }
        for (index, port) in new.ports.iter().enumerate() {
            let reference = PortReference { name: port.name.clone(), index };
            let Some(old_index) = place(&old.ports, port) else {
                self.ports_added.push(reference);
                let role = role_word(port.role);
                self.change("port", format!("port {} added: {}, {role}", label(port), port.device));
                continue;
            };
            let (Some(before), Some(after)) = (old_blocks.get(old_index), new_blocks.get(index))
            else {
                unreachable!("every port is rendered as one block")
            };
            let mut keys = Vec::new();
            for ((key, before), (_, after)) in before.entries.iter().zip(&after.entries) {
                if before != after {
                    keys.push(*key);
                    let sentence =
                        format!("port {} {key}: {}", label(port), from_to(before, after));
                    self.change("port", sentence);
                }
            }
            if !keys.is_empty() {
                self.ports_changed.push(PortChange { port: reference, old_index, keys });
            }
        }
        let matches = |ports: &[PortSettings], others: &[PortSettings]| -> Vec<PortDevice> {
            let kept = ports.iter().filter(|port| place(others, port).is_some());
            let is_match = |port: &&PortSettings| matches!(port.device, PortDevice::Match { .. });
            kept.filter(is_match).map(|port| port.device.clone()).collect()
        };
        if matches(&old.ports, &new.ports) != matches(&new.ports, &old.ports) {
            self.change("port", "the order of the [[port]] blocks with `match` changed".to_owned());
        }
    }

    fn compare_routes(&mut self, old: &Config, new: &Config) {
        let (before, after) = (single_routes(old), single_routes(new));
        let prefixes: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
        for prefix in prefixes {
            match (before.get(&prefix), after.get(&prefix)) {
                (Some(from), Some(to)) if from != to => {
                    self.change("route", format!("route {prefix}: {from} → {to}"));
                }
                (None, Some(to)) => self.change("route", format!("route {prefix} {to} added")),
                (Some(from), None) => {
                    self.change("route", format!("route {prefix} {from} removed"));
                }
                _ => {}
            }
        }
        let (before, after) = (file_routes(old), file_routes(new));
        let files: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
        for file in files {
            let none = (BTreeSet::new(), String::new());
            let (old_prefixes, from) = before.get(file).unwrap_or(&none);
            let (new_prefixes, to) = after.get(file).unwrap_or(&none);
            let added = new_prefixes.difference(old_prefixes).count();
            let removed = old_prefixes.difference(new_prefixes).count();
            if added + removed > 0 {
                let way = if to.is_empty() { from } else { to };
                let sentence = format!("routes of {file} {way}: {added} added, {removed} removed");
                self.change("route", sentence);
            }
            if !from.is_empty() && !to.is_empty() && from != to {
                self.change("route", format!("routes of {file}: {from} → {to}"));
            }
        }
    }

    fn compare_neighbors(&mut self, old: &Config, new: &Config) {
        let entries = |config: &Config| -> BTreeMap<_, _> {
            let neighbors = config.neighbors.iter();
            neighbors.map(|n| ((n.address, n.port.clone()), n.mac)).collect()
        };
        let (before, after) = (entries(old), entries(new));
        let keys: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
        for key in keys {
            let name = format!("neighbor {} on {}", key.0, key.1);
            match (before.get(&key), after.get(&key)) {
                (Some(from), Some(to)) if from != to => {
                    self.change("neighbor", format!("{name}: {from} → {to}"));
                }
                (None, Some(mac)) => self.change("neighbor", format!("{name} added: {mac}")),
                (Some(_), None) => self.change("neighbor", format!("{name} removed")),
                _ => {}
            }
        }
    }
}

/// A block that has a name, with those within it.
struct NamedBlock<'a> {
    block: &'a RenderedBlock,
    within: Vec<&'a RenderedBlock>,
}

type Named<'a> = BTreeMap<String, NamedBlock<'a>>;

/// All blocks of a kind, by what they are called in a sentence.
fn named<'a>(blocks: &'a [RenderedBlock], kind: &str) -> Named<'a> {
    let value = |block: &RenderedBlock, wanted: &str| {
        let found = block.entries.iter().find(|(key, _)| *key == wanted);
        found.and_then(|(_, value)| value.clone()).unwrap_or_default().replace('"', "")
    };
    let name = |block: &RenderedBlock| match kind {
        "bgp.group" => format!("BGP group {}", value(block, "name")),
        "bgp.dynamic" => format!("BGP neighbours from {}", value(block, "prefix")),
        "bgp.neighbor" => {
            let (address, port) = (value(block, "address"), value(block, "port"));
            let on = if port.is_empty() { String::new() } else { format!(" on {port}") };
            let separator = if address.is_empty() { "" } else { " " };
            format!("BGP neighbour{separator}{address}{on}")
        }
        "rpki.cache" | "bmp.station" => {
            let what = if kind == "rpki.cache" { "RPKI cache" } else { "BMP station" };
            format!("{what} [{}]:{}", value(block, "address"), value(block, "port"))
        }
        "prefix_list" => format!("prefix list {}", value(block, "name")),
        "tenant" => format!("tenant {}", value(block, "name")),
        _ => format!("policy {}", value(block, "name")),
    };
    let inside = format!("{kind}.");
    let mut found = Named::new();
    for (at, block) in blocks.iter().enumerate().filter(|(_, block)| block.doc.name == kind) {
        let behind = blocks.iter().skip(at + 1);
        let within = behind.take_while(|block| block.doc.name.starts_with(&inside)).collect();
        found.insert(name(block), NamedBlock { block, within });
    }
    found
}

fn ports_of(blocks: &[RenderedBlock]) -> Vec<&RenderedBlock> {
    blocks.iter().filter(|block| block.doc.name == "port").collect()
}

fn from_to(before: &Option<String>, after: &Option<String>) -> String {
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "default".to_owned());
    format!("{} → {}", shown(before), shown(after))
}

/// What makes a port the same port.
fn identity(port: &PortSettings) -> (bool, String) {
    match &port.device {
        PortDevice::Match { .. } => (true, port.device.to_string()),
        _ => (false, port.name.clone()),
    }
}

/// What a port is called in a sentence.
fn label(port: &PortSettings) -> String {
    match &port.device {
        PortDevice::Match { .. } => format!("{} ({})", port.name, port.device),
        _ => port.name.clone(),
    }
}

fn way(target: &StaticRouteTarget) -> String {
    match target {
        StaticRouteTarget::Via { address, port: Some(port) } => format!("via {address} on {port}"),
        StaticRouteTarget::Via { address, port: None } => format!("via {address}"),
        StaticRouteTarget::Blackhole => "blackhole".to_owned(),
        StaticRouteTarget::Unreachable => "unreachable".to_owned(),
    }
}

fn single_routes(config: &Config) -> BTreeMap<Ipv6Prefix, String> {
    let routes = config.routes.iter().filter(|route| route.file.is_none());
    routes.flat_map(|route| route.prefixes.iter().map(|p| (*p, way(&route.target)))).collect()
}

type FileRoutes<'a> = BTreeMap<&'a str, (BTreeSet<Ipv6Prefix>, String)>;

fn file_routes(config: &Config) -> FileRoutes<'_> {
    let entry =
        |route: &'_ StaticRoute| (route.prefixes.iter().copied().collect(), way(&route.target));
    config.routes.iter().filter_map(|route| Some((route.file.as_deref()?, entry(route)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NoFiles, Overrides, Source, load};

    const BASE: &str = r#"
        [router]
        name = "s07"
        [cluster]
        ula = "fd4b:756d:696b::/48"
        number = 7
        [ospf]
        hello_interval = 1
        [[port]]
        name = "p1"
        device = "af_packet:veth1"
        role = "fabric"
        [[port]]
        name = "p2"
        device = "af_packet:veth2"
        role = "routed"
        address = "fd00:2::1/64"
        [[route]]
        prefix = "2001:db8::/32"
        via = "fd00:2::2"
    "#;

    fn config(text: &str) -> Config {
        let overrides = Overrides::default();
        let source = Source { origin: "t", text, overrides: &overrides, files: &NoFiles };
        load(&source).unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn delta(replacements: &[(&str, &str)]) -> Delta {
        let mut text = BASE.to_owned();
        for (from, to) in replacements {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        Delta::between(&config(BASE), &config(&text))
    }

    #[test]
    fn what_did_not_change_yields_nothing() {
        assert!(Delta::between(&config(BASE), &config(BASE)).is_empty());
        let same = delta(&[("hello_interval = 1", "dead_interval = 3")]);
        assert_eq!(same, Delta::default());
    }

    #[test]
    fn a_changed_port_is_named_with_its_keys() {
        let delta = delta(&[("role = \"fabric\"", "role = \"fabric\"\nmtu = 1500\ncost = 5")]);
        assert_eq!(delta.changes(), ["port p1 mtu: 9000 → 1500", "port p1 cost: default → 5"]);
        assert_eq!(delta.ports_changed[0].keys, ["mtu", "cost"]);
        assert_eq!(delta.blocks, BTreeSet::from(["port"]));
        assert!(delta.needs_restart().is_empty());
    }

    #[test]
    fn ports_come_and_go_by_name() {
        let delta = delta(&[("\"p1\"", "\"p9\"")]);
        assert_eq!(delta.changes(), ["port p1 removed", "port p9 added: af_packet:veth1, fabric"]);
        assert_eq!(delta.ports_removed, [PortReference { name: "p1".to_owned(), index: 0 }]);
        assert_eq!(delta.ports_added, [PortReference { name: "p9".to_owned(), index: 0 }]);
    }

    #[test]
    fn keys_of_dpdk_and_host_need_a_restart() {
        let delta = delta(&[("[ospf]", "[dpdk]\nlcores = [1]\n[host]\ntun = \"\"\n[ospf]")]);
        assert_eq!(
            delta.needs_restart(),
            ["[dpdk] lcores: [] → [1]", "[host] tun: \"kumiki0\" → \"\""],
        );
        assert!(delta.changes().is_empty());
    }

    #[test]
    fn routes_and_neighbors_are_compared_one_by_one() {
        let neighbor = "[[neighbor]]\naddress = \"fd00:2::2\"\nmac = \"02:00:00:00:00:02\"\n\
                        port = \"p2\"\n[[route]]\nprefix = \"::/0\"\n\
                        via = \"blackhole\"\n[[route]]";
        let delta =
            delta(&[("via = \"fd00:2::2\"", "via = \"fd00:2::3\""), ("[[route]]", neighbor)]);
        assert_eq!(
            delta.changes(),
            [
                "route ::/0 blackhole added",
                "route 2001:db8::/32: via fd00:2::2 → via fd00:2::3",
                "neighbor fd00:2::2 on p2 added: 02:00:00:00:00:02",
            ],
        );
    }

    #[test]
    fn neighbors_lists_and_policies_of_bgp_are_compared_by_name() {
        let bgp = "[bgp]\nasn = 1\n[[bgp.neighbor]]\naddress = \"fd00:2::9\"\nasn = 2\n\
                   [[prefix_list]]\nname = \"l\"\nentries = \"::/0\"\n\
                   [[policy]]\nname = \"p\"\n[[policy.clause]]\naction = \"accept\"\n";
        let added = delta(&[("[ospf]", &format!("{bgp}[ospf]"))]);
        let all = ["[bgp] added", "BGP neighbour fd00:2::9 added", "prefix list l added"];
        assert_eq!(added.changes(), [&all[..], &["policy p added"]].concat());
        let replacements = [
            ("asn = 1\n", "asn = 1\nmultipath = 2\n"),
            ("asn = 2", "asn = 3"),
            ("::/0", "2000::/3"),
            ("action = \"accept\"", "action = \"reject\""),
        ];
        let changed = replacements.iter().fold(bgp.to_owned(), |text, (a, b)| text.replace(a, b));
        let before = config(&format!("{BASE}{bgp}"));
        let changed = Delta::between(&before, &config(&format!("{BASE}{changed}")));
        assert_eq!(
            changed.changes(),
            [
                "[bgp] multipath: 8 → 2",
                "BGP neighbour fd00:2::9 asn: 2 → 3",
                "prefix list l entries: [\"::/0\"] → [\"2000::/3\"]",
                "policy p: its clauses changed",
            ],
        );
        assert!(changed.needs_restart().is_empty());
    }

    #[test]
    fn lines_of_a_prefix_list_that_changed_are_counted() {
        let with = |entries: &[&str]| {
            let entries = entries.iter().map(|entry| entry.parse().unwrap()).collect();
            let file = Some("irr.txt".to_owned());
            let list = PrefixList { name: "irr".to_owned(), entries, file };
            Config { prefix_lists: vec![list], ..config(BASE) }
        };
        let delta =
            Delta::between(&with(&["2001:db8::/32", "2000::/3"]), &with(&["2000::/3 le 48"]));
        assert_eq!(delta.changes(), ["prefix list irr: 1 added, 2 removed"]);
        assert_eq!(delta.blocks, BTreeSet::from(["prefix_list"]));
    }
}
