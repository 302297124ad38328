//! A policy's wider budgets are the ledger's to hold: where it does not, nothing starts that pays.

use std::fs;

use super::stand::{Books, Gateway, request};
use crate::upstream::stand::Stand as Upstream;

/// A policy with these budgets, in the home of `books`.
fn policy(books: &Books, budgets: &str) -> String {
    let path = books.path().with_file_name("own.toml");
    fs::write(&path, format!("schema = 1\nname = \"own\"\n[budget]\n{budgets}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What a gateway with `flags` says that does not start.
fn refused(books: &Books, flags: &[&str]) -> String {
    let (code, said) = books.fails(&[&["gateway", "--listen", "127.0.0.1:0"], flags].concat());
    assert_eq!(code, Some(2), "{said}");
    said
}

/// The command of the hint, in words, without `flyball`.
fn hinted(said: &str) -> Vec<String> {
    let (_, command) = said.split_once("ledger: flyball ").expect(said);
    command.lines().next().unwrap().split(' ').map(str::to_owned).collect()
}

#[test]
fn the_hint_keeps_the_zone_and_other_units_and_is_followed_once() {
    let (books, upstream) = (Books::new(), Upstream::new());
    books.run(&["budget", "set", "day", "5usd", "900ktok", "--zone", "Europe/Berlin"]);
    let policy = policy(&books, "day = [\"$4\", \"200kout\"]");
    let said = refused(&books, &["--policy", &policy]);
    assert!(said.contains("4usd and 200kout for day is not set"), "{said}");
    let command = hinted(&said);
    assert_eq!(command.join(" "), "budget set day 4usd 900ktok 200kout --zone Europe/Berlin");
    books.run(&command.iter().map(String::as_str).collect::<Vec<_>>());
    let gateway = Gateway::start(&books, &upstream, &["--policy", &policy]);
    assert_eq!(gateway.ask(&request("x", 50), &[]).status, 200);
    gateway.stop();
    assert!(books.run(&["budget", "show"]).contains("Europe/Berlin"));
}

#[test]
fn a_day_that_was_raised_above_the_policy_is_not_as_low() {
    let books = Books::new();
    let policy = policy(&books, "day = \"$4\"");
    books.run(&["budget", "set", "day", "4usd"]);
    books.run(&["budget", "raise", "day", "1usd"]);
    assert_eq!(hinted(&refused(&books, &["--policy", &policy])).join(" "), "budget set day 4usd");
}

#[test]
fn a_budget_of_the_project_has_to_be_set_for_the_project_of_every_key() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let policy = policy(&books, "project = \"$0.01\"");
    let add = ["gateway", "keys", "add", "ann", "--project", "the shop"];
    let key = books.run(&add).trim().to_owned();
    books.run(&["gateway", "keys", "add", "bob", "--project", "gone"]);
    books.run(&["gateway", "keys", "revoke", "bob"]);
    // Of the gateway's own project nobody takes anything.
    books.run(&["budget", "set", "project", "0.01usd"]);
    let flags = ["--ask-keys", "--policy", &policy];
    let mut command =
        books.command(&[&["gateway", "--listen", "127.0.0.1:0"], &flags[..]].concat());
    let output = command.env("FLYBALL_UPSTREAM_KEY", "sk-of-the-team").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("flyball budget set project:'the shop' 0.01usd"), "{said}");
    books.run(&["budget", "set", "project:the shop", "0.01usd"]);
    let gateway = Gateway::start(&books, &upstream, &flags);
    let body = request("x", 400);
    let ask = || gateway.ask(&body, &[("x-api-key", &key)]).status;
    let answers: Vec<u16> = (0..40).map(|_| ask()).collect();
    assert_eq!((answers[0], answers[39]), (200, 429), "{answers:?}");
    // A key of yet another project, added meanwhile: the ledger was not asked for that.
    let late = books.run(&["gateway", "keys", "add", "cid", "--project", "late"]).trim().to_owned();
    gateway.wait_for("the key of cid is not taken before the next start");
    assert_eq!(gateway.ask(&body, &[("x-api-key", &late)]).status, 401);
    gateway.stop();
    assert!(books.spent() <= "0.01".parse().unwrap());
}

/// What was spent of a day is spent, also where its budget is of another zone by now.
#[test]
fn what_was_counted_in_another_zone_is_seen_by_a_policy() {
    let (books, upstream) = (Books::new(), Upstream::new());
    books.run(&["budget", "set", "day", "5usd", "--zone", "Europe/Berlin"]);
    let gateway = Gateway::start(&books, &upstream, &[]);
    assert_eq!(gateway.ask(&request("x", 400), &[]).status, 200);
    gateway.stop();
    assert!(!books.spent().is_zero());
    books.run(&["budget", "set", "day", "5usd", "--zone", "UTC"]);
    let policy = policy(&books, "day = \"$4\"");
    let script = books.path().with_file_name("one.js");
    let text =
        "export const meta = { name: 'one', description: 'one' };\nreturn await agent('x');\n";
    fs::write(&script, text).unwrap();
    let planned = [
        "plan",
        script.to_str().unwrap(),
        "--policy",
        &policy,
        "--format",
        "json",
        "--samples",
        "20",
    ];
    let plan: serde_json::Value = serde_json::from_str(&books.run(&planned)).unwrap();
    let budgets = plan["verdict"]["budgets"].as_array().unwrap();
    let of = |zone: &str| {
        let its = budgets.iter().find(|it| it["scope"].as_str().unwrap().ends_with(zone));
        its.unwrap_or_else(|| panic!("no {zone}: {budgets:?}")).clone()
    };
    assert_eq!(of("UTC")["amount"], "4usd");
    assert_ne!(of("Europe/Berlin")["amount"], "4usd");
}
