//! What prompts ask for in words: JSON and verdicts as text, lists of words, folders.

use std::collections::BTreeSet;
use std::sync::Arc;

use flyball::id::StageKey;
use flyball::plan::synth::{Booleans, Extremes, Numbers, Probe, Reach, SampleState, SynthCall};
use flyball::ports::script::Outcome;
use flyball::seed::Seed;
use flyball::usage::{StageKind, TokenCounter, UsageModel, shipped_text};
use serde_json::{Value, json};

use super::{Ask, Plan, Setup, ask, list};

fn text(stage: &'static str, prompt: &str) -> Ask {
    Ask { stage, label: stage.to_owned(), prompt: prompt.to_owned(), schema: None }
}

fn answers(prompt: &str) -> Vec<String> {
    let plan = Plan::shipped();
    let one = |number| match plan.sample(number).one(&text("check", prompt)) {
        Value::String(text) => text,
        other => panic!("not a text: {other}"),
    };
    (0..60).map(one).collect()
}

#[test]
fn a_text_that_is_to_be_json_is_json_of_the_shape_shown() {
    let prompt = "Judge the change. Reply with JSON only, no prose:\n\
        { \"verdict\": \"keep\" | \"drop\", reasons: [\"<why>\", ...], score: 7, \"real\": true }";
    for answer in answers(prompt) {
        let value: Value = serde_json::from_str(&answer).unwrap();
        assert!(["keep", "drop"].contains(&value["verdict"].as_str().unwrap()), "{value}");
        assert!(value["reasons"].as_array().unwrap().iter().all(Value::is_string), "{value}");
        assert!(value["score"].is_i64() || value["score"].is_u64(), "{value}");
        assert!(value["real"].is_boolean(), "{value}");
    }
}

#[test]
fn a_list_asked_for_as_json_is_a_list() {
    let answers =
        answers("List the modules. Output a JSON array: [{\"name\": \"…\", \"path\": \"…\"}]");
    let lists: Vec<Vec<Value>> =
        answers.iter().map(|answer| serde_json::from_str(answer).unwrap()).collect();
    assert!(lists.iter().flatten().all(|module| module["path"].is_string()));
    assert!(lists.iter().any(|modules| modules.len() > 2));
}

#[test]
fn json_asked_for_without_a_shape_still_parses() {
    for answer in answers("Summarise the run and return only valid JSON.") {
        assert!(serde_json::from_str::<Value>(&answer).unwrap().is_object());
    }
}

#[test]
fn data_in_a_prompt_does_not_make_the_answer_json() {
    for answer in
        answers("Findings:\n[{\"file\": \"a.rs\", \"line\": 3}]\n\nWrite a report for people.")
    {
        assert!(serde_json::from_str::<Value>(&answer).is_err(), "{answer}");
    }
}

#[test]
fn a_word_asked_for_stands_at_both_ends() {
    let answers = answers("Review it. End with one line: VERDICT: PASS or VERDICT: FAIL");
    let mut seen = BTreeSet::new();
    for answer in &answers {
        let word = if answer.ends_with("VERDICT: PASS") { "PASS" } else { "FAIL" };
        assert!(answer.starts_with(&format!("VERDICT: {word}\n")), "{answer}");
        assert!(answer.ends_with(&format!("VERDICT: {word}")), "{answer}");
        let other = if word == "PASS" { "FAIL" } else { "PASS" };
        assert!(!answer.contains(other));
        seen.insert(word);
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_text_given_word_by_word_is_the_answer() {
    for (prompt, text) in [
        ("Ping the service. Reply with exactly: PONG", "PONG"),
        ("Write the file, then respond with only \"file written\".", "file written"),
        ("Do the step. When in doubt ask. Answer with ONLY the word DONE.", "DONE"),
        ("Store it. Return exactly this line:\nSTATE: stored\nand stop.", "STATE: stored"),
    ] {
        assert!(answers(prompt).iter().all(|answer| answer == text), "{prompt}");
    }
}

#[test]
fn a_text_that_is_described_is_not_given() {
    for prompt in [
        "Count the files. Respond with only the number.",
        "Reply with exactly one sentence.",
        "Reply with exactly ONE sentence.",
        "Return only: the names of the modules",
        "Reply with exactly: <the title>",
        "If nothing changed, reply with exactly: SAME. Else say what did.",
        "Reply with exactly DONE if it worked.",
        "Name exactly: three of them",
    ] {
        let all = answers(prompt);
        assert!(all.iter().all(|answer| answer.starts_with("zq")), "{prompt}: {}", all[0]);
    }
}

#[test]
fn invented_words_are_tokens_and_say_nothing_of_success() {
    let counter = TokenCounter::load();
    let (plan, usage) = (Plan::shipped(), UsageModel::parse(shipped_text()).unwrap());
    let schema = json!({
        "type": "object", "required": ["code", "summary", "url", "path", "name"],
        "properties": {
            "code": { "type": "string" }, "summary": { "type": "string" },
            "url": { "type": "string" }, "path": { "type": "string" }, "name": { "type": "string" }
        }
    });
    for number in 0..20 {
        let Value::String(text) = plan.sample(number).one(&text("check", "Look at it.")) else {
            panic!("no text");
        };
        let words = text.split(' ').count() as u64;
        // The marker is a handful.
        assert!((words..words + 12).contains(&counter.count(&text)), "{text}");
        let object = plan.sample(number).one(&ask("check", "check", "Look at it.", &schema));
        let strings = object.as_object().unwrap().values().map(|text| text.as_str().unwrap());
        for text in strings.chain([text.as_str()]) {
            for word in [
                "error", "fail", "wrong", "lost", "test", "bug", "issue", "empty", "not", "pass",
                "done", "warn", "block", "reject", "approv", "ok", "miss", "null", "invalid",
                "low",
            ] {
                let said = text.split(|c: char| !c.is_alphabetic()).any(|said| said.contains(word));
                assert!(!said, "{word}: {text}");
            }
            assert_eq!(usage.kind_of("", "", text, false), StageKind::General, "{text}");
        }
    }
}

#[test]
fn addresses_have_several_hosts_and_each_its_own_page() {
    let schema = json!({
        "type": "object", "required": ["links"],
        "properties": { "links": { "type": "array", "minItems": 60, "maxItems": 60, "items": {
            "type": "object", "required": ["url"], "properties": { "url": { "type": "string" } }
        } } }
    });
    let answer = Plan::shipped().sample(3).one(&ask("find", "find", "Find links.", &schema));
    let urls: Vec<&str> =
        list(&answer, "links").iter().map(|link| link["url"].as_str().unwrap()).collect();
    let host = |url: &&str| url.split('/').nth(2).unwrap().to_owned();
    let hosts: BTreeSet<String> = urls.iter().map(host).collect();
    assert!((15..=36).contains(&hosts.len()), "{hosts:?}");
    assert!(hosts.iter().all(|host| {
        [".example.com", ".example.net", ".example.org"].iter().any(|zone| host.ends_with(zone))
    }));
    assert_eq!(urls.iter().collect::<BTreeSet<_>>().len(), 60);
}

#[test]
fn a_repair_loop_on_a_word_ends() {
    let plan = Plan::shipped();
    let rounds = |number| {
        let mut sample = plan.sample(number);
        for round in 1..40 {
            let said = sample.one(&text("review", "Answer APPROVED or REJECTED. Is it good?"));
            if said.as_str().unwrap().starts_with("APPROVED") {
                return round;
            }
            sample.one(&text("fix", "Repair what the review found."));
        }
        40
    };
    let mut all: Vec<u32> = (0..200).map(rounds).collect();
    all.sort_unstable();
    assert!(all[100] <= 2 && all[199] < 20, "median {}, most {}", all[100], all[199]);
}

#[test]
fn words_listed_for_a_property_are_its_words() {
    let schema = json!({
        "type": "object", "required": ["plan"],
        "properties": { "plan": { "type": "array", "items": {
            "type": "object", "required": ["role", "count"],
            "properties": { "role": { "type": "string" }, "count": { "type": "integer" } }
        } } }
    });
    let prompt =
        "Staff the roles (planner, coder, tester, and scribe). Use 0 where none is needed.";
    let plan = Plan::shipped();
    for number in 0..40 {
        let answer = plan.sample(number).one(&ask("staff", "staff", prompt, &schema));
        let roles: Vec<&str> =
            list(&answer, "plan").iter().map(|entry| entry["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["planner", "coder", "tester", "scribe"]);
        assert!(list(&answer, "plan").iter().all(|entry| entry["count"].as_u64().unwrap() <= 6));
    }
}

#[test]
fn a_word_listed_with_bars_is_drawn_like_an_enum() {
    let schema = json!({
        "type": "object", "required": ["verdict"],
        "properties": { "verdict": { "type": "string" } }
    });
    let plan = Plan::shipped();
    let drawn: Vec<String> = (0..200)
        .map(|number| {
            let asked =
                ask("judge", "judge", "Give verdict: confirmed | refuted | unclear.", &schema);
            plan.sample(number).one(&asked)["verdict"].as_str().unwrap().to_owned()
        })
        .collect();
    let share = |word: &str| drawn.iter().filter(|drawn| *drawn == word).count();
    assert_eq!(share("confirmed") + share("refuted") + share("unclear"), 200);
    assert!(share("confirmed") > share("unclear"));
}

#[test]
fn files_lie_under_the_folder_that_the_run_is_about() {
    let schema = json!({
        "type": "object", "required": ["root", "pages"],
        "properties": {
            "root": { "type": "string" },
            "pages": { "type": "array", "minItems": 3, "items": {
                "type": "object", "required": ["path"], "properties": { "path": { "type": "string" } }
            } }
        }
    });
    let args = Some(json!({ "targets": ["libs/engine/core/"] }));
    let plan = Plan::new(&Setup { args, ..Setup::default() });
    let prompt = "List the pages under libs/engine/core.";
    let answer = plan.sample(1).one(&ask("scope", "scope", prompt, &schema));
    assert_eq!(answer["root"], "libs/engine/core");
    for page in list(&answer, "pages") {
        assert!(page["path"].as_str().unwrap().starts_with("libs/engine/core/"), "{page}");
    }
}

#[test]
fn properties_of_a_schema_that_requires_none_are_all_there() {
    let schema = json!({
        "type": "object",
        "properties": { "bugs": { "type": "array", "items": { "type": "string" } } }
    });
    let plan = Plan::shipped();
    for number in 0..200 {
        let answer = plan.sample(number).one(&ask("find", "find", "Find bugs.", &schema));
        assert!(answer["bugs"].is_array(), "{answer}");
    }
}

#[test]
fn what_an_agent_was_told_to_do_mostly_works_out() {
    let schema = json!({
        "type": "object", "required": ["written"],
        "properties": { "written": { "type": "boolean" } }
    });
    let plan = Plan::shipped();
    let worked = (0..400)
        .filter(|number| {
            let asked = ask("probe", "probe", "Write the file.", &schema);
            plan.sample(*number).one(&asked)["written"] == json!(true)
        })
        .count();
    assert!((320..=392).contains(&worked), "{worked}");
}

#[test]
fn what_is_left_undone_is_mostly_nothing() {
    let schema = json!({
        "type": "object", "required": ["untestedItems"],
        "properties": { "untestedItems": { "type": "array", "items": { "type": "string" } } }
    });
    let plan = Plan::shipped();
    let none = (0..200)
        .filter(|number| {
            let answer = plan.sample(*number).one(&ask("wave", "wave", "Do it.", &schema));
            list(&answer, "untestedItems").is_empty()
        })
        .count();
    assert!((100..170).contains(&none), "{none}");
}

fn probe(schema: &Value, list_length: usize) -> Probe {
    let plan = Plan::shipped();
    let schema: Arc<str> = schema.to_string().into();
    let call = SynthCall {
        stage: StageKey(1),
        stage_name: "plan",
        identity: 1,
        ordinal: 0,
        delivered: 0,
        label: None,
        prompt: "Plan it.",
        schema: Some(&schema),
        text_tokens: 100,
    };
    let extremes = Extremes {
        reach: Reach { lists: list_length, numbers: list_length, texts: list_length },
        booleans: Booleans::True,
        enum_index: 0,
        numbers: Numbers::Low,
        marked: false,
    };
    plan.synthesizer.probe(&mut SampleState::new(Seed::new(1)), &call, &extremes)
}

fn nested(depth: u32) -> Value {
    let mut item = json!({ "type": "object", "properties": { "title": { "type": "string" } } });
    for _ in 0..depth {
        item = json!({
            "type": "object",
            "properties": { "title": { "type": "string" }, "parts": { "type": "array", "items": item } }
        });
    }
    item
}

#[test]
fn probes_of_lists_in_lists_grow_but_stay_small() {
    let count = |length| match probe(&nested(2), length).outcome {
        Outcome::Json(text) => text.matches("\"title\"").count(),
        other => panic!("{other:?}"),
    };
    assert!(count(12) > 140, "{}", count(12));
    assert!(count(25) > count(12));
    let deep = probe(&nested(4), 203);
    assert!(deep.cut);
    assert!(matches!(deep.outcome, Outcome::Json(text) if text.len() < 1 << 20));
    assert!(!probe(&nested(1), 12).cut);
}
