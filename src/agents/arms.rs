//! Ways in which simulated agents and their upstream misbehave.

/// Ways to misbehave, all off by default. Rates are out of 1,000 requests or agents and drawn from
/// the simulation's seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arms {
    /// Every answer is as long as its output cap.
    pub fills_output: bool,
    /// Nothing is read from the cache: what would be is written again.
    pub misses_cache: bool,
    /// Tokens that every prompt is longer than drawn, so that it crosses a price step. The bound
    /// grows alike.
    pub longer_prompt_tokens: u64,
    /// Requests whose answer breaks off; what they cost stays unknown.
    pub dies_per_mille: u32,
    /// Requests that never leave.
    pub unsent_per_mille: u32,
    /// Requests that break both promises: a prompt above its bound by half and an answer above its
    /// cap by half.
    pub overruns_per_mille: u32,
    /// Agents that fail after their last request.
    pub fails_per_mille: u32,
}
