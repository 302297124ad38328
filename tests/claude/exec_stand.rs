//! `flyball exec` before a simulated upstream, with a client that does what a test says.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::upstream::stand::Stand as Upstream;

/// A session of the client.
pub(super) const SESSION: &str = "6f0c2d1e-0000-4000-8000-000000000001";
/// A run of a workflow.
pub(super) const WORKFLOW: &str = "wf_0123abcd-ef0";

/// A home with a client in it, and an upstream.
pub(super) struct Stand {
    folder: TempDir,
    pub(super) upstream: Upstream,
    /// Of a database, where the ledger is not in the home.
    ledger: Option<String>,
}

/// A command that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    /// What the client printed, line by line.
    pub(super) said: Vec<Value>,
    pub(super) stderr: String,
    /// Null where there is none.
    pub(super) report: Value,
}

impl Stand {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/claude/fake.py");
        for name in ["claude", "other"] {
            symlink(&fake, folder.path().join(name)).unwrap();
        }
        std::fs::create_dir(folder.path().join("project")).unwrap();
        Self { folder, upstream: Upstream::new(), ledger: None }
    }

    /// With its ledger in the Postgres database at `url`.
    pub(super) fn with_ledger_at(url: String) -> Self {
        Self { ledger: Some(url), ..Self::new() }
    }

    pub(super) fn home(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn claude(&self) -> PathBuf {
        self.home().join("claude")
    }

    /// The upstream's address.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.upstream.address())
    }

    pub(super) fn flyball(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
        command
            .args(arguments)
            .current_dir(self.home().join("project"))
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.home());
        command.envs(self.ledger.iter().map(|url| ("FLYBALL_LEDGER", url)));
        command
    }

    /// `flyball exec` with `flags`, the program and its own arguments; the steps come last.
    pub(super) fn command(
        &self,
        flags: &[&str],
        program: &Path,
        arguments: &[&str],
        steps: &Value,
    ) -> Command {
        let mut command = self.flyball(&["exec", "--project", "shop", "--out", "report.json"]);
        if !flags.contains(&"--gateway") {
            command.args(["--upstream", &self.url()]);
        }
        command.args(flags).arg("--").arg(program).args(arguments).arg(steps.to_string());
        command
    }

    /// Runs Claude Code, as far as a name makes it.
    pub(super) fn exec(&self, flags: &[&str], steps: &Value) -> Ended {
        self.ends(&mut self.command(flags, &self.claude(), &[], steps))
    }

    pub(super) fn ends(&self, command: &mut Command) -> Ended {
        let path = self.home().join("project/report.json");
        let _none = std::fs::remove_file(&path);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let report = std::fs::read(&path).ok();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let ended = Ended {
            code: output.status.code(),
            said: stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            report: report.map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap()),
        };
        let left = self.home().join(".local/state/flyball/exec");
        let left = left.read_dir().map_or(0, Iterator::count);
        assert_eq!(left, 0, "a folder of settings was left behind: {ended:?}");
        ended
    }

    /// Starts it, and waits until the client says that it waits.
    pub(super) fn starts(
        &self,
        flags: &[&str],
        steps: &Value,
    ) -> (Child, BufReader<std::process::ChildStdout>) {
        let mut command = self.command(flags, &self.claude(), &[], steps);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        (child, lines)
    }
}

/// A request of the main loop that is answered with 2,000 tokens: a cent, and a thousandth or so for
/// its prompt.
pub(super) fn asks() -> Value {
    json!({ "do": "ask", "session": SESSION, "text": "@simulate {\"output_tokens\":2000}" })
}

/// The same of an agent of the workflow.
pub(super) fn agent_asks(agent: &str) -> Value {
    let mut step = asks();
    step["agent"] = json!(agent);
    step["folder"] = json!(format!("workflows/{WORKFLOW}/"));
    step
}

/// A line of the workflow's journal.
pub(super) fn journal(line: &Value) -> Value {
    let path = format!("{SESSION}/subagents/workflows/{WORKFLOW}/journal.jsonl");
    json!({ "do": "append", "path": path, "line": line })
}

pub(super) fn started(agent: &str, label: &str, phase: &str) -> Value {
    journal(&json!({
        "type": "started", "key": format!("v2:{label}"), "agentId": agent, "label": label,
        "phase": phase,
    }))
}

pub(super) fn result(agent: &str, label: &str) -> Value {
    let key = format!("v2:{label}");
    journal(&json!({ "type": "result", "key": key, "agentId": agent, "result": "fine" }))
}

/// What the client writes once the workflow is over.
pub(super) fn over() -> Value {
    let script = format!("/home/{SESSION}/workflows/scripts/parts-{WORKFLOW}.js");
    let line = json!({
        "runId": WORKFLOW, "workflowName": "parts", "status": "completed", "scriptPath": script,
        "phases": [{ "title": "Look" }, { "title": "Sum" }],
    });
    json!({ "do": "append", "path": format!("{SESSION}/workflows/{WORKFLOW}.json"), "line": line })
}
