//! What a request has in common with those before it: a conversation grows at its end, and the
//! prompt that was counted once bounds the one that begins with it.
//!
//! Two requests share a prefix where everything but the messages is the same, and so are the messages
//! up to there. Marks for the cache do not count: the client moves them on with every request. What
//! is left out of the comparison is counted in bytes, so nothing can hide in it. What the same words can
//! mean more tokens for is added: images that a URL gives anew, and tools whose definitions become
//! part of the prompt once a later message refers to them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use memchr::memmem;
use serde_json::value::RawValue;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::gateway::features::{Features, IMAGE_TOKENS_MAX, refers_to_tools, removes_tools};

/// What the API may put around a message of its own, tokens: role marks, and what is left of the
/// window.
const AROUND_MESSAGE_TOKENS_MAX: u64 = 64;
/// Prefixes are compared at the last so many messages.
const MESSAGES_MAX: usize = 64;
/// Prompts that are remembered, over all conversations.
const KNOWN_MAX: usize = 16_384;
/// A mark for the cache is no longer than this, bytes.
const MARK_BYTES_MAX: usize = 96;

/// The prefixes of one request, longest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conversation {
    prefixes: Vec<Prefix>,
}

/// A request up to one of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Prefix {
    hash: u128,
    /// What comes after it has no more tokens than this.
    rest_tokens_max: u64,
}

impl Conversation {
    /// The prefixes of a request with these `messages` and everything else that a prompt depends on
    /// in `others`, but for the model. Each message comes with what it means, and `features` is what
    /// the whole request does.
    pub(crate) fn new<'a>(
        others: impl Iterator<Item = (&'a str, &'a str)>,
        messages: &[(&RawValue, Features)],
        features: &Features,
    ) -> Self {
        let mut hash = Xxh3::new();
        let mut left_out = 0;
        for (name, raw) in others {
            hash.update(name.as_bytes());
            hash.update(&[0xfe]);
            left_out += take_in(&mut hash, raw.as_bytes());
        }
        let mut prefixes = Vec::with_capacity(messages.len());
        let mut any_loads = false;
        for (message, own) in messages {
            hash.update(&[0xff]);
            left_out += take_in(&mut hash, message.get().as_bytes());
            let loads = features.tool_bytes > 0 && refers_to_tools(message.get().as_bytes());
            any_loads |= loads;
            prefixes.push((hash.digest128(), tokens_max(message, own), loads));
        }
        let all = || messages.iter().map(|(message, _)| message.get().as_bytes());
        let removes = any_loads && all().any(removes_tools);
        let loadable_tokens_max =
            if removes { features.tool_bytes } else { features.deferred_bytes };
        let url_images_tokens_max = features.url_images.saturating_mul(IMAGE_TOKENS_MAX);
        let mut rest_tokens_max = url_images_tokens_max.saturating_add(left_out);
        let mut loaded_tokens_max: u64 = 0;
        let mut longest_first = Vec::new();
        for (hash, own, loads) in prefixes.into_iter().rev().take(MESSAGES_MAX) {
            let with_loaded = rest_tokens_max.saturating_add(loaded_tokens_max);
            longest_first.push(Prefix { hash, rest_tokens_max: with_loaded });
            rest_tokens_max = rest_tokens_max.saturating_add(own);
            if loads {
                loaded_tokens_max = loadable_tokens_max;
            }
        }
        Self { prefixes: longest_first }
    }
}

/// No message takes more tokens.
fn tokens_max(message: &RawValue, features: &Features) -> u64 {
    let bytes = u64::try_from(message.get().len()).unwrap_or(u64::MAX);
    bytes
        .saturating_sub(features.image_bytes)
        .saturating_add(features.images.saturating_mul(IMAGE_TOKENS_MAX))
        .saturating_add(AROUND_MESSAGE_TOKENS_MAX)
}

/// Hashes `raw` without its marks for the cache; how many bytes they take.
fn take_in(hash: &mut Xxh3, mut raw: &[u8]) -> u64 {
    const NAME: &[u8] = b"\"cache_control\":";
    let mut left_out = 0;
    // Quotes within a string are escaped, so this is a name and nothing else.
    while let Some(at) = memmem::find(raw, NAME) {
        let (before, mark) = raw.split_at(at);
        let value = mark.get(NAME.len()..).map_or(&[][..], |value| value);
        let end = value.iter().take(MARK_BYTES_MAX).position(|byte| *byte == b'}');
        let Some(end) = end.filter(|_| value.first() == Some(&b'{')) else { break };
        let rest = value.get(end + 1..).map_or(&[][..], |rest| rest);
        // The comma that goes with it is the one before, or the one after the first of an object.
        let (before, rest) = match before.strip_suffix(b",") {
            Some(before) => (before, rest),
            None => (before, rest.strip_prefix(b",").map_or(rest, |rest| rest)),
        };
        hash.update(before);
        let taken = raw.len().saturating_sub(before.len()).saturating_sub(rest.len());
        left_out += u64::try_from(taken).unwrap_or(u64::MAX);
        raw = rest;
    }
    hash.update(raw);
    left_out
}

/// Prompts that were counted, by what they said.
#[derive(Debug, Default)]
pub(crate) struct Conversations(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    prompts: HashMap<u128, u64>,
    oldest_first: VecDeque<u128>,
}

impl Conversations {
    /// A bound of the prompt's tokens on `model` from the longest prefix that was counted there;
    /// `None` where none was.
    pub(crate) fn bound(&self, conversation: &Conversation, model: &str) -> Option<u64> {
        let model = xxh3_128(model.as_bytes());
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        conversation.prefixes.iter().find_map(|prefix| {
            let counted = known.prompts.get(&(prefix.hash ^ model))?;
            Some(counted.saturating_add(prefix.rest_tokens_max))
        })
    }

    /// Remembers that the whole of a request had `prompt_tokens` on `model`.
    pub(crate) fn counted(&self, conversation: &Conversation, model: &str, prompt_tokens: u64) {
        let Some(whole) = conversation.prefixes.first() else { return };
        let key = whole.hash ^ xxh3_128(model.as_bytes());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.prompts.insert(key, prompt_tokens).is_none() {
            known.oldest_first.push_back(key);
        }
        while known.oldest_first.len() > KNOWN_MAX {
            if let Some(oldest) = known.oldest_first.pop_front() {
                known.prompts.remove(&oldest);
            }
        }
    }
}
