//! Writing rows of the embedded ledger, within a transaction that the caller has begun.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Statement, params};

use crate::budget::{AttemptRow, Changes, EntryKind, LeaseRow, ScopeId, ScopeRow};
use crate::id::{AttemptId, OwnerId};
use crate::ledger::access::AnyRow;
use crate::ledger::columns::{
    charge_columns, count, count_of, end, lease_number, limits, scope_list, warned,
};
use crate::ledger::entry_row::Details;
use crate::ledger::failure::Fault;
use crate::ledger::owner;
use crate::ledger::plan_windows;
use crate::ledger::runs::RunRow;

const SCOPE: &str = "
INSERT INTO scopes (id, parent, path, limits, paused, settled_usd_pico, settled_billed_tokens,
    settled_output_tokens, settled_requests, reserved_usd_pico, reserved_billed_tokens,
    reserved_output_tokens, reserved_requests, agents_settled, agents_reserved, warned_per_mille,
    leased_usd_pico, leased_billed_tokens, leased_output_tokens, leased_requests, recalled)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
    ?21)
ON CONFLICT (id) DO UPDATE SET limits = ?4, paused = ?5, settled_usd_pico = ?6,
    settled_billed_tokens = ?7, settled_output_tokens = ?8, settled_requests = ?9,
    reserved_usd_pico = ?10, reserved_billed_tokens = ?11, reserved_output_tokens = ?12,
    reserved_requests = ?13, agents_settled = ?14, agents_reserved = ?15, warned_per_mille = ?16,
    leased_usd_pico = ?17, leased_billed_tokens = ?18, leased_output_tokens = ?19,
    leased_requests = ?20, recalled = ?21";

/// Without `RETURNING`, for which SQLite fills a table of its own: most attempts are new, and the
/// number of a new row is known without it.
const ATTEMPT: &str = "
INSERT INTO attempts (id, path, windows, agent, end, usd_pico, billed_tokens, output_tokens,
    requests, lease, owner)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT (id) DO NOTHING";

const ATTEMPT_NUMBER: &str = "SELECT number FROM attempts WHERE id = ?1";

const LEASE: &str = "
INSERT INTO leases (id, path, windows, left_usd_pico, left_billed_tokens, left_output_tokens,
    left_requests, held, owner, taken)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (id) DO UPDATE SET left_usd_pico = ?4, left_billed_tokens = ?5, left_output_tokens = ?6,
    left_requests = ?7, held = ?8, taken = ?10";

/// A process that is known already keeps its number.
const OWNER: &str = "
INSERT INTO owners (token, host, process, since_milliseconds) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (token) DO UPDATE SET host = ?2
RETURNING id";

const ENTRY: &str = "
INSERT INTO entries (sequence, at_milliseconds, kind, attempt, scope, agent, usd_pico,
    billed_tokens, output_tokens, requests, details, note)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

const RUN: &str = "
INSERT INTO runs (id, workflow, simulated, started_at_milliseconds, ended_at_milliseconds, status,
    hashes, plan, report)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (id) DO UPDATE SET workflow = ?2, simulated = ?3, started_at_milliseconds = ?4,
    ended_at_milliseconds = ?5, status = ?6, hashes = ?7, plan = ?8, report = ?9";

/// An attempt whose number is known is found by that.
const ATTEMPT_AGAIN: &str = "
UPDATE attempts SET end = ?2, usd_pico = ?3, billed_tokens = ?4, output_tokens = ?5, requests = ?6
WHERE number = ?1";

/// What an entry says of its attempt besides the id.
struct Numbered<'a> {
    number: i64,
    row: &'a AttemptRow,
}

/// What was written.
pub(super) struct Written {
    /// The number of the next entry.
    pub(super) next_sequence: i64,
    /// The number of each attempt, in order.
    pub(super) numbers: Vec<i64>,
}

/// Gives the process that has the lock of this name its number.
pub(super) fn write_owner(
    connection: &Connection,
    token: &str,
    at: Timestamp,
) -> Result<OwnerId, Fault> {
    let mut statement = connection.prepare_cached(OWNER)?;
    let process = std::process::id();
    let parameters = params![token, owner::host(), process, at.as_millisecond()];
    let number: i64 = statement.query_row(parameters, |row| row.get(0))?;
    count_of(number).map(OwnerId)
}

/// What a transaction says of everything that it writes.
#[derive(Clone, Copy)]
pub(super) struct Stamp<'a> {
    /// Who holds what had no holder yet.
    pub(super) own: Option<OwnerId>,
    pub(super) at: Timestamp,
    pub(super) note: Option<&'a str>,
    /// The numbers of attempts that are known to be kept.
    pub(super) number_of: &'a dyn Fn(&AttemptId) -> Option<i64>,
}

/// Writes everything that `changes` holds; its entries come after those that are there, from
/// `first` on where that is known.
pub(super) fn write(
    connection: &Connection,
    changes: &Changes,
    first: Option<i64>,
    stamp: Stamp<'_>,
) -> Result<Written, Fault> {
    let Stamp { own, at, note, number_of } = stamp;
    // Compiled once for all rows: looking a statement up takes about as long as running it.
    let mut statement = connection.prepare_cached(SCOPE)?;
    for row in &changes.scopes {
        write_scope(&mut statement, row)?;
    }
    let mut attempts: BTreeMap<&AttemptId, Numbered<'_>> = BTreeMap::new();
    let mut numbers = Vec::with_capacity(changes.attempts.len());
    let mut again = connection.prepare_cached(ATTEMPT_AGAIN)?;
    let mut statement = connection.prepare_cached(ATTEMPT)?;
    for row in &changes.attempts {
        let number = match number_of(&row.id) {
            Some(number) => write_attempt_again(&mut again, number, row)?,
            None => write_attempt(connection, &mut statement, row, own)?,
        };
        numbers.push(number);
        attempts.insert(&row.id, Numbered { number, row });
    }
    for (scope, agent) in &changes.counted {
        write_counted(connection, *scope, agent)?;
    }
    for row in &changes.leases {
        write_lease(connection, row, own)?;
    }
    let mut statement = connection.prepare_cached(ENTRY)?;
    let mut next = first.map_or_else(|| next_sequence(connection), Ok)?;
    for kind in &changes.entries {
        write_entry(&mut statement, (next, at), kind, &attempts, note)?;
        next = next.saturating_add(1);
    }
    Ok(Written { next_sequence: next, numbers })
}

fn next_sequence(connection: &Connection) -> Result<i64, Fault> {
    let mut last = connection.prepare_cached("SELECT max(sequence) FROM entries")?;
    let last: Option<i64> = last.query_row([], |row| row.get(0))?;
    Ok(last.map_or(0, |last| last.saturating_add(1)))
}

fn write_scope(statement: &mut Statement<'_>, row: &ScopeRow) -> Result<(), Fault> {
    let settled = charge_columns(&row.settled)?;
    let reserved = charge_columns(&row.reserved)?;
    let leased = charge_columns(&row.leased)?;
    statement.execute(params![
        row.id.0,
        row.parent.map(|parent| parent.0),
        &*row.path,
        limits(&row.limits)?,
        row.paused,
        settled.0,
        settled.1,
        settled.2,
        settled.3,
        reserved.0,
        reserved.1,
        reserved.2,
        reserved.3,
        count(row.agents_settled)?,
        count(row.agents_reserved)?,
        warned(&row.warned_per_mille),
        leased.0,
        leased.1,
        leased.2,
        leased.3,
        row.recalled,
    ])?;
    Ok(())
}

fn write_lease(connection: &Connection, row: &LeaseRow, own: Option<OwnerId>) -> Result<(), Fault> {
    let left = charge_columns(&row.left)?;
    connection.prepare_cached(LEASE)?.execute(params![
        lease_number(row.id)?,
        scope_list(&row.path),
        scope_list(&row.windows),
        left.0,
        left.1,
        left.2,
        left.3,
        row.held,
        owner_number(row.owner.or(own))?,
        count(row.taken)?,
    ])?;
    Ok(())
}

fn owner_number(owner: Option<OwnerId>) -> Result<Option<i64>, Fault> {
    owner.map(|id| count(id.0)).transpose()
}

/// The number that it is kept under.
fn write_attempt(
    connection: &Connection,
    statement: &mut Statement<'_>,
    row: &AttemptRow,
    own: Option<OwnerId>,
) -> Result<i64, Fault> {
    let charge = charge_columns(&row.charge)?;
    let parameters = params![
        &row.id.0,
        scope_list(&row.path),
        scope_list(&row.windows),
        row.agent.as_deref(),
        end(row.end),
        charge.0,
        charge.1,
        charge.2,
        charge.3,
        row.lease.map(lease_number).transpose()?,
        owner_number(row.owner.or(own))?,
    ];
    if statement.execute(parameters)? == 1 {
        return Ok(connection.last_insert_rowid());
    }
    let mut known = connection.prepare_cached(ATTEMPT_NUMBER)?;
    let number = known.query_row([&row.id.0], |row| row.get(0))?;
    write_attempt_again(&mut *connection.prepare_cached(ATTEMPT_AGAIN)?, number, row)
}

fn write_attempt_again(
    statement: &mut Statement<'_>,
    number: i64,
    row: &AttemptRow,
) -> Result<i64, Fault> {
    let charge = charge_columns(&row.charge)?;
    let parameters = params![number, end(row.end), charge.0, charge.1, charge.2, charge.3];
    match statement.execute(parameters)? {
        1 => Ok(number),
        _ => Err(Fault::Damaged(format!("attempt `{}` is gone", row.id))),
    }
}

fn write_entry(
    statement: &mut Statement<'_>,
    (sequence, at): (i64, Timestamp),
    kind: &EntryKind,
    attempts: &BTreeMap<&AttemptId, Numbered<'_>>,
    note: Option<&str>,
) -> Result<(), Fault> {
    let attempt = match kind.attempt() {
        None => None,
        Some(id) => Some(attempts.get(id).ok_or_else(|| {
            Fault::Unusable(format!("an entry is about attempt `{id}`, which is not written"))
        })?),
    };
    let line = Line {
        sequence,
        at,
        kind,
        number: attempt.map(|attempt| attempt.number),
        scope: kind.scope().or_else(|| attempt.map(|attempt| attempt.row.scope)),
        agent: attempt.and_then(|attempt| attempt.row.agent.as_deref()),
        note,
    };
    insert_entry(statement, &line)
}

/// One entry with what it does not say itself.
struct Line<'a> {
    sequence: i64,
    at: Timestamp,
    kind: &'a EntryKind,
    /// Of its attempt.
    number: Option<i64>,
    scope: Option<ScopeId>,
    agent: Option<&'a str>,
    note: Option<&'a str>,
}

fn insert_entry(statement: &mut Statement<'_>, line: &Line<'_>) -> Result<(), Fault> {
    let charge = line.kind.charge().map(|charge| charge_columns(&charge)).transpose()?;
    let details = Details::of(line.kind).map(|details| serde_json::to_string(&details)).transpose();
    statement.execute(params![
        line.sequence,
        line.at.as_millisecond(),
        line.kind.name(),
        line.number,
        line.scope.map(|id| id.0),
        line.agent,
        charge.as_ref().map(|charge| &charge.0),
        charge.as_ref().map(|charge| charge.1),
        charge.as_ref().map(|charge| charge.2),
        charge.as_ref().map(|charge| charge.3),
        details.map_err(|error| Fault::Unusable(error.to_string()))?,
        line.note,
    ])?;
    Ok(())
}

/// A row of another ledger, as it is. Attempts come before their entries.
pub(super) fn write_row(connection: &Connection, row: &AnyRow) -> Result<(), Fault> {
    match row {
        AnyRow::Scope(row) => write_scope(&mut *connection.prepare_cached(SCOPE)?, row),
        AnyRow::Attempt(row) => {
            let statement = &mut *connection.prepare_cached(ATTEMPT)?;
            write_attempt(connection, statement, row, None).map(drop)
        }
        AnyRow::Lease(row) => write_lease(connection, row, None),
        AnyRow::Counted(scope, agent) => write_counted(connection, *scope, agent),
        AnyRow::Entry(row) => {
            let sql = "SELECT number FROM attempts WHERE id = ?1";
            let number = |id: &AttemptId| -> Result<i64, Fault> {
                Ok(connection.prepare_cached(sql)?.query_row([&id.0], |row| row.get(0))?)
            };
            let line = Line {
                sequence: count(row.sequence)?,
                at: row.at,
                kind: &row.kind,
                number: row.kind.attempt().map(number).transpose()?,
                scope: row.scope,
                agent: row.agent.as_deref(),
                note: row.note.as_deref(),
            };
            insert_entry(&mut *connection.prepare_cached(ENTRY)?, &line)
        }
        AnyRow::Run(row) => write_run(connection, row),
        AnyRow::PlanWindow(row) => plan_windows::write(connection, row),
    }
}

fn write_counted(connection: &Connection, scope: ScopeId, agent: &str) -> Result<(), Fault> {
    let sql = "INSERT OR IGNORE INTO counted (agent, scope) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![agent, scope.0])?;
    Ok(())
}

pub(super) fn write_run(connection: &Connection, run: &RunRow) -> Result<(), Fault> {
    connection.prepare_cached(RUN)?.execute(params![
        &run.id.0,
        &run.workflow,
        run.simulated,
        run.started_at.as_millisecond(),
        run.ended_at.map(Timestamp::as_millisecond),
        &run.status,
        run.hashes.to_string(),
        run.plan.as_ref().map(ToString::to_string),
        run.report.as_ref().map(ToString::to_string),
    ])?;
    Ok(())
}
