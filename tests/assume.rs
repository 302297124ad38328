//! The syntax of pins.

use flyball::plan::assume::{AssumptionTexts, Assumptions, PinValue, glob_match};

fn parse(assume: &[&str], result: &[&str], done: &[&str]) -> Result<Assumptions, String> {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let (assume, result, done) = (own(assume), own(result), own(done));
    let texts = AssumptionTexts { assume: &assume, result: &result, done: &done };
    let mut read = |path: &str| match path {
        "scan.json" => Ok("{\"files\": []}".to_owned()),
        _ => Err("no such file".to_owned()),
    };
    Assumptions::parse(texts, &mut read).map_err(|error| error.to_string())
}

#[test]
fn properties_match_by_stage_and_path() {
    let pins = parse(
        &["findings=3", "Find.findings=12", "verify:*.refuted=0.3", "Find.findings.severity=high"],
        &[],
        &[],
    )
    .unwrap();
    assert_eq!(pins.property("find", "findings", |_| Ok(())), Some(&PinValue::Number(12.0)));
    assert_eq!(pins.property("Other", "findings", |_| Ok(())), Some(&PinValue::Number(3.0)));
    assert_eq!(pins.property("Other", "report.findings", |_| Ok(())), Some(&PinValue::Number(3.0)));
    assert_eq!(pins.property("Other", "subfindings", |_| Ok(())), None);
    assert_eq!(pins.property("verify:*", "refuted", |_| Ok(())), Some(&PinValue::Number(0.3)));
    assert_eq!(pins.property("verify:bugs", "refuted", |_| Ok(())), Some(&PinValue::Number(0.3)));
    assert_eq!(
        pins.property("Find", "findings.severity", |_| Ok(())),
        Some(&PinValue::Word("high".into()))
    );
    assert!(pins.unused().is_empty());
}

#[test]
fn usage_pins_are_kept_apart() {
    let pins = parse(
        &["Find.requests=12", "Find.output=800", "F*.context=40k", "*.requests=5", "requests=4"],
        &[],
        &[],
    )
    .unwrap();
    let usage = pins.usage_pins("find");
    assert_eq!(usage.requests, Some(12.0));
    assert_eq!(usage.output_per_request, Some(800.0));
    assert_eq!(usage.first_context, Some(40_000.0));
    assert_eq!(usage.growth, None);
    assert_eq!(pins.usage_pins("other").requests, Some(5.0));
    // Without a stage it is a property of that name.
    assert_eq!(pins.property("Find", "requests", |_| Ok(())), Some(&PinValue::Number(4.0)));
}

#[test]
fn results_match_labels_and_numbers() {
    let pins = parse(&[], &["scan#2=@scan.json", "scan=1", "fix:*=\"done\""], &[]).unwrap();
    assert_eq!(pins.result(Some("scan"), "s", 2, 9).unwrap().json["files"], serde_json::json!([]));
    assert_eq!(pins.result(Some("scan"), "s", 1, 1).unwrap().json, 1);
    assert_eq!(pins.result(Some("fix:a"), "s", 1, 1).unwrap().json, "done");
    assert!(pins.result(Some("other"), "s", 1, 1).is_none());
}

#[test]
fn done_matches_labels_and_stages() {
    let pins = parse(&[], &[], &["scan", "verify:*", "never"]).unwrap();
    assert!(pins.is_done(Some("Scan"), "x"));
    assert!(pins.is_done(Some("verify:a"), "x"));
    assert!(pins.is_done(None, "scan"));
    assert!(!pins.is_done(Some("scanner"), "x"));
    assert_eq!(pins.unused()[0].flag, "--done never");
    assert_eq!(pins.unused().len(), 1);
}

#[test]
fn errors_name_what_is_wrong_and_the_form() {
    for (assume, result, wanted) in [
        ("findings", "", "is not KEY=VALUE; use Stage.property=12"),
        ("=3", "", "is not KEY=VALUE"),
        ("Find.=3", "", "is not KEY=VALUE"),
        ("Find.findings=-3", "", "'-3' is not a length, a share or a word"),
        ("Find.requests=many", "", "'many' is not a positive number"),
        ("Find.requests=0", "", "'0' is not a positive number"),
        ("", "scan", "use LABEL=@FILE"),
        ("", "scan#0=1", "'#0' is not a call number"),
        ("", "scan=@gone.json", "cannot read gone.json: no such file"),
        ("", "scan={", "not JSON"),
    ] {
        let one = |text: &'static str| if text.is_empty() { vec![] } else { vec![text] };
        let error = parse(&one(assume), &one(result), &[]).unwrap_err();
        assert!(error.contains(wanted), "{error}");
    }
    let twice = parse(&["Find.x=1", "find.X=2"], &[], &[]).unwrap_err();
    assert!(twice.contains("pin the same key"), "{twice}");
}

#[test]
fn globs() {
    for (pattern, text, wanted) in [
        ("verify:*", "verify:bugs", true),
        ("*", "", true),
        ("a*b*c", "aXbYbZc", true),
        ("a*b", "aXbY", false),
        ("a?c", "ABC", true),
        ("verify:*", "verify:*", true),
        ("", "a", false),
    ] {
        assert_eq!(glob_match(pattern, text), wanted, "{pattern} {text}");
    }
}
