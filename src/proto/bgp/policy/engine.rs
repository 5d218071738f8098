//! All policies of a router.
//!
//! Owns [`Engine`], one per router, lent to every call of the speaker. It answers the tables
//! ([`Policies`]), says what goes into OSPF ([`Engine::redistribute`]) and how it came to an answer
//! ([`Engine::explain`]). How often each clause matched is counted for [`Engine::view`]; who only
//! explains does not count.
//!
//! *Invariants*: the same question has the same answer, whoever asks: all three ways run the same
//! clauses. A policy that does not exist lets nothing pass. `::/0` goes into OSPF only by a clause
//! that names it.
//! *Standards*: RFC 4271 §3.2, RFC 8212 §2.

use super::clause::{Action, Clause, Condition, Edit, Subject};
use super::origin_validation::{RpkiState, Vrps};
use crate::base::prefix::Ipv6Prefix;
use crate::proto::bgp::ribs::{Dependence, Policies, PolicyId, Question, Route, Verdict};
use core::cell::Cell;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What becomes of a route in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It passes.
    Accepted,
    /// It does not.
    Rejected,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    clauses: Vec<Clause>,
    otherwise: Fate,
    dependence: Dependence,
    asks_rpki: bool,
}

impl Policy {
    /// Clauses in order, and what becomes of routes that none decides.
    pub fn new(clauses: Vec<Clause>, otherwise: Fate) -> Self {
        let conditions = || clauses.iter().flat_map(|clause| &clause.conditions);
        let looks_at_prefix = conditions().any(Condition::looks_at_prefix);
        let dependence = if looks_at_prefix { Dependence::Prefix } else { Dependence::Attributes };
        let asks_rpki = conditions().any(|condition| matches!(condition, Condition::Rpki(_)));
        Self { clauses, otherwise, dependence, asks_rpki }
    }

    /// Runs a route through the clauses, and tells `watch` of each that was asked, with the
    /// condition that did not hold.
    fn run<'q>(
        &self,
        subject: &Subject,
        route: &'q Route,
        mut watch: impl FnMut(usize, Option<usize>),
    ) -> Course<'q> {
        let mut course = Course::new(route, self.otherwise);
        for (number, clause) in self.clauses.iter().enumerate() {
            let mismatch = clause.mismatch(subject, &course.route);
            watch(number, mismatch);
            if mismatch.is_some() {
                continue;
            }
            clause.edits.iter().for_each(|edit| course.apply(edit));
            let fate = match clause.action {
                Action::Next => continue,
                Action::Accept => Fate::Accepted,
                Action::Reject => Fate::Rejected,
            };
            return Course { fate, decided_by: Some(number), ..course };
        }
        course
    }
}

/// Where the run of a route through a policy has come to.
#[derive(Debug)]
struct Course<'q> {
    route: Cow<'q, Route>,
    /// MULTI_EXIT_DISC, where a clause has set it.
    metric: Option<u32>,
    tag: Option<u32>,
    fate: Fate,
    decided_by: Option<usize>,
}

impl<'q> Course<'q> {
    fn new(route: &'q Route, fate: Fate) -> Self {
        Self { route: Cow::Borrowed(route), metric: None, tag: None, fate, decided_by: None }
    }

    fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::Tag(tag) => return self.tag = Some(*tag),
            Edit::Med(metric) => self.metric = Some(*metric),
            _ => {}
        }
        edit.apply(self.route.to_mut());
    }
}

/// What a route of BGP is in OSPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redistributed {
    /// Its metric, where the policy has set one.
    pub metric: Option<u32>,
    /// Its tag, where the policy has set one.
    pub tag: Option<u32>,
}

/// A clause that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepTaken {
    /// Its place in the policy.
    pub clause: usize,
    /// The place of the condition that did not hold; `None` where it matched.
    pub mismatch: Option<usize>,
}

/// How a policy came to its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The clauses that were asked, in order.
    pub steps: Vec<StepTaken>,
    /// The clause that decided; `None` where the default did.
    pub decided_by: Option<usize>,
    /// What became of the route.
    pub fate: Fate,
    /// The route as it is then.
    pub route: Route,
    /// What it would be in OSPF; `None` where it does not go there.
    pub redistributed: Option<Redistributed>,
}

/// How often the clauses of a policy matched, since it is as it is. Where a policy does not look at
/// prefixes, all routes with the same attributes count once.
#[derive(Clone, Debug, Default)]
struct Counts {
    matches: Vec<Cell<u64>>,
    defaults: Cell<u64>,
}

impl Counts {
    fn of(policy: &Policy) -> Self {
        Self { matches: vec![Cell::new(0); policy.clauses.len()], defaults: Cell::new(0) }
    }

    fn count(&self, clause: usize, mismatch: Option<usize>) {
        if mismatch.is_none()
            && let Some(count) = self.matches.get(clause)
        {
            count.set(count.get() + 1);
        }
    }

    fn finish(&self, course: &Course<'_>) {
        if course.decided_by.is_none() {
            self.defaults.set(self.defaults.get() + 1);
        }
    }
}

/// What of a policy is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyView {
    /// What it looks at.
    pub looks_at_prefix: bool,
    /// Times that each clause matched.
    pub match_counts: Vec<u64>,
    /// Times that no clause decided.
    pub default_count: u64,
}

/// A policy and how often it did what.
#[derive(Clone, Debug)]
struct Held {
    policy: Policy,
    counts: Counts,
}

/// All policies of a router.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    policies: BTreeMap<PolicyId, Held>,
    vrps: Vrps,
    local_asn: u32,
}

impl Engine {
    /// Without policies, in this AS.
    pub fn new(local_asn: u32) -> Self {
        Self { local_asn, ..Self::default() }
    }

    /// Our AS is another one.
    pub fn set_local_asn(&mut self, local_asn: u32) {
        self.local_asn = local_asn;
    }

    /// What the RPKI says is now this. Every policy that asks it may answer differently.
    pub fn set_vrps(&mut self, vrps: Vrps) {
        self.vrps = vrps;
    }

    /// What the RPKI says.
    pub const fn vrps(&self) -> &Vrps {
        &self.vrps
    }

    /// The same, to be changed one by one; what it changes of routes is asked for by
    /// [`crate::proto::bgp::ribs::Ribs::revalidate`].
    pub const fn vrps_mut(&mut self) -> &mut Vrps {
        &mut self.vrps
    }

    /// What the RPKI says of a route.
    pub fn rpki(&self, prefix: Ipv6Prefix, route: &Route) -> RpkiState {
        self.vrps.state(prefix, &route.attributes.as_path, self.local_asn)
    }

    /// The policy of this number is now this one; says whether that is another one than before.
    pub fn insert(&mut self, id: PolicyId, policy: Policy) -> bool {
        match self.policies.get(&id) {
            Some(before) if before.policy == policy => false,
            _ => {
                let counts = Counts::of(&policy);
                self.policies.insert(id, Held { policy, counts });
                true
            }
        }
    }

    /// What of a policy is shown; `None` where there is none of this number.
    pub fn view(&self, id: PolicyId) -> Option<PolicyView> {
        let Held { policy, counts } = self.policies.get(&id)?;
        Some(PolicyView {
            looks_at_prefix: policy.dependence == Dependence::Prefix,
            match_counts: counts.matches.iter().map(Cell::get).collect(),
            default_count: counts.defaults.get(),
        })
    }

    /// There is no policy of this number any more.
    pub fn remove(&mut self, id: PolicyId) {
        self.policies.remove(&id);
    }

    /// Those that ask the RPKI.
    pub fn asking_rpki(&self) -> impl Iterator<Item = PolicyId> {
        self.policies.iter().filter(|(_, held)| held.policy.asks_rpki).map(|(id, _)| *id)
    }

    /// What becomes of a route of BGP on its way into OSPF; `None` where it does not go there.
    pub fn redistribute(
        &self,
        id: PolicyId,
        prefix: Ipv6Prefix,
        route: &Route,
    ) -> Option<Redistributed> {
        let Held { policy, counts } = self.policies.get(&id)?;
        let subject = self.subject(policy, Some(prefix), route);
        let course = policy.run(&subject, route, |clause, mismatch| counts.count(clause, mismatch));
        counts.finish(&course);
        goes_into_ospf(policy, prefix, &course)
    }

    /// How a policy comes to its answer; `rpki` stands for what the cache would say. `None` where
    /// there is no such policy.
    pub fn explain(
        &self,
        id: PolicyId,
        (prefix, route): (Ipv6Prefix, &Route),
        rpki: Option<RpkiState>,
    ) -> Option<Explanation> {
        let Held { policy, .. } = self.policies.get(&id)?;
        let mut subject = self.subject(policy, Some(prefix), route);
        subject.rpki = rpki.unwrap_or(subject.rpki);
        let mut steps = Vec::new();
        let course = policy.run(&subject, route, |clause, mismatch| {
            steps.push(StepTaken { clause, mismatch });
        });
        let redistributed = goes_into_ospf(policy, prefix, &course);
        let Course { route, fate, decided_by, .. } = course;
        Some(Explanation { steps, decided_by, fate, route: route.into_owned(), redistributed })
    }

    fn subject(&self, policy: &Policy, prefix: Option<Ipv6Prefix>, route: &Route) -> Subject {
        let rpki = match prefix.filter(|_| policy.asks_rpki) {
            Some(prefix) => self.vrps.state(prefix, &route.attributes.as_path, self.local_asn),
            None => RpkiState::NotFound,
        };
        Subject { prefix, rpki }
    }
}

fn goes_into_ospf(
    policy: &Policy,
    prefix: Ipv6Prefix,
    course: &Course<'_>,
) -> Option<Redistributed> {
    let clause = course.decided_by.and_then(|number| policy.clauses.get(number));
    let is_named = clause.is_some_and(Clause::names_default);
    let may_pass = prefix != Ipv6Prefix::DEFAULT || is_named;
    (course.fate == Fate::Accepted && may_pass)
        .then_some(Redistributed { metric: course.metric, tag: course.tag })
}

impl Policies for Engine {
    fn dependence(&self, id: PolicyId) -> Dependence {
        self.policies.get(&id).map_or(Dependence::Attributes, |held| held.policy.dependence)
    }

    fn judge(&self, id: PolicyId, question: &Question<'_>) -> Verdict {
        let Some(Held { policy, counts }) = self.policies.get(&id) else { return Verdict::Reject };
        let subject = self.subject(policy, question.prefix, question.route);
        let count = |clause: usize, mismatch: Option<usize>| counts.count(clause, mismatch);
        let course = policy.run(&subject, question.route, count);
        counts.finish(&course);
        match (course.fate, course.route) {
            (Fate::Rejected, _) => Verdict::Reject,
            (Fate::Accepted, Cow::Owned(route)) if route != *question.route => {
                Verdict::Change(Box::new(route))
            }
            (Fate::Accepted, _) => Verdict::Accept,
        }
    }
}
