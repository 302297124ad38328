//! What an execution leaves behind: how it ended, and its notes.

use flyball::ports::script::{Finish, Outcome};
use serde_json::json;

use super::stage::{Play, text};

fn line_of_return(body: &str) -> Option<u32> {
    match Play::new(body).play_ok().finish {
        Finish::Returned { line, .. } => line,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_return_that_ended_it_is_known() {
    assert_eq!(line_of_return("const x = 1\nif (x > 1) return 'a'\nreturn 'b'"), Some(4));
    assert_eq!(line_of_return("const x = 2\nif (x > 1) return 'a'\nreturn 'b'"), Some(3));
    assert_eq!(line_of_return("const f = () => { return 1 }\nf()"), None);
    assert_eq!(line_of_return("try { return 1 } finally {\nreturn 2 }"), Some(3));
    assert_eq!(
        line_of_return("for (const x of [1]) { switch (x) { case 1:\n return x } }"),
        Some(3)
    );
}

#[test]
fn every_form_of_return_keeps_its_meaning() {
    let cases = [
        ("return", json!(null)),
        ("return;", json!(null)),
        ("return\n1", json!(null)),
        ("return 1, 2", json!(2)),
        ("return (\n  3\n)", json!(3)),
        ("return await agent('x')", json!("ok")),
        ("return { a: 1 }", json!({ "a": 1 })),
        ("return async () => 1", json!(null)),
        ("return `t${1}`", json!("t1")),
        ("if (true) return; else log('x')", json!(null)),
        ("if (false) return\nelse return 5", json!(5)),
        ("if (false) return; else return 6", json!(6)),
        ("x: { if (true) break x; return }\nreturn 7", json!(7)),
        ("do return 8; while (0)", json!(8)),
        ("return/* c */9// d", json!(9)),
        ("return yes()\nfunction yes() { return 10 }", json!(10)),
        ("try { throw 1 } catch { return 11 }", json!(11)),
    ];
    for (body, value) in cases {
        let played = Play::new(body).play_ok();
        let Finish::Returned { value: text, .. } = &played.finish else {
            panic!("{body}: {:?}", played.finish)
        };
        let got = text.as_deref().map_or(json!(null), |text| serde_json::from_str(text).unwrap());
        assert_eq!(got, value, "{body}");
    }
}

#[test]
fn undefined_is_told_from_null() {
    let value = |body: &str| match Play::new(body).play_ok().finish {
        Finish::Returned { value, .. } => value,
        other => panic!("{other:?}"),
    };
    assert_eq!(value("log('x')"), None);
    assert_eq!(value("return null").as_deref(), Some("null"));
    assert_eq!(value("return ''").as_deref(), Some("\"\""));
}

#[test]
fn a_long_result_is_cut() {
    let Finish::Returned { value: Some(value), .. } =
        Play::new("return 'é'.repeat(100000)").play_ok().finish
    else {
        panic!()
    };
    assert!(value.len() <= 64 << 10 && value.len() > 65_000);
}

#[test]
fn a_result_without_json_is_noted() {
    let played = Play::new("const a = {}; a.a = a; return a").play_ok();
    assert!(matches!(played.finish, Finish::Returned { value: None, line: Some(2) }));
    assert_eq!(played.notes.warnings[0].code, "script::result");
}

#[test]
fn throws_have_their_place() {
    let cases = [
        ("const r = null\nreturn r.map(x => x)", "TypeError", 3, 8),
        ("function f() {\n  throw new RangeError('r')\n}\nf()", "RangeError", 3, 13),
        ("await agent('x'); undefinedName", "ReferenceError", 2, 19),
    ];
    for (body, expected, line, column) in cases {
        let Finish::Threw { name, place, .. } = Play::new(body).play_ok().finish else {
            panic!("{body}")
        };
        let place = place.unwrap();
        assert_eq!((name.as_str(), place.line), (expected, line), "{body}");
        assert!(place.column.abs_diff(column) <= 2, "{body}: {place:?}");
    }
}

#[test]
fn anything_can_be_thrown() {
    let cases = [
        ("throw 'text'", "string", "text"),
        ("throw 7", "number", "7"),
        ("throw null", "null", "null"),
        ("throw undefined", "undefined", "undefined"),
        ("throw { message: 'm' }", "object", "m"),
        ("throw { toString() { throw 1 } }", "object", ""),
        ("class E extends Error { name = 'Own' }; throw new E('e')", "Own", "e"),
        ("throw new Proxy({}, { get() { throw 1 } })", "object", ""),
        (
            "throw Object.defineProperty(new Error('x'), 'message', { get() { throw 2 } })",
            "Error",
            "",
        ),
    ];
    for (body, name, message) in cases {
        let Finish::Threw { name: got, message: text, .. } = Play::new(body).play_ok().finish
        else {
            panic!("{body}")
        };
        assert_eq!((got.as_str(), text.as_str()), (name, message), "{body}");
    }
}

#[test]
fn what_can_never_settle_is_stuck() {
    for body in [
        "await new Promise(() => {})",
        "await { then() {} }",
        "await agent('x'); await new Promise(() => {})",
        "await parallel([() => new Promise(() => {})])",
    ] {
        assert_eq!(Play::new(body).play_ok().finish, Finish::Stuck, "{body}");
    }
}

#[test]
fn logs_are_kept_in_order_and_capped() {
    let body = "log('a'); console.log('b', 1, { c: [1] }); console.warn(null, undefined); log(new Error('e')); log(Symbol.iterator.description)";
    let played = Play::new(body).play_ok();
    assert_eq!(
        played.notes.logs,
        ["a", "b 1 {\"c\":[1]}", "null undefined", "Error: e", "Symbol.iterator"]
    );
    let many = Play::new("for (let i = 0; i < 600; i++) log('l' + i)").play_ok();
    assert_eq!(many.notes.logs.len(), 500);
    assert_eq!(many.notes.logs[499], "l599");
    let long = Play::new("log('x'.repeat(1e6))").play_ok();
    assert!(long.notes.logs[0].len() < 10_000);
}

#[test]
fn phases_are_noted_once_in_order() {
    let played = Play::new("phase('B'); phase('A'); phase('B'); phase(3)").play_ok();
    assert_eq!(played.notes.phases, ["B", "A", "3"]);
}

#[test]
fn keys_of_args_are_noted_as_read() {
    let play =
        Play::new("const { b } = args; return [args.a, args.missing?.x, b, 'c' in args, args.a]");
    let played = play.args(r#"{"a":1,"b":2,"c":3}"#).play_ok();
    assert_eq!(played.notes.args_read, ["b", "a", "missing", "c"]);
    assert!(played.notes.args_touched);
    let untouched = Play::new("return 1").args(r#"{"a":1}"#).play_ok();
    assert!(!untouched.notes.args_touched && untouched.notes.args_read.is_empty());
    let absent = Play::new("return args?.x ?? 1").play_ok();
    assert!(absent.notes.args_touched && absent.notes.args_read.is_empty());
    let whole = Play::new("return JSON.stringify(args)").args(r#"{"a":1,"b":2}"#).play_ok();
    assert_eq!(whole.notes.args_read, ["a", "b"]);
}

#[test]
fn swallowed_throws_are_counted_with_the_first() {
    let body = "await parallel([1, 2, 3].map(i => async () => {\n const r = await agent('x' + i)\n return r.findings.length\n}))";
    let played = Play::new(body).play(|call| match &*call.prompt {
        "x1" => text("no findings"),
        _ => Outcome::Null,
    });
    let swallowed = played.notes.swallowed.unwrap();
    assert_eq!(swallowed.count, 3);
    assert!(swallowed.first.starts_with("TypeError: "), "{}", swallowed.first);
    assert_eq!(swallowed.place.unwrap().line, 4);
    assert_eq!(played.notes.failures.len(), 3);
}

#[test]
fn failures_are_capped() {
    let body = "await parallel(Array.from({ length: 300 }, () => () => { throw new Error('x'.repeat(1e5)) }))";
    let notes = Play::new(body).play_ok().notes;
    assert_eq!(notes.failures.len(), 100);
    assert!(notes.failures[0].len() < 10_000);
    assert_eq!(notes.swallowed.unwrap().count, 300);
}

#[test]
fn the_same_answers_give_the_same_record() {
    let body = "const m = new Map(Object.entries({ z: 1, a: 2 })); const r = await parallel([...m.keys()].map(k => () => agent(k)))
         log(JSON.stringify(r)); return { r, keys: Object.keys(globalThis).length }";
    let run = || {
        let played = Play::new(body).play(|call| text(&call.prompt));
        (played.finish, played.notes, played.calls)
    };
    assert_eq!(run(), run());
}
