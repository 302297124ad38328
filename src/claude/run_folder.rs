//! The folder of a session as far as it tells agents apart: which run of a workflow started one, in
//! which phase, under which label. Reads, and never waits.
//!
//! ```text
//! projects/<slug of the working folder>/<session>/
//!     subagents/agent-<id>.meta.json                     an agent of the Agent tool, a fork, a teammate
//!     subagents/workflows/<wf_run>/agent-<id>.meta.json  an agent of a workflow
//!     subagents/workflows/<wf_run>/journal.jsonl         what was started and what it returned
//!     workflows/scripts/<name>-<wf_run>.js               the script, where the client has the text
//! ```
//!
//! Session and agent are from the headers of whoever reaches a gateway, so they are ids or nothing,
//! and below `projects` no symbolic link is followed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::Value;

use crate::claude::session_files::{folders, is_folder, is_id, name_of, runs_below};

/// The longest text that is taken over from a file, bytes.
const TEXT_BYTES_MAX: usize = 4_096;
/// The largest description of an agent that is read, bytes.
const META_BYTES_MAX: u64 = 64 * 1024;
/// So much of the end of a journal is looked through, bytes.
const JOURNAL_BYTES_MAX: u64 = 1 << 20;
/// Only so many journals are, those that were written to last.
const JOURNALS_MAX: usize = 4;
/// Of a folder no more entries are looked at.
const ENTRIES_MAX: usize = 65_536;
/// Agents that started one another are followed so far.
const PARENTS_MAX: usize = 16;
/// Beyond so many sessions what is remembered of all is forgotten.
const SESSIONS_MAX: usize = 1_024;
/// The type of an agent whose script asked for none.
const DEFAULT_TYPE: &str = "workflow-subagent";

/// What the files say of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A workflow started it, itself or through an agent of its own.
    Workflow(WorkflowAgent),
    /// Something else did: the Agent tool, a fork, a team.
    Elsewhere,
    /// Nothing yet.
    NotYet,
    /// Nothing ever: this is no id of a session or an agent.
    Never,
}

/// An agent of a workflow. Texts are as they stand in the files, at most 4,096 bytes of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowAgent {
    /// The id of the run, `wf_…`.
    pub run: String,
    /// The name of the workflow; none where the client was given the path of a script.
    pub workflow: Option<String>,
    /// The title of its phase; none where the script names none.
    pub phase: Option<String>,
    /// Its label; where the script gives none, the first words of its prompt.
    pub label: Option<String>,
    /// The type that the script asked for; none where it did not.
    pub agent_type: Option<String>,
}

/// The folders of the sessions below one folder of Claude Code.
#[derive(Debug)]
pub struct RunFolders {
    projects: PathBuf,
    /// Where sessions were found: in one project each, but for what moved.
    sessions: Mutex<HashMap<String, Vec<PathBuf>>>,
}

impl RunFolders {
    /// Those below `home`, which is `~/.claude` or `CLAUDE_CONFIG_DIR`, whether or not it is there.
    pub fn new(home: &Path) -> Self {
        Self { projects: home.join("projects"), sessions: Mutex::default() }
    }

    /// What the files say now of `agent` in `session`.
    pub fn find(&self, session: &str, agent: &str) -> Found {
        if !is_id(session) || !is_id(agent) {
            return Found::Never;
        }
        let known = self.sessions().get(session).cloned();
        if let Some(found) = known.as_deref().and_then(|folders| within(folders, agent)) {
            return found;
        }
        // It may be new, or have moved.
        let folders = self.folders_of(session);
        if known.as_ref() != Some(&folders) {
            let mut sessions = self.sessions();
            if sessions.len() >= SESSIONS_MAX {
                sessions.clear();
            }
            sessions.insert(session.to_owned(), folders.clone());
        }
        within(&folders, agent).unwrap_or(Found::NotYet)
    }

    fn folders_of(&self, session: &str) -> Vec<PathBuf> {
        folders(&self.projects)
            .map(|project| project.join(session))
            .filter(|folder| is_folder(folder))
            .collect()
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Vec<PathBuf>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the folders of a session say of `agent`, following who started whom.
fn within(sessions: &[PathBuf], agent: &str) -> Option<Found> {
    let mut agent = agent.to_owned();
    for _ in 0..PARENTS_MAX {
        match sessions.iter().find_map(|session| one(session, &agent))? {
            One::Found(found) => return Some(found),
            One::StartedBy(parent) => agent = parent,
        }
    }
    Some(Found::Elsewhere)
}

/// What one folder says of one agent.
enum One {
    Found(Found),
    StartedBy(String),
}

fn one(session: &Path, agent: &str) -> Option<One> {
    let subagents = session.join("subagents");
    let workflows = subagents.join("workflows");
    let described = format!("agent-{agent}.meta.json");
    if is_folder(&subagents)
        && let Some(meta) = Meta::read(&subagents.join(&described))
    {
        return Some(match meta.parent() {
            Some(parent) if parent != agent => One::StartedBy(parent),
            _ => One::Found(Found::Elsewhere),
        });
    }
    let runs: Vec<PathBuf> = if is_folder(&subagents) && is_folder(&workflows) {
        runs_below(&workflows)
    } else {
        Vec::new()
    };
    let here = runs.iter().find_map(|run| Some((run, Meta::read(&run.join(&described))?)));
    if let Some((run, meta)) = here {
        let (phase, label) = (words(meta.workflow_phase), words(meta.description));
        let agent_type = words(meta.agent_type).filter(|kind| kind != DEFAULT_TYPE);
        let found = WorkflowAgent { phase, label, agent_type, ..started_in(session, run) };
        return Some(One::Found(Found::Workflow(found)));
    }
    // A journal is written beside the description, and now and then before it.
    let (run, started) = latest(runs).into_iter().find_map(|run| {
        let started = started(&run.join("journal.jsonl"), agent)?;
        Some((run, started))
    })?;
    let (phase, label) = (words(started.phase), words(started.label));
    let found = WorkflowAgent { phase, label, ..started_in(session, &run) };
    Some(One::Found(Found::Workflow(found)))
}

/// An agent of `run` of which no more is known.
fn started_in(session: &Path, run: &Path) -> WorkflowAgent {
    let run = name_of(run).map_or_else(String::new, str::to_owned);
    let workflow = workflow_of(session, &run);
    WorkflowAgent { run, workflow, phase: None, label: None, agent_type: None }
}

/// The name of the workflow that `run` runs: the client writes its text down before the first agent
/// starts, unless it was given a path.
fn workflow_of(session: &Path, run: &str) -> Option<String> {
    let workflows = session.join("workflows");
    let scripts = workflows.join("scripts");
    if !is_folder(&workflows) || !is_folder(&scripts) {
        return None;
    }
    let tail = format!("-{run}.js");
    let files = fs::read_dir(scripts).ok()?.take(ENTRIES_MAX).filter_map(Result::ok);
    let mut names = files.filter_map(|file| file.file_name().into_string().ok());
    names.find_map(|name| words(Some(Value::String(name.strip_suffix(&tail)?.to_owned()))))
}

/// The runs whose journals were written to last.
fn latest(runs: Vec<PathBuf>) -> Vec<PathBuf> {
    let written = |run: &PathBuf| -> Option<SystemTime> {
        fs::symlink_metadata(run.join("journal.jsonl")).ok()?.modified().ok()
    };
    let mut dated: Vec<_> =
        runs.into_iter().filter_map(|run| Some((written(&run)?, run))).collect();
    dated.sort_unstable_by(|a, b| b.cmp(a));
    dated.into_iter().take(JOURNALS_MAX).map(|(_, run)| run).collect()
}

/// What stands beside an agent; whatever else does is passed over.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    agent_type: Option<Value>,
    /// The label, in a workflow.
    description: Option<Value>,
    workflow_phase: Option<Value>,
    parent_agent_id: Option<Value>,
}

impl Meta {
    /// `None` where it is not there, not written to its end, or not what it should be.
    fn read(path: &Path) -> Option<Self> {
        let text = tail_of(path, META_BYTES_MAX, Whole::Must)?;
        serde_json::from_slice(&text).ok()
    }

    fn parent(&self) -> Option<String> {
        let parent = self.parent_agent_id.as_ref()?.as_str()?;
        is_id(parent).then(|| parent.to_owned())
    }
}

/// A line of a journal that says that an agent was started.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    r#type: Option<Value>,
    agent_id: Option<Value>,
    label: Option<Value>,
    phase: Option<Value>,
}

/// The line of the journal at `path` about the start of `agent`. A line that is not written to its
/// end is no line yet.
fn started(path: &Path, agent: &str) -> Option<Started> {
    let text = tail_of(path, JOURNAL_BYTES_MAX, Whole::May)?;
    let lines = text.split_inclusive(|byte| *byte == b'\n').rev();
    let whole = lines.filter(|line| line.ends_with(b"\n"));
    let read = |line: &[u8]| serde_json::from_slice::<Started>(line).ok();
    let is =
        |value: &Option<Value>, text: &str| value.as_ref().and_then(Value::as_str) == Some(text);
    // What agents returned is in the journal too, and can be long: it is not parsed.
    let about = whole.filter(|line| holds(line, b"\"started\"") && holds(line, agent.as_bytes()));
    about.filter_map(read).find(|line| is(&line.r#type, "started") && is(&line.agent_id, agent))
}

fn holds(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

/// Whether a file has to be read from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Must,
    May,
}

/// The last `bytes_max` bytes of a file. `None` where it is none, cannot be read, or is longer and
/// has to be whole.
fn tail_of(path: &Path, bytes_max: u64, whole: Whole) -> Option<Vec<u8>> {
    let read = || -> io::Result<Option<Vec<u8>>> {
        let found = fs::symlink_metadata(path)?;
        if !found.is_file() || (whole == Whole::Must && found.len() > bytes_max) {
            return Ok(None);
        }
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(found.len().saturating_sub(bytes_max)))?;
        let mut text = Vec::new();
        file.take(bytes_max).read_to_end(&mut text)?;
        Ok(Some(text))
    };
    read().ok().flatten()
}

/// A text of a file that says something, cut where it is too long.
fn words(value: Option<Value>) -> Option<String> {
    let Some(Value::String(mut text)) = value else { return None };
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    (!text.trim().is_empty()).then_some(text)
}
