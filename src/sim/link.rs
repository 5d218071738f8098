//! A cable that can be long, bad, cut, or silently dead.
//!
//! Owns [`Link`]: what becomes of a frame put on it ([`Link::carry`]) and the counts of that. When
//! the frame arrives, and who hears of a cut, is the world's.
//!
//! *Invariants*: frames of one direction keep their order, but for those that reordering picks.
//! What is put on the link is counted once: sent + duplicated = delivered + lost + in flight
//! ([`LinkCounts::in_flight`]). All chance comes from the generator that the caller brings.

use crate::base::ids::PortId;
use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};

/// All of it, in the unit of chances.
pub const PER_MILLION: u32 = 1_000_000;

/// Octets of a frame that are never corrupted: its MAC addresses and EtherType. Corruption stands
/// for what happens behind the check of the frame, in the memory of a host; a frame that reaches
/// another station by a flipped address is lost, and loss has its own chance.
pub const INTACT_OCTETS: usize = 14;

/// How good a link is. Chances are per million frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    /// The shortest time a frame takes; not zero.
    pub latency: Duration,
    /// What it may take longer.
    pub jitter: Duration,
    /// Chance that a frame is lost.
    pub loss_ppm: u32,
    /// Chance that a frame arrives twice.
    pub duplication_ppm: u32,
    /// Chance that later frames overtake this one.
    pub reordering_ppm: u32,
    /// Chance that one bit of a frame is flipped.
    pub corruption_ppm: u32,
}

impl Quality {
    /// A good cable.
    pub const GOOD: Self = Self {
        latency: Duration::from_micros(10),
        jitter: Duration::from_micros(5),
        loss_ppm: 0,
        duplication_ppm: 0,
        reordering_ppm: 0,
        corruption_ppm: 0,
    };

    /// A cable that loses one frame in five and does every other harm now and then.
    pub const BAD: Self = Self {
        latency: Duration::from_micros(100),
        jitter: Duration::from_millis(2),
        loss_ppm: 200_000,
        duplication_ppm: 50_000,
        reordering_ppm: 50_000,
        corruption_ppm: 20_000,
    };
}

/// One end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// Index of the router.
    pub router: usize,
    /// Its port.
    pub port: PortId,
}

/// Which way: from the first end to the second, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the first end.
    Forth,
    /// From the second end.
    Back,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Forth, Self::Back];

    /// Index into pairs.
    pub const fn index(self) -> usize {
        match self {
            Self::Forth => 0,
            Self::Back => 1,
        }
    }
}

crate::counters! {
    /// What became of the frames of a link.
    pub struct LinkCounts {
        sent: "frames", "Frames put on the link.";
        delivered: "frames", "Frames that arrived.";
        duplicated: "frames", "Second copies made.";
        reordered: "frames", "Frames that later ones could overtake.";
        corrupted: "frames", "Frames with a flipped bit.";
        lost_chance: "frames", "Lost by the quality of the link.";
        lost_cut: "frames", "Lost because the link was cut.";
        lost_silent: "frames", "Lost because the link was silently dead.";
        lost_dead: "frames", "Lost because nobody runs at the other end.";
    }
}

impl LinkCounts {
    /// Frames on their way; less than none where some were counted twice at their end.
    pub const fn in_flight(&self) -> i64 {
        let lost = self.lost_chance + self.lost_cut + self.lost_silent + self.lost_dead;
        let (begun, ended) = (self.sent + self.duplicated, self.delivered + lost);
        begun.cast_signed() - ended.cast_signed()
    }
}

/// A frame on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// When it arrives.
    pub arrives: Instant,
    /// Its octets then.
    pub bytes: Vec<u8>,
}

/// A cable between two routers; one per cable, owned by the world.
#[derive(Clone, Debug)]
pub struct Link {
    /// The ends, the first is where [`Direction::Forth`] starts.
    pub ends: [End; 2],
    /// OSPF cost at each end.
    pub costs: [u16; 2],
    /// How good it is now.
    pub quality: Quality,
    /// What became of its frames.
    pub counts: LinkCounts,
    is_cut: bool,
    is_silent: [bool; 2],
    cut_count: u64,
    last_arrival: [Instant; 2],
}

impl Link {
    /// A link that works.
    pub fn new(ends: [End; 2], costs: [u16; 2], quality: Quality) -> Self {
        Self {
            ends,
            costs,
            quality,
            counts: LinkCounts::default(),
            is_cut: false,
            is_silent: [false; 2],
            cut_count: 0,
            last_arrival: [Instant::ZERO; 2],
        }
    }

    /// Whether it is cut: no light at either end.
    pub const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Whether frames of this direction vanish.
    pub fn is_silent(&self, direction: Direction) -> bool {
        self.is_silent[direction.index()]
    }

    /// Whether frames can pass both ways.
    pub fn is_usable(&self) -> bool {
        !self.is_cut && self.is_silent == [false; 2]
    }

    /// How often it was cut: frames of an earlier life never arrive.
    pub const fn cut_count(&self) -> u64 {
        self.cut_count
    }

    /// Cuts it; both ends lose carrier, frames on their way are gone.
    pub const fn cut(&mut self) {
        self.is_cut = true;
        self.cut_count += 1;
    }

    /// Lets frames of this direction vanish; carrier stays.
    pub fn silence(&mut self, direction: Direction) {
        self.is_silent[direction.index()] = true;
    }

    /// Makes it whole.
    pub const fn heal(&mut self) {
        self.is_cut = false;
        self.is_silent = [false; 2];
    }

    /// The end where frames of this direction arrive.
    pub const fn target(&self, direction: Direction) -> End {
        match direction {
            Direction::Forth => self.ends[1],
            Direction::Back => self.ends[0],
        }
    }

    /// The direction of frames from `end`; `None` when it is no end of this link.
    pub fn direction_from(&self, end: End) -> Option<Direction> {
        Direction::ALL.into_iter().find(|direction| self.ends[direction.index()] == end)
    }

    /// Puts a frame on the link: none, one or two copies of it will arrive.
    pub fn carry(
        &mut self,
        now: Instant,
        direction: Direction,
        bytes: Vec<u8>,
        prng: &mut Prng,
    ) -> Vec<Flight> {
        self.counts.sent += 1;
        if self.is_cut {
            self.counts.lost_cut += 1;
            return Vec::new();
        }
        if self.is_silent[direction.index()] {
            self.counts.lost_silent += 1;
            return Vec::new();
        }
        if happens(prng, self.quality.loss_ppm) {
            self.counts.lost_chance += 1;
            return Vec::new();
        }
        let mut flights = Vec::with_capacity(2);
        if happens(prng, self.quality.duplication_ppm) {
            self.counts.duplicated += 1;
            flights.push(self.fly(now, direction, bytes.clone(), prng));
        }
        flights.push(self.fly(now, direction, bytes, prng));
        flights
    }

    fn fly(
        &mut self,
        now: Instant,
        direction: Direction,
        mut bytes: Vec<u8>,
        prng: &mut Prng,
    ) -> Flight {
        let Quality { latency, jitter, .. } = self.quality;
        let mut arrives = now + latency + prng.between(Duration::ZERO, jitter);
        if happens(prng, self.quality.reordering_ppm) {
            // Late by as much again: what is sent meanwhile overtakes it.
            self.counts.reordered += 1;
            arrives += prng.between(latency, latency + jitter + jitter);
        } else {
            let last = &mut self.last_arrival[direction.index()];
            arrives = arrives.max(*last);
            *last = arrives;
        }
        if happens(prng, self.quality.corruption_ppm) {
            self.counts.corrupted += 1;
            flip_a_bit(&mut bytes, prng);
        }
        Flight { arrives, bytes }
    }
}

fn happens(prng: &mut Prng, ppm: u32) -> bool {
    // No draw for what never happens: a good link does not disturb the numbers of the others.
    ppm > 0 && prng.below(u64::from(PER_MILLION)) < u64::from(ppm)
}

fn flip_a_bit(bytes: &mut [u8], prng: &mut Prng) {
    let payload = bytes.get_mut(INTACT_OCTETS..).unwrap_or(&mut []);
    let bit = prng.below(payload.len() as u64 * 8);
    let index = usize::try_from(bit / 8).unwrap_or(usize::MAX);
    if let Some(byte) = payload.get_mut(index) {
        *byte ^= 1 << (bit % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(quality: Quality) -> Link {
        let end = |router| End { router, port: PortId(0) };
        Link::new([end(0), end(1)], [10, 10], quality)
    }

    /// Sends numbered frames, one a microsecond, and says how they arrive: by time, then by order.
    fn send(link: &mut Link, count: u32, seed: u64) -> Vec<Vec<u8>> {
        let mut prng = Prng::new(seed);
        let mut flights: Vec<Flight> = (0..count)
            .flat_map(|number| {
                let now = Instant::from_nanos(u64::from(number) * 1000);
                let mut frame = vec![0; INTACT_OCTETS];
                frame.extend(number.to_be_bytes());
                link.carry(now, Direction::Forth, frame, &mut prng)
            })
            .collect();
        flights.sort_by_key(|flight| flight.arrives);
        flights.into_iter().map(|flight| flight.bytes[INTACT_OCTETS..].to_vec()).collect()
    }

    fn in_order(count: u32) -> Vec<Vec<u8>> {
        (0..count).map(|number| number.to_be_bytes().to_vec()).collect()
    }

    #[test]
    fn a_good_link_keeps_everything_and_its_order() {
        let mut link = link(Quality::GOOD);
        assert_eq!(send(&mut link, 1000, 1), in_order(1000));
        assert_eq!((link.counts.sent, link.counts.in_flight()), (1000, 1000));
    }

    #[test]
    fn a_bad_link_does_every_harm_about_as_often_as_it_says() {
        let mut link = link(Quality::BAD);
        send(&mut link, 10_000, 2);
        let LinkCounts { lost_chance, duplicated, reordered, corrupted, .. } = link.counts;
        let near = |count: u64, wanted: u64| count.abs_diff(wanted) < wanted / 4;
        assert!(near(lost_chance, 2000) && near(duplicated, 400), "{:?}", link.counts);
        assert!(near(reordered, 420) && near(corrupted, 168), "{:?}", link.counts);
    }

    #[test]
    fn reordering_lets_later_frames_overtake() {
        let jitter = Duration::from_micros(5);
        let quality = Quality { reordering_ppm: 100_000, jitter, ..Quality::GOOD };
        let arrived = send(&mut link(quality), 1000, 3);
        let mut sorted = arrived.clone();
        sorted.sort();
        assert!(sorted == in_order(1000) && arrived != sorted);
    }

    #[test]
    fn corruption_flips_one_bit_and_spares_the_ethernet_header() {
        let quality = Quality { corruption_ppm: PER_MILLION, ..Quality::GOOD };
        let mut prng = Prng::new(4);
        for _ in 0..100 {
            let flights = link(quality).carry(
                Instant::ZERO,
                Direction::Back,
                vec![0; INTACT_OCTETS + 2],
                &mut prng,
            );
            let bytes = &flights.first().unwrap().bytes;
            let set: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
            assert!(set == 1 && bytes[..INTACT_OCTETS] == [0; INTACT_OCTETS]);
        }
        flip_a_bit(&mut [0; 3], &mut prng);
    }

    #[test]
    fn cut_and_silent_links_carry_nothing_and_say_why() {
        let mut link = link(Quality::GOOD);
        link.silence(Direction::Back);
        assert!(!link.is_usable());
        assert_eq!(send(&mut link, 3, 5).len(), 3, "the other direction works");
        link.silence(Direction::Forth);
        assert!(send(&mut link, 3, 5).is_empty());
        link.cut();
        assert!(send(&mut link, 3, 5).is_empty());
        assert_eq!((link.counts.lost_silent, link.counts.lost_cut), (3, 3));
        link.heal();
        assert!(link.is_usable() && link.cut_count() == 1);
    }
}
