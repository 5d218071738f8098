//! Whether those at a failure repair everything that went over it.
//!
//! Owns [`is_covered`], which routers that would wait for others ask first: packets on old routes
//! arrive at the failure for as long as they wait, and who stands there must have a way around it.
//! Every router works the answer out from the same graph, so that all come to the same one.
//!
//! *Invariants*: nothing is taken as covered that the routers at the failure, which calculate
//! [`super::repair`] from the same LSAs, have no repair for.
//! *Standards*: RFC 5714 §3 (who repairs, what is repaired).

use super::area::Area;
use super::distances::{Direction, Distances, UNREACHED};
use super::order::Site;
use super::repair::{Ground, Repairs, common};
use super::spf::{FIRST_HOP_MAX, FirstHop, Graph, Link, VertexId, shortest_paths};
use crate::base::ids::PortId;
use crate::base::route::{Protection, RouteNextHop};
use core::net::Ipv6Addr;

/// Whether whatever is still reached after what happened at `site` is repaired there, in the change
/// from the graph `old` to `new`.
pub(super) fn is_covered(area: &Area, (old, new): (&Graph, &Graph), site: Site) -> bool {
    let plan = |(here, dead, least)| covers(area, (old, new), here, dead, least);
    match site {
        Site::Link(one, other) => {
            let ends = [(one, other, Protection::Link), (other, one, Protection::Link)];
            ends.into_iter().all(plan)
        }
        Site::Router(router) => {
            let neighbors = old.links_of(router).iter().map(|link| link.to);
            neighbors.map(|here| (here, router, Protection::Node)).all(plan)
        }
    }
}

/// Whether the router `here` has a repair for everything that it can send to its neighbour `dead`
/// only; `least` is what must have died with it.
fn covers(
    area: &Area,
    (old, new): (&Graph, &Graph),
    here: VertexId,
    dead: VertexId,
    least: Protection,
) -> bool {
    let first_hop = |link: &Link| FirstHop {
        interface_id: link.interface_id,
        neighbor: link.to,
        neighbor_interface_id: link.neighbor_interface_id,
    };
    let hops: Vec<FirstHop> = old.links_of(here).iter().map(first_hop).collect();
    let ranks = area.ranks();
    let is_known = here.index() < new.vertex_count() && old.vertex_count() <= ranks.len();
    if hops.len() > FIRST_HOP_MAX || !is_known {
        return false;
    }
    // What protects one of several cables may go over another, and that is dead, too.
    let is_alone = hops.iter().filter(|hop| hop.neighbor == dead).count() == 1;
    let least = if is_alone { least } else { Protection::Node };
    let tree = shortest_paths(old, here, &hops);
    // Repairs name ports; nobody sends by these.
    let ways: Vec<RouteNextHop> = (0..)
        .zip(&hops)
        .map(|(port, _)| RouteNextHop { port: PortId(port), address: Ipv6Addr::UNSPECIFIED })
        .collect();
    let ground = Ground {
        area,
        graph: old,
        tree: &tree,
        root: here,
        first_hops: &hops,
        ways: &ways,
        ranks: &ranks,
        exits: &[],
    };
    let repairs = Repairs::calculate(ground);
    let left = Distances::all(new, here, Direction::From);
    let neighbors: Vec<VertexId> = hops.iter().map(|hop| hop.neighbor).collect();
    let is_left = |vertex: &VertexId| {
        vertex.index() < new.vertex_count() && left[*vertex] != UNREACHED && *vertex != here
    };
    tree.reached().filter(is_left).all(|vertex| {
        let Some(reach) = tree.reach(vertex) else { return true };
        let next = common(&neighbors, reach.next_hops).and_then(|at| neighbors.get(at));
        if next != Some(&dead) {
            return true;
        }
        let answer = repairs.of(vertex, reach.next_hops).and_then(Result::ok);
        let repair = answer.and_then(|number| repairs.list.get(usize::from(number)));
        repair.is_some_and(|repair| repair.protects == Protection::Node || repair.protects == least)
    })
}
