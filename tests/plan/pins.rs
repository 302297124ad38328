//! `--done`, `--result` and `--assume` in process.

use flyball::money::Picodollars;
use flyball::plan::PlanError;
use flyball::ports::script::EngineError;

use super::stand::{OPEN_LIST, Stand, find_and_check, said, stage};

fn stand() -> Stand {
    Stand::script(&find_and_check(OPEN_LIST, "all"))
}

#[test]
fn what_is_done_costs_nothing_and_is_still_there() {
    let before = stand().plan();
    let after = stand().with(|job| job.done = vec!["find".to_owned()]).plan();
    let find = stage(&after, "find");
    assert_eq!(find.quantities.cost_usd.unwrap().stress, Picodollars::ZERO);
    assert_eq!(find.quantities.billed_tokens.stress, 0);
    assert_eq!(find.quantities.agents, stage(&before, "find").quantities.agents);
    let cost = |report: &flyball::plan::report::PlanReport| report.totals.cost_usd.unwrap().p50;
    assert!(cost(&after) < cost(&before));
    assert_eq!(said(&after, "plan::unused-assumption"), None);
}

#[test]
fn a_known_result_is_given_and_its_agent_still_paid() {
    let result = r#"find={"findings":["one","two","three"]}"#.to_owned();
    let report = stand().with(|job| job.results = vec![result]).plan();
    let checks = stage(&report, "check").quantities.agents;
    assert_eq!((checks.p10, checks.stress), (6, 6));
    assert!(stage(&report, "find").quantities.cost_usd.unwrap().p10 > Picodollars::ZERO);
}

#[test]
fn one_numbered_result_leaves_the_other_calls_alone() {
    let result = r#"find#1={"findings":[]}"#.to_owned();
    let report = stand().assume(&["find.findings=3"]).with(|job| job.results = vec![result]).plan();
    let checks = stage(&report, "check").quantities.agents;
    assert_eq!((checks.p10, checks.stress), (3, 3));
}

#[test]
fn a_result_that_the_schema_refuses_is_an_error_that_says_where() {
    let refused = stand().with(|job| job.results = vec![r#"find={"findings":[1]}"#.to_owned()]);
    match refused.try_plan() {
        Err(PlanError::Script(EngineError::Unanswerable(message))) => {
            assert!(message.contains("/findings/0"), "{message}");
            assert!(message.contains("find"), "{message}");
        }
        other => panic!("{:?}", other.map(|report| report.verdict)),
    }
}

#[test]
fn a_pinned_width_holds_in_every_sample() {
    let report = stand().assume(&["find.findings=5"]).plan();
    let checks = stage(&report, "check").quantities.agents;
    assert_eq!((checks.p10, checks.p90), (10, 10));
}

#[test]
fn a_pin_that_nothing_reads_is_reported() {
    let report = stand().assume(&["find.findngs=5"]).plan();
    let said = said(&report, "plan::unused-assumption").unwrap();
    assert!(said.contains("find.findngs=5"), "{said}");
}

#[test]
fn a_driver_that_is_pinned_already_is_answered_all_the_same() {
    // The share of refuted findings still varies from run to run; its intervention replaces the
    // user's pin instead of contradicting it.
    let script = find_and_check(OPEN_LIST, "all").replace(
        "return { holds",
        "if (checked.some((one) => one && one.refuted)) {
  await parallel(all.map((finding) => () => agent(`Fix ${finding}`, { label: `fix:${finding}` })));
}
return { holds",
    );
    let report = Stand::script(&script)
        .assume(&["check.refuted=0.2", "find.findings=2", "find.requests=9"])
        .plan();
    assert!(!report.drivers.is_empty());
    assert_eq!(report.request.assumptions.len(), 3);
}
