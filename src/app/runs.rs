//! `flyball runs`.

use serde::Serialize;

use super::books::OpenLedger;
use super::charged::{self, Change};
use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::keeper::RUNNING;
use super::output;
use crate::cli::ledger::{RunsCommand, RunsList, RunsNamed, RunsShow};
use crate::cli::value::{Format, PlainFormat};
use crate::event::RunReport;
use crate::id::RunId;
use crate::ledger::{Liveness, RunRow};
use crate::report::runs::{ListedRun, table};
use crate::report::{json, run as run_report};

pub(super) fn run(command: RunsCommand, context: &Context) -> Result<Exit, AppError> {
    match command {
        RunsCommand::List(typed) => list(&typed, context),
        RunsCommand::Show(typed) => show(&typed, context),
        RunsCommand::Charged(typed) => charged::list(&typed, context),
        RunsCommand::Stop(typed) => change(&typed, Change::Stop, context),
        RunsCommand::Pause(typed) => change(&typed, Change::Pause, context),
        RunsCommand::Resume(typed) => change(&typed, Change::Resume, context),
        RunsCommand::Raise(typed) => {
            charged::change(&typed.run, Change::Raise(typed.amount), &typed.ledger, context)
        }
    }?;
    Ok(Exit::Done)
}

fn change(typed: &RunsNamed, change: Change, context: &Context) -> Result<(), AppError> {
    charged::change(&typed.run, change, &typed.ledger, context)
}

#[derive(Serialize)]
struct List<'a> {
    version: u32,
    runs: &'a [ListedRun],
}

fn list(typed: &RunsList, context: &Context) -> Result<(), AppError> {
    let runs = match OpenLedger::if_there(&typed.ledger, context)? {
        Some(ledger) => listed(&ledger, typed.last as usize)?,
        None => Vec::new(),
    };
    output::print(&match typed.format {
        PlainFormat::Table => table(&runs, context.stdout.page()),
        PlainFormat::Json => json::pretty(&List { version: 1, runs: &runs }),
    })
}

/// The last `last` runs. Of one that has no report the ledger says what it was charged.
fn listed(ledger: &OpenLedger, last: usize) -> Result<Vec<ListedRun>, AppError> {
    let rows = ledger.read(|ledger| ledger.runs(last))?;
    let charged = if rows.iter().any(|row| row.report.is_none()) {
        charged::all(ledger)?
    } else {
        Vec::new()
    };
    let listed = |row: &RunRow| {
        let report = report_of(row);
        let scope = charged.iter().rev().find(|scope| charged::is_of_run(scope, &row.id));
        let of_report = report.as_ref().map(|report| &report.cost_usd);
        ListedRun {
            id: row.id.0.to_string(),
            workflow: row.workflow.clone(),
            simulated: row.simulated,
            began: row.started_at.to_string(),
            status: stands(ledger, row).0.to_owned(),
            spent_usd: of_report.map(|cost| cost.spent).or(scope.map(|scope| scope.settled.usd)),
            limit_usd: of_report
                .map_or(scope.and_then(|scope| scope.limits.usd), |cost| cost.limit),
            agents_done: report.as_ref().map(|report| report.agents.done),
        }
    };
    Ok(rows.iter().map(listed).collect())
}

/// How a run stands: in one word, and why it has no report.
fn stands<'a>(ledger: &OpenLedger, row: &'a RunRow) -> (&'a str, &'static str) {
    if row.ended_at.is_some() || row.status != RUNNING {
        return (&row.status, "its report cannot be read");
    }
    match ledger.liveness(&row.id) {
        Liveness::Alive => (RUNNING, "it is still running"),
        Liveness::Dead => ("lost", "its process died before it ended"),
        Liveness::Silent => {
            ("unfinished", "it has not ended, and its process is not seen from here")
        }
    }
}

fn report_of(row: &RunRow) -> Option<RunReport> {
    serde_json::from_value(row.report.clone()?).ok()
}

fn show(typed: &RunsShow, context: &Context) -> Result<(), AppError> {
    let ledger = OpenLedger::existing(&typed.ledger, context)?;
    let id = RunId::from(typed.run.clone());
    let row = ledger.read(|ledger| ledger.run(&id))?.ok_or_else(|| {
        let named = charged::named(&ledger, &typed.run);
        match named.map(|row| charged::shown(&row).scope) {
            Ok(name) => {
                AppError::usage(format!("{name} was charged by a gateway and has no report"))
                    .with_hint(format!("see what it has spent: flyball runs charged '{name}'"))
            }
            Err(_) => AppError::usage(format!("the ledger has no run `{}`", typed.run))
                .with_hint("flyball runs list names those it has"),
        }
    })?;
    let report = report_of(&row).ok_or_else(|| {
        let why = stands(&ledger, &row).1;
        AppError::bad_input(format!("there is no report of run `{}`: {why}", row.id))
            .with_hint(format!("see what it has spent: flyball runs charged 'run {}'", row.id))
            .with_hint("free what a dead process holds: flyball ledger reconcile")
    })?;
    output::print(&match typed.format {
        Format::Table => run_report::table(&report, context.stdout.page()),
        Format::Json => json::pretty(&report),
        Format::Markdown => run_report::markdown(&report),
    })
}
