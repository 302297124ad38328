//! What agents really use. Owns the priors and how an agent's requests are drawn from them; knows
//! no prices.
//!
//! An agent is four numbers: its first context, its requests, the growth of its context over them,
//! and its output per request. [`UsageModel::agent`] draws them from the model's text and from
//! [`Draws`], which do not depend on the model or role: the same agent on another route meets the
//! same luck. [`AgentUsage::each_request`] expands them into requests, because prices have steps.
//!
//! Must not know: money, files, clocks, or where a model text came from.

mod agent_traits;
mod agent_usage;
mod context_curve;
mod draws;
mod kind_words;
mod pins;
mod prior;
mod prior_ranges;
mod request_usage;
mod stage_kind;
mod token_counter;
mod usage_error;
mod usage_model;

pub use agent_traits::AgentTraits;
pub use agent_usage::AgentUsage;
pub use draws::{AgentDraws, Draws, RunDraws, StageDraws};
pub use pins::Pins;
pub use prior::{
    CachePrior, CurvePrior, DurationPrior, EffortPrior, EffortsPrior, FirstContextPrior,
    GrowthPrior, KindPrior, KindsPrior, OutputPrior, PrefixPrior, Prior, RequestsPrior, RolesPrior,
    TokenizerPrior, TokenizersPrior, Weights, WordsPrior,
};
pub use request_usage::{Prefix, RequestUsage, Requests};
pub use stage_kind::StageKind;
pub use token_counter::TokenCounter;
pub use usage_error::UsageError;
pub use usage_model::{REQUESTS_LIMIT, UsageModel};

/// The usage model that ships with the program: the prior for projects without history.
pub fn shipped_text() -> &'static str {
    include_str!("../../usage/prior.toml")
}
