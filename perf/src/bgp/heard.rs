//! What a neighbour of a router has heard: octets and when they came, and what that means.
//!
//! Owns [`Heard`]. While the clock runs messages are only counted ([`count`]); everything else is
//! worked out afterwards.
//!
//! *Invariants*: a message is heard when its last octet is.
//! *Standards*: RFC 4271 §4.1, RFC 4760 §3 and §4.

use super::table::AGREEMENT;
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::wire::bgp::{AsPath, Message, Notification, Update, frame};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// A table as it was told.
pub type Told = BTreeMap<Ipv6Prefix, AsPath>;

/// Octets of a session after its start.
#[derive(Debug, Default)]
pub struct Heard {
    /// All of them.
    pub octets: Vec<u8>,
    /// How many there were at a time.
    pub marks: Vec<(usize, Instant)>,
}

impl Heard {
    /// Calls `each` with every UPDATE and the number of octets up to its end.
    fn each_update(&self, mut each: impl FnMut(usize, Update)) -> Result<(), Notification> {
        let (mut rest, mut at) = (self.octets.as_slice(), 0);
        while let Some((whole, octets)) = frame(rest, false)? {
            at += octets;
            if let Message::Update(update) = Message::decode(whole, AGREEMENT)? {
                each(at, *update);
            }
            rest = rest.get(octets..).unwrap_or_default();
        }
        Ok(())
    }

    /// When octets up to there had come.
    fn time(&self, octets: usize) -> Option<Instant> {
        let place = self.marks.partition_point(|(count, _)| *count < octets);
        self.marks.get(place).map(|(_, at)| *at)
    }

    /// When the last of `wanted` different prefixes was announced, of what came after `since`; and
    /// how many there were.
    pub fn complete_at(
        &self,
        since: Instant,
        wanted: usize,
    ) -> Result<(Option<Instant>, usize), Notification> {
        let mut seen = BTreeSet::new();
        let mut complete = None;
        self.each_update(|at, update| {
            let is_late = self.time(at).is_some_and(|time| time >= since);
            let announced = update.announced.filter(|_| is_late && complete.is_none());
            for nlri in announced.into_iter().flat_map(|announced| announced.nlri) {
                seen.insert(nlri.prefix);
            }
            if seen.len() >= wanted && complete.is_none() {
                complete = self.time(at);
            }
        })?;
        Ok((complete, seen.len()))
    }

    /// When the last UPDATE came.
    pub fn last_update_at(&self) -> Result<Option<Instant>, Notification> {
        let mut last = None;
        self.each_update(|at, _| last = Some(at))?;
        Ok(last.and_then(|at| self.time(at)))
    }

    /// What is known after all of it.
    pub fn table(&self) -> Result<Told, Notification> {
        let mut told = Told::new();
        self.each_update(|_, update| {
            for nlri in update.withdrawn {
                told.remove(&nlri.prefix);
            }
            if let Some(announced) = update.announced {
                let path = announced.attributes.as_path;
                told.extend(announced.nlri.into_iter().map(|nlri| (nlri.prefix, path.clone())));
            }
        })?;
        Ok(told)
    }
}

/// Prefixes that are announced in whole messages at the beginning of `octets`, and how many octets
/// these messages have. It takes no time: nothing is kept, nothing is checked.
pub fn count(octets: &[u8]) -> (usize, usize) {
    let (mut announced, mut at) = (0, 0);
    while let Some((length, kind)) = header(octets.get(at..).unwrap_or_default()) {
        let Some(message) = octets.get(at..at + length) else { break };
        if kind == UPDATE {
            announced += count_update(message.get(HEADER_OCTETS..).unwrap_or_default());
        }
        at += length;
    }
    (announced, at)
}

const HEADER_OCTETS: usize = 19;
const UPDATE: u8 = 2;
const MP_REACH_NLRI: u8 = 14;
const EXTENDED_LENGTH: u8 = 0x10;

fn header(octets: &[u8]) -> Option<(usize, u8)> {
    let &[high, low, kind] = octets.get(16..HEADER_OCTETS)? else { return None };
    Some((usize::from(u16::from_be_bytes([high, low])).max(HEADER_OCTETS), kind))
}

fn count_update(body: &[u8]) -> usize {
    // No IPv4 routes are here: four octets of lengths, then attributes.
    let mut rest = body.get(4..).unwrap_or_default();
    while let [flags, kind, behind @ ..] = rest {
        let (octets, value) = match (flags & EXTENDED_LENGTH, behind) {
            (0, [length, value @ ..]) => (usize::from(*length), value),
            (_, [high, low, value @ ..]) => (u16::from_be_bytes([*high, *low]).into(), value),
            _ => return 0,
        };
        if *kind == MP_REACH_NLRI {
            return count_reach(value.get(..octets).unwrap_or_default());
        }
        rest = value.get(octets..).unwrap_or_default();
    }
    0
}

fn count_reach(value: &[u8]) -> usize {
    let next_hop = value.get(3).copied().map_or(0, usize::from);
    let mut rest = value.get(5 + next_hop..).unwrap_or_default();
    let mut count = 0;
    while let [length, behind @ ..] = rest {
        rest = behind.get(usize::from(*length).div_ceil(8)..).unwrap_or_default();
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::super::Neighbour;
    use super::super::table::Table;
    use super::*;
    use crate::rib::Rib;
    use std::time::Duration;

    #[test]
    fn counting_finds_what_decoding_finds_at_every_cut() {
        let table = Table::new(&Rib::public_shape(300).prefixes);
        let octets = table.announcements(Neighbour::First);
        assert_eq!(count(&octets), (table.prefix_count(), octets.len()));
        for cut in (0..octets.len()).step_by(97) {
            let (before, used) = count(&octets[..cut]);
            let (after, rest) = count(&octets[used..]);
            assert_eq!((before + after, used + rest), (table.prefix_count(), octets.len()));
        }
    }

    #[test]
    fn a_table_is_complete_with_the_message_that_brings_the_last_prefix() {
        let table = Table::new(&Rib::public_shape(300).prefixes);
        let octets = table.announcements(Neighbour::First);
        let begin = Instant::now();
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        let half = octets.len() / 2;
        let marks = vec![(half, at(1)), (octets.len() - 1, at(2)), (octets.len(), at(3))];
        let heard = Heard { octets, marks };
        let count = table.prefix_count();
        assert_eq!(heard.complete_at(begin, count), Ok((Some(at(3)), count)));
        assert_eq!(heard.complete_at(begin, count + 1), Ok((None, count)));
        assert_eq!(heard.complete_at(at(4), 1), Ok((None, 0)));
        assert_eq!(heard.last_update_at(), Ok(Some(at(3))));
    }
}
