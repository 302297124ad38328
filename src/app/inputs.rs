//! Everything a plan or a run needs from outside, read at once: script, args, policy, prices,
//! usage model, known results, counts of the working tree. What it all means is decided later.

use std::io::stdin;
use std::path::{Path, PathBuf};

use super::context::Context;
use super::error::AppError;
use crate::cli::plan::{ArgsOption, PlanOptions};
use crate::cli::value::ArgsSource;
use crate::config::registry::example_source;
use crate::config::settings::{closest, is_policy_file};
use crate::config::source::{DATA_BYTES_MAX, TEXT_BYTES_MAX};
use crate::config::{
    ReadError, Registry, SavedWorkflow, ScopeCounts, ScopeLimits, SourceFile, WorkflowReference,
};
use crate::ports::script::ScriptArgs;

/// What was read.
#[derive(Debug)]
pub struct PlanInputs {
    /// The script.
    pub script: SourceFile,
    /// What else is in reach: child workflows are found here.
    pub registry: Registry,
    /// The script's `args`.
    pub args: ScriptArgs,
    /// The policy.
    pub policy: PolicySource,
    /// Price files, later ones override.
    pub prices: Vec<SourceFile>,
    /// A usage model in place of the shipped one.
    pub usage: Option<SourceFile>,
    /// Known answers: the label as typed and the file's text.
    pub results: Vec<(String, SourceFile)>,
    /// What the scope holds.
    pub scope: Option<ScopeCounts>,
}

/// Where the policy is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicySource {
    /// A shipped one, by its name; whether there is one of that name is the caller's to check.
    Shipped(String),
    /// A file.
    File(SourceFile),
}

/// Reads a script's `meta.name`; `None` where it has none or is not a workflow.
pub type NameOf<'a> = &'a mut dyn FnMut(&SavedWorkflow) -> Option<String>;

impl PlanInputs {
    /// Reads what `options` name.
    pub fn load(
        options: &PlanOptions,
        context: &Context,
        name_of: NameOf<'_>,
    ) -> Result<Self, AppError> {
        let registry = Registry::scan(&context.working_folder, &context.environment);
        let script = workflow_source(&options.workflow, context, &registry, name_of)?;
        let read_text = |path: &PathBuf| SourceFile::read(path, TEXT_BYTES_MAX);
        let prices = options.prices.iter().map(read_text).collect::<Result<_, ReadError>>()?;
        let results = options
            .results
            .iter()
            .map(|known| Ok((known.label.clone(), json_file(&known.file)?)))
            .collect::<Result<_, AppError>>()?;
        Ok(Self {
            script,
            registry,
            args: script_args(&options.args)?,
            policy: policy_source(&options.policy)?,
            prices,
            usage: options.usage.as_ref().map(read_text).transpose()?,
            results,
            scope: options.scope.as_deref().map(count_scope).transpose()?,
        })
    }
}

/// The script that `workflow` names.
pub fn workflow_source(
    workflow: &str,
    context: &Context,
    registry: &Registry,
    name_of: NameOf<'_>,
) -> Result<SourceFile, AppError> {
    match WorkflowReference::from_text(workflow, &context.working_folder) {
        WorkflowReference::Path(path) => {
            SourceFile::read(&path, TEXT_BYTES_MAX).map_err(|error| missing_script(error, registry))
        }
        WorkflowReference::Example(name) => example_source(&name).map_err(|names| {
            AppError::bad_input(format!("there is no example `{name}`")).with_hint(suggestion(
                &name,
                &names,
                "the examples are",
            ))
        }),
        WorkflowReference::Name(name) => {
            let found = registry.named(&name, name_of);
            let Some(closest) = found.first() else {
                return Err(unknown_workflow(&name, registry));
            };
            Ok(SourceFile {
                name: closest.path.display().to_string(),
                path: Some(closest.path.clone()),
                text: closest.text.clone(),
            })
        }
    }
}

fn missing_script(error: ReadError, registry: &Registry) -> AppError {
    let ReadError::Missing { path } = &error else { return error.into() };
    let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
    let saved = stem.filter(|stem| registry.workflows.iter().any(|saved| saved.stem == *stem));
    match saved {
        Some(stem) => AppError::from(error)
            .with_hint(format!("there is a saved workflow of that name: flyball plan {stem}")),
        None => error.into(),
    }
}

fn unknown_workflow(name: &str, registry: &Registry) -> AppError {
    let stems: Vec<&str> = registry.workflows.iter().map(|saved| saved.stem.as_str()).collect();
    let looked = registry.folders.iter().map(|folder| folder.display().to_string());
    let error = AppError::bad_input(format!(
        "there is no file and no saved workflow `{name}` (looked in {})",
        looked.collect::<Vec<_>>().join(", ")
    ));
    if stems.is_empty() {
        error.with_hint("name a script: flyball plan path/to/workflow.js")
    } else {
        error.with_hint(suggestion(name, &stems, "flyball workflows list shows all of"))
    }
}

/// `did you mean`, or what there is.
fn suggestion(typed: &str, names: &[&str], otherwise: &str) -> String {
    match closest(typed, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "there are none".to_owned(),
        None => format!("{otherwise} {}", names.join(", ")),
    }
}

fn script_args(option: &ArgsOption) -> Result<ScriptArgs, AppError> {
    Ok(match option {
        ArgsOption::Absent => ScriptArgs::Absent,
        ArgsOption::Text(text) => ScriptArgs::Text(text.clone()),
        ArgsOption::Json(ArgsSource::Json(text)) => ScriptArgs::Json(text.clone()),
        ArgsOption::Json(ArgsSource::File(path)) => ScriptArgs::Json(json_file(path)?.text),
        ArgsOption::Json(ArgsSource::Stdin) => {
            let source = SourceFile::from_reader(stdin().lock(), "standard input", DATA_BYTES_MAX)?;
            ScriptArgs::Json(checked_json(source)?.text)
        }
    })
}

/// The JSON file at `path`.
pub fn json_file(path: &Path) -> Result<SourceFile, AppError> {
    checked_json(SourceFile::read(path, DATA_BYTES_MAX)?)
}

fn checked_json(source: SourceFile) -> Result<SourceFile, AppError> {
    match serde_json::from_str::<serde::de::IgnoredAny>(&source.text) {
        Ok(_) => Ok(source),
        Err(error) => {
            Err(AppError::bad_input(format!("{}: this is not JSON: {error}", source.name)))
        }
    }
}

/// Where the policy that `policy` names is from.
pub fn policy_source(policy: &str) -> Result<PolicySource, AppError> {
    if is_policy_file(policy) {
        Ok(PolicySource::File(SourceFile::read(Path::new(policy), TEXT_BYTES_MAX)?))
    } else {
        Ok(PolicySource::Shipped(policy.to_owned()))
    }
}

fn count_scope(folder: &Path) -> Result<ScopeCounts, AppError> {
    ScopeCounts::of(folder, ScopeLimits::default()).map_err(|error| {
        AppError::bad_input(format!("cannot count the files of `{}`: {error}", folder.display()))
            .with_hint("--scope takes a folder")
    })
}
