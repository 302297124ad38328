//! Changes to a JSON object in its text: everything else keeps its bytes.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::gateway::fields::Fields;
use crate::gateway::request::BadRequest;

/// Changes that do not touch each other.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    /// Whether nothing changes.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes `text` in place of what stands at `span`.
    pub(super) fn replace(&mut self, span: Range<usize>, text: String) {
        self.0.push((span, text));
    }

    /// Writes `text` at `at`.
    pub(super) fn insert(&mut self, at: usize, text: String) {
        self.0.push((at..at, text));
    }

    /// Takes a member out of the object in `body` that has `fields`, with the comma that is on the
    /// side of `stays`, a member that stays: so two that go never share one.
    pub(super) fn take_out(
        &mut self,
        body: &[u8],
        fields: &Fields<'_>,
        name: &str,
        stays: &Range<usize>,
    ) -> Result<(), BadRequest> {
        let value = fields.span(body, name)?;
        let key = key_before(body, value.start).ok_or_else(|| unreadable(name))?;
        let span = if value.start < stays.start {
            let after = body.get(value.end..).map_or(&[][..], |rest| rest);
            let comma =
                after.iter().position(|byte| *byte == b',').ok_or_else(|| unreadable(name))?;
            key..value.end.saturating_add(comma).saturating_add(1)
        } else {
            let before = body.get(..key).map_or(&[][..], |rest| rest);
            let comma = before.iter().rposition(|byte| *byte == b',');
            comma.ok_or_else(|| unreadable(name))?..value.end
        };
        self.0.push((span, String::new()));
        Ok(())
    }

    /// The text with these changes.
    pub(super) fn of(mut self, body: &Bytes) -> Bytes {
        self.0.sort_by_key(|(span, _)| (span.start, span.end));
        let more: usize = self.0.iter().map(|(_, text)| text.len()).sum();
        let mut edited = BytesMut::with_capacity(body.len().saturating_add(more));
        let mut from = 0;
        for (span, text) in self.0 {
            edited.extend_from_slice(body.get(from..span.start).map_or(&[][..], |kept| kept));
            edited.extend_from_slice(text.as_bytes());
            from = span.end;
        }
        edited.extend_from_slice(body.get(from..).map_or(&[][..], |kept| kept));
        edited.freeze()
    }
}

fn unreadable(name: &str) -> BadRequest {
    BadRequest(format!("{name}: where it stands cannot be said"))
}

/// Where the key of the value at `value` begins. No key that is looked for has a quote in it, so the
/// second quote backwards opens it.
fn key_before(body: &[u8], value: usize) -> Option<usize> {
    let closes = body.get(..value)?.iter().rposition(|byte| *byte == b'"')?;
    body.get(..closes)?.iter().rposition(|byte| *byte == b'"')
}
