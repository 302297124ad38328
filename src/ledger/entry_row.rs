//! One line of a ledger's list, with what it does not say itself: when, whose, under which scope.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::budget::{Charge, EntryKind, LeaseId, Limits, ScopeId};
use crate::id::{AttemptId, PriceId};

/// One entry as a ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRow {
    /// Position in the list, from 0, without gaps.
    pub sequence: u64,
    /// When its transaction was written, to the millisecond.
    pub at: Timestamp,
    /// What happened.
    pub kind: EntryKind,
    /// The scope it is about; of an attempt, the innermost one.
    pub scope: Option<ScopeId>,
    /// Whose request it is about.
    pub agent: Option<Arc<str>>,
    /// What whoever wrote it had to say.
    pub note: Option<String>,
}

/// Which entries to read; everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// Those whose innermost scope is this or lies below it.
    pub within: Option<ScopeId>,
    /// Those of this attempt.
    pub attempt: Option<AttemptId>,
    /// Those of this agent.
    pub agent: Option<Arc<str>>,
    /// Those from this instant on.
    pub since: Option<Timestamp>,
}

/// What only some kinds of entries carry, as it stands in the `details` column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Details {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<ScopeId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limits: Option<Limits>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    windows: Vec<ScopeId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Charge>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    carried: Option<Charge>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    price: Option<PriceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease: Option<LeaseId>,
}

impl Details {
    /// Those of `kind`; `None` where it has none.
    pub(super) fn of(kind: &EntryKind) -> Option<Self> {
        let details = match kind {
            EntryKind::Open { parent, name, carried, .. } => Self {
                parent: *parent,
                name: Some(name.clone()),
                carried: (!carried.is_zero()).then_some(*carried),
                ..Self::default()
            },
            EntryKind::Limit { limits, .. } => Self { limits: Some(*limits), ..Self::default() },
            EntryKind::Pause { paused, .. } => Self { paused: Some(*paused), ..Self::default() },
            EntryKind::Reserve { windows, price, lease, .. } => Self {
                windows: windows.clone(),
                price: price.clone(),
                lease: *lease,
                ..Self::default()
            },
            EntryKind::Lease { lease, windows, .. } => {
                Self { windows: windows.clone(), lease: Some(*lease), ..Self::default() }
            }
            EntryKind::Return { lease, .. } => Self { lease: Some(*lease), ..Self::default() },
            EntryKind::Correct { windows, before, .. } => {
                Self { windows: windows.clone(), before: Some(*before), ..Self::default() }
            }
            EntryKind::Extend { .. }
            | EntryKind::Shrink { .. }
            | EntryKind::Settle { .. }
            | EntryKind::Overrun { .. }
            | EntryKind::Release { .. }
            | EntryKind::Expire { .. } => return None,
        };
        (details != Self::default()).then_some(details)
    }
}

/// An entry taken apart into columns.
#[derive(Clone, Debug)]
pub(super) struct Parts<'a> {
    pub(super) name: &'a str,
    pub(super) attempt: Option<AttemptId>,
    pub(super) scope: Option<ScopeId>,
    pub(super) agent: Option<Arc<str>>,
    pub(super) charge: Option<Charge>,
    pub(super) details: &'a Details,
}

impl Parts<'_> {
    /// The entry; `None` where something is missing or its name is not known.
    pub(super) fn kind(self) -> Option<EntryKind> {
        let Self { name, attempt, scope, agent, charge, details } = self;
        let Details { parent, name: scope_name, limits, paused, windows, before, .. } = details;
        Some(match name {
            "open" => EntryKind::Open {
                scope: scope?,
                parent: *parent,
                name: scope_name.clone()?,
                // Left out where it is nothing.
                carried: match details.carried {
                    Some(carried) => carried,
                    None => Charge::ZERO,
                },
            },
            "limit" => EntryKind::Limit { scope: scope?, limits: (*limits)? },
            "pause" => EntryKind::Pause { scope: scope?, paused: (*paused)? },
            "reserve" => {
                let (attempt, scope, charge) = (attempt?, scope?, charge?);
                let (windows, price) = (windows.clone(), details.price.clone());
                let lease = details.lease;
                EntryKind::Reserve { attempt, scope, windows, agent, price, lease, charge }
            }
            "lease" => EntryKind::Lease {
                lease: details.lease?,
                scope: scope?,
                windows: windows.clone(),
                charge: charge?,
            },
            "return" => EntryKind::Return { lease: details.lease?, scope: scope?, charge: charge? },
            "extend" => EntryKind::Extend { attempt: attempt?, charge: charge? },
            "shrink" => EntryKind::Shrink { attempt: attempt?, charge: charge? },
            "settle" => EntryKind::Settle { attempt: attempt?, charge: charge? },
            "overrun" => EntryKind::Overrun { attempt: attempt?, charge: charge? },
            "release" => EntryKind::Release { attempt: attempt? },
            "expire" => EntryKind::Expire { attempt: attempt?, charge: charge? },
            "correct" => {
                let (attempt, scope, charge) = (attempt?, scope?, charge?);
                let windows = windows.clone();
                EntryKind::Correct { attempt, scope, windows, before: (*before)?, charge }
            }
            _ => return None,
        })
    }
}
