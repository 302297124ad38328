//! What a call would start, as something that can be planned.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::super::context::Context;
use super::super::error::AppError;
use super::super::saved::{self, SavedMetas};
use crate::claude::agent_type::{self, GENERAL};
use crate::claude::hook::{AgentLaunch, ScriptSource, ToolCall, WorkflowLaunch};
use crate::claude::resumed_run;
use crate::config::registry::project_folders;
use crate::config::source::TEXT_BYTES_MAX;
use crate::config::{Registry, SourceFile};
use crate::plan::job::Replayed;
use crate::ports::script::ScriptArgs;

/// Claude Code's own workflows: they are in its binary, where nobody can read them.
const BUILT_IN: [&str; 2] = ["deep-research", "code-review"];
/// A workflow of one agent, to plan an agent that is started alone.
const ONE_AGENT: &str = "export const meta = { name: 'agent', description: 'One agent' }\n\
                         return await agent(args.prompt, args.options)\n";

/// Something that can be planned.
pub(super) struct Subject {
    /// What `flyball plan` would be given: a path, a name, or what it is.
    pub(super) named: String,
    /// The script.
    pub(super) script: SourceFile,
    /// What else is in reach.
    pub(super) registry: Registry,
    /// What it is called with.
    pub(super) args: ScriptArgs,
    /// Agents that are taken over from an earlier run.
    pub(super) replayed: Vec<Replayed>,
    /// What the tool is to be called with instead, so that what runs is what was planned.
    pub(super) input: Option<Map<String, Value>>,
    /// What has to be known about it, in words.
    pub(super) notes: Vec<String>,
}

/// What became of the search for a script.
pub(super) enum Found {
    /// It can be planned.
    Subject(Box<Subject>),
    /// It is one of Claude Code's own workflows, by this name.
    BuiltIn(String),
    /// There is no such script, in words.
    Nothing(String),
}

/// What `launch` would start.
pub(super) fn of_workflow(
    launch: &WorkflowLaunch,
    call: &ToolCall,
    context: &Context,
) -> Result<Found, AppError> {
    let registry = Registry::scan(&context.working_folder, &context.environment);
    let script = match &launch.source {
        ScriptSource::Text(text) => Ok(inline(text)),
        ScriptSource::Path(path) => {
            SourceFile::read(&context.working_folder.join(path), TEXT_BYTES_MAX)
                .map_err(|error| error.to_string())
        }
        ScriptSource::Name(name) if BUILT_IN.contains(&name.as_str()) => {
            return Ok(Found::BuiltIn(name.clone()));
        }
        ScriptSource::Name(name) => {
            let metas = SavedMetas::read(&saved::sources(&registry))?;
            saved::closest_named(name, &registry, &metas)
                .ok_or_else(|| format!("there is no saved workflow `{name}`"))
        }
    };
    let script = match script {
        Ok(script) if script.text.len() as u64 > TEXT_BYTES_MAX => {
            return Ok(Found::Nothing(format!("the script has more than {TEXT_BYTES_MAX} bytes")));
        }
        Ok(script) => script,
        Err(words) => return Ok(Found::Nothing(words)),
    };
    let named = match &launch.source {
        ScriptSource::Text(_) => script.name.clone(),
        ScriptSource::Path(path) => path.display().to_string(),
        ScriptSource::Name(name) => name.clone(),
    };
    let mut notes = Vec::new();
    let replayed = match &launch.resume {
        Some(run) => replayed(run, &script, call, &mut notes),
        None => Vec::new(),
    };
    let args = launch.args.clone();
    let input = launch.ambiguous.then(|| narrowed(&launch.input));
    Ok(Found::Subject(Box::new(Subject { named, script, registry, args, replayed, input, notes })))
}

/// The input of a call that names several scripts with only the one that was planned.
fn narrowed(input: &Map<String, Value>) -> Map<String, Value> {
    let kept = |(key, _): &(&String, &Value)| !matches!(key.as_str(), "script" | "name");
    input.iter().filter(kept).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn inline(text: &str) -> SourceFile {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    SourceFile { name: "the script".to_owned(), path: None, text: text.to_owned() }
}

/// The agents that a resumed run takes over: none where it cannot be told, which only makes the
/// launch look dearer than it is.
fn replayed(
    run: &str,
    script: &SourceFile,
    call: &ToolCall,
    notes: &mut Vec<String>,
) -> Vec<Replayed> {
    let mut whole = |why: &str| {
        notes.push(format!("planned as a whole, though it resumes {run}: {why}"));
        Vec::new()
    };
    let Some(transcript) = &call.transcript_path else { return whole("no transcript is named") };
    let resumed = match resumed_run::find(transcript, run) {
        Ok(Some(resumed)) => resumed,
        Ok(None) => return whole("the session has no such run"),
        Err(error) => return whole(&format!("its journal cannot be read: {error}")),
    };
    match &resumed.script {
        Some(text) if *text == script.text => {}
        Some(_) => return whole("the script has changed since"),
        None => return whole("what it ran is not known yet"),
    }
    let agents = resumed.finished.len();
    notes
        .push(format!("resumes {run}: {agents} of its agents are taken over if args are the same"));
    let replayed =
        |agent: resumed_run::FinishedAgent| Replayed { label: agent.label, result: agent.result };
    resumed.finished.into_iter().map(replayed).collect()
}

/// The agent of `launch`, as a workflow of one.
pub(super) fn of_agent(launch: &AgentLaunch, context: &Context) -> Subject {
    let folders = agent_folders(context);
    let agent_type = launch.agent_type.as_deref();
    let of_type = || agent_type.and_then(|name| agent_type::model_of(name, &folders));
    let model = launch.model.clone().or_else(of_type);
    let (named, text) = ("one agent".to_owned(), ONE_AGENT.to_owned());
    Subject {
        script: SourceFile { name: named.clone(), path: None, text },
        named,
        registry: Registry::default(),
        args: one_agent(launch, model.as_deref()),
        replayed: Vec::new(),
        input: None,
        notes: Vec::new(),
    }
}

/// What the workflow of one agent is called with, to run it on `model`.
pub(super) fn one_agent(launch: &AgentLaunch, model: Option<&str>) -> ScriptArgs {
    let options = json!({
        "label": launch.description,
        "agentType": launch.agent_type.as_deref().filter(|name| *name != GENERAL),
        "model": model,
        "isolation": launch.worktree.then_some("worktree"),
    });
    ScriptArgs::Json(json!({ "prompt": launch.prompt, "options": options }).to_string())
}

/// Where agent types are defined, closest first.
fn agent_folders(context: &Context) -> Vec<PathBuf> {
    let project = project_folders(&context.working_folder);
    let project = project.iter().map(|folder| folder.join(".claude").join("agents"));
    let personal = context.environment.claude_folder.as_deref();
    project.chain(personal.map(|folder: &Path| folder.join("agents"))).collect()
}
