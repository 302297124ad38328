//! What the hook leaves for who started the client: what it decided about each call, with the plan.

use std::path::Path;

use serde::Serialize;

use super::super::error::AppError;
use super::super::output;
use crate::claude::hook::ToolCall;
use crate::plan::report::PlanReport;
use crate::report::json;

/// The version of the file.
const VERSION: u32 = 1;
/// The longest id of a call that names a file, in bytes.
const ID_BYTES_MAX: usize = 128;

/// What was decided about one call.
#[derive(Serialize)]
pub(super) struct Decided<'a> {
    version: u32,
    session_id: Option<&'a str>,
    tool_use_id: Option<&'a str>,
    /// The workflow's own name; that of the call where it could not be planned.
    pub(super) workflow: &'a str,
    /// `allow`, `rewrite`, `ask` or `deny`.
    pub(super) decision: &'a str,
    /// The plan, where there is one.
    pub(super) plan: Option<&'a PlanReport>,
    /// What the model or the user is told.
    pub(super) reason: Option<&'a str>,
}

impl<'a> Decided<'a> {
    /// Nothing yet about `call`.
    pub(super) fn about(call: &'a ToolCall) -> Self {
        Self {
            version: VERSION,
            session_id: call.session_id.as_deref(),
            tool_use_id: call.tool_use_id.as_deref(),
            workflow: "",
            decision: "",
            plan: None,
            reason: None,
        }
    }

    /// Writes it into `folder`, as a file of the call's name.
    pub(super) fn write(&self, folder: &Path) -> Result<(), AppError> {
        let name = file_name(self.tool_use_id.unwrap_or("call"));
        output::write_file(&folder.join(format!("{name}.json")), &json::pretty(self))
    }
}

/// `id` with everything replaced that a name of a file had better not have.
fn file_name(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    id.chars().map(plain).take(ID_BYTES_MAX).collect()
}
