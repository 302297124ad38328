//! Step-downs: the format, and what they mean for a stage.

use flyball::id::ModelId;
use flyball::money::Picodollars;
use flyball::policy::{
    Candidates, POLICY_STEP_DOWNS_MAX, Policy, RoutedStage, RuleOutcome, StageFacts,
    StepDownRouting,
};
use flyball::report::Page;
use flyball::report::policy::check;

use super::stand::{Stand, facts, policy};

fn told_of(body: &str) -> String {
    let text = format!("schema = 1\nname = \"test\"\n{body}");
    let error = Policy::parse("team.toml", &text).expect_err(body);
    let line = |problem: &flyball::diagnostic::Diagnostic| {
        let place = problem.place.as_ref().unwrap();
        let help = problem.help.as_deref().unwrap_or("-");
        format!("{}:{} {} | {help}", place.line, place.column, problem.message)
    };
    error.problems().iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn mistakes_are_named_with_what_to_do() {
    insta::assert_snapshot!(told_of(
        "[[step_down]]\nname = 'a'\nabove = '75'\nmodel = 'haiku'\n\
         [[step_down]]\nname = 'b'\nabove = '0%'\nmodel = 'haiku'\n\
         [[step_down]]\nname = 'c'\nabove = '100%'\nmodel = 'haiku'\n\
         [[step_down]]\nname = 'd'\nabove = 0.75\nmodel = 'haiku'\n\
         [[step_down]]\nname = 'e'\nabove = '120%'\nmodel = 'ladder'\n\
         [[step_down]]\nname = 'f'\nabov = '75%'\nmodel = []\nwhen = { rolle = 'fan-out' }\n\
         [[step_down]]\nname = 'g'\nabove = '75%'\n\
         [[step_down]]\nabove = '75%'\nmodel = 'haiku'\npinned = 'no'"
    ), @r#"
    5:9 `above` is not a share: `75` | write "10%", from 0% to 100%, in steps of 0.1%
    9:9 `above` is 0 %, where a step-down has no effect | a model that applies from the start belongs in a [[rule]]
    13:9 `above` is 100 %, where a step-down has no effect | above the whole of a budget nothing is started: write less, such as "90%"
    17:9 `above` is not a share: float | write "10%", from 0% to 100%, in steps of 0.1%
    21:9 `above` is not a share: `120%` | write "10%", from 0% to 100%, in steps of 0.1%
    22:9 the policy has no ladder | write ladder = ["haiku", "sonnet", "opus"] at the top, weakest first
    23:1 this step-down has no `above` | write above = "75%": how much of a budget is taken before it applies
    25:1 unknown key `abov`, did you mean `above`? | keys of [[step_down]]: name, above, when, model, pinned
    26:9 `model` is an empty list | leave `model` out, or name at least one
    27:10 unknown key `rolle`, did you mean `role`? | keys of `when`: stage, phase, label, agent_type, role, width, schema, effort, model, runs_on, isolation, context_tokens, not
    28:1 this step-down does nothing: it has no `model` | write model = "haiku", a list, or "ladder"
    31:1 this step-down has no name | write name = "…": every report cites it
    34:10 unknown pinned `no` | `pinned` is one of: respect, override
    "#);
    insta::assert_snapshot!(told_of(
        "[[rule]]\nname = 'a'\nthen = 'keep'\n\
         [[step_down]]\nname = 'a'\nabove = '75%'\nmodel = 'haiku'\n\
         [[step_down]]\nname = 'b'\nabove = '80%'\nmodel = 'haiku'\n\
         [[step_down]]\nname = 'b'\nabove = '90%'\nmodel = 'haiku'"
    ), @r#"
    7:8 a rule on line 4 is named `a` already | reports cite rules and step-downs by name: give each its own
    15:8 another step-down on line 11 is named `b` already | reports cite rules and step-downs by name: give each its own
    "#);
    insta::assert_snapshot!(told_of("[step_down]\nname = 'a'"), @r#"
    3:1 `step_down` must be a list of tables | head each step-down with [[step_down]], in double brackets
    "#);
    let many = "[[step_down]]\nname = 'a'\n".repeat(POLICY_STEP_DOWNS_MAX + 1);
    assert!(told_of(&many).contains("101 step-downs; the most is 100"));
}

#[test]
fn doubtful_ones_are_warned_about() {
    let text = "schema = 1\nname = 'test'\n\
         [[step_down]]\nname = 'wide'\nabove = '75%'\nwhen = { role = 'fan-out' }\nmodel = 'haikuu'\n\
         [[step_down]]\nname = 'later'\nabove = '90%'\nwhen = { role = 'fan-out' }\nmodel = 'session'\n\
         [[step_down]]\nname = 'narrow'\nabove = '75%'\nwhen = { role = 'fan-out', width = 9 }\n\
         model = 'haiku'";
    let policy = Policy::parse("team.toml", text).unwrap();
    let known = |name: &str| match name {
        "haiku" => Ok(ModelId::from("claude-haiku-5-5")),
        _ => Err("no such model".to_owned()),
    };
    let found = policy.check(&mut |name| known(name));
    let told: Vec<String> = found
        .iter()
        .map(|found| format!("{}: {}", found.place.as_ref().unwrap().line, found.message))
        .collect();
    assert_eq!(
        told,
        [
            "7: no price table knows the model `haikuu`: no such model",
            "14: step-down `narrow` never applies: `wide` on line 4 already matches all its stages \
             above 75 %",
        ]
    );
    assert!(found.iter().all(|found| found.help.is_some()));
}

const TEAM: &str = "pinned = 'respect'\nladder = ['haiku', 'sonnet', 'opus']\n\
    [[step_down]]\nname = 'all at last'\nabove = '90%'\nmodel = 'ladder'\npinned = 'override'\n\
    [[step_down]]\nname = 'audits'\nabove = '50%'\nwhen = { phase = '*audit*' }\nmodel = 'haiku'\n\
    [[step_down]]\nname = 'wide'\nabove = '50.5%'\nwhen = { role = 'fan-out' }\n\
    model = ['old', 'sonnet']\n\
    [[step_down]]\nname = 'others'\nabove = '50%'\nwhen = { not = { role = 'reduce' } }\n\
    model = 'sonnet'";

#[test]
fn check_says_what_they_do() {
    insta::assert_snapshot!(check(&policy(TEAM), &[], "team.toml", Page::plain()), @r#"
    test
    pinned      models and efforts that the script asks for stay
    rules       none: every stage stays as written
    step-downs  1 all at last: above 90 % of a budget, model haiku, then sonnet,
                  then opus
                    all stages; rules may replace models and efforts that the script
                    asks for
                2 audits: above 50 % of a budget, model haiku
                    phase is *audit*
                3 wide: above 50.5 % of a budget, model old, then sonnet
                    role is fan-out
                4 others: above 50 % of a budget, model sonnet
                    not: role is reduce
    budgets     none of its own
    thresholds  denies never
                asks where more than 10 % of runs pass a budget
                warns at 75 %, 90 % of a budget spent
    problems    none
    "#);
}

#[test]
fn broken_ones_point_into_their_file() {
    let text = format!("schema = 1\nname = 'test'\n{TEAM}");
    for at in 0..text.len() {
        let (head, tail) = text.split_at(at);
        for broken in [head.to_owned(), format!("{head}{}", &tail[1..]), format!("{head}'{tail}")] {
            let Err(error) = Policy::parse("x", &broken) else { continue };
            for problem in error.problems() {
                let place = problem.place.as_ref().unwrap();
                assert!((place.offset + place.length) as usize <= broken.len(), "{broken}");
            }
        }
    }
}

/// Every step-down on a stage as written.
fn steps(policy: &Policy, facts: &StageFacts<'_>, stand: &mut Stand) -> Vec<StepDownRouting> {
    let flyball::policy::Candidate::Known { model, expected_cost, .. } =
        stand.assess(facts.requested_model.unwrap_or("session"), facts.effort)
    else {
        panic!("a stage on a model without a price")
    };
    let routed = RoutedStage {
        model,
        effort: facts.effort,
        expected_cost: Some(expected_cost),
        output_cap_tokens: None,
    };
    policy.step_down(facts, &routed, stand)
}

fn taken(steps: &[StepDownRouting]) -> Vec<(&str, u16, &str)> {
    let taken = |step: &'_ StepDownRouting| step.route.is_some();
    let of = steps.iter().filter(|step| taken(step));
    of.map(|step| (&*step.rule, step.above_per_mille, &*step.route.as_ref().unwrap().model.0))
        .collect()
}

#[test]
fn at_each_share_the_first_match_decides_and_every_step_is_cheaper() {
    let policy = policy(TEAM);
    let found = steps(&policy, &facts(), &mut Stand::default());
    assert_eq!(
        taken(&found),
        [
            ("others", 500, "claude-sonnet-5-5"),
            ("wide", 505, "claude-haiku-4-5"),
            ("all at last", 900, "claude-haiku-5-5"),
        ]
    );
    // The session's sonnet costs what is not below sonnet; the next one on the list is cheaper.
    let found = steps(&policy, &facts(), &mut Stand { session: "sonnet", ..Stand::default() });
    let [audits, others, ..] = &found[..] else { panic!("{found:?}") };
    assert_eq!((audits.outcome, others.outcome), (RuleOutcome::Missed, RuleOutcome::Matched));
    assert_eq!(others.notes, ["it is on claude-sonnet-5-5 already, as routed"]);
    // What an audit matches first is not looked at again, though its route is taken.
    let audit = StageFacts { phase: "Audit", ..facts() };
    let found = steps(&policy, &audit, &mut Stand::default());
    assert_eq!(found[1].outcome, RuleOutcome::NotReached);
    assert_eq!(taken(&found), [("audits", 500, "claude-haiku-5-5")]);
    let reasons: Vec<&str> =
        found.iter().flat_map(|step| &step.refusals).map(|of| &*of.reason).collect();
    let below = "is not below $0.1500 stepped down by `audits`";
    assert!(reasons.iter().all(|reason| reason.ends_with(below)), "{reasons:?}");
    assert_eq!(reasons.len(), 2);
    assert_eq!(found[3].notes, ["it is on claude-haiku-5-5 already, stepped down by `audits`"]);
}

#[test]
fn what_may_not_be_taken_is_refused_with_its_reason() {
    let one = |model: &str| policy(&format!("[[step_down]]\nname = 's'\nabove = '75%'\n{model}"));
    let reasons = |policy: &Policy, facts: &StageFacts<'_>, stand: &mut Stand| {
        let found = steps(policy, facts, stand);
        assert!(found[0].route.is_none(), "{found:?}");
        found[0].refusals.iter().map(|of| of.reason.clone()).collect::<Vec<_>>()
    };
    let large = &mut Stand { context_tokens: 195_000, ..Stand::default() };
    assert_eq!(
        reasons(&one("model = 'old'"), &facts(), large),
        ["P90 context of 195k and 8000 of output do not fit its window of 200k"]
    );
    assert_eq!(
        reasons(&one("model = ['fable', 'opsu', 'free-lunch']"), &facts(), &mut Stand::default()),
        [
            "expected $6.00 is not below $3.00 as routed",
            "unknown model: no table lists `opsu`",
            "no price: announced, not in force",
        ]
    );
    let pinned = StageFacts { requested_model: Some("fable"), ..facts() };
    assert_eq!(
        reasons(&one("model = ['haiku', 'sonnet']"), &pinned, &mut Stand::default()),
        ["pinned by script, which asks for fable"]
    );
    let found = steps(&one("model = 'haiku'\npinned = 'override'"), &pinned, &mut Stand::default());
    assert_eq!(taken(&found), [("s", 750, "claude-haiku-5-5")]);
    // What has no price as routed has nothing below it.
    let routed = RoutedStage {
        model: ModelId::from("claude-opus-5-5"),
        effort: None,
        expected_cost: None,
        output_cap_tokens: None,
    };
    let found = one("model = 'haiku'").step_down(&facts(), &routed, &mut Stand::default());
    assert_eq!(found[0].refusals[0].reason, "the cost as routed is unknown, so none is lower");
    let costs = RoutedStage { expected_cost: Some(Picodollars::from_usd(1)), ..routed };
    let found = one("model = 'haiku'").step_down(&facts(), &costs, &mut Stand::default());
    assert!(found[0].route.is_some());
}
