//! A job inside the child: how it says what it is doing, and that it is still at work.

use std::io::{Stdout, stdout};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::activity::Activity;
use super::frame::{Frame, Kind};

/// The least time between two signs of progress, milliseconds.
const INTERVAL_MILLISECONDS: u64 = 50;

/// The child's end of the pipe. Shared by the threads of a job; cheap to clone.
#[derive(Clone)]
pub struct JobContext(Arc<Shared>);

struct Shared {
    begun: Instant,
    last_milliseconds: AtomicU64,
    pipe: Mutex<Pipe>,
}

struct Pipe {
    output: Stdout,
    activity: Activity,
}

impl Pipe {
    /// Writes a frame. A parent that is gone has also closed the child's input, which ends it.
    fn send(&mut self, frame: &Frame) {
        let _gone = frame.write(&mut self.output);
    }

    fn say_activity(&mut self) {
        if let Ok(frame) = Frame::json(Kind::Progress, &self.activity) {
            self.send(&frame);
        }
    }
}

impl JobContext {
    pub(super) fn new() -> Self {
        let pipe = Pipe { output: stdout(), activity: Activity::Reading };
        Self(Arc::new(Shared {
            begun: Instant::now(),
            last_milliseconds: AtomicU64::new(0),
            pipe: Mutex::new(pipe),
        }))
    }

    /// Says that the job is still at work. Cheap: sends at most every 50 ms. A job that reads text
    /// or runs a script and is silent for longer than
    /// [`SandboxLimits::silence`](super::SandboxLimits::silence) is killed.
    pub fn progress(&self) {
        let now = u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = &self.0.last_milliseconds;
        let before = last.load(Ordering::Relaxed);
        if now < before.saturating_add(INTERVAL_MILLISECONDS) {
            return;
        }
        if last.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.pipe().say_activity();
        }
    }

    /// Says what the job does from now on, however short it was doing something else. A job begins
    /// with [`Activity::Reading`].
    pub fn turn_to(&self, activity: Activity) {
        let mut pipe = self.pipe();
        pipe.activity = activity;
        pipe.say_activity();
    }

    /// A new job begins.
    pub(super) fn begin(&self) {
        self.pipe().activity = Activity::Reading;
    }

    pub(super) fn send(&self, frame: &Frame) {
        self.pipe().send(frame);
    }

    fn pipe(&self) -> MutexGuard<'_, Pipe> {
        self.0.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
