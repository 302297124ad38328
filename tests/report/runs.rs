//! What reports of runs look like.

use flyball::app::Exit;
use flyball::app::run::exit_of;
use flyball::budget::{Denial, DenialKind, Quantity, Shortage, Unit};
use flyball::diagnostic::{Diagnostic, Severity};
use flyball::event::*;
use flyball::id::{CallId, ModelId, RunId, StageKey};
use flyball::plan::report::Hashes;
use flyball::report::page::width_of;
use flyball::report::runs::{self, ListedRun};
use flyball::report::{Page, json, run};
use flyball::tokens::TokenUsage;
use proptest::prelude::*;

use super::fixtures::{band, cost, usd};

pub(super) fn denial() -> Denial {
    Denial {
        kind: DenialKind::Exhausted,
        shortage: Shortage {
            paused: false,
            scope: "run review / phase Verify".to_owned(),
            unit: Unit::Usd,
            limit: Quantity::Usd(usd("5")),
            settled: Quantity::Usd(usd("4.97")),
            reserved: Quantity::Usd(usd("0")),
            leased: None,
            needed: Quantity::Usd(usd("0.0412")),
        },
    }
}

fn phase(title: &str, done: u32, denied: u32, spent: &str, forecast: bool) -> PhaseReport {
    PhaseReport {
        title: title.to_owned(),
        agents: AgentCounts { done, denied, ..AgentCounts::default() },
        cost_usd: Dollars { spent: usd(spent), ..Dollars::default() },
        tokens: TokenUsage { cache_read: 5_900_000, output: 40_000, ..TokenUsage::default() },
        forecast: forecast.then(|| PhaseForecast {
            agents: band(24, 66, 144, 190),
            billed_tokens: band(9_000_000, 19_000_000, 40_000_000, 60_000_000),
            cost_usd: cost("0.21", "0.67", "1.9", "3.2"),
        }),
    }
}

/// A run that its budget stopped.
fn stopped() -> RunReport {
    let lost = |n: u32, reason, cost: &str, message: &str| LostAgent {
        call: CallId(n),
        label: format!("verify:src/module_{n}.rs"),
        phase: "Verify".to_owned(),
        reason,
        cost_usd: usd(cost),
        message: message.to_owned(),
    };
    RunReport {
        version: RUN_SCHEMA_VERSION,
        run_id: RunId::from("run-4f1c09e2"),
        workflow: "review".to_owned(),
        status: RunStatus::Stopped,
        stopped_by: Some(StopCause::Budget),
        agents: AgentCounts { done: 61, denied: 3, failed: 1, replayed: 0, stopped: 7 },
        cost_usd: Dollars { spent: usd("4.97"), limit: Some(usd("5")), reserved: usd("0") },
        utilisation_per_mille: Some(994),
        tokens: TokenUsage { cache_read: 18_000_000, output: 200_000, ..TokenUsage::default() },
        phases: vec![
            phase("Find", 5, 0, "4.2", true),
            phase("Verify", 56, 3, "0.77", true),
            phase("", 0, 0, "0", false),
        ],
        stages: vec![],
        denials: vec![SeenDenial {
            scope: "run review / phase Verify".to_owned(),
            unit: Unit::Usd,
            needed: Quantity::Usd(usd("0.0412")),
            left: Quantity::Usd(usd("0.03")),
            agent: "verify:src/module_57.rs".to_owned(),
            count: 3,
            last: denial(),
        }],
        step_downs: vec![],
        lost: LostWork {
            agents: vec![
                lost(57, LostReason::DeniedAtStart, "0", "budget exhausted"),
                lost(58, LostReason::DeniedInWork, "0.012", "budget exhausted"),
                lost(12, LostReason::Failed, "0.0051", "overloaded_error: try again later"),
            ],
            count: 11,
            cost_usd: usd("0.0171"),
            script: ScriptReaction::Threw,
            swallowed: 0,
        },
        requests: RequestCounts {
            sent: 812,
            waited: 40,
            held_back: 2,
            clamped: 3,
            cut: 1,
            shrunk: 790,
            overruns: 0,
            expired: 0,
            released: 2,
        },
        wall_seconds: 642,
        result: RunResult::Threw {
            name: "WorkflowBudgetExceededError".to_owned(),
            message: "budget exhausted: run review / phase Verify".to_owned(),
            line: Some(58),
            file: None,
        },
        unplanned_stages: vec!["retry:*".to_owned()],
        diagnostics: vec![],
        logs: vec![],
        simulated: true,
        seed: Some(7),
        hashes: Hashes::default(),
    }
}

fn stepped() -> SteppedDown {
    SteppedDown {
        stage: StageKey(7),
        name: "verify".to_owned(),
        phase: "Verify".to_owned(),
        rule: "last quarter".to_owned(),
        above_per_mille: 750,
        from: ModelId::from("claude-opus-5-5"),
        model: ModelId::from("claude-haiku-5-5"),
        scope: "run review / phase Verify".to_owned(),
        unit: Unit::Usd,
        share_per_mille: 762,
        agent: "verify:src/a.rs".to_owned(),
        calls: vec![CallId(40), CallId(41)],
        count: 24,
        done: 21,
        cost_usd: usd("0.31"),
    }
}

/// A run that lost nothing.
fn complete() -> RunReport {
    RunReport {
        status: RunStatus::Complete,
        stopped_by: None,
        agents: AgentCounts { done: 61, ..AgentCounts::default() },
        denials: vec![],
        lost: LostWork::default(),
        result: RunResult::Returned { value: Some("{\"confirmed\":3}".to_owned()), line: Some(88) },
        unplanned_stages: vec![],
        cost_usd: Dollars { spent: usd("4.2"), limit: None, reserved: usd("0") },
        utilisation_per_mille: None,
        simulated: false,
        ..stopped()
    }
}

#[test]
fn table_at_80_columns() {
    insta::assert_snapshot!("run_stopped", run::table(&stopped(), Page::plain()));
    insta::assert_snapshot!("run_complete", run::table(&complete(), Page::plain()));
}

#[test]
fn markdown() {
    insta::assert_snapshot!("run_markdown", run::markdown(&stopped()));
}

#[test]
fn notes_that_are_alike_are_told_once() {
    let note = |text: String| Diagnostic::new(Severity::Note, "run::x", text);
    let failed = |item: u32| note(format!("pipeline[{item}] failed: needs $0.4{item}"));
    let mut diagnostics: Vec<Diagnostic> = (9..80).map(failed).collect();
    diagnostics.insert(1, note("another".to_owned()));
    let report = RunReport { diagnostics, unplanned_stages: vec![], ..stopped() };
    let shown = run::table(&report, Page::plain());
    let from = shown.find("notes ").unwrap();
    insta::assert_snapshot!(shown[from..].lines().take(2).collect::<Vec<_>>().join("\n"), @r"
    notes    note: pipeline[9] failed: needs $0.49 (70 more notes like it)
             note: another
    ");
}

#[test]
fn who_was_stepped_down_is_told_with_the_limit() {
    let one = SteppedDown { count: 1, done: 1, unit: Unit::Agents, ..stepped() };
    let report = RunReport { step_downs: vec![stepped(), one], ..complete() };
    let shown = run::table(&report, Page::plain());
    let from = shown.find("stepped ").unwrap();
    insta::assert_snapshot!(shown[from..].lines().take(4).collect::<Vec<_>>().join("\n"), @r"
    stepped  verify: 24 agents, 21 done, on haiku-5-5, not opus-5-5 [last quarter]
                                                                               $0.31
               run review / phase Verify had 76 % of its dollars taken when the
               first started
    ");
    let shown = run::markdown(&report);
    assert!(shown.contains("- verify: 24 agents, 21 done, on haiku-5-5"), "{shown}");
}

#[test]
fn json_reads_back() {
    let text = json::pretty(&stopped());
    assert_eq!(serde_json::from_str::<RunReport>(&text).unwrap(), stopped());
}

#[test]
fn the_exit_code_says_how_it_ended() {
    let with = |status, stopped_by| RunReport { status, stopped_by, ..stopped() };
    let failed = with(RunStatus::Failed, None);
    let refused = RunReport {
        result: RunResult::EngineFailed { message: "no meta".to_owned() },
        ..failed.clone()
    };
    let cases = [
        (complete(), Exit::Done),
        (stopped(), Exit::BudgetStopped),
        (with(RunStatus::Stopped, Some(StopCause::Signal)), Exit::Interrupted),
        (with(RunStatus::Stopped, Some(StopCause::Backend)), Exit::Upstream),
        (with(RunStatus::Partial, None), Exit::BudgetStopped),
        (RunReport { status: RunStatus::Partial, ..complete() }, Exit::Done),
        (failed, Exit::ScriptFailed),
        (refused, Exit::BadInput),
    ];
    for (report, exit) in cases {
        assert_eq!(exit_of(&report), exit, "{:?} {:?}", report.status, report.stopped_by);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn no_line_is_wider_than_the_page(
        words in proptest::collection::vec("\\PC{0,90}|[a-z/]{70,120}", 8),
        numbers in [0..u32::MAX, 0..5_000_u32],
        pico in any::<i128>(),
        width in 60_usize..140,
    ) {
        let money = flyball::money::Picodollars::from_pico(pico.saturating_abs());
        let mut report = stopped();
        report.workflow = words[0].clone();
        report.phases[0].title = words[1].clone();
        report.phases[0].cost_usd.spent = money;
        report.phases[0].tokens.fresh = u64::MAX;
        report.phases[1].agents.done = numbers[0] / 8;
        report.cost_usd.limit = Some(money);
        report.denials[0].scope = words[2].clone();
        report.denials[0].agent = words[3].clone();
        report.denials[0].needed = Quantity::Usd(money);
        report.lost.agents[2].label = words[4].clone();
        report.lost.agents[2].message = words[5].clone();
        let (rule, scope) = (words[5].clone(), words[6].clone());
        report.step_downs = vec![SteppedDown { rule, scope, ..stepped() }];
        report.lost.count = numbers[1];
        report.unplanned_stages[0] = words[6].clone();
        report.result = RunResult::Returned { value: Some(words[7].repeat(20)), line: None };
        let page = Page::new(width, false);
        for line in run::table(&report, page).lines() {
            prop_assert!(width_of(line) <= page.width(), "{line:?}");
        }
    }
}

#[test]
fn agents_that_a_report_does_not_name_are_not_said_to_be_in_it() {
    let mut kept = stopped();
    kept.lost.agents.clear();
    let text = run::table(&kept, Page::plain());
    assert!(text.contains("their names are not in this report"), "{text}");
    assert!(!text.contains("other agents (--format json has all)"), "{text}");
}

#[test]
fn no_id_of_a_list_is_broken_across_lines() {
    let id = "sim-e2c728f7a0b1c2d3-112";
    let listed = ListedRun {
        id: id.to_owned(),
        workflow: "adversarial-review-of-everything".to_owned(),
        simulated: true,
        began: "2026-11-26T10:15:00.000Z".to_owned(),
        status: "complete".to_owned(),
        spent_usd: Some(usd("1234.5")),
        limit_usd: Some(usd("2000")),
        agents_done: Some(1_000),
    };
    let text = runs::table(&[listed], Page::plain());
    assert!(text.contains(&format!("{id}  ")), "{text}");
}
