//! An answer of the Messages API as it streams in, and what a refusal says. Knows no connections.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::messages::{UNREACHABLE, WireUsage};

/// The longest answer that is read, bytes as they stream.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Whoever is told to wait longer gives up.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// One block of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Words.
    Text(String),
    /// A call of a tool, its input as the JSON text that came.
    Tool { id: String, name: String, input: String },
    /// Anything else, which nothing here asks for.
    Other,
}

/// What has come of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) usage: WireUsage,
    pub(super) blocks: Vec<Block>,
    pub(super) stop: Option<String>,
}

/// What the stream has reached with the last chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reached {
    /// The prompt has been counted, in this chunk.
    pub(super) start: bool,
    /// The answer is complete.
    pub(super) end: bool,
}

/// Reads an answer from chunks, however they are cut.
#[derive(Debug, Default)]
pub(super) struct AnswerReader {
    pub(super) answer: Answer,
    /// A line of which the end has not come.
    line: Vec<u8>,
    bytes: usize,
    ended: bool,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    index: Option<usize>,
    message: Option<Message>,
    content_block: Option<Value>,
    delta: Option<Delta>,
    usage: Option<WireUsage>,
    error: Option<Told>,
}

#[derive(Deserialize)]
struct Message {
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct Delta {
    text: Option<String>,
    partial_json: Option<String>,
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct Told {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
}

impl AnswerReader {
    /// Reads on.
    ///
    /// # Errors
    /// In words: the stream says that it broke off, is too long, or makes no sense.
    pub(super) fn read(&mut self, chunk: &[u8]) -> Result<Reached, String> {
        self.bytes = self.bytes.saturating_add(chunk.len());
        if self.bytes > ANSWER_BYTES_MAX {
            return Err(format!("the answer is longer than {ANSWER_BYTES_MAX} bytes"));
        }
        let mut start = false;
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                // The kind of an event stands in its data too.
                if let Some(data) = line.strip_prefix(b"data:") {
                    start |= self.event(data)?;
                }
            }
        }
        Ok(Reached { start, end: self.ended })
    }

    /// Whether it was the start of the answer.
    fn event(&mut self, data: &[u8]) -> Result<bool, String> {
        let event: Event = serde_json::from_slice(data)
            .map_err(|error| format!("an event of the answer makes no sense: {error}"))?;
        match &*event.kind {
            "message_start" => {
                let usage = event.message.and_then(|message| message.usage);
                self.answer.usage = usage.ok_or("the answer does not say what its prompt took")?;
                return Ok(true);
            }
            "content_block_start" => {
                self.answer.blocks.push(begun(event.content_block.as_ref()));
            }
            "content_block_delta" => {
                let block = event.index.and_then(|index| self.answer.blocks.get_mut(index));
                match (block, event.delta) {
                    (Some(Block::Text(text)), Some(Delta { text: Some(more), .. })) => {
                        text.push_str(&more);
                    }
                    (
                        Some(Block::Tool { input, .. }),
                        Some(Delta { partial_json: Some(more), .. }),
                    ) => input.push_str(&more),
                    _ => {}
                }
            }
            "message_delta" => {
                if let Some(usage) = event.usage {
                    self.answer.usage.take(usage);
                }
                if let Some(Delta { stop_reason: Some(reason), .. }) = event.delta {
                    self.answer.stop = Some(reason);
                }
            }
            "message_stop" => self.ended = true,
            "error" => {
                let why = event.error.and_then(|told| told.message);
                return Err(why.unwrap_or_else(|| "the answer broke off".to_owned()));
            }
            _ => {}
        }
        Ok(false)
    }
}

fn begun(block: Option<&Value>) -> Block {
    let text = |name: &str| {
        let value = block.and_then(|block| block.get(name)).and_then(Value::as_str);
        value.map_or_else(String::new, str::to_owned)
    };
    match &*text("type") {
        "text" => Block::Text(text("text")),
        "tool_use" => Block::Tool { id: text("id"), name: text("name"), input: String::new() },
        _ => Block::Other,
    }
}

/// What is known of a request that was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// In words.
    pub(super) why: String,
    /// Whether it may have cost something all the same.
    pub(super) may_cost: bool,
    /// What to do.
    pub(super) then: Then,
}

/// What to do after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Try again, not before so much time has passed, where that was said.
    Again(Option<Duration>),
    /// Nothing: it would be refused again.
    Fail,
    /// A budget is used up.
    Denied,
}

/// What a gateway's refusal says, or an upstream's that it passes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) should_retry: Option<String>,
    pub(super) retry_after: Option<String>,
    /// Whether the gateway sent the request on: then the words are those of the API.
    pub(super) was_sent: bool,
    pub(super) body: Vec<u8>,
}

impl Refusal {
    /// What it means.
    pub(super) fn read(self) -> Refused {
        #[derive(Deserialize)]
        struct Envelope {
            error: Told,
        }
        let told = serde_json::from_slice::<Envelope>(&self.body).ok().map(|told| told.error);
        let kind = told.as_ref().and_then(|told| told.kind.clone());
        let message = told.and_then(|told| told.message);
        let server_failed = self.status >= 500;
        let may_cost = match (&message, self.was_sent) {
            _ if !server_failed => false,
            // The gateway itself has no ledger.
            _ if self.status == 503 && !self.was_sent => false,
            // The API bills nothing that it refuses in its own words.
            (message, true) => message.is_none(),
            (Some(message), false) => !message.starts_with(UNREACHABLE),
            (None, false) => true,
        };
        let after = self.retry_after.and_then(|text| text.trim().parse().ok());
        let after = after.map(Duration::from_secs);
        let retries = match self.should_retry.as_deref() {
            Some("true") => true,
            Some("false") => false,
            _ => matches!(self.status, 408 | 409 | 429) || server_failed,
        };
        let then = match kind.as_deref() {
            Some("billing_error") if self.status == 429 => Then::Denied,
            _ if retries && after.is_none_or(|after| after <= RETRY_AFTER_MAX) => {
                Then::Again(after)
            }
            _ => Then::Fail,
        };
        let words = message.unwrap_or_else(|| "no reason given".to_owned());
        Refused { why: format!("API error {}: {words}", self.status), may_cost, then }
    }
}
