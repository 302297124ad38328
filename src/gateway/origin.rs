//! Where an agent comes from: the run of a workflow that started it, with its phase and its label.
//! The wire says neither; whoever starts a gateway may bring somebody who knows, an [`Origins`].

use std::sync::Arc;

use crate::gateway::till::Later;

/// What started an agent. Texts are as the client has them: whoever shows them has to mind what is
/// in them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The run of the workflow, as the client calls it: `wf_…`.
    pub run: String,
    /// The name of the workflow, where it is known.
    pub workflow: Option<String>,
    /// The title of the phase; none where the script names none.
    pub phase: Option<String>,
    /// The label of the agent. Where the script gives none this is the head of its prompt.
    pub label: Option<String>,
    /// The type of agent that the script asked for; none where it did not.
    pub agent_type: Option<String>,
}

/// Knows where agents come from.
pub trait Origins: Send + Sync {
    /// What started `agent` of `session`; none where that was no workflow, or nobody knows. Answers
    /// within a bounded time, and at once about an agent that it was asked about before.
    fn of(&self, session: &str, agent: &str) -> Later<Option<Arc<Origin>>>;

    /// How many agents it was asked about and knew nothing of.
    fn unknown(&self) -> u64 {
        0
    }

    /// How many agents it looks for now, while their requests wait.
    fn looked_for(&self) -> u64 {
        0
    }
}
