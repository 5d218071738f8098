//! L2TPv3 sessions as the packet path finds them: by the session id that a packet brings.
//!
//! Owns [`Session`], what a packet of it must have, and [`SessionTable`]. Which sessions there are
//! and where their numbers come from is `proto`'s; the checks are `dataplane`'s.
//!
//! The table is open-addressed, at most half full, and has only numbers in it: eight places share a
//! line of the cache, so that 10,000 sessions cost what one does, as long as the lines are asked
//! for a burst ahead.
//!
//! *Invariants*: ids are unique and not zero, which is the id of control messages; a run of places
//! that are taken ends, because half of them are free.
//! *Standards*: RFC 3931 §4.1 (session id, cookie), §8.2 (what a cookie is for).

use crate::base::ids::{DomainId, MemberId};
use crate::base::prefetch::prefetch_index;
use crate::fib::tunnel_header::{Carrier, Cookie, SUBLAYER_OCTETS, Sublayer, UdpSum};
use core::net::Ipv6Addr;

/// Session id of control messages (RFC 3931 §4.1.1.2).
pub const SESSION_CONTROL: u32 = 0;
/// Places of the smallest table.
const PLACES_MIN: usize = 16;
const SUBLAYER_ROOM: u16 = 4;
const _: () = assert!(SUBLAYER_ROOM as usize == SUBLAYER_OCTETS);
const MULTIPLIER: u32 = 0x9e37_79b1;

/// What a packet of a session must have, and whose it is; one a pseudowire, 64 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Session {
    /// Where it must come from.
    pub remote: Ipv6Addr,
    /// What it must be for.
    pub local: Ipv6Addr,
    /// The cookies that are accepted, octets first, then zeros; twice the same but for the time
    /// of a change.
    cookies: [u64; 2],
    /// Source port over UDP; 0 is any.
    remote_port: u16,
    /// The bridge domain that its frames go to.
    pub domain: DomainId,
    /// The member of the domain that it is.
    pub member: MemberId,
    cookie_octets: u8,
    sublayer: Sublayer,
    carrier: SessionCarrier,
}

const _: () = assert!(size_of::<Session>() == 64);

/// What a session is carried by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionCarrier {
    /// IPv6.
    Ip,
    /// UDP with a checksum.
    Udp,
    /// UDP with a checksum or with none (RFC 6936 §4).
    UdpZero,
}

/// What a session is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionEnds {
    /// Where packets come from.
    pub remote: Ipv6Addr,
    /// What they are for.
    pub local: Ipv6Addr,
    /// What carries them; the remote port 0 is any.
    pub carrier: Carrier,
    /// The cookie that we gave out …
    pub cookie: Cookie,
    /// … and the one before it or after it, of as many octets, while it changes.
    pub other_cookie: Option<Cookie>,
    /// The sublayer that we asked for.
    pub sublayer: Sublayer,
}

impl Session {
    /// A session of a member; `None` where its two cookies differ in length.
    pub fn new(ends: &SessionEnds, domain: DomainId, member: MemberId) -> Option<Self> {
        let other = ends.other_cookie.unwrap_or(ends.cookie);
        if other.octets() != ends.cookie.octets() {
            return None;
        }
        let (carrier, remote_port) = match ends.carrier {
            Carrier::Ip => (SessionCarrier::Ip, 0),
            Carrier::Udp { remote_port, sum: UdpSum::Full, .. } => {
                (SessionCarrier::Udp, remote_port)
            }
            Carrier::Udp { remote_port, sum: UdpSum::Zero, .. } => {
                (SessionCarrier::UdpZero, remote_port)
            }
        };
        Some(Self {
            remote: ends.remote,
            local: ends.local,
            cookies: [ends.cookie, other].map(|cookie| u64::from_be_bytes(cookie.padded())),
            remote_port,
            domain,
            member,
            cookie_octets: u8::try_from(ends.cookie.octets()).unwrap_or(0),
            sublayer: ends.sublayer,
            carrier,
        })
    }

    /// Octets of its cookie: 0, 4 or 8.
    #[inline]
    pub const fn cookie_octets(&self) -> u16 {
        self.cookie_octets as u16
    }

    /// Octets between session id and frame.
    #[inline]
    pub const fn header_octets(&self) -> u16 {
        let sublayer = match self.sublayer {
            Sublayer::None => 0,
            Sublayer::Default | Sublayer::Sequenced => SUBLAYER_ROOM,
        };
        self.cookie_octets as u16 + sublayer
    }

    /// What stands before the frame.
    #[inline]
    pub const fn sublayer(&self) -> Sublayer {
        self.sublayer
    }

    /// What it is carried by.
    #[inline]
    pub const fn carrier(&self) -> SessionCarrier {
        self.carrier
    }

    /// Whether datagrams may come from this port.
    #[inline]
    pub const fn accepts_port(&self, port: u16) -> bool {
        self.remote_port == 0 || self.remote_port == port
    }

    /// Whether the octets behind the session id begin with a cookie of this session. Takes as long
    /// whatever they are: who guesses learns nothing from the time of an answer.
    #[inline]
    pub const fn accepts_cookie(&self, octets: [u8; 8]) -> bool {
        let mask = match self.cookie_octets {
            0 => 0,
            4 => u64::MAX << 32,
            _ => u64::MAX,
        };
        let found = u64::from_be_bytes(octets) & mask;
        let [first, second] = self.cookies;
        (found ^ first == 0) | (found ^ second == 0)
    }
}

/// A place of the table; id 0 is a free one.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    id: u32,
    index: u32,
}

/// All sessions of a router, by their local ids.
#[derive(Clone, Debug, Default)]
pub struct SessionTable {
    places: Box<[Place]>,
    shift: u32,
    sessions: Box<[Session]>,
}

impl SessionTable {
    /// The table of these sessions; an id that is 0 or there already comes back as the error.
    pub fn new(all: &[(u32, Session)]) -> Result<Self, u32> {
        let count = (all.len() * 2).next_power_of_two().max(PLACES_MIN);
        let mut places = vec![Place::default(); count].into_boxed_slice();
        let shift = 32 - count.trailing_zeros();
        for (index, (id, _)) in (0_u32..).zip(all) {
            let mut at = place_of(*id, shift);
            while places[at].id != SESSION_CONTROL && places[at].id != *id {
                at = (at + 1) & (count - 1);
            }
            if *id == SESSION_CONTROL || places[at].id == *id {
                return Err(*id);
            }
            places[at] = Place { id: *id, index };
        }
        Ok(Self { places, shift, sessions: all.iter().map(|(_, session)| *session).collect() })
    }

    /// Sessions in it.
    pub const fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Hints that an id will be looked up.
    #[inline]
    pub fn prefetch(&self, id: u32) {
        if !self.places.is_empty() {
            prefetch_index(&self.places, place_of(id, self.shift));
        }
    }

    /// The number of the session with this id, which is hinted to be read soon.
    #[inline]
    pub fn find(&self, id: u32) -> Option<usize> {
        if id == SESSION_CONTROL || self.places.is_empty() {
            return None;
        }
        let mask = self.places.len() - 1;
        let mut at = place_of(id, self.shift);
        loop {
            let place = self.places.get(at & mask)?;
            if place.id == id {
                let index = place.index as usize;
                prefetch_index(&self.sessions, index);
                return Some(index);
            }
            if place.id == SESSION_CONTROL {
                return None;
            }
            at += 1;
        }
    }

    /// The session behind a number.
    #[inline]
    pub fn session(&self, number: usize) -> Option<&Session> {
        self.sessions.get(number)
    }

    /// The sessions in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter()
    }
}

#[inline]
const fn place_of(id: u32, shift: u32) -> usize {
    (id.wrapping_mul(MULTIPLIER) >> shift) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prng::Prng;

    fn ends() -> SessionEnds {
        SessionEnds {
            remote: "fd00::2".parse().unwrap(),
            local: "fd00::1".parse().unwrap(),
            carrier: Carrier::Ip,
            cookie: Cookie::None,
            other_cookie: None,
            sublayer: Sublayer::None,
        }
    }

    fn session(member: u16) -> Session {
        Session::new(&ends(), DomainId(1), MemberId(member)).unwrap()
    }

    #[test]
    fn ten_thousand_sessions_are_found_and_no_others() {
        let mut random = Prng::new(3);
        let mut ids: Vec<u32> =
            (0..10_000).map(|_| u32::try_from(random.next_u64() >> 32).unwrap().max(1)).collect();
        ids.sort_unstable();
        ids.dedup();
        let all: Vec<_> = ids.iter().zip(1..).map(|(id, member)| (*id, session(member))).collect();
        let table = SessionTable::new(&all).unwrap();
        for (number, (id, expected)) in all.iter().enumerate() {
            assert_eq!(table.find(*id), Some(number));
            assert_eq!(table.session(number), Some(expected));
        }
        let others = (0..100_000_u32).filter(|id| ids.binary_search(id).is_err());
        assert!(others.into_iter().all(|id| table.find(id).is_none()));
    }

    #[test]
    fn sessions_with_neighbouring_ids_do_not_pile_up() {
        let all: Vec<_> = (1..=10_000).map(|id| (id, session(1))).collect();
        let table = SessionTable::new(&all).unwrap();
        let farthest = (1..=10_000_u32).map(|id| {
            let home = place_of(id, table.shift);
            let at = table.places.iter().position(|place| place.id == id).unwrap();
            at.wrapping_sub(home) & (table.places.len() - 1)
        });
        assert!(farthest.max().unwrap() < 8);
    }

    #[test]
    fn zero_and_repeated_ids_are_refused() {
        assert_eq!(SessionTable::new(&[(0, session(1))]).unwrap_err(), 0);
        assert_eq!(SessionTable::new(&[(5, session(1)), (5, session(2))]).unwrap_err(), 5);
        let empty = SessionTable::default();
        empty.prefetch(7);
        assert_eq!((empty.find(0), empty.find(7), empty.len()), (None, None, 0));
    }

    #[test]
    fn both_cookies_of_a_change_are_accepted_and_nothing_else() {
        let cookies = [
            (Cookie::Four([1, 2, 3, 4]), Cookie::Four([5, 6, 7, 8])),
            (Cookie::Eight([1, 2, 3, 4, 9, 9, 9, 9]), Cookie::Eight([5, 6, 7, 8, 9, 9, 9, 9])),
        ];
        for (cookie, other) in cookies {
            let ends = SessionEnds { cookie, other_cookie: Some(other), ..ends() };
            let session = Session::new(&ends, DomainId(1), MemberId(1)).unwrap();
            assert!(session.accepts_cookie([1, 2, 3, 4, 9, 9, 9, 9]));
            assert!(session.accepts_cookie([5, 6, 7, 8, 9, 9, 9, 9]));
            assert!(!session.accepts_cookie([1, 2, 3, 5, 9, 9, 9, 9]));
            assert!(!session.accepts_cookie([0; 8]));
            let is_whole = cookie.octets() == 8;
            assert_eq!(session.accepts_cookie([1, 2, 3, 4, 9, 9, 9, 8]), !is_whole);
        }
        assert!(session(1).accepts_cookie([0xff; 8]), "no cookie, nothing to compare");
        let mixed = SessionEnds { other_cookie: Some(Cookie::Four([0; 4])), ..ends() };
        assert_eq!(Session::new(&mixed, DomainId(1), MemberId(1)), None);
    }
}
