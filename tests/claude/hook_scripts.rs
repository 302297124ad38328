//! The launch hook: which script a call means, and what is known of it.

use serde_json::{Value, json};

use super::stand::{Machine, ONE, TWELVE};

const DEAR: [&str; 2] = ["--budget", "4usd"];

#[test]
fn names_are_looked_up_from_the_sessions_folder_upwards() {
    let machine = Machine::new();
    machine
        .write("home/.claude/workflows/far.js", TWELVE.replace("'twelve'", "'job'"))
        .write("shop/.claude/workflows/any.js", ONE.replace("'one'", "'job'"))
        .write("shop/deep/er/x", "");
    let mut call: Value =
        serde_json::from_str(&machine.call("Workflow", &json!({ "name": "job" }))).unwrap();
    assert_eq!(machine.answer(call.to_string(), &DEAR).decision(), "allow", "the project's");
    call["cwd"] = json!(machine.path("shop/deep/er"));
    assert_eq!(machine.answer(call.to_string(), &DEAR).decision(), "allow", "from below");
    call["cwd"] = json!(machine.path("home"));
    assert_eq!(machine.answer(call.to_string(), &DEAR).decision(), "deny", "the personal one");
}

#[test]
fn plugins_workflows_have_the_plugins_name() {
    let machine = Machine::new();
    let plugin = machine.path("home/.claude/plugins/cache/market/tools/1.0.0");
    let list = json!({ "version": 2, "plugins": { "tools@market": [{
        "scope": "user", "installPath": plugin, "version": "1.0.0" }] } });
    machine.write("home/.claude/plugins/installed_plugins.json", list.to_string()).write(
        "home/.claude/plugins/cache/market/tools/1.0.0/workflows/sweep.js",
        TWELVE.replace("'twelve'", "'sweep'"),
    );
    let named = |name: &str| machine.workflow(&json!({ "name": name }), &DEAR);
    assert!(named("tools:sweep").reason().contains("it needs $"));
    assert!(named("sweep").reason().contains("there is no saved workflow `sweep`"));
    assert!(machine.flyball(&["workflows", "list"]).contains("tools:sweep"));
}

#[test]
fn paths_are_the_sessions() {
    let machine = Machine::new();
    machine.write("shop/scripts/w.js", TWELVE);
    let relative = machine.workflow(&json!({ "scriptPath": "scripts/w.js" }), &DEAR);
    assert!(relative.reason().contains("flyball denies twelve"), "{}", relative.reason());
    let absolute = machine.path("shop/scripts/w.js");
    assert_eq!(machine.workflow(&json!({ "scriptPath": absolute }), &DEAR).decision(), "deny");
    let missing = machine.workflow(&json!({ "scriptPath": "scripts/v.js" }), &[]);
    assert_eq!(missing.decision(), "deny");
    assert!(missing.reason().contains("there is no file"), "{}", missing.reason());
}

#[test]
fn a_call_with_two_scripts_is_narrowed_to_the_one_that_was_planned() {
    let machine = Machine::new();
    machine.write("shop/w.js", TWELVE);
    let both = json!({ "scriptPath": "w.js", "script": ONE, "args": [1] });
    assert_eq!(machine.workflow(&both, &DEAR).decision(), "deny", "the path's");
    let answer = machine.workflow(&both, &["--allow-under", "1000usd"]);
    assert_eq!(answer.decision(), "allow");
    assert_eq!(answer.updated_input(), json!({ "scriptPath": "w.js", "args": [1] }));
}

#[test]
fn what_is_no_script_is_denied_with_what_is_wrong() {
    let machine = Machine::new();
    let refused = |script: &str| {
        let answer = machine.workflow(&json!({ "script": script }), &[]);
        assert_eq!(answer.decision(), "deny", "{script}");
        answer.reason()
    };
    assert!(refused("return 1").contains("the script cannot be run"));
    assert!(refused(&ONE.replace("agent(", "import('fs'); agent(")).contains("line 2"));
    assert!(refused(&format!("{ONE}//{}", "x".repeat(600 << 10))).contains("bytes"));
    for name in ["../../etc/passwd", "nothing", "", "a\u{0}b"] {
        assert_eq!(machine.workflow(&json!({ "name": name }), &[]).decision(), "deny", "{name:?}");
    }
    assert_eq!(machine.workflow(&json!({ "title": "x" }), &[]).code, 2);
    assert_eq!(machine.workflow(&json!({ "script": 7 }), &[]).code, 2);
}

#[test]
fn built_in_workflows_cannot_be_planned() {
    let machine = Machine::new();
    // A file of that name need not be what the client starts.
    machine.write("shop/.claude/workflows/r.js", ONE.replace("'one'", "'deep-research'"));
    let call = json!({ "name": "deep-research", "args": "Why?" });
    let asked = machine.workflow(&call, &[]);
    assert_eq!(asked.decision(), "ask");
    assert!(asked.shown().contains("which flyball cannot read"), "{}", asked.shown());
    assert_eq!(machine.workflow(&call, &["--built-in", "deny"]).decision(), "deny");
    assert_eq!(machine.workflow(&call, &["--built-in", "allow"]).decision(), "allow");
}

#[test]
fn args_reach_the_script_as_they_are() {
    let machine = Machine::new();
    let script = "export const meta = { name: 'kind', description: 'Tells' }\n\
         if (typeof args !== 'object') throw new Error('args are a ' + typeof args)\n\
         await parallel(args.parts.map(part => () => agent('Look ' + part, { model: 'haiku' })))\n";
    let given = |args: Value| {
        let flags = ["--budget", "2agents", "--allow-under", "100usd"];
        machine.workflow(&json!({ "script": script, "args": args }), &flags)
    };
    assert_eq!(given(json!({ "parts": [1, 2] })).decision(), "allow");
    assert!(given(json!({ "parts": [1, 2, 3] })).reason().contains("it needs 3 agents"));
    let text = given(json!("{\"parts\":[1]}"));
    assert_eq!(text.decision(), "deny");
    assert!(text.reason().contains("args are a string"), "{}", text.reason());
}

#[test]
fn scripts_that_hide_what_they_start_are_denied() {
    let machine = Machine::new();
    let head = "export const meta = { name: 'h', description: 'Hides' }\n";
    let burns = format!("{head}await agent('x', {{ model: 'haiku' }})\nwhile (true) {{}}");
    let answer = machine.workflow(&json!({ "script": burns }), &["--allow-under", "1000usd"]);
    assert_eq!(answer.decision(), "deny");
    assert!(answer.reason().contains("nobody knows the rest"), "{}", answer.reason());
    let throws = format!("{head}await agent('x', {{ model: 'haiku' }})\nthrow new Error('later')");
    let answer = machine.workflow(&json!({ "script": throws }), &["--allow-under", "1000usd"]);
    assert_eq!(answer.decision(), "ask");
    assert!(answer.reason().contains("later"), "{}", answer.reason());
    let none = machine.workflow(&json!({ "script": format!("{head}return 1") }), &[]);
    assert_eq!(none.decision(), "ask");
    assert!(none.reason().contains("no dry run started an agent"), "{}", none.reason());
    let unpriced = ONE.replace("'haiku'", "'gpt-99'");
    let unpriced = machine.workflow(&json!({ "script": unpriced }), &[]);
    assert_eq!(unpriced.decision(), "deny");
    assert!(unpriced.reason().contains("has no price"), "{}", unpriced.reason());
}

#[test]
fn the_transcript_says_which_model_the_session_is_on() {
    let machine = Machine::new();
    let call = json!({ "script": TWELVE });
    let model_of = |flags: &[&str]| machine.workflow(&call, flags).shown();
    assert!(model_of(&[]).contains("(session model claude-opus-5-5: the client's default"));
    assert!(model_of(&["--session-model", "sonnet"]).contains("claude-sonnet-5-5: as set"));
    let line = |kind: &str, model: &str, side: bool| {
        json!({ "type": kind, "isSidechain": side, "message": { "model": model } }).to_string()
    };
    let long = json!({ "type": "user", "message": { "content": "x".repeat(200 << 10) } });
    let transcript = [
        line("assistant", "claude-opus-5-5", false),
        line("assistant", "claude-haiku-5-5", false),
        line("assistant", "claude-fable-5-1", true),
        line("assistant", "<synthetic>", false),
        long.to_string(),
        "{\"type\":\"assistant\",\"mess".to_owned(),
    ];
    machine.write("home/.claude/projects/shop/session.jsonl", transcript.join("\n"));
    let shown = machine.workflow(&call, &["--allow-under", "0.01usd"]).shown();
    assert!(shown.contains("claude-haiku-5-5: as its transcript says"), "{shown}");
}

#[test]
fn what_the_client_forces_on_agents_is_what_they_cost() {
    let machine = Machine::new();
    let mut command = machine.command(&["--at", super::stand::DAY, "--policy", "haiku-fanout"]);
    command.env("CLAUDE_CODE_SUBAGENT_MODEL", "sonnet");
    let call = machine.call("Workflow", &json!({ "script": TWELVE }));
    let answer = super::stand::answered(command, call.as_bytes());
    let shown = answer.shown();
    assert!(shown.contains("sonnet-5-5") && !shown.contains("haiku"), "{shown}");
    assert!(shown.contains("CLAUDE_CODE_SUBAGENT_MODEL"), "{shown}");
}

/// A run that ended after some of its agents, as the client leaves it.
fn leave_run(machine: &Machine, script: &str, done: usize) {
    let session = "home/.claude/projects/shop/session";
    let mut journal = String::new();
    for part in 0..12 {
        let (key, label) = (format!("v2:{part}"), format!("look:{part}"));
        let started = json!({ "type": "started", "key": key, "agentId": "a", "label": label });
        journal += &(started.to_string() + "\n");
        if part < done {
            let result = json!({ "type": "result", "key": key, "agentId": "a", "result": "fine" });
            journal += &(result.to_string() + "\n");
        }
    }
    machine
        .write(&format!("{session}/subagents/workflows/wf_12345678-abc/journal.jsonl"), journal)
        .write(
            &format!("{session}/workflows/wf_12345678-abc.json"),
            json!({ "runId": "wf_12345678-abc", "script": script }).to_string(),
        );
}

#[test]
fn a_resumed_run_costs_what_is_left_of_it() {
    let machine = Machine::new();
    machine.write("shop/w.js", TWELVE);
    let call = json!({ "scriptPath": "w.js", "resumeFromRunId": "wf_12345678-abc" });
    let typical = || -> f64 {
        let shown = machine.workflow(&call, &["--allow-under", "0.0001usd"]).shown();
        let cost = shown.split('$').nth(1).unwrap().split(' ').next().unwrap();
        cost.parse().unwrap()
    };
    let whole = typical();
    leave_run(&machine, TWELVE, 10);
    let shown = machine.workflow(&call, &["--allow-under", "0.0001usd"]).shown();
    assert!(shown.contains("10 of its agents are taken over"), "{shown}");
    assert!(typical() < whole / 2.0, "{} of {whole}", typical());
    // The others are made anew from the first that is missing on.
    leave_run(&machine, TWELVE, 0);
    assert!((typical() - whole).abs() < 0.01);
    // What cannot be told is planned as a whole, and said so.
    leave_run(&machine, ONE, 10);
    let shown = machine.workflow(&call, &["--allow-under", "0.0001usd"]).shown();
    assert!(shown.contains("the script has changed\nsince"), "{shown}");
    let escaping = json!({ "scriptPath": "w.js", "resumeFromRunId": "../../etc" });
    assert_eq!(machine.workflow(&escaping, &[]).code, 2);
}

#[test]
fn a_launch_that_reads_everything_is_measured_and_capped() {
    let machine = Machine::new();
    for number in 0..20 {
        machine.write(&format!("shop/src/{number}.rs"), "fn main() {}\n");
    }
    let policy = "schema = 1\nname = 'mine'\n[thresholds]\ndeny = { files = 10 }\n";
    machine.write("shop/mine.toml", policy);
    let flags = ["--policy", "mine.toml", "--allow-under", "1000usd"];
    let of = |task: &str| {
        let script = ONE.replace("Look at the code", task);
        machine.workflow(&json!({ "script": script }), &flags)
    };
    let all = of("Read every file in the repository");
    assert_eq!(all.decision(), "deny");
    assert!(all.reason().contains("21 files in the folder; denied above 10"), "{}", all.reason());
    assert_eq!(of("Read every changed file").decision(), "allow");
}
