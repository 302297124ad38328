//! Synthetic results: what the agents of a dry run answer. Owns the compiled schemas, the draws
//! and what a sample remembers (items, gates); knows no prices, no tokens per model and no script
//! engine. docs/results.md says in words what is drawn and how to pin it.

mod call;
mod sample_state;
mod synthesizer;
mod token;

pub use call::{Booleans, Extremes, Factor, Probe, SynthCall, Synthetic};
pub use sample_state::SampleState;
pub use synthesizer::{ResultsError, Synthesizer, SynthesizerInput, shipped_results};
