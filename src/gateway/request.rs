//! What a request to `/v1/messages` asks for, as far as money depends on it. The body itself is
//! passed on as it came, with another `max_tokens` at most.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::Xxh3;

use crate::gateway::conversation::Conversation;
use crate::gateway::features::{self, Features, IMAGE_TOKENS_MAX, TOOL_TOKENS_MAX};
use crate::pricing::{CacheTtl, Mode};

/// What the API adds to every prompt of its own, at most: role marks, and how to call tools (346
/// tokens are documented).
const HIDDEN_TOKENS_MAX: u64 = 1_000;

/// A body that no upstream would take, or that could be read in two ways.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRequest(pub String);

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagesRequest {
    /// The model as it names it.
    pub model: String,
    /// Whether the answer streams.
    pub stream: bool,
    /// Its `max_tokens`.
    pub asked_output_tokens: u64,
    /// Where that number stands in the body.
    pub max_tokens_span: Range<usize>,
    /// Thinking budget within the output, 0 where there is none.
    pub thinking_tokens: u64,
    /// Whether some of the answer may be thinking that is not shown.
    pub thinks: bool,
    /// How it wants to be served.
    pub mode: Mode,
    /// The longest lifetime of the cache that it may write to.
    pub write: CacheTtl,
    /// No prompt of this body has more tokens, as long as it is sampled once.
    pub prompt_tokens_max: u64,
    /// How often it is sampled at most: tools that run at the API sample again.
    pub samplings_max: u64,
    /// How often it may search the web.
    pub web_searches_max: u64,
    /// A feature whose tokens nothing bounds, in words.
    pub unbounded: Option<Cow<'static, str>>,
    pub(crate) conversation: Conversation,
}

impl MessagesRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// It is not JSON, has a field twice, or lacks one that every request has.
    pub fn read(body: &[u8]) -> Result<Self, BadRequest> {
        let fields = Fields::read(body)?;
        let model: String = fields.required("model")?;
        let asked_output_tokens: u64 = fields.required("max_tokens")?;
        let max_tokens_span = fields.span(body, "max_tokens")?;
        let messages = fields.messages(features::is_plain(body))?;
        let thinking: Option<Thinking<'_>> = fields.optional("thinking")?;
        let features = fields.features(&messages)?;
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let prompt_tokens_max = bytes
            .saturating_sub(features.image_bytes)
            .saturating_add(features.images.saturating_mul(IMAGE_TOKENS_MAX))
            .saturating_add(features.api_tools.saturating_mul(TOOL_TOKENS_MAX))
            .saturating_add(HIDDEN_TOKENS_MAX);
        Ok(Self {
            stream: fields.optional("stream")?.is_some_and(|stream: bool| stream),
            thinks: thinking.as_ref().is_some_and(|thinking| thinking.kind != "disabled"),
            thinking_tokens: thinking.and_then(|thinking| thinking.budget_tokens).map_or(0, |n| n),
            mode: Mode {
                batch: false,
                fast: fields.is("speed", "fast")?,
                us: fields.is("inference_geo", "us")?,
            },
            write: longest_write(body),
            prompt_tokens_max,
            samplings_max: features.server_tool_uses.saturating_add(1),
            web_searches_max: features.web_searches,
            unbounded: features.unbounded,
            conversation: fields.conversation(&messages),
            model,
            asked_output_tokens,
            max_tokens_span,
        })
    }

    /// What a body says, whatever its `max_tokens` and however the answer is to come: the client's
    /// second try says the same.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn fingerprint(body: &[u8]) -> Result<u128, BadRequest> {
        Ok(Fields::read(body)?.fingerprint())
    }

    /// The body with `max_tokens` as its `max_tokens`; the same bytes where it has that already. A
    /// number with fewer digits has spaces before it, so that nothing else moves.
    pub fn with_max_tokens(&self, body: Bytes, max_tokens: u64) -> Bytes {
        let is_another = self.max_tokens_span.end > body.len();
        if max_tokens == self.asked_output_tokens || is_another {
            return body;
        }
        let number = format!("{max_tokens:>width$}", width = self.max_tokens_span.len());
        let mut body = match body.try_into_mut() {
            Ok(body) => body,
            Err(shared) => BytesMut::from(&*shared),
        };
        match body.get_mut(self.max_tokens_span.clone()) {
            Some(span) if span.len() == number.len() => span.copy_from_slice(number.as_bytes()),
            _ => {
                let rest = body.split_off(self.max_tokens_span.end);
                body.truncate(self.max_tokens_span.start);
                body.extend_from_slice(number.as_bytes());
                body.extend_from_slice(&rest);
            }
        }
        body.freeze()
    }

    /// The body of a request that counts this prompt; `None` where that says too little of it.
    pub(crate) fn to_be_counted(&self, body: &Bytes) -> Option<Bytes> {
        if self.samplings_max > 1 || self.unbounded.is_some() {
            return None;
        }
        let fields = Fields::read(body).ok()?;
        let messages: Vec<&str> = fields.messages.as_ref()?.iter().map(|raw| raw.get()).collect();
        let counted = COUNTED.iter().filter_map(|name| Some((*name, fields.raw(name)?)));
        let mut fields: Vec<String> =
            counted.map(|(name, raw)| format!("\"{name}\":{}", raw.get())).collect();
        fields.push(format!("\"messages\":[{}]", messages.join(",")));
        Some(Bytes::from(format!("{{{}}}", fields.join(","))))
    }
}

/// What `count_tokens` takes of a request besides its messages; it refuses fields that it does not know.
const COUNTED: [&str; 5] = ["model", "system", "tools", "tool_choice", "thinking"];

#[derive(Deserialize)]
struct Thinking<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    budget_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct ContextManagement<'a> {
    #[serde(borrow, default)]
    edits: Vec<Edit<'a>>,
}

#[derive(Deserialize)]
struct Edit<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
}

/// Fields that say nothing to the model, or are looked at one by one.
const APART_FROM_PROMPT: [&str; 3] = ["max_tokens", "stream", "metadata"];

/// The fields of a body in their order, each once.
struct Fields<'a> {
    /// All but the messages.
    named: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// Most of a body, and so split as it is read.
    messages: Option<Vec<&'a RawValue>>,
}

impl<'a> Fields<'a> {
    fn read(body: &'a [u8]) -> Result<Self, BadRequest> {
        serde_json::from_slice(body)
            .map_err(|error| BadRequest(format!("the body is not a request: {error}")))
    }

    fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.named.iter().find(|(key, _)| key == name);
        found.map(|(_, raw)| *raw).filter(|raw| raw.get() != "null")
    }

    fn optional<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, BadRequest> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let value = serde_json::from_str(raw.get());
        value.map(Some).map_err(|error| BadRequest(format!("{name}: {}", without_place(&error))))
    }

    fn required<T: Deserialize<'a>>(&self, name: &str) -> Result<T, BadRequest> {
        self.optional(name)?.ok_or_else(|| missing(name))
    }

    fn is(&self, name: &str, wanted: &str) -> Result<bool, BadRequest> {
        let value: Option<Cow<'a, str>> = self.optional(name)?;
        Ok(value.is_some_and(|value| value == wanted))
    }

    /// Where the value of a field stands in `body`.
    fn span(&self, body: &[u8], name: &str) -> Result<Range<usize>, BadRequest> {
        let raw = self.raw(name).ok_or_else(|| missing(name))?.get();
        // Both point into the same bytes.
        let start = raw.as_ptr().addr().saturating_sub(body.as_ptr().addr());
        Ok(start..start.saturating_add(raw.len()))
    }

    /// The messages, each with what it means.
    fn messages(&self, are_plain: bool) -> Result<Vec<(&'a RawValue, Features)>, BadRequest> {
        let all = self.messages.as_ref().ok_or_else(|| missing("messages"))?;
        let each = all.iter().map(|message| {
            if are_plain {
                return Ok((*message, Features::default()));
            }
            let features = features::of_message(message.get());
            let bad = |error| BadRequest(format!("messages: {}", without_place(&error)));
            Ok((*message, features.map_err(bad)?))
        });
        each.collect()
    }

    /// What it shares with requests before it. How the answer is to come is nothing that the prompt
    /// depends on.
    fn conversation(&self, messages: &[(&RawValue, Features)]) -> Conversation {
        // What is cleared from one prompt need not be cleared from the next.
        let clears = |edit: &Edit<'_>| !edit.kind.starts_with("clear_thinking");
        let management: Result<Option<ContextManagement<'a>>, _> =
            self.optional("context_management");
        if management.ok().flatten().is_some_and(|management| management.edits.iter().any(clears)) {
            return Conversation::default();
        }
        let others = self.named.iter().filter(|(name, _)| !APART_FROM_PROMPT.contains(&&**name));
        Conversation::new(others.map(|(name, raw)| (&**name, raw.get())), messages)
    }

    fn features(&self, messages: &[(&RawValue, Features)]) -> Result<Features, BadRequest> {
        let bad = |name: &str| {
            let name = name.to_owned();
            move |error: serde_json::Error| BadRequest(format!("{name}: {}", without_place(&error)))
        };
        let each = messages.iter().map(|(_, features)| features.clone());
        let mut all = each.fold(Features::default(), Features::and);
        if let Some(system) = self.raw("system") {
            all = all.and(features::of_system(system.get()).map_err(bad("system"))?);
        }
        if let Some(tools) = self.raw("tools") {
            all = all.and(features::of_tools(tools.get()).map_err(bad("tools"))?);
        }
        let connectors: Option<Vec<serde::de::IgnoredAny>> = self.optional("mcp_servers")?;
        let management: Option<ContextManagement<'a>> = self.optional("context_management")?;
        let compacts =
            |management: &ContextManagement<'_>| management.edits.iter().any(Edit::compacts);
        if connectors.is_some_and(|servers| !servers.is_empty()) {
            all.unbounded = Some("an MCP connector".into());
        } else if management.as_ref().is_some_and(compacts) {
            all.unbounded = Some("compaction at the API".into());
        } else if self.raw("container").is_some() {
            all.unbounded = Some("a container for code execution".into());
        }
        Ok(all)
    }

    fn fingerprint(&self) -> u128 {
        let mut hash = Xxh3::new();
        let parts = ["model", "system", "tools"].into_iter().map(|name| self.raw(name));
        let messages = self.messages.iter().flatten().map(|message| Some(*message));
        for part in parts.chain(messages) {
            if let Some(raw) = part {
                hash.update(raw.get().as_bytes());
            }
            hash.update(&[0xff]);
        }
        hash.digest128()
    }
}

impl Edit<'_> {
    fn compacts(&self) -> bool {
        self.kind.starts_with("compact")
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Fields { named: Vec::with_capacity(16), messages: None };
                let mut has_messages = false;
                while let Some(Key(key)) = map.next_key()? {
                    let is_messages = key == "messages";
                    let is_known = fields.named.iter().any(|(known, _)| *known == key);
                    if is_known || is_messages && std::mem::replace(&mut has_messages, true) {
                        let twice = format!("`{}` stands there twice", key.escape_debug());
                        return Err(serde::de::Error::custom(twice));
                    }
                    if is_messages {
                        fields.messages = map.next_value()?;
                    } else {
                        fields.named.push((key, map.next_value()?));
                    }
                }
                Ok(fields)
            }
        }
        from.deserialize_map(Reader)
    }
}

fn missing(name: &str) -> BadRequest {
    BadRequest(format!("{name}: this field is required"))
}

/// An error's words without its place, which would count from the value's beginning.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(words, _)| words.to_owned())
}

/// An hour, unless the body cannot mean that.
fn longest_write(body: &[u8]) -> CacheTtl {
    if features::hides_letters(body) || memmem::find(body, b"\"1h\"").is_some() {
        CacheTtl::OneHour
    } else {
        CacheTtl::FiveMinutes
    }
}
