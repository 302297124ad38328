//! From where the agents of a stage are called. One `agent()` of a script may serve several stages,
//! and one stage may be called from several places.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::plan::stage::StageIdentity;
use crate::ports::script::AgentCall;

/// The place of a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallSpot {
    /// An `agent()` of the script itself.
    Script {
        /// Line, from 1.
        line: u32,
        /// Column in characters, from 1.
        column: u32,
    },
    /// A child workflow, by its name.
    Child(Arc<str>),
    /// The script itself, in another way than `agent(…)`: it was passed on, or given another name.
    Unnamed,
}

impl CallSpot {
    /// Where `call` was made.
    pub fn of(call: &AgentCall) -> Self {
        match (&call.child_workflow, call.line, call.column) {
            (Some(child), ..) => Self::Child(Arc::clone(child)),
            (None, Some(line), Some(column)) => Self::Script { line, column },
            _ => Self::Unnamed,
        }
    }
}

/// The calls of one stage over all samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageCalls {
    /// See [`StageIdentity::work`].
    pub work: u64,
    /// `opts.effort`, which they have in common.
    pub effort: Option<String>,
    /// From where they were made.
    pub spots: Vec<CallSpot>,
}

impl StageCalls {
    /// The calls of a stage, which are made from `spots`.
    pub fn of(stage: &StageIdentity, spots: &BTreeSet<CallSpot>) -> Self {
        Self {
            work: stage.work,
            effort: stage.effort.as_deref().map(str::to_owned),
            spots: spots.iter().cloned().collect(),
        }
    }
}
