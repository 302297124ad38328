//! Synthetic results: what the agents of a dry run answer. Owns the compiled schemas, the draws
//! and what a sample remembers (items, gates); knows no prices, no tokens per model and no script
//! engine. docs/results.md says in words what is drawn and how to pin it.

// Draws are floats by nature; what they become is clamped before it is cut to a whole number.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]

mod asked_list;
mod asked_text;
mod asking;
mod call;
mod choices;
mod compile;
mod compile_kinds;
mod compile_objects;
mod compile_scalars;
mod exact_text;
mod filler;
mod form;
mod hosts;
mod invented;
mod lengths;
mod lists;
mod pattern;
mod probed;
mod roster;
mod sample_state;
mod scalars;
mod shown;
mod synthesizer;
mod token;
mod word_tables;
mod writer;

pub use call::{
    Booleans, Extremes, Factor, FactorKind, Numbers, Probe, Pushed, Reach, SynthCall, Synthetic,
};
pub use filler::without_filler;
pub use invented::{invented_start, without_invented};
pub use sample_state::SampleState;
pub use synthesizer::{ResultsError, Synthesizer, SynthesizerInput, shipped_results};
