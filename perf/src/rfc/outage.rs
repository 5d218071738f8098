//! How long traffic stood still, from what was lost of a constant rate.
//!
//! *Standards*: RFC 6412 §3.4 to §3.6 (loss-derived time, and what it means with several streams),
//! RFC 6201 §4 (reset: by lost frames, by time stamps).

use serde::Serialize;

/// What an event cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outage {
    /// Frames lost to the rate at which they were offered.
    pub loss_derived_ms: f64,
    /// The longest silence at the receiving port.
    pub silence_ms: f64,
    /// Frames that were due and not offered, to the same rate: a port that pushes back (memif, a
    /// full ring) holds traffic up in place of losing it, and a generator may be late.
    pub withheld_ms: f64,
    /// Frames lost.
    pub lost: u64,
    /// Packets a second that were offered.
    pub rate: f64,
}

impl Outage {
    /// Of a trial at a constant rate: `silence` in seconds.
    #[expect(clippy::cast_precision_loss, reason = "a count of frames")]
    pub fn of(lost: u64, withheld: f64, rate: f64, silence: f64) -> Self {
        let time = |frames: f64| frames / rate.max(1e-9) * 1e3;
        let loss_derived_ms = time(lost as f64);
        let (withheld_ms, silence_ms) = (time(withheld), silence * 1e3);
        Self { loss_derived_ms, silence_ms, withheld_ms, lost, rate }
    }

    /// What the time cannot be finer than: one frame.
    pub fn resolution_ms(&self) -> f64 {
        1e3 / self.rate.max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_frames_are_time() {
        let outage = Outage::of(500, 30.0, 10_000.0, 0.0501);
        assert!((outage.loss_derived_ms - 50.0).abs() < 1e-9);
        assert!((outage.withheld_ms - 3.0).abs() < 1e-9);
        assert!((outage.silence_ms - 50.1).abs() < 1e-9);
        assert!((outage.resolution_ms() - 0.1).abs() < 1e-9);
    }
}
