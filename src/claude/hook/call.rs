//! A tool call as a hook is told of it. Reads what the model wrote, which can be anything.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::ports::script::ScriptArgs;

/// The event that the hook answers.
const EVENT: &str = "PreToolUse";
/// The longest id of a run that is looked up, in bytes; Claude Code's have 15.
const RUN_ID_BYTES_MAX: usize = 64;

/// What Claude Code writes to a `PreToolUse` hook, as far as it is needed.
#[derive(Clone, Debug)]
pub struct ToolCall {
    /// The session.
    pub session_id: Option<String>,
    /// The call.
    pub tool_use_id: Option<String>,
    /// The session's transcript.
    pub transcript_path: Option<PathBuf>,
    /// The folder that the session works in.
    pub cwd: Option<PathBuf>,
    /// The effort of the session, as named.
    pub effort: Option<String>,
    /// What would be started.
    pub launch: Launch,
}

/// What a tool call would start.
#[derive(Clone, Debug)]
pub enum Launch {
    /// A workflow.
    Workflow(WorkflowLaunch),
    /// One agent.
    Agent(AgentLaunch),
    /// Nothing that this hook knows: the call is none of its business.
    Other,
}

/// A call of the `Workflow` tool.
#[derive(Clone, Debug)]
pub struct WorkflowLaunch {
    /// Which script.
    pub source: ScriptSource,
    /// Whether the call names more than one script: which one Claude Code takes is its own business.
    pub ambiguous: bool,
    /// The script's `args`, verbatim.
    pub args: ScriptArgs,
    /// The run whose agents are taken over.
    pub resume: Option<String>,
    /// The whole input, as the model wrote it.
    pub input: Map<String, Value>,
}

/// Which script a workflow is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptSource {
    /// This text.
    Text(String),
    /// This file, absolute or relative to the session's folder.
    Path(PathBuf),
    /// The saved workflow of this name.
    Name(String),
}

/// A call of the `Agent` tool, which older versions call `Task`.
#[derive(Clone, Debug)]
pub struct AgentLaunch {
    /// What it is asked.
    pub prompt: String,
    /// A few words about it.
    pub description: Option<String>,
    /// Its type.
    pub agent_type: Option<String>,
    /// Its model, where the call names one.
    pub model: Option<String>,
    /// Whether it gets a working tree of its own.
    pub worktree: bool,
    /// The whole input, as the model wrote it.
    pub input: Map<String, Value>,
}

/// Why a call cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Not the JSON that a hook is given.
    #[error("standard input is not a hook's call: {0}")]
    Json(#[from] serde_json::Error),
    /// Another event's.
    #[error("this hook answers {EVENT}, not `{0}`: mend its entry in Claude Code's settings")]
    Event(String),
    /// The input of a tool is not as the tool takes it.
    #[error("the {tool} call cannot be read: {problem}")]
    Input {
        /// The tool.
        tool: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// The form on the wire. Inputs of other tools are passed over unread, however deep they are.
#[derive(Deserialize)]
struct Wire<'a> {
    hook_event_name: String,
    tool_name: String,
    #[serde(borrow)]
    tool_input: Option<&'a RawValue>,
    session_id: Option<String>,
    tool_use_id: Option<String>,
    transcript_path: Option<PathBuf>,
    cwd: Option<PathBuf>,
    #[serde(borrow)]
    effort: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Effort {
    level: String,
}

impl ToolCall {
    /// Reads what a hook was given.
    ///
    /// # Errors
    /// What is not JSON, another event, and calls of the tools it knows that are not as those take
    /// them.
    pub fn read(text: &str) -> Result<Self, CallError> {
        let wire: Wire<'_> = serde_json::from_str(text)?;
        if wire.hook_event_name != EVENT {
            return Err(CallError::Event(wire.hook_event_name));
        }
        let input = wire.tool_input.map_or("{}", RawValue::get);
        let launch = match wire.tool_name.as_str() {
            "Workflow" => Launch::Workflow(WorkflowLaunch::read(input)?),
            "Agent" | "Task" => Launch::Agent(AgentLaunch::read(input)?),
            _ => Launch::Other,
        };
        let effort = wire.effort.and_then(|raw| serde_json::from_str::<Effort>(raw.get()).ok());
        Ok(Self {
            session_id: wire.session_id,
            tool_use_id: wire.tool_use_id,
            transcript_path: wire.transcript_path,
            cwd: wire.cwd,
            effort: effort.map(|effort| effort.level),
            launch,
        })
    }
}

impl WorkflowLaunch {
    fn read(input: &str) -> Result<Self, CallError> {
        const TOOL: &str = "Workflow";
        let input = object(TOOL, input)?;
        let script = text(TOOL, &input, "script")?.map(ScriptSource::Text);
        let path = text(TOOL, &input, "scriptPath")?.map(|path| ScriptSource::Path(path.into()));
        let name = text(TOOL, &input, "name")?.map(ScriptSource::Name);
        // A `name` beside a script is only what the run is called.
        let ambiguous = path.is_some() && (script.is_some() || name.is_some());
        let wrong = |problem: &str| CallError::Input { tool: TOOL, problem: problem.to_owned() };
        let source = path
            .or(script)
            .or(name)
            .ok_or_else(|| wrong("it has no script, scriptPath or name"))?;
        let resume = text(TOOL, &input, "resumeFromRunId")?;
        if resume.as_deref().is_some_and(|run| !is_run_id(run)) {
            return Err(wrong("its resumeFromRunId is not the id of a run"));
        }
        let args = match input.get("args") {
            None => ScriptArgs::Absent,
            Some(Value::String(text)) => ScriptArgs::Text(text.clone()),
            Some(json) => ScriptArgs::Json(json.to_string()),
        };
        Ok(Self { source, ambiguous, args, resume, input })
    }
}

impl AgentLaunch {
    fn read(input: &str) -> Result<Self, CallError> {
        const TOOL: &str = "Agent";
        let input = object(TOOL, input)?;
        let missing = || CallError::Input { tool: TOOL, problem: "it has no prompt".to_owned() };
        Ok(Self {
            prompt: text(TOOL, &input, "prompt")?.ok_or_else(missing)?,
            description: text(TOOL, &input, "description")?,
            agent_type: text(TOOL, &input, "subagent_type")?,
            model: text(TOOL, &input, "model")?,
            worktree: text(TOOL, &input, "isolation")?.is_some_and(|kind| kind == "worktree"),
            input,
        })
    }
}

fn object(tool: &'static str, input: &str) -> Result<Map<String, Value>, CallError> {
    serde_json::from_str(input)
        .map_err(|error| CallError::Input { tool, problem: error.to_string() })
}

/// The text at `key`; `None` where there is none, or null.
fn text(
    tool: &'static str,
    input: &Map<String, Value>,
    key: &str,
) -> Result<Option<String>, CallError> {
    match input.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(CallError::Input { tool, problem: format!("its {key} is not a text") }),
    }
}

/// `wf_` and what follows in Claude Code's ids: nothing that leads to another folder.
pub fn is_run_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= RUN_ID_BYTES_MAX
        && text.strip_prefix("wf_").is_some_and(|rest| rest.len() >= 6 && rest.bytes().all(plain))
}
