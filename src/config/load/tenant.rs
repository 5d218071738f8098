//! The blocks of tenants, from text to values.
//!
//! Owns the reading of `[[tenant]]` with its pseudowires; rules between keys are `validate`'s.

use super::{Block, Source, read_ipv6, read_key};
use crate::config::read::{BlockReader, Findings};
use crate::config::schema::tenant::{TENANT, TENANT_PSEUDOWIRE};
use crate::config::schema::{
    Tenant, TenantCookie, TenantEncapsulation, TenantPseudowire, TenantSublayer, TenantUdpSum,
};
use core::net::Ipv6Addr;

/// UDP port of L2TP (RFC 3931 §4.1.2).
const L2TP_PORT: u16 = 1701;

/// Reads `[[tenant]]` and the pseudowires within it.
pub(super) fn read_tenant(
    index: usize,
    block: Block<'_>,
    source: &Source<'_>,
    findings: &mut Findings,
) -> Tenant {
    let table = block.0;
    let mut reader = BlockReader::new(&TENANT, Some(index), block, findings);
    reader.missing("name");
    reader.missing("id");
    let default = Tenant::default();
    let mut tenant = Tenant {
        name: reader.text("name").unwrap_or_default(),
        id: reader.integer("id").unwrap_or_default(),
        ports: reader.parsed_list("ports").unwrap_or_default(),
        encapsulation: reader
            .choice("encapsulation", TenantEncapsulation::WORDS)
            .unwrap_or_default(),
        udp_checksum: reader.choice("udp_checksum", TenantUdpSum::WORDS).unwrap_or_default(),
        sequencing: reader.boolean("sequencing").unwrap_or(default.sequencing),
        clamp_mss: reader.boolean("clamp_mss").unwrap_or(default.clamp_mss),
        mac_limit: reader.integer("mac_limit").unwrap_or(default.mac_limit),
        flood_limit: reader.integer("flood_limit").unwrap_or(default.flood_limit),
        pseudowires: Vec::new(),
    };
    reader.finish();
    let within = table.get("pseudowire").and_then(|value| value.get_ref().as_array());
    for (number, item) in within.into_iter().flat_map(|list| list.iter()).enumerate() {
        let Some(table) = item.get_ref().as_table() else { continue };
        let block = (table, item.span());
        let mut reader = BlockReader::nested(&TENANT_PSEUDOWIRE, (index, number), block, findings);
        tenant.pseudowires.push(read_pseudowire(&mut reader, source));
        reader.finish();
    }
    tenant
}

fn read_pseudowire(reader: &mut BlockReader<'_>, source: &Source<'_>) -> TenantPseudowire {
    for key in ["address", "session_id", "remote_session_id"] {
        reader.missing(key);
    }
    let name = reader.text("name");
    let address = read_ipv6(reader, "address").unwrap_or(Ipv6Addr::UNSPECIFIED);
    TenantPseudowire {
        name: name.unwrap_or_else(|| address.to_string()),
        address,
        local_address: read_ipv6(reader, "local_address"),
        session_id: reader.integer("session_id").unwrap_or_default(),
        remote_session_id: reader.integer("remote_session_id").unwrap_or_default(),
        cookie: read_cookie("cookie", reader, source),
        remote_cookie: read_cookie("remote_cookie", reader, source),
        encapsulation: reader
            .choice("encapsulation", TenantEncapsulation::WORDS)
            .unwrap_or_default(),
        remote_port: reader.integer("remote_port").unwrap_or(L2TP_PORT),
        udp_checksum: reader.choice("udp_checksum", TenantUdpSum::WORDS).unwrap_or_default(),
        sublayer: reader.choice("sublayer", TenantSublayer::WORDS).unwrap_or_default(),
        sequencing: reader.boolean("sequencing").unwrap_or(false),
        mtu: reader.integer("mtu"),
    }
}

/// A cookie: digits, or a file of them.
fn read_cookie(
    key: &'static str,
    reader: &mut BlockReader<'_>,
    source: &Source<'_>,
) -> TenantCookie {
    let Some(text) = reader.text(key) else { return TenantCookie::default() };
    let file = Some(&text).filter(|text| text.starts_with("file:")).cloned();
    let digits = match &file {
        Some(file) => read_key(key, file, source, reader),
        None => Some(text),
    };
    let Some(digits) = digits else { return TenantCookie::default() };
    match TenantCookie::from_hex(&digits) {
        Some(cookie) => TenantCookie { file, ..cookie },
        None => {
            // The digits are not repeated: in a log they would be known to whoever reads it.
            reader.wrong(key, format!("{} characters are no cookie", digits.chars().count()));
            TenantCookie::default()
        }
    }
}
