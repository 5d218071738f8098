//! `[bmp]`: who watches BGP of this router.
//!
//! Owns the values and the tables of their keys.
//!
//! *Standards*: RFC 7854 §3 and §4.8 (statistics), RFC 9069 (Loc-RIB).

use super::feed;
use super::keys::{BlockDoc, KeyDoc, KeyKind};
use crate::base::time::Duration;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// What a station is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BmpView {
    /// Adj-RIB-In before policies.
    PrePolicy,
    /// Adj-RIB-In after policies.
    PostPolicy,
    /// The best path of each prefix.
    LocRib,
}

impl BmpView {
    /// Every one, with its word in the file.
    pub const WORDS: &[(&str, Self)] = &[
        ("pre_policy", Self::PrePolicy),
        ("post_policy", Self::PostPolicy),
        ("loc_rib", Self::LocRib),
    ];

    /// The word in the file.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, other)| *other == self).map_or("", |(word, _)| word)
    }
}

/// `[bmp]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmpSettings {
    /// How often counts are sent; zero for never. Default: 60 s.
    pub statistics_interval: Duration,
    /// `[[bmp.station]]`.
    pub stations: Vec<BmpStation>,
}

impl Default for BmpSettings {
    fn default() -> Self {
        Self { statistics_interval: Duration::from_secs(60), stations: Vec::new() }
    }
}

/// A station.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmpStation {
    /// Its address.
    pub address: Ipv6Addr,
    /// Its port.
    pub port: u16,
    /// What it is called. Default: its address and port.
    pub name: Option<String>,
    /// What it is told of. Default: Adj-RIB-In before policies.
    pub monitor: Vec<BmpView>,
}

impl BmpStation {
    /// What it is called.
    pub fn label(&self) -> String {
        feed::label(self.name.as_deref(), (self.address, self.port))
    }
}

/// Stations: each has a queue of its own, and one or two do for most.
pub const BMP_STATIONS_MAX: usize = 8;

/// The keys of `[bmp]`.
pub const BMP: BlockDoc = BlockDoc {
    name: "bmp",
    is_list: false,
    help: "BMP (RFC 7854): stations are told what neighbours announce and what becomes of it.",
    keys: &[KeyDoc {
        name: "statistics_interval",
        kind: KeyKind::Integer { minimum: 0, maximum: 86_400 },
        unit: "seconds",
        default: "60",
        needs_restart: false,
        help: "How often counts of each neighbour are sent; 0 for never.",
    }],
};

/// The keys of `[[bmp.station]]`.
pub const BMP_STATION: BlockDoc = BlockDoc {
    name: "bmp.station",
    is_list: true,
    help: "A monitoring station (OpenBMP, pmacct, Rotonda and others) that this router connects \
           to. One that does not read is dropped and gets everything again when it is back; one \
           that reads more slowly than routes change hears less of what flaps.",
    keys: &[
        KeyDoc {
            name: "address",
            kind: KeyKind::Address,
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "Address of the station.",
        },
        KeyDoc {
            name: "port",
            kind: KeyKind::Integer { minimum: 1, maximum: 65_535 },
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "Its TCP port; RFC 7854 assigns none, 5000 and 11019 are common.",
        },
        KeyDoc {
            name: "name",
            kind: KeyKind::Text,
            unit: "",
            default: "its address and port",
            needs_restart: false,
            help: "What it is called in `show bmp` and in events.",
        },
        KeyDoc {
            name: "monitor",
            kind: KeyKind::Texts,
            unit: "",
            default: "[\"pre_policy\"]",
            needs_restart: false,
            help: "What it is told of: any of \"pre_policy\" (Adj-RIB-In as neighbours sent it), \
                   \"post_policy\" (what the policies made of it) and \"loc_rib\" (the best paths, \
                   RFC 9069).",
        },
    ],
};
