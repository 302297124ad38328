//! Prices of things that are not tokens.

use crate::money::Picodollars;

/// What a server-side tool or service costs per use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fee {
    /// Who charges it.
    pub provider: String,
    /// What for: `web_search`, `code_execution`, …
    pub id: String,
    /// The thing counted: `search`, `container-hour`, …
    pub unit: String,
    /// How many units [`Fee::usd`] buys.
    pub per: u64,
    /// The price of that many.
    pub usd: Picodollars,
    /// Whether a response's usage shows the count. What it does not show cannot be settled, so a
    /// hard budget refuses or bounds it.
    pub metered: bool,
    /// Conditions in words.
    pub note: Option<String>,
    /// Ids of the sources.
    pub sources: Vec<String>,
}

impl Fee {
    /// The price of `count` units, rounded up to a picodollar.
    pub fn cost(&self, count: u64) -> Picodollars {
        self.usd.scale_ceil(i128::from(count), i128::from(self.per))
    }
}
