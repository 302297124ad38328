//! A launch as the hook tells of it: a preview that fits into a chat, and reasons that read well to
//! people and to models.

use super::number::{
    amount, budget_flag, count, dollars, money_cell, of_limit, percent, plural, range,
};
use super::page::{clean, fitted, width_of, wrapped};
use super::words;
use crate::amount::Amount;
use crate::band::Band;
use crate::claude::hook::Decision;
use crate::claude::hook::decision::{Finding, HeldLimit, LaunchLimits, Raise, cost_p90};
use crate::diagnostic::Diagnostic;
use crate::gate::Gate;
use crate::money::Picodollars;
use crate::plan::endings::STOPPED_AT;
use crate::plan::report::{FitOption, PhasePlan, PlanReport, StagePlan, VerdictOutcome};
use crate::plan::rewrite::{Left, Rewrite};

/// Columns and lines of a preview.
const WIDTH: usize = 80;
const LINES_MAX: usize = 12;
/// Phases that a preview shows; the rest is counted.
const PHASES_MAX: usize = 5;
/// Reasons that are told.
const REASONS_MAX: usize = 3;
/// The flag that looks for models within an amount.
const FIT: &str = "--fit ";
/// Stages that are named with another model.
const STAGES_MAX: usize = 6;
/// Columns of one reason that is quoted.
const QUOTED_MAX: usize = 200;

/// `report` in at most 12 lines of at most 80 columns, with `notes` as far as they fit.
/// `changed` says which models were.
pub fn preview(report: &PlanReport, changed: &str, notes: &[String]) -> String {
    let mut lines = wrapped(&headline(report), WIDTH);
    if !changed.is_empty() {
        lines.extend(wrapped(&format!("rewritten: {changed}"), WIDTH).into_iter().take(2));
    }
    if report.verdict.outcome != VerdictOutcome::NoAgents {
        lines.extend(report.phases.iter().take(PHASES_MAX).map(|phase| row(phase, report)));
        let hidden = report.phases.len().saturating_sub(PHASES_MAX) as u64;
        if hidden > 0 {
            lines.push(format!("  … and {}", plural(hidden, "more phase", "more phases")));
        }
        let agents = report.totals.agents;
        let several = plural(agents.p50, "agent", "agents");
        lines.push(format!("{several}{}, {}", spread_of(agents), words::pace(report)));
        let ceiling = words::ceiling(&report.ceiling).into_iter().next();
        lines.extend(ceiling.map(|line| format!("ceiling: {line}")));
    }
    let notes = notes.iter().flat_map(|note| wrapped(&format!("({note})"), WIDTH));
    let lines = lines.into_iter().chain(notes).take(LINES_MAX);
    lines.map(|line| fitted(&line, WIDTH)).collect::<Vec<_>>().join("\n")
}

/// The workflow, its verdict where there is a budget, and its cost.
fn headline(report: &PlanReport) -> String {
    let name = fitted(&report.workflow, 24);
    let verdict = (report.verdict.outcome != VerdictOutcome::NoBudget).then(|| {
        let (word, denier) = words::verdict(report);
        format!("{word}{denier}: {}", words::claim(report))
    });
    let spread =
        words::spread(report).filter(|_| report.verdict.outcome != VerdictOutcome::NoAgents);
    let said: Vec<String> = verdict.into_iter().chain(spread).collect();
    format!("flyball: {name}: {}", said.join("; "))
}

/// `Verify    66 24-144  session -> haiku-5-5 [fanout]    $0.67 0.2-1.9`.
fn row(phase: &PhasePlan, report: &PlanReport) -> String {
    let stages: Vec<&StagePlan> =
        report.stages.iter().filter(|stage| phase.stages.contains(&stage.key)).collect();
    let title = match (phase.title.as_str(), stages.as_slice()) {
        ("", [only]) => only.name.as_str(),
        ("", _) => "(no phase)",
        (title, _) => title,
    };
    let mut routes: Vec<String> = stages
        .iter()
        .map(|stage| {
            let (route, rule) = words::route(&stage.route);
            if rule.is_empty() { route } else { format!("{route} {rule}") }
        })
        .collect();
    routes.dedup();
    let route = match routes.as_slice() {
        [one] => one.clone(),
        several => format!("{} routes", several.len()),
    };
    let cost = phase.quantities.cost_usd.map_or_else(
        || "unpriced".to_owned(),
        |band| {
            format!(
                "${} {}",
                money_cell(band.p50),
                range(&money_cell(band.p10), &money_cell(band.p90))
            )
        },
    );
    let agents = phase.quantities.agents;
    let agents = format!("{}{}", count(agents.p50), spread_of(agents));
    format!("  {}  {}  {}  {cost}", padded(title, 16), padded(&agents, 12), padded(&route, 28))
}

fn padded(text: &str, width: usize) -> String {
    let text = fitted(text, width);
    let space = " ".repeat(width.saturating_sub(width_of(&text)));
    text + &space
}

/// ` (24-144)`; nothing where all are the same.
fn spread_of(band: Band<u64>) -> String {
    if band.p10 == band.p90 {
        String::new()
    } else {
        format!(" ({}-{})", count(band.p10), count(band.p90))
    }
}

/// Why a launch is asked about or denied, what it would need, and what would make it fit.
pub fn reason(report: &PlanReport, decision: &Decision, limits: &LaunchLimits) -> String {
    let name = fitted(&report.workflow, 40);
    let findings: Vec<&(Gate, Finding)> =
        decision.findings.iter().filter(|(gate, _)| *gate == decision.gate).collect();
    let said: Vec<String> = findings
        .iter()
        .filter_map(|(_, finding)| clause(finding, report, limits))
        .take(REASONS_MAX)
        .collect();
    let verb = if decision.gate == Gate::Deny { "denies" } else { "asks about" };
    let mut sentences = vec![format!("flyball {verb} {name}: {}", said.join("; "))];
    if findings.iter().any(|(_, finding)| matches!(finding, Finding::Limit { .. })) {
        sentences.extend(cheaper(report));
    }
    sentences.extend(findings.iter().find_map(|(_, finding)| raise(finding, report, limits)));
    if decision.gate == Gate::Deny {
        sentences.push("Do not start it again unchanged: make it cheaper, or ask the user".into());
    }
    sentences.join(". ") + "."
}

fn clause(finding: &Finding, report: &PlanReport, limits: &LaunchLimits) -> Option<String> {
    Some(match finding {
        Finding::Plan(reason) => fitted(reason, QUOTED_MAX),
        Finding::Paused(position) => {
            format!("{} is paused", clean(&limits.held.get(*position)?.name))
        }
        Finding::Cost(p90, limit) => {
            let (p90, limit) = of_limit(*p90, *limit);
            format!("9 of 10 runs cost up to {p90}, and more than {limit} needs a yes")
        }
        Finding::Unfinished { per_mille, ending } => {
            let (share, ending) = (percent(*per_mille), fitted(ending, QUOTED_MAX));
            format!("{share} of its dry runs broke off ({ending}), so that nobody knows the rest")
        }
        Finding::Unpriced => words::claim(report),
        Finding::NoAgents { returned } => {
            let stopped = report.endings.iter().any(|ending| ending.name.starts_with(STOPPED_AT));
            let help = if *returned || stopped { "" } else { "; check the args that it gets" };
            format!("no dry run started an agent: {}{help}", words::claim(report))
        }
        Finding::Limit { position, exceeded_per_mille } => {
            let limit = limits.held.get(*position)?;
            format!("{}, and {}", needed(limit.left, *exceeded_per_mille, report), allowed(limit))
        }
    })
}

/// `it needs $12.10 in 9 of 10 runs ($6.70 typical)`.
fn needed(left: Amount, exceeded_per_mille: u32, report: &PlanReport) -> String {
    let band = match left {
        Amount::Usd(_) => report
            .totals
            .cost_usd
            .and_then(|cost| Some((dollars(cost_p90(report)?), dollars(cost.p50)))),
        Amount::BilledTokens(_) => {
            let tokens = report.totals.billed_tokens;
            Some((format!("{} billed tokens", count(tokens.p90)), count(tokens.p50)))
        }
        Amount::Agents(_) => {
            let agents = report.totals.agents;
            Some((plural(agents.p90, "agent", "agents"), count(agents.p50)))
        }
        Amount::OutputTokens(_) | Amount::PlanWindow { .. } => None,
    };
    match band {
        Some((p90, p50)) => format!("it needs {p90} in 9 of 10 runs ({p50} typical)"),
        None => format!("{} of its runs pass what is left", percent(exceeded_per_mille)),
    }
}

/// `day 2026-11-26 UTC has $1.20 left of $20.00`, `--budget allows $5.00`.
fn allowed(limit: &HeldLimit) -> String {
    let (name, left) = (clean(&limit.name), amount(&limit.left));
    match &limit.of {
        Some(of) => format!("{name} has {left} left of {}", amount(of)),
        None => format!("{name} allows {left}"),
    }
}

/// Which models would keep the launch within its dollars, or that none would.
fn cheaper(report: &PlanReport) -> Option<String> {
    let fits = |option: &&FitOption| option.flag.as_ref().is_some_and(|it| it.starts_with(FIT));
    let option = report.to_fit.iter().find(fits)?;
    let p90 = option.cost_usd_p90?;
    let cost = dollars(p90);
    match option.flag.as_ref()?.strip_prefix(FIT)?.trim_start().parse::<Amount>() {
        Ok(Amount::Usd(limit)) if p90 <= limit => {
            let stages = fitted(&option.text, QUOTED_MAX);
            Some(format!("It would fit with {stages}: {cost} in 9 of 10 runs"))
        }
        _ => Some(format!("On the cheapest models it still needs {cost}: start fewer agents")),
    }
}

/// What was changed about the agents of a workflow.
pub fn changed(rewrite: &Rewrite) -> String {
    let mut models: Vec<(String, Vec<String>)> = Vec::new();
    for change in &rewrite.changed {
        let effort = change.effort.map_or(String::new(), |effort| format!(" {}", effort.name()));
        let to = format!("{}{effort} [{}]", words::model(&change.to), clean(&change.rule));
        let stage = fitted(&change.stage, 40);
        match models.iter_mut().find(|(known, _)| *known == to) {
            Some((_, stages)) if stages.contains(&stage) => {}
            Some((_, stages)) => stages.push(stage),
            None => models.push((to, vec![stage])),
        }
    }
    let line = |(to, stages): &(String, Vec<String>)| {
        let more = stages.len().saturating_sub(STAGES_MAX) as u64;
        let mut shown: Vec<String> = stages.iter().take(STAGES_MAX).cloned().collect();
        if more > 0 {
            shown.push(plural(more, "other", "others"));
        }
        format!("{} on {to}", shown.join(", "))
    };
    models.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// Why the call of a stage was left on its own model.
pub fn left_as_it_was(left: &Left) -> String {
    let stage = left.stage.as_ref().map_or_else(|| "a call".to_owned(), |name| fitted(name, 40));
    let line = words::line(left.line, None, ", ", ",");
    format!("{stage}{line} stays as written: {}", clean(&left.why.to_string()))
}

/// What is said of a launch whose models were changed, or should have been.
pub fn routed(workflow: &str, changed: &str, left: &[String]) -> Option<String> {
    let said: Vec<&str> = Some(changed)
        .filter(|it| !it.is_empty())
        .into_iter()
        .chain(left.iter().map(|it| &**it))
        .collect();
    let name = fitted(workflow, 40);
    (!said.is_empty()).then(|| format!("flyball: {name}: by the policy, {}", said.join("; ")))
}

/// How the user raises the limit that is in the way.
fn raise(finding: &Finding, report: &PlanReport, limits: &LaunchLimits) -> Option<String> {
    let position = match finding {
        Finding::Limit { position, .. } | Finding::Paused(position) => *position,
        _ => return None,
    };
    let limit = limits.held.get(position)?;
    let (missing, whole) = match limit.left {
        Amount::Usd(left) => {
            let p90 = cost_p90(report)?;
            (budget_flag(Picodollars::saturating_sub_at_zero(p90, left)), budget_flag(p90))
        }
        Amount::Agents(left) => {
            let p90 = report.totals.agents.p90;
            (format!("{}agents", p90.saturating_sub(left)), format!("{p90}agents"))
        }
        Amount::BilledTokens(left) => {
            let p90 = report.totals.billed_tokens.p90;
            (
                Amount::BilledTokens(p90.saturating_sub(left)).to_string(),
                Amount::BilledTokens(p90).to_string(),
            )
        }
        Amount::OutputTokens(_) | Amount::PlanWindow { .. } => return None,
    };
    Some(match &limit.raise {
        Raise::By(command) => format!("The user can raise it: {} {missing}", clean(command)),
        Raise::To(place) => format!("The user can raise it to {whole} in {}", clean(place)),
        Raise::With(command) => format!("The user can end that: {}", clean(command)),
    })
}

/// What is said of a workflow that is nowhere to be read.
pub fn built_in(name: &str, gate: Gate) -> String {
    let name = fitted(name, 40);
    let verb = match gate {
        Gate::Allow => "lets through",
        Gate::Ask => "asks about",
        Gate::Deny => "denies",
    };
    format!(
        "flyball {verb} {name}: it is Claude Code's own workflow, which flyball cannot read, so nobody \
         knows what it will cost (--built-in decides)."
    )
}

/// What is said where there is no script to plan.
pub fn refused(why: &str) -> String {
    format!(
        "flyball denies this launch: {}; what cannot be read cannot be planned.",
        fitted(why, QUOTED_MAX)
    )
}

/// What is said of a script that is none.
pub fn refused_script(problems: &[Diagnostic]) -> String {
    let said = problems.iter().take(REASONS_MAX).map(|problem| {
        let place = words::place(problem, "", ": ");
        let help =
            problem.help.as_ref().map_or(String::new(), |help| format!(" ({})", clean(help)));
        format!("{place}{}{help}", fitted(&problem.message, QUOTED_MAX))
    });
    format!(
        "flyball denies this launch: the script cannot be run. {}.",
        said.collect::<Vec<_>>().join("; ")
    )
}
