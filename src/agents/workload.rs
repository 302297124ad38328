//! What simulated agents do, and what they answer: the two things a simulation is given.

use crate::ports::agent::AgentJob;
use crate::ports::script::{AgentCall, Outcome};
use crate::tokens::TokenUsage;

/// One request of a simulated agent, as it would be if nothing limited it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulatedRequest {
    /// What it uses.
    pub usage: TokenUsage,
    /// The bound of its prompt that is known before it is sent; at least its prompt.
    pub prompt_tokens_max: u64,
    /// The `max_tokens` it asks for.
    pub asked_output_tokens: u64,
    /// Thinking budget within the output.
    pub thinking_tokens: u64,
    /// From sending to the end of the answer.
    pub duration_milliseconds: u64,
}

/// Says what agents do.
pub trait Workload {
    /// The requests of one agent in order; at least one.
    fn requests(&mut self, job: &AgentJob) -> Vec<SimulatedRequest>;
}

/// Says what agents answer.
pub trait ResultSource {
    /// The result of a call whose last answer had `answer_tokens`.
    fn result(&mut self, call: &AgentCall, answer_tokens: u64) -> Outcome;
}
