//! Runs of agents that behave as the shipped usage model draws them.

use std::collections::BTreeMap;
use std::sync::Arc;

use flyball::agents::{SimulatedModel, SimulatedRequest, UsageWorkload, Workload};
use flyball::event::{RunReport, RunStatus};
use flyball::id::ModelId;
use flyball::money::Picodollars;
use flyball::ports::agent::AgentJob;
use flyball::seed::Seed;
use flyball::tokens::{TokenUsage, Tokenizer};
use flyball::usage::{UsageModel, shipped_text};

use super::fixture::{Case, MODEL, OnReject, Waves};

fn workload(seed: u64, max_output_tokens: u64) -> UsageWorkload {
    let usage = Arc::new(UsageModel::parse(shipped_text()).unwrap());
    let model = SimulatedModel {
        tokenizer: Tokenizer::ClaudeOld,
        context_tokens: 200_000,
        max_output_tokens,
        min_cache_tokens: 4_096,
    };
    let models = BTreeMap::from([(ModelId::from(MODEL), model)]);
    UsageWorkload::new(usage, models, Seed::new(seed), 200)
}

fn run(limit: Picodollars, seed: u64, slots: u32) -> RunReport {
    let mut case = Case::new(limit, seed);
    case.setup.concurrency = slots;
    let mut script = Waves::new(&[200], OnReject::Swallow);
    case.run_with(&mut workload(seed, 64_000), &mut script, &mut |_| {})
}

#[test]
fn real_agents_use_the_budget_and_finish_what_began_first() {
    let (mut paid_for_nothing, mut spent) = (Picodollars::ZERO, Picodollars::ZERO);
    for seed in 0..12 {
        for slots in [16, 256] {
            let limit = Picodollars::from_usd(5);
            let report = run(limit, seed, slots);
            let context = format!("seed {seed}, {slots} slots");
            assert!(report.cost_usd.spent <= limit, "{context}");
            assert_eq!(report.cost_usd.reserved, Picodollars::ZERO, "{context}");
            assert_eq!(report.status, RunStatus::Partial, "{context}");
            assert!(report.utilisation_per_mille.unwrap() >= 970, "{context}");
            paid_for_nothing += report.lost.cost_usd;
            spent += report.cost_usd.spent;
        }
    }
    // Few agents are left half done, however many had a slot.
    assert!(paid_for_nothing.pico() * 5 < spent.pico(), "{paid_for_nothing} of {spent}");
}

#[test]
fn a_schedule_does_not_change_what_agents_do() {
    let whole = |slots| {
        let mut case = Case::new(Picodollars::from_usd(10_000), 4);
        case.setup.concurrency = slots;
        case.setup.stagger_milliseconds = 0;
        let mut script = Waves::new(&[30], OnReject::Swallow).edit(|call| call.worktree = true);
        let report = case.run_with(&mut workload(4, 64_000), &mut script, &mut |_| {});
        (report.cost_usd.spent, report.tokens)
    };
    assert_eq!(whole(2), whole(30));
}

/// One agent that gives one answer of 20,000 tokens in 100 seconds.
struct LongAnswer;

impl Workload for LongAnswer {
    fn requests(&mut self, _: &AgentJob) -> Vec<SimulatedRequest> {
        let usage = TokenUsage { fresh: 10_000, output: 20_000, ..TokenUsage::default() };
        vec![SimulatedRequest {
            usage,
            prompt_tokens_max: 12_000,
            asked_output_tokens: 32_000,
            thinking_tokens: 0,
            duration_milliseconds: 100_000,
        }]
    }
}

#[test]
fn an_answer_that_is_cut_takes_no_longer_than_in_one_piece() {
    let case = Case::new(Picodollars::from_usd(100), 1);
    let mut script = Waves::new(&[1], OnReject::Throw);
    let report = case.run_with(&mut LongAnswer, &mut script, &mut |_| {});
    assert_eq!((report.status, report.tokens.output), (RunStatus::Complete, 20_000));
    assert!(report.requests.cut > 0 && report.requests.sent > 1, "{:?}", report.requests);
    assert_eq!(report.wall_seconds, 100);
}
