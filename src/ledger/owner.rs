//! Who holds reservations and slices: each process that takes some has a number in the ledger, and
//! a lock that the operating system takes from it when it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use crate::id::OwnerId;
use crate::ledger::failure::Fault;

/// A process that has held something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerRow {
    /// Which.
    pub id: OwnerId,
    /// The machine it runs on.
    pub host: String,
    /// Its process id there.
    pub process: u32,
    /// When it first took something, to the millisecond.
    pub since: Timestamp,
    /// Whether it lives.
    pub liveness: Liveness,
}

/// Whether a process lives, as far as can be known from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It holds its lock.
    Alive,
    /// It admits nothing any more.
    Dead,
    /// It cannot be reached, and may go on for a while.
    Silent,
}

/// The lock of one process, held for as long as this value lives.
#[derive(Debug)]
pub(super) struct Claim {
    token: String,
    path: PathBuf,
    _lock: File,
}

/// Tells apart several ledgers that one process has open.
static CLAIMS: AtomicU64 = AtomicU64::new(0);

impl Claim {
    /// Takes a lock of a new name in `folder`, which is made where it is missing.
    pub(super) fn take(folder: &Path, now: Timestamp) -> Result<Self, Fault> {
        let count = CLAIMS.fetch_add(1, Ordering::Relaxed);
        let token = format!("{}-{}-{count}", std::process::id(), now.as_nanosecond());
        Self::named(folder, token)
    }

    /// Takes a lock called `token`, which nobody had before, in `folder`.
    pub(super) fn named(folder: &Path, token: String) -> Result<Self, Fault> {
        let cannot = |error: std::io::Error| {
            Fault::Unusable(format!("no lock can be made in {}: {error}", folder.display()))
        };
        std::fs::create_dir_all(folder).map_err(cannot)?;
        let path = folder.join(&token);
        let lock = OpenOptions::new().write(true).create_new(true).open(&path).map_err(cannot)?;
        lock.try_lock().map_err(|error| cannot(error.into()))?;
        Ok(Self { token, path, _lock: lock })
    }

    /// Its name, unique in the ledger.
    pub(super) fn token(&self) -> &str {
        &self.token
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A lock that stays behind is nobody's, and says so.
        let _stays = std::fs::remove_file(&self.path);
    }
}

/// Whether the process that took the lock of this name in `folder` lives.
pub(super) fn liveness(folder: &Path, token: &str) -> Liveness {
    let lock = match File::open(folder.join(token)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == ErrorKind::NotFound => return Liveness::Dead,
        // Not to see a lock, for want of a right or of a descriptor, says nothing of who has it.
        Err(_) => return Liveness::Silent,
    };
    // Shared, so that two who look at once do not take each other for the owner.
    match lock.try_lock_shared() {
        Ok(()) => Liveness::Dead,
        Err(TryLockError::WouldBlock) => Liveness::Alive,
        Err(TryLockError::Error(_)) => Liveness::Silent,
    }
}

/// The name of this machine.
pub(super) fn host() -> String {
    #[cfg(unix)]
    {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }
    #[cfg(not(unix))]
    {
        "this machine".to_owned()
    }
}
