//! The guide to policies holds what it shows.

use flyball::effort::Effort;
use flyball::gate::Gate;
use flyball::id::ModelId;
use flyball::policy::{Policy, StageFacts};
use flyball::role::Role;

use super::stand::{Stand, facts, model};

const GUIDE: &str = include_str!("../../docs/policy.md");

/// The TOML blocks of the guide, in order, but for the one that shows a mistake.
fn examples() -> Vec<Policy> {
    let blocks = GUIDE.split("```toml").skip(1).filter(|rest| !rest.starts_with(" slip.toml"));
    let texts = blocks.map(|rest| rest.split_once('\n').unwrap().1.split("```").next().unwrap());
    texts.map(|text| Policy::parse("docs/policy.md", text).unwrap()).collect()
}

fn example(name: &str) -> Policy {
    examples().into_iter().find(|policy| policy.name() == name).unwrap()
}

#[test]
fn every_example_reads_without_warnings() {
    let examples = examples();
    assert_eq!(examples.len(), 5);
    for policy in examples {
        let warnings = policy.check(&mut |name| Ok(ModelId::from(name)));
        assert!(warnings.is_empty(), "{}: {warnings:?}", policy.name());
    }
}

#[test]
fn every_key_of_the_format_is_in_the_guide() {
    // A file with a key that does not exist is told the keys that do.
    let told = |body: &str| {
        let error = Policy::parse("x", &format!("schema = 1\nname = 'x'\n{body}")).unwrap_err();
        error.problems()[0].help.clone().unwrap()
    };
    for body in [
        "zzz = 1",
        "[[rule]]\nzzz = 1\nname = 'r'\nthen = 'keep'",
        "[[rule]]\nname = 'r'\nwhen = { zzz = 1 }\nthen = 'keep'",
        "[[rule]]\nname = 'r'\nthen = { zzz = 1 }",
        "[[step_down]]\nzzz = 1\nname = 's'\nabove = '75%'\nmodel = 'haiku'",
        "[budget]\nzzz = 1",
        "[thresholds]\nzzz = 1",
        "[thresholds]\nask = { zzz = 1 }",
    ] {
        let help = told(body);
        let keys = help.split(": ").nth(1).unwrap();
        for key in keys.split(", ") {
            let shown = [format!("`{key}`"), format!("`[{key}]`"), format!("`[[{key}]]`")];
            let with_value = format!("`{key} = ");
            assert!(
                shown.iter().any(|form| GUIDE.contains(form)) || GUIDE.contains(&with_value),
                "`{key}` is not in docs/policy.md"
            );
        }
    }
}

#[test]
fn the_review_team_example_does_as_it_says() {
    let policy = example("review-team");
    let mut stand = Stand::default();
    let scan = StageFacts { phase: "Find", label: "find:*", schema: Some("{}"), ..facts() };
    let found = policy.route(&scan, &mut stand);
    assert_eq!((model(&found), found.output_cap_tokens), ("claude-haiku-5-5", Some(16_000)));
    assert_eq!(policy.route(&facts(), &mut stand).rule, "judges stay");
    let security = StageFacts { phase: "Find security holes", ..scan };
    assert_eq!(policy.route(&security, &mut stand).rule, "security stays");
}

#[test]
fn the_shared_account_example_does_as_it_says() {
    let policy = example("shared-account");
    let mut stand = Stand { session: "fable", ..Stand::default() };
    let gate = |facts: StageFacts<'_>, stand: &mut Stand| policy.route(&facts, stand).gate;
    assert_eq!(gate(StageFacts { agents_p50: 20, ..facts() }, &mut stand), Gate::Deny);
    assert_eq!(gate(facts(), &mut stand), Gate::Ask);
    assert_eq!(gate(StageFacts { role: Role::Reduce, ..facts() }, &mut stand), Gate::Allow);
    assert_eq!(gate(facts(), &mut Stand::default()), Gate::Allow);
}

#[test]
fn the_release_example_does_as_it_says() {
    let policy = example("release");
    let mut stand = Stand::default();
    let report = StageFacts {
        role: Role::Reduce,
        requested_model: Some("sonnet"),
        effort: Some(Effort::Low),
        ..facts()
    };
    let raised = policy.route(&report, &mut stand);
    assert_eq!((model(&raised), raised.effort), ("claude-opus-5-5", Some(Effort::High)));
    let form = StageFacts { context_p90_tokens: 60_000, ..facts() };
    assert_eq!(model(&policy.route(&form, &mut stand)), "claude-haiku-5-5");
}
