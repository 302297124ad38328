//! Which process holds what: each has a number, and the lock of that number on its connection, which
//! the server takes back when the connection ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::id::OwnerId;
use crate::ledger::columns::{count, count_of};
use crate::ledger::failure::Fault;
use crate::ledger::owner;
use crate::ledger::postgres::select;
use crate::ledger::postgres::session::{Question, Session};
use crate::ledger::postgres::trouble::Trouble;

/// The first half of the advisory locks of processes, "flyb"; the second is the process's number.
pub(super) const OWNERS: i64 = 1_718_385_506;

/// A process that was seen without its lock, and after so long is still without it, is dead: by then
/// it has stopped drawing from slices, or has come back.
pub(super) const SILENCE_MILLISECONDS: i64 = 60_000;

/// A process that is known already keeps its number.
const OWNER: &str = "
INSERT INTO flyball.owners (token, host, process, since_milliseconds) VALUES ($1, $2, $3, $4)
ON CONFLICT (token) DO UPDATE SET host = excluded.host RETURNING id";

const SPEAKS: &str = "UPDATE flyball.owners SET silent_since_milliseconds = NULL WHERE id = $1";

const IS_SILENT: &str = "
UPDATE flyball.owners
SET silent_since_milliseconds = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
WHERE id = ANY ($1) AND silent_since_milliseconds IS NULL";

const HAS_ENDED: &str = "UPDATE flyball.owners SET silent_since_milliseconds = 0 WHERE id = $1";

/// Tells apart several ledgers that one process has open.
static CLAIMS: AtomicU64 = AtomicU64::new(0);

/// A name that no other process has.
pub(super) fn token(now: Timestamp) -> String {
    let count = CLAIMS.fetch_add(1, Ordering::Relaxed);
    format!("{}-{}-{}-{count}", owner::host(), std::process::id(), now.as_nanosecond())
}

/// Gives the process of this name its number, within a transaction.
pub(super) fn number(
    session: &Session,
    token: &str,
    now: Timestamp,
    wait: Duration,
) -> Result<OwnerId, Trouble> {
    let question = Question::new(OWNER)
        .text(token.to_owned())
        .text(owner::host())
        .number(i64::from(std::process::id()))
        .number(now.as_millisecond());
    let answers = session.ask(None, vec![question], wait)?;
    let rows = answers.first().map_or(&[][..], |answer| &answer.rows);
    let [row] = rows else { return Err(Trouble::damaged("a process has no number")) };
    Ok(OwnerId(count_of(select::get(row, 0)?)?))
}

/// Takes the process's lock on this connection; it stays until the connection ends. Shared, since
/// the server may not have noticed yet that the last connection is gone.
pub(super) fn lock(session: &Session, id: OwnerId, wait: Duration) -> Result<(), Trouble> {
    let sql = "SELECT pg_advisory_lock_shared($1::bigint::int, $2::bigint::int)";
    let question = Question::new(sql).number(OWNERS).number(count(id.0)?);
    let speaks = Question::new(SPEAKS).number(count(id.0)?);
    session.ask(None, vec![question, speaks], wait).map(drop)
}

/// Remembers that these processes were seen without their locks.
pub(super) fn seem_silent(
    session: &Session,
    ids: &[OwnerId],
    wait: Duration,
) -> Result<(), Trouble> {
    let ids: Result<Vec<i64>, Fault> = ids.iter().map(|id| count(id.0)).collect();
    session.ask(None, vec![Question::new(IS_SILENT).numbers(ids?)], wait).map(drop)
}

/// Gives up the process's lock: it admits nothing any more.
pub(super) fn end(session: &Session, id: OwnerId, wait: Duration) -> Result<(), Trouble> {
    let number = count(id.0)?;
    let unlock = "SELECT pg_advisory_unlock_shared($1::bigint::int, $2::bigint::int)";
    let ended = Question::new(HAS_ENDED).number(number);
    let unlock = Question::new(unlock).number(OWNERS).number(number);
    session.ask(None, vec![ended, unlock], wait).map(drop)
}
