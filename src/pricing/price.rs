//! One price: the rates of a model in one period and mode, multipliers folded in.

use std::sync::Arc;

use jiff::civil::Date;

use crate::id::{ModelId, PriceId};
use crate::money::Picodollars;
use crate::pricing::{Multiplier, Rates, TokenClass};
use crate::tokens::TokenUsage;

/// How long cache writes are kept; each lifetime has its own rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CacheTtl {
    /// Five minutes, or the provider's only lifetime.
    FiveMinutes,
    /// One hour.
    OneHour,
}

/// How a request is served, where that changes its price. The default is standard, anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mode {
    /// Through the batch API.
    pub batch: bool,
    /// In fast mode (`speed: "fast"`).
    pub fast: bool,
    /// Held to the US (`inference_geo: "us"`).
    pub us: bool,
}

impl Mode {
    /// Every combination.
    pub const ALL: [Self; 8] = {
        let mut all = [Self { batch: false, fast: false, us: false }; 8];
        let mut index = 0;
        #[allow(clippy::indexing_slicing)] // a constant: an index out of range does not compile
        while index < all.len() {
            all[index] = Self { batch: index & 1 != 0, fast: index & 2 != 0, us: index & 4 != 0 };
            index += 1;
        }
        all
    };

    pub(super) const fn index(self) -> usize {
        self.batch as usize | (self.fast as usize) << 1 | (self.us as usize) << 2
    }

    /// `standard`, `batch`, `fast+us`, …
    pub fn name(self) -> String {
        let parts: Vec<&str> = [(self.batch, "batch"), (self.fast, "fast"), (self.us, "us")]
            .into_iter()
            .filter_map(|(on, name)| on.then_some(name))
            .collect();
        if parts.is_empty() { "standard".to_owned() } else { parts.join("+") }
    }
}

/// Why something has no price. Nothing is billed at a guess: the caller denies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unpriced {
    /// The date lies before the first period.
    #[error("{model} has no price on {on}: the table begins on {first}")]
    TooEarly {
        /// The model.
        model: ModelId,
        /// The day asked for.
        on: Date,
        /// The first day with a price.
        first: Date,
    },
    /// The only period on that day is announced, and announcements do not bill.
    #[error(
        "{model} has no confirmed price on {on}: a change from {from} is announced only. When the \
         vendor's page shows it, give that period status = \"confirmed\" in your price file"
    )]
    AnnouncedOnly {
        /// The model.
        model: ModelId,
        /// The day asked for.
        on: Date,
        /// When the announced period begins.
        from: Date,
    },
    /// No period covers the day.
    #[error(
        "{model} has no price on {on}: add a [[model.price]] that covers it to your price file"
    )]
    NoPeriod {
        /// The model.
        model: ModelId,
        /// The day asked for.
        on: Date,
    },
    /// The mode is not offered on that day, or its price is not published.
    #[error("{model} has no price for {} on {on}", mode.name())]
    NoMode {
        /// The model.
        model: ModelId,
        /// The mode asked for.
        mode: Mode,
        /// The day asked for.
        on: Date,
    },
    /// Tokens in a class for which the table has no rate.
    #[error(
        "{price} has no {class} rate, and a rate is never derived: add `{class}` to that period in \
         your price file"
    )]
    NoRate {
        /// The row of the table.
        price: PriceId,
        /// The class without a rate.
        class: TokenClass,
    },
    /// A multiplier gives a rate that is not a whole number of picodollars per token.
    #[error("{price}: {class} times {multiplier} is not a whole number of picodollars per token")]
    NotWhole {
        /// The row of the table.
        price: PriceId,
        /// The class.
        class: TokenClass,
        /// The factor.
        multiplier: Multiplier,
    },
}

/// The rates for prompts above a number of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceStep {
    /// Applies to requests whose prompt is longer than this; `None` for the first step.
    pub prompt_tokens_gt: Option<u64>,
    /// The rates of the whole request.
    pub rates: Rates,
}

/// Rates of one model, period and mode. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price(Arc<Folded>);

#[derive(Debug, PartialEq, Eq)]
struct Folded {
    id: PriceId,
    mode: Mode,
    first: Rates,
    /// Ascending by `prompt_tokens_gt`.
    tiers: Vec<(u64, Rates)>,
}

impl Price {
    pub(super) fn new(id: PriceId, mode: Mode, first: Rates, tiers: Vec<(u64, Rates)>) -> Self {
        Self(Arc::new(Folded { id, mode, first, tiers }))
    }

    /// The row of the table: model and first day.
    pub fn id(&self) -> &PriceId {
        &self.0.id
    }

    /// The mode that is folded in.
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// The prompt length above which the first dearer tier begins, in tokens.
    pub fn step_tokens(&self) -> Option<u64> {
        self.0.tiers.first().map(|(above, _)| *above)
    }

    /// Every step, lowest prompts first.
    pub fn steps(&self) -> impl Iterator<Item = PriceStep> + '_ {
        let first = PriceStep { prompt_tokens_gt: None, rates: self.0.first };
        let tiers = self.0.tiers.iter();
        std::iter::once(first).chain(
            tiers.map(|(above, rates)| PriceStep { prompt_tokens_gt: Some(*above), rates: *rates }),
        )
    }

    /// The rates of a request with a prompt of that many tokens.
    pub fn rates(&self, prompt_tokens: u64) -> &Rates {
        let reached = self.0.tiers.iter().rev().find(|(above, _)| prompt_tokens > *above);
        reached.map_or(&self.0.first, |(_, rates)| rates)
    }

    /// What **one request** costs: every token at the rates of the tier its prompt reaches. Sums
    /// of several requests must be priced request by request.
    pub fn cost(&self, usage: &TokenUsage) -> Result<Picodollars, Unpriced> {
        let rates = self.rates(usage.prompt());
        rates.cost(usage).map_err(|class| Unpriced::NoRate { price: self.0.id.clone(), class })
    }

    /// The most that one request can cost with at most that many prompt and output tokens: over
    /// every tier it can reach, the dearest prompt rate that can apply (a prefix that should be
    /// cached may have expired and is then written again at the rate of `write`) plus output.
    pub fn bound(
        &self,
        prompt_tokens_max: u64,
        output_tokens_max: u64,
        write: CacheTtl,
    ) -> Result<Picodollars, Unpriced> {
        let mut most = Picodollars::ZERO;
        let mut tiers = self.0.tiers.iter().peekable();
        let mut step = Some(self.0.first);
        while let Some(rates) = step {
            let next = tiers.peek().map(|(above, _)| *above);
            let prompt_tokens =
                next.map_or(prompt_tokens_max, |above| prompt_tokens_max.min(above));
            let dearest = self.dearest_prompt_rate(&rates, write)?;
            most = most.max(dearest.of(prompt_tokens) + rates.output.of(output_tokens_max));
            step = tiers
                .next()
                .and_then(|(above, rates)| (prompt_tokens_max > *above).then_some(*rates));
        }
        Ok(most)
    }

    fn dearest_prompt_rate(
        &self,
        rates: &Rates,
        write: CacheTtl,
    ) -> Result<crate::money::Rate, Unpriced> {
        let class = match write {
            CacheTtl::FiveMinutes => TokenClass::CacheWrite5m,
            CacheTtl::OneHour => TokenClass::CacheWrite1h,
        };
        if rates.bills_cache_writes() && rates.get(class).is_none() {
            return Err(Unpriced::NoRate { price: self.0.id.clone(), class });
        }
        let shorter = (write == CacheTtl::OneHour).then_some(rates.cache_write_5m).flatten();
        let dearest = [rates.get(class), shorter, rates.cache_read].into_iter().flatten().max();
        Ok(dearest.map_or(rates.input, |rate| rate.max(rates.input)))
    }

    /// The same price times `uplift`, as for a cloud's regional endpoint.
    pub fn times(&self, uplift: Multiplier) -> Result<Self, Unpriced> {
        if uplift.is_one() {
            return Ok(self.clone());
        }
        let scale = |rates: &Rates| {
            rates.times(uplift).map_err(|class| Unpriced::NotWhole {
                price: self.0.id.clone(),
                class,
                multiplier: uplift,
            })
        };
        let tiers: Result<_, _> =
            self.0.tiers.iter().map(|(above, rates)| Ok((*above, scale(rates)?))).collect();
        Ok(Self::new(self.0.id.clone(), self.0.mode, scale(&self.0.first)?, tiers?))
    }
}
