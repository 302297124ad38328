//! `flyball doctor`: looks whether flyball and Claude Code work together, changes nothing, and says
//! what to do. Values of settings and variables are not shown, but for the host of an address.

mod books;
mod client;
mod gate;
mod knowledge;
mod programs;
mod route;
mod settings;

use std::path::PathBuf;

pub(super) use self::programs::is_program;
use self::settings::ClientSettings;
use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::output;
use crate::cli::command::GlobalFlags;
use crate::cli::doctor::DoctorTyped;
use crate::cli::value::PlainFormat;
use crate::report::checkup::{Check, Checkup, Standing};
use crate::report::json;

pub(super) fn run(typed: &DoctorTyped, global: GlobalFlags) -> Result<Exit, AppError> {
    let folder = std::env::current_dir()
        .map_err(|error| AppError::usage(format!("the working folder cannot be used: {error}")))?;
    let checkup = Checkup::of(checks(typed, folder, global));
    let page = Context::without_settings(PathBuf::new(), global).stdout.page();
    output::print(&match typed.format {
        PlainFormat::Table => checkup.text(page),
        PlainFormat::Json => json::pretty(&checkup),
    })?;
    Ok(if checkup.standing == Standing::Fail { Exit::BadInput } else { Exit::Done })
}

fn checks(typed: &DoctorTyped, folder: PathBuf, global: GlobalFlags) -> Vec<Check> {
    let mut checks = Vec::new();
    let context = match Context::at(folder.clone(), global) {
        Ok(context) => context,
        Err(error) => {
            checks.push(failed("settings", &error));
            Context::without_settings(folder, global)
        }
    };
    let client_settings = ClientSettings::read(&context, &mut checks);
    let mut all = client::checks(&context);
    all.append(&mut checks);
    all.extend(gate::checks(&client_settings, &context));
    all.extend(route::checks(&client_settings, &context));
    all.extend(books::checks(&typed.ledger, &context));
    all.extend(knowledge::checks(&context, typed.at.unwrap_or(context.today)));
    all
}

/// What is wrong as an error says it.
fn failed(name: &'static str, error: &AppError) -> Check {
    Check { name, standing: Standing::Fail, says: error.sentence_with_hints(), todo: None }
}
