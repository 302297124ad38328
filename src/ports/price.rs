//! What one model request costs, and at most can cost, as the budget sees it.

use crate::id::PriceId;
use crate::money::Picodollars;
use crate::pricing::{CacheTtl, Price};
use crate::tokens::TokenUsage;

/// The price of requests to one model on one day.
pub trait RequestPrice: std::fmt::Debug {
    /// The row of the price table.
    fn id(&self) -> PriceId;

    /// What one request costs, at the tier of its prompt.
    fn cost(&self, usage: &TokenUsage) -> Result<Picodollars, NoPrice>;

    /// The most that a request can cost whose prompt has at most `prompt_tokens` and whose answer
    /// has at most `output_tokens`: the dearest prompt rate at the highest tier it can reach.
    /// `write` is the cache it may write to. Convex in `output_tokens`, being a maximum over tiers.
    fn bound(
        &self,
        prompt_tokens: u64,
        output_tokens: u64,
        write: CacheTtl,
    ) -> Result<Picodollars, NoPrice>;
}

/// Something in a request has no price, so the request is denied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoPrice(pub String);

impl RequestPrice for Price {
    fn id(&self) -> PriceId {
        Self::id(self).clone()
    }

    fn cost(&self, usage: &TokenUsage) -> Result<Picodollars, NoPrice> {
        Self::cost(self, usage).map_err(|unpriced| NoPrice(unpriced.to_string()))
    }

    fn bound(
        &self,
        prompt_tokens: u64,
        output_tokens: u64,
        write: CacheTtl,
    ) -> Result<Picodollars, NoPrice> {
        Self::bound(self, prompt_tokens, output_tokens, write)
            .map_err(|unpriced| NoPrice(unpriced.to_string()))
    }
}
