//! Limits that hold inside one process, whatever the script catches.

use flyball::ports::script::{Finish, Limits};

use super::stage::{Play, text};

fn finish(body: &str, change: impl FnOnce(&mut Limits)) -> Finish {
    Play::new(body).limits(change).play(|_| text("ok")).finish
}

fn reached(limit: &str) -> Finish {
    Finish::LimitReached { limit: limit.to_owned() }
}

#[test]
fn loops_end_at_the_step_limit() {
    let loops = [
        "for (;;) {}",
        "await null; for (;;) {}",
        "for (;;) await null",
        "const f = () => Promise.resolve().then(f); await f()",
        "const f = () => queueMicrotask(f); f(); await new Promise(() => {})",
        "for (;;) { try { for (;;) {} } catch {} }",
        "try { for (;;) {} } finally { for (;;) {} }",
        "await parallel([async () => { for (;;) {} }])",
        "await agent({ toString() { for (;;) {} } })",
        "await agent('x', { get label() { for (;;) {} } })",
        "await agent('x', { schema: { toJSON() { for (;;) {} } } })",
        "return { toJSON() { for (;;) {} } }",
        "throw { get message() { for (;;) {} } }",
        "log(Object.assign(() => 1, { toString() { for (;;) {} } }))",
        "await { then(r) { for (;;) {} } }",
        "function f() { setTimeout(f, 1) } f(); await new Promise(() => {})",
        "await parallel(new Proxy([], { get(t, k) { for (;;) {} } }))",
        "/(a+)+$/.test('a'.repeat(40) + 'b')",
        "const it = { [Symbol.iterator]() { return { next() { return { done: false } } } } }; for (const x of it) {}",
    ];
    for body in loops {
        assert_eq!(finish(body, |limits| limits.steps = 60), reached("steps"), "{body}");
    }
}

#[test]
fn steps_are_counted_the_same_each_time() {
    let body = "let n = 0; for (let i = 0; i < 1e6; i++) { n += i } return n";
    let passes =
        |steps: u64| matches!(finish(body, |limits| limits.steps = steps), Finish::Returned { .. });
    let (mut too_few, mut enough) = (1, 4_000);
    while enough - too_few > 1 {
        let middle = u64::midpoint(too_few, enough);
        if passes(middle) { enough = middle } else { too_few = middle }
    }
    for _ in 0..3 {
        assert!(!passes(too_few) && passes(enough));
    }
}

#[test]
fn memory_cannot_be_passed_or_the_passing_hidden() {
    let bombs = [
        "const a = []; for (;;) a.push('x'.repeat(1000) + a.length)",
        "for (;;) { try { const a = []; for (;;) a.push(new Array(1000).fill(1)) } catch {} }",
        "let s = 'x'; for (let i = 0; i < 29; i++) s += s; await agent(s); return 'survived'",
        "try { 'x'.repeat(2 ** 29) } catch { return 'survived' }",
        "const p = []; for (;;) p.push(agent('x'.repeat(1e6)))",
        "for (;;) setTimeout(() => {}, 1e6)",
        "await agent('x'.repeat(3e7)); return 1",
        "const o = {}; for (let i = 0; ; i++) o['k' + i] = i",
    ];
    for body in bombs {
        let finish = finish(body, |limits| limits.memory_bytes = 24 << 20);
        assert_eq!(finish, reached("memory"), "{body}");
    }
}

#[test]
fn prompts_are_let_go_when_answered() {
    let body = "for (let i = 0; i < 40; i++) await agent('x'.repeat(1e6) + i); return 'done'";
    let finish = finish(body, |limits| limits.memory_bytes = 24 << 20);
    assert!(matches!(finish, Finish::Returned { .. }), "{finish:?}");
}

#[test]
fn recursion_is_a_throw_that_names_the_stack_when_uncaught() {
    let caught = "function f() { return f() + 1 } try { f() } catch (e) { return e.name }";
    assert_eq!(Play::new(caught).value(), serde_json::json!("RangeError"));
    assert_eq!(finish("function f() { return f() + 1 } f()", |_| ()), reached("stack"));
    let through_json =
        "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return JSON.stringify(a).length";
    let deep = finish(through_json, |_| ());
    assert_eq!(deep, reached("stack"));
}

#[test]
fn a_bomb_in_an_option_costs_only_its_script() {
    let body = "const big = 'x'.repeat(5e6)
         return await agent('p', { label: big, phase: big, model: big }).then(() => 1)";
    let finish = finish(body, |limits| limits.memory_bytes = 64 << 20);
    assert!(matches!(finish, Finish::Returned { .. }), "{finish:?}");
}
