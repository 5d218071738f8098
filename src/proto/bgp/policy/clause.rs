//! A clause: what must hold of a route, what changes then, what becomes of it.
//!
//! Owns [`Condition`], [`Edit`] and [`Clause`]; in which order clauses are asked is the engine's.
//!
//! *Invariants*: an edit keeps lists of communities sorted and without repetitions.
//! *Standards*: RFC 4271 §5.1, RFC 1997, RFC 8092; RFC 2545 §3 (a next hop of a policy is global).

use super::as_path::AsPathMatcher;
use super::limits::COMMUNITIES_MAX;
use super::origin_validation::RpkiState;
use super::prefix_set::PrefixSet;
use crate::base::community::{AnyCommunity, CommunityPattern};
use crate::base::prefix::Ipv6Prefix;
use crate::proto::bgp::ribs::Route;
use crate::proto::bgp::ribs::attributes::LOCAL_PREF_DEFAULT;
use crate::wire::bgp::{Community, LargeCommunity, NextHop, Origin, PathAttributes};
use core::net::Ipv6Addr;

/// What a route is beside what it carries.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// Its prefix, where somebody asks for it.
    pub prefix: Option<Ipv6Prefix>,
    /// What the RPKI says of it.
    pub rpki: RpkiState,
}

/// What must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The prefix is in a set.
    Prefix(PrefixSet),
    /// The path is like one of these.
    AsPath(Vec<AsPathMatcher>),
    /// The path is so long at least and at most.
    AsPathLength(u32, u32),
    /// For each of these there is a community like it.
    AllCommunities(Vec<CommunityPattern>),
    /// There is a community like one of these.
    AnyCommunities(Vec<CommunityPattern>),
    /// LOCAL_PREF; where there is none, it is 100.
    LocalPref(u32),
    /// MULTI_EXIT_DISC; where there is none, it is zero.
    Med(u32),
    /// ORIGIN.
    Origin(Origin),
    /// One of the two addresses of the next hop.
    NextHop(Ipv6Addr),
    /// What the RPKI says.
    Rpki(RpkiState),
}

fn has_like(attributes: &PathAttributes, pattern: &CommunityPattern) -> bool {
    match pattern {
        CommunityPattern::Standard(_) => {
            attributes.communities.iter().any(|community| pattern.has(*community))
        }
        CommunityPattern::Large(_) => {
            attributes.large_communities.iter().any(|community| pattern.has_large(*community))
        }
    }
}

impl Condition {
    /// Whether the prefix matters.
    pub const fn looks_at_prefix(&self) -> bool {
        matches!(self, Self::Prefix(_) | Self::Rpki(_))
    }

    /// Whether it holds.
    pub fn holds(&self, subject: &Subject, route: &Route) -> bool {
        let attributes = &route.attributes;
        match self {
            Self::Prefix(set) => subject.prefix.is_some_and(|prefix| set.contains(prefix)),
            Self::AsPath(patterns) => {
                patterns.iter().any(|pattern| pattern.matches(&attributes.as_path))
            }
            Self::AsPathLength(least, most) => {
                let length = u32::try_from(attributes.as_path.length()).unwrap_or(u32::MAX);
                (*least..=*most).contains(&length)
            }
            Self::AllCommunities(patterns) => {
                patterns.iter().all(|pattern| has_like(attributes, pattern))
            }
            Self::AnyCommunities(patterns) => {
                patterns.iter().any(|pattern| has_like(attributes, pattern))
            }
            Self::LocalPref(number) => {
                attributes.local_pref.unwrap_or(LOCAL_PREF_DEFAULT) == *number
            }
            Self::Med(number) => attributes.med.unwrap_or(0) == *number,
            Self::Origin(origin) => attributes.origin == *origin,
            Self::NextHop(address) => route.next_hop.is_some_and(|next_hop| {
                next_hop.global == Some(*address) || next_hop.link_local == Some(*address)
            }),
            Self::Rpki(state) => subject.rpki == *state,
        }
    }
}

/// Which next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHopEdit {
    /// This router, on the way out.
    Own,
    /// Another one.
    Address(Ipv6Addr),
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// LOCAL_PREF.
    LocalPref(u32),
    /// MULTI_EXIT_DISC.
    Med(u32),
    /// ORIGIN.
    Origin(Origin),
    /// An AS is put in front of the path.
    Prepend {
        /// Which.
        asn: u32,
        /// How often.
        times: u8,
    },
    /// These communities instead of all others.
    Communities(Vec<AnyCommunity>),
    /// No communities like these.
    RemoveCommunities(Vec<CommunityPattern>),
    /// These communities too.
    AddCommunities(Vec<AnyCommunity>),
    /// The next hop.
    NextHop(NextHopEdit),
    /// The tag in OSPF, which a route of BGP has not got: it is told where it goes there.
    Tag(u32),
}

fn add(attributes: &mut PathAttributes, communities: &[AnyCommunity]) {
    for community in communities {
        match community {
            AnyCommunity::Standard(one) => insert::<Community>(&mut attributes.communities, *one),
            AnyCommunity::Large(one) => {
                insert::<LargeCommunity>(&mut attributes.large_communities, *one);
            }
        }
    }
}

fn insert<T: Ord>(list: &mut Vec<T>, one: T) {
    if let Err(place) = list.binary_search(&one)
        && list.len() < COMMUNITIES_MAX
    {
        list.insert(place, one);
    }
}

impl Edit {
    /// Changes a route.
    pub fn apply(&self, route: &mut Route) {
        let attributes = &mut route.attributes;
        match self {
            Self::LocalPref(number) => attributes.local_pref = Some(*number),
            Self::Med(number) => attributes.med = Some(*number),
            Self::Origin(origin) => attributes.origin = *origin,
            Self::Prepend { asn, times } => {
                attributes.as_path = attributes.as_path.prepended(*asn, usize::from(*times));
            }
            Self::Communities(communities) => {
                attributes.communities.clear();
                attributes.large_communities.clear();
                add(attributes, communities);
            }
            Self::RemoveCommunities(patterns) => {
                let is_kept = |one: &Community| !patterns.iter().any(|pattern| pattern.has(*one));
                attributes.communities.retain(is_kept);
                let is_kept =
                    |one: &LargeCommunity| !patterns.iter().any(|pattern| pattern.has_large(*one));
                attributes.large_communities.retain(is_kept);
            }
            Self::AddCommunities(communities) => add(attributes, communities),
            Self::NextHop(NextHopEdit::Own) => route.next_hop = None,
            Self::NextHop(NextHopEdit::Address(address)) => {
                route.next_hop = Some(NextHop { global: Some(*address), link_local: None });
            }
            Self::Tag(_) => {}
        }
    }
}

/// What becomes of a route that a clause matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It passes.
    Accept,
    /// It does not.
    Reject,
    /// The next clause is asked.
    Next,
}

/// A clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// What must hold, all of it.
    pub conditions: Vec<Condition>,
    /// What changes, in order.
    pub edits: Vec<Edit>,
    /// What becomes of the route.
    pub action: Action,
}

impl Clause {
    /// The first condition that does not hold, by its place; `None` where the clause matches.
    pub fn mismatch(&self, subject: &Subject, route: &Route) -> Option<usize> {
        self.conditions.iter().position(|condition| !condition.holds(subject, route))
    }

    /// Whether `::/0` itself is what it asks for.
    pub fn names_default(&self) -> bool {
        self.conditions.iter().any(|condition| {
            matches!(condition, Condition::Prefix(prefixes) if prefixes.names_default())
        })
    }
}
