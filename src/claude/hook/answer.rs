//! What a hook answers: one JSON object on standard output, with exit code 0.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::gate::Gate;

/// An answer to one call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// What becomes of the call; `None` leaves it to Claude Code's own rules.
    pub decision: Option<Gate>,
    /// Why: the model reads it where the call is denied, the user where they are asked.
    pub reason: Option<String>,
    /// What the tool is called with instead: the whole input.
    pub updated_input: Option<Map<String, Value>>,
    /// What the model is told besides.
    pub context: Option<String>,
    /// What the user is shown.
    pub shown: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hook_specific_output: Option<Specific<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Specific<'a> {
    hook_event_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission_decision: Option<Gate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission_decision_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_input: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_context: Option<&'a str>,
}

impl Answer {
    /// As Claude Code reads it, on one line.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let says_nothing =
            self.decision.is_none() && self.updated_input.is_none() && self.context.is_none();
        let specific = Specific {
            hook_event_name: "PreToolUse",
            permission_decision: self.decision,
            permission_decision_reason: self.reason.as_deref(),
            updated_input: self.updated_input.as_ref(),
            additional_context: self.context.as_deref(),
        };
        let wire = Wire {
            system_message: self.shown.as_deref(),
            hook_specific_output: (!says_nothing).then_some(specific),
        };
        Ok(serde_json::to_string(&wire)? + "\n")
    }
}
