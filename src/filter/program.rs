//! What a worker runs on a frame.
//!
//! Owns [`Filter`]: the tests of an expression in a row, each with the place to go on at when it
//! holds and when it does not. Places only go towards the front, so a run ends after as many tests
//! as there are, and usually after the first.
//!
//! *Invariants*: immutable; shared by `Arc` between threads; running one allocates nothing.

use crate::filter::expression::{Expression, Test};
use crate::filter::facts::Facts;

/// Tests of one filter.
pub const TESTS_MAX: usize = 64;

/// What follows a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goto {
    /// The frame passes.
    Accept,
    /// It does not.
    Reject,
    /// The test at this index.
    Test(u16),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Instruction {
    test: Test,
    then: Goto,
    otherwise: Goto,
}

/// A filter, ready to run; one per capture or trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    instructions: Box<[Instruction]>,
    entry: Goto,
}

impl Default for Filter {
    fn default() -> Self {
        Self::everything()
    }
}

impl Filter {
    /// Lets everything pass.
    pub fn everything() -> Self {
        Self { instructions: Box::default(), entry: Goto::Accept }
    }

    /// Lets pass what the expression says.
    pub fn new(expression: &Expression) -> Self {
        let mut instructions = Vec::new();
        let entry = place(expression, Goto::Accept, Goto::Reject, &mut instructions);
        Self { instructions: instructions.into(), entry }
    }

    /// Whether the frame passes.
    pub fn passes(&self, facts: &Facts<'_>) -> bool {
        let mut at = self.entry;
        loop {
            let index = match at {
                Goto::Accept => return true,
                Goto::Reject => return false,
                Goto::Test(index) => index,
            };
            let Some(instruction) = self.instructions.get(usize::from(index)) else { return false };
            at = match instruction.test.holds(facts) {
                true => instruction.then,
                false => instruction.otherwise,
            };
        }
    }

    /// Its tests.
    pub fn tests(&self) -> impl Iterator<Item = &Test> {
        self.instructions.iter().map(|instruction| &instruction.test)
    }
}

/// Writes the tests of an expression, the last first; says where it begins.
fn place(
    expression: &Expression,
    then: Goto,
    otherwise: Goto,
    program: &mut Vec<Instruction>,
) -> Goto {
    match expression {
        Expression::Test(test) => {
            let index = u16::try_from(program.len()).unwrap_or(u16::MAX);
            program.push(Instruction { test: test.clone(), then, otherwise });
            Goto::Test(index)
        }
        Expression::Not(inner) => place(inner, otherwise, then, program),
        Expression::And(left, right) => {
            let right = place(right, then, otherwise, program);
            place(left, right, otherwise, program)
        }
        Expression::Or(left, right) => {
            let right = place(right, then, otherwise, program);
            place(left, then, right, program)
        }
    }
}
