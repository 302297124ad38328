//! What a router asks about models. Implemented by whoever has samples and prices.

use crate::effort::Effort;
use crate::id::ModelId;
use crate::money::Picodollars;

/// The name that stands for the session's model, in policies and in [`Candidates::assess`].
pub const SESSION: &str = "session";

/// Answers what a stage would be on another model. Answers must not depend on their order.
pub trait Candidates {
    /// The stage on `model` (an id, an alias or [`SESSION`]) with `effort` asked for; `None` asks
    /// for none, so that the session's or the model's default applies. An effort the model does
    /// not support is assessed as if none were asked for.
    fn assess(&mut self, model: &str, effort: Option<Effort>) -> Candidate;
}

/// A stage on one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// No price table knows the model; why.
    Unknown(String),
    /// The model is known and has no price for this; why.
    Unpriced(String),
    /// The model is of no use here; why.
    Unfit(String),
    /// Known and priced.
    Known {
        /// The model's canonical id.
        model: ModelId,
        /// Its context window, tokens.
        context_window_tokens: u64,
        /// P90 of one agent's final context, counted with this model's tokenizer.
        context_p90_tokens: u64,
        /// Mean cost of the whole stage over the samples.
        expected_cost: Picodollars,
        /// The efforts it supports, least first; empty for none.
        efforts: Vec<Effort>,
    },
}
