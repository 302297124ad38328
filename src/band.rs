//! The spread of a quantity over samples. Owns quantiles; knows nothing of what is measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::money::Picodollars;

/// P10, P50, P90 and P99 of a quantity over the samples, and what is proved of its maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Band<T> {
    /// One in ten samples is at or below this.
    pub p10: T,
    /// The median.
    pub p50: T,
    /// Nine in ten samples are at or below this.
    pub p90: T,
    /// 99 in 100 samples are at or below this.
    pub stress: T,
    /// What the script or its schemas prove as the most, or null.
    pub ceiling: Option<T>,
}

impl<T: Copy + Ord> Band<T> {
    /// The band of `samples`, without a ceiling; `None` where there are no samples.
    pub fn of(samples: &[T]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable();
        Some(Self {
            p10: quantile(&sorted, 100)?,
            p50: quantile(&sorted, 500)?,
            p90: quantile(&sorted, 900)?,
            stress: quantile(&sorted, 990)?,
            ceiling: None,
        })
    }
}

impl<T> Band<T> {
    /// The same quantity through `convert`.
    pub fn map<U>(self, mut convert: impl FnMut(T) -> U) -> Band<U> {
        Band {
            p10: convert(self.p10),
            p50: convert(self.p50),
            p90: convert(self.p90),
            stress: convert(self.stress),
            ceiling: self.ceiling.map(convert),
        }
    }
}

/// The nearest-rank quantile of ascending `sorted` at `per_mille` (0 to 1000): always one of the
/// samples, so money stays exact. `None` where there are no samples.
pub fn quantile<T: Copy>(sorted: &[T], per_mille: usize) -> Option<T> {
    let rank = (sorted.len() * per_mille.min(1000)).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied()
}

/// A statistic in dollars as money, rounded up: the one way from a float to money.
/// Not-a-number and anything beyond `i128` become [`Picodollars::MAX`].
pub fn money_from_statistic(usd: f64) -> Picodollars {
    let pico = (usd * 1e12).ceil();
    if pico.is_finite() && pico.abs() < 1e38 {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and far inside i128")]
        Picodollars::from_pico(pico as i128)
    } else {
        Picodollars::MAX
    }
}

/// An amount in dollars for statistics only; never to be turned back into a balance.
#[expect(clippy::cast_precision_loss, reason = "a statistic has 53 bits, and never comes back")]
pub fn statistic_from_money(amount: Picodollars) -> f64 {
    amount.pico() as f64 / 1e12
}
