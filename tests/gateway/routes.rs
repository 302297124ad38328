//! Rules of a policy at the gateway: which model a request is sent to, and what of it changes.

use std::fs;

use serde_json::json;

use super::canned::{Canned, Got, message, reply};
use super::stand::{Books, Gateway, request, streaming};
use crate::upstream::stand::Stand as Upstream;

/// A policy with this text after its head.
fn policy(books: &Books, rules: &str) -> String {
    let path = books.path().with_file_name("team.toml");
    let text = format!("schema = 1\nname = \"team\"\npinned = \"override\"\n{rules}");
    fs::write(&path, text).unwrap();
    format!("--policy={}", path.display())
}

const CHEAP: &str = "[[rule]]\nname = \"cheap\"\nthen = { model = \"claude-haiku-5-5\" }\n";

/// What the upstream gets of `body` under `rules`, and the line of the log.
fn sent(rules: &str, body: &str, headers: &[(&str, &str)]) -> (Got, String) {
    sent_under(&[], rules, body, headers)
}

fn sent_under(flags: &[&str], rules: &str, body: &str, headers: &[(&str, &str)]) -> (Got, String) {
    let (books, upstream) = (Books::new(), Canned::new(vec![message("whoever")]));
    let policy = policy(&books, rules);
    let flags = [&[&*policy, "--rewrite"], flags].concat();
    let gateway = Gateway::before(&books, upstream.address(), &flags);
    let line = "POST /v1/messages";
    let answer =
        crate::upstream::client::send(gateway.address(), line, headers, Some(body.as_bytes()));
    let answer = answer.receive();
    let log = gateway.stop().log.join("\n");
    assert_eq!(answer.status, 200, "{}: {log}", answer.text());
    (upstream.got().remove(0), log)
}

#[test]
fn a_request_goes_to_the_model_of_the_first_rule_that_matches() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let policy = policy(
        &books,
        "[[rule]]\nname = \"deep\"\nwhen = { effort = \">= high\" }\nthen = \"keep\"\n\
         [[rule]]\nname = \"sonnets\"\nwhen = { model = \"sonnet*\" }\nthen = \"keep\"\n\
         [[rule]]\nname = \"opus down\"\nwhen = { model = \"*opus*\" }\n\
         then = { model = \"claude-haiku-5-5\" }\n",
    );
    let gateway = Gateway::start(&books, &upstream, &[&policy, "--rewrite"]);
    let mut body = streaming("x", 900);
    body["model"] = json!("claude-opus-5-5");
    let answer = gateway.ask(&body, &[]);
    assert_eq!(answer.header("x-flyball-model").as_deref(), Some("claude-haiku-5-5"));
    assert_eq!(answer.header("x-flyball-rule").as_deref(), Some("opus down"));
    assert_eq!(answer.events()[0].1["message"]["model"], "claude-haiku-5-5");
    body["output_config"] = json!({ "effort": "high" });
    let answer = gateway.ask(&body, &[]);
    assert_eq!(answer.header("x-flyball-model"), None);
    assert_eq!(answer.events()[0].1["message"]["model"], "claude-opus-5-5");
    let metrics = gateway.raw("GET /metrics", None).text();
    assert!(metrics.contains("\nflyball_rewritten_total 1\n"), "{metrics}");
    let ended = gateway.stop();
    let log = ended.log.join("\n");
    assert!(log.contains("claude-opus-5-5->claude-haiku-5-5 by `opus down`"), "{log}");
    assert!(log.contains("what clients show as their cost is then wrong"), "{log}");
    assert!(ended.stdout.contains("1 requests were sent otherwise"), "{}", ended.stdout);
    assert_eq!(books.spent(), upstream.bill().usd);
    books.assert_all_settled();
}

#[test]
fn the_rest_of_the_body_keeps_its_bytes() {
    let body = "{ \"model\" :\"claude-opus-5-5\",\n \"max_tokens\": 900, \"messages\":[{\"role\":\
                \"user\",\"content\":\"\\\"model\\\":\\\"x\\\" \u{e9}\"}], \"new_field\": [1, 2.50] }";
    let (got, _) = sent(CHEAP, body, &[]);
    assert_eq!(got.body, body.replacen("claude-opus-5-5", "claude-haiku-5-5", 1));
}

/// Haiku 4.5 has no effort levels, no adaptive thinking and a window of 200,000 tokens.
#[test]
fn what_the_other_model_does_not_take_is_said_otherwise() {
    let rules = "[[rule]]\nname = \"old\"\nthen = { model = \"claude-haiku-4-5\" }\n";
    let body = r#"{"thinking":{"type":"adaptive"},"model":"claude-opus-5-5","max_tokens":128000,"output_config":{"effort":"high"},"context_management":{"edits":[{"type":"clear_thinking_20251015"}]},"stream":false,"messages":[{"role":"user","content":"hi"}]}"#;
    let betas = ("anthropic-beta", "context-1m-2025-08-07,interleaved-thinking-2025-05-14");
    let (got, log) = sent(rules, body, &[betas]);
    assert_eq!(
        got.body,
        r#"{"model":"claude-haiku-4-5","max_tokens": 32000,"stream":false,"messages":[{"role":"user","content":"hi"}]}"#,
    );
    let betas = got.header("anthropic-beta");
    assert_eq!(betas.as_deref(), Some("interleaved-thinking-2025-05-14"));
    assert!(log.contains("effort high->none by `old`"), "{log}");
    let kept = r#"{"model":"claude-opus-5-5","max_tokens":900,"thinking":{"type":"adaptive"},"output_config":{"effort":"low","format":{"a":1}},"context_management":{"edits":[{"type":"clear_thinking_20251015"},{"type":"other"}]},"messages":[{"role":"user","content":"hi"}]}"#;
    let (got, _) = sent(rules, kept, &[]);
    assert_eq!(
        got.body,
        r#"{"model":"claude-haiku-4-5","max_tokens":900,"output_config":{"format":{"a":1}},"context_management":{"edits":[{"type":"other"}]},"messages":[{"role":"user","content":"hi"}]}"#,
    );
}

/// Haiku 5.5 thinks as much as it likes and samples as it likes, and is not served fast.
#[test]
fn what_a_newer_model_does_not_take_is_said_otherwise() {
    let body = r#"{"temperature":0.2,"top_p":0.9,"model":"claude-opus-4-6","max_tokens":9000,"top_k":5,"thinking":{"type":"enabled","budget_tokens":2000,"display":"omitted"},"messages":[{"role":"user","content":"hi"}]}"#;
    let (got, _) = sent(CHEAP, body, &[]);
    assert_eq!(
        got.body,
        r#"{"model":"claude-haiku-5-5","max_tokens":9000,"thinking":{"type":"adaptive","display":"omitted"},"messages":[{"role":"user","content":"hi"}]}"#,
    );
    let fast = r#"{"model":"claude-opus-5-5","speed":"fast","max_tokens":900,"messages":[{"role":"user","content":"hi"}]}"#;
    let (got, _) = sent(CHEAP, fast, &[("anthropic-beta", "fast-mode-2026-02-01")]);
    assert_eq!(
        got.body,
        r#"{"model":"claude-haiku-5-5","max_tokens":900,"messages":[{"role":"user","content":"hi"}]}"#,
    );
    assert_eq!(got.header("anthropic-beta"), None);
}

#[test]
fn effort_and_cap_are_the_rule_s() {
    let rules = "[[rule]]\nname = \"calm\"\nthen = { effort = \"medium\", output_cap = 5000 }\n";
    let body = r#"{"model":"claude-opus-5-5","max_tokens":64000,"output_config":{"effort":"max"},"messages":[{"role":"user","content":"hi"}]}"#;
    let (got, log) = sent(rules, body, &[]);
    assert_eq!(got.body, body.replacen("\"max\"", "\"medium\"", 1).replacen("64000", " 5000", 1));
    assert!(log.contains("effort max->medium cap 5000 by `calm`"), "{log}");
}

#[test]
fn a_cap_leaves_room_for_thinking_whatever_is_guaranteed() {
    let rules = "[[rule]]\nname = \"short\"\nthen = { output_cap = 5000 }\n";
    let body = r#"{"model":"claude-haiku-4-5","max_tokens":32000,"stream":true,"thinking":{"type":"enabled","budget_tokens":10000},"messages":[{"role":"user","content":"hi"}]}"#;
    for guarantee in ["strict", "metered"] {
        let (got, log) = sent_under(&["--guarantee", guarantee], rules, body, &[]);
        assert_eq!(got.body, body.replacen("32000", "11000", 1), "{guarantee}: {log}");
    }
}

#[test]
fn a_route_that_is_not_cheaper_or_cannot_be_taken_is_not() {
    let to =
        |model: &str| format!("[[rule]]\nname = \"elsewhere\"\nthen = {{ model = \"{model}\" }}\n");
    let user = r#"[{"role":"user","content":"hi"}]"#;
    let long = format!(r#"[{{"role":"user","content":"{}"}}]"#, "x".repeat(250_000));
    let begun = r#"[{"role":"user","content":"hi"},{"role":"assistant","content":"{"}]"#;
    let tools = r#""tools":[{"type":"bash_20250124","name":"bash"}],"#;
    for (target, from, more, messages, why) in [
        ("claude-opus-5-5", "claude-haiku-5-5", "", user, "can be dearer"),
        // The prompt and the answer are cheaper, and reading the cache is not.
        ("claude-opus-5", "claude-fable-5-2", "", user, "cache_read can be dearer"),
        ("claude-nobody-7", "claude-opus-5-5", "", user, "unknown model"),
        ("gpt-5.4-mini", "claude-opus-5-5", "", user, "is a model of openai"),
        ("claude-haiku-4-5", "claude-opus-5-5", "", long.as_str(), "does not fit 200000"),
        ("claude-haiku-5-5", "claude-haiku-4-5", "", begun, "begins its own answer"),
        ("claude-haiku-5-5", "claude-opus-5-5", tools, user, "tools of the API's own"),
    ] {
        let body = format!(r#"{{"model":"{from}",{more}"max_tokens":900,"messages":{messages}}}"#);
        let (got, line) = sent(&to(target), &body, &[]);
        assert_eq!(got.body, body, "{target}");
        assert!(
            line.contains("kept, though rule `elsewhere`") && line.contains(why),
            "{target}: {line}"
        );
    }
}

#[test]
fn what_a_user_talks_to_is_left_alone_and_agents_are_not() {
    let session = ("x-claude-code-session-id", "s1");
    let body = r#"{"model":"claude-opus-5-5","max_tokens":900,"messages":[{"role":"user","content":"hi"}]}"#;
    let (got, _) = sent(CHEAP, body, &[session]);
    assert_eq!(got.body, body);
    let (got, _) = sent(CHEAP, body, &[session, ("x-claude-code-agent-id", "a1")]);
    assert!(got.body.contains("claude-haiku-5-5"), "{}", got.body);
}

#[test]
fn what_nobody_knows_of_a_request_matches_no_rule() {
    let body = r#"{"model":"claude-opus-5-5","max_tokens":900,"messages":[{"role":"user","content":"hi"}]}"#;
    for when in [
        "role = \"single\"",
        "width = 1",
        "isolation = \"none\"",
        "schema = false",
        "context_tokens = \"<= 60k\"",
        "phase = \"*\"",
        "not = { label = \"verify*\" }",
        "not = { agent_type = \"*\" }",
        "not = { role = \"fan-out\" }",
    ] {
        let rules = format!(
            "[[rule]]\nname = \"guess\"\nwhen = {{ {when} }}\nthen = {{ model = \"haiku\" }}\n"
        );
        let (got, _) = sent(&rules, body, &[]);
        assert_eq!(got.body, body, "{when}");
    }
}

#[test]
fn whoever_starts_it_is_told_which_rules_can_never_match() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let gateway = Gateway::start(&books, &upstream, &["--policy", "frugal", "--rewrite"]);
    let log = gateway.stop().log.join("\n");
    for words in [
        "rule `code` never matches here: no request tells whether isolation is worktree",
        "rule `reduce` never matches here: no request tells whether role is reduce",
    ] {
        assert!(log.contains(words), "{log}");
    }
    assert!(!log.contains("rule `cheapest`"), "{log}");
    let gateway = Gateway::start(&books, &upstream, &["--policy", "quality", "--rewrite"]);
    let log = gateway.stop().log.join("\n");
    assert!(log.contains("rule `trivial fanout` never matches"), "{log}");
}

#[test]
fn a_policy_that_respects_what_is_asked_for_keeps_every_model() {
    let body = r#"{"model":"claude-opus-5-5","max_tokens":900,"messages":[{"role":"user","content":"hi"}]}"#;
    let (got, log) = sent(&CHEAP.replace("then", "pinned = \"respect\"\nthen"), body, &[]);
    assert_eq!(got.body, body);
    assert!(log.contains("rule `cheap` keeps every model here"), "{log}");
}

#[test]
fn a_rule_can_deny_a_request_for_good() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let policy = policy(
        &books,
        "[[rule]]\nname = \"no fable\"\nwhen = { model = \"*fable*\" }\n\
         then = { gate = \"deny\", reason = \"ask the team first\" }\n",
    );
    let gateway = Gateway::start(&books, &upstream, &[&policy, "--rewrite"]);
    let mut body = request("x", 900);
    assert_eq!(gateway.ask(&body, &[]).status, 200);
    body["model"] = json!("claude-fable-5-2");
    let refused = gateway.ask(&body, &[]);
    assert_eq!((refused.status, refused.header("x-should-retry").as_deref()), (429, Some("false")));
    let text = refused.text();
    assert!(text.contains("rule `no fable`") && text.contains("ask the team first"), "{text}");
    gateway.stop();
    assert_eq!(upstream.bill().requests, 1);
    books.assert_all_settled();
}

/// 100 kB of prompt are counted on the model that they are sent to; the second request is bounded by
/// that.
#[test]
fn a_conversation_is_bounded_by_what_was_counted_on_the_other_model() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let policy = policy(&books, CHEAP);
    let gateway = Gateway::start(&books, &upstream, &[&policy, "--rewrite"]);
    let long = "All work and no play makes Jack a dull boy. ".repeat(909);
    let mut body = request(&long, 1_000);
    body["model"] = json!("claude-opus-5-5");
    gateway.ask(&body, &[]);
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({ "role": "assistant", "content": "no" }));
    messages.push(json!({ "role": "user", "content": "why not?" }));
    gateway.ask(&body, &[]);
    gateway.stop();
    let bounds = books.reserved_tokens();
    assert!(bounds[0] > 40_000 && bounds[1] < 14_000, "{bounds:?}");
    assert_eq!(books.spent(), upstream.bill().usd);
}

#[test]
fn what_the_api_says_against_it_reaches_the_client() {
    let words =
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"no such thing"}}"#;
    let answer = reply("400 Bad Request", &["content-type: application/json"], words);
    let (books, upstream) = (Books::new(), Canned::new(vec![answer]));
    let policy = policy(&books, CHEAP);
    let gateway = Gateway::before(&books, upstream.address(), &[&policy, "--rewrite"]);
    let mut body = request("x", 900);
    body["model"] = json!("claude-opus-5-5");
    let answer = gateway.ask(&body, &[]);
    assert_eq!((answer.status, answer.text().as_str()), (400, words));
    assert_eq!(answer.header("x-flyball-model").as_deref(), Some("claude-haiku-5-5"));
    gateway.stop();
    assert_eq!(books.kinds(), ["reserve", "settle"]);
}

#[test]
fn rewriting_needs_a_policy_that_can_be_read() {
    let books = Books::new();
    for (flags, code, words) in [
        (&["gateway", "--rewrite"][..], 2, "--policy"),
        (&["gateway", "--policy", "frugel", "--rewrite"][..], 6, "did you mean `frugal`"),
        (&["gateway", "--retries", "6"][..], 2, "0..=5"),
    ] {
        let (found, text) = books.fails(flags);
        assert_eq!(found, Some(code), "{flags:?}: {text}");
        assert!(text.contains(words), "{flags:?}: {text}");
    }
}
