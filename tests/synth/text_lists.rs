//! Texts that their prompt wants to be lists.

use std::collections::BTreeSet;

use flyball::plan::synth::FactorKind;
use flyball::usage::TokenCounter;
use serde_json::Value;

use super::{Ask, Plan, Setup};

fn scout(prompt: &str) -> Ask {
    Ask { stage: "scout", label: "scout".to_owned(), prompt: prompt.to_owned(), schema: None }
}

/// The answers to a prompt, each with how many items it has by what it is called.
fn answers(plan: &Plan, prompt: &str) -> Vec<(String, Vec<(String, f64)>)> {
    let one = |number| {
        let result = plan.sample(number).all_full(&[scout(prompt)]).remove(0);
        let lines = result.factors.iter().filter(|factor| factor.kind == FactorKind::Lines);
        let counted = lines.map(|factor| (factor.key.1.to_string(), factor.value)).collect();
        match super::value(&result) {
            Value::String(text) => (text, counted),
            other => panic!("not a text: {other}"),
        }
    };
    (0..60).map(one).collect()
}

#[test]
fn a_prompt_that_wants_a_list_gets_one() {
    let plan = Plan::shipped();
    for (prompt, name, between) in [
        ("List the modules of this project, one per line, nothing else.", "modules", "\n"),
        ("Find what is untested. Output only one file path per line.", "paths", "\n"),
        ("Which crates are there? Return them comma-separated, only that.", "crates", ", "),
        ("Give the comma-separated topics and nothing else.", "topics", ", "),
        ("List all endpoints and say of each what it does.", "endpoints", "\n- "),
        ("Read it. Reply with a bulleted list of risks.", "risks", "\n- "),
        ("Tell me what each part does, each on its own line.", "items", "\n"),
    ] {
        let mut lengths = BTreeSet::new();
        for (text, counted) in answers(&plan, prompt) {
            let count = text.split(between).count();
            assert_eq!(counted, [(name.to_owned(), count as f64)], "{prompt}: {text}");
            assert!(text.split(between).all(|item| !item.trim().is_empty()), "{text}");
            lengths.insert(count);
        }
        assert!(lengths.len() > 2 && !lengths.contains(&0), "{prompt}: {lengths:?}");
    }
}

#[test]
fn a_prompt_that_wants_no_list_gets_none() {
    let plan = Plan::shipped();
    for prompt in [
        "Write the release notes. Keep to 80 characters per line.",
        "Read the list of files and summarise them.",
        "Write a report from the list above. Playlist the songs.",
        "Look around and say what you see.",
    ] {
        for (text, counted) in answers(&plan, prompt) {
            assert!(counted.is_empty() && !text.contains('\n'), "{prompt}: {text}");
        }
    }
}

#[test]
fn the_length_of_a_text_list_is_pinned_and_capped_like_any_other() {
    let plan = Plan::new(&Setup { assume: &["scout.modules=40"], ..Setup::default() });
    let prompt = "List the modules of this project, one per line, nothing else.";
    assert!(answers(&plan, prompt).iter().all(|(text, _)| text.lines().count() == 40));
    let plan = Plan::shipped();
    let capped = "List up to 4 modules, one per line, nothing else.";
    assert!(answers(&plan, capped).iter().all(|(text, _)| text.lines().count() <= 4));
}

#[test]
fn points_are_as_long_together_as_any_text() {
    let plan = Plan::shipped();
    let counter = TokenCounter::load();
    // Agents of this stand answer with 300 tokens.
    for (text, _) in answers(&plan, "List the modules and say of each what it does.") {
        let tokens = counter.count(&text);
        assert!((220..420).contains(&tokens), "{tokens}: {text}");
    }
}
