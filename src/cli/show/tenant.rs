//! `show tenant`, `show l2tpv3` and `show bridge-domain`: segments, tunnels, MACs.
//!
//! Owns the tables, and the names that MACs get: the router knows members by number.

use crate::api::ShowQuery;
use crate::api::show::ShowReply;
use crate::api::show_tenant::{
    MacPage, MacQuery, MacRow, PseudowireRow, TenantCleared, TenantMemberRow, TenantRow,
};
use crate::cli::client::ClientError;
use crate::cli::show::ask;
use crate::cli::show::look::{Look, Mood, Table, age, cell, optional, state};
use comfy_table::Cell;
use core::fmt::Write;
use std::collections::BTreeMap;
use std::path::Path;

fn mood(word: &str) -> Mood {
    match word {
        "forwarding" => Mood::Good,
        "degraded" => Mood::Changing,
        "inactive" => Mood::Quiet,
        _ => Mood::Bad,
    }
}

fn forwards(is_forwarding: bool) -> Cell {
    match is_forwarding {
        true => state("forwarding", Mood::Good),
        false => state("blocked", Mood::Bad),
    }
}

/// `show tenant`; with a name or `--detail` the members of each.
pub fn table(rows: &[TenantRow], look: Look) -> String {
    let headings = ["TENANT", "ID", "STATE", "MTU", "MEMBERS", "MACS", "WHY"];
    let mut table = Table::new(look, &headings).numbers_in(&[1, 3, 4, 5]).prose_in(6);
    for row in rows {
        table.row(vec![
            cell(&row.name),
            cell(row.id),
            state(&row.state, mood(&row.state)),
            optional(row.mtu),
            cell(row.members.len()),
            cell(row.mac_count),
            optional(row.reason.as_ref()),
        ]);
    }
    let mut text = table.finish("No tenants.");
    for row in rows.iter().filter(|row| look.has_detail && !row.members.is_empty()) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{}:\n{}", row.name, member_table(&row.members, look));
    }
    for row in rows {
        for sentence in &row.refused {
            let _ = writeln!(text, "{}: not heard: {sentence}", row.name);
        }
    }
    text
}

fn member_table(members: &[TenantMemberRow], look: Look) -> String {
    let headings = ["MEMBER", "KIND", "STATE", "SINCE", "MTU", "MACS", "RX", "TX", "WHY"];
    let mut table = Table::new(look, &headings).numbers_in(&[3, 4, 5, 6, 7]).prose_in(8);
    for member in members {
        let reason = match (&member.reason, member.blocked_for_ms) {
            (Some(reason), Some(rest)) => Some(format!("{reason}, for {} more", age(rest))),
            (reason, _) => reason.clone(),
        };
        table.row(vec![
            cell(&member.name),
            cell(&member.kind),
            forwards(member.is_forwarding),
            cell(age(member.state_age_ms)),
            cell(member.mtu),
            cell(member.mac_count),
            cell(member.rx_frames),
            cell(member.tx_frames),
            optional(reason),
        ]);
    }
    table.finish("No members.")
}

/// `show l2tpv3`; with a session or `--detail` everything that is known of each.
pub fn pseudowire_table(rows: &[PseudowireRow], look: Look) -> String {
    let headings = ["SESSION", "THERE", "TENANT", "NAME", "PEER", "STATE", "SINCE", "MTU", "WHY"];
    let mut table = Table::new(look, &headings).numbers_in(&[0, 1, 6, 7]).prose_in(8);
    for row in rows {
        table.row(vec![
            cell(row.session_id),
            cell(row.remote_session_id),
            cell(&row.tenant),
            cell(&row.name),
            cell(row.remote),
            forwards(row.is_forwarding),
            cell(age(row.state_age_ms)),
            cell(row.mtu),
            optional(row.reason.as_ref()),
        ]);
    }
    let mut text = table.finish("No pseudowires.");
    for row in rows.iter().filter(|_| look.has_detail) {
        text.push_str(&detail(row));
    }
    text
}

/// Everything about a pseudowire, in lines.
fn detail(row: &PseudowireRow) -> String {
    let carrier = match (row.remote_port, &row.udp_checksum) {
        (Some(port), Some(sum)) => format!("UDP to port {port}, checksum {sum}"),
        _ => "IPv6, protocol 115".to_owned(),
    };
    let octets = |count: u8| match count {
        0 => "no cookie".to_owned(),
        count => format!("cookie of {count} octets"),
    };
    let changing = if row.is_cookie_changing { ", two accepted" } else { "" };
    let numbered = if row.is_sequenced { ", numbered" } else { "" };
    let fits = row.underlay_mtu.saturating_sub(row.overhead_octets);
    let capped = match row.configured_mtu {
        Some(most) if most < fits => format!(", and `mtu` says {most}"),
        _ => String::new(),
    };
    format!(
        "\nsession {} ({}, {}):\n  from {} to {}\n  {carrier}\n  in: {}{changing}; out: {}\n  \
         sublayer {}{numbered}\n  MTU {}: the way carries {}, the encapsulation takes {}{capped}\n",
        row.session_id,
        row.tenant,
        row.origin,
        row.local,
        row.remote,
        octets(row.cookie_octets),
        octets(row.remote_cookie_octets),
        row.sublayer,
        row.mtu,
        row.underlay_mtu,
        row.overhead_octets,
    )
}

/// `show bridge-domain NAME mac`.
pub fn mac_table(page: &MacPage, look: Look) -> String {
    let headings = ["MAC", "TENANT", "BEHIND", "KIND"];
    let mut table = Table::new(look, &headings);
    for row in &page.macs {
        let domain = || format!("domain {}", row.domain);
        let member = || format!("member {}", row.member);
        table.row(vec![
            cell(row.mac),
            cell(row.tenant.clone().unwrap_or_else(domain)),
            cell(row.behind.clone().unwrap_or_else(member)),
            cell(if row.is_static { "static" } else { "learned" }),
        ]);
    }
    table.finish("No MACs.")
}

/// All MACs of a tenant, or of all, with their names; `None` where there is no such tenant.
pub fn macs(socket: &Path, name: Option<&str>) -> Result<Option<MacPage>, ClientError> {
    let ShowReply::Tenant(tenants) = ask(socket, ShowQuery::Tenant)? else {
        return Err(ClientError::Unexpected);
    };
    let wanted = name.map(|name| tenants.iter().find(|row| row.name == name));
    let domain = match wanted {
        None => None,
        Some(None) => return Ok(None),
        Some(Some(TenantRow { domain: None, .. })) => return Ok(Some(MacPage::default())),
        Some(Some(row)) => row.domain,
    };
    let mut all = MacPage::default();
    let mut from = Some(0);
    while let Some(start) = from {
        let query = ShowQuery::BridgeMac(MacQuery { domain, from: start });
        let ShowReply::BridgeMac(page) = ask(socket, query)? else {
            return Err(ClientError::Unexpected);
        };
        all.macs.extend(page.macs);
        // A table that never ends would be the router's mistake.
        from = page.next.filter(|next| *next > start);
    }
    give_names(&mut all.macs, &tenants);
    Ok(Some(all))
}

fn give_names(macs: &mut [MacRow], tenants: &[TenantRow]) {
    let members = tenants.iter().flat_map(|tenant| {
        tenant.members.iter().map(|member| (member.member, (&tenant.name, &member.name)))
    });
    let members: BTreeMap<_, _> = members.collect();
    for row in macs.iter_mut() {
        if let Some((tenant, member)) = members.get(&row.member) {
            row.tenant = Some((*tenant).clone());
            row.behind = Some((*member).clone());
        }
    }
    macs.sort_by_key(|row| (row.domain, row.mac));
}

/// What came of `clear tenant`.
pub fn cleared(cleared: TenantCleared) -> String {
    match cleared.count {
        0 => "no port was blocked\n".to_owned(),
        1 => "1 port forwards again\n".to_owned(),
        count => format!("{count} ports forward again\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{DomainId, MacAddress, MemberId};
    use crate::cli::show::json;

    fn member(name: &str, reason: Option<&str>) -> TenantMemberRow {
        TenantMemberRow {
            member: MemberId(3),
            kind: "port".to_owned(),
            name: name.to_owned(),
            is_forwarding: reason.is_none(),
            reason: reason.map(str::to_owned),
            blocked_for_ms: reason.map(|_| 12_000),
            mtu: 8930,
            mac_count: 2,
            ..TenantMemberRow::default()
        }
    }

    fn blue() -> TenantRow {
        TenantRow {
            name: "blue".to_owned(),
            id: 10,
            state: "degraded".to_owned(),
            reason: Some("1 of 2 forward".to_owned()),
            domain: Some(DomainId(1)),
            mtu: Some(8930),
            mac_count: 2,
            members: vec![member("lan.10", None), member("vm1", Some("blocked: a loop"))],
            refused: vec!["10.0.0.3: there is no room for more".to_owned()],
            ..TenantRow::default()
        }
    }

    #[test]
    fn a_tenant_shows_who_does_not_forward_and_who_is_not_heard() {
        let text = table(&[blue()], Look::PLAIN);
        assert!(text.contains("degraded") && text.contains("1 of 2 forward"), "{text}");
        assert!(text.ends_with("blue: not heard: 10.0.0.3: there is no room for more\n"), "{text}");
        assert!(!text.contains("lan.10"), "members are shown when they are asked for");
        let detail = table(&[blue()], Look { has_detail: true, ..Look::PLAIN });
        assert!(detail.contains("blocked: a loop, for 12.0s more"), "{detail}");
        assert_eq!(table(&[], Look::PLAIN), "No tenants.\n");
    }

    #[test]
    fn a_session_says_how_its_mtu_comes_about() {
        let row = PseudowireRow {
            member: MemberId(4),
            tenant: "blue".to_owned(),
            name: "office".to_owned(),
            origin: "static".to_owned(),
            local: "fd00::1".parse().unwrap(),
            remote: "2001:db8::2".parse().unwrap(),
            session_id: 7,
            remote_session_id: 8,
            encapsulation: "udp".to_owned(),
            remote_port: Some(1701),
            udp_checksum: Some("full".to_owned()),
            cookie_octets: 8,
            remote_cookie_octets: 0,
            is_cookie_changing: true,
            sublayer: "default".to_owned(),
            is_sequenced: false,
            is_forwarding: true,
            state_age_ms: 5,
            reason: None,
            mtu: 1400,
            underlay_mtu: 1500,
            overhead_octets: 74,
            configured_mtu: Some(1400),
        };
        let text = pseudowire_table(&[row], Look { has_detail: true, ..Look::PLAIN });
        let sum = "MTU 1400: the way carries 1500, the encapsulation takes 74, and `mtu` says 1400";
        assert!(text.contains(sum), "{text}");
        assert!(text.contains("in: cookie of 8 octets, two accepted; out: no cookie"), "{text}");
        assert!(text.contains("UDP to port 1701, checksum full"), "{text}");
    }

    #[test]
    fn macs_have_the_names_of_their_members_and_are_a_list_for_programs() {
        let row = |last: u8, member: u16| MacRow {
            mac: MacAddress([2, 0, 0, 0, 0, last]),
            domain: DomainId(1),
            member: MemberId(member),
            is_static: false,
            tenant: None,
            behind: None,
        };
        let mut page = MacPage { macs: vec![row(2, 9), row(1, 3)], next: None };
        give_names(&mut page.macs, &[blue()]);
        let text = mac_table(&page, Look::PLAIN);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert!(lines[0].starts_with("02:00:00:00:00:01  blue      vm1"), "{text}");
        assert!(lines[1].contains("domain 1") && lines[1].contains("member 9"), "{text}");
        let value = json::value(&ShowReply::BridgeMac(page));
        assert_eq!(value["rows"].as_array().map(Vec::len), Some(2), "{value}");
    }
}
