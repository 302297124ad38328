//! Answers calls.

use std::sync::Arc;

use super::call::{Extremes, Probe, SynthCall, Synthetic};
use super::sample_state::SampleState;
use crate::plan::assume::{AssumeError, Assumptions, UsagePins};
use crate::plan::widths::{ProseCap, TreeCounts};
use crate::ports::script::Outcome;

/// The text of the shipped word tables, `usage/results.toml`.
pub fn shipped_results() -> &'static str {
    include_str!("../../../usage/results.toml")
}

/// Why the word tables were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("results.toml: {0}")]
pub struct ResultsError(pub String);

/// What a [`Synthesizer`] is made of.
#[derive(Clone, Copy, Debug)]
pub struct SynthesizerInput<'a> {
    /// The word tables; [`shipped_results`] unless the user has their own.
    pub results_toml: &'a str,
    /// The script's `args`, parsed.
    pub args: Option<&'a serde_json::Value>,
    /// The user's pins.
    pub assumptions: &'a Arc<Assumptions>,
    /// Caps in the script's prose.
    pub caps: &'a [ProseCap],
    /// Counts of the working tree.
    pub tree: TreeCounts,
}

/// Invents the results of agents.
#[derive(Debug)]
pub struct Synthesizer {
    assumptions: Arc<Assumptions>,
}

impl Synthesizer {
    /// A synthesizer for one plan.
    pub fn new(input: SynthesizerInput<'_>) -> Result<Self, ResultsError> {
        Ok(Self { assumptions: Arc::clone(input.assumptions) })
    }

    /// The result of one call.
    ///
    /// # Errors
    /// A `--result` that does not fit the call's schema.
    pub fn answer(
        &self,
        state: &mut SampleState,
        call: &SynthCall<'_>,
    ) -> Result<Synthetic, AssumeError> {
        let _ = (state.seed, call);
        Ok(Synthetic {
            outcome: Outcome::Text(String::new()),
            factors: Vec::new(),
            quotes: Vec::new(),
            quoted_calls: 0,
            pinned: false,
        })
    }

    /// The result of one call when everything is pushed to its limits.
    pub fn probe(&self, state: &mut SampleState, call: &SynthCall<'_>, to: &Extremes) -> Probe {
        let _ = (state.seed, call, to);
        Probe { outcome: Outcome::Text(String::new()), unbounded: Vec::new() }
    }

    /// Usage pins of a stage.
    pub fn usage_pins(&self, stage_name: &str) -> UsagePins {
        self.assumptions.usage_pins(stage_name)
    }
}
