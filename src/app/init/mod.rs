//! `flyball init`: puts flyball's hook into Claude Code's settings, and takes it out again. Shows
//! what it would change and asks first; touches no byte but those.

mod record;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use self::record::{FileRecord, Records};
use super::amounts::once_per_unit;
use super::context::Context;
use super::error::AppError;
use super::inputs::policy_source;
use super::knowledge;
use super::output;
use crate::claude::entry::{self, EntryError, LAUNCHES, PROJECT_FOLDER, Put};
use crate::claude::json_text::JsonText;
use crate::claude::settings_file::{SettingsFile, SettingsFileError, without_secrets};
use crate::claude::shell_command::shell_word;
use crate::cli::init::InitTyped;
use crate::config::registry::project_folders;
use crate::config::settings::is_policy_file;
use crate::report::line_diff::unified;

/// What the settings are where there are none.
const NOTHING: &str = "{}\n";

pub(super) fn run(typed: &InitTyped, context: &Context) -> Result<(), AppError> {
    once_per_unit("--budget", &typed.budget)?;
    let path = place(typed, context)?;
    let file = SettingsFile::read(&path)?;
    let records = Records::read(context);
    let change = if typed.undo {
        taken_out(&file, records.of(&path))?
    } else {
        put_in(typed, &file, records.of(&path).cloned(), context)?
    };
    let Some(change) = change else {
        let shown = path.display();
        return output::print(&if typed.undo {
            format!("nothing to undo: flyball is not in {shown}\n")
        } else {
            let missed = unchecked(file.json.as_ref());
            format!("nothing to do: {shown} says so already\n{missed}")
        });
    };
    show(&file, &change, context)?;
    if !agreed(typed, context)? {
        return output::print("nothing was written\n");
    }
    let written = change.text.as_deref().map(|text| parsed(&file, text)).transpose()?;
    let missed = unchecked(written.as_ref());
    apply(change, &file, records, context)?;
    let flag = if typed.project { " --project" } else { "" };
    let shown = path.display();
    output::print(&if typed.undo {
        format!("took flyball out of {shown}\n")
    } else {
        format!(
            "wrote {shown}\nsessions that start from now on are checked; see whether all is well \
             with `flyball doctor`, take it out with `flyball init --undo{flag}`\n{missed}"
        )
    })
}

/// What hooks that somebody wrote by hand are not asked about, in a line; empty where that is nothing.
fn unchecked(settings: Option<&JsonText>) -> String {
    let hooks = settings.map_or_else(Vec::new, |json| entry::hooks(json.value()));
    let Some(first) = hooks.first() else { return String::new() };
    let missed = first.missed().into_iter();
    let missed = missed.filter(|tool| hooks.iter().all(|hook| hook.missed().contains(tool)));
    let missed: Vec<&str> = missed.collect();
    if missed.is_empty() {
        return String::new();
    }
    let (matcher, all) = (first.matcher.as_deref().unwrap_or(""), LAUNCHES.join("|"));
    format!(
        "but not every launch: the matcher of the hook is {matcher} and stays so; {} start \
         unchecked until it is {all}\n",
        missed.join(", ")
    )
}

/// What becomes of a settings file.
struct Change {
    /// What it says then; `None` is no file.
    text: Option<String>,
    /// What is remembered of it.
    record: Option<FileRecord>,
}

fn place(typed: &InitTyped, context: &Context) -> Result<PathBuf, AppError> {
    if typed.project {
        return Ok(project_root(context).join(".claude").join("settings.json"));
    }
    let folder = context.environment.claude_folder.as_ref();
    let folder = folder.ok_or_else(|| {
        AppError::usage("there is no home folder with settings in it")
            .with_hint("set HOME or CLAUDE_CONFIG_DIR, or write those of this project: --project")
    })?;
    Ok(context.working_folder.join(folder).join("settings.json"))
}

/// The root of the repository, else the working folder.
pub(super) fn project_root(context: &Context) -> PathBuf {
    let folders = project_folders(&context.working_folder);
    folders.into_iter().next_back().unwrap_or_else(|| context.working_folder.clone())
}

fn put_in(
    typed: &InitTyped,
    file: &SettingsFile,
    record: Option<FileRecord>,
    context: &Context,
) -> Result<Option<Change>, AppError> {
    let program = program(typed)?;
    let refused = |error: EntryError| refused(file, &error);
    let mut record = record.unwrap_or_default();
    let mut json = if let Some(json) = &file.json {
        json.clone()
    } else {
        record.file = true;
        parsed(file, NOTHING)?
    };
    let Put { text, made } =
        entry::put_hook(&json, &hook_command(&program, typed, context)?).map_err(refused)?;
    record.hook = made.or(record.hook);
    let mut changed = text.is_some();
    if let Some(text) = text {
        json = parsed(file, &text)?;
    }
    if typed.status_line {
        let command = format!("{program} statusline");
        let Put { text, made } = entry::put_status_line(&json, &command).map_err(refused)?;
        record.status_line = made.or(record.status_line);
        changed |= text.is_some();
        if let Some(text) = text {
            json = parsed(file, &text)?;
        }
    }
    let text = Some(json.text().to_owned());
    Ok(changed.then_some(Change { text, record: Some(record) }))
}

fn taken_out(file: &SettingsFile, record: Option<&FileRecord>) -> Result<Option<Change>, AppError> {
    let Some(json) = &file.json else { return Ok(None) };
    let mut json = json.clone();
    // Backwards: what was put in last is taken out first.
    let made = record.and_then(|record| record.status_line.as_ref());
    if let Some(text) = entry::without_status_line(&json, made) {
        json = parsed(file, &text)?;
    }
    let made = record.and_then(|record| record.hook.as_ref());
    while let Some(text) = entry::without_hook(&json, made) {
        json = parsed(file, &text)?;
    }
    if json.text() == file.text() {
        return Ok(None);
    }
    let is_left = json.value().as_object().is_some_and(|settings| !settings.is_empty());
    let ours = record.is_some_and(|record| record.file);
    let text = (is_left || !ours).then(|| json.text().to_owned());
    Ok(Some(Change { text, record: None }))
}

/// How this program is called in the settings: those of a repository are for every machine.
fn program(typed: &InitTyped) -> Result<String, AppError> {
    if typed.project {
        return Ok("flyball".to_owned());
    }
    let program = std::env::current_exe().map_err(AppError::bug)?;
    let program = program.to_str().ok_or_else(|| {
        AppError::usage("the path of flyball is not UTF-8 text, so no settings can name it")
    })?;
    Ok(shell_word(program))
}

/// The line that Claude Code gives to a shell. Only exit code 2 blocks a launch: a flyball that is
/// gone or killed would let it go ahead.
fn hook_command(program: &str, typed: &InitTyped, context: &Context) -> Result<String, AppError> {
    let mut words = vec![program.to_owned(), "hook".to_owned(), "pre-tool-use".to_owned()];
    words.extend(typed.hook_flags().iter().map(|flag| shell_word(flag)));
    if let Some(policy) = &typed.policy {
        words.extend(["--policy".to_owned(), policy_named(policy, typed, context)?]);
    }
    let blocked = if typed.fail_open { "" } else { " || exit 2" };
    Ok(words.join(" ") + blocked)
}

/// The policy as a word of the hook's command, which is started in the folder of any session.
fn policy_named(policy: &str, typed: &InitTyped, context: &Context) -> Result<String, AppError> {
    let file = context.working_folder.join(policy);
    if !is_policy_file(policy) {
        knowledge::policy(&policy_source(policy)?)?;
        return Ok(shell_word(policy));
    }
    let absolute = std::fs::canonicalize(&file).unwrap_or(file);
    knowledge::policy(&policy_source(&absolute.display().to_string())?)?;
    let below = typed.project.then(|| std::fs::canonicalize(project_root(context)).ok()).flatten();
    match below.as_deref().map(|root| absolute.strip_prefix(root)) {
        // Claude Code sets the variable for every hook.
        Some(Ok(relative)) => {
            Ok(format!("\"${PROJECT_FOLDER}\"/{}", shell_word(&relative.display().to_string())))
        }
        Some(Err(_)) => Err(AppError::usage(format!("`{policy}` is outside of the repository"))
            .with_hint("others would not have it: put it into the repository")),
        None => Ok(shell_word(&absolute.display().to_string())),
    }
}

fn parsed(file: &SettingsFile, text: &str) -> Result<JsonText, AppError> {
    JsonText::parse(text)
        .map_err(|error| AppError::bug(format!("{}: {error}", file.path.display())))
}

/// Prints what would change, without what is nobody's business on a screen.
fn show(file: &SettingsFile, change: &Change, context: &Context) -> Result<(), AppError> {
    let old = file.json.as_ref().map(without_secrets);
    let new = match &change.text {
        Some(text) => Some(without_secrets(&parsed(file, text)?)),
        None => None,
    };
    let name = file.path.display().to_string();
    output::print(&unified(&name, old.as_deref(), new.as_deref(), context.stdout.page()))
}

fn agreed(typed: &InitTyped, context: &Context) -> Result<bool, AppError> {
    if typed.yes {
        return Ok(true);
    }
    if context.stderr.live && std::io::stdin().is_terminal() {
        return Ok(output::confirm("write it?"));
    }
    Err(AppError::usage("nothing was written: there is nobody to ask")
        .with_hint("the change stands above; write it with --yes"))
}

fn apply(
    change: Change,
    file: &SettingsFile,
    mut records: Records,
    context: &Context,
) -> Result<(), AppError> {
    let path: &Path = &file.path;
    let Some(text) = &change.text else {
        let with_folder = records.of(path).is_some_and(|record| record.folder);
        file.remove(with_folder)?;
        return records.keep(path, None, context);
    };
    // Remembered first: what is remembered in vain does no harm.
    if let Some(record) = change.record {
        let folder = path.parent().is_some_and(|folder| !folder.exists()) || record.folder;
        records.keep(path, Some(FileRecord { folder, ..record }), context)?;
        file.write(text)?;
        return Ok(());
    }
    file.write(text)?;
    records.keep(path, None, context)
}

fn refused(file: &SettingsFile, error: &EntryError) -> AppError {
    let hint = match error {
        EntryError::StatusLineTaken(_) => {
            "call `flyball statusline` from it with the same input, or take it out first"
        }
        EntryError::Shape(..) | EntryError::NoPlace(_) => "nothing was changed",
    };
    AppError::bad_input(format!("{}: {error}", file.path.display())).with_hint(hint)
}

impl From<SettingsFileError> for AppError {
    fn from(error: SettingsFileError) -> Self {
        let hint = match &error {
            SettingsFileError::Json { .. } => {
                "it stays as it is; comments and trailing commas have to go before flyball can edit it"
            }
            SettingsFileError::Unusable { .. } => "it stays as it is",
        };
        Self::bad_input(error).with_hint(hint)
    }
}
