//! The terms on which a process borrows slices.

use std::time::Duration;

/// How slices are borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// A path is lent for once so many asks for it came within a second.
    pub asks_min: u32,
    /// How many bounds the first slice of a path holds at most; later ones hold twice as many.
    pub bounds_first: u64,
    /// For how long a slice is used without a word from the ledger that it is still held; at most
    /// [`SILENCE_MAX`].
    pub silence_max: Duration,
    /// A slice that nobody drew from for so long goes back.
    pub idle_max: Duration,
    /// The ledger hears of this process at least so often, even where nobody asks for anything: on a
    /// server, who has lost its connection and does not notice is taken for dead after a minute.
    pub heard_every: Duration,
    /// How many bytes of a journal may wait for the ledger before asks go there directly.
    pub backlog_bytes_max: u64,
}

impl Default for LeaseTerms {
    fn default() -> Self {
        Self {
            asks_min: 32,
            bounds_first: 256,
            silence_max: SILENCE_MAX,
            idle_max: Duration::from_secs(2),
            heard_every: Duration::from_secs(15),
            backlog_bytes_max: 1 << 30,
        }
    }
}

/// No slice is used for longer in silence: a process that cannot be reached is taken for dead after
/// twice as long.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);
