//! The signals that end a gateway, so that requests in flight end first and nothing stays reserved.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use super::host::Ends;

/// Ready once the process is asked to end; `hangs_up` is whether a terminal that is closed asks for
/// it, too.
pub(super) fn asked_to_end(hangs_up: bool) -> io::Result<Ends> {
    let mut terminations = signal(SignalKind::terminate())?;
    let listens = hangs_up && !ignores_hangups();
    let mut hangups = listens.then(|| signal(SignalKind::hangup())).transpose()?;
    Ok(Box::pin(async move {
        let hung_up = async {
            match &mut hangups {
                Some(hangups) => drop(hangups.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _interrupt = tokio::signal::ctrl_c() => {}
            _terminate = terminations.recv() => {}
            () = hung_up => {}
        }
    }))
}

/// Whether whoever started this process wants it to outlive its terminal, as `nohup` does: listening
/// for the signal would undo that. Where the system does not say, it does not.
fn ignores_hangups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}
