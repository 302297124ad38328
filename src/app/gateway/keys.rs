//! `flyball gateway keys add | list | revoke`.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::super::context::Context;
use super::super::error::AppError;
use super::super::exit::Exit;
use super::super::output;
use super::LOOK_EVERY;
use super::host::Say;
use crate::cli::gateway::KeysCommand;
use crate::config::SourceFile;
use crate::config::source::TEXT_BYTES_MAX;
use crate::gateway::{KeyError, KeyFile, KeyOwner, KeyRing, Renewed};
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
            output::tell(
                "flyball: a gateway of this user that asks for keys takes it from now on\n",
            );
        }
        KeysCommand::Revoke(typed) => {
            file.revoke(&typed.name, now).map_err(refused)?;
            write(&file, context)?;
            output::tell("flyball: a gateway of this user takes it for a second at most\n");
        }
    }
    Ok(Exit::Done)
}

fn refused(error: KeyError) -> AppError {
    AppError::usage(error).with_hint("flyball gateway keys list shows whose there are")
}

/// Where keys are kept.
pub(super) fn path(context: &Context) -> Result<PathBuf, AppError> {
    let state = context.environment.state.as_ref().ok_or_else(|| {
        AppError::usage("there is no home folder to keep keys in")
            .with_hint("set HOME or XDG_STATE_HOME")
    })?;
    Ok(state.join("gateway-keys.json"))
}

/// The keys there are; none where there is no file.
pub(super) fn read(context: &Context) -> Result<KeyFile, AppError> {
    kept(text(&path(context)?)?.as_ref())
}

fn text(path: &Path) -> Result<Option<SourceFile>, AppError> {
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(SourceFile::read(path, TEXT_BYTES_MAX)?))
}

fn kept(source: Option<&SourceFile>) -> Result<KeyFile, AppError> {
    let Some(source) = source else { return Ok(KeyFile::default()) };
    let bad = |error: &dyn std::fmt::Display| {
        AppError::bad_input(format!("{}: {error}", source.name)).with_hint("nothing was changed")
    };
    let file: KeyFile = serde_json::from_str(&source.text).map_err(|error| bad(&error))?;
    file.checked().map_err(|error| bad(&error))
}

/// Goes on telling `ring` which keys are in use, every second, so that one is let in that was added
/// and one is not that was revoked. What cannot be read changes nothing, and is said once.
pub(super) async fn follow(ring: KeyRing, path: PathBuf, say: Say) {
    let mut known: Option<Option<String>> = None;
    let mut trouble = String::new();
    loop {
        let path = path.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let source = text(&path)?;
            Ok((kept(source.as_ref())?, source.map(|source| source.text)))
        });
        match looked.await {
            Ok(Ok((file, text))) => {
                if known.as_ref() != Some(&text) {
                    let Renewed { changed, left } = ring.renew(&file);
                    for KeyOwner { name, project } in left {
                        say(&format!(
                            "flyball: the key of {name} is not taken before the next start: the \
                             policy limits each project, and the ledger was not asked for {project}\n"
                        ));
                    }
                    if changed {
                        say(
                            "flyball: the keys of callers have changed, and those are in use now\n",
                        );
                    }
                    known = Some(text);
                }
                trouble.clear();
            }
            Ok(Err(error)) => {
                let error: AppError = error;
                let words = error.sentence();
                if words != trouble {
                    say(&format!("flyball: the keys of callers stay as they were: {words}\n"));
                    trouble = words;
                }
            }
            // The runtime ends.
            Err(_) => return,
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
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
