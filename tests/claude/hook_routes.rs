//! The launch hook: the policy's routes reach a launch by another text of its script.

use serde_json::{Value, json};

use super::stand::{DAY, Machine, TWELVE, answered};

const FANOUT: [&str; 4] = ["--policy", "haiku-fanout", "--allow-under", "1000usd"];
/// `TWELVE` as the policy wants it.
fn rewritten() -> String {
    TWELVE.replace("phase: 'Look' }", "phase: 'Look', model: 'claude-haiku-5-5' }")
}

#[test]
fn fan_out_agents_move_and_the_rest_stays_byte_for_byte() {
    let machine = Machine::new();
    let answer = machine.workflow(&json!({ "script": TWELVE, "args": { "a": 1 } }), &FANOUT);
    assert_eq!(answer.decision(), "allow");
    assert_eq!(answer.updated_input(), json!({ "script": rewritten(), "args": { "a": 1 } }));
    let said = "flyball: twelve: by the policy, look on haiku-5-5 [fanout]";
    assert!(answer.shown().starts_with(said), "{}", answer.shown());
    let context = &answer.json()["hookSpecificOutput"]["additionalContext"];
    assert_eq!(context.as_str(), Some(&*answer.shown()));
}

#[test]
fn saved_and_named_scripts_are_replaced_by_the_text() {
    let machine = Machine::new();
    machine.write("shop/.claude/workflows/t.js", TWELVE);
    let wanted = json!({ "args": "x", "script": rewritten() });
    let named = machine.workflow(&json!({ "name": "twelve", "args": "x" }), &FANOUT);
    assert_eq!(named.updated_input(), wanted);
    let path = json!({ "scriptPath": ".claude/workflows/t.js", "args": "x" });
    assert_eq!(machine.workflow(&path, &FANOUT).updated_input(), wanted);
}

#[test]
fn what_is_rewritten_stays_as_it_is() {
    let machine = Machine::new();
    machine.write("shop/w.js", rewritten());
    for call in [
        json!({ "script": rewritten() }),
        json!({ "scriptPath": "w.js" }),
        json!({ "scriptPath": "w.js", "resumeFromRunId": "wf_12345678-abc" }),
    ] {
        let answer = machine.workflow(&call, &FANOUT);
        assert_eq!((answer.decision().as_str(), answer.updated_input()), ("allow", Value::Null));
    }
}

#[test]
fn a_resumed_run_goes_on_on_its_own_models() {
    let machine = Machine::new();
    machine.write("shop/w.js", TWELVE);
    let call = json!({ "scriptPath": "w.js", "resumeFromRunId": "wf_12345678-abc" });
    let flags = ["--policy", "haiku-fanout", "--allow-under", "0.0001usd"];
    let answer = machine.workflow(&call, &flags);
    assert_eq!(answer.updated_input(), Value::Null);
    assert!(!answer.shown().contains("haiku"), "{}", answer.shown());
}

#[test]
fn what_cannot_be_rewritten_is_said_and_priced_as_written() {
    let machine = Machine::new();
    let hidden = TWELVE
        .replace("agent(`Look", "start(`Look")
        .replace("const parts", "const start = agent\nconst parts");
    let cost = |flags: &[&str], script: &str| -> f64 {
        let shown = machine.workflow(&json!({ "script": script }), flags).shown();
        shown.split('$').nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
    };
    let asked = ["--policy", "haiku-fanout", "--allow-under", "0.0001usd"];
    let plain = ["--allow-under", "0.0001usd"];
    assert!(cost(&asked, TWELVE) < cost(&plain, TWELVE) / 2.0);
    assert!((cost(&asked, &hidden) - cost(&plain, &hidden)).abs() < 0.01);
    let answer = machine.workflow(&json!({ "script": hidden }), &asked);
    assert_eq!(answer.updated_input(), Value::Null);
    assert!(answer.shown().replace('\n', " ").contains("stays as written"), "{}", answer.shown());
}

#[test]
fn an_agent_gets_another_model_by_its_short_name() {
    let machine = Machine::new();
    machine.write(
        "shop/cheap.toml",
        "schema = 1\nname = \"cheap\"\ndescription = \"Cheap\"\n\
         [[rule]]\nname = \"all\"\nwhen = { role = \"single\" }\nthen = { model = \"haiku\" }\n",
    );
    let input =
        json!({ "description": "look", "prompt": "Look", "subagent_type": "general-purpose" });
    let answer = machine.answer(machine.call("Agent", &input), &["--policy", "cheap.toml"]);
    assert_eq!(answer.decision(), "allow");
    assert_eq!(answer.updated_input()["model"], "haiku");
    assert_eq!(answer.updated_input()["prompt"], "Look");
}

#[test]
fn the_record_says_that_it_was_rewritten() {
    let machine = Machine::new();
    std::fs::create_dir(machine.path("launches")).unwrap();
    let mut command = machine.command(&["--at", DAY]);
    command.args(FANOUT).env("FLYBALL_LAUNCHES", machine.path("launches"));
    let call = machine.call("Workflow", &json!({ "script": TWELVE }));
    assert_eq!(answered(command, call.as_bytes()).decision(), "allow");
    let kept = std::fs::read_to_string(machine.path("launches/toolu_01.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["decision"], "rewrite");
    assert_eq!(kept["plan"]["stages"][0]["route"]["model"], "claude-haiku-5-5");
}
