//! Opening the file of the embedded ledger: making it, checking it, and what every connection is set
//! to.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use crate::ledger::failure::{Fault, is_busy};
use crate::ledger::schema;
use crate::ledger::sqlite::WAIT_MAX;

/// Between two tries where SQLite itself does not wait.
const RETRY: Duration = Duration::from_millis(5);
/// Statements that stay compiled.
const STATEMENTS_MAX: usize = 64;

/// Set on every connection. `fullfsync` matters on macOS only, where an `fsync` is not enough.
const SETTINGS: &str = "
PRAGMA synchronous = FULL;
PRAGMA fullfsync = ON;
PRAGMA foreign_keys = OFF;
PRAGMA trusted_schema = OFF;
PRAGMA journal_size_limit = 67108864;
PRAGMA cell_size_check = ON;
";

/// A connection that writes; the file is made where it is missing.
pub(super) fn writable(path: &Path) -> Result<Connection, Fault> {
    make_folders(path)?;
    let fresh = !path.exists();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    if fresh {
        // By name: opening and closing the file would drop SQLite's locks on it.
        keep_private(path)?;
    }
    set(&connection)?;
    if connection.is_readonly("main")? {
        let reason = "it is read-only, and spending could not be written down";
        return Err(Fault::Unusable(reason.to_owned()));
    }
    patiently(&connection, prepare)?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn read_only(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    set(&connection)?;
    if schema::check(&connection)? {
        let reason = "it has an older schema; whatever writes to it next brings it up to date";
        return Err(Fault::Unusable(reason.to_owned()));
    }
    Ok(connection)
}

/// The one path of a file that is open, whatever links it was named by.
pub(super) fn canonical(path: &Path) -> Result<PathBuf, Fault> {
    path.canonicalize()
        .map_err(|error| Fault::Unusable(format!("what lies beside it cannot be found: {error}")))
}

fn set(connection: &Connection) -> Result<(), Fault> {
    connection.busy_timeout(WAIT_MAX)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection.execute_batch(SETTINGS)?)
}

/// Looks before it touches: a file of another program stays as it is.
fn prepare(connection: &Connection) -> Result<(), Fault> {
    let outdated = schema::check(connection)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        let reason = "its file system cannot share memory between processes, which SQLite's write-ahead log needs; put it on a local disk";
        return Err(Fault::Unusable(reason.to_owned()));
    }
    if outdated {
        let transaction = rusqlite::Transaction::new_unchecked(
            connection,
            rusqlite::TransactionBehavior::Immediate,
        )?;
        // Somebody else may have been faster.
        if schema::check(&transaction)? {
            schema::migrate(&transaction)?;
        }
        transaction.commit()?;
    }
    Ok(())
}

/// Turning on the write-ahead log, and recovering it, fail at once where others do the same.
fn patiently(
    connection: &Connection,
    mut work: impl FnMut(&Connection) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let begun = Instant::now();
    loop {
        match work(connection) {
            Err(Fault::Sql(error)) if is_busy(&error) && begun.elapsed() < WAIT_MAX => {
                std::thread::sleep(RETRY);
            }
            done => return done,
        }
    }
}

fn make_folders(path: &Path) -> Result<(), Fault> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| {
        Fault::Unusable(format!("the folder {} cannot be made: {error}", folder.display()))
    })
}

fn keep_private(path: &Path) -> Result<(), Fault> {
    #[cfg(unix)]
    {
        let only_owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(path, only_owner)
            .map_err(|error| Fault::Unusable(format!("it cannot be made private: {error}")))?;
    }
    Ok(())
}
