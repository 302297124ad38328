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
    /// Where no ledger can be: a URL that begins with this, such as `mysql:`.
    Elsewhere(String),
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
    /// A URL, else a file. Whether the URL can be read is found out where it is used, since an error
    /// about an argument quotes it.
    fn from(text: OsString) -> Self {
        let is_ours = |text: &str| SCHEMES.iter().any(|scheme| text.starts_with(scheme));
        match text.into_string() {
            Ok(url) if is_ours(&url) => Self::Postgres(DatabaseUrl(url)),
            Ok(text) => match scheme(&text) {
                Some(scheme) => Self::Elsewhere(format!("{scheme}:")),
                None => Self::File(text.into()),
            },
            Err(path) => Self::File(path.into()),
        }
    }
}

/// What stands before the first `:/`, if it can be a scheme: one letter is a drive.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(":/")?;
    let is_first = |first: char| first.is_ascii_alphabetic();
    let is_later = |later: char| later.is_ascii_alphanumeric() || "+-.".contains(later);
    (scheme.len() > 1 && scheme.starts_with(is_first) && scheme.chars().all(is_later))
        .then_some(scheme)
}
