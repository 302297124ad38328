//! `flyball budget`, `ledger` and `runs`, and what a run leaves in the ledger.

use flyball::budget::{Answer, Ask, Books, Bound, Charge, Limits, Operation, OutputCap, ScopeId};
use flyball::id::AttemptId;
use flyball::ledger::SqliteLedger;
use flyball::money::{Picodollars, Rate};
use jiff::Timestamp;
use serde_json::Value;

use super::program::{Ended, Program};

const SCRIPT: &str = "export const meta = { name: 'four', description: 'four agents' };\n\
    const PART = ['a', 'b', 'c', 'd'];\n\
    return await parallel(PART.map((part) => () => agent(`Look at ${part}`, { label: part, phase: 'Look' })));\n";

fn json(ended: &Ended) -> Value {
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

fn ledger(program: &Program) -> std::path::PathBuf {
    program.home().join(".local/state/flyball/ledger.db")
}

fn with_script() -> Program {
    let program = Program::new();
    program.write("four.js", SCRIPT);
    program
}

fn run(program: &Program, more: &[&str]) -> Ended {
    let mut arguments = vec!["run", "four.js", "--agents", "simulated", "--yes", "--samples", "5"];
    arguments.extend(["--format", "json"]);
    arguments.extend(more);
    program.run(&arguments)
}

/// A request that costs `charge`.
fn one_request(attempt: &str, scope: ScopeId, charge: Charge) -> Ask {
    Ask {
        attempt: AttemptId::from(attempt),
        scope,
        windows: Vec::new(),
        agent: None,
        order: 0,
        price: None,
        bound: Bound { fixed: charge, output_rate: Rate::from_pico_per_token(0) },
        cap: OutputCap { standing_tokens: 1, floor_tokens: 1 },
    }
}

/// Spends in the day's window as a run that pays would.
fn spend_today(program: &Program, usd: Picodollars) {
    let store = SqliteLedger::open(&ledger(program), Timestamp::now).unwrap();
    let mut books = Books::new(store, 0);
    let day = json(&program.run(&["budget", "show", "--format", "json"]));
    let name = day["budgets"][0]["scope"].as_str().unwrap().to_owned();
    let path = vec!["org".to_owned(), name];
    let opened = books.apply(&[Operation::Open { path, limits: Limits::NONE }]).unwrap();
    let Ok(Answer::Scope(scope)) = &opened.answers[0] else { panic!("{opened:?}") };
    let charge = Charge { usd, billed_tokens: 1, output_tokens: 0, requests: 1 };
    let ask = one_request("real/1/1", *scope, charge);
    let attempt = ask.attempt.clone();
    books.apply(&[Operation::Reserve(ask), Operation::Settle(attempt, charge)]).unwrap();
}

#[test]
fn budgets_are_set_shown_raised_and_reset() {
    let program = Program::new();
    let empty = program.run(&["budget", "show"]);
    assert_eq!(empty.code, 0);
    assert!(empty.stdout.contains("no budgets are set"), "{}", empty.stdout);
    assert!(!ledger(&program).exists(), "looking makes no ledger");
    let set =
        program.run(&["budget", "set", "day", "20usd", "40agents", "--zone", "Europe/Berlin"]);
    assert_eq!(set.code, 0, "{}", set.stderr);
    assert!(
        set.stdout.contains("Europe/Berlin") && set.stdout.contains("$20.00"),
        "{}",
        set.stdout
    );
    assert_eq!(program.run(&["budget", "raise", "day", "5usd"]).code, 0);
    let shown = json(&program.run(&["budget", "show", "--format", "json"]));
    assert_eq!(shown["budgets"][0]["units"][0]["limit"], "25");
    assert_eq!(shown["budgets"][0]["units"][1]["limit"], 40);
    assert_eq!(program.run(&["budget", "reset", "day"]).code, 0);
    let shown = json(&program.run(&["budget", "show", "--format", "json"]));
    assert_eq!(shown["budgets"][0]["units"][0]["limit"], "20", "raises end, the budget stays");
    // In another zone, the day is another: only one of them is held.
    assert_eq!(program.run(&["budget", "set", "day", "9usd"]).code, 0);
    let shown = json(&program.run(&["budget", "show", "--format", "json"]));
    assert_eq!(shown["budgets"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(program.run(&["ledger", "verify"]).code, 0);
}

#[test]
fn raises_of_several_processes_add_up() {
    let program = Program::new();
    assert_eq!(program.run(&["budget", "set", "day", "10usd"]).code, 0);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for _ in 0..5 {
                    let raised = program.run(&["budget", "raise", "day", "1usd"]);
                    assert_eq!(raised.code, 0, "{}", raised.stderr);
                }
            });
        }
    });
    let shown = json(&program.run(&["budget", "show", "--format", "json"]));
    assert_eq!(shown["budgets"][0]["units"][0]["limit"], "30");
}

#[test]
fn what_makes_no_budget_is_refused_with_what_to_write() {
    let program = Program::new();
    for (arguments, code, words) in [
        (&["budget", "set", "day", "5"][..], 2, "has no unit"),
        (&["budget", "set", "year", "5usd"], 2, "none of org, day"),
        (&["budget", "set", "day", "25%5h"], 2, "cannot be held"),
        (&["budget", "set", "day", "5usd", "--zone", "Mars/Base"], 2, "not a time zone"),
        (&["budget", "set", "day", "-5usd"], 2, "a budget is zero or more"),
        (&["budget", "set", "day", "5usd", "--five-hour", "60%"], 2, "--plan NAME --five-hour"),
        (&["budget", "set", "day", "5usd", "6usd"], 2, "this budget has 5usd and 6usd"),
        (&["budget", "set", "day", "5usd", "3agents", "4agents"], 2, "3agents and 4agents"),
        (&["exec", "--budget", "5usd", "--budget", "60usd", "--", "true"], 2, "5usd and 60usd"),
        (&["budget", "raise", "week", "5usd"], 6, "no ledger"),
        (&["ledger", "verify"], 6, "no ledger"),
        (&["runs", "show", "nobody"], 6, "no ledger"),
    ] {
        let ended = program.run(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn a_run_is_kept_with_its_forecast_and_charges_no_budget() {
    let program = with_script();
    assert_eq!(program.run(&["budget", "set", "day", "50usd"]).code, 0);
    let report = json(&run(&program, &["--budget", "20usd"]));
    let list = json(&program.run(&["runs", "list", "--format", "json"]));
    let kept = &list["runs"][0];
    assert_eq!(kept["simulated"], true);
    assert_eq!(kept["status"], "complete");
    assert_eq!(kept["spent_usd"], report["cost_usd"]["spent"]);
    let name = kept["id"].as_str().unwrap();
    let shown = json(&program.run(&["runs", "show", name, "--format", "json"]));
    assert_eq!(shown["phases"], report["phases"], "forecast and outcome by phase");
    assert_eq!(shown["hashes"], report["hashes"]);
    assert_eq!(shown["result"]["value"], Value::Null, "what agents said is not kept");
    let day = json(&program.run(&["budget", "show", "--format", "json"]));
    assert_eq!(day["budgets"][0]["units"][0]["settled"], "0");
    assert_eq!(program.run(&["ledger", "verify"]).code, 0);
    // The same run once more is another run, and the books still balance.
    run(&program, &["--budget", "20usd"]);
    let list = json(&program.run(&["runs", "list", "--format", "json"]));
    assert_eq!(list["runs"].as_array().unwrap().len(), 2);
    let verified = program.run(&["ledger", "verify"]);
    assert!(verified.stdout.starts_with("the ledger balances: "), "{}", verified.stdout);
    // Every settle of the run, to the picodollar.
    let exported = program.run(&["ledger", "export", "--format", "jsonl"]).stdout;
    let lines = exported.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_run = |line: &Value| {
        line["entry"] == "settle" && line["attempt"].as_str().unwrap().starts_with(name)
    };
    let sum: Picodollars =
        lines.filter(of_run).map(|line| line["usd"].as_str().unwrap().parse().unwrap()).sum();
    assert_eq!(sum.to_decimal(), report["cost_usd"]["spent"].as_str().unwrap());
    assert!(exported.contains("\"price\":\"claude-"), "each reservation names its price");
}

#[test]
fn a_run_that_died_before_its_report_is_in_nobodys_way() {
    let program = with_script();
    run(&program, &["--budget", "20usd"]);
    let connection = rusqlite::Connection::open(ledger(&program)).unwrap();
    connection.execute("DELETE FROM runs", []).unwrap();
    drop(connection);
    let report = json(&run(&program, &["--budget", "20usd"]));
    assert_eq!(report["diagnostics"].as_array().unwrap().len(), 0, "{}", report["diagnostics"]);
    let list = json(&program.run(&["runs", "list", "--format", "json"]));
    assert!(list["runs"][0]["id"].as_str().unwrap().ends_with("-2"), "{list}");
    assert_eq!(program.run(&["ledger", "verify"]).code, 0);
}

#[test]
fn a_simulated_run_stops_where_real_spending_left_the_day() {
    let program = with_script();
    assert_eq!(program.run(&["budget", "set", "day", "10usd"]).code, 0);
    spend_today(&program, "9.99".parse().unwrap());
    let ended = run(&program, &["--budget", "20usd"]);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let scope = report["denials"][0]["scope"].as_str().unwrap();
    assert!(scope.starts_with("day 20"), "{scope}");
    assert_eq!(report["denials"][0]["last"]["limit"], "10");
    let spent: Picodollars = report["cost_usd"]["spent"].as_str().unwrap().parse().unwrap();
    assert!(spent <= "0.01".parse().unwrap(), "{}", spent.to_decimal());
    assert_eq!(program.run(&["ledger", "verify"]).code, 0);
}

#[test]
fn a_policys_day_is_held_too() {
    let program = with_script();
    program.write("team.toml", "schema = 1\nname = 'team'\n[budget]\nday = '$0.01'\n");
    let ended = run(&program, &["--policy", "./team.toml", "--budget", "20usd"]);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(ended.stdout.contains("day 20"), "{}", ended.stdout);
}

#[test]
fn a_ledger_that_cannot_be_used_says_why() {
    let program = with_script();
    std::fs::write(program.path("junk.db"), "not a database, but long enough to be looked at")
        .unwrap();
    let junk = program.path("junk.db").display().to_string();
    for command in [&["ledger", "verify"][..], &["budget", "show"], &["runs", "list"]] {
        let mut arguments = command.to_vec();
        arguments.extend(["--ledger", &junk]);
        let ended = program.run(&arguments);
        assert_eq!(ended.code, 6, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("not an SQLite database"), "{}", ended.stderr);
    }
    // A run that pays nothing goes on and says that it is not kept.
    let report = json(&run(&program, &["--ledger", &junk]));
    let codes: Vec<&str> = report["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|diagnostic| diagnostic["code"].as_str())
        .collect();
    assert!(codes.contains(&"run::not-kept"), "{codes:?}");
    // A newer schema is left alone.
    assert_eq!(program.run(&["budget", "set", "org", "5usd"]).code, 0);
    let newer = rusqlite::Connection::open(ledger(&program)).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let ended = program.run(&["budget", "show"]);
    assert_eq!(ended.code, 6);
    assert!(ended.stderr.contains("schema 99"), "{}", ended.stderr);
}

/// What a process that is dead has reserved in the day's window.
fn left_by_the_dead(program: &Program) {
    let store = SqliteLedger::open(&ledger(program), Timestamp::now).unwrap();
    let mut books = Books::new(store, 0);
    let path = vec!["org".to_owned()];
    let opened = books.apply(&[Operation::Open { path, limits: Limits::NONE }]).unwrap();
    let Ok(Answer::Scope(scope)) = &opened.answers[0] else { panic!("{opened:?}") };
    let usd = Picodollars::from_pico(2_500_000_000_000);
    let charge = Charge { usd, billed_tokens: 1, output_tokens: 0, requests: 1 };
    books.apply(&[Operation::Reserve(one_request("dead/1/1", *scope, charge))]).unwrap();
}

#[test]
fn what_the_dead_hold_is_shown_and_freed_with_a_reason() {
    let program = Program::new();
    assert_eq!(program.run(&["budget", "set", "org", "20usd"]).code, 0);
    let nothing = program.run(&["ledger", "reconcile"]);
    assert_eq!((nothing.code, nothing.stdout.contains("nothing is held")), (0, true));
    left_by_the_dead(&program);
    let shown = program.run(&["ledger", "reconcile"]);
    assert!(shown.stdout.contains("dead") && shown.stdout.contains("$2.50"), "{}", shown.stdout);
    assert!(shown.stdout.lines().all(|line| line.len() <= 80), "{}", shown.stdout);
    let listed = json(&program.run(&["ledger", "reconcile", "--format", "json"]));
    assert_eq!(listed["holdings"][0]["requests"], 1);
    let other = program.run(&["ledger", "reconcile", "--owner", "77"]);
    assert_eq!((other.code, &*other.stdout), (0, "that process holds nothing\n"));
    let idle = program.run(&["ledger", "reconcile", "--reason", "x"]);
    assert_eq!(idle.code, 2, "a reason for nothing: {}", idle.stdout);
    // Without a reason nothing is freed.
    let silent = program.run(&["ledger", "reconcile", "--as", "spent"]);
    assert_eq!(silent.code, 2, "{}", silent.stderr);
    let blank = program.run(&["ledger", "reconcile", "--as", "spent", "--reason", " "]);
    assert_eq!(blank.code, 2, "{}", blank.stderr);
    let nobody =
        program.run(&["ledger", "reconcile", "--as", "spent", "--reason", "x", "--owner", "77"]);
    assert_eq!(nobody.code, 2);
    assert!(nobody.stderr.contains("no process with the number 77"), "{}", nobody.stderr);
    let freed =
        program.run(&["ledger", "reconcile", "--as", "unsent", "--reason", "it never left"]);
    assert_eq!(freed.stdout, "reconciled 1 process: 1 request ended\n");
    let entries = program.run(&["ledger", "show"]);
    assert!(entries.stdout.contains("it never left"), "{}", entries.stdout);
    let again = program.run(&["ledger", "reconcile", "--as", "spent", "--reason", "again"]);
    assert_eq!(again.stdout, "nothing is held by the dead\n");
    assert_eq!(program.run(&["ledger", "verify"]).code, 0);
}

#[test]
fn what_the_living_hold_is_theirs() {
    let program = Program::new();
    assert_eq!(program.run(&["budget", "set", "org", "20usd"]).code, 0);
    let store = SqliteLedger::open(&ledger(&program), Timestamp::now).unwrap();
    let mut books = Books::new(store, 0);
    let path = vec!["org".to_owned()];
    let opened = books.apply(&[Operation::Open { path, limits: Limits::NONE }]).unwrap();
    let Ok(Answer::Scope(scope)) = &opened.answers[0] else { panic!("{opened:?}") };
    let usd = Picodollars::from_pico(1_000_000_000_000);
    let charge = Charge { usd, billed_tokens: 1, output_tokens: 0, requests: 1 };
    books.apply(&[Operation::Reserve(one_request("live/1/1", *scope, charge))]).unwrap();
    let shown = json(&program.run(&["ledger", "reconcile", "--format", "json"]));
    assert_eq!(shown["holdings"][0]["state"], "alive");
    let owner = shown["holdings"][0]["owner"].to_string();
    let arguments = ["ledger", "reconcile", "--as", "spent", "--reason", "x", "--owner", &owner];
    let refused = program.run(&arguments);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("is alive"), "{}", refused.stderr);
    let all = program.run(&["ledger", "reconcile", "--as", "spent", "--reason", "x"]);
    assert_eq!(all.stdout, "nothing is held by the dead\n");
}

#[test]
fn a_url_that_is_none_of_postgres_is_no_name_of_a_file() {
    let program = with_script();
    for url in [
        "Postgres://me:hunter2@db/flyball",
        "postgres:/db/flyball",
        "http://db/flyball",
        "mysql://db/flyball",
        "file:/tmp/ledger.db",
    ] {
        let commands: [&[&str]; 4] = [
            &["budget", "show"],
            &["budget", "set", "day", "5usd"],
            &["runs", "list"],
            &["run", "four.js", "--agents", "simulated", "--yes", "--samples", "5"],
        ];
        for command in commands {
            let ended = program.run(&[command, &["--ledger", url]].concat());
            assert_eq!(ended.code, 2, "{url} {command:?}: {}", ended.stderr);
            let said = ended.stderr.replace('\n', " ");
            assert!(said.contains("no ledger can be at a URL"), "{said}");
            assert!(said.contains("postgres://") && !said.contains("hunter2"), "{said}");
        }
        let copied = program.run(&["budget", "set", "org", "5usd"]);
        assert_eq!(copied.code, 0, "{}", copied.stderr);
        assert_eq!(program.run(&["ledger", "copy", url]).code, 2);
    }
    // By the environment too; and a name with a colon is one of a file.
    let mut command = program.command();
    command.args(["budget", "show"]).env("FLYBALL_LEDGER", "mysql://db/flyball");
    assert_eq!(super::program::ended(&command.output().unwrap()).code, 2);
    assert_eq!(program.run(&["budget", "show", "--ledger", "a:b.db"]).code, 0);
}

#[test]
fn who_only_looks_makes_no_ledger_of_an_empty_file() {
    let program = Program::new();
    program.write("empty.db", "");
    let of_empty = |command: &[&str]| program.run(&[command, &["--ledger", "empty.db"]].concat());
    for (command, code) in [
        (&["budget", "show"][..], 0),
        (&["runs", "list"], 0),
        (&["runs", "charged"], 0),
        (&["ledger", "verify"], 6),
        (&["ledger", "show"], 6),
    ] {
        assert_eq!(of_empty(command).code, code, "{command:?}");
        assert_eq!(std::fs::metadata(program.path("empty.db")).unwrap().len(), 0, "{command:?}");
    }
    assert_eq!(of_empty(&["budget", "set", "day", "5usd"]).code, 0);
    assert!(of_empty(&["budget", "show"]).stdout.contains("$5.00"));
}
