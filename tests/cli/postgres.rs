//! Every command that uses a ledger, on one in Postgres; moving there and back; no password shown.

use super::program::{Ended, Program};
use crate::ledger::postgres::server::{ESCAPED_PASSWORD, is_wanted, shared};

const SCRIPT: &str = "export const meta = { name: 'one', description: 'one agent' };\n\
    return await agent('Look', { label: 'look', phase: 'Look' });\n";

fn fine(ended: Ended) -> String {
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert!(!ended.stderr.contains("s3cr3t"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("is not in the ledger"), "{}", ended.stderr);
    ended.stdout
}

#[test]
fn every_command_works_on_a_database_and_a_ledger_moves_there_and_back() {
    if !is_wanted() {
        return;
    }
    let (here, there) = (shared().database(), shared().database());
    let program = Program::new();
    program.write("one.js", SCRIPT);
    let url = here.network_url();
    let at = |place: &str, arguments: &[&str]| {
        let mut command = program.command();
        command.args(arguments).env("FLYBALL_LEDGER", place);
        super::program::ended(&command.output().unwrap())
    };
    let missing = at(&url, &["ledger", "verify"]);
    assert_eq!(missing.code, 6, "{}", missing.stderr);
    assert!(missing.stderr.contains("no ledger in the Postgres database"), "{}", missing.stderr);
    assert!(fine(at(&url, &["budget", "show"])).contains("no budgets are set"));
    fine(at(&url, &["budget", "set", "org", "20usd"]));
    fine(at(&url, &["budget", "raise", "org", "5usd"]));
    assert!(fine(at(&url, &["budget", "show"])).contains("$25.00"));
    let run = ["run", "one.js", "--agents", "simulated", "--yes", "--samples", "5"];
    fine(at(&url, &run));
    let runs = fine(at(&url, &["runs", "list", "--format", "json"]));
    let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
    let id = runs["runs"][0]["id"].as_str().unwrap();
    assert!(fine(at(&url, &["runs", "show", id])).contains("Look"));
    assert!(fine(at(&url, &["ledger", "show"])).contains("settle"));
    assert!(fine(at(&url, &["ledger", "verify"])).starts_with("the ledger balances"));
    let exported = fine(at(&url, &["ledger", "export", "--format", "jsonl"]));
    // By flag, to a file, and from there to another database.
    let file = program.path("moved.db").display().to_string();
    let copied = fine(program.run(&["ledger", "copy", &file, "--ledger", &url]));
    assert!(copied.contains("1 run; the copy balances"), "{copied}");
    assert_eq!(fine(at(&file, &["ledger", "export", "--format", "jsonl"])), exported);
    fine(at(&file, &["ledger", "copy", &there.network_url()]));
    let back = fine(at(&there.network_url(), &["ledger", "export", "--format", "jsonl"]));
    assert_eq!(back, exported);
    let again = at(&file, &["ledger", "copy", &there.network_url()]);
    assert_eq!(again.code, 6);
    assert!(again.stderr.contains("holds something already"), "{}", again.stderr);
    let itself = at(&file, &["ledger", "copy", &file]);
    assert_eq!(itself.code, 2, "{}", itself.stderr);
}

#[test]
fn a_server_that_is_not_there_is_named_without_the_password() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = Program::new();
    let url = format!("postgres://me:{ESCAPED_PASSWORD}@127.0.0.1:{free}/shop");
    let commands: [&[&str]; 4] = [
        &["ledger", "verify", "--ledger", &url],
        &["budget", "show", "--ledger", &url],
        &["budget", "set", "org", "1usd", "--ledger", &url],
        &["ledger", "copy", &url, "--ledger", &url],
    ];
    for command in commands {
        let ended = program.run(command);
        let said = ended.stdout + &ended.stderr;
        assert!(ended.code == 6 || ended.code == 2, "{said}");
        assert!(!said.contains("s3cr3t"), "{said}");
        let named = format!("Postgres database `shop` at 127.0.0.1:{free}: it cannot be reached");
        assert!(ended.code == 2 || said.contains(&named), "{said}");
    }
    let wrong = program.run(&["ledger", "verify", "--nonsense", "--ledger", &url]);
    assert_eq!(wrong.code, 2);
    assert!(!wrong.stderr.contains("s3cr3t"), "{}", wrong.stderr);
}
