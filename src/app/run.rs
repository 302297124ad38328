//! `flyball run`.

use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::inputs::{PlanInputs, json_file};
use super::output;
use super::plan;
use crate::cli::value::Format;
use crate::cli::{RunOptions, RunTyped};
use crate::event::{RunReport, RunResult, RunStatus, StopCause};
use crate::gate::Gate;
use crate::plan::report::{PLAN_SCHEMA_VERSION, PlanReport};
use crate::report::progress::{Lines, LiveLine, Progress};
use crate::report::{json, run as run_report};

pub(super) fn run(typed: RunTyped, context: &Context) -> Result<Exit, AppError> {
    let mut options = typed.resolve(&context.settings, &context.environment);
    let given = options.plan.as_deref().map(read_plan).transpose()?;
    if let Some(plan) = &given {
        plan.source.clone_into(&mut options.planning.workflow);
    }
    let inputs = PlanInputs::load(&options.planning, context, &mut |_| None)?;
    let plan = match given {
        Some(plan) => plan,
        None => plan::make(&inputs, &options.planning, context)?.report,
    };
    gate(&plan, options.yes)?;
    let report = execute(&plan, &inputs, &options, &mut *progress(context))?;
    if let Some(path) = &options.out {
        output::write_file(path, &json::pretty(&report))?;
    }
    output::print(&match options.format {
        Format::Table => run_report::table(&report, context.stdout.page()),
        Format::Json => json::pretty(&report),
        Format::Markdown => run_report::markdown(&report),
    })?;
    Ok(exit_of(&report))
}

/// The plan in the file at `path`, if this flyball can read its version.
fn read_plan(path: &std::path::Path) -> Result<PlanReport, AppError> {
    let source = json_file(path)?;
    let plan: PlanReport = serde_json::from_str(&source.text).map_err(|error| {
        AppError::bad_input(format!("{}: this is not a plan: {error}", source.name))
            .with_hint("make one with: flyball plan WORKFLOW --out plan.json")
    })?;
    if plan.version != PLAN_SCHEMA_VERSION {
        return Err(AppError::bad_input(format!(
            "{}: this plan has version {}; this flyball reads version {PLAN_SCHEMA_VERSION}",
            source.name, plan.version
        ))
        .with_hint("make it anew with: flyball plan WORKFLOW --out plan.json"));
    }
    Ok(plan)
}

/// Refuses what the plan denies; what it asks about needs a yes.
fn gate(plan: &PlanReport, yes: bool) -> Result<(), AppError> {
    match plan.verdict.gate {
        Gate::Allow => Ok(()),
        Gate::Ask if yes => Ok(()),
        Gate::Ask => Err(AppError::new(Exit::OverBudget, "the plan needs a yes before it runs")
            .with_hint("look at it with: flyball plan, then run it with --yes")),
        Gate::Deny => {
            Err(AppError::new(Exit::OverBudget, "the plan is denied; nothing was started")
                .with_hint("flyball plan says why, and what would fit"))
        }
    }
}

/// Where the run is shown while it runs.
fn progress(context: &Context) -> Box<dyn Progress> {
    let page = context.stderr.page();
    if context.stderr.live {
        Box::new(LiveLine::on_stderr(page))
    } else {
        Box::new(Lines::new(std::io::stderr(), page))
    }
}

fn execute(
    plan: &PlanReport,
    inputs: &PlanInputs,
    options: &RunOptions,
    progress: &mut dyn Progress,
) -> Result<RunReport, AppError> {
    let _ = (plan, inputs, options, progress);
    Err(AppError::bug("the runner is not wired yet"))
}

/// What a run's end means to the caller.
pub fn exit_of(report: &RunReport) -> Exit {
    match (report.status, report.stopped_by) {
        (RunStatus::Complete, _) => Exit::Done,
        // What was refused is missing from the result, though the script went on without it.
        (_, Some(StopCause::Budget)) => Exit::BudgetStopped,
        (_, Some(StopCause::Signal)) => Exit::Interrupted,
        (_, Some(StopCause::Backend)) => Exit::Upstream,
        (RunStatus::Partial, None) if report.agents.denied > 0 => Exit::BudgetStopped,
        (RunStatus::Partial, None) => Exit::Done,
        (RunStatus::Stopped | RunStatus::Failed, None) => match report.result {
            RunResult::EngineFailed { .. } => Exit::BadInput,
            _ => Exit::ScriptFailed,
        },
    }
}
