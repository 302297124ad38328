//! Markers: short words that occur in one item of a sample and nowhere else. They make strings
//! unique, so that scripts can deduplicate, and show which results a later prompt quotes.

use crate::seed::key_of_parts;

/// A marker's number: 40 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Marker(u64);

/// `zq` and eight digits in base 32: survives lower-casing and slugs, rare in any language.
const LEAD: [u8; 2] = *b"zq";
const DIGITS: &[u8; 32] = b"0123456789abcdefghijkmnprstuvwxy";
const LENGTH: usize = 10;

impl Marker {
    /// The marker of an item, by what identifies it.
    pub(super) fn of(parts: &[u64]) -> Self {
        Self(key_of_parts(parts) >> 24)
    }

    /// The number behind it.
    pub(super) const fn number(self) -> u64 {
        self.0
    }

    /// Appends its text.
    pub(super) fn write(self, out: &mut String) {
        out.push('z');
        out.push('q');
        for shift in (0..8).rev() {
            let digit = usize::try_from((self.0 >> (shift * 5)) & 31).unwrap_or(0);
            out.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'0')));
        }
    }

    /// Its text.
    pub(super) fn text(self) -> String {
        let mut out = String::with_capacity(LENGTH);
        self.write(&mut out);
        out
    }
}

/// The markers in `text`, in order, repeats included, each with where it begins.
pub(super) fn markers_in(text: &str) -> impl Iterator<Item = (usize, Marker)> + '_ {
    let bytes = text.as_bytes();
    // `q` is rarer than `z q` looks: one scan for a byte finds the few candidates.
    text.match_indices('q').filter_map(move |(at, _)| {
        let start = at.checked_sub(1)?;
        let word = bytes.get(start..start + LENGTH)?;
        let (lead, digits) = word.split_at_checked(2)?;
        if lead != LEAD {
            return None;
        }
        let mut number = 0_u64;
        for byte in digits {
            number = (number << 5) | u64::from(digit_value(*byte)?);
        }
        Some((start, Marker(number)))
    })
}

/// Whether a word in small letters is a marker, or the beginning of one: scripts cut texts short.
pub(super) fn begins_marker(word: &str) -> bool {
    let digits = word.as_bytes().strip_prefix(&LEAD);
    digits.is_some_and(|digits| digits.iter().all(|byte| digit_value(*byte).is_some()))
}

fn digit_value(byte: u8) -> Option<u8> {
    let value = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'k' => byte - b'a' + 10,
        b'm' => 21,
        b'n' => 22,
        b'p' => 23,
        b'r'..=b'y' => byte - b'r' + 24,
        _ => return None,
    };
    // The alphabet leaves out letters that look like others, so a gap may be hit.
    (DIGITS.get(usize::from(value)) == Some(&byte)).then_some(value)
}
