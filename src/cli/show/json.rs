//! A reply as JSON for programs.
//!
//! Owns the envelope: `schema` is `kumiki.show.WHAT/1`, `rows` is always a list. Rows are those of
//! `api::show`, whose names only ever grow within one version.

use crate::api::API_VERSION;
use crate::api::show::ShowReply;
use serde_json::{Map, Value};

/// The reply as an object.
pub fn value(reply: &ShowReply) -> Value {
    let mut reply = match serde_json::to_value(reply) {
        Ok(Value::Object(object)) => object,
        other => unreachable!("a reply is an object with kind and rows: {other:?}"),
    };
    let kind = reply.remove("kind").unwrap_or_default();
    let rows = match reply.remove("rows").unwrap_or_default() {
        rows @ Value::Array(_) => rows,
        // Pages that were put together are a list again.
        Value::Object(mut page) if kind == "bridge_mac" => page.remove("macs").unwrap_or_default(),
        row => Value::Array(vec![row]),
    };
    let mut object = Map::new();
    let schema = format!("kumiki.show.{}/{API_VERSION}", kind.as_str().unwrap_or("unknown"));
    object.insert("schema".to_owned(), schema.into());
    object.insert("rows".to_owned(), rows);
    Value::Object(object)
}

/// The reply as text: over several lines where `is_spread`, else on one line.
pub fn text(reply: &ShowReply, is_spread: bool) -> String {
    let value = value(reply);
    let text = if is_spread { format!("{value:#}") } else { value.to_string() };
    text + "\n"
}
