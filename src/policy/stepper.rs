//! Decides for one stage which step-downs of a policy it has: at each share the first that matches,
//! and from share to share only ever to what costs less.

use super::action::Pinned;
use super::candidate::{Candidate, Candidates, SESSION};
use super::condition::Subject;
use super::facts::StageFacts;
use super::policy::Policy;
use super::router::{does_not_fit, supported, why_unusable};
use super::routing::{PINNED, Refusal, RuleOutcome, StepDownRouting, SteppedRoute};
use super::step_down::StepDown;
use crate::effort::Effort;
use crate::id::ModelId;
use crate::money::Picodollars;

/// A stage on the route that was chosen for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutedStage {
    /// The model it runs on.
    pub model: ModelId,
    /// The effort that is asked for; `None` asks for none.
    pub effort: Option<Effort>,
    /// Mean cost of the whole stage over the samples; `None` where it has no price.
    pub expected_cost: Option<Picodollars>,
    /// The cap on output tokens of one request, if a rule sets one.
    pub output_cap_tokens: Option<u64>,
}

/// What a stage costs before a step, and by whose decision.
struct Before {
    model: ModelId,
    cost: Option<Picodollars>,
    by: String,
}

/// Every step-down of `policy` and what it means for the stage, the lowest share first.
pub(super) fn step_downs(
    policy: &Policy,
    facts: &StageFacts<'_>,
    routed: &RoutedStage,
    candidates: &mut dyn Candidates,
) -> Vec<StepDownRouting> {
    let mut subject = Subject::new(facts, candidates);
    let mut steps: Vec<&StepDown> = policy.step_downs().iter().collect();
    // Stable: among equal shares the order of the file stays.
    steps.sort_by_key(|step| step.above_per_mille);
    let mut before = Before {
        model: routed.model.clone(),
        cost: routed.expected_cost,
        by: "as routed".to_owned(),
    };
    let mut decided = None;
    let mut found = Vec::with_capacity(steps.len());
    for step in steps {
        let mut routing = unreached(step);
        if decided != Some(step.above_per_mille) {
            routing.conditions = step.when.trace(&mut subject);
            routing.outcome = RuleOutcome::Missed;
            if routing.conditions.iter().all(|condition| condition.holds) {
                decided = Some(step.above_per_mille);
                routing.outcome = RuleOutcome::Matched;
                choose(policy, step, routed, &mut subject, &before, &mut routing);
            }
        }
        if let Some(route) = &routing.route {
            before = Before {
                model: route.model.clone(),
                cost: Some(route.stepped_usd),
                by: format!("stepped down by `{}`", step.name),
            };
        }
        found.push(routing);
    }
    found
}

fn unreached(step: &StepDown) -> StepDownRouting {
    StepDownRouting {
        rule: step.name.clone(),
        line: step.place.line,
        above_per_mille: step.above_per_mille,
        outcome: RuleOutcome::NotReached,
        conditions: Vec::new(),
        route: None,
        refusals: Vec::new(),
        notes: Vec::new(),
    }
}

/// Tries the models of `step` in order.
fn choose(
    policy: &Policy,
    step: &StepDown,
    routed: &RoutedStage,
    subject: &mut Subject<'_, '_>,
    before: &Before,
    routing: &mut StepDownRouting,
) {
    let refusal = |model: &str, reason: String| {
        let (rule, model) = (step.name.clone(), model.to_owned());
        Refusal { rule, model, reason }
    };
    let respect = step.pinned.unwrap_or(policy.pinned()) == Pinned::Respect;
    if respect && subject.facts.asked_model().is_some() {
        let asked = subject.facts.asked_model().unwrap_or(SESSION);
        let wanted = step.models.first().map_or("", |model| model.name.as_str());
        routing.refusals.push(refusal(wanted, format!("{PINNED}, which asks for {asked}")));
        return;
    }
    for model in &step.models {
        match attempt(&model.name, routed, subject, before) {
            Ok(Step::Down(route, note)) => {
                routing.notes.extend(note);
                routing.route = Some(route);
                return;
            }
            // What follows on a list or a ladder is stronger.
            Ok(Step::Already) => {
                routing.notes.push(format!("it is on {} already, {}", before.model, before.by));
                return;
            }
            Err(reason) => routing.refusals.push(refusal(&model.name, reason)),
        }
    }
}

/// What a model means for a stage.
enum Step {
    /// It may be taken; with what is to be said of its effort.
    Down(SteppedRoute, Option<String>),
    /// The stage is there.
    Already,
}

/// The stage on `name`, or why not.
fn attempt(
    name: &str,
    routed: &RoutedStage,
    subject: &mut Subject<'_, '_>,
    before: &Before,
) -> Result<Step, String> {
    let first = subject.candidates.assess(name, routed.effort);
    let Candidate::Known { model, efforts, .. } = &first else { return Err(why_unusable(first)) };
    if *model == before.model {
        return Ok(Step::Already);
    }
    let (effort, note) = supported(routed.effort, efforts, model);
    let assessed =
        if effort == routed.effort { first } else { subject.candidates.assess(name, effort) };
    let Candidate::Known {
        model, context_window_tokens, context_p90_tokens, expected_cost, ..
    } = assessed
    else {
        return Err(why_unusable(assessed));
    };
    let cap = routed.output_cap_tokens;
    if let Some(reason) = does_not_fit(context_p90_tokens, cap, context_window_tokens) {
        return Err(reason);
    }
    let (Some(routed_usd), Some(cost)) = (routed.expected_cost, before.cost) else {
        return Err("the cost as routed is unknown, so none is lower".to_owned());
    };
    if expected_cost >= cost {
        return Err(format!("expected {expected_cost} is not below {cost} {}", before.by));
    }
    let route = SteppedRoute { model, effort, routed_usd, stepped_usd: expected_cost };
    Ok(Step::Down(route, note))
}
