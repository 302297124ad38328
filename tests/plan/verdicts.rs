//! Budgets held against samples.

use flyball::amount::PlanWindow;
use flyball::calibrate::WindowRate;
use flyball::gate::Gate;
use flyball::money::Picodollars;
use flyball::plan::report::{PlanReport, VerdictOutcome};
use flyball::plan::verdict::{error_per_mille, word_for};

use super::stand::{OPEN_LIST, Stand, find_and_check};

fn stand() -> Stand {
    Stand::script(&find_and_check(OPEN_LIST, "all"))
}

fn against(budget: &str) -> PlanReport {
    stand().with(|job| job.budgets = vec![budget.to_owned()]).plan()
}

fn usd(amount: Picodollars) -> String {
    format!("{}usd", amount.to_decimal())
}

#[test]
fn the_samples_above_a_budget_are_counted() {
    let (_, _, priced) = stand().priced();
    let mut costs: Vec<Picodollars> =
        priced.costs.iter().map(|sample| sample.total().cost).collect();
    costs.sort_unstable();
    for position in [5, 30, 54] {
        let budget = costs[position];
        // The budget itself is not exceeded by the sample that meets it.
        let above = costs.iter().filter(|cost| **cost > budget).count();
        let held = &against(&usd(budget)).verdict.budgets[0];
        assert_eq!(held.exceeded_per_mille as usize, (above * 1000 + 30) / 60, "{position}");
        assert_eq!(held.error_per_mille, error_per_mille(above, 60));
        let below = Picodollars::from_pico(budget.pico() - 1);
        let held = &against(&usd(below)).verdict.budgets[0];
        assert_eq!(held.exceeded_per_mille as usize, ((above + 1) * 1000 + 30) / 60);
    }
}

#[test]
fn every_unit_is_held_against_its_own_total() {
    let (_, _, priced) = stand().priced();
    let share = |above: &dyn Fn(&flyball::plan::costing::StageCost) -> bool| {
        let count = priced.costs.iter().filter(|sample| above(&sample.total())).count();
        u32::try_from((count * 1000 + 30) / 60).unwrap()
    };
    let expect = [
        ("12agents", share(&|sum| sum.agents > 12)),
        ("3000ktok", share(&|sum| sum.billed_tokens > 3_000_000)),
        ("100kout", share(&|sum| sum.output_tokens > 100_000)),
    ];
    for (budget, per_mille) in expect {
        assert_eq!(against(budget).verdict.budgets[0].exceeded_per_mille, per_mille, "{budget}");
    }
}

#[test]
fn the_error_is_wilsons() {
    // By hand: 1.96 / (1 + 1.96²/n) × sqrt(p (1 - p) / n + 1.96² / 4n²), rounded up.
    for (part, whole, per_mille) in
        [(0, 200, 10), (200, 200, 10), (18, 100, 75), (100, 200, 69), (1, 1, 397)]
    {
        assert_eq!(error_per_mille(part, whole), per_mille, "{part} of {whole}");
    }
}

#[test]
fn verdicts_follow_what_is_tolerated() {
    for (exceeded, tolerated, word) in [
        (None, 100, VerdictOutcome::NoBudget),
        (Some(0), 0, VerdictOutcome::Within),
        (Some(100), 100, VerdictOutcome::Within),
        (Some(101), 100, VerdictOutcome::AtRisk),
        (Some(500), 100, VerdictOutcome::AtRisk),
        (Some(501), 100, VerdictOutcome::Over),
    ] {
        assert_eq!(word_for(exceeded, tolerated), word, "{exceeded:?}");
    }
}

#[test]
fn a_plan_over_its_budget_says_what_would_fit() {
    let report = against("0.50usd");
    assert_eq!(report.verdict.outcome, VerdictOutcome::Over);
    assert!(report.verdict.gate > Gate::Allow);
    let costs: Vec<_> = report.to_fit.iter().map(|option| option.cost_usd_p90).collect();
    assert!(costs.len() >= 2 && costs.iter().all(Option::is_some), "{:?}", report.to_fit);
    let p90 = report.totals.cost_usd.unwrap().p90;
    for option in report.to_fit.iter().filter(|option| option.flag.is_none()) {
        assert!(option.cost_usd_p90.unwrap() < p90, "{option:?}");
    }
    let raise = report.to_fit.last().unwrap().flag.clone().unwrap();
    let (_, amount) = raise.split_once(' ').unwrap();
    assert_ne!(against(amount).verdict.outcome, VerdictOutcome::Over);
}

#[test]
fn without_a_budget_there_is_no_verdict_on_one() {
    let report = stand().plan();
    assert_eq!(report.verdict.outcome, VerdictOutcome::NoBudget);
    assert!(report.verdict.budgets.is_empty() && report.to_fit.is_empty());
}

fn against_window(budget: &str, usd_per_percent: Option<&str>) -> PlanReport {
    let rate = |usd: &str| WindowRate {
        window: PlanWindow::FiveHours,
        low: usd.parse().unwrap(),
        likely: usd.parse().unwrap(),
        high: usd.parse().unwrap(),
        moved_milli_percent: 20_000,
        intervals: 20,
    };
    let rates = usd_per_percent.map(rate).into_iter().collect();
    stand().with(|job| (job.budgets, job.window_rates) = (vec![budget.to_owned()], rates)).plan()
}

#[test]
fn a_share_of_a_plan_window_is_judged_as_the_dollars_that_it_is_worth() {
    let dollars = against("0.50usd");
    let share = against_window("25%5h", Some("0.02"));
    assert_eq!(share.verdict.outcome, dollars.verdict.outcome);
    let held = &share.verdict.budgets[0];
    assert_eq!(held.amount, "25%5h");
    assert_eq!(held.exceeded_per_mille, dollars.verdict.budgets[0].exceeded_per_mille);
    let said = share.verdict.reasons.join("\n");
    // Rounded up to whole percents, from dollars at two cents a percent.
    let typical = share.totals.cost_usd.unwrap().p50.scale_ceil(50, 1).pico();
    let percents = typical.unsigned_abs().div_ceil(1_000_000_000_000);
    let soft = format!("25%5h is soft: a run takes at most {percents}% of the window typically");
    assert!(said.contains(&soft), "{said}");
    assert!(said.contains("where 1% is worth $0.0200"), "{said}");
    assert_ne!(share.plan_id, against_window("25%5h", Some("0.03")).plan_id);
}

#[test]
fn a_share_of_a_window_that_is_not_calibrated_is_not_judged() {
    for (budget, rate) in [("25%5h", None), ("8%week", Some("0.02"))] {
        let report = against_window(budget, rate);
        assert_eq!(report.verdict.outcome, VerdictOutcome::NoBudget);
        assert!(report.verdict.budgets.is_empty());
        let said = report.verdict.reasons.join("\n");
        assert!(said.contains(&format!("{budget} cannot be judged")), "{said}");
        assert!(said.contains("not calibrated"), "{said}");
    }
}

/// Budgets of phases and agents hold a run, so a plan is held against them: of a phase whatever the
/// case of its title.
#[test]
fn budgets_of_phases_and_agents_are_judged() {
    let judged = |budget: &str| stand().policy(&format!("[budget]\n{budget}")).plan().verdict;
    let free = stand().plan();
    let phase = free.phases.iter().find(|phase| &*phase.title == "Check").unwrap();
    let p50 = phase.quantities.cost_usd.unwrap().p50;
    let verdict = judged(&format!("phase = {{ \"check\" = \"{}\" }}", usd(p50)));
    let held = &verdict.budgets[0];
    assert_eq!(held.scope.as_deref(), Some("phase Check"));
    assert!((300..=500).contains(&held.exceeded_per_mille), "{held:?}");
    assert_eq!(verdict.outcome, VerdictOutcome::AtRisk);
    assert_eq!(judged("phase = { \"Elsewhere\" = \"$0.01\" }").budgets, []);
    let verdict = judged("agent = \"$0.0001\"");
    assert_eq!(
        verdict.reasons,
        ["all agents pass the policy's 0.0001usd for an agent and end early"]
    );
    assert_eq!(judged("agent = \"$9000\"").reasons, [""; 0]);
}
