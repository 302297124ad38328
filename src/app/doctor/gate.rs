//! Whether launches are checked: the hook, where it stands and what it leads to.

use std::path::Path;

use clap::Parser;

use super::super::context::Context;
use super::super::init::project_root;
use super::super::inputs::policy_source;
use super::super::knowledge;
use super::settings::{ClientFile, ClientSettings};
use super::{failed, programs};
use crate::claude::entry::{self, FoundHook, LAUNCHES, PROJECT_FOLDER};
use crate::claude::settings_file::SettingsFile;
use crate::claude::shell_command;
use crate::cli::hook::HookCommand;
use crate::cli::{Command, CommandLine};
use crate::config::plugins;
use crate::report::checkup::Check;

const NAME: &str = "hook";

pub(super) fn checks(settings: &ClientSettings, context: &Context) -> Vec<Check> {
    let found: Vec<(&ClientFile, FoundHook)> = settings
        .files
        .iter()
        .flat_map(|file| entry::hooks(&file.settings).into_iter().map(move |hook| (file, hook)))
        .collect();
    let plugin = plugin(settings, context);
    let mut checks: Vec<Check> = off(settings).into_iter().collect();
    checks.extend(found.iter().map(|(file, hook)| checked(file, hook, context)));
    checks.extend(found.iter().filter_map(|(file, hook)| policy(file, hook, context)));
    let places = found.len() + usize::from(plugin.is_some());
    checks.extend(plugin);
    match places {
        0 => checks.push(absent(context)),
        1 => {}
        _ => checks.push(Check::warn(
            NAME,
            format!("launches are checked {places} times, each by its own limits"),
            "keep one: the strictest answer wins, and each takes its time",
        )),
    }
    checks
}

/// Settings that keep hooks from being asked at all.
fn off(settings: &ClientSettings) -> Option<Check> {
    let all_off = settings.files.iter().find(|file| file.is_set("disableAllHooks"));
    if let Some(file) = all_off {
        let says = format!("{} switches all hooks off: no launch is checked", file.name());
        return Some(Check::fail(NAME, says, "take `disableAllHooks` out of it"));
    }
    let only = settings.files.iter().find(|file| file.is_set("allowManagedHooksOnly"))?;
    let managed = only.managed && entry::hooks(&only.settings).is_empty();
    managed.then(|| {
        let says = format!("{} allows no hooks but its own, and flyball is none", only.name());
        Check::fail(NAME, says, "ask who manages it to add flyball's hook there")
    })
}

fn absent(context: &Context) -> Check {
    let root = project_root(context);
    let above = root.join(".claude").join("settings.json");
    let in_root = SettingsFile::read(&above).ok().and_then(|file| file.json);
    if root != context.working_folder
        && in_root.is_some_and(|json| !entry::hooks(json.value()).is_empty())
    {
        return Check::warn(
            NAME,
            format!("{} has it, and sessions that start here do not read that", above.display()),
            format!("start Claude Code in {}", root.display()),
        );
    }
    Check::warn(
        NAME,
        "launches are not checked: no settings have flyball's hook",
        "flyball init, or install the plugin",
    )
}

fn checked(file: &ClientFile, hook: &FoundHook, context: &Context) -> Check {
    let name = file.name();
    let opens = hook.command.contains("--fail-open");
    let held = hook.command.contains("|| exit 2");
    let program = shell_command::of_flyball(&hook.command).map(|(program, _)| program);
    let program = program.unwrap_or_default();
    let Some(path) = programs::found(&program, context) else {
        let then = if held { "every launch is blocked" } else { "launches go ahead unchecked" };
        let says = format!("{name} starts `{program}`, which is not there: {then}");
        return Check::fail(NAME, says, "install it there, or write the hook again: flyball init");
    };
    if !programs::is_this(&path) {
        let says = format!("{name} starts another flyball: {}", path.display());
        return Check::warn(NAME, says, "flyball init, to start this one");
    }
    let missed = hook.missed();
    if !missed.is_empty() {
        let matcher = hook.matcher.as_deref().unwrap_or("");
        let says = format!("{name} checks {matcher}, not {}", missed.join(", "));
        return Check::warn(NAME, says, format!("set its matcher to {}", LAUNCHES.join("|")));
    }
    if !held && !opens {
        let says = format!("{name}: if flyball is gone or killed, launches go ahead unchecked");
        return Check::warn(NAME, says, "flyball init ends the command with `|| exit 2`");
    }
    let then = if opens { "; launches that cannot be checked go ahead" } else { "" };
    Check::ok(NAME, format!("{name} starts this flyball{then}"))
}

/// Whether the hook's own flags can be used.
fn policy(file: &ClientFile, hook: &FoundHook, context: &Context) -> Option<Check> {
    const NAME: &str = "policy";
    let (_, words) = shell_command::of_flyball(&hook.command)?;
    let folder = context.working_folder.display().to_string();
    let variables = [format!("${PROJECT_FOLDER}"), format!("${{{PROJECT_FOLDER}}}")];
    let words = words
        .into_iter()
        .map(|word| variables.iter().fold(word, |word, variable| word.replace(variable, &folder)));
    let typed = std::iter::once("flyball".to_owned()).chain(words);
    let Ok(CommandLine { command: Command::Hook(HookCommand::PreToolUse(typed)), .. }) =
        CommandLine::try_parse_from(typed)
    else {
        let says = format!("{}: flyball refuses the flags of its hook", file.name());
        return Some(Check::fail(NAME, says, "write it again: flyball init"));
    };
    let named = typed.policy?;
    let source = policy_source(&named).and_then(|source| knowledge::policy(&source));
    Some(match source {
        Ok(policy) => {
            Check::ok(NAME, format!("the hook's policy {} can be used", policy.policy.name()))
        }
        Err(error) => failed(NAME, &error),
    })
}

/// The plugin, where it is installed and switched on.
fn plugin(settings: &ClientSettings, context: &Context) -> Option<Check> {
    let folder = context.environment.claude_folder.as_deref()?;
    let installed = match plugins::installed(folder) {
        Ok(installed) => installed,
        Err(error) => return Some(Check::warn("plugin", error.to_string(), "claude plugin list")),
    };
    let plugin = installed.into_iter().find(|plugin| plugin.name == "flyball")?;
    let enabled = settings.files.iter().find_map(|file| {
        let all = file.settings.get("enabledPlugins")?.as_object()?;
        let (_, on) = all.iter().find(|(id, _)| id.starts_with("flyball@"))?;
        Some(on.as_bool() == Some(true))
    });
    if enabled == Some(false) {
        return None;
    }
    let version = plugin_version(&plugin.folder);
    let own = env!("CARGO_PKG_VERSION");
    Some(match version {
        Some(version) if version == own => {
            Check::ok("plugin", format!("{version} checks launches"))
        }
        Some(version) => Check::warn(
            "plugin",
            format!("the plugin is of version {version}, flyball of {own}"),
            "claude plugin update flyball@flyball",
        ),
        None => Check::fail(
            "plugin",
            format!("{} is no plugin", plugin.folder.display()),
            "claude plugin install flyball@flyball",
        ),
    })
}

fn plugin_version(folder: &Path) -> Option<String> {
    let manifest = folder.join(".claude-plugin").join("plugin.json");
    let json = SettingsFile::read(&manifest).ok()?.json?;
    json.value().get("version")?.as_str().map(str::to_owned)
}
