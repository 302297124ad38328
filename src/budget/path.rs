//! Paths of scopes in words, such as `project shop / run review-7`.

use std::sync::Arc;

/// Each path from the outermost name on, in words.
pub(crate) fn prefixes(path: &[String]) -> impl Iterator<Item = Arc<str>> + '_ {
    let mut whole = String::new();
    path.iter().map(move |name| {
        if !whole.is_empty() {
            whole.push_str(BETWEEN_NAMES);
        }
        whole.push_str(&plain_name(name));
        Arc::from(whole.as_str())
    })
}

const BETWEEN_NAMES: &str = " / ";

/// The names of a path in words, outermost first.
pub fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split(BETWEEN_NAMES)
}

/// What every path below the scope with these names begins with.
pub fn below(names: &[&str]) -> String {
    names.join(BETWEEN_NAMES) + BETWEEN_NAMES
}

/// A name that cannot be taken for two.
pub(crate) fn plain_name(name: &str) -> String {
    name.replace(BETWEEN_NAMES, "/")
}
