//! Where a run's requests are served, which is nothing that they ask for: a workspace can be set to
//! serve in the US, at a higher price.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::id::PriceId;
use crate::messages::WireUsage;
use crate::money::Picodollars;
use crate::ports::price::{NoPrice, RequestPrice};
use crate::pricing::{CacheTtl, Price};
use crate::tokens::TokenUsage;

const UNKNOWN: u8 = 0;
const IN_US: u8 = 1;
const ELSEWHERE: u8 = 2;

/// The place that the last answer named; the same for all that share it.
#[derive(Clone, Debug, Default)]
pub struct Place(Arc<AtomicU8>);

impl Place {
    /// Takes note of what an answer says.
    pub(super) fn seen(&self, usage: &WireUsage) {
        let Some(in_us) = usage.in_us() else { return };
        self.0.store(if in_us { IN_US } else { ELSEWHERE }, Ordering::Release);
    }
}

/// The price of a model at the place where requests turn out to be served. Until an answer says so,
/// nothing is bounded below the price in the US.
#[derive(Debug)]
pub struct PlacedPrice {
    anywhere: Price,
    in_us: Option<Price>,
    place: Place,
}

impl PlacedPrice {
    /// Of a model that costs `anywhere`, and `in_us` where that is not the same.
    pub const fn new(anywhere: Price, in_us: Option<Price>, place: Place) -> Self {
        Self { anywhere, in_us, place }
    }

    fn at(&self, in_us: bool) -> &Price {
        self.in_us.as_ref().filter(|_| in_us).map_or(&self.anywhere, |price| price)
    }
}

impl RequestPrice for PlacedPrice {
    fn id(&self) -> PriceId {
        RequestPrice::id(&self.anywhere)
    }

    fn cost(&self, usage: &TokenUsage) -> Result<Picodollars, NoPrice> {
        let place = self.place.0.load(Ordering::Acquire);
        RequestPrice::cost(self.at(place == IN_US), usage)
    }

    fn bound(
        &self,
        prompt_tokens: u64,
        output_tokens: u64,
        write: CacheTtl,
    ) -> Result<Picodollars, NoPrice> {
        let place = self.place.0.load(Ordering::Acquire);
        let may_be_us = place == UNKNOWN || place == IN_US;
        RequestPrice::bound(self.at(may_be_us), prompt_tokens, output_tokens, write)
    }
}
