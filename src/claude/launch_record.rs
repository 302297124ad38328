//! What the launch gate wrote down of a call that it decided about.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::plan::report::PlanReport;

/// The largest record that is read, bytes.
const BYTES_MAX: u64 = 16 << 20;
/// Records that are read of one folder.
const RECORDS_MAX: usize = 10_000;

/// A call that was decided about.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LaunchRecord {
    /// The session that called.
    pub session_id: Option<String>,
    /// The call.
    pub tool_use_id: String,
    /// The workflow's name; none for a single agent.
    pub workflow: Option<String>,
    /// `allow`, `rewrite`, `ask` or `deny`.
    pub decision: String,
    /// The forecast, where there is one.
    pub plan: Option<Box<PlanReport>>,
    /// Why.
    pub reason: Option<String>,
}

impl LaunchRecord {
    /// Every record in `folder` that can be read.
    pub fn all(folder: &Path) -> Vec<Self> {
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let read = |path: &Path| -> Option<Self> {
            let found = fs::symlink_metadata(path).ok()?;
            if !found.is_file() || found.len() > BYTES_MAX {
                return None;
            }
            serde_json::from_slice(&fs::read(path).ok()?).ok()
        };
        let paths = entries.map(|entry| entry.path()).take(RECORDS_MAX);
        let of_json = |path: &std::path::PathBuf| path.extension().is_some_and(|end| end == "json");
        paths.filter(of_json).filter_map(|path| read(&path)).collect()
    }
}
