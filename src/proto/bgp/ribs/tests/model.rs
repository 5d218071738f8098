//! Everything at random, held against a model that knows nothing of slices, groups and numbers: a
//! map of all paths, the rules of RFC 4271 as eliminations, and what each listener must know.

use super::world::*;
use crate::base::ids::RouterId;
use crate::proto::bgp::ribs::*;
use crate::wire::bgp::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const PREFIXES: u32 = 24;
const HOPS: u8 = 4;

#[derive(Clone, Debug)]
enum Move {
    Announce(PeerId, u8, PathAttributes, Vec<u32>),
    Withdraw(PeerId, Vec<u32>),
    Resolve(u8, Option<u32>),
    Down(PeerId),
    Restart(PeerId, Vec<u32>),
    RefreshBegin(PeerId),
    RefreshEnd(PeerId),
    Process(usize),
    Read(usize, usize),
    Refresh(usize),
    Rejoin(usize),
}

fn senders() -> impl Strategy<Value = PeerId> {
    prop::sample::select(vec![EXTERNAL[0], EXTERNAL[1], CLIENT])
}

fn attributes() -> impl Strategy<Value = PathAttributes> {
    let paths = prop::sample::select(vec![
        vec![64501, 7],
        vec![64502, 7],
        vec![64501],
        vec![70_000, 8, 9],
        vec![64502, ASN],
    ]);
    let meds = prop::option::of(0_u32..3);
    let communities = prop::sample::select(vec![
        vec![],
        vec![],
        vec![Community(64500 << 16 | 7)],
        vec![Community::NO_EXPORT],
        vec![Community::NO_ADVERTISE],
    ]);
    (paths, meds, communities, 0_u8..2, prop::option::of(99_u32..102)).prop_map(
        |(asns, med, communities, origin, local_pref)| PathAttributes {
            med,
            communities,
            local_pref,
            origin: if origin == 0 { Origin::Igp } else { Origin::Incomplete },
            ..path(&asns)
        },
    )
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let numbers = || prop::collection::vec(0..PREFIXES, 1..12);
    let one = prop_oneof![
        8 => (senders(), 0..HOPS, attributes(), numbers())
            .prop_map(|(from, hop, set, list)| Move::Announce(from, hop, set, list)),
        4 => (senders(), numbers()).prop_map(|(from, list)| Move::Withdraw(from, list)),
        4 => (0..HOPS, prop::option::of(1_u32..4)).prop_map(|(hop, cost)| Move::Resolve(hop, cost)),
        1 => senders().prop_map(Move::Down),
        1 => (senders(), numbers()).prop_map(|(from, list)| Move::Restart(from, list)),
        2 => senders().prop_map(Move::RefreshBegin),
        2 => senders().prop_map(Move::RefreshEnd),
        4 => (1_usize..20).prop_map(Move::Process),
        4 => (0_usize..4, 1_usize..200).prop_map(|(listener, octets)| Move::Read(listener, octets)),
        1 => (0_usize..4).prop_map(Move::Refresh),
        1 => (0_usize..4).prop_map(Move::Rejoin),
    ];
    prop::collection::vec(one, 1..80)
}

#[derive(Default)]
struct Model {
    /// By prefix, then peer.
    paths: BTreeMap<u32, BTreeMap<PeerId, (u8, PathAttributes)>>,
    costs: BTreeMap<u8, u32>,
    /// Paths that a peer has not said again since its refresh began.
    stale: BTreeSet<(PeerId, u32)>,
}

type Chosen = (PeerId, u8, PathAttributes);

impl Model {
    fn announce(&mut self, from: PeerId, number: u32, (hop, attributes): (u8, &PathAttributes)) {
        self.stale.remove(&(from, number));
        let paths = self.paths.entry(number).or_default();
        paths.insert(from, (hop, attributes.clone()));
    }

    fn withdraw(&mut self, from: PeerId, number: u32) {
        self.stale.remove(&(from, number));
        if let Some(paths) = self.paths.get_mut(&number) {
            paths.remove(&from);
        }
    }

    /// RFC 4271 §9.1.2.2 to the letter: what is worse than another is taken out, rule by rule.
    fn best(&self, number: u32) -> Option<Chosen> {
        let mut left: Vec<Chosen> = Vec::new();
        for (from, (hop, attributes)) in self.paths.get(&number).into_iter().flatten() {
            let mut attributes = attributes.clone();
            if *from == EXTERNAL[1] {
                match number {
                    _ if number.is_multiple_of(3) => continue,
                    _ if number.is_multiple_of(2) => attributes.med = Some(number),
                    _ => {}
                }
            }
            if attributes.as_path.count(ASN) == 0 && self.costs.contains_key(hop) {
                left.push((*from, *hop, attributes));
            }
        }
        let neighbor = |path: &Chosen| path.2.as_path.first().unwrap();
        fn keep(left: &mut Vec<Chosen>, key: impl Fn(&Chosen) -> u64) {
            let least = left.iter().map(&key).min();
            left.retain(|path| Some(key(path)) == least);
        }
        keep(&mut left, |path| u64::from(u32::MAX - path.2.local_pref.unwrap_or(100)));
        keep(&mut left, |path| path.2.as_path.length() as u64);
        keep(&mut left, |path| path.2.origin as u64);
        let all = left.clone();
        left.retain(|path| {
            let beats = |other: &Chosen| {
                neighbor(other) == neighbor(path)
                    && other.2.med.unwrap_or(0) < path.2.med.unwrap_or(0)
            };
            !all.iter().any(beats)
        });
        keep(&mut left, |path| u64::from(path.0 == CLIENT));
        keep(&mut left, |path| self.costs[&path.1].into());
        keep(&mut left, |path| peer(path.0).router_id.0.into());
        left.pop()
    }

    /// What a listener must know.
    fn told(&self, listener: PeerId, number: u32) -> Option<(NextHop, PathAttributes)> {
        let (from, hop, mut attributes) = self.best(number)?;
        if from == listener || attributes.communities.contains(&Community::NO_ADVERTISE) {
            return None;
        }
        if listener == PeerId(5) {
            attributes.local_pref.get_or_insert(100);
            if from != CLIENT {
                return Some((OWN, attributes));
            }
            attributes.originator_id = Some(peer(CLIENT).router_id);
            attributes.cluster_list = vec![RouterId(1)];
            return Some((next_hop(hop), attributes));
        }
        if attributes.communities.contains(&Community::NO_EXPORT) {
            return None;
        }
        attributes.local_pref = None;
        attributes.med = None;
        if listener == PeerId(4) {
            match number {
                _ if number.is_multiple_of(3) => return None,
                _ if number.is_multiple_of(2) => attributes.med = Some(number),
                _ => {}
            }
        }
        attributes.as_path = attributes.as_path.prepended(ASN, 1);
        Some((OWN, attributes))
    }
}

fn play(world: &mut World, model: &mut Model, step: Move) {
    match step {
        Move::Announce(from, hop, mut attributes, list) => {
            // The codec has left it out.
            attributes.local_pref = attributes.local_pref.filter(|_| from == CLIENT);
            world.announce(from, (hop, &attributes), &list);
            list.into_iter().for_each(|number| model.announce(from, number, (hop, &attributes)));
        }
        Move::Withdraw(from, list) => {
            world.withdraw(from, &list);
            list.into_iter().for_each(|number| model.withdraw(from, number));
        }
        Move::Resolve(hop, cost) => {
            model.costs.remove(&hop);
            model.costs.extend(cost.map(|cost| (hop, cost)));
        }
        Move::Down(from) => {
            world.ribs.peer_down(from, StalePaths::Gone);
            (0..PREFIXES).for_each(|number| model.withdraw(from, number));
            world.ribs.peer_up(from, peer(from)).unwrap();
            rejoin(world, from);
        }
        Move::Restart(from, list) => {
            world.ribs.peer_down(from, StalePaths::Kept);
            world.ribs.peer_up(from, peer(from)).unwrap();
            world.announce(from, (0, &path(&[64501, 7])), &list);
            world.ribs.end_of_stale(from);
            (0..PREFIXES).for_each(|number| model.withdraw(from, number));
            let attributes = path(&[64501, 7]);
            list.into_iter().for_each(|number| model.announce(from, number, (0, &attributes)));
            rejoin(world, from);
        }
        Move::RefreshBegin(from) => {
            world.ribs.begin_stale(from);
            let said = |(_, paths): &(&u32, &BTreeMap<_, _>)| paths.contains_key(&from);
            let numbers = model.paths.iter().filter(said).map(|(number, _)| (from, *number));
            model.stale.extend(numbers);
        }
        Move::RefreshEnd(from) => {
            world.ribs.end_of_stale(from);
            for number in 0..PREFIXES {
                if model.stale.contains(&(from, number)) {
                    model.withdraw(from, number);
                }
            }
        }
        Move::Process(budget) => {
            world.process(budget);
        }
        Move::Read(listener, octets) => {
            world.read(LISTENERS[listener], octets);
        }
        Move::Refresh(listener) => world.ribs.refresh(LISTENERS[listener]),
        Move::Rejoin(listener) => world.join(LISTENERS[listener]),
    }
    // Whoever resolves is asked about next hops, and answers with what it knows.
    for hop in 0..HOPS {
        world.resolve(hop, model.costs.get(&hop).copied());
    }
}

fn rejoin(world: &mut World, peer: PeerId) {
    if LISTENERS.contains(&peer) {
        world.join(peer);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn listeners_and_forwarding_end_where_the_model_does(moves in moves()) {
        let (mut world, mut model) = (World::new(DecisionSettings::default()), Model::default());
        LISTENERS.into_iter().for_each(|listener| world.join(listener));
        for step in moves {
            play(&mut world, &mut model, step);
        }
        world.settle();
        LISTENERS.into_iter().for_each(|listener| world.read_all(listener));
        for number in 0..PREFIXES {
            let best = model.best(number);
            let (exits, route) = (world.exits(number), world.ribs.best(prefix(number)));
            let wanted = best.iter().map(|(_, hop, _)| Gateway::new(next_hop(*hop), None));
            prop_assert_eq!(exits, wanted.collect::<Vec<_>>());
            prop_assert_eq!(route.map(|(from, _)| from), best.map(|(from, ..)| from));
            for listener in LISTENERS {
                let known = world.known[&listener].get(&Nlri::of(prefix(number))).cloned();
                prop_assert_eq!(known, model.told(listener, number), "{} {}", listener, number);
            }
        }
        for listener in LISTENERS {
            let counts = world.ribs.member_counts(listener);
            prop_assert_eq!(counts.announced as usize, world.known[&listener].len());
        }
        // Whatever went on before, nothing is left of it when all are gone.
        for from in [EXTERNAL[0], EXTERNAL[1], CLIENT] {
            world.withdraw(from, &(0..PREFIXES).collect::<Vec<_>>());
        }
        world.settle();
        LISTENERS.into_iter().for_each(|listener| world.read_all(listener));
        // A slice that is long enough to free all.
        world.process(100);
        let ribs = &world.ribs;
        let counts = (ribs.path_count(), ribs.prefix_count(), ribs.exit_group_count());
        prop_assert_eq!(counts, (0, 0, 0));
        prop_assert_eq!((ribs.attribute_set_count(), world.tracked.len()), (0, 0));
        prop_assert!(world.groups.is_empty());
        prop_assert!(world.known.values().all(BTreeMap::is_empty));
    }
}
