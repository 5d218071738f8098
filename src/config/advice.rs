//! What can run and is probably not meant.
//!
//! Owns [`advice`]: sentences about a configuration without errors, for `kumiki config check`. What
//! cannot run is refused by `validate`.
//!
//! *Standards*: RFC 8212 (no policy, no routes).

use crate::config::problem::KeyPath;
use crate::config::schema::{Config, PolicyAction, PolicyClause, PolicyMatch, PolicySet};
use core::fmt;

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
    about_policies(config, &mut sentences);
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
        if !is_used(config, &policy.name) {
            let path = KeyPath::listed("policy", index, "");
            let message = format!("nobody uses `{}`", policy.name);
            sentences.push(say(path, message, "name it in `import`, `export` or `policy`"));
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

    const BGP: &str = "[bgp]\nasn = 1\n[[bgp.neighbor]]\naddress = \"2001:db8::1\"\nasn = 2\n";
    const POLICY: &str = "[[policy]]\nname = \"p\"\n[[policy.clause]]\naction = \"accept\"\n\
                          [ospf.redistribute]\npolicy = \"p\"\n";

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
        let internal = said(&format!("{}{POLICY}", BGP.replace("asn = 2", "asn = 1")));
        assert!(internal.is_empty(), "{internal:?}");
    }

    #[test]
    fn clauses_that_are_never_asked_are_named() {
        let more = "[[policy.clause]]\nmatch.rpki = \"valid\"\naction = \"next\"\n";
        let said = said(
            &POLICY
                .replace("[ospf", &format!("{more}[[policy]]\nname = \"q\"\n[ospf"))
                .replace("[ospf", "[bgp]\nasn = 1\n[ospf"),
        );
        let place = "[[policy]] 1 [[policy.clause]] 2";
        assert!(said[0].starts_with(&format!("{place}: clause 1 decides about every")), "{said:?}");
        assert!(said[1].starts_with(&format!("{place} match.rpki: no RPKI cache")), "{said:?}");
        assert!(said[2].starts_with(&format!("{place} action: it changes nothing")), "{said:?}");
        assert!(said[3].starts_with("[[policy]] 2: nobody uses `q`"), "{said:?}");
        assert_eq!(said.len(), 4, "{said:?}");
    }
}
