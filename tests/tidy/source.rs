//! A Rust file as the tidy rules see it: its text, and its code without comments and literals.
//! Owns the scanning; knows no rules.

/// A file of the repository, its path relative to the root with `/` between parts.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
    /// `text` with comments, strings and characters blanked; the same length, the same lines.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: code_only(text) }
    }

    /// Whether the file is, or lies below, one of `places`, such as `src/money.rs` or `src/app`.
    pub(super) fn within(&self, places: &[&str]) -> bool {
        places.iter().any(|place| {
            self.path
                .strip_prefix(place)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// `src/x.rs:12: what is wrong and what to do`.
    pub(super) fn complaint(&self, offset: usize, message: &str) -> String {
        format!("{}:{}: {message}", self.path, line_at(&self.text, offset))
    }

    /// Complaints for every whole-word occurrence of `needle` in the code.
    pub(super) fn code_complaints(&self, needle: &str, message: &str) -> Vec<String> {
        occurrences(&self.code, needle)
            .map(|offset| self.complaint(offset, &format!("`{needle}`: {message}")))
            .collect()
    }
}

/// The line of byte `offset`, from 1.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// Offsets of `needle` where it does not continue an identifier on either side.
pub(super) fn occurrences<'a>(text: &'a str, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(needle).map(|(offset, _)| offset).filter(move |offset| {
        let before = text[..*offset].chars().next_back();
        let after = text[offset + needle.len()..].chars().next();
        let joined_before = needle.starts_with(is_word) && before.is_some_and(is_word);
        let joined_after = needle.ends_with(is_word) && after.is_some_and(is_word);
        !joined_before && !joined_after
    })
}

pub(super) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// `text` with comments and literals replaced by spaces, newlines kept.
pub(super) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        match end {
            Some(end) => {
                for byte in &mut code[at..end] {
                    if *byte != b'\n' {
                        *byte = b' ';
                    }
                }
                at = end;
            }
            None => at += 1,
        }
    }
    String::from_utf8(code).expect("literals and comments end on character boundaries")
}

/// The end of the comment or literal that begins at `at`, if one does.
fn literal_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let after_word = at > 0 && is_word(char::from(bytes[at - 1]));
    if rest.starts_with(b"//") {
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        Some(at + length)
    } else if rest.starts_with(b"/*") {
        Some(at + block_comment_length(rest))
    } else if !after_word && let Some(length) = raw_string_length(rest) {
        Some(at + length)
    } else if rest.starts_with(b"\"") {
        Some(at + quoted_length(rest, b'"'))
    } else if rest.starts_with(b"'") && is_character(rest) {
        Some(at + quoted_length(rest, b'\''))
    } else {
        None
    }
}

fn block_comment_length(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of `r"…"`, `r#"…"#`, `br#"…"#` and so on.
fn raw_string_length(rest: &[u8]) -> Option<usize> {
    let prefix = if rest.starts_with(b"r") {
        1
    } else if rest.starts_with(b"br") || rest.starts_with(b"cr") {
        2
    } else {
        return None;
    };
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    let body = prefix + hashes + 1;
    if rest.get(body - 1) != Some(&b'"') {
        return None;
    }
    let closing = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let length = rest[body..].windows(closing.len()).position(|window| window == closing);
    Some(length.map_or(rest.len(), |length| body + length + closing.len()))
}

fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Tells `'a'` and `'\n'` from the lifetime `'a`.
fn is_character(rest: &[u8]) -> bool {
    let text = std::str::from_utf8(&rest[1..]).expect("a quote is a character boundary");
    let mut characters = text.chars();
    match characters.next() {
        Some('\\') => true,
        Some(_) => characters.next() == Some('\''),
        None => false,
    }
}
