//! Price tables and policies from their texts, with errors that point into them.

use std::path::PathBuf;

use super::error::AppError;
use super::inputs::PolicySource;
use crate::config::SourceFile;
use crate::config::settings::closest;
use crate::config::source::TEXT_BYTES_MAX;
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::policy::{self, Policy};
use crate::pricing::{PriceFile, PriceTable, PricingError, shipped_files};
use crate::usage::{UsageError, UsageModel};

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
    PriceTable::parse(&files).map_err(|error| bad_prices(&error))
}

/// `error`, pointing into the file that it is about.
pub fn bad_prices(error: &PricingError) -> AppError {
    // The picture names the file.
    let message = error.problem.clone();
    let diagnostic = Diagnostic { message, ..error.to_diagnostic() };
    AppError::bad_input(error.to_string()).with_findings(
        error.file(),
        error.text(),
        vec![diagnostic],
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
        PolicySource::Shipped(name) => match shipped_policy(name) {
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

/// The text of the shipped policy of that name.
pub fn shipped_policy(name: &str) -> Option<&'static str> {
    policy::shipped().iter().find(|(shipped, _)| *shipped == name).map(|(_, text)| *text)
}

fn unknown(name: &str) -> AppError {
    let names: Vec<&str> = policy::shipped().iter().map(|(name, _)| *name).collect();
    let error = AppError::bad_input(format!("there is no shipped policy `{name}`"));
    error
        .with_hint(match closest(name, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the shipped policies are {}", names.join(", ")),
        })
        .with_hint("a policy file has a path with a slash or ends in .toml")
}

/// Refuses a provider that no price table has heard of: its names of models would mean nothing.
pub fn provider(name: &str, prices: &PriceTable) -> Result<(), AppError> {
    let known = prices.providers();
    if known.contains(name) {
        return Ok(());
    }
    let known: Vec<&str> = known.into_iter().collect();
    let error = AppError::usage(format!("no price table knows the provider `{name}`"));
    Err(error.with_hint(match closest(name, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the providers are {}", known.join(", ")),
    }))
}

/// Refuses a usage model that cannot be used, pointing at its line.
pub fn usage_model(file: &SourceFile) -> Result<(), AppError> {
    let Err(error) = UsageModel::parse(&file.text) else { return Ok(()) };
    let message = error.to_string();
    let mut diagnostic = Diagnostic::new(Severity::Error, "usage::refused", &message);
    if let UsageError::Text { line, message } = &error {
        let before = file.text.split_inclusive('\n').take(line.saturating_sub(1));
        let start = before.map(str::len).sum();
        let length =
            file.text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
        let place = Place::at(&file.text, start, length);
        diagnostic = Diagnostic::new(Severity::Error, "usage::refused", message).with_place(place);
    }
    let help = "start from the shipped model, usage/prior.toml of flyball's source";
    Err(AppError::bad_input(message).with_findings(
        &*file.name,
        &*file.text,
        vec![diagnostic.with_help(help)],
    ))
}
