//! The hook for policies: whose words change routes on their way in and out.
//!
//! Owns the questions and the answers. The policies themselves are the speaker's, who lends them to
//! every call that may need one.
//!
//! *Invariants*: a policy is a function: the same question, the same answer, until the speaker says
//! that it changed.
//! *Standards*: RFC 4271 §3.2 (policies stand between the RIBs), RFC 8212 (none on an external
//! session: no routes).

use super::peer::PeerId;
use crate::base::prefix::Ipv6Prefix;
use crate::wire::bgp::{NextHop, PathAttributes};

/// A policy, by the number that the speaker gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PolicyId(pub u32);

/// What a path carries: where packets go next, and the attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The next hop; on the way out `None` stands for this router's own address.
    pub next_hop: Option<NextHop>,
    /// The attributes.
    pub attributes: PathAttributes,
}

/// What a policy looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dependence {
    /// Attributes and peer only: it is asked once for all prefixes of a set.
    Attributes,
    /// The prefix as well.
    Prefix,
}

/// What a policy is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The prefix; `None` for a policy that does not depend on it.
    pub prefix: Option<Ipv6Prefix>,
    /// From whom the path came.
    pub from: PeerId,
    /// What it carries.
    pub route: &'a Route,
}

/// What a policy answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not this one.
    Reject,
    /// As it is.
    Accept,
    /// Like this.
    Change(Box<Route>),
}

/// All policies of a speaker.
pub trait Policies {
    /// What a policy looks at.
    fn dependence(&self, policy: PolicyId) -> Dependence;

    /// What becomes of a route. On import it is as the peer sent it; on export it is as the peer
    /// would get it, before this router's AS is put in front.
    fn judge(&self, policy: PolicyId, question: &Question<'_>) -> Verdict;
}
