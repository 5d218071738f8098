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
    let headings = ["MEMBER", "KIND", "STATE", "SINCE", "MTU", "MACS", "WHY"];
    let mut table = Table::new(look, &headings).numbers_in(&[3, 4, 5]).prose_in(6);
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
