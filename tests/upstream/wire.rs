//! The order of events, and what each says.

use serde_json::json;

use super::client::End;
use super::stand::{Stand, asking, streaming, told};

#[test]
fn a_stream_is_what_the_api_sends() {
    let stand = Stand::new();
    // 24 tokens of output are two pieces.
    let response = stand.ask(&streaming(r#"Hello. @simulate {"output_tokens":24}"#, 100));
    assert_eq!((response.status, response.end), (200, End::Whole));
    assert_eq!(
        response.header("content-type").unwrap(),
        "text/event-stream; charset=utf-8",
        "seed 7"
    );
    assert!(response.header("request-id").unwrap().starts_with("req_"));
    insta::assert_snapshot!(response.text());
}

#[test]
fn a_message_is_what_the_api_sends() {
    let response = Stand::new().ask(&asking(r#"Hello. @simulate {"output_tokens":24}"#, 100));
    assert_eq!((response.status, response.end), (200, End::Whole));
    assert!(response.header("request-id").unwrap().starts_with("req_"));
    insta::assert_snapshot!(response.text());
}

#[test]
fn streamed_or_not_an_answer_says_and_costs_the_same() {
    let stand = Stand::new();
    let message = stand.ask(&asking("The same.", 5_000));
    let stream = stand.ask(&streaming("The same.", 5_000));
    assert_eq!(told(&message), told(&stream));
    let deltas: String = stream
        .events()
        .iter()
        .filter_map(|(_, data)| data["delta"]["text"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(message.json()["content"][0]["text"], json!(deltas));
}

#[test]
fn speed_and_place_are_told() {
    let stand = Stand::new();
    assert_eq!(stand.ask(&asking("Hello.", 100)).json()["usage"]["inference_geo"], "global");
    let mut body = asking("Hello.", 100);
    body["inference_geo"] = json!("us");
    let usage = stand.ask(&body).json()["usage"].clone();
    assert_eq!(usage["inference_geo"], "us");
    assert_eq!(usage["service_tier"], "standard");
    assert!(usage.get("speed").is_none());
}

#[test]
fn the_other_endpoints_answer() {
    let stand = Stand::new();
    assert_eq!(stand.raw("HEAD /api/hello", None).status, 200);
    let models = stand.raw("GET /v1/models?limit=1000", None).json();
    let ids: Vec<&str> =
        models["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"claude-haiku-5-5"), "{ids:?}");
    assert!(ids.iter().all(|id| id.starts_with("claude-")), "{ids:?}");
    let model = stand.raw("GET /v1/models/claude-haiku-5-5", None).json();
    assert_eq!(model["type"], "model");
    let counted = stand.raw(
        "POST /v1/messages/count_tokens?beta=true",
        Some(br#"{"model":"claude-haiku-5-5","messages":[{"role":"user","content":"12345678"}]}"#),
    );
    assert_eq!(counted.text(), r#"{"input_tokens":2}"#);
    let bill = stand.raw("GET /simulate/bill", None).json();
    assert_eq!((&bill["requests"], &bill["token_counts"]), (&json!(0), &json!(1)));
    assert_eq!(bill["usd"], "0");
}
