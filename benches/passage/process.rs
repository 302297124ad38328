//! What a process takes, as Linux counts it; nothing elsewhere.

use std::fs::read_to_string;
use std::time::Duration;

/// In what the kernel counts time; it is the same on every usual machine.
const TICK_MS: u64 = 10;

/// A process, with the workers that it had when it was looked at first.
pub(super) struct Process(Vec<u32>);

impl Process {
    pub(super) fn new(id: u32) -> Self {
        let children = read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        Self(std::iter::once(id).chain(children).collect())
    }

    /// How long it has computed so far, in it and for it in the kernel.
    pub(super) fn computed(&self) -> Duration {
        let of = |id: &u32| -> Option<u64> {
            let text = read_to_string(format!("/proc/{id}/stat")).ok()?;
            let mut fields = text.rsplit_once(") ")?.1.split(' ').skip(11);
            Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
        };
        Duration::from_millis(self.0.iter().filter_map(of).sum::<u64>() * TICK_MS)
    }

    /// The most memory that it has held.
    pub(super) fn peak_memory_bytes(&self) -> u64 {
        let most = |id: &u32| {
            let status = read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        };
        self.0.iter().filter_map(most).sum::<u64>() * 1_024
    }
}
