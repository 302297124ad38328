//! What a child process may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits of one child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxLimits {
    /// The longest time without an answer or a sign of progress while text is read or a script
    /// runs: time that passes, and where the system tells it also time that the child computes.
    pub silence: Duration,
    /// The longest time for one answer, however much progress is reported.
    pub wall: Duration,
    /// Address space of the process, bytes. Thread stacks and allocator arenas are reserved out
    /// of it, so it must be well above what scripts may use.
    pub memory_bytes: u64,
}

impl Default for SandboxLimits {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(10),
            wall: Duration::from_mins(5),
            memory_bytes: 4 << 30,
        }
    }
}
