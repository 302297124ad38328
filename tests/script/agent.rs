//! `agent(prompt, opts)`.

use flyball::ports::script::{EngineError, Finish, Outcome, Status};
use serde_json::json;

use super::stage::{Play, json as object, rejected, text};

#[test]
fn options_arrive_as_written() {
    let play = Play::new(
        "phase('Find')
         await agent('one', { label: 'l', model: 'haiku', effort: 'low', agentType: 'Explore', \
          isolation: 'worktree', stallMs: 90000, schema: { type: 'object', properties: {} } })
         await agent('two', { phase: 'Other' })
         await agent('three')",
    );
    let played = play.play_ok();
    let [one, two, three] = &played.calls[..] else { panic!("{:?}", played.calls) };
    assert_eq!(one.id.0, 1);
    assert_eq!(&*one.prompt, "one");
    assert_eq!(one.label.as_deref(), Some("l"));
    assert_eq!(one.phase.as_deref(), Some("Find"));
    assert_eq!(one.model.as_deref(), Some("haiku"));
    assert_eq!(one.effort.as_deref(), Some("low"));
    assert_eq!(one.agent_type.as_deref(), Some("Explore"));
    assert_eq!(one.schema.as_deref(), Some(r#"{"type":"object","properties":{}}"#));
    assert!(one.worktree);
    assert_eq!(one.stall_milliseconds, Some(90_000));
    assert_eq!(one.line, Some(3));
    assert_eq!(two.phase.as_deref(), Some("Other"));
    assert_eq!(two.line, Some(4));
    assert_eq!(three.phase.as_deref(), Some("Find"));
    assert_eq!(three.label, None);
    assert!(!three.worktree);
    assert!(played.notes.warnings.is_empty(), "{:?}", played.notes.warnings);
}

#[test]
fn an_unknown_option_warns_once_and_is_ignored() {
    let played =
        Play::new("for (let i = 0; i < 3; i++) await agent('x', { maxTurns: 3, temperature: 0 })")
            .play_ok();
    let messages: Vec<&str> =
        played.notes.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(
        messages,
        ["agent() ignores the option `maxTurns`", "agent() ignores the option `temperature`"]
    );
    assert_eq!(played.notes.warnings[0].place.as_ref().unwrap().line, 2);
    assert_eq!(played.calls.len(), 3);
}

#[test]
fn a_call_resolves_to_what_the_agent_said() {
    let play = Play::new(
        "const a = await agent('text'), b = await agent('empty')
         const c = await agent('object', { schema: { type: 'object' } }), d = await agent('null')
         return [a, b, c, d, typeof c, d === null]",
    );
    let played = play.play(|call| match &*call.prompt {
        "text" => text("  verbatim\n"),
        "empty" => text(""),
        "object" => object(&json!({ "n": [1, 2] })),
        _ => Outcome::Null,
    });
    assert_eq!(played.value(), json!(["  verbatim\n", "", { "n": [1, 2] }, null, "object", true]));
}

#[test]
fn a_rejection_is_an_ordinary_error() {
    let body = "let seen = []
         try { await agent('a') } catch (e) { seen.push(e.message, e instanceof Error, e.name) }
         await agent('b').catch(e => seen.push(e.message))
         await agent('c').then(null, e => seen.push(e.message)).finally(() => seen.push('f'))
         return seen";
    let message = "agent({schema}): StructuredOutput retry cap (5) exceeded";
    let played = Play::new(body).play(|_| rejected(message));
    assert_eq!(played.value(), json!([message, true, "Error", message, message, "f"]));
}

#[test]
fn an_uncaught_rejection_ends_the_run_with_its_name() {
    let outcome = Outcome::Rejected { name: "StallError".to_owned(), message: "m".to_owned() };
    let played = Play::new("await agent('a')").play(|_| outcome.clone());
    let Finish::Threw { name, message, .. } = played.finish else { panic!() };
    assert_eq!((name.as_str(), message.as_str()), ("StallError", "m"));
}

#[test]
fn prompts_are_coerced_to_strings() {
    let prompts = |body: &str| -> Vec<String> {
        let played = Play::new(body).play_ok();
        played.calls.iter().map(|call| call.prompt.to_string()).collect()
    };
    assert_eq!(
        prompts(
            "for (const p of [1, null, undefined, ['a', 'b'], { toString: () => 't' }]) await agent(p)"
        ),
        ["1", "null", "undefined", "a,b", "t"]
    );
    assert_eq!(prompts("await agent()"), ["undefined"]);
    assert_eq!(prompts(r"await agent('a\ud800b')"), ["a\u{fffd}b"]);
}

#[test]
fn what_cannot_be_a_prompt_rejects_instead_of_throwing() {
    let played = Play::new(
        "const p = agent(Symbol('s')); const q = agent({ toString() { throw new Error('no') } })
         return [await p.catch(e => e.name), await q.catch(e => e.message)]",
    )
    .play_ok();
    assert_eq!(played.value(), json!(["TypeError", "no"]));
    assert!(played.calls.is_empty());
}

#[test]
fn a_schema_that_no_object_satisfies_is_refused_before_the_spawn() {
    let cases = [
        ("{ type: 'array' }", "its root must have type 'object', not \"array\""),
        ("'object'", "it is not an object"),
        ("[]", "its root must be an object schema"),
        (
            "{ type: 'object', properties: { a: {} }, required: ['b'], additionalProperties: false }",
            "`b` is required but not among its properties, and no others are allowed",
        ),
    ];
    for (schema, why) in cases {
        let body = format!(
            "return await agent('x', {{ schema: {schema} }}).catch(e => [e.name, e.message])"
        );
        let played = Play::new(&body).play_ok();
        let message = format!("agent({{schema}}) received an invalid JSON Schema: {why}");
        assert_eq!(played.value(), json!(["TypeError", message]), "{schema}");
        assert!(played.calls.is_empty());
    }
    let looping = "const s = { type: 'object' }; s.self = s
         return await agent('x', { schema: s }).catch(e => e.name)";
    assert_eq!(Play::new(looping).value(), json!("TypeError"));
}

#[test]
fn equal_schemas_share_their_text() {
    let body = "const S = { type: 'object', properties: { a: { type: 'string' } } }
         await agent('1', { schema: S }); await agent('2', { schema: S })
         await agent('3', { schema: { type: 'object', properties: { a: { type: 'string' } } } })";
    let played = Play::new(body).play_ok();
    let texts: Vec<_> = played.calls.iter().map(|call| call.schema.clone().unwrap()).collect();
    assert!(std::sync::Arc::ptr_eq(&texts[0], &texts[1]));
    assert!(std::sync::Arc::ptr_eq(&texts[0], &texts[2]));
}

#[test]
fn a_schema_changed_between_calls_is_read_again() {
    let body = "const S = { type: 'object', properties: {} }
         await agent('1', { schema: S })
         S.properties.late = { type: 'string' }
         await agent('2', { schema: S })";
    let played = Play::new(body).play_ok();
    assert_eq!(played.calls[0].schema.as_deref(), Some(r#"{"type":"object","properties":{}}"#));
    assert!(played.calls[1].schema.as_deref().unwrap().contains("late"));
}

#[test]
fn remote_isolation_is_refused() {
    let body = "return await agent('x', { isolation: 'remote' }).catch(e => e.message)";
    let message = "agent({isolation:'remote'}) is not available in this build";
    assert_eq!(Play::new(body).value(), json!(message));
}

#[test]
fn the_cap_counts_calls_and_names_itself() {
    let body = "let n = 0
         try { for (;;) { await agent('x'); n++ } } catch (e) { return [n, e.name, e.message] }";
    let played = Play::new(body).limits(|limits| limits.agents = 5).play_ok();
    let value = played.value();
    assert_eq!(value[0], 5);
    assert_eq!(value[1], "WorkflowAgentCapError");
    let message = value[2].as_str().unwrap();
    assert!(
        message.starts_with("Workflow agent() call cap reached (5). This usually means a loop")
    );
    assert_eq!(played.calls.len(), 5);
}

#[test]
fn calls_are_handed_out_in_call_order_with_their_ids() {
    let body = "const late = agent('c').then(() => agent('d'))
         await Promise.all([agent('a'), agent('b')]); await late";
    let played = Play::new(body).play_ok();
    let order: Vec<_> = played.calls.iter().map(|call| (call.id.0, &*call.prompt)).collect();
    assert_eq!(order, [(1, "c"), (2, "a"), (3, "b"), (4, "d")]);
}

#[test]
fn agents_that_nobody_awaits_are_still_called() {
    let body = "agent('forgotten'); return 1";
    let mut execution = Play::new(body).begin().unwrap();
    let calls = execution.calls();
    assert_eq!(calls.len(), 1);
    assert!(matches!(execution.status(), Status::Finished(Finish::Returned { .. })));
    execution.deliver(calls[0].id, text("late"), 0).unwrap();
}

#[test]
fn an_answer_to_no_call_is_an_error() {
    use flyball::id::CallId;
    let mut execution = Play::new("await agent('a'); await agent('b')").begin().unwrap();
    assert_eq!(execution.deliver(CallId(2), Outcome::Null, 0), Err(EngineError::NotOpen(2)));
    execution.deliver(CallId(1), Outcome::Null, 0).unwrap();
    assert_eq!(execution.deliver(CallId(1), Outcome::Null, 0), Err(EngineError::NotOpen(1)));
}

#[test]
fn a_result_that_is_no_json_is_our_bug_and_says_so() {
    let mut execution =
        Play::new("await agent('a', { schema: { type: 'object' } })").begin().unwrap();
    let id = execution.calls()[0].id;
    let error = execution.deliver(id, Outcome::Json("{".to_owned()), 0).unwrap_err();
    assert!(matches!(error, EngineError::Internal(_)), "{error:?}");
}

#[test]
fn options_that_are_no_object_are_ignored_with_a_warning() {
    let played = Play::new("await agent('a', 'label'); await agent('b', null)").play_ok();
    assert_eq!(played.calls.len(), 2);
    let warnings: Vec<_> = played.notes.warnings.iter().map(|warning| &warning.message).collect();
    assert_eq!(warnings, ["agent() ignores its second argument: it is not an object"]);
}

#[test]
fn an_answer_to_no_call_spends_nothing() {
    let mut execution =
        Play::new("await agent('a'); return budget.spent()").budget(1_000, 0).begin().unwrap();
    let id = execution.calls()[0].id;
    execution.deliver(flyball::id::CallId(7), Outcome::Null, 500).unwrap_err();
    execution.deliver(id, Outcome::Null, 5).unwrap();
    let Status::Finished(Finish::Returned { value, .. }) = execution.status() else { panic!() };
    assert_eq!(value.as_deref(), Some("5"));
}

#[test]
fn args_that_are_no_json_are_the_callers_mistake() {
    let error = Play::new("return 1").args("{").begin().err().unwrap();
    assert!(matches!(error, EngineError::Internal(message) if message.contains("args")));
}
