//! What requests cost on the day they are made.

use std::sync::Arc;

use jiff::civil::Date;

use crate::budget::{Bound, Charge};
use crate::gateway::request::MessagesRequest;
use crate::id::{ModelId, PriceId};
use crate::messages::{Metered, Whose, WireUsage};
use crate::money::Picodollars;
use crate::pricing::{CacheTtl, Mode, Model, Price, PriceTable, Unpriced};
use crate::tokens::TokenUsage;

/// Whose API the upstream is; names and fees are looked up for it.
const PROVIDER: &str = "anthropic";

/// Prices as the gateway uses them.
#[derive(Clone, Debug)]
pub struct Tariff {
    table: Arc<PriceTable>,
}

/// Something has no price, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoTariff(pub String);

/// The terms of one request, fixed when it came.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The model, canonically.
    pub model: ModelId,
    /// Tokens that its window holds.
    pub context_tokens: u64,
    /// The longest answer it gives.
    pub max_output_tokens: u64,
    /// The price in the mode that was asked for.
    pub price: Price,
    /// The price in the US, where the request leaves open where it is served, that would cost more, and
    /// nobody knows better.
    pub us_price: Option<Price>,
    /// Whether its answer says something of where others are served that leave it open: only where the
    /// model's price depends on it.
    pub tells_place: bool,
    on: Date,
    mode: Mode,
    write: CacheTtl,
}

impl Terms {
    /// The dearest that an answer can mean which has not said everything yet.
    pub(crate) fn dearest(&self, usage: &WireUsage) -> WireUsage {
        let mut usage = usage.clone();
        if self.us_price.is_some() && usage.in_us().is_none() {
            usage.inference_geo = Some("us".to_owned());
        }
        usage
    }

    /// Whether `bound` is priced in a dearer tier than the prompt may reach: a prompt has a quarter
    /// as many tokens as bytes, more or less.
    pub(crate) fn straddles(&self, bound: &Bound) -> bool {
        let prompt_tokens = bound.fixed.billed_tokens;
        self.price
            .step_tokens()
            .is_some_and(|step| prompt_tokens > step && prompt_tokens / 8 < step)
    }
}

impl Tariff {
    /// Prices from `table`.
    pub const fn new(table: Arc<PriceTable>) -> Self {
        Self { table }
    }

    /// What is known of a model.
    pub(crate) fn model(&self, id: &ModelId) -> Option<&Model> {
        self.table.model(&id.0)
    }

    /// The terms of `request` on a day.
    ///
    /// # Errors
    /// Its model is unknown, or has no price that day or in that mode.
    pub fn terms(&self, request: &MessagesRequest, on: Date) -> Result<Terms, NoTariff> {
        let (mode, write) = (request.mode, request.write);
        let resolved = self.table.resolve_name(&request.model, PROVIDER, on);
        let resolved = resolved.map_err(|unknown| NoTariff(unknown.to_string()))?;
        let price = resolved.price(on, mode).map_err(|none| NoTariff(none.to_string()))?;
        let in_us = Mode { us: true, ..mode };
        let tells_place = request.served_anywhere && resolved.model.us_multiplier.is_some();
        let us_price = if tells_place { resolved.price(on, in_us).ok() } else { None };
        Ok(Terms {
            model: resolved.model.id.clone(),
            context_tokens: resolved.model.context_tokens,
            max_output_tokens: resolved.model.max_output_tokens,
            price,
            us_price,
            tells_place,
            on,
            mode,
            write,
        })
    }

    /// The most that `request` can cost, as a line over its output. `counted` is a bound of its
    /// prompt from one that was counted before, tokens.
    ///
    /// # Errors
    /// It asks for something without a bound or a price.
    pub fn bound(
        &self,
        terms: &Terms,
        request: &MessagesRequest,
        counted: Option<u64>,
        output_tokens_max: u64,
    ) -> Result<Bound, NoTariff> {
        if let Some(feature) = &request.unbounded {
            return Err(NoTariff(format!("{feature} has no bound that could be reserved")));
        }
        let prompt_tokens = match request.samplings_max {
            // A longer prompt than the window holds is refused.
            1 => {
                let known = counted.map_or(u64::MAX, |tokens| tokens);
                request.prompt_tokens_max.min(known).min(terms.context_tokens)
            }
            // What a tool finds at the API is read in the next sampling, and no window holds more.
            samplings => terms.context_tokens.saturating_mul(samplings),
        };
        let price = terms.us_price.as_ref().map_or(&terms.price, |price| price);
        let bound = Bound::of(price, prompt_tokens, output_tokens_max, terms.write);
        let mut bound = bound.map_err(|none| NoTariff(none.to_string()))?;
        bound.fixed.usd += self.searches(request.web_searches_max)?;
        Ok(bound)
    }

    /// What an answer with `usage` took. `answered_by` is the model that the answer names.
    ///
    /// # Errors
    /// Something in it has no price, or the counts that every answer has are missing.
    pub fn charge(
        &self,
        terms: &Terms,
        usage: &WireUsage,
        answered_by: Option<&str>,
    ) -> Result<(Charge, Metered), NoTariff> {
        let metered = usage.metered(terms.write);
        let metered = metered.ok_or_else(|| NoTariff("the answer has no usage".to_owned()))?;
        let mode = usage.mode(terms.mode);
        let price = |whose: &Whose| {
            let model = match whose {
                Whose::Answering => answered_by,
                Whose::Asked => None,
                Whose::Named(model) => Some(model.as_str()),
            };
            self.price(terms, model, mode)
        };
        let mut charge = Self::request(&price(&metered.whose)?, &metered.usage)?;
        for (whose, usage) in &metered.beside {
            charge.usd += Self::request(&price(whose)?, usage)?.usd;
            charge.billed_tokens = charge.billed_tokens.saturating_add(usage.billed());
            charge.output_tokens = charge.output_tokens.saturating_add(usage.output);
        }
        charge.usd += self.searches(metered.web_searches)?;
        Ok((charge, metered))
    }

    /// What a message that `model` answered with took at list price, where only the message is known
    /// and not its request. Cache writes of unknown lifetime are taken for the longest.
    ///
    /// # Errors
    /// As [`Self::charge`].
    pub fn of_message(&self, model: &str, usage: &WireUsage, on: Date) -> Result<Charge, NoTariff> {
        let mode = usage.mode(Mode::default());
        let resolved = self.table.resolve_name(model, PROVIDER, on);
        let resolved = resolved.map_err(|unknown| NoTariff(unknown.to_string()))?;
        let price = resolved.price(on, mode).map_err(|none| NoTariff(none.to_string()))?;
        let terms = Terms {
            model: resolved.model.id.clone(),
            context_tokens: resolved.model.context_tokens,
            max_output_tokens: resolved.model.max_output_tokens,
            price,
            us_price: None,
            tells_place: false,
            on,
            mode,
            write: CacheTtl::OneHour,
        };
        self.charge(&terms, usage, Some(model)).map(|(charge, _)| charge)
    }

    /// The row of the table that priced a request.
    pub fn price_id(terms: &Terms) -> PriceId {
        terms.price.id().clone()
    }

    /// The price of `model`, or of the one that was asked where that is `None`.
    fn price(&self, terms: &Terms, model: Option<&str>, mode: Mode) -> Result<Price, NoTariff> {
        let none = |none: Unpriced| NoTariff(none.to_string());
        if let Some(name) = model.filter(|name| **name != *terms.model.0) {
            let found = self.table.resolve_name(name, PROVIDER, terms.on);
            let found = found.map_err(|unknown| NoTariff(unknown.to_string()))?;
            if found.model.id != terms.model {
                return found.price(terms.on, mode).map_err(none);
            }
        }
        if mode == terms.mode {
            return Ok(terms.price.clone());
        }
        let own = self.table.model(&terms.model.0);
        let own = own.ok_or_else(|| NoTariff(format!("{} is gone", terms.model)))?;
        own.price(terms.on, mode).map_err(none)
    }

    fn request(price: &Price, usage: &TokenUsage) -> Result<Charge, NoTariff> {
        let usd = price.cost(usage).map_err(|none| NoTariff(none.to_string()))?;
        Ok(Charge::of_request(usage, usd))
    }

    fn searches(&self, count: u64) -> Result<Picodollars, NoTariff> {
        if count == 0 {
            return Ok(Picodollars::ZERO);
        }
        let fee = self.table.fee(PROVIDER, "web_search");
        let fee = fee.ok_or_else(|| NoTariff("a search of the web has no price".to_owned()))?;
        Ok(fee.cost(count))
    }
}
