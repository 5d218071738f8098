//! `[host]`: the way to the kernel of the machine the router runs on, and the control socket.

use serde::Serialize;

/// `[host]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostSettings {
    /// Name of the TUN device with the router's addresses; empty: none. Default: `kumiki0`.
    pub tun: String,
    /// Path of the control socket. Default: `/run/kumiki/control.sock`.
    pub socket: String,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self { tun: "kumiki0".to_owned(), socket: "/run/kumiki/control.sock".to_owned() }
    }
}
