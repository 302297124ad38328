//! Writing rows of a ledger on Postgres, a table at a time: the rows of a batch go there as one JSON
//! list, dollars as digits.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::budget::{
    AttemptRow, Changes, Charge, EntryKind, LeaseId, LeaseRow, Limits, ScopeId, ScopeRow,
};
use crate::id::{AttemptId, OwnerId};
use crate::ledger::access::AnyRow;
use crate::ledger::columns::{count, dollars, end};
use crate::ledger::entry_row::{Details, EntryRow};
use crate::ledger::failure::Fault;
use crate::ledger::postgres::locked::Locked;
use crate::ledger::postgres::plan_windows;
use crate::ledger::postgres::session::{Question, Session};
use crate::ledger::postgres::trouble::Trouble;
use crate::ledger::runs::RunRow;

macro_rules! scope_columns {
    () => {
        "id, parent, path, limits, paused, settled_usd_pico, settled_billed_tokens, \
         settled_output_tokens, settled_requests, reserved_usd_pico, reserved_billed_tokens, \
         reserved_output_tokens, reserved_requests, agents_settled, agents_reserved, \
         warned_per_mille, leased_usd_pico, leased_billed_tokens, leased_output_tokens, \
         leased_requests, recalled"
    };
}

macro_rules! attempt_columns {
    () => {
        "id, path, windows, agent, state, usd_pico, billed_tokens, output_tokens, requests, \
         lease, owner"
    };
}

macro_rules! lease_columns {
    () => {
        "id, path, windows, left_usd_pico, left_billed_tokens, left_output_tokens, left_requests, \
         held, owner, taken"
    };
}

macro_rules! entry_columns {
    () => {
        "at_milliseconds, kind, attempt, scope, agent, usd_pico, billed_tokens, output_tokens, \
         requests, details, note"
    };
}

/// Inserts the rows of a list into a table.
macro_rules! insert {
    ($table:literal, $columns:expr) => {
        concat!(
            "INSERT INTO flyball.",
            $table,
            " (",
            $columns,
            ") SELECT ",
            $columns,
            " FROM json_populate_recordset(NULL::flyball.",
            $table,
            ", $1::text::json)"
        )
    };
}

const INSERT_SCOPES: &str = insert!("scopes", scope_columns!());
const INSERT_ATTEMPTS: &str = insert!("attempts", attempt_columns!());
const INSERT_LEASES: &str = insert!("leases", lease_columns!());
const INSERT_COUNTED: &str = concat!(insert!("counted", "agent, scope"), " ON CONFLICT DO NOTHING");

/// What changes of a scope.
const UPDATE_SCOPES: &str = "
UPDATE flyball.scopes AS kept SET limits = row.limits, paused = row.paused,
    settled_usd_pico = row.settled_usd_pico, settled_billed_tokens = row.settled_billed_tokens,
    settled_output_tokens = row.settled_output_tokens, settled_requests = row.settled_requests,
    reserved_usd_pico = row.reserved_usd_pico, reserved_billed_tokens = row.reserved_billed_tokens,
    reserved_output_tokens = row.reserved_output_tokens, reserved_requests = row.reserved_requests,
    agents_settled = row.agents_settled, agents_reserved = row.agents_reserved,
    warned_per_mille = row.warned_per_mille, leased_usd_pico = row.leased_usd_pico,
    leased_billed_tokens = row.leased_billed_tokens,
    leased_output_tokens = row.leased_output_tokens, leased_requests = row.leased_requests,
    recalled = row.recalled
FROM json_populate_recordset(NULL::flyball.scopes, $1::text::json) AS row WHERE kept.id = row.id";

/// What changes of an attempt.
const UPDATE_ATTEMPTS: &str = "
UPDATE flyball.attempts AS kept SET state = row.state, usd_pico = row.usd_pico,
    billed_tokens = row.billed_tokens, output_tokens = row.output_tokens, requests = row.requests
FROM json_populate_recordset(NULL::flyball.attempts, $1::text::json) AS row WHERE kept.id = row.id";

/// What changes of a slice.
const UPDATE_LEASES: &str = "
UPDATE flyball.leases AS kept SET left_usd_pico = row.left_usd_pico,
    left_billed_tokens = row.left_billed_tokens, left_output_tokens = row.left_output_tokens,
    left_requests = row.left_requests, held = row.held, taken = row.taken
FROM json_populate_recordset(NULL::flyball.leases, $1::text::json) AS row WHERE kept.id = row.id";

/// Numbers of slices go on after those that were copied.
const NUMBER_LEASES_ON: &str =
    "SELECT setval('flyball.lease_numbers', max(id)) FROM flyball.leases HAVING max(id) > 0";

pub(super) const LOCK_NUMBERING: &str =
    "SELECT name FROM flyball.locks WHERE name = 'entries' FOR UPDATE";

/// Entries with the numbers that they have.
const COPY_ENTRIES: &str = insert!("entries", concat!("sequence, ", entry_columns!()));

/// Entries come after those that are there.
const INSERT_ENTRIES: &str = concat!(
    "INSERT INTO flyball.entries (sequence, ",
    entry_columns!(),
    ") SELECT sequence + (SELECT coalesce(max(sequence) + 1, 0) FROM flyball.entries), ",
    entry_columns!(),
    " FROM json_populate_recordset(NULL::flyball.entries, $1::text::json)"
);

const UPSERT_RUN: &str = "
INSERT INTO flyball.runs (id, workflow, simulated, started_at_milliseconds, ended_at_milliseconds,
    status, hashes, plan, report)
VALUES ($1, $2, $3, $4, $5, $6, $7::text::json, $8::text::json, $9::text::json)
ON CONFLICT (id) DO UPDATE SET workflow = excluded.workflow, simulated = excluded.simulated,
    started_at_milliseconds = excluded.started_at_milliseconds,
    ended_at_milliseconds = excluded.ended_at_milliseconds, status = excluded.status,
    hashes = excluded.hashes, plan = excluded.plan, report = excluded.report";

#[derive(Serialize)]
struct ScopeColumns<'a> {
    id: ScopeId,
    parent: Option<ScopeId>,
    path: &'a str,
    limits: &'a Limits,
    paused: bool,
    settled_usd_pico: String,
    settled_billed_tokens: i64,
    settled_output_tokens: i64,
    settled_requests: i64,
    reserved_usd_pico: String,
    reserved_billed_tokens: i64,
    reserved_output_tokens: i64,
    reserved_requests: i64,
    agents_settled: i64,
    agents_reserved: i64,
    warned_per_mille: &'a [u16],
    leased_usd_pico: String,
    leased_billed_tokens: i64,
    leased_output_tokens: i64,
    leased_requests: i64,
    recalled: bool,
}

impl<'a> ScopeColumns<'a> {
    fn of(row: &'a ScopeRow) -> Result<Self, Fault> {
        Ok(Self {
            id: row.id,
            parent: row.parent,
            path: &row.path,
            limits: &row.limits,
            paused: row.paused,
            settled_usd_pico: dollars(row.settled.usd)?,
            settled_billed_tokens: count(row.settled.billed_tokens)?,
            settled_output_tokens: count(row.settled.output_tokens)?,
            settled_requests: count(row.settled.requests)?,
            reserved_usd_pico: dollars(row.reserved.usd)?,
            reserved_billed_tokens: count(row.reserved.billed_tokens)?,
            reserved_output_tokens: count(row.reserved.output_tokens)?,
            reserved_requests: count(row.reserved.requests)?,
            agents_settled: count(row.agents_settled)?,
            agents_reserved: count(row.agents_reserved)?,
            warned_per_mille: &row.warned_per_mille,
            leased_usd_pico: dollars(row.leased.usd)?,
            leased_billed_tokens: count(row.leased.billed_tokens)?,
            leased_output_tokens: count(row.leased.output_tokens)?,
            leased_requests: count(row.leased.requests)?,
            recalled: row.recalled,
        })
    }
}

/// The four columns of a charge.
#[derive(Default, Serialize)]
struct ChargeColumns {
    usd_pico: Option<String>,
    billed_tokens: Option<i64>,
    output_tokens: Option<i64>,
    requests: Option<i64>,
}

impl ChargeColumns {
    fn of(charge: &Charge) -> Result<Self, Fault> {
        Ok(Self {
            usd_pico: Some(dollars(charge.usd)?),
            billed_tokens: Some(count(charge.billed_tokens)?),
            output_tokens: Some(count(charge.output_tokens)?),
            requests: Some(count(charge.requests)?),
        })
    }
}

#[derive(Serialize)]
struct AttemptColumns<'a> {
    id: &'a AttemptId,
    path: &'a [ScopeId],
    windows: &'a [ScopeId],
    agent: Option<&'a str>,
    state: i64,
    #[serde(flatten)]
    charge: ChargeColumns,
    lease: Option<LeaseId>,
    owner: Option<OwnerId>,
}

impl<'a> AttemptColumns<'a> {
    /// What has no owner yet becomes `own`.
    fn of(row: &'a AttemptRow, own: Option<OwnerId>) -> Result<Self, Fault> {
        Ok(Self {
            id: &row.id,
            path: &row.path,
            windows: &row.windows,
            agent: row.agent.as_deref(),
            state: end(row.end),
            charge: ChargeColumns::of(&row.charge)?,
            lease: row.lease,
            owner: row.owner.or(own),
        })
    }
}

#[derive(Serialize)]
struct LeaseColumns<'a> {
    id: LeaseId,
    path: &'a [ScopeId],
    windows: &'a [ScopeId],
    left_usd_pico: String,
    left_billed_tokens: i64,
    left_output_tokens: i64,
    left_requests: i64,
    taken: i64,
    held: bool,
    owner: Option<OwnerId>,
}

impl<'a> LeaseColumns<'a> {
    /// What has no owner yet becomes `own`.
    fn of(row: &'a LeaseRow, own: Option<OwnerId>) -> Result<Self, Fault> {
        Ok(Self {
            id: row.id,
            path: &row.path,
            windows: &row.windows,
            left_usd_pico: dollars(row.left.usd)?,
            left_billed_tokens: count(row.left.billed_tokens)?,
            left_output_tokens: count(row.left.output_tokens)?,
            left_requests: count(row.left.requests)?,
            taken: count(row.taken)?,
            held: row.held,
            owner: row.owner.or(own),
        })
    }
}

#[derive(Serialize)]
struct CountedColumns<'a> {
    agent: &'a str,
    scope: ScopeId,
}

#[derive(Serialize)]
struct EntryColumns<'a> {
    sequence: i64,
    at_milliseconds: i64,
    kind: &'a str,
    attempt: Option<&'a AttemptId>,
    scope: Option<ScopeId>,
    agent: Option<&'a str>,
    #[serde(flatten)]
    charge: ChargeColumns,
    details: Option<Details>,
    note: Option<&'a str>,
}

impl<'a> EntryColumns<'a> {
    fn of(row: &'a EntryRow) -> Result<Self, Fault> {
        let charge = row.kind.charge().map(|charge| ChargeColumns::of(&charge)).transpose()?;
        Ok(Self {
            sequence: count(row.sequence)?,
            at_milliseconds: row.at.as_millisecond(),
            kind: row.kind.name(),
            attempt: row.kind.attempt(),
            scope: row.scope,
            agent: row.agent.as_deref(),
            charge: charge.unwrap_or_else(ChargeColumns::default),
            details: Details::of(&row.kind),
            note: row.note.as_deref(),
        })
    }
}

/// Questions that write, with how many rows each must touch where that is certain.
#[derive(Default)]
pub(super) struct Writes {
    questions: Vec<Question>,
    rows: Vec<Option<u64>>,
    own: Option<OwnerId>,
}

impl Writes {
    /// Everything that `changes` holds; what was `locked` is there already, and what has no owner
    /// yet becomes `own`.
    pub(super) fn of(
        changes: &Changes,
        locked: &Locked,
        own: Option<OwnerId>,
        at: Timestamp,
        note: Option<&str>,
    ) -> Result<Self, Fault> {
        let mut writes = Self { own, ..Self::default() };
        let is_there = |row: &&ScopeRow| locked.has_scope(row.id);
        let (old, new): (Vec<_>, Vec<_>) = changes.scopes.iter().partition(is_there);
        if !new.is_empty() && !locked.may_open() {
            let reason = "a scope was to be opened that nobody asked for by its path";
            return Err(Fault::Unusable(reason.to_owned()));
        }
        writes.scopes(INSERT_SCOPES, new)?;
        writes.scopes(UPDATE_SCOPES, old)?;
        let is_there = |row: &&AttemptRow| locked.has_attempt(&row.id);
        let (old, new): (Vec<_>, Vec<_>) = changes.attempts.iter().partition(is_there);
        writes.attempts(INSERT_ATTEMPTS, new)?;
        writes.attempts(UPDATE_ATTEMPTS, old)?;
        let counted = changes.counted.iter();
        let counted: Vec<CountedColumns<'_>> =
            counted.map(|(scope, agent)| CountedColumns { agent, scope: *scope }).collect();
        writes.list(INSERT_COUNTED, &counted, false)?;
        let is_there = |row: &&LeaseRow| locked.has_lease(row.id);
        let (old, new): (Vec<_>, Vec<_>) = changes.leases.iter().partition(is_there);
        writes.leases(INSERT_LEASES, new)?;
        writes.leases(UPDATE_LEASES, old)?;
        writes.entries(changes, at, note)?;
        Ok(writes)
    }

    /// Rows of another ledger, as they are.
    pub(super) fn copies(rows: &[AnyRow]) -> Result<Self, Fault> {
        let mut writes = Self::default();
        let (mut scopes, mut attempts, mut leases) = (Vec::new(), Vec::new(), Vec::new());
        let (mut counted, mut entries) = (Vec::new(), Vec::new());
        for row in rows {
            match row {
                AnyRow::Scope(row) => scopes.push(row),
                AnyRow::Attempt(row) => attempts.push(row),
                AnyRow::Counted(scope, agent) => {
                    counted.push(CountedColumns { agent, scope: *scope });
                }
                AnyRow::Lease(row) => leases.push(row),
                AnyRow::Entry(row) => entries.push(EntryColumns::of(row)?),
                AnyRow::Run(row) => writes.one(run(row)),
                AnyRow::PlanWindow(row) => writes.one(plan_windows::insert(row)?),
            }
        }
        writes.scopes(INSERT_SCOPES, scopes)?;
        writes.attempts(INSERT_ATTEMPTS, attempts)?;
        writes.list(INSERT_COUNTED, &counted, true)?;
        if !leases.is_empty() {
            writes.leases(INSERT_LEASES, leases)?;
            writes.questions.push(Question::new(NUMBER_LEASES_ON));
            writes.rows.push(None);
        }
        writes.list(COPY_ENTRIES, &entries, true)?;
        Ok(writes)
    }

    /// A row of its own.
    fn one(&mut self, question: Question) {
        self.questions.push(question);
        self.rows.push(Some(1));
    }

    fn scopes<'a>(
        &mut self,
        sql: &str,
        rows: impl IntoIterator<Item = &'a ScopeRow>,
    ) -> Result<(), Fault> {
        let rows: Result<Vec<_>, _> = rows.into_iter().map(ScopeColumns::of).collect();
        self.list(sql, &rows?, true)
    }

    fn attempts<'a>(
        &mut self,
        sql: &str,
        rows: impl IntoIterator<Item = &'a AttemptRow>,
    ) -> Result<(), Fault> {
        let rows: Result<Vec<_>, _> =
            rows.into_iter().map(|row| AttemptColumns::of(row, self.own)).collect();
        self.list(sql, &rows?, true)
    }

    fn leases<'a>(
        &mut self,
        sql: &str,
        rows: impl IntoIterator<Item = &'a LeaseRow>,
    ) -> Result<(), Fault> {
        let rows: Result<Vec<_>, _> =
            rows.into_iter().map(|row| LeaseColumns::of(row, self.own)).collect();
        self.list(sql, &rows?, true)
    }

    /// Last of all, since everybody who writes waits for the numbering.
    fn entries(
        &mut self,
        changes: &Changes,
        at: Timestamp,
        note: Option<&str>,
    ) -> Result<(), Fault> {
        let attempts: BTreeMap<&AttemptId, &AttemptRow> =
            changes.attempts.iter().map(|row| (&row.id, row)).collect();
        let mut rows = Vec::with_capacity(changes.entries.len());
        for (sequence, kind) in (0..).zip(&changes.entries) {
            rows.push(new_entry(kind, &attempts, (sequence, at), note)?);
        }
        let rows: Result<Vec<_>, _> = rows.iter().map(EntryColumns::of).collect();
        let rows = rows?;
        if !rows.is_empty() {
            self.questions.push(Question::new(LOCK_NUMBERING));
            self.rows.push(Some(1));
        }
        self.list(INSERT_ENTRIES, &rows, true)
    }

    /// One list into one table; `counts` where each row must touch one of the table.
    fn list<T: Serialize>(&mut self, sql: &str, rows: &[T], counts: bool) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        let json =
            serde_json::to_string(rows).map_err(|error| Fault::Unusable(error.to_string()))?;
        self.questions.push(Question::new(sql).text(json));
        self.rows.push(counts.then_some(rows.len() as u64));
        Ok(())
    }

    /// Writes, within the transaction of `session`.
    ///
    /// # Errors
    /// As of any write; or one touched fewer rows than there are, or more.
    pub(super) fn write(self, session: &Session, wait: Duration) -> Result<(), Trouble> {
        let answers = session.ask(None, self.questions, wait)?;
        for (expected, answer) in self.rows.into_iter().zip(answers) {
            if let Some(expected) = expected
                && expected != answer.count
            {
                return Err(Trouble::damaged(format!(
                    "a write touched {} rows instead of {expected}",
                    answer.count
                )));
            }
        }
        Ok(())
    }
}

/// A run, or what it has become.
pub(super) fn run(run: &RunRow) -> Question {
    Question::new(UPSERT_RUN)
        .text(run.id.0.to_string())
        .text(run.workflow.clone())
        .flag(run.simulated)
        .number(run.started_at.as_millisecond())
        .number(run.ended_at.map(Timestamp::as_millisecond))
        .text(run.status.clone())
        .text(run.hashes.to_string())
        .text(run.plan.as_ref().map(ToString::to_string))
        .text(run.report.as_ref().map(ToString::to_string))
}

/// `sequence` counts from the first entry of its batch.
fn new_entry(
    kind: &EntryKind,
    attempts: &BTreeMap<&AttemptId, &AttemptRow>,
    (sequence, at): (u64, Timestamp),
    note: Option<&str>,
) -> Result<EntryRow, Fault> {
    let attempt = match kind.attempt() {
        None => None,
        Some(id) => Some(*attempts.get(id).ok_or_else(|| {
            Fault::Unusable(format!("an entry is about attempt `{id}`, which is not written"))
        })?),
    };
    Ok(EntryRow {
        sequence,
        at,
        scope: kind.scope().or_else(|| attempt.map(|attempt| attempt.scope)),
        agent: attempt.and_then(|attempt| attempt.agent.clone()),
        note: note.map(str::to_owned),
        kind: kind.clone(),
    })
}
