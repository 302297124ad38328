//! What we tell people about their files. Owns the value; rendering is the report's.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably not what the author meant.
    Warning,
    /// Nothing can be done with this input.
    Error,
}

/// A place in a source text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The file, where it is not the one that the message is about: a child workflow's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<str>>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Byte offset from the start of the text.
    pub offset: u32,
    /// Length in bytes; 0 for a point.
    pub length: u32,
}

impl Place {
    /// The place of `length` bytes at byte `offset` of `text`. An offset past the end or inside a
    /// character is moved down to the nearest boundary.
    pub fn at(text: &str, offset: usize, length: usize) -> Self {
        let mut start = offset.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = text.get(..start).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            file: None,
            line: narrow(before.matches('\n').count() + 1),
            column: narrow(before.get(line_start..).unwrap_or("").chars().count() + 1),
            offset: narrow(start),
            length: narrow(length.min(text.len() - start)),
        }
    }
}

impl Place {
    /// The point at `column` of `line` of `text`, both from 1: engines know no offsets. What lies
    /// past the end of the line or the text is moved to it.
    pub fn of_line(text: &str, line: u32, column: u32) -> Self {
        let narrow = |number: u32| usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
        let mut lines = text.split_inclusive('\n');
        let before = lines.by_ref().take(narrow(line)).map(str::len).sum::<usize>();
        let characters = lines.next().unwrap_or("").trim_end().chars();
        let within = characters.take(narrow(column)).map(char::len_utf8).sum::<usize>();
        Self::at(text, before + within, 0)
    }

    /// The same place in another file.
    #[must_use]
    pub fn in_file(mut self, file: Option<Arc<str>>) -> Self {
        self.file = file;
        self
    }
}

/// One message about an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnostic {
    /// Stable name, such as `script::late-meta`; other tools match on it.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is the matter, one sentence.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Where, if it has a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

impl Diagnostic {
    /// A message without a place or help.
    pub fn new(severity: Severity, code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), severity, message: message.into(), help: None, place: None }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with its place.
    #[must_use]
    pub fn with_place(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }
}
