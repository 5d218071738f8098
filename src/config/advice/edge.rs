//! What of the edge can run and is probably not meant: neighbours that are nowhere, policies that
//! let everything in, aggregates of others.
//!
//! Owns the sentences about where neighbours are and what goes over the border of the cluster.
//! Whether a block says something on this server is known when its ports are there; here only what
//! no server could have is said.
//!
//! *Standards*: RFC 4271 §5.1.3 (neighbours on a link), RFC 9687 §3.1 (send hold time), RFC 4632 §5
//! (who announces an aggregate answers for it).

use super::{Advice, say};
use crate::base::prefix::Ipv6Prefix;
use crate::config::problem::KeyPath;
use crate::config::schema::{
    BgpNeighbor, BgpSettings, Config, NeighborKeys, Policy, PolicyAction, PolicyDefault,
    PolicyMatch, PortSettings,
};
use core::net::Ipv6Addr;

/// All of it, in the order of the blocks.
pub fn about_the_edge(config: &Config, sentences: &mut Vec<Advice>) {
    let Some(bgp) = &config.bgp else { return };
    for (index, neighbor) in bgp.neighbors.iter().enumerate() {
        let keys = bgp.keys_of(neighbor);
        about_place(config, (index, neighbor), &keys, sentences);
        about_times(bgp, index, &keys, sentences);
        if bgp.is_internal(&keys) == Some(false) {
            about_import(config, index, &keys, sentences);
        }
    }
    about_aggregates(config, bgp, sentences);
    about_redistribution(config, sentences);
}

fn link_of(port: &PortSettings) -> Option<Ipv6Prefix> {
    port.address.map(|(address, length)| Ipv6Prefix::containing(address, length))
}

/// Whether an address may be on a link that gets its prefix from the cluster.
fn is_of_cluster(config: &Config, address: Ipv6Addr) -> bool {
    config.cluster.iter().any(|cluster| {
        cluster.ula.contains(address)
            || cluster.prefix.is_some_and(|prefix| prefix.contains(address))
    })
}

fn about_place(
    config: &Config,
    (index, neighbor): (usize, &BgpNeighbor),
    keys: &NeighborKeys,
    sentences: &mut Vec<Advice>,
) {
    let Some(address) = neighbor.address else { return };
    if address.is_unicast_link_local() || is_of_cluster(config, address) {
        return;
    }
    let is_on = |port: &PortSettings| link_of(port).is_some_and(|link| link.contains(address));
    let named = neighbor.port.as_ref().and_then(|name| {
        let port = config.ports.iter().find(|port| port.name == *name)?;
        (!is_on(port)).then_some((name, port))
    });
    if let Some((name, port)) = named {
        let path = KeyPath::listed("bgp.neighbor", index, "port");
        let other = config.ports.iter().find(|other| is_on(other)).map(|other| &other.name);
        let remedy = match other {
            Some(other) => format!("it is on the link of `{other}`: name that, or no port"),
            None => "correct the address or the port".to_owned(),
        };
        let link = link_of(port).map_or_else(|| "its link".to_owned(), |link| link.to_string());
        let message = format!("{address} is not on the link of `{name}` ({link})");
        return sentences.push(say(path, message, remedy));
    }
    let is_internal = config.bgp.as_ref().and_then(|bgp| bgp.is_internal(keys)) != Some(false);
    let is_far = keys.multihop.is_some_and(|hops| hops > 1)
        || keys.ttl_security_hops.is_some_and(|hops| hops > 1);
    let is_nowhere = neighbor.port.is_none() && !config.ports.iter().any(is_on);
    if is_nowhere && !is_internal && !is_far {
        let path = KeyPath::listed("bgp.neighbor", index, "address");
        let message = format!("{address} is on the link of no [[port]]: it is inactive everywhere");
        let remedy = "correct it, or add `multihop` where it is further away";
        sentences.push(say(path, message, remedy));
    }
}

fn about_times(bgp: &BgpSettings, index: usize, keys: &NeighborKeys, sentences: &mut Vec<Advice>) {
    let hold = keys.hold_time.unwrap_or(bgp.hold_time);
    if let Some(time) = keys.send_hold_time.filter(|time| *time < hold) {
        let path = KeyPath::listed("bgp.neighbor", index, "send_hold_time");
        let (time, hold) = (time.as_secs(), hold.as_secs());
        let message = format!("{time} s are less than the hold time, and count as its {hold} s");
        sentences.push(say(path, message, "say as much as the hold time, or more"));
    }
}

/// Whether a policy takes routes about which it has asked nothing.
fn takes_everything(policy: &Policy) -> bool {
    let rejects = policy.clauses.iter().any(|clause| clause.action == PolicyAction::Reject);
    let takes = policy.clauses.iter().find(|clause| clause.action == PolicyAction::Accept);
    let is_open = takes.is_some_and(|clause| clause.when == PolicyMatch::default());
    !rejects && (is_open || policy.default == PolicyDefault::Accept)
}

fn policy_of<'a>(config: &'a Config, name: Option<&str>) -> Option<(usize, &'a Policy)> {
    let name = name?;
    config.policies.iter().enumerate().find(|(_, policy)| policy.name == name)
}

fn about_import(config: &Config, index: usize, keys: &NeighborKeys, sentences: &mut Vec<Advice>) {
    let import = policy_of(config, keys.import.as_deref());
    if let Some((_, policy)) = import.filter(|(_, policy)| takes_everything(policy)) {
        let path = KeyPath::listed("bgp.neighbor", index, "import");
        let message = format!("`{}` takes everything that another AS says", policy.name);
        let remedy = "refuse what it may not announce: the cluster's own prefixes, martians";
        sentences.push(say(path, message, remedy));
    }
}

fn about_redistribution(config: &Config, sentences: &mut Vec<Advice>) {
    let Some(settings) = &config.redistribute else { return };
    let Some((_, policy)) = policy_of(config, Some(&settings.policy)) else { return };
    let is_broad = |when: &PolicyMatch| {
        let has_prefixes = when.prefixes.is_some() || when.prefix_list.is_some();
        !(has_prefixes || when.communities.is_some() || when.communities_any.is_some())
    };
    let mut accepts = policy.clauses.iter().filter(|it| it.action == PolicyAction::Accept);
    let is_open = accepts.any(|clause| is_broad(&clause.when));
    if policy.default == PolicyDefault::Accept || is_open {
        let path = KeyPath::single("ospf.redistribute", "policy");
        let message = format!(
            "`{}` accepts without asking for prefixes or communities: of a full table the first {} \
             routes go into OSPF, and then none",
            settings.policy, settings.max_prefix
        );
        let remedy = "name what the cluster needs with `match.prefixes`, such as \"::/0\"";
        sentences.push(say(path, message, remedy));
    }
}

fn about_aggregates(config: &Config, bgp: &BgpSettings, sentences: &mut Vec<Advice>) {
    let Some(cluster) = &config.cluster else { return };
    let own: Vec<Ipv6Prefix> = core::iter::once(cluster.ula).chain(cluster.prefix).collect();
    let names = own.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    for aggregate in &bgp.aggregates {
        let path = KeyPath::single("bgp", "aggregates");
        let larger = bgp.aggregates.iter().find(|it| *it != aggregate && it.covers(*aggregate));
        if let Some(larger) = larger {
            let message = format!("{aggregate} is a part of {larger}, which is announced as well");
            sentences.push(say(path, message, "remove one of them, unless both are meant"));
        } else if own.iter().any(|own| own != aggregate && aggregate.covers(*own)) {
            let message = format!("{aggregate} is more than the cluster has ({names})");
            let remedy = "announce only what is this cluster's: packets for the rest come here too";
            sentences.push(say(path, message, remedy));
        } else if !own.iter().any(|own| own.covers(*aggregate)) {
            let message = format!("{aggregate} is no part of this cluster ({names})");
            let remedy = "announce only what is this cluster's; others it never reaches";
            sentences.push(say(path, message, remedy));
        }
    }
}
