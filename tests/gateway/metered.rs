//! Reservations that grow with their answers.

use serde_json::json;

use super::stand::{Books, Gateway, request, streaming};
use crate::upstream::stand::Stand as Upstream;

#[test]
fn less_is_reserved_and_no_cap_is_lowered() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--guarantee", "metered"]);
    let long = "@simulate {\"output_tokens\": 50000}";
    let answer = gateway.ask(&streaming(long, 64_000), &[]);
    let last = answer.events().into_iter().rev().find(|(name, _)| name == "message_delta");
    assert_eq!(last.unwrap().1["usage"]["output_tokens"], 50_000);
    gateway.stop();
    // 50,000 tokens came at once, faster than any model: an overrun, in full and in sight.
    assert_eq!(books.spent(), upstream.bill().usd);
    assert!(books.kinds().contains(&"overrun".to_owned()));
    books.assert_all_settled();
}

#[test]
fn what_cannot_be_watched_is_held_strictly() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let flags = ["--guarantee", "metered", "--output-cap", "8000"];
    let gateway = Gateway::start(&books, &upstream, &flags);
    let long = "@simulate {\"output_tokens\": 50000}";
    let answer = gateway.ask(&request(long, 64_000), &[]).json();
    assert_eq!(answer["usage"]["output_tokens"], 8_000);
}

/// $5 per million tokens of output: 8,000 are $0.04, so that more than the first 8,000 never fit.
#[test]
fn an_answer_that_cannot_be_paid_any_more_is_cut_off_and_its_second_try_refused() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let flags = ["--guarantee", "metered", "--session-budget", "0.05usd"];
    let gateway = Gateway::start(&books, &upstream, &flags);
    let mut body = streaming("x", 64_000);
    body["thinking"] = json!({ "type": "adaptive" });
    let cut = gateway.ask(&body, &[("x-simulate-fault", "stall")]);
    assert_eq!(cut.status, 200);
    let text = cut.text();
    assert!(text.contains("event: error") && text.contains("cut off"), "{text}");
    body["stream"] = json!(false);
    body["max_tokens"] = json!(64_000);
    let again = gateway.ask(&body, &[]);
    assert_eq!((again.status, again.header("x-should-retry").as_deref()), (429, Some("false")));
    assert!(again.text().contains("cut off"), "{}", again.text());
    gateway.stop();
    assert!(books.spent() <= "0.05".parse().unwrap());
    books.assert_all_settled();
}
