//! What a request is answered with: a function of its content, the seed and its directives.

use super::ask::{Ask, Prompt, list, text_of};
use super::catalogue::Served;
use super::config::{OutputLength, UpstreamConfig};
use super::directive::Directives;
use super::tool::{self, blocks, offers};
use crate::seed::{key_of, key_of_parts};

/// Bytes that a token of an answer shows.
pub(super) const BYTES_PER_TOKEN: u64 = 4;
/// Tokens around the input of a tool call.
const CALL_TOKENS: u64 = 12;

/// What is drawn. The numbers are keys: append, never renumber.
#[derive(Clone, Copy)]
enum Quantity {
    Output = 1,
    Turns = 2,
    Input = 3,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Filler, as long as its tokens, from a place that the key gives.
    Prose(u64),
    /// A text that was asked for.
    Text(String),
    /// A tool call.
    Call {
        /// Its id.
        id: String,
        /// The tool.
        name: String,
        /// Its input, as JSON.
        input: String,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The message's id.
    pub(super) id: String,
    /// What it says.
    pub(super) content: Content,
    /// Tokens generated, those that are not shown included.
    pub(super) output: u64,
    /// `stop_reason`.
    pub(super) stop_reason: &'static str,
}

/// The answer of `ask`, at most `max_tokens` long.
pub(super) fn answer(
    ask: &Ask,
    prompt: &Prompt,
    directives: &Directives,
    served: &Served,
    config: &UpstreamConfig,
    max_tokens: u64,
) -> Answer {
    let key = prompt.key();
    let id = format!("msg_sim{:016x}", key_of_parts(&[key, max_tokens]));
    let content = content(ask, key, directives, config);
    let drawn = directives.output_tokens.unwrap_or_else(|| drawn_output(ask, key, served, config));
    let wanted = match config.output {
        OutputLength::Full => max_tokens,
        OutputLength::Drawn => drawn.max(needed(&content)),
    };
    let fits = needed(&content) <= max_tokens;
    match content {
        Content::Call { .. } if fits => {
            let output = wanted.min(max_tokens);
            Answer { id, content, output, stop_reason: "tool_use" }
        }
        Content::Text(text) if fits => {
            let (output, stop_reason) = within(wanted, max_tokens, config);
            Answer { id, content: Content::Text(text), output, stop_reason }
        }
        Content::Text(mut text) => {
            let bytes = usize::try_from(max_tokens.saturating_mul(BYTES_PER_TOKEN));
            text.truncate(text.floor_char_boundary(bytes.unwrap_or(usize::MAX)));
            let content = Content::Text(text);
            Answer { id, content, output: max_tokens, stop_reason: "max_tokens" }
        }
        // A call that is cut off is no call.
        Content::Prose(_) | Content::Call { .. } => {
            let wanted = if fits { wanted } else { u64::MAX };
            let (output, stop_reason) = within(wanted, max_tokens, config);
            Answer { id, content: Content::Prose(key), output, stop_reason }
        }
    }
}

fn within(wanted: u64, max_tokens: u64, config: &UpstreamConfig) -> (u64, &'static str) {
    if wanted > max_tokens || config.output == OutputLength::Full {
        (max_tokens, "max_tokens")
    } else {
        (wanted.max(1), "end_turn")
    }
}

fn content(ask: &Ask, key: u64, directives: &Directives, config: &UpstreamConfig) -> Content {
    let made = |id: &str| blocks(ask, "tool_use").any(|block| text_of(block, "id") == Some(id));
    let mut directed = directives.tools.iter().filter(|tool| offers(ask, &tool.name));
    if let Some(next) = directed.find(|tool| !made(&tool.id)) {
        let (id, name, input) = (next.id.clone(), next.name.clone(), next.input.clone());
        return Content::Call { id, name, input };
    }
    if let Some(text) = &directives.text {
        return Content::Text(text.clone());
    }
    if ask.tools().is_empty() {
        return Content::Prose(key);
    }
    let turns = directives.turns.unwrap_or_else(|| drawn_turns(ask, config));
    let mut draws = config.seed.stream(key_of_parts(&[Quantity::Input as u64, key]));
    match tool::next_call(ask, turns, &mut draws) {
        Some((name, input)) => Content::Call { id: format!("toolu_sim{key:016x}"), name, input },
        None => Content::Prose(key),
    }
}

/// The fewest tokens that can say it.
fn needed(content: &Content) -> u64 {
    match content {
        Content::Prose(_) => 1,
        Content::Text(text) => (text.len() as u64).div_ceil(BYTES_PER_TOKEN).max(1),
        Content::Call { name, input, .. } => {
            let shown = name.len() as u64 + input.len() as u64;
            shown.div_ceil(BYTES_PER_TOKEN) + CALL_TOKENS
        }
    }
}

/// As the usage model has it: lognormal around the median of the effort.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float that is too large becomes the largest whole number, which max_tokens cuts"
)]
fn drawn_output(ask: &Ask, key: u64, served: &Served, config: &UpstreamConfig) -> u64 {
    let prior = &config.usage;
    let median = prior.effort.of(ask.effort.or(served.default_effort)).output_tokens_per_request;
    let normal = config.seed.normal(key_of_parts(&[Quantity::Output as u64, key]));
    let drawn = median * (prior.output.log_sd * normal).exp();
    (drawn.round() as u64).max(prior.output.step_tokens_min)
}

/// How many requests the conversation makes: drawn by how it began.
fn drawn_turns(ask: &Ask, config: &UpstreamConfig) -> u64 {
    let (least, most) = (config.turns.least(), config.turns.most());
    let mut from_user = ask.messages().iter().filter(|one| text_of(one, "role") == Some("user"));
    let first = from_user.next();
    let mut parts = vec![Quantity::Turns as u64];
    if let Some(first) = first {
        parts.push(key_of(text_of(first, "content").unwrap_or("")));
        let texts = list(first, "content").iter().filter_map(|block| text_of(block, "text"));
        parts.extend(texts.map(key_of));
    }
    least + config.seed.stream(key_of_parts(&parts)).below(most - least + 1)
}
