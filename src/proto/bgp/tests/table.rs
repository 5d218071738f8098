//! RFC 4271 §8.2.2 as an array.

use super::super::fsm::{Act, step};
use super::*;

/// A row an event, a column a state from Idle to Established: the state that follows and the
/// NOTIFICATION that is sent; `error` for the one that the event brings, `-` where nothing happens.
const TABLE: [(Event, [&str; 6]); 22] = {
    use Event::*;
    const SENT: &str = "Idle 5/1";
    const CONFIRM: &str = "Idle 5/2";
    const UP: &str = "Idle 5/3";
    const OPEN: &str = "OpenSent";
    [
        (ManualStart, ["Connect", "-", "-", "-", "-", "-"]),
        (ManualStop, ["-", "Idle", "Idle", "Idle error", "Idle error", "Idle error"]),
        (AutomaticStart, ["Connect", "-", "-", "-", "-", "-"]),
        (ManualStartPassive, ["Active", "-", "-", "-", "-", "-"]),
        (AutomaticStartPassive, ["Active", "-", "-", "-", "-", "-"]),
        (AutomaticStop, ["-", "Idle", "Idle", "Idle error", "Idle error", "Idle error"]),
        (ConnectRetryTimerExpires, ["-", "Connect", "Connect", SENT, CONFIRM, UP]),
        (HoldTimerExpires, ["-", "Idle", "Idle", "Idle 4/0", "Idle 4/0", "Idle 4/0"]),
        (KeepaliveTimerExpires, ["-", "Idle", "Idle", SENT, "OpenConfirm", "Established"]),
        (SendHoldTimerExpires, ["-", "Idle", "Idle", "Idle 8/0", "Idle 8/0", "Idle 8/0"]),
        (TcpConnected, ["-", OPEN, OPEN, SENT, CONFIRM, UP]),
        (TcpConnectionFails, ["-", "Active", "Idle", "Active", "Idle", "Idle"]),
        (BgpOpen, ["-", "Idle", "Idle", "OpenConfirm", CONFIRM, UP]),
        (BgpHeaderErr, ["-", "Idle", "Idle", "Idle error", "Idle error", "Idle error"]),
        (BgpOpenMsgErr, ["-", "Idle", "Idle", "Idle error", "Idle error", UP]),
        (OpenCollisionDump, ["-", "Idle", "Idle", "Idle 6/7", "Idle 6/7", "Idle 6/7"]),
        (NotifMsgVerErr, ["-", "Idle", "Idle", "Idle", "Idle", "Idle"]),
        (NotifMsg, ["-", "Idle", "Idle", "Idle", "Idle", "Idle"]),
        (KeepAliveMsg, ["-", "Idle", "Idle", SENT, "Established", "Established"]),
        (UpdateMsg, ["-", "Idle", "Idle", SENT, CONFIRM, "Established"]),
        (UpdateMsgErr, ["-", "Idle", "Idle", SENT, CONFIRM, "Idle error"]),
        (RouteRefreshMsg, ["-", "Idle", "Idle", SENT, CONFIRM, "Established"]),
    ]
};

fn shown(state: State, event: Event) -> String {
    let Some((next, acts)) = step(state, event) else { return "-".into() };
    let told = |act: &Act| match act {
        Act::Notify(code) => Some(format!(" {}/{}", code.code, code.subcode)),
        Act::NotifyError => Some(" error".into()),
        _ => None,
    };
    format!("{next}{}", acts.iter().find_map(told).unwrap_or_default())
}

#[test]
fn the_whole_table() {
    assert_eq!(TABLE.map(|(event, _)| event), Event::ALL);
    for (event, row) in TABLE {
        for (state, expected) in State::ALL.into_iter().zip(row) {
            assert_eq!(shown(state, event), expected, "{event:?} in {state}");
        }
    }
}

/// What must be done on the way into a state, whatever led there.
#[test]
fn every_way_into_a_state_does_what_the_state_needs() {
    for (state, event) in State::ALL.iter().flat_map(|s| Event::ALL.map(|event| (*s, event))) {
        let Some((next, acts)) = step(state, event) else { continue };
        let has = |act| acts.contains(&act);
        let case = format!("{event:?} in {state}: {acts:?}");
        let is_new = next != state;
        match next {
            State::Idle => {
                assert!(has(Act::Release), "{case}");
                assert!(has(Act::CountRetry) != has(Act::ResetRetryCounter), "{case}");
            }
            State::Connect => assert!(has(Act::Connect) && has(Act::StartConnectRetry), "{case}"),
            State::Active if state == State::Idle => assert!(!has(Act::Connect), "{case}"),
            State::Active => assert!(has(Act::Drop) && has(Act::StartConnectRetry), "{case}"),
            State::OpenSent => {
                assert!(has(Act::SendOpen) && has(Act::StartLargeHold), "{case}");
                assert!(has(Act::StopConnectRetry), "{case}");
            }
            State::OpenConfirm if is_new => {
                assert_eq!((state, event), (State::OpenSent, Event::BgpOpen));
                assert!(has(Act::SendKeepalive) && has(Act::StartHold), "{case}");
            }
            State::Established if is_new => {
                assert_eq!((state, event), (State::OpenConfirm, Event::KeepAliveMsg));
                assert!(has(Act::StartHold), "{case}");
            }
            State::OpenConfirm | State::Established => assert!(!acts.is_empty(), "{case}"),
        }
        let told = acts.iter().position(|act| matches!(act, Act::Notify(_) | Act::NotifyError));
        assert!(told.is_none_or(|at| at == 0), "a NOTIFICATION goes before the end: {case}");
        assert!(told.is_none() || state.is_connected(), "{case}");
    }
}
