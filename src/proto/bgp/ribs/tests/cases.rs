//! Claims about the tables, one a test: deaths and what they move, packing, limits, policies.

use super::world::*;
use crate::base::cursor::Writer;
use crate::base::time::Instant;
use crate::proto::bgp::ribs::decision::MultipathNeighbor;
use crate::proto::bgp::ribs::limits::{NEXT_HOPS_PER_PEER_MAX, PATHS_PER_PREFIX_AND_PEER_MAX};
use crate::proto::bgp::ribs::*;
use crate::wire::bgp::update::Announcement;
use crate::wire::bgp::*;

fn all(count: u32) -> Vec<u32> {
    (0..count).collect()
}

/// The first sender's paths are shorter; the client has the same prefixes.
fn two_exits(count: u32) -> World {
    let mut world = World::new(DecisionSettings::default());
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &all(count));
    world.announce(CLIENT, (1, &path(&[64501, 7])), &all(count));
    world.resolve(0, Some(0));
    world.resolve(1, Some(5));
    world.settle();
    world.changes.clear();
    world
}

#[test]
fn a_lost_next_hop_is_one_change_of_a_group_and_none_of_a_prefix() {
    let mut world = two_exits(500);
    world.resolve(0, None);
    let [Change::Group { id, next_hops, .. }] = world.changes.as_slice() else {
        panic!("{:?}", world.changes)
    };
    assert_eq!(next_hops.as_slice(), [Gateway::new(next_hop(1), None)]);
    assert_eq!(world.routes[&prefix(7)], RouteExits::Group(*id));
    world.changes.clear();
    world.settle();
    assert_eq!(world.changes, [], "deciding anew changes nothing that is forwarded");
    assert_eq!(world.ribs.best(prefix(7)).map(|(from, _)| from), Some(CLIENT));
    world.resolve(0, Some(0));
    world.settle();
    assert_eq!(world.changes.len(), 1, "and back again");
    assert_eq!(world.ribs.best(prefix(7)).map(|(from, _)| from), Some(EXTERNAL[0]));
}

#[test]
fn a_lost_session_moves_its_traffic_before_any_prefix_is_decided() {
    let mut world = two_exits(500);
    world.ribs.peer_down(EXTERNAL[0], StalePaths::Gone);
    world.drain();
    assert_eq!(world.changes.len(), 1);
    assert_eq!(world.exits(7), [Gateway::new(next_hop(1), None)]);
    world.settle();
    assert_eq!(world.exits(7), [Gateway::new(next_hop(1), None)]);
    assert_eq!((world.ribs.path_count(), world.groups.len()), (500, 1));
}

#[test]
fn stale_paths_forward_until_their_time_is_over() {
    let mut world = two_exits(3);
    world.ribs.peer_down(EXTERNAL[0], StalePaths::Kept);
    world.settle();
    assert_eq!(world.changes, []);
    world.ribs.peer_up(EXTERNAL[0], peer(EXTERNAL[0])).unwrap();
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[1]);
    assert_eq!(world.ribs.peer_counts(EXTERNAL[0]).stale, 2);
    world.ribs.end_of_stale(EXTERNAL[0]);
    world.settle();
    assert_eq!(world.ribs.peer_counts(EXTERNAL[0]).received, 1);
    assert_eq!(world.exits(1), [Gateway::new(next_hop(0), None)]);
    assert_eq!(world.exits(2), [Gateway::new(next_hop(1), None)]);
}

#[test]
fn what_is_not_said_again_in_a_refresh_is_gone_at_its_end() {
    let mut world = two_exits(3);
    world.ribs.begin_stale(EXTERNAL[0]);
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[0, 2]);
    world.settle();
    assert_eq!(world.changes, []);
    world.ribs.end_of_stale(EXTERNAL[0]);
    world.settle();
    let hops = [0, 1, 2].map(|number| world.exits(number));
    assert_eq!(hops, [0, 1, 0].map(|hop| vec![Gateway::new(next_hop(hop), None)]));
}

/// RFC 7313 §4: a begin makes everything stale; only an end removes what is.
#[test]
fn a_refresh_that_begins_again_removes_nothing_before_its_end() {
    let mut world = two_exits(4);
    world.ribs.begin_stale(EXTERNAL[0]);
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[0, 1]);
    world.ribs.begin_stale(EXTERNAL[0]);
    world.ribs.begin_stale(EXTERNAL[0]);
    world.settle();
    assert_eq!((world.changes.len(), world.ribs.peer_counts(EXTERNAL[0]).stale), (0, 4));
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[1, 2]);
    world.ribs.end_of_stale(EXTERNAL[0]);
    world.settle();
    let hops = [0, 1, 2, 3].map(|number| world.exits(number));
    assert_eq!(hops, [1, 0, 0, 1].map(|hop| vec![Gateway::new(next_hop(hop), None)]));
    let counts = PeerCounts { received: 2, accepted: 2, stale: 0 };
    assert_eq!(world.ribs.peer_counts(EXTERNAL[0]), counts);
}

#[test]
fn a_session_that_is_lost_amid_a_refresh_keeps_what_it_had_said() {
    let mut world = two_exits(4);
    world.ribs.begin_stale(EXTERNAL[0]);
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[0]);
    world.ribs.peer_down(EXTERNAL[0], StalePaths::Kept);
    world.settle();
    assert_eq!((world.changes.len(), world.ribs.peer_counts(EXTERNAL[0]).stale), (0, 4));
    // RFC 4724 §4.2: what was stale before "MUST be deleted".
    world.ribs.peer_up(EXTERNAL[0], peer(EXTERNAL[0])).unwrap();
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[1]);
    world.ribs.begin_stale(EXTERNAL[0]);
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[2]);
    world.ribs.peer_down(EXTERNAL[0], StalePaths::Kept);
    world.settle();
    assert_eq!(world.ribs.peer_counts(EXTERNAL[0]).received, 2);
    assert_eq!(world.exits(1), [Gateway::new(next_hop(0), None)]);
    assert_eq!(world.exits(3), [Gateway::new(next_hop(1), None)]);
}

#[test]
fn more_refreshes_than_are_told_apart_are_ignored_until_there_was_a_pass() {
    let mut world = two_exits(3);
    let begin = |world: &mut World| {
        world.ribs.begin_stale(EXTERNAL[0]);
        world.announce(EXTERNAL[0], (0, &path(&[64501])), &[0]);
    };
    (0..300).for_each(|_| begin(&mut world));
    assert_eq!(world.ribs.counters().refreshes_ignored, 45);
    assert_eq!(world.ribs.peer_counts(EXTERNAL[0]).stale, 2);
    world.ribs.end_of_stale(EXTERNAL[0]);
    world.settle();
    assert_eq!(world.ribs.peer_counts(EXTERNAL[0]).received, 1);
    (0..300).for_each(|_| begin(&mut world));
    assert_eq!(world.ribs.counters().refreshes_ignored, 90);
    // As many sessions have none to be told apart by either.
    world.ribs.peer_down(EXTERNAL[0], StalePaths::Kept);
    world.settle();
    let counts = PeerCounts { received: 1, accepted: 1, stale: 1 };
    assert_eq!(world.ribs.peer_counts(EXTERNAL[0]), counts);
}

#[test]
fn a_peer_that_does_not_read_makes_nothing_grow() {
    let mut world = World::new(DecisionSettings::default());
    world.join(PeerId(4));
    world.announce(CLIENT, (0, &path(&[7])), &all(50));
    world.resolve(0, Some(1));
    world.settle();
    let before = world.ribs.memory();
    for round in 0..200 {
        world.announce(CLIENT, (0, &path(&[7, 7 + round % 2])), &all(50));
        world.settle();
    }
    let after = world.ribs.memory();
    // A journal of fifty entries, and as many holes as it may have.
    assert!(after.total_bytes() < before.total_bytes() + 16_384, "{before:?} {after:?}");
    world.read_all(PeerId(4));
    let known = &world.known[&PeerId(4)];
    assert!(known.values().all(|(_, told)| told.as_path == AsPath::sequence(&[ASN, 7, 8])));
    assert_eq!(known.len(), 33, "what the policy lets out");
}

#[test]
fn all_prefixes_of_a_set_are_in_as_few_messages_as_possible() {
    let mut world = World::new(DecisionSettings::default());
    // Two sets by turns.
    for number in 0..1200 {
        let asns = if number % 2 == 0 { [64501, 7] } else { [64501, 8] };
        world.announce(EXTERNAL[1], (0, &path(&asns)), &[number]);
    }
    world.resolve(0, Some(1));
    world.settle();
    world.join(PeerId(3));
    world.settle();
    world.read_all(PeerId(3));
    // 800 prefixes are let in, 400 of each set: 2800 octets. And End-of-RIB.
    assert_eq!((world.known[&PeerId(3)].len(), world.messages[&PeerId(3)]), (800, 3));
}

/// Whoever asks for octets has room for a message more, and not for the withdrawals beside it.
#[test]
fn no_more_than_a_message_comes_beyond_what_was_asked_for() {
    use crate::wire::bgp::message::EXTENDED_OCTETS_MAX;
    const ASKED: usize = 6000;
    /// A withdrawal in a message of its own; End-of-RIB is shorter.
    const LAST: usize = 51;
    let mut world = World::new(DecisionSettings::default());
    let agreement = Agreement { has_extended_messages: true, ..agreement(PeerId(5)) };
    let settings = MemberSettings { agreement, own_next_hop: OWN };
    world.ribs.join(PeerId(5), export(PeerId(5)), settings).unwrap();
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &all(30_000));
    world.resolve(0, Some(1));
    world.settle();
    let read = |world: &mut World| loop {
        let mut writer = Writer::default();
        let written = world.ribs.write(PeerId(5), ASKED, &mut writer);
        assert!(writer.len() <= ASKED + EXTENDED_OCTETS_MAX + LAST, "{}", writer.len());
        if written.is_drained {
            break;
        }
    };
    read(&mut world);
    world.withdraw(EXTERNAL[0], &all(3000));
    world.announce(EXTERNAL[0], (0, &path(&[64501, 7])), &(3000..30_000).collect::<Vec<_>>());
    world.settle();
    read(&mut world);
    assert_eq!(world.ribs.member_counts(PeerId(5)).announced, 27_000);
}

#[test]
fn end_of_rib_comes_once_and_after_everything() {
    let mut world = World::new(DecisionSettings::default());
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &all(400));
    world.resolve(0, Some(1));
    world.settle();
    world.join(PeerId(3));
    assert!(!world.read(PeerId(3), 1 << 20).is_end_of_rib, "the group is not filled");
    world.process(100);
    assert!(!world.read(PeerId(3), 1 << 20).is_end_of_rib, "nor now");
    world.settle();
    while !world.read(PeerId(3), 1).is_drained {
        let is_all = world.known[&PeerId(3)].len() == 400;
        assert!(is_all || !world.ends_of_rib.values().any(|count| *count > 0));
    }
    world.ribs.refresh(PeerId(3));
    let written = world.read(PeerId(3), 1 << 20);
    assert!(written.is_refreshed && !written.is_end_of_rib);
    assert_eq!(world.ends_of_rib[&PeerId(3)], 1);
}

#[test]
fn equal_paths_share_traffic_and_the_best_says_why() {
    let decision = DecisionSettings {
        external_paths_max: 4,
        multipath_neighbor: MultipathNeighbor::Any,
        ..DecisionSettings::default()
    };
    let mut world = World::new(decision);
    world.announce(EXTERNAL[0], (0, &path(&[64501, 9])), &[1]);
    world.announce(EXTERNAL[1], (1, &path(&[64502, 9])), &[1]);
    world.announce(CLIENT, (2, &path(&[64501, 9, 9])), &[1]);
    (0..3).for_each(|hop| world.resolve(hop, Some(3)));
    world.settle();
    let hops = [Gateway::new(next_hop(1), None), Gateway::new(next_hop(0), None)];
    assert_eq!(world.exits(1), hops);
    let view = world.ribs.show(prefix(1)).unwrap();
    assert_eq!(view.decided_by, Some(Step::RouterId));
    let standings: Vec<_> = view.paths.iter().map(|path| (path.peer, path.standing)).collect();
    let wanted = [
        (EXTERNAL[1], Standing::Best),
        (EXTERNAL[0], Standing::Multipath(Step::RouterId)),
        (CLIENT, Standing::Lost(Step::AsPathLength)),
    ];
    assert_eq!(standings, wanted);
    world.resolve(1, None);
    assert_eq!(world.exits(1), [Gateway::new(next_hop(0), None)]);
}

/// RFC 8212 §2: "Routes contained in an Adj-RIB-In associated with an EBGP peer SHALL NOT be
/// considered eligible in the Decision Process if no explicit Import Policy has been applied", and
/// the same on the way out.
#[test]
fn without_policies_external_peers_neither_give_nor_get() {
    let mut world = two_exits(1);
    let (id, external) = (EXTERNAL[0], peer(EXTERNAL[0]));
    world.ribs.reimport(id, None);
    world.settle();
    let view = world.ribs.show(prefix(0)).unwrap();
    let standing =
        |view: &PrefixView| view.paths.iter().find(|path| path.peer == id).unwrap().standing;
    assert_eq!(standing(&view), Standing::Refused(Validity::NoPolicy));
    world.ribs.reimport(id, external.import);
    world.settle();
    assert_eq!(standing(&world.ribs.show(prefix(0)).unwrap()), Standing::Best);
    let settings = MemberSettings { agreement: agreement(PeerId(4)), own_next_hop: OWN };
    let silent = ExportSettings { policy: None, ..export(PeerId(4)) };
    world.ribs.join(PeerId(4), silent, settings).unwrap();
    world.settle();
    world.read_all(PeerId(4));
    assert!(world.known[&PeerId(4)].is_empty());
}

#[test]
fn paths_beyond_those_allowed_are_refused_and_said() {
    let mut world = World::new(DecisionSettings::default());
    let limited = RibPeer { paths_max: Some(2), ..peer(EXTERNAL[0]) };
    world.ribs.peer_up(EXTERNAL[0], limited).unwrap();
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[0, 1]);
    world.announce(EXTERNAL[0], (0, &path(&[64501, 7])), &[0, 1]);
    let nlri = vec![Nlri::of(prefix(2))];
    let announced = Announcement { nlri, next_hop: next_hop(0), attributes: path(&[64501]) };
    let update = Update { announced: Some(announced), ..Update::default() };
    let result = world.ribs.receive(Instant::ZERO, EXTERNAL[0], update, &TestPolicies);
    assert_eq!(result, Err(PathsExceeded(2)));
    assert_eq!(world.ribs.peer_counts(EXTERNAL[0]).received, 2);
}

/// RFC 9234 §5, ingress and egress.
#[test]
fn what_is_only_for_customers_goes_to_customers_only() {
    let role = |role| RibPeer { role: Some(role), ..peer(EXTERNAL[0]) };
    let mut world = World::new(DecisionSettings::default());
    world.ribs.peer_up(EXTERNAL[0], role(Role::Customer)).unwrap();
    for (id, role) in [(PeerId(3), Role::Peer), (PeerId(4), Role::Provider)] {
        let to = ExportSettings { role: Some(role), ..export(PeerId(3)) };
        let settings = MemberSettings { agreement: agreement(id), own_next_hop: OWN };
        world.ribs.join(id, to, settings).unwrap();
    }
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[0]);
    world.resolve(0, Some(0));
    world.settle();
    world.read_all(PeerId(3));
    world.read_all(PeerId(4));
    assert!(world.known[&PeerId(3)].is_empty());
    let told = &world.known[&PeerId(4)][&Nlri::of(prefix(0))].1;
    assert_eq!(told.only_to_customer, Some(64501));
    // The same from a customer is a leak.
    world.ribs.peer_up(EXTERNAL[0], role(Role::Provider)).unwrap();
    let leaked = PathAttributes { only_to_customer: Some(9), ..path(&[64501]) };
    world.announce(EXTERNAL[0], (0, &leaked), &[0]);
    world.settle();
    let view = world.ribs.show(prefix(0)).unwrap();
    assert_eq!(view.paths[0].standing, Standing::Refused(Validity::RouteLeak));
}

#[test]
fn a_peer_on_a_link_names_only_next_hops_there_and_begins_somewhere() {
    let mut world = World::new(DecisionSettings::default());
    let near = peer(EXTERNAL[0]);
    let link = Ipv6Prefix::containing(near.address, 64);
    world.ribs.peer_up(EXTERNAL[0], RibPeer { on_link: vec![link], ..near }).unwrap();
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[0]);
    world.announce(EXTERNAL[0], (0, &path(&[])), &[1]);
    world.resolve(0, Some(0));
    world.settle();
    let standing = |number| world.ribs.show(prefix(number)).unwrap().paths[0].standing;
    assert_eq!(standing(0), Standing::Refused(Validity::ForeignNextHop));
    assert_eq!(standing(1), Standing::Refused(Validity::FirstAs));
}

#[test]
fn several_paths_go_to_those_who_take_them_each_by_its_own_number() {
    let mut world = two_exits(1);
    let agreement = Agreement { has_path_ids: true, ..agreement(PeerId(5)) };
    let settings = MemberSettings { agreement, own_next_hop: OWN };
    let to = ExportSettings { paths_max: 2, ..export(PeerId(5)) };
    world.ribs.join(PeerId(5), to, settings).unwrap();
    world.settle();
    let read = |world: &mut World| -> Vec<Update> {
        let mut writer = Writer::default();
        world.ribs.write(PeerId(5), 1 << 16, &mut writer);
        let (mut stream, mut updates) = (writer.as_slice(), Vec::new());
        while !stream.is_empty() {
            let (message, octets) = frame(stream, false).unwrap().unwrap();
            match Message::decode(message, agreement).unwrap() {
                Message::Update(update) => updates.push(*update),
                other => panic!("{other:?}"),
            }
            stream = &stream[octets..];
        }
        updates
    };
    let first = read(&mut world);
    let mut ids: Vec<u32> = Vec::new();
    for announced in first.iter().filter_map(|update| update.announced.as_ref()) {
        ids.extend(announced.nlri.iter().map(|nlri| nlri.path_id));
    }
    ids.sort_unstable();
    assert_eq!(ids, [1, 2]);
    assert!(first.last().unwrap().is_end_of_rib);
    world.withdraw(EXTERNAL[0], &[0]);
    world.settle();
    let second = read(&mut world);
    let [update] = second.as_slice() else { panic!("{second:?}") };
    assert_eq!((update.withdrawn.len(), &update.announced), (1, &None));
}

/// Of MEDs and router ids that go round in circles no sort by the rules makes an order.
#[test]
fn of_many_paths_those_are_told_that_would_win_one_after_the_other() {
    let mut world = World::new(DecisionSettings::default());
    for path_id in 1..=30 {
        let asns = [64501 + path_id % 3, 9];
        let attributes = PathAttributes { med: Some(path_id * 7 % 11), ..path(&asns) };
        world.announce_path(EXTERNAL[0], (0, &attributes), (1, path_id));
    }
    world.resolve(0, Some(1));
    let to = ExportSettings { paths_max: 4, ..export(PeerId(5)) };
    let agreement = Agreement { has_path_ids: true, ..agreement(PeerId(5)) };
    let settings = MemberSettings { agreement, own_next_hop: OWN };
    world.ribs.join(PeerId(5), to, settings).unwrap();
    world.settle();
    let mut writer = Writer::default();
    world.ribs.write(PeerId(5), 1 << 16, &mut writer);
    let (mut stream, mut told) = (writer.as_slice(), Vec::new());
    while !stream.is_empty() {
        let (message, octets) = frame(stream, false).unwrap().unwrap();
        if let Message::Update(update) = Message::decode(message, agreement).unwrap() {
            told.extend(update.announced.map(|announced| announced.attributes));
        }
        stream = &stream[octets..];
    }
    let mut wanted = Vec::new();
    for _ in 0..4 {
        let view = world.ribs.show(prefix(1)).unwrap();
        let best = view.paths.iter().find(|path| path.standing == Standing::Best).unwrap();
        let mut attributes = best.imported.clone().unwrap().attributes;
        attributes.local_pref = Some(100);
        wanted.push(attributes);
        world.withdraw_path(EXTERNAL[0], (1, best.path_id));
        world.settle();
    }
    told.sort();
    wanted.sort();
    assert_eq!(told, wanted);
}

#[test]
fn of_a_prefix_a_peer_has_so_many_paths_and_no_more() {
    let mut world = World::new(DecisionSettings::default());
    let most = u32::try_from(PATHS_PER_PREFIX_AND_PEER_MAX).unwrap();
    let received = |world: &World| world.ribs.peer_counts(EXTERNAL[0]).received;
    for path_id in 1..=most + 6 {
        world.announce_path(EXTERNAL[0], (0, &path(&[64501])), (1, path_id));
    }
    assert_eq!((received(&world), world.ribs.counters().paths_crowded), (most, 6));
    world.announce_path(EXTERNAL[0], (0, &path(&[64501, 7])), (1, most));
    world.announce_path(EXTERNAL[0], (0, &path(&[64501])), (2, most + 6));
    world.announce_path(CLIENT, (0, &path(&[64501])), (1, most + 6));
    assert_eq!((received(&world), world.ribs.counters().paths_crowded), (most + 1, 6));
    world.withdraw_path(EXTERNAL[0], (1, 1));
    world.announce_path(EXTERNAL[0], (0, &path(&[64501])), (1, most + 6));
    assert_eq!((received(&world), world.ribs.counters().paths_crowded), (most + 1, 6));
    assert_eq!(world.ribs.poll_shortage(), None, "there is room");
}

#[test]
fn a_slice_decides_fewer_prefixes_where_they_have_many_paths() {
    let mut world = World::new(DecisionSettings::default());
    for path_id in 1..=40 {
        world.announce_path(EXTERNAL[0], (0, &path(&[64501])), (1, path_id));
        world.announce_path(EXTERNAL[0], (0, &path(&[64501])), (2, path_id));
    }
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[3, 4, 5]);
    world.resolve(0, Some(1));
    let decided = |world: &mut World, budget: usize| {
        let before = world.ribs.counters().decided;
        world.process(budget);
        world.ribs.counters().decided - before
    };
    assert_eq!([decided(&mut world, 3), decided(&mut world, 6)], [1, 4]);
}

/// RFC 5065 §5: a peer of another AS would take it for an error.
#[test]
fn confederations_of_this_as_are_not_told_to_others() {
    let mut world = World::new(DecisionSettings::default());
    let segments =
        vec![AsPathSegment::ConfedSequence(vec![65001]), AsPathSegment::Sequence(vec![7])];
    let as_path = AsPath::from_segments(segments);
    world.announce(CLIENT, (0, &PathAttributes { as_path, ..Default::default() }), &[1]);
    world.resolve(0, Some(1));
    [PeerId(4), PeerId(5)].into_iter().for_each(|listener| world.join(listener));
    world.settle();
    let mut told = |listener: PeerId| {
        world.read_all(listener);
        world.known[&listener][&Nlri::of(prefix(1))].1.as_path.to_string()
    };
    assert_eq!([told(PeerId(4)), told(PeerId(5))], ["64500 7", "(65001) 7"]);
}

/// RFC 7947 §2.2.3: a MULTI_EXIT_DISC "SHOULD be propagated unmodified" by a route server.
#[test]
fn clients_of_a_route_server_hear_the_metrics_of_the_others() {
    let mut world = two_exits(1);
    let attributes = PathAttributes { med: Some(7), ..path(&[64501]) };
    world.announce(EXTERNAL[0], (0, &attributes), &[0]);
    world.join(PeerId(3));
    let to = ExportSettings {
        as_path: AsPathMode::Transparent,
        next_hop: NextHopMode::Unchanged,
        ..export(PeerId(4))
    };
    let settings = MemberSettings { agreement: agreement(PeerId(4)), own_next_hop: OWN };
    let to = ExportSettings { policy: Some(ACCEPT), ..to };
    world.ribs.join(PeerId(4), to, settings).unwrap();
    world.settle();
    let mut med = |listener: PeerId| {
        world.read_all(listener);
        world.known[&listener][&Nlri::of(prefix(0))].1.med
    };
    assert_eq!([med(PeerId(3)), med(PeerId(4))], [None, Some(7)]);
}

#[test]
fn what_this_router_originates_wins_and_is_told_as_its_own() {
    let mut world = two_exits(1);
    world.join(PeerId(4));
    world.join(PeerId(3));
    let route = Route { next_hop: None, attributes: PathAttributes::default() };
    world.ribs.originate(Instant::ZERO, prefix(0), &route).unwrap();
    world.settle();
    world.read_all(PeerId(3));
    let (hop, told) = &world.known[&PeerId(3)][&Nlri::of(prefix(0))];
    assert_eq!((*hop, &told.as_path), (OWN, &AsPath::sequence(&[ASN])));
    assert_eq!(world.routes[&prefix(0)], RouteExits::None);
    world.ribs.withdraw_origin(prefix(0));
    world.settle();
    assert_eq!(world.exits(0), [Gateway::new(next_hop(0), None)]);
}

/// RFC 8654 §4: what fits into no message is not sent, and what was sent before is withdrawn.
#[test]
fn attributes_that_fit_into_no_message_withdraw_the_route() {
    let mut world = two_exits(1);
    world.join(PeerId(3));
    world.settle();
    world.read_all(PeerId(3));
    assert_eq!(world.known[&PeerId(3)].len(), 1);
    let value = vec![7; 4040];
    let huge =
        PathAttributes { unknown: vec![UnknownAttribute { kind: 200, value }], ..path(&[64501]) };
    world.announce(EXTERNAL[0], (0, &huge), &[0]);
    world.settle();
    world.read_all(PeerId(3));
    assert!(world.known[&PeerId(3)].is_empty());
    assert_eq!(world.ribs.member_counts(PeerId(3)).oversized, 1);
}

/// RFC 4271 §3.1: an announcement of a prefix replaces the one before.
#[test]
fn a_path_is_gone_when_what_replaces_it_finds_no_room() {
    let mut world = two_exits(2);
    let limit = core::mem::replace(&mut world.ribs.attributes.limit, 0);
    world.announce(EXTERNAL[0], (3, &path(&[64501, 7])), &[1]);
    world.settle();
    assert_eq!(world.exits(1), [Gateway::new(next_hop(1), None)]);
    let counts = world.ribs.peer_counts(EXTERNAL[0]);
    assert_eq!((counts.received, world.ribs.counters().paths_refused), (1, 1));
    world.announce(EXTERNAL[0], (3, &path(&[64501, 8])), &[1]);
    assert_eq!(world.ribs.poll_shortage(), Some(EXTERNAL[0]));
    assert_eq!(world.ribs.poll_shortage(), None, "said once");
    assert!(!world.ribs.retry(EXTERNAL[0]));
    world.ribs.attributes.limit = limit;
    assert!(world.ribs.retry(EXTERNAL[0]));
}

#[test]
fn what_found_no_room_on_its_way_in_is_imported_when_there_is_some() {
    let mut world = World::new(DecisionSettings::default());
    let role = Some(Role::Customer);
    // What it sends is marked, so that each path has two sets.
    world.ribs.peer_up(EXTERNAL[0], RibPeer { role, ..peer(EXTERNAL[0]) }).unwrap();
    let limit = core::mem::replace(&mut world.ribs.attributes.limit, 1);
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[1]);
    world.resolve(0, Some(1));
    world.settle();
    let standing = |world: &World| world.ribs.show(prefix(1)).unwrap().paths[0].standing;
    assert_eq!(standing(&world), Standing::Refused(Validity::Exhausted));
    assert_eq!(world.ribs.poll_shortage(), Some(EXTERNAL[0]));
    world.ribs.attributes.limit = limit;
    assert!(world.ribs.retry(EXTERNAL[0]));
    world.settle();
    assert_eq!(standing(&world), Standing::Best);
}

#[test]
fn a_peer_leaves_next_hops_to_others() {
    let mut world = World::new(DecisionSettings::default());
    let announce = |world: &mut World, from: PeerId, number: u32| {
        let address = core::net::Ipv6Addr::from_bits(0xfd01 << 112 | u128::from(number));
        let hop = NextHop { global: Some(address), link_local: None };
        let nlri = vec![Nlri::of(prefix(number))];
        let announced = Announcement { nlri, next_hop: hop, attributes: path(&[64501]) };
        let update = Update { announced: Some(announced), ..Update::default() };
        world.ribs.receive(Instant::ZERO, from, update, &TestPolicies).unwrap();
    };
    let share = u32::try_from(NEXT_HOPS_PER_PEER_MAX).unwrap();
    (0..share + 5).for_each(|number| announce(&mut world, EXTERNAL[0], number));
    assert_eq!(world.ribs.peer_counts(EXTERNAL[0]).received, share);
    assert_eq!(world.ribs.counters().paths_refused, 5);
    announce(&mut world, CLIENT, share);
    announce(&mut world, EXTERNAL[0], share);
    let counts = [EXTERNAL[0], CLIENT].map(|id| world.ribs.peer_counts(id).received);
    assert_eq!(counts, [share + 1, 1], "what others have named is for all");
    assert!(!world.ribs.retry(EXTERNAL[0]) && world.ribs.retry(CLIENT));
    world.withdraw(EXTERNAL[0], &all(share / 8));
    assert!(world.ribs.retry(EXTERNAL[0]));
}

/// With numbers of four octets a path may be longer than an attribute can be.
#[test]
fn what_no_message_can_carry_is_left_out_and_counted() {
    let mut world = two_exits(1);
    let long = path(&vec![64501; 16_384]);
    world.announce(EXTERNAL[0], (0, &long), &[1]);
    assert_eq!(world.ribs.counters().sets_too_long, 1);
    assert_eq!(world.ribs.counters().paths_refused, 1);
    assert_eq!(world.ribs.peer_counts(EXTERNAL[0]).received, 1);
}

#[test]
fn a_full_table_takes_few_octets_a_route() {
    const ROUTES: u32 = 250_000;
    let mut world = World::new(DecisionSettings::default());
    world.join(PeerId(3));
    for first in (0..ROUTES).step_by(5) {
        let list: Vec<u32> = (first..first + 5).collect();
        world.announce(EXTERNAL[0], (0, &path(&[64501, 7, 100_000 + first, 9])), &list);
        if first == 0 {
            world.resolve(0, Some(1));
        }
        if first % 1000 == 0 {
            world.settle();
            world.read_all(PeerId(3));
            world.changes.clear();
        }
    }
    world.settle();
    world.read_all(PeerId(3));
    assert_eq!(world.known[&PeerId(3)].len(), ROUTES as usize);
    let memory = world.ribs.memory();
    let sets_bytes = memory.attributes_bytes / ROUTES as usize;
    let others_bytes = memory.total_bytes() / ROUTES as usize - sets_bytes;
    // Prefix 48 with its place in the index, path 28, export 12 and a bit; 100 000 sets of both
    // ways, five routes each.
    assert!(others_bytes < 98 && sets_bytes < 60, "{others_bytes} and {sets_bytes}: {memory:?}");
}

#[test]
fn a_number_of_a_next_hop_is_its_own_as_long_as_a_group_has_it() {
    let mut world = World::new(DecisionSettings::default());
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[0]);
    world.resolve(0, Some(0));
    world.settle();
    // Prefix 1 is decided first, while prefix 0 still has the group of the next hop that is gone.
    world.announce(EXTERNAL[0], (2, &path(&[64501])), &[1]);
    world.withdraw(EXTERNAL[0], &[0]);
    world.announce(EXTERNAL[0], (1, &path(&[64501])), &[1]);
    world.resolve(1, Some(0));
    world.settle();
    assert_eq!(world.exits(1), [Gateway::new(next_hop(1), None)]);
}

#[test]
fn a_change_amid_a_pass_reaches_every_path_though_the_table_grows() {
    let mut world = World::new(DecisionSettings::default());
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &all(16));
    world.announce(EXTERNAL[0], (1, &path(&[64501])), &(16..1000).collect::<Vec<_>>());
    world.resolve(0, Some(1));
    world.resolve(1, Some(1));
    world.settle();
    world.resolve(0, Some(5));
    world.process(16);
    world.resolve(0, None);
    world.announce(EXTERNAL[0], (1, &path(&[64501])), &(1000..3000).collect::<Vec<_>>());
    world.settle();
    assert_eq!(world.ribs.best(prefix(0)), None);
    assert!(world.ribs.best(prefix(16)).is_some());
}

#[test]
fn what_went_with_a_session_is_not_kept_with_the_next() {
    let mut world = two_exits(50);
    world.ribs.peer_down(EXTERNAL[0], StalePaths::Gone);
    world.ribs.peer_up(EXTERNAL[0], peer(EXTERNAL[0])).unwrap();
    world.ribs.peer_down(EXTERNAL[0], StalePaths::Kept);
    world.settle();
    assert_eq!(world.ribs.peer_counts(EXTERNAL[0]), PeerCounts::default());
}

#[test]
fn what_an_earlier_session_has_left_is_not_counted_against_a_limit() {
    let mut world = World::new(DecisionSettings::default());
    let limited = RibPeer { paths_max: Some(2), ..peer(EXTERNAL[0]) };
    world.ribs.peer_up(EXTERNAL[0], limited.clone()).unwrap();
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[0, 1]);
    world.ribs.peer_down(EXTERNAL[0], StalePaths::Kept);
    world.ribs.peer_up(EXTERNAL[0], limited).unwrap();
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[1, 2]);
    assert_eq!(world.ribs.counters().paths_exceeded, 0);
    assert_eq!(world.ribs.peer_counts(EXTERNAL[0]).received, 3);
}

#[test]
fn a_peer_that_comes_back_as_another_is_told_of_as_that_one() {
    let mut world = two_exits(1);
    world.withdraw(EXTERNAL[0], &[0]);
    world.join(PeerId(5));
    world.settle();
    world.read_all(PeerId(5));
    let originator = |world: &World| world.known[&PeerId(5)][&Nlri::of(prefix(0))].1.originator_id;
    assert_eq!(originator(&world), Some(peer(CLIENT).router_id));
    world.ribs.peer_down(CLIENT, StalePaths::Kept);
    let router_id = crate::base::ids::RouterId(77);
    world.ribs.peer_up(CLIENT, RibPeer { router_id, ..peer(CLIENT) }).unwrap();
    world.settle();
    world.read_all(PeerId(5));
    assert_eq!(originator(&world), Some(router_id));
}

/// RFC 7911 §5: a second path would take the place of the first.
#[test]
fn without_path_identifiers_a_peer_is_sent_one_path() {
    let mut world = two_exits(1);
    let settings = MemberSettings { agreement: agreement(PeerId(5)), own_next_hop: OWN };
    let to = ExportSettings { paths_max: 2, ..export(PeerId(5)) };
    world.ribs.join(PeerId(5), to, settings).unwrap();
    world.settle();
    world.read_all(PeerId(5));
    // The path, and End-of-RIB.
    assert_eq!(world.messages[&PeerId(5)], 2);
}
