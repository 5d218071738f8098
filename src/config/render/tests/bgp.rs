//! Made-up BGP, prefix lists, policies and redistribution without a problem.

use super::*;
use crate::config::schema::bgp_keys::MAX_PREFIX_MAX;
use crate::config::schema::{
    BgpAddPath, BgpDynamic, BgpGroup, BgpNeighbor, BgpOrigin, BgpRemoteAs, BgpRestart, BgpRole,
    BgpSettings, MetricType, NeighborKeys, Policy, PolicyAction, PolicyClause, PolicyDefault,
    PolicyMatch, PolicyNextHop, PolicySet, PrefixList, RedistributeSettings, RpkiWord,
};

/// What of a configuration is BGP's.
#[derive(Clone, Debug)]
pub struct Edge {
    pub bgp: Option<BgpSettings>,
    pub redistribute: Option<RedistributeSettings>,
    pub prefix_lists: Vec<PrefixList>,
    pub policies: Vec<Policy>,
}

pub fn edge() -> impl Strategy<Value = Edge> {
    let redistribute = prop::option::of(redistribute());
    (bgp(), redistribute, prop::collection::vec(policy(), 2), any::<bool>()).prop_map(
        |(bgp, redistribute, mut policies, has_bgp)| {
            for (policy, name) in policies.iter_mut().zip(["in", "out \"x\""]) {
                name.clone_into(&mut policy.name);
            }
            let list = |name: &str, file: Option<&str>, entries: &str| PrefixList {
                name: name.to_owned(),
                entries: entries.lines().map(|line| line.parse().unwrap()).collect(),
                file: file.map(str::to_owned),
            };
            let prefix_lists = vec![
                list("some", None, "::/0\n2000::/3 ge 16 le 48"),
                list("long", Some("routes.txt"), FILE_TEXT),
            ];
            Edge {
                bgp: has_bgp.then_some(bgp),
                redistribute: redistribute.filter(|_| has_bgp),
                prefix_lists,
                policies,
            }
        },
    )
}

fn redistribute() -> impl Strategy<Value = RedistributeSettings> {
    let (most, wait) = (1u32..=16_384, 0u32..=3600);
    (0u32..=0xff_fffe, any::<bool>(), any::<Option<u32>>(), most, wait).prop_map(
        |(metric, is_first, tag, max_prefix, damping_max)| RedistributeSettings {
            policy: "in".to_owned(),
            metric,
            metric_type: if is_first { MetricType::Type1 } else { MetricType::Type2 },
            tag,
            max_prefix,
            damping_max,
        },
    )
}

fn word<T: Copy + core::fmt::Debug + 'static>(
    words: &'static [(&'static str, T)],
) -> impl Strategy<Value = Option<T>> {
    prop::option::of((0..words.len()).prop_map(move |at| words[at].1))
}

fn bgp() -> impl Strategy<Value = BgpSettings> {
    let numbers = (1u32..23456, any::<bool>(), 1u64..=65535 / 3, 1u64..=3600, 1u64..=4095);
    let switches = (1u8..=64, any::<[bool; 2]>(), word(BgpRestart::WORDS));
    let neighbors = prop::collection::vec((keys(), any::<[bool; 4]>()), 0..4);
    (numbers, switches, keys(), neighbors).prop_map(|(numbers, switches, group, neighbors)| {
        let (asn, has_id, third, retry, restart) = numbers;
        let (multipath, [any_as, compares_med], graceful_restart) = switches;
        let id = has_id.then_some(RouterId(7));
        let neighbors = neighbors.into_iter().enumerate();
        BgpSettings {
            asn,
            router_id: id,
            cluster_id: id,
            aggregates: if has_id { vec!["2001:db8::/32".parse().unwrap()] } else { Vec::new() },
            hold_time: Duration::from_secs(third * 3),
            keepalive_time: has_id.then(|| Duration::from_secs(third)),
            connect_retry_time: Duration::from_secs(retry),
            graceful_restart: graceful_restart.unwrap_or_default(),
            restart_time: Duration::from_secs(restart),
            multipath,
            multipath_any_as: any_as,
            always_compare_med: compares_med,
            dynamics: has_id
                .then(|| BgpDynamic {
                    prefix: "2001:db8:7::/64".parse().unwrap(),
                    description: has_id.then(|| "a rack".to_owned()),
                    group: None,
                    max_neighbors: 9,
                    keys: NeighborKeys { passive: None, ..near(external(group.clone())) },
                })
                .into_iter()
                .collect(),
            groups: vec![BgpGroup { name: "isp".to_owned(), keys: near(external(group)) }],
            neighbors: neighbors.map(|(at, (keys, says))| neighbor(at, keys, says)).collect(),
        }
    })
}

/// Keys that are right for another AS.
fn external(keys: NeighborKeys) -> NeighborKeys {
    NeighborKeys { asn: Some(BgpRemoteAs::External), route_reflector_client: None, ..keys }
}

/// Keys that are right for every address.
fn near(keys: NeighborKeys) -> NeighborKeys {
    NeighborKeys { multihop: keys.multihop.map(|_| 1), ..keys }
}

fn neighbor(at: usize, keys: NeighborKeys, says: [bool; 4]) -> BgpNeighbor {
    let [is_link_local, has_name, has_group, is_internal] = says;
    let mut keys = match is_internal && !has_group {
        true => {
            NeighborKeys { asn: Some(BgpRemoteAs::Internal), role: None, role_strict: None, ..keys }
        }
        false => external(keys),
    };
    if is_link_local || keys.bfd == Some(true) || has_group {
        keys = near(keys);
    }
    let start = if is_link_local { "fe80" } else { "2001:db8" };
    // Nobody else is on the link of one that is found.
    let is_found = at == 0 && is_link_local && keys.asn == Some(BgpRemoteAs::External);
    let port = if is_found { "p2" } else { "p1" };
    BgpNeighbor {
        address: (!is_found).then(|| format!("{start}::{:x}", at + 1).parse().unwrap()),
        port: is_link_local.then(|| port.to_owned()),
        name: has_name.then(|| format!("isp-{at}")),
        description: has_name.then(|| "with \\ and \"".to_owned()),
        group: has_group.then(|| "isp".to_owned()),
        keys,
    }
}

fn keys() -> impl Strategy<Value = NeighborKeys> {
    let times = prop::option::of(1u64..=1000).prop_map(|third| third.map(Duration::from_secs));
    let words = (word(BgpRole::WORDS), word(BgpAddPath::WORDS), word(BgpRestart::WORDS));
    let hops = (any::<bool>(), prop::option::of(1u8..=254));
    let max = prop::option::of((1u32..=MAX_PREFIX_MAX, 1u8..=100, 1u64..=604_800));
    let rest = (any::<[Option<bool>; 6]>(), any::<[bool; 3]>(), 0u8..=10, 1u8..=8);
    (times, words, hops, max, rest).prop_map(|(third, words, (is_far, hops), max, rest)| {
        let (role, add_path, graceful_restart) = words;
        let (switches, [has_password, has_policies, has_text], own_as, paths) = rest;
        let [passive, next_hop_self, reflects, first_as, blackhole, bfd] = switches;
        let is_far = is_far && bfd != Some(true);
        NeighborKeys {
            asn: Some(BgpRemoteAs::Number(65000)),
            local_address: has_text.then(|| "2001:db8::ffff".parse().unwrap()),
            passive,
            password: has_password.then(|| "file:cluster.key".to_owned()),
            secret: Secret(if has_password { b"secret".to_vec() } else { Vec::new() }),
            multihop: hops.filter(|_| is_far),
            ttl_security_hops: hops.filter(|_| !is_far),
            hold_time: third.map(|third| third * 3),
            keepalive_time: third,
            send_hold_time: third.map(|third| third * 6),
            connect_retry_time: third,
            graceful_restart,
            role,
            role_strict: role.map(|_| has_text),
            import: has_policies.then(|| "in".to_owned()),
            export: has_policies.then(|| "out \"x\"".to_owned()),
            next_hop_self,
            route_reflector_client: reflects,
            add_path,
            add_path_max: add_path.map(|_| paths),
            max_prefix: max.map(|(max, _, _)| max),
            max_prefix_warning_percent: max.map(|(_, percent, _)| percent),
            max_prefix_restart_time: max.map(|(_, _, time)| Duration::from_secs(time)),
            enforce_first_as: first_as,
            allow_own_as: has_text.then_some(own_as),
            blackhole,
            bfd,
            shutdown: has_text.then(|| "until\nmorning".to_owned()),
        }
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    (prop::collection::vec(clause(), 0..4), any::<bool>()).prop_map(|(clauses, accepts)| Policy {
        name: String::new(),
        default: if accepts { PolicyDefault::Accept } else { PolicyDefault::Reject },
        clauses,
    })
}

fn clause() -> impl Strategy<Value = PolicyClause> {
    let words = (word(BgpOrigin::WORDS), word(RpkiWord::WORDS), 0usize..3);
    (any::<[bool; 8]>(), any::<[Option<u32>; 4]>(), words, 1u8..=32).prop_map(
        |(says, numbers, (origin, rpki, action), prepend)| {
            let [named, list, prefixes, path, all, some, hop, edits] = says;
            let [pref, med, tag, length] = numbers;
            let when = PolicyMatch {
                prefix_list: list.then(|| "some".to_owned()),
                prefixes: prefixes.then(|| vec!["fd00::/8 ge 48".parse().unwrap()]),
                as_path: path.then(|| vec!["".parse().unwrap(), "1 * 2-3+".parse().unwrap()]),
                as_path_length_ge: length,
                as_path_length_le: length.map(|length| length.saturating_add(2)),
                communities: all.then(|| vec!["1:*".parse().unwrap()]),
                communities_any: some.then(|| vec!["no-export".parse().unwrap()]),
                local_pref: pref,
                med,
                origin,
                next_hop: hop.then(|| "2001:db8::9".parse().unwrap()),
                rpki,
            };
            let set = PolicySet {
                local_pref: pref,
                med: med.map(|med| med & 0xff_ffff).filter(|med| *med != 0xff_ffff),
                origin,
                prepend: list.then_some(prepend),
                communities: all.then(Vec::new),
                remove_communities: some.then(|| vec!["1:2:*".parse().unwrap()]),
                add_communities: path.then(|| vec!["1:2:3".parse().unwrap()]),
                next_hop: hop.then(|| PolicyNextHop::Address("2001:db8::8".parse().unwrap())),
                tag,
            };
            let (_, action) = PolicyAction::WORDS[action];
            let changes = edits && action != PolicyAction::Reject;
            PolicyClause {
                name: named.then(|| "a = \"b\"".to_owned()),
                when,
                set: if changes { set } else { PolicySet::default() },
                action,
            }
        },
    )
}
