//! Price tables and policies from their texts, with errors that point into them.

use std::path::PathBuf;

use super::error::AppError;
use super::inputs::PolicySource;
use crate::config::SourceFile;
use crate::config::settings::closest;
use crate::config::source::TEXT_BYTES_MAX;
use crate::policy::{self, Policy};
use crate::pricing::{PriceFile, PriceTable, PricingError, shipped_files};

/// The shipped price files, then the ones at `paths`; later ones override.
pub fn price_files(paths: &[PathBuf]) -> Result<Vec<PriceFile>, AppError> {
    let mut files = shipped_files();
    for path in paths {
        files.push(price_file(SourceFile::read(path, TEXT_BYTES_MAX)?));
    }
    Ok(files)
}

fn price_file(source: SourceFile) -> PriceFile {
    PriceFile { name: source.name, text: source.text }
}

/// The price table of the shipped files under `sources`.
pub fn price_table(sources: &[SourceFile]) -> Result<PriceTable, AppError> {
    let mut files = shipped_files();
    files.extend(sources.iter().cloned().map(price_file));
    PriceTable::parse(&files).map_err(|error| bad_prices(&error, &files))
}

/// `error`, pointing into the one of `files` that it is about.
pub fn bad_prices(error: &PricingError, files: &[PriceFile]) -> AppError {
    let text = files.iter().rev().find(|file| file.name == error.file()).map(|file| &file.text);
    AppError::bad_input(error.to_string()).with_findings(
        error.file(),
        text.cloned().unwrap_or_default(),
        vec![error.to_diagnostic()],
    )
}

/// A policy with the text it is from.
#[derive(Clone, Debug)]
pub struct PolicyText {
    /// The policy.
    pub policy: Policy,
    /// Its file, or its name if it is shipped.
    pub name: String,
    /// The text.
    pub text: String,
}

/// The policy that `source` is or names.
pub fn policy(source: &PolicySource) -> Result<PolicyText, AppError> {
    let (name, text) = match source {
        PolicySource::File(file) => (file.name.clone(), file.text.clone()),
        PolicySource::Shipped(name) => match shipped(name) {
            Some(text) => (name.clone(), text.to_owned()),
            None => return Err(unknown(name)),
        },
    };
    match Policy::parse(&name, &text) {
        Ok(policy) => Ok(PolicyText { policy, name, text }),
        Err(error) => {
            let problems = error.problems().to_vec();
            Err(AppError::bad_input(error).with_findings(name, text, problems))
        }
    }
}

fn shipped(name: &str) -> Option<&'static str> {
    policy::shipped().iter().find(|(shipped, _)| *shipped == name).map(|(_, text)| *text)
}

fn unknown(name: &str) -> AppError {
    let names: Vec<&str> = policy::shipped().iter().map(|(name, _)| *name).collect();
    let error = AppError::bad_input(format!("there is no shipped policy `{name}`"));
    let hint = match closest(name, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("they are {}; a file's name ends with .toml", names.join(", ")),
    };
    error.with_hint(hint)
}
