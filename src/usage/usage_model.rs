//! The usage model: from what is known of an agent, and luck, to what it uses.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "statistics become whole tokens in one saturating place, far below 2^53"
)]

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::role::Role;
use crate::tokens::Tokenizer;
use crate::usage::context_curve::ContextCurve;
use crate::usage::draws::Normals;
use crate::usage::kind_words::KindWords;
use crate::usage::{
    AgentTraits, AgentUsage, Draws, KindPrior, Pins, Prior, StageKind, UsageError, Weights,
};

/// The most requests an agent can have, pinned or drawn: a limit on work, far above what is seen.
pub const REQUESTS_LIMIT: u32 = 10_000;

/// Tokens above which no quantity is meant; keeps every sum of an agent far inside `u64`.
const TOKENS_LIMIT: u64 = 10_000_000_000;

/// How tokens, requests and time are drawn. Parsed from one text that a calibration replaces as a
/// whole.
#[derive(Clone, Debug)]
pub struct UsageModel {
    prior: Prior,
    hash: String,
    words: KindWords,
    levels: Levels,
}

/// Log-sds by level, ready to multiply.
#[derive(Clone, Copy, Debug)]
struct Levels {
    first_context: Weights, // of log-sd 1: the log-sd itself is the tokenizer's
    requests: Weights,
    growth: Weights,
    output: Weights,
    final_text: Weights,
    duration: Weights,
}

impl UsageModel {
    /// Reads a model's text, such as [`shipped_text`](crate::usage::shipped_text).
    ///
    /// # Errors
    /// [`UsageError`]: not TOML, a key unknown or missing, a number out of its range, a word that
    /// cannot decide.
    pub fn parse(text: &str) -> Result<Self, UsageError> {
        let prior = Prior::parse(text)?;
        let words = KindWords::new(&prior.words)?;
        let levels = Levels {
            first_context: scaled(prior.first_context.weights, 1.0),
            requests: scaled(prior.requests.weights, prior.requests.log_sd),
            growth: scaled(prior.growth.weights, prior.growth.log_sd),
            output: scaled(prior.output.weights, prior.output.log_sd),
            final_text: scaled(prior.output.final_text_weights, prior.output.final_text_log_sd),
            duration: scaled(prior.duration.weights, prior.duration.log_sd),
        };
        let hash = Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}"); // a String takes every write
            hex
        });
        Ok(Self { prior, hash, words, levels })
    }

    /// SHA-256 of the text, in hex: what a plan records.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The numbers.
    pub const fn prior(&self) -> &Prior {
        &self.prior
    }

    /// The kind of work that the words of a stage tell: the earliest known word of the label, else
    /// of the phase, else of the prompt's beginning, JSON left out. `worktree` says that the agent
    /// gets a working tree of its own; then it is not [`StageKind::Trivial`].
    pub fn kind_of(&self, label: &str, phase: &str, prompt: &str, worktree: bool) -> StageKind {
        self.words.kind_of(label, phase, prompt, worktree)
    }

    /// How many tokens of `tokenizer` a text has that has `o200k` tokens of o200k. An estimate for
    /// every tokenizer but o200k itself.
    pub fn tokens_for(&self, tokenizer: Tokenizer, o200k: u64) -> u64 {
        whole(o200k as f64 * self.prior.tokenizers.of(tokenizer).o200k_factor)
    }

    /// Draws an agent. A function of its arguments only; more effort or a longer tokenizer never
    /// gives fewer tokens for the same draws.
    pub fn agent(&self, traits: &AgentTraits, draws: &Draws<'_>, pins: &Pins) -> AgentUsage {
        let kind = self.kind(traits);
        let (first_context, shared_prefix) = self.first_context(traits, draws, pins);
        let requests_drawn = pins.requests.unwrap_or_else(|| self.requests(traits, kind, draws));
        let requests = whole(requests_drawn).clamp(1, u64::from(REQUESTS_LIMIT)) as u32;
        let growth_max = traits.context_tokens - first_context;
        let growth = match pins.growth {
            _ if requests == 1 => 0,
            Some(pinned) => whole(pinned).min(growth_max),
            None => whole(self.growth(traits, kind, requests_drawn, draws)).min(growth_max),
        };
        let output = self.output(traits, kind, requests, draws, pins);
        let pace = 1000.0 * spread_factor(self.levels.duration, draws, |normals| normals.duration);
        let duration = &self.prior.duration;
        let mut agent = AgentUsage {
            first_context_tokens: first_context,
            shared_prefix_tokens: shared_prefix,
            requests,
            growth_tokens: growth,
            final_context_tokens: first_context + growth,
            prompt_tokens: 0,
            output_tokens: output.total,
            final_output_tokens: output.last,
            final_text_tokens: output.text,
            duration_milliseconds: 0,
            curve: ContextCurve::new(first_context, growth, requests, self.share(requests)),
            prefix_hit: draws.agent.prefix_hit < self.prior.prefix.sibling_hit_share,
            rewrite_at: self.rewrite_at(requests, draws),
            min_cache_tokens: traits.min_cache_tokens,
            fresh_tokens_per_request: self.prior.cache.fresh_tokens_per_request,
            microseconds_per_request: whole(duration.milliseconds_per_request * pace),
            microseconds_per_output_token: whole(duration.milliseconds_per_output_token * pace),
        };
        for index in 0..requests {
            agent.prompt_tokens += agent.context(index);
            agent.duration_milliseconds += agent.duration_of(agent.output(index));
        }
        agent
    }

    /// The numbers of the kind; a reduce stage whose words say nothing writes up.
    fn kind(&self, traits: &AgentTraits) -> &KindPrior {
        let kind = match (traits.kind, traits.role) {
            (StageKind::General, Role::Reduce) => self.prior.roles.reduce_kind,
            (kind, _) => kind,
        };
        self.prior.kinds.of(kind)
    }

    /// The first context and the part of it that siblings share.
    fn first_context(&self, traits: &AgentTraits, draws: &Draws<'_>, pins: &Pins) -> (u64, u64) {
        let tokenizer = self.prior.tokenizers.of(traits.tokenizer);
        let included = self.prior.first_context.prompt_tokens_included_o200k;
        let own_prompt =
            self.tokens_for(traits.tokenizer, traits.prompt_tokens_o200k.saturating_sub(included));
        let free = || {
            let deviation = level_sum(self.levels.first_context, draws, |n| n.first_context);
            let factor = (tokenizer.first_context_log_sd * deviation).exp();
            whole(tokenizer.first_context_tokens * factor).saturating_add(own_prompt)
        };
        let uncapped = pins.first_context.map_or_else(free, whole);
        let common = uncapped.saturating_sub(own_prompt) as f64;
        let context = uncapped.min(traits.context_tokens);
        let prefix = whole(common * self.prior.prefix.shareable_share).min(context);
        let is_cached = !traits.worktree && prefix >= traits.min_cache_tokens;
        (context, if is_cached { prefix } else { 0 })
    }

    /// Requests before rounding.
    fn requests(&self, traits: &AgentTraits, kind: &KindPrior, draws: &Draws<'_>) -> f64 {
        let prior = &self.prior.requests;
        let effort = self.prior.effort.of(traits.effort).requests_factor;
        let median = prior.median * kind.requests_factor * effort * self.lightness(traits, kind);
        let factor = spread_factor(self.levels.requests, draws, |normals| normals.requests);
        (median * factor).min(f64::from(prior.max))
    }

    /// Growth before the window.
    fn growth(
        &self,
        traits: &AgentTraits,
        kind: &KindPrior,
        requests: f64,
        draws: &Draws<'_>,
    ) -> f64 {
        let prior = &self.prior.growth;
        let tokenizer = self.prior.tokenizers.of(traits.tokenizer).growth_factor;
        let median = prior.tokens
            * (requests.max(1.0) / prior.reference_requests).powf(prior.requests_exponent)
            * tokenizer
            * kind.growth_factor
            * self.lightness(traits, kind);
        median * spread_factor(self.levels.growth, draws, |normals| normals.growth)
    }

    /// How much lighter the agents of a big fan-out are: 1 or below.
    fn lightness(&self, traits: &AgentTraits, kind: &KindPrior) -> f64 {
        if traits.role != Role::FanOut || traits.run_agents <= kind.reference_agents {
            return 1.0;
        }
        let size = f64::from(traits.run_agents) / f64::from(kind.reference_agents);
        size.powf(self.prior.requests.fan_out_slope)
    }

    /// Share of the growth in the mean context.
    fn share(&self, requests: u32) -> f64 {
        let prior = &self.prior.context_curve;
        if requests <= 2 {
            return prior.share_at_two;
        }
        (prior.share_at_two + prior.slope * (f64::from(requests) / 2.0).ln()).min(prior.share_max)
    }

    /// Output of all requests, of the last, and its visible part.
    fn output(
        &self,
        traits: &AgentTraits,
        kind: &KindPrior,
        requests: u32,
        draws: &Draws<'_>,
        pins: &Pins,
    ) -> Output {
        let effort = self.prior.effort.of(traits.effort).output_tokens_per_request;
        let plain = self.prior.effort.none.output_tokens_per_request;
        let factor = spread_factor(self.levels.output, draws, |normals| normals.output);
        let text = kind.final_text_tokens
            * spread_factor(self.levels.final_text, draws, |normals| normals.final_text);
        let thinking = (effort - plain).max(0.0) * factor;
        let (requests, most) = (u64::from(requests), traits.max_output_tokens);
        let steps = requests - 1;
        let asked = whole(text + thinking).min(most);
        let (sum, step_min) = if let Some(pinned) = pins.output_per_request {
            (whole(pinned * requests as f64), 0)
        } else {
            let step_min = self.prior.output.step_tokens_min.min(most);
            let mean_sum = whole(effort * factor * requests as f64);
            (mean_sum.max(asked + steps * step_min), step_min)
        };
        let total = sum.min(requests.saturating_mul(most));
        // The last request takes what it asked for, as far as the others keep their least and
        // none of them passes the cap.
        let floor = total.saturating_sub(steps.saturating_mul(most));
        let wanted = if steps == 0 { total } else { asked };
        let last = wanted.min(total.saturating_sub(steps * step_min)).max(floor);
        Output { total, last, text: whole(text).min(last) }
    }

    /// The request before which the cache expired, if it did.
    fn rewrite_at(&self, requests: u32, draws: &Draws<'_>) -> Option<u32> {
        let happens = requests > 1 && draws.agent.rewrite < self.prior.cache.rewrite_share;
        let offset = (draws.agent.rewrite_position * f64::from(requests - 1)) as u32;
        happens.then_some(1 + offset.min(requests.saturating_sub(2)))
    }
}

/// Output tokens of an agent.
struct Output {
    total: u64,
    last: u64,
    text: u64,
}

/// Weights whose squares add up to `log_sd`².
fn scaled(weights: Weights, log_sd: f64) -> Weights {
    let Weights { run, stage, agent } = weights;
    let scale = log_sd / (run * run + stage * stage + agent * agent).sqrt();
    Weights { run: run * scale, stage: stage * scale, agent: agent * scale }
}

/// The deviation of a quantity: its three draws, weighted.
fn level_sum(levels: Weights, draws: &Draws<'_>, quantity: impl Fn(&Normals) -> f64) -> f64 {
    levels.run * quantity(&draws.run.0)
        + levels.stage * quantity(&draws.stage.0)
        + levels.agent * quantity(&draws.agent.normals)
}

/// The factor on a median that the three draws of a quantity make.
fn spread_factor(levels: Weights, draws: &Draws<'_>, quantity: impl Fn(&Normals) -> f64) -> f64 {
    level_sum(levels, draws, quantity).exp()
}

/// A statistic as a whole number; negative and not-a-number become 0.
fn whole(value: f64) -> u64 {
    (value.round() as u64).min(TOKENS_LIMIT)
}
