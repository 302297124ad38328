//! A run as it happens, without a terminal.

use flyball::budget::Unit;
use flyball::diagnostic::{Diagnostic, Severity};
use flyball::event::{AgentEnding, RunEvent};
use flyball::id::{CallId, ModelId, RunId};
use flyball::report::Page;
use flyball::report::page::width_of;
use flyball::report::progress::{Lines, Moment, Progress};
use flyball::tokens::TokenUsage;

use super::fixtures::usd;
use super::runs::denial;

/// A run of three agents, the last one refused.
fn events() -> Vec<RunEvent> {
    let agent = |n: u32| CallId(n);
    let queued = |n: u32| RunEvent::AgentQueued {
        at_milliseconds: 0,
        agent: agent(n),
        label: "find".into(),
        phase: "Find".into(),
        model: ModelId::from("claude-haiku-5-5"),
    };
    let finished = |n: u32, at_milliseconds, ending| RunEvent::AgentFinished {
        at_milliseconds,
        agent: agent(n),
        ending,
        tokens: TokenUsage::default(),
        cost_usd: usd("1"),
    };
    let settled = |n: u32, at_milliseconds, spent: &str| RunEvent::RequestSettled {
        at_milliseconds,
        agent: agent(n),
        tokens: TokenUsage::default(),
        cost_usd: usd("1"),
        spent_usd: usd(spent),
        reserved_usd: usd("0"),
    };
    vec![
        RunEvent::RunStarted {
            run: RunId::from("r"),
            workflow: "review".to_owned(),
            limit_usd: Some(usd("5")),
            concurrency: 10,
            simulated: true,
        },
        RunEvent::PhaseStarted { at_milliseconds: 0, phase: "Find\u{1b}[2J".into() },
        queued(1),
        queued(2),
        queued(3),
        RunEvent::AgentStarted { at_milliseconds: 10, agent: agent(1) },
        RunEvent::AgentStarted { at_milliseconds: 20, agent: agent(2) },
        settled(1, 4_000, "1.2"),
        finished(1, 4_000, AgentEnding::Done),
        settled(2, 61_000, "4.97"),
        finished(2, 61_000, AgentEnding::Done),
        RunEvent::Log { at_milliseconds: 61_000, line: "x".repeat(300) },
        RunEvent::Denied { at_milliseconds: 62_000, agent: agent(3), denial: denial() },
        finished(3, 62_000, AgentEnding::DeniedAtStart),
        RunEvent::Diagnostic {
            at_milliseconds: 62_000,
            diagnostic: Diagnostic::new(Severity::Warning, "run::x", "something\u{7} odd"),
        },
    ]
}

#[test]
fn plain_lines_say_what_matters_and_no_more() {
    let mut lines = Lines::new(Vec::new(), Page::plain());
    for event in events() {
        lines.show(&event);
    }
    let text = String::from_utf8(lines.into_inner()).unwrap();
    assert!(text.lines().all(|line| width_of(line) <= 80), "{text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_step_down_is_told_once_for_a_stage() {
    let stepped = |stage: &str, share_per_mille| RunEvent::SteppedDown {
        at_milliseconds: 5,
        agent: CallId(1),
        stage: stage.to_owned(),
        rule: "last quarter".to_owned(),
        above_per_mille: 750,
        from: ModelId::from("claude-opus-5-5"),
        model: ModelId::from("claude-haiku-5-5"),
        scope: "run review".to_owned(),
        unit: Unit::Usd,
        share_per_mille,
    };
    let mut lines = Lines::new(Vec::new(), Page::plain());
    for (stage, share) in [("find", 760), ("find", 790), ("verify", 800)] {
        lines.show(&stepped(stage, share));
    }
    let text = String::from_utf8(lines.into_inner()).unwrap();
    insta::assert_snapshot!(text, @r"
    find: agents start on haiku-5-5, not opus-5-5 [last quarter]: run review has
      76 % of its dollars taken
    verify: agents start on haiku-5-5, not opus-5-5 [last quarter]: run review has
      80 % of its dollars taken
    ");
}

#[test]
fn who_was_refused_waits_no_longer() {
    let mut moment = Moment::default();
    moment.observe(&RunEvent::RequestHeldBack { at_milliseconds: 1, agent: CallId(1) });
    assert!(moment.line().contains(", waiting, "), "{}", moment.line());
    moment.observe(&RunEvent::Denied { at_milliseconds: 2, agent: CallId(1), denial: denial() });
    assert!(!moment.line().contains("waiting"), "{}", moment.line());
}
