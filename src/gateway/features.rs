//! What in a request's content and tools has no bound in its bytes.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::IgnoredAny;

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
            unbounded: self.unbounded.or(other.unbounded),
        }
    }

    fn unbounded(why: &'static str) -> Self {
        Self { unbounded: Some(why.into()), ..Self::default() }
    }
}

/// The words that make content worth a closer look. They stand in quotes only where JSON has a
/// string of just that: quotes within a string are escaped.
const WORDS: [&[u8]; 3] = [b"\"image\"", b"\"document\"", b"\"container_upload\""];

static FINDERS: LazyLock<[Finder<'static>; 3]> = LazyLock::new(|| WORDS.map(Finder::new));
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
    source: Option<Source<'a>>,
    #[serde(borrow, default)]
    content: Content<'a>,
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
        let source = self.source.as_ref();
        let own = match (&*self.kind, source.map(|source| &*source.kind)) {
            ("image", _) => {
                let data = source.and_then(|source| source.data.as_ref());
                let bytes = data.map_or(0, |data| data.len());
                let image_bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
                Features { images: 1, image_bytes, ..Features::default() }
            }
            ("document", Some("text" | "content")) => Features::default(),
            ("document", Some("url")) => Features::unbounded("a document behind a URL"),
            ("document", Some("file")) => Features::unbounded("a document in the Files API"),
            ("document", _) => Features::unbounded("a PDF document"),
            ("container_upload", _) => Features::unbounded("a file for code execution"),
            _ => Features::default(),
        };
        let both = own.and(self.content.features());
        match source {
            Some(source) => both.and(source.content.features()),
            None => both,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> serde::de::Visitor<'de> for Reader {
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

            /// The result of a tool that runs at the API can be an object.
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Content::Text)
            }
        }
        from.deserialize_any(Reader)
    }
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(default)]
    max_uses: Option<u64>,
}

/// What the `tools` of a request mean.
///
/// # Errors
/// They are not what the API takes.
pub(crate) fn of_tools(raw: &str) -> Result<Features, serde_json::Error> {
    let tools: Vec<Tool<'_>> = serde_json::from_str(raw)?;
    Ok(tools.iter().map(Tool::features).fold(Features::default(), Features::and))
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
