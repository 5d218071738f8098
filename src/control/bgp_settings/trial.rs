//! A policy, tried on a route that nobody has sent.
//!
//! Owns [`try_policy`], for `kumiki policy test`: the configuration's own policies, compiled as the
//! router compiles them, and what each clause said.

use super::policies::{PolicyTable, conditions, origin, rpki};
use crate::base::community::AnyCommunity;
use crate::base::prefix::Ipv6Prefix;
use crate::config::schema::{BgpOrigin, MetricType, Policy, PolicyAction, RpkiWord};
use crate::config::{Config, did_you_mean};
use crate::proto::bgp::policy::{Explanation, Fate};
use crate::proto::bgp::ribs::Route;
use crate::wire::bgp::{AsPath, NextHop, PathAttributes};
use core::net::Ipv6Addr;
use serde::Serialize;

/// The route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Its prefix.
    pub prefix: Ipv6Prefix,
    /// Its AS path, the neighbour first.
    pub as_path: Vec<u32>,
    /// Its communities.
    pub communities: Vec<AnyCommunity>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// ORIGIN.
    pub origin: BgpOrigin,
    /// Its next hop; `None` for this router.
    pub next_hop: Option<Ipv6Addr>,
    /// What the RPKI would say; `None` for what the router knows of it.
    pub rpki: Option<RpkiWord>,
}

/// Why nothing was tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrialError {
    /// There is no policy of this name.
    #[error("there is no policy `{name}`{hint}")]
    NoPolicy {
        /// The name.
        name: String,
        /// What was probably meant, or what there is.
        hint: String,
    },
}

/// What a clause said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrialClause {
    /// Its number, from one.
    pub number: usize,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Whether it matched.
    pub is_match: bool,
    /// The key that did not hold.
    pub mismatch: Option<&'static str>,
    /// What it says of routes that match.
    pub action: &'static str,
}

/// An attribute that is another one after the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrialChange {
    /// Which.
    pub attribute: &'static str,
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: String,
}

/// A route in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrialRoute {
    /// Its AS path.
    pub as_path: String,
    /// ORIGIN.
    pub origin: String,
    /// Its next hop.
    pub next_hop: String,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// Its communities, standard and large.
    pub communities: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrialReport {
    /// The policy.
    pub policy: String,
    /// The prefix.
    pub prefix: Ipv6Prefix,
    /// The clauses that were asked, in order.
    pub clauses: Vec<TrialClause>,
    /// Number of the clause that decided; `None` where the default did.
    pub decided_by: Option<usize>,
    /// Whether the route passes.
    pub is_accepted: bool,
    /// The route after it.
    pub route: TrialRoute,
    /// What changed.
    pub changes: Vec<TrialChange>,
    /// What it is in OSPF, where this is the policy of the redistribution.
    pub redistribution: Option<TrialRedistribution>,
}

/// A route of BGP in OSPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TrialRedistribution {
    /// Whether it goes there: `::/0` only where the clause that accepts it names it.
    pub is_taken: bool,
    /// Its metric.
    pub metric: u32,
    /// 1 or 2.
    pub metric_type: u8,
    /// Its tag.
    pub tag: Option<u32>,
}

/// Runs a policy of a configuration on a route.
pub fn try_policy(config: &Config, name: &str, trial: &Trial) -> Result<TrialReport, TrialError> {
    let mut table = PolicyTable::default();
    table.apply(config);
    let policy = config.policies.iter().find(|policy| policy.name == name);
    let route = route(trial);
    let rpki = trial.rpki.map(rpki);
    let explain = |id| table.engine().explain(id, (trial.prefix, &route), rpki);
    match (policy, table.number(name).and_then(explain)) {
        (Some(policy), Some(explanation)) => {
            Ok(report(config, (policy, trial.prefix), &route, &explanation))
        }
        _ => Err(TrialError::NoPolicy { name: name.to_owned(), hint: hint(config, name) }),
    }
}

fn hint(config: &Config, name: &str) -> String {
    let names: Vec<&str> = config.policies.iter().map(|policy| policy.name.as_str()).collect();
    match did_you_mean(name, &names) {
        hint if !hint.is_empty() => hint,
        _ if names.is_empty() => "; the configuration has none".to_owned(),
        _ => format!("; there are {}", names.join(", ")),
    }
}

fn route(trial: &Trial) -> Route {
    let mut attributes = PathAttributes {
        as_path: AsPath::sequence(&trial.as_path),
        local_pref: trial.local_pref,
        med: trial.med,
        origin: origin(trial.origin),
        ..PathAttributes::default()
    };
    for community in &trial.communities {
        match community {
            AnyCommunity::Standard(one) => attributes.communities.push(*one),
            AnyCommunity::Large(one) => attributes.large_communities.push(*one),
        }
    }
    attributes.communities.sort();
    attributes.communities.dedup();
    attributes.large_communities.sort();
    attributes.large_communities.dedup();
    let next_hop = trial.next_hop.map(|address| match address.is_unicast_link_local() {
        true => NextHop { global: None, link_local: Some(address) },
        false => NextHop { global: Some(address), link_local: None },
    });
    Route { next_hop, attributes }
}

fn report(
    config: &Config,
    (policy, prefix): (&Policy, Ipv6Prefix),
    before: &Route,
    explanation: &Explanation,
) -> TrialReport {
    let clauses = explanation.steps.iter().filter_map(|step| {
        let clause = policy.clauses.get(step.clause)?;
        let keys = conditions(config, &clause.when);
        let action = PolicyAction::WORDS.iter().find(|(_, action)| *action == clause.action);
        Some(TrialClause {
            number: step.clause + 1,
            name: clause.name.clone(),
            is_match: step.mismatch.is_none(),
            mismatch: step.mismatch.and_then(|place| keys.get(place)).map(|(key, _)| *key),
            action: action.map_or("", |(word, _)| *word),
        })
    });
    let (before, after) = (in_words(before), in_words(&explanation.route));
    TrialReport {
        policy: policy.name.clone(),
        prefix,
        clauses: clauses.collect(),
        decided_by: explanation.decided_by.map(|number| number + 1),
        is_accepted: explanation.fate == Fate::Accepted,
        changes: changes(&before, &after),
        route: after,
        redistribution: redistribution(config, &policy.name, explanation),
    }
}

fn redistribution(
    config: &Config,
    policy: &str,
    explanation: &Explanation,
) -> Option<TrialRedistribution> {
    let settings = config.redistribute.as_ref().filter(|settings| settings.policy == policy)?;
    let redistributed = explanation.redistributed;
    Some(TrialRedistribution {
        is_taken: redistributed.is_some(),
        metric: redistributed.and_then(|it| it.metric).unwrap_or(settings.metric),
        metric_type: match settings.metric_type {
            MetricType::Type1 => 1,
            MetricType::Type2 => 2,
        },
        tag: redistributed.and_then(|it| it.tag).or(settings.tag),
    })
}

/// What a route carries, in words.
pub(in crate::control) fn in_words(route: &Route) -> TrialRoute {
    let attributes = &route.attributes;
    let address = route.next_hop.and_then(|next_hop| next_hop.global.or(next_hop.link_local));
    let standard = attributes.communities.iter().map(ToString::to_string);
    let large = attributes.large_communities.iter().map(ToString::to_string);
    TrialRoute {
        as_path: attributes.as_path.to_string(),
        origin: attributes.origin.to_string(),
        next_hop: address.map_or_else(|| "self".to_owned(), |address| address.to_string()),
        local_pref: attributes.local_pref,
        med: attributes.med,
        communities: standard.chain(large).collect(),
    }
}

/// Where the words differ.
pub(in crate::control) fn changes(before: &TrialRoute, after: &TrialRoute) -> Vec<TrialChange> {
    let number = |number: Option<u32>| number.map_or_else(|| "none".to_owned(), |n| n.to_string());
    let list = |items: &[String]| match items.is_empty() {
        true => "none".to_owned(),
        false => items.join(" "),
    };
    let pairs = [
        ("as_path", before.as_path.clone(), after.as_path.clone()),
        ("origin", before.origin.clone(), after.origin.clone()),
        ("next_hop", before.next_hop.clone(), after.next_hop.clone()),
        ("local_pref", number(before.local_pref), number(after.local_pref)),
        ("med", number(before.med), number(after.med)),
        ("communities", list(&before.communities), list(&after.communities)),
    ];
    let differs = |(_, before, after): &(&str, String, String)| before != after;
    pairs
        .into_iter()
        .filter(differs)
        .map(|(attribute, before, after)| TrialChange { attribute, before, after })
        .collect()
}
