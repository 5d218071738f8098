//! `[router]`: who this router is.

use super::keys::{BlockDoc, KeyDoc, KeyKind};
use serde::{Deserialize, Serialize};

/// `[router]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterSettings {
    /// Host name, at most 63 octets. Default: from `--name`, `KUMIKI_NAME`, else the system's host
    /// name.
    pub name: String,
}

/// The keys of `[router]`.
pub const ROUTER: BlockDoc = BlockDoc {
    name: "router",
    is_list: false,
    help: "Who this router is.",
    keys: &[KeyDoc {
        name: "name",
        kind: KeyKind::Text,
        unit: "",
        default: "--name, KUMIKI_NAME, else the host name of the system",
        needs_restart: false,
        help: "Name in tables, messages and the log: 1 to 63 letters, digits, hyphens and dots.",
    }],
};
