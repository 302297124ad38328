//! How the policy's routes reach a launch: by another text of its script, or by another model of its
//! agent. What cannot be carried so runs as written, and is priced so.

use serde_json::{Map, Value};

use super::super::error::AppError;
use super::super::knowledge;
use super::super::plan::Planned;
use super::forecast::{Forecast, Forecasted};
use super::subject::one_agent;
use crate::claude::hook::{AgentLaunch, Launch, WorkflowLaunch};
use crate::config::Environment;
use crate::config::environment::ALIAS_MODELS;
use crate::config::source::TEXT_BYTES_MAX;
use crate::diagnostic::Diagnostic;
use crate::plan::report::PlanReport;
use crate::plan::rewrite::{Left, Rewrite};
use crate::report::launch;

/// Calls that were left and are told of.
const LEFT_MAX: usize = 3;

/// A launch as it will run.
pub(super) struct Routed {
    /// Its plan.
    pub(super) report: PlanReport,
    /// What its tool is called with instead, where that is another input.
    pub(super) input: Option<Map<String, Value>>,
    /// What was changed, in words; empty where nothing was.
    pub(super) changed: String,
    /// What could not be changed, in words.
    pub(super) left: Vec<String>,
}

/// Routes `launch` as far as its input can carry it.
pub(super) fn route(
    launch: &Launch,
    forecast: &mut Forecast<'_>,
    environment: &Environment,
) -> Result<Result<Routed, Vec<Diagnostic>>, AppError> {
    // A resumed run goes on as it was launched: with other models its finished agents would not be
    // taken over.
    let stays = matches!(launch, Launch::Workflow(WorkflowLaunch { resume: Some(_), .. }));
    let first = if stays { forecast.as_written()? } else { forecast.as_routed()? };
    let planned = match first {
        Ok(planned) => planned,
        Err(problems) => return Ok(Err(problems)),
    };
    match launch {
        Launch::Workflow(launch) if !stays => workflow(launch, planned, forecast),
        Launch::Agent(launch) => agent(launch, planned, forecast, environment),
        _ => Ok(Ok(Routed::as_it_is(planned.plan.report))),
    }
}

impl Routed {
    fn as_it_is(report: PlanReport) -> Self {
        Self { report, input: None, changed: String::new(), left: Vec::new() }
    }
}

fn workflow(
    launch: &WorkflowLaunch,
    planned: Planned,
    forecast: &mut Forecast<'_>,
) -> Result<Result<Routed, Vec<Diagnostic>>, AppError> {
    let mut rewrite = planned.rewrite()?;
    if rewrite.text.len() as u64 > TEXT_BYTES_MAX {
        rewrite.changed.clear();
    }
    let is_changed = !rewrite.changed.is_empty();
    if is_changed {
        planned.check_rewritten(&rewrite, &forecast.sandbox()?)?;
        forecast.set_text(&rewrite.text);
    }
    let unmet = |left: &&Left| left.to.is_some() || left.effort.is_some();
    let left: Vec<String> =
        rewrite.left.iter().filter(unmet).take(LEFT_MAX).map(launch::left_as_it_was).collect();
    let routes_differ = routes_differ(&planned.plan.report);
    let report = if left.is_empty() && (is_changed || !routes_differ) {
        planned.plan.report
    } else {
        match written(planned.plan.report, forecast.as_written()?) {
            Ok(report) => report,
            Err(problems) => return Ok(Err(problems)),
        }
    };
    let input = is_changed.then(|| with_script(&launch.input, &rewrite));
    Ok(Ok(Routed { report, input, changed: launch::changed(&rewrite), left }))
}

fn routes_differ(report: &PlanReport) -> bool {
    report.stages.iter().any(|stage| stage.route.model != stage.route.as_written)
}

/// The plan of what runs as written; what the policy says of the routed one holds all the same.
fn written(routed: PlanReport, written: Forecasted) -> Result<PlanReport, Vec<Diagnostic>> {
    let mut report = written?.plan.report;
    if routed.verdict.gate > report.verdict.gate {
        report.verdict.gate = routed.verdict.gate;
        report.verdict.reasons = routed.verdict.reasons;
    }
    Ok(report)
}

/// The input with the rewritten text in place of whatever named the script.
fn with_script(input: &Map<String, Value>, rewrite: &Rewrite) -> Map<String, Value> {
    let mut input = input.clone();
    input.shift_remove("scriptPath");
    input.shift_remove("name");
    input.insert("script".to_owned(), Value::String(rewrite.text.clone()));
    input
}

/// The tool takes short names of models only.
fn agent(
    launch: &AgentLaunch,
    planned: Planned,
    forecast: &mut Forecast<'_>,
    environment: &Environment,
) -> Result<Result<Routed, Vec<Diagnostic>>, AppError> {
    let report = planned.plan.report;
    let Some(route) = report.stages.first().map(|stage| stage.route.clone()) else {
        return Ok(Ok(Routed::as_it_is(report)));
    };
    if route.model == route.as_written {
        return Ok(Ok(Routed::as_it_is(report)));
    }
    let table = knowledge::price_table(&forecast.inputs().prices)?;
    let job = forecast.job();
    let stands_for = |alias: &&(&str, &str)| {
        let resolved = table.resolve(alias.0, &job.provider, job.on);
        !environment.alias_models.contains_key(alias.0)
            && resolved.is_ok_and(|model| model.id == route.model)
    };
    let alias = ALIAS_MODELS.iter().find(stands_for).map(|(alias, _)| *alias);
    let left = match alias {
        Some(_) => Vec::new(),
        None => vec![format!(
            "stays on {}: the tool takes no name of {}",
            route.as_written, route.model
        )],
    };
    let input = alias.map(|alias| {
        forecast.set_args(one_agent(launch, Some(alias)));
        let mut input = launch.input.clone();
        input.insert("model".to_owned(), alias.into());
        input
    });
    let changed =
        alias.map_or_else(String::new, |_| format!("on {} [{}]", route.model, route.rule));
    Ok(written(report, forecast.as_written()?).map(|report| Routed {
        report,
        input,
        changed,
        left,
    }))
}
