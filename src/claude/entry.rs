//! What flyball writes into Claude Code's settings: the hook that is asked before something is
//! started, and the status line. Each is put in and taken out without touching anything else.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::json_text::{JsonText, Step};
use super::shell_command;

/// The tools whose calls start agents.
pub const LAUNCHES: [&str; 3] = ["Workflow", "Agent", "Task"];
/// The variable that Claude Code sets for every hook: the folder that the session was started in.
pub const PROJECT_FOLDER: &str = "CLAUDE_PROJECT_DIR";
const HOOKS: &str = "hooks";
const EVENT: &str = "PreToolUse";
const STATUS_LINE: &str = "statusLine";

/// Why an entry cannot be put in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Something on the way to it is not what Claude Code takes.
    #[error("`{0}` is not {1}")]
    Shape(&'static str, &'static str),
    /// There is a status line already.
    #[error("there is a status line already: {0}")]
    StatusLineTaken(String),
    /// The text has no place for it.
    #[error("its JSON has no place for {0}")]
    NoPlace(&'static str),
}

/// What had to be made for an entry, so that taking it out leaves what was there before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The outermost thing that was made.
    pub outermost: Layer,
    /// What stood between the brackets that it was put into, where nothing else was there.
    pub hollow: Option<String>,
}

/// What lies around an entry, outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The member of the settings: `hooks`, `statusLine`.
    Member,
    /// The list of an event's hooks.
    Event,
    /// The entry itself.
    Entry,
}

/// A hook of flyball that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundHook {
    /// Its group's position among those of the event.
    pub group: usize,
    /// Its position in the group.
    pub position: usize,
    /// Which tools it is asked about, as written; `None` is all of them.
    pub matcher: Option<String>,
    /// The command.
    pub command: String,
}

impl FoundHook {
    /// The tools that start agents and that it is not asked about.
    pub fn missed(&self) -> Vec<&'static str> {
        let matcher = self.matcher.as_deref().unwrap_or("").trim();
        if ["", "*", ".*"].contains(&matcher) {
            return Vec::new();
        }
        let names: Vec<&str> = matcher.split('|').map(str::trim).collect();
        // `Task` is the older name of `Agent`: one of them will do.
        let one_agent = ["Task", "Agent"].iter().any(|name| names.contains(name));
        let asked = |tool: &&str| names.contains(tool) || (one_agent && *tool != "Workflow");
        LAUNCHES.into_iter().filter(|tool| !asked(tool)).collect()
    }
}

/// The text with an entry in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The text; `None` where it says all of it already.
    pub text: Option<String>,
    /// What was made for it; `None` where the entry was there, or another in its place.
    pub made: Option<Made>,
}

/// The hooks of flyball that are asked before something is started. Whatever is not as Claude Code
/// takes it holds none.
pub fn hooks(settings: &Value) -> Vec<FoundHook> {
    let groups = settings.get(HOOKS).and_then(|hooks| hooks.get(EVENT)).and_then(Value::as_array);
    let mut found = Vec::new();
    for (group, value) in groups.into_iter().flatten().enumerate() {
        let hooks = value.get(HOOKS).and_then(Value::as_array).into_iter().flatten();
        for (position, hook) in hooks.enumerate() {
            let command = hook.get("command").and_then(Value::as_str).unwrap_or("");
            if is_gate(command) {
                let matcher = value.get("matcher").and_then(Value::as_str).map(str::to_owned);
                let command = command.to_owned();
                found.push(FoundHook { group, position, matcher, command });
            }
        }
    }
    found
}

/// Whether a shell command is flyball's answer to a launch.
pub fn is_gate(command: &str) -> bool {
    shell_command::of_flyball(command).is_some_and(|(_, words)| {
        words.starts_with(&["hook".to_owned(), "pre-tool-use".to_owned()])
    })
}

fn is_status_line(command: &str) -> bool {
    shell_command::of_flyball(command)
        .is_some_and(|(_, words)| words.first().is_some_and(|word| word == "statusline"))
}

/// The command of the status line, whosever it is.
pub fn status_line(settings: &Value) -> Option<&str> {
    settings.get(STATUS_LINE)?.get("command")?.as_str()
}

/// `settings` with `command` asked before something is started. A command of flyball that is there
/// gives way.
///
/// # Errors
/// `hooks` is there and is no object, or its event is no list.
pub fn put_hook(settings: &JsonText, command: &str) -> Result<Put, EntryError> {
    let hooks_value = settings.value().get(HOOKS);
    if hooks_value.is_some_and(|value| !value.is_object()) {
        return Err(EntryError::Shape(HOOKS, "an object"));
    }
    let event = hooks_value.and_then(|value| value.get(EVENT));
    if event.is_some_and(|value| !value.is_array()) {
        return Err(EntryError::Shape("hooks.PreToolUse", "a list"));
    }
    if let Some(found) = hooks(settings.value()).first() {
        if found.command == command {
            return Ok(Put { text: None, made: None });
        }
        let path = [&path_of(found)[..], &[Step::Key("command")]].concat();
        let text = settings.replaced(&path, &command.into()).ok_or(EntryError::NoPlace("it"))?;
        return Ok(Put { text: Some(text), made: None });
    }
    let group = json!({
        "matcher": LAUNCHES.join("|"),
        "hooks": [{ "type": "command", "command": command }],
    });
    let (outermost, path, key, value): (_, &[Step<'_>], _, _) = match (hooks_value, event) {
        (_, Some(_)) => (Layer::Entry, &[Step::Key(HOOKS), Step::Key(EVENT)], None, group),
        (Some(_), None) => (Layer::Event, &[Step::Key(HOOKS)], Some(EVENT), json!([group])),
        (None, None) => (Layer::Member, &[], Some(HOOKS), json!({ EVENT: [group] })),
    };
    put(settings, outermost, path, key, &value, "a hook")
}

/// `settings` with `command` as the status line. One of flyball's gives way.
///
/// # Errors
/// There is a status line of somebody else.
pub fn put_status_line(settings: &JsonText, command: &str) -> Result<Put, EntryError> {
    match (settings.value().get(STATUS_LINE), status_line(settings.value())) {
        (_, Some(there)) if there == command => return Ok(Put { text: None, made: None }),
        (_, Some(there)) if is_status_line(there) => {
            let path = [Step::Key(STATUS_LINE), Step::Key("command")];
            let text =
                settings.replaced(&path, &command.into()).ok_or(EntryError::NoPlace("it"))?;
            return Ok(Put { text: Some(text), made: None });
        }
        (Some(there), named) => {
            let named = named.map_or_else(|| there.to_string(), str::to_owned);
            return Err(EntryError::StatusLineTaken(named));
        }
        (None, _) => {}
    }
    let value = json!({ "type": "command", "command": command });
    put(settings, Layer::Member, &[], Some(STATUS_LINE), &value, "a status line")
}

fn put(
    settings: &JsonText,
    outermost: Layer,
    path: &[Step<'_>],
    key: Option<&str>,
    value: &Value,
    what: &'static str,
) -> Result<Put, EntryError> {
    let hollow = settings.hollow(path).map(str::to_owned);
    let text = settings.with(path, key, value).ok_or(EntryError::NoPlace(what))?;
    Ok(Put { text: Some(text), made: Some(Made { outermost, hollow }) })
}

/// `settings` without one hook of flyball, and without what was made for it and holds nothing else;
/// `None` where there is none. Where nobody knows what was made, empty things go too.
pub fn without_hook(settings: &JsonText, made: Option<&Made>) -> Option<String> {
    let outermost = made.map_or(Layer::Member, |made| made.outermost);
    let hollow = made.and_then(|made| made.hollow.as_deref()).unwrap_or("");
    let value = settings.value();
    let found = hooks(value).into_iter().next()?;
    let all = value.get(HOOKS)?;
    let groups = all.get(EVENT)?.as_array()?;
    let in_group = groups.get(found.group)?.get(HOOKS)?.as_array()?;
    let path = path_of(&found);
    // The whole path is `hooks`, its event, a group, the group's `hooks`, a position.
    let kept = if in_group.len() > 1 {
        path.len()
    } else if groups.len() > 1 || outermost > Layer::Event {
        3
    } else if all.as_object()?.len() > 1 || outermost > Layer::Member {
        2
    } else {
        1
    };
    settings.without(path.get(..kept)?, hollow)
}

/// `settings` without the status line of flyball; `None` where there is none.
pub fn without_status_line(settings: &JsonText, made: Option<&Made>) -> Option<String> {
    status_line(settings.value()).filter(|command| is_status_line(command))?;
    let hollow = made.and_then(|made| made.hollow.as_deref()).unwrap_or("");
    settings.without(&[Step::Key(STATUS_LINE)], hollow)
}

fn path_of(found: &FoundHook) -> [Step<'static>; 5] {
    [
        Step::Key(HOOKS),
        Step::Key(EVENT),
        Step::At(found.group),
        Step::Key(HOOKS),
        Step::At(found.position),
    ]
}
