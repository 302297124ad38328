//! `flyball policy check | explain`.

use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::inputs::{PlanInputs, policy_source};
use super::{knowledge, output, plan};
use crate::cli::plan::PlanningFlags;
use crate::cli::policy::{PolicyCheck, PolicyCommand, PolicyExplain, PolicyFormat};
use crate::config::SourceFile;
use crate::config::source::TEXT_BYTES_MAX;
use crate::report::json;
use crate::report::policy::{
    self as report, ExplainedStage, POLICY_REPORT_VERSION, PolicyCheckReport, PolicyExplainReport,
};

pub(super) fn run(
    command: PolicyCommand<PlanningFlags>,
    context: &Context,
) -> Result<Exit, AppError> {
    match command {
        PolicyCommand::Check(typed) => check(&typed, context),
        PolicyCommand::Explain(typed) => explain(&typed, context),
    }
}

fn check(typed: &PolicyCheck, context: &Context) -> Result<Exit, AppError> {
    let found = knowledge::policy(&policy_source(&typed.policy)?)?;
    let paths = context.settings.prices.iter().chain(&typed.prices);
    let sources = paths.map(|path| SourceFile::read(path, TEXT_BYTES_MAX));
    let prices = knowledge::price_table(&sources.collect::<Result<Vec<_>, _>>()?)?;
    let provider = typed.provider.as_deref().or(context.settings.provider.as_deref());
    let diagnostics = found.policy.check(&mut |name| {
        prices
            .resolve(name, provider.unwrap_or("anthropic"), context.today)
            .map(|model| model.id.clone())
            .map_err(|unknown| unknown.to_string())
    });
    output::print(&match typed.format {
        PolicyFormat::Table => {
            let width = context.stdout.page().width();
            report::check(&found.policy, &diagnostics, &found.name, width)
        }
        PolicyFormat::Json => json::pretty(&PolicyCheckReport::of(&found.policy, diagnostics)),
    })?;
    Ok(Exit::Done)
}

/// Plans the workflow and says what the policy decided on the way. Stages are those of the plan.
fn explain(typed: &PolicyExplain<PlanningFlags>, context: &Context) -> Result<Exit, AppError> {
    let workflow = typed.workflow.clone();
    let flags = typed.flags.clone();
    let options = flags.resolve(workflow, &context.settings, &context.environment);
    let inputs = PlanInputs::load(&options, context, &mut |_| None)?;
    let planned = plan::make(&inputs, &options, context)?;
    let explained =
        planned.report.stages.iter().zip(planned.routings).map(|(stage, routing)| ExplainedStage {
            name: stage.name.clone(),
            phase: stage.phase.clone(),
            role: stage.role,
            agents_p50: stage.quantities.agents.p50,
            as_written: Some(stage.route.as_written.clone()),
            requested: stage.route.requested.clone(),
            routing,
        });
    let wanted = |stage: &ExplainedStage| {
        typed.stage.is_empty() || typed.stage.iter().any(|pattern| matches(pattern, &stage.name))
    };
    let report = PolicyExplainReport {
        version: POLICY_REPORT_VERSION,
        policy: planned.report.policy,
        stages: explained.filter(wanted).collect(),
    };
    if report.stages.is_empty() && !typed.stage.is_empty() {
        let names: Vec<&str> =
            planned.report.stages.iter().map(|stage| stage.name.as_str()).collect();
        return Err(AppError::usage(format!("no stage is called `{}`", typed.stage.join("`, `")))
            .with_hint(format!("the stages are {}", names.join(", "))));
    }
    output::print(&match typed.format {
        PolicyFormat::Table => report::explain(&report, context.stdout.page().width()),
        PolicyFormat::Json => json::pretty(&report),
    })?;
    Ok(Exit::Done)
}

/// Whether `name` is `pattern`, in which `*` stands for any text, an empty one too.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, others)) = pattern.split_once('*') else { return pattern == name };
    let (middle, last) = others.rsplit_once('*').unwrap_or(("", others));
    let Some(rest) = name.strip_prefix(first) else { return false };
    let Some(mut rest) = rest.strip_suffix(last) else { return false };
    for part in middle.split('*') {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    true
}
