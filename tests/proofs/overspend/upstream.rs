//! Requests, and what the worst upstream that keeps its promises makes of them: it always writes
//! as much as it may, never finds anything in a cache, and steps over every price step it can.

use flyball::budget::{Bound, Charge, OutputCap};
use flyball::pricing::{CacheTtl, Mode, Price, PriceTable, shipped_files};
use flyball::seed::Stream;
use flyball::tokens::TokenUsage;

/// Models with a price step, dear ones, and one whose cache writes cost nothing extra.
const MODELS: [(&str, bool); 4] = [
    ("claude-haiku-5-5", false),
    ("claude-haiku-5-5", false),
    ("claude-opus-5-5", true),
    ("gemini-3.1-pro-preview", false),
];
/// What clients ask for at most.
const ASKED_TOKENS: u64 = 128_000;
/// Where prompts end that lie nowhere near a step.
const PROMPT_TOKENS_MAX: u64 = 300_000;

/// The prices that requests are drawn for.
pub(crate) struct Market {
    prices: Vec<Price>,
}

/// One request with its truth, which the account is never told before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    price: Price,
    ttl: CacheTtl,
    prompt_bound_tokens: u64,
    /// What the prompt really has, at most its bound.
    prompt_tokens: u64,
    asked_tokens: u64,
    pub(crate) bound: Bound,
    pub(crate) cap: OutputCap,
}

impl Market {
    /// From the price tables that flyball ships.
    pub(crate) fn shipped() -> Self {
        let table = PriceTable::parse(&shipped_files()).unwrap();
        let on = jiff::civil::date(2026, 11, 22);
        let price = |(id, fast): (&str, bool)| {
            let mode = Mode { fast, ..Mode::default() };
            table.model(id).unwrap().price(on, mode).unwrap()
        };
        Self { prices: MODELS.into_iter().map(price).collect() }
    }

    pub(crate) fn draw(&self, luck: &mut Stream) -> Request {
        let price = luck.pick(&self.prices).unwrap().clone();
        let step = price.step_tokens().unwrap_or(100_000);
        let prompt_bound_tokens = match luck.below(4) {
            0 => step - luck.below(50),
            1 => step + 1 + luck.below(2_000),
            _ => 500 + luck.below(PROMPT_TOKENS_MAX),
        };
        let ttl = if luck.chance(0.5) { CacheTtl::FiveMinutes } else { CacheTtl::OneHour };
        let asked_tokens = if luck.chance(0.8) { ASKED_TOKENS } else { 1 + luck.below(6_000) };
        let stage_tokens = *luck.pick(&[8_000, 16_000, 32_000]).unwrap();
        let thinking_tokens = *luck.pick(&[0, 0, 10_000]).unwrap();
        let cap = OutputCap::new(asked_tokens, stage_tokens, thinking_tokens);
        Request::new(price, ttl, prompt_bound_tokens, asked_tokens, cap).with_truth(luck)
    }
}

impl Request {
    fn new(
        price: Price,
        ttl: CacheTtl,
        prompt_bound_tokens: u64,
        asked_tokens: u64,
        cap: OutputCap,
    ) -> Self {
        let bound = Bound::of(&price, prompt_bound_tokens, asked_tokens, ttl).unwrap();
        let prompt_tokens = prompt_bound_tokens;
        Self { price, ttl, prompt_bound_tokens, prompt_tokens, asked_tokens, bound, cap }
    }

    /// The same request sent again: another standing cap, another truth, the same least bound.
    pub(crate) fn alike(&self, luck: &mut Stream) -> Self {
        let more = luck.below(self.asked_tokens - self.cap.floor_tokens + 1);
        let cap = OutputCap { standing_tokens: self.cap.floor_tokens + more, ..self.cap };
        Self { cap, ..self.clone() }.with_truth(luck)
    }

    /// Most prompts reach their bound; some only just step over the price step below it.
    fn with_truth(mut self, luck: &mut Stream) -> Self {
        let bound = self.prompt_bound_tokens;
        self.prompt_tokens = match (luck.below(5), self.price.step_tokens()) {
            (0, Some(step)) if step < bound => step + 1,
            (1, _) => 1 + luck.below(bound),
            _ => bound,
        };
        self
    }

    /// The least that it can be admitted for.
    pub(crate) fn least(&self) -> Charge {
        self.bound.charge(self.cap.floor_tokens)
    }

    /// What it costs with so much output: the whole prompt in the dearest class that may apply.
    pub(crate) fn cost(&self, output_tokens: u64) -> Charge {
        self.cost_of(self.prompt_tokens, output_tokens)
    }

    /// The same where the prompt is `over` tokens longer than its bound.
    pub(crate) fn cost_beyond_prompt(&self, over_tokens: u64, output_tokens: u64) -> Charge {
        self.cost_of(self.prompt_bound_tokens + over_tokens, output_tokens)
    }

    fn cost_of(&self, prompt: u64, output: u64) -> Charge {
        let hour = if self.ttl == CacheTtl::OneHour { prompt } else { 0 };
        let classes = [
            TokenUsage { fresh: prompt, output, ..TokenUsage::default() },
            TokenUsage { cache_write_5m: prompt, output, ..TokenUsage::default() },
            TokenUsage {
                cache_write_1h: hour,
                fresh: prompt - hour,
                output,
                ..TokenUsage::default()
            },
        ];
        let priced = classes.iter().filter_map(|usage| {
            self.price.cost(usage).ok().map(|usd| Charge::of_request(usage, usd))
        });
        priced.max_by_key(|charge| charge.usd).unwrap()
    }

    /// Output that an extended stream may reach at most.
    pub(crate) const fn asked_tokens(&self) -> u64 {
        self.asked_tokens
    }
}
