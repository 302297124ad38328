//! Prompt caching: what is written and read, and what that costs.

use flyball::money::Picodollars;
use flyball::tokens::TokenUsage;
use serde_json::{Value, json};

use super::stand::{Stand, config, told};

/// Bytes that count as so many tokens.
fn words(tokens: usize, word: &str) -> String {
    word.repeat(tokens)
}

/// A system prompt of 1,000 tokens that is kept, and messages.
fn body(messages: &Value, ttl: Option<&str>) -> Value {
    let mut mark = json!({ "type": "ephemeral" });
    if let Some(ttl) = ttl {
        mark["ttl"] = json!(ttl);
    }
    let system = json!([{ "type": "text", "text": words(1_000, "abcd"), "cache_control": mark }]);
    json!({ "model": "claude-haiku-5-5", "max_tokens": 10, "system": system, "messages": messages })
}

fn user(text: &str) -> Value {
    json!([{ "role": "user", "content": text }])
}

#[test]
fn a_prefix_is_written_once_and_read_afterwards() {
    let stand = Stand::new();
    let first = told(&stand.ask(&body(&user("eight ch"), None)));
    let written = TokenUsage { fresh: 2, cache_write_5m: 1_000, output: 10, ..Default::default() };
    assert_eq!(first, written);
    let second = told(&stand.ask(&body(&user("other question"), None)));
    let read = TokenUsage { fresh: 4, cache_read: 1_000, output: 10, ..Default::default() };
    assert_eq!(second, read);
    // Picodollars per token: 100,000 fresh, 125,000 written, 10,000 read, 500,000 generated.
    // First: 200,000 + 125,000,000 + 5,000,000. Second: 400,000 + 10,000,000 + 5,000,000.
    let by_hand = (200_000 + 125_000_000 + 5_000_000) + (400_000 + 10_000_000 + 5_000_000);
    let bill = stand.bill();
    assert_eq!(bill.usd, Picodollars::from_pico(by_hand));
    assert_eq!(bill.usage, written + read);
}

#[test]
fn an_hour_costs_more_than_five_minutes() {
    let stand = Stand::new();
    let first = told(&stand.ask(&body(&user("eight ch"), Some("1h"))));
    assert_eq!((first.cache_write_5m, first.cache_write_1h), (0, 1_000));
    // 2 x 100,000 + 1,000 x 200,000 + 10 x 500,000 picodollars.
    assert_eq!(stand.bill().usd, Picodollars::from_pico(200_000 + 200_000_000 + 5_000_000));
}

#[test]
fn a_conversation_reads_what_its_last_turn_wrote() {
    let stand = Stand::new();
    let marked = |text: &str| {
        json!({ "role": "user", "content": [{ "type": "text", "text": text,
            "cache_control": { "type": "ephemeral" } }] })
    };
    let question = words(100, "wxyz");
    let first = told(&stand.ask(&body(&json!([marked(&question)]), None)));
    assert_eq!((first.fresh, first.cache_write_5m, first.cache_read), (0, 1_100, 0));
    // The same words unmarked and as a plain text, an answer, and a new marked question.
    let answer = words(50, "1234");
    let turns = json!([
        { "role": "user", "content": question },
        { "role": "assistant", "content": answer },
        marked(&words(30, "more")),
    ]);
    let second = told(&stand.ask(&body(&turns, None)));
    assert_eq!((second.fresh, second.cache_write_5m, second.cache_read), (0, 80, 1_100));
}

#[test]
fn another_prefix_another_model_or_a_short_one_is_not_read() {
    let stand = Stand::new();
    stand.ask(&body(&user("eight ch"), None));
    let mut other = body(&user("eight ch"), None);
    other["model"] = json!("claude-sonnet-5-5");
    assert_eq!(told(&stand.ask(&other)).cache_read, 0);
    let mut changed = body(&user("eight ch"), None);
    changed["system"][0]["text"] = json!(words(1_000, "abce"));
    assert_eq!(told(&stand.ask(&changed)).cache_read, 0);
    // Below 512 tokens nothing is kept.
    let mut short = body(&user("eight ch"), None);
    short["system"][0]["text"] = json!(words(511, "abcd"));
    for _ in 0..2 {
        let short = told(&stand.ask(&short));
        assert_eq!((short.fresh, short.prompt()), (513, 513));
    }
}

#[test]
fn where_the_cache_is_missed_everything_is_written_again() {
    let mut config = config(7);
    config.miss_cache = true;
    let stand = Stand::of(config);
    for _ in 0..2 {
        let usage = told(&stand.ask(&body(&user("eight ch"), None)));
        assert_eq!((usage.cache_write_5m, usage.cache_read), (1_000, 0));
    }
}
