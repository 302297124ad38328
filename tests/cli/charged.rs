//! `flyball runs charged` and what names the runs and sessions there.

use flyball::budget::{Books, Limits, Operation};
use flyball::ledger::SqliteLedger;
use flyball::money::Picodollars;
use jiff::Timestamp;
use serde_json::Value;

use super::program::Program;

/// A ledger in which a gateway has charged the scopes at `paths`, each below `org`.
fn charged(paths: &[&[&str]]) -> Program {
    let program = Program::new();
    let path = program.home().join(".local/state/flyball/ledger.db");
    let mut books = Books::new(SqliteLedger::open(&path, Timestamp::now).unwrap(), 0);
    for names in paths {
        let path = [&["org"], *names].concat().iter().map(ToString::to_string).collect();
        let limits = Limits::usd(Picodollars::from_usd(1));
        books.apply(&[Operation::Open { path, limits }]).unwrap();
    }
    program
}

fn list(program: &Program) -> Vec<String> {
    let shown = program.run(&["runs", "charged", "--format", "json"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let runs = shown["runs"].as_array().unwrap().iter();
    runs.map(|run| run["scope"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_paid_nothing_is_not_listed_as_charged() {
    let program = charged(&[&["project shop", "run nightly"]]);
    program.write(
        "one.js",
        "export const meta = { name: 'one', description: 'one' };\n\
        return await agent('Look', { label: 'look', phase: 'Look' });\n",
    );
    let run = ["run", "one.js", "--agents", "simulated", "--yes", "--samples", "5"];
    assert_eq!(program.run(&run).code, 0);
    assert_eq!(list(&program), ["run nightly in shop"]);
    let raised = program.run(&["runs", "raise", "agent 0", "1usd"]);
    assert_eq!(raised.code, 2, "{}", raised.stdout);
}

#[test]
fn what_a_list_calls_a_run_names_it() {
    let program = charged(&[
        &["project w12", "run half"],
        &["project w13", "run half"],
        &["project w13", "run half", "phase Check"],
        &["project w13", "session s-bob"],
        &["project w13", "run bed in fog"],
    ]);
    let raise = |name: &str| program.run(&["runs", "raise", name, "1usd"]);
    for name in list(&program) {
        let raised = raise(&name);
        assert_eq!(raised.code, 0, "{name}: {}", raised.stderr);
        assert!(raised.stdout.contains(&name) && raised.stdout.contains("$2.00"), "{name}");
    }
    // Parts, a head or an id with its project; and what lies below.
    for (name, meant) in [
        ("half in w12", "run half in w12"),
        ("w12 / half", "run half in w12"),
        ("s-bo", "session s-bob in w13"),
        ("run half / phase Check in w13", "run half / phase Check in w13"),
        ("Check in w13", "run half / phase Check in w13"),
    ] {
        let raised = raise(name);
        assert!(raised.stdout.contains(meant), "{name}: {}{}", raised.stdout, raised.stderr);
    }
}

#[test]
fn a_name_that_is_not_enough_is_answered_with_what_it_can_be() {
    let program = charged(&[
        &["project w12", "run half"],
        &["project w13", "run half"],
        &["project w13", "session s-bob"],
    ]);
    for (name, words) in [
        ("run half", &["can be run half in w12, run half in w13", "'run half in w12'"][..]),
        ("ha", &["`ha` is too short", "run half in w12, run half in w13", "4 characters"]),
        ("s-", &["`s-` is too short", "session s-bob in w13"]),
        ("zz", &["no gateway has charged a run or session `zz`"]),
    ] {
        let ended = program.run(&["runs", "stop", name]);
        assert_eq!(ended.code, 2, "{name}: {}", ended.stdout);
        let said = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in words {
            assert!(said.contains(words), "{name}: {said}");
        }
    }
    let shown = program.run(&["runs", "show", "half in w12"]);
    assert_eq!(shown.code, 2);
    assert!(shown.stderr.contains("runs charged 'run half in w12'"), "{}", shown.stderr);
}
