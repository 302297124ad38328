//! Why a usage model was refused.

use thiserror::Error;

/// Why the text of a usage model was refused. Nothing is filled in: a model that lacks a number is
/// not a model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UsageError {
    /// Not TOML, a key that is unknown, or a number that is missing or of the wrong type.
    #[error("usage model, line {line}: {message}")]
    Text {
        /// From 1.
        line: usize,
        /// What the reader expected.
        message: String,
    },
    /// Written for another version of the program.
    #[error("usage model has schema {found}, this program reads schema {expected}")]
    Schema {
        /// What the text says.
        found: u32,
        /// What is read here.
        expected: u32,
    },
    /// A number outside the range in which it means anything.
    #[error("usage model: {key} is {value}, it must be {range}")]
    Range {
        /// The dotted key.
        key: String,
        /// What the text says.
        value: String,
        /// The range, in words.
        range: &'static str,
    },
    /// A word list that cannot decide.
    #[error("usage model: words.{kind} has {word:?}: {problem}")]
    Word {
        /// The list.
        kind: &'static str,
        /// The word as written.
        word: String,
        /// What is wrong with it and what to do.
        problem: &'static str,
    },
}
