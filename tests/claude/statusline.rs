//! `flyball statusline`: one line, whatever it is told.

use std::process::Command;

use flyball::budget::{Answer, Ask, Balance, Books, Bound, Charge, Limits, Operation, OutputCap};
use flyball::id::AttemptId;
use flyball::ledger::{PlanWindowRow, ReadLedger, SqliteLedger};
use flyball::money::{Picodollars, Rate};
use flyball::report::Page;
use flyball::report::status_line::{AccountStatus, LaunchStatus, SessionStatus, line};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::stand::{Machine, TWELVE, answered};

const SESSION: &str = "5f1b4a11-0000-4000-8000-000000000001";

/// The line, without colours unless `more` says so.
fn said(machine: &Machine, input: &str, more: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
    command.env_clear().env("HOME", machine.path("home")).current_dir(machine.path("home"));
    command.env("NO_COLOR", "1").envs(more.iter().copied()).arg("statusline");
    let answer = answered(command, input.as_bytes());
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{input}");
    assert_eq!(answer.stdout.lines().count(), 1, "{}", answer.stdout);
    answer.stdout
}

/// What the client tells of a session in the shop.
fn input(machine: &Machine, more: &Value) -> String {
    let mut input = json!({
        "session_id": SESSION,
        "cwd": machine.path("shop"),
        "workspace": { "current_dir": machine.path("shop"), "project_dir": machine.path("shop") },
        "model": { "id": "claude-opus-5-5", "display_name": "Opus 5.5" },
        "version": "2.1.330",
    });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input.to_string()
}

/// Charges `cents` to the scope `name` of the shop, which is limited to `limit` dollars.
fn charge(machine: &Machine, name: &str, limit: Option<i64>, cents: i128) {
    let path = machine.path("home/.local/state/flyball/ledger.db");
    let mut books = Books::new(SqliteLedger::open(&path, Timestamp::now).unwrap(), 0);
    let limits = Limits { usd: limit.map(Picodollars::from_usd), ..Limits::NONE };
    let path = ["org", "project shop", name].map(str::to_owned).to_vec();
    let opened = books.apply(&[Operation::Open { path, limits }]).unwrap();
    let Ok(Answer::Scope(scope)) = &opened.answers[0] else { panic!("{opened:?}") };
    let usd = Picodollars::from_pico(cents * 10_000_000_000);
    let charge = Charge { usd, billed_tokens: 1, output_tokens: 0, requests: 1 };
    let attempt = AttemptId::from(format!("{name}/1"));
    let ask = Ask {
        attempt: attempt.clone(),
        scope: *scope,
        windows: Vec::new(),
        agent: None,
        order: 0,
        price: None,
        bound: Bound { fixed: charge, output_rate: Rate::from_pico_per_token(0) },
        cap: OutputCap { standing_tokens: 1, floor_tokens: 1 },
    };
    books.apply(&[Operation::Reserve(ask), Operation::Settle(attempt, charge)]).unwrap();
}

#[test]
fn without_an_account_it_says_what_the_client_counts() {
    let machine = Machine::new();
    let told = json!({ "cost": { "total_cost_usd": 0.421_337_000_000_1 } });
    assert_eq!(
        said(&machine, &input(&machine, &told), &[]),
        "flyball $0.42 by the client's count\n"
    );
    assert_eq!(said(&machine, &input(&machine, &json!({})), &[]), "flyball nothing charged\n");
    assert!(!machine.path("home/.local").exists(), "looking makes no ledger");
}

#[test]
fn it_shows_the_session_the_tightest_budget_and_the_plan_windows() {
    let machine = Machine::new();
    machine.flyball(&["budget", "set", "project", "100usd"]);
    charge(&machine, &format!("session {SESSION}"), Some(5), 120);
    charge(&machine, "session another", Some(9), 300);
    let told = json!({ "cost": { "total_cost_usd": 9.5 }, "rate_limits": {
        "five_hour": { "used_percentage": 23.5, "resets_at": 1_764_100_000 },
        "seven_day": { "used_percentage": 41 } } });
    assert_eq!(
        said(&machine, &input(&machine, &told), &[]),
        "flyball $1.20 of $5.00 (24 %) · project shop $4.20 of $100.00 (4 %) · 5h 24 % · week 41 %\n"
    );
    // What it is told in full is noted, once.
    let path = machine.path("home/.local/state/flyball/ledger.db");
    said(&machine, &input(&machine, &told), &[]);
    let ledger = SqliteLedger::open(&path, Timestamp::now).unwrap();
    let [PlanWindowRow::Seen(seen)] = &ledger.plan_windows(10).unwrap()[..] else { panic!() };
    assert_eq!((seen.used_milli_percent, seen.resets_at.as_second()), (23_500, 1_764_100_000));
}

#[test]
fn a_run_that_flyball_started_goes_before_the_session() {
    let machine = Machine::new();
    charge(&machine, "run nightly", None, 70);
    charge(&machine, &format!("session {SESSION}"), Some(5), 120);
    let run = [("FLYBALL_RUN", "nightly")];
    assert_eq!(said(&machine, &input(&machine, &json!({})), &run), "flyball $0.70\n");
}

#[test]
fn it_shows_what_the_launch_hook_forecast() {
    let machine = Machine::new();
    std::fs::create_dir(machine.path("launches")).unwrap();
    let launches = machine.path("launches");
    let mut hook = machine.command(&["--allow-under", "1000usd", "--at", super::stand::DAY]);
    hook.env("FLYBALL_LAUNCHES", &launches);
    let call = machine.call("Workflow", &json!({ "script": TWELVE }));
    assert_eq!(answered(hook, call.as_bytes()).decision(), "allow");
    machine.write("launches/broken.json", "{");
    let launches = [("FLYBALL_LAUNCHES", launches.to_str().unwrap())];
    let line = said(&machine, &input(&machine, &json!({})), &launches);
    assert!(line.starts_with("flyball nothing charged · twelve forecast $"), "{line}");
    assert!(line.contains(", up to $"), "{line}");
    let other = json!({ "session_id": "another" });
    assert_eq!(said(&machine, &input(&machine, &other), &launches), "flyball nothing charged\n");
}

#[test]
fn what_goes_wrong_is_the_line() {
    let machine = Machine::new();
    for (told, expected) in [
        ("", "flyball: standard input is not what a status line is told"),
        ("7", "flyball: standard input is not what a status line is told"),
        ("{\"session_id\": 7}", "flyball: standard input is not what a status line is told"),
    ] {
        let line = said(&machine, told, &[]);
        assert!(line.starts_with(expected), "{told}: {line}");
    }
    machine.write("home/.local/state/flyball/ledger.db", "no database at all, by any means");
    let line = said(&machine, &input(&machine, &json!({})), &[]);
    assert!(line.starts_with("flyball: the ledger is damaged: "), "{line}");
    machine.write("shop/flyball.toml", "nonsense = 1\n");
    let line = said(&machine, &input(&machine, &json!({})), &[]);
    assert!(line.starts_with("flyball: the settings cannot be used"), "{line}");
}

#[test]
fn colours_say_when_a_limit_is_near() {
    let spent = |dollars: i64| AccountStatus {
        paused: false,
        balance: Balance {
            limits: Limits { usd: Some(Picodollars::from_usd(100)), ..Limits::NONE },
            settled: Charge { usd: Picodollars::from_usd(dollars), ..Charge::ZERO },
            ..Balance::default()
        },
    };
    let shown = |dollars: i64, page: Page| {
        let status = SessionStatus { account: Some(spent(dollars)), ..SessionStatus::default() };
        line(&status, page)
    };
    let coloured = Page::new(80, true);
    assert_eq!(shown(74, coloured), "flyball $74.00 of $100.00 (74 %)\n");
    assert_eq!(shown(75, coloured), "flyball \u{1b}[1;33m$75.00 of $100.00 (75 %)\u{1b}[0m\n");
    assert_eq!(shown(90, coloured), "flyball \u{1b}[1;31m$90.00 of $100.00 (90 %)\u{1b}[0m\n");
    assert_eq!(shown(120, Page::plain()), "flyball $120.00 of $100.00 (120 %)\n");
    let launch = |p90| {
        let p50 = Picodollars::from_usd(1);
        Some(LaunchStatus {
            workflow: "a\u{1b}[2J".to_owned(),
            p50,
            p90: Picodollars::from_usd(p90),
        })
    };
    let short = |p90| SessionStatus {
        account: Some(spent(50)),
        launch: launch(p90),
        ..SessionStatus::default()
    };
    assert!(line(&short(51), coloured).contains("\u{1b}[1;33ma\u{fffd}[2J forecast $1.00"));
    assert!(!line(&short(50), coloured).contains('\u{1b}'));
    let paused = AccountStatus { paused: true, ..spent(0) };
    let status = SessionStatus { account: Some(paused), ..SessionStatus::default() };
    assert_eq!(line(&status, Page::plain()), "flyball $0.00 of $100.00 (0 %), paused\n");
}

#[test]
fn the_client_gets_colours_though_it_is_no_terminal() {
    let machine = Machine::new();
    let told = json!({ "rate_limits": { "five_hour": { "used_percentage": 95.0 } } });
    let line = said(&machine, &input(&machine, &told), &[("NO_COLOR", "")]);
    assert_eq!(line, "flyball nothing charged · \u{1b}[1;31m5h 95 %\u{1b}[0m\n");
}
