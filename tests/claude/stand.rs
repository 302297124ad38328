//! A home, a repository and calls of a client, and the binary that answers them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A script of one agent.
pub(super) const ONE: &str = "export const meta = { name: 'one', description: 'One agent' }\n\
     return await agent('Look at the code', { label: 'look', model: 'haiku' })\n";

/// A script of twelve agents and one that reads what they found.
pub(super) const TWELVE: &str = "export const meta = { name: 'twelve', description: 'Many agents' }\n\
     const parts = Array.from({ length: 12 }, (_, part) => part)\n\
     const found = await parallel(parts.map(part => () =>\n\
     agent(`Look at part ${part}`, { label: `look:${part}`, phase: 'Look' })))\n\
     return await agent('Sum up ' + JSON.stringify(found), { label: 'report', phase: 'Report' })\n";

/// The day whose prices the tests are about.
pub(super) const DAY: &str = "2026-11-22";

/// A throw-away machine.
pub(super) struct Machine {
    folder: TempDir,
}

/// What the hook said and how it ended.
pub(super) struct Answered {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Answered {
    /// Its JSON.
    pub(super) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).expect(&self.stdout)
    }

    /// `allow`, `ask`, `deny`, or nothing.
    pub(super) fn decision(&self) -> String {
        self.specific("permissionDecision")
    }

    pub(super) fn reason(&self) -> String {
        self.specific("permissionDecisionReason")
    }

    /// What the user sees.
    pub(super) fn shown(&self) -> String {
        self.json()["systemMessage"].as_str().unwrap_or("").to_owned()
    }

    pub(super) fn updated_input(&self) -> Value {
        self.json()["hookSpecificOutput"]["updatedInput"].clone()
    }

    fn specific(&self, key: &str) -> String {
        self.json()["hookSpecificOutput"][key].as_str().unwrap_or("").to_owned()
    }
}

impl Machine {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir_all(folder.path().join("shop/.git")).unwrap();
        std::fs::create_dir_all(folder.path().join("home")).unwrap();
        Self { folder }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file, `shop/…` in the repository or `home/…`.
    pub(super) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// The text that the client writes for a call of `tool`.
    pub(super) fn call(&self, tool: &str, input: &Value) -> String {
        json!({
            "session_id": "5f1b4a11-0000-4000-8000-000000000001",
            "transcript_path": self.path("home/.claude/projects/shop/session.jsonl"),
            "cwd": self.path("shop"),
            "permission_mode": "default",
            "effort": { "level": "medium" },
            "hook_event_name": "PreToolUse",
            "tool_name": tool,
            "tool_input": input,
            "tool_use_id": "toolu_01",
        })
        .to_string()
    }

    pub(super) fn command(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
        command.env_clear().env("HOME", self.path("home")).current_dir(self.path("shop"));
        command.args(["hook", "pre-tool-use"]).args(flags);
        command
    }

    /// The answer to what the client writes, prices of [`DAY`].
    pub(super) fn answer(&self, text: impl AsRef<[u8]>, flags: &[&str]) -> Answered {
        let mut command = self.command(flags);
        command.args(["--at", DAY]);
        answered(command, text.as_ref())
    }

    /// The answer to a call of the Workflow tool.
    pub(super) fn workflow(&self, input: &Value, flags: &[&str]) -> Answered {
        self.answer(self.call("Workflow", input), flags)
    }

    /// Another command of flyball, which has to end well.
    pub(super) fn flyball(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
        command.env_clear().env("HOME", self.path("home")).current_dir(self.path("shop"));
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// What `command` says to `text` on its standard input.
pub(super) fn answered(mut command: Command, text: &[u8]) -> Answered {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A hook that answers before it has read everything is no failure of the test.
    let _ = child.stdin.take().unwrap().write_all(text);
    let output = child.wait_with_output().unwrap();
    Answered {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The files in `folder`, by name.
pub(super) fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
