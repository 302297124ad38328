//! Where stages go, and why not.

use flyball::effort::Effort;
use flyball::plan::report::{PlanReport, StagePlan};
use flyball::ports::route::WrittenRoute;
use flyball::run::Routes;

use super::stand::{HEAD, Stand, stage};

const TO_OLD_HAIKU: &str = "[[rule]]\nname = 'old'\nthen = { model = 'claude-haiku-4-5' }";

fn one(options: &str, policy: &str, pins: &[&str]) -> PlanReport {
    let script =
        format!("{HEAD}phase('Work'); await agent('Do it.', {{ label: 'work'{options} }});");
    Stand::script(&script).policy(policy).assume(pins).plan()
}

fn work(report: &PlanReport) -> &StagePlan {
    stage(report, "work")
}

#[test]
fn a_window_that_is_too_small_refuses_the_route() {
    let report = one("", TO_OLD_HAIKU, &["work.first_context=260k"]);
    let route = &work(&report).route;
    assert_eq!(route.model, route.as_written);
    let [refusal] = &route.refusals[..] else { panic!("{route:?}") };
    assert_eq!((&*refusal.rule, &*refusal.model), ("old", "claude-haiku-4-5"));
    assert!(refusal.reason.contains("do not fit its window of 200k"), "{}", refusal.reason);
    // The same stage with less to read goes.
    let report = one("", TO_OLD_HAIKU, &["work.first_context=60k", "work.growth=10k"]);
    assert_eq!(&*work(&report).route.model.0, "claude-haiku-4-5");
}

#[test]
fn a_pinned_model_stays_where_it_is() {
    let report = one(", model: 'opus'", TO_OLD_HAIKU, &[]);
    let route = &work(&report).route;
    assert_eq!((&*route.rule, &route.model), ("pinned by script", &route.as_written));
    let report = one(", model: 'opus'", &format!("pinned = 'override'\n{TO_OLD_HAIKU}"), &[]);
    assert_eq!(&*work(&report).route.model.0, "claude-haiku-4-5");
}

#[test]
fn an_effort_that_the_model_has_not_is_not_made_up() {
    // No rule, and a model without efforts: what the script asks for has no effect.
    let report = one(", model: 'claude-haiku-4-5', effort: 'high'", "", &[]);
    let route = &work(&report).route;
    assert_eq!((&*route.rule, route.effort), ("as written", None));
    let plain = one(", model: 'claude-haiku-4-5'", "", &[]);
    assert_eq!(report.totals.cost_usd, plain.totals.cost_usd);
}

#[test]
fn a_rule_may_lower_the_effort_and_keep_the_model() {
    let policy = "[[rule]]\nname = 'calm'\nthen = { effort = 'low' }";
    let (calm, before) = (one("", policy, &[]), one("", "", &[]));
    let route = &work(&calm).route;
    assert_eq!((&*route.rule, route.effort), ("calm", Some(Effort::Low)));
    assert_eq!(route.model, route.as_written);
    let p50 = |report: &PlanReport| report.totals.cost_usd.unwrap().p50;
    assert!(p50(&calm) < p50(&before));
    assert_eq!(calm.savings.as_written_usd_p50, Some(p50(&before)));
    assert_eq!(calm.savings.routed_usd_p50, Some(p50(&calm)));
}

#[test]
fn an_output_cap_bounds_what_requests_write() {
    let policy = "[[rule]]\nname = 'brief'\nthen = { output_cap = 4000 }";
    let pins = ["work.output_per_request=9k", "work.requests=5"];
    let (brief, before) = (one("", policy, &pins), one("", "", &pins));
    assert_eq!(work(&brief).route.output_cap_tokens, 4_000);
    let p50 = |report: &PlanReport| report.totals.cost_usd.unwrap().p50;
    assert!(p50(&brief) < p50(&before));
    assert_eq!(brief.savings.as_written_usd_p50, Some(p50(&before)));
    // Without a rule the cap is the P99 of what requests write: a last answer of some length.
    let standing = work(&before).route.output_cap_tokens;
    assert!((9_000..45_000).contains(&standing), "{standing}");
}

#[test]
fn the_least_standing_cap_holds_for_short_answers() {
    let report = one("", "", &["work.output_per_request=300"]);
    assert_eq!(work(&report).route.output_cap_tokens, 8_192);
}

#[test]
fn a_rule_may_ask_and_says_so() {
    let policy = "[[rule]]\nname = 'look'\nthen = { gate = 'ask', reason = 'look at it first' }";
    let report = one("", policy, &[]);
    assert_eq!(report.verdict.gate, flyball::gate::Gate::Ask);
    assert!(report.verdict.reasons.iter().any(|reason| reason == "look at it first"));
}

/// What a call at an effort runs on that no sample saw, in a script that asks for `low` and `max`.
fn akin(asked: Effort, rules: &str) -> (String, Option<Effort>, String, bool) {
    let wide = "await parallel([1, 2, 3, 4, 5].map((n) => () =>
        agent(`Do ${n}.`, { label: `do:${n}`, effort: n === 1 ? 'max' : 'low' })));";
    akin_of(&Stand::script(&format!("{HEAD}{wide}")).policy(rules).plan(), asked, rules)
}

fn akin_of(
    plan: &PlanReport,
    asked: Effort,
    rules: &str,
) -> (String, Option<Effort>, String, bool) {
    let first = plan.stages.last().unwrap();
    let routes = Routes::of_plan(plan, |_| None).by_effort(rules.contains("effort"));
    let written = WrittenRoute {
        stage_name: "do".to_owned(),
        model: first.route.as_written.clone(),
        price: None,
        effort: Some(asked),
    };
    let route = routes.akin(first.work.unwrap_or(first.key), &written).unwrap();
    (route.model.0.to_string(), route.effort, route.rule, route.planned)
}

#[test]
fn an_effort_that_no_sample_saw_runs_on_what_the_policy_says_of_its_work() {
    let on = |model: &str, effort, rule: &str| {
        (format!("claude-{model}-5-5"), Some(effort), rule.to_owned(), false)
    };
    // Nothing to hold it to: as the script asks.
    assert_eq!(akin(Effort::High, ""), on("opus", Effort::High, "as written"));
    let fan = "pinned = 'override'\n[[rule]]\nname = 'fan'\nwhen = { role = 'fan-out' }\n\
               then = { model = 'haiku' }";
    assert_eq!(akin(Effort::High, fan), on("haiku", Effort::Low, "fan"));
    assert_eq!(akin(Effort::Max, fan), on("haiku", Effort::Max, "fan"));
    // A rule that would have told it apart: never above what the policy has judged.
    let dear = "[[rule]]\nname = 'dear'\nwhen = { effort = '>= high' }\nthen = { gate = 'deny' }";
    assert_eq!(akin(Effort::High, dear), on("opus", Effort::Low, "as written"));
}

#[test]
fn an_effort_that_is_invented_text_stands_for_any() {
    let script = "const r = await agent('Choose.', { label: 'pick', schema: { type: 'object',
        properties: { level: { type: 'string' } }, required: ['level'] } });
        await parallel([1, 2, 3, 4].map((n) => () => agent(`Do ${n}.`, { effort: r?.level })));";
    let fan = "pinned = 'override'\n[[rule]]\nname = 'fan'\nwhen = { role = 'fan-out' }\n\
               then = { model = 'haiku' }";
    let plan = Stand::script(&format!("{HEAD}{script}")).policy(fan).plan();
    assert_eq!(akin_of(&plan, Effort::High, fan).2, "fan");
}
