//! Every shipped policy does what its opening comment says.

use flyball::amount::Amount;
use flyball::effort::Effort;
use flyball::gate::Gate;
use flyball::id::ModelId;
use flyball::policy::{
    AS_WRITTEN, BudgetScope, PINNED, PlanMeasures, Policy, Questions, StageFacts, shipped as files,
};
use flyball::role::Role;

use super::stand::{Stand, facts, model, route, shipped};

#[test]
fn they_parse_under_their_names_without_warnings() {
    let names: Vec<&str> = files().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["as-written", "haiku-fanout", "frugal", "quality", "ci"]);
    for (name, text) in files() {
        let policy = Policy::parse(name, text).unwrap();
        assert_eq!(policy.name(), *name);
        assert!(!policy.description().is_empty(), "{name}");
        assert!(text.starts_with("# For "), "{name} opens by saying for whom");
        let warnings = policy.check(&mut |model| Ok(ModelId::from(model)));
        assert!(warnings.is_empty(), "{name}: {warnings:?}");
    }
}

#[test]
fn as_written_changes_nothing_and_suggests() {
    let policy = shipped("as-written");
    for role in [Role::FanOut, Role::Reduce, Role::Single] {
        let routing = route(&policy, &StageFacts { role, ..facts() });
        assert_eq!((model(&routing), routing.rule.as_str()), ("as written", AS_WRITTEN));
        assert_eq!(routing.gate, Gate::Allow);
    }
    let suggested = policy.suggests().unwrap();
    assert!(files().iter().any(|(name, _)| *name == suggested));
    assert!(policy.budgets().is_empty());
}

#[test]
fn haiku_fanout_moves_only_what_nobody_chose() {
    let policy = shipped("haiku-fanout");
    let moved = route(&policy, &facts());
    assert_eq!((model(&moved), moved.rule.as_str()), ("claude-haiku-5-5", "fanout"));
    let low = route(&policy, &StageFacts { effort: Some(Effort::Medium), ..facts() });
    assert_eq!(model(&low), "claude-haiku-5-5");
    let stays = [
        (StageFacts { worktree: true, ..facts() }, "worktrees stay"),
        (StageFacts { effort: Some(Effort::High), ..facts() }, "high effort stays"),
        (StageFacts { agent_type: Some("reviewer"), ..facts() }, "custom agent types stay"),
        (StageFacts { requested_model: Some("opus"), ..facts() }, PINNED),
        (StageFacts { role: Role::Reduce, ..facts() }, AS_WRITTEN),
        (StageFacts { role: Role::Single, ..facts() }, AS_WRITTEN),
    ];
    for (stage, rule) in stays {
        let routing = route(&policy, &stage);
        assert_eq!((model(&routing), routing.rule.as_str()), ("as written", rule));
    }
}

#[test]
fn frugal_takes_the_weakest_and_overrides() {
    let policy = shipped("frugal");
    let pinned =
        StageFacts { requested_model: Some("fable"), effort: Some(Effort::Max), ..facts() };
    let routing = route(&policy, &pinned);
    assert_eq!((model(&routing), routing.effort), ("claude-haiku-5-5", Some(Effort::Medium)));
    let low = route(&policy, &StageFacts { effort: Some(Effort::Low), ..facts() });
    assert_eq!((model(&low), low.effort), ("claude-haiku-5-5", Some(Effort::Low)));
    for stage in
        [StageFacts { role: Role::Reduce, ..facts() }, StageFacts { worktree: true, ..facts() }]
    {
        assert_eq!(model(&route(&policy, &stage)), "claude-sonnet-5-5");
    }
    let narrow = policy.route(&facts(), &mut Stand { context_tokens: 995_000, ..Stand::default() });
    assert_eq!(model(&narrow), "as written");
    assert_eq!(narrow.refusals.len(), 4, "one per step of the ladder");
}

#[test]
fn quality_raises_what_decides() {
    let policy = shipped("quality");
    let on = |session, stage: &StageFacts<'_>| {
        policy.route(stage, &mut Stand { session, ..Stand::default() })
    };
    let reduce = StageFacts { role: Role::Reduce, phase: "Report", label: "report", ..facts() };
    let raised = on("sonnet", &reduce);
    assert_eq!((model(&raised), raised.effort), ("claude-opus-5-5", Some(Effort::High)));
    assert_eq!(model(&on("fable", &reduce)), "as written");
    assert_eq!(on("opus", &facts()).rule, "verify by label");
    let trivial =
        StageFacts { phase: "Scan", label: "scan:*", context_p90_tokens: 40_000, ..facts() };
    assert_eq!(model(&on("opus", &trivial)), "claude-haiku-5-5");
    for stage in [
        StageFacts { context_p90_tokens: 60_001, ..trivial },
        StageFacts { agents_p50: 7, ..trivial },
        StageFacts { has_schema: false, schema: None, ..trivial },
        StageFacts { effort: Some(Effort::Medium), ..trivial },
        StageFacts { worktree: true, ..trivial },
        StageFacts { agent_type: Some("x"), ..trivial },
    ] {
        assert_eq!(model(&on("opus", &stage)), "as written");
    }
}

#[test]
fn ci_never_asks_and_caps_everything() {
    let policy = shipped("ci");
    assert_eq!(policy.questions(), Questions::Deny);
    let routing = route(&policy, &facts());
    assert_eq!((model(&routing), routing.output_cap_tokens), ("as written", Some(16_000)));
    let plan = |exceeded, agents_p90| PlanMeasures {
        exceeded_per_mille: Some(exceeded),
        agents_p90,
        ..PlanMeasures::default()
    };
    assert_eq!(policy.judge(&plan(100, 250)).gate, Gate::Allow);
    assert_eq!(policy.judge(&plan(101, 1)).gate, Gate::Deny);
    assert_eq!(policy.judge(&plan(0, 251)).gate, Gate::Deny);
    for scope in [BudgetScope::Agent, BudgetScope::Run, BudgetScope::Day] {
        let limits = policy.budgets().iter();
        assert!(limits.clone().any(|l| l.scope == scope && matches!(l.amount, Amount::Usd(_))));
    }
}
