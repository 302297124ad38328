//! The sentences that the table and the Markdown of a plan share.

use super::diagnostics::OWN_PRICES;
use super::number::{self, count, digits};
use super::number::{
    budget_flag, chance, dollars, duration, duration_range, percent, plural, range,
};
use super::page::{clean, fitted};
use crate::amount::Amount;
use crate::diagnostic::{Diagnostic, Severity};
use crate::gate::Gate;
use crate::plan::endings::NO_RESULT;
use crate::plan::report::{
    BudgetVerdict, Ceiling, EndingPlan, PlanReport, RoutePlan, Savings, StagePlan, StepDownPlan,
    VerdictOutcome,
};
use crate::policy::AS_WRITTEN;

/// A model's name without its maker: `opus-5-5`.
pub(super) fn model(name: &str) -> String {
    let name = clean(name);
    name.strip_prefix("claude-").map_or_else(|| name.clone(), str::to_owned)
}

/// The verdict in capitals, and behind it, where no budget explains a denial, ` by policy ci`.
pub(super) fn verdict(report: &PlanReport) -> (&'static str, String) {
    match denier(report) {
        Some(denier) => ("DENIED", format!(" by {}", clean(denier))),
        None => (outcome(report.verdict.outcome), String::new()),
    }
}

/// What denies a plan that its budgets do not.
fn denier(report: &PlanReport) -> Option<&str> {
    let outcome = report.verdict.outcome;
    let is_fine = matches!(outcome, VerdictOutcome::NoBudget | VerdictOutcome::Within);
    report.verdict.denied_by.as_deref().filter(|_| is_fine)
}

/// What stands under the verdict's line: the budgets and reasons that it does not say.
pub(super) fn besides(report: &PlanReport) -> Vec<String> {
    let is_denied = denier(report).is_some();
    let worst = worst_budget(report).filter(|_| !is_denied);
    let others = report.verdict.budgets.iter();
    let others = others.filter(|budget| !worst.is_some_and(|worst| std::ptr::eq(worst, *budget)));
    let claims = others.map(|budget| budget_claim(budget, report.samples));
    let said = usize::from(is_denied);
    let reasons = report.verdict.reasons.iter().skip(said).map(|reason| clean(reason));
    claims.chain(reasons).chain(own_prices(&report.diagnostics)).collect()
}

/// Which price files come before the shipped ones.
pub(super) fn own_prices(diagnostics: &[Diagnostic]) -> impl Iterator<Item = String> {
    let named = diagnostics.iter().filter(|found| found.code == OWN_PRICES);
    named.map(|found| clean(&found.message))
}

/// The verdict in capitals, as far as budgets go.
pub(super) const fn outcome(outcome: VerdictOutcome) -> &'static str {
    match outcome {
        VerdictOutcome::NoBudget => "NO BUDGET",
        VerdictOutcome::Within => "WITHIN BUDGET",
        VerdictOutcome::AtRisk => "OVER BUDGET RISK",
        VerdictOutcome::Over => "OVER BUDGET",
        VerdictOutcome::Unpriced => "UNPRICED",
        VerdictOutcome::NoAgents => "0 AGENTS",
    }
}

pub(super) const fn gate(gate: Gate) -> &'static str {
    match gate {
        Gate::Allow => "ALLOW",
        Gate::Ask => "ASK",
        Gate::Deny => "DENY",
    }
}

/// What the verdict rests on, after its word.
pub(super) fn claim(report: &PlanReport) -> String {
    if denier(report).is_some() {
        return report.verdict.reasons.first().map_or_else(String::new, |reason| clean(reason));
    }
    match report.verdict.outcome {
        VerdictOutcome::NoAgents => report.endings.first().map_or_else(
            || "nothing to pay".to_owned(),
            |ending| {
                let line = line(ending.line, ending.file.as_deref(), ", ", "");
                format!("the script {}{line}", ended(&ending.name))
            },
        ),
        VerdictOutcome::Unpriced => unpriced(report),
        VerdictOutcome::NoBudget => match report.suggested_budget_usd {
            Some(amount) => {
                format!("--budget {} covers 9 in 10 of the runs that complete", budget_flag(amount))
            }
            None => "set one with --budget 10usd".to_owned(),
        },
        _ => worst_budget(report)
            .map_or_else(String::new, |budget| budget_claim(budget, report.samples)),
    }
}

/// `returned …`, `threw …`: a name that does not say so is the value of a return.
fn ended(name: &str) -> String {
    let name = clean(name);
    if name.starts_with("return") || name.starts_with("threw") || name.starts_with("is ") {
        name
    } else {
        format!("ended: {name}")
    }
}

fn unpriced(report: &PlanReport) -> String {
    let mut models: Vec<String> = Vec::new();
    for stage in report.stages.iter().filter(|stage| stage.quantities.cost_usd.is_none()) {
        let name = clean(&stage.route.model.0);
        if !models.contains(&name) {
            models.push(name);
        }
    }
    let (names, verb) = match models.as_slice() {
        [] => ("a model".to_owned(), "has"),
        [one] => (one.clone(), "has"),
        many => (many.join(", "), "have"),
    };
    format!("{names} {verb} no price on {}: add one with --prices FILE", report.prices_on)
}

/// The budget that is passed most often, measured by what the policy tolerates.
pub(super) fn worst_budget(report: &PlanReport) -> Option<&BudgetVerdict> {
    let beyond =
        |b: &BudgetVerdict| i64::from(b.exceeded_per_mille) - i64::from(b.tolerated_per_mille);
    report.verdict.budgets.iter().rev().max_by_key(|budget| beyond(budget))
}

/// `18 (±5) in 100 runs pass $10.00 (policy: 10)`; of a wider budget `pass the $1.20 left of
/// $20.00 for day 2026-11-25 UTC (policy: 10)`.
pub(super) fn budget_claim(budget: &BudgetVerdict, samples: u32) -> String {
    let chance = chance(budget.exceeded_per_mille, budget.error_per_mille, samples);
    let read = |text: &str| {
        text.parse::<Amount>().map_or_else(|_| clean(text), |amount| number::amount(&amount))
    };
    let amount = read(&budget.amount);
    let amount = match (&budget.scope, &budget.of) {
        (Some(scope), Some(of)) => {
            format!("the {amount} left of {} for {}", read(of), clean(scope))
        }
        (Some(scope), None) => format!("the {amount} for {}", clean(scope)),
        (None, _) => amount,
    };
    let tolerated = budget.tolerated_per_mille;
    let tolerated = if tolerated.is_multiple_of(10) {
        (tolerated / 10).to_string()
    } else {
        format!("{}.{}", tolerated / 10, tolerated % 10)
    };
    format!("{chance} pass {amount} (policy: {tolerated})")
}

/// `$6.70 typical, $3.60 to $12.10 (8 of 10 runs), 1 in 100 above $21.00`.
pub(super) fn spread(report: &PlanReport) -> Option<String> {
    let band = report.totals.cost_usd?;
    if band.p10 == band.stress {
        return Some(format!("{} in every sampled run", dollars(band.p50)));
    }
    Some(format!(
        "{} typical, {} to {} (8 of 10 runs), 1 in 100 above {}",
        dollars(band.p50),
        dollars(band.p10),
        dollars(band.p90),
        dollars(band.stress)
    ))
}

/// `session -> haiku-5-5 low`, and the rule that decided; empty where none did.
pub(super) fn route(route: &RoutePlan) -> (String, String) {
    let written =
        route.requested.as_ref().map_or("session".to_owned(), |_| model(&route.as_written.0));
    let effort = route.effort.map_or(String::new(), |effort| format!(" {}", effort.name()));
    let model = model(route.priced_as.as_deref().unwrap_or(&route.model.0));
    let chosen = if route.model != route.as_written {
        format!("{written} -> {model}{effort}")
    } else if route.requested.is_some() {
        format!("{model}{effort}")
    } else {
        format!("session: {model}{effort}")
    };
    let gate = match route.gate {
        Gate::Allow => String::new(),
        gated => format!(", {}", gate(gated)),
    };
    // That nothing decided is no news.
    if route.rule == AS_WRITTEN && route.gate == Gate::Allow {
        return (chosen, String::new());
    }
    (chosen, format!("[{}{gate}]", clean(&route.rule)))
}

/// Stages that a line names.
const STEPPED_STAGES_MAX: usize = 8;

/// `above 75 % of a budget, agents start on haiku-5-5: find, verify [last quarter]`, the lowest
/// share first, and that no range includes it; nothing where nothing steps down.
pub(super) fn step_downs(report: &PlanReport) -> Vec<String> {
    let mut groups: Vec<(&StepDownPlan, Vec<&str>)> = Vec::new();
    let steps = report
        .stages
        .iter()
        .flat_map(|stage| stage.route.step_downs.iter().map(|step| (step, stage.name.as_str())));
    for (step, stage) in steps {
        let like = |of: &StepDownPlan| {
            (of.above_per_mille, &of.rule, &of.model, &of.priced_as)
                == (step.above_per_mille, &step.rule, &step.model, &step.priced_as)
        };
        match groups.iter_mut().find(|(of, _)| like(of)) {
            Some((_, stages)) => stages.push(stage),
            None => groups.push((step, vec![stage])),
        }
    }
    groups.sort_by_key(|(step, _)| step.above_per_mille);
    let line = |(step, stages): &(&StepDownPlan, Vec<&str>)| {
        let share = super::policy::percent(step.above_per_mille.into());
        let model = model(step.priced_as.as_deref().unwrap_or(&step.model.0));
        let named = stages.iter().take(STEPPED_STAGES_MAX).map(|name| fitted(name, 40));
        let more = stages.len().saturating_sub(STEPPED_STAGES_MAX);
        let more = (more > 0).then(|| format!("{more} more"));
        let stages = named.chain(more).collect::<Vec<_>>().join(", ");
        let rule = clean(&step.rule);
        format!("above {share} of a budget, agents start on {model}: {stages} [{rule}]")
    };
    let mut lines: Vec<String> = groups.iter().map(line).collect();
    if !lines.is_empty() {
        lines.push("(the ranges above leave that out)".to_owned());
    }
    lines
}

/// `peak 14 at once, 9-22 min`.
pub(super) fn pace(report: &PlanReport) -> String {
    let peak = report.peak_concurrency;
    let wall = report.totals.wall_seconds;
    let capped = if peak.p50 >= peak.cap { " (the cap)" } else { "" };
    format!("peak {} at once{capped}, {}", peak.p50, duration_range(wall.p10, wall.p90))
}

/// What Claude Code's own display will say, which is not what is billed.
pub(super) fn shown_by_client(report: &PlanReport) -> String {
    format!("Claude Code will show about {} tokens", count(report.totals.context_tokens.p50))
}

/// `at most 240 agents`, with the reasons; then what nobody proves, the dollars.
pub(super) fn ceiling(ceiling: &Ceiling) -> Vec<String> {
    let open = ceiling.agents.is_none();
    let reasons: Vec<String> = ceiling
        .reasons
        .iter()
        .filter(|reason| reason.open == open)
        .map(|reason| {
            let line = reason.line.map_or(String::new(), |line| format!(" (line {line})"));
            format!("{}{line}", clean(&reason.text))
        })
        .collect();
    let head = match ceiling.agents {
        Some(agents) => format!("at most {}", plural(agents, "agent", "agents")),
        None => "none in the script".to_owned(),
    };
    let mut lines =
        vec![if reasons.is_empty() { head } else { format!("{head}: {}", reasons.join("; ")) }];
    if let Some(cost) = ceiling.cost_usd.filter(|_| !open) {
        let cost = dollars(cost);
        lines.push(format!("{cost} if each cost its stage's P99: no proof; --budget is a cap"));
    }
    if open {
        let cost = ceiling
            .runtime_cost_usd
            .map_or(String::new(), |[low, high]| format!(": {}", range_of_dollars(low, high)));
        lines.push(format!("the runtime stops at {} agents{cost}", digits(ceiling.runtime_agents)));
    }
    lines
}

fn range_of_dollars(low: crate::money::Picodollars, high: crate::money::Picodollars) -> String {
    let (low, high) = (dollars(low), dollars(high));
    if low == high { low } else { format!("{low} to {high}") }
}

/// What the routing is worth.
pub(super) fn savings(report: &PlanReport) -> Vec<String> {
    let Savings { routed_usd_p50, as_written_usd_p50, session_usd_p50, suggestion } =
        &report.savings;
    let mut lines = Vec::new();
    let mut against = |other: Option<crate::money::Picodollars>, what: &str| {
        let (Some(routed), Some(other)) = (*routed_usd_p50, other) else { return };
        match routed.cmp(&other) {
            std::cmp::Ordering::Less => lines.push(format!(
                "{} of {} against {what}",
                dollars(other - routed),
                dollars(other)
            )),
            std::cmp::Ordering::Greater => {
                lines.push(format!("none: {} more than {what}", dollars(routed - other)));
            }
            std::cmp::Ordering::Equal => {}
        }
    };
    against(*as_written_usd_p50, "the script as written");
    if session_usd_p50 != as_written_usd_p50 {
        let session = model(&report.session_model.0);
        against(*session_usd_p50, &format!("every agent on the session model, {session}"));
    }
    if let Some(suggestion) = suggestion {
        let name = clean(&suggestion.policy);
        lines.push(format!(
            "--policy {name} would cost {} (median)",
            dollars(suggestion.cost_usd_p50)
        ));
    }
    lines.extend(report.stages.iter().filter_map(price_step));
    lines
}

/// `one agent on opus-5-5 would take $3.10, $2.00 to $5.20, and 95 min; as many as planned, $2.40 and
/// 14 min`, and from how many agents on width pays; nothing where there is nothing to compare.
pub(super) fn one_agent(report: &PlanReport) -> Vec<String> {
    let wall = duration(report.totals.wall_seconds.p50);
    let lines = report.one_agent.iter().flat_map(|one| {
        let (name, cost) = (model(&one.model.0), one.cost_usd);
        let (p50, spread) = (dollars(cost.p50), range_of_dollars(cost.p10, cost.p90));
        let alone = duration(one.wall_seconds.p50);
        let fan_out = dollars(one.fan_out_cost_usd.p50);
        let compared = format!(
            "one agent on {name} would do the work for {p50} ({spread}) in {alone}; the agents, \
             all on {name}, for {fan_out} in {wall}"
        );
        let loading = percent(one.loading_per_mille);
        let point = match one.fan_out_cheaper_from_agents {
            Some(..=2) => "many are the cheaper way from the second agent on".to_owned(),
            Some(from) => format!("many are the cheaper way from {from} agents on"),
            None => "one is the cheaper way for any number of agents".to_owned(),
        };
        let spared = match one.spared_per_cent {
            Some(0) => None,
            Some(spared) => Some(format!(
                "one agent is no dearer if it need not do {spared} % of the requests: what it has \
                 read, it need not read again"
            )),
            None => Some("one agent is dearer however much it is spared".to_owned()),
        };
        let loading = format!("{loading} of that loads a context for each; {point}");
        [Some(compared), Some(loading), spared].into_iter().flatten()
    });
    lines.collect()
}

/// `12 % of Verify requests pass haiku-5-5's price step (priced in)`, where it is worth a word.
fn price_step(stage: &StagePlan) -> Option<String> {
    let above = stage.requests_above_step_per_mille.filter(|above| *above >= 10)?;
    let model = model(&stage.route.model.0);
    let name = fitted(&stage.name, 40);
    Some(format!("{} of {name} requests pass {model}'s price step (priced in)", percent(above)))
}

/// `findings per agent of Find, 2-9 (P50 4)`.
pub(super) fn driver(driver: &crate::plan::report::Driver) -> String {
    let (p10, p50, p90) = (clean(&driver.p10), clean(&driver.p50), clean(&driver.p90));
    let spread = range(&p10, &p90);
    let middle = if spread == p50 { String::new() } else { format!(" (P50 {p50})") };
    format!("{}, {spread}{middle}", clean(&driver.name))
}

/// `Find.findings = 2: $6.40, 4: $6.70, 9: $7.40`.
pub(super) fn response(driver: &crate::plan::report::Driver) -> Option<String> {
    if driver.response.is_empty() {
        return None;
    }
    let points = driver.response.iter().map(|point| {
        let cost = match point.cost_usd_p50 {
            Some(cost) => dollars(cost),
            None => plural(point.agents_p50, "agent", "agents"),
        };
        format!("{}: {cost}", clean(&point.value))
    });
    let fewest = driver.response.iter().filter_map(|point| point.samples).min();
    let of = fewest.map_or(String::new(), |samples| format!(" (of {samples} samples)"));
    Some(format!("{} = {}{of}", clean(&driver.key), points.collect::<Vec<_>>().join(", ")))
}

/// `200 samples, seed 7, prices of 2026-11-22, policy default, plan 4f1c09e2`.
pub(super) fn footer(report: &PlanReport) -> String {
    format!(
        "{}, seed {}, prices of {}, policy {}, plan {}",
        plural(u64::from(report.samples), "sample", "samples"),
        report.seed,
        clean(&report.prices_on),
        clean(&report.policy),
        clean(&report.plan_id)
    )
}

/// What a run that ends so leaves undone.
pub(super) fn short_of(ending: &EndingPlan) -> &'static str {
    match ending {
        EndingPlan { completes: true, .. } => "",
        // What it returned says what came of it.
        EndingPlan { returned: true, name, .. } if name != NO_RESULT => " (ends early)",
        _ => " (without its result)",
    }
}

/// `warning: line 64: …`, worst first, with what to do behind it; without those that
/// [`own_prices`] tells.
pub(super) fn messages(diagnostics: &[Diagnostic]) -> impl Iterator<Item = String> {
    let others = diagnostics.iter().filter(|found| found.code != OWN_PRICES);
    let mut worst_first: Vec<&Diagnostic> = others.collect();
    worst_first.sort_by_key(|diagnostic| std::cmp::Reverse(diagnostic.severity));
    worst_first.into_iter().map(|diagnostic| {
        let severity = match diagnostic.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let place = place(diagnostic, " ", ":");
        let help = diagnostic.help.as_ref().map_or(String::new(), |help| {
            let message = clean(&diagnostic.message);
            let stop = if message.ends_with(['.', '!', '?']) { "" } else { "." };
            format!("{stop} {}", clean(help))
        });
        format!("{severity}:{place} {}{help}", clean(&diagnostic.message))
    })
}

/// `line 3`, or `line 3 of scan.js`, between `before` and `after`; nothing without a line.
pub(super) fn line(line: Option<u32>, file: Option<&str>, before: &str, after: &str) -> String {
    let Some(line) = line else { return String::new() };
    let of = file.map_or(String::new(), |file| format!(" of {}", clean(file)));
    format!("{before}line {line}{of}{after}")
}

/// Where a message points, like [`line`].
pub(super) fn place(diagnostic: &Diagnostic, before: &str, after: &str) -> String {
    let Some(place) = &diagnostic.place else { return String::new() };
    line(Some(place.line), place.file.as_deref(), before, after)
}
