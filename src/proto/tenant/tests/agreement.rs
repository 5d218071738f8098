//! Both ends of a pseudowire agree, whatever comes late.

use super::super::limits::{
    ROTATION_GRACE, ROTATION_INTERVAL_MIN, ROTATION_LEAD, TENANTS_MAX, TENANTS_PER_LSA,
};
use super::super::*;
use super::cluster::{Cluster, Fate, Frame, cookies, endpoint, format, id, name, settings};
use crate::base::ids::TenantId;
use crate::base::prng::Prng;
use crate::base::time::Duration;
use crate::wire::l2tp::SessionId;
use crate::wire::ospf::CookieLength;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn every_pair_of_members_has_a_pseudowire_and_nobody_else_has() {
    let mut cluster = Cluster::new(4, 1);
    cluster.set(settings(0, &[10, 20]));
    cluster.set(settings(1, &[10]));
    cluster.set(settings(2, &[10, 20, 30]));
    cluster.seconds(1);
    cluster.assert_agreed();
    let counts: Vec<usize> = cluster.wires.iter().map(std::collections::BTreeMap::len).collect();
    assert_eq!(counts, [3, 2, 3, 0]);
    // The fourth comes, and nobody else is touched.
    cluster.set(settings(3, &[10]));
    cluster.seconds(1);
    cluster.assert_agreed();
    assert_eq!(cluster.wires[1].len(), 3);
    assert!(cluster.downs.iter().all(Vec::is_empty) && cluster.changed == 0);
}

#[test]
fn the_directions_of_a_pseudowire_have_nothing_in_common() {
    let cluster = Cluster::of(2, 2, &[10, 20]);
    let wires = [0, 1].map(|member| cluster.wire(member, 10, 1 - member).unwrap());
    let other = cluster.wire(0, 20, 1).unwrap();
    assert_ne!(wires[0].local_session, wires[0].remote_session);
    assert_ne!(wires[0].local_cookie, wires[0].remote_cookie);
    assert_ne!(wires[0].local_cookie, other.local_cookie);
}

#[test]
fn members_with_other_formats_and_mtus_talk_to_each_other() {
    let mut cluster = Cluster::new(12, 3);
    for member in 0..12 {
        let mut settings = settings(member, &[10]);
        let mtu = 8000 + u16::try_from(member).unwrap();
        settings.tenants.insert(TenantId(10), TenantSettings { mtu, format: format(member) });
        cluster.set(settings);
    }
    cluster.seconds(1);
    cluster.assert_agreed();
    let wire = cluster.wire(0, 10, 7).unwrap();
    assert_eq!((wire.receive, wire.transmit, wire.mtu), (format(0), format(7), 8000));
}

#[test]
fn a_changed_format_or_mtu_is_taken_over_by_both_ends() {
    let mut cluster = Cluster::of(3, 4, &[10]);
    let mut other = settings(1, &[10]);
    other
        .tenants
        .insert(TenantId(10), TenantSettings { mtu: 1400, format: cookies(CookieLength::Four) });
    cluster.set(other);
    cluster.seconds(1);
    cluster.assert_agreed();
    assert_eq!(cluster.wire(0, 10, 1).unwrap().mtu, 1400);
    assert_eq!(cluster.wire(0, 10, 1).unwrap().remote_cookie.len(), 4);
    assert!(cluster.downs.iter().all(Vec::is_empty), "changed, and not torn down");
    assert_eq!(cluster.changed, 4, "two pseudowires, two ends");
}

#[test]
fn without_the_same_key_nothing_is_accepted() {
    let mut cluster = Cluster::of(2, 5, &[10]);
    let key = ClusterKey::new(b"another wood, and other nails").unwrap();
    cluster.set(Settings { key, ..settings(1, &[10]) });
    cluster.seconds(1);
    for (from, to) in [(0, 1), (1, 0)] {
        let frame = cluster.send(10, from, to).unwrap();
        assert_eq!(cluster.receive(&frame), Fate::UnknownSession);
    }
    cluster.set(settings(1, &[10]));
    cluster.seconds(1);
    cluster.assert_agreed();
}

/// Frames between all members in turn, each under way for a while.
struct Traffic {
    pairs: Vec<(usize, usize)>,
    flying: Vec<Frame>,
}

impl Traffic {
    fn new(count: usize) -> Self {
        let pairs = |from| (0..count).filter(move |to| *to != from).map(move |to| (from, to));
        Self { pairs: (0..count).flat_map(pairs).collect(), flying: Vec::new() }
    }

    /// Sends a frame on every pair and takes those sent the last time.
    fn turn(&mut self, cluster: &Cluster, tenant: u32) {
        let sent: Vec<Frame> =
            self.pairs.iter().map(|(from, to)| cluster.send(tenant, *from, *to).unwrap()).collect();
        for frame in core::mem::replace(&mut self.flying, sent) {
            let fate = cluster.receive(&frame);
            assert_eq!(fate, Fate::Delivered(TenantId(tenant)), "at {}", cluster.now);
        }
    }
}

#[test]
fn a_change_of_cookies_loses_no_frame() {
    for seed in 0..4 {
        let mut cluster = Cluster::new(4, seed);
        for member in 0..4 {
            let settings = settings(member, &[10]);
            cluster.set(Settings { rotation: Some(ROTATION_INTERVAL_MIN), ..settings });
        }
        cluster.seconds(1);
        // As late as announcements may be.
        cluster.delay = ROTATION_GRACE - ROTATION_LEAD;
        cluster.skipped = 50;
        let mut traffic = Traffic::new(4);
        let cookies: BTreeSet<Vec<u8>> = (0..4 * 3600)
            .map(|_| {
                cluster.run(Duration::from_millis(250));
                traffic.turn(&cluster, 10);
                cluster.wire(0, 10, 1).unwrap().remote_cookie.as_slice().to_vec()
            })
            .collect();
        assert!((6..=9).contains(&cookies.len()), "{} cookies in an hour", cookies.len());
        assert!(cluster.downs.iter().all(Vec::is_empty));
        let rotations = cluster.members[1].counters().rotations;
        assert_eq!(rotations + 1, u64::try_from(cookies.len()).unwrap());
    }
}

#[test]
fn an_old_cookie_is_refused_when_a_change_is_over() {
    let mut cluster = Cluster::new(2, 6);
    for member in 0..2 {
        let settings = settings(member, &[10]);
        cluster.set(Settings { rotation: Some(ROTATION_INTERVAL_MIN), ..settings });
    }
    cluster.seconds(1);
    let old = cluster.send(10, 0, 1).unwrap();
    cluster.run(ROTATION_INTERVAL_MIN + ROTATION_LEAD + ROTATION_GRACE);
    assert_eq!(cluster.receive(&old), Fate::WrongCookie);
    cluster.assert_agreed();
}

#[test]
fn without_an_interval_cookies_stay_and_nothing_is_due() {
    let mut cluster = Cluster::new(2, 7);
    for member in 0..2 {
        cluster.set(Settings { rotation: None, ..settings(member, &[10]) });
    }
    cluster.seconds(1);
    assert!(cluster.members.iter().all(|m| m.view().tenants[0].phase_ends.is_none()));
    let announced = cluster.members[0].counters().announced;
    cluster.seconds(1_000_000);
    assert_eq!(cluster.members[0].counters().announced, announced);
}

#[test]
fn an_id_that_somebody_else_has_is_not_used() {
    let mut cluster = Cluster::of(3, 8, &[10]);
    let taken = cluster.wire(0, 10, 1).unwrap().local_session;
    cluster.set(Settings { taken: BTreeSet::from([taken]), ..settings(0, &[10]) });
    assert_ne!(cluster.wire(0, 10, 1).unwrap().local_session, taken);
    let told = Notice::Renumbered { name: name(10, id(1)), session: taken };
    assert_eq!(cluster.notices[0], [told]);
    assert_eq!(cluster.members[0].counters().session_id_collision, 1);
    cluster.seconds(1);
    cluster.assert_agreed();
    assert_eq!(cluster.wire(1, 10, 0).unwrap().remote_endpoint, endpoint(0));
    assert!(cluster.downs.iter().all(Vec::is_empty), "nobody else was disturbed");
    // Another one joins; the id stays as it was told.
    cluster.set(settings(2, &[10, 20]));
    cluster.set(Settings { taken: BTreeSet::from([taken]), ..settings(0, &[10, 20]) });
    cluster.seconds(1);
    cluster.assert_agreed();
    assert_eq!(cluster.members[0].counters().session_id_collision, 1);
}

/// Two tenants whose sessions from member 1 to member 0 are derived to one id, and that; found by
/// trying. One pair for each length of cookies.
const TWINS: [(CookieLength, [u32; 2], u32); 3] = [
    (CookieLength::None, [43_809, 56_075], 0x5b52_07f7),
    (CookieLength::Four, [106_477, 185_100], 0xf7dc_08b4),
    (CookieLength::Eight, [43_699, 107_505], 0xa0c3_d798),
];

#[test]
fn two_sessions_that_come_to_one_id_are_told_apart() {
    for (order, (length, twins, twin_id)) in
        [[0, 1], [1, 0]].into_iter().flat_map(|order| TWINS.map(|twins| (order, twins)))
    {
        let mut cluster = Cluster::new(2, 9);
        let with = |member, tenants: &[u32]| {
            let mut settings = settings(member, tenants);
            settings.tenants.values_mut().for_each(|one| one.format = cookies(length));
            settings
        };
        // They come one after the other, here in one order and there in the other.
        let [first, second] = order.map(|at| twins[at]);
        cluster.set(with(0, &[first]));
        cluster.set(with(0, &twins));
        cluster.set(with(1, &[second]));
        cluster.run(Duration::from_millis(30));
        cluster.set(with(1, &twins));
        for _ in 0..100 {
            cluster.run(Duration::from_millis(1));
            for (tenant, from) in [(first, 0), (second, 0), (first, 1), (second, 1)] {
                // `receive` sees to it that none comes out with the other tenant.
                cluster.send(tenant, from, 1 - from).map(|frame| cluster.receive(&frame));
            }
        }
        cluster.assert_agreed();
        let ids = twins.map(|tenant| cluster.wire(0, tenant, 1).unwrap().local_session);
        assert!(ids.contains(&SessionId::new(twin_id).unwrap()), "one kept its id");
        assert_eq!(cluster.members[0].counters().session_id_collision, 1);
        assert_eq!(cluster.members[1].counters().session_id_collision, 0);
        let held = cluster.members[1].counters().session_id_ambiguous;
        assert_eq!(held > 0, length == CookieLength::None, "{held} {length:?}");
    }
}

#[test]
fn a_router_with_every_tenant_there_may_be_says_them_all() {
    let tenants: Vec<u32> = (1..=u32::try_from(TENANTS_MAX).unwrap() + 5).collect();
    let mut cluster = Cluster::of(2, 10, &tenants);
    cluster.seconds(1);
    assert_eq!(cluster.wires[0].len(), TENANTS_MAX);
    let max = u32::try_from(TENANTS_MAX).unwrap();
    assert_eq!(cluster.notices[0], [Notice::TooManyTenants { max }]);
    // Some leave; nothing else moves, in whatever order announcements come.
    let changed = cluster.changed;
    cluster.set(settings(0, &tenants[3 * TENANTS_PER_LSA / 2..TENANTS_MAX]));
    cluster.seconds(1);
    cluster.set(settings(1, &tenants[..TENANTS_MAX]));
    cluster.seconds(1);
    assert_eq!(cluster.downs[1].len(), 3 * TENANTS_PER_LSA / 2);
    assert_eq!(cluster.changed, changed);
    cluster.assert_agreed();
}

/// Two of them come to one id where they have no cookies.
const TENANTS: [u32; 5] = [10, 20, 30, TWINS[0].1[0], TWINS[0].1[1]];

/// Some tenants, without cookies as often as with them.
fn any_settings(prng: &mut Prng, member: usize) -> Settings {
    let tenants: Vec<u32> = TENANTS.into_iter().filter(|_| prng.below(2) == 0).collect();
    let mut settings = settings(member, &tenants);
    for tenant in settings.tenants.values_mut() {
        tenant.format = match prng.below(2) {
            0 => cookies(CookieLength::None),
            _ => format(usize::try_from(prng.below(36)).unwrap()),
        };
        tenant.mtu = 1280 + u16::try_from(prng.below(7000)).unwrap();
    }
    Settings { rotation: Some(ROTATION_INTERVAL_MIN), ..settings }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Members that change, part, join, restart and rotate, with announcements late and skipped:
    /// at no time does a frame come out with another tenant (without cookies, from a sender that
    /// has heard the newest) or do two sessions have one id, and in the end everybody agrees.
    #[test]
    fn in_the_end_every_pair_agrees(seed in any::<u64>()) {
        let mut prng = Prng::new(seed);
        let count = usize::try_from(2 + prng.below(5)).unwrap();
        let mut cluster = Cluster::new(count, seed);
        cluster.delay = Duration::from_millis(1 + prng.below(20_000));
        cluster.skipped = prng.below(100);
        let mut all: Vec<Settings> = (0..count).map(|member| settings(member, &[])).collect();
        for _ in 0..60 {
            let (a, b) = (prng.below(count as u64), prng.below(count as u64));
            let (a, b) = (usize::try_from(a).unwrap(), usize::try_from(b).unwrap());
            match prng.below(6) {
                0 if a != b => cluster.part(a, b),
                1 => cluster.join(a, b),
                2 => cluster.restart(a, all[a].clone()),
                _ => {
                    let next = any_settings(&mut prng, a);
                    all[a] = next.clone();
                    cluster.set(next);
                }
            }
            cluster.run(Duration::from_millis(prng.below(100_000)));
            for (from, to) in (0..count).flat_map(|from| (0..count).map(move |to| (from, to))) {
                for tenant in TENANTS {
                    let frame = cluster.send(tenant, from, to);
                    frame.map(|frame| cluster.receive(&frame));
                }
            }
        }
        for (a, b) in (0..count).flat_map(|a| (0..count).map(move |b| (a, b))) {
            cluster.join(a, b);
        }
        cluster.seconds(60);
        cluster.assert_agreed();
    }
}
