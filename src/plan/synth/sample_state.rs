//! What one sample remembers.

use crate::seed::Seed;

/// One sample's memory: run-level effects, items, gates. Make one per sample and give it to every
/// call of that sample in call order.
#[derive(Debug)]
pub struct SampleState {
    pub(super) seed: Seed,
}

impl SampleState {
    /// The memory of the sample whose draws come from `seed`.
    pub fn new(seed: Seed) -> Self {
        Self { seed }
    }
}
