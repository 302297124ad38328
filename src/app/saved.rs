//! Which script a name means, and what saved workflows say about themselves. `meta` is script
//! text, so a child process reads it.

use std::collections::BTreeMap;
use std::path::Path;

use super::child::Job;
use super::context::Context;
use super::error::AppError;
use super::plan::this_program;
use crate::config::examples::{EXAMPLES, Example};
use crate::config::registry::{EXAMPLE_PREFIX, example_source};
use crate::config::settings::closest;
use crate::config::source::TEXT_BYTES_MAX;
use crate::config::{ReadError, Registry, SavedWorkflow, SourceFile, WorkflowReference};
use crate::ports::script::EngineError;
use crate::script::sandbox::{JobContext, Sandbox};
use crate::workflow::{Meta, Source, SourceSet, WorkflowFacts};

/// `meta` of the workflows that can be read, by the name of their source.
#[derive(Debug, Default)]
pub struct SavedMetas {
    by_source: BTreeMap<String, Meta>,
}

impl SavedMetas {
    /// Reads `sources` in a child process; those that are no workflows are left out.
    pub(super) fn read(sources: &[Source]) -> Result<Self, AppError> {
        if sources.is_empty() {
            return Ok(Self::default());
        }
        let sandbox = Sandbox::new(this_program()?);
        let metas: Vec<Option<Meta>> = match Job::Metas(sources.to_vec()).ask(&sandbox) {
            Ok(metas) => metas,
            // One of them is too much for a parser: it must not take the others with it.
            Err(EngineError::Killed { .. } | EngineError::OutOfTime { .. }) => {
                sources.iter().map(|source| read_alone(&sandbox, source)).collect()
            }
            Err(error) => return Err(AppError::bug(error)),
        };
        let named = sources.iter().zip(metas);
        let by_source =
            named.filter_map(|(source, meta)| Some((source.name.clone(), meta?))).collect();
        Ok(Self { by_source })
    }

    /// What the workflow of that source says about itself.
    pub(super) fn get(&self, source: &str) -> Option<&Meta> {
        self.by_source.get(source)
    }
}

fn read_alone(sandbox: &Sandbox, source: &Source) -> Option<Meta> {
    let inspection = sandbox.inspect(&SourceSet::alone(source.clone())).ok()?;
    Some(inspection.facts.meta)
}

/// The child's side.
pub(super) fn metas(context: &JobContext, sources: &[Source]) -> Vec<Option<Meta>> {
    let meta = |source: &Source| {
        context.progress();
        WorkflowFacts::read(source).ok().map(|facts| facts.meta)
    };
    sources.iter().map(meta).collect()
}

/// What `script` can call by name: saved workflows in the registry's order, then, if it is one of
/// them, the shipped examples.
pub(super) fn in_reach(script: &SourceFile, registry: &Registry) -> Vec<Source> {
    let is_example = script.path.is_none() && script.name.starts_with(EXAMPLE_PREFIX);
    if is_example { all(registry) } else { sources(registry) }
}

/// Saved workflows in the registry's order, then the shipped examples.
pub(super) fn all(registry: &Registry) -> Vec<Source> {
    let shipped = EXAMPLES.iter().map(|example| Source::new(example_path(example), example.text));
    sources(registry).into_iter().chain(shipped).collect()
}

pub(super) fn sources(registry: &Registry) -> Vec<Source> {
    registry.workflows.iter().map(|saved| Source::new(source_name(saved), &*saved.text)).collect()
}

/// What a saved workflow's source is called.
pub(super) fn source_name(saved: &SavedWorkflow) -> String {
    saved.path.display().to_string()
}

/// The path by which examples call each other.
pub(super) fn example_path(example: &Example) -> String {
    format!("examples/{}.js", example.name)
}

/// The script that `workflow` names.
pub(super) fn script(
    workflow: &str,
    context: &Context,
    registry: &Registry,
) -> Result<SourceFile, AppError> {
    match WorkflowReference::from_text(workflow, &context.working_folder) {
        WorkflowReference::Path(path) => {
            SourceFile::read(&path, TEXT_BYTES_MAX).map_err(|error| missing(error, registry))
        }
        WorkflowReference::Example(name) => example_source(&name).map_err(|names| {
            let hint = suggestion(&name, &names, "the examples are");
            AppError::bad_input(format!("there is no example `{name}`")).with_hint(hint)
        }),
        WorkflowReference::Name(name) => {
            let is_folder = context.working_folder.join(&name).is_dir();
            named(&name, registry).map_err(|error| {
                if is_folder { ReadError::Folder { path: name }.into() } else { error }
            })
        }
    }
}

fn named(name: &str, registry: &Registry) -> Result<SourceFile, AppError> {
    let metas = SavedMetas::read(&sources(registry))?;
    closest_named(name, registry, &metas).ok_or_else(|| unknown(name, registry, &metas))
}

/// The closest saved workflow of that name; `metas` are those of all in `registry`.
pub(super) fn closest_named(
    name: &str,
    registry: &Registry,
    metas: &SavedMetas,
) -> Option<SourceFile> {
    let own_name =
        |saved: &SavedWorkflow| metas.get(&source_name(saved)).map(|meta| meta.name.clone());
    let found = registry.named(name, own_name);
    found.first().map(|closest| SourceFile {
        name: source_name(closest),
        path: Some(closest.path.clone()),
        text: closest.text.clone(),
    })
}

fn missing(error: ReadError, registry: &Registry) -> AppError {
    let ReadError::Missing { path } = &error else { return error.into() };
    let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
    let saved = stem.filter(|stem| registry.workflows.iter().any(|saved| saved.stem == *stem));
    match saved {
        Some(stem) => AppError::from(error)
            .with_hint(format!("there is a saved workflow of that name: flyball plan {stem}")),
        None => error.into(),
    }
}

fn unknown(name: &str, registry: &Registry, metas: &SavedMetas) -> AppError {
    let names: Vec<String> = registry
        .workflows
        .iter()
        .map(|saved| saved.call_name(metas.get(&source_name(saved)).map(|meta| &*meta.name)))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let looked = registry.folders.iter().map(|folder| folder.display().to_string());
    let error = AppError::bad_input(format!(
        "there is no file and no saved workflow `{name}` (looked in {})",
        looked.collect::<Vec<_>>().join(", ")
    ));
    let shipped: Vec<&str> = EXAMPLES.iter().map(|example| example.name).collect();
    if let (None, Some(near)) = (closest(name, &names), closest(name, &shipped)) {
        error.with_hint(format!("one that comes with flyball is called example:{near}"))
    } else if names.is_empty() {
        error.with_hint("name a script: flyball plan path/to/workflow.js")
    } else {
        error.with_hint(suggestion(name, &names, "flyball workflows list shows all of"))
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
