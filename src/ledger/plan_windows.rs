//! What is known of plan windows, in the embedded ledger.

use rusqlite::{Connection, Row, params};

use crate::ledger::failure::Fault;
use crate::ledger::plan_window_row::{Columns, PlanWindowRow};
use crate::ledger::select::all;

macro_rules! plan_windows_where {
    ($rest:literal) => {
        concat!(
            "SELECT at_milliseconds, kind, name, plan_window, milli_percent, resets_at_seconds, \
             settled_usd_pico FROM plan_windows ",
            $rest
        )
    };
}

/// Every row in the order it was written.
pub(super) const EVERY: &str = plan_windows_where!("ORDER BY number");

const LAST: &str = plan_windows_where!(
    "WHERE kind = 'limit' OR number > (SELECT coalesce(max(number), 0) FROM plan_windows) - ?1 \
     ORDER BY number"
);

const INSERT: &str = "
INSERT INTO plan_windows (at_milliseconds, kind, name, plan_window, milli_percent,
    resets_at_seconds, settled_usd_pico)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Every limit, and of the last `last` rows what was seen.
pub(super) fn read(connection: &Connection, last: usize) -> Result<Vec<PlanWindowRow>, Fault> {
    all(connection, LAST, [i64::try_from(last).unwrap_or(i64::MAX)], row)
}

pub(super) fn write(connection: &Connection, row: &PlanWindowRow) -> Result<(), Fault> {
    let columns = Columns::of(row)?;
    connection.prepare_cached(INSERT)?.execute(params![
        columns.at_milliseconds,
        columns.kind,
        columns.name,
        columns.window,
        columns.milli_percent,
        columns.resets_at_seconds,
        columns.settled_usd_pico,
    ])?;
    Ok(())
}

pub(super) fn row(row: &Row<'_>) -> Result<PlanWindowRow, Fault> {
    let columns = Columns {
        at_milliseconds: row.get(0)?,
        kind: row.get(1)?,
        name: row.get(2)?,
        window: row.get(3)?,
        milli_percent: row.get(4)?,
        resets_at_seconds: row.get(5)?,
        settled_usd_pico: row.get(6)?,
    };
    columns.row()
}
