//! One look at a plan window, with the dollars that were settled since the look before.

use jiff::{SignedDuration, Timestamp};

use crate::amount::PlanWindow;
use crate::money::Picodollars;

/// Two sources round the end of one window differently, by less than this.
const SAME_END: SignedDuration = SignedDuration::from_mins(1);

/// What was seen of a plan window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When, to the millisecond.
    pub at: Timestamp,
    /// Whose plan: a name that tells accounts apart and nothing else.
    pub account: String,
    /// Which window.
    pub window: PlanWindow,
    /// Thousandths of a percent; above 100,000 where the limit is passed.
    pub used_milli_percent: u64,
    /// When the window begins anew, to the second.
    pub resets_at: Timestamp,
    /// Dollars at list price that whoever looked has settled on this account since it last wrote a
    /// sighting of this window.
    pub settled: Picodollars,
}

impl Sighting {
    /// Whether a window that begins anew at `resets_at` is this one.
    pub fn is_of_end(&self, resets_at: Timestamp) -> bool {
        self.resets_at.duration_since(resets_at).abs() < SAME_END
    }

    /// Whether both are of one window: the end tells accounts apart too, since each account's windows
    /// begin when it does.
    pub fn is_of_same_window(&self, other: &Self) -> bool {
        self.window == other.window && self.is_of_end(other.resets_at)
    }

    /// Whether the window that was seen is still open.
    pub fn is_open(&self, now: Timestamp) -> bool {
        now < self.resets_at
    }
}
