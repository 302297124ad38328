//! Words that prose lists for a property: "roles (planner, coder, tester)", "severity: low | high".
//! Owns how such lists are found, and how one of their words is drawn.

use serde_json::Value;

use super::form::{EnumForm, EnumValue, Node};
use super::word_tables::WordTables;
use super::writer::Writer;
use crate::seed::Seed;

/// Words of a roster at most, letters of one at most, and how far a list may go on.
const WORDS_MAX: usize = 40;
const LETTERS_MAX: usize = 32;
const LIST_MAX: usize = 900;
/// Prompts are read no further than this, bytes.
const BYTES_MAX: usize = 64 << 10;

/// The words that a text lists for a property; empty where it lists none.
pub(super) fn roster_in<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    if name.len() < 3 {
        return Vec::new();
    }
    let mut end = text.len().min(BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or("");
    // Byte positions have to hold in the text itself.
    let lower = text.to_ascii_lowercase();
    let name = name.to_ascii_lowercase();
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    for (at, _) in lower.match_indices(&name) {
        if text.get(..at).is_some_and(|before| before.ends_with(inside)) {
            continue;
        }
        let after = text.get(at + name.len()..).unwrap_or("");
        let after = after.strip_prefix('s').unwrap_or(after);
        if after.starts_with(inside) {
            continue;
        }
        let after = after.trim_start_matches(['"', '\'', '`', '*', ' ']);
        let words = match after.chars().next() {
            Some('(') => in_brackets(after),
            Some(':' | '=' | '∈') => barred(after.trim_start_matches([':', '=', '∈'])),
            _ => Vec::new(),
        };
        if words.len() > 1 {
            return words;
        }
    }
    Vec::new()
}

/// "(a, b, or c)".
fn in_brackets(text: &str) -> Vec<&str> {
    let inner = text.get(1..).and_then(|inner| inner.split_once(')')).map(|(inner, _)| inner);
    let Some(inner) = inner.filter(|inner| inner.len() < LIST_MAX) else { return Vec::new() };
    let parts = inner.split([',', '|']).map(|word| {
        let word = word.trim().trim_start_matches("or ").trim_start_matches("and ");
        word.trim_matches(['"', '\'', '`', ' '])
    });
    let words: Vec<&str> = parts.take(WORDS_MAX).collect();
    if words.iter().all(|word| is_word(word)) { words } else { Vec::new() }
}

/// "a | b | c".
fn barred(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while words.len() < WORDS_MAX {
        let word = rest.trim_start_matches(['"', '\'', '`', ' ', '<', '{', '[', '(']);
        let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)));
        let end = end.unwrap_or(word.len());
        let (word, after) = word.split_at_checked(end).unwrap_or((word, ""));
        if !is_word(word) {
            break;
        }
        words.push(word);
        let after = after.trim_start_matches(['"', '\'', '`', ' ']);
        let Some(next) = after.strip_prefix('|') else { return words };
        rest = next;
    }
    Vec::new()
}

fn is_word(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= LETTERS_MAX
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        && word.contains(|c: char| c.is_ascii_alphabetic())
}

/// Listed words as the enum that the author could have written.
fn enum_of(words: &[&str], tables: &WordTables, is_item: bool) -> EnumForm {
    let value = |(place, word): (usize, &&str)| {
        let rule = tables.word(word);
        let json = Value::String((*word).to_owned()).to_string();
        let weight = rule.weight.max(0.01);
        EnumValue { json, word: (*word).to_owned(), weight, rank: rule.rank, place }
    };
    let mut values: Vec<EnumValue> = words.iter().enumerate().map(value).collect();
    let ranked = values.iter().filter(|value| value.rank != 0.0).count() * 2 >= values.len();
    let extreme = |sign: f64, least: f64| values.iter().any(|value| value.rank * sign >= least);
    let gate = ranked && !is_item && extreme(1.0, 0.9) && extreme(-1.0, 0.5);
    if ranked {
        values.sort_by(|a, b| a.rank.total_cmp(&b.rank));
    }
    EnumForm { values, ranked, gate }
}

impl Writer<'_> {
    /// Writes one of the words that the prompt lists for this property, if it lists any. Where the
    /// items of a list are told apart by it, each has its own.
    pub(super) fn listed_word(&mut self, node: &Node, seed: Seed) -> bool {
        let words = self.scene.shown.roster(&node.name);
        if words.len() < 2 {
            return false;
        }
        let mine = words.get(self.position % words.len());
        let own = mine.filter(|_| self.in_item && self.group == words.len());
        let json = if let Some(word) = own {
            Value::String((*word).to_owned()).to_string()
        } else {
            let form = enum_of(&words, self.scene.tables, self.in_item);
            let picked = self.pick(node, &form, seed);
            let Some(value) = form.values.get(picked) else { return false };
            value.json.clone()
        };
        self.out.push_str(&json);
        true
    }
}
