//! What all daemons have in common: what a test wishes of one, and what it asks.
//!
//! Owns [`Wish`], [`Peer`] and [`Kind`]. How a wish is written, and how an answer is read, is for
//! the file of each daemon.

use super::bird::{BIRD, BIRDC, Bird};
use super::frr::{BGPD, Frr, VTYSH, ZEBRA};
use super::gobgp::{GOBGP, GOBGPD, Gobgp};
use super::route::Route;
use super::world::World;
use kumiki::wire::bgp::Role;
use std::net::Ipv6Addr;

/// A prefix that a daemon announces, and what of it is not as usual.
#[derive(Clone, Copy, Debug, Default)]
pub struct Announced<'a> {
    pub prefix: &'a str,
    /// As `64500:7`.
    pub community: Option<&'a str>,
    /// An AS behind the daemon's in its path.
    pub behind: Option<u32>,
}

impl<'a> Announced<'a> {
    /// Without anything unusual.
    pub const fn plain(prefix: &'a str) -> Self {
        Self { prefix, community: None, behind: None }
    }
}

/// How a daemon knows the router on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLink {
    /// It is told the address.
    Named,
    /// It advertises itself, and whoever is there is the router.
    Found,
}

/// What a test wishes of a daemon. Its session with the router is there without a wish.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// Its AS; that of its kind where nothing is said.
    pub asn: Option<u32>,
    pub announces: &'a [Announced<'a>],
    pub password: Option<&'a str>,
    pub has_ttl_security: bool,
    pub role: Option<Role>,
    /// It restarts gracefully, and helps.
    pub has_graceful_restart: bool,
    /// Prefixes that the router may announce.
    pub prefix_max: Option<u32>,
    pub hold_time_s: Option<u16>,
    pub has_add_path: bool,
    /// Whether what it learns goes into the kernel.
    pub forwards: bool,
    /// BFD watches the session; BIRD and FRR.
    pub has_bfd: bool,
    /// It speaks OSPF with the router, as a router of the cluster; BIRD only.
    pub has_ospf: bool,
    /// It speaks with the router over the link-local addresses of their cable; FRR and BIRD only.
    pub on_link: Option<OnLink>,
    /// One more neighbour, which connects: the address of the daemon, the other one and its AS.
    pub far: Option<([Ipv6Addr; 2], u32)>,
}

/// A daemon that runs.
pub trait Peer {
    /// What it has of the router for a prefix.
    fn route(&self, prefix: &str) -> Option<Route>;
    /// How many paths of a prefix it has of the router.
    fn path_count(&self, prefix: &str) -> usize;
    /// How many prefixes it has of the router.
    fn count(&self) -> usize;
    /// Asks the router for all routes.
    fn soft_in(&self);
    /// Shuts the session down, and says why.
    fn shut_down(&self, text: &str);
    /// Kills it; all that it has told the kernel stays.
    fn crash(&self);
    /// Starts it as one that was away.
    fn recover(&self);
    /// The name of its process in the world.
    fn process(&self) -> String;
    /// All that it says of the session and has written to its log.
    fn words(&self) -> String;
}

/// A daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bird,
    Frr,
    Gobgp,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Bird, Self::Frr, Self::Gobgp];

    /// Its name, also in the world.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bird => "bird",
            Self::Frr => "frr",
            Self::Gobgp => "gobgp",
        }
    }

    /// Its AS where nothing else is wished.
    pub const fn asn(self) -> u32 {
        match self {
            Self::Bird => 64_500,
            Self::Frr => 64_501,
            Self::Gobgp => 64_502,
        }
    }

    /// What must be installed.
    pub const fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Bird => &[BIRD, BIRDC],
            Self::Frr => &[BGPD, ZEBRA, VTYSH],
            Self::Gobgp => &[GOBGPD, GOBGP],
        }
    }

    /// Starts it in the namespace of its name.
    pub fn start<'a>(self, world: &'a World, wish: &Wish<'_>) -> Box<dyn Peer + 'a> {
        match self {
            Self::Bird => Box::new(Bird::start(world, wish)),
            Self::Frr => Box::new(Frr::start(world, wish)),
            Self::Gobgp => Box::new(Gobgp::start(world, wish)),
        }
    }
}

/// Those of these that can run here; the reason for the others is printed.
pub fn present(kinds: &[Kind]) -> Vec<Kind> {
    let kinds = kinds.iter().copied();
    kinds.filter(|kind| !super::cannot_interoperate(kind.programs())).collect()
}
