//! What can run and is probably not meant.
//!
//! Owns [`advice`]: sentences about a configuration without errors, for `kumiki config check`. What
//! cannot run is refused by `validate`. What crosses the border of the cluster stands in
//! `advice/edge.rs`, tenants in `advice/tenant.rs`.
//!
//! *Standards*: RFC 8212 (no policy, no routes).

use crate::config::problem::KeyPath;
use crate::config::schema::{
    Config, Policy, PolicyAction, PolicyClause, PolicyDefault, PolicyMatch, PolicySet,
};
use core::fmt;

mod edge;
mod tenant;

/// One sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What it is about.
    pub path: KeyPath,
    /// What happens.
    pub message: String,
    /// What would be right, if that is not meant.
    pub remedy: String,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path, self.message, self.remedy)
    }
}

fn say(path: KeyPath, message: impl Into<String>, remedy: impl Into<String>) -> Advice {
    Advice { path, message: message.into(), remedy: remedy.into() }
}

/// All that is to be said of a configuration without errors, in the order of its blocks.
pub fn advice(config: &Config) -> Vec<Advice> {
    let mut sentences = Vec::new();
    about_neighbors(config, &mut sentences);
    edge::about_the_edge(config, &mut sentences);
    about_policies(config, &mut sentences);
    tenant::about_tenants(config, &mut sentences);
    sentences
}

fn about_neighbors(config: &Config, sentences: &mut Vec<Advice>) {
    let Some(bgp) = &config.bgp else { return };
    for (index, neighbor) in bgp.neighbors.iter().enumerate() {
        let keys = bgp.keys_of(neighbor);
        if bgp.is_internal(&keys) != Some(false) {
            continue;
        }
        let path = KeyPath::listed("bgp.neighbor", index, "");
        let (message, remedy) = match (&keys.import, &keys.export) {
            (None, None) => (
                "without policies nothing is taken from it and nothing told to it (RFC 8212)",
                "add `import` and `export` with the name of a [[policy]]",
            ),
            (None, Some(_)) => (
                "without an import policy nothing is taken from it (RFC 8212)",
                "add `import` with the name of a [[policy]]",
            ),
            (Some(_), None) => (
                "without an export policy nothing is told to it (RFC 8212)",
                "add `export` with the name of a [[policy]]",
            ),
            (Some(_), Some(_)) => continue,
        };
        sentences.push(say(path, message, remedy));
    }
    if !bgp.neighbors.is_empty() && config.redistribute.is_none() && config.cluster.is_some() {
        let path = KeyPath::single("bgp", "");
        let message = "other servers hear nothing of its routes";
        sentences.push(say(path, message, "add [ospf.redistribute] with a `policy`"));
    }
}

fn about_policies(config: &Config, sentences: &mut Vec<Advice>) {
    for (index, policy) in config.policies.iter().enumerate() {
        let decides = |clause: &PolicyClause| {
            clause.when == PolicyMatch::default() && clause.action != PolicyAction::Next
        };
        let last = policy.clauses.iter().position(decides);
        if let Some(last) = last.filter(|last| last + 1 < policy.clauses.len()) {
            let path = KeyPath::nested("policy.clause", (index, last + 1), "");
            let message = format!("clause {} decides about every route before", last + 1);
            sentences.push(say(path, message, "move it up, or remove it"));
        }
        for (number, clause) in policy.clauses.iter().enumerate() {
            let path = |key| KeyPath::nested("policy.clause", (index, number), key);
            let has_caches = config.rpki.as_ref().is_some_and(|rpki| !rpki.caches.is_empty());
            if clause.when.rpki.is_some() && !has_caches {
                let message = "no RPKI cache is asked: every route is not_found";
                sentences.push(say(path("match.rpki"), message, "add a [[rpki.cache]]"));
            }
            let is_idle = clause.action == PolicyAction::Next && clause.set == PolicySet::default();
            if is_idle {
                let message = "it changes nothing and decides nothing";
                sentences.push(say(path("action"), message, "set something, accept or reject"));
            }
        }
        about_last_clause(index, policy, sentences);
        about_tags(config, (index, policy), sentences);
        if !is_used(config, &policy.name) {
            let path = KeyPath::listed("policy", index, "");
            let message = format!("nobody uses `{}`", policy.name);
            sentences.push(say(path, message, "name it in `import`, `export` or `policy`"));
        }
    }
}

/// TOML puts a clause into the policy above it: one at the end of a file is the last of the last
/// policy, and rejects nothing that the default would not.
fn about_last_clause(index: usize, policy: &Policy, sentences: &mut Vec<Advice>) {
    let Some((last, before)) = policy.clauses.split_last() else { return };
    let is_idle = last.action == PolicyAction::Reject
        && last.when != PolicyMatch::default()
        && policy.default == PolicyDefault::Reject;
    if is_idle && !before.is_empty() {
        let path = KeyPath::nested("policy.clause", (index, before.len()), "action");
        let message =
            format!("it is the last of `{}`, which rejects everything else as well", policy.name);
        sentences.push(say(path, message, "move it above the clauses that accept"));
    }
}

/// A tag is of OSPF.
fn about_tags(config: &Config, (index, policy): (usize, &Policy), sentences: &mut Vec<Advice>) {
    let redistributes = config.redistribute.iter().any(|it| it.policy == policy.name);
    for (number, clause) in policy.clauses.iter().enumerate() {
        if clause.set.tag.is_some() && !redistributes {
            let path = KeyPath::nested("policy.clause", (index, number), "set.tag");
            let message = "BGP has no tags: it says something in [ospf.redistribute] only";
            sentences.push(say(path, message, "remove it, or set a community"));
        }
    }
}

fn is_used(config: &Config, name: &str) -> bool {
    let redistributes = config.redistribute.iter().any(|settings| settings.policy == name);
    let bgp = config.bgp.iter();
    let keys = bgp.flat_map(|bgp| bgp.all_keys());
    let mut names = keys.flat_map(|keys| [&keys.import, &keys.export]).flatten();
    redistributes || names.any(|other| other == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NoFiles, Overrides, Source, load};

    fn said(text: &str) -> Vec<String> {
        let text =
            format!("[router]\nname = \"a\"\n[cluster]\nula = \"fd00::/48\"\nnumber = 1\n{text}");
        let overrides = Overrides::default();
        let source = Source { origin: "t", text: &text, overrides: &overrides, files: &NoFiles };
        let config = load(&source).unwrap_or_else(|errors| panic!("{errors}"));
        advice(&config).iter().map(ToString::to_string).collect()
    }

    const BGP: &str = "[bgp]\nasn = 1\n[[bgp.neighbor]]\naddress = \"2001:db8::1\"\nasn = 2\n\
                       multihop = 2\n";
    const POLICY: &str = "[[policy]]\nname = \"p\"\n[[policy.clause]]\n\
                          match.prefixes = \"::/0\"\naction = \"accept\"\n\
                          [ospf.redistribute]\npolicy = \"p\"\n";

    /// The same policy without a question.
    fn open_policy() -> String {
        POLICY.replace("match.prefixes = \"::/0\"\n", "")
    }

    #[test]
    fn a_neighbor_without_policies_is_said_to_hear_and_say_nothing() {
        let both = said(&format!("{BGP}{POLICY}"));
        assert_eq!(both.len(), 1, "{both:?}");
        assert!(both[0].starts_with("[[bgp.neighbor]] 1: without policies nothing is taken"));
        assert!(both[0].ends_with("add `import` and `export` with the name of a [[policy]]"));
        let half = said(&format!("{BGP}import = \"p\"\n{POLICY}"));
        assert!(half[0].contains("nothing is told to it (RFC 8212); add `export`"), "{half:?}");
        let whole = said(&format!("{BGP}import = \"p\"\nexport = \"p\"\n{POLICY}"));
        assert!(whole.is_empty(), "{whole:?}");
        let inside = BGP.replace("asn = 2\nmultihop = 2\n", "asn = 1\n");
        let internal = said(&format!("{inside}{POLICY}"));
        assert!(internal.is_empty(), "{internal:?}");
    }

    /// An edge with one neighbour, and more.
    fn edge(neighbor: &str, more: &str) -> Vec<String> {
        said(&format!(
            "[[port]]\nname = \"up\"\ndevice = \"af_packet:up\"\nrole = \"uplink\"\n\
             address = \"2001:db8:f::2/64\"\n\
             [[port]]\nname = \"lan\"\ndevice = \"af_packet:lan\"\nrole = \"lan\"\n\
             [bgp]\nasn = 1\naggregates = [\"fd00::/48\"]\n\
             [[bgp.neighbor]]\nasn = 2\nexport = \"ours\"\n{neighbor}\
             [[policy]]\nname = \"ours\"\n[[policy.clause]]\nmatch.as_path = \"\"\n\
             action = \"accept\"\n\
             [[policy]]\nname = \"some\"\n[[policy.clause]]\nmatch.prefixes = \"::/0\"\n\
             action = \"accept\"\n{more}\
             [ospf.redistribute]\npolicy = \"some\"\n"
        ))
    }

    #[test]
    fn a_neighbor_that_can_be_nowhere_is_said_to_be_so() {
        let right = edge("address = \"2001:db8:f::1\"\nimport = \"some\"\n", "");
        assert!(right.is_empty(), "{right:?}");
        let typo = edge("address = \"2001:db8:e::1\"\nimport = \"some\"\n", "");
        assert!(typo[0].contains("2001:db8:e::1 is on the link of no [[port]]"), "{typo:?}");
        let far = "address = \"2001:db8:e::1\"\nmultihop = 3\nimport = \"some\"\n";
        assert!(edge(far, "").is_empty());
        let wrong = "address = \"2001:db8:f::1\"\nport = \"lan\"\nimport = \"some\"\n";
        let wrong = edge(wrong, "");
        assert!(wrong[0].contains("is not on the link of `lan`"), "{wrong:?}");
        assert!(wrong[0].ends_with("on the link of `up`: name that, or no port"), "{wrong:?}");
    }

    #[test]
    fn what_lets_everything_in_is_named() {
        let open = "[[policy]]\nname = \"open\"\ndefault = \"accept\"\n";
        let said_of = edge("address = \"2001:db8:f::1\"\nimport = \"open\"\n", open);
        assert_eq!(said_of.len(), 1, "{said_of:?}");
        assert!(said_of[0].contains("`open` takes everything that another AS says"));
        let all = said(&format!("{BGP}import = \"p\"\nexport = \"p\"\n{}", open_policy()));
        let is_said = |text: &str| all.iter().any(|one| one.contains(text));
        assert!(is_said("`p` accepts without asking for prefixes or communities"), "{all:?}");
    }

    #[test]
    fn a_rejecting_clause_at_the_end_and_a_tag_in_bgp_are_idle() {
        let clause = "[[policy.clause]]\nmatch.as_path = \"7\"\naction = \"reject\"\n";
        let idle = edge("address = \"2001:db8:f::1\"\nimport = \"some\"\n", clause);
        assert!(idle[0].contains("it is the last of `some`, which rejects everything"), "{idle:?}");
        let policy = "[[policy]]\nname = \"tags\"\n[[policy.clause]]\nset.tag = 7\n\
                      match.prefixes = \"::/0\"\naction = \"accept\"\n";
        let tag = edge("address = \"2001:db8:f::1\"\nimport = \"tags\"\n", policy);
        assert!(tag[0].contains("set.tag: BGP has no tags"), "{tag:?}");
    }

    #[test]
    fn aggregates_that_are_not_the_clusters_are_named() {
        let with = |list: &str| {
            let text = format!("[bgp]\nasn = 1\naggregates = [{list}]\n{POLICY}");
            said(&text).into_iter().filter(|one| one.contains("aggregates")).collect::<Vec<_>>()
        };
        assert!(with("\"fd00::/48\"").is_empty());
        assert!(with("\"fd00::/32\"")[0].contains("is more than the cluster has (fd00::/48)"));
        assert!(with("\"2001:db8::/32\"")[0].contains("is no part of this cluster"));
        let part = with("\"fd00::/48\", \"fd00:0:0:8000::/49\"");
        assert!(part[0].contains("fd00:0:0:8000::/49 is a part of fd00::/48"), "{part:?}");
    }

    #[test]
    fn clauses_that_are_never_asked_are_named() {
        let more = "[[policy.clause]]\nmatch.rpki = \"valid\"\naction = \"next\"\n";
        let mut said = said(
            &open_policy()
                .replace("[ospf", &format!("{more}[[policy]]\nname = \"q\"\n[ospf"))
                .replace("[ospf", "[bgp]\nasn = 1\n[ospf"),
        );
        said.retain(|sentence| !sentence.contains("accepts without asking"));
        let place = "[[policy]] 1 [[policy.clause]] 2";
        assert!(said[0].starts_with(&format!("{place}: clause 1 decides about every")), "{said:?}");
        assert!(said[1].starts_with(&format!("{place} match.rpki: no RPKI cache")), "{said:?}");
        assert!(said[2].starts_with(&format!("{place} action: it changes nothing")), "{said:?}");
        assert!(said[3].starts_with("[[policy]] 2: nobody uses `q`"), "{said:?}");
        assert_eq!(said.len(), 4, "{said:?}");
    }
}
