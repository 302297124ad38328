//! JSON text that other readers accept: scripts can write halves of surrogate pairs, which
//! `JSON.stringify` escapes and strict readers refuse.

/// `text` with every lone surrogate escape replaced by that of U+FFFD.
pub(super) fn without_lone_surrogates(text: String) -> String {
    if memchr::memmem::find(text.as_bytes(), b"\\ud").is_none() {
        return text;
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(backslash) = rest.find('\\') {
        let (before, escape) = rest.split_at(backslash);
        clean.push_str(before);
        let (kept, used) = match (surrogate(escape), escape.get(6..).and_then(surrogate)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (escape.get(..12), 12),
            (Some(_), _) => (Some("\\ufffd"), 6),
            // The backslash and what it escapes, so that `\\ud800` is not taken for an escape.
            (None, _) => (escape.get(..2), 2),
        };
        clean.push_str(kept.unwrap_or(escape));
        rest = escape.get(used..).unwrap_or("");
    }
    clean.push_str(rest);
    clean
}

/// The code unit of a surrogate escape at the start of `text`.
fn surrogate(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let unit = u32::from_str_radix(digits, 16).ok()?;
    (0xd800..=0xdfff).contains(&unit).then_some(unit)
}
