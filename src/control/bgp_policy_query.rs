//! Answers to `show bgp policy`: what each policy asks, who asks it, and how often it held.
//!
//! Owns the rows. Clauses are shown as the configuration has them; what they count is the engine's.

use super::bgp_settings::Neighbor;
use super::plane::ControlPlane;
use crate::api::show_bgp::{BgpClauseRow, BgpPolicyRow, BgpPrefixListRow};
use crate::config::clause_block;
use crate::config::schema::{Policy, PolicyAction, PolicyClause, PolicyDefault, PrefixList};
use crate::proto::bgp::policy::PolicyView;

/// Clauses of one answer, so that it is made within a slice of work; who wants more names a policy.
const CLAUSES_SHOWN_MAX: usize = 2048;
/// Entries of a prefix list that are shown: enough to know the list again. `show config` and its
/// file have them all.
const ENTRIES_SHOWN_MAX: usize = 32;

const _: () = assert!(CLAUSES_SHOWN_MAX >= crate::config::schema::policy::CLAUSES_MAX);

impl ControlPlane {
    /// All policies, or the one of this name.
    pub(super) fn bgp_policy_rows(&self, name: Option<&str>) -> Vec<BgpPolicyRow> {
        let is_meant = |policy: &&Policy| name.is_none_or(|name| name == policy.name);
        let mut room = CLAUSES_SHOWN_MAX;
        let row = |policy: &Policy| {
            let is_whole = policy.clauses.len() <= room;
            room -= if is_whole { policy.clauses.len() } else { 0 };
            self.bgp_policy_row(policy, is_whole)
        };
        self.config.policies.iter().filter(is_meant).map(row).collect()
    }

    fn bgp_policy_row(&self, policy: &Policy, is_whole: bool) -> BgpPolicyRow {
        let table = self.bgp.policies();
        let number = table.number(&policy.name);
        let view = number.and_then(|number| table.engine().view(number)).unwrap_or_default();
        let clauses = policy.clauses.iter().enumerate().take_while(|_| is_whole);
        let default = PolicyDefault::WORDS.iter().find(|(_, it)| *it == policy.default);
        BgpPolicyRow {
            name: policy.name.clone(),
            default: default.map_or("", |(word, _)| *word).to_owned(),
            looks_at_prefix: view.looks_at_prefix,
            used_by: self.users_of(&policy.name),
            default_count: view.default_count,
            clause_count: policy.clauses.len() as u64,
            clauses: clauses.map(|(place, clause)| clause_row(place, clause, &view)).collect(),
            prefix_lists: self.prefix_list_rows(policy),
        }
    }

    /// Who asks a policy.
    fn users_of(&self, name: &str) -> Vec<String> {
        let named = |word: &str, of: fn(&Neighbor) -> Option<crate::proto::bgp::ribs::PolicyId>| {
            let number = self.bgp.policies().number(name);
            let uses = |neighbor: &&Neighbor| number.is_some() && of(neighbor) == number;
            let names = self.bgp.neighbors().iter().filter(uses);
            names.map(|neighbor| format!("{word} {}", neighbor.name)).collect::<Vec<_>>()
        };
        let mut users =
            named("import of", |neighbor| neighbor.state.as_ref().ok()?.settings.import);
        users.extend(named("export to", |neighbor| neighbor.state.as_ref().ok()?.settings.export));
        let redistribute = self.config.redistribute.as_ref();
        if redistribute.is_some_and(|settings| settings.policy == name) {
            users.push("redistribution into OSPF".to_owned());
        }
        users
    }

    fn prefix_list_rows(&self, policy: &Policy) -> Vec<BgpPrefixListRow> {
        let named = policy.clauses.iter().filter_map(|clause| clause.when.prefix_list.as_deref());
        let mut names: Vec<&str> = named.collect();
        names.sort_unstable();
        names.dedup();
        let list = |name: &str| self.config.prefix_lists.iter().find(|list| list.name == name);
        names.into_iter().filter_map(list).map(prefix_list_row).collect()
    }
}

fn clause_row(place: usize, clause: &PolicyClause, view: &PolicyView) -> BgpClauseRow {
    let block = clause_block(clause);
    let words = |beginning: &str| {
        let entries = block.entries.iter();
        let said = entries.filter_map(|(key, value)| {
            Some(format!("{} = {}", key.strip_prefix(beginning)?, value.as_ref()?))
        });
        said.collect::<Vec<String>>()
    };
    let action = PolicyAction::WORDS.iter().find(|(_, action)| *action == clause.action);
    BgpClauseRow {
        number: place as u64 + 1,
        name: clause.name.clone(),
        conditions: words("match."),
        changes: words("set."),
        action: action.map_or("", |(word, _)| *word).to_owned(),
        match_count: view.match_counts.get(place).copied().unwrap_or(0),
    }
}

fn prefix_list_row(list: &PrefixList) -> BgpPrefixListRow {
    BgpPrefixListRow {
        name: list.name.clone(),
        file: list.file.clone(),
        entry_count: list.entries.len() as u64,
        entries: list.entries.iter().take(ENTRIES_SHOWN_MAX).map(ToString::to_string).collect(),
    }
}
