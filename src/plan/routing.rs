//! Puts each stage on the model that the policy chooses. Owns the answers a policy asks for:
//! what a stage would need and cost elsewhere. Decides nothing itself.

use crate::band;
use crate::effort::Effort;
use crate::gate::Gate;
use crate::id::ModelId;
use crate::money::Picodollars;
use crate::plan::costing::{AgentCost, Choice, cost_stage};
use crate::plan::frame::{Frame, FrameStage};
use crate::plan::report::{RoutePlan, RouteRefusal, StepDownPlan};
use crate::plan::setup::{ModelFacts, NamedModel, Setup};
use crate::policy::{
    AS_WRITTEN, Candidate, Candidates, Policy, Refusal, RoutedStage, Routing, SESSION, StageFacts,
    StepDownRouting,
};
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
                        model: ModelId::from(asked),
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
    let (pins, name) = (written.pins.get(index)?, name_of_work(frame, written.names, index)?);
    let mut desk = Desk::new(setup, frame, index, pins);
    let context_p90_tokens = desk.measure(as_written).context_p90_tokens;
    let facts = facts_of(frame, index, stage, name, context_p90_tokens);
    let mut routing = policy.route(&facts, &mut desk);
    if setup.job.as_written || setup.job.subagent_model.is_some() {
        let asked = stage.identity.effort.as_deref().and_then(Effort::from_name);
        routing = not_carried_out(routing, asked);
    }
    Some(settle(setup, &stage.identity, as_written, routing, &mut desk))
}

/// `routing` of a stage that runs as written all the same, at the effort that it asks for.
fn not_carried_out(routing: Routing, asked: Option<Effort>) -> Routing {
    if routing.model.is_none() && routing.effort == asked && routing.output_cap_tokens.is_none() {
        return routing;
    }
    Routing {
        model: None,
        effort: asked,
        output_cap_tokens: None,
        rule: AS_WRITTEN.to_owned(),
        ..routing
    }
}

/// Adds to every route the cheaper ones that the policy's step-downs allow. They are decided from
/// the routes as they are, so what changes routes comes before.
pub fn step_down(
    setup: &Setup,
    frame: &Frame,
    policy: &Policy,
    written: Written<'_>,
    routes: &mut [Routed],
) {
    for (index, routed) in routes.iter_mut().enumerate() {
        let Some(stage) = frame.stages.get(index) else { continue };
        let Some((as_written, _)) = written.choices.get(index) else { continue };
        let name = name_of_work(frame, written.names, index);
        let (Some(pins), Some(name)) = (written.pins.get(index), name) else { continue };
        let mut desk = Desk::new(setup, frame, index, pins);
        let context_p90_tokens = desk.measure(as_written).context_p90_tokens;
        let facts = facts_of(frame, index, stage, name, context_p90_tokens);
        desk.output_cap_tokens = routed.routing.output_cap_tokens;
        let now = desk.measure(&routed.choice);
        let from = RoutedStage {
            model: routed.choice.model.clone(),
            effort: routed.routing.effort,
            expected_cost: now.cost,
            output_cap_tokens: routed.routing.output_cap_tokens,
        };
        let steps = policy.step_down(&facts, &from, &mut desk);
        for step in &steps {
            routed.plan.refusals.extend(step.refusals.iter().map(refusal));
            routed.plan.step_downs.extend(stepped(step, &now, &mut desk));
        }
        routed.routing.step_downs = steps;
    }
}

/// What is published of a step that may be taken.
fn stepped(step: &StepDownRouting, now: &Measured, desk: &mut Desk<'_>) -> Option<StepDownPlan> {
    let route = step.route.as_ref()?;
    let choice = desk.assessed(&route.model, route.effort)?;
    let then = desk.measure(&choice);
    let standing = then.standing_cap_tokens(&choice);
    Some(StepDownPlan {
        rule: step.rule.clone(),
        above_per_mille: step.above_per_mille,
        priced_as: choice.priced_as.as_deref().map(str::to_owned),
        effort: choice.effort,
        output_cap_tokens: desk.output_cap_tokens.unwrap_or(standing),
        per_agent_usd_mean: then.per_agent_usd?,
        routed_per_agent_usd_mean: now.per_agent_usd?,
        model: choice.model,
    })
}

fn refusal(refusal: &Refusal) -> RouteRefusal {
    let Refusal { rule, model, reason } = refusal.clone();
    RouteRefusal { rule, model, reason }
}

/// What policies call a stage: they tell stages apart by their work, and by efforts as such.
fn name_of_work<'n>(frame: &Frame, names: &'n [String], index: usize) -> Option<&'n str> {
    let work = frame.stages.get(index)?.identity.work;
    let first = frame.stages.iter().position(|stage| stage.identity.work == work)?;
    names.get(first).map(String::as_str)
}

/// What a policy may know of a stage.
fn facts_of<'a>(
    frame: &Frame,
    index: usize,
    stage: &'a FrameStage,
    name: &'a str,
    context_p90_tokens: u64,
) -> StageFacts<'a> {
    let mut agents = frame.calls_per_sample(index);
    agents.sort_unstable();
    let identity = &stage.identity;
    StageFacts {
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
        context_p90_tokens,
    }
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
    let standing = desk.measure(&choice).standing_cap_tokens(&choice);
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
            refusals: routing.refusals.iter().map(refusal).collect(),
            step_downs: Vec::new(),
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
    /// A cap on the output of every request that is assessed.
    output_cap_tokens: Option<u64>,
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
    /// Mean cost of one agent; `None` where it has no price.
    per_agent_usd: Option<Picodollars>,
}

impl Measured {
    /// The standing cap on output tokens of one request, where no rule sets one.
    fn standing_cap_tokens(&self, choice: &Choice) -> u64 {
        self.output_p99_tokens.max(OUTPUT_CAP_MIN).min(choice.facts.max_output_tokens)
    }
}

impl<'a> Desk<'a> {
    const fn new(setup: &'a Setup, frame: &'a Frame, index: usize, pins: &'a Pins) -> Self {
        Self { setup, frame, index, pins, output_cap_tokens: None, measured: Vec::new() }
    }

    fn measure(&mut self, choice: &Choice) -> Measured {
        let known = self.measured.iter().find(|(of, _)| of.costs_like(choice));
        if let Some((_, measured)) = known {
            return measured.clone();
        }
        let mut contexts = Vec::new();
        let mut outputs: Vec<(u64, u64)> = Vec::new();
        let costs =
            cost_stage(self.setup, self.frame, self.index, choice, self.pins, &mut |agent| {
                let agent = AgentCost::of(agent);
                contexts.push(agent.context_tokens);
                let steps = u64::from(agent.requests.saturating_sub(1));
                outputs.push((agent.step_output_tokens, steps));
                outputs.push((agent.final_output_tokens, 1));
            });
        contexts.sort_unstable();
        let priced = costs.iter().all(|cost| !cost.unpriced);
        let total: Picodollars = costs.iter().map(|cost| cost.cost).sum();
        let mean_of = |count: usize| total.scale_ceil(1, i128::try_from(count.max(1)).unwrap_or(1));
        let measured = Measured {
            context_p90_tokens: band::quantile(&contexts, 900).unwrap_or(0),
            output_p99_tokens: weighted_quantile(&mut outputs, 990),
            cost: priced.then(|| mean_of(costs.len())),
            per_agent_usd: priced.then(|| mean_of(contexts.len())),
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
        let (mut choice, reason) =
            choice_on(self.setup, &named, effort.map(Effort::name).or(asked));
        if let Some(cap) = self.output_cap_tokens {
            choice.facts.max_output_tokens = choice.facts.max_output_tokens.min(cap);
        }
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
