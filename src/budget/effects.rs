//! What a change to an account brought about.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::budget::admission::Admission;
use crate::budget::charge::Charge;
use crate::budget::denial::Warning;
use crate::budget::scope::{Limits, Scope};
use crate::budget::unit::{Quantity, Unit};
use crate::id::AttemptId;
use crate::money::Picodollars;

/// What a change brought about, for others too: balance that came free decides requests that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "the decisions in here were waited for"]
pub struct Effects {
    /// Waiting requests that are decided now, in the order they were.
    pub decisions: Vec<Decision>,
    /// Soft thresholds that were passed.
    pub warnings: Vec<Warning>,
    /// A settle above its reservation.
    pub overrun: Option<Overrun>,
    /// Nothing changed: the attempt had been closed before.
    pub already_closed: bool,
}

/// A waiting request is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which.
    pub attempt: AttemptId,
    /// Admitted or refused; never waiting.
    pub admission: Admission,
}

/// A settle above its reservation: somebody broke the promise that the bound rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overrun {
    /// Which.
    pub attempt: AttemptId,
    /// What was taken beyond the reservation.
    pub beyond: Charge,
}

/// The balance of one scope in one unit, to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitBalance {
    /// What is counted.
    pub unit: Unit,
    /// The most it may take; null where that is not limited.
    pub limit: Option<Quantity>,
    /// Spent for good.
    pub settled: Quantity,
    /// What requests in flight may still take, and what is lent.
    pub reserved: Quantity,
    /// What is left to reserve; null without a limit.
    pub left: Option<Quantity>,
}

/// The balance of one scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Its limits.
    pub limits: Limits,
    /// Spent for good.
    pub settled: Charge,
    /// What requests in flight may still take.
    pub reserved: Charge,
    /// What processes that were lent slices may still draw from them.
    #[serde(default, skip_serializing_if = "Charge::is_zero")]
    pub leased: Charge,
    /// Agents that spent something.
    pub agents_settled: u64,
    /// Agents that have only reserved so far.
    pub agents_reserved: u64,
}

impl Balance {
    pub(crate) fn of(scope: &Scope) -> Self {
        Self {
            limits: scope.limits,
            settled: scope.settled,
            reserved: scope.reserved,
            leased: scope.leased,
            agents_settled: scope.agents_settled,
            agents_reserved: scope.agents_reserved,
        }
    }

    /// Settled, and held for requests in flight and leased slices, in `unit`: picodollars or a
    /// count.
    pub fn taken(&self, unit: Unit) -> (i128, i128) {
        if unit == Unit::Agents {
            return (self.agents_settled.into(), self.agents_reserved.into());
        }
        let held = self.reserved.get(unit).saturating_add(self.leased.get(unit));
        (self.settled.get(unit), held)
    }

    /// The limits that are left to what comes now: settled and held taken off, at least zero.
    pub fn limits_left(&self) -> Limits {
        let left = |unit: Unit| {
            let (settled, reserved) = self.taken(unit);
            let limit = self.limits.get(unit)?;
            Some(limit.saturating_sub(settled).saturating_sub(reserved).max(0))
        };
        let count = |unit: Unit| left(unit).map(|left| u64::try_from(left).unwrap_or(u64::MAX));
        Limits {
            usd: left(Unit::Usd).map(Picodollars::from_pico),
            billed_tokens: count(Unit::BilledTokens),
            output_tokens: count(Unit::OutputTokens),
            requests: count(Unit::Requests),
            agents: count(Unit::Agents),
        }
    }

    /// The balance in dollars, and in every other unit that is limited.
    pub fn in_units(&self) -> Vec<UnitBalance> {
        let shown = |unit: &Unit| *unit == Unit::Usd || self.limits.get(*unit).is_some();
        let in_unit = |unit: Unit| {
            let (settled, reserved) = self.taken(unit);
            let limit = self.limits.get(unit);
            let left = |limit: i128| limit.saturating_sub(settled).saturating_sub(reserved).max(0);
            UnitBalance {
                unit,
                limit: limit.map(|limit| unit.quantity(limit)),
                settled: unit.quantity(settled),
                reserved: unit.quantity(reserved),
                left: limit.map(|limit| unit.quantity(left(limit))),
            }
        };
        Unit::ALL.into_iter().filter(shown).map(in_unit).collect()
    }

    /// Limit minus settled in dollars, at least zero; `None` where dollars are not limited.
    pub fn usd_left(&self) -> Option<Picodollars> {
        self.limits.usd.map(|limit| limit.saturating_sub_at_zero(self.settled.usd))
    }

    /// Whether more is settled than the limit allows, in any unit.
    pub fn is_over_limit(&self) -> bool {
        Unit::ALL.into_iter().any(|unit| {
            let settled = match unit {
                Unit::Agents => self.agents_settled.into(),
                _ => self.settled.get(unit),
            };
            self.limits.get(unit).is_some_and(|limit| settled > limit)
        })
    }
}
