//! All rows of a ledger at once, on their way out or in.

use std::time::Duration;

use crate::budget::StoreError;
use crate::ledger::access::{AnyRow, EachRow, RowSource};
use crate::ledger::failure::{Fault, holds_something};
use crate::ledger::postgres::locked::LOCK_OPENING;
use crate::ledger::postgres::schema::{not_newer, version_question};
use crate::ledger::postgres::session::{Question, Session};
use crate::ledger::postgres::trouble::Trouble;
use crate::ledger::postgres::write::{LOCK_NUMBERING, Writes};
use crate::ledger::postgres::{pages, plan_windows, select};

/// Rows that are written at once.
const ROWS_MAX: usize = 1_000;

const IS_EMPTY: &str = "
SELECT NOT EXISTS (SELECT FROM flyball.scopes) AND NOT EXISTS (SELECT FROM flyball.attempts)
    AND NOT EXISTS (SELECT FROM flyball.counted) AND NOT EXISTS (SELECT FROM flyball.entries)
    AND NOT EXISTS (SELECT FROM flyball.leases) AND NOT EXISTS (SELECT FROM flyball.runs)
    AND NOT EXISTS (SELECT FROM flyball.plan_windows)";

/// Hands every row to `each`.
pub(super) fn every_row(session: &Session, each: EachRow<'_>) -> Result<(), Trouble> {
    let mut each = |row| each(row).map_err(|error| Trouble::Fault(Fault::Told(error)));
    for row in pages::rows(session, select::every_scope())? {
        each(AnyRow::Scope(select::scope_row(&row)?))?;
    }
    pages::attempts(session, |row| each(AnyRow::Attempt(row)))?;
    for row in pages::rows(session, select::every_counted())? {
        let (scope, agent) = select::counted_row(&row)?;
        each(AnyRow::Counted(scope, agent))?;
    }
    for row in pages::rows(session, select::every_lease())? {
        each(AnyRow::Lease(select::lease_row(&row)?))?;
    }
    pages::entries(session, |row| each(AnyRow::Entry(row)).map(std::ops::ControlFlow::Continue))?;
    pages::runs(session, |row| each(AnyRow::Run(row)))?;
    for row in pages::rows(session, plan_windows::every())? {
        each(AnyRow::PlanWindow(plan_windows::row(&row)?))?;
    }
    Ok(())
}

/// Begins a transaction that fills a ledger, with every lock that keeps others from doing so.
pub(super) fn begin(session: &Session, begin: &str, wait: Duration) -> Result<(), Trouble> {
    let questions = vec![
        version_question(),
        Question::new(LOCK_OPENING),
        Question::new(LOCK_NUMBERING),
        Question::new(IS_EMPTY),
    ];
    let answers = session.ask(Some(begin), questions, wait)?;
    let [version, .., empty] = &answers[..] else {
        return Err(Trouble::damaged("it does not answer"));
    };
    not_newer(&version.rows)?;
    match empty.rows.first().map(|row| select::get(row, 0)).transpose()? {
        Some(true) => Ok(()),
        _ => Err(holds_something().into()),
    }
}

/// Writes what `rows` hands out, some at a time.
pub(super) fn write(
    session: &Session,
    rows: RowSource<'_>,
    place: &str,
    wait: Duration,
) -> Result<(), Trouble> {
    let told = |fault: Trouble| fault.told(place);
    let mut waiting: Vec<AnyRow> = Vec::new();
    let flush = |waiting: &mut Vec<AnyRow>| -> Result<(), Trouble> {
        Writes::copies(waiting)?.write(session, wait)?;
        waiting.clear();
        Ok(())
    };
    let handed: Result<(), StoreError> = rows(&mut |row| {
        waiting.push(row);
        if waiting.len() < ROWS_MAX { Ok(()) } else { flush(&mut waiting).map_err(told) }
    });
    handed.map_err(|error| Trouble::Fault(Fault::Told(error)))?;
    flush(&mut waiting)
}
