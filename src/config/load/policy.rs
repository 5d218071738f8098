//! Prefix lists, policies and redistribution, from text to values.
//!
//! Owns the reading of `[[prefix_list]]`, `[[policy]]` with its clauses, and `[ospf.redistribute]`;
//! whether names lead anywhere is `validate`'s business.

use super::{Block, Source, read_ipv6, read_lines};
use crate::config::problem::{Problem, ProblemKind};
use crate::config::read::{BlockReader, Findings};
use crate::config::schema::policy::{POLICY, POLICY_CLAUSE, PREFIX_LIST};
use crate::config::schema::redistribute::REDISTRIBUTE;
use crate::config::schema::{
    BgpOrigin, MetricType, Policy, PolicyAction, PolicyClause, PolicyDefault, PolicyMatch,
    PolicyNextHop, PolicySet, PrefixList, RedistributeSettings, RpkiWord,
};

/// Reads `[[prefix_list]]`.
pub(super) fn read_prefix_list(
    index: usize,
    block: Block<'_>,
    source: &Source<'_>,
    findings: &mut Findings,
) -> PrefixList {
    let mut reader = BlockReader::new(&PREFIX_LIST, Some(index), block, findings);
    reader.missing("name");
    let name = reader.text("name").unwrap_or_default();
    let entries = reader.parsed_list("entries");
    let file = reader.text("file");
    match (reader.has("entries"), reader.has("file")) {
        (true, true) => {
            let (path, message) = (reader.path("file"), "`entries` and `file` exclude each other");
            reader.add(Problem::new(ProblemKind::Conflict, path, message, "remove one of the two"));
        }
        (false, false) => {
            let expected = "add `entries = [\"2001:db8::/32 le 48\"]` or `file = \"FILE\"`";
            let (path, message) = (reader.path(""), "neither `entries` nor `file` is given");
            reader.add(Problem::new(ProblemKind::Missing, path, message, expected));
        }
        _ => {}
    }
    let entries = match &file {
        Some(file) => read_lines("file", file, source, &mut reader),
        None => entries.unwrap_or_default(),
    };
    reader.finish();
    PrefixList { name, entries, file }
}

/// Reads `[[policy]]` and the clauses within it.
pub(super) fn read_policy(index: usize, block: Block<'_>, findings: &mut Findings) -> Policy {
    let table = block.0;
    let mut reader = BlockReader::new(&POLICY, Some(index), block, findings);
    reader.missing("name");
    let mut policy = Policy {
        name: reader.text("name").unwrap_or_default(),
        default: reader.choice("default", PolicyDefault::WORDS).unwrap_or_default(),
        clauses: Vec::new(),
    };
    reader.finish();
    let clauses = table.get("clause").and_then(|value| value.get_ref().as_array());
    for (number, item) in clauses.into_iter().flat_map(|list| list.iter()).enumerate() {
        let Some(table) = item.get_ref().as_table() else { continue };
        let block = (table, item.span());
        let mut reader = BlockReader::nested(&POLICY_CLAUSE, (index, number), block, findings);
        policy.clauses.push(read_clause(&mut reader));
        reader.finish();
    }
    policy
}

fn read_clause(reader: &mut BlockReader<'_>) -> PolicyClause {
    reader.missing("action");
    PolicyClause {
        name: reader.text("name"),
        when: PolicyMatch {
            prefix_list: reader.text("match.prefix_list"),
            prefixes: reader.parsed_list("match.prefixes"),
            as_path: reader.parsed_list("match.as_path"),
            as_path_length_ge: reader.integer("match.as_path_length_ge"),
            as_path_length_le: reader.integer("match.as_path_length_le"),
            communities: reader.parsed_list("match.communities"),
            communities_any: reader.parsed_list("match.communities_any"),
            local_pref: reader.integer("match.local_pref"),
            med: reader.integer("match.med"),
            origin: reader.choice("match.origin", BgpOrigin::WORDS),
            next_hop: read_ipv6(reader, "match.next_hop"),
            rpki: reader.choice("match.rpki", RpkiWord::WORDS),
        },
        set: PolicySet {
            local_pref: reader.integer("set.local_pref"),
            med: reader.integer("set.med"),
            origin: reader.choice("set.origin", BgpOrigin::WORDS),
            prepend: reader.integer("set.prepend"),
            communities: reader.parsed_list("set.communities"),
            remove_communities: reader.parsed_list("set.remove_communities"),
            add_communities: reader.parsed_list("set.add_communities"),
            next_hop: read_next_hop(reader),
            tag: reader.integer("set.tag"),
        },
        action: reader.choice("action", PolicyAction::WORDS).unwrap_or(PolicyAction::Reject),
    }
}

fn read_next_hop(reader: &mut BlockReader<'_>) -> Option<PolicyNextHop> {
    let text = reader.text("set.next_hop")?;
    if text == "self" {
        return Some(PolicyNextHop::Own);
    }
    let address = text.parse().ok();
    if address.is_none() {
        reader.wrong("set.next_hop", format!("`{text}` is not an address"));
    }
    address.map(PolicyNextHop::Address)
}

/// Reads `[ospf.redistribute]`.
pub(super) fn read_redistribute(block: Block<'_>, findings: &mut Findings) -> RedistributeSettings {
    let mut reader = BlockReader::new(&REDISTRIBUTE, None, block, findings);
    reader.missing("policy");
    let default = RedistributeSettings::default();
    let settings = RedistributeSettings {
        policy: reader.text("policy").unwrap_or_default(),
        metric: reader.integer("metric").unwrap_or(default.metric),
        metric_type: match reader.integer("metric_type") {
            Some(1_u8) => MetricType::Type1,
            _ => MetricType::Type2,
        },
        tag: reader.integer("tag"),
        max_prefix: reader.integer("max_prefix").unwrap_or(default.max_prefix),
        damping_max: reader.integer("damping_max").unwrap_or(default.damping_max),
    };
    reader.finish();
    settings
}
