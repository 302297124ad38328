//! The launch hook: which answer follows, and what becomes of what cannot be checked.

use std::process::Stdio;

use serde_json::{Value, json};

use super::stand::{DAY, Machine, ONE, TWELVE, answered, files};

#[test]
fn a_cheap_launch_goes_ahead_without_a_word() {
    let machine = Machine::new();
    let answer = machine.workflow(&json!({ "script": ONE }), &[]);
    let quiet = json!({ "hookSpecificOutput": {
        "hookEventName": "PreToolUse", "permissionDecision": "allow" } });
    assert_eq!(answer.json(), quiet);
    assert_eq!(answer.stderr, "");
}

#[test]
fn a_dear_launch_is_asked_about_with_a_preview() {
    let machine = Machine::new();
    let answer = machine.workflow(&json!({ "script": TWELVE }), &[]);
    assert_eq!(answer.decision(), "ask");
    assert!(answer.reason().contains("more than $2.00 needs a yes"), "{}", answer.reason());
    let shown = answer.shown();
    assert!(shown.starts_with("flyball: twelve: $"), "{shown}");
    assert!(shown.contains("\n  Look ") && shown.contains("13 agents"), "{shown}");
    assert!(shown.lines().count() <= 12, "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
}

#[test]
fn between_the_thresholds_the_preview_is_shown_and_nobody_is_asked() {
    let machine = Machine::new();
    let flags = ["--allow-under", "1usd", "--ask-over", "1000usd"];
    let answer = machine.workflow(&json!({ "script": TWELVE }), &flags);
    assert_eq!(answer.decision(), "allow");
    assert_eq!(answer.reason(), "");
    assert!(answer.shown().starts_with("flyball: twelve: "));
}

#[test]
fn a_launch_that_most_runs_cannot_pay_is_denied_with_what_would_fit() {
    let machine = Machine::new();
    let answer = machine.workflow(&json!({ "script": TWELVE }), &["--budget", "4usd"]);
    assert_eq!(answer.decision(), "deny");
    let reason = answer.reason();
    for part in [
        "flyball denies twelve: it needs $",
        "--budget allows $4.00",
        "It would fit with ",
        "look on ",
        "The user can raise it to ",
        "Do not start it again unchanged",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
}

#[test]
fn above_deny_over_the_answer_is_no() {
    let machine = Machine::new();
    let priced = |flags: &[&str]| machine.workflow(&json!({ "script": TWELVE }), flags).decision();
    assert_eq!(priced(&["--deny-over", "2usd"]), "deny");
    assert_eq!(priced(&["--deny-over", "1000usd", "--allow-under", "1000usd"]), "allow");
}

#[test]
fn what_no_model_makes_fit_is_said_so() {
    let machine = Machine::new();
    let answer = machine.workflow(&json!({ "script": TWELVE }), &["--budget", "0.01usd"]);
    assert!(answer.reason().contains("On the cheapest models it still needs $"));
    let agents = machine.workflow(&json!({ "script": TWELVE }), &["--budget", "5agents"]);
    let reason = agents.reason();
    assert!(reason.contains("it needs 13 agents in 9 of 10 runs"), "{reason}");
    assert!(reason.contains("raise it to 13agents"), "{reason}");
}

#[test]
fn policies_deny_and_ask() {
    let machine = Machine::new();
    machine.write(
        "shop/few.toml",
        "schema = 1\nname = \"few\"\ndescription = \"Few\"\n\
         [thresholds]\ndeny = { agents = 10 }\n",
    );
    let answer = machine.workflow(&json!({ "script": TWELVE }), &["--policy", "few.toml"]);
    assert_eq!(answer.decision(), "deny");
    assert!(answer.reason().contains("13 agents in 9 of 10 runs; denied above 10"));
}

#[test]
fn the_same_call_has_the_same_answer() {
    let machine = Machine::new();
    let once = machine.workflow(&json!({ "script": TWELVE }), &["--budget", "4usd"]);
    let again = machine.workflow(&json!({ "script": TWELVE }), &["--budget", "4usd"]);
    assert_eq!(once.stdout, again.stdout);
    assert!(!once.stdout.is_empty());
}

#[test]
fn agents_are_priced_too() {
    let machine = Machine::new();
    let agent = |input: Value, flags: &[&str]| machine.answer(machine.call("Agent", &input), flags);
    let plain = json!({ "description": "look", "prompt": "Look around", "subagent_type": "general-purpose" });
    assert_eq!(agent(plain.clone(), &["--allow-under", "10usd"]).decision(), "allow");
    assert_eq!(agent(plain.clone(), &["--budget", "0.01usd"]).decision(), "deny");
    // Task is what it was called before.
    let task = machine.answer(machine.call("Task", &plain), &["--budget", "0.01usd"]);
    assert_eq!(task.decision(), "deny");
    let asked = |input: Value| agent(input, &["--allow-under", "0.0001usd"]).shown();
    assert!(asked(plain.clone()).contains("opus-5-5"));
    let mut haiku = plain.clone();
    haiku["model"] = json!("haiku");
    assert!(asked(haiku).contains("haiku-5-5"));
    // Claude Code's own type brings its model, and so does one of the project.
    let typed = |name: &str| json!({ "description": "d", "prompt": "p", "subagent_type": name });
    assert!(asked(typed("Explore")).contains("haiku-5-5"));
    machine.write("shop/.claude/agents/w.md", "---\nname: writer\nmodel: sonnet\n---\nWrite.\n");
    assert!(asked(typed("writer")).contains("sonnet-5-5"));
}

#[test]
fn other_tools_are_none_of_its_business() {
    let machine = Machine::new();
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let call = machine.call("Write", &json!("DEEP")).replace("\"DEEP\"", &deep);
    // Not even broken settings matter to them.
    machine.write("shop/flyball.toml", "nonsense = 1\n");
    for text in [machine.call("Bash", &json!({ "command": "ls" })), call] {
        let answer = machine.answer(text, &[]);
        assert_eq!((answer.code, &*answer.stdout, &*answer.stderr), (0, "", ""));
    }
}

#[test]
fn what_cannot_be_checked_is_blocked() {
    let machine = Machine::new();
    let good = machine.call("Workflow", &json!({ "script": ONE }));
    let not_text = [good.as_bytes(), &[0xff]].concat();
    let deep = format!("{{\"script\":\"x\",\"args\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let deep = machine.call("Workflow", &json!("DEEP")).replace("\"DEEP\"", &deep);
    let other_event = good.replace("PreToolUse", "PostToolUse");
    let cases: [(&[u8], &[&str], &str); 12] = [
        (b"", &[], "not a hook's call"),
        (b"{", &[], "not a hook's call"),
        (b"[1]", &[], "not a hook's call"),
        (b"{\"tool_name\":\"Workflow\"}", &[], "missing field"),
        (&not_text, &[], "not UTF-8"),
        (deep.as_bytes(), &[], "recursion limit"),
        (other_event.as_bytes(), &[], "answers PreToolUse"),
        (good.as_bytes(), &["--policy", "missing.toml"], "missing.toml"),
        (good.as_bytes(), &["--policy", "broken.toml"], "broken.toml"),
        (good.as_bytes(), &["--prices", "missing.toml"], "missing.toml"),
        (good.as_bytes(), &["--ledger", "broken.toml"], "ledger"),
        // Whether the watch or the script's own limit notices first is chance.
        (good.as_bytes(), &["--time-limit", "0ms"], "so it is blocked"),
    ];
    machine.write("shop/broken.toml", "schema = 1\nname = 7\n");
    for (text, flags, says) in cases {
        let answer = machine.answer(text, flags);
        assert_eq!((answer.code, &*answer.stdout), (2, ""), "{says}: {}", answer.stderr);
        assert!(answer.stderr.contains("so it is blocked: "), "{}", answer.stderr);
        assert!(answer.stderr.contains(says), "{says}: {}", answer.stderr);
        let open = machine.answer(text, &[flags, &["--fail-open"]].concat());
        assert_eq!(open.stderr, "");
        let told = open.json();
        assert!(told["systemMessage"].as_str().unwrap().contains("did not check this launch"));
        assert_eq!(told.get("hookSpecificOutput"), None);
    }
}

#[test]
fn a_call_without_an_end_and_a_huge_one_are_blocked() {
    let machine = Machine::new();
    let huge = machine.call("Workflow", &json!({ "script": "x".repeat(17 << 20) }));
    let answer = machine.answer(huge, &[]);
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("more than 16777216 bytes"), "{}", answer.stderr);

    let mut command = machine.command(&["--time-limit", "50ms"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let open = child.stdin.take();
    let ended = child.wait().unwrap();
    drop(open);
    assert_eq!(ended.code(), Some(2));
}

#[test]
fn an_answer_that_nobody_takes_blocks() {
    let machine = Machine::new();
    let mut command = machine.command(&["--at", DAY]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stdin(Stdio::piped()).stdout(writer).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(command);
    let call = machine.call("Workflow", &json!({ "script": ONE }));
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), call.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("its answer cannot be written"));
}

#[test]
fn a_wrong_flag_blocks_too() {
    let machine = Machine::new();
    let answer = machine.answer(machine.call("Workflow", &json!({})), &["--budget", "5"]);
    assert_eq!(answer.code, 2);
    assert_eq!(answer.stdout, "");
}

#[test]
fn only_the_users_own_settings_open_the_gate() {
    let machine = Machine::new();
    let broken = machine.call("Workflow", &json!({}));
    machine.write("shop/flyball.toml", "[hook]\nfail-open = true\n");
    let project = machine.answer(&broken, &["--policy", "missing.toml"]);
    assert_eq!(project.code, 2, "the call itself cannot be read");
    let good = machine.call("Workflow", &json!({ "script": ONE }));
    assert_eq!(machine.answer(&good, &["--policy", "missing.toml"]).code, 2);
    machine.write("home/.config/flyball/flyball.toml", "[hook]\nfail-open = true\n");
    let open = machine.answer(&good, &["--policy", "missing.toml"]);
    assert!(open.json()["systemMessage"].as_str().unwrap().contains("missing.toml"));
}

#[test]
fn settings_hold_where_flags_say_nothing() {
    let machine = Machine::new();
    let call = json!({ "script": TWELVE });
    machine.write("shop/flyball.toml", "[hook]\ndeny-over = \"3usd\"\n");
    assert_eq!(machine.workflow(&call, &[]).decision(), "deny");
    let flags = ["--deny-over", "1000usd", "--allow-under", "1000usd"];
    assert_eq!(machine.workflow(&call, &flags).decision(), "allow");
    machine.write("shop/flyball.toml", "[hook]\ndeny-over = \"3\"\n");
    let answer = machine.workflow(&call, &[]);
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("has no unit"), "{}", answer.stderr);
}

#[test]
fn a_projects_settings_make_the_gate_stricter_and_nothing_else() {
    let machine = Machine::new();
    let call = json!({ "script": TWELVE });
    let user = "home/.config/flyball/flyball.toml";
    machine.write(user, "budget = \"900usd\"\n[hook]\nallow-under = \"900usd\"\n");
    assert_eq!(machine.workflow(&call, &[]).decision(), "allow");
    for (stricter, decision) in [
        ("budget = \"1usd\"\n", "deny"),
        ("[hook]\ndeny-over = \"3usd\"\n", "deny"),
        ("[hook]\nask-over = \"3usd\"\n", "ask"),
        ("[hook]\nallow-under = \"3usd\"\n", "ask"),
    ] {
        machine.write("shop/flyball.toml", stricter);
        assert_eq!(machine.workflow(&call, &[]).decision(), decision, "{stricter}");
    }
    let built_in = json!({ "name": "deep-research" });
    machine.write("shop/flyball.toml", "[hook]\nbuilt-in = \"deny\"\n");
    assert_eq!(machine.workflow(&built_in, &[]).decision(), "deny");
    // The other way round nothing changes.
    machine.write(user, "budget = \"1usd\"\n[hook]\nbuilt-in = \"deny\"\n");
    machine.write(
        "shop/flyball.toml",
        "budget = \"900usd\"\n[hook]\nallow-under = \"900usd\"\nask-over = \"900usd\"\n\
         built-in = \"allow\"\n",
    );
    assert_eq!(machine.workflow(&call, &[]).decision(), "deny");
    assert_eq!(machine.workflow(&built_in, &[]).decision(), "deny");
    machine.write(user, "[hook]\ndeny-over = \"3usd\"\n");
    machine
        .write("shop/flyball.toml", "[hook]\nallow-under = \"900usd\"\ndeny-over = \"900usd\"\n");
    assert_eq!(machine.workflow(&call, &[]).decision(), "deny");
    // A budget in another unit, or a higher one, does not take the place of the policy's.
    machine.write("home/mine.toml", "schema = 1\nname = \"mine\"\n[budget]\nrun = \"$0.5\"\n");
    let policy = machine.path("home/mine.toml");
    machine.write(user, format!("policy = {policy:?}\n[hook]\nallow-under = \"900usd\"\n"));
    for budget in ["90000agents", "1000usd"] {
        machine.write("shop/flyball.toml", format!("budget = \"{budget}\"\n"));
        let answer = machine.workflow(&call, &[]);
        assert_eq!(answer.decision(), "deny", "{budget}: {}", answer.reason());
    }
    machine.write("shop/flyball.toml", "[hook]\nallow-under = \"900usd\"\n");
    // Nor do they raise what holds where the user says nothing.
    machine.write(user, "");
    assert_eq!(machine.workflow(&call, &[]).decision(), "ask");
}

#[test]
fn a_projects_prices_and_policy_decide_about_no_launch() {
    let machine = Machine::new();
    let call = json!({ "script": TWELVE });
    let flags = ["--deny-over", "3usd"];
    let before = machine.workflow(&call, &flags);
    assert_eq!(before.decision(), "deny");
    machine.write("shop/free.toml", FREE);
    machine.write(
        "shop/flyball.toml",
        "prices = [\"free.toml\"]\nprovider = \"free\"\npolicy = \"absent\"\n",
    );
    let after = machine.workflow(&call, &flags);
    assert_eq!((after.decision(), after.reason()), (before.decision(), before.reason()));
    let asked = machine.workflow(&call, &["--ask-over", "3usd"]);
    let shown = asked.shown();
    assert!(
        shown.contains("without policy, prices, provider of the project's flyball.toml"),
        "{shown}"
    );
    // Whoever writes the hook's command may name them.
    let named = [&flags[..], &["--prices", "free.toml"]].concat();
    assert_eq!(machine.workflow(&call, &named).decision(), "allow");
}

#[test]
fn of_two_thresholds_the_stricter_holds() {
    let machine = Machine::new();
    let call = json!({ "script": TWELVE });
    let generous = ["--allow-under", "900usd"];
    assert_eq!(machine.workflow(&call, &generous).decision(), "allow");
    let both = [&generous[..], &["--ask-over", "1usd"]].concat();
    assert_eq!(machine.workflow(&call, &both).decision(), "ask");
}

/// Opus for next to nothing.
const FREE: &str = "schema = 1\nprovider = \"anthropic\"\n\
    [[source]]\nid = \"contract\"\nurl = \"https://example.com/contract\"\n\
    [[model]]\nid = \"claude-opus-5-5\"\nline = \"opus\"\nrank = 355\nstatus = \"active\"\n\
    released = 2026-09-22\ntokenizer = \"claude-4.7\"\ncontext = 1_000_000\n\
    max_output = 128_000\nmin_cache = 512\nefforts = [\"low\", \"medium\", \"high\"]\n\
    default_effort = \"medium\"\n[[model.price]]\nfrom = 2026-09-22\nstatus = \"confirmed\"\n\
    sources = [\"contract\"]\nchecked = 2026-11-22\ninput = \"0.001\"\noutput = \"0.001\"\n\
    cache_write_5m = \"0.001\"\ncache_write_1h = \"0.001\"\ncache_read = \"0.001\"\n";

#[test]
fn what_it_decided_is_left_for_who_asks() {
    let machine = Machine::new();
    std::fs::create_dir(machine.path("launches")).unwrap();
    let mut call: Value =
        serde_json::from_str(&machine.call("Workflow", &json!({ "script": TWELVE }))).unwrap();
    call["tool_use_id"] = json!("../toolu/é");
    let mut command = machine.command(&["--at", DAY, "--budget", "4usd"]);
    command.env("FLYBALL_LAUNCHES", machine.path("launches"));
    let answer = answered(command, call.to_string().as_bytes());
    assert_eq!(answer.decision(), "deny");
    assert_eq!(files(&machine.path("launches")), ["___toolu__.json"]);
    let kept = std::fs::read_to_string(machine.path("launches/___toolu__.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["version"], 1);
    assert_eq!(kept["workflow"], "twelve");
    assert_eq!(kept["decision"], "deny");
    assert_eq!(kept["reason"], answer.reason());
    assert_eq!(kept["plan"]["totals"]["agents"]["p50"], 13);
    // A folder that is not there is a failure like any other.
    let mut command = machine.command(&["--at", DAY]);
    command.env("FLYBALL_LAUNCHES", machine.path("nowhere"));
    assert_eq!(answered(command, call.to_string().as_bytes()).code, 2);
}
