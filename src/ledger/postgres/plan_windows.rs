//! What is known of plan windows, in a ledger on Postgres.

use tokio_postgres::Row;

use crate::ledger::failure::Fault;
use crate::ledger::plan_window_row::{Columns, PlanWindowRow};
use crate::ledger::postgres::select::get;
use crate::ledger::postgres::session::Question;

macro_rules! plan_windows {
    ($rest:literal) => {
        concat!(
            "SELECT at_milliseconds, kind, name, plan_window, milli_percent, resets_at_seconds, \
             settled_usd_pico::text FROM flyball.plan_windows ",
            $rest
        )
    };
}

const INSERT: &str = "
INSERT INTO flyball.plan_windows (at_milliseconds, kind, name, plan_window, milli_percent,
    resets_at_seconds, settled_usd_pico)
VALUES ($1, $2, $3, $4, $5, $6, $7::text::numeric)";

/// Every row in the order it was written.
pub(super) fn every() -> Question {
    Question::new(plan_windows!("ORDER BY number"))
}

/// Every limit, and of the last `last` rows what was seen.
pub(super) fn last(last: usize) -> Question {
    let sql = plan_windows!(
        "WHERE kind = 'limit' \
         OR number > (SELECT coalesce(max(number), 0) FROM flyball.plan_windows) - $1 \
         ORDER BY number"
    );
    Question::new(sql).number(i64::try_from(last).unwrap_or(i64::MAX))
}

pub(super) fn insert(row: &PlanWindowRow) -> Result<Question, Fault> {
    let columns = Columns::of(row)?;
    Ok(Question::new(INSERT)
        .number(columns.at_milliseconds)
        .text(columns.kind)
        .text(columns.name)
        .text(columns.window)
        .number(columns.milli_percent)
        .number(columns.resets_at_seconds)
        .text(columns.settled_usd_pico))
}

pub(super) fn row(row: &Row) -> Result<PlanWindowRow, Fault> {
    let columns = Columns {
        at_milliseconds: get(row, 0)?,
        kind: get(row, 1)?,
        name: get(row, 2)?,
        window: get(row, 3)?,
        milli_percent: get(row, 4)?,
        resets_at_seconds: get(row, 5)?,
        settled_usd_pico: get(row, 6)?,
    };
    columns.row()
}
