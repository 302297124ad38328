//! Text patterns of conditions: `*` stands for any text, case does not count.

use std::fmt;

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern of that text.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The pattern as written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it contains no `*`, so that it names one thing.
    pub(super) fn is_plain(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether the whole of `text` matches. Time is at most the product of both lengths.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let same = |p: usize, t: usize| match (pattern.get(p), text.get(t)) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            _ => false,
        };
        let (mut p, mut t) = (0, 0);
        // Where to resume: after the last `*`, one byte further into the text.
        let mut resume: Option<(usize, usize)> = None;
        while t < text.len() {
            if pattern.get(p) == Some(&b'*') {
                resume = Some((p + 1, t));
                p += 1;
            } else if same(p, t) {
                p += 1;
                t += 1;
            } else if let Some((after_star, start)) = resume {
                resume = Some((after_star, start + 1));
                p = after_star;
                t = start + 1;
            } else {
                return false;
            }
        }
        pattern.iter().skip(p).all(|byte| *byte == b'*')
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
