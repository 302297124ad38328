//! What is drawn, and what bounds it.

use flyball::upstream::{OutputLength, TurnRange};
use serde_json::{Value, json};

use super::stand::{Stand, asking, config, streaming, told};

fn bash() -> Value {
    json!({ "name": "Bash", "input_schema": { "type": "object", "properties": {
        "command": { "type": "string" } }, "required": ["command"] } })
}

#[test]
fn the_same_seed_gives_the_same_bytes_in_any_order() {
    let texts = ["one", "two", "three", "four"];
    let (first, second, other) = (Stand::new(), Stand::new(), Stand::of(config(8)));
    let forwards: Vec<String> =
        texts.iter().map(|text| first.ask(&streaming(text, 128_000)).text()).collect();
    let mut backwards: Vec<String> =
        texts.iter().rev().map(|text| second.ask(&streaming(text, 128_000)).text()).collect();
    backwards.reverse();
    assert_eq!(forwards, backwards);
    let others: Vec<String> =
        texts.iter().map(|text| other.ask(&streaming(text, 128_000)).text()).collect();
    assert_ne!(forwards, others, "seeds 7 and 8");
}

#[test]
fn no_answer_is_longer_than_max_tokens() {
    let stand = Stand::new();
    // The usage model never draws fewer than 100.
    let response = stand.ask(&asking("Be brief.", 9));
    assert_eq!(told(&response).output, 9);
    assert_eq!(response.json()["stop_reason"], "max_tokens");
    assert_eq!(response.json()["content"][0]["text"].as_str().unwrap().len(), 9 * 4);
    let response = stand.ask(&asking("Be as long as you like.", 128_000));
    assert!(told(&response).output < 128_000);
    assert_eq!(response.json()["stop_reason"], "end_turn");
    assert_eq!(stand.bill().beyond_max_tokens, 0);
}

#[test]
fn filled_answers_are_as_long_as_they_may_be() {
    let mut config = config(7);
    config.output = OutputLength::Full;
    let stand = Stand::of(config);
    for max_tokens in [1, 999, 20_000] {
        let response = stand.ask(&streaming("Go on.", max_tokens));
        assert_eq!(told(&response).output, max_tokens);
    }
}

#[test]
fn a_directed_text_is_cut_where_it_does_not_fit() {
    let stand = Stand::new();
    let response = stand.ask(&asking(r#"@simulate {"text":"ääääää"}"#, 2));
    // Eight bytes are four of these letters.
    assert_eq!(response.json()["content"][0]["text"], "ääää");
    assert_eq!(response.json()["stop_reason"], "max_tokens");
}

#[test]
fn a_prompt_has_no_more_tokens_than_bytes() {
    let stand = Stand::new();
    let body = json!({
        "model": "claude-haiku-5-5", "max_tokens": 10,
        "system": [{ "type": "text", "text": "s" }],
        "tools": [bash()],
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": "12345678" }] }],
    });
    let bytes = body.to_string().len() as u64;
    let with_all = told(&stand.ask(&body)).prompt();
    assert!(with_all <= bytes / 2, "{with_all} of {bytes}");
    // Text alone: 8 bytes, 4 to a token.
    assert_eq!(told(&stand.ask(&asking("12345678", 10))).prompt(), 2);
}

/// Goes on with a conversation as a client does, until no tool is called.
fn conversation(stand: &Stand, mut body: Value) -> Vec<Value> {
    let mut answers = Vec::new();
    for _ in 0..20 {
        let answer = stand.ask(&body).json();
        let block = answer["content"][0].clone();
        answers.push(answer.clone());
        if block["type"] != "tool_use" {
            return answers;
        }
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(json!({ "role": "assistant", "content": answer["content"] }));
        let result = json!({ "type": "tool_result", "tool_use_id": block["id"], "content": "" });
        messages.push(json!({ "role": "user", "content": [result] }));
    }
    panic!("the conversation never ended");
}

#[test]
fn agents_use_tools_for_as_many_turns_as_are_drawn() {
    for turns in [1, 3] {
        let mut config = config(7);
        config.turns = TurnRange::new(turns, turns).unwrap();
        let stand = Stand::of(config);
        let mut body = asking("Work.", 10_000);
        body["tools"] = json!([bash()]);
        let answers = conversation(&stand, body);
        assert_eq!(answers.len() as u64, turns);
        for answer in &answers[..answers.len() - 1] {
            assert_eq!(answer["stop_reason"], "tool_use");
            assert_eq!(answer["content"][0]["input"]["command"], "true");
        }
    }
}

#[test]
fn turns_are_within_their_range_and_differ() {
    let stand = Stand::new();
    let mut lengths: Vec<usize> = (0..24)
        .map(|number| {
            let mut body = asking(&format!("Work on {number}."), 10_000);
            body["tools"] = json!([bash()]);
            conversation(&stand, body).len()
        })
        .collect();
    lengths.sort_unstable();
    lengths.dedup();
    assert_eq!(lengths, [1, 2, 3, 4], "seed 7");
}

#[test]
fn a_result_satisfies_the_schema_it_is_asked_by() {
    let schema = json!({
        "type": "object",
        "required": ["verdict", "findings", "score", "who"],
        "properties": {
            "verdict": { "enum": ["real", "refuted"] },
            "score": { "type": "integer", "minimum": 3, "maximum": 5 },
            "share": { "type": "number", "exclusiveMinimum": 0, "maximum": 1 },
            "even": { "type": "integer", "multipleOf": 2, "minimum": 7 },
            "done": { "type": "boolean" },
            "fixed": { "const": 4 },
            "who": { "$ref": "#/$defs/person" },
            "maybe": { "type": ["null", "string"], "maxLength": 4 },
            "either": { "anyOf": [{ "type": "string", "minLength": 40 }, { "type": "null" }] },
            "findings": { "type": "array", "minItems": 2, "maxItems": 6, "items": {
                "type": "object", "additionalProperties": false, "required": ["file"],
                "properties": { "file": { "type": "string" }, "line": { "type": "integer" } } } },
        },
        "$defs": { "person": { "type": "object", "required": ["name"], "properties": {
            "name": { "type": "string" }, "boss": { "$ref": "#/$defs/person" } } } },
    });
    let validator = jsonschema::validator_for(&schema).unwrap();
    let stand = Stand::new();
    for number in 0..20 {
        let mut body = asking(&format!("Report {number}. @simulate {{\"turns\":1}}"), 10_000);
        body["tools"] = json!([bash(), { "name": "StructuredOutput", "input_schema": schema }]);
        let answers = conversation(&stand, body);
        assert_eq!(answers.len(), 2, "the result, then the end");
        let block = &answers[0]["content"][0];
        assert_eq!(block["name"], "StructuredOutput");
        let complaints: Vec<String> =
            validator.iter_errors(&block["input"]).map(|error| error.to_string()).collect();
        assert!(complaints.is_empty(), "seed 7: {complaints:?} in {}", block["input"]);
    }
}

#[test]
fn a_tool_that_must_be_used_is_used_and_none_where_none_may() {
    let stand = Stand::new();
    let mut body = asking("Go.", 10_000);
    body["tools"] = json!([bash(), { "name": "Vote", "input_schema": { "type": "object",
        "required": ["yes"], "properties": { "yes": { "type": "boolean" } } } }]);
    body["tool_choice"] = json!({ "type": "tool", "name": "Vote" });
    let block = stand.ask(&body).json()["content"][0].clone();
    assert_eq!(block["name"], "Vote");
    assert!(block["input"]["yes"].is_boolean());
    body["tool_choice"] = json!({ "type": "none" });
    assert_eq!(stand.ask(&body).json()["content"][0]["type"], "text");
}
