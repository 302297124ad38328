//! Budgets hold, and whoever is refused is told why.

use std::time::Instant;

use super::stand::{Books, Gateway, PATIENCE, request, streaming};
use crate::upstream::stand::Stand as Upstream;

#[test]
fn what_can_never_be_paid_is_refused_for_good() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--session-budget", "0.001usd"]);
    let refused = gateway.ask(&request("x", 64_000), &[("x-claude-code-session-id", "s1")]);
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("x-should-retry").as_deref(), Some("false"));
    assert_eq!(refused.header("retry-after").as_deref(), Some("3600"));
    assert!(refused.header("request-id").is_some());
    let error = &refused.json()["error"];
    assert_eq!(error["type"], "billing_error");
    let message = error["message"].as_str().unwrap();
    for part in ["session s1", "spent $0.0000 of $0.0010", "needs at least $0.02"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(upstream.bill().requests, 0);
}

#[test]
fn who_names_no_session_is_told_what_raises_its_budget_too() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--session-budget", "0.001usd"]);
    let refused = gateway.ask(&request("x", 5_000), &[]).text();
    assert!(refused.contains("; flyball runs raise 'no session' AMOUNT, then resume"), "{refused}");
    books.run(&["runs", "raise", "no session", "1usd"]);
    assert_eq!(gateway.ask(&request("x", 5_000), &[]).status, 200);
}

#[test]
fn an_agent_that_has_used_up_its_own_budget_leaves_the_others_theirs() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let flags = ["--session-budget", "5usd", "--agent-budget", "6kout"];
    let gateway = Gateway::start(&books, &upstream, &flags);
    let body = request("@simulate {\"output_tokens\": 4000}", 4_000);
    let ask = |agent: &str| {
        gateway.ask(&body, &[("x-claude-code-session-id", "s"), ("x-claude-code-agent-id", agent)])
    };
    assert_eq!(ask("a").status, 200);
    let refused = ask("a");
    assert_eq!((refused.status, refused.header("x-should-retry").as_deref()), (429, Some("false")));
    assert!(refused.text().contains("session s / agent a"), "{}", refused.text());
    assert_eq!(ask("b").status, 200);
    gateway.stop();
    assert_eq!(books.spent(), upstream.bill().usd);
}

#[test]
fn what_has_no_price_is_refused_for_good() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    let mut body = request("x", 100);
    body["model"] = "claude-nobody-7".into();
    let refused = gateway.ask(&body, &[]);
    assert_eq!((refused.status, refused.header("x-should-retry").as_deref()), (429, Some("false")));
    assert!(refused.text().contains("claude-nobody-7"), "{}", refused.text());
    assert_eq!(upstream.bill().requests, 0);
}

/// Haiku 4.5: 41,000 bytes at $1.25 and 4,000 tokens of answer at $5 per million are $0.071; a
/// quarter as many tokens leaves $0.034.
#[test]
fn a_prompt_is_counted_where_its_bytes_do_not_fit() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--session-budget", "0.05usd"]);
    let long = "All work and no play makes Jack a dull boy. ".repeat(909);
    assert_eq!(gateway.ask(&request(&long, 64_000), &[]).status, 200);
    assert_eq!(upstream.bill().token_counts, 1);
    let gateway_ended = gateway.stop();
    assert_eq!(gateway_ended.code, Some(0));
    assert_eq!(books.spent(), upstream.bill().usd);
    assert!(!books.kinds().contains(&"overrun".to_owned()));
}

/// A conversation that goes on: the second prompt is bounded by the first, which was counted.
#[test]
fn what_was_counted_before_is_not_bounded_by_its_bytes_again() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    let long = "All work and no play makes Jack a dull boy. ".repeat(909);
    let mut body = request(&long, 1_000);
    gateway.ask(&body, &[]);
    let messages = body["messages"].as_array_mut().unwrap();
    messages[0]["content"] = serde_json::json!([
        { "type": "text", "text": long, "cache_control": { "type": "ephemeral" } }
    ]);
    messages.push(serde_json::json!({ "role": "assistant", "content": "no" }));
    messages.push(serde_json::json!({ "role": "user", "content": "why not?" }));
    // The first message has another form now, so nothing is known of it.
    gateway.ask(&body, &[]);
    // From here on only the mark for the cache moves.
    let messages = body["messages"].as_array_mut().unwrap();
    messages[0]["content"][0].as_object_mut().unwrap().remove("cache_control");
    messages.push(serde_json::json!({ "role": "assistant", "content": "because" }));
    messages.push(serde_json::json!({ "role": "user", "content": [
        { "type": "text", "text": "I see", "cache_control": { "type": "ephemeral" } }
    ] }));
    gateway.ask(&body, &[]);
    gateway.stop();
    let bounds = books.reserved_tokens();
    assert_eq!(bounds.len(), 3, "{bounds:?}");
    assert!(bounds[0] > 40_000 && bounds[1] > 40_000, "{bounds:?}");
    assert!(bounds[2] < 14_000, "{bounds:?}");
    assert_eq!(books.spent(), upstream.bill().usd);
}

#[test]
fn whoever_has_to_wait_waits_until_balance_comes_free() {
    let (books, upstream) = (Books::new(), Upstream::new());
    // Haiku 4.5: 64,000 tokens of answer are $0.32; the second fits once the first is settled.
    let gateway =
        Gateway::start(&books, &upstream, &["--session-budget", "0.4usd", "--output-cap", "64000"]);
    let mut first = gateway.send(&streaming("x", 64_000), &[("x-simulate-fault", "drip")]);
    first.read_some(200);
    let second = gateway.ask(&request("y", 64_000), &[]);
    assert_eq!(second.status, 200);
    first.receive_rest();
    gateway.stop();
    assert_eq!(books.spent(), upstream.bill().usd);
    books.assert_all_settled();
}

#[test]
fn whoever_waited_for_long_enough_may_come_again() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let flags = ["--session-budget", "0.4usd", "--output-cap", "64000", "--max-hold", "0"];
    let gateway = Gateway::start(&books, &upstream, &flags);
    let mut first = gateway.send(&streaming("x", 64_000), &[("x-simulate-fault", "stall")]);
    first.read_some(200);
    let second = gateway.ask(&request("y", 64_000), &[]);
    assert_eq!(second.status, 429);
    assert_eq!(second.header("x-should-retry"), None);
    assert_eq!(second.header("retry-after").as_deref(), Some("5"));
    assert_eq!(second.json()["error"]["type"], "rate_limit_error");
    gateway.kill();
}

#[test]
fn whoever_goes_away_while_waiting_gives_its_place_back() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let flags = ["--session-budget", "0.4usd", "--output-cap", "64000"];
    let gateway = Gateway::start(&books, &upstream, &flags);
    let mut first = gateway.send(&streaming("x", 64_000), &[("x-simulate-fault", "stall")]);
    first.read_some(200);
    let second = gateway.send(&request("y", 64_000), &[]);
    // Whoever goes away before that was never there.
    while !gateway.raw("GET /metrics", None).text().contains("flyball_requests_waiting 1") {}
    drop(second);
    gateway.wait_for("left_queue");
    assert_eq!(upstream.bill_now().requests, 1);
    gateway.kill();
}

#[test]
fn a_budget_that_is_raised_lets_those_who_wait_go_on() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let flags = ["--session-budget", "0.4usd", "--output-cap", "64000", "--project", "shop"];
    let gateway = Gateway::start(&books, &upstream, &flags);
    let named = [("x-flyball-run", "nightly"), ("x-simulate-fault", "stall")];
    let mut first = gateway.send(&streaming("x", 64_000), &named);
    first.read_some(200);
    let second = gateway.send(&request("y", 64_000), &[("x-flyball-run", "nightly")]);
    let shown = books.run(&["runs", "charged"]);
    assert!(shown.contains("run nightly in shop"), "{shown}");
    let shown = books.run(&["runs", "raise", "nightly", "1usd"]);
    assert!(shown.contains("$1.40"), "{shown}");
    assert_eq!(second.receive().status, 200);
    gateway.kill();
}

#[test]
fn a_run_that_is_stopped_spends_nothing_more_and_one_that_is_paused_waits() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--project", "shop"]);
    let of = [("x-flyball-run", "nightly")];
    assert_eq!(gateway.ask(&request("x", 500), &of).status, 200);
    books.run(&["runs", "pause", "nightly"]);
    let waiting = gateway.send(&request("y", 500), &of);
    books.run(&["runs", "resume", "nightly"]);
    assert_eq!(waiting.receive().status, 200);
    books.run(&["runs", "stop", "nightly"]);
    let refused = gateway.ask(&request("z", 500), &of);
    assert_eq!((refused.status, refused.header("x-should-retry").as_deref()), (429, Some("false")));
    gateway.stop();
    assert_eq!(books.spent(), upstream.bill().usd);
}

#[test]
fn a_day_s_budget_that_is_set_later_is_held_too() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    assert_eq!(gateway.ask(&request("x", 500), &[]).status, 200);
    books.run(&["budget", "set", "day", "0.000001usd"]);
    // It is looked for every second; until then requests are admitted.
    let began = Instant::now();
    let refused = loop {
        let answer = gateway.ask(&request("y", 500), &[]);
        if answer.status == 429 {
            break answer;
        }
        assert!(began.elapsed() < PATIENCE, "the day's budget is never held");
    };
    assert!(refused.text().contains("day 20"), "{}", refused.text());
}
