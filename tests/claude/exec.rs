//! How a client is started, held and ended.

use std::io::Read;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::exec_stand::{Stand, asks};
use crate::upstream::stand::asking;

#[test]
fn a_client_is_held_by_settings_and_environment() {
    let stand = Stand::new();
    let flags = ["--budget", "1usd", "--budget", "40agents", "--run", "nightly"];
    let users = json!({
        "model": "opus",
        "env": {
            "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
            "CLAUDE_CODE_USE_BEDROCK": "1",
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "9000",
            "NO_PROXY": "example.org",
            "MINE": "1",
        },
        "hooks": { "PreToolUse": [{ "matcher": "Bash", "hooks": [] }] },
    });
    let steps = json!([{ "do": "show" }, asks()]);
    let arguments =
        ["-p", "--settings", "absent.json", &format!("--settings={users}"), "--verbose"];
    let mut command = stand.command(&flags, &stand.claude(), &arguments, &steps);
    let ended = stand.ends(command.env("NO_PROXY", "localhost,internal"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (shown, asked) = (&ended.said[0], &ended.said[1]);
    assert_eq!(asked["status"], 200);

    let arguments = shown["arguments"].as_array().unwrap();
    assert_eq!(
        (&arguments[0], &arguments[2..]),
        (&json!("--settings"), &[json!("-p"), json!("--verbose")][..])
    );
    let settings = &shown["settings"];
    let env = &settings["env"];
    let url = env["ANTHROPIC_BASE_URL"].as_str().unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/run/nightly"), "{url}");
    assert_eq!(env["CLAUDE_CODE_USE_BEDROCK"], "0");
    assert_eq!(env["CLAUDE_CODE_MAX_OUTPUT_TOKENS"], "9000");
    assert_eq!(env["NO_PROXY"], "localhost,internal,example.org,127.0.0.1");
    assert_eq!((&env["MINE"], &settings["model"]), (&json!("1"), &json!("opus")));
    assert_eq!(env.get("CLAUDE_CODE_SUBAGENT_MODEL"), None);

    let gates = settings["hooks"]["PreToolUse"].as_array().unwrap();
    assert_eq!((gates.len(), &gates[0]["matcher"]), (2, &json!("Bash")));
    assert_eq!(gates[1]["matcher"], "Workflow|Agent|Task");
    let gate = gates[1]["hooks"][0]["command"].as_str().unwrap();
    let words = "hook pre-tool-use --project shop --allow-under 1usd";
    assert!(gate.ends_with(words), "{gate}");

    let environment = &shown["environment"];
    assert_eq!(environment["ANTHROPIC_BASE_URL"].as_str(), Some(url));
    assert_eq!(environment["FLYBALL_RUN"], "nightly");
    assert!(environment["FLYBALL_LAUNCHES"].as_str().unwrap().ends_with("/launches"));
    assert_eq!(ended.report["told_by"], "gateway");
}

#[test]
fn answers_and_subagents_are_what_flags_say() {
    let stand = Stand::new();
    std::fs::write(stand.home().join("mine.json"), "{\"env\":{}}").unwrap();
    let flags = [
        "--budget",
        "1usd",
        "--output-cap",
        "16000",
        "--subagent-model",
        "haiku",
        "--no-hook",
        "--policy",
        "haiku-fanout",
    ];
    let steps = json!([{ "do": "show" }]);
    let mut command =
        stand.command(&flags, &stand.claude(), &["--settings", "../mine.json"], &steps);
    let shown = stand.ends(command.env("CLAUDE_CODE_MAX_OUTPUT_TOKENS", "64000")).said.remove(0);
    let env = &shown["settings"]["env"];
    assert_eq!(env["CLAUDE_CODE_MAX_OUTPUT_TOKENS"], "16000");
    assert_eq!(shown["environment"]["CLAUDE_CODE_MAX_OUTPUT_TOKENS"], "16000");
    assert_eq!(env["CLAUDE_CODE_SUBAGENT_MODEL"], "haiku");
    assert_eq!(shown["settings"]["hooks"].get("PreToolUse"), None);
}

#[test]
fn what_comes_after_two_dashes_is_no_flag() {
    let stand = Stand::new();
    let steps = json!([{ "do": "show" }]);
    let arguments = ["--", "--settings", "x"];
    let ended =
        stand.ends(&mut stand.command(&["--budget", "1usd"], &stand.claude(), &arguments, &steps));
    // The stub reads them all the same, and fails: they were passed on as they stand.
    assert!(ended.stderr.contains("'x'"), "{ended:?}");
}

#[test]
fn another_client_is_told_where_to_go_and_nothing_more() {
    let stand = Stand::new();
    let steps = json!([{ "do": "show" }, { "do": "ask" }]);
    let other = stand.home().join("other");
    let ended = stand.ends(&mut stand.command(&["--budget", "1usd"], &other, &[], &steps));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.said[0]["arguments"], json!([]));
    assert_eq!(ended.said[1]["status"], 200);
    assert!(ended.stderr.contains("held only if it honours ANTHROPIC_BASE_URL"), "{ended:?}");
    assert_eq!(ended.report["requests"], 1);

    let flags = ["--budget", "1usd", "--client", "claude-code"];
    let ended = stand.ends(&mut stand.command(&flags, &other, &[], &steps));
    assert_eq!(ended.said[0]["arguments"][0], "--settings");
}

#[test]
fn what_cannot_be_held_is_not_started() {
    let stand = Stand::new();
    let steps = json!([{ "do": "show" }]);
    let claude = stand.claude();
    let refused = |flags: &[&str], arguments: &[&str], variable: (&str, &str)| {
        let mut command = stand.command(flags, &claude, arguments, &steps);
        let ended = stand.ends(command.env(variable.0, variable.1));
        assert_eq!((&ended.said, &ended.report), (&vec![], &Value::Null), "{ended:?}");
        (ended.code, ended.stderr)
    };
    let none = ("NONE", "");
    for (flags, arguments, variable, code, why) in [
        (
            &["--budget", "1usd"][..],
            &[][..],
            ("CLAUDE_CODE_USE_VERTEX", "true"),
            2,
            "CLAUDE_CODE_USE_VERTEX is set",
        ),
        (
            &["--budget", "1usd"],
            &["--settings", "{"],
            none,
            6,
            "--settings of the client: they are not JSON",
        ),
        (&["--budget", "1usd"], &["--settings", "{\"env\":1}"], none, 6, "`env` is not an object"),
        (
            &["--budget", "1usd"],
            &["--settings", "absent.json"],
            none,
            6,
            "there is no file `absent.json`",
        ),
        (&[], &[], none, 2, "nobody said what this run may spend"),
        (&["--budget", "25%5h"], &[], none, 2, "it cannot be held"),
        (
            &["--budget", "1usd", "--policy", "absent.toml"],
            &[],
            none,
            6,
            "there is no file `absent.toml`",
        ),
        (&["--budget", "1usd", "--run", "a/b"], &[], none, 2, "a run's name has at most"),
        (
            &["--budget", "1usd", "--prices", "absent.toml"],
            &[],
            none,
            6,
            "there is no file `absent.toml`",
        ),
    ] {
        let (ended, said) = refused(flags, arguments, variable);
        assert_eq!(ended, Some(code), "{said}");
        assert!(said.contains(why), "{said}");
    }
    for absent in [stand.home().join("absent"), "no-such-client".into(), "../absent".into()] {
        let ended = stand.ends(&mut stand.command(&["--budget", "1usd"], &absent, &[], &steps));
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.contains("cannot start"), "{ended:?}");
    }
    let listed = stand.flyball(&["runs", "charged"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("no gateway has charged"), "{listed}");
}

#[test]
fn who_never_said_what_to_spend_leaves_no_ledger() {
    let stand = Stand::new();
    let ledger = stand.home().join("ledger.db");
    let ledger = ledger.to_str().unwrap();
    let steps = json!([asks()]);
    let ended = stand.exec(&["--ledger", ledger], &steps);
    assert_eq!((ended.code, ended.said.len()), (Some(2), 0), "{ended:?}");
    assert!(!std::path::Path::new(ledger).exists());
    let ended = stand.exec(&["--ledger", ledger, "--budget", "1usd"], &steps);
    assert_eq!((ended.code, ended.said.len()), (Some(0), 1), "{ended:?}");
    assert!(std::path::Path::new(ledger).exists());
}

#[test]
fn the_exit_code_is_the_clients_unless_there_is_more_to_say() {
    let stand = Stand::new();
    // Three such requests are paid for, and a fourth could not be.
    let four = [asks(), asks(), asks(), asks()];
    let refused = json!(four);
    let exits = |code: u8| json!([{ "do": "exit", "code": code }]);
    assert_eq!(stand.exec(&["--budget", "1usd"], &exits(0)).code, Some(0));
    assert_eq!(stand.exec(&["--budget", "1usd"], &exits(99)).code, Some(99));
    assert_eq!(stand.exec(&["--budget", "1usd"], &json!([{ "do": "kill" }])).code, Some(137));
    let ended = stand.exec(&["--budget", "0.05usd"], &refused);
    assert_eq!((ended.code, &ended.said[3]["status"]), (Some(4), &json!(429)), "{ended:?}");
    let flags = ["--budget", "0.05usd", "--client-exit-code"];
    assert_eq!(stand.exec(&flags, &refused).code, Some(0));
    let and_fails = json!([four[0], four[1], four[2], four[3], { "do": "exit", "code": 9 }]);
    assert_eq!(stand.exec(&["--budget", "0.05usd"], &and_fails).code, Some(9));
}

#[test]
fn signals_reach_the_client() {
    let stand = Stand::new();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let (mut child, mut lines) =
            stand.starts(&["--budget", "1usd"], &json!([{ "do": "wait" }]));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let mut said = String::new();
        lines.read_to_string(&mut said).unwrap();
        let got: Value = serde_json::from_str(said.trim()).unwrap();
        assert_eq!(got["signal"], signal.as_raw());
        assert_eq!(child.wait().unwrap().code(), Some(40));
        let mut report = String::new();
        child.stderr.take().unwrap().read_to_string(&mut report).unwrap();
        assert!(report.contains("ended with exit code 40"), "{report}");
    }
}

#[test]
fn a_run_goes_on_under_its_name() {
    let stand = Stand::new();
    let first = stand.exec(
        &["--run", "nightly", "--budget", "0.05usd"],
        &json!([asks(), asks(), asks(), asks()]),
    );
    let spent = first.report["spent_usd"].clone();
    assert_eq!(first.code, Some(4), "{first:?}");
    // Without another budget it has the one that it had.
    let second = stand.exec(&["--run", "nightly"], &json!([asks()]));
    assert_eq!(second.said[0]["status"], 429);
    assert_eq!(
        (&second.report["spent_before_usd"], &second.report["spent_usd"]),
        (&spent, &json!("0"))
    );
    let third = stand.exec(&["--run", "nightly", "--budget", "0.08usd"], &json!([asks()]));
    assert_eq!((third.code, &third.said[0]["status"]), (Some(0), &json!(200)), "{third:?}");
    assert_eq!(third.report["budget"][0]["limit"], "0.08");
    let billed = stand.upstream.bill().usd;
    assert_eq!(third.report["budget"][0]["settled"], json!(billed));
    // What is used up starts nobody.
    let fourth = stand.exec(&["--run", "nightly", "--budget", "0.03usd"], &json!([asks()]));
    assert_eq!((fourth.code, fourth.said.len()), (Some(3), 0), "{fourth:?}");
    assert!(fourth.stderr.contains("run nightly has spent"), "{fourth:?}");
    // Nor does it change what the run may spend.
    let fifth = stand.exec(&["--run", "nightly"], &json!([{ "do": "show" }]));
    assert_eq!((fifth.code, &fifth.report["budget"][0]["limit"]), (Some(0), &json!("0.08")));
}

#[test]
fn a_client_that_nobody_answers_is_told_and_not_called_within_its_budget() {
    let stand = Stand::new();
    // A port that nobody listens on any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let other = stand.home().join("other");
    let down = |flags: &[&str], steps: &Value| {
        let mut command = stand.flyball(&["exec", "--out", "report.json", "--budget", "1usd"]);
        command.args(["--upstream", &format!("http://{gone}")]).args(flags).arg("--").arg(&other);
        stand.ends(command.arg(steps.to_string()))
    };
    let asks = json!([{ "do": "ask" }, { "do": "ask" }]);
    let ended = down(&[], &asks);
    assert_eq!((ended.code, &ended.said[0]["status"]), (Some(7), &json!(502)), "{ended:?}");
    let failures = &ended.report["failures"];
    assert_eq!(
        (&ended.report["failed_requests"], &failures[0]["requests"]),
        (&json!(2), &json!(2))
    );
    let cause = failures[0]["cause"].as_str().unwrap();
    assert!(cause.starts_with("the upstream cannot be reached: "), "{cause}");
    assert!(ended.stderr.contains("NOTHING WAS ANSWERED"), "{ended:?}");
    assert!(ended.stderr.contains("failed   2 requests: the upstream cannot"), "{ended:?}");
    assert_eq!(down(&["--client-exit-code"], &asks).code, Some(0));
    let and_fails = json!([{ "do": "ask" }, { "do": "exit", "code": 9 }]);
    assert_eq!(down(&[], &and_fails).code, Some(9));
    // Where some were answered, the others are told all the same.
    let fault =
        json!([{ "do": "ask" }, { "do": "ask", "model": "claude-haiku-4-5", "max_tokens": 0 }]);
    let ended = stand.ends(&mut stand.command(&["--budget", "1usd"], &other, &[], &fault));
    let told = (&ended.report["requests"], &ended.report["failed_requests"]);
    assert_eq!((ended.code, told), (Some(0), (&json!(1), &json!(1))), "{ended:?}");
}

#[test]
fn a_report_that_could_not_be_written_starts_nobody() {
    let stand = Stand::new();
    let other = stand.home().join("other");
    for out in ["nowhere/report.json", "."] {
        let mut command = stand.flyball(&["exec", "--budget", "1usd", "--upstream", &stand.url()]);
        command.args(["--out", out, "--"]).arg(&other).arg(json!([{ "do": "ask" }]).to_string());
        let ended = stand.ends(&mut command);
        assert_eq!((ended.code, ended.said.len()), (Some(6), 0), "{ended:?}");
    }
    assert_eq!(stand.upstream.bill().requests, 0);
}

#[test]
fn agents_that_no_client_tells_of_hold_nothing_and_that_is_said() {
    let stand = Stand::new();
    let (other, steps) = (stand.home().join("other"), json!([{ "do": "show" }]));
    let ended = stand.ends(&mut stand.command(&["--budget", "3agents"], &other, &[], &steps));
    assert_eq!((ended.code, ended.said.len()), (Some(2), 0), "{ended:?}");
    assert!(ended.stderr.contains("3 agents may hold nothing here"), "{ended:?}");
    let flags = ["--budget", "3agents", "--budget", "1usd"];
    let ended = stand.ends(&mut stand.command(&flags, &other, &[], &steps));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let notice = ended.report["notices"][0].as_str().unwrap();
    assert!(notice.contains("3 agents holds only if the client says"), "{notice}");
    let ended = stand.exec(&["--budget", "3agents"], &steps);
    assert_eq!((ended.code, &ended.report["notices"]), (Some(0), &json!([])), "{ended:?}");
}

#[test]
fn a_policy_says_what_a_run_may_spend() {
    let stand = Stand::new();
    let policy = "schema = 1\nname = \"cheap\"\n[budget]\nrun = \"0.5usd\"\n";
    std::fs::write(stand.home().join("project/cheap.toml"), policy).unwrap();
    let ended = stand.exec(&["--policy", "cheap.toml"], &json!([{ "do": "show" }]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.report["budget"][0]["limit"], "0.5");
    let gate = &ended.said[0]["settings"]["hooks"]["PreToolUse"][0]["hooks"][0]["command"];
    let file = stand.home().join("project/cheap.toml");
    assert!(gate.as_str().unwrap().contains(&format!("--policy {}", file.display())), "{gate}");
}

#[test]
fn what_the_ledger_limits_above_the_run_holds_too() {
    let stand = Stand::new();
    let set = stand.flyball(&["budget", "set", "day", "0.05usd"]).output().unwrap();
    assert!(set.status.success());
    let ended = stand.exec(&["--budget", "1usd"], &json!([asks(), asks(), asks(), asks()]));
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let refusal = ended.said[3]["answer"]["error"]["message"].as_str().unwrap();
    assert!(refusal.ends_with("; flyball budget raise day AMOUNT, then resume"), "{refusal}");
    let commands = ended.report["resume"]["commands"].as_array().unwrap();
    assert!(
        commands[0].as_str().unwrap().starts_with("flyball budget raise day 0.0"),
        "{commands:?}"
    );
    assert!(commands[1].as_str().unwrap().contains("--budget 1usd"), "{commands:?}");
}

#[test]
fn a_request_of_a_run_that_is_not_ours_is_not_told() {
    let stand = Stand::new();
    let steps = json!([{ "do": "show" }, asks()]);
    let ended = stand.exec(&["--budget", "1usd"], &steps);
    let name = ended.report["run"].as_str().unwrap();
    assert!(name.starts_with("exec-") && name.len() == 13, "{name}");
    // It has ended with its client: nobody answers there any more.
    let url = ended.said[0]["environment"]["ANTHROPIC_BASE_URL"].as_str().unwrap();
    let address = url.trim_start_matches("http://").split('/').next().unwrap();
    assert!(std::net::TcpStream::connect(address).is_err(), "{address} still listens");
    drop(stand.upstream.ask(&asking("Hello.", 10)));
}
