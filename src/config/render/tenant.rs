//! The blocks of tenants as text.

use super::{RenderedBlock, list, quoted, shown, shown_quoted};
use crate::config::schema::{
    Tenant, TenantEncapsulation, TenantPseudowire, TenantSublayer, TenantUdpSum,
};

/// `[[tenant]]`, then its pseudowires.
pub(super) fn tenant_blocks(tenant: &Tenant) -> Vec<RenderedBlock> {
    let ports = tenant.ports.iter().map(|port| quoted(&port.to_string()));
    let entries = vec![
        ("name", shown_quoted(&tenant.name)),
        ("id", shown(tenant.id)),
        ("ports", list(ports)),
        ("encapsulation", word(TenantEncapsulation::WORDS, tenant.encapsulation)),
        ("udp_checksum", word(TenantUdpSum::WORDS, tenant.udp_checksum)),
        ("sequencing", shown(tenant.sequencing)),
        ("clamp_mss", shown(tenant.clamp_mss)),
        ("mac_limit", shown(tenant.mac_limit)),
        ("flood_limit", shown(tenant.flood_limit)),
    ];
    let mut blocks = vec![RenderedBlock::new("tenant", entries)];
    blocks.extend(tenant.pseudowires.iter().map(pseudowire_block));
    blocks
}

fn word<T: Copy + PartialEq>(words: &[(&str, T)], value: T) -> Option<String> {
    words.iter().find(|(_, other)| *other == value).and_then(|(word, _)| shown_quoted(word))
}

fn pseudowire_block(pseudowire: &TenantPseudowire) -> RenderedBlock {
    let entries = vec![
        ("name", shown_quoted(&pseudowire.name)),
        ("address", shown_quoted(pseudowire.address)),
        ("local_address", pseudowire.local_address.and_then(shown_quoted)),
        ("session_id", shown(pseudowire.session_id)),
        ("remote_session_id", shown(pseudowire.remote_session_id)),
        ("cookie", pseudowire.cookie.written().and_then(shown_quoted)),
        ("remote_cookie", pseudowire.remote_cookie.written().and_then(shown_quoted)),
        ("encapsulation", word(TenantEncapsulation::WORDS, pseudowire.encapsulation)),
        ("remote_port", shown(pseudowire.remote_port)),
        ("udp_checksum", word(TenantUdpSum::WORDS, pseudowire.udp_checksum)),
        ("sublayer", word(TenantSublayer::WORDS, pseudowire.sublayer)),
        ("sequencing", shown(pseudowire.sequencing)),
        ("mtu", pseudowire.mtu.and_then(shown)),
    ];
    RenderedBlock::new("tenant.pseudowire", entries)
}
