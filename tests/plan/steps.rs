//! Step-downs of a plan: listed with their price, refused with a reason, in no band.

use flyball::plan::report::{PlanReport, StagePlan};
use flyball::policy::shipped;
use flyball::report::{Page, json, markdown, plan as text};

use super::stand::{HEAD, OPEN_LIST, Stand, find_and_check, stage};

fn one(options: &str, policy: &str) -> Stand {
    let script =
        format!("{HEAD}phase('Work'); await agent('Do it.', {{ label: 'work'{options} }});");
    Stand::script(&script).policy(policy)
}

fn work(report: &PlanReport) -> &StagePlan {
    stage(report, "work")
}

fn step(name: &str, above: &str, model: &str) -> String {
    format!("[[step_down]]\nname = '{name}'\nabove = '{above}'\nmodel = {model}\n")
}

#[test]
fn a_plan_lists_them_priced_and_its_bands_leave_them_out() {
    let policy = step("last", "90%", "'haiku'") + &step("half", "50%", "['fable', 'sonnet']");
    let (report, plain) = (one("", &policy).plan(), one("", "").plan());
    let route = &work(&report).route;
    let steps: Vec<(&str, u16, &str)> = route
        .step_downs
        .iter()
        .map(|step| (&*step.rule, step.above_per_mille, &*step.model.0))
        .collect();
    assert_eq!(steps, [("half", 500, "claude-sonnet-5-5"), ("last", 900, "claude-haiku-5-5")]);
    let [half, last] = &route.step_downs[..] else { panic!() };
    assert!(half.per_agent_usd_mean < half.routed_per_agent_usd_mean);
    assert!(last.per_agent_usd_mean < half.per_agent_usd_mean);
    assert_eq!(half.routed_per_agent_usd_mean, last.routed_per_agent_usd_mean);
    let [refused] = &route.refusals[..] else { panic!("{route:?}") };
    assert_eq!((&*refused.rule, &*refused.model), ("half", "fable"));
    assert!(refused.reason.contains("is not below"), "{}", refused.reason);
    // Nothing else is different.
    assert_eq!((&route.model, &route.rule), (&route.as_written, &"as written".to_owned()));
    assert_eq!(report.totals, plain.totals);
    assert_eq!(report.verdict, plain.verdict);
    assert_eq!(report.drivers, plain.drivers);
    assert!(work(&plain).route.step_downs.is_empty());
    assert!(!json::pretty(&plain).contains("step_down"));
    let read: PlanReport = serde_json::from_str(&json::pretty(&report)).unwrap();
    assert_eq!(read, report);
}

#[test]
fn one_agent_costs_there_what_a_rule_would_make_it_cost() {
    let stepped = one("", &step("last", "75%", "'haiku'")).plan();
    let rule = "[[rule]]\nname = 'r'\nthen = { model = 'haiku' }\n";
    let routed = one("", &(rule.to_owned() + &step("never", "75%", "'haiku'"))).plan();
    // One agent in every sample: the mean of the stage is that of its agent.
    let [step] = &work(&stepped).route.step_downs[..] else { panic!() };
    assert!(work(&routed).route.step_downs.is_empty());
    assert_eq!(step.output_cap_tokens, work(&routed).route.output_cap_tokens);
    assert_eq!(step.effort, work(&routed).route.effort);
    let band = work(&routed).quantities.cost_usd.unwrap();
    assert!(band.p10 <= step.per_agent_usd_mean && step.per_agent_usd_mean <= band.stress);
}

#[test]
fn a_rules_output_cap_holds_on_every_step() {
    let policy = "[[rule]]\nname = 'brief'\nthen = { output_cap = 4000 }\n".to_owned()
        + &step("last", "75%", "'haiku'");
    let report = one("", &policy).assume(&["work.output_per_request=9k"]).plan();
    assert_eq!(work(&report).route.step_downs[0].output_cap_tokens, 4_000);
}

#[test]
fn what_does_not_fit_or_is_pinned_is_refused() {
    let old = step("last", "75%", "'claude-haiku-4-5'");
    let report = one("", &old).assume(&["work.first_context=260k"]).plan();
    let route = &work(&report).route;
    assert!(route.step_downs.is_empty());
    assert!(route.refusals[0].reason.contains("do not fit its window of 200k"), "{route:?}");

    let policy = step("last", "75%", "'haiku'");
    let report = one(", model: 'opus'", &policy).plan();
    let route = &work(&report).route;
    assert!(route.step_downs.is_empty());
    assert_eq!(route.refusals[0].reason, "pinned by script, which asks for opus");
    for pinned in ["pinned = 'override'\n".to_owned() + &policy, policy + "pinned = 'override'\n"] {
        let report = one(", model: 'opus'", &pinned).plan();
        assert_eq!(work(&report).route.step_downs.len(), 1, "{pinned}");
    }
    let report = one("", &step("last", "75%", "'haikuu'")).plan();
    let reason = &work(&report).route.refusals[0].reason;
    assert!(reason.starts_with("unknown model: "), "{reason}");
}

#[test]
fn a_fit_ignores_them_and_they_go_by_what_it_chose() {
    let script = find_and_check(OPEN_LIST, "all");
    let fit = |policy: &str| {
        Stand::script(&script)
            .policy(policy)
            .with(|job| job.fit = Some("0.01usd".to_owned()))
            .plan()
    };
    let (with, without) = (fit(&step("last", "75%", "'sonnet'")), fit(""));
    assert_eq!(with.totals, without.totals);
    for (stage, before) in with.stages.iter().zip(&without.stages) {
        assert_eq!(stage.route.model, before.route.model);
        assert_eq!(stage.route.rule, "fit");
        // The session's model is dearer than sonnet, what was fitted is not.
        assert!(stage.route.step_downs.is_empty(), "{:?}", stage.route);
        assert!(stage.route.refusals.iter().any(|of| of.reason.ends_with("as routed")));
    }
}

#[test]
fn a_preview_says_in_a_line_what_they_would_do() {
    let policy = "[[step_down]]\nname = 'last quarter'\nabove = '75%'\nwhen = { stage = 'c*' }\n\
                  model = 'haiku'\n[[step_down]]\nname = 'end'\nabove = '92.5%'\nmodel = 'sonnet'";
    let report = Stand::script(&find_and_check(OPEN_LIST, "all")).policy(policy).plan();
    let shown = text::table(&report, Page::plain());
    let from = shown.find("steps ").unwrap();
    let steps: Vec<&str> = shown[from..].lines().take(3).collect();
    insta::assert_snapshot!(steps.join("\n"), @r"
    steps    above 75 % of a budget, agents start on haiku-5-5: check [last
               quarter]
             above 92.5 % of a budget, agents start on sonnet-5-5: find [end]
    ");
    let shown = markdown::plan(&report);
    assert!(shown.contains("**Step-downs**\n\n- above 75 % of a budget"), "{shown}");
    // Where nothing steps down, nothing is said.
    let none = one("", "").plan();
    assert!(!text::table(&none, Page::plain()).contains("steps "));
}

#[test]
fn no_shipped_policy_steps_down_unasked() {
    for (name, _) in shipped() {
        let policy = flyball::policy::Policy::shipped(name).unwrap().unwrap();
        assert!(policy.step_downs().is_empty(), "{name}");
    }
}
