//! A job inside the child: how it says that it is still at work.

use std::io::{Stdout, stdout};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::frame::{Frame, Kind};

/// The least time between two signs of progress, milliseconds.
const INTERVAL_MILLISECONDS: u64 = 50;

/// How far a job is, in units of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in total; 0 where unknown.
    pub total: u64,
}

/// The child's end of the pipe. Shared by the threads of a job.
pub struct JobContext {
    begun: Instant,
    last_milliseconds: AtomicU64,
    done: AtomicU64,
    total: AtomicU64,
    output: Mutex<Stdout>,
}

impl JobContext {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            last_milliseconds: AtomicU64::new(0),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            output: Mutex::new(stdout()),
        }
    }

    /// Says that the job is still at work. Cheap: sends at most every 50 ms. A job that is silent
    /// for longer than [`SandboxLimits::silence`](super::SandboxLimits::silence) is killed.
    pub fn progress(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = self.last_milliseconds.load(Ordering::Relaxed);
        if now < last.saturating_add(INTERVAL_MILLISECONDS) {
            return;
        }
        let taken = self.last_milliseconds.compare_exchange(
            last,
            now,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if taken.is_ok() {
            let progress = Progress {
                done: self.done.load(Ordering::Relaxed),
                total: self.total.load(Ordering::Relaxed),
            };
            if let Ok(frame) = Frame::json(Kind::Progress, &progress) {
                self.send(&frame);
            }
        }
    }

    /// Sets how many units there are.
    pub fn set_total(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// Counts `units` as done, and says so.
    pub fn advance(&self, units: u64) {
        self.done.fetch_add(units, Ordering::Relaxed);
        self.progress();
    }

    /// Writes a frame. A parent that is gone has also closed the child's input, which ends it.
    pub(super) fn send(&self, frame: &Frame) {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let _gone = frame.write(&mut *output);
    }
}
