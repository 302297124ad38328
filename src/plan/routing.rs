//! Puts each stage on the model that the policy chooses. Owns the answers a policy asks for:
//! what a stage would need and cost elsewhere. Decides nothing itself.

use crate::band::{self, Band};
use crate::effort::Effort;
use crate::gate::Gate;
use crate::money::Picodollars;
use crate::plan::costing::{Choice, cost_stage};
use crate::plan::frame::Frame;
use crate::plan::report::{RoutePlan, RouteRefusal};
use crate::plan::setup::{ModelFacts, Setup};
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
            match setup.written_model(identity.model.as_deref()) {
                Ok(model) => choice_on(setup, model, identity.effort.as_deref(), None),
                Err(reason) => {
                    let asked = identity.model.as_deref().unwrap_or("");
                    let choice = Choice {
                        model: crate::id::ModelId(asked.to_owned()),
                        facts: ModelFacts::of(&setup.session),
                        price: None,
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
    let choice = |stage: &crate::plan::frame::FrameStage| {
        choice_on(setup, &setup.session, stage.identity.effort.as_deref(), None).0
    };
    frame.stages.iter().map(choice).collect()
}

/// `model` at the effort asked by the policy, else by the script, else the session.
pub fn choice_on(
    setup: &Setup,
    model: &Model,
    asked: Option<&str>,
    routed: Option<Effort>,
) -> (Choice, Option<String>) {
    let effort = setup.effort_on(model, routed.map(Effort::name).or(asked));
    let (price, reason) = match setup.price(model) {
        Ok(price) => (Some(price), None),
        Err(reason) => (None, Some(reason)),
    };
    (Choice { model: model.id.clone(), facts: ModelFacts::of(model), price, effort }, reason)
}

/// Routes every stage by `policy`. `written` are the choices as the script was written, `names`
/// the stages' unique names.
pub fn route(
    setup: &Setup,
    frame: &Frame,
    policy: &Policy,
    written: &[(Choice, Option<String>)],
    pins: &[Pins],
    names: &[String],
) -> Vec<Routed> {
    let mut routed = Vec::with_capacity(frame.stages.len());
    for (index, stage) in frame.stages.iter().enumerate() {
        let (Some((as_written, _)), Some(pins), Some(name)) =
            (written.get(index), pins.get(index), names.get(index))
        else {
            continue;
        };
        let mut desk = Desk { setup, frame, index, pins };
        let agents = Band::of(&frame.calls_per_sample(index)).unwrap_or_default();
        let identity = &stage.identity;
        let facts = StageFacts {
            name,
            label: &identity.skeleton,
            phase: &identity.phase,
            agent_type: identity.agent_type.as_deref(),
            role: stage.traits.role,
            agents_p50: agents.p50,
            agents_max: frame.calls_per_sample(index).into_iter().max().unwrap_or(0),
            has_schema: identity.schema.is_some(),
            schema: identity.schema.as_deref(),
            requested_model: identity.model.as_deref(),
            effort: identity.effort.as_deref().and_then(Effort::from_name),
            worktree: identity.worktree,
            context_p90_tokens: desk.measure(as_written).0,
        };
        let routing = policy.route(&facts, &mut desk);
        routed.push(settle(setup, identity, as_written, routing, &mut desk));
    }
    routed
}

fn settle(
    setup: &Setup,
    identity: &crate::plan::stage::StageIdentity,
    as_written: &Choice,
    routing: Routing,
    desk: &mut Desk<'_>,
) -> Routed {
    let choice = routing
        .model
        .as_ref()
        .and_then(|model| setup.table.resolve(&model.0, &setup.job.provider, setup.job.on).ok())
        .map(|model| choice_on(setup, model, identity.effort.as_deref(), routing.effort).0)
        .unwrap_or_else(|| {
            let mut choice = as_written.clone();
            choice.effort = routing.effort.or(choice.effort);
            choice
        });
    let output_p99 = desk.output_per_request_p99(&choice);
    let standing = output_p99.max(OUTPUT_CAP_MIN).min(choice.facts.max_output_tokens);
    Routed {
        plan: RoutePlan {
            requested: identity.model.as_deref().map(str::to_owned),
            as_written: as_written.model.clone(),
            model: choice.model.clone(),
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

/// Whether any route asks or denies.
pub fn gate_of(routes: &[Routed]) -> Gate {
    routes.iter().map(|routed| routed.plan.gate).max().unwrap_or(Gate::Allow)
}

/// Where a policy asks about one stage.
struct Desk<'a> {
    setup: &'a Setup,
    frame: &'a Frame,
    index: usize,
    pins: &'a Pins,
}

impl Desk<'_> {
    /// P90 of one agent's final context and the mean cost of the stage per sample.
    fn measure(&self, choice: &Choice) -> (u64, Option<Picodollars>) {
        let mut contexts = Vec::new();
        let costs =
            cost_stage(self.setup, self.frame, self.index, choice, self.pins, &mut |agent| {
                contexts.push(agent.context_tokens)
            });
        contexts.sort_unstable();
        let priced = costs.iter().all(|cost| !cost.unpriced);
        let total: Picodollars = costs.iter().map(|cost| cost.cost).sum();
        let mean = total.scale_ceil(1, i128::try_from(costs.len().max(1)).unwrap_or(1));
        (band::quantile(&contexts, 900).unwrap_or(0), priced.then_some(mean))
    }

    /// P99 of output tokens per request, taken as the stage's mean times the spread of requests.
    fn output_per_request_p99(&self, choice: &Choice) -> u64 {
        let costs = cost_stage(self.setup, self.frame, self.index, choice, self.pins, &mut |_| {});
        let mut means: Vec<u64> = costs
            .iter()
            .filter(|cost| cost.requests > 0)
            .map(|cost| cost.output_tokens.div_ceil(cost.requests))
            .collect();
        means.sort_unstable();
        // One request of an agent exceeds its stage's P99 mean; three times holds all but a few.
        band::quantile(&means, 990).unwrap_or(0).saturating_mul(3)
    }
}

impl Candidates for Desk<'_> {
    fn assess(&mut self, model: &str, effort: Option<Effort>) -> Candidate {
        let found = if model == SESSION {
            Ok(&self.setup.session)
        } else {
            self.setup
                .table
                .resolve(model, &self.setup.job.provider, self.setup.job.on)
                .map_err(|unknown| unknown.to_string())
        };
        let model = match found {
            Ok(model) => model,
            Err(reason) => return Candidate::Unknown(reason),
        };
        let asked = self.frame.stages.get(self.index).and_then(|s| s.identity.effort.as_deref());
        let (choice, reason) = choice_on(self.setup, model, asked, effort);
        let (context_p90_tokens, cost) = self.measure(&choice);
        match cost {
            Some(expected_cost) => Candidate::Known {
                model: model.id.clone(),
                context_window_tokens: model.context_tokens,
                context_p90_tokens,
                expected_cost,
                efforts: model.efforts.clone(),
            },
            None => Candidate::Unpriced(
                reason.unwrap_or_else(|| format!("{} has no rate for some tokens", model.id)),
            ),
        }
    }
}
