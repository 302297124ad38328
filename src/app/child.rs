//! What this program asks of child processes of itself: everything that reads script text.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{planning, saved};
use crate::ports::script::EngineError;
use crate::script::sandbox::{JobContext, Sandbox};
use crate::workflow::Source;

/// One question to a child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Job {
    /// A plan; the answer is a [`planning::Answer`].
    Plan(Box<planning::Request>),
    /// What these scripts say about themselves; the answer has a `meta` or null for each.
    Metas(Vec<Source>),
}

impl Job {
    /// Asks a child of `sandbox`.
    pub(super) fn ask<T: DeserializeOwned>(&self, sandbox: &Sandbox) -> Result<T, EngineError> {
        let internal = |error: serde_json::Error| EngineError::Internal(error.to_string());
        let input = serde_json::to_vec(self).map_err(internal)?;
        let output = sandbox.job(input)?;
        serde_json::from_slice(&output).map_err(internal)
    }
}

/// The child's side. An empty answer says that the question made no sense.
pub(super) fn handle(context: &JobContext, input: &[u8]) -> Vec<u8> {
    let answer = match serde_json::from_slice::<Job>(input) {
        Ok(Job::Plan(request)) => serde_json::to_vec(&planning::answer(context, *request)),
        Ok(Job::Metas(sources)) => serde_json::to_vec(&saved::metas(context, &sources)),
        Err(_) => return Vec::new(),
    };
    answer.unwrap_or_default()
}
