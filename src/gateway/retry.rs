//! When a request is sent again by the gateway itself: only what has cost nothing, and only before
//! its client has got a byte.

use std::time::{Duration, Instant};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use xxhash_rust::xxh3::xxh3_64;

/// Before the first time; doubled before each that follows.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// However often it was tried.
const WAIT_MAX: Duration = Duration::from_secs(8);
/// A refusal that asks for more patience is the client's to wait for.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// Whether an attempt may be followed by another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chance {
    tried: u32,
    most: u32,
    /// Another attempt begins before this or not at all.
    until: Option<Instant>,
}

impl Chance {
    /// At most `most` more attempts, each within `within` from now.
    pub(crate) fn new(most: u32, within: Duration) -> Self {
        Self { tried: 0, most, until: Instant::now().checked_add(within) }
    }

    /// Nobody waits for another.
    pub(crate) const fn none() -> Self {
        Self { tried: 0, most: 0, until: None }
    }

    pub(crate) const fn is_left(&self) -> bool {
        self.tried < self.most
    }

    /// The chance of the attempt that follows.
    #[must_use]
    pub(crate) const fn next(self) -> Self {
        Self { tried: self.tried.saturating_add(1), ..self }
    }

    /// How long to wait after the upstream could not be reached; `None` where that was the last time.
    /// `attempt` keeps those apart who failed together.
    pub(crate) fn unreachable(&self, attempt: &str) -> Option<Duration> {
        self.within(self.backoff(attempt))
    }

    /// How long to wait after an answer that cost nothing; `None` where it is passed on.
    pub(crate) fn refused(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        attempt: &str,
    ) -> Option<Duration> {
        let says = |name, words: &str| headers.get(name).is_some_and(|value| value == words);
        if says("x-should-retry", "false") {
            return None;
        }
        let asked = match headers.get(RETRY_AFTER) {
            None => None,
            // A date, or nonsense: the client knows what to make of it.
            Some(value) => Some(Duration::from_secs(value.to_str().ok()?.trim().parse().ok()?)),
        };
        if asked.is_some_and(|asked| asked > RETRY_AFTER_MAX) {
            return None;
        }
        let passes = match status.as_u16() {
            // Without a time it can be a limit that lasts for days.
            429 => asked.is_some(),
            500 | 502 | 503 | 529 => true,
            _ => false,
        };
        let backoff = self.backoff(attempt);
        if passes { self.within(asked.map_or(backoff, |asked| asked.max(backoff))) } else { None }
    }

    /// A half more at most, so that who failed together does not come again together.
    fn backoff(&self, attempt: &str) -> Duration {
        let doubled = FIRST_WAIT.saturating_mul(1_u32.checked_shl(self.tried).unwrap_or(u32::MAX));
        let most = doubled.min(WAIT_MAX);
        let share = u32::try_from(xxh3_64(attempt.as_bytes()) % 512).unwrap_or(0);
        most.saturating_add(most.saturating_mul(share) / 1_024)
    }

    fn within(&self, wait: Duration) -> Option<Duration> {
        let at = Instant::now().checked_add(wait)?;
        (self.is_left() && at <= self.until?).then_some(wait)
    }
}
