//! Reads typed values out of a TOML tree and reports what is not as expected, with its place.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Problems;
use super::spelling::nearest;

pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// A word or text with its place.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// The keys of one table, checked against those the format has.
pub(super) struct Fields<'a, 'i> {
    table: &'a DeTable<'i>,
}

impl<'a, 'i> Fields<'a, 'i> {
    /// Reports every key of `table` that is not among `known`; `section` names the table.
    pub(super) fn open(
        table: &'a DeTable<'i>,
        section: &str,
        known: &[&str],
        problems: &mut Problems<'_>,
    ) -> Self {
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let meant = nearest(name, known)
                    .map_or_else(String::new, |meant| format!(", did you mean `{meant}`?"));
                let help = format!("keys of {section}: {}", known.join(", "));
                let message = format!("unknown key `{}`{meant}", shown(name));
                problems.error("policy::unknown-key", key.span(), message, Some(help));
            }
        }
        Self { table }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value<'i>> {
        self.table.get(key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

/// A name cut to what fits a message.
fn shown(name: &str) -> String {
    if name.chars().count() <= 60 {
        name.to_owned()
    } else {
        name.chars().take(59).chain(['…']).collect()
    }
}

fn wrong_type(value: &Value<'_>, key: &str, expected: &str, problems: &mut Problems<'_>) {
    let found = value.get_ref().type_str();
    let message = format!("`{key}` must be {expected}, and this is a TOML {found}");
    problems.error("policy::wrong-type", value.span(), message, None);
}

pub(super) fn text(value: &Value<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Text> {
    let Some(text) = value.get_ref().as_str() else {
        wrong_type(value, key, "a text in quotes", problems);
        return None;
    };
    if text.trim().is_empty() {
        let message = format!("`{key}` is empty");
        problems.error("policy::empty", value.span(), message, None);
        return None;
    }
    Some(Text { text: text.to_owned(), span: value.span() })
}

/// A text, or a list of at least one text.
pub(super) fn texts(value: &Value<'_>, key: &str, problems: &mut Problems<'_>) -> Vec<Text> {
    let Some(list) = value.get_ref().as_array() else {
        return text(value, key, problems).into_iter().collect();
    };
    if list.is_empty() {
        let message = format!("`{key}` is an empty list");
        let help = format!("leave `{key}` out, or name at least one");
        problems.error("policy::empty", value.span(), message, Some(help));
    }
    list.iter().filter_map(|item| text(item, key, problems)).collect()
}

/// Each item of a list, or the one value that is no list.
pub(super) fn items<'a, 'i>(value: &'a Value<'i>) -> Vec<&'a Value<'i>> {
    match value.get_ref().as_array() {
        Some(list) => list.iter().collect(),
        None => vec![value],
    }
}

pub(super) fn table<'a, 'i>(
    value: &'a Value<'i>,
    key: &str,
    problems: &mut Problems<'_>,
) -> Option<&'a DeTable<'i>> {
    let table = value.get_ref().as_table();
    if table.is_none() {
        wrong_type(value, key, "a table, like { name = value }", problems);
    }
    table
}

pub(super) fn boolean(value: &Value<'_>, key: &str, problems: &mut Problems<'_>) -> Option<bool> {
    let flag = value.get_ref().as_bool();
    if flag.is_none() {
        wrong_type(value, key, "true or false", problems);
    }
    flag
}

/// A whole number, zero or more, where the value is an integer at all; no report.
pub(super) fn as_whole(value: &Value<'_>) -> Option<u64> {
    let integer = value.get_ref().as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

pub(super) fn whole(value: &Value<'_>, key: &str, problems: &mut Problems<'_>) -> Option<u64> {
    let number = as_whole(value);
    if number.is_none() && value.get_ref().is_integer() {
        let message = format!("`{key}` must be zero or more, and this is out of range");
        problems.error("policy::range", value.span(), message, None);
    } else if number.is_none() {
        wrong_type(value, key, "a whole number, zero or more", problems);
    }
    number
}

/// One of a closed set of words.
pub(super) fn choice<T: Copy>(
    text: &Text,
    key: &str,
    options: &[(&str, T)],
    problems: &mut Problems<'_>,
) -> Option<T> {
    let found = options.iter().find(|(name, _)| text.text.trim().eq_ignore_ascii_case(name));
    if let Some((_, value)) = found {
        return Some(*value);
    }
    let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
    let meant = nearest(&text.text, &names)
        .map_or_else(String::new, |meant| format!(", did you mean `{meant}`?"));
    let message = format!("unknown {key} `{}`{meant}", shown(&text.text));
    let help = format!("`{key}` is one of: {}", names.join(", "));
    problems.error("policy::unknown-word", text.span.clone(), message, Some(help));
    None
}
