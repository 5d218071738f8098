//! The blocks of BGP, from text to values.
//!
//! Owns the reading of `[bgp]`, `[[bgp.group]]`, `[[bgp.neighbor]]` and `[[bgp.dynamic]]`; rules
//! between keys are `validate`'s.

use super::{Block, Source, listed, read_ipv6, read_key};
use crate::base::ids::RouterId;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Duration;
use crate::config::read::{BlockReader, Findings, Scalar};
use crate::config::schema::bgp_keys::{
    BGP, BGP_DYNAMIC, BGP_GROUP, BGP_NEIGHBOR, DYNAMIC_NEIGHBORS,
};
use crate::config::schema::{
    BgpAddPath, BgpDynamic, BgpGroup, BgpNeighbor, BgpRemoteAs, BgpRestart, BgpRole, BgpSettings,
    NeighborKeys, Secret,
};
use toml::de::DeTable;

/// Reads `[bgp]` and the blocks within it.
pub(super) fn read_bgp(
    block: Block<'_>,
    document: &DeTable<'_>,
    source: &Source<'_>,
    findings: &mut Findings,
) -> BgpSettings {
    let mut settings = read_speaker(block, findings);
    for (index, block) in listed(document, &BGP_GROUP).into_iter().enumerate() {
        let mut reader = BlockReader::new(&BGP_GROUP, Some(index), block, findings);
        reader.missing("name");
        let name = reader.text("name").unwrap_or_default();
        let keys = read_keys(&mut reader, source);
        reader.finish();
        settings.groups.push(BgpGroup { name, keys });
    }
    for (index, block) in listed(document, &BGP_NEIGHBOR).into_iter().enumerate() {
        let mut reader = BlockReader::new(&BGP_NEIGHBOR, Some(index), block, findings);
        let neighbor = BgpNeighbor {
            address: read_ipv6(&mut reader, "address"),
            port: reader.text("port"),
            name: reader.text("name"),
            description: reader.text("description"),
            group: reader.text("group"),
            keys: read_keys(&mut reader, source),
        };
        reader.finish();
        settings.neighbors.push(neighbor);
    }
    for (index, block) in listed(document, &BGP_DYNAMIC).into_iter().enumerate() {
        let mut reader = BlockReader::new(&BGP_DYNAMIC, Some(index), block, findings);
        reader.missing("prefix");
        let dynamic = BgpDynamic {
            prefix: reader.parsed::<Ipv6Prefix>("prefix").unwrap_or_default(),
            description: reader.text("description"),
            group: reader.text("group"),
            max_neighbors: reader.integer("max_neighbors").unwrap_or(DYNAMIC_NEIGHBORS),
            keys: read_keys(&mut reader, source),
        };
        reader.finish();
        settings.dynamics.push(dynamic);
    }
    settings
}

fn read_speaker(block: Block<'_>, findings: &mut Findings) -> BgpSettings {
    let mut reader = BlockReader::new(&BGP, None, block, findings);
    let default = BgpSettings::default();
    reader.missing("asn");
    let mut seconds = |key| reader.integer(key).map(Duration::from_secs);
    let hold_time = seconds("hold_time").unwrap_or(default.hold_time);
    let keepalive_time = seconds("keepalive_time");
    let connect_retry_time = seconds("connect_retry_time").unwrap_or(default.connect_retry_time);
    let restart_time = seconds("restart_time").unwrap_or(default.restart_time);
    let settings = BgpSettings {
        asn: reader.integer("asn").unwrap_or(default.asn),
        router_id: reader.parsed::<RouterId>("router_id"),
        cluster_id: reader.parsed::<RouterId>("cluster_id"),
        aggregates: reader.parsed_list("aggregates").unwrap_or_default(),
        hold_time,
        keepalive_time,
        connect_retry_time,
        graceful_restart: reader.choice("graceful_restart", BgpRestart::WORDS).unwrap_or_default(),
        restart_time,
        multipath: reader.integer("multipath").unwrap_or(default.multipath),
        multipath_any_as: reader.boolean("multipath_any_as").unwrap_or(default.multipath_any_as),
        always_compare_med: reader
            .boolean("always_compare_med")
            .unwrap_or(default.always_compare_med),
        ..default
    };
    reader.finish();
    settings
}

fn read_keys(reader: &mut BlockReader<'_>, source: &Source<'_>) -> NeighborKeys {
    let password = reader.text("password");
    let secret = password.as_ref().and_then(|key| read_key("password", key, source, reader));
    let mut seconds = |key| reader.integer(key).map(Duration::from_secs);
    let hold_time = seconds("hold_time");
    let keepalive_time = seconds("keepalive_time");
    let send_hold_time = seconds("send_hold_time");
    let connect_retry_time = seconds("connect_retry_time");
    let max_prefix_restart_time = seconds("max_prefix_restart_time");
    NeighborKeys {
        asn: read_remote_as(reader),
        local_address: read_ipv6(reader, "local_address"),
        passive: reader.boolean("passive"),
        password,
        secret: Secret(secret.unwrap_or_default().into_bytes()),
        multihop: reader.integer("multihop"),
        ttl_security_hops: reader.integer("ttl_security_hops"),
        hold_time,
        keepalive_time,
        send_hold_time,
        connect_retry_time,
        graceful_restart: reader.choice("graceful_restart", BgpRestart::WORDS),
        role: reader.choice("role", BgpRole::WORDS),
        role_strict: reader.boolean("role_strict"),
        import: reader.text("import"),
        export: reader.text("export"),
        next_hop_self: reader.boolean("next_hop_self"),
        route_reflector_client: reader.boolean("route_reflector_client"),
        add_path: reader.choice("add_path", BgpAddPath::WORDS),
        add_path_max: reader.integer("add_path_max"),
        max_prefix: reader.integer("max_prefix"),
        max_prefix_warning_percent: reader.integer("max_prefix_warning_percent"),
        max_prefix_restart_time,
        enforce_first_as: reader.boolean("enforce_first_as"),
        allow_own_as: reader.integer("allow_own_as"),
        blackhole: reader.boolean("blackhole"),
        bfd: reader.boolean("bfd"),
        shutdown: reader.text("shutdown"),
    }
}

fn read_remote_as(reader: &mut BlockReader<'_>) -> Option<BgpRemoteAs> {
    let asn = match reader.scalar("asn")? {
        Scalar::Text(word) if word == "external" => return Some(BgpRemoteAs::External),
        Scalar::Text(word) if word == "internal" => return Some(BgpRemoteAs::Internal),
        Scalar::Text(word) => {
            reader.wrong("asn", format!("\"{word}\" is not right here"));
            return None;
        }
        Scalar::Number(number) => u32::try_from(number).ok(),
    };
    // RFC 7607: zero is nobody's; the last one is reserved (RFC 7300).
    let asn = asn.filter(|asn| (1..u32::MAX).contains(asn));
    if asn.is_none() {
        reader.wrong("asn", "the number is out of range");
    }
    asn.map(BgpRemoteAs::Number)
}
