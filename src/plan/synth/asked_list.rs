//! Prompts that want a text to be a list: "one per line", "comma-separated", "List the modules".
//! Owns how such requests are recognised, what the list is called, and how its items are joined.

use serde_json::{Value, json};

use super::filler::write_words;
use super::word_tables::WordTables;

/// A list as a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AskedList {
    /// What its items are, as `--assume` takes it.
    pub(super) name: String,
    separated: Separated,
    /// Whether the items are all there is, rather than something said of each.
    alone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Separated {
    /// Each on a line.
    Lines,
    /// By commas.
    Commas,
    /// Each on a line, behind a dash.
    Points,
}

/// Words by which a prompt asks for a form, in small letters.
const FORMS: [(&str, Separated); 20] = [
    ("per line", Separated::Lines),
    ("on its own line", Separated::Lines),
    ("on their own line", Separated::Lines),
    ("on a separate line", Separated::Lines),
    ("on separate lines", Separated::Lines),
    ("on a new line", Separated::Lines),
    ("on each line", Separated::Lines),
    ("newline-separated", Separated::Lines),
    ("newline separated", Separated::Lines),
    ("line-separated", Separated::Lines),
    ("comma-separated", Separated::Commas),
    ("comma separated", Separated::Commas),
    ("comma-delimited", Separated::Commas),
    ("separated by commas", Separated::Commas),
    ("bullet list", Separated::Points),
    ("bulleted list", Separated::Points),
    ("bullet points", Separated::Points),
    ("bulleted", Separated::Points),
    ("numbered list", Separated::Points),
    ("as bullets", Separated::Points),
];
/// What follows "list" where it asks for one.
const LISTED: [&str; 8] = ["the", "all", "every", "each", "any", "its", "their", "up"];
/// What stands before "list" where it is no verb.
const ARTICLES: [&str; 9] = ["a", "an", "the", "this", "that", "your", "each", "from", "of"];
/// How far after the verb, and before the form, the noun may stand, in words.
const NOUN_REACH: usize = 5;
/// What a list is called of whose items no table knows the name.
const NAMELESS: &str = "items";
/// By these a prompt wants the items alone.
const ALONE: [&str; 7] =
    ["nothing else", "only", "just ", "no other", "no explanation", "no commentary", "no prose"];
/// "one path per line" asks for lines, "80 characters per line" does not.
const PER_LINE: &str = "per line";
const ONES: [&str; 3] = ["one", "1", "each"];
/// How much of a prompt is read, bytes at its start and at its end.
const HEAD_BYTES: usize = 8 << 10;
const TAIL_BYTES: usize = 4 << 10;

/// The list that a prompt wants; `None` where it wants none.
pub(super) fn asked_list(prompt: &str, tables: &WordTables) -> Option<AskedList> {
    let text = ends_of(prompt).to_ascii_lowercase();
    let form = FORMS.iter().find_map(|(words, form)| Some((asked_at(&text, words)?, words, *form)));
    let verb = listing_verb(&text);
    let separated = match (form, verb) {
        (Some((_, _, form)), _) => form,
        (None, Some(_)) => Separated::Points,
        (None, None) => return None,
    };
    let after_verb = verb.and_then(|at| noun_in(text.get(at..)?, tables));
    let beside = || form.and_then(|(at, words, _)| noun_beside(&text, at, words, tables));
    let name = after_verb.or_else(beside).unwrap_or_else(|| NAMELESS.to_owned());
    let alone = separated != Separated::Points && ALONE.iter().any(|words| text.contains(words));
    Some(AskedList { name, separated, alone })
}

/// The beginning and the end of a long prompt: what stands between is what it quotes.
fn ends_of(prompt: &str) -> String {
    if prompt.len() <= HEAD_BYTES + TAIL_BYTES {
        return prompt.to_owned();
    }
    let head = prompt.get(..prompt.floor_char_boundary(HEAD_BYTES)).unwrap_or("");
    let tail = prompt.get(prompt.ceil_char_boundary(prompt.len() - TAIL_BYTES)..).unwrap_or("");
    format!("{head}\n{tail}")
}

/// Where the words stand that ask for a form.
fn asked_at(text: &str, words: &str) -> Option<usize> {
    let one = |at: usize| {
        let before = text.get(..at).unwrap_or("");
        let near = before.rsplit(|c: char| !c.is_alphanumeric());
        near.filter(|word| !word.is_empty()).take(NOUN_REACH).any(|word| ONES.contains(&word))
    };
    text.match_indices(words).map(|(at, _)| at).find(|at| words != PER_LINE || one(*at))
}

/// Behind the first "list the …" that asks for something.
fn listing_verb(lower: &str) -> Option<usize> {
    lower.match_indices("list ").find_map(|(at, verb)| {
        let before = lower.get(..at)?;
        let whole = before.chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '-');
        let word = before.split_whitespace().next_back().unwrap_or("");
        let rest = lower.get(at + verb.len()..)?;
        let next = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
        let asks = LISTED.contains(&next) || next.starts_with(|c: char| c.is_ascii_digit());
        (whole && asks && !ARTICLES.contains(&word)).then_some(at + verb.len())
    })
}

/// The first word within reach that names a list.
fn noun_in(text: &str, tables: &WordTables) -> Option<String> {
    let sentence = text.split(['.', ';', ':', '\n', ',']).next().unwrap_or("");
    let words = sentence.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(NOUN_REACH).find(|word| names_list(word, tables)).map(str::to_owned)
}

/// What stands beside the words that ask for a form: "one module per line", "comma-separated ids".
fn noun_beside(text: &str, at: usize, words: &str, tables: &WordTables) -> Option<String> {
    let before = text.get(..at)?.rsplit(['.', ';', ':', '\n']).next().unwrap_or("");
    let near = before.rsplit(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let before = near.take(NOUN_REACH).find_map(|word| {
        let plural = format!("{word}s");
        [word.to_owned(), plural].into_iter().find(|word| names_list(word, tables))
    });
    before.or_else(|| noun_in(text.get(at + words.len()..)?, tables))
}

/// Whether a word, in the plural, is one that a table lists.
fn names_list(word: &str, tables: &WordTables) -> bool {
    word.len() > 3 && word.ends_with('s') && tables.list(word).is_some()
}

impl AskedList {
    /// The schema that its items are drawn by.
    pub(super) fn schema(&self) -> String {
        let items = json!({ "type": "array", "minItems": 1, "items": { "type": "string" } });
        json!({
            "type": "object",
            "required": [self.name],
            "properties": { self.name.as_str(): items }
        })
        .to_string()
    }

    /// The text of a drawn list, `tokens` long unless it wants the items alone; `None` where
    /// nothing was drawn.
    pub(super) fn written(&self, drawn: &Value, tokens: usize, identity: u64) -> Option<String> {
        let items = drawn.get(&self.name)?.as_array()?;
        let (between, head) = match self.separated {
            Separated::Lines => ("\n", ""),
            Separated::Commas => (", ", ""),
            Separated::Points => ("\n", "- "),
        };
        let mut text = String::new();
        for (position, item) in items.iter().filter_map(Value::as_str).enumerate() {
            text.push_str(if position > 0 { between } else { "" });
            text.push_str(head);
            text.push_str(item);
            // Words of about a token each; a marker is several.
            let own = item.len() / 4 + 2;
            let more = (tokens / items.len().max(1)).saturating_sub(own);
            if more > 0 && !self.alone {
                text.push(' ');
                write_words(&mut text, more, identity.wrapping_add(position as u64));
            }
        }
        Some(text)
    }
}
