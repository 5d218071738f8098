//! The manual of all keys, made from the table the loader uses.
//!
//! Owns the Markdown of `docs/configuration.md` and the JSON of `kumiki config schema --json`.

use crate::config::schema::keys::{BLOCKS, BlockDoc, KeyDoc, KeyKind};
use core::fmt::Write;
use serde_json::{Value, json};

const INTRODUCTION: &str = "\
# Configuration

<!-- Made by `kumiki config schema`; a test keeps it in step with the program. Do not edit. -->

One TOML file, `/etc/kumiki/kumiki.toml` unless `kumiki run -c FILE` says otherwise. The same file
serves every server of a cluster: the name and the number of a server may come from `--name` and
`--number`, or from the environment (`KUMIKI_NAME`, `KUMIKI_NUMBER`), which win over the file.

`kumiki config check FILE` says whether a file is right, and if not, where and what would be.
`kumiki config diff FILE` says what applying it would change, `kumiki config apply FILE` or SIGHUP
applies it; what did not change is left alone. Keys marked *restart* are read at the next start
only. Unknown keys are errors.

The smallest file that is a working router:

```toml
[router]
name = \"s07\"

[cluster]
ula = \"fd4b:756d:696b::/48\"
number = 7

[[port]]
match = \"driver=*\"
role = \"fabric\"
```
";

/// Every block and key as Markdown.
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    for block in BLOCKS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n## `{}`\n\n{}", block.header(), block.help);
        if block.is_list {
            let _ = writeln!(text, "The block may be there several times.");
        }
        for key in block.keys {
            write_key(&mut text, key);
        }
    }
    text
}

fn write_key(text: &mut String, key: &KeyDoc) {
    let restart = if key.needs_restart { " *(restart)*" } else { "" };
    let unit = if key.unit.is_empty() { String::new() } else { format!(", in {}", key.unit) };
    let _ = writeln!(text, "\n### `{}`{restart}\n\n{}\n", key.name, key.help);
    let _ = writeln!(text, "- Value: {}{unit}", key.kind);
    let _ = writeln!(text, "- Default: {}", key.default);
}

/// The name of a kind of value for programs.
fn kind_name(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Text => "text",
        KeyKind::Boolean => "boolean",
        KeyKind::Integer { .. } => "integer",
        KeyKind::Integers { .. } => "integers",
        KeyKind::Texts => "texts",
        KeyKind::Choice(_) => "choice",
        KeyKind::Prefix => "prefix",
        KeyKind::Address => "address",
        KeyKind::AddressWithLength => "address_with_length",
        KeyKind::Mac => "mac",
        KeyKind::RouterId => "router_id",
        KeyKind::Match => "match",
        KeyKind::Device => "device",
        KeyKind::Gateway => "gateway",
        KeyKind::File => "file",
        KeyKind::FileReference => "file_reference",
        KeyKind::RemoteAs => "remote_as",
        KeyKind::Prefixes => "prefixes",
        KeyKind::PrefixRanges => "prefix_ranges",
        KeyKind::AsPathPatterns => "as_path_patterns",
        KeyKind::Communities => "communities",
        KeyKind::CommunityPatterns => "community_patterns",
        KeyKind::NextHop => "next_hop",
        KeyKind::TenantPorts => "tenant_ports",
        KeyKind::Cookie => "cookie",
    }
}

fn key_value(key: &KeyDoc) -> Value {
    let mut value = json!({
        "name": key.name,
        "type": kind_name(key.kind),
        "must_be": key.kind.to_string(),
        "unit": key.unit,
        "default": key.default,
        "needs_restart": key.needs_restart,
        "help": key.help,
    });
    match key.kind {
        KeyKind::Integer { minimum, maximum } | KeyKind::Integers { minimum, maximum } => {
            value["minimum"] = minimum.into();
            value["maximum"] = maximum.into();
        }
        KeyKind::Choice(words) => value["words"] = words.into(),
        _ => {}
    }
    value
}

fn block_value(block: &BlockDoc) -> Value {
    json!({
        "name": block.name,
        "is_list": block.is_list,
        "help": block.help,
        "keys": block.keys.iter().map(key_value).collect::<Vec<_>>(),
    })
}

/// Every block and key as JSON.
pub fn json() -> String {
    let blocks: Vec<_> = BLOCKS.iter().map(|block| block_value(block)).collect();
    format!("{:#}\n", json!({ "schema": "kumiki.config.schema/1", "blocks": blocks }))
}
