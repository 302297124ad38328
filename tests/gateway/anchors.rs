//! What is counted once bounds what begins with it, as long as the same words mean as much.

use serde_json::{Value, json};

use super::canned::{Canned, reply};
use super::stand::{Books, Gateway, request};
use crate::upstream::stand::Stand as Upstream;

/// An answer to a prompt of so many tokens.
fn answer(prompt_tokens: u64) -> String {
    let body = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5",
        "content": [], "stop_reason": "end_turn",
        "usage": { "input_tokens": prompt_tokens, "output_tokens": 10 },
    });
    reply("200 OK", &["content-type: application/json"], &body.to_string())
}

/// What is reserved for each of `bodies`, tokens, where every prompt is counted as `prompt_tokens`.
fn reserved(bodies: &[Value], prompt_tokens: u64) -> Vec<u64> {
    let canned = Canned::new(bodies.iter().map(|_| answer(prompt_tokens)).collect());
    let books = Books::new();
    let gateway = Gateway::before(&books, canned.address(), &[]);
    for body in bodies {
        assert_eq!(gateway.ask(body, &[]).status, 200);
    }
    assert_eq!(gateway.stop().code, Some(0));
    canned.got();
    books.reserved_tokens()
}

fn said(role: &str, content: &Value) -> Value {
    json!({ "role": role, "content": content })
}

fn with_messages(body: &Value, more: &[Value]) -> Value {
    let mut body = body.clone();
    body["messages"].as_array_mut().unwrap().extend(more.iter().cloned());
    body
}

/// 40,000 bytes that are no part of the prompt until a message refers to them.
#[test]
fn tools_that_are_loaded_later_are_added_to_what_was_counted() {
    let mut first = request("x", 1_000);
    let description = "does this and that. ".repeat(2_000);
    first["tools"] = json!([{
        "name": "Late", "description": description, "input_schema": { "type": "object" },
        "defer_loading": true,
    }]);
    let found = json!([{ "type": "tool_reference", "tool_name": "Late" }]);
    let result = json!([{ "type": "tool_result", "tool_use_id": "t", "content": found }]);
    let loads = [said("assistant", &json!("looking")), said("user", &result)];
    let second = with_messages(&first, &loads);
    let goes_on = [said("assistant", &json!("used it")), said("user", &json!("go on"))];
    let third = with_messages(&second, &goes_on);
    let bounds = reserved(&[first, second, third], 500);
    assert!(bounds[0] > 40_000 && bounds[1] > 40_000, "{bounds:?}");
    assert!(bounds[2] < 3_000, "{bounds:?}");
}

#[test]
fn what_a_url_gives_may_be_larger_the_next_time() {
    let mut first = request("x", 1_000);
    let image = json!({ "type": "image", "source": { "type": "url", "url": "https://x/y.png" } });
    first["messages"][0]["content"] = json!([image]);
    let more = [said("assistant", &json!("seen")), said("user", &json!("again"))];
    let bounds = reserved(&[first.clone(), with_messages(&first, &more)], 30);
    assert!(bounds[1] > 5_000, "{bounds:?}");
}

#[test]
fn a_prompt_without_tokens_bounds_nothing() {
    let first = request(&"x".repeat(9_000), 1_000);
    let bounds = reserved(&[first.clone(), first], 0);
    assert_eq!(bounds[0], bounds[1]);
    assert!(bounds[1] > 9_000, "{bounds:?}");
}

/// Haiku 4.5: 41,000 bytes of prompt and 30,000 of a schema that is not counted take $0.089 at most,
/// and the answer $0.02; with the prompt counted, both fit.
#[test]
fn what_is_not_counted_is_bounded_by_its_bytes() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--session-budget", "0.09usd"]);
    let mut body = request(&"All work and no play makes Jack a dull boy. ".repeat(909), 64_000);
    let schema = json!({ "type": "object", "description": "x".repeat(30_000) });
    body["output_config"] = json!({ "format": { "type": "json_schema", "schema": schema } });
    assert_eq!(gateway.ask(&body, &[]).status, 200);
    assert_eq!(upstream.bill().token_counts, 1);
    assert_eq!(gateway.stop().code, Some(0));
    let bounds = books.reserved_tokens();
    assert!(bounds[0] > 40_000 && bounds[0] < 55_000, "{bounds:?}");
}

/// The stream begins with a prompt of no tokens and ends with one of 100,000.
#[test]
fn counts_that_come_late_find_their_reservation_untouched() {
    let events = [
        json!({ "type": "message_start", "message": {
            "id": "msg_1", "model": "claude-haiku-4-5",
            "usage": { "input_tokens": 0, "output_tokens": 0 },
        }}),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" },
            "usage": { "input_tokens": 100_000, "output_tokens": 10 } }),
        json!({ "type": "message_stop" }),
    ];
    // Enough between them that they are not read at once.
    let padding = format!(": {}\n\n", "-".repeat(1 << 20));
    let texts: Vec<String> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let text = texts.join(&padding);
    let canned = Canned::new(vec![reply("200 OK", &["content-type: text/event-stream"], &text)]);
    let books = Books::new();
    let gateway = Gateway::before(&books, canned.address(), &[]);
    let mut body = request(&"x".repeat(100_000), 1_000);
    body["stream"] = json!(true);
    assert_eq!(gateway.ask(&body, &[]).status, 200);
    assert_eq!(gateway.stop().code, Some(0));
    canned.got();
    assert_eq!(books.kinds(), ["reserve", "settle"]);
}
