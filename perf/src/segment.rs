//! What the bench of tunnels forwards in: one tenant, many pseudowires, many MACs.
//!
//! Owns [`Segment`], its overlay and its frames. Port 0 is where frames come from, port 1 where
//! they leave. Into the tunnels: port 0 is the tenant's circuit, and the MACs are behind
//! pseudowires whose other ends are routed by port 1. Out of them: outer packets come by port 0,
//! and the MACs are behind the circuit at port 1.
//!
//! *Invariants*: a frame differs from the next in sixteen octets only, which the meter writes: into
//! tunnels both MACs, out of them session, cookie, and the MACs as far as they reach. Every
//! pseudowire has hosts of its own, so that no MAC moves.

use crate::world::own_mac;
use kumiki::base::ids::{DomainId, MacAddress, MemberId, PortId};
use kumiki::base::prng::Prng;
use kumiki::base::time::Instant;
use kumiki::dataplane::MacTable;
use kumiki::dataplane::mac_table::{BUCKET_BITS_DEFAULT, Heard, Learned, MacKey, MayMove, Tick};
use kumiki::fib::bridge_table::CircuitVlan;
use kumiki::fib::overlay::Sequences;
use kumiki::fib::session_table::SessionEnds;
use kumiki::fib::tunnel_header::{Carrier, Cookie, OuterClass, Sublayer};
use kumiki::fib::{Circuit, MemberOptions, Overlay, OverlayBuilder, Pseudowire, TunnelEnds};
use std::net::Ipv6Addr;
use std::sync::Arc;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the circuit into pseudowires.
    Encapsulation,
    /// Out of pseudowires to the circuit.
    Decapsulation,
}

impl Direction {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Encapsulation => "encapsulation",
            Self::Decapsulation => "decapsulation",
        }
    }
}

/// A tenant for the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Which way its frames go.
    pub direction: Direction,
    /// Pseudowires.
    pub wires: u16,
    /// MACs that frames go to.
    pub macs: u32,
    /// Octets of a frame of the tenant, without checksum.
    pub frame_octets: u16,
}

const DOMAIN: DomainId = DomainId(1);
const CIRCUIT: MemberId = MemberId(1);
const LOCAL: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
/// The prefix of all other ends.
pub const REMOTES: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0);
/// Frames that differ, at most, after which they repeat.
const FRAMES_MAX: usize = 1 << 17;
/// Octets of a frame before its payload: Ethernet, IPv6, UDP.
const INNER_OCTETS: u16 = 14 + 40 + 8;
/// Octets before a frame: Ethernet, IPv6, session, cookie of four octets.
const OUTER_OCTETS: u16 = 14 + 40 + 4 + 4;

impl Segment {
    /// The overlay.
    pub fn overlay(&self) -> Overlay {
        let mut builder = OverlayBuilder::default();
        let port = match self.direction {
            Direction::Encapsulation => PortId(0),
            Direction::Decapsulation => PortId(1),
        };
        let options = MemberOptions { mac_limit: u32::MAX, ..MemberOptions::of_mtu(9000) };
        let circuit = Circuit { port, vlan: CircuitVlan::Untagged };
        let mut added = builder.circuit(CIRCUIT, DOMAIN, &circuit, options);
        for wire in 0..self.wires {
            added = added.and(builder.pseudowire(
                member(wire),
                DOMAIN,
                &self.pseudowire(wire),
                options,
            ));
        }
        let built = added.and_then(|()| builder.build(Arc::new(Sequences::new())));
        built.unwrap_or_else(|error| unreachable!("the numbers are right: {error}"))
    }

    fn pseudowire(&self, wire: u16) -> Pseudowire {
        // Outer packets come from one address: they differ in their session.
        let number = match self.direction {
            Direction::Encapsulation => wire,
            Direction::Decapsulation => 0,
        };
        let remote = Ipv6Addr::from_bits(REMOTES.to_bits() | (u128::from(number) + 1));
        let (local, carrier, sublayer) = (LOCAL, Carrier::Ip, Sublayer::None);
        let (session, class) = (session(wire), OuterClass::Copy);
        let cookie = Cookie::Four(cookie(wire));
        Pseudowire {
            session,
            incoming: SessionEnds { remote, local, carrier, cookie, other_cookie: None, sublayer },
            outgoing: TunnelEnds { local, remote, carrier, session, cookie, sublayer, class },
        }
    }

    /// The table with all MACs that frames go to.
    pub fn mac_table(&self) -> MacTable {
        let table = MacTable::new(BUCKET_BITS_DEFAULT, 0x6b75_6d69);
        for number in 0..self.macs {
            let member = match self.direction {
                Direction::Encapsulation => member(self.wire_of(number)),
                Direction::Decapsulation => CIRCUIT,
            };
            let key = MacKey::new(DOMAIN, host(number));
            let tick = Tick::at(Instant::ZERO);
            let heard = Heard { key, member, limit: u32::MAX, tick };
            let learned = table.learn(&heard, MayMove::Yes);
            assert_eq!(learned, Learned::New, "{number}");
        }
        table
    }

    fn wire_of(&self, number: u32) -> u16 {
        u16::try_from(number % u32::from(self.wires.max(1))).unwrap_or(0)
    }

    /// Octets of a frame as it comes in.
    pub const fn received_octets(&self) -> u16 {
        match self.direction {
            Direction::Encapsulation => self.frame_octets,
            Direction::Decapsulation => self.frame_octets + OUTER_OCTETS,
        }
    }

    /// The first octets of a frame, and where the sixteen stand that differ.
    pub fn header(&self) -> (Vec<u8>, u16) {
        let payload = self.frame_octets.saturating_sub(54);
        let mut inner = vec![0; 12];
        inner.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        inner.extend(payload.to_be_bytes());
        inner.extend([17, 64]);
        inner.extend(0x2001_0db8_0077_0000_0000_0000_0000_0001_u128.to_be_bytes());
        inner.extend(0x2001_0db8_0077_0000_0000_0000_0000_0002_u128.to_be_bytes());
        inner.extend([0x0f, 0xa0, 0x13, 0x88]);
        inner.extend(payload.to_be_bytes());
        inner.extend([0, 1]);
        debug_assert_eq!(inner.len(), usize::from(INNER_OCTETS));
        if self.direction == Direction::Encapsulation {
            return (inner, 0);
        }
        let mut outer = own_mac(0).0.to_vec();
        outer.extend([2, 0, 0, 0, 9, 9, 0x86, 0xdd, 0x60, 0, 0x12, 0x34]);
        outer.extend((8 + self.frame_octets).to_be_bytes());
        outer.extend([115, 64]);
        outer.extend((REMOTES.to_bits() | 1).to_be_bytes());
        outer.extend(LOCAL.octets());
        let offset = u16::try_from(outer.len()).unwrap_or(0);
        outer.extend([0; 8]);
        outer.extend(inner);
        (outer, offset)
    }

    /// What differs from frame to frame.
    pub fn differences(&self) -> Vec<[u8; 16]> {
        let mut random = Prng::new(0x7365_676d);
        let count = (self.macs as usize).max(usize::from(self.wires)).max(64);
        let count = (count * 2).next_power_of_two().min(FRAMES_MAX);
        let mut draw = |below: u32| u32::try_from(random.below(u64::from(below))).unwrap_or(0);
        let frame = |_| {
            let (to, from) = (draw(self.macs), draw(u32::from(self.wires)));
            let mut octets = [0; 16];
            let wire = u16::try_from(from).unwrap_or(0);
            match self.direction {
                Direction::Encapsulation => {
                    octets[..6].copy_from_slice(&host(to).0);
                    octets[6..12].copy_from_slice(&speaker(wire % 64).0);
                    octets[12..].copy_from_slice(&[0x86, 0xdd, 0x60, 0]);
                }
                Direction::Decapsulation => {
                    octets[..4].copy_from_slice(&session(wire).to_be_bytes());
                    octets[4..8].copy_from_slice(&cookie(wire));
                    octets[8..14].copy_from_slice(&host(to).0);
                    octets[14..].copy_from_slice(&speaker(wire).0[..2]);
                }
            }
            octets
        };
        (0..count).map(frame).collect()
    }
}

fn member(wire: u16) -> MemberId {
    MemberId(wire + CIRCUIT.0 + 1)
}

/// Spread over all ids, as those of a hash are.
fn session(wire: u16) -> u32 {
    (u32::from(wire) + 1).wrapping_mul(0x9e37_79b1)
}

fn cookie(wire: u16) -> [u8; 4] {
    session(wire).rotate_left(9).to_be_bytes()
}

/// A MAC that frames go to; no speaker's begins so.
fn host(number: u32) -> MacAddress {
    let [a, b, c, d] = number.to_be_bytes();
    MacAddress([HOST_OCTET, 0xaa, a, b, c, d])
}

/// First octet of the MACs that frames go to: a station's own.
const HOST_OCTET: u8 = 0xf2;

/// A MAC that frames come from; those of pseudowires differ in their first two octets, of which the
/// first says that it is a station and its own.
fn speaker(number: u16) -> MacAddress {
    let [high, low] = number.to_be_bytes();
    MacAddress([high << 2 | 2, low, 0, 0, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn segment(direction: Direction) -> Segment {
        Segment { direction, wires: 10_000, macs: 100_000, frame_octets: 74 }
    }

    #[test]
    fn every_mac_has_a_place_and_every_pseudowire_its_frames() {
        for direction in [Direction::Encapsulation, Direction::Decapsulation] {
            let segment = segment(direction);
            assert_eq!(segment.overlay().members().count(), 10_001);
            let tick = Tick::at(Instant::ZERO);
            assert_eq!(segment.mac_table().entries(tick).count(), 100_000);
            let (header, offset) = segment.header();
            assert!(header.len() <= 128 && usize::from(offset) + 16 <= header.len());
            assert_eq!(segment.differences().len(), FRAMES_MAX);
        }
    }

    #[test]
    fn speakers_are_stations_and_differ() {
        let all: BTreeSet<[u8; 2]> =
            (0..10_000).map(|wire| [speaker(wire).0[0], speaker(wire).0[1]]).collect();
        assert_eq!(all.len(), 10_000);
        assert!((0..10_000).all(|wire| !speaker(wire).is_multicast()));
        // A MAC that is heard behind a pseudowire is there from then on.
        assert!(all.iter().all(|octets| octets[0] != HOST_OCTET) && !host(0).is_multicast());
    }
}
