//! `workflow(nameOrRef, args)`.

use flyball::ports::script::Finish;
use flyball::workflow::{FoundIn, FoundWorkflow, WorkflowRegistry};
use serde_json::json;

use super::stage::{Play, text};

fn child(name: &str, path: &str, found_in: FoundIn, body: &str) -> FoundWorkflow {
    FoundWorkflow {
        meta_name: Some(name.to_owned()),
        path: path.to_owned(),
        found_in,
        text: format!("export const meta = {{ name: '{name}', description: 'd' }}\n{body}"),
    }
}

fn play(body: &str, found: Vec<FoundWorkflow>) -> Play {
    let mut play = Play::new(body);
    play.sources.registry = WorkflowRegistry { found };
    play
}

fn project(name: &str, body: &str) -> FoundWorkflow {
    let path = format!(".claude/workflows/{name}.js");
    child(name, &path, FoundIn::Project { levels_up: 0 }, body)
}

#[test]
fn a_child_gets_its_args_and_gives_its_result() {
    let found = vec![project(
        "kid",
        "return { got: args, own: typeof meta, t: await agent('in ' + args.topic) }",
    )];
    let play = play(
        "return [await workflow('kid', { topic: 'tea' }), \
                 await workflow({ scriptPath: './.claude/workflows/kid.js' }, { topic: 'x' })]",
        found,
    )
    .args(r#"{"topic":"mine"}"#);
    let played = play.play(|call| text(&call.prompt));
    assert_eq!(
        played.value(),
        json!([
            { "got": { "topic": "tea" }, "own": "undefined", "t": "in tea" },
            { "got": { "topic": "x" }, "own": "undefined", "t": "in x" }
        ])
    );
    assert!(played.calls.iter().all(|call| call.child_workflow.as_deref() == Some("kid")));
    assert_eq!(played.calls[0].phase.as_deref(), Some("▸ kid"));
    assert_eq!(played.calls[0].line, Some(2));
    assert_eq!(played.notes.args_read, Vec::<String>::new());
}

#[test]
fn a_child_without_args_sees_undefined() {
    let play = play("return await workflow('kid')", vec![project("kid", "return typeof args")]);
    assert_eq!(play.args(r#"{"a":1}"#).value(), json!("undefined"));
}

#[test]
fn phases_of_parent_and_child_do_not_mix() {
    let found = vec![project("kid", "phase('Inner'); await agent('kid')")];
    let played = play(
        "phase('Outer'); const w = workflow('kid'); await agent('main'); await w; await agent('after')",
        found,
    )
    .play_ok();
    let mut phases: Vec<_> = played
        .calls
        .iter()
        .map(|call| (call.prompt.to_string(), call.phase.as_deref().unwrap_or("").to_owned()))
        .collect();
    phases.sort();
    let expected = [("after", "Outer"), ("kid", "Inner"), ("main", "Outer")];
    let expected = expected.map(|(prompt, phase)| (prompt.to_owned(), phase.to_owned()));
    assert_eq!(phases, expected);
}

#[test]
fn children_share_counter_cap_and_budget() {
    let found = vec![project("kid", "await agent('x'); return [budget.total, budget.spent()]")];
    let body = "await agent('a'); const inner = await workflow('kid')
         return [inner, budget.spent(), await agent('b').catch(e => e.name)]";
    let value = play(body, found).budget(10_000, 0).limits(|limits| limits.agents = 2).value();
    assert_eq!(value, json!([[10_000, 200], 200, "WorkflowAgentCapError"]));
}

#[test]
fn nesting_ends_at_one_level() {
    let found = vec![
        project("outer", "try { return await workflow('inner') } catch (e) { return e.message }"),
        project("inner", "return 1"),
    ];
    let message = "workflow() cannot be called from within a child workflow — nesting is limited to \
                   one level. Inline the inner script or call its agents directly.";
    assert_eq!(play("return await workflow('outer')", found).value(), json!(message));
}

#[test]
fn what_is_not_found_is_catchable_and_noted() {
    let found = vec![project("b", "return 1"), project("a", "return 1")];
    let body = "const say = e => e.message
         return [await workflow('X').catch(say), await workflow({ scriptPath: '/no/x.js' }).catch(say),
                 await workflow(7).catch(e => e.name)]";
    let played = play(body, found).play_ok();
    assert_eq!(
        played.value(),
        json!([
            "workflow('X'): no workflow with that name. Available: a, b",
            "Workflow script file not found: /no/x.js",
            "TypeError"
        ])
    );
    assert_eq!(played.notes.workflows_missing, ["X", "/no/x.js"]);
}

#[test]
fn what_a_child_throws_reaches_the_parent() {
    let found = vec![project("bad", "null.x"), project("worse", "const x = ;")];
    let body = "const a = await workflow('bad').catch(e => e.name)
         const b = await workflow('worse').catch(e => e.message)
         return [a, b.includes('syntax error')]";
    assert_eq!(play(body, found).value(), json!(["TypeError", true]));
}

#[test]
fn a_child_may_declare_what_is_a_global_elsewhere() {
    let found =
        vec![project("kid", "const agent = 1, args = 2, phase = 3; return agent + args + phase")];
    assert_eq!(play("return await workflow('kid')", found).value(), json!(6));
}

#[test]
fn names_resolve_nearest_first() {
    let body = |text: &str| format!("return '{text}'");
    let found = vec![
        child("w", "/home/.claude/workflows/w.js", FoundIn::Personal, &body("personal")),
        child(
            "w",
            "/repo/.claude/workflows/w.js",
            FoundIn::Project { levels_up: 2 },
            &body("root"),
        ),
        child(
            "w",
            "/repo/a/.claude/workflows/w.js",
            FoundIn::Project { levels_up: 1 },
            &body("near"),
        ),
        child("w", "/p/w.js", FoundIn::Plugin { plugin: "plug".to_owned() }, &body("plugin")),
        child("hidden", "/p/h.js", FoundIn::Path, &body("path")),
    ];
    let script = "return [await workflow('w'), await workflow('plug:w'),
           await workflow('hidden').catch(() => 'none'), await workflow({ scriptPath: '/p/h.js' })]";
    assert_eq!(play(script, found).value(), json!(["near", "plugin", "none", "path"]));
}

#[test]
fn a_throw_is_placed_in_the_child_it_came_from() {
    let kid = |name: &str, body: &str| project(name, body);
    let found = || {
        vec![
            kid("fine", "return 1"),
            kid("early", "const n = null; n.map(x => x)"),
            kid("late", "await agent('a')\nconst deep = x => x.none.some\nreturn deep({})"),
        ]
    };
    let place = |body: &str| match play(body, found()).play_ok().finish {
        Finish::Threw { place, .. } => place.unwrap(),
        other => panic!("{other:?}"),
    };
    let early = place("return await workflow('early')");
    assert_eq!(early.file.as_deref(), Some(".claude/workflows/early.js"));
    assert_eq!(early.line, 2);
    // The hooks that stand before a body on its first line do not move its columns.
    let column = early.column as usize;
    let line = "const n = null; n.map(x => x)";
    assert!(
        line.get(column - 1..).is_some_and(|at| at.starts_with("map") || at.starts_with("n.")),
        "{early:?}"
    );
    let late = place("await workflow('fine'); return await workflow('late')");
    assert_eq!((late.file.as_deref(), late.line), (Some(".claude/workflows/late.js"), 3));
    assert!(late.offset > 0);
    let own = place("await workflow('fine')\nthrow new Error('mine')");
    assert_eq!((own.file, own.line), (None, 3));
}

#[test]
fn what_is_noticed_in_a_child_is_placed_there() {
    let found = vec![project("kid", "return await agent('a', {\n  colour: 'red' })")];
    let mut script = play("return await workflow('kid')", found);
    script.sources.registry.found.insert(0, project("other", "return 1"));
    let notes = script.play_ok().notes;
    let [warning] = &notes.warnings[..] else { panic!("{:?}", notes.warnings) };
    let place = warning.place.as_ref().unwrap();
    assert_eq!((place.file.as_deref(), place.line), (Some(".claude/workflows/kid.js"), 2));

    let throws = "return await parallel([() => { throw new Error('lost') }])";
    let swallowed = play("return await workflow('kid')", vec![project("kid", throws)]);
    let swallowed = swallowed.play_ok().notes.swallowed.unwrap();
    let place = swallowed.place.unwrap();
    assert_eq!((place.file.as_deref(), place.line), (Some(".claude/workflows/kid.js"), 2));
}
