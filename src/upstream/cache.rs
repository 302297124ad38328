//! The prompt cache: which prefixes were written, and what of a prompt is read from it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ask::{Boundary, Prompt};
use super::limits::{CACHE_ENTRIES_MAX, LOOK_BACK_BLOCKS};
use crate::pricing::CacheTtl;
use crate::tokens::TokenUsage;

/// Prefixes by their hash, with the time they are forgotten at.
#[derive(Debug, Default)]
pub(super) struct PromptCache(Mutex<HashMap<u64, Kept>>);

#[derive(Clone, Copy, Debug)]
struct Kept {
    until: Instant,
    ttl: CacheTtl,
}

const fn lifetime(ttl: CacheTtl) -> Duration {
    match ttl {
        CacheTtl::FiveMinutes => Duration::from_mins(5),
        CacheTtl::OneHour => Duration::from_hours(1),
    }
}

impl PromptCache {
    /// The prompt by class, output left at zero. Reads the longest prefix that is kept, where
    /// `reads`; keeps every marked prefix of at least `least_tokens`; reading keeps for longer.
    pub(super) fn usage(
        &self,
        prompt: &Prompt,
        least_tokens: u64,
        reads: bool,
        now: Instant,
    ) -> TokenUsage {
        let long = |boundary: &Boundary| boundary.tokens >= least_tokens;
        let marked: Vec<(usize, Boundary, CacheTtl)> = prompt
            .boundaries
            .iter()
            .enumerate()
            .filter(|(_, boundary)| long(boundary))
            .filter_map(|(index, boundary)| Some((index, *boundary, boundary.mark?)))
            .collect();
        let total = prompt.tokens();
        let Some((_, last, _)) = marked.last() else {
            return TokenUsage { fresh: total, ..TokenUsage::default() };
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read = if reads { longest(&mut kept, prompt, &marked, now) } else { 0 };
        for (_, boundary, ttl) in &marked {
            keep(&mut kept, boundary.key, *ttl, now);
        }
        drop(kept);
        let hour = marked.iter().rev().find(|(_, _, ttl)| *ttl == CacheTtl::OneHour);
        let hour_end = hour.map_or(read, |(_, boundary, _)| boundary.tokens.max(read));
        TokenUsage {
            fresh: total.saturating_sub(last.tokens),
            cache_write_5m: last.tokens.saturating_sub(hour_end),
            cache_write_1h: hour_end - read,
            cache_read: read,
            output: 0,
        }
    }
}

/// Tokens of the longest kept prefix at a mark or in the blocks before one.
fn longest(
    kept: &mut HashMap<u64, Kept>,
    prompt: &Prompt,
    marked: &[(usize, Boundary, CacheTtl)],
    now: Instant,
) -> u64 {
    let mut found: Option<(u64, u64)> = None;
    for (index, _, _) in marked {
        let blocks = prompt.boundaries.get(index.saturating_sub(LOOK_BACK_BLOCKS)..=*index);
        let alive = |block: &&Boundary| kept.get(&block.key).is_some_and(|one| one.until > now);
        if let Some(block) = blocks.and_then(|blocks| blocks.iter().rev().find(alive)) {
            found = found.max(Some((block.tokens, block.key)));
        }
    }
    let Some((tokens, key)) = found else { return 0 };
    if let Some(one) = kept.get_mut(&key) {
        one.until = now + lifetime(one.ttl);
    }
    tokens
}

fn keep(kept: &mut HashMap<u64, Kept>, key: u64, ttl: CacheTtl, now: Instant) {
    if kept.len() >= CACHE_ENTRIES_MAX && !kept.contains_key(&key) {
        kept.retain(|_, one| one.until > now);
        if kept.len() >= CACHE_ENTRIES_MAX {
            return;
        }
    }
    kept.insert(key, Kept { until: now + lifetime(ttl), ttl });
}
