//! The realm: what is there, what is not, what is replaced.

use flyball::ports::script::{Finish, Status};
use serde_json::json;

use super::stage::Play;

const CLOCK: &str = "Date.now() / new Date() are unavailable in workflow scripts (breaks resume). \
                     Stamp results after the workflow returns, or pass timestamps via args.";
const DICE: &str = "Math.random() is unavailable in workflow scripts (breaks resume). For N \
                    independent samples, include the index in the agent label or prompt.";

#[test]
fn clock_and_dice_throw() {
    for (call, message) in
        [("Date.now()", CLOCK), ("new Date()", CLOCK), ("Date()", CLOCK), ("Math.random()", DICE)]
    {
        let body = format!("try {{ return {call} }} catch (e) {{ return e.message }}");
        assert_eq!(Play::new(&body).value(), json!(message), "{call}");
    }
}

#[test]
fn dates_of_given_instants_work() {
    let body = "const d = new Date(1700000000000)
         class Day extends Date { label() { return this.toISOString().slice(0, 10) } }
         return [d.getUTCFullYear(), d instanceof Date, d.constructor === Date, Date.parse('2026-01-02T00:00:00Z'),
                 Date.UTC(2020, 0), new Day(0).label(), new Date(2020, 5).getTime() > 0, JSON.stringify(d),
                 Object.prototype.toString.call(d), typeof Date, Date.length, Date.name]";
    assert_eq!(
        Play::new(body).value(),
        json!([
            2023,
            true,
            true,
            1_767_312_000_000_u64,
            1_577_836_800_000_u64,
            "1970-01-01",
            true,
            "\"2023-11-14T22:13:20.000Z\"",
            "[object Date]",
            "function",
            7,
            "Date"
        ])
    );
}

#[test]
fn what_the_client_lacks_is_lacking() {
    let names = [
        "require",
        "process",
        "fetch",
        "TextEncoder",
        "Buffer",
        "atob",
        "structuredClone",
        "performance",
        "crypto",
        "setInterval",
        "meta",
        "module",
        "exports",
        "navigator",
        "window",
        "Deno",
        "Bun",
        "__dirname",
    ];
    for name in names {
        let body = format!("return typeof {name}");
        assert_eq!(Play::new(&body).value(), json!("undefined"), "{name}");
    }
}

#[test]
fn what_the_client_has_is_there() {
    let functions = [
        "agent",
        "parallel",
        "pipeline",
        "phase",
        "log",
        "workflow",
        "setTimeout",
        "clearTimeout",
        "Map",
        "Set",
        "WeakMap",
        "Promise",
        "Proxy",
        "Symbol",
        "BigInt",
        "RegExp",
        "parseInt",
        "encodeURIComponent",
    ];
    for name in functions {
        let body = format!("return typeof {name}");
        assert_eq!(Play::new(&body).value(), json!("function"), "{name}");
    }
    assert_eq!(
        Play::new("return [typeof console, typeof budget]").value(),
        json!(["object", "object"])
    );
    let binary = "return [new Uint8Array(3).length, new DataView(new ArrayBuffer(8)).byteLength]";
    assert_eq!(Play::new(binary).value(), json!([3, 8]));
}

#[test]
fn code_from_strings_is_off() {
    let tries = [
        "eval('1')",
        "(0, eval)('1')",
        "new Function('return 1')()",
        "Function('return 1')()",
        "(() => {}).constructor('return 1')()",
        "(async () => {}).constructor('return 1')()",
        "(function* () {}).constructor('yield 1')()",
    ];
    for code in tries {
        let body = format!("try {{ {code}; return 'ran' }} catch (e) {{ return 'threw' }}");
        assert_eq!(Play::new(&body).value(), json!("threw"), "{code}");
    }
}

#[test]
fn the_body_is_a_strict_async_function() {
    let played = Play::new("undeclared = 1").play_ok();
    let Finish::Threw { name, place, .. } = played.finish else { panic!() };
    assert_eq!(name, "ReferenceError");
    assert_eq!(place.unwrap().line, 2);
    assert_eq!(Play::new("return typeof this").value(), json!("undefined"));
    assert_eq!(Play::new("const x = await Promise.resolve(3)\nreturn x").value(), json!(3));
    assert_eq!(Play::new("for await (const x of [1, 2]) if (x > 1) return x").value(), json!(2));
}

#[test]
fn the_language_is_modern() {
    let body = r"const re = /(?<file>[^:]+):(?<line>\d+)/u
         function* gen() { yield* [1, 2] }
         class A { #p = 1; static s = 2; get p() { return this.#p } }
         const o = { a: { b: null } }
         return [re.exec('a.rs:12').groups.line, [...gen()], new A().p + A.s, o?.a?.b?.c ?? 'none',
           [3, 1, 2].toSorted(), Object.groupBy([1, 2, 3], n => n % 2 ? 'odd' : 'even'),
           [1, [2, [3]]].flat(Infinity), 'a-b'.replaceAll('-', '+'), [1, 2, 3].at(-1), 1_000,
           [...new Set([1, 1, 2])], Object.fromEntries(new Map([['k', 1]])), 'x'.padStart(3, '.')]";
    assert_eq!(
        Play::new(body).value(),
        json!([
            "12", [1, 2], 3, "none", [1, 2, 3], { "odd": [1, 3], "even": [2] }, [1, 2, 3], "a+b",
            3, 1000, [1, 2], { "k": 1 }, "..x"
        ])
    );
}

#[test]
fn args_arrive_verbatim() {
    assert_eq!(Play::new("return typeof args").value(), json!("undefined"));
    let body = "return [typeof args, typeof args === 'string' ? JSON.parse(args) : args]";
    let object = r#"{"list":["a","b"],"n":2,"deep":{"x":null}}"#;
    let value: serde_json::Value = serde_json::from_str(object).unwrap();
    assert_eq!(Play::new(body).args(object).value(), json!(["object", value]));
    assert_eq!(Play::new(body).args_text(object).value(), json!(["string", value]));
    assert_eq!(Play::new("return args").args("[1,2]").value(), json!([1, 2]));
    assert_eq!(Play::new("return args").args("0").value(), json!(0));
    assert_eq!(Play::new("return [args, args === null]").args("null").value(), json!([null, true]));
}

#[test]
fn args_behave_like_plain_data() {
    let body = "const { a, ...rest } = args
         const copy = { ...args, z: 1 }
         args.added = 5
         delete args.b
         return [JSON.stringify(args), a, rest, copy, Object.keys(args), Object.entries(args).length, 'a' in args,
           Object.hasOwn(args, 'a'), args.hasOwnProperty('nope'), Array.isArray(args), args instanceof Object,
           Object.prototype.toString.call(args), args === args, `${args}`, typeof args, await args === args,
           Object.getOwnPropertyNames(args), args.constructor === Object, args == null,
           Object.isFrozen(Object.freeze(args))]";
    let value = Play::new(body).args(r#"{"a":1,"b":{"c":[1]}}"#).value();
    assert_eq!(
        value,
        json!([
            r#"{"a":1,"added":5}"#, 1, { "b": { "c": [1] } }, { "a": 1, "b": { "c": [1] }, "z": 1 },
            ["a", "added"], 2, true, true, false, false, true, "[object Object]", true,
            "[object Object]", "object", true, ["a", "added"], true, false, true
        ])
    );
    let list = "return [Array.isArray(args), args.map(x => x * 2), args.length, [...args], args instanceof Array]";
    assert_eq!(Play::new(list).args("[1,2]").value(), json!([true, [2, 4], 2, [1, 2], true]));
}

#[test]
fn globals_can_be_shadowed_and_replaced() {
    assert_eq!(
        Play::new("const args = { x: 1 }; const log = 2; return args.x + log").value(),
        json!(3)
    );
    assert_eq!(
        Play::new("let agent = async p => 'mine ' + p; return await agent('x')").value(),
        json!("mine x")
    );
    assert_eq!(Play::new("globalThis.args = { y: 2 }; return args.y").args("{}").value(), json!(2));
    let wrap = "const real = agent; globalThis.agent = p => real('wrapped ' + p); await agent('x')";
    assert_eq!(&*Play::new(wrap).play_ok().calls[0].prompt, "wrapped x");
}

#[test]
fn timers_run_in_virtual_time() {
    let body = "const seen = []
         const sleep = ms => new Promise(r => setTimeout(r, ms))
         setTimeout(x => seen.push(x), 50, 'late'); setTimeout(() => seen.push('soon'), 10)
         const off = setTimeout(() => seen.push('never'), 20); clearTimeout(off); clearTimeout(undefined)
         await sleep(86400000); await sleep(0); await agent('x'); return seen";
    let mut execution = Play::new(body).begin().unwrap();
    let waiting = Status::Waiting { open_calls: 0, next_timer_milliseconds: Some(10) };
    assert_eq!(execution.status(), waiting);
    execution.advance_to(9).unwrap();
    assert_eq!(execution.status(), waiting);
    execution.advance_to(86_400_000).unwrap();
    let waiting = Status::Waiting { open_calls: 0, next_timer_milliseconds: Some(86_400_001) };
    assert_eq!(execution.status(), waiting);
    let played = super::stage::play(&mut *execution, |_| super::stage::text("t"));
    assert_eq!(played.value(), json!(["soon", "late"]));
}

#[test]
fn what_a_timer_throws_reaches_nobody() {
    let body = "setTimeout(() => { throw new Error('lost') }, 5); await new Promise(r => setTimeout(r, 9)); return 1";
    assert_eq!(Play::new(body).value(), json!(1));
}

#[test]
fn a_small_url_stands_in_and_says_so() {
    let body = "const u = new URL('HTTPS://Example.com:443/a/../b?q=1&r=a%20b#h')
         return [u.hostname, u.pathname, u.searchParams.get('r'), u.origin, u.hash, u.port, String(u),
           new URL('/x?y', 'http://h:8080/a/b').href, new URL('c', 'http://h/a/b').pathname,
           URL.canParse('nope'), (() => { try { new URL('nope') } catch (e) { return e.name } })()]";
    let played = Play::new(body).play_ok();
    assert_eq!(
        played.value(),
        json!([
            "example.com",
            "/b",
            "a b",
            "https://example.com",
            "#h",
            "",
            "https://example.com/b?q=1&r=a%20b#h",
            "http://h:8080/x?y",
            "/a/c",
            false,
            "TypeError"
        ])
    );
    assert_eq!(played.notes.warnings[0].code, "script::url");
    assert!(Play::new("return 1").play_ok().notes.warnings.is_empty());
}

#[test]
fn two_executions_share_nothing() {
    use flyball::ports::script::{ScriptProgram, Start};
    let play = Play::new(
        "globalThis.count = (globalThis.count ?? 0) + 1; Array.prototype.x = 1; return count",
    );
    let program = flyball::script::engine::Program::compile(&play.sources).unwrap();
    for _ in 0..3 {
        let mut execution = program.start(&Start::default()).unwrap();
        let played = super::stage::play(&mut *execution, |_| super::stage::text(""));
        assert_eq!(played.value(), json!(1));
    }
}

#[test]
fn programs_start_on_any_thread() {
    use flyball::ports::script::{ScriptProgram, Start};
    let play = Play::new("return await agent('x')");
    let program = flyball::script::engine::Program::compile(&play.sources).unwrap();
    std::thread::scope(|scope| {
        let run = || {
            for _ in 0..20 {
                let mut execution = program.start(&Start::default()).unwrap();
                let played = super::stage::play(&mut *execution, |_| super::stage::text("t"));
                assert_eq!(played.value(), json!("t"));
            }
        };
        let threads = [scope.spawn(run), scope.spawn(run)];
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
