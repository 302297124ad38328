//! Moving a ledger: everything that one holds, into another that holds nothing.

use sha2::{Digest, Sha256};

use crate::budget::{AttemptEnd, AttemptRow, LeaseRow, StoreError};
use crate::ledger::access::{AnyRow, Ledger, ReadLedger};
use crate::ledger::verify::{VerifyError, verify};

/// What was copied, in rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Scopes.
    pub scopes: u64,
    /// Attempts.
    pub attempts: u64,
    /// Of these, those in flight.
    pub in_flight: u64,
    /// Entries.
    pub entries: u64,
    /// Runs.
    pub runs: u64,
    /// What is known of plan windows.
    pub plan_windows: u64,
}

/// Why a ledger was not copied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// The one to copy cannot be read, or does not balance.
    #[error("the ledger to copy: {0}")]
    From(VerifyError),
    /// Slices of its balance are lent out, and their holders will return them to no other ledger.
    #[error(
        "the ledger to copy has lent out {0} slices of its budgets: let the processes that hold them end first"
    )]
    Lent(usize),
    /// The other cannot be written; nothing was copied, unless nobody knows.
    #[error(transparent)]
    To(#[from] StoreError),
    /// The copy cannot be read, or does not balance.
    #[error("the copy must not be used: {0}")]
    Copy(VerifyError),
    /// The copy is not what was read.
    #[error("the copy must not be used: it does not hold what was copied")]
    Differs,
}

/// Copies every row of `from` to `to`, which must be empty, in one transaction; then reads the copy
/// back, compares it row by row and recomputes its balances.
///
/// # Errors
/// Nothing was copied, or the copy must not be used: the error says which.
pub fn copy(from: &dyn ReadLedger, to: &mut dyn Ledger) -> Result<Copied, CopyError> {
    verify(from).map_err(CopyError::From)?;
    match from.leases().map_err(|error| CopyError::From(VerifyError::Store(error)))?.len() {
        0 => {}
        lent => return Err(CopyError::Lent(lent)),
    }
    let mut read = Tally::default();
    to.fill(&mut |each| {
        // Counted anew should it be asked for again.
        read = Tally::default();
        from.every_row(&mut |row| {
            let row = held_by_nobody(row);
            read.count(&row);
            each(row)
        })
    })?;
    let mut kept = Tally::default();
    let reread = to.every_row(&mut |row| {
        kept.count(&row);
        Ok(())
    });
    reread.map_err(|error| CopyError::Copy(VerifyError::Store(error)))?;
    if (read.copied, read.digest.finalize()) != (kept.copied, kept.digest.finalize()) {
        return Err(CopyError::Differs);
    }
    verify(to).map_err(CopyError::Copy)?;
    Ok(kept.copied)
}

/// The same without the process that holds it: it holds it in the ledger it was asked for.
fn held_by_nobody(row: AnyRow) -> AnyRow {
    match row {
        AnyRow::Attempt(row) => AnyRow::Attempt(AttemptRow { owner: None, ..row }),
        AnyRow::Lease(row) => AnyRow::Lease(LeaseRow { owner: None, ..row }),
        other => other,
    }
}

/// Rows as they went by.
#[derive(Default)]
struct Tally {
    copied: Copied,
    digest: Sha256,
}

impl Tally {
    fn count(&mut self, row: &AnyRow) {
        match row {
            AnyRow::Scope(_) => self.copied.scopes += 1,
            AnyRow::Attempt(row) => {
                self.copied.attempts += 1;
                self.copied.in_flight += u64::from(row.end == AttemptEnd::Reserved);
            }
            AnyRow::Counted(..) | AnyRow::Lease(_) => {}
            AnyRow::Entry(_) => self.copied.entries += 1,
            AnyRow::Run(_) => self.copied.runs += 1,
            AnyRow::PlanWindow(_) => self.copied.plan_windows += 1,
        }
        // Rows that differ in anything are written differently.
        self.digest.update(format!("{row:?}\n"));
    }
}
