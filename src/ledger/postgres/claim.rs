//! Which process holds what: each has a number, and the lock of that number on its connection, which
//! the server takes back when the connection ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::id::OwnerId;
use crate::ledger::columns::{count, count_of};
use crate::ledger::owner;
use crate::ledger::postgres::select;
use crate::ledger::postgres::session::{Question, Session};
use crate::ledger::postgres::trouble::Trouble;

/// The first half of the advisory locks of processes, "flyb"; the second is the process's number.
pub(super) const OWNERS: i64 = 1_718_385_506;

/// A process that is known already keeps its number.
const OWNER: &str = "
INSERT INTO flyball.owners (token, host, process, since_milliseconds) VALUES ($1, $2, $3, $4)
ON CONFLICT (token) DO UPDATE SET host = excluded.host RETURNING id";

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
    session.ask(None, vec![question], wait).map(drop)
}
