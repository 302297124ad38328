//! `--fit AMOUNT`: turns stages and prices into a search for the most capable routing within an
//! amount, and its answer into routes.

use crate::amount::Amount;
use crate::gate::Gate;
use crate::money::Picodollars;
use crate::plan::PlanError;
use crate::plan::costing::{Choice, cost_stage};
use crate::plan::fit::{self, Fit, FitCandidate, FitInput, FitStage};
use crate::plan::frame::Frame;
use crate::plan::routing::{self, Routed};
use crate::plan::setup::{Setup, parse_amount};
use crate::policy::Pinned;
use crate::pricing::Model;
use crate::usage::Pins;

/// The rule's name in reports.
pub const FIT_RULE: &str = "fit";

/// What `--fit` did.
#[derive(Clone, Debug, Default)]
pub struct FitOutcome {
    /// What to say of it; empty without `--fit`.
    pub reasons: Vec<String>,
    /// Whether nothing is within the amount.
    pub too_little: bool,
}

impl FitOutcome {
    /// What follows for the plan.
    pub fn gate(&self) -> Gate {
        if self.too_little { Gate::Deny } else { Gate::Allow }
    }
}

/// Replaces `routes` by the most capable ones within the amount of `--fit`, if there is one.
pub fn apply(
    setup: &Setup,
    frame: &Frame,
    routes: &mut [Routed],
    pins: &[Pins],
) -> Result<FitOutcome, PlanError> {
    let Some(text) = &setup.job.fit else { return Ok(FitOutcome::default()) };
    let Amount::Usd(amount) = parse_amount("--fit", text)? else {
        return Err(PlanError::Flag {
            flag: "--fit".to_owned(),
            message: format!("`{text}` is not dollars: write --fit 5usd"),
        });
    };
    let lanes: Vec<Vec<StageOption>> = (0..frame.stages.len())
        .filter_map(|index| {
            Some(options(setup, frame, index, routes.get(index)?, pins.get(index)?))
        })
        .collect();
    let input = FitInput {
        stages: frame
            .stages
            .iter()
            .zip(&lanes)
            .map(|(stage, options)| FitStage {
                name: stage.identity.name.to_string(),
                weight: fit::importance(stage.traits.role),
                candidates: options.iter().map(|option| option.candidate.clone()).collect(),
            })
            .collect(),
        amount,
        per_mille: 900,
    };
    let found = fit::fit(&input).map_err(|error| PlanError::Flag {
        flag: "--fit".to_owned(),
        message: error.to_string(),
    })?;
    let (routing, too_little) = match found {
        Fit::Within(routing) => (routing, false),
        Fit::TooLittle(routing) => (routing, true),
    };
    for ((routed, options), choice) in routes.iter_mut().zip(&lanes).zip(&routing.choices) {
        let Some(option) = options.get(choice.candidate) else { continue };
        if option.choice.model != routed.choice.model {
            routed.choice = option.choice.clone();
            routed.plan.model = option.choice.model.clone();
            routed.plan.effort = option.choice.effort;
            FIT_RULE.clone_into(&mut routed.plan.rule);
        }
    }
    let reason = if too_little {
        format!("nothing fits {amount}: the least is {} at P90", routing.cost_p90)
    } else {
        format!("fit to {amount}: {} at P90", routing.cost_p90)
    };
    Ok(FitOutcome { reasons: vec![reason], too_little })
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
                contexts.push(agent.context_tokens);
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
