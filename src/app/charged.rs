//! `flyball runs charged | stop | pause | resume | raise`: the runs and sessions that a gateway
//! charges. Each is a scope below its project; whoever asks for more of it hears of a change at once.

use serde::Serialize;

use super::books::OpenLedger;
use super::context::Context;
use super::error::AppError;
use super::output;
use crate::amount::Amount;
use crate::budget::{Limits, Operation, ScopeRow, names_in};
use crate::cli::ledger::{LedgerFlag, RunsCharged};
use crate::cli::value::PlainFormat;
use crate::report::budget::{ShownBudget, table};
use crate::report::json;

/// Organisation, project, run.
pub(super) const LEVELS: usize = 3;
/// The shortest head of a name that stands for it.
const HEAD_MIN: usize = 4;

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

#[derive(Serialize)]
struct List<'a> {
    version: u32,
    runs: &'a [ShownBudget],
}

pub(super) fn list(typed: &RunsCharged, context: &Context) -> Result<(), AppError> {
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

pub(super) fn change(
    run: &str,
    change: Change,
    flag: &LedgerFlag,
    context: &Context,
) -> Result<(), AppError> {
    let mut ledger = OpenLedger::existing(flag, context)?;
    let row = named(&ledger, run)?;
    ledger.change(operation(&row, change)?)?;
    print(&ledger, &row, context)
}

/// What `change` does to the run or session of `row`.
pub(super) fn operation(row: &ScopeRow, change: Change) -> Result<Operation, AppError> {
    Ok(match change {
        Change::Stop => {
            let limits = Limits { usd: Some(row.settled.usd), ..row.limits };
            Operation::SetLimits(row.id, limits.lowest(row.limits))
        }
        Change::Pause => Operation::SetPaused(row.id, true),
        Change::Resume => Operation::SetPaused(row.id, false),
        Change::Raise(amount) => {
            let raised = row.limits.raised(amount).ok_or_else(|| {
                AppError::usage(format!("{} has no limit that {amount} could raise", name(row)))
                    .with_hint("see what it limits with: flyball runs charged")
            })?;
            Operation::SetLimits(row.id, raised)
        }
    })
}

fn print(ledger: &OpenLedger, row: &ScopeRow, context: &Context) -> Result<(), AppError> {
    let now = ledger.read(|ledger| ledger.scope_by_path(&row.path))?;
    let now = now.as_ref().unwrap_or(row);
    output::print(&table(&[shown(now)], context.stdout.page()))
}

pub(super) fn shown(row: &ScopeRow) -> ShownBudget {
    ShownBudget::of(&name(row), row.paused, &row.balance())
}

/// `session 6f0c… in shop`.
fn name(row: &ScopeRow) -> String {
    let mut names = names_in(&row.path).skip(1);
    let project = names.next().map_or("", |name| name.trim_start_matches("project "));
    let run = names.next().map_or("", |name| name);
    format!("{run} in {project}")
}

/// Every run and session, in the order they were opened.
fn all(ledger: &OpenLedger) -> Result<Vec<ScopeRow>, AppError> {
    let mut rows = ledger.read(|ledger| ledger.upper_scopes(LEVELS))?;
    rows.retain(is_run);
    Ok(rows)
}

/// Whether it is a run or a session, and not what lies above them.
pub(super) fn is_run(row: &ScopeRow) -> bool {
    names_in(&row.path).count() == LEVELS
}

/// The one that `run` names: in whole (`run nightly`), without its kind, or by its head.
fn named(ledger: &OpenLedger, run: &str) -> Result<ScopeRow, AppError> {
    let rows = all(ledger)?;
    let leaf = |row: &ScopeRow| names_in(&row.path).last().unwrap_or("").to_owned();
    let bare = |row: &ScopeRow| {
        let leaf = leaf(row);
        let bare = leaf.strip_prefix("run ").or_else(|| leaf.strip_prefix("session "));
        bare.map_or_else(|| leaf.clone(), str::to_owned)
    };
    let exact = |row: &&ScopeRow| leaf(row) == run || bare(row) == run;
    let by_head = |row: &&ScopeRow| run.len() >= HEAD_MIN && bare(row).starts_with(run);
    let mut found: Vec<&ScopeRow> = rows.iter().filter(exact).collect();
    if found.is_empty() {
        found = rows.iter().filter(by_head).collect();
    }
    match found.as_slice() {
        [row] => Ok((*row).clone()),
        [] => Err(AppError::usage(format!("no gateway has charged a run or session `{run}`"))
            .with_hint("flyball runs charged shows those there are")),
        several => {
            let names: Vec<String> = several.iter().map(|row| name(row)).collect();
            Err(AppError::usage(format!("`{run}` can be {}", names.join(", ")))
                .with_hint("write more of its name"))
        }
    }
}
