//! `flyball runs charged | stop | pause | resume | raise`: the runs and sessions that a gateway
//! charges. Each is a scope below its project, with workflows, phases and agents below it; whoever
//! asks for more of one hears of a change at once.

mod naming;
mod tree;

pub(super) use naming::named;

use serde::Serialize;

use super::books::OpenLedger;
use super::context::Context;
use super::error::AppError;
use super::{output, standing};
use crate::amount::Amount;
use crate::budget::{Limits, Operation, ScopeRow, names_in};
use crate::cli::ledger::{LedgerFlag, RunsCharged};
use crate::cli::value::PlainFormat;
use crate::id::RunId;
use crate::report::budget::{ShownBudget, ShownScope, indented, table};
use crate::report::json;

/// Organisation, project, run.
pub(super) const LEVELS: usize = 3;
/// So many agents are shown of a run in a table, where nobody says how many.
const AGENTS_SHOWN: usize = 20;

/// What to do to one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Admit nothing more, for good.
    Stop,
    /// Admit nothing until it is resumed; who asks waits.
    Pause,
    /// Admit again.
    Resume,
    /// Raise its limit.
    Raise(Amount),
}

/// Whether the run or session of `row` has this name, such as `run nightly`, whosever key it uses.
pub(super) fn is_called(row: &ScopeRow, name: &str) -> bool {
    let leaf = names_in(&row.path).last().unwrap_or("");
    leaf.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(" of "))
}

#[derive(Serialize)]
struct List<'a> {
    version: u32,
    runs: &'a [ShownBudget],
}

pub(super) fn list(typed: &RunsCharged, context: &Context) -> Result<(), AppError> {
    if let Some(run) = &typed.run {
        return show(run, typed, context);
    }
    let rows = match OpenLedger::if_there(&typed.ledger, context)? {
        Some(ledger) => all(&ledger)?,
        None => Vec::new(),
    };
    let last = rows.len().saturating_sub(usize::try_from(typed.last).unwrap_or(usize::MAX));
    let shown: Vec<ShownBudget> = rows.iter().skip(last).rev().map(shown).collect();
    output::print(&match typed.format {
        PlainFormat::Json => json::pretty(&List { version: 1, runs: &shown }),
        PlainFormat::Table if shown.is_empty() => {
            "no gateway has charged a run or a session yet: flyball gateway\n".to_owned()
        }
        PlainFormat::Table => table(&shown, context.stdout.page()),
    })
}

#[derive(Serialize)]
struct Shown<'a> {
    version: u32,
    scopes: &'a [ShownScope],
}

/// One run or session with what lies below it.
fn show(run: &str, typed: &RunsCharged, context: &Context) -> Result<(), AppError> {
    let ledger = OpenLedger::existing(&typed.ledger, context)?;
    let row = naming::named(&ledger, run)?;
    let rows = ledger.read(|ledger| ledger.scopes())?;
    let agents = typed.agents.map(|agents| usize::try_from(agents).unwrap_or(usize::MAX));
    output::print(&match typed.format {
        PlainFormat::Json => {
            let scopes = tree::below(&row, rows, agents.unwrap_or(usize::MAX));
            json::pretty(&Shown { version: 1, scopes: &scopes })
        }
        PlainFormat::Table => {
            let scopes = tree::below(&row, rows, agents.unwrap_or(AGENTS_SHOWN));
            indented(&scopes, context.stdout.page())
        }
    })
}

pub(super) fn change(
    run: &str,
    change: Change,
    flag: &LedgerFlag,
    context: &Context,
) -> Result<(), AppError> {
    let mut ledger = OpenLedger::existing(flag, context)?;
    let row = naming::named(&ledger, run)?;
    ledger.change(operation(&row, change))?;
    if matches!(change, Change::Raise(_) | Change::Resume) && has_ended(&ledger, &row)? {
        output::tell(&format!(
            "note: {} has ended, so nothing of it goes on; flyball run begins another, and pays for \
             every agent of it\n",
            name(&row)
        ));
    }
    print(&ledger, &row, context)
}

/// Whether it belongs to a run of `flyball run` that is over.
fn has_ended(ledger: &OpenLedger, row: &ScopeRow) -> Result<bool, AppError> {
    let run = names_in(&row.path).nth(2).and_then(|name| name.strip_prefix("run "));
    let Some(run) = run else { return Ok(false) };
    let id = RunId::from(run.to_owned());
    let row = ledger.read(|ledger| ledger.run(&id))?;
    Ok(row.is_some_and(|run| run.ended_at.is_some()))
}

/// What `change` does to the run or session of `row`.
pub(super) fn operation(row: &ScopeRow, change: Change) -> Operation {
    match change {
        Change::Stop => {
            let limits = Limits { usd: Some(row.settled.usd), ..row.limits };
            Operation::SetLimits(row.id, limits.lowest(row.limits))
        }
        Change::Pause => Operation::SetPaused(row.id, true),
        Change::Resume => Operation::SetPaused(row.id, false),
        Change::Raise(amount) => Operation::RaiseLimits(row.id, amount),
    }
}

fn print(ledger: &OpenLedger, row: &ScopeRow, context: &Context) -> Result<(), AppError> {
    let now = ledger.read(|ledger| ledger.scope_by_path(&row.path))?;
    let now = now.as_ref().unwrap_or(row);
    output::print(&table(&[shown(now)], context.stdout.page()))
}

pub(super) fn shown(row: &ScopeRow) -> ShownBudget {
    ShownBudget::of(&name(row), row.paused, &row.balance())
}

/// `session 6f0c… in shop`, `session 6f0c… / agent a… in shop`.
fn name(row: &ScopeRow) -> String {
    let names: Vec<&str> = names_in(&row.path).skip(2).collect();
    format!("{}{IN}{}", names.join(" / "), project(row))
}

/// What stands between a name and its project.
const IN: &str = " in ";

fn project(row: &ScopeRow) -> &str {
    let name = names_in(&row.path).nth(1).unwrap_or("");
    name.strip_prefix("project ").unwrap_or(name)
}

/// Every run and session, in the order they were opened.
pub(super) fn all(ledger: &OpenLedger) -> Result<Vec<ScopeRow>, AppError> {
    let mut rows = ledger.read(|ledger| ledger.upper_scopes(LEVELS))?;
    rows.retain(is_run);
    Ok(rows)
}

/// Whether it is the scope of this run.
pub(super) fn is_of_run(row: &ScopeRow, run: &RunId) -> bool {
    names_in(&row.path).last().and_then(|name| name.strip_prefix("run ")) == Some(&*run.0)
}

/// Whether it is a run or a session that a gateway charges, and not what lies above them, nor a part
/// of a run that paid nothing.
pub(super) fn is_run(row: &ScopeRow) -> bool {
    standing::is_in_project(row) && names_in(&row.path).count() == LEVELS
}
