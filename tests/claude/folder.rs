//! Claude Code's folder as 2.1.330 writes it, as far as it tells agents apart. Seen in a run of a
//! workflow with labels and phases, of agents of the Agent tool and their own, of a fork and of a
//! teammate, each before `flyball simulate-upstream`:
//!
//! - `journal.jsonl` begins with `{"type":"launched"}`; of each agent it has a line `started` with
//!   `key`, `agentId`, and `label` and `phase` where there are any, and at its end a line `result`
//!   with what it returned. With many agents at once the line of most comes after their first
//!   request.
//! - `agent-<id>.meta.json` is written as `agent-<id>.meta.json.tmp.<8 hex>` and renamed; of most
//!   agents before, of some just after their first request. Of a workflow it has `agentType`
//!   (`workflow-subagent` where the script asks for none), `description` (the label), `workflowPhase`
//!   and `inWorkflowRun`; of others `toolUseId`, and `parentAgentId` where an agent started it.
//! - A script without a label has the first words of the prompt for one, up to 60 characters.
//! - `workflows/scripts/<name>-<run>.js` is there before the first request, but not where the client
//!   was given the path of a script.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The project that sessions are of.
const PROJECT: &str = "-home-ann-shop";

/// A folder of Claude Code.
pub(crate) struct ClientFolder(TempDir);

/// An agent of a workflow.
#[derive(Clone, Copy)]
pub(crate) struct Started<'a> {
    pub(crate) session: &'a str,
    pub(crate) run: &'a str,
    pub(crate) agent: &'a str,
    pub(crate) label: Option<&'a str>,
    pub(crate) phase: Option<&'a str>,
}

impl ClientFolder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// What `CLAUDE_CONFIG_DIR` would be.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn session(&self, session: &str) -> PathBuf {
        self.path().join("projects").join(PROJECT).join(session)
    }

    pub(crate) fn run(&self, session: &str, run: &str) -> PathBuf {
        self.session(session).join("subagents/workflows").join(run)
    }

    /// A workflow begins; `name` where the client has the text of its script.
    pub(crate) fn launches(&self, session: &str, run: &str, name: Option<&str>) {
        fs::create_dir_all(self.run(session, run)).unwrap();
        self.journal(session, run, &json!({ "type": "launched" }));
        if let Some(name) = name {
            let scripts = self.session(session).join("workflows/scripts");
            fs::create_dir_all(&scripts).unwrap();
            fs::write(scripts.join(format!("{name}-{run}.js")), "return 1").unwrap();
        }
    }

    /// Adds a line to the journal of a run.
    pub(crate) fn journal(&self, session: &str, run: &str, line: &Value) {
        let path = self.run(session, run).join("journal.jsonl");
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    }

    /// An agent of a workflow, in the journal and described.
    pub(crate) fn starts(&self, started: Started<'_>) {
        self.journal(started.session, started.run, &started.line());
        self.describes(started);
    }

    /// The description of an agent of a workflow.
    pub(crate) fn describes(&self, started: Started<'_>) {
        let mut meta = json!({
            "agentType": "workflow-subagent", "isBuiltIn": true, "spawnDepth": 1,
            "requestShape": "foreground", "model": "claude-opus-5-5", "inWorkflowRun": true,
        });
        if let Some(label) = started.label {
            meta["description"] = json!(label);
        }
        if let Some(phase) = started.phase {
            meta["workflowPhase"] = json!(phase);
        }
        let path = self.run(started.session, started.run).join(meta_of(started.agent));
        put(&path, &meta.to_string());
    }

    /// An agent of the Agent tool, which another may have started.
    pub(crate) fn spawns(&self, session: &str, agent: &str, parent: Option<&str>) {
        let folder = self.session(session).join("subagents");
        fs::create_dir_all(&folder).unwrap();
        let mut meta = json!({
            "agentType": "general-purpose", "isBuiltIn": true, "description": "look",
            "toolUseId": "toolu_1", "spawnDepth": 1 + u8::from(parent.is_some()),
        });
        if let Some(parent) = parent {
            meta["parentAgentId"] = json!(parent);
        }
        put(&folder.join(meta_of(agent)), &meta.to_string());
    }
}

impl Started<'_> {
    /// Its line in the journal.
    pub(crate) fn line(&self) -> Value {
        let mut line = json!({ "type": "started", "key": "v2:00", "agentId": self.agent });
        for (name, value) in [("label", self.label), ("phase", self.phase)] {
            if let Some(value) = value {
                line[name] = json!(value);
            }
        }
        line
    }
}

pub(crate) fn meta_of(agent: &str) -> String {
    format!("agent-{agent}.meta.json")
}

/// Writes a file as the client does: it is there as a whole, or not at all.
pub(crate) fn put(path: &Path, text: &str) {
    let unfinished = path.with_extension("json.tmp.0badcafe");
    fs::write(&unfinished, text).unwrap();
    fs::rename(unfinished, path).unwrap();
}
