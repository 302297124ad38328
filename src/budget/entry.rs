//! The append-only list of what happened to an account, from which its balances follow.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::budget::charge::Charge;
use crate::budget::effects::Balance;
use crate::budget::scope::{Limits, ScopeId};
use crate::id::{AttemptId, PriceId};

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
        /// What it had spent elsewhere before.
        #[serde(default, skip_serializing_if = "Charge::is_zero")]
        carried: Charge,
    },
    /// A scope's limits were set.
    Limit {
        /// Which.
        scope: ScopeId,
        /// To what.
        limits: Limits,
    },
    /// A scope was paused or resumed.
    Pause {
        /// Which.
        scope: ScopeId,
        /// Whether it admits nothing from now on.
        paused: bool,
    },
    /// A request was admitted.
    Reserve {
        /// Its attempt.
        attempt: AttemptId,
        /// The innermost scope it is charged to.
        scope: ScopeId,
        /// The calendar windows that it is charged to besides.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        windows: Vec<ScopeId>,
        /// Whose request it is.
        agent: Option<Arc<str>>,
        /// The row of the price table that it is priced by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        price: Option<PriceId>,
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
        /// The innermost scope it was charged to.
        scope: ScopeId,
        /// The calendar windows that it was charged to besides.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        windows: Vec<ScopeId>,
        /// What it had taken before.
        before: Charge,
        /// What it took.
        charge: Charge,
    },
}

impl EntryKind {
    /// Its name, as in the list.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Limit { .. } => "limit",
            Self::Pause { .. } => "pause",
            Self::Reserve { .. } => "reserve",
            Self::Extend { .. } => "extend",
            Self::Shrink { .. } => "shrink",
            Self::Settle { .. } => "settle",
            Self::Overrun { .. } => "overrun",
            Self::Release { .. } => "release",
            Self::Expire { .. } => "expire",
            Self::Correct { .. } => "correct",
        }
    }

    /// The attempt that it is about.
    pub const fn attempt(&self) -> Option<&AttemptId> {
        match self {
            Self::Open { .. } | Self::Limit { .. } | Self::Pause { .. } => None,
            Self::Reserve { attempt, .. }
            | Self::Extend { attempt, .. }
            | Self::Shrink { attempt, .. }
            | Self::Settle { attempt, .. }
            | Self::Overrun { attempt, .. }
            | Self::Release { attempt }
            | Self::Expire { attempt, .. }
            | Self::Correct { attempt, .. } => Some(attempt),
        }
    }

    /// The scope that it names itself; the others are about their attempt's.
    pub const fn scope(&self) -> Option<ScopeId> {
        match self {
            Self::Open { scope, .. }
            | Self::Limit { scope, .. }
            | Self::Pause { scope, .. }
            | Self::Reserve { scope, .. }
            | Self::Correct { scope, .. } => Some(*scope),
            _ => None,
        }
    }

    /// The charge that it carries.
    pub const fn charge(&self) -> Option<Charge> {
        match self {
            Self::Reserve { charge, .. }
            | Self::Extend { charge, .. }
            | Self::Shrink { charge, .. }
            | Self::Settle { charge, .. }
            | Self::Overrun { charge, .. }
            | Self::Expire { charge, .. }
            | Self::Correct { charge, .. } => Some(*charge),
            _ => None,
        }
    }
}

/// The balances that follow from `entries`, per scope.
pub fn replay(entries: &[Entry]) -> BTreeMap<ScopeId, Balance> {
    let mut replay = Replay::default();
    for entry in entries {
        replay.take(&entry.kind);
    }
    replay.balances()
}

/// Recomputes balances from entries, one after the other: sums over what each attempt took, without
/// the account's own bookkeeping. Holds open attempts only, so that millions of entries fit.
#[derive(Debug, Default)]
pub struct Replay {
    parents: BTreeMap<ScopeId, Option<ScopeId>>,
    balances: BTreeMap<ScopeId, Balance>,
    /// Attempts that are open, or released and may still turn out to have left.
    attempts: HashMap<AttemptId, Known>,
    /// Open attempts of each agent in each scope, and whether one was settled.
    agents: HashMap<(ScopeId, Arc<str>), (u64, bool)>,
}

#[derive(Clone, Debug)]
struct Known {
    path: Arc<[ScopeId]>,
    agent: Option<Arc<str>>,
    reserved: Charge,
    open: bool,
}

impl Replay {
    /// Takes the next entry.
    pub fn take(&mut self, kind: &EntryKind) {
        match kind {
            EntryKind::Open { scope, parent, carried, .. } => {
                self.parents.insert(*scope, *parent);
                self.balances.entry(*scope).or_default().settled += *carried;
            }
            EntryKind::Limit { scope, limits } => {
                self.balances.entry(*scope).or_default().limits = *limits;
            }
            EntryKind::Pause { .. } | EntryKind::Overrun { .. } => {}
            EntryKind::Reserve { attempt, scope, windows, agent, charge, .. } => {
                let path: Arc<[ScopeId]> = self.path_of(*scope, windows).into();
                let known = Known { path, agent: agent.clone(), reserved: *charge, open: true };
                self.charge(&known, |balance| balance.reserved += *charge);
                self.count_agent(&known, 1, false);
                self.attempts.insert(attempt.clone(), known);
            }
            EntryKind::Extend { attempt, charge } => self.change(attempt, |known| known + *charge),
            EntryKind::Shrink { attempt, charge } => {
                self.change(attempt, |known| known.minus(*charge));
            }
            EntryKind::Release { attempt } => {
                if let Some(mut known) = self.attempts.remove(attempt) {
                    self.give_back(&known);
                    self.count_agent(&known, -1, false);
                    known.open = false;
                    self.attempts.insert(attempt.clone(), known);
                }
            }
            EntryKind::Settle { attempt, charge } | EntryKind::Expire { attempt, charge } => {
                if let Some(known) = self.attempts.remove(attempt) {
                    self.give_back(&known);
                    self.charge(&known, |balance| balance.settled += *charge);
                    self.count_agent(&known, if known.open { -1 } else { 0 }, true);
                }
            }
            EntryKind::Correct { scope, windows, before, charge, .. } => {
                for id in self.path_of(*scope, windows) {
                    let balance = self.balances.entry(id).or_default();
                    balance.settled = balance.settled.minus(*before) + *charge;
                }
            }
        }
    }

    /// The attempts in flight, with what they have reserved.
    pub fn in_flight(&self) -> BTreeMap<AttemptId, Charge> {
        let open = self.attempts.iter().filter(|(_, known)| known.open);
        open.map(|(attempt, known)| (attempt.clone(), known.reserved)).collect()
    }

    /// The balances that follow from what was taken, per scope.
    pub fn balances(mut self) -> BTreeMap<ScopeId, Balance> {
        for ((scope, _), (open, settled)) in &self.agents {
            let balance = self.balances.entry(*scope).or_default();
            balance.agents_settled += u64::from(*settled);
            balance.agents_reserved += u64::from(!settled && *open > 0);
        }
        self.balances
    }

    /// A scope and its windows, each with everything above it, each once.
    fn path_of(&self, scope: ScopeId, windows: &[ScopeId]) -> Vec<ScopeId> {
        let mut path = Vec::new();
        for start in std::iter::once(&scope).chain(windows) {
            let mut next = Some(*start);
            while let Some(id) = next {
                if !path.contains(&id) {
                    path.push(id);
                }
                next = self.parents.get(&id).copied().flatten();
            }
        }
        path
    }

    fn charge(&mut self, known: &Known, change: impl Fn(&mut Balance)) {
        for id in known.path.iter() {
            change(self.balances.entry(*id).or_default());
        }
    }

    fn give_back(&mut self, known: &Known) {
        if known.open {
            let reserved = known.reserved;
            self.charge(known, |balance| balance.reserved = balance.reserved.minus(reserved));
        }
    }

    fn change(&mut self, attempt: &AttemptId, to: impl Fn(Charge) -> Charge) {
        let Some(mut known) = self.attempts.remove(attempt) else { return };
        self.give_back(&known);
        known.reserved = to(known.reserved);
        let reserved = known.reserved;
        self.charge(&known, |balance| balance.reserved += reserved);
        self.attempts.insert(attempt.clone(), known);
    }

    fn count_agent(&mut self, known: &Known, open: i64, settled: bool) {
        let Some(agent) = &known.agent else { return };
        for id in known.path.iter() {
            let count = self.agents.entry((*id, Arc::clone(agent))).or_default();
            count.0 = count.0.saturating_add_signed(open);
            count.1 |= settled;
        }
    }
}
