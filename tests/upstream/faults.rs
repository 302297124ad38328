//! Every fault, as a client sees it.

use flyball::upstream::FaultRate;
use serde_json::Value;

use super::client::{End, Response};
use super::stand::{Stand, asking, config, streaming, told};

/// Long enough to have halves.
const LONG: &str = r#"@simulate {"output_tokens":4000}"#;

fn names(response: &Response) -> Vec<String> {
    let mut names: Vec<String> = response.events().into_iter().map(|(name, _)| name).collect();
    names.dedup();
    names
}

#[test]
fn a_status_comes_with_the_envelope_and_its_headers() {
    let stand = Stand::new();
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (418, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ] {
        let response = stand.ask_with_fault(&asking("Hello.", 10), &format!("status-{status}"));
        assert_eq!((response.status, response.end), (status, End::Whole));
        let envelope = response.json();
        assert_eq!(envelope["type"], "error");
        assert_eq!(envelope["error"]["type"], kind);
        assert_eq!(envelope["request_id"], response.header("request-id").unwrap().as_str());
        assert_eq!(response.header("retry-after").is_some(), status == 429);
        assert_eq!(response.header("x-should-retry").is_some(), status >= 500);
    }
    let bill = stand.bill();
    assert_eq!((bill.requests, bill.endings.refused), (8, 8));
    assert!(bill.usd.is_zero());
}

#[test]
fn an_error_ends_a_stream_in_its_middle() {
    let stand = Stand::new();
    let response = stand.ask_with_fault(&streaming(LONG, 5_000), "error-mid-stream");
    assert_eq!(response.end, End::Whole);
    assert_eq!(
        names(&response),
        ["message_start", "ping", "content_block_start", "content_block_delta", "error"]
    );
    let (_, error) = response.events().pop().unwrap();
    assert_eq!(error["error"]["type"], "overloaded_error");
    assert_eq!(stand.ask_with_fault(&asking(LONG, 5_000), "error-mid-stream").status, 529);
}

#[test]
fn a_reset_and_an_early_end_leave_half_an_answer() {
    let stand = Stand::new();
    for (fault, end) in [("reset", End::Reset), ("truncate", End::Whole)] {
        let response = stand.ask_with_fault(&streaming(LONG, 5_000), fault);
        assert_eq!((response.status, response.end), (200, end), "{fault}");
        assert_eq!(names(&response).last().unwrap(), "content_block_delta", "{fault}");
        let response = stand.ask_with_fault(&asking(LONG, 5_000), fault);
        assert_eq!((response.status, response.end), (200, end), "{fault}, not streamed");
        assert!(serde_json::from_slice::<Value>(&response.body).is_err(), "{fault}: whole JSON");
    }
    let bill = stand.bill();
    assert_eq!((bill.endings.broken, bill.usage.output), (4, 16_000));
}

#[test]
fn a_connection_is_closed_before_any_header() {
    let stand = Stand::new();
    let response = stand.ask_with_fault(&streaming(LONG, 5_000), "close-early");
    assert_eq!((response.status, response.body.len()), (0, 0));
    assert_ne!(response.end, End::Whole);
    let bill = stand.bill();
    assert_eq!((bill.endings.broken, bill.usage.output), (1, 4_000), "it was generated");
}

#[test]
fn a_stalled_stream_is_charged_when_the_client_leaves() {
    let stand = Stand::new();
    for body in [streaming(LONG, 5_000), asking(LONG, 5_000)] {
        let mut sent = stand.send(&body, &[("x-simulate-fault", "stall")]);
        assert_eq!(sent.read_some(1_000).len(), 1_000);
        assert_eq!(stand.open(), 1);
        drop(sent);
        stand.bill();
    }
    let bill = stand.bill();
    assert_eq!((bill.endings.aborted, bill.usage.output), (2, 8_000));
}

#[test]
fn without_headers_the_client_has_to_give_up() {
    let stand = Stand::new();
    let sent = stand.send(&streaming(LONG, 5_000), &[("x-simulate-fault", "no-headers")]);
    while stand.open() == 0 {
        std::thread::yield_now();
    }
    drop(sent);
    let bill = stand.bill();
    assert_eq!((bill.endings.aborted, bill.usage.output), (1, 4_000));
}

#[test]
fn a_drip_is_the_same_answer_in_tiny_pieces() {
    let stand = Stand::new();
    for body in [streaming(LONG, 5_000), asking(LONG, 5_000)] {
        let whole = stand.ask(&body);
        let drip = stand.ask_with_fault(&body, "drip");
        assert_eq!((drip.end, &drip.body), (End::Whole, &whole.body));
        let longest = drip.chunks.iter().map(Vec::len).max().unwrap();
        assert!(longest <= 7, "a piece of {longest} bytes");
        assert!(drip.chunks.len() > 1_000);
    }
}

#[test]
fn usage_can_be_beyond_its_bounds_and_is_charged_so() {
    let stand = Stand::new();
    let body = streaming("Hello.", 80);
    let usage = told(&stand.ask_with_fault(&body, "usage-over"));
    // An eighth more, and one.
    assert_eq!(usage.output, 91);
    assert!(usage.prompt() > body.to_string().len() as u64);
    let bill = stand.bill();
    assert_eq!((bill.beyond_max_tokens, bill.usage), (1, usage));
}

#[test]
fn usage_can_contradict_itself_or_be_missing() {
    let stand = Stand::new();
    let usage =
        stand.ask_with_fault(&asking("Hello.", 80), "usage-disagree").json()["usage"].clone();
    let part = |name: &str| usage["cache_creation"][name].as_u64().unwrap();
    let parts = part("ephemeral_5m_input_tokens") + part("ephemeral_1h_input_tokens");
    assert_eq!((usage["cache_creation_input_tokens"].as_u64(), parts), (Some(0), 100));
    assert_eq!(stand.bill().usage.cache_write_1h, 0, "the sum is right");

    let silent = stand.ask_with_fault(&asking("Hello.", 80), "no-usage");
    assert!(silent.json().get("usage").is_none());
    let silent = stand.ask_with_fault(&streaming("Hello.", 80), "no-usage");
    assert!(!silent.text().contains("usage"), "{}", silent.text());
    assert_eq!(stand.bill().endings.complete, 3);
}

#[test]
fn a_line_of_a_stream_can_be_no_json() {
    let stand = Stand::new();
    let response = stand.ask_with_fault(&streaming(LONG, 5_000), "bad-sse");
    let bad = response.events().iter().filter(|(_, data)| data.is_null()).count();
    assert_eq!((response.end, bad), (End::Whole, 1));
    assert_eq!(names(&response).last().unwrap(), "message_stop");
}

#[test]
fn faults_happen_by_themselves_as_often_as_asked_and_to_other_tries() {
    let statuses = |seed: u64| -> Vec<u16> {
        let mut config = config(seed);
        config.faults = vec!["status-529=300".parse::<FaultRate>().unwrap()];
        let stand = Stand::of(config);
        (0..60).map(|_| stand.ask(&asking("Again.", 10)).status).collect()
    };
    let first = statuses(7);
    let failed = first.iter().filter(|status| **status == 529).count();
    // 18 expected; fewer than 6 or more than 32 is less likely than 1 in 3,000.
    assert!((6..=32).contains(&failed), "seed 7: {failed} of 60");
    assert_eq!(first, statuses(7));
    assert_ne!(first, statuses(8));
}
