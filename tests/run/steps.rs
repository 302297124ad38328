//! Agents that start when a budget is used up to a share run on a cheaper model.

use std::collections::{BTreeMap, BTreeSet};

use flyball::budget::{Charge, Limits, Unit};
use flyball::event::{RunEvent, RunReport, RunStatus};
use flyball::id::{CallId, ModelId, StageKey};
use flyball::money::Picodollars;
use flyball::ports::route::WrittenRoute;
use flyball::run::{StageRoute, StepDownRoute, WiderBudget};
use flyball::seed::key_of;
use proptest::prelude::*;

use super::fixture::{Case, OnReject, SmallAgents, Waves, price};

const DEAR: &str = "claude-opus-5-5";
const MIDDLE: &str = "claude-sonnet-5-5";
const CHEAP: &str = "claude-haiku-5-5";

type Steps<'a> = &'a [(u16, &'a str)];

fn route(stage: &str, steps: Steps<'_>) -> (StageKey, StageRoute) {
    let step = |(above_per_mille, model): &(u16, &str)| StepDownRoute {
        rule: format!("above {above_per_mille}"),
        above_per_mille: *above_per_mille,
        model: ModelId::from((*model).to_owned()),
        price: Some(price(model)),
        effort: None,
        output_cap_tokens: 8_000,
        expected: None,
    };
    let written = WrittenRoute {
        stage_name: stage.to_owned(),
        model: ModelId::from(DEAR),
        price: Some(price(DEAR)),
        effort: None,
    };
    let step_downs = steps.iter().map(step).collect();
    let route = StageRoute { planned: true, step_downs, ..StageRoute::unplanned(written) };
    (StageKey(key_of(stage)), route)
}

/// Some bounds of a dear request.
fn bounds(count: i128) -> Picodollars {
    let least = SmallAgents::least_bound(price(DEAR).as_ref());
    Picodollars::from_pico(least.pico() * count)
}

fn case(limit: Picodollars, seed: u64, steps: Steps<'_>) -> Case<'static> {
    let mut case = Case::new(limit, seed);
    case.price = price(DEAR);
    case.setup.concurrency = 4;
    case.setup.routes = ["wave 0", "wave 1"].map(|stage| route(stage, steps)).into_iter().collect();
    case
}

/// A run with everything that it told.
struct Told {
    report: RunReport,
    events: Vec<RunEvent>,
}

impl Told {
    fn of(case: Case<'_>, waves: &[u32]) -> Self {
        let mut events = Vec::new();
        let mut script = Waves::new(waves, OnReject::Swallow);
        let report = case.run_telling(&mut script, &mut |event| events.push(event.clone()));
        Self { report, events }
    }

    /// The model that agents were stepped down to, with the share that made them.
    fn stepped(&self) -> BTreeMap<CallId, (String, u32)> {
        let stepped = |event: &RunEvent| match event {
            RunEvent::SteppedDown { agent, model, share_per_mille, above_per_mille, .. } => {
                assert!(*share_per_mille >= u32::from(*above_per_mille));
                Some((*agent, (model.0.to_string(), *share_per_mille)))
            }
            _ => None,
        };
        self.events.iter().filter_map(stepped).collect()
    }

    fn started(&self) -> Vec<CallId> {
        let started = |event: &RunEvent| match event {
            RunEvent::AgentStarted { agent, .. } => Some(*agent),
            _ => None,
        };
        self.events.iter().filter_map(started).collect()
    }

    /// Every request costs what its agent's one model costs, events and report agree.
    fn check(&self) {
        let stepped = self.stepped();
        let mut started = BTreeSet::new();
        for event in &self.events {
            match event {
                RunEvent::SteppedDown { agent, from, .. } => {
                    assert_eq!(&*from.0, DEAR);
                    assert!(!started.contains(agent), "{agent:?} was stepped down in its work");
                }
                RunEvent::AgentStarted { agent, .. } => assert!(started.insert(*agent)),
                RunEvent::RequestSettled { agent, tokens, cost_usd, .. } if tokens.billed() > 0 => {
                    let model = stepped.get(agent).map_or(DEAR, |(model, _)| model.as_str());
                    assert_eq!(*cost_usd, price(model).cost(tokens).unwrap(), "{agent:?}");
                }
                _ => {}
            }
        }
        let counted: u32 = self.report.step_downs.iter().map(|of| of.count).sum();
        assert_eq!(counted as usize, stepped.len());
        let named: BTreeSet<CallId> =
            self.report.step_downs.iter().flat_map(|of| of.calls.iter().copied()).collect();
        assert_eq!(named, stepped.keys().copied().collect());
    }
}

#[test]
fn agents_after_the_share_run_on_the_cheaper_model_and_the_budget_holds() {
    let limit = bounds(40);
    let told = Told::of(case(limit, 3, &[(750, CHEAP)]), &[80]);
    told.check();
    let (stepped, started) = (told.stepped(), told.started());
    assert!(told.report.cost_usd.spent <= limit);
    assert!(!stepped.is_empty() && stepped.len() < started.len());
    // What is spent never comes back: from three quarters on nobody starts on the dear model.
    let (mut spent, mut before, mut after) = (Picodollars::ZERO, 0, 0);
    for event in &told.events {
        match event {
            RunEvent::RequestSettled { spent_usd, .. } => spent = *spent_usd,
            RunEvent::AgentStarted { agent, .. } => {
                if spent.pico() * 4 > limit.pico() * 3 {
                    assert!(stepped.contains_key(agent), "{agent:?}");
                    after += 1;
                } else if !stepped.contains_key(agent) {
                    before += 1;
                }
            }
            _ => {}
        }
    }
    assert!(before > 4 && after > 4, "{before} before, {after} after");
    let [of] = &told.report.step_downs[..] else { panic!("{:?}", told.report.step_downs) };
    assert_eq!((&*of.name, &*of.phase, &*of.rule), ("wave 0", "wave 0", "above 750"));
    assert_eq!((&*of.scope, of.unit), ("run wf_test", Unit::Usd));
    assert_eq!((&*of.from.0, &*of.model.0), (DEAR, CHEAP));
    assert!(of.share_per_mille >= 750 && of.cost_usd > Picodollars::ZERO && of.done > 4);
    assert!(of.agent.starts_with("part:"), "{}", of.agent);
    let json = serde_json::to_value(&told.report).unwrap();
    let schema = serde_json::to_value(schemars::schema_for!(RunReport)).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&json));
    assert_eq!(serde_json::from_value::<RunReport>(json).unwrap(), told.report);
}

#[test]
fn stepped_agents_share_a_prefix_of_their_own() {
    let told = Told::of(case(bounds(40), 3, &[(750, CHEAP)]), &[80]);
    let stepped = told.stepped();
    let mut first_read: BTreeMap<CallId, u64> = BTreeMap::new();
    for event in &told.events {
        if let RunEvent::RequestSettled { agent, tokens, .. } = event {
            first_read.entry(*agent).or_insert(tokens.cache_read);
        }
    }
    let of = |side: bool| {
        let agents = told.started().into_iter().filter(|call| stepped.contains_key(call) == side);
        agents.filter_map(|call| first_read.get(&call).copied()).collect::<Vec<u64>>()
    };
    for reads in [of(false), of(true)] {
        assert_eq!(reads[0], 0, "{reads:?}");
        let later = &reads[1..];
        assert!(later.iter().filter(|read| **read > 0).count() * 2 > later.len(), "{reads:?}");
    }
}

#[test]
fn more_agents_finish_than_without() {
    let done = |steps| Told::of(case(bounds(40), 3, steps), &[120]).report.agents.done;
    let (with, without) = (done(&[(750, CHEAP)]), done(&[]));
    assert!(with >= without * 3 / 2, "{with} with, {without} without");
    // With money enough nothing is different.
    let ample = |steps| Told::of(case(bounds(10_000), 3, steps), &[40]);
    assert_eq!(ample(&[(750, CHEAP)]).events, ample(&[]).events);
}

#[test]
fn the_same_seed_tells_the_same() {
    let bytes = |seed| {
        let told = Told::of(case(bounds(30), seed, &[(500, MIDDLE), (800, CHEAP)]), &[60, 10]);
        serde_json::to_string(&told.events).unwrap()
    };
    assert_eq!(bytes(5), bytes(5));
    assert_ne!(bytes(5), bytes(6));
}

#[test]
fn the_most_advanced_share_that_is_passed_applies() {
    let told = Told::of(case(bounds(40), 9, &[(500, MIDDLE), (800, CHEAP)]), &[120]);
    told.check();
    let mut seen = BTreeSet::new();
    for (model, share) in told.stepped().into_values() {
        let wanted = if share > 800 { CHEAP } else { MIDDLE };
        assert!(model == wanted || share == 800, "{model} at {share}");
        seen.insert(model);
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[test]
fn a_phase_limit_steps_its_own_phase_down() {
    let mut case = case(bounds(10_000), 4, &[(600, CHEAP)]);
    case.setup.phase_limits.insert("Wave 0", Limits::usd(bounds(20)));
    let told = Told::of(case, &[40, 12]);
    told.check();
    let [of] = &told.report.step_downs[..] else { panic!("{:?}", told.report.step_downs) };
    assert_eq!((&*of.name, &*of.scope), ("wave 0", "run wf_test / phase Wave 0"));
    assert_eq!(told.report.stages[1].agents.done, 12);
    let second = told.started().into_iter().filter(|call| call.0 > 40);
    assert!(second.clone().count() == 12 && second.into_iter().all(|of| !of_any(&told, of)));
}

fn of_any(told: &Told, call: CallId) -> bool {
    told.stepped().contains_key(&call)
}

#[test]
fn a_wider_budget_steps_every_phase_down() {
    let mut case = case(bounds(10_000), 4, &[(600, MIDDLE), (900, CHEAP)]);
    case.setup.wider = vec![WiderBudget {
        name: "day 2026-11-25 UTC".to_owned(),
        limits: Limits::usd(bounds(10_000)),
        taken: Charge { usd: bounds(7_000), ..Charge::ZERO },
        agents_taken: 0,
    }];
    let told = Told::of(case, &[20, 5]);
    told.check();
    assert_eq!(told.report.status, RunStatus::Complete);
    assert_eq!(told.stepped().len(), 25);
    for (of, stage) in told.report.step_downs.iter().zip(["wave 0", "wave 1"]) {
        assert_eq!((&*of.name, &*of.scope), (stage, "day 2026-11-25 UTC"));
        assert_eq!((&*of.model.0, of.share_per_mille), (MIDDLE, 700));
    }
}

#[test]
fn agents_of_others_count_in_a_wider_budget_of_agents() {
    let stepped = |agents_taken| {
        let mut case = case(bounds(10_000), 4, &[(900, CHEAP)]);
        case.setup.wider = vec![WiderBudget {
            name: "project shop".to_owned(),
            limits: Limits { agents: Some(50), ..Limits::NONE },
            taken: Charge::ZERO,
            agents_taken,
        }];
        Told::of(case, &[10]).report.step_downs
    };
    let [of] = &stepped(950)[..] else { panic!() };
    assert_eq!((of.count, of.unit, of.share_per_mille), (10, Unit::Agents, 950));
    assert_eq!(stepped(50), []);
}

#[test]
fn every_unit_counts_and_strictly_above() {
    let mut case = case(bounds(10_000), 4, &[(500, CHEAP)]);
    case.setup.limits = Limits { agents: Some(40), ..Limits::NONE };
    case.setup.concurrency = 1;
    let told = Told::of(case, &[40]);
    told.check();
    // The 22nd agent is the first that finds more than 20 of 40 agents there.
    let stepped: Vec<u32> = told.stepped().into_keys().map(|call| call.0).collect();
    assert_eq!(stepped, (22..=40).collect::<Vec<u32>>());
    assert_eq!(told.report.step_downs[0].unit, Unit::Agents);
    assert_eq!(told.report.step_downs[0].share_per_mille, 525);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// With step-downs a run never costs more than its budget, and no agent runs on anything but
    /// its stage's model or one of its steps, the right one for the share that was told.
    #[test]
    fn a_run_keeps_its_budget_and_to_its_plan(
        seed in 0_u64..1_000,
        limit in 3_i128..80,
        slots in 1_u32..24,
        lower in 1_u16..999,
        upper in 1_u16..999,
        phase in prop::option::of(2_i128..30),
        stagger in prop::bool::ANY,
    ) {
        let steps = [(lower.min(upper), MIDDLE), (lower.max(upper), CHEAP)];
        let steps = if lower == upper { &steps[1..] } else { &steps[..] };
        let limit = bounds(limit);
        let mut case = case(limit, seed, steps);
        case.setup.concurrency = slots;
        case.setup.finishes_first = seed % 3 > 0;
        if !stagger {
            case.setup.stagger_milliseconds = 0;
        }
        if let Some(phase) = phase {
            case.setup.phase_limits.insert("Wave 0", Limits::usd(bounds(phase)));
        }
        let told = Told::of(case, &[30, 8]);
        told.check();
        prop_assert!(told.report.cost_usd.spent <= limit);
        prop_assert_eq!(told.report.cost_usd.reserved, Picodollars::ZERO);
        prop_assert_eq!(told.report.requests.overruns, 0);
        for (model, share) in told.stepped().into_values() {
            let of = steps.iter().find(|(_, of)| *of == model);
            let (above, _) = of.expect("a model of the plan");
            prop_assert!(share >= u32::from(*above));
            let further = steps.iter().filter(|(further, _)| further > above);
            prop_assert!(further.clone().all(|(further, _)| share <= u32::from(*further)));
        }
    }
}
