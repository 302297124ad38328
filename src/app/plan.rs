//! `flyball plan`.

use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::inputs::PlanInputs;
use super::output;
use crate::cli::PlanTyped;
use crate::cli::plan::PlanOptions;
use crate::cli::value::Format;
use crate::gate::Gate;
use crate::plan::report::{PlanReport, VerdictOutcome};
use crate::report::{json, markdown, plan};

pub(super) fn run(typed: PlanTyped, context: &Context) -> Result<Exit, AppError> {
    let PlanTyped { workflow, flags, format, out } = typed;
    let options = flags.resolve(workflow, &context.settings, &context.environment);
    let inputs = PlanInputs::load(&options, context, &mut |_| None)?;
    let report = make(&inputs, &options, context)?;
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

/// Plans `inputs`.
pub(super) fn make(
    inputs: &PlanInputs,
    options: &PlanOptions,
    context: &Context,
) -> Result<PlanReport, AppError> {
    let _ = (inputs, options, context);
    Err(AppError::bug("the planner is not wired yet"))
}

/// What a plan's verdict means to the caller. Asking is not refusing: `run` asks.
pub fn exit_of(report: &PlanReport) -> Exit {
    let over = matches!(report.verdict.outcome, VerdictOutcome::AtRisk | VerdictOutcome::Over);
    if report.verdict.gate == Gate::Deny || over { Exit::OverBudget } else { Exit::Done }
}
