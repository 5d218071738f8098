//! What is wrong with prefix lists, policies and redistribution.
//!
//! Owns the rules of `[[prefix_list]]`, `[[policy]]` with its clauses, and `[ospf.redistribute]`.

use super::bgp::{check_name, check_range, check_reference};
use super::{Problems, conflict, value};
use crate::config::problem::{KeyPath, Problem, ProblemKind};
use crate::config::schema::policy::{CLAUSES_MAX, POLICIES_MAX};
use crate::config::schema::redistribute::METRIC_MAX;
use crate::config::schema::{
    Config, PolicyAction, PolicyClause, PolicyMatch, PolicyNextHop, PolicySet,
};
use std::collections::BTreeMap;

/// Everything about policies.
pub(super) fn check_policies(config: &Config, problems: &mut Problems) {
    let mut names = BTreeMap::new();
    for (index, list) in config.prefix_lists.iter().enumerate() {
        let path = |key| KeyPath::listed("prefix_list", index, key);
        check_name(&list.name, (index, &mut names), path("name"), problems);
        if list.entries.is_empty() && list.file.is_none() {
            let message = "the list is empty and has no prefix";
            problems.push(value(path("entries"), message, "must have an entry"));
        }
    }
    if config.policies.len() > POLICIES_MAX {
        let path = KeyPath::listed("policy", config.policies.len() - 1, "");
        let message = format!("{} policies are too many", config.policies.len());
        problems.push(value(path, message, format!("at most {POLICIES_MAX}")));
    }
    let mut names = BTreeMap::new();
    for (index, policy) in config.policies.iter().enumerate() {
        let path = |key| KeyPath::listed("policy", index, key);
        check_name(&policy.name, (index, &mut names), path("name"), problems);
        if policy.clauses.len() > CLAUSES_MAX {
            let message = format!("{} clauses are too many", policy.clauses.len());
            problems.push(value(path(""), message, format!("at most {CLAUSES_MAX}")));
        }
        for (number, clause) in policy.clauses.iter().enumerate() {
            let path = |key| KeyPath::nested("policy.clause", (index, number), key);
            check_match(config, &clause.when, &path, problems);
            check_set(clause, &path, problems);
        }
    }
    check_redistribution(config, problems);
}

fn check_match(
    config: &Config,
    when: &PolicyMatch,
    path: &dyn Fn(&'static str) -> KeyPath,
    problems: &mut Problems,
) {
    if let Some(name) = &when.prefix_list {
        let known = config.prefix_lists.iter().map(|list| list.name.as_str());
        check_reference(name, known, "prefix_list", path("match.prefix_list"), problems);
    }
    let empty = [
        ("match.prefixes", when.prefixes.as_ref().is_some_and(Vec::is_empty)),
        ("match.as_path", when.as_path.as_ref().is_some_and(Vec::is_empty)),
        ("match.communities", when.communities.as_ref().is_some_and(Vec::is_empty)),
        ("match.communities_any", when.communities_any.as_ref().is_some_and(Vec::is_empty)),
    ];
    for (key, is_empty) in empty {
        if is_empty {
            let message = "nothing is like one of none";
            problems.push(value(path(key), message, "must have an entry; without the key, any"));
        }
    }
    if let (Some(least), Some(most)) = (when.as_path_length_ge, when.as_path_length_le)
        && least > most
    {
        let message = format!("no length is at least {least} and at most {most}");
        let expected = format!("must be {least} or more");
        problems.push(conflict(path("match.as_path_length_le"), message, expected));
    }
}

fn check_set(
    clause: &PolicyClause,
    path: &dyn Fn(&'static str) -> KeyPath,
    problems: &mut Problems,
) {
    if clause.action == PolicyAction::Reject && clause.set != PolicySet::default() {
        let message = "a route that is rejected is not changed";
        problems.push(conflict(path("action"), message, "remove `set`, or accept"));
    }
    if let Some(times) = clause.set.prepend {
        check_range(times.into(), path("set.prepend"), problems);
    }
    if let Some(PolicyNextHop::Address(address)) = clause.set.next_hop {
        let is_nobody = address.is_unspecified() || address.is_loopback();
        if is_nobody || address.is_multicast() || address.is_unicast_link_local() {
            let message = format!("{address} leads nowhere from another link");
            let expected = "must be a global or unique local address, or \"self\"";
            problems.push(value(path("set.next_hop"), message, expected));
        }
    }
}

fn check_redistribution(config: &Config, problems: &mut Problems) {
    let Some(settings) = &config.redistribute else { return };
    let path = |key| KeyPath::single("ospf.redistribute", key);
    let known = config.policies.iter().map(|policy| policy.name.as_str());
    check_reference(&settings.policy, known, "policy", path("policy"), problems);
    if config.bgp.is_none() {
        let message = "there are no routes of BGP without BGP";
        let problem = Problem::new(
            ProblemKind::Missing,
            path(""),
            message,
            "add a [bgp] block, or remove it",
        );
        problems.push(problem);
    }
    check_range(settings.metric.into(), path("metric"), problems);
    check_range(settings.max_prefix.into(), path("max_prefix"), problems);
    check_range(settings.damping_max.into(), path("damping_max"), problems);
    let policies = config.policies.iter().enumerate();
    for (index, policy) in policies.filter(|(_, policy)| policy.name == settings.policy) {
        for (number, clause) in policy.clauses.iter().enumerate() {
            if let Some(metric) = clause.set.med.filter(|metric| *metric > METRIC_MAX) {
                let path = KeyPath::nested("policy.clause", (index, number), "set.med");
                let message = format!("{metric} is no metric of OSPF");
                let problem = value(path, message, format!("must be {METRIC_MAX} or less"));
                problems.push(problem.with_help("[ospf.redistribute] uses this policy"));
            }
        }
    }
}
