//! Bytes as they stand in JSON: text where they are text, else hexadecimal digits, without loss.

use std::fmt;
use std::fmt::Write as _;

use bytes::Bytes;
use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes. In JSON they are a string where they are UTF-8, and `{"hex":"00ff"}` where they are not.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Octets(pub Bytes);

impl fmt::Debug for Octets {
    /// How many, not which: they may be somebody's prompt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Octets({} bytes)", self.0.len())
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Ok(text) = std::str::from_utf8(&self.0) {
            return serializer.serialize_str(text);
        }
        let mut digits = String::with_capacity(2 * self.0.len());
        for byte in &self.0 {
            // A text takes every write.
            let _ = write!(digits, "{byte:02x}");
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("hex", &digits)?;
        map.end()
    }
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields, expecting = "expected a string or {\"hex\":\"…\"}")]
enum Written {
    Text(String),
    Digits { hex: String },
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Text(text) => Ok(Self(Bytes::from(text))),
            Written::Digits { hex } => bytes_of(&hex)
                .map(|bytes| Self(Bytes::from(bytes)))
                .ok_or_else(|| D::Error::custom("`hex` has no even number of hexadecimal digits")),
        }
    }
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(high << 4 | low),
        _ => None,
    };
    digits.chunks(2).map(byte).collect()
}
