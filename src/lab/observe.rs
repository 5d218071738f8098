//! What the routers say: adjacencies and routes, the same question for every kind of router.
//!
//! *Invariants*: an adjacency counts once at each end, so a network of n cables has 2n of them.

use crate::api::ShowQuery;
use crate::api::request::RouteFilter;
use crate::api::show::ShowReply;
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::RouteSource;
use crate::lab::client;
use crate::lab::error::LabError;
use crate::lab::fabric::Lab;
use crate::lab::peer;
use crate::lab::state::{CableStatus, ServerKind};
use crate::os::netlink::RouteSocket;
use crate::planner::server_name;
use std::collections::BTreeSet;

/// Prefixes a router does not know though it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingRoutes {
    /// The router.
    pub server: usize,
    /// What it does not know.
    pub prefixes: Vec<Ipv6Prefix>,
}

/// How a router goes to a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Who told it.
    pub source: RouteSource,
    /// By which ports.
    pub ports: BTreeSet<String>,
}

impl Lab {
    /// Adjacencies in state Full of one server.
    pub fn full_count(&self, server: usize) -> Result<usize, LabError> {
        match self.state.servers[server].kind {
            ServerKind::Frr => peer::full_count_frr(self, server),
            ServerKind::Bird => peer::full_count_bird(self, server),
            ServerKind::Kumiki => match self.ask(server, ShowQuery::OspfNeighbor)? {
                ShowReply::OspfNeighbor(rows) => {
                    let full = |state: &str| state.eq_ignore_ascii_case("full");
                    Ok(rows.iter().filter(|row| full(&row.state)).count())
                }
                _ => Err(self.unexpected(server)),
            },
        }
    }

    /// Adjacencies in state Full of all servers; one that does not answer has none.
    pub fn full_count_total(&self) -> usize {
        (0..self.server_count()).map(|server| self.full_count(server).unwrap_or(0)).sum()
    }

    /// BFD sessions in state Up of all servers; one that does not answer has none.
    pub fn bfd_up_count(&self) -> usize {
        let of = |server: usize| match self.state.servers[server].kind {
            ServerKind::Frr => peer::bfd_up_count_frr(self, server),
            ServerKind::Bird => peer::bfd_up_count_bird(self, server),
            ServerKind::Kumiki => match self.ask(server, ShowQuery::Bfd)? {
                ShowReply::Bfd(rows) => Ok(rows.iter().filter(|row| row.state == "Up").count()),
                _ => Err(self.unexpected(server)),
            },
        };
        (0..self.server_count()).map(|server| of(server).unwrap_or(0)).sum()
    }

    /// Adjacencies there would be with every cable connected.
    pub fn adjacencies_expected(&self) -> usize {
        2 * self.state.cables.len()
    }

    /// Adjacencies there should be now, over the cables that are connected between routers that
    /// run.
    pub fn adjacencies_possible(&self) -> usize {
        let possible = self.state.cables.iter().filter(|cable| {
            let (a, b) = cable.ends;
            cable.status == CableStatus::Connected && self.is_running(a) && self.is_running(b)
        });
        2 * possible.count()
    }

    /// What a router has to know while all of the lab is well: loopback and LAN prefix of every
    /// server of its cluster, and what comes from outside.
    pub fn expected_prefixes(&self, server: usize) -> Vec<Ipv6Prefix> {
        let cluster = self.state.numbering.cluster(server);
        let mut expected = self.state.numbering.prefixes_of(cluster);
        expected.extend(self.outside_of(cluster));
        expected
    }

    /// Every router compared with that.
    pub fn missing_routes(&self) -> Result<Vec<MissingRoutes>, LabError> {
        let mut missing = Vec::new();
        for server in 0..self.server_count() {
            let known = self.known_prefixes(server)?;
            let expected = self.expected_prefixes(server);
            let prefixes: Vec<Ipv6Prefix> =
                expected.iter().filter(|prefix| !known.contains(prefix)).copied().collect();
            if !prefixes.is_empty() {
                missing.push(MissingRoutes { server, prefixes });
            }
        }
        Ok(missing)
    }

    /// What a router forwards by: Kumiki's FIB, or the kernel's main table. A router's own prefixes
    /// count as known.
    pub fn known_prefixes(&self, server: usize) -> Result<BTreeSet<Ipv6Prefix>, LabError> {
        let mut known: BTreeSet<Ipv6Prefix> = match self.state.servers[server].kind {
            ServerKind::Kumiki => {
                match self.ask(server, ShowQuery::Fib(RouteFilter::default()))? {
                    ShowReply::Fib(rows) => rows.into_iter().map(|row| row.prefix).collect(),
                    _ => return Err(self.unexpected(server)),
                }
            }
            ServerKind::Frr | ServerKind::Bird => {
                let routes = self
                    .server(server)
                    .run(|| RouteSocket::open().and_then(|mut socket| socket.routes()))??;
                routes.into_iter().map(|(prefix, _)| prefix).collect()
            }
        };
        let numbering = self.state.numbering;
        known.insert(Ipv6Prefix::host(numbering.loopback(server)));
        known.insert(numbering.lan_prefix(server));
        Ok(known)
    }

    /// How a Kumiki router goes to a prefix: who told it, and by which ports; `None` where it has
    /// no way.
    pub fn way_to(&self, server: usize, prefix: Ipv6Prefix) -> Result<Option<Way>, LabError> {
        let filter = RouteFilter { prefix: Some(prefix), address: None };
        let ShowReply::Route(rows) = self.ask(server, ShowQuery::Route(filter))? else {
            return Err(self.unexpected(server));
        };
        let selected = rows.into_iter().find(|row| row.is_selected && row.prefix == prefix);
        Ok(selected.map(|row| Way {
            source: row.source,
            ports: row.next_hops.into_iter().map(|next_hop| next_hop.port).collect(),
        }))
    }

    pub(super) fn ask(&self, server: usize, query: ShowQuery) -> Result<ShowReply, LabError> {
        client::show(&self.directory.socket(server), query).map_err(|error| LabError::Answer {
            server: server_name(server),
            reason: error.to_string(),
        })
    }

    /// Lets the control plane of a Kumiki router fail.
    pub fn fail_control(&self, server: usize) -> Result<(), LabError> {
        client::fail_control(&self.directory.socket(server)).map_err(|error| LabError::Answer {
            server: server_name(server),
            reason: error.to_string(),
        })
    }

    fn unexpected(&self, server: usize) -> LabError {
        let reason = client::ClientError::Unexpected.to_string();
        LabError::Answer { server: server_name(server), reason }
    }
}
