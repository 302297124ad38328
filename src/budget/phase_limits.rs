//! Limits of phases, by title.

use std::collections::BTreeMap;

use crate::budget::Limits;

/// Limits of phases. Titles are compared without case, and blanks of any kind and number between
/// their words are one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhaseLimits(BTreeMap<String, (String, Limits)>);

impl PhaseLimits {
    /// Limits the phase called `title`, in place of what it was limited to.
    pub fn insert(&mut self, title: &str, limits: Limits) {
        *self.entry(title) = limits;
    }

    /// The limits of the phase called `title`, to be added to.
    pub fn entry(&mut self, title: &str) -> &mut Limits {
        let new = || (title.to_owned(), Limits::NONE);
        &mut self.0.entry(folded(title)).or_insert_with(new).1
    }

    /// What the phase called `title` is limited to; `None` where it is not.
    pub fn of(&self, title: &str) -> Option<Limits> {
        self.0.get(&folded(title)).map(|(_, limits)| *limits)
    }

    /// The one title under which the phase is accounted for, however a script spells it: so it has
    /// its limits once. A phase without limits keeps its own.
    pub fn spelled<'a>(&'a self, title: &'a str) -> &'a str {
        self.0.get(&folded(title)).map_or(title, |(spelled, _)| spelled)
    }

    /// In each unit the lowest that any phase has.
    pub fn strictest(&self) -> Limits {
        self.0.values().fold(Limits::NONE, |lowest, (_, limits)| lowest.lowest(*limits))
    }

    /// Whether no phase is limited.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn folded(title: &str) -> String {
    let words: Vec<&str> = title.split_whitespace().collect();
    words.join(" ").to_lowercase()
}
