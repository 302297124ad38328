//! One run of a workflow as its files tell it: which calls it made, in which phase, and which of them
//! have a result.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::session_files::{is_file, is_id, name_of};

/// The largest file that is read, bytes.
const BYTES_MAX: u64 = 256 << 20;
/// The longest label or title that is taken over, characters.
const TEXT_MAX: usize = 200;

/// A run of a workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkflowRun {
    /// Its id, `wf_…`.
    pub id: String,
    /// The workflow's name, where the files have it.
    pub workflow: Option<String>,
    /// How it ended; none while it runs, or where the client ended first.
    pub status: Option<String>,
    /// Where the client keeps its script.
    pub script: Option<PathBuf>,
    /// Titles of phases in the order of the script, where they are known.
    pub phases: Vec<String>,
    /// Its calls, in the order they were first started.
    pub calls: Vec<WorkflowCall>,
}

/// One `agent()` call, which several agents may have worked at: a call without a result is started
/// again when its run is resumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkflowCall {
    /// Its label.
    pub label: String,
    /// The title of its phase; empty for none.
    pub phase: String,
    /// Its agents, the latest last.
    pub agents: Vec<String>,
    /// Whether it has a result.
    pub has_result: bool,
}

/// A line of a journal, as far as it matters; results are not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    key: Option<String>,
    agent_id: Option<String>,
    label: Option<String>,
    phase: Option<String>,
}

/// What the client writes when a run is over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    workflow_name: Option<String>,
    status: Option<String>,
    script_path: Option<PathBuf>,
    #[serde(default)]
    phases: Vec<Phase>,
    #[serde(default)]
    workflow_progress: Vec<Progress>,
}

#[derive(Deserialize)]
struct Phase {
    title: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    agent_id: Option<String>,
    label: Option<String>,
    phase_title: Option<String>,
}

impl WorkflowRun {
    /// The run whose folder is `folder`, in the session whose folder is `session`. What cannot be
    /// read is left out.
    pub fn read(session: &Path, folder: &Path) -> Option<Self> {
        let id = name_of(folder).filter(|name| is_id(name))?.to_owned();
        let mut run = Self { id, ..Self::default() };
        run.take_journal(&text_of(&folder.join("journal.jsonl"))?);
        let workflows = session.join("workflows");
        run.script = script_of(&workflows.join("scripts"), &run.id);
        run.workflow = run.script.as_deref().and_then(|script| {
            let name = name_of(script)?.strip_suffix(&format!("-{}.js", run.id))?;
            Some(short(name))
        });
        let summary = text_of(&workflows.join(format!("{}.json", run.id)));
        let summary = summary.and_then(|text| serde_json::from_slice::<Summary>(&text).ok());
        if let Some(summary) = summary {
            run.take_summary(summary);
        }
        Some(run)
    }

    fn take_journal(&mut self, journal: &[u8]) {
        let mut known: HashMap<String, usize> = HashMap::new();
        // A line that is not written to its end is no line yet.
        let lines = journal.split_inclusive(|byte| *byte == b'\n');
        for line in lines.filter(|line| line.ends_with(b"\n")) {
            let Ok(entry) = serde_json::from_slice::<Entry>(line) else { continue };
            let Some(agent) = entry.agent_id.filter(|agent| is_id(agent)) else { continue };
            let key = entry.key.unwrap_or_else(|| agent.clone());
            let at = known.get(&key).copied();
            match (entry.kind.as_str(), at.and_then(|at| self.calls.get_mut(at))) {
                ("started", Some(call)) if !call.agents.contains(&agent) => call.agents.push(agent),
                ("started", None) => {
                    known.insert(key, self.calls.len());
                    self.calls.push(WorkflowCall {
                        label: entry.label.map_or_else(String::new, |label| short(&label)),
                        phase: entry.phase.map_or_else(String::new, |phase| short(&phase)),
                        agents: vec![agent],
                        has_result: false,
                    });
                }
                ("result", Some(call)) => call.has_result = true,
                _ => {}
            }
        }
    }

    fn take_summary(&mut self, summary: Summary) {
        self.workflow = summary.workflow_name.map(|name| short(&name)).or(self.workflow.take());
        self.status = summary.status.map(|status| short(&status));
        self.script = summary.script_path.or(self.script.take());
        self.phases = summary.phases.into_iter().map(|phase| short(&phase.title)).collect();
        for progress in summary.workflow_progress {
            let Some(agent) = progress.agent_id else { continue };
            let of_agent = self.calls.iter_mut().find(|call| call.agents.contains(&agent));
            let Some(call) = of_agent else { continue };
            // Older clients write neither into the journal.
            if call.label.is_empty() {
                call.label = progress.label.map_or_else(String::new, |label| short(&label));
            }
            if call.phase.is_empty() {
                call.phase = progress.phase_title.map_or_else(String::new, |title| short(&title));
            }
        }
    }
}

/// The file that the client keeps the script of `run` in.
fn script_of(scripts: &Path, run: &str) -> Option<PathBuf> {
    let tail = format!("-{run}.js");
    let entries = fs::read_dir(scripts).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    entries.filter(|path| name_of(path).is_some_and(|name| name.ends_with(&tail))).min()
}

fn text_of(path: &Path) -> Option<Vec<u8>> {
    if !is_file(path) {
        return None;
    }
    let mut text = Vec::new();
    File::open(path).ok()?.take(BYTES_MAX).read_to_end(&mut text).ok()?;
    Some(text)
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}
