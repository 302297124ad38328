//! What one token of each class costs.

use std::fmt;

use crate::money::{Picodollars, Rate};
use crate::pricing::Multiplier;
use crate::tokens::TokenUsage;

/// The classes in which tokens are billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenClass {
    /// Prompt tokens outside the cache.
    Input,
    /// Generated tokens, thinking included.
    Output,
    /// Prompt tokens written to the cache for five minutes.
    CacheWrite5m,
    /// Prompt tokens written to the cache for one hour.
    CacheWrite1h,
    /// Prompt tokens read from the cache.
    CacheRead,
}

impl TokenClass {
    /// Every class, in the order of price files.
    pub const ALL: [Self; 5] =
        [Self::Input, Self::Output, Self::CacheWrite5m, Self::CacheWrite1h, Self::CacheRead];

    /// The key in price files and in reports.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::CacheWrite5m => "cache_write_5m",
            Self::CacheWrite1h => "cache_write_1h",
            Self::CacheRead => "cache_read",
        }
    }

    /// How many tokens of this class `usage` counts.
    pub const fn tokens(self, usage: &TokenUsage) -> u64 {
        match self {
            Self::Input => usage.fresh,
            Self::Output => usage.output,
            Self::CacheWrite5m => usage.cache_write_5m,
            Self::CacheWrite1h => usage.cache_write_1h,
            Self::CacheRead => usage.cache_read,
        }
    }
}

impl fmt::Display for TokenClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}

/// The rates of one tier. A cache rate that the vendor does not state is absent, never derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Prompt tokens outside the cache.
    pub input: Rate,
    /// Generated tokens.
    pub output: Rate,
    /// Writes to the five-minute cache (or the provider's only one).
    pub cache_write_5m: Option<Rate>,
    /// Writes to the one-hour cache.
    pub cache_write_1h: Option<Rate>,
    /// Reads from the cache.
    pub cache_read: Option<Rate>,
}

impl Rates {
    /// The rate of a class, if there is one.
    pub const fn get(&self, class: TokenClass) -> Option<Rate> {
        match class {
            TokenClass::Input => Some(self.input),
            TokenClass::Output => Some(self.output),
            TokenClass::CacheWrite5m => self.cache_write_5m,
            TokenClass::CacheWrite1h => self.cache_write_1h,
            TokenClass::CacheRead => self.cache_read,
        }
    }

    /// Builds rates from one answer per class; input and output must be there.
    ///
    /// # Errors
    /// The first error of `rate`, or the class that is missing.
    pub fn try_from_classes<E>(
        mut rate: impl FnMut(TokenClass) -> Result<Option<Rate>, E>,
        missing: impl Fn(TokenClass) -> E,
    ) -> Result<Self, E> {
        Ok(Self {
            input: rate(TokenClass::Input)?.ok_or_else(|| missing(TokenClass::Input))?,
            output: rate(TokenClass::Output)?.ok_or_else(|| missing(TokenClass::Output))?,
            cache_write_5m: rate(TokenClass::CacheWrite5m)?,
            cache_write_1h: rate(TokenClass::CacheWrite1h)?,
            cache_read: rate(TokenClass::CacheRead)?,
        })
    }

    /// Every rate times `multiplier`.
    ///
    /// # Errors
    /// The class whose product is not a whole number of picodollars per token.
    pub fn times(&self, multiplier: Multiplier) -> Result<Self, TokenClass> {
        Self::try_from_classes(
            |class| self.get(class).map(|rate| multiplier.of(rate).ok_or(class)).transpose(),
            |class| class,
        )
    }

    /// The dearer rate of each class.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cache_write_5m: self.cache_write_5m.max(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.max(other.cache_write_1h),
            cache_read: self.cache_read.max(other.cache_read),
        }
    }

    /// The price of `usage`.
    ///
    /// # Errors
    /// The class that has tokens and no rate.
    pub(super) fn cost(&self, usage: &TokenUsage) -> Result<Picodollars, TokenClass> {
        let mut total = self.input.of(usage.fresh) + self.output.of(usage.output);
        for class in [TokenClass::CacheWrite5m, TokenClass::CacheWrite1h, TokenClass::CacheRead] {
            let tokens = class.tokens(usage);
            match self.get(class) {
                Some(rate) => total += rate.of(tokens),
                None if tokens == 0 => {}
                None => return Err(class),
            }
        }
        Ok(total)
    }

    /// Whether the provider bills cache writes as a class of their own.
    pub const fn bills_cache_writes(&self) -> bool {
        self.cache_write_5m.is_some() || self.cache_write_1h.is_some()
    }
}
