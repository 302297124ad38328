//! What a prompt without a schema asks its text to be: JSON of a shape that it shows, or a word
//! such as PASS or FAIL, or a text given word by word, or a list. Owns the reading of such prompts into a schema; draws nothing.

use memchr::memchr2_iter;
use serde_json::{Map, Value, json};

use super::asked_list::{AskedList, asked_list};
use super::exact_text::exact_text;
use super::word_tables::WordTables;

/// What a text result has to hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum AskedText {
    /// The whole text is JSON that this schema describes, under [`WRAP`].
    Json(String),
    /// The text ends with one of the words, drawn by this schema under [`WRAP`], after this lead.
    Word { schema: String, lead: String },
    /// The whole text is this one.
    Exact(String),
    /// The text is a list.
    List(AskedList),
}

/// The property that holds what is asked for: schemas have objects at their root.
pub(super) const WRAP: &str = "answer";

/// Prompts are read no further than this, bytes.
const BYTES_MAX: usize = 64 << 10;
const VERBS: [&str; 9] =
    ["return", "respond", "reply", "output", "emit", "print", "answer", "produce", "format"];
/// Letters around "JSON" that are looked at for a request.
const NEAR: usize = 60;
const DEPTH_MAX: u32 = 12;
/// Longer than this it is data, not a sketch of an answer.
const SHAPE_BYTES_MAX: usize = 4 << 10;

/// What the prompt asks for; `None` where any text will do.
pub(super) fn asked_text(prompt: &str, tables: &WordTables) -> Option<AskedText> {
    let mut end = prompt.len().min(BYTES_MAX);
    while !prompt.is_char_boundary(end) {
        end -= 1;
    }
    let prompt = prompt.get(..end)?;
    if let Some(at) = asks_for_json(prompt) {
        let after = prompt.get(at..).and_then(shape_in);
        let shape = after.or_else(|| shape_in(prompt));
        let shape = shape.filter(|shape| shape.to_string().len() < SHAPE_BYTES_MAX);
        let shape = shape.unwrap_or_else(
            || json!({ "type": "object", "properties": { "summary": { "type": "string" } } }),
        );
        return Some(AskedText::Json(wrapped(&shape)));
    }
    words_asked(prompt, tables)
        .or_else(|| exact_text(prompt).map(|text| AskedText::Exact(text.to_owned())))
        .or_else(|| asked_list(prompt, tables).map(AskedText::List))
}

fn wrapped(schema: &Value) -> String {
    json!({ "type": "object", "properties": { WRAP: schema }, "required": [WRAP] }).to_string()
}

/// Where a prompt asks for JSON: the word with a verb before it, or "only" behind it.
fn asks_for_json(prompt: &str) -> Option<usize> {
    let asked = |at: &usize| {
        let (before, behind) =
            (prompt.get(..*at).unwrap_or(""), prompt.get(at + 4..).unwrap_or(""));
        let near = before.char_indices().rev().take(NEAR).last().map_or(0, |(start, _)| start);
        let before = before.get(near..).unwrap_or("").to_ascii_lowercase();
        let sentence = before.rsplit(['.', ';', '\n']).next().unwrap_or("");
        let behind: String = behind.chars().take(NEAR / 2).collect();
        let behind = behind.trim_start().to_ascii_lowercase();
        let words = || sentence.split(|c: char| !c.is_alphanumeric());
        words().any(|word| VERBS.contains(&word) || word == "only")
            || behind.starts_with("only")
            || behind.starts_with("のみ")
    };
    let bytes = prompt.as_bytes();
    let is_json =
        |at: &usize| bytes.get(*at..at + 4).is_some_and(|word| word.eq_ignore_ascii_case(b"json"));
    // Prompts quote whole results: a byte that is rare in text finds the few places to look at.
    memchr2_iter(b'j', b'J', bytes).filter(is_json).find(asked)
}

/// The schema of the first example of JSON in a text.
fn shape_in(text: &str) -> Option<Value> {
    text.match_indices(['{', '[']).take(64).find_map(|(at, _)| {
        let mut reader = Reader { rest: text.get(at..)?, depth: 0 };
        reader.value().filter(|shape| shape.get("properties").is_some() || of_objects(shape))
    })
}

fn of_objects(shape: &Value) -> bool {
    shape.pointer("/items/properties").is_some() || shape.pointer("/items/type").is_some()
}

/// Reads JSON as people sketch it: bare keys, alternatives, placeholders, dots.
struct Reader<'a> {
    rest: &'a str,
    depth: u32,
}

impl Reader<'_> {
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let comment = self.rest.strip_prefix("//").and_then(|rest| rest.find('\n'));
            match comment {
                Some(end) => self.rest = self.rest.get(end + 2..).unwrap_or(""),
                None => return,
            }
        }
    }

    fn eat(&mut self, what: &str) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(what);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A value's schema; `None` where this is no JSON.
    fn value(&mut self) -> Option<Value> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let value = if self.eat("{") {
            self.object()
        } else if self.eat("[") {
            self.array()
        } else {
            self.scalars()
        };
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Option<Value> {
        let mut properties = Map::new();
        loop {
            if self.eat("}") {
                break;
            }
            if self.eat(",") || self.eat("...") || self.eat("…") {
                continue;
            }
            let key = self.quoted().or_else(|| self.bare())?;
            let key = key.trim_end_matches('?').to_owned();
            if !self.eat(":") {
                self.eat("?").then_some(())?;
                self.eat(":").then_some(())?;
            }
            let value = self.value()?;
            properties.insert(key, value);
        }
        let required: Vec<&String> = properties.keys().collect();
        (!properties.is_empty())
            .then(|| json!({ "type": "object", "required": required, "properties": properties }))
    }

    fn array(&mut self) -> Option<Value> {
        let mut item: Option<Value> = None;
        loop {
            if self.eat("]") {
                break;
            }
            if self.eat(",") || self.eat("...") || self.eat("…") {
                continue;
            }
            let value = self.value()?;
            item.get_or_insert(value);
        }
        Some(
            json!({ "type": "array", "items": item.unwrap_or_else(|| json!({ "type": "string" })) }),
        )
    }

    /// One scalar, or several with bars between.
    fn scalars(&mut self) -> Option<Value> {
        let mut words: Vec<Value> = Vec::new();
        loop {
            self.skip();
            let scalar = if self.rest.starts_with(['"', '\'']) {
                Value::String(self.quoted()?)
            } else if self.eat("<") {
                let end = self.rest.find('>').filter(|end| *end < 300)?;
                let text = self.rest.get(..end)?.to_owned();
                self.rest = self.rest.get(end + 1..)?;
                json!({ "hint": text })
            } else {
                let word = self.bare()?;
                serde_json::from_str(&word).unwrap_or_else(|_| json!({ "hint": word }))
            };
            words.push(scalar);
            if !self.eat("|") {
                break;
            }
        }
        // "string[]" and the like.
        if self.eat("[]") {
            return Some(json!({ "type": "array", "items": { "type": "string" } }));
        }
        Some(schema_of(&words))
    }

    fn quoted(&mut self) -> Option<String> {
        self.skip();
        let quote = self.rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.rest = self.rest.get(at + 1..)?;
                return Some(text);
            }
            text.push(if c == '\\' { chars.next()?.1 } else { c });
            if text.len() > 600 {
                return None;
            }
        }
        None
    }

    fn bare(&mut self) -> Option<String> {
        self.skip();
        let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '?' | '$');
        let end = self.rest.find(|c| !inside(c)).unwrap_or(self.rest.len());
        let word = self.rest.get(..end).filter(|word| !word.is_empty())?;
        self.rest = self.rest.get(end..)?;
        Some(word.to_owned())
    }
}

/// The schema that examples of a scalar stand for.
fn schema_of(words: &[Value]) -> Value {
    let hint = |value: &Value| value.get("hint").and_then(Value::as_str).map(str::to_owned);
    let named = |value: &Value| hint(value).or_else(|| value.as_str().map(str::to_owned));
    match words {
        [Value::Bool(_), ..] => json!({ "type": "boolean" }),
        [Value::Number(number)] if number.is_f64() => json!({ "type": "number" }),
        [Value::Number(_)] => json!({ "type": "integer" }),
        [Value::String(text)] => {
            let alternatives: Vec<&str> = text.split(['|', '/']).map(str::trim).collect();
            let words = |word: &&str| {
                !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "_-".contains(c))
            };
            if alternatives.len() > 1 && text.contains('|') && alternatives.iter().all(words) {
                json!({ "enum": alternatives })
            } else {
                json!({ "type": "string", "description": text })
            }
        }
        [only] => {
            let text = hint(only).unwrap_or_default();
            let kind = match text.to_ascii_lowercase() {
                text if text.contains("bool") => "boolean",
                text if ["int", "n", "count", "integer", "line"].contains(&text.as_str()) => {
                    "integer"
                }
                text if text.contains("number") || text.contains("0-1") => "number",
                _ => "string",
            };
            json!({ "type": kind, "description": text })
        }
        several => {
            let several: Vec<String> =
                several.iter().filter_map(named).filter(|word| word != "null").collect();
            match several.as_slice() {
                [kind] if ["string", "number", "boolean", "integer"].contains(&kind.as_str()) => {
                    json!({ "type": kind })
                }
                _ => json!({ "enum": several }),
            }
        }
    }
}

/// Capital words among which the prompt asks for one: at least one good and one bad, with "or",
/// a bar or a slash between.
fn words_asked(prompt: &str, tables: &WordTables) -> Option<AskedText> {
    let mut found: Vec<(usize, usize, &str)> = Vec::new();
    for (start, word) in capital_words(prompt) {
        let end = start + word.len();
        if tables.word(word).rank == 0.0 {
            continue;
        }
        let joined = found.last().is_some_and(|(_, before, _)| {
            let between = prompt.get(*before..start).unwrap_or("").to_ascii_lowercase();
            // The lead may be repeated: "VERDICT: PASS or VERDICT: FAIL".
            between.len() < 40
                && (between.contains(['|', '/', ','])
                    || between.split_whitespace().any(|w| w == "or"))
        });
        if !joined {
            found.clear();
        }
        found.push((start, end, word));
        let signs =
            |sign: f64| found.iter().any(|(_, _, word)| tables.word(word).rank * sign > 0.0);
        if found.len() > 1 && signs(1.0) && signs(-1.0) {
            let (first, _, _) = found.first().copied()?;
            let mut words: Vec<&str> = found.iter().map(|(_, _, word)| *word).collect();
            words.dedup();
            let schema = wrapped(&json!({ "enum": words }));
            return Some(AskedText::Word { schema, lead: lead_before(prompt, first) });
        }
    }
    None
}

/// Words of two or more capitals, with where they begin.
fn capital_words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.as_bytes().get(from..)?;
            let start = from + first_capital(rest)?;
            let inside = |byte: &&u8| is_capital(**byte);
            let length = text.as_bytes().get(start..)?.iter().take_while(inside).count();
            from = start + length;
            if length > 1 {
                return Some((start, text.get(start..from)?));
            }
        }
    })
}

const fn is_capital(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte == b'_'
}

/// Where the first capital is. Blocks first, which the compiler turns into a few instructions each:
/// most of a long prompt has none.
fn first_capital(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 64;
    let has_one = |block: &[u8]| block.iter().fold(false, |found, byte| found | is_capital(*byte));
    let block = bytes.chunks(BLOCK).position(has_one)? * BLOCK;
    let within = bytes.get(block..)?.iter().position(|byte| is_capital(*byte))?;
    Some(block + within)
}

/// "VERDICT: " before the first word, as it is to be written.
fn lead_before(prompt: &str, at: usize) -> String {
    let line = prompt.get(..at).unwrap_or("").rsplit('\n').next().unwrap_or("");
    let line = line.trim_end_matches(['"', '\'', '`', '*', '(', '<', '[', '{', ' ']);
    let Some(lead) = line.strip_suffix(':') else { return String::new() };
    let inside = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let start = lead.trim_end_matches(inside).len();
    lead.get(start..).filter(|lead| !lead.is_empty()).map_or(String::new(), |l| format!("{l}: "))
}
