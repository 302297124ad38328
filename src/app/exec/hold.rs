//! How the client is started so that it is held: its command line, its environment, its settings.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::context::Context;
use super::super::doctor::is_program;
use super::super::error::AppError;
use super::folder::Folder;
use crate::claude::launch;
use crate::claude::settings::{BASE_URL, Hold, OUTPUT_CAP, SUBAGENT_MODEL};
use crate::claude::shell_command::shell_word;
use crate::cli::exec::{ClientKind, ExecTyped};
use crate::config::SourceFile;
use crate::config::environment::{FLYBALL_LAUNCHES, FLYBALL_LEDGER, FLYBALL_RUN, OTHER_APIS};
use crate::config::settings::is_policy_file;
use crate::config::source::TEXT_BYTES_MAX;
use crate::ledger_place::LedgerPlace;
use crate::report::json;

/// A client that is about to be started.
pub(super) struct Client<'a> {
    pub(super) program: &'a OsStr,
    pub(super) arguments: &'a [OsString],
    pub(super) is_claude_code: bool,
}

/// What a client is held to.
pub(super) struct Held<'a> {
    /// Where the gateway listens.
    pub(super) url: &'a str,
    /// The run, as the path of a request names it.
    pub(super) run: &'a str,
    /// The same as the ledger calls it.
    pub(super) called: &'a str,
    /// The project that is charged.
    pub(super) project: &'a str,
}

impl<'a> Client<'a> {
    /// The one that was typed.
    pub(super) fn of(typed: &'a ExecTyped, context: &Context) -> Result<Self, AppError> {
        let (program, arguments) =
            typed.command.split_first().ok_or_else(|| AppError::bug("there is no command"))?;
        let is_claude_code = match typed.client {
            Some(kind) => kind == ClientKind::ClaudeCode,
            None => launch::is_claude_code(program),
        };
        if let Some(name) = context.environment.other_api.filter(|_| is_claude_code) {
            return Err(AppError::usage(format!(
                "{name} is set: the client would not send its requests to the gateway"
            ))
            .with_hint(format!("unset {name}; only the Messages API itself can be held")));
        }
        Ok(Self { program, arguments, is_claude_code })
    }

    /// Refuses a program that cannot be started, before anything is done for it.
    pub(super) fn is_there(&self, context: &Context) -> Result<(), AppError> {
        let path = Path::new(self.program);
        // With a folder in its name it is looked for as it stands, else where PATH says.
        let folders = &context.environment.path;
        let is_there = if path.components().count() > 1 {
            is_program(&context.working_folder.join(path))
        } else {
            // Where there is no PATH, the system has one of its own.
            folders.is_empty() || folders.iter().any(|folder| is_program(&folder.join(path)))
        };
        if is_there {
            return Ok(());
        }
        let program = self.program.to_string_lossy();
        Err(AppError::usage(format!("cannot start `{program}`: there is no such program"))
            .with_hint("the command after `--` is started as it stands, without a shell"))
    }

    /// Whether nobody is there to be asked.
    pub(super) fn prints(&self) -> bool {
        self.is_claude_code && launch::prints(self.arguments)
    }

    /// The command that starts it, held to what `to` says.
    pub(super) fn command(
        &self,
        typed: &ExecTyped,
        to: &Held<'_>,
        folder: &Folder,
        context: &Context,
    ) -> Result<Command, AppError> {
        let own_cap = context.environment.output_cap_tokens;
        let hold = Hold {
            base_url: format!("{}/run/{}", to.url.trim_end_matches('/'), to.run),
            output_cap_tokens: typed.output_cap.min(own_cap.unwrap_or(u64::MAX)),
            subagent_model: typed.subagent_model.clone(),
            no_proxy: context.environment.no_proxy.clone(),
            switched_off: OTHER_APIS.to_vec(),
            gate: self.gate(typed, to.project, context)?,
            session: session_command(&folder.sessions())?,
        };
        let mut command = Command::new(self.program);
        command.envs(hold.variables()).env(FLYBALL_RUN, to.called);
        command.env(FLYBALL_LAUNCHES, folder.launches());
        match &typed.ledger.ledger {
            Some(LedgerPlace::File(path)) => {
                command.env(FLYBALL_LEDGER, context.working_folder.join(path));
            }
            Some(LedgerPlace::Postgres(url)) => {
                command.env(FLYBALL_LEDGER, url.secret());
            }
            // Refused long before.
            Some(LedgerPlace::Elsewhere(_)) | None => {}
        }
        if !self.is_claude_code {
            command.args(self.arguments);
            return Ok(command);
        }
        command.env(OUTPUT_CAP, hold.output_cap_tokens.to_string());
        if let Some(model) = &hold.subagent_model {
            command.env(SUBAGENT_MODEL, model);
        }
        let (others, settings) = launch::without_settings(self.arguments);
        let users = settings.map(|settings| users(&settings)).transpose()?;
        let merged = hold.over(users.as_deref()).map_err(|error| {
            AppError::bad_input(format!("--settings of the client: {error}")).with_hint(
                "flyball adds to these settings, so it has to read them as the client does",
            )
        })?;
        let settings = folder.write_settings(&json::pretty(&merged))?;
        command.args(launch::with_settings(others, &settings));
        Ok(command)
    }

    /// The shell command that decides about launches. It reads what is left to the run in the ledger.
    fn gate(
        &self,
        typed: &ExecTyped,
        project: &str,
        context: &Context,
    ) -> Result<Option<String>, AppError> {
        if typed.no_hook || !self.is_claude_code {
            return Ok(None);
        }
        let mut words = vec![flyball()?, "hook".to_owned(), "pre-tool-use".to_owned()];
        let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
        if let Some(policy) = &typed.policy {
            let file = is_policy_file(policy).then(|| path(context.working_folder.join(policy)));
            flag("--policy", file.transpose()?.unwrap_or_else(|| policy.clone()));
        }
        flag("--project", project.to_owned());
        for prices in &typed.prices {
            flag("--prices", path(context.working_folder.join(prices))?);
        }
        if let Some(under) = typed.allow_under {
            flag("--allow-under", format!("{}usd", under.to_decimal()));
        } else if let Some(usd) = gateway_dollars(typed).filter(|_| self.prints()) {
            flag("--allow-under", usd);
        }
        let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
        Ok(Some(words.join(" ")))
    }
}

/// The dollars of the budget, as a flag takes them.
fn gateway_dollars(typed: &ExecTyped) -> Option<String> {
    let dollars = typed.budget.iter().filter_map(|amount| match amount {
        crate::amount::Amount::Usd(usd) => Some(*usd),
        _ => None,
    });
    dollars.min().map(|usd| format!("{}usd", usd.to_decimal()))
}

/// The settings that the user gave: JSON, or a file with it.
fn users(settings: &OsStr) -> Result<String, AppError> {
    match settings.to_str() {
        Some(text) if text.trim_start().starts_with('{') => Ok(text.to_owned()),
        _ => Ok(SourceFile::read(Path::new(settings), TEXT_BYTES_MAX)?.text),
    }
}

/// This program.
fn flyball() -> Result<String, AppError> {
    path(std::env::current_exe().map_err(AppError::bug)?)
}

fn path(path: PathBuf) -> Result<String, AppError> {
    path.into_os_string().into_string().map_err(|path| {
        AppError::usage(format!("`{}` cannot be a part of a hook", path.display()))
            .with_hint("name it by a path in UTF-8")
    })
}

/// Writes what it hears of a session to a file of its own.
fn session_command(sessions: &Path) -> Result<String, AppError> {
    let template = path(sessions.join("XXXXXXXX"))?;
    Ok(format!("cat > \"$(mktemp {})\"", shell_word(&template)))
}

/// The variable that a client has to honour.
pub(super) const HONOURED: &str = BASE_URL;
