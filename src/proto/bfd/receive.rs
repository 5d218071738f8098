//! Packets in: RFC 5880 §6.8.6 from the selection of the session on.
//!
//! Owns the rest of the checks and what an accepted packet changes. The first checks, for which no
//! session is needed, are `wire::bfd`'s.

use super::authentication::AuthenticationError;
use super::session::Session;
use super::state::Event;
use crate::base::time::Instant;
use crate::wire::bfd::{ControlPacket, Octets, State};

/// Why a packet is not for this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is for another session: one that ended, for example.
    #[error("your discriminator {0:#010x} is not the session's")]
    Discriminator(u32),
    /// It is not authentic.
    #[error(transparent)]
    Authentication(#[from] AuthenticationError),
}

impl Session {
    /// A packet that came for this session. What it wants done is there after the next
    /// `handle_timeout`, so that a burst of packets wants no more than one.
    pub fn receive(
        &mut self,
        now: Instant,
        packet: &ControlPacket,
        octets: &Octets,
    ) -> Result<(), Refusal> {
        // "If the Your Discriminator field is nonzero, it MUST be used to select the session with
        // which this BFD packet is associated. If no session is found, the packet MUST be
        // discarded."
        let your = packet.your_discriminator;
        if your != 0 && your != self.discriminator {
            return Err(Refusal::Discriminator(your));
        }
        let silence = now - self.heard_at;
        if silence >= self.detection_time() * 2 {
            self.sequences.forget_received();
        }
        self.sequences.check(packet, octets, self.settings.key.as_ref())?;
        self.heard_at = now;
        self.is_silent = false;
        self.remote.discriminator = packet.my_discriminator;
        self.remote.state = packet.state;
        self.remote.diagnostic = packet.diagnostic;
        self.remote.is_demand = packet.is_demand;
        self.remote.multiplier = packet.multiplier;
        self.remote.min_tx_us = packet.desired_min_tx_us;
        self.remote.min_rx_us = packet.required_min_rx_us;
        // "If a Poll Sequence is being transmitted by the local system and the Final (F) bit in
        // the received packet is set, the Poll Sequence MUST be terminated."
        if packet.is_final {
            self.finish_poll(now);
        }
        self.hasten(now);
        self.expect(now);
        if self.state == State::AdminDown {
            return Ok(());
        }
        // RFC 5882 §4.2: an administrator says nothing of the way to the neighbour.
        if packet.state == State::AdminDown {
            self.is_failed = false;
        }
        self.happen(now, Event::Received(packet.state));
        // "If the Poll (P) bit is set, send a BFD Control packet to the remote system with the
        // Poll (P) bit clear, and the Final (F) bit set".
        self.must_answer |= packet.is_poll;
        Ok(())
    }
}
