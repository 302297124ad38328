//! How long lists are, and how to pin them.

use flyball::plan::synth::{Booleans, Extremes, Numbers, Pushed, Reach, SynthCall};
use flyball::plan::widths::{TreeCounts, cap_in_prompt, caps_in_script};
use flyball::workflow::TextMark;
use flyball::{id::StageKey, ports::script::Outcome};
use serde_json::{Value, json};

use super::{Plan, Setup, ask, findings, list, verdict};

const SAMPLES: u64 = 300;

fn lengths(plan: &Plan, prompt: &str, name: &str, schema: &Value) -> Vec<usize> {
    let one = |number| {
        let result = plan.sample(number).one(&ask("Find", "find", prompt, schema));
        list(&result, name).len()
    };
    let mut all: Vec<usize> = (0..SAMPLES).map(one).collect();
    all.sort_unstable();
    all
}

#[test]
fn the_prior_is_wide_around_its_median() {
    let all = lengths(&Plan::shipped(), "Find bugs.", "findings", &findings());
    let (p10, p50, p90) = (all[30], all[150], all[270]);
    assert!((3..=5).contains(&p50), "{p50}");
    assert!(p10 <= 2 && (6..=12).contains(&p90), "{p10} {p90}");
}

#[test]
fn a_pin_fixes_a_length() {
    for key in ["Find.findings=12", "find.FINDINGS=12", "findings=12", "F*.findings=12"] {
        let plan = Plan::new(&Setup { assume: &[key], ..Setup::default() });
        assert!(lengths(&plan, "Find bugs.", "findings", &findings()).iter().all(|n| *n == 12));
        assert!(plan.synthesizer.assumptions().unused().is_empty());
    }
    let plan = Plan::new(&Setup { assume: &["Other.findings=12"], ..Setup::default() });
    lengths(&plan, "Find bugs.", "findings", &findings());
    let unused = plan.synthesizer.assumptions().unused();
    assert_eq!(unused[0].flag, "--assume Other.findings=12");
    assert_eq!(unused[0].reason, "no stage of the script has such a property");
}

#[test]
fn a_pin_fixes_a_share() {
    let plan = Plan::new(&Setup { assume: &["Verify.real=0.3"], ..Setup::default() });
    let real = |number| {
        let prompt = format!("Is it real? Number {number}");
        plan.sample(number).one(&ask("Verify", "verify", prompt, &verdict()))["real"] == true
    };
    let share = (0..3_000).filter(|number| real(*number)).count();
    assert!((810..990).contains(&share), "{share} of 3000");
}

#[test]
fn a_pin_fixes_a_word() {
    let plan = Plan::new(&Setup { assume: &["Find.findings.severity=high"], ..Setup::default() });
    let result = plan.sample(2).one(&ask("Find", "find", "Find bugs.", &findings()));
    assert!(list(&result, "findings").iter().all(|finding| finding["severity"] == "high"));
}

#[test]
fn a_pin_that_does_not_fit_is_reported() {
    for (pin, wanted) in [
        ("Verify.real=12", "a boolean: give a share"),
        ("Verify.reason=3", "a text"),
        ("Verify.real=maybe", "a boolean"),
    ] {
        let plan = Plan::new(&Setup { assume: &[pin], ..Setup::default() });
        plan.sample(1).one(&ask("Verify", "verify", "Is it real?", &verdict()));
        let unused = plan.synthesizer.assumptions().unused();
        assert!(unused[0].reason.contains(wanted), "{unused:?}");
    }
}

#[test]
fn a_share_of_good_words_can_be_pinned() {
    let words = json!({"enum": ["confirmed", "plausible", "refuted"]});
    let schema =
        json!({"type": "object", "required": ["verdict"], "properties": {"verdict": words}});
    let plan = Plan::new(&Setup { assume: &["verify.verdict=0.2"], ..Setup::default() });
    let refuted = (0..2_000)
        .filter(|number| {
            let asked = ask("verify", "verify", format!("Judge {number}"), &schema);
            plan.sample(*number).one(&asked)["verdict"] == "refuted"
        })
        .count();
    assert!((1_520..1_680).contains(&refuted), "{refuted} of 2000");
}

#[test]
fn a_result_can_be_given() {
    let plan = Plan::new(&Setup { result: &["find#2={\"findings\":[]}"], ..Setup::default() });
    let mut sample = plan.sample(0);
    let asks = vec![ask("Find", "find", "Find bugs.", &findings()); 2];
    let results = sample.all_full(&asks);
    assert!(!results[0].pinned && results[1].pinned);
    assert_eq!(results[1].outcome, Outcome::Json("{\"findings\":[]}".into()));
}

#[test]
fn a_given_result_is_checked() {
    let plan =
        Plan::new(&Setup { result: &["find={\"findings\":[{\"file\":3}]}"], ..Setup::default() });
    let schema = findings().to_string().into();
    let call = SynthCall {
        stage: StageKey(1),
        stage_name: "Find",
        identity: 1,
        ordinal: 0,
        delivered: 0,
        label: Some("find"),
        prompt: "Find bugs.",
        schema: Some(&schema),
        text_tokens: 0,
    };
    let error = plan.synthesizer.answer(&mut plan.sample(0).state, &call).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("/findings/0") && message.contains("Find"), "{message}");
}

#[test]
fn caps_in_the_prompt_are_kept() {
    for (prompt, low, high) in [
        ("Find bugs. Return up to 3 findings.", 0, 3),
        ("Report at most 2 distinct, serious findings.", 0, 2),
        ("Report the top 5.", 0, 5),
        ("Return 3-5 findings.", 3, 5),
        ("Return exactly 7 findings.", 7, 7),
        ("Propose 6 distinct findings.", 6, 6),
    ] {
        let all = lengths(&Plan::shipped(), prompt, "findings", &findings());
        assert!(all.iter().all(|n| (low..=high).contains(n)), "{prompt}: {all:?}");
        assert_eq!(all.last(), Some(&high), "{prompt}");
    }
}

/// What an agent is asked for that is shown one item or several, and how many it brings.
fn results_of(prompt: &str, item: &Value) -> Vec<usize> {
    let schema = json!({
        "type": "object", "required": ["results"],
        "properties": {"results": {"type": "array", "maxItems": 8, "items": item}}
    });
    lengths(&Plan::shipped(), prompt, "results", &schema)
}

fn item(properties: &Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    json!({"type": "object", "required": required, "properties": properties})
}

const ONE_SHOWN: &str = r#"Look into this: {"topic":[{"name":"tides"}]}"#;
const THREE_SHOWN: &str = r#"Look at these: [{"name":"tides"},{"name":"winds"},{"name":"rain"}]"#;

#[test]
fn what_is_found_is_not_one_per_item_shown() {
    let page = item(&json!({
        "url": {"type": "string"}, "name": {"type": "string"},
        "relevance": {"enum": ["high", "medium", "low"]}
    }));
    let asked = format!("{ONE_SHOWN}. Return the top 4-6 results.");
    assert!(results_of(&asked, &page).iter().all(|count| (4..=6).contains(count)));
    let median = results_of(ONE_SHOWN, &page)[150];
    assert!((3..=6).contains(&median), "{median}");
    let apart = results_of(THREE_SHOWN, &page);
    assert!(apart.iter().any(|count| *count != 3));
}

#[test]
fn a_width_in_prose_comes_before_one_per_item_shown() {
    let note = item(&json!({"name": {"type": "string"}, "note": {"type": "string"}}));
    assert!(results_of(THREE_SHOWN, &note).iter().all(|count| *count == 3));
    let asked = format!("{THREE_SHOWN}. Give up to 8 results.");
    assert!(results_of(&asked, &note).iter().any(|count| *count > 3));
    let asked = format!("{THREE_SHOWN}. Return 5-7 results.");
    assert!(results_of(&asked, &note).iter().all(|count| (5..=7).contains(count)));
}

#[test]
fn a_verdict_is_given_on_each_item_shown() {
    let asked = format!("{THREE_SHOWN}. Return up to 8 results.");
    for judged in [
        json!({"name": {"type": "string"}, "real": {"type": "boolean"}}),
        json!({"name": {"type": "string"}, "severity": {"enum": ["high", "low"]}}),
        json!({"name": {"type": "string"}, "score": {"type": "number"}}),
        json!({"source": {"type": "string"}, "supported": {"type": "boolean"}}),
    ] {
        let counts = results_of(&asked, &item(&judged));
        assert!(counts.iter().all(|count| *count == 3), "{judged}: {counts:?}");
    }
    let named = item(&json!({"id": {"type": "string"}, "note": {"type": "string"}}));
    assert!(results_of(ONE_SHOWN, &named).iter().all(|count| *count == 1));
    // Pages that are shown and graded are judged, too.
    let pages = r#"Grade: [{"url":"https://x.example/1"},{"url":"https://x.example/2"}]"#;
    let graded = item(&json!({"url": {"type": "string"}, "score": {"type": "number"}}));
    assert!(results_of(pages, &graded).iter().all(|count| *count == 2));
}

#[test]
fn caps_in_the_script_are_kept() {
    let script = "const p = `Look around.\nReturn up to 2 findings`\n";
    let setup = Setup { script, properties: &["findings"], ..Setup::default() };
    let all = lengths(&Plan::new(&setup), "Find bugs.", "findings", &findings());
    assert!(all.iter().all(|n| *n <= 2));
    assert_eq!(caps_in_script(script, &["findings"])[0].line, 2);
}

#[test]
fn not_every_number_is_a_cap() {
    for prompt in [
        "Write at most 200 words.",
        "See RFC 7231 and port 8080.",
        "Since 2024 there are findings.",
        "Use up to 3 sentences per finding.",
        "Rate from 1-10.",
        "Step 2: report findings later",
        "There were 12 findings last time.",
    ] {
        assert_eq!(cap_in_prompt(prompt, "findings", true), None, "{prompt}");
    }
}

#[test]
fn the_working_tree_bounds_files() {
    let schema = json!({
        "type": "object",
        "required": ["files"],
        "properties": {"files": {"type": "array", "items": {"type": "string"}}}
    });
    let small = TreeCounts { files: Some(5), diff_files: Some(2), ..TreeCounts::default() };
    let plan = Plan::new(&Setup { tree: small, ..Setup::default() });
    assert!(lengths(&plan, "List the files.", "files", &schema).iter().all(|n| *n <= 5));
    assert!(lengths(&plan, "List the changed files.", "files", &schema).iter().all(|n| *n <= 2));
    let scoped = TreeCounts { files: Some(120), scoped: true, ..TreeCounts::default() };
    let plan = Plan::new(&Setup { tree: scoped, ..Setup::default() });
    let all = lengths(&plan, "List the files.", "files", &schema);
    assert!((90..=120).contains(&all[150]), "{}", all[150]);
}

#[test]
fn a_probe_goes_to_the_limits() {
    let schema = json!({
        "type": "object",
        "required": ["findings", "done"],
        "properties": {
            "findings": {"type": "array", "maxItems": 9, "items": {"type": "string"}},
            "questions": {"type": "array", "items": {"type": "string"}},
            "done": {"type": "boolean"},
            "batches": {"type": "integer"},
            "shards": {"type": "integer", "minimum": 1, "maximum": 60},
            "score": {"type": "number", "minimum": 0, "maximum": 10},
            "hosts": {"type": "string"}
        }
    });
    let text = schema.to_string().into();
    let marks = ["FAIL:".to_owned(), "NEXT".to_owned()].map(TextMark::Literal);
    let pins = ["shards=2", "hosts=one"];
    let plan = Plan::new(&Setup { assume: &pins, marks: &marks, ..Setup::default() });
    let call = SynthCall {
        stage: StageKey(1),
        stage_name: "Find",
        identity: 1,
        ordinal: 0,
        delivered: 0,
        label: None,
        prompt: "Find bugs.",
        schema: Some(&text),
        text_tokens: 0,
    };
    let to = Extremes {
        reach: Reach { lists: 33, numbers: 44, texts: 5 },
        booleans: Booleans::MoreWork,
        enum_index: 0,
        numbers: Numbers::MoreWork,
        marked: true,
    };
    let probe = plan.synthesizer.probe(&mut plan.sample(0).state, &call, &to);
    let Outcome::Json(result) = probe.outcome else { panic!() };
    let result: Value = serde_json::from_str(&result).unwrap();
    assert_eq!(list(&result, "findings").len(), 9);
    assert_eq!(list(&result, "questions").len(), 33);
    assert_eq!(result["done"], false);
    // What is likely bounds nothing that is possible: pins do not count here.
    assert_eq!((result["batches"].as_u64(), result["shards"].as_u64()), (Some(44), Some(60)));
    // A low score is what makes work.
    assert_eq!(result["score"].as_f64(), Some(0.0));
    let hosts = result["hosts"].as_str().unwrap();
    for separator in ["\n", "\n\n", ",", ";", "|"] {
        assert!(hosts.split(separator).count() > 5 * 5, "{separator:?}: {hosts}");
    }
    let lines = |of: &str| hosts.lines().filter(|line| line.starts_with(of)).count();
    assert!(lines("FAIL:") >= 5 && lines("NEXT") >= 5, "{hosts}");
    let open: Vec<&Pushed> = probe.pushed.iter().filter(|pushed| pushed.is_open()).collect();
    let open: Vec<(&str, bool)> =
        open.into_iter().map(|open| (&**open.path(), matches!(open, Pushed::Text(_)))).collect();
    // The items of `findings` are texts as well.
    let named = |path: &str, text: bool| open.contains(&(path, text));
    assert!(named("questions", false) && named("batches", false) && named("hosts", true));
    assert!(!named("findings", false) && !named("shards", false) && !named("score", false));
}
