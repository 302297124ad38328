//! What is known of an agent before it runs.

use crate::effort::Effort;
use crate::role::Role;
use crate::tokens::Tokenizer;
use crate::usage::StageKind;

/// What is known of an agent before it runs: from the plan, its route and its prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentTraits {
    /// The part its stage plays.
    pub role: Role,
    /// The kind of work, from [`UsageModel::kind_of`](crate::usage::UsageModel::kind_of).
    pub kind: StageKind,
    /// The tokenizer of the model it runs on.
    pub tokenizer: Tokenizer,
    /// The model's context window in tokens.
    pub context_tokens: u64,
    /// The most that one request may generate, in tokens: the model's limit or a lower cap.
    pub max_output_tokens: u64,
    /// The shortest prompt the model caches, in tokens; 0 where every prompt is cached.
    pub min_cache_tokens: u64,
    /// The effort it runs with; `None` for a model without the parameter. A model's default effort
    /// is the caller's to fill in.
    pub effort: Option<Effort>,
    /// The agent's own prompt, counted as o200k.
    pub prompt_tokens_o200k: u64,
    /// Agents of the run it belongs to: big fan-outs are lighter per agent.
    pub run_agents: u32,
    /// Whether it works in its own worktree: then no sibling shares its prefix.
    pub worktree: bool,
}
