//! The append-only list of what happened to an account, from which its balances follow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::budget::charge::Charge;
use crate::budget::effects::Balance;
use crate::budget::scope::{Limits, ScopeId};
use crate::id::AttemptId;

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Position in the list, from 0.
    pub sequence: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: EntryKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum EntryKind {
    /// A scope was opened under `parent`.
    Open {
        /// Which.
        scope: ScopeId,
        /// Above it.
        parent: Option<ScopeId>,
        /// Its own name.
        name: String,
    },
    /// A scope's limits were set.
    Limit {
        /// Which.
        scope: ScopeId,
        /// To what.
        limits: Limits,
    },
    /// A request was admitted.
    Reserve {
        /// Its attempt.
        attempt: AttemptId,
        /// The innermost scope it is charged to.
        scope: ScopeId,
        /// Whose request it is.
        agent: Option<Arc<str>>,
        /// What it may take.
        charge: Charge,
    },
    /// A reservation grew by `charge`.
    Extend {
        /// Which.
        attempt: AttemptId,
        /// By how much.
        charge: Charge,
    },
    /// A reservation shrank by `charge`.
    Shrink {
        /// Which.
        attempt: AttemptId,
        /// By how much.
        charge: Charge,
    },
    /// A request ended and took `charge`.
    Settle {
        /// Which.
        attempt: AttemptId,
        /// What it took.
        charge: Charge,
    },
    /// A settle was above its reservation by `charge`; a remark, the settle holds the money.
    Overrun {
        /// Which.
        attempt: AttemptId,
        /// By how much.
        charge: Charge,
    },
    /// A request never left.
    Release {
        /// Which.
        attempt: AttemptId,
    },
    /// A request's cost stayed unknown: it took its full reservation, `charge`.
    Expire {
        /// Which.
        attempt: AttemptId,
        /// What it took.
        charge: Charge,
    },
    /// A closed attempt took `charge` after all.
    Correct {
        /// Which.
        attempt: AttemptId,
        /// What it took.
        charge: Charge,
    },
}

#[derive(Clone, Debug)]
struct Known {
    scope: ScopeId,
    agent: Option<Arc<str>>,
    reserved: Charge,
    settled: Option<Charge>,
}

/// The balances that follow from `entries`, per scope. Recomputed from nothing: sums over the
/// attempts, without the account's own bookkeeping.
pub fn replay(entries: &[Entry]) -> BTreeMap<ScopeId, Balance> {
    let mut parents: BTreeMap<ScopeId, Option<ScopeId>> = BTreeMap::new();
    let mut balances: BTreeMap<ScopeId, Balance> = BTreeMap::new();
    let mut attempts: BTreeMap<AttemptId, Known> = BTreeMap::new();
    let mut open: BTreeSet<AttemptId> = BTreeSet::new();
    for entry in entries {
        match &entry.kind {
            EntryKind::Open { scope, parent, .. } => {
                parents.insert(*scope, *parent);
                balances.insert(*scope, Balance::default());
            }
            EntryKind::Limit { scope, limits } => {
                balances.entry(*scope).or_default().limits = *limits;
            }
            EntryKind::Reserve { attempt, scope, agent, charge } => {
                let known =
                    Known { scope: *scope, agent: agent.clone(), reserved: *charge, settled: None };
                attempts.insert(attempt.clone(), known);
                open.insert(attempt.clone());
            }
            EntryKind::Release { attempt } => {
                open.remove(attempt);
            }
            EntryKind::Overrun { .. } => {}
            EntryKind::Extend { attempt, charge } => {
                if let Some(known) = attempts.get_mut(attempt) {
                    known.reserved += *charge;
                }
            }
            EntryKind::Shrink { attempt, charge } => {
                if let Some(known) = attempts.get_mut(attempt) {
                    known.reserved = known.reserved.minus(*charge);
                }
            }
            EntryKind::Settle { attempt, charge }
            | EntryKind::Expire { attempt, charge }
            | EntryKind::Correct { attempt, charge } => {
                open.remove(attempt);
                if let Some(known) = attempts.get_mut(attempt) {
                    known.settled = Some(*charge);
                }
            }
        }
    }
    sum_up(&parents, balances, &attempts, &open)
}

fn sum_up(
    parents: &BTreeMap<ScopeId, Option<ScopeId>>,
    mut balances: BTreeMap<ScopeId, Balance>,
    attempts: &BTreeMap<AttemptId, Known>,
    open: &BTreeSet<AttemptId>,
) -> BTreeMap<ScopeId, Balance> {
    let mut settled_agents: BTreeSet<(ScopeId, Arc<str>)> = BTreeSet::new();
    let mut open_agents: BTreeSet<(ScopeId, Arc<str>)> = BTreeSet::new();
    for (attempt, known) in attempts {
        let mut next = Some(known.scope);
        while let Some(scope) = next {
            let balance = balances.entry(scope).or_default();
            if let Some(settled) = known.settled {
                balance.settled += settled;
            }
            if open.contains(attempt) {
                balance.reserved += known.reserved;
            }
            if let Some(agent) = &known.agent {
                if known.settled.is_some() {
                    settled_agents.insert((scope, Arc::clone(agent)));
                } else if open.contains(attempt) {
                    open_agents.insert((scope, Arc::clone(agent)));
                }
            }
            next = parents.get(&scope).copied().flatten();
        }
    }
    for (scope, _) in &settled_agents {
        balances.entry(*scope).or_default().agents_settled += 1;
    }
    for (scope, _) in open_agents.difference(&settled_agents) {
        balances.entry(*scope).or_default().agents_reserved += 1;
    }
    balances
}
