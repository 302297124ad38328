//! What follows for a launch from its plan and from the limits it is held to. Pure; how it is said
//! is the reports' business.

use crate::amount::Amount;
use crate::gate::Gate;
use crate::money::Picodollars;
use crate::plan::endings::STOPPED_AT;
use crate::plan::report::{PlanReport, VerdictOutcome};

/// Of 1,000 runs so many may pass a limit before a launch is denied, whatever the policy says: the
/// median run does then.
const OVER_PER_MILLE: u32 = 500;

/// What a launch is held to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchLimits {
    /// At most this in 9 of 10 runs goes ahead without a word.
    pub allow_under: Picodollars,
    /// Above this is asked.
    pub ask_over: Picodollars,
    /// Budgets, in the order in which the plan was held against them.
    pub held: Vec<HeldLimit>,
}

/// A budget, or what is left of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLimit {
    /// `--budget`, `run nightly`, `day 2026-11-26 UTC`.
    pub name: String,
    /// What is left of it.
    pub left: Amount,
    /// The whole of it, where something of it is gone.
    pub of: Option<Amount>,
    /// Whether a launch is denied that passes it more often than the policy tolerates; else it is
    /// asked about, and denied where its median run does.
    pub strict: bool,
    /// Whether it admits nothing, whatever is left.
    pub paused: bool,
    /// How it is raised.
    pub raise: Raise,
}

/// How a limit is raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raise {
    /// By this command, with what is missing behind it.
    By(String),
    /// By writing the whole amount there.
    To(String),
    /// By this command, as it is.
    With(String),
}

/// Something that a decision rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// What the policy or the planner says, in words.
    Plan(String),
    /// Runs pass the limit at this position of [`LaunchLimits::held`], so many of 1,000.
    Limit {
        /// The position.
        position: usize,
        /// How many of 1,000.
        exceeded_per_mille: u32,
    },
    /// The limit at this position is paused.
    Paused(usize),
    /// 9 of 10 runs cost at most the first, which is above the second.
    Cost(Picodollars, Picodollars),
    /// So many of 1,000 dry runs did not get to their end, for this reason: what they would cost is
    /// not all known.
    Unfinished {
        /// How many of 1,000.
        per_mille: u32,
        /// What the most of them ended with.
        ending: String,
    },
    /// A model has no price.
    Unpriced,
    /// No dry run started an agent; whether any returned.
    NoAgents {
        /// Whether any of them returned.
        returned: bool,
    },
}

/// What becomes of a launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it goes ahead.
    pub gate: Gate,
    /// Whether nothing has to be said about it.
    pub quiet: bool,
    /// Why, the strictest first.
    pub findings: Vec<(Gate, Finding)>,
}

/// What becomes of the launch that `report` plans.
pub fn decide(report: &PlanReport, limits: &LaunchLimits) -> Decision {
    let p90 = cost_p90(report);
    let mut findings: Vec<(Gate, Finding)> = Vec::new();
    match (report.verdict.outcome, p90) {
        (VerdictOutcome::NoAgents, _) => {
            let returned = report.endings.iter().any(|ending| ending.returned);
            let gate = if returned { Gate::Ask } else { Gate::Deny };
            findings.push((gate, Finding::NoAgents { returned }));
        }
        (VerdictOutcome::Unpriced, _) | (_, None) => findings.push((Gate::Deny, Finding::Unpriced)),
        (_, Some(p90)) if p90 > limits.ask_over => {
            findings.push((Gate::Ask, Finding::Cost(p90, limits.ask_over)));
        }
        _ => {}
    }
    findings.extend(unfinished(report));
    findings.extend(by_limit(report, limits));
    if report.verdict.gate != Gate::Allow {
        let said = report.verdict.reasons.iter().map(|reason| Finding::Plan(reason.clone()));
        findings.extend(said.map(|finding| (report.verdict.gate, finding)));
    }
    let gates = findings.iter().map(|(gate, _)| *gate);
    let gate = gates.max().unwrap_or(Gate::Allow).max(report.verdict.gate);
    findings.sort_by_key(|(gate, _)| std::cmp::Reverse(*gate));
    let quiet = gate == Gate::Allow && p90.is_some_and(|p90| p90 <= limits.allow_under);
    Decision { gate, quiet, findings }
}

/// What 9 of 10 runs cost at most: of those that complete, where that is more, since a run that
/// breaks off says little about the others.
pub fn cost_p90(report: &PlanReport) -> Option<Picodollars> {
    let all = report.totals.cost_usd?.p90;
    Some(report.suggested_budget_usd.map_or(all, |complete| all.max(complete)))
}

fn by_limit(report: &PlanReport, limits: &LaunchLimits) -> Vec<(Gate, Finding)> {
    let mut findings = Vec::new();
    for (position, limit) in limits.held.iter().enumerate() {
        if limit.paused {
            findings.push((Gate::Deny, Finding::Paused(position)));
        } else if let Some(budget) = report.verdict.budgets.get(position)
            && budget.exceeded_per_mille > budget.tolerated_per_mille.min(OVER_PER_MILLE)
        {
            let exceeded_per_mille = budget.exceeded_per_mille;
            let denies = limit.strict || exceeded_per_mille > OVER_PER_MILLE;
            let gate = if denies { Gate::Deny } else { Gate::Ask };
            let finding = Finding::Limit { position, exceeded_per_mille };
            findings.push((gate.max(report.verdict.gate), finding));
        }
    }
    findings
}

/// Dry runs that were stopped deny: what they would have started is not known. Where half of them
/// fail, somebody has to look.
fn unfinished(report: &PlanReport) -> Option<(Gate, Finding)> {
    if report.verdict.outcome == VerdictOutcome::NoAgents {
        return None;
    }
    let failed = || report.endings.iter().filter(|ending| !ending.returned);
    let per_mille = failed().map(|ending| ending.per_mille).sum();
    let stopped = failed().find(|ending| ending.name.starts_with(STOPPED_AT));
    let (gate, ending) = match (stopped, failed().max_by_key(|ending| ending.per_mille)) {
        (Some(stopped), _) => (Gate::Deny, stopped),
        (None, Some(most)) if per_mille >= OVER_PER_MILLE => (Gate::Ask, most),
        _ => return None,
    };
    Some((gate, Finding::Unfinished { per_mille, ending: ending.name.clone() }))
}
