//! The writing side of a speaker: what each peer has room for, one after the other.
//!
//! Owns how long a slice lasts in octets and who is next when it ends, and the bounds of a refresh.
//!
//! *Invariants*: no peer is given more than its session has room for.
//! *Standards*: RFC 7313 §4 (bounds of a refresh).

use super::{Answer, Peer, Speaker};
use crate::base::cursor::Writer;
use crate::base::machine::Machine;
use crate::base::time::Instant;
use crate::proto::bgp::connection::encoded;
use crate::proto::bgp::input::Input as SessionInput;
use crate::proto::bgp::limits::WRITTEN_PER_SLICE_MAX;
use crate::proto::bgp::ribs::{PeerId, Ribs};
use crate::wire::bgp::message::{EXTENDED_OCTETS_MAX, MESSAGE_OCTETS_MAX};
use crate::wire::bgp::{AddressFamily, Agreement, Message, RefreshKind, RouteRefresh};
use core::ops::Bound;

impl Speaker {
    /// Writes for one peer after another what it has room for, as long as the slice lasts; says
    /// whether all were told everything that they have room for.
    pub(super) fn write_all(&mut self, now: Instant) -> bool {
        let mut is_done = true;
        let mut left = WRITTEN_PER_SLICE_MAX;
        let first = self.next_reader;
        let turns = [
            (Bound::Included(first), Bound::Unbounded),
            (Bound::Unbounded, Bound::Excluded(first)),
        ];
        for turn in turns {
            for (id, peer) in self.peers.range_mut(turn) {
                if left == 0 {
                    self.next_reader = *id;
                    return false;
                }
                let effort = write(&mut self.ribs, *id, peer, now);
                is_done &= effort.is_done;
                left = left.saturating_sub(effort.cost);
            }
        }
        is_done
    }
}

/// What was written for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Effort {
    /// Whether nothing more can be done for it now.
    is_done: bool,
    /// In octets; see [`WRITTEN_PER_SLICE_MAX`].
    cost: usize,
}

impl Effort {
    const NONE: Self = Self { is_done: true, cost: 0 };
}

/// Writes for one peer.
fn write(ribs: &mut Ribs, id: PeerId, peer: &mut Peer, now: Instant) -> Effort {
    let Some(agreement) = peer.session.negotiated().map(|negotiated| negotiated.send) else {
        return Effort::NONE;
    };
    if !ribs.has_news(id) && peer.answer == Answer::None {
        return Effort::NONE;
    }
    // A message more than asked for may come, and a bound of a refresh before and behind.
    let message_max =
        if agreement.has_extended_messages { EXTENDED_OCTETS_MAX } else { MESSAGE_OCTETS_MAX };
    let room = peer.session.room();
    let Some(octets_max) = room.checked_sub(message_max + 2 * MESSAGE_OCTETS_MAX) else {
        return Effort::NONE;
    };
    let mut writer = Writer::default();
    // RFC 7313 §4: no begin "before it sends the EoR".
    if peer.answer == Answer::Asked && !ribs.owes_end_of_rib(id) {
        writer.put(&bound(RefreshKind::Begin, agreement));
        ribs.refresh(id);
        peer.answer = Answer::Running;
    }
    let written = ribs.write(id, octets_max, &mut writer);
    if matches!(peer.answer, Answer::Running | Answer::AskedAgain) && written.is_refreshed {
        writer.put(&bound(RefreshKind::End, agreement));
        peer.answer = peer.answer.told();
    }
    let octets = writer.into_vec();
    let (is_idle, cost) = (octets.is_empty(), octets.len() + written.slot_count);
    if !is_idle {
        peer.session.handle(now, SessionInput::Updates { octets });
    }
    let is_done = is_idle || (written.is_drained && peer.answer == Answer::None);
    Effort { is_done, cost }
}

/// RFC 7313 §3.2: where the answer to a refresh begins or ends.
fn bound(kind: RefreshKind, agreement: Agreement) -> Vec<u8> {
    let family = AddressFamily::IPV6_UNICAST;
    encoded(&Message::RouteRefresh(RouteRefresh { family, kind }), agreement)
}
