//! A usage model: refused with a message, or one that every kind of agent can be drawn from.
#![no_main]

use flyball::effort::Effort;
use flyball::role::Role;
use flyball::seed::Seed;
use flyball::tokens::Tokenizer;
use flyball::usage::{
    AgentDraws, AgentTraits, Draws, Pins, RunDraws, StageDraws, StageKind, UsageModel,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match UsageModel::parse(text) {
        Ok(model) => {
            for seed in 0..4 {
                draw(&model, Seed::new(seed));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

fn draw(model: &UsageModel, seed: Seed) {
    let (run, stage, agent) =
        (RunDraws::new(seed), StageDraws::new(seed, 1), AgentDraws::new(seed, 1));
    let draws = Draws { run: &run, stage: &stage, agent: &agent };
    for effort in [None, Some(Effort::Max)] {
        let traits = AgentTraits {
            role: Role::FanOut,
            kind: model_kind(model),
            tokenizer: Tokenizer::Claude47,
            context_tokens: 200_000,
            max_output_tokens: 64_000,
            min_cache_tokens: 1_024,
            effort,
            prompt_tokens_o200k: 900,
            run_agents: 30,
            worktree: false,
        };
        let usage = model.agent(&traits, &draws, &Pins::default());
        assert!(usage.reported_tokens() <= 200_000 + 64_000);
    }
}

fn model_kind(model: &UsageModel) -> StageKind {
    model.kind_of("verify:*", "Verify", "Check that this holds", false)
}
