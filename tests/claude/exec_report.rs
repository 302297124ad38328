//! What a client came to: beside its forecast, by phase and agent, and what went around.

use flyball::money::Picodollars;
use flyball::report::exec::ExecReport;
use flyball::report::json as reports;
use serde_json::{Value, json};

use super::exec_stand::{
    Ended, SESSION, Stand, WORKFLOW, agent_asks, asks, journal, over, result, started,
};
use crate::ledger::postgres::server::{is_wanted, shared};

fn usd(value: &Value) -> Picodollars {
    value.as_str().unwrap().parse().unwrap()
}

/// The outcome of a phase.
fn phase<'a>(ended: &'a Ended, title: &str) -> &'a Value {
    let phases = ended.report["workflows"][0]["phases"].as_array().unwrap();
    phases.iter().find(|phase| phase["title"] == title).expect(title)
}

/// A workflow of three agents and one after them; the budget ends with the third.
fn stopped() -> Value {
    json!([
        asks(),
        started("a1", "part-1", "Look"),
        agent_asks("a1"),
        result("a1", "part-1"),
        started("a2", "part-2", "Look"),
        agent_asks("a2"),
        result("a2", "part-2"),
        started("a3", "part-3", "Look"),
        agent_asks("a3"),
        started("a4", "sum", "Sum"),
        agent_asks("a4"),
        over(),
    ])
}

const BUDGET: [&str; 4] = ["--budget", "0.05usd", "--run", "nightly"];

#[test]
fn agents_are_told_by_phase_with_what_finishing_needs() {
    let stand = Stand::new();
    let ended = stand.exec(&BUDGET, &stopped());
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let workflow = &ended.report["workflows"][0];
    assert_eq!((&workflow["run"], &workflow["workflow"]), (&json!(WORKFLOW), &json!("parts")));
    let counts = |done: u64, refused: u64| json!({ "done": done, "done_before": 0, "refused": refused, "unfinished": 0 });
    let (look, sum) = (phase(&ended, "Look"), phase(&ended, "Sum"));
    assert_eq!((&look["calls"], &sum["calls"]), (&counts(2, 1), &counts(0, 1)));
    let agents = look["agents"].as_array().unwrap();
    assert_eq!((&agents[2]["label"], &agents[2]["ending"]), (&json!("part-3"), &json!("refused")));

    // Every request took the same, the main loop's too.
    let each = usd(&agents[0]["spent_usd"]);
    assert_eq!(usd(&agents[1]["spent_usd"]), each);
    assert_eq!(usd(&look["spent_usd"]), each + each);
    assert_eq!(usd(&ended.report["main_usd"]) + each + each, usd(&ended.report["spent_usd"]));
    assert_eq!(usd(&ended.report["spent_usd"]), stand.upstream.bill().usd);
    let left = &workflow["to_finish"];
    assert_eq!((&left["agents"], usd(&left["usd"])), (&json!(2), each + each));

    let command = ended.report["resume"]["commands"][0].as_str().unwrap();
    let goes_on = format!("-- {} --resume {SESSION}", stand.claude().display());
    assert!(command.starts_with("flyball exec --run nightly --budget 0.0"), "{command}");
    assert!(command.ends_with(&goes_on), "{command}");
    let tell = ended.report["resume"]["tell"][0].as_str().unwrap();
    assert!(tell.contains(&format!("resumeFromRunId: \"{WORKFLOW}\"")), "{tell}");
    for words in ["STOPPED BY A BUDGET", "part-3", "Look", "finish", "To go on:", command, tell] {
        assert!(ended.stderr.contains(words), "{words} is missing:\n{}", ended.stderr);
    }
    let refusal = ended.said[3]["answer"]["error"]["message"].as_str().unwrap();
    let help = "; 2 agents served, 1 refused: flyball runs raise nightly AMOUNT, then resume";
    assert!(refusal.ends_with(help), "{refusal}");
}

/// A run stops at its budget, and goes on where it stopped with the budget that the report names.
fn the_suggested_budget_is_enough(stand: &Stand) {
    let first = stand.exec(&BUDGET, &stopped());
    let command = first.report["resume"]["commands"][0].as_str().unwrap();
    let budget = command.split_whitespace().nth(5).unwrap();
    let steps = json!([
        started("a5", "part-3", "Look"),
        agent_asks("a5"),
        result("a5", "part-3"),
        started("a6", "sum", "Sum"),
        agent_asks("a6"),
        result("a6", "sum"),
    ]);
    let second = stand.exec(&["--budget", budget, "--run", "nightly"], &steps);
    assert_eq!(second.code, Some(0), "{second:?}");
    let calls = &second.report["workflows"][0]["calls"];
    assert_eq!(*calls, json!({ "done": 4, "done_before": 2, "refused": 0, "unfinished": 0 }));
    assert_eq!(second.report["workflows"][0]["to_finish"], Value::Null);
    assert_eq!(second.report["resume"], Value::Null);
    let spent = usd(&first.report["spent_usd"]) + usd(&second.report["spent_usd"]);
    assert_eq!(spent, stand.upstream.bill().usd);
    let verified = stand.flyball(&["ledger", "verify"]).output().unwrap();
    assert!(verified.status.success(), "{verified:?}");
}

#[test]
fn a_stopped_run_goes_on_with_the_suggested_budget() {
    the_suggested_budget_is_enough(&Stand::new());
}

#[test]
fn a_stopped_run_goes_on_with_the_suggested_budget_in_a_database() {
    if is_wanted() {
        the_suggested_budget_is_enough(&Stand::with_ledger_at(shared().database().url()));
    }
}

#[test]
fn a_forecast_stands_beside_the_outcome() {
    let stand = Stand::new();
    let (_, plan) = crate::report::plans().into_iter().next().unwrap();
    let record = json!({
        "version": 1, "session_id": SESSION, "tool_use_id": "toolu_1", "workflow": "parts",
        "decision": "rewrite", "plan": plan, "reason": "routes",
    });
    let called = json!({
        "type": "user", "timestamp": "2999-01-01T00:00:00Z", "toolUseResult": { "runId": WORKFLOW },
        "message": { "content": [{ "type": "tool_result", "tool_use_id": "toolu_1" }] },
    });
    let steps = json!([
        { "do": "launch", "record": record },
        { "do": "append", "path": format!("{SESSION}.jsonl"), "line": called },
        started("a1", "part-1", "Look"),
        agent_asks("a1"),
        over(),
    ]);
    let ended = stand.exec(&["--budget", "1usd"], &steps);
    let workflow = &ended.report["workflows"][0];
    assert_eq!(workflow["forecast"]["cost_usd"], json!(plan.totals.cost_usd), "{ended:?}");
    for planned in &plan.phases {
        let forecast = &phase(&ended, &planned.title)["forecast"];
        assert_eq!(forecast["agents"], json!(planned.quantities.agents));
    }
    // It has no result, and was not refused: what is left of the forecast is left to be done.
    assert_eq!(phase(&ended, "Look")["calls"]["unfinished"], 1);
    let p90 = plan.totals.cost_usd.unwrap().p90;
    let left = usd(&workflow["to_finish"]["usd_high"]);
    assert!(left >= p90.saturating_sub_at_zero(usd(&workflow["spent_usd"])), "{workflow}");
    let launch = json!({ "workflow": "parts", "decision": "rewrite", "reason": "routes" });
    assert_eq!(ended.report["launches"], json!([launch]));
    assert!(!ended.stderr.contains("the launch gate was not asked"), "{ended:?}");
}

#[test]
fn a_launch_without_a_forecast_is_noted() {
    let stand = Stand::new();
    let steps = json!([started("a1", "part-1", "Look"), agent_asks("a1"), result("a1", "part-1")]);
    let ended = stand.exec(&["--budget", "1usd"], &steps);
    assert!(ended.stderr.contains("the launch gate was not asked"), "{ended:?}");
    let ended = stand.exec(&["--budget", "1usd", "--no-hook"], &steps);
    assert!(!ended.stderr.contains("the launch gate was not asked"), "{ended:?}");
}

#[test]
fn agents_outside_workflows_are_told_by_what_they_were_asked() {
    let stand = Stand::new();
    let mut asking = asks();
    asking["agent"] = json!("a9");
    let path = format!("{SESSION}/subagents/agent-a9.meta.json");
    let meta = json!({ "do": "append", "path": path, "line": { "description": "look around" } });
    let ended = stand.exec(&["--budget", "1usd"], &json!([meta, asking]));
    let agent = &ended.report["other_agents"][0];
    assert_eq!((&agent["label"], &agent["requests"]), (&json!("look around"), &json!(1)));
    assert_eq!(usd(&agent["spent_usd"]), usd(&ended.report["spent_usd"]));
}

/// A request that leads around the gateway. Its answer has an id of its own, by its number.
fn around(stand: &Stand, number: u32) -> Value {
    let mut step = asks();
    step["text"] = json!(format!("Again, {number}. @simulate {{\"output_tokens\":2000}}"));
    step["url"] = json!(stand.url());
    step
}

#[test]
fn a_request_around_the_gateway_is_found_out() {
    let stand = Stand::new();
    let hook = json!({ "do": "hook", "session": SESSION });
    let ended = stand
        .exec(&["--budget", "1usd"], &json!([hook, asks(), around(&stand, 1), around(&stand, 2)]));
    assert_eq!(ended.code, Some(7), "{ended:?}");
    let billed = stand.upstream.bill().usd;
    let bypass = &ended.report["bypassed"][0];
    assert_eq!((&bypass["requests"], &bypass["is_ours"]), (&json!(2), &json!(true)));
    assert_eq!(usd(&bypass["usd"]) + usd(&ended.report["spent_usd"]), billed);
    assert!(ended.stderr.contains("2 requests ($0.02 at list price)"), "{ended:?}");
    assert!(ended.stderr.contains("WENT AROUND THE GATEWAY"), "{ended:?}");

    // Also where the client sent the gateway nothing at all.
    let ended = stand.exec(&["--budget", "1usd"], &json!([hook, around(&stand, 3)]));
    assert_eq!((ended.code, &ended.report["bypassed"][0]["requests"]), (Some(7), &json!(1)));
    let ended =
        stand.exec(&["--budget", "1usd", "--client-exit-code"], &json!([hook, around(&stand, 4)]));
    assert_eq!(ended.code, Some(0));
}

#[test]
fn a_client_that_is_held_by_nothing_is_found_out() {
    let stand = Stand::new();
    // Neither the gateway nor a hook has heard of the session, which began with the client.
    let ended = stand.exec(&["--budget", "1usd"], &json!([around(&stand, 5)]));
    assert_eq!(
        (ended.code, &ended.report["bypassed"][0]["is_ours"]),
        (Some(7), &json!(true)),
        "{ended:?}"
    );
    // Now it is older than the client; only the arguments say whose it is.
    let ended = stand.exec(&["--budget", "1usd"], &json!([around(&stand, 6)]));
    assert_eq!((ended.code, &ended.report["bypassed"][0]["is_ours"]), (Some(0), &json!(false)));
    let steps = json!([around(&stand, 7)]);
    let arguments = ["--resume", SESSION];
    let mut command = stand.command(&["--budget", "1usd"], &stand.claude(), &arguments, &steps);
    assert_eq!(stand.ends(&mut command).code, Some(7));
}

#[test]
fn nothing_else_is_taken_for_a_request_around_the_gateway() {
    let stand = Stand::new();
    let mut before = around(&stand, 8);
    before["at"] = json!("2026-01-01T00:00:00Z");
    let made_up = json!({
        "do": "append", "path": format!("{SESSION}.jsonl"), "line": {
            "type": "assistant", "timestamp": "2999-01-01T00:00:00Z", "isApiErrorMessage": true,
            "message": { "id": "m", "model": "<synthetic>", "usage": { "input_tokens": 0, "output_tokens": 0 } },
        },
    });
    let torn = journal(&json!("no object"));
    let ended = stand.exec(&["--budget", "1usd"], &json!([asks(), before, made_up, torn]));
    assert_eq!((ended.code, &ended.report["bypassed"]), (Some(0), &json!([])), "{ended:?}");
}

#[test]
fn another_client_in_the_same_folder_is_said_and_no_more() {
    let stand = Stand::new();
    let mut other = around(&stand, 9);
    other["session"] = json!("00000000-0000-4000-8000-00000000beef");
    let ended = stand.exec(&["--budget", "1usd"], &json!([asks(), other]));
    let bypass = &ended.report["bypassed"][0];
    assert_eq!((ended.code, &bypass["is_ours"]), (Some(0), &json!(false)), "{ended:?}");
    assert!(ended.stderr.contains("another client, or one that this one started"), "{ended:?}");
}

#[test]
fn names_from_outside_lead_nowhere() {
    let stand = Stand::new();
    let mut step = asks();
    step["session"] = json!("../../../x");
    step["agent"] = json!("../../y");
    step["do"] = json!("ask");
    let shown = json!({ "do": "hook", "session": "../../../x" });
    let mut asked = step.clone();
    asked["folder"] = json!("");
    // The client's own files are written below its folder all the same.
    let ended = stand.exec(&["--budget", "1usd"], &json!([shown, asked]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.report["other_agents"][0]["label"], "agent ../../y");
    assert_eq!(ended.report["workflows"], json!([]));
}

#[test]
fn a_report_is_valid_by_its_schema() {
    let stand = Stand::new();
    let ended = stand.exec(&BUDGET, &stopped());
    let schema: Value = serde_json::from_str(&reports::schema::<ExecReport>()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let complaints: Vec<String> =
        validator.iter_errors(&ended.report).map(|error| error.to_string()).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    let read: ExecReport = serde_json::from_value(ended.report.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), ended.report);
    let ended = stand.exec(&["--budget", "1usd", "--format", "json"], &json!([asks()]));
    let printed = ended.stderr.split_once('{').unwrap().1;
    let printed: Value = serde_json::from_str(&format!("{{{printed}")).unwrap();
    assert_eq!(printed, ended.report);
}
