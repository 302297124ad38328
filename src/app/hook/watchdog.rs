//! The last answer: a hook that says nothing for long would be ended by its client, which then goes
//! ahead. So a thread of its own ends it in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The right to answer, which is given once, and the time until it is taken away.
#[derive(Clone)]
pub(super) struct Watchdog {
    answered: Arc<AtomicBool>,
    ends: Instant,
}

impl Watchdog {
    /// Gives the right to answer away after `limit`: `late` then answers and ends the process. An
    /// error where there can be no such thread.
    pub(super) fn start(
        limit: Duration,
        late: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Self> {
        let watchdog =
            Self { answered: Arc::new(AtomicBool::new(false)), ends: Instant::now() + limit };
        let watching = watchdog.clone();
        thread::Builder::new().spawn(move || {
            thread::sleep(limit);
            if watching.takes_answer() {
                late();
            }
        })?;
        Ok(watchdog)
    }

    /// What is left of the time.
    pub(super) fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Waits for the end of the process where the time was up; else nobody else answers any more.
    pub(super) fn take_answer(&self) {
        while !self.takes_answer() {
            thread::park();
        }
    }

    fn takes_answer(&self) -> bool {
        !self.answered.swap(true, Ordering::SeqCst)
    }
}
