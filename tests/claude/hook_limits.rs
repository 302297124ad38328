//! The launch hook and the ledger: what is left of standing budgets holds, and is only read.

use flyball::budget::{Books, Limits, Operation};
use flyball::ledger::SqliteLedger;
use jiff::Timestamp;
use serde_json::json;

use super::stand::{DAY, Machine, TWELVE, answered};

#[test]
fn what_is_left_of_standing_budgets_holds() {
    let machine = Machine::new();
    let call = json!({ "script": TWELVE });
    let generous = ["--allow-under", "1000usd"];
    assert_eq!(machine.workflow(&call, &generous).decision(), "allow");
    machine.flyball(&["budget", "set", "day", "4usd"]);
    let before = std::fs::read(machine.path("home/.local/state/flyball/ledger.db")).unwrap();
    let denied = machine.workflow(&call, &generous);
    assert_eq!(denied.decision(), "deny");
    let reason = denied.reason();
    assert!(reason.contains(" UTC allows $4.00"), "{reason}");
    assert!(reason.contains("The user can raise it: flyball budget raise day "), "{reason}");
    let after = std::fs::read(machine.path("home/.local/state/flyball/ledger.db")).unwrap();
    assert!(before == after, "the ledger was only read");
    // The command that it names is one, and it is enough.
    let command = reason.split("raise it: flyball ").nth(1).unwrap();
    let command = command.split(". ").next().unwrap();
    machine.flyball(&command.split(' ').collect::<Vec<_>>());
    let answer = machine.workflow(&call, &generous);
    assert_eq!(answer.decision(), "allow", "{}", answer.reason());
}

#[test]
fn projects_are_told_apart() {
    let machine = Machine::new();
    machine.flyball(&["budget", "set", "project:shop", "4usd"]);
    let call = json!({ "script": TWELVE });
    let generous = ["--allow-under", "1000usd"];
    let denied = machine.workflow(&call, &generous);
    assert!(denied.reason().contains("flyball budget raise project:shop "), "{}", denied.reason());
    let other = [&generous[..], &["--project", "other"]].concat();
    assert_eq!(machine.workflow(&call, &other).decision(), "allow");
}

#[test]
fn a_day_that_nothing_counts_towards_is_said_to_be_so_even_where_a_launch_is_allowed() {
    let machine = Machine::new();
    machine.write("shop/p.toml", "schema = 1\nname = \"p\"\n[budget]\nday = \"400usd\"\n");
    let call = json!({ "script": TWELVE });
    let flags = ["--policy", "p.toml", "--allow-under", "1000usd"];
    let said = "the day budget of 400usd in the policy p is not in the ledger, so nothing counts \
                towards it; set it there: flyball budget set day 400usd";
    let shown = |flags: &[&str]| {
        let answer = machine.workflow(&call, flags);
        assert_eq!(answer.decision(), "allow", "{}", answer.reason());
        answer.shown()
    };
    assert!(shown(&flags).contains(said), "{}", shown(&flags));
    machine.flyball(&["budget", "set", "day", "900usd"]);
    assert!(!shown(&flags).contains("is not in the ledger"));
}

#[test]
fn a_policy_of_standing_budgets_is_raised_in_the_policy() {
    let machine = Machine::new();
    machine.write(
        "shop/p.toml",
        "schema = 1\nname = \"p\"\ndescription = \"P\"\n[budget]\nday = \"4usd\"\nrun = \"3usd\"\n",
    );
    let flags = ["--policy", "p.toml", "--allow-under", "1000usd"];
    let denied = machine.workflow(&json!({ "script": TWELVE }), &flags);
    let reason = denied.reason();
    assert!(reason.contains("the policy's budget of a run allows $3.00"), "{reason}");
    assert!(reason.contains("in [budget] of the policy p"), "{reason}");
    assert!(reason.contains(" UTC allows $4.00"), "{reason}");
}

#[test]
fn the_run_that_the_session_belongs_to_holds() {
    let machine = Machine::new();
    machine.flyball(&["budget", "set", "project:elsewhere", "1000usd"]);
    let mut books = {
        let path = machine.path("home/.local/state/flyball/ledger.db");
        Books::new(SqliteLedger::open(&path, Timestamp::now).unwrap(), 0)
    };
    let path = ["org", "project elsewhere", "run nightly"].map(str::to_owned).to_vec();
    let limits = Limits::usd("4".parse().unwrap());
    let opened = books.apply(&[Operation::Open { path, limits }]).unwrap();
    drop(books);
    assert!(opened.answers.iter().all(Result::is_ok));
    let answer = |run: &str| {
        let mut command = machine.command(&["--at", DAY, "--allow-under", "900usd"]);
        command.env("FLYBALL_RUN", run);
        let call = machine.call("Workflow", &json!({ "script": TWELVE }));
        answered(command, call.as_bytes())
    };
    let denied = answer("nightly");
    assert!(denied.reason().contains("run nightly allows $4.00"), "{}", denied.reason());
    assert!(
        denied.reason().contains("raise it: flyball runs raise nightly "),
        "{}",
        denied.reason()
    );
    assert_eq!(answer("daily").decision(), "allow");
    machine.flyball(&["runs", "raise", "nightly", "500usd"]);
    assert_eq!(answer("nightly").decision(), "allow");
    machine.flyball(&["runs", "pause", "nightly"]);
    let paused = answer("nightly");
    assert!(paused.reason().contains("run nightly is paused"), "{}", paused.reason());
    assert!(paused.reason().contains("flyball runs resume nightly"), "{}", paused.reason());
}

#[test]
fn a_run_of_that_name_in_another_project_is_another_run() {
    let machine = Machine::new();
    machine.flyball(&["budget", "set", "day", "1000usd"]);
    let mut books = {
        let path = machine.path("home/.local/state/flyball/ledger.db");
        Books::new(SqliteLedger::open(&path, Timestamp::now).unwrap(), 0)
    };
    let opens = [("project wide", "900"), ("project narrow", "4")].map(|(project, usd)| {
        let path = ["org", project, "run nightly"].map(str::to_owned).to_vec();
        Operation::Open { path, limits: Limits::usd(usd.parse().unwrap()) }
    });
    let opened = books.apply(&opens).unwrap();
    drop(books);
    assert!(opened.answers.iter().all(Result::is_ok));
    let answer = |project: &str| {
        let flags = ["--at", DAY, "--allow-under", "900usd", "--project", project];
        let mut command = machine.command(&flags);
        command.env("FLYBALL_RUN", "nightly");
        let call = machine.call("Workflow", &json!({ "script": TWELVE }));
        answered(command, call.as_bytes())
    };
    assert_eq!(answer("wide").decision(), "allow");
    let denied = answer("narrow");
    assert!(denied.reason().contains("run nightly allows $4.00"), "{}", denied.reason());
    assert_eq!(answer("neither").decision(), "allow");
}

#[test]
fn a_run_that_is_charged_by_a_key_holds_under_its_bare_name() {
    let machine = Machine::new();
    machine.flyball(&["budget", "set", "day", "1000usd"]);
    let mut books = {
        let path = machine.path("home/.local/state/flyball/ledger.db");
        Books::new(SqliteLedger::open(&path, Timestamp::now).unwrap(), 0)
    };
    let opens = [("run nightly of ann", "900"), ("run nightly of bob", "4"), ("run nights", "1")];
    let opens = opens.map(|(run, usd)| {
        let path = ["org", "project shop", run].map(str::to_owned).to_vec();
        Operation::Open { path, limits: Limits::usd(usd.parse().unwrap()) }
    });
    let opened = books.apply(&opens).unwrap();
    drop(books);
    assert!(opened.answers.iter().all(Result::is_ok));
    let answer = |run: &str| {
        let mut command = machine.command(&["--at", DAY, "--allow-under", "900usd"]);
        command.env("FLYBALL_RUN", run);
        let call = machine.call("Workflow", &json!({ "script": TWELVE }));
        answered(command, call.as_bytes())
    };
    // Nobody here knows whose key is charged: the strictest holds.
    let denied = answer("nightly");
    assert!(denied.reason().contains("run nightly of bob allows $4.00"), "{}", denied.reason());
    assert!(
        denied.reason().contains("flyball runs raise 'nightly of bob' "),
        "{}",
        denied.reason()
    );
    assert_eq!(answer("nightly of ann").decision(), "allow");
    assert_eq!(answer("nightly of bob").decision(), "deny");
}

#[test]
fn a_run_that_nothing_was_charged_to_yet_limits_nothing() {
    let machine = Machine::new();
    machine.flyball(&["budget", "set", "day", "1000usd"]);
    let mut command = machine.command(&["--at", DAY, "--allow-under", "1000usd"]);
    command.env("FLYBALL_RUN", "nightly");
    let call = machine.call("Workflow", &json!({ "script": TWELVE }));
    assert_eq!(answered(command, call.as_bytes()).decision(), "allow");
}
