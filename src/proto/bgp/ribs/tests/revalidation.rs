//! Claims about paths that are judged anew because the RPKI says other things.

use super::world::*;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Instant;
use crate::proto::bgp::ribs::*;
use crate::wire::bgp::update::Announcement;
use crate::wire::bgp::*;
use core::cell::RefCell;
use std::collections::BTreeSet;

/// Refuses what lies within some prefixes, and notes what it was asked.
#[derive(Default)]
struct Rpki {
    invalid: Vec<Ipv6Prefix>,
    asked: RefCell<BTreeSet<Ipv6Prefix>>,
}

impl Policies for Rpki {
    fn dependence(&self, _: PolicyId) -> Dependence {
        Dependence::Prefix
    }

    fn judge(&self, _: PolicyId, question: &Question<'_>) -> Verdict {
        let prefix = question.prefix.unwrap();
        self.asked.borrow_mut().insert(prefix);
        match self.invalid.iter().any(|invalid| invalid.covers(prefix)) {
            true => Verdict::Reject,
            false => Verdict::Accept,
        }
    }
}

fn settle(ribs: &mut Ribs, policies: &Rpki) {
    while ribs.process(7, policies) == Work::More {
        while ribs.poll_change().is_some() {}
    }
}

/// 64 prefixes of one peer, all of them used.
fn ribs(policies: &Rpki) -> Ribs {
    let mut ribs = Ribs::new(settings(DecisionSettings::default()));
    ribs.peer_up(EXTERNAL[0], peer(EXTERNAL[0])).unwrap();
    let nlri = (0..64).map(|number| Nlri::of(prefix(number))).collect();
    let announcement = Announcement { nlri, next_hop: next_hop(0), attributes: path(&[64501, 7]) };
    let update = Update { announced: Some(announcement), ..Update::default() };
    ribs.receive(Instant::ZERO, EXTERNAL[0], update, policies).unwrap();
    ribs.resolve(Gateway::new(next_hop(0), None), Resolution::Reachable { cost: 0 });
    settle(&mut ribs, policies);
    assert_eq!(ribs.peer_counts(EXTERNAL[0]).accepted, 64);
    policies.asked.borrow_mut().clear();
    ribs
}

#[test]
fn only_paths_within_what_has_changed_are_judged_anew() {
    let mut policies = Rpki::default();
    let mut ribs = ribs(&policies);
    // Of the 64, numbers 8 to 15.
    let changed = Ipv6Prefix::containing(prefix(8).address(), 45);
    policies.invalid.push(changed);
    ribs.revalidate([changed]);
    settle(&mut ribs, &policies);
    let expected: BTreeSet<Ipv6Prefix> = (8..16).map(prefix).collect();
    assert_eq!(*policies.asked.borrow(), expected);
    assert_eq!(ribs.peer_counts(EXTERNAL[0]).accepted, 56);
    assert!(ribs.best(prefix(9)).is_none() && ribs.best(prefix(7)).is_some());
    policies.invalid.clear();
    ribs.revalidate([changed]);
    settle(&mut ribs, &policies);
    assert!(ribs.best(prefix(9)).is_some(), "without asking the peer");
}

#[test]
fn what_changes_while_a_pass_is_under_way_is_not_missed() {
    let mut policies = Rpki::default();
    let mut ribs = ribs(&policies);
    ribs.revalidate([prefix(3)]);
    let _ = ribs.process(1, &policies);
    policies.invalid.push(prefix(3));
    // The same one again, when the pass may have gone by it.
    ribs.revalidate([prefix(3)]);
    settle(&mut ribs, &policies);
    assert!(ribs.best(prefix(3)).is_none());
    assert!(!ribs.is_scanning());
    policies.asked.borrow_mut().clear();
    ribs.resolve(Gateway::new(next_hop(0), None), Resolution::Reachable { cost: 5 });
    settle(&mut ribs, &policies);
    assert!(policies.asked.borrow().is_empty(), "a later pass judges nothing anew");
}
