//! Runs as a ledger remembers them: what was planned, and what came of it.

use jiff::Timestamp;
use serde_json::Value;

use crate::id::RunId;

/// One execution of a workflow.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Which.
    pub id: RunId,
    /// `meta.name` of its script.
    pub workflow: String,
    /// Whether its agents were simulated and nothing was paid.
    pub simulated: bool,
    /// When it began, to the millisecond.
    pub started_at: Timestamp,
    /// When it ended; `None` while it goes on, or where its process died.
    pub ended_at: Option<Timestamp>,
    /// How it stands, in the words of its report; `running` before there is one.
    pub status: String,
    /// Hashes of what it is a function of: script, args, policy, prices, usage model.
    pub hashes: Value,
    /// Its plan or forecast.
    pub plan: Option<Value>,
    /// The report at its end.
    pub report: Option<Value>,
}
