//! Second tries of the gateway's own: only of what has cost nothing.

use std::net::TcpListener;

use flyball::upstream::SimulatedUpstream;

use super::canned::{Canned, message, refusal, reply};
use super::stand::{Books, Gateway, request, streaming};
use crate::upstream::stand::{Stand as Upstream, config};

/// A request whose first tries meet a fault.
fn faulty(fault: &str, times: u32) -> serde_json::Value {
    streaming(&format!("@simulate {{\"fault\":\"{fault}\",\"times\":{times}}}"), 900)
}

fn kinds(attempts: usize, last: &[&str]) -> Vec<String> {
    let mut kinds: Vec<String> =
        std::iter::repeat_n(["reserve", "settle"], attempts).flatten().map(str::to_owned).collect();
    kinds.extend(last.iter().map(|kind| (*kind).to_owned()));
    kinds
}

#[test]
fn what_cost_nothing_is_sent_again_and_charged_once() {
    for fault in ["status-529", "status-500", "status-429"] {
        let (books, upstream) = (Books::new(), Upstream::new());
        let gateway = Gateway::start(&books, &upstream, &["--retries", "2"]);
        let answer = gateway.ask(&faulty(fault, 1), &[]);
        assert_eq!(answer.status, 200, "{fault}: {}", answer.text());
        let metrics = gateway.raw("GET /metrics", None).text();
        assert!(metrics.contains("\nflyball_sent_again_total 1\n"), "{metrics}");
        let ended = gateway.stop();
        let refused: Vec<&String> =
            ended.log.iter().filter(|line| line.starts_with("upstream_refused")).collect();
        assert_eq!(refused.len(), 1, "{:?}", ended.log);
        assert!(refused[0].contains("sent again in"), "{refused:?}");
        assert!(ended.log.iter().any(|line| line.starts_with("complete 200")), "{:?}", ended.log);
        assert_eq!(books.kinds(), kinds(1, &["reserve", "shrink", "settle"]), "{fault}");
        assert_eq!(books.spent(), upstream.bill().usd);
        books.assert_all_settled();
    }
}

#[test]
fn the_client_is_told_what_the_last_try_was_told() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--retries", "1"]);
    let answer = gateway.ask(&faulty("status-503", 9), &[]);
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["error"]["type"], "api_error");
    gateway.stop();
    assert_eq!(books.kinds(), kinds(2, &[]));
    assert!(books.spent().is_zero() && upstream.bill().usd.is_zero());
    books.assert_all_settled();
}

#[test]
fn nothing_is_sent_again_unless_that_is_asked_for() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    assert_eq!(gateway.ask(&faulty("status-529", 1), &[]).status, 529);
    gateway.stop();
    assert_eq!(upstream.bill().requests, 1);
}

/// Each of these may have been generated, or already shows.
#[test]
fn what_may_have_cost_something_is_never_sent_again() {
    for fault in ["close-early", "reset", "truncate", "error-mid-stream"] {
        let (books, upstream) = (Books::new(), Upstream::new());
        let gateway = Gateway::start(&books, &upstream, &["--retries", "5"]);
        gateway.ask(&faulty(fault, 1), &[]);
        gateway.stop();
        let bill = upstream.bill();
        assert_eq!(bill.requests, 1, "{fault}");
        assert_eq!(books.kinds().last().map(String::as_str), Some("expire"), "{fault}");
        assert!(books.spent() >= bill.usd, "{fault}");
        books.assert_all_settled();
    }
}

#[test]
fn refusals_that_are_the_client_s_to_wait_for_pass() {
    let html = reply("502 Bad Gateway", &["content-type: text/html"], "<h1>a proxy</h1>");
    // A proxy that speaks JSON is no API, which gives every answer an id.
    let json = ["content-type: application/json"];
    let json = reply("502 Bad Gateway", &json, "{\"message\":\"invalid response\"}");
    for (name, answer, kind) in [
        ("never", refusal("529 Overloaded", &["x-should-retry: false"]), "settle"),
        ("late", refusal("429 Too Many", &["retry-after: 3600"]), "settle"),
        (
            "a date",
            refusal("429 Too Many", &["retry-after: Fri, 31 Dec 1999 23:59:59 GMT"]),
            "settle",
        ),
        ("unsaid", refusal("429 Too Many", &[]), "settle"),
        ("beyond the hold", refusal("503 Busy", &["retry-after: 30"]), "settle"),
        ("bad", refusal("400 Bad Request", &[]), "settle"),
        ("a timeout", refusal("504 Timeout", &[]), "settle"),
        ("a proxy's", html, "expire"),
        ("a proxy's in JSON", json, "expire"),
    ] {
        let (books, upstream) = (Books::new(), Canned::new(vec![answer]));
        let flags = ["--retries", "5", "--max-hold", "20"];
        let gateway = Gateway::before(&books, upstream.address(), &flags);
        let answer = gateway.ask(&request("x", 900), &[]);
        assert!(answer.status >= 400, "{name}");
        gateway.stop();
        assert_eq!(upstream.got().len(), 1, "{name}");
        assert_eq!(books.kinds(), ["reserve", kind], "{name}");
        books.assert_all_settled();
    }
}

#[test]
fn every_try_is_admitted_by_itself_and_sends_the_same_bytes() {
    let answers = vec![refusal("500 Oops", &["connection: close"]), message("claude-haiku-4-5")];
    let (books, upstream) = (Books::new(), Canned::new(answers));
    let flags = ["--retries", "3", "--output-cap", "8000"];
    let gateway = Gateway::before(&books, upstream.address(), &flags);
    assert_eq!(gateway.ask(&request("x", 64_000), &[("x-api-key", "sk-1")]).status, 200);
    gateway.stop();
    let got = upstream.got();
    assert_eq!(got[0].body, got[1].body);
    assert!(got[0].body.contains(" 8000"), "{}", got[0].body);
    assert_eq!(got[1].header("x-api-key").as_deref(), Some("sk-1"));
    assert_eq!(books.kinds(), kinds(1, &["reserve", "settle"]));
}

#[test]
fn an_upstream_that_cannot_be_reached_is_tried_again() {
    let books = Books::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Gateway::before(&books, nobody, &["--retries", "5"]);
    let sent = gateway.send(&streaming("x", 900), &[]);
    let line = gateway.wait_for("unreachable");
    assert!(line.contains("sent again in"), "{line}");
    let upstream = SimulatedUpstream::start(config(7), TcpListener::bind(nobody).unwrap()).unwrap();
    assert_eq!(sent.receive().status, 200);
    gateway.stop();
    let kinds = books.kinds();
    assert_eq!(kinds[..2], ["reserve", "release"], "{kinds:?}");
    assert_eq!(books.spent(), upstream.stop().usd);
    books.assert_all_settled();
}

#[test]
fn a_try_that_cannot_be_paid_any_more_is_not_sent() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let flags = ["--retries", "5", "--project", "shop"];
    let gateway = Gateway::start(&books, &upstream, &flags);
    let sent = gateway.send(&faulty("status-429", 9), &[("x-flyball-run", "nightly")]);
    gateway.wait_for("sent again in");
    // A refusal by the API's limit is followed by a second of patience.
    books.run(&["runs", "stop", "nightly"]);
    let answer = sent.receive();
    assert_eq!((answer.status, answer.header("x-should-retry").as_deref()), (429, Some("false")));
    assert!(answer.text().contains("spend limit"), "{}", answer.text());
    gateway.stop();
    books.assert_all_settled();
}
