//! `parallel` and `pipeline`.

use flyball::ports::script::{Finish, Outcome};
use serde_json::json;

use super::stage::{Play, rejected, text};

#[test]
fn parallel_results_are_positional_and_failures_are_null() {
    let body = "const r = await parallel([
           () => agent('a'), () => { throw new Error('sync') }, async () => { throw new Error('async') },
           () => 'plain', () => agent('b'), () => Promise.resolve(0), () => undefined ])
         return [r, r.length, Array.isArray(r), r.filter(Boolean).length]";
    let played = Play::new(body).play(|call| match &*call.prompt {
        "a" => text("A"),
        _ => rejected("agent died"),
    });
    assert_eq!(played.value(), json!([["A", null, null, "plain", null, 0, null], 7, true, 2]));
    let mut failures = played.notes.failures.clone();
    failures.sort();
    assert_eq!(
        failures,
        ["parallel[1] failed: sync", "parallel[2] failed: async", "parallel[4] failed: agent died"]
    );
    let swallowed = played.notes.swallowed.unwrap();
    assert_eq!(swallowed.count, 3);
    assert_eq!(swallowed.first, "Error: sync");
    assert_eq!(swallowed.place.unwrap().line, 3);
}

#[test]
fn parallel_starts_all_at_once() {
    let body = "const r = await parallel(Array.from({ length: 6 }, (_, i) => () => agent('p' + i)))
         return r";
    let mut execution = Play::new(body).begin().unwrap();
    let calls = execution.calls();
    assert_eq!(calls.len(), 6);
    for call in calls.iter().rev() {
        execution.deliver(call.id, text(&call.prompt), 0).unwrap();
    }
    let flyball::ports::script::Status::Finished(Finish::Returned { value, .. }) =
        execution.status()
    else {
        panic!()
    };
    assert_eq!(value.unwrap(), r#"["p0","p1","p2","p3","p4","p5"]"#);
}

#[test]
fn wrong_arguments_reject_with_the_clients_words() {
    let cases = [
        ("parallel()", "parallel() expects an array of functions"),
        ("parallel({})", "parallel() expects an array of functions"),
        (
            "parallel([agent('x')])",
            "parallel() expects an array of functions, not promises. Wrap each call: () => agent(...)",
        ),
        ("pipeline('x')", "pipeline() expects an array as the first argument"),
        (
            "pipeline([1], 2)",
            "pipeline() stages must be functions: pipeline(items, item => ..., result => ...)",
        ),
    ];
    for (call, message) in cases {
        let body = format!("return await {call}.catch(e => [e.name, e.message])");
        assert_eq!(Play::new(&body).value(), json!(["TypeError", message]), "{call}");
    }
}

#[test]
fn empty_lists_are_empty_results() {
    assert_eq!(
        Play::new("return [await parallel([]), await pipeline([], x => x)]").value(),
        json!([[], []])
    );
}

#[test]
fn lists_have_a_most_length() {
    let message =
        "array length 4097 exceeds the maximum of 4096 supported across the workflow VM boundary";
    for call in [
        "parallel(Array.from({ length: 4097 }, () => () => 1))",
        "pipeline(Array.from({ length: 4097 }), x => x)",
    ] {
        let body = format!("try {{ await {call} }} catch (e) {{ return e.message }}");
        assert_eq!(Play::new(&body).value(), json!(message));
    }
    let body = "return (await parallel(Array.from({ length: 4096 }, (_, i) => () => i))).length";
    assert_eq!(Play::new(body).value(), json!(4096));
}

#[test]
fn pipeline_hands_each_stage_the_previous_result_the_item_and_the_index() {
    let body = "return await pipeline(['x', 'y'],
           (prev, item, index) => [prev === item, item, index],
           async (prev, item, index) => ({ prev, item, index }))";
    assert_eq!(
        Play::new(body).value(),
        json!([
            { "prev": [true, "x", 0], "item": "x", "index": 0 },
            { "prev": [true, "y", 1], "item": "y", "index": 1 }
        ])
    );
}

#[test]
fn a_failed_stage_ends_its_item_only() {
    let body = "const seen = []
         const r = await pipeline([1, 2, 3],
           n => { if (n === 2) throw new Error('two'); return n * 10 },
           n => { seen.push(n); return n + 1 })
         return [r, seen]";
    let played = Play::new(body).play_ok();
    assert_eq!(played.value(), json!([[11, null, 31], [10, 30]]));
    assert_eq!(played.notes.failures, ["pipeline[1] failed: two"]);
}

#[test]
fn null_ends_an_item_and_nothing_else_does() {
    let body = "const seen = []
         const r = await pipeline([null, undefined, false, 0, 'null'],
           (v, item) => item === 'null' ? null : v === null ? 'started' : v,
           v => { seen.push(v === undefined ? 'undefined' : v); return 'end' })
         return [r, seen]";
    let played = Play::new(body).play_ok();
    assert_eq!(
        played.value(),
        json!([["end", "end", "end", "end", null], ["started", "undefined", false, 0]])
    );
    assert!(played.notes.failures.is_empty());
    assert_eq!(played.notes.swallowed, None);
}

#[test]
fn pipeline_has_no_barrier() {
    let body = "await pipeline(['a', 'b'], x => agent('1' + x), (_, x) => agent('2' + x))";
    let mut execution = Play::new(body).begin().unwrap();
    let first = execution.calls();
    assert_eq!(first.len(), 2);
    execution.deliver(first[1].id, text(""), 0).unwrap();
    let second = execution.calls();
    assert_eq!(&*second[0].prompt, "2b");
}

#[test]
fn an_array_of_stages_is_flattened_with_a_warning() {
    let played = Play::new("return await pipeline([1], [x => x + 1, x => x * 10])").play_ok();
    assert_eq!(played.value(), json!([20]));
    assert_eq!(played.notes.warnings[0].code, "script::stage-array");
}

#[test]
fn live_values_pass_through() {
    let body = "const [m] = await parallel([() => new Map([['k', 1]])])
         return [m instanceof Map, m.get('k')]";
    assert_eq!(Play::new(body).value(), json!([true, 1]));
}

#[test]
fn fan_outs_nest() {
    let body = "const r = await pipeline(['d1', 'd2'],
           d => agent('find ' + d, { schema: { type: 'object' } }),
           r => parallel(r.findings.map(f => () => agent('verify ' + f).then(v => ({ f, v })))))
         return r.flat().length";
    let played = Play::new(body).play(|call| match call.schema {
        Some(_) => Outcome::Json(r#"{"findings":["a","b","c"]}"#.to_owned()),
        None => text("real"),
    });
    assert_eq!(played.value(), json!(6));
    assert_eq!(played.calls.len(), 8);
}
