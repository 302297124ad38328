//! `flyball ledger reconcile`.

use std::fmt::Write as _;

use serde::Serialize;

use super::books::OpenLedger;
use super::context::Context;
use super::error::AppError;
use super::output;
use crate::budget::Charge;
use crate::cli::ledger::{LedgerReconcile, ReconcileAs};
use crate::cli::value::PlainFormat;
use crate::ledger::{self, Holding, Liveness, ReconcileError, Reconciled, Verdict};
use crate::money::Picodollars;
use crate::report::holdings::{ShownHolding, table};
use crate::report::json;
use crate::report::number::{dollars, plural};

pub(super) fn run(typed: &LedgerReconcile, context: &Context) -> Result<(), AppError> {
    let mut open = OpenLedger::existing(&typed.ledger, context)?;
    let mut holdings = open.read(|ledger| ledger::holdings(ledger))?;
    if let Some(owner) = typed.owner {
        holdings.retain(|holding| holding.owner.as_ref().is_some_and(|row| row.id.0 == owner));
    }
    let Some(verdict) = typed.r#as else { return show(&holdings, typed, context) };
    let Some(reason) = typed.reason.clone().filter(|reason| !reason.trim().is_empty()) else {
        return Err(AppError::usage("whoever frees what others held says why")
            .with_hint("add --reason TEXT; it is kept with every entry"));
    };
    let mut done = Reconciled::default();
    let chosen = chosen(&holdings, typed.owner)?;
    open.note(Some(reason));
    for holding in &chosen {
        let verdict = match verdict {
            ReconcileAs::Spent => Verdict::Spent,
            ReconcileAs::Unsent => Verdict::Unsent,
        };
        let more = open.reconcile(holding, verdict, typed.whole_slices).map_err(explain)?;
        done.attempts += more.attempts;
        done.leases += more.leases;
        done.written_off += more.written_off;
        done.given_back += more.given_back;
    }
    tell(&done, chosen.len(), typed.format)
}

/// The processes to reconcile: the one that was named, which alone is left then, or every one that
/// is dead.
fn chosen(holdings: &[Holding], owner: Option<u64>) -> Result<Vec<&Holding>, AppError> {
    let Some(owner) = owner else {
        return Ok(holdings.iter().filter(|holding| holding.is_dead()).collect());
    };
    let Some(holding) = holdings.first() else {
        return Err(AppError::usage(format!("no process with the number {owner} holds anything"))
            .with_hint("flyball ledger reconcile shows those that do"));
    };
    let Some(row) = holding.owner.as_ref().filter(|_| !holding.is_dead()) else {
        return Ok(vec![holding]);
    };
    let who = format!("process {} on {}", row.process, row.host);
    Err(if row.liveness == Liveness::Alive {
        AppError::usage(format!("{who} is alive and settles what it holds by itself"))
            .with_hint("end it first; what it held can be freed then")
    } else {
        AppError::usage(format!("{who} cannot be reached and may still spend what it holds"))
            .with_hint("try again in a minute: by then it has stopped, or is back")
    })
}

#[derive(Serialize)]
struct Shown {
    version: u32,
    holdings: Vec<ShownHolding>,
}

fn show(holdings: &[Holding], typed: &LedgerReconcile, context: &Context) -> Result<(), AppError> {
    let shown: Vec<ShownHolding> = holdings.iter().map(shown).collect();
    if typed.format == PlainFormat::Json {
        return output::print(&json::pretty(&Shown { version: 1, holdings: shown }));
    }
    if shown.is_empty() {
        return output::print(match typed.owner {
            None => "nothing is held: every request was settled\n",
            Some(_) => "that process holds nothing\n",
        });
    }
    let mut text = table(&shown, context.stdout.page());
    let dead = holdings.iter().filter(|holding| holding.is_dead()).count();
    if dead > 0 {
        text.push_str(
            "\nwhat the dead hold counts as spent until you say what became of it:\n  \
             flyball ledger reconcile --as spent --reason 'machine was restarted'\n",
        );
    }
    output::print(&text)
}

fn shown(holding: &Holding) -> ShownHolding {
    let sum = |charges: &mut dyn Iterator<Item = Charge>| {
        charges.fold(Picodollars::ZERO, |sum, charge| sum + charge.usd)
    };
    let owner = holding.owner.as_ref();
    ShownHolding {
        owner: owner.map(|row| row.id.0),
        process: owner.map(|row| format!("{} on {}", row.process, row.host)),
        since: owner.map(|row| row.since.to_string()),
        state: match owner.map(|row| row.liveness) {
            Some(Liveness::Alive) => "alive",
            Some(Liveness::Silent) => "silent",
            Some(Liveness::Dead) | None => "dead",
        },
        requests: holding.attempts.len(),
        reserved: sum(&mut holding.attempts.iter().map(|row| row.charge)),
        leases: holding.leases.len(),
        leased: sum(&mut holding.leases.iter().map(|row| row.left)),
    }
}

#[derive(Serialize)]
struct Done {
    version: u32,
    processes: usize,
    requests: usize,
    leases: usize,
    written_off: Picodollars,
    given_back: Picodollars,
}

fn tell(done: &Reconciled, processes: usize, format: PlainFormat) -> Result<(), AppError> {
    let Reconciled { attempts, leases, written_off, given_back } = *done;
    if format == PlainFormat::Json {
        return output::print(&json::pretty(&Done {
            version: 1,
            processes,
            requests: attempts,
            leases,
            written_off: written_off.usd,
            given_back: given_back.usd,
        }));
    }
    if processes == 0 {
        return output::print("nothing is held by the dead\n");
    }
    let mut text = format!(
        "reconciled {}: {} ended",
        plural(processes as u64, "process", "processes"),
        plural(attempts as u64, "request", "requests"),
    );
    if leases > 0 {
        let slices = plural(leases as u64, "slice", "slices");
        let (free, spent) = (dollars(given_back.usd), dollars(written_off.usd));
        let _ =
            write!(text, ", {slices} back; {free} of it free again, {spent} written off as spent");
    }
    output::print(&(text + "\n"))
}

fn explain(error: ReconcileError) -> AppError {
    match error {
        ReconcileError::Store(error) => super::books::explain(error),
        ReconcileError::Account(error) => AppError::bug(error),
        ReconcileError::NoJournal(_) => AppError::bad_input(error.to_string()).with_hint(
            "reconcile there; or give the journal up with --whole-slices: then all of the slice \
             counts as spent",
        ),
        ReconcileError::Journal(..) => AppError::bad_input(error.to_string()),
    }
}
