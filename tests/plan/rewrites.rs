//! Routes written into a script: which calls change, which are left and why.

use flyball::config::examples::{EXAMPLES, Example};
use flyball::plan::rewrite::{Rewrite, Why, rewrite};
use flyball::ports::script::AgentCall;
use flyball::script::engine::Program;
use flyball::workflow::{Source, SourceSet};

use super::same_calls::asked;
use super::stand::{HEAD, Stand};

const FANOUT: &str = "pinned = 'override'
[[rule]]
name = 'wide'
when = { role = 'fan-out' }
then = { model = 'haiku' }
";

const MEDIUM: &str = "pinned = 'override'
[[rule]]
name = 'calm'
then = { effort = 'medium' }
";

fn stand(body: &str, rules: &str) -> (Stand, String) {
    let text = format!("{HEAD}{body}");
    (Stand::script(&text).policy(rules), text)
}

fn rewritten(body: &str, rules: &str) -> (Rewrite, String) {
    let (stand, text) = stand(body, rules);
    let made = rewrite(&text, &stand.facts, &stand.whole()).unwrap();
    let body = made.text.strip_prefix(HEAD).expect("meta as it was").to_owned();
    (made, body)
}

/// Stage, line and target model of what was changed.
fn changed(made: &Rewrite) -> Vec<(&str, u32, &str)> {
    made.changed.iter().map(|one| (one.stage.as_str(), one.line, one.to.as_str())).collect()
}

fn left(made: &Rewrite) -> Vec<(Option<&str>, Option<u32>, Why)> {
    made.left.iter().map(|one| (one.stage.as_deref(), one.line, one.why.clone())).collect()
}

const SIX: &str = "[1, 2, 3, 4, 5, 6]";

#[test]
fn a_routed_stage_asks_for_its_model_and_the_others_keep_their_text() {
    let (made, body) = rewritten(
        &format!(
            "const found = await parallel({SIX}.map((n) => () =>
  agent(`look at ${{n}}`, {{ label: `find:${{n}}` }})));
return agent(`sum up ${{found}}`, {{ label: 'report', model: \"opus\" }});
"
        ),
        FANOUT,
    );
    assert!(body.contains("{ label: `find:${n}`, model: 'claude-haiku-5-5' })"), "{body}");
    assert!(body.contains("{ label: 'report', model: \"opus\" });"), "{body}");
    assert_eq!(changed(&made), [("find", 3, "claude-haiku-5-5")]);
    assert_eq!(
        (made.changed[0].from.as_str(), made.changed[0].rule.as_str()),
        ("claude-opus-5-5", "wide")
    );
    assert_eq!(made.edits.len(), 1);
    assert_eq!(left(&made), []);
}

#[test]
fn a_policy_that_changes_nothing_changes_no_byte() {
    let text = format!("{HEAD}return agent('look', {{ label: 'look' }});\n");
    let stand = Stand::script(&text);
    let made = rewrite(&text, &stand.facts, &stand.whole()).unwrap();
    assert_eq!((made.text, made.changed.len(), made.left.len()), (text, 0, 0));
}

#[test]
fn a_call_that_serves_stages_with_different_routes_is_left() {
    let body = format!(
        "const ask = (prompt, label) => agent(prompt, {{ label }});
await parallel({SIX}.map((n) => () => ask(`look at ${{n}}`, `find:${{n}}`)));
return ask('sum up', 'report');
"
    );
    let (made, after) = rewritten(&body, FANOUT);
    assert_eq!(after, body);
    let why = Why::Shared { with: "report".to_owned() };
    assert_eq!(left(&made), [(Some("find"), Some(2), why)]);
    assert!(changed(&made).is_empty());
    assert_eq!(made.left[0].to.as_deref(), Some("claude-haiku-5-5"));
}

/// Each stage names one that stands against it, never itself. An effort was chosen among those of
/// its model, so it is not written alone.
#[test]
fn stages_that_want_different_models_name_each_other_and_keep_their_text() {
    let rules = "pinned = 'override'
[[rule]]
name = 'wide'
when = { role = 'fan-out' }
then = { model = 'haiku', effort = 'medium' }
[[rule]]
name = 'rest'
then = { model = 'sonnet', effort = 'medium' }
";
    let (made, body) = rewritten(
        &format!(
            "const ask = (prompt, label) => agent(prompt, {{ label }});
await parallel({SIX}.map((n) => () => ask(`look at ${{n}}`, `find:${{n}}`)));
return ask('sum up', 'report');
"
        ),
        rules,
    );
    assert!(body.contains("agent(prompt, { label })"), "{body}");
    let shared = |with: &str| Why::Shared { with: with.to_owned() };
    assert_eq!(
        left(&made),
        [(Some("find"), Some(2), shared("report")), (Some("report"), Some(2), shared("find"))]
    );
    assert!(made.left.iter().all(|one| one.to.is_some() && one.effort.is_some()));
}

#[test]
fn a_helper_whose_stages_are_routed_alike_is_changed_once() {
    let (made, body) = rewritten(
        &format!(
            "const ask = (prompt, label, options) => agent(prompt, {{ label, ...options }});
await parallel({SIX}.map((n) => () => ask(`look at ${{n}}`, `find:${{n}}`)));
await parallel({SIX}.map((n) => () => ask(`check ${{n}}`, `check:${{n}}`, {{ model: 'opus' }})));
"
        ),
        FANOUT,
    );
    assert!(body.contains("{ label, ...options, model: 'claude-haiku-5-5' }"), "{body}");
    let to = "claude-haiku-5-5";
    assert_eq!(changed(&made), [("find", 2, to), ("check", 2, to)]);
    assert_eq!(made.edits.len(), 1);
}

#[test]
fn literals_of_a_call_change_only_where_their_stage_is_routed() {
    let (made, body) = rewritten(
        &format!(
            "const ask = (prompt, deep) => agent(prompt, {{ model: deep ? 'opus' : 'sonnet' }});
await parallel({SIX}.map((n) => () => ask(`look at ${{n}}`, false)));
return ask('sum up', true);
"
        ),
        FANOUT,
    );
    assert!(body.contains("{ model: deep ? 'opus' : 'claude-haiku-5-5' }"), "{body}");
    assert_eq!(made.changed.len(), 1);
    assert_eq!(left(&made), []);
}

#[test]
fn what_no_text_of_the_script_decides_is_left_with_its_reason() {
    let (made, _) = rewritten(
        &format!(
            "const all = {SIX};
await parallel(all.map((n) => () => agent(...[`look at ${{n}}`, {{ label: `spread:${{n}}` }}])));
const other = agent;
await parallel(all.map((n) => () => other(`look at ${{n}}`, {{ label: `alias:${{n}}` }})));
if (!all) await agent('never', {{ label: 'never' }});
"
        ),
        FANOUT,
    );
    assert_eq!(changed(&made), []);
    assert_eq!(
        left(&made),
        [
            (Some("alias"), None, Why::Unnamed),
            (Some("spread"), Some(3), Why::Spread),
            (None, Some(6), Why::Unreached),
        ]
    );
}

#[test]
fn an_effort_that_a_rule_sets_is_written_too() {
    let (made, body) = rewritten(
        "await agent('a', { label: 'one', effort: 'max' });
await agent('b', { label: 'two', effort: 'low' });
for (const effort of ['max', 'high']) await agent('c', { label: 'three', effort });
",
        MEDIUM,
    );
    assert!(body.contains("{ label: 'one', effort: 'medium' }"), "{body}");
    assert!(body.contains("{ label: 'two', effort: 'low' }"), "{body}");
    assert!(body.contains("{ label: 'three', effort: 'medium' }"), "{body}");
    let one = &made.changed[0];
    assert_eq!((one.stage.as_str(), one.from == one.to), ("one", true));
    assert_eq!(left(&made), []);
}

#[test]
fn a_call_at_several_efforts_is_left_where_only_some_are_changed() {
    let policy = "pinned = 'override'\n[[rule]]\nname = 'calm'\nwhen = { effort = 'max' }\nthen = { effort = 'medium' }";
    let (made, body) = rewritten(
        "for (const effort of ['max', 'high']) await agent('c', { label: 'three', effort });\n",
        policy,
    );
    assert!(body.contains("{ label: 'three', effort }"), "{body}");
    assert_eq!(left(&made), [(Some("three"), Some(2), Why::Efforts)]);
}

/// The rewritten script asks for the same as the script did, in the engine, with equal answers.
#[test]
fn the_examples_ask_for_the_same_agents_on_other_models() {
    let mut moved = 0;
    for Example { name, text } in EXAMPLES {
        let stand = Stand::script(text).policy(FANOUT).with(|job| job.samples = 2);
        let made = rewrite(text, &stand.facts, &stand.whole()).unwrap();
        let program =
            Program::compile(&SourceSet::alone(Source::new("now.js", made.text.clone()))).unwrap();
        let setup = stand.setup();
        for seed in 0..2 {
            let (was, now) = (asked(stand.program(), &setup, seed), asked(&program, &setup, seed));
            assert_eq!(was, now, "{name}, seed {seed}");
        }
        moved += made.changed.len();
    }
    assert!(moved > 5, "{moved}");
}

/// Planned again, every stage that was moved asks for its model by itself.
#[test]
fn what_was_written_is_what_was_chosen() {
    let (stand, text) = stand(
        &format!(
            "await parallel({SIX}.map((n) => () => agent(`look at ${{n}}`, {{ label: `find:${{n}}` }})));
return agent('sum up', {{ label: 'report' }});
"
        ),
        FANOUT,
    );
    let plan = stand.whole();
    let made = rewrite(&text, &stand.facts, &plan).unwrap();
    let again = Stand::script(&made.text).plan();
    let models = |stages: &[flyball::plan::report::StagePlan]| {
        stages.iter().map(|stage| stage.route.model.clone()).collect::<Vec<_>>()
    };
    assert_eq!(models(&again.stages), models(&plan.report.stages));
    let calls = asked(stand.program(), &stand.setup(), 1).calls;
    assert!(calls.iter().all(|call: &AgentCall| call.model.is_none()));
}
