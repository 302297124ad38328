//! Reading rows of the embedded ledger. Whatever a column holds that no ledger writes is damage.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use serde_json::Value;

use crate::budget::{AttemptRow, LeaseId, LeaseRow, ScopeId, ScopeRow, below, names_in};
use crate::id::{AttemptId, OwnerId, RunId};
use crate::ledger::access::{AnyRow, EachRow};
use crate::ledger::columns::{
    charge_at, count_of, end_of, instant, lease_number, limits_of, optional_text_at, scope_id,
    scope_list_of, shared, text_at, warned_of,
};
use crate::ledger::entry_row::{Details, EntryFilter, EntryRow, Parts};
use crate::ledger::failure::Fault;
use crate::ledger::gather::Source;
use crate::ledger::owner::{Liveness, OwnerRow};
use crate::ledger::plan_windows;
use crate::ledger::runs::RunRow;

macro_rules! scopes_where {
    ($rest:literal) => {
        concat!(
            "SELECT id, parent, path, limits, paused, settled_usd_pico, settled_billed_tokens, \
             settled_output_tokens, settled_requests, reserved_usd_pico, reserved_billed_tokens, \
             reserved_output_tokens, reserved_requests, agents_settled, agents_reserved, \
             warned_per_mille, leased_usd_pico, leased_billed_tokens, leased_output_tokens, \
             leased_requests, recalled FROM scopes ",
            $rest
        )
    };
}

macro_rules! attempts_where {
    ($rest:literal) => {
        concat!(
            "SELECT id, path, windows, agent, end, usd_pico, billed_tokens, output_tokens, \
             requests, lease, owner FROM attempts ",
            $rest
        )
    };
}

macro_rules! leases_where {
    ($rest:literal) => {
        concat!(
            "SELECT id, path, windows, left_usd_pico, left_billed_tokens, left_output_tokens, \
             left_requests, held, owner, taken FROM leases ",
            $rest
        )
    };
}

macro_rules! entries_where {
    ($rest:literal) => {
        concat!(
            "SELECT e.sequence, e.at_milliseconds, e.kind, a.id, e.scope, e.agent, e.usd_pico, \
             e.billed_tokens, e.output_tokens, e.requests, e.details, e.note \
             FROM entries e LEFT JOIN attempts a ON a.number = e.attempt ",
            $rest
        )
    };
}

macro_rules! runs_where {
    ($rest:literal) => {
        concat!(
            "SELECT id, workflow, simulated, started_at_milliseconds, ended_at_milliseconds, \
             status, hashes, plan, report FROM runs ",
            $rest
        )
    };
}

/// Every entry in order.
pub(super) const ALL_ENTRIES: &str = entries_where!("ORDER BY e.sequence");

const LAST_ENTRIES: &str = entries_where!(
    "WHERE (?1 IS NULL OR e.scope IN ( \
         WITH RECURSIVE below (id) AS ( \
             VALUES (?1) UNION SELECT s.id FROM scopes s JOIN below ON s.parent = below.id \
         ) SELECT id FROM below)) \
     AND (?2 IS NULL OR a.id = ?2) \
     AND (?3 IS NULL OR e.agent = ?3) \
     AND (?4 IS NULL OR e.at_milliseconds >= ?4) \
     ORDER BY e.sequence DESC LIMIT ?5"
);

impl Source for Connection {
    fn scope(&self, id: ScopeId) -> Result<Option<ScopeRow>, Fault> {
        one(self, scopes_where!("WHERE id = ?1"), [id.0], scope_row)
    }

    fn scope_at(&self, path: &str) -> Result<Option<ScopeRow>, Fault> {
        one(self, scopes_where!("WHERE path = ?1"), [path], scope_row)
    }

    fn attempt(&self, id: &AttemptId) -> Result<Option<AttemptRow>, Fault> {
        one(self, attempts_where!("WHERE id = ?1"), [&id.0], attempt_row)
    }

    fn in_flight(&self, agent: &str) -> Result<Vec<AttemptRow>, Fault> {
        all(self, attempts_where!("WHERE end = 0 AND agent = ?1"), [agent], attempt_row)
    }

    fn counted(&self, agent: &str) -> Result<Vec<ScopeId>, Fault> {
        let sql = "SELECT scope FROM counted WHERE agent = ?1";
        all(self, sql, [agent], |row| scope_id(row.get(0)?))
    }

    fn lease(&self, id: LeaseId) -> Result<Option<LeaseRow>, Fault> {
        one(self, leases_where!("WHERE id = ?1"), [lease_number(id)?], lease_row)
    }

    fn next_lease(&self) -> Result<u64, Fault> {
        let last = one(self, "SELECT id FROM leases ORDER BY id DESC LIMIT 1", [], |row| {
            count_of(row.get(0)?)
        })?;
        Ok(last.map_or(1, |id| id.saturating_add(1)))
    }

    fn next_scope(&self) -> Result<u32, Fault> {
        let last = one(self, "SELECT id FROM scopes ORDER BY id DESC LIMIT 1", [], |row| {
            scope_id(row.get(0)?)
        })?;
        let full = || Fault::Unusable("it has as many scopes as it can number".to_owned());
        last.map_or(Ok(0), |id| id.0.checked_add(1).ok_or_else(full))
    }
}

pub(super) fn every_scope(connection: &Connection) -> Result<Vec<ScopeRow>, Fault> {
    all(connection, scopes_where!("ORDER BY id"), [], scope_row)
}

/// Scopes with at most `levels` names in their paths. The index of paths has all that lies below a
/// scope in one row, so it is passed over in one step, however much that is.
pub(super) fn upper_scopes(connection: &Connection, levels: usize) -> Result<Vec<ScopeRow>, Fault> {
    let (mut found, mut from) = (Vec::new(), String::new());
    let next = scopes_where!("WHERE path >= ?1 ORDER BY path LIMIT 1");
    while levels > 0
        && let Some(row) = one(connection, next, [&from], scope_row)?
    {
        let names: Vec<&str> = names_in(&row.path).collect();
        if names.len() <= levels {
            // What comes next may not lie below it: `a - b` stands between `a` and `a / b`.
            from = format!("{}\0", row.path);
            found.push(row);
        } else {
            let upper: Vec<&str> = names.into_iter().take(levels).collect();
            from = below(&upper);
            // The first text after all that begin so.
            from.pop();
            from.push('!');
        }
    }
    found.sort_unstable_by_key(|row| row.id);
    Ok(found)
}

pub(super) fn every_attempt_in_flight(connection: &Connection) -> Result<Vec<AttemptRow>, Fault> {
    all(connection, attempts_where!("WHERE end = 0 ORDER BY number"), [], attempt_row)
}

pub(super) fn every_lease_held(connection: &Connection) -> Result<Vec<LeaseRow>, Fault> {
    all(connection, leases_where!("WHERE held = 1 ORDER BY id"), [], lease_row)
}

/// Every process that holds something, with the name of its lock.
pub(super) fn every_owner(connection: &Connection) -> Result<Vec<(OwnerRow, String)>, Fault> {
    let sql = "SELECT id, host, process, since_milliseconds, token FROM owners \
               WHERE id IN (SELECT owner FROM attempts WHERE end = 0) \
               OR id IN (SELECT owner FROM leases WHERE held = 1) ORDER BY id";
    all(connection, sql, [], |row| {
        let owner = OwnerRow {
            id: OwnerId(count_of(row.get(0)?)?),
            host: row.get(1)?,
            process: row.get(2)?,
            since: instant(row.get(3)?)?,
            liveness: Liveness::Silent,
        };
        Ok((owner, row.get(4)?))
    })
}

/// The last `limit` entries that `filter` lets through, the last one first.
pub(super) fn last_entries(
    connection: &Connection,
    filter: &EntryFilter,
    limit: usize,
) -> Result<Vec<EntryRow>, Fault> {
    let EntryFilter { within, attempt, agent, since } = filter;
    let parameters = params![
        within.map(|id| id.0),
        attempt.as_ref().map(|id| &id.0),
        agent.as_deref(),
        since.map(Timestamp::as_millisecond),
        i64::try_from(limit).unwrap_or(i64::MAX),
    ];
    all(connection, LAST_ENTRIES, parameters, entry_row)
}

pub(super) fn last_runs(connection: &Connection, limit: usize) -> Result<Vec<RunRow>, Fault> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    all(
        connection,
        runs_where!("ORDER BY started_at_milliseconds DESC, id DESC LIMIT ?1"),
        [limit],
        run_row,
    )
}

pub(super) fn run(connection: &Connection, id: &RunId) -> Result<Option<RunRow>, Fault> {
    one(connection, runs_where!("WHERE id = ?1"), [&id.0], run_row)
}

/// Whether it has no row of any kind.
pub(super) fn is_empty(connection: &Connection) -> Result<bool, Fault> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM scopes) AND NOT EXISTS (SELECT 1 FROM attempts) \
               AND NOT EXISTS (SELECT 1 FROM counted) AND NOT EXISTS (SELECT 1 FROM leases) AND NOT EXISTS (SELECT 1 FROM entries) \
               AND NOT EXISTS (SELECT 1 FROM runs) AND NOT EXISTS (SELECT 1 FROM plan_windows)";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// Hands every row to `each`.
pub(super) fn every_row(connection: &Connection, each: EachRow<'_>) -> Result<(), Fault> {
    let counted = |row: &Row<'_>| Ok(AnyRow::Counted(scope_id(row.get(1)?)?, shared(row.get(0)?)));
    each_of(
        connection,
        scopes_where!("ORDER BY id"),
        |row| scope_row(row).map(AnyRow::Scope),
        each,
    )?;
    let attempts = attempts_where!("ORDER BY number");
    each_of(connection, attempts, |row| attempt_row(row).map(AnyRow::Attempt), each)?;
    let sql = "SELECT agent, scope FROM counted ORDER BY agent, scope";
    each_of(connection, sql, counted, each)?;
    let leases = leases_where!("ORDER BY id");
    each_of(connection, leases, |row| lease_row(row).map(AnyRow::Lease), each)?;
    each_of(connection, ALL_ENTRIES, |row| entry_row(row).map(AnyRow::Entry), each)?;
    each_of(connection, runs_where!("ORDER BY id"), |row| run_row(row).map(AnyRow::Run), each)?;
    let row = |row: &Row<'_>| plan_windows::row(row).map(AnyRow::PlanWindow);
    each_of(connection, plan_windows::EVERY, row, each)
}

fn each_of(
    connection: &Connection,
    sql: &str,
    decode: impl Fn(&Row<'_>) -> Result<AnyRow, Fault>,
    each: EachRow<'_>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(decode(row)?)?;
    }
    Ok(())
}

fn one<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    decode: impl FnOnce(&Row<'_>) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(parameters, |row| Ok(decode(row))).optional()?;
    found.transpose()
}

pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    decode: impl Fn(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(decode(row)?);
    }
    Ok(found)
}

fn scope_row(row: &Row<'_>) -> Result<ScopeRow, Fault> {
    Ok(ScopeRow {
        id: scope_id(row.get(0)?)?,
        parent: row.get::<_, Option<i64>>(1)?.map(scope_id).transpose()?,
        path: shared(row.get(2)?),
        limits: limits_of(&row.get::<_, String>(3)?)?,
        paused: row.get(4)?,
        settled: charge_at(row, 5)?,
        reserved: charge_at(row, 9)?,
        agents_settled: count_of(row.get(13)?)?,
        agents_reserved: count_of(row.get(14)?)?,
        warned_per_mille: warned_of(&row.get::<_, String>(15)?)?,
        leased: charge_at(row, 16)?,
        recalled: row.get(20)?,
    })
}

fn attempt_row(row: &Row<'_>) -> Result<AttemptRow, Fault> {
    let id = AttemptId(row.get(0)?);
    let path = scope_list_of(&row.get::<_, String>(1)?)?;
    let Some(scope) = path.first().copied() else {
        return Err(Fault::Damaged(format!("attempt `{id}` is charged to nothing")));
    };
    Ok(AttemptRow {
        id,
        scope,
        windows: scope_list_of(&row.get::<_, String>(2)?)?,
        path: path.into(),
        agent: row.get::<_, Option<String>>(3)?.map(shared),
        end: end_of(row.get(4)?)?,
        charge: charge_at(row, 5)?,
        lease: row.get::<_, Option<i64>>(9)?.map(count_of).transpose()?.map(LeaseId),
        owner: row.get::<_, Option<i64>>(10)?.map(count_of).transpose()?.map(OwnerId),
    })
}

fn lease_row(row: &Row<'_>) -> Result<LeaseRow, Fault> {
    let id = LeaseId(count_of(row.get(0)?)?);
    let path = scope_list_of(&row.get::<_, String>(1)?)?;
    let Some(scope) = path.first().copied() else {
        return Err(Fault::Damaged(format!("lease {} is taken from nothing", id.0)));
    };
    Ok(LeaseRow {
        id,
        scope,
        windows: scope_list_of(&row.get::<_, String>(2)?)?,
        path: path.into(),
        left: charge_at(row, 3)?,
        taken: count_of(row.get(9)?)?,
        held: row.get(7)?,
        owner: row.get::<_, Option<i64>>(8)?.map(count_of).transpose()?.map(OwnerId),
    })
}

fn entry_row(row: &Row<'_>) -> Result<EntryRow, Fault> {
    EntryReader::default().read(row)
}

/// Reads entries one after the other. Neighbours mostly share their agent and their details, so
/// the last ones are kept.
#[derive(Default)]
pub(super) struct EntryReader {
    agent: Option<Arc<str>>,
    details_text: String,
    details: Details,
}

impl EntryReader {
    pub(super) fn read(&mut self, row: &Row<'_>) -> Result<EntryRow, Fault> {
        let sequence = count_of(row.get(0)?)?;
        let wrong = |what: &str| Fault::Damaged(format!("entry {sequence} {what}"));
        let agent = same_or_new(&mut self.agent, optional_text_at(row, 5)?);
        let nothing = Details::default();
        let details = match optional_text_at(row, 10)? {
            None => &nothing,
            Some(text) => {
                self.read_details(text).map_err(|_| wrong("has details that cannot be read"))?
            }
        };
        let charge = match row.get_ref(6)? {
            ValueRef::Null => None,
            _ => Some(charge_at(row, 6)?),
        };
        let scope = row.get::<_, Option<i64>>(4)?.map(scope_id).transpose()?;
        let parts = Parts {
            name: text_at(row, 2)?,
            attempt: optional_text_at(row, 3)?.map(AttemptId::from),
            scope,
            agent: agent.clone(),
            charge,
            details,
        };
        let kind =
            parts.kind().ok_or_else(|| wrong("lacks something, or is of an unknown kind"))?;
        let (at, note) = (instant(row.get(1)?)?, row.get(11)?);
        Ok(EntryRow { sequence, at, kind, scope, agent, note })
    }

    fn read_details(&mut self, text: &str) -> serde_json::Result<&Details> {
        if self.details_text != text {
            self.details = serde_json::from_str(text)?;
            text.clone_into(&mut self.details_text);
        }
        Ok(&self.details)
    }
}

/// `text`, shared with the last one where they are the same.
fn same_or_new(last: &mut Option<Arc<str>>, text: Option<&str>) -> Option<Arc<str>> {
    if last.as_deref() != text {
        *last = text.map(Arc::from);
    }
    last.clone()
}

fn run_row(row: &Row<'_>) -> Result<RunRow, Fault> {
    let json = |text: String| -> Result<Value, Fault> {
        serde_json::from_str(&text)
            .map_err(|error| Fault::Damaged(format!("a run's JSON cannot be read: {error}")))
    };
    Ok(RunRow {
        id: RunId(row.get(0)?),
        workflow: row.get(1)?,
        simulated: row.get(2)?,
        started_at: instant(row.get(3)?)?,
        ended_at: row.get::<_, Option<i64>>(4)?.map(instant).transpose()?,
        status: row.get(5)?,
        hashes: json(row.get(6)?)?,
        plan: row.get::<_, Option<String>>(7)?.map(json).transpose()?,
        report: row.get::<_, Option<String>>(8)?.map(json).transpose()?,
    })
}
