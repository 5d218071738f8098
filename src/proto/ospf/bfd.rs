//! What BFD says: a neighbour that it lost is dead at once, and is not taken back on a hello alone.
//!
//! Owns [`Hold`]. A way that carries hellos may still carry nothing else, or carry them in one
//! direction only, so that after a failure the neighbour waits until BFD says that the way works.
//! A neighbour that speaks no BFD any more while its hellos arrive without a gap for a dead
//! interval evidently runs without it now, and is taken. Who speaks from another address is no
//! concern of the session that failed: it may take the place, and the neighbour is held on.
//!
//! *Invariants*: BFD takes a neighbour away only after it was Up with it; who never spoke BFD is
//! never held. What an administrator does to BFD (AdminDown) never gets here as a failure. One
//! neighbour is held at a time, the one that failed last.
//! *Standards*: RFC 5882 §3.2, §4.2, §4.3.

use super::input::BfdVerdict;
use super::machine::Ospf;
use super::neighbor::NeighborEvent;
use super::receive::Sender;
use crate::base::ids::PortId;
use crate::base::time::Instant;
use core::net::Ipv6Addr;

/// What is complained of: a neighbour that waits for BFD.
const TOPIC_BFD: &str = "bfd";

/// A neighbour that waits for BFD.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    /// Its address, where it was known.
    address: Option<Ipv6Addr>,
    /// Whether it speaks no BFD.
    is_silent: bool,
    /// The hellos that arrive while it speaks none.
    heard: Option<Heard>,
}

/// Hellos without a gap.
#[derive(Clone, Copy, Debug)]
struct Heard {
    since: Instant,
    last: Instant,
}

impl Ospf {
    /// BFD has changed its mind.
    pub(super) fn hear_bfd(&mut self, now: Instant, port: PortId, verdict: BfdVerdict) {
        let Some(interface) = self.interface(port) else { return };
        if verdict == BfdVerdict::Alive {
            if interface.hold.take().is_some() {
                interface.stranger = None;
                interface.complained.remove(TOPIC_BFD);
                // The other end need not wait for the next one.
                self.send_hello(port);
            }
            return;
        }
        let is_silent = verdict == BfdVerdict::Silent;
        match &mut interface.hold {
            Some(hold) if interface.neighbor.is_none() => {
                hold.is_silent = is_silent;
                hold.heard = hold.heard.filter(|_| is_silent);
            }
            // Nobody was held, or the one who came instead fails as well.
            _ => {
                let address = interface.neighbor.as_ref().map(|neighbor| neighbor.address);
                interface.hold = Some(Hold { address, is_silent, heard: None });
                self.neighbor_event(now, port, NeighborEvent::BfdDown);
            }
        }
    }

    /// Whether a hello comes from a neighbour that waits for BFD.
    pub(super) fn is_held(&mut self, now: Instant, sender: Sender) -> bool {
        let Some(interface) = self.interface(sender.port) else { return false };
        let gap_max = interface.hello_gap_max();
        let Some(hold) = &mut interface.hold else { return false };
        if hold.address.is_some_and(|address| address != sender.address) {
            return false;
        }
        if hold.is_silent {
            let before = hold.heard.filter(|heard| now - heard.last <= gap_max);
            let since = before.map_or(now, |heard| heard.since);
            hold.heard = Some(Heard { since, last: now });
        }
        let patience = interface.config.dead_interval;
        if hold.heard.is_some_and(|heard| now - heard.since >= patience) {
            interface.hold = None;
            interface.stranger = None;
            return false;
        }
        self.counters.hellos_held += 1;
        let problem = "waits for BFD to be Up again".to_owned();
        self.note_stranger(now, sender, problem, TOPIC_BFD);
        true
    }
}
