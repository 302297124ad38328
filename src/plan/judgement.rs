//! What a plan's samples come to: held against every budget, judged by the policy.

use crate::amount::Amount;
use crate::band::Band;
use crate::budget::PhaseLimits;
use crate::calibrate::WindowRate;
use crate::gate::Gate;
use crate::money::Picodollars;
use crate::plan::PlanError;
use crate::plan::assemble;
use crate::plan::costing::{AgentCost, SampleCost, StageCost};
use crate::plan::endings::per_mille;
use crate::plan::evaluation::Priced;
use crate::plan::frame::{Frame, FrameStage};
use crate::plan::job::StandingLimit;
use crate::plan::report::{BudgetVerdict, PlanReport, Quantities, Verdict, VerdictOutcome};
use crate::plan::routing;
use crate::plan::setup::{Setup, parse_amount};
use crate::plan::verdict::{self, Outcomes};
use crate::policy::{BudgetLimit, BudgetScope, PlanMeasures};

/// The verdict on the samples: how often they pass each budget, what the policy says of that, and who
/// denies the plan.
pub fn judge(
    setup: &Setup,
    frame: &Frame,
    priced: &Priced,
    totals: &Quantities,
    bounded: bool,
) -> Result<Verdict, PlanError> {
    let shared = &setup.job.standing;
    let verdict = judge_with(setup, frame, priced, totals, bounded, shared)?;
    if shared.is_empty() {
        return Ok(verdict);
    }
    let apart = judge_with(setup, frame, priced, totals, bounded, &[])?;
    Ok(Verdict { apart: Some(Box::new(apart)), ..verdict })
}

fn judge_with(
    setup: &Setup,
    frame: &Frame,
    priced: &Priced,
    totals: &Quantities,
    bounded: bool,
    shared: &[StandingLimit],
) -> Result<Verdict, PlanError> {
    let sums: Vec<StageCost> = priced.costs.iter().map(SampleCost::total).collect();
    let dollars = assemble::dollars(priced);
    let sampled = Sampled::of(&sums);
    let outcomes = sampled.outcomes(&setup.job.window_rates);
    let tolerated = tolerated(setup);
    let mut reasons = priced.fit.reasons.clone();
    let mut budgets = Vec::new();
    for amount in setup.budgets()? {
        let window = verdict::say_window(amount, &outcomes);
        match verdict::hold(amount, &outcomes, tolerated) {
            Some(held) => {
                budgets.push(held);
                reasons.extend(window);
            }
            None => reasons.push(
                window.unwrap_or_else(|| format!("{amount} cannot be held against a forecast")),
            ),
        }
    }
    budgets.extend(hold_phases(setup, frame, priced, tolerated));
    reasons.extend(agents_cut(setup, priced));
    let (wider, paused) = hold_wider(shared, &outcomes, tolerated)?;
    budgets.extend(wider);
    let exceeded_per_mille = budgets.iter().map(|held| held.exceeded_per_mille).max();
    let outcome = if dollars.is_none() {
        VerdictOutcome::Unpriced
    } else if sums.iter().all(|cost| cost.agents == 0) {
        VerdictOutcome::NoAgents
    } else {
        verdict::word_for(exceeded_per_mille, tolerated)
    };
    let measures = PlanMeasures {
        exceeded_per_mille,
        agents_p90: totals.agents.p90,
        cost_p90: totals.cost_usd.map(|band| band.p90),
        wall_seconds_p90: totals.wall_seconds.p90,
        bounded,
        files: setup.job.tree.files,
    };
    let (gate, denied_by) = decide(setup, priced, &measures, &paused);
    let gate = gate.max(match outcome {
        VerdictOutcome::Unpriced => Gate::Deny,
        VerdictOutcome::NoAgents => Gate::Ask,
        _ => Gate::Allow,
    });
    // How often the budget is passed is said with the budget itself.
    let besides = PlanMeasures { exceeded_per_mille: None, ..measures };
    let mut by_policy = setup.policy.judge(&besides).reasons;
    by_policy.extend(priced.routes.iter().filter_map(|routed| routed.routing.gate_reason.clone()));
    // What denies a plan comes first.
    let denies = gate == Gate::Deny && priced.fit.gate() != Gate::Deny;
    let at = if denies { 0 } else { reasons.len() };
    reasons.splice(at..at, by_policy);
    reasons.splice(0..0, paused.iter().map(|scope| format!("{scope} is paused")));
    Ok(Verdict { gate, outcome, reasons, denied_by, budgets, apart: None })
}

/// What stages took in each sample, by unit.
struct Sampled {
    /// `None` where a model has no price.
    cost: Option<Vec<Picodollars>>,
    billed_tokens: Vec<u64>,
    output_tokens: Vec<u64>,
    agents: Vec<u64>,
}

impl Sampled {
    fn of(sums: &[StageCost]) -> Self {
        let read = |of: fn(&StageCost) -> u64| sums.iter().map(of).collect::<Vec<u64>>();
        Self {
            cost: sums.iter().map(|sum| (!sum.unpriced).then_some(sum.cost)).collect(),
            billed_tokens: read(|cost| cost.billed_tokens),
            output_tokens: read(|cost| cost.output_tokens),
            agents: read(|cost| u64::from(cost.agents)),
        }
    }

    fn outcomes<'a>(&'a self, window_rates: &'a [WindowRate]) -> Outcomes<'a> {
        Outcomes {
            cost: self.cost.as_deref(),
            billed_tokens: &self.billed_tokens,
            output_tokens: &self.output_tokens,
            agents: &self.agents,
            window_rates,
        }
    }
}

/// The policy's budgets of phases, held against what each phase takes.
fn hold_phases(
    setup: &Setup,
    frame: &Frame,
    priced: &Priced,
    tolerated: u32,
) -> Vec<BudgetVerdict> {
    let hold = |limit: &BudgetLimit| {
        let BudgetScope::Phase(title) = &limit.scope else { return None };
        let mut limited = PhaseLimits::default();
        limited.entry(title);
        let within = |stage: &FrameStage| limited.of(&stage.identity.phase).is_some();
        let of_phase = |sample: &SampleCost| {
            let stages = frame.stages.iter().zip(&sample.stages);
            let costs = stages.filter(|(stage, _)| within(stage)).map(|(_, cost)| cost);
            costs.fold(StageCost::default(), |sum, cost| sum.plus(cost))
        };
        let phase = &frame.stages.iter().find(|stage| within(stage))?.identity.phase;
        let sums: Vec<StageCost> = priced.costs.iter().map(of_phase).collect();
        let held = verdict::hold(limit.amount, &Sampled::of(&sums).outcomes(&[]), tolerated)?;
        Some(BudgetVerdict { scope: Some(format!("phase {phase}")), ..held })
    };
    setup.policy.budgets().iter().filter_map(hold).collect()
}

/// How many agents pass the policy's budget of an agent, in words: those end early, and the run goes
/// on without them. Only what is known of single agents is told.
fn agents_cut(setup: &Setup, priced: &Priced) -> Vec<String> {
    let cut = |limit: &BudgetLimit| {
        let passes = |agent: &AgentCost| match limit.amount {
            Amount::Usd(most) => agent.cost > most,
            Amount::OutputTokens(most) => agent.output_tokens() > most,
            _ => false,
        };
        let passing = priced.agents.iter().filter(|agent| passes(agent)).count();
        let is_of_agent = limit.scope == BudgetScope::Agent && passing > 0;
        let share = per_mille(passing, priced.agents.len()).max(1);
        is_of_agent.then(|| {
            let amount = limit.amount;
            let share = if share == 1_000 { "all".to_owned() } else { format!("{share} in 1,000") };
            format!("{share} agents pass the policy's {amount} for an agent and end early")
        })
    };
    setup.policy.budgets().iter().filter_map(cut).collect()
}

/// Whether the plan goes ahead, and what denies it if anything does.
fn decide(
    setup: &Setup,
    priced: &Priced,
    measures: &PlanMeasures,
    paused: &[String],
) -> (Gate, Option<String>) {
    let by_rules = setup.policy.answer(routing::gate_of(&priced.routes));
    let by_policy = setup.policy.judge(measures).gate.max(by_rules);
    let by_fit = priced.fit.gate();
    if let Some(scope) = paused.first() {
        (Gate::Deny, Some(scope.clone()))
    } else if by_fit == Gate::Deny {
        (Gate::Deny, Some("--fit".to_owned()))
    } else {
        let denies = by_policy == Gate::Deny;
        (by_policy.max(by_fit), denies.then(|| format!("policy {}", setup.policy.name())))
    }
}

/// Holds a plan that was made before against what is left now of the budgets that its run shares with
/// others; what was left of them then is forgotten. Its samples are gone, so that its bands have to
/// do: the policy judges what they say at least.
pub fn hold_now(report: &mut PlanReport, setup: &Setup) -> Result<(), PlanError> {
    if let Some(apart) = report.verdict.apart.take() {
        report.verdict = *apart;
    }
    for limit in &setup.job.standing {
        let scope = &limit.scope;
        if limit.paused {
            report.verdict.gate = Gate::Deny;
            report.verdict.denied_by = Some(scope.clone());
            report.verdict.reasons.insert(0, format!("{scope} is paused"));
            continue;
        }
        let totals = &report.totals;
        let passing = match parse_amount(scope, &limit.left)? {
            Amount::Usd(left) => totals.cost_usd.and_then(|band| passing(band, left)),
            Amount::BilledTokens(left) => passing(totals.billed_tokens, left),
            Amount::Agents(left) => passing(totals.agents, left),
            // No plan has a band of these, so nobody knows.
            Amount::OutputTokens(_) | Amount::PlanWindow { .. } => Some((1_000, UNKNOWN_SHARE)),
        };
        let Some((share, words)) = passing else { continue };
        let gate = setup.policy.judge(&only_exceeding(share)).gate;
        if gate == Gate::Allow {
            continue;
        }
        let of = limit.of.as_ref().map_or_else(String::new, |of| format!(" of {of}"));
        let left = &limit.left;
        let verdict = &mut report.verdict;
        verdict.reasons.insert(0, format!("{words} pass the {left}{of} left of {scope}"));
        if gate == Gate::Deny && verdict.gate != Gate::Deny {
            verdict.denied_by = Some(format!("policy {}", setup.policy.name()));
        }
        verdict.gate = verdict.gate.max(gate);
    }
    Ok(())
}

/// What is said where a plan tells nothing of a unit.
const UNKNOWN_SHARE: &str = "for all that the plan says, all runs";

/// A plan of which only this is to be judged: that so many of 1,000 runs pass a budget.
const fn only_exceeding(per_mille: u32) -> PlanMeasures {
    PlanMeasures {
        exceeded_per_mille: Some(per_mille),
        agents_p90: 0,
        cost_p90: Some(Picodollars::ZERO),
        wall_seconds_p90: 0,
        bounded: true,
        files: None,
    }
}

/// How many of 1,000 samples pass `left` at least, and that in words: above a quantile lie more than
/// its share leaves.
fn passing<T: Copy + Ord>(band: Band<T>, left: T) -> Option<(u32, &'static str)> {
    [
        (band.p10, 901, "9 in 10 runs"),
        (band.p50, 501, "more than half of the runs"),
        (band.p90, 101, "more than 1 in 10 runs"),
        (band.stress, 11, "more than 1 in 100 runs"),
    ]
    .into_iter()
    .find(|(quantile, ..)| *quantile > left)
    .map(|(_, share, words)| (share, words))
}

/// How many of 1,000 runs may pass a budget before somebody is asked.
fn tolerated(setup: &Setup) -> u32 {
    setup.policy.thresholds().ask.exceed_per_mille.unwrap_or(1000)
}

/// Budgets that the run shares with others held against the samples, and those that are paused.
fn hold_wider(
    shared: &[StandingLimit],
    outcomes: &Outcomes<'_>,
    tolerated: u32,
) -> Result<(Vec<BudgetVerdict>, Vec<String>), PlanError> {
    let (mut held, mut paused) = (Vec::new(), Vec::new());
    for limit in shared {
        if limit.paused {
            paused.push(limit.scope.clone());
            continue;
        }
        let amount = parse_amount(&limit.scope, &limit.left)?;
        if let Some(verdict) = verdict::hold(amount, outcomes, tolerated) {
            let scope = Some(limit.scope.clone());
            held.push(BudgetVerdict { scope, of: limit.of.clone(), ..verdict });
        }
    }
    Ok((held, paused))
}
