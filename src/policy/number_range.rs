//! Ranges of whole numbers in conditions: `8`, `">= 8"`, `"8..20"`, `{ min = 8, max = 20 }`.

use std::fmt;

/// Whole numbers from `min` to `max`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberRange {
    pub(super) min: u64,
    pub(super) max: u64,
}

impl NumberRange {
    /// What a text may look like, for messages.
    pub(super) const FORMS: &'static str =
        "write 8, \">= 8\", \"< 8\", \"8..20\" or { min = 8, max = 20 }; 100k is 100,000";

    /// Reads the text forms; `None` where it is none of them or holds no number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let after = |sign: &str| text.strip_prefix(sign).map(|rest| number(rest.trim()));
        let (min, max) = if let Some(n) = after(">=") {
            (n?, u64::MAX)
        } else if let Some(n) = after("<=") {
            (0, n?)
        } else if let Some(n) = after(">") {
            (n?.checked_add(1)?, u64::MAX)
        } else if let Some(n) = after("<") {
            (0, n?.checked_sub(1)?)
        } else if let Some((low, high)) = text.split_once("..") {
            (number(low.trim())?, number(high.trim())?)
        } else {
            let n = number(text.strip_prefix('=').unwrap_or(text).trim())?;
            (n, n)
        };
        (min <= max).then_some(Self { min, max })
    }

    pub(super) fn contains(self, value: u64) -> bool {
        (self.min..=self.max).contains(&value)
    }
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (min, max) if min == max => write!(f, "= {min}"),
            (min, u64::MAX) => write!(f, ">= {min}"),
            (0, max) => write!(f, "<= {max}"),
            (min, max) => write!(f, "{min}..{max}"),
        }
    }
}

/// A whole number, with `_` between digits and a final `k` or `m` for thousands and millions.
pub(super) fn number(text: &str) -> Option<u64> {
    let (digits, scale) = match text.as_bytes().last()?.to_ascii_lowercase() {
        b'k' => (text.get(..text.len() - 1)?, 1_000),
        b'm' => (text.get(..text.len() - 1)?, 1_000_000),
        _ => (text, 1),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    digits.replace('_', "").parse::<u64>().ok()?.checked_mul(scale)
}
