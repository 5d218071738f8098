//! Policies against naive ones, and the table of what each condition and edit does.

use super::*;
use crate::base::as_path_pattern::{AsPathPattern, AsPathStep, Times};
use crate::base::community::AnyCommunity;
use crate::base::prefix::Ipv6Prefix;
use crate::base::prefix_range::PrefixRange;
use crate::proto::bgp::ribs::{Dependence, PeerId, Policies, PolicyId, Question, Route, Verdict};
use crate::wire::bgp::{AsPath, AsPathSegment, NextHop, Origin, PathAttributes};
use crate::wire::rtr::Payload;
use core::net::Ipv6Addr;
use proptest::prelude::*;

const ASN: u32 = 64512;
const ID: PolicyId = PolicyId(7);

fn prefix(text: &str) -> Ipv6Prefix {
    text.parse().unwrap()
}

fn set(ranges: &[&str]) -> PrefixSet {
    PrefixSet::new(ranges.iter().map(|range| range.parse::<PrefixRange>().unwrap()))
}

fn path(asns: &[u32]) -> AsPath {
    AsPath::sequence(asns)
}

fn route(asns: &[u32]) -> Route {
    let next_hop = NextHop { global: Some("2001:db8::1".parse().unwrap()), link_local: None };
    let attributes = PathAttributes { as_path: path(asns), ..PathAttributes::default() };
    Route { next_hop: Some(next_hop), attributes }
}

fn with_communities(communities: &[&str]) -> Route {
    let mut route = route(&[64500]);
    Edit::AddCommunities(all(communities)).apply(&mut route);
    route
}

fn all(communities: &[&str]) -> Vec<AnyCommunity> {
    communities.iter().map(|community| community.parse().unwrap()).collect()
}

fn clause(conditions: Vec<Condition>, edits: Vec<Edit>, action: Action) -> Clause {
    Clause { conditions, edits, action }
}

fn engine(clauses: Vec<Clause>, otherwise: Fate) -> Engine {
    let mut engine = Engine::new(ASN);
    assert!(engine.insert(ID, Policy::new(clauses, otherwise)));
    engine
}

fn judge(engine: &Engine, prefix: &str, route: &Route) -> Verdict {
    let prefix = Some(prefix.parse().unwrap());
    engine.judge(ID, &Question { prefix, from: PeerId(1), route })
}

/// A short address, so that ranges and prefixes meet.
fn some_prefix() -> impl Strategy<Value = Ipv6Prefix> {
    (any::<u8>(), 0u8..=10, prop::sample::select(vec![0u8, 0, 0, 54, 118])).prop_map(
        |(bits, length, more)| {
            let address = Ipv6Addr::from_bits(u128::from(bits) << 120);
            Ipv6Prefix::containing(address, length + more)
        },
    )
}

fn some_range() -> impl Strategy<Value = PrefixRange> {
    (some_prefix(), 0u8..=128, 0u8..=128).prop_map(|(prefix, ge, le)| {
        let ge = ge.max(prefix.length());
        let text = match (le > 100, le >= ge) {
            (true, _) => prefix.to_string(),
            (false, true) => format!("{prefix} ge {ge} le {le}"),
            (false, false) => format!("{prefix} ge {ge}"),
        };
        text.parse().unwrap()
    })
}

fn some_pattern() -> impl Strategy<Value = AsPathPattern> {
    let word = prop::sample::select(vec!["1", "2", "1-2", "2-3", "?", "*", "1+", "2*", "?+"]);
    prop::collection::vec(word, 0..7).prop_map(|words| words.join(" ").parse().unwrap())
}

/// Steps tried one after the other, every way.
fn naive(steps: &[AsPathStep], asns: &[u32]) -> bool {
    let Some((step, later)) = steps.split_first() else { return asns.is_empty() };
    let is_taken = asns.first().is_some_and(|asn| step.asns.contains(*asn));
    let rest = asns.get(1..).unwrap_or(&[]);
    let once = AsPathStep { times: Times::Once, ..*step };
    match step.times {
        Times::Once => is_taken && naive(later, rest),
        Times::Any => naive(later, asns) || is_taken && naive(steps, rest),
        Times::Some => {
            let any = AsPathStep { times: Times::Any, ..*step };
            let unrolled: Vec<_> = [once, any].into_iter().chain(later.iter().copied()).collect();
            naive(&unrolled, asns)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_prefix_set_has_what_its_ranges_have(
        ranges in prop::collection::vec(some_range(), 0..24),
        prefixes in prop::collection::vec(some_prefix(), 1..64),
    ) {
        let set = PrefixSet::new(ranges.iter().copied());
        for prefix in prefixes {
            let naive = ranges.iter().any(|range| range.contains(prefix));
            prop_assert_eq!(set.contains(prefix), naive, "{} in {:?}", prefix, ranges);
        }
    }

    #[test]
    fn a_matcher_says_what_trying_every_way_says(
        pattern in some_pattern(),
        asns in prop::collection::vec(1u32..5, 0..9),
    ) {
        let matcher = AsPathMatcher::new(&pattern);
        prop_assert_eq!(matcher.matches(&path(&asns)), naive(pattern.steps(), &asns));
    }

    #[test]
    fn origins_are_validated_as_by_looking_at_every_payload(
        payloads in prop::collection::vec((some_prefix(), 0u8..=10, 0u32..4), 0..12),
        prefix in some_prefix(),
        asns in prop::collection::vec(1u32..4, 0..3),
    ) {
        let payloads: Vec<_> = payloads
            .into_iter()
            .map(|(prefix, more, asn)| Payload {
                prefix,
                length_max: prefix.length().saturating_add(more).min(128),
                asn,
            })
            .collect();
        let origin = asns.last().copied().unwrap_or(ASN);
        let covering: Vec<_> = payloads.iter().filter(|it| it.prefix.covers(prefix)).collect();
        let is_valid = |it: &&&Payload| {
            it.asn == origin && prefix.length() <= it.length_max
        };
        let naive = match (covering.is_empty(), covering.iter().find(is_valid)) {
            (true, _) => RpkiState::NotFound,
            (false, Some(_)) => RpkiState::Valid,
            (false, None) => RpkiState::Invalid,
        };
        let vrps = Vrps::new(&payloads).unwrap();
        prop_assert_eq!(vrps.state(prefix, &path(&asns), ASN), naive);
    }
}

#[test]
fn patterns_are_anchored_at_both_ends() {
    let matches = |pattern: &str, asns: &[u32]| {
        AsPathMatcher::new(&pattern.parse().unwrap()).matches(&path(asns))
    };
    assert!(matches("", &[]) && !matches("", &[1]));
    assert!(matches("64500 *", &[64500]) && matches("64500 *", &[64500, 1, 2]));
    assert!(!matches("64500 *", &[1, 64500]) && !matches("64500", &[64500, 1]));
    assert!(matches("* 64500", &[1, 2, 64500]) && !matches("* 64500", &[64500, 1]));
    assert!(matches("64500+ ?", &[64500, 64500, 1]) && !matches("64500+ ?", &[64500]));
    assert!(matches("* 64512-65534 *", &[1, 65000, 2]) && !matches("* 64512-65534 *", &[1, 2]));
}

#[test]
fn the_longest_pattern_still_ends_in_a_word_of_the_machine() {
    let matcher = AsPathMatcher::new(&"1 ".repeat(63).parse().unwrap());
    assert!(matcher.matches(&path(&[1; 63])));
    assert!(!matcher.matches(&path(&[1; 62])) && !matcher.matches(&path(&[1; 64])));
}

#[test]
fn a_set_in_a_path_counts_as_one_as_of_its_members() {
    let segments = vec![AsPathSegment::Sequence(vec![1]), AsPathSegment::Set(vec![5, 6])];
    let path = AsPath::from_segments(segments);
    let matches = |pattern: &str| AsPathMatcher::new(&pattern.parse().unwrap()).matches(&path);
    assert!(matches("1 6") && matches("1 5") && !matches("1 5 6") && !matches("1 7"));
}

#[test]
fn origin_validation_is_that_of_the_rfc() {
    let payload = |text: &str, length_max, asn| Payload { prefix: prefix(text), length_max, asn };
    let payloads = [
        payload("2001:db8::/32", 48, 64500),
        payload("2001:db8:1::/48", 48, 64501),
        payload("2001:db9::/32", 48, 0),
    ];
    let vrps = Vrps::new(&payloads).unwrap();
    let state = |text: &str, asns: &[u32]| vrps.state(prefix(text), &path(asns), ASN);
    assert_eq!(state("2001:db8::/32", &[1, 64500]), RpkiState::Valid);
    assert_eq!(state("2001:db8:1::/48", &[1, 64500]), RpkiState::Valid, "by the one further out");
    assert_eq!(state("2001:db8:1::/48", &[64501]), RpkiState::Valid);
    assert_eq!(state("2001:db8:1::/48", &[64501, 9]), RpkiState::Invalid);
    assert_eq!(state("2001:db8::/49", &[64500]), RpkiState::Invalid, "too long");
    assert_eq!(state("2001:db9::/32", &[64500]), RpkiState::Invalid, "AS 0 is nobody");
    assert_eq!(state("2001:dba::/32", &[64500]), RpkiState::NotFound);
    assert_eq!(state("2001:db8::/32", &[]), RpkiState::Invalid, "it begins here");
    assert_eq!(Vrps::default().state(prefix("::/0"), &path(&[1]), ASN), RpkiState::NotFound);
}

#[test]
fn a_payload_holds_until_the_last_cache_withdraws_it() {
    let payload = |length_max, asn| Payload { prefix: prefix("2001:db8::/32"), length_max, asn };
    let mut vrps = Vrps::default();
    assert_eq!(vrps.announce(payload(48, 64500)), Ok(true));
    assert_eq!(vrps.announce(payload(48, 64500)), Ok(false), "another cache has it as well");
    assert_eq!(vrps.announce(payload(32, 64500)), Ok(true));
    let all: Vec<_> = vrps.behind(None).collect();
    assert_eq!((vrps.len(), all), (2, vec![(prefix("2001:db8::/32"), 2)]));
    assert_eq!(vrps.of(prefix("2001:db8::/32")).count(), 2);
    assert!(!vrps.withdraw(payload(48, 64500)));
    assert_eq!(vrps.state(prefix("2001:db8:1::/48"), &path(&[64500]), ASN), RpkiState::Valid);
    assert!(vrps.withdraw(payload(48, 64500)) && !vrps.withdraw(payload(48, 64500)));
    assert_eq!(vrps.state(prefix("2001:db8:1::/48"), &path(&[64500]), ASN), RpkiState::Invalid);
    assert!(vrps.withdraw(payload(32, 64500)) && vrps.is_empty());
    assert_eq!(vrps.state(prefix("2001:db8:1::/48"), &path(&[64500]), ASN), RpkiState::NotFound);
}

/// A cache that is broken, or in other hands: it says that all the world may announce one prefix.
/// With a look at each payload for each change and each route this test would take hours.
#[test]
fn a_prefix_with_very_many_payloads_costs_no_more_than_others() {
    const COUNT: u32 = 100_000;
    let payload = |asn| Payload { prefix: prefix("2001:db8::/32"), length_max: 48, asn };
    let mut vrps = Vrps::default();
    for asn in 1..=COUNT {
        assert_eq!(vrps.announce(payload(asn)), Ok(true));
    }
    let inside = prefix("2001:db8:1::/48");
    for asn in 1..=COUNT {
        assert_eq!(vrps.state(inside, &path(&[asn]), ASN), RpkiState::Valid);
        assert_eq!(vrps.state(inside, &path(&[asn + COUNT]), ASN), RpkiState::Invalid);
    }
    for asn in 1..=COUNT {
        assert!(vrps.withdraw(payload(asn)));
    }
    assert!(vrps.is_empty() && vrps.behind(None).next().is_none());
}

#[test]
fn what_finds_no_room_is_refused_and_others_have_it_still() {
    let payload = |asn| Payload { prefix: prefix("2001:db8::/32"), length_max: 48, asn };
    let mut vrps = Vrps::with_limit(1);
    assert_eq!(vrps.announce(payload(1)), Ok(true));
    assert_eq!(vrps.announce(payload(2)), Err(TooManyVrps(2)));
    assert_eq!(vrps.announce(payload(1)), Ok(false), "that is no other one");
    assert!(!vrps.has_room() && !vrps.withdraw(payload(1)) && vrps.withdraw(payload(1)));
    assert_eq!((vrps.has_room(), vrps.announce(payload(2))), (true, Ok(true)));
}

#[test]
fn each_condition_asks_what_it_says() {
    let subject = Subject { prefix: Some(prefix("2001:db8::/32")), rpki: RpkiState::Invalid };
    let mut route = with_communities(&["64500:7", "no-export", "64500:1:2"]);
    route.attributes.med = Some(9);
    let matcher = |text: &str| AsPathMatcher::new(&text.parse().unwrap());
    let patterns =
        |texts: &[&str]| -> Vec<_> { texts.iter().map(|text| text.parse().unwrap()).collect() };
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
    let cases = [
        (Condition::Prefix(set(&["2001:db8::/32"])), true),
        (Condition::Prefix(set(&["2001:db8::/32 ge 33"])), false),
        (Condition::AsPath(vec![matcher("1 *"), matcher("64500")]), true),
        (Condition::AsPath(vec![matcher("1 *")]), false),
        (Condition::AsPathLength(1, 1), true),
        (Condition::AsPathLength(2, u32::MAX), false),
        (Condition::AllCommunities(patterns(&["64500:*", "64500:1:*"])), true),
        (Condition::AllCommunities(patterns(&["64500:*", "64501:*"])), false),
        (Condition::AnyCommunities(patterns(&["64501:*", "no-export"])), true),
        (Condition::AnyCommunities(patterns(&["64501:*", "64500:7:7"])), false),
        (Condition::LocalPref(100), true),
        (Condition::LocalPref(0), false),
        (Condition::Med(9), true),
        (Condition::Med(0), false),
        (Condition::Origin(Origin::Igp), true),
        (Condition::Origin(Origin::Incomplete), false),
        (Condition::NextHop(address("2001:db8::1")), true),
        (Condition::NextHop(address("2001:db8::2")), false),
        (Condition::Rpki(RpkiState::Invalid), true),
        (Condition::Rpki(RpkiState::Valid), false),
    ];
    for (condition, holds) in cases {
        assert_eq!(condition.holds(&subject, &route), holds, "{condition:?}");
    }
}

#[test]
fn each_edit_changes_what_it_says_and_nothing_else() {
    let before = with_communities(&["64500:7", "64500:9", "64500:1:2"]);
    let after = |edit: Edit| {
        let mut route = before.clone();
        edit.apply(&mut route);
        route
    };
    let expect = |change: &dyn Fn(&mut Route)| {
        let mut route = before.clone();
        change(&mut route);
        route
    };
    let set_pref = expect(&|route| route.attributes.local_pref = Some(5));
    assert_eq!(after(Edit::LocalPref(5)), set_pref);
    assert_eq!(after(Edit::Med(5)), expect(&|route| route.attributes.med = Some(5)));
    let egp = expect(&|route| route.attributes.origin = Origin::Egp);
    assert_eq!(after(Edit::Origin(Origin::Egp)), egp);
    let longer = expect(&|route| route.attributes.as_path = path(&[ASN, ASN, 64500]));
    assert_eq!(after(Edit::Prepend { asn: ASN, times: 2 }), longer);
    let own = expect(&|route| route.next_hop = None);
    assert_eq!(after(Edit::NextHop(NextHopEdit::Own)), own);
    let communities = |route: &Route| {
        let attributes = &route.attributes;
        let standard = attributes.communities.iter().map(ToString::to_string);
        let large = attributes.large_communities.iter().map(ToString::to_string);
        standard.chain(large).collect::<Vec<_>>().join(" ")
    };
    let replaced = after(Edit::Communities(all(&["no-export", "1:2", "1:2"])));
    assert_eq!(communities(&replaced), "1:2 no-export");
    let added = after(Edit::AddCommunities(all(&["64500:8", "64500:7", "64500:1:1"])));
    assert_eq!(communities(&added), "64500:7 64500:8 64500:9 64500:1:1 64500:1:2");
    let removed = Edit::RemoveCommunities(vec!["64500:7".parse().unwrap()]);
    assert_eq!(communities(&after(removed)), "64500:9 64500:1:2");
    let removed = Edit::RemoveCommunities(vec!["64500:*".parse().unwrap()]);
    assert_eq!(communities(&after(removed)), "64500:1:2");
    assert_eq!(after(Edit::Tag(7)), before);
}

#[test]
fn the_first_clause_that_decides_decides() {
    let in_list = |ranges: &[&str]| vec![Condition::Prefix(set(ranges))];
    let engine = engine(
        vec![
            clause(in_list(&["2001:db8::/32 le 128"]), vec![Edit::Med(1)], Action::Next),
            clause(in_list(&["2001:db8:1::/48"]), vec![], Action::Reject),
            clause(vec![Condition::Med(1)], vec![Edit::LocalPref(200)], Action::Accept),
        ],
        Fate::Rejected,
    );
    let sent = route(&[64500]);
    assert_eq!(judge(&engine, "2001:db8:1::/48", &sent), Verdict::Reject);
    assert_eq!(judge(&engine, "2000::/3", &sent), Verdict::Reject, "the default");
    let Verdict::Change(changed) = judge(&engine, "2001:db8:2::/48", &sent) else {
        panic!("the third clause saw what the first one has set")
    };
    assert_eq!((changed.attributes.med, changed.attributes.local_pref), (Some(1), Some(200)));
    let explained = engine.explain(ID, (prefix("2001:db8:2::/48"), &sent), None).unwrap();
    let steps: Vec<_> = explained.steps.iter().map(|step| step.mismatch).collect();
    assert_eq!(steps, [None, Some(0), None]);
    assert_eq!(explained.decided_by, Some(2));
    assert_eq!(explained.route, *changed);
}

#[test]
fn an_edit_that_changes_nothing_is_no_change() {
    let engine = engine(
        vec![clause(vec![], vec![Edit::Origin(Origin::Igp)], Action::Accept)],
        Fate::Rejected,
    );
    assert_eq!(judge(&engine, "2000::/3", &route(&[1])), Verdict::Accept);
}

#[test]
fn a_policy_that_does_not_exist_lets_nothing_pass() {
    let mut engine = engine(vec![], Fate::Accepted);
    assert_eq!(judge(&engine, "2000::/3", &route(&[1])), Verdict::Accept);
    engine.remove(ID);
    assert_eq!(judge(&engine, "2000::/3", &route(&[1])), Verdict::Reject);
    assert_eq!(engine.redistribute(ID, prefix("2000::/3"), &route(&[1])), None);
    assert_eq!(engine.explain(ID, (prefix("2000::/3"), &route(&[1])), None), None);
}

#[test]
fn only_policies_that_look_at_the_prefix_are_asked_for_each() {
    let dependence = |condition: Condition| {
        engine(vec![clause(vec![condition], vec![], Action::Accept)], Fate::Rejected).dependence(ID)
    };
    assert_eq!(dependence(Condition::Prefix(set(&["::/0"]))), Dependence::Prefix);
    assert_eq!(dependence(Condition::Rpki(RpkiState::Valid)), Dependence::Prefix);
    assert_eq!(dependence(Condition::Med(1)), Dependence::Attributes);
    assert_eq!(engine(vec![], Fate::Accepted).dependence(ID), Dependence::Attributes);
}

#[test]
fn a_default_route_goes_into_ospf_only_where_it_is_named() {
    let goes = |ranges: &[&str], text: &str| {
        let condition = Condition::Prefix(set(ranges));
        let clause = clause(vec![condition], vec![Edit::Med(7), Edit::Tag(9)], Action::Accept);
        let engine = engine(vec![clause], Fate::Rejected);
        engine.redistribute(ID, prefix(text), &route(&[1]))
    };
    let as_set = Some(Redistributed { metric: Some(7), tag: Some(9) });
    assert_eq!(goes(&["::/0"], "::/0"), as_set);
    assert_eq!(goes(&["::/0 le 48"], "::/0"), None, "it is only inside");
    assert_eq!(goes(&["::/0 le 48"], "2001:db8::/32"), as_set);
    assert_eq!(goes(&["2000::/3"], "2001:db8::/32"), None);
    let all = engine(vec![], Fate::Accepted);
    assert_eq!(all.redistribute(ID, prefix("::/0"), &route(&[1])), None);
    let unset = Some(Redistributed { metric: None, tag: None });
    assert_eq!(all.redistribute(ID, prefix("2000::/3"), &route(&[1])), unset);
}

#[test]
fn a_received_med_is_no_metric_of_ospf() {
    let all = engine(vec![], Fate::Accepted);
    let mut sent = route(&[1]);
    sent.attributes.med = Some(77);
    let redistributed = all.redistribute(ID, prefix("2000::/3"), &sent).unwrap();
    assert_eq!(redistributed.metric, None);
}

#[test]
fn what_the_rpki_says_is_asked_with_the_prefix() {
    let mut engine = engine(
        vec![clause(vec![Condition::Rpki(RpkiState::Invalid)], vec![], Action::Reject)],
        Fate::Accepted,
    );
    assert_eq!(engine.asking_rpki().collect::<Vec<_>>(), [ID]);
    let sent = route(&[64500]);
    assert_eq!(judge(&engine, "2001:db8::/32", &sent), Verdict::Accept);
    let payload = Payload { prefix: prefix("2001:db8::/32"), length_max: 32, asn: 64501 };
    engine.set_vrps(Vrps::new(&[payload]).unwrap());
    assert_eq!(judge(&engine, "2001:db8::/32", &sent), Verdict::Reject);
    let explained =
        engine.explain(ID, (prefix("2001:db8::/32"), &sent), Some(RpkiState::Valid)).unwrap();
    assert_eq!(explained.fate, Fate::Accepted);
}

#[test]
fn only_another_policy_is_a_change() {
    let policy = |med| {
        Policy::new(vec![clause(vec![], vec![Edit::Med(med)], Action::Accept)], Fate::Rejected)
    };
    let mut engine = Engine::new(ASN);
    assert!(engine.insert(ID, policy(1)));
    assert!(!engine.insert(ID, policy(1)));
    assert!(engine.insert(ID, policy(2)));
}
