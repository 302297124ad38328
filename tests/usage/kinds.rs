//! Words and what kind of work they tell.

use flyball::role::Role;
use flyball::usage::{AgentTraits, Pins, StageKind};

use super::{current_model, draw, quantile, shipped};

#[test]
fn words_tell_the_kind() {
    use StageKind::{General, Research, Synthesis, Trivial, Verify};
    let table = [
        ("verify:src/a.rs", "", "", Verify),
        ("finding-3", "Verify", "Find out whether this is true", Verify),
        ("verifyFinding#2", "", "", Verify),
        ("find:security", "Verify", "", Research),
        ("Explore auth", "", "", Research),
        ("", "Research", "Write a report", Research),
        ("", "", "You are a skeptic. Refute this claim.", Verify),
        ("", "", "Summarize the findings below", Synthesis),
        ("final-report", "", "", Synthesis),
        ("mergeResults", "Verify", "", Synthesis),
        ("ping", "", "", Trivial),
        ("classify-issue-12", "", "", Trivial),
        ("dev", "Build", "Make the button blue", General),
        ("", "", "", General),
        ("checkout-page", "", "", General),
        ("VERIFY", "", "", Verify),
    ];
    let model = shipped();
    for (label, phase, prompt, kind) in table {
        assert_eq!(
            model.kind_of(label, phase, prompt, false),
            kind,
            "{label:?} {phase:?} {prompt:?}"
        );
    }
}

#[test]
fn json_in_a_prompt_is_material() {
    let model = shipped();
    for (prompt, kind) in [
        (r#"Settle {"title":"a race","slug":"x"} and verify it."#, StageKind::Verify),
        (r#"Settle [{"title":"a race"},{"title":"b"}], then report."#, StageKind::Synthesis),
        // Cut short by the script.
        (r#"Settle {"title":"find it","slug":"x","det… and verify it."#, StageKind::Verify),
        (r#"Settle "a race" and give it a title."#, StageKind::Trivial),
    ] {
        assert_eq!(model.kind_of("", "", prompt, false), kind, "{prompt}");
    }
    // What is quoted does not use up the beginning.
    let long = format!("Settle {{\"note\":\"{}\"}} and verify it.", "x".repeat(5_000));
    assert_eq!(model.kind_of("", "", &long, false), StageKind::Verify);
}

#[test]
fn who_gets_a_working_tree_has_work_to_do() {
    let model = shipped();
    assert_eq!(model.kind_of("", "", "Give it a title.", false), StageKind::Trivial);
    assert_eq!(model.kind_of("", "", "Give it a title.", true), StageKind::General);
    assert_eq!(model.kind_of("", "", "Give it a title, verify it.", true), StageKind::Verify);
}

#[test]
fn only_the_beginning_of_a_prompt_is_read() {
    let late = format!("{} verify", "lorem ".repeat(100));
    assert_eq!(shipped().kind_of("", "", &late, false), StageKind::General);
    assert_eq!(shipped().kind_of(&"é".repeat(1 << 20), "", "verify", false), StageKind::Verify);
}

fn median_requests(kind: StageKind, role: Role, run_agents: u32) -> f64 {
    let traits = AgentTraits { kind, role, run_agents, ..current_model() };
    let model = shipped();
    let requests: Vec<f64> = (0..4_000)
        .map(|sample| f64::from(draw(&model, &traits, &Pins::default(), sample).requests))
        .collect();
    quantile(&requests, 0.5)
}

#[test]
fn kinds_have_the_requests_that_were_seen() {
    let single = |kind| median_requests(kind, Role::Single, 1);
    assert!((4.0..=6.0).contains(&single(StageKind::Verify)));
    assert!((15.0..=25.0).contains(&single(StageKind::Research)));
    assert!((2.0..=5.0).contains(&single(StageKind::Synthesis)));
    assert!((9.0..=11.0).contains(&single(StageKind::General)));
    assert!((1.0..=2.0).contains(&single(StageKind::Trivial)));
}

#[test]
fn a_reduce_stage_without_words_writes_up() {
    let requests = |kind, role| median_requests(kind, role, 1);
    assert_eq!(
        requests(StageKind::General, Role::Reduce),
        requests(StageKind::Synthesis, Role::Single)
    );
    assert_eq!(
        requests(StageKind::Verify, Role::Reduce),
        requests(StageKind::Verify, Role::Single),
        "words outrank the role"
    );
}

#[test]
fn big_fan_outs_are_lighter_per_agent() {
    let model = shipped();
    let context = |role, run_agents| {
        let traits = AgentTraits { role, run_agents, ..current_model() };
        let contexts: Vec<f64> = (0..4_000)
            .map(|sample| {
                draw(&model, &traits, &Pins::default(), sample).final_context_tokens as f64
            })
            .collect();
        quantile(&contexts, 0.5)
    };
    let slope = (context(Role::FanOut, 80) / context(Role::FanOut, 8)).ln() / 10f64.ln();
    assert!((-0.22..=-0.12).contains(&slope), "{slope}");
    assert_eq!(context(Role::FanOut, 2), context(Role::FanOut, 8), "small runs are as measured");
    assert_eq!(context(Role::Single, 80), context(Role::Single, 8), "only fan-outs");
}
