//! `[host]`: the way to the kernel of the machine the router runs on, and the control socket.

use super::keys::{BlockDoc, KeyDoc, KeyKind};
use serde::{Deserialize, Serialize};

/// `[host]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// The keys of `[host]`.
pub const HOST: BlockDoc = BlockDoc {
    name: "host",
    is_list: false,
    help: "The way to the kernel of the machine the router runs on, and the control socket.",
    keys: &[
        KeyDoc {
            name: "tun",
            kind: KeyKind::Text,
            unit: "",
            default: "kumiki0",
            needs_restart: true,
            help: "Name of the TUN device that carries the addresses of the router; empty for \
                   none, then no ssh or BGP reaches the kernel.",
        },
        KeyDoc {
            name: "socket",
            kind: KeyKind::Text,
            unit: "",
            default: "/run/kumiki/control.sock",
            needs_restart: true,
            help: "Path of the control socket that kumiki show and kumiki config use.",
        },
    ],
};
