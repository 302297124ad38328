//! Which calls form a stage, what it is called, and its part.

use std::collections::BTreeMap;
use std::sync::Arc;

use flyball::id::CallId;
use flyball::plan::frame::role_of;
use flyball::plan::stage::{StageIndex, label_skeleton};
use flyball::ports::script::AgentCall;
use flyball::role::Role;

use super::fake::{Answers, Call};
use super::stand::{HEAD, Stand, stage};
use flyball::ports::script::Outcome;

fn call(label: Option<&str>, phase: Option<&str>) -> AgentCall {
    AgentCall {
        id: CallId(1),
        prompt: "do it".into(),
        label: label.map(Into::into),
        phase: phase.map(Into::into),
        schema: None,
        model: None,
        effort: None,
        agent_type: None,
        worktree: false,
        stall_milliseconds: None,
        child_workflow: None,
        line: Some(4),
        column: None,
    }
}

#[test]
fn a_label_keeps_what_does_not_vary() {
    for (label, skeleton) in [
        ("verify:src/a.rs", "verify:*"),
        ("verify:src/b.rs", "verify:*"),
        ("round 2", "round *"),
        ("fix-12", "fix-*"),
        ("review", "review"),
        ("  review  ", "review"),
        ("scan[3]", "scan[*"),
        ("check (main.rs)", "check (*"),
        ("write — chapter one", "write —*"),
        ("follow-up", "follow-up"),
        ("judge - speed", "judge -*"),
        ("a:b", "a:b"),
        ("verify:", "verify:"),
        ("7", "*"),
        ("v0:the tide is high", "v*:*"),
        ("v12 [a]", "v* [*"),
        ("", ""),
    ] {
        assert_eq!(label_skeleton(label), skeleton, "{label:?}");
    }
}

#[test]
fn invented_text_is_no_part_of_a_skeleton() {
    for (label, skeleton) in [
        ("judge zq4f7k2m9a", "judge *"),
        ("judge ZQ4F7K2M9A: the river", "judge *"),
        ("judge zq4f7", "judge *"),
        ("judge-part-zq4f7k2m9a", "judge-*"),
        ("src/part/zq4f7k2m9a.rs", "*"),
        ("zq4f7k2m9a by hand", "*"),
        ("load https://docs.example.org/zq4f7k2m9a/page", "load *"),
        ("load news.example.net", "load *"),
        ("judge light-of-the-sun", "judge *"),
        ("v0 zq4f7k2m9a", "v* *"),
        // Words that people would write.
        ("walk the garden", "walk the garden"),
        ("quiz", "quiz"),
    ] {
        assert_eq!(label_skeleton(label), skeleton, "{label:?}");
    }
}

#[test]
fn invented_results_make_no_stages() {
    let schema = "{ type: 'object', required: ['claims'], properties: { claims: { type: 'array',
  minItems: 6, items: { type: 'object', required: ['claim', 'kind'],
  properties: { claim: { type: 'string' }, kind: { type: 'string' } } } } } }";
    for options in [
        "{ phase: 'Vote', label: 'v' + n % 3 + ':' + c.claim.slice(0, 40) }",
        "{ phase: 'Vote', label: [c.claim.toUpperCase().slice(0, 6), 'vote'].join(' ') }",
        "{ phase: 'Vote', label: ['vote', c.claim.split(': ')[1]].join('-') }",
        "{ phase: 'Vote', label: 'vote', agentType: c.kind }",
        "{ phase: 'Vote ' + c.kind, label: 'vote' }",
    ] {
        let script = format!(
            "{HEAD}const found = await agent('Find claims.', {{ label: 'find', schema: {schema} }});
await parallel(found.claims.map((c, n) => () => agent('Vote on ' + c.claim, {options})));"
        );
        let report = Stand::script(&script).plan();
        let names: Vec<&str> = report.stages.iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!(names.len(), 2, "{options}: {names:?}");
        assert_eq!(report.stages[1].role, Role::FanOut, "{options}");
    }
}

#[test]
fn a_stage_is_called_by_its_label_else_its_phase() {
    for (label, phase, name) in [
        (Some("verify:src/a.rs"), Some("Check"), "verify"),
        (Some("round 2"), None, "round"),
        (Some("scan[3]"), None, "scan"),
        (Some("7"), Some("Vote"), "Vote"),
        (Some("v0:a"), Some("Vote"), "Vote"),
        (Some("v0:a"), None, "v"),
        (Some("a"), Some("Vote"), "a"),
        (None, Some("Find"), "Find"),
        (None, None, "agent"),
        (Some("42"), None, "agent"),
    ] {
        let mut index = StageIndex::new(Arc::new(BTreeMap::new()));
        index.place(&call(label, phase));
        assert_eq!(&*index.stages()[0].name, name, "{label:?} in {phase:?}");
    }
}

#[test]
fn whatever_agents_of_a_stage_share_splits_stages() {
    let base = call(Some("check:a"), Some("Check"));
    let edits: [fn(&mut AgentCall); 7] = [
        |call| call.phase = Some("Other".into()),
        |call| call.agent_type = Some("Explore".into()),
        |call| call.schema = Some("{}".into()),
        |call| call.model = Some("haiku".into()),
        |call| call.label = Some("verify:a".into()),
        |call| call.effort = Some("high".into()),
        |call| call.worktree = true,
    ];
    for (position, edit) in edits.into_iter().enumerate() {
        let mut index = StageIndex::default();
        let mut other = base.clone();
        edit(&mut other);
        assert_ne!(index.place(&base).stage, index.place(&other).stage, "edit {position}");
    }
    let same: [fn(&mut AgentCall); 3] = [
        |call| call.label = Some("check:b".into()),
        |call| call.prompt = "something else".into(),
        |call| call.line = Some(99),
    ];
    for (position, edit) in same.into_iter().enumerate() {
        let mut index = StageIndex::default();
        let mut other = base.clone();
        edit(&mut other);
        assert_eq!(index.place(&base).stage, index.place(&other).stage, "edit {position}");
    }
}

#[test]
fn efforts_and_trees_are_stages_of_one_work_with_one_luck() {
    let mut index = StageIndex::default();
    let mut calls = vec![call(Some("check:a"), None); 3];
    calls[1].effort = Some("max".into());
    calls[2].worktree = true;
    let placed: Vec<_> = calls.iter().map(|call| index.place(call)).collect();
    assert_eq!(placed.iter().map(|one| one.ordinal).collect::<Vec<_>>(), [0, 1, 2]);
    let mut plain = StageIndex::default();
    let same: Vec<_> = (0..3).map(|_| plain.place(&calls[0]).identity).collect();
    assert_eq!(placed.iter().map(|one| one.identity).collect::<Vec<_>>(), same);
    let stages = index.into_stages();
    assert_eq!(stages.len(), 3);
    assert!(stages.iter().all(|stage| stage.work == stages[0].key.0));
}

#[test]
fn calls_of_one_label_are_told_apart_by_their_order() {
    let mut index = StageIndex::default();
    let of = |index: &mut StageIndex, label: &str| index.place(&call(Some(label), None)).identity;
    let (first, other, second) =
        (of(&mut index, "check:a"), of(&mut index, "check:b"), of(&mut index, "check:a"));
    assert_ne!(first, second);
    // A call before it moves nothing but calls of its own label.
    let mut index = StageIndex::default();
    assert_eq!(other, of(&mut index, "check:b"));
}

#[test]
fn a_template_says_what_varies_in_a_label() {
    let templates = BTreeMap::from([(4, "deep dive * now".to_owned())]);
    let mut index = StageIndex::new(Arc::new(templates));
    let first = index.place(&call(Some("deep dive parser now"), None));
    let second = index.place(&call(Some("deep dive lexer now"), None));
    assert_eq!(first.stage, second.stage);
    assert_eq!(&*index.stages()[0].name, "deep dive now");
}

#[test]
fn fan_out_begins_at_four_calls_in_the_median_sample() {
    assert_eq!(role_of(vec![4, 4, 3], 0), Role::FanOut);
    assert_eq!(role_of(vec![3, 3, 400], 0), Role::Single);
    assert_eq!(role_of(vec![1], 2), Role::Single);
    assert_eq!(role_of(vec![1], 3), Role::Reduce);
    assert_eq!(role_of(vec![4], 9), Role::FanOut);
    assert_eq!(role_of(vec![], 0), Role::Single);
}

/// Three workers, then one that is shown what they said.
fn three_and_a_report(answers: &Answers) -> Vec<Call> {
    match &answers[..] {
        [] => (0..3).map(|n| Call::new("Work", &format!("work:{n}"), "work")).collect(),
        [work] => {
            let said = work.iter().map(|outcome| match outcome {
                Outcome::Text(text) => text.clone(),
                other => format!("{other:?}"),
            });
            let prompt = said.collect::<Vec<_>>().join("\n");
            vec![Call::new("Report", "report", prompt), Call::new("Report", "log", "unrelated")]
        }
        _ => Vec::new(),
    }
}

#[test]
fn a_stage_that_quotes_three_agents_reduces() {
    let report = Stand::fake(three_and_a_report).plan();
    assert_eq!(stage(&report, "report").role, Role::Reduce);
    assert_eq!(stage(&report, "log").role, Role::Single);
    assert_eq!(stage(&report, "work").role, Role::Single);
}

#[test]
fn calls_one_after_the_other_fan_out_too() {
    let script = format!(
        "{HEAD}for (let n = 0; n < 4; n++) await agent(`part ${{n}}`, {{ label: `part:${{n}}` }});"
    );
    let report = Stand::script(&script).plan();
    assert_eq!(stage(&report, "part").role, Role::FanOut);
    assert_eq!(report.peak_concurrency.max, 1);
}

#[test]
fn names_are_unique_and_never_those_of_others() {
    let script = format!(
        "{HEAD}phase('A'); await agent('x', {{ label: 'check' }});
phase('B'); await agent('x', {{ label: 'check' }});
phase('C'); await agent('x', {{ label: 'check' }});"
    );
    let report = Stand::script(&script).plan();
    let mut names: Vec<&str> = report.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["check", "check 2", "check 3"]);
    names.dedup();
    assert_eq!(names.len(), report.stages.len());
}
