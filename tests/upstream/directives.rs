//! `@simulate {…}` in a prompt.

use serde_json::{Value, json};

use super::stand::{Stand, asking, told};

fn with_tool(text: &str, name: &str) -> Value {
    let mut body = asking(text, 10_000);
    body["tools"] = json!([{ "name": name, "input_schema": { "type": "object" } }]);
    body
}

/// The client's half of a turn in which `block` was called.
fn go_on(body: &mut Value, block: &Value) {
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({ "role": "assistant", "content": [block] }));
    let result = json!({ "type": "tool_result", "tool_use_id": block["id"], "content": "done" });
    messages.push(json!({ "role": "user", "content": [result] }));
}

#[test]
fn a_tool_is_called_once() {
    let stand = Stand::new();
    let script = r#"agent("@simulate {\"text\":\"inside\"}")"#;
    let directive = json!({ "tool": "Workflow", "input": { "script": script } });
    let mut body = with_tool(&format!("Start it.\n  @simulate {directive}\n"), "Workflow");
    let block = stand.ask(&body).json()["content"][0].clone();
    assert_eq!((&block["type"], &block["name"]), (&json!("tool_use"), &json!("Workflow")));
    assert_eq!(block["input"], directive["input"]);
    go_on(&mut body, &block);
    let then = stand.ask(&body).json();
    assert_eq!(then["content"][0]["type"], "text");
    assert_ne!(then["content"][0]["text"], "inside", "what stands inside a directive is none");
}

#[test]
fn several_tools_are_called_in_order_and_then_the_text_is_said() {
    let stand = Stand::new();
    let text = r#"@simulate {"tool":"Task","input":{"n":1}} and @simulate {"tool":"Task","input":{"n":2}}
        @simulate {"text":"Both are done."}"#;
    let mut body = with_tool(text, "Task");
    for number in [1, 2] {
        let block = stand.ask(&body).json()["content"][0].clone();
        assert_eq!(block["input"]["n"], number);
        go_on(&mut body, &block);
    }
    assert_eq!(stand.ask(&body).json()["content"][0]["text"], "Both are done.");
}

#[test]
fn a_tool_that_is_not_offered_is_not_called() {
    let text = r#"@simulate {"tool":"Workflow","input":{}}"#;
    assert_eq!(Stand::new().ask(&asking(text, 100)).json()["content"][0]["type"], "text");
}

#[test]
fn a_directive_may_be_broken_over_lines() {
    let text = "  Do it.\n  @simulate {\"text\":\n    \"said over\n  two lines\",\n  \"output_tokens\": 77}\n  Bye.";
    let response = Stand::new().ask(&asking(text, 1_000));
    assert_eq!(response.json()["content"][0]["text"], "said over two lines");
    assert_eq!(told(&response).output, 77);
}

#[test]
fn the_last_message_wins_over_the_first() {
    let body = json!({ "model": "claude-haiku-5-5", "max_tokens": 100, "messages": [
        { "role": "user", "content": [{ "type": "text", "text": r#"@simulate {"text":"first"}"# }] },
        { "role": "assistant", "content": "first" },
        { "role": "user", "content": r#"@simulate {"text":"last"}"# },
    ] });
    assert_eq!(Stand::new().ask(&body).json()["content"][0]["text"], "last");
}

#[test]
fn a_fault_may_happen_to_the_first_tries_only() {
    let stand = Stand::new();
    let body = asking(r#"@simulate {"fault":"status-529","times":2}"#, 100);
    let statuses: Vec<u16> = (0..4).map(|_| stand.ask(&body).status).collect();
    assert_eq!(statuses, [529, 529, 200, 200]);
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    let stand = Stand::new();
    for (directive, why) in [
        (r#"{"txet":"a"}"#, "unknown field `txet`"),
        (r#"{"fault":"fire"}"#, "`fire` is no fault"),
        (r#"{"input":{}}"#, "`input` belongs to a `tool`"),
        (r#"{"times":1}"#, "`times` belongs to a `fault`"),
        (r#"{"text":"#, "EOF"),
    ] {
        let response = stand.ask(&asking(&format!("@simulate {directive}"), 100));
        assert_eq!(response.status, 400, "{directive}");
        assert!(response.text().contains(why), "{directive}: {}", response.text());
    }
    // Talking about it is no directive.
    assert_eq!(stand.ask(&asking("What does @simulate do?", 100)).status, 200);
}
