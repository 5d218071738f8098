//! `[router]`: who this router is.

use serde::Serialize;

/// `[router]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RouterSettings {
    /// Host name, at most 63 octets. Default: from `--name`, `KUMIKI_NAME`, else the system's host name.
    pub name: String,
}
