//! What one request takes from a budget, in every unit at once.

use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

use crate::budget::unit::Unit;
use crate::money::Picodollars;
use crate::tokens::TokenUsage;

/// A vector by unit. Agents are not in it: an agent counts once, however often it is charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// Dollars.
    pub usd: Picodollars,
    /// Tokens of all classes.
    pub billed_tokens: u64,
    /// Tokens generated.
    pub output_tokens: u64,
    /// Model requests.
    pub requests: u64,
}

impl Charge {
    /// Nothing.
    pub const ZERO: Self =
        Self { usd: Picodollars::ZERO, billed_tokens: 0, output_tokens: 0, requests: 0 };

    /// One request that used `usage` and cost `usd`.
    pub const fn of_request(usage: &TokenUsage, usd: Picodollars) -> Self {
        Self { usd, billed_tokens: usage.billed(), output_tokens: usage.output, requests: 1 }
    }

    /// The number in `unit`: picodollars or a count; 0 for agents.
    pub fn get(&self, unit: Unit) -> i128 {
        match unit {
            Unit::Usd => self.usd.pico(),
            Unit::BilledTokens => self.billed_tokens.into(),
            Unit::OutputTokens => self.output_tokens.into(),
            Unit::Requests => self.requests.into(),
            Unit::Agents => 0,
        }
    }

    /// The smaller of both in every unit.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        self.zip(other, Ord::min, Ord::min)
    }

    /// The larger of both in every unit.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        self.zip(other, Ord::max, Ord::max)
    }

    /// `self - other`, at least zero, in every unit.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.zip(other, Picodollars::saturating_sub_at_zero, u64::saturating_sub)
    }

    /// `other` in the units in which it is nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let count = |known: u64, other: u64| if known == 0 { other } else { known };
        self.zip(other, |known, other| if known.is_zero() { other } else { known }, count)
    }

    /// `self * numerator / denominator`, rounded up in dollars and down in counts.
    #[must_use]
    pub fn scaled(self, numerator: u64, denominator: u64) -> Self {
        let denominator = denominator.max(1);
        let money = |usd: Picodollars, _| usd.scale_ceil(numerator.into(), denominator.into());
        self.zip(self, money, |count, _| count.saturating_mul(numerator) / denominator)
    }

    /// Whether it is nothing in every unit.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    fn zip(
        self,
        other: Self,
        money: impl Fn(Picodollars, Picodollars) -> Picodollars,
        count: impl Fn(u64, u64) -> u64,
    ) -> Self {
        Self {
            usd: money(self.usd, other.usd),
            billed_tokens: count(self.billed_tokens, other.billed_tokens),
            output_tokens: count(self.output_tokens, other.output_tokens),
            requests: count(self.requests, other.requests),
        }
    }
}

impl Add for Charge {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.zip(other, Add::add, u64::saturating_add)
    }
}

impl AddAssign for Charge {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
