//! What is known about the lengths of lists besides a schema: the working tree's counts and caps
//! in prose ("up to 6 findings"). Owns how such caps are read from text; draws nothing.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Counts of the working tree, within the scope that the user gave. `None` where not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TreeCounts {
    /// Files that version control would list.
    pub files: Option<u64>,
    /// Their sizes together, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Files changed against the base.
    pub diff_files: Option<u64>,
    /// Folders that hold sources.
    pub modules: Option<u64>,
    /// Package manifests.
    pub packages: Option<u64>,
    /// Test files.
    pub tests: Option<u64>,
    /// Whether the user named the scope: then agents list what is in it, not a part.
    pub scoped: bool,
    /// What cut the counting short; the counts are then lower bounds.
    #[serde(default)]
    pub cut_by: Option<CountLimit>,
}

/// A limit on counting a working tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountLimit {
    /// Files and folders looked at.
    Entries(u32),
    /// Folders below each other.
    Depth(u32),
    /// Time.
    Seconds(u64),
}

impl fmt::Display for CountLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entries(entries) => write!(f, "{entries} entries"),
            Self::Depth(folders) => write!(f, "{folders} folders deep"),
            Self::Seconds(seconds) => write!(f, "{seconds} s"),
        }
    }
}

/// How many items a text asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// At least so many; 0 where only the most is said.
    pub low: u32,
    /// At most so many.
    pub high: u32,
    /// "exactly 5", or a bare count right before the noun.
    pub exact: bool,
}

/// A cap that a script's prose sets for one property, or for whatever list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProseCap {
    /// The property; `None` where the text names no noun ("at most 10").
    pub property: Option<Arc<str>>,
    /// The cap.
    pub cap: Cap,
    /// Line in the script, from 1; 0 where the text is a prompt.
    pub line: u32,
}

/// Caps above this are taken for years, ports or sizes, not lengths.
const LARGEST_CAP: u32 = 500;
/// How far after the number the noun may stand, in words: "up to 6 distinct, verified findings".
const NOUN_REACH: usize = 4;
/// How much of a prompt is read for caps, bytes at its start and at its end.
const PROMPT_HEAD_BYTES: usize = 6_144;
const PROMPT_TAIL_BYTES: usize = 2_048;

/// Words before a number that make it a cap, longest first; whether it is exact.
const LEADS: [(&str, bool); 15] = [
    ("no more than", false),
    ("up to", false),
    ("at most", false),
    ("maximum of", false),
    ("max of", false),
    ("maximum", false),
    ("limit of", false),
    ("limited to", false),
    ("cap at", false),
    ("capped at", false),
    ("exactly", true),
    ("top", false),
    ("max", false),
    ("<=", false),
    ("≤", false),
];

/// The caps in a script's text that stand near a noun among `properties`. Caps on plain numbers of
/// other things (characters, words, lines, tokens) are left out.
pub fn caps_in_script(script: &str, properties: &[&str]) -> Vec<ProseCap> {
    let mut line = 1;
    let mut caps = Vec::new();
    for text in script.lines() {
        for (noun, cap) in caps_in_text(text, properties) {
            let Some(property) = noun else { continue };
            caps.push(ProseCap { property: Some(property.into()), cap, line });
        }
        line += 1;
    }
    caps
}

/// The cap that a prompt sets for `property`: one that names it, else, where `only` says that no
/// other list is asked for, one that names no noun. The tightest of several.
pub fn cap_in_prompt(prompt: &str, property: &str, only: bool) -> Option<Cap> {
    let head = prompt.get(..floor_boundary(prompt, PROMPT_HEAD_BYTES)).unwrap_or(prompt);
    let from = prompt.len().saturating_sub(PROMPT_TAIL_BYTES).max(head.len());
    let tail = prompt.get(floor_boundary(prompt, from)..).unwrap_or("");
    let found = [head, tail].into_iter().flat_map(|text| caps_in_text(text, &[property]));
    found
        .filter(|(noun, _)| noun.is_some() || only)
        .min_by_key(|(noun, cap)| (noun.is_none(), cap.high))
        .map(|(_, cap)| cap)
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Each cap in `text` with the property it names.
fn caps_in_text<'p>(text: &str, properties: &[&'p str]) -> Vec<(Option<&'p str>, Cap)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = next_number(bytes, at) {
        let end = start + digits_at(bytes, start);
        at = end;
        if let Some((noun, cap, after)) = cap_at(text, start, end, properties) {
            found.push((noun, cap));
            at = after;
        }
    }
    found
}

/// The next digit at or after `from` that begins a word.
fn next_number(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(u8::is_ascii_digit)?;
        let before = at.checked_sub(1).and_then(|index| bytes.get(index));
        let inside = before.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'));
        if !inside {
            return Some(at);
        }
        at += digits_at(bytes, at);
    }
}

fn digits_at(bytes: &[u8], from: usize) -> usize {
    bytes.get(from..).unwrap_or(&[]).iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn cap_at<'p>(
    text: &str,
    start: usize,
    end: usize,
    properties: &[&'p str],
) -> Option<(Option<&'p str>, Cap, usize)> {
    let first: u32 = text.get(start..end)?.parse().ok()?;
    let (last, end) = range_end(text, end).map_or((None, end), |(last, end)| (Some(last), end));
    let before = text.get(..start)?;
    let lead = lead_before(before);
    let high = last.unwrap_or(first);
    if high == 0 || high > LARGEST_CAP || first > high {
        return None;
    }
    let after = text.get(end..)?;
    // "5%", "3.5", "10k", "8/10", "12:30" are no counts; "top 5." is.
    let mut following = after.chars();
    let joined = match following.next() {
        Some('%') => true,
        Some('.' | ':' | '/' | ',') => following.next().is_some_and(char::is_alphanumeric),
        Some(next) => next.is_alphanumeric() || next == '_',
        None => false,
    };
    if joined {
        return None;
    }
    let noun = match noun_after(after, properties) {
        Noun::Property(property) => Some(property),
        Noun::Size => return None,
        Noun::None => None,
    };
    let cap = match (lead, last) {
        (_, Some(last)) => Cap { low: first, high: last, exact: false },
        (Some(exact), None) => Cap { low: if exact { first } else { 0 }, high: first, exact },
        // "find 5 angles": a bare count only counts with its noun and a verb that asks for it.
        (None, None) if noun.is_some() && first > 1 && after.starts_with(' ') && asked(before) => {
            Cap { low: first, high: first, exact: true }
        }
        (None, None) => return None,
    };
    // "1-3" alone may be a page, a step or a score.
    if lead.is_none() && noun.is_none() {
        return None;
    }
    Some((noun, cap, end))
}

/// Whether one of the last words before a number asks for something to be made.
fn asked(before: &str) -> bool {
    const VERBS: [&str; 26] = [
        "find",
        "return",
        "propose",
        "list",
        "produce",
        "generate",
        "give",
        "report",
        "identify",
        "pick",
        "choose",
        "write",
        "create",
        "draft",
        "suggest",
        "design",
        "name",
        "provide",
        "extract",
        "select",
        "brainstorm",
        "into",
        "output",
        "plan",
        "formulate",
        "emit",
    ];
    let sentence = before.rsplit(['.', ';', '\n', ':']).next().unwrap_or("");
    let words = sentence.rsplit(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(3).any(|word| VERBS.iter().any(|verb| verb.eq_ignore_ascii_case(word)))
}

/// The end of a range: "3-5", "3–5", "3 to 5".
fn range_end(text: &str, end: usize) -> Option<(u32, usize)> {
    let rest = text.get(end..)?;
    let separators = ["-", "–", "—", " to ", " - ", " or ", ".."];
    let separator = separators.iter().find(|separator| rest.starts_with(**separator))?;
    let from = end + separator.len();
    let to = from + digits_at(text.as_bytes(), from);
    Some((text.get(from..to)?.parse().ok()?, to))
}

/// Whether the words right before a number make it a cap, and an exact one.
fn lead_before(before: &str) -> Option<bool> {
    let tail = before.get(floor_boundary(before, before.len().saturating_sub(24))..)?;
    let tail = tail.trim_end_matches([' ', '*', '(', ':', '=', '~']).to_lowercase();
    let lead = LEADS.iter().find(|(lead, _)| tail.ends_with(lead))?;
    let start = tail.len() - lead.0.len();
    let whole = tail.get(..start)?.chars().next_back().is_none_or(|c| !c.is_alphanumeric());
    whole.then_some(lead.1)
}

enum Noun<'p> {
    Property(&'p str),
    /// Something that is not a list item: words, lines, seconds.
    Size,
    None,
}

/// What is counted: the first known noun within reach.
fn noun_after<'p>(after: &str, properties: &[&'p str]) -> Noun<'p> {
    const SIZES: [&str; 22] = [
        "word",
        "words",
        "char",
        "chars",
        "character",
        "characters",
        "line",
        "lines",
        "token",
        "tokens",
        "second",
        "seconds",
        "minute",
        "minutes",
        "hour",
        "hours",
        "sentence",
        "sentences",
        "paragraph",
        "paragraphs",
        "times",
        "percent",
    ];
    let sentence = after.split(['.', ';', '\n', '`']).next().unwrap_or("");
    let words = sentence
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(NOUN_REACH);
    for word in words {
        if let Some(property) = properties.iter().find(|property| names(property, word)) {
            return Noun::Property(property);
        }
        if SIZES.iter().any(|size| size.eq_ignore_ascii_case(word)) {
            return Noun::Size;
        }
    }
    Noun::None
}

/// Whether `word` names `property`: the same stem as the whole or its last part.
fn names(property: &str, word: &str) -> bool {
    let cut = property.rfind(|c: char| c.is_uppercase() || c == '_').unwrap_or(0);
    let last = property.get(cut..).unwrap_or(property).trim_start_matches('_');
    let stem = |text: &str| {
        let text = text.to_lowercase();
        let text = text.strip_suffix("ies").map_or(text.clone(), |head| format!("{head}y"));
        text.trim_end_matches('s').to_owned()
    };
    let word = stem(word);
    word.len() > 1 && (word == stem(property) || word == stem(last))
}
