//! A request as the API reads it: what is asked, and the prompt block by block.

use std::io;

use http::StatusCode;
use serde_json::{Map, Value};
use xxhash_rust::xxh3::Xxh3;

use super::envelope::Refusal;
use crate::effort::Effort;
use crate::pricing::{CacheTtl, Mode};

/// Bytes of a prompt that count as a token.
const BYTES_PER_TOKEN: u64 = 4;

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// The model as named.
    pub(super) model: String,
    /// `stream: true`.
    pub(super) stream: bool,
    /// What changes the price.
    pub(super) mode: Mode,
    /// `output_config.effort`.
    pub(super) effort: Option<Effort>,
    body: Value,
}

/// The end of a block of the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Boundary {
    /// The hash of everything up to here.
    pub(super) key: u64,
    /// Tokens up to here.
    pub(super) tokens: u64,
    /// Whether the prompt is to be kept up to here, and for how long.
    pub(super) mark: Option<CacheTtl>,
}

/// A prompt: its blocks in the order of the API (tools, system, messages).
#[derive(Clone, Debug)]
pub(super) struct Prompt {
    /// Ends of blocks, in order.
    pub(super) boundaries: Vec<Boundary>,
}

impl Prompt {
    /// All of its tokens, at least 1.
    pub(super) fn tokens(&self) -> u64 {
        self.boundaries.last().map_or(1, |last| last.tokens.max(1))
    }

    /// The hash of all of it. Marks do not count: they are no content.
    pub(super) fn key(&self) -> u64 {
        self.boundaries.last().map_or(0, |last| last.key)
    }
}

impl Ask {
    /// Reads a body.
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let body: Value = serde_json::from_slice(body).map_err(|error| {
            let place = format!("line {} column {}", error.line(), error.column());
            Refusal::invalid(format!("The request body is not valid JSON: {place}"))
        })?;
        if !body.is_object() {
            return Err(Refusal::invalid("The request body is not a JSON object"));
        }
        let model = text_of(&body, "model").ok_or_else(|| required("model"))?.to_owned();
        check_messages(&body)?;
        let mode = Mode {
            batch: false,
            fast: text_of(&body, "speed") == Some("fast"),
            us: text_of(&body, "inference_geo") == Some("us"),
        };
        let stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
        let effort = body.get("output_config").and_then(|config| text_of(config, "effort"));
        let effort = effort.and_then(Effort::from_name);
        Ok(Self { model, stream, mode, effort, body })
    }

    /// `max_tokens`, 1 or more.
    pub(super) fn max_tokens(&self) -> Result<u64, Refusal> {
        let asked = self.body.get("max_tokens").ok_or_else(|| required("max_tokens"))?;
        asked.as_u64().filter(|tokens| *tokens >= 1).ok_or_else(|| {
            Refusal::invalid("max_tokens: Input should be a whole number greater than 0")
        })
    }

    /// A field of the body that is a text.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        text_of(&self.body, field)
    }

    /// The messages.
    pub(super) fn messages(&self) -> &[Value] {
        list(&self.body, "messages")
    }

    /// The tools on offer.
    pub(super) fn tools(&self) -> &[Value] {
        list(&self.body, "tools")
    }

    /// `tool_choice`: its type, and the tool it names.
    pub(super) fn tool_choice(&self) -> (Option<&str>, Option<&str>) {
        let choice = self.body.get("tool_choice");
        let part = |field| choice.and_then(|choice| text_of(choice, field));
        (part("type"), part("name"))
    }

    /// The prompt, block by block.
    pub(super) fn prompt(&self) -> Prompt {
        let mut reader = PromptReader::default();
        reader.separate(&self.model);
        for tool in self.tools() {
            reader.block("tool", tool);
        }
        match self.body.get("system") {
            Some(Value::String(text)) => reader.text_block("system", text, None),
            Some(Value::Array(blocks)) => blocks.iter().for_each(|one| reader.block("system", one)),
            _ => {}
        }
        for message in self.messages() {
            let role = text_of(message, "role").unwrap_or("");
            match message.get("content") {
                Some(Value::String(text)) => reader.text_block(role, text, None),
                Some(Value::Array(blocks)) => blocks.iter().for_each(|one| reader.block(role, one)),
                _ => {}
            }
        }
        if let (Some(ttl), Some(last)) = (mark_of(&self.body), reader.boundaries.last_mut()) {
            last.mark = last.mark.or(Some(ttl));
        }
        Prompt { boundaries: reader.boundaries }
    }
}

fn required(field: &str) -> Refusal {
    Refusal::invalid(format!("{field}: Field required"))
}

fn check_messages(body: &Value) -> Result<(), Refusal> {
    let messages = body.get("messages").ok_or_else(|| required("messages"))?;
    let messages = messages
        .as_array()
        .ok_or_else(|| Refusal::invalid("messages: Input should be a valid list"))?;
    if messages.is_empty() {
        return Err(Refusal::invalid("messages: at least one message is required"));
    }
    for (index, message) in messages.iter().enumerate() {
        let known = matches!(text_of(message, "role"), Some("user" | "assistant" | "system"));
        if !known {
            let message = format!("messages.{index}.role: Input should be 'user' or 'assistant'");
            return Err(Refusal::invalid(message));
        }
        if !matches!(message.get("content"), Some(Value::String(_) | Value::Array(_))) {
            return Err(required(&format!("messages.{index}.content")));
        }
    }
    Ok(())
}

/// A field of an object that is a text.
pub(super) fn text_of<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

/// A field of an object that is a list; empty where it is none.
pub(super) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn mark_of(block: &Value) -> Option<CacheTtl> {
    let mark = block.get("cache_control").filter(|mark| mark.is_object())?;
    Some(match text_of(mark, "ttl") {
        Some("1h") => CacheTtl::OneHour,
        _ => CacheTtl::FiveMinutes,
    })
}

/// Hashes and measures a prompt on the way.
#[derive(Default)]
struct PromptReader {
    hasher: Xxh3,
    bytes: u64,
    boundaries: Vec<Boundary>,
}

impl PromptReader {
    /// Hashed, so that blocks do not run into each other, and not measured.
    fn separate(&mut self, what: &str) {
        self.hasher.update(&(what.len() as u64).to_le_bytes());
        self.hasher.update(what.as_bytes());
    }

    fn content(&mut self, text: &str) {
        self.separate(text);
        self.bytes += text.len() as u64;
    }

    fn end_block(&mut self, mark: Option<CacheTtl>) {
        let tokens = self.bytes.div_ceil(BYTES_PER_TOKEN);
        self.boundaries.push(Boundary { key: self.hasher.digest(), tokens, mark });
    }

    /// A text alone is the same as a block that holds it: clients write either.
    fn text_block(&mut self, role: &str, text: &str, mark: Option<CacheTtl>) {
        self.separate(role);
        self.content(text);
        self.end_block(mark);
    }

    fn block(&mut self, role: &str, block: &Value) {
        let mark = mark_of(block);
        if let (Some("text"), Some(text)) = (text_of(block, "type"), text_of(block, "text")) {
            return self.text_block(role, text, mark);
        }
        self.separate(role);
        match block {
            Value::Object(fields) => self.fields(fields),
            other => self.value(other),
        }
        self.end_block(mark);
    }

    fn fields(&mut self, fields: &Map<String, Value>) {
        for (name, value) in fields.iter().filter(|(name, _)| *name != "cache_control") {
            self.content(name);
            self.value(value);
        }
    }

    fn value(&mut self, value: &Value) {
        if let Value::String(text) = value {
            return self.content(text);
        }
        // It takes every write, and a value that was parsed can be written.
        let _ = serde_json::to_writer(&mut *self, value);
    }
}

impl io::Write for PromptReader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The status of a refusal for a body that is too large.
pub(super) const TOO_LARGE: StatusCode = StatusCode::PAYLOAD_TOO_LARGE;
