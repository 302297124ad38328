//! The append-only list of what happened to an account, from which its balances follow.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::budget::charge::Charge;
use crate::budget::lease::LeaseId;
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
    /// A process was lent a slice, or more of one, to admit requests from.
    Lease {
        /// Which.
        lease: LeaseId,
        /// The innermost scope it is taken from.
        scope: ScopeId,
        /// The calendar windows it is taken from besides.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        windows: Vec<ScopeId>,
        /// How much.
        charge: Charge,
    },
    /// A slice came back with `charge` undrawn; what was drawn from it goes on as it is.
    Return {
        /// Which.
        lease: LeaseId,
        /// The innermost scope it was taken from.
        scope: ScopeId,
        /// What was left of it.
        charge: Charge,
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
        /// The slice that it was drawn from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease: Option<LeaseId>,
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
            Self::Lease { .. } => "lease",
            Self::Return { .. } => "return",
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
            Self::Open { .. }
            | Self::Limit { .. }
            | Self::Pause { .. }
            | Self::Lease { .. }
            | Self::Return { .. } => None,
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
            | Self::Lease { scope, .. }
            | Self::Return { scope, .. }
            | Self::Reserve { scope, .. }
            | Self::Correct { scope, .. } => Some(*scope),
            _ => None,
        }
    }

    /// The charge that it carries.
    pub const fn charge(&self) -> Option<Charge> {
        match self {
            Self::Lease { charge, .. }
            | Self::Return { charge, .. }
            | Self::Reserve { charge, .. }
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
