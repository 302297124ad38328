//! Counts of tokens by price class. Owns the classes and the tokenizer generations; knows no rates.

use std::ops::{Add, AddAssign};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tokens of one request, or a sum over requests, by the class each is billed in.
///
/// The four prompt classes are disjoint; `output` includes thinking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenUsage {
    /// Prompt tokens neither read from nor written to the cache.
    pub fresh: u64,
    /// Prompt tokens written to the cache for five minutes.
    pub cache_write_5m: u64,
    /// Prompt tokens written to the cache for one hour.
    pub cache_write_1h: u64,
    /// Prompt tokens read from the cache.
    pub cache_read: u64,
    /// Tokens generated, thinking included.
    pub output: u64,
}

impl TokenUsage {
    /// All prompt tokens: what decides a request's price tier, and its context.
    pub const fn prompt(&self) -> u64 {
        self.fresh
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
            .saturating_add(self.cache_read)
    }

    /// All tokens that are billed.
    pub const fn billed(&self) -> u64 {
        self.prompt().saturating_add(self.output)
    }
}

impl Add for TokenUsage {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            fresh: self.fresh.saturating_add(other.fresh),
            cache_write_5m: self.cache_write_5m.saturating_add(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(other.cache_write_1h),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            output: self.output.saturating_add(other.output),
        }
    }
}

impl AddAssign for TokenUsage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// Which tokenizer a model counts with. The same text is longer in a newer Claude generation.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Tokenizer {
    /// Claude models up to 4.6.
    #[serde(rename = "claude-old")]
    ClaudeOld,
    /// Claude models from 4.7 on.
    #[serde(rename = "claude-4.7")]
    Claude47,
    /// OpenAI's `o200k` vocabulary.
    #[serde(rename = "o200k")]
    O200k,
    /// Not published; counted like `o200k`.
    #[serde(rename = "other")]
    Other,
}
