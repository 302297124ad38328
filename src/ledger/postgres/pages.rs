//! Long lists, a page at a time: neither side holds all of one.

use std::ops::ControlFlow;
use std::time::Duration;

use tokio_postgres::Row;

use crate::budget::AttemptRow;
use crate::ledger::entry_row::EntryRow;
use crate::ledger::postgres::select;
use crate::ledger::postgres::session::{Question, Session};
use crate::ledger::postgres::trouble::Trouble;
use crate::ledger::runs::RunRow;

/// How long one reading may take; a page is one.
pub(super) const READING_MAX: Duration = Duration::from_mins(1);
/// Rows that are fetched at once.
const PAGE: i64 = 2_000;
/// Runs that are fetched at once: they hold whole reports.
const RUNS_PAGE: i64 = 50;

/// The rows of one question, within a transaction that only reads.
pub(super) fn rows(session: &Session, question: Question) -> Result<Vec<Row>, Trouble> {
    let answers = session.ask(None, vec![question], READING_MAX)?;
    Ok(answers.into_iter().flat_map(|answer| answer.rows).collect())
}

/// Every entry in order, until `each` breaks.
pub(super) fn entries(
    session: &Session,
    mut each: impl FnMut(EntryRow) -> Result<ControlFlow<()>, Trouble>,
) -> Result<(), Trouble> {
    let mut first = 0;
    loop {
        let rows = rows(session, select::entries_from(first, PAGE))?;
        for row in &rows {
            first = select::get::<i64>(row, 0)?.saturating_add(1);
            if each(select::entry_row(row)?)?.is_break() {
                return Ok(());
            }
        }
        if is_last(&rows, PAGE) {
            return Ok(());
        }
    }
}

/// Every attempt in the order they were admitted.
pub(super) fn attempts(
    session: &Session,
    mut each: impl FnMut(AttemptRow) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let mut last = 0;
    loop {
        let rows = rows(session, select::attempts_after(last, PAGE))?;
        for row in &rows {
            last = select::attempt_number(row)?;
            each(select::attempt_row(row)?)?;
        }
        if is_last(&rows, PAGE) {
            return Ok(());
        }
    }
}

/// Every run by id.
pub(super) fn runs(
    session: &Session,
    mut each: impl FnMut(RunRow) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let mut last = None;
    loop {
        let rows = rows(session, select::runs_after(last.clone(), RUNS_PAGE))?;
        for row in &rows {
            let run = select::run_row(row)?;
            last = Some(run.id.0.to_string());
            each(run)?;
        }
        if is_last(&rows, RUNS_PAGE) {
            return Ok(());
        }
    }
}

fn is_last(rows: &[Row], page: i64) -> bool {
    (rows.len() as u64) < page.unsigned_abs()
}
