//! What a request to `/v1/messages` asks for, as far as money depends on it. The body itself is
//! passed on as it came, with another `max_tokens` at most, unless it is rewritten for another model.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;
use xxhash_rust::xxh3::Xxh3;

use crate::effort::Effort;
use crate::gateway::conversation::Conversation;
use crate::gateway::features::{self, Features, IMAGE_TOKENS_MAX, TOOL_TOKENS_MAX};
use crate::gateway::fields::{Fields, missing, without_place};
use crate::gateway::sent_body::SentBody;
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
#[expect(clippy::struct_excessive_bools, reason = "what a body says yes or no to, each by itself")]
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
    /// Whether what is generated can be seen at once: thinking may be hidden, and the input of a tool
    /// may be sent once it is whole.
    pub shows_all: bool,
    /// The effort that it asks for, where that is one of the API's.
    pub effort: Option<Effort>,
    /// Whether it has tools that the API knows by a type of their own, not all of which every model
    /// has.
    pub has_api_tools: bool,
    /// How it wants to be served.
    pub mode: Mode,
    /// Whether it leaves open where.
    pub served_anywhere: bool,
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
        fields.refuses(&model)?;
        let asked_output_tokens: u64 = fields.required("max_tokens")?;
        let max_tokens_span = fields.span(body, "max_tokens")?;
        let is_plain = features::is_plain(body);
        let messages = fields.messages(is_plain)?;
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
            shows_all: thinking.as_ref().is_some_and(|thinking| thinking.kind == "disabled")
                && features.tool_bytes == 0,
            thinking_tokens: thinking.and_then(|thinking| thinking.budget_tokens).map_or(0, |n| n),
            effort: fields.effort()?,
            has_api_tools: features.api_tools > 0,
            mode: Mode {
                batch: false,
                fast: fields.is("speed", "fast")?,
                us: fields.is("inference_geo", "us")?,
            },
            served_anywhere: fields.raw("inference_geo").is_none(),
            write: longest_write(body, is_plain),
            prompt_tokens_max,
            samplings_max: features.server_tool_uses.saturating_add(1),
            web_searches_max: features.web_searches,
            conversation: fields.conversation(&messages, &features),
            unbounded: features.unbounded,
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
    pub fn with_max_tokens(&self, body: Bytes, max_tokens: u64) -> SentBody {
        let Range { start, end } = self.max_tokens_span;
        if max_tokens == self.asked_output_tokens || end > body.len() || start > end {
            return SentBody::from(body);
        }
        let number = format!("{max_tokens:>width$}", width = end - start);
        SentBody::new([body.slice(..start), Bytes::from(number), body.slice(end..)])
    }

    /// The body of a request that counts this prompt, and what the rest of its body adds to the count
    /// at most, tokens; `None` where that says too little of it.
    pub(crate) fn to_be_counted(&self, body: &Bytes) -> Option<(Bytes, u64)> {
        if self.samplings_max > 1 || self.unbounded.is_some() {
            return None;
        }
        let fields = Fields::read(body).ok()?;
        let messages: Vec<&str> = fields.messages.as_ref()?.iter().map(|raw| raw.get()).collect();
        let counted = COUNTED.iter().filter_map(|name| Some((*name, fields.raw(name)?)));
        let mut fields: Vec<String> =
            counted.map(|(name, raw)| format!("\"{name}\":{}", raw.get())).collect();
        fields.push(format!("\"messages\":[{}]", messages.join(",")));
        let counted = Bytes::from(format!("{{{}}}", fields.join(",")));
        let rest = body.len().saturating_sub(counted.len());
        Some((counted, u64::try_from(rest).unwrap_or(u64::MAX)))
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
struct OutputConfig<'a> {
    #[serde(borrow, default)]
    effort: Option<Cow<'a, str>>,
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

/// Fields that say nothing to the model, or are looked at one by one; prompts are counted for each
/// model by itself.
const APART_FROM_PROMPT: [&str; 4] = ["max_tokens", "stream", "metadata", "model"];

impl<'a> Fields<'a> {
    /// Refuses what would be answered by other models than `model`, or from what the body does not
    /// hold. Clients that ask for it go on without once they are told so, the real one by the words
    /// used here.
    fn refuses(&self, model: &str) -> Result<(), BadRequest> {
        let falls_back = |name: &&str| self.raw(name).is_some_and(|raw| raw.get() != "[]");
        if let Some(name) = ["fallbacks", "fallback"].into_iter().find(falls_back) {
            return Err(BadRequest(format!(
                "{model} does not support the `{name}` parameter behind this gateway: what \
                 several models answer in turn has no bound that could be reserved"
            )));
        }
        if self.raw("thread").is_some() {
            return Err(BadRequest(
                "thread: a conversation that the API keeps has no bound that could be reserved; \
                 send its messages"
                    .to_owned(),
            ));
        }
        Ok(())
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
    fn conversation(
        &self,
        messages: &[(&RawValue, Features)],
        features: &Features,
    ) -> Conversation {
        // What is cleared from one prompt need not be cleared from the next.
        let clears = |edit: &Edit<'_>| !edit.kind.starts_with("clear_thinking");
        let management: Result<Option<ContextManagement<'a>>, _> =
            self.optional("context_management");
        if management.ok().flatten().is_some_and(|management| management.edits.iter().any(clears)) {
            return Conversation::default();
        }
        let others = self.named.iter().filter(|(name, _)| !APART_FROM_PROMPT.contains(&&**name));
        Conversation::new(others.map(|(name, raw)| (&**name, raw.get())), messages, features)
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
        } else if management.as_ref().is_some_and(compacts) || self.raw("compaction").is_some() {
            all.unbounded = Some("compaction at the API".into());
        } else if self.raw("container").is_some() {
            all.unbounded = Some("a container for code execution".into());
        }
        Ok(all)
    }

    fn effort(&self) -> Result<Option<Effort>, BadRequest> {
        let config: Option<OutputConfig<'a>> = self.optional("output_config")?;
        let named = config.and_then(|config| config.effort);
        Ok(named.and_then(|name| Effort::from_name(&name)))
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

/// An hour, unless the body cannot mean that.
fn longest_write(body: &[u8], is_plain: bool) -> CacheTtl {
    let hides_letters = !is_plain && features::hides_letters(body);
    if hides_letters || memmem::find(body, b"\"1h\"").is_some() {
        CacheTtl::OneHour
    } else {
        CacheTtl::FiveMinutes
    }
}
