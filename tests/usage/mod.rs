//! The cold usage model: its laws, its spread, and how it stands against what was measured.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "a test may panic, and compares small whole numbers"
)]

use flyball::effort::Effort;
use flyball::role::Role;
use flyball::seed::Seed;
use flyball::tokens::Tokenizer;
use flyball::usage::{
    AgentDraws, AgentTraits, AgentUsage, Draws, Pins, RunDraws, StageDraws, StageKind, UsageModel,
    shipped_text,
};

mod coverage;
mod kinds;
mod laws;
mod model_text;
mod shape;
mod spread;

fn shipped() -> UsageModel {
    UsageModel::parse(shipped_text()).unwrap()
}

/// A subagent as in the data: an older model without effort, alone in its run.
fn older_model() -> AgentTraits {
    AgentTraits {
        role: Role::Single,
        kind: StageKind::General,
        tokenizer: Tokenizer::ClaudeOld,
        context_tokens: 200_000,
        max_output_tokens: 64_000,
        min_cache_tokens: 1_024,
        effort: None,
        prompt_tokens_o200k: 230,
        run_agents: 1,
        worktree: false,
    }
}

/// A workflow agent on a current model.
fn current_model() -> AgentTraits {
    AgentTraits {
        tokenizer: Tokenizer::Claude47,
        context_tokens: 1_000_000,
        max_output_tokens: 128_000,
        min_cache_tokens: 512,
        effort: Some(Effort::High),
        ..older_model()
    }
}

/// The agent of a sample, in its first stage.
fn draw(model: &UsageModel, traits: &AgentTraits, pins: &Pins, sample: u64) -> AgentUsage {
    draw_call(model, traits, pins, sample, 1, 1)
}

fn draw_call(
    model: &UsageModel,
    traits: &AgentTraits,
    pins: &Pins,
    sample: u64,
    stage: u64,
    call: u64,
) -> AgentUsage {
    let seed = Seed::new(sample);
    let (run, stage) = (RunDraws::new(seed), StageDraws::new(seed, stage));
    let agent = AgentDraws::new(seed, call);
    model.agent(traits, &Draws { run: &run, stage: &stage, agent: &agent }, pins)
}

fn quantile(values: &[f64], p: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() as f64 * p) as usize).min(sorted.len() - 1)]
}

fn standard_deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}
