//! What results take from their prompts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Plan, Setup, ask, findings, list, value};

const SAMPLES: u64 = 200;

fn tasks() -> Value {
    json!({
        "type": "object",
        "required": ["tasks"],
        "properties": {"tasks": {"type": "array", "minItems": 3, "items": {
            "type": "object",
            "required": ["id", "title", "dependsOn"],
            "properties": {
                "id": {"type": "string"},
                "title": {"type": "string"},
                "dependsOn": {"type": "array", "items": {"type": "string"}}
            }
        }}, "order": {"type": "array", "items": {"type": "string"}}}
    })
}

#[test]
fn dependencies_name_earlier_siblings() {
    let plan = Plan::shipped();
    let mut edges = 0;
    for number in 0..SAMPLES {
        let result = plan.sample(number).one(&ask("plan", "plan", "Split the work.", &tasks()));
        let mut earlier = BTreeSet::new();
        for task in list(&result, "tasks") {
            for dependency in list(task, "dependsOn") {
                assert!(earlier.contains(&dependency.to_string()), "{result}");
                edges += 1;
            }
            assert!(earlier.insert(task["id"].to_string()), "ids are unique");
        }
        for id in result["order"].as_array().into_iter().flatten() {
            assert!(earlier.contains(&id.to_string()), "{result}");
        }
    }
    assert!(edges > SAMPLES, "{edges}");
}

#[test]
fn numeric_dependencies_are_acyclic_too() {
    let schema = json!({
        "type": "object",
        "required": ["steps"],
        "properties": {"steps": {"type": "array", "minItems": 4, "items": {
            "type": "object",
            "required": ["id", "deps"],
            "properties": {
                "id": {"type": "integer"},
                "deps": {"type": "array", "items": {"type": "integer"}}
            }
        }}}
    });
    let plan = Plan::shipped();
    for number in 0..SAMPLES {
        let result = plan.sample(number).one(&ask("plan", "plan", "Split the work.", &schema));
        let mut earlier = BTreeSet::new();
        for step in list(&result, "steps") {
            assert!(list(step, "deps").iter().all(|d| earlier.contains(&d.as_i64().unwrap())));
            earlier.insert(step["id"].as_i64().unwrap());
        }
    }
}

#[test]
fn a_judge_answers_for_each_item_shown() {
    let schema = json!({
        "type": "object",
        "required": ["verdicts"],
        "properties": {"verdicts": {"type": "array", "items": {
            "type": "object",
            "required": ["id", "real"],
            "properties": {"id": {"type": "integer"}, "real": {"type": "boolean"}}
        }}}
    });
    let plan = Plan::shipped();
    for number in 0..SAMPLES {
        let mut sample = plan.sample(number);
        let found = sample.one(&ask("find", "find", "Find bugs.", &findings()));
        let shown: Vec<Value> = list(&found, "findings")
            .iter()
            .enumerate()
            .map(|(at, finding)| json!({"id": 100 + at, "title": finding["title"]}))
            .collect();
        if shown.is_empty() {
            continue;
        }
        let prompt = format!("Judge each of these:\n{}", Value::from(shown.clone()));
        let result = sample.one(&ask("judge", "judge", prompt, &schema));
        let ids: Vec<&Value> = list(&result, "verdicts").iter().map(|v| &v["id"]).collect();
        let wanted: Vec<&Value> = shown.iter().map(|item| &item["id"]).collect();
        assert_eq!(ids, wanted);
    }
}

#[test]
fn a_stage_that_dedups_returns_a_part_of_its_input() {
    let plan = Plan::shipped();
    let (mut kept, mut given) = (0, 0);
    for number in 0..SAMPLES {
        let mut sample = plan.sample(number);
        let found = sample.all(&[
            ask("find:*", "find:a", "Find bugs of kind a.", &findings()),
            ask("find:*", "find:b", "Find bugs of kind b.", &findings()),
        ]);
        let all: Vec<Value> = found.iter().flat_map(|r| list(r, "findings")).cloned().collect();
        let titles: BTreeSet<String> = all.iter().map(|f| f["title"].to_string()).collect();
        if titles.len() < 2 {
            continue;
        }
        let prompt = format!("Merge duplicates:\n{}", Value::from(all));
        let result = sample.one(&ask("dedup", "dedup", prompt, &findings()));
        for finding in list(&result, "findings") {
            assert!(titles.contains(&finding["title"].to_string()), "{finding}");
        }
        kept += list(&result, "findings").len();
        given += titles.len();
    }
    let share = kept as f64 / given as f64;
    assert!((0.6..0.95).contains(&share), "{share}");
}

#[test]
fn positions_stay_inside_the_list_shown() {
    let schema = json!({
        "type": "object",
        "required": ["indices", "winnerIndex"],
        "properties": {
            "indices": {"type": "array", "items": {"type": "integer"}},
            "winnerIndex": {"type": "integer"}
        }
    });
    let plan = Plan::shipped();
    for number in 0..SAMPLES {
        let mut sample = plan.sample(number);
        let prompt = "Pick from:\n0. apple\n1. pear\n2. plum\n3. fig\n";
        let result = sample.one(&ask("judge", "judge", prompt, &schema));
        assert!(result["winnerIndex"].as_u64().unwrap() < 4);
        let indices: BTreeSet<u64> =
            list(&result, "indices").iter().map(|i| i.as_u64().unwrap()).collect();
        assert_eq!(indices.len(), list(&result, "indices").len(), "distinct");
        assert!(indices.iter().all(|index| *index < 4));
    }
}

#[test]
fn a_verdict_repeats_the_id_it_was_given() {
    let schema = json!({
        "type": "object",
        "required": ["id", "refuted"],
        "properties": {"id": {"type": "string"}, "refuted": {"type": "boolean"}}
    });
    let plan = Plan::shipped();
    let mut sample = plan.sample(1);
    let planned = sample.one(&ask("plan", "plan", "Split the work.", &tasks()));
    for task in list(&planned, "tasks") {
        let prompt = format!("Is {} ({}) done?", task["id"].as_str().unwrap(), task["title"]);
        let result = sample.one(&ask("verify", "verify", prompt, &schema));
        assert_eq!(result["id"], task["id"]);
    }
}

#[test]
fn findings_lie_in_the_file_that_was_reviewed() {
    let args = json!({"files": ["src/alpha.rs", "src/beta.rs"]});
    let plan = Plan::new(&Setup { args: Some(args), ..Setup::default() });
    let mut count = 0;
    for number in 0..SAMPLES {
        let prompt = "Review src/beta.rs for bugs.";
        let result = plan.sample(number).one(&ask("review:*", "review:beta", prompt, &findings()));
        for finding in list(&result, "findings") {
            assert_eq!(finding["file"], "src/beta.rs");
            count += 1;
        }
    }
    assert!(count > 200);
}

#[test]
fn prompts_say_whose_results_they_quote() {
    let plan = Plan::shipped();
    let mut sample = plan.sample(5);
    let asks: Vec<_> = (0..4)
        .map(|n| ask("find:*", &format!("find:{n}"), format!("Find bugs, part {n}."), &findings()))
        .collect();
    let found = sample.all_full(&asks);
    for result in &found {
        let text = value(result).to_string();
        assert!(
            result.quotes.iter().all(|quote| text.contains(quote) || quote == &result.quotes[0])
        );
    }
    let shown: Vec<String> = found
        .iter()
        .filter(|result| result.quotes.len() > 1)
        .map(|result| value(result).to_string())
        .collect();
    let report =
        ask("report", "report", shown.join("\n"), &json!({"type": "object", "properties": {}}));
    let result = sample.all_full(&[report]).remove(0);
    assert_eq!(result.quoted_calls as usize, shown.len());
}

#[test]
fn a_text_is_unique_and_as_long_as_asked() {
    let plan = Plan::shipped();
    let mut sample = plan.sample(1);
    let mut asked = ask("write", "write", "Write it.", &json!({}));
    asked.schema = None;
    let first = sample.one(&asked);
    let second = sample.one(&asked);
    assert_ne!(first, second);
    let counter = bpe_openai::o200k_base();
    let tokens = counter.count(first.as_str().unwrap());
    assert!((270..=330).contains(&tokens), "{tokens}");
}
