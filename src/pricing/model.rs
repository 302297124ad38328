//! One model: what it is, what it can do, and its prices over time.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::effort::Effort;
use crate::id::ModelId;
use crate::pricing::{Mode, Multiplier, Period, Price, Unpriced};
use crate::tokens::Tokenizer;

/// Where a model stands in its vendor's lifecycle, on its first-party API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lifecycle {
    /// Current.
    Active,
    /// Served to chosen customers only.
    Limited,
    /// Served, with a newer model of its line.
    Legacy,
    /// Served until a known day.
    Deprecated,
    /// No longer served; clouds keep their own schedules.
    Retired,
}

impl Lifecycle {
    /// Every stage.
    pub const ALL: [Self; 5] =
        [Self::Active, Self::Limited, Self::Legacy, Self::Deprecated, Self::Retired];

    /// The name in price files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Limited => "limited",
            Self::Legacy => "legacy",
            Self::Deprecated => "deprecated",
            Self::Retired => "retired",
        }
    }
}

/// What a request may ask of a model that not every model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// `thinking: {type: "adaptive"}`.
    AdaptiveThinking,
    /// `thinking: {type: "enabled", budget_tokens: N}`.
    ThinkingBudget,
    /// `thinking: {type: "disabled"}`.
    NoThinking,
    /// `temperature`, `top_p` and `top_k`.
    Sampling,
    /// A last message of the assistant, which the answer goes on with.
    Prefill,
}

impl Feature {
    /// Every feature.
    pub const ALL: [Self; 5] = [
        Self::AdaptiveThinking,
        Self::ThinkingBudget,
        Self::NoThinking,
        Self::Sampling,
        Self::Prefill,
    ];

    /// The name in price files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AdaptiveThinking => "adaptive-thinking",
            Self::ThinkingBudget => "thinking-budget",
            Self::NoThinking => "no-thinking",
            Self::Sampling => "sampling",
            Self::Prefill => "prefill",
        }
    }
}

/// A model and its prices.
#[derive(Clone, Debug)]
pub struct Model {
    /// The identifier on its vendor's own API.
    pub id: ModelId,
    /// Its vendor: `anthropic`, `openai`, `google`.
    pub provider: String,
    /// Its family: `haiku`, `sonnet`, `opus`, `fable`, …
    pub line: String,
    /// Capability order for routing: higher is more capable. Comparable between models of one
    /// provider; our judgement, not the vendor's. 0 if nobody ranked it.
    pub rank: u32,
    /// Where it stands.
    pub status: Lifecycle,
    /// How it counts tokens.
    pub tokenizer: Tokenizer,
    /// The window: prompt and output together, in tokens.
    pub context_tokens: u64,
    /// The most it generates in one request, in tokens.
    pub max_output_tokens: u64,
    /// The shortest prefix that is cached, in tokens, where published.
    pub min_cache_tokens: Option<u64>,
    /// The effort levels it accepts, least first; empty if it has none.
    pub efforts: Vec<Effort>,
    /// The level used when none is asked for.
    pub default_effort: Option<Effort>,
    /// What it takes of what not every model takes; `None` where nobody has said.
    pub takes: Option<Vec<Feature>>,
    /// First day on the vendor's API, where known.
    pub released: Option<Date>,
    /// The day it is retired on the vendor's API, where announced.
    pub retires: Option<Date>,
    /// The day before which the vendor promised not to retire it.
    pub retires_not_before: Option<Date>,
    /// The factor of US-only inference, where published.
    pub us_multiplier: Option<Multiplier>,
    /// Other spellings, by the provider that uses them.
    pub ids: BTreeMap<String, Vec<String>>,
    /// Prices over time, ascending, announced ones included.
    pub periods: Vec<Period>,
}

impl Model {
    /// Whether it takes a feature; `None` where nobody has said.
    pub fn takes(&self, feature: Feature) -> Option<bool> {
        self.takes.as_ref().map(|takes| takes.contains(&feature))
    }

    /// The price on a day (UTC) in a mode. Announced periods never bill.
    ///
    /// Retirement does not end a price: a cloud may serve the model longer, and a bill for it must
    /// still add up.
    pub fn price(&self, on: Date, mode: Mode) -> Result<Price, Unpriced> {
        let period = self.period(on)?;
        let price = period.price(on, mode).cloned();
        price.ok_or_else(|| Unpriced::NoMode { model: self.id.clone(), mode, on })
    }

    /// The period that bills on a day.
    pub fn period(&self, on: Date) -> Result<&Period, Unpriced> {
        let mut covering = self.periods.iter().filter(|period| period.covers(on));
        if let Some(period) = covering.clone().find(|period| period.status.bills()) {
            return Ok(period);
        }
        let model = self.id.clone();
        if let Some(announced) = covering.next() {
            return Err(Unpriced::AnnouncedOnly { model, on, from: announced.from });
        }
        let first = self.periods.iter().find(|period| period.status.bills());
        match first.filter(|period| on < period.from) {
            Some(period) => Err(Unpriced::TooEarly { model, on, first: period.from }),
            None => Err(Unpriced::NoPeriod { model, on }),
        }
    }
}
