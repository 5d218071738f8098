//! A session against a cache that is played here: by the book, wrong, silent, and at random.

use super::limits::{CHANGES_PER_SLICE_MAX, EXPIRE_TIME, REFRESH_TIME, SILENCE_MAX};
use super::*;
use crate::base::cursor::Writer;
use crate::base::machine::Machine;
use crate::base::time::{Duration, Instant};
use crate::wire::rtr::{Change, ErrorCode, Intervals, Payload, Pdu, Version, frame};
use proptest::prelude::*;
use std::collections::{BTreeSet, VecDeque};

/// A session with what its owner heard.
struct World {
    session: Session,
    now: Instant,
    version: Version,
    known: BTreeSet<Payload>,
    sent: Vec<Pdu>,
    actions: Vec<Action>,
}

impl World {
    fn new(settings: Settings) -> Self {
        let now = Instant::from_millis(1000);
        let session = Session::new(now, settings);
        let (known, sent, actions) = (BTreeSet::new(), Vec::new(), Vec::new());
        Self { session, now, version: Version::One, known, sent, actions }
    }

    fn up() -> Self {
        let mut world = Self::new(Settings::default());
        world.input(Input::Start);
        world.input(Input::Connected);
        world
    }

    /// With two payloads, at serial 1 of session 7.
    fn synchronised() -> Self {
        let mut world = Self::up();
        world.answer(1, &[(Change::Announce, payload(1)), (Change::Announce, payload(2))]);
        assert_eq!(world.known, [payload(1), payload(2)].into());
        world.sent.clear();
        world.actions.clear();
        world
    }

    fn input(&mut self, input: Input) {
        self.session.handle(self.now, input);
        self.drain();
    }

    fn hear(&mut self, pdus: &[Pdu]) {
        let mut writer = Writer::default();
        pdus.iter().for_each(|pdu| pdu.encode(self.version, &mut writer));
        self.input(Input::Received { octets: writer.into_vec() });
    }

    fn answer(&mut self, serial: u32, changes: &[(Change, Payload)]) {
        self.hear(&[Pdu::CacheResponse { session: 7 }]);
        let prefix = |(change, payload): &(Change, Payload)| Pdu::Prefix {
            change: *change,
            payload: *payload,
        };
        self.hear(&changes.iter().map(prefix).collect::<Vec<Pdu>>());
        self.hear(&[self.end(serial)]);
        self.settle();
    }

    fn end(&self, serial: u32) -> Pdu {
        let intervals = Intervals { refresh_s: 3600, retry_s: 600, expire_s: 7200 };
        let intervals = (self.version == Version::One).then_some(intervals);
        Pdu::EndOfData { session: 7, serial, intervals }
    }

    fn drain(&mut self) {
        while let Some(action) = self.session.poll_action() {
            match &action {
                Action::Changes(changes) => {
                    assert!(changes.len() <= CHANGES_PER_SLICE_MAX);
                    for (change, payload) in changes {
                        let is_new = match change {
                            Change::Announce => self.known.insert(*payload),
                            Change::Withdraw => self.known.remove(payload),
                        };
                        assert!(is_new, "{change:?} {payload:?} was told before");
                    }
                }
                Action::Send { octets } => {
                    let mut rest = octets.as_slice();
                    while let Ok(Some(pdu)) = frame(rest) {
                        let (version, decoded) = Pdu::decode(pdu).unwrap();
                        self.version = version;
                        self.sent.push(decoded);
                        rest = &rest[pdu.len()..];
                    }
                    assert!(rest.is_empty());
                }
                _ => {}
            }
            self.actions.push(action);
        }
    }

    /// What is due now.
    fn settle(&mut self) {
        while self.session.next_deadline().is_some_and(|at| at <= self.now) {
            self.session.handle_timeout(self.now);
            self.drain();
        }
    }

    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(at) = self.session.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn failure(&self) -> Option<Failure> {
        self.session.view().last_failure
    }
}

fn payload(number: u32) -> Payload {
    let bits = 0x2001_0db8 << 96 | u128::from(number) << 80;
    let prefix =
        crate::base::prefix::Ipv6Prefix::containing(core::net::Ipv6Addr::from_bits(bits), 48);
    Payload { prefix, length_max: 64, asn: 64500 + number }
}

#[test]
fn everything_is_asked_for_first_and_differences_after() {
    let mut world = World::synchronised();
    assert_eq!(world.session.view().state, State::Synchronised);
    world.hear(&[Pdu::SerialNotify { session: 7, serial: 2 }]);
    assert_eq!(world.sent, [Pdu::SerialQuery { session: 7, serial: 1 }]);
    world.answer(2, &[(Change::Withdraw, payload(1)), (Change::Announce, payload(3))]);
    assert_eq!(world.known, [payload(2), payload(3)].into());
    world.sent.clear();
    world.hear(&[Pdu::SerialNotify { session: 7, serial: 2 }]);
    assert_eq!(world.sent, [], "that is here");
    world.pass(REFRESH_TIME);
    assert_eq!(world.sent, [Pdu::SerialQuery { session: 7, serial: 2 }]);
}

#[test]
fn nothing_holds_before_the_answer_is_whole() {
    let mut world = World::up();
    assert_eq!(world.sent, [Pdu::ResetQuery]);
    world.hear(&[
        Pdu::CacheResponse { session: 7 },
        Pdu::Prefix { change: Change::Announce, payload: payload(1) },
        Pdu::Foreign,
    ]);
    world.settle();
    assert!(world.known.is_empty() && !world.session.has_data());
    world.input(Input::Closed);
    world.settle();
    assert!(world.known.is_empty());
    assert_eq!(world.failure(), Some(Failure::Closed));
}

#[test]
fn a_cache_without_the_differences_is_asked_for_everything_and_the_rest_goes() {
    let mut world = World::synchronised();
    world.pass(REFRESH_TIME);
    world.hear(&[Pdu::CacheReset]);
    assert_eq!(world.sent.last(), Some(&Pdu::ResetQuery));
    assert_eq!(world.known.len(), 2, "until the answer is whole");
    world.answer(9, &[(Change::Announce, payload(2)), (Change::Announce, payload(5))]);
    assert_eq!(world.known, [payload(2), payload(5)].into());
}

#[test]
fn data_outlive_a_lost_cache_until_they_expire() {
    let mut world = World::synchronised();
    world.input(Input::Closed);
    world.pass(EXPIRE_TIME - Duration::from_secs(1));
    assert_eq!(world.known.len(), 2);
    world.pass(Duration::from_secs(1));
    assert!(world.known.is_empty() && !world.session.has_data());
    assert!(world.actions.contains(&Action::Expired));
    assert_eq!(world.session.view().counters.expired, 1);
}

/// Whose data expire ten seconds after they are asked for again.
fn short_lived() -> Settings {
    let [refresh, expire] = [590, 600].map(|seconds| Some(Duration::from_secs(seconds)));
    Settings { refresh_time: refresh, retry_time: None, expire_time: expire }
}

#[test]
fn differences_to_data_that_expired_meanwhile_are_never_the_whole_table() {
    for has_begun in [false, true] {
        let mut world = World::new(short_lived());
        world.input(Input::Start);
        world.input(Input::Connected);
        world.answer(1, &[(Change::Announce, payload(1)), (Change::Announce, payload(2))]);
        world.pass(Duration::from_secs(590));
        assert_eq!(world.sent.last(), Some(&Pdu::SerialQuery { session: 7, serial: 1 }));
        if has_begun {
            world.hear(&[Pdu::CacheResponse { session: 7 }]);
        }
        world.pass(Duration::from_secs(10));
        assert!(world.known.is_empty() && world.actions.contains(&Action::Expired));
        let errors_sent = world.session.view().counters.errors_sent;
        world.answer(2, &[(Change::Announce, payload(3))]);
        assert!(world.known.is_empty(), "{:?}", world.known);
        assert_eq!(world.failure(), Some(Failure::Late));
        assert_eq!(world.session.view().counters.errors_sent, errors_sent, "it did nothing wrong");
        world.pass(Duration::from_secs(5));
        world.input(Input::Connected);
        assert_eq!(world.sent.last(), Some(&Pdu::ResetQuery));
    }
}

#[test]
fn an_answer_with_everything_does_not_mind_that_older_data_expire() {
    let mut world = World::new(short_lived());
    world.input(Input::Start);
    world.input(Input::Connected);
    world.answer(1, &[(Change::Announce, payload(1)), (Change::Announce, payload(2))]);
    world.pass(Duration::from_secs(590));
    let prefix = |number| Pdu::Prefix { change: Change::Announce, payload: payload(number) };
    world.hear(&[Pdu::CacheReset, Pdu::CacheResponse { session: 7 }, prefix(2)]);
    world.pass(Duration::from_secs(10));
    assert!(world.known.is_empty() && world.actions.contains(&Action::Expired));
    world.hear(&[prefix(3), world.end(5)]);
    world.settle();
    assert_eq!(world.known, [payload(2), payload(3)].into());
    assert_eq!((world.session.view().state, world.failure()), (State::Synchronised, None));
}

#[test]
fn a_cache_that_is_back_goes_on_where_it_was() {
    let mut world = World::synchronised();
    world.input(Input::Closed);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.actions.last(), Some(&Action::Connect));
    world.input(Input::Connected);
    assert_eq!(world.sent, [Pdu::SerialQuery { session: 7, serial: 1 }]);
    world.answer(2, &[(Change::Withdraw, payload(2))]);
    assert_eq!(world.known, [payload(1)].into());
}

#[test]
fn another_session_flushes_all_that_was_learned() {
    for pdu in [Pdu::SerialNotify { session: 8, serial: 1 }, Pdu::CacheResponse { session: 8 }] {
        let mut world = World::synchronised();
        if matches!(pdu, Pdu::CacheResponse { .. }) {
            world.pass(REFRESH_TIME);
        }
        world.hear(&[pdu]);
        world.settle();
        assert!(world.known.is_empty());
        assert_eq!(world.failure(), Some(Failure::OtherSession));
        // §5.1: "MUST immediately terminate the session with an Error Report PDU with code 0".
        let said = world.sent.last();
        let is_corrupt = |code: &ErrorCode| *code == ErrorCode::CORRUPT_DATA;
        assert!(
            matches!(said, Some(Pdu::ErrorReport { code, .. }) if is_corrupt(code)),
            "{said:?}"
        );
        world.pass(Duration::from_secs(5));
        world.sent.clear();
        world.input(Input::Connected);
        assert_eq!(world.sent, [Pdu::ResetQuery]);
    }
}

#[test]
fn a_cache_of_version_0_is_spoken_to_in_version_0() {
    let mut world = World::up();
    world.version = Version::Zero;
    let code = ErrorCode::UNSUPPORTED_VERSION;
    world.hear(&[Pdu::ErrorReport { code, text: String::new() }]);
    assert_eq!(world.actions[world.actions.len() - 2..], [Action::Close, Action::Connect]);
    world.input(Input::Connected);
    assert_eq!((world.version, world.sent.last()), (Version::Zero, Some(&Pdu::ResetQuery)));
    world.answer(1, &[(Change::Announce, payload(1))]);
    assert_eq!(world.known, [payload(1)].into());
    assert_eq!(world.session.view().version, Version::Zero);
}

#[test]
fn an_answer_in_version_0_is_taken_and_another_version_later_is_not() {
    let mut world = World::up();
    world.version = Version::Zero;
    world.answer(1, &[(Change::Announce, payload(1))]);
    assert_eq!(world.known, [payload(1)].into());
    world.version = Version::One;
    world.hear(&[Pdu::SerialNotify { session: 7, serial: 2 }]);
    assert_eq!(world.failure(), Some(Failure::Sent(ErrorCode::UNEXPECTED_VERSION)));
    assert_eq!(world.known.len(), 1, "until it expires");
}

#[test]
fn duplicates_and_unknown_withdrawals_end_the_session_with_their_error() {
    let cases = [
        (Change::Announce, payload(1), ErrorCode::DUPLICATE),
        (Change::Withdraw, payload(9), ErrorCode::UNKNOWN_RECORD),
    ];
    for (change, payload, code) in cases {
        let mut world = World::synchronised();
        world.pass(REFRESH_TIME);
        world.sent.clear();
        world.hear(&[Pdu::CacheResponse { session: 7 }, Pdu::Prefix { change, payload }]);
        let [Pdu::ErrorReport { code: sent, .. }] = world.sent.as_slice() else {
            panic!("{:?}", world.sent)
        };
        assert_eq!(*sent, code);
        assert_eq!(world.failure(), Some(Failure::Sent(code)));
        assert_eq!(world.known.len(), 2, "nothing of it holds");
        world.pass(Duration::from_secs(5));
        world.sent.clear();
        world.input(Input::Connected);
        assert_eq!(world.sent, [Pdu::ResetQuery], "what is known of it is not trusted on");
    }
}

#[test]
fn a_cache_without_data_is_asked_again_and_stays_connected() {
    let mut world = World::up();
    let text = String::new();
    world.hear(&[Pdu::ErrorReport { code: ErrorCode::NO_DATA, text }]);
    assert_eq!(world.session.view().state, State::Waiting);
    assert!(!world.actions.contains(&Action::Close));
    world.sent.clear();
    world.pass(limits::RETRY_TIME);
    assert_eq!(world.sent, [Pdu::ResetQuery]);
}

#[test]
fn a_silent_cache_is_given_up() {
    let mut world = World::up();
    world.pass(SILENCE_MAX);
    assert_eq!(world.failure(), Some(Failure::Silent));
    assert!(world.actions.contains(&Action::Close));
    let mut world = World::synchronised();
    world.pass(SILENCE_MAX * 2);
    assert_eq!(world.failure(), None, "nothing is awaited of it");
}

#[test]
fn an_error_report_is_not_answered_with_another() {
    let mut world = World::synchronised();
    world.hear(&[Pdu::ErrorReport { code: ErrorCode::INTERNAL, text: "disk".to_owned() }]);
    assert_eq!(world.sent, []);
    let failure = Failure::Reported(ErrorCode::INTERNAL, "disk".to_owned());
    assert_eq!(world.failure(), Some(failure));
}

#[test]
fn intervals_of_the_administrator_win_and_the_others_are_bounded() {
    let refresh_time = Some(Duration::from_secs(30));
    let mut world = World::new(Settings { refresh_time, ..Settings::default() });
    world.input(Input::Start);
    world.input(Input::Connected);
    let intervals = Some(Intervals { refresh_s: 9, retry_s: 0, expire_s: u32::MAX });
    world.hear(&[
        Pdu::CacheResponse { session: 7 },
        Pdu::EndOfData { session: 7, serial: 1, intervals },
    ]);
    let view = world.session.view();
    assert_eq!(view.next_at, Some(world.now + Duration::from_secs(30)));
    assert_eq!(view.expires_at, Some(world.now + limits::EXPIRE_TIME_MAX));
}

#[test]
fn a_large_table_is_told_in_slices_and_no_query_comes_between() {
    let mut world = World::up();
    let count = u32::try_from(CHANGES_PER_SLICE_MAX).unwrap() * 3;
    world.hear(&[Pdu::CacheResponse { session: 7 }]);
    let prefix = |number| Pdu::Prefix { change: Change::Announce, payload: payload(number) };
    world.hear(&(0..count).map(prefix).collect::<Vec<Pdu>>());
    world.hear(&[world.end(1), Pdu::SerialNotify { session: 7, serial: 2 }]);
    world.session.handle_timeout(world.now);
    world.drain();
    assert!(!world.known.is_empty() && world.known.len() < count as usize);
    assert_eq!(world.sent, [Pdu::ResetQuery]);
    world.settle();
    assert_eq!(world.known.len(), count as usize);
    assert_eq!(world.sent.last(), Some(&Pdu::SerialQuery { session: 7, serial: 1 }));
}

#[test]
fn a_session_that_is_stopped_gives_everything_back() {
    let mut world = World::synchronised();
    world.input(Input::Stop);
    world.settle();
    assert!(world.known.is_empty() && world.session.is_over());
    assert_eq!(world.session.next_deadline(), None);
    world.input(Input::Start);
    world.input(Input::Connected);
    assert_eq!(world.sent, [Pdu::ResetQuery]);
}

/// A cache that does nothing wrong: its table at each serial number, and what it still has to say.
struct Cache {
    tables: Vec<BTreeSet<Payload>>,
    said: VecDeque<Pdu>,
    is_connected: bool,
    heard_count: usize,
}

impl Default for Cache {
    fn default() -> Self {
        let (tables, said) = (vec![BTreeSet::new()], VecDeque::new());
        Self { tables, said, is_connected: false, heard_count: 0 }
    }
}

#[derive(Clone, Debug)]
enum CacheStep {
    /// Its table has or has not got a payload.
    Change(u32),
    /// It says up to so many PDUs of what it has to say.
    Say(usize),
    /// The connection stands, where one is opened.
    Connect,
    /// It breaks off.
    Break,
    /// It sends a note.
    Notify,
    /// Time passes.
    Pass(u64),
}

fn cache_step() -> impl Strategy<Value = CacheStep> {
    prop_oneof![
        6 => (0_u32..6).prop_map(CacheStep::Change),
        8 => (0_usize..5).prop_map(CacheStep::Say),
        6 => Just(CacheStep::Connect),
        1 => Just(CacheStep::Break),
        2 => Just(CacheStep::Notify),
        4 => (0_u64..20).prop_map(CacheStep::Pass),
        2 => (560_u64..600).prop_map(CacheStep::Pass),
    ]
}

impl Cache {
    fn take(&mut self, world: &mut World, step: CacheStep) {
        match step {
            CacheStep::Change(number) => {
                let mut table = self.tables.last().unwrap().clone();
                if !table.insert(payload(number)) {
                    table.remove(&payload(number));
                }
                self.tables.push(table);
            }
            CacheStep::Connect if world.session.view().state == State::Connecting => {
                self.said.clear();
                self.is_connected = true;
                self.heard_count = world.sent.len();
                world.input(Input::Connected);
            }
            CacheStep::Connect => {}
            CacheStep::Break => {
                if world.session.view().state != State::Connecting {
                    world.input(Input::Closed);
                }
            }
            CacheStep::Notify if self.is_connected => {
                world.hear(&[Pdu::SerialNotify { session: 7, serial: self.serial() }]);
            }
            CacheStep::Notify => {}
            CacheStep::Pass(seconds) => world.pass(Duration::from_secs(seconds)),
            CacheStep::Say(count) => {
                for _ in 0..count {
                    self.listen(world);
                    let Some(pdu) = self.said.pop_front() else { break };
                    world.hear(&[pdu]);
                }
            }
        }
        if matches!(world.session.view().state, State::Idle | State::Connecting) {
            self.is_connected = false;
            self.said.clear();
        }
    }

    fn serial(&self) -> u32 {
        u32::try_from(self.tables.len() - 1).unwrap()
    }

    /// Answers the queries that it has not seen yet.
    fn listen(&mut self, world: &World) {
        if !self.is_connected {
            return;
        }
        for query in world.sent.get(self.heard_count..).unwrap_or_default() {
            let before = match query {
                Pdu::ResetQuery => BTreeSet::new(),
                Pdu::SerialQuery { serial, .. } if *serial % 7 == 5 => {
                    self.said.push_back(Pdu::CacheReset);
                    continue;
                }
                Pdu::SerialQuery { serial, .. } => self.tables[*serial as usize].clone(),
                other => panic!("{other:?}"),
            };
            let now = self.tables.last().unwrap();
            let say = |change| move |payload: &Payload| Pdu::Prefix { change, payload: *payload };
            self.said.push_back(Pdu::CacheResponse { session: 7 });
            self.said.extend(now.difference(&before).map(say(Change::Announce)));
            self.said.extend(before.difference(now).map(say(Change::Withdraw)));
            let serial = self.serial();
            self.said.push_back(world.end(serial));
        }
        self.heard_count = world.sent.len();
    }
}

fn pdu() -> impl Strategy<Value = Pdu> {
    let (session, serial) = (7_u16..9, 0_u32..4);
    let intervals = Some(Intervals { refresh_s: 1, retry_s: 1, expire_s: 600 });
    let change = prop_oneof![3 => Just(Change::Announce), 2 => Just(Change::Withdraw)];
    prop_oneof![
        1 => (session.clone(), serial.clone())
            .prop_map(|(session, serial)| Pdu::SerialNotify { session, serial }),
        4 => session.clone().prop_map(|session| Pdu::CacheResponse { session }),
        8 => (change, 0_u32..6)
            .prop_map(|(change, number)| Pdu::Prefix { change, payload: payload(number) }),
        1 => Just(Pdu::Foreign),
        4 => (session, serial)
            .prop_map(move |(session, serial)| Pdu::EndOfData { session, serial, intervals }),
        1 => Just(Pdu::CacheReset),
        1 => (0_u16..9).prop_map(|code| Pdu::ErrorReport {
            code: ErrorCode(code),
            text: String::new(),
        }),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Hear(Pdu),
    Noise(Vec<u8>),
    Connected,
    Closed,
    Pass(u64),
    Toggle(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => pdu().prop_map(Step::Hear),
        1 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Step::Noise),
        6 => Just(Step::Connected),
        1 => Just(Step::Closed),
        4 => (0_u64..1000).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Toggle),
    ]
}

proptest! {
    /// A cache by the book, however slow it is and however often it breaks off, leaves the owner
    /// with what it had when it answered; at the end, with what it has.
    #[test]
    fn a_cache_by_the_book_leaves_the_owner_with_its_table(
        steps in proptest::collection::vec(cache_step(), 0..80),
    ) {
        let mut world = World::new(short_lived());
        world.input(Input::Start);
        let mut cache = Cache::default();
        for step in steps {
            cache.take(&mut world, step);
            world.settle();
            let view = world.session.view();
            if view.state == State::Synchronised {
                let serial = view.serial.unwrap();
                prop_assert_eq!(&world.known, &cache.tables[serial as usize]);
            }
        }
        // Long enough for the longest wait before a new try, and to ask for news after it.
        for _ in 0..400 {
            world.pass(Duration::from_secs(5));
            cache.take(&mut world, CacheStep::Connect);
            cache.take(&mut world, CacheStep::Say(usize::MAX));
            world.settle();
        }
        prop_assert_eq!(&world.known, cache.tables.last().unwrap());
        prop_assert_eq!(world.session.view().counters.errors_sent, 0);
    }

    /// What the owner is told leads to what holds, whatever the cache does; `World` asserts that
    /// nothing is told twice.
    #[test]
    fn a_cache_at_random_leaves_the_owner_with_what_holds(
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let mut world = World::up();
        for step in steps {
            match step {
                Step::Hear(pdu) => world.hear(&[pdu]),
                Step::Noise(octets) => world.input(Input::Received { octets }),
                Step::Connected => world.input(Input::Connected),
                Step::Closed => world.input(Input::Closed),
                Step::Pass(seconds) => world.pass(Duration::from_secs(seconds)),
                Step::Toggle(true) => world.input(Input::Start),
                Step::Toggle(false) => world.input(Input::Stop),
            }
            world.settle();
            prop_assert!(world.session.view().record_count == world.known.len());
            prop_assert!(world.session.view().confirmed_at.is_some() || world.known.is_empty());
        }
        world.input(Input::Stop);
        world.settle();
        prop_assert!(world.known.is_empty() && world.session.is_over());
    }
}
