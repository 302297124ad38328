//! The bill against sums made by hand.

use flyball::money::Picodollars;
use flyball::upstream::Pace;
use serde_json::json;

use super::stand::{Stand, asking, config, streaming, told};

/// Picodollars per token of Haiku 5.5 up to 100,000 tokens of prompt.
const FRESH: i128 = 100_000;
const GENERATED: i128 = 500_000;

#[test]
fn every_request_is_priced_in_its_own_tier_whatever_became_of_it() {
    let stand = Stand::new();
    // 32 bytes of prompt are 8 tokens.
    let prompt = r#"@simulate {"output_tokens":1000}"#;
    assert_eq!(prompt.len(), 32);
    let whole = stand.ask(&asking(prompt, 2_000));
    assert_eq!((told(&whole).prompt(), told(&whole).output), (8, 1_000));
    stand.ask_with_fault(&streaming(prompt, 2_000), "reset");
    let mut left = stand.send(&streaming(prompt, 2_000), &[("x-simulate-fault", "stall")]);
    left.read_some(500);
    drop(left);
    stand.ask_with_fault(&asking(prompt, 2_000), "status-429");
    // 100,008 tokens: five times as dear, all of it.
    let long = format!("{prompt}{}", "abcd".repeat(100_000));
    assert_eq!(told(&stand.ask(&asking(&long, 2_000))).prompt(), 100_008);
    let small = 3 * (8 * FRESH + 1_000 * GENERATED);
    let large = 5 * (100_008 * FRESH + 1_000 * GENERATED);
    let bill = stand.bill();
    assert_eq!(bill.usd, Picodollars::from_pico(small + large));
    let endings = bill.endings;
    assert_eq!(
        (endings.complete, endings.broken, endings.aborted, endings.refused, bill.requests),
        (2, 1, 1, 1, 5)
    );
    assert_eq!((bill.usage.fresh, bill.usage.output), (100_032, 4_000));
    let model = bill.models.values().next().unwrap();
    assert_eq!((model.requests, model.usd), (4, bill.usd));
    assert_eq!(stand.raw("GET /simulate/bill", None).json()["usd"], json!(bill.usd.to_decimal()));
    assert_eq!(stand.stop(), bill);
}

#[test]
fn a_mode_is_billed_at_its_own_price() {
    let stand = Stand::new();
    let mut body = asking(r#"@simulate {"output_tokens":1000}"#, 2_000);
    body["inference_geo"] = json!("us");
    stand.ask(&body);
    // 1.1 times the rates.
    let by_hand = (8 * FRESH + 1_000 * GENERATED) * 11 / 10;
    assert_eq!(stand.bill().usd, Picodollars::from_pico(by_hand));
}

#[test]
fn a_paced_answer_costs_what_was_generated_until_the_client_left() {
    let mut config = config(7);
    // 12 s until the first of 100,000 tokens that take 5 h: the client leaves before all that.
    config.pace = Pace::from_factor(15.0).unwrap();
    let stand = Stand::of(config);
    let mut sent = stand.send(&streaming(r#"@simulate {"output_tokens":100000}"#, 128_000), &[]);
    let seen = String::from_utf8(sent.read_some(600)).unwrap();
    assert!(seen.contains("event: message_start"), "{seen}");
    drop(sent);
    let bill = stand.bill();
    assert_eq!(bill.endings.aborted, 1);
    assert!(bill.usage.output < 1_000, "{} tokens", bill.usage.output);
    assert!(bill.usage.fresh > 0, "the prompt was read");
}

#[test]
fn a_short_pace_still_gives_the_whole_answer() {
    let mut config = config(7);
    config.pace = Pace::from_factor(0.001).unwrap();
    let stand = Stand::of(config);
    for body in [asking, streaming].map(|body| body(r#"@simulate {"output_tokens":300}"#, 500)) {
        assert_eq!(told(&stand.ask(&body)).output, 300);
    }
    assert_eq!((stand.bill().endings.complete, stand.bill().usage.output), (2, 600));
}

#[test]
fn stopping_charges_what_is_open() {
    let stand = Stand::new();
    let body = streaming(r#"@simulate {"output_tokens":4000}"#, 5_000);
    let mut sent = stand.send(&body, &[("x-simulate-fault", "stall")]);
    sent.read_some(500);
    let bill = stand.stop();
    assert_eq!((bill.open, bill.endings.aborted, bill.usage.output), (0, 1, 4_000));
}
