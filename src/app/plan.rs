//! `flyball plan`.

use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::inputs::PlanInputs;
use super::{output, planning};
use crate::cli::PlanTyped;
use crate::cli::plan::PlanOptions;
use crate::cli::value::Format;
use crate::gate::Gate;
use crate::plan::PlanError;
use crate::plan::report::{PlanReport, VerdictOutcome};
use crate::policy::Routing;
use crate::ports::script::EngineError;
use crate::report::{json, markdown, plan};
use crate::script::sandbox::{Sandbox, SandboxLimits};
use crate::workflow::{SourceSet, WorkflowFacts};

pub(super) fn run(typed: PlanTyped, context: &Context) -> Result<Exit, AppError> {
    let PlanTyped { workflow, flags, format, out } = typed;
    let options = flags.resolve(workflow, &context.settings, &context.environment);
    let inputs = PlanInputs::load(&options, context, &mut |_| None)?;
    let Planned { report, .. } = make(&inputs, &options, context)?;
    if let Some(path) = &out {
        output::write_file(path, &json::pretty(&report))?;
    }
    output::print(&match format {
        Format::Table => plan::table(&report, context.stdout.page()),
        Format::Json => json::pretty(&report),
        Format::Markdown => markdown::plan(&report),
    })?;
    Ok(exit_of(&report))
}

/// Plans `inputs` in a child process.
pub(super) fn make(
    inputs: &PlanInputs,
    options: &PlanOptions,
    context: &Context,
) -> Result<Planned, AppError> {
    let mut sources = inputs.source_set();
    let job = inputs.job(options, context)?;
    let sandbox = sandbox(options)?;
    let mut read_child = |path: &str| inputs.child_text(path);
    let (report, routings, facts) = planning::plan(&sandbox, &mut sources, job, &mut read_child)
        .map_err(|error| explain(error, inputs))?;
    Ok(Planned { report, routings, facts, sources })
}

/// A plan with what it was made from.
pub(super) struct Planned {
    /// The plan.
    pub(super) report: PlanReport,
    /// What the policy decided, by stage.
    pub(super) routings: Vec<Routing>,
    /// What is known of the script.
    pub(super) facts: WorkflowFacts,
    /// The script and what it calls.
    pub(super) sources: SourceSet,
}

/// The child processes that `options` allow.
pub(super) fn sandbox(options: &PlanOptions) -> Result<Sandbox, AppError> {
    let executable = std::env::current_exe()
        .map_err(|error| AppError::bug(format!("this program cannot find itself: {error}")))?;
    let defaults = SandboxLimits::default();
    Ok(Sandbox::new(executable).with_limits(SandboxLimits {
        silence: defaults.silence.min(options.time_limit),
        wall: options.time_limit,
        ..defaults
    }))
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
        PlanError::Flag { flag, message } => AppError::usage(format!("{flag}: {message}")),
    }
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
            AppError::new(Exit::ScriptFailed, format!("the script was ended: {reason}"))
                .with_hint(help)
        }
        EngineError::Unanswerable(message) => AppError::usage(message),
        error @ (EngineError::NotOpen(_) | EngineError::Internal(_)) => AppError::bug(error),
    }
}

/// What a plan's verdict means to the caller. Asking is not refusing: `run` asks.
pub fn exit_of(report: &PlanReport) -> Exit {
    let over = matches!(report.verdict.outcome, VerdictOutcome::AtRisk | VerdictOutcome::Over);
    if report.verdict.gate == Gate::Deny || over { Exit::OverBudget } else { Exit::Done }
}
