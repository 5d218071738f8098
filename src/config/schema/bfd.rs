//! `[bfd]`: BFD with the neighbours on fabric ports.

use super::keys::{BlockDoc, KeyDoc, KeyKind};
use super::secret::Secret;
use crate::base::time::Duration;
use serde::{Deserialize, Serialize};

/// How packets are authenticated (RFC 5880 §6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BfdAuth {
    /// Not at all.
    #[default]
    None,
    /// A password in clear text.
    SimplePassword,
    /// Keyed MD5.
    KeyedMd5,
    /// Meticulous Keyed MD5.
    MeticulousKeyedMd5,
    /// Keyed SHA1.
    KeyedSha1,
    /// Meticulous Keyed SHA1.
    MeticulousKeyedSha1,
}

impl BfdAuth {
    /// Every way, with its word in the file.
    pub const WORDS: &[(&str, Self)] = &[
        ("none", Self::None),
        ("simple_password", Self::SimplePassword),
        ("keyed_md5", Self::KeyedMd5),
        ("meticulous_keyed_md5", Self::MeticulousKeyedMd5),
        ("keyed_sha1", Self::KeyedSha1),
        ("meticulous_keyed_sha1", Self::MeticulousKeyedSha1),
    ];

    /// The word in the file.
    pub fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, auth)| *auth == self);
        found.map_or("none", |(word, _)| word)
    }

    /// Octets that a key may have.
    pub const fn key_octets_max(self) -> usize {
        match self {
            Self::None => 0,
            Self::SimplePassword | Self::KeyedMd5 | Self::MeticulousKeyedMd5 => 16,
            Self::KeyedSha1 | Self::MeticulousKeyedSha1 => 20,
        }
    }
}

/// `[bfd]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BfdSettings {
    /// Whether fabric ports run BFD that do not say otherwise. Default: true.
    pub enabled: bool,
    /// Time between two packets, in both directions. Default: 50 ms.
    pub interval: Duration,
    /// Packets that must be missing before the neighbour is dead, 1 to 255. Default: 3.
    pub multiplier: u8,
    /// How packets are authenticated. Default: not at all.
    pub auth: BfdAuth,
    /// Number of the key. Default: 1.
    pub key_id: u8,
    /// `file:PATH` of the key.
    pub key: Option<String>,
    /// What is in that file.
    #[serde(rename = "secret_octets")]
    pub secret: Secret,
}

impl Default for BfdSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Duration::from_millis(50),
            multiplier: 3,
            auth: BfdAuth::None,
            key_id: 1,
            key: None,
            secret: Secret::default(),
        }
    }
}

/// What a port says of BFD; `None` where it holds what `[bfd]` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortBfd {
    /// Whether it runs BFD.
    pub enabled: Option<bool>,
    /// Time between two packets.
    pub interval: Option<Duration>,
}

/// The least and the longest interval, in milliseconds.
pub const BFD_INTERVAL_MS: (i64, i64) = (10, 60_000);

/// The keys of `[bfd]`.
pub const BFD: BlockDoc = BlockDoc {
    name: "bfd",
    is_list: false,
    help: "BFD (RFC 5880, RFC 5881) with the neighbour on every fabric port: a cable that carries \
           nothing any more is found out within some packets, also where both ends have light. \
           Neighbours that do not speak it are taken without.",
    keys: &[
        KeyDoc {
            name: "enabled",
            kind: KeyKind::Boolean,
            unit: "",
            default: "true",
            needs_restart: false,
            help: "Whether fabric ports run BFD; `bfd` of a port says otherwise for one.",
        },
        KeyDoc {
            name: "interval_ms",
            kind: KeyKind::Integer { minimum: BFD_INTERVAL_MS.0, maximum: BFD_INTERVAL_MS.1 },
            unit: "milliseconds",
            default: "50",
            needs_restart: false,
            help: "Time between two packets, in both directions; of two ends the slower one wins. \
                   10 detects in 30 ms and wants cores that are not shared. Changes do not end a \
                   session.",
        },
        KeyDoc {
            name: "multiplier",
            kind: KeyKind::Integer { minimum: 1, maximum: 255 },
            unit: "packets",
            default: "3",
            needs_restart: false,
            help: "How many intervals without a packet make a neighbour dead.",
        },
        KeyDoc {
            name: "auth",
            kind: KeyKind::Choice(&[
                "none",
                "simple_password",
                "keyed_md5",
                "meticulous_keyed_md5",
                "keyed_sha1",
                "meticulous_keyed_sha1",
            ]),
            unit: "",
            default: "none",
            needs_restart: false,
            help: "How packets are authenticated (RFC 5880 §6.7), for neighbours that want it. \
                   Both ends need the same.",
        },
        KeyDoc {
            name: "key_id",
            kind: KeyKind::Integer { minimum: 0, maximum: 255 },
            unit: "",
            default: "1",
            needs_restart: false,
            help: "Number of the key; both ends need the same.",
        },
        KeyDoc {
            name: "key",
            kind: KeyKind::FileReference,
            unit: "",
            default: "none; required with auth",
            needs_restart: false,
            help: "File with the key: up to 16 octets for passwords and MD5, up to 20 for SHA1; \
                   white space around it does not count.",
        },
    ],
};
