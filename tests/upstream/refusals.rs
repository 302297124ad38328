//! What is refused, and that nothing else happens then.

use std::net::TcpListener;

use flyball::upstream::{BODY_BYTES_MAX, SimulatedUpstream, StartError, first_answer};
use proptest::prelude::{any, prop_assert, proptest};
use proptest::sample::select;
use serde_json::{Value, json};

use super::client::send;
use super::stand::{HAIKU, Stand, asking, config};

#[test]
fn what_is_malformed_is_refused_in_the_envelope() {
    let stand = Stand::new();
    for (body, why) in [
        ("{\"model\":", "not valid JSON"),
        ("[]", "not a JSON object"),
        ("{}", "model: Field required"),
        (r#"{"model":"claude-haiku-5-5","max_tokens":1}"#, "messages: Field required"),
        (r#"{"model":"claude-haiku-5-5","max_tokens":1,"messages":[]}"#, "at least one message"),
        (
            r#"{"model":"claude-haiku-5-5","max_tokens":1,"messages":[{"role":"x","content":""}]}"#,
            "messages.0.role",
        ),
        (
            r#"{"model":"claude-haiku-5-5","max_tokens":1,"messages":[{"role":"user"}]}"#,
            "messages.0.content: Field required",
        ),
        (
            r#"{"model":"claude-haiku-5-5","messages":[{"role":"user","content":"a"}]}"#,
            "max_tokens: Field required",
        ),
    ] {
        let response = stand.raw("POST /v1/messages", Some(body.as_bytes()));
        assert_eq!(response.status, 400, "{body}");
        assert_eq!(response.json()["error"]["type"], "invalid_request_error");
        assert!(response.text().contains(why), "{body}: {}", response.text());
    }
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(stand.raw("POST /v1/messages", Some(deep.as_bytes())).status, 400);
    assert_eq!(stand.bill().endings.refused, 9);
}

#[test]
fn numbers_and_models_that_cannot_be_are_refused() {
    let stand = Stand::new();
    for max_tokens in [json!(0), json!(-1), json!(1.5), json!("9"), json!(128_001)] {
        let mut body = asking("Hello.", 1);
        body["max_tokens"] = max_tokens.clone();
        assert_eq!(stand.ask(&body).status, 400, "{max_tokens}");
    }
    for model in ["claude-unheard-of", "gpt-5", ""] {
        let mut body = asking("Hello.", 1);
        body["model"] = json!(model);
        let response = stand.ask(&body);
        assert_eq!(
            (response.status, response.json()["error"]["type"].as_str()),
            (404, Some("not_found_error")),
            "{model}"
        );
    }
    assert_eq!(stand.ask_with_fault(&asking("Hello.", 1), "fire").status, 400);
    let mut small = asking(&"abcd".repeat(200_001), 1);
    small["model"] = json!("claude-haiku-4-5");
    let response = stand.ask(&small);
    assert!(response.text().contains("prompt is too long: 200001 tokens > 200000"));
    assert!(stand.bill().usd.is_zero());
}

#[test]
fn other_paths_and_large_bodies_are_refused() {
    let stand = Stand::new();
    for line in ["GET /", "GET /v1/messages", "POST /v1/complete", "DELETE /v1/models"] {
        let response = stand.raw(line, None);
        assert_eq!(response.status, 404, "{line}");
        assert_eq!(response.json()["error"]["type"], "not_found_error");
    }
    let length = (BODY_BYTES_MAX + 1).to_string();
    let address = stand.address();
    let sent = send(address, "POST /v1/messages", &[("content-length", &length)], None);
    assert_eq!(sent.receive().status, 413);
}

#[test]
fn nobody_else_can_reach_it() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let refused = SimulatedUpstream::start(config(7), listener);
    assert!(matches!(refused, Err(StartError::NotLoopback(_))));
}

#[test]
fn it_starts_and_stops_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let status = runtime.block_on(async {
        let stand = Stand::new();
        let status = stand.ask(&asking("Hello.", 10)).status;
        drop(stand);
        status
    });
    assert_eq!(status, 200);
}

/// Requests with little that is usual about them.
fn odd(kind: &str, text: &str) -> Value {
    let schema = json!({ "type": kind, "multipleOf": i64::MAX, "minimum": i64::MIN,
        "maximum": i64::MAX, "minItems": u64::MAX, "minLength": u64::MAX, "properties": { "": {} },
        "required": [text, 4] });
    json!({ "model": HAIKU, "max_tokens": 100_000, "system": 4,
        "tools": [{ "name": "StructuredOutput", "input_schema": schema }, kind],
        "tool_choice": { "type": "any" },
        "messages": [{ "role": "user", "content": [text, { "type": "text", "text": text }] }] })
}

proptest! {
    #[test]
    fn no_body_ends_the_server(
        bytes in any::<Vec<u8>>(),
        kind in select(vec!["object", "array", "integer", "number", "string", "boolean", "x"]),
        text in "(@simulate |[{}\":a]|tool|text|fault|\\PC){0,12}",
    ) {
        let config = config(7);
        prop_assert!(first_answer(&config, &bytes).is_err());
        let body = odd(kind, &text).to_string();
        match first_answer(&config, body.as_bytes()) {
            Err(refusal) => prop_assert!(refusal.starts_with("@simulate"), "{refusal}"),
            Ok(message) => {
                let message: Value = serde_json::from_slice(&message).expect("JSON");
                let usage = &message["usage"];
                prop_assert!(usage["output_tokens"].as_u64() <= Some(100_000));
                prop_assert!(usage["input_tokens"].as_u64() <= Some(body.len() as u64));
            }
        }
    }
}
