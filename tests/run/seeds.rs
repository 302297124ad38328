//! The promise of a budget, over many seeds, arms and both concurrencies.

use std::sync::Arc;

use flyball::agents::Arms;
use flyball::budget::Limits;
use flyball::event::{RunReport, RunStatus};
use flyball::money::Picodollars;
use flyball::ports::price::RequestPrice;

use super::fixture::{Case, MODEL, OnReject, SmallAgents, Waves, price};

const SEEDS: u64 = 1_000;
const AGENTS: u32 = 200;

fn one(
    price: &Arc<dyn RequestPrice>,
    limit: Picodollars,
    seed: u64,
    slots: u32,
    arms: Arms,
) -> RunReport {
    let mut case = Case::new(limit, seed);
    case.price = Arc::clone(price);
    case.setup.concurrency = slots;
    case.arms = arms;
    case.run(&mut Waves::new(&[AGENTS], OnReject::Swallow))
}

/// What holds of every run that keeps its promises.
fn check(report: &RunReport, limit: Picodollars, context: &str) {
    let spent = report.cost_usd.spent;
    assert!(spent <= limit, "{context}: spent {spent} of {limit}");
    assert_eq!(report.cost_usd.reserved, Picodollars::ZERO, "{context}");
    assert_eq!(report.agents.total(), AGENTS, "{context}");
    let of_phases: Picodollars = report.phases.iter().map(|phase| phase.cost_usd.spent).sum();
    assert_eq!(of_phases, spent, "{context}");
    let of_stages: Picodollars = report.stages.iter().map(|stage| stage.cost_usd).sum();
    assert_eq!(of_stages, spent, "{context}");
    let errors = report.diagnostics.iter().filter(|d| d.code != "run::overrun").count();
    assert_eq!(errors, 0, "{context}: {:?}", report.diagnostics);
}

#[derive(Default)]
struct Seen {
    lowest: u32,
    done: [u64; 2],
    clamped: u32,
    sent: u32,
}

impl Seen {
    fn add(&mut self, side: usize, report: &RunReport) {
        let used = report.utilisation_per_mille.unwrap();
        self.lowest = self.lowest.min(used);
        self.done[side] += u64::from(report.agents.done);
        self.clamped += report.requests.clamped;
        self.sent += report.requests.sent;
    }
}

/// A run that has more to do than its limit pays for.
fn one_short(
    price: &Arc<dyn RequestPrice>,
    limit: Picodollars,
    seed: u64,
    slots: u32,
) -> RunReport {
    let report = one(price, limit, seed, slots, Arms::default());
    let context = format!("seed {seed}, {slots} slots");
    check(&report, limit, &context);
    assert_eq!(report.status, RunStatus::Partial, "{context}");
    assert_eq!(report.requests.overruns, 0, "{context}");
    let used = report.utilisation_per_mille.unwrap();
    assert!(used >= 970, "{context}: used only {used} per mille");
    report
}

#[test]
fn a_thousand_seeds_stay_within_the_budget_and_use_it() {
    let least = SmallAgents::least_bound(price(MODEL).as_ref());
    let limit = Picodollars::from_pico(least.pico() * 50);
    let half = |from: u64| {
        let price = price(MODEL);
        let mut seen = Seen { lowest: 1_000, ..Seen::default() };
        for seed in (from..SEEDS).step_by(2) {
            for (side, slots) in [16, 256].into_iter().enumerate() {
                seen.add(side, &one_short(&price, limit, seed, slots));
            }
        }
        seen
    };
    let [a, b] = std::thread::scope(|scope| {
        [0, 1].map(|from| scope.spawn(move || half(from))).map(|half| half.join().unwrap())
    });
    let done = [a.done[0] + b.done[0], a.done[1] + b.done[1]];
    let (clamped, sent) = (a.clamped + b.clamped, a.sent + b.sent);
    // Money that runs short finishes the work that began first: slots must not lose it.
    assert!(done[1] * 10 >= done[0] * 9, "agents done: {done:?}");
    // Unused is below the least bound of the cheapest refused request: one in fifty.
    assert!(a.lowest.min(b.lowest) >= 980, "least used: {} and {}", a.lowest, b.lowest);
    assert!(clamped * 50 <= sent, "{clamped} of {sent} clamped");
}

#[test]
fn every_arm_stays_within_the_budget() {
    let price = price("claude-haiku-5-5");
    let least = SmallAgents::least_bound(price.as_ref());
    let limit = Picodollars::from_pico(least.pico() * 50);
    let arms = [
        Arms { fills_output: true, ..Arms::default() },
        Arms { misses_cache: true, ..Arms::default() },
        Arms { longer_prompt_tokens: 85_000, ..Arms::default() },
        Arms { dies_per_mille: 100, ..Arms::default() },
        Arms { unsent_per_mille: 100, ..Arms::default() },
        Arms { fails_per_mille: 200, ..Arms::default() },
        Arms {
            fills_output: true,
            misses_cache: true,
            longer_prompt_tokens: 85_000,
            dies_per_mille: 50,
            unsent_per_mille: 50,
            fails_per_mille: 50,
            ..Arms::default()
        },
    ];
    for (number, arms) in arms.into_iter().enumerate() {
        let mut expired = 0;
        for seed in 0..10 {
            for slots in [16, 256] {
                let report = one(&price, limit, seed, slots, arms);
                let context = format!("arm {number}, seed {seed}, {slots} slots");
                check(&report, limit, &context);
                assert_eq!(report.requests.overruns, 0, "{context}");
                expired += report.requests.expired;
            }
        }
        assert_eq!(expired > 0, arms.dies_per_mille > 0, "arm {number}");
    }
}

#[test]
fn broken_promises_are_recorded_and_end_the_spending() {
    let price = price(MODEL);
    let least = SmallAgents::least_bound(price.as_ref());
    let limit = Picodollars::from_pico(least.pico() * 50);
    let arms = Arms { overruns_per_mille: 300, ..Arms::default() };
    let mut above = 0;
    for seed in 0..50 {
        let report = one(&price, limit, seed, 256, arms);
        assert!(report.requests.overruns > 0, "seed {seed}");
        let notes = report.diagnostics.iter().filter(|d| d.code == "run::overrun").count();
        assert_eq!(notes as u32, report.requests.overruns);
        assert_eq!(report.cost_usd.reserved, Picodollars::ZERO);
        above += u32::from(report.cost_usd.spent > limit);
        // Each request takes at most twice its bound, and a scope above its limit admits nothing.
        assert!(report.cost_usd.spent.pico() <= limit.pico() * 2, "seed {seed}");
    }
    assert!(above > 0, "the arm never passes the limit, so it tests nothing");
}

#[test]
fn equal_seeds_give_equal_reports_and_other_seeds_others() {
    let price = price(MODEL);
    let limit = Picodollars::from_usd(1);
    let text = |seed| {
        let report = one(&price, limit, seed, 16, Arms::default());
        serde_json::to_string(&report).unwrap()
    };
    assert_eq!(text(7), text(7));
    assert_ne!(text(7), text(8));
}

#[test]
fn every_unit_holds_a_run() {
    let cases = [
        Limits { billed_tokens: Some(3_000_000), ..Limits::NONE },
        Limits { output_tokens: Some(200_000), ..Limits::NONE },
        Limits { requests: Some(100), ..Limits::NONE },
        Limits { agents: Some(40), ..Limits::NONE },
    ];
    for limits in cases {
        for slots in [16, 256] {
            let mut case = Case::new(Picodollars::ZERO, 3);
            case.setup.limits = limits;
            case.setup.concurrency = slots;
            let report = case.run(&mut Waves::new(&[AGENTS], OnReject::Swallow));
            assert_eq!(report.status, RunStatus::Partial);
            assert!(report.tokens.billed() <= limits.billed_tokens.unwrap_or(u64::MAX));
            assert!(report.tokens.output <= limits.output_tokens.unwrap_or(u64::MAX));
            let sent = u64::from(report.requests.sent);
            assert!(sent <= limits.requests.unwrap_or(u64::MAX));
            if let Some(agents) = limits.agents {
                assert_eq!(u64::from(report.agents.done), agents);
            }
            assert_eq!(report.utilisation_per_mille, None);
        }
    }
}
