//! Every step of a change, in every order within a step, is free of loops.

use super::*;
use crate::base::prng::Prng;

/// Links without direction: the two ends and the cost at each.
type Links = BTreeMap<(u32, u32), (u16, u16)>;

fn graph(count: u32, links: &Links) -> Graph {
    let mut graph = Graph::default();
    for vertex in 0..count {
        let own = links.iter().filter_map(|(&(a, b), &(forth, back))| {
            let (to, cost, cost_back) = match vertex {
                v if v == a => (b, forth, back),
                v if v == b => (a, back, forth),
                _ => return None,
            };
            Some(Link {
                to: VertexId(to),
                interface_id: to + 1,
                neighbor_interface_id: vertex + 1,
                cost,
                cost_back,
            })
        });
        graph.add_vertex(VertexKind::Router, &own.collect::<Vec<_>>());
    }
    graph
}

/// A ring with chords: two cuts at least separate it.
fn random_links(prng: &mut Prng, count: u32, chords: u64, is_mixed: bool) -> Links {
    let mut links = Links::new();
    let cost = |prng: &mut Prng| match is_mixed {
        true => 1 + u16::try_from(prng.below(20)).unwrap(),
        false => 10,
    };
    for vertex in 0..count {
        let next = (vertex + 1) % count;
        let costs = (cost(prng), cost(prng));
        links.insert((vertex.min(next), vertex.max(next)), costs);
    }
    for _ in 0..chords {
        let mut end = || u32::try_from(prng.below(u64::from(count))).unwrap();
        let (a, b) = (end(), end());
        if a != b {
            let costs = (cost(prng), cost(prng));
            links.insert((a.min(b), a.max(b)), costs);
        }
    }
    links
}

fn rank(old: &Graph, new: &Graph, own: u32) -> u32 {
    match order((old, new), VertexId(own), |_| false, |_| true) {
        Order::Now => 0,
        Order::After(rank) => rank.steps,
    }
}

/// Whether nobody waits.
fn is_unordered(old: &Graph, new: &Graph, count: u32) -> bool {
    (0..count).all(|own| order((old, new), VertexId(own), |_| false, |_| true) == Order::Now)
}

/// Where each router sends packets for `to`; over a link that is gone it repairs them, which ends
/// the walk.
fn next_hops(graph: &Graph, to: u32, is_gone: impl Fn(u32, u32) -> bool) -> Vec<Vec<u32>> {
    let walk = Walk::towards(graph, VertexId(to));
    let hops = |from: u32| {
        let links = graph.links_of(VertexId(from)).iter();
        let used = links.filter(|link| {
            let (here, there) = (walk.distances[VertexId(from)], walk.distances[link.to]);
            from != to && there != UNREACHED && there + u32::from(link.cost) == here
        });
        used.map(|link| link.to.0).filter(|next| !is_gone(from, *next)).collect()
    };
    (0..u32::try_from(graph.vertex_count()).unwrap()).map(hops).collect()
}

/// Whether packets can come back to a router that they left.
fn has_loop(next_hops: &[&Vec<u32>]) -> bool {
    // Routers whose packets all end are taken away until none is left.
    let mut is_open = vec![true; next_hops.len()];
    loop {
        let ends = |router: usize| next_hops[router].iter().all(|next| !is_open[*next as usize]);
        let found = (0..next_hops.len()).find(|router| is_open[*router] && ends(*router));
        match found {
            Some(router) => is_open[router] = false,
            None => return is_open.contains(&true),
        }
    }
}

/// Lets the routers change over by their ranks, in an order by chance within a rank.
fn check(prng: &mut Prng, count: u32, links: (&Links, &Links), dead: Option<u32>) {
    let (before, after) = (graph(count, links.0), graph(count, links.1));
    let mut turns: Vec<(u32, u64, u32)> =
        (0..count).map(|router| (rank(&before, &after, router), prng.next_u64(), router)).collect();
    turns.sort_unstable();
    let turns: Vec<u32> = turns.into_iter().map(|(.., router)| router).collect();
    if let Some((to, router)) = first_loop(&turns, links, dead) {
        panic!("to {to} when {router} turns; {:?} to {:?}", links.0, links.1);
    }
}

/// The destination of the first loop and the router that made it, when routers turn in this order.
fn first_loop(
    turns: &[u32],
    (old, new): (&Links, &Links),
    dead: Option<u32>,
) -> Option<(u32, u32)> {
    let count = u32::try_from(turns.len()).unwrap();
    let (before, after) = (graph(count, old), graph(count, new));
    let is_gone = |a: u32, b: u32| !new.contains_key(&(a.min(b), a.max(b)));
    for to in (0..count).filter(|to| Some(*to) != dead) {
        let old_hops = next_hops(&before, to, is_gone);
        let new_hops = next_hops(&after, to, |_, _| false);
        let mut state: Vec<&Vec<u32>> = old_hops.iter().collect();
        for router in turns {
            state[*router as usize] = &new_hops[*router as usize];
            if has_loop(&state) {
                return Some((to, *router));
            }
        }
    }
    None
}

#[test]
fn without_an_order_there_are_loops() {
    let links = ring(8);
    let mut rest = links.clone();
    rest.remove(&(0, 1));
    let turns: Vec<u32> = (0..8).collect();
    assert!(first_loop(&turns, (&links, &rest), None).is_some(), "the ends turn first");
    let turns: Vec<u32> = [4, 5, 3, 6, 2, 7, 1, 0].into();
    assert!(first_loop(&turns, (&rest, &links), None).is_some(), "the ends turn last");
}

#[test]
fn the_end_of_a_link_and_its_return_make_no_loop() {
    let mut prng = Prng::new(1);
    for round in 0..400 {
        let count = 4 + u32::try_from(prng.below(12)).unwrap();
        let links = random_links(&mut prng, count, round % 7, round % 3 != 0);
        let nth = usize::try_from(prng.below(links.len() as u64)).unwrap();
        let gone = *links.keys().nth(nth).unwrap();
        let mut rest = links.clone();
        rest.remove(&gone);
        check(&mut prng, count, (&links, &rest), None);
        check(&mut prng, count, (&rest, &links), None);
    }
}

#[test]
fn the_end_of_a_router_and_its_return_make_no_loop() {
    let mut prng = Prng::new(2);
    for round in 0..400 {
        let count = 4 + u32::try_from(prng.below(12)).unwrap();
        let links = random_links(&mut prng, count, round % 9, round % 3 != 0);
        let dead = u32::try_from(prng.below(u64::from(count))).unwrap();
        let mut rest = links.clone();
        rest.retain(|(a, b), _| *a != dead && *b != dead);
        check(&mut prng, count, (&links, &rest), Some(dead));
        check(&mut prng, count, (&rest, &links), Some(dead));
    }
}

#[test]
fn a_router_that_asks_to_be_avoided_and_one_that_no_longer_does_make_no_loop() {
    let mut prng = Prng::new(3);
    for round in 0..200 {
        let count = 4 + u32::try_from(prng.below(12)).unwrap();
        let links = random_links(&mut prng, count, round % 9, round % 2 == 0);
        let stub = u32::try_from(prng.below(u64::from(count))).unwrap();
        let mut drained = links.clone();
        for ((a, b), (forth, back)) in &mut drained {
            if *a == stub {
                *forth = METRIC_MAX;
            }
            if *b == stub {
                *back = METRIC_MAX;
            }
        }
        check(&mut prng, count, (&links, &drained), None);
        check(&mut prng, count, (&drained, &links), None);
    }
}

fn ring(count: u32) -> Links {
    (0..count).map(|v| ((v.min((v + 1) % count), v.max((v + 1) % count)), (10, 10))).collect()
}

#[test]
fn in_a_ring_the_ends_of_a_lost_link_turn_last_and_those_of_a_new_one_first() {
    let links = ring(8);
    let mut rest = links.clone();
    rest.remove(&(0, 1));
    let (before, after) = (graph(8, &links), graph(8, &rest));
    let ranks: Vec<u32> = (0..8).map(|router| rank(&before, &after, router)).collect();
    assert_eq!(ranks, [3, 3, 2, 1, 0, 0, 1, 2]);
    let ranks: Vec<u32> = (0..8).map(|router| rank(&after, &before, router)).collect();
    assert_eq!(ranks, [0, 0, 1, 2, 3, 3, 2, 1]);
}

/// How patiently somebody who keeps no order is waited for (2: long), and the steps of the others,
/// by router.
fn ranks_beside(
    graphs: (&Graph, &Graph),
    strangers: &[u32],
    is_covered: impl Fn(Site) -> bool,
) -> Vec<(u32, u32)> {
    let is_stranger = |vertex: VertexId| strangers.contains(&vertex.0);
    let rank = |own| match order(graphs, VertexId(own), is_stranger, &is_covered) {
        Order::Now => (0, 0),
        Order::After(rank) => (rank.patience as u32, rank.steps),
    };
    (0..u32::try_from(graphs.0.vertex_count()).unwrap()).map(rank).collect()
}

#[test]
fn who_keeps_no_order_is_given_time_when_something_gets_better() {
    let links = ring(8);
    let mut rest = links.clone();
    rest.remove(&(0, 1));
    let (whole, cut) = (graph(8, &links), graph(8, &rest));
    let ranks = |graphs, strangers: &[u32]| ranks_beside(graphs, strangers, |_| false);
    let behind_two = [(0, 0), (0, 0), (0, 1), (2, 1), (2, 2), (0, 3), (0, 2), (0, 1)];
    assert_eq!(ranks((&cut, &whole), &[2]), behind_two);
    assert_eq!(ranks((&cut, &whole), &[2, 4])[..3], behind_two[..3]);
    assert_eq!(ranks((&cut, &whole), &[2, 4])[3], (1, 1), "4 may send back what 3 still sends it");
    // The ring is not whole: 1 to 7 reach 0 anew.
    rest.remove(&(0, 7));
    let apart = graph(8, &rest);
    rest.insert((0, 1), (10, 10));
    let joined = graph(8, &rest);
    assert_eq!(ranks((&apart, &joined), &[2])[3], (0, 0), "there is something new to reach");
}

#[test]
fn who_keeps_no_order_is_given_time_where_all_is_repaired() {
    let links = ring(8);
    let mut rest = links.clone();
    rest.remove(&(0, 1));
    let graphs = (&graph(8, &links), &graph(8, &rest));
    let before_two = [(0, 3), (2, 2), (0, 2), (0, 1), (0, 0), (0, 0), (0, 1), (0, 2)];
    assert_eq!(ranks_beside(graphs, &[2], |_| true), before_two);
    assert_eq!(ranks_beside(graphs, &[2], |_| false), [(0, 0); 8], "nothing is repaired");
    assert_eq!(ranks_beside(graphs, &[1], |_| true), [(0, 0); 8], "at the failure");
    let beside_two = ranks_beside(graphs, &[2, 4], |_| true);
    assert_eq!(beside_two[1], (2, 1), "whoever comes first, 1 sends nothing back");
    assert_eq!(beside_two[3], (1, 0), "2 may send back what 3 still sends it");
}

#[test]
fn who_is_hurried_still_comes_after_every_branch_behind_it() {
    // 3 is between the strangers 2 and 4; another branch behind it is 5, 6, 7.
    let ends = [(0, 1), (0, 2), (2, 3), (3, 4), (3, 5), (5, 6), (6, 7)];
    let links: Links = ends.into_iter().map(|ends| (ends, (10, 10))).collect();
    let mut rest = links.clone();
    rest.remove(&(0, 1));
    let (whole, cut) = (graph(8, &links), graph(8, &rest));
    let ranks = ranks_beside((&whole, &cut), &[2, 4], |_| true);
    assert_eq!((ranks[3], ranks[5], ranks[6]), ((1, 3), (0, 2), (0, 1)));
}

#[test]
fn a_death_that_is_told_link_by_link_is_not_taken_over_before_all_is_told() {
    let links = Links::from(
        [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 5), (4, 5), (5, 6)].map(|e| (e, (10, 10))),
    );
    let mut rest = links.clone();
    let whole = graph(7, &links);
    rest.remove(&(0, 1));
    rest.remove(&(0, 2));
    let part = ranks_beside((&whole, &graph(7, &rest)), &[6], |_| true);
    assert!(part[1..6].iter().all(|(patience, _)| *patience == 1), "{part:?}");
    rest.remove(&(0, 3));
    let all = ranks_beside((&whole, &graph(7, &rest)), &[6], |_| true);
    assert_eq!(all[5].0, 2, "6 sent by 5: {all:?}");
    let bare = ranks_beside((&whole, &graph(7, &rest)), &[6], |_| false);
    assert_eq!(bare, [(0, 0); 7], "nothing is repaired");
}

#[test]
fn what_is_avoided_but_alive_needs_no_repair() {
    let links = ring(8);
    let mut dear = links.clone();
    dear.insert((0, 1), (METRIC_MAX, METRIC_MAX));
    let graphs = (&graph(8, &links), &graph(8, &dear));
    let before_two = [(0, 3), (2, 2), (0, 2), (0, 1), (0, 0), (0, 0), (0, 1), (0, 2)];
    assert_eq!(ranks_beside(graphs, &[2], |_| false), before_two);
    dear.insert((0, 7), (METRIC_MAX, 10));
    let graphs = (&graph(8, &links), &graph(8, &dear));
    assert_eq!(ranks_beside(graphs, &[2], |_| false)[1], (2, 2), "0 drains");
}

#[test]
fn who_comes_before_one_that_keeps_no_order_takes_short_steps() {
    let links = ring(8);
    let mut rest = links.clone();
    rest.remove(&(0, 1));
    let (whole, cut) = (graph(8, &links), graph(8, &rest));
    let pace = |graphs, own| match order(graphs, VertexId(own), |v| v == VertexId(3), |_| true) {
        Order::Now => None,
        Order::After(rank) => Some((rank.patience, rank.pace)),
    };
    assert_eq!(pace((&cut, &whole), 2), Some((Patience::None, Pace::Brisk)), "3 comes after it");
    assert_eq!(pace((&cut, &whole), 4), Some((Patience::Long, Pace::Usual)), "3 comes before it");
    assert_eq!(pace((&cut, &whole), 6), Some((Patience::None, Pace::Usual)), "3 is elsewhere");
    assert_eq!(pace((&whole, &cut), 2), Some((Patience::Long, Pace::Usual)));
    // From 4 to 1 the packets of 4 go through 3.
    assert_eq!(pace((&whole, &cut), 4), None, "the furthest");
}

#[test]
fn who_keeps_no_order_and_raises_a_cost_goes_first() {
    let links = ring(8);
    let mut dear = links.clone();
    dear.insert((0, 1), (METRIC_MAX, 10));
    let graphs = (&graph(8, &links), &graph(8, &dear));
    assert_eq!(ranks_beside(graphs, &[0], |_| true), [(0, 0); 8]);
    assert_eq!(ranks_beside(graphs, &[1], |_| true)[0], (0, 3), "the other end keeps its routes");
}

#[test]
fn one_that_keeps_no_order_makes_no_loop_when_those_behind_it_were_faster() {
    let mut prng = Prng::new(4);
    let mut waits = 0;
    for round in 0..600 {
        let count = 5 + u32::try_from(prng.below(11)).unwrap();
        let links = random_links(&mut prng, count, round % 7, round % 3 != 0);
        let mut some = || u32::try_from(prng.below(u64::from(count))).unwrap();
        let (stranger, dead) = (some(), (round % 2 == 0).then(&mut some));
        let nth = usize::try_from(prng.below(links.len() as u64)).unwrap();
        let gone = *links.keys().nth(nth).unwrap();
        let is_near = |(a, b): &(u32, u32)| {
            let (is_here, is_dead) = (*a == stranger || *b == stranger, dead.is_some());
            is_here && (!is_dead || Some(*a) == dead || Some(*b) == dead)
        };
        let mut rest = links.clone();
        rest.retain(|link, _| match dead {
            Some(dead) => link.0 != dead && link.1 != dead,
            None => *link != gone,
        });
        let is_at_it = links.keys().any(|link| !rest.contains_key(link) && is_near(link));
        if is_at_it || dead == Some(stranger) {
            continue;
        }
        for (from, to) in [(&links, &rest), (&rest, &links)] {
            let graphs = (graph(count, from), graph(count, to));
            let ranks = ranks_beside((&graphs.0, &graphs.1), &[stranger], |_| true);
            let turn = |(router, (behind, steps)): (u32, (u32, u32))| match router == stranger {
                true => (0, u32::MAX, router),
                false => (behind, steps, router),
            };
            let mut turns: Vec<_> = (0..).zip(ranks).map(turn).collect();
            turns.sort_unstable();
            waits += turns.iter().filter(|(behind, ..)| *behind == 2).count();
            let turns: Vec<u32> = turns.into_iter().map(|(.., router)| router).collect();
            if dead.is_some() && to == &links {
                continue;
            }
            assert_eq!(
                first_loop(&turns, (from, to), dead),
                None,
                "{stranger}: {from:?} to {to:?}"
            );
        }
    }
    assert!(waits > 500, "{waits} of them waited");
}

#[test]
fn changes_that_have_nothing_to_do_with_each_other_are_not_ordered() {
    let links = ring(8);
    let mut rest = links.clone();
    rest.remove(&(0, 1));
    rest.remove(&(4, 5));
    let (before, after) = (graph(8, &links), graph(8, &rest));
    assert!(is_unordered(&before, &after, 8));
    let mut mixed = links.clone();
    mixed.insert((2, 3), (5, 15));
    let after = graph(8, &mixed);
    assert!(is_unordered(&before, &after, 8));
}

#[test]
fn a_new_router_that_leads_nowhere_yet_is_not_waited_for() {
    let mut links = ring(8);
    let before = graph(9, &links);
    links.insert((3, 8), (10, METRIC_MAX));
    links.insert((6, 8), (10, METRIC_MAX));
    let after = graph(9, &links);
    assert!(is_unordered(&before, &after, 9));
}

#[test]
fn the_last_of_parallel_links_counts() {
    let links = ring(4);
    let twice = |links: &Links| {
        let mut graph = Graph::default();
        for vertex in (0..4).map(VertexId) {
            let mut own = super::tests::graph(4, links).links_of(vertex).to_vec();
            let more: Vec<Link> =
                own.iter().map(|link| Link { interface_id: 100, ..*link }).collect();
            own.extend(more);
            graph.add_vertex(VertexKind::Router, &own);
        }
        graph
    };
    let (both, one) = (twice(&links), graph(4, &links));
    assert_eq!(Change::between(&both, &one), None);
}
