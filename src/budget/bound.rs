//! The most that a request can cost before it is sent: bounds only, never estimates.

use crate::budget::charge::Charge;
use crate::budget::unit::Unit;
use crate::money::{Picodollars, Rate};
use crate::ports::price::{NoPrice, RequestPrice};
use crate::pricing::CacheTtl;

/// An answer is never capped below this, save where the client itself asks for less.
pub const OUTPUT_FLOOR_TOKENS: u64 = 4_000;
/// What an answer needs beyond its thinking.
const BEYOND_THINKING_TOKENS: u64 = 1_000;

/// The bound of one request as a line over its output cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// What it takes at most with no output.
    pub fixed: Charge,
    /// What each further output token costs at most.
    pub output_rate: Rate,
}

impl Bound {
    /// The bound of a request with at most `prompt_tokens_max` and never more output than
    /// `output_tokens_max`, from its model's price.
    pub fn of(
        price: &dyn RequestPrice,
        prompt_tokens_max: u64,
        output_tokens_max: u64,
        write: CacheTtl,
    ) -> Result<Self, NoPrice> {
        let silent = price.bound(prompt_tokens_max, 0, write)?;
        let longest = price.bound(prompt_tokens_max, output_tokens_max, write)?;
        // The true bound is convex in the output, so the chord over it is never below it.
        let rate = (longest - silent).scale_ceil(1, i128::from(output_tokens_max.max(1)));
        let fixed =
            Charge { usd: silent, billed_tokens: prompt_tokens_max, output_tokens: 0, requests: 1 };
        Ok(Self { fixed, output_rate: Rate::from_pico_per_token(rate.pico()) })
    }

    /// The bound with at most `output_tokens` of output.
    #[must_use]
    pub fn charge(&self, output_tokens: u64) -> Charge {
        let output = Charge {
            usd: self.output_rate.of(output_tokens),
            billed_tokens: output_tokens,
            output_tokens,
            requests: 0,
        };
        self.fixed + output
    }

    /// The longest output for which what is `left` of each unit is enough, `None` being any amount of
    /// it; `None` where not even the prompt fits.
    pub(crate) fn longest_within(&self, left: impl Fn(Unit) -> Option<i128>) -> Option<u64> {
        let tokens = |unit: Unit| match left(unit) {
            None => Some(u64::MAX),
            Some(left) => u64::try_from(left.saturating_sub(self.fixed.get(unit))).ok(),
        };
        let usd = match left(Unit::Usd) {
            None => u64::MAX,
            Some(left) => self.output_within_usd(Picodollars::from_pico(left))?,
        };
        Some(usd.min(tokens(Unit::BilledTokens)?).min(tokens(Unit::OutputTokens)?))
    }

    fn output_within_usd(&self, left: Picodollars) -> Option<u64> {
        let beyond = left - self.fixed.usd;
        if beyond < Picodollars::ZERO {
            return None;
        }
        let tokens = beyond.pico().checked_div(self.output_rate.pico_per_token());
        Some(tokens.map_or(u64::MAX, |tokens| u64::try_from(tokens).unwrap_or(u64::MAX)))
    }
}

/// How long an answer may be: the standing cap, and the floor that it is lowered to at most when
/// the budget ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputCap {
    /// Used while the budget can pay for it.
    pub standing_tokens: u64,
    /// Never less than this; at most `standing_tokens`.
    pub floor_tokens: u64,
}

impl OutputCap {
    /// The caps of a request that asks for `asked_tokens`, of a stage whose answers are capped at
    /// `stage_tokens`, with `thinking_tokens` of thinking within the answer.
    pub fn new(asked_tokens: u64, stage_tokens: u64, thinking_tokens: u64) -> Self {
        let least = OUTPUT_FLOOR_TOKENS.max(thinking_tokens.saturating_add(BEYOND_THINKING_TOKENS));
        let standing_tokens = asked_tokens.min(stage_tokens.max(least));
        Self { standing_tokens, floor_tokens: least.min(standing_tokens) }
    }
}
