//! Which stages a condition matches.

use flyball::effort::Effort;
use flyball::policy::{Policy, RequestFacts, RuleOutcome, StageFacts};
use flyball::role::Role;

use super::stand::{Stand, facts, policy, route};

/// Whether a rule with this `when` matches.
fn matches(when: &str, facts: &StageFacts<'_>) -> bool {
    let rules = format!("[[rule]]\nname = \"r\"\nwhen = {{ {when} }}\nthen = \"keep\"");
    let routing = route(&policy(&rules), facts);
    let matched = routing.trace[0].outcome == RuleOutcome::Matched;
    assert_eq!(matched, routing.rule == "r", "{when}");
    matched
}

#[test]
fn each_condition_holds_or_not() {
    let fan = facts();
    let deep = StageFacts {
        role: Role::Reduce,
        effort: Some(Effort::Xhigh),
        agent_type: Some("code-reviewer"),
        requested_model: Some("opus"),
        worktree: true,
        has_schema: false,
        schema: None,
        agents_p50: 1,
        phase: "",
        label: "final report",
        context_p90_tokens: 300_000,
        ..facts()
    };
    // Condition, on the fan-out stage, on the other one.
    let table = [
        ("phase = 'Verify'", true, false),
        ("phase = 'verify'", true, false),
        ("phase = 'V*'", true, false),
        ("phase = ['Find', 'V*y']", true, false),
        ("phase = '*'", true, true),
        ("label = 'verify:*'", true, false),
        ("label = 'verify'", false, false),
        ("label = '*report'", false, true),
        ("stage = '*:*'", true, true),
        ("role = 'fan-out'", true, false),
        ("role = ['single', 'reduce']", false, true),
        ("width = 12", true, false),
        ("width = '>= 8'", true, false),
        ("width = '> 12'", false, false),
        ("width = '< 2'", false, true),
        ("width = '1..4'", false, true),
        ("width = { min = 8, max = 12 }", true, false),
        ("width = { max = 11 }", false, true),
        ("schema = true", true, false),
        ("schema = false", false, true),
        ("schema = 'refuted'", true, false),
        ("schema = ['findings', 'ref*']", true, false),
        ("effort = '>= high'", false, true),
        ("effort = '< xhigh'", false, false),
        ("effort = ['low', 'xhigh']", false, true),
        ("effort = 'session'", true, false),
        ("effort = ['session', '> high']", true, true),
        ("model = 'session'", true, false),
        ("model = 'opus'", false, true),
        ("model = 'claude-opus-*'", false, true),
        ("model = 'claude-opus-5-5'", false, true),
        ("model = '*'", true, true),
        ("runs_on = 'opus'", true, true),
        ("runs_on = 'claude-opus-5-5'", true, true),
        ("runs_on = 'sonnet'", false, false),
        ("isolation = 'worktree'", false, true),
        ("isolation = 'none'", true, false),
        ("context_tokens = '<= 100k'", true, false),
        ("context_tokens = '> 200_000'", false, true),
        ("agent_type = '*'", false, true),
        ("agent_type = '*review*'", false, true),
        ("not = { agent_type = '*' }", true, false),
        ("not = { isolation = 'worktree', effort = '>= high' }", true, false),
        ("not = { isolation = 'worktree', effort = 'low' }", true, false),
        ("role = 'fan-out', not = { width = '< 8' }", true, false),
    ];
    for (when, on_fan, on_deep) in table {
        assert_eq!(matches(when, &fan), on_fan, "fan-out: {when}");
        assert_eq!(matches(when, &deep), on_deep, "other: {when}");
    }
}

#[test]
fn not_means_none_of_these() {
    let worktree = StageFacts { worktree: true, ..facts() };
    let high = StageFacts { effort: Some(Effort::High), ..facts() };
    let when = "not = { isolation = 'worktree', effort = '>= high' }";
    assert!(!matches(when, &worktree));
    assert!(!matches(when, &high));
}

#[test]
fn inherit_asks_for_the_session() {
    let inherits = StageFacts { requested_model: Some("inherit"), ..facts() };
    assert!(matches("model = 'session'", &inherits));
}

#[test]
fn an_unreadable_schema_has_no_properties() {
    for schema in ["{", "[]", "{\"properties\": 3}", &"[".repeat(10_000)] {
        let stage = StageFacts { schema: Some(schema), ..facts() };
        assert!(!matches("schema = '*'", &stage));
        assert!(matches("schema = true", &stage));
    }
}

#[test]
fn the_first_match_wins_and_the_trace_says_why() {
    let policy = policy(
        r#"
[[rule]]
name = "wide reports"
when = { phase = "Report", width = ">= 8" }
then = { model = "haiku" }

[[rule]]
name = "fan-out"
when = { role = "fan-out", not = { isolation = "worktree" } }
then = { model = "sonnet" }

[[rule]]
name = "rest"
then = "keep"
"#,
    );
    let routing = policy.route(&facts(), &mut Stand::default());
    assert_eq!(routing.rule, "fan-out");
    let lines: Vec<String> = routing
        .trace
        .iter()
        .flat_map(|rule| {
            let head = format!("{} line {} {:?}", rule.rule, rule.line, rule.outcome);
            let each = rule.conditions.iter().map(|condition| {
                format!("  {} {}: {}", condition.holds, condition.condition, condition.found)
            });
            std::iter::once(head).chain(each).collect::<Vec<_>>()
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    wide reports line 5 Missed
      false phase is Report: Verify
      true width >= 8: 12
    fan-out line 10 Matched
      true role is fan-out: fan-out
      true not: isolation is worktree: none
    rest line 15 NotReached
    ");
}

/// What a request does not tell is neither so nor not so.
#[test]
fn what_is_unknown_of_a_request_neither_holds_nor_fails() {
    let route = |when: &str, request: &RequestFacts<'_>| {
        let text = format!(
            "schema = 1\nname = \"t\"\npinned = \"override\"\n[[rule]]\nname = \"r\"\n\
             when = {{ {when} }}\nthen = {{ output_cap = 8000 }}\n"
        );
        let policy = Policy::parse("t.toml", &text).unwrap();
        policy.route_request(request, &mut Stand::default()).rule == "r"
    };
    let nothing =
        RequestFacts { model: "opus", effort: None, phase: None, label: None, agent_type: None };
    let agent = RequestFacts {
        phase: Some("Verify"),
        label: Some("verify:3"),
        agent_type: Some(""),
        effort: Some(Effort::Low),
        ..nothing
    };
    for (when, of_agent, of_nothing) in [
        ("phase = \"verify\"", true, false),
        ("label = \"verify*\"", true, false),
        ("not = { label = \"find*\" }", true, false),
        ("agent_type = \"*\"", false, false),
        ("not = { agent_type = \"*\" }", true, false),
        ("effort = \"low\"", true, false),
        ("effort = \"session\"", false, true),
        ("model = \"opus\"", true, true),
        ("not = { model = \"opus\" }", false, false),
        ("role = \"single\"", false, false),
        ("not = { role = \"single\" }", false, false),
        ("stage = \"*\"", false, false),
        ("label = \"verify*\", not = { width = 5 }", false, false),
    ] {
        assert_eq!(route(when, &agent), of_agent, "{when}");
        assert_eq!(route(when, &nothing), of_nothing, "{when}");
    }
}
