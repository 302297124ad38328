//! Changes of a script's text by spans. All that no edit names stays, byte for byte.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::Place;

/// A span of a text and what stands there afterwards. An insertion where it is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanEdit {
    /// Byte offset of its start.
    pub start: u32,
    /// Byte offset of its end.
    pub end: u32,
    /// What stands there afterwards.
    pub now: String,
}

impl SpanEdit {
    pub(super) const fn insert(at: u32, now: String) -> Self {
        Self { start: at, end: at, now }
    }
}

/// A text after edits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The whole of it.
    pub text: String,
    /// What was changed, in the order of the text.
    pub edits: Vec<TextEdit>,
}

/// An edit that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TextEdit {
    /// Where, in the text as it was.
    pub place: Place,
    /// What stood there.
    pub was: String,
    /// What stands there now.
    pub now: String,
}

/// Edits that do not belong to a text: they overlap, or lie outside it or within a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the edits are of another text: byte {at} cannot be edited")]
pub struct ForeignEdit {
    /// Where the first such edit begins, bytes.
    pub at: u32,
}

impl Rewritten {
    /// Makes `edits` in `text`, in any order.
    ///
    /// # Errors
    /// [`ForeignEdit`]; then nothing is made.
    pub fn make(text: &str, mut edits: Vec<SpanEdit>) -> Result<Self, ForeignEdit> {
        edits.sort_by_key(|edit| (edit.start, edit.end));
        let mut rewritten = Self { text: String::with_capacity(text.len() + 64), edits: vec![] };
        let mut done = 0;
        for SpanEdit { start, end, now } in edits {
            let foreign = ForeignEdit { at: start };
            let (from, to) = (start as usize, end as usize);
            let kept = text.get(done..from).ok_or(foreign)?;
            let was = text.get(from..to).ok_or(foreign)?.to_owned();
            rewritten.text.push_str(kept);
            rewritten.text.push_str(&now);
            done = to;
            rewritten.edits.push(TextEdit { place: Place::at(text, from, to - from), was, now });
        }
        let rest = text.get(done..).unwrap_or("");
        rewritten.text.push_str(rest);
        Ok(rewritten)
    }
}

/// `text` as a JavaScript literal.
pub(super) fn quoted(text: &str, quote: char) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push(quote);
    for character in text.chars() {
        match character {
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\\' | '$' if character == '\\' || quote == '`' => {
                literal.push('\\');
                literal.push(character);
            }
            same if same == quote => {
                literal.push('\\');
                literal.push(same);
            }
            other => literal.push(other),
        }
    }
    literal.push(quote);
    literal
}
