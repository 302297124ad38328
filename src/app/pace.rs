//! Slows a simulated run down so that people can watch it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::ports::pace::Pacer;

/// Virtual time at a fixed factor of real time. Stops waiting once somebody pressed Ctrl-C.
pub(super) struct Pace<'a> {
    begun: Instant,
    factor: f64,
    stop: &'a AtomicU8,
}

/// How long a press of Ctrl-C may go unnoticed.
const STEP: Duration = Duration::from_millis(50);

impl<'a> Pace<'a> {
    /// A virtual second takes `factor` seconds; 0 waits for nothing.
    pub(super) fn new(factor: f64, stop: &'a AtomicU8) -> Self {
        Self { begun: Instant::now(), factor, stop }
    }
}

impl Pacer for Pace<'_> {
    fn wait_until(&mut self, milliseconds: u64) {
        let virtual_time = Duration::from_millis(milliseconds);
        let due = Duration::try_from_secs_f64(virtual_time.as_secs_f64() * self.factor);
        let Ok(due) = due else { return };
        while self.stop.load(Ordering::Relaxed) == 0 {
            let Some(left) = due.checked_sub(self.begun.elapsed()).filter(|left| !left.is_zero())
            else {
                return;
            };
            thread::sleep(left.min(STEP));
        }
    }
}
