//! Reading rows of a ledger on Postgres. Whatever a column holds that no ledger writes is damage.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::FromSqlOwned;

use crate::budget::{AttemptRow, Charge, LeaseId, LeaseRow, ScopeId, ScopeRow, Unit};
use crate::id::{AttemptId, OwnerId, RunId};
use crate::ledger::columns::instant;
use crate::ledger::columns::{count_of, dollars_of, end_of, limits_of, scope_id, shared};
use crate::ledger::entry_row::{Details, EntryFilter, EntryRow, Parts};
use crate::ledger::failure::Fault;
use crate::ledger::owner::{Liveness, OwnerRow};
use crate::ledger::postgres::claim::{OWNERS, SILENCE_MILLISECONDS};
use crate::ledger::postgres::session::Question;
use crate::ledger::runs::RunRow;

macro_rules! scopes {
    ($rest:literal) => {
        concat!(
            "SELECT id, parent, path, limits::text, paused, settled_usd_pico::text, \
             settled_billed_tokens, settled_output_tokens, settled_requests, \
             reserved_usd_pico::text, reserved_billed_tokens, reserved_output_tokens, \
             reserved_requests, agents_settled, agents_reserved, warned_per_mille, \
             leased_usd_pico::text, leased_billed_tokens, leased_output_tokens, leased_requests, \
             recalled FROM flyball.scopes ",
            $rest
        )
    };
}
pub(super) use scopes;

macro_rules! attempts {
    ($rest:literal) => {
        concat!(
            "SELECT id, path, windows, agent, state, usd_pico::text, billed_tokens, \
             output_tokens, requests, number, lease, owner FROM flyball.attempts ",
            $rest
        )
    };
}
pub(super) use attempts;

macro_rules! leases {
    ($rest:literal) => {
        concat!(
            "SELECT id, path, windows, left_usd_pico::text, left_billed_tokens, \
             left_output_tokens, left_requests, held, owner, taken FROM flyball.leases ",
            $rest
        )
    };
}
pub(super) use leases;

macro_rules! entries {
    ($rest:literal) => {
        concat!(
            "SELECT sequence, at_milliseconds, kind, attempt, scope, agent, usd_pico::text, \
             billed_tokens, output_tokens, requests, details::text, note \
             FROM flyball.entries ",
            $rest
        )
    };
}

macro_rules! runs {
    ($rest:literal) => {
        concat!(
            "SELECT id, workflow, simulated, started_at_milliseconds, ended_at_milliseconds, \
             status, hashes::text, plan::text, report::text FROM flyball.runs ",
            $rest
        )
    };
}

pub(super) fn every_scope() -> Question {
    Question::new(scopes!("ORDER BY id"))
}

/// Those with at most `levels` names in their paths.
pub(super) fn upper_scopes(levels: usize) -> Question {
    let sql =
        scopes!("WHERE greatest(cardinality(string_to_array(path, ' / ')), 1) <= $1 ORDER BY id");
    Question::new(sql).number(i64::try_from(levels).unwrap_or(i64::MAX))
}

pub(super) fn scope_at(path: &str) -> Question {
    Question::new(scopes!("WHERE path = $1")).text(path.to_owned())
}

pub(super) fn attempt(id: &AttemptId) -> Question {
    Question::new(attempts!("WHERE id = $1")).text(id.0.to_string())
}

pub(super) fn in_flight() -> Question {
    Question::new(attempts!("WHERE state = 0 ORDER BY number"))
}

pub(super) fn leases_held() -> Question {
    Question::new(leases!("WHERE held ORDER BY id"))
}

pub(super) fn every_lease() -> Question {
    Question::new(leases!("ORDER BY id"))
}

/// Every process that holds something, and whether it holds its lock.
pub(super) fn owners() -> Question {
    let held = "SELECT id, host, process, since_milliseconds, EXISTS ( \
                    SELECT FROM pg_catalog.pg_locks AS held WHERE locktype = 'advisory' \
                    AND database = (SELECT oid FROM pg_catalog.pg_database \
                        WHERE datname = current_database()) \
                    AND classid = $1::bigint::oid AND objid = owners.id::oid AND objsubid = 2 \
                    AND granted), silent_since_milliseconds, \
                    (extract(epoch FROM clock_timestamp()) * 1000)::bigint \
                FROM flyball.owners AS owners \
                WHERE id IN (SELECT owner FROM flyball.attempts WHERE state = 0) \
                OR id IN (SELECT owner FROM flyball.leases WHERE held) ORDER BY id";
    Question::new(held).number(OWNERS)
}

pub(super) fn owner_row(row: &Row) -> Result<OwnerRow, Fault> {
    let process: i64 = get(row, 2)?;
    let wrong = |_| Fault::Damaged(format!("{process} is not the number of a process"));
    let (silent_since, now): (Option<i64>, i64) = (get(row, 5)?, get(row, 6)?);
    let liveness = match (get(row, 4)?, silent_since) {
        (true, _) => Liveness::Alive,
        (false, Some(since)) if now.saturating_sub(since) >= SILENCE_MILLISECONDS => Liveness::Dead,
        (false, _) => Liveness::Silent,
    };
    Ok(OwnerRow {
        id: owner_id(get(row, 0)?)?,
        host: get(row, 1)?,
        process: u32::try_from(process).map_err(wrong)?,
        since: instant(get(row, 3)?)?,
        liveness,
    })
}

fn owner_id(number: i64) -> Result<OwnerId, Fault> {
    count_of(number).map(OwnerId)
}

/// So many entries from `first` on.
pub(super) fn entries_from(first: i64, limit: i64) -> Question {
    Question::new(entries!("WHERE sequence >= $1 ORDER BY sequence LIMIT $2"))
        .number(first)
        .number(limit)
}

/// The last `limit` entries that `filter` lets through, oldest first.
pub(super) fn last_entries(filter: &EntryFilter, limit: usize) -> Question {
    const SQL: &str = concat!(
        "SELECT * FROM (",
        entries!(
            "WHERE ($1::bigint IS NULL OR scope = ANY (ARRAY( \
                 WITH RECURSIVE below (id) AS ( \
                     VALUES ($1) \
                     UNION SELECT s.id FROM flyball.scopes s JOIN below ON s.parent = below.id \
                 ) SELECT id FROM below))) \
             AND ($2::text IS NULL OR attempt = $2) \
             AND ($3::text IS NULL OR agent = $3) \
             AND ($4::bigint IS NULL OR at_milliseconds >= $4) \
             ORDER BY sequence DESC LIMIT $5"
        ),
        ") AS last ORDER BY sequence"
    );
    let EntryFilter { within, attempt, agent, since } = filter;
    Question::new(SQL)
        .number(within.map(|id| i64::from(id.0)))
        .text(attempt.as_ref().map(|id| id.0.to_string()))
        .text(agent.as_deref().map(str::to_owned))
        .number(since.map(Timestamp::as_millisecond))
        .number(i64::try_from(limit).unwrap_or(i64::MAX))
}

pub(super) fn last_runs(limit: usize) -> Question {
    let sql = runs!("ORDER BY started_at_milliseconds DESC, id COLLATE \"C\" DESC LIMIT $1");
    Question::new(sql).number(i64::try_from(limit).unwrap_or(i64::MAX))
}

pub(super) fn run(id: &RunId) -> Question {
    Question::new(runs!("WHERE id = $1")).text(id.0.to_string())
}

/// So many attempts after the one with this number.
pub(super) fn attempts_after(number: i64, limit: i64) -> Question {
    Question::new(attempts!("WHERE number > $1 ORDER BY number LIMIT $2"))
        .number(number)
        .number(limit)
}

/// The number of an attempt, which grows in the order they were admitted.
pub(super) fn attempt_number(row: &Row) -> Result<i64, Fault> {
    get(row, 9)
}

pub(super) fn every_counted() -> Question {
    let sql = "SELECT agent, scope FROM flyball.counted ORDER BY agent COLLATE \"C\", scope";
    Question::new(sql)
}

pub(super) fn counted_row(row: &Row) -> Result<(ScopeId, Arc<str>), Fault> {
    Ok((scope_id(get(row, 1)?)?, shared(get(row, 0)?)))
}

/// So many runs after the one with this id, by id.
pub(super) fn runs_after(id: Option<String>, limit: i64) -> Question {
    let sql =
        runs!("WHERE $1::text IS NULL OR id COLLATE \"C\" > $1 ORDER BY id COLLATE \"C\" LIMIT $2");
    Question::new(sql).text(id).number(limit)
}

/// A column's value.
pub(super) fn get<T: FromSqlOwned>(row: &Row, column: usize) -> Result<T, Fault> {
    let unreadable = |error| Fault::Damaged(format!("a row cannot be read ({error})"));
    row.try_get(column).map_err(unreadable)
}

/// Every row, decoded.
pub(super) fn all<T>(
    rows: &[Row],
    decode: impl Fn(&Row) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    rows.iter().map(decode).collect()
}

/// The charge in four columns from `first` on.
fn charge_at(row: &Row, first: usize) -> Result<Charge, Fault> {
    Ok(Charge {
        usd: dollars_of(&get::<String>(row, first)?)?,
        billed_tokens: count_of(get(row, first + 1)?)?,
        output_tokens: count_of(get(row, first + 2)?)?,
        requests: count_of(get(row, first + 3)?)?,
    })
}

fn scope_ids(numbers: Vec<i64>) -> Result<Vec<ScopeId>, Fault> {
    numbers.into_iter().map(scope_id).collect()
}

pub(super) fn scope_row(row: &Row) -> Result<ScopeRow, Fault> {
    let warned: Vec<i64> = get(row, 15)?;
    let few = |_| Fault::Damaged("a scope has not one threshold per unit".to_owned());
    let warned: Result<Vec<u16>, _> = warned.into_iter().map(u16::try_from).collect();
    let warned: [u16; Unit::ALL.len()] =
        warned.map_err(|_| Vec::new()).and_then(TryInto::try_into).map_err(few)?;
    Ok(ScopeRow {
        id: scope_id(get(row, 0)?)?,
        parent: get::<Option<i64>>(row, 1)?.map(scope_id).transpose()?,
        path: shared(get(row, 2)?),
        limits: limits_of(&get::<String>(row, 3)?)?,
        paused: get(row, 4)?,
        settled: charge_at(row, 5)?,
        reserved: charge_at(row, 9)?,
        agents_settled: count_of(get(row, 13)?)?,
        agents_reserved: count_of(get(row, 14)?)?,
        warned_per_mille: warned,
        leased: charge_at(row, 16)?,
        recalled: get(row, 20)?,
    })
}

pub(super) fn attempt_row(row: &Row) -> Result<AttemptRow, Fault> {
    let id = AttemptId::from(get::<String>(row, 0)?);
    let path = scope_ids(get(row, 1)?)?;
    let Some(scope) = path.first().copied() else {
        return Err(Fault::Damaged(format!("attempt `{id}` is charged to nothing")));
    };
    Ok(AttemptRow {
        id,
        scope,
        windows: scope_ids(get(row, 2)?)?,
        path: path.into(),
        agent: get::<Option<String>>(row, 3)?.map(shared),
        end: end_of(get(row, 4)?)?,
        charge: charge_at(row, 5)?,
        lease: get::<Option<i64>>(row, 10)?.map(count_of).transpose()?.map(LeaseId),
        owner: get::<Option<i64>>(row, 11)?.map(owner_id).transpose()?,
    })
}

pub(super) fn lease_row(row: &Row) -> Result<LeaseRow, Fault> {
    let id = LeaseId(count_of(get(row, 0)?)?);
    let path = scope_ids(get(row, 1)?)?;
    let Some(scope) = path.first().copied() else {
        return Err(Fault::Damaged(format!("lease {} is taken from nothing", id.0)));
    };
    Ok(LeaseRow {
        id,
        scope,
        windows: scope_ids(get(row, 2)?)?,
        path: path.into(),
        left: charge_at(row, 3)?,
        taken: count_of(get(row, 9)?)?,
        held: get(row, 7)?,
        owner: get::<Option<i64>>(row, 8)?.map(owner_id).transpose()?,
    })
}

pub(super) fn entry_row(row: &Row) -> Result<EntryRow, Fault> {
    let sequence = count_of(get(row, 0)?)?;
    let wrong = |what: &str| Fault::Damaged(format!("entry {sequence} {what}"));
    let details = match get::<Option<String>>(row, 10)? {
        None => Details::default(),
        Some(text) => {
            serde_json::from_str(&text).map_err(|_| wrong("has details that cannot be read"))?
        }
    };
    let charge = match get::<Option<String>>(row, 6)? {
        None => None,
        Some(_) => Some(charge_at(row, 6)?),
    };
    let scope = get::<Option<i64>>(row, 4)?.map(scope_id).transpose()?;
    let agent: Option<Arc<str>> = get::<Option<String>>(row, 5)?.map(shared);
    let name: String = get(row, 2)?;
    let parts = Parts {
        name: &name,
        attempt: get::<Option<String>>(row, 3)?.map(AttemptId::from),
        scope,
        agent: agent.clone(),
        charge,
        details: &details,
    };
    let kind = parts.kind().ok_or_else(|| wrong("lacks something, or is of an unknown kind"))?;
    let at = instant(get(row, 1)?)?;
    Ok(EntryRow { sequence, at, kind, scope, agent, note: get(row, 11)? })
}

pub(super) fn run_row(row: &Row) -> Result<RunRow, Fault> {
    let json = |text: String| -> Result<Value, Fault> {
        serde_json::from_str(&text)
            .map_err(|error| Fault::Damaged(format!("a run's JSON cannot be read: {error}")))
    };
    Ok(RunRow {
        id: RunId::from(get::<String>(row, 0)?),
        workflow: get(row, 1)?,
        simulated: get(row, 2)?,
        started_at: instant(get(row, 3)?)?,
        ended_at: get::<Option<i64>>(row, 4)?.map(instant).transpose()?,
        status: get(row, 5)?,
        hashes: json(get(row, 6)?)?,
        plan: get::<Option<String>>(row, 7)?.map(json).transpose()?,
        report: get::<Option<String>>(row, 8)?.map(json).transpose()?,
    })
}
