//! The fields of a JSON object as they stand in its text.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::gateway::request::BadRequest;

/// The fields of a body in their order, each once.
pub(super) struct Fields<'a> {
    /// All but the messages.
    pub(super) named: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// Most of a body, and so split as it is read.
    pub(super) messages: Option<Vec<&'a RawValue>>,
}

impl<'a> Fields<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, BadRequest> {
        serde_json::from_slice(body)
            .map_err(|error| BadRequest(format!("the body is not a request: {error}")))
    }

    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.named.iter().find(|(key, _)| key == name);
        found.map(|(_, raw)| *raw).filter(|raw| raw.get() != "null")
    }

    pub(super) fn optional<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, BadRequest> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let value = serde_json::from_str(raw.get());
        value.map(Some).map_err(|error| BadRequest(format!("{name}: {}", without_place(&error))))
    }

    pub(super) fn required<T: Deserialize<'a>>(&self, name: &str) -> Result<T, BadRequest> {
        self.optional(name)?.ok_or_else(|| missing(name))
    }

    pub(super) fn is(&self, name: &str, wanted: &str) -> Result<bool, BadRequest> {
        let value: Option<Cow<'a, str>> = self.optional(name)?;
        Ok(value.is_some_and(|value| value == wanted))
    }

    /// Where the value of a field stands in `body`.
    pub(super) fn span(&self, body: &[u8], name: &str) -> Result<Range<usize>, BadRequest> {
        let raw = self.raw(name).ok_or_else(|| missing(name))?.get();
        // Both point into the same bytes.
        let start = raw.as_ptr().addr().saturating_sub(body.as_ptr().addr());
        Ok(start..start.saturating_add(raw.len()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Fields { named: Vec::with_capacity(16), messages: None };
                let mut has_messages = false;
                while let Some(Key(key)) = map.next_key()? {
                    let is_messages = key == "messages";
                    let is_known = fields.named.iter().any(|(known, _)| *known == key);
                    if is_known || is_messages && std::mem::replace(&mut has_messages, true) {
                        let twice = format!("`{}` stands there twice", key.escape_debug());
                        return Err(serde::de::Error::custom(twice));
                    }
                    if is_messages {
                        fields.messages = map.next_value()?;
                    } else {
                        fields.named.push((key, map.next_value()?));
                    }
                }
                Ok(fields)
            }
        }
        from.deserialize_map(Reader)
    }
}

pub(super) fn missing(name: &str) -> BadRequest {
    BadRequest(format!("{name}: this field is required"))
}

/// An error's words without its place, which would count from the value's beginning.
pub(super) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(words, _)| words.to_owned())
}
