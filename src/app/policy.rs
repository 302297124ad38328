//! `flyball policy check | explain | apply`.

use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::inputs::{PlanInputs, policy_source};
use super::{knowledge, output, plan};
use crate::cli::plan::{PROVIDER_DEFAULT, PlanningFlags};
use crate::cli::policy::{ApplyFormat, PolicyApply, PolicyCheck, PolicyCommand, PolicyExplain};
use crate::cli::value::PlainFormat;
use crate::config::SourceFile;
use crate::config::source::TEXT_BYTES_MAX;
use crate::diagnostic::{Diagnostic, Severity};
use crate::plan::planner::Plan;
use crate::plan::report::StagePlan;
use crate::policy::{ModelName, Pattern, Policy, Routing};
use crate::pricing::Model;
use crate::report::json;
use crate::report::policy::{
    self as report, ExplainedStage, POLICY_REPORT_VERSION, PolicyCheckReport, PolicyExplainReport,
};
use crate::report::rewrite::{self, PolicyApplyReport};

pub(super) fn run(
    command: PolicyCommand<PlanningFlags>,
    context: &Context,
) -> Result<Exit, AppError> {
    match command {
        PolicyCommand::Check(typed) => check(&typed, context),
        PolicyCommand::Explain(typed) => explain(*typed, context),
        PolicyCommand::Apply(typed) => apply(*typed, context),
    }
}

fn check(typed: &PolicyCheck, context: &Context) -> Result<Exit, AppError> {
    let found = knowledge::policy(&policy_source(&typed.policy)?)?;
    let paths = context.settings.prices.iter().chain(&typed.prices);
    let sources = paths.map(|path| SourceFile::read(path, TEXT_BYTES_MAX));
    let prices = knowledge::price_table(&sources.collect::<Result<Vec<_>, _>>()?)?;
    let provider = typed.provider.as_deref().or(context.settings.provider.as_deref());
    let provider = provider.unwrap_or(PROVIDER_DEFAULT);
    knowledge::provider(provider, &prices)?;
    let mut diagnostics = found.policy.check(&mut |name| {
        prices
            .resolve(name, provider, context.today)
            .map(|model| model.id.clone())
            .map_err(|unknown| unknown.to_string())
    });
    diagnostics.extend(ladder_order(&found.policy, |name| {
        prices.resolve(name, provider, context.today).ok()
    }));
    let is_broken = diagnostics.iter().any(|found| found.severity == Severity::Error);
    output::print(&match typed.format {
        PlainFormat::Table => {
            report::check(&found.policy, &diagnostics, &found.name, context.stdout.page())
        }
        PlainFormat::Json => json::pretty(&PolicyCheckReport::of(&found.policy, diagnostics)),
    })?;
    Ok(if is_broken { Exit::BadInput } else { Exit::Done })
}

/// Steps of the ladder that are weaker than the one before them.
fn ladder_order<'p>(
    policy: &Policy,
    resolve: impl Fn(&str) -> Option<&'p Model>,
) -> Vec<Diagnostic> {
    let known = policy.ladder().iter().filter_map(|step| Some((step, resolve(&step.name)?)));
    let known: Vec<_> = known.filter(|(_, model)| model.rank > 0).collect();
    let pairs = known.iter().zip(known.iter().skip(1));
    let falling = pairs.filter(|((_, before), (_, after))| {
        before.provider == after.provider && after.rank < before.rank
    });
    let warning = |((before, _), (after, _)): (&(&ModelName, _), &(&ModelName, _))| {
        let message = format!("`{}` is weaker than `{}` before it", after.name, before.name);
        Diagnostic::new(Severity::Warning, "policy::ladder-order", message)
            .with_place(after.place.clone())
            .with_help("a ladder goes from the weakest model to the strongest")
    };
    falling.map(warning).collect()
}

/// Plans the workflow and says what the policy decided on the way. The stages are the plan's.
fn explain(typed: PolicyExplain<PlanningFlags>, context: &Context) -> Result<Exit, AppError> {
    let PolicyExplain { workflow, stage: patterns, flags, format } = typed;
    let options = flags.resolve(workflow, &context.settings, &context.environment);
    let inputs = PlanInputs::load(&options, context)?;
    let plan::Planned { plan, sources, .. } = plan::make(&inputs, &options, Vec::new(), context)?;
    let Plan { report, routings, .. } = plan;
    plan::refuse_failed(&report, &sources)?;
    let names: Vec<String> = report.stages.iter().map(|stage| stage.name.clone()).collect();
    let patterns: Vec<Pattern> = patterns.iter().map(|pattern| Pattern::new(pattern)).collect();
    if let Some(idle) = patterns.iter().find(|p| !names.iter().any(|name| p.matches(name))) {
        let error = AppError::usage(format!("--stage: no stage is called `{idle}`"));
        return Err(error.with_hint(match names.as_slice() {
            [] => "the workflow has no stages".to_owned(),
            some => format!("the stages are {}", some.join(", ")),
        }));
    }
    let wanted = |stage: &StagePlan| {
        patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(&stage.name))
    };
    let stages = report.stages.into_iter().zip(routings);
    let explained = PolicyExplainReport {
        version: POLICY_REPORT_VERSION,
        policy: report.policy,
        stages: stages.filter(|(stage, _)| wanted(stage)).map(explained).collect(),
    };
    output::print(&match format {
        PlainFormat::Table => report::explain(&explained, context.stdout.page()),
        PlainFormat::Json => json::pretty(&explained),
    })?;
    Ok(Exit::Done)
}

fn explained((stage, routing): (StagePlan, Routing)) -> ExplainedStage {
    ExplainedStage {
        name: stage.name,
        phase: stage.phase,
        role: stage.role,
        agents_p50: stage.quantities.agents.p50,
        as_written: Some(stage.route.as_written),
        requested: stage.route.requested,
        routing,
    }
}

/// Plans the workflow and writes the routes into its text.
fn apply(typed: PolicyApply<PlanningFlags>, context: &Context) -> Result<Exit, AppError> {
    let PolicyApply { workflow, flags, format, out } = typed;
    let options = flags.resolve(workflow, &context.settings, &context.environment);
    let inputs = PlanInputs::load(&options, context)?;
    let planned = plan::make(&inputs, &options, Vec::new(), context)?;
    plan::refuse_failed(&planned.plan.report, &planned.sources)?;
    let rewrite = planned.rewrite()?;
    planned.check_rewritten(&rewrite, &plan::sandbox(&options)?)?;
    if let Some(path) = &out {
        output::write_file(path, &rewrite.text)?;
    }
    let made = planned.plan.report;
    let report = PolicyApplyReport::of(made.policy, made.workflow, rewrite);
    output::tell(&rewrite::summary(&report, context.stderr.page()));
    let script = &planned.sources.main;
    output::print(&match format {
        ApplyFormat::Script => report.rewrite.text,
        ApplyFormat::Diff => rewrite::difference(&script.name, &script.text, &report.rewrite.text),
        ApplyFormat::Json => json::pretty(&report),
    })?;
    Ok(Exit::Done)
}
