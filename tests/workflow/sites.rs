//! Options set at one `agent()` call: the text afterwards, and what the engine then hears.

use std::collections::BTreeMap;

use flyball::effort::Effort;
use flyball::ports::script::{AgentCall, Outcome, ScriptProgram, Start, Status};
use flyball::script::engine::Program;
use flyball::workflow::{
    ModelSetting, Obstacle, Rewritten, Settings, Source, SourceSet, WorkflowFacts,
};
use proptest::prelude::*;

/// What every call of these tests may refer to.
const HEAD: &str = "export const meta = { name: 'n', description: 'd', model: 'opus' };
const p = 'do it', opts = { label: 'l', model: 'opus' }, nothing = undefined, none = null;
const model = 'opus', label = 'm', key = 'model', deep = true, table = { find: 'opus' };
let asked = 0;
const pick = () => { asked += 1; return 'opus'; };
const OPUS = 'opus';
";

/// The first line of a body behind [`HEAD`].
const LINE: u32 = 7;

fn script(call: &str) -> String {
    format!("{HEAD}const found = await {call};\nreturn asked;\n")
}

fn facts(text: &str) -> WorkflowFacts {
    WorkflowFacts::read(&Source::new("t.js", text)).unwrap()
}

fn always(model: &str) -> Settings {
    Settings { model: Some(ModelSetting::Always(model.to_owned())), effort: None }
}

fn by_asked(pairs: &[(&str, &str)]) -> Settings {
    let pairs = pairs.iter().map(|(asked, to)| ((*asked).to_owned(), (*to).to_owned()));
    Settings { model: Some(ModelSetting::ByAsked(pairs.collect())), effort: None }
}

/// The script with `settings` at every call that can take them.
fn rewritten(text: &str, settings: &Settings) -> Rewritten {
    let sites = facts(text).agent_sites;
    let edits = sites.iter().filter_map(|site| site.set(settings).ok()).flatten().collect();
    Rewritten::make(text, edits).unwrap()
}

/// What the script asks for, and how it ends, where every agent answers `ok`.
fn heard(text: &str) -> (Vec<AgentCall>, String) {
    let program = Program::compile(&SourceSet::alone(Source::new("t.js", text)))
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut execution = program.start(&Start::default()).unwrap();
    let mut calls = Vec::new();
    loop {
        for call in execution.calls() {
            let answer = if call.schema.is_some() {
                Outcome::Json("{}".to_owned())
            } else {
                Outcome::Text("ok".to_owned())
            };
            execution.deliver(call.id, answer, 1).unwrap();
            calls.push(call);
        }
        if let Status::Finished(finish) = execution.status() {
            return (calls, format!("{finish:?}"));
        }
    }
}

/// The text around `edits` must be the script's, byte for byte, and no line may move.
fn only_edits_differ(was: &str, made: &Rewritten) {
    let (mut before, mut after) = (was, made.text.as_str());
    let mut done = 0;
    for edit in &made.edits {
        let start = edit.place.offset as usize;
        let kept = &was[done..start];
        before = before.strip_prefix(kept).unwrap().strip_prefix(edit.was.as_str()).unwrap();
        after = after.strip_prefix(kept).unwrap().strip_prefix(edit.now.as_str()).unwrap();
        done = start + edit.was.len();
        assert!(!edit.now.contains('\n') && !edit.was.contains('\n'), "{edit:?}");
    }
    assert_eq!(before, after);
}

/// Calls without what a rewrite may change.
fn besides_models(calls: &[AgentCall]) -> Vec<AgentCall> {
    let plain =
        |call: &AgentCall| AgentCall { model: None, effort: None, column: None, ..call.clone() };
    calls.iter().map(plain).collect()
}

/// A call, and the same call once its model is `x`.
const MODELS: &[(&str, &str)] = &[
    ("agent(p)", "agent(p, { model: 'x' })"),
    ("agent(p,)", "agent(p, { model: 'x' },)"),
    ("agent(p /* why */)", "agent(p, { model: 'x' } /* why */)"),
    ("agent(\n  p, // why\n)", "agent(\n  p, { model: 'x' }, // why\n)"),
    ("agent((0, p))", "agent((0, p), { model: 'x' })"),
    ("agent?.(p)", "agent?.(p, { model: 'x' })"),
    ("agent(p, {})", "agent(p, { model: 'x' })"),
    ("agent(p, { })", "agent(p, { model: 'x' })"),
    ("agent(p, { // none\n})", "agent(p, { model: 'x' // none\n})"),
    ("agent(p, { label: 'a' })", "agent(p, { label: 'a', model: 'x' })"),
    ("agent(p, {label: 'a'})", "agent(p, {label: 'a', model: 'x'})"),
    ("agent(p, { label: 'a', })", "agent(p, { label: 'a', model: 'x', })"),
    (
        "agent(p, {\n  label: 'a', // why\n  phase: 'P', // and\n})",
        "agent(p, {\n  label: 'a', // why\n  phase: 'P', model: 'x', // and\n})",
    ),
    ("agent(p, ({ label }))", "agent(p, ({ label, model: 'x' }))"),
    ("agent(p, { label }, 3)", "agent(p, { label, model: 'x' }, 3)"),
    // A value of its own.
    ("agent(p, { model: 'opus', label })", "agent(p, { model: 'x', label })"),
    ("agent(p, { model: \"opus\" })", "agent(p, { model: \"x\" })"),
    ("agent(p, { model: `opus` })", "agent(p, { model: `x` })"),
    ("agent(p, { 'model': 'opus' })", "agent(p, { 'model': 'x' })"),
    ("agent(p, { ['model']: 'opus' })", "agent(p, { ['model']: 'x' })"),
    ("agent(p, { model: 'opus' /* best */, label })", "agent(p, { model: 'x' /* best */, label })"),
    ("agent(p, { model })", "agent(p, { model: 'x' })"),
    ("agent(p, { model, label })", "agent(p, { model: 'x', label })"),
    ("agent(p, { model: table.find })", "agent(p, { model: 'x' })"),
    ("agent(p, { model: table?.[key] ?? OPUS })", "agent(p, { model: 'x' })"),
    ("agent(p, { model: undefined })", "agent(p, { model: 'x' })"),
    ("agent(p, { model: pick() })", "agent(p, { model: (pick(), 'x') })"),
    (
        "agent(p, { model: asked++ ? 'a' : OPUS })",
        "agent(p, { model: (asked++ ? 'a' : OPUS, 'x') })",
    ),
    (
        "agent(p, { model: deep\n  ? 'opus' : 'sonnet' })",
        "agent(p, { model: (deep\n  ? 'opus' : 'sonnet', 'x') })",
    ),
    // The last one wins.
    ("agent(p, { model: 'a', model: 'b' })", "agent(p, { model: 'a', model: 'x' })"),
    ("agent(p, { ...opts })", "agent(p, { ...opts, model: 'x' })"),
    ("agent(p, { ...opts, model: 'b' })", "agent(p, { ...opts, model: 'x' })"),
    ("agent(p, { model: 'a', ...opts })", "agent(p, { model: 'a', ...opts, model: 'x' })"),
    (
        "agent(p, { ...(deep ? { model } : {}), label })",
        "agent(p, { ...(deep ? { model } : {}), label, model: 'x' })",
    ),
    ("agent(p, { model: 'a', [key]: 'b' })", "agent(p, { model: 'a', [key]: 'b', model: 'x' })"),
    (
        "agent(p, { get model() { return 'a' } })",
        "agent(p, { get model() { return 'a' }, model: 'x' })",
    ),
    ("agent(p, { model() {} })", "agent(p, { model() {}, model: 'x' })"),
    // Options from elsewhere.
    ("agent(p, opts)", "agent(p, { ...opts, model: 'x' })"),
    ("agent(p, nothing)", "agent(p, { ...nothing, model: 'x' })"),
    ("agent(p, none)", "agent(p, { ...none, model: 'x' })"),
    ("agent(p, deep ? opts : none)", "agent(p, { ...(deep ? opts : none), model: 'x' })"),
    ("agent(p, (deep ? opts : none))", "agent(p, { ...(deep ? opts : none), model: 'x' })"),
    ("agent(p, nothing || opts)", "agent(p, { ...(nothing || opts), model: 'x' })"),
    (
        "agent(p, Object.assign({}, opts, { label }))",
        "agent(p, { ...Object.assign({}, opts, { label }), model: 'x' })",
    ),
    ("agent(p, await opts)", "agent(p, { ...await opts, model: 'x' })"),
    // Calls in each other's arguments.
    (
        "agent(`see ${await agent(p)}`, { label })",
        "agent(`see ${await agent(p, { model: 'x' })}`, { label, model: 'x' })",
    ),
    (
        "agent(p, { label: await agent(p) })",
        "agent(p, { label: await agent(p, { model: 'x' }), model: 'x' })",
    ),
    (
        "agent(p, { model: (await agent(p)) && 'a' })",
        "agent(p, { model: ((await agent(p, { model: 'x' })) && 'a', 'x') })",
    ),
    ("agent('ünïcode 🙂', { label: '🙂' })", "agent('ünïcode 🙂', { label: '🙂', model: 'x' })"),
];

#[test]
fn a_model_is_set_in_every_form_of_call() {
    for (call, expected) in MODELS {
        let text = script(call);
        let made = rewritten(&text, &always("x"));
        assert_eq!(made.text, script(expected), "{call}");
        only_edits_differ(&text, &made);
        let (was, ended) = heard(&text);
        let (now, ended_now) = heard(&made.text);
        assert!(now.iter().all(|call| call.model.as_deref() == Some("x")), "{call}: {now:?}");
        assert_eq!(besides_models(&was), besides_models(&now), "{call}");
        assert_eq!(ended, ended_now, "{call}");
    }
}

#[test]
fn an_effort_is_set_beside_the_model_or_alone() {
    let both = Settings { effort: Some(Effort::Medium), ..always("x") };
    let effort = Settings { model: None, effort: Some(Effort::Low) };
    let cases = [
        ("agent(p)", &both, "agent(p, { model: 'x', effort: 'medium' })"),
        ("agent(p, { effort: 'max' })", &both, "agent(p, { effort: 'medium', model: 'x' })"),
        (
            "agent(p, { effort: \"max\", model })",
            &both,
            "agent(p, { effort: \"medium\", model: 'x' })",
        ),
        ("agent(p, opts)", &both, "agent(p, { ...opts, model: 'x', effort: 'medium' })"),
        ("agent(p, opts)", &effort, "agent(p, { ...opts, effort: 'low' })"),
        ("agent(p, { model, })", &effort, "agent(p, { model, effort: 'low', })"),
    ];
    for (call, settings, expected) in cases {
        let text = script(call);
        let made = rewritten(&text, settings);
        assert_eq!(made.text, script(expected), "{call}");
        let asked = settings.effort.map(Effort::name);
        let (calls, _) = heard(&made.text);
        assert!(calls.iter().all(|call| call.effort.as_deref() == asked), "{call}: {calls:?}");
    }
    let text = script("agent(p, { model })");
    assert_eq!(rewritten(&text, &Settings::default()).text, text);
}

#[test]
fn literals_tell_apart_what_a_call_asks_for() {
    let cases = [
        (
            "agent(p, { model: deep ? 'opus' : \"sonnet\" })",
            by_asked(&[("opus", "x")]),
            "agent(p, { model: deep ? 'x' : \"sonnet\" })",
        ),
        (
            "agent(p, { model: pick() ? OPUS : undefined })",
            by_asked(&[("opus", "x"), ("", "y")]),
            "agent(p, { model: pick() ? 'x' : 'y' })",
        ),
        (
            "agent(p, { model: deep\n  ? 'opus'\n  : (asked ? 'opus' : null) })",
            by_asked(&[("opus", "x")]),
            "agent(p, { model: deep\n  ? 'x'\n  : (asked ? 'x' : null) })",
        ),
    ];
    for (call, settings, expected) in cases {
        assert_eq!(rewritten(&script(call), &settings).text, script(expected), "{call}");
    }
    let none = Settings { model: Some(ModelSetting::ByAsked(BTreeMap::new())), effort: None };
    let text = script("agent(p, { model: deep ? 'opus' : 'sonnet' })");
    assert_eq!(rewritten(&text, &none).text, text);
}

#[test]
fn one_text_for_several_models_is_refused() {
    let refused = |call: &str, asked: &str| {
        facts(&script(call)).agent_sites[0].set(&by_asked(&[(asked, "x")]))
    };
    for call in [
        "agent(p, { model })",
        "agent(p, { model: deep ? 'opus' : table.find })",
        // Another `label` than the constant.
        "(async (label) => agent(p, { model: deep ? 'opus' : label }))('opus')",
        "agent(p, { model: deep ? 'opus' : 'sonnet', ...opts })",
        "agent(p, opts)",
        "agent(p)",
    ] {
        assert_eq!(refused(call, "opus"), Err(Obstacle::OneText), "{call}");
    }
    // What is asked for is none of what the literals say.
    let unknown = refused("agent(p, { model: deep ? 'opus' : 'sonnet' })", "haiku");
    assert_eq!(unknown, Err(Obstacle::OneText));
}

#[test]
fn what_cannot_be_set_is_said_and_left() {
    for (call, obstacle) in [
        ("agent(...[p, opts])", Obstacle::Spread),
        ("agent(p, ...[opts])", Obstacle::Spread),
        ("agent()", Obstacle::NoPrompt),
    ] {
        let text = script(call);
        assert_eq!(facts(&text).agent_sites[0].set(&always("x")), Err(obstacle), "{call}");
        assert_eq!(rewritten(&text, &always("x")).text, text);
    }
}

#[test]
fn only_calls_of_the_global_are_known() {
    for body in [
        "const a = agent; return a(p);",
        "return [p].map(agent);",
        "const run = ({ agent }) => agent(p); return run({ agent: (x) => x });",
        "{ const agent = (x) => x; agent(p); }",
        "function agent(x) { return x } return agent(p);",
        "return globalThis.agent(p);",
        "const o = { agent: (x) => x }; return o.agent(p);",
    ] {
        assert!(facts(&format!("{HEAD}{body}")).agent_sites.is_empty(), "{body}");
    }
}

#[test]
fn each_call_says_which_one_of_its_line_it_is() {
    let text =
        format!("{HEAD}return [await agent('ü'), await agent(p, opts), await agent(...[p])];");
    let expected = [15, 33, 55].map(|column| (Some(LINE), Some(column)));
    let (calls, _) = heard(&text);
    let heard: Vec<_> = calls.iter().map(|call| (call.line, call.column)).collect();
    assert_eq!(heard, expected);
    let sites = facts(&text).agent_sites;
    let read: Vec<_> =
        sites.iter().map(|site| (Some(site.place.line), Some(site.place.column))).collect();
    assert_eq!(read, expected);
}

#[test]
fn a_model_of_any_name_is_a_literal_again() {
    for name in ["it's", "a\"b", "`${p}`", "back\\slash", "two\nlines", "ü🙂"] {
        for call in ["agent(p)", "agent(p, { model: \"a\" })", "agent(p, { model: `a` })"] {
            let made = rewritten(&script(call), &always(name));
            let (calls, _) = heard(&made.text);
            assert_eq!(calls[0].model.as_deref(), Some(name), "{}", made.text);
        }
    }
}

#[test]
fn edits_of_another_text_are_refused() {
    let text = script("agent('ü', { model: 'opus' })");
    let edits = facts(&text).agent_sites[0].set(&always("x")).unwrap();
    assert!(Rewritten::make("short", edits.clone()).is_err());
    let twice = edits.iter().chain(&edits).cloned().collect();
    assert!(Rewritten::make(&text, twice).is_err());
}

const PROPERTIES: [&str; 19] = [
    "label: 'a'",
    "label",
    "phase: `P`",
    "model: 'opus'",
    "model: \"opus\"",
    "model",
    "'model': OPUS",
    "model: pick()",
    "model: deep ? 'opus' : 'haiku'",
    "model: undefined",
    "effort: 'high'",
    "effort: deep ? 'max' : undefined",
    "...opts",
    "...nothing",
    "...(deep && { model })",
    "[key]: 'opus'",
    "get model() { return 'opus' }",
    "label: await agent(p)",
    "schema: { type: 'object' }",
];

/// An object literal of options, with all that may stand between its properties.
fn options() -> impl Strategy<Value = String> {
    let property = prop::sample::select(PROPERTIES.to_vec());
    let gap = prop::sample::select(vec!["", " ", "\n  ", " /* , } */ ", " // model: 'y'\n"]);
    let properties = prop::collection::vec((gap.clone(), property, gap.clone()), 0..5);
    (properties, any::<bool>(), gap).prop_map(|(properties, trailing, gap)| {
        let texts = properties.iter().map(|(before, one, after)| format!("{before}{one}{after}"));
        let comma = if trailing && !properties.is_empty() { "," } else { "" };
        format!("{{{}{comma}{gap}}}", texts.collect::<Vec<_>>().join(","))
    })
}

fn call() -> impl Strategy<Value = String> {
    let named = prop::sample::select(vec!["opts", "nothing", "none", "await opts"]);
    let whole = prop_oneof![
        4 => options(),
        1 => options().prop_map(|options| format!("({options})")),
        1 => options().prop_map(|options| format!("deep ? {options} : opts")),
        1 => options().prop_map(|options| format!("Object.assign({{}}, {options})")),
        1 => named.prop_map(str::to_owned),
    ];
    prop_oneof![
        1 => Just("agent(p)".to_owned()),
        6 => whole.clone().prop_map(|options| format!("agent(p, {options})")),
        1 => whole.prop_map(|options| {
            format!("agent(`${{await agent(p, {options})}}`,\n{options})")
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever a call looks like: it gets what was set, and all else is as it was.
    #[test]
    fn any_call_gets_what_is_set_and_nothing_else(
        calls in prop::collection::vec(call(), 1..4),
        model in prop::option::of(Just("x")),
        effort in prop::option::of(prop::sample::select(Effort::ALL.to_vec())),
    ) {
        let text = script(&format!("[await {}]", calls.join(", await ")));
        let model_setting = model.map(|model| ModelSetting::Always(model.to_owned()));
        let made = rewritten(&text, &Settings { model: model_setting, effort });
        only_edits_differ(&text, &made);
        let ((was, ended), (now, ended_now)) = (heard(&text), heard(&made.text));
        prop_assert_eq!(besides_models(&was), besides_models(&now), "{}", made.text);
        prop_assert_eq!(ended, ended_now);
        for (was, now) in was.iter().zip(&now) {
            let model = model.or(was.model.as_deref());
            let effort = effort.map(Effort::name).or(was.effort.as_deref());
            let heard = (now.model.as_deref(), now.effort.as_deref());
            prop_assert_eq!(heard, (model, effort), "{}", made.text);
        }
    }
}
