//! What went wrong between a server and us, and what it means: deny, wait, or try again.

use std::error::Error;
use std::fmt::Display;
use std::io;

use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::budget::StoreError;
use crate::ledger::failure::Fault;

/// A failure on the way to words. Nothing was kept.
#[derive(Debug)]
pub(super) enum Trouble {
    /// As with any ledger.
    Fault(Fault),
    /// Others hold what we need for longer than we wait.
    Busy(String),
    /// Somebody else was faster; another try finds things as they are now.
    Conflict(String),
    /// The connection is gone.
    Lost(String),
    /// No answer came, and none is waited for any more.
    Silent(String),
    /// The server is about to be there, or has no room for us just now.
    NotReady(String),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(answer) => said(answer),
            None => unsaid(&error),
        }
    }
}

impl Trouble {
    /// In words, naming the ledger's place.
    pub(super) fn told(self, place: impl Display) -> StoreError {
        match self {
            Self::Fault(fault) => fault.told(place),
            Self::Busy(reason) | Self::Conflict(reason) => {
                StoreError::Busy(format!("{place}: {reason}"))
            }
            Self::Lost(reason) => {
                StoreError::Unusable(format!("{place}: the connection was lost ({reason})"))
            }
            Self::Silent(reason) | Self::NotReady(reason) => {
                StoreError::Unusable(format!("{place}: {reason}"))
            }
        }
    }

    /// Damage, seen by us.
    pub(super) fn damaged(reason: impl Into<String>) -> Self {
        Self::Fault(Fault::Damaged(reason.into()))
    }

    /// The reason why it cannot be used.
    pub(super) fn unusable(reason: impl Into<String>) -> Self {
        Self::Fault(Fault::Unusable(reason.into()))
    }
}

/// Whether a failed commit was undone for certain: the server lives and says so.
pub(super) fn is_undone(error: &tokio_postgres::Error) -> bool {
    let unknown =
        [SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN, SqlState::TRANSACTION_RESOLUTION_UNKNOWN];
    error.as_db_error().is_some_and(|answer| {
        answer.parsed_severity() == Some(Severity::Error) && !unknown.contains(answer.code())
    })
}

/// What an answer of the server means.
fn said(answer: &DbError) -> Trouble {
    let (code, message) = (answer.code(), answer.message());
    let unusable = |reason: &str| Trouble::unusable(format!("{reason} ({message})"));
    let damaged = |reason: &str| Trouble::damaged(format!("{reason} ({message})"));
    match *code {
        SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::UNIQUE_VIOLATION => {
            Trouble::Conflict(format!("another process was faster ({message})"))
        }
        SqlState::LOCK_NOT_AVAILABLE | SqlState::QUERY_CANCELED => {
            Trouble::Busy(format!("it stayed locked ({message})"))
        }
        SqlState::CANNOT_CONNECT_NOW | SqlState::TOO_MANY_CONNECTIONS => {
            Trouble::NotReady(format!("the server takes no connection now ({message})"))
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            unusable("it is read-only; spending cannot be written down, so nothing is admitted")
        }
        SqlState::INSUFFICIENT_PRIVILEGE => unusable("this user may not do that there"),
        SqlState::INVALID_CATALOG_NAME => unusable("there is no such database; create it first"),
        SqlState::DISK_FULL => {
            unusable("there is no room left to write it; free some and try again")
        }
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE => unusable("an amount is more than it can hold"),
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN | SqlState::INVALID_SCHEMA_NAME => {
            damaged("a table is not as flyball made it")
        }
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => {
            damaged("a page makes no sense; restore the database from a copy")
        }
        _ => match code.code().get(..2) {
            Some("08" | "57") => Trouble::Lost(message.to_owned()),
            Some("25") if answer.parsed_severity() == Some(Severity::Fatal) => {
                Trouble::Lost(message.to_owned())
            }
            Some("23") => damaged("a row contradicts another"),
            Some("28") => unusable("the server does not let this user in"),
            Some("53") => unusable("the server has not enough of something"),
            _ => unusable("the server refused"),
        },
    }
}

/// What it means where the server said nothing.
fn unsaid(error: &tokio_postgres::Error) -> Trouble {
    let cause = error.source().map(ToString::to_string);
    let reason = cause.unwrap_or_else(|| error.to_string());
    let broken = error.source().is_some_and(<dyn Error>::is::<io::Error>);
    // A handshake that fails is broken off, and no better the next time.
    if error.is_closed() || broken && !error.to_string().contains("TLS") {
        return Trouble::Lost(reason);
    }
    Trouble::unusable(format!("{error} ({reason})"))
}
