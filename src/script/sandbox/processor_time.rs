//! How long a process has been computing, where the system tells it. A machine with too much to do
//! makes a script wait, and a script that waits does nothing wrong.

use std::time::Duration;

/// The time that all threads of process `id` have computed so far, to a hundredth of a second;
/// `None` where there is no such process.
#[cfg(target_os = "linux")]
pub(super) fn of_process(id: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field is a name in parentheses, which may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let (user, system) = (ticks()?, ticks()?);
    let milliseconds = (user + system) * 1_000 / rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_millis(milliseconds))
}

/// Not told here.
#[cfg(not(target_os = "linux"))]
pub(super) fn of_process(_id: u32) -> Option<Duration> {
    None
}
