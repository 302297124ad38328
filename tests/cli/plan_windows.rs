//! Soft limits of plan windows on the command line, and what a status line adds.

use std::io::Write;
use std::process::Stdio;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::program::{Ended, Program, ended};

/// Pipes what a status line gets.
fn observe(program: &Program, told: &str) -> Ended {
    let mut command = program.command();
    command.args(["budget", "observe"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(told.as_bytes()).unwrap();
    ended(&child.wait_with_output().unwrap())
}

fn plan(program: &Program) -> Value {
    let shown = program.run(&["budget", "show", "--format", "json"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    serde_json::from_str::<Value>(&shown.stdout).unwrap()["plan"].take()
}

fn status_line(five_hour: f64, resets_at: Timestamp) -> String {
    let window = json!({ "used_percentage": five_hour, "resets_at": resets_at.as_second() });
    json!({ "session_id": "s", "rate_limits": { "five_hour": window } }).to_string()
}

#[test]
fn limits_are_set_shown_changed_and_taken_away() {
    let program = Program::new();
    assert_eq!(plan(&program), Value::Null);
    let set = program.run(&["budget", "set", "--plan", "max5x", "--five-hour", "60%"]);
    assert_eq!(set.code, 0, "{}", set.stderr);
    assert!(set.stdout.contains("max5x (soft"), "{}", set.stdout);
    assert!(set.stdout.contains("not seen yet, so everything passes, soft limit 60%"));
    assert!(!set.stdout.contains("no budgets are set"), "{}", set.stdout);
    let shown = plan(&program);
    assert_eq!((shown["plan"].as_str(), shown["soft"].as_bool()), (Some("max5x"), Some(true)));
    assert_eq!(shown["windows"].as_array().unwrap().len(), 1);
    assert_eq!(shown["windows"][0]["limit_milli_percent"], 60_000);
    assert_eq!(shown["windows"][0]["usd_per_percent"]["calibrated"], false);
    program.run(&["budget", "set", "--plan", "pro", "--week", "8.5%"]);
    let shown = plan(&program);
    // What was limited before gives way.
    assert_eq!((&shown["plan"], shown["windows"].as_array().unwrap().len()), (&json!("pro"), 1));
    assert_eq!(shown["windows"][0]["window"], "week");
    assert_eq!(shown["windows"][0]["limit_milli_percent"], 8_500);
    assert_eq!(program.run(&["budget", "reset", "--plan"]).code, 0);
    assert_eq!(plan(&program), Value::Null);
    assert_eq!(program.run(&["ledger", "verify"]).code, 0);
}

#[test]
fn what_a_status_line_is_told_is_kept_once() {
    let program = Program::new();
    let resets_at = Timestamp::now() + SignedDuration::from_hours(2);
    for used in [23.5, 23.5, 24.0] {
        let ended = observe(&program, &status_line(used, resets_at));
        assert_eq!((ended.code, &*ended.stdout), (0, ""), "{}", ended.stderr);
    }
    let shown = plan(&program);
    assert_eq!(shown["plan"], Value::Null);
    let window = &shown["windows"][0];
    assert_eq!(window["used_milli_percent"], 24_000);
    assert_eq!((&window["open"], &window["account"]), (&json!(true), &json!("unnamed")));
    assert_eq!(window["usd_per_percent"]["moved_milli_percent"], 500);
    let text = program.run(&["budget", "show"]).stdout;
    assert!(text.contains("24% used, seen 20"), "{text}");
    // Silence changes nothing, and nonsense says so.
    assert_eq!(observe(&program, "{}").code, 0);
    let broken = observe(&program, "nonsense");
    assert_eq!(broken.code, 6);
    assert!(broken.stderr.contains("not a status line's JSON"), "{}", broken.stderr);
    assert_eq!(plan(&program), shown);
}

#[test]
fn a_window_that_has_begun_anew_is_shown_as_such() {
    let program = Program::new();
    let resets_at = Timestamp::now() - SignedDuration::from_hours(2);
    observe(&program, &status_line(90.0, resets_at));
    let text = program.run(&["budget", "show"]).stdout;
    assert!(text.contains("and not seen since (90% used"), "{text}");
    assert_eq!(plan(&program)["windows"][0]["open"], false);
}

#[test]
fn a_plan_says_that_it_cannot_judge_what_is_not_calibrated() {
    let program = Program::new();
    let arguments = ["plan", "example:release-notes", "--samples", "5", "--budget", "25%5h"];
    let planned = program.run(&arguments);
    assert_eq!(planned.code, 0, "{}", planned.stderr);
    assert!(planned.stdout.contains("25%5h cannot be judged"), "{}", planned.stdout);
    let run = program.run(&[
        "run",
        "example:release-notes",
        "--agents",
        "simulated",
        "--yes",
        "--budget",
        "25%5h",
    ]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("only observed"), "{}", run.stderr);
}
