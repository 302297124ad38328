//! `setTimeout` in virtual time.

use std::collections::{BTreeMap, BTreeSet};

use rquickjs::{Function, Persistent};

/// A callback; its arguments are bound.
pub(super) struct Timer {
    pub(super) callback: Persistent<Function<'static>>,
}

/// The timers of one execution, in the order they are due.
#[derive(Default)]
pub(super) struct Timers {
    now_milliseconds: u64,
    last_id: u32,
    due: BTreeSet<(u64, u32)>,
    waiting: BTreeMap<u32, (u64, Timer)>,
}

/// The longest delay; longer ones fire at once elsewhere, here they wait this long.
const DELAY_MILLISECONDS_MAX: f64 = 2_147_483_647.0;

impl Timers {
    /// Sets a timer and returns its id. Delays below 1 ms are 1 ms.
    pub(super) fn set(&mut self, timer: Timer, delay_milliseconds: f64) -> u32 {
        let delay = if delay_milliseconds.is_nan() { 1.0 } else { delay_milliseconds };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let delay = delay.clamp(1.0, DELAY_MILLISECONDS_MAX) as u64;
        self.last_id = self.last_id.wrapping_add(1);
        let due = self.now_milliseconds + delay;
        self.due.insert((due, self.last_id));
        self.waiting.insert(self.last_id, (due, timer));
        self.last_id
    }

    /// Forgets a timer. Whether there was one.
    pub(super) fn clear(&mut self, id: u32) -> bool {
        let Some((due, _)) = self.waiting.remove(&id) else { return false };
        self.due.remove(&(due, id))
    }

    /// When the next timer is due.
    pub(super) fn next_due_milliseconds(&self) -> Option<u64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Takes the next timer due by `milliseconds` and moves the clock to it.
    pub(super) fn take_due(&mut self, milliseconds: u64) -> Option<Timer> {
        let (due, id) = self.due.first().copied().filter(|(due, _)| *due <= milliseconds)?;
        self.due.remove(&(due, id));
        self.now_milliseconds = self.now_milliseconds.max(due);
        self.waiting.remove(&id).map(|(_, timer)| timer)
    }

    /// Moves the clock; it never goes back.
    pub(super) fn advance_to(&mut self, milliseconds: u64) {
        self.now_milliseconds = self.now_milliseconds.max(milliseconds);
    }
}
