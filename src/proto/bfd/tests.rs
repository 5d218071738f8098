//! Sessions against each other and against arbitrary packets.

use super::limits::{INTERVAL_MIN, SILENT_AFTER, SLOW_INTERVAL};
use super::*;
use crate::base::machine::Machine;
use crate::base::time::{Duration, Instant};
use crate::wire::bfd::{ControlPacket, Diagnostic, DigestKind, Octets, State};
use proptest::prelude::*;

const FAST: Duration = Duration::from_millis(50);
const LATENCY: Duration = Duration::from_micros(20);

fn settings(interval: Duration) -> Settings {
    Settings {
        is_enabled: true,
        desired_min_tx: interval,
        required_min_rx: interval,
        multiplier: 3,
        key: None,
    }
}

/// Two sessions with a cable between them.
struct Cable {
    now: Instant,
    ends: [Session; 2],
    /// Whether what the end sends arrives.
    carries: [bool; 2],
    /// What is under way: when it arrives, to whom, and what.
    flights: Vec<(Instant, usize, Octets)>,
    /// What each end sent, in order.
    sent: [Vec<(Instant, ControlPacket)>; 2],
    refused: [Vec<Refusal>; 2],
}

impl Cable {
    fn new(settings: [Settings; 2]) -> Self {
        let now = Instant::ZERO + Duration::from_secs(1);
        let session = |end: u32| Session::new(now, settings[end as usize], 7 + end, u64::from(end));
        let mut cable = Self {
            now,
            ends: [session(0), session(1)],
            carries: [true; 2],
            flights: Vec::new(),
            sent: [Vec::new(), Vec::new()],
            refused: [Vec::new(), Vec::new()],
        };
        cable.collect();
        cable
    }

    /// Both ends are Up, with all polls over.
    fn up(settings: [Settings; 2]) -> Self {
        let mut cable = Self::new(settings);
        cable.run(Duration::from_secs(5));
        assert_eq!(cable.states(), [State::Up; 2]);
        assert!(cable.views().iter().all(|view| !view.is_polling && !view.is_failed));
        cable.sent.iter_mut().for_each(Vec::clear);
        cable
    }

    fn collect(&mut self) {
        for end in 0..2 {
            while let Some(action) = self.ends[end].poll_action() {
                let Action::Send(octets) = action else { continue };
                let (packet, _) = ControlPacket::decode(octets.as_slice()).unwrap();
                self.sent[end].push((self.now, packet));
                if self.carries[end] {
                    self.flights.push((self.now + LATENCY, 1 - end, octets));
                }
            }
        }
    }

    fn set(&mut self, end: usize, settings: Settings) {
        self.ends[end].handle(self.now, Input::Settings(settings));
        self.collect();
    }

    fn next_at(&self) -> Option<Instant> {
        let timers = self.ends.iter().filter_map(Session::next_deadline);
        timers.chain(self.flights.iter().map(|(at, ..)| *at)).min()
    }

    fn run(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(at) = self.next_at().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let (due, later) = self.flights.drain(..).partition(|(at, ..)| *at <= self.now);
            self.flights = later;
            let due: Vec<(Instant, usize, Octets)> = due;
            for (_, end, octets) in due {
                let (packet, kept) = ControlPacket::decode(octets.as_slice()).unwrap();
                if let Err(refusal) = self.ends[end].receive(self.now, &packet, &kept) {
                    self.refused[end].push(refusal);
                }
            }
            for session in &mut self.ends {
                session.handle_timeout(self.now);
            }
            self.collect();
        }
        self.now = until;
    }

    fn views(&self) -> [View; 2] {
        [self.ends[0].view(), self.ends[1].view()]
    }

    fn states(&self) -> [State; 2] {
        self.views().map(|view| view.state)
    }
}

#[test]
fn two_ends_come_up_with_the_intervals_of_both() {
    let mut slow = settings(Duration::from_millis(200));
    slow.multiplier = 5;
    let cable = Cable::up([settings(FAST), slow]);
    let [fast, slow] = cable.views();
    // RFC 5880 §6.8.4: the other's multiplier, and the greater of the two intervals.
    assert_eq!(fast.detection_time, Duration::from_millis(1000));
    assert_eq!(slow.detection_time, Duration::from_millis(600));
    let interval = Some(Duration::from_millis(200));
    assert_eq!([fast.transmit_interval, slow.transmit_interval], [interval; 2]);
    assert_eq!([fast.remote_discriminator, slow.remote_discriminator], [8, 7]);
}

#[test]
fn the_session_comes_up_in_three_packets() {
    let mut cable = Cable::new([settings(FAST); 2]);
    cable.run(LATENCY * 8);
    assert_eq!(cable.states(), [State::Up; 2], "changes are told at once, not at the slow rate");
}

#[test]
fn while_not_up_packets_go_out_at_the_slow_rate() {
    let mut cable = Cable::new([settings(FAST); 2]);
    cable.carries = [false; 2];
    cable.flights.clear();
    cable.run(Duration::from_secs(60));
    for sent in &cable.sent {
        // §6.8.3: not less than a second, less the jitter of 0 to 25 %.
        assert!((60..=80).contains(&sent.len()), "{}", sent.len());
        assert!(sent.iter().all(|(_, packet)| packet.desired_min_tx_us == 1_000_000));
    }
}

#[test]
fn jitter_stays_within_the_bounds_of_the_rfc() {
    let mut alone = settings(FAST);
    alone.multiplier = 1;
    let mut cable = Cable::up([settings(FAST), alone]);
    cable.run(Duration::from_secs(20));
    for (sent, least, most) in [(&cable.sent[0], 75, 100), (&cable.sent[1], 75, 90)] {
        let gaps: Vec<Duration> = sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        let percent = |gap: &Duration| gap.as_nanos() * 100 / FAST.as_nanos();
        assert!(gaps.iter().all(|gap| (least..=most).contains(&percent(gap))));
        let (low, high) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
        assert!(percent(high) - percent(low) > 10, "no jitter at all");
    }
}

#[test]
fn silence_takes_the_session_down_after_the_detection_time() {
    let mut cable = Cable::up([settings(FAST); 2]);
    cable.carries = [false; 2];
    let cut_at = cable.now;
    cable.run(Duration::from_millis(160));
    for view in cable.views() {
        assert_eq!((view.state, view.is_failed), (State::Down, true));
        assert_eq!(view.diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
        assert!(view.since - cut_at <= Duration::from_millis(151));
        // §6.8.1: "MUST be set to zero" once nothing is heard.
        assert_eq!(view.remote_discriminator, 0);
    }
}

#[test]
fn one_deaf_end_takes_both_down() {
    let mut cable = Cable::up([settings(FAST); 2]);
    cable.carries = [false, true];
    cable.run(Duration::from_millis(400));
    let [talker, listener] = cable.views();
    assert_eq!(listener.diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
    assert_eq!(talker.diagnostic, Diagnostic::NEIGHBOR_SIGNALED_DOWN);
    assert!(talker.is_failed && listener.is_failed);
    // The way of one direction brings nothing up: that is what BFD is for.
    cable.run(Duration::from_secs(20));
    assert_ne!(cable.states()[0], State::Up);
    assert!(cable.views().iter().all(|view| view.is_failed));
    cable.carries = [true; 2];
    cable.run(Duration::from_secs(3));
    assert_eq!(cable.states(), [State::Up; 2]);
    assert!(cable.views().iter().all(|view| !view.is_failed));
}

#[test]
fn a_neighbour_switched_off_is_no_failure() {
    let mut cable = Cable::up([settings(FAST); 2]);
    cable.set(0, Settings { is_enabled: false, ..settings(FAST) });
    cable.run(Duration::from_secs(5));
    let [off, other] = cable.views();
    assert_eq!((off.state, other.state), (State::AdminDown, State::Down));
    assert!(!off.is_failed && !other.is_failed);
    assert_eq!(other.remote_diagnostic, Diagnostic::ADMINISTRATIVELY_DOWN);
    cable.set(0, settings(FAST));
    cable.run(Duration::from_secs(3));
    assert_eq!(cable.states(), [State::Up; 2]);
}

#[test]
fn a_failure_ends_when_the_neighbour_is_switched_off() {
    let mut cable = Cable::up([settings(FAST); 2]);
    cable.carries = [false; 2];
    cable.run(Duration::from_secs(1));
    assert!(cable.views()[1].is_failed);
    cable.carries = [true; 2];
    cable.set(0, Settings { is_enabled: false, ..settings(FAST) });
    cable.run(Duration::from_secs(2));
    assert!(!cable.views()[1].is_failed);
}

#[test]
fn every_change_of_intervals_is_polled_and_takes_nobody_down() {
    let mut cable = Cable::up([settings(FAST); 2]);
    for interval in [10, 300, 50, 1000, 20].map(Duration::from_millis) {
        cable.set(0, settings(interval));
        let polls = |cable: &Cable| cable.sent[0].iter().filter(|(_, p)| p.is_poll).count();
        let finals = |cable: &Cable| cable.sent[1].iter().filter(|(_, p)| p.is_final).count();
        cable.run(Duration::from_secs(4));
        assert!(polls(&cable) >= 1 && finals(&cable) >= 1, "{interval:?}");
        let [own, other] = cable.views();
        assert_eq!(own.state, State::Up);
        assert_eq!(own.transmit_interval, Some(interval.max(FAST)));
        assert_eq!(other.detection_time, interval.max(FAST) * 3);
        assert!(!own.is_polling);
        cable.sent.iter_mut().for_each(Vec::clear);
    }
    // §6.5, §6.8.6: never both bits.
    assert!(cable.sent.iter().flatten().all(|(_, packet)| !(packet.is_poll && packet.is_final)));
}

#[test]
fn a_longer_interval_is_used_only_when_the_neighbour_has_agreed() {
    let mut cable = Cable::up([settings(FAST); 2]);
    cable.carries = [true, false];
    cable.set(0, settings(Duration::from_secs(1)));
    cable.run(Duration::from_millis(100));
    let view = cable.views()[0];
    assert!(view.is_polling);
    // §6.8.3: "MUST NOT change until the Poll Sequence … has terminated".
    assert_eq!(view.transmit_interval, Some(FAST));
}

#[test]
fn a_change_during_a_poll_is_polled_again() {
    let mut cable = Cable::up([settings(FAST); 2]);
    cable.set(0, settings(Duration::from_millis(100)));
    cable.set(0, settings(Duration::from_millis(200)));
    cable.run(Duration::from_secs(2));
    let finals = cable.sent[1].iter().filter(|(_, packet)| packet.is_final).count();
    assert!(finals >= 2, "{finals}");
    assert_eq!(cable.views()[1].detection_time, Duration::from_millis(600));
}

#[test]
fn a_late_driver_extends_the_detection_and_counts_it() {
    let mut cable = Cable::up([settings(FAST); 2]);
    cable.flights.clear();
    let late = cable.now + Duration::from_millis(400);
    cable.ends[0].handle_timeout(late);
    assert_eq!(cable.ends[0].view().state, State::Up);
    assert_eq!(cable.ends[0].late_extensions(), 1);
    // It looks again in time, and nothing came.
    let mut now = late;
    while cable.ends[0].view().state == State::Up {
        now += Duration::from_millis(5);
        assert!(now - late <= Duration::from_millis(160), "one extension, not two");
        cable.ends[0].handle_timeout(now);
        while cable.ends[0].poll_action().is_some() {}
    }
    assert_eq!(cable.ends[0].late_extensions(), 1);
}

#[test]
fn a_driver_that_is_always_late_finds_out_all_the_same_that_the_neighbour_is_gone() {
    for (settings, lateness) in [(FAST, 400), (FAST, 90), (SLOW_INTERVAL, 10_000)]
        .map(|(interval, lateness)| (settings(interval), Duration::from_millis(lateness)))
    {
        let mut cable = Cable::up([settings; 2]);
        let session = &mut cable.ends[0];
        let gone_at = cable.now;
        while session.view().state == State::Up {
            let now = session.next_deadline().unwrap() + lateness;
            session.handle_timeout(now);
            while session.poll_action().is_some() {}
            let detection_time = session.view().detection_time;
            assert!(now - gone_at <= detection_time * 2 + lateness * 2, "{lateness:?}");
        }
        assert_eq!(session.view().diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
        assert_eq!(session.late_extensions(), 1);
    }
}

#[test]
fn who_is_heard_again_is_given_more_time_again() {
    let mut cable = Cable::up([settings(FAST); 2]);
    for extensions in 1..=3 {
        cable.now += Duration::from_millis(400);
        cable.ends[0].handle_timeout(cable.now);
        assert_eq!(cable.ends[0].late_extensions(), extensions);
        // Both are driven in time again, and a packet comes.
        cable.ends[1].handle_timeout(cable.now);
        cable.collect();
        cable.run(FAST * 2);
        assert_eq!(cable.states()[0], State::Up);
    }
}

#[test]
fn a_driver_a_little_late_extends_nothing() {
    let mut cable = Cable::up([settings(FAST); 2]);
    cable.carries = [true, false];
    cable.run(Duration::from_millis(130));
    let due = cable.ends[0].next_deadline().unwrap();
    assert_eq!(cable.ends[0].view().state, State::Up);
    let mut now = due;
    while cable.ends[0].view().state == State::Up {
        now += Duration::from_millis(30);
        cable.ends[0].handle_timeout(now);
        while cable.ends[0].poll_action().is_some() {}
    }
    assert_eq!(cable.ends[0].late_extensions(), 0);
}

#[test]
fn a_neighbour_that_never_speaks_is_silent_but_has_not_failed() {
    let mut cable = Cable::new([settings(FAST); 2]);
    cable.carries = [false; 2];
    cable.flights.clear();
    cable.run(SILENT_AFTER - Duration::from_millis(1));
    assert!(!cable.views()[0].is_silent);
    cable.run(Duration::from_secs(10));
    let view = cable.views()[0];
    assert!(view.is_silent && !view.is_failed && view.state == State::Down);
}

#[test]
fn a_packet_for_an_older_session_is_refused() {
    let mut cable = Cable::up([settings(FAST); 2]);
    cable.ends[0] = Session::new(cable.now, settings(FAST), 99, 5);
    cable.collect();
    cable.run(Duration::from_millis(30));
    assert!(cable.refused[0].iter().all(|refusal| *refusal == Refusal::Discriminator(7)));
    // The neighbour hears Down, and both find each other again.
    cable.run(Duration::from_secs(3));
    assert_eq!(cable.states(), [State::Up; 2]);
    assert_eq!(cable.views()[1].remote_discriminator, 99);
}

#[test]
fn a_neighbour_in_demand_mode_gets_nothing_that_it_did_not_ask_for() {
    let mut cable = Cable::up([settings(FAST); 2]);
    let view = cable.views()[0];
    let packet = ControlPacket {
        diagnostic: Diagnostic::NONE,
        state: State::Up,
        is_poll: false,
        is_final: false,
        is_control_plane_independent: false,
        is_demand: true,
        multiplier: 3,
        my_discriminator: view.remote_discriminator,
        your_discriminator: view.discriminator,
        desired_min_tx_us: 50_000,
        required_min_rx_us: 50_000,
        required_min_echo_rx_us: 0,
        authentication: None,
    };
    cable.flights.clear();
    cable.ends[0].receive(cable.now, &packet, &packet.encode()).unwrap();
    cable.ends[0].handle_timeout(cable.now);
    assert_eq!(cable.views()[0].transmit_interval, None);
    // A poll is answered all the same.
    while cable.ends[0].poll_action().is_some() {}
    let poll = ControlPacket { is_poll: true, ..packet };
    // … one answer for a burst of them.
    for _ in 0..64 {
        cable.ends[0].receive(cable.now, &poll, &poll.encode()).unwrap();
    }
    cable.ends[0].handle_timeout(cable.now);
    let Some(Action::Send(octets)) = cable.ends[0].poll_action() else { unreachable!("no answer") };
    assert!(ControlPacket::decode(octets.as_slice()).unwrap().0.is_final);
    assert!(cable.ends[0].poll_action().is_none());
    // A receiver that wants no packets gets none (§6.8.7).
    let zero = ControlPacket { required_min_rx_us: 0, is_demand: false, ..packet };
    cable.ends[0].receive(cable.now, &zero, &zero.encode()).unwrap();
    assert_eq!(cable.views()[0].transmit_interval, None);
}

fn keyed(kind: KeyKind, id: u8, secret: &[u8]) -> Settings {
    Settings { key: Some(Key::new(kind, id, secret).unwrap()), ..settings(FAST) }
}

fn kinds() -> Vec<KeyKind> {
    let digests = DigestKind::ALL.into_iter().map(KeyKind::Digest);
    digests.chain([KeyKind::SimplePassword]).collect()
}

#[test]
fn ends_with_the_same_key_come_up_and_others_do_not() {
    for kind in kinds() {
        let cable = Cable::up([keyed(kind, 3, b"kumiki"); 2]);
        assert!(cable.views().iter().all(|view| view.is_authenticated));
        assert!(cable.refused.iter().all(Vec::is_empty), "{kind:?}");
        let others = [
            settings(FAST),
            keyed(kind, 4, b"kumiki"),
            keyed(kind, 3, b"another"),
            keyed(
                match kind {
                    KeyKind::SimplePassword => KeyKind::Digest(DigestKind::KeyedMd5),
                    KeyKind::Digest(_) => KeyKind::SimplePassword,
                },
                3,
                b"kumiki",
            ),
        ];
        for other in others {
            let mut cable = Cable::new([keyed(kind, 3, b"kumiki"), other]);
            cable.run(Duration::from_secs(5));
            assert_eq!(cable.states(), [State::Down; 2], "{kind:?} {other:?}");
            assert!(cable.refused.iter().all(|refused| !refused.is_empty()));
        }
    }
}

#[test]
fn a_packet_that_comes_again_is_refused_where_the_kind_is_meticulous() {
    for kind in DigestKind::ALL {
        let mut cable = Cable::up([keyed(KeyKind::Digest(kind), 1, b"k"); 2]);
        cable.run(Duration::from_millis(60));
        cable.flights.clear();
        // The next packet of the other end, once as it was sent, and once again.
        let at = cable.ends[1].next_deadline().unwrap();
        cable.ends[1].handle_timeout(at);
        let Some(Action::Send(octets)) = cable.ends[1].poll_action() else {
            unreachable!("its deadline is that of the next packet")
        };
        let (packet, kept) = ControlPacket::decode(octets.as_slice()).unwrap();
        assert_eq!(cable.ends[0].receive(at, &packet, &kept), Ok(()));
        let again = cable.ends[0].receive(at, &packet, &kept);
        assert_eq!(again.is_err(), kind.is_meticulous(), "{kind:?}");
    }
}

#[test]
fn intervals_beyond_the_bounds_are_cut() {
    let mut wild = settings(Duration::ZERO);
    wild.multiplier = 0;
    let session = Session::new(Instant::ZERO, wild, 1, 1);
    assert_eq!(session.settings().desired_min_tx, INTERVAL_MIN);
    assert_eq!(session.settings().multiplier, 1);
    assert_eq!(session.view().transmit_interval, Some(SLOW_INTERVAL));
}

proptest! {
    /// Whatever packets come, when and in which order: no panic, no timer that stands still, never
    /// more actions than there is room for (asserted inside).
    #[test]
    fn any_packets_leave_a_session_that_works(
        packets in prop::collection::vec(
            (0_u64..200_000, any::<[u8; 2]>(), 1_u8.., any::<[u32; 2]>(), any::<bool>()),
            0..60,
        ),
    ) {
        let mut now = Instant::ZERO + Duration::from_secs(1);
        let mut session = Session::new(now, settings(FAST), 7, 1);
        while session.poll_action().is_some() {}
        for (delay, [flags, diagnostic], multiplier, intervals, is_known) in packets {
            now += Duration::from_micros(delay);
            let octets = ControlPacket {
                diagnostic: Diagnostic(diagnostic & 0x1f),
                state: State::ALL[usize::from(flags & 3)],
                is_poll: flags & 4 != 0,
                is_final: flags & 8 != 0,
                is_control_plane_independent: false,
                is_demand: flags & 16 != 0,
                multiplier,
                my_discriminator: 8,
                your_discriminator: if is_known { 7 } else { 0 },
                desired_min_tx_us: intervals[0],
                required_min_rx_us: intervals[1],
                required_min_echo_rx_us: 0,
                authentication: None,
            }
            .encode();
            if let Ok((packet, kept)) = ControlPacket::decode(octets.as_slice()) {
                let _ = session.receive(now, &packet, &kept);
            }
            session.handle_timeout(now);
            while session.poll_action().is_some() {}
            prop_assert!(session.next_deadline().is_none_or(|at| at > now));
        }
    }
}
