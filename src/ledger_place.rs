//! Where a ledger is, as people name it: a file, or a database on a server. Knows neither.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// What the URL of a Postgres database begins with.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Where a ledger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerPlace {
    /// In a file.
    File(PathBuf),
    /// In a Postgres database.
    Postgres(DatabaseUrl),
}

/// The URL of a database, most likely with a password in it: nothing here shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL itself, for who connects; not to be shown to anybody.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(…)")
    }
}

impl From<OsString> for LedgerPlace {
    /// A URL of Postgres, else a file. Whether the URL can be read is found out where it is used,
    /// since an error about an argument quotes it.
    fn from(text: OsString) -> Self {
        let is_url = |text: &str| SCHEMES.iter().any(|scheme| text.starts_with(scheme));
        match text.into_string() {
            Ok(url) if is_url(&url) => Self::Postgres(DatabaseUrl(url)),
            Ok(path) => Self::File(path.into()),
            Err(path) => Self::File(path.into()),
        }
    }
}
