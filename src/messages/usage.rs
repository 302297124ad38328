//! `usage` on the wire, and what it means for a bill.
//!
//! Every count in a stream is cumulative, so the last value of a field stands. Sums never fall: where
//! the last counts of a prompt add up to less than those before, those before stand. The prompt classes are disjoint; `output_tokens` includes thinking. Entries of `iterations` that are
//! not of type `message` are billed beside the counts at the top; where another model took over
//! (`fallback_message`), each entry is billed by itself, and the counts at the top repeat the last.

use serde::Deserialize;

use crate::pricing::{CacheTtl, Mode};
use crate::tokens::TokenUsage;

/// What models say of their place whose price knows none.
const NO_PLACE: &str = "not_available";

/// `usage` as it stands; what is absent or null is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct WireUsage {
    /// Prompt tokens outside the cache.
    pub input_tokens: Option<u64>,
    /// Tokens generated, thinking included.
    pub output_tokens: Option<u64>,
    /// Prompt tokens written to the cache, of any lifetime.
    pub cache_creation_input_tokens: Option<u64>,
    /// Prompt tokens read from the cache.
    pub cache_read_input_tokens: Option<u64>,
    /// The written ones by lifetime.
    pub cache_creation: Option<WireCacheCreation>,
    /// Uses of tools that run at the API.
    pub server_tool_use: Option<WireServerToolUse>,
    /// What several samplings within one request took.
    pub iterations: Option<Vec<WireIteration>>,
    /// `standard` or `fast`.
    pub speed: Option<String>,
    /// Where it was served, such as `us`.
    pub inference_geo: Option<String>,
}

/// Tokens written to the cache by lifetime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct WireCacheCreation {
    /// For five minutes.
    pub ephemeral_5m_input_tokens: Option<u64>,
    /// For an hour.
    pub ephemeral_1h_input_tokens: Option<u64>,
}

/// Uses of server tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct WireServerToolUse {
    /// Searches; each has a fee.
    pub web_search_requests: Option<u64>,
}

/// One sampling within a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct WireIteration {
    /// `message`, `compaction`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Whose rates apply, where it is not the request's model.
    pub model: Option<String>,
    /// What it took.
    #[serde(flatten)]
    pub usage: WireTokens,
}

/// The counts of one sampling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct WireTokens {
    /// As in [`WireUsage`].
    pub input_tokens: Option<u64>,
    /// As in [`WireUsage`].
    pub output_tokens: Option<u64>,
    /// As in [`WireUsage`].
    pub cache_creation_input_tokens: Option<u64>,
    /// As in [`WireUsage`].
    pub cache_read_input_tokens: Option<u64>,
    /// As in [`WireUsage`].
    pub cache_creation: Option<WireCacheCreation>,
}

/// Whose rates apply to tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Whose {
    /// Those of the model that the answer names.
    #[default]
    Answering,
    /// Those of the model that was asked.
    Asked,
    /// Those of this model.
    Named(String),
}

/// What a usage means for a bill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// The tokens of the request, by class.
    pub usage: TokenUsage,
    /// Whose rates apply to them.
    pub whose: Whose,
    /// What was sampled beside it, each priced as a request of its own.
    pub beside: Vec<(Whose, TokenUsage)>,
    /// Searches of the web.
    pub web_searches: u64,
    /// Whether the flat count of cache writes and its breakdown disagree.
    pub disagrees: bool,
}

impl WireUsage {
    /// Takes over every field that `later` knows. Counts are cumulative: of the output the highest
    /// stands, of the classes of the prompt the last, unless they add up to less than before.
    pub fn take(&mut self, later: Self) {
        let before = self.clone();
        latest(&mut self.input_tokens, later.input_tokens);
        latest(&mut self.cache_creation_input_tokens, later.cache_creation_input_tokens);
        latest(&mut self.cache_read_input_tokens, later.cache_read_input_tokens);
        latest(&mut self.cache_creation, later.cache_creation);
        if self.prompt_tokens() < before.prompt_tokens() {
            self.input_tokens = before.input_tokens;
            self.cache_creation_input_tokens = before.cache_creation_input_tokens;
            self.cache_read_input_tokens = before.cache_read_input_tokens;
            self.cache_creation = before.cache_creation;
        }
        self.output_tokens = before.output_tokens.max(later.output_tokens);
        if let Some(later) = later.server_tool_use {
            let now = self.server_tool_use.get_or_insert_default();
            now.web_search_requests = now.web_search_requests.max(later.web_search_requests);
        }
        latest(&mut self.iterations, later.iterations);
        latest(&mut self.speed, later.speed);
        latest(&mut self.inference_geo, later.inference_geo);
    }

    /// All classes of the prompt together.
    fn prompt_tokens(&self) -> u64 {
        let tokens = WireTokens {
            input_tokens: self.input_tokens,
            output_tokens: None,
            cache_creation_input_tokens: self.cache_creation_input_tokens,
            cache_read_input_tokens: self.cache_read_input_tokens,
            cache_creation: self.cache_creation,
        };
        tokens.classes(CacheTtl::FiveMinutes).0.prompt()
    }

    /// What it means for a bill; `None` where the counts that every answer and every sampling beside it has are missing. `write`
    /// is the longest lifetime that the request asked for: tokens that the flat count of cache
    /// writes has and its breakdown does not explain are taken for that.
    pub fn metered(&self, write: CacheTtl) -> Option<Metered> {
        let tokens = WireTokens {
            input_tokens: Some(self.input_tokens?),
            output_tokens: Some(self.output_tokens?),
            cache_creation_input_tokens: self.cache_creation_input_tokens,
            cache_read_input_tokens: self.cache_read_input_tokens,
            cache_creation: self.cache_creation,
        };
        let (mut usage, mut disagrees) = tokens.classes(write);
        let (mut whose, mut beside) = (Whose::default(), Vec::new());
        let all: Vec<&WireIteration> = self.iterations.iter().flatten().collect();
        let falls_back = all.iter().any(|one| one.is_fallback());
        for one in all.into_iter().filter(|one| falls_back || !one.is_message()) {
            // An entry that does not say what it took is not free either.
            one.usage.input_tokens?;
            one.usage.output_tokens?;
            let (own, other) = one.usage.classes(write);
            disagrees |= other;
            let named = one.model.clone().map(Whose::Named);
            if one.is_fallback() {
                // What the counts at the top repeat.
                (usage, whose) = (own, named.unwrap_or_default());
            } else if one.is_message() {
                beside.push((named.unwrap_or(Whose::Asked), own));
            } else {
                beside.push((named.unwrap_or_default(), own));
            }
        }
        let searches = self.server_tool_use.and_then(|tools| tools.web_search_requests);
        let web_searches = searches.map_or(0, |count| count);
        Some(Metered { usage, whose, beside, web_searches, disagrees })
    }

    /// Whether it was served in the US; `None` where it does not say, or the model knows no places.
    pub fn in_us(&self) -> Option<bool> {
        let place = self.inference_geo.as_deref().filter(|place| *place != NO_PLACE);
        place.map(|place| place == "us")
    }

    /// The mode it was served in: what the answer says, else what the request asked for. An answer
    /// that was held to the US or sped up is not taken for less where it does not say so.
    pub fn mode(&self, asked: Mode) -> Mode {
        let fast = self.speed.as_deref().map_or(asked.fast, |speed| speed == "fast");
        let us = self.in_us().map_or(asked.us, |in_us| in_us);
        Mode { fast, us, ..asked }
    }
}

fn latest<T>(now: &mut Option<T>, later: Option<T>) {
    if later.is_some() {
        *now = later;
    }
}

impl WireIteration {
    fn is_message(&self) -> bool {
        self.kind.as_deref() == Some("message")
    }

    /// The last sampling of an answer that another model gave than was asked.
    fn is_fallback(&self) -> bool {
        self.kind.as_deref() == Some("fallback_message")
    }
}

impl WireTokens {
    /// The tokens by class, and whether the flat count and the breakdown of cache writes disagree.
    fn classes(&self, write: CacheTtl) -> (TokenUsage, bool) {
        let count = |count: Option<u64>| count.map_or(0, |count| count);
        let flat = count(self.cache_creation_input_tokens);
        let mut usage = TokenUsage {
            fresh: count(self.input_tokens),
            cache_read: count(self.cache_read_input_tokens),
            output: count(self.output_tokens),
            ..TokenUsage::default()
        };
        if let Some(parts) = self.cache_creation {
            usage.cache_write_5m = count(parts.ephemeral_5m_input_tokens);
            usage.cache_write_1h = count(parts.ephemeral_1h_input_tokens);
        }
        let explained = usage.cache_write_5m.saturating_add(usage.cache_write_1h);
        let unexplained = flat.saturating_sub(explained);
        let longest = match write {
            CacheTtl::FiveMinutes => &mut usage.cache_write_5m,
            CacheTtl::OneHour => &mut usage.cache_write_1h,
        };
        *longest = longest.saturating_add(unexplained);
        let both = self.cache_creation.is_some() && self.cache_creation_input_tokens.is_some();
        (usage, both && flat != explained)
    }
}
