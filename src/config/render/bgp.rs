//! The blocks of BGP and of policies, from values to text.
//!
//! Owns their rendering; keys that hold no value are left out, as everywhere.

use super::{RenderedBlock, list, quoted, shown, shown_quoted};
use crate::base::time::Duration;
use crate::config::schema::{
    BgpAddPath, BgpDynamic, BgpGroup, BgpNeighbor, BgpOrigin, BgpRemoteAs, BgpRestart, BgpRole,
    BgpSettings, MetricType, NeighborKeys, Policy, PolicyAction, PolicyClause, PolicyDefault,
    PolicyNextHop, PrefixList, RedistributeSettings, RpkiWord,
};

type Entries = Vec<(&'static str, Option<String>)>;

fn seconds(time: Duration) -> Option<String> {
    shown(time.as_secs())
}

fn listed<T: ToString>(items: &[T]) -> Option<String> {
    list(items.iter().map(|item| quoted(&item.to_string())))
}

fn some_listed<T: ToString>(items: &Option<Vec<T>>) -> Option<String> {
    items.as_ref().and_then(|items| listed(items))
}

fn word<T: Copy + PartialEq>(words: &[(&str, T)], value: T) -> Option<String> {
    words.iter().find(|(_, other)| *other == value).and_then(|(word, _)| shown_quoted(word))
}

/// `[ospf.redistribute]`.
pub(super) fn redistribute_block(settings: &RedistributeSettings) -> RenderedBlock {
    let metric_type = match settings.metric_type {
        MetricType::Type1 => 1,
        MetricType::Type2 => 2,
    };
    let entries = vec![
        ("policy", shown_quoted(&settings.policy)),
        ("metric", shown(settings.metric)),
        ("metric_type", shown(metric_type)),
        ("tag", settings.tag.and_then(shown)),
        ("max_prefix", shown(settings.max_prefix)),
        ("damping_max", shown(settings.damping_max)),
    ];
    RenderedBlock::new("ospf.redistribute", entries)
}

/// `[bgp]`.
pub(super) fn bgp_block(bgp: &BgpSettings) -> RenderedBlock {
    let entries = vec![
        ("asn", shown(bgp.asn)),
        ("router_id", bgp.router_id.and_then(shown_quoted)),
        ("cluster_id", bgp.cluster_id.and_then(shown_quoted)),
        ("aggregates", listed(&bgp.aggregates)),
        ("hold_time", seconds(bgp.hold_time)),
        ("keepalive_time", bgp.keepalive_time.and_then(seconds)),
        ("connect_retry_time", seconds(bgp.connect_retry_time)),
        ("graceful_restart", word(BgpRestart::WORDS, bgp.graceful_restart)),
        ("restart_time", seconds(bgp.restart_time)),
        ("multipath", shown(bgp.multipath)),
        ("multipath_any_as", shown(bgp.multipath_any_as)),
        ("always_compare_med", shown(bgp.always_compare_med)),
    ];
    RenderedBlock::new("bgp", entries)
}

/// `[[bgp.group]]`.
pub(super) fn group_block(group: &BgpGroup) -> RenderedBlock {
    let mut entries = vec![("name", shown_quoted(&group.name))];
    entries.extend(keys_entries(&group.keys));
    RenderedBlock::new("bgp.group", entries)
}

/// `[[bgp.neighbor]]`.
pub(super) fn neighbor_block(neighbor: &BgpNeighbor) -> RenderedBlock {
    let text = |text: &Option<String>| text.as_ref().and_then(shown_quoted);
    let mut entries = vec![
        ("address", neighbor.address.and_then(shown_quoted)),
        ("port", text(&neighbor.port)),
        ("name", text(&neighbor.name)),
        ("description", text(&neighbor.description)),
        ("group", text(&neighbor.group)),
    ];
    entries.extend(keys_entries(&neighbor.keys));
    RenderedBlock::new("bgp.neighbor", entries)
}

/// `[[bgp.dynamic]]`.
pub(super) fn dynamic_block(dynamic: &BgpDynamic) -> RenderedBlock {
    let text = |text: &Option<String>| text.as_ref().and_then(shown_quoted);
    let mut entries = vec![
        ("prefix", shown_quoted(dynamic.prefix)),
        ("description", text(&dynamic.description)),
        ("group", text(&dynamic.group)),
        ("max_neighbors", shown(dynamic.max_neighbors)),
    ];
    entries.extend(keys_entries(&dynamic.keys));
    RenderedBlock::new("bgp.dynamic", entries)
}

fn keys_entries(keys: &NeighborKeys) -> Entries {
    let asn = match keys.asn {
        None => None,
        Some(BgpRemoteAs::Number(asn)) => shown(asn),
        Some(BgpRemoteAs::External) => shown_quoted("external"),
        Some(BgpRemoteAs::Internal) => shown_quoted("internal"),
    };
    let text = |text: &Option<String>| text.as_ref().and_then(shown_quoted);
    vec![
        ("asn", asn),
        ("local_address", keys.local_address.and_then(shown_quoted)),
        ("passive", keys.passive.and_then(shown)),
        ("password", text(&keys.password)),
        ("multihop", keys.multihop.and_then(shown)),
        ("ttl_security_hops", keys.ttl_security_hops.and_then(shown)),
        ("hold_time", keys.hold_time.and_then(seconds)),
        ("keepalive_time", keys.keepalive_time.and_then(seconds)),
        ("send_hold_time", keys.send_hold_time.and_then(seconds)),
        ("connect_retry_time", keys.connect_retry_time.and_then(seconds)),
        ("graceful_restart", keys.graceful_restart.and_then(|it| word(BgpRestart::WORDS, it))),
        ("role", keys.role.and_then(|role| word(BgpRole::WORDS, role))),
        ("role_strict", keys.role_strict.and_then(shown)),
        ("import", text(&keys.import)),
        ("export", text(&keys.export)),
        ("next_hop_self", keys.next_hop_self.and_then(shown)),
        ("route_reflector_client", keys.route_reflector_client.and_then(shown)),
        ("add_path", keys.add_path.and_then(|it| word(BgpAddPath::WORDS, it))),
        ("add_path_max", keys.add_path_max.and_then(shown)),
        ("max_prefix", keys.max_prefix.and_then(shown)),
        ("max_prefix_warning_percent", keys.max_prefix_warning_percent.and_then(shown)),
        ("max_prefix_restart_time", keys.max_prefix_restart_time.and_then(seconds)),
        ("enforce_first_as", keys.enforce_first_as.and_then(shown)),
        ("allow_own_as", keys.allow_own_as.and_then(shown)),
        ("blackhole", keys.blackhole.and_then(shown)),
        ("bfd", keys.bfd.and_then(shown)),
        ("shutdown", text(&keys.shutdown)),
    ]
}

/// `[[prefix_list]]`.
pub(super) fn prefix_list_block(prefixes: &PrefixList) -> RenderedBlock {
    let entries = match prefixes.file {
        Some(_) => None,
        None => listed(&prefixes.entries),
    };
    let entries = vec![
        ("name", shown_quoted(&prefixes.name)),
        ("entries", entries),
        ("file", prefixes.file.as_ref().and_then(shown_quoted)),
    ];
    RenderedBlock::new("prefix_list", entries)
}

/// `[[policy]]` and behind it its clauses.
pub(super) fn policy_blocks(policy: &Policy) -> Vec<RenderedBlock> {
    let entries = vec![
        ("name", shown_quoted(&policy.name)),
        ("default", word(PolicyDefault::WORDS, policy.default)),
    ];
    let mut blocks = vec![RenderedBlock::new("policy", entries)];
    blocks.extend(policy.clauses.iter().map(clause_block));
    blocks
}

/// `[[policy.clause]]`.
pub(super) fn clause_block(clause: &PolicyClause) -> RenderedBlock {
    let (when, set) = (&clause.when, &clause.set);
    let next_hop = match set.next_hop {
        None => None,
        Some(PolicyNextHop::Own) => shown_quoted("self"),
        Some(PolicyNextHop::Address(address)) => shown_quoted(address),
    };
    let entries = vec![
        ("name", clause.name.as_ref().and_then(shown_quoted)),
        ("match.prefix_list", when.prefix_list.as_ref().and_then(shown_quoted)),
        ("match.prefixes", some_listed(&when.prefixes)),
        ("match.as_path", some_listed(&when.as_path)),
        ("match.as_path_length_ge", when.as_path_length_ge.and_then(shown)),
        ("match.as_path_length_le", when.as_path_length_le.and_then(shown)),
        ("match.communities", some_listed(&when.communities)),
        ("match.communities_any", some_listed(&when.communities_any)),
        ("match.local_pref", when.local_pref.and_then(shown)),
        ("match.med", when.med.and_then(shown)),
        ("match.origin", when.origin.and_then(|origin| word(BgpOrigin::WORDS, origin))),
        ("match.next_hop", when.next_hop.and_then(shown_quoted)),
        ("match.rpki", when.rpki.and_then(|state| word(RpkiWord::WORDS, state))),
        ("set.local_pref", set.local_pref.and_then(shown)),
        ("set.med", set.med.and_then(shown)),
        ("set.origin", set.origin.and_then(|origin| word(BgpOrigin::WORDS, origin))),
        ("set.prepend", set.prepend.and_then(shown)),
        ("set.communities", some_listed(&set.communities)),
        ("set.remove_communities", some_listed(&set.remove_communities)),
        ("set.add_communities", some_listed(&set.add_communities)),
        ("set.next_hop", next_hop),
        ("set.tag", set.tag.and_then(shown)),
        ("action", word(PolicyAction::WORDS, clause.action)),
    ];
    RenderedBlock::new("policy.clause", entries)
}
