//! Tenants with anything in them. Cookies stand in files: one in the configuration is not recorded.

use crate::config::schema::{
    Tenant, TenantCookie, TenantEncapsulation, TenantPseudowire, TenantSublayer, TenantUdpSum,
};
use core::net::Ipv6Addr;
use proptest::prelude::*;

/// What stands in the file of every cookie.
pub(super) const COOKIE_TEXT: &str = "0badcafe";

fn cookie(has_one: bool) -> TenantCookie {
    let file = Some("file:cookie".to_owned());
    match has_one {
        true => TenantCookie { file, ..TenantCookie::from_hex(COOKIE_TEXT).unwrap() },
        false => TenantCookie::default(),
    }
}

fn word<T: Copy + core::fmt::Debug + 'static>(
    words: &'static [(&'static str, T)],
) -> impl Strategy<Value = T> {
    prop::sample::select(words).prop_map(|(_, value)| value)
}

fn pseudowire(number: u32) -> impl Strategy<Value = TenantPseudowire> {
    let words = (
        word(TenantEncapsulation::WORDS),
        word(TenantUdpSum::WORDS),
        word(TenantSublayer::WORDS),
        any::<bool>(),
    );
    let cookies = (any::<bool>(), any::<bool>());
    let numbers = (1_u32.., 1_u16.., prop::option::of(576_u16..=9216));
    (words, cookies, numbers).prop_map(move |(words, (has_one, has_other), numbers)| {
        let (encapsulation, udp_checksum, sublayer, sequencing) = words;
        let (remote_session_id, remote_port, mtu) = numbers;
        TenantPseudowire {
            name: format!("peer \"{number}\""),
            address: Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | u128::from(number)),
            local_address: None,
            session_id: number,
            remote_session_id,
            cookie: cookie(has_one),
            remote_cookie: cookie(has_other),
            encapsulation,
            remote_port,
            udp_checksum,
            sublayer,
            sequencing: sequencing && sublayer == TenantSublayer::Default,
            mtu,
        }
    })
}

fn tenant(number: u32) -> impl Strategy<Value = Tenant> {
    let pseudowires = (pseudowire(number * 2 + 1), pseudowire(number * 2 + 2), 1_usize..=2);
    let limits = (1_u32..=100_000, 1_u32..=10_000_000, any::<bool>());
    (pseudowires, limits).prop_map(move |((one, other, count), limits)| {
        let (mac_limit, flood_limit, clamp_mss) = limits;
        Tenant {
            name: format!("tenant {number}"),
            id: number + 1,
            clamp_mss,
            mac_limit,
            flood_limit,
            pseudowires: [one, other].into_iter().take(count).collect(),
            ..Tenant::default()
        }
    })
}

pub(super) fn tenants() -> impl Strategy<Value = Vec<Tenant>> {
    (tenant(0), tenant(1), 0_usize..=2)
        .prop_map(|(one, other, count)| [one, other].into_iter().take(count).collect())
}
