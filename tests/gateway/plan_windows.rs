//! Soft limits of a plan's windows: what answers say of them, and what that stands against.

use flyball::amount::PlanWindow;
use flyball::calibrate::{Calibration, Sighting, window_rate};
use flyball::ledger::{PlanWindowRow, ReadLedger};
use flyball::money::Picodollars;
use flyball::upstream::SimulatedWindow;
use serde_json::Value;

use super::stand::{Books, Gateway, request};
use crate::upstream::stand::{Stand as Upstream, config};

pub(super) fn upstream(windows: &[&str]) -> Upstream {
    let mut config = config(7);
    let window = |text: &&str| text.parse::<SimulatedWindow>().unwrap();
    config.plan_windows = windows.iter().map(window).collect();
    Upstream::of(config)
}

fn seen(books: &Books) -> Vec<Sighting> {
    let rows = books.ledger().plan_windows(10_000).unwrap();
    let seen = |row| match row {
        PlanWindowRow::Seen(seen) => Some(seen),
        PlanWindowRow::Limit(_) => None,
    };
    rows.into_iter().filter_map(seen).collect()
}

fn shown(books: &Books) -> Value {
    serde_json::from_str(&books.run(&["budget", "show", "--format", "json"])).unwrap()
}

#[test]
fn a_request_passes_until_a_window_is_seen_at_its_limit() {
    let (books, upstream) = (Books::new(), upstream(&["5h=62%", "week=10%"]));
    books.run(&["budget", "set", "--plan", "max5x", "--five-hour", "60%", "--week", "50%"]);
    let gateway = Gateway::start(&books, &upstream, &[]);
    // Nothing was seen yet, and what is not known passes.
    let first = gateway.ask(&request("one", 100), &[("x-api-key", "sk-mine")]);
    assert_eq!(first.status, 200);
    let told = first.header("anthropic-ratelimit-unified-5h-utilization");
    assert_eq!(told.as_deref(), Some("0.62"), "it passes as it is");
    let second = gateway.ask(&request("two", 100), &[("x-api-key", "sk-mine")]);
    assert_eq!(second.status, 429);
    let body = second.json();
    assert_eq!(body["error"]["type"], "billing_error");
    let message = body["error"]["message"].as_str().unwrap();
    for part in ["plan window 5h of max5x: 62% used", "soft limit 60%", "--five-hour PERCENT"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(second.header("x-should-retry").as_deref(), Some("false"));
    let wait: i64 = second.header("retry-after").unwrap().parse().unwrap();
    assert!((17_000..=18_000).contains(&wait), "until the window begins anew, not {wait} s");
    // Somebody else's windows are other windows, but none is known of them, so these are taken.
    let other = gateway.ask(&request("three", 100), &[("x-api-key", "sk-other")]);
    assert_eq!(other.status, 429);
    assert_eq!(gateway.stop().code, Some(0));
    assert_eq!(upstream.bill().requests, 1);
    books.assert_all_settled();
    let all = seen(&books);
    // The first answer's, and with each what was settled after it.
    assert_eq!(all.len(), 4);
    let (first, rest) = all.split_at(2);
    assert!(first.iter().all(|seen| seen.settled.is_zero()));
    assert!(rest.iter().all(|seen| seen.settled == books.spent()), "{rest:?}");
    assert_eq!(all[0].window, PlanWindow::FiveHours);
    assert_eq!((all[0].used_milli_percent, all[1].used_milli_percent), (62_000, 10_000));
    assert_eq!(all[0].account, all[1].account);
    assert!(!all[0].account.contains("simulated"));
}

#[test]
fn limits_hold_from_the_ledger_and_stop_when_they_are_taken_away() {
    let (books, upstream) = (Books::new(), upstream(&["5h=62%"]));
    let first = Gateway::start(&books, &upstream, &[]);
    assert_eq!(first.ask(&request("one", 100), &[]).status, 200);
    first.stop();
    books.run(&["budget", "set", "--plan", "pro", "--five-hour", "62%"]);
    // What another gateway saw is known to this one before it has asked anything.
    let second = Gateway::start(&books, &upstream, &[]);
    assert_eq!(second.ask(&request("two", 100), &[]).status, 429);
    second.stop();
    books.run(&["budget", "reset", "--plan"]);
    let third = Gateway::start(&books, &upstream, &[]);
    assert_eq!(third.ask(&request("three", 100), &[]).status, 200);
    third.stop();
    assert_eq!(upstream.bill().requests, 2);
}

#[test]
fn what_a_percent_is_worth_is_learned_from_what_passes() {
    // A request takes 100 tokens at $5 a million, and moves the window by one percent.
    let (books, upstream) = (Books::new(), upstream(&["5h=40%,0.001usd"]));
    let gateway = Gateway::start(&books, &upstream, &[]);
    for number in 0..14 {
        let body = request(&format!("question {number}"), 200);
        assert_eq!(gateway.ask(&body, &[]).status, 200);
    }
    gateway.stop();
    let spent = upstream.bill().usd;
    // Every dollar is beside a sighting, those after the last of them too.
    let told = seen(&books).iter().fold(Picodollars::ZERO, |sum, seen| sum + seen.settled);
    assert_eq!(told, spent);
    let Calibration::Calibrated(rate) = window_rate(PlanWindow::FiveHours, &seen(&books)) else {
        panic!("{spent} moved the window too little: {:?}", seen(&books));
    };
    let truth = "0.001".parse().unwrap();
    assert!(rate.low <= truth && truth <= rate.high, "{rate:?}");
    let plan = &shown(&books)["plan"];
    assert_eq!(plan["soft"], true);
    let window = &plan["windows"][0];
    assert_eq!(window["usd_per_percent"]["calibrated"], true);
    assert_eq!(window["limit_milli_percent"], Value::Null);
    assert_eq!(window["open"], true);
}

#[test]
fn an_upstream_that_says_nothing_leaves_nothing() {
    let (books, upstream) = (Books::new(), Upstream::new());
    books.run(&["budget", "set", "--plan", "max5x", "--five-hour", "1%"]);
    let gateway = Gateway::start(&books, &upstream, &[]);
    for _ in 0..2 {
        assert_eq!(gateway.ask(&request("one", 100), &[]).status, 200);
    }
    let ended = gateway.stop();
    assert!(seen(&books).is_empty());
    assert_eq!(ended.code, Some(0));
    let text = books.run(&["budget", "show"]);
    assert!(text.contains("not seen yet, so everything passes, soft limit 1%"), "{text}");
    assert!(text.contains("not calibrated"), "{text}");
}
