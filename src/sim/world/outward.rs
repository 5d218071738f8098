//! The world's side of edges.
//!
//! Owns which uplinks work, what that makes of the ways out, and what stands on a host beside the
//! router.

use super::World;
use crate::config::Config;
use crate::control::Input;
use crate::sim::clock::Clock;
use crate::sim::edges::{Edges, Filter, PREFIXES};
use crate::sim::exits::{Exit, Exits};
use crate::sim::feed::Feed;
use crate::sim::node::{Control, Host};
use crate::sim::tcp::HostTcp;
use std::rc::Rc;

impl<C: Control> World<C> {
    /// The edges of the cluster and the providers behind them.
    pub fn edges(&self) -> Edges {
        self.setup.edges()
    }

    /// The ways out of the cluster that work at this moment.
    pub fn exits(&self) -> Rc<Exits> {
        Rc::clone(self.exits.get_or_init(|| Rc::new(self.draw_exits())))
    }

    /// Whether the uplink of an edge works, with whoever is at its ends.
    pub fn is_uplink_usable(&self, edge: usize) -> bool {
        self.links.get(self.cable_count() + edge).is_some_and(|link| self.is_usable(link))
    }

    fn draw_exits(&self) -> Exits {
        let edges = self.edges();
        let exit = |prefix: usize, edge: usize| {
            let med = edges.med(prefix, edge).filter(|_| self.is_uplink_usable(edge))?;
            let router = edges.router(edge);
            Some(Exit { router, metric: self.slots[router].filter.metric(prefix, med) })
        };
        let count = if edges.count() == 0 { 0 } else { PREFIXES };
        Exits::new(
            (0..count)
                .map(|prefix| (0..edges.count()).filter_map(|edge| exit(prefix, edge)).collect()),
        )
    }

    /// What stands beside a router on its host.
    pub(super) fn host(&self, router: usize, (seed, clock): (u64, Clock), config: &Config) -> Host {
        let edges = self.edges();
        let feed = edges.provider_at(router).map(|provider| Feed::new(edges, provider));
        let tcp = config.bgp.as_ref().map(|_| HostTcp::new(clock.read(self.now), seed));
        Host { tcp, feed }
    }

    /// An edge gets a configuration that lets other prefixes into the cluster.
    pub(super) fn refilter(&mut self, router: usize, filter: Filter) {
        self.slots[router].filter = filter;
        let now = self.now;
        let (config, _) = self.describe(router);
        let input = Input::Configure(Box::new(config));
        self.with_node(router, |node| node.input(now, input));
    }
}
