//! What goes wrong, and when: single faults and whole schedules of them from a seed.
//!
//! Owns [`Fault`] and [`chaos`]. Carrying faults out is the world's.
//!
//! *Invariants*: a schedule ends with everything whole again at [`ChaosPlan::until`]: links healed
//! and as good as at the start, every router running. What follows must converge.

use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};
use crate::sim::link::{Direction, Quality};

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
    for link in 0..plan.link_count {
        schedule.push((plan.until, Fault::Heal { link }));
        schedule.push((plan.until, Fault::Degrade { link, quality: plan.quality }));
        let ends = Direction::ALL.into_iter();
        schedule.extend(ends.map(|end| (plan.until, Fault::Attach { link, end })));
    }
    schedule.extend((0..plan.router_count).map(|router| (plan.until, Fault::Restart { router })));
    // Stable: at the end the repairs of all stay behind what else happens then.
    schedule.sort_by_key(|(at, _)| *at);
    schedule
}

/// A fault and its repair.
fn one(plan: &ChaosPlan, prng: &mut Prng) -> (Fault, Fault) {
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
