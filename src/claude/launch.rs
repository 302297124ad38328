//! The command line of a client: whether it is Claude Code, which settings the user gave it, and the
//! same with others.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::session_files::is_id;

/// The program of Claude Code.
const PROGRAM: &str = "claude";
/// The flag that names settings; of several, the client takes the last.
const SETTINGS: &str = "--settings";
/// The flags that name a session.
const SESSIONS: [&str; 3] = ["--resume", "-r", "--session-id"];

/// Whether `program` is Claude Code by its name.
pub fn is_claude_code(program: &OsStr) -> bool {
    Path::new(program).file_stem().is_some_and(|name| name == PROGRAM)
}

/// Whether `arguments` ask for an answer without a conversation: nobody is there to be asked.
pub fn prints(arguments: &[OsString]) -> bool {
    flags(arguments).iter().any(|argument| *argument == "-p" || *argument == "--print")
}

/// The arguments before `--`: what comes after it is no flag.
fn flags(arguments: &[OsString]) -> &[OsString] {
    let end = arguments.iter().position(|argument| argument == "--");
    arguments.get(..end.unwrap_or(arguments.len())).unwrap_or(arguments)
}

/// Takes `--settings` out of the arguments of Claude Code: the others, and what it would have taken,
/// a file or JSON. A flag without its value stays, for the client to refuse.
pub fn without_settings(arguments: &[OsString]) -> (Vec<OsString>, Option<OsString>) {
    let flags = flags(arguments);
    let mut others = Vec::with_capacity(arguments.len());
    let mut settings = None;
    let mut left = flags.iter();
    while let Some(argument) = left.next() {
        let joined = argument.to_str().and_then(|text| text.strip_prefix("--settings="));
        if let Some(value) = joined {
            settings = Some(value.into());
        } else if argument == SETTINGS {
            match left.next() {
                Some(value) => settings = Some(value.clone()),
                None => others.push(argument.clone()),
            }
        } else {
            others.push(argument.clone());
        }
    }
    others.extend(arguments.iter().skip(flags.len()).cloned());
    (others, settings)
}

/// The arguments with the settings in the file at `path`; they have none of their own.
pub fn with_settings(arguments: Vec<OsString>, path: &Path) -> Vec<OsString> {
    let mut all = vec![SETTINGS.into(), path.into()];
    all.extend(arguments);
    all
}

/// The sessions that the arguments name: one to go on with, or the id of a new one.
pub fn sessions(arguments: &[OsString]) -> Vec<&str> {
    let flags = flags(arguments);
    let values = flags.iter().zip(flags.iter().skip(1));
    let named = values.filter(|(flag, _)| SESSIONS.iter().any(|name| *flag == *name));
    named.filter_map(|(_, value)| value.to_str()).filter(|value| is_id(value)).collect()
}
