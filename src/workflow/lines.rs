//! Offsets to places without counting from the top each time.

use oxc::span::Span;

use crate::diagnostic::Place;

/// Where the lines of a text begin.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Self { text, starts: std::iter::once(0).chain(after_newlines).collect() }
    }

    /// The line of a byte offset, from 1.
    pub(super) fn line(&self, offset: u32) -> u32 {
        let line = self.starts.partition_point(|start| *start <= offset as usize);
        u32::try_from(line).unwrap_or(u32::MAX)
    }

    pub(super) fn place(&self, span: Span) -> Place {
        let line = self.line(span.start);
        let start = self.starts.get(line as usize - 1).copied().unwrap_or(0);
        let before = self.text.get(start..span.start as usize).unwrap_or("");
        let column = u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX);
        Place { file: None, line, column, offset: span.start, length: span.size() }
    }
}
