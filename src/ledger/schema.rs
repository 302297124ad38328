//! The tables of the embedded ledger, and how an older file becomes a newer one.
//!
//! Dollars are picodollars in decimal digits, as text: an `INTEGER` ends at nine million dollars.
//! Counts are `INTEGER`; one that does not fit is refused. Tables are `STRICT`, so that no column
//! turns a number into a float.

use rusqlite::Connection;

use crate::budget::StoreError;
use crate::ledger::failure::Fault;

/// The schema that this program writes. Older files are brought here, newer ones refused.
pub const SCHEMA_VERSION: i64 = 3;

/// Marks an SQLite file as a ledger of flyball: "flyb".
const APPLICATION_ID: i64 = 0x666c_7962;

/// Step `n` leads from version `n` to `n + 1`. A step that was shipped is never edited.
const STEPS: [&str; 3] = [ACCOUNTS, LEASES, PLAN_WINDOWS];

const ACCOUNTS: &str = "
CREATE TABLE scopes (
    id INTEGER PRIMARY KEY,
    parent INTEGER,
    path TEXT NOT NULL UNIQUE,
    limits TEXT NOT NULL,                 -- JSON, dollars as decimal strings
    paused INTEGER NOT NULL,
    settled_usd_pico TEXT NOT NULL,
    settled_billed_tokens INTEGER NOT NULL,
    settled_output_tokens INTEGER NOT NULL,
    settled_requests INTEGER NOT NULL,
    reserved_usd_pico TEXT NOT NULL,
    reserved_billed_tokens INTEGER NOT NULL,
    reserved_output_tokens INTEGER NOT NULL,
    reserved_requests INTEGER NOT NULL,
    agents_settled INTEGER NOT NULL,
    agents_reserved INTEGER NOT NULL,
    warned_per_mille TEXT NOT NULL        -- one number per unit
) STRICT;
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    path TEXT NOT NULL,                   -- scopes it is charged to, innermost first
    windows TEXT NOT NULL,                -- those of them that are calendar windows
    agent TEXT,
    end INTEGER NOT NULL,                 -- 0 in flight, 1 closed, 2 released
    usd_pico TEXT NOT NULL,
    billed_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    requests INTEGER NOT NULL
) STRICT;
CREATE INDEX attempts_in_flight ON attempts (agent) WHERE end = 0;
CREATE TABLE counted (
    agent TEXT NOT NULL,
    scope INTEGER NOT NULL,
    PRIMARY KEY (agent, scope)
) STRICT, WITHOUT ROWID;
CREATE TABLE entries (
    sequence INTEGER PRIMARY KEY,         -- from 0, without gaps
    at_milliseconds INTEGER NOT NULL,
    kind TEXT NOT NULL,
    attempt INTEGER,                      -- its number
    scope INTEGER,                        -- the innermost one
    agent TEXT,
    usd_pico TEXT,
    billed_tokens INTEGER,
    output_tokens INTEGER,
    requests INTEGER,
    details TEXT,                         -- JSON, what only this kind has
    note TEXT
) STRICT;
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    workflow TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    started_at_milliseconds INTEGER NOT NULL,
    ended_at_milliseconds INTEGER,
    status TEXT NOT NULL,
    hashes TEXT NOT NULL,                 -- JSON
    plan TEXT,                            -- JSON
    report TEXT                           -- JSON
) STRICT;
CREATE INDEX runs_by_start ON runs (started_at_milliseconds);
";

const LEASES: &str = "
ALTER TABLE scopes ADD COLUMN leased_usd_pico TEXT NOT NULL DEFAULT '0';
ALTER TABLE scopes ADD COLUMN leased_billed_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE scopes ADD COLUMN leased_output_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE scopes ADD COLUMN leased_requests INTEGER NOT NULL DEFAULT 0;
ALTER TABLE scopes ADD COLUMN recalled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN lease INTEGER;
ALTER TABLE attempts ADD COLUMN owner INTEGER;
CREATE TABLE leases (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,                   -- scopes it is taken from, innermost first
    windows TEXT NOT NULL,                -- those of them that are calendar windows
    left_usd_pico TEXT NOT NULL,
    left_billed_tokens INTEGER NOT NULL,
    left_output_tokens INTEGER NOT NULL,
    left_requests INTEGER NOT NULL,
    taken INTEGER NOT NULL,               -- records of its borrower's journal
    held INTEGER NOT NULL,
    owner INTEGER
) STRICT;
CREATE INDEX leases_held ON leases (id) WHERE held = 1;
CREATE TABLE owners (
    id INTEGER PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,           -- the name of its lock
    host TEXT NOT NULL,
    process INTEGER NOT NULL,
    since_milliseconds INTEGER NOT NULL
) STRICT;
";

const PLAN_WINDOWS: &str = "
CREATE TABLE plan_windows (
    number INTEGER PRIMARY KEY,
    at_milliseconds INTEGER NOT NULL,
    kind TEXT NOT NULL,                   -- limit, seen
    name TEXT NOT NULL,                   -- of the plan, or of the account
    plan_window TEXT NOT NULL,            -- 5h, week
    milli_percent INTEGER,                -- the limit, NULL for none; or what is used
    resets_at_seconds INTEGER,            -- of what was seen
    settled_usd_pico TEXT                 -- of what was seen
) STRICT;
CREATE INDEX plan_windows_limits ON plan_windows (number) WHERE kind = 'limit';
";

/// Refuses what is no ledger or a newer one. Whether the file needs [`migrate`].
pub(super) fn check(connection: &Connection) -> Result<bool, Fault> {
    let version = version(connection)?;
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    if number("PRAGMA application_id")? != APPLICATION_ID {
        if version != 0 || number("SELECT count(*) FROM sqlite_schema")? != 0 {
            let reason = "it is an SQLite database of another program";
            return Err(Fault::Damaged(reason.to_owned()));
        }
        return Ok(true);
    }
    if version < 0 {
        return Err(Fault::Damaged(format!("its schema has the number {version}")));
    }
    not_newer(version)?;
    Ok(version < SCHEMA_VERSION)
}

/// Fails where another process brought the file to a schema that this one does not know.
pub(super) fn still_known(connection: &Connection) -> Result<(), Fault> {
    not_newer(version(connection)?)
}

/// Takes every missing step, within the transaction that the caller has begun.
pub(super) fn migrate(connection: &Connection) -> Result<(), Fault> {
    let from = usize::try_from(version(connection)?)
        .map_err(|_| Fault::Damaged("its schema has a number below zero".to_owned()))?;
    for step in STEPS.iter().skip(from) {
        connection.execute_batch(step)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(())
}

fn not_newer(found: i64) -> Result<(), Fault> {
    if found > SCHEMA_VERSION {
        return Err(Fault::Told(StoreError::Newer { found, known: SCHEMA_VERSION }));
    }
    Ok(())
}

fn version(connection: &Connection) -> Result<i64, Fault> {
    let mut statement = connection.prepare_cached("PRAGMA user_version")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}
