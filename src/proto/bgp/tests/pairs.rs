//! Two sessions and the network between them.

use super::*;

#[test]
fn two_sessions_come_up_and_stay_up() {
    let mut net = Net::up([settings(OURS, THEIRS), settings(THEIRS, OURS)]);
    net.run(3600 * SECOND);
    assert_eq!(net.states(), [State::Established; 2]);
    assert!(net.downs(0).is_empty() && net.downs(1).is_empty());
    let held = net.ends[0].negotiated().unwrap();
    assert_eq!((held.peer_asn, held.hold_time), (THEIRS, 90 * SECOND));
    assert!(held.send.has_extended_messages && held.survives_notifications);
}

#[test]
fn octets_one_at_a_time_make_the_same_session() {
    let mut net = Net::usual();
    net.piece = 1;
    net.start();
    net.run(30 * SECOND);
    assert_eq!(net.states(), [State::Established; 2]);
    let agreement = net.ends[0].negotiated().unwrap().send;
    let sent: Vec<Update> = (0..50).map(update).collect();
    let mut octets = Vec::new();
    for update in &sent {
        octets.extend(encoded(&Message::Update(Box::new(update.clone())), agreement));
    }
    octets.extend(encoded(&Message::Update(Box::new(Update::end_of_rib())), agreement));
    net.input(0, Input::Updates { octets });
    net.run(SECOND);
    let came = |action: &Action| match action {
        Action::Update(update) => Some((**update).clone()),
        _ => None,
    };
    let received: Vec<Update> = net.actions[1].iter().filter_map(came).collect();
    assert_eq!(received, sent);
    assert!(net.actions[1].contains(&Action::EndOfRib));
}

#[test]
fn a_loss_at_any_octet_ends_in_a_session() {
    let mut was_down = 0;
    for cut_after in 0..140 {
        let mut net = Net::usual();
        net.piece = 5;
        net.cut_after = Some(cut_after);
        net.start();
        net.run(60 * SECOND);
        assert_eq!(net.states(), [State::Established; 2], "cut after {cut_after} pieces");
        assert_eq!((net.open_count(0), net.open_count(1)), (1, 1), "cut after {cut_after}");
        was_down += net.downs(0).len();
    }
    assert!(was_down > 0, "some cuts came after the session was there");
}

#[test]
fn passive_and_active_come_up_and_two_passive_ones_do_not() {
    let passive = |settings| Settings { opening: Opening::Passive, ..settings };
    let net = Net::up([passive(settings(OURS, THEIRS)), settings(THEIRS, OURS)]);
    assert_eq!(net.ends[0].view().initiator, Some(Initiator::Remote));
    assert_eq!(net.ends[0].counters().connects, 0);
    let mut net = Net::new([passive(settings(OURS, THEIRS)), passive(settings(THEIRS, OURS))]);
    net.start();
    net.run(600 * SECOND);
    assert_eq!(net.states(), [State::Active; 2]);
}

#[test]
fn a_peer_that_appears_later_is_found() {
    let mut net = Net::usual();
    net.is_open = [false, false];
    net.start();
    net.run(300 * SECOND);
    assert_eq!(net.states().map(State::is_connected), [false; 2]);
    net.is_open = [true, true];
    net.run(16 * SECOND);
    assert_eq!(net.states(), [State::Established; 2]);
}

#[test]
fn a_stop_is_read_by_the_other_end_and_a_start_brings_it_back() {
    let mut net = Net::up([settings(OURS, THEIRS), settings(THEIRS, OURS)]);
    let text = "cable moves at noon".to_owned();
    net.input(0, Input::Stop(Cease::AdministrativeShutdown { text: text.clone() }));
    net.run(SECOND / 2);
    let told = net.ends[1].view().last_received.unwrap();
    // RFC 8538 §5.1: both ends keep routes over NOTIFICATIONs, so that this one must be hard.
    assert_eq!(told.words, "hard reset: administrative shutdown");
    assert_eq!(told.text, Some(text));
    for end in 0..2 {
        let [down] = net.downs(end).try_into().unwrap();
        assert_eq!(down.retention, Retention::Drop);
    }
    net.run(120 * SECOND);
    assert_eq!(net.states().map(State::is_connected), [false; 2]);
    assert_eq!(net.ends[0].state(), State::Idle);
    let told = net.ends[1].view().last_received.unwrap();
    assert_eq!(told.words, "connection rejected", "it tries, and hears that it need not");
    net.input(0, Input::Start(Start::Fresh));
    net.run(20 * SECOND);
    assert_eq!(net.states(), [State::Established; 2]);
}

#[test]
fn a_reset_comes_back_by_itself() {
    let mut net = Net::up([settings(OURS, THEIRS), settings(THEIRS, OURS)]);
    net.input(0, Input::Reset(Cease::AdministrativeReset { text: String::new() }));
    net.run(3 * SECOND);
    assert_eq!(net.states(), [State::Established; 2]);
    let [down] = net.downs(1).try_into().unwrap();
    assert!(matches!(down.reason, DownReason::NotificationReceived(_)));
    assert!(matches!(down.retention, Retention::Keep { .. }));
}

#[test]
fn changes_of_state_are_told_one_after_the_other() {
    let mut net = Net::usual();
    net.start();
    net.run(30 * SECOND);
    net.cut_all();
    net.run(30 * SECOND);
    for end in 0..2 {
        let mut state = State::Idle;
        let mut is_up = false;
        for action in &net.actions[end] {
            match action {
                Action::Changed(change) => {
                    assert_eq!(change.from, state);
                    assert_ne!(change.to, state);
                    state = change.to;
                }
                Action::Established(_) => {
                    assert!(!core::mem::replace(&mut is_up, true) && state == State::Established);
                }
                Action::Down(_) => assert!(core::mem::replace(&mut is_up, false)),
                _ => {}
            }
        }
        assert_eq!((state, is_up), (State::Established, true));
    }
}

#[test]
fn same_seeds_make_the_same_run() {
    let run = || {
        let mut net = Net::usual();
        net.cut_after = Some(9);
        net.start();
        net.run(300 * SECOND);
        net.actions
    };
    assert_eq!(run(), run());
}
