//! One thing that a budget applies to: an organisation, a project, a calendar window, a run, a
//! phase, an agent.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::budget::charge::Charge;
use crate::budget::unit::Unit;
use crate::money::Picodollars;

/// A scope of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeId(pub(crate) u32);

/// The most that a scope may take, by unit. `None` leaves a unit unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Dollars.
    pub usd: Option<Picodollars>,
    /// Tokens of all classes.
    pub billed_tokens: Option<u64>,
    /// Tokens generated.
    pub output_tokens: Option<u64>,
    /// Model requests.
    pub requests: Option<u64>,
    /// Agents, each once.
    pub agents: Option<u64>,
}

impl Limits {
    /// No limit at all.
    pub const NONE: Self =
        Self { usd: None, billed_tokens: None, output_tokens: None, requests: None, agents: None };

    /// A limit in dollars only.
    pub const fn usd(limit: Picodollars) -> Self {
        Self { usd: Some(limit), ..Self::NONE }
    }

    /// The same, and at most `amount`. `None` where the amount is a share of a subscription's plan
    /// window: that cannot be reserved.
    #[must_use]
    pub fn and(mut self, amount: Amount) -> Option<Self> {
        fn lower<T: Ord>(limit: &mut Option<T>, to: T) {
            let lowest = match limit.take() {
                Some(old) => old.min(to),
                None => to,
            };
            *limit = Some(lowest);
        }
        match amount {
            Amount::Usd(usd) => lower(&mut self.usd, usd),
            Amount::BilledTokens(tokens) => lower(&mut self.billed_tokens, tokens),
            Amount::OutputTokens(tokens) => lower(&mut self.output_tokens, tokens),
            Amount::Agents(agents) => lower(&mut self.agents, agents),
            Amount::PlanWindow { .. } => return None,
        }
        Some(self)
    }

    /// The limits of `self`, each as low as `other` has it.
    #[must_use]
    pub fn lowest(self, other: Self) -> Self {
        fn low<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
            match (a, b) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            }
        }
        Self {
            usd: low(self.usd, other.usd),
            billed_tokens: low(self.billed_tokens, other.billed_tokens),
            output_tokens: low(self.output_tokens, other.output_tokens),
            requests: low(self.requests, other.requests),
            agents: low(self.agents, other.agents),
        }
    }

    /// The limits raised by `amount`; `None` where what it counts is not limited, or not here.
    #[must_use]
    pub fn raised(mut self, amount: Amount) -> Option<Self> {
        fn more(limit: &mut Option<u64>, by: u64) -> Option<()> {
            *limit = Some(limit.as_ref()?.saturating_add(by));
            Some(())
        }
        match amount {
            Amount::Usd(usd) => self.usd = Some(self.usd? + usd),
            Amount::BilledTokens(tokens) => more(&mut self.billed_tokens, tokens)?,
            Amount::OutputTokens(tokens) => more(&mut self.output_tokens, tokens)?,
            Amount::Agents(agents) => more(&mut self.agents, agents)?,
            Amount::PlanWindow { .. } => return None,
        }
        Some(self)
    }

    /// The limit in `unit`: picodollars or a count.
    pub fn get(&self, unit: Unit) -> Option<i128> {
        match unit {
            Unit::Usd => self.usd.map(Picodollars::pico),
            Unit::BilledTokens => self.billed_tokens.map(i128::from),
            Unit::OutputTokens => self.output_tokens.map(i128::from),
            Unit::Requests => self.requests.map(i128::from),
            Unit::Agents => self.agents.map(i128::from),
        }
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let say = |unit: Unit| Some(unit.say(unit.quantity(self.get(unit)?)));
        let limits: Vec<String> = Unit::ALL.into_iter().filter_map(say).collect();
        f.pad(if limits.is_empty() { "no limit" } else { "" })?;
        f.write_str(&limits.join(", "))
    }
}

/// How an agent stands in a scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AgentCount {
    /// Its reservations in flight.
    pub(crate) in_flight: u32,
    /// Whether a request of it was settled: it counts for good.
    pub(crate) settled: bool,
}

/// A scope with its balance.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) parent: Option<ScopeId>,
    pub(crate) path: Arc<str>,
    pub(crate) limits: Limits,
    /// Whether it admits nothing new, whatever it has left.
    pub(crate) paused: bool,
    pub(crate) settled: Charge,
    pub(crate) reserved: Charge,
    /// What processes that were lent slices may still draw from them.
    pub(crate) leased: Charge,
    /// Whether somebody waits for what is leased: then no more of it is.
    pub(crate) recalled: bool,
    pub(crate) agents: BTreeMap<Arc<str>, AgentCount>,
    pub(crate) agents_settled: u64,
    pub(crate) agents_reserved: u64,
    /// The last threshold that was warned of, by position in [`Unit::ALL`].
    pub(crate) warned_per_mille: [u16; Unit::ALL.len()],
}

impl Scope {
    pub(crate) fn new(parent: Option<ScopeId>, path: Arc<str>, limits: Limits) -> Self {
        Self {
            parent,
            path,
            limits,
            paused: false,
            settled: Charge::ZERO,
            reserved: Charge::ZERO,
            leased: Charge::ZERO,
            recalled: false,
            agents: BTreeMap::new(),
            agents_settled: 0,
            agents_reserved: 0,
            warned_per_mille: [0; Unit::ALL.len()],
        }
    }

    pub(crate) fn settled(&self, unit: Unit) -> i128 {
        match unit {
            Unit::Agents => self.agents_settled.into(),
            _ => self.settled.get(unit),
        }
    }

    /// What is held for requests in flight and for slices that are lent.
    pub(crate) fn held(&self, unit: Unit) -> i128 {
        match unit {
            Unit::Agents => self.agents_reserved.into(),
            _ => self.reserved.get(unit).saturating_add(self.leased.get(unit)),
        }
    }

    /// What is left of a limit now; below zero where the scope is over it.
    pub(crate) fn left(&self, unit: Unit) -> Option<i128> {
        let taken = self.settled(unit).saturating_add(self.held(unit));
        self.limits.get(unit).map(|limit| limit.saturating_sub(taken))
    }

    /// How many agents one more request of `agent` adds.
    pub(crate) fn agents_needed(&self, agent: Option<&Arc<str>>) -> i128 {
        i128::from(agent.is_some_and(|agent| !self.agents.contains_key(agent)))
    }

    /// Whether slices of it may be out at all: it is not paused, and counts no agents, whom a slice
    /// does not know.
    pub(crate) fn lends_by_its_state(&self) -> bool {
        !self.paused && self.limits.agents.is_none()
    }

    /// Whether settled + reserved + leased is within the limit in every unit.
    pub(crate) fn within_limits(&self) -> bool {
        Unit::ALL.into_iter().all(|unit| self.left(unit).is_none_or(|left| left >= 0))
    }

    pub(crate) fn reserve(&mut self, charge: Charge, agent: Option<&Arc<str>>) {
        self.reserved += charge;
        if let Some(agent) = agent {
            let count = self.agents.entry(Arc::clone(agent)).or_default();
            if count.in_flight == 0 && !count.settled {
                self.agents_reserved += 1;
            }
            count.in_flight += 1;
        }
    }

    /// Ends a reservation of `reserved`, spending `settled`, or nothing where it never left. Whether
    /// its agent counts for good from now on.
    pub(crate) fn close(
        &mut self,
        reserved: Charge,
        settled: Option<Charge>,
        agent: Option<&Arc<str>>,
    ) -> bool {
        self.reserved = self.reserved.minus(reserved);
        if let Some(settled) = settled {
            self.settled += settled;
        }
        let Some(agent) = agent else { return false };
        let Some(count) = self.agents.get_mut(agent) else { return false };
        let was_reserved = !count.settled;
        count.in_flight = count.in_flight.saturating_sub(1);
        count.settled |= settled.is_some();
        let (now_settled, gone) = (count.settled, count.in_flight == 0 && !count.settled);
        if was_reserved && (now_settled || gone) {
            self.agents_reserved = self.agents_reserved.saturating_sub(1);
            self.agents_settled += u64::from(now_settled);
        }
        if gone {
            self.agents.remove(agent);
        }
        was_reserved && now_settled
    }
}
