//! Caps that authors write into prompts: `up to 6 findings`, `3-5 angles`, `questions (max 4)`.

/// A number with its noun, found at a byte offset of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cap {
    pub(super) min: Option<u64>,
    pub(super) max: u64,
    pub(super) noun: String,
    pub(super) offset: usize,
    pub(super) phrase: String,
}

/// Words before a number that make it a cap.
const CUES: &[&str] = &[
    "up to",
    "at most",
    "no more than",
    "not more than",
    "max",
    "maximum",
    "maximum of",
    "max of",
    "limit to",
    "limited to",
    "cap at",
    "capped at",
    "top",
    "the top",
    "≤",
    "<=",
    "fewer than",
    "limit of",
    "cap of",
];

/// Words before a number that make it exact.
const EXACT: &[&str] = &[
    "exactly", "return", "list", "pick", "select", "choose", "generate", "produce", "propose",
    "identify", "find", "give", "suggest", "write", "create", "name", "into",
];

/// What is measured rather than counted out to agents.
const MEASURES: &[&str] = &[
    "words",
    "word",
    "sentences",
    "sentence",
    "lines",
    "line",
    "characters",
    "chars",
    "tokens",
    "paragraphs",
    "paragraph",
    "minutes",
    "seconds",
    "hours",
    "days",
    "times",
    "bytes",
    "pages",
    "percent",
    "points",
    "is",
    "was",
    "has",
    "its",
    "this",
    "as",
    "us",
    "less",
    "across",
    "does",
    "plus",
    "versus",
    "thus",
    "always",
    "ms",
    "kb",
    "mb",
    "items",
];

/// The caps of `text`, in order.
pub(super) fn caps(text: &str) -> Vec<Cap> {
    let words = words(text);
    let mut found = Vec::new();
    for position in 0..words.len() {
        if let Some(cap) = cap_at(text, &words, position) {
            found.push(cap);
        }
    }
    found
}

#[derive(Clone, Copy)]
struct Word<'t> {
    text: &'t str,
    offset: usize,
    /// Whether a sentence, list or bracket ends right after it.
    ends: bool,
}

impl Word<'_> {
    fn end(&self) -> usize {
        self.offset + self.text.len()
    }
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start = None;
    for (offset, character) in text.char_indices().chain([(text.len(), ' ')]) {
        let in_word = character.is_alphanumeric()
            || matches!(character, '_' | '-' | '–' | '≤' | '<' | '=' | '\'' | '%');
        match (in_word, start) {
            (true, None) => start = Some(offset),
            (false, Some(from)) => {
                let ends = matches!(character, '.' | ';' | ':' | ',' | ')' | '(' | '\n' | '"');
                let text = text.get(from..offset).unwrap_or("");
                words.push(Word { text, offset: from, ends });
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn cap_at(text: &str, words: &[Word<'_>], position: usize) -> Option<Cap> {
    let word = words.get(position)?;
    let (mut min, mut max, mut last) = match range(word.text) {
        Some((low, high)) => (Some(low), high, position),
        None => (None, number(word.text)?, position),
    };
    let joiner = words.get(position + 1).map_or("", |next| next.text);
    if min.is_none()
        && matches!(joiner, "to" | "or" | "and")
        && let Some(high) = words.get(position + 2).and_then(|next| number(next.text))
        && high > max
        && !word.ends
    {
        (min, max, last) = (Some(max), high, position + 2);
    }
    // The second number of `3 to 5` was read with the first.
    if position >= 2
        && matches!(words.get(position - 1)?.text, "to" | "or" | "and")
        && number(words.get(position - 2)?.text).is_some_and(|low| low < max)
    {
        return None;
    }
    let before = cue_before(words, position);
    let (first, exact) = match before {
        Some((first, exact)) => (first, exact),
        None if min.is_some() => (position, false),
        None => return None,
    };
    if exact {
        min = min.or(Some(max));
    }
    let (noun, from, to) = noun_after(words, last)
        .map(|(noun, at)| (noun, first, at))
        .or_else(|| noun_before(words, first).map(|(noun, at)| (noun, at, last)))?;
    let from_offset = words.get(from)?.offset;
    let phrase = text.get(from_offset..words.get(to)?.end())?.to_owned();
    (max > 0).then_some(Cap { min, max, noun, offset: from_offset, phrase })
}

/// The noun within four words after a number: the first plural.
fn noun_after(words: &[Word<'_>], number_at: usize) -> Option<(String, usize)> {
    if words.get(number_at)?.ends {
        return None;
    }
    for at in number_at + 1..number_at + 5 {
        let word = words.get(at)?;
        let lower = word.text.to_lowercase();
        let plural = lower.ends_with('s') && !lower.ends_with("ss") && lower.len() > 2;
        if MEASURES.contains(&lower.as_str()) && lower != "items" {
            return None;
        }
        if plural {
            return Some((lower, at));
        }
        if word.ends || number(word.text).is_some() {
            return None;
        }
    }
    None
}

/// The noun right before a cue in brackets: `findings (max 6)`.
fn noun_before(words: &[Word<'_>], cue_at: usize) -> Option<(String, usize)> {
    let at = cue_at.checked_sub(1)?;
    let word = words.get(at)?;
    let lower = word.text.to_lowercase();
    let plural = lower.ends_with('s') && !lower.ends_with("ss") && lower.len() > 2;
    (plural && !MEASURES.contains(&lower.as_str())).then_some((lower, at))
}

/// The longest cue that ends right before `position`: where it begins, whether it is exact.
fn cue_before(words: &[Word<'_>], position: usize) -> Option<(usize, bool)> {
    for length in (1..=3_usize).rev() {
        let Some(first) = position.checked_sub(length) else { continue };
        let Some(group) = words.get(first..position) else { continue };
        let inner_end = group.iter().any(|word| word.ends && word.text.to_lowercase() != "max");
        if inner_end {
            continue;
        }
        let joined: Vec<String> = group.iter().map(|word| word.text.to_lowercase()).collect();
        let joined = joined.join(" ");
        if CUES.contains(&joined.as_str()) {
            return Some((first, false));
        }
        if EXACT.contains(&joined.as_str()) || joined.strip_suffix(" the").is_some_and(is_exact) {
            return Some((first, true));
        }
    }
    None
}

fn is_exact(word: &str) -> bool {
    EXACT.contains(&word)
}

/// `3-6` and `3–6`.
fn range(word: &str) -> Option<(u64, u64)> {
    let (low, high) = word.split_once(['-', '–'])?;
    let (low, high) = (number(low)?, number(high)?);
    (low < high).then_some((low, high))
}

fn number(word: &str) -> Option<u64> {
    const SPELLED: [&str; 13] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    if word.len() <= 4 && word.chars().all(|character| character.is_ascii_digit()) {
        return word.parse().ok();
    }
    let lower = word.to_lowercase();
    SPELLED.iter().position(|spelled| *spelled == lower).map(|position| position as u64)
}
