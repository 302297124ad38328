//! How long a request takes, and for how long its child has shown no sign of life: when it is to be
//! ended, and what to say then.

use std::time::{Duration, Instant};

use super::activity::Activity;
use super::limits::SandboxLimits;
use super::processor_time;
use crate::ports::script::EngineError;

/// The least time between two looks at a silent child.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const SCRIPT_HELP: &str = "look for a loop that never awaits, or a huge array or string";
const TEXT_HELP: &str = "look for a huge literal, or for brackets that are nested deeply";

/// One request's time.
pub(super) struct Watch {
    limits: SandboxLimits,
    process: u32,
    begun: Instant,
    activity: Activity,
    /// The last sign of life.
    sign: Sign,
}

struct Sign {
    at: Instant,
    /// What the child had computed by then, where that is known.
    computed: Option<Duration>,
}

impl Sign {
    fn now(process: u32) -> Self {
        Self { at: Instant::now(), computed: processor_time::of_process(process) }
    }
}

impl Watch {
    /// From now on, over the process with that id, which begins with `activity`.
    pub(super) fn new(limits: SandboxLimits, process: u32, activity: Activity) -> Self {
        Self { limits, process, begun: Instant::now(), activity, sign: Sign::now(process) }
    }

    /// The child shows that it is at work on `activity`.
    pub(super) fn heard(&mut self, activity: Activity) {
        self.activity = activity;
        self.sign = Sign::now(self.process);
    }

    /// For how long nothing needs to be done about a silent child.
    pub(super) fn patience(&self) -> Duration {
        let left = self.limits.wall.saturating_sub(self.begun.elapsed());
        self.silence_left().map_or(left, |silence| left.min(silence.max(LOOK_AGAIN)))
    }

    /// Why the child is to be ended, if it is.
    pub(super) fn overdue(&self) -> Option<EngineError> {
        let silent = self.silence_left().is_some_and(|left| left.is_zero());
        if silent {
            return Some(
                self.blames_script(format!("no progress for {}", seconds(self.limits.silence))),
            );
        }
        let limit = self.limits.wall;
        if self.begun.elapsed() < limit {
            return None;
        }
        let quiet = self.sign.at.elapsed();
        let is_quiet = quiet >= self.limits.silence.min(limit / 2);
        Some(if self.activity != Activity::Reckoning && is_quiet {
            let (whole, quiet) = (seconds(limit), Duration::from_secs(quiet.as_secs().max(1)));
            let quiet = seconds(quiet);
            self.blames_script(format!("{whole} have passed, the last {quiet} without progress"))
        } else {
            EngineError::OutOfTime { limit }
        })
    }

    /// How much longer the child may show no sign of life: time that passes and time that it
    /// computes, whichever is the slower. `None` while none is expected.
    fn silence_left(&self) -> Option<Duration> {
        if self.activity == Activity::Reckoning {
            return None;
        }
        let left = self.limits.silence.saturating_sub(self.sign.at.elapsed());
        let computed = processor_time::of_process(self.process)
            .zip(self.sign.computed)
            .map(|(now, before)| now.saturating_sub(before));
        Some(
            computed
                .map_or(left, |computed| left.max(self.limits.silence.saturating_sub(computed))),
        )
    }

    fn blames_script(&self, reason: String) -> EngineError {
        let help = if self.activity == Activity::Running { SCRIPT_HELP } else { TEXT_HELP };
        EngineError::Killed { reason, help: help.to_owned() }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
