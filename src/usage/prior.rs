//! The numbers of a usage model, as they stand in its text. Owns their form; their ranges are
//! `prior_ranges`', what they mean for an agent is `usage_model`'s.

use serde::{Deserialize, Serialize};

use crate::effort::Effort;
use crate::tokens::Tokenizer;
use crate::usage::StageKind;

/// A whole usage model: what a calibration replaces. Sources of the shipped numbers stand beside
/// them in `usage/prior.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// Version of this form.
    pub schema: u32,
    /// What reports call the model.
    pub name: String,
    /// By tokenizer generation.
    pub tokenizers: TokenizersPrior,
    /// Context of the first request.
    pub first_context: FirstContextPrior,
    /// What siblings share of it.
    pub prefix: PrefixPrior,
    /// Requests of an agent.
    pub requests: RequestsPrior,
    /// Growth of the context over the requests.
    pub growth: GrowthPrior,
    /// How early the context grows.
    pub context_curve: CurvePrior,
    /// Output per request and the final answer.
    pub output: OutputPrior,
    /// By effort.
    pub effort: EffortsPrior,
    /// Cache classes of a request.
    pub cache: CachePrior,
    /// Time of a request.
    pub duration: DurationPrior,
    /// What a role says of the kind.
    pub roles: RolesPrior,
    /// Words that tell the kind.
    pub words: WordsPrior,
    /// By kind of work.
    pub kinds: KindsPrior,
}

/// How a log-sd is split over levels: relative weights, scaled so that their squares add up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Shared by the run.
    pub run: f64,
    /// Shared by the stage.
    pub stage: f64,
    /// The agent's own.
    pub agent: f64,
}

/// One entry per tokenizer generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizersPrior {
    /// Claude models up to 4.6.
    #[serde(rename = "claude-old")]
    pub claude_old: TokenizerPrior,
    /// Claude models from 4.7 on.
    #[serde(rename = "claude-4.7")]
    pub claude_47: TokenizerPrior,
    /// The `o200k` vocabulary itself.
    pub o200k: TokenizerPrior,
    /// Not published.
    pub other: TokenizerPrior,
}

impl TokenizersPrior {
    /// The entry of a generation.
    pub const fn of(&self, tokenizer: Tokenizer) -> &TokenizerPrior {
        match tokenizer {
            Tokenizer::ClaudeOld => &self.claude_old,
            Tokenizer::Claude47 => &self.claude_47,
            Tokenizer::O200k => &self.o200k,
            Tokenizer::Other => &self.other,
        }
    }
}

/// What depends on the tokenizer generation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerPrior {
    /// Tokens per o200k token of the same text.
    pub o200k_factor: f64,
    /// Median context of the first request, in tokens.
    pub first_context_tokens: f64,
    /// Its spread.
    pub first_context_log_sd: f64,
    /// Growth relative to `growth.tokens`.
    pub growth_factor: f64,
}

/// Context of the first request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstContextPrior {
    /// Split of the spread.
    pub weights: Weights,
    /// Length of own prompt that the medians already contain, in o200k tokens.
    pub prompt_tokens_included_o200k: u64,
}

/// What siblings share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrefixPrior {
    /// Share of the first context, own prompt apart, that is the same for all siblings.
    pub shareable_share: f64,
    /// Share of siblings that find it in the cache.
    pub sibling_hit_share: f64,
}

/// Requests of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestsPrior {
    /// Median, before kind, effort and fan-out.
    pub median: f64,
    /// Total spread.
    pub log_sd: f64,
    /// Split of the spread.
    pub weights: Weights,
    /// The most that is drawn.
    pub max: u32,
    /// Change of ln requests (and of ln growth) per unit of ln agents in the run; 0 or below.
    pub fan_out_slope: f64,
}

/// Growth of the context between first and last request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrowthPrior {
    /// Median at `reference_requests`, in tokens of the generation with factor 1.
    pub tokens: f64,
    /// Requests at which `tokens` holds.
    pub reference_requests: f64,
    /// Power of requests with which growth rises.
    pub requests_exponent: f64,
    /// Spread at given requests.
    pub log_sd: f64,
    /// Split of the spread.
    pub weights: Weights,
}

/// The mean context over requests: first + share × growth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvePrior {
    /// Share at two requests; one half, by arithmetic.
    pub share_at_two: f64,
    /// Rise of the share per unit of ln(requests / 2).
    pub slope: f64,
    /// The most it rises to.
    pub share_max: f64,
}

/// Output per request and the final answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputPrior {
    /// Spread of output per request.
    pub log_sd: f64,
    /// Split of the spread.
    pub weights: Weights,
    /// The least output of a request that is not the last, in tokens.
    pub step_tokens_min: u64,
    /// Spread of the final answer's length.
    pub final_text_log_sd: f64,
    /// Split of that spread.
    pub final_text_weights: Weights,
}

/// One entry per effort, and one for models without the parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EffortsPrior {
    /// Models without the parameter.
    pub none: EffortPrior,
    /// `low`
    pub low: EffortPrior,
    /// `medium`
    pub medium: EffortPrior,
    /// `high`
    pub high: EffortPrior,
    /// `xhigh`
    pub xhigh: EffortPrior,
    /// `max`
    pub max: EffortPrior,
}

impl EffortsPrior {
    /// The entry of an effort.
    pub const fn of(&self, effort: Option<Effort>) -> &EffortPrior {
        match effort {
            None => &self.none,
            Some(Effort::Low) => &self.low,
            Some(Effort::Medium) => &self.medium,
            Some(Effort::High) => &self.high,
            Some(Effort::Xhigh) => &self.xhigh,
            Some(Effort::Max) => &self.max,
        }
    }
}

/// What depends on the effort.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EffortPrior {
    /// Requests relative to `requests.median`.
    pub requests_factor: f64,
    /// Median output per request in tokens, thinking included.
    pub output_tokens_per_request: f64,
}

/// Cache classes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CachePrior {
    /// Share of agents that rewrite their whole context once.
    pub rewrite_share: f64,
    /// Tokens of each request that are neither read nor written.
    pub fresh_tokens_per_request: u64,
}

/// Time of a request, with the tool calls that follow it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DurationPrior {
    /// Median part that does not depend on output.
    pub milliseconds_per_request: f64,
    /// Median per token of output.
    pub milliseconds_per_output_token: f64,
    /// Spread of both, together.
    pub log_sd: f64,
    /// Split of the spread.
    pub weights: Weights,
}

/// What a role says of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolesPrior {
    /// The kind of a reduce stage whose words say nothing.
    pub reduce_kind: StageKind,
}

/// Words that tell the kind. `verif*` is every word that begins so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordsPrior {
    /// Characters of the prompt that are read.
    pub prompt_characters: usize,
    /// Of synthesis.
    pub synthesis: Vec<String>,
    /// Of verification.
    pub verify: Vec<String>,
    /// Of research.
    pub research: Vec<String>,
    /// Of general work.
    pub general: Vec<String>,
    /// Of trivial work.
    pub trivial: Vec<String>,
}

/// One entry per kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindsPrior {
    /// Nothing is known.
    pub general: KindPrior,
    /// Research and building.
    pub research: KindPrior,
    /// Verification.
    pub verify: KindPrior,
    /// Synthesis.
    pub synthesis: KindPrior,
    /// Trivial work.
    pub trivial: KindPrior,
}

impl KindsPrior {
    /// The entry of a kind.
    pub const fn of(&self, kind: StageKind) -> &KindPrior {
        match kind {
            StageKind::General => &self.general,
            StageKind::Research => &self.research,
            StageKind::Verify => &self.verify,
            StageKind::Synthesis => &self.synthesis,
            StageKind::Trivial => &self.trivial,
        }
    }
}

/// What depends on the kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindPrior {
    /// Requests relative to `requests.median`.
    pub requests_factor: f64,
    /// Growth at given requests, relative to `growth.tokens`.
    pub growth_factor: f64,
    /// Median length of the final answer in tokens.
    pub final_text_tokens: f64,
    /// Agents of the runs these figures come from; larger fan-outs are lighter per agent.
    pub reference_agents: u32,
}
