//! Answers that were cut off because a budget ended. The client sends the same request again at once,
//! without streaming: it is told why, instead of paying for the same words twice.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A second try comes at once; what comes later is a new one.
const SECOND_TRY_WITHIN: Duration = Duration::from_mins(1);
/// So many are remembered.
const CUTS_MAX: usize = 1_024;

/// What was cut off a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Cuts(Mutex<VecDeque<Cut>>);

#[derive(Debug)]
struct Cut {
    fingerprint: u128,
    at: Instant,
    why: String,
}

impl Cuts {
    /// The answer to a request of this fingerprint was cut off.
    pub(crate) fn put(&self, fingerprint: u128, why: String) {
        let mut cuts = self.cuts();
        if cuts.len() >= CUTS_MAX {
            cuts.pop_front();
        }
        cuts.push_back(Cut { fingerprint, at: Instant::now(), why });
    }

    /// Why the answer to this request was cut off a moment ago. Said once: whoever asks again after
    /// that is admitted as anybody is.
    pub(crate) fn take(&self, fingerprint: u128) -> Option<String> {
        let mut cuts = self.cuts();
        while cuts.front().is_some_and(|cut| cut.at.elapsed() > SECOND_TRY_WITHIN) {
            cuts.pop_front();
        }
        let position = cuts.iter().position(|cut| cut.fingerprint == fingerprint)?;
        cuts.remove(position).map(|cut| cut.why)
    }

    fn cuts(&self) -> MutexGuard<'_, VecDeque<Cut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
