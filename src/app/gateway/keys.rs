//! `flyball gateway keys add | list | revoke`.

use std::path::PathBuf;

use jiff::Timestamp;

use super::super::context::Context;
use super::super::error::AppError;
use super::super::exit::Exit;
use super::super::output;
use crate::cli::gateway::KeysCommand;
use crate::config::SourceFile;
use crate::config::source::TEXT_BYTES_MAX;
use crate::gateway::{KeyError, KeyFile};
use crate::report::gateway::keys_table;
use crate::report::json;

pub(super) fn run(command: &KeysCommand, context: &Context) -> Result<Exit, AppError> {
    let mut file = read(context)?;
    let now = Timestamp::now();
    match command {
        KeysCommand::List => output::print(&keys_table(&file, context.stdout.page()))?,
        KeysCommand::Add(typed) => {
            let project = typed.project.as_ref().unwrap_or(&typed.name);
            let key = file.add(&typed.name, project, super::random()?, now).map_err(refused)?;
            write(&file, context)?;
            output::tell("flyball: this is shown once; give it to the client as its API key\n");
            output::print(&format!("{key}\n"))?;
        }
        KeysCommand::Revoke(typed) => {
            file.revoke(&typed.name, now).map_err(refused)?;
            write(&file, context)?;
            output::tell("flyball: a running gateway minds it from its next start on\n");
        }
    }
    Ok(Exit::Done)
}

fn refused(error: KeyError) -> AppError {
    AppError::usage(error).with_hint("flyball gateway keys list shows whose there are")
}

fn path(context: &Context) -> Result<PathBuf, AppError> {
    let state = context.environment.state.as_ref().ok_or_else(|| {
        AppError::usage("there is no home folder to keep keys in")
            .with_hint("set HOME or XDG_STATE_HOME")
    })?;
    Ok(state.join("gateway-keys.json"))
}

/// The keys there are; none where there is no file.
pub(super) fn read(context: &Context) -> Result<KeyFile, AppError> {
    let path = path(context)?;
    if !path.exists() {
        return Ok(KeyFile::default());
    }
    let source = SourceFile::read(&path, TEXT_BYTES_MAX)?;
    let bad = |error: &dyn std::fmt::Display| {
        AppError::bad_input(format!("{}: {error}", source.name)).with_hint("nothing was changed")
    };
    let file: KeyFile = serde_json::from_str(&source.text).map_err(|error| bad(&error))?;
    file.checked().map_err(|error| bad(&error))
}

fn write(file: &KeyFile, context: &Context) -> Result<(), AppError> {
    let path = path(context)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| {
            AppError::bad_input(format!("cannot make `{}`: {error}", folder.display()))
        })?;
    }
    output::write_file(&path, &json::pretty(file))
}
