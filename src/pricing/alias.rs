//! Names that stand for a model, and decorations around its identifier.

use jiff::civil::Date;

use crate::pricing::Multiplier;

/// A short name that stands for a model on some providers, for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The name, in lower case.
    pub name: String,
    /// A model's id, or another alias.
    pub target: String,
    /// The providers it holds for; empty means every provider that no other row names.
    pub providers: Vec<String>,
    /// First day; always if absent.
    pub from: Option<Date>,
    /// First day it no longer holds.
    pub until: Option<Date>,
    /// What to know about it.
    pub note: Option<String>,
}

impl Alias {
    pub(super) fn covers(&self, on: Date) -> bool {
        self.from.is_none_or(|from| from <= on) && self.until.is_none_or(|until| on < until)
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let before = |end: Option<Date>, start: Option<Date>| match (end, start) {
            (Some(end), Some(start)) => end <= start,
            _ => false,
        };
        !before(self.until, other.from) && !before(other.until, self.from)
    }
}

/// Text that clouds and routers put before an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePrefix {
    /// The text, such as `us.` or `anthropic.`.
    pub text: String,
    /// What it does to the price.
    pub multiplier: Multiplier,
}

/// A name that scripts use and that is no model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The name, in lower case.
    pub name: String,
    /// What it means instead.
    pub reason: String,
}
