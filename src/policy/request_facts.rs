//! What a policy may know of one request that no plan stands behind.

use super::facts::StageFacts;
use crate::effort::Effort;
use crate::role::Role;

/// One request of some client. What nobody knows of it is `None`: a condition on that never holds,
/// and neither does its opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFacts<'a> {
    /// The model that it names.
    pub model: &'a str,
    /// The effort that it asks for; `None` asks for none, which is known.
    pub effort: Option<Effort>,
    /// The phase's title; empty for none.
    pub phase: Option<&'a str>,
    /// The label; empty for none.
    pub label: Option<&'a str>,
    /// The kind of its agent; empty for none.
    pub agent_type: Option<&'a str>,
}

/// Which facts are known of what a policy decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// All: the samples of a plan show them.
    All,
    /// Those of a request, and of its agent as far as that is known.
    OfRequest { phase: bool, label: bool, agent_type: bool },
}

impl<'a> RequestFacts<'a> {
    /// As of a stage, and which of that is known. The rest stands for nothing.
    pub(super) fn stage(&self) -> (StageFacts<'a>, Known) {
        let facts = StageFacts {
            name: "",
            label: self.label.unwrap_or(""),
            phase: self.phase.unwrap_or(""),
            agent_type: self.agent_type.filter(|name| !name.is_empty()),
            role: Role::Single,
            agents_p50: 1,
            agents_max: 1,
            has_schema: false,
            schema: None,
            requested_model: Some(self.model),
            effort: self.effort,
            worktree: false,
            context_p90_tokens: 0,
        };
        let known = Known::OfRequest {
            phase: self.phase.is_some(),
            label: self.label.is_some(),
            agent_type: self.agent_type.is_some(),
        };
        (facts, known)
    }
}
