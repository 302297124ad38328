//! How often each content came: what lets a retry meet another fate than the first try.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::limits::COUNTED_CONTENTS_MAX;

/// How often each content came.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<HashMap<u64, u64>>);

impl Counts {
    /// How many came before with this key; counts this one.
    pub(super) fn next(&self, key: u64) -> u64 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !counts.contains_key(&key) && counts.len() >= COUNTED_CONTENTS_MAX {
            return 0;
        }
        let count = counts.entry(key).or_default();
        let before = *count;
        *count += 1;
        before
    }
}
