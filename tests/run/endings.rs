//! How runs end, and what is told of it.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use flyball::agents::Arms;
use flyball::budget::{Limits, Unit};
use flyball::event::{
    AgentEnding, LostReason, RunEvent, RunReport, RunResult, RunStatus, ScriptReaction, StopCause,
};
use flyball::gate::Gate;
use flyball::id::{CallId, ModelId, StageKey};
use flyball::money::Picodollars;
use flyball::ports::route::WrittenRoute;
use flyball::ports::script::{AgentCall, Outcome};
use flyball::run::{Replay, Routes, StageRoute};
use flyball::seed::key_of;

use super::fixture::{Case, MODEL, OnReject, SmallAgents, Waves, price};

fn usd(amount: i64) -> Picodollars {
    Picodollars::from_usd(amount)
}

#[test]
fn with_money_enough_a_run_is_complete() {
    let mut script = Waves::new(&[20, 1], OnReject::Throw);
    let mut events = Vec::new();
    let report =
        Case::new(usd(100), 1).run_telling(&mut script, &mut |event| events.push(event.clone()));
    assert_eq!(report.status, RunStatus::Complete);
    assert_eq!((report.agents.done, report.agents.total()), (21, 21));
    assert_eq!(report.lost.script, ScriptReaction::NothingLost);
    assert!(matches!(&report.result, RunResult::Returned { line: Some(9), .. }));
    assert_eq!((report.requests.clamped, report.requests.waited), (0, 0));
    assert_eq!(report.requests.held_back, 0);
    assert_eq!(report.requests.shrunk, report.requests.sent);
    assert_eq!(report.logs, ["hello"]);
    assert!(report.simulated && report.seed == Some(1) && report.wall_seconds > 0);
    let titles: Vec<_> = report.phases.iter().map(|phase| phase.title.as_str()).collect();
    assert_eq!(titles, ["wave 0", "wave 1"]);
    assert_eq!(script.outcomes[&CallId(7)], Outcome::Text("result of 7".to_owned()));
    assert_eq!(script.output_tokens, report.tokens.output);
    // The events alone tell the same story.
    let spent = events.iter().rev().find_map(|event| match event {
        RunEvent::RequestSettled { spent_usd, .. } => Some(*spent_usd),
        _ => None,
    });
    assert_eq!(spent, Some(report.cost_usd.spent));
    assert!(matches!(events.first(), Some(RunEvent::RunStarted { simulated: true, .. })));
    assert!(matches!(events.last(), Some(RunEvent::RunEnded { .. })));
}

#[test]
fn never_more_agents_at_once_than_slots_and_in_call_order() {
    for slots in [1, 5, 16] {
        let (mut now, mut most, mut order) = (0_i32, 0, Vec::new());
        let mut case = Case::new(usd(100), 2);
        case.setup.concurrency = slots;
        case.setup.stagger_milliseconds = 0;
        case.run_telling(&mut Waves::new(&[40], OnReject::Throw), &mut |event| match event {
            RunEvent::AgentStarted { agent, .. } => {
                order.push(agent.0);
                now += 1;
                most = most.max(now);
            }
            RunEvent::AgentFinished { .. } => now -= 1,
            _ => {}
        });
        assert_eq!(most, slots as i32);
        assert!(order.is_sorted());
    }
}

#[test]
fn siblings_wait_for_the_first_to_write_their_prefix() {
    let started_at = |hold: u64| {
        let mut at = Vec::new();
        let mut case = Case::new(usd(100), 2);
        case.setup.stagger_milliseconds = hold;
        let report = case.run_telling(&mut Waves::new(&[8], OnReject::Throw), &mut |event| {
            if let RunEvent::AgentStarted { at_milliseconds, .. } = event {
                at.push(*at_milliseconds);
            }
        });
        (at, report.cost_usd.spent)
    };
    let (at_once, dear) = started_at(0);
    assert_eq!(at_once, [0; 8]);
    let (staggered, cheap) = started_at(5_000);
    assert_eq!(staggered[0], 0);
    assert!(staggered[1..].iter().all(|at| *at == staggered[1] && *at > 0 && *at <= 5_000));
    assert!(cheap < dear, "{cheap} against {dear}");
    // No longer than the limit, even if the first answer takes longer.
    let (hurried, _) = started_at(100);
    assert_eq!(hurried[1..], [100; 7]);
}

#[test]
fn a_script_that_throws_at_a_refusal_was_stopped_by_the_budget() {
    let least = SmallAgents::least_bound(price(MODEL).as_ref());
    let limit = Picodollars::from_pico(least.pico() * 4);
    let report = Case::new(limit, 5).run(&mut Waves::new(&[30], OnReject::Throw));
    assert_eq!(report.status, RunStatus::Stopped);
    assert_eq!(report.stopped_by, Some(StopCause::Budget));
    assert_eq!(report.lost.script, ScriptReaction::Threw);
    let RunResult::Threw { name, message, .. } = &report.result else { panic!() };
    assert_eq!(name, "WorkflowBudgetExceededError");
    assert!(message.starts_with("Workflow budget exceeded (run wf_test has spent $"), "{message}");
    assert_eq!(report.agents.total(), 30);
    assert_eq!(report.cost_usd.reserved, Picodollars::ZERO);
}

#[test]
fn what_was_lost_is_named_and_priced() {
    let least = SmallAgents::least_bound(price(MODEL).as_ref());
    let limit = Picodollars::from_pico(least.pico() * 10);
    let mut script = Waves::new(&[60], OnReject::Swallow);
    let report = Case::new(limit, 5).run(&mut script);
    assert_eq!(report.status, RunStatus::Partial);
    assert_eq!(report.lost.script, ScriptReaction::Swallowed);
    assert_eq!(report.lost.count, report.agents.denied);
    assert_eq!(report.agents.denied + report.agents.done, 60);
    let seen: u32 = report.denials.iter().map(|denial| denial.count).sum();
    assert_eq!(seen, report.agents.denied);
    let denial = &report.denials[0];
    assert_eq!((denial.scope.as_str(), denial.unit), ("run wf_test", Unit::Usd));
    assert!(denial.needed > denial.left, "{denial:?}");
    let mut cost = Picodollars::ZERO;
    for lost in &report.lost.agents {
        cost += lost.cost_usd;
        match lost.reason {
            LostReason::DeniedAtStart => {
                assert_eq!(lost.cost_usd, Picodollars::ZERO);
                assert!(matches!(script.outcomes[&lost.call], Outcome::Rejected { .. }));
            }
            LostReason::DeniedInWork => {
                assert!(lost.cost_usd > Picodollars::ZERO);
                assert_eq!(script.outcomes[&lost.call], Outcome::Null);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(cost, report.lost.cost_usd);
    assert_eq!(report.lost.swallowed as usize, {
        let at_start = |lost: &&flyball::event::LostAgent| lost.reason == LostReason::DeniedAtStart;
        report.lost.agents.iter().filter(at_start).count()
    });
}

#[test]
fn limits_of_phases_and_agents_hold_beside_the_run() {
    let least = SmallAgents::least_bound(price(MODEL).as_ref());
    let few = Picodollars::from_pico(least.pico() * 3);
    let mut case = Case::new(usd(100), 5);
    case.setup.phase_limits.insert("WAVE 0", Limits::usd(few));
    let report = case.run(&mut Waves::new(&[20, 5], OnReject::Swallow));
    assert!(report.phases[0].cost_usd.spent <= few);
    assert!(report.phases[0].agents.denied > 0);
    assert_eq!((report.phases[1].agents.done, report.phases[1].agents.denied), (5, 0));
    assert!(report.denials.iter().all(|d| d.scope == "run wf_test / phase WAVE 0"));

    let mut case = Case::new(usd(100), 5);
    case.setup.agent_limits = Limits { requests: Some(2), ..Limits::NONE };
    let report = case.run(&mut Waves::new(&[20], OnReject::Swallow));
    assert!(report.agents.denied > 0 && report.agents.done > 0);
    assert!(report.lost.agents.iter().all(|lost| lost.reason == LostReason::DeniedInWork));
}

fn stopped_after(events_seen: usize, twice: bool) -> RunReport {
    let presses = AtomicU8::new(0);
    let mut seen = 0;
    let mut case = Case::new(usd(100), 5);
    case.stop = &presses;
    let mut script = Waves::new(&[40], OnReject::Swallow);
    case.run_telling(&mut script, &mut |_| {
        seen += 1;
        if seen == events_seen {
            presses.store(if twice { 2 } else { 1 }, Ordering::Relaxed);
        }
    })
}

#[test]
fn a_stop_at_any_moment_ends_with_a_report_and_nothing_reserved() {
    let whole = stopped_after(usize::MAX, false);
    for moment in (1..500).step_by(7) {
        for twice in [false, true] {
            let report = stopped_after(moment, twice);
            assert_eq!(report.cost_usd.reserved, Picodollars::ZERO);
            assert_eq!(report.agents.total(), 40);
            let of_stages: Picodollars = report.stages.iter().map(|stage| stage.cost_usd).sum();
            assert_eq!(of_stages, report.cost_usd.spent);
            if report.status == RunStatus::Complete {
                continue;
            }
            assert_eq!(report.status, RunStatus::Stopped, "{moment}");
            assert_eq!(report.stopped_by, Some(StopCause::Signal));
            assert_eq!(report.result, RunResult::Unfinished);
            if !twice {
                assert!(report.cost_usd.spent < whole.cost_usd.spent);
                assert_eq!(report.requests.expired, 0, "a drain pays what it cost");
            }
            assert!(report.agents.stopped > 0);
        }
    }
    let hurried = stopped_after(200, true);
    assert!(hurried.requests.expired > 0, "requests in flight are charged in full");
}

#[test]
fn a_flag_drains_too() {
    let flag = AtomicBool::new(true);
    let mut case = Case::new(usd(100), 5);
    case.stop = &flag;
    let report = case.run(&mut Waves::new(&[40], OnReject::Swallow));
    assert_eq!((report.status, report.requests.sent), (RunStatus::Stopped, 0));
}

#[test]
fn what_has_no_price_or_no_model_is_refused_and_costs_nothing() {
    let mut script = Waves::new(&[4], OnReject::Swallow).edit(|call| match call.id.0 {
        1 => call.model = Some("unheard-of".into()),
        2 => call.model = Some("claude-unpriced".into()),
        _ => {}
    });
    let report = Case::new(usd(100), 5).run(&mut script);
    assert_eq!((report.agents.done, report.agents.failed), (2, 2));
    assert_eq!(report.status, RunStatus::Partial);
    let reasons: Vec<_> = report.lost.agents.iter().map(|lost| lost.message.as_str()).collect();
    assert_eq!(reasons[0], "no model is called `unheard-of`");
    assert!(reasons[1].starts_with("model `claude-unpriced` has no price"), "{}", reasons[1]);
    assert_eq!(report.lost.cost_usd, Picodollars::ZERO);
}

#[test]
fn planned_stages_take_their_route_and_others_are_reported() {
    let route = |gate| StageRoute {
        model: ModelId::from("claude-haiku-5-5"),
        rule: "fanout".to_owned(),
        gate,
        planned: true,
        price: Some(price("claude-haiku-5-5")),
        ..StageRoute::unplanned(WrittenRoute {
            stage_name: "first".to_owned(),
            model: ModelId::from(MODEL),
            price: None,
            effort: None,
        })
    };
    let key = StageKey(key_of("wave 0"));
    let run = |gate| {
        let mut case = Case::new(usd(100), 5);
        case.setup.routes = Routes::from_iter([(key, route(gate))]);
        case.run(&mut Waves::new(&[4, 2], OnReject::Swallow))
    };
    let report = run(Gate::Allow);
    assert_eq!(&*report.stages[0].model.0, "claude-haiku-5-5");
    assert_eq!(report.stages[0].rule, "fanout");
    assert_eq!((&*report.stages[1].model.0, report.stages[1].agents.done), (MODEL, 2));
    assert_eq!(report.unplanned_stages, ["wave 1"]);
    let denied = run(Gate::Deny);
    assert_eq!((denied.agents.failed, denied.agents.done), (4, 2));
}

#[test]
fn a_route_is_reserved_and_paid_at_its_own_price() {
    let dollars = |name: &str| {
        let mut case = Case::new(usd(100), 5);
        case.price = price(name);
        let mut seen = Vec::new();
        let report = case.run_telling(&mut Waves::new(&[4], OnReject::Swallow), &mut |event| {
            seen.extend(match event {
                RunEvent::RequestReserved { reserved_usd, .. } => Some(*reserved_usd),
                RunEvent::RequestSettled { cost_usd, .. } => Some(*cost_usd),
                _ => None,
            });
        });
        assert_eq!(report.agents.done, 4);
        seen
    };
    let (own, regional) = (dollars(MODEL), dollars("us.anthropic.claude-haiku-4-5"));
    assert!(own.len() > 8, "{own:?}");
    let dearer: Vec<Picodollars> = own.iter().map(|amount| amount.scale_ceil(11, 10)).collect();
    assert_eq!(regional, dearer);
}

struct Half;

impl Replay for Half {
    fn outcome(&mut self, call: &AgentCall) -> Option<Outcome> {
        (call.id.0 <= 10).then(|| Outcome::Text("known".to_owned()))
    }
}

#[test]
fn replayed_agents_cost_nothing() {
    let mut replay = Half;
    let mut case = Case::new(usd(100), 5);
    case.replay = Some(&mut replay);
    let mut endings = Vec::new();
    let mut script = Waves::new(&[20], OnReject::Throw);
    let report = case.run_telling(&mut script, &mut |event| {
        if let RunEvent::AgentFinished { ending, cost_usd, .. } = event {
            endings.push((*ending, cost_usd.is_zero()));
        }
    });
    assert_eq!((report.agents.replayed, report.agents.done), (10, 10));
    assert_eq!(report.status, RunStatus::Complete);
    assert!(endings.iter().all(|(ending, free)| *free == (*ending == AgentEnding::Replayed)));
}

#[test]
fn failures_are_told_apart_from_refusals() {
    let mut case = Case::new(usd(100), 5);
    case.arms = Arms { fails_per_mille: 300, ..Arms::default() };
    let report = case.run(&mut Waves::new(&[30], OnReject::Throw));
    assert!(report.agents.failed > 0 && report.agents.denied == 0);
    assert_eq!(report.status, RunStatus::Partial);
    assert_eq!(report.lost.script, ScriptReaction::Returned);
    assert!(report.lost.cost_usd > Picodollars::ZERO, "agents that fail are billed all the same");
}

#[test]
fn a_report_reads_back_from_its_json_and_has_a_schema() {
    let least = SmallAgents::least_bound(price(MODEL).as_ref());
    let limit = Picodollars::from_pico(least.pico() * 10);
    let report = Case::new(limit, 5).run(&mut Waves::new(&[30], OnReject::Swallow));
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<RunReport>(&text).unwrap(), report);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(json["cost_usd"]["spent"].is_string());
    assert!(json["denials"][0]["needed"].is_string());
    let schema = serde_json::to_value(schemars::schema_for!(RunReport)).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&json), "{:?}", validator.iter_errors(&json).next());
}
