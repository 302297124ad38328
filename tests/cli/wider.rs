//! Budgets that a run shares with others, as a preview sees them before anything is spent.

use serde_json::Value;

use super::program::{Ended, Program};

const ONE_AGENT: &str = "export const meta = { name: 'one', description: 'one agent' };\n\
                         return await agent('work', { label: 'work' });\n";

/// The agent is the same in every sample: about half a dollar.
const PINNED: [&str; 12] = [
    "--assume",
    "work.requests=5",
    "--assume",
    "work.first_context=40k",
    "--assume",
    "work.output_per_request=1000",
    "--assume",
    "work.growth=20k",
    "--at",
    "2026-11-22",
    "--samples",
    "20",
];

fn program() -> Program {
    let program = Program::new();
    program.write("one.js", ONE_AGENT);
    program
}

fn planned(program: &Program, arguments: &[&str]) -> Ended {
    let mut all = vec!["plan", "one.js"];
    all.extend(PINNED);
    all.extend(arguments);
    program.run(&all)
}

fn simulated(program: &Program, arguments: &[&str]) -> Ended {
    let mut all = vec!["run", "one.js", "--agents", "simulated"];
    all.extend(PINNED);
    all.extend(arguments);
    program.run(&all)
}

fn set(program: &Program, arguments: &[&str]) {
    let ended = program.run(arguments);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn a_day_that_has_too_little_left_is_told_before_the_run() {
    let program = program();
    set(&program, &["budget", "set", "day", "0.10usd"]);
    let ended = planned(&program, &[]);
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    assert!(ended.stdout.starts_with("one  OVER BUDGET: all 20 sampled runs pass"));
    assert!(ended.stdout.contains("$0.10 for day 20"), "{}", ended.stdout);
    assert!(ended.stdout.contains("flyball budget raise day 0."), "{}", ended.stdout);
    let json: Value =
        serde_json::from_str(&planned(&program, &["--format", "json"]).stdout).unwrap();
    let held = &json["verdict"]["budgets"][0];
    assert!(held["scope"].as_str().unwrap().starts_with("day 20"), "{held}");
    assert_eq!((&held["amount"], held.get("of")), (&"0.1usd".into(), None));

    let refused = simulated(&program, &[]);
    assert_eq!(refused.code, 3, "{}", refused.stdout);
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    assert_eq!(simulated(&program, &["--yes"]).code, 4);
}

#[test]
fn the_scope_that_binds_is_named() {
    let program = program();
    set(&program, &["budget", "set", "org", "1000usd"]);
    set(&program, &["budget", "set", "project", "0.10usd"]);
    let ended = planned(&program, &["--budget", "500usd"]);
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    assert!(ended.stdout.contains("pass the $0.10 for project work"), "{}", ended.stdout);
    assert!(ended.stdout.contains("$1,000.00 for org"), "{}", ended.stdout);
    // Only what is passed is worth raising.
    assert!(ended.stdout.contains("flyball budget raise project:work"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("raise the cap"), "{}", ended.stdout);
}

#[test]
fn a_policy_has_budgets_of_a_day_without_any_ledger() {
    let program = program();
    program.write("own.toml", "schema = 1\nname = 'own'\n[budget]\nday = '$0.10'\n");
    let ended = planned(&program, &["--policy", "own.toml"]);
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    assert!(ended.stdout.contains("pass the $0.10 for day 20"), "{}", ended.stdout);
    assert!(ended.stdout.contains("raise day 20"), "{}", ended.stdout);
    let kept = std::fs::read_dir(program.home()).unwrap().count();
    assert_eq!(kept, 0, "a plan keeps nothing");
}

/// The notes of a report that say that nothing counts towards a budget.
fn uncounted(ended: &Ended) -> Vec<Value> {
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    let mut notes = json["diagnostics"].as_array().unwrap().clone();
    notes.retain(|note| note["code"] == "budget::uncounted");
    notes
}

#[test]
fn a_day_that_nothing_counts_towards_is_said_to_be_so() {
    let program = program();
    program.write("own.toml", "schema = 1\nname = 'own'\n[budget]\nday = ['$50', '9mtok']\n");
    let ended = planned(&program, &["--policy", "own.toml"]);
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    let said = "the day budget of 50usd and 9mtok in the policy own is not in the ledger, so \
                nothing counts towards it. set it there: flyball budget set day 50usd 9mtok";
    assert!(words.join(" ").contains(said), "{}", ended.stdout);
    let as_json = ["--policy", "own.toml", "--format", "json"];
    assert_eq!(uncounted(&planned(&program, &as_json)).len(), 1);
    planned(&program, &["--policy", "own.toml", "--out", "plan.json"]);
    let ended = simulated(&program, &as_json);
    assert_eq!((ended.code, uncounted(&ended).len()), (0, 1), "{}", ended.stderr);
    // A higher limit counts what is spent too.
    set(&program, &["budget", "set", "day", "90usd"]);
    assert_eq!(uncounted(&planned(&program, &as_json)), [] as [Value; 0]);
    assert_eq!(uncounted(&simulated(&program, &as_json)), [] as [Value; 0]);
    let ended = program.run(&["run", "--plan", "plan.json", "--agents", "simulated"]);
    assert!(!ended.stdout.contains("is not in the ledger"), "{}", ended.stdout);
}

#[test]
fn a_run_that_pays_is_not_started_where_the_ledger_does_not_hold_its_policy() {
    let program = program();
    let refused = |budget: &str, hint: &str| {
        let text = format!("schema = 1\nname = 'own'\n[budget]\n{budget}\n");
        program.write("own.toml", text);
        let mut all = vec!["run", "one.js", "--agents", "messages", "--policy", "own.toml"];
        all.extend(["--upstream", "http://127.0.0.1:9", "--yes"]);
        all.extend(PINNED);
        let ended = program.run(&all);
        assert_eq!(ended.code, 2, "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains(hint), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    };
    refused("day = '$50'", "flyball budget set day 50usd\n");
    refused("week = '$50'", "flyball budget set week 50usd\n");
    refused("month = '$50'", "flyball budget set month 50usd\n");
    refused("org = '$50'", "flyball budget set org 50usd\n");
    refused("project = '$50'", "flyball budget set project:work 50usd\n");
    set(&program, &["budget", "set", "day", "90usd", "9mtok", "--zone", "Europe/Berlin"]);
    refused("day = '$50'", "flyball budget set day 50usd 9mtok --zone Europe/Berlin\n");
    set(&program, &["budget", "set", "day", "50usd"]);
    refused("day = ['$50', '9mtok']", "budget set day 50usd 9mtok --zone Europe/Berlin\n");
}

#[test]
fn a_day_keeps_its_zone_until_another_is_named() {
    let program = program();
    let shown = |arguments: &[&str]| {
        let ended = program.run(arguments);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        (ended.stdout, ended.stderr)
    };
    shown(&["budget", "set", "day", "20usd", "--zone", "Europe/Berlin"]);
    let (table, said) = shown(&["budget", "set", "day", "30usd"]);
    assert!(table.contains("Europe/Berlin") && !table.contains("UTC"), "{table}");
    assert_eq!(said, "");
    let (table, said) = shown(&["budget", "set", "day", "30usd", "--zone", "UTC"]);
    assert!(table.contains("UTC") && !table.contains("Europe/Berlin"), "{table}");
    for words in ["UTC starts at $0 now; what was spent in day 20", "Berlin does not count there"] {
        assert!(said.contains(words), "{said}");
    }
    let (table, said) = shown(&["budget", "set", "day", "30usd", "--zone", "Europe/Berlin"]);
    assert!(table.contains("Europe/Berlin") && !table.contains("UTC"), "{table}");
    assert!(said.contains("goes on where it was left"), "{said}");
    let (table, _) = shown(&["budget", "set", "week", "30usd"]);
    assert!(table.contains("UTC"), "{table}");
}

#[test]
fn enough_is_within_budget_and_nothing_is_no_budget() {
    let program = program();
    let without = planned(&program, &[]);
    assert!(without.stdout.starts_with("one  NO BUDGET"), "{}", without.stdout);
    set(&program, &["budget", "set", "day", "100usd"]);
    let ended = planned(&program, &[]);
    assert_eq!(ended.code, 0);
    assert!(
        ended.stdout.starts_with("one  WITHIN BUDGET: none of 20 sampled runs pass"),
        "{}",
        ended.stdout
    );
    set(&program, &["budget", "reset", "day"]);
}

#[test]
fn a_plan_made_before_is_held_to_what_is_left_now() {
    let program = program();
    assert_eq!(planned(&program, &["--budget", "50usd", "--out", "plan.json"]).code, 0);
    let run = ["run", "--plan", "plan.json", "--agents", "simulated"];
    assert_eq!(program.run(&run).code, 0);
    set(&program, &["budget", "set", "day", "0.10usd"]);
    let refused = program.run(&run);
    assert_eq!(refused.code, 3, "{}", refused.stdout);
    assert!(
        refused.stdout.contains("9 in 10 runs pass the 0.1usd left of day 20"),
        "{}",
        refused.stdout
    );
}

#[test]
fn what_was_left_when_a_plan_was_made_is_forgotten() {
    let program = program();
    set(&program, &["budget", "set", "day", "0.10usd"]);
    assert_eq!(planned(&program, &["--out", "plan.json"]).code, 3);
    let run = ["run", "--plan", "plan.json", "--agents", "simulated"];
    assert_eq!(program.run(&run).code, 3);
    set(&program, &["budget", "raise", "day", "100usd"]);
    let ended = program.run(&run);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert!(!ended.stdout.contains("OVER BUDGET"), "{}", ended.stdout);
}

#[test]
fn a_policy_denies_a_plan_made_before_as_it_denies_a_new_one() {
    let program = program();
    let text = "schema = 1\nname = 'firm'\n[thresholds]\ndeny = { exceed = '10%' }\n";
    program.write("firm.toml", text);
    set(&program, &["budget", "set", "day", "100usd"]);
    assert_eq!(planned(&program, &["--policy", "firm.toml", "--out", "plan.json"]).code, 0);
    set(&program, &["budget", "set", "day", "0.10usd"]);
    let ended = program.run(&["run", "--plan", "plan.json", "--agents", "simulated", "--yes"]);
    assert_eq!(ended.code, 3, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("policy firm"), "{}", ended.stdout);
}

#[test]
fn who_denies_a_plan_without_a_budget_is_said_first() {
    let program = program();
    let text = "schema = 1\nname = 'thrifty'\n[thresholds]\ndeny = { cost = '$0.10' }\n";
    program.write("thrifty.toml", text);
    let ended = planned(&program, &["--policy", "thrifty.toml"]);
    assert_eq!(ended.code, 3);
    let first = "one  DENIED by policy thrifty: cost of 9 of 10 runs is $0.4";
    assert!(ended.stdout.starts_with(first), "{}", ended.stdout);
    assert_eq!(ended.stdout.matches("cost of 9 of 10").count(), 1, "{}", ended.stdout);
    assert!(!ended.stdout.contains("NO BUDGET"), "{}", ended.stdout);
    let markdown = planned(&program, &["--policy", "thrifty.toml", "--format", "markdown"]);
    assert!(
        markdown.stdout.starts_with("### `one`: denied by policy thrifty (deny)"),
        "{}",
        markdown.stdout
    );
}
