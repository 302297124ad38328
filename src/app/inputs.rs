//! Everything a plan or a run needs from outside, read at once: script, args, policy, prices,
//! usage model, known results, counts of the working tree. What it all means is decided later.

use std::io::stdin;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::context::Context;
use super::error::AppError;
use crate::cli::plan::{ArgsOption, PlanOptions};
use crate::cli::value::ArgsSource;
use crate::config::examples::EXAMPLES;
use crate::config::registry::Origin;
use crate::config::registry::example_source;
use crate::config::settings::{closest, is_policy_file};
use crate::config::source::{DATA_BYTES_MAX, TEXT_BYTES_MAX};
use crate::config::{
    ReadError, Registry, SavedWorkflow, ScopeCounts, ScopeLimits, SourceFile, WorkflowReference,
};
use crate::plan::job::{NamedText, PlanJob};
use crate::plan::synth::shipped_results;
use crate::plan::widths::TreeCounts;
use crate::policy::Policy;
use crate::ports::script::{Limits, ScriptArgs, Start};
use crate::pricing::{CacheTtl, PriceFile};
use crate::workflow::{FoundIn, FoundWorkflow, Source, SourceSet, WorkflowRegistry};

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

impl PlanInputs {
    /// The script and the saved workflows it may call.
    pub fn source_set(&self) -> SourceSet {
        let saved = self.registry.workflows.iter().map(|saved| FoundWorkflow {
            meta_name: None,
            path: saved.path.display().to_string(),
            found_in: match saved.origin {
                Origin::Project => {
                    let folder = saved.path.parent();
                    let above = self.registry.folders.iter().position(|f| Some(&**f) == folder);
                    FoundIn::Project {
                        levels_up: above.map_or(0, |n| u32::try_from(n).unwrap_or(0)),
                    }
                }
                Origin::Personal => FoundIn::Personal,
            },
            text: saved.text.clone(),
        });
        // An example finds its siblings by name and by path, wherever it is run.
        let shipped =
            EXAMPLES.iter().filter(|_| self.script.path.is_none()).map(|example| FoundWorkflow {
                meta_name: None,
                path: format!("examples/{}.js", example.name),
                found_in: FoundIn::Personal,
                text: example.text.to_owned(),
            });
        SourceSet {
            main: Source::new(self.script.name.clone(), self.script.text.clone()),
            registry: WorkflowRegistry { found: saved.chain(shipped).collect() },
        }
    }

    /// The text of a child workflow that the script names by path: from the working folder, else
    /// from the script's own.
    pub fn child_text(&self, path: &str) -> Option<String> {
        let beside = self.script.path.as_ref().and_then(|script| script.parent());
        let places = [Some(PathBuf::from(path)), beside.map(|folder| folder.join(path))];
        places
            .into_iter()
            .flatten()
            .find_map(|place| SourceFile::read(&place, TEXT_BYTES_MAX).ok())
            .map(|source| source.text)
    }

    /// The name and text of the input that `what` stands for in messages.
    pub fn text_of(&self, what: &str) -> (String, String) {
        match (&self.policy, &self.usage) {
            (PolicySource::File(file), _) if what == "policy" => {
                (file.name.clone(), file.text.clone())
            }
            (_, Some(file)) if what == "usage model" => (file.name.clone(), file.text.clone()),
            _ => (what.to_owned(), String::new()),
        }
    }

    /// What the planner is asked.
    pub fn job(&self, options: &PlanOptions, context: &Context) -> Result<PlanJob, AppError> {
        let policy = self.policy_text()?;
        let suggested_policy = Policy::parse(&policy.name, &policy.text)
            .ok()
            .and_then(|policy| policy.suggests().map(str::to_owned))
            .and_then(|name| shipped_policy(&name));
        let results = self.results.iter().map(|(label, file)| format!("{label}={}", file.text));
        let mut start = Start {
            args: self.args.clone(),
            budget_total_tokens: options.turn_budget_tokens,
            ..Start::default()
        };
        start.limits = Limits::default();
        Ok(PlanJob {
            source: options.workflow.clone(),
            script_hash: self.script_hash(),
            start,
            price_files: self.price_files(),
            usage_text: self
                .usage
                .as_ref()
                .map_or_else(|| crate::usage::shipped_text().to_owned(), |file| file.text.clone()),
            results_text: shipped_results().to_owned(),
            policy,
            suggested_policy,
            session_model: options.model.clone().unwrap_or_else(|| "default".to_owned()),
            session_effort: options.effort,
            provider: options.provider.clone(),
            cache_one_hour: options.cache_ttl == CacheTtl::OneHour,
            budgets: options.budgets.iter().map(ToString::to_string).collect(),
            fit: options.fit.map(|amount| format!("{}usd", amount.to_decimal())),
            samples: options.samples,
            seed: options.seed,
            concurrency: options.concurrency.unwrap_or_else(client_concurrency).max(1),
            prefix_stagger_milliseconds: PREFIX_STAGGER_MILLISECONDS,
            on: options.at.unwrap_or(context.today),
            assumptions: options
                .assume
                .iter()
                .map(|assume| format!("{}={}", assume.key, assume.value))
                .collect(),
            results: results.collect(),
            done: options.done.clone(),
            tree: self.scope.as_ref().map(tree_counts).unwrap_or_default(),
        })
    }

    /// The price tables in force: shipped ones, then the user's.
    pub fn price_files(&self) -> Vec<PriceFile> {
        let mut files = crate::pricing::shipped_files();
        let own =
            |file: &SourceFile| PriceFile { name: file.name.clone(), text: file.text.clone() };
        files.extend(self.prices.iter().map(own));
        files
    }

    fn policy_text(&self) -> Result<NamedText, AppError> {
        match &self.policy {
            PolicySource::File(file) => {
                Ok(NamedText { name: file.name.clone(), text: file.text.clone() })
            }
            PolicySource::Shipped(name) => shipped_policy(name).ok_or_else(|| {
                let names: Vec<&str> =
                    crate::policy::shipped().iter().map(|(name, _)| *name).collect();
                AppError::bad_input(format!("there is no policy `{name}`"))
                    .with_hint(suggestion(name, &names, "the shipped policies are"))
                    .with_hint("a policy file has a path with a slash or ends in .toml")
            }),
        }
    }

    fn script_hash(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.script.text.as_bytes());
        for saved in &self.registry.workflows {
            digest.update([0]);
            digest.update(saved.text.as_bytes());
        }
        format!("{:x}", digest.finalize())
    }
}

/// How long the client holds siblings for the first one's response.
const PREFIX_STAGGER_MILLISECONDS: u64 = 5_000;

/// Agents at once, as the client sets it from the machine.
fn client_concurrency() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores.saturating_sub(2).clamp(2, 16)).unwrap_or(2)
}

fn shipped_policy(name: &str) -> Option<NamedText> {
    let (name, text) = crate::policy::shipped().iter().find(|(shipped, _)| *shipped == name)?;
    Some(NamedText { name: (*name).to_owned(), text: (*text).to_owned() })
}

fn tree_counts(scope: &ScopeCounts) -> TreeCounts {
    TreeCounts {
        files: Some(scope.files),
        diff_files: scope.changed_files,
        modules: Some(scope.modules),
        packages: None,
        tests: None,
        scoped: true,
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
