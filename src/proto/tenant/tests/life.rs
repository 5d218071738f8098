//! Members that come, go, and come again.

use super::super::epoch::Phase;
use super::super::limits::{ROTATION_GRACE, ROTATION_INTERVAL_MIN};
use super::super::*;
use super::cluster::{Cluster, Fate, endpoint, id, name, settings};
use crate::base::ids::TenantId;
use crate::base::machine::Machine;
use crate::base::time::{Duration, Instant};
use crate::wire::ospf::{MembershipLsa, TenantEntry, TenantFormat};

#[test]
fn a_tenant_that_is_removed_is_left_by_the_others_at_once() {
    let mut cluster = Cluster::of(3, 21, &[10, 20]);
    cluster.set(settings(0, &[20]));
    let gone = |remote| (name(10, id(remote)), DownReason::Removed);
    assert_eq!(cluster.downs[0], [gone(1), gone(2)]);
    cluster.run(Duration::from_millis(20));
    assert_eq!(cluster.downs[1], [(name(10, id(0)), DownReason::Left)]);
    cluster.assert_agreed();
}

#[test]
fn a_router_that_leaves_says_nothing_more_and_has_nothing_more() {
    let mut cluster = Cluster::of(3, 22, &[10, 20]);
    cluster.input(1, Input::Leave);
    assert!(cluster.wires[1].is_empty());
    assert_eq!(cluster.members[1].next_deadline(), None);
    cluster.run(Duration::from_millis(20));
    cluster.assert_agreed();
    assert_eq!(cluster.wires[0].len(), 2, "to the third");
    // It may come again.
    cluster.set(settings(1, &[10]));
    cluster.seconds(1);
    cluster.assert_agreed();
}

#[test]
fn a_router_that_no_path_leads_to_is_no_member_until_one_does() {
    let mut cluster = Cluster::of(3, 23, &[10]);
    cluster.part(0, 2);
    assert_eq!(cluster.downs[0], [(name(10, id(2)), DownReason::Unreachable)]);
    assert_eq!(cluster.downs[2], [(name(10, id(0)), DownReason::Unreachable)]);
    cluster.assert_agreed();
    cluster.join(0, 2);
    cluster.seconds(1);
    cluster.assert_agreed();
    assert_eq!(cluster.wires[0].len(), 2);
}

#[test]
fn a_restart_goes_on_with_the_cookies_that_others_use() {
    let mut cluster = Cluster::of(3, 24, &[10]);
    let before = cluster.members[1].view().tenants[0].epoch;
    let frame = cluster.send(10, 0, 1).unwrap();
    // Nobody hears of it for a while.
    cluster.delay = Duration::from_secs(60);
    cluster.restart(1, settings(1, &[10]));
    cluster.delay = Duration::from_millis(20);
    cluster.seconds(60);
    assert_eq!(cluster.receive(&frame), Fate::Delivered(TenantId(10)));
    let tenant = &cluster.members[1].view().tenants[0];
    assert_eq!((tenant.epoch, tenant.phase), (before, Phase::Closing));
    cluster.run(ROTATION_GRACE);
    cluster.assert_agreed();
    assert_eq!(cluster.members[1].view().tenants[0].phase, Phase::Steady);
    assert_eq!(cluster.members[1].counters().earlier_lives, 1);
}

#[test]
fn what_a_new_life_has_said_before_it_hears_of_the_old_one_is_taken_as_well() {
    let mut members = Members::new(7);
    members.handle(Instant::ZERO, Input::Settings(Box::new(settings(0, &[10]))));
    let own = members.view().tenants[0].epoch;
    let bodies = announced(&mut members);
    let mut earlier = MembershipLsa::decode(&bodies).unwrap().unwrap();
    earlier.tenants[0].epoch = own ^ 1;
    let said = |body| Input::Said { router_id: id(0), link_state_id: 0, body };
    members.handle(Instant::ZERO, said(earlier.encode()));
    let mut other = MembershipLsa::decode(&bodies).unwrap().unwrap();
    other.endpoint = endpoint(1);
    let body = other.encode();
    members.handle(Instant::ZERO, Input::Said { router_id: id(1), link_state_id: 0, body });
    let view = members.view();
    assert_eq!(view.tenants[0].epoch, own ^ 1);
    assert!(view.pseudowires[0].pseudowire.other_local_cookie.is_some());
    let again = announced(&mut members);
    assert_eq!(MembershipLsa::decode(&again).unwrap().unwrap().tenants[0].epoch, own ^ 1);
    // Two routers with one name do not go on for ever.
    members.handle(Instant::ZERO, said(bodies));
    assert!(members.poll_action().is_none());
}

/// The body that a member has announced last.
fn announced(members: &mut Members) -> Vec<u8> {
    let mut last = None;
    while let Some(action) = members.poll_action() {
        if let Action::Announce(bodies) = action {
            last = bodies.into_values().next();
        }
    }
    last.unwrap()
}

#[test]
fn a_tenant_that_comes_after_the_life_before_was_heard_begins_with_its_epoch() {
    let body = |ids: &[u32]| {
        let tenant = |id: &u32| TenantEntry {
            id: TenantId(*id),
            epoch: 1000 + id,
            mtu: 8900,
            format: Some(TenantFormat::default()),
        };
        let (tenants, renumberings) = (ids.iter().map(tenant).collect(), Vec::new());
        MembershipLsa { endpoint: endpoint(0), tenants, renumberings }.encode()
    };
    let mut members = Members::new(7);
    let said =
        |link_state_id, ids| Input::Said { router_id: id(0), link_state_id, body: body(ids) };
    // Before it knows its name, and when it does.
    members.handle(Instant::ZERO, said(0, &[10]));
    members.handle(Instant::ZERO, Input::Settings(Box::new(settings(0, &[10]))));
    members.handle(Instant::ZERO, said(1, &[20]));
    members.handle(Instant::ZERO, Input::Settings(Box::new(settings(0, &[10, 20, 30]))));
    let view = members.view();
    let epochs: Vec<u32> = view.tenants.iter().map(|tenant| tenant.epoch).collect();
    assert_eq!(epochs[..2], [1010, 1020]);
    assert!(view.tenants.iter().all(|tenant| tenant.phase == Phase::Steady));
    assert!(view.members.is_empty(), "it is no member besides itself");
    // A life before is one only once.
    members.handle(Instant::ZERO, Input::Settings(Box::new(settings(0, &[10]))));
    members.handle(Instant::ZERO, Input::Settings(Box::new(settings(0, &[10, 20]))));
    assert_ne!(members.view().tenants[1].epoch, 1020);
}

#[test]
fn the_first_epochs_of_two_lives_are_others() {
    let first = |seed| {
        let mut members = Members::new(seed);
        members.handle(Instant::ZERO, Input::Settings(Box::new(settings(0, &[10, 20]))));
        members.view().tenants.iter().map(|tenant| tenant.epoch).collect::<Vec<u32>>()
    };
    assert_ne!(first(1), first(2));
    assert_eq!(first(1), first(1));
    assert_ne!(first(1)[0], first(1)[1]);
}

#[test]
fn another_router_id_or_endpoint_makes_every_pseudowire_another() {
    let mut cluster = Cluster::of(2, 25, &[10]);
    let moved = endpoint(40);
    cluster.set(Settings { endpoint: moved, ..settings(0, &[10]) });
    cluster.seconds(1);
    assert_eq!(cluster.wire(1, 10, 0).unwrap().remote_endpoint, moved);
    cluster.assert_agreed();
    let before = cluster.wire(1, 10, 0).unwrap().clone();
    let other = Settings::new(id(5), super::cluster::key(), endpoint(1));
    let tenants = settings(1, &[10]).tenants;
    cluster.input(1, Input::Settings(Box::new(Settings { tenants, ..other })));
    assert_ne!(cluster.wire(1, 10, 0).unwrap().local_session, before.local_session);
}

#[test]
fn an_interval_that_is_changed_counts_from_now() {
    let mut cluster = Cluster::of(2, 26, &[10]);
    let rotation = Some(Duration::from_secs(1));
    cluster.set(Settings { rotation, ..settings(0, &[10]) });
    let ends = cluster.members[0].view().tenants[0].phase_ends.unwrap() - cluster.now;
    let least = ROTATION_INTERVAL_MIN * 3 / 4;
    assert!((least..=ROTATION_INTERVAL_MIN).contains(&ends), "bounded: {ends:?}");
    // The same settings again do not begin it anew.
    cluster.seconds(100);
    let before = cluster.members[0].view().tenants[0].phase_ends;
    cluster.set(Settings { rotation, ..settings(0, &[10]) });
    assert_eq!(cluster.members[0].view().tenants[0].phase_ends, before);
}

#[test]
fn a_tenant_that_comes_later_finds_those_who_were_heard_before() {
    let mut cluster = Cluster::new(2, 27);
    cluster.set(settings(0, &[10]));
    cluster.seconds(1);
    cluster.set(settings(1, &[10]));
    assert!(cluster.wire(1, 10, 0).is_some(), "without another word");
}
