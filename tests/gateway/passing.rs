//! What passes, and that it passes as it is.

use serde_json::json;

use super::stand::{Books, Gateway, request, streaming};
use crate::upstream::client::{End, send};
use crate::upstream::stand::Stand as Upstream;

#[test]
fn an_answer_passes_as_it_is() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    // The same upstream twice: the second answer is the first one through the gateway.
    let twin = Upstream::new();
    for body in [request("one", 900), streaming("two", 900)] {
        let direct = twin.ask(&body);
        let through = gateway.ask(&body, &[]);
        assert_eq!((through.status, through.end), (200, End::Whole));
        assert_eq!(through.text(), direct.text());
        assert_eq!(through.header("content-type"), direct.header("content-type"));
        assert_eq!(through.header("request-id"), direct.header("request-id"));
        assert!(through.header("x-flyball-attempt").is_some());
    }
    assert_eq!(gateway.stop().code, Some(0));
    assert_eq!(books.spent(), upstream.bill().usd);
    books.assert_all_settled();
}

#[test]
fn a_stream_comes_piece_by_piece() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    let mut sent = gateway.send(&streaming("slow", 900), &[("x-simulate-fault", "stall")]);
    // The upstream has fallen silent, so nobody waited for the end of its answer.
    let seen = String::from_utf8(sent.read_some(400)).unwrap();
    assert!(seen.contains("message_start"), "{seen}");
    gateway.kill();
}

#[test]
fn what_is_free_passes_however_little_is_left() {
    let (books, upstream) = (Books::new(), Upstream::new());
    books.run(&["budget", "set", "org", "0.000001usd"]);
    let gateway = Gateway::start(&books, &upstream, &[]);
    let count =
        json!({ "model": "claude-haiku-4-5", "messages": [{ "role": "user", "content": "x" }] });
    let count = count.to_string();
    let counted = gateway.raw("POST /v1/messages/count_tokens?beta=true", Some(count.as_bytes()));
    assert_eq!(counted.status, 200);
    assert!(counted.json()["input_tokens"].as_u64().unwrap() > 0);
    let models = gateway.raw("GET /v1/models?limit=1000", None);
    assert_eq!(models.status, 200);
    assert!(models.json()["data"].is_array());
    assert_eq!(gateway.raw("HEAD /api/hello", None).status, 200);
    assert_eq!(gateway.raw("HEAD /", None).status, 200);
    gateway.stop();
    assert!(books.kinds().is_empty());
}

#[test]
fn nothing_else_of_the_api_passes() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    for line in [
        "GET /v1/messages",
        "POST /v1/messages/batches",
        "POST /v1/complete",
        "GET /v1/organizations/x/usage_report",
        "POST /v1/files",
        "DELETE /v1/models",
        "GET /",
        "POST /run/x/../v1/messages",
        "POST //v1/messages",
        "POST /v1/messages/",
        "GET /v1/models/..",
        "GET /v1/models/../files",
        "GET /v1/models/..%2f..%2fv1%2ffiles",
        "GET /v1/models/claude-haiku-4-5/files",
    ] {
        let refused = gateway.raw(line, None);
        assert_eq!(refused.status, 404, "{line}");
        assert_eq!(refused.json()["error"]["type"], "not_found_error", "{line}");
    }
    assert_eq!(upstream.bill().requests, 0);
}

#[test]
fn a_compressed_body_is_refused() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    let refused = gateway.ask(&request("x", 10), &[("content-encoding", "gzip")]);
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("compressed"));
}

#[test]
fn errors_of_the_upstream_pass_as_they_are_and_cost_nothing() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &[]);
    let twin = Upstream::new();
    for fault in ["status-400", "status-401", "status-429", "status-500", "status-529"] {
        let body = request(fault, 900);
        let direct = twin.ask_with_fault(&body, fault);
        let through = gateway.ask(&body, &[("x-simulate-fault", fault)]);
        assert_eq!(through.status, direct.status, "{fault}");
        assert_eq!(through.text(), direct.text(), "{fault}");
        assert_eq!(through.header("retry-after"), direct.header("retry-after"), "{fault}");
    }
    gateway.stop();
    books.assert_all_settled();
    assert!(books.spent().is_zero());
    assert_eq!(books.org().settled.requests, 5, "they were requests all the same");
}

#[test]
fn the_number_that_is_sent_is_the_one_that_was_reserved() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--output-cap", "8000"]);
    let long = "@simulate {\"output_tokens\": 20000}";
    let answer = gateway.ask(&request(long, 128_000), &[]).json();
    assert_eq!(answer["usage"]["output_tokens"], 8_000);
    assert_eq!(answer["stop_reason"], "max_tokens");
    let ended = gateway.stop();
    assert!(ended.log.iter().any(|line| line.contains("cut at 8000 of 128000")), "{:?}", ended.log);
    assert!(ended.stdout.contains("1 of them reached it"), "{}", ended.stdout);
    assert_eq!(books.spent(), upstream.bill().usd);
}

#[test]
fn a_run_is_named_by_the_path_or_a_header_and_a_session_by_the_client() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--project", "shop"]);
    let body = request("x", 500);
    let text = body.to_string();
    let to = |line: &str, headers: &[(&str, &str)]| {
        let answer = send(gateway.address(), line, headers, Some(text.as_bytes())).receive();
        assert_eq!(answer.status, 200, "{line}");
    };
    to("POST /run/nightly/v1/messages", &[("x-claude-code-session-id", "s1")]);
    to("POST /v1/messages", &[("x-flyball-run", "by-header"), ("x-claude-code-session-id", "s1")]);
    to(
        "POST /v1/messages",
        &[("x-claude-code-session-id", "s1"), ("x-claude-code-agent-id", "a1")],
    );
    to(
        "POST /v1/messages",
        &[("x-claude-code-session-id", "s1"), ("x-claude-code-agent-id", "a1")],
    );
    to(
        "POST /v1/messages",
        &[("x-claude-code-session-id", "s1"), ("x-claude-code-agent-id", "a2")],
    );
    to("POST /v1/messages", &[]);
    gateway.stop();
    let requests = |leaf: &str| {
        let path = format!("org / project shop / {leaf}");
        let scopes = books.scopes();
        let row = scopes.iter().find(|row| *row.path == *path);
        row.unwrap_or_else(|| panic!("no {path}")).clone()
    };
    assert_eq!(requests("run nightly").settled.requests, 1);
    assert_eq!(requests("run by-header").settled.requests, 1);
    assert_eq!(requests("no session").settled.requests, 1);
    let session = requests("session s1");
    assert_eq!((session.settled.requests, session.agents_settled), (3, 2));
}
