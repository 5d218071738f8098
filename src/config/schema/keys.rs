//! The list of every key a configuration may have: what documents them is what the loader knows.
//!
//! Owns [`BlockDoc`] and [`KeyDoc`], the list [`BLOCKS`] and the list of what there is not on
//! purpose ([`ABSENCES`]). Each feature's table stands in its own file beside its type; the loader
//! asks for keys by name and refuses to run on one that has no entry here, and `document` prints
//! them.
//!
//! A block within another has the name of that one and a dot in its own (`bgp.neighbor`); a key
//! within a table of its block as well (`match.as_path`).
//!
//! *Invariants*: names are unique within a block; a key that is not here does not exist.

use super::{
    bfd, bgp_keys, bmp, cluster, dpdk, host, ospf, policy, port, redistribute, route, router, rpki,
    tenant,
};
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
    /// A number of an AS, or one of two words.
    RemoteAs,
    /// An array of IPv6 prefixes.
    Prefixes,
    /// An array of prefixes with bounds of their lengths.
    PrefixRanges,
    /// An array of patterns of AS paths.
    AsPathPatterns,
    /// An array of communities.
    Communities,
    /// An array of patterns of communities.
    CommunityPatterns,
    /// An IPv6 address or `self`.
    NextHop,
    /// An array of ports and VLANs of them.
    TenantPorts,
    /// Hexadecimal digits of 4 or 8 octets, or `file:PATH`.
    Cookie,
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
            Self::RemoteAs => f.write_str("the number of an AS, \"external\" or \"internal\""),
            Self::Prefixes => f.write_str("a list of IPv6 prefixes such as [\"2001:db8::/32\"]"),
            Self::PrefixRanges => {
                f.write_str("a list of prefixes such as [\"::/0\", \"2000::/3 ge 16 le 48\"]")
            }
            Self::AsPathPatterns => {
                f.write_str("a list of AS path patterns such as [\"64500 *\", \"* 64501\"]")
            }
            Self::Communities => f.write_str(
                "a list of communities such as [\"64500:7\", \"64500:1:2\", \"no-export\"]",
            ),
            Self::CommunityPatterns => f.write_str(
                "a list of communities such as [\"64500:7\", \"64500:*\", \"no-export\"]",
            ),
            Self::NextHop => f.write_str("an IPv6 address or \"self\""),
            Self::TenantPorts => {
                f.write_str("a list of ports such as [\"lan.10\", \"vm1\", \"vm2.untagged\"]")
            }
            Self::Cookie => f.write_str("8 or 16 hexadecimal digits, or \"file:PATH\" of them"),
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
    &redistribute::REDISTRIBUTE,
    &bfd::BFD,
    &bgp_keys::BGP,
    &bgp_keys::BGP_GROUP,
    &bgp_keys::BGP_NEIGHBOR,
    &bgp_keys::BGP_DYNAMIC,
    &rpki::RPKI,
    &rpki::RPKI_CACHE,
    &bmp::BMP,
    &bmp::BMP_STATION,
    &policy::PREFIX_LIST,
    &policy::POLICY,
    &policy::POLICY_CLAUSE,
    &port::PORT,
    &route::ROUTE,
    &route::NEIGHBOR,
    &tenant::TENANT,
    &tenant::TENANT_PSEUDOWIRE,
];

/// What people of other routers look for and there is not, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// Where they look: the block and those in it; empty for the top of the file.
    pub block: &'static str,
    /// Parts of names that mean it.
    pub words: &'static [&'static str],
    /// Why it is not there.
    pub reason: &'static str,
    /// What there is instead.
    pub instead: &'static str,
}

const NOTHING_LEAVES_OSPF: &str = "routes of OSPF never go into BGP";
const AGGREGATES: &str = "name what the cluster announces in `aggregates` of [bgp]; the other way, \
                          from BGP into OSPF, is [ospf.redistribute]";

/// All that is absent on purpose.
pub const ABSENCES: &[Absence] = &[
    Absence {
        block: "bgp",
        words: &["redistribut", "ospf", "import_from", "export_from"],
        reason: NOTHING_LEAVES_OSPF,
        instead: AGGREGATES,
    },
    Absence {
        block: "policy",
        words: &["protocol", "ospf"],
        reason: "a policy sees routes of BGP only; routes of OSPF never go into BGP",
        instead: AGGREGATES,
    },
    Absence {
        block: "ospf.redistribute",
        words: &["into", "to", "destination", "target"],
        reason: "this block leads from BGP into OSPF; routes of OSPF never go into BGP",
        instead: "name what the cluster announces in `aggregates` of [bgp]",
    },
    Absence {
        block: "",
        words: &["redistribut"],
        reason: "redistribution goes one way, from BGP into OSPF",
        instead: "write [ospf.redistribute]; what BGP announces are the `aggregates` of [bgp]",
    },
    Absence {
        block: "bgp",
        words: &["network"],
        reason: "what the cluster announces are its aggregates",
        instead: "write `aggregates = [\"2001:db8::/32\"]` in [bgp]",
    },
    Absence {
        block: "ospf",
        words: &["default_information", "default-information", "default_originate"],
        reason: "OSPF makes no default route of its own",
        instead: "one from BGP goes in where the policy of [ospf.redistribute] names ::/0",
    },
];

/// Words of other routers and what they are here, for keys and for values.
pub const HABITS: &[(&str, &str)] = &[
    ("permit", "accept"),
    ("allow", "accept"),
    ("deny", "reject"),
    ("discard", "reject"),
    ("continue", "next"),
    ("remote_as", "asn"),
    ("peer_group", "group"),
    ("update_source", "local_address"),
    ("source_address", "local_address"),
    ("ebgp_multihop", "multihop"),
    ("ttl_security", "ttl_security_hops"),
    ("gtsm", "ttl_security_hops"),
    ("maximum_prefix", "max_prefix"),
    ("import_limit", "max_prefix"),
    ("local_role", "role"),
    ("strict_mode", "role_strict"),
    ("allowas_in", "allow_own_as"),
    ("holdtime", "hold_time"),
    ("maximum_paths", "multipath"),
    ("route_map", "policy"),
    ("set.metric", "set.med"),
    ("match.metric", "match.med"),
    ("set.as_path", "set.prepend"),
    ("set.community", "set.communities"),
    ("match.community", "match.communities"),
    ("match.prefix", "match.prefixes"),
    ("on_match", "action"),
];

/// What a word of other routers is among these.
pub fn habit(word: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let (_, ours) = HABITS.iter().find(|(theirs, _)| *theirs == word)?;
    known.into_iter().find(|known| known == ours)
}

/// Why there is no such name in a block, where that is on purpose.
pub fn absence(block: &str, name: &str) -> Option<&'static Absence> {
    let name = name.to_ascii_lowercase();
    ABSENCES.iter().find(|absence| {
        let below = block.strip_prefix(absence.block);
        let is_there = match absence.block {
            "" => block.is_empty(),
            _ => below.is_some_and(|below| below.is_empty() || below.starts_with('.')),
        };
        let means = |word: &&str| if word.len() > 3 { name.contains(word) } else { name == **word };
        is_there && absence.words.iter().any(means)
    })
}

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
    fn habits_lead_to_what_exists() {
        let keys = || BLOCKS.iter().flat_map(|block| block.keys);
        let is_word = |word: &str| {
            keys().any(|key| match key.kind {
                KeyKind::Choice(words) => words.contains(&word),
                _ => false,
            })
        };
        for (theirs, ours) in HABITS {
            assert!(keys().any(|key| key.name == *ours) || is_word(ours), "{ours}");
            assert!(keys().all(|key| key.name != *theirs) && !is_word(theirs), "{theirs}");
        }
        assert_eq!(habit("remote-as", ["asn", "port"].into_iter()), Some("asn"));
        assert_eq!(habit("remote-as", ["port"].into_iter()), None);
    }

    #[test]
    fn what_exists_is_not_absent() {
        for block in BLOCKS {
            let within = block.name.rsplit_once('.').map_or("", |(outer, _)| outer);
            let own = block.name.rsplit('.').next().unwrap_or("");
            assert_eq!(absence(within, own), None, "{}", block.name);
            for key in block.keys {
                assert_eq!(absence(block.name, key.name), None, "{}.{}", block.name, key.name);
            }
        }
        assert!(absence("bgp", "redistribute_ospf").is_some());
        assert!(absence("bgp.neighbor", "redistribute").is_some());
        assert!(absence("policy.clause", "match.protocol").is_some());
        assert!(absence("", "redistribution").is_some());
    }
}
