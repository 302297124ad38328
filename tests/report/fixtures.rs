//! Plans written by hand.

#![allow(
    clippy::assigning_clones,
    clippy::cast_possible_wrap,
    clippy::too_many_lines,
    clippy::unnecessary_wraps,
    reason = "data, as a report holds it"
)]

use flyball::band::Band;
use flyball::diagnostic::{Diagnostic, Place, Severity};
use flyball::effort::Effort;
use flyball::gate::Gate;
use flyball::id::{ModelId, StageKey};
use flyball::money::Picodollars;
use flyball::plan::report::*;
use flyball::role::Role;

pub(super) fn usd(text: &str) -> Picodollars {
    text.parse().unwrap()
}

pub(super) fn band(p10: u64, p50: u64, p90: u64, stress: u64) -> Band<u64> {
    Band { p10, p50, p90, stress, ceiling: None }
}

pub(super) fn cost(p10: &str, p50: &str, p90: &str, stress: &str) -> Option<Band<Picodollars>> {
    Some(Band { p10: usd(p10), p50: usd(p50), p90: usd(p90), stress: usd(stress), ceiling: None })
}

pub(super) fn quantities(
    agents: Band<u64>,
    context_per_agent: u64,
    billed: u64,
    cost_usd: Option<Band<Picodollars>>,
) -> Quantities {
    Quantities {
        agents,
        context_tokens: agents.map(|n| n * context_per_agent),
        billed_tokens: band(billed / 2, billed, billed * 2, billed * 3),
        cost_usd,
        wall_seconds: band(300, 500, 700, 900),
    }
}

pub(super) fn route(
    requested: Option<&str>,
    as_written: &str,
    model: &str,
    rule: &str,
) -> RoutePlan {
    RoutePlan {
        requested: requested.map(str::to_owned),
        as_written: ModelId::from(as_written),
        model: ModelId::from(model),
        priced_as: None,
        effort: None,
        output_cap_tokens: 8_000,
        rule: rule.to_owned(),
        gate: Gate::Allow,
        refusals: vec![],
        step_downs: vec![],
    }
}

pub(super) fn stage(
    key: u64,
    phase: &str,
    name: &str,
    of: Quantities,
    route: RoutePlan,
) -> StagePlan {
    let per_agent = of.context_tokens.p50.checked_div(of.agents.p50).unwrap_or(0);
    StagePlan {
        key: StageKey(key),
        work: None,
        name: name.to_owned(),
        phase: phase.to_owned(),
        agent_type: None,
        line: Some(20),
        role: Role::Single,
        quantities: of,
        context_per_agent_tokens_p50: per_agent,
        context_per_agent_tokens_p90: per_agent * 2,
        requests_above_step_per_mille: None,
        route,
    }
}

/// One phase per distinct phase of `stages`; quantities of a phase are those of its first stage.
pub(super) fn phases(stages: &[StagePlan]) -> Vec<PhasePlan> {
    let mut phases: Vec<PhasePlan> = Vec::new();
    for stage in stages {
        match phases.iter_mut().find(|phase| phase.title == stage.phase) {
            Some(phase) => phase.stages.push(stage.key),
            None => phases.push(PhasePlan {
                title: stage.phase.clone(),
                quantities: stage.quantities.clone(),
                context_per_agent_tokens_p50: stage.context_per_agent_tokens_p50,
                stages: vec![stage.key],
            }),
        }
    }
    phases
}

pub(super) fn ending(
    name: &str,
    line: u32,
    per_mille: u32,
    p50: &str,
    completes: bool,
) -> EndingPlan {
    EndingPlan {
        name: name.to_owned(),
        line: Some(line),
        file: None,
        returned: true,
        completes,
        per_mille,
        cost_usd: cost(p50, p50, "12.1", "21"),
        agents: band(29, 72, 150, 200),
    }
}

pub(super) fn driver(key: &str, name: &str, share: u32, points: [&str; 3]) -> Driver {
    let [p10, p50, p90] = points.map(str::to_owned);
    Driver {
        key: key.to_owned(),
        name: name.to_owned(),
        share_per_mille: share,
        p10,
        p50,
        p90,
        response: vec![],
    }
}

fn point(value: &str, cost: &str, agents: u64) -> DriverPoint {
    DriverPoint {
        value: value.to_owned(),
        cost_usd_p50: Some(usd(cost)),
        agents_p50: agents,
        samples: None,
    }
}

/// A review of a diff that may pass its budget.
pub(super) fn review() -> PlanReport {
    let stages = vec![
        stage(
            1,
            "Find",
            "find:*",
            quantities(band(5, 5, 5, 5), 124_000, 5_900_000, cost("2.9", "5.6", "10.4", "18")),
            route(Some("opus"), "claude-opus-5-5", "claude-opus-5-5", "pinned by script"),
        ),
        StagePlan {
            role: Role::FanOut,
            requests_above_step_per_mille: Some(120),
            ..stage(
                2,
                "Verify",
                "verify:*",
                quantities(
                    band(24, 66, 144, 190),
                    71_000,
                    19_000_000,
                    cost("0.21", "0.67", "1.9", "3.2"),
                ),
                route(None, "claude-opus-5-5", "claude-haiku-5-5", "fanout"),
            )
        },
        StagePlan {
            role: Role::Reduce,
            ..stage(
                3,
                "Report",
                "report",
                quantities(band(0, 1, 1, 1), 58_000, 210_000, cost("0.2", "0.35", "0.7", "0.9")),
                route(None, "claude-opus-5-5", "claude-opus-5-5", "as written"),
            )
        },
    ];
    let mut drivers = vec![
        driver("Find.requests", "requests per agent of Find", 584, ["6", "14", "28"]),
        driver("Find.output", "output per request of Find", 171, ["0.5k", "1.1k", "2.2k"]),
        driver("Find.findings", "findings per agent of Find", 149, ["2", "4", "9"]),
    ];
    drivers[2].response =
        vec![point("2", "6.4", 40), point("4", "6.7", 72), point("9", "7.4", 140)];
    PlanReport {
        version: PLAN_SCHEMA_VERSION,
        plan_id: "4f1c09e2".to_owned(),
        workflow: "review".to_owned(),
        source: "review.js".to_owned(),
        one_agent: vec![OneAgentPlan {
            model: ModelId::from("claude-opus-5-5"),
            cost_usd: cost("5.1", "9.4", "17", "30").unwrap(),
            wall_seconds: band(3_000, 5_400, 8_000, 9_000),
            compactions_p50: 0,
            fan_out_cost_usd: cost("9.1", "29.3", "40", "60").unwrap(),
            loading_per_mille: 310,
            spared_per_cent: Some(40),
            fan_out_cheaper_from_agents: Some(12),
        }],
        verdict: Verdict {
            gate: Gate::Ask,
            outcome: VerdictOutcome::AtRisk,
            reasons: vec![],
            denied_by: None,
            budgets: vec![BudgetVerdict {
                amount: "10usd".to_owned(),
                scope: None,
                of: None,
                exceeded_per_mille: 180,
                error_per_mille: 53,
                tolerated_per_mille: 100,
            }],
            apart: None,
        },
        totals: quantities(
            band(29, 72, 150, 196),
            75_000,
            25_000_000,
            cost("3.6", "6.7", "12.1", "21"),
        ),
        phases: phases(&stages),
        stages,
        endings: vec![
            ending("report written", 88, 960, "6.8", true),
            ending("no findings", 71, 40, "4.9", false),
        ],
        drivers,
        ceiling: Ceiling {
            agents: None,
            cost_usd: None,
            reasons: vec![CeilingReason {
                text: "`findings` has no maxItems and no slice before the fan-out at line 58"
                    .to_owned(),
                line: Some(31),
                open: true,
            }],
            runtime_agents: 1_000,
            runtime_cost_usd: Some([usd("16"), usd("31")]),
        },
        savings: Savings {
            routed_usd_p50: Some(usd("6.7")),
            as_written_usd_p50: Some(usd("29.3")),
            session_usd_p50: Some(usd("29.3")),
            suggestion: None,
        },
        to_fit: vec![
            FitOption {
                text: "Find on sonnet-5-5 (pinned: needs an override rule)".to_owned(),
                flag: None,
                cost_usd_p90: Some(usd("6.4")),
            },
            FitOption {
                text: "keep the script, raise the cap".to_owned(),
                flag: Some("--budget 12.10usd".to_owned()),
                cost_usd_p90: None,
            },
        ],
        assumptions: vec![
            Assumption {
                text: "no history of this project or script: token use is the shipped prior"
                    .to_owned(),
                pin: None,
            },
            Assumption {
                text: "findings per agent: prior, no schema bound".to_owned(),
                pin: Some("--assume Find.findings=4".to_owned()),
            },
            Assumption {
                text: "verdict `real`: 0.55, votes on one finding agree".to_owned(),
                pin: Some("--assume Verify.real=0.55".to_owned()),
            },
        ],
        diagnostics: vec![Diagnostic {
            code: "script::null-result".to_owned(),
            severity: Severity::Warning,
            message: "one null result here would end the run".to_owned(),
            help: Some("filter it: results.filter(Boolean)".to_owned()),
            place: Some(Place { file: None, line: 64, column: 9, offset: 1_800, length: 12 }),
        }],
        peak_concurrency: PeakConcurrency { p50: 14, max: 14, cap: 16 },
        session_model: ModelId::from("claude-opus-5-5"),
        policy: "haiku-fanout".to_owned(),
        prices_on: "2026-11-22".to_owned(),
        seed: 7,
        samples: 200,
        request: PlanRequest {
            args_json: Some("{\"base\":\"main\"}".to_owned()),
            args_text: None,
            model: "default".to_owned(),
            effort: None,
            provider: "anthropic".to_owned(),
            policy: "haiku-fanout".to_owned(),
            budgets: vec!["10usd".to_owned()],
            fit: None,
            turn_budget_tokens: None,
            concurrency: 16,
            cache_one_hour: false,
            assumptions: vec![],
            results: vec![],
            done: vec![],
            tree: None,
        },
        hashes: Hashes::default(),
        suggested_budget_usd: Some(usd("12.1")),
    }
}

/// The same without a budget, under the default policy, which suggests another.
pub(super) fn no_budget() -> PlanReport {
    let mut report = review();
    report.verdict = Verdict {
        gate: Gate::Allow,
        outcome: VerdictOutcome::NoBudget,
        reasons: vec![],
        denied_by: None,
        budgets: vec![],
        apart: None,
    };
    report.policy = "default".to_owned();
    report.to_fit.clear();
    report.savings.as_written_usd_p50 = report.savings.routed_usd_p50;
    report.savings.session_usd_p50 = report.savings.routed_usd_p50;
    report.savings.suggestion =
        Some(Suggestion { policy: "haiku-fanout".to_owned(), cost_usd_p50: usd("1.12") });
    report.diagnostics.clear();
    report
}

/// One stage on a model without a price.
pub(super) fn unpriced() -> PlanReport {
    let mut report = review();
    report.stages[1].route.model = ModelId::from("gpt-x");
    report.stages[1].quantities.cost_usd = None;
    report.phases = phases(&report.stages);
    report.totals.cost_usd = None;
    report.verdict.outcome = VerdictOutcome::Unpriced;
    report.one_agent.clear();
    report.verdict.gate = Gate::Deny;
    report.endings[0].cost_usd = None;
    report.endings[1].cost_usd = None;
    report.drivers[2].response.iter_mut().for_each(|point| point.cost_usd_p50 = None);
    report.ceiling.runtime_cost_usd = None;
    report.savings = Savings {
        routed_usd_p50: None,
        as_written_usd_p50: None,
        session_usd_p50: None,
        suggestion: None,
    };
    report.to_fit.clear();
    report.suggested_budget_usd = None;
    report
}

/// The script did nothing.
pub(super) fn no_agents() -> PlanReport {
    let mut report = no_budget();
    report.verdict.outcome = VerdictOutcome::NoAgents;
    report.one_agent.clear();
    report.verdict.reasons = vec![
        "args read but not given: `files`, `base`".to_owned(),
        "child workflow not found: `triage`".to_owned(),
    ];
    report.totals = quantities(band(0, 0, 0, 0), 0, 0, cost("0", "0", "0", "0"));
    report.phases.clear();
    report.stages.clear();
    report.drivers.clear();
    report.endings = vec![EndingPlan {
        name: "returned {\"error\":\"no files given\"}".to_owned(),
        line: Some(12),
        file: None,
        returned: true,
        completes: false,
        per_mille: 1_000,
        cost_usd: cost("0", "0", "0", "0"),
        agents: band(0, 0, 0, 0),
    }];
    report.assumptions.clear();
    report
}

/// Forty stages over six phases, some in no phase.
pub(super) fn many_stages() -> PlanReport {
    let mut report = review();
    report.workflow = "release-train".to_owned();
    report.stages = (0..40)
        .map(|n| {
            let phase = ["", "Plan", "Build", "Test", "Audit", "Ship"][(n % 6) as usize];
            let of = quantities(
                band(n, n + 1, n * 3 + 1, n * 9 + 1),
                20_000 + n * 3_700,
                n * n * 40_000,
                cost("0.01", "0.5", &format!("{}.5", n + 1), "99"),
            );
            let requested = (n % 3 == 0).then_some("sonnet");
            stage(
                n,
                phase,
                &format!("step-{n}:*"),
                of,
                route(
                    requested,
                    "claude-sonnet-5",
                    "claude-haiku-5-5",
                    ["fanout", "cheap-where-it-fits"][usize::from(phase < "Q")],
                ),
            )
        })
        .collect();
    report.stages[4].route.gate = Gate::Deny;
    report.stages[5].route.effort = Some(Effort::Xhigh);
    report.stages[5].route.refusals = vec![RouteRefusal {
        rule: "fanout".to_owned(),
        model: "claude-haiku-5-5".to_owned(),
        reason: "its P90 context of 240k tokens does not fit the window of 200k".to_owned(),
    }];
    report.phases = phases(&report.stages);
    report.verdict.gate = Gate::Deny;
    report.verdict.outcome = VerdictOutcome::Over;
    report.verdict.budgets = vec![
        BudgetVerdict {
            amount: "500ktok".to_owned(),
            scope: None,
            of: None,
            exceeded_per_mille: 1_000,
            error_per_mille: 0,
            tolerated_per_mille: 100,
        },
        BudgetVerdict {
            amount: "40agents".to_owned(),
            scope: None,
            of: None,
            exceeded_per_mille: 30,
            error_per_mille: 24,
            tolerated_per_mille: 100,
        },
    ];
    report.ceiling = Ceiling {
        agents: Some(240),
        cost_usd: Some(usd("312.4")),
        reasons: vec![CeilingReason {
            text: "slice(0, 40) before the fan-out".to_owned(),
            line: Some(12),
            open: false,
        }],
        runtime_agents: 1_000,
        runtime_cost_usd: None,
    };
    report
}

/// Names that are too long, and that nobody should print as they are.
pub(super) fn long_names() -> PlanReport {
    let mut report = review();
    report.workflow = "review-every-changed-file-of-the-monorepo-and-write-a-report".to_owned();
    report.stages[0].phase =
        "Find problems in every changed file of the diff against the base branch".to_owned();
    report.stages[1].phase = String::new();
    report.stages[1].name =
        "verify:src/very/deep/folder/structure/with/a/very_long_module_name.rs:*".to_owned();
    report.stages[1].route.rule =
        "a-rule-with-a-name-that-says-everything-about-what-it-is-for".to_owned();
    report.stages[2].phase = "\u{1b}[2J\u{1b}[31mR\u{202e}eport\nnext".to_owned();
    report.phases = phases(&report.stages);
    report.endings[0].name = format!("threw TypeError: {}", "x".repeat(120));
    report.assumptions[1].pin = Some(format!("--assume '{}.findings=4'", "deep/".repeat(16)));
    report.verdict.reasons = vec![
        "policy `strict`: more than 50 agents on opus-5-5 need \
                                   somebody who says yes, and there are 66 in the median run"
            .to_owned(),
    ];
    report
}

/// Names in wide and combining characters.
pub(super) fn unicode() -> PlanReport {
    let mut report = review();
    report.workflow = "レビュー".to_owned();
    report.stages[0].phase = "問題を見つける段階とその検証".to_owned();
    report.stages[1].phase = "Vérifier e\u{301}te\u{301} 👩‍👩‍👧‍👦".to_owned();
    report.stages[2].phase = "Отчёт".to_owned();
    report.phases = phases(&report.stages);
    report.endings[1].name = "発見なし、終了します。".repeat(8);
    report
}

pub(crate) fn all() -> Vec<(&'static str, PlanReport)> {
    vec![
        ("review", review()),
        ("no_budget", no_budget()),
        ("unpriced", unpriced()),
        ("no_agents", no_agents()),
        ("many_stages", many_stages()),
        ("long_names", long_names()),
        ("unicode", unicode()),
    ]
}
