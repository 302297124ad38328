//! `flyball plan`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::inputs::PlanInputs;
use super::{knowledge, output, own_prices, planning, wider};
use crate::cli::PlanTyped;
use crate::cli::plan::PlanOptions;
use crate::cli::value::Format;
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::gate::Gate;
use crate::plan::PlanError;
use crate::plan::job::{PlanJob, StandingLimit};
use crate::plan::planner::Plan;
use crate::plan::report::{PlanReport, VerdictOutcome};
use crate::plan::rewrite::{self, Rewrite};
use crate::ports::script::EngineError;
use crate::report::{json, markdown, plan};
use crate::script::sandbox::{Sandbox, SandboxLimits};
use crate::workflow::{SourceSet, WorkflowFacts};

pub(super) fn run(typed: PlanTyped, context: &Context) -> Result<Exit, AppError> {
    let PlanTyped { workflow, flags, ledger, format, out } = typed;
    if let Some(path) = &out {
        output::can_be_written(path)?;
    }
    let options = flags.resolve(workflow, &context.settings, &context.environment);
    let inputs = PlanInputs::load(&options, context)?;
    let (policy, standing) =
        (knowledge::policy(&inputs.policy)?.policy, wider::look(&ledger, context)?);
    let limits = wider::limits(&standing, &policy, &ledger, context)?;
    let Planned { plan: Plan { mut report, .. }, sources, .. } =
        make(&inputs, &options, limits, context)?;
    report.diagnostics.extend(wider::uncounted(&standing, &policy, &ledger)?);
    if let Some(path) = &out {
        output::write_file(path, &json::pretty(&report))?;
    }
    output::print(&match format {
        Format::Table => plan::table(&report, context.stdout.page()),
        Format::Json => json::pretty(&report),
        Format::Markdown => markdown::plan(&report),
    })?;
    refuse_failed(&report, &sources)?;
    Ok(exit_of(&report))
}

/// Refuses a script that fails in every run before its first agent, pointing at what threw, in the
/// script or in the child workflow that it called.
pub(super) fn refuse_failed(report: &PlanReport, sources: &SourceSet) -> Result<(), AppError> {
    if exit_of(report) != Exit::ScriptFailed {
        return Ok(());
    }
    let error = AppError::new(Exit::ScriptFailed, "the script fails before its first agent");
    let errors = report.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    let mut by_file: BTreeMap<Option<&str>, Vec<Diagnostic>> = BTreeMap::new();
    for found in errors {
        let file = found.place.as_ref().and_then(|place| place.file.as_deref());
        by_file.entry(file).or_default().push(found.clone());
    }
    Err(by_file.into_iter().fold(error, |error, (file, mut findings)| {
        let (name, text) = file.map_or((&*sources.main.name, &*sources.main.text), |file| {
            let child = sources.registry.found.iter().find(|child| child.path == file);
            (file, child.map_or("", |child| &*child.text))
        });
        for place in findings.iter_mut().filter_map(|found| found.place.as_mut()) {
            *place = Place::of_line(text, place.line, place.column);
        }
        error.with_findings(name, text, findings)
    }))
}

/// Plans `inputs` in a child process, held against the budgets in `standing` too.
pub(super) fn make(
    inputs: &PlanInputs,
    options: &PlanOptions,
    standing: Vec<StandingLimit>,
    context: &Context,
) -> Result<Planned, AppError> {
    let mut sources = inputs.source_set();
    let job = PlanJob { standing, ..inputs.job(options, context)? };
    let sandbox = sandbox(options)?;
    let mut read_child = |path: &str| inputs.child_text(path);
    let (mut plan, facts) = planning::plan(&sandbox, &mut sources, job, &mut read_child)
        .map_err(|error| explain(error, inputs))?;
    plan.report.diagnostics.extend(own_prices::told(options, context));
    Ok(Planned { plan, facts, sources })
}

/// A plan with what it was made from.
pub(super) struct Planned {
    /// The plan.
    pub(super) plan: Plan,
    /// What is known of the script.
    pub(super) facts: WorkflowFacts,
    /// The script and what it calls.
    pub(super) sources: SourceSet,
}

impl Planned {
    /// The script with the plan's routes in its text, where its text can carry them.
    pub(super) fn rewrite(&self) -> Result<Rewrite, AppError> {
        let text = &self.sources.main.text;
        rewrite::rewrite(text, &self.facts, &self.plan).map_err(AppError::bug)
    }

    /// Whether the engine takes what was rewritten: nothing else is handed on.
    pub(super) fn check_rewritten(
        &self,
        rewrite: &Rewrite,
        sandbox: &Sandbox,
    ) -> Result<(), AppError> {
        let mut sources = self.sources.clone();
        sources.main.text.clone_from(&rewrite.text);
        match sandbox.inspect(&sources) {
            Ok(_) => Ok(()),
            Err(error) => Err(AppError::bug(format!("the rewritten script is broken: {error}"))),
        }
    }
}

/// The child processes that `options` allow.
pub(super) fn sandbox(options: &PlanOptions) -> Result<Sandbox, AppError> {
    let defaults = SandboxLimits::default();
    Ok(Sandbox::new(this_program()?).with_limits(SandboxLimits {
        // A little less than the whole, so that a loop without end is told from a long plan.
        silence: defaults.silence.min(options.time_limit.mul_f64(SILENCE_SHARE)),
        wall: options.time_limit,
        ..defaults
    }))
}

/// The share of the time limit that may pass in silence.
const SILENCE_SHARE: f64 = 0.9;

/// Where this program's executable is.
pub(super) fn this_program() -> Result<PathBuf, AppError> {
    std::env::current_exe()
        .map_err(|error| AppError::bug(format!("this program cannot find itself: {error}")))
}

/// What the user is told where there is no plan.
pub(super) fn explain(error: PlanError, inputs: &PlanInputs) -> AppError {
    match error {
        PlanError::Script(error) => explain_engine(error, inputs),
        PlanError::Input { what, message, diagnostics } => {
            let error = AppError::bad_input(format!("{what}: {message}"));
            if diagnostics.is_empty() {
                error
            } else {
                let (name, text) = inputs.text_of(&what);
                error.with_findings(name, text, diagnostics)
            }
        }
        // Messages about pins quote the one flag of the several that is wrong.
        PlanError::Flag { message, .. } if message.starts_with("--") => AppError::usage(message),
        PlanError::Flag { flag, message } => AppError::usage(format!("{flag}: {message}")),
    }
}

/// How many times as much time is proposed where it was too little.
const MORE_TIME: u32 = 5;

/// What the user is told where there was too little time for a plan, without what to do.
pub(super) fn out_of_time(limit: Duration, inputs: &PlanInputs) -> AppError {
    let (name, limit) = (&inputs.script.name, limit.as_secs_f64());
    AppError::new(Exit::ScriptFailed, format!("{name}: the plan takes longer than {limit} s"))
}

/// What the user is told where the script's own process gave none.
pub(super) fn explain_engine(error: EngineError, inputs: &PlanInputs) -> AppError {
    match error {
        EngineError::Refused(diagnostics) => {
            let script = &inputs.script;
            AppError::bad_input("the script was refused").with_findings(
                script.name.clone(),
                script.text.clone(),
                diagnostics,
            )
        }
        EngineError::Killed { reason, help } => {
            let name = &inputs.script.name;
            AppError::new(Exit::ScriptFailed, format!("{name}: the script was ended: {reason}"))
                .with_hint(help)
        }
        EngineError::OutOfTime { limit } => {
            let more = (limit * MORE_TIME).as_secs().max(1);
            let hint = format!(
                "take fewer samples (--samples), or allow more time (--time-limit {more}s)"
            );
            out_of_time(limit, inputs).with_hint(hint)
        }
        EngineError::Unanswerable(message) => AppError::usage(message),
        error @ (EngineError::NotOpen(_) | EngineError::Internal(_)) => AppError::bug(error),
    }
}

/// What a plan's verdict means to the caller. Asking is not refusing: `run` asks.
pub fn exit_of(report: &PlanReport) -> Exit {
    let no_agents = report.verdict.outcome == VerdictOutcome::NoAgents;
    if no_agents && report.endings.iter().all(|ending| !ending.returned) {
        return Exit::ScriptFailed;
    }
    let over = matches!(report.verdict.outcome, VerdictOutcome::AtRisk | VerdictOutcome::Over);
    if report.verdict.gate == Gate::Deny || over { Exit::OverBudget } else { Exit::Done }
}
