//! The example workflows: they compile, they run to the end whatever agents answer, and an agent
//! that failed never reads as good news. `benches/stub.mjs` checks the same in Node.

use flyball::id::CallId;
use flyball::ports::script::{
    AgentCall, Execution, ExecutionNotes, Finish, Outcome, ScriptArgs, ScriptProgram, Start, Status,
};
use flyball::script::engine::Program;
use flyball::workflow::{FoundIn, FoundWorkflow, Source, SourceSet, WorkflowRegistry};
use serde_json::{Value, json};

/// What the agents of a run answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answers {
    /// Two items in every list, every value unlike its siblings'.
    Some,
    /// Every list empty.
    Empty,
    /// Nothing: every agent failed, or a budget denied it.
    Null,
}

struct Ended {
    finish: Finish,
    agents: u32,
    notes: ExecutionNotes,
}

impl Ended {
    /// `status` of what was returned, or what was thrown.
    fn status(&self) -> String {
        match &self.finish {
            Finish::Returned { value, .. } => {
                let value: Value =
                    serde_json::from_str(value.as_deref().unwrap_or("null")).unwrap();
                value["status"].as_str().unwrap_or("none").to_owned()
            }
            Finish::Threw { message, .. } => format!("threw: {message}"),
            other => panic!("an example ended with {other:?}"),
        }
    }
}

fn text_of(name: &str) -> String {
    let path = format!("{}/examples/{name}.js", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn program(name: &str) -> Program {
    let found = |child: &str, found_in| FoundWorkflow {
        meta_name: Some(child.to_owned()),
        path: format!("examples/{child}.js"),
        found_in,
        text: text_of(child),
    };
    let registry = WorkflowRegistry {
        found: vec![
            found("release-notes", FoundIn::Project { levels_up: 0 }),
            found("release-checks", FoundIn::Path),
        ],
    };
    let main = Source::new(format!("example:{name}"), text_of(name));
    Program::compile(&SourceSet { main, registry })
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs an example to its end, answering the oldest open call first.
fn run(name: &str, args: Option<Value>, answers: Answers) -> Ended {
    let args = args.map_or(ScriptArgs::Absent, |args| ScriptArgs::Json(args.to_string()));
    let mut execution = program(name).start(&Start { args, ..Start::default() }).unwrap();
    let mut waiting = std::collections::VecDeque::new();
    let mut agents = 0;
    loop {
        let calls = execution.calls();
        agents += u32::try_from(calls.len()).unwrap();
        waiting.extend(calls);
        if let Status::Finished(finish) = execution.status() {
            return Ended { finish, agents, notes: execution.notes() };
        }
        let call = waiting.pop_front().expect("a script that waits has an open call");
        deliver(execution.as_mut(), &call, answers);
    }
}

fn deliver(execution: &mut dyn Execution, call: &AgentCall, answers: Answers) {
    let CallId(number) = call.id;
    let outcome = match (&call.schema, answers) {
        (_, Answers::Null) => Outcome::Null,
        (None, _) => Outcome::Text(format!("text of agent {number}")),
        (Some(schema), answers) => {
            let schema: Value = serde_json::from_str(schema).unwrap();
            Outcome::Json(value_of(&schema, "value", i64::from(number), answers).to_string())
        }
    };
    execution.deliver(call.id, outcome, 0).unwrap();
}

/// The smallest value that fits, unlike its siblings so that dedup by key sees new items.
fn value_of(schema: &Value, name: &str, number: i64, answers: Answers) -> Value {
    if let Some(words) = schema["enum"].as_array() {
        return words[usize::try_from(number).unwrap() % words.len()].clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let properties = schema["properties"].as_object().unwrap().iter();
            let value =
                |(key, schema)| (String::clone(key), value_of(schema, key, number, answers));
            Value::Object(properties.map(value).collect())
        }
        Some("array") => {
            let length = if answers == Answers::Empty { 0 } else { 2 };
            let item = |n| value_of(&schema["items"], name, number * 2 + n, answers);
            (0..length).map(item).collect()
        }
        Some("integer") => json!(schema["minimum"].as_i64().unwrap_or(0).max(number % 10)),
        Some("boolean") => json!(number % 2 == 1),
        _ => json!(format!("{name}-{number}")),
    }
}

/// Every example, with the args it needs.
fn examples() -> Vec<(String, Option<Value>)> {
    let folder = format!("{}/examples", env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".js").map(str::to_owned))
        .collect();
    names.sort();
    let args = |name: &str| match name {
        "deep-research" => Some(json!("Which databases maintain views incrementally?")),
        "release-train" => Some(json!({ "version": "2.4.0", "since": "v2.3.0" })),
        _ => None,
    };
    names.into_iter().map(|name| (name.clone(), args(&name))).collect()
}

#[test]
fn every_example_is_documented_and_of_a_length_to_read() {
    let examples = examples();
    assert!(examples.len() >= 11, "only {} examples found", examples.len());
    for (name, _) in examples {
        let text = text_of(&name);
        let lines = text.lines().count();
        assert!((40..=130).contains(&lines), "{name}: {lines} lines");
        assert!(text.starts_with("// "), "{name} does not open with what it teaches");
        let program = program(&name);
        let facts = program.facts();
        assert!(facts.warnings.is_empty(), "{name}: {:?}", facts.warnings);
        assert!(!facts.meta.phases.is_empty(), "{name} announces no phases");
    }
}

#[test]
fn every_example_ends_whatever_its_agents_answer() {
    for (name, args) in examples() {
        for answers in [Answers::Some, Answers::Empty, Answers::Null] {
            let ended = run(&name, args.clone(), answers);
            let status = ended.status();
            // Meant to: one example shows what has no bound, one refuses to go on blindly.
            let may_throw = match name.as_str() {
                "whole-desktop" => answers == Answers::Some,
                "dbt-models" | "migrate-files" => answers == Answers::Null,
                _ => false,
            };
            assert_eq!(status.starts_with("threw"), may_throw, "{name}, {answers:?}: {status}");
            let swallowed = ended.notes.swallowed.clone().filter(|_| !may_throw);
            assert_eq!(swallowed, None, "{name}, {answers:?}: a throw became null");
            let quiet = ended.notes.warnings.is_empty() && ended.notes.workflows_missing.is_empty();
            assert!(quiet, "{name}, {answers:?}: {:?}", ended.notes);
        }
    }
}

#[test]
fn failed_agents_never_read_as_good_news() {
    let good_news = [
        "clean",
        "reviewed",
        "no models",
        "nothing to migrate",
        "no bugs confirmed",
        "go",
        "answered",
    ];
    for (name, args) in examples() {
        let status = run(&name, args, Answers::Null).status();
        assert!(!good_news.contains(&status.as_str()), "{name} reports `{status}`");
    }
}

#[test]
fn empty_answers_end_early() {
    for (name, status, agents) in [
        ("review-diff", "clean", 5),
        ("dbt-models", "no models", 1),
        ("migrate-files", "nothing to migrate", 1),
        ("deep-research", "no evidence", 1),
        ("bug-hunt", "no bugs confirmed", 8),
    ] {
        let args = examples().into_iter().find(|(other, _)| other == name).unwrap().1;
        let ended = run(name, args, Answers::Empty);
        assert_eq!((ended.status().as_str(), ended.agents), (status, agents), "{name}");
    }
}

#[test]
fn missing_arguments_are_refused_before_an_agent_starts() {
    for (name, status) in [
        (
            "release-train",
            "threw: release-train needs args like {\"version\": \"2.4.0\", \"since\": \"v2.3.0\"}",
        ),
        ("deep-research", "no question"),
    ] {
        let ended = run(name, None, Answers::Some);
        assert_eq!((ended.status().as_str(), ended.agents), (status, 0), "{name}");
    }
}

#[test]
fn the_judge_panel_is_as_wide_as_its_arguments_say() {
    for (candidates, agents) in [(2, 2 + 6 + 1), (3, 3 + 9 + 1), (99, 8 + 24 + 1)] {
        let ended = run("judge-panel", Some(json!({ "candidates": candidates })), Answers::Some);
        assert_eq!(ended.agents, agents, "{candidates} candidates");
    }
}

#[test]
fn the_review_of_200_starts_about_200_agents() {
    // 64 files read; two checkers each, or one where nothing was found; 8 areas; one report.
    let with_findings = run("review-200", None, Answers::Some).agents;
    let without = run("review-200", None, Answers::Empty).agents;
    assert_eq!(without, 64 + 64 + 8 + 1);
    assert!((64 + 128 + 8 + 1..=64 + 128 + 12 + 8 + 1).contains(&with_findings), "{with_findings}");
}

#[test]
fn the_release_train_runs_both_children() {
    let args = json!({ "version": "2.4.0", "since": "v2.3.0" });
    let alone = |name| run(name, Some(args.clone()), Answers::Some).agents;
    let ended = run("release-train", Some(args.clone()), Answers::Some);
    assert!(ended.agents > 6 + 2, "{} agents", ended.agents);
    assert!(alone("release-checks") >= 6 && alone("release-notes") == 3);
}

#[test]
fn the_whole_desktop_runs_into_the_cap_on_agents() {
    let ended = run("whole-desktop", None, Answers::Some);
    assert_eq!(ended.agents, 1_000);
    assert!(ended.status().contains("agent() call cap reached (1000)"), "{}", ended.status());
}
