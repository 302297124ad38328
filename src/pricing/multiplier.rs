//! A factor on a price, as an exact fraction.

use std::fmt;

use crate::money::{PICO_PER_USD, Picodollars, Rate};

/// A positive rational such as 1/2 (batch), 2 (fast) or 11/10 (US-only inference), in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Multiplier {
    numerator: i128,
    denominator: i128,
}

impl Multiplier {
    /// The factor that changes nothing.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// From a plain decimal such as `0.5` or `1.1`; `None` unless it is one, above zero and at
    /// most 1,000.
    pub fn from_decimal(text: &str) -> Option<Self> {
        let value: Picodollars = text.parse().ok()?;
        let pico = value.pico();
        if pico <= 0 || pico > 1_000 * PICO_PER_USD {
            return None;
        }
        let divisor = greatest_common_divisor(pico, PICO_PER_USD);
        Some(Self { numerator: pico / divisor, denominator: PICO_PER_USD / divisor })
    }

    /// Whether it changes nothing.
    pub fn is_one(self) -> bool {
        self == Self::ONE
    }

    /// `rate` times this; `None` where that is not a whole number of picodollars per token.
    pub fn of(self, rate: Rate) -> Option<Rate> {
        rate.times(self.numerator, self.denominator)
    }
}

fn greatest_common_divisor(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// As a decimal: `1.1`. Every multiplier is read from one, so this is exact.
impl fmt::Display for Multiplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pico = PICO_PER_USD.saturating_mul(self.numerator) / self.denominator;
        f.pad(&Picodollars::from_pico(pico).to_decimal())
    }
}
