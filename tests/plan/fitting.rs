//! `--fit`.

use flyball::gate::Gate;
use flyball::money::Picodollars;
use flyball::plan::report::PlanReport;

use super::stand::{HEAD, OPEN_LIST, Stand, find_and_check, stage};

fn fit(amount: &str) -> PlanReport {
    Stand::script(&find_and_check(OPEN_LIST, "all"))
        .with(|job| job.fit = Some(amount.to_owned()))
        .plan()
}

fn p90(report: &PlanReport) -> Picodollars {
    report.totals.cost_usd.unwrap().p90
}

#[test]
fn a_fit_meets_its_amount_with_no_less_than_it_must() {
    let before = Stand::script(&find_and_check(OPEN_LIST, "all")).plan();
    let amount = Picodollars::from_pico(p90(&before).pico() * 6 / 10);
    let report = fit(&format!("{}usd", amount.to_decimal()));
    assert!(p90(&report) <= amount, "{} is above {amount}", p90(&report));
    assert_ne!(report.verdict.gate, Gate::Deny);
    assert!(report.stages.iter().any(|stage| stage.route.rule == "fit"));
    assert!(report.verdict.reasons.iter().any(|reason| reason.starts_with("fit to")));
    // Something cheaper would have done: capability is kept where the amount allows it.
    assert!(
        report
            .stages
            .iter()
            .any(|stage| stage.route.rule != "fit" || *stage.route.model.0 != *"claude-haiku-5-5")
    );
}

#[test]
fn an_amount_with_room_changes_nothing() {
    let report = fit("1000usd");
    assert!(report.stages.iter().all(|stage| stage.route.model == stage.route.as_written));
}

#[test]
fn what_cannot_be_met_says_the_least() {
    let report = fit("0.01usd");
    assert_eq!(report.verdict.gate, Gate::Deny);
    let reason = report.verdict.reasons.iter().find(|reason| reason.starts_with("nothing fits"));
    let reason = reason.unwrap_or_else(|| panic!("{:?}", report.verdict.reasons));
    assert!(reason.contains("the least found is $"), "{reason}");
    assert_eq!(stage(&report, "check").route.rule, "fit");
}

/// Two agents with equal options: in a run the second reads the prefix that the first wrote.
const SHARED_PREFIX: &str = "phase('Look');
const first = await agent('Look here.', { label: 'first' });
phase('Think');
return await agent(`Think of ${first}`, { label: 'second' });
";

fn fit_shared(amount: &str) -> PlanReport {
    Stand::script(&format!("{HEAD}{SHARED_PREFIX}"))
        .with(|job| job.fit = Some(amount.to_owned()))
        .plan()
}

fn reason(report: &PlanReport) -> &str {
    let of_fit = |reason: &&String| reason.contains("fit");
    report.verdict.reasons.iter().find(of_fit).expect("a word on the fit")
}

#[test]
fn what_a_fit_quotes_is_the_run_and_not_the_sum_of_its_stages() {
    let ample = fit_shared("1000usd");
    let given = Picodollars::from_usd(1000);
    assert_eq!(reason(&ample), format!("fit to {given}: {} at P90", p90(&ample)));
    let least = fit_shared("0.01usd");
    let given: Picodollars = "0.01".parse().unwrap();
    let quoted = format!("nothing fits {given}: the least found is {} at P90", p90(&least));
    assert_eq!(reason(&least), quoted);
    // What it says is the least can be had, though its stages add up to more.
    let amount = p90(&least);
    let met = fit_shared(&format!("{}usd", amount.to_decimal()));
    assert_ne!(met.verdict.gate, Gate::Deny, "{}", reason(&met));
    assert_eq!(p90(&met), amount);
}

#[test]
fn a_pinned_model_stays() {
    let script = find_and_check(OPEN_LIST, "all")
        .replace("label: `find:${part}`", "label: `find:${part}`, model: 'opus'");
    let report = Stand::script(&script).with(|job| job.fit = Some("0.01usd".to_owned())).plan();
    assert_eq!(stage(&report, "find").route.rule, "as written");
    let inherits = script.replace("model: 'opus'", "model: 'inherit'");
    let report = Stand::script(&inherits).with(|job| job.fit = Some("0.01usd".to_owned())).plan();
    assert_eq!(stage(&report, "find").route.rule, "fit");
}
