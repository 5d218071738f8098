//! The decision: which path of a prefix is best, which share its traffic, and why.
//!
//! Owns [`compare`], [`select`], [`ranked`] and [`equals`]. Paths come as [`Candidate`]s: what is
//! no candidate (loops, refused by policy, next hop not reached) is kept out by whoever asks.
//!
//! The rules, in the order in which they are asked; the first that tells two paths apart decides:
//!
//! 1. what this router originates;
//! 2. the higher LOCAL_PREF;
//! 3. the shorter AS_PATH: a set counts as one AS, what belongs to a confederation as none;
//! 4. the lower ORIGIN;
//! 5. the lower MULTI_EXIT_DISC, among paths from the same neighbouring AS, or always;
//! 6. from another AS rather than from this one;
//! 7. the lower cost of the interior protocol to the next hop;
//! 8. the older one, where that is wanted, among paths from other ASes;
//! 9. the lower ORIGINATOR_ID, or BGP identifier of the peer;
//! 10. the shorter CLUSTER_LIST;
//! 11. the lower address of the peer;
//! 12. the lower Path Identifier.
//!
//! Rule 5 is not transitive: what it does between three paths must not depend on their order. So
//! the best of each neighbouring AS is found first, and the best of those then without it. That is
//! what the elimination of RFC 4271 comes to. Paths of several neighbouring ASes are sorted by
//! [`ranked`] only, for the same reason.
//!
//! *Standards*: RFC 4271 §9.1.2.2, RFC 4456 §9 (rules 9 and 10), RFC 5065 §5.3, RFC 5004 (rule 8).
//! Deviation: a path whose AS_PATH begins with a set counts as one from this AS in rule 5.

use super::attributes::Ranking;
use super::exits::Exit;
use super::peer::PeerKind;
use core::cmp::Ordering;
use core::fmt;
use core::net::Ipv6Addr;

/// Rule 5: between which paths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MedComparison {
    /// Those from the same neighbouring AS.
    #[default]
    SameNeighbor,
    /// All.
    Always,
}

/// Rule 5: what no MULTI_EXIT_DISC is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MissingMed {
    /// RFC 4271 §9.1.2.2 c: the lowest.
    #[default]
    Best,
    /// The highest.
    Worst,
}

/// Rule 8: whether it is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AgeComparison {
    /// It is not: the same paths, the same best one.
    #[default]
    Never,
    /// It is: a path that works is not left for an equal one.
    Oldest,
}

/// Which paths may share traffic with the best one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MultipathNeighbor {
    /// Those from the same neighbouring AS.
    #[default]
    Same,
    /// Those from any.
    Any,
}

/// How to decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecisionSettings {
    /// Rule 5: between which.
    pub med: MedComparison,
    /// Rule 5: where there is none.
    pub missing_med: MissingMed,
    /// Rule 8.
    pub age: AgeComparison,
    /// From which ASes equal paths may be.
    pub multipath_neighbor: MultipathNeighbor,
    /// How many equal paths from other ASes share the traffic, the best one included.
    pub external_paths_max: u8,
    /// How many from this AS.
    pub internal_paths_max: u8,
}

impl Default for DecisionSettings {
    fn default() -> Self {
        Self {
            med: MedComparison::default(),
            missing_med: MissingMed::default(),
            age: AgeComparison::default(),
            multipath_neighbor: MultipathNeighbor::default(),
            external_paths_max: 1,
            internal_paths_max: 1,
        }
    }
}

/// The rule that told two paths apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Step {
    /// Rule 1.
    Origination,
    /// Rule 2.
    LocalPref,
    /// Rule 3.
    AsPathLength,
    /// Rule 4.
    Origin,
    /// Rule 5.
    Med,
    /// Rule 6.
    External,
    /// Rule 7.
    IgpCost,
    /// Rule 8.
    Age,
    /// Rule 9.
    RouterId,
    /// Rule 10.
    ClusterListLength,
    /// Rule 11.
    PeerAddress,
    /// Rule 12.
    PathId,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Origination => "originated here",
            Self::LocalPref => "higher local preference",
            Self::AsPathLength => "shorter AS path",
            Self::Origin => "lower origin",
            Self::Med => "lower MED",
            Self::External => "external over internal",
            Self::IgpCost => "lower IGP cost to the next hop",
            Self::Age => "older path",
            Self::RouterId => "lower router id",
            Self::ClusterListLength => "shorter cluster list",
            Self::PeerAddress => "lower peer address",
            Self::PathId => "lower path id",
        })
    }
}

/// A path as the rules see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Which one, for whoever asks.
    pub path: u32,
    /// Where its peer stands.
    pub kind: PeerKind,
    /// What its attributes are worth.
    pub ranking: Ranking,
    /// Cost of the interior protocol to the next hop.
    pub cost: u32,
    /// When it came, in seconds.
    pub since_secs: u32,
    /// BGP identifier of the peer.
    pub router_id: u32,
    /// Address of the peer.
    pub address: Ipv6Addr,
    /// RFC 7911: Path Identifier.
    pub path_id: u32,
    /// By which exit its packets leave.
    pub(super) exit: Exit,
}

impl Candidate {
    const fn med(&self, settings: &DecisionSettings) -> u32 {
        match (self.ranking.has_med(), settings.missing_med) {
            (false, MissingMed::Worst) => u32::MAX,
            _ => self.ranking.med,
        }
    }

    const fn is_external(&self) -> bool {
        matches!(self.kind, PeerKind::External)
    }

    /// RFC 4456 §9: ORIGINATOR_ID stands for the BGP identifier.
    const fn identifier(&self) -> u32 {
        match self.ranking.originator_id {
            0 => self.router_id,
            originator => originator,
        }
    }

    /// Among whose paths MEDs are compared.
    const fn med_group(&self, settings: &DecisionSettings) -> u32 {
        match settings.med {
            MedComparison::Always => 0,
            MedComparison::SameNeighbor => self.ranking.neighbor_asn,
        }
    }
}

/// Which of two paths is better (`Less`), and the rule that said so.
pub fn compare(
    one: &Candidate,
    other: &Candidate,
    settings: &DecisionSettings,
) -> (Ordering, Step) {
    let (mine, theirs) = (&one.ranking, &other.ranking);
    let is_local = |candidate: &Candidate| candidate.kind == PeerKind::Local;
    // Each rule: the smaller is the better.
    let rule =
        |ordering: Ordering, step: Step| (ordering != Ordering::Equal).then_some((ordering, step));
    let early = rule(is_local(other).cmp(&is_local(one)), Step::Origination)
        .or_else(|| rule(theirs.local_pref.cmp(&mine.local_pref), Step::LocalPref))
        .or_else(|| rule(mine.as_path_length.cmp(&theirs.as_path_length), Step::AsPathLength))
        .or_else(|| rule(mine.origin.cmp(&theirs.origin), Step::Origin))
        .or_else(|| {
            let is_asked = one.med_group(settings) == other.med_group(settings);
            rule(one.med(settings).cmp(&other.med(settings)), Step::Med).filter(|_| is_asked)
        })
        .or_else(|| rule(other.is_external().cmp(&one.is_external()), Step::External))
        .or_else(|| rule(one.cost.cmp(&other.cost), Step::IgpCost));
    let late = || {
        let is_age_asked = settings.age == AgeComparison::Oldest && one.is_external();
        rule(one.since_secs.cmp(&other.since_secs), Step::Age)
            .filter(|_| is_age_asked)
            .or_else(|| rule(one.identifier().cmp(&other.identifier()), Step::RouterId))
            .or_else(|| {
                let lengths = mine.cluster_list_length.cmp(&theirs.cluster_list_length);
                rule(lengths, Step::ClusterListLength)
            })
            .or_else(|| rule(one.address.cmp(&other.address), Step::PeerAddress))
    };
    early.or_else(late).unwrap_or_else(|| (one.path_id.cmp(&other.path_id), Step::PathId))
}

/// All paths, those of each neighbouring AS together and the best of them first. Among these rule 5
/// is asked of all, so that the rules are an order.
fn by_neighbor<'a>(candidates: &'a [Candidate], settings: &DecisionSettings) -> Vec<&'a Candidate> {
    let mut sorted: Vec<&Candidate> = candidates.iter().collect();
    sorted.sort_by(|one, other| {
        let groups = one.med_group(settings).cmp(&other.med_group(settings));
        groups.then_with(|| compare(one, other, settings).0)
    });
    sorted
}

/// The best path of each neighbouring AS.
fn winners<'a>(candidates: &'a [Candidate], settings: &DecisionSettings) -> Vec<&'a Candidate> {
    let mut winners = by_neighbor(candidates, settings);
    winners.dedup_by_key(|candidate| candidate.med_group(settings));
    winners
}

/// The best path; `None` of none.
pub fn select<'a>(
    candidates: &'a [Candidate],
    settings: &DecisionSettings,
) -> Option<&'a Candidate> {
    if let [one] = candidates {
        return Some(one);
    }
    let winners = winners(candidates, settings);
    winners.into_iter().min_by(|one, other| compare(one, other, settings).0)
}

/// The `count_max` best paths, in order: the best one, the best one if that one were not there, and
/// so on.
pub fn ranked<'a>(
    candidates: &'a [Candidate],
    settings: &DecisionSettings,
    count_max: usize,
) -> Vec<&'a Candidate> {
    let sorted = by_neighbor(candidates, settings);
    let is_neighbor =
        |one: &&Candidate, other: &&Candidate| one.med_group(settings) == other.med_group(settings);
    // What is left of each neighbouring AS: between the best ones of them rule 5 is not asked.
    let mut rests: Vec<&[&Candidate]> = sorted.chunk_by(is_neighbor).collect();
    let mut ranked = Vec::with_capacity(count_max.min(candidates.len()));
    while ranked.len() < count_max {
        let firsts = rests.iter_mut().filter_map(|rest| {
            let (first, behind) = (*rest).split_first()?;
            Some((*first, behind, rest))
        });
        let best = firsts.min_by(|(one, ..), (other, ..)| compare(one, other, settings).0);
        let Some((best, behind, rest)) = best else { break };
        *rest = behind;
        ranked.push(best);
    }
    ranked
}

/// The paths that may share traffic with `best`, in order of preference, `best` first: as good up
/// to rule 7, and by other next hops.
pub fn equals<'a>(
    candidates: &'a [Candidate],
    best: &'a Candidate,
    settings: &DecisionSettings,
) -> Vec<&'a Candidate> {
    let mut equals = vec![best];
    let count_max = match best.kind {
        PeerKind::External => settings.external_paths_max,
        PeerKind::Internal | PeerKind::Client => settings.internal_paths_max,
        PeerKind::Local => 1,
    };
    if count_max <= 1 {
        return equals;
    }
    let winners = winners(candidates, settings);
    let is_tied = |one: &Candidate, other: &Candidate| {
        let (ordering, step) = compare(one, other, settings);
        ordering == Ordering::Equal || step > Step::IgpCost
    };
    let neighbor = best.ranking.neighbor_asn;
    let mut others: Vec<&Candidate> = candidates
        .iter()
        .filter(|other| {
            let is_neighbor = settings.multipath_neighbor == MultipathNeighbor::Any
                || other.ranking.neighbor_asn == neighbor;
            // What its own neighbour's better path has beaten is out.
            let group = other.med_group(settings);
            let winner = winners.iter().find(|winner| winner.med_group(settings) == group);
            let is_in = winner.is_some_and(|winner| is_tied(winner, other));
            is_neighbor && is_in && other.path != best.path && is_tied(best, other)
        })
        .collect();
    // Among equals MEDs are equal or not asked, so that this order is one.
    others.sort_by(|one, other| compare(one, other, settings).0);
    for other in others {
        let is_new = equals.iter().all(|equal| equal.exit.next_hop != other.exit.next_hop);
        if is_new && equals.len() < usize::from(count_max) {
            equals.push(other);
        }
    }
    equals
}

/// For each path but the best one: the rule by which it lost, in the order of `candidates`.
pub fn explain(
    candidates: &[Candidate],
    best: &Candidate,
    settings: &DecisionSettings,
) -> Vec<(u32, Step)> {
    let winners = winners(candidates, settings);
    let losers = candidates.iter().filter(|candidate| candidate.path != best.path);
    losers
        .map(|loser| {
            let group = loser.med_group(settings);
            let of_group = winners.iter().find(|winner| winner.med_group(settings) == group);
            let beaten_by = match of_group {
                Some(winner) if winner.path != loser.path => winner,
                _ => best,
            };
            (loser.path, compare(beaten_by, loser, settings).1)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::bgp::ribs::next_hops::NextHopId;
    use crate::proto::bgp::ribs::peer::PeerId;
    use crate::wire::bgp::{AsPath, PathAttributes};
    use proptest::prelude::*;

    fn candidate((path, neighbor, med, router_id): (u32, u32, Option<u32>, u32)) -> Candidate {
        let as_path = AsPath::sequence(&[64500 + neighbor, 9]);
        let attributes = PathAttributes { as_path, med, ..PathAttributes::default() };
        Candidate {
            path,
            kind: PeerKind::External,
            ranking: Ranking::of(&attributes),
            cost: 0,
            since_secs: 0,
            router_id,
            address: Ipv6Addr::UNSPECIFIED,
            path_id: path,
            exit: Exit { next_hop: NextHopId(path), peer: PeerId(0), generation: 0 },
        }
    }

    proptest! {
        /// Also where MEDs make the rules go round in circles.
        #[test]
        fn paths_are_ranked_as_they_would_win_one_after_the_other(
            parts in prop::collection::vec((0..4_u32, prop::option::of(0..4_u32), 0..9_u32), 0..60),
            count_max in 0_usize..70,
        ) {
            let numbered = (0..).zip(&parts);
            let mut left: Vec<Candidate> = numbered
                .map(|(path, (neighbor, med, router_id))| {
                    candidate((path, *neighbor, *med, *router_id))
                })
                .collect();
            let settings = DecisionSettings::default();
            let all = left.clone();
            let ranked = ranked(&all, &settings, count_max);
            prop_assert_eq!(ranked.len(), count_max.min(all.len()));
            for next in ranked {
                // To the letter: who is beaten by a path of the same neighbour cannot win.
                let beaten = |loser: &Candidate| left.iter().any(|other| {
                    let is_neighbor = other.ranking.neighbor_asn == loser.ranking.neighbor_asn;
                    is_neighbor && other.med(&settings) < loser.med(&settings)
                });
                let standing = left.iter().filter(|candidate| !beaten(candidate));
                let best = standing.min_by_key(|candidate| (candidate.router_id, candidate.path));
                prop_assert_eq!(best.map(|best| best.path), Some(next.path));
                left.retain(|candidate| candidate.path != next.path);
            }
        }
    }
}
