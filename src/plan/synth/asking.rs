//! What a call without a schema wants its text to be, and the schema that it is drawn by. Owns how
//! what was drawn becomes the text.

use std::sync::Arc;

use serde_json::Value;

use super::asked_text::{AskedText, WRAP, asked_text};
use super::call::{FactorKind, SynthCall, Synthetic};
use super::filler::write_words;
use super::token::Marker;
use super::word_tables::WordTables;
use crate::ports::script::Outcome;

/// Tokens of the longest text result: no model's output is longer.
const TEXT_TOKENS_MAX: u64 = 262_144;

/// What a text has to be, and the schema that it is drawn by.
pub(super) struct Asking {
    pub(super) text: Option<AskedText>,
    schema: Option<Arc<str>>,
}

impl Asking {
    /// What the prompt of a call asks for.
    pub(super) fn of(call: &SynthCall<'_>, tables: &WordTables) -> Self {
        if call.schema.is_some() {
            return Self { text: None, schema: None };
        }
        let text = asked_text(call.prompt, tables);
        let schema = text.as_ref().and_then(|text| match text {
            AskedText::Json(schema) | AskedText::Word { schema, .. } => {
                Some(schema.as_str().into())
            }
            AskedText::List(list) => Some(list.schema().into()),
            AskedText::Exact(_) => None,
        });
        Self { text, schema }
    }

    /// The same for a probe, which has lines of its own.
    pub(super) fn of_probe(call: &SynthCall<'_>, tables: &WordTables) -> Self {
        let asking = Self::of(call, tables);
        match asking.text {
            Some(AskedText::List(_)) => Self { text: None, schema: None },
            _ => asking,
        }
    }

    pub(super) fn schema<'a>(&'a self, call: &SynthCall<'a>) -> Option<&'a Arc<str>> {
        call.schema.or(self.schema.as_ref())
    }

    /// What was drawn, as the script is told.
    pub(super) fn told(&self, drawn: Synthetic, call: &SynthCall<'_>) -> Synthetic {
        let mut drawn = drawn;
        if matches!(self.text, Some(AskedText::List(_))) {
            drawn.factors.iter_mut().for_each(|factor| factor.kind = FactorKind::Lines);
        }
        let outcome = self.outcome(drawn.outcome, call);
        Synthetic { outcome, ..drawn }
    }

    fn outcome(&self, drawn: Outcome, call: &SynthCall<'_>) -> Outcome {
        if let Some(AskedText::Exact(text)) = &self.text {
            return Outcome::Text(text.clone());
        }
        let (Some(asked), Outcome::Json(text)) = (&self.text, &drawn) else { return drawn };
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let tokens = text_tokens(call);
        if let AskedText::List(list) = asked {
            return list.written(&value, tokens, call.identity).map_or(drawn, Outcome::Text);
        }
        let Some(value) = value.get(WRAP) else { return drawn };
        match (asked, value) {
            (AskedText::Word { lead, .. }, Value::String(word)) => {
                // At both ends: scripts look at how a text begins, or for its last line.
                let mut text = format!("{lead}{word}\n\n");
                Marker::of(&[call.identity]).write(&mut text);
                text.push_str(": ");
                write_words(&mut text, tokens.saturating_sub(16), call.identity);
                text.push_str("\n\n");
                text.push_str(lead);
                text.push_str(word);
                Outcome::Text(text)
            }
            (_, value) => Outcome::Text(value.to_string()),
        }
    }
}

/// How long a text result is.
pub(super) fn text_tokens(call: &SynthCall<'_>) -> usize {
    usize::try_from(call.text_tokens.min(TEXT_TOKENS_MAX)).unwrap_or(0)
}
