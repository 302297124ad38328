//! What went wrong in a store, on its way to words.

use std::fmt::Display;

use rusqlite::ErrorCode;

use crate::budget::StoreError;

/// A failure inside a ledger, before it is told to anybody.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite's.
    Sql(rusqlite::Error),
    /// What was read makes no sense.
    Damaged(String),
    /// It cannot be used; the reason.
    Unusable(String),
    /// In words already.
    Told(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Told(error)
    }
}

impl Fault {
    /// In words, naming the ledger's place.
    pub(super) fn told(self, place: impl Display) -> StoreError {
        match self {
            Self::Sql(error) => of_sqlite(&error, place),
            Self::Damaged(reason) => StoreError::Damaged(format!("{place}: {reason}")),
            Self::Unusable(reason) => StoreError::Unusable(format!("{place}: {reason}")),
            Self::Told(error) => error,
        }
    }

    /// This, and that undoing it failed as well.
    pub(super) fn with_failed_rollback(
        self,
        second: &rusqlite::Error,
        place: impl Display,
    ) -> Self {
        let also = format!("; undoing the change failed too: {second}");
        Self::Told(match self.told(place) {
            StoreError::Busy(reason) | StoreError::Unusable(reason) => {
                StoreError::Unusable(reason + &also)
            }
            StoreError::Damaged(reason) => StoreError::Damaged(reason + &also),
            StoreError::Uncertain(reason) => StoreError::Uncertain(reason + &also),
            newer @ StoreError::Newer { .. } => newer,
        })
    }
}

/// Only an empty ledger is filled.
pub(super) fn holds_something() -> Fault {
    Fault::Unusable("it holds something already, and only an empty ledger is copied to".to_owned())
}

/// Whether somebody else holds what we need, so that waiting can help.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
        )
    )
}

fn of_sqlite(error: &rusqlite::Error, place: impl Display) -> StoreError {
    let unusable = |reason: &str| StoreError::Unusable(format!("{place}: {reason} ({error})"));
    let damaged = |reason: &str| StoreError::Damaged(format!("{place}: {reason} ({error})"));
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed,
        ) => StoreError::Busy(format!("{place} stayed locked ({error})")),
        Some(ErrorCode::DiskFull) => {
            unusable("there is no room left to write it; free some and try again")
        }
        Some(ErrorCode::ReadOnly) => {
            unusable("it is read-only; spending cannot be written down, so nothing is admitted")
        }
        Some(ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
            unusable("this user may not write it")
        }
        Some(ErrorCode::CannotOpen) => {
            unusable("it cannot be opened; check that its folder exists and can be written")
        }
        Some(ErrorCode::SystemIoFailure) => unusable("the disk failed to read or write it"),
        Some(ErrorCode::OutOfMemory) => unusable("there is not enough memory to read it"),
        Some(ErrorCode::NotADatabase) => damaged("it is not an SQLite database"),
        Some(ErrorCode::DatabaseCorrupt) => {
            damaged("a page makes no sense; restore the file from a copy")
        }
        Some(ErrorCode::ConstraintViolation) => damaged("a row contradicts another"),
        Some(_) => unusable("SQLite refused"),
        // Not from SQLite itself: a column of the wrong type or range.
        None => damaged("a row cannot be read"),
    }
}
