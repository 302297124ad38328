//! What one answer has cost so far. Whatever becomes of it, it is charged once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bill::{Books, Ending};
use super::catalogue::Served;
use super::pace::Pace;
use crate::tokens::TokenUsage;

/// Charges an answer when it ends. Dropped before that, the client went away: then what was
/// generated until now is charged, and where nothing is paced, that is all of it.
#[derive(Debug)]
pub(super) struct Meter {
    books: Arc<Books>,
    served: Arc<Served>,
    /// What the whole answer uses.
    usage: TokenUsage,
    max_tokens: u64,
    pace: Pace,
    started: Instant,
    ended: bool,
}

impl Meter {
    /// Begins to count.
    pub(super) fn open(
        books: Arc<Books>,
        served: Arc<Served>,
        usage: TokenUsage,
        max_tokens: u64,
        pace: Pace,
    ) -> Self {
        books.opened();
        Self { books, served, usage, max_tokens, pace, started: Instant::now(), ended: false }
    }

    /// How long until so many tokens exist; zero where they do.
    pub(super) fn time_until(&self, tokens: u64) -> Duration {
        if self.pace.is_instant() {
            return Duration::ZERO;
        }
        self.pace.due(tokens).saturating_sub(self.started.elapsed())
    }

    /// Whether answers take time.
    pub(super) const fn is_paced(&self) -> bool {
        !self.pace.is_instant()
    }

    /// Tokens of the whole answer.
    pub(super) const fn output(&self) -> u64 {
        self.usage.output
    }

    /// Charges it. Only the first ending counts.
    pub(super) fn end(&mut self, ending: Ending) {
        if self.ended {
            return;
        }
        self.ended = true;
        let output = match ending {
            Ending::Complete => self.usage.output,
            Ending::Aborted | Ending::Broken => {
                self.pace.generated(self.started.elapsed(), self.usage.output)
            }
        };
        let usage = TokenUsage { output, ..self.usage };
        self.books.ended(ending, &self.served, &usage, output > self.max_tokens);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.end(Ending::Aborted);
    }
}
