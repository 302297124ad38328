//! Takes the first rule that matches a stage and decides which of its routes may be taken.

use super::action::{ModelName, Pinned};
use super::candidate::{Candidate, Candidates, SESSION};
use super::condition::Subject;
use super::facts::StageFacts;
use super::policy::Policy;
use super::request_facts::RequestFacts;
use super::routing::{AS_WRITTEN, PINNED, Refusal, RouteCosts, Routing, RuleOutcome, RuleTrace};
use super::rule::Rule;
use crate::effort::Effort;
use crate::gate::Gate;
use crate::id::ModelId;
use crate::money::Picodollars;

/// Room kept in the window for one answer where the rule sets no cap: the least standing cap.
const OUTPUT_MARGIN_TOKENS: u64 = 8_000;

pub(super) fn route(
    policy: &Policy,
    facts: &StageFacts<'_>,
    candidates: &mut dyn Candidates,
) -> Routing {
    decide(policy, facts, Subject::new(facts, candidates))
}

/// Decides for one request. It knows less of it than of a stage: what is unknown matches no rule.
pub(super) fn route_request(
    policy: &Policy,
    request: &RequestFacts<'_>,
    candidates: &mut dyn Candidates,
) -> Routing {
    let (facts, known) = request.stage();
    decide(policy, &facts, Subject::new(&facts, candidates).known(known))
}

fn decide(policy: &Policy, facts: &StageFacts<'_>, mut subject: Subject<'_, '_>) -> Routing {
    let mut routing = as_written(facts);
    let mut chosen: Option<&Rule> = None;
    for rule in policy.rules() {
        let (outcome, conditions) = if chosen.is_some() {
            (RuleOutcome::NotReached, Vec::new())
        } else {
            let conditions = rule.when.trace(&mut subject);
            if conditions.iter().all(|condition| condition.holds) {
                chosen = Some(rule);
                (RuleOutcome::Matched, conditions)
            } else {
                (RuleOutcome::Missed, conditions)
            }
        };
        let (rule, line) = (rule.name.clone(), rule.place.line);
        routing.trace.push(RuleTrace { rule, line, outcome, conditions });
    }
    if let Some(rule) = chosen {
        Decision { policy, rule, subject, routing: &mut routing }.apply();
    }
    routing
}

fn as_written(facts: &StageFacts<'_>) -> Routing {
    Routing {
        model: None,
        effort: facts.effort,
        output_cap_tokens: None,
        gate: Gate::Allow,
        gate_reason: None,
        rule: AS_WRITTEN.to_owned(),
        costs: None,
        refusals: Vec::new(),
        notes: Vec::new(),
        trace: Vec::new(),
        step_downs: Vec::new(),
    }
}

/// One rule at work on one stage.
struct Decision<'a, 'c, 'r> {
    policy: &'a Policy,
    rule: &'a Rule,
    subject: Subject<'a, 'c>,
    routing: &'r mut Routing,
}

/// The stage before any route.
struct Written {
    model: ModelId,
    cost: Picodollars,
}

/// What became of one candidate.
enum Try {
    Taken,
    /// The stage already runs there: nothing to do, and nothing further to try.
    Already,
    /// A rule that raises, and a stage on a stronger model: only its effort may be raised.
    Above,
    Refused(String),
}

impl Decision<'_, '_, '_> {
    fn apply(mut self) {
        let action = &self.rule.then;
        if let Some(gate) = action.gate {
            self.routing.gate = self.policy.answer(gate);
            let reason = action.reason.clone();
            self.routing.gate_reason =
                Some(reason.unwrap_or_else(|| format!("rule `{}` says so", self.rule.name)));
        }
        self.routing.output_cap_tokens = action.output_cap_tokens;
        let acted = !action.routes() || action.gate.is_some() || action.output_cap_tokens.is_some();
        if acted {
            self.rule.name.clone_into(&mut self.routing.rule);
        }
        if action.routes() {
            self.choose(acted);
        }
    }

    /// Tries the rule's models in order; names who decided in `routing.rule`.
    fn choose(&mut self, acted: bool) {
        let respect = self.rule.pinned.unwrap_or(self.policy.pinned()) == Pinned::Respect;
        let model_pinned = respect && self.subject.facts.asked_model().is_some();
        let effort_pinned = respect && self.subject.facts.effort.is_some();
        let wants_model = !self.rule.then.models.is_empty();
        if wants_model && model_pinned {
            self.refuse_pinned(acted);
        }
        let wants_effort = self.rule.then.effort.filter(|_| !effort_pinned).map(|effort| {
            let asked = self.subject.facts.effort.unwrap_or(effort);
            if self.rule.then.raise { effort.max(asked) } else { effort.min(asked) }
        });
        if effort_pinned && let Some(effort) = self.rule.then.effort {
            let kept = self.subject.facts.effort.map_or("", Effort::name);
            let note = format!("effort {kept} is pinned by script, so not {}", effort.name());
            self.routing.notes.push(note);
        }
        let names: Vec<String> = if wants_model && !model_pinned {
            self.rule.then.models.iter().map(|model| model.name.clone()).collect()
        } else if wants_effort.is_some() {
            vec![self.subject.written_model().to_owned()]
        } else {
            return;
        };
        let written = match self.subject.as_written() {
            Candidate::Known { model, expected_cost, .. } => Written { model, cost: expected_cost },
            Candidate::Unknown(why) | Candidate::Unpriced(why) | Candidate::Unfit(why) => {
                let reason = format!("the cost as written is unknown, so none is lower: {why}");
                self.refuse(names.first().map_or("", String::as_str), reason);
                return;
            }
        };
        for name in names {
            match self.attempt(&name, wants_effort, &written) {
                Try::Refused(reason) => {
                    self.refuse(&name, reason);
                    continue;
                }
                Try::Taken => {}
                Try::Already => {
                    self.routing.notes.push(format!("already runs on {}", written.model));
                }
                Try::Above => {
                    let note = format!("already runs on {}, above {name}", written.model);
                    self.routing.notes.push(note);
                    let own = self.subject.written_model();
                    if wants_effort.is_some()
                        && let Try::Refused(reason) = self.attempt(own, wants_effort, &written)
                    {
                        self.refuse(own, reason);
                    }
                }
            }
            self.rule.name.clone_into(&mut self.routing.rule);
            return;
        }
    }

    fn attempt(&mut self, name: &str, effort: Option<Effort>, written: &Written) -> Try {
        let asked = effort.or(self.subject.facts.effort);
        let first = self.subject.candidates.assess(name, asked);
        let Candidate::Known { model, efforts, .. } = &first else { return unusable(first) };
        let (effort, note) = supported(asked, efforts, model);
        let assessed =
            if effort == asked { first } else { self.subject.candidates.assess(name, effort) };
        let Candidate::Known {
            model,
            context_window_tokens,
            context_p90_tokens,
            expected_cost,
            ..
        } = assessed
        else {
            return unusable(assessed);
        };
        let same_model = model == written.model;
        if same_model && effort == self.subject.facts.effort {
            return Try::Already;
        }
        let cap = self.rule.then.output_cap_tokens;
        if let Some(reason) = does_not_fit(context_p90_tokens, cap, context_window_tokens) {
            return Try::Refused(reason);
        }
        if self.rule.then.raise {
            if let Some(other) = self.not_a_raise(&model, same_model, expected_cost, written) {
                return other;
            }
        } else if expected_cost >= written.cost {
            // Steps after the stage's own model are stronger ones.
            if same_model && !self.rule.then.models.is_empty() {
                return Try::Already;
            }
            return Try::Refused(format!(
                "expected {expected_cost} is not below {} as written",
                written.cost
            ));
        }
        self.routing.model = (!same_model).then_some(model);
        self.routing.effort = effort;
        self.routing.notes.extend(note);
        let costs = RouteCosts { as_written_usd: written.cost, routed_usd: expected_cost };
        self.routing.costs = Some(costs);
        Try::Taken
    }

    /// What stands against taking `model` as a raise, if anything does.
    fn not_a_raise(
        &mut self,
        model: &ModelId,
        same_model: bool,
        cost: Picodollars,
        written: &Written,
    ) -> Option<Try> {
        if same_model {
            // The session's effort is unknown here; what costs less would lower it.
            return (cost < written.cost).then_some(Try::Already);
        }
        match (self.rank(model), self.rank(&written.model)) {
            (Some(to), Some(from)) if to > from => None,
            (Some(_), Some(_)) => Some(Try::Above),
            (None, _) => Some(Try::Refused(format!("{model} is not on the ladder"))),
            (_, None) => Some(Try::Refused(format!(
                "{} is not on the ladder, so {model} may be weaker",
                written.model
            ))),
        }
    }

    /// The model's highest step on the policy's ladder.
    fn rank(&mut self, model: &ModelId) -> Option<usize> {
        let ladder: &[ModelName] = self.policy.ladder();
        ladder.iter().rposition(|step| {
            *step.name == *model.0
                || matches!(
                    self.subject.candidates.assess(&step.name, None),
                    Candidate::Known { model: found, .. } if found == *model
                )
        })
    }

    fn refuse_pinned(&mut self, acted: bool) {
        let asked = self.subject.facts.asked_model().unwrap_or(SESSION);
        let reason = format!("{PINNED}, which asks for {asked}");
        let wanted = self.rule.then.models.first().map_or("", |model| model.name.as_str());
        self.refuse(wanted, reason);
        if !acted {
            PINNED.clone_into(&mut self.routing.rule);
        }
    }

    fn refuse(&mut self, model: &str, reason: String) {
        let (rule, model) = (self.rule.name.clone(), model.to_owned());
        self.routing.refusals.push(Refusal { rule, model, reason });
    }
}

fn unusable(candidate: Candidate) -> Try {
    Try::Refused(why_unusable(candidate))
}

/// Why nothing can be routed to a candidate that is not known and priced.
pub(super) fn why_unusable(candidate: Candidate) -> String {
    match candidate {
        Candidate::Unknown(reason) => format!("unknown model: {reason}"),
        Candidate::Unpriced(reason) => format!("no price: {reason}"),
        Candidate::Unfit(reason) => reason,
        Candidate::Known { .. } => String::new(),
    }
}

/// Why agents do not fit a window, with room for one answer; `None` where they do.
pub(super) fn does_not_fit(
    context_p90_tokens: u64,
    output_cap_tokens: Option<u64>,
    window_tokens: u64,
) -> Option<String> {
    let margin = output_cap_tokens.unwrap_or(OUTPUT_MARGIN_TOKENS);
    (context_p90_tokens.saturating_add(margin) > window_tokens).then(|| {
        format!(
            "P90 context of {} and {} of output do not fit its window of {}",
            tokens(context_p90_tokens),
            tokens(margin),
            tokens(window_tokens)
        )
    })
}

/// The effort the model runs at: as asked where it supports that, else the nearest lower one it
/// supports, else none; with a note where that is not what was asked.
pub(super) fn supported(
    asked: Option<Effort>,
    efforts: &[Effort],
    model: &ModelId,
) -> (Option<Effort>, Option<String>) {
    let Some(wanted) = asked else { return (None, None) };
    if efforts.contains(&wanted) {
        return (asked, None);
    }
    let lower = efforts.iter().copied().filter(|effort| *effort < wanted).max();
    let note = match lower {
        Some(lower) => {
            format!("effort {} lowered to {}: {model} has none", wanted.name(), lower.name())
        }
        None if efforts.is_empty() => {
            format!("effort {} dropped: {model} has no effort levels", wanted.name())
        }
        None => format!("effort {} dropped: {model} has none that low", wanted.name()),
    };
    (lower, Some(note))
}

/// `71k`, `950`: rounded up to thousands above 10,000.
fn tokens(count: u64) -> String {
    if count < 10_000 { count.to_string() } else { format!("{}k", count.div_ceil(1_000)) }
}
