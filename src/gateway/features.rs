//! What in a request's content and tools has no bound in its bytes.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::LazyLock;

use memchr::memmem::{self, Finder};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// No image takes more tokens: larger ones are scaled down. 4,784 are documented for the newest
/// models; the rest is a margin.
pub(crate) const IMAGE_TOKENS_MAX: u64 = 5_000;
/// What the API adds of its own to explain one of its tools, at most; a generous margin over the
/// documented 300 to 750.
pub(crate) const TOOL_TOKENS_MAX: u64 = 1_000;

/// What content or tools mean for the bound of a prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// Images, at [`IMAGE_TOKENS_MAX`] each.
    pub(crate) images: u64,
    /// Bytes of the body that are images and not text.
    pub(crate) image_bytes: u64,
    /// Tools that the API explains to the model by itself, at [`TOOL_TOKENS_MAX`] each.
    pub(crate) api_tools: u64,
    /// Uses of tools that run at the API, each followed by another sampling.
    pub(crate) server_tool_uses: u64,
    /// Searches of the web among them.
    pub(crate) web_searches: u64,
    /// Images behind URLs among them: what a URL gives may be larger the next time.
    pub(crate) url_images: u64,
    /// Bytes of definitions of tools.
    pub(crate) tool_bytes: u64,
    /// Of those that are no part of the prompt until something refers to them.
    pub(crate) deferred_bytes: u64,
    /// A feature whose tokens nothing bounds.
    pub(crate) unbounded: Option<Cow<'static, str>>,
}

impl Features {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            images: self.images.saturating_add(other.images),
            image_bytes: self.image_bytes.saturating_add(other.image_bytes),
            api_tools: self.api_tools.saturating_add(other.api_tools),
            server_tool_uses: self.server_tool_uses.saturating_add(other.server_tool_uses),
            web_searches: self.web_searches.saturating_add(other.web_searches),
            url_images: self.url_images.saturating_add(other.url_images),
            tool_bytes: self.tool_bytes.saturating_add(other.tool_bytes),
            deferred_bytes: self.deferred_bytes.saturating_add(other.deferred_bytes),
            unbounded: self.unbounded.or(other.unbounded),
        }
    }

    fn unbounded(why: &'static str) -> Self {
        Self { unbounded: Some(why.into()), ..Self::default() }
    }
}

/// The words that make content worth a closer look. They stand in quotes only where JSON has a
/// string of just that: quotes within a string are escaped.
const WORDS: [&[u8]; 4] =
    [b"\"image\"", b"\"document\"", b"\"container_upload\"", b"\"tool_definition\""];

static FINDERS: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| WORDS.map(Finder::new));
static ESCAPES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\\u00"));

/// What one of the `messages` of a request means.
///
/// # Errors
/// It is not what the API takes.
pub(crate) fn of_message(raw: &str) -> Result<Features, serde_json::Error> {
    if is_plain(raw.as_bytes()) {
        return Ok(Features::default());
    }
    Ok(serde_json::from_str::<Message<'_>>(raw)?.content.features())
}

/// The same of a `system`, which is content itself.
///
/// # Errors
/// As above.
pub(crate) fn of_system(raw: &str) -> Result<Features, serde_json::Error> {
    if is_plain(raw.as_bytes()) {
        return Ok(Features::default());
    }
    Ok(serde_json::from_str::<Content<'_>>(raw)?.features())
}

/// Whether no word of [`WORDS`] stands in it, nor a letter in disguise that could make one.
pub(crate) fn is_plain(raw: &[u8]) -> bool {
    !hides_letters(raw) && FINDERS.iter().all(|finder| finder.find(raw).is_none())
}

/// Whether something may be in it that adds tools to the prompt which were defined elsewhere.
pub(crate) fn refers_to_tools(raw: &[u8]) -> bool {
    memmem::find(raw, b"\"tool_reference\"").is_some() || hides_letters(raw)
}

/// Whether something may be in it that takes tools out of the prompt, for a time.
pub(crate) fn removes_tools(raw: &[u8]) -> bool {
    memmem::find(raw, b"\"tool_removal\"").is_some() || hides_letters(raw)
}

/// Whether some character of ASCII from the digits on is written as `\u00XX`. Who writes JSON by the
/// usual means escapes none of them.
pub(crate) fn hides_letters(raw: &[u8]) -> bool {
    ESCAPES
        .find_iter(raw)
        .any(|at| raw.get(at + 4).is_some_and(|digit| (b'3'..=b'7').contains(digit)))
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Content<'a>,
}

#[derive(Default)]
enum Content<'a> {
    /// A string, or nothing.
    #[default]
    Text,
    Blocks(Vec<Block<'a>>),
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    source: Object<Source<'a>>,
    #[serde(borrow, default)]
    content: Content<'a>,
    /// What a `tool_addition` adds.
    #[serde(borrow, default)]
    tool: Object<AddedTool<'a>>,
    /// Additions in the range that a `compaction` stands for.
    #[serde(borrow, default)]
    tool_changes: Content<'a>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    content: Content<'a>,
}

#[derive(Deserialize)]
struct AddedTool<'a> {
    #[serde(borrow, default)]
    definition: Option<&'a RawValue>,
}

/// An object; blocks of some types have a word under the same name, which means nothing here.
struct Object<T>(Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl Content<'_> {
    fn features(&self) -> Features {
        match self {
            Self::Text => Features::default(),
            Self::Blocks(blocks) => {
                blocks.iter().map(Block::features).fold(Features::default(), Features::and)
            }
        }
    }
}

impl Block<'_> {
    fn features(&self) -> Features {
        let source = self.source.0.as_ref();
        let own = match (&*self.kind, source.map(|source| &*source.kind)) {
            ("image", _) => {
                let data = source.and_then(|source| source.data.as_ref());
                let bytes = data.map_or(0, |data| data.len());
                let image_bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
                let is_behind_url = source.is_some_and(|source| source.kind == "url");
                let url_images = u64::from(is_behind_url);
                Features { images: 1, image_bytes, url_images, ..Features::default() }
            }
            ("document", Some("text" | "content")) => Features::default(),
            ("document", Some("url")) => Features::unbounded("a document behind a URL"),
            ("document", Some("file")) => Features::unbounded("a document in the Files API"),
            ("document", _) => Features::unbounded("a PDF document"),
            ("container_upload", _) => Features::unbounded("a file for code execution"),
            _ => Features::default(),
        };
        let definition = self.tool.0.as_ref().and_then(|added| added.definition);
        let added = definition.map_or_else(Features::default, of_tool);
        let all = own.and(added).and(self.content.features()).and(self.tool_changes.features());
        match source {
            Some(source) => all.and(source.content.features()),
            None => all,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Content<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string or blocks")
            }

            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Content::Text)
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Content::Text)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Self::Value, A::Error> {
                let mut blocks = Vec::new();
                while let Some(block) = seq.next_element()? {
                    blocks.push(block);
                }
                Ok(Content::Blocks(blocks))
            }

            /// The result of a tool that runs at the API can be an object, such as the document
            /// that was fetched.
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let block = Block::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Content::Blocks(vec![block]))
            }
        }
        from.deserialize_any(Reader)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object or a word")
            }

            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Object(None))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Object(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|object| Object(Some(object)))
            }
        }
        from.deserialize_any(Reader(PhantomData))
    }
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(default)]
    max_uses: Option<u64>,
    #[serde(default)]
    defer_loading: Option<bool>,
}

/// What the `tools` of a request mean.
///
/// # Errors
/// They are not what the API takes.
pub(crate) fn of_tools(raw: &str) -> Result<Features, serde_json::Error> {
    let tools: Vec<&RawValue> = serde_json::from_str(raw)?;
    let mut all = Features::default();
    for tool in tools {
        all = all.and(of_definition(tool)?);
    }
    Ok(all)
}

/// What a tool means that is defined within a message. One that cannot be read is refused by the API,
/// or is something that nobody here has heard of.
fn of_tool(raw: &RawValue) -> Features {
    of_definition(raw).unwrap_or_else(|_| Features::unbounded("a tool that cannot be read"))
}

fn of_definition(raw: &RawValue) -> Result<Features, serde_json::Error> {
    let tool: Tool<'_> = serde_json::from_str(raw.get())?;
    let tool_bytes = u64::try_from(raw.get().len()).unwrap_or(u64::MAX);
    let deferred_bytes = if tool.defer_loading == Some(true) { tool_bytes } else { 0 };
    Ok(Features { tool_bytes, deferred_bytes, ..tool.features() })
}

impl Tool<'_> {
    fn features(&self) -> Features {
        const CLIENT: [&str; 4] = ["bash_", "text_editor_", "computer_", "memory_"];
        let Some(kind) = self.kind.as_deref().filter(|kind| *kind != "custom") else {
            return Features::default();
        };
        let own = Features { api_tools: 1, ..Features::default() };
        if CLIENT.iter().any(|known| kind.starts_with(known)) {
            return own;
        }
        let is_search = kind.starts_with("web_search_");
        if is_search || kind.starts_with("web_fetch_") {
            let Some(uses) = self.max_uses else {
                let tool = if is_search { "web_search" } else { "web_fetch" };
                let unbounded = Some(format!("the tool {tool} without max_uses").into());
                return Features { unbounded, ..own };
            };
            let web_searches = if is_search { uses } else { 0 };
            return Features { server_tool_uses: uses, web_searches, ..own };
        }
        let why = match kind {
            _ if kind.starts_with("code_execution_") => {
                "the tool code_execution, whose hours no answer shows".into()
            }
            _ if kind.starts_with("mcp_toolset") => "an MCP connector".into(),
            _ if kind.starts_with("advisor_") => "the tool advisor".into(),
            _ => {
                let short: String = kind.chars().take(40).collect();
                format!("the tool `{}`", short.escape_debug()).into()
            }
        };
        Features { unbounded: Some(why), ..own }
    }
}
