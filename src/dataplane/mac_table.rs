//! Where the MACs of all segments are: learned by the workers, read by all of them.
//!
//! Owns [`MacTable`], one a router: from a domain and a MAC to the member behind which it was heard
//! last. Who may learn and what happens to unknown MACs is the nodes'; when a member dies or its
//! number changes hands the control plane calls [`MacTable::flush`].
//!
//! A bucket is one line of the cache: five entries and a version. A MAC has two buckets, and the
//! second is used only where the first was full, so that most lookups read one line. Where both are
//! full, an entry makes room by moving into its own second one. An entry has
//! its key in one word; in another the member, the lower bits of the member's generation, and when
//! it was heard last, in ticks of eight seconds. A flush is a new generation: entries of the old
//! one are free at once, whatever their number. What is too old is free, too; [`MacTable::sweep`]
//! comes by each bucket long before a tick or a generation means something else again.
//!
//! *Invariants*: nobody waits. A writer that finds a bucket taken by another one does not learn,
//! and learns with the next frame. A reader that meets a writer does not know the MAC for this
//! frame, which is flooded. What is found belongs to the key that was asked for. A full table and a
//! member at its limit forget nothing that is in use. Static entries neither age nor move.
//! *Standards*: IEEE 802.1Q clause 8.8 (filtering database: learning, ageing).
//!
//! # Why it is sound: the memory-order argument
//!
//! A bucket is a seqlock whose writers try once. Writer: (W1) compare-and-swap the version from
//! even to odd, acquire; (W2) release fence; (W3) relaxed stores of the entry; (W4) store the
//! version plus one, release. Reader: (R1) load the version, acquire, even; (R2) relaxed loads of
//! key and value; (R3) acquire fence; (R4) load the version again: equal, or nothing was found.
//!
//! If R2 reads what some W3 wrote, then by the fences W2 and R3 the odd version of W1, or a later
//! one, is visible at R4; with R1 even and R4 equal to it, that write was complete before R1, by W4
//! and R1. So key and value of one read are those of one entry. Two writers exclude each other by
//! W1, and the acquire there sees what the one before wrote before its W4.
//!
//! One write goes without the lock: a newer tick into the value of an entry that is known, by
//! compare-and-swap of the whole value. Where the entry became another one's in between, and its
//! value is the same all the same, that one gets the newer tick, which it had from the same tick.
//!
//! A MAC is in one entry: it is put in and moved under the lock of its first bucket alone.
//! The models below run with loom: `RUSTFLAGS="--cfg loom" cargo test --release --lib
//! dataplane::mac_table`.

use crate::base::ids::{DomainId, MEMBER_MAX, MacAddress, MemberId};
use crate::base::prefetch::prefetch_index;
use crate::base::time::Instant;
use sync::{AtomicU32, AtomicU64, Ordering, fence};

/// The primitives: the real ones, or those whose interleavings loom explores.
#[cfg(not(loom))]
mod sync {
    pub use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
}
#[cfg(loom)]
mod sync {
    pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
}

/// Buckets of a router's table, as a power of two: room for 163,840 entries in two mebibytes, so
/// that 100,000 find a place.
pub const BUCKET_BITS_DEFAULT: u32 = 15;
/// The largest table.
pub const BUCKET_BITS_MAX: u32 = 20;
/// Entries of a bucket: what a line holds.
const ENTRIES: usize = 5;
const MULTIPLIERS: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f, 0xd6e8_feb8_6659_fd93];
/// Seconds of a tick.
const TICK_SECONDS: u64 = 8;
/// Ticks are 1 to this; then they begin again. 0 is a static entry.
const TICK_MAX: u8 = 255;
/// How long a MAC is remembered that is not heard any more (IEEE 802.1Q table 8-6: 300 s), in
/// ticks.
pub const AGE_TICKS_DEFAULT: u8 = 38;
/// Buckets that are swept at once: some microseconds.
pub const SWEEP_BUCKETS: usize = 64;

const _: () = assert!(AGE_TICKS_DEFAULT < TICK_MAX / 2, "the sweep comes by in time");

/// A MAC of a domain; 0 is none, because no domain is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MacKey(u64);

impl MacKey {
    /// The key of a MAC.
    #[inline]
    pub const fn new(domain: DomainId, mac: MacAddress) -> Self {
        let [a, b, c, d, e, f] = mac.0;
        let [high, low] = domain.0.to_be_bytes();
        Self(u64::from_be_bytes([a, b, c, d, e, f, high, low]))
    }

    /// The key of the MAC that these octets begin with.
    #[inline]
    pub const fn at(domain: DomainId, octets: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(octets) & !0xffff | domain.0 as u64)
    }

    /// The MAC.
    pub const fn mac(self) -> MacAddress {
        let [a, b, c, d, e, f, ..] = self.0.to_be_bytes();
        MacAddress([a, b, c, d, e, f])
    }

    /// Whether it is a key: [`Self::default`] is none.
    #[inline]
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }

    /// Whether the MAC is one of a group.
    #[inline]
    pub const fn is_group(self) -> bool {
        self.0 >> 56 & 1 == 1
    }

    /// The domain.
    pub const fn domain(self) -> DomainId {
        let [.., high, low] = self.0.to_be_bytes();
        DomainId(u16::from_be_bytes([high, low]))
    }
}

/// When it is, as the table counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick(u8);

impl Tick {
    /// The tick of an instant.
    pub fn at(now: Instant) -> Self {
        let ticks = now.as_nanos() / (TICK_SECONDS * 1_000_000_000);
        Self(u8::try_from(ticks % u64::from(TICK_MAX) + 1).unwrap_or(1))
    }

    /// Ticks since an earlier one, as far as can be told.
    #[inline]
    const fn since(self, earlier: u8) -> u8 {
        match self.0 >= earlier {
            true => self.0 - earlier,
            false => self.0 + (TICK_MAX - earlier),
        }
    }
}

/// Where a key is in the table that was asked: a hash, of which each half says one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places(u64);

impl Places {
    /// As two words, to be kept beside a packet.
    #[inline]
    pub fn to_words(self) -> [u32; 2] {
        [self.0 >> 32, self.0 & 0xffff_ffff].map(|word| u32::try_from(word).unwrap_or(0))
    }

    /// From its two words.
    #[inline]
    pub const fn from_words([first, second]: [u32; 2]) -> Self {
        Self((first as u64) << 32 | second as u64)
    }
}

/// What was found of a key and must still be looked at.
#[derive(Clone, Copy, Debug)]
pub struct Candidate(Value);

impl Candidate {
    /// The member that it speaks of.
    #[inline]
    pub fn member(self) -> MemberId {
        self.0.member()
    }
}

/// What an entry says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Value(u32);

impl Value {
    const fn new(member: MemberId, generation: u8, tick: u8) -> Self {
        Self((member.0 as u32) << 16 | (generation as u32) << 8 | tick as u32)
    }

    #[inline]
    fn member(self) -> MemberId {
        let [high, low, ..] = self.0.to_be_bytes();
        MemberId(u16::from_be_bytes([high, low]))
    }

    #[inline]
    const fn generation(self) -> u8 {
        self.0.to_be_bytes()[2]
    }

    #[inline]
    const fn tick(self) -> u8 {
        self.0.to_be_bytes()[3]
    }

    const fn is_static(self) -> bool {
        self.tick() == 0
    }
}

/// A line of the cache.
#[repr(align(64))]
struct Bucket {
    /// Odd while somebody writes.
    version: AtomicU32,
    values: [AtomicU32; ENTRIES],
    keys: [AtomicU64; ENTRIES],
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    fn new() -> Self {
        Self {
            version: AtomicU32::new(0),
            values: core::array::from_fn(|_| AtomicU32::new(0)),
            keys: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// The place of a key and its value, as they are at this moment.
    #[inline]
    fn position(&self, key: MacKey) -> Option<(usize, Value)> {
        // All are compared: in which one a key is, nobody could foresee.
        let bit = |(place, found): (u32, &AtomicU64)| {
            u32::from(found.load(Ordering::Relaxed) == key.0) << place
        };
        let found = (0..).zip(&self.keys).map(bit).fold(0, |found, bit| found | bit);
        let place = found.trailing_zeros() as usize;
        let value = self.values.get(place)?;
        Some((place, Value(value.load(Ordering::Relaxed))))
    }

    /// The value of a key; `Err` where somebody is writing.
    #[inline]
    fn read(&self, key: MacKey) -> Result<Option<Value>, Busy> {
        let before = self.version.load(Ordering::Acquire); // R1
        let found = self.position(key); // R2
        fence(Ordering::Acquire); // R3
        let after = self.version.load(Ordering::Relaxed); // R4
        if before & 1 == 1 || before != after {
            return Err(Busy);
        }
        Ok(found.map(|(_, value)| value))
    }

    /// Takes the lock, or not.
    fn lock(&self) -> Result<Locked<'_>, Busy> {
        let version = self.version.load(Ordering::Relaxed);
        if version & 1 == 1 {
            return Err(Busy);
        }
        let taken = version.wrapping_add(1);
        self.version
            .compare_exchange(version, taken, Ordering::Acquire, Ordering::Relaxed) // W1
            .map_err(|_| Busy)?;
        fence(Ordering::Release); // W2
        Ok(Locked { bucket: self, version: taken })
    }
}

/// Somebody else is writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Busy;

/// The lock of a bucket.
struct Locked<'a> {
    bucket: &'a Bucket,
    version: u32,
}

impl Locked<'_> {
    /// Writes an entry.
    fn put(&self, place: usize, key: u64, value: Value) {
        // W3
        if let (Some(slot), Some(at)) = (self.bucket.keys.get(place), self.bucket.values.get(place))
        {
            slot.store(key, Ordering::Relaxed);
            // A store would do: a newer tick that is written meanwhile follows what was here, and
            // comes before this. That a swap comes after what it saw, loom knows as well.
            at.swap(value.0, Ordering::Relaxed);
        }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.bucket.version.store(self.version.wrapping_add(1), Ordering::Release); // W4
    }
}

/// What became of a MAC that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It is where it was.
    Known,
    /// It was not known, and is now.
    New,
    /// It was heard behind another member before.
    Moved(MemberId),
    /// It is behind another member, and stays there.
    Held(MemberId),
    /// It is a static entry of another member: who says it here is not who it should be.
    Static(MemberId),
    /// The member has as many MACs as it may.
    Limit,
    /// Both buckets are full of others.
    Full,
    /// Another worker was writing; the next frame will do.
    Busy,
}

/// Whether a MAC that is known elsewhere may come over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayMove {
    /// Yes.
    Yes,
    /// It has moved too often.
    No,
}

/// Who was heard, and where.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// The MAC.
    pub key: MacKey,
    /// Behind which member.
    pub member: MemberId,
    /// The MACs that this member may have.
    pub limit: u32,
    /// When.
    pub tick: Tick,
}

/// All MACs of a router; shared by `Arc`.
pub struct MacTable {
    buckets: Box<[Bucket]>,
    /// By member: the generation in the upper half, how many entries it has in the lower one.
    members: Box<[AtomicU64]>,
    seed: u64,
    shift: u32,
    age_ticks: AtomicU32,
    sweep_at: AtomicU32,
}

impl core::fmt::Debug for MacTable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MacTable").field("buckets", &self.buckets.len()).finish_non_exhaustive()
    }
}

impl MacTable {
    /// An empty table of two to the power of `bucket_bits` buckets, at most
    /// [`BUCKET_BITS_MAX`]. The seed is the router's own: whoever chooses MACs cannot choose their
    /// buckets.
    pub fn new(bucket_bits: u32, seed: u64) -> Self {
        let bits = bucket_bits.clamp(1, BUCKET_BITS_MAX);
        let member_count = if cfg!(loom) { 4 } else { MEMBER_MAX };
        Self {
            buckets: (0..1_u32 << bits).map(|_| Bucket::new()).collect(),
            members: (0..member_count).map(|_| AtomicU64::new(0)).collect(),
            seed,
            shift: 64 - bits,
            age_ticks: AtomicU32::new(u32::from(AGE_TICKS_DEFAULT)),
            sweep_at: AtomicU32::new(0),
        }
    }

    /// Sets how long a MAC is remembered, in seconds; from a tick to half an hour.
    pub fn set_age(&self, seconds: u32) {
        let tick = u32::try_from(TICK_SECONDS).unwrap_or(8);
        let ticks = (seconds / tick).clamp(1, u32::from(u8::MAX) / 2);
        self.age_ticks.store(ticks, Ordering::Relaxed);
    }

    /// Entries that there can be.
    pub const fn capacity(&self) -> usize {
        self.buckets.len() * ENTRIES
    }

    /// Where a key is.
    #[inline]
    pub fn places(&self, key: MacKey) -> Places {
        // Keys of one maker differ in few bits; one multiplication would leave them in rows.
        Places(fold(fold(key.0 ^ self.seed, MULTIPLIERS[0]) ^ MULTIPLIERS[1], MULTIPLIERS[2]))
    }

    /// The bucket where it is …
    #[inline]
    fn first(&self, places: Places) -> usize {
        usize::try_from(places.0 >> self.shift).unwrap_or(0)
    }

    /// … unless that was full.
    #[inline]
    fn second(&self, places: Places) -> usize {
        usize::try_from(places.0 << 32 >> self.shift).unwrap_or(0)
    }

    /// Hints that a key will be looked for.
    #[inline]
    pub fn prefetch(&self, places: Places) {
        prefetch_index(&self.buckets, self.first(places));
    }

    /// Hints that entries of a member will be looked at.
    #[inline]
    pub fn prefetch_member(&self, member: MemberId) {
        prefetch_index(&self.members, member.index());
    }

    /// Generation and count of a member.
    #[inline]
    fn state(&self, member: MemberId) -> (u8, u32) {
        let state = self.members.get(member.index()).map_or(0, |m| m.load(Ordering::Relaxed));
        let [.., generation, a, b, c, d] = state.to_be_bytes();
        (generation, u32::from_be_bytes([a, b, c, d]))
    }

    /// Whether an entry still counts.
    #[inline]
    fn is_valid(&self, value: Value, tick: Tick) -> bool {
        let (generation, _) = self.state(value.member());
        let age = u32::from(tick.since(value.tick()));
        value.generation() == generation
            && (value.is_static() || age <= self.age_ticks.load(Ordering::Relaxed))
    }

    /// Behind which member a MAC is; `None` where that is not known.
    #[inline]
    pub fn find(&self, key: MacKey, tick: Tick) -> Option<MemberId> {
        self.confirm(self.candidate(key, self.places(key))?, tick)
    }

    /// What the table has of a key, whose places these are; whether it counts, [`Self::confirm`]
    /// says.
    #[inline]
    pub fn candidate(&self, key: MacKey, places: Places) -> Option<Candidate> {
        let found = match self.buckets.get(self.first(places))?.read(key).ok()? {
            Some(value) => Some(value),
            None => self.buckets.get(self.second(places))?.read(key).ok()?,
        };
        found.map(Candidate)
    }

    /// The member of what was found, where it still counts.
    #[inline]
    pub fn confirm(&self, candidate: Candidate, tick: Tick) -> Option<MemberId> {
        self.is_valid(candidate.0, tick).then(|| candidate.member())
    }

    /// The entry of a key, its bucket and its place.
    #[inline]
    fn entry(&self, key: MacKey, places: Places) -> Option<(&Bucket, usize, Value)> {
        let first = self.buckets.get(self.first(places))?;
        if let Some((place, value)) = first.position(key) {
            return Some((first, place, value));
        }
        let second = self.buckets.get(self.second(places))?;
        let (place, value) = second.position(key)?;
        Some((second, place, value))
    }

    /// What is to be done about a MAC that was heard, without doing it: nearly always nothing.
    #[inline]
    pub fn is_known(&self, heard: &Heard) -> bool {
        self.is_known_at(heard, self.places(heard.key))
    }

    /// The same, where the places of the MAC are known.
    #[inline]
    pub fn is_known_at(&self, heard: &Heard, places: Places) -> bool {
        let Some((bucket, place, value)) = self.entry(heard.key, places) else { return false };
        let (generation, _) = self.state(heard.member);
        let now = Value::new(heard.member, generation, heard.tick.0);
        if value == now {
            return true;
        }
        let is_fresh = value.is_static() || self.is_valid(value, heard.tick);
        if value.0 >> 8 != now.0 >> 8 || !is_fresh {
            return false;
        }
        if let Some(slot) = bucket.values.get(place).filter(|_| !value.is_static()) {
            // Whoever was faster did the same.
            let _ = slot.compare_exchange(value.0, now.0, Ordering::Relaxed, Ordering::Relaxed);
        }
        true
    }

    /// Behind which other member a MAC is known to be.
    pub fn elsewhere(&self, heard: &Heard) -> Option<MemberId> {
        self.find(heard.key, heard.tick).filter(|member| *member != heard.member)
    }

    /// Takes note of a MAC that was heard, for which [`Self::is_known`] said no.
    #[cold]
    pub fn learn(&self, heard: &Heard, may_move: MayMove) -> Learned {
        self.try_learn(heard, may_move).unwrap_or(Learned::Busy)
    }

    fn try_learn(&self, heard: &Heard, may_move: MayMove) -> Result<Learned, Busy> {
        let places = self.places(heard.key);
        let (first, second) = (self.first(places), self.second(places));
        let (Some(bucket), Some(other)) = (self.buckets.get(first), self.buckets.get(second))
        else {
            return Err(Busy);
        };
        let home = bucket.lock()?;
        let (generation, count) = self.state(heard.member);
        let new = Value::new(heard.member, generation, heard.tick.0);
        if let Some((place, old)) = bucket.position(heard.key) {
            return Ok(self.replace((&home, place), heard, old, (new, may_move)));
        }
        if first != second
            && let Some((_, _)) = other.position(heard.key)
        {
            let away = other.lock()?;
            // It may have gone before the lock was ours.
            if let Some((place, old)) = other.position(heard.key) {
                return Ok(self.replace((&away, place), heard, old, (new, may_move)));
            }
        }
        if count >= heard.limit {
            return Ok(Learned::Limit);
        }
        if let Some(place) = self.free_place(bucket, heard.tick) {
            self.take(&home, place, heard.key, new);
            return Ok(Learned::New);
        }
        if first == second {
            return Ok(Learned::Full);
        }
        let away = other.lock()?;
        if let Some(place) = self.free_place(other, heard.tick) {
            self.take(&away, place, heard.key, new);
            return Ok(Learned::New);
        }
        for (lock, at) in [(&home, first), (&away, second)] {
            if let Some(place) = self.make_room(lock, at, heard.tick) {
                lock.put(place, heard.key.0, new);
                self.count(new, |count| count.saturating_add(1));
                return Ok(Learned::New);
            }
        }
        Ok(Learned::Full)
    }

    /// Moves an entry that has its first bucket here into its second one, and gives its place.
    /// While it moves it is in both, with one value.
    fn make_room(&self, lock: &Locked<'_>, at: usize, tick: Tick) -> Option<usize> {
        let entries = lock.bucket.keys.iter().zip(&lock.bucket.values).enumerate();
        for (place, (key, value)) in entries {
            let key = MacKey(key.load(Ordering::Relaxed));
            let value = Value(value.load(Ordering::Relaxed));
            let places = self.places(key);
            let second = self.second(places);
            if self.first(places) != at || second == at {
                continue;
            }
            let Some(Ok(other)) = self.buckets.get(second).map(Bucket::lock) else { continue };
            if let Some(free) = self.free_place(other.bucket, tick) {
                self.discount(&other, free);
                other.put(free, key.0, value);
                return Some(place);
            }
        }
        None
    }

    /// An entry that nobody uses.
    fn free_place(&self, bucket: &Bucket, tick: Tick) -> Option<usize> {
        let mut entries = bucket.keys.iter().zip(&bucket.values);
        entries.position(|(key, value)| {
            let value = Value(value.load(Ordering::Relaxed));
            key.load(Ordering::Relaxed) == 0 || !self.is_valid(value, tick)
        })
    }

    /// Puts a new entry where an old one or none was.
    fn take(&self, lock: &Locked<'_>, place: usize, key: MacKey, value: Value) {
        self.discount(lock, place);
        lock.put(place, key.0, value);
        self.count(value, |count| count.saturating_add(1));
    }

    /// The entry at a place is about to go.
    fn discount(&self, lock: &Locked<'_>, place: usize) {
        let (Some(key), Some(value)) = (lock.bucket.keys.get(place), lock.bucket.values.get(place))
        else {
            return;
        };
        if key.load(Ordering::Relaxed) != 0 {
            let old = Value(value.load(Ordering::Relaxed));
            self.count(old, |count| count.saturating_sub(1));
        }
    }

    /// The member of an entry has one more or one less, unless it was flushed since.
    fn count(&self, value: Value, change: impl Fn(u32) -> u32) {
        let Some(state) = self.members.get(value.member().index()) else { return };
        let mut old = state.load(Ordering::Relaxed);
        loop {
            let [e, f, g, generation, a, b, c, d] = old.to_be_bytes();
            if generation != value.generation() {
                return;
            }
            let [a, b, c, d] = change(u32::from_be_bytes([a, b, c, d])).to_be_bytes();
            let new = u64::from_be_bytes([e, f, g, generation, a, b, c, d]);
            match state.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => old = newer,
            }
        }
    }

    /// An entry of this key was found.
    fn replace(
        &self,
        (lock, place): (&Locked<'_>, usize),
        heard: &Heard,
        old: Value,
        (new, may_move): (Value, MayMove),
    ) -> Learned {
        let is_valid = self.is_valid(old, heard.tick);
        let is_here = old.member() == heard.member;
        if is_valid && old.is_static() {
            return if is_here { Learned::Known } else { Learned::Static(old.member()) };
        }
        if is_here && old.generation() == new.generation() {
            lock.put(place, heard.key.0, new);
            return if is_valid { Learned::Known } else { Learned::New };
        }
        let (_, count) = self.state(heard.member);
        if count >= heard.limit {
            return Learned::Limit;
        }
        if is_valid && may_move == MayMove::No {
            return Learned::Held(old.member());
        }
        self.take(lock, place, heard.key, new);
        if is_valid { Learned::Moved(old.member()) } else { Learned::New }
    }

    /// Says for good behind which member a MAC is; false where there is no room or somebody else
    /// is writing: then it is to be tried again. For the control plane.
    pub fn set_static(&self, key: MacKey, member: MemberId, tick: Tick) -> bool {
        let heard = Heard { key, member, limit: u32::MAX, tick };
        let learned = self.learn(&heard, MayMove::Yes);
        if !matches!(learned, Learned::Known | Learned::New | Learned::Moved(_)) {
            return false;
        }
        let Some((bucket, ..)) = self.entry(key, self.places(key)) else { return false };
        let Ok(lock) = bucket.lock() else { return false };
        let Some((place, value)) = bucket.position(key).filter(|(_, v)| v.member() == member)
        else {
            return false;
        };
        lock.put(place, key.0, Value::new(member, value.generation(), 0));
        true
    }

    /// Forgets one MAC; false where somebody else is writing. For the control plane.
    pub fn forget(&self, key: MacKey) -> bool {
        let Some((bucket, ..)) = self.entry(key, self.places(key)) else { return true };
        let Ok(lock) = bucket.lock() else { return false };
        if let Some((place, _)) = bucket.position(key) {
            self.discount(&lock, place);
            lock.put(place, 0, Value(0));
        }
        true
    }

    /// Forgets all MACs of a member, static ones too, in one step whatever their number.
    pub fn flush(&self, member: MemberId) {
        let Some(state) = self.members.get(member.index()) else { return };
        let mut old = state.load(Ordering::Relaxed);
        let next = |old: u64| ((old >> 32).wrapping_add(1) & 0xffff_ffff) << 32;
        while let Err(newer) =
            state.compare_exchange(old, next(old), Ordering::Relaxed, Ordering::Relaxed)
        {
            old = newer;
        }
    }

    /// How many MACs are behind a member; what has aged counts until its place is needed or swept.
    pub fn count_of(&self, member: MemberId) -> u32 {
        self.state(member).1
    }

    /// Frees entries that are too old or of an old generation in the next [`SWEEP_BUCKETS`]
    /// buckets. A bucket that somebody is writing to waits for the next round.
    pub fn sweep(&self, tick: Tick) {
        let start = self.sweep_at.load(Ordering::Relaxed) as usize;
        let count = SWEEP_BUCKETS.min(self.buckets.len());
        let next = (start + count) % self.buckets.len();
        self.sweep_at.store(u32::try_from(next).unwrap_or(0), Ordering::Relaxed);
        for place in start..start + count {
            if let Some(bucket) = self.buckets.get(place % self.buckets.len()) {
                self.sweep_bucket(bucket, tick);
            }
        }
    }

    fn sweep_bucket(&self, bucket: &Bucket, tick: Tick) {
        let is_stale = |place: usize| {
            let (Some(key), Some(value)) = (bucket.keys.get(place), bucket.values.get(place))
            else {
                return false;
            };
            let value = Value(value.load(Ordering::Relaxed));
            key.load(Ordering::Relaxed) != 0 && !self.is_valid(value, tick)
        };
        if !(0..ENTRIES).any(is_stale) {
            return;
        }
        let Ok(lock) = bucket.lock() else { return };
        for place in (0..ENTRIES).filter(|place| is_stale(*place)) {
            self.discount(&lock, place);
            lock.put(place, 0, Value(0));
        }
    }

    /// All entries that count, for those who show them: key, member, and whether it is static. What
    /// is written meanwhile may be left out.
    pub fn entries(&self, tick: Tick) -> impl Iterator<Item = (MacKey, MemberId, bool)> + '_ {
        self.entries_from(0, tick).map(|(_, entry)| entry)
    }

    /// How many buckets there are.
    pub const fn bucket_count(&self) -> usize {
        self.buckets.len()
    }

    /// The entries from this bucket on, each with the number of its bucket.
    pub fn entries_from(
        &self,
        from: usize,
        tick: Tick,
    ) -> impl Iterator<Item = (usize, (MacKey, MemberId, bool))> + '_ {
        let keys = |bucket: &Bucket| -> [u64; ENTRIES] {
            core::array::from_fn(|place| {
                bucket.keys.get(place).map_or(0, |key| key.load(Ordering::Relaxed))
            })
        };
        self.buckets.iter().enumerate().skip(from).flat_map(move |(place, bucket)| {
            let found = keys(bucket).map(|key| {
                let value = bucket.read(MacKey(key)).ok().flatten().filter(|_| key != 0)?;
                let is_valid = self.is_valid(value, tick);
                let entry = (MacKey(key), value.member(), value.is_static());
                is_valid.then_some((place, entry))
            });
            found.into_iter().flatten()
        })
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let low = u64::try_from(product & u128::from(u64::MAX)).unwrap_or(0);
    u64::try_from(product >> 64).unwrap_or(0) ^ low
}

#[cfg(test)]
mod tests;
