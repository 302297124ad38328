//! Finishes what began first when the budget will not finish everything.
//!
//! A budget that many agents share evenly ends with all of them half done: everything is spent and
//! nothing is there. So a request goes only where what is left is expected to pay for the agents
//! that were called earlier and are still at work, and for its own agent. Estimates decide only
//! *when* a request goes, never whether: the earliest agent at work always may, and the account
//! alone refuses.

use std::collections::BTreeMap;

use crate::budget::{Balance, Charge, Unit};
use crate::id::StageKey;

/// Without a plan an agent is taken to need this many times the bound of its first request.
const FIRST_BOUNDS: u64 = 3;

/// Agents that take alike: those of a stage, and of a step-down by its share; 0 for none.
pub(crate) type Kind = (StageKey, u16);

/// What agents of each kind came to, in this run.
#[derive(Debug, Default)]
pub(crate) struct WorkInProgress {
    finished: BTreeMap<Kind, (Charge, u64)>,
}

/// An agent at work, by its money.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    /// What it was expected to take before any of its stage had finished.
    pub(crate) prior: Charge,
    /// What it took.
    pub(crate) spent: Charge,
    /// The bound of its latest request: less than that is not enough for the next.
    pub(crate) bound: Charge,
    /// What it is expected to take from now on; kept here because it is summed at every event.
    pub(crate) remaining: Charge,
}

/// What agents called earlier are expected to take from one scope.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Earlier {
    needed: Charge,
    agents: u32,
}

impl Needs {
    /// A request of the agent is bounded. The first one sets what is expected of it: the plan's
    /// word, and in units that it does not know, some bounds of that request.
    pub(crate) fn bounded(&mut self, planned: Option<Charge>, bound: Charge) {
        self.bound = bound;
        if self.prior.is_zero() {
            let (planned, guess) = (planned.unwrap_or_default(), bound.scaled(FIRST_BOUNDS, 1));
            self.prior = planned.or(guess);
        }
    }
}

impl WorkInProgress {
    /// An agent finished its work, having taken `spent`.
    pub(crate) fn finished(&mut self, kind: Kind, spent: Charge) {
        let (sum, count) = self.finished.entry(kind).or_default();
        *sum += spent;
        *count += 1;
    }

    /// Estimates what an agent at work will take from now on: up to the mean of those of its kind
    /// that finished, with its prior as one more. One that took more than that is a long one and
    /// is taken to need half as much again.
    pub(crate) fn estimate(&self, kind: Kind, needs: &mut Needs) {
        let (sum, count) = self.finished.get(&kind).copied().unwrap_or_default();
        let expected = (sum + needs.prior).scaled(1, count + 1);
        let left = expected.minus(needs.spent);
        needs.remaining = left.max(needs.spent.scaled(1, 2)).max(needs.bound);
    }
}

impl Earlier {
    /// Whether a scope with that balance is expected to pay for one that needs `own` after them.
    pub(crate) fn leaves(&self, balance: &Balance, own: Charge) -> bool {
        let needed = self.needed + own;
        self.agents == 0
            || Unit::ALL.into_iter().all(|unit| {
                let left = balance.limits.get(unit).map(|limit| limit - balance.settled.get(unit));
                unit == Unit::Agents || left.is_none_or(|left| needed.get(unit) <= left)
            })
    }

    /// One more.
    pub(crate) fn add(&mut self, needed: Charge) {
        self.needed += needed;
        self.agents += 1;
    }
}
