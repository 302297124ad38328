//! What one agent uses: its totals, from which its requests follow.

use crate::tokens::TokenUsage;
use crate::usage::context_curve::ContextCurve;
use crate::usage::request_usage::{Prefix, RequestUsage, Requests};

/// What one agent uses. Made by [`UsageModel::agent`](crate::usage::UsageModel::agent); its
/// requests add up to these totals exactly, whatever the prefix and the cache's time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentUsage {
    /// Context of the first request in tokens, own prompt included.
    pub first_context_tokens: u64,
    /// The part of it that siblings share; 0 in a worktree or below the least that is cached.
    pub shared_prefix_tokens: u64,
    /// Requests, at least 1.
    pub requests: u32,
    /// Context added between the first and the last request.
    pub growth_tokens: u64,
    /// Context of the last request: first plus growth, at most the model's window.
    pub final_context_tokens: u64,
    /// Prompt tokens of all requests, all classes.
    pub prompt_tokens: u64,
    /// Output of all requests, thinking included.
    pub output_tokens: u64,
    /// Output of the last request, thinking included.
    pub final_output_tokens: u64,
    /// The visible part of it: the answer that later prompts may quote.
    pub final_text_tokens: u64,
    /// Time from the first request to the answer, without queueing or stagger.
    pub duration_milliseconds: u64,
    pub(crate) curve: ContextCurve,
    pub(crate) prefix_hit: bool,
    pub(crate) rewrite_at: Option<u32>,
    pub(crate) min_cache_tokens: u64,
    pub(crate) fresh_tokens_per_request: u64,
    pub(crate) microseconds_per_request: u64,
    pub(crate) microseconds_per_output_token: u64,
}

impl AgentUsage {
    /// The agent's requests in order. `prefix` says what the first finds in the cache; writes are
    /// billed for an hour where `ttl_one_hour`, else for five minutes.
    pub fn each_request(&self, prefix: Prefix, ttl_one_hour: bool) -> Requests {
        Requests::new(*self, prefix, ttl_one_hour)
    }

    /// The sum of [`Self::each_request`]. For reports only: a price with a step must see each
    /// request.
    pub fn total(&self, prefix: Prefix, ttl_one_hour: bool) -> TokenUsage {
        let sum = |sum: TokenUsage, request: RequestUsage| sum + request.usage;
        self.each_request(prefix, ttl_one_hour).fold(TokenUsage::default(), sum)
    }

    /// What Claude Code shows as this agent's tokens: prompt and output of its last request. Not
    /// what is billed.
    pub const fn reported_tokens(&self) -> u64 {
        self.final_context_tokens.saturating_add(self.final_output_tokens)
    }

    /// Context of the request at `index`, from 0.
    pub(crate) fn context(&self, index: u32) -> u64 {
        self.curve.context(u64::from(index))
    }

    /// Output of the request at `index`: the last has its own, the others share the rest evenly.
    pub(crate) fn output(&self, index: u32) -> u64 {
        let steps = u64::from(self.requests.saturating_sub(1));
        let index = u64::from(index);
        if index >= steps {
            return self.final_output_tokens;
        }
        let shared = self.output_tokens - self.final_output_tokens;
        shared / steps + u64::from(index < shared % steps)
    }

    /// Time of a request with that output.
    pub(crate) const fn duration_of(&self, output_tokens: u64) -> u64 {
        let generation = self.microseconds_per_output_token.saturating_mul(output_tokens);
        self.microseconds_per_request.saturating_add(generation) / 1000
    }
}
