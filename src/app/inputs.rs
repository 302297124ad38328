//! Everything a plan or a run needs from outside, read at once: script, args, policy, prices,
//! usage model, known results, counts of the working tree. What it all means is decided later.

use std::io::stdin;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::amounts::once_per_unit;
use super::books::OpenLedger;
use super::context::Context;
use super::error::AppError;
use super::knowledge::{self, PolicyText};
use super::plan_windows;
use super::saved::{self, SavedMetas};
use crate::amount::Amount;
use crate::calibrate::WindowRate;
use crate::cli::ledger::LedgerFlag;
use crate::cli::plan::{ArgsOption, PlanOptions};
use crate::cli::value::ArgsSource;
use crate::config::settings::is_policy_file;
use crate::config::source::{DATA_BYTES_MAX, TEXT_BYTES_MAX};
use crate::config::{
    Origin, ReadError, Registry, SavedWorkflow, ScopeCounts, ScopeLimits, SourceFile,
};
use crate::plan::job::{NamedText, PlanJob};
use crate::plan::synth::shipped_results;
use crate::plan::widths::TreeCounts;
use crate::policy::{BudgetScope, Policy};
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
    /// What those say about themselves, as far as it was needed.
    pub metas: SavedMetas,
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

impl PlanInputs {
    /// Reads what `options` name.
    pub fn load(options: &PlanOptions, context: &Context) -> Result<Self, AppError> {
        once_per_unit("--budget", &options.budgets)?;
        let registry = Registry::scan(&context.working_folder, &context.environment);
        let script = saved::script(&options.workflow, context, &registry)?;
        Self::of_script(script, registry, options)
    }

    /// Reads what `options` name besides `script`, which is known.
    pub(super) fn of_script(
        script: SourceFile,
        registry: Registry,
        options: &PlanOptions,
    ) -> Result<Self, AppError> {
        // Only a script that may call others by name needs theirs read.
        let metas = if script.text.contains("workflow") {
            SavedMetas::read(&saved::in_reach(&script, &registry))?
        } else {
            SavedMetas::default()
        };
        let read_text = |path: &PathBuf| SourceFile::read(path, TEXT_BYTES_MAX);
        let prices = options.prices.iter().map(read_text).collect::<Result<_, ReadError>>()?;
        let results = options
            .results
            .iter()
            .map(|known| Ok((known.label.clone(), json_file(&known.file)?)))
            .collect::<Result<_, AppError>>()?;
        let inputs = Self {
            script,
            registry,
            metas,
            args: script_args(&options.args)?,
            policy: policy_source(&options.policy)?,
            prices,
            usage: options.usage.as_ref().map(read_text).transpose()?,
            results,
            scope: options.scope.as_deref().map(|of| count_scope(of, options)).transpose()?,
        };
        inputs.check(options)?;
        Ok(inputs)
    }

    /// What the planner would refuse is refused here, where the texts are at hand to point into.
    fn check(&self, options: &PlanOptions) -> Result<(), AppError> {
        knowledge::policy(&self.policy)?;
        let prices = knowledge::price_table(&self.prices)?;
        knowledge::provider(&options.provider, &prices)?;
        self.usage.as_ref().map_or(Ok(()), knowledge::usage_model)
    }
}

impl PlanInputs {
    /// The script and the saved workflows it may call.
    pub fn source_set(&self) -> SourceSet {
        let found = |source: Source, found_in| FoundWorkflow {
            meta_name: self.metas.get(&source.name).map(|meta| meta.name.clone()),
            path: source.name,
            found_in,
            text: source.text,
        };
        let places = self.registry.workflows.iter().map(|saved| self.found_in(saved));
        // An example finds its siblings by name and by path, wherever it is run.
        let places = places.chain(std::iter::repeat(FoundIn::Personal));
        let in_reach = saved::in_reach(&self.script, &self.registry).into_iter();
        SourceSet {
            main: Source::new(self.script.name.clone(), self.script.text.clone()),
            registry: WorkflowRegistry {
                found: in_reach.zip(places).map(|(source, place)| found(source, place)).collect(),
            },
        }
    }

    fn found_in(&self, saved: &SavedWorkflow) -> FoundIn {
        match saved.origin {
            Origin::Project => {
                let folder = saved.path.parent();
                let above = self.registry.folders.iter().position(|f| Some(&**f) == folder);
                FoundIn::Project { levels_up: above.map_or(0, |n| u32::try_from(n).unwrap_or(0)) }
            }
            Origin::Personal => FoundIn::Personal,
            Origin::Plugin => FoundIn::Plugin { plugin: saved.plugin.clone().unwrap_or_default() },
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
        let PolicyText { policy, name, text } = knowledge::policy(&self.policy)?;
        let suggested_policy = policy.suggests().and_then(|name| {
            let text = knowledge::shipped_policy(name)?;
            Some(NamedText { name: name.to_owned(), text: text.to_owned() })
        });
        let mut budgets = budgets(options, &policy);
        let window_rates = window_rates(&budgets, context)?;
        // The policy's are in its text.
        if options.budgets.is_empty() && options.at_most.is_empty() {
            budgets.clear();
        }
        let policy = NamedText { name, text };
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
            budgets: budgets.iter().map(ToString::to_string).collect(),
            fit: options.fit.map(|amount| format!("{}usd", amount.to_decimal())),
            samples: options.samples,
            work_max: options.work_max,
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
            replayed: Vec::new(),
            as_written: false,
            subagent_model: None,
            tree: self.scope.as_ref().map(tree_counts).unwrap_or_default(),
            standing: Vec::new(),
            window_rates,
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

fn tree_counts(scope: &ScopeCounts) -> TreeCounts {
    TreeCounts {
        files: Some(scope.files),
        bytes: Some(scope.bytes),
        diff_files: scope.changed_files,
        modules: Some(scope.modules),
        packages: None,
        tests: None,
        scoped: true,
        cut_by: scope.cut_by,
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

/// How long a plan with little time counts, and asks git.
const HASTY_SCOPE_TIME: Duration = Duration::from_millis(500);

fn count_scope(folder: &Path, options: &PlanOptions) -> Result<ScopeCounts, AppError> {
    let mut limits = ScopeLimits::default();
    if options.work_max.is_some() {
        (limits.walk_time, limits.git_time) = (HASTY_SCOPE_TIME, HASTY_SCOPE_TIME);
    }
    ScopeCounts::of(folder, limits).map_err(|error| {
        AppError::bad_input(format!("cannot count the files of `{}`: {error}", folder.display()))
            .with_hint("--scope takes a folder")
    })
}

/// The budgets of a run: those of `options`, else the policy's, and none above what `options` allow.
fn budgets(options: &PlanOptions, policy: &Policy) -> Vec<Amount> {
    let of_policy = policy.budgets().iter().filter(|budget| budget.scope == BudgetScope::Run);
    let mut budgets = match &options.budgets[..] {
        [] => of_policy.map(|budget| budget.amount).collect(),
        budgets => budgets.to_vec(),
    };
    for most in &options.at_most {
        let lower = |amount: &mut Amount| {
            let lower = amount.lower(*most)?;
            *amount = lower;
            Some(())
        };
        if budgets.iter_mut().find_map(lower).is_none() {
            budgets.push(*most);
        }
    }
    budgets
}

/// What a percent of a plan window is worth, where one of `budgets` asks for a share of one. So no
/// other plan depends on a ledger.
fn window_rates(budgets: &[Amount], context: &Context) -> Result<Vec<WindowRate>, AppError> {
    if !budgets.iter().any(|amount| matches!(amount, Amount::PlanWindow { .. })) {
        return Ok(Vec::new());
    }
    let ledger = OpenLedger::if_there(&LedgerFlag::default(), context)?;
    ledger.map_or_else(|| Ok(Vec::new()), |ledger| plan_windows::rates(&ledger))
}
