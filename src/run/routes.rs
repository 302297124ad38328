//! The routes of a plan, as the executor looks them up.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::budget::Charge;
use crate::effort::Effort;
use crate::event::PhaseForecast;
use crate::gate::Gate;
use crate::id::{ModelId, StageKey};
use crate::plan::report::{PlanReport, StagePlan, StepDownPlan};
use crate::policy::AS_WRITTEN;
use crate::ports::price::RequestPrice;
use crate::ports::route::WrittenRoute;
use crate::role::Role;

/// Answers of unplanned stages are capped here, tokens.
const UNPLANNED_CAP_TOKENS: u64 = 8_000;

/// What a stage runs on.
#[derive(Clone, Debug)]
pub struct StageRoute {
    /// Its name.
    pub name: String,
    /// Its part.
    pub role: Role,
    /// The model.
    pub model: ModelId,
    /// What its requests are priced at, bounds and costs alike; without one they are refused.
    pub price: Option<Arc<dyn RequestPrice>>,
    /// The effort.
    pub effort: Option<Effort>,
    /// The standing cap on output tokens per request.
    pub output_cap_tokens: u64,
    /// The rule that chose it.
    pub rule: String,
    /// Whether policy denies it.
    pub gate: Gate,
    /// Whether a plan knew it.
    pub planned: bool,
    /// What the plan expects of one agent; units that it does not know are 0. Decides only when
    /// requests go, never whether.
    pub expected: Option<Charge>,
    /// What agents run on that start once a budget is used up to a share, the lowest share first.
    pub step_downs: Vec<StepDownRoute>,
}

/// What agents run on that start once a budget is used up to a share.
#[derive(Clone, Debug)]
pub struct StepDownRoute {
    /// The policy's step-down.
    pub rule: String,
    /// It applies above this share of a limit, per mille.
    pub above_per_mille: u16,
    /// The model.
    pub model: ModelId,
    /// What its requests are priced at; without one they are refused.
    pub price: Option<Arc<dyn RequestPrice>>,
    /// The effort.
    pub effort: Option<Effort>,
    /// The standing cap on output tokens per request.
    pub output_cap_tokens: u64,
    /// What the plan expects of one agent; see [`StageRoute::expected`].
    pub expected: Option<Charge>,
}

impl StageRoute {
    /// The route of a planned stage, with the prices that its plan was made with.
    pub fn of(stage: &StagePlan, price: impl Fn(&str) -> Option<Arc<dyn RequestPrice>>) -> Self {
        let route = &stage.route;
        let priced_as =
            |name: &Option<String>, model: &ModelId| price(name.as_deref().unwrap_or(&model.0));
        let expected = expected(stage);
        let step = |step: &StepDownPlan| StepDownRoute {
            rule: step.rule.clone(),
            above_per_mille: step.above_per_mille,
            model: step.model.clone(),
            price: priced_as(&step.priced_as, &step.model),
            effort: step.effort,
            output_cap_tokens: step.output_cap_tokens,
            expected: expected.map(|of| Charge { usd: step.per_agent_usd_mean, ..of }),
        };
        let mut step_downs: Vec<StepDownRoute> = route.step_downs.iter().map(step).collect();
        step_downs.sort_by_key(|step| step.above_per_mille);
        Self {
            name: stage.name.clone(),
            role: stage.role,
            model: stage.route.model.clone(),
            price: priced_as(&route.priced_as, &route.model),
            effort: stage.route.effort,
            output_cap_tokens: stage.route.output_cap_tokens,
            rule: stage.route.rule.clone(),
            gate: stage.route.gate,
            planned: true,
            expected,
            step_downs,
        }
    }

    /// The route of an agent that starts after `step`, one of its own: no further one applies.
    pub(crate) fn stepped(&self, step: &StepDownRoute) -> Self {
        Self {
            model: step.model.clone(),
            price: step.price.clone(),
            effort: step.effort,
            output_cap_tokens: step.output_cap_tokens,
            expected: step.expected,
            step_downs: Vec::new(),
            ..self.clone()
        }
    }

    /// A stage that no plan knew: it keeps its model.
    pub fn unplanned(written: WrittenRoute) -> Self {
        Self {
            name: written.stage_name,
            role: Role::Single,
            model: written.model,
            price: written.price,
            effort: written.effort,
            output_cap_tokens: UNPLANNED_CAP_TOKENS,
            rule: "not planned".to_owned(),
            gate: Gate::Allow,
            planned: false,
            expected: None,
            step_downs: Vec::new(),
        }
    }
}

/// The median stage shared by its median agents.
fn expected(stage: &StagePlan) -> Option<Charge> {
    let agents = stage.quantities.agents.p50.max(1);
    let usd = stage.quantities.cost_usd?.p50.scale_ceil(1, agents.into());
    let billed_tokens = stage.quantities.billed_tokens.p50 / agents;
    Some(Charge { usd, billed_tokens, ..Charge::ZERO })
}

/// Routes by stage.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    stages: BTreeMap<StageKey, StageRoute>,
    /// The stages of each work: see [`StagePlan::work`].
    works: BTreeMap<StageKey, Vec<StageKey>>,
    /// Whether a rule looks at efforts or working trees.
    by_effort: bool,
}

impl Routes {
    /// The routes of a plan. `price` finds the price of a model by the name that it was planned
    /// with.
    pub fn of_plan(
        plan: &PlanReport,
        price: impl Fn(&str) -> Option<Arc<dyn RequestPrice>>,
    ) -> Self {
        let route = |stage: &StagePlan| StageRoute::of(stage, &price);
        let mut routes: Self = plan.stages.iter().map(|stage| (stage.key, route(stage))).collect();
        for stage in &plan.stages {
            let work = stage.work.unwrap_or(stage.key);
            routes.works.entry(work).or_default().push(stage.key);
        }
        routes
    }

    /// The same, by a policy of which a rule looks at efforts or working trees, or none does.
    #[must_use]
    pub fn by_effort(self, by_effort: bool) -> Self {
        Self { by_effort, ..self }
    }

    /// The route of a call at an effort, or in a working tree, that no sample saw, while its `work` is
    /// planned: that of the nearest effort below, else of the lowest. What the policy says of the work
    /// holds for it too. It keeps an effort of its own only where no rule moves the work or could have
    /// told it apart.
    pub fn akin(&self, work: StageKey, written: &WrittenRoute) -> Option<StageRoute> {
        let stages = self.works.get(&work)?.iter().filter_map(|key| self.stages.get(key));
        let below = stages.clone().filter(|route| route.effort <= written.effort);
        let nearest = below.max_by_key(|route| route.effort);
        let route = nearest.or_else(|| stages.min_by_key(|route| route.effort))?.clone();
        let is_free = route.rule == AS_WRITTEN && !self.by_effort;
        let effort = if is_free { written.effort } else { route.effort };
        Some(StageRoute { effort, planned: false, ..route })
    }

    /// The route of a stage, if it was planned.
    pub fn get(&self, stage: StageKey) -> Option<&StageRoute> {
        self.stages.get(&stage)
    }
}

impl FromIterator<(StageKey, StageRoute)> for Routes {
    fn from_iter<T: IntoIterator<Item = (StageKey, StageRoute)>>(routes: T) -> Self {
        Self { stages: routes.into_iter().collect(), ..Self::default() }
    }
}

/// What a plan expects of its phases, by title.
pub fn forecasts_of(plan: &PlanReport) -> BTreeMap<String, PhaseForecast> {
    let forecast = |phase: &crate::plan::report::PhasePlan| PhaseForecast {
        agents: phase.quantities.agents,
        billed_tokens: phase.quantities.billed_tokens,
        cost_usd: phase.quantities.cost_usd,
    };
    plan.phases.iter().map(|phase| (phase.title.clone(), forecast(phase))).collect()
}
