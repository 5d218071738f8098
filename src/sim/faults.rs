//! What goes wrong, and when: single faults and whole schedules of them from a seed.
//!
//! Owns [`Fault`], what it is in a schedule ([`Part`]), [`chaos`] (all at once) and [`season`] (one
//! after another). Carrying faults out is the world's.
//!
//! *Invariants*: a schedule ends with everything whole again at [`ChaosPlan::until`] or after
//! [`SeasonPlan::span`]: links healed and as good as at the start, every router running. What
//! follows must converge.

use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};
use crate::sim::edges::{Edges, Filter};
use crate::sim::link::{Direction, Quality};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The shortest time until a fault is repaired: shorter than a dead interval, so that some pass
/// unnoticed.
pub const REPAIR_TIME_MIN: Duration = Duration::from_millis(20);

/// The highest cost that a new configuration gives a cable.
const RECONFIGURED_COST_MAX: u64 = 50;

/// How a router dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Its process ends; its ports keep their light.
    Process,
    /// Its server goes dark: the other ends lose carrier.
    Power,
}

/// One thing that goes wrong, or right again. Links and routers by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Pulls the cable: both ends lose carrier.
    Cut {
        /// Which.
        link: usize,
    },
    /// Frames vanish and nobody is told.
    Silence {
        /// Which.
        link: usize,
        /// One direction, or both (`None`).
        direction: Option<Direction>,
    },
    /// Makes the link whole, with carrier.
    Heal {
        /// Which.
        link: usize,
    },
    /// Changes how good a link is.
    Degrade {
        /// Which.
        link: usize,
        /// From now on.
        quality: Quality,
    },
    /// Stops a router without a farewell.
    Kill {
        /// Which.
        router: usize,
        /// How.
        death: Death,
    },
    /// Starts it again with the same configuration and nothing remembered.
    Restart {
        /// Which.
        router: usize,
    },
    /// Ends a router in order: it says good-bye, and its process ends a moment later.
    Stop {
        /// Which.
        router: usize,
    },
    /// A router closes its port at one end of a link; the cable keeps its light.
    Detach {
        /// Which.
        link: usize,
        /// The end that this direction comes from.
        end: Direction,
    },
    /// It opens the port again.
    Attach {
        /// Which.
        link: usize,
        /// The end that this direction comes from.
        end: Direction,
    },
    /// A router gets a new configuration, in which its end of every cable costs this much.
    Reconfigure {
        /// Which.
        router: usize,
        /// The cost.
        cost: u16,
    },
    /// Its control plane fails, and another takes its place at once; its data plane goes on.
    Crash {
        /// Which.
        router: usize,
    },
    /// An edge gets a new configuration, which lets other prefixes into the cluster.
    Refilter {
        /// Which.
        router: usize,
        /// Which prefixes, and how.
        filter: Filter,
    },
}

impl Fault {
    /// The link that it is about.
    pub const fn link(&self) -> Option<usize> {
        match *self {
            Self::Cut { link }
            | Self::Silence { link, .. }
            | Self::Heal { link }
            | Self::Degrade { link, .. }
            | Self::Detach { link, .. }
            | Self::Attach { link, .. } => Some(link),
            _ => None,
        }
    }

    /// Whether it is a repair or done in order, so that nothing need be lost.
    pub const fn is_gentle(&self) -> bool {
        matches!(
            self,
            Self::Heal { .. }
                | Self::Restart { .. }
                | Self::Stop { .. }
                | Self::Attach { .. }
                | Self::Reconfigure { .. }
                | Self::Refilter { .. }
        )
    }

    /// The router that it is about.
    pub const fn router(&self) -> Option<usize> {
        match *self {
            Self::Kill { router, .. }
            | Self::Restart { router }
            | Self::Stop { router }
            | Self::Reconfigure { router, .. }
            | Self::Refilter { router, .. }
            | Self::Crash { router } => Some(router),
            _ => None,
        }
    }
}

/// Why an event stands in a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// It is one of the faults that were asked for.
    Fault,
    /// It follows from one: its repair, or the further cuts of a cable that flaps.
    Sequel,
    /// It makes something whole at the end, whether or not it still is broken.
    CleanUp,
}

impl Part {
    /// What an event is where nobody says it: what breaks something is a fault.
    pub fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Heal { .. } | Fault::Restart { .. } | Fault::Attach { .. } => Self::Sequel,
            Fault::Degrade { quality: Quality::GOOD, .. } => Self::Sequel,
            Fault::Refilter { filter: Filter::Open, .. } => Self::Sequel,
            _ => Self::Fault,
        }
    }
}

/// An event of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When, after the first rest.
    pub after: Duration,
    /// What happens.
    pub fault: Fault,
    /// Why it stands there.
    pub part: Part,
}

/// What a schedule is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChaosPlan {
    /// How many links there are.
    pub link_count: usize,
    /// How many routers there are.
    pub router_count: usize,
    /// How many faults, repairs not counted.
    pub fault_count: usize,
    /// When the first may happen.
    pub from: Instant,
    /// When everything is whole again.
    pub until: Instant,
    /// How good links are when they are whole.
    pub quality: Quality,
    /// Who has an uplink; those are the links behind the others.
    pub edges: Edges,
}

/// A schedule of faults and repairs, in order of time.
pub fn chaos(plan: &ChaosPlan, prng: &mut Prng) -> Vec<(Instant, Fault)> {
    let mut schedule = Vec::new();
    let span = plan.until - plan.from;
    for _ in 0..plan.fault_count {
        let at = plan.from + prng.between(Duration::ZERO, span);
        let (fault, repair) = one(plan, prng);
        let longest = (plan.until - at).max(REPAIR_TIME_MIN);
        let repaired = at + prng.between(REPAIR_TIME_MIN, longest);
        schedule.push((at, fault));
        schedule.push((repaired.min(plan.until), repair));
    }
    for link in 0..plan.link_count + plan.edges.count() {
        schedule.push((plan.until, Fault::Heal { link }));
        schedule.push((plan.until, Fault::Degrade { link, quality: plan.quality }));
        let ends = Direction::ALL.into_iter();
        schedule.extend(ends.map(|end| (plan.until, Fault::Attach { link, end })));
    }
    let slot_count = plan.router_count + plan.edges.provider_count();
    schedule.extend((0..slot_count).map(|router| (plan.until, Fault::Restart { router })));
    let open = |edge| Fault::Refilter { router: plan.edges.router(edge), filter: Filter::Open };
    schedule.extend((0..plan.edges.count()).map(|edge| (plan.until, open(edge))));
    // Stable: at the end the repairs of all stay behind what else happens then.
    schedule.sort_by_key(|(at, _)| *at);
    schedule
}

/// Of a hundred faults in a cluster with edges, those that hit what leads out of it.
const OUTWARD_PERCENT: u64 = 40;

/// A fault of an uplink, an edge or a provider, and its repair.
fn one_outward(plan: &ChaosPlan, prng: &mut Prng) -> (Fault, Fault) {
    let edge = index(prng, plan.edges.count());
    let (link, router) = (plan.link_count + edge, plan.edges.router(edge));
    let provider = plan.edges.slot(plan.edges.provider(edge));
    let heal = Fault::Heal { link };
    let restart = Fault::Restart { router };
    match prng.below(100) {
        0..25 => (Fault::Cut { link }, heal),
        25..35 => (Fault::Silence { link, direction: None }, heal),
        35..40 => (Fault::Silence { link, direction: Some(Direction::Forth) }, heal),
        40..45 => (Fault::Silence { link, direction: Some(Direction::Back) }, heal),
        45..55 => (Fault::Crash { router }, restart),
        55..60 => (Fault::Kill { router, death: Death::Power }, restart),
        60..65 => (Fault::Kill { router, death: Death::Process }, restart),
        65..70 => (Fault::Stop { router }, restart),
        70..75 => (Fault::Crash { router: provider }, Fault::Restart { router: provider }),
        75..80 => {
            let death = Death::Process;
            (Fault::Kill { router: provider, death }, Fault::Restart { router: provider })
        }
        80..85 => {
            let whole = Fault::Degrade { link, quality: plan.quality };
            (Fault::Degrade { link, quality: Quality::BAD }, whole)
        }
        _ => {
            let filter = Filter::ALL[1 + index(prng, Filter::ALL.len() - 1)];
            (Fault::Refilter { router, filter }, Fault::Refilter { router, filter: Filter::Open })
        }
    }
}

/// A fault and its repair.
fn one(plan: &ChaosPlan, prng: &mut Prng) -> (Fault, Fault) {
    // No draw where there are no edges: their clusters have the schedules that they always had.
    if plan.edges.count() > 0 && prng.below(100) < OUTWARD_PERCENT {
        return one_outward(plan, prng);
    }
    let link = index(prng, plan.link_count);
    let router = index(prng, plan.router_count);
    let heal = Fault::Heal { link };
    let restart = Fault::Restart { router };
    match prng.below(100) {
        0..35 => (Fault::Cut { link }, heal),
        35..45 => (Fault::Silence { link, direction: None }, heal),
        45..50 => (Fault::Silence { link, direction: Some(Direction::Forth) }, heal),
        50..55 => (Fault::Silence { link, direction: Some(Direction::Back) }, heal),
        55..60 => (Fault::Kill { router, death: Death::Process }, restart),
        60..65 => (Fault::Crash { router }, restart),
        65..75 => (Fault::Kill { router, death: Death::Power }, restart),
        75..80 => (Fault::Stop { router }, restart),
        80..85 => {
            let end = Direction::ALL[index(prng, 2)];
            (Fault::Detach { link, end }, Fault::Attach { link, end })
        }
        85..90 => {
            let mut cost = || 1 + u16::try_from(prng.below(RECONFIGURED_COST_MAX)).unwrap_or(0);
            let (cost, other) = (cost(), cost());
            (Fault::Reconfigure { router, cost }, Fault::Reconfigure { router, cost: other })
        }
        _ => {
            let whole = Fault::Degrade { link, quality: plan.quality };
            (Fault::Degrade { link, quality: Quality::BAD }, whole)
        }
    }
}

/// What a season of faults is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeasonPlan {
    /// How many links there are.
    pub link_count: usize,
    /// How many routers there are.
    pub router_count: usize,
    /// How many faults, repairs not counted.
    pub fault_count: usize,
    /// When everything is whole again.
    pub span: Duration,
    /// How good links are when they are whole.
    pub quality: Quality,
    /// Who has an uplink; those are the links behind the others.
    pub edges: Edges,
}

/// Faults and repairs that mostly leave a network time to recover, in order of time: most come
/// alone, some together, some links flap. At the end everything is whole.
pub fn season(plan: &SeasonPlan, prng: &mut Prng) -> Vec<Planned> {
    let &SeasonPlan { link_count, router_count, fault_count, span, quality, edges } = plan;
    let (from, until) = (Instant::ZERO, Instant::ZERO + span);
    let chaos = ChaosPlan { link_count, router_count, fault_count, from, until, quality, edges };
    let slot = span / u32::try_from(fault_count.max(1)).unwrap_or(u32::MAX);
    let mut schedule = Vec::new();
    let mut at = Duration::ZERO;
    for number in (0..fault_count).map(|number| u32::try_from(number).unwrap_or(u32::MAX)) {
        at = match prng.below(100) {
            // Together with the one before.
            0..12 if number > 0 => at + prng.between(Duration::ZERO, TOGETHER),
            _ => slot.saturating_mul(number) + prng.between(Duration::ZERO, slot / 2),
        };
        if prng.below(100) < 5 {
            schedule.extend(flap(at, index(prng, link_count), prng));
            continue;
        }
        let (fault, repair) = one(&chaos, prng);
        schedule.push(Planned { after: at, fault, part: Part::Fault });
        let after = at + repair_time(prng);
        schedule.push(Planned { after, fault: repair, part: Part::Sequel });
    }
    for planned in &mut schedule {
        planned.after = whole_micros(planned.after.min(span));
    }
    schedule.extend(clean_up(plan, &schedule));
    schedule.sort_by_key(|planned| planned.after);
    schedule
}

/// What makes everything whole that a schedule touches.
fn clean_up(plan: &SeasonPlan, schedule: &[Planned]) -> Vec<Planned> {
    let &SeasonPlan { quality, span, .. } = plan;
    let mut repairs = Vec::new();
    let mut links_touched = BTreeSet::new();
    let mut routers_touched = BTreeSet::new();
    for Planned { fault, .. } in schedule {
        links_touched.extend(fault.link());
        routers_touched.extend(fault.router());
    }
    for link in links_touched {
        repairs.push(Fault::Heal { link });
        repairs.push(Fault::Degrade { link, quality });
        repairs.extend(Direction::ALL.into_iter().map(|end| Fault::Attach { link, end }));
    }
    let refiltered: BTreeSet<usize> = schedule
        .iter()
        .filter(|planned| matches!(planned.fault, Fault::Refilter { .. }))
        .filter_map(|planned| planned.fault.router())
        .collect();
    repairs.extend(routers_touched.into_iter().map(|router| Fault::Restart { router }));
    let open = |router| Fault::Refilter { router, filter: Filter::Open };
    repairs.extend(refiltered.into_iter().map(open));
    let after = whole_micros(span);
    let planned = |fault| Planned { after, fault, part: Part::CleanUp };
    repairs.into_iter().map(planned).collect()
}

/// Faults that come together come within this time.
const TOGETHER: Duration = Duration::from_millis(5);

/// A cable that comes and goes.
fn flap(mut at: Duration, link: usize, prng: &mut Prng) -> Vec<Planned> {
    let mut schedule: Vec<Planned> = Vec::new();
    for _ in 0..3 + prng.below(4) {
        for fault in [Fault::Cut { link }, Fault::Heal { link }] {
            let part = if schedule.is_empty() { Part::Fault } else { Part::Sequel };
            schedule.push(Planned { after: at, fault, part });
            at += prng.between(Duration::from_millis(1), Duration::from_millis(200));
        }
    }
    schedule
}

/// How long something stays broken: too short to be noticed, until all have turned round, or long.
fn repair_time(prng: &mut Prng) -> Duration {
    let (least, most) = match prng.below(100) {
        0..25 => (20, 200),
        25..75 => (200, 2000),
        _ => (2000, 8000),
    };
    prng.between(Duration::from_millis(least), Duration::from_millis(most))
}

/// Schedules are written down in microseconds.
fn whole_micros(span: Duration) -> Duration {
    Duration::from_micros(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
}

fn index(prng: &mut Prng, count: usize) -> usize {
    usize::try_from(prng.below(count as u64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: ChaosPlan = ChaosPlan {
        link_count: 5,
        router_count: 4,
        fault_count: 200,
        from: Instant::from_millis(1_000),
        until: Instant::from_millis(20_000),
        quality: Quality::GOOD,
        edges: Edges::NONE,
    };

    #[test]
    fn a_schedule_follows_from_its_seed() {
        let schedule = |seed| chaos(&PLAN, &mut Prng::new(seed));
        assert_eq!(schedule(1), schedule(1));
        assert_ne!(schedule(1), schedule(2));
    }

    #[test]
    fn a_schedule_stays_inside_its_time_and_ends_whole() {
        let schedule = chaos(&PLAN, &mut Prng::new(3));
        assert!(schedule.iter().all(|(at, _)| *at >= PLAN.from && *at <= PLAN.until));
        assert!(schedule.is_sorted_by_key(|(at, _)| *at));
        let whole = PLAN.link_count * 4 + PLAN.router_count;
        let end: Vec<Fault> = schedule.iter().rev().take(whole).map(|(_, fault)| *fault).collect();
        let heals = (0..5).all(|link| end.contains(&Fault::Heal { link }));
        let restarts = (0..4).all(|router| end.contains(&Fault::Restart { router }));
        assert!(heals && restarts, "{end:?}");
    }

    #[test]
    fn a_season_is_in_order_and_ends_whole() {
        let plan = SeasonPlan {
            link_count: 5,
            router_count: 4,
            fault_count: 50,
            span: Duration::from_secs(60),
            quality: Quality::GOOD,
            edges: Edges::NONE,
        };
        let schedule = season(&plan, &mut Prng::new(5));
        assert!(schedule.is_sorted_by_key(|planned| planned.after));
        let is_inside =
            |after: Duration| after <= plan.span && after.subsec_nanos().is_multiple_of(1000);
        assert!(schedule.iter().all(|planned| is_inside(planned.after)));
        let end = schedule.iter().filter(|planned| planned.after == plan.span);
        let end: Vec<Fault> = end.map(|planned| planned.fault).collect();
        for Planned { fault, .. } in &schedule {
            let heal = fault.link().map(|link| Fault::Heal { link });
            let restart = fault.router().map(|router| Fault::Restart { router });
            assert!(heal.into_iter().chain(restart).all(|repair| end.contains(&repair)));
        }
        assert_eq!(schedule, season(&plan, &mut Prng::new(5)));
    }

    #[test]
    fn a_season_has_as_many_faults_as_were_asked_for_and_the_clean_up_comes_last() {
        let plan = SeasonPlan {
            link_count: 5,
            router_count: 4,
            fault_count: 50,
            span: Duration::from_secs(60),
            quality: Quality::GOOD,
            edges: Edges::NONE,
        };
        for seed in 1..20 {
            let schedule = season(&plan, &mut Prng::new(seed));
            let parts: Vec<Part> = schedule.iter().map(|planned| planned.part).collect();
            assert_eq!(parts.iter().filter(|part| **part == Part::Fault).count(), 50);
            let before = parts.iter().position(|part| *part == Part::CleanUp).unwrap();
            assert!(parts[before..].iter().all(|part| *part == Part::CleanUp), "{seed}");
            let is_mending = |planned: &Planned| Part::of(&planned.fault) == Part::Sequel;
            assert!(schedule[before..].iter().all(is_mending));
        }
    }

    #[test]
    fn edges_have_faults_of_their_own() {
        let edges = Edges::new(2, 4);
        let plan = ChaosPlan { edges, ..PLAN };
        let schedule = chaos(&plan, &mut Prng::new(4));
        let has = |wanted: fn(&Fault) -> bool| schedule.iter().any(|(_, fault)| wanted(fault));
        assert!(has(|fault| matches!(fault, Fault::Refilter { filter: Filter::Closed, .. })));
        assert!(has(|fault| matches!(fault, Fault::Cut { link: 5..7 })));
        assert!(has(|fault| matches!(fault, Fault::Crash { router: 4..6 })));
        assert!(has(|fault| matches!(fault, Fault::Cut { link: 0..5 })), "and those of all");
        let last = schedule.iter().rev().take(2).map(|(_, fault)| *fault).collect::<Vec<_>>();
        let open = |router| Fault::Refilter { router, filter: Filter::Open };
        assert_eq!(last, [open(2), open(0)]);
    }

    #[test]
    fn every_kind_of_fault_happens() {
        let schedule = chaos(&PLAN, &mut Prng::new(4));
        let has = |wanted: fn(&Fault) -> bool| schedule.iter().any(|(_, fault)| wanted(fault));
        assert!(has(|fault| matches!(fault, Fault::Cut { .. })));
        assert!(has(|fault| matches!(fault, Fault::Silence { direction: None, .. })));
        assert!(has(|fault| matches!(fault, Fault::Silence { direction: Some(_), .. })));
        assert!(has(|fault| matches!(fault, Fault::Kill { death: Death::Power, .. })));
        assert!(has(|fault| matches!(fault, Fault::Crash { .. })));
        assert!(has(|fault| matches!(fault, Fault::Kill { death: Death::Process, .. })));
        assert!(has(|fault| matches!(fault, Fault::Degrade { quality: Quality::BAD, .. })));
        assert!(has(|fault| matches!(fault, Fault::Stop { .. })));
        assert!(has(|fault| matches!(fault, Fault::Detach { .. })));
        assert!(has(|fault| matches!(fault, Fault::Reconfigure { .. })));
    }
}
