//! `--fit AMOUNT`: turns stages and prices into a search for the most capable routing within an
//! amount, and its answer into routes.

use crate::amount::Amount;
use crate::band;
use crate::gate::Gate;
use crate::money::Picodollars;
use crate::plan::PlanError;
use crate::plan::assemble::dollars_of;
use crate::plan::costing::{Choice, SampleCost, cost_stage};
use crate::plan::fit::{self, Fit, FitCandidate, FitInput, FitRouting, FitStage};
use crate::plan::frame::Frame;
use crate::plan::routing::{self, Routed};
use crate::plan::setup::{Setup, parse_amount};
use crate::policy::Pinned;
use crate::pricing::Model;
use crate::usage::Pins;

/// The rule's name in reports.
pub const FIT_RULE: &str = "fit";

/// The quantile that is held against the amount, per mille.
const PER_MILLE: usize = 900;

/// What `--fit` did.
#[derive(Clone, Debug, Default)]
pub struct FitOutcome {
    /// What to say of it; empty without `--fit`.
    pub reasons: Vec<String>,
    /// Whether nothing is within the amount.
    pub too_little: bool,
}

impl FitOutcome {
    /// The outcome for samples that cost `costs` as they were routed for `amount`, if for any.
    ///
    /// The search adds up stages that each write their cached prefix, which stages of a run can
    /// share. So it is not its sum that is quoted and judged, but the run.
    pub fn of(amount: Option<Picodollars>, costs: &[SampleCost]) -> Self {
        let Some(amount) = amount else { return Self::default() };
        let p90 = dollars_of(costs).and_then(|mut dollars| {
            dollars.sort_unstable();
            band::quantile(&dollars, PER_MILLE)
        });
        let (reason, too_little) = match p90 {
            Some(p90) if p90 <= amount => (format!("fit to {amount}: {p90} at P90"), false),
            Some(p90) => (format!("nothing fits {amount}: the least found is {p90} at P90"), true),
            None => (format!("nothing fits {amount}: a request has no price"), true),
        };
        Self { reasons: vec![reason], too_little }
    }

    /// What follows for the plan.
    pub fn gate(&self) -> Gate {
        if self.too_little { Gate::Deny } else { Gate::Allow }
    }
}

/// Replaces `routes` by the most capable ones within the amount of `--fit`, or by the cheapest
/// ones where there are none. The amount, if there is one.
pub fn apply(
    setup: &Setup,
    frame: &Frame,
    routes: &mut [Routed],
    pins: &[Pins],
) -> Result<Option<Picodollars>, PlanError> {
    let Some(text) = &setup.job.fit else { return Ok(None) };
    let Amount::Usd(amount) = parse_amount("--fit", text)? else {
        return Err(PlanError::Flag {
            flag: "--fit".to_owned(),
            message: format!("`{text}` is not dollars: write --fit 5usd"),
        });
    };
    route_within(setup, frame, routes, pins, amount)?;
    Ok(Some(amount))
}

/// Replaces `routes` by the most capable ones that keep 9 of 10 samples within `amount`, or by the
/// cheapest ones where there are none.
pub fn route_within(
    setup: &Setup,
    frame: &Frame,
    routes: &mut [Routed],
    pins: &[Pins],
    amount: Picodollars,
) -> Result<(), PlanError> {
    let lanes: Vec<Vec<StageOption>> = (0..frame.stages.len())
        .filter_map(|index| {
            Some(options(setup, frame, index, routes.get(index)?, pins.get(index)?))
        })
        .collect();
    let routing = search(frame, &lanes, amount)?;
    for ((routed, options), choice) in routes.iter_mut().zip(&lanes).zip(&routing.choices) {
        let Some(option) = options.get(choice.candidate) else { continue };
        if option.choice.model != routed.choice.model {
            routed.choice = option.choice.clone();
            routed.plan.model = option.choice.model.clone();
            routed.plan.priced_as = option.choice.priced_as.as_deref().map(str::to_owned);
            routed.plan.effort = option.choice.effort;
            FIT_RULE.clone_into(&mut routed.plan.rule);
        }
    }
    Ok(())
}

fn search(
    frame: &Frame,
    lanes: &[Vec<StageOption>],
    amount: Picodollars,
) -> Result<FitRouting, PlanError> {
    let stages = frame.stages.iter().zip(lanes).map(|(stage, options)| FitStage {
        name: stage.identity.name.to_string(),
        weight: fit::importance(stage.traits.role),
        candidates: options.iter().map(|option| option.candidate.clone()).collect(),
    });
    let input = FitInput { stages: stages.collect(), amount, per_mille: PER_MILLE };
    match fit::fit(&input) {
        Ok(Fit::Within(routing) | Fit::TooLittle(routing)) => Ok(routing),
        Err(error) => Err(PlanError::Flag { flag: "--fit".to_owned(), message: error.to_string() }),
    }
}

struct StageOption {
    candidate: FitCandidate,
    choice: Choice,
}

/// The models a stage may run on: what it runs on now, and what is below that on the ladder.
fn options(
    setup: &Setup,
    frame: &Frame,
    index: usize,
    routed: &Routed,
    pins: &Pins,
) -> Vec<StageOption> {
    let Some(stage) = frame.stages.get(index) else { return Vec::new() };
    let effort = stage.identity.effort.as_deref();
    let held = stage.identity.asked_model().is_some() && setup.policy.pinned() == Pinned::Respect;
    let models = ladder(setup, &routed.choice.model.0);
    models
        .iter()
        .enumerate()
        .map(|(rank, model)| {
            let current = model.id == routed.choice.model;
            let choice = if current {
                routed.choice.clone()
            } else {
                match setup.named(&model.id.0) {
                    Ok(named) => routing::choice_on(setup, &named, effort).0,
                    Err(_) => routed.choice.clone(),
                }
            };
            let mut contexts = Vec::new();
            let costs = cost_stage(setup, frame, index, &choice, pins, &mut |agent| {
                contexts.push(agent.usage.final_context_tokens);
            });
            let reason = if held && !current {
                Some("pinned by script".to_owned())
            } else if !routing::fits_window(&mut contexts, model.context_tokens) {
                Some(format!("its window of {} is too small", model.context_tokens))
            } else if costs.iter().any(|cost| cost.unpriced) {
                Some("unpriced".to_owned())
            } else {
                None
            };
            StageOption {
                candidate: FitCandidate {
                    model: choice.model.clone(),
                    rank: u16::try_from(rank).unwrap_or(u16::MAX),
                    costs: costs.iter().map(|cost| cost.cost).collect::<Vec<Picodollars>>(),
                    allowed: reason.is_none() || (current && !costs.iter().any(|c| c.unpriced)),
                    reason,
                },
                choice,
            }
        })
        .collect()
}

/// The policy's ladder up to `top`, else the current models of its provider, weakest first;
/// `top` itself always.
fn ladder<'a>(setup: &'a Setup, top: &str) -> Vec<&'a Model> {
    let resolve = |name: &str| setup.table.resolve(name, &setup.job.provider, setup.job.on).ok();
    let Some(top) = resolve(top) else { return Vec::new() };
    let mut models: Vec<&Model> = if setup.policy.ladder().is_empty() {
        setup.table.models().filter(|model| routing::is_current(model)).collect()
    } else {
        setup.policy.ladder().iter().filter_map(|step| resolve(&step.name)).collect()
    };
    models.retain(|model| model.provider == top.provider && model.rank < top.rank);
    models.sort_by(|a, b| a.rank.cmp(&b.rank).then_with(|| a.id.cmp(&b.id)));
    models.dedup_by(|a, b| a.id == b.id);
    models.push(top);
    models
}
