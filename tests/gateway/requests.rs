//! What a body asks for, and what it can cost.

use std::sync::Arc;

use bytes::Bytes;
use flyball::gateway::{MessagesRequest, Tariff};
use flyball::messages::WireUsage;
use flyball::money::Picodollars;
use flyball::pricing::{CacheTtl, PriceTable, shipped_files};
use jiff::civil::date;

fn read(body: &str) -> MessagesRequest {
    MessagesRequest::read(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn refused(body: &str) -> String {
    MessagesRequest::read(body.as_bytes()).map_or_else(|error| error.to_string(), |_| body.into())
}

fn with(fields: &str) -> String {
    format!(
        r#"{{"model":"claude-haiku-4-5","max_tokens":1000,"messages":[{{"role":"user","content":"hi"}}]{fields}}}"#
    )
}

#[test]
fn the_number_after_max_tokens_is_all_that_changes() {
    let body = Bytes::from_static(
        b"{ \"max_tokens\" : 128000 ,\"model\":\"claude-haiku-4-5\",\n \"messages\":[{\"role\":\"user\",\"content\":\"max_tokens\\\": 1\"}], \"new_field\": [1, 2.50, {\"max_tokens\": 7}] }",
    );
    let request = MessagesRequest::read(&body).unwrap();
    let edited = request.with_max_tokens(body.clone(), 4_000).whole();
    let expected = String::from_utf8(body.to_vec()).unwrap().replacen("128000", "  4000", 1);
    assert_eq!(edited, expected);
    assert_eq!(request.with_max_tokens(body.clone(), 128_000).whole(), body);
    // Longer than it was, though no cap is.
    let longer = request.with_max_tokens(body.clone(), 12_345_678).whole();
    let expected = String::from_utf8(body.to_vec()).unwrap().replacen("128000", "12345678", 1);
    assert_eq!(longer, expected);
}

#[test]
fn a_body_that_can_be_read_in_two_ways_is_refused() {
    let twice = refused(&with(r#","max_tokens":9"#));
    assert!(twice.contains("`max_tokens` stands there twice"), "{twice}");
    let disguised = refused(&with(r#","max\u005ftokens":9"#));
    assert!(disguised.contains("`max_tokens` stands there twice"), "{disguised}");
}

#[test]
fn what_every_request_has_is_asked_for() {
    assert!(refused("").contains("not a request"));
    assert!(refused("[]").contains("not a request"));
    assert!(refused(r#"{"model":"m""#).contains("not a request"));
    assert!(
        refused(r#"{"model":"m","max_tokens":1}"#).contains("messages: this field is required")
    );
    assert!(
        refused(r#"{"model":"m","messages":[]}"#).contains("max_tokens: this field is required")
    );
    let negative = refused(r#"{"model":"m","messages":[],"max_tokens":-1}"#);
    assert!(negative.starts_with("max_tokens: ") && !negative.contains("line"), "{negative}");
    assert!(refused(r#"{"model":7,"messages":[],"max_tokens":1}"#).starts_with("model: "));
}

#[test]
fn what_has_no_bound_is_named() {
    let named = |fields: &str| read(&with(fields)).unbounded.map(std::borrow::Cow::into_owned);
    for (fields, name) in [
        (
            r#","tools":[{"type":"web_search_20250305","name":"web_search"}]"#,
            "the tool web_search without max_uses",
        ),
        (
            r#","tools":[{"type":"web_fetch_20250910","name":"web_fetch"}]"#,
            "the tool web_fetch without max_uses",
        ),
        (
            r#","tools":[{"type":"code_execution_20250825","name":"code_execution"}]"#,
            "the tool code_execution, whose hours no answer shows",
        ),
        (r#","tools":[{"type":"mcp_toolset","mcp_server_name":"x"}]"#, "an MCP connector"),
        (r#","tools":[{"type":"advisor_20260301","name":"advisor"}]"#, "the tool advisor"),
        (r#","tools":[{"type":"new_20270101","name":"new"}]"#, "the tool `new_20270101`"),
        (r#","mcp_servers":[{"type":"url","url":"https://x"}]"#, "an MCP connector"),
        (
            r#","context_management":{"edits":[{"type":"compact_20260112"}]}"#,
            "compaction at the API",
        ),
        (r#","compaction":{"type":"summarize"}"#, "compaction at the API"),
        (r#","container":"c_1""#, "a container for code execution"),
    ] {
        assert_eq!(named(fields).as_deref(), Some(name), "{fields}");
    }
    for fields in [
        r#","tools":[{"name":"Bash","input_schema":{"type":"object"}}],"mcp_servers":[]"#,
        r#","tools":[{"type":"bash_20250124","name":"bash"},{"type":"custom","name":"x"}]"#,
        r#","context_management":{"edits":[{"type":"clear_thinking_20251015"}]}"#,
        r#","container":null"#,
    ] {
        assert_eq!(named(fields), None, "{fields}");
    }
}

/// The words are those by which the real client goes on without.
#[test]
fn answers_of_several_models_and_kept_conversations_are_refused() {
    for fallbacks in [r#"[{"model":"claude-opus-5-5"}]"#, r#""default""#] {
        let why = refused(&with(&format!(r#","fallbacks":{fallbacks}"#)));
        assert!(
            why.contains("claude-haiku-4-5 does not support the `fallbacks` parameter"),
            "{why}"
        );
    }
    let one = refused(&with(r#","fallback":{"model":"claude-opus-5-5"}"#));
    assert!(one.contains("does not support the `fallback` parameter"), "{one}");
    let thread = r#","thread":{"type":"continue","previous_message_id":"msg_1"}"#;
    assert!(refused(&with(thread)).starts_with("thread: "), "{}", refused(&with(thread)));
    read(&with(r#","fallbacks":[],"thread":null"#));
}

#[test]
fn tools_that_messages_define_are_tools() {
    let named = |definition: &str| {
        let tool = format!(r#"{{"type":"tool_definition","definition":{definition}}}"#);
        let added = format!(r#"{{"type":"tool_addition","tool":{tool}}}"#);
        let compacted =
            format!(r#"{{"type":"compaction","content":"x","tool_changes":[{added}]}}"#);
        let disguised = added.replace("tool_definition", "tool\\u005fdefinition");
        let all = [&added, &compacted, &disguised].map(|block| content(block).unbounded);
        assert_eq!(all[0], all[1]);
        assert_eq!(all[0], all[2]);
        all[0].clone().map(std::borrow::Cow::into_owned)
    };
    let search = r#"{"type":"web_search_20250305","name":"web_search"}"#;
    assert_eq!(named(search).as_deref(), Some("the tool web_search without max_uses"));
    let advisor = r#"{"type":"advisor_20260301","name":"advisor"}"#;
    assert_eq!(named(advisor).as_deref(), Some("the tool advisor"));
    assert_eq!(named(r#"{"type":7}"#).as_deref(), Some("a tool that cannot be read"));
    assert_eq!(named(r#"{"name":"Read","input_schema":{"type":"object"}}"#), None);
}

#[test]
fn a_document_in_the_result_of_a_fetch_is_one() {
    let pdf = r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"}}"#;
    let result = format!(r#"{{"type":"web_fetch_result","url":"https://x","content":{pdf}}}"#);
    let block =
        format!(r#"{{"type":"web_fetch_tool_result","tool_use_id":"t","content":{result}}}"#);
    assert_eq!(content(&block).unbounded.as_deref(), Some("a PDF document"));
    // The source of a search result is a word, and no reason to refuse what stands beside it.
    let found = r#"{"type":"search_result","source":"https://x","title":"x","content":[]}"#;
    let image = r#"{"type":"image","source":{"type":"url","url":"https://x/y.png"}}"#;
    assert_eq!(content(&format!("{found},{image}")).unbounded, None);
}

#[test]
fn an_answer_is_seen_as_it_is_made_only_without_thinking_and_tools() {
    let shows_all = |fields: &str| read(&with(fields)).shows_all;
    assert!(shows_all(r#","thinking":{"type":"disabled"}"#));
    assert!(!shows_all(""), "newer models think unless they are told not to");
    assert!(!shows_all(r#","thinking":{"type":"adaptive"}"#));
    let tools = r#","tools":[{"name":"Read","input_schema":{"type":"object"}}]"#;
    assert!(!shows_all(&format!(r#","thinking":{{"type":"disabled"}}{tools}"#)));
}

fn content(blocks: &str) -> MessagesRequest {
    read(&format!(
        r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":[{blocks}]}}]}}"#
    ))
}

#[test]
fn documents_that_no_byte_bounds_are_named_however_deep() {
    for (source, name) in [
        (r#"{"type":"url","url":"https://x/y.pdf"}"#, "a document behind a URL"),
        (r#"{"type":"file","file_id":"f"}"#, "a document in the Files API"),
        (r#"{"type":"base64","media_type":"application/pdf","data":"JVBE"}"#, "a PDF document"),
    ] {
        let document = format!(r#"{{"type":"document","source":{source}}}"#);
        let nested = format!(
            r#"{{"type":"tool_result","tool_use_id":"t","content":[{{"type":"text","text":"x"}},{document}]}}"#
        );
        assert_eq!(content(&document).unbounded.as_deref(), Some(name));
        assert_eq!(content(&nested).unbounded.as_deref(), Some(name));
        let disguised = document.replace("document", "d\\u006fcument");
        assert_eq!(content(&disguised).unbounded.as_deref(), Some(name), "{disguised}");
    }
    let text =
        r#"{"type":"document","source":{"type":"text","media_type":"text/plain","data":"x"}}"#;
    assert_eq!(content(text).unbounded, None);
    let said = r#"{"type":"text","text":"a \"document\" of type \"url\""}"#;
    assert_eq!(content(said).unbounded, None);
}

#[test]
fn an_image_counts_its_most_whatever_its_bytes() {
    let image = |data: &str| {
        content(&format!(
            r#"{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{data}"}}}}"#
        ))
        .prompt_tokens_max
    };
    assert_eq!(image(&"A".repeat(100_000)), image("AAAA"));
    let none = content(r#"{"type":"text","text":"x"}"#).prompt_tokens_max;
    assert!(image("AAAA") > none + 5_000);
}

#[test]
fn an_hour_in_the_cache_is_asked_for_anywhere() {
    assert_eq!(read(&with("")).write, CacheTtl::FiveMinutes);
    let marked =
        r#","system":[{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1h"}}]"#;
    assert_eq!(read(&with(marked)).write, CacheTtl::OneHour);
    assert_eq!(read(&with(&marked.replace("1h", "\\u0031h"))).write, CacheTtl::OneHour);
    assert_eq!(read(&with(&marked.replace("1h", "5m"))).write, CacheTtl::FiveMinutes);
}

#[test]
fn a_second_try_without_streaming_has_the_same_fingerprint() {
    let first = with(r#","stream":true"#).replace("1000", "128000");
    let second = with("").replace("1000", "64000");
    let print = |body: &str| MessagesRequest::fingerprint(body.as_bytes()).unwrap();
    assert_eq!(print(&first), print(&second));
    assert_ne!(print(&first), print(&second.replace("hi", "ho")));
}

/// Haiku 4.5: $1 in, $5 out, $1.25 for a write of five minutes, $2 for one of an hour, per million.
#[test]
fn the_bound_is_the_dearest_prompt_and_the_whole_answer() {
    let tariff = Tariff::new(Arc::new(PriceTable::parse(&shipped_files()).unwrap()));
    let on = date(2026, 11, 22);
    let body = with("");
    let request = read(&body);
    let terms = tariff.terms(&request, on).unwrap();
    let bytes = body.len() as u64;
    let bound = tariff.bound(&terms, &request, None, 1_000).unwrap();
    // (bytes + 1,000) x $1.25 + 1,000 x $5, per million.
    let pico = i128::from(bytes + 1_000) * 1_250_000 + 1_000 * 5_000_000;
    assert_eq!(bound.charge(1_000).usd, Picodollars::from_pico(pico));
    // One that was counted replaces the bytes where it is lower.
    let counted = tariff.bound(&terms, &request, Some(100), 1_000).unwrap();
    let pico = 100 * 1_250_000 + 1_000 * 5_000_000;
    assert_eq!(counted.charge(1_000).usd, Picodollars::from_pico(pico));
    // Each search: one more window of 200,000 tokens, and a cent.
    let searching =
        with(r#","tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}]"#);
    let searching = read(&searching);
    let bound = tariff.bound(&terms, &searching, Some(100), 0).unwrap();
    let pico = 4 * 200_000 * 1_250_000 + 3 * 10_000_000_000;
    assert_eq!(bound.charge(0).usd, Picodollars::from_pico(pico));
    assert!(tariff.terms(&read(&with("").replace("haiku-4-5", "haiku-0")), on).is_err());
}

/// Fable 5.2 declines and Haiku 5.5 answers.
#[test]
fn an_answer_is_charged_at_the_price_of_whoever_gave_it() {
    let tariff = Tariff::new(Arc::new(PriceTable::parse(&shipped_files()).unwrap()));
    let on = date(2026, 11, 22);
    let asked = |model: &str| {
        let request = read(&with("").replace("claude-haiku-4-5", model));
        tariff.terms(&request, on).unwrap()
    };
    let charge = |model: &str, usage: &str, answered_by: &str| {
        let usage: WireUsage = serde_json::from_str(usage).unwrap();
        let charge = tariff.charge(&asked(model), &usage, Some(answered_by));
        charge.map(|(charge, _)| charge.usd).map_err(|none| none.to_string())
    };
    let (dear, cheap) = ("claude-fable-5-2", "claude-haiku-5-5");
    let declined = charge(dear, r#"{"input_tokens":1000,"output_tokens":50}"#, dear).unwrap();
    let served = charge(cheap, r#"{"input_tokens":1000,"output_tokens":90}"#, cheap).unwrap();
    let both = format!(
        r#"{{"input_tokens":1000,"output_tokens":90,"iterations":[
            {{"type":"message","input_tokens":1000,"output_tokens":50}},
            {{"type":"fallback_message","model":"{cheap}","input_tokens":1000,
                "output_tokens":90}}]}}"#
    );
    for answered_by in [dear, cheap] {
        assert_eq!(charge(dear, &both, answered_by).unwrap(), declined + served);
    }
    let unknown = charge(dear, r#"{"input_tokens":1,"output_tokens":1}"#, "claude-nobody-7");
    assert!(unknown.unwrap_err().contains("claude-nobody-7"));
}
