//! From where the agents of a stage are called. One `agent()` of a script may serve several stages,
//! and one stage may be called from several places.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

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

/// The efforts that calls ask for, by where they are made.
pub type EffortsBySpot = BTreeMap<CallSpot, BTreeSet<Option<Arc<str>>>>;

/// The calls of one stage over all samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageCalls {
    /// `opts.effort` of the first one: the stage is routed by it.
    pub effort: Option<String>,
    /// From where they were made.
    pub spots: Vec<SpotCalls>,
}

/// The calls of one stage from one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpotCalls {
    /// The place.
    pub spot: CallSpot,
    /// Every `opts.effort` that they ask for; null for none.
    pub efforts: Vec<Option<String>>,
}

impl StageCalls {
    /// What is published of a stage's calls.
    pub fn of(effort: Option<&str>, spots: &EffortsBySpot) -> Self {
        let text = |effort: &Option<Arc<str>>| effort.as_deref().map(str::to_owned);
        let calls = |(spot, efforts): (&CallSpot, &BTreeSet<Option<Arc<str>>>)| SpotCalls {
            spot: spot.clone(),
            efforts: efforts.iter().map(text).collect(),
        };
        Self { effort: effort.map(str::to_owned), spots: spots.iter().map(calls).collect() }
    }
}
