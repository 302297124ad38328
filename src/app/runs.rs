//! `flyball runs`.

use serde::Serialize;

use super::books::OpenLedger;
use super::charged::{self, Change};
use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::output;
use crate::cli::ledger::{RunsCommand, RunsList, RunsNamed, RunsShow};
use crate::cli::value::{Format, PlainFormat};
use crate::event::RunReport;
use crate::id::RunId;
use crate::ledger::RunRow;
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
    let rows = match OpenLedger::if_there(&typed.ledger, context)? {
        Some(ledger) => ledger.read(|ledger| ledger.runs(typed.last as usize))?,
        None => Vec::new(),
    };
    let runs: Vec<ListedRun> = rows.iter().map(listed).collect();
    output::print(&match typed.format {
        PlainFormat::Table => table(&runs, context.stdout.page()),
        PlainFormat::Json => json::pretty(&List { version: 1, runs: &runs }),
    })
}

fn listed(row: &RunRow) -> ListedRun {
    let report = report_of(row);
    ListedRun {
        id: row.id.0.to_string(),
        workflow: row.workflow.clone(),
        simulated: row.simulated,
        began: row.started_at.to_string(),
        status: row.status.clone(),
        spent_usd: report.as_ref().map(|report| report.cost_usd.spent),
        limit_usd: report.as_ref().and_then(|report| report.cost_usd.limit),
        agents_done: report.as_ref().map(|report| report.agents.done),
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
        AppError::bad_input(format!("the report of run `{}` cannot be read", row.id))
    })?;
    output::print(&match typed.format {
        Format::Table => run_report::table(&report, context.stdout.page()),
        Format::Json => json::pretty(&report),
        Format::Markdown => run_report::markdown(&report),
    })
}
