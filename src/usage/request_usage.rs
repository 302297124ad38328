//! The requests of one agent, one by one: what a price with a step has to be applied to.

use crate::tokens::TokenUsage;
use crate::usage::AgentUsage;

/// What an agent's first request finds in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// The first of its group: it pays for writing the prefix that its siblings read.
    Written,
    /// A later sibling: it reads the shared prefix, if it finds it.
    Read,
    /// Nothing is shared, as in a worktree of its own.
    Private,
}

/// One request of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestUsage {
    /// Tokens by price class.
    pub usage: TokenUsage,
    /// Time until the next request may start: generation and the tool calls that follow.
    pub duration_milliseconds: u64,
}

/// The requests of an agent in order; see [`AgentUsage::each_request`].
#[derive(Clone, Debug)]
pub struct Requests {
    agent: AgentUsage,
    index: u32,
    cached: u64,
    ttl_one_hour: bool,
}

impl Requests {
    pub(crate) fn new(agent: AgentUsage, prefix: Prefix, ttl_one_hour: bool) -> Self {
        let cached = match prefix {
            Prefix::Read if agent.prefix_hit => agent.shared_prefix_tokens,
            Prefix::Read | Prefix::Written | Prefix::Private => 0,
        };
        Self { agent, index: 0, cached, ttl_one_hour }
    }

    /// Splits a context into classes and remembers what it leaves in the cache.
    fn split(&mut self, context: u64) -> TokenUsage {
        if context < self.agent.min_cache_tokens {
            self.cached = 0;
            return TokenUsage { fresh: context, ..TokenUsage::default() };
        }
        let read = if self.agent.rewrite_at == Some(self.index) { 0 } else { self.cached };
        let delta = context.saturating_sub(read);
        let fresh = self.agent.fresh_tokens_per_request.min(delta);
        let write = delta - fresh;
        self.cached = context - fresh;
        let mut usage = TokenUsage { fresh, cache_read: read, ..TokenUsage::default() };
        if self.ttl_one_hour {
            usage.cache_write_1h = write;
        } else {
            usage.cache_write_5m = write;
        }
        usage
    }
}

impl Iterator for Requests {
    type Item = RequestUsage;

    fn next(&mut self) -> Option<RequestUsage> {
        if self.index >= self.agent.requests {
            return None;
        }
        let mut usage = self.split(self.agent.context(self.index));
        usage.output = self.agent.output(self.index);
        self.index += 1;
        let duration_milliseconds = self.agent.duration_of(usage.output);
        Some(RequestUsage { usage, duration_milliseconds })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.agent.requests - self.index) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Requests {}
