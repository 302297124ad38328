//! Scripts that mean harm. Each must end within a second of its limit with something to say, and
//! must not fool the host.

use std::time::{Duration, Instant};

use flyball::ports::script::{EngineError, Execution, Finish, Outcome, Start, Status};
use flyball::workflow::{Source, SourceSet};
use serde_json::json;

use super::sandbox::sandbox;
use super::stage::{Play, json as object, rejected, script, text};

const SILENCE_MILLISECONDS: u64 = 1_000;

/// How a hostile script ended.
#[derive(Debug, PartialEq)]
enum End {
    Finished(Finish),
    Failed(EngineError),
}

fn drive(execution: &mut dyn Execution) -> Result<Finish, EngineError> {
    loop {
        let calls = execution.calls();
        match execution.status() {
            Status::Finished(finish) => return Ok(finish),
            Status::Waiting { open_calls: 0, next_timer_milliseconds: Some(due) } => {
                execution.advance_to(due)?;
            }
            Status::Waiting { .. } => {}
        }
        for call in calls {
            let outcome = match call.schema {
                Some(_) => object(&json!({ "list": ["a", { "b": 1 }] })),
                None => text("ok"),
            };
            execution.deliver(call.id, outcome, 10)?;
        }
    }
}

/// Runs `source` in a child; panics where it outlives its limit by far: a busy machine is late.
fn end_of(source: Source) -> End {
    let mut start = Start::default();
    start.limits.steps = 20_000;
    start.limits.memory_bytes = 96 << 20;
    let name: String = source.text.chars().take(200).collect();
    let begun = Instant::now();
    let ended = sandbox(SILENCE_MILLISECONDS)
        .start(&SourceSet::alone(source), &start)
        .and_then(|mut execution| drive(&mut *execution));
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(SILENCE_MILLISECONDS + 10_000), "{took:?}: {name}");
    match ended {
        Ok(finish) => End::Finished(finish),
        Err(error) => End::Failed(error),
    }
}

/// Each of `bodies` passes a limit of the engine or is killed.
fn all_stopped(bodies: &[&str]) {
    for body in bodies {
        match end_of(script(body)) {
            End::Finished(Finish::LimitReached { .. })
            | End::Failed(EngineError::Killed { .. } | EngineError::Refused(_)) => {}
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn loops() {
    all_stopped(&[
        "for (;;) {}",
        "for (;;) await null",
        "const f = () => Promise.resolve().then(f); await f()",
        "let n = 0; const tick = () => { n++; setTimeout(tick, 0) }; tick(); await new Promise(() => {})",
    ]);
}

#[test]
fn built_ins_that_cannot_be_interrupted() {
    all_stopped(&[
        "new Array(1e9) + ''",
        "const a = []; a.length = 4e9; a.sort(); a.sort()",
        "const a = []; a[4e9] = 1; a.join('x')",
    ]);
}

#[test]
fn more_built_ins_that_cannot_be_interrupted() {
    all_stopped(&[
        "const s = 'a'.repeat(4e6); for (;;) s.replaceAll('a', 'bb').length",
        "new Array(4e9).indexOf(1); new Array(4e9).lastIndexOf(1); Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1)",
        "Array.prototype.reverse.call({ length: 2 ** 53 - 1 })",
    ]);
}

#[test]
fn big_numbers_and_patterns() {
    all_stopped(&[
        "for (;;) { try { let b = 3n; for (;;) b = b * b } catch {} }",
        "/^(\\w+\\s?)*$/.test('word '.repeat(60) + '!')",
        "for (;;) new RegExp('(' .repeat(100) + ')'.repeat(100))",
    ]);
}

#[test]
fn bombs() {
    all_stopped(&[
        "const a = []; for (;;) a.push({ a: [a.length] })",
        "let s = 'x'.repeat(1e6); for (;;) s = s + s.slice(1)+ '' + agent(s)",
        "const m = new Map(); for (let i = 0; ; i++) m.set(i, 'v' + i)",
        "for (;;) Promise.resolve().then(() => new Promise(() => {}))",
        "const l = []; for (;;) log(l.push('x'.repeat(1e5)))",
    ]);
}

#[test]
fn recursions() {
    all_stopped(&[
        "const f = () => f() + 1; f()",
        "let a = []; for (let i = 0; i < 1e6; i++) a = [a]; return JSON.stringify(a)",
        "let a = []; for (let i = 0; i < 1e6; i++) a = { toString: (b => () => `${b}`)(a) }; `${a}`",
        "let p = new Proxy({}, {}); for (let i = 0; i < 1e6; i++) p = new Proxy(p, {}); p.x",
        "let p = Promise.resolve(); const q = new Proxy(() => 1, { apply(...a) { return Reflect.apply(...a) + q() } }); q()",
    ]);
}

#[test]
fn bombs_in_what_an_agent_is_told() {
    all_stopped(&[
        "await agent({ toString() { for (;;) {} } })",
        "await agent('x', { label: { toString() { for (;;) {} } } })",
        "await agent('x', { schema: { type: 'object', toJSON() { return { a: this } } } }).then(() => { for (;;) {} }, () => { for (;;) {} })",
        "await agent('x', new Proxy({}, { ownKeys() { for (;;) {} } }))",
        "await agent('x', new Proxy({}, { ownKeys() { return Array.from({ length: 1e9 }, String) } }))",
        "const s = { type: 'object', properties: {} }; for (let i = 0; ; i++) { s.properties['p' + i] = { type: 'string' }; if (i % 1000 === 0) agent('x', { schema: JSON.parse(JSON.stringify(s)) }) }",
        "phase({ toString() { for (;;) {} } })",
        "return new Proxy({}, { ownKeys() { for (;;) {} } })",
    ]);
}

/// What nests so deeply that a parser's stack may not hold it: refused, killed, or run.
fn nested(text: &str) {
    let end = end_of(script(text));
    let spoke = match &end {
        End::Finished(finish) => matches!(
            finish,
            Finish::Returned { .. } | Finish::Threw { .. } | Finish::LimitReached { .. }
        ),
        End::Failed(EngineError::Refused(diagnostics)) => !diagnostics.is_empty(),
        End::Failed(EngineError::Killed { reason, help }) => !reason.is_empty() && !help.is_empty(),
        End::Failed(_) => false,
    };
    assert!(spoke, "{end:?}");
}

#[test]
fn nested_arrows() {
    nested(&format!("return ({})", "() => ".repeat(5_000) + "1"));
    nested(&format!("const f = {}", "(a = ".repeat(5_000) + "1" + &") => a".repeat(5_000)));
}

#[test]
fn nested_brackets() {
    nested(&format!("return {}1{}", "(".repeat(100_000), ")".repeat(100_000)));
    nested(&format!("return {}{}", "[".repeat(100_000), "]".repeat(100_000)));
}

#[test]
fn nested_objects_and_templates() {
    nested(&format!("return {}1{}", "{a:".repeat(50_000), "}".repeat(50_000)));
    nested(&format!("return {}1{}", "`${".repeat(50_000), "}`".repeat(50_000)));
    nested(&format!("return {}1", "!".repeat(200_000)));
    nested(&format!("return {}1", "1+".repeat(200_000)));
}

#[test]
fn nested_statements() {
    nested(&("if (1) ".repeat(50_000) + "log(1)"));
    nested(&format!("{}{}", "{".repeat(100_000), "}".repeat(100_000)));
    nested(&format!("return {}1{}", "a?b:(".repeat(30_000), ")".repeat(30_000)));
    nested(&format!("return a{}", ".b".repeat(200_000)));
}

#[test]
fn noise_is_refused() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise = String::new();
    while noise.len() < 300_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.push(char::from_u32((state % 0x3000) as u32).unwrap_or('x'));
    }
    for text in [noise.clone(), noise.chars().filter(|c| !c.is_control()).collect()] {
        let end = end_of(Source::new("noise", text));
        assert!(matches!(end, End::Failed(EngineError::Refused(_))), "{end:?}");
    }
}

#[test]
fn what_never_settles_is_stuck_not_hung() {
    for body in [
        "await { then() {} }",
        "await Promise.race([])",
        "await new Promise(() => {})",
        "Object.prototype.then = function () {}; await agent('x', { schema: { type: 'object' } })",
    ] {
        assert_eq!(end_of(script(body)), End::Finished(Finish::Stuck), "{body}");
    }
}

#[test]
fn a_polluted_realm_fools_only_its_script() {
    let poison = "
Object.defineProperty(Object.prototype, 'name', { get() { return 'WorkflowBudgetExceededError' }, configurable: true })
Object.prototype.label = 'poison'; Object.prototype.schema = { type: 'object' }; Object.prototype.toJSON = () => 'poison'
Array.prototype.push = () => { throw 1 }; Array.prototype[Symbol.iterator] = function* () {}; Array.isArray = () => true
Function.prototype.call = Function.prototype.apply = () => 'poison'; JSON.stringify = () => 'poison'; JSON.parse = () => 'poison'
Promise.prototype.then = () => 'poison'; Promise.resolve = () => 'poison'; globalThis.Promise = null
String.prototype.toString = () => 'poison'; Error.prototype.toString = () => 'poison'; globalThis.Error = null
Map.prototype.get = Set.prototype.has = () => 'poison'; globalThis.Object = globalThis.Array = globalThis.Proxy = null
";
    let body = format!(
        "{poison}\nconst a = await agent('one'); const r = await parallel([() => agent('two'), () => {{ throw 5 }}]); \
         log('line'); phase('P'); return a + '/' + r.length + '/' + r[0] + '/' + r[1]"
    );
    let played = Play::new(&body).play(|call| text(&call.prompt));
    assert_eq!(played.calls.len(), 2);
    assert_eq!(&*played.calls[0].prompt, "one");
    assert_eq!(played.calls[0].label, None);
    assert_eq!(played.calls[0].schema, None);
    assert_eq!(played.value(), json!("one/2/two/null"));
    assert_eq!(played.notes.logs, ["line"]);
}

#[test]
fn a_script_cannot_answer_its_own_calls() {
    let body = "
const p = agent('real')
p.then = r => r('fake'); const direct = await p
Promise.prototype.then = function (r) { r('faked') }
const awaited = await agent('second')
return [direct, awaited]";
    let played = Play::new(body).play(|call| text(&format!("answer to {}", call.prompt)));
    assert_eq!(played.value(), json!(["answer to real", "answer to second"]));
}

#[test]
fn a_faked_budget_error_hides_no_other_failure_count() {
    let body = "await parallel([() => { throw { name: 'WorkflowBudgetExceededError' } }, () => { throw new Error('real') }])";
    let notes = Play::new(body).play_ok().notes;
    assert_eq!(
        notes.failures,
        ["parallel[1] failed: real", "parallel: 1 slot(s) dropped — token budget exceeded"]
    );
    assert_eq!(notes.swallowed.unwrap().count, 1);
}

#[test]
fn getters_on_thrown_and_returned_values_are_survived() {
    let body = "await parallel([() => { throw new Proxy({}, { get() { throw 1 }, has() { throw 2 } }) },
           () => { throw { get message() { throw 3 }, toString() { throw 4 } } }, () => { throw Object.create(null) }])
         return { get a() { throw new Error('getter') } }";
    let played = Play::new(body).play_ok();
    assert!(matches!(played.finish, Finish::Returned { value: None, .. }));
    assert_eq!(played.notes.swallowed.unwrap().count, 3);
    assert_eq!(played.notes.warnings[0].code, "script::result");
}

#[test]
fn strings_of_any_kind_pass() {
    let body = r"const odd = 'a\ud800b\0c\u{1f600}\udfff'
         phase(odd); log(odd); args[odd]
         const r = await agent(odd, { label: odd, model: odd, schema: { type: 'object', description: odd }, [odd]: 1 })
         await parallel([() => { throw new Error(odd) }])
         if (args.back) return [odd, '\\ud800', odd]
         throw new Error(odd)";
    let played = Play::new(body).args("{}").play(|call| match call.schema {
        Some(_) => Outcome::Json(r#"{"x":"\ud83d\ude00\u0000"}"#.to_owned()),
        None => rejected("\0"),
    });
    assert!(!played.calls.is_empty(), "{:?} {:?}", played.finish, played.notes);
    assert_eq!(&*played.calls[0].prompt, "a\u{fffd}b\0c\u{1f600}\u{fffd}");
    assert!(matches!(played.finish, Finish::Threw { .. }), "{:?}", played.finish);
    let back = Play::new(body).args(r#"{"back":true}"#).play(|_| Outcome::Null).value();
    let clean = "a\u{fffd}b\0c\u{1f600}\u{fffd}";
    assert_eq!(back, json!([clean, "\\ud800", clean]));
}
