//! The list of every key a configuration may have: what documents them is what the loader knows.
//!
//! Owns [`BlockDoc`] and [`KeyDoc`], the list [`BLOCKS`] and the list of blocks that later versions
//! will have ([`LATER_BLOCKS`]). Each feature's table stands in its own file beside its type; the
//! loader asks for keys by name and refuses to run on one that has no entry here, and `document`
//! prints them.
//!
//! *Invariants*: names are unique within a block; a key that is not here does not exist.

use super::{bfd, cluster, dpdk, host, ospf, port, route, router};
use core::fmt;

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Any string.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer {
        /// Smallest allowed.
        minimum: i64,
        /// Largest allowed.
        maximum: i64,
    },
    /// An array of whole numbers.
    Integers {
        /// Smallest allowed.
        minimum: i64,
        /// Largest allowed.
        maximum: i64,
    },
    /// An array of strings.
    Texts,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An IPv6 prefix.
    Prefix,
    /// An IPv6 address.
    Address,
    /// An IPv6 address with the length of its prefix.
    AddressWithLength,
    /// A MAC address.
    Mac,
    /// A dotted quad.
    RouterId,
    /// `KEY=GLOB`.
    Match,
    /// `KIND:ARGUMENT`.
    Device,
    /// An IPv6 address, `blackhole` or `unreachable`.
    Gateway,
    /// The path of a file, relative to the configuration.
    File,
    /// `file:PATH`.
    FileReference,
}

impl fmt::Display for KeyKind {
    /// What would be right, to follow "must be".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("a string in quotes"),
            Self::Boolean => f.write_str("true or false"),
            Self::Integer { minimum, maximum } => {
                write!(f, "a whole number from {minimum} to {maximum}")
            }
            Self::Integers { minimum, maximum } => {
                write!(f, "a list of whole numbers from {minimum} to {maximum}, such as [1, 2]")
            }
            Self::Texts => f.write_str("a list of strings, such as [\"a\", \"b\"]"),
            Self::Choice(words) => {
                for (index, word) in words.iter().enumerate() {
                    let joint = match index {
                        0 => "",
                        last if last + 1 == words.len() => " or ",
                        _ => ", ",
                    };
                    write!(f, "{joint}\"{word}\"")?;
                }
                Ok(())
            }
            Self::Prefix => f.write_str("an IPv6 prefix such as \"2001:db8::/32\""),
            Self::Address => f.write_str("an IPv6 address such as \"2001:db8::1\""),
            Self::AddressWithLength => {
                f.write_str("an IPv6 address with its length, such as \"2001:db8::1/64\"")
            }
            Self::Mac => f.write_str("a MAC address such as \"52:54:00:12:34:56\""),
            Self::RouterId => f.write_str("a dotted quad such as \"10.0.0.7\""),
            Self::Match => {
                f.write_str("\"pci=GLOB\", \"mac=GLOB\", \"driver=GLOB\" or \"name=GLOB\"")
            }
            Self::Device => f.write_str(
                "\"pci:ADDRESS\", \"vmbus:UUID\", \"af_packet:INTERFACE\", \"af_xdp:INTERFACE\", \
                 \"tap:NAME\", \"memif:SOCKET,…\" or \"vdev:EAL-STRING\"",
            ),
            Self::Gateway => {
                f.write_str("the IPv6 address of a neighbour, \"blackhole\" or \"unreachable\"")
            }
            Self::File => f.write_str("the path of a file, relative to the configuration"),
            Self::FileReference => f.write_str("\"file:PATH\", relative to the configuration"),
        }
    }
}

/// One key. A constant: one for each key, shared by all threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    /// Its name in the file.
    pub name: &'static str,
    /// What its value must be.
    pub kind: KeyKind,
    /// Unit of the value; empty where it has none.
    pub unit: &'static str,
    /// What holds when it is left out, in words or as it would be written.
    pub default: &'static str,
    /// Whether a running router can only take it at its next start.
    pub needs_restart: bool,
    /// What it does and why one would set it.
    pub help: &'static str,
}

/// One block: `[name]`, or `[[name]]` where there may be several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockDoc {
    /// Its name in the file.
    pub name: &'static str,
    /// Whether it is a `[[name]]`.
    pub is_list: bool,
    /// What it is about.
    pub help: &'static str,
    /// Its keys, in the order of the documentation.
    pub keys: &'static [KeyDoc],
}

impl BlockDoc {
    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static KeyDoc> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// `[name]` or `[[name]]`.
    pub fn header(&self) -> String {
        if self.is_list { format!("[[{}]]", self.name) } else { format!("[{}]", self.name) }
    }
}

/// Every block, in the order of the documentation and of rendered files.
pub const BLOCKS: &[&BlockDoc] = &[
    &router::ROUTER,
    &cluster::CLUSTER,
    &dpdk::DPDK,
    &host::HOST,
    &ospf::OSPF,
    &bfd::BFD,
    &port::PORT,
    &route::ROUTE,
    &route::NEIGHBOR,
];

/// Blocks that people may bring from the manual of a later version, with what they belong to.
pub const LATER_BLOCKS: &[(&str, &str)] = &[
    ("bgp", "BGP"),
    ("tenant", "the tenant overlay (L2TPv3)"),
    ("redistribute", "redistribution from BGP"),
    ("rpki", "RPKI origin validation"),
];

/// The block of this name.
pub fn block(name: &str) -> Option<&'static BlockDoc> {
    BLOCKS.iter().copied().find(|block| block.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_is_documented_once() {
        let mut seen = BTreeSet::new();
        for block in BLOCKS {
            assert!(block.help.ends_with('.'), "{}: help is a sentence", block.name);
            for key in block.keys {
                let path = format!("{}.{}", block.name, key.name);
                assert!(key.help.ends_with('.'), "{path}: help is a sentence");
                assert!(!key.default.is_empty(), "{path}: default");
                assert!(seen.insert(path.clone()), "{path}: twice");
            }
        }
    }

    #[test]
    fn later_blocks_do_not_exist_yet() {
        assert!(LATER_BLOCKS.iter().all(|(name, _)| block(name).is_none()));
    }
}
