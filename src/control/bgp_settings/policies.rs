//! Policies of a configuration, with numbers, as the engine runs them.
//!
//! Owns [`PolicyTable`]: names to numbers, and the engine; it lives as long as the speaker and is
//! told of every configuration. Which paths are looked at again after a change is for whoever has
//! the tables: [`PolicyTable::apply`] says which policies are others now.
//!
//! *Invariants*: a name keeps its number as long as there is a policy of that name; a number is not
//! used for a second name.

use crate::base::prefix_range::PrefixRange;
use crate::base::time::Duration;
use crate::config::Config;
use crate::config::schema::{
    self, BgpOrigin, MetricType, PolicyAction, PolicyClause, PolicyDefault, PolicyMatch,
    PolicyNextHop, PolicySet, RpkiWord,
};
use crate::proto::bgp::policy::{
    Action, AsPathMatcher, Clause, Condition, Edit, Engine, Fate, NextHopEdit, Policy, PrefixSet,
    RpkiState,
};
use crate::proto::bgp::ribs::PolicyId;
use crate::wire::bgp::Origin;
use std::collections::BTreeMap;

/// All policies; one exists, beside the speaker.
#[derive(Clone, Debug, Default)]
pub struct PolicyTable {
    numbers: BTreeMap<String, PolicyId>,
    numbered_count: u32,
    engine: Engine,
    redistribution: Option<Redistribution>,
}

/// What goes from BGP into OSPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redistribution {
    /// Which routes.
    pub policy: PolicyId,
    /// Metric of those that get none from the policy.
    pub metric: u32,
    /// How it counts.
    pub metric_type: MetricType,
    /// Tag of those that get none from the policy.
    pub tag: Option<u32>,
    /// How many at most.
    pub prefixes_max: u32,
    /// The longest wait of a route that comes and goes.
    pub damping_max: Duration,
}

impl PolicyTable {
    /// Takes the policies of a configuration over; says which ones there are anew, or answer
    /// differently now.
    pub fn apply(&mut self, config: &Config) -> Vec<PolicyId> {
        let asn = config.bgp.as_ref().map_or(0, |bgp| bgp.asn);
        self.engine.set_local_asn(asn);
        let names: Vec<&str> = config.policies.iter().map(|policy| policy.name.as_str()).collect();
        let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) = core::mem::take(&mut self.numbers)
            .into_iter()
            .partition(|(name, _)| names.contains(&name.as_str()));
        self.numbers = kept;
        gone.into_values().for_each(|id| self.engine.remove(id));
        let mut changed = Vec::new();
        for policy in &config.policies {
            let id = self.number_of(&policy.name);
            if self.engine.insert(id, compiled(config, policy, asn)) {
                changed.push(id);
            }
        }
        self.redistribution = self.redistribution_of(config);
        changed
    }

    fn number_of(&mut self, name: &str) -> PolicyId {
        if let Some(id) = self.numbers.get(name) {
            return *id;
        }
        let id = PolicyId(self.numbered_count);
        self.numbered_count += 1;
        self.numbers.insert(name.to_owned(), id);
        id
    }

    fn redistribution_of(&self, config: &Config) -> Option<Redistribution> {
        let settings = config.redistribute.as_ref()?;
        Some(Redistribution {
            policy: self.number(&settings.policy)?,
            metric: settings.metric,
            metric_type: settings.metric_type,
            tag: settings.tag,
            prefixes_max: settings.max_prefix,
            damping_max: Duration::from_secs(settings.damping_max.into()),
        })
    }

    /// The number of a policy.
    pub fn number(&self, name: &str) -> Option<PolicyId> {
        self.numbers.get(name).copied()
    }

    /// The name of a policy.
    pub fn name(&self, id: PolicyId) -> Option<&str> {
        self.numbers.iter().find(|(_, number)| **number == id).map(|(name, _)| name.as_str())
    }

    /// What to lend to the speaker.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The same, to be told what the RPKI says.
    pub const fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// What goes into OSPF; `None`: nothing.
    pub const fn redistribution(&self) -> Option<&Redistribution> {
        self.redistribution.as_ref()
    }
}

fn compiled(config: &Config, policy: &schema::Policy, asn: u32) -> Policy {
    let clause = |clause: &PolicyClause| Clause {
        conditions: conditions(config, &clause.when).into_iter().map(|(_, one)| one).collect(),
        edits: edits(&clause.set, asn),
        action: match clause.action {
            PolicyAction::Accept => Action::Accept,
            PolicyAction::Reject => Action::Reject,
            PolicyAction::Next => Action::Next,
        },
    };
    let otherwise = match policy.default {
        PolicyDefault::Accept => Fate::Accepted,
        PolicyDefault::Reject => Fate::Rejected,
    };
    Policy::new(policy.clauses.iter().map(clause).collect(), otherwise)
}

/// The conditions of a clause, each with its key in the configuration; the cheap ones first.
pub(super) fn conditions(config: &Config, when: &PolicyMatch) -> Vec<(&'static str, Condition)> {
    let list = |name: &str| -> Vec<PrefixRange> {
        let lists = config.prefix_lists.iter().filter(|list| list.name == name);
        lists.flat_map(|list| list.entries.iter().copied()).collect()
    };
    let set = |ranges: Vec<PrefixRange>| Condition::Prefix(PrefixSet::new(ranges));
    let length = match (when.as_path_length_ge, when.as_path_length_le) {
        (None, None) => None,
        (least, most) => {
            let key = if least.is_some() { "as_path_length_ge" } else { "as_path_length_le" };
            let range = Condition::AsPathLength(least.unwrap_or(0), most.unwrap_or(u32::MAX));
            Some((key, range))
        }
    };
    let matchers = |patterns: &Vec<_>| patterns.iter().map(AsPathMatcher::new).collect();
    let all = [
        when.local_pref.map(|number| ("local_pref", Condition::LocalPref(number))),
        when.med.map(|number| ("med", Condition::Med(number))),
        when.origin.map(|it| ("origin", Condition::Origin(origin(it)))),
        when.next_hop.map(|address| ("next_hop", Condition::NextHop(address))),
        when.prefix_list.as_deref().map(|name| ("prefix_list", set(list(name)))),
        when.prefixes.clone().map(|ranges| ("prefixes", set(ranges))),
        length,
        when.as_path.as_ref().map(|paths| ("as_path", Condition::AsPath(matchers(paths)))),
        when.communities.clone().map(|all| ("communities", Condition::AllCommunities(all))),
        when.communities_any.clone().map(|any| ("communities_any", Condition::AnyCommunities(any))),
        when.rpki.map(|word| ("rpki", Condition::Rpki(rpki(word)))),
    ];
    all.into_iter().flatten().collect()
}

fn edits(set: &PolicySet, asn: u32) -> Vec<Edit> {
    let all = [
        set.local_pref.map(Edit::LocalPref),
        set.med.map(Edit::Med),
        set.origin.map(|it| Edit::Origin(origin(it))),
        set.prepend.map(|times| Edit::Prepend { asn, times }),
        set.communities.clone().map(Edit::Communities),
        set.remove_communities.clone().map(Edit::RemoveCommunities),
        set.add_communities.clone().map(Edit::AddCommunities),
        set.next_hop.map(|next_hop| {
            Edit::NextHop(match next_hop {
                PolicyNextHop::Own => NextHopEdit::Own,
                PolicyNextHop::Address(address) => NextHopEdit::Address(address),
            })
        }),
        set.tag.map(Edit::Tag),
    ];
    all.into_iter().flatten().collect()
}

/// ORIGIN on the wire.
pub(super) const fn origin(origin: BgpOrigin) -> Origin {
    match origin {
        BgpOrigin::Igp => Origin::Igp,
        BgpOrigin::Egp => Origin::Egp,
        BgpOrigin::Incomplete => Origin::Incomplete,
    }
}

/// A state of the RPKI as the engine knows it.
pub(super) const fn rpki(word: RpkiWord) -> RpkiState {
    match word {
        RpkiWord::Valid => RpkiState::Valid,
        RpkiWord::Invalid => RpkiState::Invalid,
        RpkiWord::NotFound => RpkiState::NotFound,
    }
}
