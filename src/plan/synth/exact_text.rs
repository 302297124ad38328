//! "Reply with exactly: DONE": texts that a prompt gives word by word. Owns how such requests are
//! told from those that only describe a text ("reply with only the number").

/// Prompts are read no further than this, bytes.
const BYTES_MAX: usize = 64 << 10;
/// A longer text is not given word by word.
const TEXT_BYTES_MAX: usize = 200;
/// Words between the verb and "exactly" or "only".
const REACH: usize = 4;
const VERBS: [&str; 7] = ["reply", "respond", "answer", "return", "output", "say", "print"];
/// With these in its sentence, a request holds only at times, or leaves a choice.
const CONDITIONS: [&str; 7] = ["if", "unless", "otherwise", "else", "or", "when", "either"];
/// "exactly the following text: …".
const FILLERS: [&str; 13] = [
    "with",
    "the",
    "this",
    "one",
    "single",
    "following",
    "word",
    "words",
    "text",
    "string",
    "line",
    "phrase",
    "token",
];

/// The text that a prompt wants, word by word; `None` where it leaves anything open.
pub(super) fn exact_text(prompt: &str) -> Option<&str> {
    let prompt = prompt.get(..prompt.floor_char_boundary(BYTES_MAX))?;
    ["exactly", "EXACTLY", "Exactly", "only", "ONLY", "Only"].iter().find_map(|word| {
        let places = prompt.match_indices(word).map(|(at, _)| at);
        places
            .filter(|at| is_asked(prompt, *at))
            .find_map(|at| given(prompt.get(at + word.len()..)?))
    })
}

/// Whether a verb that asks for an answer stands shortly before, without a condition.
fn is_asked(prompt: &str, at: usize) -> bool {
    let before = prompt.get(..at).unwrap_or("");
    let sentence = before.rsplit(['.', ';', '\n', '!', '?']).next().unwrap_or("");
    let mut words = words_of(sentence);
    let conditional = words.iter().any(|word| CONDITIONS.contains(&word.as_str()));
    words.reverse();
    !conditional && words.iter().take(REACH).any(|word| VERBS.contains(&word.as_str()))
}

fn words_of(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// What a description begins with, as a text seldom does.
const DESCRIBES: [&str; 8] = ["a", "an", "the", "your", "each", "all", "any", "its"];
/// Words of a text without quotes.
const WORDS_MAX: usize = 12;

/// The text behind "exactly": in quotes, behind a colon, or one word in capitals.
fn given(after: &str) -> Option<&str> {
    let mut rest = after;
    loop {
        rest = rest.trim_start_matches([' ', '\n', '*']);
        let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let word = rest.get(..end)?;
        if !FILLERS.contains(&word.to_lowercase().as_str()) {
            break;
        }
        rest = rest.get(end..)?;
    }
    let behind_colon = rest.strip_prefix(':').map(str::trim_start);
    let rest = behind_colon.unwrap_or(rest);
    let line = rest.lines().next().unwrap_or("").trim_end();
    let colon = behind_colon.is_some();
    let (text, tail) = quoted(line).or_else(|| if colon { bare(line) } else { capitals(line) })?;
    let open = words_of(tail).iter().any(|word| CONDITIONS.contains(&word.as_str()));
    let text = text.trim();
    (!open && !leaves_open(text) && text.len() <= TEXT_BYTES_MAX).then_some(text)
}

/// A text in quotes, and what its line says behind it.
fn quoted(line: &str) -> Option<(&str, &str)> {
    let quote = line.chars().next().filter(|c| matches!(c, '"' | '\'' | '`' | '\u{201c}'))?;
    let close = if quote == '\u{201c}' { '\u{201d}' } else { quote };
    line.get(quote.len_utf8()..)?.split_once(close)
}

/// The first sentence of a line, unless it describes what is wanted.
fn bare(line: &str) -> Option<(&str, &str)> {
    let (text, tail) = line.split_once(". ").unwrap_or((line, ""));
    let first = text.split_whitespace().next()?;
    let literal = !DESCRIBES.contains(&first) && text.split_whitespace().count() <= WORDS_MAX;
    literal.then(|| (text.trim_end_matches('.'), tail))
}

fn capitals(line: &str) -> Option<(&str, &str)> {
    let inside = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let end = line.find(|c| !inside(c)).unwrap_or(line.len());
    let (word, tail) = line.split_at_checked(end)?;
    // "exactly ONE sentence", "exactly 3 items".
    let ends = tail.trim_start().is_empty() || tail.starts_with(['.', ',', ';', '!']);
    (ends && word.len() > 1 && word.contains(|c: char| c.is_ascii_uppercase()))
        .then_some((word, tail))
}

/// Whether a text is a pattern or a choice.
fn leaves_open(text: &str) -> bool {
    let choice = text.contains(['<', '>', '|', '\u{2026}']) || text.contains("...");
    let shape = text.starts_with(['{', '[', '(', '-', '*', '#']);
    let or = text.split_whitespace().any(|word| matches!(word, "or" | "if" | "when" | "otherwise"));
    text.is_empty() || choice || shape || or
}
