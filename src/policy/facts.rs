//! What a policy may know of a stage.

use crate::effort::Effort;
use crate::role::Role;

/// One stage of a workflow, as the samples of a plan show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageFacts<'a> {
    /// The name people type: unique in the plan.
    pub name: &'a str,
    /// The label skeleton, such as `verify:*`; empty for none.
    pub label: &'a str,
    /// The phase's title; empty for none.
    pub phase: &'a str,
    /// `opts.agentType`.
    pub agent_type: Option<&'a str>,
    /// Its part in the workflow.
    pub role: Role,
    /// Agents in the median sample.
    pub agents_p50: u64,
    /// Agents in the largest sample.
    pub agents_max: u64,
    /// Whether its agents answer to a schema.
    pub has_schema: bool,
    /// That schema as JSON text.
    pub schema: Option<&'a str>,
    /// `opts.model` as written; `None` runs on the session's model.
    pub requested_model: Option<&'a str>,
    /// `opts.effort`; `None` runs at the session's effort.
    pub effort: Option<Effort>,
    /// Whether its agents work in a worktree of their own.
    pub worktree: bool,
    /// P90 of one agent's final context on the model as written, tokens.
    pub context_p90_tokens: u64,
}

impl<'a> StageFacts<'a> {
    /// The model the script asks for by name; `inherit` asks for the session's.
    pub fn asked_model(&self) -> Option<&'a str> {
        self.requested_model.filter(|model| *model != "inherit" && !model.is_empty())
    }
}
