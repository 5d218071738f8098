//! The bench of the table of prefixes: ours beside `rte_fib6` and `rte_lpm6`, in one run.
//!
//! Owns the course of it: tables are built, every answer is checked, then all of them look the same
//! destinations up in turn. Without DPDK ours stands alone.
//!
//! *Invariants*: nothing is timed before its answers were right.

use crate::measure::{Contestant, Spread, nanoseconds, rounds};
use crate::rib::Rib;
use crate::trace::{Kind, TRACE_ADDRESSES, Trace};
use crate::update::Update;
use kumiki::base::ids::GroupId;
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::fib::Fib;
use kumiki::fib::simd::Level;
use kumiki::fib::table::LOOKUP_BURST_MAX;
use prefix_trie::PrefixMap;
use serde::Serialize;
use std::collections::BTreeMap;
use std::hint::black_box;

/// Groups that routes are spread over.
const GROUPS: usize = 200;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds of each trace.
    pub rounds: usize,
    /// Passes that warm the caches before the one that counts.
    pub warm_passes: usize,
    /// Single changes that are timed.
    pub changes: usize,
}

/// What one table reached.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Which table of prefixes.
    pub rib: String,
    /// Which destinations.
    pub trace: Kind,
    /// Passes that warmed the caches.
    pub warm_passes: usize,
    /// Who looked up.
    pub name: String,
    /// Million lookups a second: tenth, median, ninetieth percentile.
    pub mega_lookups_per_second: Spread,
    /// Our median to this one's.
    pub ratio: f64,
}

/// What our table costs.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// Which table of prefixes.
    pub rib: String,
    /// Routes in it.
    pub routes: usize,
    /// Building all of it at once, in milliseconds.
    pub build_ms: Spread,
    /// One route changed and the new version made, in microseconds.
    pub update_us_p50: f64,
    /// The same, 99th percentile.
    pub update_us_p99: f64,
    /// Octets for each prefix, lines and routes.
    pub bytes_per_prefix: f64,
    /// Octets in all.
    pub bytes: usize,
}

/// The group of the route with this number.
pub fn group(number: usize) -> GroupId {
    GroupId(u16::try_from(number * 7919 % GROUPS + 1).unwrap_or(1))
}

/// The changes that make a table of prefixes.
pub fn changes(rib: &Rib) -> Vec<(Ipv6Prefix, Option<GroupId>)> {
    let set = |(number, prefix): (usize, &Ipv6Prefix)| (*prefix, Some(group(number)));
    rib.prefixes.iter().enumerate().map(set).collect()
}

/// Ours, of these prefixes.
pub fn build(rib: &Rib) -> Fib {
    let mut fib = Fib::default();
    fib.apply(&changes(rib));
    fib
}

/// What is right, for every address of a trace: from an independent implementation.
pub fn answers(rib: &Rib, trace: &Trace) -> Vec<GroupId> {
    let mut trie: PrefixMap<(u128, u8), GroupId> = PrefixMap::new();
    for (number, prefix) in rib.prefixes.iter().enumerate() {
        trie.insert((prefix.bits(), prefix.length()), group(number));
    }
    let find = |number: &u128| trie.get_lpm(&(*number, 128)).map_or(GroupId(0), |(_, g)| *g);
    trace.numbers.iter().map(find).collect()
}

/// Looks a whole trace up.
pub fn pass(fib: &Fib, trace: &Trace, groups: &mut [GroupId]) {
    let bursts = trace.numbers.chunks(LOOKUP_BURST_MAX);
    for (addresses, groups) in bursts.zip(groups.chunks_mut(LOOKUP_BURST_MAX)) {
        fib.lookup_burst(addresses, groups);
    }
    black_box(groups);
}

/// Compares lookups over one table of prefixes; `others` are looked up beside ours.
pub fn compare(rib: &Rib, kinds: &[Kind], effort: Effort, others: &mut dyn Others) -> Vec<Line> {
    let fib = build(rib);
    let mut lines = Vec::new();
    for kind in kinds {
        let trace = Trace::new(*kind, &rib.prefixes);
        let expected = answers(rib, &trace);
        let levels = [Level::detect(), Level::Portable];
        let ours: Vec<Fib> = levels.iter().filter_map(|level| fib.with_level(*level)).collect();
        let mut found = vec![vec![GroupId(0); TRACE_ADDRESSES]; ours.len()];
        for (fib, found) in ours.iter().zip(&mut found) {
            pass(fib, &trace, found);
            assert!(*found == expected, "our answers for {} are wrong", rib.name);
        }
        let mut contestants: Vec<Contestant<'_>> = Vec::new();
        for ((fib, found), level) in ours.iter().zip(&mut found).zip(levels) {
            let trace = &trace;
            contestants.push(Contestant {
                name: format!("kumiki, {level:?}").to_lowercase(),
                pass: Box::new(move || pass(fib, trace, found)),
            });
        }
        contestants.extend(others.contestants(&trace, &expected));
        let spreads = rounds(&mut contestants, effort.rounds, effort.warm_passes);
        let speed = |nanoseconds: f64| TRACE_ADDRESSES as f64 * 1e3 / nanoseconds;
        let best = spreads.first().map_or(0.0, |spread| speed(spread.p50));
        for (contestant, spread) in contestants.iter().zip(&spreads) {
            let reached =
                Spread { p10: speed(spread.p90), p50: speed(spread.p50), p90: speed(spread.p10) };
            lines.push(Line {
                rib: rib.name.clone(),
                trace: *kind,
                warm_passes: effort.warm_passes,
                name: contestant.name.clone(),
                mega_lookups_per_second: reached,
                ratio: best / reached.p50,
            });
        }
    }
    lines
}

/// What our table costs to build, to change and to keep.
pub fn cost(rib: &Rib, effort: Effort) -> Cost {
    let changes = changes(rib);
    let mut built = Fib::default();
    let builds = (0..effort.rounds.clamp(3, 9)).map(|_| {
        built = Fib::default();
        nanoseconds(&mut || built.apply(&changes)) / 1e6
    });
    let build_ms = Spread::of(builds.collect());
    let mut published = built.clone();
    let mut times = Vec::with_capacity(effort.changes);
    let mut random = kumiki::base::prng::Prng::new(7);
    for _ in 0..effort.changes / 2 {
        let place = usize::try_from(random.below(changes.len() as u64)).unwrap_or(0);
        let (prefix, set) = changes[place];
        for change in [None, set] {
            times.push(
                nanoseconds(&mut || {
                    built.apply(&[(prefix, change)]);
                    published = built.clone();
                }) / 1e3,
            );
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |per_mille: usize| times.get(times.len() * per_mille / 1000).copied().unwrap_or(0.0);
    let bytes = published.memory_bytes();
    Cost {
        rib: rib.name.clone(),
        routes: rib.prefixes.len(),
        build_ms,
        update_us_p50: at(500),
        update_us_p99: at(990),
        bytes_per_prefix: bytes as f64 / rib.prefixes.len().max(1) as f64,
        bytes,
    }
}

/// What a day of updates costs.
#[derive(Clone, Debug, Serialize)]
pub struct DayCost {
    /// Updates, those included that change nothing.
    pub updates: usize,
    /// Publications.
    pub publications: usize,
    /// Seconds for all of it.
    pub seconds: f64,
    /// The longest batch, in milliseconds.
    pub batch_ms_max: f64,
}

/// Updates of one publication: they take far less than the ten milliseconds that may pass.
const UPDATES_AT_ONCE: usize = 128;

/// Replays `updates` over the routes of `rib` as fast as they go, published batch by batch.
pub fn day(rib: &Rib, updates: &[Update]) -> DayCost {
    let mut table = Fib::default();
    table.apply(&changes(rib));
    let mut published = table.clone();
    let groups: BTreeMap<Ipv6Prefix, GroupId> =
        changes(rib).into_iter().filter_map(|(prefix, group)| Some((prefix, group?))).collect();
    let (mut nanoseconds_all, mut longest, mut publications) = (0.0, 0.0_f64, 0);
    for batch in updates.chunks(UPDATES_AT_ONCE) {
        let batch: Vec<_> = batch
            .iter()
            .map(|update| match update {
                Update::Announce(prefix) => {
                    (*prefix, Some(groups.get(prefix).copied().unwrap_or_else(|| group(0))))
                }
                Update::Withdraw(prefix) => (*prefix, None),
            })
            .collect();
        let time = nanoseconds(&mut || {
            table.apply(&batch);
            published = table.clone();
        });
        nanoseconds_all += time;
        longest = longest.max(time);
        publications += 1;
    }
    assert_eq!(published.len(), table.len(), "the last batch was published");
    DayCost {
        updates: updates.len(),
        publications,
        seconds: nanoseconds_all / 1e9,
        batch_ms_max: longest / 1e6,
    }
}

/// Tables of others that hold the same prefixes.
pub trait Others {
    /// Passes over a trace, each checked against `expected` before.
    fn contestants<'a>(
        &'a mut self,
        trace: &'a Trace,
        expected: &'a [GroupId],
    ) -> Vec<Contestant<'a>>;
}

/// Nobody.
pub struct Nobody;

impl Others for Nobody {
    fn contestants<'a>(&'a mut self, _: &'a Trace, _: &'a [GroupId]) -> Vec<Contestant<'a>> {
        Vec::new()
    }
}

#[cfg(dpdk)]
pub use dpdk::DpdkTables;

#[cfg(dpdk)]
mod dpdk {
    use super::{Contestant, GroupId, LOOKUP_BURST_MAX, Others, Rib, Trace, black_box, group};
    use kumiki::dpdk::tables::{Fib6Width, NEXT_HOP_NONE};
    use kumiki::dpdk::{Eal, Failure, Fib6, Lpm6};

    /// `rte_fib6`, with AVX-512 and without, and `rte_lpm6`.
    pub struct DpdkTables {
        vector: Option<Fib6>,
        scalar: Fib6,
        lpm: Lpm6,
    }

    impl DpdkTables {
        /// Tables that hold the prefixes of `rib`. They take more room while they are filled than
        /// afterwards, so that there is plenty.
        pub fn build(eal: &Eal, rib: &Rib) -> Result<Self, Failure> {
            let routes = u32::try_from(rib.prefixes.len()).unwrap_or(u32::MAX).max(1 << 12) * 2;
            let groups = routes.max(1 << 14);
            let mut scalar = Fib6::create(eal, "fib6-scalar", routes, groups)?;
            let mut vector = Fib6::create(eal, "fib6-vector", routes, groups)?;
            let mut lpm = Lpm6::create(eal, "lpm6", routes, groups)?;
            for (number, prefix) in rib.prefixes.iter().enumerate() {
                let next_hop = u32::from(group(number).0);
                scalar.add(*prefix, next_hop)?;
                vector.add(*prefix, next_hop)?;
                lpm.add(*prefix, next_hop)?;
            }
            scalar.select(Fib6Width::Scalar)?;
            let vector = vector.select(Fib6Width::Avx512).is_ok().then_some(vector);
            Ok(Self { vector, scalar, lpm })
        }
    }

    fn fib6_pass(table: &Fib6, trace: &Trace, found: &mut [u64]) {
        let bursts = trace.octets.chunks(LOOKUP_BURST_MAX);
        for (addresses, found) in bursts.zip(found.chunks_mut(LOOKUP_BURST_MAX)) {
            table.lookup_burst(addresses, found);
        }
        black_box(found);
    }

    fn lpm6_pass(table: &Lpm6, trace: &Trace, found: &mut [i32]) {
        let bursts = trace.octets.chunks(LOOKUP_BURST_MAX);
        for (addresses, found) in bursts.zip(found.chunks_mut(LOOKUP_BURST_MAX)) {
            table.lookup_burst(addresses, found);
        }
        black_box(found);
    }

    impl Others for DpdkTables {
        fn contestants<'a>(
            &'a mut self,
            trace: &'a Trace,
            expected: &'a [GroupId],
        ) -> Vec<Contestant<'a>> {
            let mut contestants = Vec::new();
            let tables = [("rte_fib6, avx512", self.vector.as_ref())];
            for (name, table) in
                tables.into_iter().chain([("rte_fib6, scalar", Some(&self.scalar))])
            {
                let Some(table) = table else { continue };
                let mut found = vec![0; trace.octets.len()];
                fib6_pass(table, trace, &mut found);
                let is_right = found.iter().zip(expected).all(|(f, e)| *f == u64::from(e.0));
                assert!(is_right, "the answers of {name} are wrong");
                contestants.push(Contestant {
                    name: name.to_owned(),
                    pass: Box::new(move || fib6_pass(table, trace, &mut found)),
                });
            }
            let lpm = &self.lpm;
            let mut found = vec![0; trace.octets.len()];
            lpm6_pass(lpm, trace, &mut found);
            let none = i64::from(NEXT_HOP_NONE);
            let is_right = found
                .iter()
                .zip(expected)
                .all(|(found, expected)| i64::from(*found).max(none) == i64::from(expected.0));
            assert!(is_right, "the answers of rte_lpm6 are wrong");
            contestants.push(Contestant {
                name: "rte_lpm6".to_owned(),
                pass: Box::new(move || lpm6_pass(lpm, trace, &mut found)),
            });
            contestants
        }
    }
}
