//! The area as its router- and network-LSAs tell it, kept up to date LSA by LSA.
//!
//! Owns [`Area`]: a dense number for every router and transit network, what each tells, the links
//! that both ends tell, and what routers do for repairs. A changed LSA costs the links of its
//! router and of those it names; a calculation only copies the result ([`Area::graph`]). Prefixes
//! are kept in `calculate`.
//!
//! *Invariants*: `links` of a vertex are exactly those of its `told` whose other end tells them
//! too; a number stays with its name for as long as the vertex is told or held, and is handed out
//! again afterwards; nothing here depends on the order in which LSAs came, but numbers and the
//! order of links.
//!
//! *Standards*: RFC 5340 §A.4.3 (router-LSAs of one router are one), §4.4.3.2 (options of the
//! lowest Link State ID hold), §A.2 (V6- and R-bit); RFC 2328 §16.1 step 2 (b) (link back), which
//! is compared with Interface IDs where both ends are routers, so that one dead cable of two
//! parallel ones is seen.

use super::spf::{Graph, Link, VertexId, VertexKind};
use crate::base::ids::RouterId;
use crate::wire::ospf::{
    LsType, Lsa, LsaBody, LsaKey, NetworkLsa, Options, RepairLsa, RouterFlags, RouterLink,
    RouterLinkType, RouterLsa,
};
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// A router or a transit network (its Designated Router and the Interface ID of that).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VertexName {
    /// A router.
    Router(RouterId),
    /// A network.
    Network(RouterId, u32),
}

/// The router- and network-LSAs of an area, read and joined. One exists per area.
#[derive(Clone, Debug, Default)]
pub struct Area {
    names: BTreeMap<VertexName, VertexId>,
    vertices: Vec<Vertex>,
    /// The AS boundary routers.
    boundary: BTreeMap<VertexId, RouterId>,
    /// Numbers that nobody has.
    free: Vec<VertexId>,
}

#[derive(Clone, Debug)]
struct Vertex {
    name: VertexName,
    /// `None` while no LSA tells of it, or while its V6-bit is clear.
    kind: Option<VertexKind>,
    /// The router-LSAs, by Link State ID.
    parts: Vec<Part>,
    /// What it says of its links, sorted.
    told: Vec<Told>,
    /// Those of `told` that the other end tells too.
    links: Vec<Link>,
    /// What it does for repairs.
    repair: Option<RepairLsa>,
    /// How many others keep the number.
    holders: u32,
}

/// What a router-LSA says of the router itself.
#[derive(Clone, Copy, Debug)]
struct Part {
    link_state_id: u32,
    options: Options,
    flags: RouterFlags,
}

/// One link in an LSA. The order is that of the search for the link back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    to: VertexName,
    interface_id: u32,
    neighbor_interface_id: u32,
    cost: u16,
    /// Link State ID of the router-LSA.
    part: u32,
}

impl Area {
    /// Takes a router- or network-LSA in place of the instance before; LSAs at MaxAge and those
    /// that cannot be read say nothing.
    pub fn learn(&mut self, lsa: &Lsa) {
        let key = lsa.key();
        let body = if lsa.header.is_max_age() { None } else { lsa.body().ok() };
        match body {
            Some(LsaBody::Router(body)) => self.set_part(key, Some(&body)),
            Some(LsaBody::Network(body)) => self.set_network(key, Some(&body)),
            Some(LsaBody::Repair(body)) => self.set_repair(key, Some(body)),
            _ => self.forget(key),
        }
    }

    /// The LSA is gone.
    pub fn forget(&mut self, key: LsaKey) {
        match key.ls_type {
            LsType::ROUTER => self.set_part(key, None),
            LsType::NETWORK => self.set_network(key, None),
            LsType::REPAIR => self.set_repair(key, None),
            _ => {}
        }
    }

    /// The number of a vertex that is told or held.
    pub fn vertex(&self, name: VertexName) -> Option<VertexId> {
        self.names.get(&name).copied()
    }

    /// The number of a router that is told.
    pub fn router(&self, id: RouterId) -> Option<VertexId> {
        let vertex = self.vertex(VertexName::Router(id))?;
        self.vertices[vertex.index()].kind.map(|_| vertex)
    }

    /// Whether two routers tell of the cable between them, each by its own Interface ID first.
    pub fn has_link(&self, here: (RouterId, u32), there: (RouterId, u32)) -> bool {
        let (Some(from), Some(to)) = (self.router(here.0), self.router(there.0)) else {
            return false;
        };
        self.vertices[from.index()].links.iter().any(|link| {
            link.to == to && (link.interface_id, link.neighbor_interface_id) == (here.1, there.1)
        })
    }

    /// What a router does for the repairs of others, where it says so.
    pub fn repair(&self, vertex: VertexId) -> Option<&RepairLsa> {
        self.vertices.get(vertex.index())?.repair.as_ref()
    }

    /// The name that a number stands for, also after the vertex went and until another comes.
    pub fn name(&self, vertex: VertexId) -> Option<VertexName> {
        self.vertices.get(vertex.index()).map(|vertex| vertex.name)
    }

    /// Place of every vertex in the order of names, by number.
    pub fn ranks(&self) -> Vec<u32> {
        let mut ranks = vec![u32::MAX; self.vertices.len()];
        for (rank, vertex) in (0..).zip(self.names.values()) {
            ranks[vertex.index()] = rank;
        }
        ranks
    }

    /// Keeps a number for a name, told or not, until it is released as often.
    pub fn hold(&mut self, name: VertexName) -> VertexId {
        let vertex = self.number(name);
        self.vertices[vertex.index()].holders += 1;
        vertex
    }

    /// See [`Area::hold`].
    pub fn release(&mut self, vertex: VertexId) {
        self.vertices[vertex.index()].holders -= 1;
        self.free_if_idle(vertex);
    }

    /// The AS boundary routers: those that say so (E-bit) where their router-LSAs differ in that,
    /// in the one of the lowest Link State ID (RFC 5340 §A.4.3).
    pub const fn boundary_routers(&self) -> &BTreeMap<VertexId, RouterId> {
        &self.boundary
    }

    /// Copies the area for a calculation into `graph`, vertex by number.
    pub fn write_graph(&self, graph: &mut Graph) {
        graph.clear();
        for vertex in &self.vertices {
            let kind = vertex.kind.unwrap_or(VertexKind::EndRouter);
            graph.add_vertex(kind, &vertex.links);
        }
    }

    /// The area as a graph.
    pub fn graph(&self) -> Graph {
        let mut graph = Graph::default();
        self.write_graph(&mut graph);
        graph
    }

    /// Octets on the heap, about.
    pub fn heap_bytes(&self) -> usize {
        let vertex = |vertex: &Vertex| {
            size_of::<Part>() * vertex.parts.capacity()
                + size_of::<Told>() * vertex.told.capacity()
                + size_of::<Link>() * vertex.links.capacity()
        };
        self.vertices.iter().map(vertex).sum::<usize>()
            + self.vertices.capacity() * size_of::<Vertex>()
            + self.names.len() * size_of::<(VertexName, VertexId)>() * 3 / 2
    }

    fn set_part(&mut self, key: LsaKey, body: Option<&RouterLsa>) {
        let name = VertexName::Router(key.advertising_router);
        let part = key.link_state_id;
        let id = self.change(name, |vertex| {
            vertex.parts.retain(|other| other.link_state_id != part);
            vertex.told.retain(|told| told.part != part);
            if let Some(body) = body {
                let (options, flags) = (body.options, body.flags);
                vertex.parts.push(Part { link_state_id: part, options, flags });
                vertex.parts.sort_unstable_by_key(|part| part.link_state_id);
                vertex.told.extend(body.links.iter().filter_map(|link| Told::read(link, part)));
            }
            // Where options differ, those of the lowest Link State ID hold. With the V6-bit clear
            // the router is left out of IPv6 routing, with the R-bit clear it is an end.
            let options = vertex.parts.first().map(|part| part.options);
            vertex.kind = options.filter(|said| said.contains(Options::V6)).map(|said| {
                if said.contains(Options::R) { VertexKind::Router } else { VertexKind::EndRouter }
            });
        });
        let first = self.vertices[id.index()].parts.first();
        if first.is_some_and(|part| part.flags.contains(RouterFlags::EXTERNAL)) {
            self.boundary.insert(id, key.advertising_router);
        } else {
            self.boundary.remove(&id);
        }
    }

    fn set_network(&mut self, key: LsaKey, body: Option<&NetworkLsa>) {
        let name = VertexName::Network(key.advertising_router, key.link_state_id);
        self.change(name, |vertex| {
            let attached = body.map_or(&[][..], |body| &body.attached_routers);
            let told = |router: &RouterId| Told {
                to: VertexName::Router(*router),
                interface_id: 0,
                neighbor_interface_id: 0,
                cost: 0,
                part: 0,
            };
            vertex.told = attached.iter().map(told).collect();
            vertex.kind = body.map(|_| VertexKind::Network);
        });
    }

    fn set_repair(&mut self, key: LsaKey, body: Option<RepairLsa>) {
        if is_ignored(key) {
            return;
        }
        let vertex = self.number(VertexName::Router(key.advertising_router));
        self.vertices[vertex.index()].repair = body;
        self.free_if_idle(vertex);
    }

    /// Changes what a vertex tells, and the links of everybody concerned; returns its number.
    fn change(&mut self, name: VertexName, edit: impl FnOnce(&mut Vertex)) -> VertexId {
        let id = self.number(name);
        let mut concerned: Vec<VertexId> = self.neighbors(id).collect();
        let vertex = &mut self.vertices[id.index()];
        edit(vertex);
        vertex.told.sort_unstable();
        vertex.told.shrink_to_fit();
        let links = self.mutual_links(id, &self.vertices[id.index()].told).collect();
        self.vertices[id.index()].links = links;
        concerned.extend(self.neighbors(id));
        concerned.sort_unstable();
        concerned.dedup();
        for other in concerned.into_iter().filter(|other| *other != id) {
            let back: Vec<Link> = self.mutual_links(other, self.told_of(other, name)).collect();
            let links = &mut self.vertices[other.index()].links;
            links.retain(|link| link.to != id);
            links.extend(back);
        }
        self.free_if_idle(id);
        id
    }

    fn neighbors(&self, vertex: VertexId) -> impl Iterator<Item = VertexId> {
        self.vertices[vertex.index()].links.iter().map(|link| link.to)
    }

    /// What a vertex tells of its links to another.
    fn told_of(&self, vertex: VertexId, to: VertexName) -> &[Told] {
        let told = &self.vertices[vertex.index()].told;
        let start = told.partition_point(|told| told.to < to);
        let end = told.partition_point(|told| told.to <= to);
        told.get(start..end).unwrap_or(&[])
    }

    /// Those of `told`, by `from`, that the other end tells too.
    fn mutual_links(&self, from: VertexId, told: &[Told]) -> impl Iterator<Item = Link> {
        told.iter().filter_map(move |told| {
            let to = self.vertex(told.to)?;
            self.vertices[from.index()].kind?;
            self.vertices[to.index()].kind?;
            Some(Link {
                to,
                interface_id: told.interface_id,
                neighbor_interface_id: told.neighbor_interface_id,
                cost: told.cost,
                cost_back: self.cost_back(from, to, told)?,
            })
        })
    }

    /// RFC 2328 §16.1 step 2 (b): what the link costs the vertex at the other end, which must tell
    /// it.
    fn cost_back(&self, from: VertexId, to: VertexId, told: &Told) -> Option<u16> {
        let name = self.vertices[from.index()].name;
        let back = self.told_of(to, name);
        if let (VertexName::Router(_), VertexName::Router(_)) = (name, told.to) {
            let wanted = (told.neighbor_interface_id, told.interface_id);
            let ids = |back: &Told| (back.interface_id, back.neighbor_interface_id);
            let at = back.partition_point(|back| ids(back) < wanted);
            return back.get(at).filter(|back| ids(back) == wanted).map(|back| back.cost);
        }
        back.iter().map(|back| back.cost).min()
    }

    /// The number of a name, a new one where it has none.
    fn number(&mut self, name: VertexName) -> VertexId {
        if let Some(known) = self.vertex(name) {
            return known;
        }
        let vertex = Vertex {
            name,
            kind: None,
            parts: Vec::new(),
            told: Vec::new(),
            links: Vec::new(),
            repair: None,
            holders: 0,
        };
        let id = self.free.pop().unwrap_or_else(|| {
            let next = u32::try_from(self.vertices.len());
            VertexId(next.unwrap_or_else(|_| unreachable!("the database is limited")))
        });
        match self.vertices.get_mut(id.index()) {
            Some(idle) => *idle = vertex,
            None => self.vertices.push(vertex),
        }
        self.names.insert(name, id);
        id
    }

    fn free_if_idle(&mut self, id: VertexId) {
        let vertex = &self.vertices[id.index()];
        let is_told = !vertex.parts.is_empty() || vertex.kind.is_some() || vertex.repair.is_some();
        if !is_told && vertex.holders == 0 {
            self.names.remove(&vertex.name);
            self.free.push(id);
        }
    }
}

/// Whether an LSA tells an area nothing: a router has one repair-LSA, with Link State ID zero.
pub fn is_ignored(key: LsaKey) -> bool {
    key.ls_type == LsType::REPAIR && key.link_state_id != 0
}

impl Told {
    /// RFC 2328 §C.3 forbids a cost of zero; it counts as one, so that no router is reached again
    /// at the distance at which it was left.
    fn read(link: &RouterLink, part: u32) -> Option<Self> {
        let router = link.neighbor_router_id;
        let to = match link.link_type {
            RouterLinkType::PointToPoint => VertexName::Router(router),
            RouterLinkType::Transit => VertexName::Network(router, link.neighbor_interface_id),
            RouterLinkType::Virtual | RouterLinkType::Other(_) => return None,
        };
        Some(Self {
            to,
            interface_id: link.interface_id,
            neighbor_interface_id: link.neighbor_interface_id,
            cost: link.metric.max(1),
            part,
        })
    }
}

#[cfg(test)]
impl Area {
    /// The LSAs that are told.
    pub(super) fn known(&self) -> impl Iterator<Item = LsaKey> {
        self.vertices.iter().flat_map(|vertex| {
            let (ls_type, advertising_router, ids) = match vertex.name {
                VertexName::Router(id) => {
                    let ids = vertex.parts.iter().map(|part| part.link_state_id);
                    (LsType::ROUTER, id, ids.collect())
                }
                VertexName::Network(id, number) => {
                    let ids = vertex.kind.map(|_| number);
                    (LsType::NETWORK, id, ids.into_iter().collect::<Vec<u32>>())
                }
            };
            ids.into_iter().map(move |link_state_id| LsaKey {
                ls_type,
                advertising_router,
                link_state_id,
            })
        })
    }

    /// The repair-LSAs that are told.
    pub(super) fn known_repairs(&self) -> impl Iterator<Item = LsaKey> {
        let tell = self.vertices.iter().filter(|vertex| vertex.repair.is_some());
        tell.filter_map(|vertex| match vertex.name {
            VertexName::Router(advertising_router) => {
                Some(LsaKey { ls_type: LsType::REPAIR, advertising_router, link_state_id: 0 })
            }
            VertexName::Network(..) => None,
        })
    }
}
