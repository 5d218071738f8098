//! How much is sent, as people say it, and what that is in packets a second.
//!
//! *Standards*: RFC 2544 §26.1 and its appendix B (the rate of the medium: frames with preamble and
//! gap). Bits a second count the frame with its FCS, without preamble and gap.

use crate::traffic::mix::{Mix, WIRE_OCTETS};
use std::fmt;
use std::str::FromStr;

/// A rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Per cent of what the medium carries.
    Percent(f64),
    /// Packets a second.
    Packets(f64),
    /// Bits a second.
    Bits(f64),
    /// As fast as the device takes them.
    Max,
}

/// Why a text is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rate; write 10%, 1Mpps, 2Gbps or max")]
pub struct ParseRateError(String);

/// Why a rate cannot be had.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RateError {
    /// Per cent of what?
    #[error("the device does not say its speed; give it with --line, such as --line 10Gbps")]
    NoSpeed,
    /// More than the medium carries.
    #[error("{wanted} is more than the device carries: {most} with frames of {octets:.0} octets")]
    AboveDevice {
        /// What was asked for.
        wanted: Rate,
        /// What there is.
        most: Rate,
        /// Octets of a frame on average.
        octets: f64,
    },
}

/// Frames a second that a medium of this speed carries.
pub fn line_packets_per_second(line_bits: f64, mix: &Mix) -> f64 {
    line_bits / ((mix.mean_octets() + f64::from(WIRE_OCTETS)) * 8.0)
}

impl Rate {
    /// Packets a second; `None` where there is no limit. `line_bits` is the speed of the device.
    pub fn packets_per_second(
        self,
        line_bits: Option<f64>,
        mix: &Mix,
    ) -> Result<Option<f64>, RateError> {
        let line = line_bits.map(|bits| line_packets_per_second(bits, mix));
        let wanted = match self {
            Self::Max => return Ok(None),
            Self::Percent(percent) => line.ok_or(RateError::NoSpeed)? * percent / 100.0,
            Self::Packets(packets) => packets,
            Self::Bits(bits) => bits / (mix.mean_octets() * 8.0),
        };
        match line {
            // A per mille of tolerance, so that a rate may be written rounded.
            Some(line) if wanted > line * 1.001 => Err(RateError::AboveDevice {
                wanted: self,
                most: Self::Packets(line),
                octets: mix.mean_octets(),
            }),
            _ => Ok(Some(wanted)),
        }
    }
}

impl FromStr for Rate {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<Self, ParseRateError> {
        let wrong = || ParseRateError(text.to_owned());
        let small = text.trim().to_ascii_lowercase();
        if small == "max" {
            return Ok(Self::Max);
        }
        let split = small.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
        let (digits, unit) = small.split_at(split.ok_or_else(wrong)?);
        let value: f64 = digits.parse().map_err(|_| wrong())?;
        if !(value.is_finite() && value > 0.0) {
            return Err(wrong());
        }
        let scaled = |prefix: &str| match prefix {
            "" => Some(1.0),
            "k" => Some(1e3),
            "m" => Some(1e6),
            "g" => Some(1e9),
            _ => None,
        };
        let unit = unit.trim();
        let scale = |suffix: &str| unit.strip_suffix(suffix).and_then(scaled);
        if unit == "%" {
            Ok(Self::Percent(value))
        } else if let Some(scale) = scale("pps") {
            Ok(Self::Packets(value * scale))
        } else if let Some(scale) = scale("bps") {
            Ok(Self::Bits(value * scale))
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scaled = |value: f64, unit: &str| match value {
            value if value >= 1e9 => format!("{:.3} G{unit}", value / 1e9),
            value if value >= 1e6 => format!("{:.3} M{unit}", value / 1e6),
            value if value >= 1e3 => format!("{:.3} k{unit}", value / 1e3),
            value => format!("{value:.1} {unit}"),
        };
        match self {
            Self::Percent(percent) => f.pad(&format!("{percent} %")),
            Self::Packets(packets) => f.pad(&scaled(*packets, "pps")),
            Self::Bits(bits) => f.pad(&scaled(*bits, "bps")),
            Self::Max => f.pad("max"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        let cases = [
            ("10%", Rate::Percent(10.0)),
            ("0.1%", Rate::Percent(0.1)),
            ("1Mpps", Rate::Packets(1e6)),
            ("2.5Gbps", Rate::Bits(2.5e9)),
            ("100 kpps", Rate::Packets(1e5)),
            ("max", Rate::Max),
        ];
        for (text, rate) in cases {
            assert_eq!(text.parse(), Ok(rate), "{text}");
        }
        for text in ["", "10", "pps", "-1%", "0%", "1Tpps", "1Mbit"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn ten_gigabits_are_14_88_million_small_frames() {
        let mix = Mix::of(64);
        let line = Some(10e9);
        let rate = Rate::Percent(100.0).packets_per_second(line, &mix).unwrap().unwrap();
        assert!((rate - 14_880_952.0).abs() < 1.0, "{rate}");
        let rate = Rate::Bits(1e9).packets_per_second(line, &mix).unwrap().unwrap();
        assert_eq!(rate, 1e9 / 512.0);
        let above = Rate::Packets(15e6).packets_per_second(line, &mix).unwrap_err().to_string();
        assert!(above.contains("14.881 Mpps"), "{above}");
        assert_eq!(Rate::Percent(1.0).packets_per_second(None, &mix), Err(RateError::NoSpeed));
        assert_eq!(Rate::Max.packets_per_second(None, &mix), Ok(None));
    }
}
