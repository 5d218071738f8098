//! Records of taps as rows for clients.
//!
//! Owns [`Scribe`]: names for numbers, the time of day, the words for what a node did.

use crate::api::reply::ReplyBody;
use crate::api::watch::{Direction, LookupRow, Octets, Outcome, PacketRow, PathRow, StepRow};
use crate::base::ids::PortId;
use crate::dataplane::trace::{Detail, Lookup, Target, Verdict};
use crate::dataplane::{NodeId, Record, Sight, Step};
use std::collections::BTreeMap;

/// Writes rows; one per watch.
#[derive(Debug)]
pub struct Scribe {
    /// The time of day at the origin of the router's clock.
    origin_ns: u64,
}

type Names = BTreeMap<PortId, String>;

fn name(port: PortId, names: &Names) -> String {
    // A port that was closed since has its number only.
    names.get(&port).cloned().unwrap_or_else(|| format!("port {port}"))
}

impl Scribe {
    /// For a router whose clock began at this time of day, in nanoseconds since 1970.
    pub const fn new(origin_ns: u64) -> Self {
        Self { origin_ns }
    }

    /// The row of a record.
    pub fn row(&self, record: &Record, names: &Names) -> ReplyBody {
        let time_ns = self.origin_ns.saturating_add(record.at.as_nanos());
        let port = record.port.map(|port| name(port, names));
        let octets = Octets(record.octets.clone());
        let (direction, drop_reason) = match record.sight {
            Sight::Received => (Direction::In, None),
            Sight::Sent => (Direction::Out, None),
            Sight::Dropped(reason) => (Direction::Drop, Some(reason.name().to_owned())),
            Sight::Followed => {
                let steps = record.path.iter().map(|step| step_row(step, names)).collect();
                let length = record.length;
                return ReplyBody::Path(Box::new(PathRow { time_ns, port, length, octets, steps }));
            }
        };
        ReplyBody::Packet(Box::new(PacketRow {
            time_ns,
            port,
            direction,
            drop_reason,
            vlan: record.vlan,
            length: record.length,
            octets,
        }))
    }
}

fn step_row(step: &Step, names: &Names) -> StepRow {
    let mut row = StepRow { node: step.node.name().to_owned(), ..StepRow::default() };
    match step.detail {
        Detail::Nothing => {}
        Detail::Lookup(lookup) => {
            row.detail = lookup_text(&lookup, names);
            row.lookup = Some(lookup_row(&lookup, names));
        }
        // What was refused, or waits for a MAC address, was not rewritten.
        Detail::Rewrite { port, hop_limit, destination }
            if step.verdict == Verdict::Passed(NodeId::PortOutput) =>
        {
            row.detail =
                format!("hop limit {hop_limit}, to {destination} on {}", name(port, names));
        }
        Detail::Rewrite { port, .. } => row.detail = format!("for {}", name(port, names)),
        // What was refused has no headers.
        Detail::Encapsulated { header_count, segment, port, hop_limit }
            if matches!(step.verdict, Verdict::Passed(NodeId::PortOutput | NodeId::NdResolve)) =>
        {
            let (port, to) = (name(port, names), format!("{header_count} headers, to {segment}"));
            row.detail = format!("{to}, hop limit {hop_limit}, on {port}");
        }
        Detail::Encapsulated { port, .. } => row.detail = format!("for {}", name(port, names)),
        Detail::Decapsulated { source, destination, hop_limit }
            if matches!(step.verdict, Verdict::Passed(_)) =>
        {
            row.detail = format!("{source} to {destination} inside, hop limit {hop_limit}");
        }
        Detail::Decapsulated { .. } => {}
        Detail::Answer { kind, code, destination }
            if matches!(step.verdict, Verdict::Passed(_)) =>
        {
            row.detail = format!("answers with type {kind} code {code} to {destination}");
        }
        Detail::Answer { .. } => {}
    }
    (row.outcome, row.to) = match step.verdict {
        Verdict::Passed(node) => (Outcome::Passed, Some(node.name().to_owned())),
        Verdict::Refused(_) => (Outcome::Refused, None),
        Verdict::Dropped(_) => (Outcome::Dropped, None),
        Verdict::Silent(_) => (Outcome::Silent, None),
        Verdict::Punted(class) => (Outcome::Punted, Some(class.name().to_owned())),
        Verdict::Sent(port) => (Outcome::Sent, Some(name(port, names))),
    };
    let reason = match step.verdict {
        Verdict::Refused(reason) | Verdict::Dropped(reason) => Some((reason.name(), reason.help())),
        Verdict::Silent(reason) => Some((reason.name(), reason.help())),
        Verdict::Passed(_) | Verdict::Punted(_) | Verdict::Sent(_) => None,
    };
    row.reason = reason.map(|(name, _)| name.to_owned());
    row.help = reason.map(|(_, help)| help.to_owned());
    row
}

fn lookup_row(lookup: &Lookup, names: &Names) -> LookupRow {
    let mut row = LookupRow {
        prefix: lookup.prefix.map(|prefix| prefix.to_string()),
        group: lookup.group.0,
        ..LookupRow::default()
    };
    let target = match lookup.target {
        Target::NextHop { next_hop, port, gateway, member_count, is_backup } => {
            row.is_backup = is_backup;
            row.next_hop = Some(next_hop.0);
            row.member_count = Some(member_count);
            row.port = Some(name(port, names));
            row.gateway = Some(gateway);
            "next_hop"
        }
        Target::Dead { member_count } => {
            row.member_count = Some(member_count);
            "dead"
        }
        Target::OnLink(port) => {
            row.port = Some(name(port, names));
            "on_link"
        }
        Target::Adjacency => "adjacency",
        Target::Local => "local",
        Target::Unreachable => "unreachable",
        Target::Blackhole => "blackhole",
    };
    target.clone_into(&mut row.target);
    row
}

fn lookup_text(lookup: &Lookup, names: &Names) -> String {
    let prefix = lookup.prefix.map_or_else(|| "no prefix".to_owned(), |prefix| prefix.to_string());
    let target = match lookup.target {
        Target::NextHop { next_hop, port, gateway, member_count, is_backup } => {
            let choice = match member_count {
                _ if is_backup => " (the backup)".to_owned(),
                0 | 1 => String::new(),
                count => format!(" (1 of {count})"),
            };
            format!("next hop {next_hop}{choice}: via {gateway} on {}", name(port, names))
        }
        Target::Dead { member_count } => format!("{member_count} next hops, all down"),
        Target::OnLink(port) => format!("on the link of {}", name(port, names)),
        Target::Adjacency => "an adjacency, for tunnels only".to_owned(),
        Target::Local => "this router".to_owned(),
        Target::Unreachable => "unreachable".to_owned(),
        Target::Blackhole => "blackhole".to_owned(),
    };
    format!("{prefix}, group {}: {target}", lookup.group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::MacAddress;
    use crate::base::ids::{GroupId, NextHopId};
    use crate::dataplane::DropReason;

    fn names() -> Names {
        BTreeMap::from([(PortId(1), "p1".to_owned())])
    }

    #[test]
    fn a_packet_that_waits_for_a_mac_address_is_not_said_to_have_one() {
        let destination = MacAddress([2, 0, 0, 0, 0, 1]);
        let detail = Detail::Rewrite { port: PortId(1), hop_limit: 63, destination };
        let step = |to| Step { node: NodeId::Ipv6Rewrite, detail, verdict: Verdict::Passed(to) };
        assert_eq!(step_row(&step(NodeId::NdResolve), &names()).detail, "for p1");
        let sent = step_row(&step(NodeId::PortOutput), &names());
        assert_eq!(sent.detail, "hop limit 63, to 02:00:00:00:00:01 on p1");
    }

    #[test]
    fn a_lookup_is_said_in_words_and_in_fields() {
        let target = Target::NextHop {
            next_hop: NextHopId(7),
            port: PortId(1),
            gateway: "fe80::2".parse().unwrap(),
            member_count: 2,
            is_backup: false,
        };
        let prefix = Some("2001:db8::/32".parse().unwrap());
        let detail = Detail::Lookup(Lookup { prefix, group: GroupId(3), target });
        let verdict = Verdict::Passed(NodeId::Ipv6Rewrite);
        let row = step_row(&Step { node: NodeId::Ipv6Lookup, detail, verdict }, &names());
        assert_eq!(row.detail, "2001:db8::/32, group 3: next hop 7 (1 of 2): via fe80::2 on p1");
        assert_eq!(row.lookup.unwrap().port.as_deref(), Some("p1"));
        assert_eq!((row.outcome, row.to.as_deref()), (Outcome::Passed, Some("ipv6-rewrite")));
    }

    #[test]
    fn a_drop_comes_with_its_sentence() {
        let verdict = Verdict::Dropped(DropReason::TxFull);
        let step = Step { node: NodeId::PortOutput, detail: Detail::Nothing, verdict };
        let row = step_row(&step, &names());
        assert_eq!(row.reason.as_deref(), Some("tx_full"));
        assert_eq!(row.help.as_deref(), Some(DropReason::TxFull.help()));
        assert_eq!(name(PortId(9), &names()), "port 9");
    }
}
