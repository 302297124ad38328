//! Puts each stage on the model that the policy chooses. Owns the answers a policy asks for:
//! what a stage would need and cost elsewhere. Decides nothing itself.

use crate::band;
use crate::effort::Effort;
use crate::gate::Gate;
use crate::id::ModelId;
use crate::money::Picodollars;
use crate::plan::costing::{Choice, cost_stage};
use crate::plan::frame::{Frame, FrameStage};
use crate::plan::report::{RoutePlan, RouteRefusal};
use crate::plan::setup::{ModelFacts, NamedModel, Setup};
use crate::policy::{Candidate, Candidates, Policy, Routing, SESSION, StageFacts};
use crate::pricing::Model;
use crate::usage::Pins;

/// A stage's way to its model.
#[derive(Clone, Debug)]
pub struct Routed {
    /// What it runs on.
    pub choice: Choice,
    /// What is published of it.
    pub plan: RoutePlan,
    /// What the policy decided, and why.
    pub routing: Routing,
}

/// Least standing cap on output tokens per request.
const OUTPUT_CAP_MIN: u64 = 8_192;

/// The choice for a stage as the script was written. An unknown model yields a choice without a
/// price on the session model's facts, and the reason.
pub fn as_written(setup: &Setup, frame: &Frame) -> Vec<(Choice, Option<String>)> {
    frame
        .stages
        .iter()
        .map(|stage| {
            let identity = &stage.identity;
            match setup.written(identity.model.as_deref()) {
                Ok(named) => choice_on(setup, &named, identity.effort.as_deref()),
                Err(reason) => {
                    let asked = identity.model.as_deref().unwrap_or("");
                    let choice = Choice {
                        model: ModelId(asked.to_owned()),
                        facts: ModelFacts::of(&setup.session),
                        price: None,
                        priced_as: None,
                        effort: stage.traits.effort,
                    };
                    (choice, Some(reason))
                }
            }
        })
        .collect()
}

/// Every stage on the session's model.
pub fn on_session(setup: &Setup, frame: &Frame) -> Vec<Choice> {
    let Ok(session) = setup.named(SESSION) else { return Vec::new() };
    let choice =
        |stage: &FrameStage| choice_on(setup, &session, stage.identity.effort.as_deref()).0;
    frame.stages.iter().map(choice).collect()
}

/// A named model at the effort asked for, else at the session's; with the reason where it has no
/// price.
pub fn choice_on(
    setup: &Setup,
    named: &NamedModel<'_>,
    effort: Option<&str>,
) -> (Choice, Option<String>) {
    let (price, reason) = match &named.price {
        Ok(price) => (Some(price.clone()), None),
        Err(reason) => (None, Some(reason.clone())),
    };
    let choice = Choice {
        model: named.model.id.clone(),
        facts: ModelFacts::of(named.model),
        price,
        priced_as: named.priced_as.clone(),
        effort: setup.effort_on(named.model, effort),
    };
    (choice, reason)
}

/// What routes are decided from: how the stages were written, what is pinned, what people call
/// them.
#[derive(Clone, Copy)]
pub struct Written<'a> {
    /// The choices as the script was written; see [`as_written`].
    pub choices: &'a [(Choice, Option<String>)],
    /// Pinned token use.
    pub pins: &'a [Pins],
    /// The stages' unique names.
    pub names: &'a [String],
}

/// Routes every stage by `policy`.
pub fn route(setup: &Setup, frame: &Frame, policy: &Policy, written: Written<'_>) -> Vec<Routed> {
    (0..frame.stages.len())
        .filter_map(|index| route_stage(setup, frame, policy, written, index))
        .collect()
}

/// Routes one stage; no other stage's pins or routes matter to it.
pub fn route_stage(
    setup: &Setup,
    frame: &Frame,
    policy: &Policy,
    written: Written<'_>,
    index: usize,
) -> Option<Routed> {
    let stage = frame.stages.get(index)?;
    let (as_written, _) = written.choices.get(index)?;
    let (pins, name) = (written.pins.get(index)?, written.names.get(index)?);
    let mut desk = Desk { setup, frame, index, pins, measured: Vec::new() };
    let mut agents = frame.calls_per_sample(index);
    agents.sort_unstable();
    let identity = &stage.identity;
    let facts = StageFacts {
        name,
        label: &identity.skeleton,
        phase: &identity.phase,
        agent_type: identity.agent_type.as_deref(),
        role: stage.traits.role,
        agents_p50: band::quantile(&agents, 500).unwrap_or(0),
        agents_max: agents.last().copied().unwrap_or(0),
        has_schema: identity.schema.is_some(),
        schema: identity.schema.as_deref(),
        requested_model: identity.model.as_deref(),
        effort: identity.effort.as_deref().and_then(Effort::from_name),
        worktree: identity.worktree,
        context_p90_tokens: desk.measure(as_written).context_p90_tokens,
    };
    let routing = policy.route(&facts, &mut desk);
    Some(settle(setup, identity, as_written, routing, &mut desk))
}

fn settle(
    setup: &Setup,
    identity: &crate::plan::stage::StageIdentity,
    as_written: &Choice,
    routing: Routing,
    desk: &mut Desk<'_>,
) -> Routed {
    let mut choice = match &routing.model {
        Some(model) => desk.assessed(model, routing.effort).unwrap_or_else(|| as_written.clone()),
        None => as_written.clone(),
    };
    let asked = identity.effort.as_deref().and_then(Effort::from_name);
    if routing.model.is_none()
        && routing.effort != asked
        && let Ok(named) = setup.written(identity.model.as_deref())
    {
        choice.effort = setup.effort_on(named.model, routing.effort.map(Effort::name));
    }
    let standing = desk
        .measure(&choice)
        .output_p99_tokens
        .max(OUTPUT_CAP_MIN)
        .min(choice.facts.max_output_tokens);
    if let Some(cap) = routing.output_cap_tokens {
        choice.facts.max_output_tokens = choice.facts.max_output_tokens.min(cap);
    }
    Routed {
        plan: RoutePlan {
            requested: identity.model.as_deref().map(str::to_owned),
            as_written: as_written.model.clone(),
            model: choice.model.clone(),
            priced_as: choice.priced_as.as_deref().map(str::to_owned),
            effort: choice.effort,
            output_cap_tokens: routing.output_cap_tokens.unwrap_or(standing),
            rule: routing.rule.clone(),
            gate: routing.gate,
            refusals: routing
                .refusals
                .iter()
                .map(|refusal| RouteRefusal {
                    rule: refusal.rule.clone(),
                    model: refusal.model.clone(),
                    reason: refusal.reason.clone(),
                })
                .collect(),
        },
        choice,
        routing,
    }
}

/// Whether a model is one to route to: current, not limited to chosen customers.
pub fn is_current(model: &Model) -> bool {
    model.status == crate::pricing::Lifecycle::Active
}

/// Whether P90 of agents' final contexts leaves room for an answer in a window. Contexts are drawn
/// up to the window, so that one at the window is one that may not fit.
pub fn fits_window(contexts: &mut [u64], window_tokens: u64) -> bool {
    contexts.sort_unstable();
    let p90 = band::quantile(contexts, 900).unwrap_or(0);
    p90.saturating_add(OUTPUT_CAP_MIN) <= window_tokens
}

/// Whether any route asks or denies.
pub fn gate_of(routes: &[Routed]) -> Gate {
    routes.iter().map(|routed| routed.plan.gate).max().unwrap_or(Gate::Allow)
}

/// Where a policy asks about one stage. Pricing a stage reads every sample, so what is measured is
/// kept.
struct Desk<'a> {
    setup: &'a Setup,
    frame: &'a Frame,
    index: usize,
    pins: &'a Pins,
    measured: Vec<(Choice, Measured)>,
}

/// A stage on one model, over all samples.
#[derive(Clone, Debug)]
struct Measured {
    /// P90 of one agent's final context.
    context_p90_tokens: u64,
    /// P99 of one request's output.
    output_p99_tokens: u64,
    /// Mean cost of the stage per sample; `None` where it has no price.
    cost: Option<Picodollars>,
}

impl Desk<'_> {
    fn measure(&mut self, choice: &Choice) -> Measured {
        let known = self.measured.iter().find(|(of, _)| of.costs_like(choice));
        if let Some((_, measured)) = known {
            return measured.clone();
        }
        let mut contexts = Vec::new();
        let mut outputs: Vec<(u64, u64)> = Vec::new();
        let costs =
            cost_stage(self.setup, self.frame, self.index, choice, self.pins, &mut |agent| {
                contexts.push(agent.context_tokens);
                let steps = u64::from(agent.requests.saturating_sub(1));
                outputs.push((agent.step_output_tokens, steps));
                outputs.push((agent.final_output_tokens, 1));
            });
        contexts.sort_unstable();
        let priced = costs.iter().all(|cost| !cost.unpriced);
        let total: Picodollars = costs.iter().map(|cost| cost.cost).sum();
        let mean = total.scale_ceil(1, i128::try_from(costs.len().max(1)).unwrap_or(1));
        let measured = Measured {
            context_p90_tokens: band::quantile(&contexts, 900).unwrap_or(0),
            output_p99_tokens: weighted_quantile(&mut outputs, 990),
            cost: priced.then_some(mean),
        };
        self.measured.push((choice.clone(), measured.clone()));
        measured
    }

    /// The choice that was assessed for `model` at `effort`, with the price its name brought.
    fn assessed(&self, model: &ModelId, effort: Option<Effort>) -> Option<Choice> {
        let on_model = || self.measured.iter().rev().filter(|(of, _)| of.model == *model);
        let found =
            on_model().find(|(of, _)| effort.is_none_or(|effort| of.effort == Some(effort)));
        found.or_else(|| on_model().next()).map(|(choice, _)| choice.clone())
    }
}

/// The nearest-rank quantile of values that count several times each.
fn weighted_quantile(values: &mut [(u64, u64)], per_mille: u64) -> u64 {
    values.sort_unstable();
    let count: u64 = values.iter().map(|(_, weight)| weight).sum();
    let rank = (count * per_mille).div_ceil(1000).max(1);
    let mut below = 0;
    let reached = values.iter().find(|(_, weight)| {
        below += weight;
        below >= rank
    });
    reached.map_or(0, |(value, _)| *value)
}

impl Candidates for Desk<'_> {
    fn assess(&mut self, model: &str, effort: Option<Effort>) -> Candidate {
        let named = match self.setup.named(model) {
            Ok(named) => named,
            Err(reason) => return Candidate::Unknown(reason),
        };
        let asked = self.frame.stages.get(self.index).and_then(|s| s.identity.effort.as_deref());
        let (choice, reason) = choice_on(self.setup, &named, effort.map(Effort::name).or(asked));
        let Measured { context_p90_tokens, cost, .. } = self.measure(&choice);
        match cost {
            Some(expected_cost) => Candidate::Known {
                model: named.model.id.clone(),
                context_window_tokens: named.model.context_tokens,
                context_p90_tokens,
                expected_cost,
                efforts: named.model.efforts.clone(),
            },
            None => Candidate::Unpriced(
                reason.unwrap_or_else(|| format!("{} has no rate for some tokens", named.model.id)),
            ),
        }
    }
}
