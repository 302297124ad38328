//! Which routes are taken, and with which reason others are refused.

use flyball::effort::Effort;
use flyball::gate::Gate;
use flyball::policy::{AS_WRITTEN, PINNED, PlanMeasures, Policy, StageFacts};
use flyball::role::Role;
use proptest::prelude::*;

use super::stand::{Stand, facts, model, policy, route};

fn rule(then: &str) -> Policy {
    policy(&format!(
        "ladder = ['haiku', 'sonnet', 'opus', 'fable']\n[[rule]]\nname = 'r'\nthen = {then}"
    ))
}

#[test]
fn a_cheaper_model_is_taken() {
    let routing = route(&rule("{ model = 'haiku' }"), &facts());
    assert_eq!(model(&routing), "claude-haiku-5-5");
    assert_eq!(routing.rule, "r");
    let costs = routing.costs.unwrap();
    assert_eq!(costs.as_written_usd.to_string(), "$3.00");
    assert_eq!(costs.routed_usd.to_string(), "$0.1500");
}

#[test]
fn a_dearer_model_is_refused_with_both_numbers() {
    let routing = route(&rule("{ model = 'fable' }"), &facts());
    assert_eq!(model(&routing), "as written");
    assert_eq!(routing.rule, AS_WRITTEN);
    assert_eq!(routing.refusals[0].reason, "expected $6.00 is not below $3.00 as written");
    assert_eq!(routing.refusals[0].rule, "r");
    assert_eq!(routing.refusals[0].model, "fable");
}

#[test]
fn a_window_that_is_too_small_is_refused() {
    let stand = |context_tokens| Stand { context_tokens, ..Stand::default() };
    let policy = rule("{ model = 'old' }");
    let fits = policy.route(&facts(), &mut stand(192_000));
    assert_eq!(model(&fits), "claude-haiku-4-5");
    let full = policy.route(&facts(), &mut stand(192_001));
    assert_eq!(model(&full), "as written");
    assert_eq!(
        full.refusals[0].reason,
        "P90 context of 193k and 8000 of output do not fit its window of 200k"
    );
    let capped = rule("{ model = 'old', output_cap = '4ktok' }");
    assert_eq!(model(&capped.route(&facts(), &mut stand(195_000))), "claude-haiku-4-5");
}

#[test]
fn unknown_and_unpriced_models_are_refused() {
    let routing = route(&rule("{ model = ['gpt-99', 'free-lunch', 'sonnet'] }"), &facts());
    let reasons: Vec<&str> = routing.refusals.iter().map(|r| r.reason.as_str()).collect();
    assert_eq!(
        reasons,
        ["unknown model: no table lists `gpt-99`", "no price: announced, not in force"]
    );
    assert_eq!(model(&routing), "claude-sonnet-5-5");
}

#[test]
fn nothing_is_cheaper_than_an_unknown_cost() {
    let stage = StageFacts { requested_model: Some("gpt-99"), ..facts() };
    let policy = policy("pinned = 'override'\n[[rule]]\nname = 'r'\nthen = { model = 'haiku' }");
    let routing = route(&policy, &stage);
    assert_eq!(model(&routing), "as written");
    assert!(routing.refusals[0].reason.starts_with("the cost as written is unknown"));
}

#[test]
fn a_ladder_takes_its_first_step_that_fits() {
    let ladder = rule("{ model = 'ladder' }");
    assert_eq!(model(&route(&ladder, &facts())), "claude-haiku-5-5");
    let tried = rule("{ model = ['fable', 'sonnet', 'haiku'] }");
    let routing = route(&tried, &facts());
    assert_eq!(model(&routing), "claude-sonnet-5-5");
    assert_eq!(routing.refusals.len(), 1);
}

#[test]
fn a_stage_already_there_stays() {
    let mut stand = Stand { session: "haiku", ..Stand::default() };
    let routing = rule("{ model = 'ladder' }").route(&facts(), &mut stand);
    assert_eq!(model(&routing), "as written");
    assert_eq!(routing.rule, "r");
    assert_eq!(routing.notes, ["already runs on claude-haiku-5-5"]);
    assert!(routing.refusals.is_empty());
}

#[test]
fn pinned_models_stay_unless_the_rule_overrides() {
    let stage = StageFacts { requested_model: Some("opus"), ..facts() };
    let respects = route(&rule("{ model = 'haiku' }"), &stage);
    assert_eq!(model(&respects), "as written");
    assert_eq!(respects.rule, PINNED);
    assert_eq!(respects.refusals[0].reason, "pinned by script, which asks for opus");
    let overrides = policy("[[rule]]\nname = 'r'\npinned = 'override'\nthen = { model = 'haiku' }");
    assert_eq!(model(&route(&overrides, &stage)), "claude-haiku-5-5");
    let everywhere =
        policy("pinned = 'override'\n[[rule]]\nname = 'r'\nthen = { model = 'haiku' }");
    assert_eq!(model(&route(&everywhere, &stage)), "claude-haiku-5-5");
    let except = policy(
        "pinned = 'override'\n[[rule]]\nname = 'r'\npinned = 'respect'\nthen = { model = 'haiku' }",
    );
    assert_eq!(route(&except, &stage).rule, PINNED);
}

#[test]
fn a_pinned_stage_is_still_gated_and_capped() {
    let stage = StageFacts { requested_model: Some("opus"), ..facts() };
    let then = "{ model = 'haiku', output_cap = '8ktok', gate = 'ask', reason = 'dear' }";
    let routing = route(&rule(then), &stage);
    assert_eq!(routing.rule, "r");
    assert_eq!(routing.output_cap_tokens, Some(8_000));
    assert_eq!((routing.gate, routing.gate_reason.as_deref()), (Gate::Ask, Some("dear")));
    assert_eq!(model(&routing), "as written");
}

#[test]
fn efforts_go_down_and_never_up() {
    let at = |effort, then: &str| {
        let body = format!("pinned = 'override'\n[[rule]]\nname = 'r'\nthen = {then}");
        route(&policy(&body), &StageFacts { effort, ..facts() })
    };
    let lowered = at(Some(Effort::Xhigh), "{ effort = 'medium' }");
    assert_eq!((lowered.effort, lowered.rule.as_str()), (Some(Effort::Medium), "r"));
    let kept = at(Some(Effort::Low), "{ effort = 'medium' }");
    assert_eq!(kept.effort, Some(Effort::Low));
    let unset = at(None, "{ effort = 'max' }");
    assert_eq!(unset.effort, None, "{unset:?}");
}

#[test]
fn a_pinned_effort_stays() {
    let stage = StageFacts { effort: Some(Effort::Xhigh), ..facts() };
    let routing = route(&rule("{ model = 'haiku', effort = 'low' }"), &stage);
    assert_eq!(model(&routing), "claude-haiku-5-5");
    assert_eq!(routing.effort, Some(Effort::Xhigh));
    assert_eq!(routing.notes, ["effort xhigh is pinned by script, so not low"]);
}

#[test]
fn an_effort_the_target_lacks_is_lowered_or_dropped() {
    let max = StageFacts { effort: Some(Effort::Max), ..facts() };
    let lowered = route(&rule("{ model = 'haiku' }"), &max);
    assert_eq!(lowered.effort, Some(Effort::Xhigh));
    assert_eq!(lowered.notes, ["effort max lowered to xhigh: claude-haiku-5-5 has none"]);
    let dropped = route(&rule("{ model = 'old' }"), &max);
    assert_eq!(dropped.effort, None);
    assert_eq!(dropped.notes, ["effort max dropped: claude-haiku-4-5 has no effort levels"]);
}

#[test]
fn raising_is_allowed_to_cost_more_and_never_lowers() {
    let raise = rule("{ model = 'opus', effort = 'high', raise = true }");
    let on = |session: &'static str, effort| {
        let stage = StageFacts { effort, ..facts() };
        raise.route(&stage, &mut Stand { session, ..Stand::default() })
    };
    let raised = on("sonnet", None);
    assert_eq!((model(&raised), raised.effort), ("claude-opus-5-5", Some(Effort::High)));
    assert!(raised.costs.unwrap().routed_usd > raised.costs.unwrap().as_written_usd);
    let above = on("fable", None);
    assert_eq!(model(&above), "as written");
    assert_eq!(above.notes[0], "already runs on claude-fable-5-2, above opus");
    assert_eq!(above.effort, Some(Effort::High));
    let unranked = on("old", None);
    assert_eq!(model(&unranked), "as written");
    assert!(unranked.refusals[0].reason.contains("not on the ladder"), "{unranked:?}");
    let harder = policy(
        "pinned = 'override'\nladder = ['opus']\n[[rule]]\nname = 'r'\nthen = { model = 'opus', effort = 'high', raise = true }",
    );
    let kept = route(&harder, &StageFacts { effort: Some(Effort::Xhigh), ..facts() });
    assert_eq!(kept.effort, Some(Effort::Xhigh));
    let more = route(&harder, &StageFacts { effort: Some(Effort::Low), ..facts() });
    assert_eq!((model(&more), more.effort), ("as written", Some(Effort::High)));
}

#[test]
fn gates_name_their_reason() {
    let denied = route(&rule("{ gate = 'deny', reason = 'Fable needs credits' }"), &facts());
    assert_eq!(denied.gate, Gate::Deny);
    assert_eq!(denied.gate_reason.as_deref(), Some("Fable needs credits"));
    let silent = route(&rule("{ gate = 'deny' }"), &facts());
    assert_eq!(silent.gate_reason.as_deref(), Some("rule `r` says so"));
    let nobody =
        policy("questions = 'deny'\n[[rule]]\nname = 'r'\nthen = { gate = 'ask', reason = 'x' }");
    assert_eq!(route(&nobody, &facts()).gate, Gate::Deny);
}

#[test]
fn plans_are_judged_by_thresholds() {
    let default = policy("");
    let at = |per_mille| PlanMeasures {
        exceeded_per_mille: Some(per_mille),
        bounded: true,
        ..PlanMeasures::default()
    };
    assert_eq!(default.judge(&at(100)).gate, Gate::Allow);
    assert_eq!(default.judge(&at(180)).gate, Gate::Ask);
    assert_eq!(default.judge(&at(180)).reasons, ["18 % of runs pass the budget; asks above 10 %"]);
    assert_eq!(default.judge(&at(1_000)).gate, Gate::Ask, "the budget itself stops such a run");
    let denying = policy("[thresholds]\ndeny = { exceed = '50%' }");
    assert_eq!(denying.judge(&at(500)).gate, Gate::Ask);
    assert_eq!(denying.judge(&at(501)).gate, Gate::Deny);
    let strict = policy(
        "[thresholds]\nask = { agents = 50, cost = '$5', minutes = 10, unbounded = true, files = 2_000 }\nwarn = '50%'",
    );
    let plan = PlanMeasures {
        exceeded_per_mille: None,
        agents_p90: 51,
        cost_p90: None,
        wall_seconds_p90: 601,
        bounded: false,
        files: Some(2_001),
    };
    insta::assert_snapshot!(strict.judge(&plan).reasons.join("\n"), @r"
    51 agents in 9 of 10 runs; asks above 50
    cost of 9 of 10 runs is unknown; asks above $5.00
    11 minutes in 9 of 10 runs; asks above 10
    2001 files in the folder; asks above 2000
    nothing in the script bounds its agents; asks without
    ");
    assert_eq!(strict.thresholds().warn_per_mille, [500]);
}

fn any_facts() -> impl Strategy<Value = StageFacts<'static>> {
    let names = || prop_oneof![Just("Find"), Just("Verify"), Just("")];
    let models = prop_oneof![
        Just(None),
        Just(Some("haiku")),
        Just(Some("sonnet")),
        Just(Some("fable")),
        Just(Some("old")),
        Just(Some("gpt-99"))
    ];
    let effort = proptest::option::of(proptest::sample::select(Effort::ALL.to_vec()));
    let role = proptest::sample::select(vec![Role::FanOut, Role::Reduce, Role::Single]);
    (names(), names(), models, effort, role, any::<bool>(), 0_u64..40).prop_map(
        |(phase, label, requested_model, effort, role, worktree, agents_p50)| StageFacts {
            phase,
            label,
            requested_model,
            effort,
            role,
            worktree,
            agents_p50,
            ..facts()
        },
    )
}

/// A rule that does not raise, as TOML, without its name.
fn any_rule() -> impl Strategy<Value = String> {
    let when = proptest::sample::select(vec![
        "{ phase = 'Find' }",
        "{ label = 'V*' }",
        "{ role = ['reduce', 'single'] }",
        "{ width = '>= 8' }",
        "{ effort = '>= high' }",
        "{ model = 'session' }",
        "{ not = { isolation = 'worktree' } }",
        "{}",
    ]);
    let then = proptest::sample::select(vec![
        "{ model = 'haiku' }",
        "{ model = ['old', 'sonnet'] }",
        "{ model = ['fable', 'free-lunch', 'opus'], effort = 'max' }",
        "{ effort = 'low' }",
        "{ effort = 'max' }",
        "'keep'",
    ]);
    let pinned = proptest::sample::select(vec!["respect", "override"]);
    (when, then, pinned).prop_map(|(when, then, pinned)| {
        format!("when = {when}\nthen = {then}\npinned = '{pinned}'")
    })
}

proptest! {
    #[test]
    fn the_first_match_is_the_only_one(
        rules in proptest::collection::vec(any_rule(), 1..7),
        facts in any_facts(),
    ) {
        use std::fmt::Write as _;
        let mut all = String::new();
        for (index, rule) in rules.iter().enumerate() {
            write!(all, "[[rule]]\nname = 'r{index}'\n{rule}\n").unwrap();
        }
        let whole = route(&policy(&all), &facts);
        let alone = rules.iter().map(|rule| {
            route(&policy(&format!("[[rule]]\nname = 'r'\n{rule}")), &facts)
        });
        let matched = |routing: &flyball::policy::Routing| {
            routing.trace[0].outcome == flyball::policy::RuleOutcome::Matched
        };
        let expected = alone.enumerate().find(|(_, routing)| matched(routing));
        match expected {
            None => prop_assert_eq!(whole.rule, AS_WRITTEN),
            Some((index, first)) => {
                prop_assert_eq!(&whole.model, &first.model);
                prop_assert_eq!(whole.effort, first.effort);
                let line = format!("r{index}");
                prop_assert!(whole.rule == line || whole.rule == first.rule, "{}", whole.rule);
            }
        }
    }

    #[test]
    fn without_raise_no_route_costs_more(
        rule in any_rule(),
        facts in any_facts(),
        session in proptest::sample::select(vec!["haiku", "sonnet", "opus", "fable", "old"]),
    ) {
        use flyball::policy::{Candidate, Candidates, SESSION};
        let mut stand = Stand { session, ..Stand::default() };
        let policy = policy(&format!("[[rule]]\nname = 'r'\n{rule}"));
        let routing = policy.route(&facts, &mut stand);
        let mut cost = |model: &str, effort| match stand.assess(model, effort) {
            Candidate::Known { expected_cost, .. } => Some(expected_cost),
            _ => None,
        };
        let asked = facts.asked_model().unwrap_or(SESSION);
        let before = cost(asked, facts.effort);
        let to = routing.model.as_ref().map_or(asked, |model| &*model.0);
        let after = cost(to, routing.effort);
        prop_assert!(after <= before, "{before:?} {after:?} {routing:?}");
        let changed = routing.model.is_some() || routing.effort != facts.effort;
        prop_assert_eq!(changed, routing.costs.is_some());
        if let Some(costs) = routing.costs {
            prop_assert!(costs.routed_usd < costs.as_written_usd);
        }
    }
}
