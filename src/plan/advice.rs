//! What would make a plan cheaper, and what it rests on. Reprices the samples that are there;
//! runs no script.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "statistics over samples; nothing here is billed"
)]

use crate::amount::Amount;
use crate::band::{self, Band};
use crate::money::Picodollars;
use crate::plan::PlanError;
use crate::plan::assemble::{dollars, dollars_of};
use crate::plan::costing::{Choice, SampleCost, cost_samples};
use crate::plan::drivers::{self, Candidate, Measure};
use crate::plan::evaluation::{self, Priced};
use crate::plan::fitting;
use crate::plan::frame::Frame;
use crate::plan::job::StandingLimit;
use crate::plan::report::{
    Assumption, BudgetVerdict, FitOption, Savings, Suggestion, Verdict, VerdictOutcome,
};
use crate::plan::routing;
use crate::plan::setup::Setup;
use crate::plan::stage::agent_of;
use crate::plan::stage_schema;
use crate::policy::Policy;
use crate::workflow::WorkflowFacts;

/// Medians of the same samples under other routings.
pub fn savings(
    setup: &Setup,
    frame: &Frame,
    priced: &Priced,
    names: &[String],
) -> Result<Savings, PlanError> {
    let routed = dollars(priced);
    let written: Vec<Choice> = priced.written.iter().map(|(choice, _)| choice.clone()).collect();
    let same = |a: &[Choice], b: &[Choice]| a.iter().zip(b).all(|(a, b)| a.costs_like(b));
    let median_on = |choices: &[Choice]| {
        if same(choices, &priced.choices()) {
            return routed.as_deref().and_then(median);
        }
        median(&dollars_of(&evaluation::reprice(setup, frame, choices))?)
    };
    let session = routing::on_session(setup, frame);
    let suggestion = match &setup.job.suggested_policy {
        Some(text) if same(&written, &priced.choices()) => {
            let policy =
                Policy::parse(&text.name, &text.text).map_err(|error| PlanError::Input {
                    what: format!("policy {}", text.name),
                    message: error.to_string(),
                    diagnostics: Vec::new(),
                })?;
            let other = evaluation::price(setup, frame, &policy, names)?;
            dollars(&other)
                .as_deref()
                .and_then(median)
                .filter(|_| !same(&other.choices(), &written))
                .map(|cost_usd_p50| Suggestion { policy: policy.name().to_owned(), cost_usd_p50 })
        }
        _ => None,
    };
    Ok(Savings {
        as_written_usd_p50: median_on(&written),
        session_usd_p50: median_on(&session),
        routed_usd_p50: routed.as_deref().and_then(median),
        suggestion,
    })
}

fn median(costs: &[Picodollars]) -> Option<Picodollars> {
    Band::of(costs).map(|band| band.p50)
}

/// What would bring the plan within its budget; empty where it is.
pub fn to_fit(
    setup: &Setup,
    frame: &Frame,
    priced: &Priced,
    verdict: &Verdict,
    suggested_budget: Option<Picodollars>,
) -> Vec<FitOption> {
    if !matches!(verdict.outcome, VerdictOutcome::AtRisk | VerdictOutcome::Over) {
        return Vec::new();
    }
    let mut options = cheaper_stages(setup, frame, priced);
    let passed = |held: &&BudgetVerdict| held.exceeded_per_mille > held.tolerated_per_mille;
    let passed: Vec<&BudgetVerdict> = verdict.budgets.iter().filter(passed).collect();
    let Some(amount) = suggested_budget else { return options };
    if passed.iter().any(|held| held.scope.is_none()) {
        options.push(FitOption {
            text: "keep the script, raise the cap".to_owned(),
            flag: Some(format!("--budget {}usd", whole_cents(amount).to_decimal())),
            cost_usd_p90: Some(amount),
        });
    }
    for held in passed {
        let is_its = |limit: &&StandingLimit| {
            held.scope.as_ref() == Some(&limit.scope) && held.amount == limit.left
        };
        let limit = setup.job.standing.iter().find(is_its);
        let (Some(limit), Ok(Amount::Usd(left))) = (limit, held.amount.parse()) else { continue };
        if amount > left {
            let missing = whole_cents(amount - left).to_decimal();
            options.push(FitOption {
                text: format!("keep the script, raise {}", limit.scope),
                flag: limit.raise.as_ref().map(|command| format!("{command} {missing}usd")),
                cost_usd_p90: Some(amount),
            });
        }
    }
    options
}

/// Rounded up to a cent: a budget below P90 would miss it by a hair.
fn whole_cents(amount: Picodollars) -> Picodollars {
    let cents = amount.scale_ceil(100, crate::money::PICO_PER_USD);
    Picodollars::from_pico(cents.pico() * (crate::money::PICO_PER_USD / 100))
}

/// The models that would keep a plan within the least dollars that it passes, as `--fit` would find
/// them: the cheapest there are where none would. `None` where no dollars are passed.
pub fn within_budget(
    setup: &Setup,
    frame: &Frame,
    priced: &Priced,
    names: &[String],
    verdict: &Verdict,
) -> Result<Option<FitOption>, PlanError> {
    let passed = |held: &&BudgetVerdict| held.exceeded_per_mille > held.tolerated_per_mille;
    let dollars = verdict.budgets.iter().filter(passed).filter_map(|held| held.amount.parse().ok());
    let least = dollars.filter_map(|amount| match amount {
        Amount::Usd(amount) => Some(amount),
        _ => None,
    });
    let Some(amount) = least.min() else { return Ok(None) };
    let (mut routes, pins) = (priced.routes.clone(), evaluation::pins(setup, frame));
    fitting::route_within(setup, frame, &mut routes, &pins, amount)?;
    let choices: Vec<Choice> = routes.iter().map(|routed| routed.choice.clone()).collect();
    let Some(mut costs) = dollars_of(&evaluation::reprice(setup, frame, &choices)) else {
        return Ok(None);
    };
    costs.sort_unstable();
    let moved = routes.iter().zip(&priced.routes).zip(names);
    let moved = moved.filter(|((fitted, now), _)| fitted.choice.model != now.choice.model);
    let stages: Vec<String> =
        moved.map(|((fitted, _), name)| format!("{name} on {}", fitted.choice.model)).collect();
    Ok(Some(FitOption {
        text: stages.join(", "),
        flag: Some(format!("--fit {}usd", amount.to_decimal())),
        cost_usd_p90: band::quantile(&costs, 900),
    }))
}

/// The dearest stages, each on the next cheaper model of its ladder.
fn cheaper_stages(setup: &Setup, frame: &Frame, priced: &Priced) -> Vec<FitOption> {
    let Some(mut now_p90) = dollars(priced) else { return Vec::new() };
    now_p90.sort_unstable();
    let now_p90 = band::quantile(&now_p90, 900);
    let mut dearest: Vec<(usize, Picodollars)> = (0..frame.stages.len())
        .map(|index| {
            let of = |sample: &SampleCost| {
                sample.stages.get(index).map_or(Picodollars::ZERO, |c| c.cost)
            };
            (index, priced.costs.iter().map(of).sum())
        })
        .collect();
    dearest.sort_by_key(|(index, cost)| (std::cmp::Reverse(*cost), *index));
    dearest
        .into_iter()
        .take(2)
        .filter_map(|(index, _)| {
            let stage = frame.stages.get(index)?;
            let routed = priced.routes.get(index)?;
            let now = setup.table.models().find(|model| model.id == routed.choice.model)?;
            let lower = setup
                .table
                .models()
                .filter(|model| model.provider == now.provider && model.line != now.line)
                .filter(|model| model.rank < now.rank && routing::is_current(model))
                .max_by_key(|model| model.rank)?;
            let mut choices = priced.choices();
            let effort = stage.identity.effort.as_deref();
            let named = setup.named(&lower.id.0).ok()?;
            *choices.get_mut(index)? = routing::choice_on(setup, &named, effort).0;
            let (costs, fits) = on_lower(setup, frame, &choices, index, lower.context_tokens);
            let mut costs = dollars_of(&costs)?;
            costs.sort_unstable();
            let cost_usd_p90 = band::quantile(&costs, 900);
            if !fits || cost_usd_p90 >= now_p90 {
                return None;
            }
            let pinned = stage.identity.asked_model().is_some();
            Some(FitOption {
                text: format!(
                    "{} on {}{}",
                    stage.identity.name,
                    lower.id,
                    if pinned { " (pinned: needs an override rule)" } else { "" }
                ),
                flag: None,
                cost_usd_p90,
            })
        })
        .collect()
}

/// Costs with `choices`, and whether the contexts of stage `index` fit its new window.
fn on_lower(
    setup: &Setup,
    frame: &Frame,
    choices: &[Choice],
    index: usize,
    window_tokens: u64,
) -> (Vec<SampleCost>, bool) {
    let mut contexts = Vec::new();
    let pins = evaluation::pins(setup, frame);
    let costs = cost_samples(setup, frame, choices, &pins, &mut |agent| {
        if agent.stage == index {
            contexts.push(agent.usage.final_context_tokens);
        }
    });
    (costs, routing::fits_window(&mut contexts, window_tokens))
}

/// Invented quantities that are listed, the most influential ones.
const RESULTS_LISTED: usize = 4;
/// What explains so much of whether runs complete decides it.
const ENDING_SHARE_MIN: f64 = 0.1;
/// Words of an enum that are shown.
const WORDS_SHOWN: usize = 4;

/// What the numbers rest on, most influential first. `completes` says of each sample whether its
/// run does.
pub fn assumptions(
    setup: &Setup,
    facts: &WorkflowFacts,
    frame: &Frame,
    ranked: &[Candidate],
    completes: &[bool],
) -> Vec<Assumption> {
    let mut list = vec![Assumption {
        text: "no history of this project or script: token use is the shipped prior".to_owned(),
        pin: None,
    }];
    let mut invented = drivers::result_candidates(frame);
    let place = |key: &str| ranked.iter().position(|candidate| candidate.key() == key);
    let agents: Vec<f64> = frame.samples.iter().map(|sample| sample.calls.len() as f64).collect();
    let widens = |of: &Candidate| drivers::share_of_variance(&of.values, &agents);
    invented.sort_by_cached_key(|candidate| {
        let key = candidate.key();
        let of_agents = (widens(candidate) * 1000.0).round() as u32;
        (place(&key).unwrap_or(usize::MAX), std::cmp::Reverse(of_agents), key)
    });
    let ends: Vec<f64> = completes.iter().map(|whole| f64::from(u8::from(*whole))).collect();
    // Widths are always worth a word; of the rest only what the cost, the number of agents or the
    // ending depends on.
    invented.retain(|candidate| {
        let is_width = candidate.measure == Measure::Length && !candidate.property.contains('.');
        let decides = if candidate.measure.is_incidental() {
            let with = |outcomes: &[f64]| drivers::goes_with(&candidate.values, outcomes);
            is_pinned(setup, candidate)
                || with(&ends)
                || (with(&agents) && drivers::leads_on(frame, &candidate.stage))
        } else {
            drivers::share_of_variance(&candidate.values, &ends) >= ENDING_SHARE_MIN
        };
        is_width || decides || place(&candidate.key()).is_some()
    });
    for candidate in invented.iter().take(RESULTS_LISTED) {
        list.push(invented_quantity(setup, facts, frame, candidate));
    }
    let requests = ranked.iter().find(|candidate| candidate.measure == Measure::Requests);
    list.extend(requests.map(|candidate| Assumption {
        text: format!(
            "requests per {}: prior, {} to {}",
            agent_of(&candidate.stage),
            candidate.measure.write(candidate.quantile(100)),
            candidate.measure.write(candidate.quantile(900))
        ),
        pin: Some(format!("--assume {}=", candidate.key())),
    }));
    list.push(Assumption { text: "failed agents: none".to_owned(), pin: None });
    list
}

/// A boolean or a word: what was taken. Of words only their order from bad to good is known here,
/// which is no number that says anything to people.
fn invented_choice(frame: &Frame, candidate: &Candidate, pin: String) -> Assumption {
    let (stage, property) = (&candidate.stage, &candidate.property);
    let words = schema_of(frame, candidate).map(|schema| words_of(&schema)).unwrap_or_default();
    let Some(first) = words.first() else {
        let percent = candidate.mean() * 100.0;
        let text = format!("{stage}: {property} is true in {percent:.0} % of the answers: prior");
        return Assumption { text, pin: Some(pin) };
    };
    let mut shown = words.iter().take(WORDS_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if words.len() > WORDS_SHOWN {
        shown += ", …";
    }
    Assumption {
        text: format!("{stage}: {property} is any of {shown}: prior"),
        pin: Some(format!("--assume {}={first}", candidate.key())),
    }
}

/// The schema of a property of a stage's results.
fn schema_of(frame: &Frame, candidate: &Candidate) -> Option<serde_json::Value> {
    let named = |stage: &&crate::plan::frame::FrameStage| stage.identity.name == candidate.stage;
    let schemas = frame.stages.iter().filter(named).filter_map(|of| of.identity.schema.as_deref());
    let mut found = schemas.filter_map(|text| stage_schema::property(text, &candidate.property));
    found.next()
}

fn words_of(schema: &serde_json::Value) -> Vec<String> {
    let words = schema.get("enum").and_then(serde_json::Value::as_array);
    let words = words.into_iter().flatten().filter_map(serde_json::Value::as_str);
    words.map(str::to_owned).collect()
}

/// One invented quantity: what was taken, and where its width is from.
fn invented_quantity(
    setup: &Setup,
    facts: &WorkflowFacts,
    frame: &Frame,
    candidate: &Candidate,
) -> Assumption {
    let (stage, property) = (&candidate.stage, &candidate.property);
    let middle = candidate.measure.write(candidate.quantile(500));
    let pin = format!("--assume {}={middle}", candidate.key());
    if is_pinned(setup, candidate) {
        return Assumption { text: format!("{stage}: {property}: {middle}, as pinned"), pin: None };
    }
    let schema = schema_of(frame, candidate);
    if candidate.measure == Measure::Number {
        return invented_number(candidate, schema.as_ref(), pin);
    }
    if candidate.measure == Measure::Lines {
        let text = format!("{stage}: {middle} {property} in its text: prior, no bound");
        return Assumption { text, pin: Some(pin) };
    }
    if candidate.measure != Measure::Length {
        return invented_choice(frame, candidate, pin);
    }
    let name = property.rsplit('.').next().unwrap_or(property);
    let asked = facts.caps_in_prose.iter().find(|cap| cap.noun == name);
    // What the script's text says is of its own lists; those of child workflows are in no fact.
    let own = || facts.array_properties.iter().find(|of| of.name == name)?.max_items;
    let max = match &schema {
        Some(schema) => schema.get("maxItems").and_then(serde_json::Value::as_u64),
        None => own(),
    };
    let source = match (asked, max) {
        (Some(cap), _) => format!("`{}`, line {}", cap.phrase, cap.place.line),
        (None, Some(max)) => format!("prior, at most {max} by its schema"),
        (None, None) => "prior, no schema bound".to_owned(),
    };
    Assumption { text: format!("{stage}: {middle} {property} per agent: {source}"), pin: Some(pin) }
}

/// Whether the user gave the value.
fn is_pinned(setup: &Setup, candidate: &Candidate) -> bool {
    let given = format!("{}=", candidate.key());
    setup.job.assumptions.iter().any(|pin| pin.starts_with(&given))
}

/// A number: from where to where it was taken, and what its schema allows.
fn invented_number(
    candidate: &Candidate,
    schema: Option<&serde_json::Value>,
    pin: String,
) -> Assumption {
    let Candidate { stage, property, measure, .. } = candidate;
    let [low, high] = [100, 900].map(|per_mille| measure.write(candidate.quantile(per_mille)));
    let taken = if low == high { low } else { format!("{low} to {high}") };
    let bound = |name: &str| schema.and_then(|schema| schema.get(name));
    let allowed = match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!("{least} to {most} by its schema"),
        (None, Some(most)) => format!("at most {most} by its schema"),
        (_, None) => "no schema bound".to_owned(),
    };
    Assumption { text: format!("{stage}: {property} is {taken}: prior, {allowed}"), pin: Some(pin) }
}
