//! The lock of a run that is under way, on the machine of its process: the operating system takes it
//! away when that dies, however it does.

use std::path::Path;

use crate::budget::StoreError;
use crate::id::RunId;
use crate::ledger::owner::{Claim, Liveness, liveness};

/// Held by the process of a run until it has ended.
#[derive(Debug)]
pub struct RunLock {
    _claim: Claim,
}

impl RunLock {
    /// Takes the lock of `run` in `folder`, which is made where it is missing.
    ///
    /// # Errors
    /// The folder cannot be written, or the run is under way already.
    pub fn take(folder: &Path, run: &RunId) -> Result<Self, StoreError> {
        let claim = Claim::named(folder, run.0.to_string());
        let claim = claim.map_err(|fault| fault.told(folder.display()))?;
        Ok(Self { _claim: claim })
    }

    /// Whether the process lives that took the lock of `run` in `folder`; dead where nobody has one
    /// there.
    pub fn liveness(folder: &Path, run: &RunId) -> Liveness {
        // An id that is no name of a file was never locked under it.
        let is_name = Path::new(&*run.0).file_name().is_some_and(|name| name == &*run.0);
        if is_name { liveness(folder, &run.0) } else { Liveness::Dead }
    }
}
