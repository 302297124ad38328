//! Agents that behave as the usage model draws them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agents::workload::{SimulatedRequest, Workload};
use crate::id::ModelId;
use crate::ports::agent::AgentJob;
use crate::seed::{Seed, key_of, key_of_parts};
use crate::tokens::Tokenizer;
use crate::usage::{
    AgentDraws, AgentTraits, AgentUsage, Draws, Pins, Prefix, RunDraws, StageDraws, UsageModel,
};

/// New text is bounded by its bytes; this many stand for a token.
const BYTES_PER_TOKEN: u64 = 4;
/// A first prompt is counted by the upstream, with this margin in thousandths.
const COUNT_MARGIN_PER_MILLE: u64 = 1_050;
/// Bytes of a prompt that make a token where no counter was given: English text.
const CHARACTERS_PER_TOKEN: u64 = 4;

/// What a simulation has to know of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulatedModel {
    /// How it counts.
    pub tokenizer: Tokenizer,
    /// Its window, tokens.
    pub context_tokens: u64,
    /// The most it generates per request: the `max_tokens` that clients ask for.
    pub max_output_tokens: u64,
    /// The shortest prompt it caches.
    pub min_cache_tokens: u64,
}

/// Agents that behave as the usage model draws them.
pub struct UsageWorkload {
    usage: Arc<UsageModel>,
    models: BTreeMap<ModelId, SimulatedModel>,
    pins: Pins,
    seed: Seed,
    run: RunDraws,
    run_agents: u32,
    /// How many calls with equal text came before: equal calls draw differently.
    seen: BTreeMap<u64, u64>,
    count_tokens: fn(&str) -> u64,
}

impl UsageWorkload {
    /// Agents on `models`, drawn with `seed`. `run_agents` is how many the run is expected to
    /// have: big fan-outs are lighter.
    pub fn new(
        usage: Arc<UsageModel>,
        models: BTreeMap<ModelId, SimulatedModel>,
        seed: Seed,
        run_agents: u32,
    ) -> Self {
        Self {
            usage,
            models,
            pins: Pins::default(),
            seed,
            run: RunDraws::new(seed),
            run_agents,
            seen: BTreeMap::new(),
            count_tokens: |text| (text.len() as u64).div_ceil(CHARACTERS_PER_TOKEN),
        }
    }

    /// The same with prompts counted by `count_tokens` (o200k) instead of four bytes a token.
    #[must_use]
    pub fn with_counter(mut self, count_tokens: fn(&str) -> u64) -> Self {
        self.count_tokens = count_tokens;
        self
    }

    /// The same with exact values for every agent.
    #[must_use]
    pub fn with_pins(mut self, pins: Pins) -> Self {
        self.pins = pins;
        self
    }

    /// The draws of a call follow its stage and prompt, not its place in the run, so that another
    /// schedule or budget meets the same agents.
    fn call_key(&mut self, job: &AgentJob) -> u64 {
        let text = key_of_parts(&[job.stage.0, key_of(&job.call.prompt)]);
        let seen = self.seen.entry(text).or_default();
        *seen += 1;
        key_of_parts(&[text, *seen])
    }
}

impl Workload for UsageWorkload {
    fn requests(&mut self, job: &AgentJob) -> Vec<SimulatedRequest> {
        let model = self.models.get(&job.model).copied().unwrap_or(SimulatedModel {
            tokenizer: Tokenizer::Other,
            context_tokens: 200_000,
            max_output_tokens: 32_000,
            min_cache_tokens: 1_024,
        });
        let call = &job.call;
        let text = |text: &Option<Arc<str>>| text.clone().unwrap_or_default();
        let traits = AgentTraits {
            role: job.role,
            kind: self.usage.kind_of(
                &text(&call.label),
                &text(&call.phase),
                &call.prompt,
                call.worktree,
            ),
            tokenizer: model.tokenizer,
            context_tokens: model.context_tokens,
            max_output_tokens: model.max_output_tokens,
            min_cache_tokens: model.min_cache_tokens,
            effort: job.effort,
            prompt_tokens_o200k: (self.count_tokens)(&call.prompt),
            run_agents: self.run_agents,
            worktree: call.worktree,
        };
        let key = self.call_key(job);
        let stage = StageDraws::new(self.seed, job.stage.0);
        let draws =
            Draws { run: &self.run, stage: &stage, agent: &AgentDraws::new(self.seed, key) };
        let usage = self.usage.agent(&traits, &draws, &self.pins);
        let prefix = match (call.worktree, job.prefix_written) {
            (true, _) => Prefix::Private,
            (false, true) => Prefix::Read,
            (false, false) => Prefix::Written,
        };
        requests_of(&usage, prefix, false, model.max_output_tokens)
    }
}

/// The requests of an agent whose usage is drawn. The bound of a first prompt is the upstream's
/// count with a margin; of a later one the previous prompt and answer plus the bytes that are new.
pub fn requests_of(
    usage: &AgentUsage,
    prefix: Prefix,
    one_hour: bool,
    asked_output_tokens: u64,
) -> Vec<SimulatedRequest> {
    let mut anchor: Option<u64> = None;
    usage
        .each_request(prefix, one_hour)
        .map(|request| {
            let prompt = request.usage.prompt();
            let prompt_tokens_max = match anchor {
                None => (prompt * COUNT_MARGIN_PER_MILLE).div_ceil(1_000),
                Some(known) => known + prompt.saturating_sub(known) * BYTES_PER_TOKEN,
            };
            anchor = Some(prompt + request.usage.output);
            SimulatedRequest {
                usage: request.usage,
                prompt_tokens_max,
                asked_output_tokens,
                thinking_tokens: 0,
                duration_milliseconds: request.duration_milliseconds,
            }
        })
        .collect()
}
