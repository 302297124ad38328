//! One agent between its call and its end.

use std::sync::Arc;

use crate::budget::{Denial, ScopeId};
use crate::id::StageKey;
use crate::ports::script::AgentCall;
use crate::run::routes::StageRoute;
use crate::run::step_down::Stepped;
use crate::run::work_in_progress::{Kind, Needs};
use crate::tokens::TokenUsage;

/// One agent between its call and its end.
#[derive(Debug)]
pub(crate) struct AgentAtWork {
    pub(crate) call: AgentCall,
    pub(crate) stage: StageKey,
    pub(crate) route: StageRoute,
    pub(crate) label: Arc<str>,
    pub(crate) phase: Arc<str>,
    pub(crate) prefix_group: u64,
    /// Its own scope, opened when it starts.
    pub(crate) scope: Option<ScopeId>,
    /// What it took and is expected to take.
    pub(crate) needs: Needs,
    pub(crate) requests_sent: u32,
    pub(crate) tokens: TokenUsage,
    /// That it was stepped down when it started.
    pub(crate) stepped: Option<Stepped>,
    /// Why it was refused, if it was.
    pub(crate) refusal: Option<Refusal>,
}

impl AgentAtWork {
    /// What agents it is like in what they take.
    pub(crate) fn kind(&self) -> Kind {
        (self.stage, self.stepped.as_ref().map_or(0, |stepped| stepped.above_per_mille))
    }
}

/// Why an agent may not send.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// A budget.
    Budget(Denial),
    /// The run ends.
    Stopping,
    /// Its request has no price, or its model no route.
    Unpriced(String),
}

impl Refusal {
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Budget(denial) => denial.to_string(),
            Self::Stopping => "the run was stopped".to_owned(),
            Self::Unpriced(why) => why.clone(),
        }
    }
}

/// How much of a prompt stands for a label where there is none.
const LABEL_CHARACTERS: usize = 60;

/// The label of a call: its own, else the beginning of its prompt.
pub(crate) fn label_of(call: &AgentCall) -> Arc<str> {
    if let Some(label) = &call.label {
        return Arc::clone(label);
    }
    let words = call.prompt.split_whitespace().take(LABEL_CHARACTERS).collect::<Vec<_>>().join(" ");
    words.chars().take(LABEL_CHARACTERS).collect::<String>().into()
}
