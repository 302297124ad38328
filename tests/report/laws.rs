//! What holds of every plan.

use flyball::band::Band;
use flyball::diagnostic::{Diagnostic, Place, Severity};
use flyball::gate::Gate;
use flyball::money::Picodollars;
use flyball::plan::report::*;
use flyball::report::page::{fitted, width_of, wrapped};
use flyball::report::{Page, diagnostics, markdown, plan};
use proptest::prelude::*;

use super::fixtures;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-zA-Z:*/._-]{0,24}",
        2 => "\\PC{0,60}",
        1 => any::<String>(),
        1 => "[a-z ]{60,200}",
        1 => "[\\u{1b}\\u{202e}\\u{9b}\\n\\r\\t👩‍👧é漢字 x]{0,40}",
    ]
}

fn tokens() -> impl Strategy<Value = u64> {
    prop_oneof![0..2_000_u64, 0..50_000_000_u64, any::<u64>()]
}

fn money() -> impl Strategy<Value = Picodollars> {
    prop_oneof![
        Just(0_i128),
        0..20_000_000_000_i128,
        0..500_000_000_000_000_i128,
        0..i128::from(u64::MAX),
        Just(i128::MAX)
    ]
    .prop_map(Picodollars::from_pico)
}

fn band<T: Ord + Copy + std::fmt::Debug + 'static>(
    of: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Band<T>> {
    // Four draws of one strategy, put in order.
    let of = of.boxed();
    [of.clone(), of.clone(), of.clone(), of].prop_map(|mut drawn| {
        drawn.sort_unstable();
        let [p10, p50, p90, stress] = drawn;
        Band { p10, p50, p90, stress, ceiling: None }
    })
}

prop_compose! {
    fn quantities()(
        agents in band(tokens()),
        context_tokens in band(tokens()),
        billed_tokens in band(tokens()),
        cost_usd in proptest::option::weighted(0.8, band(money())),
        wall_seconds in band(tokens()),
    ) -> Quantities {
        Quantities { agents, context_tokens, billed_tokens, cost_usd, wall_seconds }
    }
}

fn gate() -> impl Strategy<Value = Gate> {
    prop_oneof![Just(Gate::Allow), Just(Gate::Ask), Just(Gate::Deny)]
}

prop_compose! {
    fn stage()(
        key in any::<u64>(),
        words in [text(), text(), text(), text(), text()],
        of in quantities(),
        requested in any::<bool>(),
        gate in gate(),
        above in proptest::option::of(0..1_000_u32),
    ) -> StagePlan {
        let [phase, name, written, model, rule] = words;
        let requested = requested.then_some("x");
        let mut route = fixtures::route(requested, &written, &model, &rule);
        route.refusals =
            vec![RouteRefusal { rule, model, reason: written }];
        route.gate = gate;
        let mut stage = fixtures::stage(key, &phase, &name, of, route);
        stage.requests_above_step_per_mille = above;
        stage
    }
}

fn outcome() -> impl Strategy<Value = VerdictOutcome> {
    prop_oneof![
        Just(VerdictOutcome::NoBudget),
        Just(VerdictOutcome::Within),
        Just(VerdictOutcome::AtRisk),
        Just(VerdictOutcome::Over),
        Just(VerdictOutcome::Unpriced),
        Just(VerdictOutcome::NoAgents),
    ]
}

prop_compose! {
    fn report()(
        stages in proptest::collection::vec(stage(), 0..14),
        totals in quantities(),
        (gate, outcome) in (gate(), outcome()),
        words in proptest::collection::vec(text(), 12),
        shares in [0..=1_000_u32, 0..=1_000_u32, 0..=1_000_u32],
        amounts in [money(), money(), money()],
        ceiling in proptest::option::of(tokens()),
    ) -> PlanReport {
        let word = |n: usize| words[n].clone();
        let mut report = fixtures::review();
        report.phases = fixtures::phases(&stages);
        report.stages = stages;
        report.totals = totals;
        report.workflow = word(0);
        report.verdict.gate = gate;
        report.verdict.outcome = outcome;
        report.verdict.reasons = vec![word(1), word(2)];
        report.verdict.budgets[0].exceeded_per_mille = shares[0];
        report.verdict.budgets[0].error_per_mille = shares[1];
        report.verdict.budgets.push(BudgetVerdict {
            amount: word(3),
            scope: None,
            of: None,
            exceeded_per_mille: shares[1],
            error_per_mille: shares[2],
            tolerated_per_mille: shares[0],
        });
        report.endings[0].name = word(4);
        report.drivers[1].name = word(5);
        report.drivers[2].key = word(6);
        report.drivers[2].response[1].cost_usd_p50 = Some(amounts[0]);
        report.ceiling.agents = ceiling;
        report.ceiling.reasons[0].text = word(7);
        report.ceiling.runtime_cost_usd = Some([amounts[0], amounts[1]]);
        report.savings.routed_usd_p50 = Some(amounts[2]);
        report.to_fit[0].text = word(8);
        report.to_fit[1].flag = Some(word(9));
        report.assumptions[0].text = word(10);
        report.assumptions[1].pin = Some(word(11));
        report.diagnostics[0].message = word(1);
        report.suggested_budget_usd = Some(amounts[1]);
        report
    }
}

fn acts_on_a_terminal(text: &str) -> bool {
    text.chars().any(|c| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn no_line_is_wider_than_the_page(report in report(), width in 60_usize..150) {
        let page = Page::new(width, false);
        let text = plan::table(&report, page);
        for line in text.lines() {
            prop_assert!(width_of(line) <= page.width(), "{} > {width}: {line:?}", width_of(line));
        }
        prop_assert!(!acts_on_a_terminal(&text), "{text:?}");
        prop_assert!(text.ends_with('\n'));
    }

    #[test]
    fn markdown_rows_have_six_cells_and_mention_nobody(report in report()) {
        let text = markdown::plan(&report);
        for row in text.lines().filter(|line| line.starts_with("| ")) {
            let cells = row.replace("\\|", "").matches('|').count();
            prop_assert_eq!(cells, 7, "{}", row);
        }
        prop_assert!(!acts_on_a_terminal(&text), "{text:?}");
        let outside_code: String = text.split('`').step_by(2).collect();
        prop_assert!(!outside_code.contains('@'), "{}", text);
    }

    #[test]
    fn fitting_and_wrapping_keep_to_the_width(text in text(), width in 2_usize..60) {
        prop_assert!(width_of(&fitted(&text, width)) <= width, "{:?}", fitted(&text, width));
        for line in wrapped(&text, width) {
            prop_assert!(width_of(&line) <= width, "{line:?}");
        }
    }

    #[test]
    fn a_message_at_any_place_of_any_text_is_drawn(
        source in prop_oneof!["[ab;\\n\\t ]{0,300}", any::<String>(), "[a-z]{200,400}"],
        offset in 0_usize..500,
        length in 0_usize..500,
    ) {
        let place = Place::at(&source, offset, length);
        let message = Diagnostic::new(Severity::Error, "test::place", "here").with_place(place);
        let text = diagnostics::render(&[message], "a.js", &source, Page::plain());
        prop_assert!(text.contains("here"), "{text}");
        prop_assert!(!text.contains('\x1b'), "{text:?}");
    }
}

#[test]
fn an_answer_on_fewer_samples_says_so() {
    let mut report = fixtures::review();
    assert!(!plan::table(&report, Page::new(100, false)).contains("samples)"));
    report.drivers[2].response.iter_mut().for_each(|point| point.samples = Some(24));
    let text = plan::table(&report, Page::new(100, false));
    assert!(text.contains("9: $7.40 (of 24 samples)"), "{text}");
}
