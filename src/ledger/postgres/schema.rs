//! The tables of a ledger on Postgres, and how older ones become newer.
//!
//! Everything is in a schema of its own, named `flyball`. Dollars are picodollars in `NUMERIC(38,0)`,
//! counts `BIGINT`; what does not fit is refused. JSON is kept as it was written (`json`, not
//! `jsonb`), since it holds dollars as digits and keys in order.

use std::time::Duration;

use crate::budget::StoreError;
use crate::ledger::failure::Fault;
use crate::ledger::postgres::session::{Commit, Question, Session};
use crate::ledger::postgres::trouble::Trouble;

/// The schema that this program writes to Postgres. Older tables are brought here, newer refused.
pub(super) const SCHEMA_VERSION: i64 = 2;

/// Held by who makes or changes tables: "flyb" and a number.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7384640318541824001)";

/// Step `n` leads from version `n` to `n + 1`. A step that was shipped is never edited.
const STEPS: [&str; 2] = [ACCOUNTS, PLAN_WINDOWS];

/// Rows of `locks` never change. Whoever opens scopes holds `scopes` from before it reads, whoever
/// writes entries holds `entries` from before it numbers them. Slices may be numbered with gaps:
/// each batch has a block of `lease_numbers` to itself.
const ACCOUNTS: &str = "
CREATE TABLE flyball.ledger (
    schema_version BIGINT NOT NULL
);
INSERT INTO flyball.ledger VALUES (0);
CREATE TABLE flyball.locks (
    name TEXT PRIMARY KEY
);
INSERT INTO flyball.locks VALUES ('scopes'), ('entries');
CREATE TABLE flyball.scopes (
    id BIGINT PRIMARY KEY,
    parent BIGINT,
    path TEXT NOT NULL UNIQUE,
    limits JSON NOT NULL,                 -- dollars as decimal strings
    paused BOOLEAN NOT NULL,
    settled_usd_pico NUMERIC(38,0) NOT NULL,
    settled_billed_tokens BIGINT NOT NULL,
    settled_output_tokens BIGINT NOT NULL,
    settled_requests BIGINT NOT NULL,
    reserved_usd_pico NUMERIC(38,0) NOT NULL,
    reserved_billed_tokens BIGINT NOT NULL,
    reserved_output_tokens BIGINT NOT NULL,
    reserved_requests BIGINT NOT NULL,
    agents_settled BIGINT NOT NULL,
    agents_reserved BIGINT NOT NULL,
    warned_per_mille BIGINT[] NOT NULL,   -- one number per unit
    leased_usd_pico NUMERIC(38,0) NOT NULL,
    leased_billed_tokens BIGINT NOT NULL,
    leased_output_tokens BIGINT NOT NULL,
    leased_requests BIGINT NOT NULL,
    recalled BOOLEAN NOT NULL
);
CREATE TABLE flyball.attempts (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    path BIGINT[] NOT NULL,               -- scopes it is charged to, innermost first
    windows BIGINT[] NOT NULL,            -- those of them that are calendar windows
    agent TEXT,
    state BIGINT NOT NULL,                -- 0 in flight, 1 closed, 2 released
    usd_pico NUMERIC(38,0) NOT NULL,
    billed_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    lease BIGINT,
    owner BIGINT
);
CREATE INDEX attempts_in_flight ON flyball.attempts (agent) WHERE state = 0;
CREATE TABLE flyball.counted (
    agent TEXT NOT NULL,
    scope BIGINT NOT NULL,
    PRIMARY KEY (agent, scope)
);
CREATE TABLE flyball.leases (
    id BIGINT PRIMARY KEY,
    path BIGINT[] NOT NULL,               -- scopes it is taken from, innermost first
    windows BIGINT[] NOT NULL,            -- those of them that are calendar windows
    left_usd_pico NUMERIC(38,0) NOT NULL,
    left_billed_tokens BIGINT NOT NULL,
    left_output_tokens BIGINT NOT NULL,
    left_requests BIGINT NOT NULL,
    taken BIGINT NOT NULL,                -- records of its borrower's journal
    held BOOLEAN NOT NULL,
    owner BIGINT
);
CREATE INDEX leases_held ON flyball.leases (id) WHERE held;
CREATE SEQUENCE flyball.lease_numbers INCREMENT BY 65536;
CREATE TABLE flyball.owners (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,           -- names one opening of the ledger
    host TEXT NOT NULL,
    process BIGINT NOT NULL,
    since_milliseconds BIGINT NOT NULL,
    silent_since_milliseconds BIGINT      -- when it was first seen without its lock, or 0: it ended
);
CREATE TABLE flyball.entries (
    sequence BIGINT PRIMARY KEY,          -- from 0, without gaps
    at_milliseconds BIGINT NOT NULL,
    kind TEXT NOT NULL,
    attempt TEXT,                         -- its id
    scope BIGINT,                         -- the innermost one
    agent TEXT,
    usd_pico NUMERIC(38,0),
    billed_tokens BIGINT,
    output_tokens BIGINT,
    requests BIGINT,
    details JSON,                         -- what only this kind has
    note TEXT
);
CREATE TABLE flyball.runs (
    id TEXT PRIMARY KEY,
    workflow TEXT NOT NULL,
    simulated BOOLEAN NOT NULL,
    started_at_milliseconds BIGINT NOT NULL,
    ended_at_milliseconds BIGINT,
    status TEXT NOT NULL,
    hashes JSON NOT NULL,
    plan JSON,
    report JSON
);
CREATE INDEX runs_by_start ON flyball.runs (started_at_milliseconds);
";

const PLAN_WINDOWS: &str = "
CREATE TABLE flyball.plan_windows (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_milliseconds BIGINT NOT NULL,
    kind TEXT NOT NULL,                   -- limit, seen
    name TEXT NOT NULL,                   -- of the plan, or of the account
    plan_window TEXT NOT NULL,            -- 5h, week
    milli_percent BIGINT,                 -- the limit, NULL for none; or what is used
    resets_at_seconds BIGINT,             -- of what was seen
    settled_usd_pico NUMERIC(38,0)        -- of what was seen
);
CREATE INDEX plan_windows_limits ON flyball.plan_windows (number) WHERE kind = 'limit';
";

/// Whether a ledger is there; where `create` is set, it is made where it is missing and brought up
/// to date where it is older.
///
/// # Errors
/// It cannot be reached or made, is another program's, or a newer flyball wrote it.
pub(super) fn prepare(session: &Session, create: bool, wait: Duration) -> Result<bool, Trouble> {
    match version(session, None, wait)? {
        Some(SCHEMA_VERSION) => return Ok(true),
        None if !create => return Ok(false),
        Some(_) if !create => {
            let reason = "it has an older schema; whatever writes to it next brings it up to date";
            return Err(Trouble::unusable(reason));
        }
        _ => {}
    }
    // Others may do the same at this moment; the lock goes with the transaction.
    let begin = format!("BEGIN; SET LOCAL statement_timeout = {}; {LOCK}", wait.as_millis());
    let found = version(session, Some(&begin), wait)?;
    session.ask(Some(&steps_from(found)?), Vec::new(), wait)?;
    match session.commit(wait) {
        Commit::Kept => Ok(true),
        Commit::Undone(trouble) => Err(trouble),
        // Tables hold no money yet; whoever looks next finds them or makes them.
        Commit::Unknown(reason) => Err(Trouble::Lost(reason)),
    }
}

/// What leads from version `found` to the present one.
fn steps_from(found: Option<i64>) -> Result<String, Trouble> {
    let below_zero = |_| Trouble::damaged("its schema has a number below zero");
    let from = found.map_or(Ok(0), usize::try_from).map_err(below_zero)?;
    let mut script = match found {
        None => "CREATE SCHEMA IF NOT EXISTS flyball;".to_owned(),
        // Who has read the version goes on until its transaction ends, who has not waits.
        Some(_) => "LOCK TABLE flyball.ledger IN ACCESS EXCLUSIVE MODE;".to_owned(),
    };
    for step in STEPS.iter().skip(from) {
        script.push_str(step);
    }
    let number = format!("UPDATE flyball.ledger SET schema_version = {SCHEMA_VERSION}");
    Ok(script + &number)
}

/// The schema's number after `begin`; `None` where there is no ledger. Refuses a newer one.
fn version(session: &Session, begin: Option<&str>, wait: Duration) -> Result<Option<i64>, Trouble> {
    let look = Question::new(
        "SELECT to_regclass('flyball.ledger') IS NOT NULL, EXISTS ( \
             SELECT FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = 'flyball')",
    );
    let answers = session.ask(begin, vec![look], wait)?;
    let row = answers.first().and_then(|answer| answer.rows.first());
    let flags = row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose();
    let flags: Option<(bool, bool)> = flags.map_err(|error: tokio_postgres::Error| error)?;
    match flags {
        Some((true, _)) => {
            let answers = session.ask(None, vec![version_question()], wait)?;
            not_newer(answers.first().map_or(&[], |answer| &answer.rows)).map(Some)
        }
        Some((false, true)) => {
            Err(Trouble::damaged("its schema `flyball` holds tables of another program"))
        }
        _ => Ok(None),
    }
}

/// Asks for the number, and keeps the tables as they are until the transaction ends.
pub(super) fn version_question() -> Question {
    Question::new("SELECT schema_version FROM flyball.ledger")
}

/// Refuses a number that this program does not know.
pub(super) fn not_newer(rows: &[tokio_postgres::Row]) -> Result<i64, Trouble> {
    let [row] = rows else { return Err(Trouble::damaged("it does not say which schema it has")) };
    let found: i64 = row.try_get(0)?;
    if found < 0 {
        return Err(Trouble::damaged(format!("its schema has the number {found}")));
    }
    if found > SCHEMA_VERSION {
        let newer = StoreError::Newer { found, known: SCHEMA_VERSION };
        return Err(Trouble::Fault(Fault::Told(newer)));
    }
    Ok(found)
}
